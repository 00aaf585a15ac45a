//! Products of matrices of intervals by products of matrices of numbers, and all other sums of products a_i b_j of two
//! arrays (with signs +).
//!
//! With midpoints m and radii r, A B lies within |m_A| r_B + r_A (|m_B| + r_B) of m_A m_B (Rump 1999). What the numbers'
//! product rounds is bounded beforehand, for every order of additions, by γ_k |m_A| |m_B| with γ_k = k u/(1 − k u) (Higham
//! 2002, section 3.5), and products that underflow by a smallest number each.

use super::Interval;
use super::rounding::{add_down, add_up, mul_up};
use crate::program::real::Scalar;

/// Products of fewer multiplications are done number by number, which is tighter.
pub(crate) const SMALL: usize = 1000;

type At = (*const Interval, isize, isize);

/// dst = lhs · rhs, or dst += lhs · rhs: see [`Scalar::gemm`].
///
/// # Safety
/// As there.
pub unsafe fn gemm(
    (m, n, k): (usize, usize, usize),
    dst: (*mut Interval, isize, isize),
    accumulate: bool,
    lhs: At,
    rhs: At,
) {
    // SAFETY: the caller vouches for pointers and strides.
    let (a, b) = unsafe { (read(lhs, m, k), read(rhs, k, n)) };
    let product = match m * n * k > SMALL {
        true => fast(&a, &b, (m, n, k)),
        false => slow(&a, &b, (m, n, k)),
    };
    for i in 0..m {
        for j in 0..n {
            // SAFETY: as above.
            let to = unsafe { &mut *dst.0.offset(i as isize * dst.2 + j as isize * dst.1) };
            let value = product[i * n + j];
            *to = if accumulate { *to + value } else { value };
        }
    }
}

/// A matrix in row-major order. Safety: as of [`gemm`].
unsafe fn read((from, column, row): At, m: usize, n: usize) -> Vec<Interval> {
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            // SAFETY: the caller vouches for pointer and strides.
            out.push(unsafe { *from.offset(i as isize * row + j as isize * column) });
        }
    }
    out
}

fn slow(a: &[Interval], b: &[Interval], (m, n, k): (usize, usize, usize)) -> Vec<Interval> {
    let mut out = vec![Interval::point(0.0); m * n];
    for i in 0..m {
        for l in 0..k {
            for j in 0..n {
                out[i * n + j] = out[i * n + j] + a[i * k + l] * b[l * n + j];
            }
        }
    }
    out
}

/// An array as midpoints and radii; no radii if all entries are points.
struct Balls {
    mid: Vec<f64>,
    radius: Option<Vec<f64>>,
    /// 1 where an entry is not bounded, and stands as 0 in the others; None if all are.
    unknown: Option<Vec<f64>>,
}

/// An array by its lower and its upper ends.
pub(crate) type Ends<'a> = (&'a [f64], &'a [f64]);

impl Balls {
    fn of((lo, hi): Ends<'_>) -> Balls {
        let known = |(l, h): (&f64, &f64)| l.is_finite() && h.is_finite();
        let unknown = (!std::iter::zip(lo, hi).all(known))
            .then(|| std::iter::zip(lo, hi).map(|ends| f64::from(!known(ends))).collect());
        if lo == hi && unknown.is_none() {
            return Balls { mid: lo.to_vec(), radius: None, unknown };
        }
        let middle = |(l, h): (&f64, &f64)| match (l == h, known((l, h))) {
            (_, false) => 0.0,
            (true, _) => *l,
            (false, _) => 0.5 * l + 0.5 * h,
        };
        let mid: Vec<f64> = std::iter::zip(lo, hi).map(middle).collect();
        let radius = |((l, h), m): ((&f64, &f64), &f64)| match known((l, h)) {
            true => add_up(*h, -m).max(add_up(*m, -l)),
            false => 0.0,
        };
        let radius = std::iter::zip(std::iter::zip(lo, hi), &mid).map(radius).collect();
        Balls { mid, radius: Some(radius), unknown }
    }

    fn magnitudes(&self) -> Vec<f64> {
        self.mid.iter().map(|m| m.abs()).collect()
    }
}

