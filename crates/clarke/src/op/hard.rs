//! Piecewise polynomial activation functions, elementwise.

use super::kinked::{at_bound, between};
use super::pointwise::{Elementwise, IntoVar, Pointwise, finite, parameter};
use super::smooth::method;
use crate::error::Fault;
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Boundary, BoundaryKind, Derivative, Sample};
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// `hard_tanh(x) = min(max(x, −1), 1)`, elementwise. Clarke: [0, 1] at ±1. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct HardTanh;

impl Pointwise for HardTanh {
    const NAME: &'static str = "hard_tanh";
    const SIGNATURE: &'static str = "hard_tanh(x)";
    const FORMULA: &'static str = "min(max(x, −1), 1)";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[0, 1] at x = −1 and at x = 1";
    const SOURCE: &'static str = "Collobert 2004; jax.nn.hard_tanh";
    const SAMPLES: &'static [Sample] = &[Sample::new("hard_tanh(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.max(T::of(-1.0)).min(T::of(1.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(between(x, -1.0, 1.0))]
    }

    fn choice(&self, tie: usize, convention: Convention) -> Choice {
        match convention {
            // PyTorch's mask is strict.
            Convention::MinNorm | Convention::PyTorch => at_bound(tie, 0.0),
            // JAX selects x > 1 and x < −1, so that the bounds count as inside; TensorFlow's clip_by_value likewise.
            Convention::Jax | Convention::TensorFlow => at_bound(tie, 1.0),
        }
    }
}

/// `hard_sigmoid(x) = min(max(x + 3, 0), 6)/6`, elementwise. Clarke: [0, 1/6] at ±3. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct HardSigmoid;

impl Pointwise for HardSigmoid {
    const NAME: &'static str = "hard_sigmoid";
    const SIGNATURE: &'static str = "hard_sigmoid(x)";
    const FORMULA: &'static str = "min(max(x + 3, 0), 6) / 6";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[0, 1/6] at x = −3 and at x = 3";
    const SOURCE: &'static str = "Howard et al. 2019; jax.nn.hard_sigmoid";
    const SAMPLES: &'static [Sample] = &[Sample::new("hard_sigmoid(x)", X).on(-4.0, 4.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        gate(x)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(between(x, -3.0, 3.0) / 6.0)]
    }

    fn choice(&self, tie: usize, _: Convention) -> Choice {
        // All frameworks give 0 at both ends, which is also the least: PyTorch's mask is strict, JAX and Keras take relu6.
        at_bound(tie, 0.0)
    }
}

/// min(max(x + 3, 0), 6)/6.
fn gate<T: Real>(x: T) -> T {
    (x + T::of(3.0)).max(T::of(0.0)).min(T::of(6.0)) / T::of(6.0)
}

/// `hard_swish(x) = x · hard_sigmoid(x)`, elementwise. Clarke: [−1/2, 0] at −3, [1, 3/2] at 3. Piecewise polynomial.
#[derive(Debug, Clone, Default)]
pub struct HardSwish;

impl Pointwise for HardSwish {
    const NAME: &'static str = "hard_swish";
    const SIGNATURE: &'static str = "hard_swish(x)";
    const FORMULA: &'static str = "x · min(max(x + 3, 0), 6) / 6";
    const CLASS: &'static str = "piecewise polynomial";
    const TIES: &'static str = "[-1/2, 0] at x = −3, [1, 3/2] at x = 3";
    const SOURCE: &'static str = "Howard et al. 2019; jax.nn.hard_swish";
    const SAMPLES: &'static [Sample] = &[Sample::new("hard_swish(x)", X).on(-4.0, 4.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_polynomial()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x * gate(x)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        let above = (x - 3.0).step();
        let inside = (x + 3.0).step() * (1.0 - above);
        // Divided first, so that it never overflows.
        [Some(inside * (x / 3.0 + 0.5) + above)]
    }

    fn choice(&self, tie: usize, _: Convention) -> Choice {
        // All frameworks, which take a strict band or x · relu6(x + 3)/6, stay at 0 at −3 and at 1 at 3: the least. The
        // first tie written is that at 3.
        Choice::plain(if tie == 0 { 1.0 } else { 0.0 })
    }
}

/// `hard_shrink(x, lambd=0.5)`: x for |x| > lambd, else 0, elementwise. It jumps at ±lambd, where a derivative is an
/// error. Piecewise linear, discontinuous.
///
/// The frameworks return 0 there. Errors: a lambd that is not positive and finite.
#[derive(Debug, Clone)]
pub struct HardShrink {
    /// Half the width of the band that becomes 0.
    pub lambd: f64,
}

impl Default for HardShrink {
    fn default() -> HardShrink {
        HardShrink { lambd: 0.5 }
    }
}

