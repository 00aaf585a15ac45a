//! A set of derivatives at a point, and what can be asked of it.

use super::cube;
use super::image::{Atom, Form, Image};
use super::residual::Residual;
use super::vector::{dot, flat, norm};
use crate::error::{Fault, Result, plural};
use crate::program::tie::{Face, Site};
use crate::set::{Body, MinNorm, Polytope, min_norm};
use crate::tensor::{Tensor, size};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an answer about a set is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is the set, in the arithmetic used.
    Exact,
    /// It contains the set.
    Outer,
    /// It is contained in the set.
    Inner,
    /// Elements found by trying: of a set that the theory says nothing of here.
    Sampled,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Known::Exact => "exact",
            Known::Outer => "outer",
            Known::Inner => "inner",
            Known::Sampled => "sampled",
        })
    }
}

/// How an element of a set comes about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// What is chosen at the ties where something is.
    pub chosen: Vec<Chosen>,
    /// A direction that realizes these choices: the element is the derivative of the smooth piece that is active next to
    /// the point there. All variables one after another.
    pub direction: Option<Vec<f64>>,
}

/// What is chosen at a tie: some entries of the value that it takes in the derivative program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The operator that owns the tie.
    pub op: String,
    /// The node of that operator in the program, and the number of the tie there.
    pub tie: (usize, usize),
    /// Which element or slice.
    pub index: Vec<usize>,
    /// The entries of the tie's value that are chosen, as flat positions.
    pub entries: Vec<usize>,
    /// What they are.
    pub values: Vec<f64>,
}

impl Chosen {
    /// What the value of a tie takes at a face.
    pub(super) fn of(site: &Site, face: &Face, value: &Tensor) -> Chosen {
        Chosen {
            op: site.owner.name().into(),
            tie: (site.node, site.number),
            index: face.index.clone(),
            entries: face.entries.clone(),
            values: face.entries.iter().map(|&at| value.data()[at]).collect(),
        }
    }
}

/// An element of a set as arrays, one for each variable.
pub type Element = Vec<Tensor>;

/// The variables' names, and the shapes that derivatives in them have.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The variables' names.
    pub names: Vec<String>,
    /// The shapes of the derivatives: a variable's own for a gradient, output ++ input for a Jacobian.
    pub shapes: Vec<Vec<usize>>,
}

impl Layout {
    /// A flat vector as one array for each variable.
    pub fn split(&self, flat: &[f64]) -> Element {
        let mut at = 0;
        let part = |shape: &Vec<usize>| {
            let n = size(shape);
            at += n;
            Tensor::from_fn(shape, |i| flat[at - n + i])
        };
        self.shapes.iter().map(part).collect()
    }

    /// One array for each variable as a flat vector. Errors: their number, or a shape.
    pub fn join(&self, element: &[Tensor]) -> Result<Vec<f64>> {
        if element.len() != self.shapes.len() {
            let (expected, given) = (self.shapes.len(), element.len());
            return Err(Fault::InputCount { expected, given, names: self.names.clone() }.into());
        }
        for ((name, shape), array) in self.names.iter().zip(&self.shapes).zip(element) {
            if array.shape() != shape {
                let (expected, given) = (shape.clone(), array.shape().to_vec());
                return Err(Fault::InputShape { input: name.clone(), expected, given }.into());
            }
        }
        Ok(flat(element))
    }

    /// How many numbers a derivative holds.
    pub fn dimension(&self) -> usize {
        self.shapes.iter().map(|s| size(s)).sum()
    }
}

/// The support function at a direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// ⟨d, element⟩: a lower bound of max ⟨d, v⟩ over the set.
    pub value: f64,
    /// An upper bound; equal to `value` where the set is known exactly.
    pub upper: f64,
    /// The element found.
    pub element: Element,
    /// How it comes about.
    pub witness: Witness,
}

/// The point of the hull of a set that is nearest to a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// The point.
    pub point: Element,
    /// Its Euclidean distance from the target: an upper bound of the set's.
    pub distance: f64,
    /// A lower bound of the set's distance from the target.
    pub lower: f64,
    /// The elements that the point is a combination of, with their weights: positive, of sum 1.
    pub weights: Vec<(f64, Element, Witness)>,
    /// The largest norm of an element met: what distances are to be compared with.
    pub scale: f64,
}

