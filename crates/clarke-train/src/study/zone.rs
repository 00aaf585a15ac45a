//! The zone in which gradients depend on relu'(0): how much of it do random weights hit?

use super::net::{Engine, Ties};
use super::parallel::{Watch, runs};
use super::{Images, Net, Rule, stream};
use clarke::{Float, Result};
use serde::Serialize;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneOptions {
    /// The network.
    pub net: Net,
    /// Images a minibatch.
    pub batch: usize,
    /// The arithmetic.
    pub float: Float,
    /// How many random weights are tried.
    pub runs: usize,
    /// The seed of all of them: the same weights, rounded, in every arithmetic.
    pub seed: u64,
}

/// The answer: how many of the random weights lie in the zone S₀₁ of some minibatch, and what happens there.
///
/// θ lies in the zone if for some minibatch the gradients for relu'(0) = 0 and relu'(0) = 1 differ in some weight (as numbers:
/// zeros of both signs are equal).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Zone {
    /// The network.
    pub net: String,
    /// Hidden layers.
    pub layers: usize,
    /// Images a minibatch.
    pub batch: usize,
    /// The arithmetic.
    pub precision: String,
    /// Arguments of relu for all images.
    pub preactivations: u64,
    /// Minibatches for all images.
    pub minibatches: usize,
    /// What each of the random weights met.
    pub runs: Vec<ZoneRun>,
}

/// What random weights met, over one pass through the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZoneRun {
    /// Which of the random weights.
    pub run: usize,
    /// Arguments of relu that were exactly 0.
    pub ties: u64,
    /// Minibatches with at least one of them.
    pub tied: usize,
    /// The first minibatch whose gradients differ, by the chain rule.
    pub chain: Option<Changed>,
    /// The first minibatch whose gradients differ, by the rule of the published code.
    pub released: Option<Changed>,
    /// Minibatches in which something was not finite.
    pub odd: usize,
}

/// Two gradients g₀ and g₁ of one minibatch that differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// The minibatch.
    pub minibatch: usize,
    /// The array of weights in which they differ most.
    pub array: String,
    /// max |g₁ − g₀|.
    pub largest: f64,
    /// ‖g₁ − g₀‖₁.
    pub norm1: f64,
    /// ‖g₁ − g₀‖₂ / ‖g₀‖₂.
    pub relative: f64,
}

impl ZoneRun {
    /// How the gradients of the first minibatch that has two differ, by a rule.
    fn changed(&self, rule: Rule) -> Option<&Changed> {
        match rule {
            Rule::Chain => self.chain.as_ref(),
            Rule::Released => self.released.as_ref(),
        }
    }
}

impl Zone {
    /// How many of the random weights lie in the zone, by a rule.
    pub fn inside(&self, rule: Rule) -> usize {
        self.runs.iter().filter(|run| run.changed(rule).is_some()).count()
    }

    /// The part of arguments of relu that were exactly 0.
    pub fn frequency(&self) -> f64 {
        let ties: u64 = self.runs.iter().map(|run| run.ties).sum();
        ties as f64 / (self.preactivations as f64 * self.runs.len() as f64)
    }

    /// The part of minibatches with a tie.
    pub fn tied(&self) -> f64 {
        let tied: usize = self.runs.iter().map(|run| run.tied).sum();
        tied as f64 / (self.minibatches * self.runs.len()) as f64
    }

    /// 1 − e^(−λ), the chance that so many images as `images` meet a tie, if ties are met independently with the frequency that
    /// was measured: λ = frequency · arguments of relu for them. What sets of different sizes are compared by.
    pub fn expected(&self, images: usize, own: usize) -> f64 {
        -(-self.frequency() * self.preactivations as f64 * images as f64 / own as f64).exp_m1()
    }

    /// The median of ‖g₁ − g₀‖₂ / ‖g₀‖₂ and its largest value, by a rule.
    pub fn change(&self, rule: Rule) -> Option<(f64, f64)> {
        let mut all: Vec<f64> = self.runs.iter().filter_map(|run| run.changed(rule)).map(|c| c.relative).collect();
        all.sort_by(f64::total_cmp);
        Some((*all.get(all.len() / 2)?, *all.last()?))
    }
}

/// Tries random weights.
///
/// Values do not depend on s, so ties are counted in one forward run, and gradients are computed only of minibatches that
/// met one: elsewhere the derivative programs for all s compute the same numbers.
///
/// Errors: a batch of no images; those of the programs.
pub fn zone(images: &Images, options: &ZoneOptions, watch: &Watch<'_>) -> Result<Zone> {
    let work = Work::new(images, options)?;
    let minibatches = images.batches(options.batch);
    let results = runs(options.runs, watch, || work.clone(), |own, run| own.run(images, options, run, &minibatches));
    Ok(Zone {
        net: options.net.text(),
        layers: options.net.text().split('-').count().saturating_sub(2),
        batch: options.batch,
        precision: options.float.to_string(),
        preactivations: work.preactivations(images),
        minibatches: minibatches.len(),
        runs: results,
    })
}

/// The programs for one size of minibatch.
#[derive(Clone)]
struct Sized {
    count: usize,
    ties: Ties,
    zero: Engine,
    one: Engine,
    released: Engine,
}

#[derive(Clone)]
struct Work(Vec<Sized>);

