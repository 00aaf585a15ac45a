"""The attributes and methods of arrays that a traced value has, and those that need the numbers, which raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from ._origin import fail

if TYPE_CHECKING:
    from ._trace import Var

__all__ = ["ArrayMethods", "Shaped"]


def _unknown(use: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *_: object, **__: object) -> NoReturn:
        fail(f"the value is not known while tracing, so {use} cannot be had; {instead}")

    return refuse


class Shaped:
    """What follows of a shape."""

    __slots__ = ()

    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many entries."""
        return int(np.prod(self.shape))


class ArrayMethods(Shaped):
    """What a traced value does as an array does it."""

    __slots__ = ()

    # What numpy's functions of these names do; set below.
    sum: Callable[..., Var]
    mean: Callable[..., Var]
    max: Callable[..., Var]
    min: Callable[..., Var]
    prod: Callable[..., Var]
    std: Callable[..., Var]
    var: Callable[..., Var]
    ptp: Callable[..., Var]
    cumsum: Callable[..., Var]
    cumprod: Callable[..., Var]
    ravel: Callable[..., Var]
    flatten: Callable[..., Var]
    squeeze: Callable[..., Var]
    swapaxes: Callable[..., Var]
    clip: Callable[..., Var]
    round: Callable[..., Var]
    dot: Callable[..., Var]
    diagonal: Callable[..., Var]
    trace: Callable[..., Var]
    take: Callable[..., Var]
    repeat: Callable[..., Var]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64: a program has no precision, a call has."""
        return np.dtype(np.float64)

    @property
    def T(self) -> Var:
        """The axes in reverse order."""
        return self.transpose()

    @property
    def mT(self) -> Var:
        """The last two axes exchanged."""
        return self.swapaxes(-1, -2)

    @property
    def real(self) -> Var:
        """Itself."""
        return cast("Var", self)

    @property
    def flat(self) -> Var:
        """The entries in row-major order."""
        return self.ravel()

    __bool__ = _unknown("the truth of a traced value", "use np.where(condition, a, b) instead of `if`")
    __float__ = _unknown("a float", "functions of the module math do not trace: use numpy's, such as np.sqrt")
    __int__ = _unknown("an int", "use np.floor and the like on the value itself")
    __complex__ = _unknown("a complex number", "Clarke computes with real numbers")
    __index__ = _unknown(
        "an index", "indices and sizes must be plain integers; to pick by value use clarke.gather_argmax or np.where"
    )
    item = _unknown("item()", "stay with the traced value; a function returns arrays and numbers when it is called")
    tolist = _unknown("tolist()", "go through the value itself, which has as many entries as its first axis")
    tobytes = _unknown("tobytes()", "return the value from the function instead")

    def __copy__(self) -> Var:
        return cast("Var", self)

    def __deepcopy__(self, _: object) -> Var:
        return cast("Var", self)

    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", **_: Any) -> Var:
        """Itself, for float; other types are refused."""
        if np.dtype(dtype) != np.dtype(np.float64):
            fail(
                f"a traced value cannot become {np.dtype(dtype)}: all values of a program are real numbers of the "
                "precision of the call, which is float32 if all arrays given are; for integers use np.floor or np.round"
            )
        return cast("Var", self)

    def copy(self, order: str = "C") -> Var:
        """Itself: traced values do not change."""
        return cast("Var", self)

    def reshape(self, *shape: Any, order: str = "C", **keywords: Any) -> Var:
        """As numpy.reshape; the shape may be given as several numbers."""
        new = shape[0] if len(shape) == 1 else shape
        return cast("Var", np.reshape(cast(Any, self), new, order=cast(Any, order), **keywords))

    def transpose(self, *axes: Any) -> Var:
        """As numpy.transpose; the axes may be given as several numbers."""
        order = None if not axes else axes[0] if len(axes) == 1 else axes
        return cast("Var", np.transpose(cast(Any, self), order))

    def fill(self, value: object) -> NoReturn:
        """Refused."""
        fail("a traced value cannot be written to; np.full_like makes a new one")

    def view(self, *_: object) -> NoReturn:
        """Refused."""
        fail("a traced value has no memory to view")


#: Methods of arrays that do what numpy's function of the same name does, with the traced value first.
METHODS = (
    "sum", "mean", "max", "min", "prod", "std", "var", "ptp", "cumsum", "cumprod", "ravel", "squeeze", "swapaxes", "clip",
    "round", "dot", "diagonal", "trace", "take", "repeat", "argmax", "argmin", "argsort", "any", "all", "nonzero",
    "searchsorted", "compress", "choose", "partition", "argpartition", "put",
)  # fmt: skip


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Var, *args: Any, **keywords: Any) -> Any:
        return function(self, *args, **keywords)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As numpy.{name}."
    return method


def _flatten(self: Var, order: str = "C") -> Var:
    """As numpy.ravel."""
    return cast("Var", np.ravel(cast(Any, self), order=cast(Any, order)))


def _sort(self: Var, *_: object, **__: object) -> NoReturn:
    """Refused."""
    fail("x.sort() would write to a traced value; np.sort(x) makes a new one")


def _conjugate(self: Var) -> Var:
    """Itself."""
    return self


for _name in METHODS:
    setattr(ArrayMethods, _name, _method(_name))
for _name, _function in [("flatten", _flatten), ("sort", _sort), ("conj", _conjugate), ("conjugate", _conjugate)]:
    setattr(ArrayMethods, _name, _function)
