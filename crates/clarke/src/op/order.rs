//! The tie of sorting: `order(u, s)`, and the linear operator that applies it.

use super::applied::{Applied, LONGEST, last};
use super::axes::{Selected, batch_tie};
use super::enclosure;
use super::ranked;
use super::ranking::{rank, scratch_of_rank};
use super::sort::sorting;
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::op::{ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op};
use crate::program::real::Scalar;
use crate::program::tie::{Face, Met, Piece, Pieces, Tie};
use crate::program::{Program, Var};
use crate::tensor::{Boxes, Tensor, size, unravel};
use std::cmp::Ordering;

/// Ascending, NaN last, as numpy sorts.
#[inline]
pub(super) fn compare<T: Scalar>(a: &T, b: &T) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// `order(u, s)`: the permutations that sort u along its last axis, of shape `u.shape ++ [3]`: for each position of the
/// sorted array the entry that stands there, the first position of its block of equal entries, and a weight λ.
///
/// Applied by [`Arrange`], the three numbers stand for row `λ·(that entry) + (1 − λ)·(the mean over the block)` of a
/// doubly stochastic matrix. At a tie: the hull of the permutations within the blocks. A scalar selection is λ with the
/// stable permutation: 0 averages over each block, the element of least norm. An array of the shape of u gives an entry
/// for each position, with 1 − λ as its fractional part, read at a block's first position; outside of blocks of equal
/// entries nothing is read.
#[derive(Debug, Clone)]
pub struct Order;

impl Order {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "order",
        signature: "order(u, s)",
        formula: "the permutation that sorts u along its last axis",
        class: "piecewise linear, discontinuous",
        ties: "the hull of the permutations within blocks of equal entries",
        source: "Birkhoff 1946; Clarke 1990, Theorem 2.5.1",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            Ok(call.apply(Order, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Op for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let fault = |rule: &str| {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            Err(Fault::Shapes { op: "order".into(), shapes, rule: rule.into() })
        };
        match args[0].last() {
            None => return fault("a scalar has no order"),
            Some(&n) if n > LONGEST => return fault("more than 2^24 entries along the last axis cannot be numbered"),
            _ => {}
        }
        Selected::of("order", args[1], args[0], &last().kept(args[0]))?;
        Ok([args[0], &[3]].concat())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear().bounded()
    }

    // Constant off the tie, and at the tie the selected piece is.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        match at.tangents[1] {
            Some(_) => Err(at.fault("order", "its selection is a permutation, which does not vary smoothly")),
            None => Ok(None),
        }
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(Order, at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

/// The blocks of equal entries, as ranges of positions of the sorted array; NaN is equal to nothing.
fn blocks<T: Scalar>(u: &[T], positions: &[T], mut f: impl FnMut(std::ops::Range<usize>)) {
    let value = |k: usize| u[positions[k].to_f64() as usize];
    let mut start = 0;
    while start < positions.len() {
        let end = (start + 1..positions.len()).find(|&k| value(k) != value(start)).unwrap_or(positions.len());
        f(start..end);
        start = end;
    }
}

impl ArrayKernel for Order {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        sorting(size(args[0]), args[0].last().copied().unwrap_or(1))
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let n = args[0].last().copied().unwrap_or(1);
        let selected =
            Selected::of("order", args[1], args[0], &last().kept(args[0])).expect("a selection's shape was checked");
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let (u, s) = (args[0], args[1]);
            let (positions, scratch) = scratch.split_at_mut(n);
            for slice in 0..u.len() / n.max(1) {
                let row = &u[slice * n..(slice + 1) * n];
                rank(row, positions, scratch);
                blocks(row, positions, |block| {
                    let tied = block.len() > 1;
                    let first = slice * n + block.start;
                    let weight = match tied {
                        true if selected.is_each() => T::of(1.0 - s[first].to_f64().rem_euclid(1.0)),
                        true => selected.at(s, slice),
                        // The derivative at a NaN is NaN.
                        false if row[positions[block.start].to_f64() as usize].is_nan() => T::of(f64::NAN),
                        false => T::of(1.0),
                    };
                    for k in block.clone() {
                        let given = tied && selected.is_each();
                        let source = if given { whole(s[slice * n + k], n) } else { positions[k] };
                        out[3 * (slice * n + k)] = source;
                        out[3 * (slice * n + k) + 1] = T::of(block.start as f64);
                        out[3 * (slice * n + k) + 2] = weight;
                    }
                });
            }
        };
        Kernel::with_scratch(n + scratch_of_rank::<T>(n), run)
    }
}

