//! Checks of gradients: of a program's, and of those that another library computes.

use crate::convert::tensor;
use crate::errors::{Raised, exception};
use crate::program::{Policy, Program};
use crate::set::{arrays, element};
use clarke::check::AuditOptions;
use clarke::{CheckOptions, Fault, GradientRule, PolicyRule, SetOptions, Tensor};
use numpy::PyArray1;
use pyo3::prelude::*;
use std::sync::Mutex;

/// A function of Python, called with the lock of Python, and the first exception that it raised: after that it is not called
/// again, and the check comes to its end quickly.
struct Callback {
    function: Py<PyAny>,
    raised: Mutex<Option<PyErr>>,
}

impl Callback {
    fn new(function: &Bound<'_, PyAny>) -> Callback {
        Callback { function: function.clone().unbind(), raised: Mutex::new(None) }
    }

    /// What a call gives; None once an exception was raised.
    fn call<T>(&self, call: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>) -> Option<T> {
        if self.slot().is_some() {
            return None;
        }
        let result = Python::attach(|py| call(py, self.function.bind(py)));
        result.map_err(|error| *self.slot() = Some(error)).ok()
    }

    /// The number that it returns for an array, if it returns one.
    fn number(&self, x: &[f64]) -> Option<f64> {
        self.call(|py, f| f.call1((PyArray1::from_slice(py, x),))?.extract::<Option<f64>>()).flatten()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<PyErr>> {
        self.raised.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The exception, if there was one.
    fn check(&self) -> PyResult<()> {
        self.slot().take().map_or(Ok(()), Err)
    }
}

impl GradientRule for Callback {
    fn gradient(&self, point: &[Tensor]) -> clarke::Result<Vec<Tensor>> {
        let found = self.call(|py, function| {
            let result = function.call1((arrays(py, &point.to_vec())?,))?;
            element(&result.try_iter()?.collect::<PyResult<Vec<_>>>()?)
        });
        found.ok_or_else(|| {
            let rule = "the function of Python raised an exception".to_string();
            Fault::Setting { setting: "rule", given: "an exception".into(), rule }.into()
        })
    }
}

/// What the gradient is.
enum Rule {
    Policy(clarke::Policy),
    Program(clarke::Program),
    Callback(Callback),
}

/// What a check of a program's gradient found: whether nothing speaks against it, its text, and all of it as JSON.
type Checked = (bool, String, String);

/// Checks a gradient of a scalar program around points: a policy's, a program's of the same inputs, or a function's that
/// takes the list of all inputs and returns the list of the gradients in the variables.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn check_conservative(
    py: Python<'_>,
    name: &str,
    program: &Program,
    rule: &Bound<'_, PyAny>,
    points: Vec<Vec<Bound<'_, PyAny>>>,
    seed: u64,
    curves: usize,
    radius: f64,
    tolerance: f64,
) -> PyResult<Checked> {
    let points = points.iter().map(|p| element(p)).collect::<PyResult<Vec<_>>>()?;
    let rule = if let Ok(policy) = rule.cast::<Policy>() {
        Rule::Policy(policy.get().inner.clone())
    } else if let Ok(program) = rule.cast::<Program>() {
        Rule::Program(program.get().inner.clone())
    } else {
        Rule::Callback(Callback::new(rule))
    };
    let sets = SetOptions { seed, ..SetOptions::default() };
    let options = CheckOptions { seed, curves, radius, region: None, tolerance, sets };
    let found = py.detach(|| {
        let program = &program.inner;
        match &rule {
            Rule::Policy(policy) => {
                let rule = PolicyRule::new(program, policy.clone())?;
                clarke::check_conservative(program, &rule, &points, &options)
            }
            Rule::Program(rule) => clarke::check_conservative(program, rule, &points, &options),
            Rule::Callback(rule) => clarke::check_conservative(program, rule, &points, &options),
        }
    });
    if let Rule::Callback(callback) = &rule {
        callback.check()?;
    }
    let report = found.raised(py)?;
    Ok((report.passes(), report.to_string(), clarke_show::check_json(name, &report).to_string()))
}

/// How a program's values agree with those of a function that takes an array of float64: at how many points they were
/// compared, the largest relative difference, and where.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn agreement(
    py: Python<'_>,
    value: &Bound<'_, PyAny>,
    program: &Program,
    point: &Bound<'_, PyAny>,
    seed: u64,
    curves: usize,
    radius: f64,
    single: bool,
) -> PyResult<(usize, f64, Vec<f64>)> {
    let point = tensor(point)?.data().to_vec();
    let base = if single { AuditOptions::single() } else { AuditOptions::default() };
    let options = AuditOptions { seed, curves, radius, ..base };
    let inputs: Vec<_> = program.inner.inputs().iter().filter(|i| !i.role.is_selection()).collect();
    let numbers: usize = inputs.iter().map(|i| i.shape.iter().product::<usize>()).sum();
    if numbers != point.len() {
        let text = format!("the twin has {numbers} numbers as its arguments, and the point {}", point.len());
        return Err(exception(py, "InputError", text));
    }
    let value = Callback::new(value);
    let found = py.detach(|| {
        let mut of_value = |x: &[f64]| value.number(x);
        let mut of_program = |x: &[f64]| {
            let mut rest = x.iter();
            let part = |i: &&clarke::program::Input| Tensor::from_fn(&i.shape, |_| *rest.next().unwrap_or(&f64::NAN));
            let arrays: Vec<Tensor> = inputs.iter().map(part).collect();
            let outputs = program.inner.eval(&arrays).ok()?;
            outputs.first().filter(|out| out.shape().is_empty()).map(Tensor::item)
        };
        clarke::check::agreement(&mut of_value, &mut of_program, &point, &options)
    });
    value.check()?;
    let found = found.raised(py)?;
    Ok((found.compared, found.worst, found.point))
}

