//! Step-size rules, and the conditions of the theory on them.

use crate::error::{Fault, Result};
use std::fmt;
use std::str::FromStr;

/// The step size α_k of step k = 0, 1, ….
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepRule {
    /// α_k = a / (k + b)^p.
    Power {
        /// The scale a > 0, in units of the variables over a gradient.
        a: f64,
        /// The offset b > 0.
        b: f64,
        /// The exponent p ≥ 0; 0 is a constant step.
        p: f64,
    },
    /// α_k = a / (k + 1)^½ with a set at the start from the function: a = max(|f(x₀)|, 1) / ‖g₀‖², the step that would
    /// reach the value 0 if the function were linear (Polyak's, for an optimal value of 0).
    Auto,
}

/// The conditions on step sizes that convergence theorems ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// α_k → 0.
    Vanishing,
    /// Σ α_k = ∞.
    Divergent,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::Vanishing => "α_k → 0",
            Condition::Divergent => "Σ α_k = ∞",
        })
    }
}

impl StepRule {
    /// The step size of step k, where `scale` is the a of [`StepRule::Auto`].
    pub fn size(&self, k: u64, scale: f64) -> f64 {
        match *self {
            StepRule::Power { a, b, p } => a / (k as f64 + b).powf(p),
            StepRule::Auto => scale / (k as f64 + 1.0).sqrt(),
        }
    }

    /// The exponent p.
    pub fn exponent(&self) -> f64 {
        match self {
            StepRule::Power { p, .. } => *p,
            StepRule::Auto => 0.5,
        }
    }

    /// The conditions of the subgradient method that this rule violates: α_k → 0 fails for p = 0, Σ α_k = ∞ for p > 1.
    pub fn violated(&self) -> Vec<Condition> {
        let p = self.exponent();
        let mut violated = vec![];
        if p <= 0.0 {
            violated.push(Condition::Vanishing);
        }
        if p > 1.0 {
            violated.push(Condition::Divergent);
        }
        violated
    }
}

impl fmt::Display for StepRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepRule::Power { a, p: 0.0, .. } => write!(f, "{a}"),
            StepRule::Power { a, b, p } => write!(f, "{a}/(k+{b})^{p}"),
            StepRule::Auto => write!(f, "auto"),
        }
    }
}

impl FromStr for StepRule {
    type Err = crate::Error;

    /// `a/(k+b)^p` with numbers for a, b and p, as in `1/(k+1)^0.5`; `a/(k+b)` (p = 1); a number (constant); `auto`.
    /// `**` may stand for `^`.
    fn from_str(text: &str) -> Result<StepRule> {
        let wrong = |rule: &str| Fault::Setting { setting: "step rule", given: text.into(), rule: rule.into() };
        let form = || wrong("it is auto, a number, or a/(k+b)^p with numbers for a, b and p, as 1/(k+1)^0.5");
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace("**", "^");
        if compact == "auto" {
            return Ok(StepRule::Auto);
        }
        let number = |s: &str| s.parse::<f64>().ok().filter(|x| x.is_finite());
        let (a, b, p) = match compact.split_once('/') {
            None => (number(&compact).ok_or_else(form)?, 1.0, 0.0),
            Some((a, rest)) => {
                let (base, power) = rest.split_once('^').unwrap_or((rest, "1"));
                let inner = base.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or(base);
                let b = match inner.split_once('+') {
                    Some(("k", b)) | Some((b, "k")) => number(b).ok_or_else(form)?,
                    _ => return Err(form().into()),
                };
                let power = power.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or(power);
                (number(a).ok_or_else(form)?, b, number(power).ok_or_else(form)?)
            }
        };
        if a <= 0.0 || b <= 0.0 {
            return Err(wrong("a and b must be positive: steps go down the gradient, from step k = 0 on").into());
        }
        if p < 0.0 {
            return Err(wrong("p must not be negative: the steps would grow without bound").into());
        }
        Ok(StepRule::Power { a, b, p })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let read = |s: &str| s.parse::<StepRule>().unwrap();
        assert_eq!(read("2/(k+1)^0.5"), StepRule::Power { a: 2.0, b: 1.0, p: 0.5 });
        assert_eq!(read(" 1e-2 / (k + 10) ** (3/4)".replace("(3/4)", "0.75").as_str()).exponent(), 0.75);
        assert_eq!(read("1/(k+1)"), StepRule::Power { a: 1.0, b: 1.0, p: 1.0 });
        assert_eq!(read("0.1"), StepRule::Power { a: 0.1, b: 1.0, p: 0.0 });
        assert_eq!(read("auto"), StepRule::Auto);
        assert_eq!(read("2/(k+3)^1").size(1, 9.0), 0.5);
    }

    #[test]
    fn wrong_rules_say_what_is_understood() {
        for text in ["", "x", "1/k", "1/(j+1)", "-1/(k+1)", "1/(k+0)", "1/(k+1)^-1", "nan", "1/(k+1)^inf"] {
            let error = text.parse::<StepRule>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("step rule `{text}` cannot be read")), "{error}");
        }
    }

    #[test]
    fn conditions_name_what_is_violated() {
        let violated = |s: &str| s.parse::<StepRule>().unwrap().violated();
        assert_eq!(violated("1/(k+1)^0.5"), []);
        assert_eq!(violated("1/(k+1)"), []);
        assert_eq!(violated("0.1"), [Condition::Vanishing]);
        assert_eq!(violated("1/(k+1)^2"), [Condition::Divergent]);
    }
}
