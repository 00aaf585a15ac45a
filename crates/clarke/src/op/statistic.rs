//! Weighted sums of sorted entries: quantiles, sums of the largest, trimmed means; and the largest themselves.

use super::axes::Axes;
use super::order::compare;
use super::pointwise::parameter;
use super::ranking;
use super::reduce::{MATRIX, single};
use super::sort::sorting;
use crate::error::{Fault, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention};
use crate::program::total;
use crate::program::{Program, Var};
use crate::tensor::{Tensor, size};

/// Which weighted sum of the entries in ascending order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    /// The entry at q (n − 1), between two entries on the line between them.
    Quantile(f64),
    /// The sum of the k largest.
    SumLargest(usize),
    /// The mean without this proportion of the entries at either end, rounded down.
    TrimmedMean(f64),
}

impl Statistic {
    fn name(self) -> &'static str {
        match self {
            Statistic::Quantile(_) => "quantile",
            Statistic::SumLargest(_) => "sum_largest",
            Statistic::TrimmedMean(_) => "trimmed_mean",
        }
    }

    fn param(self) -> (&'static str, Param) {
        match self {
            Statistic::Quantile(q) => ("q", Param::Number(q)),
            Statistic::SumLargest(k) => ("k", Param::Int(k as i64)),
            Statistic::TrimmedMean(p) => ("proportion", Param::Number(p)),
        }
    }

    /// Whether it exists for n entries.
    fn check(self, n: usize) -> Result<(), Fault> {
        match self {
            Statistic::Quantile(q) if !(0.0..=1.0).contains(&q) => {
                Err(parameter("quantile", "q", q, "it must lie between 0 and 1"))
            }
            Statistic::SumLargest(k) => check_count("sum_largest", k, n),
            Statistic::TrimmedMean(p) if !(0.0..0.5).contains(&p) => {
                Err(parameter("trimmed_mean", "proportion", p, "it must be at least 0 and less than 0.5"))
            }
            _ => Ok(()),
        }
    }

    /// The positions in ascending order that count, and the weight of the last of them (the first of a quantile has
    /// what is left of 1).
    fn range(self, n: usize) -> (std::ops::Range<usize>, f64) {
        match self {
            Statistic::Quantile(q) => {
                let at = q * (n - 1) as f64;
                let low = at.floor();
                let last = if at == low { low } else { low + 1.0 };
                (low as usize..last as usize + 1, if at == low { 1.0 } else { at - low })
            }
            Statistic::SumLargest(k) => (n - k..n, 1.0),
            Statistic::TrimmedMean(p) => {
                let cut = (p * n as f64) as usize;
                (cut..n - cut, 1.0 / (n - 2 * cut) as f64)
            }
        }
    }

    /// The weights of the entries in ascending order.
    fn weights(self, n: usize) -> Tensor {
        let (range, weight) = self.range(n);
        let first_of_two = |k: usize| matches!(self, Statistic::Quantile(_)) && range.len() == 2 && k == range.start;
        let of = |k: usize| if first_of_two(k) { 1.0 - weight } else { weight };
        Tensor::from_fn(&[n], |k| if range.contains(&k) { of(k) } else { 0.0 })
    }

    /// Its value on a row, which is left in another order.
    fn of<T: Scalar>(self, row: &mut [T]) -> T {
        if let Some(nan) = row.iter().find(|x| x.is_nan()) {
            return *nan;
        }
        let (range, weight) = self.range(row.len());
        let (start, count, weight) = (range.start, range.len(), T::of(weight));
        let rest = if start == 0 { row } else { row.select_nth_unstable_by(start - 1, compare).2 };
        if let Statistic::Quantile(_) = self {
            let (_, &mut low, above) = rest.select_nth_unstable_by(0, compare);
            let high = above.iter().fold(None, |least: Option<T>, x| Some(least.map_or(*x, |y| y.min(*x))));
            return if count == 1 { low } else { between(low, high.unwrap_or(low), weight) };
        }
        let kept = if count == rest.len() { rest } else { rest.select_nth_unstable_by(count, compare).0 };
        let sum = super::product::sum(kept);
        if let Statistic::TrimmedMean(_) = self { sum / T::of(count as f64) } else { sum }
    }
}

