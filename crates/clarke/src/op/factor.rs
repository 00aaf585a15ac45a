//! Factorizations of dense matrices, by faer, in memory that a kernel is given: nothing here allocates when it runs.
//!
//! Whatever a factorization reads or writes lies at an aligned address of the scratch space, so that its result does
//! not depend on where the caller's arrays happen to lie.

use crate::program::real::Scalar;
use crate::tensor::size;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemStack, StackReq};
use faer::linalg::cholesky::llt;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::lu::partial_pivoting as lu;
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::perm::PermRef;
use faer::traits::RealField;
use faer::{MatMut, MatRef, Par};
use std::mem::MaybeUninit;

/// The numbers that can be factored: f32 and f64.
pub(super) trait Field: Scalar + RealField {}
impl Field for f32 {}
impl Field for f64 {}

/// Kernels of an operator for each precision, from its method `kernel<T: Field>(&self, args, out) -> Kernel<T>`, and how
/// many operations they take, `(&op, args, out) ↦ u64` (Golub, Van Loan 2013, up to lower order).
macro_rules! field_kernels {
    ($op:ty, $operations:expr) => {
        impl $crate::program::op::Kernels for $op {
            fn kernel_f32(
                &self,
                args: &[&[usize]],
                out: &[usize],
                _: &dyn $crate::program::op::Compiler<f32>,
            ) -> $crate::program::op::Kernel<f32> {
                self.kernel(args, out)
            }
            fn kernel_f64(
                &self,
                args: &[&[usize]],
                out: &[usize],
                _: &dyn $crate::program::op::Compiler<f64>,
            ) -> $crate::program::op::Kernel<f64> {
                self.kernel(args, out)
            }
            fn operations(
                &self,
                args: &[&[usize]],
                out: &[usize],
                _: &dyn Fn(&$crate::program::Program) -> u64,
            ) -> u64 {
                let count: fn(&$op, &[&[usize]], &[usize]) -> u64 = $operations;
                count(self, args, out)
            }
        }
    };
}
pub(super) use field_kernels;

/// The distance between 1 and the next number of this precision.
pub(super) fn epsilon<T>() -> f64 {
    if size_of::<T>() == 4 { f32::EPSILON as f64 } else { f64::EPSILON }
}

const ALIGN: usize = 128;

/// Scratch space, handed out in aligned stretches.
pub(super) struct Room<'a, T>(&'a mut [T]);

/// How many numbers of scratch space stretches of these lengths and a stack take.
pub(super) fn room<T>(stretches: &[usize], stack: StackReq) -> usize {
    let slack = ALIGN / size_of::<T>();
    let bytes = stack.unaligned_bytes_required().div_ceil(size_of::<T>());
    stretches.iter().map(|n| n + slack).sum::<usize>() + bytes + slack
}

impl<'a, T> Room<'a, T> {
    pub fn new(scratch: &'a mut [T]) -> Room<'a, T> {
        Room(scratch)
    }

    fn skip_to_aligned(&mut self) {
        let skip = self.0.as_ptr().cast::<u8>().align_offset(ALIGN) / size_of::<T>();
        self.take_here(skip);
    }

    fn take_here(&mut self, n: usize) -> &'a mut [T] {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut(n);
        self.0 = rest;
        taken
    }

    /// The next n numbers.
    pub fn take(&mut self, n: usize) -> &'a mut [T] {
        self.skip_to_aligned();
        self.take_here(n)
    }

    /// What is left, as faer's stack.
    pub fn stack(mut self) -> &'a mut MemStack {
        self.skip_to_aligned();
        let bytes = size_of_val(self.0);
        // SAFETY: the bytes are borrowed for as long as the stack lives, and every pattern of bytes that faer leaves
        // there, of its own numbers and indices, is a number.
        MemStack::new(unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<MaybeUninit<u8>>(), bytes) })
    }
}

/// The last two axes of a shape, with the axes before them.
pub(super) fn matrix(shape: &[usize]) -> (&[usize], usize, usize) {
    match shape {
        [lead @ .., m, n] => (lead, *m, *n),
        _ => unreachable!("the shape rule asks for two axes"),
    }
}

/// m·n·min(m, n) for each matrix of a stack: what the costs of factorizations are stated in.
pub(super) fn cubes(shape: &[usize]) -> u64 {
    let (lead, m, n) = matrix(shape);
    (size(lead) * m * n * m.min(n)) as u64
}

/// How many matrices an array holds.
pub(super) fn matrices(shape: &[usize]) -> usize {
    size(matrix(shape).0)
}

pub(super) fn finite<T: Scalar>(x: &[T]) -> bool {
    x.iter().all(|x| x.to_f64().is_finite())
}

/// Writes (A + Aᵀ)/2; false if it is not finite.
pub(super) fn symmetrize<T: Scalar>(a: &[T], n: usize, to: &mut [T]) -> bool {
    let half = T::of(0.5);
    for i in 0..n {
        to[i * n + i] = a[i * n + i];
        for j in 0..i {
            let x = half * a[i * n + j] + half * a[j * n + i];
            (to[i * n + j], to[j * n + i]) = (x, x);
        }
    }
    finite(&to[..n * n])
}

