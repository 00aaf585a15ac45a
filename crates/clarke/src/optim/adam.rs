//! Adam and AdamW.

use super::conditions::{uncovered, violated};
use super::first_order::{FirstOrder, SHARED, Setup, Step, Update, batches, step};
use super::method::Guarantee;
use super::options::{Entry, Parameter, Range, Settings};
use super::oracle::Facts;

/// Adam: m_k = β₁ m_{k−1} + (1 − β₁) v_k, s_k = β₂ s_{k−1} + (1 − β₂) v_k², x_{k+1} = x_k − α_k (m̂_k / (√ŝ_k + ε) + λ x_k), with
/// m̂_k = m_k / (1 − β₁^{k+1}), ŝ_k = s_k / (1 − β₂^{k+1}), entry by entry. AdamW is the same with a decay λ > 0 that does not
/// pass through the scaling.
///
/// Sources: Kingma, Ba 2015; Loshchilov, Hutter 2019. What is known: with constant β₁, β₂ it need not converge even where f is
/// convex (Reddi, Kale, Kumar 2018). With conservative gradients it does if 1 − β₁ and 1 − β₂ go to 0 like the step sizes
/// (Xiao, Hu, Liu, Toh, "Adam-family methods for nonsmooth optimization with convergence guarantees", JMLR 25 (2024)); what is
/// here has them constant, as everyone uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Which part of the mean is kept, 0 ≤ β₁ < 1.
    pub beta1: f64,
    /// Which part of the mean of squares is kept, 0 ≤ β₂ < 1.
    pub beta2: f64,
    /// ε > 0, in units of a gradient.
    pub epsilon: f64,
    /// λ ≥ 0; 0 for Adam.
    pub decay: f64,
}

/// Adam's line in the table.
pub(super) const ADAM: Entry = Entry {
    name: "adam",
    about: "Steps scaled entry by entry, as everyone trains networks",
    formula: "m ← β₁ m + (1 − β₁) v, s ← β₂ s + (1 − β₂) v², x ← x − α m̂ / (√ŝ + ε)",
    source: "Kingma, Ba 2015; Xiao, Hu, Liu, Toh, JMLR 25 (2024)",
    parameters: &[OWN, &[step("0.001")], &batches("0", "reshuffled"), SHARED],
    make: |settings| FirstOrder::of(settings, adam(settings, 0.0)),
};

/// AdamW's line in the table.
pub(super) const ADAMW: Entry = Entry {
    name: "adamw",
    about: "Adam with a weight decay of its own",
    formula: "as adam, then x ← x − α λ x",
    source: "Loshchilov, Hutter 2019",
    parameters: &[OWN, DECAY, &[step("0.001")], &batches("0", "reshuffled"), SHARED],
    make: |settings| FirstOrder::of(settings, adam(settings, settings.real("decay"))),
};

const OWN: &[Parameter] = &[
    Parameter {
        name: "beta1",
        meaning: "which part of the mean of the gradients is kept",
        default: "0.9",
        range: Range::HalfOpen(0.0, 1.0),
    },
    Parameter {
        name: "beta2",
        meaning: "which part of the mean of their squares is kept",
        default: "0.999",
        range: Range::HalfOpen(0.0, 1.0),
    },
    Parameter {
        name: "epsilon",
        meaning: "what is added to the square root",
        default: "1e-8",
        range: Range::Open(0.0, f64::INFINITY),
    },
];

const DECAY: &[Parameter] = &[Parameter {
    name: "decay",
    meaning: "the weight decay λ",
    default: "0.01",
    range: Range::HalfOpen(0.0, f64::INFINITY),
}];

fn adam(settings: &Settings, decay: f64) -> Adam {
    let real = |name| settings.real(name);
    Adam { beta1: real("beta1"), beta2: real("beta2"), epsilon: real("epsilon"), decay }
}

impl Update for Adam {
    fn name(&self) -> &'static str {
        if self.decay > 0.0 { "adamw" } else { "adam" }
    }

    fn memory(&self, x: &[f64]) -> Vec<Vec<f64>> {
        vec![vec![0.0; x.len()]; 2]
    }

    fn advance(&self, step: Step<'_>, memory: &mut [Vec<f64>], next: &mut [f64]) {
        let [mean, square] = memory else { panic!("the memory is what `memory` made") };
        let power = |beta: f64| 1.0 - beta.powf(step.k as f64 + 1.0);
        let (correct1, correct2) = (power(self.beta1), power(self.beta2));
        let entries = next.iter_mut().zip(step.x).zip(step.gradient).zip(mean.iter_mut().zip(square));
        for (((next, x), g), (m, s)) in entries {
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *s = self.beta2 * *s + (1.0 - self.beta2) * g * g;
            let direction = (*m / correct1) / ((*s / correct2).sqrt() + self.epsilon);
            *next = x - step.alpha * (direction + self.decay * x);
        }
    }

    fn rests(&self, x: &[f64], memory: &[Vec<f64>]) -> bool {
        memory[0].iter().all(|m| *m == 0.0) && (self.decay == 0.0 || x.iter().all(|x| *x == 0.0))
    }

    fn guarantee(&self, setup: &Setup, facts: Facts) -> Guarantee {
        let mut violated = violated(setup, facts);
        violated.extend(uncovered(setup));
        violated.push(
            "β₁ and β₂ are constant: convergence is proved if 1 − β₁ and 1 − β₂ go to 0 like the step sizes (Xiao, Hu, Liu, \
             Toh 2024), and with constant ones there are convex functions where it fails (Reddi, Kale, Kumar 2018); take \
             subgradient, heavy-ball or inna"
                .to_string(),
        );
        if self.decay > 0.0 {
            let condition = "the limit is no critical point of f: with a decay λ it balances λ x with a scaled element of D(x); \
                             take decay=0, or write the penalty into the function";
            violated.push(condition.to_string());
        }
        Guarantee::new("none".to_string(), violated)
    }
}
