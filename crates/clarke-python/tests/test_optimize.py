"""Minimizing from Python: results, callbacks, faults, and the known optimum of the README's problem."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import clarke as ck

A = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
b = np.array([0.0, 1.0, 2.0, 9.0])


@ck.program
def lad(x: Any) -> Any:
    return np.abs(A @ x - b).sum()


@pytest.mark.filterwarnings("ignore::clarke.GuaranteeWarning")  # of BFGS no theorem is known
@pytest.mark.parametrize("method", [name for name in ck.methods() if name in ("bundle", "bfgs", "auto")])
def test_finishing_methods_find_the_minimum(method: str) -> None:
    found = ck.minimize(lad, np.zeros(2), method=method, convex=True, certify=False)
    assert found.fun == pytest.approx(6.0, abs=1e-6)
    assert found.success and found.x.shape == (2,) and found["fun"] == found.fun


def test_trees_and_data() -> None:
    def loss(params: Any, X: Any, y: Any) -> Any:
        return np.abs(X @ params["w"] + params["c"] - y).mean()

    start = {"w": np.zeros(1), "c": 0.0}
    found = ck.minimize(loss, start, A[:, 1:], b, method="bundle", convex=True, certify=False)
    assert found.fun == pytest.approx(1.5, abs=1e-6)
    assert found.x["w"].shape == (1,)


def test_a_callback_sees_every_step_and_may_stop() -> None:
    seen: list[tuple[int, float, float]] = []

    def callback(step: int, value: float, best: float) -> bool:
        seen.append((step, value, best))
        return step == 5

    found = ck.minimize(lad, np.array([1.3, -0.7]), method="subgradient", callback=callback, certify=False)
    assert [step for step, _, _ in seen] == [1, 2, 3, 4, 5]
    assert (found.status, found.nit, found.success) == (99, 5, False)
    assert seen[-1][2] == found.fun


def test_an_exception_in_a_callback_comes_out_as_it_is() -> None:
    def callback(*_: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ck.minimize(lad, np.zeros(2), method="subgradient", callback=callback)


def test_what_the_theory_asks_for_is_said_before_the_run() -> None:
    with pytest.warns(ck.GuaranteeWarning, match="α_k → 0"):
        ck.minimize(lad, np.zeros(2), method="subgradient", step=0.01, steps=10, certify=False)


def test_a_failing_run_keeps_its_best_point() -> None:
    f = ck.program(lambda x: np.log(x) + 0 * x)
    found = ck.minimize(f, 1.0, method="subgradient", step="0.6/(k+1)^0.1", steps=100, certify=False)
    assert (found.status, found.success) == (3, False)
    assert isinstance(found.failure, ck.ClarkeError)
    assert np.isfinite(found.fun) and found.x > 0


def test_mistakes_are_named() -> None:
    with pytest.raises(ck.TextError, match="unknown method `bundel`; did you mean `bundle`"):
        ck.minimize(lad, np.zeros(2), method="bundel")
    with pytest.raises(ck.TextError, match="unknown option `stepp`"):
        ck.minimize(lad, np.zeros(2), method="subgradient", stepp=1.0)
    with pytest.raises(ck.InputError, match="steps: a whole number"):
        ck.minimize(lad, np.zeros(2), steps=0)


def test_runs_are_reproducible() -> None:
    runs = [ck.minimize(lad, np.zeros(2), method="gradient-sampling", steps=50, certify=False) for _ in range(2)]
    assert runs[0].x.tolist() == runs[1].x.tolist() and runs[0].fun == runs[1].fun


def test_the_best_point_is_moved_onto_its_ties_and_judged() -> None:
    f = ck.program(lambda v: np.maximum(v[0] ** 2 + v[1] ** 2, 2.0 - v[0] - v[1]))
    found = ck.minimize(f, np.array([3.0, -1.0]), method="bundle", convex=True)
    root = (5**0.5 - 1) / 2
    assert np.allclose(found.x, [root, root], atol=1e-12)
    assert found.polished.active == 1 and found.polished.norm < 1e-10
    assert found.polished.tolerance < 1e-12
    assert found.verdict == "clarke critical"
    end = found.conclusion
    assert (end.verdict, end.critical, end.unjudged, len(end.active)) == ("clarke critical", True, None, 1)
    assert end.active[0].op == "maximum" and end.largest == end.active[0].difference
    assert end.proof.radius < 1e-14 and end.proof.low <= 2 - 2 * root <= end.proof.high + 1e-15
    assert end.bound.radius is None and 0 <= end.bound.missing < 1e-14
    assert end.certificate.check() and "exactly one point" in str(end)
    assert repr(pickle.loads(pickle.dumps(end))) == repr(end)
    assert end.to_dict()["certificate"]["verdict"] == "ClarkeCritical"
    rough = ck.minimize(f, np.array([3.0, -1.0]), method="bundle", convex=True, polish=False, certify=False)
    assert rough.polished is None and rough.verdict is None and rough.fun >= found.fun - 1e-12


def test_a_bound_holds_over_the_ball_asked_for() -> None:
    # Two ties in one dimension: nothing is proved, and the bound is over a ball.
    f = ck.program(lambda x: np.abs(x) + np.abs(2.0 * x) + 1.0)
    end = ck.minimize(f, 3.0, method="bundle", convex=True, ball=7.0).conclusion
    assert end.proof is None and end.precision == "exact"
    assert end.bound.radius == 7.0 and 0 <= end.bound.missing < 1e-9
    assert ck.minimize(f, 3.0, method="bundle", convex=True, certify=False).conclusion.bound is None


def test_what_the_method_adds_is_not_judged() -> None:
    found = ck.minimize(lad, np.zeros(2), method="subgradient", step="1/(k+3)", steps=50, prox="l1(0.1)")
    assert found.conclusion is None and found.verdict is None and found.polished is None


def test_a_sum_is_polished_and_judged() -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.5])
    f = ck.FiniteSum(lambda w, a, b: np.abs(w * a - b), x, y)
    found = ck.minimize(f, 0.0, method="bundle", convex=True)
    assert found.conclusion.verdict == "clarke critical" and found.verdict is None
    assert abs(found.x - 3.5 / 3) <= found.conclusion.proof.radius + 1e-15
    assert f(found.x) == found.fun
