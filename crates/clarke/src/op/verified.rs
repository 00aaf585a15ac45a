//! Bounds of solutions, factors and eigenvalues of matrices of intervals: computed in f64 first, then verified.

use super::definite::Inv;
use super::factor::{eigen_of, matrix};
use super::product::{Level, Matrix, Product};
use crate::program::interval::Interval;
use crate::program::real::Real;
use crate::tensor::Boxes;

fn point(x: f64) -> Interval {
    Interval::point(x)
}

/// The product of an m×k and a k×p matrix.
pub(super) fn times(a: &[Interval], b: &[Interval], (m, k, p): (usize, usize, usize)) -> Vec<Interval> {
    let mut out = vec![point(0.0); m * p];
    let product = Product { m, k, p, a: Matrix::new(k, false), b: Matrix::new(p, false), skip_zeros: false };
    let mut scratch = vec![point(0.0); product.scratch::<Interval>()];
    product.run(Level::of_this_machine(), a, b, &mut out, &mut scratch);
    out
}

pub(super) fn transposed(a: &[Interval], m: usize, n: usize) -> Vec<Interval> {
    (0..m * n).map(|k| a[k % m * n + k / m]).collect()
}

/// (A + Aᵀ)/2.
fn symmetric(a: &[Interval], n: usize) -> Vec<Interval> {
    let half = point(0.5);
    let entry = |(i, j): (usize, usize)| if i == j { a[i * n + i] } else { half * a[i * n + j] + half * a[j * n + i] };
    (0..n * n).map(|k| entry((k / n, k % n))).collect()
}

fn points(x: &[f64]) -> Vec<Interval> {
    x.iter().map(|x| point(*x)).collect()
}

fn middles(x: &[Interval]) -> Vec<f64> {
    x.iter().map(|x| x.middle()).collect()
}

/// The largest sum of magnitudes along a row: a bound of the norm ‖·‖∞, and for a symmetric matrix of ‖·‖₂.
fn norm_inf(a: &[Interval], n: usize) -> f64 {
    let row = |r: &[Interval]| r.iter().fold(point(0.0), |s, x| s + point(x.most())).hi();
    a.chunks_exact(n.max(1)).map(row).fold(0.0, f64::max)
}

/// A minus the identity.
fn less_identity(mut a: Vec<Interval>, n: usize) -> Vec<Interval> {
    (0..n).for_each(|i| a[i * n + i] = a[i * n + i] - point(1.0));
    a
}

/// The x with A x = B, for every A and B: with R near A⁻¹ and E = I − R A, the error of x̃ is (I − E)⁻¹ R (B − A x̃), which
/// differs from z = R (B − A x̃) by at most ‖E‖ ‖z‖/(1 − ‖E‖) (Rump 2010, section 10). None if ‖E‖∞ < 1 is not found.
pub(super) fn solve(a: &[Interval], b: &[Interval], n: usize, columns: usize) -> Option<Vec<Interval>> {
    if n == 0 || columns == 0 {
        return Some(vec![]);
    }
    let near = Inv::of(&middles(a), n)?;
    let near = points(&near);
    let gap = norm_inf(&less_identity(times(&near, a, (n, n, n)), n), n);
    if gap.is_nan() || gap >= 1.0 {
        return None;
    }
    let x: Vec<f64> = middles(&times(&near, &points(&middles(b)), (n, n, columns)));
    let x = points(&x);
    let image = times(a, &x, (n, n, columns));
    let residual: Vec<Interval> = std::iter::zip(b, &image).map(|(b, y)| *b - *y).collect();
    let z = times(&near, &residual, (n, n, columns));
    let largest = |j: usize| (0..n).fold(0.0, |l: f64, i| l.max(z[i * columns + j].most()));
    let rest: Vec<f64> =
        (0..columns).map(|j| (point(gap) * point(largest(j)) / (point(1.0) - point(gap))).hi()).collect();
    Some((0..n * columns).map(|k| (x[k] + z[k]).widened(rest[k % columns])).collect())
}

