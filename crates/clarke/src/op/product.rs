//! The inner loops of products of matrices and vectors, compiled for each instruction set of the machine.
//!
//! The order of additions is fixed by the code, not by the instruction set: every machine gives the same numbers.
//! (Larger products of matrices are the business of the `faer` crate.)

use crate::program::real::Scalar;

/// How many sums run side by side in a reduction: two AVX-512 registers of f64 for each of up to four rows.
const LANES: usize = 16;

/// Products of matrices with fewer multiplications than this are done by loops of our own: a call of the crate has a
/// fixed cost of 0.3 to 0.8 µs.
const SMALL: usize = 1000;

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
}

/// A product of an m×k and a k×p matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub m: usize,
    pub k: usize,
    pub p: usize,
    pub a: Matrix,
    pub b: Matrix,
}

impl Product {
    /// out = a b, with out in row-major order.
    pub(super) fn run<T: Scalar>(&self, level: Level, a: &[T], b: &[T], out: &mut [T]) {
        let &Product { m, k, p, .. } = self;
        let (a, b, out) = (&a[..m * k], &b[..k * p], &mut out[..m * p]);
        if m * p == 0 {
        } else if k == 0 {
            out.fill(T::of(0.0));
        } else if !T::MULTIPLIES_FAST && m * k * p > SMALL {
            self.large(a, b, out);
        } else if p == 1 {
            // The elements of a single column, or of a single row transposed, are neighbours.
            matvec(level, k, self.a, a, b, out);
        } else if m == 1 {
            matvec(level, k, Matrix { row: self.b.column, column: self.b.row }, b, a, out);
        } else if m * k * p <= SMALL {
            self.small(level, a, b, out);
        } else {
            self.large(a, b, out);
        }
    }

    fn small<T: Scalar>(&self, level: Level, a: &[T], b: &[T], out: &mut [T]) {
        let &Product { k, p, .. } = self;
        if self.a.column == 1 && self.b.column != 1 {
            // Rows of both: inner products.
            for (x, row) in std::iter::zip(a.chunks_exact(k), out.chunks_exact_mut(p)) {
                matvec(level, k, Matrix { row: self.b.column, column: self.b.row }, b, x, row);
            }
        } else {
            mul_small(level, self, a, b, out);
        }
    }

    fn large<T: Scalar>(&self, a: &[T], b: &[T], out: &mut [T]) {
        let step = |s: usize| s as isize;
        // SAFETY: `run` cut the slices to m·k, k·p and m·p elements, which the strides of row-major matrices or their
        // transposes stay within; `out` is borrowed mutably and overlaps neither.
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

/// The widest instructions that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Base,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Asked once, when a kernel is made.
    pub(super) fn of_this_machine() -> Level {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
            {
                return Level::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Level::Avx2;
            }
        }
        Level::Base
    }
}

