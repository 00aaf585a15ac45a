"""Derivatives of functions, as functions: gradients, products with Jacobians, Jacobians, batches."""

from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np

from . import _clarke, _tree
from ._arrays import is_double
from ._errors import CallError, InputError
from ._function import Argnums, Call, Function, PolicyLike, Specialized, plain, policy_of, program, shaped
from ._trace import shape_of
from ._tree import Tree

__all__ = ["Derivative", "batch", "grad", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


class Derivative(_clarke.Dispatcher):
    """A derivative of a function, called with the function's own arguments.

    ``policy=`` and ``argnums=`` may be given in the call as well; they are the derivative's and not the function's.
    """

    def __init__(self, function: Function, mode: str, argnums: Argnums, policy: PolicyLike | None) -> None:
        super().__init__()
        self._function = function
        self._mode = mode
        self._argnums = argnums
        self._policy = policy_of(policy)
        #: What `inspect.signature` reads: the arguments are those of the function.
        self.__signature__ = function._signature
        self.__name__ = self.__qualname__ = f"{_TITLES[mode]} of {function.name}"

    def __repr__(self) -> str:
        return f"<clarke.Derivative: {self.__name__}, policy {self._policy}>"

    def __reduce__(self) -> Any:
        return _rebuilt, (self._function, self._mode, self._argnums, self._policy)

    def _miss(self, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        keywords = dict(keywords or {})
        changed = "policy" in keywords or "argnums" in keywords
        policy = policy_of(keywords.pop("policy")) if "policy" in keywords else self._policy
        argnums = keywords.pop("argnums", self._argnums)
        call = self._function._bind(args, keywords)
        at = self._function._specialize(call)
        items = call.chosen(argnums)
        if self._mode == "jacobian":
            return _jacobian(at, call, items, argnums, policy)
        results = at.run("value_and_gradient", items, policy, call.leaves)
        if not changed and not keywords and plain(call, args):
            executable = at.executable("value_and_gradient", tuple(items), policy, is_double(call.leaves))
            self._learn(args, executable)
        gradient = shaped(call, items, argnums, results[1:])
        return (results[0], gradient) if self._mode == "value_and_grad" else gradient

    def _learn(self, args: tuple[Any, ...], executable: _clarke.Executable) -> None:
        """Lets such calls go straight to the executable, if the result is what it returns."""
        single = isinstance(self._argnums, (int, str))
        if self._mode == "grad":
            self._know(args, executable, not single, 1)
        elif single:
            self._know(args, executable, True, 0)


_TITLES = {"grad": "gradient", "value_and_grad": "value and gradient", "jacobian": "Jacobian"}


def _rebuilt(function: Function, mode: str, argnums: Argnums, policy: PolicyLike) -> Derivative:
    return Derivative(function, mode, argnums, policy)


def _jacobian(at: Specialized, call: Call, items: Sequence[int], argnums: Argnums, policy: _clarke.Policy) -> Any:
    """For each array of the result the Jacobian in each argument that varies."""
    blocks = [at.output(k).run("jacobian", items, policy, call.leaves) for k in range(len(at.program.outputs))]
    return _tree.unflatten(at.out, [shaped(call, items, argnums, row) for row in blocks])


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, *, policy: PolicyLike | None = None
) -> Derivative:
    """The gradient of a function of one number, as a function of the same arguments.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python.
    argnums : int, str or sequence of such
        The argument that varies; for several a tuple is returned. The first by default.
    policy : str, float or Policy, optional
        What is picked at ties: ``"min-norm"`` (the default), ``"pytorch"``, ``"jax"``, ``"tensorflow"``, a number for
        ``step``, ``"random(7)"``, or `clarke.Policy.along`.

    Returns
    -------
    Derivative
        Returns the gradient in the form of the argument.

    Raises
    ------
    NotLipschitzError, DiscontinuousError, NoDerivativeError, NotFiniteError
        Where there is no derivative, with the operator at fault, its file and line. Never a NaN instead.

    Notes
    -----
    At ties the result is an element of the conservative gradient of the program (Bolte, Pauwels 2021). Cost: at most five
    values of the function in operations.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> g = ck.grad(lambda x: np.abs(x).sum(), policy="jax")
    >>> g(np.array([-2.0, 0.0]))
    array([-1.,  1.])
    """
    return Derivative(program(function), "grad", argnums, policy)


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, *, policy: PolicyLike | None = None
) -> Derivative:
    """Value and gradient together, see `grad`: returns ``(y, gradient)``.

    Examples
    --------
    >>> import clarke as ck
    >>> ck.value_and_grad(lambda x: x * abs(x))(-3.0)
    (np.float64(-9.0), np.float64(6.0))
    """
    return Derivative(program(function), "value_and_grad", argnums, policy)


