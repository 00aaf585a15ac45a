//! xᵖ = e^(p ln |x|), with the sign of x where p is odd.

use super::exponential::double::{reduced, scaled};
use super::logarithm::double::normal;
use super::{MulAdd, cut};

/// 2⁵², from which on all numbers are integers.
const INTEGERS: f64 = 4503599627370496.0;

/// What the signs and zeros of the arguments make of |x|ᵖ; NaN for x < 0 where p is no integer.
#[inline(always)]
fn signed(power: f64, x: f64, p: f64) -> f64 {
    let size = p.abs();
    let large = size >= INTEGERS;
    // The last bit is that of 1 in both.
    let units = if large { size } else { size + INTEGERS };
    let integer = large | (units - INTEGERS == size);
    let odd = integer & (size < 2.0 * INTEGERS) & (units.to_bits() & 1 == 1);
    let (a, infinite) = (x.abs(), f64::INFINITY);
    // Logarithms of these are no numbers to compute with.
    let power = if (a == 0.0) == (p < 0.0) && (a == 0.0 || a == infinite) { infinite } else { power };
    let power = if (a == 0.0) == (p > 0.0) && (a == 0.0 || a == infinite) { 0.0 } else { power };
    let unknown = x.is_nan() | p.is_nan() | ((x < 0.0) & !integer & (a < infinite));
    let power = if unknown { f64::NAN } else { power };
    let power = if x.is_sign_negative() & odd { -power } else { power };
    // x⁰ and 1ᵖ are 1 for NaN, too.
    if (p == 0.0) | (x == 1.0) { 1.0 } else { power }
}

/// The power of f32.
pub mod single {
    use super::super::exponential::double::{power_of_two, reduced};
    use super::super::{MulAdd, horner, logarithm::double};
    use super::signed;

    /// (2 artanh √z/√z − 2)/z for z ≤ (3 − √8)², to 2⁻³⁷.
    const LN: [f64; 4] = [0.6666666564113705, 0.4000033624257226, 0.28537237143427074, 0.23583588500239258];
    /// ((eʳ − 1)/r − 1)/r for |r| ≤ ln 2/2, to 2⁻³⁴.
    const EXP: [f64; 6] = [
        0.5000000077917635,
        0.1666666686167358,
        0.04166626991282104,
        0.008333264113406052,
        0.001394607494030651,
        0.0001991851878365689,
    ];

    /// xᵖ, with logarithm and exponential in f64.
    #[inline(always)]
    pub fn powf<M: MulAdd>(x: f32, p: f32) -> f32 {
        let (x, p) = (x as f64, p as f64);
        let (k, m) = double::split(x.abs());
        let s = (m - 1.0) / (m + 1.0);
        let z = s * s;
        let ln = M::double(
            double::number(k) - double::BIAS as f64,
            std::f64::consts::LN_2,
            M::double(s, z * horner::<M>(z, &LN), 2.0 * s),
        );
        // Where p is infinite, 0 must stay 0.
        let bounded = if p.abs() > 1e39 { 1e39f64.copysign(p) } else { p };
        let y = bounded * ln;
        let y = if y > 200.0 { 200.0 } else { y };
        let y = if y < -200.0 { -200.0 } else { y };
        let (shifted, e) = reduced::<M>(y, 0.0, &EXP);
        signed(power_of_two(shifted, 0) * (1.0 + e), x, p) as f32
    }
}

/// The power of f64.
pub mod double {
    use super::super::exponential::double::TERMS;
    use super::super::{fast_two_sum, horner};
    use super::*;

    /// ((2 artanh √z/√z − 2)/z − 2/3)/z for z ≤ (3 − √8)².
    const LN: [f64; 7] = [
        0.4000000000000227,
        0.2857142857009164,
        0.2222222252139652,
        0.18181784233598783,
        0.15386763678589033,
        0.13256665652914354,
        0.13197777807918526,
    ];
    /// 2/3 in two numbers, the first of 26 bits.
    const TWO_THIRDS: [f64; 2] = [0.6666666567325592, 9.934107462565104e-09];

    /// ln x for positive x in two numbers, to about 2⁻⁶⁴ of it.
    #[inline(always)]
    fn logarithm<M: MulAdd>(x: f64) -> (f64, f64) {
        let (k, m) = normal(x);
        let f = m - 1.0;
        // s = f/(2 + f) in a number of 26 bits, whose products with others such are exact, and the rest.
        let (d, lacking) = fast_two_sum(1.0, m);
        let inverse = 1.0 / d;
        let s = cut(f * inverse, 27);
        let upper = cut(d, 27);
        let t = (((f - s * upper) - s * (d - upper)) - s * lacking) * inverse;
        // z = s² likewise, and q = 2/3 z.
        let whole = s + t;
        let z = whole * whole;
        let square = cut(s * s, 27);
        let rest = (s * s - square) + t * (2.0 * s + t);
        let product = TWO_THIRDS[0] * square;
        let q = cut(product, 27);
        let r = (product - q) + (TWO_THIRDS[1] * z + TWO_THIRDS[0] * rest);
        // 2 s + s q + s z² L(z), from the largest to the smallest.
        let small = (2.0 * t + (s * r + t * (q + r))) + whole * (z * z * horner::<M>(z, &LN));
        let (a, b) = fast_two_sum(k * 0.6931471803691238, 2.0 * s);
        let (a, c) = fast_two_sum(a, s * q);
        fast_two_sum(a, (b + c) + (small + k * 1.9082149292705877e-10))
    }

    /// xᵖ, with a logarithm in two numbers.
    #[inline(always)]
    pub fn powf<M: MulAdd>(x: f64, p: f64) -> f64 {
        let (a, b) = logarithm::<M>(x.abs());
        // Powers of what is nearest to 1 have overflowed long before.
        let bounded = if p.abs() > 1e24 { 1e24f64.copysign(p) } else { p };
        let (upper, head) = (cut(bounded, 27), cut(a, 27));
        let tail = (a - head) + b;
        let (y, rest) = (upper * head, upper * tail + (bounded - upper) * (head + tail));
        let outside = y.abs() > 750.0;
        let y = if outside { 750f64.copysign(y) } else { y };
        let rest = if outside { 0.0 } else { rest };
        let (shifted, e) = reduced::<M>(y, -rest, &TERMS);
        signed(scaled(1.0 + e, shifted), x, p)
    }
}
