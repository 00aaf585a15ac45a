//! The largest and smallest entries of what came so far along an axis, and their tie: `leader(u, s)`.

use super::applied::{Applied, LONGEST, last};
use super::axes::{Selected, batch_tie};
use super::cumulative::{along, from_last};
use super::enclosure;
use super::gather::{around, checked_axis};
use super::order::compare;
use crate::error::{Fault, Place, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention, Face, Met, Piece, Pieces, Tie};
use crate::program::{Program, Var};
use crate::tensor::{Boxes, Tensor, size, unravel};

const COLUMN: &[(&str, &[usize])] = &[("x", &[3, 2])];

/// `cummax(x)` and `cummin(x)`: at each position along an axis, by default the first, the largest (smallest) of the
/// entries up to it. Piecewise linear.
///
/// At ties: for each position a unit vector of one of the entries that tie for the largest so far, such that a later
/// position keeps the choice of an earlier one or takes an entry that came since; and the hull of these. NaN from the
/// first NaN on. Errors: a scalar. Cost: linear.
#[derive(Debug, Clone)]
pub struct Running {
    largest: bool,
    axis: i64,
}

impl Running {
    /// The largest entries' line in the table of operators.
    pub const MAX: Entry = Entry {
        name: "cummax",
        signature: "cummax(x, axis=0)",
        formula: "max(x₁, …, xₖ) at position k",
        class: "piecewise linear",
        ties: "the hull of the unit vectors of the tied leaders, each kept until a later one takes over",
        source: "jax.lax.cummax; Clarke 1990, Proposition 2.3.12",
        notation: Notation::Call,
        call: |call| Running::read(call, true),
        samples: &[
            Sample::new("cummax(x)", &[("x", &[4])]),
            Sample::new("cummax(x, axis=-1)", &[("x", &[2, 3])]),
            Sample::new("cummax(x)", COLUMN),
        ],
    };

    /// The smallest entries' line in the table of operators.
    pub const MIN: Entry = Entry {
        name: "cummin",
        signature: "cummin(x, axis=0)",
        formula: "min(x₁, …, xₖ) at position k",
        source: "jax.lax.cummin; Clarke 1990, Proposition 2.3.12",
        call: |call| Running::read(call, false),
        samples: &[Sample::new("cummin(x)", &[("x", &[4])]), Sample::new("cummin(x)", COLUMN)],
        ..Running::MAX
    };

    fn read<'p>(call: &Call<'_, 'p>, largest: bool) -> Result<Var<'p>> {
        call.expect(1, 2, &["axis"])?;
        let x = call.var(0)?;
        let axis = from_last(call.name, x, call.int("axis", 1, Some(0))?).map_err(|f| f.at(call.place.clone()))?;
        Ok(call.apply(Running { largest, axis }, &[x]))
    }
}

impl Op for Running {
    fn name(&self) -> &'static str {
        if self.largest { "cummax" } else { "cummin" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        checked_axis(self.name(), args[0], self.axis)?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let rank = at.out.rank();
        let axis = (rank as i64 + self.axis) as usize;
        // Exchanging two axes is its own inverse.
        let mut exchanged: Vec<usize> = (0..rank).collect();
        exchanged.swap(axis, rank - 1);
        let turn = |x: Var<'p>| if axis + 1 == rank { x } else { x.transpose(&exchanged) };
        let oriented = if self.largest { at.args[0] } else { -at.args[0] };
        Ok(at.tangents[0].map(|dot| {
            let leader = turn(oriented).tie_of(Leader);
            turn(Follow::to(turn(dot), leader))
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        inner.unwrap_or(Choice::plain(match convention {
            // PyTorch's index moves on to an entry that is equal to the leader.
            Convention::PyTorch => 1.0,
            // JAX is a tree of maxima of two, each of which splits evenly: the even split among two entries, another
            // element of the set among more. TensorFlow has no such function.
            Convention::MinNorm | Convention::Jax | Convention::TensorFlow => 0.0,
        }))
    }
}

impl ArrayKernel for Running {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let ((outer, length, inner), largest) = (around(args[0], self.axis), self.largest);
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            out.copy_from_slice(args[0]);
            for block in 0..outer {
                for at in (block * length + 1) * inner..(block + 1) * length * inner {
                    let before = out[at - inner];
                    out[at] = if largest { before.max(out[at]) } else { before.min(out[at]) };
                }
            }
        })
    }
}

