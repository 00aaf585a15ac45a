//! INNA: an inertial method of Newton's kind, by first-order information alone.

use super::conditions::with_momentum;
use super::first_order::{FirstOrder, SHARED, Setup, Step, Update, batches, step};
use super::method::{Guarantee, Measure};
use super::options::{Entry, Parameter, Range};
use super::oracle::Facts;

/// INNA: θ_{k+1} = θ_k + α_k (d_k − β v_k), ψ_{k+1} = ψ_k + α_k d_k, d_k = (1/β − α) θ_k − ψ_k / β, with v_k an element of a
/// conservative gradient at θ_k, of the function or of a batch, and ψ_0 = (1 − αβ) θ_0.
///
/// It discretizes θ̈ + α θ̇ + β ∇²f(θ) θ̇ + ∇f(θ) = 0, of which E = (1 + αβ) f(θ) + ½ ‖(α − 1/β) θ + ψ/β‖² is a Lyapunov
/// function: dE/dt = −α ‖θ̇‖² − β ‖v‖². The method measures E.
///
/// Source: Castera, Bolte, Févotte, Pauwels, "An inertial Newton algorithm for deep learning", JMLR 22 (2021): if f is
/// definable, the iterates stay bounded, α_k = o(1/log k) and Σ α_k = ∞, the values converge and accumulation points have
/// 0 ∈ conv D, for all α, β > 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Inna {
    /// Viscous damping α > 0.
    pub alpha: f64,
    /// Newtonian damping β > 0.
    pub beta: f64,
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "inna",
    about: "An inertial method of Newton's kind, by first-order information alone",
    formula: "d = (1/β − α) x − ψ/β, x ← x + α_k (d − β v), ψ ← ψ + α_k d",
    source: "Castera, Bolte, Févotte, Pauwels, JMLR 22 (2021)",
    parameters: &[OWN, &[step("0.1/(k+1)^0.5")], &batches("0", "uniform"), SHARED],
    make: |settings| FirstOrder::of(settings, Inna { alpha: settings.real("alpha"), beta: settings.real("beta") }),
};

const OWN: &[Parameter] = &[
    Parameter {
        name: "alpha",
        meaning: "viscous damping; small is fast and less stable",
        default: "0.5",
        range: Range::Open(0.0, f64::INFINITY),
    },
    Parameter {
        name: "beta",
        meaning: "Newtonian damping, against oscillation across valleys",
        default: "0.1",
        range: Range::Open(0.0, f64::INFINITY),
    },
];

impl Update for Inna {
    fn name(&self) -> &'static str {
        "inna"
    }

    fn memory(&self, x: &[f64]) -> Vec<Vec<f64>> {
        vec![x.iter().map(|x| (1.0 - self.alpha * self.beta) * x).collect()]
    }

    fn advance(&self, step: Step<'_>, memory: &mut [Vec<f64>], next: &mut [f64]) {
        for (((next, x), g), psi) in next.iter_mut().zip(step.x).zip(step.gradient).zip(&mut memory[0]) {
            let d = (1.0 / self.beta - self.alpha) * x - *psi / self.beta;
            *next = x + step.alpha * (d - self.beta * g);
            *psi += step.alpha * d;
        }
    }

    fn rests(&self, x: &[f64], memory: &[Vec<f64>]) -> bool {
        x.iter().zip(&memory[0]).all(|(x, psi)| (1.0 / self.beta - self.alpha) * x - psi / self.beta == 0.0)
    }

    fn measures(&self, x: &[f64], value: f64, memory: &[Vec<f64>]) -> Vec<Measure> {
        let velocity = |(x, psi): (&f64, &f64)| ((self.alpha - 1.0 / self.beta) * x + psi / self.beta).powi(2);
        let kinetic = 0.5 * x.iter().zip(&memory[0]).map(velocity).sum::<f64>();
        let energy = (1.0 + self.alpha * self.beta) * value + kinetic;
        vec![Measure { name: "E = (1 + αβ) f + ½ ‖(α − 1/β) x + ψ/β‖²", value: energy, tolerance: None }]
    }

    fn guarantee(&self, setup: &Setup, facts: Facts) -> Guarantee {
        with_momentum(setup, facts, "Castera, Bolte, Févotte, Pauwels 2021", "")
    }
}
