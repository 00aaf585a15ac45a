"""Numpy's functions along axes: sums, extremes, statistics, order, differences; and `where` and its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ._errors import InputError
from ._indexing import getitem
from ._numpy import apply, full_constant, of, only, reduced
from ._trace import Condition, Operand, Var, fail, lift, number, record, reshaped, shape_of, traced, tracer_of


def axis_of(axis: Any, ndim: int) -> int:
    """An axis counted from the front."""
    k = axis.__index__()
    if not -ndim <= k < ndim:
        fail(f"axis {k} is out of bounds for an array of {ndim} axes", InputError)
    return int(k % ndim)


def flag(keepdims: Any) -> bool:
    """Whether axes are kept: numpy's absent value is no."""
    return False if keepdims is np._NoValue else bool(keepdims)


def along(name: str, x: Operand, axis: Any, keepdims: Any, **settings: Any) -> Var:
    """An operator that takes one axis or none, along several."""
    x, keep = lift(x), flag(keepdims)
    if not isinstance(axis, tuple):
        return record(name, x, axis=axis, keepdims=keep, **settings)
    axes = [axis_of(a, x.ndim) for a in axis]
    rest = [k for k in range(x.ndim) if k not in axes]
    shape = tuple(x.shape[k] for k in rest)
    moved = reshaped(record("transpose", x, [*rest, *axes]), (*shape, -1))
    out = record(name, moved, axis=-1, **settings)
    return reshaped(out, tuple(1 if k in axes else n for k, n in enumerate(x.shape))) if keep else out


def _started(initial: Any) -> Any:
    return None if initial is np._NoValue else initial


