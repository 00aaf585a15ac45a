//! Gradient sampling.

use super::stationarity::{Stationarity, Trial, in_ball, is_zero, least, moved, value_at};
use super::{AnyMethod, Entry, Facts, Guarantee, Measure, Method, Oracle, Parameter, Range, Status};
use crate::error::Result;
use crate::set::{dot, norm};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Gradient sampling with directions that are not normalized. With g_k the element of least norm of the hull of gradients at
/// x_k and at m points drawn uniformly from the ball of radius ε_k about it,
///
/// x_{k+1} = x_k − t_k g_k, t_k the first of τ, τ/2, τ/4, … with f(x_k − t g_k) < f(x_k) − β t ‖g_k‖²,
///
/// where τ = min(1, max(1, ‖x_k‖)/‖g_k‖), so that no step is longer than the iterate,
///
/// and if ‖g_k‖ ≤ ν_k instead x_{k+1} = x_k, ε_{k+1} = θ ε_k, ν_{k+1} = θ ν_k. It ends with ε_k ≤ `radius` and ‖g_k‖ ≤ `tolerance`:
/// then x_k is (ε_k, ‖g_k‖)-stationary in Goldstein's sense.
///
/// The theory asks for points of differentiability. Points drawn from a ball are, with probability 1. The iterate itself
/// need not be, so that its gradient is replaced by one at a point drawn at a distance of 10⁻⁹ ε_k; where the element of a
/// conservative gradient that a policy picks at a tie is no limit of gradients, it is thereby never used.
/// If no t down to rounding decreases the value, ε_k becomes smaller too, since that ball was too large for its gradients to describe f at x_k.
///
/// Source: Burke, Lewis, Overton, "A robust gradient sampling algorithm for nonsmooth, nonconvex optimization", SIAM J. Optim. 15
/// (2005); Kiwiel, "Convergence of the gradient sampling algorithm for nonsmooth nonconvex optimization", SIAM J. Optim. 18 (2007),
/// Theorem 3.3 (and Section 4.1 for directions that are not normalized).
#[derive(Debug, Clone, PartialEq)]
pub struct GradientSampling {
    /// m; 0 stands for 2n.
    pub samples: usize,
    /// ε₀.
    pub start_radius: f64,
    /// ν₀.
    pub start_tolerance: f64,
    /// θ in (0, 1).
    pub factor: f64,
    /// β in (0, 1).
    pub decrease: f64,
    /// The radius that it ends with.
    pub radius: f64,
    /// The norm that it ends with.
    pub tolerance: f64,
    /// The seed of the samples.
    pub seed: u64,
}

impl Default for GradientSampling {
    fn default() -> GradientSampling {
        GradientSampling {
            samples: 0,
            start_radius: 0.1,
            start_tolerance: 0.1,
            factor: 0.1,
            decrease: 1e-4,
            radius: 1e-7,
            tolerance: 1e-6,
            seed: 0,
        }
    }
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "gradient-sampling",
    about: "Descends along the least element of the hull of gradients at random points nearby; robust, for few variables",
    formula: "x ← x − t g, g = argmin ‖conv {∇f(x), ∇f(x + ε u_i)}‖",
    source: "Burke, Lewis, Overton, SIAM J. Optim. 15 (2005); Kiwiel, SIAM J. Optim. 18 (2007), Theorem 3.3",
    parameters: &[&[
        Parameter {
            name: "samples",
            meaning: "points drawn a step; 0 stands for twice the number of variables",
            default: "0",
            range: Range::Whole(0, 1_000_000),
        },
        Parameter {
            name: "start-radius",
            meaning: "the radius of the first ball",
            default: "0.1",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "radius",
            meaning: "the radius of the ball it ends with",
            default: "1e-7",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "tolerance",
            meaning: "the norm of the combination of gradients it ends with",
            default: "1e-6",
            range: Range::Open(0.0, f64::INFINITY),
        },
        SEED,
    ]],
    make: |s| {
        Ok(AnyMethod::new(GradientSampling {
            samples: s.whole("samples") as usize,
            start_radius: s.real("start-radius"),
            radius: s.real("radius"),
            tolerance: s.real("tolerance"),
            seed: s.whole("seed"),
            ..GradientSampling::default()
        }))
    },
};

/// What all methods share that draw points.
pub(super) const SEED: Parameter = Parameter {
    name: "seed",
    meaning: "the seed of the points drawn",
    default: "0",
    range: Range::Whole(0, (1 << 53) - 1),
};

/// A ball to draw points from.
pub(super) struct Ball {
    pub radius: f64,
    pub samples: usize,
}

/// Relative to the ball, the distance at which the gradient of the center is taken.
const NEAR: f64 = 1e-9;

