"""Checks of gradients: of programs, and of functions of other libraries."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import clarke as ck


def all_tied(x: Any) -> Any:
    return 1.0 * (x == x.max())


def test_a_wrong_gradient_of_a_program_is_refuted() -> None:
    f = ck.parse("max(x)")
    report = ck.check_conservative(f, all_tied, np.array([1.0, 1.0]))
    assert not report and not report.passes
    refutation = report.refutation
    assert refutation is not None and refutation["course"] == "inside ties"
    assert refutation["integral"] == pytest.approx(2.0 * refutation["increment"])
    assert "Not conservative" in repr(report)
    assert json.loads(json.dumps(report.to_dict()))["passes"] is False
    assert report.points[0]["in_clarke"]["answer"] == "no"


def test_right_gradients_of_a_program_pass() -> None:
    f = ck.parse("max(x)")
    for rule in ("pytorch", "jax", None, 0.25, ck.Policy("random(3)"), f.grad):
        assert ck.check_conservative(f, rule, np.array([1.0, 1.0]), curves=16).passes, rule

    @ck.program
    def own(x: Any) -> Any:
        top = ck.where(x[0] > x[1], 1.0, 0.0)
        return ck.stack([top, 1.0 - top])

    assert ck.check_conservative(f, own, np.array([1.0, 1.0]), curves=16).passes


def test_forms_data_and_more_points() -> None:
    @ck.program
    def loss(w: Any, y: Any) -> Any:
        return np.abs(w["a"] * y[0] + w["b"] - y[1])

    def grad(w: Any, y: Any) -> Any:
        s = np.sign(w["a"] * y[0] + w["b"] - y[1])
        return {"a": s * y[0], "b": s}

    w, y = {"a": 1.0, "b": 0.5}, np.array([2.0, 2.5])
    report = ck.check_conservative(loss, grad, w, y, more=[({"a": 0.0, "b": 0.0}, y)], curves=16)
    assert report.passes and len(report.points) == 2
    with pytest.raises(ck.InputError, match="gradient"):
        ck.check_conservative(loss, lambda w, y: 1.0, w, y)


class Stop(Exception):
    pass


def test_exceptions_of_callbacks_come_out_as_they_are() -> None:
    calls = []

    def raises(x: Any) -> Any:
        calls.append(x)
        if len(calls) > 5:
            raise Stop("enough")
        return np.sign(x)

    with pytest.raises(Stop, match="enough"):
        ck.check_conservative(ck.parse("norm1(x)"), raises, np.zeros(2))
    # Once it was raised it is not asked again.
    assert len(calls) == 6
    calls.clear()
    with pytest.raises(Stop, match="enough"):
        ck.audit(lambda x: float(np.abs(x).sum()), np.zeros(2), raises, precision="float64")
    assert len(calls) == 6

    def stops(x: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ck.audit(stops, np.zeros(2), np.sign, precision="float64")


def kinds(report: ck.Audit) -> list[str]:
    return [finding.kind for finding in report.findings]


def test_audits_of_right_gradients_pass() -> None:
    cases: list[tuple[Any, Any, Any]] = [
        (lambda x: np.abs(x).sum(), np.sign, np.array([0.0, 1.0, -0.5])),
        (lambda x: max(x, 0.0), lambda x: float(x > 0), 0.0),
        (lambda x: np.linalg.norm(x), lambda x: x / max(np.linalg.norm(x), 1e-300), np.zeros(3)),
        (lambda x: x.max(), lambda x: np.eye(len(x))[x.argmax()], np.zeros(4)),
    ]
    for f, g, x in cases:
        report = ck.audit(f, x, g)
        assert report and report.passes, report
        assert json.loads(json.dumps(report.to_dict()))["findings"] == []


def test_audits_find_planted_faults() -> None:
    norm1 = lambda x: np.abs(x).sum()  # noqa: E731
    assert {"chain", "slope"} <= set(kinds(ck.audit(norm1, np.array([0.3, 1.0]), lambda x: -np.sign(x))))
    tied = ck.audit(lambda x: x.max(), np.array([1.0, 1.0]), all_tied)
    assert kinds(tied) == ["chain", "outside"]
    assert tied.findings[0].contradicts and tied.findings[0].data["inside"] is True
    assert all(f.margin >= 10 for f in tied.findings)

    # Wrong along the face x₀ = 0 only.
    def face(x: Any) -> Any:
        return np.array([np.sign(x[0]), 0.0 if x[0] == 0 else 1.0])

    assert kinds(ck.audit(lambda x: abs(x[0]) + x[1], np.array([0.0, 0.3]), face)) == ["chain", "outside"]
    # Conservative, and an artifact.
    zero = ck.audit(lambda x: 0.0 * x, 0.0, lambda x: float(x == 0))
    assert kinds(zero) == ["outside"] and zero.is_artifact and not zero.findings[0].contradicts
    assert "Artifact" in repr(zero) and "<pre" in zero._repr_html_()
    json.dumps(zero.to_dict())


def test_audits_take_pairs_structures_and_missing_values() -> None:
    def both(x: Any) -> Any:
        return abs(x["a"]) + x["b"].sum(), {"a": np.sign(x["a"]), "b": np.ones(2)}

    point = {"a": 0.0, "b": np.array([1.0, 2.0])}
    assert ck.audit(lambda x: both(x)[0], point, value_and_grad=both)
    assert ck.audit(lambda x: 1.0 / x if x < 0.5 else 1 / 0, 0.25, lambda x: -1.0 / x**2).to_dict()["missing"] > 0
    with pytest.raises(ck.InputError, match="shapes"):
        ck.audit(lambda x: x.sum(), np.zeros(2), lambda x: np.zeros(3))
    with pytest.raises(ck.CallError, match="gradient"):
        ck.audit(lambda x: x, 0.0)
    with pytest.raises(ck.CallError, match="framework"):
        ck.audit(lambda x: x, 0.0, framework="caffe")
    with pytest.raises(ck.InputError, match="precision"):
        ck.audit(lambda x: x, 0.0, lambda x: 1.0, precision="half")


def test_a_twin_says_more() -> None:
    twin = ck.parse("relu(-x) + x - relu(x)")
    report = ck.audit(lambda x: 0.0 * x, 0.0, lambda x: float(x == 0), clarke=twin)
    assert report.agreement and report.twin is not None and report.twin.passes
    assert (report.in_conservative, report.in_clarke) == (True, False)
    assert not report.passes and report.is_artifact
    outside = ck.audit(lambda x: 0.0 * x, 0.0, lambda x: 17.0 * (x == 0), clarke=twin)
    assert outside.in_conservative is False
    other = ck.audit(lambda x: abs(x), 0.5, np.sign, clarke=ck.parse("abs(x) + relu(x - 1)"))
    assert not other.agreement and not other.passes and "another function" in other.text
    json.dumps(other.to_dict())


def test_an_audit_of_jax() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    # jax.grad of a clipped value at the bound, and of a maximum with ties, are elements of both sets.
    report = ck.audit(lambda x: jnp.maximum(x, 0.0).sum() + jnp.max(x), np.zeros(2), framework="jax", curves=8)
    assert report.passes, report
    zero = ck.audit(lambda x: jax.nn.relu(-x) + x - jax.nn.relu(x), 0.0, framework="jax", curves=8)
    assert kinds(zero) == ["outside"], zero
    wrong = jax.custom_vjp(lambda x: jnp.abs(x).sum())
    wrong.defvjp(lambda x: (jnp.abs(x).sum(), x), lambda x, g: (-g * jnp.sign(x),))
    assert {"chain", "slope"} <= set(kinds(ck.audit(wrong, jnp.array([0.5, 1.0]), curves=8)))


def test_an_audit_of_torch() -> None:
    torch = pytest.importorskip("torch")
    zero = ck.audit(lambda x: torch.relu(-x) + x - torch.relu(x), 0.0, framework="torch", curves=8)
    assert kinds(zero) == ["outside"], zero
    report = ck.audit(lambda x: torch.relu(x).sum() + x.max(), torch.zeros(3, dtype=torch.float64), curves=8)
    assert report.passes, report
