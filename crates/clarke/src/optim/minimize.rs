//! The one loop, and the outcome of a run.

use super::method::{Measure, Method, Status};
use super::oracle::{Counted, Evaluations, Oracle};
use crate::error::{Error, Fault, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The last point, as [`Method::current`] means it.
    pub last: Vec<f64>,
    /// Its value.
    pub value: f64,
    /// The best point met.
    pub best: Vec<f64>,
    /// Its value.
    pub best_value: f64,
    /// Steps made.
    pub steps: u64,
    /// How often the function was evaluated.
    pub evaluations: Evaluations,
    /// What the method measured at the end.
    pub measures: Vec<Measure>,
    /// (step, value) along the way, thinned to at most 1000 points, the first and the last among them.
    pub trace: Vec<(u64, f64)>,
    /// The error that ended a failed run; all else is of the points before it.
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

/// Runs a method from x: the only loop. It also takes an [`AnyMethod`](super::AnyMethod).
///
/// Errors: x has not the function's dimension; those of the method and the oracle at the start. A later one ends the run
/// with [`Status::Failed`], so that the best point is not lost. A value, a gradient or an iterate that is not finite is such
/// an error.
pub fn minimize<M: Method>(method: &M, oracle: &mut dyn Oracle, x: &[f64], run: Run<'_>) -> Result<Outcome> {
    if x.len() != oracle.dimension() {
        let (expected, given) = (vec![oracle.dimension()], vec![x.len()]);
        return Err(Fault::InputShape { input: "start".into(), expected, given }.into());
    }
    let mut oracle = Counted::new(oracle);
    let mut state = method.init(&mut oracle, x)?;
    let (start, value) = method.current(&state);
    let mut best = Best { x: start.to_vec(), value };
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
        if let Err(error) = method.step(&mut oracle, &mut state) {
            failure = Some(error);
            break Status::Failed;
        }
        steps += 1;
        let (x, value) = method.current(&state);
        best.update(x, value);
        trace.push(steps, value);
        (run.watch)(steps, value, best.value);
    };
    // After a failure the iterate is not known to be one that can be evaluated.
    let ended = if failure.is_none() { method.finish(&mut oracle, &mut state) } else { Ok(()) };
    let status = match ended {
        Ok(()) => status,
        Err(error) => {
            failure = Some(error);
            Status::Failed
        }
    };
    let (last, value) = method.current(&state);
    best.update(last, value);
    let (last, measures) = (last.to_vec(), method.measures(&state));
    let trace = trace.finish(steps, value);
    let Best { x: best, value: best_value } = best;
    let evaluations = oracle.count;
    Ok(Outcome { status, last, value, best, best_value, steps, evaluations, measures, trace, failure })
}

/// The best point so far.
struct Best {
    x: Vec<f64>,
    value: f64,
}

impl Best {
    fn update(&mut self, x: &[f64], value: f64) {
        if value < self.value {
            self.x.copy_from_slice(x);
            self.value = value;
        }
    }
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
        // The last point may have been evaluated anew at the end.
        self.points.pop_if(|(k, _)| *k == step);
        self.points.push((step, value));
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
