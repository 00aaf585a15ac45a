//! How windows lie along the last axes, and the loops that go over them.

use crate::error::{Fault, Result};
use crate::op::axes::Axes;
use crate::op::index::parameter;
use crate::op::product::{Stretches, put, some};
use crate::op::shape::ints;
use crate::program::call::{Call, Value};
use crate::program::lanes::Lanes;
use crate::program::op::Param;
use crate::program::real::Scalar;

/// How windows lie along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::op) struct Along {
    /// How many entries of the array a window takes.
    pub size: usize,
    /// From a window to the next.
    pub stride: usize,
    /// From an entry of a window to the next.
    pub dilation: usize,
    /// How far windows reach over each end.
    pub padding: usize,
}

impl Along {
    /// Neutral: each entry is its own window.
    pub const ONE: Along = Along { size: 1, stride: 1, dilation: 1, padding: 0 };

    /// How many entries of a padded axis a window reaches over.
    pub fn reach(&self) -> usize {
        (self.size.saturating_sub(1)).saturating_mul(self.dilation).saturating_add(1)
    }

    /// How many windows an axis of this length has.
    fn count(&self, length: usize) -> Option<usize> {
        let room = self.padding.checked_mul(2)?.checked_add(length)?.checked_sub(self.reach())?;
        Some(room / self.stride + 1)
    }

    /// The windows whose entry k lies on an axis of this length, of so many windows: first, and one past the last.
    fn inside(&self, k: usize, length: usize, count: usize) -> (usize, usize) {
        let at = k * self.dilation;
        let low = self.padding.saturating_sub(at).div_ceil(self.stride).min(count);
        let high = (length + self.padding).saturating_sub(at).div_ceil(self.stride).min(count);
        (low, high.max(low))
    }
}

/// How windows lie along the last `dims` axes, 1 or 2; with one, the first of the two is neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::op) struct Frame {
    pub dims: usize,
    pub along: [Along; 2],
}

impl Frame {
    /// A frame of these arguments, each of one number or of one for each axis.
    pub(in crate::op) fn new(
        op: &str,
        dims: usize,
        size: &[usize],
        stride: &[usize],
        padding: &[usize],
        dilation: &[usize],
    ) -> Result<Frame, Fault> {
        let spread = |name: &str, given: &[usize], least: usize| -> Result<[usize; 2], Fault> {
            let rule = match given {
                _ if given.iter().any(|&n| n < least) => format!("it must be at least {least}"),
                _ if given.iter().any(|&n| n > 1 << 40) => "no array is that long".into(),
                [one] => return Ok([*one, *one]),
                [a, b] if dims == 2 => return Ok([*a, *b]),
                _ => format!("one number is needed, or one for each of the {dims} axes"),
            };
            Err(parameter(op, name, format!("{given:?}"), rule))
        };
        let size = spread("kernel_size", size, 1)?;
        let (stride, dilation) = (spread("stride", stride, 1)?, spread("dilation", dilation, 1)?);
        let padding = spread("padding", padding, 0)?;
        let along = |k: usize| Along { size: size[k], stride: stride[k], dilation: dilation[k], padding: padding[k] };
        Ok(Frame { dims, along: [if dims == 2 { along(0) } else { Along::ONE }, along(1)] })
    }

    /// Reads the arguments of a call, each at its position or by its name; a stride that is missing or None is the
    /// window's size.
    pub(in crate::op) fn read(call: &Call<'_, '_>, dims: usize, names: [(&str, usize); 4]) -> Result<Frame> {
        let get = |(name, k): (&str, usize), default: Vec<usize>| lengths(call, name, k, default);
        let [size, stride, padding, dilation] = names;
        let size = get(size, vec![])?;
        if size.is_empty() {
            return Err(call.fault(format!("`{}` is missing", names[0].0)));
        }
        let stride = match call.optional(stride.0, stride.1) {
            Some(Value::None) => size.clone(),
            _ => get(stride, size.clone())?,
        };
        let (padding, dilation) = (get(padding, vec![0])?, get(dilation, vec![1])?);
        Frame::new(call.name, dims, &size, &stride, &padding, &dilation).map_err(|f| f.at(call.place.clone()))
    }

