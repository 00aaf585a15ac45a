"""The data of the workloads, as the crate draws them."""

from functools import cache

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
