//! The vectors of AVX2 and AVX-512.
//!
//! Loops over registers go without closures, which are compiled without these instructions.
#![allow(clippy::needless_range_loop)]

use super::super::elementary::Fused;
use super::Lanes;
use std::arch::x86_64::*;

/// Eight f64.
#[derive(Debug, Clone, Copy)]
pub struct F64x8(__m512d);
/// Sixteen f32.
#[derive(Debug, Clone, Copy)]
pub struct F32x16(__m512);
/// Four f64.
#[derive(Debug, Clone, Copy)]
pub struct F64x4(__m256d);
/// Eight f32.
#[derive(Debug, Clone, Copy)]
pub struct F32x8(__m256);

impl F64x8 {
    /// The sums of its halves.
    #[inline(always)]
    fn halved(self) -> F64x4 {
        F64x4(unsafe { _mm256_add_pd(_mm512_castpd512_pd256(self.0), _mm512_extractf64x4_pd::<1>(self.0)) })
    }
}

impl F32x16 {
    /// The sums of its halves.
    #[inline(always)]
    fn halved(self) -> F32x8 {
        F32x8(unsafe { _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0)) })
    }
}

impl F32x8 {
    /// The sums of its halves.
    #[inline(always)]
    fn halved(self) -> __m128 {
        unsafe { _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0)) }
    }
}

