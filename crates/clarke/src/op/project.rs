//! Projections onto convex sets. The ties of those that are compound operators stand in `piece.rs`.

use super::axes::Axes;
use super::convex::Set;
use super::factor::{Field, field_kernels};
use super::kinked::between;
use super::nearest;
use super::null::PsdDirection;
use super::piece::{ConePiece, Support};
use super::spectral::Spectral;
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample};
use crate::program::tie::{Choice, Convention};
use crate::tensor::Boxes;

/// The projection onto a convex set of vectors along the last axis, or of symmetric matrices along the last two (of the
/// symmetric part): the nearest point of the set.
///
/// At ties: of a box and a ball the segments between the pieces at a bound, or on the sphere; of the simplex and the ℓ₁
/// ball the selections say which entries at the threshold move along, and every element is in the Clarke Jacobian,
/// though not affine in them (linear-fractional, one rank each); of the second-order cone every extreme
/// element has a selection; of the positive semidefinite matrices the elements that a direction realizes at eigenvalues
/// 0 (within n·ε·‖x‖), and multiples of the identity on their space. Source: Clarke 1990, 2.6; see each entry.
#[derive(Debug, Clone)]
pub struct Project(pub(super) Set);

const PAIR: &[(&str, &[usize])] = &[("x", &[2, 2])];
const TRIPLE: &[(&str, &[usize])] = &[("x", &[3])];
const TRIPLES: &[(&str, &[usize])] = &[("x", &[2, 3])];
const MATRICES: &[(&str, &[usize])] = &[("x", &[2, 2, 2])];

/// The sets with any parameters: which is read from a call.
pub(super) const BOX: Set = Set::Box { low: 0.0, high: 0.0 };
pub(super) const BALL: Set = Set::Ball { radius: 0.0 };
pub(super) const SIMPLEX: Set = Set::Simplex { radius: 0.0 };
pub(super) const L1: Set = Set::L1 { radius: 0.0 };

/// Reads the call of an operator on points of a set: `name(x, parameters)`.
macro_rules! on_a_set {
    ($op:ident, $set:expr) => {
        |call| {
            call.expect(1, 1 + $set.keywords().len(), $set.keywords())?;
            Ok(call.apply($op($set.read(call, 1)?), &[call.var(0)?]))
        }
    };
}
pub(super) use on_a_set;

impl Project {
    /// The line of the projection onto a box in the table of operators.
    pub const BOX: Entry = Entry {
        name: "project_box",
        signature: "project_box(x, low, high)",
        formula: "the nearest point with low ≤ xᵢ ≤ high",
        class: "piecewise linear",
        ties: "[0, 1] for each xᵢ at a bound",
        source: "Bauschke, Combettes 2017, Example 29.15",
        notation: Notation::Call,
        call: on_a_set!(Project, BOX),
        samples: &[
            Sample::new("project_box(x, -1, 1)", TRIPLES),
            Sample::new("project_box(x, low=None, high=0.5)", TRIPLE),
        ],
    };

    /// The line of the projection onto a ball.
    pub const BALL: Entry = Entry {
        name: "project_ball",
        signature: "project_ball(x, radius)",
        formula: "x · min(1, radius/‖x‖₂), along the last axis",
        class: "semialgebraic",
        ties: "{I − w n nᵀ : 0 ≤ w ≤ 1} where ‖x‖ = radius, n = x/‖x‖",
        source: "Bauschke, Combettes 2017, Proposition 29.10",
        call: on_a_set!(Project, BALL),
        samples: &[Sample::new("project_ball(x, 1)", PAIR), Sample::new("project_ball(x, radius=1.5)", &[("x", &[1])])],
        ..Project::BOX
    };

    /// The line of the projection onto a simplex.
    pub const SIMPLEX: Entry = Entry {
        name: "project_simplex",
        signature: "project_simplex(x, radius=1)",
        formula: "max(x − τ, 0) with Σ = radius, along the last axis",
        class: "piecewise linear",
        ties: "the hull of diag(1_S) − 1_S1_Sᵀ/|S| over the supports S that meet, where xᵢ = τ",
        source: "Duchi, Shalev-Shwartz, Singer, Chandra 2008; Han, Sun 1997",
        call: on_a_set!(Project, SIMPLEX),
        samples: &[
            Sample::new("project_simplex(x)", TRIPLES),
            Sample::new("project_simplex(x, radius=2)", &[("x", &[4])]),
        ],
        ..Project::BOX
    };

