//! What is missing to the least value of a convex function, bounded over a ball.
//!
//! For points y_j, elements g_j of ∂f(y_j) and weights λ of sum 1, convexity gives for all y
//!
//! f(y) ≥ Σ λ_j (f(y_j) + ⟨g_j, y − y_j⟩) = f(x) − ε + ⟨v, y − x⟩ with v = Σ λ_j g_j, ε = f(x) − Σ λ_j (f(y_j) + ⟨g_j, x − y_j⟩),
//!
//! so that f(x) − f(y) ≤ ε + ‖v‖ R where ‖y − x‖ ≤ R. The y_j lie next to x in the cells whose gradients combine to 0. All of
//! it is enclosed by intervals: values and gradients at the y_j with every tie free, so that nothing rests on which pieces
//! count as active.

use super::At;
use super::filled::filled;
use super::residual::{FaceId, Residual};
use super::set_at::Witness;
use super::tangents::Tangents;
use super::vector::{along, flat, norm};
use crate::error::Result;
use crate::program::Program;
use crate::program::interval::Interval;
use crate::program::real::Real;
use crate::program::tie::{Face, Pieces};
use crate::run::{Arithmetic, enclose};
use crate::set::{Cone, Polytope, open_cone};
use crate::tensor::{Boxes, Tensor};
use serde::{Deserialize, Serialize};

/// That f(x) − f(y) ≤ `missing` for all y with ‖y − x‖₂ ≤ `radius`, if f is convex, for which there is no proof but the
/// word of whoever said so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The bound: error + slope · radius, or for all y what the proof of a minimizer gives.
    pub missing: f64,
    /// The radius of the ball; None: all y.
    pub radius: Option<f64>,
    /// ‖v‖₂, at most.
    pub slope: f64,
    /// ε, at most.
    pub error: f64,
    /// The points y_j with their weights; none where a minimizer was proved to exist.
    pub planes: Vec<Plane>,
}

/// A point at which a plane touches the function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Its weight.
    pub weight: f64,
    /// The point, all variables one after another.
    pub point: Vec<f64>,
}

/// The most planes that are combined.
const PLANES: usize = 256;

/// How far from x the points are tried, relative to the largest variable or to 1: far enough for the ties next to x to be
/// decided in the arithmetic, and near enough for the error to be small.
const STEPS: [f64; 6] = [1e-14, 1e-13, 1e-12, 1e-11, 1e-9, 1e-7];

impl At {
    /// The bound over a ball, with points next to this one in the cells that a combination of elements is of. None if no
    /// points were found.
    pub(super) fn bound(&self, tolerance: f64, radius: f64, combination: &[&Witness]) -> Result<Option<Bound>> {
        let x = flat(&self.variables());
        let directions = match self.ties(tolerance)?.is_empty() {
            true => Some(vec![vec![0.0; x.len()]]),
            false => self.cells(tolerance, combination)?,
        };
        let Some(directions) = directions.filter(|all| !all.is_empty() && all.len() <= PLANES) else { return Ok(None) };
        let program = self.program.value_and_gradient()?;
        let far = x.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        let mut best: Option<Bound> = None;
        for step in STEPS {
            let points: Vec<Vec<f64>> = directions.iter().map(|d| along(&x, step * far, d)).collect();
            let Some(planes) = self.planes(&program, points)? else { continue };
            let found = self.bound_of(&program, planes, radius)?;
            best = match (best, found) {
                (Some(best), Some(found)) if found.missing >= best.missing => Some(best),
                (best, found) => found.or(best),
            };
        }
        Ok(best)
    }

