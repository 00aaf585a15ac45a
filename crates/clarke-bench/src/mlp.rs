//! W1 and W2: networks of relu units, training steps at two sizes.

use crate::job::{Clarke, Hand};
use crate::stream::{Stream, scaled};
use crate::vector::{axpy, dot, wide};
use crate::{Boxed, Size};
use clarke::{Program, Result, Var};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Weights and biases of the layers, alternately, each with its shape; inputs and targets of a batch.
pub struct Net {
    /// Each with its shape.
    pub parameters: Vec<(Vec<usize>, Vec<f64>)>,
    /// How many samples the batch has.
    pub batch: usize,
    /// A row for each sample.
    pub x: Vec<f64>,
    /// A target, or a class, for each sample.
    pub y: Vec<f64>,
}

/// Layers of these widths, weights of variance 2 over the width before, biases of this deviation.
fn layers(s: &mut Stream, widths: &[usize], bias: f64) -> Vec<(Vec<usize>, Vec<f64>)> {
    let pairs = widths.windows(2).flat_map(|w| {
        let weights = scaled(s.normal(w[0] * w[1]), (2.0 / w[0] as f64).sqrt());
        [(vec![w[0], w[1]], weights), (vec![w[1]], scaled(s.normal(w[1]), bias))]
    });
    pairs.collect()
}

/// The parameters, then the batch, as inputs of a program; `loss` takes the last layer's outputs and the targets.
fn program(net: &Net, targets: &[usize], loss: for<'p> fn(Var<'p>, Var<'p>) -> Var<'p>) -> Result<Program> {
    let names: Vec<String> = (0..net.parameters.len()).map(|k| format!("p{k}")).collect();
    let x = [net.batch, net.parameters[0].0[0]];
    let mut inputs: Vec<(&str, &[usize])> =
        names.iter().zip(&net.parameters).map(|(name, (shape, _))| (name.as_str(), shape.as_slice())).collect();
    inputs.extend([("x", x.as_slice()), ("y", targets)]);
    let count = net.parameters.len();
    let traced = Program::trace_named(&inputs, |v| {
        let (parameters, x, y) = (&v[..count], v[count], v[count + 1]);
        let last = count / 2 - 1;
        let out = parameters.chunks(2).enumerate().fold(x, |h, (k, p)| {
            let h = h.matmul(p[0]) + p[1];
            if k < last { h.relu() } else { h }
        });
        loss(out, y)
    })?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    traced.varying(&names)
}

impl Net {
    fn inputs(&self) -> Vec<&[f64]> {
        let parameters = self.parameters.iter().map(|(_, p)| p.as_slice());
        parameters.chain([self.x.as_slice(), self.y.as_slice()]).collect()
    }

    fn dimension(&self) -> usize {
        self.parameters.iter().map(|(_, p)| p.len()).sum()
    }
}

/// The widths of W2.
const SMALL: [usize; 4] = [10, 32, 32, 1];

/// W2 at a batch of 1 or of 32: both are drawn from one stream.
pub fn small(batch: usize) -> Net {
    let mut s = Stream::new(2);
    let parameters = layers(&mut s, &SMALL, 0.1);
    let one = (s.normal(SMALL[0]), s.normal(1));
    let (x, y) = if batch == 1 { one } else { (s.normal(batch * SMALL[0]), s.normal(batch)) };
    Net { parameters, batch, x, y }
}

fn small_program(batch: usize) -> Result<Boxed> {
    let net = small(batch);
    let f = program(&net, &[batch, 1], |out, y| (out - y).square().mean())?;
    Ok(Box::new(Clarke::<f64>::new(&f, &net.inputs())?))
}

/// W2 with one sample, as a program.
pub fn single(_: Size) -> Result<Boxed> {
    small_program(1)
}

/// W2 with 32 samples, as a program.
pub fn batch(_: Size) -> Result<Boxed> {
    small_program(32)
}

/// What W2 is computed in by hand: the hidden layers' values and their cotangents.
struct SmallWork {
    net: Net,
    h1: Vec<f64>,
    h2: Vec<f64>,
    d1: Vec<f64>,
    d2: Vec<f64>,
    out: Vec<f64>,
}

/// W2 with one sample by hand.
pub fn single_by_hand(_: Size) -> Boxed {
    small_by_hand(1)
}

/// W2 with 32 samples by hand.
pub fn batch_by_hand(_: Size) -> Boxed {
    small_by_hand(32)
}

/// Loops for the three layers, whose inner ones are as long as a layer is wide.
fn small_by_hand(batch: usize) -> Boxed {
    let net = small(batch);
    let hidden = || vec![0.0; batch * SMALL[1]];
    let length = net.dimension();
    let work = SmallWork { net, h1: hidden(), h2: hidden(), d1: hidden(), d2: hidden(), out: vec![0.0; batch] };
    Box::new(Hand::new(work, length, small_value, small_gradient))
}

