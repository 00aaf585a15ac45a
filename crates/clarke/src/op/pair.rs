//! Elementwise functions of two arguments with a set of their own: the power and the Euclidean norm of a pair.

use super::axes::Axes;
use super::pointwise::{Elementwise, IntoVar, Pointwise, weighted};
use super::tie::Tied;
use crate::error::Result;
use crate::program::Var;
use crate::program::class::{Class, Level};
use crate::program::interval::Interval;
use crate::program::op::{Curve, Linearization, Sample};
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};

/// `pow(a, b) = aᵇ`, elementwise, for an exponent that is a variable; also written `a ** b`. Smooth where a > 0; NaN for
/// a < 0 unless b is an integer, and then without a derivative in b. Definable (semialgebraic if b is constant).
///
/// At a = 0: smooth where b > 1. For b ≥ 1 the function is Lipschitz, and at (0, 1) its set is [0, 1] × {0}. For b < 1 it
/// is not Lipschitz. Where the exponent does not vary there is no tie: the slope at a = 0 is 1 for the exponent 1.
/// Unlike IEEE's pow, NaN ** 0 and 1 ** NaN are NaN. For an exponent that is a number written out: `power`.
#[derive(Debug, Clone, Default)]
pub struct Pow;

impl Pow {
    /// b·aᵇ⁻¹. Under an exponent 0 the value is 1, and the slope 0 also at a = 0.
    fn in_base<'p>(a: Var<'p>, b: Var<'p>) -> Var<'p> {
        b.guarded_mul(a.pow(b - 1.0))
    }
}

impl Pointwise<2> for Pow {
    const NAME: &'static str = "pow";
    const SIGNATURE: &'static str = "pow(a, b)";
    const FORMULA: &'static str = "aᵇ for a ≥ 0";
    const CLASS: &'static str = "definable (semialgebraic if b is constant)";
    const TIES: &'static str = "[0, 1] × {0} at (0, 1), for b ≥ 1, where b varies";
    const SOURCE: &'static str = "numpy.power; definable by Wilkie 1996";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("a ** b", &[("a", &[2, 3]), ("b", &[3])]).on(0.5, 2.0),
        Sample::new("2 ** b", &[("b", &[3])]),
        Sample::new("a ** [1, 2, 3]", &[("a", &[3])]),
        // Around a = 0 with an exponent that is 1 and varies, as far as the rule for derivatives can tell.
        Sample::new("abs(a) ** (1 + 0 * b)", &[("a", &[3]), ("b", &[3])]),
    ];

    fn class(&self, [a, b]: [Class; 2]) -> Class {
        // A floating-point exponent is a rational number.
        let level = if b.level == Level::Constant { Level::Semialgebraic } else { Level::Definable };
        Class::join(&[a, b]).raise(level).unbounded()
    }

    fn singular(&self) -> bool {
        true
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a.if_eq(a, b.if_eq(b, a.powf(b), b), a)
    }

    fn tangent<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (a, b) = (at.args[0], at.args[1]);
        Ok(weighted(at, true, || {
            if at.tangents[1].is_none() {
                return [Some(Pow::in_base(a, b)), None];
            }
            let corner = a.apply_with(Elementwise::<Corner, 2>(Corner), &[b]).step();
            // aᵇ ln a, which tends to 0 where aᵇ is 0.
            [Some(corner * Pow::in_base(a, b)), Some(at.out.guarded_mul(a.log()))]
        }))
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        // All frameworks evaluate b·aᵇ⁻¹, with 0⁰ = 1.
        Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 })
    }
}

/// `corner(a, b)`: a where b = 1, else 1, for a ≥ 0: 0 exactly at (0, 1), where `pow` has its tie.
#[derive(Debug, Clone, Default)]
pub struct Corner;

impl Pointwise<2> for Corner {
    const NAME: &'static str = "corner";
    const SIGNATURE: &'static str = "corner(a, b)";
    const FORMULA: &'static str = "|a| if b = 1, else 1";
    const CLASS: &'static str = "piecewise linear, discontinuous";
    const SOURCE: &'static str = "where pow has its tie";
    const SAMPLES: &'static [Sample] = &[];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).piecewise_linear()
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        let one = T::of(1.0);
        b.if_eq(one, a.abs(), b.if_eq(b, one, b))
    }

    // For a ≥ 0; it says in which direction a leaves the tie.
    fn slopes<'p>(&self, [_, b]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        [Some((b - 1.0).apply(Elementwise(Tied))), None]
    }
}

/// `hypot(a, b) = √(a² + b²)`, elementwise, without overflow or underflow of the squares. Clarke: (a, b)/‖(a, b)‖ off 0,
/// the unit disc at (0, 0). Semialgebraic.
#[derive(Debug, Clone, Default)]
pub struct Hypot;

impl Pointwise<2> for Hypot {
    const NAME: &'static str = "hypot";
    const SIGNATURE: &'static str = "hypot(a, b)";
    const FORMULA: &'static str = "√(a² + b²)";
    const CURVE: Curve = Curve::Convex;
    const CLASS: &'static str = "semialgebraic";
    const TIES: &'static str = "the unit disc at (0, 0)";
    const SOURCE: &'static str = "numpy.hypot; Rockafellar, Wets 1998, Exercise 8.27";
    const SAMPLES: &'static [Sample] =
        &[Sample::new("hypot(a, b)", &[("a", &[2, 3]), ("b", &[3])]), Sample::new("hypot(a, 3)", &[("a", &[3])])];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).semialgebraic()
    }

    // The formula divides by the larger one.
    fn enclose(&self, [a, b]: [Interval; 2]) -> Option<Interval> {
        Some(super::enclosure::norm([a, b].into_iter()))
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        let (one, large) = (T::of(1.0), a.abs().max(b.abs()));
        // Two zeros, or two infinities, have no ratio; equal numbers do not need it.
        let ratio = a.abs().if_eq(b.abs(), one, a.abs().min(b.abs()) / large);
        large * (one + ratio * ratio).sqrt()
    }

    fn tangent<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let shape = at.out.shape();
        let pair = at.args[0].broadcast_to(&shape).stack(&[at.args[1].broadcast_to(&shape)], 0);
        let unit = pair.unit(&Axes::one(0));
        let term = |k: usize| Some(unit.get(k).guarded_mul(at.tangents[k]?));
        Ok((0..2).filter_map(term).reduce(|a, b| a + b))
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        match convention {
            Convention::MinNorm => Choice::plain(0.0),
            Convention::PyTorch => Choice::instead(0.0, "PyTorch returns NaN here: it divides by the norm"),
            // (1/2, 1/2), which is in the disc.
            Convention::Jax => Choice::plain(0.5),
            Convention::TensorFlow => {
                Choice::instead(0.0, "TensorFlow has no hypot; √(a² + b²) has the slope NaN here there")
            }
        }
    }
}

impl<'p> Var<'p> {
    /// aᵇ, elementwise, for an exponent that may vary; `power` takes a number.
    #[track_caller]
    pub fn pow(self, exponent: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<Pow, 2>(Pow), &[exponent.into_var(self)])
    }

    /// `√(a² + b²)`, elementwise.
    #[track_caller]
    pub fn hypot(self, other: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<Hypot, 2>(Hypot), &[other.into_var(self)])
    }
}
