//! Step-size rules, and the conditions of the theory on them.

use crate::error::{Fault, Result};
use serde::{Deserialize, Serialize};
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
    /// α_k = (f(x_k) − f*) / ‖v_k‖², with the optimal value f* (Polyak 1969). Where f(x_k) ≤ f* the step is 0.
    Polyak {
        /// f*, or a value to be reached.
        target: f64,
    },
    /// α_k = a / (b² + ‖v_0‖² + … + ‖v_k‖²)^½: AdaGrad with one number for all variables (Streeter, McMahan 2010; Ward, Wu,
    /// Bottou 2019).
    AdaGrad {
        /// The scale a > 0, in units of the variables; set at the start if absent: a = max(|f(x₀)|, 1) / ‖g₀‖.
        a: Option<f64>,
        /// b ≥ 0, in units of a gradient.
        b: f64,
    },
    /// Linear warm-up over the first `warmup` steps, α_k = a (k + 1) / warmup, then half a wave of a cosine down to 0 at
    /// step `steps`: a/2 (1 + cos(π (k − warmup) / (steps − warmup))) (Loshchilov, Hutter 2017).
    Cosine {
        /// The largest step a > 0.
        a: f64,
        /// How many steps are made; later ones are 0.
        steps: u64,
        /// How many of them warm up, fewer than `steps`.
        warmup: u64,
    },
}

/// The conditions on step sizes that convergence theorems ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// α_k → 0. All rules that satisfy it here also have α_k = o(1 / log k), which theorems with random batches ask for.
    Vanishing,
    /// Σ α_k = ∞.
    Divergent,
    /// The rule knows no optimal value: convexity is what Polyak's rests on.
    Convex,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::Vanishing => "α_k → 0",
            Condition::Divergent => "Σ α_k = ∞",
            Condition::Convex => "f is convex",
        })
    }
}

/// What a rule remembers in a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sizes {
    /// The a of rules that set it at the start.
    scale: f64,
    /// The sum of squared norms so far.
    squares: f64,
}

impl StepRule {
    /// What is remembered from the start on: of the value and the squared norm of the gradient there.
    pub(super) fn start(&self, value: f64, squared: f64) -> Sizes {
        let reach = value.abs().max(1.0);
        let scale = match self {
            StepRule::AdaGrad { a, .. } => a.unwrap_or(if squared > 0.0 { reach / squared.sqrt() } else { 1.0 }),
            _ if squared > 0.0 => reach / squared,
            _ => 1.0,
        };
        Sizes { scale, squares: 0.0 }
    }

    /// Whether the size depends on the norm of the gradient.
    pub(super) fn needs_norm(&self) -> bool {
        matches!(self, StepRule::Polyak { .. } | StepRule::AdaGrad { .. })
    }

    /// The size of step k, at an iterate of this value where the element has this squared norm.
    pub(super) fn size(&self, sizes: &mut Sizes, k: u64, value: f64, squared: f64) -> f64 {
        match *self {
            StepRule::Power { a, b, p } => a / (k as f64 + b).powf(p),
            StepRule::Auto => sizes.scale / (k as f64 + 1.0).sqrt(),
            StepRule::Polyak { target } if value > target && squared > 0.0 => (value - target) / squared,
            StepRule::Polyak { .. } => 0.0,
            StepRule::AdaGrad { b, .. } => {
                sizes.squares += squared;
                let sum = b * b + sizes.squares;
                if sum > 0.0 { sizes.scale / sum.sqrt() } else { 0.0 }
            }
            StepRule::Cosine { a, warmup, .. } if k < warmup => a * (k + 1) as f64 / warmup as f64,
            StepRule::Cosine { steps, .. } if k >= steps => 0.0,
            StepRule::Cosine { a, steps, warmup } => {
                let part = (k - warmup) as f64 / (steps - warmup) as f64;
                0.5 * a * (1.0 + (std::f64::consts::PI * part).cos())
            }
        }
    }

    /// The conditions of the subgradient method that this rule violates: α_k → 0 fails for p = 0, Σ α_k = ∞ for p > 1 and
    /// for steps that end. Polyak's rule rests on convexity instead. AdaGrad's violates none: either Σ ‖v_k‖² < ∞, then v_k
    /// → 0, or both hold where the elements are bounded.
    pub fn violated(&self) -> Vec<Condition> {
        match *self {
            StepRule::Power { p, .. } if p <= 0.0 => vec![Condition::Vanishing],
            StepRule::Power { p, .. } if p > 1.0 => vec![Condition::Divergent],
            StepRule::Cosine { .. } => vec![Condition::Divergent],
            StepRule::Polyak { .. } => vec![Condition::Convex],
            StepRule::Power { .. } | StepRule::Auto | StepRule::AdaGrad { .. } => vec![],
        }
    }
}

impl fmt::Display for StepRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepRule::Power { a, p: 0.0, .. } => write!(f, "{a}"),
            StepRule::Power { a, b, p } => write!(f, "{a}/(k+{b})^{p}"),
            StepRule::Auto => write!(f, "auto"),
            StepRule::Polyak { target } => write!(f, "polyak({target})"),
            StepRule::AdaGrad { a: None, b } => write!(f, "adagrad(auto,{b})"),
            StepRule::AdaGrad { a: Some(a), b } => write!(f, "adagrad({a},{b})"),
            StepRule::Cosine { a, steps, warmup } => write!(f, "cosine({a},{steps},{warmup})"),
        }
    }
}

/// What [`StepRule`] reads.
const FORMS: &str = "it is auto, a number, a/(k+b)^p with numbers for a, b and p, as 1/(k+1)^0.5, polyak(optimal value), \
                     adagrad(a, b), or cosine(largest step, steps, warm-up)";

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|x| x.is_finite())
}

