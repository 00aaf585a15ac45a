//! Certificates: verdicts as data, and a small slow function that checks them again.
//!
//! The checker shares with the search nothing but the definition of the program: elements are computed anew by the slow
//! twin, weights are added up, directions are followed, and bounds over a set are shown by trying all of its choices.

use super::active::{Active, active, precision};
use super::set_at::{Chosen, Layout, Nearest, Witness};
use super::tangents::Tangents;
use super::vector::{dot, flat, norm};
use super::verdict::{Descent, Verdict};
use super::{At, Bound, Policy, Precision, Proof, SetOptions};
use crate::error::{Fault, Result};
use crate::program::Program;
use crate::program::tie::{Face, Pieces, Site};
use crate::run::{Interpreter, Monitor};
use crate::set::{Cone, open_cone};
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::sync::Arc;

/// A verdict at a point with what proves it, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// The verdict.
    pub verdict: Verdict,
    /// The program as text.
    pub program: String,
    /// The inputs' names, shapes and numbers.
    pub point: Vec<(String, Vec<usize>, Vec<f64>)>,
    /// The names of the variables; empty: all inputs.
    #[serde(default)]
    pub variables: Vec<String>,
    /// Within which absolute distance ties counted as met.
    pub tolerance: f64,
    /// For a critical point: weights, and elements of the set of which the weighted sum vanishes.
    pub combination: Vec<Term>,
    /// ‖Σ weight · element‖₂.
    pub residual: f64,
    /// The largest norm of an element: what the residual is to be compared with.
    pub scale: f64,
    /// A direction of norm 1, all variables one after another, and an upper bound below 0 of the support function of the
    /// set along it: of the Clarke subdifferential for a spurious point, of the conservative gradient for one that is not
    /// critical.
    pub descent: Option<(Vec<f64>, f64)>,
    /// The ties that count as met, each with what the combination takes there.
    #[serde(default)]
    pub active: Vec<Active>,
    /// How nearly they are met; None in certificates of earlier versions.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// The proof that a critical point lies near this one, at which they are met exactly.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// What is missing to the least value at most, for a function that was said to be convex.
    #[serde(default)]
    pub bound: Option<Bound>,
}

/// An element of a set with its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The weight.
    pub weight: f64,
    /// The element, all variables one after another.
    pub element: Vec<f64>,
    /// How it comes about.
    pub witness: Witness,
}

/// What a check of a certificate found.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// All of it holds.
    Verified,
    /// Something in it is not so.
    Refuted(String),
    /// What could be checked holds; what could not is named.
    Unverified(String),
}

impl Certificate {
    /// Puts a certificate together; None where the verdict has nothing to prove or nothing was proved.
    pub(super) fn new(
        at: &At,
        verdict: Verdict,
        options: &SetOptions,
        proof: &Nearest,
        descent: Option<&Descent>,
        layout: &Layout,
    ) -> Result<Option<Certificate>> {
        if verdict == Verdict::Undecided {
            return Ok(None);
        }
        let critical = matches!(verdict, Verdict::ClarkeCritical | Verdict::SpuriousCritical);
        let mut combination = vec![];
        for (weight, element, witness) in proof.weights.iter().filter(|_| critical) {
            combination.push(Term { weight: *weight, element: layout.join(element)?, witness: witness.clone() });
        }
        let flat = |d: &Descent| Ok::<_, crate::Error>((layout.join(&d.direction)?, d.bound));
        Ok(Some(Certificate {
            residual: if critical { proof.distance } else { 0.0 },
            scale: proof.scale,
            descent: descent.map(flat).transpose()?,
            ..Certificate::of(at, verdict, options.tolerance, combination)?
        }))
    }

    /// That a critical point lies near the point, by its proof alone.
    pub(super) fn proved(at: &At, tolerance: f64, proof: Proof) -> Result<Certificate> {
        let verdict = if at.ties(tolerance)?.is_empty() { Verdict::Smooth } else { Verdict::ClarkeCritical };
        let own = Certificate::of(at, verdict, tolerance, vec![])?;
        Ok(own.with_proof(proof))
    }

