//! Methods in turn, chosen by size and convexity.

use super::bfgs::{self, Bfgs};
use super::bundle::Bundle;
use super::{AnyMethod, AnyState, Entry, Facts, Guarantee, Measure, Method, Oracle, Status};
use crate::error::Result;

/// One method after the other, each from where the one before ended, until one has converged.
///
/// For functions said to be convex: the proximal bundle method, which ends with a bound on what is missing. If after
/// `patience` steps it has not ended, or stalled, BFGS goes on, and the bundle method takes the measure at its end.
/// For others: BFGS, whose every step is cheap and which needs no convexity, then the bundle method with a downshift if that stalled.
/// With more variables than BFGS takes, the bundle method alone.
///
/// Source: the composition is this library's own; HANSO (Overton) follows BFGS by gradient sampling in the same spirit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Auto;

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "auto",
    about: "Bundle and BFGS in turn, in an order that depends on convexity and on the number of variables",
    formula: "that of the method at work",
    source: "see bundle and bfgs",
    parameters: &[],
    make: |_| Ok(AnyMethod::new(Auto)),
};

/// What the method carries.
pub struct State {
    /// What is still to come, the next one last, each with its most steps.
    stages: Vec<(AnyMethod, u64)>,
    method: AnyMethod,
    state: AnyState,
    /// Steps that the stage still has.
    left: u64,
}

/// Steps of a stage that is not the last: a multiple of n, and a constant.
fn patience(n: usize) -> u64 {
    500 + 20 * n as u64
}

/// The methods in turn, the first one last.
fn stages(facts: Facts, n: usize) -> Vec<(AnyMethod, u64)> {
    let bundle = |steps| (AnyMethod::new(Bundle::default()), steps);
    let bfgs = || (AnyMethod::new(Bfgs::default()), u64::MAX);
    match (facts.convex(), n <= bfgs::MOST) {
        (_, false) => vec![bundle(u64::MAX)],
        (true, true) => vec![bundle(patience(n)), bfgs(), bundle(patience(n))],
        (false, true) => vec![bundle(u64::MAX), bfgs()],
    }
}

impl Method for Auto {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let mut stages = stages(Facts::of(oracle), x.len());
        let (method, left) = stages.pop().expect("there is a stage");
        let state = method.init(oracle, x)?;
        Ok(State { stages, method, state, left })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        match state.method.stop(&state.state) {
            None if state.left > 0 => {
                state.left -= 1;
                state.method.step(oracle, &mut state.state)
            }
            // `stop` has seen that there is a stage.
            _ => {
                let x = state.method.current(&state.state).0.to_vec();
                if let Some((method, left)) = state.stages.pop() {
                    (state.state, state.method, state.left) = (method.init(oracle, &x)?, method, left);
                }
                Ok(())
            }
        }
    }

    fn stop(&self, state: &State) -> Option<Status> {
        match state.method.stop(&state.state) {
            Some(Status::Converged | Status::Stationary) => state.method.stop(&state.state),
            None if state.left == 0 && state.stages.is_empty() => Some(Status::Stalled),
            ended if state.stages.is_empty() => ended,
            _ => None,
        }
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        state.method.current(&state.state)
    }

    fn finish(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        state.method.finish(oracle, &mut state.state)
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        state.method.measures(&state.state)
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        match facts.convex() {
            true => Bundle::default().guarantee(facts),
            false => Bfgs::default().guarantee(facts),
        }
    }
}
