//! Entries chosen along an axis: by constant positions for each place, by where another array is largest, by groups.

use super::axes::{Axes, Split};
use super::cumulative::from_last;
use super::gather::{around, checked_axis, positions};
use super::index::{axis_of, parameter, position};
use super::reduce::MATRIX;
use super::shape::Reshape;
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Boundary, BoundaryKind, BoundaryParts, Compiler, Entry, Execution, Kernel, Linearity,
    Linearization, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention};
use crate::program::{Program, Var};
use crate::tensor::{Boxes, Tensor, broadcast, broadcast_strides, size, walk};
use std::sync::Arc;

/// `take_along_axis(x, indices, axis)`: at each place the entry of x that stands, along the axis, at the constant
/// position given for that place; and its transpose, `put_along_axis`, which adds entries up where they came from.
///
/// Shapes: the indices have as many axes as x and, but for the axis, lengths that broadcast to those of x; without an
/// axis x is taken flat. With an axis counted from the last they may have fewer, for all that lies before. Errors: a position outside of the axis. Cost: linear in what is taken.
#[derive(Debug, Clone)]
pub struct TakeAlong {
    /// The positions along the axis, of the shape of the value without axes that were mapped.
    indices: Vec<usize>,
    shape: Vec<usize>,
    axis: i64,
    /// The transpose puts into an axis of this length.
    puts: Option<usize>,
}

impl TakeAlong {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "take_along_axis",
        signature: "take_along_axis(x, indices, axis)",
        formula: "x[…, indices[…, k, …], …] at position k along the axis",
        class: "linear",
        ties: "",
        source: "numpy.take_along_axis",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 3, &["indices", "axis"])?;
            let (indices, shape) = read_indices(call)?;
            let axis = match call.optional("axis", 2) {
                Some(Value::None) => None,
                _ => Some(call.int("axis", 2, None)?),
            };
            Ok(take_along(call.var(0)?, &indices, &shape, axis, call.place.clone()))
        },
        samples: &[
            Sample::new("take_along_axis(x, [[0, 2], [1, 1]], axis=1)", MATRIX),
            Sample::new("take_along_axis(x, [[1, 0, 1]], axis=0)", MATRIX),
            Sample::new("take_along_axis(x, [5, 0, 5], axis=None)", MATRIX),
        ],
    };

    /// The line of its transpose.
    pub const BACK: Entry = Entry {
        name: "put_along_axis",
        signature: "put_along_axis(y, indices, axis, length)",
        formula: "zeros, with the entries of y added where take_along_axis takes them from",
        source: "the transpose of take_along_axis",
        call: |call| {
            call.expect(1, 4, &["indices", "axis", "length"])?;
            let y = call.var(0)?;
            let (indices, shape) = read_indices(call)?;
            let at = |fault: Fault| fault.at(call.place.clone());
            let axis = from_last(call.name, y, call.int("axis", 2, None)?).map_err(at)?;
            let length = usize::try_from(call.int("length", 3, None)?)
                .map_err(|_| call.fault("`length` must not be negative"))?;
            let own = indices.iter().map(|&i| position(call.name, i, y.rank(), length)).collect::<Result<_, _>>();
            Ok(call.apply(TakeAlong { indices: own.map_err(at)?, shape, axis, puts: Some(length) }, &[y]))
        },
        samples: &[],
        ..TakeAlong::ENTRY
    };

    /// The shape of one block of the array that is taken from, given the shape of one block of the argument.
    fn far(&self, length: usize) -> Vec<usize> {
        let mut far = self.shape.clone();
        let k = (far.len() as i64 + self.axis) as usize;
        far[k] = length;
        far
    }

    /// For each entry of the indices its position in a block of the array that is taken from.
    fn sources(&self, length: usize) -> Vec<usize> {
        let (_, own, inner) = around(&self.shape, self.axis);
        let source = |(at, i): (usize, &usize)| (at / (own * inner).max(1) * length + i) * inner + at % inner;
        self.indices.iter().enumerate().map(source).collect()
    }
}

/// The indices of a call: lists of lists of integers, with their shape.
fn read_indices(call: &Call<'_, '_>) -> Result<(Vec<i64>, Vec<usize>)> {
    let given = call.optional("indices", 1).ok_or_else(|| call.fault("`indices` is missing"))?;
    let (mut flat, mut shape) = (vec![], vec![]);
    positions(call, given, 0, &mut flat, &mut shape)?;
    Ok((flat, shape))
}

