"""A function at a point: ties with the user's own lines, both sets, verdicts, explanations."""

from __future__ import annotations

import inspect
import json
import math
import pathlib
import threading
import xml.etree.ElementTree
from typing import Any

import numpy as np
import pytest

import clarke as ck


@ck.program
def zero(x: Any) -> Any:
    return ck.relu(-x) + x - ck.relu(x)


@ck.program
def loss(w: Any, data: Any) -> Any:
    residual = data["X"] @ w["w"] + w["b"] - data["y"]
    return np.abs(residual).mean()


DATA = {"X": np.array([[1.0, 2.0], [0.0, 1.0], [2.0, -1.0]]), "y": np.array([1.0, 2.0, 2.0])}
W = {"w": np.array([1.0, 0.0]), "b": 0.0}


def line_of(function: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(inspect.unwrap(function))
    return first + next(k for k, line in enumerate(lines) if text in line)


# The table of the README: gradient at 0 in PyTorch, conservative gradient, Clarke subdifferential.
@pytest.mark.parametrize(
    ("text", "gradient", "conservative", "clarke"),
    [
        ("relu(x)", 0.0, (0.0, 1.0), (0.0, 1.0)),
        ("relu(-x) + x", 1.0, (0.0, 1.0), (0.0, 1.0)),
        ("relu(-x) + x - relu(x)", 1.0, (-1.0, 1.0), (0.0, 0.0)),
    ],
)
def test_the_table(text: str, gradient: float, conservative: Any, clarke: Any) -> None:
    f = ck.parse(text)
    at = f.at(0.0)
    assert at.gradient("pytorch") == f.grad(0.0, policy="pytorch") == gradient
    for found, expected in ((at.conservative(), conservative), (at.clarke(), clarke)):
        assert found.known == "exact" and found.hypothesis is None
        assert tuple(found.bounds) == expected
        assert found.vertices == sorted(set(expected))
        assert found.is_single == (expected[0] == expected[1])
        assert found.diameter == (expected[1] - expected[0],) * 2


def test_ties_have_the_users_file_and_line() -> None:
    met = zero.ties(0.0)
    assert [tie.op for tie in met] == ["relu", "relu"]
    for tie in met:
        assert tie.file is not None and pathlib.Path(tie.file).name == pathlib.Path(__file__).name
        assert tie.line == line_of(zero._function, "ck.relu(-x)")
        assert tie.code == "return ck.relu(-x) + x - ck.relu(x)"
        assert (tie.index, tie.pieces, tie.distance) == (None, 2, 0.0)
        assert "test_sets.py:" in repr(tie) and len(repr(tie)) < 120
        json.dumps(tie.to_dict())
    assert zero.ties(0.5) == []
    near = zero.ties(1e-9, tol=1e-8)
    assert [tie.distance for tie in near] == [1e-9, 1e-9]
    entries = loss.ties(W, DATA)
    assert [tie.index for tie in entries] == [(0,), (2,)]
    assert entries[0].line == line_of(loss._function, "np.abs")
    assert ck.parse("max(abs(x), 1)").ties(1.0)[0].span is not None


def test_elements_have_the_form_of_the_argument() -> None:
    sets = [loss.conservative(W, DATA), loss.clarke(W, DATA)]
    for found in sets:
        vertices = found.vertices
        assert vertices is not None and len(vertices) == 4
        for v in vertices:
            assert set(v) == {"w", "b"} and v["w"].shape == (2,) and isinstance(v["b"], np.float64)
            assert v in found
        direction = {"w": np.array([1.0, -1.0]), "b": 2.0}
        support = found.support(direction)
        best = max(float(v["w"] @ direction["w"] + v["b"] * direction["b"]) for v in vertices)
        assert support.value == support.upper == pytest.approx(best, rel=1e-14)
        with pytest.raises(ck.InputError, match="form of the argument"):
            found.support(np.ones(3))
        with pytest.raises(ck.InputError, match=r"shape \[3\]"):
            found.contains({"w": np.ones(3), "b": 0.0})
    both = ck.parse("abs(x) * y").at(0.0, 3.0, argnums=(0, 1))
    assert both.clarke().vertices == [(-3.0, 0.0), (3.0, 0.0)]
    assert both.gradient("pytorch") == (0.0, 0.0)
    assert both.directional((2.0, 5.0)) == 6.0
    assert ck.parse("abs(x) * y").clarke(0.0, 3.0, argnums="y").vertices == [0.0]


def test_clarke_lies_in_the_conservative_gradient() -> None:
    rng = np.random.default_rng(5)
    texts = ["max(abs(x))", "norm1(x) - max(x)", "relu(x[0]) - relu(-x[1]) + abs(x[0] - x[1])", "norm2(x) + abs(x[0])"]
    for text in texts:
        f = ck.parse(text)
        for point in (np.zeros(2), np.array([1.0, 1.0]), np.array([0.0, -1.0])):
            outer, inner = f.conservative(point), f.clarke(point)
            for _ in range(8):
                d = rng.normal(size=2)
                # f′(x; d) ≤ f°(x; d) ≤ the support function of D.
                reach = inner.support(d)
                assert reach.value <= outer.support(d).upper + 1e-12
                assert f.directional(point, d) <= reach.upper + 1e-12
                assert reach.element in outer


def test_the_gradient_of_zero_is_an_artifact() -> None:
    at = zero.at(0.0)
    assert at.is_artifact(at.gradient("pytorch")) is True
    assert at.is_artifact(0.0) is False
    assert at.clarke_element(seed=4) == 0.0
    dependence = at.dependence()
    assert dependence.presets["pytorch"] == 1.0
    assert tuple(dependence.over_choices) == (-1.0, 1.0)
    assert json.loads(json.dumps(dependence.to_dict()))["over_choices"] == {"low": {"x": -1.0}, "high": {"x": 1.0}}
    assert zero.conservative(0.0, simplify=True).known == "exact"
    assert ck.parse("abs(x) - abs(x)").conservative(0.0, simplify=True).vertices == [0.0]


def test_verdicts() -> None:
    cases = [
        ("abs(x)", 0.0, "clarke critical"),
        ("x - (relu(-x) + x - relu(x))", 0.0, "spurious critical"),
        ("abs(x) + 2*x", 0.0, "not critical"),
        ("x * x", 1.0, "smooth"),
    ]
    for text, point, expected in cases:
        f = ck.parse(text)
        verdict = f.verdict(point)
        assert verdict == expected and isinstance(verdict, str)
        assert json.loads(json.dumps(verdict.to_dict()))["verdict"] == expected
        assert len(repr(verdict)) < 120
        certificate = verdict.certificate
        assert certificate is not None and certificate.verdict == expected
        assert certificate.check().outcome == "verified"
        again = ck.Certificate.parse(certificate.text)
        assert again.check(f.specialize(point)).outcome == "verified"
        with pytest.raises(ck.InputError, match="specialize"):
            again.check()
    spurious = ck.parse("x - (relu(-x) + x - relu(x))").verdict(0.0)
    assert spurious.descent == ck.Descent(-1.0, -1.0)
    assert (spurious.conservative_critical, spurious.clarke_critical) == (True, False)
    assert ck.parse("abs(x)").verdict(0.0).clarke_min.distance == 0.0
    other = ck.parse("2*abs(x)").specialize(0.0)
    assert not ck.parse("abs(x)").verdict(0.0).certificate.check(other)  # type: ignore[union-attr]
    with pytest.raises(ck.TextError, match="certificate"):
        ck.Certificate.parse("{}")


def test_answers_of_sets() -> None:
    ball = ck.parse("norm2(x)").clarke(np.zeros(3))
    assert ball.vertices is None and ball.known == "exact"
    assert ball.support(np.array([0.0, 3.0, 4.0])).value == pytest.approx(5.0)
    outside = ball.contains(np.array([0.0, 0.0, 2.0]))
    assert not outside and outside.inside is False and outside.distance == pytest.approx(1.0)
    assert np.allclose(outside.direction, [0.0, 0.0, 1.0])
    assert ball.contains(np.array([0.6, 0.0, 0.0])).inside is True
    nearest = ball.nearest(np.array([0.0, 2.0, 0.0]))
    assert np.allclose(nearest.point, [0.0, 1.0, 0.0]) and nearest.lower <= nearest.distance + 1e-12
    assert ball.critical is True and ball.min_norm.distance == pytest.approx(0.0, abs=1e-12)
    hull = ck.parse("max(x)").clarke(np.zeros(3))
    least = hull.min_norm
    assert np.allclose(least.point, 1 / 3) and least.distance == pytest.approx(1 / math.sqrt(3))
    assert sum(w for w, _ in least.weights) == pytest.approx(1.0)
    assert np.allclose(sum(w * v for w, v in least.weights), least.point)
    assert hull.critical is False
    jacobian = ck.parse("relu(x)").clarke(np.zeros(2))
    assert {tuple(v.ravel()) for v in jacobian.vertices or []} == {(a, 0.0, 0.0, b) for a in (0.0, 1.0) for b in (0.0, 1.0)}


def test_budgets_give_bounds_and_say_so() -> None:
    f = ck.parse("abs(abs(x[0]) - abs(x[1])) * abs(abs(x[1]) - x[2]) + abs(abs(x[0]) * x[1])")
    full = f.conservative(np.zeros(3))
    small = f.conservative(np.zeros(3), vertices=2, evaluations=10)
    assert full.known == "exact"
    assert small.known in ("exact", "outer")
    low, high = small.bounds
    assert np.all(low <= full.bounds.low + 1e-12) and np.all(full.bounds.high <= high + 1e-12)
    enlarged = ck.parse("abs(x)").clarke(1e-9, tol=1e-8)
    assert enlarged.vertices == [-1.0, 1.0] and enlarged.hypothesis is not None
    with pytest.raises(ck.InputError, match="tolerance"):
        f.clarke(np.zeros(3), tol=-1.0)


def parsed(html: str) -> xml.etree.ElementTree.Element:
    tree = xml.etree.ElementTree.fromstring(html)
    tags = {element.tag.rpartition("}")[2].lower() for element in tree.iter()}
    assert "script" not in tags
    for element in tree.iter():
        assert not any(key.lower().startswith("on") for key in element.attrib)
    return tree


def test_explanations_and_what_notebooks_show() -> None:
    said = zero.explain(0.0, policy="pytorch")
    assert "The gradient under this policy is an artifact of the formula" in str(said)
    assert "test_sets.py:" in str(said)
    assert said.artifact is True
    assert said.verdict == "clarke critical"
    data = json.loads(json.dumps(said.to_dict()))
    assert data["verdict"] == "clarke critical" and data["artifact"] is True
    assert said._repr_html_().count("<svg") == 1
    assert "<svg" not in ck.parse("norm1(x)").explain(np.zeros(3))._repr_html_()
    for shown in (said, said.verdict, zero.conservative(0.0), zero.ties(0.0)[0], ck.parse("max(x)").clarke(np.zeros(3))):
        parsed(shown._repr_html_())
    assert parsed(zero.clarke(0.0)._repr_html_()) is not None
    svg = said.picture((-2.0, 2.0))
    assert isinstance(svg, str) and svg.startswith("<svg")
    png = said.picture(format="png")
    assert isinstance(png, bytes) and png.startswith(b"\x89PNG")
    with pytest.raises(ck.InputError, match="one or two numbers"):
        ck.parse("norm1(x)").explain(np.zeros(3)).picture()
    with pytest.raises(ck.InputError):
        said.picture((1.0, 0.0))
    with pytest.raises(ck.InputError, match="svg"):
        said.picture(format="pdf")


def test_pictures_are_written(tmp_path: pathlib.Path) -> None:
    said = zero.explain(0.0)
    said.save(tmp_path / "zero.svg", (-1.0, 1.0))
    said.save(tmp_path / "zero.png")
    assert (tmp_path / "zero.svg").read_text().startswith("<svg")
    assert (tmp_path / "zero.png").read_bytes().startswith(b"\x89PNG")


def test_reprs_are_short_and_plain_data_is_plain() -> None:
    f = ck.parse("norm1(x) + max(x)")
    at = f.at(np.zeros(7))
    for shown in (at, at.clarke(), at.conservative(), at.verdict(), at.verdict().certificate):
        assert len(repr(shown)) < 160 and "\n" not in repr(shown)
    for exported in (at.clarke(), at.bounds(), at.verdict(), at.tameness, at.verdict().certificate):
        assert json.loads(json.dumps(exported.to_dict())) == exported.to_dict()  # type: ignore[union-attr]


def test_what_else_is_known_at_a_point() -> None:
    at = ck.parse("abs(x) + relu(2*x - 1)").at(0.0)
    assert [kink.at for kink in at.kinks(1.0)] == [0.0, 0.5]
    assert at.path_differentiable is True
    assert at.tameness.level == "piecewise linear"
    assert at.signature == ck.parse("abs(x) + relu(2*x - 1)").at(0.0).signature
    assert at.lipschitz(-1.0, 1.0).constant == pytest.approx(3.0, rel=1e-9)
    assert at.generalized(1.0).value == 1.0
    assert at.value == 0.0 and at.point == 0.0
    assert not ck.parse("sqrt(abs(x))").at(1.0).lipschitz(-1.0, 1.0)


def test_errors() -> None:
    with pytest.raises(ck.NotLipschitzError):
        ck.parse("sqrt(abs(x))").clarke(0.0)
    with pytest.raises(ck.NotFiniteError):
        ck.parse("log(x)").at(-1.0)
    with pytest.raises(ck.InputError):
        ck.parse("relu(x)").verdict(np.zeros(2))
    with pytest.raises(ck.CallError):
        zero.ties(0.0, argnums=3)
    with pytest.raises(ck.InputError, match="direction"):
        ck.directional(zero)


def test_a_function_of_python_is_traced() -> None:
    assert ck.clarke(lambda x: np.abs(x).sum(), np.zeros(2)).critical is True
    assert ck.verdict(lambda x: np.abs(x), 0.0) == "clarke critical"


def test_one_set_answers_several_threads() -> None:
    found = ck.parse("norm2(x) + norm1(x)").clarke(np.zeros(4))
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(8, 4))
    expected = [float(np.linalg.norm(d) + np.abs(d).sum()) for d in directions]
    answers: dict[int, list[float]] = {}

    def ask(k: int) -> None:
        answers[k] = [found.support(d).value for d in directions]

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert answers[k] == pytest.approx(expected, rel=1e-9)
