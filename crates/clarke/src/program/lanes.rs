//! Numbers side by side, as the machine's vector registers hold them: what the kernels of products are written in.
//!
//! A kernel is a [`Job`], generic over its [`Lanes`]; `Scalar::with_lanes` compiles it for each instruction set and runs
//! the one of the given [`Level`].

use super::elementary::{Base, MulAdd};
use std::sync::OnceLock;

/// The widest instructions that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(pub(super) Width);

/// Not to be made but by asking the machine, since it is what makes the instructions sound to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Base,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// What every machine has.
    pub const BASE: Level = Level(Width::Base);

    /// The levels of this machine, the widest first.
    pub fn all() -> Vec<Level> {
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let wide = fma
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            let there = [(wide, Width::Avx512), (fma, Width::Avx2), (true, Width::Base)];
            there.into_iter().filter(|(there, _)| *there).map(|(_, width)| Level(width)).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Level::BASE]
    }

    /// Whether it has the vectors of AVX-512, with masks, words and bytes, and all that AVX2 has.
    #[cfg(target_arch = "x86_64")]
    pub fn has_avx512(self) -> bool {
        self.0 == Width::Avx512
    }

    /// Whether it has those of AVX2, and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    pub fn has_avx2(self) -> bool {
        self.0 != Width::Base
    }

    /// Found once; after that it costs next to nothing and allocates nothing.
    pub fn of_this_machine() -> Level {
        static WIDEST: OnceLock<Level> = OnceLock::new();
        *WIDEST.get_or_init(|| Level::all()[0])
    }
}

/// `N` numbers side by side.
///
/// Values of implementations that need instructions beyond the base exist only inside a [`Job`], which runs on machines
/// that have them.
pub trait Lanes<T>: Copy {
    /// How many numbers.
    const N: usize;
    /// How elementary functions multiply and add beside them.
    type Products: MulAdd;
    /// How many rows of a product's tile the registers hold.
    const ROWS: usize;
    /// How many registers such a tile is wide.
    const WIDE: usize;

    /// The same number everywhere.
    fn splat(x: T) -> Self;

    /// Numbers in memory.
    ///
    /// # Safety
    /// N numbers can be read.
    unsafe fn load(at: *const T) -> Self;

    /// The first `n` numbers, and zeros.
    ///
    /// # Safety
    /// `n` numbers can be read, and n ≤ N.
    unsafe fn load_part(at: *const T, n: usize) -> Self;

    /// # Safety
    /// N numbers can be written.
    unsafe fn store(self, at: *mut T);

    /// Writes the first `n`.
    ///
    /// # Safety
    /// `n` numbers can be written, and n ≤ N.
    unsafe fn store_part(self, at: *mut T, n: usize);

    /// self + other.
    fn add(self, other: Self) -> Self;

    /// self − other.
    fn sub(self, other: Self) -> Self;

    /// self · other.
    fn mul(self, other: Self) -> Self;

    /// self / other.
    fn div(self, other: Self) -> Self;

    /// The larger ones, of equal ones those of self; NaN where either is NaN.
    fn max(self, other: Self) -> Self;

    /// `a` where self = other, else `b`.
    fn if_eq(self, other: Self, a: Self, b: Self) -> Self;

    /// self · b + c, rounded once where the machine does that.
    fn mul_add(self, b: Self, c: Self) -> Self;

    /// The sum of each of the four.
    fn sums(four: [Self; 4]) -> [T; 4];

    /// Of these and others one after the other, the even ones and the odd ones, from 0.
    fn unzip(self, other: Self) -> [Self; 2];

    /// The numbers of these and others by turns: what [`unzip`](Lanes::unzip) takes apart.
    fn zip(self, other: Self) -> [Self; 2];

    /// Writes up to N rows of up to N numbers, `step` apart, as columns `to_step` apart, each filled up to N with zeros.
    ///
    /// # Safety
    /// The rows can be read, N numbers of each column written, and they do not overlap; both counts are at most N.
    #[inline(always)]
    unsafe fn transpose(from: *const T, step: usize, [rows, columns]: [usize; 2], to: *mut T, to_step: usize)
    where
        T: super::real::Real,
    {
        for j in 0..columns {
            for i in 0..Self::N {
                // SAFETY: entry (i, j) of the rows becomes (j, i).
                unsafe { *to.add(j * to_step + i) = if i < rows { *from.add(i * step + j) } else { T::of(0.0) } }
            }
        }
    }
}

/// A kernel, written once for all vectors.
pub trait Job<T> {
    /// Runs it.
    fn run<V: Lanes<T>>(self);
}

/// Numbers side by side without instructions of their own.
#[derive(Debug, Clone, Copy)]
pub struct Plain<T, const N: usize>([T; N]);

