//! Interpolated normalized gradient descent.

use super::sampling::{Ball, SEED};
use super::stationarity::{Stationarity, Trial, in_ball, is_zero, moved, uniform, value_at};
use super::{AnyMethod, Entry, Facts, Guarantee, Measure, Method, Oracle, Parameter, Range, Status};
use crate::error::Result;
use crate::set::{dot, norm};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// INGD: x_{k+1} = x_k − δ g_k/‖g_k‖, where g_k, of nearly least norm in the Goldstein subdifferential ∂_δ f(x_k), is found by
///
/// g ← the gradient at a point drawn from the ball of radius δ about x; while ‖g‖ > ε and f(x) − f(x − δ g/‖g‖) < (δ/4) ‖g‖:
/// draw ζ from the ball of radius r about g and y from the segment from x to x − δ ζ/‖ζ‖, and
/// g ← the point of least norm of the segment [g, ∇f(y)],
///
/// with r = ½ ‖g‖ √(1 − (1 − ‖g‖²/(128 L²))²) and L the largest norm of a gradient met. Where ‖g‖ ≤ ε, x is (δ, ε)-stationary.
///
/// Here δ then becomes smaller by `factor`, from `start_radius` down to `radius`, so that the points get better; the
/// run ends at a (`radius`, `tolerance`)-stationary point. All points at which gradients are taken are random.
///
/// Source: Davis, Drusvyatskiy, Lee, Padmanabhan, Ye, "A gradient sampling method with complexity guarantees for Lipschitz
/// functions in high and low dimensions", NeurIPS 2022, Algorithms 1 and 2, Theorem 2.6.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingd {
    /// δ₀.
    pub start_radius: f64,
    /// By how much δ becomes smaller, in (0, 1).
    pub factor: f64,
    /// The δ that it ends with.
    pub radius: f64,
    /// ε.
    pub tolerance: f64,
    /// The most gradients in one search for g, after which δ becomes smaller too.
    pub inner: usize,
    /// The seed of the samples.
    pub seed: u64,
}

impl Default for Ingd {
    fn default() -> Ingd {
        Ingd { start_radius: 0.1, factor: 0.5, radius: 1e-7, tolerance: 1e-3, inner: 2000, seed: 0 }
    }
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "ingd",
    about: "Normalized steps of fixed length along nearly least elements of the Goldstein subdifferential; a bound on its work is known",
    formula: "x ← x − δ g/‖g‖, g ← argmin ‖[g, ∇f(y)]‖ with y on the segment that g failed to descend along",
    source: "Davis, Drusvyatskiy, Lee, Padmanabhan, Ye, NeurIPS 2022, Theorem 2.6",
    parameters: &[&[
        Parameter {
            name: "start-radius",
            meaning: "the length δ of the first steps",
            default: "0.1",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "radius",
            meaning: "the δ it ends with",
            default: "1e-7",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "tolerance",
            meaning: "the norm ε of the combination of gradients below which δ becomes smaller, and the run ends",
            default: "1e-3",
            range: Range::Open(0.0, f64::INFINITY),
        },
        SEED,
    ]],
    make: |s| {
        Ok(AnyMethod::new(Ingd {
            start_radius: s.real("start-radius"),
            radius: s.real("radius"),
            tolerance: s.real("tolerance"),
            seed: s.whole("seed"),
            ..Ingd::default()
        }))
    },
};

/// What the method carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    x: Vec<f64>,
    value: f64,
    radius: f64,
    /// L.
    largest: f64,
    measured: Option<Stationarity>,
    rng: ChaCha8Rng,
    end: Option<Status>,
}

/// How a search for an element of small norm ended.
enum Found {
    /// With ‖g‖ ≤ ε.
    Small,
    /// With a point of less value.
    Less(Vec<f64>, f64),
    /// With neither.
    Neither,
}

