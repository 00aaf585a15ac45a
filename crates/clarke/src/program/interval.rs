//! Intervals as numbers: the value of every operator runs on them, rounded outwards.
//!
//! An interval holds every value that a formula takes, in exact arithmetic, for numbers taken from its arguments. Infinite
//! ends belong to it, so what 0 · ∞ may make NaN is the whole line; and the whole line stands for everything, NaN too, and
//! stays what it is until a selection, or a guarded product with 0, leaves it out.

mod functions;
pub(crate) mod product;
mod rounding;

use super::elementary::{Formulas, double};
use super::lanes::{Job, Level, Plain};
use super::op::{Compiler, Kernel, Kernels};
use super::real::{Real, Scalar};
use crate::tensor::Boxes;
use functions::{decreasing, increasing, within};
use rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up};
use std::cell::Cell;
use std::cmp::Ordering;
use std::f64::consts::FRAC_PI_2;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A closed interval of extended real numbers, `lo ≤ hi`.
///
/// +, −, ·, / and √ are rounded to the next number outwards, and not at all where they are exact. Values of elementary
/// functions are moved by 8 to 16 units in the last place, twice their errors.
///
/// As the numbers of a kernel, intervals are compared: where the answer is not certain, the kernel's result is void, and
/// `decided` says so. So a kernel that looks at numbers cannot return a wrong enclosure, only none.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    lo: f64,
    hi: f64,
}

thread_local! {
    static UNDECIDED: Cell<bool> = const { Cell::new(false) };
}

/// The result of a computation with intervals in which every comparison was certain; else None.
pub(crate) fn decided<R>(f: impl FnOnce() -> R) -> Option<R> {
    let before = UNDECIDED.replace(false);
    let result = f();
    let undecided = UNDECIDED.replace(before);
    (!undecided).then_some(result)
}

impl Interval {
    /// The whole line, for all that is not known or not defined.
    pub const WHOLE: Interval = Interval { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// From lo to hi; the whole line if one of them is NaN.
    #[inline(always)]
    pub fn new(lo: f64, hi: f64) -> Interval {
        debug_assert!(lo <= hi || lo.is_nan() || hi.is_nan(), "an interval from {lo} to {hi}");
        if lo.is_nan() || hi.is_nan() { Interval::WHOLE } else { Interval { lo, hi } }
    }

    /// A single number; the whole line if it is NaN.
    #[inline(always)]
    pub fn point(x: f64) -> Interval {
        Interval::new(x, x)
    }

    /// The lower end.
    #[inline(always)]
    pub fn lo(self) -> f64 {
        self.lo
    }

    /// The upper end.
    #[inline(always)]
    pub fn hi(self) -> f64 {
        self.hi
    }

    /// Whether it is a single number.
    #[inline(always)]
    pub fn is_point(self) -> bool {
        self.lo == self.hi
    }

    /// Whether it is the whole line.
    #[inline(always)]
    pub fn is_whole(self) -> bool {
        self.lo == f64::NEG_INFINITY && self.hi == f64::INFINITY
    }

    /// Whether both ends are finite.
    #[inline(always)]
    pub fn is_bounded(self) -> bool {
        self.lo > f64::NEG_INFINITY && self.hi < f64::INFINITY
    }

    /// Whether it holds x; the whole line holds NaN.
    pub fn contains(self, x: f64) -> bool {
        self.is_whole() || (self.lo <= x && x <= self.hi)
    }

    /// The smallest interval that holds both.
    #[inline(always)]
    pub fn hull(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// x² for all x of it.
    #[inline(always)]
    pub fn square(self) -> Interval {
        let x = self.magnitude();
        Interval::new(mul_down(x.lo, x.lo), mul_up(x.hi, x.hi))
    }

    /// |x| for all x of it, the whole line included: then from 0 on.
    #[inline(always)]
    fn magnitude(self) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            -self
        } else {
            Interval { lo: 0.0, hi: self.hi.max(-self.lo) }
        }
    }

    /// `f` unless this is the whole line, which stays.
    #[inline(always)]
    fn known(self, f: impl FnOnce(Interval) -> Interval) -> Interval {
        if self.is_whole() { self } else { f(self) }
    }

    /// The part of it that lies in another, which it meets: both hold the same numbers.
    pub(crate) fn meet(self, other: Interval) -> Interval {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        if lo <= hi { Interval { lo, hi } } else { self }
    }

    /// The largest |x| of it.
    pub(crate) fn most(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// Every number that is not further than `distance` away.
    pub(crate) fn widened(self, distance: f64) -> Interval {
        Interval::new(add_down(self.lo, -distance), add_up(self.hi, distance))
    }

    /// A number of it, near the middle; NaN if it has no middle.
    pub(crate) fn middle(self) -> f64 {
        if self.is_point() { self.lo } else { 0.5 * self.lo + 0.5 * self.hi }
    }

    /// Whether a comparison with another gives the same answer for all numbers of the two.
    fn is_apart_or_points(self, other: Interval) -> bool {
        self.hi < other.lo || self.lo > other.hi || (self.is_point() && other.is_point())
    }
}

impl Boxes {
    /// Entry by entry as intervals.
    pub fn intervals(&self) -> Vec<Interval> {
        std::iter::zip(self.lo().data(), self.hi().data()).map(|(l, h)| Interval::new(*l, *h)).collect()
    }

