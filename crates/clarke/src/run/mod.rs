//! Program → numbers. May be replaced whole without changing a result.

mod interpreter;

pub(crate) use interpreter::{Interpreter, Monitor, apply, check_inputs};

use crate::error::Result;
use crate::program::Program;
use crate::tensor::Tensor;

impl Program {
    /// The outputs at these inputs (selections excepted, which are filled by the default policy: the element of least
    /// norm of each elementary operator), node by node in f64.
    ///
    /// Convenient and slow: for repeated evaluation compile the program. Errors: the number of inputs or a shape.
    pub fn eval(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Interpreter::new(self).run(inputs, &mut ())
    }
}
