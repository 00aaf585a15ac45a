"""Values while tracing: numpy code runs on them as it is, and a program is written down.

A `Var` stands for an array whose shape is known and whose numbers are not. What numpy's functions do to it is said in
`_numpy.py`; here are Python's own operators, indexing, conditions, and where in the user's code all of it stood.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Literal, NoReturn, TypeAlias, cast

import numpy as np

from . import _clarke
from ._errors import DtypeError, InputError
from ._methods import ArrayMethods, Shaped
from ._origin import fail, origin

__all__ = [
    "Condition",
    "Var",
    "constant",
    "fail",
    "lift",
    "number",
    "origin",
    "record",
    "reshaped",
    "shape_of",
    "traced",
    "tracer_of",
]

#: What stands for an array in numpy code: an array, a number, a traced value, a condition, or lists of such.
Operand: TypeAlias = Any
Shape: TypeAlias = tuple[int, ...]
Symbol: TypeAlias = Literal[">", ">=", "<", "<=", "==", "!="]

#: Arrays from this size on are kept once for a trace, if the same object is used again with the same numbers.
_LARGE = 64


def constant(tracer: _clarke.Tracer, value: Operand) -> Var:
    """An array as a constant of a trace."""
    file, line = origin()
    if not isinstance(value, np.ndarray) or value.size < _LARGE:
        return Var(tracer, tracer.constant(value, file, line))
    # The object may have been written to since: its numbers decide.
    kept: dict[int, tuple[np.ndarray[Any, Any], bytes, int]] = tracer.__dict__.setdefault("constants", {})
    numbers = value.tobytes()
    known = kept.get(id(value))
    if known is None or known[0].shape != value.shape or known[0].dtype != value.dtype or known[1] != numbers:
        known = kept[id(value)] = (value, numbers, tracer.constant(value, file, line))
    return Var(tracer, known[2])


def tracer_of(*values: object) -> _clarke.Tracer | None:
    """The trace that one of these values, or of those in their lists, belongs to."""
    for value in values:
        if isinstance(value, (Var, Condition)):
            return value.tracer
        if isinstance(value, (list, tuple)):
            found = tracer_of(*value)
            if found is not None:
                return found
    return None


class Body:
    """The body of a loop while it is traced: values of the traces around it become further inputs of its own."""

    def __init__(self, parent: Body | None) -> None:
        self.tracer = _clarke.Tracer()
        self.parent = parent
        self.captured: dict[tuple[int, int], tuple[Var, Var]] = {}

    def own(self, var: Var) -> Var:
        """A value of this trace, or of one around it, as one of this trace."""
        if var.tracer is self.tracer:
            return var
        if self.parent is not None:
            var = self.parent.own(var)
        key = id(var.tracer), var.node
        if key not in self.captured:
            inner = Var(self.tracer, self.tracer.input(f"k{len(self.captured)}", var.shape))
            self.captured[key] = (var, inner)
        return self.captured[key][1]


#: The innermost loop whose body is being traced.
open_body: ContextVar[Body | None] = ContextVar("open_body", default=None)


def _body_of(body: Body | None, values: tuple[Operand, ...]) -> Body | None:
    """The innermost of the open bodies that one of the values belongs to."""
    if body is None:
        return None
    tracers = {id(t) for t in _tracers(values)}
    while body is not None and id(body.tracer) not in tracers:
        body = body.parent
    return body


def _tracers(values: tuple[Operand, ...] | list[Operand]) -> Iterator[_clarke.Tracer]:
    for value in values:
        if isinstance(value, (Var, Condition)):
            yield value.tracer
        elif isinstance(value, (list, tuple)):
            yield from _tracers(value)


def _owned(body: Body, value: Operand) -> Operand:
    """A value, or those in lists, as values of the trace of a body."""
    if isinstance(value, Var):
        return body.own(value)
    if isinstance(value, Condition):
        return value.within(body)
    if isinstance(value, (list, tuple)):
        return type(value)(_owned(body, v) for v in value)
    return value


def record(name: str, *args: Operand, **keywords: Operand) -> Var:
    """Applies an operator of the table to traced values, arrays, numbers and settings."""
    tracer = tracer_of(*args) or tracer_of(*keywords.values())
    assert tracer is not None, "only a traced value is recorded"
    return record_in(tracer, name, args, keywords)


def record_in(tracer: _clarke.Tracer, name: str, args: tuple[Operand, ...], keywords: dict[str, Operand]) -> Var:
    """Applies an operator in a trace, whether or not one of its arguments belongs to it."""
    file, line = origin()
    body = open_body.get()
    if body is not None:
        body = _body_of(body, (*args, *keywords.values()))
        if body is not None:
            tracer, args = body.tracer, tuple(_owned(body, a) for a in args)
            keywords = {key: _owned(body, v) for key, v in keywords.items()}
    for k, arg in enumerate(args):
        if isinstance(arg, Condition):
            # Of `where` it is the condition, elsewhere a number.
            args = (*args[:k], arg.guard if name == "where" and k == 0 else arg.number(), *args[k + 1 :])
        elif isinstance(arg, np.ndarray) and arg.size >= _LARGE:
            args = (*args[:k], constant(tracer, arg), *args[k + 1 :])
    return Var(tracer, tracer.apply(name, args, keywords, file, line))


def lift(value: Operand) -> Operand:
    """An operand of arithmetic: conditions become numbers, lists of traced values one value; the rest stays."""
    if isinstance(value, Condition):
        return value.number()
    if isinstance(value, (bool, np.bool_)):
        return float(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in "fiub":
        fail(
            f"an array of dtype {value.dtype} cannot take part in a program: Clarke computes with real numbers",
            DtypeError,
        )
    if isinstance(value, (list, tuple)):
        tracer = tracer_of(value)
        if tracer is None:
            return np.asarray(value)
        return record("stack", [_as_var(tracer, lift(v)) for v in value], axis=0)
    return value


def _as_var(tracer: _clarke.Tracer, value: Operand) -> Var:
    return value if isinstance(value, Var) else constant(tracer, value)


def traced(value: Operand) -> Var:
    """An operand that is traced, or a list that holds what is, as one value."""
    lifted = lift(value)
    assert isinstance(lifted, Var), "the operand is traced"
    return lifted


def number(*values: Operand) -> list[Var]:
    """All as traced values of the trace that one of them belongs to."""
    tracer = tracer_of(*values)
    assert tracer is not None, "one of the values is traced"
    return [_as_var(tracer, lift(v)) for v in values]


def reshaped(x: Var, shape: int | Iterable[int]) -> Var:
    """The same entries in another shape, of which one length may be −1: what is left."""
    wanted = [shape] if isinstance(shape, int) else [n.__index__() for n in shape]
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest and x.size % rest == 0:
            wanted[wanted.index(-1)] = x.size // rest
    if math.prod(wanted) != x.size or any(n < 0 for n in wanted):
        fail(f"an array of shape {x.shape} cannot be reshaped to {tuple(wanted)}", InputError)
    return record("reshape", x, tuple(wanted))


def shape_of(value: Operand) -> Shape:
    """The shape of an operand."""
    if isinstance(value, (Var, Condition)):
        return value.shape
    if isinstance(value, (list, tuple)) and tracer_of(value) is not None:
        return (len(value), *(shape_of(value[0]) if value else ()))
    return np.shape(value)


def is_operand(value: object) -> bool:
    """Whether Python's operators take it beside a traced value."""
    return isinstance(value, (Var, Condition, float, int, np.ndarray, np.generic, list, tuple))


