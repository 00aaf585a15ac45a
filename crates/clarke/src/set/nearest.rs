//! Least squares over a cube: min ½ ‖G s − c‖² for s ∈ [0, 1]ᵏ, with a duality gap.
//!
//! Phase one takes proximal steps s ← argmin ½ ‖G s − c‖² + ‖s − s₀‖²/(2τ). The dual of such a step, in y ∈ Rⁿ, is
//! smooth, strongly convex and piecewise quadratic, and a semismooth Newton method with the generalized Hessian I + τ G_F G_Fᵀ (F: the
//! entries of s strictly between the bounds) ends after finitely many steps (Li, Sun, Toh 2018, for the lasso). Phase two is the active set
//! method for bounded least squares (Stark, Parker 1995) on the generators that are still free.

use super::factor::Factor;
use super::zonotope::Generators;
use super::{add_scaled, dot, minus, norm};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// A point of the cube, with its residual r = c − G s and its duality gap.
pub(super) struct Found {
    pub s: Vec<f64>,
    pub r: Vec<f64>,
    pub gap: f64,
    pub steps: usize,
    pub converged: bool,
}

/// The largest system that is solved directly, and the most multiplications that setting it up may take.
const DIRECT: usize = 1500;
const MULTIPLICATIONS: usize = 1 << 32;

/// The largest number of entries of columns that are held at once.
const HELD: usize = 1 << 25;

const PROXIMAL_STEPS: usize = 60;
const NEWTON_STEPS: usize = 60;

/// Solves the problem. `relative_gap` is that of the gap to ½ ‖G s − c‖².
pub(super) fn solve<G: Generators>(g: &G, c: &[f64], relative_gap: f64) -> Found {
    let mut search = Search::new(g, c, relative_gap);
    search.proximal();
    if !search.done() {
        search.active_set();
    }
    let Search { s, r, gap, steps, .. } = &search;
    Found { s: s.clone(), r: r.clone(), gap: *gap, steps: *steps, converged: search.done() }
}

struct Search<'a, G> {
    g: &'a G,
    c: &'a [f64],
    relative_gap: f64,
    s: Vec<f64>,
    /// c − G s.
    r: Vec<f64>,
    /// Gᵀ r.
    q: Vec<f64>,
    gap: f64,
    /// The largest of ‖c‖, ‖G‖₂ and the residuals met.
    scale: f64,
    steps: usize,
}

impl<'a, G: Generators> Search<'a, G> {
    fn new(g: &'a G, c: &'a [f64], relative_gap: f64) -> Self {
        let s = vec![0.5; g.count()];
        let mut search = Search { g, c, relative_gap, s, r: vec![], q: vec![], gap: 0.0, scale: norm(c), steps: 0 };
        search.refresh();
        search
    }

    /// Residual, slopes and gap of the present s.
    fn refresh(&mut self) {
        self.steps += 2;
        self.r = minus(self.c, &self.g.apply(&self.s));
        self.q = self.g.apply_transpose(&self.r);
        self.gap = self.s.iter().zip(&self.q).map(|(s, q)| if *q > 0.0 { (1.0 - s) * q } else { -s * q }).sum();
        self.scale = self.scale.max(norm(&self.r));
    }

    fn done(&self) -> bool {
        let least = 0.5 * dot(&self.r, &self.r);
        self.gap <= (self.relative_gap * least).max(64.0 * f64::EPSILON * self.scale * self.scale)
    }

    /// A bound from below of the largest eigenvalue of Gᵀ G, by the power method.
    fn curvature(&mut self) -> f64 {
        let mut v: Vec<f64> = (0..self.s.len()).map(|i| 1.0 + (i as f64 * 0.618_033_988_749_894_8).fract()).collect();
        let mut value = 0.0;
        for _ in 0..10 {
            let length = norm(&v);
            if length == 0.0 {
                break;
            }
            v.iter_mut().for_each(|v| *v /= length);
            let image = self.g.apply(&v);
            value = dot(&image, &image);
            v = self.g.apply_transpose(&image);
            self.steps += 2;
        }
        value
    }

