"""What frameworks return at ties, measured anew and compared with the record, case by case.

`tests/data/kink_conventions.json` has the points and what was measured when it was made; `tests/conventions.rs` holds
the presets to it. Here are its functions as JAX and PyTorch have them.
"""

import importlib.util
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

inf = math.inf
jl, special = jnp.linalg, jax.scipy.special


def in_jax():
    """The functions of the record in JAX, by name of the case."""
    pool = lambda v: lax.reduce_window(v, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID").sum()
    return {
        "relu": jax.nn.relu,
        "relu_as_maximum": lambda x: jnp.maximum(x, 0.0),
        "relu_as_where_gt": lambda x: jnp.where(x > 0, x, 0.0),
        "relu_as_where_ge": lambda x: jnp.where(x >= 0, x, 0.0),
        "relu_as_half_x_plus_abs": lambda x: (x + jnp.abs(x)) / 2,
        "clamp_min_0": lambda x: jnp.clip(x, 0.0, None),
        "relu6_at_0": jax.nn.relu6,
        "relu6_at_6": jax.nn.relu6,
        "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.01),
        "elu": lambda x: jax.nn.elu(x, 2.0),
        "hardtanh_at_1": jax.nn.hard_tanh,
        "hardtanh_at_m1": jax.nn.hard_tanh,
        "hardsigmoid_at_3": jax.nn.hard_sigmoid,
        "hardsigmoid_at_m3": jax.nn.hard_sigmoid,
        "hardswish_at_3": jax.nn.hard_swish,
        "hardswish_at_m3": jax.nn.hard_swish,
        "softshrink_at_lambda": lambda x: jnp.sign(x) * jnp.maximum(jnp.abs(x) - 0.5, 0.0),
        "abs": jnp.abs,
        "sign": jnp.sign,
        "sqrt": jnp.sqrt,
        "sqrt_of_square": lambda x: jnp.sqrt(x * x),
        "huber_at_delta": lambda x: jnp.where(jnp.abs(x) <= 1, 0.5 * x * x, jnp.abs(x) - 0.5),
        "smooth_l1_at_0": lambda x: jnp.where(jnp.abs(x) < 1, 0.5 * x * x, jnp.abs(x) - 0.5),
        "l1_loss": lambda x: jnp.abs(x - 0.0),
        "clip_at_lower": lambda x: jnp.clip(x, 0.0, 1.0),
        "clip_at_upper": lambda x: jnp.clip(x, 0.0, 1.0),
        "clip_lower_eq_upper": lambda x: jnp.clip(x, 1.0, 1.0),
        "floor": jnp.floor,
        "remainder": lambda x: jnp.remainder(x, 1.0),
        "logaddexp_ties": lambda x: jnp.logaddexp(x, x),
        "pow_0_5": lambda x: x ** 0.5,
        "x_log_x": lambda x: special.xlogy(x, x),
        "sinc": jnp.sinc,
        "relu_neg_plus_x": lambda x: jax.nn.relu(-x) + x,
        "mean_of_two_relu": lambda x: (jax.nn.relu(x) + jax.nn.relu(-x) + x) / 2,
        "zero_function": lambda x: jax.nn.relu(-x) + x - jax.nn.relu(x),
        "zero_function_max": lambda x: jnp.maximum(-x, 0.0) + x - jnp.maximum(x, 0.0),
        "identity_two_relu": lambda x: jax.nn.relu(x) - jax.nn.relu(-x),
        "identity_abs": lambda x: 2 * jax.nn.relu(x) - jnp.abs(x),
        "constant_branch": lambda x: jnp.where(x == 0, 0.0, x),
        "identity_max_xx": lambda x: jnp.maximum(x, x),
        "identity_min_xx": lambda x: jnp.minimum(x, x),
        "where_nan_sqrt": lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0),
        "where_nan_div": lambda x: jnp.where(x != 0, jnp.sin(x) / x, 1.0),
        "where_double_trick": lambda x: jnp.where(x != 0, jnp.sin(jnp.where(x != 0, x, 1.0)) / jnp.where(x != 0, x, 1.0), 1.0),
        "where_log_negative": lambda x: jnp.where(x > 0, jnp.log(x), x),
        "max_with_nan": lambda v: jnp.max(v),
        "maximum_tie": lambda v: jnp.maximum(v[0], v[1]),
        "minimum_tie": lambda v: jnp.minimum(v[0], v[1]),
        "fmax_tie": lambda v: jnp.fmax(v[0], v[1]),
        "fmin_tie": lambda v: jnp.fmin(v[0], v[1]),
        "clamp_tensor_min_tie": lambda v: jnp.clip(v[0], v[1], None),
        "hypot_0": lambda v: jnp.hypot(v[0], v[1]),
        "atan2_0": lambda v: jnp.arctan2(v[0], v[1]),
        "amax_ties": lambda v: jnp.amax(v),
        "max_reduce_ties": lambda v: jnp.max(v),
        "max_dim_ties": lambda v: jnp.max(v, axis=0),
        "lax_reduce_max_ties": lambda v: lax.reduce_max(v, (0,)),
        "min_reduce_ties": lambda v: jnp.min(v),
        "min_dim_ties": lambda v: jnp.min(v, axis=0),
        "cummax_ties": lambda v: lax.cummax(v).sum(),
        "logsumexp_ties": lambda v: jax.nn.logsumexp(v),
        "logsumexp_minus_inf": lambda v: jax.nn.logsumexp(v),
        "prod_with_zeros": lambda v: jnp.prod(v),
        "sort_ties_first": lambda v: jnp.sort(v)[0],
        "sort_ties_second": lambda v: jnp.sort(v)[1],
        "topk_ties": lambda v: lax.top_k(v, 1)[0][0],
        "median_odd_ties": lambda v: jnp.median(v),
        "median_even": lambda v: jnp.median(v),
        "quantile_half_even": lambda v: jnp.quantile(v, 0.5),
        "kthvalue_ties": lambda v: jnp.sort(v)[1],
        "maxpool2_ties": lambda v: pool(v),
        "maxpool2_reshape_ties": lambda v: v.reshape(1, 2, 1, 2).max((1, 3)).sum(),
        "adaptive_maxpool_ties": lambda v: v.max(),
        "relu_then_maxpool_all_zero": lambda v: pool(jax.nn.relu(v)),
        "norm2_0": lambda v: jl.norm(v),
        "norm2_0_torch_norm": lambda v: jnp.sqrt(jnp.sum(v * v)),
        "norm2_0_composed": lambda v: jnp.sqrt((v * v).sum()),
        "norm1_0": lambda v: jl.norm(v, 1),
        "norminf_ties": lambda v: jl.norm(v, jnp.inf),
        "norminf_0": lambda v: jl.norm(v, jnp.inf),
        "norm3_0": lambda v: jl.norm(v, 3),
        "norm_nuclear_0": lambda v: jl.norm(v, 'nuc'),
        "spectral_norm_ties": lambda v: jl.norm(v, 2),
        "eigvalsh_max_ties": lambda v: jl.eigvalsh(v)[-1],
        "svdvals_repeated_sum": lambda v: jl.svd(v, compute_uv=False).sum(),
        "eigh_vectors_repeated": lambda v: jl.eigh(v)[1].sum(),
        "cdist_same_point": lambda v: jl.norm(v - lax.stop_gradient(v)),
        "cosine_similarity_0": lambda v: v @ jnp.array([1.0, 0.0]) / jnp.maximum(jl.norm(v), 1e-08),
    }