    /// With the proof that a critical point lies near the point.
    pub(super) fn with_proof(self, proof: Proof) -> Certificate {
        let precision = match self.precision {
            Some(Precision::Polished(tau)) => Some(Precision::Proved { tau, radius: proof.radius }),
            other => other,
        };
        Certificate { precision, proof: Some(proof), ..self }
    }

    /// What all have: the point, and which ties count as met.
    fn of(at: &At, verdict: Verdict, tolerance: f64, combination: Vec<Term>) -> Result<Certificate> {
        let inputs = at.program.inputs().iter().filter(|i| !i.role.is_selection());
        let entry = |(i, x): (&crate::program::Input, &Tensor)| (i.name.clone(), x.shape().to_vec(), x.data().to_vec());
        let met = at.ties(tolerance)?;
        Ok(Certificate {
            verdict,
            program: at.program.to_string(),
            point: std::iter::zip(inputs, &at.point).map(entry).collect(),
            variables: at.layout_of_gradient().names,
            tolerance,
            residual: 0.0,
            scale: 0.0,
            descent: None,
            active: active(&met, combination.iter().map(|t| (t.weight, &t.witness))),
            precision: Some(precision(&met)),
            proof: None,
            bound: None,
            combination,
        })
    }

    /// Checks the certificate against a program, which must be the one it is of, with operators made of programs written
    /// out; the variables are made those of the certificate.
    ///
    /// Verified are: that no tie is met (smooth); that each element of the combination is what the slow twin returns for
    /// its choices, which lie in the ties' sets, that for a Clarke critical point the direction given leads to it (or the
    /// function is regular), and
    /// that the weights, positive and of sum 1, combine them to the residual stated; that the active set is the one stated,
    /// and met as nearly; that the box of a proof, if there is one, proves what it states; that all choices at the ties keep
    /// below the bound along the direction of descent, for a spurious point those that some direction realizes.
    /// Unverified where that would take too many choices, or sets of infinitely many elements are in the way, or for a
    /// function that is not regular a tolerance. Errors: a point that does not fit the program; those of [`At::gradient`].
    /// Cost: a slow gradient for each element and each choice.
    pub fn check(&self, program: &Program) -> Result<Checked> {
        let mut point = vec![];
        for (name, shape, data) in &self.point {
            let known = program.inputs().iter().any(|i| &i.name == name);
            if !known {
                let known = program.inputs().iter().map(|i| i.name.clone()).collect();
                return Err(Fault::UnknownName { kind: "input", name: name.clone(), close: vec![], known }.into());
            }
            point.push(Tensor::new(shape, data.clone())?);
        }
        let names: Vec<&str> = self.variables.iter().map(String::as_str).collect();
        let program = if names.is_empty() { program.clone() } else { program.varying(&names)? };
        let at = program.at(&point)?;
        if at.program.to_string() != self.program {
            return Ok(Checked::Refuted("it is of another program".into()));
        }
        let (layout, gradient) = (at.layout_of_gradient(), at.program.gradient()?);
        let check = Check { certificate: self, layout, gradient, at, regular: OnceCell::new() };
        Ok(match check.run()? {
            Some(checked) => checked,
            None => Checked::Verified,
        })
    }
}

/// One check; its parts return what is wrong or missing, None if all is well.
struct Check<'a> {
    certificate: &'a Certificate,
    at: At,
    layout: Layout,
    gradient: Program,
    regular: OnceCell<bool>,
}

/// Differences up to this, relative to the scale, are rounding.
const ROUNDING: f64 = 1e-9;

/// At most this many choices are tried.
const TRIED: usize = 4096;

