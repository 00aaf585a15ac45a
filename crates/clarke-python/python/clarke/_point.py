"""A function at a point: `At`, and the questions to it as functions that `Function` has as methods.

Everything here is computed in 64 bits, whatever the arguments are: ties are met in that arithmetic.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any, Callable, Concatenate, ParamSpec, Sequence, TypeVar, cast

from . import _clarke
from ._clarke import EVALUATIONS, VERTICES
from ._function import Function, PolicyLike, policy_of, program
from ._point_form import Budget, Form, budget, plain
from ._point_set import Bounds, Set, Support, bounds_of
from ._point_verdict import Explanation, Tie, Verdict, tie_of

__all__ = [
    "At",
    "Dependence",
    "Kink",
    "Lipschitz",
    "Tameness",
    "at",
    "bounds",
    "clarke",
    "conservative",
    "directional",
    "explain",
    "ties",
    "verdict",
]

@dataclass(frozen=True, slots=True)
class Dependence:
    """How the gradient at a point depends on the convention.

    Attributes
    ----------
    presets : dict of str to object
        The gradient under each preset.
    over_presets : Bounds
        The least and largest value of each entry over the presets.
    over_choices : Bounds
        The least and largest value of each entry over all choices at the ties.
    """

    presets: dict[str, Any]
    over_presets: Bounds
    over_choices: Bounds

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "presets": plain(self.presets),
            "over_presets": self.over_presets.to_dict(),
            "over_choices": self.over_choices.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Kink:
    """Where the branch pattern changes along a line: at `at` · direction from the point; ties are met there within
    `tolerance`, 0 where exactly."""

    at: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class Tameness:
    """The class of a function with the argument for it.

    Attributes
    ----------
    level, on_bounded : str
        The class over all points, and over bounded sets.
    raised : list of dict
        The operators whose value is of a wilder class than their arguments: ``op``, ``file``, ``line``, ``from``, ``to``.
    guarantees : list of str
        What the theory gives for this class, with sources.
    """

    level: str
    on_bounded: str
    raised: list[dict[str, Any]]
    guarantees: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {name: plain(getattr(self, name)) for name in ("level", "on_bounded", "raised", "guarantees")}


@dataclass(frozen=True, slots=True)
class Lipschitz:
    """Whether a function is Lipschitz on a box. True if it is.

    Attributes
    ----------
    constant : float or None
        A constant in the Euclidean norm; None where the derivative of an operator is not bounded, as far as intervals tell.
    op, file, line : str, str, int or None
        That operator, and where it stands.
    """

    constant: float | None
    op: str | None = None
    file: str | None = None
    line: int | None = None

    def __bool__(self) -> bool:
        return self.constant is not None


class At:
    """A function at a point: the ties met, gradients under policies, both sets, the verdict.

    Made by `Function.at`. Where an answer is asked for again it is the same object. The options of sets are

    - ``tol``: ties whose argument is within this absolute distance of being tied count as met; 0: exactly;
    - ``vertices``, ``evaluations``: how far a question may go before it is answered with bounds;
    - ``seed``: of all random choices;
    - ``simplify``: of the simplified program (equal parts merged, terms that cancel gone) instead of that written.

    Examples
    --------
    >>> import clarke as ck
    >>> at = ck.parse("relu(-x) + x - relu(x)").at(0.0)
    >>> at
    <clarke.At relu(-x) + x - relu(x): x = 0, 2 ties>
    >>> at.gradient("pytorch"), at.conservative(), at.clarke()
    (np.float64(1.0), <clarke.Set conservative: [-1, 1], exact>, <clarke.Set clarke: {0}, exact>)
    >>> at.is_artifact(at.gradient("pytorch"))
    True
    """

    def __init__(
        self, name: str, program: _clarke.Program, inputs: Sequence[Any], put: Callable[[Sequence[Any]], Any], text: bool
    ) -> None:
        self._name = name
        self._text = text
        self._program = program
        self._inputs = list(inputs)
        variables = [(n, tuple(shape)) for n, shape, role in program.inputs if role == "argument"]
        self._form = Form(variables, put)
        self._natives: dict[bool, _clarke.At] = {False: _clarke.At(program, self._inputs)}
        self._sets: dict[Any, Set] = {}
        self._verdicts: dict[Any, Verdict] = {}

    def _native(self, simplify: bool = False) -> _clarke.At:
        """The program at the point, or the simplified one."""
        if simplify not in self._natives:
            self._natives[simplify] = _clarke.At(self._written(simplify), self._inputs)
        return self._natives[simplify]

    def _written(self, simplify: bool) -> _clarke.Program:
        """The program as it is written, or simplified."""
        return self._program.simplify() if simplify else self._program

    @property
    def program(self) -> _clarke.Program:
        """The program, with the arguments that vary as its variables."""
        return self._program

    @functools.cached_property
    def value(self) -> Any:
        """The value there; of a function of several results a list."""
        outputs = [out[()] for out in self._native().outputs]
        return outputs[0] if len(outputs) == 1 else outputs

    @property
    def point(self) -> Any:
        """The arguments that vary."""
        return self._form.element(self._varying(self._native().point))

    def _varying(self, inputs: Sequence[Any]) -> list[Any]:
        """Of the arrays of all inputs those of the arguments that vary."""
        roles = [role for _, _, role in self._program.inputs if role != "selection"]
        return [x for role, x in zip(roles, inputs, strict=True) if role == "argument"]

    def ties(self, tol: float = 0.0, simplify: bool = False) -> list[Tie]:
        """The ties met at this point, within an absolute distance, in the order of the program.

        Raises
        ------
        NoDerivativeError
            An operator without derivative.
        """
        return [tie_of(row) for row in self._native(simplify).ties(float(tol))]

    def gradient(self, policy: PolicyLike | None = None) -> Any:
        """The gradient of a function of one number under a policy, in the form of the argument.

        Raises
        ------
        NotLipschitzError, DiscontinuousError, NoDerivativeError
            A point without derivative.
        """
        return self._form.element(self._native().gradient(policy_of(policy)))

    def conservative(
        self,
        *,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
    ) -> Set:
        """The conservative gradient of the function as written: all that backpropagation returns for all choices at the
        ties. For a function of one array the conservative Jacobian.

        Source: Bolte, Pauwels 2021, Theorem 8.
        """
        return self._set("conservative", budget(tol, vertices, evaluations, seed), simplify)

    def clarke(
        self,
        *,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
    ) -> Set:
        """The Clarke subdifferential: the averages of limits of gradients at nearby points, however the function is
        written. For a function of one array the Clarke Jacobian.

        Source: Clarke 1990, Theorem 2.5.1; Khan, Barton 2013.
        """
        return self._set("clarke", budget(tol, vertices, evaluations, seed), simplify)

    def _set(self, kind: str, options: Budget, simplify: bool) -> Set:
        key = kind, options, simplify
        if key not in self._sets:
            native = self._native(simplify)
            jacobian = self._program.outputs != [[]]
            found = (native.conservative if kind == "conservative" else native.clarke)(jacobian, options)
            layout = [(name, tuple(shape)) for name, shape in found.layout]
            self._sets[key] = Set(found, Form(layout, self._form.put), kind)
        return self._sets[key]

    def bounds(
        self,
        *,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
    ) -> Bounds:
        """The least and largest value of each entry of the gradient over all choices at the ties: `conservative().bounds`."""
        return self._set("conservative", budget(tol, vertices, evaluations, seed), simplify).bounds

    def directional(self, direction: Any) -> float:
        """The directional derivative lim (f(x + t d) − f(x))/t for t ↓ 0 of a function of one number.

        Source: Khan, Barton 2013.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.parse("max(abs(x), y)").at(1.0, 1.0, argnums=("x", "y")).directional((-1.0, -3.0))
        -1.0
        """
        return self._native().directional(self._form.arrays(direction, "direction"))

    def generalized(
        self,
        direction: Any,
        *,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
    ) -> Support:
        """The generalized directional derivative f°(x; d): the support function of the Clarke subdifferential at d.

        Source: Clarke 1990, Proposition 2.1.2.
        """
        return self._set("clarke", budget(tol, vertices, evaluations, seed), False).support(direction)

    def verdict(
        self,
        *,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
    ) -> Verdict:
        """What the point is to a function of one number, judged by both sets, with what proves it.

        Source: Bolte, Pauwels 2021, Section 5; Clarke 1990, Proposition 2.3.2.
        """
        options = budget(tol, vertices, evaluations, seed)
        key = options, simplify
        if key not in self._verdicts:
            judged = self._native(simplify).judge(options)
            self._verdicts[key] = Verdict(judged, self._form, self._written(simplify))
        return self._verdicts[key]

    def clarke_element(self, seed: int = 0) -> Any:
        """An element of the Clarke subdifferential at the cost of a gradient: that of the smooth piece next to the point in
        a random direction.

        Source: Kakade, Lee 2018; Khan, Barton 2013.
        """
        return self._form.element(self._native().clarke_element(seed))

    def is_artifact(self, gradient: Any) -> bool | None:
        """Whether a gradient lies outside of the Clarke subdifferential; None if the set is not known well enough."""
        return self._native().is_artifact(self._form.arrays(gradient, "gradient"), self.clarke()._native)

    def dependence(self) -> Dependence:
        """How the gradient depends on the convention: under each preset, and over all choices."""
        presets, over_presets, over_choices = self._native().dependence(self.conservative()._native)
        named = {name: self._form.element(g) for name, g in presets}
        return Dependence(named, bounds_of(self._form, over_presets), bounds_of(self._form, over_choices))

    @property
    def path_differentiable(self) -> bool | None:
        """Whether the chain rule holds along Lipschitz curves near this point, with any choice; None if not known."""
        return self._native().path_differentiable()

    @property
    def signature(self) -> int:
        """A number for the branch pattern: equal where the same pieces are active and the same ties met."""
        return self._native().signature()

    def kinks(self, direction: Any, low: float = -1.0, high: float = 1.0, samples: int = 256) -> list[Kink]:
        """Where on the line through the point along a direction the branch pattern changes, in increasing order.

        Patterns are compared at equally distant points, and each change is bisected to the last bit; two changes between
        neighbours that cancel are not seen.

        Examples
        --------
        >>> import clarke as ck
        >>> ck.parse("abs(x) + relu(2*x - 1)").at(0.0).kinks(1.0)
        [Kink(at=0.0, tolerance=0.0), Kink(at=0.5, tolerance=0.0)]
        """
        arrays = self._form.arrays(direction, "direction")
        return [Kink(*found) for found in self._native().kinks(arrays, (float(low), float(high)), samples)]

    @functools.cached_property
    def tameness(self) -> Tameness:
        """The class of the function with the argument for it, and what the theory gives."""
        level, on_bounded, raised, guarantees = self._native().tameness()
        rows = [{"op": op, "file": at[0], "line": at[1], "from": a, "to": b} for op, at, a, b in raised]
        return Tameness(level, on_bounded, rows, guarantees)

    def lipschitz(self, low: Any, high: Any) -> Lipschitz:
        """Whether the function is Lipschitz on the box between two points, with a constant or the operator at fault.

        By interval arithmetic rounded outward, all ties free: the constant is valid, and often larger than the best.

        Examples
        --------
        >>> import clarke as ck
        >>> at = ck.parse("sqrt(abs(x))").at(1.0)
        >>> bool(at.lipschitz(1.0, 4.0)), at.lipschitz(-1.0, 1.0).op
        (True, 'sqrt')
        """
        ends = self._form.arrays(low, "lower end"), self._form.arrays(high, "upper end")
        constant, op, where = self._native().lipschitz(*ends)
        return Lipschitz(constant, op, where[0], where[1])

    def explain(
        self,
        policy: PolicyLike | None = None,
        *,
        tol: float = 0.0,
        vertices: int = VERTICES,
        evaluations: int = EVALUATIONS,
        seed: int = 0,
        simplify: bool = False,
    ) -> Explanation:
        """What `clarke explain` says of a function of one number at the point, under a policy."""
        options = budget(tol, vertices, evaluations, seed)
        native = self._native(simplify)
        said = _clarke.Explained(native, self._name, self._text, simplify, policy_of(policy), options)
        return Explanation(said, self._form, self._written(simplify))

    def __repr__(self) -> str:
        shown = []
        for (name, _), x in zip(self._form.layout[:3], self._varying(self._native().point), strict=False):
            numbers = ", ".join(f"{v:.6g}" for v in x.ravel()[:4]) + (", …" if x.size > 4 else "")
            shown.append(f"{name} = {numbers if x.ndim == 0 else f'[{numbers}]'}")
        more = ", …" if len(self._form.layout) > 3 else ""
        try:
            count = len(self.ties())
            met = f", {count} tie{'' if count == 1 else 's'}"
        except ArithmeticError:
            met = ""
        name = self._name if len(self._name) <= 60 else self._name[:59] + "…"
        return f"<clarke.At {name}: {', '.join(shown)}{more}{met}>"


Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def _of(question: Callable[Concatenate[Function, Asked], Answer]) -> Callable[Concatenate[Callable[..., Any], Asked], Answer]:
    """A question that is a method of `Function`, as a function: of a `Function`, or of a function of Python."""

    @functools.wraps(question)
    def ask(function: Callable[..., Any], *args: Asked.args, **keywords: Asked.kwargs) -> Answer:
        return question(program(function), *args, **keywords)

    asked = inspect.signature(question)
    first = inspect.Parameter("function", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="Callable[..., Any]")
    made = cast(Any, ask)
    made.__signature__ = asked.replace(parameters=[first, *list(asked.parameters.values())[1:]])
    made.__module__, made.__qualname__ = __name__, question.__name__
    return cast("Callable[Concatenate[Callable[..., Any], Asked], Answer]", made)


at = _of(Function.at)
ties = _of(Function.ties)
conservative = _of(Function.conservative)
clarke = _of(Function.clarke)
bounds = _of(Function.bounds)
directional = _of(Function.directional)
verdict = _of(Function.verdict)
explain = _of(Function.explain)
