//! Methods in turn, chosen by size and convexity.

use super::bfgs::{self, Bfgs};
use super::bundle::Bundle;
use super::sampling::SEED;
use super::{
    AnyMethod, AnyState, Entry, Facts, Guarantee, Measure, Method, Oracle, Parameter, ProxLinear, Range, Status,
};
use crate::error::Result;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One method after the other, each from where the one before ended, until one has converged.
///
/// For functions of up to 200 variables said to be convex: the proximal bundle method, which ends with a bound on what is missing. If after
/// `patience` steps it has not ended, or stalled, BFGS goes on, and the bundle method takes the measure at its end.
/// For others: the prox-linear method for `patience` steps where what follows the ties is convex by structure, which keeps the kinks and
/// takes few evaluations where minima are sharp; then BFGS, whose every step is cheap and which needs no convexity, then the
/// bundle method with a downshift if that stalled.
/// With more variables BFGS first in both cases, whose steps are cheaper; with more than it takes, the bundle method alone.
///
/// Source: the composition is this library's own; HANSO (Overton) follows BFGS by gradient sampling in the same spirit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Auto {
    /// The tolerance of each method.
    pub tolerance: f64,
    /// The seed of what BFGS draws.
    pub seed: u64,
}

impl Default for Auto {
    fn default() -> Auto {
        Auto { tolerance: 1e-8, seed: 0 }
    }
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "auto",
    about: "Bundle, BFGS and prox-linear in turn, in an order that depends on convexity, structure and the number of variables",
    formula: "that of the method at work",
    source: "see bundle, bfgs and prox-linear",
    parameters: &[&[
        Parameter {
            name: "tolerance",
            meaning: "the tolerance of the methods at work",
            default: "1e-8",
            range: Range::Open(0.0, f64::INFINITY),
        },
        SEED,
    ]],
    make: |s| Ok(AnyMethod::new(Auto { tolerance: s.real("tolerance"), seed: s.whole("seed") })),
};

/// What the method carries.
pub struct State {
    plan: Plan,
    /// What is still to come, the next one last, each with its most steps.
    stages: Vec<(AnyMethod, u64)>,
    method: AnyMethod,
    state: AnyState,
    /// Steps that the stage still has.
    left: u64,
}

/// What the stages depend on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    auto: Auto,
    convex: bool,
    /// Whether it is h(c(x)) with ties, and h convex by structure.
    composite: bool,
    n: usize,
}

/// A state as data: methods are made anew from the plan.
#[derive(Serialize, Deserialize)]
struct Saved {
    plan: Plan,
    stages: usize,
    left: u64,
    state: Vec<u8>,
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (plan, state) = (self.plan.clone(), self.method.save(&self.state));
        Saved { plan, stages: self.stages.len(), left: self.left, state }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<State, D::Error> {
        let Saved { plan, stages: later, left, state } = Saved::deserialize(deserializer)?;
        let mut stages = plan.stages();
        stages.truncate(later + 1);
        let found = stages.pop().and_then(|(method, _)| Some((method.load(&state)?, method)));
        let (state, method) = found.ok_or_else(|| D::Error::custom("the stage has another state"))?;
        Ok(State { plan, stages, method, state, left })
    }
}

/// Up to as many variables a step of the bundle method, which solves a quadratic program, is cheap.
const FEW: usize = 200;

/// Steps of the bundle method that measures what BFGS has reached.
const MEASURING: u64 = 50;

/// Steps of a stage that is not the last: a multiple of n, and a constant.
fn patience(n: usize) -> u64 {
    500 + 20 * n as u64
}

impl Plan {
    /// The methods in turn, the first one last.
    fn stages(&self) -> Vec<(AnyMethod, u64)> {
        let Plan { auto: Auto { tolerance, seed }, convex, composite, n } = *self;
        let bundle = |steps| (AnyMethod::new(Bundle { tolerance, ..Bundle::default() }), steps);
        let bfgs = || (AnyMethod::new(Bfgs { tolerance, seed, ..Bfgs::default() }), u64::MAX);
        match convex {
            _ if n > bfgs::MOST => vec![bundle(u64::MAX)],
            true if n <= FEW => vec![bundle(patience(n)), bfgs(), bundle(patience(n))],
            true => vec![bundle(MEASURING), bfgs()],
            false if n <= FEW && composite => {
                let proximal = ProxLinear { tolerance: tolerance.max(ProxLinear::default().tolerance) };
                vec![bundle(u64::MAX), bfgs(), (AnyMethod::new(proximal), patience(n))]
            }
            false if n <= FEW => vec![bundle(u64::MAX), bfgs()],
            false => vec![bfgs()],
        }
    }
}

impl Method for Auto {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let facts = Facts::of(oracle);
        let composite = facts.parts.is_some_and(|p| p.convex && !p.smooth);
        let plan = Plan { auto: self.clone(), convex: facts.convex(), composite, n: x.len() };
        let mut stages = plan.stages();
        let (method, left) = stages.pop().expect("there is a stage");
        let state = method.init(oracle, x)?;
        Ok(State { plan, stages, method, state, left })
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