def jacobian(
    function: Callable[..., Any], argnums: Argnums = 0, *, policy: PolicyLike | None = None
) -> Derivative:
    """The Jacobian of a function of arrays, of shape ``output.shape + argument.shape``, see `grad`.

    Forward or reverse mode, whichever needs fewer sweeps. A result of several arrays has a Jacobian for each.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> ck.jacobian(lambda x: np.maximum(x, 0.0) ** 2)(np.array([1.0, -1.0]))
    array([[2., 0.],
           [0., 0.]])
    """
    return Derivative(program(function), "jacobian", argnums, policy)


def _seeded(
    function: Function, primals: Any, tangents: Any, argnums: Argnums | None, what: str
) -> tuple[Call, Specialized, list[int], list[Any]]:
    """The arguments of a product with tangents, and the tangents' leaves, checked against the arguments."""
    primals = tuple(primals) if isinstance(primals, (tuple, list)) else (primals,)
    tangents = tuple(tangents) if isinstance(tangents, (tuple, list)) else (tangents,)
    call = function._bind(primals, {})
    items = call.chosen(argnums)
    if len(tangents) != len(items):
        raise CallError(f"{what}: {len(items)} arguments vary, but {len(tangents)} tangents were given")
    leaves: list[Any] = []
    for k, tangent in zip(items, tangents, strict=True):
        own, tree = _tree.flatten(tangent)
        item = call.items[k]
        if tree != item.tree or [shape_of(leaf) for leaf in own] != [shape_of(leaf) for leaf in item.leaves]:
            raise InputError(f"{what}: the tangent of {item.name} has not its form: the same tree and shapes are needed")
        leaves += own
    return call, function._specialize(call), items, leaves


def jvp(
    function: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    argnums: Argnums | None = None,
    policy: PolicyLike | None = None,
) -> tuple[Any, Any]:
    """Value and product of the Jacobian with tangents: forward mode.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python.
    primals, tangents : tuple
        The arguments, and for each that varies a tangent of its form. A single one may stand without the tuple.
    argnums : int, str or sequence of such, optional
        The arguments that vary; all by default.
    policy : str, float or Policy, optional
        See `grad`.

    Returns
    -------
    (y, dy)
        The result, and its tangent in the same form.

    Examples
    --------
    >>> import clarke as ck
    >>> ck.jvp(lambda x: x * x, (2.0,), (3.0,))
    (np.float64(4.0), np.float64(12.0))
    """
    call, at, items, leaves = _seeded(program(function), primals, tangents, argnums, "jvp")
    results = at.run("jvp", items, policy_of(policy), [*call.leaves, *leaves])
    half = len(results) // 2
    return _tree.unflatten(at.out, results[:half]), _tree.unflatten(at.out, results[half:])


def vjp(
    function: Callable[..., Any],
    *primals: Any,
    argnums: Argnums | None = None,
    policy: PolicyLike | None = None,
) -> tuple[Any, Callable[[Any], Any]]:
    """Value, and the product of the transposed Jacobian with a cotangent, as a function of it: reverse mode.

    Returns
    -------
    (y, pullback)
        ``pullback(cotangent)``, with a cotangent of the form of y, returns a tuple with an array (or tree) for each
        argument that varies: all by default.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> y, pullback = ck.vjp(lambda x: np.abs(x), np.array([1.0, -2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([  1., -10.]),)
    """
    traced = program(function)
    call = traced._bind(primals, {})
    at, items, rule = traced._specialize(call), call.chosen(argnums), policy_of(policy)
    y = traced(*primals)

    def pullback(cotangent: Any) -> Any:
        leaves, tree = _tree.flatten(cotangent)
        wanted = [tuple(shape) for shape in at.program.outputs]
        if tree != at.out or [shape_of(leaf) for leaf in leaves] != wanted:
            raise InputError("vjp: the cotangent has not the form of the result: the same tree and shapes are needed")
        results = at.run("vjp", items, rule, [*call.leaves, *leaves])
        return shaped(call, items, None, results)

    return y, pullback


