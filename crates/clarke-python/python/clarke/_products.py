"""Numpy's products, polynomials, and linear algebra."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._errors import InputError
from ._numpy import apply, full_constant, of, only
from ._reductions import axis_of, flag
from ._trace import Operand, Var, fail, lift, number, record, reshaped, traced, tracer_of


@of(np.dot)
def _dot(a: Operand, b: Operand, out: Any = None) -> Var:
    only("dot", out=out)
    a, b = number(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return record("multiply", a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return record("dot", a, b)
    return _contracted(a, b, [a.ndim - 1], [max(b.ndim - 2, 0)])


@of(np.vdot)
def _vdot(a: Operand, b: Operand, /) -> Var:
    a, b = number(a, b)
    return record("dot", record("ravel", a), record("ravel", b))


@of(np.inner)
def _inner(a: Operand, b: Operand, /) -> Var:
    a, b = number(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return record("multiply", a, b)
    return _contracted(a, b, [a.ndim - 1], [b.ndim - 1])


@of(np.outer)
def _outer(a: Operand, b: Operand, out: Any = None) -> Var:
    only("outer", out=out)
    a, b = number(a, b)
    return record("outer", record("ravel", a), record("ravel", b))


def _contracted(a: Var, b: Var, over_a: list[int], over_b: list[int]) -> Var:
    """The sum of products over axes of each: a product of two matrices."""
    lengths = [a.shape[k] for k in over_a], [b.shape[k] for k in over_b]
    if lengths[0] != lengths[1]:
        fail(f"the axes summed over have different lengths: shapes {a.shape} and {b.shape}", InputError)
    rest_a = [k for k in range(a.ndim) if k not in over_a]
    rest_b = [k for k in range(b.ndim) if k not in over_b]
    shape_a, shape_b = tuple(a.shape[k] for k in rest_a), tuple(b.shape[k] for k in rest_b)
    n = math.prod(lengths[0])
    left = reshaped(record("transpose", a, [*rest_a, *over_a]), (math.prod(shape_a), n))
    right = reshaped(record("transpose", b, [*over_b, *rest_b]), (n, math.prod(shape_b)))
    return reshaped(record("matmul", left, right), shape_a + shape_b)


@of(np.tensordot)
def _tensordot(a: Operand, b: Operand, axes: Any = 2) -> Var:
    a, b = number(a, b)
    if np.ndim(axes) == 0 and not isinstance(axes, (list, tuple)):
        over_a, over_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        over_a = [axis_of(k, a.ndim) for k in np.ravel(axes[0])]
        over_b = [axis_of(k, b.ndim) for k in np.ravel(axes[1])]
    if len(over_a) != len(over_b):
        fail("numpy.tensordot takes as many axes of one array as of the other", InputError)
    return _contracted(a, b, over_a, over_b)


@of(np.kron)
def _kron(a: Operand, b: Operand) -> Var:
    a, b = number(a, b)
    n = max(a.ndim, b.ndim)
    a = reshaped(a, (1,) * (n - a.ndim) + a.shape)
    b = reshaped(b, (1,) * (n - b.ndim) + b.shape)
    left = reshaped(a, tuple(m for k in range(n) for m in (a.shape[k], 1)))
    right = reshaped(b, tuple(m for k in range(n) for m in (1, b.shape[k])))
    return reshaped(left * right, tuple(a.shape[k] * b.shape[k] for k in range(n)))


@of(np.cross)
def _cross(a: Operand, b: Operand, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Var:
    x, y = number(a, b)
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    x, y = record("moveaxis", x, axisa, -1), record("moveaxis", y, axisb, -1)
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        fail(
            f"numpy.cross of traced values is of vectors with 3 entries, not {x.shape[-1]} and {y.shape[-1]}",
            InputError,
        )

    def entry(i: int, j: int) -> Var:
        difference: Var = x[..., i] * y[..., j] - x[..., j] * y[..., i]
        return difference

    return record("stack", [entry(1, 2), entry(2, 0), entry(0, 1)], axis=axisc)


@of(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **settings: Any) -> Var:
    only("einsum", out=out, optimize=optimize, **settings)
    if not isinstance(operands[0], str):
        fail('numpy.einsum of traced values takes its subscripts as a text, such as "ij,j->i"')
    subscripts = operands[0].replace(" ", "")
    values = number(*operands[1:])
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(values):
        fail(
            f'numpy.einsum: the subscripts "{subscripts}" are of {len(terms)} operands, but {len(values)} are given',
            InputError,
        )
    terms, right = _without_ellipsis(terms, right if arrow else None, [v.ndim for v in values])
    return record("einsum", f"{','.join(terms)}->{right}", *values)


def _without_ellipsis(terms: list[str], right: str | None, axes: list[int]) -> tuple[list[str], str]:
    """The subscripts with letters where they have dots, and with the letters of the value."""
    used = set("".join(terms))
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in used]
    most = max((n - len(t) + 3 for t, n in zip(terms, axes, strict=True) if "..." in t), default=0)
    dots = "".join(free[:most])
    for term, n in zip(terms, axes, strict=True):
        if "..." in term and n < len(term) - 3:
            fail(f'numpy.einsum: the subscripts "{term}" are of more axes than the operand has', InputError)
    if right is None:
        letters = [c for c in "".join(terms) if c != "."]
        right = ("..." if most or any("..." in t for t in terms) else "") + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1)
        )
    spelled = []
    for term, n in zip(terms, axes, strict=True):
        count = n - len(term) + 3
        spelled.append(term.replace("...", dots[most - count :] if count else "") if "..." in term else term)
    return spelled, right.replace("...", dots)


@of(np.convolve)
def _convolve(a: Operand, v: Operand, mode: str = "full") -> Var:
    a, v = number(a, v)
    a, v = reshaped(a, (-1,)), reshaped(v, (-1,))
    if v.size > a.size:
        a, v = v, a
    return _slid(a, record("flip", v, axis=0), mode)


@of(np.correlate)
def _correlate(a: Operand, v: Operand, mode: str = "valid") -> Var:
    a, v = number(a, v)
    if v.size > a.size:
        return record("flip", _slid(v, a, mode), axis=0)
    return _slid(a, v, mode)


def _slid(a: Var, v: Var, mode: str) -> Var:
    """Σ a[k + n] v[n] for the k that the mode asks for; v is not the longer one."""
    m = v.size
    pad = {"full": (m - 1, m - 1), "valid": (0, 0), "same": (m // 2, m - 1 - m // 2)}.get(mode)
    if pad is None:
        fail(f'numpy.convolve and correlate have the modes full, same and valid, not "{mode}"', InputError)
    padded = record("pad", a, [list(pad)])
    return reshaped(record("conv1d", reshaped(padded, (1, -1)), reshaped(v, (1, 1, m))), (-1,))


# Polynomials.


@of(np.vander)
def _vander(x: Operand, N: int | None = None, increasing: bool = False) -> Var:
    v = traced(x)
    count = v.shape[0] if N is None else N
    powers = [full_constant(v, np.ones(v.shape)), v]
    while len(powers) < count:
        powers.append(powers[-1] * v)
    powers = powers[:count]
    return record("stack", powers if increasing else powers[::-1], axis=1)


@of(np.polyval)
def _polyval(p: Operand, x: Operand) -> Var:
    coefficients, x = number(p, x)
    y = full_constant(x, np.zeros(x.shape))
    for k in range(coefficients.shape[0]):
        y = y * x + coefficients[k]
    return y


# Linear algebra.


@of(np.linalg.solve)
def _solve(a: Operand, b: Operand) -> Var:
    a, b = number(a, b)
    if b.ndim != 1 and b.ndim < a.ndim:
        # Numpy has matrices here, the operator would take a vector.
        b = record("broadcast_to", b, a.shape[:-2] + b.shape[-2:])
    return record("solve", a, b)


@of(np.linalg.inv)
def _inv(a: Operand) -> Var:
    return apply("inv", a)


@of(np.linalg.cholesky)
def _cholesky(a: Operand, /, *, upper: bool = False) -> Var:
    lower = apply("cholesky", a)
    return record("swapaxes", lower, -1, -2) if upper else lower


@of(np.linalg.matrix_power)
def _matrix_power(a: Operand, n: int) -> Var:
    if not isinstance(n, (int, np.integer)):
        fail("the exponent of numpy.linalg.matrix_power must be an integer known while tracing")
    x = traced(a)
    if n == 0:
        return 0.0 * x + np.eye(x.shape[-1])
    base = record("inv", x) if n < 0 else x
    made: Var | None = None
    n = abs(n)
    while n:
        if n & 1:
            made = base if made is None else record("matmul", made, base)
        base, n = (record("matmul", base, base) if n > 1 else base), n >> 1
    assert made is not None, "n is not 0"
    return made


@of(np.linalg.multi_dot)
def _multi_dot(arrays: Any, *, out: Any = None) -> Var:
    only("linalg.multi_dot", out=out)
    made, *rest = number(*arrays)
    for x in rest:
        made = record("dot", made, x)
    return made


if hasattr(np.linalg, "matmul"):
    of(np.linalg.matmul)(lambda x1, x2, /: apply("matmul", x1, x2))
    of(np.linalg.outer)(lambda x1, x2, /: _outer(x1, x2))
    of(np.linalg.tensordot)(lambda x1, x2, /, *, axes=2: _tensordot(x1, x2, axes))
    of(np.linalg.cross)(lambda x1, x2, /, *, axis=-1: _cross(x1, x2, axis=axis))


if hasattr(np.linalg, "vecdot"):

    @of(np.linalg.vecdot)
    def _vecdot(x1: Operand, x2: Operand, /, *, axis: Any = -1) -> Var:
        a, b = number(x1, x2)
        return record("sum", record("moveaxis", a, axis, -1) * record("moveaxis", b, axis, -1), axis=-1)


def _vector_norm(x: Var, order: Any, axis: Any, keep: bool) -> Var:
    """The norm of vectors along axes."""
    settings = {"axis": axis, "keepdims": keep}
    if order is None or order == 2:
        return record("norm2", x, **settings)
    if order == 1:
        return record("norm1", x, **settings)
    if order == math.inf:
        return record("norminf", x, **settings)
    if order == -math.inf:
        return record("min", abs(x), **settings)
    if order == 0:
        return record("sum", (x != 0).number(), **settings)
    if isinstance(order, str) or tracer_of(order) is not None:
        fail(f"the order of a norm of vectors is a number known while tracing, not {order!r}", InputError)
    return record("power", record("sum", record("power", abs(x), float(order)), **settings), 1.0 / float(order))


def _matrix_norm(x: Var, order: Any, axes: tuple[int, int], keep: bool) -> Var:
    """The norm of matrices in two axes."""
    row, column = (axis_of(k, x.ndim) for k in axes)
    if row == column:
        fail("a norm of matrices is over two different axes", InputError)
    if order is None or order in ("fro", "f"):
        return record("norm2", x, axis=(row, column), keepdims=keep)
    if order in (1, -1, math.inf, -math.inf):
        # Kept until both sums are taken, so that the axes keep their numbers.
        first, second = (row, column) if abs(order) == 1 else (column, row)
        sums = record("norm1", x, axis=first, keepdims=True)
        made = record("max" if order > 0 else "min", sums, axis=second, keepdims=True)
    elif order in (2, "nuc"):
        last = record("moveaxis", x, [row, column], [-2, -1])
        made = record("spectral_norm" if order == 2 else "nuclear_norm", last)
        return record("expand_dims", made, sorted((row, column))) if keep else made
    else:
        fail(
            f"numpy.linalg.norm of matrices of the order {order!r} has no operator; there are fro, nuc, 1, 2, inf, -1, -inf"
        )
    return made if keep else record("squeeze", made, axis=(row, column))


@of(np.linalg.norm)
def _norm(x: Operand, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Var:
    v = traced(x)
    keep = flag(keepdims)
    if axis is None:
        if ord is None or (ord in ("fro", "f") and v.ndim == 2) or (ord == 2 and v.ndim == 1):
            return record("norm2", v, keepdims=keep) if v.ndim else abs(v)
        axis = tuple(range(v.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return _vector_norm(v, ord, axes[0], keep)
    if len(axes) == 2:
        return _matrix_norm(v, ord, (axes[0], axes[1]), keep)
    fail(f"numpy.linalg.norm is of vectors or matrices, not over {len(axes)} axes", InputError)


if hasattr(np.linalg, "vector_norm"):

    @of(np.linalg.vector_norm)
    def _vector_norm_new(x: Operand, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Var:
        return _vector_norm(lift(x), ord, axis, flag(keepdims))

    @of(np.linalg.matrix_norm)
    def _matrix_norm_new(x: Operand, /, *, keepdims: bool = False, ord: Any = "fro") -> Var:
        return _matrix_norm(lift(x), ord, (-2, -1), flag(keepdims))
