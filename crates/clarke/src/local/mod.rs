//! A program at a point: the ties met, gradients under policies, and what is known there.

mod active;
mod along;
mod artifact;
mod bound;
mod certificate;
mod check;
mod composite;
mod conclude;
#[cfg(test)]
mod cost;
mod cube;
mod derivative;
mod equations;
mod evaluator;
mod filled;
mod guard;
mod image;
mod limiting;
mod outline;
mod partial;
mod policy;
mod polish;
mod proof;
mod residual;
mod rounded;
mod samples;
mod set_at;
mod sets;
mod strata;
mod sum;
mod tameness;
mod tangents;
mod vector;
mod verdict;

pub use active::Active;
pub use artifact::{Dependence, Difference};
pub use bound::{Bound, Plane};
pub use certificate::{Certificate, Checked, Term};
pub use check::{
    Agreed, Agreement, AuditOptions, AuditReport, Bounded, CheckOptions, CheckReport, ClosedGraph, Conservative,
    Course, Differences, Disagree, Disagreement, Escape, Exact, Finding, ForwardRule, Grade, GradientRule, Member,
    Membership, Nearby, NotSemismooth, OperatorReport, Passed, PolicyRule, Refused, Refutation, ReverseRule,
    Semismooth, Slopes, Tried, Unbounded, agreement, audit, check_conservative, check_operator, joined,
};
pub use composite::Composition;
pub use conclude::{ConcludeOptions, Conclusion};
pub use derivative::{Derivative, DerivativeWorkspace, Mode};
pub use evaluator::Evaluator;
pub use image::SetOptions;
pub use policy::Policy;
pub use polish::{Polished, Precision};
pub use proof::Proof;
pub use rounded::{Odd, Rounded, TieCounter};
pub use samples::Samples;
pub use set_at::{Chosen, Containment, Element, Known, Layout, Nearest, SetAt, Support, Witness};
pub use sets::Sets;
pub use strata::{Kink, Strata};
pub use sum::FiniteSum;
pub use tameness::{Lipschitz, Raise, Tameness};
pub use verdict::{Descent, Judgement, Verdict};

use crate::derive::{Linearized, gradient_of, linearize_with, unroll};
use crate::error::{Fault, Place, Result};
use crate::program::op::Op;
use crate::program::tie::{Met, Site};
use crate::program::{Kind, Node, Program};
use crate::run::{Interpreter, Monitor, check_inputs};
use crate::tensor::{Tensor, unravel};
use policy::Picker;
use std::sync::{Arc, OnceLock};

impl Program {
    /// This program at a point: values for its inputs (selections excepted), in order.
    ///
    /// Errors: the number of inputs or a shape; an entry of the point or a value of the program that is not finite,
    /// with the operator that made it. Cost: one slow evaluation; operators made of programs are written out.
    ///
    /// ```
    /// use clarke::{Policy, Program};
    /// let f = Program::trace(&[&[]], |v| (-v[0]).relu() + v[0] - v[0].relu())?;   // the zero function
    /// let at = f.at(&[0.0.into()])?;
    /// assert_eq!(at.ties(0.0)?.len(), 2);
    /// assert_eq!(at.gradient(&Policy::pytorch())?[0].item(), 1.0);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn at(&self, point: &[Tensor]) -> Result<At> {
        check_inputs(self, point)?;
        At::of(&unroll(self)?.prune(), &Arc::default(), point)
    }
}

/// A program at a point.
#[derive(Debug, Clone)]
pub struct At {
    program: Program,
    derived: Arc<Derived>,
    point: Vec<Tensor>,
    values: Vec<Tensor>,
}

/// What is derived from a program once, when it is first asked for, and serves at every point.
#[derive(Debug, Default)]
struct Derived {
    linear: OnceLock<Linearized>,
    /// The linearization of the arguments of its ties.
    second: OnceLock<Linearized>,
    /// The gradient, and the images of the program's nodes in it.
    gradient: OnceLock<(Program, Vec<usize>)>,
}

