"""Means over samples: the same as written out, batches, memory maps, methods that take batches."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import clarke as ck


def loss(params: Any, x: Any, y: Any, weight: Any) -> Any:
    return np.abs(x @ params["w"] + params["c"] - y) + weight * np.abs(params["w"]).sum()


@pytest.fixture
def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 4))
    return X, X @ np.array([1.0, -1.0, 0.0, 2.0]) + 0.1 * rng.normal(size=1000)


def test_it_is_the_mean_of_its_terms(data: tuple[Any, Any]) -> None:
    X, y = data
    f = ck.FiniteSum(loss, X, y, shared=[0.1])
    params = {"w": np.array([0.5, 0.0, 1.0, -1.0]), "c": 0.25}
    written = ck.value_and_grad(
        lambda p, X, y: np.abs(X @ p["w"] + p["c"] - y).mean() + 0.1 * np.abs(p["w"]).sum()
    )
    value, gradient = f.value_and_grad(params)
    expected, other = written(params, X, y)
    assert np.isclose(value, expected, rtol=1e-13) and np.isclose(f(params), expected, rtol=1e-13)
    assert np.allclose(gradient["w"], other["w"], rtol=1e-12) and np.isclose(gradient["c"], other["c"], rtol=1e-12)
    batch = [3, 999, 3]
    value, gradient = f.value_and_grad(params, batch=batch)
    expected, other = written(params, X[batch], y[batch])
    assert np.isclose(value, expected, rtol=1e-13) and np.allclose(gradient["w"], other["w"], rtol=1e-12)
    assert (len(f), repr(f)) == (1000, "<clarke.FiniteSum of loss over 1000 samples>")


def test_samples_are_read_where_they_are(tmp_path: pathlib.Path, data: tuple[Any, Any]) -> None:
    X, y = data
    mapped = np.memmap(tmp_path / "X.bin", dtype=np.float64, mode="w+", shape=X.shape)
    mapped[:] = X
    f = ck.FiniteSum(lambda w, x, y: np.abs(x @ w - y), mapped, y)
    w = np.ones(4)
    before = f(w)
    assert np.isclose(before, np.abs(X @ w - y).mean(), rtol=1e-13)
    mapped[0, 0] += 1.0
    X = X.copy()
    X[0, 0] += 1.0
    assert f(w) != before and np.isclose(f(w), np.abs(X @ w - y).mean(), rtol=1e-13)


def test_methods_take_batches(data: tuple[Any, Any]) -> None:
    X, y = data
    f = ck.FiniteSum(lambda w, x, y: np.abs(x @ w - y), X, y)
    runs = [
        ck.minimize(f, np.zeros(4), method="stochastic", step="0.5/(k+10)^0.6", batch=16, steps=3000, seed=s)
        for s in (1, 1, 2)
    ]
    assert runs[0].x.tolist() == runs[1].x.tolist() != runs[2].x.tolist()
    assert all(run.fun < 0.1 for run in runs)
    assert np.allclose(runs[0].x, [1.0, -1.0, 0.0, 2.0], atol=0.1)
    shuffled = ck.minimize(f, np.zeros(4), method="incremental", step="0.3/(k+10)^0.7", steps=3000)
    assert shuffled.fun < 0.1


def test_mistakes_are_named(data: tuple[Any, Any]) -> None:
    X, y = data
    with pytest.raises(ck.InputError, match="same number of them along the first axis; found 999, 1000"):
        ck.FiniteSum(loss, X, y[1:])
    with pytest.raises(ck.InputError, match="found none"):
        ck.FiniteSum(loss, X[:0], y[:0])
    with pytest.raises(ck.InputError, match="give it as shared="):
        ck.FiniteSum(loss, X, 1.0)
    f = ck.FiniteSum(lambda w, x, y: np.abs(x @ w - y), X, y)
    with pytest.raises(ck.InputError, match="each below 1000"):
        f.grad(np.ones(4), batch=[1000])
    with pytest.raises(ck.InputError, match="each below 1000"):
        f.grad(np.ones(4), batch=[])
    with pytest.raises(ck.InputError, match="has its data already"):
        ck.minimize(f, np.ones(4), X)
    with pytest.raises(ck.InputError, match="NaN"):
        ck.FiniteSum(lambda w, x: np.abs(x @ w), np.full((3, 2), np.nan))(np.ones(2))
