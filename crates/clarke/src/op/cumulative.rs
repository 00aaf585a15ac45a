//! Sums and products of what came so far along an axis, and the linear recurrence that their derivatives are.

use super::gather::{around, checked_axis};
use super::index::{Index, axis_of};
use super::reduce::MATRIX;
use super::shape::Reshape;
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Sample,
    Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::{Tensor, size};
use std::sync::Arc;

/// Reads the axis of a call: without one the array is taken flat, as numpy does.
fn read_axis<'p>(call: &Call<'_, 'p>) -> Result<(Var<'p>, i64)> {
    let x = call.var(0)?;
    match call.optional("axis", 1) {
        None | Some(Value::None) => {
            let flat = Reshape { shape: vec![size(&x.shape())] };
            Ok((if x.rank() == 1 { x } else { call.apply(flat, &[x]) }, -1))
        }
        Some(_) => Ok((x, from_last(call.name, x, call.int("axis", 1, None)?).map_err(|f| f.at(call.place.clone()))?)),
    }
}

/// An axis counted from the last.
pub(super) fn from_last(op: &str, x: Var<'_>, axis: i64) -> Result<i64, Fault> {
    Ok(axis_of(op, &x.shape(), axis)? as i64 - x.rank() as i64)
}

/// Applies an operator along an axis, which it gets counted from the last; a wrong one is a mistake at the place.
pub(super) fn along<'p, O: Op>(x: Var<'p>, name: &str, axis: i64, place: Place, op: impl Fn(i64) -> O) -> Var<'p> {
    if x.is_poisoned() {
        return x;
    }
    match from_last(name, x, axis) {
        Ok(axis) => x.builder().apply_at(Arc::new(op(axis)), &[x], place),
        Err(fault) => x.builder().failed(fault.at(place)),
    }
}

/// `out[k] = step(out[k − 1], k)` along the middle of three extents, or the other way round, block by block: the first
/// position is `step(first, …)`. `step` gets the position in the whole array.
fn accumulate<T: Scalar>(
    (outer, length, inner): (usize, usize, usize),
    reverse: bool,
    first: T,
    out: &mut [T],
    step: impl Fn(T, usize) -> T,
) {
    for block in 0..outer {
        for k in 0..length {
            let k = if reverse { length - 1 - k } else { k };
            let at = (block * length + k) * inner;
            let is_first = if reverse { k + 1 == length } else { k == 0 };
            for i in at..at + inner {
                let before = match is_first {
                    true => first,
                    false if reverse => out[i + inner],
                    false => out[i - inner],
                };
                out[i] = step(before, i);
            }
        }
    }
}

/// `cumsum(x)`: at each position along an axis the sum of the entries up to it (from it on, with `reverse`). Linear.
///
/// Shapes: that of x; without an axis x is taken flat, as in numpy. Cost: linear.
#[derive(Debug, Clone)]
pub struct CumSum {
    axis: i64,
    reverse: bool,
}

impl CumSum {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "cumsum",
        signature: "cumsum(x, axis=None, reverse=False)",
        formula: "x₁ + … + xₖ at position k",
        class: "linear",
        ties: "",
        source: "numpy.cumsum; jax.lax.cumsum for reverse",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis", "reverse"])?;
            let reverse = match call.optional("reverse", usize::MAX) {
                None => false,
                Some(Value::Flag(yes)) => *yes,
                Some(_) => return Err(call.fault("`reverse` must be True or False")),
            };
            let (x, axis) = read_axis(call)?;
            Ok(call.apply(CumSum { axis, reverse }, &[x]))
        },
        samples: &[
            Sample::new("cumsum(x)", MATRIX),
            Sample::new("cumsum(x, axis=0)", MATRIX),
            Sample::new("cumsum(x, axis=1, reverse=True)", MATRIX),
        ],
    };
}

impl Op for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let reverse = self.reverse.then_some(("reverse", Param::Flag(true)));
        [("axis", Param::Int(self.axis))].into_iter().chain(reverse).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        checked_axis("cumsum", args[0], self.axis)?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply(CumSum { reverse: !self.reverse, ..*self }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for CumSum {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (extents, reverse) = (around(args[0], self.axis), self.reverse);
        Kernel::new(move |args, out, _| {
            let x = args[0];
            accumulate(extents, reverse, T::of(0.0), out, |before, i| before + x[i]);
        })
    }
}

/// `cumprod(x)`: at each position along an axis the product of the entries up to it. Polynomial.
///
/// Shapes: that of x; without an axis x is taken flat, as in numpy. The derivative never divides: it is right at zeros.
/// Cost: linear.
#[derive(Debug, Clone)]
pub struct CumProd {
    axis: i64,
}

impl CumProd {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "cumprod",
        signature: "cumprod(x, axis=None)",
        formula: "x₁ · … · xₖ at position k",
        class: "piecewise polynomial",
        ties: "",
        source: "numpy.cumprod",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis"])?;
            let (x, axis) = read_axis(call)?;
            Ok(call.apply(CumProd { axis }, &[x]))
        },
        samples: &[Sample::new("cumprod(x)", MATRIX), Sample::new("cumprod(x, axis=0)", &[("x", &[3, 2])])],
    };
}

impl Op for CumProd {
    fn name(&self) -> &'static str {
        "cumprod"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        checked_axis("cumprod", args[0], self.axis)?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_polynomial()
    }

    // ẏₖ = xₖ ẏₖ₋₁ + yₖ₋₁ ẋₖ, with y₋₁ = 1.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let shape = at.out.shape();
        let (_, length, inner) = around(&shape, self.axis);
        let row = Tensor::from_fn(&[length, inner], |k| f64::from(k < inner));
        let one = at.out.constant(row).reshape(&shape[(shape.len() as i64 + self.axis) as usize..]);
        let before = shifted(at.out, self.axis, false) + one;
        let recurrence = LinearRecurrence { axis: self.axis, back: false };
        Ok(at.tangents[0].map(|dot| at.args[0].apply_with(recurrence, &[before * dot])))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for CumProd {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let extents = around(args[0], self.axis);
        Kernel::new(move |args, out, _| {
            let x = args[0];
            accumulate(extents, false, T::of(1.0), out, |before, i| before * x[i]);
        })
    }
}

