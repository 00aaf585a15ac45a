//! The proximal bundle method.

use super::stationarity::{Bound, Stationarity, Trial, distance, moved};
use super::{Guarantee, Method, Oracle, Status};
use crate::error::Result;
use crate::program::class::Level;
use crate::set::{dot, norm, tilted_min_norm};

/// The proximal bundle method. At the center x, cutting planes with gradients g_j and linearization errors α_j make the model
///
/// φ(z) = f(x) + max_j (⟨g_j, z − x⟩ − α_j), and y = argmin φ(z) + u/2 ‖z − x‖² = x − p/u, p = Σ λ_j g_j,
///
/// is tried, with the predicted change v = φ(y) − f(x) = −(‖p‖²/u + Σ λ_j α_j) ≤ 0. If f(y) ≤ f(x) + m v, m = 0.1, y is the
/// next center (a serious step), otherwise its plane joins the model (a null step). The weight u follows Kiwiel's rules:
/// it goes to the minimizer 2u (1 − (f(y) − f(x))/v) of a parabola through what was found, down by 10 at most after
/// serious steps, up by 10 at most after null steps.
///
/// For convex f, α_j = f(x) − f(y_j) − ⟨g_j, x − y_j⟩ ≥ 0. With a `downshift` γ > 0, for functions that are weakly convex, planes
/// are shifted down to α_j = max(that, γ ‖x − y_j‖²), and u grows also where a null step's plane, so shifted, does not
/// contradict the model.
///
/// Stationarity is ‖p‖ and Σ λ_j α_j. For convex f they bound what is missing to the least value over a ball
/// ([`Bound`]); the radius taken is max(1, ‖x − x₀‖₂). It ends where this bound is at most `tolerance` · max(1, |f(x)|).
///
/// Source: Kiwiel, "Proximity control in bundle methods for convex nondifferentiable minimization", Math. Program. 46 (1990);
/// the downshift after Mifflin, "A modification and an extension of Lemaréchal's algorithm for nonsmooth minimization",
/// Math. Program. Study 17 (1982), the growth of u after Noll, Prot, Rondepierre, "A proximity control algorithm to minimize
/// nonsmooth and nonconvex functions", Pac. J. Optim. 4 (2008).
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What the bound on what is missing must reach, relative to max(1, |f|).
    pub tolerance: f64,
    /// γ ≥ 0; 0 for convex functions.
    pub downshift: f64,
    /// The most planes kept, at least n + 2; 0 stands for 2n + 50. Those without weight leave first, the oldest of them before the others.
    pub planes: usize,
}

impl Default for Bundle {
    fn default() -> Bundle {
        Bundle { tolerance: 1e-9, downshift: 0.0, planes: 0 }
    }
}

/// A cutting plane.
#[derive(Debug, Clone)]
struct Plane {
    /// Where it touches f.
    point: Vec<f64>,
    /// f(x) − f(y) − ⟨g, x − y⟩ at the current center x.
    error: f64,
    /// ‖x − y‖₂.
    distance: f64,
}

/// What the method carries.
#[derive(Debug, Clone)]
pub struct State {
    start: Vec<f64>,
    x: Vec<f64>,
    value: f64,
    planes: Vec<Plane>,
    /// The gradients of the planes.
    gradients: Vec<Vec<f64>>,
    /// The weights of the last step.
    weights: Vec<f64>,
    /// u.
    weight: f64,
    /// Kiwiel's counter i: positive after serious steps with this u, negative after null steps.
    counter: i32,
    /// Kiwiel's estimate of the variation of f.
    variation: f64,
    measured: Option<Stationarity>,
    /// Trials in a row at which f could not be evaluated.
    failures: u32,
    end: Option<Status>,
}

impl State {
    /// What of a predicted change is lost in the rounding of values, and of the numbers that x is made of.
    fn rounding(&self) -> f64 {
        let used = self.gradients.iter().zip(&self.weights).filter(|(_, w)| **w > 0.0);
        let steepest = used.map(|(g, _)| norm(g)).fold(0.0, f64::max);
        f64::EPSILON * (self.value.abs() + steepest * norm(&self.x))
    }
}

/// m.
const SERIOUS: f64 = 0.1;

/// Of steps that reach this part of what was predicted u may become smaller at once.
const GOOD: f64 = 0.5;

/// What a null step's plane must say at the trial point, as a part of what was predicted, to count as news.
const NEWS: f64 = 0.5;

/// Trials in a row that may fail, each with a tenth of the step before.
const FAILURES: u32 = 40;

/// A trial point with what was predicted for it.
struct Proposal {
    y: Vec<f64>,
    /// v.
    predicted: f64,
    /// ‖p‖₂.
    norm: f64,
    /// Σ λ α.
    error: f64,
}

impl Bundle {
    fn offset(&self, plane: &Plane) -> f64 {
        match self.downshift > 0.0 {
            true => plane.error.max(self.downshift * plane.distance.powi(2)),
            false => plane.error.max(0.0),
        }
    }

    /// Solves the model's proximal step, and measures.
    fn propose(&self, state: &mut State) -> Proposal {
        let offsets: Vec<f64> = state.planes.iter().map(|p| state.weight * self.offset(p)).collect();
        let steps = 20 * (state.x.len() + offsets.len());
        let found = tilted_min_norm(&state.gradients, &offsets, &state.weights, steps);
        let (norm, error) = (norm(&found.point), found.offset / state.weight);
        let weighted = |w: &f64| *w > 0.0;
        let used = state.planes.iter().zip(&found.weights).filter(|(_, w)| weighted(w));
        let far = used.map(|(p, _)| p.distance).fold(0.0, f64::max);
        let radius = distance(&state.x, &state.start).max(1.0);
        let bound = (self.downshift == 0.0).then_some(Bound { gap: error + norm * radius, radius });
        state.measured = Some(Stationarity { norm, distance: far, error: Some(error), bound });
        state.weights = found.weights;
        let predicted = -(norm.powi(2) / state.weight + error);
        Proposal { y: moved(&state.x, -1.0 / state.weight, &found.point), predicted, norm, error }
    }

