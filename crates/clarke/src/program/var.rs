//! The handle of a value while a program is traced.

use super::builder::Builder;
use super::op::Op;
use super::{Kind, Program};
use crate::error::{Fault, Place};
use crate::tensor::Tensor;
use std::fmt;
use std::sync::Arc;

/// A value of the program being traced. `Copy`; operators and numpy's functions on it record nodes.
///
/// The methods for operators stand beside each operator's definition, in `op/`.
#[derive(Clone, Copy)]
pub struct Var<'p> {
    builder: &'p Builder,
    id: usize,
}

const POISON: usize = usize::MAX;

impl<'p> Var<'p> {
    pub(crate) fn new(builder: &'p Builder, id: usize) -> Var<'p> {
        Var { builder, id }
    }

    pub(crate) fn poisoned(builder: &'p Builder) -> Var<'p> {
        Var { builder, id: POISON }
    }

    /// Whether this came out of a mistake, which the trace will return.
    pub fn is_poisoned(&self) -> bool {
        self.id == POISON
    }

    /// Its number among the nodes of the program under construction, by which [`Builder::var`] finds it again; of a
    /// poisoned variable none that is found.
    pub fn id(&self) -> usize {
        self.id
    }

    /// The program under construction.
    pub fn builder(&self) -> &'p Builder {
        self.builder
    }

    /// The shape; empty for a scalar (and for a poisoned variable).
    pub fn shape(&self) -> Vec<usize> {
        if self.is_poisoned() { vec![] } else { self.builder.node(self.id, |n| n.shape.clone()) }
    }

    /// Whether it has this shape.
    pub(crate) fn has_shape(&self, shape: &[usize]) -> bool {
        !self.is_poisoned() && self.builder.node(self.id, |n| n.shape == shape)
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// Where it was written.
    pub fn place(&self) -> Place {
        if self.is_poisoned() { Place::Unknown } else { self.builder.node(self.id, |n| n.place.clone()) }
    }

    /// The value, if it is a constant.
    pub fn known(&self) -> Option<Arc<Tensor>> {
        if self.is_poisoned() {
            return None;
        }
        self.builder.node(self.id, |n| match &n.kind {
            Kind::Constant(c) => Some(c.clone()),
            _ => None,
        })
    }

    /// The number, if it is a constant scalar.
    pub fn known_scalar(&self) -> Option<f64> {
        self.known().filter(|c| c.data().len() == 1).map(|c| c.data()[0])
    }

    /// The operator and arguments that made it, if it was made by one of this name: for recognizing disguises.
    pub fn made_by(&self, name: &str) -> Option<(Arc<dyn Op>, Vec<Var<'p>>)> {
        if self.is_poisoned() {
            return None;
        }
        let builder = self.builder;
        builder.node(self.id, |n| match &n.kind {
            Kind::Apply { op, args } if op.name() == name => {
                Some((op.clone(), args.iter().map(|&a| Var::new(builder, a)).collect()))
            }
            _ => None,
        })
    }

    /// The number, if it is a constant that holds one number everywhere, perhaps broadcast.
    pub fn uniform(&self) -> Option<f64> {
        if self.is_poisoned() {
            return None;
        }
        let (number, stretched) = self.builder.node(self.id, |n| match &n.kind {
            Kind::Constant(c) => {
                let first = *c.data().first()?;
                c.data().iter().all(|x| x.to_bits() == first.to_bits()).then_some((Some(first), 0))
            }
            Kind::Apply { op, args } if op.name() == "broadcast_to" => Some((None, args[0])),
            _ => None,
        })?;
        number.or_else(|| Var::new(self.builder, stretched).uniform())
    }

    /// Whether it is a constant with this number everywhere, perhaps broadcast.
    pub fn is_everywhere(&self, x: f64) -> bool {
        self.uniform() == Some(x)
    }

    /// The operator and arguments that made it.
    pub(crate) fn application(&self) -> Option<(Arc<dyn Op>, Vec<Var<'p>>)> {
        let builder = self.builder;
        builder.node(self.id, |n| match &n.kind {
            Kind::Apply { op, args } => Some((op.clone(), args.iter().map(|&a| Var::new(builder, a)).collect())),
            _ => None,
        })
    }

    /// Whether two handles are the same node.
    pub fn is(&self, other: &Var<'p>) -> bool {
        self.id == other.id && std::ptr::eq(self.builder, other.builder)
    }

    /// This operator applied to this value alone.
    #[track_caller]
    pub fn apply(self, op: impl Op) -> Var<'p> {
        let place = Place::caller();
        self.builder.apply_at(Arc::new(op), &[self], place)
    }

    /// This operator applied to this value and others.
    #[track_caller]
    pub fn apply_with(self, op: impl Op, others: &[Var<'p>]) -> Var<'p> {
        let place = Place::caller();
        let mut args = vec![self];
        args.extend_from_slice(others);
        self.builder.apply_at(Arc::new(op), &args, place)
    }

    /// A constant of the same program.
    #[track_caller]
    pub fn constant(self, value: impl Into<Tensor>) -> Var<'p> {
        self.builder.constant(value)
    }

    /// A poisoned variable: the mistake, at the caller's line, is what the trace returns.
    #[track_caller]
    pub fn fail(self, fault: Fault) -> Var<'p> {
        let place = Place::caller();
        self.builder.failed(fault.at(place))
    }

    /// Applies a program to arrays of this trace.
    pub fn call(program: &Program, args: &[Var<'p>]) -> Vec<Var<'p>> {
        args[0].builder.inline(program, args)
    }
}

impl fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_poisoned() { write!(f, "Var(poisoned)") } else { write!(f, "Var(%{}: {:?})", self.id, self.shape()) }
    }
}
