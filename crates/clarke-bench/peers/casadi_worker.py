"""The worker of CasADi: expressions run by its virtual machine, and as C that gcc compiles.

It has no sort and no arrays of data worth the name, so that it does the small workloads.
"""

from common import Job, np, serve
import pathlib
import subprocess
import tempfile

import casadi as ca
import data

_folder = tempfile.TemporaryDirectory()


def buffered(function, arguments):
    """The call of least overhead: inputs are read and outputs written where they lie."""
    buffer, call = function.buffer()
    inputs = [np.asfortranarray(a, dtype=np.float64) for a in arguments]
    outputs = [np.zeros(function.size_out(k), order="F") for k in range(function.n_out())]
    for k, a in enumerate(inputs):
        buffer.set_arg(k, memoryview(a.reshape(-1, order="F")))
    for k, a in enumerate(outputs):
        buffer.set_res(k, memoryview(a.reshape(-1, order="F")))
    return call, outputs, (buffer, inputs)


def compiled(functions):
    """The functions as C, compiled and loaded."""
    folder = pathlib.Path(_folder.name)
    name = f"generated{len(list(folder.iterdir()))}"
    generator = ca.CodeGenerator(f"{name}.c")
    for function in functions:
        generator.add(function)
    generator.generate(f"{folder}/")
    library = folder / f"{name}.so"
    options = ["-O3", "-march=native", "-fPIC", "-shared"]
    subprocess.run(["gcc", *options, str(folder / f"{name}.c"), "-o", str(library), "-lm"], check=True, timeout=300)
    return [ca.external(function.name(), str(library)) for function in functions]


def job(value, both, arguments, generate, arrays):
    """Of two functions of the arguments: the value; value and gradient. `arrays` makes of the gradient's outputs arrays as
    the workload orders them."""
    value, both = compiled([value, both]) if generate else (value, both)
    run, _, kept = buffered(value, arguments)
    run_both, outputs, kept_both = buffered(both, arguments)
    made = Job(run, run_both, lambda _: (outputs[0][0, 0], arrays(outputs[1:])))
    made.kept, made.outputs = (kept, kept_both), outputs
    return made


def scalar(x, f, held, arguments):
    """A function of one vector, and of arrays that are held, as the two functions of a job."""

    def make(generate):
        gradient = ca.densify(ca.gradient(f, x))
        value = ca.Function("value", [x, *held], [f])
        both = ca.Function("both", [x, *held], [f, gradient])
        return job(value, both, arguments, generate, lambda g: g)

    return make


def w2(batch):
    """The network of one sample, mapped over the batch."""

    def make(generate):
        p, x, y = data.w2(batch)
        at = [ca.SX.sym(f"p{k}", *np.atleast_2d(a).shape) for k, a in enumerate(p)]
        sample, target = ca.SX.sym("x", x.shape[1]), ca.SX.sym("y")
        h = sample
        for w, b in zip(at[:-2:2], at[1:-2:2]):
            h = ca.fmax(w.T @ h + b.T, 0)
        loss = ca.sumsqr(at[-2].T @ h + at[-1].T - target)
        gradients = [ca.gradient(loss, a) for a in at]
        ins = [*at, sample, target]
        value, both = ca.Function("value", ins, [loss]), ca.Function("both", ins, [loss, *gradients])
        if batch > 1:
            value, both = (mean_over(f, batch, len(at)) for f in (value, both))
        arguments = [*map(np.atleast_2d, p), x.T, y.T]
        return job(value, both, arguments, generate, lambda g: g)

    return make


def mean_over(function, batch, shared):
    """The mean of the outputs over a batch in the last inputs."""
    mapped = function.map("mapped_" + function.name(), "serial", batch, list(range(shared)), list(range(function.n_out())))
    ins = [ca.MX.sym(f"i{k}", *mapped.size_in(k)) for k in range(mapped.n_in())]
    outs = mapped(*ins)
    outs = outs if isinstance(outs, (list, tuple)) else [outs]
    return ca.Function(function.name(), ins, [out / batch for out in outs])


