//! The proximal bundle method.

use super::stationarity::{Trial, distance, moved};
use super::{AnyMethod, Convexity, Entry, Facts, Guarantee, Measure, Method, Oracle, Parameter, Range, Status};
use crate::error::{Error, Result};
use crate::set::{add_scaled, dot, norm, tilted_min_norm};
use serde::{Deserialize, Serialize};

/// The proximal bundle method. At the center x, cutting planes with gradients g_j and linearization errors α_j make the model
///
/// φ(z) = f(x) + max_j (⟨g_j, z − x⟩ − α_j), and y = argmin φ(z) + u/2 ‖z − x‖² = x − p/u, p = Σ λ_j g_j,
///
/// is tried, with the predicted change v = φ(y) − f(x) = −(‖p‖²/u + Σ λ_j α_j) ≤ 0. If f(y) ≤ f(x) + m v, m = 0.1, y is the
/// next center (a serious step), otherwise its plane joins the model (a null step). The weight u follows Kiwiel's rules:
/// it goes to the minimizer 2u (1 − (f(y) − f(x))/v) of a parabola through what was found, down by 10 at most after
/// serious steps, up by 10 at most after null steps.
///
/// For convex f, α_j = f(x) − f(y_j) − ⟨g_j, x − y_j⟩ ≥ 0. With a *downshift* γ > 0, for functions that are weakly convex,
/// planes are shifted down to α_j = max(that, γ ‖x − y_j‖²), and u grows also where a null step's plane, so shifted, does
/// not contradict the model. γ is doubled until it is above −error/‖x − y_j‖² for all planes: if f + ρ/2 ‖·‖² is convex, ρ bounds it.
///
/// Stationarity is ‖p‖ and the error Σ λ_j α_j. For convex f they bound what is missing to the least value over a ball,
///
/// f(x) − f(z) ≤ Σ λ_j α_j + ‖p‖ R for all z with ‖z − x‖₂ ≤ R,
///
/// over the reals, if the g_j are subgradients; rounding of values adds to it. The radius reported is R = max(1, ‖x − x₀‖₂). It ends where the bound is at
/// most `tolerance` · max(1, |f(x)|); with a downshift where the same expression is, which then bounds nothing.
///
/// Source: Kiwiel, "Proximity control in bundle methods for convex nondifferentiable minimization", Math. Program. 46 (1990);
/// the downshift after Mifflin, "A modification and an extension of Lemaréchal's algorithm for nonsmooth minimization",
/// Math. Program. Study 17 (1982), the growth of u after Noll, Prot, Rondepierre, "A proximity control algorithm to minimize
/// nonsmooth and nonconvex functions", Pac. J. Optim. 4 (2008).
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What the bound on what is missing must reach, relative to max(1, |f|).
    pub tolerance: f64,
    /// γ ≥ 0 to begin with; None: 0 for an oracle that says it is convex, else 1.
    pub downshift: Option<f64>,
    /// The most planes kept, at least 3; 0 stands for 2n + 50, and for 1000 at most. Those with the least weight leave first. If all have weight,
    /// their combination p joins, and half of them leave.
    pub planes: usize,
}

impl Default for Bundle {
    fn default() -> Bundle {
        Bundle { tolerance: 1e-9, downshift: None, planes: 0 }
    }
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "bundle",
    about: "Cutting planes around the best point; for convex functions it ends with a bound on what is missing to the minimum",
    formula: "x ← argmin_z max_j (f_j + ⟨g_j, z − x_j⟩) + u/2 ‖z − x‖²",
    source: "Kiwiel, Math. Program. 46 (1990), Theorem 4.4; Mifflin, Math. Program. Study 17 (1982)",
    parameters: &[&[
        Parameter {
            name: "tolerance",
            meaning: "the bound on what is missing to the minimum that it ends with, relative to max(1, |f|)",
            default: "1e-9",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "downshift",
            meaning: "by how much, times the squared distance, planes are lowered where the function may not be convex",
            default: "auto",
            range: Range::OpenOr(0.0, f64::INFINITY, "auto"),
        },
        Parameter {
            name: "planes",
            meaning: "the most planes kept; 0 stands for twice the number of variables and 50, at most 1000",
            default: "0",
            range: Range::Whole(0, 100_000),
        },
    ]],
    make: |s| {
        let planes = s.whole("planes") as usize;
        Ok(AnyMethod::new(Bundle { tolerance: s.real("tolerance"), downshift: s.real_or("downshift"), planes }))
    },
};

