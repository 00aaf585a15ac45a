//! Operators made of programs. They are operators too.

pub mod scan;

use crate::program::op::Entry;

/// The operators made of programs that program text may use.
pub const COMPOUND: &[Entry] = &[scan::Scan::SCAN, scan::Scan::FOLD];
