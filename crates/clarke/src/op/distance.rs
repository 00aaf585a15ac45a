//! Distances to convex sets, and their tie: `normal`.

use super::axes::{Selected, batch_tie};
use super::convex::{Set, Side};
use super::definite::symmetric_part;
use super::eigen::{by_selection, joined};
use super::factor::{Field, field_kernels};
use super::nearest;
use super::norm::InverseNorm;
use super::project::{BALL, BOX, L1, Project, SIMPLEX, methods, on_a_set};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample};
use crate::program::tie::{Face, Met, Piece, Pieces, Tie};
use crate::tensor::{Boxes, Tensor, size, unravel};

/// The Euclidean distance to a convex set C of vectors along the last axis, or of symmetric matrices along the last two
/// (of the symmetric part, in the Frobenius norm): ‖x − P(x)‖. Semialgebraic, convex, of Lipschitz constant 1.
///
/// Outside the derivative is (x − P(x))/‖x − P(x)‖, inside 0. At ties, the points of the boundary: the normal cone's part in the
/// unit ball. Least norm: 0. Source: Rockafellar, Wets 1998, Example 8.53.
#[derive(Debug, Clone)]
pub struct Distance(Set);

const PAIR: &[(&str, &[usize])] = &[("x", &[2, 2])];
const TRIPLE: &[(&str, &[usize])] = &[("x", &[3])];
const TRIPLES: &[(&str, &[usize])] = &[("x", &[2, 3])];

impl Distance {
    /// The line of the distance to a box in the table of operators.
    pub const BOX: Entry = Entry {
        name: "dist_box",
        signature: "dist_box(x, low, high)",
        formula: "the distance to low ≤ xᵢ ≤ high, along the last axis",
        class: "semialgebraic",
        ties: "the normal cone's part in the unit ball, at the boundary of the set",
        source: "Rockafellar, Wets 1998, Example 8.53",
        notation: Notation::Call,
        call: on_a_set!(Distance, BOX),
        samples: &[Sample::new("dist_box(x, -1, 1)", TRIPLES), Sample::new("dist_box(x, None, high=0.5)", TRIPLE)],
    };

    /// The line of the distance to a ball.
    pub const BALL: Entry = Entry {
        name: "dist_ball",
        signature: "dist_ball(x, radius)",
        formula: "max(‖x‖₂ − radius, 0), along the last axis",
        call: on_a_set!(Distance, BALL),
        samples: &[Sample::new("dist_ball(x, 1)", PAIR), Sample::new("dist_ball(x, radius=1.5)", &[("x", &[1])])],
        ..Distance::BOX
    };

    /// The line of the distance to a simplex.
    pub const SIMPLEX: Entry = Entry {
        name: "dist_simplex",
        signature: "dist_simplex(x, radius=1)",
        formula: "the distance to xᵢ ≥ 0, Σ xᵢ = radius, along the last axis",
        ties: "the normal cone's part in the unit ball, at all points of the set",
        call: on_a_set!(Distance, SIMPLEX),
        samples: &[
            Sample::new("dist_simplex(x)", TRIPLES),
            Sample::new("dist_simplex(x, radius=2)", PAIR).on(0.0, 2.0),
        ],
        ..Distance::BOX
    };

    /// The line of the distance to an ℓ₁ ball.
    pub const L1: Entry = Entry {
        name: "dist_l1_ball",
        signature: "dist_l1_ball(x, radius)",
        formula: "the distance to Σ |xᵢ| ≤ radius, along the last axis",
        call: on_a_set!(Distance, L1),
        samples: &[Sample::new("dist_l1_ball(x, 1)", TRIPLES), Sample::new("dist_l1_ball(x, radius=2)", PAIR)],
        ..Distance::BOX
    };

    /// The line of the distance to the second-order cone.
    pub const SOC: Entry = Entry {
        name: "dist_soc",
        signature: "dist_soc(z)",
        formula: "the distance of (t, x) to ‖x‖₂ ≤ t, along the last axis",
        call: on_a_set!(Distance, Set::Soc),
        samples: &[Sample::new("dist_soc(x)", TRIPLES), Sample::new("dist_soc(x)", PAIR).on(0.0, 2.0)],
        ..Distance::BOX
    };

