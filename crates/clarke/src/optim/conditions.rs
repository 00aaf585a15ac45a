//! What first-order methods' guarantees share: conditions, and sentences about settings.

use super::first_order::Setup;
use super::method::Guarantee;
use super::oracle::Facts;
use super::rule::{Condition, StepRule};
use super::sampler::Order;

/// The conditions on steps and on the function that the theorems for vanishing steps share, as far as violated.
pub(super) fn violated(setup: &Setup, facts: Facts) -> Vec<String> {
    let mut violated: Vec<String> = setup.rule.violated().into_iter().filter_map(|c| on_steps(c, facts)).collect();
    let convex_is_enough = matches!(setup.rule, StepRule::Polyak { .. }) && facts.convex();
    if !facts.tame() && !convex_is_enough {
        violated.push(UNTAMED.to_string());
    }
    if matches!(setup.rule, StepRule::AdaGrad { .. }) && sampled(setup, facts) {
        violated.push(
            "the step sizes depend on the batches: the theorem asks for sizes given beforehand; take a/(k+b)^p"
                .to_string(),
        );
    }
    if setup.average.is_some() && !facts.convex() {
        violated.push(
            "the result is an average: the theorem speaks of iterates, and of their averages only where the function is \
             convex; take average=none, or say that it is convex"
                .to_string(),
        );
    }
    violated
}

/// What is missing of a function that is not known to be definable.
pub(super) const UNTAMED: &str = "the function is not known to be definable: sin, cos or another operator of unknown \
                                  tameness acts on an unbounded argument";

/// What the theorems for vanishing steps give for methods with momentum, and what `more` adds.
pub(super) fn with_momentum(setup: &Setup, facts: Facts, source: &str, more: &str) -> Guarantee {
    let mut violated = violated(setup, facts);
    violated.extend(uncovered(setup));
    let (surely, values, steps, level) = (surely(setup, facts), values(setup), steps(setup, facts), facts.level);
    let statement = format!(
        "{surely}if the iterates stay bounded, {values}every accumulation point is critical for the conservative gradient, \
         0 ∈ conv D (the function is {level}; {steps}; {source}){more}"
    );
    Guarantee::new(statement, violated)
}

/// Whether steps see batches of several terms.
pub(super) fn sampled(setup: &Setup, facts: Facts) -> bool {
    setup.batches.is_some() && facts.terms > 1
}

/// What the theorems for vanishing steps say of the values, if that much is known.
pub(super) fn values(setup: &Setup) -> &'static str {
    match setup.rule {
        StepRule::AdaGrad { .. } => "",
        _ => "the values converge and ",
    }
}

fn on_steps(condition: Condition, facts: Facts) -> Option<String> {
    let text = match condition {
        Condition::Vanishing => {
            "α_k → 0 is violated: with constant steps the iterates reach a neighbourhood of critical points only; take an \
             exponent 0 < p ≤ 1"
        }
        Condition::Divergent => {
            "Σ α_k = ∞ is violated: the iterates may stop short of any critical point; take an exponent p ≤ 1"
        }
        Condition::Convex if facts.convex() => return None,
        Condition::Convex => {
            "the function is not said to be convex: Polyak's steps rest on f(x*) ≥ f(x) + ⟨v, x* − x⟩; say so, or take \
             another step rule"
        }
    };
    Some(text.to_string())
}

/// What no theorem covers of methods other than the subgradient method: a regularizer or a set, and Polyak's steps.
pub(super) fn uncovered(setup: &Setup) -> Vec<String> {
    let mut all = vec![];
    if let Some(prox) = &setup.prox {
        all.push(format!("no theorem is known for this method with {prox}: take subgradient, or no prox"));
    }
    if matches!(setup.rule, StepRule::Polyak { .. }) {
        all.push(
            "no theorem is known for this method with Polyak's steps: take subgradient, or another step rule".into(),
        );
    }
    all
}

/// What of the step rule the theorem uses.
pub(super) fn steps(setup: &Setup, facts: Facts) -> &'static str {
    match setup.rule {
        StepRule::AdaGrad { .. } => "where the elements are bounded, either Σ ‖v_k‖² < ∞ or α_k → 0 and Σ α_k = ∞",
        _ if sampled(setup, facts) => "α_k = o(1/log k), Σ α_k = ∞",
        _ => "α_k → 0, Σ α_k = ∞",
    }
}

/// `almost surely, ` where batches are random.
pub(super) fn surely(setup: &Setup, facts: Facts) -> &'static str {
    match setup.batches {
        Some(batches) if batches.order != Order::Cyclic && facts.terms > 1 => "almost surely, ",
        _ => "",
    }
}

/// What random starts and steps add: limits that are critical for the function, not for the program alone.
pub(super) fn generic(setup: &Setup) -> String {
    if setup.noise.start <= 0.0 {
        return String::new();
    }
    "; from almost every start, with all step sizes but finitely many, no iterate meets a point where the element is not the \
     gradient, so that with this random start accumulation points are almost surely Clarke critical, 0 ∈ ∂ᶜf (Bolte, Pauwels \
     2020). This is true of real numbers: of the finitely many floating-point numbers a start has ties with a chance above 0"
        .to_string()
}
