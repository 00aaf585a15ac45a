//! Two trainings that differ in relu'(0) alone: they are one until a minibatch meets a tie.

use super::descent::{Descent, Minibatches};
use super::net::{Engine, Ties};
use super::parallel::{Watch, runs};
use super::{Images, Net, Rule, stream};
use clarke::{Float, Result};
use serde::Serialize;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct PathOptions {
    /// The network.
    pub net: Net,
    /// Images a minibatch; an epoch leaves out those that fill none.
    pub batch: usize,
    /// How many steps at most.
    pub steps: usize,
    /// The step size α of θ ← θ − α g.
    pub rate: f64,
    /// The arithmetics.
    pub floats: Vec<Float>,
    /// The seed of weights and order.
    pub seed: u64,
}

/// Two weight paths from one start, for relu'(0) = 0 and relu'(0) = 1. They end some steps after they part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Path {
    /// The network.
    pub net: String,
    /// The arithmetic.
    pub precision: String,
    /// Steps that were made.
    pub steps: usize,
    /// The first minibatch that met a tie.
    pub tied: Option<usize>,
    /// The first minibatch whose two gradients differ.
    pub differ: Option<usize>,
    /// The first minibatch after which the two weights differ.
    pub parted: Option<usize>,
    /// For each minibatch until the paths part, the least |argument of relu|.
    pub nearest: Vec<f64>,
    /// After each minibatch, the largest difference of two weights.
    pub distance: Vec<f64>,
}

/// How many steps are followed after the paths have parted.
const AFTER: usize = 20;

/// Follows both paths in each arithmetic.
///
/// Both are computed from the first step on; nothing is taken for granted of where they agree.
///
/// Errors: those of the programs; a batch that is larger than the set.
pub fn paths(images: &Images, options: &PathOptions, watch: &Watch<'_>) -> Result<Vec<Path>> {
    let batch = options.batch.min(images.count());
    let loss = options.net.loss(batch)?;
    let derivative = loss.value_and_gradient()?;
    let work = |run: usize| -> Result<Path> {
        let float = options.floats[run];
        let engine = |s: f64| Engine::new(&derivative, &options.net, float, &Rule::Chain.fill(s, 0.0));
        let mut engines = [engine(0.0)?, engine(1.0)?];
        let mut ties = Ties::new(&loss, &options.net, float)?;
        Ok(follow(images, options, batch, float, &mut engines, &mut ties, watch))
    };
    runs(options.floats.len(), watch, || (), |(), run| work(run)).into_iter().collect()
}

fn follow(
    images: &Images,
    options: &PathOptions,
    batch: usize,
    float: Float,
    engines: &mut [Engine; 2],
    ties: &mut Ties,
    watch: &Watch<'_>,
) -> Path {
    let start = options.net.start(stream(options.seed, 1, 0), float);
    let mut two = [0, 1].map(|_| Descent::new(float, options.rate, 0.0, start.clone()));
    let mut path = Path {
        net: options.net.text(),
        precision: float.to_string(),
        steps: 0,
        tied: None,
        differ: None,
        parted: None,
        nearest: vec![],
        distance: vec![],
    };
    let seed = stream(options.seed, 2, 0);
    let run = Minibatches { images, batch, steps: options.steps, seed, watch };
    let mut at = run.from(0);
    while let Some((k, rows)) = at.next() {
        if path.parted.is_some_and(|at| k > at + AFTER) {
            break;
        }
        if path.parted.is_none() {
            let met = ties.met(rows, &two[0].weights);
            let count = ties.counter.sites().count();
            let all = (0..count).flat_map(|site| ties.counter.argument(site).data());
            path.nearest.push(all.fold(f64::INFINITY, |m, u| m.min(u.abs())));
            path.tied = path.tied.or((met > 0).then_some(k));
        }
        for (engine, descent) in std::iter::zip(&mut *engines, &mut two) {
            engine.run(rows, &descent.weights);
            descent.step(&engine.out[1..]);
        }
        if path.differ.is_none() && path.parted.is_none() && engines[0].out != engines[1].out {
            path.differ = Some(k);
        }
        let apart = std::iter::zip(&two[0].weights, &two[1].weights).map(|(a, b)| (a - b).abs());
        path.distance.push(apart.fold(0.0, f64::max));
        if path.parted.is_none() && two[0].weights != two[1].weights {
            path.parted = Some(k);
        }
        path.steps = k + 1;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::Affine;
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn paths_part_exactly_at_the_first_minibatch_with_a_tie_that_something_comes_in_to() {
        let pixels = (0..64 * 9).map(|k| f64::from((k * 7 % 11) as u32)).collect();
        let images = Images::new(pixels, (0..64).map(|k| f64::from(k % 3)).collect()).unwrap();
        let never = AtomicBool::new(false);
        let mut parted = 0;
        for seed in 0..6 {
            let net = Net::dense(&images, 2, 24, Affine::Apart);
            let floats = Float::ALL.to_vec();
            let options = PathOptions { net, batch: 32, steps: 60, rate: 0.25, floats, seed };
            for path in paths(&images, &options, &Watch { interrupted: &never, done: &|| {} }).unwrap() {
                let parts = path.parted.unwrap_or(path.steps);
                // Until then no weight differs in any bit, and the gradients do not.
                assert!(path.distance[..parts].iter().all(|d| *d == 0.0));
                assert!(path.differ.unwrap_or(usize::MAX) <= parts || path.parted.is_none());
                // Gradients differ only in minibatches with a tie: |u| = 0 there.
                if let Some(k) = path.differ {
                    assert_eq!(path.nearest[k], 0.0);
                    assert!(path.tied.is_some_and(|tied| tied <= k));
                }
                assert_eq!(path.tied, path.nearest.iter().position(|u| *u == 0.0));
                if path.precision == "f64" || path.precision == "f32" {
                    // Where no bit of a difference is rounded away, the weights part where the gradients do.
                    assert_eq!(path.differ, path.parted);
                }
                parted += usize::from(path.parted.is_some());
            }
        }
        assert!(parted >= 6, "{parted} paths parted: the test sees none");
    }
}
