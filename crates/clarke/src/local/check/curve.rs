//! Line integrals of a rule against increments of the function: along segments, whose nodes are dyadic, and along curves
//! given by points.

use super::rational::pairing;
use super::report::Exact;
use super::subject::{Bounds, Sides};
use crate::local::vector::{along, dot, minus, norm};

/// Both sides of the fundamental theorem along one curve.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// f at the end minus f at the start.
    pub increment: f64,
    /// The line integral of the rule.
    pub integral: f64,
    /// A bound on what the difference of the two is wrong by: of the increment by intervals, of the integral from its
    /// refinements.
    pub error: f64,
    /// What the difference is to be compared with: the product of lengths.
    pub scale: f64,
    /// Both numbers as fractions, where nothing was rounded.
    pub exact: Option<Exact>,
}

impl Measured {
    pub fn gap(&self) -> f64 {
        self.increment - self.integral
    }

    /// Whether the two numbers differ for certain, and by more than a relative tolerance.
    pub fn differs(&self, tolerance: f64) -> bool {
        self.gap().abs() > CLEAR * self.error && self.gap().abs() > tolerance * self.scale
    }
}

/// By what factor a difference must exceed its error bound.
pub(super) const CLEAR: f64 = 10.0;

/// The relative error of an integral that needs no refinement.
const ENOUGH: f64 = 1e-7;

/// How many midpoints a stretch is looked at by: 1, 2, 4 and 8, extrapolated to order 8 (Romberg). They are open, so that an
/// end on another tie does not count; and dyadic, so that x + t·d is not rounded where x and d have few digits, and stays
/// where an argument is tied.
const LEVELS: u32 = 4;

/// A stretch of a segment.
struct Stretch {
    from: f64,
    to: f64,
    integral: f64,
    error: f64,
    /// The largest Σ |vᵢ dᵢ| seen: what rounding in ⟨v, d⟩ is relative to.
    size: f64,
    /// The rule's vector, if all that were seen are equal.
    constant: Option<Vec<f64>>,
}

/// Points a + t·d of a segment, and the rule there.
struct Segment<'a> {
    subject: &'a dyn Sides,
    a: &'a [f64],
    d: Vec<f64>,
}

impl Segment<'_> {
    fn stretch(&self, from: f64, to: f64) -> Option<Stretch> {
        let mut sums = vec![];
        let (mut low, mut high, mut size) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
        let mut constant: Option<Option<Vec<f64>>> = None;
        for level in 0..LEVELS {
            let count = 1 << level;
            let mut sum = 0.0;
            for k in 0..count {
                let t = from + (to - from) * (2 * k + 1) as f64 / (2 * count) as f64;
                let v = self.subject.rule(&along(self.a, t, &self.d))?;
                let value = dot(&v, &self.d);
                let terms: f64 = std::iter::zip(&v, &self.d).map(|(v, d)| (v * d).abs()).sum();
                (low, high, size) = (low.min(value), high.max(value), size.max(terms));
                sum += value;
                constant = Some(match constant {
                    None => Some(v),
                    Some(first) => first.filter(|w| *w == v),
                });
            }
            sums.push(sum / f64::from(count));
        }
        let width = to - from;
        let [fine, coarse, coarser] = [0, 1, 2].map(|fewer| romberg(&sums[..sums.len() - fewer]));
        // Where the rule jumps extrapolation means nothing, and its range is what bounds the integral. Two extrapolations can
        // agree by chance; three seldom do.
        let near = |a: f64, b: f64| (a - b).abs() <= 0.02 * (high - low);
        let (mean, error) = match near(fine, coarse) && near(coarse, coarser) {
            true => (fine, (fine - coarse).abs()),
            false => (sums[sums.len() - 1], high - low),
        };
        let rounding = 8.0 * self.subject.precision() * size * self.d.len() as f64;
        let (integral, error) = (width * mean, width * (error + rounding));
        Some(Stretch { from, to, integral, error, size, constant: constant.flatten() })
    }
}

