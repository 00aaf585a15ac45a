//! The table of methods, from which command line, other languages and documents derive what they know of them.

use super::method::AnyMethod;
use super::options::{Entry, Setting, unknown};
use super::{adagrad, adam, auto, bfgs, bundle, flow, heavy_ball, ingd, inna, prox_linear, sampling, subgradient};
use crate::error::Result;

/// All methods, in the order of documents: the one that chooses, first-order methods, methods that finish.
pub const METHODS: &[Entry] = &[
    auto::ENTRY,
    subgradient::ENTRY,
    subgradient::STOCHASTIC,
    subgradient::INCREMENTAL,
    heavy_ball::ENTRY,
    adagrad::ENTRY,
    inna::ENTRY,
    adam::ADAM,
    adam::ADAMW,
    flow::ENTRY,
    bundle::ENTRY,
    bfgs::ENTRY,
    prox_linear::ENTRY,
    sampling::ENTRY,
    ingd::ENTRY,
];

/// The method of a name. Errors: there is none; the names close to it are named.
pub fn entry(name: &str) -> Result<&'static Entry> {
    let known: Vec<&str> = METHODS.iter().map(|e| e.name).collect();
    METHODS.iter().find(|e| e.name == name).ok_or_else(|| unknown("method", name, &known))
}

/// The method of a name with some options: [`entry`], then [`Entry::build`].
///
/// ```
/// use clarke::optim::{Run, minimize, method};
/// use std::sync::atomic::AtomicBool;
///
/// let program = clarke::parse("abs(x - 1) + x**2", &[("x", &[])])?.varying(&["x"])?;
/// let mut f = clarke::Evaluator::new(&program, &[], clarke::Policy::default())?;
/// let method = method("subgradient", &[("step".into(), "0.5/(k+1)".into())])?;
/// let run = Run { steps: 1000, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
/// let outcome = minimize(&method, &mut f, &[3.0], run)?;
/// assert!((outcome.best[0] - 0.5).abs() < 1e-2); // 2x - 1 = 0
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn method(name: &str, options: &[(String, Setting)]) -> Result<AnyMethod> {
    entry(name)?.build(options)
}
