//! Two programs of one maximum: all to the first of its largest entries, or an even split.

use super::net::{Engine, Ties};
use super::parallel::{Watch, runs};
use super::{Images, Net, Rule, stream};
use crate::Network;
use clarke::{Fault, Float, Result};
use serde::Serialize;

/// What is asked. The network is `cnn:1xRxC-cNk3-p2-…`: images of one channel, a convolution, the pool, and the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolOptions {
    /// Kernels of the convolution.
    pub kernels: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Images a minibatch.
    pub batch: usize,
    /// The arithmetics.
    pub floats: Vec<Float>,
    /// How many random weights are tried.
    pub runs: usize,
    /// The seed of all of them.
    pub seed: u64,
}

/// Zones in all arithmetics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pools {
    /// The network.
    pub net: String,
    /// Images a minibatch.
    pub batch: usize,
    /// An arithmetic each.
    pub zones: Vec<PoolZone>,
}

/// How ‖g_native − g_minimal‖₁, over all weights, is distributed over minibatches and random weights.
///
/// A window whose largest entries come of equal patches of the image is tied for all weights: both programs have the same
/// derivative over the reals, and differ by rounding alone. A window whose largest entries come of different patches is tied
/// by accident. τ is the largest norm of a minibatch without accidental ties. Above it lies the bifurcation zone, below, where
/// the norm is not 0, the compensation zone (Boustany 2024, who took τ from networks where both are equal).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolZone {
    /// The arithmetic.
    pub precision: String,
    /// τ; None if every minibatch had an accidental tie.
    pub threshold: Option<f64>,
    /// Minibatches that τ was taken from.
    pub without: usize,
    /// The part of minibatches with norm 0.
    pub equal: f64,
    /// The part between 0 and τ, if that is known.
    pub compensation: Option<f64>,
    /// The part above τ, if that is known.
    pub bifurcation: Option<f64>,
    /// Windows whose largest entry is positive and tied, a minibatch: by accident.
    pub accidental: f64,
    /// The same, tied for all weights.
    pub structural: f64,
    /// What each minibatch gave.
    pub minibatches: Vec<PoolRun>,
}

/// One minibatch at random weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolRun {
    /// ‖g_native − g_minimal‖₁.
    pub norm: f64,
    /// ‖g_native‖₁.
    pub gradient: f64,
    /// Windows tied by accident, whose entries are positive.
    pub accidental: usize,
    /// Windows tied for all weights, whose entries are positive.
    pub structural: usize,
}

impl PoolOptions {
    /// The network for square images.
    ///
    /// Errors: images that are not square.
    pub fn net(&self, images: &Images) -> Result<Net> {
        let side = images.width().isqrt();
        if side * side != images.width() || side < 2 {
            let given = format!("{} pixels", images.width());
            return Err(Fault::Setting { setting: "the data", given, rule: "images are square here".into() }.into());
        }
        let (kernels, hidden, classes) = (self.kernels, self.hidden, images.classes());
        Ok(Net::Network(Network::read(&format!("cnn:1x{side}x{side}-c{kernels}k3-p2-{hidden}-{classes}"))?))
    }
}

/// Compares both programs at random weights.
///
/// Errors: images that are not square; those of the programs.
pub fn pools(images: &Images, options: &PoolOptions, watch: &Watch<'_>) -> Result<Pools> {
    let net = options.net(images)?;
    let batch = options.batch.min(images.count());
    let loss = net.loss(batch)?;
    let derivative = loss.value_and_gradient()?;
    let mut zones = vec![];
    for &float in &options.floats {
        let engine = |pick: f64| Engine::new(&derivative, &net, float, &Rule::Chain.fill(0.0, pick));
        let work = Work { batch, native: engine(1.0)?, minimal: engine(0.0)?, ties: Ties::new(&loss, &net, float)? };
        let all: Vec<PoolRun> = runs(
            options.runs,
            watch,
            || work.clone(),
            |own, run| {
                let weights = net.start(stream(options.seed, 6, run), float);
                own.run(images, &weights)
            },
        )
        .into_iter()
        .flatten()
        .collect();
        if !all.is_empty() {
            zones.push(summary(float, all));
        }
    }
    Ok(Pools { net: net.text(), batch, zones })
}

fn summary(float: Float, minibatches: Vec<PoolRun>) -> PoolZone {
    let without = minibatches.iter().filter(|m| m.accidental == 0);
    let threshold = without.clone().map(|m| m.norm).reduce(f64::max);
    let part =
        |of: &dyn Fn(&PoolRun) -> bool| minibatches.iter().filter(|m| of(m)).count() as f64 / minibatches.len() as f64;
    let mean =
        |of: &dyn Fn(&PoolRun) -> usize| minibatches.iter().map(of).sum::<usize>() as f64 / minibatches.len() as f64;
    PoolZone {
        precision: float.to_string(),
        threshold,
        without: without.count(),
        equal: part(&|m| m.norm == 0.0),
        compensation: threshold.map(|t| part(&|m| m.norm > 0.0 && m.norm <= t)),
        bifurcation: threshold.map(|t| part(&|m| m.norm > t)),
        accidental: mean(&|m| m.accidental),
        structural: mean(&|m| m.structural),
        minibatches,
    }
}

