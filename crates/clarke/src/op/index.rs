//! Slices of arrays, and their transpose, which puts a slice into zeros.

use super::layout::Layout;
use super::shape::{ints, with_leading};
use crate::error::{Fault, Place, Result, plural};
use crate::program::call::{Call, Value, describe};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Shortcut,
    Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::strides;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// One entry of a subscript, as Python writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// `i`: one position, from the end if negative; the axis is dropped.
    At(i64),
    /// `start:stop:step`, each of which may be missing, with Python's meaning.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// `...`: all of the axes that the other entries leave.
    Ellipsis,
    /// `None`: a new axis of length 1.
    NewAxis,
}

/// What is kept of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Everything.
    All,
    /// One position; the axis is dropped.
    At(usize),
    /// `len` positions from `start`, `step` apart. No positions start at 0 with step 1, and one has step 1.
    Range {
        /// The first.
        start: usize,
        /// How many.
        len: usize,
        /// From one to the next; not 0.
        step: i64,
    },
}

impl Pick {
    /// The canonical form of a range of an axis of this length.
    fn range(start: usize, len: usize, step: i64, length: usize) -> Pick {
        match len {
            _ if len == length && (len < 2 || step == 1) => Pick::All,
            0 => Pick::Range { start: 0, len: 0, step: 1 },
            1 => Pick::Range { start, len, step: 1 },
            _ => Pick::Range { start, len, step },
        }
    }

    /// The positions kept of an axis of this length: first, count, step.
    fn positions(self, length: usize) -> (usize, usize, i64) {
        match self {
            Pick::All => (0, length, 1),
            Pick::At(i) => (i, 1, 1),
            Pick::Range { start, len, step } => (start, len, step),
        }
    }

    /// As it stands in the brackets.
    fn text(self) -> String {
        let number = |x: i64| if x == 0 { String::new() } else { x.to_string() };
        match self {
            Pick::All => ":".into(),
            Pick::At(i) => i.to_string(),
            Pick::Range { start, len, step } => {
                let past = start as i64 + (len as i64 - 1) * step + step.signum();
                match step {
                    _ if len == 0 => "0:0".into(),
                    1 => format!("{}:{past}", number(start as i64)),
                    _ if past < 0 => format!("{start}::{step}"),
                    _ if step < 0 => format!("{start}:{past}:{step}"),
                    _ => format!("{}:{past}:{step}", number(start as i64)),
                }
            }
        }
    }
}

/// `x[…]`: numpy's basic indexing with integers, slices with steps of either sign, and `...`.
///
/// Shapes: integers drop their axes, slices keep theirs. Errors: a position outside of its axis, too many entries, a
/// step of 0. Cost: one copy of what is kept. Source: numpy, basic indexing.
#[derive(Debug, Clone)]
pub struct GetItem {
    /// What is kept of each axis.
    pub axes: Vec<Pick>,
}

impl GetItem {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "getitem",
        signature: "x[i, start:stop:step, ..., None]",
        formula: "the entries at these positions",
        class: "linear",
        ties: "",
        source: "numpy, basic indexing",
        notation: Notation::Subscript,
        call: |call| {
            call.expect(2, 2, &[])?;
            let entries = match &call.args[1] {
                Value::Tuple(entries) => entries.iter().map(|v| entry(call, v)).collect::<Result<Vec<_>>>()?,
                single => vec![entry(call, single)?],
            };
            Ok(getitem(call.var(0)?, &entries, call.place.clone()))
        },
        samples: &[
            Sample::new("x[0]", &[("x", &[3])]),
            Sample::new("x[1:3]", &[("x", &[4])]),
            Sample::new("x[::-2]", &[("x", &[5])]),
            Sample::new("x[:, 0]", &[("x", &[2, 3])]),
            Sample::new("x[..., -1]", &[("x", &[2, 2, 3])]),
            Sample::new("x[1, :, 2:0:-1]", &[("x", &[2, 2, 3])]),
        ],
    };

    /// First position, and steps and shape of what is kept, dropped axes left out; for checked arguments.
    fn layout(&self, shape: &[usize], out: &[usize]) -> Layout {
        let (mut start, mut steps) = (0, vec![]);
        for ((pick, &length), stride) in self.axes.iter().zip(shape).zip(strides(shape)) {
            let (first, _, step) = pick.positions(length);
            start += first * stride;
            if !matches!(pick, Pick::At(_)) {
                steps.push(step as isize * stride as isize);
            }
        }
        Layout::new(out, &steps, start)
    }
}

