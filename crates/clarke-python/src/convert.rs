//! Arrays and numbers of Python as the library's, and back.

use crate::errors::exception;
use clarke::program::real::Scalar;
use clarke::{Place, Tensor};
use numpy::npyffi::flags::{NPY_ARRAY_ALIGNED, NPY_ARRAY_C_CONTIGUOUS};
use numpy::npyffi::{NPY_TYPES, PY_ARRAY_API};
use numpy::{
    Element, PyArray1, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use std::collections::HashSet;
use std::sync::Mutex;

/// The library's two precisions as numpy's.
pub trait Precision: Scalar + Element + Default {
    /// Numpy's number of the type.
    const TYPE: NPY_TYPES;
}

impl Precision for f32 {
    const TYPE: NPY_TYPES = NPY_TYPES::NPY_FLOAT;
}

impl Precision for f64 {
    const TYPE: NPY_TYPES = NPY_TYPES::NPY_DOUBLE;
}

/// The numbers of an array of this precision, if they lie in memory as the library reads them.
///
/// The slice lives as long as the array is held; nobody may write to the array meanwhile, which Python leaves to its user.
pub fn numbers<'a, T: Precision>(array: &'a Bound<'_, PyUntypedArray>) -> Option<&'a [T]> {
    if !is_plain::<T>(array) {
        return None;
    }
    // SAFETY: the type, the order and the alignment were just checked; the array owns as many numbers.
    unsafe {
        let data = (*array.as_array_ptr()).fields.data.cast::<T>();
        Some(if array.is_empty() { &[] } else { std::slice::from_raw_parts(data, array.len()) })
    }
}

/// Whether an array has this precision, row-major order and alignment.
fn is_plain<T: Precision>(array: &Bound<'_, PyUntypedArray>) -> bool {
    const WANTED: i32 = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    // SAFETY: the pointer is that of a live array.
    let flags = unsafe { (*array.as_array_ptr()).fields.flags };
    (flags & WANTED) == WANTED && array.dtype().is_equiv_to(&T::get_dtype(array.py()))
}

/// Any array of numbers, list of numbers or number as an array of the library; copies. Errors: it holds no real numbers.
pub fn tensor(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = object.py();
    let numpy = py.import("numpy")?;
    let array = numpy.getattr("asarray")?.call1((object,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if !matches!(kind.as_str(), "f" | "i" | "u" | "b") {
        let dtype = array.getattr("dtype")?.str()?;
        let text = format!("numbers were expected, not an array of dtype {dtype}; Clarke computes with real numbers");
        return Err(exception(py, "DtypeError", text));
    }
    let array = numpy.getattr("asarray")?.call1((array, "float64", "C"))?;
    let flat = array.cast::<PyArrayDyn<f64>>()?.readonly();
    let data = flat.as_slice().map_err(|_| exception(py, "InputError", "an array is not contiguous".into()))?;
    Tensor::new(flat.shape(), data.to_vec()).map_err(|error| crate::errors::raise(py, &error))
}

/// An array of the library as one of numpy, of dtype float64.
pub fn array<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let flat = PyArray1::from_slice(py, tensor.data());
    Ok(flat.reshape(tensor.shape().to_vec())?.into_any())
}

/// A number as one of numpy's scalars.
pub fn scalar<T: Precision>(py: Python<'_>, x: T) -> PyResult<Bound<'_, PyAny>> {
    let mut x = x;
    // SAFETY: the descriptor is that of the number pointed to, which numpy copies; the reference returned is new.
    unsafe {
        let descr = PY_ARRAY_API.PyArray_DescrFromType(py, T::TYPE as i32);
        let made = PY_ARRAY_API.PyArray_Scalar(py, (&raw mut x).cast(), descr, std::ptr::null_mut());
        pyo3::ffi::Py_XDECREF(descr.cast());
        Bound::from_owned_ptr_or_err(py, made)
    }
}

/// The names of files seen, each kept once for as long as the process lives: places point at them.
static FILES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

/// A line of Python.
pub fn place(file: &str, line: u32) -> Place {
    Place::Source { file: kept(file), line, column: 0 }
}

/// A text that lives as long as the process; equal ones once.
pub fn kept(text: &str) -> &'static str {
    let mut files = FILES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let files = files.get_or_insert_default();
    match files.get(text) {
        Some(known) => known,
        None => {
            let text: &'static str = Box::leak(text.to_string().into_boxed_str());
            files.insert(text);
            text
        }
    }
}
