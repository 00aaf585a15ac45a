"""Methods: `minimize`, what it returns, and functions that are means over many samples."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, NamedTuple

import numpy as np

from . import _clarke
from ._conclusion import conclusion_of
from ._errors import ClarkeError, InputError
from ._function import Function, PolicyLike, policy_of, program
from ._point_verdict import Verdict
from ._sum import FiniteSum

__all__ = ["Measure", "Method", "OptimizeResult", "Polished", "minimize", "methods"]


class Measure(NamedTuple):
    """A number that a method measured of itself, and the tolerance that it is held against, if there is one."""

    name: str
    value: float
    tolerance: float | None


class Polished(NamedTuple):
    """What is known of a point that was moved onto its ties.

    Attributes
    ----------
    norm : float
        The norm of the derivative with the weights found for the pieces that are active.
    active : int
        How many differences between pieces are 0 there.
    tolerance : float
        The largest of these differences in the arithmetic used: 0 if all are exactly 0.
    """

    norm: float
    active: int
    tolerance: float


class Method(NamedTuple):
    """A method as data.

    Attributes
    ----------
    name, about, formula, source : str
        Its name, what it is for, its step, and where what is known of it is proved.
    parameters : tuple of (str, str, str, str)
        Of each: name, meaning, default, and which values it may have.
    """

    name: str
    about: str
    formula: str
    source: str
    parameters: tuple[tuple[str, str, str, str], ...]


def methods() -> dict[str, Method]:
    """All methods by name, in the order of the documents.

    Examples
    --------
    >>> import clarke as ck
    >>> ck.methods()["subgradient"].formula
    'x ← x − α v, v ∈ D(x)'
    """
    return {row[0]: Method(*row[:4], tuple(row[4])) for row in _clarke.methods()}


#: What scipy's numbers of a status are: 0 for success, 1 for the limit of steps.
_CODES = {"converged": 0, "stationary": 0, "steps": 1, "stalled": 2, "failed": 3, "interrupted": 99}

_MESSAGES = {
    "converged": "what the method measures is within its tolerance",
    "stationary": "0 is the element of the conservative gradient here, and the method stays",
    "steps": "all steps asked for were made",
    "stalled": "the method found no better point in this arithmetic",
    "failed": "the function could not be evaluated at the next point",
    "interrupted": "the callback stopped the run",
}


class OptimizeResult(dict[str, Any]):
    """What `minimize` returns: a dict whose entries are attributes too, in the manner of scipy.

    Attributes
    ----------
    x
        The best point met, in the form of the start.
    fun : float
        Its value.
    success : bool
        Whether the method's own tolerance was met, or it stands at a point where its element is 0. A method of steps alone,
        as the subgradient method, has no such test: its runs end with ``success`` False and status 1.
    status : int
        0 success, 1 all steps made, 2 stalled, 3 failed, 99 interrupted.
    message : str
        The status in words.
    nit, nfev, njev : int
        Steps; values and gradients evaluated.
    last, last_fun
        The last point, and its value.
    trace : ndarray of shape (n, 2)
        Steps and values along the way, thinned to at most 1000.
    measures : list of Measure
        What the method measured at the end: stationarity, gaps.
    guarantee : str
        What the theory gives for this method on a function of this class, or which condition is missing.
    polished : Polished or None
        How far the point meets the ties it was moved onto; None if it was not.
    verdict
        The verdict of the calculus at the best point, with both sets, see `Function.verdict`; None if it was not asked
        for, cannot be had there, or the function is a `FiniteSum`.
    conclusion : Conclusion or None
        What is known of the best point, with its certificate: the active ties, how nearly they are met, what is proved, and
        for a convex function what is missing to the least value. None where nothing can be said: the method has a
        regularizer or a constraint of its own.
    failure : ClarkeError or None
        Why a run failed; all else is of the points before it.
    seconds : float
        How long the run took.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__

    def __dir__(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        short = [name for name in self if name not in ("trace", "last", "last_fun", "measures")]
        width = max(map(len, short), default=0)
        lines = []
        for name in short:
            text = str(self[name]).replace("\n", "\n" + " " * (width + 2))
            lines.append(f"{name:>{width}}: {text}")
        return "\n".join(lines)


def minimize(
    function: Callable[..., Any],
    x0: Any,
    *args: Any,
    method: str = "auto",
    steps: int | None = None,
    policy: PolicyLike | None = None,
    convex: bool = False,
    callback: Callable[[int, float, float], object] | None = None,
    progress: bool | None = None,
    polish: bool = True,
    certify: bool | None = None,
    tie_tol: float = 1e-6,
    ball: float | None = None,
    **options: float | str,
) -> OptimizeResult:
    """Minimizes a function of one number over its first argument.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python: ``function(x, *args)``; or a `FiniteSum`, for which there are methods that take
        batches (``"stochastic"``, ``"incremental"``, and all that have the option ``batch``).
    x0 : array, number, dict, list, tuple or dataclass of such
        Where to start; computed in float64.
    *args
        The other arguments, held fixed.
    method : str
        One of `methods`; ``"auto"`` picks by size, convexity and class.
    steps : int, optional
        At most so many steps: 20000 unless given.
    policy : str, float or Policy, optional
        What is picked at ties, see `grad`.
    convex : bool
        Whether you say that the function is convex: guarantees may then rest on your word.
    callback : callable, optional
        Called after each step with the number of steps, the value and the best value. What it returns, if true, stops the
        run; an exception in it ends the run and comes out as it is.
    progress : bool, optional
        Whether a line of progress is shown on standard error; by default if that is a terminal.
    polish : bool
        Whether the best point is moved onto the ties next to it at the end, by Newton's method on the pieces that are active
        there, if that is a better point and quick to find.
    certify : bool, optional
        Whether the point is judged at the end: is 0 in the conservative gradient, is it in the Clarke subdifferential. By
        default if that is quick: at most 20 ties and 100 variables. With many more the answer may take minutes.
    tie_tol : float
        How far from a tie still counts as met for that verdict, absolute, where the point was not polished: a polished one is
        judged with ties met as far as it meets them.
    ball : float, optional
        With ``convex``: the radius of the ball around the best point over which what is missing to the least value is
        bounded, where no minimizer is proved to exist; by default 1 or the norm of the point, whichever is larger.
    **options
        The method's own parameters, see ``clarke.methods()[name].parameters``; ``_`` may stand for ``-`` in their names.

    Returns
    -------
    OptimizeResult

    Raises
    ------
    ClarkeError
        At the start: a function without gradient, a start outside of its domain, an option that the method does not take.
        What goes wrong later ends the run with status 3 and keeps the best point.

    Warns
    -----
    GuaranteeWarning
        For each condition of the theory that the run does not meet, once before it.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> A, b = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([0.0, 1.0, 5.0])
    >>> found = ck.minimize(lambda x: np.abs(A @ x - b).sum(), np.zeros(2), method="bundle", convex=True)
    >>> found.success, round(found.fun, 6)
    (True, 1.5)
    >>> found.conclusion, found.conclusion.bound.missing < 1e-14
    (<clarke.Conclusion 'clarke critical': 2 active ties, exact>, True)
    """
    settings = [(name.replace("_", "-"), _text(value)) for name, value in options.items()]
    limit = 20_000 if steps is None else steps
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InputError(f"steps: a whole number from 1 on was expected, not {steps!r}")
    bar = _Bar(limit) if (sys.stderr.isatty() if progress is None else progress) else None
    plan = _clarke.Plan(method, settings, limit, convex, _watcher(bar, callback))
    own = function if isinstance(function, FiniteSum) else program(function)
    clock = time.perf_counter()
    try:
        outcome, unflatten = _run(plan, own, x0, args, policy_of(policy))
    finally:
        if bar:
            bar.close()
    result = _result(outcome, unflatten, time.perf_counter() - clock)
    if plan.alters:
        return result  # What is said of the function says nothing of it together with what the method adds.
    # "Where that is quick" is what the native half makes of None.
    wanted = None if polish else False, certify, float(tie_tol), convex, None if ball is None else float(ball)
    try:
        _conclude(result, own, args, wanted, policy_of(policy))
    except ClarkeError:
        pass  # A run is not lost for what cannot be said of its point.
    return result


def _conclude(
    result: OptimizeResult,
    function: Function | FiniteSum,
    args: tuple[Any, ...],
    wanted: tuple[bool | None, bool | None, float, bool, float | None],
    policy: _clarke.Policy,
) -> None:
    """Moves the best point onto its ties, and judges it there: each as asked for."""
    if isinstance(function, FiniteSum):
        made, leaves, unflatten = function._at(result["x"])
        end = made.conclude(leaves, result["fun"], wanted, policy)
        put, program = unflatten, None
    else:
        here = function.at(result["x"], *args)
        end, put, program = here._native().conclude(wanted), here._form.put, here._written(False)
        if end.judgement is not None:
            result["verdict"] = Verdict(end.judgement, here._form, program)
    result["conclusion"] = conclusion_of(end, program)
    if end.polished is not None:
        result.update(x=put(end.variables), fun=end.value, polished=Polished(*end.polished))


def _run(
    plan: _clarke.Plan, function: Function | FiniteSum, x0: Any, args: tuple[Any, ...], policy: _clarke.Policy
) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The outcome as plain data, and what gives points the form of the start."""
    if isinstance(function, Function):
        native, values, unflatten = function._point((x0, *args), {}, 0)
        return plan.minimize(native, values, policy), unflatten
    if args:
        raise InputError("a FiniteSum has its data already: give further arguments of the loss as shared=")
    made, leaves, unflatten = function._at(x0)
    return plan.minimize_sum(made, leaves, policy), unflatten


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else repr(float(value)) if isinstance(value, float) else str(value)


def _watcher(bar: _Bar | None, callback: Callable[[int, float, float], object] | None) -> Any:
    if bar is None:
        return callback

    def watch(step: int, value: float, best: float) -> object:
        bar.show(step, best)
        return callback(step, value, best) if callback else None

    return watch


class _Bar:
    """A line of progress that is written over itself, at most ten times a second."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.shown = 0.0

    def show(self, step: int, best: float) -> None:
        now = time.monotonic()
        if now - self.shown >= 0.1:
            self.shown = now
            print(f"\r{step}/{self.steps} steps, best value {best:.10g}   ", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.shown:
            print(file=sys.stderr)


def _result(outcome: dict[str, Any], unflatten: Callable[[Any], Any], seconds: float) -> OptimizeResult:
    status, x = outcome["status"], unflatten(outcome["best"])
    return OptimizeResult(
        x=x,
        fun=outcome["best_value"],
        success=_CODES[status] == 0,
        status=_CODES[status],
        message=_MESSAGES[status],
        nit=outcome["steps"],
        nfev=outcome["values"] + outcome["gradients"],
        njev=outcome["gradients"],
        guarantee=outcome["guarantee"],
        polished=None,
        verdict=None,
        conclusion=None,
        failure=outcome["failure"],
        seconds=seconds,
        last=unflatten(outcome["last"]),
        last_fun=outcome["value"],
        trace=np.array(outcome["trace"], dtype=np.float64).reshape(-1, 2),
        measures=[Measure(*measure) for measure in outcome["measures"]],
    )
