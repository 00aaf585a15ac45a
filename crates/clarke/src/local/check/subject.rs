//! A program and a rule for its gradient as functions of one flat vector, the variables one after another.

use super::rule::GradientRule;
use crate::derive::unroll;
use crate::error::{Error, Result};
use crate::local::set_at::Layout;
use crate::program::tie::Convention;
use crate::program::{Program, Role};
use crate::run::{Arithmetic, Compiled, Workspace, check_inputs, enclose};
use crate::tensor::{Boxes, Tensor, size};
use std::cell::RefCell;

pub(super) struct Subject<'a> {
    /// The program, with operators made of programs written out.
    pub program: Program,
    pub rule: &'a dyn GradientRule,
    /// The variables.
    pub layout: Layout,
    /// All inputs; the variables are replaced.
    base: Vec<Tensor>,
    /// Which of the inputs are variables.
    variables: Vec<usize>,
    compiled: Compiled<f64>,
    workspace: RefCell<Workspace<f64>>,
    /// The first error of the rule, with the point, and how many there were.
    pub refused: RefCell<Option<(Vec<f64>, Error)>>,
    pub refusals: RefCell<usize>,
}

/// A function and a rule for its gradient: what curves are measured by.
pub(super) trait Sides {
    /// Bounds of the value; None if it is not finite.
    fn bounds(&self, x: &[f64]) -> Option<Bounds>;

    /// The rule's vector; None if it gives none or something that is not finite.
    fn rule(&self, x: &[f64]) -> Option<Vec<f64>>;

    /// The unit roundoff of the numbers that the rule computes with.
    fn precision(&self) -> f64 {
        f64::EPSILON
    }
}

impl Sides for Subject<'_> {
    fn bounds(&self, x: &[f64]) -> Option<Bounds> {
        Subject::bounds(self, x)
    }

    fn rule(&self, x: &[f64]) -> Option<Vec<f64>> {
        Subject::rule(self, x)
    }
}

/// Bounds of the value over the reals at a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub lo: f64,
    pub hi: f64,
    /// Whether they were computed with outward rounding, or are a guess.
    pub rigorous: bool,
}

impl Bounds {
    pub fn middle(self) -> f64 {
        0.5 * self.lo + 0.5 * self.hi
    }

    pub fn radius(self) -> f64 {
        0.5 * (self.hi - self.lo)
    }
}

/// What a value is taken to be wrong by, relative to its size, where no bounds are known.
const GUESS: f64 = 1e-12;

impl<'a> Subject<'a> {
    /// Errors: the output is not one scalar; the number of inputs or a shape.
    pub fn new(program: &Program, rule: &'a dyn GradientRule, base: &[Tensor]) -> Result<Subject<'a>> {
        program.expect_scalar("a check of its gradient")?;
        check_inputs(program, base)?;
        let program = unroll(program)?.prune();
        let inputs: Vec<_> = program.inputs().iter().filter(|i| !i.role.is_selection()).collect();
        let variables: Vec<usize> =
            inputs.iter().enumerate().filter(|(_, i)| i.role.is_argument()).map(|(k, _)| k).collect();
        let layout = Layout {
            names: variables.iter().map(|&k| inputs[k].name.clone()).collect(),
            shapes: variables.iter().map(|&k| inputs[k].shape.clone()).collect(),
        };
        let compiled = program.compile::<f64>(Convention::MinNorm);
        let workspace = RefCell::new(compiled.workspace());
        let base = base.to_vec();
        let (refused, refusals) = (RefCell::new(None), RefCell::new(0));
        Ok(Subject { program, rule, layout, base, variables, compiled, workspace, refused, refusals })
    }

    pub fn dimension(&self) -> usize {
        self.layout.dimension()
    }

    /// The variables among all inputs, as a flat vector.
    pub fn flat(&self, inputs: &[Tensor]) -> Vec<f64> {
        self.variables.iter().flat_map(|&k| inputs[k].data().iter().copied()).collect()
    }

    /// All inputs at a point.
    pub fn inputs(&self, x: &[f64]) -> Vec<Tensor> {
        let mut inputs = self.base.clone();
        for (&k, array) in std::iter::zip(&self.variables, self.layout.split(x)) {
            inputs[k] = array;
        }
        inputs
    }

    /// The value in f64; perhaps not finite.
    pub fn value(&self, x: &[f64]) -> f64 {
        let mut out = [0.0];
        let mut at = 0;
        let mut variables = self.variables.iter().peekable();
        let inputs: Vec<&[f64]> = self
            .base
            .iter()
            .enumerate()
            .map(|(k, array)| match variables.next_if(|v| **v == k) {
                Some(_) => {
                    let n = size(array.shape());
                    at += n;
                    &x[at - n..at]
                }
                None => array.data(),
            })
            .collect();
        self.compiled.run(&mut self.workspace.borrow_mut(), &inputs, &mut [&mut out]);
        out[0]
    }

    /// Bounds of the value in exact arithmetic; None if it is not finite.
    pub fn bounds(&self, x: &[f64]) -> Option<Bounds> {
        let value = self.value(x);
        if !value.is_finite() {
            return None;
        }
        let mut given = self.inputs(x).into_iter();
        let boxes: Vec<Boxes> = self
            .program
            .inputs()
            .iter()
            .map(|input| match &input.role {
                Role::Selection(_) => Boxes::point(input.default_selection()),
                _ => Boxes::point(given.next().expect("inputs were checked")),
            })
            .collect();
        let guess = GUESS * value.abs() + f64::MIN_POSITIVE;
        let guess = Bounds { lo: value - guess, hi: value + guess, rigorous: false };
        Some(match enclose(&self.program, &boxes, Arithmetic::Rigorous) {
            Ok(found) if found[0].is_bounded() => {
                Bounds { lo: found[0].lo().item(), hi: found[0].hi().item(), rigorous: true }
            }
            _ => guess,
        })
    }

    /// The rule's vector; None if it gives none or something that is not finite, which is noted.
    pub fn rule(&self, x: &[f64]) -> Option<Vec<f64>> {
        let flat = self.rule_or_error(x).and_then(|flat| match flat.iter().find(|v| !v.is_finite()) {
            None => Ok(flat),
            Some(value) => Err(crate::Fault::NotFinite {
                op: "the rule".into(),
                value: *value,
                argument: vec![],
                index: vec![],
                advice: "a gradient is finite wherever the function is locally Lipschitz",
            }
            .into()),
        });
        match flat {
            Ok(flat) => Some(flat),
            Err(error) => {
                *self.refusals.borrow_mut() += 1;
                self.refused.borrow_mut().get_or_insert_with(|| (x.to_vec(), error));
                None
            }
        }
    }

    /// The rule's vector, perhaps not finite. Errors: the rule's own; the number or shapes of its arrays.
    pub fn rule_or_error(&self, x: &[f64]) -> Result<Vec<f64>> {
        self.layout.join(&self.rule.gradient(&self.inputs(x))?)
    }
}
