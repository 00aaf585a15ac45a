"""What cannot be traced is an error that says so, with the user's line and what to do instead."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import clarke as ck
import numpy as np
import pytest
from clarke import _numpy

X = np.arange(12.0).reshape(3, 4)


def refused(code: Callable[..., Any], *x: Any) -> ck.ClarkeError:
    """The error of a function, which must name its own file and line."""
    with pytest.raises(ck.ClarkeError) as caught:
        ck.program(code)(*(x or (X,)))
    error = caught.value
    lines, first = inspect.getsourcelines(code)
    assert error.file == __file__
    assert error.line is not None and first <= error.line < first + len(lines)
    assert str(error).endswith(f"(at {__file__}:{error.line})")
    return error


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (lambda x: np.fft.fft(x), ["numpy.fft.fft has no operator"]),
        (lambda x: np.argmax(x), ["numpy.argmax has no operator", "clarke.gather_argmax"]),
        (lambda x: x.argmin(), ["numpy.argmin has no operator", "np.min(x)"]),
        (lambda x: np.fmax(x, 0), ["numpy.fmax has no operator", "np.maximum", "NaN"]),
        (lambda x: np.isnan(x), ["numpy.isnan has no operator", "NaN"]),
        (lambda x: np.linalg.slogdet(x), ["numpy.linalg.slogdet has no operator", "clarke.logdet(a)"]),
        (lambda x: np.linalg.eigvalsh(x), ["numpy.linalg.eigvalsh has no operator", "clarke.eigvalsh_max"]),
        (lambda x: np.unique(x), ["numpy.unique has no operator"]),
        (lambda x: np.array([x, x]), ["not known while tracing", "np.stack"]),
        (lambda x: np.asarray(x), ["not known while tracing", "np.stack"]),
        (lambda x: x if x[0, 0] > 0 else -x, ["truth", "np.where(condition, a, b)"]),
        (lambda x: max(x[0, 0], 0), ["truth", "np.maximum"]),
        (lambda x: x[0, 0] and x, ["truth of a traced value", "np.where"]),
        (lambda x: float(x[0, 0]), ["the value is not known while tracing", "math"]),
        (lambda x: math.sqrt(x[0, 0]), ["the value is not known while tracing", "np.sqrt"]),
        (lambda x: int(x[0, 0]), ["the value is not known while tracing"]),
        (lambda x: x[0, 0].item(), ["the value is not known while tracing"]),
        (lambda x: range(x[0, 0]), ["an index", "plain integers"]),
        (lambda x: np.ones(3)[x[0, 0]], ["not known while tracing"]),
        (lambda x: x[x > 0], ["x[condition]", "np.where(condition, x, 0)"]),
        (lambda x: x[x], ["an index must be known while tracing"]),
        (lambda x: x[1.5], ["integers"]),
        (lambda x: x.__setitem__(0, 1.0), ["cannot be written to", "clarke.index_add"]),
        (lambda x: np.add(x, 1, out=np.zeros((3, 4))), ["numpy.add cannot write", "out="]),
        (lambda x: np.sum(x, where=np.ones((3, 4), bool)), ["numpy.sum", "`where`", "np.where"]),
        (lambda x: np.sum(x, dtype=np.float32), ["numpy.sum", "precision of the call"]),
        (lambda x: np.mean(x, out=np.zeros(())), ["numpy.mean", "`out`"]),
        (lambda x: x.astype(np.float32), ["cannot become float32"]),
        (lambda x: x.astype(int), ["cannot become int64", "np.floor"]),
        (lambda x: np.reshape(x, (4, 3), order="F"), ["C's order", "transpose"]),
        (lambda x: np.any(x > 0), ["numpy.any has no operator", "np.max(x) > 0"]),
        (lambda x: np.where(x > 0), ["np.where(condition, a, b)"]),
        (lambda x: np.quantile(x, 0.5, method="lower"), ["linear", "lower"]),
        (lambda x: np.linalg.norm(x, -2), ["order -2 has no operator"]),
        (lambda x: np.subtract.reduce(x), ["numpy.subtract.reduce has no operator"]),
        (lambda x: np.add.at(x, [0], 1.0), ["numpy.add.at has no operator", "index_add"]),
        (lambda x: np.pad(x, 1, mode="mean"), ["numpy.pad", "mean"]),
        (lambda x: np.bitwise_and(x, 1), ["conditions", "without bits"]),
        (lambda x: (x > 0) & x, ["conditions", "x != 0"]),
        (lambda x: np.nansum(x), ["numpy.nansum has no operator"]),
        (lambda x: np.allclose(x, 0), ["numpy.allclose has no operator"]),
        (lambda x: x * np.array([1j, 2, 3, 4]), ["complex128", "real numbers"]),
        (lambda x: 1.0 in x, ["not known while tracing"]),
    ],
)
def test_what_cannot_be_traced_is_refused(code: Callable[..., Any], words: list[str]) -> None:
    error = refused(code)
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (lambda x: x + np.ones(3), ["add", "[3, 4]", "[3]"]),
        (lambda x: x @ np.ones(3), ["matmul"]),
        (lambda x: x.reshape(5, -1), ["(3, 4)", "(5, -1)"]),
        (lambda x: x[3], ["3"]),
        (lambda x: x[[0, 3]], ["3"]),
        (lambda x: np.concatenate([x, x[0]]), ["concatenate"]),
        (lambda x: np.sum(x, axis=2), ["sum"]),
        (lambda x: np.split(x, 2), ["numpy.split", "3", "2"]),
        (lambda x: x > np.ones(5), ["`>`", "(3, 4) and (5,)"]),
        (lambda x: np.interp(x, [1.0, 0.0], [1.0, 2.0]), ["increase"]),
        (lambda x: np.quantile(x, 1.5), ["[0, 1]"]),
    ],
)
def test_what_does_not_fit_is_an_input_error(code: Callable[..., Any], words: list[str]) -> None:
    error = refused(code)
    assert isinstance(error, ck.InputError)
    for word in words:
        assert word in str(error)


def test_the_line_of_an_error_is_that_of_the_expression() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        z = [np.cos(v) for v in y]
        return np.linalg.eigh(z[0])

    error = refused(f)
    source, first = inspect.getsourcelines(f)
    assert "np.linalg.eigh" in source[error.line - first]


def test_a_tie_names_the_line_of_its_operator() -> None:
    @ck.program
    def f(x: Any) -> Any:
        y = x * 2
        return np.maximum(y, 0).sum() + np.linalg.norm(x, 1)

    # The program's derivative at a point of a function that jumps names the line, as ties do.
    @ck.program
    def jumps(x: Any) -> Any:
        return np.floor(x).sum()

    with pytest.raises(ck.NoDerivativeError, match="test_numpy_errors.py") as caught:
        jumps.grad(X)
    source, first = inspect.getsourcelines(jumps.__wrapped__)
    assert "np.floor" in source[caught.value.line - first]
    assert f.grad(np.zeros(2), policy="jax").tolist() == [2 * 0.5 + 1, 2 * 0.5 + 1]


def test_a_value_outlives_no_trace() -> None:
    kept: list[Any] = []

    @ck.program
    def f(x: Any) -> Any:
        kept.append(x)
        return x * 2

    @ck.program
    def g(x: Any) -> Any:
        return x + kept[0]

    f(1.0)
    with pytest.raises(ck.InputError, match="another trace"):
        g(1.0)


def test_every_hint_is_of_a_function_without_operator() -> None:
    modules = (np, np.linalg, np.fft)
    have = {f.__name__ for f in (*_numpy.UFUNCS, *_numpy.FUNCTIONS)}
    for name in _numpy.INSTEAD:
        found = [getattr(m, name) for m in modules if hasattr(m, name)]
        assert found, f"numpy has no function {name}"
        assert name not in have, f"{name} has an operator"