/// Transposes a row-major m × n matrix.
pub(super) fn transposed<T: Copy>(a: &[T], m: usize, n: usize, to: &mut [T]) {
    for i in 0..m {
        for j in 0..n {
            to[j * m + i] = a[i * n + j];
        }
    }
}

/// Factors a symmetric positive definite matrix in place: its lower triangle, by columns, becomes L with L Lᵀ = A.
/// False if it is not positive definite.
pub(super) fn cholesky<T: Field>(a: &mut [T], n: usize, stack: &mut MemStack) -> bool {
    let a = MatMut::from_column_major_slice_mut(a, n, n);
    llt::factor::cholesky_in_place(a, Default::default(), Par::Seq, stack, Default::default()).is_ok()
}

pub(super) fn cholesky_stack<T: Field>(n: usize) -> StackReq {
    llt::factor::cholesky_in_place_scratch::<T>(n, Par::Seq, Default::default())
}

/// Factors a square matrix in place, with exchanges of rows. It is read by columns: what lies row after row is the
/// transpose. `then` is called with the factors and the exchanges, or None if the matrix is singular or not finite, and
/// with the memory that is left.
pub(super) fn exchanging<T: Field>(
    a: &mut [T],
    n: usize,
    stack: &mut MemStack,
    then: impl FnOnce(Option<(MatRef<'_, T>, PermRef<'_, usize>)>, &mut MemStack),
) {
    let (mut perm, stack) = stack.make_with::<usize>(n, |_| 0);
    let (mut back, stack) = stack.make_with::<usize>(n, |_| 0);
    let matrix = MatMut::from_column_major_slice_mut(&mut *a, n, n);
    let (_, perm) = lu::factor::lu_in_place(matrix, &mut perm, &mut back, Par::Seq, stack, Default::default());
    let regular = (0..n).all(|i| a[i * n + i] != T::of(0.0) && a[i * n + i].to_f64().is_finite());
    then(regular.then_some((MatRef::from_column_major_slice(&*a, n, n), perm)), stack);
}

/// The memory that needs, where `then` needs this much.
pub(super) fn exchanging_stack<T: Field>(n: usize, then: StackReq) -> StackReq {
    let factor = lu::factor::lu_in_place_scratch::<usize, T>(n, n, Par::Seq, Default::default());
    StackReq::all_of(&[StackReq::new::<usize>(n), StackReq::new::<usize>(n), StackReq::any_of(&[factor, then])])
}

/// The eigenvalues of a symmetric matrix in ascending order and, in the columns of `v`, its eigenvectors. False if the
/// iteration did not converge.
pub(super) fn eigen<T: Field>(a: &[T], w: &mut [T], v: Option<&mut [T]>, stack: &mut MemStack) -> bool {
    let n = w.len();
    let a = MatRef::from_column_major_slice(a, n, n);
    let v = v.map(|v| MatMut::from_column_major_slice_mut(v, n, n));
    let done = evd::self_adjoint_evd(a, DiagMut::from_slice_mut(w), v, Par::Seq, stack, Default::default());
    done.is_ok() && finite(w)
}

pub(super) fn eigen_stack<T: Field>(n: usize, vectors: bool) -> StackReq {
    let vectors = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    evd::self_adjoint_evd_scratch::<T>(n, vectors, Par::Seq, Default::default())
}

/// The singular values of a row-major m × n matrix in descending order and, in columns, its min(m, n) left and right
/// singular vectors. False if the iteration did not converge.
pub(super) fn singular<T: Field>(
    a: &[T],
    (m, n): (usize, usize),
    s: &mut [T],
    vectors: Option<(&mut [T], &mut [T])>,
    stack: &mut MemStack,
) -> bool {
    let a = MatRef::from_row_major_slice(a, m, n);
    let (u, v) = match vectors {
        None => (None, None),
        Some((u, v)) => (
            Some(MatMut::from_column_major_slice_mut(u, m, m.min(n))),
            Some(MatMut::from_column_major_slice_mut(v, n, m.min(n))),
        ),
    };
    svd::svd(a, DiagMut::from_slice_mut(s), u, v, Par::Seq, stack, Default::default()).is_ok() && finite(s)
}

pub(super) fn singular_stack<T: Field>(m: usize, n: usize, vectors: bool) -> StackReq {
    let vectors = if vectors { ComputeSvdVectors::Thin } else { ComputeSvdVectors::No };
    svd::svd_scratch::<T>(m, n, vectors, vectors, Par::Seq, Default::default())
}

/// Eigenvalues in ascending order and eigenvectors in columns of (A + Aᵀ)/2, for analyses that may allocate. None if
/// it is not finite or the iteration did not converge.
pub(super) fn eigen_of(a: &[f64], n: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let mut scratch = vec![0.0; room::<f64>(&[n * n, n, n * n], eigen_stack::<f64>(n, true))];
    let mut room = Room::new(&mut scratch);
    let (s, w, v) = (room.take(n * n), room.take(n), room.take(n * n));
    let done = symmetrize(a, n, s) && eigen(s, w, Some(&mut *v), room.stack());
    done.then(|| (w.to_vec(), v.to_vec()))
}
