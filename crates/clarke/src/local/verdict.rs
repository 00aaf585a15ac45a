//! Verdicts at a point: smooth, critical for Clarke, critical for the program alone, or not critical.

use super::certificate::Certificate;
use super::image::SetOptions;
use super::set_at::{Element, Known, Nearest, SetAt, Support};
use super::vector::{dot, flat};
use super::{At, Policy, Sets};
use crate::error::Result;
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a point is to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// No tie is met: the derivative is the ordinary one.
    Smooth,
    /// 0 lies in the Clarke subdifferential.
    ClarkeCritical,
    /// 0 lies in the hull of the conservative gradient of the program as written, and not in the Clarke subdifferential.
    SpuriousCritical,
    /// 0 does not lie in the hull of the conservative gradient, and so not in the Clarke subdifferential either.
    NotCritical,
    /// The bounds reached do not tell.
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Smooth => "smooth",
            Verdict::ClarkeCritical => "clarke critical",
            Verdict::SpuriousCritical => "spurious critical",
            Verdict::NotCritical => "not critical",
            Verdict::Undecided => "undecided",
        })
    }
}

/// A direction in which a function descends.
#[derive(Debug, Clone, PartialEq)]
pub struct Descent {
    /// The direction, of norm 1: one array for each variable.
    pub direction: Element,
    /// An upper bound, below 0, of the generalized directional derivative f°(x; d) along it; for a point that is not
    /// critical even of all ⟨v, d⟩ over the conservative gradient.
    pub bound: f64,
}

/// A verdict with both sets, the element of least norm of each, and what proves it.
#[derive(Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The conservative gradient of the program as written.
    pub conservative: SetAt,
    /// The element of least norm of its hull.
    pub conservative_min: Nearest,
    /// Whether 0 is in its hull; None if undecided.
    pub conservative_critical: Option<bool>,
    /// The Clarke subdifferential.
    pub clarke: SetAt,
    /// The element of least norm.
    pub clarke_min: Nearest,
    /// Whether 0 is in it; None if undecided.
    pub clarke_critical: Option<bool>,
    /// A direction of descent, where 0 was separated from a set.
    pub descent: Option<Descent>,
    /// The verdict as data that can be checked again; None if undecided.
    pub certificate: Option<Certificate>,
}

impl Judgement {
    /// What a certificate says more: one with a proof has the last word, since judging takes for 0 what is up to rounding.
    pub(super) fn proved(&mut self, certificate: &Certificate) {
        if certificate.proof.is_some() {
            self.verdict = certificate.verdict;
            (self.conservative_critical, self.clarke_critical, self.descent) = (Some(true), Some(true), None);
        }
        self.certificate = Some(certificate.clone());
    }
}

impl At {
    /// Judges a scalar program at the point by both sets.
    ///
    /// With a tolerance in the options the verdict is about the sets enlarged by it. Criticality is up to 10⁻¹⁰ relative to
    /// the largest norm of an element. Errors: those of [`At::gradient`]. Cost: within the budget of the options.
    /// Source: Bolte, Pauwels 2021, Section 5 for critical points of programs; Clarke 1990, Proposition 2.3.2.
    ///
    /// ```
    /// use clarke::{Program, SetOptions, Verdict};
    /// // The identity, written as x minus the zero function: backpropagation may return 0 where the slope is 1.
    /// let f = Program::trace(&[&[]], |v| v[0] - ((-v[0]).relu() + v[0] - v[0].relu()))?;
    /// let judged = f.at(&[0.0.into()])?.judge(&SetOptions::default())?;
    /// assert_eq!(judged.verdict, Verdict::SpuriousCritical);
    /// assert_eq!(judged.descent.unwrap().bound, -1.0);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn judge(&self, options: &SetOptions) -> Result<Judgement> {
        let Sets { mut conservative, mut clarke } = self.sets(options)?;
        let smooth = self.ties(options.tolerance)?.is_empty();
        let (conservative_min, clarke_min) = (conservative.min_norm(), clarke.min_norm());
        let conservative_critical = conservative.critical_by(&conservative_min);
        // What is not in the larger set is not in the smaller one.
        let clarke_critical = match conservative_critical {
            Some(false) if clarke.known() != Known::Sampled => Some(false),
            _ => clarke.critical_by(&clarke_min),
        };
        let verdict = match (smooth, conservative_critical, clarke_critical) {
            (true, ..) => Verdict::Smooth,
            (_, _, Some(true)) => Verdict::ClarkeCritical,
            (_, Some(true), Some(false)) => Verdict::SpuriousCritical,
            (_, Some(false), _) => Verdict::NotCritical,
            _ => Verdict::Undecided,
        };
        let descent = match verdict {
            Verdict::SpuriousCritical => descent(&mut clarke, &clarke_min)?,
            Verdict::NotCritical => descent(&mut conservative, &conservative_min)?,
            Verdict::Smooth if clarke_critical == Some(false) => descent(&mut clarke, &clarke_min)?,
            _ => None,
        };
        let proof = if verdict == Verdict::SpuriousCritical { &conservative_min } else { &clarke_min };
        let certificate = Certificate::new(self, verdict, options, proof, descent.as_ref(), clarke.layout())?;
        Ok(Judgement {
            verdict,
            conservative,
            conservative_min,
            conservative_critical,
            clarke,
            clarke_min,
            clarke_critical,
            descent,
            certificate,
        })
    }

    /// The directional derivative f'(x; d) = lim (f(x + td) − f(x))/t for t ↓ 0, of a scalar program along one array for each variable.
    ///
    /// It is ⟨v, d⟩ for the gradient v that d decides: where the tangent of a tie's argument is 0 along d, its pieces have
    /// the same tangent. Errors: those of [`At::gradient`], the number or shapes of the direction's arrays.
    /// Source: Khan, Barton 2013 (for piecewise differentiable functions).
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[2]], |v| v[0].max())?;
    /// let at = f.at(&[[1.0, 1.0].into()])?;
    /// assert_eq!(at.directional(&[[-1.0, -3.0].into()])?, -1.0);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn directional(&self, direction: &[Tensor]) -> Result<f64> {
        let gradient = self.gradient(&Policy::Along(vec![direction.to_vec()]))?;
        Ok(dot(&flat(&gradient), &flat(direction)))
    }

    /// The generalized directional derivative f°(x; d): the support function of the Clarke subdifferential at d.
    ///
    /// `value` is a lower bound, `upper` an upper one where the set is exact or outer. Errors: those of [`At::clarke`].
    /// Source: Clarke 1990, Proposition 2.1.2.
    pub fn generalized(&self, direction: &[Tensor], options: &SetOptions) -> Result<Support> {
        self.clarke(options)?.support(direction)
    }
}

/// The direction against the element of least norm, if the support function is below 0 along it.
fn descent(set: &mut SetAt, least: &Nearest) -> Result<Option<Descent>> {
    if least.distance == 0.0 {
        return Ok(None);
    }
    let against = |t: &Tensor| Tensor::from_fn(t.shape(), |i| -t.data()[i] / least.distance);
    let direction: Element = least.point.iter().map(against).collect();
    let bound = set.support(&direction)?.upper;
    Ok((bound < 0.0).then_some(Descent { direction, bound }))
}