impl Check<'_> {
    fn run(&self) -> Result<Option<Checked>> {
        let c = self.certificate;
        if self.at.path_differentiable()? != Some(true) {
            return Ok(Some(Checked::Unverified("the program is not known to be path-differentiable".into())));
        }
        let met = self.at.ties(c.tolerance)?.len();
        if (met == 0) != (c.verdict == Verdict::Smooth) {
            return Ok(refuted(format!("{met} ties are met")));
        }
        if let Some(wrong) = self.active()? {
            return Ok(Some(wrong));
        }
        if let Some(proof) = &c.proof {
            let critical = matches!(c.verdict, Verdict::ClarkeCritical | Verdict::Smooth);
            if !critical || !self.at.holds(c.tolerance, proof)? {
                return Ok(refuted("the box of its proof proves nothing".into()));
            }
        }
        if let Some(wrong) = self.bound()? {
            return Ok(Some(wrong));
        }
        let by_proof = c.proof.is_some() && c.combination.is_empty();
        if matches!(c.verdict, Verdict::ClarkeCritical | Verdict::SpuriousCritical)
            && !by_proof
            && let Some(wrong) = self.combination()?
        {
            return Ok(Some(wrong));
        }
        match (&c.descent, c.verdict) {
            (Some((d, bound)), Verdict::SpuriousCritical | Verdict::NotCritical) => self.descent(d, *bound),
            (None, Verdict::SpuriousCritical | Verdict::NotCritical) => Ok(refuted("it names no direction".into())),
            _ => Ok(None),
        }
    }

    /// The active set, and how nearly its ties are met; certificates of earlier versions name none.
    fn active(&self) -> Result<Option<Checked>> {
        let c = self.certificate;
        let Some(stated) = c.precision else { return Ok(None) };
        let met = self.at.ties(c.tolerance)?;
        let own = active(&met, c.combination.iter().map(|t| (t.weight, &t.witness)));
        // Texts and places depend on how the program is given.
        let same = |a: &Active, b: &Active| {
            (&a.op, &a.index, a.pieces, a.difference) == (&b.op, &b.index, b.pieces, b.difference)
                && a.weights == b.weights
        };
        if own.len() != c.active.len() || !std::iter::zip(&own, &c.active).all(|(a, b)| same(a, b)) {
            return Ok(refuted("the active set is not the one stated".into()));
        }
        let found = precision(&met);
        let expected = match (found, &c.proof) {
            (Precision::Polished(tau), Some(proof)) => Precision::Proved { tau, radius: proof.radius },
            (found, _) => found,
        };
        Ok(if stated == expected { None } else { refuted(format!("ties are met {expected}, not {stated}")) })
    }

    /// What is missing to the least value, as far as convexity is taken for granted.
    fn bound(&self) -> Result<Option<Checked>> {
        let c = self.certificate;
        let Some(stated) = &c.bound else { return Ok(None) };
        let own = match (stated.radius, &c.proof) {
            (None, Some(proof)) => self.at.bound_by(proof.value)?,
            (None, None) => None,
            (Some(radius), _) => {
                self.at.bound_of(&self.at.program.value_and_gradient()?, stated.planes.clone(), radius)?
            }
        };
        let weaker = own.is_some_and(|own| stated.missing >= own.missing && own.missing.is_finite());
        Ok(if weaker { None } else { refuted("the bound on f − min f is not what its points give".into()) })
    }

    /// The weighted elements.
    fn combination(&self) -> Result<Option<Checked>> {
        let c = self.certificate;
        let mut sum = vec![0.0; self.layout.dimension()];
        for (k, term) in c.combination.iter().enumerate() {
            if term.weight.is_nan() || term.weight < 0.0 {
                return Ok(refuted(format!("weight {k} is {}", term.weight)));
            }
            if let Some(wrong) = self.element(k, term)? {
                return Ok(Some(wrong));
            }
            std::iter::zip(&mut sum, &term.element).for_each(|(s, x)| *s += term.weight * x);
        }
        let total: f64 = c.combination.iter().map(|t| t.weight).sum();
        if (total - 1.0).abs() > ROUNDING {
            return Ok(refuted(format!("the weights add up to {total}")));
        }
        let norm = norm(&sum);
        if norm > c.residual + ROUNDING * 1e-3 * c.scale || c.residual > super::set_at::CRITICAL * c.scale {
            return Ok(refuted(format!("the elements combine to a vector of norm {norm}")));
        }
        Ok(None)
    }

    /// One element against the slow twin, and for Clarke's set against the direction that leads to it.
    fn element(&self, k: usize, term: &Term) -> Result<Option<Checked>> {
        let apart = |v: &[f64]| norm(&std::iter::zip(v, &term.element).map(|(a, b)| a - b).collect::<Vec<_>>());
        let mut slow = Slow { chosen: &term.witness.chosen, wrong: None, tolerance: self.certificate.tolerance };
        let own = flat(&Interpreter::new(&self.gradient).run(&self.at.point, &mut slow)?);
        if let Some(wrong) = slow.wrong {
            return Ok(refuted(format!("element {k}: {wrong}")));
        }
        if apart(&own) > ROUNDING * self.certificate.scale {
            return Ok(refuted(format!("element {k} is not what its choices give")));
        }
        if self.certificate.verdict != Verdict::ClarkeCritical {
            return Ok(None);
        }
        // Of a regular function every choice counts, also within a tolerance; directions lead to exact ties only.
        if self.certificate.tolerance > 0.0 {
            return match term.witness.chosen.is_empty() || self.regular()? {
                true => Ok(None),
                false => Ok(unverified("that directions lead to the elements of a set enlarged by a tolerance")),
            };
        }
        let Some(direction) = &term.witness.direction else {
            return match term.witness.chosen.is_empty() || self.regular()? {
                true => Ok(None),
                false => Ok(refuted(format!("element {k} names no direction, and the function is not regular here"))),
            };
        };
        let along = self.at.gradient(&Policy::Along(vec![self.layout.split(direction)]))?;
        match apart(&flat(&along)) > ROUNDING * self.certificate.scale {
            true => Ok(refuted(format!("element {k} is not the gradient along its direction"))),
            false => Ok(None),
        }
    }

    /// Whether the hull of the conservative gradient is the Clarke set by regularity, established anew; once.
    fn regular(&self) -> Result<bool> {
        if let Some(known) = self.regular.get() {
            return Ok(*known);
        }
        let found = self.is_regular()?;
        Ok(*self.regular.get_or_init(|| found))
    }

    fn is_regular(&self) -> Result<bool> {
        let options = SetOptions { tolerance: self.certificate.tolerance, ..SetOptions::default() };
        let residual = super::residual::Residual::new(&self.gradient, &self.at.point, options.tolerance)?;
        let mut tangents = Tangents::new(&self.at.program, &self.at.point, options.tolerance, &residual)?;
        Ok(super::limiting::regular(&mut super::image::Image::new(residual, options), &mut tangents))
    }

    /// That all choices at the ties keep below the bound, for a spurious point all that directions realize.
    fn descent(&self, d: &[f64], bound: f64) -> Result<Option<Checked>> {
        if bound.is_nan() || bound >= 0.0 || (norm(d) - 1.0).abs() > ROUNDING {
            return Ok(refuted(format!("a direction of norm {} with the bound {bound}", norm(d))));
        }
        let residual = super::residual::Residual::new(&self.gradient, &self.at.point, self.certificate.tolerance)?;
        let faces = residual.faces();
        let counts: Option<Vec<usize>> = faces.iter().map(|id| residual.face(*id).count()).collect();
        let total = counts.as_ref().and_then(|c| c.iter().try_fold(1usize, |n, k| n.checked_mul(*k)));
        let (Some(counts), Some(total)) = (counts, total.filter(|n| *n <= TRIED)) else {
            return Ok(unverified("the bound along the direction: too many choices to try them all"));
        };
        let spurious = self.certificate.verdict == Verdict::SpuriousCritical;
        let mut tangents = Tangents::new(&self.at.program, &self.at.point, self.certificate.tolerance, &residual)?;
        for number in 0..total {
            let (mut values, mut rest, mut pieces) = (residual.base(), number, vec![]);
            for (id, count) in std::iter::zip(&faces, &counts) {
                residual.write(*id, rest % count, &mut values);
                pieces.push(rest % count);
                rest /= count;
            }
            let chosen = super::set_at::chosen(&residual, &values, None);
            let mut slow = Slow { chosen: &chosen, wrong: None, tolerance: self.certificate.tolerance };
            let v = flat(&Interpreter::new(&self.gradient).run(&self.at.point, &mut slow)?);
            if dot(&v, d) <= bound + ROUNDING * self.certificate.scale.max(norm(&v)) {
                continue;
            }
            // This choice is above the bound: then no direction may realize it.
            let mut rows = vec![];
            let forms = tangents.rows(&values);
            for (id, piece) in std::iter::zip(&faces, &pieces) {
                let own = residual.face(*id).forms(*piece).unwrap_or_default();
                rows.extend(own.iter().filter_map(|form| forms.pull(id.tie, form)));
            }
            match open_cone(&rows)? {
                Cone::Empty { residual, .. } if spurious && residual <= ROUNDING => {}
                _ => return Ok(refuted(format!("choice {number} at the ties is above the bound along the direction"))),
            }
        }
        Ok(None)
    }
}