/// Whether the hull of a set contains a vector.
#[derive(Debug, Clone, PartialEq)]
pub enum Containment {
    /// It does, up to a residual within the tolerance.
    Inside(Nearest),
    /// A direction d of norm 1 has ⟨d, vector⟩ larger than all ⟨d, v⟩ by the gap.
    Outside {
        /// The direction.
        direction: Element,
        /// By how much: a lower bound of the distance.
        gap: f64,
    },
    /// The bounds reached do not tell.
    Undecided,
}

/// A set of derivatives of a program at a point: of gradients, or of Jacobians. All answers are about its convex hull.
///
/// Where it is known by its extreme points, all questions are answered from them; else by its support function.
pub struct SetAt {
    known: Known,
    hypothesis: Option<String>,
    layout: Layout,
    body: Kept,
    single: bool,
}

/// How the set is kept.
pub(super) enum Kept {
    /// Its extreme points, with where each comes from.
    Hull { hull: Polytope, witnesses: Vec<Witness> },
    /// The set of all choices.
    Image(Box<Image>),
    /// No variables: the empty vector alone.
    Nothing,
}

/// Distances up to this, relative to the largest norm of an element, are 0 up to rounding.
pub(super) const CRITICAL: f64 = 1e-10;

/// How many steps the nearest point may take.
const STEPS: usize = 2000;

impl SetAt {
    /// From the image of all choices.
    pub(super) fn of_image(image: Image, layout: Layout, known: Known, hypothesis: Option<String>) -> Result<SetAt> {
        let single = image.is_single();
        let body = match &image.form {
            _ if layout.dimension() == 0 => Kept::Nothing,
            Form::Leaves { leaves, bodies: false, .. } => {
                let points: Vec<Vec<f64>> = leaves.iter().map(|l| l.point.clone()).collect();
                let hull = Polytope::new(&points)?.extreme();
                let witness = |&k: &usize| {
                    of_choices(chosen(&image.residual, &image.values(&Atom::Leaf(k)), Some(&leaves[k].choice)))
                };
                let witnesses = hull.origins().iter().map(witness).collect();
                Kept::Hull { hull, witnesses }
            }
            _ if layout.dimension() == 1 && image.exact => {
                let mut image = image;
                let ends = [-1.0, 1.0].map(|d| image.maximize(&[d]));
                let hull = Polytope::new(&ends.each_ref().map(|(point, _)| point.clone()))?.extreme();
                let witness = |&k: &usize| of_choices(chosen(&image.residual, &image.values(&ends[k].1), None));
                let witnesses = hull.origins().iter().map(witness).collect();
                Kept::Hull { hull, witnesses }
            }
            _ => Kept::Image(Box::new(image)),
        };
        Ok(SetAt { known, hypothesis, layout, body, single })
    }

    /// From points that directions realize.
    pub(super) fn of_directions(
        realized: Vec<super::limiting::Realized>,
        layout: Layout,
        known: Known,
        hypothesis: Option<String>,
    ) -> Result<SetAt> {
        let points: Vec<Vec<f64>> = realized.iter().map(|r| r.point.clone()).collect();
        let hull = Polytope::new(&points)?.extreme();
        let witness = |&k: &usize| realized[k].witness.clone();
        let witnesses = hull.origins().iter().map(witness).collect();
        let single = hull.len() == 1;
        Ok(SetAt { known, hypothesis, layout, body: Kept::Hull { hull, witnesses }, single })
    }

    /// How what is said of the set is known. `Outer` and `Inner` mean that the elements reported are of the set or not
    /// all of it; `bounds` always contain it where it is not `Inner` or `Sampled`.
    pub fn known(&self) -> Known {
        self.known
    }

    /// What the answer rests on or lacks, in words; None where it is exact without condition.
    pub fn hypothesis(&self) -> Option<&str> {
        self.hypothesis.as_deref()
    }

    /// The variables' names and the shapes of the derivatives.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the set is one point.
    pub fn is_single(&self) -> bool {
        self.single
    }

    /// The extreme points of the hull, as arrays, in lexicographic order; None where they are infinitely many or over the
    /// budget.
    pub fn vertices(&self) -> Option<Vec<Element>> {
        match &self.body {
            Kept::Hull { hull, .. } => {
                let mut all: Vec<&[f64]> = hull.points().collect();
                all.sort_by(|a, b| a.partial_cmp(b).expect("points of a hull are finite"));
                Some(all.into_iter().map(|p| self.layout.split(p)).collect())
            }
            Kept::Nothing => Some(vec![vec![]]),
            Kept::Image(_) => None,
        }
    }

