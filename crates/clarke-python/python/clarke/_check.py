"""Is a gradient that somebody wrote, or that another library computes, one of the function? `check_conservative`, `audit`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import numpy as np

from . import _clarke, _tree
from ._arrays import as_arrays, dtype_name
from ._errors import CallError, InputError, NotFiniteError
from ._function import Argnums, Function, PolicyLike, policy_of, program
from ._point_form import Form, page

__all__ = ["Agreement", "Audit", "CheckReport", "Finding", "audit", "check_conservative"]


class CheckReport:
    """What a check of a gradient found. True if nothing speaks against it being conservative.

    Attributes
    ----------
    passes : bool
        Whether no curve, difference or sequence of points speaks against it.
    text : str
        The report in sentences.
    """

    def __init__(self, passes: bool, text: str, data: dict[str, Any]) -> None:
        self.passes = passes
        self.text = text.rstrip()
        self._data = data

    def __bool__(self) -> bool:
        return self.passes

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return page(self.text)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return self._data

    @property
    def refutation(self) -> dict[str, Any] | None:
        """The curve along which the line integral of the gradient is not the increment of the function, if one was found."""
        found: dict[str, Any] = self._data["conservative"]
        return found if found["refuted"] else None

    @property
    def points(self) -> list[dict[str, Any]]:
        """At each point that was given: the gradient, and whether it lies in the conservative gradient of the program and in
        the Clarke subdifferential."""
        found: list[dict[str, Any]] = self._data["points"]
        return found


def check_conservative(
    function: Callable[..., Any],
    grad: Callable[..., Any] | PolicyLike | None,
    *args: Any,
    more: Sequence[Sequence[Any]] = (),
    argnums: Argnums = 0,
    seed: int = 0,
    curves: int = 64,
    radius: float = 2.0,
    tol: float = 1e-6,
    **keywords: Any,
) -> CheckReport:
    """Checks a gradient of a function of one number around a point.

    A gradient v is conservative if along every Lipschitz curve the line integral of v is the increment of the function.
    One curve on which the two differ refutes it; curves are tried everywhere, inside ties, and close to them. A gradient can
    be conservative and outside of both sets at a point, and right in both and not conservative: the report answers each.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python that can be traced.
    grad : callable or policy
        The gradient: of the same arguments, with a result in the form of the argument that varies. A `Function` is looked
        into, so that its own conditions are tried as closely as the function's ties. A policy (``"jax"``, 0.5, …) is what
        backpropagation returns under it.
    *args, **keywords
        The arguments of the function: the point to look around. Arguments that do not vary are held.
    more : sequence of tuples
        Further points: the positional arguments of each.
    argnums : int, str or sequence of such
        Which arguments vary.
    seed, curves : int
        The seed of all random choices; how many curves of the first kind are tried.
    radius : float
        How far around the points is looked, in each entry.
    tol : float
        The relative error that the gradient may have.

    Raises
    ------
    InputError
        A gradient of another shape than its argument.
    Exception
        What the gradient raises, as it is.

    Notes
    -----
    Sources: Bolte, Pauwels 2021, Definitions 1 and 2; Davis, Drusvyatskiy 2022 for the semismooth test.

    Examples
    --------
    The whole gradient of a maximum for every tied entry:

    >>> import clarke as ck
    >>> import numpy as np
    >>> report = ck.check_conservative(ck.parse("max(x)"), lambda x: 1.0 * (x == x.max()), np.array([1.0, 1.0]))
    >>> report.passes, report.refutation["course"]
    (False, 'inside ties')
    >>> ck.check_conservative(ck.parse("max(x)"), "pytorch", np.array([1.0, 1.0])).passes
    True
    """
    own = program(function)
    here = own.at(*args, argnums=argnums, **keywords)
    points = [as_arrays(own._bind(p, keywords).leaves, True) for p in (args, *more)]
    rule: Any
    if isinstance(grad, Function):
        rule = grad.specialize(*args, **keywords)
    elif callable(grad):
        rule = _rule(grad, own._bind(args, keywords), here._form)
    else:
        rule = policy_of(grad)
    passes, text, data = _clarke.check_conservative(own.name, here.program, rule, points, seed, curves, radius, tol)
    return CheckReport(passes, text, json.loads(data))


def _rule(grad: Callable[..., Any], call: Any, form: Form) -> Callable[[list[Any]], list[Any]]:
    """A gradient of a function's arguments as one of the list of its inputs."""

    def rule(inputs: list[Any]) -> list[Any]:
        positional, named = call.rebuilt([x[()] for x in inputs])
        return list(form.arrays(grad(*positional, **named), "gradient"))

    return rule


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks against a gradient.

    Attributes
    ----------
    kind : str
        ``"chain"``: along a segment the gradient does not add up to the increment of the function. ``"slope"``: where the
        function is smooth, differences disagree. ``"jump"``: the function itself jumps. ``"unbounded"``: gradients grow
        without bound towards the point. ``"outside"``: the gradient at the point is no average of gradients nearby, an
        artifact. ``"nothing"``: there is no finite value or gradient at the point.
    grade : str
        ``"clear"`` or ``"likely"``. Of a black box nothing is certain.
    margin : float
        By how many times it exceeds what it may be wrong by: at least 10.
    contradicts : bool
        Whether it contradicts that the gradient is conservative. (An artifact does not.)
    text : str
        The finding in sentences.
    data : dict
        The numbers: points are flat, all entries of the argument one after another.
    """

    kind: str
    grade: str
    margin: float
    contradicts: bool
    text: str = field(repr=False)
    data: dict[str, Any] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain data."""
        # A margin without an error to compare with is infinite, which JSON does not have.
        margin = self.margin if math.isfinite(self.margin) else None
        return {"kind": self.kind, "grade": self.grade, "margin": margin, "contradicts": self.contradicts, **self.data}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether a function and its Clarke twin have the same values around a point. True if so.

    Attributes
    ----------
    compared : int
        At how many points both were finite.
    worst : float
        The largest difference, relative to the size of the values.
    point : list of float
        Where, flat.
    agrees : bool
        Whether that is within the tolerance.
    """

    compared: int
    worst: float
    point: list[float]
    agrees: bool

    def __bool__(self) -> bool:
        return self.agrees


class Audit:
    """What an audit found. True if nothing was found.

    Attributes
    ----------
    findings : list of Finding
        What speaks against the gradient, contradictions first.
    twin : CheckReport or None
        What the check of the gradient against the Clarke twin found.
    agreement : Agreement or None
        Whether the twin is the same function.
    """

    def __init__(
        self, text: str, data: dict[str, Any], findings: list[Finding], twin: CheckReport | None, same: Agreement | None
    ) -> None:
        self.findings = findings
        self.twin = twin
        self.agreement = same
        self._text = text.rstrip()
        self._data = data

    @property
    def passes(self) -> bool:
        """Whether nothing was found; with a twin, also not that its values differ or that the gradient leaves one of its
        sets at the point."""
        inside = self.in_conservative is not False and self.in_clarke is not False
        same = self.agreement is None or self.agreement.agrees
        return not self.findings and inside and same and (self.twin is None or self.twin.passes)

    @property
    def is_artifact(self) -> bool:
        """Whether the gradient at the point is no average of gradients nearby, or leaves the twin's Clarke set."""
        return any(f.kind == "outside" for f in self.findings) or self.in_clarke is False

    @property
    def in_conservative(self) -> bool | None:
        """Whether the gradient at the point lies in the twin's conservative gradient; None without twin, or undecided."""
        return self._member("in_conservative")

    @property
    def in_clarke(self) -> bool | None:
        """Whether the gradient at the point lies in the twin's Clarke subdifferential; None without twin, or undecided."""
        return self._member("in_clarke")

    def _member(self, which: str) -> bool | None:
        if self.twin is None:
            return None
        answer = self.twin.points[0][which]["answer"]
        return None if answer == "undecided" else bool(answer == "yes")

    def __bool__(self) -> bool:
        return self.passes

    @property
    def text(self) -> str:
        """The report in sentences."""
        parts = [self._text]
        if self.agreement is not None and not self.agreement:
            apart = f"{self.agreement.worst:.3g} at {self.agreement.point}"
            parts.append(f"The twin is another function: relative to their size the values differ by {apart}.")
        if self.twin is not None:
            parts.append(f"Against the Clarke twin:\n{self.twin.text}")
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return page(self.text)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        same = self.agreement
        return {
            **self._data,
            "passes": self.passes,
            "findings": [f.to_dict() for f in self.findings],
            "twin": None if self.twin is None else self.twin.to_dict(),
            "agreement": None if same is None else {"compared": same.compared, "worst": same.worst, "agrees": same.agrees},
        }


