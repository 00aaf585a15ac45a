//! The end of a run: the best point polished and judged, with what is known of it as data.

use super::active::{Active, active, precision};
use super::set_at::Witness;
use super::vector::{flat, norm};
use super::verdict::{Judgement, Verdict};
use super::{At, Bound, Certificate, Evaluator, FiniteSum, Polished, Precision, Proof, SetOptions};
use crate::error::{Result, plural};
use crate::tensor::{Tensor, size};

/// What is done with the best point of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConcludeOptions {
    /// Whether it is polished ([`At::polish`]), if that gives a better point; None: where that is quick.
    pub polish: Option<bool>,
    /// Whether it is judged ([`At::judge`]); None: where that is quick, with at most 20 ties and 100 variables.
    pub judge: Option<bool>,
    /// The absolute distance within which ties count as met at a point that was not polished. A polished one is judged
    /// with ties met as far as it meets them.
    pub tolerance: f64,
    /// Whether the function is said to be convex: what is missing to its least value is then bounded.
    pub convex: bool,
    /// The radius of the ball around the point over which it is, where a minimizer is not proved to exist; None:
    /// max(1, ‖x‖₂).
    pub radius: Option<f64>,
}

impl Default for ConcludeOptions {
    fn default() -> ConcludeOptions {
        ConcludeOptions { polish: None, judge: None, tolerance: 1e-6, convex: false, radius: None }
    }
}

/// What is known of the point where a run ended.
#[derive(Debug)]
pub struct Conclusion {
    /// The point: one array for each variable.
    pub variables: Vec<Tensor>,
    /// The value there.
    pub value: f64,
    /// What polishing found, if the point is a polished one.
    pub polished: Option<Polished>,
    /// How far the point is from meeting the ties that count as met.
    pub precision: Precision,
    /// The ties that count as met.
    pub active: Vec<Active>,
    /// The verdict with both sets.
    pub judgement: Option<Judgement>,
    /// The verdict as data that can be checked again: that of the judgement, or that of a proof alone.
    pub certificate: Option<Certificate>,
    /// Why there is no verdict, if there is none.
    pub unjudged: Option<String>,
}

/// Above, judging takes too long unless it is asked for.
const VARIABLES: usize = 100;

/// The most ties that are judged unless that is asked for: where they stand one behind the other all choices may matter.
const TIES: usize = 20;

/// The most numbers that a step of polishing may compute unless it is asked for: all values of the program, twice for each
/// variable.
const WORK: usize = 200_000_000;

/// The most numbers of data with which a sum is written out as one program.
const DATA: usize = 1 << 18;

impl Conclusion {
    /// A point of which nothing is said, and why.
    pub fn without_verdict(variables: Vec<Tensor>, value: f64, why: String) -> Conclusion {
        let (precision, unjudged) = (Precision::Exact, Some(why));
        Conclusion {
            variables,
            value,
            polished: None,
            precision,
            active: vec![],
            judgement: None,
            certificate: None,
            unjudged,
        }
    }

    /// The verdict, if there is one: that of the certificate, or `Undecided`.
    pub fn verdict(&self) -> Option<Verdict> {
        let judged = self.judgement.as_ref().map(|j| j.verdict);
        self.certificate.as_ref().map(|c| c.verdict).or(judged)
    }

    /// Whether the point is critical for the function: 0 lies in the Clarke subdifferential, up to 10⁻¹⁰ relative, or a
    /// point where it does is proved to lie near. None if that is undecided, or the point was not judged.
    pub fn critical(&self) -> Option<bool> {
        if self.proof().is_some() { Some(true) } else { self.judgement.as_ref().and_then(|j| j.clarke_critical) }
    }

    /// ‖Σ w v‖₂: the norm of the element of least norm of the Clarke subdifferential; for a point that was not judged that
    /// of the combination that polishing found.
    pub fn norm(&self) -> Option<f64> {
        let judged = self.judgement.as_ref().map(|j| j.clarke_min.distance);
        judged.or(self.polished.as_ref().map(|p| p.norm))
    }

    /// What is missing to the least value at most, if the function was said to be convex.
    pub fn bound(&self) -> Option<&Bound> {
        self.certificate.as_ref()?.bound.as_ref()
    }

    /// The proof that a critical point lies near the point, at which its ties are met exactly.
    pub fn proof(&self) -> Option<&Proof> {
        self.certificate.as_ref()?.proof.as_ref()
    }

    /// The largest difference that counts as active: 0 where all are exactly 0, or none is.
    pub fn largest(&self) -> f64 {
        self.active.iter().fold(0.0, |most, a| most.max(a.difference))
    }
}

