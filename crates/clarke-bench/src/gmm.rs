//! W3: the log-likelihood of a mixture of Gaussians with a Wishart prior, as the collection ADBench states it (Šrajer,
//! Kukelova, Fitzgibbon 2018), in f64.
//!
//! The gradient is that in the logits α of the weights, the means µ, and the factors of the inverse covariances: for each
//! Gaussian the logarithms of its diagonal, then the strict lower triangle column by column.

use crate::job::{Clarke, Hand};
use crate::stream::{Stream, scaled};
use crate::vector::{exp, wide};
use crate::{Boxed, Size};
use clarke::Result;
use std::f64::consts::{LN_2, PI};

/// Dimension d, Gaussians K, samples n, and the arrays.
struct Data<const D: usize> {
    k: usize,
    n: usize,
    alphas: Vec<f64>,
    means: Vec<f64>,
    factors: Vec<f64>,
    /// A row for each coordinate: the long axis last.
    x: Vec<f64>,
}

/// Numbers of a factor.
const fn triangle(d: usize) -> usize {
    d * (d + 1) / 2
}

impl<const D: usize> Data<D> {
    fn new(k: usize, size: Size) -> Data<D> {
        let (mut s, n) = (Stream::new(3), size.of(1000, 50));
        let (alphas, means, factors) = (s.normal(k), s.uniform(k * D), scaled(s.normal(k * triangle(D)), 0.3));
        let x = s.uniform(n * D);
        let x = (0..n * D).map(|at| x[at % n * D + at / n]).collect();
        Data { k, n, alphas, means, factors, x }
    }

    /// What depends on no variable: the Gaussians' constants, and the prior's with γ = 1 and m = 0.
    fn constant(&self) -> f64 {
        let d = D as f64;
        let multigamma = 0.25 * d * (d - 1.0) * PI.ln() + (1..=D).map(|j| ln_gamma_of_half(j + 1)).sum::<f64>();
        let prior = -(d + 1.0) * d * 0.5 * LN_2 - multigamma;
        -(self.n as f64) * d * 0.5 * (2.0 * PI).ln() - self.k as f64 * prior
    }
}

/// ln Γ(k/2), by Γ(x + 1) = x Γ(x) from Γ(1/2) = √π or Γ(1) = 1.
fn ln_gamma_of_half(k: usize) -> f64 {
    let start = if k % 2 == 1 { 0.5 * PI.ln() } else { 0.0 };
    (2 - k % 2..k).step_by(2).fold(start, |sum, j| sum + (j as f64 / 2.0).ln())
}

/// The log-likelihood as program text. The samples are multiplied by all factors in one product.
fn program<const D: usize>(k: usize, size: Size) -> Result<Boxed> {
    let data = Data::<D>::new(k, size);
    let n = data.n;
    let diagonal: Vec<usize> = (0..D).map(|i| i * D + i).collect();
    let lower: Vec<usize> = (0..D).flat_map(|j| (j + 1..D).map(move |i| i * D + j)).collect();
    let text = format!(
        "logs = factors[:, :{D}]
         diagonal = exp(logs)
         lower = factors[:, {D}:]
         Q = scatter_add(diagonal, {diagonal:?}, {square}) + scatter_add(lower, {lower:?}, {square})
         shift = reshape(Q, [{k}, {D}, {D}]) @ expand_dims(means, 2)
         z = reshape(reshape(Q, [{rows}, {D}]) @ x, [{k}, {D}, {n}]) - shift
         terms = expand_dims(alphas + sum(logs, axis=1), 1) - 0.5 * sum(z**2, axis=1)
         prior = 0.5 * (sum(diagonal**2) + sum(lower**2))
         sum(logsumexp(terms, axis=0)) - {n} * logsumexp(alphas) + prior + ({constant:?})",
        square = D * D,
        rows = k * D,
        constant = data.constant(),
    );
    let text: String = text.lines().map(|line| line.trim().to_string() + "\n").collect();
    let inputs: [(&str, &[usize]); 4] =
        [("alphas", &[k]), ("means", &[k, D]), ("factors", &[k, triangle(D)]), ("x", &[D, n])];
    let f = clarke::parse(&text, &inputs)?.varying(&["alphas", "means", "factors"])?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&data.alphas, &data.means, &data.factors, &data.x])?))
}

/// d = 10, K = 25, as a program.
pub fn large(size: Size) -> Result<Boxed> {
    program::<10>(25, size)
}

