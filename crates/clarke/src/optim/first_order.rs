//! What first-order methods share: everything but the formula of a step.

use super::average::{Average, Averaging};
use super::method::{AnyMethod, Guarantee, Measure, Method, Status};
use super::options::{Parameter, Range, Settings, refuse};
use super::oracle::{Facts, Oracle};
use super::prox::{self, Prox};
use super::rule::{Sizes, StepRule};
use super::sampler::{Batches, Order, Sampler};
use crate::error::{Fault, Result};
use crate::set::{dot, norm};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The formula of a first-order method: the next iterate from the current one, one element of a conservative gradient (of
/// the function, or of a batch of its terms), a step size, and some memory.
pub trait Update: fmt::Debug + Send + Sync {
    /// Its name, that of its line in the table.
    fn name(&self) -> &'static str;

    /// What it remembers from the start on.
    fn memory(&self, x: &[f64]) -> Vec<Vec<f64>>;

    /// Writes iterate k + 1 to `next`.
    fn advance(&self, step: Step<'_>, memory: &mut [Vec<f64>], next: &mut [f64]);

    /// Whether the method stays at x for good if the element is 0 there.
    fn rests(&self, x: &[f64], memory: &[Vec<f64>]) -> bool {
        let _ = (x, memory);
        true
    }

    /// What it measured, of the value at x.
    fn measures(&self, x: &[f64], value: f64, memory: &[Vec<f64>]) -> Vec<Measure> {
        let _ = (x, value, memory);
        vec![]
    }

    /// What the theory gives under these settings.
    fn guarantee(&self, setup: &Setup, facts: Facts) -> Guarantee;
}

/// One step to be made.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its number, from 0 on.
    pub k: u64,
    /// Its size α_k.
    pub alpha: f64,
    /// The iterate x_k.
    pub x: &'a [f64],
    /// The element v_k.
    pub gradient: &'a [f64],
}

/// The settings that first-order methods share.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The step sizes.
    pub rule: StepRule,
    /// Which terms of the sum a step uses; all if absent.
    pub batches: Option<Batches>,
    /// A regularizer or a set, applied after each step.
    pub prox: Option<Prox>,
    /// Which iterates the result is an average of; if absent it is the iterate itself.
    pub average: Option<Averaging>,
    /// After how many steps the whole function is evaluated, where a step does not do so anyway (with batches or an
    /// average); if absent after each pass over the terms.
    pub check: Option<u64>,
    /// What is drawn at random besides batches.
    pub noise: Noise,
}

impl Setup {
    /// Full gradients and nothing else.
    pub fn new(rule: StepRule) -> Setup {
        Setup { rule, batches: None, prox: None, average: None, check: None, noise: Noise::default() }
    }
}

/// Random starts and random steps, so that what holds for almost all of them holds with probability 1 (Bolte, Pauwels 2020).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// σ ≥ 0: the start becomes x_0 + σ u, with u uniform in [−1, 1]ⁿ.
    pub start: f64,
    /// 0 ≤ ρ < 1: each step size is multiplied by a number uniform in [1 − ρ, 1 + ρ].
    pub step: f64,
    /// The seed of both.
    pub seed: u64,
}

/// A first-order method: a formula and its settings.
///
/// ```
/// use clarke::optim::{FirstOrder, HeavyBall, Prox, Setup, StepRule};
///
/// let rule = "0.1/(k+1)^0.5".parse::<StepRule>()?;
/// let setup = Setup { prox: Some(Prox::L1(0.01)), ..Setup::new(rule) };
/// let method = FirstOrder::new(HeavyBall { beta: 0.9 }, setup)?;
/// # Ok::<(), clarke::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FirstOrder<U> {
    update: U,
    setup: Setup,
}

impl<U: Update> FirstOrder<U> {
    /// The method. Errors: settings that exclude each other.
    pub fn new(update: U, setup: Setup) -> Result<FirstOrder<U>> {
        let wrong = |parameter, value: String, rule| Err(refuse(update.name(), parameter, &value, rule));
        let Noise { start, step, .. } = setup.noise;
        if !(start >= 0.0 && start.is_finite()) {
            return wrong("start-noise", start.to_string(), "it must be a number ≥ 0");
        }
        if !(0.0..1.0).contains(&step) {
            return wrong("step-noise", step.to_string(), "it must be a number ≥ 0 and < 1");
        }
        if setup.check == Some(0) || setup.batches.is_some_and(|b| b.size == 0) {
            return wrong(
                "batch",
                "0".into(),
                "a batch has at least one term, and a check comes after at least one step",
            );
        }
        if setup.batches.is_some() && matches!(setup.rule, StepRule::Polyak { .. }) {
            let rule = "it needs values of the whole function: take batch=0, or another rule";
            return wrong("step", setup.rule.to_string(), rule);
        }
        Ok(FirstOrder { update, setup })
    }

