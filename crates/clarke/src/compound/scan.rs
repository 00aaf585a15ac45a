//! `scan`: a program applied again and again, its result carried from step to step.

mod call;
mod cotangent;
mod feeds;
mod kernel;
mod parts;
mod segments;
mod steps;
mod tangent;

pub use steps::Steps;

use crate::error::{Fault, Result};
use crate::program::class::{Class, Level};
use crate::program::op::{
    Batching, Entry, Execution, Family, Linearity, Linearization, Notation, Op, Operand, Param, Sample, TakesSparse,
    Transposition,
};
use crate::program::{Program, Var};
use std::sync::Arc;

/// `scan(body, init, x, …)`: the states c_{t+1} = body(c_t, x_t, …, k, …) for t = 0, …, n − 1 from c_0 = init.
///
/// Arguments: init, then arrays with a leading axis of length n of which step t sees row t, then arrays that every step
/// sees whole. The body takes them in this order (rows for the former) and returns the next state, of init's shape; or that
/// and a result y_t of the step, of any shape, and then these are returned, stacked, and not the states.
///
/// At ties: each step has its own. Cost: n bodies. Derivatives: forward mode is a scan of the linearized body, which sees
/// the states; reverse mode is one scan in the other direction of its transpose, which carries the cotangents of state and
/// constants and returns those of the rows. So the body's derivative is evaluated once a step.
///
/// Memory of reverse mode: the states before all steps, 8·n·|c| bytes in f64 (of which a value that is the states holds all
/// but one), and nothing else of the body. With `checkpoint` = k only every k-th is stored, and those within k steps are
/// computed again where they are needed, with the same bits: 8·(n/k + k + 2)·|c| bytes. Each step is then evaluated twice,
/// and differentiated once: one value more. Cotangents of constants are summed segment by segment, so these may differ in
/// rounding; all others are the same bits. Where the value is the states they are read there, and `checkpoint` changes
/// nothing. Source of the segments: Chen, Xu, Zhang, Guestrin 2016; of schedules for fewer states: Griewank 1992; Griewank,
/// Walther 2000, by whom √(2n) states is the least with two evaluations of each step, where k = √n holds 2·√n.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The step.
    pub body: Arc<Program>,
    /// How many steps.
    pub length: usize,
    /// How many of the arguments after the states are seen row by row.
    pub rows: usize,
    /// From the last step to the first: row t of the result is then the state after the step that saw row t.
    pub reverse: bool,
    /// What of all this is returned.
    pub returns: Returns,
    /// How many steps lie between states that reverse mode stores. All are stored if there is no such number, which costs one
    /// evaluation less of each step.
    pub checkpoint: Option<usize>,
    /// The arguments in which the body is linear; empty if it is not known to be linear in any.
    pub linear: Vec<bool>,
}

/// What a [`Scan`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    /// The states after each step, stacked: `scan`.
    States,
    /// The state after all steps: `fold`.
    Last,
    /// What each step returns beside the next state, stacked: `scan` of a body that returns two arrays.
    Rows,
    /// As one vector, for a body that carries as many states as there are marks here, and may return more than the next
    /// ones: for each state the last, or where it is marked all that it went through, the first among them, in the order
    /// of the rows; then the further results of each step, stacked. What derivatives of scans are made of.
    Packed(Vec<bool>),
}

impl Scan {
    /// The line of `scan` in the table of operators.
    pub const SCAN: Entry = Entry {
        name: "scan",
        signature: "scan(body, init, x, …, length=None, consts=(), checkpoint=None)",
        formula: "the states c ← body(c, x_t, …) for t = 0, 1, …, from c = init, stacked; the y_t of c, y ← body(c, x_t, …)",
        class: "of its body if that is linear, else semialgebraic or wilder",
        ties: "those of its body, for each step its own",
        source: "jax.lax.scan; checkpoints: Griewank 1992, Chen et al. 2016",
        notation: Notation::Call,
        call: |call| call::states(call, Returns::States),
        samples: &[
            Sample::new("scan(lambda c, x: abs(c - x) * 0.5, a, x)", &[("a", &[]), ("x", &[4])]),
            Sample::new("scan(lambda c, x: c * w + x, a, x)", &[("a", &[2]), ("x", &[3, 2]), ("w", &[2])]),
            Sample::new("scan(lambda c: relu(c * w) + a, a, length=3)", &[("a", &[2]), ("w", &[])]),
            Sample::new(
                "scan(lambda c, x: (relu(c * w - x), c * x), a, x, checkpoint=2)",
                &[("a", &[]), ("x", &[5]), ("w", &[])],
            ),
        ],
    };

