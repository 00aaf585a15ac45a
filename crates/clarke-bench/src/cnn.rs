//! W6: a network of two convolutions with relu and max pools, 32 images of 28 × 28, cross entropy, in f32.

use crate::job::{Clarke, Hand};
use crate::mlp::{product, rows, single_precision};
use crate::stream::{Stream, scaled};
use crate::vector::wide;
use crate::{Boxed, Size};
use clarke::op::conv::Moves;
use clarke::{Program, Result, Var};
use faer::MatRef;

/// Channels before and after the convolutions, sides of their images, entries of a kernel, classes.
const CHANNELS: [usize; 3] = [1, 16, 32];
const SIDES: [usize; 3] = [28, 14, 7];
const TAPS: usize = 9;
const CLASSES: usize = 10;
/// Numbers of an image before the last layer.
const FLAT: usize = CHANNELS[2] * SIDES[2] * SIDES[2];

/// Images, classes, and the six arrays of parameters.
struct Data {
    batch: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    parameters: [Vec<f64>; 6],
}

impl Data {
    fn new(size: Size) -> Data {
        let (mut s, batch) = (Stream::new(6), size.of(32, 3));
        let x = single_precision(s.uniform(batch * SIDES[0] * SIDES[0]));
        let y = s.integers(CLASSES, batch).into_iter().map(|k| k as f64).collect();
        let mut draw = |n: usize, factor: f64| single_precision(scaled(s.normal(n), factor));
        let parameters = [
            draw(CHANNELS[1] * CHANNELS[0] * TAPS, 1.0 / 3.0),
            draw(CHANNELS[1], 0.01),
            draw(CHANNELS[2] * CHANNELS[1] * TAPS, 1.0 / 12.0),
            draw(CHANNELS[2], 0.01),
            draw(FLAT * CLASSES, 1.0 / 40.0),
            draw(CLASSES, 0.01),
        ];
        Data { batch, x, y, parameters }
    }
}

fn pooled<'p>(x: Var<'p>) -> Var<'p> {
    x.relu().max_pool(&[2, 2], &[2, 2], &[0, 0], &[1, 1])
}

/// The network as a program.
pub fn network(size: Size) -> Result<Boxed> {
    let data = Data::new(size);
    let [_, c, d] = CHANNELS;
    let inputs: [(&str, &[usize]); 8] = [
        ("w1", &[c, 1, 3, 3]),
        ("b1", &[c, 1, 1]),
        ("w2", &[d, c, 3, 3]),
        ("b2", &[d, 1, 1]),
        ("w3", &[FLAT, CLASSES]),
        ("b3", &[CLASSES]),
        ("x", &[data.batch, 1, SIDES[0], SIDES[0]]),
        ("y", &[data.batch]),
    ];
    let f = Program::trace_named(&inputs, |v| {
        let same = Moves { padding: &[1], ..Moves::default() };
        let h = pooled(v[6].conv2d(v[0], same) + v[1]);
        let h = pooled(h.conv2d(v[2], same) + v[3]);
        (h.reshape(&[data.batch, FLAT]).matmul(v[4]) + v[5]).cross_entropy(v[7])
    })?
    .varying(&["w1", "b1", "w2", "b2", "w3", "b3"])?;
    let mut views: Vec<&[f64]> = data.parameters.iter().map(Vec::as_slice).collect();
    views.extend([data.x.as_slice(), data.y.as_slice()]);
    Ok(Box::new(Clarke::<f32>::new(&f, &views)?))
}

/// A convolution with relu and pool, for one image at a time: its sizes and what it keeps of every image.
struct Layer {
    channels: usize,
    kernels: usize,
    side: usize,
    /// For each image the entries under each tap of each channel, side by side, as a matrix of [channels · taps, side²].
    columns: Vec<f32>,
    /// The convolution of one image, and its cotangent.
    image: Vec<f32>,
    /// The pooled values of all images, and which of its four each is.
    pooled: Vec<f32>,
    chosen: Vec<u8>,
    /// The cotangent of the pooled values, and of the columns of one image.
    back: Vec<f32>,
    back_columns: Vec<f32>,
}

