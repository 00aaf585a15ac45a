//! Boxes for all inputs of a program: what is given for its variables and data, and all that its selections may be.

use crate::error::Result;
use crate::program::{Input, Program, Role};
use crate::tensor::Boxes;

/// A box for each input of a program, in order: `given` is asked for those that are no selections, by their number among
/// all inputs; selections are free. Errors: those of `given`.
pub(super) fn filled(program: &Program, mut given: impl FnMut(usize, &Input) -> Result<Boxes>) -> Result<Vec<Boxes>> {
    let one = |(k, input): (usize, &Input)| if input.role.is_selection() { Ok(free(input)) } else { given(k, input) };
    program.inputs().iter().enumerate().map(one).collect()
}

/// All that a selection may be.
fn free(input: &Input) -> Boxes {
    let segment = match &input.role {
        Role::Selection(site) => site.as_ref().is_some_and(|s| s.tie.tie().is_some_and(|t| t.is_interval())),
        _ => false,
    };
    let low = if segment { 0.0 } else { -1.0 };
    Boxes::from_fn(&input.shape, |_| (low, 1.0))
}
