"""Numpy's functions that arrange entries: shapes, joining, splitting, repeating, picking."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from ._errors import InputError
from ._indexing import getitem, integers, take
from ._numpy import full_constant, of, only
from ._reductions import axis_of
from ._trace import Condition, Operand, Var, constant, fail, lift, number, record, reshaped, shape_of, traced, tracer_of


def lengths(what: str, shape: Any) -> tuple[int, ...]:
    """A shape given as a number or a sequence."""
    if tracer_of(shape) is not None:
        fail(f"{what} must be integers known while tracing")
    return tuple(n.__index__() for n in (shape if isinstance(shape, Sequence) else np.ravel(shape)))


def row_major(function: str, order: Any) -> None:
    """Refuses other orders of entries than C's."""
    if order not in ("C", "A", "K", None, np._NoValue):
        fail(f'numpy.{function} of a traced value keeps C\'s order; for order="{order}" transpose before and after')


@of(np.reshape)
def _reshape(a: Operand, /, shape: Any = None, order: Any = "C", *, newshape: Any = None, copy: Any = None) -> Var:
    row_major("reshape", order)
    return reshaped(traced(a), lengths("the shape", newshape if shape is None else shape))


@of(np.ravel)
def _ravel(a: Operand, order: Any = "C") -> Var:
    row_major("ravel", order)
    return record("ravel", traced(a))


@of(np.transpose)
def _transpose(a: Operand, axes: Any = None) -> Var:
    x = traced(a)
    return record("transpose", x) if axes is None else record("transpose", x, [axis_of(k, x.ndim) for k in axes])


if hasattr(np, "permute_dims"):
    of(np.permute_dims)(_transpose)


@of(np.swapaxes)
def _swapaxes(a: Operand, axis1: Any, axis2: Any) -> Var:
    return record("swapaxes", traced(a), axis1, axis2)


def _matrix_transpose(x: Operand, /) -> Var:
    return record("swapaxes", traced(x), -1, -2)


if hasattr(np, "matrix_transpose"):
    of(np.matrix_transpose, np.linalg.matrix_transpose)(_matrix_transpose)


@of(np.moveaxis)
def _moveaxis(a: Operand, source: Any, destination: Any) -> Var:
    return record("moveaxis", traced(a), source, destination)


@of(np.rollaxis)
def _rollaxis(a: Operand, axis: Any, start: Any = 0) -> Var:
    x = traced(a)
    axes = list(range(x.ndim))
    k, at = axis_of(axis, x.ndim), start + x.ndim if start < 0 else start
    axes.insert(at - 1 if k < at else at, axes.pop(k))
    return record("transpose", x, axes)


@of(np.expand_dims)
def _expand_dims(a: Operand, axis: Any) -> Var:
    return record("expand_dims", traced(a), axis)


@of(np.squeeze)
def _squeeze(a: Operand, axis: Any = None) -> Var:
    return record("squeeze", traced(a), axis=axis)


@of(np.broadcast_to)
def _broadcast_to(array: Operand, shape: Any, subok: bool = False) -> Var:
    return record("broadcast_to", traced(array), lengths("the shape", shape))


@of(np.broadcast_arrays)
def _broadcast_arrays(*args: Operand, subok: bool = False) -> tuple[Var, ...]:
    shape = np.broadcast_shapes(*map(shape_of, args))
    return tuple(record("broadcast_to", v, shape) for v in number(*args))


@of(np.meshgrid)
def _meshgrid(*xi: Operand, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Var, ...]:
    vectors = [record("ravel", v) for v in number(*xi)]
    n = len(vectors)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[:2] = [1, 0]
    placed = [reshaped(v, tuple(-1 if k == order[i] else 1 for k in range(n))) for i, v in enumerate(vectors)]
    return tuple(placed) if sparse else _broadcast_arrays(*placed)


def _at_least(n: int, where: Callable[[Var], tuple[Any, ...]]) -> Callable[..., Any]:
    def rule(*arys: Operand) -> Any:
        made = tuple(x if x.ndim >= n else getitem(x, where(x)) for x in number(*arys))
        return made[0] if len(made) == 1 else made

    return rule


of(np.atleast_1d)(_at_least(1, lambda x: (None,)))
of(np.atleast_2d)(_at_least(2, lambda x: (None,) * (2 - x.ndim) + (Ellipsis,)))
of(np.atleast_3d)(
    _at_least(3, lambda x: {0: (None, None, None), 1: (None, slice(None), None)}.get(x.ndim, (..., None)))
)


