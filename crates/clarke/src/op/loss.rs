//! Elementwise losses.

use super::kinked::Clip;
use super::pointwise::{Elementwise, Pointwise, finite, parameter};
use crate::error::Fault;
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Curve, Sample};
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// `huber(x, delta=1)`: x²/2 for |x| ≤ delta, delta·(|x| − delta/2) outside, elementwise. Once continuously
/// differentiable: no tie. Piecewise polynomial.
///
/// Errors: a delta that is not positive and finite.
#[derive(Debug, Clone)]
pub struct Huber {
    /// Where the parabola ends.
    pub delta: f64,
}

impl Default for Huber {
    fn default() -> Huber {
        Huber { delta: 1.0 }
    }
}

impl Huber {
    /// The slope: x clipped to [−delta, delta].
    fn slope(&self) -> Clip {
        Clip { low: -self.delta, high: self.delta }
    }
}

impl Pointwise for Huber {
    const NAME: &'static str = "huber";
    const SIGNATURE: &'static str = "huber(x, delta=1)";
    const FORMULA: &'static str = "x²/2 if |x| ≤ delta, else delta · (|x| − delta/2)";
    const CURVE: Curve = Curve::Convex;
    const CLASS: &'static str = "piecewise polynomial";
    const SOURCE: &'static str = "Huber 1964";
    const SAMPLES: &'static [Sample] = &[Sample::new("huber(x)", X), Sample::new("huber(x, delta=0.5)", X)];
    const PARAMS: &'static [(&'static str, f64)] = &[("delta", 1.0)];

    fn params(&self) -> Vec<f64> {
        vec![self.delta]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        let delta = finite(Self::NAME, "delta", values[0])?;
        if delta > 0.0 {
            Ok(Huber { delta })
        } else {
            Err(parameter(Self::NAME, "delta", delta, "it must be positive"))
        }
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_polynomial()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // With c = x clipped, c·(x − c/2) is both formulas at once.
        let c = self.slope().value([x]);
        c * (x - T::of(0.5) * c)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.apply(Elementwise(self.slope())))]
    }

    // The ties of the second derivative are those of the clip in the first.
    fn choice(&self, tie: usize, convention: Convention) -> Choice {
        self.slope().choice(tie, convention)
    }
}

/// `hinge(x) = max(0, 1 − x)`, elementwise: the loss of a margin. Clarke: [−1, 0] at 1. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Hinge;

impl Pointwise for Hinge {
    const NAME: &'static str = "hinge";
    const SIGNATURE: &'static str = "hinge(x)";
    const FORMULA: &'static str = "max(0, 1 − x)";
    const CURVE: Curve = Curve::Convex;
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[-1, 0] at x = 1";
    const SOURCE: &'static str = "Cortes, Vapnik 1995";
    const SAMPLES: &'static [Sample] = &[Sample::new("hinge(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        (T::of(1.0) - x).max(T::of(0.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(-(1.0 - x).step())]
    }

    fn choice(&self, _: usize, _: Convention) -> Choice {
        // No framework has it as an elementwise function; written relu(1 − x) it has slope 0 at the tie in all three,
        // as in PyTorch's hinge_embedding_loss, and 0 is the least.
        Choice::plain(0.0)
    }
}

/// `pinball(x, q) = max(q·x, (q − 1)·x)`, elementwise: the loss whose minimizer is the q-quantile. Clarke: [q − 1, q] at
/// 0. Piecewise linear.
///
/// Errors: a q that is not between 0 and 1.
#[derive(Debug, Clone, Default)]
pub struct Pinball {
    /// The level of the quantile.
    pub q: f64,
}

impl Pointwise for Pinball {
    const NAME: &'static str = "pinball";
    const SIGNATURE: &'static str = "pinball(x, q)";
    const FORMULA: &'static str = "max(q · x, (q − 1) · x)";
    const CURVE: Curve = Curve::Convex;
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[q − 1, q] at x = 0";
    const SOURCE: &'static str = "Koenker, Bassett 1978";
    const SAMPLES: &'static [Sample] = &[Sample::new("pinball(x, 0.25)", X), Sample::new("pinball(x, q=0.9)", X)];
    const PARAMS: &'static [(&'static str, f64)] = &[("q", f64::NAN)];

    fn params(&self) -> Vec<f64> {
        vec![self.q]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        let q = values[0];
        if q > 0.0 && q < 1.0 { Ok(Pinball { q }) } else { Err(parameter(Self::NAME, "q", q, "it must lie in (0, 1)")) }
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        (T::of(self.q) * x).max(T::of(self.q - 1.0) * x)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        // The step of −x, so that both slopes, and the 0 between them, come out without rounding.
        [Some(self.q - (-x).step())]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        Choice::plain(match convention {
            // q − s = 0.
            Convention::MinNorm => self.q,
            // Written maximum(q·x, (q − 1)·x), it takes the tie of maximum: an even split, q − 1/2, …
            Convention::PyTorch | Convention::Jax => 0.5,
            // … or all to the first argument, q.
            Convention::TensorFlow => 0.0,
        })
    }
}

impl<'p> Var<'p> {
    /// Huber's function, elementwise: `x²/2` within delta of 0, linear outside.
    #[track_caller]
    pub fn huber(self, delta: f64) -> Var<'p> {
        self.apply_params::<Huber>(&[delta])
    }

    /// `max(0, 1 − x)`, elementwise.
    #[track_caller]
    pub fn hinge(self) -> Var<'p> {
        self.apply(Elementwise(Hinge))
    }

    /// `max(q·x, (q − 1)·x)`, elementwise.
    #[track_caller]
    pub fn pinball(self, q: f64) -> Var<'p> {
        self.apply_params::<Pinball>(&[q])
    }
}
