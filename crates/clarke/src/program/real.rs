//! The numbers that the value of an elementwise operator can be run on.

use super::elementary::{self, Formulas};
use super::lanes::{Job, Level, Plain};
use super::op::{Compiler, Kernel, Kernels};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number: f32, f64, an [`Interval`](super::interval::Interval), or a type that records what is done to it
/// ([`super::record::Rec`]).
///
/// The value of every elementwise operator is one generic, branch-free formula over this trait; so the fast kernels,
/// the slow twin and intervals run the same formula. Comparisons are *selections*: both sides are computed.
pub trait Real:
    Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// The nearest representable number.
    fn of(x: f64) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// √x, NaN for x < 0.
    fn sqrt(self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// eˣ − 1, accurate near 0.
    fn exp_m1(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// sin x.
    fn sin(self) -> Self;
    /// cos x.
    fn cos(self) -> Self;
    /// tan x.
    fn tan(self) -> Self;
    /// The angle in [−π/2, π/2] whose sine is x.
    fn asin(self) -> Self;
    /// The angle in [0, π] whose cosine is x.
    fn acos(self) -> Self;
    /// The angle in [−π/2, π/2] whose tangent is x.
    fn atan(self) -> Self;
    /// The angle in [−π, π] of the point (x, self).
    fn atan2(self, x: Self) -> Self;
    /// sinh x.
    fn sinh(self) -> Self;
    /// cosh x.
    fn cosh(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// 1 − erf x, accurate where that is small.
    fn erfc(self) -> Self;
    /// The largest integer not above x.
    fn floor(self) -> Self;
    /// The nearest integer, of two the even one.
    fn round(self) -> Self;
    /// xᵖ.
    fn powf(self, p: Self) -> Self;
    /// The larger one, of equal ones the first; NaN if either is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller one, of equal ones the first; NaN if either is NaN.
    fn min(self, other: Self) -> Self;
    /// `a` where self > other, else `b`.
    fn if_gt(self, other: Self, a: Self, b: Self) -> Self;
    /// `a` where self ≥ other, else `b`.
    fn if_ge(self, other: Self, a: Self, b: Self) -> Self;
    /// `a` where self = other, else `b`.
    fn if_eq(self, other: Self, a: Self, b: Self) -> Self;
}

macro_rules! real {
    ($t:ident $functions:ident) => {
        impl Real for $t {
            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                elementary::$functions::exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                elementary::$functions::ln(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                elementary::$functions::exp_m1(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                elementary::$functions::ln_1p(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                elementary::$functions::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                elementary::$functions::cos(self)
            }
            #[inline(always)]
            fn tan(self) -> Self {
                elementary::$functions::tan(self)
            }
            #[inline(always)]
            fn asin(self) -> Self {
                elementary::$functions::asin(self)
            }
            #[inline(always)]
            fn acos(self) -> Self {
                elementary::$functions::acos(self)
            }
            #[inline(always)]
            fn atan(self) -> Self {
                elementary::$functions::atan(self)
            }
            #[inline(always)]
            fn atan2(self, x: Self) -> Self {
                elementary::$functions::atan2(self, x)
            }
            #[inline(always)]
            fn sinh(self) -> Self {
                elementary::$functions::sinh(self)
            }
            #[inline(always)]
            fn cosh(self) -> Self {
                elementary::$functions::cosh(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                elementary::$functions::tanh(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                elementary::$functions::erf(self)
            }
            #[inline(always)]
            fn erfc(self) -> Self {
                elementary::$functions::erfc(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $t::floor(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                $t::round_ties_even(self)
            }
            #[inline(always)]
            fn powf(self, p: Self) -> Self {
                elementary::$functions::powf(self, p)
            }
            // Rust's own max and min drop a NaN; numpy's maximum and minimum keep it, and so do these.
            // Without a branch, which may become a store under a mask: that takes many cycles on some processors.
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn max(self, other: Self) -> Self {
                if (other > self) | (other != other) { other } else { self }
            }
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn min(self, other: Self) -> Self {
                if (other < self) | (other != other) { other } else { self }
            }
            #[inline(always)]
            fn if_gt(self, other: Self, a: Self, b: Self) -> Self {
                if self > other { a } else { b }
            }
            #[inline(always)]
            fn if_ge(self, other: Self, a: Self, b: Self) -> Self {
                if self >= other { a } else { b }
            }
            #[inline(always)]
            fn if_eq(self, other: Self, a: Self, b: Self) -> Self {
                if self == other { a } else { b }
            }
        }
    };
}
real!(f32 single);
real!(f64 double);

/// The precisions a program is compiled for.
pub trait Scalar: Formulas + PartialOrd + Default + Send + Sync {
    /// As f64, exactly.
    fn to_f64(self) -> f64;
    /// NaN or not.
    fn is_nan(self) -> bool;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// Whether numbers are multiplied and added fast one by one: if not, every product of some size goes through `gemm`.
    const MULTIPLIES_FAST: bool = true;
    /// Runs a job with the vectors of a level of this machine.
    fn with_lanes<J: Job<Self>>(level: Level, job: J);
    /// An integer in whose order numbers stand, NaN after all others; −0 before 0.
    fn key(self) -> u64;
    /// The number of a key.
    fn of_key(key: u64) -> Self;
    /// Scratch space as integers; None if numbers have no keys, since they are compared with doubt.
    fn words(scratch: &mut [Self]) -> Option<&mut [u64]>;
    /// The kernel of this precision.
    fn prepare(kernels: &dyn Kernels, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<Self>) -> Kernel<Self>;
    /// `dst = alpha·dst + lhs·rhs` for a m×k and a k×n matrix with arbitrary (column, row) strides.
    ///
    /// # Safety
    /// The pointers must be valid for the m, k, n and strides given, and `dst` must not overlap the others.
    #[allow(clippy::too_many_arguments)]
    unsafe fn gemm(
        m: usize,
        n: usize,
        k: usize,
        dst: (*mut Self, isize, isize),
        accumulate: bool,
        lhs: (*const Self, isize, isize),
        rhs: (*const Self, isize, isize),
    );
}

macro_rules! scalar {
    ($t:ident $bits:ident $kernel:ident: $avx512:ident $avx2:ident $base:literal) => {
        impl Scalar for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn key(self) -> u64 {
                // As integers, positive numbers stand in their order, and negative ones in the reverse one.
                let (bits, sign) = (self.to_bits(), 1 << ($bits::BITS - 1));
                let key = if bits & sign == 0 { bits | sign } else { !bits };
                let key = if self.is_nan() { $bits::MAX } else { key };
                (key as u64) << (u64::BITS - $bits::BITS)
            }
            #[inline(always)]
            fn of_key(key: u64) -> Self {
                let (key, sign) = ((key >> (u64::BITS - $bits::BITS)) as $bits, 1 << ($bits::BITS - 1));
                $t::from_bits(if key == $bits::MAX || key & sign != 0 { key & !sign } else { !key })
            }
            fn words(scratch: &mut [Self]) -> Option<&mut [u64]> {
                // SAFETY: all bits are a number of either type.
                Some(unsafe { scratch.align_to_mut().1 })
            }
            fn prepare(k: &dyn Kernels, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<$t>) -> Kernel<$t> {
                k.$kernel(args, out, compiler)
            }
            fn with_lanes<J: Job<$t>>(level: Level, job: J) {
                #[cfg(target_arch = "x86_64")]
                {
                    use super::lanes::{Width, x86};
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2<J: Job<$t>>(job: J) {
                        job.run::<x86::$avx2>();
                    }
                    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
                    fn avx512<J: Job<$t>>(job: J) {
                        job.run::<x86::$avx512>();
                    }
                    match level.0 {
                        Width::Base => {}
                        // SAFETY: a level above the base is made only where the machine was asked for its instructions.
                        Width::Avx2 => return unsafe { avx2(job) },
                        Width::Avx512 => return unsafe { avx512(job) },
                    }
                }
                let _ = level;
                job.run::<Plain<$t, $base>>();
            }
            unsafe fn gemm(
                m: usize,
                n: usize,
                k: usize,
                dst: (*mut Self, isize, isize),
                accumulate: bool,
                lhs: (*const Self, isize, isize),
                rhs: (*const Self, isize, isize),
            ) {
                use faer::{Accum, MatMut, MatRef, Par};
                // SAFETY: the caller vouches for pointers and strides; these only name them, row stride first.
                let (dst, lhs, rhs) = unsafe {
                    (
                        MatMut::from_raw_parts_mut(dst.0, m, n, dst.2, dst.1),
                        MatRef::from_raw_parts(lhs.0, m, k, lhs.2, lhs.1),
                        MatRef::from_raw_parts(rhs.0, k, n, rhs.2, rhs.1),
                    )
                };
                let keep = if accumulate { Accum::Add } else { Accum::Replace };
                faer::linalg::matmul::matmul(dst, keep, lhs, rhs, 1.0, Par::Seq);
            }
        }
    };
}
scalar!(f32 u32 kernel_f32: F32x16 F32x8 4);
scalar!(f64 u64 kernel_f64: F64x8 F64x4 2);
