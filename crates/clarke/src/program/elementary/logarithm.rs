//! ln x and ln(1 + x).
//!
//! x = 2ᵏ (1 + f) with √½ ≤ 1 + f < √2, and ln(1 + f) = f − f²/2 + s (f²/2 + z L(z)) for s = f/(2 + f), z = s², which is
//! 2 artanh s with its largest part exact (fdlibm).

macro_rules! logarithm {
    ($module:ident $t:ident $bits:ident, $places:literal places, ln 2 = $high:literal + $low:literal,
     subnormals times 2^$raise:literal, 1 + x = x from 2^$large:literal, $horner:ident $terms:ident) => {
        pub mod $module {
            use super::super::{MulAdd, $horner as horner, $terms as TERMS};

            pub const BIAS: $bits = ($t::MAX_EXP - 1) as $bits;
            /// The bits of 1, less those of √½.
            const OFFSET: $bits = (1.0 as $t).to_bits() - std::$t::consts::FRAC_1_SQRT_2.to_bits();

            /// For a positive normal number 2ᵏ m with √½ ≤ m < √2: k + the bias of exponents, and m.
            #[inline(always)]
            pub fn split(x: $t) -> ($bits, $t) {
                let bits = x.to_bits().wrapping_add(OFFSET);
                let mantissa = bits & ((1 << $places) - 1);
                (bits >> $places, $t::from_bits(mantissa + std::$t::consts::FRAC_1_SQRT_2.to_bits()))
            }

            /// An integer from 0 to 2^places as a number.
            #[inline(always)]
            pub fn number(k: $bits) -> $t {
                let one = (1u64 << $places) as $t;
                $t::from_bits(k | one.to_bits()) - one
            }

            /// k ln 2 + ln(1 + f).
            #[inline(always)]
            fn sum<M: MulAdd>(k: $t, f: $t) -> $t {
                let s = f / (2.0 + f);
                let z = s * s;
                let half = 0.5 * f * f;
                let rest = M::$module(s, M::$module(z, horner::<M>(z, &TERMS), half), k * $low);
                M::$module(k, $high, f - (half - rest))
            }

            /// k and m of any positive number 2ᵏ m with √½ ≤ m < √2.
            #[inline(always)]
            pub fn normal(x: $t) -> ($t, $t) {
                let small = x < $t::MIN_POSITIVE;
                let (up, raised) = ((1u64 << $raise) as $t, $raise as $t);
                let (k, m) = split(if small { x * up } else { x });
                (number(k) - (BIAS as $t + if small { raised } else { 0.0 }), m)
            }

            /// ln x.
            #[inline(always)]
            pub fn ln<M: MulAdd>(x: $t) -> $t {
                let (k, m) = normal(x);
                let y = sum::<M>(k, m - 1.0);
                // ∞ and NaN are what they were.
                let y = if x < $t::INFINITY { y } else { x };
                let outside = if x == 0.0 { $t::NEG_INFINITY } else { $t::NAN };
                if x <= 0.0 { outside } else { y }
            }

            /// ln(1 + x), accurate near 0.
            #[inline(always)]
            pub fn ln_1p<M: MulAdd>(x: $t) -> $t {
                // 1 + x = u + c exactly.
                let u = 1.0 + x;
                let v = u - 1.0;
                let c = (1.0 - (u - v)) + (x - v);
                let (k, m) = split(u);
                // 2⁻ᵏ where c counts.
                let scale = $t::from_bits((2 * BIAS).wrapping_sub(k) << $places);
                let scale = if u < (1u64 << $large) as $t { scale } else { 0.0 };
                let y = sum::<M>(number(k) - BIAS as $t, (m - 1.0) + c * scale);
                let y = if x < $t::INFINITY { y } else { x };
                let y = if x == 0.0 { x } else { y };
                let outside = if x == -1.0 { $t::NEG_INFINITY } else { $t::NAN };
                if x <= -1.0 { outside } else { y }
            }
        }
    };
}

logarithm!(single f32 u32, 23 places, ln 2 = 0.69314575 + 1.428_606_8e-6,
    subnormals times 2^25, 1 + x = x from 2^30, horner_single SINGLE_LN);
logarithm!(double f64 u64, 52 places, ln 2 = 0.6931471803691238 + 1.9082149292705877e-10,
    subnormals times 2^54, 1 + x = x from 2^60, horner DOUBLE_LN);