/// The inverse of each matrix of a stack; of the symmetric part if that is asked to be positive definite.
pub(super) fn inverse(positive: bool, a: &Boxes) -> Boxes {
    let (_, n, _) = matrix(a.shape());
    let identity: Vec<Interval> = (0..n * n).map(|k| point(f64::from(k / n == k % n))).collect();
    let one = |a: &[Interval]| {
        if positive {
            let s = symmetric(a, n);
            lower(&s, n).and_then(|_| solve(&s, &identity, n, n))
        } else {
            solve(a, &identity, n, n)
        }
    };
    each(a, a.shape(), n * n, |a| one(a).unwrap_or_else(|| vec![Interval::WHOLE; n * n]))
}

/// What `f` makes of each matrix of a stack.
fn each(a: &Boxes, shape: &[usize], length: usize, f: impl Fn(&[Interval]) -> Vec<Interval>) -> Boxes {
    let (_, m, n) = matrix(a.shape());
    if m * n == 0 {
        // A matrix without entries has the determinant 1, and nothing else has a shape with entries.
        return Boxes::from_fn(shape, |_| (0.0, 0.0));
    }
    let a = a.intervals();
    let out: Vec<Interval> = a.chunks_exact(m * n).flat_map(f).collect();
    debug_assert_eq!(out.len(), a.len() / (m * n) * length);
    Boxes::of_intervals(shape, &out)
}

/// The squares of the diagonal of the Cholesky factor of a symmetric matrix, and the factor; None if some pivot may not be
/// positive.
fn lower(s: &[Interval], n: usize) -> Option<(Vec<Interval>, Vec<Interval>)> {
    let (mut l, mut pivots) = (vec![point(0.0); n * n], Vec::with_capacity(n));
    for j in 0..n {
        let sum = (0..j).fold(s[j * n + j], |sum, k| sum - l[j * n + k].square());
        if !(sum.lo() > 0.0 && sum.is_bounded()) {
            return None;
        }
        pivots.push(sum);
        let root = sum.sqrt();
        l[j * n + j] = root;
        for i in j + 1..n {
            l[i * n + j] = (0..j).fold(s[i * n + j], |sum, k| sum - l[i * n + k] * l[j * n + k]) / root;
        }
    }
    Some((pivots, l))
}

/// The Cholesky factor of each matrix of a stack. It widens with the size: the same steps, on intervals.
pub(super) fn cholesky(a: &Boxes) -> Boxes {
    let (_, n, _) = matrix(a.shape());
    let factor = |a: &[Interval]| lower(&symmetric(a, n), n).map_or(vec![Interval::WHOLE; n * n], |(_, l)| l);
    each(a, a.shape(), n * n, factor)
}

/// The logarithm of the determinant of each matrix of a stack.
pub(super) fn logdet(a: &Boxes, shape: &[usize]) -> Boxes {
    let (_, n, _) = matrix(a.shape());
    let sum = |pivots: Vec<Interval>| pivots.iter().fold(point(0.0), |sum, p| sum + p.ln());
    each(a, shape, 1, |a| vec![lower(&symmetric(a, n), n).map_or(Interval::WHOLE, |(pivots, _)| sum(pivots))])
}

/// The eigenvectors V of a matrix near a symmetric one, in the columns, as row-major intervals, and its eigenvalues.
fn near_eigen(s: &[Interval], n: usize) -> Option<(Vec<f64>, Vec<Interval>)> {
    let (w, v) = eigen_of(&middles(s), n)?;
    Some((w, (0..n * n).map(|k| point(v[k % n * n + k / n])).collect()))
}