impl Layer {
    fn new(batch: usize, at: usize) -> Layer {
        let (channels, kernels, side) = (CHANNELS[at], CHANNELS[at + 1], SIDES[at]);
        let (area, pooled) = (side * side, batch * kernels * side * side / 4);
        Layer {
            channels,
            kernels,
            side,
            columns: vec![0.0; batch * channels * TAPS * area],
            image: vec![0.0; kernels * area],
            pooled: vec![0.0; pooled],
            chosen: vec![0; pooled],
            back: vec![0.0; pooled],
            back_columns: vec![0.0; channels * TAPS * area],
        }
    }

    /// The pooled values of all images.
    fn forward(&mut self, x: &[f32], w: &[f32], b: &[f32]) {
        let area = self.side * self.side;
        let depth = self.channels * TAPS;
        let images = x.chunks_exact(self.channels * area).zip(self.columns.chunks_exact_mut(depth * area));
        let pooled = self.pooled.chunks_exact_mut(self.kernels * area / 4);
        let chosen = self.chosen.chunks_exact_mut(self.kernels * area / 4);
        for (((x, columns), pooled), chosen) in images.zip(pooled).zip(chosen) {
            unfold(x, self.side, columns);
            for (row, b) in self.image.chunks_exact_mut(area).zip(b) {
                row.fill(*b);
            }
            product(&mut self.image, true, rows(w, depth), rows(columns, area));
            pool(&self.image, self.side, pooled, chosen);
        }
    }

    /// Adds the cotangents of weights and biases; writes that of the images to `into`, if it is wanted.
    fn backward(&mut self, w: &[f32], dw: &mut [f32], db: &mut [f32], mut into: Option<&mut [f32]>) {
        let area = self.side * self.side;
        let depth = self.channels * TAPS;
        dw.fill(0.0);
        db.fill(0.0);
        let quarter = self.kernels * area / 4;
        for (at, columns) in self.columns.chunks_exact(depth * area).enumerate() {
            let part = at * quarter..(at + 1) * quarter;
            unpool(
                &self.pooled[part.clone()],
                &self.chosen[part.clone()],
                &self.back[part],
                self.side,
                &mut self.image,
            );
            let d = rows(&self.image, area);
            product(dw, true, d, rows(columns, area).transpose());
            for (sum, row) in db.iter_mut().zip(self.image.chunks_exact(area)) {
                *sum += total(row);
            }
            if let Some(into) = &mut into {
                product(&mut self.back_columns, false, rows(w, depth).transpose(), d);
                let image = &mut into[at * self.channels * area..(at + 1) * self.channels * area];
                fold(&self.back_columns, self.side, image);
            }
        }
    }
}

wide! {
    /// The entries of an image under each tap.
    fn unfold(x: &[f32], side: usize, columns: &mut [f32]) {
        let area = side * side;
        columns.fill(0.0);
        for (x, block) in x.chunks_exact(area).zip(columns.chunks_exact_mut(TAPS * area)) {
            for (tap, out) in block.chunks_exact_mut(area).enumerate() {
                let (down, right) = (tap / 3, tap % 3);
                let (first, last) = (1usize.saturating_sub(right), side.min(side + 1 - right));
                for i in 1usize.saturating_sub(down)..side.min(side + 1 - down) {
                    let from = &x[(i + down - 1) * side..][..side];
                    out[i * side + first..i * side + last].copy_from_slice(&from[first + right - 1..last + right - 1]);
                }
            }
        }
    }

    /// The transpose of `unfold`.
    fn fold(columns: &[f32], side: usize, x: &mut [f32]) {
        let area = side * side;
        x.fill(0.0);
        for (x, block) in x.chunks_exact_mut(area).zip(columns.chunks_exact(TAPS * area)) {
            for (tap, from) in block.chunks_exact(area).enumerate() {
                let (down, right) = (tap / 3, tap % 3);
                let (first, last) = (1usize.saturating_sub(right), side.min(side + 1 - right));
                for i in 1usize.saturating_sub(down)..side.min(side + 1 - down) {
                    let into = &mut x[(i + down - 1) * side..][..side];
                    let into = &mut into[first + right - 1..last + right - 1];
                    for (x, c) in into.iter_mut().zip(&from[i * side + first..i * side + last]) {
                        *x += c;
                    }
                }
            }
        }
    }

    /// The largest of each four, or 0, and which it is.
    fn pool(image: &[f32], side: usize, pooled: &mut [f32], chosen: &mut [u8]) {
        let half = side / 2;
        for (k, (out, which)) in pooled.chunks_exact_mut(half).zip(chosen.chunks_exact_mut(half)).enumerate() {
            let pair = &image[2 * k * side..2 * (k + 1) * side];
            let (upper, lower) = pair.split_at(side);
            for j in 0..half {
                let four = [upper[2 * j], upper[2 * j + 1], lower[2 * j], lower[2 * j + 1]];
                let (mut best, mut at) = (four[0], 0);
                for (k, x) in four.iter().enumerate().skip(1) {
                    (best, at) = if *x > best { (*x, k as u8) } else { (best, at) };
                }
                (out[j], which[j]) = (if best > 0.0 { best } else { 0.0 }, at);
            }
        }
    }

    /// The cotangent of the image of `pool` from that of its result.
    fn unpool(pooled: &[f32], chosen: &[u8], back: &[f32], side: usize, image: &mut [f32]) {
        let half = side / 2;
        let results = pooled.chunks_exact(half).zip(chosen.chunks_exact(half)).zip(back.chunks_exact(half));
        for (((value, which), back), pair) in results.zip(image.chunks_exact_mut(2 * side)) {
            let (upper, lower) = pair.split_at_mut(side);
            for j in 0..half {
                let d = if value[j] > 0.0 { back[j] } else { 0.0 };
                let at = which[j];
                upper[2 * j] = if at == 0 { d } else { 0.0 };
                upper[2 * j + 1] = if at == 1 { d } else { 0.0 };
                lower[2 * j] = if at == 2 { d } else { 0.0 };
                lower[2 * j + 1] = if at == 3 { d } else { 0.0 };
            }
        }
    }

    fn total(x: &[f32]) -> f32 {
        let mut sums = [0.0; 32];
        let chunks = x.chunks_exact(32);
        let rest: f32 = chunks.remainder().iter().sum();
        for x in chunks {
            for j in 0..32 {
                sums[j] += x[j];
            }
        }
        rest + sums.iter().sum::<f32>()
    }
}

