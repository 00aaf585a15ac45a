//! Operators that users define in Python.

use crate::convert::kept;
use crate::errors::{Raised, exception};
use crate::program::Program;
use clarke::Convention;
use clarke::op::custom::{Custom, Slopes};
use pyo3::prelude::*;

/// An elementwise operator from programs of its value and its slopes.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Operator {
    pub inner: Custom,
}

#[pymethods]
impl Operator {
    /// The slopes' inputs are the arguments, the value and the ties; their outputs the slopes, and the arguments of the
    /// ties. The choices are what the conventions min-norm, pytorch, jax and tensorflow select at its ties.
    #[new]
    fn new(py: Python<'_>, name: &str, value: &Program, slopes: &Program, choices: [f64; 4]) -> PyResult<Operator> {
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(exception(py, "InputError", format!("an operator cannot be named `{name}`")));
        }
        let arguments = value.inner.inputs().len();
        let slopes = Slopes::new(slopes.inner.clone(), arguments).raised(py)?;
        let choose = |convention: Convention| match convention {
            Convention::MinNorm => choices[0],
            Convention::PyTorch => choices[1],
            Convention::Jax => choices[2],
            Convention::TensorFlow => choices[3],
        };
        let inner = Custom::new(kept(name), value.inner.clone(), slopes, choose).raised(py)?;
        Ok(Operator { inner })
    }

    /// How many arguments it takes.
    #[getter]
    fn arguments(&self) -> usize {
        self.inner.arguments()
    }
}