    /// The axes of the entries of windows, which stand before those of the windows: [.., k, l, a, b].
    pub(in crate::op) fn entries(&self) -> Axes {
        let dims = self.dims as i64;
        Axes::many(&(-2 * dims..-dims).collect::<Vec<_>>())
    }

    /// The same windows over an array that has its padding.
    pub(in crate::op) fn without_padding(&self) -> Frame {
        Frame { along: self.along.map(|a| Along { padding: 0, ..a }), ..*self }
    }

    /// One number for each axis.
    pub(in crate::op) fn each(&self, f: impl Fn(&Along) -> usize) -> Vec<usize> {
        self.along[2 - self.dims..].iter().map(f).collect()
    }

    /// The parameters; those that have their usual values are left out.
    pub(in crate::op) fn params(&self, sized: bool, stride: Option<usize>) -> Vec<(&'static str, Param)> {
        let mut params = vec![];
        let size = self.each(|a| a.size);
        if sized {
            params.push(("kernel_size", ints(&size)));
        }
        let usual = stride.map_or(size, |s| vec![s; self.dims]);
        let rest = [
            ("stride", self.each(|a| a.stride), usual),
            ("padding", self.each(|a| a.padding), vec![0; self.dims]),
            ("dilation", self.each(|a| a.dilation), vec![1; self.dims]),
        ];
        params.extend(rest.into_iter().filter(|(_, own, usual)| own != usual).map(|(name, own, _)| (name, ints(&own))));
        params
    }

    /// The windows over an array whose last axes have these lengths.
    pub(in crate::op) fn grid(&self, op: &str, lengths: &[usize]) -> Result<Grid, Fault> {
        let full = [if self.dims == 2 { lengths[0] } else { 1 }, lengths[self.dims - 1]];
        let count = |k: usize| {
            self.along[k].count(full[k]).ok_or_else(|| {
                let reach = self.along[k].reach();
                let padded = full[k].saturating_add(2 * self.along[k].padding);
                let rule = format!("a window reaches over {reach} entries, and there are {padded} with the padding");
                Fault::Shapes { op: op.into(), shapes: vec![lengths.to_vec()], rule }
            })
        };
        Ok(Grid { frame: *self, lengths: full, counts: [count(0)?, count(1)?] })
    }
}

/// Lengths, `2` or `(2, 3)`, by name or position.
pub(in crate::op) fn lengths(
    call: &Call<'_, '_>,
    name: &str,
    position: usize,
    default: Vec<usize>,
) -> Result<Vec<usize>> {
    let Some(given) = call.ints(name, position)? else { return Ok(default) };
    let wrong = |_| call.fault(format!("`{name}` must not hold negative numbers"));
    given.into_iter().map(|n| usize::try_from(n).map_err(wrong)).collect()
}

/// The windows over one plane: a vector or a matrix, the last axes of an array.
#[derive(Debug, Clone, Copy)]
pub(in crate::op) struct Grid {
    pub frame: Frame,
    pub lengths: [usize; 2],
    pub counts: [usize; 2],
}

/// A run of windows along the last axis whose entry lies in the array.
#[derive(Debug, Clone, Copy)]
pub(in crate::op) struct Run {
    /// The first of them, and one past the last.
    pub windows: (usize, usize),
    /// Where the first one's entry is in the plane.
    pub at: usize,
    /// From there to the next one's.
    pub step: usize,
}

