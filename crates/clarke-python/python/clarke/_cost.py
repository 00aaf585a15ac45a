"""What a call costs, counted: `Cost` and `GradientCost`."""

from __future__ import annotations

from dataclasses import dataclass

from . import _clarke

__all__ = ["Cost", "GradientCost"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a compiled program costs. Bytes are those in float64; in float32 there are half as many.

    Attributes
    ----------
    operations : int
        Sums, products, comparisons and elementary functions, one each; 2·m·k·n for a product of matrices, n·log₂ n for a
        sort.
    instructions : int
        What elementwise loops execute, with copies, and one for each operation of a kernel.
    bytes_read, bytes_written : int
        What loops and kernels read and write.
    bytes_live : int
        The most that is alive at once, inputs and outputs aside.
    bytes_workspace : int
        The memory that a run works in.
    """

    operations: int
    instructions: int
    bytes_read: int
    bytes_written: int
    bytes_live: int
    bytes_workspace: int


@dataclass(frozen=True, slots=True)
class GradientCost:
    """What a value costs, and value and gradient together.

    Attributes
    ----------
    value : Cost
        The value alone.
    gradient : Cost
        Value and gradient.
    """

    value: Cost
    gradient: Cost

    @property
    def ratio(self) -> float:
        """How many values a value with its gradient costs, in operations; 1 where neither takes any."""
        value, gradient = self.value.operations, self.gradient.operations
        if value == 0:
            return 1.0 if gradient == 0 else float("inf")
        return gradient / value


def cost_of(program: _clarke.Program) -> GradientCost:
    """The cost of a scalar program in its variables."""
    both = program.derivative("value_and_gradient")
    return GradientCost(Cost(**program.cost()), Cost(**both.cost()))
