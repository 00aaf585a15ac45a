//! Arrays made larger at their edges, and rolled over them.

use super::index::{Index, axis_of, parameter};
use super::layout::Layout;
use super::rearrange::{raveled, written};
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value, describe};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Sample,
    Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::{size, strides};

/// What `pad` puts around an array, by numpy's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// A number.
    Constant(f64),
    /// The entry at the edge.
    Edge,
    /// The entries next to the edge, mirrored: `c b | a b c | b a`.
    Reflect,
    /// The entries from the edge on, mirrored: `b a | a b c | c b`.
    Symmetric,
    /// The entries from the other end: `b c | a b c | a b`.
    Wrap,
}

/// `pad(x, pad_width, mode="constant", constant_values=0)`: x with further entries before and after along each axis.
///
/// Shapes: each axis grows by its two widths. In the modes "edge", "reflect", "symmetric" and "wrap" it is written as a
/// concatenation of slices. Errors: a negative width; a mirrored or wrapped part longer than what there is to mirror.
/// Cost: one copy. Source: numpy.pad.
#[derive(Debug, Clone)]
pub struct Pad {
    widths: Vec<(usize, usize)>,
    value: f64,
}

impl Pad {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "pad",
        signature: "pad(x, pad_width, mode=\"constant\", constant_values=0)",
        formula: "x with further entries before and after along each axis",
        class: "linear",
        ties: "",
        source: "numpy.pad",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 4, &["pad_width", "mode", "constant_values"])?;
            let x = call.var(0)?;
            let widths = widths(call, x.rank())?;
            let mode = match call.text("mode", 2)?.unwrap_or("constant") {
                "constant" => PadMode::Constant(call.number("constant_values", 3, Some(0.0))?),
                "edge" => PadMode::Edge,
                "reflect" => PadMode::Reflect,
                "symmetric" => PadMode::Symmetric,
                "wrap" => PadMode::Wrap,
                other => {
                    let known = "constant, edge, reflect, symmetric and wrap";
                    return Err(call.fault(format!("`mode` cannot be \"{other}\"; the modes are {known}")));
                }
            };
            Ok(written(call.builder, &[x], call.place.clone(), || pad(x, &widths, mode)))
        },
        samples: &[
            Sample::new("pad(x, 1)", &[("x", &[2, 3])]),
            Sample::new("pad(x, ((0, 2), (1, 0)))", &[("x", &[2, 3])]),
            Sample::new("pad(x, (2, 1), constant_values=1.5)", &[("x", &[3])]),
            Sample::new("pad(x, ((1, 2), (0, 1)), \"edge\")", &[("x", &[2, 3])]),
            Sample::new("pad(x, (2, 1), mode=\"reflect\")", &[("x", &[3])]),
            Sample::new("pad(x, (2, 3), mode=\"symmetric\")", &[("x", &[3])]),
            Sample::new("pad(x, (2, 3), mode=\"wrap\")", &[("x", &[3])]),
        ],
    };

    /// Further entries of one number.
    pub(super) fn new(widths: Vec<(usize, usize)>, value: f64) -> Pad {
        Pad { widths, value }
    }
}

/// Reads numpy's forms: one number for all edges, a pair for all axes, or a pair for each axis.
fn widths(call: &Call<'_, '_>, rank: usize) -> Result<Vec<(usize, usize)>> {
    let wrong =
        || call.fault("`pad_width` must be n, (before, after), or ((before, after), …) with a pair for each axis");
    let number = |v: &Value<'_>| match v {
        Value::Number(n) if *n < 0.0 => Err(call.fault(format!("`pad_width` holds {n}; widths are not negative"))),
        Value::Number(n) if n.fract() == 0.0 && *n <= 1e15 => Ok(*n as usize),
        _ => Err(wrong()),
    };
    let pair = |v: &Value<'_>| match v {
        Value::Tuple(two) | Value::List(two) => match two.as_slice() {
            [both] => Ok((number(both)?, number(both)?)),
            [before, after] => Ok((number(before)?, number(after)?)),
            _ => Err(wrong()),
        },
        both => Ok((number(both)?, number(both)?)),
    };
    let nested = |v: &Value<'_>| matches!(v, Value::Tuple(_) | Value::List(_));
    match call.optional("pad_width", 1) {
        None => Err(call.fault("`pad_width` is missing")),
        Some(Value::Var(v)) => {
            // A list of numbers with a name is a constant.
            let known =
                v.known().ok_or_else(|| call.fault(format!("`pad_width` cannot be {}", describe(&Value::Var(*v)))))?;
            let items: Vec<Value<'_>> = known.data().iter().map(|x| Value::Number(*x)).collect();
            match known.shape() {
                [] | [1] | [2] => Ok(vec![pair(&Value::List(items))?; rank]),
                &[n, 2] if n == rank => items.chunks(2).map(|two| pair(&Value::List(two.to_vec()))).collect(),
                _ => Err(wrong()),
            }
        }
        Some(Value::Tuple(all) | Value::List(all)) if all.iter().any(nested) => match all.as_slice() {
            [one] => Ok(vec![pair(one)?; rank]),
            each if each.len() == rank => each.iter().map(pair).collect(),
            _ => Err(call.fault(format!("`pad_width` holds {} pairs for an array of {rank} axes", all.len()))),
        },
        Some(all) => Ok(vec![pair(all)?; rank]),
    }
}