impl Op for GetItem {
    fn name(&self) -> &'static str {
        "getitem"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        // Trailing axes that are kept whole need not be written.
        let written = self.axes.iter().rposition(|p| *p != Pick::All).map_or(1, |k| k + 1);
        let parts: Vec<String> = self.axes.iter().take(written).map(|p| p.text()).collect();
        vec![("index", Param::Raw(if parts.is_empty() { "...".into() } else { parts.join(", ") }))]
    }

    fn notation(&self) -> Notation {
        Notation::Subscript
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if self.axes.len() != args[0].len() {
            return Err(Fault::Shapes {
                op: "getitem".into(),
                shapes: vec![args[0].to_vec()],
                rule: counted(self.axes.len(), args[0].len()),
            });
        }
        let mut shape = vec![];
        for (axis, (pick, &length)) in std::iter::zip(&self.axes, args[0]).enumerate() {
            let (start, len, step) = pick.positions(length);
            check_progression("getitem", axis, start, len, step, length)?;
            shape.extend((!matches!(pick, Pick::At(_))).then_some(len));
        }
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        self.axes.iter().all(|p| *p == Pick::All).then_some(args[0])
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let positions = std::iter::zip(&self.axes, at.shape).map(|(p, &n)| p.positions(n));
        let (mut kept, mut start, mut step) = (vec![], vec![], vec![]);
        for (first, len, by) in positions {
            kept.push(len);
            start.push(first);
            step.push(by);
        }
        Ok(at.cotangent.reshape(&kept).apply(PutSlice { shape: at.shape.to_vec(), start, step }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let axes = std::iter::once(Pick::All).chain(self.axes.iter().copied()).collect();
        Ok(at.args[0].apply(GetItem { axes }))
    }

    fn shortcut(&self, arg: &[usize]) -> Option<Shortcut> {
        let out = self.shape(&[arg]).ok()?;
        self.layout(arg, &out).window().map(Shortcut::Window)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for GetItem {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let layout = self.layout(args[0], out);
        Kernel::new(move |args, out, _| layout.read(args[0], out))
    }
}

/// Checks that `len` positions from `start`, `step` apart, lie on an axis.
fn check_progression(op: &str, axis: usize, start: usize, len: usize, step: i64, length: usize) -> Result<(), Fault> {
    if step == 0 {
        return Err(parameter(op, "step", 0, format!("a step along axis {axis} cannot be 0")));
    }
    let span = (len as i64).saturating_sub(1).checked_mul(step);
    let last = span.and_then(|s| (start as i64).checked_add(s)).unwrap_or(i64::MAX);
    match [start as i64, last].into_iter().find(|i| !(0..length as i64).contains(i)) {
        Some(i) if len > 0 => Err(parameter(op, "index", i, format!("axis {axis} has length {length}"))),
        _ => Ok(()),
    }
}

pub(super) fn parameter(op: &str, parameter: &str, value: impl ToString, rule: String) -> Fault {
    Fault::Parameter { op: op.into(), parameter: parameter.into(), value: value.to_string(), rule }
}

/// One entry of a subscript in program text.
fn entry(call: &Call<'_, '_>, value: &Value<'_>) -> Result<Index> {
    let number = match value {
        Value::Number(x) => Some(*x),
        Value::Var(v) => v.known_scalar(),
        _ => None,
    };
    match (value, number) {
        (_, Some(x)) if x.fract() == 0.0 && x.abs() <= 1e15 => Ok(Index::At(x as i64)),
        (_, Some(x)) => Err(call.fault(format!("an index must be an integer, not {x}"))),
        (Value::Slice(start, stop, step), _) => Ok(Index::Slice(*start, *stop, *step)),
        (Value::Ellipsis, _) => Ok(Index::Ellipsis),
        (Value::None, _) => Ok(Index::NewAxis),
        (Value::List(_), _) => Err(call.fault("a list of positions is not a slice; use take(x, indices, axis=…)")),
        (other, _) => Err(call.fault(format!("an index must be an integer or a slice, not {}", describe(other)))),
    }
}

/// That a subscript does not have one entry for each axis.
fn counted(entries: usize, axes: usize) -> String {
    match axes {
        0 => "a scalar has no axis to index".into(),
        _ => format!("the subscript is for {}, the array has {axes}", plural(entries, "axis")),
    }
}

/// Reads a subscript against the shape of its array: what is kept of each axis, and the shape with the new axes, if
/// there are any.
fn normalized(shape: &[usize], entries: &[Index]) -> Result<(Vec<Pick>, Option<Vec<usize>>), Fault> {
    let used = entries.iter().filter(|e| matches!(e, Index::At(_) | Index::Slice(..))).count();
    let wrong = |rule: String| Fault::Shapes { op: "getitem".into(), shapes: vec![shape.to_vec()], rule };
    if used > shape.len() {
        return Err(wrong(counted(used, shape.len())));
    }
    if entries.iter().filter(|e| **e == Index::Ellipsis).count() > 1 {
        return Err(wrong("a subscript can hold `...` only once".into()));
    }
    let (mut picks, mut with_new) = (vec![], vec![]);
    let keep_all = |picks: &mut Vec<Pick>, with_new: &mut Vec<usize>, count: usize| {
        with_new.extend(&shape[picks.len()..][..count]);
        picks.extend(std::iter::repeat_n(Pick::All, count));
    };
    for index in entries {
        let axis = picks.len();
        match *index {
            Index::NewAxis => with_new.push(1),
            Index::Ellipsis => keep_all(&mut picks, &mut with_new, shape.len() - used),
            Index::At(i) => picks.push(Pick::At(position("getitem", i, axis, shape[axis])?)),
            Index::Slice(start, stop, step) => {
                let (start, len, step) = slice(start, stop, step, shape[axis])
                    .ok_or_else(|| parameter("getitem", "step", 0, format!("a step along axis {axis} cannot be 0")))?;
                picks.push(Pick::range(start, len, step, shape[axis]));
                with_new.push(len);
            }
        }
    }
    let left = shape.len() - picks.len();
    keep_all(&mut picks, &mut with_new, left);
    Ok((picks, entries.contains(&Index::NewAxis).then_some(with_new)))
}

/// A position that may count from the end, on an axis of this length.
pub(super) fn position(op: &str, i: i64, axis: usize, length: usize) -> Result<usize, Fault> {
    let from_start = if i < 0 { i + length as i64 } else { i };
    match usize::try_from(from_start) {
        Ok(k) if k < length => Ok(k),
        _ => Err(parameter(op, "index", i, format!("axis {axis} has length {length}"))),
    }
}

/// An axis that may count from the end, from the front.
pub(super) fn axis_of(op: &str, shape: &[usize], axis: i64) -> Result<usize, Fault> {
    let rank = shape.len();
    let front = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(front) {
        Ok(k) if k < rank => Ok(k),
        _ => Err(parameter(op, "axis", axis, format!("the array has {rank} axes (shape {shape:?})"))),
    }
}

/// Python's slice of an axis: first position, count, step; None if the step is 0.
fn slice(start: Option<i64>, stop: Option<i64>, step: Option<i64>, length: usize) -> Option<(usize, usize, i64)> {
    let (n, step) = (length as i64, step.unwrap_or(1));
    if step == 0 {
        return None;
    }
    // Where a slice of this direction can start and stop at most.
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let clamp = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(low, high);
    let (from, to) = if step > 0 { (low, high) } else { (high, low) };
    let (from, to) = (start.map_or(from, clamp), stop.map_or(to, clamp));
    let span = if step > 0 { to - from } else { from - to };
    let len = if span > 0 { (span as u64 - 1) / step.unsigned_abs() + 1 } else { 0 };
    // An empty slice may start before the first position.
    Some((from.max(0) as usize, len as usize, step))
}

fn getitem<'p>(x: Var<'p>, entries: &[Index], place: Place) -> Var<'p> {
    if x.is_poisoned() {
        return x;
    }
    let (axes, with_new) = match normalized(&x.shape(), entries) {
        Ok(both) => both,
        Err(fault) => return x.builder().failed(fault.at(place)),
    };
    let whole = axes.iter().all(|p| *p == Pick::All);
    let kept = if whole { x } else { x.builder().apply_at(Arc::new(GetItem { axes }), &[x], place.clone()) };
    match with_new {
        Some(shape) => x.builder().apply_at(Arc::new(super::shape::Reshape { shape }), &[kept], place),
        None => kept,
    }
}

