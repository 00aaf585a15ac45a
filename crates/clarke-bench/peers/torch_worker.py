"""The worker of PyTorch: each function eager and compiled."""

from common import Job, np, serve
import data
import torch

torch.set_num_threads(1)
F = torch.nn.functional


def tensors(arrays):
    return [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]


def job(f, varying, held=(), compiled=False):
    """Of f(list of what varies, *held), a scalar."""
    at = [t.clone().requires_grad_() for t in tensors(varying)]
    held = tensors(held)
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


def bags(loss):
    """Sparse samples as bags of an embedding, whose backward adds where the entries stand."""

    def make(compiled):
        def f(w, columns, values, y):
            return loss(y * F.embedding_bag(columns, w[0][:, None], per_sample_weights=values, mode="sum")[:, 0])

        columns, values, y, w = data.w12_sparse()
        return job(f, [w], (columns, values, y), compiled)

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
    ("W5a", "", w5a),
    ("W5b1", "", chain(cb3, "b")),
    ("W5b2", "", chain(crescent, "b")),
    ("W5c", "", chain(rosenbrock, "c")),
    ("W5d", "topk, unsorted", w5d),
    ("W12-logistic", "", dense(logistic)),
    ("W12-hinge", "", dense(hinge)),
    ("W12-logistic-sparse", "embedding_bag", bags(logistic)),
    ("W12-hinge-sparse", "embedding_bag", bags(hinge)),
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