    /// The extreme points as flat vectors, with where each comes from.
    pub fn witnesses(&self) -> Option<Vec<(Vec<f64>, &Witness)>> {
        match &self.body {
            Kept::Hull { hull, witnesses } => {
                Some(std::iter::zip(hull.points(), witnesses).map(|(p, w)| (p.to_vec(), w)).collect())
            }
            _ => None,
        }
    }

    /// The least and largest value of each entry: the box of the hull where that is known exactly, else bounds by
    /// interval arithmetic, rounded outward, perhaps infinite.
    pub fn bounds(&mut self) -> (Element, Element) {
        let (low, high) = match &mut self.body {
            Kept::Hull { hull, .. } => hull.bounds(),
            Kept::Image(image) => image.bounds(),
            Kept::Nothing => (vec![], vec![]),
        };
        (self.layout.split(&low), self.layout.split(&high))
    }

    /// The support function max ⟨d, v⟩ at a direction, with an element that attains the lower bound.
    ///
    /// Errors: the number or shapes of the direction's arrays. Cost: of a set kept by its extreme points one product with
    /// each; else a few evaluations of the derivative.
    pub fn support(&mut self, direction: &[Tensor]) -> Result<Support> {
        let d = self.layout.join(direction)?;
        let (point, witness, upper) = match &mut self.body {
            Kept::Hull { hull, witnesses } => {
                let (value, at) = hull.support(&d);
                (hull.row(at).to_vec(), witnesses[at].clone(), value)
            }
            Kept::Image(image) => {
                let (point, atom) = image.maximize(&d);
                let upper = image.upper(&d);
                let witness = of_choices(chosen(&image.residual, &image.values(&atom), None));
                (point, witness, upper)
            }
            Kept::Nothing => (vec![], Witness::default(), 0.0),
        };
        let value = dot(&d, &point);
        Ok(Support { value, upper: upper.max(value), element: self.layout.split(&point), witness })
    }

    /// The point of the hull nearest to a target (0 everywhere: the element of least norm), with weights and bounds.
    ///
    /// Of a zonotope by least squares over the cube, with a relative duality gap of at most 10⁻¹⁰; else by the algorithm of
    /// Wolfe 1976. Errors: the number or shapes of the target's arrays.
    pub fn nearest(&mut self, target: &[Tensor]) -> Result<Nearest> {
        let flat = self.layout.join(target)?;
        Ok(self.nearest_to(&flat))
    }

    pub(super) fn nearest_to(&mut self, target: &[f64]) -> Nearest {
        const TOLERANCE: f64 = 1e-13;
        let layout = self.layout.clone();
        match &mut self.body {
            Kept::Hull { hull, witnesses } => {
                let found = min_norm(hull, target, TOLERANCE, STEPS);
                let scale = hull.points().map(norm).fold(0.0, f64::max);
                pack(&layout, target, found, scale, |k| witnesses[*k].clone())
            }
            Kept::Image(image) => {
                if let Some(on) = cube::nearest(image, target) {
                    let witness = of_choices(chosen(&image.residual, &on.values, None));
                    let point = layout.split(&on.found.point);
                    let weights = vec![(1.0, point.clone(), witness)];
                    return Nearest { point, distance: on.found.norm, lower: on.found.lower, weights, scale: on.scale };
                }
                let found = min_norm(image.as_mut(), target, TOLERANCE, STEPS);
                let ends = [1.0, -1.0].map(|x| norm(&image.maximize(&vec![x; target.len()]).0));
                let image = &*image;
                pack(&layout, target, found, ends[0].max(ends[1]), |atom| {
                    of_choices(chosen(&image.residual, &image.values(atom), None))
                })
            }
            Kept::Nothing => {
                let weights = vec![(1.0, vec![], Witness::default())];
                Nearest { point: vec![], distance: 0.0, lower: 0.0, weights, scale: 0.0 }
            }
        }
    }

    /// The element of least norm of the hull.
    pub fn min_norm(&mut self) -> Nearest {
        self.nearest_to(&vec![0.0; self.layout.dimension()])
    }