/// `put_slice(x, shape, start, step)`: zeros of the shape, with x at the positions from `start`, `step` apart along
/// each axis: the transpose of a slice.
#[derive(Debug, Clone)]
pub struct PutSlice {
    /// The shape of the value.
    pub shape: Vec<usize>,
    /// Where the first entry goes, along each axis.
    pub start: Vec<usize>,
    /// How far apart entries go, along each axis.
    pub step: Vec<i64>,
}

impl PutSlice {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "put_slice",
        signature: "put_slice(x, shape, start, step)",
        formula: "zeros of the shape, with x at the positions start + step · index",
        class: "linear",
        ties: "",
        source: "the transpose of a slice",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 4, &["shape", "start", "step"])?;
            let get = |name: &str, position: usize| {
                call.ints(name, position)?.ok_or_else(|| call.fault(format!("`{name}` is missing")))
            };
            let lengths = |name: &str, position: usize| {
                let wrong = |_| call.fault(format!("`{name}` must not hold negative numbers"));
                get(name, position)?.into_iter().map(|n| usize::try_from(n).map_err(wrong)).collect::<Result<Vec<_>>>()
            };
            let op = PutSlice { shape: lengths("shape", 1)?, start: lengths("start", 2)?, step: get("step", 3)? };
            Ok(call.apply(op, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("put_slice(x, (5,), (1,), (2,))", &[("x", &[2])]),
            Sample::new("put_slice(x, (2, 3), (1, 2), (1, -1))", &[("x", &[1, 3])]),
        ],
    };
}

