//! The prox-linear method.

use super::stationarity::moved;
use super::{AnyMethod, Composite, Entry, Facts, Guarantee, Measure, Method, Oracle, Parameter, Range, Status};
use crate::error::{Error, Result};
use crate::set::{dot, norm, tilted_min_norm};
use serde::{Deserialize, Serialize};

/// The prox-linear method for f(x) = h(c(x)), h convex, c smooth with Jacobian J:
///
/// x⁺ = x + d, d = argmin_d h(c(x) + J(x) d) + ‖d‖²/(2t).
///
/// The step is taken if f falls by a tenth of what the model predicts, f(x) − h(c(x) + J d). Then t grows by 3 if it fell by
/// 7/10 of that; otherwise t shrinks towards 1/L, L = 2 |f(x + d) − h(c + J d)|/‖d‖² (by 2 at least and by 10 at most).
///
/// The subproblem is solved by cutting planes of h, h(z) ≥ h(z_j) + ⟨w_j, z − z_j⟩: they hold at all x, so that those with a
/// weight are kept from step to step, with gradients Jᵀ w_j. Planes join until the gap between the model and its
/// cutting planes is at most 1/100 of ‖d‖²/(2t), or there are 2 min(n, m) + 50 new ones; after ten such subproblems in a row, as sums of
/// many kinks in many variables have them, the method ends as stalled.
///
/// Stationarity is the norm ‖d‖/t of the proximal gradient mapping at min(t, 1), of which
/// (‖d‖ + √(2 t gap))/min(t, 1) is a bound: ‖d_t‖ grows with t, ‖d_t‖/t shrinks. Where it is ε, a point within distance ε of x
/// has an element of the subdifferential of norm O(ε). What rounding makes of the gap is not counted.
///
/// Where f is not known in parts ([`Oracle::parts`]), or h is not convex by structure but f is said to be convex, h is f and c
/// the identity: the proximal point method.
///
/// Source: Drusvyatskiy, Paquette, "Efficiency of minimizing compositions of convex functions and smooth maps", Math. Program. 178
/// (2019); Lewis, Wright, "A proximal method for composite minimization", Math. Program. 158 (2016); quadratic convergence to sharp
/// minima: Burke, Ferris, "A Gauss-Newton method for convex composite optimization", Math. Program. 71 (1995).
#[derive(Debug, Clone, PartialEq)]
pub struct ProxLinear {
    /// The bound on the proximal gradient mapping that it ends with. Steps whose decrease is lost in the rounding of values
    /// have mappings of about 10⁻⁸: no less can be asked for where minima are not sharp.
    pub tolerance: f64,
}

impl Default for ProxLinear {
    fn default() -> ProxLinear {
        ProxLinear { tolerance: 1e-7 }
    }
}

/// The method's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "prox-linear",
    about: "Smooth parts replaced by their linearizations, kinks kept: for compositions of convex functions with smooth ones",
    formula: "x ← x + argmin_d h(c(x) + J(x) d) + ‖d‖²/(2t), f = h ∘ c",
    source: "Drusvyatskiy, Paquette, Math. Program. 178 (2019); Lewis, Wright, Math. Program. 158 (2016)",
    parameters: &[&[Parameter {
        name: "tolerance",
        meaning: "the norm of the proximal gradient mapping that it ends with",
        default: "1e-7",
        range: Range::Open(0.0, f64::INFINITY),
    }]],
    make: |s| Ok(AnyMethod::new(ProxLinear { tolerance: s.real("tolerance") })),
};

/// A cutting plane of h: h(z) ≥ ⟨w, z⟩ + b.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cut {
    w: Vec<f64>,
    b: f64,
    /// Jᵀ w at x.
    row: Vec<f64>,
}