/// relu(x W + b) for a batch; a row of the result stays in registers.
#[inline(always)]
fn dense<const N: usize>(x: &[f64], inputs: usize, w: &[f64], b: &[f64], out: &mut [f64]) {
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(N)) {
        let mut row = [0.0; N];
        row.copy_from_slice(b);
        for (x, w) in x.iter().zip(w.chunks_exact(N)) {
            axpy(*x, w, &mut row);
        }
        out.iter_mut().zip(row).for_each(|(o, r)| *o = if r > 0.0 { r } else { 0.0 });
    }
}

/// The cotangents of weights and biases of a layer from those of its values before relu.
#[inline(always)]
fn dense_back<const N: usize>(x: &[f64], inputs: usize, d: &[f64], dw: &mut [f64], db: &mut [f64]) {
    for (i, dw) in dw.chunks_exact_mut(N).enumerate() {
        let mut row = [0.0; N];
        for (x, d) in x.chunks_exact(inputs).zip(d.chunks_exact(N)) {
            axpy(x[i], d, &mut row);
        }
        dw.copy_from_slice(&row);
    }
    let mut row = [0.0; N];
    for d in d.chunks_exact(N) {
        axpy(1.0, d, &mut row);
    }
    db.copy_from_slice(&row);
}

/// The width of the hidden layers of W2.
const H: usize = SMALL[1];

wide! {
    /// The mean of the squared residuals, which are left in `out`.
    fn small_value(work: &mut SmallWork) -> f64 {
        let SmallWork { net, h1, h2, out, .. } = work;
        let p = |k: usize| net.parameters[k].1.as_slice();
        dense::<H>(&net.x, SMALL[0], p(0), p(1), h1);
        dense::<H>(h1, H, p(2), p(3), h2);
        let mut sum = 0.0;
        for ((h, y), r) in h2.chunks_exact(H).zip(&net.y).zip(out.iter_mut()) {
            *r = dot(h, p(4)) + p(5)[0] - y;
            sum += *r * *r;
        }
        sum / net.batch as f64
    }

    fn small_gradient(work: &mut SmallWork, gradient: &mut [f64]) -> f64 {
        let value = small_value(work);
        let SmallWork { net, h1, h2, d1, d2, out } = work;
        let p = |k: usize| net.parameters[k].1.as_slice();
        let (dw1, rest) = gradient.split_at_mut(SMALL[0] * H);
        let (db1, rest) = rest.split_at_mut(H);
        let (dw2, rest) = rest.split_at_mut(H * H);
        let (db2, rest) = rest.split_at_mut(H);
        let (dw3, db3) = rest.split_at_mut(H);
        dw3.fill(0.0);
        db3[0] = 0.0;
        for (((r, h), d), w) in out.iter().zip(h2.chunks_exact(H)).zip(d2.chunks_exact_mut(H)).zip(std::iter::repeat(p(4))) {
            let t = 2.0 * r / net.batch as f64;
            axpy(t, h, dw3);
            db3[0] += t;
            for ((d, h), w) in d.iter_mut().zip(h).zip(w) {
                *d = if *h > 0.0 { t * w } else { 0.0 };
            }
        }
        dense_back::<H>(h1, H, d2, dw2, db2);
        for ((d1, h), d2) in d1.chunks_exact_mut(H).zip(h1.chunks_exact(H)).zip(d2.chunks_exact(H)) {
            for ((d, h), w) in d1.iter_mut().zip(h).zip(p(2).chunks_exact(H)) {
                let back = dot(w, d2);
                *d = if *h > 0.0 { back } else { 0.0 };
            }
        }
        dense_back::<H>(&net.x, SMALL[0], d1, dw1, db1);
        value
    }
}

/// The widths and the batch of W1.
const LARGE: [usize; 4] = [784, 256, 256, 10];

fn large(size: Size) -> Net {
    let mut s = Stream::new(1);
    let batch = size.of(128, 8);
    let x = single_precision(s.uniform(batch * LARGE[0]));
    let y = s.integers(LARGE[3], batch).into_iter().map(|k| k as f64).collect();
    let mut parameters = layers(&mut s, &LARGE, 0.01);
    parameters.iter_mut().for_each(|(_, p)| *p = single_precision(std::mem::take(p)));
    Net { parameters, batch, x, y }
}

/// The numbers as f32 has them.
pub(crate) fn single_precision(numbers: Vec<f64>) -> Vec<f64> {
    numbers.into_iter().map(|x| x as f32 as f64).collect()
}

