//! The largest and smallest entries: of an array, and elementwise of several arrays.

use super::axes::Axes;
use super::kinked::{Maximum, Minimum};
use super::pointwise::Elementwise;
use super::reduce::{CUBE, MATRIX, methods, single};
use crate::error::{Fault, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Curve, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention};
use crate::program::{Program, Var};
use crate::tensor::{broadcast, broadcast_strides, size, walk};

/// The largest of several, or the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Largest,
    Smallest,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Largest => "max",
            Side::Smallest => "min",
        }
    }

    fn curve(self) -> Curve {
        match self {
            Side::Largest => Curve::Increasing,
            Side::Smallest => Curve::ConcaveIncreasing,
        }
    }

    /// The better of two; NaN if either is NaN.
    #[inline(always)]
    fn of<T: Scalar>(self, a: T, b: T) -> T {
        match self {
            Side::Largest => a.max(b),
            Side::Smallest => a.min(b),
        }
    }

    /// What every number is at least as good as.
    fn worst<T: Scalar>(self) -> T {
        T::of(if self == Side::Largest { f64::NEG_INFINITY } else { f64::INFINITY })
    }

    /// The array whose largest entries are the ones looked for.
    fn oriented(self, x: Var<'_>) -> Var<'_> {
        if self == Side::Largest { x } else { -x }
    }

    /// Reads `name(x, axis=None, keepdims=False)` or, with several positional arguments, `name(a, b, …)`.
    fn read<'p>(self, call: &Call<'_, 'p>) -> Result<Var<'p>> {
        if call.args.len() > 1 {
            if !call.keywords.is_empty() {
                return Err(call.fault("an axis goes with one array; several arguments are compared elementwise"));
            }
            let args = call.args.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
            if args.len() == 2 {
                return Ok(match self {
                    Side::Largest => call.apply(Elementwise::<Maximum, 2>(Maximum), &args),
                    Side::Smallest => call.apply(Elementwise::<Minimum, 2>(Minimum), &args),
                });
            }
            return Ok(call.apply(ExtremeOf(self), &args));
        }
        call.expect(1, 1, &["axis", "keepdims"])?;
        let x = call.var(0)?;
        Ok(call.apply(Extreme { side: self, axes: Axes::read(call, 1, x.rank())? }, &[x]))
    }
}

/// `max(x)` and `min(x)`: the largest (smallest) of all entries, or of those along the given axes. Piecewise linear.
///
/// At ties: the convex hull of the unit vectors of the tied entries. NaN if an entry is NaN. Errors: no entries.
#[derive(Debug, Clone)]
pub struct Extreme {
    side: Side,
    axes: Axes,
}

impl Extreme {
    /// The largest entries' line in the table of operators.
    pub const MAX: Entry = Entry {
        name: "max",
        signature: "max(x, axis=None, keepdims=False) or max(a, b, …)",
        formula: "the largest entry, or elementwise the largest of several arrays",
        class: "piecewise linear",
        ties: "the simplex over the tied entries",
        source: "Clarke 1990, Proposition 2.3.12",
        notation: Notation::Call,
        call: |call| Side::Largest.read(call),
        samples: &[
            Sample::new("max(x)", MATRIX),
            Sample::new("max(x, axis=0)", MATRIX),
            Sample::new("max(x, axis=(0, 2), keepdims=True)", CUBE),
            Sample::new("max(x, y, 0.5)", &[("x", &[2, 3]), ("y", &[3])]),
        ],
    };

    /// The smallest entries' line in the table of operators.
    pub const MIN: Entry = Entry {
        name: "min",
        signature: "min(x, axis=None, keepdims=False) or min(a, b, …)",
        formula: "the smallest entry, or elementwise the smallest of several arrays",
        call: |call| Side::Smallest.read(call),
        samples: &[
            Sample::new("min(x)", MATRIX),
            Sample::new("min(x, axis=1, keepdims=True)", MATRIX),
            Sample::new("min(x, y, 0.5)", &[("x", &[2, 3]), ("y", &[3])]),
        ],
        ..Extreme::MAX
    };

    fn max(axes: Axes) -> Extreme {
        Extreme { side: Side::Largest, axes }
    }

    fn min(axes: Axes) -> Extreme {
        Extreme { side: Side::Smallest, axes }
    }
}

