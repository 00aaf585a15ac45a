//! Steps along a direction: bracketing for the weak Wolfe conditions.

use super::Oracle;
use super::stationarity::{Trial, moved};
use crate::error::Error;
use crate::set::dot;

/// The weak Wolfe conditions on a step t along a direction d with slope ⟨g, d⟩ < 0:
///
/// f(x + t d) ≤ f(x) + c₁ t ⟨g, d⟩ and ⟨g(x + t d), d⟩ ≥ c₂ ⟨g, d⟩.
///
/// The bracket [a, b] starts as [0, ∞) with t = 1. Where the first condition fails b becomes t, where the second fails a
/// does; t becomes (a + b)/2, or 2 a while b = ∞. Where the function is not finite, the first condition counts as failed.
///
/// Source: Lewis, Overton, "Nonsmooth optimization via quasi-Newton methods", Math. Program. 141 (2013), Algorithm 2.6 and
/// Theorem 2.7: it ends if f is absolutely continuous and bounded below along d, and differentiable where it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct WeakWolfe {
    /// c₁, in (0, c₂).
    pub decrease: f64,
    /// c₂, in (c₁, 1).
    pub curvature: f64,
    /// At most this many trials.
    pub trials: usize,
}

impl Default for WeakWolfe {
    fn default() -> WeakWolfe {
        WeakWolfe { decrease: 1e-4, curvature: 0.5, trials: 100 }
    }
}

/// Where a search ended.
#[derive(Debug)]
pub(super) enum Search {
    /// At a point with both conditions.
    Wolfe(Step),
    /// At a point with less value only: the bracket became as small as rounding lets it be, or trials ran out.
    Decrease(Step),
    /// Where it began. The error is that of the last trial, if the function could not be evaluated there.
    Nowhere(Option<Error>),
}

/// A point along the direction.
#[derive(Debug)]
pub(super) struct Step {
    pub x: Vec<f64>,
    pub value: f64,
    pub gradient: Vec<f64>,
}

impl WeakWolfe {
    /// Searches from x, with its value and the slope there, along a direction.
    pub(super) fn search(&self, oracle: &mut dyn Oracle, x: &[f64], value: f64, slope: f64, d: &[f64]) -> Search {
        let (mut low, mut high, mut t) = (0.0, f64::INFINITY, 1.0);
        let mut kept: Option<Step> = None;
        let mut failure = None;
        for _ in 0..self.trials {
            let next = moved(x, t, d);
            if next == x {
                break;
            }
            let mut gradient = vec![0.0; x.len()];
            let trial = Trial::of(oracle, &next, &mut gradient);
            failure = trial.failure;
            // With a slope near 0 the first condition is met by rounding alone: the value must really be less.
            if trial.value > value + self.decrease * t * slope || trial.value >= value {
                high = t;
            } else {
                let step = Step { x: next, value: trial.value, gradient };
                if dot(&step.gradient, d) >= self.curvature * slope {
                    return Search::Wolfe(step);
                }
                low = t;
                kept = Some(step);
            }
            let wide = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * t };
            if wide == low || wide == high || !wide.is_finite() {
                break;
            }
            t = wide;
        }
        kept.map_or(Search::Nowhere(failure), Search::Decrease)
    }
}
