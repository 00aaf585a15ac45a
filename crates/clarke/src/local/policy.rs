//! Policies: rules that pick a selection at every tie.

use super::{At, along};
use crate::error::{Fault, Result, plural};
use crate::program::op::Op;
use crate::program::tie::{Choice, Convention, Site};
use crate::program::{Program, Role};
use crate::run::Monitor;
use crate::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A rule that picks a selection at every tie.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// What a framework returns, or this library's own default.
    Convention(Convention),
    /// One number of [0, 1] for every tie with two pieces; the default for the others.
    Step(f64),
    /// Drawn at random inside the set at each tie, from a seed.
    Random(u64),
    /// Decided by directions: the first one whose tangent separates the tied pieces picks; where none does, the
    /// default. A direction is one array for each variable. A generic direction gives the gradient of a smooth piece
    /// active next to the point (Khan, Barton 2013).
    Along(Vec<Vec<Tensor>>),
}

impl Default for Policy {
    fn default() -> Policy {
        Policy::Convention(Convention::MinNorm)
    }
}

impl Policy {
    /// The element of least norm of each elementary operator's own set: the default.
    pub fn min_norm() -> Policy {
        Policy::Convention(Convention::MinNorm)
    }

    /// What PyTorch returns.
    pub fn pytorch() -> Policy {
        Policy::Convention(Convention::PyTorch)
    }

    /// What JAX returns.
    pub fn jax() -> Policy {
        Policy::Convention(Convention::Jax)
    }

    /// What TensorFlow returns.
    pub fn tensorflow() -> Policy {
        Policy::Convention(Convention::TensorFlow)
    }

    /// The scalar selection at a tie, for policies that need not look at the point.
    pub fn choice(&self, site: &Site) -> Option<Choice> {
        match self {
            Policy::Convention(c) => Some(site.choice(*c)),
            Policy::Step(s) if site.tie.tie().is_some_and(|t| t.is_interval()) => Some(Choice::plain(*s)),
            Policy::Step(_) => Some(site.choice(Convention::MinNorm)),
            Policy::Random(_) | Policy::Along(_) => None,
        }
    }

    /// Whether the selections are the same at every point.
    pub fn is_fixed(&self) -> bool {
        !matches!(self, Policy::Random(_) | Policy::Along(_))
    }
}

impl Convention {
    /// The release of the framework on which the preset was verified.
    pub fn verified_on(self) -> Option<&'static str> {
        match self {
            Convention::MinNorm => None,
            Convention::PyTorch => Some("PyTorch 2.15.0"),
            Convention::Jax => Some("JAX 0.10.2"),
            Convention::TensorFlow => Some("TensorFlow, sources of 2026"),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Convention(Convention::MinNorm) => write!(f, "min-norm"),
            Policy::Convention(Convention::PyTorch) => write!(f, "pytorch"),
            Policy::Convention(Convention::Jax) => write!(f, "jax"),
            Policy::Convention(Convention::TensorFlow) => write!(f, "tensorflow"),
            Policy::Step(s) => write!(f, "step={s}"),
            Policy::Random(seed) => write!(f, "random({seed})"),
            Policy::Along(directions) => {
                let text: Vec<String> = directions
                    .iter()
                    .map(|d| {
                        let numbers = d.iter().flat_map(|t| t.data()).map(|x| format!("{x}"));
                        format!("[{}]", numbers.collect::<Vec<_>>().join(","))
                    })
                    .collect();
                write!(f, "along({})", text.join(","))
            }
        }
    }
}

impl FromStr for Policy {
    type Err = crate::Error;

    /// `min-norm`, `pytorch`, `jax`, `tensorflow`, `step=0.5`, `random(7)` or `random`. (Directions have the variables'
    /// shapes and are read by [`Policy::read`].)
    fn from_str(text: &str) -> Result<Policy> {
        let wrong =
            |rule: &str| Err(Fault::Setting { setting: "policy", given: text.into(), rule: rule.into() }.into());
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        match text {
            "min-norm" => return Ok(Policy::min_norm()),
            "pytorch" => return Ok(Policy::pytorch()),
            "jax" => return Ok(Policy::jax()),
            "tensorflow" => return Ok(Policy::tensorflow()),
            "random" => return Ok(Policy::Random(0)),
            _ => {}
        }
        if let Some(number) = text.strip_prefix("step=") {
            return match number.parse::<f64>() {
                Ok(s) if (0.0..=1.0).contains(&s) => Ok(Policy::Step(s)),
                _ => wrong("the number of step=… lies between 0 and 1"),
            };
        }
        if let Some(seed) = inside("random") {
            return seed
                .parse()
                .map(Policy::Random)
                .or_else(|_| wrong("the seed of random(…) is an integer from 0 on"));
        }
        wrong("it is one of min-norm, pytorch, jax, tensorflow, step=0.5, random(7), along([1,0])")
    }
}

