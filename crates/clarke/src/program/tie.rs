//! Ties: the only source of nonsmoothness, and how a choice at one is described.

use super::op::Op;
use crate::error::Place;
use crate::tensor::Tensor;
use std::sync::Arc;

/// A set-valued primitive: an operator of arguments `(u, s)` whose value is one matrix off the tie and, at a tie,
/// the element of its set that the selection `s` picks.
///
/// The selection is either a scalar, read as a convention common to all elements (each tie documents how), or an array
/// that picks for each element, with the shape that `random` returns.
pub trait Tie {
    /// Whether the selection is one number of [0, 1] for each element.
    fn is_interval(&self) -> bool {
        false
    }

    /// The ties met at `u`: elements within the absolute tolerance of having several pieces.
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met>;

    /// A selection array from the relative interior of the set, drawn by numbers uniform in (0, 1).
    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor;

    /// The selection array that the directions decide: the sign (order, direction) of the first tangent in `dots`,
    /// each of the shape of `u`, that separates the tied elements; the default selection where none does.
    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor;
}

/// A tie that was met.
#[derive(Debug, Clone, PartialEq)]
pub struct Met {
    /// Which element (for a tie along axes: which slice); empty for a scalar.
    pub index: Vec<usize>,
    /// How many pieces meet; None if infinitely many.
    pub pieces: Option<u64>,
    /// How far the furthest of the elements counted as tied is from an exact tie; 0 at tolerance 0.
    pub distance: f64,
}

/// A tie as it stands in a derivative program: who wrote it, and where.
#[derive(Debug, Clone)]
pub struct Site {
    /// The tie.
    pub tie: Arc<dyn Op>,
    /// The operator whose derivative has the tie, as the user wrote it.
    pub owner: Arc<dyn Op>,
    /// The operator that wrote the tie, where `owner` is defined by other operators, with its own numbering.
    pub inner: Option<(Arc<dyn Op>, usize)>,
    /// Where the owner is defined by other operators: those that contain the tie, from the outside in, each as its node
    /// in the linearization and the number of the tie within it.
    pub(crate) within: Vec<(usize, usize)>,
    /// The number of the tie within the owner, as its conventions count.
    pub ordinal: usize,
    /// The number of the tie within the node.
    pub number: usize,
    /// The node of the owner in the program that was linearized.
    pub node: usize,
    /// Where the owner stands in the user's program.
    pub place: Place,
}

impl Site {
    /// What a convention picks at this tie.
    pub fn choice(&self, convention: Convention) -> Choice {
        let inner = self.inner.as_ref().map(|(op, k)| op.choice(*k, convention, None));
        self.owner.choice(self.ordinal, convention, inner)
    }
}

/// A family of choices at ties that some framework makes, or this library's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Convention {
    /// The element of least norm of each elementary operator's own set: this library's default.
    MinNorm,
    /// What PyTorch returns.
    PyTorch,
    /// What JAX returns.
    Jax,
    /// What TensorFlow returns.
    TensorFlow,
}

/// What a convention picks at a tie: a scalar selection, and a note where it is not what the framework does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The scalar selection.
    pub selection: f64,
    /// What the framework does instead, where that is no element of the set.
    pub note: Option<&'static str>,
}

impl Choice {
    /// A selection the framework really makes.
    pub const fn plain(selection: f64) -> Choice {
        Choice { selection, note: None }
    }

    /// A selection in place of something the framework does that is no element of the set.
    pub const fn instead(selection: f64, note: &'static str) -> Choice {
        Choice { selection, note: Some(note) }
    }
}
