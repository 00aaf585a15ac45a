//! W12, large arrays: 10⁶ residuals, the largest half and the order of 10⁶ numbers, 10⁴ sums of exponentials, in f64.

use crate::job::{Clarke, Hand};
use crate::stream::{Stream, scaled};
use crate::vector::{LANES, exp, sum_pairs, sum_pairs_into, wide};
use crate::{Boxed, Size};
use clarke::{Program, Result};

fn numbers(size: Size) -> usize {
    size.of(1_000_000, 3000)
}

/// A point and targets.
fn huber_data(size: Size) -> (Vec<f64>, Vec<f64>) {
    let (mut s, n) = (Stream::new(122), numbers(size));
    (scaled(s.normal(n), 2.0), s.normal(n))
}

/// Σ huber(xᵢ − bᵢ), as a program.
pub fn huber(size: Size) -> Result<Boxed> {
    let (x, b) = huber_data(size);
    let shape = [x.len()];
    let f = Program::trace_named(&[("x", &shape), ("b", &shape)], |v| (v[0] - v[1]).huber(1.0).sum())?;
    Ok(Box::new(Clarke::<f64>::new(&f.varying(&["x"])?, &[&x, &b])?))
}

/// Σ huber(xᵢ − bᵢ) by hand.
pub fn huber_by_hand(size: Size) -> Boxed {
    let data = huber_data(size);
    let n = data.0.len();
    Box::new(Hand::new(data, n, |d| huber_value(&d.0, &d.1), |d, gradient| huber_gradient(&d.0, &d.1, gradient)))
}

/// Huber's loss and its derivative: with the derivative c, r clipped to [−1, 1], it is c (r − c/2).
#[inline(always)]
fn huber_of(r: f64) -> (f64, f64) {
    let c = r.clamp(-1.0, 1.0);
    (c * (r - 0.5 * c), c)
}

wide! {
    fn huber_value(x: &[f64], b: &[f64]) -> f64 {
        sum_pairs(x, b, |x, b| huber_of(x - b).0)
    }

    fn huber_gradient(x: &[f64], b: &[f64], gradient: &mut [f64]) -> f64 {
        sum_pairs_into(x, b, gradient, |x, b| huber_of(x - b))
    }
}

/// A point, and weights of its entries in ascending order.
fn order_data(size: Size) -> (Vec<f64>, Vec<f64>) {
    let (mut s, n) = (Stream::new(123), numbers(size));
    (s.normal(n), s.normal(n))
}

/// The sum of the largest half, as a program.
pub fn top(size: Size) -> Result<Boxed> {
    let (x, _) = order_data(size);
    let f = Program::trace(&[&[x.len()]], |v| v[0].sum_largest(x.len() / 2))?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&x])?))
}

/// The sum of the largest half by hand: selection on whole numbers whose order is that of the entries.
pub fn top_by_hand(size: Size) -> Boxed {
    let x = order_data(size).0;
    let n = x.len();
    Box::new(Hand::new(
        (x, vec![0; n]),
        n,
        |d| bound(&d.0, &mut d.1).1,
        |d, gradient| {
            let (bound, value) = bound(&d.0, &mut d.1);
            indicate(&d.0, bound, gradient);
            value
        },
    ))
}

/// The least of the largest half, and their sum.
fn bound(x: &[f64], keys: &mut [i64]) -> (f64, f64) {
    fill_keys(x, keys);
    let half = keys.len() - keys.len() / 2;
    keys.select_nth_unstable(half);
    (number(keys[half]), sum_of(&keys[half..]))
}

/// The whole number in whose order numbers ascend, and which is its own inverse: negative ones have all bits but the sign
/// flipped.
#[inline(always)]
fn key(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

#[inline(always)]
fn number(k: i64) -> f64 {
    f64::from_bits(key(k) as u64)
}

wide! {
    fn fill_keys(x: &[f64], keys: &mut [i64]) {
        keys.iter_mut().zip(x).for_each(|(k, x)| *k = key(x.to_bits() as i64));
    }

    fn sum_of(keys: &[i64]) -> f64 {
        let mut sums = [0.0; LANES];
        let chunks = keys.chunks_exact(LANES);
        let rest: f64 = chunks.remainder().iter().map(|k| number(*k)).sum();
        for keys in chunks {
            for j in 0..LANES {
                sums[j] += number(keys[j]);
            }
        }
        rest + sums.iter().sum::<f64>()
    }

    fn indicate(x: &[f64], bound: f64, gradient: &mut [f64]) {
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g = if *x >= bound { 1.0 } else { 0.0 });
    }
}

