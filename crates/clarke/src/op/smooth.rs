//! Smooth elementwise operators: powers, exponentials, waves.

use super::axes::Axes;
use super::kinked::Abs;
use super::norm::Norm2;
use super::pair::Pow;
use super::pointwise::{Elementwise, Pointwise, finite};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::{Call, Value};
use crate::program::class::{Class, Level};
use crate::program::op::{Curve, Notation, Param, Sample};
use crate::program::real::Real;

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// `x ** p`, elementwise, for a number p. Smooth where x > 0; at x = 0 smooth if p is 0, 1, 2, …, differentiable from
/// the right if p > 1, else not Lipschitz. NaN for x < 0 unless p is an integer.
///
/// Unlike IEEE's pow, NaN ** 0 is NaN.
#[derive(Debug, Clone, Default)]
pub struct Power {
    /// The exponent p.
    pub exponent: f64,
}

impl Power {
    fn is_integer(&self) -> bool {
        self.exponent.fract() == 0.0
    }
}

/// Up to this exponent integer powers are products: as exact as pow to a few units in the last place, and much faster.
const LARGEST_PRODUCT: f64 = 16.0;

/// xⁿ by repeated squaring, n ≥ 1.
fn product<T: Real>(x: T, n: u32) -> T {
    match n {
        1 => x,
        _ => {
            let half = product(x, n / 2);
            if n.is_multiple_of(2) { half * half } else { half * half * x }
        }
    }
}

impl Pointwise for Power {
    const NAME: &'static str = "power";
    const SIGNATURE: &'static str = "power(x, exponent)";
    const FORMULA: &'static str = "xᵖ for a number p";
    const CLASS: &'static str = "semialgebraic (piecewise polynomial if p is 0, 1, 2, …)";
    const SOURCE: &'static str = "numpy.power";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("x ** 2", X),
        Sample::new("x ** 3", X),
        Sample::new("x ** -2", X).on(0.5, 2.0),
        Sample::new("x ** 1.5", X).on(0.5, 2.0),
        Sample::new("x ** 0.5", X).on(0.5, 2.0),
    ];
    const NOTATION: Notation = Notation::PowerOfParam;
    const PARAMS: &'static [(&'static str, f64)] = &[("exponent", f64::NAN)];
    const CALL: for<'p> fn(&Call<'_, 'p>) -> Result<Var<'p>> = call_power;

    fn params(&self) -> Vec<f64> {
        vec![self.exponent]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        Ok(Power { exponent: finite(Self::NAME, "exponent", values[0])? })
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        match self.exponent {
            0.0 => x.piecewise_linear().bounded(),
            1.0 => x.piecewise_linear(),
            p if p > 1.0 && self.is_integer() => x.piecewise_polynomial(),
            // A floating-point exponent is a rational number, so the graph is semialgebraic.
            p if p > 0.0 => x.semialgebraic(),
            _ => x.semialgebraic().unbounded(),
        }
    }

    fn singular(&self) -> bool {
        self.exponent < 0.0 || (self.exponent < 1.0 && !self.is_integer())
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        let (p, one) = (self.exponent, T::of(1.0));
        if p == 0.0 {
            x.if_eq(x, one, x)
        } else if p == 0.5 {
            x.sqrt()
        } else if !self.is_integer() || p.abs() > LARGEST_PRODUCT {
            x.powf(T::of(p))
        } else if p > 0.0 {
            product(x, p as u32)
        } else {
            one / product(x, -p as u32)
        }
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [match self.exponent {
            0.0 => None,
            1.0 => Some(x.constant(1.0)),
            2.0 => Some(2.0 * x),
            p => Some(p * x.power(p - 1.0)),
        }]
    }

    fn recognize<'p>(&self, [x]: [Var<'p>; 1]) -> Option<Var<'p>> {
        if self.exponent == 0.5 { recognize_norm(x) } else { None }
    }

    fn reduce<'p>(&self, [x]: [Var<'p>; 1]) -> Option<Var<'p>> {
        (self.exponent == 1.0).then_some(x)
    }
}

