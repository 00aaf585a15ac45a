//! Sets of derivatives at a point, as Python holds them.

use crate::convert::{array, tensor};
use crate::errors::Raised;
use clarke::{Containment, Element, SetOptions};
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard};

/// An element of a set: one array for each variable.
pub type Arrays<'py> = Vec<Bound<'py, PyAny>>;

/// How far questions about sets go: tolerance, vertices, evaluations, seed.
pub type Budget = (f64, usize, usize, u64);

/// Point, distance, lower bound of the distance, scale, and the elements it is a combination of with their weights.
pub type Nearest<'py> = (Arrays<'py>, f64, f64, f64, Vec<(f64, Arrays<'py>)>);

/// Whether it is inside (None: undecided); the distance, or a lower bound of it; the direction that separates.
pub type Contains<'py> = (Option<bool>, f64, Option<Arrays<'py>>);

/// The options of a budget.
pub fn options((tolerance, vertices, evaluations, seed): Budget) -> SetOptions {
    SetOptions { tolerance, vertices, evaluations, seed }
}

/// An element as arrays of numpy.
pub fn arrays<'py>(py: Python<'py>, element: &Element) -> PyResult<Arrays<'py>> {
    element.iter().map(|t| array(py, t)).collect()
}

/// Arrays of numpy as an element.
pub fn element(arrays: &[Bound<'_, PyAny>]) -> PyResult<Element> {
    arrays.iter().map(tensor).collect()
}

/// A nearest point with the elements that it is a combination of.
pub fn nearest<'py>(py: Python<'py>, found: &clarke::Nearest) -> PyResult<Nearest<'py>> {
    let weighted = found.weights.iter().map(|(w, v, _)| Ok((*w, arrays(py, v)?)));
    let weights = weighted.collect::<PyResult<Vec<_>>>()?;
    Ok((arrays(py, &found.point)?, found.distance, found.lower, found.scale, weights))
}

/// A set of derivatives of a program at a point.
///
/// Questions change what the library keeps of a set, so they are asked one at a time: the lock is taken without that of
/// Python, and given back before Python is needed again.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct SetAt {
    inner: Mutex<clarke::SetAt>,
}

#[pymethods]
impl SetAt {
    /// How it is known: `exact`, `outer`, `inner` or `sampled`.
    #[getter]
    fn known(&self, py: Python<'_>) -> String {
        self.ask(py, |set| set.known().to_string())
    }

    /// What that rests on or lacks.
    #[getter]
    fn hypothesis(&self, py: Python<'_>) -> Option<String> {
        self.ask(py, |set| set.hypothesis().map(str::to_string))
    }

    /// The variables' names, and the shapes of the derivatives.
    #[getter]
    fn layout(&self, py: Python<'_>) -> Vec<(String, Vec<usize>)> {
        self.ask(py, |set| {
            let layout = set.layout();
            std::iter::zip(&layout.names, &layout.shapes).map(|(n, s)| (n.clone(), s.clone())).collect()
        })
    }

    /// Whether it is one point.
    #[getter]
    fn single(&self, py: Python<'_>) -> bool {
        self.ask(py, |set| set.is_single())
    }

    /// The extreme points.
    fn vertices<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Arrays<'py>>>> {
        let all = self.ask(py, |set| set.vertices());
        all.map(|all| all.iter().map(|v| arrays(py, v)).collect()).transpose()
    }

    /// The least and largest value of each entry.
    fn bounds<'py>(&self, py: Python<'py>) -> PyResult<(Arrays<'py>, Arrays<'py>)> {
        let (low, high) = self.ask(py, clarke::SetAt::bounds);
        Ok((arrays(py, &low)?, arrays(py, &high)?))
    }

    /// The support function at a direction: a value that an element attains, an upper bound, and the element.
    fn support<'py>(&self, py: Python<'py>, direction: Arrays<'py>) -> PyResult<(f64, f64, Arrays<'py>)> {
        let d = element(&direction)?;
        let found = self.ask(py, |set| set.support(&d)).raised(py)?;
        Ok((found.value, found.upper, arrays(py, &found.element)?))
    }

    /// The point nearest to a target.
    fn nearest<'py>(&self, py: Python<'py>, target: Arrays<'py>) -> PyResult<Nearest<'py>> {
        let target = element(&target)?;
        let found = self.ask(py, |set| set.nearest(&target)).raised(py)?;
        nearest(py, &found)
    }

    /// The element of least norm.
    fn min_norm<'py>(&self, py: Python<'py>) -> PyResult<Nearest<'py>> {
        nearest(py, &self.ask(py, clarke::SetAt::min_norm))
    }

    /// Whether it contains a vector up to a relative distance.
    fn contains<'py>(&self, py: Python<'py>, vector: Arrays<'py>, tolerance: f64) -> PyResult<Contains<'py>> {
        let vector = element(&vector)?;
        Ok(match self.ask(py, |set| set.contains(&vector, tolerance)).raised(py)? {
            Containment::Inside(found) => (Some(true), found.distance, None),
            Containment::Outside { direction, gap } => (Some(false), gap, Some(arrays(py, &direction)?)),
            Containment::Undecided => (None, 0.0, None),
        })
    }

    /// Whether 0 is in it.
    fn critical(&self, py: Python<'_>) -> Option<bool> {
        self.ask(py, clarke::SetAt::critical)
    }

    /// Bounds of the largest distance of two elements.
    fn diameter(&self, py: Python<'_>) -> (f64, f64) {
        self.ask(py, clarke::SetAt::diameter)
    }
}

impl SetAt {
    pub fn new(set: clarke::SetAt) -> SetAt {
        SetAt { inner: Mutex::new(set) }
    }

    /// A question to the set, without the lock of Python.
    pub fn ask<R: Send>(&self, py: Python<'_>, question: impl FnOnce(&mut clarke::SetAt) -> R + Send) -> R {
        py.detach(|| question(&mut self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, clarke::SetAt> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
