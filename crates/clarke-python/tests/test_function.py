"""Functions: signatures, trees, dtypes, what is traced and when; derivatives in the form of their arguments."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import clarke as ck


class Pair(NamedTuple):
    w: Any
    b: Any


@dataclasses.dataclass
class Model:
    w: Any
    scale: float
    kind: str = "plain"


def test_a_function_is_traced_once_for_each_signature() -> None:
    traces = []

    @ck.program
    def f(x: Any, flag: bool = False) -> Any:
        traces.append((x.shape, flag))
        return (np.abs(x) if flag else x).sum()

    x = np.array([-1.0, 2.0])
    assert (f(x), f(x + 1), f(2 * x)) == (1.0, 3.0, 2.0)
    assert f(x, True) == 3.0
    assert f(x, flag=True) == 3.0
    assert f(np.ones(3)) == 3.0
    assert f.grad(x, True).tolist() == [-1.0, 1.0]
    assert traces == [((2,), False), ((2,), True), ((3,), False)]


def test_arrays_that_are_copied_do_not_crowd_out_those_that_are_read_in_place() -> None:
    f = ck.program(lambda x: np.abs(x).sum())
    for n in range(1, 20):
        f(np.arange(2.0 * n)[::2])
        f(np.arange(n))
        f.grad(np.arange(2.0 * n)[::2])
    x = np.array([-1.0, 2.0])
    f(x), f.grad(x)

    def miss(*_: Any) -> None:
        raise AssertionError("this kind of call is known")

    f._miss = f.grad._miss = miss
    assert f(x) == 3.0
    assert f.grad(x).tolist() == [-1.0, 1.0]
    assert f(np.array([3.0, -4.0])) == 7.0


def test_static_values_of_different_types_are_different_programs() -> None:
    f = ck.program(lambda x, mode: x if mode is True else 2 * x)
    assert f(1.0, True) == 1.0
    assert f(1.0, None) == 2.0
    assert f(1.0, "text") == 2.0


@pytest.mark.parametrize(
    "make",
    [
        lambda w, b: {"w": w, "b": b},
        lambda w, b: [w, b],
        lambda w, b: (w, b),
        lambda w, b: Pair(w, b),
        lambda w, b: {"layers": [{"w": w}], "b": (b, "a label", None)},
    ],
)
def test_gradients_have_the_form_of_their_argument(make: Any) -> None:
    from clarke._tree import flatten

    def f(params: Any, x: Any) -> Any:
        leaves, _ = flatten(params)
        w, b = leaves if leaves[0].shape == (2,) else leaves[::-1]
        return np.abs(w @ x + b)

    w, b, x = np.array([1.0, -2.0]), 0.5, np.array([3.0, 1.0])
    params = make(w, b)
    value, gradient = ck.value_and_grad(f)(params, x)
    assert value == 1.5
    leaves, tree = flatten(gradient)
    assert tree == flatten(params)[1]
    assert sorted(np.concatenate([np.ravel(leaf) for leaf in leaves]).tolist()) == [1.0, 1.0, 3.0]


def test_dataclasses_go_in_and_come_out() -> None:
    f = ck.program(lambda m: Model(m.w * m.scale, m.scale * 2, m.kind))
    out = f(Model(np.ones(2), 3.0))
    assert isinstance(out, Model) and out.kind == "plain"
    assert (out.w.tolist(), out.scale) == ([3.0, 3.0], 6.0)


def test_precision_is_that_of_the_arrays() -> None:
    f = ck.parse("x * c")
    single, double = np.ones(2, dtype=np.float32), np.ones(2)
    assert f(single, 2.0).dtype == np.float32
    assert f(single, np.float32(2.0)).dtype == np.float32
    assert f(single, np.float64(2.0)).dtype == np.float64
    assert f(single, double).dtype == np.float64
    assert f(np.array([1, 2]), 3).dtype == np.float64
    assert f(2, 3) == 6.0 and isinstance(f(2, 3), np.float64)
    assert ck.grad(lambda x: (x * x).sum())(single).dtype == np.float32


def test_strides_do_not_matter() -> None:
    f = ck.parse("x @ w")
    x = np.arange(12.0).reshape(3, 4)
    w = np.arange(8.0)[::2]
    assert f(x, w).tolist() == (x @ w).tolist()
    assert f(x.T[:, :2], w[:2]).tolist() == (x.T[:, :2] @ w[:2]).tolist()
    assert f(np.asfortranarray(x), w).tolist() == (x @ w).tolist()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([1j]), "real numbers"),
        (np.array(["a"]), "real numbers"),
        (np.ma.masked_array([1.0], [True]), "plain array"),
        ({1.0, 2.0}, "type set"),
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(value: Any, text: str) -> None:
    f = ck.program(lambda x: 2 * x if hasattr(x, "shape") else x)
    f(np.ones(1))
    with pytest.raises(TypeError, match=text):
        f(value)


def test_arguments_that_do_not_fit_are_named() -> None:
    f = ck.program(lambda x, y: x + y)
    with pytest.raises(ck.CallError, match="missing a required argument: 'y'"):
        f(1.0)
    with pytest.raises(ck.CallError, match="there is no argument 'z'; the arguments are x, y"):
        f.grad(1.0, 2.0, argnums="z")
    with pytest.raises(ck.CallError, match="there is no argument 2"):
        f.grad(1.0, 2.0, argnums=2)
    with pytest.raises(ck.CallError, match="named twice"):
        f.grad(1.0, 2.0, argnums=(0, "x"))
    with pytest.raises(ck.InputError, match="and no number"):
        ck.program(lambda x: None)(1.0)
    with pytest.raises(ck.InputError, match="one scalar output"):
        ck.grad(lambda x: 2 * x)(np.ones(2))


def test_argnums_by_position_and_name() -> None:
    f = ck.program(lambda x, *, scale=2.0: x * x * scale)
    assert f.grad(3.0) == 12.0
    assert f.grad(3.0, argnums="scale") == 9.0
    assert f.grad(3.0, scale=1.0, argnums=("x", "scale")) == (6.0, 9.0)
    assert ck.grad(f, argnums=(0, 1))(3.0, scale=1.0) == (6.0, 9.0)


def test_products_with_jacobians() -> None:
    def f(x: Any, y: Any) -> Any:
        return {"p": x * y, "q": x.sum()}

    x, y = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    out, tangent = ck.jvp(f, (x, y), (np.ones(2), np.zeros(2)))
    assert out["p"].tolist() == [3.0, -2.0]
    assert (tangent["p"].tolist(), tangent["q"]) == ([3.0, -1.0], 2.0)
    out, pullback = ck.vjp(f, x, y)
    back = pullback({"p": np.array([1.0, 10.0]), "q": 1.0})
    assert [b.tolist() for b in back] == [[4.0, -9.0], [1.0, 20.0]]
    rows = ck.jacobian(f)(x, y)
    assert rows["p"].tolist() == [[3.0, 0.0], [0.0, -1.0]] and rows["q"].tolist() == [1.0, 1.0]
    with pytest.raises(ck.InputError, match="tangent of y has not its form"):
        ck.jvp(f, (x, y), (x, 1.0))
    with pytest.raises(ck.InputError, match="cotangent has not the form"):
        pullback(1.0)


def test_second_derivatives() -> None:
    f = ck.program(lambda x: (x**3).sum())
    x, v = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    assert f.hvp((x,), (v,)).tolist() == [6.0, -12.0]
    assert ck.grad(lambda x: (ck.grad(f)(x) * v).sum())(x).tolist() == [6.0, -12.0]
    assert ck.jacobian(ck.grad(f))(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_batches_over_any_axis() -> None:
    f = ck.program(lambda x, w: np.maximum(x @ w, 0.0))
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 3, 4)), rng.normal(size=4)
    expected = np.maximum(x @ w, 0.0)
    assert np.allclose(f.batch((0, None))(x, w), expected)
    assert np.allclose(f.batch((1, None), out_axes=1)(x, w), expected)
    assert np.allclose(ck.batch(ck.grad(lambda x, w: (x @ w) ** 2), (0, None))(x[:, 0], w).shape, (5, 4))
    with pytest.raises(ck.InputError, match="different lengths, 5 and 4"):
        f.batch((0, 0))(x, w)


def test_functions_inside_functions_become_part_of_them() -> None:
    inner = ck.program(lambda x: {"a": np.abs(x), "b": 2 * x})
    outer = ck.program(lambda x: inner(x)["a"].sum() + inner(x)["b"].sum())
    assert outer(np.array([-1.0, 3.0])) == 8.0
    assert outer.grad(np.array([-1.0, 3.0])).tolist() == [1.0, 3.0]


def test_methods_of_classes_are_bound() -> None:
    class Scaled:
        def __init__(self, scale: float) -> None:
            self.scale = scale

        @ck.program
        def f(self, x: Any) -> Any:
            return self.scale * np.abs(x)

    assert Scaled(3.0).f(-2.0) == 6.0
    assert Scaled(4.0).f(-2.0) == 8.0


def test_where_there_is_no_derivative_the_line_is_named() -> None:
    f = ck.program(lambda x: np.sqrt(np.maximum(x, 0.0)))
    with pytest.raises(ck.NotLipschitzError, match=r"sqrt is not Lipschitz here.*test_function.py:\d+") as caught:
        f.grad(0.0)
    assert caught.value.file == __file__ and caught.value.line is not None
    with pytest.raises(ValueError, match="not Lipschitz"):
        f.grad(0.0)


def test_a_value_that_is_not_finite_warns_and_comes_through() -> None:
    f = ck.program(lambda x: np.log(x))
    with pytest.warns(RuntimeWarning, match=r"log gives NaN for -1.*test_function.py"):
        assert np.isnan(f(-1.0))
    assert np.isnan(f(np.nan))  # NaN in, NaN out: nothing to warn of


def test_random_policies_are_those_of_their_seed() -> None:
    f = ck.parse("sum(abs(x))")
    x = np.zeros(5)
    assert f.grad(x, policy="random(3)").tolist() == f.grad(x, policy="random(3)").tolist()
    assert f.grad(x, policy="random(3)").tolist() != f.grad(x, policy="random(4)").tolist()
    assert f.grad(x, policy=0.25).tolist() == [-0.5] * 5
    with pytest.raises(ck.InputError, match="policy `pytroch` cannot be read"):
        f.grad(x, policy="pytroch")


def test_text_with_shapes_of_its_own() -> None:
    f = ck.parse("def f(x: [3]):\n    return norm1(x)\n")
    assert f(np.array([1.0, -1.0, 2.0])) == 4.0
    with pytest.raises(ck.InputError, match=r"input `x` has shape \[3\], but was given \[2\]"):
        f(np.ones(2))
    with pytest.raises(ck.TextError) as caught:
        ck.parse("abs(x")(1.0)
    assert caught.value.text == "abs(x"


def test_cost_counts_a_value_and_a_value_with_its_gradient() -> None:
    cost = ck.parse("sum(abs(X @ w))").cost(np.zeros((5, 3)), np.zeros(3), argnums="w")
    assert (cost.value.operations, cost.value.bytes_read) == (2 * 15 + 5 + 5, 8 * (18 + 5))
    assert cost.gradient.operations <= 5 * cost.value.operations
    assert cost.ratio == cost.gradient.operations / cost.value.operations
    assert cost.gradient.bytes_live <= cost.gradient.bytes_workspace