    /// The line of the projection onto an ℓ₁ ball.
    pub const L1: Entry = Entry {
        name: "project_l1_ball",
        signature: "project_l1_ball(x, radius)",
        formula: "sign(x) · max(|x| − τ, 0) with Σ |xᵢ| ≤ radius, along the last axis",
        ties: "the hull of I and diag(1_S) − σ_Sσ_Sᵀ/|S| over the supports and signs that meet, where |xᵢ| = τ or ‖x‖₁ = radius",
        source: "Duchi, Shalev-Shwartz, Singer, Chandra 2008; Han, Sun 1997",
        call: on_a_set!(Project, L1),
        samples: &[
            Sample::new("project_l1_ball(x, 1)", TRIPLES),
            Sample::new("project_l1_ball(x, radius=2)", &[("x", &[4])]),
        ],
        ..Project::BOX
    };

    /// The line of the projection onto the second-order cone.
    pub const SOC: Entry = Entry {
        name: "project_soc",
        signature: "project_soc(z)",
        formula: "the nearest (t, x) with ‖x‖₂ ≤ t, along the last axis",
        class: "semialgebraic",
        ties: "the segment between the two pieces where ‖x‖ = |t|; at 0 the hull of all pieces around",
        source: "Kanzow, Ferenczi, Fukushima 2009, Lemma 2.6",
        call: on_a_set!(Project, Set::Soc),
        samples: &[Sample::new("project_soc(x)", TRIPLES), Sample::new("project_soc(x)", PAIR)],
        ..Project::BOX
    };

    /// The line of the projection onto the positive semidefinite matrices.
    pub const PSD: Entry = Entry {
        name: "project_psd",
        signature: "project_psd(x)",
        formula: "Σ max(λᵢ, 0) vᵢvᵢᵀ of (x + xᵀ)/2",
        ties: "the derivatives that meet, where an eigenvalue is 0 (within n·ε·‖x‖); its selections give some, all of them elements",
        source: "Malick, Sendov 2006, Theorem 3.7",
        call: on_a_set!(Project, Set::Psd),
        samples: &[
            Sample::new("project_psd(x)", MATRICES),
            Sample::new("project_psd(x)", &[("x", &[3, 3])]),
            Sample::new("project_psd(x * [[1, 0], [0, 1]] + [[0, 0], [0, 3]])", &[("x", &[2])]),
        ],
        ..Project::SOC
    };
}

impl Set {
    /// The tangent of the projection `p` of x, along `dot`.
    pub(super) fn tangent<'p>(self, x: Var<'p>, p: Var<'p>, dot: Var<'p>) -> Var<'p> {
        let last = Axes::one(-1).keepdims();
        let axis = x.rank() - 1;
        match self {
            Set::Box { low, high } => between(x, low, high).guarded_mul(dot),
            Set::Ball { radius } => {
                let length = x.norm2_over(&last);
                let outside = (length - radius).step();
                // Outside p has the length of the radius; inside nothing is made of it.
                let (shrink, n) = (radius / length.maximum(radius), p / radius);
                let turned = shrink * (dot - n * (n * dot).sum_over(&last));
                dot - outside.guarded_mul(dot - turned)
            }
            Set::Simplex { .. } | Set::L1 { .. } => {
                let piece = x.tie_of(Support(self));
                let n = x.shape()[axis];
                let (w, outside) = (piece.slice(axis, ..n), piece.slice(axis, n..));
                let size = if matches!(self, Set::L1 { .. }) { w.abs() } else { w };
                let shared = w.guarded_mul(dot).sum_over(&last) * (1.0 / size.sum_over(&last));
                let cut = size.guarded_mul(dot) - w * shared;
                dot + outside.guarded_mul(cut - dot)
            }
            Set::Soc => {
                let piece = x.tie_of(ConePiece);
                let n = x.shape()[axis];
                let part = |k: usize| piece.slice(axis, k..k + 1);
                let (rho, nu, whole, share) = (part(0), piece.slice(axis, 1..n), part(n), part(n + 1));
                let (dt, dx) = (dot.slice(axis, ..1), dot.slice(axis, 1..));
                let inner = (nu * dx).sum_over(&last);
                let along_x = (1.0 + rho) * dx - nu * (rho * inner) + nu * dt;
                let along = (inner + dt).concatenate(&[along_x], axis);
                whole * dot + (0.5 * share) * along
            }
            Set::Psd => dot.apply_with(Spectral::positive(), &[x, x.tie_of(PsdDirection)]),
        }
    }
}

