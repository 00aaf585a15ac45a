//! `scan`: a program applied again and again, its result carried from step to step.

mod cotangent;

use crate::error::{Fault, Result};
use crate::program::call::{Call, Value};
use crate::program::class::{Class, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Operand, Param,
    Sample, TakesSparse, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Builder, Program, Role, Var};
use crate::tensor::size;
use std::sync::Arc;

/// `scan(body, init, x, …)`: the states c_{t+1} = body(c_t, x_t, …, k, …) for t = 0, …, n − 1 from c_0 = init, stacked:
/// row t is the state after step t.
///
/// Arguments: init, then arrays with a leading axis of length n of which step t sees row t, then arrays that every step
/// sees whole. The body takes them in this order (rows for the former) and returns the next state, of init's shape.
///
/// At ties: each step has its own. Cost: n bodies; the states are stored, 8·n·|c| bytes in f64.
/// Derivatives: forward mode is a scan of the linearized body, reverse mode a scan in the other direction of its
/// transpose.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The step.
    pub body: Arc<Program>,
    /// How many steps.
    pub length: usize,
    /// How many of the arguments after init are seen row by row.
    pub rows: usize,
    /// From the last step to the first: row t of the result is then the state after the step that saw row t.
    pub reverse: bool,
    /// Only the state after all steps.
    pub last: bool,
    /// The arguments in which the body is linear; empty if it is not known to be linear in any.
    pub linear: Vec<bool>,
}

impl Scan {
    /// The line of `scan` in the table of operators.
    pub const SCAN: Entry = Entry {
        name: "scan",
        signature: "scan(body, init, x, …, length=None, consts=())",
        formula: "the states c ← body(c, x_t, …) for t = 0, 1, …, from c = init, stacked",
        class: "of its body if that is linear, else semialgebraic or wilder",
        ties: "those of its body, for each step its own",
        source: "jax.lax.scan",
        notation: Notation::Call,
        call: |call| states(call),
        samples: &[
            Sample::new("scan(lambda c, x: abs(c - x) * 0.5, a, x)", &[("a", &[]), ("x", &[4])]),
            Sample::new("scan(lambda c, x: c * w + x, a, x)", &[("a", &[2]), ("x", &[3, 2]), ("w", &[2])]),
            Sample::new("scan(lambda c: relu(c * w) + a, a, length=3)", &[("a", &[2]), ("w", &[])]),
        ],
    };

    /// The line of `fold` in the table of operators.
    pub const FOLD: Entry = Entry {
        name: "fold",
        signature: "fold(body, init, x, …, length=None, consts=())",
        formula: "the last state of scan",
        class: "as scan",
        ties: "those of its body, for each step its own",
        source: "functools.reduce",
        notation: Notation::Call,
        call: |call| states(call).map(last_row),
        samples: &[Sample::new("fold(lambda c, x: maximum(c, x) - 0.1 * x, a, x)", &[("a", &[]), ("x", &[4])])],
    };

    /// Whether a step sees only its row of this argument.
    fn is_row(&self, argument: usize) -> bool {
        (1..=self.rows).contains(&argument)
    }

    fn carry(&self) -> &[usize] {
        &self.body.inputs()[0].shape
    }

    fn fault(&self, args: &[&[usize]], rule: String) -> Fault {
        Fault::Shapes { op: "scan".into(), shapes: args.iter().map(|s| s.to_vec()).collect(), rule }
    }

    /// The states before each step, given those after: init first, the last dropped (in the direction of the scan).
    fn before<'p>(&self, init: Var<'p>, after: Var<'p>) -> Var<'p> {
        let first = init.reshape(&leading(1, self.carry()));
        if self.length == 1 {
            return first;
        }
        if self.reverse {
            after.slice(0, 1..).concatenate(&[first], 0)
        } else {
            first.concatenate(&[after.slice(0, ..self.length - 1)], 0)
        }
    }

    /// The scan of another body.
    fn with_body(&self, body: Program, rows: usize, linear: Vec<bool>) -> Scan {
        Scan { body: Arc::new(body), rows, linear, ..self.clone() }
    }
}

