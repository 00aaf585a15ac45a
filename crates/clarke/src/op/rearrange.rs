//! numpy's functions that only rearrange, written out where they are called in reshapes, transposes, slices and
//! broadcasts. Nothing is copied but by a slice or a transpose.

use super::axes::Axes;
use super::index::{Index, axis_of, parameter};
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::op::{Entry, Notation, Sample};
use crate::program::{Builder, Var};
use crate::tensor::size;

/// What a function that is written out in other operators makes: nodes at its own place; the fault of its arguments.
pub(super) fn written<'p>(
    builder: &'p Builder,
    args: &[Var<'p>],
    place: Place,
    f: impl FnOnce() -> Result<Var<'p>, Fault>,
) -> Var<'p> {
    if args.iter().any(Var::is_poisoned) {
        return Var::poisoned(builder);
    }
    match builder.written_at(place.clone(), f) {
        Ok(value) => value,
        Err(fault) => builder.failed(fault.at(place)),
    }
}

/// The line in the table of a function that only rearranges.
const fn line(
    name: &'static str,
    signature: &'static str,
    formula: &'static str,
    source: &'static str,
    call: for<'p> fn(&Call<'_, 'p>) -> Result<Var<'p>>,
    samples: &'static [Sample],
) -> Entry {
    Entry { name, signature, formula, class: "linear", ties: "", source, notation: Notation::Call, call, samples }
}

/// Where a call of one array stands.
fn here<'p>(call: &Call<'_, 'p>, x: Var<'p>, f: impl FnOnce() -> Result<Var<'p>, Fault>) -> Result<Var<'p>> {
    Ok(written(call.builder, &[x], call.place.clone(), f))
}

const MATRIX: &[(&str, &[usize])] = &[("x", &[2, 3])];
const CUBE: &[(&str, &[usize])] = &[("x", &[2, 3, 2])];

/// `expand_dims(x, axis)`: new axes of length 1, at these places of the value's shape. Source: numpy.expand_dims.
pub const EXPAND_DIMS: Entry = line(
    "expand_dims",
    "expand_dims(x, axis)",
    "x with new axes of length 1 at these places",
    "numpy.expand_dims",
    |call| {
        call.expect(1, 2, &["axis"])?;
        let axes = call.ints("axis", 1)?.ok_or_else(|| call.fault("`axis` is missing"))?;
        let x = call.var(0)?;
        here(call, x, || expand_dims(x, &axes))
    },
    &[Sample::new("expand_dims(x, 1)", MATRIX), Sample::new("expand_dims(x, (0, -1))", MATRIX)],
);

fn expand_dims<'p>(x: Var<'p>, axes: &[i64]) -> Result<Var<'p>, Fault> {
    let own = x.shape();
    let mut shape = vec![None; own.len() + axes.len()];
    let places = vec![1; shape.len()];
    for &axis in axes {
        let k = axis_of("expand_dims", &places, axis)?;
        if shape[k].replace(1).is_some() {
            return Err(parameter("expand_dims", "axis", format!("{axes:?}"), format!("axis {k} is named twice")));
        }
    }
    let mut rest = own.iter();
    let filled: Vec<usize> = shape.into_iter().filter_map(|n| n.or_else(|| rest.next().copied())).collect();
    Ok(x.reshape(&filled))
}

/// `squeeze(x, axis=None)`: without axes of length 1: all of them, or those named. Source: numpy.squeeze.
pub const SQUEEZE: Entry = line(
    "squeeze",
    "squeeze(x, axis=None)",
    "x without axes of length 1",
    "numpy.squeeze",
    |call| {
        call.expect(1, 2, &["axis"])?;
        let (x, axes) = (call.var(0)?, call.ints("axis", 1)?);
        here(call, x, || squeeze(x, axes.as_deref()))
    },
    &[Sample::new("squeeze(x)", &[("x", &[1, 3, 1])]), Sample::new("squeeze(x, 0)", &[("x", &[1, 3, 1])])],
);

