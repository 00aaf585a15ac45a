//! Which terms of a sum a step uses.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the terms of a batch are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Each uniformly and independently: the same term may come twice.
    Uniform,
    /// Uniformly among all sets of that many different terms, independently from step to step.
    Distinct,
    /// One after another in the given order, from the first again after the last.
    Cyclic,
    /// One after another in an order drawn anew for each pass.
    Reshuffled,
    /// Batches of consecutive terms, the same ones in each pass, in an order drawn anew for each. Nothing is gathered: data
    /// that were shuffled once are read as fast as in their order, also from files.
    Blocks,
}

impl Order {
    /// The names of all orders, as options have them.
    pub const NAMES: &'static [&'static str] = &["uniform", "distinct", "cyclic", "reshuffled", "blocks"];

    /// The order of a name.
    pub fn of(name: &str) -> Option<Order> {
        let all = [Order::Uniform, Order::Distinct, Order::Cyclic, Order::Reshuffled, Order::Blocks];
        all.into_iter().find(|order| order.to_string() == name)
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
            Order::Blocks => "blocks",
        })
    }
}

/// Batches of terms, one a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sampler {
    batches: Batches,
    random: ChaCha8Rng,
    batch: Vec<usize>,
    /// All terms (or blocks of them) in the order drawn so far, where an order is drawn.
    terms: Vec<u32>,
    /// The terms of a batch that is much smaller than the sum, each plus 1 where it hashes to; 0 is no term.
    drawn: Vec<u32>,
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
    ///
    /// # Panics
    /// If the size or the number of terms is 0, or there are 2³² − 1 terms or more.
    pub fn of(self, terms: usize) -> Sampler {
        assert!(self.size > 0 && terms > 0, "a batch has at least one term");
        let last = u32::try_from(terms).ok().filter(|n| *n < u32::MAX).expect("a sum has fewer than 2³² − 1 terms");
        // Few terms of many: those that were drawn before are drawn again, which is rare.
        let few = self.order == Order::Distinct && self.size <= terms / 8;
        let permuted = matches!(self.order, Order::Reshuffled | Order::Blocks) || self.order == Order::Distinct && !few;
        let random = ChaCha8Rng::seed_from_u64(self.seed);
        // What has a place in the order: blocks, or terms.
        let places = if self.order == Order::Blocks { terms.div_ceil(self.size) as u32 } else { last };
        Sampler {
            batches: self,
            random,
            batch: Vec::with_capacity(self.size),
            terms: if permuted { (0..places).collect() } else { vec![] },
            drawn: if few { vec![0; (4 * self.size).next_power_of_two()] } else { vec![] },
            at: places as usize,
            count: terms,
        }
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
        self.batch.clear();
        match self.batches.order {
            Order::Uniform => self.batch.extend((0..size).map(|_| below(&mut self.random, self.count))),
            Order::Distinct if self.terms.is_empty() => {
                self.drawn.fill(0);
                while self.batch.len() < size {
                    let term = below(&mut self.random, self.count);
                    if self.is_new(term) {
                        self.batch.push(term);
                    }
                }
            }
            Order::Distinct => {
                // The first steps of Fisher and Yates give a uniform set from whatever order they start with.
                let size = size.min(self.count);
                self.shuffle(size);
                self.batch.extend(self.terms[..size].iter().map(|t| *t as usize));
            }
            Order::Blocks => {
                if self.at == self.terms.len() {
                    self.at = 0;
                    self.shuffle(self.terms.len());
                }
                let start = self.terms[self.at] as usize * size;
                self.at += 1;
                self.batch.extend(start..(start + size).min(self.count));
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
                match self.batches.order {
                    Order::Cyclic => self.batch.extend(start..self.at),
                    _ => self.batch.extend(self.terms[start..self.at].iter().map(|t| *t as usize)),
                }
            }
        }
        &self.batch
    }

    /// Draws the first `few` places among all terms, or blocks.
    fn shuffle(&mut self, few: usize) {
        for k in 0..few {
            let other = k + below(&mut self.random, self.terms.len() - k);
            self.terms.swap(k, other);
        }
    }

    /// Whether a term was not drawn yet; then it is now.
    fn is_new(&mut self, term: usize) -> bool {
        let (key, last) = (term as u32 + 1, self.drawn.len() - 1);
        // Multiplication by 2³² over the golden ratio spreads neighbours (Knuth).
        let mut at = key.wrapping_mul(0x9E37_79B1) as usize >> 7 & last;
        while self.drawn[at] != 0 {
            if self.drawn[at] == key {
                return false;
            }
            at = (at + 1) & last;
        }
        self.drawn[at] = key;
        true
    }
}

/// A number below n, the same on every platform.
fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    random.random_range(0..n as u32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(size: usize, order: Order, terms: usize) -> Sampler {
        Batches { size, order, seed: 7 }.of(terms)
    }

    #[test]
    fn a_pass_has_every_term_once() {
        for order in [Order::Cyclic, Order::Reshuffled, Order::Blocks] {
            let mut sampler = sampler(4, order, 43);
            for _ in 0..5 {
                let batches: Vec<Vec<usize>> = (0..11).map(|_| sampler.draw().to_vec()).collect();
                let together = |batch: &Vec<usize>| batch.windows(2).all(|pair| pair[1] == pair[0] + 1);
                assert_eq!(batches.iter().all(together), order != Order::Reshuffled);
                let mut pass = batches.concat();
                assert_eq!(pass.is_sorted(), order == Order::Cyclic);
                pass.sort_unstable();
                assert_eq!(pass, (0..43).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn random_batches_are_uniform() {
        for (order, n) in [(Order::Uniform, 5), (Order::Distinct, 5), (Order::Distinct, 24), (Order::Distinct, 30)] {
            let mut sampler = sampler(3, order, n);
            let (mut counts, mut pairs) = (vec![0.0; n], vec![0.0; n * n]);
            let rounds = 40_000.0;
            for _ in 0..rounds as usize {
                let batch = sampler.draw().to_vec();
                batch.iter().for_each(|&t| counts[t] += 1.0);
                pairs[batch[0] * n + batch[1]] += 1.0;
                assert!(order == Order::Uniform || batch[0] != batch[2] && batch[1] != batch[2]);
            }
            // Five standard deviations of a count.
            let due = rounds * 3.0 / n as f64;
            assert!(counts.iter().all(|c| (c - due).abs() < 5.0 * due.sqrt()), "{counts:?}");
            for (k, count) in pairs.iter().enumerate() {
                let due = match order {
                    Order::Distinct if k / n == k % n => 0.0,
                    Order::Distinct => rounds / (n * (n - 1)) as f64,
                    _ => rounds / (n * n) as f64,
                };
                assert!((count - due).abs() <= 5.0 * due.sqrt(), "{order} {n}: {count} {due}");
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
