"""The worker of PyTorch: each function eager and compiled."""

from common import Job, np, serve
import data
import torch

torch.set_num_threads(1)
F = torch.nn.functional


def tensors(arrays):
    return [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]


def job(f, varying, held=(), compiled=False, layout=torch.contiguous_format):
    """Of f(list of what varies, *held), a scalar. Arrays of four axes get the layout."""
    laid = lambda t: t.to(memory_format=layout) if t.ndim == 4 else t
    at = [laid(t).clone().requires_grad_() for t in tensors(varying)]
    held = [laid(t) for t in tensors(held)]
    run = torch.compile(f, dynamic=False) if compiled else f

    def value():
        with torch.no_grad():
            return run(at, *held)

    def both():
        result = run(at, *held)
        return result, torch.autograd.grad(result, at)

    return Job(value, both, lambda result: (result[0].detach(), result[1]))


def network(p, x):
    for w, b in zip(p[:-2:2], p[1:-2:2]):
        x = torch.relu(torch.addmm(b, x, w))
    return torch.addmm(p[-1], x, p[-2])


def w1(compiled):
    p, x, y = data.w1()
    return job(lambda p, x, y: F.cross_entropy(network(p, x), y), p, (x, y), compiled)


def w2(batch):
    def make(compiled):
        p, x, y = data.w2(batch)
        return job(lambda p, x, y: F.mse_loss(network(p, x), y), p, (x, y), compiled)

    return make


def w3(case):
    d, k = data.MIXTURES[case]
    constant, diagonal, lower = data.w3_constant(d, k), torch.arange(d), [torch.from_numpy(a) for a in data.w3_lower(d)]

    def f(p, x):
        alphas, means, factors = p
        logs, below = factors[:, :d], factors[:, d:]
        q = torch.exp(logs)
        factor = torch.zeros((k, d, d), dtype=q.dtype)
        factor[:, diagonal, diagonal] = q
        factor[:, lower[0], lower[1]] = below
        shift = torch.einsum("kij,kj->ki", factor, means)
        z = (factor.reshape(k * d, d) @ x.T).reshape(k, d, -1) - shift[:, :, None]
        terms = (alphas + logs.sum(1))[:, None] - 0.5 * (z * z).sum(1)
        prior = 0.5 * ((q * q).sum() + (below * below).sum())
        return torch.logsumexp(terms, 0).sum() - len(x) * torch.logsumexp(alphas, 0) + prior + constant

    def make(compiled):
        parameters, x = data.w3(d, k)
        return job(f, parameters, (x,), compiled)

    return make


def residual(camera, point, weight, feature):
    rotation, offset = camera[:3], point - camera[3:6]
    square = rotation @ rotation
    angle = torch.sqrt(torch.where(square > 0, square, 1.0))
    axis = rotation / angle
    cos, sin = torch.cos(angle), torch.sin(angle)
    cross = torch.linalg.cross
    rotated = offset * cos + cross(axis, offset) * sin + axis * ((axis @ offset) * (1 - cos))
    seen = torch.where(square > 0, rotated, offset + cross(rotation, offset))
    p = seen[:2] / seen[2]
    r = p @ p
    return weight[0] * (p * (1 + camera[9] * r + camera[10] * r * r) * camera[6] + camera[7:9] - feature)


def w4(compiled):
    arrays = tensors(data.w4())
    rows = torch.func.jacrev(residual, (0, 1, 2))
    value = torch.vmap(residual)
    both = torch.vmap(lambda *a: (residual(*a), torch.cat(rows(*a), 1)))
    if compiled:
        value, both = torch.compile(value), torch.compile(both)
    split = lambda result: ((result[0] ** 2).sum(), data.w4_derivative(*result))
    return Job(lambda: value(*arrays), lambda: both(*arrays), split)


def w6(compiled):
    def f(p, x, y):
        h = F.max_pool2d(F.relu(F.conv2d(x, p[0], p[1], padding=1)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, p[2], p[3], padding=1)), 2)
        return F.cross_entropy(torch.addmm(p[5], h.flatten(1), p[4]), y)

    p, x, y = data.w6()
    return job(f, p, (x, y), compiled, torch.channels_last)


