"""Every function of numpy that is traced has numpy's value."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import clarke as ck
import numpy as np
import pytest
from clarke import _numpy, _trace

sys.path.insert(0, str(Path(__file__).parent))

import samples  # noqa: E402


def name(function: Any) -> str:
    return f"{getattr(function, '__module__', '') or 'numpy'}.{function.__name__}"


def flat(result: Any) -> list[Any]:
    """What a function of numpy returned, as arrays of numbers; a condition as 0 and 1."""
    if isinstance(result, (list, tuple)):
        return [part for item in result for part in flat(item)]
    if isinstance(result, _trace.Condition):
        return [result.number()]
    return [result if isinstance(result, _trace.Var) else np.asarray(result, dtype=float)]


def draw(sample: samples.Sample, seed: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(*sample.domain, shape) for shape in sample.shapes]


def compare(sample: samples.Sample) -> None:
    for seed in range(3):
        x = draw(sample, seed)
        with np.errstate(all="ignore"):
            wanted = flat(sample.code(*x))
        traced = ck.program(lambda *args: tuple(flat(sample.code(*args))))
        found = traced(*x)
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert np.shape(ours) == theirs.shape
            np.testing.assert_allclose(
                ours, theirs, rtol=sample.tolerance, atol=sample.tolerance * max(1.0, np.max(np.abs(theirs), initial=0))
            )


def cases(table: dict[Any, list[samples.Sample]]) -> list[Any]:
    return [pytest.param(s, id=f"{name(f)}-{k}") for f, all_of in table.items() for k, s in enumerate(all_of)]


@pytest.mark.parametrize("sample", cases(samples.UFUNCS))
def test_elementwise_functions_have_the_values_of_numpy(sample: samples.Sample) -> None:
    compare(sample)


@pytest.mark.parametrize("sample", cases(samples.FUNCTIONS))
def test_functions_have_the_values_of_numpy(sample: samples.Sample) -> None:
    compare(sample)


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(k)) for k, s in enumerate(samples.MORE)])
def test_operators_methods_and_indices_have_the_values_of_numpy(sample: samples.Sample) -> None:
    compare(sample)


def test_every_function_of_the_tables_has_a_sample() -> None:
    same = {np.amax: np.max, np.amin: np.min, np.around: np.round, np.linalg.matrix_transpose: np.matrix_transpose}
    assert not [name(f) for f in _numpy.UFUNCS if not samples.UFUNCS.get(f)]
    assert not [name(f) for f in _numpy.FUNCTIONS if not samples.FUNCTIONS.get(same.get(f, f))]
