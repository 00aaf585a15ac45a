//! Wolfe's algorithm for the point of least norm of a polytope, over a linear maximization oracle.

use super::factor::Factor;
use super::{Body, add_scaled, dot, minus, norm};

/// What [`min_norm`] found: a point of the set, and how near to the target any point of it can be.
#[derive(Debug, Clone)]
pub struct MinNorm<A> {
    /// x, the nearest point found, less the target: Σ weight · (atom's point − target), in the order of `atoms`.
    pub point: Vec<f64>,
    /// u, a unit vector with ⟨u, p⟩ ≥ lower for all points, so that −u points from the set to the target: x/‖x‖, made
    /// orthogonal to the differences of the atoms once more, which matters where ‖x‖ is small. 0 if x is.
    pub direction: Vec<f64>,
    /// ‖x‖₂: an upper bound of the distance between the target and the set.
    pub norm: f64,
    /// A lower bound of that distance, from the support function at −u ([`Body::upper`]): max(0, min ⟨u, p⟩), up to the
    /// rounding of that inner product.
    pub lower: f64,
    /// The points of the set that x is a combination of, affinely independent, with what identifies them.
    pub atoms: Vec<(Vec<f64>, A)>,
    /// Their weights: positive, with sum 1.
    pub weights: Vec<f64>,
    /// How many times the oracle was asked.
    pub steps: usize,
    /// Whether the method ended because norm − lower ≤ tolerance · max ‖p‖, as far as the oracle is exact, or with a
    /// difference that drowns in rounding (below 16 ε max ‖p‖² / ‖x‖) and could not be made smaller.
    pub converged: bool,
}

/// The nearest point of a set to a target, Wolfe 1976: the point of least norm among p = v − target.
///
/// An affinely independent *corral* of points is kept, with x the point of least norm of its hull. The oracle is asked
/// for the p with the least ⟨x, p⟩. If that is ⟨x, x⟩, x is the answer. Otherwise p joins the corral, and points leave it
/// as long as the affine hull's point of least norm lies outside of their hull. Every round makes ‖x‖ smaller, so that no corral
/// comes twice; for a polytope the method ends with the exact point, up to rounding.
///
/// `tolerance` is relative to the largest ‖p‖ that was met: the method ends when ‖x‖ − lower ≤ tolerance · max ‖p‖,
/// which bounds the error of the distance; the error of the point is at most √(‖x‖ (‖x‖ − lower)). Below about 10⁻¹⁴
/// rounding ends the method first. Ending otherwise, by `max_steps` or because rounding stops all progress, is data:
/// `converged` is false, and the two bounds hold.
///
/// Cost: a step asks the oracle once and takes O(n · |corral|), where |corral| ≤ n + 1. The corral is kept as a QR
/// factorization of the columns (m, p), for which the affine minimizer is a least squares problem with right side
/// (1, 0): digits are lost with its condition, not with its square.
///
/// # Panics
/// If the target's length is not the body's dimension.
pub fn min_norm<B: Body>(body: &mut B, target: &[f64], tolerance: f64, max_steps: usize) -> MinNorm<B::Atom> {
    assert_eq!(target.len(), body.dimension(), "the target of min_norm lies in the body's space");
    let (first, atom) = body.maximize(&vec![0.0; target.len()]);
    let mut corral = Corral::new(minus(&first, target));
    let mut atoms = vec![(first, atom)];
    let (mut steps, mut converged) = (1, false);
    // Twice without a smaller norm: only rounding is left.
    let mut stalled = 0;
    loop {
        let length = norm(&corral.x);
        if length <= tolerance * corral.largest {
            converged = true;
            break;
        }
        if steps >= max_steps {
            break;
        }
        steps += 1;
        let u = corral.direction();
        let (v, atom) = body.maximize(&u.iter().map(|u| -u).collect::<Vec<_>>());
        let p = minus(&v, target);
        corral.largest = corral.largest.max(norm(&p));
        let excess = length - dot(&u, &p);
        if excess <= tolerance * corral.largest {
            converged = true;
            break;
        }
        // Where rounding hides the gap a step may still help: a small x can be known better than the largest p.
        converged = excess * length <= 16.0 * f64::EPSILON * corral.largest.powi(2);
        atoms.push((v, atom));
        if !corral.join(p, &mut atoms) {
            break;
        }
        stalled = if norm(&corral.x) >= length { stalled + 1 } else { 0 };
        if stalled > 1 {
            break;
        }
    }
    let (direction, norm) = (corral.direction(), norm(&corral.x));
    let mut lower = 0.0;
    if norm > 0.0 {
        let down: Vec<f64> = direction.iter().map(|u| -u).collect();
        lower = (dot(&down, target) - body.upper(&down)).clamp(0.0, norm);
    }
    MinNorm { point: corral.x, direction, norm, lower, atoms, weights: corral.weights, steps, converged }
}

