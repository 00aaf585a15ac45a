//! Pooling: the largest entry, or the mean, of each window over the last one or two axes.

use super::pad::Pad;
use super::window::{Frame, Grid, Windows};
use crate::error::{Fault, Place, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention};
use crate::program::{Program, Var};
use crate::tensor::{Tensor, size};

const NAMES: [(&str, usize); 4] = [("kernel_size", 1), ("stride", 2), ("padding", 3), ("dilation", 4)];

/// The shape of an array's windows, one number each; `full` if each must hold an entry of the array.
fn pooled(op: &str, frame: &Frame, full: bool, of: &[usize]) -> Result<Vec<usize>, Fault> {
    let refuse = |rule: String| Err(Fault::Shapes { op: op.into(), shapes: vec![of.to_vec()], rule });
    if of.len() < frame.dims {
        return refuse(format!("the windows move over the last {} axes", frame.dims));
    }
    if let Some(wide) = frame.along.iter().find(|a| a.padding > a.reach() / 2) {
        let reach = wide.reach();
        return refuse(format!(
            "padding {} is more than half of the {reach} entries a window reaches over",
            wide.padding
        ));
    }
    let (lead, lengths) = of.split_at(of.len() - frame.dims);
    let grid = frame.grid(op, lengths)?;
    if full && grid.has_empty() {
        return refuse("a window holds padding alone".into());
    }
    Ok([lead, &grid.counts()].concat())
}

/// `max_pool1d(x, kernel_size, stride=kernel_size, padding=0, dilation=1)` and `max_pool2d`: the largest entry of each
/// window over the last axes. The padding counts for nothing. Piecewise linear.
///
/// At ties: in each window the convex hull of the unit vectors of the tied entries. NaN where a window has one. Errors:
/// a window longer than the padded axis, one that holds padding alone, padding over half
/// of its reach. Cost: one comparison an entry of a window; the
/// derivative keeps one number for each. Source: torch.nn.functional.max_pool2d, with any number of leading axes.
#[derive(Debug, Clone)]
pub struct MaxPool {
    frame: Frame,
}

impl MaxPool {
    /// The line of pooling over one axis in the table of operators.
    pub const ONE: Entry = Entry {
        name: "max_pool1d",
        signature: "max_pool1d(x, kernel_size, stride=None, padding=0, dilation=1)",
        formula: "the largest entry of each window over the last axis",
        class: "piecewise linear",
        ties: "in each window the simplex over the tied entries",
        source: "torch.nn.functional.max_pool1d; Clarke 1990, Proposition 2.3.12",
        notation: Notation::Call,
        call: |call| MaxPool::read(call, 1),
        samples: &[
            Sample::new("max_pool1d(x, 2)", &[("x", &[4])]),
            Sample::new("max_pool1d(x, 3, stride=1, padding=1)", &[("x", &[2, 4])]),
            Sample::new("max_pool1d(x, 2, stride=1, dilation=2)", &[("x", &[4])]),
        ],
    };

    /// The line of pooling over two axes in the table of operators.
    pub const TWO: Entry = Entry {
        name: "max_pool2d",
        signature: "max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1)",
        formula: "the largest entry of each window over the last two axes",
        source: "torch.nn.functional.max_pool2d; Clarke 1990, Proposition 2.3.12",
        call: |call| MaxPool::read(call, 2),
        samples: &[
            Sample::new("max_pool2d(x, 2)", &[("x", &[2, 2, 4])]),
            Sample::new("max_pool2d(x, (2, 3), stride=(1, 2), padding=(1, 1))", &[("x", &[3, 4])]),
        ],
        ..MaxPool::ONE
    };

    fn read<'p>(call: &Call<'_, 'p>, dims: usize) -> Result<Var<'p>> {
        call.expect(1, 5, &["kernel_size", "stride", "padding", "dilation"])?;
        let frame = Frame::read(call, dims, NAMES)?;
        Ok(call.apply(MaxPool { frame }, &[call.var(0)?]))
    }

    /// The windows of x, with what loses every comparison in the padding.
    fn windows<'p>(&self, x: Var<'p>) -> Var<'p> {
        let mut widths = vec![(0, 0); x.rank() - self.frame.dims];
        widths.extend(self.frame.each(|a| a.padding).iter().map(|&p| (p, p)));
        x.apply(Pad::new(widths, f64::NEG_INFINITY)).apply(Windows::take(self.frame.without_padding()))
    }
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        if self.frame.dims == 1 { "max_pool1d" } else { "max_pool2d" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.frame.params(true, None)
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        pooled(self.name(), &self.frame, true, args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let axes = self.frame.entries();
        let tangent = |dot: Var<'p>| {
            let weights = self.windows(at.args[0]).pick(&axes);
            weights.guarded_mul(dot.apply(Windows::take(self.frame))).sum_over(&axes)
        };
        Ok(at.tangents[0].map(tangent))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // All three hand the whole to the first entry of the window that is largest, in row-major order: PyTorch and
        // TensorFlow compare with >, JAX selects with >=. TensorFlow says so of the processor alone.
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }
}

impl ArrayKernel for MaxPool {
    fn operations(&self, args: &[&[usize]], out: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        let lengths = &args[0][args[0].len() - self.frame.dims..];
        let entries = self.frame.grid(self.name(), lengths).map_or(1, |grid| grid.entries());
        (size(out) * entries) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let lengths = &args[0][args[0].len() - self.frame.dims..];
        let grid = self.frame.grid(self.name(), lengths).expect("the pool's shape rule was checked");
        let level = Level::of_this_machine();
        let (plane, planes) = (grid.plane(), size(args[0]).checked_div(grid.plane()).unwrap_or(0));
        Kernel::of_parts(grid.folded(), [planes, 1], move |planes, args, out, scratch| {
            let x = &args[0][planes.start * plane..planes.end * plane];
            T::with_lanes(level, Largest { grid: &grid, x, out, scratch });
        })
    }
}

