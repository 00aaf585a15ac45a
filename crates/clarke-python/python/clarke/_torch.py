"""Programs as functions of PyTorch, which its autograd differentiates through."""

from __future__ import annotations

import functools
from typing import Any, Callable

from ._arrays import foreign
from ._errors import DtypeError
from ._flat import Adapter, Flat, number_dtype, required
from ._function import PolicyLike

__all__ = ["to_torch"]


def to_torch(function: Callable[..., Any], *, policy: PolicyLike | None = None) -> Callable[..., Any]:
    """A function as one of tensors of PyTorch: `torch.autograd` goes through it, with Clarke's gradient.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python, of numbers and arrays, or dicts, lists, tuples and dataclasses of such.
    policy : str, float or Policy, optional
        What is picked at ties, see `clarke.grad`; the element of least norm by default.

    Returns
    -------
    callable
        Takes tensors on the CPU where the function takes arrays, and returns tensors. Their memory is shared, not copied.
        float32 if all tensors are float32 (numbers of Python take either), else float64. Gradients have the arguments' dtypes. ``backward`` may be
        differentiated again, with a policy that is fixed (`Policy.is_fixed`); ``torch.func.vmap`` and
        ``torch.func.grad`` take it too.

    Raises
    ------
    ClarkeError
        PyTorch is not installed.
    DtypeError
        A tensor that is not on the CPU, or of no real dtype.
    NoDerivativeError
        In ``backward``, where there is no derivative.

    Examples
    --------
    >>> import clarke as ck
    >>> import torch                                                                         # doctest: +SKIP
    >>> relu = ck.to_torch(ck.parse("relu(x)"), policy="step=0.5")                           # doctest: +SKIP
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)                               # doctest: +SKIP
    >>> relu(x).sum().backward()                                                             # doctest: +SKIP
    >>> x.grad                                                                               # doctest: +SKIP
    tensor([0.0000, 0.5000, 1.0000])
    """
    torch = required("torch", "PyTorch")
    adapter = Adapter(function, policy)
    call, _ = _rules()

    def traced(*args: Any) -> Any:
        flat, leaves, unflatten = adapter.flat(args)
        wide = getattr(torch, number_dtype(leaves))
        tensors = [leaf if isinstance(leaf, torch.Tensor) else torch.as_tensor(leaf, dtype=wide) for leaf in leaves]
        return unflatten(call.apply(flat, *tensors))

    return adapter.named(traced, "PyTorch")


@functools.cache
def _rules() -> tuple[Any, Any]:
    """The function of torch that calls a flat one, and the one that multiplies with its transposed Jacobian.

    The second is the first's backward rule, and is itself differentiated as the function that it is.
    """
    torch = required("torch", "PyTorch")

    class Rule(torch.autograd.Function):  # type: ignore[misc, name-defined, unused-ignore]
        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.flat = inputs[0]
            ctx.save_for_backward(*inputs[1:])
            ctx.set_materialize_grads(True)

    class Call(Rule):
        @staticmethod
        def forward(flat: Flat, *tensors: Any) -> Any:
            return _tensors(flat.value(*map(_array, tensors)))

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            return None, *Pull.apply(ctx.flat, *ctx.saved_tensors, *cotangents)

        @staticmethod
        def vmap(info: Any, dims: Any, flat: Flat, *tensors: Any) -> Any:
            mapped = [dim is not None for dim in dims[1:]]
            moved = [t if dim is None else t.movedim(dim, 0) for t, dim in zip(tensors, dims[1:], strict=True)]
            results = Call.apply(flat.batch(mapped), *moved)
            return results, (0,) * len(results)

    class Pull(Rule):
        @staticmethod
        def forward(flat: Flat, *tensors: Any) -> Any:
            pulled = _tensors(flat.pull(*map(_array, tensors)))
            return tuple(g.to(t.dtype) for g, t in zip(pulled, tensors[: flat.inputs], strict=True))

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            tensors = ctx.saved_tensors
            pulled = ctx.flat.pulled(len(tensors) - ctx.flat.inputs)
            return None, *Pull.apply(pulled, *tensors, *cotangents)

        @staticmethod
        def vmap(info: Any, dims: Any, flat: Flat, *tensors: Any) -> Any:
            # Each element of the batch has a gradient of its own, also in what is the same for all.
            moved = [
                t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
                for t, dim in zip(tensors, dims[1:], strict=True)
            ]
            results = Pull.apply(flat.batch([True] * flat.inputs), *moved)
            return results, (0,) * len(results)

    def _tensors(arrays: Any) -> Any:
        return tuple(torch.as_tensor(array) for array in arrays)

    return Call, Pull


def _array(tensor: Any) -> Any:
    """A tensor as an array that shares its memory."""
    if not tensor.is_floating_point() and tensor.is_complex():
        raise DtypeError(f"a tensor of dtype {tensor.dtype} cannot be an argument: Clarke computes with real numbers")
    return foreign(tensor.detach())
