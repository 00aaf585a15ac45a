//! The elementary functions, each in one place: value, derivative, class, documentation, source, and its method on
//! [`Var`](crate::program::Var).
//!
//! [`OPS`] is the table from which the parser, the documentation, the command line and the law tests derive.

pub mod gather;
pub mod index;
pub mod join;
pub mod kinked;
mod layout;
pub mod linalg;
pub mod linear;
pub mod pointwise;
mod product;
pub mod shape;
pub mod tie;

use crate::program::op::Entry;
use pointwise::Pointwise;

/// Every elementary operator of the library.
pub const OPS: &[Entry] = &[
    linear::AddOp::ENTRY,
    linear::Subtract::ENTRY,
    linear::Multiply::ENTRY,
    linear::Negative::ENTRY,
    kinked::Relu::ENTRY,
    kinked::Abs::ENTRY,
    shape::Reshape::ENTRY,
    shape::BroadcastTo::ENTRY,
    shape::SumTo::ENTRY,
    shape::Transpose::ENTRY,
    linalg::MatMul::ENTRY,
    linalg::Dot::ENTRY,
    index::GetItem::ENTRY,
    index::PutSlice::ENTRY,
    gather::Take::ENTRY,
    gather::ScatterAdd::ENTRY,
    join::Concatenate::ENTRY,
    join::Stack::ENTRY,
];

/// The operators that derivatives are written with: readable in program text, of no use in a user's own program.
pub const DERIVATIVE_OPS: &[Entry] = &[tie::Step::ENTRY, tie::Tied::ENTRY, tie::GuardedMul::ENTRY];
