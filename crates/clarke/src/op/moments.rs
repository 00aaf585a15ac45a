//! Products over axes, and how far entries spread: variance and standard deviation.

use super::axes::Axes;
use super::reduce::{CUBE, MATRIX, methods, read, single};
use crate::error::{Fault, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;

/// `prod(x) = Π xᵢ`, over all entries or along axes. Polynomial. The product of no numbers is 1.
///
/// The derivative multiplies pairs, pairs of pairs and so on, and never divides: it is right at zeros. Cost: linear.
#[derive(Debug, Clone)]
pub struct Prod(Axes);

impl Prod {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "prod",
        signature: "prod(x, axis=None, keepdims=False)",
        formula: "Π xᵢ",
        class: "piecewise polynomial",
        ties: "",
        source: "numpy.prod",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(Prod(axes), &[x])),
        samples: &[
            Sample::new("prod(x)", MATRIX),
            Sample::new("prod(x, axis=0)", MATRIX),
            Sample::new("prod(x, axis=(0, 2), keepdims=True)", CUBE),
        ],
    };
}

impl Op for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("prod", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_polynomial()
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        single(args[0], &self.0)
    }

    // What the derivative follows from; the value has a kernel of its own.
    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let x = args[0];
        let shape = self.0.shape("prod", &x.shape()).ok()?;
        let axes = self.0.checked(x.rank());
        let (x, axis) = if let [axis] = axes[..] { (x, axis) } else { (self.0.rows(x), shape_rank(x, &axes)) };
        Some(halved(x, axis).reshape(&shape))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Prod(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

/// The number of axes that are kept: the last axis of the rows.
fn shape_rank(x: Var<'_>, axes: &[usize]) -> usize {
    x.rank() - axes.len()
}

/// The product along an axis, which keeps length 1: the halves multiplied, then theirs, and so on. What is left over of
/// an odd length waits.
fn halved<'p>(mut x: Var<'p>, axis: usize) -> Var<'p> {
    let mut left_over: Option<Var<'p>> = None;
    loop {
        let shape = x.shape();
        let n = shape[axis];
        if n == 0 {
            let kept: Vec<usize> = shape.iter().enumerate().map(|(k, &n)| if k == axis { 1 } else { n }).collect();
            return x.constant(1.0).broadcast_to(&kept);
        }
        if n == 1 {
            return left_over.map_or(x, |rest| x * rest);
        }
        if n % 2 == 1 {
            let last = x.slice(axis, n - 1..n);
            left_over = Some(left_over.map_or(last, |rest| rest * last));
        }
        x = x.slice(axis, 0..n / 2) * x.slice(axis, n / 2..n / 2 * 2);
    }
}

impl ArrayKernel for Prod {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        Kernel::new(move |args, out, _| split.fold(args[0], out, T::of(1.0), |x| x, |a, b| a * b))
    }
}

/// `center(x) = x − mean(x)` along axes; of the shape of x. Linear, and its own transpose.
///
/// The first entry is subtracted before the mean is taken, so that equal entries give exactly 0.
#[derive(Debug, Clone)]
pub struct Center(Axes);

impl Center {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "center",
        signature: "center(x, axis=None)",
        formula: "x − mean(x)",
        class: "linear",
        ties: "",
        source: "what var and std are made of",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis"])?;
            let x = call.var(0)?;
            Ok(call.apply(Center(Axes::read(call, 1, x.rank())?), &[x]))
        },
        samples: &[
            Sample::new("center(x)", MATRIX),
            Sample::new("center(x, axis=0)", MATRIX),
            Sample::new("center(x, axis=(0, 2))", CUBE),
        ],
    };
}

impl Op for Center {
    fn name(&self) -> &'static str {
        "center"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("center", args[0])?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply(self.clone()))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Center(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Center {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        3 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        let (scratch, count) = (split.slices, T::of(split.length as f64));
        let run = move |args: &[&[T]], out: &mut [T], mean: &mut [T]| {
            for slice in 0..split.slices {
                let first = args[0][split.start(slice)];
                split.positions(slice).for_each(|at| out[at] = args[0][at] - first);
            }
            split.fold(out, mean, T::of(0.0), |x| x, |a, b| a + b);
            for (slice, sum) in mean.iter().enumerate() {
                let mean = *sum / count;
                split.positions(slice).for_each(|at| out[at] = out[at] - mean);
            }
        };
        Kernel::with_scratch(scratch, run)
    }
}

/// Axes, and what is taken off the count of entries: 0 for the spread of these numbers, 1 for an unbiased estimate.
#[derive(Debug, Clone)]
struct Spread {
    axes: Axes,
    ddof: f64,
}