fn leading(n: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(n).chain(shape.iter().copied()).collect()
}

/// A call of `scan`, read.
struct Steps<'p> {
    init: Var<'p>,
    rows: Vec<Var<'p>>,
    consts: Vec<Var<'p>>,
    length: usize,
}

/// Reads the call: all states (or what `last` says: the printed form of an operator of a derivative).
fn states<'p>(call: &Call<'_, 'p>) -> Result<Var<'p>> {
    let keywords = ["body", "length", "consts", "rows", "reverse", "last", "linear"];
    call.expect(1, usize::MAX, &keywords)?;
    let named = call.keywords.iter().find(|(name, _)| name == "body").map(|(_, v)| v.clone());
    let (function, arrays) = match named {
        Some(Value::Function(f)) => (f, call.args),
        Some(_) => return Err(call.fault("`body` must be a function")),
        None => (call.function(0)?, &call.args[1..]),
    };
    let mut steps = read_steps(call, arrays)?;
    let mut shapes = vec![steps.init.shape()];
    shapes.extend(steps.rows.iter().map(|x| x.shape()[1..].to_vec()));
    shapes.extend(steps.consts.iter().map(Var::shape));
    if shapes.len() != function.params.len() {
        let problem = format!("the body takes {} arguments, but a step has {}", function.params.len(), shapes.len());
        return Err(call.fault(problem));
    }
    let (body, captured) = (function.make)(&shapes)?;
    steps.consts.extend(captured);
    let flag = |name: &str| matches!(call.optional(name, usize::MAX), Some(Value::Flag(true)));
    let linear = call.ints("linear", usize::MAX)?.unwrap_or_default().iter().map(|x| *x != 0).collect();
    let (reverse, last) = (flag("reverse"), flag("last"));
    let op = Scan { body: Arc::new(body), length: steps.length, rows: steps.rows.len(), reverse, last, linear };
    let args: Vec<Var<'p>> = std::iter::once(steps.init).chain(steps.rows).chain(steps.consts).collect();
    Ok(call.apply(op, &args))
}

/// The arrays of a call: the state at the start, those gone through, those seen whole, and how many steps there are.
fn read_steps<'p>(call: &Call<'_, 'p>, arrays: &[Value<'p>]) -> Result<Steps<'p>> {
    let vars = arrays.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
    let Some((init, rest)) = vars.split_first() else { return Err(call.fault("the state at the start is missing")) };
    let count = match call.ints("rows", usize::MAX)? {
        Some(n) => usize::try_from(n[0]).ok().filter(|n| *n <= rest.len()),
        None => Some(rest.len()),
    };
    let count = count.ok_or_else(|| call.fault("`rows` is more than there are arrays"))?;
    let (rows, whole) = rest.split_at(count);
    let mut consts = whole.to_vec();
    match call.optional("consts", usize::MAX) {
        Some(Value::Tuple(many) | Value::List(many)) => {
            consts.extend(many.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?);
        }
        Some(one) => consts.push(call.as_var(one)?),
        None => {}
    }
    if rows.iter().any(|x| x.rank() == 0) {
        return Err(call.fault("an array to go through needs a leading axis; a scalar has none"));
    }
    let given = call.ints("length", usize::MAX)?.map(|n| n.first().copied().unwrap_or(-1));
    let length = match (rows.first(), given) {
        (_, Some(n)) => {
            usize::try_from(n).map_err(|_| call.fault(format!("`length` is {n}, but cannot be negative")))?
        }
        (Some(x), None) => x.shape()[0],
        (None, None) => return Err(call.fault("either an array to go through or `length` is needed")),
    };
    Ok(Steps { init: *init, rows: rows.to_vec(), consts, length })
}