    /// Whether the bound on what is missing is small enough. Without convexity it says only that ‖p‖ and the error are small.
    fn reached(&self, state: &State, step: &Proposal) -> bool {
        let radius = distance(&state.x, &state.start).max(1.0);
        step.error + step.norm * radius <= self.tolerance * state.value.abs().max(1.0)
    }

    /// Takes planes out until one more has room: without weight first, the oldest first.
    fn make_room(&self, state: &mut State) {
        let n = state.x.len();
        let most = if self.planes == 0 { 2 * n + 50 } else { self.planes.max(n + 2) };
        while state.planes.len() >= most {
            let lightest = (0..most).min_by(|i, j| state.weights[*i].total_cmp(&state.weights[*j])).unwrap_or(0);
            state.planes.remove(lightest);
            state.gradients.remove(lightest);
            state.weights.remove(lightest);
        }
    }

    fn serious(&self, state: &mut State, step: Proposal, value: f64, gradient: Vec<f64>) {
        let before = state.weight;
        let change = value - state.value;
        let parabola = 2.0 * before * (1.0 - change / step.predicted);
        let mut weight = before;
        if change <= GOOD * step.predicted && state.counter > 0 {
            weight = parabola;
        } else if state.counter > 3 {
            weight = 0.5 * before;
        }
        state.weight = weight.clamp(0.1 * before, before).max(f64::MIN_POSITIVE.sqrt());
        state.counter = if state.weight < before { 1 } else { state.counter.max(0) + 1 };
        state.variation = state.variation.max(-2.0 * step.predicted);
        let y = step.y;
        for (plane, g) in state.planes.iter_mut().zip(&state.gradients) {
            let along: f64 = g.iter().zip(y.iter().zip(&state.x)).map(|(g, (y, x))| g * (y - x)).sum();
            plane.error += change - along;
            plane.distance = distance(&plane.point, &y);
        }
        (state.x, state.value) = (y.clone(), value);
        self.make_room(state);
        state.planes.push(Plane { point: y, error: 0.0, distance: 0.0 });
        state.gradients.push(gradient);
        state.weights.push(0.0);
    }

    fn null(&self, state: &mut State, step: Proposal, value: f64, gradient: Vec<f64>) {
        let before = state.weight;
        let change = value - state.value;
        let along: f64 = gradient.iter().zip(step.y.iter().zip(&state.x)).map(|(g, (y, x))| g * (y - x)).sum();
        let plane = Plane { error: along - change, distance: distance(&step.y, &state.x), point: step.y };
        state.variation = state.variation.min(step.norm + step.error);
        let offset = self.offset(&plane);
        let parabola = 2.0 * before * (1.0 - change / step.predicted);
        if offset > state.variation.max(-10.0 * step.predicted) && state.counter < -3 {
            state.weight = parabola.clamp(before, 10.0 * before);
        }
        if self.downshift > 0.0 && along - offset < NEWS * step.predicted {
            state.weight = state.weight.max(2.0 * before);
        }
        state.counter = if state.weight > before { -1 } else { state.counter.min(0) - 1 };
        self.make_room(state);
        state.planes.push(plane);
        state.gradients.push(gradient);
        state.weights.push(0.0);
    }
}

impl Method for Bundle {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let mut gradient = vec![0.0; x.len()];
        let value = oracle.value_and_gradient(x, &mut gradient)?;
        let squared = dot(&gradient, &gradient);
        Ok(State {
            start: x.to_vec(),
            x: x.to_vec(),
            value,
            planes: vec![Plane { point: x.to_vec(), error: 0.0, distance: 0.0 }],
            gradients: vec![gradient],
            weights: vec![1.0],
            // The first step is the one that would reach 0 (or 1 below) if the function were linear.
            weight: if squared > 0.0 { squared / value.abs().max(1.0) } else { 1.0 },
            counter: 0,
            variation: f64::INFINITY,
            measured: None,
            failures: 0,
            end: None,
        })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        let step = self.propose(state);
        if self.reached(state, &step) {
            state.end = Some(Status::Stationary);
            return Ok(());
        }
        if -step.predicted <= state.rounding() || step.y == state.x {
            state.end = Some(Status::Stalled);
            return Ok(());
        }
        let mut gradient = vec![0.0; state.x.len()];
        let trial = Trial::of(oracle, &step.y, &mut gradient);
        if !trial.value.is_finite() {
            state.failures += 1;
            state.weight *= 10.0;
            return match trial.failure {
                Some(error) if state.failures > FAILURES => Err(error),
                _ => Ok(()),
            };
        }
        state.failures = 0;
        match trial.value <= state.value + SERIOUS * step.predicted {
            true => self.serious(state, step, trial.value, gradient),
            false => self.null(state, step, trial.value, gradient),
        }
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.end
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    fn stationarity(&self, state: &State) -> Option<Stationarity> {
        state.measured.clone()
    }

    fn guarantee(&self, _: Level) -> Guarantee {
        let text = match self.downshift > 0.0 {
            true => "every accumulation point of the centers is critical if f is weakly convex with a modulus below 2γ and bounded below on \
                     its level sets (Mifflin 1982, Noll, Prot, Rondepierre 2008, for their rules of u; this one is near them)",
            false => "the centers converge to a minimizer if f is convex and has one (Kiwiel 1990, Theorem 4.4)",
        };
        Guarantee { text: text.into(), violated: vec![] }
    }
}