    /// The method under its settings as options have them.
    pub(super) fn of(settings: &Settings, update: U) -> Result<AnyMethod>
    where
        U: 'static,
    {
        Ok(AnyMethod::new(FirstOrder::new(update, setup(settings)?)?))
    }

    /// Whether each step evaluates the whole function at its iterate, and that is the result.
    fn evaluates(&self) -> bool {
        self.setup.batches.is_none() && self.setup.average.is_none()
    }
}

/// What a first-order method carries.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    x: Vec<f64>,
    /// The element at x: of the whole function, or, until the next step, of the batch before.
    gradient: Vec<f64>,
    /// The value of the whole function at x (without regularizer), or that of the last batch.
    value: f64,
    memory: Vec<Vec<f64>>,
    /// Where the next iterate is made, so that a failure leaves the current one.
    next: Vec<f64>,
    next_gradient: Vec<f64>,
    steps: u64,
    sizes: Sizes,
    sampler: Option<Sampler>,
    average: Option<Average>,
    /// The result and its value, with the regularizer.
    result: Vec<f64>,
    result_value: f64,
    /// The number of steps after which the result was evaluated.
    checked: u64,
    /// After how many steps it is evaluated.
    check: u64,
    random: ChaCha8Rng,
    scratch: Vec<f64>,
}

impl<U: Update> FirstOrder<U> {
    /// Where the run starts: moved at random, then into the sets.
    fn start(&self, x: &[f64], random: &mut ChaCha8Rng, scratch: &mut Vec<f64>) -> Vec<f64> {
        let mut start = x.to_vec();
        if self.setup.noise.start > 0.0 {
            start.iter_mut().for_each(|x| *x += self.setup.noise.start * random.random_range(-1.0..1.0));
        }
        if let Some(prox) = &self.setup.prox {
            prox.enter(&mut start, scratch);
        }
        start
    }

    fn regularizer(&self, x: &[f64]) -> f64 {
        self.setup.prox.as_ref().map_or(0.0, |prox| prox.value(x))
    }

    /// Evaluates the whole function at the result.
    fn evaluate(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        match &state.average {
            Some(average) => average.write(&mut state.next),
            None => state.next.copy_from_slice(&state.x),
        }
        let value = oracle.value(&state.next)? + self.regularizer(&state.next);
        state.result.copy_from_slice(&state.next);
        (state.result_value, state.checked) = (value, state.steps);
        Ok(())
    }
}

impl<U: Update> Method for FirstOrder<U> {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let (n, terms) = (oracle.dimension(), oracle.terms());
        if let Some(prox) = &self.setup.prox {
            prox.check(n)?;
        }
        // Another stream than that of batches of the same seed.
        let mut random = ChaCha8Rng::seed_from_u64(self.setup.noise.seed);
        random.set_stream(1);
        let mut scratch = Vec::with_capacity(n);
        let x = self.start(x, &mut random, &mut scratch);
        let mut gradient = vec![0.0; n];
        let value = oracle.value_and_gradient(&x, &mut gradient)?;
        let sizes = self.setup.rule.start(value, dot(&gradient, &gradient));
        let average = self.setup.average.map(|kind| {
            let mut average = Average::new(kind, n);
            average.push(&x);
            average
        });
        Ok(State {
            memory: self.update.memory(&x),
            next: x.clone(),
            next_gradient: gradient.clone(),
            steps: 0,
            sizes,
            sampler: self.setup.batches.map(|b| b.of(terms)),
            average,
            result: x.clone(),
            result_value: value + self.regularizer(&x),
            checked: 0,
            check: self.setup.check.or(self.setup.batches.map(|b| b.steps_per_pass(terms))).unwrap_or(1),
            random,
            scratch,
            x,
            gradient,
            value,
        })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        if let Some(sampler) = &mut state.sampler {
            state.value = oracle.batch(sampler.draw(), &state.x, &mut state.gradient)?;
        }
        let squared = if self.setup.rule.needs_norm() { dot(&state.gradient, &state.gradient) } else { 0.0 };
        let mut alpha = self.setup.rule.size(&mut state.sizes, state.steps, state.value, squared);
        if self.setup.noise.step > 0.0 {
            alpha *= 1.0 + self.setup.noise.step * state.random.random_range(-1.0..1.0);
        }
        let step = Step { k: state.steps, alpha, x: &state.x, gradient: &state.gradient };
        self.update.advance(step, &mut state.memory, &mut state.next);
        if let Some(prox) = &self.setup.prox {
            // What shrinks and cuts would hide a number that is not finite.
            if let Some(k) = state.next.iter().position(|x| !x.is_finite()) {
                let (op, value, advice) = ("a step".into(), state.next[k], "smaller steps may help");
                return Err(Fault::NotFinite { op, value, argument: vec![], index: vec![k], advice }.into());
            }
            prox.apply(alpha, &mut state.next, &mut state.scratch);
        }
        if state.sampler.is_none() {
            state.value = oracle.value_and_gradient(&state.next, &mut state.next_gradient)?;
            std::mem::swap(&mut state.gradient, &mut state.next_gradient);
        }
        std::mem::swap(&mut state.x, &mut state.next);
        state.steps += 1;
        if let Some(average) = &mut state.average {
            average.push(&state.x);
        }
        if self.evaluates() {
            state.result.copy_from_slice(&state.x);
            state.result_value = state.value + self.regularizer(&state.x);
            state.checked = state.steps;
        } else if state.steps.is_multiple_of(state.check) {
            self.evaluate(oracle, state)?;
        }
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        if !self.evaluates() {
            return None;
        }
        if let StepRule::Polyak { target } = self.setup.rule
            && state.value <= target
        {
            return Some(Status::Converged);
        }
        let rests = || state.gradient.iter().all(|g| *g == 0.0) && self.update.rests(&state.x, &state.memory);
        (self.setup.prox.is_none() && rests()).then_some(Status::Stationary)
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.result, state.result_value)
    }

    fn finish(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        if state.checked < state.steps { self.evaluate(oracle, state) } else { Ok(()) }
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        // With batches the value at hand is that of a batch.
        let mut all = match self.setup.batches {
            None => self.update.measures(&state.x, state.value, &state.memory),
            Some(_) => vec![],
        };
        if let StepRule::Polyak { target } = self.setup.rule {
            all.push(Measure { name: "f − f*", value: state.value - target, tolerance: Some(0.0) });
        }
        if self.setup.batches.is_none() {
            all.push(Measure { name: "‖v‖ at the last iterate", value: norm(&state.gradient), tolerance: None });
        }
        all
    }

    fn alters(&self) -> bool {
        self.setup.prox.is_some()
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        self.update.guarantee(&self.setup, facts)
    }
}

