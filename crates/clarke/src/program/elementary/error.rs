//! erf and erfc.
//!
//! erfc x = e^(−x²) P(t)/(1 + 2x) for x ≥ ½, where the polynomial P in t = (x − 4)/(x + 4) is that of all x at once
//! (Shepherd and Laframboise 1981); the square is taken in two parts. erf x is x times a polynomial in x² for x ≤ 1. Of the
//! two, whichever is more exact is the other one less than 1.

use super::exponential::double::{power_of_two, reduced, scaled};
use super::{MulAdd, Terms, cut, horner};

/// erfc a = y · 2ⁿ for a ≥ ½: y near 1/(a + 1), and n as the exponential has it.
#[inline(always)]
fn tail<P: Terms, M: MulAdd>(a: f64) -> (f64, f64) {
    // The square of the upper half of a is exact.
    let upper = cut(a, 27);
    let (shifted, p) = reduced::<M>(-(upper * upper), (a - upper) * (a + upper), P::EXP);
    let t = 1.0 - 8.0 / (a + 4.0);
    let c = P::ERFC;
    let y = (c[0] + M::double(t, horner::<M>(t, &c[2..]), c[1])) / (1.0 + 2.0 * a);
    (M::double(y, p, y), shifted)
}

/// erf x where |x| ≤ 1.
#[inline(always)]
fn near<P: Terms, M: MulAdd>(x: f64) -> f64 {
    M::double(x, horner::<M>(x * x, P::ERF), x)
}

#[inline(always)]
fn complement<P: Terms, M: MulAdd>(x: f64) -> f64 {
    let a = if x.abs() > 28.0 { 28.0 } else { x.abs() };
    let (y, shifted) = tail::<P, M>(a);
    let y = scaled(y, shifted);
    let y = if x < 0.0 { 2.0 - y } else { y };
    if a < 0.75 { 1.0 - near::<P, M>(x) } else { y }
}

#[inline(always)]
fn error<P: Terms, M: MulAdd>(x: f64) -> f64 {
    let a = if x.abs() > 6.0 { 6.0 } else { x.abs() };
    let (y, shifted) = tail::<P, M>(a);
    let far = M::double(-y, power_of_two(shifted, 0), 1.0);
    let y = if a > 1.0 { far } else { near::<P, M>(a) };
    y.copysign(x)
}

macro_rules! error {
    ($module:ident $t:ident $terms:ident) => {
        pub mod $module {
            use super::super::{MulAdd, $terms};
            use super::{complement, error};

            /// The error function.
            #[inline(always)]
            pub fn erf<M: MulAdd>(x: $t) -> $t {
                error::<$terms, M>(x as f64) as $t
            }

            /// 1 − erf x, accurate where that is small.
            #[inline(always)]
            pub fn erfc<M: MulAdd>(x: $t) -> $t {
                complement::<$terms, M>(x as f64) as $t
            }
        }
    };
}

error!(single f32 Single);
error!(double f64 Double);
