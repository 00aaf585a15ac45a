//! Programs and policies, as Python holds them.

use crate::convert::{array, tensor};
use crate::errors::{Raised, exception};
use clarke::program::Role;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyList, PyString, PyType};
use std::collections::BTreeMap;

/// A function of arrays of fixed shapes, as data.
#[pyclass(frozen, module = "clarke._clarke")]
#[derive(Clone)]
pub struct Program {
    pub inner: clarke::Program,
}

#[pymethods]
impl Program {
    /// Name, shape and role of each input.
    #[getter]
    fn inputs(&self) -> Vec<(String, Vec<usize>, &'static str)> {
        let role = |role: &Role| match role {
            Role::Argument => "argument",
            Role::Data => "data",
            Role::Sparse => "sparse",
            Role::Selection(_) => "selection",
        };
        self.inner.inputs().iter().map(|i| (i.name.clone(), i.shape.clone(), role(&i.role))).collect()
    }

    /// The outputs' shapes.
    #[getter]
    fn outputs(&self) -> Vec<Vec<usize>> {
        self.inner.output_shapes().iter().map(|s| s.to_vec()).collect()
    }

    /// How many nodes it has.
    #[getter]
    fn nodes(&self) -> usize {
        self.inner.nodes().len()
    }

    /// What a run costs, by name.
    fn cost(&self) -> BTreeMap<&'static str, u64> {
        let cost = self.inner.cost();
        BTreeMap::from([
            ("operations", cost.operations),
            ("instructions", cost.instructions),
            ("bytes_read", cost.bytes_read),
            ("bytes_written", cost.bytes_written),
            ("bytes_live", cost.bytes_live),
            ("bytes_workspace", cost.bytes_workspace),
        ])
    }

    /// Its class of tameness.
    #[getter]
    fn level(&self) -> String {
        self.inner.class().level.to_string()
    }

    /// Its text.
    fn text(&self) -> String {
        self.inner.to_string()
    }

    /// The same with these inputs, and no others, as variables.
    fn varying(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Program> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.inner.varying(&names).map(|inner| Program { inner }).raised(py)
    }

    /// The same over a leading axis of length `size` of the inputs marked.
    fn batch(&self, py: Python<'_>, mapped: Vec<bool>, size: usize) -> PyResult<Program> {
        self.inner.batch(&mapped, size).map(|inner| Program { inner }).raised(py)
    }

    /// The same with equal nodes merged.
    fn simplify(&self) -> Program {
        Program { inner: self.inner.simplify() }
    }

    /// The program of a derivative.
    fn derivative(&self, py: Python<'_>, mode: &str) -> PyResult<Program> {
        mode_of(py, mode)?.of(&self.inner).map(|inner| Program { inner }).raised(py)
    }

    /// The same with its selections as a policy fills them, which must not look at the point.
    fn filled(&self, py: Python<'_>, policy: &Policy) -> PyResult<Program> {
        self.inner.filled(&policy.inner).map(|inner| Program { inner }).raised(py)
    }

    /// Pickled as its text.
    #[allow(clippy::type_complexity)] // it is what pickle wants
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String, Option<()>))> {
        Ok((py.import("clarke._clarke")?.getattr("parse")?, (self.text(), None)))
    }

    /// Whether it is the same expression as another program.
    fn same(&self, other: &Program) -> bool {
        self.inner.same(&other.inner)
    }
}

/// A mode of derivatives by its name.
pub fn mode_of(py: Python<'_>, mode: &str) -> PyResult<clarke::Mode> {
    Ok(match mode {
        "value_and_gradient" => clarke::Mode::ValueAndGradient,
        "jvp" => clarke::Mode::Jvp,
        "vjp" => clarke::Mode::Vjp,
        "jacobian" => clarke::Mode::Jacobian,
        "hvp" => clarke::Mode::Hvp,
        _ => return Err(exception(py, "InputError", format!("there is no derivative named {mode}"))),
    })
}