impl Policy {
    /// Reads any policy for a program: what [`FromStr`] reads, and `along([1,0],[0,1])`, where each direction holds the
    /// numbers of all variables of the program, one after another.
    pub fn read(text: &str, program: &Program) -> Result<Policy> {
        let Some(inside) = text.strip_prefix("along(").and_then(|t| t.strip_suffix(')')) else {
            return text.parse();
        };
        let wrong = |rule: String| Err(Fault::Setting { setting: "policy", given: text.into(), rule }.into());
        let shapes: Vec<&[usize]> =
            program.inputs().iter().filter(|i| i.role.is_argument()).map(|i| i.shape.as_slice()).collect();
        let total: usize = shapes.iter().map(|s| crate::tensor::size(s)).sum();
        let mut directions = vec![];
        let Some(parts) = bracketed(inside) else {
            return wrong("each direction is a list of numbers in brackets, as in along([1,0],[0,1])".into());
        };
        for part in parts {
            let numbers: Result<Vec<f64>, _> = part.split(',').map(|x| x.trim().parse::<f64>()).collect();
            match numbers {
                Ok(flat) if flat.len() == total && flat.iter().all(|x| x.is_finite()) => {
                    directions.push(split(&flat, &shapes));
                }
                Ok(flat) => {
                    return wrong(format!(
                        "a direction holds {}, one for each entry of the variables and all finite, but this one has {}",
                        plural(total, "number"),
                        flat.len()
                    ));
                }
                Err(_) => return wrong(format!("`[{part}]` is not a list of numbers")),
            }
        }
        if directions.is_empty() {
            return wrong(format!("it holds no direction: a list of {} in brackets", plural(total, "number")));
        }
        Ok(Policy::Along(directions))
    }
}

impl Program {
    /// The same program with its selections as a policy picks them; those without a site are 0.
    ///
    /// Errors: a policy that looks at the point, whose choices are no constants.
    pub fn filled(&self, policy: &Policy) -> Result<Program> {
        if !policy.is_fixed() {
            let rule =
                "a derivative that becomes part of a program takes a fixed policy, whose selections are constants"
                    .into();
            return Err(Fault::Setting { setting: "policy", given: policy.to_string(), rule }.into());
        }
        self.fixing(|_, input| match &input.role {
            Role::Selection(site) => {
                let choice = site.as_ref().and_then(|s| policy.choice(s)).map_or(0.0, |c| c.selection);
                Some(Tensor::full(&input.shape, choice))
            }
            _ => None,
        })
    }
}

/// What stands inside the brackets of `[…], […]`; None if that is not what it is.
fn bracketed(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.trim();
    let mut parts = vec![];
    while !rest.is_empty() {
        let (part, after) = rest.strip_prefix('[')?.split_once(']')?;
        parts.push(part.trim());
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',').map(str::trim_start).filter(|r| !r.is_empty())?,
        };
    }
    Some(parts)
}

/// Flat numbers as arrays of these shapes.
fn split(flat: &[f64], shapes: &[&[usize]]) -> Vec<Tensor> {
    let mut at = 0;
    shapes
        .iter()
        .map(|shape| {
            let n = crate::tensor::size(shape);
            at += n;
            Tensor::from_fn(shape, |i| flat[at - n + i])
        })
        .collect()
}

/// A policy deciding the ties of one run.
pub(super) struct Picker<'a> {
    policy: &'a Policy,
    rng: ChaCha8Rng,
    /// Selections decided before the run, by the owner's node and the tie's number.
    decided: HashMap<(usize, usize), Tensor>,
}

impl<'a> Picker<'a> {
    pub fn new(policy: &'a Policy, at: &At) -> Result<Picker<'a>> {
        let seed = if let Policy::Random(seed) = policy { *seed } else { 0 };
        let decided = match policy {
            Policy::Along(directions) => along::decide(at, directions)?,
            _ => HashMap::new(),
        };
        Ok(Picker { policy, rng: ChaCha8Rng::seed_from_u64(seed), decided })
    }
}

impl Monitor for Picker<'_> {
    fn select(&mut self, tie: &dyn Op, site: Option<&Arc<Site>>, u: &Tensor) -> Option<Tensor> {
        let site = site?;
        match self.policy {
            Policy::Random(_) => Some(tie.tie()?.random(u, &mut || self.rng.random::<f64>())),
            Policy::Along(_) => self.decided.get(&(site.node, site.number)).cloned(),
            fixed => fixed.choice(site).map(|c| Tensor::scalar(c.selection)),
        }
    }
}
