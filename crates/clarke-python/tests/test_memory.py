"""Calls and traces leave no memory behind, and arrays are not copied."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any, Callable

import clarke as ck
import numpy as np
import pytest

#: What a process may grow by, in bytes: much less than a leak of one hundred bytes a call would leave.
GROWTH = 6 << 20


def resident() -> int:
    """The bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def growth(step: Callable[[int], Any], times: int) -> int:
    """By how much the process has grown after so many steps, once a fifth of them has warmed it up."""
    for k in range(times // 5):
        step(k)
    gc.collect()
    before = resident()
    for k in range(times // 5, times + times // 5):
        step(k)
    gc.collect()
    return resident() - before


on_linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's account of memory")


@on_linux
@pytest.mark.parametrize("name", ["value", "grad", "value_and_grad", "vjp", "tree"])
def test_calls_leave_nothing(name: str) -> None:
    f = ck.program(lambda x: np.abs(x).sum() + np.maximum(x, 0.0).max())
    h = ck.program(lambda p: {"y": np.abs(p["x"])})
    x = np.array([1.0, -2.0, 0.0])
    steps: dict[str, Callable[[int], Any]] = {
        "value": lambda k: f(x),
        "grad": lambda k: f.grad(x),
        "value_and_grad": lambda k: f.value_and_grad(x),
        "vjp": lambda k: f.vjp(x)[1](1.0),
        "tree": lambda k: h({"x": x}),
    }
    assert growth(steps[name], 100_000 if name in ("value", "grad") else 20_000) < GROWTH


@on_linux
def test_traces_leave_nothing() -> None:
    def once(k: int) -> None:
        f = ck.program(lambda x: np.abs(x).sum() + np.maximum(x, 0.0).max())
        f(np.zeros(3))

    assert growth(once, 10_000) < GROWTH


@on_linux
def test_errors_leave_nothing() -> None:
    f = ck.parse("sqrt(abs(x))")

    def once(k: int) -> None:
        with pytest.raises(ck.NotLipschitzError):
            f.grad(0.0)

    assert growth(once, 2000) < GROWTH


@on_linux
def test_signatures_are_forgotten() -> None:
    """A function called with ever new shapes keeps the latest ones only."""
    f = ck.program(lambda x: np.abs(x).sum())
    assert growth(lambda k: f(np.zeros(1 + k)), 2000) < 2 * GROWTH


def test_large_arrays_are_read_where_they_are() -> None:
    """A run on forty megabytes makes no array of that size: numpy, which all arrays come from, would say so."""
    import tracemalloc

    x = np.linspace(-1.0, 1.0, 5_000_000)
    f = ck.program(lambda x: np.abs(x).sum())
    f(x)
    tracemalloc.start()
    try:
        f(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes // 100


def test_arguments_are_the_users_own_memory() -> None:
    """What reaches the native half is the array that the user gave, by its address; another layout or dtype is converted."""
    from clarke._arrays import as_arrays

    x = np.zeros((4, 5))
    own = as_arrays([x], True)[0]
    assert own.ctypes.data == x.ctypes.data
    single = x.astype("float32")
    assert as_arrays([single], False)[0].ctypes.data == single.ctypes.data
    view = x[1:3]
    assert as_arrays([view], True)[0].ctypes.data == x.ctypes.data + 5 * 8
    for other in (x.T, single, x[:, ::2]):
        assert as_arrays([other], True)[0].ctypes.data != other.ctypes.data


def test_what_is_written_to_an_array_is_seen_by_the_next_call() -> None:
    x = np.zeros(3)
    f = ck.program(lambda x: x.sum())
    assert f(x) == 0.0
    x[:] = 2.0
    assert f(x) == 6.0


class Foreign:
    """An array of another library, known by DLPack alone."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.asked = 0

    def __dlpack__(self, **keywords: Any) -> Any:
        self.asked += 1
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def test_dlpack_in_and_out() -> None:
    f = ck.program(lambda x: np.abs(x) * 2.0)
    x = np.array([1.0, -2.0])
    given = Foreign(x)
    result = f(given)
    assert given.asked >= 1
    np.testing.assert_array_equal(result, [2.0, 4.0])
    np.testing.assert_array_equal(f.jacobian(given), np.diag([2.0, -2.0]))
    np.testing.assert_array_equal(np.from_dlpack(result), result)
    from clarke._arrays import foreign

    assert foreign(given).ctypes.data == x.ctypes.data
