//! Windows that move over the last one or two axes of an array: what pooling and convolution share, and the linear
//! operators that take an array apart into its windows and add windows up again.

use super::index::parameter;
use super::shape::ints;
use crate::error::{Fault, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;

/// How windows lie along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Along {
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
pub(super) struct Frame {
    pub dims: usize,
    pub along: [Along; 2],
}

impl Frame {
    /// A frame of these arguments, each of one number or of one for each axis.
    pub(super) fn new(
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
    pub(super) fn read(call: &Call<'_, '_>, dims: usize, names: [(&str, usize); 4]) -> Result<Frame> {
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

    /// One number for each axis.
    pub(super) fn each(&self, f: impl Fn(&Along) -> usize) -> Vec<usize> {
        self.along[2 - self.dims..].iter().map(f).collect()
    }

    /// The parameters; those that have their usual values are left out.
    pub(super) fn params(&self, sized: bool, stride: Option<usize>) -> Vec<(&'static str, Param)> {
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
    pub(super) fn grid(&self, op: &str, lengths: &[usize]) -> Result<Grid, Fault> {
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
pub(super) fn lengths(call: &Call<'_, '_>, name: &str, position: usize, default: Vec<usize>) -> Result<Vec<usize>> {
    let Some(given) = call.ints(name, position)? else { return Ok(default) };
    let wrong = |_| call.fault(format!("`{name}` must not hold negative numbers"));
    given.into_iter().map(|n| usize::try_from(n).map_err(wrong)).collect()
}

/// The windows over one plane: a vector or a matrix, the last axes of an array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    frame: Frame,
    lengths: [usize; 2],
    counts: [usize; 2],
}

/// A run of windows along the last axis whose entry lies in the array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
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
        self.runs(|_, row, run| counts[row + run.windows.0..row + run.windows.1].iter_mut().for_each(|n| *n += 1));
        counts
    }

    /// Calls `f` for each entry of a window and each row of windows: the entry's number, where the row of windows
    /// starts among them, and which of the row have this entry in the array.
    #[inline(always)]
    pub fn runs(&self, mut f: impl FnMut(usize, usize, Run)) {
        let [first, last] = self.frame.along;
        for i in 0..first.size {
            let (low, high) = first.inside(i, self.lengths[0], self.counts[0]);
            for j in 0..last.size {
                let inside = last.inside(j, self.lengths[1], self.counts[1]);
                let column = (inside.0 * last.stride + j * last.dilation).wrapping_sub(last.padding);
                for a in 0..self.counts[0] {
                    let there = low <= a && a < high && inside.0 < inside.1;
                    let run = if there {
                        let row = a * first.stride + i * first.dilation - first.padding;
                        Run { windows: inside, at: row * self.lengths[1] + column, step: last.stride }
                    } else {
                        Run { windows: (0, 0), at: 0, step: 1 }
                    };
                    f(i * last.size + j, a * self.counts[1], run);
                }
            }
        }
    }

    /// The windows of a plane, entry by entry: `out[entry, window]`, zero in the padding.
    pub fn gather<T: Scalar>(&self, plane: &[T], out: &mut [T]) {
        let (count, windows) = (self.counts[1], self.windows());
        self.runs(|entry, row, run| {
            let row = &mut out[entry * windows + row..][..count];
            let (low, high) = run.windows;
            row[..low].fill(T::of(0.0));
            row[high..].fill(T::of(0.0));
            if low < high {
                join_each(&mut row[low..high], &plane[run.at..], run.step, |_, x| x);
            }
        });
    }

    /// The transpose of `gather`: adds the entries of windows to where they are from.
    pub fn add<T: Scalar>(&self, windows: &[T], plane: &mut [T]) {
        let count = self.windows();
        self.runs(|entry, row, run| self.add_run(&windows[entry * count + row..], run, plane));
    }

    /// Adds the same number to all entries of a window.
    pub fn spread<T: Scalar>(&self, sums: &[T], plane: &mut [T]) {
        self.runs(|_, row, run| self.add_run(&sums[row..], run, plane));
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
        self.runs(|_, row, run| {
            let (low, high) = run.windows;
            if low < high {
                join_each(&mut out[row + low..row + high], &plane[run.at..], run.step, &join);
            }
        });
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

/// What is done with windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An array into its windows.
    Take,
    /// Windows into an array, added where they overlap.
    Add,
    /// An array into the sums of its windows.
    Sum,
    /// A number a window, added to all its entries.
    Spread,
}

/// `windows(x, kernel_size, …)`: all windows of x over its last axes, and its relatives: `add_windows`, the transpose;
/// `sum_windows`, the sum of each window; and `spread_windows`, the transpose of that.
///
/// Shapes: with windows of size [k, l] an array [.., h, w] gives [.., k, l, a, b]: entry (i, j) of window (r, c) is
/// x[.., r·stride + i·dilation − padding, c·stride + j·dilation − padding], 0 in the padding. (With axes [n, c] before
/// them and flattened that is torch.nn.functional.unfold.) Errors: a window that is longer than the padded axis.
#[derive(Debug, Clone)]
pub struct Windows {
    kind: Kind,
    frame: Frame,
    /// The lengths of the axes of the array, for the operators that make it.
    length: Vec<usize>,
}

const NAMES: [(&str, usize); 4] = [("kernel_size", 1), ("stride", 2), ("padding", 3), ("dilation", 4)];

impl Windows {
    /// The windows' line in the table of operators.
    pub const TAKE: Entry = Entry {
        name: "windows",
        signature: "windows(x, kernel_size, stride=1, padding=0, dilation=1)",
        formula: "the windows over the last axes: for each entry of a window an array of all windows",
        class: "linear",
        ties: "",
        source: "numpy.lib.stride_tricks.sliding_window_view; torch.nn.functional.unfold",
        notation: Notation::Call,
        call: |call| Windows::read(call, Kind::Take),
        samples: &[
            Sample::new("windows(x, (2,))", &[("x", &[4])]),
            Sample::new("windows(x, (2, 2), stride=(2, 1), padding=(1, 0))", &[("x", &[3, 4])]),
            Sample::new("windows(x, (3,), padding=(2,), dilation=(2,))", &[("x", &[2, 4])]),
        ],
    };

    /// The line of their transpose.
    pub const ADD: Entry = Entry {
        name: "add_windows",
        signature: "add_windows(y, length, kernel_size, stride=1, padding=0, dilation=1)",
        formula: "the array of these lengths with the entries of the windows added where they are from",
        source: "the transpose of windows; torch.nn.functional.fold",
        call: |call| Windows::read(call, Kind::Add),
        samples: &[
            Sample::new("add_windows(y, (4,), (2,))", &[("y", &[2, 3])]),
            Sample::new("add_windows(y, (3, 3), (2, 2), padding=(1, 0))", &[("y", &[2, 2, 4, 2])]),
        ],
        ..Windows::TAKE
    };

    /// The line of the sums.
    pub const SUM: Entry = Entry {
        name: "sum_windows",
        signature: "sum_windows(x, kernel_size, stride=1, padding=0, dilation=1)",
        formula: "the sum of the entries of each window",
        source: "torch.nn.functional.avg_pool2d without the division",
        call: |call| Windows::read(call, Kind::Sum),
        samples: &[Sample::new("sum_windows(x, (2, 2), stride=(1, 2), padding=(0, 1))", &[("x", &[3, 4])])],
        ..Windows::TAKE
    };

    /// The line of their transpose.
    pub const SPREAD: Entry = Entry {
        name: "spread_windows",
        signature: "spread_windows(y, length, kernel_size, stride=1, padding=0, dilation=1)",
        formula: "the array of these lengths with each number added to all entries of its window",
        source: "the transpose of sum_windows",
        call: |call| Windows::read(call, Kind::Spread),
        samples: &[Sample::new("spread_windows(y, (4,), (2,), padding=(1,))", &[("y", &[5])])],
        ..Windows::TAKE
    };

    fn read<'p>(call: &Call<'_, 'p>, kind: Kind) -> Result<Var<'p>> {
        let makes = matches!(kind, Kind::Add | Kind::Spread);
        call.expect(1, 5 + makes as usize, &["length", "kernel_size", "stride", "padding", "dilation"])?;
        let size = call.ints("kernel_size", 1 + makes as usize)?.map_or(0, |s| s.len());
        if !(1..=2).contains(&size) {
            return Err(call.fault("`kernel_size` must hold a length for each of the last axes, one or two"));
        }
        let at = |(name, k): (&'static str, usize)| (name, k + makes as usize);
        let mut frame = Frame::read(call, size, NAMES.map(at))?;
        if matches!(call.optional("stride", NAMES[1].1 + makes as usize), None | Some(Value::None)) {
            frame.along.iter_mut().for_each(|a| a.stride = 1);
        }
        let length = if makes { lengths(call, "length", 1, vec![])? } else { vec![] };
        Ok(call.apply(Windows { kind, frame, length }, &[call.var(0)?]))
    }

    /// All windows of an array.
    pub(super) fn take(frame: Frame) -> Windows {
        Windows { kind: Kind::Take, frame, length: vec![] }
    }

    /// The sums of all windows.
    pub(super) fn sum(frame: Frame) -> Windows {
        Windows { kind: Kind::Sum, frame, length: vec![] }
    }

    /// The other operator of the pair, for an array of these last axes.
    fn other(&self, lengths: &[usize]) -> Windows {
        let (kind, makes) = match self.kind {
            Kind::Take => (Kind::Add, true),
            Kind::Add => (Kind::Take, false),
            Kind::Sum => (Kind::Spread, true),
            Kind::Spread => (Kind::Sum, false),
        };
        Windows { kind, frame: self.frame, length: if makes { lengths.to_vec() } else { vec![] } }
    }

    /// The shape of one window's entries and of all windows.
    fn inner(&self, grid: &Grid) -> Vec<usize> {
        match self.kind {
            Kind::Take | Kind::Add => [self.frame.each(|a| a.size), grid.counts()].concat(),
            Kind::Sum | Kind::Spread => grid.counts(),
        }
    }
}

impl Op for Windows {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Take => "windows",
            Kind::Add => "add_windows",
            Kind::Sum => "sum_windows",
            Kind::Spread => "spread_windows",
        }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let length = (!self.length.is_empty()).then(|| ("length", ints(&self.length)));
        length.into_iter().chain(self.frame.params(true, Some(1))).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let own = args[0];
        let refuse = |rule: String| Err(Fault::Shapes { op: self.name().into(), shapes: vec![own.to_vec()], rule });
        let dims = self.frame.dims;
        if matches!(self.kind, Kind::Take | Kind::Sum) {
            if own.len() < dims {
                return refuse(format!("the windows move over the last {dims} axes"));
            }
            let (lead, lengths) = own.split_at(own.len() - dims);
            return Ok([lead, &self.inner(&self.frame.grid(self.name(), lengths)?)].concat());
        }
        if self.length.len() != dims {
            return refuse(format!("`length` must hold {dims} lengths"));
        }
        let inner = self.inner(&self.frame.grid(self.name(), &self.length)?);
        match own.strip_suffix(inner.as_slice()) {
            Some(lead) => Ok([lead, self.length.as_slice()].concat()),
            None => refuse(format!("the windows of {:?} have the last axes {inner:?}", self.length)),
        }
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let lengths = &at.shape[at.shape.len() - self.frame.dims..];
        Ok(at.cotangent.apply(self.other(lengths)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Windows {
    fn operations(&self, args: &[&[usize]], out: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        match self.kind {
            Kind::Take => 0,
            Kind::Add => size(args[0]) as u64,
            Kind::Sum | Kind::Spread => {
                let (array, windows) = if self.kind == Kind::Sum { (args[0], out) } else { (out, args[0]) };
                let lengths = &array[array.len() - self.frame.dims..];
                let entries = self.frame.grid(self.name(), lengths).map_or(1, |grid| grid.entries());
                (size(windows) * entries) as u64
            }
        }
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let array = if self.length.is_empty() { args[0] } else { out };
        let lengths = &array[array.len() - self.frame.dims..];
        let grid = self.frame.grid(self.name(), lengths).expect("the windows' shape rule was checked");
        let (kind, plane, inner) = (self.kind, grid.plane(), size(&self.inner(&grid)));
        Kernel::new(move |args, out, _| {
            if matches!(kind, Kind::Add | Kind::Spread) {
                out.fill(T::of(0.0));
            }
            if plane == 0 || inner == 0 {
                out.fill(T::of(0.0));
                return;
            }
            match kind {
                Kind::Take => std::iter::zip(args[0].chunks_exact(plane), out.chunks_exact_mut(inner))
                    .for_each(|(x, y)| grid.gather(x, y)),
                Kind::Sum => std::iter::zip(args[0].chunks_exact(plane), out.chunks_exact_mut(inner))
                    .for_each(|(x, y)| grid.fold(x, y, T::of(0.0), |a, b| a + b)),
                Kind::Add => std::iter::zip(args[0].chunks_exact(inner), out.chunks_exact_mut(plane))
                    .for_each(|(y, x)| grid.add(y, x)),
                Kind::Spread => std::iter::zip(args[0].chunks_exact(inner), out.chunks_exact_mut(plane))
                    .for_each(|(y, x)| grid.spread(y, x)),
            }
        })
    }
}
