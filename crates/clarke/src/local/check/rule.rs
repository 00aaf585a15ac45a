//! Gradients that somebody wrote by hand.

use crate::derive::unroll;
use crate::error::{Fault, Result};
use crate::local::policy::Picker;
use crate::local::{At, Derived, Evaluator, Policy};
use crate::program::{Builder, Program, Var};
use crate::run::{Interpreter, check_inputs};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::sync::Arc;

/// A rule for the gradient of a scalar program: at a point (all inputs of that program, data included) one array for each
/// of its variables.
///
/// Programs of the same inputs are rules, and so are closures `Fn(&[Tensor]) -> Result<Vec<Tensor>>`; what a policy
/// returns is [`PolicyRule`].
///
/// ```
/// use clarke::{GradientRule, Program, Tensor};
/// let own = |x: &[Tensor]| Ok(vec![Tensor::scalar(if x[0].item() > 0.0 { 1.0 } else { 0.0 })]);
/// assert_eq!(own.gradient(&[2.0.into()])?[0].item(), 1.0);
/// # Ok::<(), clarke::Error>(())
/// ```
pub trait GradientRule {
    /// The gradient at a point. An error means that the rule gives none there.
    fn gradient(&self, point: &[Tensor]) -> Result<Vec<Tensor>>;

    /// The rule as a program, if it is one: its own conditions are then looked at as closely as the function's ties.
    fn program(&self) -> Option<&Program> {
        None
    }
}

impl GradientRule for Program {
    fn gradient(&self, point: &[Tensor]) -> Result<Vec<Tensor>> {
        self.eval(point)
    }

    fn program(&self) -> Option<&Program> {
        Some(self)
    }
}

impl<F: Fn(&[Tensor]) -> Result<Vec<Tensor>>> GradientRule for F {
    fn gradient(&self, point: &[Tensor]) -> Result<Vec<Tensor>> {
        self(point)
    }
}

/// What backpropagation through a program returns under a policy, as a rule: by Theorem 8 of Bolte and Pauwels 2021 it is
/// conservative if the derivatives of the operators are, which for operators of the user's own is what is to be checked.
pub struct PolicyRule {
    program: Program,
    policy: Policy,
    /// For policies that must look at the point: the gradient program, and what is derived at the first one.
    slow: Option<(Program, Arc<Derived>)>,
    /// For the others: an evaluator with the data that it was made for.
    fast: RefCell<Option<(Vec<Tensor>, Evaluator)>>,
}

impl PolicyRule {
    /// The rule of a scalar program under a policy. Errors: the output is not one scalar, an operator without derivative.
    pub fn new(program: &Program, policy: Policy) -> Result<PolicyRule> {
        program.expect_scalar("a gradient rule")?;
        let program = unroll(program)?.prune();
        let slow = match policy.is_fixed() {
            true => None,
            false => Some((program.gradient()?, Arc::default())),
        };
        Ok(PolicyRule { program, policy, slow, fast: RefCell::new(None) })
    }
}

impl GradientRule for PolicyRule {
    fn gradient(&self, point: &[Tensor]) -> Result<Vec<Tensor>> {
        check_inputs(&self.program, point)?;
        if let Some((gradient, derived)) = &self.slow {
            let at = At::of(&self.program, derived, point)?;
            let mut picker = Picker::new(&self.policy, &at)?;
            return Interpreter::new(gradient).run(point, &mut picker);
        }
        let inputs = self.program.inputs().iter().filter(|i| !i.role.is_selection());
        let (variables, data): (Vec<_>, Vec<_>) =
            std::iter::zip(inputs, point).partition(|(i, _)| i.role.is_argument());
        let data: Vec<Tensor> = data.into_iter().map(|(_, array)| array.clone()).collect();
        let x: Vec<f64> = variables.iter().flat_map(|(_, array)| array.data().iter().copied()).collect();
        let mut fast = self.fast.borrow_mut();
        let evaluator = match fast.take() {
            Some((own, evaluator)) if own == data => evaluator,
            _ => Evaluator::new(&self.program, &data, self.policy.clone())?,
        };
        let (_, evaluator) = fast.insert((data, evaluator));
        let mut flat = vec![0.0; x.len()];
        evaluator.value_and_gradient(&x, &mut flat)?;
        Ok(evaluator.split(&flat))
    }
}

/// Several programs of the same inputs as one that returns all their outputs: a rule given by one program a variable.
///
/// Errors: none given; inputs that differ.
pub fn joined(parts: &[Program]) -> Result<Program> {
    let Some(first) = parts.first() else {
        let rule = "it needs a program for each variable".to_string();
        return Err(Fault::Setting { setting: "rule", given: "none".into(), rule }.into());
    };
    let builder = Builder::new();
    let inputs: Vec<Var<'_>> =
        first.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let mut outputs = vec![];
    for part in parts {
        for (own, input) in std::iter::zip(first.inputs(), part.inputs()) {
            if own.shape != input.shape {
                let (expected, given) = (own.shape.clone(), input.shape.clone());
                return Err(Fault::InputShape { input: input.name.clone(), expected, given }.into());
            }
        }
        if part.inputs().len() != inputs.len() {
            let names = first.inputs().iter().map(|i| i.name.clone()).collect();
            return Err(Fault::InputCount { expected: inputs.len(), given: part.inputs().len(), names }.into());
        }
        outputs.extend(builder.inline(part, &inputs));
    }
    builder.finish(&outputs)
}