impl Grid {
    /// How many entries a plane has.
    pub fn plane(&self) -> usize {
        self.lengths[0] * self.lengths[1]
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// How many entries a window has.
    pub fn entries(&self) -> usize {
        self.frame.along[0].size * self.frame.along[1].size
    }

    /// The numbers of windows along the axes.
    pub fn counts(&self) -> Vec<usize> {
        self.counts[2 - self.frame.dims..].to_vec()
    }

    /// Whether the windows are the entries of the plane one by one.
    pub fn is_identity(&self) -> bool {
        self.frame.along == [Along::ONE; 2]
    }

    /// The windows over an array of windows, of which each has all windows that have one entry of the plane: those of the
    /// transpose, where windows are one apart and all their entries may be needed.
    pub fn turned(&self) -> Option<Grid> {
        let mut frame = self.frame;
        for along in &mut frame.along {
            along.padding = (along.reach() - 1).checked_sub(along.padding)?;
        }
        let apart = frame.along.iter().any(|a| a.stride != 1);
        (!apart).then_some(Grid { frame, lengths: self.counts, counts: self.lengths })
    }

    /// Whether there are windows without an entry of the array.
    pub fn has_empty(&self) -> bool {
        let empty = |k: usize| {
            let Along { size, stride, dilation, padding } = self.frame.along[k];
            (0..self.counts[k]).any(|a| {
                // The first entry of the window that is not before the array must be in it.
                let entry = padding.saturating_sub(a * stride).div_ceil(dilation);
                entry >= size || a * stride + entry * dilation - padding >= self.lengths[k]
            })
        };
        empty(0) || empty(1)
    }

    /// How many entries of the array each window has, without padding.
    pub fn filled(&self) -> Vec<usize> {
        let mut counts = vec![0; self.windows()];
        for (_, row, run) in self.runs() {
            counts[row + run.windows.0..row + run.windows.1].iter_mut().for_each(|n| *n += 1);
        }
        counts
    }

    /// For each entry of a window and each row of windows: the entry's number, where the row of windows starts among
    /// them, and which of the row have this entry in the array.
    #[inline(always)]
    pub fn runs(&self) -> Runs<'_> {
        let mut runs = Runs { grid: self, entry: [0, 0], row: 0, rows: (0, 0), inside: (0, 0), column: 0 };
        runs.turn();
        runs
    }

    /// Whether the windows go over the last axis two by two, and reach over no end.
    #[inline(always)]
    fn is_by_twos(&self) -> bool {
        let [first, last] = self.frame.along;
        let two = Along { size: 2, stride: 2, dilation: 1, padding: 0 };
        first.padding == 0 && last == two && self.lengths[1] == 2 * self.counts[1] && self.counts[1] > 0
    }

    /// Whether the windows are squares of four entries side by side, each of which is in one window; but for a last row.
    pub fn is_by_fours(&self) -> bool {
        let first = self.frame.along[0];
        self.is_by_twos() && first == Along { size: 2, stride: 2, dilation: 1, padding: 0 }
    }

    /// The row of the plane with entry i of a row of windows, where there is no padding.
    #[inline(always)]
    pub fn row_of(&self, i: usize, a: usize) -> std::ops::Range<usize> {
        let [first, _] = self.frame.along;
        let row = (a * first.stride + i * first.dilation) * self.lengths[1];
        row..row + self.lengths[1]
    }

    /// The windows of a plane, entry by entry: `out[entry, window]`, zero in the padding.
    #[inline(always)]
    pub fn gather<T: Scalar>(&self, plane: &[T], out: &mut [T]) {
        let (count, windows) = (self.counts[1], self.windows());
        if self.is_by_twos() {
            for (i, both) in out.chunks_exact_mut(2 * windows).enumerate() {
                let (even, odd) = both.split_at_mut(windows);
                let rows = std::iter::zip(even.chunks_exact_mut(count), odd.chunks_exact_mut(count));
                for (a, (even, odd)) in rows.enumerate() {
                    let from = plane[self.row_of(i, a)].as_chunks::<2>().0;
                    for ((x, y), two) in std::iter::zip(std::iter::zip(even, odd), from) {
                        (*x, *y) = (two[0], two[1]);
                    }
                }
            }
            return;
        }
        for (entry, row, run) in self.runs() {
            let row = &mut out[entry * windows + row..][..count];
            let (low, high) = run.windows;
            row[..low].fill(T::of(0.0));
            row[high..].fill(T::of(0.0));
            if low < high {
                join_each(&mut row[low..high], &plane[run.at..], run.step, |_, x| x);
            }
        }
    }

