//! Activation functions made of exponentials, elementwise.

use super::kinked::{Abs, least_norm};
use super::pointwise::{Elementwise, Pointwise, finite, parameter};
use super::smooth::method;
use crate::error::Fault;
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::Sample;
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};
use std::f64::consts::FRAC_1_SQRT_2;

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// 1/√(2π).
const INVERSE_SQRT_TAU: f64 = 0.398_942_280_401_432_7;

/// `gelu(x) = x · Φ(x)` with the distribution function Φ of the normal law, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Gelu;

impl Pointwise for Gelu {
    const NAME: &'static str = "gelu";
    const SIGNATURE: &'static str = "gelu(x)";
    const FORMULA: &'static str = "x · (1 + erf(x/√2)) / 2";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "Hendrycks, Gimpel 2016; torch.nn.functional.gelu";
    const SAMPLES: &'static [Sample] = &[Sample::new("gelu(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // erfc keeps the digits that 1 + erf loses on the left.
        x * (T::of(0.5) * (T::of(-FRAC_1_SQRT_2) * x).erfc())
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        let density = INVERSE_SQRT_TAU * (-0.5 * (x * x)).exp();
        [Some(0.5 * (-FRAC_1_SQRT_2 * x).erfc() + x * density)]
    }
}

/// `gelu_tanh(x)`: the approximation of gelu by tanh, elementwise, as `gelu(x, approximate="tanh")` elsewhere. Smooth;
/// definable.
#[derive(Debug, Clone, Default)]
pub struct GeluTanh;

/// 2 √(2/π): the approximation is x · sigmoid(`TWICE` · (x + `CUBIC` · x³)).
const TWICE: f64 = 1.595_769_121_605_730_7;
const CUBIC: f64 = 0.044_715;

impl Pointwise for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    const SIGNATURE: &'static str = "gelu_tanh(x)";
    const FORMULA: &'static str = "x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "Hendrycks, Gimpel 2016; torch.nn.functional.gelu(x, approximate='tanh')";
    const SAMPLES: &'static [Sample] = &[Sample::new("gelu_tanh(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // (1 + tanh u)/2 = 1/(1 + e^−2u), which keeps its digits on the left.
        let (one, e) = (T::of(1.0), T::of(CUBIC) * x * x);
        let u = T::of(TWICE) * x * (one + e);
        let e = (-u.abs()).exp();
        x * (u.if_ge(T::of(0.0), one, e) / (one + e))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        let square = x * x;
        let s = (TWICE * x * (1.0 + CUBIC * square)).sigmoid();
        // Far out s (1 − s) is 0, and wins over what has overflowed.
        let steep = (s * (1.0 - s)).guarded_mul(TWICE * x * (1.0 + 3.0 * CUBIC * square));
        [Some(s + steep)]
    }
}

/// `silu(x) = x · sigmoid(x)`, elementwise, also called swish. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Silu;

impl Pointwise for Silu {
    const NAME: &'static str = "silu";
    const SIGNATURE: &'static str = "silu(x)";
    const FORMULA: &'static str = "x / (1 + e⁻ˣ)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "Elfwing, Uchibe, Doya 2017; torch.nn.functional.silu";
    const SAMPLES: &'static [Sample] = &[Sample::new("silu(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        let (e, one) = ((-x.abs()).exp(), T::of(1.0));
        x * (x.if_ge(T::of(0.0), one, e) / (one + e))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        let s = x.sigmoid();
        [Some(s + y * (1.0 - s))]
    }
}

/// `mish(x) = x · tanh(softplus(x))`, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Mish;

impl Pointwise for Mish {
    const NAME: &'static str = "mish";
    const SIGNATURE: &'static str = "mish(x)";
    const FORMULA: &'static str = "x · tanh(ln(1 + eˣ))";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "Misra 2019; torch.nn.functional.mish";
    const SAMPLES: &'static [Sample] = &[Sample::new("mish(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // tanh(ln(1 + t)) = t(t + 2)/(t(t + 2) + 2) for t = eˣ; on the right divided by t², so that nothing overflows.
        let (e, zero, one, two) = ((-x.abs()).exp(), T::of(0.0), T::of(1.0), T::of(2.0));
        let top = x.if_ge(zero, one + two * e, e * (e + two));
        let rest = x.if_ge(zero, two * e * e, two);
        x * (top / (top + rest))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        let t = x.softplus().tanh();
        // y = x t, so that x (1 − t²) = x − y t.
        [Some(t + (x - y * t) * x.sigmoid())]
    }
}