    /// The line of the distance to the positive semidefinite matrices.
    pub const PSD: Entry = Entry {
        name: "dist_psd",
        signature: "dist_psd(x)",
        formula: "√Σ min(λᵢ, 0)² of (x + xᵀ)/2",
        ties: "the normal cone's part in the unit ball, where the least eigenvalue is 0 (within n·ε·‖x‖)",
        call: on_a_set!(Distance, Set::Psd),
        samples: &[
            Sample::new("dist_psd(x)", &[("x", &[2, 2, 2])]),
            Sample::new("dist_psd(x)", &[("x", &[3, 3])]),
            Sample::new("dist_psd(x * [[1, 0], [0, 1]] + [[0, 0], [0, 3]])", &[("x", &[2])]),
        ],
        ..Distance::BOX
    };
}

impl Op for Distance {
    fn name(&self) -> &'static str {
        match self.0 {
            Set::Box { .. } => "dist_box",
            Set::Ball { .. } => "dist_ball",
            Set::Simplex { .. } => "dist_simplex",
            Set::L1 { .. } => "dist_l1_ball",
            Set::Soc => "dist_soc",
            Set::Psd => "dist_psd",
        }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.check(self.name(), args[0])?;
        self.0.axes().shape(self.name(), args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let normal = || at.args[0].tie_of(Normal(self.0));
        Ok(at.tangents[0].map(|dot| normal().guarded_mul(dot).sum_over(&self.0.axes())))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        Some(nearest::distance(self.0, args[0], shape))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

field_kernels!(Distance, |op, args, _| op.0.operations(args[0]) + 3 * size(args[0]) as u64);

impl Distance {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let set = self.0;
        let (_, length) = set.points(args[0]);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let (near, scratch) = scratch.split_at_mut(length);
            let mut work = set.work(length, scratch);
            for (x, out) in std::iter::zip(args[0].chunks_exact(length), out) {
                *out = T::of(set.distance(x, near, &mut work));
            }
        };
        Kernel::with_scratch(length + set.room::<T>(length), run)
    }
}

/// `normal_box(u, s)` and so on: (u − P(u))/‖u − P(u)‖ outside of the set, 0 inside; shape of u.
///
/// At the boundary: the normal cone's part in the unit ball. A scalar selection λ stands for λ times one unit normal (the
/// sum of the normals of the faces that meet, normalized); an array of the shape of u is the element itself.
#[derive(Debug, Clone)]
pub struct Normal(Set);

/// Reads the call of a tie on points of a set: `name(u, s, parameters)`.
macro_rules! tie_on_a_set {
    ($set:expr) => {
        |call| {
            call.expect(2, 2 + $set.keywords().len(), $set.keywords())?;
            Ok(call.apply(Normal($set.read(call, 2)?), &[call.var(0)?, call.var(1)?]))
        }
    };
}

impl Normal {
    /// The line of a box in the table of operators.
    pub const BOX: Entry = Entry {
        name: "normal_box",
        signature: "normal_box(u, s, low, high)",
        formula: "(u − P(u))/‖u − P(u)‖ outside, 0 inside",
        class: "semialgebraic, discontinuous",
        ties: "the normal cone's part in the unit ball, at the boundary",
        source: "Rockafellar, Wets 1998, Example 8.53",
        notation: Notation::Call,
        call: tie_on_a_set!(BOX),
        samples: &[],
    };

    /// The line of a ball.
    pub const BALL: Entry =
        Entry { name: "normal_ball", signature: "normal_ball(u, s, radius)", call: tie_on_a_set!(BALL), ..Normal::BOX };

    /// The line of a simplex.
    pub const SIMPLEX: Entry = Entry {
        name: "normal_simplex",
        signature: "normal_simplex(u, s, radius=1)",
        call: tie_on_a_set!(SIMPLEX),
        ..Normal::BOX
    };