/// Reads `power(x, exponent)` and `x ** exponent`: a number makes a power, a variable the operator of a varying exponent.
fn call_power<'p>(call: &Call<'_, 'p>) -> Result<Var<'p>> {
    call.expect(1, 2, &["exponent"])?;
    let x = call.var(0)?;
    let varying = match call.optional("exponent", 1) {
        Some(Value::Var(v)) if v.rank() > 0 || v.known_scalar().is_none() => Some(*v),
        Some(list @ Value::List(_)) => Some(call.as_var(list)?),
        _ => None,
    };
    if let Some(exponent) = varying {
        return Ok(call.apply(Elementwise::<Pow, 2>(Pow), &[x, exponent]));
    }
    let exponent = call.number("exponent", 1, None)?;
    let op = Power::default().with_params(&[exponent]).map_err(|fault| fault.at(call.place.clone()))?;
    Ok(call.apply(Elementwise::<Power, 1>(op), &[x]))
}

/// `exp(x)`, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Exp;

impl Pointwise for Exp {
    const NAME: &'static str = "exp";
    const SIGNATURE: &'static str = "exp(x)";
    const FORMULA: &'static str = "eˣ";
    const CURVE: Curve = Curve::Increasing;
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.exp; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("exp(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.exp()
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(y)]
    }
}

/// `log(x)`, the natural logarithm, elementwise. Smooth where x > 0; −∞ at 0, NaN for x < 0. Definable.
#[derive(Debug, Clone, Default)]
pub struct Log;

impl Pointwise for Log {
    const NAME: &'static str = "log";
    const SIGNATURE: &'static str = "log(x)";
    const FORMULA: &'static str = "ln x";
    const CURVE: Curve = Curve::ConcaveIncreasing;
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.log; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("log(x)", X).on(0.5, 2.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        // Unbounded even on a bounded interval, if that reaches 0.
        x.definable().unbounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.ln()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(1.0 / x)]
    }
}

/// `sqrt(x)`, elementwise. Smooth where x > 0; not Lipschitz at 0, NaN for x < 0. Semialgebraic.
///
/// The root of a square is recognized: `sqrt(x*x)`, `sqrt(square(x))` and `sqrt(x**2)` are `abs(x)`.
#[derive(Debug, Clone, Default)]
pub struct Sqrt;

impl Pointwise for Sqrt {
    const NAME: &'static str = "sqrt";
    const SIGNATURE: &'static str = "sqrt(x)";
    const FORMULA: &'static str = "√x";
    const CURVE: Curve = Curve::ConcaveIncreasing;
    const CLASS: &'static str = "semialgebraic";
    const SOURCE: &'static str = "numpy.sqrt";
    const SAMPLES: &'static [Sample] = &[Sample::new("sqrt(x)", X).on(0.5, 2.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.semialgebraic()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.sqrt()
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(0.5 / y)]
    }

    fn recognize<'p>(&self, [x]: [Var<'p>; 1]) -> Option<Var<'p>> {
        recognize_norm(x)
    }
}

/// What √x is, if x is a square or a sum of squares: √(a²) = |a| and √Σa² = ‖a‖₂ are Lipschitz, which the chain rule
/// through √ at 0 would not find.
fn recognize_norm<'p>(x: Var<'p>) -> Option<Var<'p>> {
    if let Some(a) = squared(x) {
        return Some(a.apply(Elementwise(Abs::ROOT)));
    }
    let (a, axes) = match x.made_by("matmul") {
        Some((_, args)) if args[0].is(&args[1]) && args[0].rank() == 1 => (args[0], Axes::all()),
        Some(_) => return None,
        None => x.summed().and_then(|(inside, axes)| Some((squared(inside)?, axes)))?,
    };
    Some(a.apply(Norm2::root(axes.of(a.rank()))))
}

/// The a of `a * a`, `square(a)` or `a ** 2`.
fn squared<'p>(x: Var<'p>) -> Option<Var<'p>> {
    if let Some((_, args)) = x.made_by("multiply") {
        return args[0].is(&args[1]).then_some(args[0]);
    }
    if let Some((_, args)) = x.made_by(Square::NAME) {
        return Some(args[0]);
    }
    let (op, args) = x.made_by(Power::NAME)?;
    (op.params() == [("exponent", Param::Number(2.0))]).then_some(args[0])
}

/// `square(x) = x²`, elementwise. Smooth; piecewise polynomial.
#[derive(Debug, Clone, Default)]
pub struct Square;

impl Pointwise for Square {
    const NAME: &'static str = "square";
    const SIGNATURE: &'static str = "square(x)";
    const FORMULA: &'static str = "x²";
    const CURVE: Curve = Curve::Convex;
    const CLASS: &'static str = "piecewise polynomial";
    const SOURCE: &'static str = "numpy.square";
    const SAMPLES: &'static [Sample] = &[Sample::new("square(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_polynomial()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x * x
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(2.0 * x)]
    }
}