impl At {
    /// What is known of this point of a scalar program, taken for the best point of a run: it is polished if that helps,
    /// and judged, within the limits of the options.
    ///
    /// What cannot be had is no error but said in the conclusion: a run is not lost for what cannot be said of its point.
    /// Cost: that of [`At::polish`] and [`At::judge`].
    ///
    /// ```
    /// let f = clarke::parse("abs(x[0]) + abs(x[0] - 2*x[1]) + x[1]/4", &[("x", &[2])])?;
    /// let end = f.at(&[[1e-7, -2e-7].into()])?.conclude(&Default::default());
    /// assert_eq!(end.verdict(), Some(clarke::Verdict::ClarkeCritical));
    /// assert_eq!((end.precision, end.active.len(), end.value), (clarke::Precision::Exact, 2, 0.0));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn conclude(&self, options: &ConcludeOptions) -> Conclusion {
        let polished = if options.polish.unwrap_or(self.is_quick()) { self.polish().ok().flatten() } else { None };
        let there = polished.as_ref().and_then(|p| At::of(&self.program, &self.derived, &p.point).ok());
        let concluded = match (&there, polished) {
            (Some(there), Some(polished)) => {
                let moved = polished.point != self.point;
                there.concluded(Some(polished), options).map(|end| match moved {
                    true => end,
                    false => Conclusion { polished: None, ..end },
                })
            }
            _ => self.concluded(None, options),
        };
        let at = there.as_ref().unwrap_or(self);
        concluded.unwrap_or_else(|e| {
            Conclusion::without_verdict(at.variables(), at.value().unwrap_or(f64::NAN), e.to_string())
        })
    }

    /// What is known at this point, which stays where it is.
    fn concluded(&self, polished: Option<Polished>, options: &ConcludeOptions) -> Result<Conclusion> {
        let met = self.ties(polished.as_ref().map_or(options.tolerance, |p| p.precision.tolerance()))?;
        // The set of what is active is the same, and the sets there are no larger than they need be.
        let tolerance = precision(&met).tolerance();
        let mut unjudged = self.unjudged(met.len(), options);
        let mut judgement = match unjudged {
            None => Some(self.judge(&SetOptions { tolerance, ..SetOptions::default() })?),
            Some(_) => None,
        };
        let proof = if options.judge == Some(false) { None } else { self.prove(tolerance)? };
        let judged = judgement.as_ref().and_then(|j| j.certificate.clone());
        let mut certificate = match (judged, proof) {
            (Some(judged), Some(proof)) if matches!(judged.verdict, Verdict::ClarkeCritical | Verdict::Smooth) => {
                Some(judged.with_proof(proof))
            }
            // A critical point lies nearer than what judging takes for 0 can tell, or than it could be looked for.
            (_, Some(proof)) => Some(Certificate::proved(self, tolerance, proof)?),
            (judged, None) => judged,
        };
        if let Some(certificate) = &mut certificate {
            unjudged = None;
            certificate.bound = self.missing(certificate, judgement.as_ref(), options)?;
            if let Some(judged) = &mut judgement {
                judged.proved(certificate);
            }
        }
        let stated = certificate.as_ref().map(|c| (c.active.clone(), c.precision));
        let (active, nearly) = stated.unwrap_or_else(|| (active(&met, std::iter::empty()), None));
        let precision = nearly.unwrap_or_else(|| precision(&met));
        let (variables, value) = (self.variables(), self.value()?);
        Ok(Conclusion { variables, value, polished, precision, active, judgement, certificate, unjudged })
    }

    /// What is missing to the least value, if the function is said to be convex.
    fn missing(
        &self,
        certificate: &Certificate,
        judgement: Option<&Judgement>,
        options: &ConcludeOptions,
    ) -> Result<Option<Bound>> {
        if !options.convex {
            return Ok(None);
        }
        if let Some(proof) = &certificate.proof {
            return self.bound_by(proof.value);
        }
        let Some(judged) = judgement else { return Ok(None) };
        let combination: Vec<&Witness> = judged.clarke_min.weights.iter().map(|(_, _, witness)| witness).collect();
        let radius = options.radius.unwrap_or_else(|| norm(&flat(&self.variables())).max(1.0));
        self.bound(certificate.tolerance, radius, &combination)
    }

    /// Why the point is not judged, if it is not.
    fn unjudged(&self, ties: usize, options: &ConcludeOptions) -> Option<String> {
        let n: usize = self.variables().iter().map(|x| size(x.shape())).sum();
        let (many, what) = match (n > VARIABLES, ties > TIES) {
            (true, _) => (true, plural(n, "variable")),
            (_, many) => (many, plural(ties, "tie")),
        };
        match options.judge {
            Some(true) => None,
            Some(false) => Some("it was not asked for".into()),
            None => many.then(|| format!("with {what} that may take long")),
        }
    }

    /// Whether polishing takes seconds at most.
    fn is_quick(&self) -> bool {
        let n: usize = self.variables().iter().map(|x| size(x.shape())).sum();
        let values: usize = self.values.iter().map(|v| v.data().len()).sum();
        values.saturating_mul(2 * n) <= WORK
    }

    /// The values of the variables.
    pub(super) fn variables(&self) -> Vec<Tensor> {
        let inputs = self.program.inputs().iter().filter(|i| !i.role.is_selection());
        std::iter::zip(inputs, &self.point).filter(|(i, _)| i.role.is_argument()).map(|(_, x)| x.clone()).collect()
    }
}

impl Evaluator {
    /// What is known of a point, see [`At::conclude`]; `value` is said to be its value where nothing else can be said.
    pub fn conclude(&self, x: &[f64], value: f64, options: &ConcludeOptions) -> Conclusion {
        match self.program().at(&self.inputs(x)) {
            Ok(at) => at.conclude(options),
            Err(error) => Conclusion::without_verdict(self.split(x), value, error.to_string()),
        }
    }
}

impl FiniteSum {
    /// What is known of a point, see [`At::conclude`], for the mean over all samples written out as one program; with more
    /// than 2¹⁸ numbers of data that is not done, and said.
    pub fn conclude(&self, x: &[f64], value: f64, options: &ConcludeOptions) -> Conclusion {
        let numbers = self.numbers();
        if numbers > DATA {
            let why = format!("the samples hold {numbers} numbers, and as one program at most {DATA} are written out");
            return Conclusion::without_verdict(self.split(x), value, why);
        }
        match self.whole(x).and_then(|(program, point)| program.at(&point)) {
            Ok(at) => at.conclude(options),
            Err(error) => Conclusion::without_verdict(self.split(x), value, error.to_string()),
        }
    }
}
