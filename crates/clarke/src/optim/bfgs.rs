//! Nonsmooth BFGS.

use super::line_search::{Search, WeakWolfe};
use super::sampling::{Ball, SEED};
use super::stationarity::{Stationarity, distance, is_zero, least};
use super::{AnyMethod, Entry, Facts, Guarantee, Measure, Method, Oracle, Parameter, Range, Status, refuse};
use crate::error::Result;
use crate::set::{add_scaled, dot, norm};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// BFGS with the weak Wolfe line search, x_{k+1} = x_k − t_k H_k g_k, and with s = x_{k+1} − x_k, y = g_{k+1} − g_k
///
/// H_{k+1} = (I − ρ s yᵀ) H_k (I − ρ y sᵀ) + ρ s sᵀ, ρ = 1/⟨s, y⟩.
///
/// H₀ is I/‖g₀‖, and ⟨s, y⟩/⟨y, y⟩ · I once s and y are known. On nonsmooth functions H gets small eigenvalues along
/// which f is kinked, and that is what makes it work; nothing is done against it.
///
/// Stationarity is measured by the element of least norm of the hull of the last min(2n, n + 10, 100) gradients, as far as
/// their points lie within `radius` of the iterate (HANSO's pair of norm and distance). That is no stationarity in Goldstein's
/// sense, for which gradients at points of differentiability are asked for; after a line search that failed it is.
///
/// Where the line search finds no less value, f may have a kink at x along which a single gradient does not
/// descend (also at a start that is put on a kink). Then gradients are sampled about x in balls whose radii go down from
/// `radius` by 10: if the element of least norm of their hull descends, the method goes on from there with H as at the start.
/// At most `escapes` of these steps are made.
///
/// Source: Lewis, Overton, "Nonsmooth optimization via quasi-Newton methods", Math. Program. 141 (2013); the measure and the
/// sampling after a failed line search as in Overton's HANSO 2.
#[derive(Debug, Clone, PartialEq)]
pub struct Bfgs {
    /// The line search.
    pub search: WeakWolfe,
    /// It ends where the measured norm is at most this, with `radius`.
    pub tolerance: f64,
    /// How far points may lie from the iterate for their gradients to count, relative to max(1, ‖x‖₂).
    pub radius: f64,
    /// How often gradients are sampled after a line search that failed; less often where that would take more than 5000 gradients.
    pub escapes: u64,
    /// The seed of the samples.
    pub seed: u64,
}

impl Default for Bfgs {
    fn default() -> Bfgs {
        Bfgs { search: WeakWolfe::default(), tolerance: 1e-8, radius: 1e-6, escapes: 50, seed: 0 }
    }
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "bfgs",
    about: "Quasi-Newton steps, for functions that need not be convex, of up to some thousand variables",
    formula: "x ← x − t H g, H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ",
    source: "Lewis, Overton, Math. Program. 141 (2013)",
    parameters: &[&[
        Parameter {
            name: "tolerance",
            meaning: "the norm of the combination of recent gradients it ends with",
            default: "1e-8",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "radius",
            meaning: "how far from the iterate they may have been taken, relative to max(1, ‖x‖)",
            default: "1e-6",
            range: Range::Open(0.0, f64::INFINITY),
        },
        Parameter {
            name: "escapes",
            meaning: "how often gradients are sampled after a line search that failed",
            default: "50",
            range: Range::Whole(0, 1_000_000),
        },
        SEED,
    ]],
    make: |s| {
        Ok(AnyMethod::new(Bfgs {
            tolerance: s.real("tolerance"),
            radius: s.real("radius"),
            escapes: s.whole("escapes"),
            seed: s.whole("seed"),
            ..Bfgs::default()
        }))
    },
};

/// The most variables: H of as many takes 0.8 GB.
pub(super) const MOST: usize = 10_000;

/// The most gradients that are sampled after failed line searches, all together.
const ESCAPING: u64 = 5000;

/// What the method carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    /// H, row after row; symmetric.
    inverse: Vec<f64>,
    /// Whether H is still a multiple of I that no step has been made with.
    fresh: bool,
    /// Recent points with their gradients, the last one first.
    recent: VecDeque<(Vec<f64>, Vec<f64>)>,
    measured: Option<Stationarity>,
    rng: ChaCha8Rng,
    escapes: u64,
    end: Option<Status>,
}

