//! The tie of maxima over axes: `pick(u, s)`.

use super::axes::{Axes, Selected, Split, batch_tie};
use super::enclosure;
use super::product::{put, some};
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op, Param,
};
use crate::program::real::Scalar;
use crate::program::tie::{Face, Met, Pieces, Tie};
use crate::program::{Program, Var};
use crate::tensor::{Boxes, Tensor, size, unravel};

/// `pick(u, s)`: in each slice along the axes, the unit vector of the largest entry; shape of u.
///
/// At a tie: the simplex over the tied entries. A scalar selection λ stands for (1 − λ)·(the even split) + λ·(the first
/// of them in row-major order); an array of the shape of u gives the weights of the tied entries themselves (others are
/// ignored, and a single largest entry has weight 1). NaN in a slice where u has one.
#[derive(Debug, Clone)]
pub struct Pick {
    axes: Axes,
}

impl Pick {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "pick",
        signature: "pick(u, s, axis=None)",
        formula: "1 at the largest entry, 0 elsewhere",
        class: "piecewise linear, discontinuous",
        ties: "the simplex over the tied entries",
        source: "Clarke 1990, Proposition 2.3.12",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["axis"])?;
            let u = call.var(0)?;
            Ok(call.apply(Pick { axes: Axes::read(call, 2, u.rank())? }, &[u, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Pick {
    /// Over these axes of an array of so many.
    pub(super) fn over(axes: &Axes, rank: usize) -> Pick {
        Pick { axes: axes.clone().of(rank).without_keepdims() }
    }
}

/// The largest entry of a slice (NaN if one is NaN), how many are equal to it, and where the first of them is.
fn largest<T: Scalar>(u: &[T], positions: impl Iterator<Item = usize>) -> (T, usize, usize) {
    let (mut top, mut count, mut first) = (T::of(f64::NEG_INFINITY), 0, 0);
    for at in positions {
        if u[at].is_nan() {
            return (u[at], 0, at);
        } else if u[at] > top || count == 0 {
            (top, count, first) = (u[at], 1, at);
        } else if u[at] == top {
            count += 1;
        }
    }
    (top, count, first)
}

impl Op for Pick {
    fn name(&self) -> &'static str {
        "pick"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.axes.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.axes.resolve("pick", args[0].len())?;
        Selected::of("pick", args[1], args[0], &self.axes.kept(args[0]))?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear().bounded()
    }

    // In u it is constant off the tie, and at the tie the selected piece is; in s it is affine.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (u, s) = (at.args[0], at.args[1]);
        let each = s.shape() == u.shape();
        let by_selection = || u.apply(PickShare { axes: self.axes.clone(), each });
        Ok(at.tangents[1].map(|dot| {
            let dot = if each { dot } else { dot.broadcast_to(&self.axes.kept(&u.shape())) };
            by_selection() * dot
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(Pick { axes: self.axes.batched(at.ranks[0]) }, at)
    }

    fn enclose(&self, args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        enclosure::pick(&self.axes, args[0], args[1])
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

impl ArrayKernel for Pick {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.axes.split(args[0]);
        let selected = Selected::of("pick", args[1], args[0], &self.axes.kept(args[0]))
            .expect("a selection's shape was checked with the shape");
        if let Some(inner) = split.side_by_side() {
            let (length, level) = (split.length, Level::of_this_machine());
            return Kernel::new(move |args, out, _| {
                let [u, s] = [args[0], args[1]];
                T::with_lanes(level, Rows { length, inner, selected: &selected, u, s, out });
            });
        }
        Kernel::new(move |args, out, _| {
            let (u, s) = (args[0], args[1]);
            let (zero, one) = (T::of(0.0), T::of(1.0));
            for slice in 0..split.slices {
                let (top, count, first) = largest(u, split.positions(slice));
                let even = (one - selected.at(s, slice)) / T::of(count as f64);
                for at in split.positions(slice) {
                    out[at] = match u[at] == top {
                        _ if count == 0 => top,
                        true if count == 1 => one,
                        true if selected.is_each() => s[at],
                        true => even,
                        false => zero,
                    };
                }
                if count > 1 && !selected.is_each() {
                    out[first] = even + selected.at(s, slice);
                }
            }
        })
    }
}

/// The same for slices that lie side by side, about to be gone over without a branch, as many at once as a vector holds.
pub(super) struct Rows<'a, T> {
    pub length: usize,
    pub inner: usize,
    pub selected: &'a Selected,
    pub u: &'a [T],
    pub s: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Scalar> Job<T> for Rows<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Rows { length, inner, selected, u, s, out } = self;
        let block = length * inner;
        if block == 0 {
            return;
        }
        for (b, (u, out)) in std::iter::zip(u.chunks_exact(block), out.chunks_exact_mut(block)).enumerate() {
            let mine = if selected.is_each() { Some(&s[b * block..(b + 1) * block]) } else { None };
            let mut at = 0;
            while at < inner {
                let n = V::N.min(inner - at);
                let columns = Columns { at, n, inner, length };
                // SAFETY: the columns are within the block, which both arrays hold.
                unsafe {
                    let (top, count) = columns.largest::<T, V>(u);
                    let mut weights = match columns.scalar(selected, s, b * inner + at) {
                        Some(scalar) => Weights::shared(top, count, scalar),
                        None => Weights::one_each(top),
                    };
                    for k in 0..length {
                        let weight = weights.next(columns.row(u, k));
                        columns.write(weight, k, out);
                    }
                    if let Some(mine) = mine {
                        columns.scale::<T, V>(count, mine, out);
                    }
                }
                at += n;
            }
        }
    }
}

/// The weights of the entries of slices side by side, asked for one entry after another.
pub(super) struct Weights<V> {
    top: V,
    /// What the next entry gets that equals the largest one, what those after it get, and what all others get.
    first: V,
    even: V,
    none: V,
}

impl<V: Copy> Weights<V> {
    /// Those of a selection, where as many entries equal the largest one.
    #[inline(always)]
    pub(super) fn shared<T: Scalar>(top: V, count: V, scalar: V) -> Weights<V>
    where
        V: Lanes<T>,
    {
        let one = V::splat(T::of(1.0));
        let even = one.sub(scalar).div(count);
        let (even, first) = (count.if_eq(one, one, even), count.if_eq(one, one, even.add(scalar)));
        Weights { even, first, ..Weights::one_each(top) }
    }

    /// 1 for every entry that equals the largest one.
    #[inline(always)]
    fn one_each<T: Scalar>(top: V) -> Weights<V>
    where
        V: Lanes<T>,
    {
        let one = V::splat(T::of(1.0));
        // No entry equals a largest one that is NaN: the whole slice gets it.
        Weights { top, first: one, even: one, none: top.if_eq(top, V::splat(T::of(0.0)), top) }
    }

    /// The weight of the next entry.
    #[inline(always)]
    pub(super) fn next<T: Scalar>(&mut self, x: V) -> V
    where
        V: Lanes<T>,
    {
        let weight = self.top.if_eq(x, self.first, self.none);
        self.first = self.top.if_eq(x, self.even, self.first);
        weight
    }
}

/// Up to a vector of neighbouring slices of a block.
#[derive(Debug, Clone, Copy)]
struct Columns {
    at: usize,
    n: usize,
    inner: usize,
    length: usize,
}

// SAFETY of all that follows: the columns are within the block that is read or written.
impl Columns {
    /// Row k of the columns.
    #[inline(always)]
    unsafe fn row<T, V: Lanes<T>>(self, x: &[T], k: usize) -> V {
        unsafe { some(x.as_ptr().add(k * self.inner + self.at), self.n) }
    }

    #[inline(always)]
    unsafe fn write<T, V: Lanes<T>>(self, y: V, k: usize, out: &mut [T]) {
        unsafe { put(y, out.as_mut_ptr().add(k * self.inner + self.at), self.n) }
    }

    /// The largest of each, and how many are equal to it: none, where it is NaN.
    #[inline(always)]
    unsafe fn largest<T: Scalar, V: Lanes<T>>(self, u: &[T]) -> (V, V) {
        let (zero, one) = (V::splat(T::of(0.0)), V::splat(T::of(1.0)));
        let mut top: V = unsafe { self.row(u, 0) };
        for k in 1..self.length {
            top = top.max(unsafe { self.row(u, k) });
        }
        let mut count = zero;
        for k in 0..self.length {
            count = count.add(top.if_eq(unsafe { self.row(u, k) }, one, zero));
        }
        (top, count)
    }

    /// The selection of each, from this slice on; None if each entry has its own.
    #[inline(always)]
    unsafe fn scalar<T: Scalar, V: Lanes<T>>(self, selected: &Selected, s: &[T], slice: usize) -> Option<V> {
        match selected {
            Selected::Each => None,
            Selected::Slice(None) => Some(V::splat(s[0])),
            Selected::Slice(Some(at)) => {
                let mut own = [T::of(0.0); 16];
                std::iter::zip(&mut own, &at[slice..slice + self.n]).for_each(|(own, at)| *own = s[*at]);
                // SAFETY: no vector is longer.
                Some(unsafe { V::load(own.as_ptr()) })
            }
        }
    }

    /// Multiplies with weights of one's own where several are tied.
    #[inline(always)]
    unsafe fn scale<T: Scalar, V: Lanes<T>>(self, count: V, own: &[T], out: &mut [T]) {
        let one = V::splat(T::of(1.0));
        for k in 0..self.length {
            unsafe {
                let (own, y): (V, V) = (self.row(own, k), self.row(out, k));
                // Not more than one: none where the largest is NaN.
                let single = count.if_eq(one, one, count.if_eq(V::splat(T::of(0.0)), one, own));
                self.write(y.mul(single), k, out);
            }
        }
    }
}

impl Pick {
    fn slices(&self, u: &Tensor) -> (Split, Vec<usize>) {
        let axes = self.axes.checked(u.shape().len());
        let kept = (0..u.shape().len()).filter(|k| !axes.contains(k)).map(|k| u.shape()[k]).collect();
        (Split::new(u.shape(), &axes), kept)
    }

    /// An array of selections made slice by slice from the positions of the tied entries.
    fn select(&self, u: &Tensor, mut weights: impl FnMut(&[usize]) -> Vec<f64>) -> Tensor {
        let (split, _) = self.slices(u);
        let mut s = Tensor::full(u.shape(), 0.0);
        for slice in 0..split.slices {
            let (top, count, _) = largest(u.data(), split.positions(slice));
            if count > 0 {
                let tied: Vec<usize> = split.positions(slice).filter(|&at| u.data()[at] == top).collect();
                let weights = if count == 1 { vec![1.0] } else { weights(&tied) };
                tied.iter().zip(weights).for_each(|(&at, w)| s.data_mut()[at] = w);
            }
        }
        s
    }
}

impl Tie for Pick {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (split, kept) = self.slices(u);
        let met = |slice: usize| {
            let (top, count, _) = largest(u.data(), split.positions(slice));
            let entries = || split.positions(slice).map(|at| u.data()[at]);
            let tied = entries().filter(|x| *x == top || top - x <= tolerance).count();
            let distance = entries().filter(|x| top - x <= tolerance).fold(0.0, |d: f64, x| d.max(top - x));
            let index = unravel(slice, &kept);
            let beyond = entries().map(|x| top - x).filter(|gap| *gap > tolerance).fold(f64::INFINITY, f64::min);
            (count > 0 && tied > 1).then_some(Met { index, pieces: Some(tied as u64), distance, beyond })
        };
        (0..split.slices).filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        // Exponential weights, normalized, are uniform on the simplex.
        self.select(u, |tied| {
            let weights: Vec<f64> = tied.iter().map(|_| -uniform().ln()).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|w| w / sum).collect()
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        self.select(u, |tied| {
            let mut left = tied.to_vec();
            for dot in dots {
                let top = left.iter().map(|&at| dot.data()[at]).fold(f64::NEG_INFINITY, f64::max);
                left.retain(|&at| dot.data()[at] == top);
            }
            let share = 1.0 / left.len() as f64;
            tied.iter().map(|at| if left.contains(at) { share } else { 0.0 }).collect()
        })
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (split, kept) = self.slices(u);
        let face = |slice: usize| {
            let (top, count, _) = largest(u.data(), split.positions(slice));
            let entries = || split.positions(slice).filter(|&at| u.data()[at] == top).collect();
            let index = || unravel(slice, &kept);
            (count > 1).then(|| Face { index: index(), entries: entries(), pieces: Pieces::Simplex })
        };
        (0..split.slices).filter_map(face).collect()
    }

    fn snap(&self, u: &Tensor, tolerance: f64) -> Option<Tensor> {
        let (split, _) = self.slices(u);
        let mut snapped = u.clone();
        for slice in 0..split.slices {
            let (top, count, _) = largest(u.data(), split.positions(slice));
            let near = split.positions(slice).filter(|&at| count > 0 && top - u.data()[at] <= tolerance);
            near.for_each(|at| snapped.data_mut()[at] = top);
        }
        Some(snapped)
    }
}

/// `pick_share(u)`: what `pick` is multiplied with in its selection, in slices with several largest entries: in an array
/// of weights 1 on the tied entries; in a scalar the unit vector of the first minus the even split. Elsewhere 0.
#[derive(Debug, Clone)]
pub struct PickShare {
    axes: Axes,
    each: bool,
}

impl PickShare {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "pick_share",
        signature: "pick_share(u, axis=None, each=False)",
        formula: "the derivative of pick in its selection",
        class: "piecewise linear, discontinuous",
        ties: "",
        source: "pick is affine in its selection",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 3, &["axis", "each"])?;
            let u = call.var(0)?;
            let each = match call.optional("each", 2) {
                None => false,
                Some(crate::program::call::Value::Flag(yes)) => *yes,
                Some(_) => return Err(call.fault("`each` must be True or False")),
            };
            Ok(call.apply(PickShare { axes: Axes::read(call, 1, u.rank())?, each }, &[u]))
        },
        samples: &[],
    };
}

