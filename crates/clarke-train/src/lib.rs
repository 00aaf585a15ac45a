//! Training on data with Clarke.
//!
//! | to | see |
//! |---|---|
//! | write a network in a few characters | [`Network`] |

#![warn(missing_docs)]

mod spec;

pub use spec::{Network, Parameter};