def audit(
    function: Callable[[Any], Any],
    x: Any,
    grad: Callable[[Any], Any] | None = None,
    *,
    value_and_grad: Callable[[Any], Any] | None = None,
    framework: str | None = None,
    clarke: Function | None = None,
    precision: str | None = None,
    seed: int = 0,
    curves: int = 32,
    radius: float = 1.0,
    tol: float | None = None,
) -> Audit:
    """Audits a gradient that another library computes, or that was written by hand, around a point.

    Function and gradient are black boxes. Looked for are differences of values that contradict the gradient, curves along
    which the chain rule fails, also inside ties (guessed, or found by how gradients jump), and whether the gradient at the
    point is an average of gradients sampled nearby at shrinking radii. Nothing is certain of a black box, so findings are
    graded, and say by how many times they exceed what they may be wrong by.

    Parameters
    ----------
    function : callable
        A function of one argument that returns a number.
    x : number, array, or structure of such
        The point. Its dtype is what the framework computes with.
    grad : callable, optional
        The gradient, in the form of ``x``.
    value_and_grad : callable, optional
        Returns both; ``function`` is then asked for values only.
    framework : str, optional
        ``"torch"`` or ``"jax"``: the gradient is that of ``torch.autograd`` or ``jax.grad``. By default what ``x`` is an array
        of, if no gradient is given.
    clarke : Function, optional
        The same function as a Clarke program, its twin: then the gradient is also checked by `check_conservative` against
        the twin's ties and both of its sets.
    precision : str, optional
        ``"float32"`` or ``"float64"``: what values are accurate to. By default the dtype of the result.
    seed, curves : int
        The seed of all random choices; how many curves of each kind are tried.
    radius : float
        How far around the point is looked, in each entry.
    tol : float, optional
        The relative error that the gradient may have: 1e-6 by default, 1e-3 in float32.

    Raises
    ------
    CallError
        No gradient is given, and none can be taken.
    Exception
        What the function or its gradient raises, as it is; but an `ArithmeticError`, as of a division by zero, says that
        there is no value.

    Notes
    -----
    Sources: Bolte, Pauwels 2021, Definitions 1 and 2; Clarke 1990, Theorem 2.5.1.

    Examples
    --------
    The zero function relu(−x) + x − relu(x), with the gradient 1 that backpropagation returns at 0: the chain rule holds
    along all curves, and the gradient is an artifact.

    >>> import clarke as ck
    >>> report = ck.audit(lambda x: 0.0 * x, 0.0, lambda x: float(x == 0))
    >>> [finding.kind for finding in report.findings], report.is_artifact
    (['outside'], True)
    >>> report.findings[0].contradicts
    False
    """
    boxed = _Box(function, x, grad, value_and_grad, framework)
    if precision not in (None, "float32", "float64"):
        raise InputError(f'precision is "float32" or "float64", not {precision!r}')
    single = boxed.is_single() if precision is None else precision == "float32"
    limit, text, data, rows = _clarke.audit(
        boxed.value, boxed.gradient, boxed.point, seed, curves, radius, tol, single
    )
    report: dict[str, Any] = json.loads(data)
    findings = []
    for raw, (margin, grade, contradicts, said) in zip(report["findings"], rows, strict=True):
        ((kind, numbers),) = raw.items()
        numbers.pop("grade", None)
        findings.append(Finding(kind.lower(), grade, margin, contradicts, said.rstrip(), numbers))
    if clarke is None:
        return Audit(text, report, findings, None, None)
    compared, worst, where = _clarke.agreement(
        boxed.value, clarke.specialize(boxed.argument), boxed.point, seed, curves, radius, single
    )
    same = Agreement(compared, worst, where, worst <= limit)
    twin = check_conservative(
        clarke, boxed.gradient_of, boxed.argument, seed=seed, curves=curves, radius=radius, tol=limit
    )
    return Audit(text, report, findings, twin, same)


