//! What all operators over axes share: which axes, the shape that is left, and the walk over the slices.

use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::{Call, Value, describe};
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{Batching, Op, Param};
use crate::program::real::Scalar;
use crate::program::total;
use crate::tensor::{broadcast, broadcast_strides, size, strides, walk};

/// The axes an operator runs along, as numpy's `axis` and `keepdims`.
///
/// "The whole array", "one axis" and "these axes" stay different although they may cover the same axes: frameworks
/// resolve ties differently for each. Operators hold their axes counted from the last, as negative numbers, so that
/// they mean the same under further leading axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes {
    which: Which,
    keepdims: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    All,
    One(i64),
    Many(Vec<i64>),
}

impl Axes {
    /// All axes of the array (`axis=None`).
    pub fn all() -> Axes {
        Axes { which: Which::All, keepdims: false }
    }

    /// One axis; negative numbers count from the last.
    pub fn one(axis: i64) -> Axes {
        Axes { which: Which::One(axis), keepdims: false }
    }

    /// Several axes at once.
    pub fn many(axes: &[i64]) -> Axes {
        Axes { which: Which::Many(axes.to_vec()), keepdims: false }
    }

    /// The same, leaving the reduced axes in the shape with length 1.
    pub fn keepdims(self) -> Axes {
        Axes { keepdims: true, ..self }
    }

    /// The same for an operator that leaves the shape as it is.
    pub(super) fn without_keepdims(self) -> Axes {
        Axes { keepdims: false, ..self }
    }

    /// Whether this is one axis given by its number.
    pub(super) fn is_one(&self) -> bool {
        matches!(self.which, Which::One(_))
    }

    /// Counted from the last axis of an array. Axes that the array has not stay as they are, for the shape rule to name.
    pub(super) fn of(self, rank: usize) -> Axes {
        let rank = rank as i64;
        let from_last = |a: i64| if (0..rank).contains(&a) { a - rank } else { a };
        let which = match self.which {
            Which::All => Which::All,
            Which::One(a) => Which::One(from_last(a)),
            Which::Many(axes) => Which::Many(axes.into_iter().map(from_last).collect()),
        };
        Axes { which, ..self }
    }

    /// The same axes of an array of this rank, under a further leading axis.
    pub(super) fn batched(&self, rank: usize) -> Axes {
        let which = match &self.which {
            Which::All => Which::Many((-(rank as i64)..0).collect()),
            other => other.clone(),
        };
        Axes { which, ..self.clone() }
    }

