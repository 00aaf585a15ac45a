"""Every operator of the library as JAX has it.

A case is program text in Python's own syntax, so it is evaluated as Python, with these functions under the operators'
names. `JAX` holds functions of JAX itself: they are compared at ties too. `WRITTEN` holds formulas for what JAX has no
function for: another program of the same function, compared where it is smooth. `NONE` says why there is neither.
"""

import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

inf = math.inf
last = (-2, -1)


def flat_or(f):
    """A function that takes an axis, over all entries where there is none."""

    def of(x, axis=None, keepdims=False, **rest):
        if axis is None:
            out = f(x.ravel(), axis=0, **rest)
            return out.reshape((1,) * x.ndim) if keepdims else out
        return f(x, axis=axis, **rest) if not keepdims else jnp.expand_dims(f(x, axis=axis, **rest), axis)

    return of


def extreme(reduce, pair):
    """Over axes, or of two arrays, or of several, which are stacked."""

    def of(x, *more, axis=None, keepdims=False):
        if len(more) == 1:
            return pair(x, *more)
        if more:
            return reduce(jnp.stack(jnp.broadcast_arrays(x, *more)), axis=0)
        return reduce(x, axis=axis, keepdims=keepdims)

    return of


def norm(order):
    """JAX's norm of vectors; over several axes it is the norm of a matrix, another function."""

    def of(x, axis=None, keepdims=False):
        if axis is None:
            out = jnp.linalg.norm(x.ravel(), order)
            return out.reshape((1,) * x.ndim) if keepdims else out
        if isinstance(axis, tuple):
            axes = tuple(a % x.ndim for a in axis)
            rest = [a for a in range(x.ndim) if a not in axes]
            moved = jnp.transpose(x, rest + list(axes)).reshape([x.shape[a] for a in rest] + [-1])
            out = jnp.linalg.norm(moved, order, axis=-1)
            return jnp.expand_dims(out, sorted(axes)) if keepdims else out
        return jnp.linalg.norm(x, order, axis=axis, keepdims=keepdims)

    return of


def cumulative(f):
    def of(x, axis=None, reverse=False):
        x, axis = (x.ravel(), 0) if axis is None else (x, axis % x.ndim)
        return f(x, axis=axis, reverse=reverse)

    return of


def running(f):
    return lambda x, axis=0: f(x, axis=axis % x.ndim)


def sequence(f):
    """A function of a sequence of arrays, which may also be given one after another."""
    return lambda *arrays, axis=0: f(arrays[0] if isinstance(arrays[0], (list, tuple)) else arrays, axis=axis)


def matmul(a, b, transpose_a=False, transpose_b=False, skip_zeros=False):
    turn = lambda x, yes: jnp.swapaxes(x, -1, -2) if yes else x
    return jnp.matmul(turn(a, transpose_a), turn(b, transpose_b))


def systems(f):
    """A solver of one matrix, over leading axes of either argument; a second argument of one axis is a vector."""

    def of(a, b, **options):
        a, b = jnp.asarray(a, float), jnp.asarray(b, float)
        signature = "(m,n),(k)->(l)" if b.ndim == 1 else "(m,n),(k,j)->(l,j)"
        return jnp.vectorize(functools.partial(f, **options), signature=signature)(a, b)

    return of


def symmetric(a):
    return (a + jnp.swapaxes(a, -1, -2)) / 2


def pad(x, pad_width, mode="constant", constant_values=0):
    more = {"constant_values": constant_values} if mode == "constant" else {}
    return jnp.pad(x, pad_width, mode=mode, **more)


def each(value, n):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def conv(dims):
    def of(x, w, stride=1, padding=0, dilation=1, groups=1):
        single = x.ndim == dims + 1
        out = lax.conv_general_dilated(
            x[None] if single else x,
            w,
            each(stride, dims),
            [(p, p) for p in each(padding, dims)],
            rhs_dilation=each(dilation, dims),
            feature_group_count=groups,
        )
        return out[0] if single else out

    return of