/// A selection's entry: its whole part, held within the slice.
fn whole<T: Scalar>(s: T, n: usize) -> T {
    T::of(s.to_f64().floor().clamp(0.0, (n - 1) as f64))
}

impl Order {
    /// An array of selections made block by block, from the tied entries' positions in the array and their first
    /// position in their slice: each block's entries in some order, and 1 − λ.
    fn select(&self, u: &Tensor, mut arrange: impl FnMut(&mut Vec<usize>) -> f64) -> Tensor {
        let n = u.shape().last().copied().unwrap_or(1);
        let (mut s, mut positions) = (Tensor::full(u.shape(), 0.0), vec![0.0; n]);
        let mut scratch = vec![0.0; scratch_of_rank::<f64>(n)];
        for slice in 0..u.data().len() / n.max(1) {
            let row = &u.data()[slice * n..(slice + 1) * n];
            rank(row, &mut positions, &mut scratch);
            blocks(row, &positions, |block| {
                let mut tied: Vec<usize> = block.clone().map(|k| slice * n + positions[k] as usize).collect();
                let blend = if tied.len() > 1 { arrange(&mut tied) } else { 0.0 };
                for (k, at) in block.zip(tied) {
                    s.data_mut()[slice * n + k] = (at - slice * n) as f64 + blend;
                }
            });
        }
        s
    }
}

