"""Programs as functions of PyTorch. Skipped where PyTorch is not installed."""

from __future__ import annotations

from typing import Any

import clarke as ck
import numpy as np
import pytest

torch = pytest.importorskip("torch")


@ck.program
def loss(w: Any, x: Any) -> Any:
    return np.maximum(x @ w, 0.0).sum() + 0.5 * np.abs(w).sum()


def twin(w: Any, x: Any) -> Any:
    return torch.relu(x @ w).sum() + 0.5 * torch.abs(w).sum()


W = [0.5, -1.0, 2.0]
X = [[1.0, 2.0, 0.3], [-1.0, 0.5, 0.7]]


def tensors(dtype: Any = torch.float64) -> Any:
    return torch.tensor(W, dtype=dtype, requires_grad=True), torch.tensor(X, dtype=dtype, requires_grad=True)


def gradients(f: Any, dtype: Any = torch.float64) -> Any:
    args = tensors(dtype)
    y = f(*args)
    y.backward()
    return [y.detach(), *(arg.grad for arg in args)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_the_same_function_in_torch(dtype: Any) -> None:
    for own, other in zip(gradients(ck.to_torch(loss), dtype), gradients(twin, dtype), strict=True):
        torch.testing.assert_close(own, other)


def test_gradcheck_twice() -> None:
    smooth = ck.to_torch(lambda x, y: (np.sin(x) * y**3).sum())
    x, y = tensors()[0], torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(smooth, (x, y))
    assert torch.autograd.gradgradcheck(smooth, (x, y))


def test_a_policy_decides_at_ties() -> None:
    zero = ck.parse("sum(relu(-x) + x - relu(x))")
    for policy in ["jax", "pytorch", "step=0.25"]:
        x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        ck.to_torch(zero, policy=policy)(x).backward()
        np.testing.assert_array_equal(x.grad.numpy(), zero.grad(np.zeros(2), policy=policy))


def test_memory_is_shared() -> None:
    x = torch.arange(6.0)
    array = np.from_dlpack(x)
    assert array.ctypes.data == x.data_ptr()
    y = ck.to_torch(lambda x: np.abs(x))(x)
    assert y.dtype == torch.float32 and torch.equal(y, x)
    # Tensors are arguments of a program as they are, by DLPack.
    assert ck.program(lambda x: x.sum())(x) == 15.0
    assert np.from_dlpack(torch.from_dlpack(ck.program(lambda x: x + 1.0)(x)))[0] == 1.0


def test_tensors_that_are_no_arrays_are_errors() -> None:
    f = ck.program(lambda x: x.sum())
    with pytest.raises(ck.DtypeError, match="detach"):
        f(torch.ones(2, requires_grad=True))
    with pytest.raises(ck.DtypeError):
        f(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(ck.DtypeError):
        ck.to_torch(f)(torch.ones(2, dtype=torch.complex64))


def test_structure() -> None:
    f = ck.to_torch(lambda p, k: {"y": np.abs(p["w"]) * k, "b": p["b"][0] + 1.0})
    w = torch.tensor([-1.0, 2.0], requires_grad=True)
    out = f({"w": w, "b": (3.0, "a text")}, 2)
    assert set(out) == {"y", "b"}
    # Numbers of Python do not widen.
    assert out["y"].dtype == torch.float32
    out["y"].sum().backward()
    torch.testing.assert_close(w.grad, torch.tensor([-2.0, 2.0]))


@pytest.mark.parametrize("dims", [(0, None), (None, 0), (0, 0)])
def test_functorch(dims: Any) -> None:
    f = ck.to_torch(loss)
    w, x = (t.detach() for t in tensors())
    many = (torch.stack([w, 2 * w, -w]), torch.stack([x, -x, x + 0.1]))
    args = [m if dim == 0 else m[0] for m, dim in zip(many, dims, strict=True)]
    for make in (lambda g: g, lambda g: torch.func.grad(g, argnums=(0, 1))):
        own, other = (torch.func.vmap(make(g), dims)(*args) for g in (f, twin))
        torch.testing.assert_close(own, other)


def test_no_derivative_is_an_error_and_no_nan() -> None:
    x = torch.tensor(0.0, requires_grad=True)
    y = ck.to_torch(ck.parse("sqrt(abs(x))"))(x)
    with pytest.raises(ck.NotLipschitzError):
        y.backward()
