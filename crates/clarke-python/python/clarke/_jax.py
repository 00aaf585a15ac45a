"""Programs as functions of JAX, which it compiles, maps and differentiates through."""

from __future__ import annotations

import functools
from typing import Any, Callable, Sequence

import numpy as np

from ._arrays import is_double
from ._flat import Adapter, Flat, number_dtype, required
from ._function import PolicyLike

__all__ = ["to_jax"]


def to_jax(function: Callable[..., Any], *, policy: PolicyLike | None = None) -> Callable[..., Any]:
    """A function as one of JAX: it can stand in what `jax.jit`, `jax.vmap` and `jax.grad` are applied to.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python, of numbers and arrays, or dicts, lists, tuples and dataclasses of such.
    policy : str, float or Policy, optional
        What is picked at ties, see `clarke.grad`; the element of least norm by default.

    Returns
    -------
    callable
        Takes and returns arrays of JAX. It is called back from JAX's code on the CPU (`jax.pure_callback`), and its reverse
        mode is Clarke's (`jax.custom_vjp`); forward mode is not to be had. A batch of `jax.vmap` is one call of the
        batched program. float32 if all arguments are float32 or JAX's 64 bit are switched off, else float64. Gradients may be
        differentiated again, with a policy that is fixed (`Policy.is_fixed`).

    Raises
    ------
    ClarkeError
        JAX is not installed.

    Examples
    --------
    >>> import clarke as ck
    >>> import jax                                                                           # doctest: +SKIP
    >>> relu = ck.to_jax(ck.parse("relu(x)"), policy="step=0.5")                             # doctest: +SKIP
    >>> jax.jit(jax.vmap(jax.grad(relu)))(jax.numpy.array([-1.0, 0.0, 2.0]))                 # doctest: +SKIP
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    jax = required("jax", "JAX")
    adapter = Adapter(function, policy)
    call, _ = _rules()

    def traced(*args: Any) -> Any:
        flat, leaves, unflatten = adapter.flat(args)
        wide = jax.dtypes.canonicalize_dtype(number_dtype(leaves))
        asarray = jax.numpy.asarray
        return unflatten(call(flat, *(asarray(leaf, None if hasattr(leaf, "dtype") else wide) for leaf in leaves)))

    return adapter.named(traced, "JAX")


@functools.cache
def _rules() -> tuple[Any, Any]:
    """The function of JAX that calls a flat one, and the one that multiplies with its transposed Jacobian.

    The second is the first's reverse mode, and is itself differentiated as the function that it is.
    """
    jax = required("jax", "JAX")

    def back(run: Any, shapes: Any, dtypes: Sequence[Any], arrays: Sequence[Any]) -> Any:
        results = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        ranks = [array.ndim for array in arrays]

        def on_host(*given: Any) -> Any:
            values = run(ranks, [np.asarray(array) for array in given])
            return tuple(np.asarray(value, dtype) for value, dtype in zip(values, dtypes, strict=True))

        return jax.pure_callback(on_host, tuple(results), *arrays, vmap_method="expand_dims")

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def call(flat: Flat, *arrays: Any) -> Any:
        shapes = flat.shapes(*map(_stand_in, arrays))
        wide = is_double([_stand_in(array) for array in arrays])
        dtype = jax.dtypes.canonicalize_dtype(np.float64 if wide else np.float32)
        return back(functools.partial(_value, flat), shapes, [dtype] * len(shapes), arrays)

    def call_forward(flat: Flat, *arrays: Any) -> Any:
        return call(flat, *arrays), arrays

    def call_backward(flat: Flat, arrays: Any, cotangents: Any) -> Any:
        return _none_for_integers(jax, arrays, pull(flat, *arrays, *cotangents))

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def pull(flat: Flat, *arrays: Any) -> Any:
        own = arrays[: flat.inputs]
        wide = jax.dtypes.canonicalize_dtype(np.float64)
        dtypes = [a.dtype if jax.numpy.issubdtype(a.dtype, np.floating) else wide for a in own]
        return back(functools.partial(_pull, flat), [a.shape for a in own], dtypes, arrays)

    def pull_forward(flat: Flat, *arrays: Any) -> Any:
        return pull(flat, *arrays), arrays

    def pull_backward(flat: Flat, arrays: Any, cotangents: Any) -> Any:
        pulled = pull(flat.pulled(len(arrays) - flat.inputs), *arrays, *cotangents)
        return _none_for_integers(jax, arrays, pulled)

    call.defvjp(call_forward, call_backward)
    pull.defvjp(pull_forward, pull_backward)
    return call, pull


def _none_for_integers(jax: Any, arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
    """The cotangents, with JAX's own kind of nothing for arguments that are integers."""
    floating = [jax.numpy.issubdtype(array.dtype, np.floating) for array in arrays]
    nothing = [None if own else np.zeros(array.shape, jax.dtypes.float0) for own, array in zip(floating, arrays)]
    return tuple(c if own else none for own, c, none in zip(floating, cotangents, nothing))


def _stand_in(array: Any) -> Any:
    """An array of this shape and dtype that takes no memory."""
    return np.broadcast_to(np.zeros((), array.dtype), array.shape)


def _value(flat: Flat, ranks: Sequence[int], arrays: Sequence[Any]) -> Sequence[Any]:
    """The results. Axes in front of the arguments' own are those of `jax.vmap`, of length 1 where it does not map."""
    axes = _mapped_axes(ranks, arrays)
    if not axes:
        return flat.value(*arrays)
    mapped = [array.shape[: len(axes)] != (1,) * len(axes) for array in arrays]
    own = [
        _joined(array, axes) if is_mapped else array.reshape(array.shape[len(axes) :])
        for array, is_mapped in zip(arrays, mapped, strict=True)
    ]
    if not any(mapped):
        return [np.broadcast_to(value, (*axes, *np.shape(value))) for value in flat.value(*own)]
    return _split(flat.batch(mapped).value(*own), axes)


def _pull(flat: Flat, ranks: Sequence[int], arrays: Sequence[Any]) -> Sequence[Any]:
    """The product with the cotangents. Each element of a batch has one of its own, also in what is the same for all."""
    axes = _mapped_axes(ranks, arrays)
    if not axes:
        return flat.pull(*arrays)
    return _split(flat.batch([True] * flat.inputs).pull(*(_joined(array, axes) for array in arrays)), axes)


def _mapped_axes(ranks: Sequence[int], arrays: Sequence[Any]) -> tuple[int, ...]:
    """The axes in front of the arguments' own."""
    front = [array.shape[: array.ndim - rank] for array, rank in zip(arrays, ranks, strict=True)]
    return np.broadcast_shapes(*front)


def _joined(array: Any, axes: tuple[int, ...]) -> Any:
    """All axes in front as one."""
    own = array.shape[len(axes) :]
    return np.ascontiguousarray(np.broadcast_to(array, (*axes, *own))).reshape(int(np.prod(axes)), *own)


def _split(results: Sequence[Any], axes: tuple[int, ...]) -> list[Any]:
    """The axes in front as they were."""
    return [result.reshape(*axes, *result.shape[1:]) for result in results]
