//! Methods: one contract (init, step, stop), one loop, step-size rules; outcome as data.
//!
//! A method knows no programs, only an [`Oracle`]: value and one element of a conservative gradient at a point. Which there
//! are stands in one table, [`METHODS`], with their parameters as data; [`method()`] makes one by name.

mod auto;
mod bfgs;
mod bundle;
mod ingd;
mod line_search;
mod method;
mod options;
mod oracle;
mod rule;
mod run;
mod sampling;
mod stationarity;
mod subgradient;
mod table;

pub use auto::Auto;
pub use bfgs::Bfgs;
pub use bundle::Bundle;
pub use ingd::Ingd;
pub use line_search::WeakWolfe;
pub use method::{AnyMethod, AnyState, Guarantee, Measure, Method, Status};
use options::refuse;
pub use options::{Entry, Parameter, Range, Setting, Settings};
pub use oracle::{Convex, Convexity, Evaluations, Facts, Oracle};
pub use rule::{Condition, StepRule};
pub use run::{Outcome, Run, minimize};
pub use sampling::GradientSampling;
pub use subgradient::Subgradient;
pub use table::{METHODS, entry, method};
