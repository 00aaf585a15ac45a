//! Trigonometric and hyperbolic functions and their inverses, elementwise.

use super::pointwise::{Elementwise, IntoVar, Pointwise};
use super::smooth::{method, wave};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Boundary, BoundaryKind, Derivative, Sample};
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};

const X: &[(&str, &[usize])] = &[("x", &[3])];

/// `tan(x)`, elementwise. Smooth between its poles, which no floating-point number is; definable if x is bounded.
#[derive(Debug, Clone, Default)]
pub struct Tan;

impl Pointwise for Tan {
    const NAME: &'static str = "tan";
    const SIGNATURE: &'static str = "tan(x)";
    const FORMULA: &'static str = "sin x / cos x";
    const CLASS: &'static str = "definable if x is bounded, else unknown";
    const SOURCE: &'static str = "numpy.tan; definable if restricted: van den Dries 1986";
    const SAMPLES: &'static [Sample] = &[Sample::new("tan(x)", X).on(-1.2, 1.2)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        wave(x).unbounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.tan()
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], y: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(1.0 + y * y)]
    }
}

/// 1/√(1 − x²), without the loss of digits of 1 − x² near ±1.
fn inverse_cosine_of_arcsine(x: Var<'_>) -> Var<'_> {
    1.0 / ((1.0 - x) * (1.0 + x)).sqrt()
}

/// `arcsin(x)`, elementwise: the angle in [−π/2, π/2]. Smooth for |x| < 1, not Lipschitz at ±1, NaN outside. Definable.
#[derive(Debug, Clone, Default)]
pub struct Arcsin;

impl Pointwise for Arcsin {
    const NAME: &'static str = "arcsin";
    const SIGNATURE: &'static str = "arcsin(x)";
    const FORMULA: &'static str = "the angle in [−π/2, π/2] whose sine is x";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.arcsin; the inverse of a definable function";
    const SAMPLES: &'static [Sample] = &[Sample::new("arcsin(x)", X).on(-0.8, 0.8)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.asin()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(inverse_cosine_of_arcsine(x))]
    }
}

/// `arccos(x)`, elementwise: the angle in [0, π]. Smooth for |x| < 1, not Lipschitz at ±1, NaN outside. Definable.
#[derive(Debug, Clone, Default)]
pub struct Arccos;

impl Pointwise for Arccos {
    const NAME: &'static str = "arccos";
    const SIGNATURE: &'static str = "arccos(x)";
    const FORMULA: &'static str = "the angle in [0, π] whose cosine is x";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.arccos; the inverse of a definable function";
    const SAMPLES: &'static [Sample] = &[Sample::new("arccos(x)", X).on(-0.8, 0.8)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.acos()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(-inverse_cosine_of_arcsine(x))]
    }
}

/// `arctan(x)`, elementwise: the angle in [−π/2, π/2]. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Arctan;

impl Pointwise for Arctan {
    const NAME: &'static str = "arctan";
    const SIGNATURE: &'static str = "arctan(x)";
    const FORMULA: &'static str = "the angle in [−π/2, π/2] whose tangent is x";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.arctan; the inverse of a definable function";
    const SAMPLES: &'static [Sample] = &[Sample::new("arctan(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.atan()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(1.0 / (1.0 + x * x))]
    }
}

/// `arctan2(y, x)`, elementwise: the angle in [−π, π] of the point (x, y). Smooth off the half-line y = 0, x < 0; there it
/// jumps by 2π, and at (0, 0) it is not Lipschitz: a derivative is an error. Definable.
///
/// The derivative off the half-line is (x, −y)/(x² + y²), without overflow or underflow of the squares.
#[derive(Debug, Clone, Default)]
pub struct Arctan2;

impl Pointwise<2> for Arctan2 {
    const NAME: &'static str = "arctan2";
    const SIGNATURE: &'static str = "arctan2(y, x)";
    const FORMULA: &'static str = "the angle in [−π, π] of the point (x, y)";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.arctan2; jumps where y = 0 and x < 0, no derivative there and at (0, 0)";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("arctan2(y, x)", &[("y", &[2, 3]), ("x", &[3])]).on(0.5, 2.0),
        Sample::new("arctan2(y, x - 2.25)", &[("y", &[3]), ("x", &[3])]).deriving(Derivative::OffJumps),
    ];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).definable().bounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [y, x]: [T; 2]) -> T {
        y.atan2(x)
    }

    fn slopes<'p>(&self, [y, x]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        // The step is 1 everywhere; its tie is met on the cut, where there is no derivative to choose.
        let off = y.apply_with(Elementwise::<Cut, 2>(Cut), &[x]).step();
        let inverted = |a: Var<'p>, b: Var<'p>| a.apply_with(Elementwise::<Inversion, 2>(Inversion), &[b]);
        [Some(off * inverted(x, y)), Some(-(off * inverted(y, x)))]
    }

    fn choice(&self, _: usize, _: Convention) -> Choice {
        Choice::instead(0.0, "the frameworks continue the derivative across the jump at y = 0, x < 0")
    }

    fn boundary(&self) -> Option<&dyn Boundary> {
        Some(self)
    }
}