def hvp(
    function: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    argnums: Argnums | None = None,
    policy: PolicyLike | None = None,
) -> Any:
    """The product of the Hessian of a function of one number with tangents: forward over reverse, cost of a few gradients.

    At ties the selected piece of the gradient is differentiated (second order of one piece).

    Parameters
    ----------
    primals, tangents, argnums, policy
        See `jvp`.

    Returns
    -------
    array, tree or tuple
        One argument's product in its form, or a tuple for several.

    Examples
    --------
    >>> import clarke as ck
    >>> ck.hvp(lambda x: x**3, (2.0,), (1.0,))
    np.float64(12.0)
    """
    call, at, items, leaves = _seeded(program(function), primals, tangents, argnums, "hvp")
    results = at.run("hvp", items, policy_of(policy), [*call.leaves, *leaves])
    return shaped(call, items, 0 if len(items) == 1 else None, results)


class Batched(Function):
    """A function over an additional axis of some arguments."""

    def __init__(self, function: Function, in_axes: int | None | Sequence[int | None], out_axes: int) -> None:
        super().__init__(function._function)
        self._inner = function
        self._signature = function._signature
        self._in_axes = in_axes
        self._out_axes = out_axes

    def __reduce__(self) -> Any:
        return Batched, (self._inner, self._in_axes, self._out_axes)

    def __repr__(self) -> str:
        return f"<clarke.Function {self.name}, batched over axes {self._in_axes}>"

    def _bind(self, args: Sequence[Any], keywords: dict[str, Any]) -> Call:
        return self._inner._bind(args, keywords)

    def _axes(self, call: Call) -> list[int | None]:
        """The batched axis of each leaf."""
        given = self._in_axes
        each = [given] * len(call.items) if given is None or isinstance(given, int) else list(given)
        if len(each) != len(call.items):
            raise CallError(f"batch: {len(call.items)} arguments, but in_axes has {len(each)} entries")
        return [axis for item, axis in zip(call.items, each, strict=True) for _ in item.leaves]

    def _trace(self, call: Call) -> tuple[_clarke.Program, Tree]:
        axes = self._axes(call)
        size, inner = None, []
        for leaf, axis in zip(call.leaves, axes, strict=True):
            shape = list(shape_of(leaf))
            if axis is not None:
                if not -len(shape) <= axis < len(shape):
                    raise InputError(f"batch: an array of shape {shape} has no axis {axis}; give None in in_axes for it")
                length = shape.pop(axis)
                if size not in (None, length):
                    raise InputError(f"batch: the batched axes have different lengths, {size} and {length}")
                size = length
            inner.append(np.broadcast_to(np.float64(0.0), shape))
        if size is None:
            raise CallError("batch: no argument has an axis to batch over")
        rebuilt, named = call.rebuilt(inner)
        at = self._inner._specialize(self._inner._bind(rebuilt, named))
        batched = at.program.batch([axis is not None for axis in axes], size)
        tracer = _clarke.Tracer()
        nodes = []
        for leaf, axis, name in zip(call.leaves, axes, at.names, strict=True):
            node = tracer.input(name, shape_of(leaf))
            nodes.append(_clarke.Node(tracer, _moved(tracer, node, 0 if axis is None else axis, 0)))
        outputs = [_moved(tracer, node, 0, self._out_axes) for node in tracer.inline(batched, nodes)]
        return tracer.finish(outputs), at.out


def _moved(tracer: Any, node: int, source: int, destination: int) -> int:
    """The node of an array with an axis moved to another place."""
    if source == destination:
        return node
    moved: int = tracer.apply("moveaxis", (_clarke.Node(tracer, node), source, destination), {}, __file__, 0)
    return moved


def batch(
    function: Callable[..., Any], in_axes: int | None | Sequence[int | None] = 0, out_axes: int = 0
) -> Function:
    """The function over an additional axis of its arguments, in one program (vmap).

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python.
    in_axes : int, None, or sequence of such
        The axis of each argument that is the batch; None for an argument that is the same for all.
    out_axes : int
        The axis of the results that is the batch.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> f = ck.batch(lambda x, c: np.maximum(x, c).sum(), in_axes=(0, None))
    >>> f(np.array([[1.0, 2.0], [-1.0, 3.0]]), 0.0)
    array([3., 3.])
    """
    return Batched(program(function), in_axes, out_axes)
