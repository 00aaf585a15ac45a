"""What a call costs from Python: ``python -m clarke._bench``.

A program of ten operators is run on three numbers, and one on arrays: from Python, and by the same compiled program alone.
"""

from __future__ import annotations

import timeit
from typing import Any, Callable, Sequence

import numpy as np

from ._derivatives import grad
from ._function import Function, parse, policy_of

__all__ = ["Cost", "cost", "main"]

#: Ten operators on three numbers.
SMALL = "max(abs(x*y), relu(z - x) + y*y) - exp(z)*x"


class Cost:
    """Nanoseconds a call: the best of several rounds, from Python (`python`) and by the compiled program alone (`alone`)."""

    def __init__(self, python: float, alone: float) -> None:
        self.python = python
        self.alone = alone

    def __repr__(self) -> str:
        return f"{self.python:.0f} ns from Python, {self.alone:.0f} ns alone, {self.python - self.alone:.0f} ns more"


def cost(function: Function, args: Sequence[Any], *, mode: str | None = None, calls: int = 20000, rounds: int = 7) -> Cost:
    """What a call costs.

    Parameters
    ----------
    function : Function
        What is called.
    args : sequence
        Arrays of float64 and numbers.
    mode : {None, "value_and_gradient"}
        Whether the function or its gradient in the first argument is meant.
    calls, rounds : int
        How many calls a round has, and how many rounds there are; the best one counts.
    """
    at = function._specialize(function._bind(args, {}))
    executable = at.executable(mode, (0,) if mode else (), policy_of(None), True)
    call: Callable[..., Any] = grad(function) if mode else function
    call(*args)  # traced and compiled before it is timed
    alone = min(executable.seconds(list(args), calls) for _ in range(rounds))
    python = min(timeit.repeat(lambda: call(*args), number=calls, repeat=rounds))
    # What the loop and the lambda around the call cost is no part of it.
    empty = min(timeit.repeat(lambda: None, number=calls, repeat=rounds))
    return Cost(1e9 * (python - empty) / calls, 1e9 * alone / calls)


def main() -> None:
    """Prints the costs."""
    small = parse(SMALL)
    numbers = (0.5, -1.5, 2.0)
    nodes = small._specialize(small._bind(numbers, {})).program.nodes
    print(f"{SMALL}: {nodes - len(numbers)} operators, three numbers")
    print(f"  value     {cost(small, numbers)}")
    print(f"  gradient  {cost(small, numbers, mode='value_and_gradient')}")
    norm = parse("sum(abs(x))")
    for size in (10, 1000, 100_000):
        args = (np.linspace(-1.0, 1.0, size),)
        calls = max(50, 200_000 // size)
        print(f"sum(abs(x)), {size} numbers")
        print(f"  value     {cost(norm, args, calls=calls)}")
        print(f"  gradient  {cost(norm, args, mode='value_and_gradient', calls=calls)}")


if __name__ == "__main__":
    main()