impl Op for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = vec![
            ("body", Param::Program(self.body.clone())),
            ("length", Param::Int(self.length as i64)),
            ("rows", Param::Int(self.rows as i64)),
        ];
        if self.reverse {
            params.push(("reverse", Param::Flag(true)));
        }
        if self.last {
            params.push(("last", Param::Flag(true)));
        }
        if !self.linear.is_empty() {
            params.push(("linear", Param::Ints(self.linear.iter().map(|b| *b as i64).collect())));
        }
        params
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if args.len() != self.body.inputs().len() {
            return Err(self.fault(args, format!("its body takes {} arguments", self.body.inputs().len())));
        }
        for (k, (input, arg)) in std::iter::zip(self.body.inputs(), args).enumerate() {
            let want = if self.is_row(k) { leading(self.length, &input.shape) } else { input.shape.clone() };
            if want != *arg {
                return Err(self.fault(args, format!("argument {} must have shape {want:?}", k + 1)));
            }
        }
        match self.body.output_shapes().as_slice() {
            [one] if *one == self.carry() => {}
            other => {
                let rule = format!("the body must return the next state, of shape {:?}, not {other:?}", self.carry());
                return Err(self.fault(args, rule));
            }
        }
        if self.length == 0 {
            return Err(self.fault(args, "at least one step is needed".into()));
        }
        Ok(if self.last { self.carry().to_vec() } else { leading(self.length, self.carry()) })
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

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        if self.last {
            // The last state is a row of all states: so is its tangent.
            let all = Scan { last: false, ..self.clone() };
            let out = at.args[0].apply_with(all.clone(), &at.args[1..]);
            let inner = Linearization { out, ..*at };
            return Ok(all.linearize(&inner)?.map(|dots| if self.reverse { dots.get(0) } else { last_row(dots) }));
        }
        let active: Vec<bool> = at.tangents.iter().enumerate().map(|(k, t)| k == 0 || t.is_some()).collect();
        let fixed: Vec<&str> =
            self.body.inputs().iter().zip(&active).filter(|(_, a)| !**a).map(|(i, _)| i.name.as_str()).collect();
        let linear = at.calculus.linearize(&all_arguments(&self.body).holding(&fixed)?)?;
        Ok(Some(tangent_scan(self, at, &linear, &active)))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        cotangent::transposed(self, at)
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let mut mapped = at.mapped.to_vec();
        mapped[0] = true;
        let mut args = at.args.to_vec();
        args[0] = args[0].broadcast_to(&leading(at.size, self.carry()));
        for (k, arg) in args.iter_mut().enumerate() {
            if mapped[k] && self.is_row(k) {
                *arg = swap_leading(*arg);
            }
        }
        let body = at.calculus.batch(&self.body, &mapped, at.size)?;
        let op = Scan { body: Arc::new(body), ..self.clone() };
        let out = args[0].apply_with(op, &args[1..]);
        Ok(if self.last { out } else { swap_leading(out) })
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn unroll<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let builder = args[0].builder();
        let mut carry = args[0];
        let mut states = vec![];
        let order: Vec<usize> =
            if self.reverse { (0..self.length).rev().collect() } else { (0..self.length).collect() };
        for t in order {
            let mut step = vec![carry];
            step.extend(args[1..=self.rows].iter().map(|x| x.get(t)));
            step.extend(&args[1 + self.rows..]);
            carry = builder.inline(&self.body, &step)[0];
            states.push(carry);
        }
        if self.reverse {
            states.reverse();
        }
        Some(if self.last { carry } else { states[0].stack(&states[1..], 0) })
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
        if let Some(name) = sparse[..=self.rows].iter().find_map(|name| *name) {
            let rule = "only what every step sees whole may be sparse".into();
            return Err(Fault::Sparse { op: "scan".into(), input: name.into(), rule }.into());
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
        Ok(Operand::Array(arrays[0].apply_with(self.with_body(body, self.rows, linear), &arrays[1..])))
    }
}

/// The body with every input a variable.
fn all_arguments(body: &Program) -> Program {
    let names: Vec<&str> = body.inputs().iter().filter(|i| !i.role.is_selection()).map(|i| i.name.as_str()).collect();
    body.varying(&names).expect("the body's own names")
}

