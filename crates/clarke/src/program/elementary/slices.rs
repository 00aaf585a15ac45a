//! Functions of all numbers of a slice, compiled for the vector instructions of the machine.

use crate::program::real::Real;

#[inline(always)]
fn exponentials<T: Real>(x: &mut [T]) {
    for x in x {
        *x = x.exp();
    }
}

/// eˣ for each x of a slice.
pub fn exp<T: Real>(x: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;

        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,fma")]
        fn avx512<T: Real>(x: &mut [T]) {
            exponentials(x);
        }

        #[target_feature(enable = "avx2,fma")]
        fn avx2<T: Real>(x: &mut [T]) {
            exponentials(x);
        }

        if has!("avx512f") && has!("avx512dq") && has!("avx512bw") && has!("avx512vl") && has!("fma") {
            // SAFETY: the machine has what the function was compiled for.
            return unsafe { avx512(x) };
        }
        if has!("avx2") && has!("fma") {
            // SAFETY: likewise.
            return unsafe { avx2(x) };
        }
    }
    exponentials(x);
}
