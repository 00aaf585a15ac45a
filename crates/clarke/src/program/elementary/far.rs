//! Large angles, reduced with integers (Payne and Hanek).

/// The binary digits of 2/π after the point.
const TWO_OVER_PI: [u64; 20] = [
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
];

/// 64 digits of 2/π from a place on, which is ≥ −63: those before the point are 0.
fn digits(from: i32) -> u64 {
    if from < 0 {
        return TWO_OVER_PI[0] >> -from;
    }
    let (word, bit) = (from as usize / 64, from as u32 % 64);
    let next = if bit == 0 { 0 } else { TWO_OVER_PI[word + 1] >> (64 - bit) };
    (TWO_OVER_PI[word] << bit) | next
}

/// x = n π/2 + r + rest for |x| ≥ 2: n in the last two bits, r with |r| ≤ π/4, and what it lacks. NaN for ±∞ and NaN.
#[inline(never)]
pub fn reduce(x: f64) -> (u64, f64, f64) {
    if !x.is_finite() {
        return (0, f64::NAN, 0.0);
    }
    let bits = x.to_bits();
    // |x| = m · 2^e.
    let m = (bits & ((1 << 52) - 1)) | 1 << 52;
    let e = (bits >> 52 & 2047) as i32 - 1075;
    // Digits of 2/π whose product with 2^e is a multiple of 4 change nothing. Of the 192 digits that follow, the product
    // with m modulo 2¹⁹² is x · 2/π modulo 4 with its point after two digits. The upper 128 of it are computed: no number
    // of f64 is so near to a multiple of π/2 that more than 62 of them are 0.
    let from = e - 2;
    let m = u128::from(m);
    let (a, b, c) = (digits(from), digits(from + 64), digits(from + 128));
    let low = (m * u128::from(c)) >> 64;
    let middle = m * u128::from(b) + low;
    let product = (m * u128::from(a)).wrapping_shl(64).wrapping_add(middle);
    let (n, fraction) = ((product >> 126) as u64, product << 2);
    // To the nearest integer: a fraction from ½ on is one less than the next.
    let over = fraction >> 127 == 1;
    let size = if over { fraction.wrapping_neg() } else { fraction };
    let n = n.wrapping_add(u64::from(over));
    let negative = over != (x < 0.0);
    let n = if x < 0.0 { n.wrapping_neg() } else { n };
    let (r, rest) = times_half_pi(size);
    if negative { (n, -r, -rest) } else { (n, r, rest) }
}

/// size · 2⁻¹²⁸ · π/2 as two numbers.
fn times_half_pi(size: u128) -> (f64, f64) {
    // π/2 · 2¹²⁶.
    const HALF_PI: u128 = 0x6487ed5110b4611a62633145c06e0e68;
    let zeros = size.leading_zeros();
    if zeros == 128 {
        return (0.0, 0.0);
    }
    let size = size << zeros;
    let (s1, s0) = (size >> 64, size & u128::from(u64::MAX));
    let (p1, p0) = (HALF_PI >> 64, HALF_PI & u128::from(u64::MAX));
    let product = s1 * p1 + ((s1 * p0) >> 64) + ((s0 * p1) >> 64);
    // With the zeros that were shifted out, product · 2^(−126 − zeros) is size · 2⁻¹²⁸ · π/2.
    let unit = f64::from_bits(((1023 - 126 - i64::from(zeros)) as u64) << 52);
    let high = product as f64;
    let low = product.wrapping_sub(high as u128) as i128;
    (high * unit, low as f64 * unit)
}