impl State {
    /// H becomes a multiple of I, with which the next step tries this length first.
    fn restart(&mut self, length: f64) {
        let n = self.x.len();
        let scale = length / norm(&self.gradient).max(f64::MIN_POSITIVE);
        self.inverse.fill(0.0);
        (0..n).for_each(|i| self.inverse[i * n + i] = scale);
        self.fresh = true;
        self.recent.clear();
    }

    fn direction(&self) -> Vec<f64> {
        let n = self.x.len();
        self.inverse.chunks_exact(n).map(|row| -dot(row, &self.gradient)).collect()
    }

    /// The update for the step to a new point. Without ⟨s, y⟩ > 0, as where the line search found a decrease only, H stays.
    fn update(&mut self, s: &[f64], y: &[f64]) {
        let n = s.len();
        let sy = dot(s, y);
        if sy <= f64::EPSILON * norm(s) * norm(y) {
            return;
        }
        if self.fresh {
            let scale = sy / dot(y, y);
            self.inverse.fill(0.0);
            (0..n).for_each(|i| self.inverse[i * n + i] = scale);
            self.fresh = false;
        }
        let hy: Vec<f64> = self.inverse.chunks_exact(n).map(|row| dot(row, y)).collect();
        let along = (1.0 + dot(y, &hy) / sy) / sy;
        for (i, row) in self.inverse.chunks_exact_mut(n).enumerate() {
            add_scaled(row, along * s[i] - hy[i] / sy, s);
            add_scaled(row, -s[i] / sy, &hy);
        }
    }

    /// How it ends where no less value is found.
    fn ended(&self, tolerance: f64) -> Status {
        let met = self.measured.as_ref().is_some_and(|m| m.norm <= tolerance);
        if met { Status::Converged } else { Status::Stalled }
    }

    fn remember(&mut self) {
        let n = self.x.len();
        self.recent.push_front((self.x.clone(), self.gradient.clone()));
        self.recent.truncate((2 * n).min(n + 10).min(100));
    }
}

impl Bfgs {
    fn reach(&self, x: &[f64]) -> f64 {
        self.radius * norm(x).max(1.0)
    }

    /// The pair of norm and distance.
    fn measure(&self, state: &State) -> Result<Stationarity> {
        let reach = self.reach(&state.x);
        let near = |q: &&(Vec<f64>, Vec<f64>)| distance(&q.0, &state.x) <= reach;
        let (mut gradients, mut distances) = (vec![], vec![]);
        for (x, g) in state.recent.iter().filter(near) {
            gradients.push(g.clone());
            distances.push(distance(x, &state.x));
        }
        let (vector, distance) = least(&gradients, &distances)?;
        Ok(Stationarity { norm: norm(&vector), distance, radius: None })
    }