/// A tie that a program meets at a point.
#[derive(Debug, Clone)]
pub struct TieMet {
    /// The operator, as the user wrote it.
    pub op: &'static str,
    /// Its text: as written where the program came from text, else printed.
    pub source: String,
    /// Where it stands.
    pub place: Place,
    /// Which element of the operator's argument (which slice, for a tie along axes) is tied; None for a scalar.
    pub index: Option<Vec<usize>>,
    /// How many pieces meet; None if infinitely many.
    pub pieces: Option<u64>,
    /// How far the furthest element counted as tied is from an exact tie.
    pub distance: f64,
    /// How far the nearest piece is that does not take part; infinite if all do.
    pub beyond: f64,
    /// The tie in the derivative program.
    pub site: Arc<Site>,
}

impl At {
    /// A program with operators made of programs written out, and what is derived from it, at a point of its shapes.
    fn of(program: &Program, derived: &Arc<Derived>, point: &[Tensor]) -> Result<At> {
        let inputs = program.inputs().iter().filter(|i| !i.role.is_selection());
        for (input, array) in std::iter::zip(inputs, point) {
            if let Some((flat, value)) = array.first_not_finite() {
                let index = unravel(flat, array.shape());
                return Err(Fault::InputNotFinite { input: input.name.clone(), value, index }.into());
            }
        }
        let values = Interpreter::new(program).values(point, &mut ())?;
        for &out in program.outputs() {
            if values[out].first_not_finite().is_some() {
                return Err(first_not_finite(program, &values));
            }
        }
        Ok(At { program: program.clone(), derived: derived.clone(), point: point.to_vec(), values })
    }

