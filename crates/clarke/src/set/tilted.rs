//! The point of a hull that is least in norm once every point of it has an offset of its own: the dual of a proximal step.

use super::factor::Factor;
use super::min_norm::{WEIGHT, step_towards};
use super::{add_scaled, dot, norm};

/// What [`tilted_min_norm`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Tilted {
    /// λ: nonnegative, with sum 1, one a point; at most n + 1 are positive.
    pub weights: Vec<f64>,
    /// x = Σ λ_j p_j.
    pub point: Vec<f64>,
    /// Σ λ_j α_j.
    pub offset: f64,
    /// Points that were taken into the active set.
    pub steps: usize,
    /// Whether no point lies below the level reached by more than rounding: ⟨x, p_j⟩ + α_j ≥ ‖x‖² + Σ λ α for all j, up to
    /// 16 ε (max ‖p‖² + max |α|) over the active points.
    pub converged: bool,
}

/// Minimizes ½ ‖Σ λ_j p_j‖² + Σ λ_j α_j over λ ≥ 0, Σ λ_j = 1.
///
/// For cutting planes f(x̂) − α_j/u + ⟨p_j, d⟩ of a function it is the dual of the proximal step min_d max_j (…) + u/2 ‖d‖², whose
/// solution is d = −x/u. With equal offsets it is the point of least norm, and the method is Wolfe's.
///
/// An active set of affinely independent points is kept, with the least value over their affine hull. The point with
/// the least ⟨x, p_j⟩ + α_j joins. If it depends on the others, weight flows to it along the dependence, on which the value is linear,
/// until one of the others has none left. Then weights move towards the minimizer over the affine hull, and points
/// leave whose weights become 0. Every step makes the value smaller, so that the method is finite.
///
/// `start` are weights to begin with, one a point, which may be empty. Cost: a step takes O(N n + n |active|).
///
/// Source: Kiwiel, "A dual method for certain positive semidefinite quadratic programming problems", SIAM J. Sci. Stat. Comput. 10 (1989).
///
/// # Panics
/// If there are no points, or not as many offsets.
///
/// ```
/// use clarke::set::tilted_min_norm;
/// // max(d, −2d − 1) + d²/2: the first plane alone would go to −1, where the second is above it.
/// let step = tilted_min_norm(&[vec![1.0], vec![-2.0]], &[0.0, 1.0], &[], 100);
/// assert!(step.converged && (step.point[0] - 1.0 / 3.0).abs() < 1e-15); // d = −1/3, where both planes meet
/// assert!((step.weights[0] - 7.0 / 9.0).abs() < 1e-15);
/// ```
pub fn tilted_min_norm(points: &[Vec<f64>], offsets: &[f64], start: &[f64], max_steps: usize) -> Tilted {
    assert!(!points.is_empty() && points.len() == offsets.len(), "every point of tilted_min_norm has an offset");
    let mut active = Active::new(points, offsets, start);
    let (mut steps, mut converged, mut stalled, mut value) = (0, false, 0, active.value());
    loop {
        let x = active.point();
        let level = active.level(&x);
        let below = |j: usize| dot(&x, &points[j]) + offsets[j];
        let (next, least) =
            (0..points.len()).map(|j| (j, below(j))).min_by(|a, b| a.1.total_cmp(&b.1)).expect("there is a point");
        // Where rounding hides what lies below, a step may still help: a small x can be known better than the points.
        let below = level - least;
        converged |= below <= active.doubt();
        if below <= active.rounding(&x) || stalled > 3 || steps >= max_steps || active.members.contains(&next) {
            return active.found(x, steps, converged);
        }
        steps += 1;
        if !active.join(next) {
            return active.found(x, steps, converged);
        }
        active.settle();
        // Steps that rounding alone makes could follow each other for long.
        let (before, after) = (value, active.value());
        stalled = if after >= before - f64::EPSILON * before.abs() { stalled + 1 } else { 0 };
        value = after;
    }
}

