"""Programs as what scipy.optimize takes. Skipped where SciPy is not installed."""

from __future__ import annotations

import dataclasses
from typing import Any

import clarke as ck
import numpy as np
import pytest

optimize = pytest.importorskip("scipy.optimize")


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


START = np.array([1.3, 0.7, 0.8, 1.9])


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "Newton-CG", "trust-ncg", "SLSQP"])
def test_rosenbrock(method: str) -> None:
    problem = ck.to_scipy(rosenbrock, START)
    np.testing.assert_allclose(problem.jac(START), optimize.rosen_der(START), rtol=1e-12)
    np.testing.assert_allclose(
        problem.hessp(START, START), optimize.rosen_hess_prod(START, START), rtol=1e-12
    )
    second = {"hessp": problem.hessp} if method in ("Newton-CG", "trust-ncg") else {}
    found = optimize.minimize(problem.fun, problem.x0, jac=problem.jac, method=method, **second)
    np.testing.assert_allclose(problem.unravel(found.x), np.ones(4), atol=1e-3)
    value, gradient = problem.value_and_grad(START)
    assert value == problem.fun(START)
    np.testing.assert_array_equal(gradient, problem.jac(START))


@dataclasses.dataclass
class Line:
    slope: Any
    offset: Any


def test_trees_are_ravelled_and_come_back() -> None:
    x, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])
    f = ck.program(lambda line, x, y: np.sum((line.slope * x + line.offset - y) ** 2))
    problem = ck.to_scipy(f, Line(np.zeros(1, "float32"), 0.0), x, y)
    assert problem.x0.dtype == np.float64
    found = problem.unravel(optimize.minimize(problem.value_and_grad, problem.x0, jac=True).x)
    assert isinstance(found, Line)
    np.testing.assert_allclose(found.slope, [2.0], atol=1e-5)
    assert found.offset == pytest.approx(1.0, abs=1e-5)


def test_residuals_and_their_jacobian() -> None:
    problem = ck.to_scipy(lambda x: np.outer(x, x) - np.eye(2), np.array([0.3, 0.4]))
    assert problem.hessp is None and problem.value_and_grad is None
    x = np.array([1.0, 2.0])
    assert problem.jac(x).shape == (4, 2)
    np.testing.assert_allclose(problem.jac(x), optimize.approx_fprime(x, problem.fun, 1e-8), atol=1e-5)
    assert optimize.least_squares(problem.fun, problem.x0, jac=problem.jac).success


def test_a_policy_decides_at_ties() -> None:
    for policy, slope in [("jax", 1.0), ("pytorch", 0.0), (0.75, 0.5)]:
        assert ck.to_scipy(ck.parse("abs(x)"), 0.0, policy=policy).jac(np.zeros(1)) == [slope]


def test_what_scipy_cannot_minimize_is_an_error() -> None:
    with pytest.raises(ck.InputError, match="2 arrays"):
        ck.to_scipy(lambda x: (x, x), 1.0)
    with pytest.raises(ck.InputError, match="no number"):
        ck.to_scipy(lambda x: x, {"a": None})