impl PutSlice {
    /// Where an argument of this shape lies in the value.
    fn layout(&self, arg: &[usize], out: &[usize]) -> Layout {
        let strides = strides(out);
        let start = std::iter::zip(&self.start, &strides).map(|(i, s)| i * s).sum();
        let steps: Vec<isize> = std::iter::zip(&self.step, &strides).map(|(i, s)| *i as isize * *s as isize).collect();
        Layout::new(arg, &steps, start)
    }
}

impl Op for PutSlice {
    fn name(&self) -> &'static str {
        "put_slice"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shape", ints(&self.shape)), ("start", ints(&self.start)), ("step", Param::Ints(self.step.clone()))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let rank = args[0].len();
        if [self.shape.len(), self.start.len(), self.step.len()] != [rank; 3] {
            return Err(Fault::Shapes {
                op: "put_slice".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("shape, start and step must each have {rank} entries"),
            });
        }
        for (axis, &len) in args[0].iter().enumerate() {
            let (start, step) = (self.start[axis], self.step[axis]);
            check_progression("put_slice", axis, start, len, step, self.shape[axis])?;
        }
        Ok(self.shape.clone())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let whole = args[0].shape() == self.shape && self.step.iter().all(|&s| s == 1);
        whole.then_some(args[0])
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let axes = (0..self.shape.len())
            .map(|k| Pick::range(self.start[k], at.shape[k], self.step[k], self.shape[k]))
            .collect();
        Ok(at.cotangent.apply(GetItem { axes }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let step = std::iter::once(1).chain(self.step.iter().copied()).collect();
        let (shape, start) = (with_leading(at.size, &self.shape), with_leading(0, &self.start));
        Ok(at.args[0].apply(PutSlice { shape, start, step }))
    }

    fn shortcut(&self, arg: &[usize]) -> Option<Shortcut> {
        self.layout(arg, &self.shape).window().map(Shortcut::Pad)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for PutSlice {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let layout = self.layout(args[0], out);
        Kernel::new(move |args, out, _| {
            out.fill(T::of(0.0));
            layout.write(args[0], out);
        })
    }
}

/// The sum of two arrays that were put into zeros, where they fill these one after the other along an axis: what the
/// cotangents of the parts of an array add up to.
pub(super) fn put_together<'p>(a: Var<'p>, b: Var<'p>) -> Option<Var<'p>> {
    let (shape, a_start, a) = put(a)?;
    let (other, b_start, b) = put(b)?;
    let ([first, second], [from, to]) =
        if a_start <= b_start { ([a, b], [a_start, b_start]) } else { ([b, a], [b_start, a_start]) };
    let (head, tail) = (first.shape(), second.shape());
    let axis = (0..shape.len()).find(|&k| head[k] < shape[k])?;
    let fits = |k: usize| match k == axis {
        true => from[k] == 0 && to[k] == head[k] && head[k] + tail[k] == shape[k],
        false => head[k] == shape[k] && tail[k] == shape[k],
    };
    (shape == other && (0..shape.len()).all(fits)).then(|| first.concatenate(&[second], axis))
}

/// The shape of zeros that an array was put into without gaps, where it begins, and the array.
fn put(x: Var<'_>) -> Option<(Vec<usize>, Vec<usize>, Var<'_>)> {
    let (op, args) = x.made_by("put_slice")?;
    let params = op.params();
    let ints = |k: usize| match &params[k].1 {
        Param::Ints(many) => many.iter().map(|i| usize::try_from(*i).ok()).collect::<Option<Vec<usize>>>(),
        _ => None,
    };
    ints(2)?.iter().all(|&step| step == 1).then_some((ints(0)?, ints(1)?, args[0]))
}

impl<'p> Var<'p> {
    /// `x[…]` with everything that numpy's basic indexing has: see [`Index`].
    ///
    /// ```
    /// use clarke::{Program, op::index::Index};
    /// let f = Program::trace(&[&[4]], |v| v[0].getitem(&[Index::Slice(None, None, Some(-2))]))?;
    /// assert_eq!(f.eval(&[[1.0, 2.0, 3.0, 4.0].into()])?[0].data(), [4.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn getitem(self, index: &[Index]) -> Var<'p> {
        getitem(self, index, Place::caller())
    }

    /// `x[i, j, …]`: the entry at a position, or the part of the array at a position of its first axes.
    #[track_caller]
    pub fn at(self, index: &[usize]) -> Var<'p> {
        let entries: Vec<Index> = index.iter().map(|&i| Index::At(i as i64)).collect();
        getitem(self, &entries, Place::caller())
    }