    /// The transpose of `gather`: adds the entries of windows to where they are from.
    #[inline(always)]
    pub fn add<T: Scalar>(&self, windows: &[T], plane: &mut [T]) {
        let (count, all) = (self.counts[1], self.windows());
        if self.is_by_twos() {
            for (i, both) in windows.chunks_exact(2 * all).enumerate() {
                let (even, odd) = both.split_at(all);
                let rows = std::iter::zip(even.chunks_exact(count), odd.chunks_exact(count));
                for (a, (even, odd)) in rows.enumerate() {
                    let to = plane[self.row_of(i, a)].as_chunks_mut::<2>().0;
                    for (two, (x, y)) in std::iter::zip(to, std::iter::zip(even, odd)) {
                        *two = [two[0] + *x, two[1] + *y];
                    }
                }
            }
            return;
        }
        for (entry, row, run) in self.runs() {
            self.add_run(&windows[entry * all + row..], run, plane);
        }
    }

    /// Adds the same number to all entries of a window.
    #[inline(always)]
    pub fn spread<T: Scalar>(&self, sums: &[T], plane: &mut [T]) {
        for (_, row, run) in self.runs() {
            self.add_run(&sums[row..], run, plane);
        }
    }

    #[inline(always)]
    fn add_run<T: Scalar>(&self, row: &[T], run: Run, plane: &mut [T]) {
        let (low, high) = run.windows;
        if low < high {
            add_to_each(&mut plane[run.at..], run.step, &row[low..high]);
        }
    }

    /// Joins the entries of each window into `out[window]`.
    #[inline(always)]
    pub fn fold<T: Scalar>(&self, plane: &[T], out: &mut [T], first: T, join: impl Fn(T, T) -> T) {
        out.fill(first);
        for (_, row, run) in self.runs() {
            let (low, high) = run.windows;
            if low < high {
                join_each(&mut out[row + low..row + high], &plane[run.at..], run.step, &join);
            }
        }
    }

    /// How many numbers of scratch space [`largest`](Grid::largest) needs.
    pub fn folded(&self) -> usize {
        if self.is_by_twos() { self.counts[0] * self.lengths[1] } else { 0 }
    }

    /// The largest entry of each window, NaN where one is NaN.
    #[inline(always)]
    pub fn largest<T: Scalar, V: Lanes<T>>(&self, plane: &[T], out: &mut [T], scratch: &mut [T]) {
        let (width, count) = (self.lengths[1], self.counts[1]);
        if !self.is_by_twos() {
            self.fold(plane, out, T::of(f64::NEG_INFINITY), T::max);
        } else if count >= V::N {
            for (a, out) in out.chunks_exact_mut(count).enumerate() {
                for (at, _) in Stretches::of::<T, V>(count) {
                    // SAFETY: the row has two entries for each of the windows.
                    unsafe {
                        let (x, y) =
                            (self.top::<T, V>(plane, a, 2 * at, V::N), self.top(plane, a, 2 * at + V::N, V::N));
                        let [even, odd] = x.unzip(y);
                        even.max(odd).store(out.as_mut_ptr().add(at));
                    }
                }
            }
        } else {
            // Short rows are joined first, so that the loop over two columns each is as long as can be.
            let joined = &mut scratch[..self.folded()];
            for (a, to) in joined.chunks_exact_mut(width).enumerate() {
                for (at, n) in Stretches::of::<T, V>(width) {
                    // SAFETY: the stretch is within the row.
                    unsafe { put(self.top::<T, V>(plane, a, at, n), to.as_mut_ptr().add(at), n) }
                }
            }
            std::iter::zip(out, joined.as_chunks::<2>().0).for_each(|(y, x)| *y = x[0].max(x[1]));
        }
    }