impl Tie for Order {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let n = u.shape().last().copied().unwrap_or(1);
        let mut row = vec![0.0; n];
        let mut met = vec![];
        for slice in 0..u.data().len() / n.max(1) {
            row.copy_from_slice(&u.data()[slice * n..(slice + 1) * n]);
            row.sort_unstable_by(compare);
            let (mut pieces, mut distance, mut start, mut beyond) = (Some(1u64), 0.0f64, 0, f64::INFINITY);
            for k in 1..=n {
                // A block goes on as long as the next entry is near enough; infinities are equal to themselves.
                if k < n && (row[k] == row[k - 1] || row[k] - row[k - 1] <= tolerance) {
                    pieces = pieces.and_then(|p| p.checked_mul((k - start + 1) as u64));
                    distance = distance.max(if row[k] == row[start] { 0.0 } else { row[k] - row[start] });
                } else {
                    start = k;
                    beyond = if k < n { beyond.min(row[k] - row[k - 1]) } else { beyond };
                }
            }
            if pieces != Some(1) {
                met.push(Met { index: unravel(slice, &u.shape()[..u.shape().len() - 1]), pieces, distance, beyond });
            }
        }
        met
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        // A permutation blended with the mean over the block has only positive entries there: relative interior.
        self.select(u, |tied| {
            for k in (1..tied.len()).rev() {
                tied.swap(k, ((uniform() * (k + 1) as f64) as usize).min(k));
            }
            // Sixteenths survive next to any position that f32 can count to 2^20.
            (1.0 + (uniform() * 14.0).floor()) / 16.0
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        self.select(u, |tied| {
            tied.sort_by(|&i, &j| {
                let by = |dot: &Tensor| compare(&dot.data()[i], &dot.data()[j]);
                dots.iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            });
            0.0
        })
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let n = u.shape().last().copied().unwrap_or(1);
        let (mut faces, mut positions) = (vec![], vec![0.0; n]);
        let mut scratch = vec![0.0; scratch_of_rank::<f64>(n)];
        for slice in 0..u.data().len() / n.max(1) {
            let row = &u.data()[slice * n..(slice + 1) * n];
            rank(row, &mut positions, &mut scratch);
            blocks(row, &positions, |block| {
                if block.len() > 1 {
                    let tied: Vec<usize> = block.clone().map(|k| positions[k] as usize).collect();
                    // Of each number triple only the entry and the weight are chosen.
                    let entry = |k: usize| 3 * (slice * n + k);
                    let entries = block.flat_map(|k| [entry(k), entry(k) + 2]).collect();
                    let index = unravel(slice, &u.shape()[..u.shape().len() - 1]);
                    faces.push(Face { index, entries, pieces: permutations(&tied, slice * n) });
                }
            });
        }
        faces
    }

    fn is_affine(&self) -> bool {
        false
    }

    fn snap(&self, u: &Tensor, tolerance: f64) -> Option<Tensor> {
        let n = u.shape().last().copied().unwrap_or(1);
        let (mut snapped, mut positions) = (u.clone(), vec![0.0; n]);
        let mut scratch = vec![0.0; scratch_of_rank::<f64>(n)];
        for row in snapped.data_mut().chunks_exact_mut(n.max(1)) {
            rank(row, &mut positions, &mut scratch);
            // A block goes on as long as the next entry was near enough before anything moved.
            let mut before = f64::NAN;
            for k in 0..n {
                let (at, last) = (positions[k] as usize, positions[k.saturating_sub(1)] as usize);
                let own = std::mem::replace(&mut before, row[at]);
                if k > 0 && row[at] - own <= tolerance {
                    row[at] = row[last];
                }
            }
        }
        Some(snapped)
    }
}

/// Blocks of up to this many entries are written out, permutation by permutation.
const WRITTEN_OUT: usize = 6;

/// All orders of a block of tied entries, given as positions in their slice, which begins at `first`.
fn permutations(tied: &[usize], first: usize) -> Pieces {
    if tied.len() > WRITTEN_OUT {
        return Pieces::Unknown;
    }
    let mut all: Vec<Vec<usize>> = vec![vec![]];
    for _ in tied {
        let longer = |p: &Vec<usize>| {
            let left: Vec<usize> = tied.iter().copied().filter(|at| !p.contains(at)).collect();
            left.into_iter().map(|at| [p.as_slice(), &[at]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    let piece = |p: Vec<usize>| Piece {
        values: p.iter().flat_map(|&at| [at as f64, 1.0]).collect(),
        forms: Some(p.windows(2).map(|w| vec![(first + w[1], 1.0), (first + w[0], -1.0)]).collect()),
    };
    Pieces::List(all.into_iter().map(piece).collect())
}

/// `arrange(x, order)`: x along its last axis in that order; and `arrange_back`, its transpose. Linear in x.
#[derive(Debug)]
pub struct Arrange;

impl Applied<3> for Arrange {
    const NAMES: [&'static str; 2] = ["arrange", "arrange_back"];
    const SIGNATURES: [&'static str; 2] = ["arrange(x, order)", "arrange_back(y, order)"];
    const FORMULAS: [&'static str; 2] = ["x along its last axis in that order", "the transpose of arrange in x"];
    const SOURCE: &'static str = "the derivative of sort";
    const RULE: &'static str = "an order has three numbers for each entry of the array along its last axis";

    fn fused_back<'p>(y: Var<'p>, order: Var<'p>, shared: bool) -> Option<Var<'p>> {
        let whole = || if shared { None } else { ranked::arranged_back(y, order) };
        ranked::fused(y, order).or_else(whole)
    }

    fn enclose(back: bool, x: &Boxes, order: &Boxes) -> Option<Boxes> {
        enclosure::arrange(back, x, order)
    }

    fn forth<T: Scalar>(x: &[T], order: &[[T; 3]], y: &mut [T]) {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        let mut next = 0;
        each_block(order, |block, count| {
            let sum = block.iter().fold(zero, |sum, entry| sum + x[source(entry, x.len())]);
            for entry in block {
                let (weight, own) = (entry[2], x[source(entry, x.len())]);
                y[next] = if weight == one { own } else { weight * own + (one - weight) * (sum / count) };
                next += 1;
            }
        });
    }

    fn back<T: Scalar>(y: &[T], order: &[[T; 3]], x: &mut [T]) {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        x.fill(zero);
        let mut next = 0;
        each_block(order, |block, count| {
            let own = &y[next..next + block.len()];
            let part = |entry: &[T; 3], y: T| if entry[2] == one { zero } else { (one - entry[2]) * y };
            let mean = block.iter().zip(own).fold(zero, |sum, (entry, y)| sum + part(entry, *y)) / count;
            for (entry, value) in block.iter().zip(own) {
                let at = source(entry, x.len());
                x[at] = x[at] + mean + if entry[2] == one { *value } else { entry[2] * *value };
            }
            next += block.len();
        });
    }
}

/// The blocks of an order, with the count of each.
fn each_block<T: Scalar>(order: &[[T; 3]], mut f: impl FnMut(&[[T; 3]], T)) {
    for block in order.chunk_by(|a, b| a[1] == b[1]) {
        f(block, T::of(block.len() as f64));
    }
}

/// The entry an order names, held within the slice.
#[inline]
fn source<T: Scalar>(entry: &[T; 3], n: usize) -> usize {
    (entry[0].to_f64() as usize).min(n - 1)
}

impl<'p> Var<'p> {
    /// The tie `order`: the permutation that sorts along the last axis, a selection from the hull of permutations where
    /// entries are equal. Only inside the derivative of an operator.
    #[track_caller]
    pub fn order(self) -> Var<'p> {
        self.tie_of(Order)
    }

    /// Along the last axis in an order that [`Var::order`] gave.
    pub fn arrange(self, order: Var<'p>) -> Var<'p> {
        Arrange::to(self, order)
    }
}