/// Σ wᵢ x₍ᵢ₎, the entries in ascending order, as a program.
pub fn ordered(size: Size) -> Result<Boxed> {
    let (x, w) = order_data(size);
    let shape = [x.len()];
    let f = Program::trace_named(&[("x", &shape), ("w", &shape)], |v| (v[1] * v[0].sort()).sum())?;
    Ok(Box::new(Clarke::<f64>::new(&f.varying(&["x"])?, &[&x, &w])?))
}

/// What the order is found in by hand.
struct Order {
    x: Vec<f64>,
    w: Vec<f64>,
    keys: Vec<i64>,
    /// Keys with their places.
    pairs: Vec<(i64, u32)>,
}

/// Σ wᵢ x₍ᵢ₎ by hand: whole numbers are sorted, for the gradient with their places.
pub fn ordered_by_hand(size: Size) -> Boxed {
    let (x, w) = order_data(size);
    let n = x.len();
    let work = Order { x, w, keys: vec![0; n], pairs: vec![(0, 0); n] };
    Box::new(Hand::new(work, n, ordered_value, ordered_gradient))
}

fn ordered_value(d: &mut Order) -> f64 {
    fill_keys(&d.x, &mut d.keys);
    d.keys.sort_unstable();
    d.keys.iter().zip(&d.w).map(|(k, w)| number(*k) * w).sum()
}

fn ordered_gradient(d: &mut Order, gradient: &mut [f64]) -> f64 {
    let keyed = d.x.iter().enumerate().map(|(at, x)| (key(x.to_bits() as i64), at as u32));
    d.pairs.iter_mut().zip(keyed).for_each(|(pair, keyed)| *pair = keyed);
    d.pairs.sort_unstable_by_key(|pair| pair.0);
    let each = d.pairs.iter().zip(&d.w).map(|((k, at), w)| {
        gradient[*at as usize] = *w;
        number(*k) * w
    });
    each.sum()
}

/// Rows and columns of the array of exponents.
fn exponents(size: Size) -> [usize; 2] {
    [size.of(10_000, 100), 100]
}

fn exponents_data(size: Size) -> Vec<f64> {
    let [rows, columns] = exponents(size);
    Stream::new(124).normal(rows * columns)
}

/// Σᵢ log Σⱼ exp xᵢⱼ, as a program.
pub fn logsumexp(size: Size) -> Result<Boxed> {
    let f = Program::trace(&[&exponents(size)], |v| v[0].logsumexp_axis(1).sum())?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&exponents_data(size)])?))
}

/// Σᵢ log Σⱼ exp xᵢⱼ by hand, a row at a time.
pub fn logsumexp_by_hand(size: Size) -> Boxed {
    let (x, [rows, columns]) = (exponents_data(size), exponents(size));
    let data = (x, vec![0.0; columns]);
    Box::new(Hand::new(
        data,
        rows * columns,
        |d| logsumexp_value(&d.0, &mut d.1),
        |d, gradient| logsumexp_gradient(&d.0, d.1.len(), gradient),
    ))
}

/// log Σ exp of a row; what is left in `into` are the terms, and the second number is their sum.
#[inline(always)]
fn row(x: &[f64], into: &mut [f64]) -> (f64, f64) {
    let mut tops = [f64::NEG_INFINITY; 16];
    let chunks = x.chunks_exact(16);
    let mut top = chunks.remainder().iter().fold(f64::NEG_INFINITY, |m, x| if *x > m { *x } else { m });
    for x in chunks {
        tops.iter_mut().zip(x).for_each(|(t, x)| *t = if *x > *t { *x } else { *t });
    }
    top = tops.iter().fold(top, |m, x| if *x > m { *x } else { m });
    into.iter_mut().zip(x).for_each(|(e, x)| *e = exp(x - top));
    let total = crate::vector::sum(into, |e| e);
    (top + total.ln(), total)
}

wide! {
    fn logsumexp_value(x: &[f64], terms: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for x in x.chunks_exact(terms.len()) {
            sum += row(x, terms).0;
        }
        sum
    }

    fn logsumexp_gradient(x: &[f64], columns: usize, gradient: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for (x, g) in x.chunks_exact(columns).zip(gradient.chunks_exact_mut(columns)) {
            let (value, total) = row(x, g);
            sum += value;
            g.iter_mut().for_each(|g| *g /= total);
        }
        sum
    }
}