class _Box:
    """A function of one argument with its gradient, as functions of one flat array."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        x: Any,
        grad: Callable[[Any], Any] | None,
        both: Callable[[Any], Any] | None,
        framework: str | None,
    ) -> None:
        leaves, self._tree = _tree.flatten(x)
        if not leaves:
            raise InputError("audit: the point holds no number")
        framework = framework or (None if grad or both else _framework_of(leaves[0]))
        self._single_input = all(dtype_name(leaf) == "float32" for leaf in leaves)
        own = [np.asarray(_detached(leaf), dtype=np.float64) for leaf in leaves]
        self._shapes = [leaf.shape for leaf in own]
        self.point = np.concatenate([leaf.ravel() for leaf in own])
        self.argument = self._put(self.point)
        self._take: Callable[[Any], Any] = lambda value: value
        match framework:
            case "torch":
                function, grad, self._take = _torch(function, self._single_input)
            case "jax":
                function, grad, self._take = _jax(function)
            case None:
                pass
            case _:
                raise CallError(f'audit: the frameworks are "torch" and "jax", not {framework!r}')
        if grad is None and both is None:
            raise CallError("audit: give the gradient (grad= or value_and_grad=), or the framework that takes it")
        self._function = function
        self._grad: Callable[[Any], Any] = grad if grad is not None else lambda value: _second(both, value)

    def _put(self, flat: Any) -> Any:
        """A flat array as the argument."""
        leaves, start = [], 0
        for shape in self._shapes:
            size = math.prod(shape)
            leaf = flat[start : start + size].reshape(shape)
            leaves.append(float(leaf[()]) if shape == () else leaf)
            start += size
        return _tree.unflatten(self._tree, leaves)

    def value(self, flat: Any) -> float | None:
        """The value; None where there is none."""
        try:
            value = self._function(self._take(self._put(flat)))
        except (ArithmeticError, NotFiniteError):
            return None
        return float(np.asarray(_detached(value)))

    def gradient_of(self, argument: Any) -> Any:
        """The gradient at an argument, in its form."""
        return _tree.unflatten(self._tree, self._leaves(self._grad(self._take(argument))))

    def gradient(self, flat: Any) -> Any:
        """The gradient, flat; None where there is none."""
        try:
            leaves = self._leaves(self._grad(self._take(self._put(flat))))
        except (ArithmeticError, NotFiniteError):
            return None
        return np.concatenate([leaf.ravel() for leaf in leaves])

    def _leaves(self, result: Any) -> list[Any]:
        leaves = [result] if self._tree.kind == "leaf" else _tree.flatten(result)[0]
        found = [np.asarray(_detached(leaf), dtype=np.float64) for leaf in leaves]
        if [leaf.shape for leaf in found] != self._shapes:
            shapes = [list(leaf.shape) for leaf in found]
            expected = [list(shape) for shape in self._shapes]
            raise InputError(f"audit: the gradient has the shapes {shapes}, and {expected} are needed")
        return found

    def is_single(self) -> bool:
        """Whether the function computes in 32 bits, by the dtypes of its result and its gradient at the point."""
        try:
            results = self._function(self._take(self.argument)), self._grad(self._take(self.argument))
        except (ArithmeticError, NotFiniteError):
            return self._single_input
        return any(dtype_name(leaf) == "float32" for leaf in _tree.flatten(results)[0])


def _second(both: Callable[[Any], Any] | None, value: Any) -> Any:
    """The gradient of a pair."""
    if both is None:
        raise CallError("audit: no gradient")
    return both(value)[1]


def _detached(leaf: Any) -> Any:
    """An array that numpy reads: one of torch without its graph, on the CPU."""
    return leaf.detach().cpu() if hasattr(leaf, "detach") else leaf


def _framework_of(leaf: Any) -> str | None:
    """The library that a leaf is an array of."""
    module = type(leaf).__module__.partition(".")[0]
    return {"torch": "torch", "jax": "jax", "jaxlib": "jax"}.get(module)


#: A function, its gradient, and what makes their argument of one of numpy.
_Adapted = tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]


def _torch(function: Callable[[Any], Any], single: bool) -> _Adapted:
    """A function of tensors, with the gradient of torch.autograd; a variable that is not used has the gradient 0."""
    import torch

    dtype = torch.float32 if single else torch.float64

    def take(value: Any) -> Any:
        leaves, tree = _tree.flatten(value)
        return _tree.unflatten(tree, [torch.tensor(leaf, dtype=dtype) for leaf in leaves])

    def grad(value: Any) -> Any:
        leaves, tree = _tree.flatten(value)
        own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        result = function(_tree.unflatten(tree, own))
        if not result.requires_grad:
            return _tree.unflatten(tree, [torch.zeros_like(leaf) for leaf in own])
        found = torch.autograd.grad(result, own, allow_unused=True)
        pairs = zip(found, own, strict=True)
        return _tree.unflatten(tree, [torch.zeros_like(leaf) if g is None else g for g, leaf in pairs])

    return function, grad, take


def _jax(function: Callable[[Any], Any]) -> _Adapted:
    """A function of JAX's arrays, compiled, with the gradient of jax.grad."""
    import jax

    def take(value: Any) -> Any:
        leaves, tree = _tree.flatten(value)
        return _tree.unflatten(tree, [jax.numpy.asarray(leaf) for leaf in leaves])

    return jax.jit(function), jax.jit(jax.grad(function)), take