/// What the method carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Whether f is taken apart; otherwise c is the identity.
    apart: bool,
    x: Vec<f64>,
    value: f64,
    /// c(x).
    c: Vec<f64>,
    cuts: Vec<Cut>,
    weights: Vec<f64>,
    t: f64,
    /// ‖d‖, the gap and t of the last subproblem.
    solved: Option<(f64, f64, f64)>,
    /// Subproblems in a row whose gap stayed open.
    open: u32,
    /// Steps in a row at which f could not be evaluated, and the last error.
    failures: u32,
    #[serde(skip)]
    failure: Option<Error>,
    end: Option<Status>,
}

/// The least part of the predicted decrease that a step must bring.
const SUFFICIENT: f64 = 0.1;

/// The part of it after which t grows.
const GOOD: f64 = 0.7;

/// The gap of the subproblem, relative to ‖d‖²/(2t).
const GAP: f64 = 0.01;

/// The largest t, relative to max(1, |f|)/‖g‖²: more is lost to rounding.
const LONGEST: f64 = 1e6;

/// Subproblems in a row whose gap may stay open.
const OPEN: u32 = 10;

/// Steps in a row that may fail, each with a tenth of t.
const FAILURES: u32 = 40;

/// f as h, with c the identity.
struct Whole<'a>(&'a mut dyn Oracle);

impl Composite for Whole<'_> {
    fn width(&mut self) -> usize {
        self.0.dimension()
    }

    fn inner(&mut self, x: &[f64], c: &mut [f64]) -> Result<()> {
        c.copy_from_slice(x);
        Ok(())
    }

    fn forward(&mut self, _: &[f64], d: &[f64], out: &mut [f64]) -> Result<()> {
        out.copy_from_slice(d);
        Ok(())
    }

    fn backward(&mut self, _: &[f64], w: &[f64], out: &mut [f64]) -> Result<()> {
        out.copy_from_slice(w);
        Ok(())
    }

    fn outer(&mut self, c: &[f64], element: &mut [f64]) -> Result<f64> {
        self.0.value_and_gradient(c, element)
    }
}

/// Looks at f in its parts, or as a whole.
fn view<R>(oracle: &mut dyn Oracle, apart: bool, look: impl FnOnce(&mut dyn Composite) -> R) -> R {
    if apart && let Some(parts) = oracle.composite() {
        return look(parts);
    }
    look(&mut Whole(oracle))
}

/// h at a point, with the plane that touches it there.
fn cut(view: &mut dyn Composite, x: &[f64], z: &[f64]) -> Result<(f64, Cut)> {
    let mut w = vec![0.0; z.len()];
    let value = view.outer(z, &mut w)?;
    let b = value - dot(&w, z);
    let row = row(view, x, &w)?;
    Ok((value, Cut { w, b, row }))
}

/// Jᵀ w.
fn row(view: &mut dyn Composite, x: &[f64], w: &[f64]) -> Result<Vec<f64>> {
    let mut row = vec![0.0; x.len()];
    view.backward(x, w, &mut row)?;
    Ok(row)
}

/// The solution of a subproblem.
struct Step {
    d: Vec<f64>,
    /// h(c + J d).
    model: f64,
    gap: f64,
}

impl State {
    /// α_j = h(c) − (⟨w_j, c⟩ + b_j), nonnegative if h is convex.
    fn offset(&self, cut: &Cut) -> f64 {
        (self.value - dot(&cut.w, &self.c) - cut.b).max(0.0)
    }

    /// What of a difference of values rounding may make.
    fn rounding(&self) -> f64 {
        4.0 * f64::EPSILON * self.value.abs().max(1.0)
    }

    /// What of a gap the rounding of values and of the subproblem's solution may make.
    fn doubt(&self) -> f64 {
        self.rounding() + 16.0 * f64::EPSILON * self.t * self.steepest()
    }

    /// The largest ‖Jᵀ w_j‖₂².
    fn steepest(&self) -> f64 {
        self.cuts.iter().map(|c| dot(&c.row, &c.row)).fold(0.0, f64::max)
    }

