//! Programs on boxes: bounds of the outputs, rounded outwards.
//!
//! Node by node, each operator in the first of these ways that it has:
//!
//! 1. its own bounds ([`Op::enclose`]);
//! 2. if it is monotone, its kernel at the lower and at the upper ends;
//! 3. if it is elementwise, its recorded formula on intervals ([`elementwise`]);
//! 4. its expansion;
//! 5. its kernel on intervals, unless that has to compare numbers of which it is not certain how they compare.
//!
//! What has none of these gets the whole line. Products of matrices go through those of numbers, see
//! [`Interval`](crate::program::interval::Interval). Numbers that an operator computes from its parameters alone (the
//! position of a quantile) are taken as computed.

mod elementwise;
#[cfg(test)]
mod tests;

use super::interpreter::{apply, written_out};
use crate::error::{Fault, Result};
use crate::program::interval::{Interval, decided};
use crate::program::op::{Compiler, Execution, Kernel, Kernels, Op};
use crate::program::{Kind, Program};
use crate::tensor::{Boxes, Tensor, size};
use std::borrow::Cow;
use std::sync::Arc;

/// What is rounded outwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // the analyses of derivatives at a point use both
pub(crate) enum Arithmetic {
    /// Everything: bounds of the outputs in exact arithmetic.
    Rigorous,
    /// What depends on an input that is no point. What does not is taken as computed: bounds of what the program, as the
    /// f64 program it is, takes for arrays from the boxes, in which only what follows them is exact.
    Derivative,
}

/// Bounds of the outputs, for all inputs (selections included) from these boxes.
///
/// Errors: the number of inputs or a shape. Cost: a small multiple of the slow twin's.
#[allow(dead_code)] // the analyses of derivatives at a point use it
pub(crate) fn enclose(program: &Program, inputs: &[Boxes], arithmetic: Arithmetic) -> Result<Vec<Boxes>> {
    check(program, inputs)?;
    let computed = |x: &Boxes| arithmetic == Arithmetic::Derivative && x.is_point();
    let given = |x: &Boxes| if computed(x) { Value::Computed(x.lo().clone()) } else { Value::Range(x.clone()) };
    let values = run(program, inputs.iter().map(given).collect(), arithmetic);
    Ok(values.into_iter().map(Value::into_boxes).collect())
}

fn check(program: &Program, inputs: &[Boxes]) -> Result<()> {
    if program.inputs().len() != inputs.len() {
        let names = program.inputs().iter().map(|i| i.name.clone()).collect();
        return Err(Fault::InputCount { expected: program.inputs().len(), given: inputs.len(), names }.into());
    }
    for (input, given) in std::iter::zip(program.inputs(), inputs) {
        if input.shape != given.shape() {
            let (expected, given) = (input.shape.clone(), given.shape().to_vec());
            return Err(Fault::InputShape { input: input.name.clone(), expected, given }.into());
        }
    }
    Ok(())
}

/// The value of a node.
#[derive(Debug, Clone)]
enum Value {
    /// Taken as computed.
    Computed(Tensor),
    /// Somewhere in a box.
    Range(Boxes),
}

impl Value {
    fn boxes(&self) -> Cow<'_, Boxes> {
        match self {
            Value::Computed(x) => Cow::Owned(Boxes::point(x.clone())),
            Value::Range(b) => Cow::Borrowed(b),
        }
    }

    fn into_boxes(self) -> Boxes {
        match self {
            Value::Computed(x) => Boxes::point(x),
            Value::Range(b) => b,
        }
    }
}

/// The outputs' values.
fn run(program: &Program, inputs: Vec<Value>, arithmetic: Arithmetic) -> Vec<Value> {
    let last = last_uses(program);
    let mut inputs: Vec<Option<Value>> = inputs.into_iter().map(Some).collect();
    let mut values: Vec<Option<Value>> = Vec::with_capacity(program.nodes().len());
    for (id, node) in program.nodes().iter().enumerate() {
        let value = match &node.kind {
            Kind::Input(k) => inputs[*k].take().expect("a program has one node for each input"),
            Kind::Constant(c) if arithmetic == Arithmetic::Derivative => Value::Computed(c.as_ref().clone()),
            Kind::Constant(c) => Value::Range(Boxes::point(c.as_ref().clone())),
            Kind::Apply { op, args } => {
                let arrays: Vec<&Value> = args.iter().map(|&a| values[a].as_ref().expect("kept until here")).collect();
                let value = application(op, &arrays, &node.shape, arithmetic);
                // Boxes are large: they are dropped with their last user.
                for &a in args.iter().filter(|&&a| last[a] == id) {
                    values[a] = None;
                }
                value
            }
        };
        values.push(Some(value));
    }
    program.outputs().iter().map(|&k| values[k].clone().expect("outputs are kept")).collect()
}

