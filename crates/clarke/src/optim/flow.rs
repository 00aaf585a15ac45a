//! The subgradient flow.

use super::conditions::UNTAMED;
use super::method::{AnyMethod, Guarantee, Measure, Method, Status};
use super::options::{Entry, Parameter, Range};
use super::oracle::{Facts, Oracle};
use crate::error::Result;
use crate::set::{Polytope, dot};
use serde::{Deserialize, Serialize};

/// The subgradient flow θ' ∈ −conv D(θ), followed in time by steps that keep its energy identity d/dt f(θ) = −‖θ'‖².
///
/// A step x ← x − h g is made if f falls by h ‖g‖² up to the part η: along every solution it does so exactly, whichever
/// selection D has, since D obeys the chain rule. It starts with g = v(x). Where the identity fails the step is cut, in
/// quarters, down to h/4096. What fails then is no curvature but a kink within that reach: an element from beyond it is added
/// and g becomes the element of least norm of the hull of all, with which the flow slides along the kink. So g is an element
/// of Goldstein's subdifferential of radius h ‖v‖/4096, and the method rests where that has (nearly) 0: a Goldstein-critical
/// point.
///
/// The identity is measured over the whole run, as f(θ(0)) − f(θ(t)) against ∫ ‖θ'‖².
///
/// Sources: Bolte, Pauwels 2021, where f decreases along the flow of a conservative field by the chain rule; the element of
/// least norm as velocity: Brézis 1973 for convex functions; the search for elements beyond a kink: Goldstein 1977.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// The largest time of a step, h > 0.
    pub h: f64,
    /// Which part η of the energy a step may miss, 0 < η < 1.
    pub eta: f64,
    /// The velocity below which the flow is at rest, ≥ 0.
    pub rest: f64,
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "flow",
    about: "The flow that all these methods discretize, with its energy identity measured",
    formula: "θ' ∈ −conv D(θ), d/dt f(θ) = −‖θ'‖²",
    source: "Bolte, Pauwels, Math. Program. 188 (2021); Brézis 1973",
    parameters: &[OWN],
    make: |settings| {
        let real = |name| settings.real(name);
        Ok(AnyMethod::new(Flow { h: real("h"), eta: real("eta"), rest: real("rest") }))
    },
};

const OWN: &[Parameter] = &[
    Parameter {
        name: "h",
        meaning: "the largest time of a step; kinks are resolved to 1/4096 of it times the velocity",
        default: "0.05",
        range: Range::Open(0.0, f64::INFINITY),
    },
    Parameter {
        name: "eta",
        meaning: "which part of the energy identity a step may miss",
        default: "0.1",
        range: Range::Open(0.0, 1.0),
    },
    Parameter {
        name: "rest",
        meaning: "the velocity below which the flow is at rest",
        default: "1e-6",
        range: Range::HalfOpen(0.0, f64::INFINITY),
    },
];

/// How often a step is cut in quarters before what is in the way counts as a kink.
const CUTS: u32 = 6;
/// How many evaluations a step may take.
const MOST: usize = 200;

/// What the flow carries.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    next: Vec<f64>,
    next_gradient: Vec<f64>,
    first: f64,
    time: f64,
    dissipated: f64,
    speed: f64,
    ended: Option<Status>,
}

impl Flow {
    /// An element, somewhere on the way from x to x − h g, whose slope along g is less than what f should fall by; written to
    /// `next_gradient`. It exists where f falls by less; halves in which it does are tried. False if rounding hides it.
    fn beyond(&self, oracle: &mut dyn Oracle, state: &mut State, g: &[f64], h: f64, end: f64) -> Result<bool> {
        let enough = (1.0 - 0.5 * self.eta) * dot(g, g);
        let (mut low, mut high, mut at_low, mut at_high) = (0.0, h, state.value, end);
        for _ in 0..40 {
            if dot(&state.next_gradient, g) < enough {
                return Ok(true);
            }
            let middle = 0.5 * (low + high);
            ahead(&state.x, g, middle, &mut state.next);
            let value = oracle.value_and_gradient(&state.next, &mut state.next_gradient)?;
            // Of the two halves the one in which f falls by less falls by less than its part.
            if at_low - value < value - at_high {
                (high, at_high) = (middle, value);
            } else {
                (low, at_low) = (middle, value);
            }
        }
        Ok(false)
    }
}