impl Ingd {
    /// Algorithm 1 of the paper.
    fn min_norm(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<Found> {
        let n = state.x.len();
        let first = moved(&state.x, state.radius, &in_ball(&mut state.rng, n));
        let mut g = vec![0.0; n];
        oracle.value_and_gradient(&first, &mut g)?;
        let mut scratch = vec![0.0; n];
        for _ in 0..self.inner {
            let length = norm(&g);
            state.largest = state.largest.max(length);
            state.measured = Some(Stationarity { norm: length, distance: state.radius, radius: Some(state.radius) });
            if length <= self.tolerance {
                return Ok(Found::Small);
            }
            let next = moved(&state.x, -state.radius / length, &g);
            let value = value_at(oracle, &next);
            if state.value - value >= 0.25 * state.radius * length {
                return Ok(Found::Less(next, value));
            }
            let cosine = 1.0 - length.powi(2) / (128.0 * state.largest.powi(2));
            let r = 0.5 * length * (1.0 - cosine.powi(2)).max(0.0).sqrt();
            let zeta = moved(&g, r, &in_ball(&mut state.rng, n));
            let t = uniform(&mut state.rng);
            let y = moved(&state.x, -t * state.radius / norm(&zeta), &zeta);
            let trial = Trial::of(oracle, &y, &mut scratch);
            if trial.value.is_finite() {
                state.largest = state.largest.max(norm(&scratch));
                g = nearest_on_segment(&g, &scratch);
            }
        }
        Ok(Found::Neither)
    }
}

/// The point of least norm of the segment from a to b.
fn nearest_on_segment(a: &[f64], b: &[f64]) -> Vec<f64> {
    let d: Vec<f64> = b.iter().zip(a).map(|(b, a)| b - a).collect();
    let squared = dot(&d, &d);
    let t = if squared > 0.0 { (-dot(a, &d) / squared).clamp(0.0, 1.0) } else { 0.0 };
    moved(a, t, &d)
}

impl Method for Ingd {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let mut gradient = vec![0.0; x.len()];
        let value = oracle.value_and_gradient(x, &mut gradient)?;
        let rng = ChaCha8Rng::seed_from_u64(self.seed);
        let radius = if is_zero(&gradient) { self.radius } else { self.start_radius };
        let mut state = State { x: x.to_vec(), value, radius, largest: 0.0, measured: None, rng, end: None };
        // At a tie a 0 may be an artifact of the formula: gradients nearby decide.
        if is_zero(&gradient) {
            match self.min_norm(oracle, &mut state)? {
                Found::Small => state.end = Some(Status::Converged),
                Found::Less(x, value) => {
                    (state.x, state.value, state.radius) = (x, value, self.start_radius);
                    state.measured = None;
                }
                Found::Neither => state.radius = self.start_radius,
            }
        }
        Ok(state)
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        match self.min_norm(oracle, state)? {
            Found::Less(x, value) => (state.x, state.value, state.measured) = (x, value, None),
            Found::Small if state.radius <= self.radius => state.end = Some(Status::Converged),
            Found::Neither if state.radius <= self.radius => state.end = Some(Status::Stalled),
            Found::Small | Found::Neither => state.radius = (self.factor * state.radius).max(self.radius),
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
            let n = state.x.len();
            let ball = Ball { radius: state.radius, samples: (2 * n).min(n + 10) };
            // Where there are no gradients about the point there is no measure, and the run is not lost for it.
            if let Ok((_, measured)) = ball.sample(oracle, &state.x, &mut state.rng) {
                state.measured = Some(measured);
            }
        }
        Ok(())
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        state.measured.iter().flat_map(|m| m.measures(self.tolerance, self.radius)).collect()
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        let statement = "for an f that is L-Lipschitz, a (δ, ε)-stationary point after at most 4Δ/(δε) steps, and with probability 1 − γ \
                         64 L²/ε² · 2 log(4Δ/(γδε)) gradients each, Δ = f(x₀) − inf f (Davis and others 2022, Theorem 2.6)";
        let mut violated = vec![];
        if !facts.tame() && !facts.convex() {
            violated.push(
                "the function is not known to be definable: what is computed may not be its gradient almost everywhere"
                    .into(),
            );
        }
        Guarantee::new(statement.into(), violated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_point_of_a_segment() {
        assert_eq!(nearest_on_segment(&[1.0, 1.0], &[1.0, -1.0]), [1.0, 0.0]);
        assert_eq!(nearest_on_segment(&[1.0, 1.0], &[2.0, 3.0]), [1.0, 1.0]);
        assert_eq!(nearest_on_segment(&[1.0, 1.0], &[1.0, 1.0]), [1.0, 1.0]);
    }
}
