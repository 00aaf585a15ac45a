//! The ties: set-valued primitives that derivatives are written with.
//!
//! `step(u)` is here with the machinery that all ties share; the ties over axes stand beside the operators that use
//! them (`pick` in `pick.rs`, `order` in `order.rs`, `unit` in `norm.rs`).

use super::pointwise::{Elementwise, Pointwise};
use crate::error::Place;
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Linearity, Sample, Transposition};
use crate::program::real::Real;
use crate::program::tie::{Face, Met, Pieces, Tie};
use crate::tensor::{Tensor, unravel};
use std::sync::Arc;

/// `step(u)`: 1 for u > 0, 0 for u < 0, the set [0, 1] at u = 0, where the selection s is the value.
#[derive(Debug, Clone, Default)]
pub struct Step;

impl Pointwise<2> for Step {
    const NAME: &'static str = "step";
    const SIGNATURE: &'static str = "step(u, s)";
    const FORMULA: &'static str = "1 if u > 0, s if u = 0, 0 if u < 0";
    const CLASS: &'static str = "piecewise linear, discontinuous";
    const TIES: &'static str = "[0, 1] at u = 0";
    const SAMPLES: &'static [Sample] = &[];
    const UNIT: bool = true;

    fn class(&self, [u, s]: [Class; 2]) -> Class {
        Class::join(&[u, s]).piecewise_linear().bounded()
    }

    fn value<T: Real>(&self, [u, s]: [T; 2]) -> T {
        let zero = T::of(0.0);
        // The last alternative is reached by NaN alone, and keeps it.
        let below = zero.if_gt(u, zero, u);
        u.if_gt(zero, T::of(1.0), u.if_eq(zero, s, below))
    }

    // In u the step is constant off the tie; at the tie only the selected piece is differentiated. In s it is linear.
    fn slopes<'p>(&self, [u, _]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        [None, Some(u.apply(Elementwise(Tied)))]
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

impl Tie for Step {
    fn is_interval(&self) -> bool {
        true
    }

    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let met = |(i, x): (usize, &f64)| {
            (x.abs() <= tolerance).then(|| Met {
                index: unravel(i, u.shape()),
                pieces: Some(2),
                distance: x.abs(),
                beyond: f64::INFINITY,
            })
        };
        u.data().iter().enumerate().filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        Tensor::from_fn(u.shape(), |_| uniform())
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        Tensor::from_fn(u.shape(), |i| {
            let sign = dots.iter().map(|d| d.data()[i]).find(|x| *x != 0.0);
            sign.map_or(0.5, |x| if x > 0.0 { 1.0 } else { 0.0 })
        })
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let tied = u.data().iter().enumerate().filter(|(_, x)| **x == 0.0);
        tied.map(|(i, _)| Face { index: unravel(i, u.shape()), entries: vec![i], pieces: Pieces::Segment }).collect()
    }

    fn snap(&self, u: &Tensor, tolerance: f64) -> Option<Tensor> {
        Some(Tensor::from_fn(u.shape(), |i| if u.data()[i].abs() <= tolerance { 0.0 } else { u.data()[i] }))
    }
}

/// `tied(u)`: 1 where u = 0, else 0; what the step is multiplied with in its selection.
#[derive(Debug, Clone, Default)]
pub struct Tied;

impl Pointwise for Tied {
    const NAME: &'static str = "tied";
    const SIGNATURE: &'static str = "tied(u)";
    const FORMULA: &'static str = "1 if u = 0, else 0";
    const CLASS: &'static str = "piecewise linear, discontinuous";
    const SAMPLES: &'static [Sample] = &[];
    const UNIT: bool = true;

    fn class(&self, [u]: [Class; 1]) -> Class {
        u.piecewise_linear().bounded()
    }

    fn value<T: Real>(&self, [u]: [T; 1]) -> T {
        u.if_eq(T::of(0.0), T::of(1.0), u.if_eq(u, T::of(0.0), u))
    }

    fn slopes<'p>(&self, _: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [None]
    }
}

/// `guarded_mul(a, b)`: a·b, but 0 as soon as either is 0, even against an infinity or NaN.
///
/// The product of derivatives: a slope that is infinite in a branch not taken must not turn the zero of that branch
/// into NaN.
#[derive(Debug, Clone, Default)]
pub struct GuardedMul;

impl Pointwise<2> for GuardedMul {
    const NAME: &'static str = "guarded_mul";
    const SIGNATURE: &'static str = "guarded_mul(slope, tangent)";
    const FORMULA: &'static str = "0 if either is 0, else slope · tangent";
    const CLASS: &'static str = "piecewise polynomial";
    const SAMPLES: &'static [Sample] = &[];
    const UNIT: bool = true;
    const LINEARITY: Linearity = Linearity::Each;
    const GUARDS: bool = true;

    fn class(&self, x: [Class; 2]) -> Class {
        Class::product(&x)
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        let zero = T::of(0.0);
        a.if_eq(zero, zero, b.if_eq(zero, zero, a * b))
    }

    // A tangent 1 is not left out: where the slope is infinite, this product is what tells so.
    fn reduce<'p>(&self, [a, b]: [Var<'p>; 2]) -> Option<Var<'p>> {
        if a.is_everywhere(0.0) {
            Some(a)
        } else if a.is_everywhere(1.0) || b.is_everywhere(0.0) {
            Some(b)
        } else if a.known().is_some_and(|c| c.data().iter().all(|x| x.is_finite() && *x != 0.0)) {
            // Such a slope makes 0 of a tangent only if the tangent is 0: the plain product is the guarded one.
            Some(a * b)
        } else {
            None
        }
    }

    fn fused<'p>(&self, [a, b]: [Var<'p>; 2]) -> Option<Var<'p>> {
        b.is_everywhere(1.0).then_some(a)
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Var<'p> {
        // The slope stays the first argument: a singular one is looked for there.
        match at.wrt {
            0 => at.cotangent.guarded_mul(at.known(1)),
            _ => at.known(0).guarded_mul(at.cotangent),
        }
    }
}

impl<'p> Var<'p> {
    /// The tie `step`: 1 where this is positive, 0 where negative, a selection from [0, 1] at 0. Only inside the
    /// slopes of an operator.
    #[track_caller]
    pub fn step(self) -> Var<'p> {
        self.tie_of(Elementwise::<Step, 2>(Step))
    }

    /// This value through a tie, with a new selection.
    #[track_caller]
    pub(crate) fn tie_of(self, tie: impl crate::program::op::Op) -> Var<'p> {
        self.builder().tie(Arc::new(tie), self, Place::caller())
    }

    /// `self · tangent`, 0 as soon as either is 0: the product of a slope that may be infinite with a tangent.
    #[track_caller]
    pub fn guarded_mul(self, tangent: Var<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<GuardedMul, 2>(GuardedMul), &[tangent])
    }
}