fn refuted(why: String) -> Option<Checked> {
    Some(Checked::Refuted(why))
}

fn unverified(what: &str) -> Option<Checked> {
    Some(Checked::Unverified(format!("not checked: {what}")))
}

/// Puts what is chosen into the ties of a slow run, and looks whether it lies in their sets.
struct Slow<'a> {
    chosen: &'a [Chosen],
    wrong: Option<String>,
    tolerance: f64,
}

impl Monitor for Slow<'_> {
    fn decide(&mut self, site: &Arc<Site>, u: &Tensor, value: &mut Tensor) {
        let own: Vec<&Chosen> = self.chosen.iter().filter(|c| c.tie == (site.node, site.number)).collect();
        let Some(tie) = site.tie.tie().filter(|_| !own.is_empty()) else { return };
        let snapped = if self.tolerance > 0.0 { tie.snap(u, self.tolerance) } else { None };
        let u = snapped.as_ref().unwrap_or(u);
        let faces = tie.faces(u);
        for chosen in own {
            let face = faces.iter().find(|f| f.entries == chosen.entries);
            if !face.is_some_and(|f| contains(f, &chosen.values, &tie.maximize(u, &spread(value, chosen)))) {
                self.wrong = Some(format!("the choice at {} {:?} is not in its set", chosen.op, chosen.index));
            }
            std::iter::zip(&chosen.entries, &chosen.values).for_each(|(&at, x)| value.data_mut()[at] = *x);
        }
    }
}

