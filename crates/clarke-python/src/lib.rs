//! The Python package `clarke`, its native half: numbers in and out, and nothing that the library does not know.
//!
//! - [`tracer`]: a program under construction, driven by numpy's protocols from the other half in Python.
//! - [`program`]: programs and their transformations.
//! - [`executable`]: programs compiled, called with arrays that are not copied.
//! - [`operator`]: operators that users define; [`optimize`]: methods;
//!   [`sum`]: means over samples.
//! - [`at`]: programs at a point; [`set`]: sets of derivatives there; [`explain`]: what is said of both.
//! - [`check`]: checks of gradients.
//! - [`convert`]: arrays and numbers; [`errors`]: the library's errors as exceptions of Python.

mod at;
mod check;
mod convert;
mod errors;
mod executable;
mod explain;
mod operator;
mod optimize;
mod program;
mod set;
mod sum;
mod tracer;

use pyo3::prelude::*;

/// What the Python half of the package `clarke` imports; not for users.
#[pymodule]
#[pyo3(name = "_clarke")]
fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    // How far questions about sets go unless told otherwise.
    let options = clarke::SetOptions::default();
    module.add("VERTICES", options.vertices)?;
    module.add("EVALUATIONS", options.evaluations)?;
    module.add_class::<tracer::Tracer>()?;
    module.add_class::<tracer::Node>()?;
    module.add_class::<tracer::Guard>()?;
    module.add_class::<tracer::Body>()?;
    module.add_class::<operator::Operator>()?;
    module.add_class::<optimize::Plan>()?;
    module.add_class::<sum::FiniteSum>()?;
    module.add_function(wrap_pyfunction!(optimize::methods, module)?)?;
    module.add_class::<program::Program>()?;
    module.add_class::<program::Policy>()?;
    module.add_class::<executable::Executable>()?;
    module.add_class::<executable::Dispatcher>()?;
    module.add_class::<at::At>()?;
    module.add_class::<at::Judgement>()?;
    module.add_class::<at::Certificate>()?;
    module.add_class::<at::Conclusion>()?;
    module.add_class::<set::SetAt>()?;
    module.add_class::<explain::Explained>()?;
    module.add_function(wrap_pyfunction!(explain::set_picture, module)?)?;
    module.add_function(wrap_pyfunction!(explain::set_text, module)?)?;
    module.add_function(wrap_pyfunction!(check::check_conservative, module)?)?;
    module.add_function(wrap_pyfunction!(check::audit, module)?)?;
    module.add_function(wrap_pyfunction!(check::agreement, module)?)?;
    module.add_function(wrap_pyfunction!(program::operators, module)?)?;
    module.add_function(wrap_pyfunction!(program::parse, module)?)?;
    module.add_function(wrap_pyfunction!(program::names, module)?)?;
    Ok(())
}