fn squeeze<'p>(x: Var<'p>, axes: Option<&[i64]>) -> Result<Var<'p>, Fault> {
    let own = x.shape();
    let dropped: Vec<usize> = match axes {
        None => (0..own.len()).filter(|&k| own[k] == 1).collect(),
        Some(axes) => axes.iter().map(|&a| axis_of("squeeze", &own, a)).collect::<Result<_, _>>()?,
    };
    if let Some(&k) = dropped.iter().find(|&&k| own[k] != 1) {
        return Err(parameter("squeeze", "axis", k, format!("axis {k} has length {}, not 1", own[k])));
    }
    let shape: Vec<usize> = (0..own.len()).filter(|k| !dropped.contains(k)).map(|k| own[k]).collect();
    Ok(x.reshape(&shape))
}

/// `swapaxes(x, axis1, axis2)`: two axes exchanged. Source: numpy.swapaxes.
pub const SWAPAXES: Entry = line(
    "swapaxes",
    "swapaxes(x, axis1, axis2)",
    "x with two axes exchanged",
    "numpy.swapaxes",
    |call| {
        call.expect(1, 3, &["axis1", "axis2"])?;
        let (x, a, b) = (call.var(0)?, call.int("axis1", 1, None)?, call.int("axis2", 2, None)?);
        here(call, x, || swapaxes(x, a, b))
    },
    &[Sample::new("swapaxes(x, 0, -1)", CUBE)],
);

fn swapaxes<'p>(x: Var<'p>, a: i64, b: i64) -> Result<Var<'p>, Fault> {
    let own = x.shape();
    let mut axes: Vec<usize> = (0..own.len()).collect();
    axes.swap(axis_of("swapaxes", &own, a)?, axis_of("swapaxes", &own, b)?);
    Ok(permuted(x, &axes))
}

/// The axes in this order; nothing is made where they stand in it.
pub(super) fn permuted<'p>(x: Var<'p>, axes: &[usize]) -> Var<'p> {
    if axes.iter().enumerate().all(|(k, &a)| k == a) { x } else { x.transpose(axes) }
}

/// `moveaxis(x, source, destination)`: axes moved to other places, the others in their order. Source: numpy.moveaxis.
pub const MOVEAXIS: Entry = line(
    "moveaxis",
    "moveaxis(x, source, destination)",
    "x with axes moved to other places",
    "numpy.moveaxis",
    |call| {
        call.expect(1, 3, &["source", "destination"])?;
        let get = |name: &str, k: usize| call.ints(name, k)?.ok_or_else(|| call.fault(format!("`{name}` is missing")));
        let (x, from, to) = (call.var(0)?, get("source", 1)?, get("destination", 2)?);
        here(call, x, || moveaxis(x, &from, &to))
    },
    &[Sample::new("moveaxis(x, 0, -1)", CUBE), Sample::new("moveaxis(x, (0, 1), (-1, 0))", CUBE)],
);

fn moveaxis<'p>(x: Var<'p>, from: &[i64], to: &[i64]) -> Result<Var<'p>, Fault> {
    let own = x.shape();
    if from.len() != to.len() {
        let rule = format!("as many are needed as the {} of source", from.len());
        return Err(parameter("moveaxis", "destination", format!("{to:?}"), rule));
    }
    let read = |name: &str, given: &[i64]| {
        let axes: Vec<usize> = given.iter().map(|&a| axis_of("moveaxis", &own, a)).collect::<Result<_, _>>()?;
        match axes.iter().enumerate().find(|(k, a)| axes[..*k].contains(a)) {
            Some((_, a)) => Err(parameter("moveaxis", name, format!("{given:?}"), format!("axis {a} is named twice"))),
            None => Ok(axes),
        }
    };
    let (from, to) = (read("source", from)?, read("destination", to)?);
    let mut order: Vec<Option<usize>> = vec![None; own.len()];
    std::iter::zip(&from, &to).for_each(|(&f, &t)| order[t] = Some(f));
    let mut rest = (0..own.len()).filter(|k| !from.contains(k));
    let axes: Vec<usize> = order.into_iter().filter_map(|a| a.or_else(|| rest.next())).collect();
    Ok(permuted(x, &axes))
}

