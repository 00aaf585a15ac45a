//! Clarke differentiates and minimizes programs that are not smooth, and says what its derivatives mean.

#![warn(missing_docs)]

pub mod compound;
mod derive;
mod error;
mod local;
pub mod op;
pub mod optim;
pub mod program;
mod run;
mod tensor;
pub mod text;

pub use error::{Error, Fault, Place, Result};
pub use local::{At, Evaluator, Policy, TieMet};
pub use program::tie::Convention;
pub use program::{Builder, Program, Registry, Var};
pub use run::{Compiled, Port, Workspace};
pub use tensor::Tensor;

/// The operators that program text may use: the table of elementary operators, and those made of programs.
pub fn registry() -> Registry {
    Registry::new(op::OPS.iter().chain(compound::COMPOUND).chain(op::DERIVATIVE_OPS).cloned())
}

/// Reads an expression, or statements and a final expression, over all operators but those that only derivatives are
/// written with: see [`text`].
///
/// ```
/// let f = clarke::parse("abs(x) * 2 - relu(x)", &[("x", &[])])?;
/// assert_eq!(f.to_string(), "def f(x: []):\n    return abs(x) * 2.0 - relu(x)\n");
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn parse(text: &str, inputs: &[(&str, &[usize])]) -> Result<Program> {
    text::parse(&Registry::new(op::OPS.iter().chain(compound::COMPOUND).cloned()), text, inputs)
}
