//! Windows that move over the last one or two axes of an array: what pooling and convolution share, and the linear
//! operators that take an array apart into its windows and add windows up again.

use super::shape::ints;
use super::unpooled;
use crate::error::{Fault, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;

mod grid;

pub(super) use grid::{Frame, Grid, lengths};

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

    fn fused<'p>(&self, args: &[Var<'p>], shared: &[bool]) -> Option<Var<'p>> {
        let only_added = self.kind == Kind::Add && !shared[0];
        if only_added { unpooled::fused(args[0], self.frame, &self.length) } else { None }
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
        let (kind, inner, level) = (self.kind, size(&self.inner(&grid)), Level::of_this_machine());
        Kernel::new(move |args, out, _| T::with_lanes(level, Moved { kind, grid: &grid, inner, from: args[0], out }))
    }
}

/// Arrays about to be taken apart into windows, or windows to be added.
struct Moved<'a, T> {
    kind: Kind,
    grid: &'a Grid,
    /// How many numbers belong to the windows of a plane.
    inner: usize,
    from: &'a [T],
    out: &'a mut [T],
}

impl<T: Scalar> Job<T> for Moved<'_, T> {
    // The loops are of numbers, and the compiler makes vectors of them.
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Moved { kind, grid, inner, from, out } = self;
        let (plane, zero) = (grid.plane(), T::of(0.0));
        if plane == 0 || inner == 0 || matches!(kind, Kind::Add | Kind::Spread) {
            out.fill(zero);
        }
        if plane == 0 || inner == 0 {
            return;
        }
        let (step, to_step) = if matches!(kind, Kind::Take | Kind::Sum) { (plane, inner) } else { (inner, plane) };
        for (x, y) in std::iter::zip(from.chunks_exact(step), out.chunks_exact_mut(to_step)) {
            match kind {
                Kind::Take => grid.gather(x, y),
                Kind::Sum => grid.fold(x, y, zero, |a, b| a + b),
                Kind::Add => grid.add(x, y),
                Kind::Spread => grid.spread(x, y),
            }
        }
    }
}
