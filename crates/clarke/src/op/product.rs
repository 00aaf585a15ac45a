//! The kernels of products of matrices and vectors, written once for the vectors of all machines.
//!
//! The order of additions depends on the shapes and on how wide the machine's vectors are, on nothing else: a product is
//! the same from run to run, wherever its arrays lie. The loops that hold sums in registers go without closures, which are
//! compiled without the vectors' instructions.
#![allow(clippy::needless_range_loop)]

mod vector;

pub(super) use crate::program::lanes::Level;

use crate::program::lanes::{Job, Lanes};
use crate::program::real::Scalar;
use std::ops::Range;
use vector::{dots, outer, vector};

/// How many sums run side by side in a reduction: two AVX-512 registers of f64 for each of up to four rows.
const LANES: usize = 16;

/// Larger products of numbers that are slow to multiply one by one, intervals, are made of products of f64.
const SMALL: usize = 1000;

/// How many rows of b are packed at once: three vectors wide, they stay in the first cache.
pub(super) const BLOCK: usize = 200;

/// The widest panel of b, in vectors, and how many bytes it takes at most in each row.
pub(super) const PANEL: usize = 3;
pub(super) const PANEL_BYTES: usize = PANEL * 64;

/// A matrix b of up to so many bytes stays in the first cache as it is; a larger one is packed.
const UNPACKED: usize = 24 * 1024;

/// From how many terms on inner products of rows are taken where there are few rows or columns; with less, adding up the
/// lanes costs more than packing.
const LONG: usize = 48;

/// A matrix in memory: how far apart the elements are along rows and columns; one of the two is 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix {
    /// From a row to the next.
    pub row: usize,
    /// From a column to the next.
    pub column: usize,
}

impl Matrix {
    /// A row-major matrix with this many columns, or its transpose.
    pub(super) fn new(columns: usize, transposed: bool) -> Matrix {
        if transposed { Matrix { row: 1, column: columns } } else { Matrix { row: columns, column: 1 } }
    }

    fn turned(self) -> Matrix {
        Matrix { row: self.column, column: self.row }
    }

    /// How many numbers it reaches over.
    fn reach(self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row + (columns - 1) * self.column + 1
    }
}

/// A product of an m×k and a k×p matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub m: usize,
    pub k: usize,
    pub p: usize,
    pub a: Matrix,
    pub b: Matrix,
    /// Whether rows of b may go unread that zeros of a meet, where a is a single row.
    pub skip_zeros: bool,
}

impl Product {
    /// How many numbers of scratch space a run needs.
    pub(super) fn scratch<T>(&self) -> usize {
        let row = (PANEL_BYTES / size_of::<T>()).max(PANEL);
        self.k.min(BLOCK) * row + 64 / size_of::<T>()
    }

    /// How many parts the product has that are computed apart, and how many a stretch of them has at least: rows, or columns
    /// where there is one row. With as many, each number is added up in the order of the whole.
    pub(super) fn parts(&self) -> [usize; 2] {
        let grain = if self.m == 1 || self.p == 1 { 128 } else { 24 };
        [if self.m == 1 { self.p } else { self.m }, grain]
    }

    /// out = a b, with out in row-major order.
    pub(super) fn run<T: Scalar>(&self, level: Level, a: &[T], b: &[T], out: &mut [T], scratch: &mut [T]) {
        self.run_parts(level, 0..self.parts()[0], [a, b], out, scratch);
    }

    /// Some of the [parts](Product::parts) of a b.
    pub(super) fn run_parts<T: Scalar>(
        &self,
        level: Level,
        parts: Range<usize>,
        [a, b]: [&[T]; 2],
        out: &mut [T],
        scratch: &mut [T],
    ) {
        let of_columns = self.m == 1;
        let [m, p] = if of_columns { [1, parts.len()] } else { [parts.len(), self.p] };
        let part = Product { m, p, ..*self };
        if m * p == 0 {
            return;
        }
        let out = &mut out[..m * p];
        if self.k == 0 {
            out.fill(T::of(0.0));
            return;
        }
        let [i, j] = if of_columns { [0, parts.start] } else { [parts.start, 0] };
        let a = &a[i * self.a.row..][..self.a.reach(m, self.k)];
        let b = &b[j * self.b.column..][..self.b.reach(self.k, p)];
        if !T::MULTIPLIES_FAST && m * self.k * p > SMALL {
            part.by_gemm(a, b, out);
        } else {
            let (whole, scratch) = ([self.m, self.p], &mut scratch[..self.scratch::<T>()]);
            T::with_lanes(level, Run { product: part, whole, a, b, out, scratch });
        }
    }