    /// The line of an ℓ₁ ball.
    pub const L1: Entry = Entry {
        name: "normal_l1_ball",
        signature: "normal_l1_ball(u, s, radius)",
        call: tie_on_a_set!(L1),
        ..Normal::BOX
    };

    /// The line of the second-order cone.
    pub const SOC: Entry =
        Entry { name: "normal_soc", signature: "normal_soc(u, s)", call: tie_on_a_set!(Set::Soc), ..Normal::BOX };

    /// The line of the positive semidefinite matrices.
    pub const PSD: Entry =
        Entry { name: "normal_psd", signature: "normal_psd(u, s)", call: tie_on_a_set!(Set::Psd), ..Normal::BOX };

    fn selected(&self, s: &[usize], u: &[usize]) -> Result<Selected, Fault> {
        Selected::of(self.name(), s, u, &self.0.axes().kept(u))
    }
}

impl Op for Normal {
    fn name(&self) -> &'static str {
        match self.0 {
            Set::Box { .. } => "normal_box",
            Set::Ball { .. } => "normal_ball",
            Set::Simplex { .. } => "normal_simplex",
            Set::L1 { .. } => "normal_l1_ball",
            Set::Soc => "normal_soc",
            Set::Psd => "normal_psd",
        }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.check(self.name(), args[0])?;
        self.selected(args[1], args[0]).map(|_| args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).semialgebraic().bounded()
    }

    // Outside (u̇ − Ṗ − n⟨n, u̇⟩)/‖u − P‖, n being orthogonal to the derivative of the projection; elsewhere the piece is
    // constant.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (u, s, axes) = (at.args[0], at.args[1], self.0.axes());
        let by_u = at.tangents[0].map(|dot| {
            let projected = u.apply(Project(self.0));
            let own = if self.0 == Set::Psd { symmetric_part(dot) } else { dot };
            let along = axes.stretch((at.out * dot).sum_over(&axes), &u.shape());
            let rest = own - self.0.tangent(u, projected, dot) - at.out * along;
            let inverse = u.apply(Distance(self.0)).apply(InverseNorm::over(super::axes::Axes::many(&[])));
            axes.stretch(inverse, &u.shape()).guarded_mul(rest)
        });
        Ok(joined(by_u, at.tangents[1].map(|dot| by_selection(self.clone(), u, s, dot))))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(self.clone(), at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

field_kernels!(Normal, |op, args, _| op.0.operations(args[0]) + 3 * size(args[0]) as u64);

impl Normal {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let set = self.0;
        let (_, length) = set.points(args[0]);
        let selected = self.selected(args[1], args[0]).expect("a selection's shape was checked with the shape");
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut work = set.work(length, scratch);
            let each = std::iter::zip(args[0].chunks_exact(length), out.chunks_exact_mut(length));
            for (slice, (u, out)) in each.enumerate() {
                match set.side(u, &mut work) {
                    None => out.fill(T::of(f64::NAN)),
                    Some(Side::Inside) => out.fill(T::of(0.0)),
                    Some(Side::Outside) => set.away(u, out, &mut work),
                    Some(Side::Boundary) if selected.is_each() => {
                        out.copy_from_slice(&args[1][slice * length..(slice + 1) * length]);
                    }
                    Some(Side::Boundary) => {
                        let weight = selected.at(args[1], slice);
                        set.normal(u, out, &mut work);
                        // An array of one number cannot be told from a number: the element is read with its own sign.
                        let below = length == 1 && out[0] < T::of(0.0) && weight < T::of(0.0);
                        let weight = if below { -weight } else { weight };
                        out.iter_mut().for_each(|y| *y = weight * *y);
                    }
                }
            }
        };
        Kernel::with_scratch(set.room::<T>(length), run)
    }

    /// An array of selections made point by point at the boundary.
    fn select(&self, u: &Tensor, mut element: impl FnMut(usize, &[f64]) -> Vec<f64>) -> Tensor {
        let (_, length) = self.0.points(u.shape());
        let mut s = Tensor::full(u.shape(), 0.0);
        let mut scratch = vec![0.0; self.0.room::<f64>(length)];
        let mut work = self.0.work(length, &mut scratch);
        let each = std::iter::zip(u.data().chunks_exact(length), s.data_mut().chunks_exact_mut(length));
        for (k, (u, s)) in each.enumerate() {
            if self.0.side(u, &mut work) == Some(Side::Boundary) {
                s.copy_from_slice(&element(k, u));
            }
        }
        s
    }
}