/// `log_sigmoid(x) = −ln(1 + e⁻ˣ)`, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct LogSigmoid;

impl Pointwise for LogSigmoid {
    const NAME: &'static str = "log_sigmoid";
    const SIGNATURE: &'static str = "log_sigmoid(x)";
    const FORMULA: &'static str = "−ln(1 + e⁻ˣ)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "jax.nn.log_sigmoid; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("log_sigmoid(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.min(T::of(0.0)) - (-x.abs()).exp().ln_1p()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some((-x).sigmoid())]
    }
}

/// `softsign(x) = x / (1 + |x|)`, elementwise. Once continuously differentiable: no tie. Semialgebraic, between −1 and 1.
#[derive(Debug, Clone, Default)]
pub struct Softsign;

impl Pointwise for Softsign {
    const NAME: &'static str = "softsign";
    const SIGNATURE: &'static str = "softsign(x)";
    const FORMULA: &'static str = "x / (1 + |x|)";
    const CLASS: &'static str = "semialgebraic";
    const SOURCE: &'static str = "Glorot, Bengio 2010; torch.nn.functional.softsign";
    const SAMPLES: &'static [Sample] = &[Sample::new("softsign(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.semialgebraic().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x / (T::of(1.0) + x.abs())
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some((1.0 + x.abs()).reciprocal().square())]
    }

    // The tie of the second derivative is that of |x| in the first.
    fn choice(&self, tie: usize, convention: Convention) -> Choice {
        Abs::default().choice(tie, convention)
    }
}

/// `squareplus(x, b=4) = (x + √(x² + b)) / 2`, elementwise: relu with its corner rounded by b. Smooth; semialgebraic.
///
/// Nothing overflows, and the left keeps its digits. Errors: a b that is not positive and finite; without one it is relu.
#[derive(Debug, Clone)]
pub struct Squareplus {
    /// How round the corner is: 4 times the square of the value at 0.
    pub b: f64,
}

impl Default for Squareplus {
    fn default() -> Squareplus {
        Squareplus { b: 4.0 }
    }
}

impl Pointwise for Squareplus {
    const NAME: &'static str = "squareplus";
    const SIGNATURE: &'static str = "squareplus(x, b=4)";
    const FORMULA: &'static str = "(x + √(x² + b)) / 2";
    const CLASS: &'static str = "semialgebraic";
    const SOURCE: &'static str = "Barron 2021; jax.nn.squareplus";
    const SAMPLES: &'static [Sample] = &[Sample::new("squareplus(x)", X), Sample::new("squareplus(x, b=0.25)", X)];
    const PARAMS: &'static [(&'static str, f64)] = &[("b", 4.0)];

    fn params(&self) -> Vec<f64> {
        vec![self.b]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        let b = finite(Self::NAME, "b", values[0])?;
        if b > 0.0 { Ok(Squareplus { b }) } else { Err(parameter(Self::NAME, "b", b, "it must be positive")) }
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.semialgebraic()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        let (one, half, root, size) = (T::of(1.0), T::of(0.5), T::of(self.b.sqrt()), x.abs());
        let large = size.max(root);
        let ratio = size.min(root) / large;
        let hypot = large * (one + ratio * ratio).sqrt();
        // On the left the sum cancels; times its conjugate it is b.
        let left = T::of(0.5 * self.b) / (hypot + size);
        x.if_ge(T::of(0.0), half * x + half * hypot, left)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        // The root is 2y − x.
        [Some(y / (2.0 * y - x))]
    }
}

/// x where positive, else alpha·(eˣ − 1).
fn elu_value<T: Real>(x: T, alpha: f64) -> T {
    let zero = T::of(0.0);
    x.if_gt(zero, x, T::of(alpha) * x.min(zero).exp_m1())
}

