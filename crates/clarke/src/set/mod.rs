//! Compact convex sets of Rⁿ: support functions, nearest points, membership, hulls. No programs in here.
//!
//! A set is known by its linear maximization oracle ([`Body`]). Its nearest point to a target is found by Wolfe's
//! algorithm ([`min_norm`]), with a lower bound of the distance as certificate. Sets with finitely many extreme points
//! are [`Polytope`]s; the rules that conservative fields obey are operations on these ([`calculus`]). A [`Zonotope`] is the image
//! of a cube. [`open_cone`] decides whether finitely many open half-spaces through 0 have a point in common.
//!
//! ```
//! use clarke::set::{Membership, Polytope};
//!
//! // The Clarke subdifferential of |x₁| + max(x₁, x₂) at 0 is the hull of four gradients. Is 0 in it?
//! let hull = Polytope::new(&[vec![2.0, 0.0], vec![1.0, 1.0], vec![0.0, 0.0], vec![-1.0, 1.0]])?;
//! let Membership::Inside { weights, .. } = hull.contains(&[0.0, 0.0], 1e-12)? else { panic!() };
//! assert_eq!(weights, [0.0, 0.0, 1.0, 0.0]);
//! assert_eq!(hull.extreme().len(), 4);
//!
//! // (0, −1) is not, and a direction shows it.
//! let Membership::Outside { direction, gap } = hull.contains(&[0.0, -1.0], 1e-12)? else { panic!() };
//! assert!((gap - 1.0).abs() < 1e-12 && direction[1] < 0.0);
//! # Ok::<(), clarke::Error>(())
//! ```

pub mod calculus;
mod cone;
mod extreme;
mod factor;
mod min_norm;
mod nearest;
mod polytope;
mod tilted;
mod zonotope;

pub use cone::{Cone, open_cone};
pub use min_norm::{MinNorm, min_norm};
pub use polytope::{Membership, Polytope};
pub use tilted::{Tilted, tilted_min_norm};
pub use zonotope::{Dense, Diameter, Generators, Nearest, Zonotope};

use crate::error::{Error, Fault, Result};

/// A compact convex set of Rⁿ, known by its linear maximization oracle.
///
/// The atom is whatever identifies a maximizer to the caller: a row's index, a vector of selections.
pub trait Body {
    /// What identifies a maximizer.
    type Atom: Clone;

    /// n, the dimension of the space.
    fn dimension(&self) -> usize;

    /// A point v of the set at which ⟨d, v⟩ is largest, and its atom; ⟨d, v⟩ is the support function at d. For d = 0
    /// any point of the set will do.
    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, Self::Atom);

    /// An upper bound of the support function at d. Where [`Body::maximize`] is exact it is ⟨d, v⟩, which is the default; an
    /// oracle that is only known to be near says here how far its set can reach.
    fn upper(&mut self, d: &[f64]) -> f64 {
        let (v, _) = self.maximize(d);
        dot(d, &v)
    }
}

/// ⟨a, b⟩, summed in eight lanes.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// ‖a‖₂, without overflow or underflow of the squares.
pub(crate) fn norm(a: &[f64]) -> f64 {
    let square = dot(a, a);
    if (1e-200..1e200).contains(&square) {
        return square.sqrt();
    }
    let largest = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * a.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

/// a − b.
pub(crate) fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x - y).collect()
}

/// to += t · a.
pub(crate) fn add_scaled(to: &mut [f64], t: f64, a: &[f64]) {
    for (to, a) in to.iter_mut().zip(a) {
        *to += t * a;
    }
}

/// The error of an argument that a set operation cannot take.
fn refuse(op: &str, parameter: &str, value: impl ToString, rule: impl Into<String>) -> Error {
    Fault::Parameter { op: op.into(), parameter: parameter.into(), value: value.to_string(), rule: rule.into() }.into()
}

/// Refuses vectors that have not the right length, or hold NaN or an infinity.
fn check(op: &str, parameter: &str, vector: &[f64], dimension: usize) -> Result<()> {
    if vector.len() != dimension {
        let rule = format!("the set lies in dimension {dimension}");
        return Err(refuse(op, parameter, format!("a vector of length {}", vector.len()), rule));
    }
    match vector.iter().position(|x| !x.is_finite()) {
        Some(k) => {
            Err(Fault::InputNotFinite { input: format!("{parameter} of {op}"), value: vector[k], index: vec![k] }
                .into())
        }
        None => Ok(()),
    }
}
