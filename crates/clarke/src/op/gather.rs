//! Entries gathered at constant positions, and the transpose, which adds them up where they came from.

use super::index::{axis_of, parameter, position};
use super::product;
use super::rearrange::written;
use super::shape::{Reshape, ints};
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value, describe};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;
use std::sync::Arc;

/// `take(x, indices, axis)`: the entries at constant positions along an axis, in the given order, repeats allowed.
///
/// Shapes: the axis gets the number of positions for its length; a single number drops the axis, and without an axis
/// x is taken flat, as in numpy. Errors: a position outside of the axis. Cost: one copy of what is taken.
#[derive(Debug, Clone)]
pub struct Take {
    /// The positions.
    pub indices: Vec<usize>,
    /// The axis, counted from the end: −1 is the last.
    pub axis: i64,
}

impl Take {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "take",
        signature: "take(x, indices, axis=None)",
        formula: "the entries at these positions along an axis (of the flat array without one)",
        class: "linear",
        ties: "",
        source: "numpy.take",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 3, &["indices", "axis"])?;
            let given = call.optional("indices", 1).ok_or_else(|| call.fault("`indices` is missing"))?;
            let (mut flat, mut shape) = (vec![], vec![]);
            positions(call, given, 0, &mut flat, &mut shape)?;
            let axis = match call.optional("axis", 2) {
                None | Some(Value::None) => None,
                Some(_) => Some(call.int("axis", 2, None)?),
            };
            Ok(take(call.var(0)?, &flat, &shape, axis, call.place.clone()))
        },
        samples: &[
            Sample::new("take(x, [2, 0, 2])", &[("x", &[3])]),
            Sample::new("take(x, [1, 1], axis=0)", &[("x", &[2, 3])]),
            Sample::new("take(x, [2, 0], axis=-1)", &[("x", &[2, 3])]),
        ],
    };
}

/// Reads nested lists of integers: the numbers and the shape.
pub(super) fn positions(
    call: &Call<'_, '_>,
    value: &Value<'_>,
    depth: usize,
    flat: &mut Vec<i64>,
    shape: &mut Vec<usize>,
) -> Result<()> {
    match value {
        Value::Number(x) if x.fract() == 0.0 && x.abs() <= 1e15 && depth == shape.len() => {
            flat.push(*x as i64);
            Ok(())
        }
        Value::List(items) | Value::Tuple(items) => {
            // The first list at each depth sets the length.
            if depth == shape.len() && flat.is_empty() {
                shape.push(items.len());
            }
            if shape.get(depth) != Some(&items.len()) {
                return Err(call.fault("`indices` must be lists of equal lengths"));
            }
            items.iter().try_for_each(|v| positions(call, v, depth + 1, flat, shape))
        }
        Value::Number(x) if x.fract() == 0.0 => Err(call.fault("`indices` must be lists of equal lengths")),
        other => Err(call.fault(format!("`indices` must hold integers, not {}", describe(other)))),
    }
}

/// numpy's take, for positions of a shape: flat without an axis.
pub(super) fn take<'p>(x: Var<'p>, indices: &[i64], shape: &[usize], axis: Option<i64>, place: Place) -> Var<'p> {
    if x.is_poisoned() {
        return x;
    }
    let builder = x.builder();
    let reshaped = |v: Var<'p>, to: &[usize]| {
        let same = v.is_poisoned() || v.shape() == to;
        let op = Reshape { shape: to.to_vec() };
        if same { v } else { builder.apply_at(Arc::new(op), &[v], place.clone()) }
    };
    let (x, axis) = match axis {
        None => (reshaped(x, &[size(&x.shape())]), Ok(0)),
        Some(axis) => (x, axis_of("take", &x.shape(), axis)),
    };
    let own = x.shape();
    let checked = axis.and_then(|axis| {
        let all = indices.iter().map(|&i| position("take", i, axis, own[axis])).collect::<Result<Vec<_>, _>>()?;
        Ok((axis, all))
    });
    let (axis, indices) = match checked {
        Ok(both) => both,
        Err(fault) => return builder.failed(fault.at(place)),
    };
    let op = Take { indices, axis: axis as i64 - own.len() as i64 };
    let taken = builder.apply_at(Arc::new(op), &[x], place.clone());
    reshaped(taken, &[&own[..axis], shape, &own[axis + 1..]].concat())
}

