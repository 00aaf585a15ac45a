//! An elementwise operator made while a program runs: value and slopes are programs of single numbers.
//!
//! [`Pointwise`](super::pointwise::Pointwise) is for operators known when Rust compiles; this is for faces whose users
//! define operators of their own in another language, with the same rights.

use super::pointwise::{elementwise_shape, weighted};
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::op::{Batching, Execution, Linearization, Op, Param, Recordable};
use crate::program::record::{Instr, Operand, Recording};
use crate::program::tie::{Choice, Convention};
use crate::program::{Builder, Kind, Program, Role, Var};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// An elementwise operator whose value and slopes are programs, with numpy's broadcasting.
///
/// At ties: `step(u)` in its slopes. Errors, cost: those of what it is made of; it is executed in fused loops like any
/// other elementwise operator.
///
/// ```
/// use clarke::op::custom::{Custom, Slopes};
/// use clarke::program::Role;
/// use clarke::{Builder, Policy, Program};
///
/// // The value max(x, 0), and the slope step(x): a tie is an input of the slopes, its argument a further output.
/// let value = Program::trace(&[&[]], |v| v[0].relu())?;
/// let builder = Builder::new();
/// let x = builder.input("x", &[], Role::Argument);
/// builder.input("y", &[], Role::Argument);
/// let tie = builder.input("t", &[], Role::Selection(None));
/// let slopes = Slopes::new(builder.finish(&[tie, x])?, 1)?;
/// let op = Custom::new("ramp", value, slopes, |_| 0.5)?;
///
/// let f = Program::trace(&[&[3]], |v| v[0].apply(op.clone()).sum())?;
/// let gradient = f.at(&[[1.0, 0.0, -1.0].into()])?.gradient(&Policy::jax())?;
/// assert_eq!(gradient[0].data(), [1.0, 0.5, 0.0]);
/// # Ok::<(), clarke::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Custom {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: &'static str,
    value: Program,
    recording: Recording,
    slopes: Slopes,
    /// What each convention picks at a tie, in the order of [`CONVENTIONS`].
    choices: [f64; 4],
    /// Tells operators of one name apart.
    version: i64,
    singular: bool,
}

const CONVENTIONS: [Convention; 4] =
    [Convention::MinNorm, Convention::PyTorch, Convention::Jax, Convention::TensorFlow];

static VERSIONS: AtomicI64 = AtomicI64::new(0);

/// The slopes of an operator of N arguments, as a program of single numbers: the inputs are the arguments, the value, and
/// a selection for each tie; the outputs are the N slopes, and for each tie its argument u. Where a slope says `step(u)` it
/// reads the tie's input. The argument of a tie may read the ties before it.
#[derive(Debug, Clone)]
pub struct Slopes {
    program: Program,
    arguments: usize,
    ties: usize,
}

impl Slopes {
    /// Checks that a program has this form.
    ///
    /// Errors: another number of inputs or outputs, inputs that are arrays.
    pub fn new(program: Program, arguments: usize) -> Result<Slopes> {
        let selections = |k: &usize| program.inputs()[*k].role.is_selection();
        let ties = (0..program.inputs().len()).filter(selections).count();
        let last = program.inputs().iter().skip(arguments + 1).all(|i| i.role.is_selection());
        let single = program.inputs().iter().all(|i| i.shape.is_empty());
        let count = program.inputs().len() == arguments + 1 + ties && program.outputs().len() == arguments + ties;
        if !(last && single && count) {
            let rule = "its inputs are the arguments, the value and the ties, and its outputs the slopes and the \
                        arguments of the ties, all single numbers";
            return Err(not_elementwise("the slopes", rule));
        }
        Ok(Slopes { program, arguments, ties })
    }

    /// The slopes at these arguments, where y is the value; each tie is written once.
    fn at<'p>(&self, args: &[Var<'p>], y: Var<'p>) -> Vec<Option<Var<'p>>> {
        let builder = y.builder();
        let mut inputs: Vec<Var<'p>> = args.to_vec();
        inputs.push(y);
        for k in 0..self.ties {
            let rest = (k..self.ties).map(|_| builder.constant(0.0));
            let known: Vec<Var<'p>> = inputs.iter().copied().chain(rest).collect();
            let u = self.program.with_outputs(&[self.program.outputs()[self.arguments + k]]);
            inputs.push(builder.inline(&u, &known)[0].step());
        }
        let slopes = self.program.with_outputs(&self.program.outputs()[..self.arguments]);
        builder.inline(&slopes, &inputs).into_iter().map(Some).collect()
    }
}

impl Custom {
    /// An operator with a name, its value, its slopes, and what each convention selects at its ties, from [0, 1].
    ///
    /// Operators of one name are told apart, so that a name may be used again.
    ///
    /// Errors: a value that is not one number made of single numbers by elementwise operators; slopes of another number of
    /// arguments; selections outside of [0, 1].
    pub fn new(
        name: &'static str,
        value: Program,
        slopes: Slopes,
        choose: impl Fn(Convention) -> f64,
    ) -> Result<Custom> {
        if value.inputs().len() != slopes.arguments || value.inputs().iter().any(|i| !i.shape.is_empty()) {
            return Err(not_elementwise(name, "value and slopes take the same arguments, each a single number"));
        }
        let recording = recorded(&value)?;
        let choices = CONVENTIONS.map(choose);
        if let Some(wrong) = choices.iter().find(|s| !(0.0..=1.0).contains(*s)) {
            let (op, parameter, rule) = (name.into(), "choice".into(), "a selection lies between 0 and 1".into());
            return Err(Fault::Parameter { op, parameter, value: wrong.to_string(), rule }.into());
        }
        let singular =
            |p: &Program| p.nodes().iter().any(|n| matches!(&n.kind, Kind::Apply { op, .. } if op.singular()));
        let singular = singular(&value) || singular(&slopes.program);
        let version = VERSIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Custom { inner: Arc::new(Inner { name, value, recording, slopes, choices, version, singular }) })
    }

    /// How many arguments it has.
    pub fn arguments(&self) -> usize {
        self.inner.slopes.arguments
    }

    /// Its value, as a program of single numbers.
    pub fn value(&self) -> &Program {
        &self.inner.value
    }
}