    /// Whether the hull contains a vector, up to a distance of `tolerance` relative to the largest norm among the vector
    /// and the elements met.
    ///
    /// Errors: the number or shapes of the vector's arrays.
    pub fn contains(&mut self, vector: &[Tensor], tolerance: f64) -> Result<Containment> {
        let flat = self.layout.join(vector)?;
        let own = norm(&flat);
        let found = self.nearest_to(&flat);
        let scale = found.scale.max(own);
        if found.distance <= tolerance * scale {
            return Ok(Containment::Inside(found));
        }
        if found.lower <= tolerance * scale {
            return Ok(Containment::Undecided);
        }
        let point = self.layout.join(&found.point)?;
        let direction: Vec<f64> = std::iter::zip(&flat, &point).map(|(v, p)| (v - p) / found.distance).collect();
        Ok(Containment::Outside { direction: self.layout.split(&direction), gap: found.lower })
    }

    /// Whether 0 is in the hull, up to 10⁻¹⁰ relative to the largest norm of an element; None where the bounds do not tell.
    pub fn critical(&mut self) -> Option<bool> {
        let found = self.min_norm();
        self.critical_by(&found)
    }

    pub(super) fn critical_by(&self, found: &Nearest) -> Option<bool> {
        let inside = found.distance <= CRITICAL * found.scale;
        let outside = found.lower > CRITICAL * found.scale;
        match self.known {
            Known::Exact => (inside || outside).then_some(inside),
            Known::Inner => inside.then_some(true),
            // The elements are of the set, the lower bound is the box's.
            Known::Outer => (inside || outside).then_some(inside),
            Known::Sampled => None,
        }
    }

    /// Bounds of the largest Euclidean distance of two elements of the hull: equal where the extreme points are known, else
    /// from a few directions and the diagonal of the bounds.
    pub fn diameter(&mut self) -> (f64, f64) {
        if let Kept::Hull { hull, .. } = &self.body {
            let d = hull.diameter();
            return (d, d);
        }
        let (low, high) = self.bounds();
        let wide: Vec<f64> = std::iter::zip(flat(&high), flat(&low)).map(|(h, l)| h - l).collect();
        let upper = norm(&wide);
        let lower = match &mut self.body {
            Kept::Image(image) => {
                let opposite: Vec<f64> = wide.iter().map(|x| -x).collect();
                let (a, b) = (image.maximize(&wide).0, image.maximize(&opposite).0);
                std::iter::zip(&a, &b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
            }
            _ => 0.0,
        };
        (lower, upper)
    }
}

impl fmt::Debug for SetAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetAt").field("known", &self.known).field("vertices", &self.vertices()).finish_non_exhaustive()
    }
}

impl fmt::Display for SetAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Kept::Hull { hull, .. } => write!(f, "{} ({})", plural(hull.len(), "extreme point"), self.known),
            Kept::Image(_) => write!(f, "a set known by its support function ({})", self.known),
            Kept::Nothing => write!(f, "the empty vector"),
        }
    }
}

/// What was found as arrays; `scale` is the largest norm of an element, as far as known without it.
fn pack<A>(layout: &Layout, target: &[f64], found: MinNorm<A>, scale: f64, witness: impl Fn(&A) -> Witness) -> Nearest {
    let point: Vec<f64> = std::iter::zip(&found.point, target).map(|(p, t)| p + t).collect();
    let scale = found.atoms.iter().map(|(v, _)| norm(v)).fold(scale, f64::max);
    let weights = std::iter::zip(&found.weights, &found.atoms)
        .map(|(w, (v, atom))| (*w, layout.split(v), witness(atom)))
        .collect();
    Nearest { point: layout.split(&point), distance: found.norm, lower: found.lower, weights, scale }
}

fn of_choices(chosen: Vec<Chosen>) -> Witness {
    Witness { chosen, direction: None }
}

/// What values of the ties choose at the faces named, by default at all.
pub(super) fn chosen(
    residual: &Residual,
    values: &[Tensor],
    only: Option<&[(super::residual::FaceId, usize)]>,
) -> Vec<Chosen> {
    let of = |id: super::residual::FaceId| Chosen::of(&residual.ties[id.tie].site, residual.face(id), &values[id.tie]);
    match only {
        Some(choice) => choice.iter().rev().map(|(id, _)| of(*id)).collect(),
        None => residual.faces().into_iter().map(of).collect(),
    }
}
