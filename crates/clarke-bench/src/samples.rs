//! W12, the losses: means over 10⁵ samples, dense and sparse, in f64.

use crate::job::{Clarke, Hand, Mean};
use crate::stream::{Stream, scaled};
use crate::vector::{axpy, dot, exp, ln_1p, wide};
use crate::{Boxed, Size};
use clarke::{Csr, FiniteSum, Policy, Program, Result, Samples};

/// Samples with signs, and the weights at which the mean is taken.
struct Dense {
    x: Vec<f64>,
    y: Vec<f64>,
    w: Vec<f64>,
}

/// Numbers of a dense sample.
const FEATURES: usize = 100;

fn count(size: Size) -> usize {
    size.of(100_000, 1000)
}

fn signs(s: &mut Stream, n: usize) -> Vec<f64> {
    s.integers(2, n).into_iter().map(|k| 1.0 - 2.0 * k as f64).collect()
}

fn dense(size: Size) -> Dense {
    let (mut s, n) = (Stream::new(120), count(size));
    let (x, y) = (s.normal(n * FEATURES), signs(&mut s, n));
    Dense { x, y, w: scaled(s.normal(FEATURES), 0.1) }
}

/// The mean of the loss over samples, as text in the weights `w`, the samples `X` and their signs `y`.
fn mean(loss: &'static str, size: Size) -> Result<Boxed> {
    let Dense { x, y, w } = dense(size);
    let batch =
        move |n: usize| clarke::parse(loss, &[("w", &[FEATURES]), ("X", &[n, FEATURES]), ("y", &[n])])?.varying(&["w"]);
    let x = Samples::new(&[y.len(), FEATURES], x)?;
    let y = Samples::new(&[y.len()], y)?;
    let sum = FiniteSum::of_batches(batch, &[("X", x), ("y", y)], &[], Policy::default())?.with_threads(1);
    Ok(Box::new(Mean::new(sum, w)))
}

const LOGISTIC: &str = "mean(softplus(-(y * (X @ w))))";
const HINGE: &str = "mean(hinge(y * (X @ w)))";

/// Logistic regression as a program over blocks of samples.
pub fn logistic(size: Size) -> Result<Boxed> {
    mean(LOGISTIC, size)
}

/// A support vector machine without its penalty, likewise.
pub fn hinge(size: Size) -> Result<Boxed> {
    mean(HINGE, size)
}

/// ln(1 + e^−z) and its derivative.
#[inline(always)]
fn logistic_of(z: f64) -> (f64, f64) {
    let e = exp(-z.abs());
    let slope = if z >= 0.0 { -e } else { -1.0 } / (1.0 + e);
    (if z < 0.0 { -z } else { 0.0 } + ln_1p(e), slope)
}

/// max(0, 1 − z) and its derivative.
#[inline(always)]
fn hinge_of(z: f64) -> (f64, f64) {
    if z < 1.0 { (1.0 - z, -1.0) } else { (0.0, 0.0) }
}

/// Rows of a block, which stays in the first cache between the product with the weights and that with the slopes.
const ROWS: usize = 32;

/// The mean of a loss over samples, and its gradient where asked for, in one pass.
#[inline(always)]
fn dense_pass(d: &Dense, mut gradient: Option<&mut [f64]>, loss: impl Fn(f64) -> (f64, f64)) -> f64 {
    let scale = 1.0 / d.y.len() as f64;
    let mut sums = [0.0; ROWS];
    if let Some(gradient) = &mut gradient {
        gradient.fill(0.0);
    }
    for (x, y) in d.x.chunks(ROWS * FEATURES).zip(d.y.chunks(ROWS)) {
        let mut slopes = [0.0; ROWS];
        for (slope, row) in slopes.iter_mut().zip(x.chunks_exact(FEATURES)) {
            *slope = dot(row, &d.w);
        }
        let rows = y.len();
        for ((slope, sum), y) in slopes[..rows].iter_mut().zip(&mut sums).zip(y) {
            let (value, derivative) = loss(y * *slope);
            *sum += value;
            *slope = derivative * y * scale;
        }
        if let Some(gradient) = &mut gradient {
            let whole = rows - rows % 4;
            for (slopes, x) in slopes[..whole].chunks_exact(4).zip(x.chunks_exact(4 * FEATURES)) {
                add_four(slopes, x, gradient);
            }
            for (slope, row) in slopes[whole..rows].iter().zip(x[whole * FEATURES..].chunks_exact(FEATURES)) {
                axpy(*slope, row, gradient);
            }
        }
    }
    sums.iter().sum::<f64>() * scale
}

/// Adds four rows, each times its factor.
#[inline(always)]
fn add_four(factors: &[f64], rows: &[f64], into: &mut [f64]) {
    let (a, rest) = rows.split_at(FEATURES);
    let (b, rest) = rest.split_at(FEATURES);
    let (c, d) = rest.split_at(FEATURES);
    for ((((g, a), b), c), d) in into.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *g += (factors[0] * a + factors[1] * b) + (factors[2] * c + factors[3] * d);
    }
}

wide! {
    fn logistic_dense(d: &Dense, gradient: Option<&mut [f64]>) -> f64 {
        dense_pass(d, gradient, logistic_of)
    }

    fn hinge_dense(d: &Dense, gradient: Option<&mut [f64]>) -> f64 {
        dense_pass(d, gradient, hinge_of)
    }
}