/// Compiles a function for each instruction set and calls the one of the given level.
macro_rules! levels {
    ($(fn $name:ident = $body:ident($($arg:ident: $t:ty),*);)*) => {$(
        fn $name<T: Scalar>(level: Level, $($arg: $t),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<T: Scalar>($($arg: $t),*) {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
                fn avx512<T: Scalar>($($arg: $t),*) {
                    $body($($arg),*)
                }
                match level {
                    Level::Base => $body($($arg),*),
                    // SAFETY: a level above the base is made only where the machine was asked for its instructions.
                    Level::Avx2 => unsafe { avx2($($arg),*) },
                    Level::Avx512 => unsafe { avx512($($arg),*) },
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            {
                let Level::Base = level;
                $body($($arg),*)
            }
        }
    )*};
}

levels! {
    fn rows_dot = rows_dot_body(k: usize, step: usize, a: &[T], x: &[T], out: &mut [T]);
    fn rows_sum = rows_sum_body(step: usize, a: &[T], x: &[T], out: &mut [T]);
    fn mul_small = mul_small_body(product: &Product, a: &[T], b: &[T], out: &mut [T]);
}

/// out = A x, with x contiguous.
fn matvec<T: Scalar>(level: Level, k: usize, layout: Matrix, a: &[T], x: &[T], out: &mut [T]) {
    if k == 1 {
        // One column: its elements are `row` apart, which is 1 in either order.
        std::iter::zip(out, a).for_each(|(y, a)| *y = *a * x[0]);
    } else if layout.column == 1 {
        rows_dot(level, k, layout.row, a, x, out);
    } else {
        rows_sum(level, layout.column, a, x, out);
    }
}

/// Inner products of the rows of A, `step` apart, with x: four rows at a time, to read x less often. The order of
/// additions is the same for every row.
#[inline(always)]
fn rows_dot_body<T: Scalar>(k: usize, step: usize, a: &[T], x: &[T], out: &mut [T]) {
    let x = &x[..k];
    let row = |i: usize| &a[i * step..][..k];
    let (fours, rest) = out.as_chunks_mut::<4>();
    let done = 4 * fours.len();
    for (i, y) in fours.iter_mut().enumerate() {
        *y = dots([row(4 * i), row(4 * i + 1), row(4 * i + 2), row(4 * i + 3)], x);
    }
    for (i, y) in (done..).zip(rest) {
        [*y] = dots([row(i)], x);
    }
}

/// out = Σ x_l a_l over the rows a_l of A, `step` apart: four at a time, to go over `out` less often.
#[inline(always)]
fn rows_sum_body<T: Scalar>(step: usize, a: &[T], x: &[T], out: &mut [T]) {
    let p = out.len();
    let row = |l: usize| &a[l * step..][..p];
    out.fill(T::of(0.0));
    let (fours, rest) = x.as_chunks::<4>();
    for (l, c) in fours.iter().enumerate() {
        let (r0, r1, r2, r3) = (row(4 * l), row(4 * l + 1), row(4 * l + 2), row(4 * l + 3));
        for j in 0..p {
            out[j] = out[j] + ((c[0] * r0[j] + c[1] * r1[j]) + (c[2] * r2[j] + c[3] * r3[j]));
        }
    }
    for (l, c) in (4 * fours.len()..).zip(rest) {
        let r = row(l);
        for j in 0..p {
            out[j] = out[j] + *c * r[j];
        }
    }
}

/// A small product, row by row of the result.
#[inline(always)]
fn mul_small_body<T: Scalar>(product: &Product, a: &[T], b: &[T], out: &mut [T]) {
    let &Product { k, p, a: ma, b: mb, .. } = product;
    for (i, row) in out.chunks_exact_mut(p).enumerate() {
        row.fill(T::of(0.0));
        for l in 0..k {
            let c = a[i * ma.row + l * ma.column];
            if mb.column == 1 {
                let from = &b[l * mb.row..][..p];
                for j in 0..p {
                    row[j] = row[j] + c * from[j];
                }
            } else {
                for j in 0..p {
                    row[j] = row[j] + c * b[l * mb.row + j * mb.column];
                }
            }
        }
    }
}

/// The inner products of rows with x, each in `LANES` sums that run side by side, then four, then one.
#[inline(always)]
fn dots<T: Scalar, const R: usize>(rows: [&[T]; R], x: &[T]) -> [T; R] {
    let (wide, four) = (x.len() / LANES * LANES, x.len() / 4 * 4);
    let mut sums = [[T::of(0.0); 4]; R];
    // Short rows go without the wide sums, whose folding would cost more than the products.
    if wide > 0 {
        let mut lanes = [[T::of(0.0); LANES]; R];
        for at in (0..wide).step_by(LANES) {
            add_products(&mut lanes, rows, x, at);
        }
        sums = lanes.map(folded);
    }
    for at in (wide..four).step_by(4) {
        add_products(&mut sums, rows, x, at);
    }
    std::array::from_fn(|r| {
        let last = (four..x.len()).fold(T::of(0.0), |s, l| s + rows[r][l] * x[l]);
        let [a, b, c, d] = sums[r];
        ((a + c) + (b + d)) + last
    })
}

/// Adds the products of L neighbours of x with those of each row.
#[inline(always)]
fn add_products<T: Scalar, const R: usize, const L: usize>(
    sums: &mut [[T; L]; R],
    rows: [&[T]; R],
    x: &[T],
    at: usize,
) {
    let x = &x[at..at + L];
    for r in 0..R {
        let row = &rows[r][at..at + L];
        for l in 0..L {
            sums[r][l] = sums[r][l] + row[l] * x[l];
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
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        (0..n as u64).map(|k| ((k * 7919 + seed * 104_729) % 41) as f64 - 20.0).collect()
    }

    /// Integers, so that every order of additions gives the same sum.
    #[test]
    fn every_path_and_level_gives_the_naive_product() {
        let mut levels = vec![Level::Base, Level::of_this_machine()];
        levels.dedup();
        for (m, k, p) in [(1, 1, 1), (1, 40, 1), (3, 1, 2), (1, 9, 7), (8, 70, 1), (5, 6, 7), (20, 30, 40), (2, 0, 3)] {
            let (a, b) = (numbers(m * k, 1), numbers(k * p, 2));
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let left = Matrix::new(if ta { m } else { k }, ta);
                let right = Matrix::new(if tb { k } else { p }, tb);
                let product = Product { m, k, p, a: left, b: right };
                let at = |i: usize, j: usize| {
                    (0..k).map(|l| a[i * left.row + l * left.column] * b[l * right.row + j * right.column]).sum::<f64>()
                };
                let expected: Vec<f64> = (0..m * p).map(|c| at(c / p, c % p)).collect();
                for level in &levels {
                    let mut out = vec![f64::NAN; m * p];
                    product.run(*level, &a, &b, &mut out);
                    assert_eq!(out, expected, "{m}x{k}x{p} {ta} {tb} {level:?}");
                    let single = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
                    let mut out = vec![f32::NAN; m * p];
                    product.run(*level, &single(&a), &single(&b), &mut out);
                    assert_eq!(out, single(&expected), "f32 {m}x{k}x{p} {ta} {tb} {level:?}");
                }
            }
        }
    }
}