/// The parameter `step` of a first-order method.
pub(super) const fn step(default: &'static str) -> Parameter {
    let meaning = "the size of step k = 0, 1, …: a/(k+b)^p, a number, auto, polyak(f*), adagrad(a, b), \
                   cosine(largest, steps, warm-up)";
    Parameter { name: "step", meaning, default, range: Range::Rule }
}

/// The parameters `batch` and `order` of a first-order method.
pub(super) const fn batches(size: &'static str, order: &'static str) -> [Parameter; 2] {
    let (most, orders) = (u32::MAX as u64, Order::NAMES);
    let order_means = "which terms: uniform (each at random), distinct (a random set), cyclic (in their order), reshuffled \
                       (in a new order each pass), blocks (consecutive ones, the blocks in a new order each pass)";
    [
        Parameter {
            name: "batch",
            meaning: "how many terms of a sum a step uses; 0: all of them",
            default: size,
            range: Range::Whole(0, most),
        },
        Parameter { name: "order", meaning: order_means, default: order, range: Range::Words(orders) },
    ]
}

/// The parameters that all first-order methods share, besides `step`, `batch` and `order`.
pub(super) const SHARED: &[Parameter] = &[
    Parameter {
        name: "seed",
        meaning: "the seed of all that is random",
        default: "0",
        range: Range::Whole(0, (1 << 53) - 1),
    },
    Parameter {
        name: "prox",
        meaning: "a regularizer or a set, applied after each step: l1(λ), group(λ, size), nuclear(λ, rows, columns), \
                  box(low, high), simplex(radius), ball(radius), l1ball(radius)",
        default: "none",
        range: Range::Text(prox::FORMS),
    },
    Parameter {
        name: "average",
        meaning: "which iterates the result is the average of: none (the last iterate), all, suffix (the later half)",
        default: "none",
        range: Range::Words(Averaging::NAMES),
    },
    Parameter {
        name: "check",
        meaning: "after how many steps the whole function is evaluated, with batches or an average; 0: after each pass",
        default: "0",
        range: Range::Whole(0, (1 << 53) - 1),
    },
    Parameter {
        name: "start-noise",
        meaning: "how far, in each variable, the start is moved at random",
        default: "0",
        range: Range::HalfOpen(0.0, f64::INFINITY),
    },
    Parameter {
        name: "step-noise",
        meaning: "by which part of itself, at most, each step size is changed at random",
        default: "0",
        range: Range::HalfOpen(0.0, 1.0),
    },
];

/// The settings as options have them.
fn setup(settings: &Settings) -> Result<Setup> {
    let seed = settings.whole("seed");
    let order = Order::of(settings.text("order")).expect("a word of the range");
    let size = settings.whole("batch") as usize;
    let prox = match settings.text("prox") {
        "none" => None,
        text => Some(text.parse::<Prox>().map_err(|error| match *error.fault {
            Fault::Setting { rule, .. } => settings.refuse("prox", rule),
            _ => error,
        })?),
    };
    Ok(Setup {
        rule: settings.rule("step"),
        batches: (size > 0).then_some(Batches { size, order, seed }),
        prox,
        average: Averaging::of(settings.text("average")),
        check: Some(settings.whole("check")).filter(|n| *n > 0),
        noise: Noise { start: settings.real("start-noise"), step: settings.real("step-noise"), seed },
    })
}
