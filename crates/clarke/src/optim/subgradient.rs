//! The subgradient method.

use super::{AnyMethod, Condition, Entry, Facts, Guarantee, Method, Oracle, Parameter, Range, Status, StepRule};
use crate::error::Result;

/// The subgradient method x_{k+1} = x_k − α_k v_k, with v_k an element of a conservative gradient at x_k.
///
/// Source: Shor; with conservative gradients Bolte, Pauwels 2021 (Math. Program. 188), Theorem 9: if f is definable, the
/// iterates stay bounded, α_k → 0 and Σ α_k = ∞, then f(x_k) converges and every accumulation point x̄ has
/// 0 ∈ conv D(x̄).
#[derive(Debug, Clone, PartialEq)]
pub struct Subgradient {
    /// The step sizes.
    pub rule: StepRule,
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "subgradient",
    about: "The method that the theory of conservative gradients is about",
    formula: "x ← x − α v, v ∈ D(x)",
    source: "Shor 1962; Bolte, Pauwels, Math. Program. 188 (2021), Theorem 9",
    parameters: &[&[STEP]],
    make: |settings| Ok(AnyMethod::new(Subgradient { rule: settings.rule("step") })),
};

const STEP: Parameter =
    Parameter { name: "step", meaning: "the size of step k = 0, 1, …", default: "auto", range: Range::Rule };

/// What the method carries.
#[derive(Debug, Clone)]
pub struct State {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    /// Where the next iterate is made, so that a failure leaves the current one.
    next: Vec<f64>,
    next_gradient: Vec<f64>,
    steps: u64,
    /// The a of [`StepRule::Auto`].
    scale: f64,
}

impl Method for Subgradient {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let mut gradient = vec![0.0; x.len()];
        let value = oracle.value_and_gradient(x, &mut gradient)?;
        let squared: f64 = gradient.iter().map(|g| g * g).sum();
        let scale = if squared > 0.0 { value.abs().max(1.0) / squared } else { 1.0 };
        let (next, next_gradient) = (x.to_vec(), gradient.clone());
        Ok(State { x: x.to_vec(), value, gradient, next, next_gradient, steps: 0, scale })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        let alpha = self.rule.size(state.steps, state.scale);
        for ((next, x), g) in state.next.iter_mut().zip(&state.x).zip(&state.gradient) {
            *next = x - alpha * g;
        }
        state.value = oracle.value_and_gradient(&state.next, &mut state.next_gradient)?;
        std::mem::swap(&mut state.x, &mut state.next);
        std::mem::swap(&mut state.gradient, &mut state.next_gradient);
        state.steps += 1;
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.gradient.iter().all(|g| *g == 0.0).then_some(Status::Stationary)
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        let mut violated: Vec<String> = self
            .rule
            .violated()
            .into_iter()
            .map(|condition| match condition {
                Condition::Vanishing => {
                    "α_k → 0 is violated: with constant steps the iterates reach a neighbourhood of critical points \
                     only; take an exponent 0 < p ≤ 1"
                        .to_string()
                }
                Condition::Divergent => {
                    "Σ α_k = ∞ is violated: the iterates may stop short of any critical point; take an exponent p ≤ 1"
                        .to_string()
                }
            })
            .collect();
        if !facts.tame() {
            violated.push(
                "the function is not known to be definable: sin, cos or another operator of unknown tameness acts on \
                 an unbounded argument"
                    .to_string(),
            );
        }
        let level = facts.level;
        let statement = format!(
            "if the iterates stay bounded, the values converge and every accumulation point is critical for the \
             conservative gradient, 0 ∈ conv D (the function is {level}; α_k → 0, Σ α_k = ∞; Bolte, Pauwels 2021, \
             Theorem 9)"
        );
        Guarantee::new(statement, violated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Run, minimize};
    use super::*;
    use crate::program::class::Level;
    use std::sync::atomic::AtomicBool;

    /// f(x) = max over i of |x_i|·(i+1), by hand.
    struct Weighted;

    impl Oracle for Weighted {
        fn dimension(&self) -> usize {
            3
        }
        fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
            let (mut best, mut at) = (0.0, 0);
            for (i, x) in x.iter().enumerate() {
                let v = x.abs() * (i + 1) as f64;
                if v > best {
                    (best, at) = (v, i);
                }
            }
            gradient.fill(0.0);
            gradient[at] = x[at].signum() * (at + 1) as f64;
            Ok(best)
        }
        fn level(&self) -> Level {
            Level::PiecewiseLinear
        }
    }

    #[test]
    fn it_reaches_the_minimum_of_a_maximum() {
        let method = Subgradient { rule: "1/(k+1)^0.5".parse().unwrap() };
        let stop = AtomicBool::new(false);
        let mut seen = 0;
        let run = Run { steps: 20_000, interrupted: &stop, watch: &mut |_, _, _| seen += 1 };
        let outcome = minimize(&method, &mut Weighted, &[3.0, -2.0, 1.0], run).unwrap();
        // A step changes the value by at most α‖v‖² ≤ 9 α, and α = 1/√20000 at the end.
        assert!(outcome.best_value < 9.0 / 20_000f64.sqrt(), "{}", outcome.best_value);
        assert_eq!((outcome.status, outcome.steps, seen), (Status::Steps, 20_000, 20_000));
        assert!(method.guarantee(Facts::of(&Weighted)).violated.is_empty());
    }

    #[test]
    fn a_stopped_run_keeps_its_best_point() {
        let method = Subgradient { rule: StepRule::Auto };
        let stop = AtomicBool::new(true);
        let run = Run { steps: 10, interrupted: &stop, watch: &mut |_, _, _| {} };
        let outcome = minimize(&method, &mut Weighted, &[3.0, 0.0, 0.0], run).unwrap();
        assert_eq!((outcome.status, outcome.best_value, outcome.steps), (Status::Interrupted, 3.0, 0));
    }
}