/// d = 2, K = 5, as a program.
pub fn small(size: Size) -> Result<Boxed> {
    program::<2>(5, size)
}

/// d = 10, K = 25, by hand.
pub fn large_by_hand(size: Size) -> Boxed {
    by_hand::<10>(25, size, gradient_10, value_10)
}

/// d = 2, K = 5, by hand.
pub fn small_by_hand(size: Size) -> Boxed {
    by_hand::<2>(5, size, gradient_2, value_2)
}

/// What the mixture is computed in by hand: a row for each Gaussian of its terms, then of its shares of each sample.
struct Work<const D: usize> {
    data: Data<D>,
    terms: Vec<f64>,
    constant: f64,
}

fn by_hand<const D: usize>(
    k: usize,
    size: Size,
    both: fn(&mut Work<D>, &mut [f64]) -> f64,
    value: fn(&mut Work<D>) -> f64,
) -> Boxed {
    let data = Data::<D>::new(k, size);
    let (terms, constant) = (vec![0.0; k * data.n], data.constant());
    let length = k * (1 + D + triangle(D));
    Box::new(Hand::new(Work { data, terms, constant }, length, value, both))
}

/// Samples that are computed side by side.
const SIDE: usize = 16;

/// A Gaussian: its mean and the rows of its factor.
struct Gaussian<const D: usize> {
    mean: [f64; D],
    factor: [[f64; D]; D],
}

impl<const D: usize> Gaussian<D> {
    #[inline(always)]
    fn of(data: &Data<D>, k: usize) -> (Gaussian<D>, f64) {
        let numbers = &data.factors[k * triangle(D)..(k + 1) * triangle(D)];
        let (mut mean, mut factor, mut logs) = ([0.0; D], [[0.0; D]; D], 0.0);
        mean.copy_from_slice(&data.means[k * D..(k + 1) * D]);
        let mut at = D;
        for j in 0..D {
            factor[j][j] = numbers[j].exp();
            logs += numbers[j];
            for row in &mut factor[j + 1..] {
                row[j] = numbers[at];
                at += 1;
            }
        }
        (Gaussian { mean, factor }, logs)
    }

    /// x − µ and Q (x − µ) for samples from `start` on; beyond the last they are 0.
    #[inline(always)]
    fn image(&self, data: &Data<D>, start: usize) -> ([[f64; SIDE]; D], [[f64; SIDE]; D]) {
        let (mut c, mut z) = ([[0.0; SIDE]; D], [[0.0; SIDE]; D]);
        let count = SIDE.min(data.n - start);
        for j in 0..D {
            let x = &data.x[j * data.n + start..][..count];
            for (c, x) in c[j].iter_mut().zip(x) {
                *c = x - self.mean[j];
            }
        }
        for i in 0..D {
            for j in 0..=i {
                for s in 0..SIDE {
                    z[i][s] += self.factor[i][j] * c[j][s];
                }
            }
        }
        (c, z)
    }
}

/// The value; the terms are left as the Gaussians' shares of each sample.
#[inline(always)]
fn value<const D: usize>(w: &mut Work<D>) -> f64 {
    let (data, n) = (&w.data, w.data.n);
    let mut prior = 0.0;
    for k in 0..data.k {
        let (gaussian, logs) = Gaussian::of(data, k);
        for (i, row) in gaussian.factor.iter().enumerate() {
            for q in &row[..=i] {
                prior += 0.5 * q * q;
            }
        }
        for start in (0..n).step_by(SIDE) {
            let (_, z) = gaussian.image(data, start);
            let mut squares = [0.0; SIDE];
            for z in &z {
                for s in 0..SIDE {
                    squares[s] += z[s] * z[s];
                }
            }
            let terms = &mut w.terms[k * n + start..(k * n + start + SIDE).min((k + 1) * n)];
            for (t, s) in terms.iter_mut().zip(&squares) {
                *t = data.alphas[k] + logs - 0.5 * s;
            }
        }
    }
    let mut sum = 0.0;
    for start in (0..n).step_by(SIDE) {
        sum += shares(&mut w.terms, n, start);
    }
    let top = data.alphas.iter().fold(f64::NEG_INFINITY, |m, a| m.max(*a));
    let total: f64 = data.alphas.iter().map(|a| (a - top).exp()).sum();
    sum - n as f64 * (top + total.ln()) + prior + w.constant
}

