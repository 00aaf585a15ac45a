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
    made.kept = kept, kept_both
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