/// The points in use, less the target, with the combination of least norm.
struct Corral {
    points: Vec<Vec<f64>>,
    weights: Vec<f64>,
    /// Σ weight · point.
    x: Vec<f64>,
    /// QR of the columns (scale, point).
    factor: Factor,
    scale: f64,
    /// The largest norm of a point that was met.
    largest: f64,
}

impl Corral {
    fn new(point: Vec<f64>) -> Corral {
        let largest = norm(&point);
        let x = point.clone();
        let mut corral =
            Corral { points: vec![point], weights: vec![1.0], x, factor: Factor::default(), scale: 1.0, largest };
        corral.refactor();
        corral
    }

    fn column(&self, point: &[f64]) -> Vec<f64> {
        std::iter::once(self.scale).chain(point.iter().copied()).collect()
    }

    /// Factors anew, with the scale of the points now known. False if a point depends on those before it.
    fn refactor(&mut self) -> bool {
        self.scale = if self.largest > 0.0 { self.largest } else { 1.0 };
        self.factor = Factor::default();
        let columns: Vec<Vec<f64>> = self.points.iter().map(|p| self.column(p)).collect();
        columns.iter().all(|c| self.factor.push(c))
    }

    /// A point joins, and those leave that the least norm does not need. False, with nothing changed, if rounding does
    /// not let the point join. `atoms` follows the points.
    fn join<A>(&mut self, point: Vec<f64>, atoms: &mut Vec<A>) -> bool {
        let stale = self.scale < 0.25 * self.largest;
        let column = self.column(&point);
        if (stale || !self.factor.push(&column)) && !(self.refactor() && self.factor.push(&self.column(&point))) {
            atoms.pop();
            return false;
        }
        self.points.push(point);
        self.weights.push(0.0);
        while let Some(blocking) = step_towards(&self.affine_minimizer(), &mut self.weights) {
            self.points.remove(blocking);
            self.weights.remove(blocking);
            self.factor.remove(blocking);
            atoms.remove(blocking);
        }
        let total: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|w| *w /= total);
        self.x.fill(0.0);
        for (w, p) in self.weights.iter().zip(&self.points) {
            add_scaled(&mut self.x, *w, p);
        }
        true
    }

    /// The weights, of sum 1, for which ‖Σ weight · point‖ is least. The least squares solution u of (scale, P) u ≈ (1, 0)
    /// is a multiple of them, since its residual's gradient in u is Pᵀ P u + scale (scale · 1ᵀu − 1) 1 = 0.
    fn affine_minimizer(&self) -> Vec<f64> {
        let mut u = self.factor.first_row();
        self.factor.back_substitute(&mut u);
        let total: f64 = u.iter().sum();
        u.iter_mut().for_each(|u| *u /= total);
        u
    }

    /// x/‖x‖. The residual of the least squares problem is a multiple of (·, x); orthogonal to the columns up to rounding
    /// of its own size, where x as a combination of points is known up to the rounding of theirs.
    fn direction(&self) -> Vec<f64> {
        let length = norm(&self.x);
        let plain: Vec<f64> = self.x.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect();
        if length == 0.0 || length > SMALL * self.largest {
            return plain;
        }
        let mut rest = vec![0.0; self.x.len() + 1];
        rest[0] = 1.0;
        for _ in 0..3 {
            self.factor.make_orthogonal(&mut rest);
        }
        let size = norm(&rest[1..]);
        let refined: Vec<f64> = rest[1..].iter().map(|x| -x / size).collect();
        if dot(&refined, &plain) > 0.5 { refined } else { plain }
    }
}

/// Moves weights to the given ones as far as they stay nonnegative; the one that becomes 0, if one stops the move.
pub(super) fn step_towards(to: &[f64], weights: &mut [f64]) -> Option<usize> {
    let room = |k: &usize| weights[*k] / (weights[*k] - to[*k]);
    let blocking = (0..to.len()).filter(|k| to[*k] <= WEIGHT).min_by(|i, j| room(i).total_cmp(&room(j)));
    let Some(blocking) = blocking.filter(|_| to.len() > 1) else {
        weights.copy_from_slice(to);
        return None;
    };
    let t = room(&blocking).clamp(0.0, 1.0);
    for (w, to) in weights.iter_mut().zip(to) {
        *w = (*w + t * (to - *w)).max(0.0);
    }
    Some(blocking)
}

/// Relative to the largest point, the norm below which a direction is refined.
const SMALL: f64 = 1e-2;

/// Weights up to this are taken for 0: an affine combination of sum 1 is known to a few units of rounding.
pub(super) const WEIGHT: f64 = 1e-15;