    /// From intervals in row-major order, as many as the shape holds.
    pub fn of_intervals(shape: &[usize], x: &[Interval]) -> Boxes {
        Boxes::from_fn(shape, |i| (x[i].lo, x[i].hi))
    }
}

fn undecided() {
    UNDECIDED.set(true);
}

impl Default for Interval {
    fn default() -> Interval {
        Interval::point(0.0)
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Interval) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Interval {
    // By the lower ends, which is an order whatever is asked, and the answer where it is certain.
    fn partial_cmp(&self, other: &Interval) -> Option<Ordering> {
        if !self.is_apart_or_points(*other) {
            undecided();
        }
        self.lo.partial_cmp(&other.lo)
    }
}

impl Neg for Interval {
    type Output = Interval;
    #[inline(always)]
    fn neg(self) -> Interval {
        Interval { lo: -self.hi, hi: -self.lo }
    }
}

impl Add for Interval {
    type Output = Interval;
    #[inline(always)]
    fn add(self, other: Interval) -> Interval {
        Interval::new(add_down(self.lo, other.lo), add_up(self.hi, other.hi))
    }
}

impl Sub for Interval {
    type Output = Interval;
    #[inline(always)]
    fn sub(self, other: Interval) -> Interval {
        self + -other
    }
}

/// Whether 0 and an infinity meet.
#[inline(always)]
fn zero_meets_infinity(a: Interval, b: Interval) -> bool {
    !b.is_bounded() && a.lo <= 0.0 && a.hi >= 0.0
}

impl Mul for Interval {
    type Output = Interval;
    #[inline(always)]
    fn mul(self, other: Interval) -> Interval {
        let (a, b) = (self, other);
        if zero_meets_infinity(a, b) || zero_meets_infinity(b, a) {
            Interval::WHOLE
        } else if b.lo >= 0.0 {
            times_positive(a, b)
        } else if b.hi <= 0.0 {
            times_positive(-a, -b)
        } else if a.lo >= 0.0 {
            times_positive(b, a)
        } else if a.hi <= 0.0 {
            times_positive(-b, -a)
        } else {
            let (low, high) =
                (mul_down(a.lo, b.hi).min(mul_down(a.hi, b.lo)), mul_up(a.lo, b.lo).max(mul_up(a.hi, b.hi)));
            Interval::new(low, high)
        }
    }
}

/// a · b for b ≥ 0.
#[inline(always)]
fn times_positive(a: Interval, b: Interval) -> Interval {
    let low = mul_down(a.lo, if a.lo >= 0.0 { b.lo } else { b.hi });
    let high = mul_up(a.hi, if a.hi >= 0.0 { b.hi } else { b.lo });
    Interval::new(low, high)
}

impl Div for Interval {
    type Output = Interval;
    #[inline(always)]
    fn div(self, other: Interval) -> Interval {
        if (other.lo <= 0.0 && other.hi >= 0.0) || !(self.is_bounded() || other.is_bounded()) {
            return Interval::WHOLE;
        }
        let (a, b) = if other.lo > 0.0 { (self, other) } else { (-self, -other) };
        let low = div_down(a.lo, if a.lo >= 0.0 { b.hi } else { b.lo });
        let high = div_up(a.hi, if a.hi >= 0.0 { b.lo } else { b.hi });
        Interval::new(low, high)
    }
}

impl Real for Interval {
    #[inline(always)]
    fn of(x: f64) -> Interval {
        Interval::point(x)
    }
    #[inline(always)]
    fn abs(self) -> Interval {
        self.known(Interval::magnitude)
    }
    fn sqrt(self) -> Interval {
        within(self, 0.0, f64::INFINITY, |x| Interval::new(rounding::sqrt(x.lo).0, rounding::sqrt(x.hi).1))
    }
    fn exp(self) -> Interval {
        self.known(|x| {
            let y = increasing(x, double::exp, 0.0);
            Interval::new(y.lo.max(0.0), y.hi)
        })
    }
    fn ln(self) -> Interval {
        within(self, 0.0, f64::INFINITY, |x| increasing(x, double::ln, 1.0))
    }
    fn exp_m1(self) -> Interval {
        self.known(|x| {
            let y = increasing(x, double::exp_m1, 0.0);
            Interval::new(y.lo.max(-1.0), y.hi)
        })
    }
    fn ln_1p(self) -> Interval {
        within(self, -1.0, f64::INFINITY, |x| increasing(x, double::ln_1p, 0.0))
    }
    fn sin(self) -> Interval {
        functions::wave(self, double::sin, FRAC_PI_2)
    }
    fn cos(self) -> Interval {
        functions::wave(self, double::cos, 0.0)
    }
    fn tan(self) -> Interval {
        functions::tan(self)
    }
    fn asin(self) -> Interval {
        within(self, -1.0, 1.0, |x| increasing(x, double::asin, 0.0))
    }
    fn acos(self) -> Interval {
        within(self, -1.0, 1.0, |x| decreasing(x, double::acos, 1.0))
    }
    fn atan(self) -> Interval {
        self.known(|x| increasing(x, double::atan, 0.0))
    }
    fn atan2(self, x: Interval) -> Interval {
        functions::atan2(self, x)
    }
    fn sinh(self) -> Interval {
        self.known(|x| increasing(x, double::sinh, 0.0))
    }
    fn cosh(self) -> Interval {
        self.known(|x| {
            let y = increasing(x.magnitude(), double::cosh, 0.0);
            Interval::new(y.lo.max(1.0), y.hi)
        })
    }
    fn tanh(self) -> Interval {
        self.known(|x| {
            let y = increasing(x, double::tanh, 0.0);
            Interval::new(y.lo.max(-1.0), y.hi.min(1.0))
        })
    }
    fn erf(self) -> Interval {
        self.known(|x| {
            let y = increasing(x, double::erf, 0.0);
            Interval::new(y.lo.max(-1.0), y.hi.min(1.0))
        })
    }
    fn erfc(self) -> Interval {
        self.known(|x| {
            let y = decreasing(x, double::erfc, 0.0);
            Interval::new(y.lo.max(0.0), y.hi.min(2.0))
        })
    }
    fn floor(self) -> Interval {
        Interval::new(self.lo.floor(), self.hi.floor())
    }
    fn round(self) -> Interval {
        Interval::new(self.lo.round_ties_even(), self.hi.round_ties_even())
    }
    fn powf(self, p: Interval) -> Interval {
        functions::power(self, p)
    }
    // NaN, for which the whole line stands, is kept by these.
    fn max(self, other: Interval) -> Interval {
        self.known(|a| other.known(|b| Interval { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) }))
    }
    fn min(self, other: Interval) -> Interval {
        self.known(|a| other.known(|b| Interval { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) }))
    }
    fn if_gt(self, other: Interval, a: Interval, b: Interval) -> Interval {
        Relations::of(self, other).choose(Relations::GREATER, a, b)
    }
    fn if_ge(self, other: Interval, a: Interval, b: Interval) -> Interval {
        Relations::of(self, other).choose(Relations::GREATER | Relations::EQUAL, a, b)
    }
    fn if_eq(self, other: Interval, a: Interval, b: Interval) -> Interval {
        Relations::of(self, other).choose(Relations::EQUAL, a, b)
    }
}