    /// Solves the subproblem. The points at which h cannot be evaluated count as failures of the step.
    fn solve(&mut self, view: &mut dyn Composite) -> Result<Step> {
        let (n, m, t) = (self.x.len(), self.c.len(), self.t);
        let most = 2 * n.min(m) + 50;
        let mut made = 0;
        loop {
            let rows: Vec<Vec<f64>> = self.cuts.iter().map(|c| c.row.clone()).collect();
            let offsets: Vec<f64> = self.cuts.iter().map(|c| self.offset(c) / t).collect();
            let found = tilted_min_norm(&rows, &offsets, &self.weights, 20 * (n + rows.len()));
            self.weights = found.weights;
            let d: Vec<f64> = found.point.iter().map(|p| -t * p).collect();
            let below = -t * (dot(&found.point, &found.point) + found.offset);
            let mut z = vec![0.0; m];
            view.forward(&self.x, &d, &mut z)?;
            z.iter_mut().zip(&self.c).for_each(|(z, c)| *z += c);
            let (model, cut) = cut(view, &self.x, &z)?;
            let gap = (model - self.value - below - self.doubt()).max(0.0);
            made += 1;
            let closed = gap <= GAP * 0.5 * t * dot(&found.point, &found.point);
            if closed || made >= most {
                self.open = if closed { 0 } else { self.open + 1 };
                return Ok(Step { d, model, gap });
            }
            self.join(cut, most);
        }
    }

    /// A plane joins; if there are too many, those without weight leave, the oldest first.
    fn join(&mut self, cut: Cut, most: usize) {
        while self.cuts.len() >= 2 * most {
            let Some(k) = (0..self.cuts.len()).find(|k| self.weights[*k] == 0.0) else { break };
            self.cuts.remove(k);
            self.weights.remove(k);
        }
        self.cuts.push(cut);
        self.weights.push(0.0);
    }

    /// The largest t.
    fn longest(&self) -> f64 {
        LONGEST * self.value.abs().max(1.0) / self.steepest().max(f64::MIN_POSITIVE)
    }

    /// Moves to a point where c and the touching plane are known.
    fn accept(&mut self, view: &mut dyn Composite, x: Vec<f64>, c: Vec<f64>, value: f64, cut: Cut) -> Result<()> {
        let mut weights = self.weights.iter();
        self.cuts.retain(|_| weights.next().is_some_and(|w| *w > 0.0));
        self.weights.retain(|w| *w > 0.0);
        for cut in &mut self.cuts {
            cut.row = row(view, &x, &cut.w)?;
        }
        (self.x, self.c, self.value) = (x, c, value);
        self.cuts.push(cut);
        self.weights.push(0.0);
        Ok(())
    }

    /// The bound on the norm of the proximal gradient mapping.
    fn mapping(&self) -> f64 {
        self.solved.map_or(f64::INFINITY, |(length, gap, t)| (length + (2.0 * t * gap).sqrt()) / t.min(1.0))
    }

    /// A step at which something could not be evaluated: t becomes shorter.
    fn failed(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        self.t *= 0.1;
        if self.failures > FAILURES {
            return Err(error);
        }
        self.failure = Some(error);
        Ok(())
    }
}

impl ProxLinear {
    /// One step.
    fn advance(&self, view: &mut dyn Composite, state: &mut State) -> Result<()> {
        let step = match state.solve(view) {
            Ok(step) => step,
            Err(error) => return state.failed(error),
        };
        state.solved = Some((norm(&step.d), step.gap, state.t));
        let converged = state.mapping() <= self.tolerance;
        let nothing = state.value - step.model <= state.rounding() || moved(&state.x, 1.0, &step.d) == state.x;
        if !nothing && let Err(error) = self.attempt(view, state, step) {
            return state.failed(error);
        }
        // Cutting planes are too few for sums of many kinks in many variables.
        if converged || nothing || state.open >= OPEN {
            state.end = Some(if converged { Status::Converged } else { Status::Stalled });
            return if converged { Ok(()) } else { state.failure.take().map_or(Ok(()), Err) };
        }
        Ok(())
    }