    /// The axes from the first, in order; errors for an axis that the array has not, and for one named twice.
    pub(super) fn resolve(&self, op: &str, rank: usize) -> Result<Vec<usize>, Fault> {
        let given = match &self.which {
            Which::All => return Ok((0..rank).collect()),
            Which::One(a) => std::slice::from_ref(a),
            Which::Many(axes) => axes,
        };
        let wrong = |value: String, rule: String| {
            Err(Fault::Parameter { op: op.into(), parameter: "axis".into(), value, rule })
        };
        let mut axes = vec![];
        for &a in given {
            match usize::try_from(a + rank as i64) {
                Ok(k) if k < rank => axes.push(k),
                _ => return wrong(a.to_string(), has_axes(rank)),
            }
        }
        axes.sort_unstable();
        match axes.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => wrong(format!("{:?}", given), format!("axis {} is named twice", pair[0])),
            None => Ok(axes),
        }
    }

    /// The axes of an array whose shape was checked.
    pub(super) fn checked(&self, rank: usize) -> Vec<usize> {
        self.resolve("", rank).expect("axes were checked with the shape")
    }

    /// The shape of the value.
    pub(super) fn shape(&self, op: &str, of: &[usize]) -> Result<Vec<usize>, Fault> {
        let axes = self.resolve(op, of.len())?;
        let length = |k: usize| if axes.contains(&k) { self.keepdims.then_some(1) } else { Some(of[k]) };
        Ok((0..of.len()).filter_map(length).collect())
    }

    /// The same of an operator that has no value for no numbers, such as the largest entry.
    pub(super) fn shape_of_some(&self, op: &str, of: &[usize]) -> Result<Vec<usize>, Fault> {
        let shape = self.shape(op, of)?;
        if self.count(of) == 0 {
            let rule = "an empty array has none along these axes".into();
            return Err(Fault::Shapes { op: op.into(), shapes: vec![of.to_vec()], rule });
        }
        Ok(shape)
    }

    /// The shape with length 1 along the axes.
    pub(super) fn kept(&self, of: &[usize]) -> Vec<usize> {
        let axes = self.checked(of.len());
        of.iter().enumerate().map(|(k, &n)| if axes.contains(&k) { 1 } else { n }).collect()
    }

    /// How many numbers a slice along the axes holds.
    pub(super) fn count(&self, of: &[usize]) -> usize {
        self.checked(of.len()).iter().map(|&k| of[k]).product()
    }

    /// The walk over an array's slices along the axes.
    pub(super) fn split(&self, of: &[usize]) -> Split {
        Split::new(of, &self.checked(of.len()))
    }

    /// The parameters that are not the defaults.
    pub(super) fn params(&self) -> Vec<(&'static str, Param)> {
        let axis = match &self.which {
            Which::All => None,
            Which::One(a) => Some(("axis", Param::Int(*a))),
            Which::Many(axes) => Some(("axis", Param::Ints(axes.clone()))),
        };
        axis.into_iter().chain(self.keepdims.then_some(("keepdims", Param::Flag(true)))).collect()
    }

    /// Reads `axis=` and `keepdims=` of a call whose array has this rank; the axis may also stand at a position.
    pub(super) fn read(call: &Call<'_, '_>, position: usize, rank: usize) -> Result<Axes> {
        let axes = match call.optional("axis", position) {
            None | Some(Value::None) => Axes::all(),
            Some(Value::List(_) | Value::Tuple(_)) => Axes::many(&call.ints("axis", position)?.unwrap_or_default()),
            Some(_) => Axes::one(call.int("axis", position, None)?),
        };
        let keepdims = match call.optional("keepdims", usize::MAX) {
            None => false,
            Some(Value::Flag(yes)) => *yes,
            Some(other) => return Err(call.fault(format!("`keepdims` must be True or False, not {}", describe(other)))),
        };
        Ok(Axes { keepdims, ..axes }.of(rank))
    }

    /// The slices along the axes as rows: the axes that are kept in their order, then one that holds a slice.
    #[track_caller]
    pub(super) fn rows<'p>(&self, x: Var<'p>) -> Var<'p> {
        let (shape, axes) = (x.shape(), self.checked(x.rank()));
        let kept: Vec<usize> = (0..shape.len()).filter(|k| !axes.contains(k)).collect();
        let rows = [kept.iter().map(|&k| shape[k]).collect::<Vec<_>>(), vec![self.count(&shape)]].concat();
        let turned = [kept, axes].concat();
        let in_place = turned.iter().copied().eq(0..shape.len());
        if in_place { x.reshape(&rows) } else { x.transpose(&turned).reshape(&rows) }
    }

    /// A value of the shape that is left, stretched back to the shape it came from.
    #[track_caller]
    pub(super) fn stretch<'p>(&self, value: Var<'p>, to: &[usize]) -> Var<'p> {
        value.reshape(&self.kept(to)).broadcast_to(to)
    }
}

fn has_axes(rank: usize) -> String {
    match rank {
        0 => "the array is a scalar, which has no axes".into(),
        1 => "the array has one axis, 0".into(),
        n => format!("the array has axes 0 to {}", n - 1),
    }
}

/// The slices of an array along some axes: `slices` of them in row-major order of the axes that are kept, each with
/// `length` numbers in row-major order of the axes that are reduced.
#[derive(Debug, Clone)]
pub(super) struct Split {
    pub slices: usize,
    pub length: usize,
    layout: Layout,
    level: Level,
}

#[derive(Debug, Clone)]
enum Layout {
    /// The reduced axes lie together: number k of slice `a·inner + b` is at `(a·length + k)·inner + b`.
    Strided { inner: usize },
    /// Number k of slice s is at `starts[s] + steps[k]`.
    Scattered { starts: Vec<usize>, steps: Vec<usize> },
}

impl Split {
    pub fn new(shape: &[usize], reduced: &[usize]) -> Split {
        let part = |of_reduced: bool| -> Vec<usize> {
            (0..shape.len()).filter(|k| reduced.contains(k) == of_reduced).collect()
        };
        let lengths = |axes: &[usize]| axes.iter().map(|&k| shape[k]).collect::<Vec<_>>();
        let (kept, along) = (part(false), part(true));
        let (slices, length) = (size(&lengths(&kept)), size(&lengths(&along)));
        // Axes of length 1 do not keep others apart.
        let long: Vec<usize> = along.iter().copied().filter(|&k| shape[k] != 1).collect();
        let together = match (long.first(), long.last()) {
            (Some(&first), Some(&last)) => (first..=last).all(|k| shape[k] == 1 || long.contains(&k)),
            _ => true,
        };
        let layout = if together {
            Layout::Strided { inner: long.last().map_or(1, |&last| size(&shape[last + 1..])) }
        } else {
            let own = strides(shape);
            let offsets = |axes: &[usize]| {
                let mut at = vec![];
                walk(&lengths(axes), &axes.iter().map(|&k| own[k]).collect::<Vec<_>>(), |k| at.push(k));
                at
            };
            Layout::Scattered { starts: offsets(&kept), steps: offsets(&along) }
        };
        Split { slices, length, layout, level: Level::of_this_machine() }
    }

