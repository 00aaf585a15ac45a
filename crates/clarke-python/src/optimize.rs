//! Methods: a program and a start in, an outcome as data out.

use crate::convert::{array, tensor};
use crate::errors::{Raised, raise, warn};
use crate::program::{Policy, Program};
use crate::sum::FiniteSum;
use clarke::optim::{self, Convex, Event, Facts, Method, Oracle, Outcome, Run, Setting};
use clarke::{Evaluator, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A method's parameter: name, meaning, default, and which values it may have.
type Parameter = (&'static str, &'static str, &'static str, String);

/// The table of methods: name, what it is for, formula, source, parameters.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn methods() -> Vec<(&'static str, &'static str, &'static str, &'static str, Vec<Parameter>)> {
    let parameters = |e: &'static optim::Entry| {
        e.parameters().map(|p| (p.name, p.meaning, p.default, p.range.to_string())).collect::<Vec<_>>()
    };
    optim::METHODS.iter().map(|e| (e.name, e.about, e.formula, e.source, parameters(e))).collect()
}

/// How a run is asked for.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Plan {
    method: optim::AnyMethod,
    steps: u64,
    convex: bool,
    /// Called after each step with the number of steps, the value and the best value; True stops the run.
    watch: Option<Py<PyAny>>,
}

#[pymethods]
impl Plan {
    #[new]
    fn new(
        py: Python<'_>,
        method: &str,
        options: Vec<(String, String)>,
        steps: u64,
        convex: bool,
        watch: Option<Py<PyAny>>,
    ) -> PyResult<Plan> {
        let options: Vec<(String, Setting)> = options.into_iter().map(|(name, text)| (name, text.into())).collect();
        let method = optim::method(method, &options).raised(py)?;
        Ok(Plan { method, steps, convex, watch })
    }

    /// Whether it minimizes more than the function: a regularizer or constraint of the method's own.
    #[getter]
    fn alters(&self) -> bool {
        self.method.alters()
    }

    /// Minimizes a mean over samples, from a start; returns the outcome as a dict.
    fn minimize_sum<'py>(
        &self,
        py: Python<'py>,
        sum: &FiniteSum,
        start: Vec<Bound<'py, PyAny>>,
        policy: &Policy,
    ) -> PyResult<Bound<'py, PyDict>> {
        let start = start.iter().map(tensor).collect::<PyResult<Vec<_>>>()?;
        let shapes: Vec<Vec<usize>> = start.iter().map(|t| t.shape().to_vec()).collect();
        self.run(py, sum.made(py, policy)?, &start, &shapes)
    }

    /// Minimizes a program over the inputs that vary, from their values; returns the outcome as a dict.
    fn minimize<'py>(
        &self,
        py: Python<'py>,
        program: &Program,
        inputs: Vec<Bound<'py, PyAny>>,
        policy: &Policy,
    ) -> PyResult<Bound<'py, PyDict>> {
        let values = inputs.iter().map(tensor).collect::<PyResult<Vec<_>>>()?;
        let roles = program.inner.inputs().iter().filter(|i| !i.role.is_selection());
        let (mut start, mut data) = (vec![], vec![]);
        for (input, value) in std::iter::zip(roles, values) {
            if input.role.is_argument() { start.push(value) } else { data.push(value) }
        }
        let evaluator = Evaluator::new(&program.inner, &data, policy.inner.clone()).raised(py)?;
        let shapes: Vec<Vec<usize>> = start.iter().map(|t| t.shape().to_vec()).collect();
        self.run(py, evaluator, &start, &shapes)
    }
}

impl Plan {
    /// Runs without the lock of Python, which is taken for the watcher and, now and then, to see whether the user
    /// interrupts.
    pub fn run<'py>(
        &self,
        py: Python<'py>,
        oracle: impl Oracle + Send,
        start: &[Tensor],
        shapes: &[Vec<usize>],
    ) -> PyResult<Bound<'py, PyDict>> {
        let x: Vec<f64> = start.iter().flat_map(|t| t.data().to_vec()).collect();
        if self.convex { self.run_from(py, Convex(oracle), &x, shapes) } else { self.run_from(py, oracle, &x, shapes) }
    }

    fn run_from<'py>(
        &self,
        py: Python<'py>,
        mut oracle: impl Oracle + Send,
        x: &[f64],
        shapes: &[Vec<usize>],
    ) -> PyResult<Bound<'py, PyDict>> {
        const EVERY: Duration = Duration::from_millis(50);
        let guarantee = self.method.guarantee(Facts::of(&oracle));
        for condition in &guarantee.violated {
            warn(py, "GuaranteeWarning", condition)?;
        }
        let interrupted = AtomicBool::new(false);
        let mut stopped: Option<PyErr> = None;
        let outcome = py.detach(|| {
            let mut looked = Instant::now();
            let mut watch = |event: Event<'_>| {
                if self.watch.is_none() && looked.elapsed() < EVERY {
                    return;
                }
                looked = Instant::now();
                let seen = Python::attach(|py| {
                    py.check_signals()?;
                    let Some(watch) = &self.watch else { return Ok(false) };
                    let answer = watch.bind(py).call1((event.step, event.value, event.best_value))?;
                    Ok::<bool, PyErr>(answer.is_truthy()? && !answer.is_none())
                });
                match seen {
                    Ok(false) => {}
                    Ok(true) => interrupted.store(true, Ordering::Relaxed),
                    Err(error) => {
                        stopped = Some(error);
                        interrupted.store(true, Ordering::Relaxed);
                    }
                }
            };
            let run = Run { steps: self.steps, interrupted: &interrupted, watch: &mut watch };
            optim::minimize(&self.method, &mut oracle, x, run)
        });
        if let Some(error) = stopped {
            return Err(error);
        }
        self.outcome(py, outcome.raised(py)?, &guarantee, shapes)
    }

    /// The outcome as plain data, points as lists of arrays.
    fn outcome<'py>(
        &self,
        py: Python<'py>,
        outcome: Outcome,
        guarantee: &optim::Guarantee,
        shapes: &[Vec<usize>],
    ) -> PyResult<Bound<'py, PyDict>> {
        let split = |x: &[f64]| {
            let mut rest = x.iter();
            let parts = shapes.iter().map(|s| array(py, &Tensor::from_fn(s, |_| *rest.next().unwrap_or(&0.0))));
            parts.collect::<PyResult<Vec<_>>>()
        };
        let measures: Vec<(&str, f64, Option<f64>)> =
            outcome.measures.iter().map(|m| (m.name, m.value, m.tolerance)).collect();
        let made = PyDict::new(py);
        made.set_item("status", outcome.status.to_string())?;
        made.set_item("best", split(&outcome.best)?)?;
        made.set_item("best_value", outcome.best_value)?;
        made.set_item("last", split(&outcome.last)?)?;
        made.set_item("value", outcome.value)?;
        made.set_item("steps", outcome.steps)?;
        made.set_item("values", outcome.evaluations.values)?;
        made.set_item("gradients", outcome.evaluations.gradients)?;
        made.set_item("terms", outcome.evaluations.terms)?;
        made.set_item("measures", measures)?;
        made.set_item("trace", outcome.trace)?;
        made.set_item("failure", outcome.failure.as_ref().map(|e| raise(py, e)))?;
        made.set_item("guarantee", &guarantee.text)?;
        Ok(made)
    }
}