    /// The same program at another point; what was derived from it here serves there too.
    ///
    /// Errors: those of [`Program::at`]. Cost: one slow evaluation.
    ///
    /// ```
    /// let f = clarke::parse("abs(x) + relu(x - 1)", &[("x", &[])])?;
    /// let at = f.at(&[0.0.into()])?;
    /// let ties = |at: &clarke::At| at.ties(0.0).map(|met| met.len());
    /// assert_eq!((ties(&at)?, ties(&at.moved(&[0.5.into()])?)?), (1, 0));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn moved(&self, point: &[Tensor]) -> Result<At> {
        check_inputs(&self.program, point)?;
        At::of(&self.program, &self.derived, point)
    }

    /// The linearization of the program.
    fn linear(&self) -> Result<&Linearized> {
        match self.derived.linear.get() {
            Some(linear) => Ok(linear),
            None => linearize_with(&self.program, &[]).map(|linear| self.derived.linear.get_or_init(|| linear)),
        }
    }

    /// The linearization of the arguments of that one's ties, in their order.
    fn second(&self) -> Result<&Linearized> {
        match self.derived.second.get() {
            Some(second) => Ok(second),
            None => along::second_of(self.linear()?).map(|second| self.derived.second.get_or_init(|| second)),
        }
    }

    /// The gradient of a scalar program, and the images of the program's nodes in it.
    fn gradient_program(&self) -> Result<&(Program, Vec<usize>)> {
        match self.derived.gradient.get() {
            Some(gradient) => Ok(gradient),
            None => gradient_of(self.linear()?).map(|gradient| self.derived.gradient.get_or_init(|| gradient)),
        }
    }

    /// The point: the values of the inputs, selections excepted.
    pub fn point(&self) -> &[Tensor] {
        &self.point
    }

    /// The outputs.
    pub fn outputs(&self) -> Vec<Tensor> {
        self.program.outputs().iter().map(|&k| self.values[k].clone()).collect()
    }

    /// The value of a scalar program. Errors: the output is not one scalar.
    pub fn value(&self) -> Result<f64> {
        self.program.expect_scalar("the value at a point")?;
        Ok(self.values[self.program.outputs()[0]].item())
    }

    /// The ties met at this point, within an absolute tolerance on their arguments (0: exactly, in the arithmetic used),
    /// in program order.
    ///
    /// Errors: an operator without derivative.
    pub fn ties(&self, tolerance: f64) -> Result<Vec<TieMet>> {
        let linear = self.linear()?;
        let report = |(site, met): (Arc<Site>, Met)| TieMet {
            op: site.owner.name(),
            source: self.source_of(&site),
            place: site.place.clone(),
            index: (!met.index.is_empty()).then_some(met.index),
            pieces: met.pieces,
            distance: met.distance,
            beyond: met.beyond,
            site,
        };
        Ok(self.met(linear, tolerance)?.into_iter().map(report).collect())
    }

    /// Whether the program is path-differentiable near this point: Some(true) if it is; None if a `where` meets the
    /// boundary of its condition and its two values agree there, but were not proved to agree on the whole boundary;
    /// Some(false) if an operator holds constant what varies (`stop_gradient`), so that the derivative is by definition
    /// not that of the value.
    ///
    /// Errors: a discontinuous `where`, an equality met (no derivative exists).
    pub fn path_differentiable(&self) -> Result<Option<bool>> {
        let linear = self.linear()?;
        let met = self.met(linear, 0.0)?;
        let proved = guard::check(&self.program, &self.values, &met)?;
        Ok(if holds_what_varies(&self.program) { Some(false) } else { proved.then_some(true) })
    }

    /// The gradient of a scalar program under a policy: one array for each variable.
    ///
    /// At ties: the element that the policy selects. Errors: the output is not one scalar; a point where the program is
    /// not locally Lipschitz, or a `where` discontinuous, or an equality met; a gradient that overflows. Cost: slow
    /// evaluations of the gradient program, one more if a tie is met and the program has operators of unbounded slope.
    pub fn gradient(&self, policy: &Policy) -> Result<Vec<Tensor>> {
        self.program.expect_scalar("the gradient")?;
        let met = self.met(self.linear()?, 0.0)?;
        guard::check(&self.program, &self.values, &met)?;
        let (program, images) = self.gradient_program()?;
        let known: Vec<(usize, &Tensor)> = std::iter::zip(images.iter().copied(), &self.values).collect();
        self.derivative_of(program, &known, &[], !met.is_empty(), || Picker::new(policy, self))
    }

    /// The outputs of a derivative program with its ties as a monitor decides them, the values of some nodes known; `more`
    /// are its inputs beside those of the program. An
    /// error where it is not finite, or where a tie met hides a slope that is not.
    fn derivative_of<M: Monitor>(
        &self,
        derivative: &Program,
        known: &[(usize, &Tensor)],
        more: &[Tensor],
        tied: bool,
        monitor: impl Fn() -> Result<M>,
    ) -> Result<Vec<Tensor>> {
        let inputs = [&self.point, more].concat();
        let run = |monitor: &mut dyn Monitor| Interpreter::new(derivative).run_from(known, &inputs, monitor);
        let outputs = run(&mut monitor()?)?;
        let finite = outputs.iter().all(|g| g.first_not_finite().is_none());
        if !finite || (tied && has_singular(&self.program)) {
            run(&mut guard::Replay::new(derivative, &self.program, &self.values))?;
        }
        if !finite {
            let values = Interpreter::new(derivative).values(&inputs, &mut monitor()?)?;
            return Err(first_not_finite(derivative, &values));
        }
        Ok(outputs)
    }

    /// The program, with operators made of programs written out.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The text of the operator that owns a tie.
    fn source_of(&self, site: &Site) -> String {
        match site.place.snippet() {
            Some(text) => text.to_string(),
            None => self.program.expression(site.node),
        }
    }

    /// All ties met, each with its site.
    fn met(&self, linear: &Linearized, tolerance: f64) -> Result<Vec<(Arc<Site>, Met)>> {
        let ties = along::tie_nodes(&linear.program);
        let program = linear.program.with_outputs(&ties.iter().map(|(_, u)| *u).collect::<Vec<_>>());
        let mut inputs = self.point.clone();
        inputs.extend(linear.tangents.iter().map(|&k| Tensor::full(&program.inputs()[k].shape, 0.0)));
        let known: Vec<(usize, &Tensor)> = std::iter::zip(linear.image.iter().copied(), &self.values).collect();
        let arguments = Interpreter::new(&program).run_from(&known, &inputs, &mut ())?;
        let of = |((site, _), u): ((Arc<Site>, usize), Tensor)| {
            let met = site.tie.tie().map_or(vec![], |tie| tie.met(&u, tolerance));
            met.into_iter().map(|m| (site.clone(), m)).collect::<Vec<_>>()
        };
        Ok(std::iter::zip(ties, arguments).flat_map(of).collect())
    }
}

