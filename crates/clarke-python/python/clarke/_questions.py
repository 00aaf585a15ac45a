"""What is asked of a function at a point, as its methods: the functions of `_point`."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ._function import Argnums, Function, PolicyLike
    from ._point import At
    from ._point_set import Bounds, Set
    from ._point_verdict import Explanation, Tie, Verdict

__all__ = ["Questions"]


def _point() -> types.ModuleType:
    """The module of these questions, which is made of functions."""
    from . import _point

    return _point


class Questions:
    """The questions to a `Function` at a point. Keywords that are not named here are arguments of the function."""

    __slots__ = ()

    @property
    def _own(self) -> Function:
        return cast("Function", self)

    def at(self, *args: Any, argnums: Argnums = 0, **keywords: Any) -> At:
        """The function at a point, see `clarke.at`."""
        found: At = _point().at(self._own, *args, argnums=argnums, **keywords)
        return found

    def ties(self, *args: Any, tol: float = 0.0, argnums: Argnums = 0, **keywords: Any) -> list[Tie]:
        """The ties met at a point, see `clarke.ties`."""
        found: list[Tie] = _point().ties(self._own, *args, tol=tol, argnums=argnums, **keywords)
        return found

    def conservative(
        self,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = 1024,
        evaluations: int = 100_000,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Set:
        """The conservative gradient at a point, see `clarke.conservative`."""
        options = _options(argnums, tol, vertices, evaluations, seed, simplify)
        found: Set = _point().conservative(self._own, *args, **options, **keywords)
        return found

    def clarke(
        self,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = 1024,
        evaluations: int = 100_000,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Set:
        """The Clarke subdifferential at a point, see `clarke.clarke`."""
        options = _options(argnums, tol, vertices, evaluations, seed, simplify)
        found: Set = _point().clarke(self._own, *args, **options, **keywords)
        return found

    def bounds(
        self,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = 1024,
        evaluations: int = 100_000,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Bounds:
        """Bounds of the gradient over all choices at the ties, see `clarke.bounds`."""
        options = _options(argnums, tol, vertices, evaluations, seed, simplify)
        found: Bounds = _point().bounds(self._own, *args, **options, **keywords)
        return found

    def directional(self, *args: Any, argnums: Argnums = 0, **keywords: Any) -> float:
        """The directional derivative at a point, the last argument being the direction, see `clarke.directional`."""
        found: float = _point().directional(self._own, *args, argnums=argnums, **keywords)
        return found

    def verdict(
        self,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = 1024,
        evaluations: int = 100_000,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Verdict:
        """What a point is to the function, see `clarke.verdict`."""
        options = _options(argnums, tol, vertices, evaluations, seed, simplify)
        found: Verdict = _point().verdict(self._own, *args, **options, **keywords)
        return found

    def explain(
        self,
        *args: Any,
        argnums: Argnums = 0,
        policy: PolicyLike | None = None,
        tol: float = 0.0,
        vertices: int = 1024,
        evaluations: int = 100_000,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Explanation:
        """Explains the function at a point, see `clarke.explain`."""
        options = _options(argnums, tol, vertices, evaluations, seed, simplify)
        found: Explanation = _point().explain(self._own, *args, policy=policy, **options, **keywords)
        return found


def _options(
    argnums: Argnums, tol: float, vertices: int, evaluations: int, seed: int, simplify: bool
) -> dict[str, Any]:
    return {
        "argnums": argnums,
        "tol": tol,
        "vertices": vertices,
        "evaluations": evaluations,
        "seed": seed,
        "simplify": simplify,
    }
