//! Averages of iterates.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which iterates are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Averaging {
    /// All, from the start on: x̄_k = (x_0 + … + x_k) / (k + 1) (Ruppert 1988; Polyak, Juditsky 1992).
    All,
    /// The latest: from 2^{m−1} on while 2^m ≤ k + 1 < 2^{m+1}, between a half and three quarters of all (Rakhlin, Shamir,
    /// Sridharan 2012, who double as well). It forgets the start.
    Suffix,
}

impl Averaging {
    /// Names of averages, as options have them; the first is that of none.
    pub const NAMES: &'static [&'static str] = &["none", "all", "suffix"];

    /// The average of a name; none for `none` and for what is no name.
    pub fn of(name: &str) -> Option<Averaging> {
        [Averaging::All, Averaging::Suffix].into_iter().find(|a| a.to_string() == name)
    }
}

impl fmt::Display for Averaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Averaging::All => "all",
            Averaging::Suffix => "suffix",
        })
    }
}

/// An average in the making.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Average {
    kind: Averaging,
    /// The mean over the current block of iterates, and that over the one before.
    current: Mean,
    before: Mean,
    /// How many iterates there were.
    count: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mean {
    x: Vec<f64>,
    weight: u64,
}

impl Average {
    pub fn new(kind: Averaging, dimension: usize) -> Average {
        let empty = Mean { x: vec![0.0; dimension], weight: 0 };
        Average { kind, current: empty.clone(), before: empty, count: 0 }
    }

    /// Takes the next iterate in.
    pub fn push(&mut self, x: &[f64]) {
        self.count += 1;
        if self.kind == Averaging::Suffix && self.count.is_power_of_two() {
            std::mem::swap(&mut self.current, &mut self.before);
            self.current.weight = 0;
        }
        self.current.weight += 1;
        let part = 1.0 / self.current.weight as f64;
        for (mean, x) in self.current.x.iter_mut().zip(x) {
            // The first iterate of a block replaces what was there.
            *mean = if part == 1.0 { *x } else { *mean + (x - *mean) * part };
        }
    }

    /// Writes the average.
    pub fn write(&self, out: &mut [f64]) {
        let (a, b) = (self.current.weight as f64, self.before.weight as f64);
        for ((out, x), y) in out.iter_mut().zip(&self.current.x).zip(&self.before.x) {
            *out = if b == 0.0 { *x } else { (a * x + b * y) / (a + b) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_those_of_their_iterates() {
        for kind in [Averaging::All, Averaging::Suffix] {
            let mut average = Average::new(kind, 1);
            for n in 1u64..200 {
                average.push(&[(n * n) as f64]);
                let top = if n.is_power_of_two() { n } else { n.next_power_of_two() / 2 };
                let first = if kind == Averaging::All { 1 } else { (top / 2).max(1) };
                let mean = (first..=n).map(|k| (k * k) as f64).sum::<f64>() / (n - first + 1) as f64;
                let mut out = [0.0];
                average.write(&mut out);
                assert!((out[0] - mean).abs() < 1e-9 * mean, "{kind} {n}: {} {mean}", out[0]);
                assert!(kind == Averaging::All || 2 * (n - first + 1) >= n);
            }
        }
    }
}