/// alpha·eˣ where x is negative, else alpha: it never overflows.
fn left_slope(x: Var<'_>, alpha: f64) -> Var<'_> {
    alpha * x.minimum(0.0).exp()
}

/// `elu(x, alpha=1)`: x for x > 0, alpha·(eˣ − 1) for x < 0, elementwise. Clarke: the interval between alpha and 1 at 0;
/// once continuously differentiable for alpha = 1, which has no tie. Definable.
///
/// Errors: an alpha that is not finite.
#[derive(Debug, Clone)]
pub struct Elu {
    /// The slope on the left of 0, and minus the limit at −∞.
    pub alpha: f64,
}

impl Default for Elu {
    fn default() -> Elu {
        Elu { alpha: 1.0 }
    }
}

impl Pointwise for Elu {
    const NAME: &'static str = "elu";
    const SIGNATURE: &'static str = "elu(x, alpha=1)";
    const FORMULA: &'static str = "x if x > 0, else alpha · (eˣ − 1)";
    const CLASS: &'static str = "definable";
    const TIES: &'static str = "[alpha, 1] (or [1, alpha]) at x = 0, none if alpha = 1";
    const SOURCE: &'static str = "Clevert, Unterthiner, Hochreiter 2015; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] =
        &[Sample::new("elu(x)", X), Sample::new("elu(x, alpha=2)", X), Sample::new("elu(x, alpha=-0.5)", X)];
    const PARAMS: &'static [(&'static str, f64)] = &[("alpha", 1.0)];

    fn params(&self) -> Vec<f64> {
        vec![self.alpha]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        Ok(Elu { alpha: finite(Self::NAME, "alpha", values[0])? })
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        elu_value(x, self.alpha)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        if self.alpha == 1.0 {
            return [Some(left_slope(x, 1.0))];
        }
        let s = x.step();
        [Some(s + left_slope(x, self.alpha) * (1.0 - s))]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        Choice::plain(match convention {
            Convention::MinNorm => least_norm(self.alpha, 1.0),
            // PyTorch and JAX select x > 0, and TensorFlow's layers with an alpha do, so at 0 the slope is that on the left.
            Convention::PyTorch | Convention::Jax | Convention::TensorFlow => 0.0,
        })
    }
}

/// `selu(x)`: scale · elu(x, alpha) with the constants that keep mean 0 and variance 1, elementwise. Clarke:
/// [scale, scale · alpha] ≈ [1.0507, 1.7581] at 0. Definable.
#[derive(Debug, Clone, Default)]
pub struct Selu;

impl Selu {
    /// The slope on the right.
    pub const SCALE: f64 = 1.050_700_987_355_480_5;
    /// The ratio of the slopes on the left and on the right of 0.
    pub const ALPHA: f64 = 1.673_263_242_354_377_2;
}

impl Pointwise for Selu {
    const NAME: &'static str = "selu";
    const SIGNATURE: &'static str = "selu(x)";
    const FORMULA: &'static str = "scale · (x if x > 0, else alpha · (eˣ − 1)), scale ≈ 1.0507, alpha ≈ 1.6733";
    const CLASS: &'static str = "definable";
    const TIES: &'static str = "[scale, scale · alpha] at x = 0";
    const SOURCE: &'static str = "Klambauer, Unterthiner, Mayr, Hochreiter 2017; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("selu(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        T::of(Self::SCALE) * elu_value(x, Self::ALPHA)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        let s = x.step();
        [Some(Self::SCALE * s + left_slope(x, Self::SCALE * Self::ALPHA) * (1.0 - s))]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        Choice::plain(match convention {
            // The smaller slope is that on the right. TensorFlow's kernel takes the left one where the value is < 0.
            Convention::MinNorm | Convention::TensorFlow => 1.0,
            // PyTorch and JAX select x > 0.
            Convention::PyTorch | Convention::Jax => 0.0,
        })
    }
}

method!(
    /// x · Φ(x) with the normal distribution function Φ, elementwise.
    gelu Gelu,
    /// The approximation of gelu by tanh, elementwise.
    gelu_tanh GeluTanh,
    /// x · sigmoid(x), elementwise.
    silu Silu,
    /// x · tanh(softplus(x)), elementwise.
    mish Mish,
    /// −ln(1 + e⁻ˣ), elementwise.
    log_sigmoid LogSigmoid,
    /// The self-normalizing elu, elementwise.
    selu Selu,
    /// x / (1 + |x|), elementwise.
    softsign Softsign,
);

impl<'p> Var<'p> {
    /// `(x + √(x² + b)) / 2`, elementwise.
    #[track_caller]
    pub fn squareplus(self, b: f64) -> Var<'p> {
        self.apply_params::<Squareplus>(&[b])
    }

    /// x where positive, else `alpha · (eˣ − 1)`, elementwise.
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Var<'p> {
        self.apply_params::<Elu>(&[alpha])
    }
}
