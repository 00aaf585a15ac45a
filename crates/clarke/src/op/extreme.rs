//! The largest and smallest entries: of an array, and elementwise of several arrays.

use super::axes::Axes;
use super::kinked::{Maximum, Minimum};
use super::pointwise::Elementwise;
use super::reduce::{CUBE, MATRIX, methods, single};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Sample,
    Transposition,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention};
use crate::tensor::{broadcast, broadcast_strides, walk};

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

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let builder = at.out.builder();
        let zero = |k: usize| builder.constant(0.0).broadcast_to(&at.args[k].shape());
        let dots: Vec<Var<'p>> = at.tangents.iter().enumerate().map(|(k, d)| d.unwrap_or_else(|| zero(k))).collect();
        let last = Axes::one(-1);
        let weights = self.0.oriented(builder.apply(Join, at.args)).pick(&last);
        Ok(Some(weights.guarded_mul(builder.apply(Join, &dots)).sum_over(&last)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].builder().apply(self.clone(), &aligned(at, at.rank)))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for ExtremeOf {
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

/// The arguments under a further leading axis, so that they broadcast as they did without it.
fn aligned<'p>(at: &Batching<'_, 'p>, rank: usize) -> Vec<Var<'p>> {
    let pad = |k: usize| if at.mapped[k] { at.args[k].pad_rank_after(rank - at.ranks[k]) } else { at.args[k] };
    (0..at.args.len()).map(pad).collect()
}

/// `join(a, b, …)`: the arguments, broadcast, along a new last axis. Linear.
#[derive(Debug, Clone)]
pub struct Join;

impl Join {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "join",
        signature: "join(a, b, …)",
        formula: "the arguments, broadcast, along a new last axis",
        class: "linear",
        ties: "",
        source: "the arguments of max(a, b, …) as one array",
        notation: Notation::Call,
        call: |call| {
            let args = call.args.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
            if args.is_empty() { Err(call.fault("takes at least one array")) } else { Ok(call.apply(Join, &args)) }
        },
        samples: &[],
    };
}

impl Op for Join {
    fn name(&self) -> &'static str {
        "join"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let mut shape = broadcast_all("join", args)?;
        shape.push(args.len());
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply(Part { index: at.wrt }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].builder().apply(self.clone(), &aligned(at, at.rank - 1)))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Join {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let shape = out[..out.len() - 1].to_vec();
        let steps: Vec<Vec<usize>> = args.iter().map(|a| broadcast_strides(a, &shape)).collect();
        Kernel::new(move |args, out, _| {
            for (k, (x, steps)) in args.iter().zip(&steps).enumerate() {
                let mut next = k;
                walk(&shape, steps, |at| {
                    out[next] = x[at];
                    next += args.len();
                });
            }
        })
    }
}

/// `part(x, index=k)`: `x[..., k]`, what the k-th argument put into a join. Linear.
#[derive(Debug, Clone)]
pub struct Part {
    index: usize,
}

impl Part {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "part",
        signature: "part(x, index)",
        formula: "x[..., index]",
        class: "linear",
        ties: "",
        source: "the transpose of join",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["index"])?;
            let index = call.int("index", 1, None)?;
            let index = usize::try_from(index).map_err(|_| call.fault("`index` counts from 0"))?;
            Ok(call.apply(Part { index }, &[call.var(0)?]))
        },
        samples: &[],
    };
}

impl Op for Part {
    fn name(&self) -> &'static str {
        "part"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("index", Param::Int(self.index as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        match args[0].split_last() {
            Some((count, shape)) if self.index < *count => Ok(shape.to_vec()),
            _ => Err(Fault::Shapes {
                op: "part".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("it has no last axis of more than {} entries", self.index),
            }),
        }
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let zero = at.cotangent.constant(0.0);
        let count = at.shape.last().copied().unwrap_or(0);
        let parts: Vec<Var<'p>> = (0..count).map(|k| if k == self.index { at.cotangent } else { zero }).collect();
        Ok(at.cotangent.builder().apply(Join, &parts))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Part {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (index, count) = (self.index, args[0].last().copied().unwrap_or(1));
        Kernel::new(move |args, out, _| {
            out.iter_mut().zip(args[0].iter().skip(index).step_by(count)).for_each(|(y, x)| *y = *x);
        })
    }
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
