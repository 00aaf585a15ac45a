//! W5: nonsmooth functions from test collections, in f64.

use crate::job::{Clarke, Hand};
use crate::stream::Stream;
use crate::vector::{dot, exp, fma, sum, sum_pairs, wide};
use crate::{Boxed, Size};
use clarke::{Program, Result};

/// The arrays of all parts, in the order in which the stream gives them.
pub struct Data {
    /// A, with a row for each function.
    pub a: Vec<f64>,
    /// b.
    pub b: Vec<f64>,
    /// The point of max |A x − b|.
    pub xa: Vec<f64>,
    /// The point of the chains.
    pub xb: Vec<f64>,
    /// The point of the function of Chebyshev and Rosenbrock.
    pub xc: Vec<f64>,
    /// T, with a row for each sample.
    t: Vec<f64>,
    tb: Vec<f64>,
    xd: Vec<f64>,
}

/// Rows and columns of A and of T.
const A: [usize; 2] = [1000, 100];
const FEATURES: usize = 10;

fn samples(size: Size) -> usize {
    size.of(100_000, 1000)
}

impl Data {
    /// Draws them.
    pub fn new(size: Size) -> Data {
        let mut s = Stream::new(5);
        let (a, b, xa) = (s.normal(A[0] * A[1]), s.normal(A[0]), s.normal(A[1]));
        let (xb, xc) = (s.normal(1000), s.normal(100));
        let n = samples(size);
        let (t, tb, xd) = (s.normal(n * FEATURES), s.normal(n), s.normal(FEATURES));
        Data { a, b, xa, xb, xc, t, tb, xd }
    }

    /// T with a row for each feature: the long axis last.
    fn columns(&self) -> Vec<f64> {
        let n = self.tb.len();
        (0..FEATURES * n).map(|k| self.t[k % n * FEATURES + k / n]).collect()
    }
}

/// W5a, max over i of |aᵢ x − bᵢ|, as a program.
pub fn minimax(size: Size) -> Result<Boxed> {
    let data = Data::new(size);
    let f =
        Program::trace_named(&[("x", &A[1..]), ("A", &A), ("b", &A[..1])], |v| (v[1].matmul(v[0]) - v[2]).abs().max())?;
    Ok(Box::new(Clarke::<f64>::new(&f.varying(&["x"])?, &[&data.xa, &data.a, &data.b])?))
}

/// W5a by hand: one pass over the rows.
pub fn minimax_by_hand(size: Size) -> Boxed {
    let length = A[1];
    Box::new(Hand::new(
        Data::new(size),
        length,
        |d| largest(&d.a, &d.b, &d.xa).0,
        |d, gradient| {
            let (value, row, sign) = largest(&d.a, &d.b, &d.xa);
            gradient.iter_mut().zip(&d.a[row * A[1]..]).for_each(|(g, a)| *g = sign * a);
            value
        },
    ))
}

wide! {
    /// The largest |aᵢ x − bᵢ|, its row, and the sign of what it is the modulus of.
    fn largest(a: &[f64], b: &[f64], x: &[f64]) -> (f64, usize, f64) {
        let mut best = (-1.0, 0, 0.0);
        for (i, (row, b)) in a.chunks_exact(x.len()).zip(b).enumerate() {
            let residual = dot(row, x) - b;
            if residual.abs() > best.0 {
                best = (residual.abs(), i, residual.signum());
            }
        }
        best
    }
}

/// W5b1, the chained function CB3 I of Haarala, Miettinen and Mäkelä (2004), as a program.
pub fn cb3(size: Size) -> Result<Boxed> {
    let data = Data::new(size);
    let f = Program::trace(&[&[data.xb.len()]], |x| {
        let (u, v) = (x[0].slice(0, ..999), x[0].slice(0, 1..));
        let first = u.power(4.0) + v.square();
        let second = (2.0 - u).square() + (2.0 - v).square();
        first.maximum(second.maximum(2.0 * (v - u).exp())).sum()
    })?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&data.xb])?))
}

/// W5b1 by hand: one loop, and a second that adds what neighbours give.
pub fn cb3_by_hand(size: Size) -> Boxed {
    let x = Data::new(size).xb;
    let n = x.len();
    Box::new(Hand::new((x, vec![0.0; n]), n, |d| cb3_value(&d.0), |d, gradient| cb3_gradient(&d.0, &mut d.1, gradient)))
}

/// The three pieces of a term.
#[inline(always)]
fn cb3_pieces(u: f64, v: f64) -> [f64; 3] {
    let (square, s, t) = (u * u, 2.0 - u, 2.0 - v);
    [fma(square, square, v * v), fma(s, s, t * t), 2.0 * exp(v - u)]
}

