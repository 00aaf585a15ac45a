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

    /// The faces at `u`: for each set that is no single point, which entries of the tie's value it moves, and what it is.
    /// Different faces move different entries, and each is chosen from freely. `u` is exactly tied where it counts as
    /// tied (see [`Tie::snap`]).
    ///
    /// By default one face of [`Pieces::Unknown`] for each tie met: an analysis then knows that there is a set, and
    /// nothing of it.
    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let unknown = |met: Met| Face { index: met.index, entries: vec![], pieces: Pieces::Unknown };
        self.met(u, 0.0).into_iter().map(unknown).collect()
    }

    /// Whether the value of the tie is the element of its set itself, so that a derivative is affine in it; else it is
    /// a code (positions, weights) that the operators which read it turn into an element.
    fn is_affine(&self) -> bool {
        true
    }

    /// `u` with what is tied within the absolute tolerance made exactly tied. None if the tie cannot do that.
    fn snap(&self, _u: &Tensor, _tolerance: f64) -> Option<Tensor> {
        None
    }

    /// The value (of the tie's shape) that maximizes ⟨g, value⟩ over the set at every face of [`Pieces::Body`]; what
    /// stands elsewhere is not read. None if the tie has no such face, or cannot tell.
    fn maximize(&self, _u: &Tensor, _g: &Tensor) -> Option<Tensor> {
        None
    }
}

/// A set of a tie that is no single point.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Which element (for a tie along axes: which slice), as in [`Met`].
    pub index: Vec<usize>,
    /// The entries of the tie's value that the set moves, as flat positions.
    pub entries: Vec<usize>,
    /// What the set is.
    pub pieces: Pieces,
}

/// What the set at a face is.
#[derive(Debug, Clone, PartialEq)]
pub enum Pieces {
    /// [0, 1] in one entry: 1 where the tangent of the argument's entry at the same position is positive, 0 where it is
    /// negative.
    Segment,
    /// The simplex over the entries: the unit vector of that entry whose argument has the largest tangent, the argument
    /// having the tie's shape.
    Simplex,
    /// The hull of finitely many values.
    List(Vec<Piece>),
    /// A convex set with infinitely many extreme points, known by [`Tie::maximize`]. The entries of its values are at
    /// most `bound` in magnitude.
    Body {
        /// The bound on every entry.
        bound: f64,
    },
    /// Nothing is known but that there is a set.
    Unknown,
}

/// One of finitely many values of a tie at a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The values at the face's entries.
    pub values: Vec<f64>,
    /// The linear forms of the argument's tangent that are positive where a direction realizes this piece; None where
    /// that is not known.
    pub forms: Option<Vec<Form>>,
}

/// A linear form Σ c·u̇ᵢ of the entries of a tie's argument, as pairs (flat position i, coefficient c).
pub type Form = Vec<(usize, f64)>;

impl Face {
    /// How many pieces there are; None for infinitely many or unknown ones.
    pub fn count(&self) -> Option<usize> {
        match &self.pieces {
            Pieces::Segment => Some(2),
            Pieces::Simplex => Some(self.entries.len()),
            Pieces::List(all) => Some(all.len()),
            Pieces::Body { .. } | Pieces::Unknown => None,
        }
    }

    /// Writes the k-th piece into a value of the tie.
    pub fn write(&self, k: usize, value: &mut [f64]) {
        match &self.pieces {
            Pieces::Segment => value[self.entries[0]] = k as f64,
            Pieces::Simplex => self.entries.iter().enumerate().for_each(|(j, &at)| value[at] = f64::from(j == k)),
            Pieces::List(all) => {
                std::iter::zip(&self.entries, &all[k].values).for_each(|(&at, x)| value[at] = *x);
            }
            Pieces::Body { .. } | Pieces::Unknown => {}
        }
    }

    /// The forms that are positive where a direction realizes the k-th piece; None where that is not known.
    pub fn forms(&self, k: usize) -> Option<Vec<Form>> {
        match &self.pieces {
            Pieces::Segment => Some(vec![vec![(self.entries[0], if k == 1 { 1.0 } else { -1.0 })]]),
            Pieces::Simplex => {
                let own = self.entries[k];
                let others = self.entries.iter().filter(|&&at| at != own);
                Some(others.map(|&at| vec![(own, 1.0), (at, -1.0)]).collect())
            }
            Pieces::List(all) => all[k].forms.clone(),
            Pieces::Body { .. } | Pieces::Unknown => None,
        }
    }
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
