//! Methods: one contract (init, step, stop), one loop, step-size rules; outcome as data.
//!
//! A method knows no programs, only an [`Oracle`]: value and one element of a conservative gradient at a point.

mod bfgs;
mod bundle;
mod ingd;
mod line_search;
mod rule;
mod sampling;
mod stationarity;
mod subgradient;

pub use bfgs::Bfgs;
pub use bundle::Bundle;
pub use ingd::Ingd;
pub use line_search::WeakWolfe;
pub use rule::{Condition, StepRule};
pub use sampling::GradientSampling;
pub use stationarity::{Bound, Stationarity};
pub use subgradient::Subgradient;

use crate::error::{Error, Result};
use crate::local::Evaluator;
use crate::program::class::Level;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a method is told of a function.
pub trait Oracle {
    /// The number of variables.
    fn dimension(&self) -> usize;

    /// The value at a point, and an element of a conservative gradient there, written to `gradient`.
    ///
    /// Errors: the function or the element is not finite or does not exist there.
    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64>;

    /// The class of tameness, as far as known.
    fn level(&self) -> Level {
        Level::Unknown
    }
}

impl Oracle for Evaluator {
    fn dimension(&self) -> usize {
        Evaluator::dimension(self)
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        Evaluator::value_and_gradient(self, x, gradient)
    }

    fn level(&self) -> Level {
        self.program().class().level
    }
}

/// A method: where it starts, what one step is, when it is done, and what the theory says of it.
pub trait Method {
    /// What it carries from step to step.
    type State;

    /// The state at the start. Errors: those of the oracle at x.
    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<Self::State>;

    /// One step: the state moves to the next iterate, evaluated there. Errors: those of the oracle; the state then
    /// stays at the last iterate that could be evaluated.
    fn step(&self, oracle: &mut dyn Oracle, state: &mut Self::State) -> Result<()>;

    /// Why the method cannot go on, if it cannot.
    fn stop(&self, state: &Self::State) -> Option<Status>;

    /// The current iterate and its value.
    fn current<'a>(&self, state: &'a Self::State) -> (&'a [f64], f64);

    /// What was measured at the current iterate, if the method measures.
    fn stationarity(&self, _state: &Self::State) -> Option<Stationarity> {
        None
    }

    /// What the theory gives for this method on a function of this class, or which condition is missing.
    fn guarantee(&self, level: Level) -> Guarantee;
}

/// How a run ended. Not converging is a result, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All steps asked for were made.
    Steps,
    /// The element of the conservative gradient at the iterate is 0: the iterate is critical for the conservative
    /// gradient of the program, and the method stays there.
    Stationary,
    /// The method found neither less value nor that the iterate is stationary: what it looks for is lost in rounding.
    Stalled,
    /// The user stopped it.
    Interrupted,
    /// The function could not be evaluated at the next iterate: `Outcome::failure` says why.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Steps => "steps",
            Status::Stationary => "stationary",
            Status::Stalled => "stalled",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
        })
    }
}

/// What the theory gives for a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Guarantee {
    /// The statement, or why there is none.
    pub text: String,
    /// The conditions that are violated, each with what to do; empty if the guarantee holds.
    pub violated: Vec<String>,
}

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The last iterate.
    pub last: Vec<f64>,
    /// Its value.
    pub value: f64,
    /// The best iterate met.
    pub best: Vec<f64>,
    /// Its value.
    pub best_value: f64,
    /// Steps made.
    pub steps: u64,
    /// (step, value) along the way, thinned to at most 1000 points, the first and the last among them.
    pub trace: Vec<(u64, f64)>,
    /// What the method measured at the last iterate, if it measures.
    pub stationarity: Option<Stationarity>,
    /// The error that ended a failed run; all else is of the iterates before it.
    pub failure: Option<Error>,
}

/// How long a run goes on, and who watches.
pub struct Run<'a> {
    /// At most this many steps.
    pub steps: u64,
    /// Set from elsewhere to stop the run after the current step.
    pub interrupted: &'a AtomicBool,
    /// Called after each step with the number of steps made, the value and the best value.
    pub watch: &'a mut dyn FnMut(u64, f64, f64),
}

/// Runs a method from x: the only loop.
///
/// Errors: those of the oracle at the start. A later one ends the run with [`Status::Failed`], so that the best point is
/// not lost.
pub fn minimize<M: Method>(method: &M, oracle: &mut dyn Oracle, x: &[f64], run: Run<'_>) -> Result<Outcome> {
    let mut state = method.init(oracle, x)?;
    let (start, value) = method.current(&state);
    let mut best = (start.to_vec(), value);
    let mut trace = Trace::default();
    trace.push(0, value);
    let mut steps = 0;
    let mut failure = None;
    let status = loop {
        if let Some(status) = method.stop(&state) {
            break status;
        }
        if steps >= run.steps {
            break Status::Steps;
        }
        if run.interrupted.load(Ordering::Relaxed) {
            break Status::Interrupted;
        }
        if let Err(error) = method.step(oracle, &mut state) {
            failure = Some(error);
            break Status::Failed;
        }
        steps += 1;
        let (x, value) = method.current(&state);
        if value < best.1 {
            best.0.copy_from_slice(x);
            best.1 = value;
        }
        trace.push(steps, value);
        (run.watch)(steps, value, best.1);
    };
    let (last, value) = method.current(&state);
    let trace = trace.finish(steps, value);
    let stationarity = method.stationarity(&state);
    let (best, best_value) = best;
    Ok(Outcome { status, last: last.to_vec(), value, best, best_value, steps, trace, stationarity, failure })
}

/// Points (step, value), every `stride`-th kept; the stride doubles whenever the points become too many.
struct Trace {
    points: Vec<(u64, f64)>,
    stride: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { points: Vec::with_capacity(Trace::MOST), stride: 1 }
    }
}

impl Trace {
    const MOST: usize = 1000;

    fn push(&mut self, step: u64, value: f64) {
        if !step.is_multiple_of(self.stride) {
            return;
        }
        // One place is kept for the last point.
        if self.points.len() + 1 >= Trace::MOST {
            self.stride *= 2;
            self.points.retain(|(k, _)| k.is_multiple_of(self.stride));
            if !step.is_multiple_of(self.stride) {
                return;
            }
        }
        self.points.push((step, value));
    }

    fn finish(mut self, step: u64, value: f64) -> Vec<(u64, f64)> {
        if self.points.last().is_some_and(|(k, _)| *k != step) {
            self.points.push((step, value));
        }
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_thinned_and_keeps_both_ends() {
        for n in [0u64, 5, 998, 999, 1000, 1001, 20_000, 123_457] {
            let mut trace = Trace::default();
            (0..=n).for_each(|k| trace.push(k, k as f64));
            let points = trace.finish(n, n as f64);
            assert!(points.len() <= 1000, "{n}: {}", points.len());
            assert!(points.len() as u64 >= (n + 1).min(400), "{n}: {}", points.len());
            assert_eq!((points[0].0, points[points.len() - 1].0), (0, n));
            assert!(points.windows(2).all(|w| w[0].0 < w[1].0));
        }
    }
}