/// The vector with this norm in the direction of x; 0 for one that is 0 up to rounding.
fn scaled(x: &[f64], norm: f64, of: f64) -> Option<Vec<f64>> {
    let own = super::convex::norm(x);
    (own > 1e-12 * of).then(|| x.iter().map(|x| norm * (x / own)).collect())
}

impl Tie for Normal {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (_, length) = self.0.points(u.shape());
        let lead = self.0.axes().shape(self.name(), u.shape()).unwrap_or_default();
        let met = |(k, u): (usize, &[f64])| {
            let distance = self.0.gap(u);
            (distance <= tolerance).then(|| Met {
                index: unravel(k, &lead),
                pieces: None,
                distance,
                beyond: f64::INFINITY,
            })
        };
        u.data().chunks_exact(length).enumerate().filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        self.select(u, |_, u| {
            // The sum of many projections onto the cone is in its relative interior, unless all of them meet one face.
            let mut sum = vec![0.0; u.len()];
            for _ in 0..16 {
                let g: Vec<f64> = u.iter().map(|_| 2.0 * uniform() - 1.0).collect();
                self.0.onto_normals(u, &g).iter().zip(&mut sum).for_each(|(n, sum)| *sum += n);
            }
            scaled(&sum, uniform(), 1.0).unwrap_or_else(|| vec![0.0; u.len()])
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        let (_, length) = self.0.points(u.shape());
        self.select(u, |k, u| {
            // Of a direction into the tangent cone only the normals orthogonal to it are left for the next one: a large
            // multiple of it keeps to them.
            let mut earlier = vec![0.0; u.len()];
            for dot in dots {
                let dot = &dot.data()[k * length..(k + 1) * length];
                let size = super::convex::norm(dot);
                let g: Vec<f64> = std::iter::zip(dot, &earlier).map(|(d, e)| d + 1e8 * size * e).collect();
                if let Some(normal) = scaled(&self.0.onto_normals(u, &g), 1.0, size) {
                    return normal;
                }
                earlier = scaled(&g, 1.0, 0.0).unwrap_or(earlier);
            }
            vec![0.0; u.len()]
        })
    }

    // Between its ties the value turns with the argument.
    fn names_piece(&self) -> bool {
        false
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (_, length) = self.0.points(u.shape());
        let lead = self.0.axes().shape(self.name(), u.shape()).unwrap_or_default();
        let mut scratch = vec![0.0; self.0.room::<f64>(length)];
        let mut work = self.0.work(length, &mut scratch);
        let mut faces = vec![];
        for (k, point) in u.data().chunks_exact(length).enumerate() {
            if self.0.side(point, &mut work) != Some(Side::Boundary) {
                continue;
            }
            // Of one number the set is a segment: inward the distance stays 0, outward it grows.
            let piece = |sign: f64| {
                let outward = self.0.onto_normals(point, &[sign])[0] != 0.0;
                Piece { values: vec![if outward { sign } else { 0.0 }], forms: Some(vec![vec![(k, sign)]]) }
            };
            let pieces = match length {
                1 => Pieces::List(vec![piece(-1.0), piece(1.0)]),
                _ => Pieces::Body { bound: 1.0 },
            };
            let entries = (k * length..(k + 1) * length).collect();
            faces.push(Face { index: unravel(k, &lead), entries, pieces });
        }
        faces
    }

    // The maximum over a cone's part in the ball is attained at the projection onto the cone, scaled to norm 1.
    fn maximize(&self, u: &Tensor, g: &Tensor) -> Option<Tensor> {
        Some(self.resolve(u, std::slice::from_ref(g)))
    }
}

methods!(Distance: dist_box dist_ball dist_simplex dist_l1_ball dist_soc dist_psd, "The distance to");
