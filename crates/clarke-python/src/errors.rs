//! The library's errors as exceptions of Python, with the same text.
//!
//! The classes stand in `clarke/_errors.py`; which fault is which class is said here alone.

use clarke::{Error, Fault, Place};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::ffi::CString;

/// The class of Python's exception for a fault.
fn class_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::Call { .. } | Fault::InputCount { .. } => "CallError",
        Fault::Syntax { .. } | Fault::TooDeep { .. } | Fault::UnknownName { .. } => "TextError",
        Fault::NotLipschitz { .. } => "NotLipschitzError",
        Fault::Discontinuous { .. } => "DiscontinuousError",
        Fault::NoDerivative { .. } | Fault::TieOutsideDerivative { .. } => "NoDerivativeError",
        Fault::NotFinite { .. } => "NotFiniteError",
        _ => "InputError",
    }
}

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// A class of `clarke/_errors.py`.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    let module = MODULE.get_or_try_init(py, || py.import("clarke._errors").map(Bound::unbind))?;
    Ok(module.bind(py).getattr(name)?.cast_into::<PyType>()?)
}

/// An exception of a class of the package.
pub fn exception(py: Python<'_>, name: &str, text: String) -> PyErr {
    match class(py, name) {
        Ok(class) => PyErr::from_type(class, text),
        Err(error) => error,
    }
}

/// Warns, in a class of the package, at the line of the user's that called it.
pub fn warn(py: Python<'_>, name: &str, text: &str) -> PyResult<()> {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    PyErr::warn(py, class(py, name)?.as_any(), &text, 3)
}

/// The error as an exception: its text, and the file and line, or the span of program text, where it arose.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = exception(py, class_of(&error.fault), error.to_string());
    let value = made.value(py);
    let place = match &error.place {
        Place::Unknown => Ok(()),
        Place::Source { file, line, .. } => value.setattr("file", *file).and_then(|()| value.setattr("line", *line)),
        Place::Text { text, start, end } => {
            value.setattr("text", text.as_ref()).and_then(|()| value.setattr("span", (*start, *end)))
        }
    };
    match place {
        Ok(()) => made,
        Err(error) => error,
    }
}

/// A result of the library as one of Python.
pub trait Raised<T> {
    /// The value, or the error as an exception.
    fn raised(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> Raised<T> for clarke::Result<T> {
    fn raised(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raise(py, &error))
    }
}
