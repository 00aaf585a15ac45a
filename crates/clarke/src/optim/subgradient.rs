//! The subgradient method, and what it is called on batches of a sum.

use super::conditions::{generic, sampled, steps, surely, values, violated};
use super::first_order::{FirstOrder, SHARED, Setup, Step, Update, batches, step};
use super::method::Guarantee;
use super::options::Entry;
use super::oracle::Facts;
use super::rule::StepRule;
use super::sampler::Order;

/// The subgradient method x_{k+1} = x_k − α_k v_k, with v_k an element of a conservative gradient at x_k, of the function or
/// of a batch of its terms.
///
/// Source: Shor; with conservative gradients Bolte, Pauwels 2021 (Math. Program. 188), Theorem 9: if f is definable, the
/// iterates stay bounded, α_k → 0 and Σ α_k = ∞ (with random batches α_k = o(1/log k), and almost surely), then f(x_k)
/// converges and every accumulation point x̄ has 0 ∈ conv D(x̄). In the order of the terms, or reshuffled: Pauwels 2021
/// (J. Optim. Theory Appl. 190). With a proximal step: Davis, Drusvyatskiy, Kakade, Lee 2020 (Found. Comput. Math. 20).
#[derive(Debug, Clone, PartialEq)]
pub struct Subgradient;

/// The method on the whole function.
pub(super) const ENTRY: Entry = Entry {
    name: "subgradient",
    about: "The method that the theory of conservative gradients is about",
    formula: "x ← x − α v, v ∈ D(x)",
    source: "Shor 1962; Bolte, Pauwels, Math. Program. 188 (2021), Theorem 9",
    parameters: &[&[step("auto")], &batches("0", "uniform"), SHARED],
    make: |settings| FirstOrder::of(settings, Subgradient),
};

/// The method on random batches.
pub(super) const STOCHASTIC: Entry = Entry {
    name: "stochastic",
    about: "The subgradient method on random batches of a sum's terms",
    formula: "x ← x − α v, v ∈ D_I(x), I a random batch",
    source: "Robbins, Monro 1951; Bolte, Pauwels, Math. Program. 188 (2021), Theorem 9; Bolte, Le, Pauwels, SIAM J. Optim. 33 \
             (2023)",
    parameters: &[&[step("auto")], &batches("32", "uniform"), SHARED],
    make: |settings| FirstOrder::of(settings, Subgradient),
};

/// The method on the terms in their order.
pub(super) const INCREMENTAL: Entry = Entry {
    name: "incremental",
    about: "The subgradient method on one term of a sum after another, in their order or reshuffled",
    formula: "x ← x − α v, v ∈ D_i(x), i = 1, …, n, 1, …",
    source: "Nedić, Bertsekas, SIAM J. Optim. 12 (2001); Pauwels, J. Optim. Theory Appl. 190 (2021)",
    parameters: &[&[step("auto")], &batches("1", "reshuffled"), SHARED],
    make: |settings| FirstOrder::of(settings, Subgradient),
};

impl Update for Subgradient {
    fn name(&self) -> &'static str {
        "subgradient"
    }

    fn memory(&self, _x: &[f64]) -> Vec<Vec<f64>> {
        vec![]
    }

    fn advance(&self, step: Step<'_>, _memory: &mut [Vec<f64>], next: &mut [f64]) {
        for ((next, x), g) in next.iter_mut().zip(step.x).zip(step.gradient) {
            *next = x - step.alpha * g;
        }
    }

    fn guarantee(&self, setup: &Setup, facts: Facts) -> Guarantee {
        let mut violated = violated(setup, facts);
        let summable = match setup.rule {
            StepRule::Power { p, .. } => p > 0.5,
            _ => false,
        };
        let polyak_outside =
            matches!(setup.rule, StepRule::Polyak { .. }) && setup.prox.as_ref().is_some_and(|p| !p.is_set());
        if polyak_outside {
            let condition =
                "Polyak's steps know nothing of the regularizer: take another step rule, or write it into the function";
            violated.push(condition.to_string());
        } else if setup.prox.is_some() && !summable && !matches!(setup.rule, StepRule::Polyak { .. }) {
            let condition =
                "Σ α_k² < ∞ is not satisfied: the theorem for proximal steps asks for it; take an exponent 0.5 < p ≤ 1";
            violated.push(condition.to_string());
        }
        if let StepRule::Polyak { target } = setup.rule {
            return Guarantee::new(polyak(target), violated);
        }
        Guarantee::new(statement(setup, facts), violated)
    }
}

/// The theorem for vanishing steps, and the bound for convex functions.
fn statement(setup: &Setup, facts: Facts) -> String {
    let (set, source) = match (&setup.prox, setup.batches.map(|b| b.order)) {
        (Some(_), _) => (
            "0 ∈ conv D + ∂r with the regularizer or set r",
            "Davis, Drusvyatskiy, Kakade, Lee 2020, for Clarke's subdifferential",
        ),
        (None, Some(Order::Cyclic | Order::Reshuffled | Order::Blocks)) if facts.terms > 1 => {
            ("0 ∈ conv D", "Pauwels 2021")
        }
        (None, _) => ("0 ∈ conv D", "Bolte, Pauwels 2021, Theorem 9"),
    };
    let (surely, values, steps, level) = (surely(setup, facts), values(setup), steps(setup, facts), facts.level);
    let mut text = format!(
        "{surely}if the iterates stay bounded, {values}every accumulation point is critical for the \
         conservative gradient, {set} (the function is {level}; {steps}; {source})"
    );
    if facts.convex() && !sampled(setup, facts) && setup.prox.as_ref().is_none_or(|p| p.is_set()) {
        text += "; as the function is convex and where its elements are bounded by L, the best value of k steps is within \
                 (‖x₀ − x*‖² + L² Σ α²) / (2 Σ α) of the optimal one (Shor)";
    }
    text + &generic(setup)
}

fn polyak(target: f64) -> String {
    format!(
        "if {target} is the optimal value and the elements are bounded by L, the best value of k steps is within \
         L ‖x₀ − x*‖ / √k of it (the function is convex; Polyak 1969)"
    )
}