/// The rule of a name with arguments; none if the text is of no such form, an error's rule if an argument is wrong.
fn named(text: &str) -> Option<std::result::Result<StepRule, &'static str>> {
    let (name, inside) = match text.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')?),
        None => (text, ""),
    };
    let arguments: Vec<&str> = if inside.is_empty() { vec![] } else { inside.split(',').collect() };
    Some(match (name, arguments.as_slice()) {
        ("auto", []) => Ok(StepRule::Auto),
        ("polyak", [target]) => Ok(StepRule::Polyak { target: number(target)? }),
        ("adagrad", few @ ([] | [_] | [_, _])) => {
            let a = match few.first() {
                None | Some(&"auto") => None,
                Some(a) => Some(number(a)?),
            };
            let b = few.get(1).map_or(Some(0.0), |b| number(b))?;
            match a.is_none_or(|a| a > 0.0) && b >= 0.0 {
                true => Ok(StepRule::AdaGrad { a, b }),
                false => Err("a must be positive, or auto, and b must not be negative"),
            }
        }
        ("cosine", [a, steps, warmup @ ..]) if warmup.len() <= 1 => {
            let (a, steps) = (number(a)?, steps.parse::<u64>().ok()?);
            let warmup = warmup.first().map_or(Some(0), |w| w.parse::<u64>().ok())?;
            match a > 0.0 && warmup < steps {
                true => Ok(StepRule::Cosine { a, steps, warmup }),
                false => Err("the largest step must be positive, and the warm-up shorter than the steps"),
            }
        }
        _ => return None,
    })
}

impl FromStr for StepRule {
    type Err = crate::Error;

    /// `a/(k+b)^p` with numbers for a, b and p, as in `1/(k+1)^0.5`; `a/(k+b)` (p = 1); a number (constant); `auto`;
    /// `polyak(f*)`; `adagrad`, `adagrad(a)`, `adagrad(a, b)`, where a may be `auto`; `cosine(a, steps)`, `cosine(a, steps,
    /// warmup)`. `**` may stand for `^`.
    fn from_str(text: &str) -> Result<StepRule> {
        let wrong = |rule: &str| Fault::Setting { setting: "step rule", given: text.into(), rule: rule.into() };
        let form = || wrong(FORMS);
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace("**", "^");
        if let Some(rule) = named(&compact) {
            return rule.map_err(|rule| wrong(rule).into());
        }
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
        assert_eq!(read(" 1e-2 / (k + 10) ** 0.75"), StepRule::Power { a: 0.01, b: 10.0, p: 0.75 });
        assert_eq!(read("1/(k+1)"), StepRule::Power { a: 1.0, b: 1.0, p: 1.0 });
        assert_eq!(read("0.1"), StepRule::Power { a: 0.1, b: 1.0, p: 0.0 });
        assert_eq!(read("auto"), StepRule::Auto);
        assert_eq!(read("polyak(-1.5)"), StepRule::Polyak { target: -1.5 });
        assert_eq!(read("adagrad"), StepRule::AdaGrad { a: None, b: 0.0 });
        assert_eq!(read("adagrad(2, 0.5)"), StepRule::AdaGrad { a: Some(2.0), b: 0.5 });
        assert_eq!(read("cosine(0.1, 100, 10)"), StepRule::Cosine { a: 0.1, steps: 100, warmup: 10 });
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["auto", "0.25", "2/(k+3)^0.75", "polyak(-2)", "adagrad", "adagrad(3,1)", "cosine(0.5, 20, 3)"] {
            let rule: StepRule = text.parse().unwrap();
            assert_eq!(rule.to_string().parse::<StepRule>().unwrap(), rule, "{text}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_formulas() {
        let sizes = |text: &str, steps: u64| -> Vec<f64> {
            let rule: StepRule = text.parse().unwrap();
            let mut sizes = rule.start(6.0, 4.0);
            (0..steps).map(|k| rule.size(&mut sizes, k, 6.0, 4.0)).collect()
        };
        assert_eq!(sizes("2/(k+3)", 3), [2.0 / 3.0, 0.5, 0.4]);
        assert_eq!(sizes("auto", 4), [1.5, 1.5 / 2f64.sqrt(), 1.5 / 3f64.sqrt(), 0.75]);
        assert_eq!(sizes("polyak(4)", 1), [0.5]);
        assert_eq!(sizes("polyak(6)", 1), [0.0]);
        assert_eq!(sizes("adagrad(3)", 4), [1.5, 3.0 / 8f64.sqrt(), 3.0 / 12f64.sqrt(), 0.75]);
        assert_eq!(sizes("adagrad", 1), [1.5]); // The step has length max(|f|, 1) / ‖g‖ = 3.
        let cosine = sizes("cosine(1, 8, 4)", 10);
        assert_eq!(cosine[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((cosine[6] - 0.5).abs() < 1e-15 && cosine[7] > 0.0 && cosine[8..] == [0.0, 0.0]);
    }

    #[test]
    fn wrong_rules_say_what_is_understood() {
        for text in [
            "",
            "x",
            "1/k",
            "1/(j+1)",
            "-1/(k+1)",
            "1/(k+0)",
            "1/(k+1)^-1",
            "nan",
            "1/(k+1)^inf",
            "polyak",
            "polyak(nan)",
            "adagrad(-1)",
            "adagrad(1,-1)",
            "cosine(1)",
            "cosine(1,5,5)",
            "cosine(0,5)",
            "auto(1)",
        ] {
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
        assert_eq!(violated("cosine(1,10)"), [Condition::Divergent]);
        assert_eq!(violated("polyak(0)"), [Condition::Convex]);
        assert_eq!(violated("adagrad"), []);
    }
}