def in_torch(torch):
    """The functions of the record in PyTorch."""
    F, tl = torch.nn.functional, torch.linalg
    zero = torch.zeros_like
    return {
        "relu": F.relu,
        "relu_as_maximum": lambda x: torch.maximum(x, zero(x)),
        "relu_as_where_gt": lambda x: torch.where(x > 0, x, zero(x)),
        "relu_as_where_ge": lambda x: torch.where(x >= 0, x, zero(x)),
        "relu_as_half_x_plus_abs": lambda x: (x + x.abs()) / 2,
        "clamp_min_0": lambda x: torch.clamp(x, min=0.0),
        "relu6_at_0": F.relu6,
        "relu6_at_6": F.relu6,
        "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
        "elu": lambda x: F.elu(x, 2.0),
        "hardtanh_at_1": F.hardtanh,
        "hardtanh_at_m1": F.hardtanh,
        "hardsigmoid_at_3": F.hardsigmoid,
        "hardsigmoid_at_m3": F.hardsigmoid,
        "hardswish_at_3": F.hardswish,
        "hardswish_at_m3": F.hardswish,
        "softshrink_at_lambda": lambda x: F.softshrink(x, 0.5),
        "abs": torch.abs,
        "sign": torch.sign,
        "sqrt": torch.sqrt,
        "sqrt_of_square": lambda x: torch.sqrt(x * x),
        "huber_at_delta": lambda x: F.huber_loss(x, zero(x), delta=1.0),
        "smooth_l1_at_0": lambda x: F.smooth_l1_loss(x, zero(x)),
        "l1_loss": lambda x: F.l1_loss(x, zero(x)),
        "clip_at_lower": lambda x: torch.clamp(x, 0.0, 1.0),
        "clip_at_upper": lambda x: torch.clamp(x, 0.0, 1.0),
        "clip_lower_eq_upper": lambda x: torch.clamp(x, 1.0, 1.0),
        "floor": torch.floor,
        "remainder": lambda x: torch.remainder(x, 1.0),
        "logaddexp_ties": lambda x: torch.logaddexp(x, x),
        "pow_0_5": lambda x: x ** 0.5,
        "x_log_x": lambda x: torch.xlogy(x, x),
        "sinc": torch.sinc,
        "relu_neg_plus_x": lambda x: F.relu(-x) + x,
        "mean_of_two_relu": lambda x: (F.relu(x) + F.relu(-x) + x) / 2,
        "zero_function": lambda x: F.relu(-x) + x - F.relu(x),
        "zero_function_max": lambda x: torch.maximum(-x, zero(x)) + x - torch.maximum(x, zero(x)),
        "identity_two_relu": lambda x: F.relu(x) - F.relu(-x),
        "identity_abs": lambda x: 2 * F.relu(x) - x.abs(),
        "constant_branch": lambda x: torch.where(x == 0, zero(x), x),
        "identity_max_xx": lambda x: torch.maximum(x, x),
        "identity_min_xx": lambda x: torch.minimum(x, x),
        "where_nan_sqrt": lambda x: torch.where(x > 0, torch.sqrt(x), zero(x)),
        "where_nan_div": lambda x: torch.where(x != 0, torch.sin(x) / x, torch.ones_like(x)),
        "where_double_trick": lambda x: torch.where(x != 0, torch.sin(torch.where(x != 0, x, torch.ones_like(x))) / torch.where(x != 0, x, torch.ones_like(x)), torch.ones_like(x)),
        "where_log_negative": lambda x: torch.where(x > 0, torch.log(x), x),
        "max_with_nan": lambda v: torch.max(v),
        "maximum_tie": lambda v: torch.maximum(v[0], v[1]),
        "minimum_tie": lambda v: torch.minimum(v[0], v[1]),
        "fmax_tie": lambda v: torch.fmax(v[0], v[1]),
        "fmin_tie": lambda v: torch.fmin(v[0], v[1]),
        "clamp_tensor_min_tie": lambda v: torch.clamp(v[0], min=v[1]),
        "hypot_0": lambda v: torch.hypot(v[0], v[1]),
        "atan2_0": lambda v: torch.atan2(v[0], v[1]),
        "amax_ties": lambda v: torch.amax(v),
        "max_reduce_ties": lambda v: torch.max(v),
        "max_dim_ties": lambda v: torch.max(v, dim=0).values,
        "lax_reduce_max_ties": lambda v: torch.aminmax(v).max,
        "min_reduce_ties": lambda v: torch.min(v),
        "min_dim_ties": lambda v: torch.min(v, dim=0).values,
        "cummax_ties": lambda v: torch.cummax(v, 0).values.sum(),
        "logsumexp_ties": lambda v: torch.logsumexp(v, 0),
        "logsumexp_minus_inf": lambda v: torch.logsumexp(v, 0),
        "prod_with_zeros": lambda v: torch.prod(v),
        "sort_ties_first": lambda v: torch.sort(v).values[0],
        "sort_ties_second": lambda v: torch.sort(v).values[1],
        "topk_ties": lambda v: torch.topk(v, 1).values[0],
        "median_odd_ties": lambda v: torch.median(v),
        "median_even": lambda v: torch.median(v),
        "quantile_half_even": lambda v: torch.quantile(v, 0.5),
        "kthvalue_ties": lambda v: torch.kthvalue(v, 2).values,
        "maxpool2_ties": lambda v: F.max_pool2d(v[None, None], 2).sum(),
        "maxpool2_reshape_ties": lambda v: v.reshape(1, 2, 1, 2).amax((1, 3)).sum(),
        "adaptive_maxpool_ties": lambda v: F.adaptive_max_pool2d(v[None, None], 1).sum(),
        "relu_then_maxpool_all_zero": lambda v: F.max_pool2d(F.relu(v)[None, None], 2).sum(),
        "norm2_0": lambda v: tl.vector_norm(v),
        "norm2_0_torch_norm": lambda v: torch.norm(v),
        "norm2_0_composed": lambda v: torch.sqrt((v * v).sum()),
        "norm1_0": lambda v: tl.vector_norm(v, 1),
        "norminf_ties": lambda v: tl.vector_norm(v, inf),
        "norminf_0": lambda v: tl.vector_norm(v, inf),
        "norm3_0": lambda v: tl.vector_norm(v, 3),
        "norm_nuclear_0": lambda v: tl.matrix_norm(v, 'nuc'),
        "spectral_norm_ties": lambda v: tl.matrix_norm(v, 2),
        "eigvalsh_max_ties": lambda v: tl.eigvalsh(v)[-1],
        "svdvals_repeated_sum": lambda v: tl.svdvals(v).sum(),
        "eigh_vectors_repeated": lambda v: tl.eigh(v)[1].sum(),
        "cdist_same_point": lambda v: torch.cdist(v, v.detach()).sum(),
        "cosine_similarity_0": lambda v: F.cosine_similarity(v[None], torch.tensor([[1.0, 0.0]], dtype=v.dtype)).sum(),
    }