/// numpy's take_along_axis: the indices are broadcast to x but along the axis.
fn take_along<'p>(x: Var<'p>, indices: &[i64], shape: &[usize], axis: Option<i64>, place: Place) -> Var<'p> {
    if x.is_poisoned() {
        return x;
    }
    let flat = [size(&x.shape())];
    let x = match axis {
        None if x.rank() != 1 => x.builder().apply_at(Arc::new(Reshape { shape: flat.to_vec() }), &[x], place.clone()),
        _ => x,
    };
    let own = x.shape();
    // Counted from the last, the axes of the indices may be fewer, as where the operator was batched: the same positions
    // for all that lies before.
    let lead = if axis.is_some_and(|a| a < 0) { own.len().saturating_sub(shape.len()) } else { 0 };
    let own = own[lead..].to_vec();
    let make = || -> Result<TakeAlong, Fault> {
        let axis = axis_of("take_along_axis", &own, axis.unwrap_or(0))?;
        let wanted: Vec<usize> =
            own.iter().enumerate().map(|(k, n)| if k == axis { *shape.get(k).unwrap_or(n) } else { *n }).collect();
        if shape.len() != own.len() || broadcast(shape, &wanted).as_ref() != Some(&wanted) {
            let rule =
                "the indices have as many axes as the array and, but for the axis, lengths that broadcast to its";
            let shapes = vec![own.clone(), shape.to_vec()];
            return Err(Fault::Shapes { op: "take_along_axis".into(), shapes, rule: rule.into() });
        }
        let mut at = Vec::with_capacity(size(&wanted));
        walk(&wanted, &broadcast_strides(shape, &wanted), |k| at.push(indices[k]));
        let all = at.iter().map(|&i| position("take_along_axis", i, axis, own[axis])).collect::<Result<_, _>>()?;
        Ok(TakeAlong { indices: all, shape: wanted, axis: axis as i64 - own.len() as i64, puts: None })
    };
    match make() {
        Ok(op) => x.builder().apply_at(Arc::new(op), &[x], place),
        Err(fault) => x.builder().failed(fault.at(place)),
    }
}

/// Nested lists of integers, as program text writes them.
fn nested(shape: &[usize], numbers: &[usize]) -> String {
    match shape.split_first() {
        None => numbers[0].to_string(),
        Some((&n, inner)) => {
            let step = size(inner);
            let parts: Vec<String> = (0..n).map(|k| nested(inner, &numbers[k * step..(k + 1) * step])).collect();
            format!("[{}]", parts.join(", "))
        }
    }
}

impl Op for TakeAlong {
    fn name(&self) -> &'static str {
        if self.puts.is_some() { "put_along_axis" } else { "take_along_axis" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let indices = ("indices", Param::Raw(nested(&self.shape, &self.indices)));
        let length = self.puts.map(|length| ("length", Param::Int(length as i64)));
        [indices, ("axis", Param::Int(self.axis))].into_iter().chain(length).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let axis = checked_axis(self.name(), args[0], self.axis)?;
        // From the end: axes before those of the indices were mapped.
        let far = self.far(args[0][axis]);
        let lead = args[0].len().checked_sub(far.len());
        let fits = lead.is_some_and(|lead| args[0][lead..] == if self.puts.is_some() { &self.shape } else { &far }[..]);
        match lead {
            Some(lead) if fits => {
                let own = self.puts.map_or(self.shape.clone(), |length| self.far(length));
                let length = self.puts.unwrap_or(args[0][axis]);
                self.indices.iter().try_for_each(|&i| position(self.name(), i as i64, axis, length).map(|_| ()))?;
                Ok([&args[0][..lead], own.as_slice()].concat())
            }
            _ => Err(Fault::Shapes {
                op: self.name().into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("the indices are for the last axes of shape {far:?}"),
            }),
        }
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let (_, length, _) = around(at.shape, self.axis);
        let puts = if self.puts.is_some() { None } else { Some(length) };
        Ok(at.cotangent.apply(TakeAlong { puts, ..self.clone() }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for TakeAlong {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        if self.puts.is_some() { size(args[0]) as u64 } else { 0 }
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let length = self.puts.unwrap_or(around(args[0], self.axis).1);
        let (sources, block) = (self.sources(length), size(&self.far(length)));
        if size(args[0]) == 0 || size(out) == 0 {
            return Kernel::new(|_, out: &mut [T], _| out.fill(T::of(0.0)));
        }
        if self.puts.is_none() {
            return Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
                for (x, y) in args[0].chunks_exact(block).zip(out.chunks_exact_mut(sources.len())) {
                    y.iter_mut().zip(&sources).for_each(|(y, &at)| *y = x[at]);
                }
            });
        }
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            out.fill(T::of(0.0));
            for (y, x) in args[0].chunks_exact(sources.len()).zip(out.chunks_exact_mut(block)) {
                y.iter().zip(&sources).for_each(|(y, &at)| x[at] = x[at] + *y);
            }
        })
    }
}