#: What numpy's two protocols do; `_numpy.py` sets it.
_protocol: dict[str, Callable[..., Any]] = {}


def install(ufunc: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Says what numpy's protocols do with traced values."""
    _protocol.update(ufunc=ufunc, function=function)


class _Traced(Shaped):
    """What values and conditions share: numpy's protocols, and the answers to what only numbers can do."""

    __slots__ = ()

    # Above that of matrices and masked arrays.
    __array_priority__ = 1000.0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Operand, **keywords: Any) -> Any:
        return _protocol["ufunc"](ufunc, method, inputs, keywords)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Operand, ...], keywords: dict[str, Any]
    ) -> Any:
        return _protocol["function"](function, args, keywords)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        fail(
            "numpy asked for the numbers of a traced value, which are not known while tracing: np.array and np.asarray "
            "of traced values cannot work; use np.stack or np.concatenate to put several into one"
        )

    def __setitem__(self, index: object, value: object) -> NoReturn:
        fail(
            "a traced value cannot be written to; make a new one: np.where, np.concatenate, or "
            "clarke.index_add(x, indices, source)"
        )

    def __delitem__(self, index: object) -> NoReturn:
        fail("entries of a traced value cannot be deleted; make a new one by slices and np.concatenate")


class Condition(_Traced):
    """A comparison of traced values, or several joined by `&`, `|`, `~`: the first argument of `np.where`.

    As a number it is 1 where it holds and else 0, as in numpy.
    """

    __slots__ = ("guard", "shape", "tracer")

    def __init__(self, tracer: _clarke.Tracer, guard: _clarke.Guard, shape: Shape) -> None:
        self.tracer, self.guard, self.shape = tracer, guard, shape

    @staticmethod
    def compare(symbol: Symbol, a: Operand, b: Operand) -> Condition:
        """A comparison with a symbol of `> >= < <= == !=`."""
        a, b = lift(a), lift(b)
        tracer = tracer_of(a, b)
        assert tracer is not None, "one side is traced"
        shape = broadcast(f"the sides of `{symbol}`", a, b)
        body = _body_of(open_body.get(), (a, b))
        if body is not None:
            tracer, a, b = body.tracer, _owned(body, a), _owned(body, b)
        return Condition(tracer, _clarke.Guard.compare(symbol, a, b), shape)

    @staticmethod
    def of(value: Operand, tracer: _clarke.Tracer) -> Condition:
        """Truth of numbers: whether they are not 0."""
        if isinstance(value, Condition):
            return value
        if isinstance(value, Var):
            return Condition.compare("!=", value, 0.0)
        value = np.asarray(value)
        if value.dtype.kind not in "biuf":
            fail(f"a condition is a comparison or an array of booleans, not an array of dtype {value.dtype}")
        # A constant that is never equal to the bound: it makes no tie.
        known = _clarke.Guard.compare(">", (value != 0).astype(float), 0.5)
        return Condition(tracer, known, value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(bool)

    def select(self, a: Operand, b: Operand) -> Var:
        """a where it holds, else b."""
        return record_in(self.tracer, "where", (self, lift(a), lift(b)), {})

    def within(self, body: Body) -> Condition:
        """The condition in the trace of a body."""
        if self.tracer is body.tracer:
            return self
        return Condition.compare(">", body.own(self.number()), 0.5)

    def number(self) -> Var:
        """1 where it holds, else 0."""
        return self.select(1.0, 0.0)

    def times(self, value: Operand) -> Var:
        """Its number times a value: nothing jumps that the value does not."""
        value = lift(value)
        return self.select(value, 0.0 * (value if isinstance(value, Var) else np.asarray(value)))

    def astype(self, dtype: Any, **_: Any) -> Var | Condition:
        """As numbers, or itself for bool."""
        return self if np.dtype(dtype) == np.dtype(bool) else self.number().astype(dtype)

    def _join(self, other: object, join: Callable[[_clarke.Guard, _clarke.Guard], _clarke.Guard]) -> Any:
        if not is_operand(other):
            return NotImplemented
        known = other if isinstance(other, Condition) else Condition.of(_booleans(other), self.tracer)
        shape = broadcast("two conditions", self, known)
        body = _body_of(open_body.get(), (self, known))
        one, two = (self, known) if body is None else (self.within(body), known.within(body))
        return Condition(one.tracer, join(one.guard, two.guard), shape)

    def __and__(self, other: object) -> Condition:
        return cast(Condition, self._join(other, _clarke.Guard.both))

    def __or__(self, other: object) -> Condition:
        return cast(Condition, self._join(other, _clarke.Guard.either))

    def __xor__(self, other: object) -> Condition:
        return cast(Condition, self._join(other, _exclusive))

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Condition:
        return Condition(self.tracer, _clarke.Guard.negation(self.guard), self.shape)

    def __bool__(self) -> NoReturn:
        fail(
            "the truth of a comparison of traced values is not known while tracing, so it cannot decide an `if`, `and`, "
            "`or`, `not`, or Python's max and min: use np.where(condition, a, b), np.maximum and np.minimum, and `&`, "
            "`|`, `~` on conditions"
        )

    def __getitem__(self, index: object) -> NoReturn:
        fail("a condition cannot be indexed; index the values that are compared")

    def __len__(self) -> int:
        return self.number().__len__()

    def __iter__(self) -> NoReturn:
        fail("a condition cannot be gone through; go through the values that are compared")

    def sum(self, axis: Any = None, keepdims: bool = False) -> Var:
        """How many hold."""
        return self.number().sum(axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Var:
        """The proportion that holds."""
        return self.number().mean(axis=axis, keepdims=keepdims)

    def any(self, *_: object, **__: object) -> NoReturn:
        """Refused."""
        fail("any of a condition has no operator; compare the extreme: np.max(x) > 0 for np.any(x > 0)")

    def all(self, *_: object, **__: object) -> NoReturn:
        """Refused."""
        fail("all of a condition has no operator; compare the extreme: np.min(x) > 0 for np.all(x > 0)")

    def __neg__(self) -> Var:
        return -self.number()

    def __add__(self, other: Operand) -> Var:
        return record("add", self.number(), lift(other))

    def __sub__(self, other: Operand) -> Var:
        return record("subtract", self.number(), lift(other))

    def __mul__(self, other: Operand) -> Var:
        return cast(Var, np.multiply(cast(Any, self), other))

    def __truediv__(self, other: Operand) -> Var:
        return record("divide", self.number(), lift(other))

    def __matmul__(self, other: Operand) -> Var:
        return record("matmul", self.number(), lift(other))

    def __radd__(self, other: Operand) -> Var:
        return record("add", lift(other), self.number())

    def __rsub__(self, other: Operand) -> Var:
        return record("subtract", lift(other), self.number())

    def __rmul__(self, other: Operand) -> Var:
        return self.__mul__(other)

    def __rtruediv__(self, other: Operand) -> Var:
        return record("divide", lift(other), self.number())

    def __rmatmul__(self, other: Operand) -> Var:
        return record("matmul", lift(other), self.number())

    def __repr__(self) -> str:
        return f"Condition(shape={self.shape})"


def _booleans(value: object) -> object:
    if isinstance(value, Var) or np.asarray(value).dtype != bool:
        fail("`&`, `|`, `^` join conditions, such as (x > 0) & (y > 0); a value is none: compare it, as in x != 0")
    return value


def _exclusive(a: _clarke.Guard, b: _clarke.Guard) -> _clarke.Guard:
    g = _clarke.Guard
    return g.both(g.either(a, b), g.negation(g.both(a, b)))


def broadcast(what: str, *values: Operand) -> Shape:
    """The common shape of operands."""
    shapes = [shape_of(v) for v in values]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        fail(f"{what} have shapes that do not fit: {' and '.join(map(str, shapes))}", InputError)


def _binary(name: str) -> tuple[Callable[[Var, Operand], Var], Callable[[Var, Operand], Var]]:
    """An operator of Python and its reflection, as an operator of the table."""

    def left(self: Var, other: Operand) -> Var:
        return record(name, self, lift(other)) if is_operand(other) else NotImplemented

    def right(self: Var, other: Operand) -> Var:
        return record(name, lift(other), self) if is_operand(other) else NotImplemented

    return left, right


def _through(function: np.ufunc) -> tuple[Callable[[Var, Operand], Var], Callable[[Var, Operand], Var]]:
    """An operator of Python and its reflection, as numpy's function does it."""

    def left(self: Var, other: Operand) -> Var:
        return cast(Var, function(cast(Any, self), other)) if is_operand(other) else NotImplemented

    def right(self: Var, other: Operand) -> Var:
        return cast(Var, function(other, cast(Any, self))) if is_operand(other) else NotImplemented

    return left, right


def _comparison(symbol: Symbol) -> Callable[[Var, object], Condition]:
    def compare(self: Var, other: object) -> Condition:
        return Condition.compare(symbol, self, other) if is_operand(other) else NotImplemented

    return compare


class Var(ArrayMethods, _Traced, _clarke.Node):
    """An array while a function is traced: its shape is known, its numbers are not.

    Python's operators, numpy's functions and most methods of arrays work on it and are written down as operators of a
    program. What would need the numbers (`if x > 0`, `float(x)`, `x[x > 0]`) raises `UnsupportedError` with the line.

    Attributes
    ----------
    shape, ndim, size, T, dtype
        As of an array; the dtype is float64, whatever precision the program is run in.
    """

    __slots__ = ()

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _through(np.multiply)
    __truediv__, __rtruediv__ = _binary("divide")
    __pow__, __rpow__ = _binary("power")
    __matmul__, __rmatmul__ = _binary("matmul")
    __floordiv__, __rfloordiv__ = _through(np.floor_divide)
    __mod__, __rmod__ = _through(np.remainder)

    def __divmod__(self, other: Operand) -> tuple[Var, Var]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[Var, Var]:
        return self.__rfloordiv__(other), self.__rmod__(other)

    def __neg__(self) -> Var:
        return record("negative", self)

    def __pos__(self) -> Var:
        return self

    def __abs__(self) -> Var:
        return record("abs", self)

    __gt__ = _comparison(">")
    __ge__ = _comparison(">=")
    __lt__ = _comparison("<")
    __le__ = _comparison("<=")
    __eq__ = cast(Any, _comparison("=="))
    __ne__ = cast(Any, _comparison("!="))
    __hash__ = _clarke.Node.__hash__

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a traced value without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Var]:
        if not self.shape:
            raise TypeError("iteration over a traced value without axes")
        return (self[k] for k in range(self.shape[0]))

    def __contains__(self, value: object) -> NoReturn:
        fail("whether a traced value contains a number is not known while tracing")

    def __getitem__(self, index: Any) -> Var:
        from ._indexing import getitem

        return getitem(self, index)

    def __repr__(self) -> str:
        return f"Var(shape={self.shape})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        fail("a traced value cannot be pickled")