fn pad<'p>(x: Var<'p>, widths: &[(usize, usize)], mode: PadMode) -> Result<Var<'p>, Fault> {
    if let PadMode::Constant(value) = mode {
        return Ok(x.apply(Pad { widths: widths.to_vec(), value }));
    }
    if widths.len() != x.rank() {
        return Err(count_fault(&x.shape(), widths.len()));
    }
    let mut padded = x;
    for (axis, &(before, after)) in widths.iter().enumerate() {
        padded = extended(padded, axis, before, after, mode)?;
    }
    Ok(padded)
}

fn count_fault(shape: &[usize], count: usize) -> Fault {
    let rule = format!("{count} pairs of widths are given for {} axes", shape.len());
    Fault::Shapes { op: "pad".into(), shapes: vec![shape.to_vec()], rule }
}

/// One axis made longer by entries of its own.
fn extended<'p>(x: Var<'p>, axis: usize, before: usize, after: usize, mode: PadMode) -> Result<Var<'p>, Fault> {
    let shape = x.shape();
    let n = shape[axis];
    let most = match mode {
        PadMode::Edge if n > 0 => usize::MAX,
        PadMode::Reflect => n.saturating_sub(1),
        _ => n,
    };
    if let Some(wide) = [before, after].into_iter().find(|&w| w > most) {
        let rule = format!("axis {axis} has length {n}, which gives at most {most} entries in this mode");
        return Err(parameter("pad", "pad_width", wide, rule));
    }
    // From position `first`, this many, going up or down.
    let run = |first: usize, count: usize, step: i64| {
        let stop = first as i64 + count as i64 * step;
        let stop = (stop >= 0).then_some(stop);
        let mut index = vec![Index::Slice(None, None, None); axis];
        index.push(Index::Slice(Some(first as i64), stop, Some(step)));
        x.getitem(&index)
    };
    let edge = |at: usize, count: usize| {
        let mut to = shape.clone();
        to[axis] = count;
        run(at, 1, 1).broadcast_to(&to)
    };
    let left = |w: usize| match mode {
        PadMode::Edge => edge(0, w),
        PadMode::Reflect => run(w, w, -1),
        PadMode::Symmetric => run(w - 1, w, -1),
        _ => run(n - w, w, 1),
    };
    let right = |w: usize| match mode {
        PadMode::Edge => edge(n - 1, w),
        PadMode::Reflect => run(n - 2, w, -1),
        PadMode::Symmetric => run(n - 1, w, -1),
        _ => run(0, w, 1),
    };
    let mut parts = vec![];
    parts.extend((before > 0).then(|| left(before)));
    parts.push(x);
    parts.extend((after > 0).then(|| right(after)));
    Ok(parts[0].concatenate(&parts[1..], axis))
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let pairs: Vec<String> = self.widths.iter().map(|(a, b)| format!("({a}, {b})")).collect();
        let text = if let [one] = pairs.as_slice() { format!("({one},)") } else { format!("({})", pairs.join(", ")) };
        let mut params = vec![("pad_width", Param::Raw(text))];
        if self.value.to_bits() != 0 {
            params.push(("constant_values", Param::Number(self.value)));
        }
        params
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if self.widths.len() != args[0].len() {
            return Err(count_fault(args[0], self.widths.len()));
        }
        let grown = |(&n, &(a, b)): (&usize, &(usize, usize))| n.checked_add(a)?.checked_add(b);
        let shape: Option<Vec<usize>> = std::iter::zip(args[0], &self.widths).map(grown).collect();
        shape.filter(|s| size(s) <= isize::MAX as usize / 8).ok_or_else(|| {
            let rule = "no memory holds an array with such widths".into();
            Fault::Shapes { op: "pad".into(), shapes: vec![args[0].to_vec()], rule }
        })
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    // Around zeros it is linear; around another number affine.
    fn linearity(&self) -> Linearity {
        if self.value == 0.0 { Linearity::Joint } else { Linearity::None }
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(at.tangents[0].map(|dot| dot.apply(Pad { value: 0.0, ..self.clone() })))
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        self.widths.iter().all(|w| *w == (0, 0)).then_some(args[0])
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let part = |(&n, &(before, _)): (&usize, &(usize, usize))| {
            Index::Slice(Some(before as i64), Some((before + n) as i64), None)
        };
        Ok(at.cotangent.getitem(&std::iter::zip(at.shape, &self.widths).map(part).collect::<Vec<_>>()))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let widths = [&[(0, 0)], self.widths.as_slice()].concat();
        Ok(at.args[0].apply(Pad { widths, value: self.value }))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Pad {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let steps = strides(out);
        let start = std::iter::zip(&self.widths, &steps).map(|(w, s)| w.0 * s).sum();
        let steps: Vec<isize> = steps.iter().map(|&s| s as isize).collect();
        let (layout, value) = (Layout::new(args[0], &steps, start), T::of(self.value));
        Kernel::new(move |args, out, _| {
            out.fill(value);
            layout.write(args[0], out);
        })
    }
}

