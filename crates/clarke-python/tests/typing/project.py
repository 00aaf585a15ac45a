"""A project that uses Clarke, as a type checker sees it: `mypy --strict` passes, and what is wrong here it finds."""

from __future__ import annotations

import dataclasses
from typing import Any

import clarke as ck
import numpy as np
import numpy.typing as npt
from typing_extensions import assert_type

Vector = npt.NDArray[np.float64]


@ck.program
def loss(w: Vector, x: Vector) -> Any:
    return np.abs(x @ w).sum() + ck.relu(w).max()


@ck.program()
def other(w: Vector) -> Any:
    return np.maximum(w, 0.0).sum()


@dataclasses.dataclass
class Model:
    w: Vector
    b: float


def tour(w: Vector, x: Vector) -> None:
    assert_type(loss, ck.Function)
    assert_type(other, ck.Function)
    assert_type(ck.parse("abs(x)"), ck.Function)
    assert_type(loss.grad, ck.Derivative)
    assert_type(ck.grad(loss, argnums=(0, "x"), policy="jax"), ck.Derivative)
    assert_type(ck.grad(lambda w: w, policy=0.5), ck.Derivative)
    assert_type(loss.specialize(w, x), ck.Program)
    assert_type(loss.specialize(w, x).text(), str)
    assert_type(loss.batch((0, None)), ck.Function)
    value, gradient = loss.value_and_grad(w, x, policy=ck.Policy("random(7)"))
    y, dy = loss.jvp((w, x), (w, x))
    y, pullback = loss.vjp(w, x, argnums=0)
    pullback(y)
    loss.hvp((w, x), (w,), argnums=0)
    print(value, gradient, dy)


def methods(w: Vector, x: Vector) -> None:
    found = ck.minimize(loss, w, x, method="bundle", convex=True, callback=lambda step, value, best: value < 1e-3)
    assert_type(found, ck.OptimizeResult)
    assert_type(ck.methods()["bundle"].formula, str)
    problem = ck.to_scipy(loss, w, x, policy="pytorch")
    assert_type(problem.x0, Vector)
    assert_type(problem.jac(problem.x0), Vector)


def errors(w: Vector) -> None:
    try:
        loss(w, w)
    except ck.NotLipschitzError as error:
        assert_type(error.line, int | None)
    except ck.ClarkeError as error:
        assert_type(error.span, tuple[int, int] | None)


def mistakes(w: Vector) -> None:
    """Each of these is an error of the type checker; one that it did not find would be an unused comment."""
    ck.parse(3)  # type: ignore[arg-type]
    ck.Policy(None)  # type: ignore[arg-type]
    ck.grad(loss, policy=[1])  # type: ignore[arg-type]
    ck.minimize(loss, w, method=3)  # type: ignore[arg-type]
    loss.gradient(w)  # type: ignore[attr-defined]
    ck.program(3)  # type: ignore[call-overload]
