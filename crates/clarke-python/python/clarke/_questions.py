"""What is asked of a function at a point, as its methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._clarke import EVALUATIONS, VERTICES
from ._errors import InputError

if TYPE_CHECKING:
    from ._cost import GradientCost
    from ._function import Argnums, Function, PolicyLike
    from ._point import At
    from ._point_set import Bounds, Set
    from ._point_verdict import Explanation, Tie, Verdict

__all__ = ["Questions"]


class Questions:
    """The questions to a `Function` at a point. Keywords that are not named here are arguments of the function."""

    __slots__ = ()

    def at(self, /, *args: Any, argnums: Argnums = 0, **keywords: Any) -> At:
        """A function at a point.

        Parameters
        ----------
        function : callable
            Of `clarke.at`: a `Function`, or a function of Python.
        *args, **keywords
            The arguments of the function.
        argnums : int, str or sequence of such
            Which arguments vary; the first by default. Elements of sets, gradients and directions have the form of this
            argument; of several they are tuples.

        Raises
        ------
        ClarkeError
            The first mistake in the function, with its file and line.
        NotFiniteError
            A value that is not finite there, with the operator that made it.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.at(ck.parse("abs(x) * y"), 0.0, 3.0).clarke()
        <clarke.Set clarke: [-3, 3], exact>
        """
        from ._point import At

        own = cast("Function", self)
        varying, inputs, put = own._point(args, keywords, argnums)
        text = getattr(own, "text", None)
        name = own.name if text is None else text.strip()
        expression = text is not None and not name.startswith("def ")
        return At(name, varying, inputs, put, expression)

    def cost(self, /, *args: Any, argnums: Argnums = 0, **keywords: Any) -> GradientCost:
        """What the value of a scalar function costs for arguments like these, and value and gradient together: operations
        and bytes, counted.

        Examples
        --------
        >>> import clarke as ck
        >>> import numpy as np
        >>> cost = ck.parse("sum(abs(x))").cost(np.zeros(1000))
        >>> cost.value.operations, cost.ratio
        (2000, 2.5)
        """
        from ._cost import cost_of

        varying, _, _ = cast("Function", self)._point(args, keywords, argnums)
        return cost_of(varying)

    def ties(self, /, *args: Any, tol: float = 0.0, argnums: Argnums = 0, **keywords: Any) -> list[Tie]:
        """The ties that a function meets at a point, within an absolute distance, with the user's own file and line.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.ties(ck.parse("abs(x) + max(x, 3)"), 0.0)
        [<clarke.Tie abs: 2 pieces>]
        """
        return self.at(*args, argnums=argnums, **keywords).ties(tol)

    def conservative(
        self,
        /,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Set:
        """The conservative gradient of a function as written, at a point: see `At.conservative` and, for options, `At`.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.conservative(ck.parse("abs(x) - abs(x)"), 0.0).vertices
        [np.float64(-2.0), np.float64(2.0)]
        >>> ck.conservative(ck.parse("abs(x) - abs(x)"), 0.0, simplify=True).vertices
        [np.float64(0.0)]
        """
        return self.at(*args, argnums=argnums, **keywords).conservative(
            tol=tol, vertices=vertices, evaluations=evaluations, seed=seed, simplify=simplify
        )

    def clarke(
        self,
        /,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Set:
        """The Clarke subdifferential of a function at a point: see `At.clarke` and, for options, `At`.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.clarke(ck.parse("abs(x) - abs(x)"), 0.0).vertices
        [np.float64(0.0)]
        """
        return self.at(*args, argnums=argnums, **keywords).clarke(
            tol=tol, vertices=vertices, evaluations=evaluations, seed=seed, simplify=simplify
        )

    def bounds(
        self,
        /,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Bounds:
        """The least and largest value of each entry of the gradient over all choices at the ties.

        Examples
        --------
        >>> import clarke as ck
        >>> low, high = ck.bounds(ck.parse("relu(-x) + x - relu(x)"), 0.0)
        >>> low, high
        (np.float64(-1.0), np.float64(1.0))
        """
        return self.at(*args, argnums=argnums, **keywords).bounds(
            tol=tol, vertices=vertices, evaluations=evaluations, seed=seed, simplify=simplify
        )

    def directional(self, /, *args: Any, argnums: Argnums = 0, **keywords: Any) -> float:
        """The directional derivative of a function at a point: its arguments, and last the direction.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.directional(ck.parse("abs(x)"), 0.0, -2.0)
        2.0
        """
        if not args:
            raise InputError("directional: give the arguments of the function, and last the direction")
        *point, direction = args
        return self.at(*point, argnums=argnums, **keywords).directional(direction)

    def verdict(
        self,
        /,
        *args: Any,
        argnums: Argnums = 0,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Verdict:
        """What a point is to a function of one number, with what proves it: see `Verdict` and, for options, `At`.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.verdict(ck.parse("abs(x)"), 0.0) == "clarke critical"
        True
        """
        return self.at(*args, argnums=argnums, **keywords).verdict(
            tol=tol, vertices=vertices, evaluations=evaluations, seed=seed, simplify=simplify
        )

    def explain(
        self,
        /,
        *args: Any,
        argnums: Argnums = 0,
        policy: PolicyLike | None = None,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
        **keywords: Any,
    ) -> Explanation:
        """Explains a function of one number at a point: value and gradient, the ties, both sets, and what they mean.

        Examples
        --------
        >>> import clarke as ck
        >>> said = ck.explain(ck.parse("relu(-x) + x - relu(x)"), 0.0, policy="pytorch")
        >>> print(str(said).splitlines()[0])
        f = relu(-x) + x - relu(x)
        >>> said.artifact, said.verdict == "clarke critical"
        (True, True)
        """
        return self.at(*args, argnums=argnums, **keywords).explain(
            policy, tol=tol, vertices=vertices, evaluations=evaluations, seed=seed, simplify=simplify
        )