impl<T: super::real::Real, const N: usize> Lanes<T> for Plain<T, N> {
    const N: usize = N;
    type Products = Base;
    const ROWS: usize = 4;
    const WIDE: usize = 3;

    #[inline(always)]
    fn splat(x: T) -> Self {
        Plain([x; N])
    }
    #[inline(always)]
    unsafe fn load(at: *const T) -> Self {
        // SAFETY: the caller vouches for N numbers.
        Plain(std::array::from_fn(|k| unsafe { *at.add(k) }))
    }
    #[inline(always)]
    unsafe fn load_part(at: *const T, n: usize) -> Self {
        // SAFETY: the caller vouches for n numbers.
        Plain(std::array::from_fn(|k| if k < n { unsafe { *at.add(k) } } else { T::of(0.0) }))
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut T) {
        // SAFETY: the caller vouches for N numbers.
        (0..N).for_each(|k| unsafe { *at.add(k) = self.0[k] });
    }
    #[inline(always)]
    unsafe fn store_part(self, at: *mut T, n: usize) {
        // SAFETY: the caller vouches for n numbers.
        (0..N.min(n)).for_each(|k| unsafe { *at.add(k) = self.0[k] });
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k] + other.0[k]))
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k] - other.0[k]))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k] * other.0[k]))
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k] / other.0[k]))
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k].max(other.0[k])))
    }
    #[inline(always)]
    fn if_eq(self, other: Self, a: Self, b: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k].if_eq(other.0[k], a.0[k], b.0[k])))
    }
    // Not fused: without an instruction for it that is a slow call.
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Plain(std::array::from_fn(|k| self.0[k] * b.0[k] + c.0[k]))
    }
    #[inline(always)]
    fn unzip(self, other: Self) -> [Self; 2] {
        [0, 1].map(|odd| {
            Plain(std::array::from_fn(|k| {
                let at = 2 * k + odd;
                if at < N { self.0[at] } else { other.0[at - N] }
            }))
        })
    }
    #[inline(always)]
    fn zip(self, other: Self) -> [Self; 2] {
        [0, N].map(|from| {
            Plain(std::array::from_fn(|k| {
                let at = from + k;
                if at % 2 == 0 { self.0[at / 2] } else { other.0[at / 2] }
            }))
        })
    }
    #[inline(always)]
    fn sums(four: [Self; 4]) -> [T; 4] {
        four.map(|x| x.0[1..].iter().fold(x.0[0], |s, x| s + *x))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::real::Scalar;

    struct Check;

    impl<T: Scalar> Job<T> for Check {
        fn run<V: Lanes<T>>(self) {
            let inputs: [T; 32] = std::array::from_fn(|k| {
                T::of([1.5, -0.25, f64::NAN, 3.0, f64::INFINITY, 0.0, -0.0][k % 7] + (k / 7) as f64)
            });
            let mut outputs = [T::of(0.0); 16];
            let is = |y: &[T], expected: &dyn Fn(usize) -> T| {
                for (k, y) in y[..V::N].iter().enumerate() {
                    let e = expected(k);
                    assert!(*y == e || (y.is_nan() && e.is_nan()), "{k}: {y:?} is not {e:?}");
                }
            };
            // SAFETY: vectors of at most 16 numbers are read and written.
            unsafe {
                let (a, b) = (V::load(inputs.as_ptr()), V::load(inputs.as_ptr().add(V::N)));
                let b_at = |k: usize| inputs[V::N + k];
                for (odd, y) in a.unzip(b).into_iter().enumerate() {
                    y.store(outputs.as_mut_ptr());
                    is(&outputs, &|k| inputs[2 * k + odd]);
                }
                for (second, y) in a.zip(b).into_iter().enumerate() {
                    y.store(outputs.as_mut_ptr());
                    is(&outputs, &|k| {
                        let at = second * V::N + k;
                        inputs[at / 2 + at % 2 * V::N]
                    });
                }
                a.max(b).store(outputs.as_mut_ptr());
                is(&outputs, &|k| inputs[k].max(b_at(k)));
                b.max(a).store(outputs.as_mut_ptr());
                is(&outputs, &|k| b_at(k).max(inputs[k]));
                a.if_eq(b, a, b.sub(a)).store(outputs.as_mut_ptr());
                is(&outputs, &|k| inputs[k].if_eq(b_at(k), inputs[k], b_at(k) - inputs[k]));
                a.mul(b).add(a.div(b)).store(outputs.as_mut_ptr());
                is(&outputs, &|k| inputs[k] * b_at(k) + inputs[k] / b_at(k));
            }
        }
    }

    #[test]
    fn numbers_side_by_side_are_numbers() {
        for level in Level::all() {
            f64::with_lanes(level, Check);
            f32::with_lanes(level, Check);
        }
    }
}
