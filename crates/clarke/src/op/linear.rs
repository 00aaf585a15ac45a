//! Arithmetic: sums and products, linear in an argument, and the quotient.

use super::index::put_together;
use super::pointwise::{Elementwise, Pointwise};
use crate::program::Var;
use crate::program::class::{Class, Level};
use crate::program::op::{Linearity, Notation, Sample, Transposition};
use crate::program::real::Real;
use crate::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

const PAIR: &[(&str, &[usize])] = &[("a", &[2, 3]), ("b", &[3])];

const fn infix(symbol: &'static str, precedence: u8) -> Notation {
    Notation::Infix { symbol, precedence, right: false }
}

/// `a + b`.
#[derive(Debug, Clone, Default)]
pub struct AddOp;

impl Pointwise<2> for AddOp {
    const NAME: &'static str = "add";
    const SIGNATURE: &'static str = "a + b";
    const FORMULA: &'static str = "a + b";
    const CLASS: &'static str = "linear";
    const SAMPLES: &'static [Sample] = &[Sample::new("a + b", PAIR)];
    const NOTATION: Notation = infix("+", 10);
    const LINEARITY: Linearity = Linearity::Joint;

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x)
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a + b
    }

    fn reduce<'p>(&self, [a, b]: [Var<'p>; 2]) -> Option<Var<'p>> {
        if b.is_everywhere(0.0) {
            Some(a)
        } else if a.is_everywhere(0.0) {
            Some(b)
        } else {
            put_together(a, b)
        }
    }
}

/// `a - b`.
#[derive(Debug, Clone, Default)]
pub struct Subtract;

impl Pointwise<2> for Subtract {
    const NAME: &'static str = "subtract";
    const SIGNATURE: &'static str = "a - b";
    const FORMULA: &'static str = "a − b";
    const CLASS: &'static str = "linear";
    const SAMPLES: &'static [Sample] = &[Sample::new("a - b", PAIR), Sample::new("1 - b", PAIR)];
    const NOTATION: Notation = infix("-", 10);
    const LINEARITY: Linearity = Linearity::Joint;

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x)
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a - b
    }

    fn reduce<'p>(&self, [a, b]: [Var<'p>; 2]) -> Option<Var<'p>> {
        if b.is_everywhere(0.0) {
            Some(a)
        } else if a.is_everywhere(0.0) {
            Some(-b)
        } else if a.is(&b) && a.builder().assumes_finite() {
            Some(a.constant(0.0))
        } else {
            None
        }
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Var<'p> {
        if at.wrt == 0 { at.cotangent } else { -at.cotangent }
    }
}

/// `-a`.
#[derive(Debug, Clone, Default)]
pub struct Negative;

impl Pointwise for Negative {
    const NAME: &'static str = "negative";
    const SIGNATURE: &'static str = "-a";
    const FORMULA: &'static str = "−a";
    const CLASS: &'static str = "linear";
    const SAMPLES: &'static [Sample] = &[Sample::new("-a", &[("a", &[3])])];
    const NOTATION: Notation = Notation::Prefix("-");
    const LINEARITY: Linearity = Linearity::Joint;

    fn class(&self, [a]: [Class; 1]) -> Class {
        a
    }

    fn value<T: Real>(&self, [a]: [T; 1]) -> T {
        -a
    }

    fn reduce<'p>(&self, [a]: [Var<'p>; 1]) -> Option<Var<'p>> {
        a.made_by(Self::NAME).map(|(_, args)| args[0])
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Var<'p> {
        -at.cotangent
    }
}

/// `a * b`.
#[derive(Debug, Clone, Default)]
pub struct Multiply;

impl Pointwise<2> for Multiply {
    const NAME: &'static str = "multiply";
    const SIGNATURE: &'static str = "a * b";
    const FORMULA: &'static str = "a · b";
    const CLASS: &'static str = "piecewise polynomial (linear if a or b is constant)";
    const SAMPLES: &'static [Sample] = &[Sample::new("a * b", PAIR), Sample::new("a * a", PAIR)];
    const NOTATION: Notation = infix("*", 11);
    const LINEARITY: Linearity = Linearity::Each;

