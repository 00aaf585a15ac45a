"""Every operator of the table as a function: computed on arrays, recorded on traced values.

The functions, their signatures and their documentation are made of the table alone. `_ops.pyi` says the same to type
checkers; a test compares them.
"""

from __future__ import annotations

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np

from . import _clarke, _numpy  # noqa: F401  (its tables are filled)
from ._arrays import as_arrays, foreign, is_double
from ._errors import CallError, ClarkeError, InputError
from ._trace import (
    Body,
    Condition,
    Operand,
    Var,
    constant,
    fail,
    lift,
    open_body,
    origin,
    record_in,
    shape_of,
    tracer_of,
)


class Entry(NamedTuple):
    """A line of the table of operators."""

    name: str
    signature: str
    formula: str
    class_: str
    ties: str
    source: str


#: The table, by the operators' names.
ENTRIES = {row[0]: Entry(*row) for row in _clarke.operators()}

__all__ = [*ENTRIES, "operators"]


def operators() -> list[Entry]:
    """The table of operators: name, signature, formula, class of tameness, set at ties, source.

    Examples
    --------
    >>> import clarke as ck
    >>> [(entry.signature, entry.ties) for entry in ck.operators() if entry.name == "relu"]
    [('relu(x)', '[0, 1] at x = 0')]
    """
    return list(ENTRIES.values())


# What the table says of the arguments.


def parameters(entry: Entry) -> list[inspect.Parameter]:
    """The parameters of an operator, read from its signature."""
    found = re.search(rf"\b{entry.name}\((.*?)\)(?: or |$)", entry.signature)
    if found is None:
        # An infix operator, a sign, a subscript.
        names = ["x", "index"] if "[" in entry.signature else re.findall(r"[a-z]\w*", entry.signature)
        return [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
    made: list[inspect.Parameter] = []
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for part in _separated(found[1]):
        name, _, default = part.partition("=")
        if name == "…":
            # What came before it is the first of many.
            if made and len(made) > 1:
                made.pop()
            made.append(inspect.Parameter("arrays", inspect.Parameter.VAR_POSITIONAL))
            kind = inspect.Parameter.KEYWORD_ONLY
            continue
        name = {"[": "arrays", '"': "subscripts"}.get(name[0], name)
        value = eval(default, {}) if default else inspect.Parameter.empty  # noqa: S307  (the table's own text)
        made.append(inspect.Parameter(name, kind, default=value))
    if " or " in entry.signature and "…)" in entry.signature:
        made = [made[0].replace(kind=inspect.Parameter.POSITIONAL_ONLY)]
        made.append(inspect.Parameter("arrays", inspect.Parameter.VAR_POSITIONAL))
        made += [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d)
            for n, d in (("axis", None), ("keepdims", False))
        ]
    return made


def _separated(text: str) -> Iterator[str]:
    """The parts between commas that are in no brackets and no quotes."""
    depth, quoted, start = 0, False, 0
    for k, c in enumerate(text):
        quoted ^= c == '"'
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0 and not quoted:
            yield text[start:k].strip()
            start = k + 1
    yield text[start:].strip()


def documentation(entry: Entry) -> str:
    """The docstring of an operator."""
    ties = entry.ties or "none."
    lines = [
        f"`{entry.signature}`: {entry.formula}.",
        "",
        "On arrays and numbers it is computed, on traced values recorded.",
        "",
        f"Class: {entry.class_}.",
        f"At ties: {ties}",
    ]
    return "\n".join([*lines, f"Source: {entry.source}.", ""] if entry.source else [*lines, ""])


# Recording.


