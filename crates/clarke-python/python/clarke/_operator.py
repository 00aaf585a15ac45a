"""Operators of one's own: value and slopes are functions of Python, traced to programs."""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable, Mapping

import numpy as np

from . import _clarke, _tree
from ._errors import CallError, InputError
from ._function import Call, Function, PolicyLike, node_of
from ._trace import Var, origin, shape_of, tracer_of
from ._tree import Tree

if TYPE_CHECKING:
    from ._check import CheckReport

__all__ = ["Operator", "op", "step"]

#: The slopes being traced: their trace, and the arguments of the ties written so far.
_slopes: ContextVar[tuple[Any, list[int]] | None] = ContextVar("_slopes", default=None)

#: The conventions, in the order of the native half.
_CONVENTIONS = ("min-norm", "pytorch", "jax", "tensorflow")


def step(u: Any) -> Any:
    """The tie in the slope of an operator of one's own: 1 where u > 0, 0 where u < 0, an element of [0, 1] at u = 0.

    A slope never compares: where its pieces meet, the policy of whoever takes the derivative picks the element.

    Raises
    ------
    CallError
        Outside of a slope that is given to `op`.
    """
    current = _slopes.get()
    if current is None:
        raise CallError("step is a tie: it has a meaning in the slope of an operator only, see clarke.op")
    tracer, arguments = current
    tie = tracer.tie(f"t{len(arguments)}")
    arguments.append(node_of(tracer, u))
    return Var(tracer, tie)


