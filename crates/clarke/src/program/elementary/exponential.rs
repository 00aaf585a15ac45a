//! eˣ and eˣ − 1.
//!
//! x = n ln 2 + r with |r| ≤ ln 2/2, where n is found by adding a number so large that its last place is 1, and ln 2 is two
//! numbers of which the first has a product with n that is exact. Then eʳ = 1 + r + r² q(r), scaled by 2ⁿ.

macro_rules! exponential {
    ($module:ident $t:ident $bits:ident, $places:literal places, n at $magic:literal, ln 2 = $high:literal + $low:literal,
     e^x in $least:literal to $most:literal, e^x - 1 = x below $tiny:literal and -1 below $flat:literal,
     $horner:ident $terms:ident) => {
        pub mod $module {
            pub use super::super::$terms as TERMS;
            use super::super::{MulAdd, $horner as horner};

            /// Added to a number it leaves its nearest integer in the last bits.
            const MAGIC: $t = $magic;
            const BIAS: $bits = ($t::MAX_EXP - 1) as $bits;

            /// n + [`MAGIC`] for the nearest integer n of x/ln 2, and eʳ − 1 for r = x − n ln 2 − rest.
            #[inline(always)]
            pub fn reduced<M: MulAdd>(x: $t, rest: $t, terms: &[f64]) -> ($t, $t) {
                let shifted = M::$module(x, std::$t::consts::LOG2_E, MAGIC);
                let n = shifted - MAGIC;
                let r = M::$module(-n, $high, x) - M::$module(n, $low, rest);
                (shifted, M::$module(r * r, horner::<M>(r, terms), r))
            }

            /// 2^(n − less) where it is a normal number, for n + [`MAGIC`].
            #[inline(always)]
            pub fn power_of_two(shifted: $t, less: $bits) -> $t {
                // All that MAGIC has beside the integer is shifted out.
                $t::from_bits(shifted.to_bits().wrapping_add(BIAS - less) << $places)
            }

            /// y · 2ⁿ, rounded once where it is subnormal or overflows, for n + [`MAGIC`] and y near 1.
            #[inline(always)]
            pub fn scaled(y: $t, shifted: $t) -> $t {
                // Two factors, since 2ⁿ alone may be no number where the result is one.
                let n = shifted.to_bits().wrapping_sub(MAGIC.to_bits() - 2 * BIAS);
                let (half, places) = (n >> 1, $places);
                y * $t::from_bits(half << places) * $t::from_bits(n.wrapping_sub(half) << places)
            }

            /// eˣ.
            #[inline(always)]
            pub fn exp<M: MulAdd>(x: $t) -> $t {
                let x = if x > $most { $most } else { x };
                let x = if x < $least { $least } else { x };
                let (shifted, p) = reduced::<M>(x, 0.0, &TERMS);
                scaled(1.0 + p, shifted)
            }

            /// eˣ − 1, accurate near 0.
            #[inline(always)]
            pub fn exp_m1<M: MulAdd>(x: $t) -> $t {
                let y = if x > $most { $most } else { x };
                let y = if y < $flat { $flat } else { y };
                let (shifted, p) = reduced::<M>(y, 0.0, &TERMS);
                // Half of it, since 2ⁿ may be too large by a factor of 2.
                let half = power_of_two(shifted, 1);
                let y = 2.0 * M::$module(half, p, half - 0.5);
                if x.abs() < $tiny { x } else { y }
            }
        }
    };
}

exponential!(single f32 u32, 23 places, n at 12582912.0, ln 2 = 0.69314575 + 1.428_606_8e-6,
    e^x in -106.0 to 89.0, e^x - 1 = x below 1e-9 and -1 below -20.0, horner_single SINGLE_EXP);
exponential!(double f64 u64, 52 places, n at 6755399441055744.0, ln 2 = 0.6931471803691238 + 1.9082149292705877e-10,
    e^x in -747.0 to 710.0, e^x - 1 = x below 1e-18 and -1 below -40.0, horner DOUBLE_EXP);