impl Op for Project {
    fn name(&self) -> &'static str {
        match self.0 {
            Set::Box { .. } => "project_box",
            Set::Ball { .. } => "project_ball",
            Set::Simplex { .. } => "project_simplex",
            Set::L1 { .. } => "project_l1_ball",
            Set::Soc => "project_soc",
            Set::Psd => "project_psd",
        }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.check(self.name(), args[0]).map(|()| args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        let own = match self.0 {
            Set::Box { .. } | Set::Simplex { .. } | Set::L1 { .. } => args[0].piecewise_linear(),
            Set::Ball { .. } | Set::Soc | Set::Psd => args[0].semialgebraic(),
        };
        if self.0.is_bounded() { own.bounded() } else { own }
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(at.tangents[0].map(|dot| self.0.tangent(at.args[0], at.out, dot)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn enclose(&self, args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        Some(nearest::project(self.0, args[0]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, tie: usize, _: Convention, inner: Option<Choice>) -> Choice {
        inner.unwrap_or(Choice::plain(match (self.0, tie) {
            // The least slope of a clip is 0 at both of its bounds; of a ball it is that outside.
            (Set::Box { .. }, 1) | (Set::Ball { .. }, _) => 1.0,
            _ => 0.0,
        }))
    }
}

field_kernels!(Project, |op, args, _| op.0.operations(args[0]));

impl Project {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let set = self.0;
        let (_, length) = set.points(args[0]);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut work = set.work(length, scratch);
            for (x, out) in std::iter::zip(args[0].chunks_exact(length), out.chunks_exact_mut(length)) {
                set.project(x, out, &mut work);
            }
        };
        Kernel::with_scratch(set.room::<T>(length), run)
    }
}

macro_rules! methods {
    ($op:ident: $boxed:ident $ball:ident $simplex:ident $l1:ident $soc:ident $psd:ident, $what:literal) => {
        impl<'p> Var<'p> {
            #[doc = concat!($what, " low ≤ xᵢ ≤ high.")]
            #[track_caller]
            pub fn $boxed(self, low: f64, high: f64) -> Var<'p> {
                self.apply($op(Set::Box { low, high }))
            }

            #[doc = concat!($what, " ‖x‖₂ ≤ radius.")]
            #[track_caller]
            pub fn $ball(self, radius: f64) -> Var<'p> {
                self.apply($op(Set::Ball { radius }))
            }

            #[doc = concat!($what, " xᵢ ≥ 0, Σ xᵢ = radius.")]
            #[track_caller]
            pub fn $simplex(self, radius: f64) -> Var<'p> {
                self.apply($op(Set::Simplex { radius }))
            }

            #[doc = concat!($what, " Σ |xᵢ| ≤ radius.")]
            #[track_caller]
            pub fn $l1(self, radius: f64) -> Var<'p> {
                self.apply($op(Set::L1 { radius }))
            }

            #[doc = concat!($what, " ‖x‖₂ ≤ t, of vectors (t, x).")]
            #[track_caller]
            pub fn $soc(self) -> Var<'p> {
                self.apply($op(Set::Soc))
            }

            #[doc = concat!($what, " a matrix being positive semidefinite.")]
            #[track_caller]
            pub fn $psd(self) -> Var<'p> {
                self.apply($op(Set::Psd))
            }
        }
    };
}
pub(super) use methods;
methods!(Project: project_box project_ball project_simplex project_l1_ball project_soc project_psd,
    "The nearest point with");