class Operator(Function):
    """An elementwise operator that a user defined, with numpy's broadcasting. Made by `op`.

    Called with arrays it is computed, with traced values recorded; it has ties, sets and second derivatives like a
    built-in one.
    """

    def __init__(
        self, function: Callable[..., Any], slope: Callable[..., Any], choices: Mapping[str, float], name: str
    ) -> None:
        super().__init__(function)
        self._slope = slope
        self._choices = dict(choices)
        parameters = list(self._signature.parameters.values())
        if any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) or not parameters:
            raise CallError(f"op: {name} must take its arguments by position, at least one")
        self._names = [p.name for p in parameters]
        choices_in_order = [float(self._choices[convention]) for convention in _CONVENTIONS]
        self._operator = _clarke.Operator(name, self._traced(), self._traced_slopes(), choices_in_order)

    def __repr__(self) -> str:
        return f"<clarke.Operator {self.name}{self._signature}>"

    def __reduce__(self) -> Any:
        made = super().__reduce__()
        return made if isinstance(made, str) else (Operator, (self._function, self._slope, self._choices, self.name))

    def _inputs(self, tracer: Any) -> list[Any]:
        return [Var(tracer, tracer.input(name, ())) for name in self._names]

    def _traced(self) -> _clarke.Program:
        """The value on single numbers."""
        tracer = _clarke.Tracer()
        return tracer.finish([node_of(tracer, self._function(*self._inputs(tracer)))])

    def _traced_slopes(self) -> _clarke.Program:
        """The slopes on single numbers, and the arguments of their ties."""
        tracer = _clarke.Tracer()
        inputs = self._inputs(tracer)
        value = Var(tracer, tracer.input("y", ()))
        count = len(inspect.signature(self._slope).parameters)
        if count not in (len(inputs), len(inputs) + 1):
            raise CallError(
                f"op: the slope of {self.name} takes {count} arguments; it is called with those of {self.name}, "
                f"{', '.join(self._names)}, and with the value after them if it takes one more"
            )
        ties: list[int] = []
        token = _slopes.set((tracer, ties))
        try:
            result = self._slope(*[*inputs, value][:count])
        finally:
            _slopes.reset(token)
        slopes = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(slopes) != len(inputs):
            raise InputError(f"op: the slope of {self.name} returns {len(slopes)} numbers, one for each of {len(inputs)}")
        return tracer.finish([node_of(tracer, slope) for slope in slopes] + ties)

    def _applied(self, tracer: Any, leaves: list[Any]) -> Any:
        return Var(tracer, tracer.apply_own(self._operator, leaves, *origin()))

    def _trace(self, call: Call) -> tuple[_clarke.Program, Tree]:
        tracer = _clarke.Tracer()
        inputs = [
            Var(tracer, tracer.input(item.name, shape_of(leaf))) for item in call.items for leaf in item.leaves
        ]
        if len(inputs) != len(call.items):
            raise InputError(f"{self.name} takes numbers and arrays, element by element")
        return tracer.finish([self._applied(tracer, list(inputs)).node]), _tree.LEAF

    def _miss(self, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        call = self._bind(args, keywords or {})
        if tracer := tracer_of(*call.leaves):
            return self._applied(tracer, [np.asarray(x) if isinstance(x, (int, float)) else x for x in call.leaves])
        return super()._miss(args, keywords)

    def written_out(self) -> Function:
        """The value as a function of numpy code, without the operator: what the slopes are checked against."""
        return Function(self._function)

    def check(self, *args: Any, policy: PolicyLike | None = None, **options: Any) -> CheckReport:
        """Whether the slopes are a derivative of the value, with what each policy picks at the ties: that of a built-in one
        is tested so too.

        Parameters
        ----------
        *args : float
            The point to look around; all 0 by default.
        policy : str, float or Policy, optional
            Which elements are checked.
        **options
            See `clarke.check_conservative`.

        Examples
        --------
        >>> import clarke as ck
        >>> import numpy as np
        >>> ck.op(slope=lambda x: ck.step(x))(lambda x: np.maximum(x, 0)).check().passes
        True
        >>> ck.op(slope=lambda x: ck.step(x) + 1e-3)(lambda x: np.maximum(x, 0)).check().passes
        False
        """
        from ._check import check_conservative

        count = len(self._names)
        every = tuple(range(count))
        point = [float(x) for x in args] or [0.0] * count

        def gradient(*at: Any) -> Any:
            return self.grad(*at, argnums=every, policy=policy)

        return check_conservative(self.written_out(), gradient, *point, argnums=every, **options)


def op(
    *, slope: Callable[..., Any], choice: float | Mapping[str, float] = 0.5, name: str | None = None
) -> Callable[[Callable[..., Any]], Operator]:
    """A function of numbers as an operator of one's own: a decorator.

    Parameters
    ----------
    slope : callable
        Takes the arguments of the function (and the value after them, if it takes one more) and returns the partial
        derivative in each: one for one argument, a tuple for several. Where its pieces meet it says `step`.
    choice : float or dict
        What is selected at the ties of the slope, from [0, 1]: a number, or one for each of ``"min-norm"``,
        ``"pytorch"``, ``"jax"``, ``"tensorflow"`` (0.5 for those left out).
    name : str, optional
        Its name in text and reports; that of the function by default.

    Returns
    -------
    decorator
        Of a function that is made of elementwise operators; it is traced once, on single numbers.

    Raises
    ------
    InputError
        A function or a slope that is not elementwise, or returns another number of values; a choice out of range.
    CallError
        Arguments that do not fit.

    Notes
    -----
    The slopes are taken as they are given; ``f.check()`` tells whether they are derivatives of the value.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> @ck.op(slope=lambda x: 3 * ck.step(x) - 1, choice=1 / 3)
    ... def stock_cost(x):
    ...     return 2 * np.maximum(x, 0) + np.maximum(-x, 0)
    >>> stock_cost(np.array([-1.0, 2.0]))
    array([1., 4.])
    >>> stock_cost.grad(0.0), stock_cost.grad(0.0, policy=1.0)
    (np.float64(0.0), np.float64(2.0))
    """
    given = dict(choice) if isinstance(choice, Mapping) else dict.fromkeys(_CONVENTIONS, choice)
    if unknown := set(given) - set(_CONVENTIONS):
        raise InputError(f"op: choice names {', '.join(sorted(unknown))}; the conventions are {', '.join(_CONVENTIONS)}")
    choices = {convention: given.get(convention, 0.5) for convention in _CONVENTIONS}

    def decorate(function: Callable[..., Any]) -> Operator:
        label = name or str(getattr(function, "__name__", "own"))
        return Operator(function, slope, choices, "own" if label == "<lambda>" else label)

    return decorate