def numbers(value):
    return np.array([float(v) for v in np.ravel(np.array(value, dtype=object))])


def gradients_of_jax(cases):
    functions = in_jax()
    for case in cases:
        shape = np.shape(np.array(case["point"], dtype=object))
        x = jnp.asarray(numbers(case["point"]).reshape(shape))
        yield case, lambda: np.asarray(jax.grad(functions[case["name"]])(x))


def gradients_of_torch(cases, torch):
    functions = in_torch(torch)
    for case in cases:
        shape = np.shape(np.array(case["point"], dtype=object))
        x = torch.tensor(numbers(case["point"]).reshape(shape), requires_grad=True)
        yield case, lambda: torch.autograd.grad(functions[case["name"]](x), x)[0].numpy()


def framework(key, version, gradients, report):
    compared = 0
    for case, gradient in gradients:
        if case[key] is None:
            continue
        measured, recorded = np.ravel(gradient()), numbers(case[key])
        # The record has twelve digits.
        same = np.allclose(measured, recorded, rtol=1e-11, atol=1e-11, equal_nan=True)
        report.holds(same, f"{case['name']}: {version} returns {measured} at {case['point']}, the record says {recorded}")
        compared += 1
    print(f"{compared} cases of the record compared with {version}")


def check(record, report):
    cases = record["cases"]
    framework("jax", f"JAX {jax.__version__}", gradients_of_jax(cases), report)
    if importlib.util.find_spec("torch") is None:
        print("SKIPPED: PyTorch is not installed here, so its column of the record was not measured anew")
        return
    import torch

    framework("pytorch", f"PyTorch {torch.__version__}", gradients_of_torch(cases, torch), report)
