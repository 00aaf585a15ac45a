//! Floating-point formats, and rounding to them.

use crate::error::{Fault, Result};
use std::fmt;
use std::str::FromStr;

/// A binary floating-point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Float {
    /// IEEE half precision: 11 digits, from 2⁻²⁴ to 65504.
    F16,
    /// The first 16 bits of single precision: 8 digits, from 2⁻¹³³ to 3.39·10³⁸.
    BF16,
    /// IEEE single precision: 24 digits.
    F32,
    /// IEEE double precision: 53 digits.
    F64,
}

impl Float {
    /// All formats, the coarsest first in name.
    pub const ALL: [Float; 4] = [Float::F16, Float::BF16, Float::F32, Float::F64];

    /// How many binary digits a number has, the leading one included.
    pub const fn digits(self) -> u32 {
        match self {
            Float::F16 => 11,
            Float::BF16 => 8,
            Float::F32 => 24,
            Float::F64 => 53,
        }
    }

    /// The nearest number of the format, of two the one whose last digit is even (IEEE 754, roundTiesToEven).
    ///
    /// What is too large becomes an infinity, what is below half of the least positive number 0 of the same sign; NaN
    /// stays NaN. From f64 the result is rounded once: equal to the hardware's conversion where that exists.
    ///
    /// ```
    /// use clarke::Float;
    /// assert_eq!(Float::F16.round(0.1), 0.0999755859375);
    /// assert_eq!(Float::F16.round(65519.0), 65504.0);
    /// assert_eq!(Float::F16.round(65520.0), f64::INFINITY);
    /// assert_eq!(Float::BF16.round(0.1), 0.10009765625);
    /// ```
    pub fn round(self, x: f64) -> f64 {
        match self {
            Float::F16 => to::<42, { power(-14) }, { power(16) }, { power(28) }>(x),
            Float::BF16 => to::<45, { power(-126) }, { power(128) }, { power(-81) }>(x),
            Float::F32 => f64::from(x as f32),
            Float::F64 => x,
        }
    }
}

/// The bits of 2ᵏ.
const fn power(k: i64) -> u64 {
    ((k + 1023) as u64) << 52
}

/// Rounds to a format that drops `DROP` of the 52 bits behind the leading one; the rest are the bits of powers of 2: the
/// least normal number, the first one that is too large, and 2⁵² times the least positive one.
#[inline(always)]
fn to<const DROP: u32, const NORMAL: u64, const OVER: u64, const SHIFT: u64>(x: f64) -> f64 {
    let size = x.abs();
    let bits = size.to_bits();
    // Adding just under half of the last digit kept, or half where that is odd, carries into it as rounding asks.
    let carried = bits + ((1 << (DROP - 1)) - 1) + ((bits >> DROP) & 1);
    let normal = f64::from_bits(carried >> DROP << DROP);
    // At this distance from 0 the numbers of f64 are spaced as those below the least normal number are.
    let below = (size + f64::from_bits(SHIFT)) - f64::from_bits(SHIFT);
    let near = if size < f64::from_bits(NORMAL) { below } else { normal };
    let kept = if near >= f64::from_bits(OVER) { f64::INFINITY } else { near };
    if x.is_nan() { x } else { kept.copysign(x) }
}

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Float::F16 => "f16",
            Float::BF16 => "bf16",
            Float::F32 => "f32",
            Float::F64 => "f64",
        })
    }
}

impl FromStr for Float {
    type Err = crate::Error;

    /// `f16`, `bf16`, `f32` or `f64`.
    fn from_str(text: &str) -> Result<Float> {
        let found = Float::ALL.into_iter().find(|f| f.to_string() == text);
        found.ok_or_else(|| {
            let rule = "it is one of f16, bf16, f32, f64".into();
            Fault::Setting { setting: "precision", given: text.into(), rule }.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use proptest::prelude::*;

    /// Every number of 16 bits, with the same in the format.
    fn all() -> impl Iterator<Item = (Float, f64)> {
        (0..=u16::MAX)
            .flat_map(|k| [(Float::F16, f64::from(f16::from_bits(k))), (Float::BF16, f64::from(bf16::from_bits(k)))])
    }

    fn same(a: f64, b: f64) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn numbers_of_a_format_stay_as_they_are() {
        for (float, x) in all() {
            assert!(same(float.round(x), x), "{float} {x}");
        }
    }

    #[test]
    fn what_lies_between_two_numbers_goes_to_the_nearer_one_and_from_the_middle_to_the_even_one() {
        for float in [Float::F16, Float::BF16] {
            let mut numbers: Vec<f64> = all().filter(|(f, x)| *f == float && x.is_finite()).map(|(_, x)| x).collect();
            numbers.sort_by(|a, b| a.total_cmp(b));
            for (k, pair) in numbers.windows(2).enumerate().filter(|(_, p)| p[0] != p[1]) {
                let middle = (pair[0] + pair[1]) / 2.0;
                assert_eq!(float.round(middle.next_down()), pair[0]);
                assert_eq!(float.round(middle.next_up()), pair[1]);
                // Numbers of one sign are even in turn; the largest one is odd.
                let last = |x: f64| match float {
                    Float::F16 => f16::from_f64(x).to_bits() % 2,
                    _ => bf16::from_f64(x).to_bits() % 2,
                };
                let even = if last(pair[0]) == 0 { pair[0] } else { pair[1] };
                assert_eq!(float.round(middle), even, "pair {k}");
            }
        }
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_the_crate_half_and_idempotent(x in proptest::num::f32::ANY, wide in proptest::num::f64::ANY) {
            // From f32: half's conversion from f64 rounds to f32 first on processors that convert from there.
            let from = f64::from(x);
            prop_assert!(same(Float::F16.round(from), f64::from(f16::from_f32(x))));
            prop_assert!(same(Float::BF16.round(from), f64::from(bf16::from_f32(x))));
            for float in Float::ALL {
                let once = float.round(wide);
                prop_assert!(same(float.round(once), once));
                prop_assert_eq!(float.round(-wide).to_bits() & !(1 << 63), once.to_bits() & !(1 << 63));
            }
        }
    }
}