def _settled(value: Any) -> Any:
    """An argument as the native half reads it: indices as lists, conditions as numbers."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iub" and value.size:
        return value.astype(int).tolist() if value.dtype.kind == "b" else value.tolist()
    if isinstance(value, Condition):
        return value.number()
    if isinstance(value, list):
        return [_settled(v) for v in value]
    return tuple(_settled(v) for v in value) if type(value) is tuple else value


def _recorded(name: str, tracer: _clarke.Tracer, args: tuple[Operand, ...], keywords: dict[str, Any]) -> Var:
    if name == "where" and len(args) == 3:
        return Condition.of(args[0], tracer).select(args[1], args[2])
    if name == "getitem" and len(args) == 2 and isinstance(args[0], Var):
        return args[0][args[1]]
    return record_in(tracer, name, tuple(map(_settled, args)), {k: _settled(v) for k, v in keywords.items()})


# Computing.


class _Slot(NamedTuple):
    """An argument of a computation that is an input of its program."""

    shape: tuple[int, ...]


#: Programs of one operator, compiled, by the operator and its arguments; the least recently used are made again.
_compiled: OrderedDict[Any, _clarke.Executable] = OrderedDict()
_REMEMBERED = 512

#: Of which operators numbers and integers are settings, not inputs: found out by the first call.
_settings: set[tuple[str, int]] = set()


def _eager(name: str, args: tuple[Operand, ...], keywords: dict[str, Any]) -> Any:
    kind = (name, len(args))
    if kind not in _settings:
        try:
            return _computed(name, args, keywords, settings=False)
        except ClarkeError:
            made = _computed(name, args, keywords, settings=True)
            _settings.add(kind)
            return made
    return _computed(name, args, keywords, settings=True)


def _computed(name: str, args: tuple[Operand, ...], keywords: dict[str, Any], settings: bool) -> Any:
    leaves: list[Any] = []

    def read(value: Any, always: bool) -> Any:
        value = foreign(value)
        number = isinstance(value, (int, float, np.generic)) and not isinstance(value, (bool, np.bool_))
        array = isinstance(value, np.ndarray) and (always or not settings or value.dtype.kind == "f")
        if array or (number and (always or not settings)):
            leaves.append(value)
            return _Slot(np.shape(value))
        if isinstance(value, (list, tuple)):
            return type(value)(read(v, False) for v in value)
        return value

    # The first argument is always an input; of the settings with a name only arrays are.
    template = [read(a, k == 0) for k, a in enumerate(args)]
    named = {k: read(v, False) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for k, v in keywords.items()}
    double = is_double(leaves)
    key = (name, double, _frozen(template), _frozen(sorted(named.items())))
    executable = _compiled.get(key)
    if executable is None:
        executable = _compiled[key] = _compile(name, template, named, double)
        if len(_compiled) > _REMEMBERED:
            _compiled.popitem(last=False)
    return executable.run(as_arrays(leaves, double))[0]


def _compile(name: str, template: list[Any], named: dict[str, Any], double: bool) -> _clarke.Executable:
    tracer = _clarke.Tracer()
    count = 0

    def filled(value: Any) -> Any:
        nonlocal count
        if isinstance(value, _Slot):
            count += 1
            return Var(tracer, tracer.input(f"x{count}", value.shape))
        return type(value)(filled(v) for v in value) if isinstance(value, (list, tuple)) else value

    made = _recorded(name, tracer, tuple(map(filled, template)), {k: filled(v) for k, v in named.items()})
    return _clarke.Executable(tracer.finish([made.node]), None, _clarke.Policy("min-norm"), double)


def _frozen(value: Any) -> Any:
    """Something that can be hashed, equal for equal arguments."""
    if isinstance(value, _Slot):
        return value
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(_frozen, value))
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, slice):
        return "slice", value.start, value.stop, value.step
    return type(value).__name__, value


def _operator(entry: Entry) -> Callable[..., Any]:
    """The function of one operator."""
    signature = inspect.Signature(parameters(entry))
    required = [
        p.name for p in signature.parameters.values() if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
    ]

    def call(*args: Operand, **keywords: Any) -> Any:
        while keywords and len(args) < len(required) and required[len(args)] in keywords:
            # Arrays are given to the native half by position.
            args = (*args, keywords.pop(required[len(args)]))
        tracer = tracer_of(*args) or tracer_of(*keywords.values())
        if tracer is not None:
            return _recorded(entry.name, tracer, args, keywords)
        return _eager(entry.name, args, keywords)

    call.__name__ = call.__qualname__ = entry.name
    call.__module__ = "clarke"
    call.__doc__ = documentation(entry)
    cast(Any, call).__signature__ = signature
    return call


# Operators made of programs.


def _traced_body(body: Callable[..., Any], shapes: list[tuple[int, ...]]) -> tuple[_clarke.Body, Var | None]:
    """The body of a loop at these shapes, and one of the values around it that it reads, if it reads any."""
    inner = Body(open_body.get())
    names = [f"a{k}" for k in range(len(shapes))]
    args = [Var(inner.tracer, inner.tracer.input(name, shape)) for name, shape in zip(names, shapes, strict=True)]
    token = open_body.set(inner)
    try:
        made = body(*args)
        both = made if isinstance(made, tuple) else (made,)
        lifted = [lift(value) for value in both]
        owned = [inner.own(v if isinstance(v, Var) else constant(inner.tracer, v)) for v in lifted]
    finally:
        open_body.reset(token)
    outer = [var for var, _ in inner.captured.values()]
    return _clarke.Body(inner.tracer.finish([v.node for v in owned]), outer, names), outer[0] if outer else None


def _loop(name: str) -> Callable[..., Any]:
    def run(
        body: Callable[..., Any],
        init: Operand,
        *arrays: Operand,
        length: int | None = None,
        consts: Any = (),
        checkpoint: int | bool | None = None,
    ) -> Any:
        if not callable(body):
            file, line = origin()
            raise CallError(
                f"{name}: the body must be a function of the state and the rows, not {body!r} (at {file}:{line})"
            )
        whole = tuple(consts) if isinstance(consts, (list, tuple)) else (consts,)
        operands = [foreign(lift(v)) for v in (init, *arrays, *whole)]
        first = 1 + len(arrays)  # of the constants
        rows = operands[1:first]
        if any(not shape_of(x) for x in rows):
            fail(f"clarke.{name}: an array to go through needs a leading axis; a number has none", InputError)
        shapes = [shape_of(operands[0]), *(shape_of(x)[1:] for x in rows), *map(shape_of, operands[first:])]
        made, captured = _traced_body(body, shapes)
        around = open_body.get()
        if around is not None and captured is not None:
            # What the body reads belongs to the loop around it; so must the rest.
            operands = [around.own(v) if isinstance(v, Var) else v for v in operands]
        given = {"length": length, "checkpoint": checkpoint}
        settings = {setting: value for setting, value in given.items() if value is not None}

        def recorded(tracer: _clarke.Tracer, args: list[Var]) -> Var:
            return record_in(tracer, name, (made, *args[:first]), {"consts": tuple(args[first:]), **settings})

        tracer = tracer_of(captured, *operands)
        if tracer is not None:
            return recorded(tracer, [v if isinstance(v, Var) else constant(tracer, v) for v in operands])
        own = _clarke.Tracer()
        out = recorded(own, [Var(own, own.input(f"x{k}", np.shape(v))) for k, v in enumerate(operands)])
        double = is_double(operands)
        executable = _clarke.Executable(own.finish([out.node]), None, _clarke.Policy("min-norm"), double)
        return executable.run(as_arrays(operands, double))[0]

    entry = ENTRIES[name]
    run.__name__ = run.__qualname__ = name
    run.__module__ = "clarke"
    run.__doc__ = documentation(entry) + _LOOP
    return run


_LOOP = """
Parameters
----------
body : callable
    Takes the state, a row of each array, and each of the constants; returns the next state, of the same shape. It is
    traced once. Values of a function around it that it reads are constants of the loop. The body of a scan may return a
    tuple of the next state and an array; these arrays are then returned, stacked, in place of the states.