    fn class(&self, x: [Class; 2]) -> Class {
        Class::product(&x)
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a * b
    }

    // 0·x = 0 only where x is known to be finite: otherwise the value might change.
    fn reduce<'p>(&self, [a, b]: [Var<'p>; 2]) -> Option<Var<'p>> {
        let one = |x: Var<'p>, y: Var<'p>| {
            if x.is_everywhere(1.0) {
                Some(y)
            } else if x.is_everywhere(-1.0) {
                Some(-y)
            } else if x.is_everywhere(0.0) && x.builder().assumes_finite() {
                Some(x)
            } else {
                None
            }
        };
        one(a, b).or_else(|| one(b, a))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Var<'p> {
        at.cotangent * at.known(1 - at.wrt)
    }
}

/// `a / b`. Smooth where b ≠ 0; not Lipschitz at b = 0.
#[derive(Debug, Clone, Default)]
pub struct Divide;

impl Pointwise<2> for Divide {
    const NAME: &'static str = "divide";
    const SIGNATURE: &'static str = "a / b";
    const FORMULA: &'static str = "a / b";
    const CLASS: &'static str = "semialgebraic (linear if b is constant)";
    const SOURCE: &'static str = "numpy.divide";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("a / b", PAIR).on(0.5, 2.0),
        Sample::new("a / 3", &[("a", &[3])]),
        Sample::new("1 / b", &[("b", &[3])]).on(0.5, 2.0),
    ];
    const NOTATION: Notation = infix("/", 11);

    fn class(&self, [a, b]: [Class; 2]) -> Class {
        match b.level {
            Level::Constant => a,
            // A bounded denominator may come close to 0.
            _ => Class::join(&[a, b]).semialgebraic().unbounded(),
        }
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a / b
    }

    fn slopes<'p>(&self, [_, b]: [Var<'p>; 2], y: Var<'p>) -> [Option<Var<'p>>; 2] {
        // A constant denominator has a constant slope, of which it can be seen that it is not singular.
        let inverse = match b.known() {
            Some(c) => b.constant(Tensor::from_fn(c.shape(), |i| 1.0 / c.data()[i])),
            None => 1.0 / b,
        };
        [Some(inverse), Some(-(y / b))]
    }

    fn reduce<'p>(&self, [a, b]: [Var<'p>; 2]) -> Option<Var<'p>> {
        if b.is_everywhere(1.0) {
            Some(a)
        } else if b.is_everywhere(-1.0) {
            Some(-a)
        } else {
            None
        }
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:ident),* $(,)?) => {$(
        impl<'p> $trait for Var<'p> {
            type Output = Var<'p>;
            #[track_caller]
            fn $method(self, other: Var<'p>) -> Var<'p> {
                self.apply_with(Elementwise::<$op, 2>($op), &[other])
            }
        }
        impl<'p> $trait<f64> for Var<'p> {
            type Output = Var<'p>;
            #[track_caller]
            fn $method(self, other: f64) -> Var<'p> {
                let other = self.constant(other);
                self.apply_with(Elementwise::<$op, 2>($op), &[other])
            }
        }
        impl<'p> $trait<Var<'p>> for f64 {
            type Output = Var<'p>;
            #[track_caller]
            fn $method(self, other: Var<'p>) -> Var<'p> {
                let own = other.constant(self);
                own.apply_with(Elementwise::<$op, 2>($op), &[other])
            }
        }
    )*};
}

operator!(Add add AddOp, Sub sub Subtract, Mul mul Multiply, Div div Divide);

impl<'p> Neg for Var<'p> {
    type Output = Var<'p>;
    #[track_caller]
    fn neg(self) -> Var<'p> {
        self.apply(Elementwise(Negative))
    }
}