impl Work {
    fn new(images: &Images, options: &ZoneOptions) -> Result<Work> {
        let mut sizes: Vec<usize> = images.batches(options.batch.max(1)).iter().map(|b| b.1).collect();
        sizes.dedup();
        let sized = |&count: &usize| -> Result<Sized> {
            let loss = options.net.loss(count)?;
            let engine = |rule: Rule, s: f64| {
                Engine::new(&rule.derivative(&loss, s)?, &options.net, options.float, &rule.fill(s, 0.0))
            };
            let ties = Ties::new(&loss, &options.net, options.float)?;
            let (zero, one) = (engine(Rule::Chain, 0.0)?, engine(Rule::Chain, 1.0)?);
            Ok(Sized { count, ties, zero, one, released: engine(Rule::Released, 1.0)? })
        };
        Ok(Work(sizes.iter().map(sized).collect::<Result<_>>()?))
    }

    /// How many arguments of relu there are for all images.
    fn preactivations(&self, images: &Images) -> u64 {
        let first = &self.0[0];
        let all: usize = first.ties.counter.sites().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        (all / first.count * images.count()) as u64
    }

    fn run(&mut self, images: &Images, options: &ZoneOptions, run: usize, minibatches: &[(usize, usize)]) -> ZoneRun {
        let weights = options.net.start(stream(options.seed, 0, run), options.float);
        let mut result = ZoneRun { run, ties: 0, tied: 0, chain: None, released: None, odd: 0 };
        let names = options.net.parameters();
        for (k, &(from, count)) in minibatches.iter().enumerate() {
            let sized = self.0.iter_mut().find(|s| s.count == count).expect("every size has its programs");
            let rows = images.rows(from, count);
            let met = sized.ties.met(rows, &weights);
            result.odd += usize::from(sized.ties.counter.odd().any());
            result.ties += met as u64;
            result.tied += usize::from(met > 0);
            if met == 0 || (result.chain.is_some() && result.released.is_some()) {
                continue;
            }
            let zero = sized.zero.run(rows, &weights)[1..].to_vec();
            for (seen, engine) in [(&mut result.chain, &mut sized.one), (&mut result.released, &mut sized.released)] {
                if seen.is_none() {
                    *seen = changed(&zero, &engine.run(rows, &weights)[1..], k, &names);
                }
            }
        }
        result
    }
}

/// How two gradients differ; None where they do not.
fn changed(g0: &[Vec<f64>], g1: &[Vec<f64>], minibatch: usize, names: &[(String, Vec<usize>)]) -> Option<Changed> {
    let differ = |(a, b): (&f64, &f64)| a != b && !(a.is_nan() && b.is_nan());
    if !std::iter::zip(g0, g1).any(|(a, b)| std::iter::zip(a, b).any(differ)) {
        return None;
    }
    let mut all = Changed { minibatch, array: String::new(), largest: -1.0, norm1: 0.0, relative: 0.0 };
    let (mut square, mut own) = (0.0, 0.0);
    for ((a, b), (name, _)) in std::iter::zip(std::iter::zip(g0, g1), names) {
        for (x, y) in std::iter::zip(a, b) {
            let change = (y - x).abs();
            all.norm1 += change;
            square += change * change;
            own += x * x;
            if change > all.largest {
                all.largest = change;
                all.array.clone_from(name);
            }
        }
    }
    all.relative = (square / own).sqrt();
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn images() -> Images {
        let pixels = (0..40 * 9).map(|k| f64::from((k * 7 % 11) as u32)).collect();
        Images::new(pixels, (0..40).map(|k| f64::from(k % 3)).collect()).unwrap()
    }

    fn ask(float: Float, affine: super::super::Affine, runs: usize) -> Zone {
        let images = images();
        let net = Net::dense(&images, 2, 12, affine);
        let never = AtomicBool::new(false);
        let options = ZoneOptions { net, batch: 16, float, runs, seed: 3 };
        zone(&images, &options, &Watch { interrupted: &never, done: &|| {} }).unwrap()
    }

    #[test]
    fn gradients_differ_only_where_ties_are_met_and_coarse_formats_meet_more() {
        use super::super::Affine;
        let [coarse, once, fine] = [
            ask(Float::F16, Affine::Apart, 40),
            ask(Float::F16, Affine::Fused, 40),
            ask(Float::F64, Affine::Apart, 40),
        ];
        assert_eq!((coarse.preactivations, coarse.minibatches), (40 * 24, 3));
        for run in &coarse.runs {
            assert!(run.chain.is_none() || run.tied > 0);
            // The released rule sees every tie, the chain rule those that something comes in to.
            assert_eq!(run.released.is_some(), run.tied > 0);
            let first = |c: &Option<Changed>| c.as_ref().map_or(usize::MAX, |c| c.minibatch);
            assert!(first(&run.released) <= first(&run.chain));
        }
        assert!(coarse.frequency() > 0.0 && coarse.frequency() > once.frequency());
        assert_eq!((fine.frequency(), fine.inside(Rule::Chain)), (0.0, 0));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        use super::super::Affine;
        let one = ask(Float::BF16, Affine::Apart, 12);
        assert_eq!(one, ask(Float::BF16, Affine::Apart, 12));
        // More runs go on where fewer ended.
        assert_eq!(one.runs[..5], ask(Float::BF16, Affine::Apart, 5).runs);
    }
}