/// Makes of the terms of samples from `start` on the shares, and returns the sum of log-sum-exps.
#[inline(always)]
fn shares(terms: &mut [f64], n: usize, start: usize) -> f64 {
    let count = SIDE.min(n - start);
    let (mut tops, mut totals) = ([f64::NEG_INFINITY; SIDE], [0.0; SIDE]);
    for row in terms.chunks_exact(n) {
        for (top, t) in tops.iter_mut().zip(&row[start..start + count]) {
            *top = if *t > *top { *t } else { *top };
        }
    }
    for row in terms.chunks_exact_mut(n) {
        for ((total, top), t) in totals.iter_mut().zip(&tops).zip(&mut row[start..start + count]) {
            *t = exp(*t - top);
            *total += *t;
        }
    }
    let mut sum = 0.0;
    for (total, top) in totals[..count].iter_mut().zip(&tops) {
        sum += top + total.ln();
        *total = 1.0 / *total;
    }
    for row in terms.chunks_exact_mut(n) {
        for (total, t) in totals.iter().zip(&mut row[start..start + count]) {
            *t *= total;
        }
    }
    sum
}

/// A Gaussian's part of the gradient, before what the prior adds, in sums side by side.
#[inline(always)]
fn accumulate<const D: usize>(w: &Work<D>, k: usize, gaussian: &Gaussian<D>) -> (f64, [f64; D], [[f64; D]; D]) {
    let (n, data) = (w.data.n, &w.data);
    let (mut weight, mut means, mut factors) = ([0.0; SIDE], [[0.0; SIDE]; D], [[[0.0; SIDE]; D]; D]);
    for start in (0..n).step_by(SIDE) {
        let (c, z) = gaussian.image(data, start);
        let mut p = [0.0; SIDE];
        let count = SIDE.min(n - start);
        p[..count].copy_from_slice(&w.terms[k * n + start..][..count]);
        for s in 0..SIDE {
            weight[s] += p[s];
        }
        for i in 0..D {
            let mut pz = [0.0; SIDE];
            for s in 0..SIDE {
                pz[s] = p[s] * z[i][s];
            }
            for j in 0..=i {
                for s in 0..SIDE {
                    factors[i][j][s] += pz[s] * c[j][s];
                    means[j][s] += pz[s] * gaussian.factor[i][j];
                }
            }
        }
    }
    let sum = |x: &[f64; SIDE]| x.iter().sum::<f64>();
    let mut rows = [[0.0; D]; D];
    for (row, sums) in rows.iter_mut().zip(&factors) {
        for (r, s) in row.iter_mut().zip(sums) {
            *r = sum(s);
        }
    }
    (sum(&weight), std::array::from_fn(|j| sum(&means[j])), rows)
}

#[inline(always)]
fn gradient<const D: usize>(w: &mut Work<D>, gradient: &mut [f64]) -> f64 {
    let result = value(w);
    let count = w.data.k;
    let (alphas, rest) = gradient.split_at_mut(count);
    let (means, factors) = rest.split_at_mut(count * D);
    let top = w.data.alphas.iter().fold(f64::NEG_INFINITY, |m, a| m.max(*a));
    let total: f64 = w.data.alphas.iter().map(|a| (a - top).exp()).sum();
    for k in 0..count {
        let (gaussian, _) = Gaussian::of(&w.data, k);
        let (weight, mean, rows) = accumulate(w, k, &gaussian);
        alphas[k] = weight - w.data.n as f64 * (w.data.alphas[k] - top).exp() / total;
        means[k * D..(k + 1) * D].copy_from_slice(&mean);
        let into = &mut factors[k * triangle(D)..(k + 1) * triangle(D)];
        let mut at = D;
        for j in 0..D {
            let q = gaussian.factor[j][j];
            into[j] = weight - rows[j][j] * q + q * q;
            for (row, own) in rows.iter().zip(&gaussian.factor).skip(j + 1) {
                into[at] = own[j] - row[j];
                at += 1;
            }
        }
    }
    result
}

wide! {
    fn value_10(w: &mut Work<10>) -> f64 {
        value(w)
    }

    fn value_2(w: &mut Work<2>) -> f64 {
        value(w)
    }

    fn gradient_10(w: &mut Work<10>, into: &mut [f64]) -> f64 {
        gradient(w, into)
    }

    fn gradient_2(w: &mut Work<2>, into: &mut [f64]) -> f64 {
        gradient(w, into)
    }
}