/// The points with a weight.
struct Active<'a> {
    points: &'a [Vec<f64>],
    offsets: &'a [f64],
    members: Vec<usize>,
    weights: Vec<f64>,
    /// QR of the columns (scale, p).
    factor: Factor,
    scale: f64,
}

impl<'a> Active<'a> {
    fn new(points: &'a [Vec<f64>], offsets: &'a [f64], start: &[f64]) -> Active<'a> {
        let scale = points.iter().map(|p| norm(p)).fold(0.0, f64::max);
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let mut active = Active { points, offsets, members: vec![], weights: vec![], factor: Factor::default(), scale };
        let total: f64 = start.iter().sum();
        for (j, w) in start.iter().enumerate().filter(|(_, w)| **w > WEIGHT) {
            active.members.push(j);
            active.weights.push(w / total);
        }
        if active.members.is_empty() || !active.refactor() {
            let value = |j: &usize| 0.5 * dot(&points[*j], &points[*j]) + offsets[*j];
            let first = (0..points.len()).min_by(|i, j| value(i).total_cmp(&value(j))).expect("there is a point");
            (active.members, active.weights) = (vec![first], vec![1.0]);
            active.refactor();
        }
        active.settle();
        active
    }

    fn column(&self, j: usize) -> Vec<f64> {
        std::iter::once(self.scale).chain(self.points[j].iter().copied()).collect()
    }

    /// Factors anew. False if a member depends on those before it.
    fn refactor(&mut self) -> bool {
        self.factor = Factor::default();
        let columns: Vec<Vec<f64>> = self.members.iter().map(|j| self.column(*j)).collect();
        columns.iter().all(|c| self.factor.push(c))
    }

    fn point(&self) -> Vec<f64> {
        let mut x = vec![0.0; self.points[0].len()];
        for (w, j) in self.weights.iter().zip(&self.members) {
            add_scaled(&mut x, *w, &self.points[*j]);
        }
        x
    }

    fn offset(&self) -> f64 {
        self.weights.iter().zip(&self.members).map(|(w, j)| w * self.offsets[*j]).sum()
    }

    /// ‖x‖² + Σ λ α.
    fn level(&self, x: &[f64]) -> f64 {
        dot(x, x) + self.offset()
    }

    /// ½ ‖x‖² + Σ λ α.
    fn value(&self) -> f64 {
        let x = self.point();
        0.5 * dot(&x, &x) + self.offset()
    }

    /// By how much a level differs from another if nothing but rounding does it, for the x at hand.
    fn rounding(&self, x: &[f64]) -> f64 {
        1e-15 * (norm(x) * self.largest() + self.most())
    }

    /// By how much it may be wrong, since x is a sum of larger points.
    fn doubt(&self) -> f64 {
        16.0 * f64::EPSILON * (self.largest().powi(2) + self.most())
    }

    fn largest(&self) -> f64 {
        self.members.iter().map(|j| norm(&self.points[*j])).fold(0.0, f64::max)
    }

    fn most(&self) -> f64 {
        self.members.iter().map(|j| self.offsets[*j].abs()).fold(0.0, f64::max)
    }

    fn found(&self, point: Vec<f64>, steps: usize, converged: bool) -> Tilted {
        Tilted { weights: self.spread(), point, offset: self.offset(), steps, converged }
    }

    /// A point joins, with weight 0 or what flows to it. False if rounding does not let it.
    fn join(&mut self, j: usize) -> bool {
        let column = self.column(j);
        if self.factor.push(&column) {
            self.members.push(j);
            self.weights.push(0.0);
            return true;
        }
        // Column j is Σ δ_i column i: one unit of weight for j takes δ_i of it from i.
        let delta = self.factor.least_squares(&column);
        let room = |i: &usize| self.weights[*i] / delta[*i];
        let Some(out) = (0..delta.len()).filter(|i| delta[*i] > WEIGHT).min_by(|a, b| room(a).total_cmp(&room(b)))
        else {
            return false;
        };
        let flow = room(&out);
        for (w, d) in self.weights.iter_mut().zip(&delta) {
            *w = (*w - flow * d).max(0.0);
        }
        self.drop(out);
        self.members.push(j);
        self.weights.push(flow);
        self.factor.push(&column) || self.refactor()
    }

    fn drop(&mut self, k: usize) {
        self.members.remove(k);
        self.weights.remove(k);
        self.factor.remove(k);
    }

    /// Moves to the minimizer over the affine hull of the members, dropping those that lose their weight.
    fn settle(&mut self) {
        while let Some(blocking) = step_towards(&self.affine_minimizer(), &mut self.weights) {
            self.drop(blocking);
        }
        let total: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|w| *w /= total);
    }

    /// The weights of sum 1 for which the value is least: PᵀP λ + α = ν 1. With A = (scale, P) = QR it is λ = ν a − b,
    /// where RᵀR a = 1 and RᵀR b = α.
    fn affine_minimizer(&self) -> Vec<f64> {
        let mut a = self.factor.first_row();
        self.factor.back_substitute(&mut a);
        let total: f64 = a.iter().sum();
        // Only differences of offsets matter: without their mean less is lost to rounding.
        let least = self.members.iter().map(|j| self.offsets[*j]).fold(f64::INFINITY, f64::min);
        let mut b: Vec<f64> = self.members.iter().map(|j| self.offsets[*j] - least).collect();
        self.factor.forward_substitute(&mut b);
        self.factor.back_substitute(&mut b);
        let multiple = (1.0 + b.iter().sum::<f64>()) / total;
        a.iter().zip(&b).map(|(a, b)| multiple * a - b).collect()
    }

    /// One weight a point.
    fn spread(&self) -> Vec<f64> {
        let mut all = vec![0.0; self.points.len()];
        for (w, j) in self.weights.iter().zip(&self.members) {
            all[*j] = *w;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::{Polytope, min_norm};

    fn random(seed: u64, n: usize) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n as u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        }
    }

    #[test]
    fn the_optimality_conditions_hold_for_random_points_also_dependent_ones() {
        for (seed, n, count) in [(1, 3, 2), (2, 3, 40), (3, 12, 30), (4, 12, 300), (5, 1, 10), (6, 40, 200)] {
            let mut next = random(seed, n);
            let points: Vec<Vec<f64>> = (0..count).map(|_| (0..n).map(|_| next()).collect()).collect();
            for tilt in [0.0, 1e-6, 0.1, 100.0] {
                let offsets: Vec<f64> = (0..count).map(|_| tilt * (next() + 0.5)).collect();
                let cold = tilted_min_norm(&points, &offsets, &[], 10_000);
                let warm = tilted_min_norm(&points, &offsets, &vec![1.0 / count as f64; count], 10_000);
                for found in [&cold, &warm] {
                    assert!(found.converged, "{n} {count} {tilt}");
                    assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                    assert!(found.weights.iter().all(|w| *w >= 0.0));
                    let level = dot(&found.point, &found.point) + found.offset;
                    let slack = |(p, a): (&Vec<f64>, &f64)| dot(p, &found.point) + a - level;
                    assert!(points.iter().zip(&offsets).all(|q| slack(q) > -1e-12 * (1.0 + tilt)));
                }
                assert!((norm(&cold.point) - norm(&warm.point)).abs() < 1e-9, "{n} {count} {tilt}");
            }
        }
    }

    #[test]
    fn with_equal_offsets_it_is_the_point_of_least_norm() {
        let mut next = random(9, 4);
        let points: Vec<Vec<f64>> = (0..20).map(|_| (0..4).map(|_| next() + 0.4).collect()).collect();
        let found = tilted_min_norm(&points, &[3.0; 20], &[], 1000);
        let mut hull = Polytope::new(&points).unwrap();
        let wolfe = min_norm(&mut hull, &[0.0; 4], 1e-14, 1000);
        assert!((norm(&found.point) - wolfe.norm).abs() < 1e-13);
        assert!((found.offset - 3.0).abs() < 1e-14);
    }
}
