"""The worker of JAX: jitted functions, results awaited. Asynchronous dispatch is off, which is faster for small programs."""

from common import Job, np, serve
import data
import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_enable_async_dispatch", False)
jnp = jax.numpy


def job(f, varying, held=()):
    """Of f(varying, *held), a scalar."""
    at, held = jax.tree.map(jnp.asarray, varying), [jnp.asarray(h) for h in held]
    value, both = jax.jit(f), jax.jit(jax.value_and_grad(f))
    return Job(
        lambda: value(at, *held).block_until_ready(),
        lambda: jax.block_until_ready(both(at, *held)),
        lambda result: (result[0], jax.tree.leaves(result[1])),
    )


def network(p, x):
    for w, b in zip(p[:-2:2], p[1:-2:2]):
        x = jax.nn.relu(x @ w + b)
    return x @ p[-2] + p[-1]


def squared(p, x, y):
    return jnp.mean((network(p, x) - y) ** 2)


def w1():
    def f(p, x, y):
        scores = jax.nn.log_softmax(network(p, x))
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], 1))

    p, x, y = data.w1()
    return job(f, p, (x, y))


def w2(batch):
    p, x, y = data.w2(batch)
    return job(squared, p, (x, y))


def w2_scan(batch):
    """A thousand steps in one loop: what a step costs without Python. The gradient is that of the last step."""
    steps = 1000
    p, x, y = data.w2(batch)
    p, x, y = [jnp.asarray(a) for a in p], jnp.asarray(x), jnp.asarray(y)

    def descents(p):
        def step(carry, _):
            value, g = jax.value_and_grad(squared)(carry[0], x, y)
            return ([a - 1e-15 * b for a, b in zip(carry[0], g)], value, g), None

        zeros = jax.tree.map(jnp.zeros_like, p)
        return jax.lax.scan(step, (p, 0.0, zeros), None, length=steps)[0][1:]

    def values(p):
        # The parameters move, or the loop would have one value that is computed once.
        def step(carry, _):
            p, _ = carry
            value = squared(p, x, y)
            return ([a + 1e-15 * value for a in p], value), None

        return jax.lax.scan(step, (p, 0.0), None, length=steps)[0][1]

    both, value = jax.jit(descents), jax.jit(values)
    return Job(lambda: value(p).block_until_ready(), lambda: jax.block_until_ready(both(p)), lambda r: r, steps)


def w3(case, einsum):
    """Either each factor by an einsum with the shifted samples, or all factors in one product with the samples."""
    d, k = data.MIXTURES[case]
    parameters, x = data.w3(d, k)
    constant, diagonal, lower = data.w3_constant(d, k), np.arange(d), data.w3_lower(d)

    def f(p, x):
        alphas, means, factors = p
        logs, below = factors[:, :d], factors[:, d:]
        q = jnp.exp(logs)
        factor = jnp.zeros((k, d, d)).at[:, diagonal, diagonal].set(q).at[:, lower[0], lower[1]].set(below)
        if einsum:
            z = jnp.einsum("kij,nkj->nki", factor, x[:, None, :] - means)
            terms = alphas + logs.sum(1) - 0.5 * (z * z).sum(2)
            sums = jax.nn.logsumexp(terms, axis=1)
        else:
            shift = jnp.einsum("kij,kj->ki", factor, means)
            z = (factor.reshape(k * d, d) @ x.T).reshape(k, d, -1) - shift[:, :, None]
            terms = (alphas + logs.sum(1))[:, None] - 0.5 * (z * z).sum(1)
            sums = jax.nn.logsumexp(terms, axis=0)
        prior = 0.5 * ((q * q).sum() + (below * below).sum())
        return sums.sum() - len(x) * jax.nn.logsumexp(alphas) + prior + constant

    return job(f, parameters, (x,))


def residual(camera, point, weight, feature):
    rotation, centre, offset = camera[:3], camera[3:6], point - camera[3:6]
    square = rotation @ rotation
    angle = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    axis = rotation / angle
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    rotated = offset * cos + jnp.cross(axis, offset) * sin + axis * ((axis @ offset) * (1 - cos))
    seen = jnp.where(square > 0, rotated, offset + jnp.cross(rotation, offset))
    p = seen[:2] / seen[2]
    r = p @ p
    return weight[0] * (p * (1 + camera[9] * r + camera[10] * r * r) * camera[6] + camera[7:9] - feature)


def w4():
    arrays = [jnp.asarray(a) for a in data.w4()]
    value = jax.jit(jax.vmap(residual))
    rows = jax.jacrev(residual, (0, 1, 2))
    both = jax.jit(jax.vmap(lambda *a: (residual(*a), jnp.concatenate(rows(*a), 1))))
    return Job(
        lambda: value(*arrays).block_until_ready(),
        lambda: jax.block_until_ready(both(*arrays)),
        lambda result: ((result[0] ** 2).sum(), data.w4_derivative(*result)),
    )