impl Pointwise for HardShrink {
    const NAME: &'static str = "hard_shrink";
    const SIGNATURE: &'static str = "hard_shrink(x, lambd=0.5)";
    const FORMULA: &'static str = "x if |x| > lambd, else 0";
    const CLASS: &'static str = "piecewise linear, discontinuous";
    const SOURCE: &'static str = "Donoho, Johnstone 1994; jumps at x = ±lambd, no derivative there";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("hard_shrink(x)", X).deriving(Derivative::OffJumps),
        Sample::new("hard_shrink(x, lambd=0.31830989)", X),
    ];
    const PARAMS: &'static [(&'static str, f64)] = &[("lambd", 0.5)];

    fn params(&self) -> Vec<f64> {
        vec![self.lambd]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        let lambd = finite(Self::NAME, "lambd", values[0])?;
        if lambd > 0.0 {
            Ok(HardShrink { lambd })
        } else {
            Err(parameter(Self::NAME, "lambd", lambd, "it must be positive; below, this is the identity"))
        }
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // The last alternative is reached by NaN alone, and keeps it.
        let (width, zero) = (T::of(self.lambd), T::of(0.0));
        x.abs().if_gt(width, x, width.if_ge(x.abs(), zero, x))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some((x - self.lambd).step() + (-x - self.lambd).step())]
    }

    fn choice(&self, _: usize, _: Convention) -> Choice {
        Choice::plain(0.0)
    }

    fn boundary(&self) -> Option<&dyn Boundary> {
        Some(self)
    }
}

impl Boundary for HardShrink {
    fn at(&self, args: &[f64]) -> BoundaryKind {
        BoundaryKind::Jump(args[0], 0.0)
    }
}

/// `prelu(x, weight)`: x for x > 0, weight·x for x < 0, elementwise, where the weight is a variable. Clarke: the segment
/// between (weight, 0) and (1, 0) at x = 0. Piecewise polynomial.
///
/// The default takes (weight, 0), of least norm for a weight between 0 and 1: a selection is a number and does not depend
/// on the weight. For a slope that is a number, whatever it is, `leaky_relu` takes the least.
#[derive(Debug, Clone, Default)]
pub struct Prelu;

impl Pointwise<2> for Prelu {
    const NAME: &'static str = "prelu";
    const SIGNATURE: &'static str = "prelu(x, weight)";
    const FORMULA: &'static str = "x if x > 0, else weight · x";
    const CLASS: &'static str = "piecewise polynomial";
    const TIES: &'static str = "[weight, 1] (or [1, weight]) in x and {0} in weight at x = 0";
    const SOURCE: &'static str = "He, Zhang, Ren, Sun 2015; torch.nn.functional.prelu";
    const SAMPLES: &'static [Sample] = &[
        // The weight is between 0 and 1, as the default assumes.
        Sample::new("prelu(x, weight)", &[("x", &[2, 3]), ("weight", &[3])]).on(0.0, 1.0),
        Sample::new("prelu(x, 2 * weight)", &[("x", &[2, 3]), ("weight", &[3])]),
    ];

    fn class(&self, [x, weight]: [Class; 2]) -> Class {
        Class::product(&[x, weight]).piecewise_linear()
    }

    fn value<T: Real>(&self, [x, weight]: [T; 2]) -> T {
        x.if_gt(T::of(0.0), x, weight * x)
    }

    fn slopes<'p>(&self, [x, weight]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        let s = x.step();
        [Some(s + weight * (1.0 - s)), Some(x * (1.0 - s))]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        match convention {
            Convention::MinNorm => Choice::plain(0.0),
            // PyTorch's reverse mode (its forward mode selects x >= 0) takes the weight.
            Convention::PyTorch => Choice::plain(0.0),
            // JAX has none; flax selects x >= 0.
            Convention::Jax => Choice::plain(1.0),
            Convention::TensorFlow => {
                Choice::instead(0.0, "Keras returns 0 here: it adds relu(x) and −weight · relu(−x)")
            }
        }
    }
}

method!(
    /// `min(max(x, −1), 1)`, elementwise.
    hard_tanh HardTanh,
    /// `min(max(x + 3, 0), 6)/6`, elementwise.
    hard_sigmoid HardSigmoid,
    /// `x · min(max(x + 3, 0), 6)/6`, elementwise.
    hard_swish HardSwish,
);

impl<'p> Var<'p> {
    /// x where |x| > lambd, else 0, elementwise; it jumps at ±lambd.
    #[track_caller]
    pub fn hard_shrink(self, lambd: f64) -> Var<'p> {
        self.apply_params::<HardShrink>(&[lambd])
    }

    /// x where positive, else `weight · x`, elementwise, for a weight that is a variable.
    #[track_caller]
    pub fn prelu(self, weight: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<Prelu, 2>(Prelu), &[weight.into_var(self)])
    }
}
