//! Methods: one contract (init, step, stop), one loop, step-size rules; outcome as data.
//!
//! A method knows no programs, only an [`Oracle`]: value and one element of a conservative gradient at a point. Which there
//! are stands in one table, [`METHODS`], with their parameters as data; [`method()`] makes one by name.

mod adagrad;
mod adam;
mod auto;
mod average;
mod bfgs;
mod bundle;
mod conditions;
mod first_order;
mod flow;
mod heavy_ball;
mod ingd;
mod inna;
mod line_search;
mod method;
mod minimize;
mod options;
mod oracle;
mod prox;
mod prox_linear;
mod rule;
mod sampler;
mod sampling;
mod stationarity;
mod subgradient;
mod table;

pub use adam::Adam;
pub use auto::Auto;
pub use average::Averaging;
pub use bfgs::Bfgs;
pub use bundle::Bundle;
pub use first_order::{FirstOrder, Noise, Setup, Step, Update};
pub use flow::Flow;
pub use heavy_ball::HeavyBall;
pub use ingd::Ingd;
pub use inna::Inna;
pub use line_search::WeakWolfe;
pub use method::{AnyMethod, AnyState, Guarantee, Measure, Method, Status};
pub use minimize::{Event, Outcome, Run, Running, minimize};
pub use options::{Entry, Parameter, Range, Setting, Settings};
pub use oracle::{Composite, Convex, Convexity, Evaluations, Facts, Oracle, Parts};
pub use prox::{Affine, Prox};
pub use prox_linear::ProxLinear;
pub use rule::{Condition, StepRule};
pub use sampler::{Batches, Order, Sampler};
pub use sampling::GradientSampling;
pub use subgradient::Subgradient;
pub use table::{METHODS, entry, method};

use options::refuse;