    /// Bounds of what planes give; None if a number is not finite, or the weights are none.
    pub(super) fn bound_of(&self, program: &Program, planes: Vec<Plane>, radius: f64) -> Result<Option<Bound>> {
        let x = flat(&self.variables());
        let sound = |p: &Plane| p.weight >= 0.0 && p.weight <= 1.0 && p.point.len() == x.len();
        if planes.is_empty() || !planes.iter().all(sound) || !(radius >= 0.0 && radius.is_finite()) {
            return Ok(None);
        }
        let here = self.enclosed(program, &x)?;
        let (mut error, mut v) = (Interval::point(0.0), vec![Interval::point(0.0); x.len()]);
        // The first weight is what the others leave: in exact arithmetic they have the sum 1.
        let first = planes[1..].iter().fold(Interval::point(1.0), |left, p| left - Interval::point(p.weight));
        if first.lo() < -1e-9 {
            return Ok(None);
        }
        let first = Interval::new(first.lo().max(0.0), first.hi().max(0.0));
        for (k, plane) in planes.iter().enumerate() {
            let weight = if k == 0 { first } else { Interval::point(plane.weight) };
            // f(x) − f(y) − ⟨g, x − y⟩, which is 0 where y is x.
            if plane.point != x {
                let (value, gradient) = self.enclosed(program, &plane.point)?;
                let back = std::iter::zip(&gradient, std::iter::zip(&x, &plane.point));
                let along = back.map(|(g, (x, y))| *g * (Interval::point(*x) - Interval::point(*y)));
                error = error + weight * (here.0 - value - along.fold(Interval::point(0.0), |s, t| s + t));
                v.iter_mut().zip(&gradient).for_each(|(v, g)| *v = *v + weight * *g);
            } else {
                v.iter_mut().zip(&here.1).for_each(|(v, g)| *v = *v + weight * *g);
            }
        }
        let slope = v.iter().fold(Interval::point(0.0), |sum, v| sum + v.square()).sqrt();
        let missing = error + slope * Interval::point(radius);
        if !(missing.is_bounded() && slope.is_bounded()) {
            return Ok(None);
        }
        let (missing, error) = (missing.hi().max(0.0), error.hi().max(0.0));
        Ok(Some(Bound { missing, radius: Some(radius), slope: slope.hi(), error, planes }))
    }

    /// Where a minimizer was proved to exist with a value from an interval: f(x) − min f.
    pub(super) fn bound_by(&self, value: (f64, f64)) -> Result<Option<Bound>> {
        let x = flat(&self.variables());
        let here = self.enclosed(&self.program, &x)?.0;
        let missing = (here - Interval::point(value.0)).hi().max(0.0);
        let bound = Bound { missing, radius: None, slope: 0.0, error: missing, planes: vec![] };
        Ok(missing.is_finite().then_some(bound))
    }

    /// Enclosures of the value at a point and of what else a program gives, all ties free.
    fn enclosed(&self, program: &Program, x: &[f64]) -> Result<(Interval, Vec<Interval>)> {
        let mut rest = x.iter();
        let mut own = std::iter::zip(self.program.inputs().iter().filter(|i| !i.role.is_selection()), &self.point);
        let boxes = filled(program, |_, input| {
            let (_, data) = own.next().expect("a derivative has the inputs of its program");
            Ok(Boxes::point(match input.role.is_argument() {
                true => Tensor::from_fn(&input.shape, |_| rest.next().copied().unwrap_or(f64::NAN)),
                false => data.clone(),
            }))
        })?;
        let out = enclose(program, &boxes, Arithmetic::Rigorous)?;
        let all: Vec<Interval> = out.iter().flat_map(Boxes::intervals).collect();
        Ok((all[0], all[1..].to_vec()))
    }

    /// The weights with which the gradients at points come nearest to 0.
    fn planes(&self, program: &Program, points: Vec<Vec<f64>>) -> Result<Option<Vec<Plane>>> {
        let mut gradients = vec![];
        for point in &points {
            let (value, gradient) = self.enclosed(program, point)?;
            if !value.is_bounded() || !gradient.iter().all(|g| g.is_bounded()) {
                return Ok(None);
            }
            gradients.push(gradient.iter().map(|g| g.middle()).collect::<Vec<f64>>());
        }
        let hull = Polytope::new(&gradients)?;
        let found = hull.min_norm();
        let atoms = found.atoms.iter().map(|(_, row)| hull.origins()[*row]);
        let plane = |(weight, at): (&f64, usize)| Plane { weight: weight.clamp(0.0, 1.0), point: points[at].clone() };
        Ok(Some(std::iter::zip(&found.weights, atoms).map(plane).collect()))
    }