/// The last row.
fn last_row(x: Var<'_>) -> Var<'_> {
    let n = x.shape().first().copied().unwrap_or(0);
    if n == 0 { x } else { x.get(n - 1) }
}

/// `[a, b, …]` as `[b, a, …]`.
fn swap_leading(x: Var<'_>) -> Var<'_> {
    let axes: Vec<usize> = (0..x.rank()).map(|k| if k < 2 { 1 - k } else { k }).collect();
    x.transpose(&axes)
}

/// The scan of the tangents: its state is ċ; of each step it sees the state before, the rows, their tangents; of all
/// steps the constants, their tangents, and the selections.
fn tangent_scan<'p>(scan: &Scan, at: &Linearization<'_, 'p>, linear: &Program, active: &[bool]) -> Var<'p> {
    let count = scan.body.inputs().len();
    let is_row = |k: usize| scan.is_row(k);
    let tangents: Vec<usize> = (0..count).filter(|&k| active[k]).collect();
    let selections = linear.inputs().len() - count - tangents.len();
    // Inputs of the linearized body: its own, then the tangents of the active ones, then selections. Each gets its
    // place in the new body: the tangent of the state first, then rows, then constants.
    let rows: Vec<usize> = (0..count + tangents.len())
        .filter(|&i| if i < count { i == 0 || is_row(i) } else { is_row(tangents[i - count]) })
        .collect();
    let consts: Vec<usize> = (1..linear.inputs().len()).filter(|i| *i != count && !rows.contains(i)).collect();
    let order: Vec<usize> = std::iter::once(count).chain(rows.iter().copied()).chain(consts).collect();
    let body = reordered(linear, &order, 1);
    let builder = at.args[0].builder();
    let before = scan.before(at.args[0], at.out);
    let filled = |k: usize| at.tangents[k].unwrap_or_else(|| builder.constant(0.0).broadcast_to(&at.args[k].shape()));
    let sites: Vec<Var<'p>> = (0..selections)
        .map(|j| match &linear.inputs()[count + tangents.len() + j].role {
            Role::Selection(Some(site)) => builder.inner_selection(site),
            _ => builder.constant(0.0),
        })
        .collect();
    let argument = |i: usize| {
        if i == 0 {
            before
        } else if i < count {
            at.args[i]
        } else if i < count + tangents.len() {
            filled(tangents[i - count])
        } else {
            sites[i - count - tangents.len()]
        }
    };
    let args: Vec<Var<'p>> = order.iter().map(|&i| argument(i)).collect();
    let is_linear = order.iter().map(|&i| (count..count + tangents.len()).contains(&i)).collect();
    args[0].apply_with(scan.with_body(body, rows.len(), is_linear), &args[1..])
}

/// The program with its inputs in another order, all of them variables, and one of its outputs.
fn reordered(program: &Program, order: &[usize], output: usize) -> Program {
    let builder = Builder::new();
    let mut args: Vec<Option<Var<'_>>> = vec![None; program.inputs().len()];
    for &i in order {
        let input = &program.inputs()[i];
        args[i] = Some(builder.input(&input.name, &input.shape, Role::Argument));
    }
    let args: Vec<Var<'_>> = args.into_iter().map(|a| a.expect("every input has a place")).collect();
    let outputs = builder.inline(program, &args);
    builder.finish(&[outputs[output]]).expect("a copy of a checked program").prune()
}

/// So many arguments of a body are held on the stack while a kernel runs; more are held on the heap.
const HELD: usize = 64;

impl ArrayKernel for Scan {
    fn operations(&self, _: &[&[usize]], _: &[usize], inside: &dyn Fn(&Program) -> u64) -> u64 {
        self.length as u64 * inside(&self.body)
    }

    fn kernel<T: Scalar>(&self, _: &[&[usize]], _: &[usize], compiler: &dyn Compiler<T>) -> Kernel<T> {
        let body = compiler.compile(&self.body);
        let (n, c, rows, reverse, last) = (self.length, size(self.carry()), self.rows, self.reverse, self.last);
        let row_sizes: Vec<usize> = self.body.inputs()[1..=rows].iter().map(|i| size(&i.shape)).collect();
        let scratch = body.scratch + 2 * c;
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let (states, scratch) = scratch.split_at_mut(2 * c);
            let (mut now, mut next) = states.split_at_mut(c);
            now.copy_from_slice(args[0]);
            for k in 0..n {
                let t = if reverse { n - 1 - k } else { k };
                let (mut stack, mut heap): ([&[T]; HELD], Vec<&[T]>) = ([&[]; HELD], vec![]);
                let step: &mut [&[T]] = if args.len() <= HELD {
                    &mut stack[..args.len()]
                } else {
                    heap.resize(args.len(), &[]);
                    &mut heap
                };
                for (i, slot) in step.iter_mut().enumerate() {
                    *slot = match i {
                        0 => now,
                        _ if i <= rows => &args[i][t * row_sizes[i - 1]..][..row_sizes[i - 1]],
                        _ => args[i],
                    };
                }
                (body.run)(step, next, scratch);
                if !last {
                    out[t * c..][..c].copy_from_slice(next);
                }
                std::mem::swap(&mut now, &mut next);
            }
            if last {
                out.copy_from_slice(now);
            }
        };
        Kernel { scratch, run: Box::new(run) }
    }
}

impl<'p> Var<'p> {
    /// The states after each step of `c ← body(c, rows, consts)` from this one, stacked: step t sees row t of each of
    /// `rows`, and all of `consts`. See [`Scan`].
    ///
    /// The body cannot use variables from outside: what it needs goes through `consts`.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[4]], |v| v[0].constant(0.0).scan(&[v[0]], &[], |c, x, _| c.maximum(x[0])))?;
    /// assert_eq!(f.eval(&[[1.0, 3.0, 2.0, 5.0].into()])?[0].data(), [1.0, 3.0, 3.0, 5.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn scan<F>(self, rows: &[Var<'p>], consts: &[Var<'p>], body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Var<'q>,
    {
        let length = rows.first().and_then(|x| x.shape().first().copied());
        self.steps(length, rows, consts, body)
    }

    /// The states after each of `length` steps of `c ← body(c, consts)` from this one, stacked.
    #[track_caller]
    pub fn iterate<F>(self, length: usize, consts: &[Var<'p>], body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>]) -> Var<'q>,
    {
        self.steps(Some(length), &[], consts, |c, _, k| body(c, k))
    }

    #[track_caller]
    fn steps<F>(self, length: Option<usize>, rows: &[Var<'p>], consts: &[Var<'p>], body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Var<'q>,
    {
        let all: Vec<Var<'p>> =
            std::iter::once(self).chain(rows.iter().copied()).chain(consts.iter().copied()).collect();
        if all.iter().any(Var::is_poisoned) {
            return self;
        }
        let (Some(length), true) = (length, rows.iter().all(|x| x.rank() > 0)) else {
            let shapes = rows.iter().map(Var::shape).collect();
            let rule = "the arrays to go through need a leading axis".into();
            return self.fail(Fault::Shapes { op: "scan".into(), shapes, rule });
        };
        let shape =
            |k: usize| if (1..=rows.len()).contains(&k) { all[k].shape()[1..].to_vec() } else { all[k].shape() };
        let builder = Builder::new();
        let inputs: Vec<Var<'_>> =
            (0..all.len()).map(|k| builder.input(&format!("x{k}"), &shape(k), Role::Argument)).collect();
        let (carry, rest) = inputs.split_first().expect("the state is an input");
        let out = body(*carry, &rest[..rows.len()], &rest[rows.len()..]);
        match builder.finish(&[out]) {
            Ok(body) => {
                let op = Scan {
                    body: Arc::new(body),
                    length,
                    rows: rows.len(),
                    reverse: false,
                    last: false,
                    linear: vec![],
                };
                self.apply_with(op, &all[1..])
            }
            Err(error) => self.builder().failed(error),
        }
    }
}