/// The class of sin and cos: definable where the argument stays in a bounded set (the restriction is in R_an), while
/// on the whole line the zeros alone are not.
pub(super) fn wave(x: Class) -> Class {
    x.raise(if x.bounded { Level::Definable } else { Level::Unknown }).bounded()
}

/// `sin(x)`, elementwise. Smooth; definable if x is bounded.
#[derive(Debug, Clone, Default)]
pub struct Sin;

impl Pointwise for Sin {
    const NAME: &'static str = "sin";
    const SIGNATURE: &'static str = "sin(x)";
    const FORMULA: &'static str = "sin x";
    const CLASS: &'static str = "definable if x is bounded, else unknown";
    const SOURCE: &'static str = "numpy.sin; definable if restricted: van den Dries 1986";
    const SAMPLES: &'static [Sample] = &[Sample::new("sin(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        wave(x)
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.sin()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.cos())]
    }
}

/// `cos(x)`, elementwise. Smooth; definable if x is bounded.
#[derive(Debug, Clone, Default)]
pub struct Cos;

impl Pointwise for Cos {
    const NAME: &'static str = "cos";
    const SIGNATURE: &'static str = "cos(x)";
    const FORMULA: &'static str = "cos x";
    const CLASS: &'static str = "definable if x is bounded, else unknown";
    const SOURCE: &'static str = "numpy.cos; definable if restricted: van den Dries 1986";
    const SAMPLES: &'static [Sample] = &[Sample::new("cos(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        wave(x)
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.cos()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(-x.sin())]
    }
}

/// `tanh(x)`, elementwise. Smooth; definable, bounded by 1.
#[derive(Debug, Clone, Default)]
pub struct Tanh;

impl Pointwise for Tanh {
    const NAME: &'static str = "tanh";
    const SIGNATURE: &'static str = "tanh(x)";
    const FORMULA: &'static str = "(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.tanh; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("tanh(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.tanh()
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(1.0 - y * y)]
    }
}

/// `sigmoid(x) = 1 / (1 + e⁻ˣ)`, elementwise. Smooth; definable, between 0 and 1.
#[derive(Debug, Clone, Default)]
pub struct Sigmoid;

impl Pointwise for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const SIGNATURE: &'static str = "sigmoid(x)";
    const FORMULA: &'static str = "1 / (1 + e⁻ˣ)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "the logistic function; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("sigmoid(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // The exponent is never positive, so nothing overflows and small values keep their digits.
        let (e, one) = ((-x.abs()).exp(), T::of(1.0));
        x.if_ge(T::of(0.0), one, e) / (one + e)
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(y * (1.0 - y))]
    }
}

/// `softplus(x) = ln(1 + eˣ)`, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Softplus;

impl Pointwise for Softplus {
    const NAME: &'static str = "softplus";
    const SIGNATURE: &'static str = "softplus(x)";
    const FORMULA: &'static str = "ln(1 + eˣ)";
    const CURVE: Curve = Curve::Increasing;
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "Dugas, Bengio, Bélisle, Nadeau, Garcia 2001; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("softplus(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        // ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|): nothing overflows.
        x.max(T::of(0.0)) + (-x.abs()).exp().ln_1p()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.sigmoid())]
    }
}

macro_rules! method {
    ($($(#[$doc:meta])* $name:ident $op:ident),* $(,)?) => {
        impl<'p> Var<'p> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Var<'p> {
                self.apply(Elementwise::<$op, 1>($op))
            }
        )*}
    };
}

pub(super) use method;

method!(
    /// eˣ, elementwise.
    exp Exp,
    /// The natural logarithm, elementwise.
    log Log,
    /// √x, elementwise; the root of a square is `abs`.
    sqrt Sqrt,
    /// x², elementwise.
    square Square,
    /// sin x, elementwise.
    sin Sin,
    /// cos x, elementwise.
    cos Cos,
    /// tanh x, elementwise.
    tanh Tanh,
    /// 1 / (1 + e⁻ˣ), elementwise.
    sigmoid Sigmoid,
    /// ln(1 + eˣ), elementwise.
    softplus Softplus,
);

impl<'p> Var<'p> {
    /// xᵖ, elementwise, for a finite number p.
    #[track_caller]
    pub fn power(self, exponent: f64) -> Var<'p> {
        self.apply_params::<Power>(&[exponent])
    }
}