/// A cutting plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plane {
    /// Where it touches f.
    point: Vec<f64>,
    /// f(x) − f(y) − ⟨g, x − y⟩ at the current center x.
    error: f64,
    /// ‖x − y‖₂.
    distance: f64,
}

/// What the method carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// γ.
    downshift: f64,
    /// ‖p‖₂ and Σ λ α of the last step.
    norm: f64,
    error: f64,
    /// Trials in a row at which f could not be evaluated, and the last error.
    failures: u32,
    #[serde(skip)]
    failure: Option<Error>,
    end: Option<Status>,
}

impl State {
    /// What of a predicted change is lost in the rounding of values, and of the numbers that x is made of.
    fn rounding(&self) -> f64 {
        let used = self.gradients.iter().zip(&self.weights).filter(|(_, w)| **w > 0.0);
        let steepest = used.map(|(g, _)| norm(g)).fold(0.0, f64::max);
        f64::EPSILON * (self.value.abs().max(1.0) + steepest * norm(&self.x))
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
}

impl State {
    fn offset(&self, plane: &Plane) -> f64 {
        plane.error.max(self.downshift * plane.distance.powi(2)).max(0.0)
    }

    /// R.
    fn radius(&self) -> f64 {
        distance(&self.x, &self.start).max(1.0)
    }

    /// Σ λ α + ‖p‖ R.
    fn missing(&self) -> f64 {
        self.error + self.norm * self.radius()
    }

    /// Solves the model's proximal step.
    fn propose(&mut self) -> Proposal {
        let offsets: Vec<f64> = self.planes.iter().map(|p| self.weight * self.offset(p)).collect();
        let steps = 20 * (self.x.len() + offsets.len());
        let found = tilted_min_norm(&self.gradients, &offsets, &self.weights, steps);
        (self.norm, self.error) = (norm(&found.point), found.offset / self.weight);
        self.weights = found.weights;
        let predicted = -(self.norm.powi(2) / self.weight + self.error);
        Proposal { y: moved(&self.x, -1.0 / self.weight, &found.point), predicted }
    }

    /// A plane joins, once there is room for it.
    fn join(&mut self, most: usize, plane: Plane, gradient: Vec<f64>) {
        if self.planes.len() >= most && self.weights.iter().all(|w| *w > 0.0) {
            self.aggregate();
        }
        while self.planes.len() >= most {
            // Of those without weight the oldest.
            let lightest = (0..self.planes.len()).min_by(|i, j| self.weights[*i].total_cmp(&self.weights[*j]));
            let lightest = lightest.expect("there are planes");
            self.planes.remove(lightest);
            self.gradients.remove(lightest);
            self.weights.remove(lightest);
        }
        self.planes.push(plane);
        self.gradients.push(gradient);
        self.weights.push(0.0);
    }

    /// The combination of all planes takes their weight, and the lighter half leaves.
    fn aggregate(&mut self) {
        let n = self.x.len();
        let (mut gradient, mut point, mut error) = (vec![0.0; n], vec![0.0; n], 0.0);
        for ((plane, g), w) in self.planes.iter().zip(&self.gradients).zip(&self.weights) {
            add_scaled(&mut gradient, *w, g);
            add_scaled(&mut point, *w, &plane.point);
            error += w * self.offset(plane);
        }
        let mut order: Vec<usize> = (0..self.planes.len()).collect();
        order.sort_by(|i, j| self.weights[*j].total_cmp(&self.weights[*i]));
        order.truncate(self.planes.len() / 2);
        order.sort_unstable();
        self.planes = order.iter().map(|k| self.planes[*k].clone()).collect();
        self.gradients = order.iter().map(|k| self.gradients[*k].clone()).collect();
        self.planes.push(Plane { distance: distance(&point, &self.x), point, error });
        self.gradients.push(gradient);
        self.weights = vec![0.0; self.planes.len()];
        *self.weights.last_mut().expect("there are planes") = 1.0;
    }

