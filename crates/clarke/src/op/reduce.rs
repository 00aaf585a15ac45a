//! Sums, means and their smooth relatives over axes.

use super::axes::Axes;
use super::soft;
use crate::error::{Fault, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Curve, Entry, Execution, Family, Kernel, Linearity, Linearization, Notation, Op,
    Param, Sample, Shortcut, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;
use std::sync::Arc;

pub(super) const MATRIX: &[(&str, &[usize])] = &[("x", &[2, 3])];
pub(super) const CUBE: &[(&str, &[usize])] = &[("x", &[2, 3, 2])];

/// Reads `name(x, axis=None, keepdims=False)`.
pub(super) fn read<'p>(call: &Call<'_, 'p>) -> Result<(Var<'p>, Axes)> {
    call.expect(1, 2, &["axis", "keepdims"])?;
    let x = call.var(0)?;
    Ok((x, Axes::read(call, 1, x.rank())?))
}

/// `sum(x)`: the sum over all entries, or over those along the given axes. Linear. The sum of no numbers is 0.
#[derive(Debug, Clone)]
pub struct Sum(Axes);

impl Sum {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "sum",
        signature: "sum(x, axis=None, keepdims=False)",
        formula: "Σ xᵢ",
        class: "linear",
        ties: "",
        source: "numpy.sum",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(Sum(axes), &[x])),
        samples: &[
            Sample::new("sum(x)", MATRIX),
            Sample::new("sum(x, axis=0)", MATRIX),
            Sample::new("sum(x, axis=(0, 2), keepdims=True)", CUBE),
        ],
    };
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("sum", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        single(args[0], &self.0)
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(self.0.stretch(at.cotangent, at.shape))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Sum(self.0.batched(at.ranks[0]))))
    }

    fn shortcut(&self, arg: &[usize]) -> Option<Shortcut> {
        (self.0.split(arg).slices == 1).then_some(Shortcut::Total(1.0))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Sum {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        Kernel::new(move |args, out, _| split.sum(args[0], out))
    }
}

/// Where each slice holds one number: the array itself in the shape that is left, the value of sums, means, maxima.
pub(super) fn single<'p>(x: Var<'p>, axes: &Axes) -> Option<Var<'p>> {
    let shape = x.shape();
    (axes.count(&shape) == 1).then(|| x.reshape(&axes.shape("", &shape).expect("axes were checked with the shape")))
}

/// `mean(x)`: the sum divided by the count, over all entries or along axes. Linear.
#[derive(Debug, Clone)]
pub struct Mean(Axes);

impl Mean {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "mean",
        signature: "mean(x, axis=None, keepdims=False)",
        formula: "Σ xᵢ / n",
        class: "linear",
        ties: "",
        source: "numpy.mean",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(Mean(axes), &[x])),
        samples: &[Sample::new("mean(x)", MATRIX), Sample::new("mean(x, axis=-1)", MATRIX)],
    };
}

impl Op for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("mean", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        single(args[0], &self.0)
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(self.0.stretch(at.cotangent * (1.0 / self.0.count(at.shape) as f64), at.shape))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Mean(self.0.batched(at.ranks[0]))))
    }

    fn shortcut(&self, arg: &[usize]) -> Option<Shortcut> {
        let split = self.0.split(arg);
        (split.slices == 1).then_some(Shortcut::Total(split.length as f64))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Mean {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        let count = T::of(split.length as f64);
        Kernel::new(move |args, out, _| {
            split.sum(args[0], out);
            out.iter_mut().for_each(|y| *y = *y / count);
        })
    }
}

/// `logsumexp(x) = log Σ exp xᵢ` over all entries or along axes, without overflow. Smooth: a maximum rounded off.
///
/// An entry −∞ counts as absent, an entry ∞ gives ∞. The slope is softmax.
#[derive(Debug, Clone)]
pub struct LogSumExp(Axes);

impl LogSumExp {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "logsumexp",
        signature: "logsumexp(x, axis=None, keepdims=False)",
        formula: "log Σ exp xᵢ",
        class: "definable",
        ties: "",
        source: "scipy.special.logsumexp",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(LogSumExp(axes), &[x])),
        samples: &[Sample::new("logsumexp(x)", MATRIX), Sample::new("logsumexp(x, axis=1)", MATRIX)],
    };
}

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("logsumexp", args[0])
    }

    fn convex(&self) -> Curve {
        Curve::Increasing
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].definable()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        // Guarded: the weight of an entry -∞ is 0, and its tangent may be infinite.
        let tangent = |dot: Var<'p>| at.args[0].softmax_over(&self.0).guarded_mul(dot).sum_over(&self.0);
        Ok(at.tangents[0].map(tangent))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(LogSumExp(self.0.batched(at.ranks[0]))))
    }

    fn monotone(&self) -> bool {
        true
    }

    // Value and derivative take the same exponentials.
    fn family(&self) -> Option<&dyn Family> {
        Some(self)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl Family for LogSumExp {
    fn least(&self) -> Arc<dyn Op> {
        Arc::new(Softmax(self.0.clone().without_keepdims()))
    }

    fn parts(&self) -> Vec<bool> {
        vec![false, true]
    }

    fn with(&self, parts: &[bool]) -> Arc<dyn Op> {
        if parts[0] { Arc::new(WeightsAndSums(self.0.clone().without_keepdims())) } else { Arc::new(self.clone()) }
    }

    fn of<'p>(&self, parts: &[bool], value: Var<'p>) -> Var<'p> {
        match WeightsAndSums::argument(value) {
            Some(x) if parts[0] => {
                let shape = self.0.shape("logsumexp", &x.shape()).expect("axes that were checked");
                value.slice(0, size(&x.shape())..).reshape(&shape)
            }
            _ => value,
        }
    }
}