/// `leader(u, s)`: which entry of u is the largest so far along its last axis, of shape `u.shape ++ [4]`: for each
/// position the entry that leads, what the position's own entry is (2 a new largest one, 1 equal to it, 0 smaller), how
/// many tie, and a weight λ.
///
/// Applied by [`Follow`], the four numbers stand for row `λ·(the leader) + (1 − λ)·(the mean over those that tie)`. A
/// scalar selection is λ with the last of those that tie: 0 takes the mean, the element of least norm. An array of the
/// shape of u gives a leader for each position, with 1 − λ as its fractional part, read where the run of ties began.
#[derive(Debug, Clone)]
pub struct Leader;

impl Leader {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "leader",
        signature: "leader(u, s)",
        formula: "the position of the largest entry so far along the last axis",
        class: "piecewise linear, discontinuous",
        ties: "the hull of the choices among tied leaders, each kept until a later one takes over",
        source: "Clarke 1990, Theorem 2.5.1",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            Ok(call.apply(Leader, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Op for Leader {
    fn name(&self) -> &'static str {
        "leader"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if args[0].last().is_none_or(|n| *n > LONGEST) {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = "it needs a last axis, of at most 2^24 entries".into();
            return Err(Fault::Shapes { op: "leader".into(), shapes, rule });
        }
        Selected::of("leader", args[1], args[0], &last().kept(args[0]))?;
        Ok([args[0], &[4]].concat())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear().bounded()
    }

    // Constant off the tie, and at the tie the selected piece is.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        match at.tangents[1] {
            Some(_) => Err(at.fault("leader", "its selection holds positions, which do not vary smoothly")),
            None => Ok(None),
        }
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(Leader, at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

impl ArrayKernel for Leader {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let n = args[0].last().copied().unwrap_or(1);
        let selected =
            Selected::of("leader", args[1], args[0], &last().kept(args[0])).expect("a selection's shape was checked");
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            let (u, s) = (args[0], args[1]);
            for slice in 0..u.len() / n.max(1) {
                let row = slice * n..(slice + 1) * n;
                let (u, mut nan, mut latest, mut start, mut count) = (&u[row.clone()], false, 0, 0, 0);
                for (k, entry) in out.as_chunks_mut::<4>().0[row].iter_mut().enumerate() {
                    nan |= u[k].is_nan();
                    let kind = if k == 0 || u[k] > u[start] { 2 } else { usize::from(u[k] == u[start]) };
                    if kind == 2 {
                        (start, count) = (k, 0);
                    }
                    if kind > 0 {
                        (latest, count) = (k, count + 1);
                    }
                    let (source, weight) = match count > 1 {
                        // The derivative at a NaN is NaN.
                        _ if nan => (k, T::of(f64::NAN)),
                        true if selected.is_each() => {
                            let own = s[slice * n + k].to_f64().floor().clamp(0.0, k as f64);
                            (own as usize, T::of(1.0 - s[slice * n + start].to_f64().rem_euclid(1.0)))
                        }
                        true => (latest, selected.at(s, slice)),
                        false => (latest, T::of(1.0)),
                    };
                    *entry = [T::of(source as f64), T::of(kind as f64), T::of(count as f64), weight];
                }
            }
        })
    }
}

