//! Clarke differentiates and minimizes programs that are not smooth, and says what its derivatives mean.
//!
//! A [`Program`] is a function as data, traced from a closure or read from text. Its derivative is a program too. At a
//! *tie*, where an elementary function has several pieces, that derivative is a set; a [`Policy`] picks an element.
//!
//! ```
//! use clarke::{Policy, Program};
//!
//! // Least absolute deviations: a kink for every residual.
//! let loss = Program::trace_named(&[("w", &[2]), ("X", &[3, 2]), ("y", &[3])], |v| {
//!     let [w, x, y] = [v[0], v[1], v[2]];
//!     (x.matmul(w) - y).abs().mean() + 0.1 * w.norm1()
//! })?
//! .varying(&["w"])?;
//!
//! let x = clarke::Tensor::new(&[3, 2], vec![1.0, 2.0, 0.0, 1.0, 2.0, -1.0])?;
//! let point = [[1.0, 0.0].into(), x, [1.0, 2.0, 2.0].into()];
//!
//! // At a point: what ties, and what gradient which convention returns.
//! let at = loss.at(&point)?;
//! let met: Vec<String> = at.ties(0.0)?.iter().map(|t| format!("{} at {:?}", t.op, t.index)).collect();
//! assert_eq!(met, ["abs at Some([0])", "abs at Some([2])", "norm1 at Some([1])"]);
//! let jax = at.gradient(&Policy::jax())?.remove(0);
//! let pytorch = at.gradient(&Policy::pytorch())?.remove(0);
//! assert!((jax.data()[0] - 1.1).abs() < 1e-12 && (pytorch.data()[0] - 0.1).abs() < 1e-12);
//!
//! // The gradient is a program: print it, simplify it, differentiate it again, batch it, compile it.
//! let gradient = loss.gradient()?;
//! assert!(gradient.to_string().contains("step(X @ w - y, s0)"));
//! let compiled = gradient.compile::<f64>(clarke::Convention::MinNorm);
//! let again = compiled.call(&point)?.remove(0);
//! assert!((again.data()[0] - 0.1).abs() < 1e-12);
//! # Ok::<(), clarke::Error>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | make programs | [`Program::trace`], [`parse()`], [`text`], the methods of [`Var`] |
//! | transform them | [`Program::linearize`], [`Program::transpose`], [`Program::gradient`], [`Program::jacobian`], [`Program::hvp`], [`Program::simplify`], [`Program::batch`], [`Program::filled`] |
//! | multiply by sparse matrices | [`Csr`], [`Program::sparse`], [`Program::bind`] |
//! | run them | [`Program::eval`], [`Program::compile`], [`Compiled`]; with errors where there is no derivative: [`Derivative`]; in 16 bits: [`Rounded`], [`Program::rounded`] |
//! | ask what happens at a point | [`Program::at`], [`At`], [`Policy`] |
//! | work with convex sets: hulls, zonotopes, nearest points, membership | [`set`] |
//! | check a gradient written by hand | [`check_conservative`], [`check_operator`]; one that another library computes: [`check::audit`] |
//! | minimize | [`Evaluator`], [`FiniteSum`], [`optim`] |
//! | add operators | [`op::pointwise::Pointwise`], [`program::op::Op`], [`Registry`] |

#![warn(missing_docs)]

// What the tests share speaks of the crate by its name.
#[cfg(test)]
extern crate self as clarke;

pub mod compound;
mod derive;
mod error;
mod local;
pub mod op;
pub mod optim;
pub mod program;
mod run;
pub mod set;
mod tensor;
pub mod text;

pub use error::{Error, Fault, Place, Result};
pub use local::{
    Active, At, Bound, Certificate, Checked, Chosen, ConcludeOptions, Conclusion, Containment, Dependence, Derivative,
    DerivativeWorkspace, Descent, Difference, Element, Evaluator, FiniteSum, Judgement, Kink, Known, Layout, Lipschitz,
    Mode, Nearest, Plane, Policy, Polished, Precision, Proof, Raise, Samples, SetAt, SetOptions, Sets, Strata, Support,
    Tameness, Term, TieMet, Verdict, Witness,
};
pub use local::{CheckOptions, CheckReport, GradientRule, PolicyRule, check_conservative, check_operator};
pub use local::{Odd, Rounded, TieCounter};

/// What the checks of gradients written by hand say: the parts of [`CheckReport`], rules of operators, and audits of other
/// libraries' gradients.
pub mod check {
    pub use crate::local::{
        Agreed, Agreement, AuditOptions, AuditReport, Bounded, ClosedGraph, Conservative, Course, Differences,
        Disagree, Disagreement, Escape, Exact, Finding, ForwardRule, Grade, Member, Membership, Nearby, NotSemismooth,
        OperatorReport, Passed, Refused, Refutation, ReverseRule, Semismooth, Slopes, Tried, Unbounded, agreement,
        audit, joined,
    };
}
pub use program::float::Float;
pub use program::tie::Convention;
pub use program::{Builder, Program, Registry, Var};
pub use run::{Compiled, Cost, GradientCost, Port, Workspace};
pub use tensor::{Boxes, Csr, Tensor};

/// The operators that a program is written with, in the order of the tables: the elementary ones, and those made of
/// programs. What lists or documents operators iterates over these.
pub fn operators() -> impl Iterator<Item = &'static program::op::Entry> {
    op::OPS.iter().chain(compound::COMPOUND)
}

/// The operators that program text may use: [`operators`], and those that derivatives alone are written with.
pub fn registry() -> Registry {
    Registry::new(operators().chain(op::DERIVATIVE_OPS).cloned())
}

/// Reads an expression, or statements and a final expression, over all operators but those that only derivatives are
/// written with: see [`text`].
///
/// ```
/// let f = clarke::parse("abs(x) * 2 - relu(x)", &[("x", &[])])?;
/// assert_eq!(f.to_string(), "def f(x: []):\n    return abs(x) * 2.0 - relu(x)\n");
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn parse(text: &str, inputs: &[(&str, &[usize])]) -> Result<Program> {
    text::parse(&Registry::new(operators().cloned()), text, inputs)
}