/// The sum of the k largest entries of a row: of those above the k-th, and of as many equal to it as are missing.
fn sum_largest<T: Scalar>(level: Level, row: &[T], k: usize, scratch: &mut [T]) -> T {
    let Some(bound) = ranking::nth(row, row.len() - k, scratch) else {
        let kept = &mut scratch[..row.len()];
        kept.copy_from_slice(row);
        return Statistic::SumLargest(k).of(kept);
    };
    let mut above = Above { sum: T::of(0.0), count: 0, nan: false };
    T::with_lanes(level, SumAbove { row, bound, above: &mut above });
    match row.iter().find(|x| above.nan && x.is_nan()) {
        Some(nan) => *nan,
        None if above.count == k => above.sum,
        None => above.sum + T::of((k - above.count) as f64) * bound,
    }
}

/// The entries above a bound: their sum and count, and whether any entry is NaN.
struct Above<T> {
    sum: T,
    count: usize,
    nan: bool,
}

struct SumAbove<'a, T> {
    row: &'a [T],
    bound: T,
    above: &'a mut Above<T>,
}

impl<T: Scalar> Job<T> for SumAbove<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        const BLOCK: usize = 256;
        let mut kept = [T::of(0.0); BLOCK];
        for row in self.row.chunks(BLOCK) {
            let (mut count, mut numbers) = (0, 0);
            for (to, x) in kept.iter_mut().zip(row) {
                let above = *x > self.bound;
                *to = if above { *x } else { T::of(0.0) };
                count += usize::from(above);
                numbers += usize::from(!x.is_nan());
            }
            self.above.sum = self.above.sum + total::sum(&kept[..row.len()]);
            self.above.count += count;
            self.above.nan |= numbers < row.len();
        }
    }
}

/// The point between two numbers, as numpy computes it; without overflow, and between infinities that are equal.
fn between<T: Scalar>(low: T, high: T, t: T) -> T {
    let (gap, one) = (high - low, T::of(1.0));
    if low == high {
        low
    } else if !gap.is_finite() {
        low * (one - t) + high * t
    } else if t.to_f64() < 0.5 {
        low + gap * t
    } else {
        high - gap * (one - t)
    }
}

/// A count of entries to take: from 1 to all of them.
fn check_count(op: &str, k: usize, n: usize) -> Result<(), Fault> {
    let rule = || format!("there are {n} entries: it must lie between 1 and {n}");
    if (1..=n).contains(&k) { Ok(()) } else { Err(parameter(op, "k", k as f64, &rule())) }
}

/// Reads a count.
fn read_count(call: &Call<'_, '_>) -> Result<usize> {
    let k = call.int("k", 1, None)?;
    usize::try_from(k).map_err(|_| call.fault(format!("`k` counts entries; it cannot be {k}")))
}

/// `quantile(x, q)`, `sum_largest(x, k)` and `trimmed_mean(x, proportion)`: sums `Σ wₖ x₍ₖ₎` of the entries in ascending
/// order with constant weights, over all entries or along axes. Piecewise linear.
///
/// At ties: the hull of the weights permuted within blocks of equal entries; for `sum_largest`, which is convex, that is
/// {w: 0 ≤ w ≤ 1, Σ w = what is left of k} on the block. NaN if an entry is NaN. Errors: no entries; a parameter out of
/// range. Cost: linear, without sorting; the derivative sorts, but compiled programs select for `sum_largest`.
#[derive(Debug, Clone)]
pub struct Ordered {
    statistic: Statistic,
    axes: Axes,
}

impl Ordered {
    /// The quantile's line in the table of operators.
    pub const QUANTILE: Entry = Entry {
        name: "quantile",
        signature: "quantile(x, q, axis=None, keepdims=False)",
        formula: "the entry at position q · (n − 1) in sorted order, between two entries on the line between them",
        class: "piecewise linear",
        ties: "the hull of the weights permuted among equal entries",
        source: "numpy.quantile; Hyndman, Fan 1996, definition 7",
        notation: Notation::Call,
        call: |call| Ordered::read(call, "q", |call| Ok(Statistic::Quantile(call.number("q", 1, None)?))),
        samples: &[
            Sample::new("quantile(x, 0.3)", &[("x", &[3])]),
            Sample::new("quantile(x, 0.5)", &[("x", &[4])]),
            Sample::new("quantile(x, 0.75, axis=1)", MATRIX),
            Sample::new("quantile(x, 1, axis=0, keepdims=True)", MATRIX),
        ],
    };