#[derive(Clone)]
struct Work {
    batch: usize,
    native: Engine,
    minimal: Engine,
    ties: Ties,
}

impl Work {
    /// All full minibatches at these weights.
    fn run(&mut self, images: &Images, weights: &[f64]) -> Vec<PoolRun> {
        let mut all = vec![];
        for k in 0..images.count() / self.batch {
            let rows = images.rows(k * self.batch, self.batch);
            self.ties.met(rows, weights);
            let (accidental, structural) = self.windows(rows.0, images.width().isqrt());
            let native = &self.native.run(rows, weights)[1..];
            let minimal = &self.minimal.run(rows, weights)[1..];
            let pairs = || std::iter::zip(native.iter().flatten(), minimal.iter().flatten());
            let norm = pairs().map(|(a, b)| (a - b).abs()).sum();
            all.push(PoolRun { norm, gradient: pairs().map(|(a, _)| a.abs()).sum(), accidental, structural });
        }
        all
    }

    /// How many windows of the pool with positive largest entries are tied, by accident and for all weights.
    fn windows(&self, x: &[f64], side: usize) -> (usize, usize) {
        let pool = self.ties.counter.sites().position(|(site, _)| site.tie.tie().is_some_and(|tie| !tie.is_interval()));
        let Some(pool) = pool else { return (0, 0) };
        // [image, channel, row in the window, column in it, row of windows, column of windows].
        let windows = self.ties.counter.argument(pool);
        let [_, channels, rows, columns, down, across] = windows.shape()[..] else { return (0, 0) };
        let plane = down * across;
        let patch = |image: usize, entry: usize, window: usize| {
            let row = window / across * rows + entry / columns;
            let column = window % across * columns + entry % columns;
            patch(&x[image * side * side..(image + 1) * side * side], side, row, column)
        };
        let mut counts = (0, 0);
        for (k, block) in windows.data().chunks_exact(rows * columns * plane).enumerate() {
            for window in 0..plane {
                let entry = |e: usize| block[e * plane + window];
                let top = (0..rows * columns).fold(f64::NEG_INFINITY, |m, e| m.max(entry(e)));
                let tied: Vec<usize> = (0..rows * columns).filter(|&e| entry(e) == top).collect();
                if top <= 0.0 || tied.len() < 2 {
                    continue;
                }
                let image = k / channels;
                let first = patch(image, tied[0], window);
                if tied[1..].iter().all(|&e| patch(image, e, window) == first) {
                    counts.1 += 1;
                } else {
                    counts.0 += 1;
                }
            }
        }
        counts
    }
}

/// The 3×3 pixels around a place, 0 beyond the image.
fn patch(image: &[f64], side: usize, row: usize, column: usize) -> [f64; 9] {
    std::array::from_fn(|k| {
        let (r, c) = (row + k / 3, column + k % 3);
        let inside = (1..=side).contains(&r) && (1..=side).contains(&c);
        if inside { image[(r - 1) * side + c - 1] } else { 0.0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// Images of 6×6 with blank halves, as digits have margins.
    fn images() -> Images {
        let pixel = |k: usize| if k % 6 < 3 { 0.0 } else { f64::from((k * 7 % 11) as u32) };
        Images::new((0..32 * 36).map(pixel).collect(), (0..32).map(|k| f64::from(k % 3)).collect()).unwrap()
    }

    #[test]
    fn in_f64_the_programs_differ_by_rounding_alone_and_in_f16_by_more() {
        let never = AtomicBool::new(false);
        let floats = vec![Float::F16, Float::F32, Float::F64];
        let options = PoolOptions { kernels: 4, hidden: 6, batch: 16, floats, runs: 20, seed: 5 };
        let all = pools(&images(), &options, &Watch { interrupted: &never, done: &|| {} }).unwrap();
        let [half, single, double] = &all.zones[..] else { panic!("three arithmetics") };
        // Ties of different patches need coarse numbers; blank patches tie everywhere.
        assert_eq!(double.accidental, 0.0);
        assert!(half.accidental > 0.0 && double.structural > 0.0);
        assert_eq!(double.bifurcation, Some(0.0));
        for zone in [half, single, double] {
            if let (Some(compensation), Some(bifurcation)) = (zone.compensation, zone.bifurcation) {
                assert!((zone.equal + compensation + bifurcation - 1.0).abs() < 1e-12);
            }
            assert_eq!(zone.minibatches.len(), 40);
        }
        // What rounding alone does is of the size of the unit roundoff.
        let relative = |zone: &PoolZone| {
            let largest = |m: &PoolRun| if m.accidental == 0 { m.norm / m.gradient } else { 0.0 };
            zone.minibatches.iter().map(largest).fold(0.0, f64::max)
        };
        assert!(relative(double) < 1e-14 && relative(single) < 1e-5);
    }
}