impl Leader {
    /// An array of selections: for each position of a run of ties the leader, which `takes_over(challenger, leader)`
    /// may change to an entry that ties (both as positions in the array), and 1 − λ, drawn once a run.
    fn select(
        &self,
        u: &Tensor,
        mut takes_over: impl FnMut(usize, usize) -> bool,
        mut blend: impl FnMut() -> f64,
    ) -> Tensor {
        let n = u.shape().last().copied().unwrap_or(1);
        let mut s = Tensor::full(u.shape(), 0.0);
        for slice in 0..u.data().len() / n.max(1) {
            let (first, mut top, mut leader, mut share) = (slice * n, slice * n, slice * n, 0.0);
            for at in first..first + n {
                if at == first || u.data()[at] > u.data()[top] {
                    (top, leader, share) = (at, at, blend());
                } else if u.data()[at] == u.data()[top] && takes_over(at, leader) {
                    leader = at;
                }
                s.data_mut()[at] = (leader - first) as f64 + share;
            }
        }
        s
    }
}

impl Tie for Leader {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let n = u.shape().last().copied().unwrap_or(1);
        let mut met = vec![];
        for slice in 0..u.data().len() / n.max(1) {
            let row = &u.data()[slice * n..(slice + 1) * n];
            let (mut pieces, mut distance, mut top, mut beyond) = (Some(1u64), 0.0f64, f64::NAN, f64::INFINITY);
            for (k, x) in row.iter().enumerate() {
                let gap = if *x == top { 0.0 } else { (x - top).abs() };
                if k > 0 && gap <= tolerance {
                    pieces = pieces.and_then(|p| p.checked_mul(2));
                    distance = distance.max(gap);
                } else if k > 0 {
                    beyond = beyond.min(gap);
                }
                top = if k == 0 || *x > top { *x } else { top };
            }
            if pieces != Some(1) {
                met.push(Met { index: unravel(slice, &u.shape()[..u.shape().len() - 1]), pieces, distance, beyond });
            }
        }
        met
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        // Blended with the mean, every entry that ties has a positive weight: relative interior. Sixteenths survive next
        // to any position that f32 can count to 2^20.
        let uniform = std::cell::RefCell::new(uniform);
        let next = || (uniform.borrow_mut())();
        self.select(u, |_, _| next() < 0.5, || (1.0 + (next() * 14.0).floor()) / 16.0)
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        let ahead = |challenger: usize, leader: usize| {
            let by = |dot: &Tensor| compare(&dot.data()[challenger], &dot.data()[leader]);
            dots.iter().map(by).find(|o| o.is_ne()).is_some_and(|o| o.is_gt())
        };
        self.select(u, ahead, || 0.0)
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let n = u.shape().last().copied().unwrap_or(1);
        let mut faces = vec![];
        for slice in 0..u.data().len() / n.max(1) {
            let row = &u.data()[slice * n..(slice + 1) * n];
            let mut start = 0;
            while start < n {
                let end = (start + 1..n).find(|&k| row[k] > row[start]).unwrap_or(n);
                let tied: Vec<usize> = (start..end).filter(|&k| row[k] == row[start]).collect();
                if tied.len() > 1 {
                    // From the second one that ties on, a leader and its weight are chosen at each position.
                    let chosen = tied[1]..end;
                    let entries = chosen.clone().flat_map(|k| [0, 3].map(|j| 4 * (slice * n + k) + j)).collect();
                    let index = unravel(slice, &u.shape()[..u.shape().len() - 1]);
                    faces.push(Face { index, entries, pieces: successions(&tied, chosen, slice * n) });
                }
                start = end;
            }
        }
        faces
    }

    fn is_affine(&self) -> bool {
        false
    }

    fn snap(&self, u: &Tensor, tolerance: f64) -> Option<Tensor> {
        let n = u.shape().last().copied().unwrap_or(1);
        let mut snapped = u.clone();
        for row in snapped.data_mut().chunks_exact_mut(n.max(1)) {
            let mut top = row[0];
            for x in row {
                if (*x - top).abs() <= tolerance {
                    *x = top;
                }
                top = top.max(*x);
            }
        }
        Some(snapped)
    }
}