    /// How many neighbouring slices lie side by side, row by row: number k of all of them is one row of this length. None
    /// if the numbers of a slice are neighbours, or have no such order.
    pub fn side_by_side(&self) -> Option<usize> {
        match &self.layout {
            Layout::Strided { inner } if *inner > 1 => Some(*inner),
            _ => None,
        }
    }

    /// Where slice s begins.
    #[inline]
    pub fn start(&self, s: usize) -> usize {
        match &self.layout {
            Layout::Strided { inner: 1 } => s * self.length,
            Layout::Strided { inner } => s / inner * inner * self.length + s % inner,
            Layout::Scattered { starts, .. } => starts[s],
        }
    }

    /// How far number k of a slice is from its beginning.
    #[inline]
    pub fn step(&self, k: usize) -> usize {
        match &self.layout {
            Layout::Strided { inner } => k * inner,
            Layout::Scattered { steps, .. } => steps[k],
        }
    }

    /// The positions of slice s, in order.
    #[inline]
    pub fn positions(&self, s: usize) -> impl Iterator<Item = usize> + Clone {
        let start = self.start(s);
        (0..self.length).map(move |k| start + self.step(k))
    }

    /// `out[s]` = the sum of slice s.
    pub fn sum<T: Scalar>(&self, x: &[T], out: &mut [T]) {
        match &self.layout {
            Layout::Strided { inner: 1 } if self.length > 0 => {
                std::iter::zip(x.chunks_exact(self.length), out).for_each(|(row, value)| *value = total::sum(row));
            }
            _ => self.fold(x, out, T::of(0.0), |x| x, |a, b| a + b),
        }
    }

    /// `out[s]` = `join` over slice s of `map(x)`, from `first`; `join` must be associative and commutative up to
    /// rounding.
    pub fn fold<T: Scalar>(
        &self,
        x: &[T],
        out: &mut [T],
        first: T,
        map: impl Fn(T) -> T + Copy,
        join: impl Fn(T, T) -> T + Copy,
    ) {
        T::with_lanes(self.level, Fold { split: self, x, out, first, map, join });
    }

    /// Whether each slice is a row of neighbours, one after the other.
    pub fn is_rows(&self) -> bool {
        self.length > 0 && matches!(self.layout, Layout::Strided { inner: 1 })
    }
}

/// A fold about to be run, see [`Split::fold`].
struct Fold<'a, T, M, J> {
    split: &'a Split,
    x: &'a [T],
    out: &'a mut [T],
    first: T,
    map: M,
    join: J,
}

impl<T: Scalar, M: Fn(T) -> T + Copy, J: Fn(T, T) -> T + Copy> Job<T> for Fold<'_, T, M, J> {
    // The loops are of numbers, and the compiler makes vectors of them.
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Fold { split, x, out, first, map, join } = self;
        match &split.layout {
            Layout::Strided { inner: 1 } if split.length > 0 => {
                for (row, value) in x.chunks_exact(split.length).zip(out.iter_mut()) {
                    *value = fold_row(row, first, map, join);
                }
            }
            Layout::Strided { inner } if split.length > 0 && *inner > 0 => {
                for (block, values) in x.chunks_exact(split.length * inner).zip(out.chunks_exact_mut(*inner)) {
                    values.fill(first);
                    for row in block.chunks_exact(*inner) {
                        values.iter_mut().zip(row).for_each(|(v, x)| *v = join(*v, map(*x)));
                    }
                }
            }
            _ => {
                for (s, value) in out.iter_mut().enumerate() {
                    *value = split.positions(s).fold(first, |v, at| join(v, map(x[at])));
                }
            }
        }
    }
}

/// The fold of one row in interleaved parts, sixteen or four, which the processor runs side by side.
#[inline(always)]
pub(super) fn fold_row<T: Scalar>(
    row: &[T],
    first: T,
    map: impl Fn(T) -> T + Copy,
    join: impl Fn(T, T) -> T + Copy,
) -> T {
    const LANES: usize = 16;
    let mut four = [first; 4];
    let (wide, rest) = row.as_chunks::<LANES>();
    if !wide.is_empty() {
        let mut lanes = [first; LANES];
        for chunk in wide {
            for l in 0..LANES {
                lanes[l] = join(lanes[l], map(chunk[l]));
            }
        }
        for group in lanes.as_chunks::<4>().0 {
            for l in 0..4 {
                four[l] = join(four[l], group[l]);
            }
        }
    }
    let (groups, rest) = rest.as_chunks::<4>();
    for group in groups {
        for l in 0..4 {
            four[l] = join(four[l], map(group[l]));
        }
    }
    let last = rest.iter().fold(first, |v, x| join(v, map(*x)));
    join(join(join(four[0], four[2]), join(four[1], four[3])), last)
}

