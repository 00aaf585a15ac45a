//! Clarke differentiates and minimizes programs that are not smooth, and says what its derivatives mean.

#![warn(missing_docs)]

mod derive;
mod error;
mod local;
pub mod op;
pub mod optim;
pub mod program;
mod run;
mod tensor;

pub use error::{Error, Fault, Place, Result};
pub use local::{At, Evaluator, Policy, TieMet};
pub use program::tie::Convention;
pub use program::{Builder, Program, Registry, Var};
pub use run::{Compiled, Port, Workspace};
pub use tensor::Tensor;

/// The operators that program text may use: the table of elementary operators, and those made of programs.
pub fn registry() -> Registry {
    Registry::new(op::OPS.iter().chain(op::DERIVATIVE_OPS).cloned())
}
