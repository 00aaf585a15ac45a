//! How near a point is to being critical, as measured by gradients near it.

use super::Oracle;
use crate::error::{Error, Result};
use crate::set::{Polytope, norm};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// What a method measured at its current iterate x: a combination of gradients at points near x, and its norm.
#[derive(Debug, Clone, PartialEq)]
pub struct Stationarity {
    /// ‖Σ λ_j g_j‖₂, with g_j an element of a conservative gradient at a point y_j.
    pub norm: f64,
    /// max ‖y_j − x‖₂ over the points used, so that 0 is within `norm` of the Goldstein subdifferential of x with this
    /// radius, if the g_j are gradients. HANSO's pair is (norm, distance); a (δ, ε)-stationary point has distance ≤ δ, norm ≤ ε.
    pub distance: f64,
    /// Σ λ_j (f(x) − f(y_j) − ⟨g_j, x − y_j⟩), the aggregate linearization error, where the method keeps one: the
    /// combination is then an element of the ε-subdifferential of a convex f at x with ε this error.
    pub error: Option<f64>,
    /// What this says of the least value; for convex functions only.
    pub bound: Option<Bound>,
}

/// A bound on what is missing to the least value over a ball: f(x) − f(z) ≤ gap for all z with ‖z − x‖₂ ≤ radius.
///
/// For convex f it is error + norm · radius, from f(z) ≥ f(x) + ⟨p, z − x⟩ − error. It holds over the reals; rounding of
/// values and gradients adds to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The bound.
    pub gap: f64,
    /// The radius of the ball about x.
    pub radius: f64,
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

/// The element of least norm of the hull of gradients, and the distance of the farthest point with a positive weight.
pub(super) fn least(gradients: &[Vec<f64>], distances: &[f64]) -> Result<(Vec<f64>, f64)> {
    let hull = Polytope::new(gradients)?;
    let found = hull.min_norm();
    let far = found.atoms.iter().map(|(_, row)| distances[hull.origins()[*row]]).fold(0.0, f64::max);
    Ok((found.point, far))
}

/// The value at a trial point, with an infinity where there is none: a step that leaves where a function is defined, or
/// overflows, was too long. The error is kept, for the case that no shorter step helps.
pub(super) struct Trial {
    pub value: f64,
    pub failure: Option<Error>,
}

impl Trial {
    pub fn of(oracle: &mut dyn Oracle, x: &[f64], gradient: &mut [f64]) -> Trial {
        match oracle.value_and_gradient(x, gradient) {
            Ok(value) if value.is_finite() && gradient.iter().all(|g| g.is_finite()) => Trial { value, failure: None },
            Ok(_) => Trial { value: f64::INFINITY, failure: None },
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

/// −a.
pub(super) fn negative(a: &[f64]) -> Vec<f64> {
    a.iter().map(|a| -a).collect()
}
