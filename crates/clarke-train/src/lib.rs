//! Training on data with Clarke.
//!
//! | to | see |
//! |---|---|
//! | write a network in a few characters | [`Network`] |
//! | have a model, and a loss of its outputs | [`Model`], [`Loss`] |
//! | hold samples with targets, split and score them | [`Data`], [`Scorer`] |
//! | train, stop, save, and go on with the same bits | [`Session`] |
//! | study what conventions at ties do to training | [`study`] |
//!
//! It prints nothing and writes no files.

#![warn(missing_docs)]

mod data;
mod loss;
mod model;
mod session;
mod spec;
pub mod study;

pub use data::{Data, Scorer, Scores};
pub use loss::Loss;
pub use model::{Model, ProgramModel};
pub use session::{End, Epoch, Pause, Problem, Session, Settings, Trained};
pub use spec::{Network, Parameter};