/// What is chosen as a value of the tie, 0 elsewhere.
fn spread(value: &Tensor, chosen: &Chosen) -> Tensor {
    let mut all = Tensor::full(value.shape(), 0.0);
    std::iter::zip(&chosen.entries, &chosen.values).for_each(|(&at, x)| all.data_mut()[at] = *x);
    all
}

/// Whether values lie in the set of a face. Of a set known by its linear maximization, whether its point farthest along
/// the values is as far: necessary, and for the boundary of a ball sufficient.
fn contains(face: &Face, values: &[f64], farthest: &Option<Tensor>) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= ROUNDING;
    let within = |x: &f64| (-ROUNDING..=1.0 + ROUNDING).contains(x);
    match &face.pieces {
        Pieces::Segment => values.iter().all(within),
        Pieces::Simplex => values.iter().all(within) && near(values.iter().sum(), 1.0),
        Pieces::List(all) if values.len() == 1 => {
            let ends = |f: fn(f64, f64) -> f64| all.iter().map(|p| p.values[0]).reduce(f).unwrap_or(f64::NAN);
            (ends(f64::min) - ROUNDING..=ends(f64::max) + ROUNDING).contains(&values[0])
        }
        Pieces::List(all) => all.iter().any(|p| std::iter::zip(&p.values, values).all(|(a, b)| near(*a, *b))),
        Pieces::Body { .. } => farthest.as_ref().is_some_and(|best| {
            let reach: f64 = std::iter::zip(&face.entries, values).map(|(&at, x)| x * best.data()[at]).sum();
            dot(values, values) <= reach + ROUNDING
        }),
        Pieces::Unknown => false,
    }
}