    /// Phase one. Ends when done, or when exact least squares on the free generators can take over.
    fn proximal(&mut self) {
        let curvature = self.curvature();
        if curvature == 0.0 {
            return;
        }
        // Sums of generators round relative to them, also where they cancel.
        self.scale = self.scale.max(curvature.sqrt());
        // At first a typical entry moves by about 1; larger steps lose digits in the Newton systems.
        let slope = norm(&self.q) / (self.q.len() as f64).sqrt();
        let largest = 1e6 / curvature;
        let mut tau = if slope > 0.0 { (1.0 / slope).min(largest) } else { largest };
        for _ in 0..PROXIMAL_STEPS {
            if self.done() {
                return;
            }
            let (s, r, gap) = (self.s.clone(), self.r.clone(), self.gap);
            self.proximal_step(tau);
            self.refresh();
            // Rounding makes a step worse than none.
            if dot(&self.r, &self.r) > dot(&r, &r) * (1.0 + 1e-9) && self.gap > gap {
                self.s = s;
                self.refresh();
                return;
            }
            if self.gap < 1e-9 * self.scale * self.scale && self.gap > 0.5 * gap {
                return;
            }
            tau = (10.0 * tau).min(largest);
        }
    }

    /// s at y: where s₀ + τ Gᵀ y is cut to the cube.
    fn cut(&self, tau: f64, slopes: &[f64]) -> Vec<f64> {
        self.s.iter().zip(slopes).map(|(s, q)| (s + tau * q).clamp(0.0, 1.0)).collect()
    }

    /// The dual objective ½ ‖y‖² − ⟨c, y⟩ + Σ s q − (s − s₀)²/(2τ).
    fn dual(&self, tau: f64, y: &[f64], slopes: &[f64], s: &[f64]) -> f64 {
        let mut sum = 0.5 * dot(y, y) - dot(self.c, y);
        for ((s, s0), q) in s.iter().zip(&self.s).zip(slopes) {
            sum += s * q - (s - s0).powi(2) / (2.0 * tau);
        }
        sum
    }

    fn proximal_step(&mut self, tau: f64) {
        let mut y = self.r.clone();
        let mut slopes = self.q.clone();
        let mut s = self.cut(tau, &slopes);
        for _ in 0..NEWTON_STEPS {
            let mut gradient = minus(&y, self.c);
            add_scaled(&mut gradient, 1.0, &self.g.apply(&s));
            self.steps += 1;
            if norm(&gradient) <= 1e-13 * self.scale {
                break;
            }
            let free: Vec<usize> = (0..s.len()).filter(|i| s[*i] > 0.0 && s[*i] < 1.0).collect();
            let step = self.newton(tau, &free, &gradient);
            let along = dot(&step, &gradient);
            let value = self.dual(tau, &y, &slopes, &s);
            let slack = 1e-14 * (value.abs() + self.scale * self.scale);
            let step_slopes = self.g.apply_transpose(&step);
            self.steps += 1;
            let mut t = 1.0;
            loop {
                let next: Vec<f64> = y.iter().zip(&step).map(|(y, d)| y - t * d).collect();
                let next_slopes: Vec<f64> = slopes.iter().zip(&step_slopes).map(|(q, d)| q - t * d).collect();
                let next_s = self.cut(tau, &next_slopes);
                if t < 1e-10 || self.dual(tau, &next, &next_slopes, &next_s) <= value - 1e-4 * t * along + slack {
                    (y, slopes, s) = (next, next_slopes, next_s);
                    break;
                }
                t *= 0.5;
            }
            if t < 1e-10 {
                break;
            }
        }
        self.s = s;
    }