def w5a(compiled):
    a, b, x = data.w5()["a"]
    return job(lambda x, a, b: (a @ x[0] - b).abs().max(), [x], (a, b), compiled)


def cb3(p):
    u, v = p[0][:-1], p[0][1:]
    second = torch.maximum((2 - u) ** 2 + (2 - v) ** 2, 2 * torch.exp(v - u))
    return torch.maximum(u**4 + v**2, second).sum()


def crescent(p):
    u, v = p[0][:-1], p[0][1:]
    squares = u**2 + (v - 1) ** 2
    return torch.maximum((squares + v - 1).sum(), (v + 1 - squares).sum())


def rosenbrock(p):
    x = p[0]
    return 0.25 * (x[0] - 1).abs() + (x[1:] - 2 * x[:-1].abs() + 1).abs().sum()


def chain(f, part):
    return lambda compiled: job(f, [data.w5()[part]], (), compiled)


def w5d(compiled):
    def f(x, t, b):
        squares = (t @ x[0] - b) ** 2
        return torch.topk(squares, len(b) // 2, largest=False, sorted=False)[0].mean()

    t, b, x = data.w5()["d"]
    return job(f, [x], (t, b), compiled)


def logistic(margins):
    return F.softplus(-margins).mean()


def hinge(margins):
    return torch.relu(1 - margins).mean()


def dense(loss):
    def make(compiled):
        x, y, w = data.w12_dense()
        return job(lambda w, x, y: loss(y * (x @ w[0])), [w], (x, y), compiled)

    return make


def gathered(loss):
    """Sparse samples by the numbers of the weights that they meet, which is faster than embedding_bag and than products
    with sparse tensors, whose derivatives are slow."""

    def make(compiled):
        def f(w, columns, values, y):
            return loss(y * (w[0].index_select(0, columns).view(values.shape) * values).sum(1))

        columns, values, y, w = data.w12_sparse()
        return job(f, [w], (columns.ravel(), values, y), compiled)

    return make


def huber(compiled):
    x, b = data.w12_huber()
    return job(lambda x, b: F.huber_loss(x[0], b, reduction="sum"), [x], (b,), compiled)


def largest(compiled):
    x, _ = data.w12_order()
    return job(lambda x: torch.topk(x[0], len(x[0]) // 2, sorted=False)[0].sum(), [x], (), compiled)


def ordered(compiled):
    x, w = data.w12_order()
    return job(lambda x, w: w @ torch.sort(x[0])[0], [x], (w,), compiled)


def logsumexp(compiled):
    return job(lambda x: torch.logsumexp(x[0], 1).sum(), [data.w12_logsumexp()], (), compiled)


MAKERS = [
    ("W1", "", w1),
    ("W2-b1", "", w2(1)),
    ("W2-b32", "", w2(32)),
    *[(case, "one product", w3(case)) for case in data.MIXTURES],
    ("W4", "vmap of jacrev", w4),
    ("W5a", "", w5a),
    ("W5b1", "", chain(cb3, "b")),
    ("W5b2", "", chain(crescent, "b")),
    ("W5c", "", chain(rosenbrock, "c")),
    ("W5d", "topk, unsorted", w5d),
    ("W6", "channels last", w6),
    ("W12-logistic", "", dense(logistic)),
    ("W12-hinge", "", dense(hinge)),
    ("W12-logistic-sparse", "index_select", gathered(logistic)),
    ("W12-hinge-sparse", "index_select", gathered(hinge)),
    ("W12-huber", "", huber),
    ("W12-top", "topk, unsorted", largest),
    ("W12-sort", "", ordered),
    ("W12-logsumexp", "", logsumexp),
]


def system(workload, note, make, compiled):
    name, how = ("PyTorch, compiled", "torch.compile") if compiled else ("PyTorch", "eager")
    return workload, name, ", ".join(filter(None, [how, note])), lambda: make(compiled)


if __name__ == "__main__":
    pairs = [(*maker, compiled) for maker in MAKERS for compiled in (False, True)]
    serve(torch.__version__, [system(*pair) for pair in pairs])