/// Logistic regression by hand.
pub fn logistic_by_hand(size: Size) -> Boxed {
    Box::new(Hand::new(dense(size), FEATURES, |d| logistic_dense(d, None), |d, g| logistic_dense(d, Some(g))))
}

/// The support vector machine by hand.
pub fn hinge_by_hand(size: Size) -> Boxed {
    Box::new(Hand::new(dense(size), FEATURES, |d| hinge_dense(d, None), |d, g| hinge_dense(d, Some(g))))
}

/// Sparse samples, ten entries each: entry k stands in one of the columns 100 k to 100 k + 99.
struct Sparse {
    columns: Vec<u32>,
    values: Vec<f64>,
    y: Vec<f64>,
    w: Vec<f64>,
    slopes: Vec<f64>,
}

/// Entries of a sparse sample, and the numbers that it would have.
const ENTRIES: usize = 10;
const COLUMNS: usize = 1000;

fn sparse(size: Size) -> Sparse {
    let (mut s, n) = (Stream::new(121), count(size));
    let drawn = s.integers(100, n * ENTRIES);
    let columns = drawn.into_iter().enumerate().map(|(k, c)| (c + 100 * (k % ENTRIES)) as u32).collect();
    let (values, y) = (s.normal(n * ENTRIES), signs(&mut s, n));
    Sparse { columns, values, y, w: scaled(s.normal(COLUMNS), 0.3), slopes: vec![0.0; n] }
}

/// The mean of the loss, as a program to which the sparse matrix is bound.
fn sparse_mean(loss: &str, size: Size) -> Result<Boxed> {
    let Sparse { columns, values, y, w, .. } = sparse(size);
    let entries: Vec<(usize, usize, f64)> =
        values.iter().enumerate().map(|(k, v)| (k / ENTRIES, columns[k] as usize, *v)).collect();
    let n = y.len();
    let matrix = Csr::from_entries(n, COLUMNS, &entries)?;
    let f = clarke::parse(loss, &[("w", &[COLUMNS]), ("X", &[n, COLUMNS]), ("y", &[n])])?.varying(&["w"])?;
    let f: Program = f.sparse(&["X"])?.bind("X", &matrix)?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&w, &y])?))
}

/// Logistic regression on sparse samples, as a program.
pub fn logistic_sparse(size: Size) -> Result<Boxed> {
    sparse_mean(LOGISTIC, size)
}

/// The support vector machine on sparse samples, as a program.
pub fn hinge_sparse(size: Size) -> Result<Boxed> {
    sparse_mean(HINGE, size)
}

/// As `dense_pass`. Blocks are a thousand samples, whose entries stay in the second cache.
#[inline(always)]
fn sparse_pass(d: &mut Sparse, mut gradient: Option<&mut [f64]>, loss: impl Fn(f64) -> (f64, f64)) -> f64 {
    const BLOCK: usize = 1024;
    let scale = 1.0 / d.y.len() as f64;
    let mut sums = [0.0; 16];
    if let Some(gradient) = &mut gradient {
        gradient.fill(0.0);
    }
    let blocks = d.columns.chunks(BLOCK * ENTRIES).zip(d.values.chunks(BLOCK * ENTRIES));
    for (((columns, values), y), slopes) in blocks.zip(d.y.chunks(BLOCK)).zip(d.slopes.chunks_mut(BLOCK)) {
        let rows = || columns.chunks_exact(ENTRIES).zip(values.chunks_exact(ENTRIES));
        for ((columns, values), slope) in rows().zip(slopes.iter_mut()) {
            *slope = columns.iter().zip(values).map(|(c, v)| v * d.w[*c as usize]).sum();
        }
        for (slopes, y) in slopes.chunks_mut(16).zip(y.chunks(16)) {
            for ((slope, y), sum) in slopes.iter_mut().zip(y).zip(&mut sums) {
                let (value, derivative) = loss(y * *slope);
                *sum += value;
                *slope = derivative * y * scale;
            }
        }
        if let Some(gradient) = &mut gradient {
            for ((columns, values), slope) in rows().zip(slopes.iter()) {
                columns.iter().zip(values).for_each(|(c, v)| gradient[*c as usize] += slope * v);
            }
        }
    }
    sums.iter().sum::<f64>() * scale
}

wide! {
    fn logistic_rows(d: &mut Sparse, gradient: Option<&mut [f64]>) -> f64 {
        sparse_pass(d, gradient, logistic_of)
    }

    fn hinge_rows(d: &mut Sparse, gradient: Option<&mut [f64]>) -> f64 {
        sparse_pass(d, gradient, hinge_of)
    }
}

/// Logistic regression on sparse samples by hand.
pub fn logistic_sparse_by_hand(size: Size) -> Boxed {
    Box::new(Hand::new(sparse(size), COLUMNS, |d| logistic_rows(d, None), |d, g| logistic_rows(d, Some(g))))
}

/// The support vector machine on sparse samples by hand.
pub fn hinge_sparse_by_hand(size: Size) -> Boxed {
    Box::new(Hand::new(sparse(size), COLUMNS, |d| hinge_rows(d, None), |d, g| hinge_rows(d, Some(g))))
}