/// Audits a gradient that another library computes: `value` and `gradient` take an array of float64 and return a number and
/// an array, or None where there is none. Returns the tolerance used, the text, all as JSON, and for each finding its margin,
/// its grade, whether it contradicts that the gradient is conservative, and its text.
#[pyfunction]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
pub fn audit(
    py: Python<'_>,
    value: &Bound<'_, PyAny>,
    gradient: &Bound<'_, PyAny>,
    point: &Bound<'_, PyAny>,
    seed: u64,
    curves: usize,
    radius: f64,
    tolerance: Option<f64>,
    single: bool,
) -> PyResult<(f64, String, String, Vec<(f64, String, bool, String)>)> {
    let point = tensor(point)?.data().to_vec();
    let base = if single { AuditOptions::single() } else { AuditOptions::default() };
    let tolerance = tolerance.unwrap_or(base.tolerance);
    let options = AuditOptions { seed, curves, radius, tolerance, ..base };
    let (value, gradient) = (Callback::new(value), Callback::new(gradient));
    let report = py.detach(|| {
        let mut of_value = |x: &[f64]| value.number(x);
        let mut of_gradient = |x: &[f64]| {
            let vector = |py: Python<'_>, f: &Bound<'_, PyAny>| {
                let result = f.call1((PyArray1::from_slice(py, x),))?;
                if result.is_none() {
                    return Ok(None);
                }
                let vector = tensor(&result)?.data().to_vec();
                if vector.len() != x.len() {
                    let (given, expected) = (vector.len(), x.len());
                    let text = format!("the gradient has {given} entries, and the point {expected}");
                    return Err(exception(py, "InputError", text));
                }
                Ok(Some(vector))
            };
            gradient.call(vector).flatten()
        };
        clarke::check::audit(&mut of_value, &mut of_gradient, &point, &options)
    });
    value.check()?;
    gradient.check()?;
    let report = report.raised(py)?;
    let finding = |f: &clarke::check::Finding| {
        (f.margin(), format!("{:?}", f.grade()).to_lowercase(), f.contradicts(), f.to_string())
    };
    let json = serde_json::to_string(&report).expect("numbers and texts have a JSON form");
    Ok((tolerance, report.to_string(), json, report.findings.iter().map(finding).collect()))
}