    /// The line of the sum of the largest.
    pub const SUM_LARGEST: Entry = Entry {
        name: "sum_largest",
        signature: "sum_largest(x, k, axis=None, keepdims=False)",
        formula: "the sum of the k largest entries",
        ties: "{w: 0 ≤ w ≤ 1, Σ w = what is left of k} on the entries equal to the k-th largest",
        source: "Rockafellar, Uryasev 2000; Overton, Womersley 1993 for the set",
        call: |call| Ordered::read(call, "k", |call| Ok(Statistic::SumLargest(read_count(call)?))),
        samples: &[
            Sample::new("sum_largest(x, 2)", &[("x", &[4])]),
            Sample::new("sum_largest(x, 2, axis=1)", MATRIX),
            Sample::new("sum_largest(x, 1, axis=0, keepdims=True)", MATRIX),
        ],
        ..Ordered::QUANTILE
    };

    /// The line of the trimmed mean.
    pub const TRIMMED_MEAN: Entry = Entry {
        name: "trimmed_mean",
        signature: "trimmed_mean(x, proportion, axis=None, keepdims=False)",
        formula: "the mean without this proportion of the entries at either end, rounded down",
        source: "scipy.stats.trim_mean",
        call: |call| {
            let of = |call: &Call<'_, '_>| Ok(Statistic::TrimmedMean(call.number("proportion", 1, None)?));
            Ordered::read(call, "proportion", of)
        },
        samples: &[
            Sample::new("trimmed_mean(x, 0.25)", &[("x", &[4])]),
            Sample::new("trimmed_mean(x, 0.34, axis=1)", MATRIX),
            Sample::new("trimmed_mean(x, 0, axis=0, keepdims=True)", MATRIX),
        ],
        ..Ordered::QUANTILE
    };

    fn read<'p>(
        call: &Call<'_, 'p>,
        parameter: &str,
        of: impl Fn(&Call<'_, 'p>) -> Result<Statistic>,
    ) -> Result<Var<'p>> {
        call.expect(1, 3, &[parameter, "axis", "keepdims"])?;
        let (x, statistic) = (call.var(0)?, of(call)?);
        Ok(call.apply(Ordered { statistic, axes: Axes::read(call, 2, x.rank())? }, &[x]))
    }
}

impl Op for Ordered {
    fn name(&self) -> &'static str {
        self.statistic.name()
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        [self.statistic.param()].into_iter().chain(self.axes.params()).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let shape = self.axes.shape_of_some(self.name(), args[0])?;
        self.statistic.check(self.axes.count(args[0]))?;
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        single(args[0], &self.axes)
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let x = at.args[0];
        let weights = self.statistic.weights(self.axes.count(&x.shape()));
        Ok(at.tangents[0].map(|dot| {
            let sorted = self.axes.rows(dot).arrange(self.axes.rows(x).order());
            // Guarded: the other entries do not matter, however infinite their tangents.
            x.constant(weights).guarded_mul(sorted).sum_axis(-1).reshape(&at.out.shape())
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Ordered { axes: self.axes.batched(at.ranks[0]), ..*self }))
    }

    fn monotone(&self) -> bool {
        true
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // Frameworks gather from a stable sort; the element of least norm averages over equal entries.
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }
}

impl ArrayKernel for Ordered {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        // Selection without sorting, on average.
        3 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (split, statistic) = (self.axes.split(args[0]), self.statistic);
        if let (Statistic::SumLargest(k), true) = (statistic, split.is_rows()) {
            let room = ranking::scratch_of_sort::<T>(split.length).max(split.length);
            let level = Level::of_this_machine();
            let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
                let rows = args[0].chunks_exact(split.length);
                std::iter::zip(out, rows).for_each(|(y, row)| *y = sum_largest(level, row, k, scratch));
            };
            return Kernel::with_scratch(room, run);
        }
        let scratch = split.length;
        let run = move |args: &[&[T]], out: &mut [T], row: &mut [T]| {
            for (slice, y) in out.iter_mut().enumerate() {
                split.positions(slice).zip(row.iter_mut()).for_each(|(at, x)| *x = args[0][at]);
                *y = statistic.of(row);
            }
        };
        Kernel::with_scratch(scratch, run)
    }
}

