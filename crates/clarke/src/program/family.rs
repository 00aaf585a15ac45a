//! Operators that return more or fewer parts of what one computation makes.

use super::Var;
use super::op::Op;
use std::sync::Arc;

/// An operator that returns some parts of what a kernel computes anyway, and could return others.
///
/// A value and its derivative may need different parts: compiled programs compute one operator that returns all of these.
pub trait Family {
    /// The operator of the family that returns the fewest parts: it stands for the family.
    fn least(&self) -> Arc<dyn Op>;

    /// Which parts this one returns.
    fn parts(&self) -> Vec<bool>;

    /// The operator of the family that returns these parts.
    fn with(&self, parts: &[bool]) -> Arc<dyn Op>;

    /// The value of this one, from the value of the one that returns these parts, its own among them.
    fn of<'p>(&self, parts: &[bool], value: Var<'p>) -> Var<'p>;
}