wide! {
    fn cb3_value(x: &[f64]) -> f64 {
        sum_pairs(&x[..x.len() - 1], &x[1..], |u, v| {
            let [a, b, c] = cb3_pieces(u, v);
            let largest = if b > c { b } else { c };
            if a > largest { a } else { largest }
        })
    }

    /// `right` is memory for the derivatives in the second variable of each term.
    fn cb3_gradient(x: &[f64], right: &mut [f64], gradient: &mut [f64]) -> f64 {
        let last = x.len() - 1;
        let left = &mut gradient[..last];
        let mut sums = [0.0; 8];
        let term = |u: f64, v: f64| {
            let [a, b, c] = cb3_pieces(u, v);
            let (largest, du, dv) = if b > c { (b, 2.0 * u - 4.0, 2.0 * v - 4.0) } else { (c, -c, c) };
            if a > largest { (a, 4.0 * u * u * u, 2.0 * v) } else { (largest, du, dv) }
        };
        let whole = last - last % 8;
        let chunks = x[..whole].chunks_exact(8).zip(x[1..=whole].chunks_exact(8));
        for ((u, v), (l, r)) in chunks.zip(left.chunks_exact_mut(8).zip(right.chunks_exact_mut(8))) {
            for j in 0..8 {
                let (value, du, dv) = term(u[j], v[j]);
                sums[j] += value;
                (l[j], r[j]) = (du, dv);
            }
        }
        for k in whole..last {
            let (value, du, dv) = term(x[k], x[k + 1]);
            sums[0] += value;
            (left[k], right[k]) = (du, dv);
        }
        gradient[last] = 0.0;
        gradient[1..].iter_mut().zip(&right[..last]).for_each(|(g, r)| *g += r);
        sums.iter().sum()
    }
}

/// W5b2, the chained function Crescent I of the same collection, as a program.
pub fn crescent(size: Size) -> Result<Boxed> {
    let data = Data::new(size);
    let f = Program::trace(&[&[data.xb.len()]], |x| {
        let (u, v) = (x[0].slice(0, ..999), x[0].slice(0, 1..));
        let squares = u.square() + (v - 1.0).square();
        (squares + v - 1.0).sum().maximum((v + 1.0 - squares).sum())
    })?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&data.xb])?))
}

/// W5b2 by hand: a pass for the two sums, and one for the gradient of the larger.
pub fn crescent_by_hand(size: Size) -> Boxed {
    let x = Data::new(size).xb;
    let n = x.len();
    Box::new(Hand::new(
        x,
        n,
        |x| crescent_sums(x).0,
        |x, gradient| {
            let (value, sign) = crescent_sums(x);
            crescent_gradient(x, sign, gradient);
            value
        },
    ))
}

wide! {
    /// The larger sum, and the sign of its squares.
    fn crescent_sums(x: &[f64]) -> (f64, f64) {
        let (u, v) = (&x[..x.len() - 1], &x[1..]);
        let squares = sum_pairs(u, v, |u, v| fma(u, u, (v - 1.0) * (v - 1.0)));
        let (linear, n) = (sum(v, |v| v), v.len() as f64);
        let (p, q) = (squares + linear - n, linear + n - squares);
        if p >= q { (p, 1.0) } else { (q, -1.0) }
    }

    fn crescent_gradient(x: &[f64], sign: f64, gradient: &mut [f64]) {
        let last = x.len() - 1;
        for (g, x) in gradient[1..last].iter_mut().zip(&x[1..last]) {
            *g = sign * (4.0 * x - 2.0) + 1.0;
        }
        gradient[0] = sign * 2.0 * x[0];
        gradient[last] = sign * 2.0 * (x[last] - 1.0) + 1.0;
    }
}

/// W5c, the second nonsmooth function of Chebyshev and Rosenbrock (Gürbüzbalaban, Overton 2012), as a program.
pub fn rosenbrock(size: Size) -> Result<Boxed> {
    let data = Data::new(size);
    let f = Program::trace(&[&[data.xc.len()]], |v| {
        let x = v[0];
        0.25 * (x.get(0) - 1.0).abs() + (x.slice(0, 1..) - 2.0 * x.slice(0, ..99).abs() + 1.0).abs().sum()
    })?;
    Ok(Box::new(Clarke::<f64>::new(&f, &[&data.xc])?))
}

/// W5c by hand.
pub fn rosenbrock_by_hand(size: Size) -> Boxed {
    let x = Data::new(size).xc;
    let n = x.len();
    Box::new(Hand::new((x, vec![0.0; n]), n, |d| rosenbrock_value(&d.0), |d, g| rosenbrock_gradient(&d.0, &mut d.1, g)))
}

