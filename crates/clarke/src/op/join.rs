//! Arrays put together.

use super::index::axis_of;
use super::shape::{Reshape, with_leading};
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Builder, Program, Var};
use crate::tensor::size;
use std::sync::Arc;

/// `concatenate([a, b, …], axis=0)`: arrays one after another along an axis that they have.
///
/// Shapes: equal but for that axis, whose lengths add up. Errors: no arrays; scalars; shapes that differ elsewhere.
/// Cost: one copy. Source: numpy.concatenate.
#[derive(Debug, Clone)]
pub struct Concatenate {
    /// The axis, counted from the end: −1 is the last.
    pub axis: i64,
}

impl Concatenate {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "concatenate",
        signature: "concatenate([a, b, …], axis=0)",
        formula: "the arrays one after another along an axis",
        class: "linear",
        ties: "",
        source: "numpy.concatenate",
        notation: Notation::Call,
        call: |call| {
            let (parts, axis) = arguments(call)?;
            Ok(concatenate(call.builder, &parts, axis, call.place.clone()))
        },
        samples: &[
            Sample::new("concatenate([a, b])", &[("a", &[2]), ("b", &[3])]),
            Sample::new("concatenate([a, b, a], axis=-1)", &[("a", &[2, 1]), ("b", &[2, 2])]),
        ],
    };

    /// The place of the axis in arrays of this rank.
    fn place(&self, rank: usize) -> Option<usize> {
        usize::try_from(rank as i64 + self.axis).ok().filter(|&k| k < rank)
    }
}

/// The arrays and the axis of a call: the arrays as a list, as in numpy, or one by one with the axis by name.
fn arguments<'p>(call: &Call<'_, 'p>) -> Result<(Vec<Var<'p>>, i64)> {
    let listed = matches!(call.args.first(), Some(Value::List(_) | Value::Tuple(_)));
    let values = match call.args {
        [Value::List(inside) | Value::Tuple(inside), ..] => {
            call.expect(1, 2, &["axis"])?;
            inside
        }
        args => {
            call.expect(1, usize::MAX, &["axis"])?;
            args
        }
    };
    let parts = values.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
    if parts.is_empty() {
        return Err(call.fault("needs at least one array"));
    }
    let axis = call.int("axis", if listed { 1 } else { usize::MAX }, Some(0))?;
    Ok((parts, axis))
}