    fn by_gemm<T: Scalar>(&self, a: &[T], b: &[T], out: &mut [T]) {
        let step = |s: usize| s as isize;
        // SAFETY: `run` cut the slices to what the matrices reach over; `out` is borrowed mutably and overlaps neither.
        unsafe {
            T::gemm(
                self.m,
                self.p,
                self.k,
                (out.as_mut_ptr(), 1, step(self.p)),
                false,
                (a.as_ptr(), step(self.a.column), step(self.a.row)),
                (b.as_ptr(), step(self.b.column), step(self.b.row)),
            );
        }
    }
}

/// A product about to be run: the slices are as long as the matrices reach.
struct Run<'a, T> {
    product: Product,
    /// How many rows and columns the product has that it is a part of: how it is computed depends on them.
    whole: [usize; 2],
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for Run<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Run { product, whole, a, b, out, scratch } = self;
        let Product { m, k, p, skip_zeros: skip, .. } = product;
        let a = View { at: a.as_ptr(), of: product.a };
        let b = View { at: b.as_ptr(), of: product.b };
        let to = out.as_mut_ptr();
        let rows_of_both = product.a.column == 1 && product.b.row == 1;
        // SAFETY: the slices are as long as the matrices reach, and scratch as long as `Product::scratch` says.
        unsafe {
            if p == 1 {
                // A column is the transpose of a row.
                vector::<T, V>([k, m], whole[0], b.turned(), a.turned(), false, to);
            } else if m == 1 {
                vector::<T, V>([k, p], whole[1], a, b, skip, to);
            } else if k == 1 && product.b.column == 1 && p >= V::N {
                outer::<T, V>([m, p], a, b, to);
            } else if rows_of_both && k >= LONG && (p < V::N || m < V::ROWS) {
                dots::<T, V>([m, k, p], a, b, to);
            } else {
                panels::<T, V>([m, k, p], a, b, to, scratch);
            }
        }
    }
}

/// Where the numbers of a matrix are that is to be read.
pub(super) trait Places<T>: Copy {
    /// Where row i begins.
    ///
    /// # Safety
    /// The matrix has it.
    unsafe fn row(self, i: usize) -> *const T;

    /// How far from there number j is.
    ///
    /// # Safety
    /// Rows have as many.
    unsafe fn column(self, j: usize) -> usize;

    /// The matrix without its first rows.
    ///
    /// # Safety
    /// The matrix has as many.
    unsafe fn below(self, rows: usize) -> Self;
}

/// A matrix to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<T> {
    pub at: *const T,
    pub of: Matrix,
}

impl<T: Copy> Places<T> for View<T> {
    #[inline(always)]
    unsafe fn row(self, i: usize) -> *const T {
        // SAFETY: the caller vouches for it.
        unsafe { self.from(i, 0).at }
    }
    #[inline(always)]
    unsafe fn column(self, j: usize) -> usize {
        j * self.of.column
    }
    #[inline(always)]
    unsafe fn below(self, rows: usize) -> Self {
        // SAFETY: the caller vouches for it.
        unsafe { self.from(rows, 0) }
    }
}

impl<T> View<T> {
    /// From row i and column j on. Safety: the matrix reaches there.
    #[inline(always)]
    pub(super) unsafe fn from(self, i: usize, j: usize) -> View<T> {
        // SAFETY: the caller vouches for it.
        View { at: unsafe { self.at.add(i * self.of.row + j * self.of.column) }, of: self.of }
    }

    fn turned(self) -> View<T> {
        View { of: self.of.turned(), ..self }
    }
}

/// A part of a product that is some vectors wide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip<T, A, B> {
    pub k: usize,
    pub a: A,
    /// Numbers of a row of b are neighbours.
    pub b: B,
    pub out: *mut T,
    pub row_of_out: usize,
    /// How many numbers the last vector has; those of b are whole where it was packed.
    pub last: usize,
    pub whole: bool,
    /// Whether it adds to what is there.
    pub add: bool,
}

