//! Means over samples, which are read where Python holds them.

use crate::at::{Conclusion, Wanted, conclude_options};
use crate::convert::{array, numbers, scalar, tensor};
use crate::errors::{Raised, exception};
use crate::program::{Policy, Program};
use clarke::{Samples, Tensor};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard};

/// The mean of a loss over samples.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct FiniteSum {
    program: clarke::Program,
    samples: Vec<(String, Samples)>,
    shared: Vec<(String, Tensor)>,
    /// What evaluates it, under the policy that was asked for last.
    last: Mutex<Option<(Policy, clarke::FiniteSum)>>,
}

/// The numbers of an array that Python holds.
struct Held {
    _owner: Py<PyAny>,
    numbers: *const [f64],
}

// SAFETY: the numbers are read only, and live as long as their owner, which is held; that nobody writes to them meanwhile is
// left to the user, as with all arrays that are handed over.
unsafe impl Send for Held {}
unsafe impl Sync for Held {}

impl AsRef<[f64]> for Held {
    fn as_ref(&self) -> &[f64] {
        // SAFETY: see above.
        unsafe { &*self.numbers }
    }
}

#[pymethods]
impl FiniteSum {
    /// A loss of one sample, with the variables as the inputs that vary; for the inputs of samples arrays with one more axis
    /// in front, in float64 and row-major order; for the others their values.
    #[new]
    fn new(
        py: Python<'_>,
        program: &Program,
        samples: Vec<(String, Bound<'_, PyUntypedArray>)>,
        shared: Vec<(String, Bound<'_, PyAny>)>,
    ) -> PyResult<FiniteSum> {
        let mut held = vec![];
        for (name, array) in samples {
            let Some(view) = numbers::<f64>(&array) else {
                let text = format!("samples of {name}: an array of float64 in row-major order was expected");
                return Err(exception(py, "InputError", text));
            };
            let own = Held { numbers: view, _owner: array.clone().into_any().unbind() };
            held.push((name, Samples::new(array.shape(), own).raised(py)?));
        }
        let shared = shared.iter().map(|(n, x)| Ok((n.clone(), tensor(x)?))).collect::<PyResult<Vec<_>>>()?;
        let made = FiniteSum { program: program.inner.clone(), samples: held, shared, last: Mutex::new(None) };
        // What is wrong is said at once.
        made.made(py, &Policy { inner: clarke::Policy::default() })?;
        Ok(made)
    }

    /// How many samples there are.
    #[getter]
    fn count(&self) -> usize {
        self.samples.first().map_or(0, |(_, s)| s.count())
    }

    /// The mean over all samples.
    fn value<'py>(
        &self,
        py: Python<'py>,
        point: Vec<Bound<'py, PyAny>>,
        policy: &Policy,
    ) -> PyResult<Bound<'py, PyAny>> {
        let x = flat(&point)?;
        let value = self.with(py, policy, |sum| sum.value(&x))?;
        scalar(py, value)
    }

    /// The mean over all samples, or over those named, and its gradient.
    fn value_and_gradient<'py>(
        &self,
        py: Python<'py>,
        point: Vec<Bound<'py, PyAny>>,
        policy: &Policy,
        terms: Option<Vec<usize>>,
    ) -> PyResult<(Bound<'py, PyAny>, Vec<Bound<'py, PyAny>>)> {
        let x = flat(&point)?;
        let count = self.count();
        if terms.as_ref().is_some_and(|t| t.is_empty() || t.iter().any(|&k| k >= count)) {
            let text = format!("a batch names at least one sample, each below {count}");
            return Err(exception(py, "InputError", text));
        }
        let mut gradient = vec![0.0; x.len()];
        let value = self.with(py, policy, |sum| match &terms {
            Some(terms) => sum.batch(terms, &x, &mut gradient),
            None => sum.value_and_gradient(&x, &mut gradient),
        })?;
        let mut rest = gradient.iter();
        let inputs = self.program.inputs().iter().filter(|i| i.role.is_argument());
        let parts = inputs.map(|i| array(py, &Tensor::from_fn(&i.shape, |_| *rest.next().unwrap_or(&0.0))));
        Ok((scalar(py, value)?, parts.collect::<PyResult<Vec<_>>>()?))
    }

    /// What is known of a point of the mean, with its value there, as the end of a run.
    fn conclude(
        &self,
        py: Python<'_>,
        point: Vec<Bound<'_, PyAny>>,
        value: f64,
        wanted: Wanted,
        policy: &Policy,
    ) -> PyResult<Conclusion> {
        let (x, options) = (flat(&point)?, conclude_options(wanted));
        let end = self.with(py, policy, |sum| Ok(sum.conclude(&x, value, &options)))?;
        Conclusion::new(py, end)
    }
}

fn flat(point: &[Bound<'_, PyAny>]) -> PyResult<Vec<f64>> {
    let parts = point.iter().map(tensor).collect::<PyResult<Vec<_>>>()?;
    Ok(parts.iter().flat_map(|t| t.data().to_vec()).collect())
}

impl FiniteSum {
    /// The sum under a policy, for a run of its own.
    pub fn made(&self, py: Python<'_>, policy: &Policy) -> PyResult<clarke::FiniteSum> {
        let samples: Vec<(&str, Samples)> = self.samples.iter().map(|(n, s)| (n.as_str(), s.clone())).collect();
        let shared: Vec<(&str, Tensor)> = self.shared.iter().map(|(n, x)| (n.as_str(), x.clone())).collect();
        clarke::FiniteSum::new(&self.program, &samples, &shared, policy.inner.clone()).raised(py)
    }

    /// Asks the sum under a policy something, without the lock of Python.
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        policy: &Policy,
        ask: impl FnOnce(&mut clarke::FiniteSum) -> clarke::Result<R> + Send,
    ) -> PyResult<R> {
        let known = self.last().take().filter(|(own, _)| own == policy);
        let (own, mut sum) = match known {
            Some(known) => known,
            None => (policy.clone(), self.made(py, policy)?),
        };
        let answer = py.detach(|| ask(&mut sum)).raised(py);
        *self.last() = Some((own, sum));
        answer
    }

    fn last(&self) -> MutexGuard<'_, Option<(Policy, clarke::FiniteSum)>> {
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