    /// (I + τ G_F G_Fᵀ)⁻¹ v: directly, in the smaller of the two dimensions, or by conjugate gradients.
    fn newton(&mut self, tau: f64, free: &[usize], v: &[f64]) -> Vec<f64> {
        let (n, f) = (v.len(), free.len());
        if f == 0 {
            return v.to_vec();
        }
        if n.min(f) > DIRECT || n * f > HELD || n * f * n.min(f) > MULTIPLICATIONS {
            return self.conjugate_gradients(tau, free, v);
        }
        let columns: Vec<Vec<f64>> = free.iter().map(|i| self.g.column(*i)).collect();
        let a = Mat::from_fn(n, f, |i, j| columns[j][i]);
        let solved = if n <= f {
            let mut h = &a * a.transpose() * faer::Scale(tau);
            (0..n).for_each(|i| h[(i, i)] += 1.0);
            h.llt(Side::Lower).ok().map(|l| l.solve(Mat::from_fn(n, 1, |i, _| v[i]))).map(|x| column(&x))
        } else {
            // Woodbury: v − G_F (I/τ + G_Fᵀ G_F)⁻¹ G_Fᵀ v.
            let mut h = a.transpose() * &a;
            (0..f).for_each(|i| h[(i, i)] += 1.0 / tau);
            let right = a.transpose() * Mat::from_fn(n, 1, |i, _| v[i]);
            h.llt(Side::Lower).ok().map(|l| &a * l.solve(right)).map(|x| minus(v, &column(&x)))
        };
        solved
            .filter(|x| x.iter().all(|x| x.is_finite()) && dot(x, v) > 0.0)
            .unwrap_or_else(|| self.conjugate_gradients(tau, free, v))
    }

    fn conjugate_gradients(&mut self, tau: f64, free: &[usize], v: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; v.len()];
        let mut rest = v.to_vec();
        let mut direction = v.to_vec();
        let mut square = dot(&rest, &rest);
        // Newton steps that become exact as the gradient vanishes keep the method's speed.
        let enough = (norm(v) * (norm(v) / self.scale).clamp(1e-10, 1e-2)).powi(2);
        for _ in 0..500 {
            if square <= enough {
                break;
            }
            let slopes = self.g.apply_transpose(&direction);
            let mut masked = vec![0.0; slopes.len()];
            free.iter().for_each(|i| masked[*i] = tau * slopes[*i]);
            let mut image = self.g.apply(&masked);
            self.steps += 2;
            add_scaled(&mut image, 1.0, &direction);
            let t = square / dot(&direction, &image);
            add_scaled(&mut x, t, &direction);
            add_scaled(&mut rest, -t, &image);
            let next = dot(&rest, &rest);
            direction = rest.iter().zip(&direction).map(|(r, d)| r + next / square * d).collect();
            square = next;
        }
        x
    }
}

fn column(x: &Mat<f64>) -> Vec<f64> {
    (0..x.nrows()).map(|i| x[(i, 0)]).collect()
}

/// A variable this near to a bound that its slope points to is set to the bound.
const SNAP: f64 = 1e-9;

/// How many variables may enter the active set, beside those that are free at first.
const ENTERING: usize = 20_000;

/// The free variables, whose generators are independent.
struct Free {
    index: Vec<usize>,
    columns: Vec<Vec<f64>>,
    factor: Factor,
}

impl Free {
    fn remove(&mut self, at: usize) {
        self.index.remove(at);
        self.columns.remove(at);
        self.factor.remove(at);
    }

    fn push(&mut self, i: usize, column: Vec<f64>) -> bool {
        let joined = self.factor.push(&column);
        if joined {
            self.index.push(i);
            self.columns.push(column);
        }
        joined
    }
}

