//! asin, acos, atan and atan2.

use super::{MulAdd, Terms, horner};
use std::f64::consts::SQRT_2;

/// π/4 as a number of 33 bits, whose small multiples are exact, and the rest.
const QUARTER_PI: [f64; 2] = [1.5707963267341256 / 2.0, 6.077100506506192e-11 / 2.0];
/// π/2 rounded, and the rest.
const HALF_PI: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17];

/// ± arctan(low/high) + k π/4 for 0 ≤ low ≤ high, where `turned` tells k (of 0 and 1 for the arctangent alone), and whether
/// it is subtracted. Beyond √2 − 1 it is arctan((low − high)/(low + high)) + π/4.
#[inline(always)]
fn angle<P: Terms, M: MulAdd>(low: f64, high: f64, turned: impl Fn(f64) -> (f64, bool)) -> f64 {
    let beyond = low > (SQRT_2 - 1.0) * high;
    let (over, under) = if beyond { (low - high, low + high) } else { (low, high) };
    let t = over / under;
    let z = t * t;
    let y = M::double(t, z * horner::<M>(z, P::ATAN), t);
    let (k, subtracted) = turned(if beyond { 1.0 } else { 0.0 });
    k * QUARTER_PI[0] + (if subtracted { -y } else { y } + k * QUARTER_PI[1])
}

#[inline(always)]
fn arc_tangent<P: Terms, M: MulAdd>(x: f64) -> f64 {
    let a = x.abs();
    let large = a > 1.0;
    let (low, high) = if large { (1.0, a) } else { (a, 1.0) };
    // Where a is so large that 1 + a is not finite, k is 2 and the quotient 0 all the same.
    let y = angle::<P, M>(low, high, |k| (if large { 2.0 - k } else { k }, large));
    y.copysign(x)
}

#[inline(always)]
fn arc_tangent_of_two<P: Terms, M: MulAdd>(y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let steep = a > b;
    let (low, high) = if steep { (b, a) } else { (a, b) };
    // Sums must not overflow. Of two infinities the quotient is 1, and of two zeros 0.
    let scale = if high > 1e300 { 1.0 / 18446744073709551616.0 } else { 1.0 };
    let infinite = high == f64::INFINITY;
    let one = if low == high { 1.0 } else { 0.0 };
    let low = if infinite { one } else { low * scale };
    let high = if infinite || high == 0.0 { 1.0 } else { high * scale };
    let back = x.is_sign_negative();
    let angle = angle::<P, M>(low, high, |k| {
        let k = if steep { 2.0 - k } else { k };
        (if back { 4.0 - k } else { k }, steep != back)
    });
    if x.is_nan() | y.is_nan() { f64::NAN } else { angle.copysign(y) }
}

/// √z where it is the argument of the series and where it is its square: sin² of half the angle beyond ½.
#[inline(always)]
fn arc_sine_series<P: Terms, M: MulAdd>(a: f64) -> (bool, f64) {
    let beyond = a > 0.5;
    let half = 0.5 * (1.0 - a);
    let z = if beyond { half } else { a * a };
    let s = if beyond { half.sqrt() } else { a };
    (beyond, M::double(s, z * horner::<M>(z, P::ASIN), s))
}

#[inline(always)]
fn arc_sine<P: Terms, M: MulAdd>(x: f64) -> f64 {
    let (beyond, p) = arc_sine_series::<P, M>(x.abs());
    let y = if beyond { (HALF_PI[0] - 2.0 * p) + HALF_PI[1] } else { p };
    y.copysign(x)
}

#[inline(always)]
fn arc_cosine<P: Terms, M: MulAdd>(x: f64) -> f64 {
    let (beyond, p) = arc_sine_series::<P, M>(x.abs());
    let right = if x > 0.0 { 2.0 * p } else { 2.0 * HALF_PI[0] - (2.0 * p - 2.0 * HALF_PI[1]) };
    if beyond { right } else { HALF_PI[0] - (p.copysign(x) - HALF_PI[1]) }
}

macro_rules! inverse {
    ($module:ident $t:ident $terms:ident) => {
        pub mod $module {
            use super::super::{MulAdd, $terms};
            use super::{arc_cosine, arc_sine, arc_tangent, arc_tangent_of_two};

            /// The angle in [−π/2, π/2] whose sine is x.
            #[inline(always)]
            pub fn asin<M: MulAdd>(x: $t) -> $t {
                arc_sine::<$terms, M>(x as f64) as $t
            }

            /// The angle in [0, π] whose cosine is x.
            #[inline(always)]
            pub fn acos<M: MulAdd>(x: $t) -> $t {
                arc_cosine::<$terms, M>(x as f64) as $t
            }

            /// The angle in [−π/2, π/2] whose tangent is x.
            #[inline(always)]
            pub fn atan<M: MulAdd>(x: $t) -> $t {
                arc_tangent::<$terms, M>(x as f64) as $t
            }

            /// The angle in [−π, π] of the point (x, y).
            #[inline(always)]
            pub fn atan2<M: MulAdd>(y: $t, x: $t) -> $t {
                arc_tangent_of_two::<$terms, M>(y as f64, x as f64) as $t
            }
        }
    };
}

inverse!(single f32 Single);
inverse!(double f64 Double);