impl Op for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis", Param::Int(self.axis))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let refuse = |rule: String| {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            Err(Fault::Shapes { op: "concatenate".into(), shapes, rule })
        };
        let Some(first) = args.first() else { return refuse("it needs at least one array".into()) };
        let Some(axis) = self.place(first.len()) else {
            return refuse(format!("there is no axis {}", self.axis));
        };
        let mut shape = first.to_vec();
        for part in &args[1..] {
            let fits = part.len() == shape.len() && (0..shape.len()).all(|k| k == axis || part[k] == shape[k]);
            if !fits {
                return refuse(format!(
                    "all must have the same number of axes, and equal lengths except along axis {axis}"
                ));
            }
            shape[axis] += part[axis];
        }
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        (args.len() == 1).then(|| args[0])
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let axis = self.place(at.shape.len()).expect("concatenate's shape rule was checked");
        let start: usize = at.shapes[..at.wrt].iter().map(|s| s[axis]).sum();
        Ok(at.cotangent.slice(axis, start..start + at.shape[axis]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let full = |k: usize| {
            let x = at.args[k];
            if at.mapped[k] { x } else { x.broadcast_to(&with_leading(at.size, &x.shape())) }
        };
        let parts: Vec<Var<'p>> = (0..at.args.len()).map(full).collect();
        Ok(parts[0].apply_with(self.clone(), &parts[1..]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Concatenate {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let axis = self.place(out.len()).expect("concatenate's shape rule was checked");
        // What each array brings to each of the blocks before the axis.
        let lengths: Vec<usize> = args.iter().map(|s| size(&s[axis..])).collect();
        let (blocks, block) = (size(&out[..axis]), size(&out[axis..]));
        Kernel::new(move |args, out, _| {
            let mut start = 0;
            for (part, &length) in std::iter::zip(args, &lengths) {
                for k in 0..blocks {
                    out[k * block + start..][..length].copy_from_slice(&part[k * length..][..length]);
                }
                start += length;
            }
        })
    }
}

fn concatenate<'p>(builder: &'p Builder, parts: &[Var<'p>], axis: i64, place: Place) -> Var<'p> {
    if parts.iter().any(Var::is_poisoned) {
        return Var::poisoned(builder);
    }
    let shape = parts[0].shape();
    let axis = match axis_of("concatenate", &shape, axis) {
        Ok(axis) => axis as i64 - shape.len() as i64,
        Err(fault) => return builder.failed(fault.at(place)),
    };
    if parts.len() == 1 { parts[0] } else { builder.apply_at(Arc::new(Concatenate { axis }), parts, place) }
}

/// `stack([a, b, …], axis=0)`: arrays of one shape along a new axis. It is written as reshapes and a concatenation.
///
/// Errors: no arrays; shapes that differ. Source: numpy.stack.
pub struct Stack;

impl Stack {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "stack",
        signature: "stack([a, b, …], axis=0)",
        formula: "the arrays, of one shape, along a new axis",
        class: "linear",
        ties: "",
        source: "numpy.stack",
        notation: Notation::Call,
        call: |call| {
            let (parts, axis) = arguments(call)?;
            Ok(stack(call.builder, &parts, axis, call.place.clone()))
        },
        samples: &[
            Sample::new("stack([a, b])", &[("a", &[]), ("b", &[])]),
            Sample::new("stack([a, b], axis=-1)", &[("a", &[2, 3]), ("b", &[2, 3])]),
        ],
    };
}

fn stack<'p>(builder: &'p Builder, parts: &[Var<'p>], axis: i64, place: Place) -> Var<'p> {
    if parts.iter().any(Var::is_poisoned) {
        return Var::poisoned(builder);
    }
    let shapes: Vec<Vec<usize>> = parts.iter().map(Var::shape).collect();
    let mut shape = shapes[0].clone();
    let fault = if shapes.iter().any(|s| *s != shape) {
        Err(Fault::Shapes { op: "stack".into(), shapes, rule: "all must have the same shape".into() })
    } else {
        shape.insert(0, 1);
        axis_of("stack", &shape, axis)
    };
    let axis = match fault {
        Ok(axis) => axis,
        Err(fault) => return builder.failed(fault.at(place)),
    };
    // The new axis stood first to be counted; it is moved to its place.
    shape.remove(0);
    shape.insert(axis, 1);
    let expanded: Vec<Var<'p>> = parts
        .iter()
        .map(|x| builder.apply_at(Arc::new(Reshape { shape: shape.clone() }), &[*x], place.clone()))
        .collect();
    concatenate(builder, &expanded, axis as i64, place)
}

impl<'p> Var<'p> {
    /// This array and the others one after another along an axis that they have: `concatenate([self, …], axis)`.
    ///
    /// ```
    /// use clarke::Program;
    /// let f = Program::trace(&[&[2], &[1]], |v| v[0].concatenate(&[v[1], v[0]], 0))?;
    /// assert_eq!(f.eval(&[[1.0, 2.0].into(), [3.0].into()])?[0].data(), [1.0, 2.0, 3.0, 1.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn concatenate(self, others: &[Var<'p>], axis: usize) -> Var<'p> {
        let parts: Vec<Var<'p>> = std::iter::once(self).chain(others.iter().copied()).collect();
        concatenate(self.builder(), &parts, axis as i64, Place::caller())
    }

    /// This array and the others, of the same shape, along a new axis: `stack([self, …], axis)`.
    #[track_caller]
    pub fn stack(self, others: &[Var<'p>], axis: usize) -> Var<'p> {
        let parts: Vec<Var<'p>> = std::iter::once(self).chain(others.iter().copied()).collect();
        stack(self.builder(), &parts, axis as i64, Place::caller())
    }
}
