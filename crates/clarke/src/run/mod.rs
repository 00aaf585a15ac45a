//! Program → numbers. May be replaced whole without changing a result.
//!
//! There are two ways, and they agree bit for bit in f64:
//!
//! - The slow twin ([`interpreter`]): node by node, each operator by its own kernel; it can be watched.
//! - Compiled programs ([`compiled`]), made in this order:
//!   1. [`lower`]: selections become constants, operators defined by others are written out, the program simplified.
//!   2. [`schedule`]: reshapes and broadcasts become views; elementwise nodes of one length form loops as far as their
//!      dependences allow; the rest runs by the operators' kernels.
//!   3. [`code`]: the recordings of a loop's members become one list of primitives on tiles, equal ones once.
//!   4. [`plan`]: every number gets a place: in the caller's arrays where possible, else in one stretch of [`memory`].
//!   5. [`native`]: loops and single numbers become machine code, where the machine has AVX2 or AVX-512.
//!   6. [`execute`]: the plan is run; what is not machine code a tile at a time, by the [`kernels`] of the primitives.
//!
//! And there is a way on boxes, rounded outwards ([`interval`]).
//!
//! What holds: a run allocates nothing and decides nothing; an instruction never writes what it reads; no two
//! operations are contracted into one rounding; outside of `code`, `kernels` and `native` nothing knows a primitive, and nothing
//! here knows an operator.

mod code;
mod compiled;
mod cost;
mod execute;
mod families;
mod interpreter;
mod interval;
mod kernels;
mod lower;
mod memory;
mod native;
mod plan;
mod schedule;
mod share;
#[cfg(test)]
mod tests;

pub use compiled::{Compiled, Port, Workspace};
pub use cost::{Cost, GradientCost};
#[cfg(test)]
pub(crate) use interpreter::COMPUTED;
pub(crate) use interpreter::{Interpreter, Monitor, apply, check_inputs, unbound, written_out};
pub(crate) use interval::{Arithmetic, enclose};

use crate::error::Result;
use crate::program::Program;
use crate::tensor::Tensor;

impl Program {
    /// The outputs at these inputs (selections excepted, which are filled by the default policy: the element of least
    /// norm of each elementary operator), node by node in f64.
    ///
    /// Convenient and slow: for repeated evaluation compile the program. Errors: the number of inputs or a shape; a sparse
    /// matrix that is not bound.
    pub fn eval(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Interpreter::new(self).run(inputs, &mut ())
    }
}
