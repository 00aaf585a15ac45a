"""What measures the cost of a call runs, and runs what it says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import clarke as ck
from clarke import _bench


def test_the_small_program_has_ten_operators_on_three_numbers() -> None:
    program = ck.parse(_bench.SMALL).specialize(0.5, -1.5, 2.0)
    assert (program.nodes - 3, [shape for _, shape, _ in program.inputs]) == (10, [[], [], []])


@pytest.mark.parametrize("mode", [None, "value_and_gradient"])
def test_costs_are_measured(mode: str | None) -> None:
    found = _bench.cost(ck.parse("sum(abs(x))"), (np.ones(5),), mode=mode, calls=10, rounds=2)
    assert found.alone > 0.0 and np.isfinite(found.python)
    assert "ns alone" in repr(found)


def test_the_module_prints_them() -> None:
    done = subprocess.run([sys.executable, "-m", "clarke._bench"], capture_output=True, text=True, check=True)
    assert done.stdout.count("ns from Python") == 8