/// `top_k(x, k)`: the k largest entries along the last axis, in descending order. Piecewise linear.
///
/// At ties: the hull of the permutations within blocks of equal entries. NaN counts as the largest, as in JAX and
/// PyTorch. Errors: a scalar; a k that is not between 1 and the length. Cost: linear, and sorting k entries; the
/// derivative sorts them all.
#[derive(Debug, Clone)]
pub struct TopK {
    k: usize,
}

impl TopK {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "top_k",
        signature: "top_k(x, k)",
        formula: "the k largest entries along the last axis, in descending order",
        class: "piecewise linear",
        ties: "the hull of the permutations within blocks of equal entries",
        source: "jax.lax.top_k, the values; Birkhoff 1946",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["k"])?;
            Ok(call.apply(TopK { k: read_count(call)? }, &[call.var(0)?]))
        },
        samples: &[Sample::new("top_k(x, 2)", MATRIX), Sample::new("top_k(x, 3)", &[("x", &[3])])],
    };
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("k", Param::Int(self.k as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let Some((n, lead)) = args[0].split_last() else {
            let rule = "a scalar has no axis to take the largest entries of".into();
            return Err(Fault::Shapes { op: "top_k".into(), shapes: vec![vec![]], rule });
        };
        check_count("top_k", self.k, *n)?;
        Ok([lead, &[self.k]].concat())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    // Ascending in −x, so that of equal entries the first comes first.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let last = at.out.rank() - 1;
        Ok(at.tangents[0].map(|dot| dot.arrange((-at.args[0]).order()).slice(last, 0..self.k)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn monotone(&self) -> bool {
        true
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // Frameworks gather by the indices, of equal entries the first.
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }
}

impl ArrayKernel for TopK {
    fn operations(&self, args: &[&[usize]], out: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        // Selection without sorting, on average.
        3 * size(args[0]) as u64 + sorting(size(out), self.k)
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (n, k) = (args[0].last().copied().unwrap_or(1), self.k);
        let run = move |args: &[&[T]], out: &mut [T], row: &mut [T]| {
            for (x, y) in std::iter::zip(args[0].chunks_exact(n), out.chunks_exact_mut(k)) {
                row.copy_from_slice(x);
                if k < n {
                    row.select_nth_unstable_by(k, |a, b| compare(b, a));
                }
                row[..k].sort_unstable_by(|a, b| compare(b, a));
                y.copy_from_slice(&row[..k]);
            }
        };
        Kernel::with_scratch(n, run)
    }
}

/// The methods of a statistic with a parameter: over all entries, along one axis, and along any.
macro_rules! statistics {
    ($what:literal, $parameter:ident: $type:ty, $make:expr, $all:ident $axis:ident $over:ident) => {
        impl<'p> Var<'p> {
            #[doc = concat!($what, " of all entries.")]
            #[track_caller]
            pub fn $all(self, $parameter: $type) -> Var<'p> {
                self.apply(Ordered { statistic: $make($parameter), axes: Axes::all() })
            }

            #[doc = concat!($what, " along one axis.")]
            #[track_caller]
            pub fn $axis(self, $parameter: $type, axis: i64) -> Var<'p> {
                self.apply(Ordered { statistic: $make($parameter), axes: Axes::one(axis).of(self.rank()) })
            }

            #[doc = concat!($what, " along any axes, which may be kept with length 1.")]
            #[track_caller]
            pub fn $over(self, $parameter: $type, axes: &Axes) -> Var<'p> {
                self.apply(Ordered { statistic: $make($parameter), axes: axes.clone().of(self.rank()) })
            }
        }
    };
}

statistics!("The quantile", q: f64, Statistic::Quantile, quantile quantile_axis quantile_over);
statistics!("The sum of the k largest", k: usize, Statistic::SumLargest, sum_largest sum_largest_axis sum_largest_over);
statistics!(
    "The mean without a proportion at either end", proportion: f64, Statistic::TrimmedMean,
    trimmed_mean trimmed_mean_axis trimmed_mean_over
);

impl<'p> Var<'p> {
    /// The k largest entries along the last axis, in descending order.
    #[track_caller]
    pub fn top_k(self, k: usize) -> Var<'p> {
        self.apply(TopK { k })
    }
}
