//! Losses of models, as program text over a batch, and what is measured beside them.

use clarke::{Fault, Result};
use std::fmt;
use std::str::FromStr;

/// A loss of outputs S, of shape `[batch, k]`, against targets y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// −log of the softmax at the class; for one output and classes 0 and 1, log(1 + e^{∓s}).
    Logistic,
    /// max_j (s_j + [j ≠ y]) − s_y (Crammer, Singer 2001); for one output and classes 0 and 1, max(0, 1 ∓ s).
    Hinge,
    /// (s − y)².
    Squared,
    /// |s − y|.
    L1,
    /// Huber's, quadratic up to δ.
    Huber(f64),
    /// max(q r, (q − 1) r) of the residual r = y − s, whose minimum is the quantile q (Koenker, Bassett 1978).
    Quantile(f64),
}

const RULE: &str =
    "losses are logistic, hinge (for classes), squared, l1, huber(delta), quantile(q) with 0 < q < 1 (for numbers)";

impl FromStr for Loss {
    type Err = clarke::Error;

    fn from_str(text: &str) -> Result<Loss> {
        let refuse =
            || clarke::Error::from(Fault::Setting { setting: "the loss", given: text.into(), rule: RULE.into() });
        let (name, number) = match text.trim().strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((name, number)) => (name.trim(), Some(number.trim().parse::<f64>().map_err(|_| refuse())?)),
            None => (text.trim(), None),
        };
        match (name, number) {
            ("logistic", None) => Ok(Loss::Logistic),
            ("hinge", None) => Ok(Loss::Hinge),
            ("squared", None) => Ok(Loss::Squared),
            ("l1", None) => Ok(Loss::L1),
            ("huber", delta) if delta.unwrap_or(1.0) > 0.0 => Ok(Loss::Huber(delta.unwrap_or(1.0))),
            ("quantile", Some(q)) if q > 0.0 && q < 1.0 => Ok(Loss::Quantile(q)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Logistic => f.write_str("logistic"),
            Loss::Hinge => f.write_str("hinge"),
            Loss::Squared => f.write_str("squared"),
            Loss::L1 => f.write_str("l1"),
            Loss::Huber(delta) => write!(f, "huber({delta})"),
            Loss::Quantile(q) => write!(f, "quantile({q})"),
        }
    }
}

impl Loss {
    /// Whether targets are classes 0, 1, …, and not numbers.
    pub fn classifies(self) -> bool {
        matches!(self, Loss::Logistic | Loss::Hinge)
    }

    /// Its mean over a batch as program text, in outputs `S` of shape `[batch, k]` and targets `y`.
    pub(crate) fn expression(self, k: usize) -> String {
        // Classes 0 and 1 as signs.
        const SIGNED: &str = "(2 * y - 1) * S[:, 0]";
        match self {
            Loss::Logistic if k == 1 => format!("mean(softplus(-({SIGNED})))"),
            Loss::Logistic => "cross_entropy(S, y)".into(),
            Loss::Hinge if k == 1 => format!("mean(hinge({SIGNED}))"),
            Loss::Hinge => format!("mean(max(S + (1 - one_hot(y, {k})), axis=1) - sum(S * one_hot(y, {k}), axis=1))"),
            Loss::Squared => "mean((S[:, 0] - y)**2)".into(),
            Loss::L1 => "mean(abs(S[:, 0] - y))".into(),
            Loss::Huber(delta) => format!("mean(huber(S[:, 0] - y, {delta:?}))"),
            Loss::Quantile(q) => format!("mean(pinball(y - S[:, 0], {q:?}))"),
        }
    }