    /// `x[i]`: the i-th entry of a vector, the i-th row of a matrix.
    #[track_caller]
    pub fn get(self, i: usize) -> Var<'p> {
        getitem(self, &[Index::At(i as i64)], Place::caller())
    }

    /// A range of positions along an axis: `x.slice(0, 1..3)` is `x[1:3]`.
    ///
    /// Errors: an axis that is not there; a range that ends past the axis or before it starts.
    #[track_caller]
    pub fn slice(self, axis: usize, range: impl RangeBounds<usize>) -> Var<'p> {
        let place = Place::caller();
        if self.is_poisoned() {
            return self;
        }
        let shape = self.shape();
        if let Err(fault) = axis_of("getitem", &shape, axis as i64) {
            return self.builder().failed(fault.at(place));
        }
        let length = shape[axis];
        let start = match range.start_bound() {
            Bound::Included(&i) => i,
            Bound::Excluded(&i) => i.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let stop = match range.end_bound() {
            Bound::Included(&i) => i.saturating_add(1),
            Bound::Excluded(&i) => i,
            Bound::Unbounded => length,
        };
        if start > stop || stop > length {
            let rule = format!("axis {axis} has length {length}");
            return self.builder().failed(parameter("getitem", "range", format!("{start}..{stop}"), rule).at(place));
        }
        let mut entries = vec![Index::Slice(None, None, None); axis];
        entries.push(Index::Slice(Some(start as i64), Some(stop as i64), None));
        getitem(self, &entries, place)
    }
}
