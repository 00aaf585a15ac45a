//! The one loop, in parts that can be saved, and the outcome of a run.

use super::method::{AnyMethod, Measure, Method, Status};
use super::oracle::{Counted, Evaluations, Oracle};
use crate::error::{Error, Fault, Result};
use serde::{Deserialize, Serialize};
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
    /// At most this many steps, counted from the start of the run.
    pub steps: u64,
    /// Set from elsewhere to stop the run after the current step.
    pub interrupted: &'a AtomicBool,
    /// Called after each step.
    pub watch: &'a mut dyn FnMut(Event<'_>),
}

/// What a run tells after a step.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The number of steps made.
    pub step: u64,
    /// The current point, as [`Method::current`] means it.
    pub x: &'a [f64],
    /// Its value.
    pub value: f64,
    /// The least value met.
    pub best_value: f64,
    /// How often the function was evaluated so far.
    pub evaluations: Evaluations,
}

/// Runs a method from x: a [`Running`] that is advanced once. It also takes an [`AnyMethod`].
///
/// Errors: x has not the function's dimension; those of the method and the oracle at the start. A later one ends the run
/// with [`Status::Failed`], so that the best point is not lost. A value, a gradient or an iterate that is not finite is such
/// an error.
pub fn minimize<M: Method>(method: &M, oracle: &mut dyn Oracle, x: &[f64], run: Run<'_>) -> Result<Outcome> {
    let mut running = Running::start(method, oracle, x)?;
    running.advance(oracle, run);
    Ok(running.finish(oracle))
}

/// A run under way: the only loop, in as many parts as one likes.
///
/// ```
/// use clarke::optim::{Run, Running, Status, method};
/// use std::sync::atomic::AtomicBool;
///
/// let f = clarke::parse("abs(x - 1)", &[("x", &[])])?;
/// let mut f = clarke::Evaluator::new(&f, &[], clarke::Policy::default())?;
/// let (method, never) = (method("adam", &[])?, AtomicBool::new(false));
/// let mut running = Running::start(&method, &mut f, &[3.0])?;
/// let status = running.advance(&mut f, Run { steps: 10, interrupted: &never, watch: &mut |_| {} });
/// assert_eq!(status, Status::Steps);
///
/// // What is saved goes on as if nothing had been.
/// let mut again = Running::load(&method, &running.save()).unwrap();
/// running.advance(&mut f, Run { steps: 20, interrupted: &never, watch: &mut |_| {} });
/// again.advance(&mut f, Run { steps: 20, interrupted: &never, watch: &mut |_| {} });
/// assert_eq!(running.finish(&mut f), again.finish(&mut f));
/// # Ok::<(), clarke::Error>(())
/// ```
pub struct Running<'m, M: Method> {
    method: &'m M,
    state: M::State,
    record: Record,
    failure: Option<Error>,
}

/// What a run keeps beside the state of its method.
#[derive(Serialize, Deserialize)]
struct Record {
    best: Best,
    trace: Trace,
    steps: u64,
    evaluations: Evaluations,
    status: Status,
}

impl<'m, M: Method> Running<'m, M> {
    /// A run that has made no step. Errors: those of [`minimize`].
    pub fn start(method: &'m M, oracle: &mut dyn Oracle, x: &[f64]) -> Result<Running<'m, M>> {
        if x.len() != oracle.dimension() {
            let (expected, given) = (vec![oracle.dimension()], vec![x.len()]);
            return Err(Fault::InputShape { input: "start".into(), expected, given }.into());
        }
        let mut oracle = Counted::new(oracle, Evaluations::default());
        let state = method.init(&mut oracle, x)?;
        let (start, value) = method.current(&state);
        let best = Best { x: start.to_vec(), value };
        let mut trace = Trace::default();
        trace.push(0, value);
        let record = Record { best, trace, steps: 0, evaluations: oracle.count, status: Status::Steps };
        Ok(Running { method, state, record, failure: None })
    }

    /// Goes on until the number of steps is reached, or there is another reason to end: [`Status::Steps`] and
    /// [`Status::Interrupted`] are ends that one can go on from, a failed run stays where it is.
    pub fn advance(&mut self, oracle: &mut dyn Oracle, run: Run<'_>) -> Status {
        let mut oracle = Counted::new(oracle, self.record.evaluations);
        let status = loop {
            if self.record.status == Status::Failed {
                break Status::Failed;
            }
            if let Some(status) = self.method.stop(&self.state) {
                break status;
            }
            if self.record.steps >= run.steps {
                break Status::Steps;
            }
            if run.interrupted.load(Ordering::Relaxed) {
                break Status::Interrupted;
            }
            if let Err(error) = self.method.step(&mut oracle, &mut self.state) {
                self.failure = Some(error);
                break Status::Failed;
            }
            let Record { best, trace, steps, .. } = &mut self.record;
            *steps += 1;
            let (x, value) = self.method.current(&self.state);
            best.update(x, value);
            trace.push(*steps, value);
            (run.watch)(Event { step: *steps, x, value, best_value: best.value, evaluations: oracle.count });
        };
        (self.record.status, self.record.evaluations) = (status, oracle.count);
        status
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.record.steps
    }

    /// The current point and its value, as [`Method::current`] means them.
    pub fn current(&self) -> (&[f64], f64) {
        self.method.current(&self.state)
    }

    /// Ends the run.
    pub fn finish(mut self, oracle: &mut dyn Oracle) -> Outcome {
        let Record { mut best, trace, steps, evaluations, mut status } = self.record;
        let mut oracle = Counted::new(oracle, evaluations);
        // After a failure the iterate is not known to be one that can be evaluated.
        if status != Status::Failed
            && let Err(error) = self.method.finish(&mut oracle, &mut self.state)
        {
            (status, self.failure) = (Status::Failed, Some(error));
        }
        let (last, value) = self.method.current(&self.state);
        best.update(last, value);
        let (last, measures) = (last.to_vec(), self.method.measures(&self.state));
        let (trace, failure) = (trace.finish(steps, value), self.failure);
        let Best { x: best, value: best_value } = best;
        let evaluations = oracle.count;
        Outcome { status, last, value, best, best_value, steps, evaluations, measures, trace, failure }
    }
}

impl<'m> Running<'m, AnyMethod> {
    /// The run as bytes: with the same method and function, [`load`](Running::load) goes on from here with the same bits.
    /// Why a run has failed is not kept.
    pub fn save(&self) -> Vec<u8> {
        let saved = (&self.record, self.method.save(&self.state));
        postcard::to_stdvec(&saved).expect("numbers and lists have a form in bytes")
    }

    /// The run that was saved. None if the bytes are no run of this method.
    pub fn load(method: &'m AnyMethod, bytes: &[u8]) -> Option<Running<'m, AnyMethod>> {
        let (record, state): (Record, Vec<u8>) = postcard::from_bytes(bytes).ok()?;
        Some(Running { method, state: method.load(&state)?, record, failure: None })
    }
}

/// The best point so far.
#[derive(Serialize, Deserialize)]
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
#[derive(Serialize, Deserialize)]
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