impl ArrayKernel for LogSumExp {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        4 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        soft::logsumexp(self.0.split(args[0]))
    }
}

/// `softmax(x) = exp(x − logsumexp(x))`: positive weights of sum 1, over all entries or along axes. Smooth.
#[derive(Debug, Clone)]
pub struct Softmax(Axes);

impl Softmax {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "softmax",
        signature: "softmax(x, axis=None)",
        formula: "exp(xᵢ) / Σ exp xⱼ",
        class: "definable",
        ties: "",
        source: "scipy.special.softmax",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis"])?;
            let x = call.var(0)?;
            Ok(call.apply(Softmax(Axes::read(call, 1, x.rank())?), &[x]))
        },
        samples: &[Sample::new("softmax(x)", MATRIX), Sample::new("softmax(x, axis=1)", MATRIX)],
    };
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("softmax", args[0])?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].definable().bounded()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let shape = at.args[0].shape();
        Ok(at.tangents[0].map(|dot| {
            let weighted = at.out.guarded_mul(dot);
            weighted - at.out * self.0.stretch(weighted.sum_over(&self.0), &shape)
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Softmax(self.0.batched(at.ranks[0]))))
    }

    fn family(&self) -> Option<&dyn Family> {
        Some(self)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl Family for Softmax {
    fn least(&self) -> Arc<dyn Op> {
        Arc::new(self.clone())
    }

    fn parts(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn with(&self, parts: &[bool]) -> Arc<dyn Op> {
        if parts[1] { Arc::new(WeightsAndSums(self.0.clone())) } else { Arc::new(self.clone()) }
    }

    fn of<'p>(&self, parts: &[bool], value: Var<'p>) -> Var<'p> {
        match WeightsAndSums::argument(value) {
            Some(x) if parts[1] => value.slice(0, ..size(&x.shape())).reshape(&x.shape()),
            _ => value,
        }
    }
}

impl ArrayKernel for Softmax {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        5 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        soft::softmax(self.0.split(args[0]))
    }
}

/// `weights_and_sums(x)`: softmax(x) and behind it logsumexp(x), in one vector, by the same exponentials. It stands in
/// programs that are run and nowhere else.
#[derive(Debug, Clone)]
struct WeightsAndSums(Axes);

impl WeightsAndSums {
    /// What the value was computed from.
    fn argument<'p>(value: Var<'p>) -> Option<Var<'p>> {
        value.made_by("weights_and_sums").map(|(_, args)| args[0])
    }
}

impl Op for WeightsAndSums {
    fn name(&self) -> &'static str {
        "weights_and_sums"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok(vec![size(args[0]) + size(&self.0.shape_of_some(self.name(), args[0])?)])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].definable()
    }

    fn batch<'p>(&self, _: &Batching<'_, 'p>) -> Result<Var<'p>> {
        unreachable!("programs are batched before they are compiled")
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for WeightsAndSums {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        5 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        soft::softmax(self.0.split(args[0]))
    }
}

/// The methods of an operator over axes: over all entries, along one axis, and along any.
macro_rules! methods {
    ($op:expr, $what:literal: $all:ident $axis:ident $over:ident) => {
        impl<'p> Var<'p> {
            #[doc = concat!($what, ", over all entries.")]
            #[track_caller]
            pub fn $all(self) -> Var<'p> {
                self.apply($op(Axes::all()))
            }

            #[doc = concat!($what, ", along one axis.")]
            #[track_caller]
            pub fn $axis(self, axis: i64) -> Var<'p> {
                self.apply($op(Axes::one(axis).of(self.rank())))
            }

            #[doc = concat!($what, ", along any axes, which may be kept with length 1.")]
            #[track_caller]
            pub fn $over(self, axes: &Axes) -> Var<'p> {
                self.apply($op(axes.clone().of(self.rank())))
            }
        }
    };
}
pub(super) use methods;

methods!(Sum, "The sum": sum sum_axis sum_over);
methods!(Mean, "The mean": mean mean_axis mean_over);
methods!(LogSumExp, "`log Σ exp xᵢ`": logsumexp logsumexp_axis logsumexp_over);
methods!(|axes: Axes| Softmax(axes.without_keepdims()), "The weights `exp(xᵢ) / Σ exp xⱼ`": softmax softmax_axis softmax_over);

impl<'p> Var<'p> {
    /// What this is the sum of and over which axes, if it is a sum: for recognizing disguises.
    pub fn summed(&self) -> Option<(Var<'p>, Axes)> {
        let (op, args) = self.made_by("sum")?;
        let axes = op.params().into_iter().fold(Axes::all(), |axes, (_, param)| match param {
            Param::Int(axis) => Axes::one(axis),
            Param::Ints(many) => Axes::many(&many),
            Param::Flag(true) => axes.keepdims(),
            _ => axes,
        });
        Some((args[0], axes))
    }
}
