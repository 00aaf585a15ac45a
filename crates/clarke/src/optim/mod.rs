//! Methods: one contract (init, step, stop), one loop, step-size rules; outcome as data.
//!
//! A method knows no programs, only an [`Oracle`]: value and one element of a conservative gradient at a point. Which there
//! are stands in one table, [`METHODS`], with their parameters as data; [`method()`] makes one by name.

mod method;
mod options;
mod oracle;
mod rule;
mod run;
mod subgradient;
mod table;

pub use method::{AnyMethod, AnyState, Guarantee, Measure, Method, Status};
pub use options::{Entry, Parameter, Range, Setting, Settings};
pub use oracle::{Convex, Convexity, Evaluations, Facts, Oracle};
pub use rule::{Condition, StepRule};
pub use run::{Outcome, Run, minimize};
pub use subgradient::Subgradient;
pub use table::{METHODS, entry, method};
