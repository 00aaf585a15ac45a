//! What loops written by hand are made of: the widest vectors that the processor has, and elementary functions on them.

/// Defines functions whose body is compiled three times, for AVX-512, for AVX2 with fused products, and for any
/// processor; a call takes the widest that runs here. What is called within is `#[inline(always)]`, and long bodies stand in
/// loops and not in closures of iterators: those are compiled by themselves where they are not inlined, for any processor.
macro_rules! wide {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
                fn widest($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn wider($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                if $crate::vector::has_avx512() {
                    // SAFETY: the processor was just found to have what the function is compiled for.
                    return unsafe { widest($($arg),*) };
                }
                if $crate::vector::has_avx2() {
                    // SAFETY: as above.
                    return unsafe { wider($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}
pub(crate) use wide;

/// Whether the processor has the vectors of AVX-512 that `wide` asks for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && has_avx2()
}

/// Whether the processor has AVX2 and fused products.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// How many sums stand side by side where one sum is asked for: four vectors of eight hide the latency of additions.
pub const LANES: usize = 32;

/// a · b + c in one rounding. All that is called in loops here is compiled for processors with fused products, which the
/// oldest that runs AVX2 has; on older ones it is a slow call.
#[inline(always)]
pub fn fma(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

/// Σ f(aₖ), in sums that stand side by side.
#[inline(always)]
pub fn sum(a: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|a| f(*a)).sum();
    for a in chunks {
        for j in 0..LANES {
            sums[j] += f(a[j]);
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// Σ f(aₖ, bₖ), in sums that stand side by side.
#[inline(always)]
pub fn sum_pairs(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = chunks.remainder().iter().zip(others.remainder()).map(|(a, b)| f(*a, *b)).sum();
    for (a, b) in chunks.zip(others) {
        for j in 0..LANES {
            sums[j] += f(a[j], b[j]);
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// Σ f(aₖ, bₖ) where f also returns a number that is written to oₖ.
#[inline(always)]
pub fn sum_pairs_into(a: &[f64], b: &[f64], out: &mut [f64], f: impl Fn(f64, f64) -> (f64, f64)) -> f64 {
    let mut sums = [0.0; LANES];
    let whole = a.len() - a.len() % LANES;
    for ((a, b), o) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)).zip(out.chunks_exact_mut(LANES)) {
        for j in 0..LANES {
            let (value, written) = f(a[j], b[j]);
            sums[j] += value;
            o[j] = written;
        }
    }
    let mut rest = 0.0;
    for ((a, b), o) in a[whole..].iter().zip(&b[whole..]).zip(&mut out[whole..]) {
        let (value, written) = f(*a, *b);
        rest += value;
        *o = written;
    }
    rest + sums.iter().sum::<f64>()
}

/// aᵀb.
#[inline(always)]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 16];
    let (a16, b16) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f64 = a16.remainder().iter().zip(b16.remainder()).map(|(x, y)| x * y).sum();
    for (a, b) in a16.zip(b16) {
        for j in 0..16 {
            sums[j] = fma(a[j], b[j], sums[j]);
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// y ← y + t · x.
#[inline(always)]
pub fn axpy(t: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = fma(t, *x, *y);
    }
}

/// eˣ without branches: x = k ln 2 + r with |r| ≤ ln 2 / 2, and Taylor's polynomial of degree 13 in r, wrong by less than
/// 2⁻⁵⁷. Arguments beyond ±708 are taken for ±708.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    /// Adding it rounds to a whole number, which then stands in the last bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = x.clamp(-708.0, 708.0);
    let shifted = fma(x, std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, x));
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = fma(p, r, c);
    }
    p * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

/// ln(1 + t) for t of [0, 1] without branches: 2 artanh(t / (2 + t)), whose series in the square of at most 1/9 ends below
/// 2⁻⁵³ after 16 terms.
#[inline(always)]
pub fn ln_1p(t: f64) -> f64 {
    let s = t / (2.0 + t);
    let q = s * s;
    let mut p = 1.0 / 33.0;
    for odd in [31.0, 29.0, 27.0, 25.0, 23.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        p = fma(p, q, 1.0 / odd);
    }
    2.0 * s * p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elementary_functions_are_those_of_the_standard_library() {
        for k in -7000..=7000 {
            let x = k as f64 * 0.0997;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "exp({x})");
        }
        for k in 0..=1000 {
            let t = k as f64 / 1000.0;
            assert!((ln_1p(t) - t.ln_1p()).abs() <= 4e-16 * t, "ln_1p({t})");
        }
    }

    #[test]
    fn sums_side_by_side_are_sums() {
        for n in [0, 1, 31, 32, 33, 100] {
            let x: Vec<f64> = (0..n).map(|k| k as f64).collect();
            let squares: f64 = x.iter().map(|x| x * x).sum();
            let mut doubled = vec![0.0; n];
            let pairs = sum_pairs_into(&x, &x, &mut doubled, |a, b| (a * b, a + b));
            assert_eq!([sum(&x, |x| x * x), dot(&x, &x), sum_pairs(&x, &x, |a, b| a * b), pairs], [squares; 4]);
            assert!(x.iter().zip(&doubled).all(|(x, d)| *d == 2.0 * x));
        }
    }
}