/// Whether tangents end at an operator whose argument varies.
fn holds_what_varies(program: &Program) -> bool {
    let mut varies: Vec<bool> = vec![];
    for node in program.nodes() {
        let own = match &node.kind {
            Kind::Input(k) => program.inputs()[*k].role.is_argument(),
            Kind::Constant(_) => false,
            Kind::Apply { op, args } => {
                let any = args.iter().any(|&a| varies[a]);
                if any && op.stops() {
                    return true;
                }
                any
            }
        };
        varies.push(own);
    }
    false
}

/// Whether some operator's slope can be infinite or NaN at a finite value.
fn has_singular(program: &Program) -> bool {
    has(program, &|op| op.singular())
}

/// Whether a tie met can hide a point without derivative: an unbounded slope, or a condition.
fn can_be_undefined(program: &Program) -> bool {
    has(program, &|op| op.singular() || op.boundary().is_some())
}

/// Whether some operator is like that, among the nodes or in the programs inside.
fn has(program: &Program, like: &dyn Fn(&dyn Op) -> bool) -> bool {
    let found = |op: &dyn Op| like(op) || op.programs().into_iter().any(|inner| has(inner, like));
    program.nodes().iter().any(|node| matches!(&node.kind, Kind::Apply { op, .. } if found(op.as_ref())))
}

/// The error that names the first operator that made something not finite out of finite arguments.
fn first_not_finite(program: &Program, values: &[Tensor]) -> crate::Error {
    let pruned: Vec<bool> = program.needed();
    for (id, node) in program.nodes().iter().enumerate() {
        let Kind::Apply { op, args } = &node.kind else { continue };
        let Some((flat, value)) = values[id].first_not_finite() else { continue };
        if !pruned[id] || args.iter().any(|&a| values[a].first_not_finite().is_some()) {
            continue;
        }
        let arrays: Vec<&Tensor> = args.iter().map(|&a| &values[a]).collect();
        if let Some(fault) = op.refuses(&arrays) {
            return fault.at(node.place.clone());
        }
        let argument = guard::arguments_at(args, values, node, flat);
        let advice = if value.is_nan() || op.singular() {
            "the operator is not defined there; move the point, or keep the argument inside its domain (clip, maximum)"
        } else {
            "the result is too large for a 64-bit number; scale the problem, or move the point"
        };
        let named = node.owner.as_ref().map_or(op.name(), |o| o.name());
        let index = unravel(flat, &node.shape);
        return Fault::NotFinite { op: named.into(), value, argument, index, advice }.at(node.place.clone());
    }
    let value = program.outputs().iter().find_map(|&k| values[k].first_not_finite()).map_or(f64::NAN, |(_, v)| v);
    let constant = |n: &&Node| matches!(&n.kind, Kind::Constant(c) if c.first_not_finite().is_some());
    let place = program.nodes().iter().find(constant).map_or(Place::Unknown, |n| n.place.clone());
    let advice = "a constant in it is not a finite number";
    Fault::NotFinite { op: "the program".into(), value, argument: vec![], index: vec![], advice }.at(place)
}
