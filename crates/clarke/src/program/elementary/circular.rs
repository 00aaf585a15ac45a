//! sin, cos and tan.
//!
//! x = n π/2 + r with |r| ≤ π/4, where π/2 is a sum of numbers whose products with n are exact (Cody and Waite), and r two
//! numbers. That takes |n| < 2²⁰; larger arguments, which are [`is_far`](double::is_far), are reduced with integers
//! (`far`), which has branches. So each function is told apart into one for near arguments, which is a formula without
//! branches, and the whole one, which asks first.

use super::{MulAdd, Terms, fast_two_sum, horner, two_sum};

/// From here on numbers are far.
const FAR: f64 = 1e6;
/// Added to a number it leaves its nearest integer in the last bits.
const MAGIC: f64 = 6755399441055744.0;
/// π/2 in three parts of 33 bits and one of 53.
const HALF_PI: [f64; 4] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];
/// What π/2 has beside the first of them.
const HALF_PI_REST: f64 = 6.077100506506192e-11;

/// x = n π/2 + r + rest: n in the last two bits, r, and what it lacks.
type Reduced = (u64, f64, f64);

#[inline(always)]
fn reduce<M: MulAdd>(x: f64) -> Reduced {
    let shifted = M::double(x, std::f64::consts::FRAC_2_PI, MAGIC);
    let n = shifted - MAGIC;
    // The first difference is exact, and so are the products.
    let (a, b) = two_sum(M::double(-n, HALF_PI[0], x), -n * HALF_PI[1]);
    let (c, d) = two_sum(a, -n * HALF_PI[2]);
    let (r, rest) = fast_two_sum(c, (b + d) - n * HALF_PI[3]);
    (shifted.to_bits(), r, rest)
}

/// The same for numbers of f32, none of which comes so close to a multiple of π/2 that this r would not do.
#[inline(always)]
fn reduce_single<M: MulAdd>(x: f64) -> Reduced {
    let shifted = M::double(x, std::f64::consts::FRAC_2_PI, MAGIC);
    let n = shifted - MAGIC;
    (shifted.to_bits(), M::double(-n, HALF_PI_REST, M::double(-n, HALF_PI[0], x)), 0.0)
}

/// sin and cos of r + rest.
#[inline(always)]
fn waves<P: Terms, M: MulAdd>(r: f64, rest: f64) -> (f64, f64) {
    let z = r * r;
    let half = 0.5 * z;
    let sin = r + M::double(r * z, horner::<M>(z, P::SIN), rest * (1.0 - half));
    let one = 1.0 - half;
    let cos = one + (((1.0 - one) - half) + M::double(z * z, horner::<M>(z, P::COS), -(r * rest)));
    (sin, cos)
}

/// The sine of an angle moved by `turn` right angles.
#[inline(always)]
fn sine<P: Terms, M: MulAdd>((n, r, rest): Reduced, turn: u64) -> f64 {
    let n = n.wrapping_add(turn);
    let (sin, cos) = waves::<P, M>(r, rest);
    let y = if n & 1 == 0 { sin } else { cos };
    f64::from_bits(y.to_bits() ^ ((n & 2) << 62))
}

#[inline(always)]
fn tangent<P: Terms, M: MulAdd>((n, r, rest): Reduced) -> f64 {
    let (sin, cos) = waves::<P, M>(r, rest);
    let even = n & 1 == 0;
    let y = if even { sin } else { cos } / if even { cos } else { sin };
    f64::from_bits(y.to_bits() ^ ((n & 1) << 63))
}

macro_rules! circular {
    ($module:ident $t:ident $terms:ident $reduce:ident) => {
        pub mod $module {
            use super::super::{MulAdd, far, $terms};
            use super::{FAR, sine, tangent, $reduce as reduce};

            /// Whether the near function of an argument is not the whole one.
            #[inline(always)]
            pub fn is_far(x: $t) -> bool {
                x.abs() as f64 >= FAR
            }

            /// sin x unless x is far.
            #[inline(always)]
            pub fn sin_near<M: MulAdd>(x: $t) -> $t {
                let y = sine::<$terms, M>(reduce::<M>(x as f64), 0) as $t;
                if x == 0.0 { x } else { y }
            }

            /// cos x unless x is far.
            #[inline(always)]
            pub fn cos_near<M: MulAdd>(x: $t) -> $t {
                sine::<$terms, M>(reduce::<M>(x as f64), 1) as $t
            }

            /// tan x unless x is far.
            #[inline(always)]
            pub fn tan_near<M: MulAdd>(x: $t) -> $t {
                let y = tangent::<$terms, M>(reduce::<M>(x as f64)) as $t;
                if x == 0.0 { x } else { y }
            }

            /// sin x.
            #[inline(always)]
            pub fn sin<M: MulAdd>(x: $t) -> $t {
                if is_far(x) { sine::<$terms, M>(far::reduce(x as f64), 0) as $t } else { sin_near::<M>(x) }
            }

            /// cos x.
            #[inline(always)]
            pub fn cos<M: MulAdd>(x: $t) -> $t {
                if is_far(x) { sine::<$terms, M>(far::reduce(x as f64), 1) as $t } else { cos_near::<M>(x) }
            }

            /// tan x.
            #[inline(always)]
            pub fn tan<M: MulAdd>(x: $t) -> $t {
                if is_far(x) { tangent::<$terms, M>(far::reduce(x as f64)) as $t } else { tan_near::<M>(x) }
            }
        }
    };
}

circular!(single f32 Single reduce_single);
circular!(double f64 Double reduce);
