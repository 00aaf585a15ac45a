"""Samples of numpy's functions: code that is run once with arrays and once traced. `test_numpy.py` compares.

Every function of the tables must stand here; a new one without a sample fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Sample:
    """Numpy code, the shapes of its arguments, and where they are drawn from."""

    code: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...] = ((3, 4),)
    domain: tuple[float, float] = (-2.0, 2.0)
    tolerance: float = field(default=1e-13)


def unary(*functions: Any, domain: tuple[float, float] = (-2.0, 2.0)) -> dict[Any, list[Sample]]:
    return {f: [Sample(f, domain=domain), Sample(f, ((),), domain)] for f in functions}


def binary(*functions: Any, domain: tuple[float, float] = (-2.0, 2.0)) -> dict[Any, list[Sample]]:
    fixed = np.linspace(*domain, 4)
    return {
        f: [
            Sample(f, ((3, 4), (3, 4)), domain),
            Sample(lambda a, b, f=f: f(a, b), ((3, 1), (4,)), domain),
            Sample(lambda a, f=f: f(a, fixed), ((3, 4),), domain),
            Sample(lambda a, f=f: f(fixed, a), ((3, 4),), domain),
            Sample(lambda a, f=f: f(np.float64(domain[1]), a), ((3, 4),), domain),
            Sample(lambda a, f=f: f(a, domain[1]), ((3, 4),), domain),
        ]
        for f in functions
    }


X: tuple[tuple[int, ...], ...] = ((3, 4),)
V: tuple[tuple[int, ...], ...] = ((5,),)
CUBE: tuple[tuple[int, ...], ...] = ((2, 3, 4),)
VV = ((5,), (5,))


def s(
    code: Callable[..., Any],
    shapes: tuple[tuple[int, ...], ...] = X,
    domain: tuple[float, float] = (-2.0, 2.0),
    tolerance: float = 1e-13,
) -> Sample:
    return Sample(code, shapes, domain, tolerance)


UFUNCS: dict[Any, list[Sample]] = {
    **unary(
        np.negative, np.positive, np.absolute, np.fabs, np.exp, np.square, np.sin, np.cos, np.tan, np.tanh, np.expm1, np.sinh,
        np.cosh, np.arctan, np.exp2, np.deg2rad, np.rad2deg, np.radians, np.degrees, np.cbrt, np.arcsinh, np.floor, np.ceil,
        np.rint, np.trunc, np.sign, np.conjugate, np.modf, np.signbit, np.isinf, np.logical_not,
    ),
    **unary(np.log, np.log2, np.log10, np.sqrt, np.reciprocal, domain=(0.2, 3.0)),
    **unary(np.log1p, domain=(-0.9, 3.0)),
    **unary(np.arcsin, np.arccos, np.arctanh, domain=(-0.9, 0.9)),
    **unary(np.arccosh, domain=(1.1, 50.0)),
    **binary(
        np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.logaddexp, np.logaddexp2, np.arctan2, np.hypot,
        np.copysign, np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.logical_and,
        np.logical_or, np.logical_xor, np.heaviside,
    ),
    **binary(np.divide, np.power, np.float_power, np.floor_divide, np.remainder, np.fmod, np.divmod, domain=(0.3, 3.0)),
    np.bitwise_and: [s(lambda x: (x > 0) & (x < 1)), s(lambda x: (x > 0) & np.array([True, False, True, False]))],
    np.bitwise_or: [s(lambda x: (x > 1) | (x < -1)), s(lambda x: np.array([True, False, True, False]) | (x > 0))],
    np.bitwise_xor: [s(lambda x: (x > 1) ^ (x > 0))],
    np.invert: [s(lambda x: ~(x > 0))],
    np.ldexp: [s(lambda x: np.ldexp(x, 3)), s(lambda x: np.ldexp(x, np.array([1, -2, 0, 3])))],
    np.matmul: [
        s(lambda a, b: a @ b, ((3, 4), (4, 2))), s(lambda a: np.arange(3.0) @ a), s(lambda a: a @ np.arange(4.0)),
        s(np.matmul, ((2, 3, 4), (4, 5))), s(np.matmul, ((5,), (5,))),
    ],
    np.vecdot: [s(np.vecdot, ((2, 3), (3,)))],
    np.matvec: [s(np.matvec, ((2, 3, 4), (4,)))],
    np.vecmat: [s(np.vecmat, ((3,), (2, 3, 4)))],
}  # fmt: skip

#: Of functions with more than their plain call.
MORE: list[Sample] = [
    s(lambda x: x**2 + x**3 - x**-2 + x**1, domain=(0.5, 2.0)),
    s(lambda x: 2**x + x**0.5, domain=(0.5, 2.0)),
    s(lambda x: np.power(x, np.array([1, 2, 3, 4]))),
    s(lambda x: -x**3 + abs(x) - (+x) / 3),
    s(lambda x: 3 - x * np.float64(2) + np.float32(0.5) * x - np.int64(2) / (x + 5)),
    s(lambda x: x // 0.7 + x % 0.3 + 5 // (x + 9) + 5 % (x + 9) + divmod(x, 0.4)[1]),
    s(lambda x: x * True + np.True_ - x * np.array([True, False, True, True])),
    s(lambda x: np.add.reduce(x) + np.maximum.reduce(x) - np.minimum.reduce(x, axis=0)),
    s(lambda x: np.multiply.reduce(x, axis=1, keepdims=True)),
    s(lambda x: np.add.reduce(x, axis=None, initial=2.0)),
    s(lambda x: np.logaddexp.reduce(x, axis=1)),
    s(lambda x: np.add.accumulate(x) + np.maximum.accumulate(x, axis=1) + np.minimum.accumulate(x)),
    s(lambda x: np.multiply.accumulate(x, axis=1)),
    s(lambda x: np.subtract.outer(x, np.arange(3.0))),
    s(lambda x: np.maximum.outer(np.arange(3.0), x)),
    s(lambda x: np.where((x > 0) & (x < 1) | ~(x > -1), x, -x)),
    s(lambda x: np.where(np.logical_and(x > 0, x.T[0, 0] > 0), x, 2 * x)),
    s(lambda x: (x > 0) * x - (x > 1) + 2 * (x < 0) / 4 + ((x > 0) @ np.ones(4))[:, None]),
    s(lambda x: np.sum(x > 0) + np.mean(x > 1, axis=0) + (x > 0).sum(axis=0)),
    s(lambda x: (x > 0).astype(float) + x.astype(np.float64)),
    s(lambda x: x + [1, 2, 3, 4] - [x[0, 0], x[0, 1], 1.0, 2.0]),
    s(lambda x: sum(x) + sum(row.max() for row in x)),
    s(lambda x: np.zeros_like(x) + np.ones_like(x) * x),
    s(lambda x: x.sum() + x.mean(0) + x.max(axis=0) - x.min(0) + x.prod(0) + x.std(0) + x.var(axis=0, ddof=1)),
    s(lambda x: x.reshape(4, 3) + x.reshape((4, -1)) + x.T + x.transpose() + x.transpose(1, 0) + x.transpose((1, 0)) + x.swapaxes(0, 1)),
    s(lambda x: x.ravel() + x.flatten() + x.cumsum() + x.repeat(1) + x.copy().reshape(-1) + x.take(np.arange(12)) + x.conj().ravel()),
    s(lambda x: x.clip(-1, 1) + x.round(1) + x.dot(np.eye(4)) + x.diagonal().sum() + x.trace() + x.squeeze() + x.cumprod().sum()),
    s(lambda x: x.ndim + x.size + x.shape[0] + len(x) + np.ndim(x) * x),
    s(lambda x: x.mT @ x),
    # Indexing.
    s(lambda x: x[0] + x[-1] + x[:, 1:].sum() + x[..., 0].sum() + x[1, 2]),
    s(lambda x: x[::-1, ::2] + x[:, None, 0:1][:, 0] + x[None][0, :, :2]),
    s(lambda x: x[[0, 2, 0]] + x[np.array([[0, 1], [2, 0]])].sum(axis=(0, 1))),
    s(lambda x: x[:, [3, 1]] + x[..., np.array([0, -1])]),
    s(lambda x: x[[0, 1], [2, -1]] + x[np.array([True, False, True])].sum(axis=0)[:2]),
    s(lambda x: x[x.shape[0] - 1, np.newaxis, [1, 2]] + x[np.eye(3, 4) > 0].sum()),
    s(lambda x: x[1:1].sum() + x[[]].sum() + x),
    s(lambda x: x[np.ix_([0, 2], [1, 3])]),
    s(lambda x: np.stack([a * b for a, b in zip(x, x[::-1], strict=True)])),
    s(lambda x: x.flat[2:4]),
]  # fmt: skip

FUNCTIONS: dict[Any, list[Sample]] = {
    np.sum: [s(np.sum), s(lambda x: np.sum(x, axis=-1, keepdims=True)), s(lambda x: np.sum(x, axis=(0, 2)), CUBE),
             s(lambda x: np.sum(x, initial=3)), s(lambda x: np.sum(x, axis=())), s(np.sum, ((),)), s(lambda x: np.sum(x, 0, dtype=float)),
             s(lambda x: np.sum(x, where=True))],
    np.prod: [s(np.prod), s(lambda x: np.prod(x, axis=1, initial=2.0))],
    np.max: [s(np.max), s(lambda x: np.max(x, axis=0), ((),)), s(lambda x: np.max(x, axis=0)), s(lambda x: np.max(x, axis=(0, 1), keepdims=True), CUBE), s(lambda x: np.max(x, 1, initial=0.5))],
    np.min: [s(np.min), s(lambda x: np.min(x, axis=0, keepdims=True))],
    np.ptp: [s(np.ptp), s(lambda x: np.ptp(x, axis=1, keepdims=True))],
    np.mean: [s(np.mean), s(lambda x: np.mean(x, axis=1)), s(lambda x: np.mean(x, axis=(0, -1), keepdims=True), CUBE)],
    np.var: [s(np.var), s(lambda x: np.var(x, axis=0, ddof=1)), s(lambda x: np.var(x, axis=-1, keepdims=True))],
    np.std: [s(np.std), s(lambda x: np.std(x, axis=0, ddof=1)), s(lambda x: np.std(x, axis=-1, keepdims=True))],
    np.average: [s(np.average), s(lambda x: np.average(x, axis=0)), s(lambda x: np.average(x, axis=1, weights=np.array([1.0, 2, 0, 1]))),
                 s(lambda x, w: np.average(x, axis=0, weights=w), ((3, 4), (3,)), (0.5, 2.0)), s(lambda x, w: np.average(x, weights=w), ((3, 4), (3, 4)), (0.5, 2.0)),
                 s(lambda x: np.average(x, axis=1, returned=True))],
    np.median: [s(np.median), s(lambda x: np.median(x, axis=0)), s(lambda x: np.median(x, axis=1, keepdims=True)), s(lambda x: np.median(x, axis=(0, 2), keepdims=True), CUBE)],
    np.quantile: [s(lambda x: np.quantile(x, 0.3)), s(lambda x: np.quantile(x, np.array([0.1, 0.5]), axis=1)), s(lambda x: np.quantile(x, 0.7, axis=(0, 1)), CUBE),
                  s(lambda x: np.quantile(x, np.array([[0.1, 1.0], [0.0, 0.5]]), axis=0, keepdims=True))],
    np.percentile: [s(lambda x: np.percentile(x, 30)), s(lambda x: np.percentile(x, [10, 99], axis=0))],
    np.sort: [s(np.sort), s(lambda x: np.sort(x, axis=0)), s(lambda x: np.sort(x, axis=None))],
    np.partition: [s(lambda x: np.partition(x, 2, axis=1)[:, 2]), s(lambda x: np.partition(x, 5, axis=None)[:5].sum())],
    np.cumsum: [s(np.cumsum), s(lambda x: np.cumsum(x, axis=-1), ((),)), s(lambda x: np.cumsum(x, axis=1))],
    np.cumprod: [s(np.cumprod), s(lambda x: np.cumprod(x, axis=0))],
    np.cumulative_sum: [s(np.cumulative_sum, V), s(lambda x: np.cumulative_sum(x, axis=1, include_initial=True))],
    np.cumulative_prod: [s(np.cumulative_prod, V), s(lambda x: np.cumulative_prod(x, axis=0, include_initial=True))],
    np.diff: [s(np.diff), s(lambda x: np.diff(x, n=2, axis=0)), s(lambda x: np.diff(x, prepend=0.0)), s(lambda x: np.diff(x, append=x[:, :1], prepend=np.ones((3, 2)))), s(lambda x: np.diff(x, n=0))],
    np.ediff1d: [s(np.ediff1d), s(lambda x: np.ediff1d(x, to_begin=0.0, to_end=[1.0, 2.0]))],
    np.gradient: [s(np.gradient, V), s(np.gradient), s(lambda x: np.gradient(x, 0.5, axis=1)), s(lambda x: np.gradient(x, np.array([0, 1, 3, 3.5]), axis=1, edge_order=2)),
                  s(lambda x: np.gradient(x, 2.0, 3.0))],
    np.trapezoid: [s(np.trapezoid), s(lambda x: np.trapezoid(x, dx=0.1, axis=0)), s(lambda x: np.trapezoid(x, np.array([0.0, 1, 3, 4]))), s(lambda y, x: np.trapezoid(y, x), ((3, 4), (3, 4))),
                   s(lambda y, x: np.trapezoid(y, x, axis=0), ((3, 4), (3,)))],
    np.clip: [s(lambda x: np.clip(x, -1, 1)), s(lambda x: np.clip(x, None, 0.5)), s(lambda x: np.clip(x, 0, None)), s(lambda x: np.clip(x, -np.ones(4), [0.0, 1, 2, 3])),
              s(lambda x: np.clip(x, min=-0.5, max=0.5)), s(lambda x: np.clip(x, 1, -1)), s(lambda x, a: np.clip(x, a, a + 1), ((3, 4), (4,))), s(lambda a: np.clip(0.5, a, 1.0))],
    np.round: [s(np.round), s(lambda x: np.round(x, 2)), s(lambda x: np.around(x, decimals=-1), domain=(-50.0, 50.0))],
    np.fix: [s(np.fix)],
    np.sinc: [s(np.sinc), s(lambda x: np.sinc(0 * x))],
    np.where: [s(lambda x: np.where(x > 0, x, 0)), s(lambda x: np.where(np.eye(3, 4) > 0, x, 2.0)), s(lambda x: np.where(True, x, 1)), s(lambda x: np.where(x, 1.0, 2.0)),
               s(lambda x: np.where(x[:, :1] > x[0] + 0.1, 1, x)), s(lambda x: np.where([True, False, True, False], x, -x))],
    np.select: [s(lambda x: np.select([x > 1, x > 0], [x, x**2], default=-1.0)), s(lambda x: np.select([np.eye(3, 4) > 0, x > 0], [1.0, x]))],
    np.count_nonzero: [s(lambda x: np.count_nonzero(x > 0)), s(lambda x: np.count_nonzero(x, axis=0))],
    np.interp: [s(lambda x: np.interp(x, np.array([-1.0, 0.0, 1.5]), np.array([2.0, -1.0, 3.0]))), s(lambda x, f: np.interp(x, np.array([-1.0, 0.0, 1.5]), f), ((3, 4), (3,))),
                s(lambda f: np.interp([-3.0, -0.4, 9.0], [-1.0, 0.0, 1.5], f), ((3,),)), s(lambda x: np.interp(x, np.array([-1.0, 0.0]), np.array([2.0, 1.0]), left=-5, right=7.0))],
    np.cov: [s(np.cov), s(lambda x: np.cov(x, rowvar=False, bias=True)), s(lambda x, y: np.cov(x, y), VV), s(np.cov, V), s(lambda x: np.cov(x, ddof=0))],
    np.bincount: [s(lambda w: np.bincount([0, 2, 2, 1, 4], weights=w, minlength=7), V)],
    # Shapes.
    np.reshape: [s(lambda x: np.reshape(x, (2, -1))), s(lambda x: np.reshape(x, 12)), s(lambda x: np.reshape(x, [2, 6], order="C"))],
    np.ravel: [s(np.ravel)],
    np.transpose: [s(np.transpose), s(lambda x: np.transpose(x, (1, -1, 0)), CUBE)],
    np.permute_dims: [s(lambda x: np.permute_dims(x, (1, 2, 0)), CUBE)],
    np.swapaxes: [s(lambda x: np.swapaxes(x, 0, -1), CUBE)],
    np.matrix_transpose: [s(np.matrix_transpose, CUBE), s(np.linalg.matrix_transpose, CUBE)],
    np.moveaxis: [s(lambda x: np.moveaxis(x, 0, -1), CUBE), s(lambda x: np.moveaxis(x, [0, 1], [-1, 0]), CUBE)],
    np.rollaxis: [s(lambda x: np.rollaxis(x, 2), CUBE), s(lambda x: np.rollaxis(x, 0, 2), CUBE), s(lambda x: np.rollaxis(x, 1, -1), CUBE), s(lambda x: np.rollaxis(x, 0, 3), CUBE)],
    np.expand_dims: [s(lambda x: np.expand_dims(x, 0)), s(lambda x: np.expand_dims(x, (0, -1)))],
    np.squeeze: [s(np.squeeze, ((1, 3, 1),)), s(lambda x: np.squeeze(x, axis=0), ((1, 3, 1),)), s(lambda x: np.squeeze(x, axis=(0, -1)), ((1, 3, 1),))],
    np.broadcast_to: [s(lambda x: np.broadcast_to(x, (2, 3, 4))), s(lambda x: np.broadcast_to(x, 3), ((),))],
    np.broadcast_arrays: [s(lambda x: np.broadcast_arrays(x, np.ones((2, 1, 1))))],
    np.meshgrid: [s(lambda x, y: np.meshgrid(x, y), ((3,), (4,))), s(lambda x, y, z: np.meshgrid(x, y, z, indexing="ij"), ((2,), (3,), (4,))),
                  s(lambda x: np.meshgrid(x, np.arange(2.0), [5.0], sparse=True), V)],
    np.atleast_1d: [s(np.atleast_1d, ((),)), s(np.atleast_1d), s(np.atleast_1d, ((), (3,)))],
    np.atleast_2d: [s(np.atleast_2d, ((),)), s(np.atleast_2d, V), s(np.atleast_2d, CUBE)],
    np.atleast_3d: [s(np.atleast_3d, ((),)), s(np.atleast_3d, V), s(np.atleast_3d), s(np.atleast_3d, CUBE)],
    np.concatenate: [s(lambda x, y: np.concatenate([x, y]), ((2, 3), (1, 3))), s(lambda x: np.concatenate((x, np.ones((3, 1))), axis=-1)), s(lambda x: np.concatenate([x, x], axis=None)),
                     s(lambda x: np.concatenate(x, axis=-1), CUBE)],
    np.concat: [s(lambda x: np.concat([x, x], axis=1))] if hasattr(np, "concat") else [],
    np.stack: [s(lambda x: np.stack([x, 2 * x])), s(lambda x: np.stack([x, np.ones((3, 4))], axis=-1)), s(lambda x: np.stack([x[0, 0], 1.0, x[1, 1]])), s(lambda x: np.stack(x, axis=1))],
    np.vstack: [s(lambda x: np.vstack([x, x[0]])), s(lambda x: np.vstack([x, 1.0, 2.0]), ((),))],
    np.hstack: [s(lambda x: np.hstack([x, x[:, :1]])), s(lambda x: np.hstack([x, 1.0, x[:2]]), V)],
    np.dstack: [s(lambda x: np.dstack([x, np.ones((3, 4))])), s(lambda x: np.dstack([x, x]), V)],
    np.column_stack: [s(lambda x: np.column_stack([x[:, 0], x])), s(lambda x: np.column_stack([x, x]), V)],
    np.append: [s(lambda x: np.append(x, 1.0)), s(lambda x: np.append(x, np.ones((1, 4)), axis=0))],
    np.block: [s(lambda x: np.block([[x, np.zeros((3, 2))], [np.ones((1, 6))]])), s(lambda x: np.block([x[0], 1.0])), s(lambda x: np.block([[x[0]], [x]])), s(np.block)],
    np.split: [s(lambda x: np.split(x, 2, axis=1)), s(lambda x: np.split(x, [1, 2]))],
    np.array_split: [s(lambda x: np.array_split(x, 3, axis=1)), s(lambda x: np.array_split(x, [1, 2], axis=1))],
    np.vsplit: [s(lambda x: np.vsplit(x, 3))],
    np.hsplit: [s(lambda x: np.hsplit(x, 2)), s(lambda x: np.hsplit(x, [2, 3]), V)],
    np.dsplit: [s(lambda x: np.dsplit(x, 2), CUBE)],
    np.unstack: [s(np.unstack), s(lambda x: np.unstack(x, axis=1))],
    np.flip: [s(np.flip), s(lambda x: np.flip(x, axis=0)), s(lambda x: np.flip(x, axis=(0, -1)), CUBE)],
    np.fliplr: [s(np.fliplr)],
    np.flipud: [s(np.flipud)],
    np.rot90: [s(lambda x, k=k: np.rot90(x, k)) for k in range(-1, 4)] + [s(lambda x: np.rot90(x, 3, axes=(2, 0)), CUBE), s(lambda x: np.rot90(x, 1, axes=(1, 2)), CUBE)],
    np.roll: [s(lambda x: np.roll(x, 2)), s(lambda x: np.roll(x, -1, axis=1)), s(lambda x: np.roll(x, (1, 2), axis=(0, 1))), s(lambda x: np.roll(x, 1, axis=(0, 1)))],
    np.fft.fftshift: [s(np.fft.fftshift), s(lambda x: np.fft.fftshift(x, axes=1))],
    np.fft.ifftshift: [s(np.fft.ifftshift, ((5, 4),)), s(lambda x: np.fft.ifftshift(x, axes=(0,)))],
    np.repeat: [s(lambda x: np.repeat(x, 2)), s(lambda x: np.repeat(x, 3, axis=1)), s(lambda x: np.repeat(x, [1, 0, 2], axis=0))],
    np.tile: [s(lambda x: np.tile(x, 2)), s(lambda x: np.tile(x, (2, 1, 3)))],
    np.pad: [s(lambda x: np.pad(x, 1)), s(lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=3.0)), s(lambda x: np.pad(x, (1, 2), mode="edge")), s(lambda x: np.pad(x, 2, mode="reflect")),
             s(lambda x: np.pad(x, 1, mode="wrap")), s(lambda x: np.pad(x, 2, mode="symmetric")), s(lambda x: np.pad(x, 1, constant_values=((1.0, 2.0), (3.0, 4.0)))), s(lambda x: np.pad(x, 7, mode="reflect"))],
    np.take: [s(lambda x: np.take(x, [0, 5, -1])), s(lambda x: np.take(x, [[1, 0], [2, 2]], axis=0)), s(lambda x: np.take(x, 1, axis=1)), s(lambda x: np.take(x, [5, -7], axis=1, mode="wrap")),
              s(lambda x: np.take(x, [5, -7], axis=1, mode="clip"))],
    np.take_along_axis: [s(lambda x: np.take_along_axis(x, np.array([[0], [3], [1]]), axis=1)), s(lambda x: np.take_along_axis(x, np.array([3, 1]), axis=None))],
    np.compress: [s(lambda x: np.compress([True, False, True], x, axis=0)), s(lambda x: np.compress([0, 1, 1], x))],
    np.extract: [s(lambda x: np.extract(np.eye(3, 4), x))],
    np.delete: [s(lambda x: np.delete(x, 1, axis=0)), s(lambda x: np.delete(x, [0, 5])), s(lambda x: np.delete(x, slice(0, 2), axis=1))],
    np.choose: [s(lambda x: np.choose([0, 1, 1, 0], [x, -x])), s(lambda x: np.choose([3, -1, 1, 0], [x, 5.0], mode="wrap"))],
    np.diag: [s(np.diag), s(lambda x: np.diag(x, k=1)), s(np.diag, V), s(lambda x: np.diag(x, -1), V)],
    np.diagflat: [s(np.diagflat), s(lambda x: np.diagflat(x, 1), V)],
    np.diagonal: [s(np.diagonal), s(lambda x: np.diagonal(x, 1, axis1=2, axis2=0), CUBE)],
    np.linalg.diagonal: [s(np.linalg.diagonal, CUBE), s(lambda x: np.linalg.diagonal(x, offset=1), CUBE)],
    np.trace: [s(np.trace), s(lambda x: np.trace(x, offset=-1)), s(np.trace, CUBE)],
    np.linalg.trace: [s(np.linalg.trace, CUBE)],
    np.tril: [s(np.tril), s(np.tril, V), s(lambda x: np.tril(x, -1), CUBE)],
    np.triu: [s(np.triu), s(lambda x: np.triu(x, 1))],
    np.zeros_like: [s(lambda x: np.zeros_like(x) + x)],
    np.ones_like: [s(lambda x: np.ones_like(x) + x), s(lambda x: np.ones_like(x, shape=(2,)) * x[0, :2])],
    np.empty_like: [s(lambda x: 0 * np.nan_to_num(np.empty_like(x)) * 0 + x)],
    np.full_like: [s(lambda x: np.full_like(x, 3.0) + x), s(lambda x: np.full_like(x, np.arange(4)) + x)],
    np.copy: [s(np.copy)],
    np.real: [s(np.real)],
    np.real_if_close: [s(np.real_if_close)],
    np.imag: [s(lambda x: np.imag(x) + x)],
    np.shape: [s(lambda x: x * np.shape(x)[1])],
    np.ndim: [s(lambda x: x * np.ndim(x))],
    np.size: [s(lambda x: x * np.size(x) + np.size(x, 1))],
    np.isrealobj: [s(lambda x: x * np.isrealobj(x))],
    np.iscomplexobj: [s(lambda x: x * np.iscomplexobj(x))],
    np.isreal: [s(lambda x: np.where(np.isreal(x), x, 0))],
    np.iscomplex: [s(lambda x: np.where(np.iscomplex(x), x, 0))],
    np.result_type: [s(lambda x: x + np.ones(4, dtype=np.result_type(x, 1.0)))],
    np.common_type: [s(lambda x: x + np.ones(4, dtype=np.common_type(x)))],
    np.apply_along_axis: [s(lambda x: np.apply_along_axis(lambda v: v.max() - v[0], 0, x)), s(lambda x: np.apply_along_axis(lambda v: v[:2] * 2, 1, x), CUBE),
                          s(lambda x: np.apply_along_axis(lambda v: v[:, None] * v[:2], 0, x), CUBE)],
    np.linspace: [s(lambda x: np.linspace(x, 2.0, 5)), s(lambda x, y: np.linspace(x, y, 4, endpoint=False, axis=-1), ((3,), (2, 1))), s(lambda x: np.linspace(0.0, x, 3, retstep=True), V),
                  s(lambda x: np.linspace(x, x[0] + 1, 1), V)],
    np.vander: [s(np.vander, V), s(lambda x: np.vander(x, 3, increasing=True), V), s(lambda x: np.vander(x, 1), V)],
    np.polyval: [s(lambda x: np.polyval([1.0, -2, 3], x)), s(lambda p, x: np.polyval(p, x), ((3,), (2, 2))), s(lambda p: np.polyval(p, 1.5), ((3,),))],
    # Products.
    np.dot: [s(lambda a, b: np.dot(a, b), ((3, 4), (4, 2))), s(np.dot, VV), s(lambda a: np.dot(2.0, a)), s(np.dot, ((3, 4), (4,))), s(np.dot, ((2, 3, 4), (5, 4, 2))), s(np.dot, ((2, 3, 4), (4,))),
             s(np.dot, ((4,), (5, 4, 2))), s(lambda a: np.dot(np.arange(3.0), a))],
    np.vdot: [s(np.vdot, ((3, 4), (3, 4)))],
    np.inner: [s(np.inner, VV), s(np.inner, ((2, 3), (4, 3))), s(lambda a: np.inner(a, 3.0)), s(np.inner, ((2, 3, 4), (5, 4)))],
    np.outer: [s(np.outer, VV), s(np.outer, ((2, 2), (3,))), s(lambda a: np.outer(a, [1.0, 2.0]), V)],
    np.tensordot: [s(np.tensordot, ((2, 3, 4), (3, 4, 5))), s(lambda a, b: np.tensordot(a, b, axes=1), ((2, 3), (3, 4))), s(lambda a, b: np.tensordot(a, b, axes=([0, 1], [1, 0])), ((2, 3, 4), (3, 2))),
                   s(lambda a, b: np.tensordot(a, b, axes=0), ((2,), (3,))), s(lambda a, b: np.tensordot(a, b, axes=(-1, 0)), ((2, 3), (3,)))],
    np.kron: [s(np.kron, ((2, 3), (3, 2))), s(np.kron, ((2,), (2, 2))), s(lambda a: np.kron(np.eye(2), a))],
    np.cross: [s(np.cross, ((3,), (3,))), s(np.cross, ((4, 3), (3,))), s(lambda a, b: np.cross(a, b, axis=0), ((3, 4), (3, 4))), s(lambda a, b: np.cross(a, b, axisa=0, axisc=0), ((3, 4), (4, 3)))],
    np.einsum: [s(lambda a, b: np.einsum("ij,jk->ik", a, b), ((2, 3), (3, 4))), s(lambda a: np.einsum("ii", a), ((3, 3),)), s(lambda a: np.einsum("ij->j", a)), s(lambda a, b: np.einsum("ij, jk", a, b), ((2, 3), (3, 4))),
                s(lambda a, b: np.einsum("...j,jk->...k", a, b), ((2, 5, 3), (3, 4))), s(lambda a: np.einsum("...ii->...i", a), ((2, 3, 3),)), s(lambda a, b: np.einsum("i...,i...", a, b), ((2, 3), (2, 3))),
                s(lambda a: np.einsum("ba", a)), s(lambda a, b, c: np.einsum("i,ij,j->", a, b, c, optimize=True), ((2,), (2, 3), (3,))), s(lambda a: np.einsum("i,j->ij", a, [1.0, 2.0]), V),
                s(lambda a: np.einsum("...", a)), s(lambda a, b: np.einsum("...,...->...", a, b), ((3, 4), (4,)))],
    np.convolve: [s(lambda a, v, m=m: np.convolve(a, v, m), ((5,), (n,))) for m in ("full", "same", "valid") for n in (2, 3, 7)] + [s(lambda a: np.convolve([1.0, -1.0], a), V)],
    np.correlate: [s(lambda a, v, m=m: np.correlate(a, v, m), ((5,), (n,))) for m in ("full", "same", "valid") for n in (2, 3, 5, 6, 7, 8)],
    np.linalg.solve: [s(lambda a, b: np.linalg.solve(a + 4 * np.eye(3), b), ((3, 3), (3,))), s(lambda a, b: np.linalg.solve(a + 4 * np.eye(3), b), ((3, 3), (3, 2))),
                      s(lambda a, b: np.linalg.solve(a + 4 * np.eye(3), b), ((2, 3, 3), (3,))), s(lambda a, b: np.linalg.solve(a + 4 * np.eye(3), b), ((2, 3, 3), (3, 2))),
                      s(lambda b: np.linalg.solve(np.array([[2.0, 1], [0, 3]]), b), ((2,),))],
    np.linalg.inv: [s(lambda a: np.linalg.inv(a + 4 * np.eye(3)), ((2, 3, 3),))],
    np.linalg.cholesky: [s(lambda a: np.linalg.cholesky(a @ a.T + np.eye(3)), ((3, 3),)), s(lambda a: np.linalg.cholesky(a @ a.T + np.eye(3), upper=True), ((3, 3),))],
    np.linalg.matrix_power: [s(lambda a, n=n: np.linalg.matrix_power(a + 3 * np.eye(3), n), ((3, 3),), tolerance=1e-12) for n in (0, 1, 2, 5, -1, -3)],
    np.linalg.multi_dot: [s(lambda a, b: np.linalg.multi_dot([a, b, np.ones((4, 2))]), ((2, 3), (3, 4))), s(lambda a, b: np.linalg.multi_dot([a, b, np.ones(4)]), ((3,), (3, 4)))],
    np.linalg.matmul: [s(np.linalg.matmul, ((2, 3), (3, 4)))],
    np.linalg.outer: [s(np.linalg.outer, VV)],
    np.linalg.tensordot: [s(lambda a, b: np.linalg.tensordot(a, b, axes=1), ((2, 3), (3, 4)))],
    np.linalg.cross: [s(np.linalg.cross, ((4, 3), (4, 3)))],
    np.linalg.vecdot: [s(np.linalg.vecdot, ((2, 3), (2, 3))), s(lambda a, b: np.linalg.vecdot(a, b, axis=0), ((2, 3), (2, 3)))],
    np.linalg.norm: [s(np.linalg.norm, V), s(np.linalg.norm), s(np.linalg.norm, CUBE), s(lambda x: np.linalg.norm(x, keepdims=True))]
    + [s(lambda x, o=o: np.linalg.norm(x, o), V) for o in (1, 2, 3, np.inf, -np.inf, 0, 1.5, -1)]
    + [s(lambda x, o=o: np.linalg.norm(x, o)) for o in ("fro", "nuc", 1, -1, 2, np.inf, -np.inf)]
    + [s(lambda x, o=o: np.linalg.norm(x, o, axis=(2, 0), keepdims=True), CUBE) for o in (None, "fro", "nuc", 1, 2, np.inf)]
    + [s(lambda x, o=o: np.linalg.norm(x, o, axis=(0, 1)), CUBE) for o in ("nuc", 1, 2, np.inf, -1)]
    + [s(lambda x, o=o: np.linalg.norm(x, ord=o, axis=1, keepdims=True), CUBE) for o in (None, 1, 2, 3, np.inf)],
    np.linalg.vector_norm: [s(np.linalg.vector_norm), s(lambda x: np.linalg.vector_norm(x, ord=1, axis=(0, 2)), CUBE), s(lambda x: np.linalg.vector_norm(x, ord=3, axis=1, keepdims=True))],
    np.linalg.matrix_norm: [s(np.linalg.matrix_norm, CUBE), s(lambda x: np.linalg.matrix_norm(x, ord="nuc", keepdims=True), CUBE)],
}  # fmt: skip
