"""Programs as what `scipy.optimize` minimizes: functions of one flat vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from . import _tree
from ._arrays import foreign
from ._derivatives import grad, hvp, jacobian, value_and_grad
from ._errors import InputError
from ._function import Function, PolicyLike, program
from ._trace import shape_of

__all__ = ["ForScipy", "to_scipy"]

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ForScipy:
    """A function of one flat vector, as `scipy.optimize` takes it.

    Attributes
    ----------
    fun : callable
        ``fun(x)``: a number, or a vector for a function that returns an array.
    jac : callable
        ``jac(x)``: the gradient under the policy, or the Jacobian matrix.
    value_and_grad : callable or None
        ``value_and_grad(x) -> (value, gradient)`` in one run: for ``minimize(…, jac=True)``. None for vectors.
    hessp : callable or None
        ``hessp(x, p)``: the product of the Hessian of the pieces selected with a vector. None for vectors.
    x0 : array
        The start, ravelled: float64.
    unravel : callable
        Puts a vector such as ``result.x`` back into the form of the start.
    """

    fun: Callable[[Vector], Any]
    jac: Callable[[Vector], Vector]
    value_and_grad: Callable[[Vector], tuple[Any, Vector]] | None
    hessp: Callable[[Vector, Vector], Vector] | None
    x0: Vector
    unravel: Callable[[Vector], Any]


def to_scipy(function: Callable[..., Any], x0: Any, *args: Any, policy: PolicyLike | None = None) -> ForScipy:
    """A function and a start as `scipy.optimize` takes them.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python, of ``x0`` and ``args``. It returns a number, or an array of any shape.
    x0 : array, number, or dict, list, tuple or dataclass of such
        The start; what varies. Its leaves are put one after the other, and are computed in float64.
    *args
        The function's other arguments, which are held.
    policy : str, float or Policy, optional
        What is picked at ties, see `clarke.grad`; the element of least norm by default.

    Returns
    -------
    ForScipy
        With `fun`, `jac`, `hessp`, `x0` and `unravel`.

    Raises
    ------
    InputError
        A start without a number, or a function that returns several arrays.

    Notes
    -----
    The smooth methods of scipy take the gradient for one of a smooth function. Where the minimizer is at a tie they may stop
    away from it (Lewis, Overton 2013); `clarke.minimize` has methods for such functions.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> f = ck.program(lambda p, y: np.sum((p["w"] - y) ** 2) + np.abs(p["b"]))
    >>> problem = ck.to_scipy(f, {"w": np.zeros(2), "b": 1.0}, np.array([1.0, 2.0]))
    >>> problem.fun(problem.x0), problem.jac(problem.x0)
    (np.float64(6.0), array([ 1., -2., -4.]))
    >>> problem.unravel(np.array([0.0, 1.0, 2.0]))
    {'b': np.float64(0.0), 'w': array([1., 2.])}
    """
    traced = program(function)
    leaves, tree = _tree.flatten(x0)
    leaves = [foreign(leaf) for leaf in leaves]
    if not leaves:
        raise InputError("to_scipy: the start holds no number")
    shapes = [shape_of(leaf) for leaf in leaves]
    sizes = [int(np.prod(shape)) for shape in shapes]
    ends = np.cumsum([0, *sizes]).tolist()

    def unravel(x: Any) -> Any:
        parts = [x[a:b].reshape(shape) if shape else x[a] for a, b, shape in zip(ends, ends[1:], shapes)]
        return _tree.unflatten(tree, parts)

    def ravelled(x: Any, *others: Any) -> Any:
        return traced(unravel(x), *others)

    start = np.concatenate([np.ravel(np.asarray(leaf, dtype=np.float64)) for leaf in leaves])
    whole = Function(ravelled)
    outputs = whole._specialize(whole._bind((start, *args), {})).program.outputs
    if len(outputs) != 1:
        text = f"to_scipy: {traced.name} returns {len(outputs)} arrays, but scipy takes functions of one"
        raise InputError(text)
    if outputs[0]:
        vector = Function(lambda x, *others: np.ravel(ravelled(x, *others)))
        rows = jacobian(vector, policy=policy)
        return ForScipy(
            fun=lambda x: vector(_vector(x), *args),
            jac=lambda x: rows(_vector(x), *args),
            value_and_grad=None,
            hessp=None,
            x0=start,
            unravel=lambda x: unravel(_vector(x)),
        )
    gradient, both = grad(whole, policy=policy), value_and_grad(whole, policy=policy)
    return ForScipy(
        fun=lambda x: whole(_vector(x), *args),
        jac=lambda x: gradient(_vector(x), *args),
        value_and_grad=lambda x: both(_vector(x), *args),
        hessp=lambda x, p: hvp(whole, (_vector(x), *args), (_vector(p),), argnums=0, policy=policy),
        x0=start,
        unravel=lambda x: unravel(_vector(x)),
    )


def _vector(x: Any) -> Vector:
    """A vector as the program reads it, which has been traced for float64."""
    return np.ascontiguousarray(x, dtype=np.float64)
