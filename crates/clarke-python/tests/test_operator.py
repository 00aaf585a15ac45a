"""Operators of one's own: values, slopes, ties, broadcasting, second derivatives, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clarke as ck


@ck.op(slope=lambda x, y: (ck.step(x - y), 1 - ck.step(x - y)), choice={"pytorch": 0.5, "jax": 1.0})
def larger(x: Any, y: Any) -> Any:
    return np.maximum(x, y)


@ck.op(slope=lambda x, y: y * (1 - y))
def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_values_and_gradients_are_those_of_the_functions() -> None:
    x, y = np.array([[1.0, 5.0], [-1.0, 2.0]]), np.array([3.0, 4.0])
    assert larger(x, y).tolist() == np.maximum(x, y).tolist()
    f = ck.program(lambda x, y: (larger(x, y) * np.array([1.0, 10.0])).sum())
    g = ck.program(lambda x, y: (np.maximum(x, y) * np.array([1.0, 10.0])).sum())
    for a, b in zip(f.grad(x, y, argnums=(0, 1)), g.grad(x, y, argnums=(0, 1)), strict=True):
        assert a.tolist() == b.tolist()
    assert f.grad(x, 3.0, argnums=1) == g.grad(x, 3.0, argnums=1)


def test_ties_follow_the_policy() -> None:
    gradient = larger.grad
    assert gradient(1.0, 1.0, argnums=(0, 1), policy="jax") == (1.0, 0.0)
    assert gradient(1.0, 1.0, argnums=(0, 1), policy="pytorch") == (0.5, 0.5)
    assert gradient(1.0, 1.0, policy=0.25) == 0.25
    assert ck.grad(lambda x: larger(x, 2 * x))(0.0, policy=1.0) == 1.0


def test_smooth_ones_have_second_derivatives_and_batches() -> None:
    x = np.linspace(-2, 2, 5)
    s = 1 / (1 + np.exp(-x))
    f = ck.program(lambda x: logistic(x).sum())
    assert np.allclose(f.grad(x), s * (1 - s), rtol=1e-14)
    assert np.allclose(f.hvp(x, np.ones(5)), s * (1 - s) * (1 - 2 * s), rtol=1e-12)
    assert np.allclose(ck.batch(f)(np.stack([x, -x])), [s.sum(), (1 - s).sum()])
    assert logistic(x.astype(np.float32)).dtype == np.float32


def test_they_are_held_to_the_law_of_conservative_gradients() -> None:
    for policy in ("jax", "pytorch", 0.3):
        assert larger.check(policy=policy, curves=8).passes
    assert larger.check(1.0, 1.0, curves=8).passes and logistic.check(curves=8).passes
    wrong = ck.op(slope=lambda x, y: (ck.step(x - y), ck.step(y - x)))(lambda x, y: np.maximum(x, y))
    assert not wrong.check(policy=1.0, curves=8).passes  # both get 1 at a tie


def test_their_sets_are_those_of_what_they_imitate() -> None:
    ramp = ck.op(slope=lambda x: ck.step(x))(lambda x: np.maximum(x, 0))
    zero = ck.program(lambda x: ramp(-x) + x - ramp(x))
    low, high = zero.bounds(0.0)
    assert (low, high) == (-1.0, 1.0)
    assert zero.clarke(0.0).vertices == [0.0]
    assert [(tie.op, tie.line is not None) for tie in zero.ties(0.0)] == [("own", True), ("own", True)]


def test_two_operators_of_one_name_are_two() -> None:
    def make(c: float) -> ck.Operator:
        @ck.op(slope=lambda x: c)
        def scaled(x: Any) -> Any:
            return c * x

        return scaled

    two, three = make(2.0), make(3.0)
    f = ck.program(lambda x: two(x) + three(x))
    assert (f(1.0), f.grad(1.0)) == (5.0, 5.0)


def test_mistakes_are_said() -> None:
    with pytest.raises(ck.InputError, match="element by element"):
        ck.op(slope=lambda x: x)(lambda x: np.sort(np.stack([x, x])).sum())
    with pytest.raises(ck.CallError, match="takes 3 arguments"):
        ck.op(slope=lambda x, y, z: x)(lambda x: x)
    with pytest.raises(ck.InputError, match="returns 2 numbers"):
        ck.op(slope=lambda x: (x, x))(lambda x: x)
    with pytest.raises(ck.InputError, match="a selection lies between 0 and 1"):
        ck.op(slope=lambda x: ck.step(x), choice=2.0)(lambda x: np.maximum(x, 0))
    with pytest.raises(ck.InputError, match="choice names torch"):
        ck.op(slope=lambda x: ck.step(x), choice={"torch": 0.0})
    with pytest.raises(ck.CallError, match="step is a tie"):
        ck.program(lambda x: ck.step(x))(1.0)