def w3(case):
    """The term of one sample, mapped; what all samples share is computed before."""
    d, k = data.MIXTURES[case]
    (alphas, means, factors), x = data.w3(d, k)
    count, numbers = len(x), factors.shape[1]

    def largest_first(v):
        top = v[0]
        for j in range(1, v.numel()):
            top = ca.fmax(top, v[j])
        return top + ca.log(ca.sum1(ca.exp(v - top)))

    def one_sample():
        a, m, f = ca.SX.sym("a", k), ca.SX.sym("m", d, k), ca.SX.sym("f", numbers, k)
        q, logs, sample = ca.SX.sym("q", d, k), ca.SX.sym("l", k), ca.SX.sym("x", d)
        rows, columns = data.w3_lower(d)
        terms = []
        for g in range(k):
            c = sample - m[:, g]
            z = [q[i, g] * c[i] for i in range(d)]
            for at, (i, j) in enumerate(zip(rows.tolist(), columns.tolist())):
                z[i] = z[i] + f[d + at, g] * c[j]
            terms.append(a[g] + logs[g] - 0.5 * sum(t * t for t in z))
        one = largest_first(ca.vertcat(*terms))
        return [a, m, f, q, logs, sample], one

    def make(generate):
        ins, one = one_sample()
        gradients = [ca.gradient(one, i) for i in ins[:5]]
        value = ca.Function("one", ins, [one]).map("ones", "serial", count, [0, 1, 2, 3, 4], [0])
        both = ca.Function("onegrad", ins, [one, *gradients])
        both = both.map("grads", "serial", count, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5])
        a, f = ca.SX.sym("a", k), ca.SX.sym("f", numbers, k)
        rest = data.w3_constant(d, k) - count * largest_first(a)
        rest += 0.5 * (ca.sumsqr(ca.exp(f[:d, :])) + ca.sumsqr(f[d:, :]))
        shared = ca.Function("rest", [a, f], [rest, ca.gradient(rest, a), ca.gradient(rest, f)])
        a, m, f, x_ = ca.MX.sym("a", k), ca.MX.sym("m", d, k), ca.MX.sym("f", numbers, k), ca.MX.sym("x", d, count)
        q, logs = ca.exp(f[:d, :]), ca.sum1(f[:d, :]).T
        r, ra, rf = shared(a, f)
        o = both(a, m, f, q, logs, x_)
        last = o[3] + rf + ca.vertcat(o[4] * q + ca.repmat(o[5].T, d, 1), ca.MX.zeros(numbers - d, k))
        value = ca.Function("value", [a, m, f, x_], [value(a, m, f, q, logs, x_) + r])
        both = ca.Function("both", [a, m, f, x_], [o[0] + r, o[1] + ra, o[2], last])
        arguments = [alphas, means.T, factors.T, x.T]
        return job(value, both, arguments, generate, lambda g: [g[0], g[1].T, g[2].T])

    return make


def w4(generate):
    """The residual of one observation with its Jacobian, mapped."""
    camera, point, weight, feature = (ca.SX.sym(name, size) for name, size in (("c", 11), ("p", 3), ("w", 1), ("f", 2)))
    rotation, offset = camera[:3], point - camera[3:6]
    square = ca.dot(rotation, rotation)
    angle = ca.sqrt(ca.if_else(square > 0, square, 1))
    axis = rotation / angle
    cos, sin = ca.cos(angle), ca.sin(angle)
    rotated = offset * cos + ca.cross(axis, offset) * sin + axis * (ca.dot(axis, offset) * (1 - cos))
    seen = ca.if_else(square > 0, rotated, offset + ca.cross(rotation, offset))
    p = seen[:2] / seen[2]
    r = ca.dot(p, p)
    residual = weight * (p * (1 + camera[9] * r + camera[10] * r * r) * camera[6] + camera[7:9] - feature)
    jacobian = ca.densify(ca.jacobian(residual, ca.vertcat(camera, point, weight)))
    arrays = [a.T for a in data.w4()]
    count = arrays[0].shape[1]
    ins = [camera, point, weight, feature]

    def mapped(name, outs):
        f = ca.Function("one" + name, ins, outs).map(count)
        all_ = [ca.MX.sym(f"i{k}", *f.size_in(k)) for k in range(4)]
        result = f(*all_)
        return ca.Function(name, all_, list(result) if isinstance(result, (list, tuple)) else [result])

    value, both = mapped("value", [residual]), mapped("both", [residual, jacobian])
    made = job(value, both, arrays, generate, None)
    residuals, jacobians = made.outputs

    def split(_):
        rows = jacobians.reshape(2, 15, count, order="F").transpose(2, 0, 1)
        return (residuals**2).sum(), data.w4_derivative(residuals.T, rows)

    made.split = split
    return made


def w5a(generate):
    a, b, at = data.w5()["a"]
    x, am, bm = ca.MX.sym("x", 100), ca.MX.sym("A", 1000, 100), ca.MX.sym("b", 1000)
    return scalar(x, ca.mmax(ca.fabs(am @ x - bm)), [am, bm], [at, a, b])(generate)


def cb3(generate):
    x = ca.SX.sym("x", 1000)
    u, v = x[:-1], x[1:]
    second = ca.fmax((2 - u) ** 2 + (2 - v) ** 2, 2 * ca.exp(v - u))
    return scalar(x, ca.sum1(ca.fmax(u**4 + v**2, second)), [], [data.w5()["b"]])(generate)


def crescent(generate):
    x = ca.SX.sym("x", 1000)
    u, v = x[:-1], x[1:]
    squares = u**2 + (v - 1) ** 2
    f = ca.fmax(ca.sum1(squares + v - 1), ca.sum1(v + 1 - squares))
    return scalar(x, f, [], [data.w5()["b"]])(generate)


def rosenbrock(generate):
    x = ca.SX.sym("x", 100)
    f = 0.25 * ca.fabs(x[0] - 1) + ca.sum1(ca.fabs(x[1:] - 2 * ca.fabs(x[:-1]) + 1))
    return scalar(x, f, [], [data.w5()["c"]])(generate)


MAKERS = [
    ("W2-b1", w2(1)),
    ("W2-b32", w2(32)),
    *[(case, w3(case)) for case in data.MIXTURES],
    ("W4", w4),
    ("W5a", w5a),
    ("W5b1", cb3),
    ("W5b2", crescent),
    ("W5c", rosenbrock),
]


def system(workload, make, generate):
    name, note = ("CasADi, C", "generated, gcc -O3 -march=native") if generate else ("CasADi", "virtual machine")
    return workload, name, note, lambda: make(generate)


if __name__ == "__main__":
    pairs = [(*maker, generate) for maker in MAKERS for generate in (False, True)]
    serve(ca.__version__, [system(*pair) for pair in pairs])