    /// After a line search that failed: gradients about x, in smaller and smaller balls.
    fn escape(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<bool> {
        // The least element promises a decrease by its norm times the radius: much shorter steps find rounding.
        let short = WeakWolfe { trials: 30, ..self.search.clone() };
        let mut radius = self.reach(&state.x);
        let n = state.x.len();
        let samples = (2 * n).min(n + 10);
        let most = self.escapes.min(ESCAPING / samples as u64 + 1);
        while radius >= 1e-14 * norm(&state.x).max(1.0) && state.escapes < most {
            state.escapes += 1;
            let ball = Ball { radius, samples };
            let (vector, measured) = ball.sample(oracle, &state.x, &mut state.rng)?;
            let length = state.measured.insert(measured).norm;
            if length <= self.tolerance {
                return Ok(false);
            }
            // The line search asks for unit steps first; the ball's radius is what the measure promises a decrease for.
            let d: Vec<f64> = vector.iter().map(|v| -v * radius / length).collect();
            let slope = -length * radius;
            match short.search(oracle, &state.x, state.value, slope, &d) {
                Search::Wolfe(step) | Search::Decrease(step) => {
                    let length = distance(&step.x, &state.x);
                    (state.x, state.value, state.gradient) = (step.x, step.value, step.gradient);
                    state.restart(length);
                    return Ok(true);
                }
                Search::Nowhere(_) => radius *= 0.1,
            }
        }
        Ok(false)
    }
}

impl Method for Bfgs {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let n = x.len();
        if n > MOST {
            let rule = format!("BFGS keeps a matrix of their square, for at most {MOST}; take the method bundle");
            return Err(refuse("bfgs", "number of variables", &n.to_string(), rule));
        }
        let mut gradient = vec![0.0; n];
        let value = oracle.value_and_gradient(x, &mut gradient)?;
        let mut state = State {
            x: x.to_vec(),
            value,
            gradient,
            inverse: vec![0.0; n * n],
            fresh: true,
            recent: VecDeque::new(),
            measured: None,
            rng: ChaCha8Rng::seed_from_u64(self.seed),
            escapes: 0,
            end: None,
        };
        state.restart(1.0);
        state.remember();
        // At a tie a 0 may be an artifact of the formula: gradients nearby decide, and descend if it is one.
        if is_zero(&state.gradient) && !self.escape(oracle, &mut state)? {
            state.end = Some(state.ended(self.tolerance));
        }
        Ok(state)
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        let mut d = state.direction();
        let mut slope = dot(&d, &state.gradient);
        if slope.is_nan() || slope >= 0.0 {
            // Rounding took positive definiteness from H.
            state.restart(1.0);
            d = state.direction();
            slope = dot(&d, &state.gradient);
        }
        let found = match slope < 0.0 {
            true => self.search.search(oracle, &state.x, state.value, slope, &d),
            false => Search::Nowhere(None),
        };
        match found {
            Search::Wolfe(step) | Search::Decrease(step) => {
                let s: Vec<f64> = step.x.iter().zip(&state.x).map(|(a, b)| a - b).collect();
                let y: Vec<f64> = step.gradient.iter().zip(&state.gradient).map(|(a, b)| a - b).collect();
                (state.x, state.value, state.gradient) = (step.x, step.value, step.gradient);
                state.update(&s, &y);
            }
            Search::Nowhere(Some(error)) if state.fresh => return Err(error),
            Search::Nowhere(_) => {
                if !self.escape(oracle, state)? {
                    state.end = Some(state.ended(self.tolerance));
                    return Ok(());
                }
            }
        }
        state.remember();
        // The measure costs as much as dozens of steps: it is taken where the last step was within its radius.
        let near = state.recent.get(1).is_some_and(|(x, _)| distance(x, &state.x) <= self.reach(&state.x));
        if near || norm(&state.gradient) <= self.tolerance {
            let measured = self.measure(state)?;
            if measured.norm <= self.tolerance {
                state.end = Some(Status::Converged);
            }
            state.measured = Some(measured);
        }
        Ok(())
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.end
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        let radius = self.reach(&state.x);
        state.measured.iter().flat_map(|m| m.measures(self.tolerance, radius)).collect()
    }

    fn guarantee(&self, _: Facts) -> Guarantee {
        let missing = "no theorem covers BFGS on nonsmooth functions of several variables, although it is seen to converge to \
                       Clarke critical points of semialgebraic ones (Lewis, Overton 2013); norm and distance, measured at \
                       the end, say how near it came";
        Guarantee::new(String::new(), vec![missing.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_update_maps_y_to_s_and_keeps_symmetry() {
        let state = &mut State {
            x: vec![0.0; 3],
            value: 0.0,
            gradient: vec![1.0, 2.0, 2.0],
            inverse: vec![0.0; 9],
            fresh: true,
            recent: VecDeque::new(),
            measured: None,
            rng: ChaCha8Rng::seed_from_u64(0),
            escapes: 0,
            end: None,
        };
        state.restart(1.0);
        assert_eq!(state.direction(), [-1.0 / 3.0, -2.0 / 3.0, -2.0 / 3.0]);
        for (s, y) in [([1.0, 0.5, -1.0], [2.0, 1.0, 0.25]), ([0.1, -0.5, 2.0], [1.0, -1.0, 3.0])] {
            state.update(&s, &y);
            let hy: Vec<f64> = state.inverse.chunks_exact(3).map(|row| dot(row, &y)).collect();
            assert!(distance(&hy, &s) < 1e-14);
            assert!((0..9).all(|k| (state.inverse[k] - state.inverse[k % 3 * 3 + k / 3]).abs() < 1e-15));
        }
    }
}
