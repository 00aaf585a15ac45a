"""Every operator of the table is a function, documented from the table, computed on arrays and recorded on traced values."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clarke as ck
import numpy as np
import pytest
from clarke import _ops

STUB = Path(_ops.__file__).with_suffix(".pyi")

#: Calls of the operators; the arguments that are arrays of reals are traced too.
M = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 5.0]])
X = np.array([[0.3, -1.2, 2.0, 0.7], [1.5, 0.1, -0.4, -2.5], [0.9, 0.8, -0.6, 1.1]])
V = np.array([0.4, -1.3, 2.2, 0.6])
P = np.abs(X) + 0.1
CALLS: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    **{n: [((X,), {}), ((V[0],), {})] for n in (
        "negative", "exp", "square", "sin", "cos", "tanh", "sigmoid", "softplus", "expm1", "erf", "erfc", "tan", "arctan", "sinh",
        "cosh", "gelu", "gelu_tanh", "silu", "mish", "log_sigmoid", "softsign", "relu", "relu6", "abs", "selu", "hard_tanh",
        "hard_sigmoid", "hard_swish", "hinge", "floor", "ceil", "round", "sign", "stop_gradient",
    )},
    **{n: [((P,), {})] for n in ("log", "sqrt", "log1p", "reciprocal")},
    **{n: [((X, V), {}), ((2.0, X), {}), ((X, 2), {})] for n in ("add", "subtract", "multiply", "divide", "logaddexp", "arctan2", "hypot", "maximum", "minimum")},
    **{n: [((P, V), {}), ((2.0, X), {}), ((P, 2), {})] for n in ("power", "pow")},
    "xlogy": [((X, P), {})], "arcsin": [((X / 3,), {})], "arccos": [((X / 3,), {})], "squareplus": [((X,), {}), ((X,), {"b": 1.0}), ((X, 2), {})],
    "leaky_relu": [((X,), {}), ((X, 0.2), {}), ((X,), {"slope": 0.3})], "clip": [((X, -1, 1), {}), ((X,), {"low": -1, "high": 1})],
    "soft_threshold": [((X, 0.5), {}), ((X, P), {})], "elu": [((X,), {}), ((X,), {"alpha": 2.0})], "hard_shrink": [((X,), {"lambd": 0.6})],
    "prelu": [((X, V), {})], "huber": [((X,), {"delta": 0.7})], "pinball": [((X, 0.3), {}), ((X,), {"q": 0.3})],
    "where": [((X > 0, X, V), {}), ((np.array(True), 1.0, X), {})],
    "reshape": [((X, (4, 3)), {}), ((X, [2, 6]), {})], "broadcast_to": [((V, (2, 4)), {})], "sum_to": [((X, (1, 4)), {})], "transpose": [((X,), {}), ((X, (1, 0)), {})],
    **{n: [((X,), {}), ((X,), {"axis": 0}), ((X,), {"axis": 1, "keepdims": True})] for n in ("sum", "mean", "logsumexp", "prod", "norm1", "norm2", "norminf", "median", "var", "std", "max", "min")},
    **{n: [((X,), {"axis": 1})] for n in ("softmax", "log_softmax", "cumsum", "cumprod", "cummax", "cummin", "sort", "group_norm2", "tv", "flip")},
    "one_hot": [((np.array([0, 2, 1]), 3), {})], "nll": [((X, np.array([0, 3, 1])), {})], "cross_entropy": [((X, np.array([0, 3, 1])), {}), ((X, [0, 3, 1]), {"reduce": False})],
    "owl_norm": [((V, [3.0, 2, 1, 0]), {}), ((V, np.array([3.0, 2, 1, 0])), {})], "maxout": [((X, 2), {})], "gather_argmax": [((X, 2 * X), {"axis": 1})],
    "quantile": [((X, 0.3), {"axis": 0}), ((X,), {"q": 0.2})], "sum_largest": [((X, 2), {"axis": 1})], "trimmed_mean": [((V, 0.3), {})], "top_k": [((X, 2), {})],
    "matmul": [((M, X), {}), ((X, X), {"transpose_b": True})], "dot": [((X, V), {}), ((2.0, V), {})], "solve": [((M, X), {}), ((M, X), {"transpose": True})],
    "solve_triangular": [((M, X), {"lower": True})], "lstsq": [((X.T, V), {})], "outer": [((V, X[0]), {})], "einsum": [(("ij,j->i", X, V), {})],
    **{n: [((M,), {})] for n in ("inv", "cholesky", "logdet", "eigvalsh_max", "spectral_norm", "nuclear_norm", "project_psd", "dist_psd", "trace", "tril", "triu", "diagonal", "diag", "ravel")},
    "eigvalsh_sum": [((M, 2), {})], "project_box": [((X, -1.0, 1.0), {})], "dist_box": [((X, -1.0, 1.0), {})],
    **{n: [((V, 1.0), {})] for n in ("project_ball", "project_simplex", "project_l1_ball", "dist_ball", "dist_simplex", "dist_l1_ball")},
    "project_soc": [((V,), {})], "dist_soc": [((V,), {})], "getitem": [((X, 0), {}), ((X, (slice(None), [0, 2])), {}), ((X, slice(0, 2)), {})],
    "put_slice": [((V, (8,), (0,), (2,)), {})], "take": [((X, [0, 2]), {"axis": 1}), ((X, np.array([[1, 5]])), {}), ((V, 1), {})], "scatter_add": [((V, [0, 2, 2, 1], 5), {})],
    "take_along_axis": [((X, [[0], [3], [1]], 1), {}), ((X,), {"indices": np.array([[0], [3], [1]]), "axis": 1})],
    "concatenate": [(([X, V[None]],), {}), (([V, V],), {"axis": 0})], "stack": [(([V, V],), {"axis": 1})], "expand_dims": [((V, 0), {})], "squeeze": [((V[None],), {})],
    "swapaxes": [((X, 0, 1), {})], "moveaxis": [((X, 0, 1), {})], "repeat": [((V, 2), {})], "tile": [((V, 2), {})], "pad": [((V, 1), {}), ((V, [[1, 2]]), {"constant_values": 3.0})],
    "roll": [((V, 1), {})], "index_add": [((V, [0, 2], V[:2]), {})], "embedding": [((X, [0, 2, 0]), {}), ((X, np.array([0, 2, 0])), {})],
    "csr_matmul": [((V, (2, 4), [0, 1, 3], [0, 1, 3], [2.0, 1.0, -1.0]), {})], "conv1d": [((X[None], np.ones((2, 3, 2))), {})],
    "conv2d": [((X[None, None], np.ones((1, 1, 2, 2))), {"padding": 1})],
    **{n: [((X, 2), {}), ((X,), {"kernel_size": 2, "stride": 1})] for n in ("max_pool1d", "avg_pool1d", "max_pool2d", "avg_pool2d")},
    "windows": [((V, (2,)), {})], "add_windows": [((np.ones((2, 3)), (4,), (2,)), {})],
    "scan": [((lambda c, x: np.maximum(c + x, 0), 0.0, V), {}), ((lambda c, r, k: c * k + r, np.ones(4), X), {"consts": (V,)}), ((lambda c: 0.5 * c, V), {"length": 3}), ((lambda c, x: (c + x, c * x), 0.0, V), {"checkpoint": 2})],
    "fold": [((lambda c, x: np.maximum(c + x, 0), 0.0, V), {}), ((lambda c, x: np.sin(c + x), 0.0, V), {"checkpoint": True})],
}  # fmt: skip


def calls() -> list[Any]:
    return [pytest.param(n, *call, id=f"{n}-{k}") for n, all_of in CALLS.items() for k, call in enumerate(all_of)]


def test_every_operator_is_a_function_with_a_call_here() -> None:
    assert set(CALLS) == set(_ops.ENTRIES) == set(_ops.__all__) - {"operators"}
    for entry in ck.operators():
        function = getattr(ck, entry.name)
        assert callable(function) and function.__name__ == entry.name
        assert entry.formula in function.__doc__ and entry.signature in function.__doc__


@pytest.mark.parametrize(("name", "args", "keywords"), calls())
def test_computed_and_recorded_are_one(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    function: Callable[..., Any] = getattr(ck, name)
    computed = function(*args, **keywords)
    assert isinstance(computed, (np.ndarray, np.float64))
    assert np.array_equal(computed, function(*args, **keywords), equal_nan=True)
    arrays = [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == float]

    def traced(*values: Any) -> Any:
        given = list(args)
        for k, v in zip(arrays, values, strict=True):
            given[k] = v
        return function(*given, **keywords)

    if arrays:
        np.testing.assert_allclose(ck.program(traced)(*[args[k] for k in arrays]), computed, rtol=1e-15, atol=1e-15)
        single = function(*[a.astype(np.float32) if k in arrays else a for k, a in enumerate(args)], **keywords)
        assert (
            single.dtype == np.float32
            or any(isinstance(a, np.ndarray) and a.dtype != float and k not in arrays for k, a in enumerate(args))
            or name in ("concatenate", "stack", "einsum", "scan")
        )
        np.testing.assert_allclose(single, computed, rtol=1e-3, atol=1e-3)


def test_a_mistake_names_the_line() -> None:
    with pytest.raises(ck.CallError, match=r"clip.*test_ops\.py:\d+\)"):
        ck.clip(X)
    with pytest.raises(ck.ClarkeError, match=r"test_ops\.py:\d+\)"):
        ck.matmul(X, X)


def test_loops_read_what_is_around_them() -> None:
    def plain(x: Any, w: Any) -> Any:
        state, total = 0.0, 0.0
        for row in x:
            state = np.where(row > w, state, row * w) + sum(b * state * w for b in x)
            total = total + state
        return total

    @ck.program
    def f(x: Any, w: Any) -> Any:
        twice = 2 * w

        def body(c: Any, r: Any) -> Any:
            return np.where((r > twice / 2) & (c > -99.0), c, r * w) + ck.fold(
                lambda a, b: a + b * c * twice / 2, 0.0, x
            )

        return ck.scan(body, np.zeros(()), x).sum()

    x = np.array([0.5, -0.3, 0.2])
    assert f(x, 0.7) == pytest.approx(plain(x, 0.7), abs=1e-14)
    found = f.grad(x, 0.7)
    differences = [(plain(x + e, 0.7) - plain(x - e, 0.7)) / 2e-6 for e in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(found, differences, atol=1e-8)


def test_a_loop_over_what_is_known_may_read_a_traced_value() -> None:
    f = ck.program(lambda w: ck.fold(lambda c, x: c * w + x, 0.0, np.array([1.0, 2.0, 3.0])))
    assert f(2.0) == 1 * 4 + 2 * 2 + 3
    assert f.grad(2.0) == 2 * 2 + 2


@pytest.mark.parametrize("checkpoint", [1, 3, True])
def test_checkpoints_change_no_derivative_and_what_is_held(checkpoint: Any) -> None:
    def loss(a: Any, w: Any, **settings: Any) -> Any:
        return ck.fold(lambda c, x: np.abs(w * c + x), a, np.linspace(-1.0, 1.0, 1000)[:, None], **settings).sum()

    whole, some = ck.program(loss), ck.program(lambda a, w: loss(a, w, checkpoint=checkpoint))
    a, w = np.array([0.3, -0.2]), np.array([0.9, 0.8])
    for expected, found in zip(whole.grad(a, w), some.grad(a, w), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    if checkpoint is True:
        held = [f.cost(a, w).gradient.bytes_live for f in (whole, some)]
        assert 5 * held[1] < held[0]


def test_a_hundred_thousand_steps() -> None:
    f = ck.program(lambda w: ck.fold(lambda c: c * w + 1, 0.0, length=100_000, checkpoint=True))
    assert f.grad(0.5) == pytest.approx(4.0)


def test_a_checkpoint_that_is_none_names_the_line() -> None:
    with pytest.raises(ck.CallError, match=r"`checkpoint` must be a number of steps.*test_ops\.py:\d+\)"):
        ck.fold(lambda c: c, 0.0, length=3, checkpoint=0)


def test_large_constants_are_kept_once_unless_they_change() -> None:
    data = np.arange(200.0)

    def f(x: Any) -> Any:
        y = (x * data).sum() + (x + data).sum()
        data[0] = 5.0
        return y + (x * data).sum()

    program = ck.program(f).specialize(2.0)
    assert program.text().count("198.0, 199.0]") == 2
    data[0] = 0.0
    assert ck.program(f)(2.0) == 2 * 19900 + 400 + 19900 + 2 * 19905


class _Text(str):
    """A type as it is written."""

    def __repr__(self) -> str:
        return str(self)


def _kind(name: str, parameter: inspect.Parameter) -> _Text:
    if parameter.default is not parameter.empty:
        return _Text("Any")
    return _Text("Callable[..., Any]" if name in ("scan", "fold") and parameter.name == "body" else "Operand")


def written() -> str:
    """The stub of the operators, as the table has it."""
    lines = [
        '"""The operators\' types, written by `python tests/test_ops.py` from the table."""',
        "",
        "from collections.abc import Callable",
        "from typing import Any, NamedTuple",
        "",
        "from ._trace import Operand",
        "",
        "class Entry(NamedTuple):",
        *[f"    {field}: str" for field in _ops.Entry._fields],
        "",
        "ENTRIES: dict[str, Entry]",
        "__all__ = [",
        *[f'    "{name}",' for name in _ops.__all__],
        "]",
        "",
        "def operators() -> list[Entry]: ...",
    ]
    for entry in ck.operators():
        signature = inspect.signature(getattr(_ops, entry.name))
        parameters = [p.replace(annotation=_kind(entry.name, p)) for p in signature.parameters.values()]
        lines.append(f"def {entry.name}{signature.replace(parameters=parameters, return_annotation=_Text('Any'))}: ...")
    return "\n".join([*lines, ""])


def test_the_stub_is_that_of_the_table() -> None:
    assert STUB.read_text() == written(), "run python tests/test_ops.py"


if __name__ == "__main__":
    sys.exit(STUB.write_text(written()) < 0)
