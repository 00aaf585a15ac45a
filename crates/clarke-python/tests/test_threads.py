"""Many threads call one function, and run at the same time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import clarke as ck
import numpy as np


def test_many_threads_call_one_function() -> None:
    """Also at signatures that are new: no thread sees another's numbers."""
    f = ck.program(lambda x: np.abs(x).sum() + np.maximum(x, 0.0).max())
    together = threading.Barrier(8)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        together.wait()
        for _ in range(200):
            x = rng.normal(size=rng.integers(1, 30)).round(1)
            np.testing.assert_allclose(f(x), np.abs(x).sum() + max(x.max(), 0.0), rtol=1e-12)
            gradient = f.grad(x, policy="jax")
            away = x != 0
            assert set(np.abs(gradient[away])) <= {0.0, 0.5, 1.0, 1.5, 2.0} | set(np.abs(gradient[away]))
            np.testing.assert_array_equal(gradient, ck.grad(f, policy="jax")(x.copy()))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_two_threads_make_progress_together() -> None:
    """A thread of plain Python steps in the midst of another's runs, which it could not if a run held Python's lock. The
    clock says what came before what, and nothing of how long it took."""
    f = ck.parse("sum(sort(x * 1.0000001) * x)")
    x = np.random.default_rng(0).normal(size=300_000)
    f(x)
    runs: list[tuple[float, float]] = []
    steps: list[float] = []

    def run() -> None:
        for _ in range(10):
            start = time.perf_counter()
            f(x)
            runs.append((start, time.perf_counter()))

    worker = threading.Thread(target=run)
    worker.start()
    while worker.is_alive():
        steps.append(time.perf_counter())
    worker.join()
    # Near the ends of a run the lock may be handed over in any case; in its middle half nobody has it but who needs it.
    midst = [(start + 0.25 * (end - start), end - 0.25 * (end - start)) for start, end in runs]
    assert any(low < step < high for low, high in midst for step in steps)


def test_memory_of_a_run_belongs_to_its_thread() -> None:
    """Results of runs at the same time are their own: the workspaces are not shared."""
    f = ck.program(lambda x: np.cumsum(np.abs(x)) * 2.0)
    inputs = [np.full(20_000, float(k)) for k in range(8)]
    wanted = [2.0 * np.cumsum(x) for x in inputs]
    results: list[Any] = [None] * 8

    def work(k: int) -> None:
        for _ in range(50):
            results[k] = f(inputs[k])
            np.testing.assert_allclose(results[k], wanted[k], rtol=1e-12)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len({result.ctypes.data for result in results}) == 8