/// What the network is computed in by hand.
struct Work {
    x: Vec<f32>,
    labels: Vec<usize>,
    parameters: Vec<Vec<f32>>,
    layers: [Layer; 2],
    scores: Vec<f32>,
}

/// The network by hand: images unfolded for products by faer, the rest in loops.
pub fn network_by_hand(size: Size) -> Boxed {
    let data = Data::new(size);
    let f32s = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
    let parameters: Vec<Vec<f32>> = data.parameters.iter().map(|p| f32s(p)).collect();
    let length = parameters.iter().map(Vec::len).sum();
    let work = Work {
        x: f32s(&data.x),
        labels: data.y.iter().map(|y| *y as usize).collect(),
        parameters,
        layers: [Layer::new(data.batch, 0), Layer::new(data.batch, 1)],
        scores: vec![0.0; data.batch * CLASSES],
    };
    Box::new(Hand::new(work, length, |w| value(w) as f64, |w, g| gradient(w, g) as f64))
}

/// The mean cross entropy; `scores` are left as its derivative in them.
fn value(w: &mut Work) -> f32 {
    let Work { x, labels, parameters: p, layers: [first, second], scores } = w;
    first.forward(x, &p[0], &p[1]);
    second.forward(&first.pooled, &p[2], &p[3]);
    scores.chunks_exact_mut(CLASSES).for_each(|row| row.copy_from_slice(&p[5]));
    product(scores, true, rows(&second.pooled, FLAT), rows(&p[4], CLASSES));
    crate::mlp::cross_entropy(scores, CLASSES, labels)
}

fn gradient(w: &mut Work, gradient: &mut [f32]) -> f32 {
    let result = value(w);
    let Work { parameters: p, layers: [first, second], scores, .. } = w;
    let mut rest = gradient;
    let mut parts = vec![];
    for p in p.iter() {
        let (part, after) = rest.split_at_mut(p.len());
        parts.push(part);
        rest = after;
    }
    let d: MatRef<'_, f32> = rows(scores, CLASSES);
    product(parts[4], false, rows(&second.pooled, FLAT).transpose(), d);
    parts[5].fill(0.0);
    for row in scores.chunks_exact(CLASSES) {
        parts[5].iter_mut().zip(row).for_each(|(s, d)| *s += d);
    }
    product(&mut second.back, false, d, rows(&p[4], CLASSES).transpose());
    let [dw1, db1, dw2, db2, ..] = &mut parts[..] else { return result };
    second.backward(&p[2], dw2, db2, Some(&mut first.back));
    first.backward(&p[0], dw1, db1, None);
    result
}
