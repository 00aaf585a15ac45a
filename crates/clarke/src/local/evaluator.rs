//! Value and gradient of a scalar program in a flat vector of its variables, compiled once, with errors that explain.

use super::{Composition, Derivative, DerivativeWorkspace, Mode, Policy};
use crate::error::{Error, Fault, Result};
use crate::program::Program;
use crate::program::tie::Site;
use crate::run::{Compiled, Workspace, unbound};
use crate::tensor::{Tensor, size};
use std::sync::OnceLock;

/// Evaluates a scalar program and its gradient under a policy, at points given as one flat vector: the program's
/// variables, one after another, each in row-major order.
///
/// Where a value or gradient is not finite, or where a tie may hide a point that is not Lipschitz, the slow analysis
/// at the point ([`Program::at`]) is asked, and its error names operator, place and argument.
pub struct Evaluator {
    engine: Engine,
    /// Arrays for the inputs that are no variables, by input.
    data: Vec<Option<Tensor>>,
    views: Views,
    policy: Policy,
    /// The program in parts, once somebody asked for them; None where there are none.
    parts: OnceLock<Option<Box<Composition>>>,
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
        let engine = Engine::new(program, policy.clone())?;
        Ok(Evaluator { engine, data: bound, views: Views::default(), policy, parts: OnceLock::new() })
    }

    /// The number of variables.
    pub fn dimension(&self) -> usize {
        self.engine.dimension()
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.engine.program
    }

    /// The flat vector as one array for each variable.
    pub fn split(&self, x: &[f64]) -> Vec<Tensor> {
        self.engine.split(x)
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

    /// The program as a composition h(c(x)) of what is behind its ties and what is before them; None if it cannot be taken
    /// apart, or has more than 2000 operators once loops are written out. It is made when it is first asked for, at about the
    /// cost of making the evaluator.
    pub fn parts(&self) -> Option<&Composition> {
        let make = || {
            let data = self.data.iter().flatten().cloned().collect();
            Composition::new(&self.engine.program, data, self.policy.clone()).ok().map(Box::new)
        };
        self.parts.get_or_init(make).as_deref()
    }

    /// The same, to be evaluated.
    pub fn parts_mut(&mut self) -> Option<&mut Composition> {
        self.parts();
        self.parts.get_mut().and_then(|parts| parts.as_deref_mut())
    }

    /// The value at a point. Errors: it is not finite, with the operator at fault.
    pub fn value(&mut self, x: &[f64]) -> Result<f64> {
        let inputs = self.views.of(|views| views.extend(inputs(&self.data, &self.engine.shapes, x)));
        let value = self.engine.value(&inputs);
        self.views.back(inputs);
        value
    }

    /// The value at a point, and the gradient under the policy, written to `gradient`.
    ///
    /// Errors: a value or gradient that is not finite, a point where the program is not Lipschitz, a `where` met where
    /// it is discontinuous; each with the operator at fault.
    pub fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let inputs = self.views.of(|views| views.extend(inputs(&self.data, &self.engine.shapes, x)));
        let value = self.engine.value_and_gradient(&inputs, gradient);
        self.views.back(inputs);
        value
    }
}

/// A list of slices whose memory is used again, whatever they borrow from.
#[derive(Default)]
pub(super) struct Views(Vec<&'static [f64]>);

impl Views {
    /// A list, filled.
    pub fn of<'a>(&mut self, fill: impl FnOnce(&mut Vec<&'a [f64]>)) -> Vec<&'a [f64]> {
        let mut list = recycle(std::mem::take(&mut self.0));
        fill(&mut list);
        list
    }

    /// Takes a list back.
    pub fn back(&mut self, list: Vec<&[f64]>) {
        self.0 = recycle(list);
    }
}

