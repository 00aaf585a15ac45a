//! Program → program: linearize, transpose, what is made of the two, simplify, batch, and round.
//!
//! Differentiation is a transformation of programs, never a second interpreter:
//!
//! ```text
//! linearize : (x ↦ y)            →  (x, ẋ, s ↦ y, ẏ)       forward mode
//! transpose : linear in ẋ        →  (…, ȳ ↦ x̄)             reverse mode = transpose ∘ linearize
//! ```

mod batch;
mod gradient;
mod linearize;
mod rounded;
mod simplify;
mod transpose;

pub(crate) use gradient::gradient_of;
pub(crate) use linearize::{Linearized, linearize_with};
pub(crate) use simplify::{fold, substitute, unroll};

use crate::error::Result;
use crate::program::Program;
use crate::program::op::Calculus;

/// The transformations, for operators that contain programs.
pub(crate) struct Transformations;

impl Calculus for Transformations {
    fn linearize(&self, program: &Program) -> Result<Program> {
        program.linearize()
    }
    fn transpose(&self, program: &Program, linear: &[usize]) -> Result<Program> {
        program.transpose(linear)
    }
    fn batch(&self, program: &Program, mapped: &[bool], size: usize) -> Result<Program> {
        program.batch(mapped, size)
    }
}
