//! Gradient descent with momentum in the arithmetic of a format, over shuffled minibatches.

use super::Images;
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

/// The order of images in each epoch: the same for all that is compared.
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