/// A rule that picks a selection at every tie.
#[pyclass(frozen, eq, module = "clarke._clarke")]
#[derive(Clone, PartialEq)]
pub struct Policy {
    pub inner: clarke::Policy,
}

#[pymethods]
impl Policy {
    /// From a text, `min-norm`, `pytorch`, `jax`, `tensorflow`, `step=0.5` or `random(7)`, from the number of `step`, or
    /// from directions as `along` takes them.
    #[new]
    fn new(rule: &Bound<'_, PyAny>) -> PyResult<Policy> {
        let py = rule.py();
        if let Ok(policy) = rule.cast::<Policy>() {
            return Ok(policy.get().clone());
        }
        let text = match rule.cast::<PyString>() {
            Ok(text) => text.to_cow()?.into_owned(),
            Err(_) if rule.is_instance_of::<PyFloat>() => format!("step={}", rule.extract::<f64>()?),
            Err(_) if rule.is_instance_of::<PyList>() => return Policy::along(rule.extract()?),
            Err(_) => {
                let text =
                    "a policy is a text such as \"jax\" or \"random(7)\", a number for step, or clarke.Policy.along(…)";
                return Err(exception(py, "CallError", text.into()));
            }
        };
        text.parse().map(|inner| Policy { inner }).raised(py)
    }

    /// Decided by directions, each with an array for each variable.
    #[staticmethod]
    fn along(directions: Vec<Vec<Bound<'_, PyAny>>>) -> PyResult<Policy> {
        let all = directions.iter().map(|d| d.iter().map(tensor).collect()).collect::<PyResult<Vec<_>>>()?;
        Ok(Policy { inner: clarke::Policy::Along(all) })
    }

    /// Whether the selections are the same at every point.
    #[getter]
    fn is_fixed(&self) -> bool {
        self.inner.is_fixed()
    }

    /// Pickled as what it is made from.
    #[allow(clippy::type_complexity)] // it is what pickle wants
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyAny>,))> {
        let rule = match &self.inner {
            clarke::Policy::Along(all) => {
                let direction = |d: &Vec<clarke::Tensor>| d.iter().map(|t| array(py, t)).collect::<PyResult<Vec<_>>>();
                let all = all.iter().map(direction).collect::<PyResult<Vec<_>>>()?;
                all.into_pyobject(py)?.into_any()
            }
            rule => PyString::new(py, &rule.to_string()).into_any(),
        };
        Ok((py.get_type::<Policy>(), (rule,)))
    }

    fn __str__(&self) -> String {
        self.inner.to_string()
    }

    fn __repr__(&self) -> String {
        format!("clarke.Policy(\"{}\")", self.inner)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.inner.to_string().hash(&mut hasher);
        hasher.finish()
    }
}

/// The table of operators: name, signature, formula, class, ties, source.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn operators() -> Vec<(&'static str, &'static str, &'static str, &'static str, &'static str, &'static str)> {
    clarke::operators().map(|e| (e.name, e.signature, e.formula, e.class, e.ties, e.source)).collect()
}

/// A program from text with inputs of these shapes; without inputs the text is a `def`.
#[pyfunction]
pub fn parse(py: Python<'_>, text: &str, inputs: Option<Vec<(String, Vec<usize>)>>) -> PyResult<Program> {
    let parsed = match &inputs {
        Some(inputs) => {
            let inputs: Vec<(&str, &[usize])> = inputs.iter().map(|(n, s)| (n.as_str(), s.as_slice())).collect();
            clarke::parse(text, &inputs)
        }
        None => clarke::text::parse_program(&clarke::registry(), text),
    };
    parsed.map(|inner| Program { inner }).raised(py)
}

/// The free names of an expression, in order of first use.
#[pyfunction]
pub fn names(py: Python<'_>, text: &str) -> PyResult<Vec<String>> {
    clarke::text::names(text).raised(py)
}
