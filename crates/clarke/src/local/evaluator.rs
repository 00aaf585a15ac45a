//! Value and gradient of a scalar program in a flat vector of its variables, compiled once, with errors that explain.

use super::{Derivative, DerivativeWorkspace, Mode, Policy};
use crate::error::{Error, Fault, Result};
use crate::program::tie::Site;
use crate::program::{Builder, Input, Program, Var};
use crate::run::{Compiled, Workspace, unbound};
use crate::tensor::{Tensor, size};

/// Evaluates a scalar program and its gradient under a policy, at points given as one flat vector: the program's
/// variables, one after another, each in row-major order.
///
/// Where a value or gradient is not finite, or where a tie may hide a point that is not Lipschitz, the slow analysis
/// at the point ([`Program::at`]) is asked, and its error names operator, place and argument.
pub struct Evaluator {
    program: Program,
    /// Arrays for the inputs that are no variables, by input.
    data: Vec<Option<Tensor>>,
    derivative: Derivative<f64>,
    value_only: Compiled<f64>,
    workspace: DerivativeWorkspace<f64>,
    value_workspace: Workspace<f64>,
    shapes: Vec<Vec<usize>>,
}

impl Evaluator {
    /// For a program whose variables are its inputs of role `Argument`; `data` are the others' arrays, in order.
    ///
    /// Errors: the output is not one scalar, a shape of the data, data that are not finite, a sparse matrix that is not
    /// bound, an operator without derivative.
    pub fn new(program: &Program, data: &[Tensor], policy: Policy) -> Result<Evaluator> {
        if let Some(fault) = unbound(program) {
            return Err(fault.into());
        }
        program.expect_scalar("the gradient")?;
        let mut given = data.iter();
        let mut bound: Vec<Option<Tensor>> = vec![];
        for input in program.inputs() {
            bound.push(if input.role.is_argument() {
                None
            } else {
                let array = given.next().ok_or_else(|| count_fault(program, data.len()))?;
                check_data(&input.name, &input.shape, array)?;
                Some(array.clone())
            });
        }
        if given.next().is_some() {
            return Err(count_fault(program, data.len()));
        }
        let fill = |site: &Site| policy.choice(site).map_or(0.0, |c| c.selection);
        let value_only = program.compile_with::<f64>(&fill);
        let derivative = Derivative::new(program, Mode::ValueAndGradient, policy)?;
        let (workspace, value_workspace) = (derivative.workspace(), value_only.workspace());
        let shapes =
            program.inputs().iter().filter(|i| i.role.is_argument()).map(|i| i.shape.clone()).collect::<Vec<_>>();
        let program = program.clone();
        Ok(Evaluator { program, data: bound, derivative, value_only, workspace, value_workspace, shapes })
    }

    /// The number of variables.
    pub fn dimension(&self) -> usize {
        self.shapes.iter().map(|s| size(s)).sum()
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The flat vector as one array for each variable.
    pub fn split(&self, x: &[f64]) -> Vec<Tensor> {
        let mut at = 0;
        self.shapes
            .iter()
            .map(|shape| {
                let n = size(shape);
                at += n;
                Tensor::from_fn(shape, |i| x[at - n + i])
            })
            .collect()
    }

    /// All inputs of the program at a point.
    pub fn inputs(&self, x: &[f64]) -> Vec<Tensor> {
        let mut variables = self.split(x).into_iter();
        let input = |d: &Option<Tensor>| match d {
            Some(array) => array.clone(),
            None => variables.next().expect("one array a variable"),
        };
        self.data.iter().map(input).collect()
    }

    /// The value at a point. Errors: it is not finite, with the operator at fault.
    pub fn value(&mut self, x: &[f64]) -> Result<f64> {
        let mut value = [0.0];
        let inputs = views(&self.data, &self.shapes, x);
        self.value_only.run(&mut self.value_workspace, &inputs, &mut [&mut value]);
        if value[0].is_finite() { Ok(value[0]) } else { Err(self.explain(x)) }
    }

    /// The value at a point, and the gradient under the policy, written to `gradient`.
    ///
    /// Errors: a value or gradient that is not finite, a point where the program is not Lipschitz, a `where` met where
    /// it is discontinuous; each with the operator at fault.
    pub fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let mut value = [0.0];
        let inputs = views(&self.data, &self.shapes, x);
        let mut outputs: Vec<&mut [f64]> = vec![&mut value];
        let mut rest = gradient;
        for shape in &self.shapes {
            let (head, tail) = rest.split_at_mut(size(shape));
            outputs.push(head);
            rest = tail;
        }
        self.derivative.run(&mut self.workspace, &inputs, &mut outputs)?;
        Ok(value[0])
    }

    fn explain(&self, x: &[f64]) -> Error {
        match self.derivative.at(&self.inputs(x)) {
            Err(error) => error,
            Ok(_) => {
                let advice = "the fast and the slow evaluation disagree on whether it is finite; scale the problem";
                let (op, value) = ("the program".into(), f64::NAN);
                Fault::NotFinite { op, value, argument: vec![], index: vec![], advice }.into()
            }
        }
    }
}

/// The program with zero for some inputs.
pub(super) fn without(program: &Program, inputs: &[usize]) -> Result<Program> {
    let builder = Builder::new();
    let arg = |(k, input): (usize, &Input)| match inputs.contains(&k) {
        true => builder.constant(Tensor::full(&input.shape, 0.0)),
        false => builder.input(&input.name, &input.shape, input.role.clone()),
    };
    let args: Vec<Var<'_>> = program.inputs().iter().enumerate().map(arg).collect();
    let outputs = builder.inline(program, &args);
    Ok(builder.finish(&outputs)?.prune())
}

/// The arrays of all inputs, without copying.
fn views<'a>(data: &'a [Option<Tensor>], shapes: &[Vec<usize>], x: &'a [f64]) -> Vec<&'a [f64]> {
    let (mut at, mut variable) = (0, 0);
    data.iter()
        .map(|d| match d {
            Some(array) => array.data(),
            None => {
                let n = size(&shapes[variable]);
                variable += 1;
                at += n;
                &x[at - n..at]
            }
        })
        .collect()
}

fn check_data(name: &str, shape: &[usize], array: &Tensor) -> Result<()> {
    if array.shape() != shape {
        let (expected, given) = (shape.to_vec(), array.shape().to_vec());
        return Err(Fault::InputShape { input: name.into(), expected, given }.into());
    }
    match array.first_not_finite() {
        Some((flat, value)) => {
            let index = crate::tensor::unravel(flat, shape);
            Err(Fault::InputNotFinite { input: name.into(), value, index }.into())
        }
        None => Ok(()),
    }
}

fn count_fault(program: &Program, given: usize) -> Error {
    let names: Vec<String> =
        program.inputs().iter().filter(|i| !i.role.is_argument()).map(|i| i.name.clone()).collect();
    Fault::InputCount { expected: names.len(), given, names }.into()
}