/// Runs of up to this many tied entries are written out.
const WRITTEN_OUT: usize = 8;

/// All ways in which the leader can pass along tied entries, given as positions in their slice, which begins at `first`:
/// at each of them it stays or is taken over.
fn successions(tied: &[usize], chosen: std::ops::Range<usize>, first: usize) -> Pieces {
    if tied.len() > WRITTEN_OUT {
        return Pieces::Unknown;
    }
    let piece = |taken: usize| {
        let (mut leader, mut values, mut forms) = (tied[0], vec![], vec![]);
        for k in chosen.clone() {
            if let Some(j) = tied.iter().position(|&at| at == k) {
                let takes = taken >> (j - 1) & 1 == 1;
                let (ahead, behind) = if takes { (k, leader) } else { (leader, k) };
                forms.push(vec![(first + ahead, 1.0), (first + behind, -1.0)]);
                leader = ahead;
            }
            values.extend([leader as f64, 1.0]);
        }
        Piece { values, forms: Some(forms) }
    };
    Pieces::List((0..1 << (tied.len() - 1)).map(piece).collect())
}

/// `follow(x, leader)`: at each position along the last axis the entry of x that leads there; and `follow_back`, its
/// transpose. Linear in x.
#[derive(Debug)]
pub struct Follow;

impl Applied<4> for Follow {
    const NAMES: [&'static str; 2] = ["follow", "follow_back"];
    const SIGNATURES: [&'static str; 2] = ["follow(x, leader)", "follow_back(y, leader)"];
    const FORMULAS: [&'static str; 2] =
        ["at each position along the last axis the entry of x that leads there", "the transpose of follow in x"];
    const SOURCE: &'static str = "the derivative of cummax";
    const RULE: &'static str = "leaders have four numbers for each entry of the array along its last axis";

    fn enclose(back: bool, x: &Boxes, leader: &Boxes) -> Option<Boxes> {
        enclosure::follow(back, x, leader)
    }

    fn forth<T: Scalar>(x: &[T], leader: &[[T; 4]], y: &mut [T]) {
        let one = T::of(1.0);
        let mut sum = T::of(0.0);
        for (k, entry) in leader.iter().enumerate() {
            let (source, kind) = parts(entry, x.len());
            sum = match kind {
                0 => sum,
                1 => sum + x[k],
                _ => x[k],
            };
            let weight = entry[3];
            y[k] = if weight == one { x[source] } else { weight * x[source] + (one - weight) * (sum / entry[2]) };
        }
    }

    fn back<T: Scalar>(y: &[T], leader: &[[T; 4]], x: &mut [T]) {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        x.fill(zero);
        // What the positions from here on give to each entry that ties.
        let mut share = zero;
        for (k, entry) in leader.iter().enumerate().rev() {
            let (source, kind) = parts(entry, y.len());
            let weight = entry[3];
            if weight == one {
                x[source] = x[source] + y[k];
            } else {
                x[source] = x[source] + weight * y[k];
                share = share + (one - weight) * y[k] / entry[2];
            }
            if kind > 0 {
                x[k] = x[k] + share;
            }
            if kind > 1 {
                share = zero;
            }
        }
    }
}

/// The entry that leads, held within the slice, and the kind of the position's own.
#[inline]
fn parts<T: Scalar>(entry: &[T; 4], n: usize) -> (usize, usize) {
    ((entry[0].to_f64() as usize).min(n - 1), entry[1].to_f64() as usize)
}

impl<'p> Var<'p> {
    /// At each position along an axis the largest of the entries up to it.
    #[track_caller]
    pub fn cummax(self, axis: i64) -> Var<'p> {
        along(self, "cummax", axis, Place::caller(), |axis| Running { largest: true, axis })
    }

    /// At each position along an axis the smallest of the entries up to it.
    #[track_caller]
    pub fn cummin(self, axis: i64) -> Var<'p> {
        along(self, "cummin", axis, Place::caller(), |axis| Running { largest: false, axis })
    }
}