/// The entries moved by one along an axis, towards its end (its start, with `back`); 0 comes in.
fn shifted<'p>(x: Var<'p>, axis: i64, back: bool) -> Var<'p> {
    let shape = x.shape();
    let k = (shape.len() as i64 + axis) as usize;
    if shape[k] == 0 {
        return x;
    }
    let mut index = vec![Index::Slice(None, None, None); k + 1];
    index[k] = if back { Index::Slice(Some(1), None, None) } else { Index::Slice(None, Some(-1), None) };
    let mut start = vec![0; shape.len()];
    start[k] = usize::from(!back);
    let step = vec![1; shape.len()];
    x.getitem(&index).apply(super::index::PutSlice { shape, start, step })
}

/// `linear_recurrence(a, b)`: y with `yₖ = aₖ yₖ₋₁ + bₖ` along an axis, from 0; with `back` its transpose in b,
/// `yₖ = aₖ₊₁ yₖ₊₁ + bₖ`. Linear in b. Cost: linear.
///
/// Shapes: a and b of one shape.
#[derive(Debug, Clone)]
pub struct LinearRecurrence {
    axis: i64,
    back: bool,
}

impl LinearRecurrence {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "linear_recurrence",
        signature: "linear_recurrence(a, b, axis=-1, back=False)",
        formula: "yₖ = aₖ yₖ₋₁ + bₖ",
        class: "piecewise polynomial (linear if a is constant)",
        ties: "",
        source: "the derivative of cumprod",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["axis", "back"])?;
            let back = matches!(call.optional("back", usize::MAX), Some(Value::Flag(true)));
            let (a, axis) = (call.var(0)?, call.int("axis", 2, Some(-1))?);
            let axis = from_last(call.name, a, axis).map_err(|fault| fault.at(call.place.clone()))?;
            Ok(call.apply(LinearRecurrence { axis, back }, &[a, call.var(1)?]))
        },
        samples: &[
            Sample::new("linear_recurrence(a, b)", &[("a", &[2, 3]), ("b", &[2, 3])]),
            Sample::new("linear_recurrence(a, b, axis=0, back=True)", &[("a", &[3, 2]), ("b", &[3, 2])]),
        ],
    };
}

impl Op for LinearRecurrence {
    fn name(&self) -> &'static str {
        "linear_recurrence"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let back = self.back.then_some(("back", Param::Flag(true)));
        [("axis", Param::Int(self.axis))].into_iter().chain(back).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        checked_axis("linear_recurrence", args[0], self.axis)?;
        if args[0] != args[1] {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = "the factors and the terms must have one shape".into();
            return Err(Fault::Shapes { op: "linear_recurrence".into(), shapes, rule });
        }
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        // A product of as many factors as there are positions.
        Class::product(args).unbounded()
    }

    fn linearity(&self) -> Linearity {
        Linearity::In(vec![false, true])
    }

    // The same recurrence for the tangent, with the term ḃₖ + ȧₖ yₖ₋₁.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let by_factor = at.tangents[0].map(|dot| match self.back {
            false => dot * shifted(at.out, self.axis, false),
            true => shifted(dot * at.out, self.axis, true),
        });
        let term = match (by_factor, at.tangents[1]) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        Ok(term.map(|term| at.args[0].apply_with(self.clone(), &[term])))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.known(0).apply_with(LinearRecurrence { back: !self.back, ..*self }, &[at.cotangent]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let full = |k: usize| match at.mapped[k] {
            true => at.args[k],
            false => at.args[k].broadcast_to(&[&[at.size], at.args[k].shape().as_slice()].concat()),
        };
        Ok(full(0).apply_with(self.clone(), &[full(1)]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for LinearRecurrence {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (extents, back) = (around(args[0], self.axis), self.back);
        let inner = extents.2;
        Kernel::new(move |args, out, _| {
            let (a, b) = (args[0], args[1]);
            let last = a.len();
            accumulate(extents, back, T::of(0.0), out, |before, i| {
                // The factor beyond the last position meets the 0 that the recurrence starts from.
                let factor = if !back {
                    a[i]
                } else if i + inner < last {
                    a[i + inner]
                } else {
                    T::of(0.0)
                };
                factor * before + b[i]
            });
        })
    }
}

impl<'p> Var<'p> {
    /// At each position of a vector the sum of the entries up to it.
    #[track_caller]
    pub fn cumsum(self) -> Var<'p> {
        self.reshape(&[size(&self.shape())]).cumsum_axis(-1)
    }

    /// At each position along an axis the sum of the entries up to it.
    #[track_caller]
    pub fn cumsum_axis(self, axis: i64) -> Var<'p> {
        along(self, "cumsum", axis, Place::caller(), |axis| CumSum { axis, reverse: false })
    }

    /// At each position of a vector the product of the entries up to it.
    #[track_caller]
    pub fn cumprod(self) -> Var<'p> {
        self.reshape(&[size(&self.shape())]).cumprod_axis(-1)
    }

    /// At each position along an axis the product of the entries up to it.
    #[track_caller]
    pub fn cumprod_axis(self, axis: i64) -> Var<'p> {
        along(self, "cumprod", axis, Place::caller(), |axis| CumProd { axis })
    }
}