    /// The largest entries of n columns, from `at` on, among the rows that the windows of row a have.
    ///
    /// # Safety
    /// There are so many columns.
    #[inline(always)]
    unsafe fn top<T: Scalar, V: Lanes<T>>(&self, plane: &[T], a: usize, at: usize, n: usize) -> V {
        // SAFETY: the caller vouches for the columns, and windows without padding for the rows.
        unsafe {
            let mut top = some::<T, V>(plane[self.row_of(0, a)].as_ptr().add(at), n);
            for i in 1..self.frame.along[0].size {
                top = top.max(some(plane[self.row_of(i, a)].as_ptr().add(at), n));
            }
            top
        }
    }
}

/// The runs of all entries of a window, see [`Grid::runs`]. A loop over them is compiled for the vectors of the job that it
/// stands in, which a closure of its size is not.
#[derive(Debug, Clone)]
pub(in crate::op) struct Runs<'a> {
    grid: &'a Grid,
    entry: [usize; 2],
    row: usize,
    /// Which rows of windows, and which windows of a row, have the entry in the array.
    rows: (usize, usize),
    inside: (usize, usize),
    /// Where it is in its row, for the first of them.
    column: usize,
}

impl Runs<'_> {
    /// Begins with another entry.
    #[inline(always)]
    fn turn(&mut self) {
        let &Grid { frame: Frame { along: [first, last], .. }, lengths, counts } = self.grid;
        let [i, j] = self.entry;
        self.rows = first.inside(i, lengths[0], counts[0]);
        self.inside = last.inside(j, lengths[1], counts[1]);
        self.column = (self.inside.0 * last.stride + j * last.dilation).wrapping_sub(last.padding);
    }
}

impl Iterator for Runs<'_> {
    type Item = (usize, usize, Run);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize, Run)> {
        let &Grid { frame: Frame { along: [first, last], .. }, lengths, counts } = self.grid;
        if self.row == counts[0] {
            self.row = 0;
            self.entry[1] += 1;
            if self.entry[1] == last.size {
                self.entry = [self.entry[0] + 1, 0];
            }
            self.turn();
        }
        let ([i, j], a) = (self.entry, self.row);
        if i == first.size {
            return None;
        }
        self.row += 1;
        let there = self.rows.0 <= a && a < self.rows.1 && self.inside.0 < self.inside.1;
        let run = if there {
            let row = a * first.stride + i * first.dilation - first.padding;
            Run { windows: self.inside, at: row * lengths[1] + self.column, step: last.stride }
        } else {
            Run { windows: (0, 0), at: 0, step: 1 }
        };
        Some((i * last.size + j, a * counts[1], run))
    }
}

/// Joins numbers that are `step` apart into their neighbours `to`. Steps of one and two, whose numbers the compiler takes
/// several at a time, have loops of their own.
#[inline(always)]
fn join_each<T: Scalar>(to: &mut [T], from: &[T], step: usize, join: impl Fn(T, T) -> T) {
    match step {
        1 => std::iter::zip(to, from).for_each(|(y, x)| *y = join(*y, *x)),
        2 => {
            let Some((last, to)) = to.split_last_mut() else { return };
            *last = join(*last, from[2 * to.len()]);
            std::iter::zip(to, from.as_chunks::<2>().0).for_each(|(y, x)| *y = join(*y, x[0]));
        }
        _ => std::iter::zip(to, from.iter().step_by(step)).for_each(|(y, x)| *y = join(*y, *x)),
    }
}

/// Adds neighbours to numbers that are `step` apart.
#[inline(always)]
fn add_to_each<T: Scalar>(to: &mut [T], step: usize, from: &[T]) {
    match step {
        1 => std::iter::zip(to, from).for_each(|(x, y)| *x = *x + *y),
        2 => {
            let Some((last, from)) = from.split_last() else { return };
            to[2 * from.len()] = to[2 * from.len()] + *last;
            std::iter::zip(to.as_chunks_mut::<2>().0, from).for_each(|(x, y)| x[0] = x[0] + *y);
        }
        _ => std::iter::zip(to.iter_mut().step_by(step), from).for_each(|(x, y)| *x = *x + *y),
    }
}