    /// The line of `fold` in the table of operators.
    pub const FOLD: Entry = Entry {
        name: "fold",
        signature: "fold(body, init, x, …, length=None, consts=(), checkpoint=None)",
        formula: "the last state of scan",
        class: "as scan",
        ties: "those of its body, for each step its own",
        source: "functools.reduce; checkpoints: Griewank 1992, Chen et al. 2016",
        notation: Notation::Call,
        call: |call| call::states(call, Returns::Last),
        samples: &[
            Sample::new("fold(lambda c, x: maximum(c, x) - 0.1 * x, a, x)", &[("a", &[]), ("x", &[4])]),
            Sample::new(
                "fold(lambda c, x: relu(c - x) + c * w, a, x, checkpoint=True)",
                &[("a", &[]), ("x", &[5]), ("w", &[])],
            ),
        ],
    };

    /// Whether a step sees only its row of this argument.
    fn is_row(&self, argument: usize) -> bool {
        (self.states()..self.states() + self.rows).contains(&argument)
    }

    /// How many states are carried.
    fn states(&self) -> usize {
        match &self.returns {
            Returns::States | Returns::Last | Returns::Rows => 1,
            Returns::Packed(kept) => kept.len(),
        }
    }

    /// The shape of a state.
    fn state(&self, which: usize) -> &[usize] {
        &self.body.inputs()[which].shape
    }

    fn fault(&self, args: &[&[usize]], rule: String) -> Fault {
        Fault::Shapes { op: self.name().into(), shapes: args.iter().map(|s| s.to_vec()).collect(), rule }
    }

    /// Checks what the body returns.
    fn check_body(&self, args: &[&[usize]]) -> Result<(), Fault> {
        let (outputs, states) = (self.body.output_shapes(), self.states());
        let enough = match self.returns {
            Returns::States | Returns::Last => outputs.len() == 1,
            Returns::Rows => outputs.len() == 2,
            Returns::Packed(_) => outputs.len() >= states,
        };
        if enough && (0..states).all(|k| outputs[k] == self.state(k)) {
            return Ok(());
        }
        let wanted: Vec<&[usize]> = (0..states).map(|k| self.state(k)).collect();
        Err(self.fault(args, match (&self.returns, wanted.as_slice()) {
            (Returns::Rows, [one]) => {
                format!("the body must return the next state, of shape {one:?}, and one array beside it, not {outputs:?}")
            }
            (_, [one]) => format!("the body must return the next state, of shape {one:?}, not {outputs:?}"),
            (_, many) => format!("the body must return the next states first, of shapes {many:?}, not {outputs:?}"),
        }))
    }
}

fn leading(n: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(n).chain(shape.iter().copied()).collect()
}

impl Op for Scan {
    fn name(&self) -> &'static str {
        if self.returns == Returns::Last { "fold" } else { "scan" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let marks = |marks: &[bool]| Param::Ints(marks.iter().map(|b| *b as i64).collect());
        let mut params = vec![
            ("body", Param::Program(self.body.clone())),
            ("length", Param::Int(self.length as i64)),
            ("rows", Param::Int(self.rows as i64)),
        ];
        if self.reverse {
            params.push(("reverse", Param::Flag(true)));
        }
        if let Returns::Packed(kept) = &self.returns {
            params.push(("packed", marks(kept)));
        }
        if let Some(steps) = self.checkpoint {
            params.push(("checkpoint", Param::Int(steps as i64)));
        }
        if !self.linear.is_empty() {
            params.push(("linear", marks(&self.linear)));
        }
        params
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let inputs = self.body.inputs();
        if args.len() != inputs.len() {
            return Err(self.fault(args, format!("its body takes {} arguments", inputs.len())));
        }
        let marks = self.linear.is_empty() || self.linear.len() == args.len();
        if !marks || !(1..=args.len()).contains(&self.states()) || self.states() + self.rows > args.len() {
            return Err(self.fault(args, "states, rows and marks must be as many as there are arguments".into()));
        }
        for (k, (input, arg)) in std::iter::zip(inputs, args).enumerate() {
            let want = if self.is_row(k) { leading(self.length, &input.shape) } else { input.shape.clone() };
            if want != *arg {
                return Err(self.fault(args, format!("argument {} must have shape {want:?}", k + 1)));
            }
        }
        self.check_body(args)?;
        if self.length == 0 {
            return Err(self.fault(args, "at least one step is needed".into()));
        }
        Ok(match self.returns {
            Returns::States => leading(self.length, self.state(0)),
            Returns::Last => self.state(0).to_vec(),
            Returns::Rows => leading(self.length, self.further()[0]),
            Returns::Packed(_) => vec![self.lengths().iter().sum()],
        })
    }