impl Op for Extreme {
    fn name(&self) -> &'static str {
        self.side.name()
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.axes.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.axes.shape_of_some(self.name(), args[0])
    }

    fn convex(&self) -> Curve {
        self.side.curve()
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        single(args[0], &self.axes)
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let pick = || self.side.oriented(at.args[0]).pick(&self.axes);
        Ok(at.tangents[0].map(|dot| pick().guarded_mul(dot).sum_over(&self.axes)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Extreme { axes: self.axes.batched(at.ranks[0]), ..*self }))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // PyTorch's max(x, dim) hands all to the index it returns; its max(x) and amax(x, dims), and the others, split.
        let first = convention == Convention::PyTorch && self.axes.is_one();
        inner.unwrap_or(Choice::plain(if first { 1.0 } else { 0.0 }))
    }
}

impl ArrayKernel for Extreme {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.axes.split(args[0]);
        match self.side {
            Side::Largest => Kernel::new(move |args, out, _| {
                split.fold(args[0], out, Side::Largest.worst(), |x| x, T::max);
            }),
            Side::Smallest => Kernel::new(move |args, out, _| {
                split.fold(args[0], out, Side::Smallest.worst(), |x| x, T::min);
            }),
        }
    }
}

/// `max(a, b, …)` and `min(a, b, …)`: elementwise the largest (smallest) of several arrays, broadcast. Piecewise linear.
///
/// At ties: the convex hull of the unit vectors of the tied arguments; every convention here splits evenly among them.
#[derive(Debug, Clone)]
pub struct ExtremeOf(Side);

impl Op for ExtremeOf {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        broadcast_all(self.name(), args)
    }

    fn convex(&self) -> Curve {
        self.0.curve()
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let shape = at.out.shape();
        let together = |all: &[Var<'p>]| {
            let all: Vec<Var<'p>> = all.iter().map(|x| x.broadcast_to(&shape)).collect();
            all[0].stack(&all[1..], shape.len())
        };
        let zero = at.out.constant(0.0);
        let dots: Vec<Var<'p>> = at.tangents.iter().map(|dot| dot.unwrap_or(zero)).collect();
        let last = Axes::one(-1);
        let weights = self.0.oriented(together(at.args)).pick(&last);
        Ok(Some(weights.guarded_mul(together(&dots)).sum_over(&last)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        // Padded so that the arguments broadcast as they did without the additional axis.
        let pad = |k: usize| if at.mapped[k] { at.args[k].pad_rank_after(at.rank - at.ranks[k]) } else { at.args[k] };
        let args: Vec<Var<'p>> = (0..at.args.len()).map(pad).collect();
        Ok(args[0].apply_with(self.clone(), &args[1..]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for ExtremeOf {
    fn operations(&self, args: &[&[usize]], out: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        (args.len() * size(out)) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let side = self.0;
        let shape = out.to_vec();
        let steps: Vec<Vec<usize>> = args.iter().map(|a| broadcast_strides(a, out)).collect();
        Kernel::new(move |args, out, _| {
            out.fill(side.worst());
            for (x, steps) in args.iter().zip(&steps) {
                let mut values = out.iter_mut();
                walk(&shape, steps, |at| {
                    if let Some(value) = values.next() {
                        *value = side.of(*value, x[at]);
                    }
                });
            }
        })
    }
}

fn broadcast_all(op: &str, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
    args.iter().try_fold(vec![], |a, b| {
        broadcast(&a, b).ok_or_else(|| Fault::Shapes {
            op: op.into(),
            shapes: args.iter().map(|s| s.to_vec()).collect(),
            rule: "shapes must be equal, or 1, along each axis counted from the last".into(),
        })
    })
}

methods!(Extreme::max, "The largest entry": max max_axis max_over);
methods!(Extreme::min, "The smallest entry": min min_axis min_over);

impl<'p> Var<'p> {
    /// Elementwise the largest of this and others.
    #[track_caller]
    pub fn max_of(self, others: &[Var<'p>]) -> Var<'p> {
        self.apply_with(ExtremeOf(Side::Largest), others)
    }

    /// Elementwise the smallest of this and others.
    #[track_caller]
    pub fn min_of(self, others: &[Var<'p>]) -> Var<'p> {
        self.apply_with(ExtremeOf(Side::Smallest), others)
    }
}
