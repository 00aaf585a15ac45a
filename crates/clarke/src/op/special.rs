//! Exponentials and logarithms that keep their digits, the reciprocal, and the error function, elementwise.

use super::pointwise::{Elementwise, IntoVar, Pointwise};
use super::smooth::method;
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::Sample;
use crate::program::real::Real;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2};

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// `expm1(x) = eˣ − 1`, elementwise, accurate near 0. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Expm1;

impl Pointwise for Expm1 {
    const NAME: &'static str = "expm1";
    const SIGNATURE: &'static str = "expm1(x)";
    const FORMULA: &'static str = "eˣ − 1";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.expm1; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("expm1(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.exp_m1()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        // Not y + 1, of which nothing is left far on the left.
        [Some(x.exp())]
    }
}

/// `log1p(x) = ln(1 + x)`, elementwise, accurate near 0. Smooth for x > −1; −∞ at −1, NaN below. Definable.
#[derive(Debug, Clone, Default)]
pub struct Log1p;

impl Pointwise for Log1p {
    const NAME: &'static str = "log1p";
    const SIGNATURE: &'static str = "log1p(x)";
    const FORMULA: &'static str = "ln(1 + x)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.log1p; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("log1p(x)", X).on(-0.5, 2.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().unbounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.ln_1p()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(1.0 / (1.0 + x))]
    }
}

/// `reciprocal(x) = 1/x`, elementwise. Smooth off 0; infinite at 0. Semialgebraic.
#[derive(Debug, Clone, Default)]
pub struct Reciprocal;

impl Pointwise for Reciprocal {
    const NAME: &'static str = "reciprocal";
    const SIGNATURE: &'static str = "reciprocal(x)";
    const FORMULA: &'static str = "1 / x";
    const CLASS: &'static str = "semialgebraic";
    const SOURCE: &'static str = "numpy.reciprocal";
    const SAMPLES: &'static [Sample] = &[Sample::new("reciprocal(x)", X).on(0.5, 2.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.semialgebraic().unbounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        T::of(1.0) / x
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(-(y * y))]
    }
}

/// `erf(x)`, the error function, elementwise. Smooth; definable, between −1 and 1.
#[derive(Debug, Clone, Default)]
pub struct Erf;

/// 2/√π · e^−x², the slope of erf.
fn bell(x: Var<'_>) -> Var<'_> {
    FRAC_2_SQRT_PI * (-(x * x)).exp()
}

impl Pointwise for Erf {
    const NAME: &'static str = "erf";
    const SIGNATURE: &'static str = "erf(x)";
    const FORMULA: &'static str = "2/√π ∫₀ˣ e^−t² dt";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "scipy.special.erf; definable in the Pfaffian closure: Speissegger 1999";
    const SAMPLES: &'static [Sample] = &[Sample::new("erf(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.erf()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(bell(x))]
    }
}

/// `erfc(x) = 1 − erf(x)`, elementwise, accurate where that is small. Smooth; definable, between 0 and 2.
#[derive(Debug, Clone, Default)]
pub struct Erfc;

impl Pointwise for Erfc {
    const NAME: &'static str = "erfc";
    const SIGNATURE: &'static str = "erfc(x)";
    const FORMULA: &'static str = "1 − erf(x)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "scipy.special.erfc; definable in the Pfaffian closure: Speissegger 1999";
    const SAMPLES: &'static [Sample] = &[Sample::new("erfc(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.erfc()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(-bell(x))]
    }
}

/// `logaddexp(a, b) = ln(eᵃ + eᵇ)`, elementwise. Smooth; definable.
///
/// Nothing overflows, and −∞ stands for the logarithm of 0: `logaddexp(-inf, b) = b`, also for b = −∞.
#[derive(Debug, Clone, Default)]
pub struct LogAddExp;

impl Pointwise<2> for LogAddExp {
    const NAME: &'static str = "logaddexp";
    const SIGNATURE: &'static str = "logaddexp(a, b)";
    const FORMULA: &'static str = "ln(eᵃ + eᵇ)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.logaddexp; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("logaddexp(a, b)", &[("a", &[2, 3]), ("b", &[3])])];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).definable()
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        let top = a.max(b);
        // Equal infinities have no difference.
        a.if_eq(b, top + T::of(LN_2), top + (-(a - b).abs()).exp().ln_1p())
    }

    fn slopes<'p>(&self, [a, b]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        [Some((a - b).sigmoid()), Some((b - a).sigmoid())]
    }
}

/// `xlogy(x, y) = x · ln y`, elementwise, and 0 where x = 0, whatever number y is. Smooth for y > 0; definable.
///
/// The limit 0 at (0, 0) is taken, as entropies need it; the slope in x is −∞ there. NaN for y < 0 if x is not 0.
#[derive(Debug, Clone, Default)]
pub struct XLogY;

impl Pointwise<2> for XLogY {
    const NAME: &'static str = "xlogy";
    const SIGNATURE: &'static str = "xlogy(x, y)";
    const FORMULA: &'static str = "x · ln y, and 0 if x = 0";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "scipy.special.xlogy; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("xlogy(x, y)", &[("x", &[2, 3]), ("y", &[3])]).on(0.5, 2.0),
        Sample::new("xlogy(x - 1, x)", X).on(0.5, 2.0),
    ];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).definable().unbounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x, y]: [T; 2]) -> T {
        let zero = T::of(0.0);
        x.if_eq(zero, y.if_eq(y, zero, y), x * y.ln())
    }

    fn slopes<'p>(&self, [x, y]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        [Some(y.log()), Some(x / y)]
    }
}

method!(
    /// eˣ − 1, elementwise, accurate near 0.
    expm1 Expm1,
    /// ln(1 + x), elementwise, accurate near 0.
    log1p Log1p,
    /// 1/x, elementwise.
    reciprocal Reciprocal,
    /// The error function, elementwise.
    erf Erf,
    /// 1 − erf x, elementwise, accurate where that is small.
    erfc Erfc,
);

impl<'p> Var<'p> {
    /// `self · ln other`, elementwise, and 0 where this is 0.
    #[track_caller]
    pub fn xlogy(self, other: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<XLogY, 2>(XLogY), &[other.into_var(self)])
    }

    /// `ln(eᵃ + eᵇ)`, elementwise.
    #[track_caller]
    pub fn logaddexp(self, other: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<LogAddExp, 2>(LogAddExp), &[other.into_var(self)])
    }
}