/// x − t g.
fn ahead(x: &[f64], g: &[f64], t: f64, out: &mut [f64]) {
    out.iter_mut().zip(x).zip(g).for_each(|((out, x), g)| *out = x - t * g);
}

impl Method for Flow {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let mut gradient = vec![0.0; x.len()];
        let value = oracle.value_and_gradient(x, &mut gradient)?;
        let speed = dot(&gradient, &gradient).sqrt();
        Ok(State {
            next: x.to_vec(),
            next_gradient: gradient.clone(),
            x: x.to_vec(),
            value,
            gradient,
            first: value,
            time: 0.0,
            dissipated: 0.0,
            speed,
            ended: (speed == 0.0).then_some(Status::Stationary),
        })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        let mut hull = vec![state.gradient.clone()];
        let mut g = state.gradient.clone();
        let (mut h, mut cuts) = (self.h, 0);
        for _ in 0..MOST {
            let squared = dot(&g, &g);
            state.speed = squared.sqrt();
            if state.speed <= self.rest {
                state.ended = Some(Status::Converged);
                return Ok(());
            }
            ahead(&state.x, &g, h, &mut state.next);
            let value = oracle.value_and_gradient(&state.next, &mut state.next_gradient)?;
            let (due, fallen) = (h * squared, state.value - value);
            // What f falls by is known up to its rounding.
            let rounding = 4.0 * f64::EPSILON * state.value.abs().max(value.abs());
            if (due - fallen).abs() <= self.eta * due + rounding && due > rounding {
                std::mem::swap(&mut state.x, &mut state.next);
                std::mem::swap(&mut state.gradient, &mut state.next_gradient);
                state.value = value;
                state.time += h;
                state.dissipated += due;
                return Ok(());
            }
            if cuts < CUTS {
                (h, cuts) = (0.25 * h, cuts + 1);
                continue;
            }
            if !self.beyond(oracle, state, &g, h, value)? {
                break;
            }
            hull.push(state.next_gradient.clone());
            g = Polytope::new(&hull)?.min_norm().point;
            (h, cuts) = (self.h, 0);
        }
        state.ended = Some(Status::Stalled);
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.ended
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        let fallen = state.first - state.value;
        let plain = |name, value| Measure { name, value, tolerance: None };
        vec![
            plain("time t", state.time),
            plain("f(θ(0)) − f(θ(t))", fallen),
            plain("∫ ‖θ'‖²", state.dissipated),
            Measure {
                name: "energy identity, |∫ ‖θ'‖² − (f(θ(0)) − f(θ(t)))|",
                value: (state.dissipated - fallen).abs(),
                tolerance: Some(self.eta * state.dissipated),
            },
            Measure { name: "‖θ'‖ at the end", value: state.speed, tolerance: Some(self.rest) },
        ]
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        let mut violated = vec![];
        if !facts.tame() {
            violated.push(UNTAMED.to_string());
        }
        let statement = format!(
            "along solutions of θ' ∈ −conv D(θ) f falls by exactly ∫ ‖θ'‖², and bounded ones approach points with 0 ∈ conv D \
             (the function is {}; Bolte, Pauwels 2021). What is computed keeps this to the part {} in each step, which is \
             measured, and rests where 0 is, to {}, in the hull of elements within {:e} of the velocity's length around the \
             point",
            facts.level,
            self.eta,
            self.rest,
            self.h / 4f64.powi(CUTS as i32),
        );
        Guarantee::new(statement, violated)
    }
}
