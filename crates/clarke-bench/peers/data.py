"""The data of the workloads, as the crate draws them."""

from functools import cache
from math import lgamma, log, pi

from common import Stream, np


def _layers(s, widths, bias):
    pairs = zip(widths, widths[1:])
    return [p for i, o in pairs for p in (s.normal(i, o) * np.sqrt(2 / i), bias * s.normal(o))]


@cache
def w1():
    """Parameters, images, classes."""
    s = Stream(1)
    x = s.uniform(128, 784).astype(np.float32)
    y = s.integers(10, 128)
    return [p.astype(np.float32) for p in _layers(s, (784, 256, 256, 10), 0.01)], x, y


@cache
def w2(batch):
    """Parameters, inputs, targets."""
    s = Stream(2)
    parameters = _layers(s, (10, 32, 32, 1), 0.1)
    one = s.normal(1, 10), s.normal(1, 1)
    x, y = one if batch == 1 else (s.normal(batch, 10), s.normal(batch, 1))
    return parameters, x, y


MIXTURES = {"W3-d10-K25": (10, 25), "W3-d2-K5": (2, 5)}


@cache
def w3(d, k, n=1000):
    """α, µ, factors; the samples. A factor is the logarithms of its diagonal, then its lower triangle column by column."""
    s = Stream(3)
    return [s.normal(k), s.uniform(k, d), 0.3 * s.normal(k, d + d * (d - 1) // 2)], s.uniform(n, d)


def w3_constant(d, k, n=1000):
    """What the log-likelihood has that depends on no variable: the prior has γ = 1 and m = 0."""
    multigamma = 0.25 * d * (d - 1) * log(pi) + sum(lgamma(0.5 * (d + 1 - j)) for j in range(d))
    return -n * d * 0.5 * log(2 * pi) - k * (-(d + 1) * d * 0.5 * log(2) - multigamma)


def w3_lower(d):
    """Rows and columns of a factor's lower triangle, column by column."""
    pairs = [(i, j) for j in range(d) for i in range(j + 1, d)]
    return np.array([i for i, _ in pairs]), np.array([j for _, j in pairs])


@cache
def w4(n=1000):
    """Cameras (rotation, centre, focal length, principal point, distortion), points, weights, features."""
    s = Stream(4)
    parts = 0.3 * s.normal(n, 3), s.normal(n, 3), 500 + 10 * s.normal(n, 1), 20 * s.normal(n, 2), 0.01 * s.normal(n, 2)
    points = s.normal(n, 3) + np.array([0.0, 0.0, 10.0])
    return np.concatenate(parts, 1), points, s.uniform(n, 1), 50 * s.normal(n, 2)


def w4_derivative(residuals, jacobians):
    """Residuals [n, 2] and Jacobians [n, 2, 15] in the order of the crate: observations last."""
    return [np.asarray(residuals).T, np.asarray(jacobians).transpose(1, 2, 0)]


@cache
def w6():
    """Kernels and biases, images, classes."""
    s = Stream(6)
    x, y = s.uniform(32, 1, 28, 28), s.integers(10, 32)
    shapes = [((16, 1, 3, 3), 3), ((16,), 100), ((32, 16, 3, 3), 12), ((32,), 100), ((1568, 10), 40), ((10,), 100)]
    return [(s.normal(*shape) / by).astype(np.float32) for shape, by in shapes], x.astype(np.float32), y


@cache
def w5():
    """A, b and the point; the chains' point; Rosenbrock's; T, t and the point."""
    s = Stream(5)
    a = s.normal(1000, 100), s.normal(1000), s.normal(100)
    xb, xc = s.normal(1000), s.normal(100)
    d = s.normal(100_000, 10), s.normal(100_000), s.normal(10)
    return {"a": a, "b": xb, "c": xc, "d": d}


@cache
def w12_dense():
    """Samples, signs, weights."""
    s = Stream(120)
    return s.normal(100_000, 100), 1.0 - 2.0 * s.integers(2, 100_000), 0.1 * s.normal(100)


@cache
def w12_sparse():
    """Columns and values of ten entries a row, signs, weights. Entry k stands in columns 100 k to 100 k + 99."""
    s = Stream(121)
    columns = s.integers(100, 100_000, 10) + 100 * np.arange(10)
    return columns, s.normal(100_000, 10), 1.0 - 2.0 * s.integers(2, 100_000), 0.3 * s.normal(1000)


@cache
def w12_huber():
    """Point and targets."""
    s = Stream(122)
    return 2 * s.normal(1_000_000), s.normal(1_000_000)


@cache
def w12_order():
    """Point, and weights of the sorted entries."""
    s = Stream(123)
    return s.normal(1_000_000), s.normal(1_000_000)


@cache
def w12_logsumexp():
    return Stream(124).normal(10_000, 100)
