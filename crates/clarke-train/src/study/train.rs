//! The accuracy of training against what is chosen at ties.

use super::descent::{Descent, Minibatches, Shuffle};
use super::net::{Engine, Ties};
use super::parallel::{Watch, runs};
use super::{Images, Net, Rule, stream};
use clarke::{Float, Result};
use serde::Serialize;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// The network.
    pub net: Net,
    /// Images a minibatch; an epoch leaves out those that fill none.
    pub batch: usize,
    /// Passes through the images.
    pub epochs: usize,
    /// The step size, the same for all that is compared.
    pub rate: f64,
    /// The momentum.
    pub momentum: f64,
    /// The arithmetics.
    pub floats: Vec<Float>,
    /// How many starts; each also splits the images anew, four fifths for training, the rest for the test.
    pub starts: usize,
    /// The seed of all of them.
    pub seed: u64,
}

/// The accuracy of trainings that differ in their starts alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// The arithmetic.
    pub precision: String,
    /// How s enters; for maxima the chain rule.
    pub rule: Rule,
    /// relu'(0) = s, or β.
    pub value: f64,
    /// The part of test images that are classified rightly, for each start.
    pub accuracies: Vec<f64>,
    /// How many of the trainings met something that is not finite.
    pub odd: usize,
}

impl Accuracy {
    /// The mean over the starts.
    pub fn mean(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len() as f64
    }
}

/// The trainings in one arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The network.
    pub net: String,
    /// The arithmetic.
    pub precision: String,
    /// How many of the starts met a tie at all; the others are the same training for all s.
    pub tied: usize,
    /// The step of the first tie, for each of these.
    pub first: Vec<usize>,
    /// The accuracies.
    pub accuracies: Vec<Accuracy>,
}

/// What is chosen at the ties of one training.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Variant {
    rule: Rule,
    /// As it is reported.
    value: f64,
    s: f64,
    pick: f64,
}

/// Accuracies against relu'(0) = s, by both rules; s may be any number.
///
/// Errors: those of the programs.
pub fn accuracies(images: &Images, options: &TrainOptions, values: &[f64], watch: &Watch<'_>) -> Result<Vec<Group>> {
    let of = |rule: Rule| values.iter().map(move |&s| Variant { rule, value: s, s, pick: 0.0 });
    train(images, options, &of(Rule::Chain).chain(of(Rule::Released)).collect::<Vec<_>>(), watch)
}

/// Accuracies against β, where the gradient of a maximum is β·(the even split) + (1 − β)·(all to the first entry); relu'(0) = 0.
///
/// A selection λ of `pick` is (1 − λ)·(the even split) + λ·(all to the first), so that β is λ = 1 − β, at each maximum by
/// itself. A backward pass is affine in each selection and not in all of them together: where one maximum feeds another, this
/// is not the affine combination of two gradients, but what the published code computes.
///
/// Errors: those of the programs.
pub fn betas(images: &Images, options: &TrainOptions, values: &[f64], watch: &Watch<'_>) -> Result<Vec<Group>> {
    let of = |&beta: &f64| Variant { rule: Rule::Chain, value: beta, s: 0.0, pick: 1.0 - beta };
    train(images, options, &values.iter().map(of).collect::<Vec<_>>(), watch)
}

/// The results of one start in one arithmetic: the step of its first tie, and for each variant accuracy and whether all was
/// finite.
struct Start {
    first: Option<usize>,
    results: Vec<(f64, bool)>,
}

fn train(images: &Images, options: &TrainOptions, variants: &[Variant], watch: &Watch<'_>) -> Result<Vec<Group>> {
    let starts = options.starts;
    let done = runs(
        options.floats.len() * starts,
        watch,
        || (),
        |(), run| (run / starts, one(images, options, variants, options.floats[run / starts], run % starts, watch)),
    );
    let mut groups: Vec<(usize, Vec<Start>)> = vec![];
    for (float, start) in done {
        let Some(start) = start? else { continue };
        match groups.last_mut().filter(|(own, _)| *own == float) {
            Some((_, all)) => all.push(start),
            None => groups.push((float, vec![start])),
        }
    }
    Ok(groups.into_iter().map(|(float, all)| group(options, variants, options.floats[float], &all)).collect())
}