// SAFETY of all that follows: whoever makes a strip vouches that its matrices reach as far as it says, and that `out`
// overlaps neither; the loops stay within.
impl<T: Scalar, A: Places<T>, B: Places<T>> Strip<T, A, B> {
    /// All `m` rows, C vectors wide, so many rows at once as the registers hold.
    #[inline(always)]
    pub(super) unsafe fn rows<V: Lanes<T>, const C: usize>(mut self, m: usize) {
        let mut left = m;
        while left > 0 {
            unsafe {
                let done = if V::ROWS >= 8 && left >= 8 {
                    self.tile::<V, 8, C, 1>();
                    8
                } else if V::ROWS == 6 && left >= 6 {
                    self.tile::<V, 6, C, 1>();
                    6
                } else if left >= 4 {
                    self.tile::<V, 4, C, 1>();
                    4
                } else if left >= 2 {
                    self.tile::<V, 2, C, 2>();
                    2
                } else {
                    self.tile::<V, 1, C, 2>();
                    1
                };
                left -= done;
                if left > 0 {
                    self.a = self.a.below(done);
                    self.out = self.out.add(done * self.row_of_out);
                }
            }
        }
    }

    /// R rows, C vectors wide, in registers; every U-th term goes to the same sum, so that few rows have sums enough to
    /// keep the processor busy.
    #[inline(always)]
    unsafe fn tile<V: Lanes<T>, const R: usize, const C: usize, const U: usize>(&self) {
        let mut sums = [[[V::splat(T::of(0.0)); C]; R]; U];
        let mut rows = unsafe { [self.a.row(0); R] };
        for r in 1..R {
            rows[r] = unsafe { self.a.row(r) };
        }
        let even = self.k / U * U;
        let mut l = 0;
        while l < even {
            for u in 0..U {
                unsafe { self.add_term(&rows, &mut sums[u], l + u) }
            }
            l += U;
        }
        while l < self.k {
            unsafe { self.add_term(&rows, &mut sums[0], l) }
            l += 1;
        }
        for r in 0..R {
            for c in 0..C {
                let mut sum = sums[0][r][c];
                for u in 1..U {
                    sum = sum.add(sums[u][r][c]);
                }
                unsafe {
                    let to = self.out.add(r * self.row_of_out + c * V::N);
                    let n = if c + 1 < C { V::N } else { self.last };
                    put(if self.add { sum.add(some(to, n)) } else { sum }, to, n);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn add_term<V: Lanes<T>, const R: usize, const C: usize>(
        &self,
        rows: &[*const T; R],
        sums: &mut [[V; C]; R],
        l: usize,
    ) {
        let mut b = [V::splat(T::of(0.0)); C];
        unsafe {
            let row = self.b.row(l);
            let column = self.a.column(l);
            for c in 0..C {
                b[c] = some(row.add(c * V::N), if self.whole || c + 1 < C { V::N } else { self.last });
            }
            for r in 0..R {
                let a = V::splat(*rows[r].add(column));
                for c in 0..C {
                    sums[r][c] = a.mul_add(b[c], sums[r][c]);
                }
            }
        }
    }
}

/// `n` numbers in memory, up to a whole vector. Safety: they can be read.
#[inline(always)]
pub(super) unsafe fn some<T, V: Lanes<T>>(at: *const T, n: usize) -> V {
    unsafe { if n == V::N { V::load(at) } else { V::load_part(at, n) } }
}

/// Writes `n` numbers, up to a whole vector. Safety: they can be written.
#[inline(always)]
pub(super) unsafe fn put<T, V: Lanes<T>>(x: V, at: *mut T, n: usize) {
    unsafe { if n == V::N { x.store(at) } else { x.store_part(at, n) } }
}

/// Numbers as vectors, of which the last goes over what the one before it has, where there is one: parts of vectors are
/// written slowly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretches {
    at: usize,
    count: usize,
    n: usize,
}

impl Stretches {
    /// So many numbers.
    #[inline(always)]
    pub(super) fn of<T, V: Lanes<T>>(count: usize) -> Stretches {
        Stretches { at: 0, count, n: V::N.min(count) }
    }
}

impl Iterator for Stretches {
    /// Where a stretch begins, and how long it is.
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let at = self.at;
        self.at += self.n;
        (at < self.count).then(|| (at.min(self.count - self.n), self.n))
    }
}

/// A product strip by strip of b, packed where that pays.
#[inline(always)]
unsafe fn panels<T: Scalar, V: Lanes<T>>(
    [m, k, p]: [usize; 3],
    a: View<T>,
    b: View<T>,
    out: *mut T,
    scratch: &mut [T],
) {
    let pack = b.of.column != 1 || (m > 2 * V::ROWS && k * p * size_of::<T>() > UNPACKED);
    let block = if pack { k.div_ceil(k.div_ceil(BLOCK)) } else { k };
    let shift = scratch.as_ptr().align_offset(64).min(64 / size_of::<T>());
    let packed = unsafe { scratch.as_mut_ptr().add(shift) };
    // Strips as wide as each other, up to a vector.
    let vectors = p.div_ceil(V::N);
    let count = vectors.div_ceil(V::WIDE);
    for from in (0..k).step_by(block) {
        let k = block.min(k - from);
        let mut first = 0;
        for strip in 0..count {
            let width = vectors / count + usize::from(strip < vectors % count);
            let j = first * V::N;
            first += width;
            let columns = (width * V::N).min(p - j);
            let last = columns - (width - 1) * V::N;
            unsafe {
                let own = b.from(from, j);
                if pack {
                    pack_strip::<T, V>([k, columns], own, width, packed);
                }
                let b = if pack { View { at: packed, of: Matrix::new(width * V::N, false) } } else { own };
                let (a, out) = (a.from(0, from), out.add(j));
                let strip = Strip { k, a, b, out, row_of_out: p, last, whole: true, add: from > 0 };
                // Written twice, so that the loops over whole vectors know that they are.
                match (width, pack || last == V::N) {
                    (1, true) => strip.rows::<V, 1>(m),
                    (2, true) => strip.rows::<V, 2>(m),
                    (_, true) => strip.rows::<V, 3>(m),
                    (1, false) => Strip { whole: false, ..strip }.rows::<V, 1>(m),
                    (2, false) => Strip { whole: false, ..strip }.rows::<V, 2>(m),
                    (_, false) => Strip { whole: false, ..strip }.rows::<V, 3>(m),
                }
            }
        }
    }
}

/// Copies a strip of b, row after row, with zeros up to whole vectors.
#[inline(always)]
pub(super) unsafe fn pack_strip<T: Scalar, V: Lanes<T>>(
    [k, columns]: [usize; 2],
    b: View<T>,
    width: usize,
    to: *mut T,
) {
    let row = width * V::N;
    unsafe {
        if b.of.column == 1 {
            let last = columns - (width - 1) * V::N;
            for l in 0..k {
                let (from, to) = (b.from(l, 0).at, to.add(l * row));
                for c in 0..width {
                    some::<T, V>(from.add(c * V::N), if c + 1 < width { V::N } else { last }).store(to.add(c * V::N));
                }
            }
        } else {
            for j in (0..columns).step_by(V::N) {
                for l in (0..k).step_by(V::N) {
                    let counts = [V::N.min(columns - j), V::N.min(k - l)];
                    V::transpose(b.from(l, j).at, b.of.column, counts, to.add(l * row + j), row);
                }
            }
        }
    }
}

/// Σ x, in sums that run side by side.
#[inline(always)]
pub(super) fn sum<T: Scalar>(x: &[T]) -> T {
    let (wide, rest) = x.as_chunks::<LANES>();
    let mut sums = [T::of(0.0); LANES];
    for x in wide {
        for l in 0..LANES {
            sums[l] = sums[l] + x[l];
        }
    }
    let four = folded(sums);
    let last = rest.iter().fold(T::of(0.0), |s, x| s + *x);
    ((four[0] + four[2]) + (four[1] + four[3])) + last
}

/// The lanes added up to four.
#[inline(always)]
fn folded<T: Scalar>(sums: [T; LANES]) -> [T; 4] {
    let mut four = [T::of(0.0); 4];
    for group in sums.as_chunks::<4>().0 {
        for l in 0..4 {
            four[l] = four[l] + group[l];
        }
    }
    four
}

/// y += x.
#[inline(always)]
pub(super) fn add<T: Scalar>(x: &[T], y: &mut [T]) {
    std::iter::zip(y, x).for_each(|(y, x)| *y = *y + *x);
}

#[cfg(test)]
mod tests;