wide! {
    fn rosenbrock_value(x: &[f64]) -> f64 {
        let chain = sum_pairs(&x[..x.len() - 1], &x[1..], |u, v| (v - 2.0 * u.abs() + 1.0).abs());
        0.25 * (x[0] - 1.0).abs() + chain
    }

    fn rosenbrock_gradient(x: &[f64], signs: &mut [f64], gradient: &mut [f64]) -> f64 {
        let last = x.len() - 1;
        let mut sums = [0.0; 8];
        let sign = |r: f64| if r == 0.0 { 0.0 } else { r.signum() };
        let whole = last - last % 8;
        let chunks = x[..whole].chunks_exact(8).zip(x[1..=whole].chunks_exact(8));
        for ((u, v), (g, s)) in chunks.zip(gradient.chunks_exact_mut(8).zip(signs.chunks_exact_mut(8))) {
            for j in 0..8 {
                let r = v[j] - 2.0 * u[j].abs() + 1.0;
                sums[j] += r.abs();
                s[j] = sign(r);
                g[j] = -2.0 * s[j] * sign(u[j]);
            }
        }
        for k in whole..last {
            let r = x[k + 1] - 2.0 * x[k].abs() + 1.0;
            sums[0] += r.abs();
            signs[k] = sign(r);
            gradient[k] = -2.0 * signs[k] * sign(x[k]);
        }
        gradient[last] = 0.0;
        gradient[1..].iter_mut().zip(&signs[..last]).for_each(|(g, s)| *g += s);
        gradient[0] += 0.25 * sign(x[0] - 1.0);
        0.25 * (x[0] - 1.0).abs() + sums.iter().sum::<f64>()
    }
}

/// W5d, the mean of the smallest half of the squares of T x − t (least trimmed squares: Rousseeuw 1984), as a program.
pub fn trimmed(size: Size) -> Result<Boxed> {
    let data = Data::new(size);
    let n = samples(size);
    let f = Program::trace_named(&[("x", &[FEATURES]), ("T", &[FEATURES, n]), ("t", &[n])], |v| {
        let squares = (v[0].matmul(v[1]) - v[2]).square();
        -(-squares).sum_largest(n / 2) / (n / 2) as f64
    })?;
    Ok(Box::new(Clarke::<f64>::new(&f.varying(&["x"])?, &[&data.xd, &data.columns(), &data.tb])?))
}

/// What the trimmed squares are computed in by hand.
struct Trimmed {
    t: Vec<f64>,
    tb: Vec<f64>,
    x: Vec<f64>,
    residuals: Vec<f64>,
    /// Squares as whole numbers, whose order is theirs.
    keys: Vec<u64>,
}

/// W5d by hand: residuals, the middle one by selection, and a pass over the features for the gradient.
pub fn trimmed_by_hand(size: Size) -> Boxed {
    let data = Data::new(size);
    let n = samples(size);
    let (t, residuals, keys) = (data.columns(), vec![0.0; n], vec![0; n]);
    let work = Trimmed { t, tb: data.tb, x: data.xd, residuals, keys };
    Box::new(Hand::new(work, FEATURES, trimmed_value, |d, gradient| {
        let value = trimmed_value(d);
        trimmed_gradient(d, gradient);
        value
    }))
}

/// The value; what is left in `keys` begins with the smallest half, and the largest of these stands at its end.
fn trimmed_value(d: &mut Trimmed) -> f64 {
    residuals(&d.t, &d.tb, &d.x, &mut d.residuals, &mut d.keys);
    let half = d.keys.len() / 2;
    d.keys.select_nth_unstable(half - 1);
    smallest(&d.keys[..half]) / half as f64
}

wide! {
    fn residuals(t: &[f64], tb: &[f64], x: &[f64], residuals: &mut [f64], keys: &mut [u64]) {
        /// Residuals of a block stay in the first cache while features are added.
        const BLOCK: usize = 1024;
        let n = tb.len();
        for start in (0..n).step_by(BLOCK) {
            let end = n.min(start + BLOCK);
            let block = &mut residuals[start..end];
            block.iter_mut().zip(&tb[start..end]).for_each(|(r, b)| *r = -b);
            for (x, row) in x.iter().zip(t.chunks_exact(n)) {
                crate::vector::axpy(*x, &row[start..end], block);
            }
            keys[start..end].iter_mut().zip(block).for_each(|(k, r)| *k = (*r * *r).to_bits());
        }
    }

    fn smallest(keys: &[u64]) -> f64 {
        let mut sums = [0.0; 16];
        let chunks = keys.chunks_exact(16);
        let rest: f64 = chunks.remainder().iter().map(|k| f64::from_bits(*k)).sum();
        for keys in chunks {
            for j in 0..16 {
                sums[j] += f64::from_bits(keys[j]);
            }
        }
        rest + sums.iter().sum::<f64>()
    }

    fn trimmed_gradient(d: &mut Trimmed, gradient: &mut [f64]) {
        let n = d.tb.len();
        let bound = f64::from_bits(d.keys[n / 2 - 1]);
        d.residuals.iter_mut().for_each(|r| *r = if *r * *r <= bound { *r } else { 0.0 });
        for (g, row) in gradient.iter_mut().zip(d.t.chunks_exact(n)) {
            *g = dot(row, &d.residuals) * 4.0 / n as f64;
        }
    }
}
