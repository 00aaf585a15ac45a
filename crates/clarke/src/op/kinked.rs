//! Elementwise operators with kinks.

use super::pointwise::{Elementwise, Pointwise};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::Sample;
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// `relu(x) = max(x, 0)`, elementwise. Clarke: {0} left, [0, 1] at 0, {1} right. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Relu;

impl Pointwise for Relu {
    const NAME: &'static str = "relu";
    const SIGNATURE: &'static str = "relu(x)";
    const FORMULA: &'static str = "max(x, 0)";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[0, 1] at x = 0";
    const SOURCE: &'static str = "Bolte, Pauwels 2021, §5";
    const SAMPLES: &'static [Sample] = &[Sample::new("relu(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.max(T::of(0.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.step())]
    }
}

/// `abs(x) = |x|`, elementwise. Clarke: {−1} left, [−1, 1] at 0, {1} right. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Abs;

impl Pointwise for Abs {
    const NAME: &'static str = "abs";
    const SIGNATURE: &'static str = "abs(x)";
    const FORMULA: &'static str = "|x|";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[-1, 1] at x = 0";
    const SOURCE: &'static str = "Clarke 1990, Example 2.2.8";
    const SAMPLES: &'static [Sample] = &[Sample::new("abs(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.abs()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(2.0 * x.step() - 1.0)]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        // JAX selects x >= 0, so its slope at 0 is +1; the others return sign(0) = 0, the element of least norm.
        Choice::plain(if convention == Convention::Jax { 1.0 } else { 0.5 })
    }
}

impl<'p> Var<'p> {
    /// `max(x, 0)`, elementwise.
    #[track_caller]
    pub fn relu(self) -> Var<'p> {
        self.apply(Elementwise(Relu))
    }

    /// `|x|`, elementwise.
    #[track_caller]
    pub fn abs(self) -> Var<'p> {
        self.apply(Elementwise(Abs))
    }
}
