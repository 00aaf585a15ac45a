"""Programs survive pickling: functions by their name or text, programs by their text."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import clarke as ck
import numpy as np
import pytest


@ck.program
def loss(x: Any) -> Any:
    return np.abs(x).sum() + np.maximum(x, 0.0).max()


class Model:
    """Functions are also methods."""

    @ck.program
    @staticmethod
    def part(x: Any) -> Any:
        return np.abs(x)


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


X = np.array([0.0, -2.0])


def test_a_function_of_a_module_is_pickled_by_its_name() -> None:
    loss(X)
    assert again(loss) is loss
    assert again(Model.part) is Model.part
    assert b"numpy" not in pickle.dumps(loss)


def test_a_function_from_text_is_pickled_by_its_text() -> None:
    f = ck.parse("relu(-x) + x - relu(x)")
    assert again(f).grad(0.0, policy="pytorch") == 1.0
    assert copy.deepcopy(f)(3.0) == 0.0


def test_derivatives_and_batches() -> None:
    g = ck.grad(loss, policy="jax")
    np.testing.assert_array_equal(again(g)(X), g(X))
    np.testing.assert_array_equal(again(ck.batch(loss))(np.stack([X, X])), [2.0, 2.0])


def test_a_specialized_program_is_pickled_by_its_text() -> None:
    program = loss.specialize(X)
    other = again(program)
    assert isinstance(other, ck.Program)
    assert (other.text(), other.inputs, other.outputs) == (program.text(), program.inputs, program.outputs)
    assert other.same(program)


@pytest.mark.parametrize("rule", ["min-norm", "pytorch", "jax", "tensorflow", "random(7)", 0.1])
def test_policies(rule: Any) -> None:
    policy = ck.Policy(rule)
    assert again(policy) == policy and hash(again(policy)) == hash(policy)


def test_directions_as_a_policy() -> None:
    policy = ck.Policy.along([[np.array([1.0, -1.0])], [np.array([0.5, 0.1])]])
    assert again(policy) == policy
    np.testing.assert_array_equal(again(ck.grad(loss, policy=policy))(X), loss.grad(X, policy=policy))


def test_errors_keep_class_and_text() -> None:
    with pytest.raises(ck.TextError) as raised:
        ck.parse("abs(x")(1.0)
    other = again(raised.value)
    assert type(other) is ck.TextError and str(other) == str(raised.value) and other.span == raised.value.span


def test_another_process_reads_what_was_pickled() -> None:
    data = pickle.dumps((ck.parse("abs(x) + 1"), ck.parse("abs(x)").specialize(1.0)))
    script = "import pickle, sys; f, p = pickle.loads(sys.stdin.buffer.read()); print(f(-2.0), p.text())"
    done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    assert done.stdout.decode().startswith("3.0 def ")