    /// Tries the step.
    fn attempt(&self, view: &mut dyn Composite, state: &mut State, step: Step) -> Result<()> {
        let x = moved(&state.x, 1.0, &step.d);
        let mut c = vec![0.0; state.c.len()];
        let predicted = state.value - step.model;
        view.inner(&x, &mut c)?;
        let (value, cut) = cut(view, &x, &c)?;
        (state.failures, state.failure) = (0, None);
        let got = state.value - value;
        let curvature = 2.0 * (value - step.model).abs() / dot(&step.d, &step.d);
        let taken = predicted > 0.0 && got >= SUFFICIENT * predicted && got > 0.0;
        if taken {
            state.accept(view, x, c, value, cut)?;
        }
        state.t = match taken && got >= GOOD * predicted {
            true => (3.0 * state.t).min(state.longest()),
            false => (1.0 / curvature).clamp(0.1 * state.t, 0.5 * state.t),
        };
        Ok(())
    }
}

impl Method for ProxLinear {
    type State = State;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<State> {
        let facts = Facts::of(oracle);
        let apart = facts.parts.is_some_and(|p| p.convex || !facts.convex());
        let (value, c, cut) = view(oracle, apart, |view| {
            let mut c = vec![0.0; view.width()];
            view.inner(x, &mut c)?;
            let (value, cut) = cut(view, x, &c)?;
            Ok::<_, Error>((value, c, cut))
        })?;
        let squared = dot(&cut.row, &cut.row);
        Ok(State {
            apart,
            x: x.to_vec(),
            value,
            c,
            // The first step is the one that would reach 0 (or 1 below) if the function were linear.
            t: if squared > 0.0 { value.abs().max(1.0) / squared } else { 1.0 },
            cuts: vec![cut],
            weights: vec![1.0],
            solved: None,
            open: 0,
            failures: 0,
            failure: None,
            end: (squared == 0.0).then_some(Status::Stationary),
        })
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut State) -> Result<()> {
        view(oracle, state.apart, |view| self.advance(view, state))
    }

    fn stop(&self, state: &State) -> Option<Status> {
        state.end
    }

    fn current<'a>(&self, state: &'a State) -> (&'a [f64], f64) {
        (&state.x, state.value)
    }

    fn measures(&self, state: &State) -> Vec<Measure> {
        let Some((_, gap, t)) = state.solved else { return vec![] };
        let mapping = Measure {
            name: "bound on the norm of the proximal gradient mapping",
            value: state.mapping(),
            tolerance: Some(self.tolerance),
        };
        let plain = |name, value| Measure { name, value, tolerance: None };
        vec![mapping, plain("its t", t), plain("gap of the last subproblem", gap)]
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        let why = match facts.parts {
            Some(parts) if parts.convex => format!("h is convex by structure and {}", parts.level),
            _ => "f is said to be convex, and taken for h".into(),
        };
        let statement = format!(
            "where f is bounded below, h Lipschitz and J Lipschitz, the least norm of the proximal gradient mapping in k steps is \
             O(1/√k), and accumulation points are critical ({why}; c is taken for smooth where no tie stands before it; \
             Drusvyatskiy, Paquette 2019; Lewis, Wright 2016); quadratic convergence to sharp minima (Burke, Ferris 1995)"
        );
        let mut violated = vec![];
        if !facts.parts.is_some_and(|p| p.convex) && !facts.convex() {
            violated.push(
                "what follows the ties is not known to be convex: steps that do not decrease enough are refused, but nothing is \
                 known of the limit; take the method bfgs, or say that the function is convex"
                    .into(),
            );
        }
        Guarantee::new(statement, violated)
    }
}