/// `ravel(x)`: all entries in row-major order as a vector. Source: numpy.ravel.
pub const RAVEL: Entry = line(
    "ravel",
    "ravel(x)",
    "the entries in row-major order as a vector",
    "numpy.ravel",
    |call| {
        call.expect(1, 1, &[])?;
        let x = call.var(0)?;
        here(call, x, || Ok(raveled(x)))
    },
    &[Sample::new("ravel(x)", MATRIX)],
);

pub(super) fn raveled(x: Var<'_>) -> Var<'_> {
    x.reshape(&[size(&x.shape())])
}

/// `flip(x, axis=None)`: the entries in reverse order along an axis, along some, or along all. Source: numpy.flip.
pub const FLIP: Entry = line(
    "flip",
    "flip(x, axis=None)",
    "x in reverse order along an axis, or along all",
    "numpy.flip",
    |call| {
        call.expect(1, 2, &["axis"])?;
        let (x, axes) = (call.var(0)?, call.ints("axis", 1)?);
        here(call, x, || flip(x, &axes.map_or(Axes::all(), |axes| Axes::many(&axes))))
    },
    &[Sample::new("flip(x)", MATRIX), Sample::new("flip(x, axis=-1)", MATRIX), Sample::new("flip(x, (0, 2))", CUBE)],
);

fn flip<'p>(x: Var<'p>, axes: &Axes) -> Result<Var<'p>, Fault> {
    let rank = x.rank();
    let axes = axes.clone().of(rank).resolve("flip", rank)?;
    let index = |k: usize| Index::Slice(None, None, axes.contains(&k).then_some(-1));
    Ok(x.getitem(&(0..rank).map(index).collect::<Vec<_>>()))
}

/// `repeat(x, repeats, axis=None)`: each entry along the axis this many times, one beside the other; of the flat array
/// without an axis. Source: numpy.repeat, with one count for all entries.
pub const REPEAT: Entry = line(
    "repeat",
    "repeat(x, repeats, axis=None)",
    "each entry along the axis repeated in its place",
    "numpy.repeat",
    |call| {
        call.expect(1, 3, &["repeats", "axis"])?;
        let count = usize::try_from(call.int("repeats", 1, None)?);
        let count = count.map_err(|_| call.fault("`repeats` must not be negative"))?;
        let axis = match call.optional("axis", 2) {
            None | Some(Value::None) => None,
            Some(_) => Some(call.int("axis", 2, None)?),
        };
        let x = call.var(0)?;
        here(call, x, || repeat(x, count, axis))
    },
    &[Sample::new("repeat(x, 2)", MATRIX), Sample::new("repeat(x, 3, axis=0)", MATRIX)],
);

fn repeat<'p>(x: Var<'p>, count: usize, axis: Option<i64>) -> Result<Var<'p>, Fault> {
    let (x, axis) = match axis {
        None => (raveled(x), 0),
        Some(axis) => (x, axis_of("repeat", &x.shape(), axis)?),
    };
    let mut shape = x.shape();
    shape.insert(axis + 1, 1);
    let column = x.reshape(&shape);
    shape[axis + 1] = count;
    let many = column.broadcast_to(&shape);
    let own = shape.remove(axis);
    shape[axis] = own * count;
    Ok(many.reshape(&shape))
}

