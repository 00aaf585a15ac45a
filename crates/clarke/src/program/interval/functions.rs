//! Elementary functions on intervals: monotone piece by monotone piece, every value moved outwards by
//! more than its error.

use super::super::elementary::double;
use super::Interval;
use super::rounding::{above, below};
use std::f64::consts::{FRAC_PI_2, PI, TAU};

/// A function that increases on the interval; `exact` is an argument where its value is exact.
pub(super) fn increasing(x: Interval, f: fn(f64) -> f64, exact: f64) -> Interval {
    let at = |x: f64, side: fn(f64) -> f64| if x == exact { f(x) } else { side(f(x)) };
    Interval::new(at(x.lo(), below), at(x.hi(), above))
}

/// The same for a function that decreases.
pub(super) fn decreasing(x: Interval, f: fn(f64) -> f64, exact: f64) -> Interval {
    let at = |x: f64, side: fn(f64) -> f64| if x == exact { f(x) } else { side(f(x)) };
    Interval::new(at(x.hi(), below), at(x.lo(), above))
}

/// Whether an interval holds a number `start + k · step`; in doubt yes. Not asked of large numbers.
fn meets(x: Interval, start: f64, step: f64) -> bool {
    let (low, high) = ((x.lo() - start) / step, (x.hi() - start) / step);
    // Start and step are rounded, and so is the quotient: by less than 2^-50 of its magnitude or of 1.
    let doubt = 1e-14 * (1.0 + low.abs().max(high.abs()));
    (high + doubt).floor() >= (low - doubt).ceil()
}

/// Beyond this, an interval that is no point is taken to hold all angles.
const LARGE: f64 = 1e9;

fn is_small(x: Interval) -> bool {
    x.lo().abs().max(x.hi().abs()) <= LARGE
}

/// sin (where `top` = π/2) or cos (where `top` = 0), which has its maxima at top + 2πk and its minima at top + π + 2πk.
pub(super) fn wave(x: Interval, f: fn(f64) -> f64, top: f64) -> Interval {
    if !x.is_bounded() {
        return Interval::WHOLE;
    }
    if x.is_point() {
        let y = f(x.lo());
        let exact = x.lo() == 0.0;
        return if exact { Interval::point(y) } else { Interval::new(below(y).max(-1.0), above(y).min(1.0)) };
    }
    if !is_small(x) {
        return Interval::new(-1.0, 1.0);
    }
    let (a, b) = (f(x.lo()), f(x.hi()));
    let low = if meets(x, top + PI, TAU) { -1.0 } else { below(a.min(b)).max(-1.0) };
    let high = if meets(x, top, TAU) { 1.0 } else { above(a.max(b)).min(1.0) };
    Interval::new(low, high)
}

pub(super) fn tan(x: Interval) -> Interval {
    let tame = x.is_bounded() && (x.is_point() || (is_small(x) && !meets(x, FRAC_PI_2, PI)));
    // No f64 is a pole, but between two of them one may be.
    if tame { increasing(x, double::tan, 0.0) } else { Interval::WHOLE }
}

/// The interval within which the function is defined; whole beyond it.
pub(super) fn within(x: Interval, low: f64, high: f64, f: impl FnOnce(Interval) -> Interval) -> Interval {
    if x.lo() >= low && x.hi() <= high { f(x) } else { Interval::WHOLE }
}

/// The angle of the points (x, y): all angles if the half-line where it jumps, or 0, is met.
pub(super) fn atan2(y: Interval, x: Interval) -> Interval {
    if x.is_whole() || y.is_whole() {
        return Interval::WHOLE;
    }
    if x.lo() <= 0.0 && y.lo() <= 0.0 && y.hi() >= 0.0 {
        return Interval::new(below(-PI), above(PI));
    }
    // Monotone in each of the two along the edges of the box.
    corners(y, x, double::atan2)
}

/// The hull of the values at the four corners.
fn corners(a: Interval, b: Interval, f: fn(f64, f64) -> f64) -> Interval {
    let values = [f(a.lo(), b.lo()), f(a.lo(), b.hi()), f(a.hi(), b.lo()), f(a.hi(), b.hi())];
    if values.iter().any(|v| v.is_nan()) {
        return Interval::WHOLE;
    }
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    Interval::new(below(low), above(high))
}

/// xᵖ. For x > 0 it is monotone in x and in p, so that the corners bound it; for other x the exponent must be a whole
/// number, or positive at 0.
pub(super) fn power(x: Interval, p: Interval) -> Interval {
    if x.is_whole() || p.is_whole() {
        return Interval::WHOLE;
    }
    if p.is_point() {
        match p.lo() {
            0.0 => return Interval::point(1.0),
            1.0 => return x,
            2.0 => return x.square(),
            -1.0 => return Interval::point(1.0) / x,
            n if n.fract() == 0.0 && n.abs() < 1e15 => return whole_power(x, n),
            _ => {}
        }
    }
    let positive = |y: Interval| Interval::new(y.lo().max(0.0), y.hi());
    if x.lo() > 0.0 || (x.lo() == 0.0 && p.lo() > 0.0) {
        positive(corners(x, p, double::powf))
    } else {
        Interval::WHOLE
    }
}

/// xⁿ for a whole number n.
fn whole_power(x: Interval, n: f64) -> Interval {
    if n < 0.0 {
        // Not through the reciprocal of a power that may overflow.
        return if x.lo() <= 0.0 && x.hi() >= 0.0 { Interval::WHOLE } else { ends(x, n) };
    }
    ends(x, n)
}

/// xⁿ where it is monotone on each side of 0.
fn ends(x: Interval, n: f64) -> Interval {
    let even = n % 2.0 == 0.0;
    let base = if even { x.magnitude() } else { x };
    let at = |x: f64, side: fn(f64) -> f64| {
        if x == 0.0 || x.abs() == 1.0 { double::powf(x, n) } else { side(double::powf(x, n)) }
    };
    let y = if n > 0.0 {
        Interval::new(at(base.lo(), below), at(base.hi(), above))
    } else {
        Interval::new(at(base.hi(), below), at(base.lo(), above))
    };
    if even { Interval::new(y.lo().max(0.0), y.hi()) } else { y }
}