/// The largest entries of all windows, about to be found.
struct Largest<'a, T> {
    grid: &'a Grid,
    x: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for Largest<'_, T> {
    // The loops are of numbers, and the compiler makes vectors of them.
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let (plane, windows) = (self.grid.plane().max(1), self.grid.windows().max(1));
        for (x, y) in std::iter::zip(self.x.chunks_exact(plane), self.out.chunks_exact_mut(windows)) {
            self.grid.largest::<T, V>(x, y, self.scratch);
        }
    }
}

/// `avg_pool1d(x, kernel_size, stride=kernel_size, padding=0, count_include_pad=True)` and `avg_pool2d`: the mean of each
/// window over the last axes, the padding counted as zeros, or not at all. Linear.
///
/// Errors: a window longer than the padded axis, or one that holds padding alone where that does not count. Source:
/// torch.nn.functional.avg_pool2d, with any number of leading axes.
#[derive(Debug, Clone)]
pub struct AvgPool {
    frame: Frame,
    include_pad: bool,
}

impl AvgPool {
    /// The line of pooling over one axis in the table of operators.
    pub const ONE: Entry = Entry {
        name: "avg_pool1d",
        signature: "avg_pool1d(x, kernel_size, stride=None, padding=0, count_include_pad=True)",
        formula: "the mean of each window over the last axis",
        class: "linear",
        ties: "",
        source: "torch.nn.functional.avg_pool1d",
        notation: Notation::Call,
        call: |call| AvgPool::read(call, 1),
        samples: &[
            Sample::new("avg_pool1d(x, 2)", &[("x", &[2, 4])]),
            Sample::new("avg_pool1d(x, 3, 1, 1, count_include_pad=False)", &[("x", &[4])]),
        ],
    };

    /// The line of pooling over two axes in the table of operators.
    pub const TWO: Entry = Entry {
        name: "avg_pool2d",
        signature: "avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True)",
        formula: "the mean of each window over the last two axes",
        source: "torch.nn.functional.avg_pool2d",
        call: |call| AvgPool::read(call, 2),
        samples: &[
            Sample::new("avg_pool2d(x, 2)", &[("x", &[2, 4, 2])]),
            Sample::new("avg_pool2d(x, (2, 3), stride=1, padding=(0, 1))", &[("x", &[3, 4])]),
        ],
        ..AvgPool::ONE
    };

    fn read<'p>(call: &Call<'_, 'p>, dims: usize) -> Result<Var<'p>> {
        call.expect(1, 5, &["kernel_size", "stride", "padding", "count_include_pad"])?;
        // torch's has no dilation.
        let frame = Frame::read(call, dims, [NAMES[0], NAMES[1], NAMES[2], ("dilation", usize::MAX)])?;
        let include_pad = call.flag("count_include_pad", 4, true)?;
        Ok(call.apply(AvgPool { frame, include_pad }, &[call.var(0)?]))
    }
}

impl Op for AvgPool {
    fn name(&self) -> &'static str {
        if self.frame.dims == 1 { "avg_pool1d" } else { "avg_pool2d" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = self.frame.params(true, None);
        params.extend((!self.include_pad).then_some(("count_include_pad", Param::Flag(false))));
        params
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        pooled(self.name(), &self.frame, !self.include_pad, args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let shape = args[0].shape();
        let grid = self.frame.grid(self.name(), &shape[shape.len() - self.frame.dims..]).ok()?;
        let sums = args[0].apply(Windows::sum(self.frame));
        let padded = self.frame.along.iter().any(|a| a.padding > 0);
        Some(if self.include_pad || !padded {
            sums / grid.entries() as f64
        } else {
            let filled = grid.filled();
            sums / sums.constant(Tensor::from_fn(&grid.counts(), |k| filled[k] as f64))
        })
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

impl<'p> Var<'p> {
    /// The largest entry of each window over the last axes, one for each entry of `kernel_size`, one or two: see
    /// [`MaxPool`]. The other lists hold one number, or one for each axis.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[4]], |v| v[0].max_pool(&[2], &[2], &[0], &[1]))?;
    /// assert_eq!(f.eval(&[[1.0, 3.0, 2.0, 0.0].into()])?[0].data(), [3.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool(self, kernel_size: &[usize], stride: &[usize], padding: &[usize], dilation: &[usize]) -> Var<'p> {
        let dims = kernel_size.len().clamp(1, 2);
        match Frame::new(["max_pool1d", "max_pool2d"][dims - 1], dims, kernel_size, stride, padding, dilation) {
            Ok(frame) => self.apply(MaxPool { frame }),
            Err(fault) => self.builder().failed(fault.at(Place::caller())),
        }
    }

    /// The mean of each window over the last axes, one for each entry of `kernel_size`, one or two; the padding counts
    /// as zeros, or not at all: see [`AvgPool`].
    #[track_caller]
    pub fn avg_pool(self, kernel_size: &[usize], stride: &[usize], padding: &[usize], include_pad: bool) -> Var<'p> {
        let dims = kernel_size.len().clamp(1, 2);
        match Frame::new(["avg_pool1d", "avg_pool2d"][dims - 1], dims, kernel_size, stride, padding, &[1]) {
            Ok(frame) => self.apply(AvgPool { frame, include_pad }),
            Err(fault) => self.builder().failed(fault.at(Place::caller())),
        }
    }
}