/// `gather_argmax(x, y)`: the entry of y that stands where x is largest (the first of several), over all entries or
/// along axes. It jumps in x: like the sides of a `where`, x has no derivative.
///
/// At ties: the simplex over the tied entries, in y, if their values in y agree; if not the value jumps there, and a
/// derivative at the point is an error. Shapes: x and y broadcast. NaN if an entry of x is NaN. Errors: no entries.
#[derive(Debug, Clone)]
pub struct GatherArgmax(Axes);

impl GatherArgmax {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "gather_argmax",
        signature: "gather_argmax(x, y, axis=None, keepdims=False)",
        formula: "the entry of y where x is largest",
        class: "that of the widest of its arguments; discontinuous in x",
        ties: "the simplex over the tied entries, in y, if their values agree",
        source: "numpy.take_along_axis(y, numpy.argmax(x)); Bolte, Pauwels 2020 for the conservative set of a selection",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["axis", "keepdims"])?;
            let [x, y] = [call.var(0)?, call.var(1)?];
            let rank = x.rank().max(y.rank());
            Ok(gather_argmax(x, y, Axes::read(call, 2, rank)?, call.place.clone()))
        },
        // Continuous ones: whatever stands in y is a function of what stands in x.
        samples: &[
            Sample::new("gather_argmax(x, x)", MATRIX),
            Sample::new("gather_argmax(x, x * x + 1, axis=0)", MATRIX),
            Sample::new("gather_argmax(x, 3 * x, axis=1, keepdims=True)", MATRIX),
        ],
    };
}

fn gather_argmax<'p>(x: Var<'p>, y: Var<'p>, axes: Axes, place: Place) -> Var<'p> {
    let shape = broadcast(&x.shape(), &y.shape());
    let [x, y] = [x, y].map(|v| shape.as_ref().map_or(v, |shape| v.broadcast_to(shape)));
    x.builder().apply_at(Arc::new(GatherArgmax(axes)), &[x, y], place)
}

/// Where the largest entry of a slice is, the first of several; where the first NaN is.
fn argmax<T: Scalar>(x: &[T], positions: impl Iterator<Item = usize>) -> usize {
    let better = |best: usize, at: usize| if x[best].is_nan() || x[at] <= x[best] { best } else { at };
    positions.reduce(better).unwrap_or(0)
}

impl Op for GatherArgmax {
    fn name(&self) -> &'static str {
        "gather_argmax"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if args[0] != args[1] {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = "shapes must be equal, or 1, along each axis counted from the last".into();
            return Err(Fault::Shapes { op: "gather_argmax".into(), shapes, rule });
        }
        self.0.shape_of_some("gather_argmax", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        Class { bounded: args[1].bounded, ..Class::join(args).piecewise_linear() }
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(at.tangents[1].map(|dot| at.args[0].pick(&self.0).guarded_mul(dot).sum_over(&self.0)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let full = |k: usize| match at.mapped[k] {
            true => at.args[k],
            false => at.args[k].broadcast_to(&[&[at.size], at.args[k].shape().as_slice()].concat()),
        };
        Ok(full(0).apply_with(GatherArgmax(self.0.batched(at.ranks[0])), &[full(1)]))
    }

    // Every entry that may be the largest is taken.
    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        let (x, y) = (args[0].intervals(), args[1].intervals());
        let split = self.0.split(args[0].shape());
        Some(Boxes::from_fn(shape, |slice| {
            let at = || split.positions(slice);
            let least = at().fold(f64::NEG_INFINITY, |l, k| l.max(x[k].lo()));
            let unknown = at().any(|k| x[k].is_whole());
            let possible = at().filter(|&k| x[k].hi() >= least).map(|k| y[k]).reduce(|a, b| a.hull(b));
            possible.filter(|_| !unknown).map_or((f64::NEG_INFINITY, f64::INFINITY), |y| (y.lo(), y.hi()))
        }))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // The frameworks' argmax is the first of several.
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }

    fn boundary(&self) -> Option<&dyn Boundary> {
        Some(self)
    }
}

impl ArrayKernel for GatherArgmax {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            for (slice, value) in out.iter_mut().enumerate() {
                let at = argmax(args[0], split.positions(slice));
                *value = if args[0][at].is_nan() { args[0][at] } else { args[1][at] };
            }
        })
    }
}