# Joining.


@of(np.concatenate)
def _concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Var:
    only("concatenate", out=out, dtype=dtype, casting=casting)
    parts = number(*arrays)
    if axis is None:
        return record("concatenate", [record("ravel", v) for v in parts], axis=0)
    return record("concatenate", parts, axis=axis)


if hasattr(np, "concat"):
    of(np.concat)(_concatenate)


@of(np.stack)
def _stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Var:
    only("stack", out=out, dtype=dtype, casting=casting)
    return record("stack", number(*arrays), axis=axis)


def _as_list(made: Any) -> list[Var]:
    return list(made) if isinstance(made, tuple) else [made]


@of(np.vstack)
def _vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Var:
    only("vstack", dtype=dtype, casting=casting)
    return record("concatenate", _as_list(np.atleast_2d(*number(*tup))), axis=0)


@of(np.hstack)
def _hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Var:
    only("hstack", dtype=dtype, casting=casting)
    parts = _as_list(np.atleast_1d(*number(*tup)))
    return record("concatenate", parts, axis=0 if parts[0].ndim == 1 else 1)


@of(np.dstack)
def _dstack(tup: Any) -> Var:
    return record("concatenate", _as_list(np.atleast_3d(*number(*tup))), axis=2)


@of(np.column_stack)
def _column_stack(tup: Any) -> Var:
    return record("concatenate", [v if v.ndim > 1 else reshaped(v, (-1, 1)) for v in number(*tup)], axis=1)


@of(np.append)
def _append(arr: Operand, values: Operand, axis: Any = None) -> Var:
    return _concatenate((arr, values), axis)


@of(np.block)
def _block(arrays: Any) -> Var:
    def depth(v: Any) -> int:
        return 1 + max(map(depth, v)) if isinstance(v, list) else 0

    levels = depth(arrays)
    tracer = tracer_of(arrays)
    assert tracer is not None, "one of the values is traced"
    axes = max(levels, max(len(shape_of(v)) for v in _leaves(arrays)))

    def join(v: Any, level: int) -> Var:
        if isinstance(v, list):
            return record("concatenate", [join(item, level - 1) for item in v], axis=-level)
        x = v if isinstance(v, Var) else constant(tracer, lift(v))
        return getitem(x, (None,) * (axes - x.ndim) + (Ellipsis,))

    return join(arrays, levels)


def _leaves(v: Any) -> list[Any]:
    return [leaf for item in v for leaf in _leaves(item)] if isinstance(v, list) else [v]


# Splitting.


