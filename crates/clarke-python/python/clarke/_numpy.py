"""What numpy's functions do to traced values: the two protocols, and the table of the elementwise functions.

The other functions stand in `_reductions.py`, `_shapes.py` and `_products.py`; each adds itself to `FUNCTIONS`. What is
in neither table raises `UnsupportedError`, with what to use instead where `INSTEAD` knows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast

import numpy as np

from . import _trace
from ._errors import InputError
from ._trace import Condition, Operand, Symbol, Var, constant, fail, lift, number, record, reshaped, traced, tracer_of

__all__ = ["FUNCTIONS", "INSTEAD", "UFUNCS", "apply", "of", "only", "says"]

F = TypeVar("F", bound=Callable[..., Any])

#: Numpy's elementwise functions, by the function: what they do to operands of which at least one is traced.
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}

#: Numpy's other functions, by the function.
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}

#: Operators that carry the reduction and the accumulation of an elementwise function.
REDUCE: dict[np.ufunc, str] = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logaddexp: "logsumexp",
}
ACCUMULATE: dict[np.ufunc, str] = {np.add: "cumsum", np.multiply: "cumprod", np.maximum: "cummax", np.minimum: "cummin"}

#: Elementwise functions of other packages, by name: those of scipy.special.
OTHERS = {"expit": "sigmoid", "erf": "erf", "erfc": "erfc", "xlogy": "xlogy", "log_expit": "log_sigmoid"}


def of(*functions: Callable[..., Any]) -> Callable[[F], F]:
    """Says what these functions of numpy do to traced values."""

    def add(rule: F) -> F:
        for function in functions:
            FUNCTIONS[function] = rule
        return rule

    return add


def apply(name: str, *args: Operand, **keywords: Any) -> Var:
    """An operator of the table, of operands that may be conditions or lists."""
    return record(name, *(lift(a) for a in args), **keywords)


def says(function: Callable[..., Any]) -> str:
    """A function's name as users write it."""
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy._core", "numpy").split("._")[0]
    return f"{module}.{function.__name__}"


def only(function: str, **settings: Any) -> None:
    """Refuses settings that no operator has: those that are not None (or numpy's own absent value)."""
    for name, value in settings.items():
        if value is None or value is np._NoValue or (name == "where" and value is True):
            continue
        if name == "dtype" and _is_double(value):
            continue
        if name in ("order", "casting", "subok", "optimize") and value in _HARMLESS[name]:
            continue
        if name == "dtype":
            fail(f"numpy.{function} of a traced value computes in the precision of the call, not in {value}")
        why = {
            "out": "a traced value is not written anywhere",
            "where": "use np.where(condition, x, …) on the argument",
        }
        fail(f"numpy.{function} of a traced value has no argument `{name}`; {why.get(name, 'leave it out')}")


_HARMLESS: dict[str, tuple[Any, ...]] = {
    "order": ("C", "K", "A"),
    "casting": ("same_kind", "unsafe", "safe"),
    "subok": (True, False),
    "optimize": (True, False, "greedy", "optimal"),
}


def _is_double(value: Any) -> bool:
    try:
        return bool(np.dtype(value) == np.dtype(np.float64))
    except TypeError:
        return False


# The protocols.


def _ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Operand, ...], keywords: dict[str, Any]) -> Any:
    name = ufunc.__name__
    out = keywords.pop("out", None)
    if out is not None:
        fail(
            f"numpy.{name} cannot write a traced value into an array that exists (out=, or an operator such as +=); "
            "make a new value: y = y + x"
        )
    if method == "reduce":
        return _reduce(ufunc, *inputs, **keywords)
    if method == "accumulate":
        return _accumulate(ufunc, *inputs, **keywords)
    if method == "outer":
        return _outer(ufunc, *inputs, **keywords)
    if method != "__call__":
        fail(f"numpy.{name}.{method} has no operator; {_instead_of_method(method)}")
    axes = {k: keywords.pop(k) for k in ("axis", "axes", "keepdims") if k in keywords}
    only(name, **keywords)
    if axes:
        fail(f"numpy.{name} of a traced value has no argument `{next(iter(axes))}`; use np.moveaxis on the arguments")
    rule = UFUNCS.get(ufunc)
    if rule is None and name in OTHERS:
        return apply(OTHERS[name], *inputs)
    if rule is None:
        _unsupported(f"numpy.{name}" if hasattr(np, name) else name, name)
    return rule(*inputs)


def _instead_of_method(method: str) -> str:
    return "use clarke.index_add" if method == "at" else "use np.add.reduce on slices, or np.cumsum"


