//! How near a point is to being critical, as measured by gradients near it.

use super::{Measure, Oracle};
use crate::error::{Error, Result};
use crate::set::{Polytope, norm};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// What a method measured at its current iterate x: a combination of gradients at points near x, and its norm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stationarity {
    /// ‖Σ λ_j g_j‖₂, with g_j an element of a conservative gradient at a point y_j.
    pub norm: f64,
    /// max ‖y_j − x‖₂ over the points used: with the norm the pair that HANSO reports.
    pub distance: f64,
    /// δ where the y_j were drawn from the ball of this radius about x. The g_j are then gradients with probability 1, and x
    /// is (δ, ε)-stationary in Goldstein's sense with ε the norm. None where they are what a method met on its way: points
    /// that may lie at ties, at which the element that a policy picks need not be a limit of gradients.
    pub radius: Option<f64>,
}

impl Stationarity {
    /// What a method reports of it.
    pub fn measures(&self, tolerance: f64, radius: f64) -> Vec<Measure> {
        let measure = |name, value, tolerance| Measure { name, value, tolerance };
        match self.radius {
            Some(delta) => vec![
                measure("ε, the norm of a combination of gradients over a ball", self.norm, Some(tolerance)),
                measure("δ, the radius of that ball: (δ, ε)-stationary (Goldstein)", delta, Some(radius)),
                measure("the largest distance of a gradient used (HANSO's, beside the norm)", self.distance, None),
            ],
            None => vec![
                measure("norm of a combination of gradients met nearby (HANSO)", self.norm, Some(tolerance)),
                measure("their largest distance (HANSO)", self.distance, Some(radius)),
            ],
        }
    }
}

/// A point of the unit ball of Rⁿ, uniformly distributed.
///
/// The functions used are those of the crate libm, so that equal seeds give equal points on every machine.
pub(super) fn in_ball(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut point: Vec<f64> = (0..n).map(|_| normal(rng)).collect();
    let length = norm(&point);
    let radius = libm::pow(uniform(rng), 1.0 / n as f64);
    point.iter_mut().for_each(|p| *p *= radius / length);
    point
}

/// A number in (0, 1].
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    1.0 - rng.random::<f64>()
}

/// By Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (-2.0 * libm::log(uniform(rng))).sqrt() * libm::cos(TAU * uniform(rng))
}

/// Whether every entry is 0.
pub(super) fn is_zero(gradient: &[f64]) -> bool {
    gradient.iter().all(|g| *g == 0.0)
}

/// The element of least norm of the hull of gradients, and the distance of the farthest point with a positive weight.
pub(super) fn least(gradients: &[Vec<f64>], distances: &[f64]) -> Result<(Vec<f64>, f64)> {
    let hull = Polytope::new(gradients)?;
    let found = hull.min_norm();
    let far = found.atoms.iter().map(|(_, row)| distances[hull.origins()[*row]]).fold(0.0, f64::max);
    Ok((found.point, far))
}

/// The value at a trial point alone; an infinity where there is none.
pub(super) fn value_at(oracle: &mut dyn Oracle, x: &[f64]) -> f64 {
    oracle.value(x).unwrap_or(f64::INFINITY)
}

/// The value at a trial point with its gradient; the value is an infinity where there is none: a step that leaves where a function is defined, or
/// overflows, was too long. The error is kept, for the case that no shorter step helps.
pub(super) struct Trial {
    pub value: f64,
    pub failure: Option<Error>,
}

impl Trial {
    pub fn of(oracle: &mut dyn Oracle, x: &[f64], gradient: &mut [f64]) -> Trial {
        match oracle.value_and_gradient(x, gradient) {
            Ok(value) => Trial { value, failure: None },
            Err(error) => Trial { value: f64::INFINITY, failure: Some(error) },
        }
    }
}

/// x + t d.
pub(super) fn moved(x: &[f64], t: f64, d: &[f64]) -> Vec<f64> {
    x.iter().zip(d).map(|(x, d)| x + t * d).collect()
}

/// ‖a − b‖₂.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}