/// W1, the cross entropy of a network of two hidden layers, in f32, as a program.
pub fn classifier(size: Size) -> Result<Boxed> {
    let net = large(size);
    let f = program(&net, &[net.batch], |out, y| out.cross_entropy(y))?;
    Ok(Box::new(Clarke::<f32>::new(&f, &net.inputs())?))
}

/// What W1 is computed in by hand.
struct LargeWork {
    parameters: Vec<Vec<f32>>,
    x: Vec<f32>,
    labels: Vec<usize>,
    /// The values of each layer, and their cotangents.
    values: Vec<Vec<f32>>,
    back: Vec<Vec<f32>>,
}

/// W1 by hand: products by faer, what stands between them in loops.
pub fn classifier_by_hand(size: Size) -> Boxed {
    let net = large(size);
    let f32s = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
    let layer = || LARGE[1..].iter().map(|width| vec![0.0; net.batch * width]).collect::<Vec<_>>();
    let work = LargeWork {
        parameters: net.parameters.iter().map(|(_, p)| f32s(p)).collect(),
        x: f32s(&net.x),
        labels: net.y.iter().map(|y| *y as usize).collect(),
        values: layer(),
        back: layer(),
    };
    Box::new(Hand::new(work, net.dimension(), |w| large_value(w) as f64, |w, g| large_gradient(w, g) as f64))
}

/// A matrix in row-major order.
pub(crate) fn rows(x: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(x, x.len() / columns, columns)
}

/// out ← (out if `add`) + a b.
pub(crate) fn product(out: &mut [f32], add: bool, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let out = MatMut::from_row_major_slice_mut(out, a.nrows(), b.ncols());
    let beta = if add { Accum::Add } else { Accum::Replace };
    matmul(out, beta, a, b, 1.0, Par::Seq);
}

wide! {
    fn relu(x: &mut [f32]) {
        x.iter_mut().for_each(|x| *x = if *x > 0.0 { *x } else { 0.0 });
    }

    fn mask(d: &mut [f32], h: &[f32]) {
        d.iter_mut().zip(h).for_each(|(d, h)| *d = if *h > 0.0 { *d } else { 0.0 });
    }

    fn column_sums(d: &[f32], sums: &mut [f32]) {
        sums.fill(0.0);
        for row in d.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(s, d)| *s += d);
        }
    }
}

/// The mean cross entropy; the softmax less the labels' indicator is left as the last layer's cotangent.
fn large_value(w: &mut LargeWork) -> f32 {
    for k in 0..LARGE.len() - 1 {
        let (before, rest) = w.values.split_at_mut(k);
        let x = before.last().unwrap_or(&w.x);
        let out = &mut rest[0];
        out.chunks_exact_mut(LARGE[k + 1]).for_each(|row| row.copy_from_slice(&w.parameters[2 * k + 1]));
        product(out, true, rows(x, LARGE[k]), rows(&w.parameters[2 * k], LARGE[k + 1]));
        if k < LARGE.len() - 2 {
            relu(out);
        }
    }
    w.back[2].copy_from_slice(&w.values[2]);
    cross_entropy(&mut w.back[2], LARGE[3], &w.labels)
}

/// The mean cross entropy of rows of scores, which are left as its derivative in them.
pub(crate) fn cross_entropy(scores: &mut [f32], classes: usize, labels: &[usize]) -> f32 {
    let scale = 1.0 / labels.len() as f32;
    let mut sum = 0.0;
    for (row, label) in scores.chunks_exact_mut(classes).zip(labels) {
        let top = row.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
        sum += top - row[*label];
        row.iter_mut().for_each(|x| *x = (*x - top).exp());
        let total: f32 = row.iter().sum();
        sum += total.ln();
        row.iter_mut().for_each(|x| *x *= scale / total);
        row[*label] -= scale;
    }
    sum * scale
}

fn large_gradient(w: &mut LargeWork, gradient: &mut [f32]) -> f32 {
    let value = large_value(w);
    let mut rest = gradient;
    let mut parts = vec![];
    for p in &w.parameters {
        let (part, after) = rest.split_at_mut(p.len());
        parts.push(part);
        rest = after;
    }
    for k in (0..LARGE.len() - 1).rev() {
        let (before, d) = w.back.split_at_mut(k);
        let x = if k == 0 { &w.x } else { &w.values[k - 1] };
        column_sums(&d[0], parts[2 * k + 1]);
        let d = rows(&d[0], LARGE[k + 1]);
        product(parts[2 * k], false, rows(x, LARGE[k]).transpose(), d);
        if let Some(into) = before.last_mut() {
            product(into, false, d, rows(&w.parameters[2 * k], LARGE[k + 1]).transpose());
            mask(into, x);
        }
    }
    value
}