/// Midpoint sums over 1, 2, 4, … parts, extrapolated.
fn romberg(sums: &[f64]) -> f64 {
    let mut row = sums.to_vec();
    let mut power = 1.0;
    while row.len() > 1 {
        power *= 4.0;
        row = row.windows(2).map(|w| w[1] + (w[1] - w[0]) / (power - 1.0)).collect();
    }
    row[0]
}

/// Measures a segment; halves the stretch with the largest error until the difference is clear, or small, or the budget of
/// stretches is spent. None if the function or the rule is not finite somewhere on it.
pub(super) fn segment(subject: &dyn Sides, from: &[f64], to: &[f64], budget: usize) -> Option<Measured> {
    measure(subject, from, to, &[0.0, 1.0], budget)
}

/// The same from stretches that get shorter towards both ends.
pub(super) fn segment_closely(subject: &dyn Sides, from: &[f64], to: &[f64], budget: usize) -> Option<Measured> {
    const SHORTEST: i32 = 20;
    let near = (1..=SHORTEST).rev().map(|k| (0.5f64).powi(k));
    let far = (2..=SHORTEST).map(|k| 1.0 - (0.5f64).powi(k));
    let breaks: Vec<f64> = [0.0].into_iter().chain(near).chain(far).chain([1.0]).collect();
    measure(subject, from, to, &breaks, budget)
}

/// The same from two stretches of unequal lengths: what is hidden from the points of one partition by the halving of its
/// stretches is not from those of another.
pub(super) fn segment_unevenly(
    subject: &dyn Sides,
    from: &[f64],
    to: &[f64],
    at: f64,
    budget: usize,
) -> Option<Measured> {
    measure(subject, from, to, &[0.0, at, 1.0], budget)
}

fn measure(subject: &dyn Sides, from: &[f64], to: &[f64], breaks: &[f64], budget: usize) -> Option<Measured> {
    let (low, high) = (subject.bounds(from)?, subject.bounds(to)?);
    let line = Segment { subject, a: from, d: minus(to, from) };
    let mut stretches: Vec<Stretch> = breaks.windows(2).map(|w| line.stretch(w[0], w[1])).collect::<Option<_>>()?;
    let (increment, rounded) = (high.middle() - low.middle(), low.radius() + high.radius());
    let rounded = rounded + f64::EPSILON * (high.middle().abs() + low.middle().abs()) * slack(low, high);
    loop {
        let integral: f64 = stretches.iter().map(|s| s.integral).sum();
        let quadrature: f64 = stretches.iter().map(|s| s.error).sum();
        let error = quadrature + rounded;
        let scale = stretches.iter().fold(increment.abs(), |m, s| m.max(s.size));
        let gap = (increment - integral).abs();
        let decided = gap > CLEAR * error && error <= 1e-3 * gap || error <= ENOUGH * scale;
        // Where the increment is what is not known, no better integral helps.
        let decided = decided || quadrature <= 0.1 * rounded;
        if decided || stretches.len() >= budget {
            let exact = exact(low, high, &stretches, &line.d);
            return Some(Measured { increment, integral, error, scale, exact });
        }
        let worst = (0..stretches.len()).max_by(|a, b| stretches[*a].error.total_cmp(&stretches[*b].error))?;
        let Stretch { from, to, .. } = stretches.swap_remove(worst);
        let middle = 0.5 * (from + to);
        stretches.push(line.stretch(from, middle)?);
        stretches.push(line.stretch(middle, to)?);
    }
}

/// The increment is itself rounded, unless both ends are known exactly and so is their difference.
fn slack(low: Bounds, high: Bounds) -> f64 {
    let exact = low.lo == low.hi && high.lo == high.hi && high.lo - low.lo + low.lo == high.lo;
    if exact { 0.0 } else { 1.0 }
}

