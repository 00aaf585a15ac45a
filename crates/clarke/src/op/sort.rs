//! Sorting and what is read off a sorted array.

use super::axes::Axes;
use super::order::compare;
use super::ranking;
use super::reduce::{MATRIX, methods, read, single};
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention};
use crate::program::{Program, Var};
use crate::tensor::{Tensor, size};

/// `sort(x)`: the entries along an axis, by default the last, in ascending order. Piecewise linear.
///
/// At ties: the hull of the permutations within the blocks of equal entries. NaN comes last. Errors: a scalar.
#[derive(Debug, Clone)]
pub struct Sort(Axes);

impl Sort {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "sort",
        signature: "sort(x, axis=-1)",
        formula: "the entries along an axis in ascending order",
        class: "piecewise linear",
        ties: "the hull of the permutations within blocks of equal entries",
        source: "numpy.sort; Birkhoff 1946",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis"])?;
            let x = call.var(0)?;
            Ok(call.apply(Sort(Axes::one(call.int("axis", 1, Some(-1))?).of(x.rank())), &[x]))
        },
        samples: &[Sample::new("sort(x)", MATRIX), Sample::new("sort(x, axis=0)", MATRIX)],
    };
}

impl Op for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        if self.0 == Axes::one(-1) { vec![] } else { self.0.params() }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.resolve("sort", args[0].len())?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let rank = at.args[0].rank();
        let axis = self.0.checked(rank)[0];
        // Exchanging two axes is its own inverse.
        let mut exchanged: Vec<usize> = (0..rank).collect();
        exchanged.swap(axis, rank - 1);
        let turn = |x: Var<'p>| if axis + 1 == rank { x } else { x.transpose(&exchanged) };
        Ok(at.tangents[0].map(|dot| turn(turn(dot).arrange(turn(at.args[0]).order()))))
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
        // Frameworks gather by the indices of a stable sort; the element of least norm averages over equal entries.
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }
}

/// How many comparisons sorting takes: n log₂ n for each row of length n, of so many numbers in all.
pub(super) fn sorting(numbers: usize, length: usize) -> u64 {
    numbers as u64 * u64::from(length.max(2).next_power_of_two().ilog2())
}

impl ArrayKernel for Sort {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        sorting(size(args[0]), self.0.count(args[0]))
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        let length = split.length;
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let (row, scratch) = scratch.split_at_mut(length);
            for slice in 0..split.slices {
                split.positions(slice).zip(row.iter_mut()).for_each(|(at, x)| *x = args[0][at]);
                ranking::sort(row, scratch);
                split.positions(slice).zip(row.iter()).for_each(|(at, x)| out[at] = *x);
            }
        };
        Kernel::with_scratch(length + ranking::scratch_of_sort::<T>(length), run)
    }
}

/// `median(x)`: the middle entry in sorted order, for an even count the mean of the two in the middle; of all entries or
/// along axes. Piecewise linear.
///
/// At ties: the hull of the unit vectors of the entries equal to the middle one (for an even count, half of one and half
/// of the other). NaN if an entry is NaN. Errors: no entries. Cost: linear; its derivative sorts.
#[derive(Debug, Clone)]
pub struct Median(Axes);

impl Median {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "median",
        signature: "median(x, axis=None, keepdims=False)",
        formula: "the middle entry, or the mean of the two in the middle",
        class: "piecewise linear",
        ties: "the hull of the unit vectors of the entries equal to the middle",
        source: "numpy.median",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(Median(axes), &[x])),
        samples: &[
            Sample::new("median(x)", MATRIX),
            Sample::new("median(x, axis=1)", MATRIX),
            Sample::new("median(x, axis=0, keepdims=True)", MATRIX),
        ],
    };
}

impl Op for Median {
    fn name(&self) -> &'static str {
        "median"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("median", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        single(args[0], &self.0)
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let x = at.args[0];
        let n = self.0.count(&x.shape());
        let middle = Tensor::from_fn(&[n], |k| 0.5 * (f64::from(k == n / 2) + f64::from(k == (n - 1) / 2)));
        Ok(at.tangents[0].map(|dot| {
            let sorted = self.0.rows(dot).arrange(self.0.rows(x).order());
            // Guarded: the other entries do not matter, however infinite their tangents.
            x.constant(middle).guarded_mul(sorted).sum_axis(-1).reshape(&at.out.shape())
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Median(self.0.batched(at.ranks[0]))))
    }

    fn monotone(&self) -> bool {
        true
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // PyTorch's median(x) divides by the count of equal entries; its median(x, dim) takes one, and JAX sorts.
        let even = match convention {
            Convention::MinNorm => true,
            Convention::PyTorch => !self.0.is_one(),
            Convention::Jax | Convention::TensorFlow => false,
        };
        inner.unwrap_or(Choice::plain(if even { 0.0 } else { 1.0 }))
    }
}

impl ArrayKernel for Median {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        // Selection without sorting, on average.
        3 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        let run = move |args: &[&[T]], out: &mut [T], row: &mut [T]| {
            for (slice, y) in out.iter_mut().enumerate() {
                split.positions(slice).zip(row.iter_mut()).for_each(|(at, x)| *x = args[0][at]);
                *y = median(row);
            }
        };
        Kernel::with_scratch(self.0.split(args[0]).length, run)
    }
}

/// The median of a row, which is left in another order.
fn median<T: Scalar>(row: &mut [T]) -> T {
    if let Some(nan) = row.iter().find(|x| x.is_nan()) {
        return *nan;
    }
    let n = row.len();
    let (below, &mut upper, _) = row.select_nth_unstable_by(n / 2, compare);
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().fold(T::of(f64::NEG_INFINITY), |a, b| a.max(*b));
    let (sum, half) = (lower + upper, T::of(0.5));
    if sum.is_finite() { sum * half } else { lower * half + upper * half }
}

impl<'p> Var<'p> {
    /// The entries along the last axis in ascending order.
    #[track_caller]
    pub fn sort(self) -> Var<'p> {
        self.sort_axis(-1)
    }

    /// The entries along an axis in ascending order.
    #[track_caller]
    pub fn sort_axis(self, axis: i64) -> Var<'p> {
        self.apply(Sort(Axes::one(axis).of(self.rank())))
    }
}

methods!(Median, "The median": median median_axis median_over);