impl Op for PickShare {
    fn name(&self) -> &'static str {
        "pick_share"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = self.axes.params();
        params.extend(self.each.then_some(("each", Param::Flag(true))));
        params
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.axes.resolve("pick_share", args[0].len())?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear().bounded()
    }

    // Constant on each piece.
    fn linearize<'p>(&self, _: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(None)
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(PickShare { axes: self.axes.batched(at.ranks[0]), each: self.each }))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for PickShare {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (split, each) = (self.axes.split(args[0]), self.each);
        Kernel::new(move |args, out, _| {
            let u = args[0];
            for slice in 0..split.slices {
                let (top, count, first) = largest(u, split.positions(slice));
                let even = if each { T::of(1.0) } else { T::of(-1.0) / T::of(count as f64) };
                for at in split.positions(slice) {
                    out[at] = match u[at] == top {
                        _ if count == 0 => top,
                        true if count > 1 => even,
                        _ => T::of(0.0),
                    };
                }
                if count > 1 && !each {
                    out[first] = even + T::of(1.0);
                }
            }
        })
    }
}

impl<'p> Var<'p> {
    /// The tie `pick`: the unit vector of the largest entry in each slice, a selection from the simplex where several
    /// tie; of this shape. Only inside the derivative of an operator.
    #[track_caller]
    pub fn pick(self, axes: &Axes) -> Var<'p> {
        self.tie_of(Pick::over(axes, self.rank()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Program;
    use crate::program::Builder;

    struct NoPrograms;

    impl<T> Compiler<T> for NoPrograms {
        fn compile(&self, _: &Program) -> Kernel<T> {
            Kernel::new(|_, _, _| {})
        }
    }

    /// The value of `pick` over the first axis, and over the last axis of the transpose.
    fn both_ways(u: &Tensor, s: &Tensor) -> (Tensor, Tensor) {
        let run = |axis: i64, u: &Tensor, s: &Tensor| {
            let op = Pick { axes: Axes::one(axis) };
            crate::program::op::interpret(&op, &[u, s], u.shape(), &NoPrograms).expect("a kernel")
        };
        let turn = |x: &Tensor| {
            let builder = Builder::new();
            let x = builder.constant(x.clone());
            let x = if x.rank() == 2 { x.t() } else { x };
            builder.finish(&[x]).and_then(|f| f.eval(&[])).expect("a transpose").remove(0)
        };
        (run(-2, u, s), turn(&run(-1, &turn(u), &turn(s))))
    }

    #[test]
    fn slices_side_by_side_are_picked_from_as_slices_of_neighbours() {
        let mut state = 7_u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        for (rows, columns) in [(1, 2), (2, 3), (3, 5), (4, 9), (9, 20)] {
            for round in 0..20 {
                let u = Tensor::from_fn(&[rows, columns], |_| match next(if round % 2 == 0 { 4 } else { 40 }) {
                    3 => f64::NEG_INFINITY,
                    39 => f64::NAN,
                    k => k as f64,
                });
                for s in [
                    Tensor::scalar(0.0),
                    Tensor::scalar(0.3),
                    Tensor::scalar(1.0),
                    Tensor::from_fn(&[1, columns], |_| next(5) as f64 / 4.0),
                    Tensor::from_fn(&[rows, columns], |_| next(5) as f64 / 4.0),
                ] {
                    let (fast, slow) = both_ways(&u, &s);
                    let bits = |t: &Tensor| -> Vec<u64> {
                        t.data().iter().map(|x| if x.is_nan() { f64::NAN } else { *x }.to_bits()).collect()
                    };
                    assert_eq!(bits(&fast), bits(&slow), "{u:?} {s:?}: {fast:?} is not {slow:?}");
                }
            }
        }
    }
}