    /// Directions into the cells whose gradients are combined; None where they cannot be told.
    fn cells(&self, tolerance: f64, combination: &[&Witness]) -> Result<Option<Vec<Vec<f64>>>> {
        let (gradient, _) = self.gradient_program()?;
        let residual = Residual::new(gradient, &self.point, tolerance)?;
        let mut tangents = Tangents::new(&self.program, &self.point, tolerance, &residual)?;
        let mut all: Vec<Vec<f64>> = vec![];
        for witness in combination {
            if let Some(direction) = &witness.direction {
                let length = norm(direction);
                all.push(direction.iter().map(|x| x / length).collect());
                continue;
            }
            let Some(choices) = staircase(&residual, witness) else { return Ok(None) };
            for choice in choices {
                match into(&residual, &mut tangents, &choice)? {
                    Some(direction) => all.push(direction),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(all))
    }
}

/// A direction into the cell of a choice; None if the cell is empty, or not known.
fn into(residual: &Residual, tangents: &mut Tangents, choice: &[(FaceId, usize)]) -> Result<Option<Vec<f64>>> {
    let mut values = residual.base();
    choice.iter().for_each(|(id, piece)| residual.write(*id, *piece, &mut values));
    let rows = tangents.rows(&values);
    let mut cone = vec![];
    for (id, piece) in choice {
        let Some(forms) = residual.face(*id).forms(*piece) else { return Ok(None) };
        cone.extend(forms.iter().filter_map(|form| rows.pull(id.tie, form)));
    }
    Ok(match open_cone(&cone)? {
        Cone::Open { direction, .. } if !direction.is_empty() => Some(direction),
        Cone::Open { .. } => Some(vec![0.0; tangents.dimension]),
        Cone::Empty { .. } => None,
    })
}

/// Choices of one piece at each face whose average is what a witness takes at all of them: for a level θ from 0 to 1 the
/// piece at which the sum of weights passes θ. None where a set has no finite number of pieces, or is told by none of them.
fn staircase(residual: &Residual, witness: &Witness) -> Option<Vec<Vec<(FaceId, usize)>>> {
    let mut sums: Vec<(FaceId, Vec<f64>)> = vec![];
    for id in residual.faces() {
        let (face, site) = (residual.face(id), &residual.ties[id.tie].site);
        let own = witness.chosen.iter().find(|c| c.tie == (site.node, site.number) && c.entries == face.entries);
        let mut sum = 0.0;
        let add = |w: f64| {
            sum += w;
            sum
        };
        sums.push((id, weights(face, own.map(|c| c.values.as_slice())?)?.into_iter().map(add).collect()));
    }
    let mut levels: Vec<f64> = sums.iter().flat_map(|(_, s)| s.iter().copied()).filter(|x| *x < 1.0 - 1e-14).collect();
    levels.push(0.0);
    levels.sort_by(f64::total_cmp);
    levels.dedup_by(|a, b| (*a - *b).abs() <= 1e-14);
    let piece = |sums: &[f64], level: f64| sums.iter().position(|s| *s > level + 1e-14).unwrap_or(sums.len() - 1);
    let choice = |level: &f64| sums.iter().map(|(id, s)| (*id, piece(s, *level))).collect();
    Some(levels.iter().map(choice).collect())
}

/// The weights of the pieces of a face that a value of its set is the average of.
fn weights(face: &Face, values: &[f64]) -> Option<Vec<f64>> {
    match &face.pieces {
        Pieces::Segment => Some(vec![1.0 - values[0], values[0]]),
        Pieces::Simplex => Some(values.to_vec()),
        Pieces::List(all) => {
            let at = all.iter().position(|p| std::iter::zip(&p.values, values).all(|(a, b)| (a - b).abs() <= 1e-9))?;
            Some((0..all.len()).map(|k| f64::from(k == at)).collect())
        }
        Pieces::Body { .. } | Pieces::Unknown => None,
    }
}
