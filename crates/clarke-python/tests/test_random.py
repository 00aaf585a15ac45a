"""Clarke against an implementation that nobody here wrote: the same numpy code run by JAX, in float64.

Every sample of every function of numpy that JAX has, random programs of them at points off ties, random piecewise linear
programs at points full of ties (under the preset `jax`), and the record of what frameworks return at ties.
"""

from __future__ import annotations

import json
import os
import random
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clarke as ck
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import samples  # noqa: E402
from test_numpy import draw, flat, name  # noqa: E402

# Compiling takes most of the time; the programs are small.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
jax = pytest.importorskip("jax", reason="JAX is not installed here: nothing was compared with it")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
jnp = jax.numpy

Arrays = list[np.ndarray[Any, Any]]


def close(ours: Any, theirs: Any, what: str, tolerance: float = 1e-10) -> None:
    theirs = np.asarray(theirs)
    assert np.shape(ours) == theirs.shape, what
    scale = max(1.0, np.max(np.abs(theirs), initial=0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale, err_msg=what)


class Lenient:
    """JAX's functions, which take lists of numbers for arrays as numpy's do."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.module, name)
        if isinstance(found, types.ModuleType):
            return Lenient(found)
        if not callable(found) or isinstance(found, type):
            return found
        return lambda *args, **keywords: found(*map(array_of, args), **keywords)


def array_of(value: Any) -> Any:
    """A list of numbers as an array."""
    is_numbers = isinstance(value, list) and value and all(isinstance(v, (int, float)) for v in value)
    return np.array(value) if is_numbers else value


def in_jax(code: Callable[..., Any]) -> Callable[..., Any] | None:
    """Numpy code with JAX's functions instead; None if it is a function that JAX has not."""
    if not isinstance(code, types.FunctionType) or code.__module__ != samples.__name__:
        module = jnp.linalg if "linalg" in name(code) else jnp.fft if "fft" in name(code) else jnp
        return getattr(module, code.__name__, None)
    closure = code.__closure__
    if code.__defaults__ and isinstance(code.__defaults__[0], np.ufunc):
        found = getattr(jnp, code.__defaults__[0].__name__, None)
        return (
            None
            if found is None
            else types.FunctionType(code.__code__, {**code.__globals__, "np": Lenient(jnp)}, None, (found,), closure)
        )
    return types.FunctionType(code.__code__, {**code.__globals__, "np": Lenient(jnp)}, None, code.__defaults__, closure)


# Functions that jump, or are constant between jumps: they have a value and no derivative.
JUMPS = {
    np.floor, np.ceil, np.rint, np.trunc, np.sign, np.floor_divide, np.remainder, np.fmod, np.divmod, np.modf, np.round, np.fix,
}  # fmt: skip

#: Samples at which a condition holds with equality, and Clarke says so.
EQUAL = {np.sinc: 1}

#: Of how many samples something was compared.
compared = 0

both = [
    pytest.param(
        f, s, id=f"{name(f)}-{k}", marks=[pytest.mark.xfail(raises=ck.NoDerivativeError)] * (EQUAL.get(f) == k)
    )
    for table in (samples.UFUNCS, samples.FUNCTIONS)
    for f, all_of in table.items()
    # The other samples of functions of two arguments are for values.
    for k, s in enumerate(all_of[: 3 if table is samples.UFUNCS else None])
]


@pytest.mark.parametrize(("function", "sample"), both)
def test_samples_have_the_derivatives_of_jax(function: Any, sample: samples.Sample) -> None:
    theirs = in_jax(sample.code)
    if theirs is None:
        pytest.skip(f"JAX has no {name(function)}")
    x = draw(sample, 7)
    rng = np.random.default_rng(1)
    try:
        value, pull = jax.vjp(lambda *a: [jnp.asarray(v, float) for v in joined(theirs(*a))], *x)
    except (TypeError, NotImplementedError, ValueError, AttributeError, jax.errors.JAXTypeError, IndexError) as error:
        pytest.skip(f"JAX does not take this sample of {name(function)}: {str(error).splitlines()[0]}")
    ours = ck.program(lambda *a: tuple(flat(sample.code(*a))))
    cotangents = [rng.normal(size=v.shape) for v in value]
    if function in JUMPS:
        with pytest.raises(ck.NoDerivativeError):
            ours.vjp(*x)[1](tuple(cotangents))
        return
    found, back = ours.vjp(*x)
    for a, b in zip(found, value, strict=True):
        close(a, b, "value")
    for a, b in zip(back(tuple(cotangents)), pull(cotangents), strict=True):
        close(a, b, "vjp")
    tangents = tuple(rng.normal(size=v.shape) for v in x)
    _, dy = ours.jvp(tuple(x), tangents)
    _, theirs_dy = jax.jvp(lambda *a: [jnp.asarray(v, float) for v in joined(theirs(*a))], tuple(x), tangents)
    for a, b in zip(dy, theirs_dy, strict=True):
        close(a, b, "jvp")
    global compared
    compared += 1


def test_most_samples_were_compared() -> None:
    if compared == 0:
        pytest.skip("the samples were not run")
    assert compared > 0.8 * len(both)


def joined(result: Any) -> list[Any]:
    return [part for item in result for part in joined(item)] if isinstance(result, (list, tuple)) else [result]


# Random programs.

#: Statements; `a` and `b` are values made before. `ops` are functions that numpy has not.
SMOOTH = [
    "np.sin(a)", "np.tanh(a)", "a * b", "a + b", "a - 2.0 * b", "a / (2.0 + np.cos(b))", "np.exp(-a**2)", "np.log(2.0 + np.sin(a))",
    "np.sqrt(1.0 + a**2)", "a**3 / 10", "np.arctan2(a, 3.0 + np.cos(b))", "np.logaddexp(a, b)", "np.hypot(a, 1.0)", "np.sum(a, axis=0)",
    "np.mean(a, axis=-1, keepdims=True)", "np.max(a, axis=-1)", "np.min(a)", "np.maximum(a, b)", "np.minimum(a, 0.3)", "abs(a)", "a.T",
    "np.where(a > b, a, b**2)", "np.where((a > 0) & (b < 1), np.sin(a), b)", "np.clip(a, -0.7, 0.9)", "a[..., ::-1]", "a[0]", "a[-1:]", "a[..., None]",
    "np.stack([a, 2 * a])", "np.concatenate([a, b])", "np.cumsum(a, axis=-1)", "np.sort(a, axis=-1)", "np.linalg.norm(a)", "np.linalg.norm(a, 1)",
    "np.linalg.norm(a, np.inf, axis=-1) if a.ndim else a", "a @ b", "np.dot(a, b.T)", "np.outer(a, b)[:3, :3]", "np.reshape(a, -1)", "np.var(a, axis=-1)",
    "np.std(a)", "np.prod(np.tanh(a), axis=-1)", "np.diff(a, axis=-1)", "np.roll(a, 1)", "np.flip(a)", "np.median(a, axis=-1)", "np.quantile(a, 0.3)",
    "np.einsum('...i,...i->...', a, b)", "np.linalg.solve(np.eye(a.shape[-1]) * 5 + np.tanh(a), b)", "np.linalg.inv(np.eye(a.shape[-1]) * 5 + np.tanh(a))",
    "np.interp(a, np.array([-1.0, 0.1, 1.2]), np.array([0.3, -1.0, 2.0]))", "np.pad(a, 1)[:3]", "np.tile(a, 2)", "np.repeat(a, 2, axis=-1)[..., 1:4]",
    "np.trapezoid(a)", "np.kron(a, np.array([1.0, -2.0]))", "np.convolve(np.ravel(a), np.array([1.0, 0.5, -1.0]), 'same')", "np.linalg.norm(a, 'nuc')",
    "np.tril(a) if a.ndim > 1 else a", "np.average(a, axis=-1, weights=np.arange(1.0, a.shape[-1] + 1))", "np.take(a, np.array([0, -1]), axis=-1)", "np.expm1(a / 3)",
    "np.log1p(a**2)", "np.arctan(a)", "np.arcsinh(a)", "np.cosh(a / 2)", "np.logaddexp(a, 0)", "ops.relu(a)", "ops.sigmoid(a)", "ops.softplus(a)",
    "ops.logsumexp(a, axis=-1)", "ops.softmax(a, axis=-1)", "ops.leaky_relu(a)", "ops.elu(a)", "ops.gelu(a)", "ops.erf(a)", "np.cbrt(2.0 + np.sin(a))",
]  # fmt: skip

#: Piecewise linear ones, all of whose numbers are exact on a grid.
LINEAR = [
    "a + b", "a - 2.0 * b", "np.maximum(a, b)", "np.minimum(a, b)", "np.maximum(a, 0.0)", "abs(a)", "np.abs(a - b)", "np.max(a, axis=-1)", "np.min(a, axis=0)",
    "np.max(a)", "np.sum(a, axis=-1)", "np.clip(a, -1.0, 1.0)", "np.where(a > b, a, b)", "np.where(a >= 0, a, -a)", "a[::-1]", "a.T", "np.sort(a, axis=-1)",
    "np.stack([a, a])", "np.linalg.norm(a, 1)", "np.linalg.norm(np.ravel(a), np.inf)", "np.median(a, axis=-1)", "np.diff(a, axis=-1)", "ops.relu(a)",
    "np.cumsum(a, axis=-1)", "np.reshape(a, -1)", "0.5 * a",
]  # fmt: skip

OURS = types.SimpleNamespace(
    relu=ck.relu, sigmoid=ck.sigmoid, softplus=ck.softplus, logsumexp=ck.logsumexp, softmax=ck.softmax, leaky_relu=ck.leaky_relu, elu=ck.elu,
    gelu=ck.gelu, erf=ck.erf,
)  # fmt: skip


def theirs() -> types.SimpleNamespace:
    nn = jax.nn
    return types.SimpleNamespace(
        relu=nn.relu, sigmoid=nn.sigmoid, softplus=nn.softplus, logsumexp=nn.logsumexp, softmax=nn.softmax, leaky_relu=nn.leaky_relu, elu=nn.elu,
        gelu=lambda x: nn.gelu(x, approximate=False), erf=jax.scipy.special.erf,
    )  # fmt: skip


def is_clear(text: str, a: Any, b: Any, value: Any) -> bool:
    """Whether a statement neither jumps at the point nor is where JAX's derivative of a norm is NaN."""
    if "where" in text:
        return not np.any(a - b == 0) and bool(np.all(a)) and not np.any(b == 1)
    return bool(np.all(value)) or not ("norm" in text or "std" in text)


def written(statements: list[str], seed: int, length: int, x: Arrays) -> str:
    """A random program as text: `f(x, y)`, made of statements that have values at the point."""
    chance = random.Random(seed)
    scope: dict[str, Any] = {"np": np, "ops": OURS}
    values: dict[str, Any] = {"x": x[0], "y": x[1]}
    lines: list[str] = []
    used: set[str] = set()
    while len(lines) < length:
        # Late values come more often, so that programs are deep.
        names = list(values)
        a, b = (names[max(0, int(len(names) * (1 - chance.random() ** 2)) - 1)] for _ in range(2))
        text = chance.choice(statements)
        if "axis" in text and not values[a].ndim:
            # Numpy takes the axis of a number for none, JAX does not.
            continue
        try:
            with np.errstate(all="raise"):
                value = np.asarray(eval(text, scope, {"a": values[a], "b": values[b]}))
        except Exception:
            # Of shapes that do not fit, or outside of a domain.
            continue
        if statements is SMOOTH and not is_clear(text, values[a], values[b], value):
            continue
        if (
            not value.size
            or value.size > 60
            or value.ndim > 3
            or not np.all(np.isfinite(value))
            or np.max(np.abs(value)) > 50
        ):
            continue
        target = f"v{len(lines)}"
        lines.append(f"    a, b = {a}, {b}\n    {target} = {text}")
        values[target] = value
        used |= {a, b}
    ends = [v for v in values if v not in used] or [list(values)[-1]]
    total = " + ".join(f"np.sum({v} * {k + 1.0})" for k, v in enumerate(ends))
    return "def f(x, y):\n" + "\n".join(lines) + f"\n    return {total}\n"


def made(text: str, module: Any, ops: Any) -> Callable[..., Any]:
    scope: dict[str, Any] = {"np": module, "ops": ops}
    exec(compile(text, "<a random program>", "exec"), scope)
    return scope["f"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_have_the_derivatives_of_jax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x: Arrays = [rng.normal(size=(3, 3)), rng.normal(size=3)]
    text = written(SMOOTH, seed, 4 + seed % 17, x)
    f, g = ck.program(made(text, np, OURS)), jax.jit(made(text, jnp, theirs()))
    d: Arrays = [rng.normal(size=v.shape) for v in x]
    close(f(*x), g(*x), text)
    value, gradient = f.value_and_grad(*x, argnums=(0, 1), policy="jax")
    close(value, g(*x), text)
    wanted = jax.jit(jax.grad(g, (0, 1)))(*x)
    for a, b in zip(gradient, wanted, strict=True):
        close(a, b, text)
    close(f.jvp(tuple(x), tuple(d), policy="jax")[1], jax.jvp(g, tuple(x), tuple(d))[1], text)
    for a, b in zip(f.vjp(*x, policy="jax")[1](2.0), wanted, strict=True):
        close(a, 2 * b, text)
    for a, b in zip(f.jacobian(*x, argnums=(0, 1), policy="jax"), wanted, strict=True):
        close(a, b, text)
    ours = f.hvp(tuple(x), tuple(d), policy="jax")
    second = jax.jit(lambda x, d: jax.jvp(jax.grad(g, (0, 1)), x, d)[1])(tuple(x), tuple(d))
    for a, b in zip(ours, second, strict=True):
        close(a, b, text, 1e-8)


@pytest.mark.parametrize("seed", range(40))
def test_at_ties_the_preset_jax_is_jax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x: Arrays = [rng.integers(-1, 2, size=(3, 3)).astype(float), rng.integers(-1, 2, size=3).astype(float)]
    text = written(LINEAR, seed, 3 + seed % 6, x)
    f, g = ck.program(made(text, np, OURS)), made(text, jnp, theirs())
    close(f(*x), g(*x), text)
    for a, b in zip(f.grad(*x, argnums=(0, 1), policy="jax"), jax.grad(g, (0, 1))(*x), strict=True):
        close(a, b, f"{text}\nat {x}")


# The record of what frameworks return at ties.

RECORD = Path(__file__).parents[2] / "clarke" / "tests" / "data" / "kink_conventions.json"

#: The functions of the record as numpy code; and the frameworks whose function of that name it is.
CODE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "relu": ("jax pytorch", lambda x: ck.relu(x)),
    "relu_as_maximum": ("jax pytorch", lambda x: np.maximum(x, 0)),
    "relu_as_where_gt": ("jax pytorch", lambda x: np.where(x > 0, x, 0)),
    "relu_as_where_ge": ("jax pytorch", lambda x: np.where(x >= 0, x, 0)),
    "relu_as_half_x_plus_abs": ("jax pytorch", lambda x: (x + abs(x)) / 2),
    "clamp_min_0": ("jax", lambda x: np.clip(x, 0, None)),
    "relu6_at_0": ("jax pytorch", ck.relu6),
    "relu6_at_6": ("jax pytorch", ck.relu6),
    "leaky_relu": ("jax pytorch", ck.leaky_relu),
    "hardsigmoid_at_3": ("jax pytorch", ck.hard_sigmoid),
    "hardswish_at_3": ("jax pytorch", ck.hard_swish),
    "abs": ("jax pytorch", np.abs),
    "clip_at_lower": ("jax pytorch", lambda x: np.clip(x, 0, 1)),
    "clip_at_upper": ("jax pytorch", lambda x: np.clip(x, 0, 1)),
    "clip_lower_eq_upper": ("jax pytorch", lambda x: np.clip(x, 1, 1)),
    "logaddexp_ties": ("jax pytorch", lambda x: np.logaddexp(x, x)),
    "relu_neg_plus_x": ("jax pytorch", lambda x: ck.relu(-x) + x),
    "zero_function": ("jax pytorch", lambda x: ck.relu(-x) + x - ck.relu(x)),
    "zero_function_max": ("jax pytorch", lambda x: np.maximum(-x, 0) + x - np.maximum(x, 0)),
    "identity_abs": ("jax pytorch", lambda x: 2 * ck.relu(x) - np.fabs(x)),
    "identity_max_xx": ("jax pytorch", lambda x: np.maximum(x, x)),
    "maximum_tie": ("jax pytorch", lambda v: np.maximum(v[0], v[1])),
    "minimum_tie": ("jax pytorch", lambda v: np.minimum(v[0], v[1])),
    "clamp_tensor_min_tie": ("jax pytorch", lambda v: np.clip(v[0], v[1], None)),
    "hypot_0": ("jax", lambda v: np.hypot(v[0], v[1])),
    "amax_ties": ("jax pytorch", np.amax),
    "max_reduce_ties": ("jax pytorch", np.max),
    "max_dim_ties": ("jax", lambda v: np.max(v, axis=0)),
    "lax_reduce_max_ties": ("jax", np.maximum.reduce),
    "min_reduce_ties": ("jax pytorch", np.min),
    "cummax_ties": ("jax pytorch", lambda v: np.maximum.accumulate(v).sum()),
    "sort_ties_first": ("jax pytorch", lambda v: np.sort(v)[0]),
    "sort_ties_second": ("jax pytorch", lambda v: np.sort(v)[1]),
    "median_odd_ties": ("jax", np.median),
    "median_even": ("jax", np.median),
    "quantile_half_even": ("jax pytorch", lambda v: np.quantile(v, 0.5)),
    "maxpool2_reshape_ties": ("jax pytorch", lambda v: v.reshape(1, 2, 1, 2).max((1, 3)).sum()),
    "norm1_0": ("jax pytorch", lambda v: np.linalg.norm(v, 1)),
    "norminf_ties": ("jax pytorch", lambda v: np.linalg.norm(v, np.inf)),
    "norminf_0": ("jax pytorch", lambda v: np.linalg.norm(v, np.inf)),
    "norm_nuclear_0": ("jax pytorch", lambda v: np.linalg.norm(v, "nuc")),
    "spectral_norm_ties": ("jax pytorch", lambda v: np.linalg.norm(v, 2)),
}


def recorded() -> list[Any]:
    record = {case["name"]: case for case in json.loads(RECORD.read_text())["cases"]}
    return [
        pytest.param(record[n], framework, code, id=f"{n}-{framework}")
        for n, (all_of, code) in CODE.items()
        for framework in all_of.split()
    ]


@pytest.mark.parametrize(("case", "framework", "code"), recorded())
def test_at_the_ties_of_the_record_presets_return_what_is_recorded(
    case: Any, framework: str, code: Callable[..., Any]
) -> None:
    x = np.array(case["point"], dtype=float)
    gradient = ck.program(lambda v: code(v)).grad(float(x) if x.ndim == 0 else x, policy=framework)
    np.testing.assert_allclose(gradient, np.array(case[framework], dtype=float), atol=1e-11)