/// What differs in nothing but the names of instructions.
macro_rules! lanes {
    ($name:ident, $t:ident, $n:literal, $rows:literal x $wide:literal: $set:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident
     $div:ident $max:ident $fma:ident; $equal:expr; $mask:expr, $load_part:expr, $store_part:expr; $($own:item)*) => {
        // SAFETY of all instructions: values of these types are made in jobs alone, which run where the machine was asked
        // for them; memory is vouched for by the caller.
        impl Lanes<$t> for $name {
            const N: usize = $n;
            type Products = Fused;
            const ROWS: usize = $rows;
            const WIDE: usize = $wide;

            #[inline(always)]
            fn splat(x: $t) -> Self {
                $name(unsafe { $set(x) })
            }
            #[inline(always)]
            unsafe fn load(at: *const $t) -> Self {
                $name(unsafe { $load(at) })
            }
            #[inline(always)]
            unsafe fn load_part(at: *const $t, n: usize) -> Self {
                $name(unsafe { $load_part(at, $mask(n)) })
            }
            #[inline(always)]
            unsafe fn store(self, at: *mut $t) {
                unsafe { $store(at, self.0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, at: *mut $t, n: usize) {
                unsafe { $store_part(at, $mask(n), self.0) }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                $name(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                $name(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                $name(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                $name(unsafe { $div(self.0, other.0) })
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // The instruction gives the second one where they are equal or either is NaN.
                other.if_eq(other, $name(unsafe { $max(other.0, self.0) }), other)
            }
            #[inline(always)]
            fn if_eq(self, other: Self, a: Self, b: Self) -> Self {
                $name(unsafe { $equal(self.0, other.0, a.0, b.0) })
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                $name(unsafe { $fma(self.0, b.0, c.0) })
            }
            $($own)*
        }
    };
}

lanes! {
    F64x8, f64, 8, 8 x 3: _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd
    _mm512_sub_pd _mm512_mul_pd _mm512_div_pd _mm512_max_pd _mm512_fmadd_pd;
    |x, y, a, b| _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(x, y), b, a);
    |n: usize| ((1u32 << n) - 1) as u8, |at, m| _mm512_maskz_loadu_pd(m, at), |at, m, x| _mm512_mask_storeu_pd(at, m, x);

    #[inline(always)]
    fn unzip(self, other: Self) -> [Self; 2] {
        unsafe {
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
            [Self(_mm512_permutex2var_pd(self.0, even, other.0)), Self(_mm512_permutex2var_pd(self.0, odd, other.0))]
        }
    }

    #[inline(always)]
    fn zip(self, other: Self) -> [Self; 2] {
        unsafe {
            let first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            [Self(_mm512_permutex2var_pd(self.0, first, other.0)), Self(_mm512_permutex2var_pd(self.0, second, other.0))]
        }
    }

    #[inline(always)]
    fn sums(four: [Self; 4]) -> [f64; 4] {
        let [a, b, c, d] = four;
        F64x4::sums([a.halved(), b.halved(), c.halved(), d.halved()])
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f64, step: usize, [count, columns]: [usize; 2], to: *mut f64, to_step: usize) {
        let mut rows = [unsafe { _mm512_setzero_pd() }; 8];
        for i in 0..8 {
            if i < count {
                rows[i] = unsafe { Self::load_part(from.add(i * step), columns).0 };
            }
        }
        for (h, keep, other) in [
            (1, [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]),
            (2, [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
            (4, [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
        ] {
            // Blocks of h × h off the diagonal change places.
            let (keep, other): ([i64; 8], [i64; 8]) = (keep, other);
            let (keep, other) =
                unsafe { (_mm512_loadu_si512(keep.as_ptr().cast()), _mm512_loadu_si512(other.as_ptr().cast())) };
            for i in 0..8 {
                if i & h == 0 {
                    let (a, b) = (rows[i], rows[i + h]);
                    rows[i] = unsafe { _mm512_permutex2var_pd(a, keep, b) };
                    rows[i + h] = unsafe { _mm512_permutex2var_pd(a, other, b) };
                }
            }
        }
        for j in 0..8 {
            if j < columns {
                unsafe { _mm512_storeu_pd(to.add(j * to_step), rows[j]) }
            }
        }
    }
}

lanes! {
    F32x16, f32, 16, 8 x 3: _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps
    _mm512_sub_ps _mm512_mul_ps _mm512_div_ps _mm512_max_ps _mm512_fmadd_ps;
    |x, y, a, b| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, y), b, a);
    |n: usize| ((1u32 << n) - 1) as u16, |at, m| _mm512_maskz_loadu_ps(m, at), |at, m, x| _mm512_mask_storeu_ps(at, m, x);

    #[inline(always)]
    fn unzip(self, other: Self) -> [Self; 2] {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            [Self(_mm512_permutex2var_ps(self.0, even, other.0)), Self(_mm512_permutex2var_ps(self.0, odd, other.0))]
        }
    }

    #[inline(always)]
    fn zip(self, other: Self) -> [Self; 2] {
        unsafe {
            let first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let second = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            [Self(_mm512_permutex2var_ps(self.0, first, other.0)), Self(_mm512_permutex2var_ps(self.0, second, other.0))]
        }
    }

    #[inline(always)]
    fn sums(four: [Self; 4]) -> [f32; 4] {
        let [a, b, c, d] = four;
        F32x8::sums([a.halved(), b.halved(), c.halved(), d.halved()])
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, step: usize, [count, columns]: [usize; 2], to: *mut f32, to_step: usize) {
        let mut rows = [unsafe { _mm512_setzero_ps() }; 16];
        for i in 0..16 {
            if i < count {
                rows[i] = unsafe { Self::load_part(from.add(i * step), columns).0 };
            }
        }
        for (h, keep, other) in [
            (1, [0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30], [1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31]),
            (2, [0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29], [2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31]),
            (4, [0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27], [4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31]),
            (8, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23], [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]),
        ] {
            let (keep, other): ([i32; 16], [i32; 16]) = (keep, other);
            let (keep, other) =
                unsafe { (_mm512_loadu_si512(keep.as_ptr().cast()), _mm512_loadu_si512(other.as_ptr().cast())) };
            for i in 0..16 {
                if i & h == 0 {
                    let (a, b) = (rows[i], rows[i + h]);
                    rows[i] = unsafe { _mm512_permutex2var_ps(a, keep, b) };
                    rows[i + h] = unsafe { _mm512_permutex2var_ps(a, other, b) };
                }
            }
        }
        for j in 0..16 {
            if j < columns {
                unsafe { _mm512_storeu_ps(to.add(j * to_step), rows[j]) }
            }
        }
    }
}

lanes! {
    F64x4, f64, 4, 6 x 2: _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd
    _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_max_pd _mm256_fmadd_pd;
    |x, y, a, b| _mm256_blendv_pd(b, a, _mm256_cmp_pd::<_CMP_EQ_OQ>(x, y));
    |n: usize| _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)),
    |at, m| _mm256_maskload_pd(at, m), |at, m, x| _mm256_maskstore_pd(at, m, x);

    #[inline(always)]
    fn unzip(self, other: Self) -> [Self; 2] {
        unsafe {
            let (even, odd) = (_mm256_unpacklo_pd(self.0, other.0), _mm256_unpackhi_pd(self.0, other.0));
            [Self(_mm256_permute4x64_pd::<0b11_01_10_00>(even)), Self(_mm256_permute4x64_pd::<0b11_01_10_00>(odd))]
        }
    }

    #[inline(always)]
    fn zip(self, other: Self) -> [Self; 2] {
        unsafe {
            let (even, odd) = (_mm256_unpacklo_pd(self.0, other.0), _mm256_unpackhi_pd(self.0, other.0));
            [Self(_mm256_permute2f128_pd::<0x20>(even, odd)), Self(_mm256_permute2f128_pd::<0x31>(even, odd))]
        }
    }

    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [f64; 4] {
        unsafe {
            let (ab, cd) = (_mm256_hadd_pd(a.0, b.0), _mm256_hadd_pd(c.0, d.0));
            let crossed = _mm256_permute2f128_pd::<0x21>(ab, cd);
            let sums = _mm256_add_pd(_mm256_blend_pd::<0b1100>(ab, cd), crossed);
            std::mem::transmute::<__m256d, [f64; 4]>(sums)
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f64, step: usize, [count, columns]: [usize; 2], to: *mut f64, to_step: usize) {
        let mut rows = [unsafe { _mm256_setzero_pd() }; 4];
        for i in 0..4 {
            if i < count {
                rows[i] = unsafe { Self::load_part(from.add(i * step), columns).0 };
            }
        }
        unsafe {
            for i in [0, 2] {
                let (a, b) = (rows[i], rows[i + 1]);
                (rows[i], rows[i + 1]) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            }
            for i in [0, 1] {
                let (a, b) = (rows[i], rows[i + 2]);
                rows[i] = _mm256_permute2f128_pd::<0x20>(a, b);
                rows[i + 2] = _mm256_permute2f128_pd::<0x31>(a, b);
            }
        }
        for j in 0..4 {
            if j < columns {
                unsafe { _mm256_storeu_pd(to.add(j * to_step), rows[j]) }
            }
        }
    }
}

lanes! {
    F32x8, f32, 8, 6 x 2: _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps
    _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_max_ps _mm256_fmadd_ps;
    |x, y, a, b| _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_EQ_OQ>(x, y));
    |n: usize| _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
    |at, m| _mm256_maskload_ps(at, m), |at, m, x| _mm256_maskstore_ps(at, m, x);

    #[inline(always)]
    fn unzip(self, other: Self) -> [Self; 2] {
        unsafe {
            // Halves of both by turns, of which the middle pairs change places.
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(self.0, other.0));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(self.0, other.0));
            let (even, odd) = (_mm256_permute4x64_pd::<0b11_01_10_00>(even), _mm256_permute4x64_pd::<0b11_01_10_00>(odd));
            [Self(_mm256_castpd_ps(even)), Self(_mm256_castpd_ps(odd))]
        }
    }

    #[inline(always)]
    fn zip(self, other: Self) -> [Self; 2] {
        unsafe {
            let (outer, inner) = (_mm256_unpacklo_ps(self.0, other.0), _mm256_unpackhi_ps(self.0, other.0));
            [Self(_mm256_permute2f128_ps::<0x20>(outer, inner)), Self(_mm256_permute2f128_ps::<0x31>(outer, inner))]
        }
    }

    #[inline(always)]
    fn sums(four: [Self; 4]) -> [f32; 4] {
        unsafe {
            let [a, b, c, d] = four;
            let sums = _mm_hadd_ps(_mm_hadd_ps(a.halved(), b.halved()), _mm_hadd_ps(c.halved(), d.halved()));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, step: usize, [count, columns]: [usize; 2], to: *mut f32, to_step: usize) {
        let mut rows = [unsafe { _mm256_setzero_ps() }; 8];
        for i in 0..8 {
            if i < count {
                rows[i] = unsafe { Self::load_part(from.add(i * step), columns).0 };
            }
        }
        unsafe {
            // Single numbers, then pairs, then halves off the diagonal change places.
            for i in [0, 2, 4, 6] {
                let (a, b) = (rows[i], rows[i + 1]);
                (rows[i], rows[i + 1]) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            }
            for i in [0, 4] {
                let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
                rows[i] = _mm256_shuffle_ps::<0b01_00_01_00>(a, c);
                rows[i + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(a, c);
                rows[i + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(b, d);
                rows[i + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(b, d);
            }
            for i in 0..4 {
                let (a, b) = (rows[i], rows[i + 4]);
                rows[i] = _mm256_permute2f128_ps::<0x20>(a, b);
                rows[i + 4] = _mm256_permute2f128_ps::<0x31>(a, b);
            }
        }
        for j in 0..8 {
            if j < columns {
                unsafe { _mm256_storeu_ps(to.add(j * to_step), rows[j]) }
            }
        }
    }
}