/// Both numbers as fractions: if interval arithmetic says that the values at the ends were not rounded, and the rule returned
/// one vector all along.
fn exact(low: Bounds, high: Bounds, stretches: &[Stretch], d: &[f64]) -> Option<Exact> {
    let points = low.rigorous && high.rigorous && low.lo == low.hi && high.lo == high.hi;
    let first = stretches[0].constant.as_ref()?;
    let constant = stretches.iter().all(|s| s.constant.as_ref() == Some(first));
    let (increment, integral) = (points && constant).then(|| pairing(low.lo, high.lo, first, d)).flatten()?;
    Some(Exact { increment, integral })
}

/// Measures a curve given by an even number of stretches between points that lie on it: by the trapezoidal rule on them, and
/// on every second one for the error.
pub(super) fn arc(subject: &dyn Sides, points: &[Vec<f64>]) -> Option<Measured> {
    let (first, last) = (points.first()?, points.last()?);
    let (low, high) = (subject.bounds(first)?, subject.bounds(last)?);
    let rules: Vec<Vec<f64>> = points.iter().map(|x| subject.rule(x)).collect::<Option<_>>()?;
    let trapezoid = |step: usize| -> f64 {
        let ends = (0..points.len() - step).step_by(step);
        ends.map(|k| {
            let d = minus(&points[k + step], &points[k]);
            0.5 * (dot(&rules[k], &d) + dot(&rules[k + step], &d))
        })
        .sum()
    };
    let (fine, coarse) = (trapezoid(1), trapezoid(2));
    let length: f64 = points.windows(2).map(|w| norm(&minus(&w[1], &w[0]))).sum();
    let largest = rules.iter().map(|v| norm(v)).fold(0.0, f64::max);
    let increment = high.middle() - low.middle();
    let rounding = subject.precision() * (8.0 * length * largest + high.middle().abs() + low.middle().abs());
    let error = (fine - coarse).abs() + low.radius() + high.radius() + rounding;
    Some(Measured { increment, integral: fine, error, scale: increment.abs().max(length * largest), exact: None })
}

/// A segment on which the two numbers differ all along.
#[derive(Debug)]
pub(super) enum Confirmed {
    /// On each eighth of it, in the same sense.
    Steady { from: Vec<f64>, to: Vec<f64>, measured: Measured },
    /// At one point only: the function itself jumps between these.
    Jump { from: Vec<f64>, to: Vec<f64>, measured: Measured },
}

/// In how many parts a curve is divided to see where the numbers differ.
const PARTS: usize = 8;

/// How often a curve is divided.
const DEPTH: usize = 14;

/// Looks closer at a segment on which the two numbers seem to differ. A quadrature that missed a narrow feature of a right
/// rule is found out here: the difference vanishes where it is looked for.
pub(super) fn confirm(
    subject: &dyn Sides,
    from: &[f64],
    to: &[f64],
    tolerance: f64,
    budget: usize,
) -> Option<Confirmed> {
    let (mut from, mut to) = (from.to_vec(), to.to_vec());
    let whole = segment(subject, &from, &to, budget)?;
    let mut measured = whole.clone();
    for _ in 0..DEPTH {
        let d = minus(&to, &from);
        let at = |k: usize| if k == PARTS { to.clone() } else { along(&from, k as f64 / PARTS as f64, &d) };
        let parts: Vec<Measured> =
            (0..PARTS).map(|k| segment(subject, &at(k), &at(k + 1), budget)).collect::<Option<_>>()?;
        let total: f64 = parts.iter().map(Measured::gap).sum();
        let share = 0.5 * total.abs() / PARTS as f64;
        let steady = parts.iter().all(|p| p.differs(tolerance) && p.gap() * total > 0.0 && p.gap().abs() >= share);
        if steady {
            return Some(Confirmed::Steady { from, to, measured });
        }
        let most = (0..PARTS).max_by(|a, b| parts[*a].gap().abs().total_cmp(&parts[*b].gap().abs()))?;
        if !parts[most].differs(tolerance) {
            return None;
        }
        measured = parts[most].clone();
        (from, to) = (at(most), at(most + 1));
    }
    // The difference did not shrink with the curve.
    (measured.gap().abs() > 0.5 * whole.gap().abs()).then_some(Confirmed::Jump { from, to, measured })
}
