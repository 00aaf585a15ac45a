"""Sets of derivatives at a point: `Set`, and what it answers."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _clarke
from ._errors import InputError
from ._point_form import Form, page

__all__ = ["Bounds", "Containment", "Nearest", "Set", "Support"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and largest value of each entry of a set's elements, in the form of the argument."""

    low: Any
    high: Any
    _plain: dict[str, Any] = field(repr=False, compare=False, default_factory=dict)

    def __iter__(self) -> Any:
        return iter((self.low, self.high))

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return self._plain


@dataclass(frozen=True, slots=True)
class Support:
    """The support function max ⟨d, v⟩ of a set at a direction.

    Attributes
    ----------
    value : float
        ⟨d, element⟩: a lower bound.
    upper : float
        An upper bound; equal to ``value`` where the set is known exactly.
    element : object
        The element found, in the form of the argument.
    """

    value: float
    upper: float
    element: Any


@dataclass(frozen=True, slots=True)
class Nearest:
    """The point of the hull of a set that is nearest to a target.

    Attributes
    ----------
    point : object
        The point, in the form of the argument.
    distance : float
        Its Euclidean distance from the target: an upper bound of the set's.
    lower : float
        A lower bound of the set's distance.
    scale : float
        The largest norm of an element met: what distances are to be compared with.
    weights : list of (float, object)
        The elements that the point is a combination of, with their weights: positive, of sum 1.
    """

    point: Any
    distance: float
    lower: float
    scale: float
    weights: list[tuple[float, Any]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Containment:
    """Whether the hull of a set contains a vector. True where it is known to.

    Attributes
    ----------
    inside : bool or None
        Whether it does, up to the tolerance; None if the bounds reached do not tell.
    distance : float
        The distance of the vector; if it is outside a lower bound of it.
    direction : object or None
        If it is outside, a direction of norm 1 along which it exceeds all elements by the distance.
    """

    inside: bool | None
    distance: float
    direction: Any = None

    def __bool__(self) -> bool:
        return self.inside is True


def bounds_of(form: Form, ends: Any) -> Bounds:
    """Least and largest values, in the form of the argument."""
    low, high = ends
    return Bounds(form.element(low), form.element(high), {"low": form.named(low), "high": form.named(high)})


def nearest_of(form: Form, found: Any) -> Nearest:
    """What the native half found, in the form of the argument."""
    point, distance, lower, scale, weights = found
    return Nearest(form.element(point), distance, lower, scale, [(w, form.element(v)) for w, v in weights])


class Set:
    """A set of derivatives of a function at a point: of gradients, or of Jacobians. All answers are about its convex hull.

    Elements have the form of the arguments that vary. Where the set is known by its extreme points, all questions are
    answered from them; else by its support function.

    Examples
    --------
    >>> import clarke as ck
    >>> zero = ck.parse("relu(-x) + x - relu(x)")
    >>> zero.conservative(0.0), zero.clarke(0.0)
    (<clarke.Set conservative: [-1, 1], exact>, <clarke.Set clarke: {0}, exact>)
    >>> 0.5 in zero.conservative(0.0), 0.5 in zero.clarke(0.0)
    (True, False)
    >>> zero.conservative(0.0).support(-2.0)
    Support(value=2.0, upper=2.0, element=np.float64(-1.0))
    """

    def __init__(self, native: _clarke.SetAt, form: Form, kind: str) -> None:
        self._native = native
        self._form = form
        #: ``"conservative"`` or ``"clarke"``.
        self.kind = kind

    @functools.cached_property
    def known(self) -> str:
        """How it is known: ``"exact"``, ``"outer"`` (it contains the set), ``"inner"`` (it is contained in the set) or
        ``"sampled"`` (elements found by trying, of a set that the theory says nothing of)."""
        return self._native.known

    @functools.cached_property
    def hypothesis(self) -> str | None:
        """What the answer rests on or lacks, in words; None where it is exact without condition."""
        return self._native.hypothesis

    @property
    def is_single(self) -> bool:
        """Whether the set is one point."""
        return self._native.single

    @functools.cached_property
    def vertices(self) -> list[Any] | None:
        """The extreme points in lexicographic order; None where they are infinitely many or over the budget."""
        found = self._native.vertices()
        return None if found is None else [self._form.element(v) for v in found]

    @functools.cached_property
    def bounds(self) -> Bounds:
        """The least and largest value of each entry: exact where the extreme points are known, else by interval
        arithmetic, rounded outward, perhaps infinite."""
        return bounds_of(self._form, self._native.bounds())

    def support(self, direction: Any) -> Support:
        """The support function max ⟨d, v⟩ at a direction, with an element that attains the lower bound.

        Parameters
        ----------
        direction : object
            In the form of an element.
        """
        value, upper, element = self._native.support(self._form.arrays(direction, "direction"))
        return Support(value, upper, self._form.element(element))

    def nearest(self, target: Any) -> Nearest:
        """The point of the hull nearest to a target: by Wolfe's algorithm, or by least squares over a cube."""
        return nearest_of(self._form, self._native.nearest(self._form.arrays(target, "target")))

    @functools.cached_property
    def min_norm(self) -> Nearest:
        """The element of least norm of the hull."""
        return nearest_of(self._form, self._native.min_norm())

    def contains(self, vector: Any, tol: float = 1e-10) -> Containment:
        """Whether the hull contains a vector, up to a distance relative to the largest norm among it and the elements.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.parse("abs(x)").clarke(0.0).contains(3.0)
        Containment(inside=False, distance=2.0, direction=np.float64(1.0))
        """
        inside, distance, direction = self._native.contains(self._form.arrays(vector, "vector"), tol)
        return Containment(inside, distance, None if direction is None else self._form.element(direction))

    def __contains__(self, vector: Any) -> bool:
        return bool(self.contains(vector))

    @functools.cached_property
    def critical(self) -> bool | None:
        """Whether 0 is in the hull, up to 1e-10 relative to the largest norm of an element; None if undecided."""
        return self._native.critical()

    @functools.cached_property
    def diameter(self) -> tuple[float, float]:
        """Bounds of the largest Euclidean distance of two elements; equal where the extreme points are known."""
        return self._native.diameter()

    @property
    def dimension(self) -> int:
        """How many numbers an element has."""
        return sum(math.prod(shape) for _, shape in self._form.layout)

    def picture(self, format: str = "svg") -> str | bytes:
        """The set alone as a picture: an interval, or an area in the plane, with 0.

        Parameters
        ----------
        format : str
            ``"svg"`` (a text) or ``"png"`` (bytes).

        Raises
        ------
        InputError
            A set whose elements have more than two numbers.
        """
        return picture_of(format, lambda png: _clarke.set_picture(self._native, png))

    def __repr__(self) -> str:
        return f"<clarke.Set {self.kind}: {self._brief()}, {self.known}>"

    def _brief(self) -> str:
        """The set in a few words."""
        n, vertices = self.dimension, self._native.vertices()
        if vertices is None:
            return f"{n} numbers, known by its support function"
        if len(vertices) == 1:
            numbers = np.concatenate([np.ravel(a) for a in vertices[0]]) if vertices[0] else np.zeros(0)
            shown = ", ".join(f"{x:.6g}" for x in numbers[:6]) + (", …" if n > 6 else "")
            return f"{{{shown}}}" if n == 1 else f"{{({shown})}}"
        if n == 1:
            low, high = (float(np.ravel(v[0])[0]) for v in (vertices[0], vertices[-1]))
            return f"[{low:.6g}, {high:.6g}]"
        return f"{len(vertices)} extreme points of {n} numbers"

    def __str__(self) -> str:
        return _clarke.set_text(self._native).rstrip()

    def _repr_html_(self) -> str:
        shown = f"{self!r}\n\n{self}"
        try:
            drawn = self.picture()
        except InputError:
            return page(shown)
        return page(shown, drawn if isinstance(drawn, str) else None)

    def to_dict(self) -> dict[str, Any]:
        """The set as plain data, elements by the variables' names."""
        form, least = self._form, self._native.min_norm()
        vertices = self._native.vertices()
        return {
            "kind": self.kind,
            "known": self.known,
            "hypothesis": self.hypothesis,
            "single": self.is_single,
            "vertices": None if vertices is None else [form.named(v) for v in vertices],
            "bounds": self.bounds.to_dict(),
            "least_norm": {"element": form.named(least[0]), "norm": least[1], "lower": least[2]},
            "critical": self.critical,
        }


def picture_of(format: str, draw: Any) -> str | bytes:
    """A picture in a format, without its notes."""
    if format not in ("svg", "png"):
        raise InputError(f'a picture is "svg" or "png", not {format!r}')
    content = bytes(draw(format == "png")[0])
    return content.decode() if format == "svg" else content