/// Lower and upper ends of Σ a_i b_j, for an operation `times` that adds at most `terms` products to each entry, rounded, in
/// any order. Nothing is known of an entry to which something that is not bounded contributes.
pub(crate) fn bilinear(
    a: Ends<'_>,
    b: Ends<'_>,
    terms: usize,
    times: &dyn Fn(&[f64], &[f64]) -> Vec<f64>,
) -> (Vec<f64>, Vec<f64>) {
    let (a, b) = (Balls::of(a), Balls::of(b));
    let count = terms as f64;
    // Above γ of k: u is half of ε.
    let gamma = (count + 4.0) * (0.5 * f64::EPSILON);
    let (abs_a, abs_b) = (a.magnitudes(), b.magnitudes());
    // |m_A| (r_B + γ |m_B|), then r_A (|m_B| + r_B).
    let around: Vec<f64> = match &b.radius {
        None => abs_b.iter().map(|m| mul_up(gamma, *m)).collect(),
        Some(r) => std::iter::zip(&abs_b, r).map(|(m, r)| add_up(*r, mul_up(gamma, *m))).collect(),
    };
    let mut bound = times(&abs_a, &around);
    let mut smallest = least(&abs_a) * least(&around).min(least(&abs_b));
    if let Some(r) = &a.radius {
        let reach: Vec<f64> = match &b.radius {
            None => abs_b,
            Some(own) => std::iter::zip(&abs_b, own).map(|(m, r)| add_up(*m, *r)).collect(),
        };
        smallest = smallest.min(least(r) * least(&reach));
        std::iter::zip(&mut bound, times(r, &reach)).for_each(|(x, y)| *x = add_up(*x, y));
    }
    // No product can underflow if that of the smallest factors does not.
    let lost = if smallest > 4.0 * f64::MIN_POSITIVE { 0.0 } else { 4.0 * count * f64::from_bits(1) };
    let mut mid = times(&a.mid, &b.mid);
    // The bound's own products came out too small by γ of themselves, at most.
    for (m, r) in std::iter::zip(&mut mid, &mut bound) {
        let radius = add_up(mul_up(*r, 1.0 + 2.0 * gamma), lost);
        let known = m.is_finite() && radius.is_finite();
        (*m, *r) = if known { (add_down(*m, -radius), add_up(*m, radius)) } else { (f64::NEG_INFINITY, f64::INFINITY) };
    }
    let ones = |x: &Balls| vec![1.0; x.mid.len()];
    let met = [
        a.unknown.as_ref().map(|unknown| times(unknown, &ones(&b))),
        b.unknown.as_ref().map(|unknown| times(&ones(&a), unknown)),
    ];
    for met in met.iter().flatten() {
        for (at, _) in met.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            (mid[at], bound[at]) = (f64::NEG_INFINITY, f64::INFINITY);
        }
    }
    (mid, bound)
}

/// The smallest number that is not 0.
fn least(x: &[f64]) -> f64 {
    x.iter().fold(f64::INFINITY, |l, x| if *x != 0.0 { l.min(*x) } else { l })
}

fn fast(a: &[Interval], b: &[Interval], size: (usize, usize, usize)) -> Vec<Interval> {
    let ends = |x: &[Interval]| -> (Vec<f64>, Vec<f64>) { x.iter().map(|x| (x.lo, x.hi)).unzip() };
    let (a, b) = (ends(a), ends(b));
    let (lo, hi) = bilinear((&a.0, &a.1), (&b.0, &b.1), size.2, &|a, b| times(a, b, size));
    std::iter::zip(lo, hi).map(|(l, h)| Interval::new(l, h)).collect()
}

/// The product of matrices of numbers.
fn times(a: &[f64], b: &[f64], (m, n, k): (usize, usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    let step = |s: usize| s as isize;
    // SAFETY: three row-major matrices of m·k, k·n and m·n numbers.
    unsafe {
        f64::gemm(m, n, k, (out.as_mut_ptr(), 1, step(n)), false, (a.as_ptr(), 1, step(k)), (b.as_ptr(), 1, step(n)));
    }
    out
}