/// The extents before, along and after an axis counted from the end.
pub(super) fn around(shape: &[usize], axis: i64) -> (usize, usize, usize) {
    let k = (shape.len() as i64 + axis) as usize;
    (size(&shape[..k]), shape[k], size(&shape[k + 1..]))
}

/// Checks a stored axis, which is counted from the end.
pub(super) fn checked_axis(op: &str, shape: &[usize], axis: i64) -> Result<usize, Fault> {
    if axis >= 0 {
        return Err(parameter(op, "axis", axis, "it is counted from the end: −1 is the last".into()));
    }
    axis_of(op, shape, axis)
}

fn index_param(indices: &[usize]) -> (&'static str, Param) {
    ("indices", ints(indices))
}

impl Op for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![index_param(&self.indices), ("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let axis = checked_axis("take", args[0], self.axis)?;
        for &i in &self.indices {
            position("take", i as i64, axis, args[0][axis])?;
        }
        let mut shape = args[0].to_vec();
        shape[axis] = self.indices.len();
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let (_, length, _) = around(at.shape, self.axis);
        Ok(at.cotangent.apply(ScatterAdd { indices: self.indices.clone(), length, axis: self.axis }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Take {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let indices = self.indices.clone();
        let (_, length, inner) = around(args[0], self.axis);
        if size(out) == 0 {
            return Kernel::new(|_, _, _| {});
        }
        Kernel::new(move |args, out, _| {
            let blocks = args[0].chunks_exact(length * inner);
            for (from, to) in std::iter::zip(blocks, out.chunks_exact_mut(indices.len() * inner)) {
                if inner == 1 {
                    std::iter::zip(to, &indices).for_each(|(x, &i)| *x = from[i]);
                } else {
                    for (row, &i) in std::iter::zip(to.chunks_exact_mut(inner), &indices) {
                        row.copy_from_slice(&from[i * inner..][..inner]);
                    }
                }
            }
        })
    }
}

/// `scatter_add(x, indices, length, axis)`: zeros of this length along the axis, with the entries of x added at the
/// positions, as often as each occurs: the transpose of `take`.
#[derive(Debug, Clone)]
pub struct ScatterAdd {
    /// Where each entry goes.
    pub indices: Vec<usize>,
    /// The length of the axis.
    pub length: usize,
    /// The axis, counted from the end: −1 is the last.
    pub axis: i64,
}

impl ScatterAdd {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "scatter_add",
        signature: "scatter_add(x, indices, length, axis=-1)",
        formula: "zeros of this length along the axis, with the entries added at the positions",
        class: "linear",
        ties: "",
        source: "the transpose of take",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 4, &["indices", "length", "axis"])?;
            let given = call.ints("indices", 1)?.ok_or_else(|| call.fault("`indices` is missing"))?;
            let length = usize::try_from(call.int("length", 2, None)?)
                .map_err(|_| call.fault("`length` must not be negative"))?;
            let x = call.var(0)?;
            let at = |fault: Fault| fault.at(call.place.clone());
            let axis = axis_of("scatter_add", &x.shape(), call.int("axis", 3, Some(-1))?).map_err(at)?;
            let indices = given.iter().map(|&i| position("scatter_add", i, axis, length)).collect::<Result<_, _>>();
            let op = ScatterAdd { indices: indices.map_err(at)?, length, axis: axis as i64 - x.rank() as i64 };
            Ok(call.apply(op, &[x]))
        },
        samples: &[
            Sample::new("scatter_add(x, [2, 0, 2], 4)", &[("x", &[3])]),
            Sample::new("scatter_add(x, [1, 1], 3, axis=0)", &[("x", &[2, 3])]),
        ],
    };
}

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![index_param(&self.indices), ("length", Param::Int(self.length as i64)), ("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let axis = checked_axis("scatter_add", args[0], self.axis)?;
        if args[0][axis] != self.indices.len() {
            return Err(Fault::Shapes {
                op: "scatter_add".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("axis {axis} must have an entry for each of the {} positions", self.indices.len()),
            });
        }
        for &i in &self.indices {
            position("scatter_add", i as i64, axis, self.length)?;
        }
        let mut shape = args[0].to_vec();
        shape[axis] = self.length;
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply(Take { indices: self.indices.clone(), axis: self.axis }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

/// `index_add(x, indices, source, axis=0)`: x with the entries of `source` added at positions along an axis, as often as
/// each occurs: `x.at[indices].add(source)` in jax. It is written as a sum with `scatter_add`.
pub struct IndexAdd;

impl IndexAdd {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "index_add",
        signature: "index_add(x, indices, source, axis=0)",
        formula: "x with the entries of the source added at positions along an axis",
        class: "linear",
        ties: "",
        source: "torch.index_add; jax.numpy.ndarray.at[indices].add",
        notation: Notation::Call,
        call: |call| {
            call.expect(3, 4, &["axis"])?;
            let indices = call.ints("indices", 1)?.ok_or_else(|| call.fault("`indices` is missing"))?;
            let (x, source, axis) = (call.var(0)?, call.var(2)?, call.int("axis", 3, Some(0))?);
            Ok(written(call.builder, &[x, source], call.place.clone(), || index_add(x, &indices, source, axis)))
        },
        samples: &[
            Sample::new("index_add(x, [2, 0, 2], y)", &[("x", &[3]), ("y", &[3])]),
            Sample::new("index_add(x, [1, -1], y, axis=1)", &[("x", &[2, 3]), ("y", &[2, 2])]),
        ],
    };
}

fn index_add<'p>(x: Var<'p>, indices: &[i64], source: Var<'p>, axis: i64) -> Result<Var<'p>, Fault> {
    let own = x.shape();
    let axis = axis_of("index_add", &own, axis)?;
    let indices: Vec<usize> =
        indices.iter().map(|&i| position("index_add", i, axis, own[axis])).collect::<Result<_, _>>()?;
    let mut wanted = own.clone();
    wanted[axis] = indices.len();
    if source.shape() != wanted {
        let rule = format!("with these positions the source must have shape {wanted:?}");
        return Err(Fault::Shapes { op: "index_add".into(), shapes: vec![own, source.shape()], rule });
    }
    Ok(x + source.apply(ScatterAdd { indices, length: own[axis], axis: axis as i64 - own.len() as i64 }))
}

impl ArrayKernel for ScatterAdd {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (indices, length) = (self.indices.clone(), self.length);
        let (_, _, inner) = around(args[0], self.axis);
        let empty = size(args[0]) == 0;
        Kernel::new(move |args, out, _| {
            out.fill(T::of(0.0));
            if empty {
                return;
            }
            let blocks = out.chunks_exact_mut(length * inner);
            for (from, to) in std::iter::zip(args[0].chunks_exact(indices.len() * inner), blocks) {
                for (row, &i) in std::iter::zip(from.chunks_exact(inner), &indices) {
                    product::add(row, &mut to[i * inner..][..inner]);
                }
            }
        })
    }
}

impl<'p> Var<'p> {
    /// With the entries of `source` added at positions along an axis, see [`IndexAdd`].
    #[track_caller]
    pub fn index_add(self, indices: &[usize], source: Var<'p>, axis: usize) -> Var<'p> {
        let all: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        written(self.builder(), &[self, source], Place::caller(), || index_add(self, &all, source, axis as i64))
    }

    /// The entries at these positions along an axis, repeats allowed: `take(x, indices, axis)`, see [`Take`].
    #[track_caller]
    pub fn take(self, indices: &[usize], axis: usize) -> Var<'p> {
        let all: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        take(self, &all, &[indices.len()], Some(axis as i64), Place::caller())
    }
}