/// The memory of a list for another one: collecting an emptied list in place keeps its memory.
fn recycle<'a>(mut list: Vec<&[f64]>) -> Vec<&'a [f64]> {
    list.clear();
    list.into_iter().map(|_| -> &'a [f64] { unreachable!("the list is empty") }).collect()
}

/// The same for lists of what is written.
fn recycle_mut<'a>(mut list: Vec<&mut [f64]>) -> Vec<&'a mut [f64]> {
    list.clear();
    list.into_iter().map(|_| -> &'a mut [f64] { unreachable!("the list is empty") }).collect()
}

/// A scalar program and its gradient, compiled, of arrays that each call gives.
pub(super) struct Engine {
    pub program: Program,
    derivative: Derivative<f64>,
    value_only: Compiled<f64>,
    workspace: DerivativeWorkspace<f64>,
    value_workspace: Workspace<f64>,
    /// The variables' shapes.
    pub shapes: Vec<Vec<usize>>,
    outputs: Vec<&'static mut [f64]>,
}

impl Engine {
    /// Errors: the output is not one scalar, an operator without derivative.
    pub fn new(program: &Program, policy: Policy) -> Result<Engine> {
        program.expect_scalar("the gradient")?;
        let fill = |site: &Site| policy.choice(site).map_or(0.0, |c| c.selection);
        let value_only = program.compile_with::<f64>(&fill);
        let derivative = Derivative::new(program, Mode::ValueAndGradient, policy)?;
        let (workspace, value_workspace) = (derivative.workspace(), value_only.workspace());
        let shapes =
            program.inputs().iter().filter(|i| i.role.is_argument()).map(|i| i.shape.clone()).collect::<Vec<_>>();
        let program = program.clone();
        Ok(Engine { program, derivative, value_only, workspace, value_workspace, shapes, outputs: vec![] })
    }

    /// The same, run by at most so many threads.
    pub fn with_threads(self, threads: usize) -> Engine {
        let (derivative, value_only) = (self.derivative.with_threads(threads), self.value_only.with_threads(threads));
        let (workspace, value_workspace) = (derivative.workspace(), value_only.workspace());
        Engine { derivative, value_only, workspace, value_workspace, ..self }
    }

    /// The number of variables.
    pub fn dimension(&self) -> usize {
        self.shapes.iter().map(|s| size(s)).sum()
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

    /// The value. Errors: it is not finite, with the operator at fault.
    pub fn value(&mut self, inputs: &[&[f64]]) -> Result<f64> {
        let mut value = [0.0];
        self.value_only.run(&mut self.value_workspace, inputs, &mut [&mut value]);
        if value[0].is_finite() { Ok(value[0]) } else { Err(self.explain(inputs)) }
    }

    /// The value, and the gradient under the policy, written to `gradient`. Errors: as [`Evaluator::value_and_gradient`].
    pub fn value_and_gradient(&mut self, inputs: &[&[f64]], gradient: &mut [f64]) -> Result<f64> {
        let mut value = [0.0];
        let mut outputs = recycle_mut(std::mem::take(&mut self.outputs));
        outputs.push(&mut value);
        let mut rest = gradient;
        for shape in &self.shapes {
            let (head, tail) = rest.split_at_mut(size(shape));
            outputs.push(head);
            rest = tail;
        }
        let done = self.derivative.run(&mut self.workspace, inputs, &mut outputs);
        self.outputs = recycle_mut(outputs);
        done.map(|()| value[0])
    }

    fn explain(&self, inputs: &[&[f64]]) -> Error {
        match self.derivative.at(&self.tensors(inputs)) {
            Err(error) => error,
            Ok(_) => {
                let advice = "the fast and the slow evaluation disagree on whether it is finite; scale the problem";
                let (op, value) = ("the program".into(), f64::NAN);
                Fault::NotFinite { op, value, argument: vec![], index: vec![], advice }.into()
            }
        }
    }

    fn tensors(&self, inputs: &[&[f64]]) -> Vec<Tensor> {
        std::iter::zip(self.program.inputs(), inputs).map(|(i, x)| Tensor::from_fn(&i.shape, |k| x[k])).collect()
    }
}

/// The arrays of all inputs, without copying.
fn inputs<'a>(data: &'a [Option<Tensor>], shapes: &[Vec<usize>], x: &'a [f64]) -> impl Iterator<Item = &'a [f64]> {
    let (mut at, mut variable) = (0, 0);
    data.iter().map(move |d| match d {
        Some(array) => array.data(),
        None => {
            let n = size(&shapes[variable]);
            variable += 1;
            at += n;
            &x[at - n..at]
        }
    })
}

pub(super) fn check_data(name: &str, shape: &[usize], array: &Tensor) -> Result<()> {
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