def w6():
    """Channels last, in which XLA is faster; pools as maxima over reshaped axes."""

    def layer(x, w, b):
        x = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        n, rows, columns, c = x.shape
        return jax.nn.relu(x + b).reshape(n, rows // 2, 2, columns // 2, 2, c).max((2, 4))

    def f(p, x, y):
        h = layer(layer(x, p[0], p[1]), p[2], p[3])
        scores = jax.nn.log_softmax(h.reshape(len(x), -1) @ p[4] + p[5])
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], 1))

    p, x, y = data.w6()
    last = [
        p[0].transpose(2, 3, 1, 0),
        p[1],
        p[2].transpose(2, 3, 1, 0),
        p[3],
        p[4].reshape(32, 7, 7, 10).transpose(1, 2, 0, 3).reshape(1568, 10),
        p[5],
    ]
    made = job(f, last, (x.transpose(0, 2, 3, 1), y))
    split = made.split

    def first(result):
        value, (a, b, c, d, e, g) = split(result)
        a, c = (np.asarray(w).transpose(3, 2, 0, 1) for w in (a, c))
        return value, [a, b, c, d, np.asarray(e).reshape(7, 7, 32, 10).transpose(2, 0, 1, 3), g]

    made.split = first
    return made


def w5a():
    a, b, x = data.w5()["a"]
    return job(lambda x, a, b: jnp.abs(a @ x - b).max(), x, (a, b))


def cb3(x):
    u, v = x[:-1], x[1:]
    second = jnp.maximum((2 - u) ** 2 + (2 - v) ** 2, 2 * jnp.exp(v - u))
    return jnp.maximum(u**4 + v**2, second).sum()


def crescent(x):
    u, v = x[:-1], x[1:]
    squares = u**2 + (v - 1) ** 2
    return jnp.maximum((squares + v - 1).sum(), (v + 1 - squares).sum())


def rosenbrock(x):
    return 0.25 * abs(x[0] - 1) + abs(x[1:] - 2 * abs(x[:-1]) + 1).sum()


def w5d_sort():
    t, b, x = data.w5()["d"]
    return job(lambda x, t, b: jnp.sort((t @ x - b) ** 2)[: len(b) // 2].mean(), x, (t, b))


def w5d_top_k():
    t, b, x = data.w5()["d"]
    return job(lambda x, t, b: -jax.lax.top_k(-((t @ x - b) ** 2), len(b) // 2)[0].mean(), x, (t, b))


def logistic(margins):
    return jax.nn.softplus(-margins).mean()


def hinge(margins):
    return jnp.maximum(1 - margins, 0).mean()


def dense(loss):
    x, y, w = data.w12_dense()
    return job(lambda w, x, y: loss(y * (x @ w)), w, (x, y))


def gathered(loss):
    columns, values, y, w = data.w12_sparse()
    return job(lambda w, c, v, y: loss(y * (w[c] * v).sum(1)), w, (columns.astype(np.int32), values, y))


def huber_residuals():
    def f(x, b):
        r = jnp.abs(x - b)
        return jnp.where(r <= 1, 0.5 * r * r, r - 0.5).sum()

    x, b = data.w12_huber()
    return job(f, x, (b,))


def largest():
    x, _ = data.w12_order()
    return job(lambda x: jax.lax.top_k(x, len(x) // 2)[0].sum(), x)


def ordered():
    x, w = data.w12_order()
    return job(lambda x, w: w @ jnp.sort(x), x, (w,))


SYSTEMS = [
    ("W1", "JAX", "jit", w1),
    ("W2-b1", "JAX", "jit", lambda: w2(1)),
    ("W2-b1", "JAX in a scan", "a step of 1000 in one loop", lambda: w2_scan(1)),
    ("W2-b32", "JAX", "jit", lambda: w2(32)),
    ("W2-b32", "JAX in a scan", "a step of 1000 in one loop", lambda: w2_scan(32)),
    *[(case, "JAX, einsum", "jit", lambda case=case: w3(case, True)) for case in data.MIXTURES],
    *[(case, "JAX, one product", "jit", lambda case=case: w3(case, False)) for case in data.MIXTURES],
    ("W4", "JAX", "jit, vmap of jacrev", w4),
    ("W5a", "JAX", "jit", w5a),
    ("W5b1", "JAX", "jit", lambda: job(cb3, data.w5()["b"])),
    ("W5b2", "JAX", "jit", lambda: job(crescent, data.w5()["b"])),
    ("W5c", "JAX", "jit", lambda: job(rosenbrock, data.w5()["c"])),
    ("W5d", "JAX, sort", "jit", w5d_sort),
    ("W5d", "JAX, top_k", "jit", w5d_top_k),
    ("W6", "JAX", "jit, channels last", w6),
    ("W12-logistic", "JAX", "jit", lambda: dense(logistic)),
    ("W12-hinge", "JAX", "jit", lambda: dense(hinge)),
    ("W12-logistic-sparse", "JAX", "jit, gathered entries", lambda: gathered(logistic)),
    ("W12-hinge-sparse", "JAX", "jit, gathered entries", lambda: gathered(hinge)),
    ("W12-huber", "JAX", "jit", huber_residuals),
    ("W12-top", "JAX", "jit, top_k", largest),
    ("W12-sort", "JAX", "jit", ordered),
    ("W12-logsumexp", "JAX", "jit", lambda: job(lambda x: jax.nn.logsumexp(x, axis=1).sum(), data.w12_logsumexp())),
]

if __name__ == "__main__":
    serve(jax.__version__, SYSTEMS)