/// The last user of each node; outputs have none.
fn last_uses(program: &Program) -> Vec<usize> {
    let mut last = vec![0; program.nodes().len()];
    for (id, node) in program.nodes().iter().enumerate() {
        if let Kind::Apply { args, .. } = &node.kind {
            args.iter().for_each(|&a| last[a] = id);
        }
    }
    program.outputs().iter().for_each(|&k| last[k] = usize::MAX);
    last
}

fn application(op: &Arc<dyn Op>, args: &[&Value], shape: &[usize], arithmetic: Arithmetic) -> Value {
    let numbers: Option<Vec<&Tensor>> =
        args.iter().map(|a| if let Value::Computed(x) = a { Some(x) } else { None }).collect();
    if let (Arithmetic::Derivative, Some(numbers)) = (arithmetic, numbers) {
        return Value::Computed(apply(op, &numbers, shape));
    }
    if arithmetic == Arithmetic::Derivative
        && let Some(value) = off_tie(op, args, shape)
    {
        return Value::Computed(value);
    }
    let boxes: Vec<Cow<'_, Boxes>> = args.iter().map(|a| a.boxes()).collect();
    let boxes: Vec<&Boxes> = boxes.iter().map(AsRef::as_ref).collect();
    if let Some(own) = op.enclose(&boxes, shape) {
        return Value::Range(own);
    }
    Value::Range(match op.execution() {
        Execution::Array(kernels) if op.monotone() => monotone(kernels, &boxes, shape),
        Execution::Array(kernels) => by_kernel(kernels, &boxes, shape),
        Execution::Pointwise(formula) => elementwise::run(&formula.record(), &boxes, shape),
        Execution::Alias => boxes[0].reshaped(shape),
        Execution::Expanded => {
            let shapes: Vec<&[usize]> = boxes.iter().map(|b| b.shape()).collect();
            let program = written_out(op, &shapes);
            let inputs = args.iter().map(|a| (*a).clone()).collect();
            run(&program, inputs, arithmetic).remove(0).into_boxes()
        }
    })
}

/// The value of a tie whose argument is known, and off the tie: it does not depend on the selection.
fn off_tie(op: &Arc<dyn Op>, args: &[&Value], shape: &[usize]) -> Option<Tensor> {
    let ([Value::Computed(u), Value::Range(s)], Some(tie)) = (args, op.tie()) else { return None };
    if !tie.met(u, 0.0).is_empty() {
        return None;
    }
    let value = |s: &Tensor| apply(op, &[u, s], shape);
    let (low, high) = (value(s.lo()), value(s.hi()));
    let same = std::iter::zip(low.data(), high.data()).all(|(a, b)| a.to_bits() == b.to_bits());
    same.then_some(low)
}

/// The bounds of an operator that grows with every entry of its arguments.
fn monotone(kernels: &dyn Kernels, args: &[&Boxes], shape: &[usize]) -> Boxes {
    // What is undefined has no place in an order.
    if args.iter().any(|a| a.has_whole()) {
        return Boxes::whole(shape);
    }
    let side = |end: fn(&Boxes) -> &Tensor| {
        let ends: Vec<Boxes> = args.iter().map(|a| Boxes::point(end(a).clone())).collect();
        by_kernel(kernels, &ends.iter().collect::<Vec<_>>(), shape)
    };
    let (low, high) = (side(Boxes::lo), side(Boxes::hi));
    if low.has_whole() || high.has_whole() {
        return Boxes::whole(shape);
    }
    Boxes::from_fn(shape, |i| (low.lo().data()[i], high.hi().data()[i]))
}

/// The kernel on intervals; the whole line if it was not certain of a comparison.
fn by_kernel(kernels: &dyn Kernels, args: &[&Boxes], shape: &[usize]) -> Boxes {
    let shapes: Vec<&[usize]> = args.iter().map(|a| a.shape()).collect();
    let kernel = kernels.kernel_interval(&shapes, shape, &Enclosing);
    let arrays: Vec<Vec<Interval>> = args.iter().map(|a| a.intervals()).collect();
    let arrays: Vec<&[Interval]> = arrays.iter().map(Vec::as_slice).collect();
    let mut out = vec![Interval::default(); size(shape)];
    let mut scratch = vec![Interval::default(); kernel.scratch];
    match decided(|| (kernel.run)(&arrays, &mut out, &mut scratch)) {
        Some(()) => Boxes::of_intervals(shape, &out),
        None => Boxes::whole(shape),
    }
}

/// Compiles the programs inside operators to more of this.
struct Enclosing;

impl Compiler<Interval> for Enclosing {
    fn compile(&self, program: &Program) -> Kernel<Interval> {
        let program = program.clone();
        Kernel::new(move |args, out, _| {
            let given =
                std::iter::zip(program.inputs(), args).map(|(i, a)| Value::Range(Boxes::of_intervals(&i.shape, a)));
            let mut rest = out;
            for value in run(&program, given.collect(), Arithmetic::Rigorous) {
                let value = value.into_boxes().intervals();
                let (own, after) = rest.split_at_mut(value.len());
                own.copy_from_slice(&value);
                rest = after;
            }
        })
    }
}