init : array
    The state at the start.
*arrays : array
    Gone through along their first axis.
length : int, optional
    How many steps, where no array says it.
consts : array or sequence of arrays
    What every step sees whole.
checkpoint : int or True, optional
    How many steps lie between states that reverse mode stores; True takes about the square root of the number of steps,
    so that of n states of order √n are held at a time. The others are computed again, with the same bits, which costs one
    more evaluation of each step. By default all states are stored, and nothing else of the steps. It changes nothing where
    a scan returns its states.

Examples
--------
>>> import clarke as ck
>>> import numpy as np
>>> ck.scan(lambda c, x: np.maximum(c + x, 0), 0.0, np.array([1.0, -3.0, 2.0]))
array([1., 0., 2.])
>>> ck.scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, -3.0, 2.0]))
array([ 0., -3., -4.])
>>> ck.fold(lambda c, x: np.maximum(c + x, 0), 0.0, np.array([1.0, -3.0, 2.0]))
np.float64(2.0)
>>> decay = ck.program(lambda w: ck.fold(lambda c: c * w, 1.0, length=10_000, checkpoint=True))
>>> np.round(decay.grad(0.9999), 2)
np.float64(3678.98)
"""

for _entry in ENTRIES.values():
    globals()[_entry.name] = _loop(_entry.name) if _entry.name in ("scan", "fold") else _operator(_entry)
