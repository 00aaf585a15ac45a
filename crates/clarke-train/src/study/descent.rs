//! Gradient descent with momentum in the arithmetic of a format, over shuffled minibatches.

use super::Images;
use super::net::Rows;
use super::parallel::Watch;
use clarke::Float;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// v ← μ v + g, θ ← θ − α v, each operation rounded to the format: weights and velocities are numbers of it, as where a
/// network is trained in 16 bits throughout.
#[derive(Clone)]
pub(super) struct Descent {
    pub float: Float,
    pub rate: f64,
    pub momentum: f64,
    pub weights: Vec<f64>,
    velocity: Vec<f64>,
}

impl Descent {
    pub fn new(float: Float, rate: f64, momentum: f64, weights: Vec<f64>) -> Descent {
        let velocity = vec![0.0; weights.len()];
        Descent { float, rate, momentum, weights, velocity }
    }

    /// A step against the gradient, which is given array by array.
    pub fn step(&mut self, gradient: &[Vec<f64>]) {
        let Descent { float, rate, momentum, weights, velocity } = self;
        let round = |x: f64| float.round(x);
        let state = std::iter::zip(weights, velocity);
        for ((w, v), g) in std::iter::zip(state, gradient.iter().flatten()) {
            *v = round(round(*momentum * *v) + g);
            *w = round(*w - round(*rate * *v));
        }
    }
}

/// The order of images in each epoch.
pub(super) struct Shuffle {
    random: ChaCha8Rng,
    order: Vec<usize>,
}

impl Shuffle {
    pub fn new(count: usize, seed: u64) -> Shuffle {
        Shuffle { random: ChaCha8Rng::seed_from_u64(seed), order: (0..count).collect() }
    }

    /// The images of one more epoch, in its order.
    pub fn epoch(&mut self, images: &Images) -> Images {
        self.order.shuffle(&mut self.random);
        images.gather(&self.order)
    }
}

/// The minibatches of a training in a new order each epoch, the same for all that is compared, gone through from any step.
pub(super) struct Minibatches<'a> {
    pub images: &'a Images,
    /// Images in each; an epoch leaves out those that fill none.
    pub batch: usize,
    /// How many there are in all.
    pub steps: usize,
    pub seed: u64,
    pub watch: &'a Watch<'a>,
}

/// The minibatches from a step on.
pub(super) struct From<'a> {
    of: &'a Minibatches<'a>,
    next: usize,
    shuffle: Shuffle,
    epoch: Images,
    /// The number of that epoch.
    passed: usize,
}

impl Minibatches<'_> {
    pub fn from(&self, step: usize) -> From<'_> {
        let mut shuffle = Shuffle::new(self.images.count(), self.seed);
        let mut epoch = shuffle.epoch(self.images);
        let passed = step / self.per_epoch();
        for _ in 0..passed {
            epoch = shuffle.epoch(self.images);
        }
        From { of: self, next: step, shuffle, epoch, passed }
    }

    fn per_epoch(&self) -> usize {
        self.images.count() / self.batch
    }
}

impl From<'_> {
    /// The number of a step and its pixels and labels; None at the end, or where the user stops it.
    pub fn next(&mut self) -> Option<(usize, Rows<'_>)> {
        let (k, per_epoch) = (self.next, self.of.per_epoch());
        if k >= self.of.steps || self.of.watch.stopped() {
            return None;
        }
        if k / per_epoch > self.passed {
            self.passed += 1;
            self.epoch = self.shuffle.epoch(self.of.images);
        }
        self.next += 1;
        Some((k, self.epoch.rows(k % per_epoch * self.of.batch, self.of.batch)))
    }
}
