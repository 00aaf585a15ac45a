//! Where derivatives end: functions of isolated values, which have none to offer, and the identity that stops them.

use super::pointwise::{Elementwise, Pointwise};
use super::smooth::method;
use crate::error::Result;
use crate::program::Var;
use crate::program::class::{Class, Level};
use crate::program::op::{Derivative, Linearization, Sample};
use crate::program::real::Real;

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// The class of a staircase: finitely many pieces only where the argument stays in a bounded set.
fn staircase(x: Class) -> Class {
    x.raise(if x.bounded { Level::PiecewiseLinear } else { Level::Unknown })
}

/// The error of a derivative of a function that is constant between its jumps.
fn no_derivative(at: &Linearization<'_, '_>, name: &str, jumps: &str) -> crate::Error {
    let why = format!(
        "it jumps {jumps} and is constant between, so its slope 0 says nothing about it; if it is meant as a constant, \
         write stop_gradient({name}(x)); to let the gradient pass as if it were not there, x + stop_gradient({name}(x) - x)"
    );
    at.fault(name, &why)
}

macro_rules! jumping {
    ($($(#[$doc:meta])* $op:ident $name:literal $formula:literal $class:literal $source:literal $jumps:literal
       |$c:ident| $tame:expr, |$x:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $op;

        impl Pointwise for $op {
            const NAME: &'static str = $name;
            const SIGNATURE: &'static str = concat!($name, "(x)");
            const FORMULA: &'static str = $formula;
            const CLASS: &'static str = $class;
            const SOURCE: &'static str = $source;
            const SAMPLES: &'static [Sample] = &[
                Sample::new(concat!($name, "(x)"), X).deriving(Derivative::Missing),
                Sample::new(concat!("x * stop_gradient(", $name, "(x))"), X).deriving(Derivative::ByDefinition),
            ];

            fn class(&self, [$c]: [Class; 1]) -> Class {
                $tame
            }

            fn value<T: Real>(&self, [$x]: [T; 1]) -> T {
                $value
            }

            fn tangent<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
                Err(no_derivative(at, $name, $jumps))
            }
        }
    )*};
}

jumping! {
    /// `floor(x)`: the largest integer not above x, elementwise. It jumps at the integers: a derivative is an error
    /// (the frameworks return 0), unless `stop_gradient` is applied to it.
    Floor "floor" "the largest integer ≤ x" "piecewise linear if x is bounded, else unknown; discontinuous"
        "numpy.floor; no derivative, but under stop_gradient" "at the integers"
        |x| staircase(x), |x| x.floor();
    /// `ceil(x)`: the smallest integer not below x, elementwise. It jumps at the integers: a derivative is an error
    /// (the frameworks return 0), unless `stop_gradient` is applied to it.
    Ceil "ceil" "the smallest integer ≥ x" "piecewise linear if x is bounded, else unknown; discontinuous"
        "numpy.ceil; no derivative, but under stop_gradient" "at the integers"
        |x| staircase(x), |x| -(-x).floor();
    /// `round(x)`: the nearest integer, of two the even one, elementwise. It jumps half-way between the integers: a
    /// derivative is an error (the frameworks return 0), unless `stop_gradient` is applied to it.
    Round "round" "the nearest integer, of two the even one"
        "piecewise linear if x is bounded, else unknown; discontinuous"
        "numpy.round; no derivative, but under stop_gradient" "half-way between the integers"
        |x| staircase(x), |x| x.round();
    /// `sign(x)`: 1 for x > 0, 0 at 0, −1 for x < 0, elementwise. It jumps at 0: a derivative is an error (the
    /// frameworks return 0), unless `stop_gradient` is applied to it.
    Sign "sign" "1 if x > 0, 0 if x = 0, −1 if x < 0" "piecewise linear, discontinuous"
        "numpy.sign; no derivative, but under stop_gradient" "at 0"
        |x| x.piecewise_linear().bounded(), |x| {
            // The last alternative is reached by NaN alone, and keeps it.
            let (zero, one) = (T::of(0.0), T::of(1.0));
            x.if_gt(zero, one, zero.if_gt(x, -one, x.if_eq(zero, zero, x)))
        };
}

/// `stop_gradient(x) = x`, elementwise, whose derivative is 0 by definition: x counts as a constant. Under every policy.
///
/// What is asked for a derivative is then no longer that of the value. What leads into it alone needs no derivative, so it
/// may hold `round`, `floor`, `sign`.
#[derive(Debug, Clone, Default)]
pub struct StopGradient;

impl Pointwise for StopGradient {
    const NAME: &'static str = "stop_gradient";
    const SIGNATURE: &'static str = "stop_gradient(x)";
    const FORMULA: &'static str = "x, held constant by derivatives";
    const CLASS: &'static str = "that of its argument";
    const SOURCE: &'static str = "jax.lax.stop_gradient; torch.Tensor.detach";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("stop_gradient(x)", X).deriving(Derivative::ByDefinition),
        Sample::new("x * stop_gradient(abs(x))", X).deriving(Derivative::ByDefinition),
    ];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x
    }

    fn stops(&self) -> bool {
        true
    }
}

method!(
    /// The largest integer not above x, elementwise; without derivative.
    floor Floor,
    /// The smallest integer not below x, elementwise; without derivative.
    ceil Ceil,
    /// The nearest integer, of two the even one, elementwise; without derivative.
    round Round,
    /// 1, 0 or −1, elementwise; without derivative.
    sign Sign,
    /// x, held constant by derivatives.
    stop_gradient StopGradient,
);