/// The eigenvalues of a symmetric matrix in ascending order: those of VᵀSV lie within ‖VᵀSV − W‖ of W (Weyl), and are
/// those of S times numbers within ‖VᵀV − I‖ of 1 (Ostrowski; Horn, Johnson 2013, 4.5.9).
fn eigenvalues(s: &[Interval], n: usize) -> Option<Vec<Interval>> {
    let (w, v) = near_eigen(s, n)?;
    let back = transposed(&v, n, n);
    let mut moved = times(&back, &times(s, &v, (n, n, n)), (n, n, n));
    (0..n).for_each(|i| moved[i * n + i] = moved[i * n + i] - point(w[i]));
    let error = norm_inf(&moved, n);
    let skew = norm_inf(&less_identity(times(&back, &v, (n, n, n)), n), n);
    if skew.is_nan() || skew >= 1.0 || !error.is_finite() {
        return None;
    }
    let factor = point(1.0).widened(skew);
    (factor.lo() > 0.0).then(|| w.iter().map(|w| point(*w).widened(error) / factor).collect())
}

/// The sum of the k largest eigenvalues of the symmetric part of each matrix of a stack.
pub(super) fn eigenvalue_sum(k: usize, a: &Boxes, shape: &[usize]) -> Boxes {
    let (_, n, _) = matrix(a.shape());
    each(a, shape, 1, |a| vec![top_sum(&symmetric(a, n), n, k)])
}

fn top_sum(s: &[Interval], n: usize, k: usize) -> Interval {
    let sum = |w: Vec<Interval>| w[n - k..].iter().fold(point(0.0), |sum, w| sum + *w);
    eigenvalues(s, n).map_or(Interval::WHOLE, sum)
}

/// The sum of the k largest singular values of each matrix of a stack: eigenvalues of [[0, A], [Aᵀ, 0]].
pub(super) fn singular_value_sum(k: usize, a: &Boxes, shape: &[usize]) -> Boxes {
    let (_, m, n) = matrix(a.shape());
    let size = m + n;
    let entry = |a: &[Interval], (i, j): (usize, usize)| match (i < m, j < m) {
        (true, false) => a[i * n + j - m],
        (false, true) => a[j * n + i - m],
        _ => point(0.0),
    };
    each(a, shape, 1, |a| {
        let both: Vec<Interval> = (0..size * size).map(|k| entry(a, (k / size, k % size))).collect();
        vec![top_sum(&both, size, k).max(point(0.0))]
    })
}

/// The distance of the symmetric part from the positive semidefinite matrices.
pub(super) fn distance_psd(a: &[Interval], n: usize) -> Interval {
    let below = |w: Vec<Interval>| w.iter().fold(point(0.0), |sum, w| sum + w.min(point(0.0)).square()).sqrt();
    eigenvalues(&symmetric(a, n), n).map_or(Interval::WHOLE, below)
}

/// The positive semidefinite matrix nearest to the symmetric part.
///
/// With Y = V W⁺ Vᵀ and Z = V W⁻ Vᵀ, both positive semidefinite whatever V is, the projection P of Y − Z has ‖Y − P‖² ≤ ⟨Y, Z⟩
/// = Σ wᵢ⁺ wⱼ⁻ (vᵢ·vⱼ)² (Moreau: Y − P = Z − N with ⟨P, N⟩ = 0), and projections bring nothing further apart.
pub(super) fn project_psd(a: &[Interval], n: usize) -> Option<Vec<Interval>> {
    let s = symmetric(a, n);
    let (w, v) = near_eigen(&s, n)?;
    let back = transposed(&v, n, n);
    let part = |f: fn(f64) -> f64| {
        let scaled: Vec<Interval> = (0..n * n).map(|k| v[k] * point(f(w[k % n]))).collect();
        times(&scaled, &back, (n, n, n))
    };
    let (plus, minus) = (part(|w| w.max(0.0)), part(|w| (-w).max(0.0)));
    let products = times(&back, &v, (n, n, n));
    let weight = |k: usize| point(w[k / n].max(0.0)) * point((-w[k % n]).max(0.0)) * products[k].square();
    let skew = (0..n * n).fold(point(0.0), |sum, k| sum + weight(k)).sqrt();
    let apart: Vec<Interval> = (0..n * n).map(|k| point((s[k] - (plus[k] - minus[k])).most())).collect();
    let error = (super::enclosure::norm(apart.iter().copied()) + skew).hi();
    Some(plus.iter().map(|y| y.widened(error)).collect())
}