/// How a tie over axes reads its selection.
#[derive(Debug, Clone)]
pub(super) enum Selected {
    /// A number common to each slice; its position for slice s, or the first for all.
    Slice(Option<Vec<usize>>),
    /// An array of the shape of u, which picks entry by entry.
    Each,
}

impl Selected {
    /// The reading of a selection of shape `s` by slices of an array of shape `u`: an array of that shape picks entry by
    /// entry; what broadcasts to `kept`, the shape with length 1 along the slices, is common to each slice.
    pub fn of(op: &str, s: &[usize], u: &[usize], kept: &[usize]) -> Result<Selected, Fault> {
        if s == u && s != kept {
            Ok(Selected::Each)
        } else if size(s) == 1 && s.len() <= u.len() {
            Ok(Selected::Slice(None))
        } else if broadcast(s, kept).as_deref() == Some(kept) {
            let mut at = vec![];
            walk(kept, &broadcast_strides(s, kept), |k| at.push(k));
            Ok(Selected::Slice(Some(at)))
        } else {
            let rule =
                format!("the selection is a number, an array of shape {u:?}, or one that broadcasts to {kept:?}");
            Err(Fault::Shapes { op: op.into(), shapes: vec![u.to_vec(), s.to_vec()], rule })
        }
    }

    /// Whether each entry has its own.
    pub fn is_each(&self) -> bool {
        matches!(self, Selected::Each)
    }

    /// The number common to slice s.
    #[inline]
    pub fn at<T: Copy>(&self, selection: &[T], s: usize) -> T {
        match self {
            Selected::Slice(Some(at)) => selection[at[s]],
            _ => selection[0],
        }
    }
}

/// A tie over axes under a further leading axis: both of its arguments `(u, s)` have rank one more, aligned, or an
/// unmapped scalar selection stays as it is.
pub(super) fn batch_tie<'p>(tie: impl Op, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
    let leading = |x: Var<'p>| x.broadcast_to(&[&[at.size], x.shape().as_slice()].concat());
    let u = if at.mapped[0] { at.args[0] } else { leading(at.args[0]) };
    let s = match (at.mapped[1], at.ranks[1]) {
        (true, rank) => at.args[1].pad_rank_after(at.ranks[0].saturating_sub(rank)),
        (false, 0) => at.args[1],
        (false, _) => leading(at.args[1]),
    };
    Ok(u.apply_with(tie, &[s]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(shape: &[usize], reduced: &[usize]) -> Vec<Vec<usize>> {
        let split = Split::new(shape, reduced);
        (0..split.slices).map(|s| split.positions(s).collect()).collect()
    }

    #[test]
    fn slices_are_in_row_major_order_whatever_the_axes() {
        assert_eq!(slices(&[2, 3], &[1]), [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(slices(&[2, 3], &[0]), [[0, 3], [1, 4], [2, 5]]);
        assert_eq!(slices(&[2, 2, 2], &[0, 2]), [[0, 1, 4, 5], [2, 3, 6, 7]]);
        assert_eq!(slices(&[2, 1, 2], &[0, 2]), [[0, 1, 2, 3]]);
        assert_eq!(slices(&[2], &[]), [[0], [1]]);
        assert_eq!(slices(&[], &[]), [[0]]);
        assert_eq!(slices(&[0, 2], &[0]), [[], []] as [[usize; 0]; 2]);
    }

    #[test]
    fn a_fold_is_the_same_along_every_layout() {
        let x: Vec<f64> = (0..2 * 9 * 2 * 3).map(|k| (k * k % 17) as f64).collect();
        for reduced in [&[][..], &[0], &[1], &[3], &[1, 2], &[0, 2], &[0, 1, 2, 3], &[1, 3]] {
            let split = Split::new(&[2, 9, 2, 3], reduced);
            let mut out = vec![0.0; split.slices];
            split.fold(&x, &mut out, 0.0, |x| x, |a, b| a + b);
            for (s, value) in out.iter().enumerate() {
                assert_eq!(*value, split.positions(s).map(|k| x[k]).sum::<f64>());
            }
        }
    }
}