impl<G: Generators> Search<'_, G> {
    /// Phase two: least squares on the free variables, which leave at their bounds, and enter where their slope says so.
    fn active_set(&mut self) {
        let n = self.c.len();
        if n.saturating_mul(n.min(self.s.len())) > HELD {
            return;
        }
        for (s, q) in self.s.iter_mut().zip(&self.q) {
            if *s < SNAP && *q <= 0.0 {
                *s = 0.0;
            } else if *s > 1.0 - SNAP && *q >= 0.0 {
                *s = 1.0;
            }
        }
        let mut free = self.independent();
        let mut best = (f64::INFINITY, self.s.clone());
        let mut blocked = vec![false; self.s.len()];
        let mut idle = 0;
        for _ in 0..ENTERING {
            self.least_squares(&mut free);
            self.refresh();
            let value = dot(&self.r, &self.r);
            if value < best.0 * (1.0 - 1e-15) {
                idle = 0;
                best = (value, self.s.clone());
            } else {
                idle += 1;
            }
            if self.done() || idle > 20 {
                break;
            }
            let Some(entering) = self.entering(&free, &blocked) else { break };
            // Slopes of the free generators vanish, so that one with a slope is independent of them, up to rounding.
            blocked[entering] = !free.push(entering, self.g.column(entering));
        }
        if !self.done() && best.0 < dot(&self.r, &self.r) {
            self.s = best.1;
            self.refresh();
        }
    }

    /// The variable at a bound whose slope contributes most to the gap.
    fn entering(&self, free: &Free, blocked: &[bool]) -> Option<usize> {
        let wrong =
            |i: &usize| if self.q[*i] > 0.0 { (1.0 - self.s[*i]) * self.q[*i] } else { -self.s[*i] * self.q[*i] };
        (0..self.s.len())
            .filter(|i| !blocked[*i] && wrong(i) > 0.0 && !free.index.contains(i))
            .max_by(|i, j| wrong(i).total_cmp(&wrong(j)))
    }

    /// Makes the free generators independent without moving G s (Carathéodory): along a combination that vanishes the
    /// variables move until one meets a bound.
    fn independent(&mut self) -> Free {
        let mut free = Free { index: vec![], columns: vec![], factor: Factor::default() };
        let inner: Vec<usize> = (0..self.s.len()).filter(|i| self.s[*i] > 0.0 && self.s[*i] < 1.0).collect();
        for i in inner {
            let column = self.g.column(i);
            while !free.push(i, column.clone()) {
                let mut moves = free.factor.least_squares(&column);
                moves.iter_mut().for_each(|z| *z = -*z);
                let members: Vec<usize> = free.index.iter().copied().chain([i]).collect();
                moves.push(1.0);
                let up = self.reach(&members, &moves);
                let down = self.reach(&members, &moves.iter().map(|z| -z).collect::<Vec<_>>());
                let (t, at) = if up.0 <= down.0 { up } else { (-down.0, down.1) };
                self.walk(&members, &moves, t, at);
                if at == free.index.len() {
                    break;
                }
                free.remove(at);
            }
        }
        free
    }

    /// How far the members can move before the first meets a bound, and which it is.
    fn reach(&self, members: &[usize], moves: &[f64]) -> (f64, usize) {
        let room = |(at, (i, z)): (usize, (&usize, &f64))| {
            let room = if *z > 0.0 { (1.0 - self.s[*i]) / z } else { self.s[*i] / -z };
            (if *z == 0.0 { f64::INFINITY } else { room }, at)
        };
        members.iter().zip(moves).enumerate().map(room).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0))
    }

    /// Moves the members by t, the one that is stopped exactly to its bound.
    fn walk(&mut self, members: &[usize], moves: &[f64], t: f64, stopped: usize) {
        for (i, z) in members.iter().zip(moves) {
            self.s[*i] = (self.s[*i] + t * z).clamp(0.0, 1.0);
        }
        let s = &mut self.s[members[stopped]];
        *s = s.round();
    }

    /// Least squares on the free variables, as far as their bounds allow; those that meet one are no longer free.
    fn least_squares(&mut self, free: &mut Free) {
        while free.factor.len() > 0 {
            self.r = minus(self.c, &self.g.apply(&self.s));
            self.steps += 1;
            let moves = free.factor.least_squares(&self.r);
            let (room, at) = self.reach(&free.index, &moves);
            if room > 1.0 {
                for (i, z) in free.index.iter().zip(&moves) {
                    self.s[*i] += z;
                }
                return;
            }
            self.walk(&free.index, &moves, room, at);
            free.remove(at);
        }
    }
}