def _function(function: Callable[..., Any], args: tuple[Operand, ...], keywords: dict[str, Any]) -> Any:
    rule = FUNCTIONS.get(function)
    if rule is None:
        _unsupported(says(function), function.__name__)
    return rule(*args, **keywords)


def _unsupported(full: str, name: str) -> NoReturn:
    instead = INSTEAD.get(name)
    fail(f"{full} has no operator, so it cannot be applied to a traced value" + (f"; {instead}" if instead else ""))


_trace.install(_ufunc, _function)


def _reduce(
    ufunc: np.ufunc,
    x: Operand,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Var:
    only(f"{ufunc.__name__}.reduce", dtype=dtype, out=out, where=where)
    if ufunc not in REDUCE:
        fail(f"numpy.{ufunc.__name__}.reduce has no operator; those of add, multiply, maximum, minimum have")
    return reduced(ufunc, x, axis, bool(keepdims), None if initial is np._NoValue else initial)


def reduced(ufunc: np.ufunc, x: Operand, axis: Any, keepdims: bool, initial: Any) -> Var:
    """A reduction of numpy's by the operator for it, joined with what it starts from."""
    made = traced(x)
    if axis != () and made.shape:
        made = record(REDUCE[ufunc], made, axis=axis, keepdims=keepdims)
    return made if initial is None else cast(Var, UFUNCS[ufunc](made, initial))


def _accumulate(ufunc: np.ufunc, x: Operand, axis: Any = 0, dtype: Any = None, out: Any = None) -> Var:
    only(f"{ufunc.__name__}.accumulate", dtype=dtype, out=out)
    if ufunc not in ACCUMULATE:
        fail(f"numpy.{ufunc.__name__}.accumulate has no operator; those of add, multiply, maximum, minimum have")
    return apply(ACCUMULATE[ufunc], x, axis=axis)


def _outer(ufunc: np.ufunc, a: Operand, b: Operand, **keywords: Any) -> Any:
    only(f"{ufunc.__name__}.outer", **keywords)
    x, y = number(a, b)
    if ufunc not in UFUNCS:
        _unsupported(f"numpy.{ufunc.__name__}", ufunc.__name__)
    return UFUNCS[ufunc](reshaped(x, x.shape + (1,) * y.ndim), y)


# The elementwise functions.


def _operator(name: str) -> Callable[..., Any]:
    return lambda *args: record(name, *(lift(a) for a in args))


def _scaled(name: str, factor: float) -> Callable[[Operand], Var]:
    return lambda x: record(name, traced(x)) * factor


def _multiply(a: Operand, b: Operand) -> Var:
    if isinstance(a, Condition):
        return a.times(b)
    return b.times(a) if isinstance(b, Condition) else apply("multiply", a, b)


def _power(a: Operand, b: Operand) -> Var:
    return apply("power", a, b)


def _compare(symbol: Symbol) -> Callable[[Operand, Operand], Condition]:
    return lambda a, b: Condition.compare(symbol, a, b)


def _truth(*values: Operand) -> list[Condition]:
    tracer = tracer_of(*values)
    assert tracer is not None, "one of the values is traced"
    return [Condition.of(v, tracer) for v in values]


def _and(a: Operand, b: Operand) -> Condition:
    one, two = _truth(a, b)
    return one & two


def _or(a: Operand, b: Operand) -> Condition:
    one, two = _truth(a, b)
    return one | two


def _xor(a: Operand, b: Operand) -> Condition:
    one, two = _truth(a, b)
    return one ^ two


def _not(a: Operand) -> Condition:
    return ~_truth(a)[0]


def _invert(a: Operand) -> Condition:
    if not isinstance(a, Condition):
        fail("numpy.invert (`~`) is of conditions; a traced value is a real number")
    return ~a


def _bitwise(name: str, join: Callable[[Operand, Operand], Condition]) -> Callable[[Operand, Operand], Condition]:
    def joined(a: Operand, b: Operand) -> Condition:
        for x in (a, b):
            if not isinstance(x, Condition) and (isinstance(x, Var) or np.asarray(x).dtype != bool):
                fail(f"numpy.{name} joins conditions; a traced value is a real number, without bits")
        return join(a, b)

    return joined


def _cbrt(x: Operand) -> Var:
    v = traced(x)
    root = record("power", abs(v), 1 / 3)
    return (v >= 0).select(root, -root)


def _arcsinh(x: Operand) -> Var:
    # ln(x + √(x² + 1)) loses all digits for large negative x: each half has its own formula, of equal slopes at 0.
    v = traced(x)
    return (v >= 0).select(_half(v), -_half(-v))


def _half(x: Var) -> Var:
    return record("log1p", x + record("square", x) / (1.0 + record("hypot", x, 1.0)))


def _arccosh(x: Operand) -> Var:
    t = traced(x) - 1.0
    return record("log1p", t + record("sqrt", t) * record("sqrt", t + 2.0))


def _arctanh(x: Operand) -> Var:
    v = traced(x)
    return 0.5 * (record("log1p", v) - record("log1p", -v))


def _trunc(x: Operand) -> Var:
    v = traced(x)
    return (v >= 0).select(record("floor", v), record("ceil", v))


def _floor_divide(a: Operand, b: Operand) -> Var:
    return record("floor", apply("divide", a, b))


def _remainder(a: Operand, b: Operand) -> Var:
    x, y = number(a, b)
    return x - y * record("floor", x / y)


def _fmod(a: Operand, b: Operand) -> Var:
    x, y = number(a, b)
    return x - y * _trunc(x / y)


def _divmod(a: Operand, b: Operand) -> tuple[Var, Var]:
    return _floor_divide(a, b), _remainder(a, b)


def _modf(x: Operand) -> tuple[Var, Var]:
    whole = _trunc(x)
    return traced(x) - whole, whole


def _ldexp(x: Operand, exponent: Operand) -> Var:
    if tracer_of(exponent) is not None:
        fail("the exponent of numpy.ldexp must be known while tracing; write x * 2.0**n")
    return apply("multiply", x, np.ldexp(1.0, exponent))


def _logaddexp2(a: Operand, b: Operand) -> Var:
    x, y = number(a, b)
    two = math.log(2.0)
    return record("logaddexp", x * two, y * two) / two


def _heaviside(x: Operand, at_zero: Operand) -> Var:
    v, middle = number(x, at_zero)
    return (v > 0).select(1.0, (v < 0).select(0.0, middle))


def _signbit(x: Operand) -> Condition:
    # Of −0 the reciprocal is negative too; of −∞ it is −0.
    v = traced(x)
    return (v < 0) | (record("reciprocal", v) < 0)


def _copysign(a: Operand, b: Operand) -> Var:
    x, y = number(a, b)
    return _signbit(y).select(-abs(x), abs(x))


def _isinf(x: Operand) -> Condition:
    return abs(traced(x)) >= math.inf


def _vecdot(a: Operand, b: Operand) -> Var:
    x, y = number(a, b)
    if not x.ndim or not y.ndim:
        fail("numpy.vecdot takes arrays of at least one axis", InputError)
    return record("sum", x * y, axis=-1)


def _matvec(a: Operand, x: Operand) -> Var:
    matrix, vector = number(a, x)
    return record("matmul", matrix, vector[..., None])[..., 0]


def _vecmat(x: Operand, a: Operand) -> Var:
    vector, matrix = number(x, a)
    return record("matmul", vector[..., None, :], matrix)[..., 0, :]


UFUNCS.update(
    {
        getattr(np, name): _operator(name)
        for name in (
            "add", "subtract", "divide", "negative", "exp", "log", "sqrt", "square", "sin", "cos", "tan", "tanh", "expm1",
            "log1p", "reciprocal", "logaddexp", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "hypot", "maximum",
            "minimum", "floor", "ceil", "sign", "matmul",
        )
    }
)  # fmt: skip
UFUNCS.update(
    {
        np.multiply: _multiply,
        np.absolute: _operator("abs"),
        np.fabs: _operator("abs"),
        np.power: _power,
        np.float_power: _power,
        np.rint: _operator("round"),
        np.positive: traced,
        np.conjugate: traced,
        np.exp2: lambda x: apply("power", 2.0, x),
        np.log2: _scaled("log", 1 / math.log(2.0)),
        np.log10: _scaled("log", 1 / math.log(10.0)),
        np.deg2rad: lambda x: apply("multiply", x, math.pi / 180),
        np.radians: lambda x: apply("multiply", x, math.pi / 180),
        np.rad2deg: lambda x: apply("multiply", x, 180 / math.pi),
        np.degrees: lambda x: apply("multiply", x, 180 / math.pi),
        np.cbrt: _cbrt,
        np.arcsinh: _arcsinh,
        np.arccosh: _arccosh,
        np.arctanh: _arctanh,
        np.trunc: _trunc,
        np.floor_divide: _floor_divide,
        np.remainder: _remainder,
        np.fmod: _fmod,
        np.divmod: _divmod,
        np.modf: _modf,
        np.ldexp: _ldexp,
        np.logaddexp2: _logaddexp2,
        np.heaviside: _heaviside,
        np.signbit: _signbit,
        np.copysign: _copysign,
        np.isinf: _isinf,
        np.greater: _compare(">"),
        np.greater_equal: _compare(">="),
        np.less: _compare("<"),
        np.less_equal: _compare("<="),
        np.equal: _compare("=="),
        np.not_equal: _compare("!="),
        np.logical_and: _and,
        np.logical_or: _or,
        np.logical_xor: _xor,
        np.logical_not: _not,
        np.bitwise_and: _bitwise("bitwise_and", _and),
        np.bitwise_or: _bitwise("bitwise_or", _or),
        np.bitwise_xor: _bitwise("bitwise_xor", _xor),
        np.invert: _invert,
    }
)
for _name, _rule in [("vecdot", _vecdot), ("matvec", _matvec), ("vecmat", _vecmat)]:
    # These came with numpy 2.
    if hasattr(np, _name):
        UFUNCS[getattr(np, _name)] = _rule

#: What to use instead of functions that have no operator, by the function's name.
INSTEAD = {
    "fmax": "np.maximum is the same but for NaN, which it keeps",
    "fmin": "np.minimum is the same but for NaN, which it keeps",
    "isnan": "where a value is NaN, everything made of it is: a program cannot test for it",
    "isfinite": "a program cannot test for NaN; for infinities there is np.isinf",
    "argmax": "an index is no real number; the entry itself is np.max(x), that of another array clarke.gather_argmax(x, y)",
    "argmin": "an index is no real number; the entry itself is np.min(x), that of another array clarke.gather_argmax(-x, y)",
    "argsort": "the sorted values are np.sort(x), the largest clarke.top_k(x, k)",
    "argpartition": "the sorted values are np.sort(x), the largest clarke.top_k(x, k)",
    "any": "compare the extreme: np.max(x) > 0",
    "all": "compare the extreme: np.min(x) > 0",
    "nonzero": "its shape depends on values; use np.where(condition, a, b)",
    "unique": "its shape depends on values",
    "eigvalsh": "there are clarke.eigvalsh_max(a) and clarke.eigvalsh_sum(a, k)",
    "eigh": "there are clarke.eigvalsh_max(a) and clarke.eigvalsh_sum(a, k)",
    "eig": "for symmetric matrices there are clarke.eigvalsh_max(a) and clarke.eigvalsh_sum(a, k)",
    "eigvals": "for symmetric matrices there are clarke.eigvalsh_max(a) and clarke.eigvalsh_sum(a, k)",
    "svd": "there are clarke.spectral_norm(a) and clarke.nuclear_norm(a)",
    "svdvals": "there are clarke.spectral_norm(a) and clarke.nuclear_norm(a)",
    "det": "for positive definite matrices there is clarke.logdet(a)",
    "slogdet": "for positive definite matrices there is clarke.logdet(a)",
    "lstsq": "the solution alone is clarke.lstsq(a, b)",
    "pinv": "for a of full column rank, pinv(a) @ b is clarke.lstsq(a, b)",
    "qr": "least squares are clarke.lstsq(a, b)",
    "cond": "its parts are np.linalg.norm(a) and np.linalg.inv(a)",
    "putmask": "a traced value cannot be written to; use np.where",
    "place": "a traced value cannot be written to; use np.where",
    "copyto": "a traced value cannot be written to; use np.where",
    "put": "a traced value cannot be written to; use clarke.index_add or np.where",
    "put_along_axis": "a traced value cannot be written to; use np.where",
    "fill_diagonal": "a traced value cannot be written to; use np.where(np.eye(n, dtype=bool), value, x)",
    "insert": "use np.concatenate of slices",
    "piecewise": "use np.select([conditions], [values])",
    "nansum": "a program cannot test for NaN; use np.sum",
    "nanmean": "a program cannot test for NaN; use np.mean",
    "nanmax": "a program cannot test for NaN; use np.max",
    "nanmin": "a program cannot test for NaN; use np.min",
    "nan_to_num": "a program cannot test for NaN; write the function so that none arises, or raise before the call",
    "allclose": "the answer is not known while tracing; compare what the function returns",
    "array_equal": "the answer is not known while tracing; compare what the function returns",
    "isclose": "compare with np.abs(a - b) <= tolerance",
    "roots": "a root of a polynomial is no operator yet",
    "searchsorted": "for a function that is linear between knots there is np.interp",
    "digitize": "for a function that is linear between knots there is np.interp",
    "histogram": "counting jumps: there is nothing to differentiate",
    "corrcoef": "divide np.cov(x) by the standard deviations",
    "fft": "Clarke computes with real numbers; a real transform is a product with a matrix of cosines and sines",
    "rfft": "Clarke computes with real numbers; a real transform is a product with a matrix of cosines and sines",
}


def full_constant(like: Var, value: Operand) -> Var:
    """An operand as a value of the trace of another."""
    return value if isinstance(value, Var) else constant(like.tracer, lift(value))


from . import _products, _reductions, _shapes  # noqa: E402, F401  (they fill the table)