/// In which relations the numbers of two intervals stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relations(pub u8);

impl Relations {
    pub const LESS: u8 = 1;
    pub const EQUAL: u8 = 2;
    pub const GREATER: u8 = 4;
    /// One of the two is NaN.
    pub const UNORDERED: u8 = 8;

    /// All that occur.
    #[inline(always)]
    pub fn of(a: Interval, b: Interval) -> Relations {
        let flag = |yes: bool, which: u8| if yes { which } else { 0 };
        Relations(
            flag(a.lo < b.hi, Relations::LESS)
                | flag(a.hi > b.lo, Relations::GREATER)
                | flag(a.lo <= b.hi && b.lo <= a.hi, Relations::EQUAL)
                | flag(a.is_whole() || b.is_whole(), Relations::UNORDERED),
        )
    }

    /// `a` in these relations, `b` in all others.
    #[inline(always)]
    fn choose(self, relations: u8, a: Interval, b: Interval) -> Interval {
        match (self.0 & relations != 0, self.0 & !relations != 0) {
            (true, false) => a,
            (false, _) => b,
            (true, true) => a.hull(b),
        }
    }
}

impl Formulas for Interval {}

impl Scalar for Interval {
    fn to_f64(self) -> f64 {
        if !self.is_point() {
            undecided();
        }
        self.lo
    }

    fn is_nan(self) -> bool {
        if self.is_whole() {
            undecided();
        }
        false
    }

    fn is_finite(self) -> bool {
        if !self.is_bounded() && !self.is_point() {
            undecided();
        }
        self.is_bounded()
    }

    fn key(self) -> u64 {
        self.to_f64().key()
    }

    fn of_key(key: u64) -> Interval {
        Interval::point(f64::of_key(key))
    }

    fn words(_: &mut [Interval]) -> Option<&mut [u64]> {
        None
    }

    fn prepare(
        k: &dyn Kernels,
        args: &[&[usize]],
        out: &[usize],
        compiler: &dyn Compiler<Interval>,
    ) -> Kernel<Interval> {
        k.kernel_interval(args, out, compiler)
    }

    fn with_lanes<J: Job<Interval>>(_: Level, job: J) {
        job.run::<Plain<Interval, 1>>();
    }

    unsafe fn gemm(
        m: usize,
        n: usize,
        k: usize,
        dst: (*mut Interval, isize, isize),
        accumulate: bool,
        lhs: (*const Interval, isize, isize),
        rhs: (*const Interval, isize, isize),
    ) {
        // SAFETY: the caller vouches for pointers and strides.
        unsafe { product::gemm((m, n, k), dst, accumulate, lhs, rhs) }
    }

    const MULTIPLIES_FAST: bool = false;
}

#[cfg(test)]
mod tests;