fn group(options: &TrainOptions, variants: &[Variant], float: Float, starts: &[Start]) -> Group {
    let accuracy = |(k, variant): (usize, &Variant)| Accuracy {
        precision: float.to_string(),
        rule: variant.rule,
        value: variant.value,
        accuracies: starts.iter().map(|s| s.results[k].0).collect(),
        odd: starts.iter().filter(|s| s.results[k].1).count(),
    };
    let first: Vec<usize> = starts.iter().filter_map(|s| s.first).collect();
    Group {
        net: options.net.text(),
        precision: float.to_string(),
        tied: first.len(),
        first,
        accuracies: variants.iter().enumerate().map(accuracy).collect(),
    }
}

/// One start for all variants: one training until its first tie, from there on one for each. None if it was interrupted.
fn one(
    images: &Images,
    options: &TrainOptions,
    variants: &[Variant],
    float: Float,
    start: usize,
    watch: &Watch<'_>,
) -> Result<Option<Start>> {
    let mut shuffle = Shuffle::new(images.count(), stream(options.seed, 3, start));
    let all = shuffle.epoch(images);
    let (kept, held) = (all.count() - all.count() / 5, all.count() / 5);
    let training = all.gather(&(0..kept).collect::<Vec<_>>());
    let batch = options.batch.min(kept);
    let weights = options.net.start(stream(options.seed, 4, start), float);
    let (steps, seed) = (kept / batch * options.epochs, stream(options.seed, 5, start));
    let run = Minibatches { images: &training, batch, steps, seed, watch };
    let (outputs, loss) = (options.net.outputs(held.max(1))?, options.net.loss(batch)?);
    let mut score = Engine::new(&outputs, &options.net, float, &|_| 0.0)?;
    let test = all.rows(kept, held.max(1));

    let mut descent = Descent::new(float, options.rate, options.momentum, weights);
    let mut first = None;
    {
        let mut ties = Ties::new(&loss, &options.net, float)?;
        let mut engine = variants[0].engine(&loss, &options.net, float)?;
        let mut at = run.from(0);
        while let Some((k, rows)) = at.next() {
            if ties.met(rows, &descent.weights) > 0 {
                first = Some(k);
                break;
            }
            engine.run(rows, &descent.weights);
            descent.step(&engine.out[1..]);
        }
    }
    let mut results = vec![];
    for variant in variants {
        let mut own = descent.clone();
        if let Some(first) = first {
            let mut engine = variant.engine(&loss, &options.net, float)?;
            let mut at = run.from(first);
            while let Some((_, rows)) = at.next() {
                engine.run(rows, &own.weights);
                own.step(&engine.out[1..]);
            }
        }
        if watch.stopped() {
            return Ok(None);
        }
        let odd = own.weights.iter().any(|w| !w.is_finite());
        results.push((accuracy(&score.run(test, &own.weights)[0], test.1), odd));
    }
    Ok(Some(Start { first, results }))
}

impl Variant {
    fn engine(self, loss: &clarke::Program, net: &Net, float: Float) -> Result<Engine> {
        Engine::new(&self.rule.derivative(loss, self.s)?, net, float, &self.rule.fill(self.s, self.pick))
    }
}

/// The part of the rows of outputs that are largest at their label.
fn accuracy(outputs: &[f64], labels: &[f64]) -> f64 {
    let classes = outputs.len() / labels.len();
    let right = |(row, label): (&[f64], &f64)| {
        let own = row[*label as usize];
        // An output that is NaN is no largest one.
        row.iter().enumerate().all(|(k, x)| k == *label as usize || *x < own)
    };
    let count = std::iter::zip(outputs.chunks_exact(classes), labels).filter(|pair| right(*pair)).count();
    count as f64 / labels.len() as f64
}
