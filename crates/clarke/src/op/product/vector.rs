//! Products with a row or a column, and others as inner products.
#![allow(clippy::needless_range_loop)]

use super::{Strip, View, put, some};
use crate::program::lanes::Lanes;
use crate::program::real::Scalar;

/// A matrix of more bytes is read from beyond the first cache, which is quickest from the first number to the last; in it
/// columns side by side save every second load.
const FAR: usize = 32 << 10;

// SAFETY of all that follows: the matrices reach as far as the caller says, and `out` overlaps neither.

/// Inner products of the rows of a with the columns of b, both contiguous.
#[inline(always)]
pub(super) unsafe fn dots<T: Scalar, V: Lanes<T>>([m, k, p]: [usize; 3], a: View<T>, b: View<T>, out: *mut T) {
    let mut i = 0;
    while i < m {
        unsafe {
            let (a, out) = (a.from(i, 0), out.add(i * p));
            i += if V::ROWS >= 8 && i + 4 <= m {
                dots_of_rows::<T, V, 4, 1>([k, p], a, b, out);
                4
            } else if i + 2 <= m {
                dots_of_rows::<T, V, 2, 1>([k, p], a, b, out);
                2
            } else {
                dots_of_rows::<T, V, 1, 2>([k, p], a, b, out);
                1
            };
        }
    }
}

/// R rows with four columns at a time, every U-th vector of terms to the same sums.
#[inline(always)]
unsafe fn dots_of_rows<T: Scalar, V: Lanes<T>, const R: usize, const U: usize>(
    [k, p]: [usize; 2],
    a: View<T>,
    b: View<T>,
    out: *mut T,
) {
    let (whole, wide) = (k / V::N * V::N, k / (U * V::N) * (U * V::N));
    let mut j = 0;
    while j < p {
        let mut sums = [[[V::splat(T::of(0.0)); 4]; R]; U];
        unsafe {
            // Beyond the last column it is taken again.
            let end = p - 1;
            let columns = [
                b.from(0, j).at,
                b.from(0, end.min(j + 1)).at,
                b.from(0, end.min(j + 2)).at,
                b.from(0, end.min(j + 3)).at,
            ];
            let mut l = 0;
            while l < wide {
                for u in 0..U {
                    add_dots::<T, V, R>(&mut sums[u], a, columns, l + u * V::N, V::N);
                }
                l += U * V::N;
            }
            while l < whole {
                add_dots::<T, V, R>(&mut sums[0], a, columns, l, V::N);
                l += V::N;
            }
            if whole < k {
                add_dots::<T, V, R>(&mut sums[0], a, columns, l, k - whole);
            }
            for r in 0..R {
                for u in 1..U {
                    for c in 0..4 {
                        sums[0][r][c] = sums[0][r][c].add(sums[u][r][c]);
                    }
                }
                let values = V::sums(sums[0][r]);
                let to = out.add(r * p + j);
                if j + 4 <= p {
                    to.cast::<[T; 4]>().write_unaligned(values);
                } else {
                    (0..p - j).for_each(|c| *to.add(c) = values[c]);
                }
            }
        }
        j += 4;
    }
}

/// The inner products of a row with the columns of b, contiguous and one after another.
#[inline(always)]
unsafe fn dots_one_by_one<T: Scalar, V: Lanes<T>>([k, p]: [usize; 2], x: View<T>, b: View<T>, out: *mut T) {
    let (whole, wide) = (k / V::N * V::N, k / (4 * V::N) * (4 * V::N));
    for j in 0..p {
        let mut sums = [V::splat(T::of(0.0)); 4];
        unsafe {
            let (x, b) = (x.at, b.from(0, j).at);
            let mut l = 0;
            while l < wide {
                for u in 0..4 {
                    sums[u] = V::load(b.add(l + u * V::N)).mul_add(V::load(x.add(l + u * V::N)), sums[u]);
                }
                l += 4 * V::N;
            }
            while l < whole {
                sums[0] = V::load(b.add(l)).mul_add(V::load(x.add(l)), sums[0]);
                l += V::N;
            }
            if whole < k {
                sums[1] = V::load_part(b.add(l), k - l).mul_add(V::load_part(x.add(l), k - l), sums[1]);
            }
            let four = V::sums(sums);
            *out.add(j) = (four[0] + four[2]) + (four[1] + four[3]);
        }
    }
}

/// Adds `n` products, up to a vector of them, from the l-th on.
#[inline(always)]
unsafe fn add_dots<T: Scalar, V: Lanes<T>, const R: usize>(
    sums: &mut [[V; 4]; R],
    a: View<T>,
    columns: [*const T; 4],
    l: usize,
    n: usize,
) {
    let mut x = [V::splat(T::of(0.0)); R];
    unsafe {
        for r in 0..R {
            x[r] = some(a.from(r, l).at, n);
        }
        for c in 0..4 {
            let y: V = some(columns[c].add(l), n);
            for r in 0..R {
                sums[r][c] = x[r].mul_add(y, sums[r][c]);
            }
        }
    }
}