/// `tile(x, reps)`: copies of the whole array side by side, this many along each of the last axes; new leading axes
/// where there are more counts than axes. Source: numpy.tile.
pub const TILE: Entry = line(
    "tile",
    "tile(x, reps)",
    "copies of the array side by side",
    "numpy.tile",
    |call| {
        call.expect(1, 2, &["reps"])?;
        let reps = call.ints("reps", 1)?.ok_or_else(|| call.fault("`reps` is missing"))?;
        let reps: Vec<usize> = reps
            .iter()
            .map(|&n| usize::try_from(n))
            .collect::<Result<_, _>>()
            .map_err(|_| call.fault("`reps` must not hold negative numbers"))?;
        let x = call.var(0)?;
        here(call, x, || Ok(tile(x, &reps)))
    },
    &[
        Sample::new("tile(x, 2)", MATRIX),
        Sample::new("tile(x, (2, 1, 3))", MATRIX),
        Sample::new("tile(x, (2, 2))", &[("x", &[3])]),
    ],
);

fn tile<'p>(x: Var<'p>, reps: &[usize]) -> Var<'p> {
    let own = x.shape();
    let rank = own.len().max(reps.len());
    let aligned = |of: &[usize]| [vec![1; rank - of.len()], of.to_vec()].concat();
    let (own, reps) = (aligned(&own), aligned(reps));
    let pairs = |first: &[usize]| std::iter::zip(first, &own).flat_map(|(&r, &n)| [r, n]).collect::<Vec<_>>();
    let shape: Vec<usize> = std::iter::zip(&reps, &own).map(|(r, n)| r * n).collect();
    x.reshape(&pairs(&vec![1; rank])).broadcast_to(&pairs(&reps)).reshape(&shape)
}

impl<'p> Var<'p> {
    fn rearranged(self, place: Place, f: impl FnOnce() -> Result<Var<'p>, Fault>) -> Var<'p> {
        written(self.builder(), &[self], place, f)
    }

    /// With new axes of length 1 at these places of the new shape, see [`EXPAND_DIMS`].
    #[track_caller]
    pub fn expand_dims(self, axes: &[i64]) -> Var<'p> {
        self.rearranged(Place::caller(), || expand_dims(self, axes))
    }

    /// Without all axes of length 1, see [`SQUEEZE`].
    #[track_caller]
    pub fn squeeze(self) -> Var<'p> {
        self.rearranged(Place::caller(), || squeeze(self, None))
    }

    /// Without these axes, which must have length 1, see [`SQUEEZE`].
    #[track_caller]
    pub fn squeeze_axes(self, axes: &[i64]) -> Var<'p> {
        self.rearranged(Place::caller(), || squeeze(self, Some(axes)))
    }

    /// With two axes exchanged, see [`SWAPAXES`].
    #[track_caller]
    pub fn swapaxes(self, axis1: i64, axis2: i64) -> Var<'p> {
        self.rearranged(Place::caller(), || swapaxes(self, axis1, axis2))
    }

    /// With axes moved to other places, see [`MOVEAXIS`].
    #[track_caller]
    pub fn moveaxis(self, source: &[i64], destination: &[i64]) -> Var<'p> {
        self.rearranged(Place::caller(), || moveaxis(self, source, destination))
    }

    /// All entries in row-major order as a vector, see [`RAVEL`].
    #[track_caller]
    pub fn ravel(self) -> Var<'p> {
        self.rearranged(Place::caller(), || Ok(raveled(self)))
    }

    /// In reverse order along axes, see [`FLIP`].
    #[track_caller]
    pub fn flip(self, axes: &Axes) -> Var<'p> {
        self.rearranged(Place::caller(), || flip(self, axes))
    }

    /// Each entry along the axis this many times; of the flat array without an axis, see [`REPEAT`].
    #[track_caller]
    pub fn repeat(self, repeats: usize, axis: Option<i64>) -> Var<'p> {
        self.rearranged(Place::caller(), || repeat(self, repeats, axis))
    }

    /// Copies of the array side by side, see [`TILE`].
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[2]], |v| v[0].tile(&[2]))?;
    /// assert_eq!(f.eval(&[[1.0, 2.0].into()])?[0].data(), [1.0, 2.0, 1.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn tile(self, reps: &[usize]) -> Var<'p> {
        self.rearranged(Place::caller(), || Ok(tile(self, reps)))
    }
}