impl Spread {
    fn read<'p>(call: &Call<'_, 'p>) -> Result<(Var<'p>, Spread)> {
        call.expect(1, 3, &["axis", "ddof", "keepdims"])?;
        let x = call.var(0)?;
        Ok((x, Spread { axes: Axes::read(call, 1, x.rank())?, ddof: call.number("ddof", 2, Some(0.0))? }))
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let ddof = (self.ddof != 0.0).then_some(("ddof", Param::Number(self.ddof)));
        self.axes.params().into_iter().chain(ddof).collect()
    }

    fn shape(&self, op: &str, of: &[usize]) -> Result<Vec<usize>, Fault> {
        let shape = self.axes.shape_of_some(op, of)?;
        let count = self.axes.count(of);
        if self.ddof.is_finite() && self.ddof < count as f64 {
            return Ok(shape);
        }
        let rule = format!("it must be less than the {count} entries that each value is made of");
        Err(Fault::Parameter { op: op.into(), parameter: "ddof".into(), value: self.ddof.to_string(), rule })
    }

    /// n − ddof for an array of this shape.
    fn divisor(&self, of: &[usize]) -> f64 {
        self.axes.count(of) as f64 - self.ddof
    }

    fn batched(&self, rank: usize) -> Spread {
        Spread { axes: self.axes.batched(rank), ..*self }
    }
}

/// `var(x) = Σ (xᵢ − mean)² / (n − ddof)`, over all entries or along axes. Polynomial.
///
/// Errors: no entries; a ddof that is not less than their number.
#[derive(Debug, Clone)]
pub struct Variance(Spread);

impl Variance {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "var",
        signature: "var(x, axis=None, ddof=0, keepdims=False)",
        formula: "Σ (xᵢ − mean)² / (n − ddof)",
        class: "piecewise polynomial",
        ties: "",
        source: "numpy.var",
        notation: Notation::Call,
        call: |call| Spread::read(call).map(|(x, spread)| call.apply(Variance(spread), &[x])),
        samples: &[
            Sample::new("var(x)", MATRIX),
            Sample::new("var(x, axis=1, ddof=1)", MATRIX),
            Sample::new("var(x, axis=(0, 2), keepdims=True)", CUBE),
        ],
    };
}

impl Op for Variance {
    fn name(&self) -> &'static str {
        "var"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("var", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_polynomial()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let squares = args[0].apply(Center(self.0.axes.clone().without_keepdims())).square();
        Some(squares.sum_over(&self.0.axes) / self.0.divisor(&args[0].shape()))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Variance(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

/// `std(x) = √var(x)`: the Euclidean norm of the entries less their mean, divided by √(n − ddof). Semialgebraic.
///
/// At equal entries: the unit ball in the space of vectors of sum 0, divided by √(n − ddof). Errors: no entries; a ddof
/// that is not less than their number.
#[derive(Debug, Clone)]
pub struct Deviation(Spread);

impl Deviation {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "std",
        signature: "std(x, axis=None, ddof=0, keepdims=False)",
        formula: "√(Σ (xᵢ − mean)² / (n − ddof))",
        class: "semialgebraic",
        ties: "{v: Σ vᵢ = 0, ‖v‖ ≤ 1/√(n − ddof)} at equal entries",
        source: "numpy.std; Rockafellar, Wets 1998, Exercise 8.27, composed with a projection",
        notation: Notation::Call,
        call: |call| Spread::read(call).map(|(x, spread)| call.apply(Deviation(spread), &[x])),
        samples: &[
            Sample::new("std(x)", &[("x", &[2])]),
            Sample::new("std(x, axis=0)", MATRIX),
            Sample::new("std(x, axis=1, ddof=1)", MATRIX),
            Sample::new("std(x, axis=(0, 2), keepdims=True)", CUBE),
        ],
    };
}

impl Op for Deviation {
    fn name(&self) -> &'static str {
        "std"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("std", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    // The conventions at equal entries are those of the norm: PyTorch returns 0, JAX and TensorFlow differentiate the
    // root at 0.
    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let centered = args[0].apply(Center(self.0.axes.clone().without_keepdims()));
        Some(centered.norm2_over(&self.0.axes) / self.0.divisor(&args[0].shape()).sqrt())
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Deviation(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

methods!(Prod, "The product": prod prod_axis prod_over);
methods!(|axes: Axes| Variance(Spread { axes, ddof: 0.0 }), "The variance": var var_axis var_over);
methods!(|axes: Axes| Deviation(Spread { axes, ddof: 0.0 }), "The standard deviation": std std_axis std_over);

impl<'p> Var<'p> {
    /// The variance along any axes, with `ddof` taken off the count of entries: 1 for the unbiased estimate.
    #[track_caller]
    pub fn var_with(self, ddof: f64, axes: &Axes) -> Var<'p> {
        self.apply(Variance(Spread { axes: axes.clone().of(self.rank()), ddof }))
    }

    /// The standard deviation along any axes, with `ddof` taken off the count of entries.
    #[track_caller]
    pub fn std_with(self, ddof: f64, axes: &Axes) -> Var<'p> {
        self.apply(Deviation(Spread { axes: axes.clone().of(self.rank()), ddof }))
    }
}