fn not_elementwise(op: &str, rule: &str) -> crate::Error {
    let (parameter, value) = ("formula".into(), "no elementwise one".into());
    Fault::Parameter { op: op.into(), parameter, value, rule: rule.into() }.into()
}

/// A program of single numbers as primitive instructions.
fn recorded(program: &Program) -> Result<Recording> {
    let [out] = program.outputs() else {
        return Err(not_elementwise("the value", "it returns one number"));
    };
    let mut instrs: Vec<Instr> = vec![];
    let mut at: Vec<Operand> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let operand = match &node.kind {
            Kind::Input(k) => Operand::Arg(*k),
            Kind::Constant(c) if c.data().len() == 1 => Operand::Const(c.item()),
            Kind::Constant(_) => return Err(not_elementwise("the value", "its constants are single numbers")),
            Kind::Apply { op, args } => {
                let args: Vec<Operand> = args.iter().map(|&a| at[a]).collect();
                let own = application(op.as_ref(), args.len()).map_err(|e| match node.place {
                    crate::Place::Unknown => e,
                    _ => crate::Error { place: node.place.clone(), ..e },
                })?;
                spliced(&own, &args, &mut instrs)
            }
        };
        at.push(operand);
    }
    Ok(Recording { instrs, result: at[*out] })
}

/// An operator on single numbers as primitive instructions.
fn application(op: &dyn Op, arguments: usize) -> Result<Recording> {
    match op.execution() {
        Execution::Pointwise(p) => Ok(p.record()),
        Execution::Alias => Ok(Recording { instrs: vec![], result: Operand::Arg(0) }),
        Execution::Expanded => {
            let builder = Builder::new();
            let args: Vec<Var<'_>> =
                (0..arguments).map(|k| builder.input(&format!("x{k}"), &[], Role::Argument)).collect();
            match op.expand(&args) {
                Some(out) => recorded(&builder.finish(&[out])?),
                None => Err(not_elementwise(op.name(), "it has no formula")),
            }
        }
        Execution::Array(_) => {
            let rule = "an operator of one's own works element by element, and is made of operators that do";
            Err(not_elementwise(op.name(), rule))
        }
    }
}

/// Appends instructions with these operands for their arguments; returns where the result is.
fn spliced(recording: &Recording, args: &[Operand], instrs: &mut Vec<Instr>) -> Operand {
    let start = instrs.len();
    let place = |o: Operand| match o {
        Operand::Arg(k) => args[k],
        Operand::Temp(k) => Operand::Temp(start + k),
        constant => constant,
    };
    instrs.extend(recording.instrs.iter().map(|i| Instr { prim: i.prim, operands: i.operands.map(place) }));
    place(recording.result)
}

impl Op for Custom {
    fn name(&self) -> &'static str {
        self.inner.name
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("version", Param::Int(self.inner.version))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        elementwise_shape(self.inner.name, self.arguments(), args)
    }

    fn class(&self, args: &[Class]) -> Class {
        let mut classes: Vec<Class> = vec![];
        for node in self.inner.value.nodes() {
            classes.push(match &node.kind {
                Kind::Input(k) => args[*k],
                Kind::Constant(_) => Class::CONSTANT,
                Kind::Apply { op, args } => op.class(&args.iter().map(|&a| classes[a]).collect::<Vec<_>>()),
            });
        }
        self.inner.value.outputs().first().map_or(Class::CONSTANT, |&out| classes[out])
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let tangent = weighted(at, self.inner.singular, || self.inner.slopes.at(at.args, at.out));
        Ok(tangent.map(|t| t.broadcast_to(&at.out.shape())))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let pad = |k: usize| if at.mapped[k] { at.args[k].pad_rank_after(at.rank - at.ranks[k]) } else { at.args[k] };
        let args: Vec<Var<'p>> = (0..at.args.len()).map(pad).collect();
        Ok(args[0].apply_with(self.clone(), &args[1..]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Pointwise(self)
    }

    fn singular(&self) -> bool {
        self.inner.singular
    }

    /// Only the maker of the operator could know.
    fn has_least_norm(&self) -> bool {
        false
    }

    fn choice(&self, _tie: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        let own = CONVENTIONS.iter().position(|c| *c == convention).map_or(0.0, |k| self.inner.choices[k]);
        inner.unwrap_or(Choice::plain(own))
    }
}

impl Recordable for Custom {
    fn record(&self) -> Recording {
        self.inner.recording.clone()
    }

    fn eval(&self, args: &[f64]) -> f64 {
        let mut temps: Vec<f64> = Vec::with_capacity(self.inner.recording.instrs.len());
        let get = |o: Operand, temps: &[f64]| match o {
            Operand::Arg(k) => args[k],
            Operand::Const(c) => c,
            Operand::Temp(k) => temps[k],
        };
        for instr in &self.inner.recording.instrs {
            let value = instr.prim.eval(instr.operands.map(|o| get(o, &temps)));
            temps.push(value);
        }
        get(self.inner.recording.result, &temps)
    }
}