def _parts(function: str, x: Var, sections: Any, axis: int, even: bool) -> list[Var]:
    if tracer_of(sections) is not None:
        fail(f"where numpy.{function} splits must be known while tracing")
    n = x.shape[axis]
    if np.ndim(sections) == 0:
        count = int(sections)
        if count <= 0 or (even and n % count):
            fail(f"numpy.{function} cannot split {n} entries into {count} equal parts", InputError)
        sizes = [n // count + 1] * (n % count) + [n // count] * (count - n % count)
        ends = list(itertools.accumulate(sizes))[:-1]
    else:
        ends = [int(e) for e in sections]
    bounds = list(zip([0, *ends], [*ends, n], strict=True))
    return [getitem(x, (slice(None),) * axis + (slice(a, b),)) for a, b in bounds]


@of(np.split)
def _split(ary: Operand, indices_or_sections: Any, axis: Any = 0) -> list[Var]:
    x = traced(ary)
    return _parts("split", x, indices_or_sections, axis_of(axis, x.ndim), even=True)


@of(np.array_split)
def _array_split(ary: Operand, indices_or_sections: Any, axis: Any = 0) -> list[Var]:
    x = traced(ary)
    return _parts("array_split", x, indices_or_sections, axis_of(axis, x.ndim), even=False)


def _split_along(axis: int) -> Callable[[Operand, Any], list[Var]]:
    def rule(ary: Operand, indices_or_sections: Any) -> list[Var]:
        x = traced(ary)
        return _split(x, indices_or_sections, 0 if axis == 1 and x.ndim == 1 else axis)

    return rule


of(np.vsplit)(_split_along(0))
of(np.hsplit)(_split_along(1))
of(np.dsplit)(_split_along(2))

if hasattr(np, "unstack"):

    @of(np.unstack)
    def _unstack(x: Operand, /, *, axis: Any = 0) -> tuple[Var, ...]:
        return tuple(record("moveaxis", traced(x), axis, 0))


# Order, repetition, padding.


@of(np.flip)
def _flip(m: Operand, axis: Any = None) -> Var:
    x = traced(m)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for k in axes:
        x = record("flip", x, axis=axis_of(k, x.ndim))
    return x


@of(np.fliplr)
def _fliplr(m: Operand) -> Var:
    return record("flip", traced(m), axis=1)


@of(np.flipud)
def _flipud(m: Operand) -> Var:
    return record("flip", traced(m), axis=0)


@of(np.rot90)
def _rot90(m: Operand, k: int = 1, axes: Any = (0, 1)) -> Var:
    x = traced(m)
    first, second = (axis_of(a, x.ndim) for a in axes)
    k %= 4
    if k in (1, 2):
        x = record("flip", x, axis=second)
    if k in (2, 3):
        x = record("flip", x, axis=first if k == 2 else second)
    if k == 3:
        # Three turns one way are one turn the other way: exchanged axes, then the second reversed.
        x = record("flip", record("swapaxes", record("flip", x, axis=second), first, second), axis=second)
        return x
    return record("swapaxes", x, first, second) if k == 1 else x


@of(np.roll)
def _roll(a: Operand, shift: Any, axis: Any = None) -> Var:
    x = traced(a)
    if axis is None:
        flat = record("roll", record("ravel", x), int(np.sum(shift)), axis=0)
        return reshaped(flat, x.shape)
    for by, k in zip(*np.broadcast_arrays(np.ravel(shift), np.ravel(axis)), strict=True):
        x = record("roll", x, int(by), axis=axis_of(k, x.ndim))
    return x


@of(np.fft.fftshift)
def _fftshift(x: Operand, axes: Any = None) -> Var:
    x = traced(x)
    over = tuple(range(x.ndim)) if axes is None else tuple(np.ravel(axes))
    return _roll(x, tuple(x.shape[k] // 2 for k in over), over)


@of(np.fft.ifftshift)
def _ifftshift(x: Operand, axes: Any = None) -> Var:
    x = traced(x)
    over = tuple(range(x.ndim)) if axes is None else tuple(np.ravel(axes))
    return _roll(x, tuple(-(x.shape[k] // 2) for k in over), over)


@of(np.repeat)
def _repeat(a: Operand, repeats: Any, axis: Any = None) -> Var:
    x = traced(a)
    counts = integers("the counts of numpy.repeat", repeats)
    if axis is None:
        x, axis = record("ravel", x), 0
    k = axis_of(axis, x.ndim)
    if counts.size == 1:
        return record("repeat", x, int(counts.ravel()[0]), axis=k)
    return take(x, np.repeat(np.arange(x.shape[k]), counts), k)


@of(np.tile)
def _tile(A: Operand, reps: Any) -> Var:
    return record("tile", traced(A), lengths("the counts of numpy.tile", reps))


@of(np.pad)
def _pad(array: Operand, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Var:
    x = traced(array)
    if not isinstance(mode, str):
        fail("the mode of numpy.pad of a traced value is a name, not a function")
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * x.ndim
        for k, width in pad_width.items():
            pairs[axis_of(k, x.ndim)] = (width, width) if isinstance(width, int) else tuple(width)
        pad_width = pairs
    widths = np.broadcast_to(integers("the widths of numpy.pad", pad_width), (x.ndim, 2)).tolist()
    if mode not in ("constant", "edge", "reflect", "wrap", "symmetric") or set(keywords) - {"constant_values"}:
        asked = ", ".join([f'mode="{mode}"', *keywords])
        fail(
            f"numpy.pad of a traced value has no operator for {asked}; the modes are constant, edge, reflect, symmetric, wrap"
        )
    if mode == "constant":
        return _padded(x, widths, keywords.get("constant_values", 0))
    # Where each entry comes from is known: numpy says it.
    for k, (before, after) in enumerate(widths):
        if before or after:
            x = take(x, np.pad(np.arange(x.shape[k]), (before, after), mode=cast(Any, mode)), k)
    return x


def _padded(x: Var, widths: list[list[int]], values: Operand) -> Var:
    if tracer_of(values) is None and np.ndim(values) == 0:
        return record("pad", x, widths, constant_values=float(values))
    if tracer_of(values) is not None and shape_of(values) != ():
        fail("constant_values of numpy.pad are known numbers, or one traced number")
    pairs = (
        [[values, values]] * x.ndim if tracer_of(values) is not None else np.broadcast_to(values, (x.ndim, 2)).tolist()
    )
    for k, ((before, after), ends) in enumerate(zip(widths, pairs, strict=True)):
        lead, rest = x.shape[:k], x.shape[k + 1 :]
        parts = [
            record("broadcast_to", full_constant(x, end), (*lead, n, *rest))
            for end, n in zip(ends, (before, after), strict=True)
        ]
        x = record("concatenate", [parts[0], x, parts[1]], axis=k)
    return x


# Picking.


@of(np.take)
def _take(a: Operand, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Var:
    only("take", out=out)
    x, at = lift(a), integers("the indices of numpy.take", indices)
    k = None if axis is None else axis_of(axis, x.ndim)
    n = x.size if k is None else x.shape[k]
    at = at % n if mode == "wrap" else np.clip(at, 0, n - 1) if mode == "clip" else at
    return take(x, at, k)


@of(np.take_along_axis)
def _take_along_axis(arr: Operand, indices: Any, axis: Any = -1) -> Var:
    at = integers("the indices of numpy.take_along_axis", indices)
    x = record("ravel", traced(arr)) if axis is None else lift(arr)
    return record("take_along_axis", x, at.tolist(), axis=0 if axis is None else axis)


def _known_mask(function: str, condition: Any) -> np.ndarray[Any, Any]:
    if tracer_of(condition) is not None or isinstance(condition, Condition):
        fail(f"numpy.{function} has a shape that depends on values; use np.where(condition, x, 0)")
    return np.asarray(condition, dtype=bool)


@of(np.compress)
def _compress(condition: Any, a: Operand, axis: Any = None, out: Any = None) -> Var:
    only("compress", out=out)
    x = traced(a)
    k = None if axis is None else axis_of(axis, x.ndim)
    return take(x, np.flatnonzero(_known_mask("compress", condition)), k)


@of(np.extract)
def _extract(condition: Any, arr: Operand) -> Var:
    return take(lift(arr), np.flatnonzero(_known_mask("extract", condition)), None)


@of(np.delete)
def _delete(arr: Operand, obj: Any, axis: Any = None) -> Var:
    x = traced(arr)
    if tracer_of(obj) is not None:
        fail("which entries numpy.delete leaves out must be known while tracing")
    if axis is None:
        x, axis = record("ravel", x), 0
    k = axis_of(axis, x.ndim)
    try:
        return take(x, np.delete(np.arange(x.shape[k]), obj), k)
    except IndexError as error:
        fail(f"numpy.delete: {error}", InputError)


@of(np.choose)
def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Var:
    only("choose", out=out)
    which = integers("the choice of numpy.choose", a)
    values = _broadcast_arrays(*choices, np.zeros(which.shape))[:-1]
    stacked = record("stack", list(values))
    positions = np.arange(values[0].size).reshape(values[0].shape)
    n = len(values)
    which = which % n if mode == "wrap" else np.clip(which, 0, n - 1) if mode == "clip" else which
    if which.size and (which.min() < 0 or which.max() >= n):
        fail(f"numpy.choose: a choice is outside of the {n} values", InputError)
    return take(stacked, np.broadcast_to(which, positions.shape) * positions.size + positions, None)


@of(np.diag)
def _diag(v: Operand, k: int = 0) -> Var:
    return record("diag", traced(v), k=k)


@of(np.diagflat)
def _diagflat(v: Operand, k: int = 0) -> Var:
    return record("diag", record("ravel", traced(v)), k=k)


@of(np.diagonal)
def _diagonal(a: Operand, offset: int = 0, axis1: Any = 0, axis2: Any = 1) -> Var:
    return record("diagonal", traced(a), offset=offset, axis1=axis1, axis2=axis2)


def _matrix_diagonal(x: Operand, /, *, offset: int = 0) -> Var:
    return record("diagonal", traced(x), offset=offset, axis1=-2, axis2=-1)


@of(np.trace)
def _trace(a: Operand, offset: int = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None) -> Var:
    only("trace", dtype=dtype, out=out)
    return record("trace", traced(a), offset=offset, axis1=axis1, axis2=axis2)


def _matrix_trace(x: Operand, /, *, offset: int = 0, dtype: Any = None) -> Var:
    return _trace(x, offset, -2, -1, dtype)


if hasattr(np.linalg, "diagonal"):
    of(np.linalg.diagonal)(_matrix_diagonal)
    of(np.linalg.trace)(_matrix_trace)


def _matrix(m: Operand) -> Var:
    """A matrix; of a vector numpy makes as many rows as it has entries."""
    x = traced(m)
    return record("broadcast_to", x, (x.shape[0], x.shape[0])) if x.ndim == 1 else x


@of(np.tril)
def _tril(m: Operand, k: int = 0) -> Var:
    return record("tril", _matrix(m), k=k)


@of(np.triu)
def _triu(m: Operand, k: int = 0) -> Var:
    return record("triu", _matrix(m), k=k)


# What is known of a traced value: arrays of its shape, and questions about it.


def _filled(make: Callable[..., Any]) -> Callable[..., Any]:
    def rule(
        a: Operand, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
    ) -> Any:
        return make(shape_of(a) if shape is None else shape, dtype or np.float64)

    return rule


of(np.zeros_like)(_filled(np.zeros))
of(np.ones_like)(_filled(np.ones))
of(np.empty_like)(_filled(np.empty))


@of(np.full_like)
def _full_like(
    a: Operand,
    fill_value: Operand,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    wanted = shape_of(a) if shape is None else lengths("the shape", shape)
    if tracer_of(fill_value) is None:
        return np.full(wanted, fill_value, dtype or np.float64)
    only("full_like", dtype=dtype)
    return record("broadcast_to", traced(fill_value), wanted)


@of(np.copy)
def _copy(a: Operand, order: Any = "K", subok: bool = False) -> Var:
    return traced(a)


@of(np.real, np.real_if_close)
def _real(val: Operand, tol: float = 100) -> Var:
    return traced(val)


@of(np.imag)
def _imag(val: Operand) -> Any:
    return np.zeros(shape_of(val))


of(np.shape)(lambda a: shape_of(a))
of(np.ndim)(lambda a: len(shape_of(a)))
of(np.isrealobj)(lambda x: True)
of(np.iscomplexobj)(lambda x: False)
of(np.isreal)(lambda x: np.ones(shape_of(x), dtype=bool))
of(np.iscomplex)(lambda x: np.zeros(shape_of(x), dtype=bool))
of(np.result_type)(lambda *types: np.dtype(np.float64))
of(np.common_type)(lambda *arrays: np.float64)


@of(np.size)
def _size(a: Operand, axis: Any = None) -> int:
    shape = shape_of(a)
    return int(np.prod(shape if axis is None else [shape[k] for k in np.ravel(axis)]))


@of(np.apply_along_axis)
def _apply_along_axis(func1d: Callable[..., Any], axis: Any, arr: Operand, *args: Any, **kwargs: Any) -> Var:
    x = number(arr, *args)[0] if tracer_of(arr) is None else lift(arr)
    k = axis_of(axis, x.ndim)
    rows = record("moveaxis", x, k, -1)
    lead = rows.shape[:-1]
    made = [lift(func1d(rows[index], *args, **kwargs)) for index in np.ndindex(*lead)]
    if not made:
        fail("numpy.apply_along_axis of no entries", InputError)
    out = _stack([full_constant(x, m) for m in made])
    inner = out.shape[1:]
    out = reshaped(out, lead + inner)
    if not inner:
        return out
    order = [*range(k), *range(len(lead), out.ndim), *range(k, len(lead))]
    return record("transpose", out, order)


@of(np.linspace)
def _linspace(
    start: Operand, stop: Operand, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: Any = 0,
    *, device: Any = None,
) -> Any:  # fmt: skip
    only("linspace", dtype=dtype)
    start, stop = number(start, stop)
    between = num - 1 if endpoint else num
    width = stop - start
    step = width / float(between) if between > 0 else width * float("nan")
    parts = np.arange(num, dtype=float).reshape((-1,) + (1,) * len(width.shape))
    made = start + parts * step if between > 0 else start + parts * width
    if endpoint and num > 1:
        last = record("expand_dims", stop + 0.0 * start if stop.shape != width.shape else stop, 0)
        made = record("concatenate", [made[:-1], record("broadcast_to", last, (1, *width.shape))], axis=0)
    made = made if axis == 0 else record("moveaxis", made, 0, axis)
    return (made, step) if retstep else made
