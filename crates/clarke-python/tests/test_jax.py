"""Programs as functions of JAX. Skipped where JAX is not installed."""

from __future__ import annotations

from typing import Any

import clarke as ck
import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy


@pytest.fixture(autouse=True, params=[False, True], ids=["32", "64"])
def bits(request: pytest.FixtureRequest) -> Any:
    """Both settings of JAX's 64 bit."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield 64 if request.param else 32
    jax.config.update("jax_enable_x64", before)


@ck.program
def loss(w: Any, x: Any) -> Any:
    return np.maximum(x @ w, 0.0).sum() + 0.5 * np.abs(w).sum()


def twin(w: Any, x: Any) -> Any:
    return jnp.maximum(x @ w, 0.0).sum() + 0.5 * jnp.abs(w).sum()


W = np.array([0.5, -1.0, 2.0])
X = np.array([[1.0, 2.0, 0.3], [-1.0, 0.5, 0.7]])


def close(a: Any, b: Any) -> None:
    for one, other in zip(jax.tree_util.tree_leaves(a), jax.tree_util.tree_leaves(b), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5 if one.dtype == np.float32 else 1e-12)


def test_values_and_gradients_are_those_of_the_same_function_in_jax() -> None:
    f = ck.to_jax(loss)
    w, x = jnp.asarray(W), jnp.asarray(X)
    close(f(w, x), twin(w, x))
    close(jax.jit(f)(w, x), twin(w, x))
    close(jax.grad(f, argnums=(0, 1))(w, x), jax.grad(twin, argnums=(0, 1))(w, x))
    close(jax.jit(jax.value_and_grad(f))(w, x), jax.value_and_grad(twin)(w, x))


def test_float32_stays(bits: int) -> None:
    f = ck.to_jax(loss)
    w, x = jnp.asarray(W, "float32"), jnp.asarray(X, "float32")
    assert f(w, x).dtype == jnp.float32
    assert jax.grad(f)(w, x).dtype == jnp.float32
    # Numbers of Python do not widen.
    assert ck.to_jax(lambda x, k: x * k)(w, 2).dtype == jnp.float32
    # One wide argument makes the computation wide; each gradient has its argument's dtype.
    wide, narrow = jax.grad(f, argnums=(0, 1))(jnp.asarray(W), x)
    assert (wide.dtype, narrow.dtype) == (jnp.asarray(W).dtype, jnp.float32)


def test_a_policy_decides_at_ties() -> None:
    x = jnp.zeros(2)
    for policy in ["jax", "pytorch", "step=0.25"]:
        f = ck.to_jax(ck.parse("sum(relu(-x) + x - relu(x))"), policy=policy)
        expected = ck.parse("sum(relu(-x) + x - relu(x))").grad(np.zeros(2), policy=policy)
        np.testing.assert_array_equal(jax.grad(f)(x), expected)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_is_one_call_a_batch_and_the_loop(axes: Any) -> None:
    f = ck.to_jax(loss)
    ws, xs = jnp.stack([W, 2 * W, -W]), jnp.stack([X, -X, X + 0.1])
    args = [many if axis == 0 else many[0] for many, axis in zip((ws, xs), axes)]
    for make in (lambda g: g, lambda g: jax.grad(g, argnums=(0, 1)), jax.jit):
        close(jax.vmap(make(f), axes)(*args), jax.vmap(make(twin), axes)(*args))
    # The gradient of a batch sums over what is the same for all of it.
    close(
        jax.grad(lambda *a: jax.vmap(f, axes)(*a).sum(), argnums=(0, 1))(*args),
        jax.grad(lambda *a: jax.vmap(twin, axes)(*a).sum(), argnums=(0, 1))(*args),
    )


def test_nested_vmap() -> None:
    f = ck.to_jax(loss)
    ws, xs = jnp.stack([W, 2 * W, -W]), jnp.stack([X, -X])
    table = lambda g: jax.vmap(jax.vmap(g, (None, 0)), (0, None))  # noqa: E731
    close(table(f)(ws, xs), table(twin)(ws, xs))
    close(table(jax.grad(f))(ws, xs), table(jax.grad(twin))(ws, xs))


def test_second_derivatives() -> None:
    def smooth(x: Any) -> Any:
        return (x**3).sum() * x[0]

    f = ck.to_jax(smooth)
    x = jnp.asarray(W)
    close(jax.jacrev(jax.grad(f))(x), jax.hessian(smooth)(x))
    close(jax.grad(lambda x: jax.grad(lambda y: jax.grad(f)(y)[0])(x)[1])(x), jax.grad(
        lambda x: jax.grad(lambda y: jax.grad(smooth)(y)[0])(x)[1])(x))


def test_structure_integers_and_numbers() -> None:
    @ck.program
    def f(params: Any, k: Any, *, scale: float = 2.0) -> Any:
        return {"y": np.abs(params["w"]) * k * scale, "b": params["b"][0] + 1.0}

    def g(params: Any, k: Any) -> Any:
        return {"y": jnp.abs(params["w"]) * k * 2.0, "b": params["b"][0] + 1.0}

    params = {"w": jnp.asarray(W), "b": (jnp.asarray(3.0), "a text")}
    h = ck.to_jax(f)
    close(h(params, 3), g(params, 3))
    close(
        jax.grad(lambda w, k: h({"w": w, "b": (1.0, "a text")}, k)["y"].sum())(params["w"], 3),
        jax.grad(lambda w, k: g({"w": w, "b": (1.0, "a text")}, k)["y"].sum())(params["w"], 3),
    )
    _, back = jax.vjp(lambda w, k: h({"w": w, "b": (1.0, "a text")}, k)["b"], params["w"], jnp.asarray(3))
    nothing = back(jnp.ones(()))[1]
    assert nothing.dtype == jax.dtypes.float0


def test_no_derivative_is_an_error_and_no_nan() -> None:
    f = ck.to_jax(ck.parse("sqrt(abs(x))"))
    with pytest.raises(Exception, match="Lipschitz"):
        jax.block_until_ready(jax.grad(f)(jnp.asarray(0.0)))