impl Boundary for GatherArgmax {
    fn at(&self, args: &[f64]) -> BoundaryKind {
        BoundaryKind::Pieces(args[1], args[1])
    }

    fn parts(&self) -> Option<BoundaryParts> {
        None
    }

    fn spread(&self, args: &[&Tensor], slice: &[usize]) -> Option<(f64, f64)> {
        let (x, y) = (args[0].data(), args[1].data());
        let axes = self.0.checked(args[0].shape().len());
        let kept = (0..args[0].shape().len()).filter(|k| !axes.contains(k)).map(|k| args[0].shape()[k]);
        let number = kept.zip(slice).fold(0, |at, (n, i)| at * n + i);
        let split = Split::new(args[0].shape(), &axes);
        let top = x[argmax(x, split.positions(number))];
        let tied = || split.positions(number).filter(|&at| x[at] == top).map(|at| y[at]);
        Some((tied().fold(f64::INFINITY, f64::min), tied().fold(f64::NEG_INFINITY, f64::max)))
    }
}

/// `maxout(x, pieces)`: the axis cut into stretches of `pieces` entries, and the largest of each. Piecewise linear.
///
/// At ties: the hull of the unit vectors of the tied entries. Shapes: the axis becomes `pieces` times shorter. Errors: a
/// length that `pieces` does not divide.
#[derive(Debug, Clone)]
pub struct Maxout {
    pieces: usize,
    axis: i64,
}

impl Maxout {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "maxout",
        signature: "maxout(x, pieces, axis=-1)",
        formula: "the largest of each stretch of `pieces` entries along the axis",
        class: "piecewise linear",
        ties: "the simplex over the tied entries",
        source: "Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 3, &["pieces", "axis"])?;
            let x = call.var(0)?;
            let pieces = call.int("pieces", 1, None)?;
            let axis = call.int("axis", 2, Some(-1))?;
            let pieces = usize::try_from(pieces).map_err(|_| call.fault("`pieces` must be positive"))?;
            let axis = from_last(call.name, x, axis).map_err(|fault| fault.at(call.place.clone()))?;
            Ok(call.apply(Maxout { pieces, axis }, &[x]))
        },
        samples: &[
            Sample::new("maxout(x, 2)", &[("x", &[2, 4])]),
            Sample::new("maxout(x, 3, axis=0)", &[("x", &[3, 2])]),
        ],
    };
}

impl Op for Maxout {
    fn name(&self) -> &'static str {
        "maxout"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("pieces", Param::Int(self.pieces as i64)), ("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let axis = checked_axis("maxout", args[0], self.axis)?;
        let length = args[0][axis];
        if self.pieces == 0 || !length.is_multiple_of(self.pieces) {
            let rule = format!("it must divide the length {length} of axis {axis}");
            return Err(parameter("maxout", "pieces", self.pieces, rule));
        }
        let mut shape = args[0].to_vec();
        shape[axis] /= self.pieces;
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let mut cut = args[0].shape();
        let axis = (cut.len() as i64 + self.axis) as usize;
        cut.splice(axis..=axis, [cut[axis] / self.pieces, self.pieces]);
        Some(args[0].reshape(&cut).max_axis(axis as i64 + 1))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

impl<'p> Var<'p> {
    /// At each place the entry at the position along the axis that is given for that place: the positions, of this
    /// shape, are counted from 0, or from the end if they are negative. See [`TakeAlong`].
    #[track_caller]
    pub fn take_along_axis(self, indices: &[i64], shape: &[usize], axis: i64) -> Var<'p> {
        let place = Place::caller();
        if indices.len() != size(shape) {
            let rule = format!("their shape {shape:?} holds {}", size(shape));
            return self.fail(parameter("take_along_axis", "the number of indices", indices.len(), rule));
        }
        take_along(self, indices, shape, Some(axis), place)
    }

    /// The entry of `y` that stands where this is largest, along any axes. It jumps where several tie: see
    /// [`GatherArgmax`].
    #[track_caller]
    pub fn gather_argmax(self, y: Var<'p>, axes: &Axes) -> Var<'p> {
        let rank = self.rank().max(y.rank());
        gather_argmax(self, y, axes.clone().of(rank), Place::caller())
    }

    /// The largest of each stretch of `pieces` entries along an axis.
    #[track_caller]
    pub fn maxout(self, pieces: usize, axis: i64) -> Var<'p> {
        match from_last("maxout", self, axis) {
            Ok(axis) => self.apply(Maxout { pieces, axis }),
            Err(fault) => self.fail(fault),
        }
    }
}