impl Ball {
    /// The element of least norm of the hull of gradients at points of the ball about x, the first of them next to x, and
    /// what it says of x.
    ///
    /// Points where there is no gradient are left out. Errors: there is none at any.
    pub(super) fn sample(
        &self,
        oracle: &mut dyn Oracle,
        x: &[f64],
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<f64>, Stationarity)> {
        let n = x.len();
        let (mut gradients, mut distances) = (vec![], vec![]);
        let mut failure = None;
        for k in 0..=self.samples {
            let u = in_ball(rng, n);
            let radius = if k == 0 { NEAR * self.radius } else { self.radius };
            let mut gradient = vec![0.0; n];
            let trial = Trial::of(oracle, &moved(x, radius, &u), &mut gradient);
            if trial.value.is_finite() {
                gradients.push(gradient);
                distances.push(radius * norm(&u));
            }
            failure = trial.failure.or(failure);
        }
        if let (true, Some(error)) = (gradients.is_empty(), failure) {
            return Err(error);
        }
        let (vector, distance) = least(&gradients, &distances)?;
        let measured = Stationarity { norm: norm(&vector), distance, radius: Some(self.radius) };
        Ok((vector, measured))
    }
}

/// What the method carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    x: Vec<f64>,
    value: f64,
    radius: f64,
    tolerance: f64,
    measured: Option<Stationarity>,
    rng: ChaCha8Rng,
    end: Option<Status>,
}

impl GradientSampling {
    /// Whether the gradients about x allow to stop with it.
    fn stationary(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<bool> {
        let ball = Ball { radius: self.radius, samples: self.count(state.x.len()) };
        let (_, measured) = ball.sample(oracle, &state.x, &mut state.rng)?;
        Ok(state.measured.insert(measured).norm <= self.tolerance)
    }

    fn count(&self, n: usize) -> usize {
        if self.samples == 0 { 2 * n } else { self.samples }
    }

    /// The first of the steps τ, τ/2, … along −g with enough decrease; None if there is none.
    fn armijo(&self, oracle: &mut dyn Oracle, state: &State, g: &[f64]) -> Option<(Vec<f64>, f64)> {
        let squared = dot(g, g);
        let mut t = (norm(&state.x).max(1.0) / squared.sqrt()).min(1.0);
        loop {
            let next = moved(&state.x, -t, g);
            if next == state.x {
                return None;
            }
            let value = value_at(oracle, &next);
            if value < state.value - self.decrease * t * squared {
                return Some((next, value));
            }
            t *= 0.5;
        }
    }
}

impl Method for GradientSampling {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let mut gradient = vec![0.0; x.len()];
        let value = oracle.value_and_gradient(x, &mut gradient)?;
        let rng = ChaCha8Rng::seed_from_u64(self.seed);
        let (radius, tolerance) = (self.start_radius, self.start_tolerance);
        let mut state = State { x: x.to_vec(), value, radius, tolerance, measured: None, rng, end: None };
        // At a tie a 0 may be an artifact of the formula: gradients nearby decide.
        if is_zero(&gradient) && self.stationary(oracle, &mut state)? {
            state.end = Some(Status::Converged);
        }
        Ok(state)
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        let ball = Ball { radius: state.radius, samples: self.count(state.x.len()) };
        let (vector, measured) = ball.sample(oracle, &state.x, &mut state.rng)?;
        let norm = state.measured.insert(measured).norm;
        if norm <= self.tolerance && state.radius <= self.radius {
            state.end = Some(Status::Converged);
            return Ok(());
        }
        if norm <= state.tolerance {
            state.radius = (self.factor * state.radius).max(self.radius);
            state.tolerance = (self.factor * state.tolerance).max(self.tolerance);
            return Ok(());
        }
        match self.armijo(oracle, state, &vector) {
            Some((x, value)) => (state.x, state.value, state.measured) = (x, value, None),
            None if state.radius <= self.radius => state.end = Some(Status::Stalled),
            None => state.radius = (self.factor * state.radius).max(self.radius),
        }
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.end
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    // After a step nothing has been measured at the new iterate.
    fn finish(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        if state.measured.is_none() {
            // Where there are no gradients about the point there is no measure, and the run is not lost for it.
            let _ = self.stationary(oracle, state);
        }
        Ok(())
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        state.measured.iter().flat_map(|m| m.measures(self.tolerance, self.radius)).collect()
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        let statement = "with probability 1 the values fall without bound, or the radius goes to 0 and every accumulation point is \
                         Clarke critical, if f is locally Lipschitz and C¹ on an open set of full measure (Kiwiel 2007, Theorem 3.3)";
        let mut violated = vec![];
        if !facts.tame() {
            violated.push(
                "the function is not known to be definable: it may not be C¹ on an open set of full measure".into(),
            );
        }
        Guarantee::new(statement.into(), violated)
    }
}