    /// Planes that lie above f at x by more than rounding prove that f is not convex: γ becomes what they ask for.
    fn learn_downshift(&mut self) {
        let noise = 100.0 * self.rounding();
        let asked = self.planes.iter().filter(|p| p.error < -noise).map(|p| -p.error / p.distance.powi(2));
        let asked = asked.filter(|g| g.is_finite()).fold(0.0, f64::max);
        if asked > self.downshift {
            self.downshift = 2.0 * asked;
        }
    }
}

impl Bundle {
    fn most(&self, n: usize) -> usize {
        if self.planes == 0 { (2 * n + 50).min(1000) } else { self.planes.max(3) }
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
        state.join(self.most(y.len()), Plane { point: y, error: 0.0, distance: 0.0 }, gradient);
    }

    fn null(&self, state: &mut State, step: Proposal, value: f64, gradient: Vec<f64>) {
        let before = state.weight;
        let change = value - state.value;
        let along: f64 = gradient.iter().zip(step.y.iter().zip(&state.x)).map(|(g, (y, x))| g * (y - x)).sum();
        let plane = Plane { error: along - change, distance: distance(&step.y, &state.x), point: step.y };
        state.variation = state.variation.min(state.norm + state.error);
        let offset = state.offset(&plane);
        let parabola = 2.0 * before * (1.0 - change / step.predicted);
        if offset > state.variation.max(-10.0 * step.predicted) && state.counter < -3 {
            state.weight = parabola.clamp(before, 10.0 * before);
        }
        if state.downshift > 0.0 && along - offset < NEWS * step.predicted {
            state.weight = state.weight.max(2.0 * before);
        }
        state.counter = if state.weight > before { -1 } else { state.counter.min(0) - 1 };
        state.join(self.most(state.x.len()), plane, gradient);
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
            downshift: self.downshift.unwrap_or(if oracle.convexity() == Convexity::Convex { 0.0 } else { 1.0 }),
            norm: squared.sqrt(),
            error: 0.0,
            failures: 0,
            failure: None,
            end: (squared == 0.0).then_some(Status::Stationary),
        })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        let step = state.propose();
        if state.missing() <= self.tolerance * state.value.abs().max(1.0) {
            state.end = Some(Status::Converged);
            return Ok(());
        }
        if -step.predicted <= state.rounding() || step.y == state.x {
            // Shorter and shorter steps that all failed are no sign of a minimum.
            state.end = Some(Status::Stalled);
            return state.failure.take().map_or(Ok(()), Err);
        }
        let mut gradient = vec![0.0; state.x.len()];
        let trial = Trial::of(oracle, &step.y, &mut gradient);
        if !trial.value.is_finite() {
            state.failures += 1;
            state.weight *= 10.0;
            state.failure = trial.failure;
            return match state.failures > FAILURES {
                true => state.failure.take().map_or(Ok(()), Err),
                false => Ok(()),
            };
        }
        (state.failures, state.failure) = (0, None);
        match trial.value <= state.value + SERIOUS * step.predicted {
            true => self.serious(state, step, trial.value, gradient),
            false => self.null(state, step, trial.value, gradient),
        }
        state.learn_downshift();
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.end
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        let tolerance = Some(self.tolerance * state.value.abs().max(1.0));
        let plain = |name, value| Measure { name, value, tolerance: None };
        let weighted = state.planes.iter().zip(&state.weights).filter(|(_, w)| **w > 0.0);
        let mut measures = vec![
            plain("norm of the aggregate subgradient", state.norm),
            plain("aggregate linearization error", state.error),
            plain("distance of the planes used", weighted.map(|(p, _)| p.distance).fold(0.0, f64::max)),
            plain("radius of the ball of the bound", state.radius()),
        ];
        measures.push(match state.downshift > 0.0 {
            true => Measure { name: "error + norm · radius", value: state.missing(), tolerance },
            false => {
                Measure { name: "bound on f − min f over the ball, for convex f", value: state.missing(), tolerance }
            }
        });
        measures
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        let convex = facts.convex() && self.downshift.is_none_or(|g| g == 0.0);
        let statement =
            "the centers converge to a minimizer if f has one (f is said to be convex; Kiwiel 1990, Theorem 4.4)";
        let mut violated = vec![];
        if !convex {
            violated.push(
                "f is not said to be convex; for weakly convex functions accumulation points are known to be critical under rules \
                 of u near the one used (Mifflin 1982; Noll, Prot, Rondepierre 2008)"
                    .into(),
            );
        }
        Guarantee::new(statement.into(), violated)
    }
}
