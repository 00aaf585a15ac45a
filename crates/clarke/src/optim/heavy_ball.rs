//! The heavy ball.

use super::conditions::{generic, with_momentum};
use super::first_order::{FirstOrder, SHARED, Setup, Step, Update, batches, step};
use super::method::Guarantee;
use super::options::{Entry, Parameter, Range};
use super::oracle::Facts;

/// The heavy ball x_{k+1} = x_k − α_k v_k + β (x_k − x_{k−1}), with v_k an element of a conservative gradient at x_k.
///
/// Source: Polyak 1964; with conservative gradients, also of batches, Le, "Nonsmooth nonconvex stochastic heavy ball", J. Optim.
/// Theory Appl. 201 (2024): if f is definable, the iterates stay bounded, α_k = o(1/log k) and Σ α_k = ∞, the values converge
/// and accumulation points have 0 ∈ conv D.
#[derive(Debug, Clone, PartialEq)]
pub struct HeavyBall {
    /// The momentum 0 ≤ β < 1.
    pub beta: f64,
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "heavy-ball",
    about: "The subgradient method with momentum",
    formula: "x ← x − α v + β (x − x₋)",
    source: "Polyak 1964; Le, J. Optim. Theory Appl. 201 (2024)",
    parameters: &[&[BETA], &[step("auto")], &batches("0", "uniform"), SHARED],
    make: |settings| FirstOrder::of(settings, HeavyBall { beta: settings.real("beta") }),
};

const BETA: Parameter = Parameter {
    name: "beta",
    meaning: "the momentum, which part of the last move is made again",
    default: "0.5",
    range: Range::HalfOpen(0.0, 1.0),
};

impl Update for HeavyBall {
    fn name(&self) -> &'static str {
        "heavy-ball"
    }

    fn memory(&self, x: &[f64]) -> Vec<Vec<f64>> {
        vec![x.to_vec()]
    }

    fn advance(&self, step: Step<'_>, memory: &mut [Vec<f64>], next: &mut [f64]) {
        for (((next, x), g), before) in next.iter_mut().zip(step.x).zip(step.gradient).zip(&mut memory[0]) {
            *next = x - step.alpha * g + self.beta * (x - *before);
            *before = *x;
        }
    }

    fn rests(&self, x: &[f64], memory: &[Vec<f64>]) -> bool {
        x == memory[0]
    }

    fn guarantee(&self, setup: &Setup, facts: Facts) -> Guarantee {
        with_momentum(setup, facts, "Le 2024", &generic(setup))
    }
}