impl Boundary for Arctan2 {
    fn at(&self, _: &[f64]) -> BoundaryKind {
        BoundaryKind::Jump(std::f64::consts::PI, -std::f64::consts::PI)
    }
}

/// `cut(y, x)`: 0 exactly on the cut of arctan2, the half-line y = 0, x < 0; |y| where x < 0, else 1. Positive off the cut,
/// and only compared with 0: it has no slope.
#[derive(Debug, Clone, Default)]
pub struct Cut;

impl Pointwise<2> for Cut {
    const NAME: &'static str = "cut";
    const SIGNATURE: &'static str = "cut(y, x)";
    const FORMULA: &'static str = "|y| if x < 0, else 1";
    const CLASS: &'static str = "piecewise linear, discontinuous";
    const SOURCE: &'static str = "where arctan2 jumps";
    const SAMPLES: &'static [Sample] = &[];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).piecewise_linear()
    }

    fn value<T: Real>(&self, [y, x]: [T; 2]) -> T {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        // The last alternative is reached by NaN alone, and keeps it.
        zero.if_gt(x, y.abs(), x.if_ge(zero, one, x))
    }
}

/// `inversion(a, b) = a/(a² + b²)`: the first coordinate of the inversion in the unit circle, of which the derivatives of
/// arctan2 are made, and its own.
///
/// The squares neither overflow nor underflow: both numbers are scaled by the larger one.
#[derive(Debug, Clone, Default)]
pub struct Inversion;

impl Pointwise<2> for Inversion {
    const NAME: &'static str = "inversion";
    const SIGNATURE: &'static str = "inversion(a, b)";
    const FORMULA: &'static str = "a / (a² + b²)";
    const CLASS: &'static str = "semialgebraic";
    const SOURCE: &'static str = "the derivative of arctan2";
    const SAMPLES: &'static [Sample] = &[];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).semialgebraic().unbounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        let top = a.abs().max(b.abs());
        let (a, b) = (a / top, b / top);
        a / (a * a + b * b) / top
    }

    // With q(a, b) = a/(a² + b²): ∂q/∂a = q(b, a)² − q(a, b)², ∂q/∂b = −2 q(a, b) q(b, a).
    fn slopes<'p>(&self, [a, b]: [Var<'p>; 2], q: Var<'p>) -> [Option<Var<'p>>; 2] {
        let other = b.apply_with(Elementwise::<Inversion, 2>(Inversion), &[a]);
        [Some((other - q) * (other + q)), Some(-2.0 * (q * other))]
    }
}

/// `sinh(x)`, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Sinh;

impl Pointwise for Sinh {
    const NAME: &'static str = "sinh";
    const SIGNATURE: &'static str = "sinh(x)";
    const FORMULA: &'static str = "(eˣ − e⁻ˣ) / 2";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.sinh; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("sinh(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.sinh()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.cosh())]
    }
}

/// `cosh(x)`, elementwise. Smooth; definable.
#[derive(Debug, Clone, Default)]
pub struct Cosh;

impl Pointwise for Cosh {
    const NAME: &'static str = "cosh";
    const SIGNATURE: &'static str = "cosh(x)";
    const FORMULA: &'static str = "(eˣ + e⁻ˣ) / 2";
    const CLASS: &'static str = "definable";
    const SOURCE: &'static str = "numpy.cosh; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[Sample::new("cosh(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.cosh()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.sinh())]
    }
}

method!(
    /// tan x, elementwise.
    tan Tan,
    /// The angle in [−π/2, π/2] whose sine is x, elementwise.
    arcsin Arcsin,
    /// The angle in [0, π] whose cosine is x, elementwise.
    arccos Arccos,
    /// The angle in [−π/2, π/2] whose tangent is x, elementwise.
    arctan Arctan,
    /// sinh x, elementwise.
    sinh Sinh,
    /// cosh x, elementwise.
    cosh Cosh,
);

impl<'p> Var<'p> {
    /// The angle in [−π, π] of the point (x, self), elementwise.
    #[track_caller]
    pub fn arctan2(self, x: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<Arctan2, 2>(Arctan2), &[x.into_var(self)])
    }
}