    // Iteration of a piecewise linear body is piecewise linear for each fixed length; levels are preserved by
    // composition, so the level of the body with inputs of the arguments' levels is a fixed point after two rounds.
    fn class(&self, args: &[Class]) -> Class {
        let body = self.body.class();
        let joined = Class::join(args).unbounded();
        if body.level == Level::Unknown { Class::UNKNOWN } else { joined.raise(body.level) }
    }

    fn linearity(&self) -> Linearity {
        if self.linear.is_empty() { Linearity::None } else { Linearity::In(self.linear.clone()) }
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        segments::written_out(self, args)
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        tangent::linearized(self, at).map(Some)
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        cotangent::transposed(self, at)
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let mut mapped = at.mapped.to_vec();
        let mut args = at.args.to_vec();
        for (k, arg) in args.iter_mut().enumerate() {
            if k < self.states() && !std::mem::replace(&mut mapped[k], true) {
                *arg = arg.broadcast_to(&leading(at.size, self.state(k)));
            } else if mapped[k] && self.is_row(k) {
                *arg = swap_leading(*arg);
            }
        }
        let body = at.calculus.batch(&self.body, &mapped, at.size)?;
        let op = Scan { body: Arc::new(body), ..self.clone() };
        let out = args[0].apply_with(op.clone(), &args[1..]);
        Ok(match self.returns {
            Returns::States | Returns::Rows => swap_leading(out),
            Returns::Last => out,
            Returns::Packed(_) => op.batch_first(out, at.size),
        })
    }

    // With checkpoints the value is a part of what its derivative is made of, so that both need it computed once.
    fn execution(&self) -> Execution<'_> {
        if self.is_cut() { Execution::Expanded } else { Execution::Array(self) }
    }

    // Each step's selection is the one of least norm there; together they need not be.
    fn has_least_norm(&self) -> bool {
        false
    }

    fn family(&self) -> Option<&dyn Family> {
        (!self.is_cut()).then_some(self)
    }

    fn unroll<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let (builder, states) = (args[0].builder(), self.states());
        let mut now = args[..states].to_vec();
        let (mut before, mut further) = (vec![], vec![]);
        for k in 0..self.length {
            let t = if self.reverse { self.length - 1 - k } else { k };
            before.push(now.clone());
            let mut step = now;
            step.extend(args[states..][..self.rows].iter().map(|x| x.get(t)));
            step.extend(&args[states + self.rows..]);
            now = builder.inline(&self.body, &step);
            further.push(now.split_off(states));
        }
        before.push(now);
        Some(self.assembled(before, further))
    }

    fn programs(&self) -> Vec<&Program> {
        vec![&self.body]
    }

    fn sparse(&self) -> Option<&dyn TakesSparse> {
        Some(self)
    }
}

/// A step may multiply by what is sparse.
impl TakesSparse for Scan {
    fn takes(&self, sparse: &[Option<&str>]) -> Result<()> {
        if let Some(name) = sparse[..self.states() + self.rows].iter().find_map(|name| *name) {
            let rule = "only what every step sees whole may be sparse".into();
            return Err(Fault::Sparse { op: self.name().into(), input: name.into(), rule }.into());
        }
        let inputs = std::iter::zip(self.body.inputs(), sparse).filter(|(_, name)| name.is_some());
        self.body.sparse(&inputs.map(|(input, _)| input.name.as_str()).collect::<Vec<_>>()).map(|_| ())
    }

    fn bound<'p>(&self, args: &[Operand<'p>]) -> Result<Operand<'p>> {
        let (mut body, mut linear, mut arrays) = (Program::clone(&self.body), vec![], vec![]);
        for (k, (input, arg)) in std::iter::zip(self.body.inputs(), args).enumerate() {
            match arg {
                Operand::Array(x) => {
                    arrays.push(*x);
                    linear.extend(self.linear.get(k));
                }
                Operand::Sparse { matrix, transposed: false } => body = body.bind(&input.name, matrix)?,
                Operand::Sparse { matrix, transposed: true } => body = body.bind(&input.name, &matrix.t())?,
            }
        }
        let op = Scan { body: Arc::new(body), linear, ..self.clone() };
        Ok(Operand::Array(arrays[0].apply_with(op, &arrays[1..])))
    }
}

/// `[a, b, …]` as `[b, a, …]`.
fn swap_leading(x: Var<'_>) -> Var<'_> {
    let axes: Vec<usize> = (0..x.rank()).map(|k| if k < 2 { 1 - k } else { k }).collect();
    x.transpose(&axes)
}