/// `roll(x, shift, axis=None)`: entries moved on along an axis, those that leave it coming back at its other end.
///
/// Without an axis the flat array is rolled; several axes are rolled one after another. Source: numpy.roll.
#[derive(Debug, Clone)]
pub struct Roll {
    shift: i64,
    /// Counted from the end.
    axis: i64,
}

impl Roll {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "roll",
        signature: "roll(x, shift, axis=None)",
        formula: "x with its entries moved on cyclically along an axis",
        class: "linear",
        ties: "",
        source: "numpy.roll",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 3, &["shift", "axis"])?;
            let shift = call.ints("shift", 1)?.ok_or_else(|| call.fault("`shift` is missing"))?;
            let (x, axes) = (call.var(0)?, call.ints("axis", 2)?);
            Ok(written(call.builder, &[x], call.place.clone(), || roll(x, &shift, axes.as_deref())))
        },
        samples: &[
            Sample::new("roll(x, 1)", &[("x", &[2, 3])]),
            Sample::new("roll(x, -1, axis=0)", &[("x", &[3, 2])]),
            Sample::new("roll(x, (1, 4), axis=(0, -1))", &[("x", &[2, 3])]),
        ],
    };
}

fn roll<'p>(x: Var<'p>, shift: &[i64], axes: Option<&[i64]>) -> Result<Var<'p>, Fault> {
    let shape = x.shape();
    let Some(axes) = axes else {
        let total = shift.iter().fold(0, |a: i64, b| a.wrapping_add(*b));
        return Ok(raveled(x).apply(Roll { shift: total, axis: -1 }).reshape(&shape));
    };
    if shift.len() != axes.len() && shift.len() != 1 && axes.len() != 1 {
        let rule = format!("it holds a number for each of the {} axes, or one for all", axes.len());
        return Err(parameter("roll", "shift", format!("{shift:?}"), rule));
    }
    let mut rolled = x;
    for k in 0..shift.len().max(axes.len()) {
        let axis = axis_of("roll", &shape, axes[k.min(axes.len() - 1)])?;
        rolled = rolled.apply(Roll { shift: shift[k.min(shift.len() - 1)], axis: axis as i64 - shape.len() as i64 });
    }
    Ok(rolled)
}

impl Op for Roll {
    fn name(&self) -> &'static str {
        "roll"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shift", Param::Int(self.shift)), ("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        axis_of("roll", args[0], self.axis)?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let n = at.shape[(at.shape.len() as i64 + self.axis) as usize].max(1) as i64;
        Ok(at.cotangent.apply(Roll { shift: -(self.shift % n), axis: self.axis }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Roll {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let axis = (args[0].len() as i64 + self.axis) as usize;
        let length = args[0][axis];
        let (block, inner) = (size(&args[0][axis..]), size(&args[0][axis + 1..]));
        let moved = if length == 0 { 0 } else { self.shift.rem_euclid(length as i64) as usize * inner };
        Kernel::new(move |args, out, _| {
            if block > 0 {
                for (from, to) in std::iter::zip(args[0].chunks_exact(block), out.chunks_exact_mut(block)) {
                    to[moved..].copy_from_slice(&from[..block - moved]);
                    to[..moved].copy_from_slice(&from[block - moved..]);
                }
            }
        })
    }
}

impl<'p> Var<'p> {
    /// With further entries before and after along each axis, see [`Pad`].
    ///
    /// ```
    /// use clarke::{Program, op::pad::PadMode};
    /// let f = Program::trace(&[&[2]], |v| v[0].pad(&[(1, 2)], PadMode::Edge))?;
    /// assert_eq!(f.eval(&[[1.0, 2.0].into()])?[0].data(), [1.0, 1.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(self, widths: &[(usize, usize)], mode: PadMode) -> Var<'p> {
        written(self.builder(), &[self], Place::caller(), || pad(self, widths, mode))
    }

    /// With the entries moved on cyclically along an axis, of the flat array without one, see [`Roll`].
    #[track_caller]
    pub fn roll(self, shift: i64, axis: Option<i64>) -> Var<'p> {
        let axes = axis.map(|axis| [axis]);
        written(self.builder(), &[self], Place::caller(), || roll(self, &[shift], axes.as_ref().map(|a| a.as_slice())))
    }
}