def _total(name: str, ufunc: np.ufunc) -> Callable[..., Var]:
    def rule(
        a: Operand,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Var:
        only(name, dtype=dtype, out=out, where=where)
        return reduced(ufunc, a, axis, flag(keepdims), _started(initial))

    return rule


of(np.sum)(_total("sum", np.add))
of(np.prod)(_total("prod", np.multiply))


def _extreme(name: str, ufunc: np.ufunc) -> Callable[..., Var]:
    def rule(
        a: Operand, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Var:
        only(name, out=out, where=where)
        return reduced(ufunc, a, axis, flag(keepdims), _started(initial))

    return rule


_max = of(np.max, np.amax)(_extreme("max", np.maximum))
_min = of(np.min, np.amin)(_extreme("min", np.minimum))


@of(np.ptp)
def _ptp(a: Operand, axis: Any = None, out: Any = None, keepdims: Any = False) -> Var:
    only("ptp", out=out)
    return _max(a, axis, keepdims=keepdims) - _min(a, axis, keepdims=keepdims)


@of(np.mean)
def _mean(
    a: Operand, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Var:
    only("mean", dtype=dtype, out=out, where=where)
    x = traced(a)
    return record("mean", x, axis=axis, keepdims=flag(keepdims))


def _spread(name: str) -> Any:
    def rule(
        a: Operand, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
        where: Any = True, mean: Any = None, correction: Any = None,
    ) -> Var:  # fmt: skip
        only(name, dtype=dtype, out=out, where=where, mean=mean)
        less = ddof if correction is None or correction is np._NoValue else correction
        return record(name, traced(a), axis=axis, ddof=less, keepdims=flag(keepdims))

    return rule


of(np.var)(_spread("var"))
of(np.std)(_spread("std"))


@of(np.average)
def _average(
    a: Operand, axis: Any = None, weights: Operand = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    keep = flag(keepdims)
    x = traced(a)
    if weights is None:
        mean = _mean(x, axis, keepdims=keep)
        total: Operand = np.full(mean.shape, x.size / max(mean.size, 1))
    else:
        x, w = number(x, weights)
        if w.shape != x.shape:
            if axis is None or isinstance(axis, tuple) or w.ndim != 1:
                fail(
                    f"the weights of numpy.average have shape {w.shape}, the array {x.shape}: give one axis, or one shape",
                    InputError,
                )
            k = axis_of(axis, x.ndim)
            w = record("broadcast_to", reshaped(w, (-1,) + (1,) * (x.ndim - 1 - k)), x.shape)
        total = record("sum", w, axis=axis, keepdims=keep)
        mean = record("sum", x * w, axis=axis, keepdims=keep) / total
    return (mean, total) if returned else mean


@of(np.median)
def _median(a: Operand, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Var:
    only("median", out=out)
    return along("median", a, axis, keepdims)


@of(np.quantile)
def _quantile(
    a: Operand, q: Operand, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: Any = False, *, weights: Any = None, interpolation: Any = None,
) -> Var:  # fmt: skip
    only("quantile", out=out, weights=weights, interpolation=interpolation)
    if method != "linear":
        fail(
            f'numpy.quantile of a traced value has the method "linear" alone, not "{method}"; np.sort gives all entries'
        )
    if tracer_of(q) is not None:
        fail("the probabilities of numpy.quantile must be numbers known while tracing")
    levels = np.asarray(q, dtype=float)
    if np.any((levels < 0) | (levels > 1)):
        fail("probabilities of numpy.quantile lie in [0, 1], those of numpy.percentile in [0, 100]", InputError)
    made = [along("quantile", a, axis, keepdims, q=float(level)) for level in levels.ravel()]
    return made[0] if not levels.ndim else reshaped(record("stack", made), levels.shape + made[0].shape)


@of(np.percentile)
def _percentile(a: Operand, q: Operand, *args: Any, **keywords: Any) -> Var:
    if tracer_of(q) is not None:
        fail("the percentages of numpy.percentile must be numbers known while tracing")
    return _quantile(a, np.true_divide(q, 100), *args, **keywords)


@of(np.sort)
def _sort(a: Operand, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Var:
    only("sort", order=order)
    return record("sort", record("ravel", traced(a)) if axis is None else lift(a), axis=-1 if axis is None else axis)


@of(np.partition)
def _partition(a: Operand, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Var:
    # Sorted entries are a partition around every position.
    only("partition", order=order)
    return _sort(a, axis)


def _cumulative(name: str) -> Any:
    def rule(a: Operand, axis: Any = None, dtype: Any = None, out: Any = None) -> Var:
        only(name, dtype=dtype, out=out)
        x = traced(a)
        # Numpy takes the axes 0 and −1 of a number, which has none.
        return record(name, x, axis=None if not x.ndim and axis in (0, -1) else axis)

    return rule


of(np.cumsum)(_cumulative("cumsum"))
of(np.cumprod)(_cumulative("cumprod"))


def _cumulative_new(name: str, first: float) -> Any:
    def rule(
        x: Operand, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Var:
        x = traced(x)
        if axis is None and x.ndim > 1:
            fail("an axis is needed: the array has several", InputError)
        k = 0 if axis is None else axis_of(axis, x.ndim)
        made = record(name, x, axis=k)
        only(name, dtype=dtype, out=out)
        return _with_ends(made, k, first, None) if include_initial else made

    return rule


if hasattr(np, "cumulative_sum"):
    of(np.cumulative_sum)(_cumulative_new("cumsum", 0.0))
    of(np.cumulative_prod)(_cumulative_new("cumprod", 1.0))


def _at(x: Var, axis: int, part: slice) -> Var:
    return getitem(x, (slice(None),) * axis + (part,))


def _with_ends(x: Var, axis: int, before: Operand, after: Operand) -> Var:
    """With entries before and after along an axis: numbers, or arrays."""
    parts = []
    for part in (before, x, after):
        if part is x:
            parts.append(x)
        elif part is not None and part is not np._NoValue:
            end = full_constant(x, part)
            parts.append(end if end.ndim else record("broadcast_to", end, (*x.shape[:axis], 1, *x.shape[axis + 1 :])))
    return record("concatenate", parts, axis=axis) if len(parts) > 1 else x


@of(np.diff)
def _diff(a: Operand, n: int = 1, axis: Any = -1, prepend: Operand = None, append: Operand = None) -> Var:
    x = number(a, *(v for v in (prepend, append) if v is not None and v is not np._NoValue))[0]
    if not x.ndim:
        fail("numpy.diff takes an array of at least one axis", InputError)
    k = axis_of(axis, x.ndim)
    x = _with_ends(x, k, prepend, append)
    for _ in range(n):
        x = _at(x, k, slice(1, None)) - _at(x, k, slice(None, -1))
    return x


@of(np.ediff1d)
def _ediff1d(ary: Operand, to_end: Operand = None, to_begin: Operand = None) -> Var:
    x = number(ary, *(v for v in (to_end, to_begin) if v is not None))[0]

    def flat(v: Operand) -> Var | None:
        return None if v is None else record("ravel", full_constant(x, v))

    return _with_ends(_diff(record("ravel", x)), 0, flat(to_begin), flat(to_end))


@of(np.gradient)
def _gradient(f: Operand, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = traced(f)
    if tracer_of(*varargs) is not None or not isinstance(x, Var):
        fail("the spacing of numpy.gradient must be known while tracing")
    axes = (
        tuple(range(x.ndim))
        if axis is None
        else tuple(axis_of(a, x.ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))
    )
    steps = list(varargs) or [1.0]
    steps = steps * len(axes) if len(steps) == 1 else steps
    made = [_slope(x, k, np.asarray(step, dtype=float), edge_order) for k, step in zip(axes, steps, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def _slope(x: Var, k: int, step: np.ndarray[Any, Any], edge_order: int) -> Var:
    """Second order inside; at the ends of the order asked for. Numpy's own weights are those of its gradient of units."""
    n = x.shape[k]
    spacing: Any = step if step.ndim else float(step)
    weights = np.asarray(np.gradient(np.eye(n), spacing, axis=0, edge_order=cast(Any, edge_order)))
    if step.ndim and step.shape != (n,):
        fail("the coordinates of numpy.gradient are as many as the entries along the axis", InputError)
    return _product(weights, x, k)


def _product(weights: np.ndarray[Any, Any], x: Var, k: int) -> Var:
    """A matrix times x along an axis."""
    last = record("moveaxis", x, k, -1)
    return record("moveaxis", record("matmul", last, np.ascontiguousarray(weights.T)), -1, k)


@of(np.trapezoid if hasattr(np, "trapezoid") else np.trapz)  # type: ignore[attr-defined,unused-ignore]
def _trapezoid(y: Operand, x: Operand = None, dx: Operand = 1.0, axis: Any = -1) -> Var:
    y, at, dx = number(y, 0.0 if x is None else x, dx)
    k = axis_of(axis, y.ndim)
    width: Var = dx
    if x is not None:
        width = _diff(at, axis=-1 if at.ndim == 1 else axis)
        if at.ndim == 1:
            width = reshaped(width, (1,) * k + (-1,) + (1,) * (y.ndim - 1 - k))
    return record("sum", width * (_at(y, k, slice(1, None)) + _at(y, k, slice(None, -1))) / 2.0, axis=k)


@of(np.clip)
def _clip(
    a: Operand, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **more: Any
) -> Var:
    only("clip", out=out, **more)
    absent = (None, np._NoValue)
    low = min if any(a_min is v for v in absent) else a_min
    high = max if any(a_max is v for v in absent) else a_max
    low, high = (None if any(v is w for w in absent) else v for v in (low, high))
    if low is None and high is None:
        return traced(a)
    if high is None:
        return apply("maximum", a, low)
    if low is None:
        return apply("minimum", a, high)
    known = all(np.ndim(v) == 0 and tracer_of(v) is None for v in (low, high))
    if tracer_of(a) is not None and known and low <= high:
        return apply("clip", a, low, high)
    return apply("minimum", apply("maximum", a, low), high)


@of(np.round, np.around)
def _round(a: Operand, decimals: Any = 0, out: Any = None) -> Var:
    only("round", out=out)
    x, scale = traced(a), 10.0 ** abs(int(decimals))
    if decimals == 0:
        return record("round", x)
    return record("round", x * scale) / scale if decimals > 0 else record("round", x / scale) * scale


@of(np.fix)
def _fix(x: Operand, out: Any = None) -> Var:
    only("fix", out=out)
    return np.trunc(lift(x))  # type: ignore[no-any-return]


@of(np.sinc)
def _sinc(x: Operand) -> Var:
    v = traced(x)
    y = Condition.compare("==", v, 0.0).select(1e-20, v) * np.pi
    return record("sin", y) / y


@of(np.where)
def _where(condition: Operand, x: Operand = None, y: Operand = None) -> Var:
    if x is None or y is None:
        fail(
            "numpy.where of one argument has a shape that depends on values; give both values: np.where(condition, a, b)"
        )
    tracer = tracer_of(condition, x, y)
    assert tracer is not None, "one of the values is traced"
    if isinstance(condition, (list, tuple)) and tracer_of(condition) is not None:
        fail("a list of conditions is no condition; compare np.stack of the values")
    return Condition.of(condition, tracer).select(lift(x), lift(y))


@of(np.select)
def _select(condlist: Any, choicelist: Any, default: Operand = 0) -> Var:
    if len(condlist) != len(choicelist) or not len(condlist):
        fail("numpy.select takes as many conditions as values, at least one", InputError)
    made = default
    tracer = tracer_of(*condlist, *choicelist, default)
    assert tracer is not None, "one of the values is traced"
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        made = Condition.of(condition, tracer).select(choice, made)
    return traced(made)


@of(np.count_nonzero)
def _count_nonzero(a: Operand, axis: Any = None, *, keepdims: Any = False) -> Var:
    x = traced(a) if not isinstance(a, Condition) else a
    held = x if isinstance(x, Condition) else x != 0
    return held.number().sum(axis=axis, keepdims=flag(keepdims))


@of(np.interp)
def _interp(x: Operand, xp: Operand, fp: Operand, left: Any = None, right: Any = None, period: Any = None) -> Var:
    only("interp", period=period)
    if tracer_of(xp) is not None:
        fail("the knots xp of numpy.interp must be known while tracing")
    knots = np.asarray(xp, dtype=float)
    if knots.ndim != 1 or shape_of(fp) != knots.shape or not knots.size or np.any(np.diff(knots) <= 0):
        fail("numpy.interp takes knots xp that increase, and as many values fp", InputError)
    x, values = number(x, fp)
    # Each knot is one hinge, whose set is that of the change of slope there.
    made = record("broadcast_to", values[0], x.shape)
    slopes = _diff(values) / np.diff(knots) if knots.size > 1 else None
    for k, knot in enumerate(knots):
        if slopes is None:
            break
        before = slopes[k - 1] if k > 0 else 0.0
        after = slopes[k] if k < knots.size - 1 else 0.0
        made = made + (after - before) * record("relu", x - knot)
    if left is not None:
        made = (x < knots[0]).select(left, made)
    return made if right is None else (x > knots[-1]).select(right, made)


@of(np.cov)
def _cov(
    m: Operand, y: Operand = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Var:  # fmt: skip
    only("cov", fweights=fweights, aweights=aweights, dtype=dtype)

    def rows(v: Var) -> Var:
        v = v if v.ndim else reshaped(v, (1,))
        v = reshaped(v, (1, -1)) if v.ndim == 1 else v
        return v if rowvar or v.shape[0] == 1 else v.T

    both = [rows(v) for v in number(m, *(() if y is None else (y,)))]
    x = both[0] if len(both) == 1 else record("concatenate", both, axis=0)
    less = (0 if bias else 1) if ddof is None else ddof
    centred = x - record("mean", x, axis=1, keepdims=True)
    made = record("matmul", centred, centred.T) / float(x.shape[1] - less)
    return record("squeeze", made)


@of(np.bincount)
def _bincount(x: Operand, /, weights: Operand = None, minlength: int = 0) -> Var:
    if tracer_of(x) is not None or weights is None:
        fail("numpy.bincount of traced values has no operator; of known integers with traced weights there is one")
    at = np.asarray(x)
    if at.ndim != 1 or at.dtype.kind not in "iu" or shape_of(weights) != at.shape or (at.size and at.min() < 0):
        fail("numpy.bincount takes integers from 0 on in one axis, and as many weights", InputError)
    length = max(int(at.max()) + 1 if at.size else 0, minlength)
    return record("scatter_add", traced(weights), at.tolist(), length=length)