/// out = x b for a row x of k numbers, where b is some of `whole` columns.
#[inline(always)]
pub(super) unsafe fn vector<T: Scalar, V: Lanes<T>>(
    [k, p]: [usize; 2],
    whole: usize,
    x: View<T>,
    b: View<T>,
    skip: bool,
    out: *mut T,
) {
    unsafe {
        if b.of.row == 1 && x.of.column == 1 && k > 1 {
            return match k >= 4 * V::N && k * whole * size_of::<T>() > FAR {
                true => dots_one_by_one::<T, V>([k, p], x, b, out),
                false => dots_of_rows::<T, V, 1, 2>([k, p], x, b, out),
            };
        }
        let near = k * whole * size_of::<T>() <= FAR;
        if b.of.column != 1 || (whole > 4 * V::N && !near) || skip {
            return rows::<T, V>([k, p], x, b, skip, out);
        }
        let mut j = 0;
        while j < p {
            let width = (p - j).div_ceil(V::N).min(4);
            let last = (p - j - (width - 1) * V::N).min(V::N);
            let (b, out) = (b.from(0, j), out.add(j));
            let strip = Strip { k, a: x, b, out, row_of_out: p, last, whole: last == V::N, add: false };
            match width {
                1 => strip.tile::<V, 1, 1, 4>(),
                2 => strip.tile::<V, 1, 2, 4>(),
                3 => strip.tile::<V, 1, 3, 2>(),
                _ => strip.tile::<V, 1, 4, 2>(),
            }
            j += width * V::N;
        }
    }
}

/// out = x b for a column x and a row b of a vector or more. Neighbouring vectors of b stay in registers for all rows; the
/// last one goes over what the one before it has.
#[inline(always)]
pub(super) unsafe fn outer<T: Scalar, V: Lanes<T>>([m, p]: [usize; 2], x: View<T>, b: View<T>, out: *mut T) {
    let mut j = 0;
    while j < p {
        let from = |c: usize| (j + c * V::N).min(p - V::N);
        unsafe {
            j += match (p - j).div_ceil(V::N) {
                1 => outer_strip::<T, V, 1>([m, p], x, b.at, [from(0)], out),
                2 => outer_strip::<T, V, 2>([m, p], x, b.at, [from(0), from(1)], out),
                3 => outer_strip::<T, V, 3>([m, p], x, b.at, [from(0), from(1), from(2)], out),
                _ => outer_strip::<T, V, 4>([m, p], x, b.at, [from(0), from(1), from(2), from(3)], out),
            };
        }
    }
}

/// The columns of C vectors of b; returns how many those are.
#[inline(always)]
unsafe fn outer_strip<T: Scalar, V: Lanes<T>, const C: usize>(
    [m, p]: [usize; 2],
    x: View<T>,
    b: *const T,
    columns: [usize; C],
    out: *mut T,
) -> usize {
    let zero = V::splat(T::of(0.0));
    let mut row = [zero; C];
    unsafe {
        for c in 0..C {
            row[c] = V::load(b.add(columns[c]));
        }
        for i in 0..m {
            let (factor, out) = (V::splat(*x.from(i, 0).at), out.add(i * p));
            for c in 0..C {
                // A sum that begins with 0, as that of any other product.
                factor.mul_add(row[c], zero).store(out.add(columns[c]));
            }
        }
    }
    C * V::N
}

/// out = Σ x_l b_l over the rows of b, eight at a time, to go over `out` less often; without those that a zero of x meets
/// if they are to be skipped.
#[inline(always)]
unsafe fn rows<T: Scalar, V: Lanes<T>>([k, p]: [usize; 2], x: View<T>, b: View<T>, skip: bool, out: *mut T) {
    const ROWS: usize = 8;
    let zero = T::of(0.0);
    let (mut factors, mut from) = ([zero; ROWS], [b.at; ROWS]);
    let (mut count, mut add) = (0, false);
    unsafe {
        for l in 0..k {
            let factor = *x.from(0, l).at;
            if !(skip && factor == zero) {
                (factors[count], from[count]) = (factor, b.from(l, 0).at);
                count += 1;
            }
            if count == ROWS {
                some_rows::<T, V, ROWS>(factors, from, p, add, out);
                (count, add) = (0, true);
            }
        }
        let mut done = 0;
        while done < count {
            let (f, b) = (&factors[done..], &from[done..]);
            done += if count - done >= 4 {
                some_rows::<T, V, 4>([f[0], f[1], f[2], f[3]], [b[0], b[1], b[2], b[3]], p, add, out);
                4
            } else {
                some_rows::<T, V, 1>([f[0]], [b[0]], p, add, out);
                1
            };
            add = true;
        }
        if !add {
            some_rows::<T, V, 0>([], [], p, add, out);
        }
    }
}

/// out = Σ x_r b_r, or that added to it.
#[inline(always)]
unsafe fn some_rows<T: Scalar, V: Lanes<T>, const R: usize>(
    x: [T; R],
    b: [*const T; R],
    p: usize,
    add: bool,
    out: *mut T,
) {
    let zero = V::splat(T::of(0.0));
    let mut factors = [zero; R];
    for r in 0..R {
        factors[r] = V::splat(x[r]);
    }
    let mut j = 0;
    while j < p {
        let n = V::N.min(p - j);
        unsafe {
            let mut sum = if add { some(out.add(j), n) } else { zero };
            for r in 0..R {
                sum = factors[r].mul_add(some(b[r].add(j), n), sum);
            }
            put(sum, out.add(j), n);
        }
        j += n;
    }
}
