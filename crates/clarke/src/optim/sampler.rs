//! Which terms of a sum a step uses.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// How the terms of a batch are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each uniformly and independently: the same term may come twice.
    Uniform,
    /// Uniformly among all sets of that many different terms, independently from step to step.
    Distinct,
    /// One after another in the given order, from the first again after the last.
    Cyclic,
    /// One after another in an order drawn anew for each pass.
    Reshuffled,
}

impl Order {
    /// The names of all orders, as options have them.
    pub const NAMES: &'static [&'static str] = &["uniform", "distinct", "cyclic", "reshuffled"];

    /// The order of a name.
    pub fn of(name: &str) -> Option<Order> {
        [Order::Uniform, Order::Distinct, Order::Cyclic, Order::Reshuffled].into_iter().find(|o| o.to_string() == name)
    }

    /// Whether batches are independent of each other, and each of their means has the full mean as expectation.
    pub fn is_random(self) -> bool {
        matches!(self, Order::Uniform | Order::Distinct)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Uniform => "uniform",
            Order::Distinct => "distinct",
            Order::Cyclic => "cyclic",
            Order::Reshuffled => "reshuffled",
        })
    }
}

/// Batches of terms, one a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    /// How many terms a batch has, from 1 on. One of different terms is never larger than the sum; the last one of a pass
    /// may be smaller.
    pub size: usize,
    /// How they are drawn.
    pub order: Order,
    /// The seed: the same gives the same batches on every platform.
    pub seed: u64,
}

/// A run's batches. A batch after the first allocates nothing.
#[derive(Debug, Clone)]
pub struct Sampler {
    batches: Batches,
    random: ChaCha8Rng,
    /// All terms, in the order in which they are handed out or drawn from; for `Uniform` the batch.
    terms: Vec<usize>,
    at: usize,
    count: usize,
}

impl Batches {
    /// The batches of a sum of this many terms.
    ///
    /// ```
    /// use clarke::optim::{Batches, Order};
    ///
    /// let mut sampler = Batches { size: 3, order: Order::Cyclic, seed: 0 }.of(7);
    /// assert_eq!(sampler.draw(), [0, 1, 2]);
    /// assert_eq!(sampler.draw(), [3, 4, 5]);
    /// assert_eq!(sampler.draw(), [6]);
    /// assert_eq!(sampler.draw(), [0, 1, 2]);
    /// ```
    pub fn of(self, terms: usize) -> Sampler {
        assert!(self.size > 0 && terms > 0, "a batch has at least one term");
        let all = match self.order {
            Order::Uniform => vec![0; self.size],
            _ => (0..terms).collect(),
        };
        Sampler { batches: self, random: ChaCha8Rng::seed_from_u64(self.seed), terms: all, at: terms, count: terms }
    }

    /// How many steps one pass over all terms takes.
    pub fn steps_per_pass(&self, terms: usize) -> u64 {
        terms.div_ceil(self.size) as u64
    }
}

impl Sampler {
    /// The next batch.
    pub fn draw(&mut self) -> &[usize] {
        let size = self.batches.size;
        match self.batches.order {
            Order::Uniform => {
                let (random, n) = (&mut self.random, self.count);
                self.terms.iter_mut().for_each(|t| *t = below(random, n));
                &self.terms
            }
            Order::Distinct => {
                // The first steps of Fisher and Yates give a uniform set from whatever order they start with.
                let size = size.min(self.count);
                self.shuffle(size);
                &self.terms[..size]
            }
            Order::Cyclic | Order::Reshuffled => {
                if self.at == self.count {
                    self.at = 0;
                    if self.batches.order == Order::Reshuffled {
                        self.shuffle(self.count);
                    }
                }
                let start = self.at;
                self.at = (start + size).min(self.count);
                &self.terms[start..self.at]
            }
        }
    }

    /// Draws the first `few` places among all terms.
    fn shuffle(&mut self, few: usize) {
        for k in 0..few {
            let other = k + below(&mut self.random, self.count - k);
            self.terms.swap(k, other);
        }
    }
}

/// A number below n, the same on every platform.
fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    match u32::try_from(n) {
        Ok(n) => random.random_range(0..n) as usize,
        Err(_) => random.random_range(0..n as u64) as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(size: usize, order: Order, terms: usize) -> Sampler {
        Batches { size, order, seed: 7 }.of(terms)
    }

    #[test]
    fn a_pass_has_every_term_once() {
        for order in [Order::Cyclic, Order::Reshuffled] {
            let mut sampler = sampler(4, order, 11);
            for _ in 0..5 {
                let mut pass: Vec<usize> = (0..3).flat_map(|_| sampler.draw().to_vec()).collect();
                assert_eq!(pass.is_sorted(), order == Order::Cyclic);
                pass.sort_unstable();
                assert_eq!(pass, (0..11).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn random_batches_are_uniform() {
        for order in [Order::Uniform, Order::Distinct] {
            let mut sampler = sampler(3, order, 5);
            let (mut counts, mut pairs) = ([0.0; 5], [[0.0; 5]; 5]);
            let rounds = 20_000.0;
            for _ in 0..rounds as usize {
                let batch = sampler.draw().to_vec();
                batch.iter().for_each(|&t| counts[t] += 1.0);
                pairs[batch[0]][batch[1]] += 1.0;
            }
            // Five standard deviations of a count.
            assert!(counts.iter().all(|c| (c - rounds * 0.6f64).abs() < 5.0 * (rounds * 0.6).sqrt()), "{counts:?}");
            for (a, row) in pairs.iter().enumerate() {
                for (b, count) in row.iter().enumerate() {
                    let chance = match order {
                        Order::Distinct if a == b => 0.0,
                        Order::Distinct => 1.0 / 20.0,
                        _ => 1.0 / 25.0,
                    };
                    assert!((count - rounds * chance).abs() <= 5.0 * (rounds * chance).sqrt(), "{order} {pairs:?}");
                }
            }
        }
    }

    #[test]
    fn batches_of_different_terms_are_no_larger_than_the_sum() {
        let mut sampler = sampler(9, Order::Distinct, 4);
        let mut batch = sampler.draw().to_vec();
        batch.sort_unstable();
        assert_eq!(batch, [0, 1, 2, 3]);
    }

    #[test]
    fn names_are_read_back() {
        assert!(Order::NAMES.iter().all(|name| Order::of(name).unwrap().to_string() == *name));
        assert_eq!(Order::of("sorted"), None);
    }
}