    /// What is measured beside the loss.
    pub fn metric(self) -> &'static str {
        if self.classifies() { "accuracy" } else { "mean |error|" }
    }

    /// The measure of one sample: 1 for the right class, 0 for a wrong one; |error| for numbers. The class is that of the
    /// largest output, of equal ones the first; with one output 1 where it is > 0.
    pub(crate) fn measure(self, outputs: &[f64], target: f64) -> f64 {
        if !self.classifies() {
            return (outputs[0] - target).abs();
        }
        let class = match outputs {
            [one] => (*one > 0.0) as usize,
            _ => outputs.iter().enumerate().fold(0, |best, (j, s)| if *s > outputs[best] { j } else { best }),
        };
        (class as f64 == target) as u8 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(loss: Loss, s: &[f64], k: usize, y: &[f64]) -> f64 {
        let (n, array) = (y.len(), |shape: &[usize], x: &[f64]| clarke::Tensor::new(shape, x.to_vec()).unwrap());
        let f = clarke::parse(&loss.expression(k), &[("S", &[n, k]), ("y", &[n])]).unwrap();
        let f = f.compile::<f64>(clarke::Convention::MinNorm);
        f.call(&[array(&[n, k], s), array(&[n], y)]).unwrap()[0].data()[0]
    }

    #[test]
    fn losses_are_their_formulas() {
        let (s, y): ([f64; 6], [f64; 2]) = ([0.5, 2.0, -1.0, 0.0, 0.25, 3.0], [1.0, 2.0]);
        let row = |i: usize| &s[3 * i..3 * i + 3];
        let crammer = |i: usize| {
            let of = |j: usize| row(i)[j] + if j as f64 == y[i] { 0.0 } else { 1.0 };
            of(0).max(of(1)).max(of(2)) - row(i)[y[i] as usize]
        };
        let softmax = |i: usize| row(i).iter().map(|s| s.exp()).sum::<f64>().ln() - row(i)[y[i] as usize];
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14 * b.abs().max(1.0), "{a} {b}");
        close(value(Loss::Hinge, &s, 3, &y), (crammer(0) + crammer(1)) / 2.0);
        close(value(Loss::Logistic, &s, 3, &y), (softmax(0) + softmax(1)) / 2.0);
        // Two classes by one output.
        close(value(Loss::Hinge, &[0.25, -3.0], 1, &[1.0, 0.0]), 0.375);
        close(
            value(Loss::Logistic, &[0.25, -3.0], 1, &[1.0, 0.0]),
            ((-0.25f64).exp().ln_1p() + (-3f64).exp().ln_1p()) / 2.0,
        );
        close(value(Loss::Quantile(0.9), &[1.0, 1.0], 1, &[3.0, 0.0]), (0.9 * 2.0 + 0.1) / 2.0);
        close(value(Loss::L1, &[1.0, 1.0], 1, &[3.0, 0.0]), 1.5);
        close(value(Loss::Squared, &[1.0, 1.0], 1, &[3.0, 0.0]), 2.5);
        close(value(Loss::Huber(1.0), &[1.0, 1.0], 1, &[3.0, 0.5]), (1.5 + 0.125) / 2.0);
    }

    #[test]
    fn losses_are_read_back() {
        for loss in [Loss::Logistic, Loss::Hinge, Loss::Squared, Loss::L1, Loss::Huber(0.5), Loss::Quantile(0.9)] {
            assert_eq!(loss.to_string().parse::<Loss>().unwrap(), loss);
        }
        for wrong in ["", "l2", "quantile", "quantile(1)", "quantile(x)", "huber(0)", "hinge(2)", "huber(nan)"] {
            let said = wrong.parse::<Loss>().unwrap_err().to_string();
            assert!(said.contains("losses are logistic, hinge"), "{wrong}: {said}");
        }
    }

    #[test]
    fn the_class_is_that_of_the_largest_output() {
        assert_eq!(Loss::Hinge.measure(&[0.0, 2.0, 2.0], 1.0), 1.0);
        assert_eq!(Loss::Hinge.measure(&[0.0, 2.0, 2.0], 2.0), 0.0);
        assert_eq!(Loss::Logistic.measure(&[0.5], 1.0), 1.0);
        assert_eq!(Loss::Logistic.measure(&[0.0], 0.0), 1.0);
        assert_eq!(Loss::L1.measure(&[0.5], 2.0), 1.5);
    }
}