def window_sizes(x, dims, kernel_size, stride, padding, dilation):
    lead = (1,) * (x.ndim - dims)
    stride = kernel_size if stride is None else stride
    sizes = [lead + each(v, dims) for v in (kernel_size, stride, dilation)]
    return sizes, [(0, 0)] * len(lead) + [(p, p) for p in each(padding, dims)]


def max_pool(dims):
    def of(x, kernel_size, stride=None, padding=0, dilation=1):
        (k, s, d), pads = window_sizes(x, dims, kernel_size, stride, padding, dilation)
        if math.prod(d) > 1:
            # JAX has no derivative of a dilated maximum: that of an undilated one over each of the interleaved parts.
            assert math.prod(s) == 1 and not any(map(sum, pads))
            return undilated(x, k, d)
        return lax.reduce_window(x, -jnp.inf, lax.max, k, s, pads)

    return of


def undilated(x, k, d):
    """The maxima over windows of k entries, d apart, for d of at most one axis other than 1."""
    axis = max(range(x.ndim), key=lambda a: d[a])
    parts = [x[(slice(None),) * axis + (slice(first, None, d[axis]),)] for first in range(d[axis])]
    pooled = [lax.reduce_window(part, -jnp.inf, lax.max, k, (1,) * x.ndim, "VALID") for part in parts]
    count = x.shape[axis] - (k[axis] - 1) * d[axis]
    picked = [lax.index_in_dim(pooled[i % d[axis]], i // d[axis], axis, keepdims=False) for i in range(count)]
    return jnp.stack(picked, axis)


def avg_pool(dims):
    def of(x, kernel_size, stride=None, padding=0, count_include_pad=True):
        (k, s, _), pads = window_sizes(x, dims, kernel_size, stride, padding, 1)
        add = lambda y: lax.reduce_window(y, 0.0, lax.add, k, s, pads)
        return add(x) / (math.prod(k) if count_include_pad else add(jnp.ones_like(x)))

    return of


def windows(x, kernel_size, stride=1, padding=0, dilation=1):
    """JAX's patches, for the layout: leading axes, then those of a window, then those of all windows."""
    dims = len(kernel_size)
    lead, kernel = x.shape[: x.ndim - dims], each(kernel_size, dims)
    out = lax.conv_general_dilated_patches(
        x.reshape((-1, 1) + x.shape[x.ndim - dims :]),
        kernel,
        each(stride, dims),
        [(p, p) for p in each(padding, dims)],
        rhs_dilation=each(dilation, dims),
        precision=lax.Precision.HIGHEST,
    )
    return out.reshape(lead + kernel + out.shape[2:])


def add_windows(y, length, kernel_size, **options):
    lead = y.shape[: y.ndim - 2 * len(kernel_size)]
    shape = jax.ShapeDtypeStruct(lead + tuple(length), y.dtype)
    return jax.linear_transpose(lambda x: windows(x, kernel_size, **options), shape)(y)[0]


def at_axis(base, indices, axis):
    return base.at[(slice(None),) * (axis % base.ndim) + (np.asarray(indices, int),)]


def scatter_add(x, indices, length, axis=-1):
    shape = list(x.shape)
    shape[axis] = length
    return at_axis(jnp.zeros(shape), indices, axis).add(x)


def put_slice(x, shape, start, step):
    ends = [a + n * s for a, n, s in zip(start, x.shape, step)]
    at = tuple(slice(a, b if b >= 0 else None, s) for a, b, s in zip(start, ends, step))
    return jnp.zeros(shape).at[at].set(x)


def embedding(table, indices, batch_dims=0):
    look = lambda t, i: jnp.take(t, i, axis=0)
    for _ in range(batch_dims):
        look = jax.vmap(look)
    return look(table, jnp.asarray(np.asarray(indices, int)))


def csr_matmul(x, shape, indptr, indices, values, transpose=False):
    rows = np.repeat(np.arange(shape[0]), np.diff(np.asarray(indptr, int)))
    a = jnp.zeros(shape).at[rows, np.asarray(indices, int)].add(jnp.asarray(values, float))
    return (a.T if transpose else a) @ x


def scan(body, init, *arrays, length=None, consts=(), rows=None, checkpoint=None, last_state=False):
    """As users write it, with `consts`; or as it is printed, where the first `rows` arrays are gone through.

    JAX has checkpoints by another function; they change no number.
    """
    seen = arrays if rows is None else arrays[:rows]
    whole = list(consts) if rows is None else arrays[rows:]

    def step(c, x):
        made = body(c, *x, *whole)
        following, row = made if isinstance(made, tuple) else (made, made)
        return jnp.asarray(following, float), jnp.asarray(row, float)

    final, stacked = lax.scan(step, jnp.asarray(init, float), seen, length=length)
    return final if last_state else stacked


def labelled(reduce_over):
    def of(x, labels, reduce=True):
        labels = np.asarray(labels, int)
        out = -jnp.take_along_axis(reduce_over(x), labels[..., None], axis=-1)[..., 0]
        return out.mean() if reduce else out

    return of


def sum_to(x, shape):
    lead = x.ndim - len(shape)
    over = tuple(range(lead)) + tuple(lead + k for k, n in enumerate(shape) if n == 1)
    return jnp.sum(x, axis=over).reshape(shape)


def over_axis(f):
    """A function of a vector, along an axis, or of all entries."""

    def of(x, *more, axis=None, keepdims=False, **options):
        if axis is None:
            out = f(x.ravel(), *more, **options)
            return jnp.reshape(out, (1,) * x.ndim) if keepdims else out
        out = jnp.apply_along_axis(lambda v: f(v, *more, **options), axis, x)
        return jnp.expand_dims(out, axis) if keepdims else out

    return of


def trimmed_mean(v, proportion):
    cut = int(proportion * len(v))
    return jnp.sort(v)[cut : len(v) - cut].mean()


def total_variation(x, axis=None):
    axes = range(x.ndim) if axis is None else [axis]
    return sum(jnp.abs(jnp.diff(x, axis=a)).sum() for a in axes)


def group_norm2(x, axis=-1, groups=None):
    if groups is None:
        return norm(2)(x, axis=axis).sum()
    return sum(jnp.linalg.norm(x.ravel()[np.asarray(g, int)]) for g in groups)


def owl_norm(x, weights, axis=None):
    return over_axis(lambda v: jnp.asarray(weights, float) @ jnp.sort(jnp.abs(v))[::-1])(x, axis=axis)


def maxout(x, pieces, axis=-1):
    axis %= x.ndim
    return x.reshape(x.shape[:axis] + (-1, pieces) + x.shape[axis + 1 :]).max(axis + 1)


def gather_argmax(x, y, axis=None, keepdims=False):
    at = jnp.argmax(x, axis=axis, keepdims=True)
    out = y.ravel()[at.ravel()[0]] if axis is None else jnp.take_along_axis(y, at, axis)
    if axis is None:
        return out.reshape((1,) * x.ndim) if keepdims else out
    return out if keepdims else jnp.squeeze(out, axis)


def along_last(f):
    """A function of the vector along the last axis."""
    return lambda x, *args, **options: jnp.vectorize(lambda v: f(v, *args, **options), signature="(n)->(m)")(x)


def of_last(f):
    """A number for each vector along the last axis."""
    return lambda x, *args, **options: jnp.vectorize(lambda v: f(v, *args, **options), signature="(n)->()")(x)


def length_of(v):
    """The Euclidean norm, with the derivative 0 at 0."""
    square = jnp.sum(v * v)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def threshold_simplex(v, radius):
    ordered = jnp.sort(v)[::-1]
    cuts = (jnp.cumsum(ordered) - radius) / jnp.arange(1, len(v) + 1)
    return cuts[jnp.sum(ordered > cuts) - 1]


def project_box(x, low, high):
    return jnp.clip(x, low, high)


def project_ball(v, radius):
    n = length_of(v)
    return jnp.where(n > radius, v * radius / jnp.where(n > radius, n, 1.0), v)


def project_simplex(v, radius=1):
    return jnp.maximum(v - threshold_simplex(v, radius), 0)


def project_l1_ball(v, radius):
    inside = jnp.sum(jnp.abs(v)) <= radius
    outer = jnp.sign(v) * project_simplex(jnp.abs(v), radius)
    return jnp.where(inside, v, outer)


def project_soc(z):
    t, x = z[0], z[1:]
    n = length_of(x)
    half = (t + n) / 2
    between = jnp.concatenate([half[None], half * x / jnp.where(n > 0, n, 1.0)])
    return jnp.where(n <= t, z, jnp.where(n <= -t, 0 * z, between))


def project_psd(x):
    values, vectors = jnp.linalg.eigh(symmetric(x))
    return jnp.einsum("...ik,...k,...jk->...ij", vectors, jnp.maximum(values, 0), vectors)


def dist_psd(x):
    values = jnp.linalg.eigvalsh(symmetric(x))
    return of_last(length_of)(jnp.minimum(values, 0))


def distance_to(project):
    return of_last(lambda v, *args, **options: length_of(v - project(v, *args, **options)))


JAX = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "power": jnp.power,
    "exp": jnp.exp,
    "log": jnp.log,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "expm1": jnp.expm1,
    "log1p": jnp.log1p,
    "reciprocal": jnp.reciprocal,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "logaddexp": jnp.logaddexp,
    "tan": jnp.tan,
    "arcsin": jnp.arcsin,
    "arccos": jnp.arccos,
    "arctan": jnp.arctan,
    "arctan2": jnp.arctan2,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "softsign": jax.nn.soft_sign,
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "log_sigmoid": jax.nn.log_sigmoid,
    "pow": jnp.power,
    "hypot": jnp.hypot,
    "relu": jax.nn.relu,
    "leaky_relu": lambda x, slope=0.01: jax.nn.leaky_relu(x, slope),
    "relu6": jax.nn.relu6,
    "abs": jnp.abs,
    "clip": lambda x, low, high: jnp.clip(x, low, high),
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "elu": lambda x, alpha=1: jax.nn.elu(x, alpha),
    "selu": jax.nn.selu,
    "hard_tanh": jax.nn.hard_tanh,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_swish": jax.nn.hard_swish,
    "where": jnp.where,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": jnp.round,
    "sign": jnp.sign,
    "stop_gradient": lax.stop_gradient,
    "reshape": jnp.reshape,
    "broadcast_to": jnp.broadcast_to,
    "transpose": jnp.transpose,
    "sum": jnp.sum,
    "mean": jnp.mean,
    "logsumexp": jax.nn.logsumexp,
    "softmax": lambda x, axis=None: jax.nn.softmax(x, axis=axis),
    "log_softmax": lambda x, axis=None: jax.nn.log_softmax(x, axis=axis),
    "one_hot": jax.nn.one_hot,
    "prod": jnp.prod,
    "var": jnp.var,
    "std": jnp.std,
    "cumsum": cumulative(lax.cumsum),
    "cumprod": cumulative(lax.cumprod),
    "cummax": running(lax.cummax),
    "cummin": running(lax.cummin),
    "max": extreme(jnp.max, jnp.maximum),
    "min": extreme(jnp.min, jnp.minimum),
    "norm1": norm(1),
    "norm2": norm(2),
    "norminf": norm(inf),
    "sort": jnp.sort,
    "median": jnp.median,
    "quantile": lambda x, q, **options: jnp.quantile(x, float(q), **options),
    "top_k": lambda x, k: lax.top_k(x, k)[0],
    "matmul": matmul,
    "dot": jnp.dot,
    "solve": systems(lambda a, b, transpose=False: jnp.linalg.solve(a.T if transpose else a, b)),
    "solve_triangular": systems(
        lambda a, b, lower=False, transpose=False: jax.scipy.linalg.solve_triangular(a, b, lower=lower, trans=int(transpose))
    ),
    "lstsq": systems(lambda a, b, transpose=False: jnp.linalg.lstsq(a.T if transpose else a, b)[0]),
    "inv": lambda a, positive=False: jnp.linalg.inv(symmetric(a) if positive else a),
    "cholesky": lambda a: jnp.linalg.cholesky(symmetric(a)),
    "logdet": lambda a: jnp.linalg.slogdet(symmetric(a))[1],
    "eigvalsh_max": lambda a: jnp.linalg.eigvalsh(symmetric(a))[..., -1],
    "eigvalsh_sum": lambda a, k: jnp.linalg.eigvalsh(symmetric(a))[..., ::-1][..., :k].sum(-1),
    "spectral_norm": lambda a: jnp.linalg.norm(a, 2, axis=last),
    "nuclear_norm": lambda a: jnp.linalg.norm(a, "nuc", axis=last),
    "getitem": operator.getitem,
    "take": lambda x, indices, axis=None: jnp.take(x, np.asarray(indices, int), axis=axis),
    "take_along_axis": lambda x, indices, axis: jnp.take_along_axis(x, np.asarray(indices, int), axis),
    "concatenate": sequence(jnp.concatenate),
    "stack": sequence(jnp.stack),
    "expand_dims": jnp.expand_dims,
    "squeeze": jnp.squeeze,
    "swapaxes": jnp.swapaxes,
    "moveaxis": jnp.moveaxis,
    "ravel": jnp.ravel,
    "flip": jnp.flip,
    "repeat": jnp.repeat,
    "tile": jnp.tile,
    "pad": pad,
    "roll": jnp.roll,
    "diag": lambda x, k=0: jnp.diag(x, k),
    "diagonal": jnp.diagonal,
    "trace": jnp.trace,
    "tril": jnp.tril,
    "triu": jnp.triu,
    "einsum": jnp.einsum,
    "outer": jnp.outer,
    "index_add": lambda x, indices, source, axis=0: at_axis(x, indices, axis).add(source),
    "conv1d": conv(1),
    "conv2d": conv(2),
    "max_pool1d": max_pool(1),
    "max_pool2d": max_pool(2),
    "windows": windows,
    "scan": scan,
}

WRITTEN = {
    "soft_threshold": lambda x, t: jnp.maximum(x - t, 0) - jnp.maximum(-x - t, 0),
    "hard_shrink": lambda x, lambd=0.5: jnp.where(jnp.abs(x) > lambd, x, 0.0),
    "prelu": lambda x, weight: jnp.where(x >= 0, x, weight * x),
    "huber": lambda x, delta=1: jnp.where(jnp.abs(x) <= delta, x * x / 2, delta * (jnp.abs(x) - delta / 2)),
    "hinge": lambda x: jnp.maximum(0, 1 - x),
    "pinball": lambda x, q: jnp.maximum(q * x, (q - 1) * x),
    "sum_to": sum_to,
    "nll": labelled(lambda x: x),
    "cross_entropy": labelled(lambda x: jax.nn.log_softmax(x, axis=-1)),
    "group_norm2": group_norm2,
    "tv": total_variation,
    "owl_norm": owl_norm,
    "maxout": maxout,
    "gather_argmax": gather_argmax,
    "sum_largest": over_axis(lambda v, k: jnp.sort(v)[::-1][:k].sum()),
    "trimmed_mean": over_axis(trimmed_mean),
    "project_box": project_box,
    "project_ball": along_last(project_ball),
    "project_simplex": along_last(project_simplex),
    "project_l1_ball": along_last(project_l1_ball),
    "project_soc": along_last(project_soc),
    "project_psd": project_psd,
    "dist_box": distance_to(project_box),
    "dist_ball": distance_to(project_ball),
    "dist_simplex": distance_to(project_simplex),
    "dist_l1_ball": distance_to(project_l1_ball),
    "dist_soc": distance_to(project_soc),
    "dist_psd": dist_psd,
    "put_slice": put_slice,
    "scatter_add": scatter_add,
    "embedding": embedding,
    "csr_matmul": csr_matmul,
    "avg_pool1d": avg_pool(1),
    "avg_pool2d": avg_pool(2),
    "add_windows": add_windows,
    "fold": functools.partial(scan, last_state=True),
}

# What neither JAX has nor a formula in its functions says, with the reason.
NONE = {}

# Where the preset `jax` is not everywhere what JAX does at ties, with the reason. Values are compared all the same.
TIES_DIFFER = {
    "cummax": "JAX reduces in a tree of maxima of two, which split evenly: among three or more not the even split",
    "cummin": "as cummax",
    "spectral_norm": "rounding parts equal singular values, and JAX takes the pair of vectors that comes first by chance",
    "nuclear_norm": "where the rank is not full JAX takes the null vectors that its decomposition happens to return",
}
