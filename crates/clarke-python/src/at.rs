//! A program at a point, as Python asks it: ties, gradients, both sets, verdicts with their certificates.

use crate::convert::array;
use crate::errors::{Raised, exception};
use crate::program::{Policy, Program};
use crate::set::{Arrays, Budget, Nearest, SetAt, arrays, element, nearest, options};
use clarke::{Checked, Lipschitz, Place, Tensor};
use pyo3::prelude::*;

/// A program at a point.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct At {
    pub inner: clarke::At,
}

/// File and line of Python; or the bytes of the program's text.
type Where = (Option<&'static str>, Option<u32>, Option<(usize, usize)>);

fn place(place: &Place) -> Where {
    match place {
        Place::Unknown => (None, None, None),
        Place::Source { file, line, .. } => (Some(file), Some(*line), None),
        Place::Text { start, end, .. } => (None, None, Some((*start, *end))),
    }
}

/// A tie met: operator, its text, its place, index, pieces, distance, distance of the next piece.
type TieMet = (&'static str, String, Where, Option<Vec<usize>>, Option<u64>, f64, f64);

/// The gradients under the presets by name, their box, and the box over all choices.
type Dependence<'py> = (Vec<(String, Arrays<'py>)>, (Arrays<'py>, Arrays<'py>), (Arrays<'py>, Arrays<'py>));

/// Class, class on bounded sets, the operators that raise it with place, from and to, and what the theory gives.
type Tameness = (String, String, Vec<(&'static str, Where, String, String)>, Vec<&'static str>);

#[pymethods]
impl At {
    /// A program at the values of its inputs, in order.
    #[new]
    fn new(py: Python<'_>, program: &Program, inputs: Vec<Bound<'_, PyAny>>) -> PyResult<At> {
        let inputs = element(&inputs)?;
        let inner = py.detach(|| program.inner.at(&inputs)).raised(py)?;
        Ok(At { inner })
    }

    /// The inputs.
    #[getter]
    fn point<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        self.inner.point().iter().map(|t| array(py, t)).collect()
    }

    /// The outputs.
    #[getter]
    fn outputs<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        arrays(py, &self.inner.outputs())
    }

    /// The ties met within a distance.
    fn ties(&self, py: Python<'_>, tolerance: f64) -> PyResult<Vec<TieMet>> {
        let met = py.detach(|| self.inner.ties(tolerance)).raised(py)?;
        let row = |t: clarke::TieMet| (t.op, t.source, place(&t.place), t.index, t.pieces, t.distance, t.beyond);
        Ok(met.into_iter().map(row).collect())
    }

    /// The gradient under a policy.
    fn gradient<'py>(&self, py: Python<'py>, policy: &Policy) -> PyResult<Arrays<'py>> {
        let found = py.detach(|| self.inner.gradient(&policy.inner)).raised(py)?;
        arrays(py, &found)
    }

    /// An element of the Clarke subdifferential, along a random direction.
    fn clarke_element<'py>(&self, py: Python<'py>, seed: u64) -> PyResult<Arrays<'py>> {
        let found = py.detach(|| self.inner.clarke_element(seed)).raised(py)?;
        arrays(py, &found)
    }

    /// The conservative gradient; the conservative Jacobian if `jacobian`.
    fn conservative(&self, py: Python<'_>, jacobian: bool, budget: Budget) -> PyResult<SetAt> {
        let options = options(budget);
        let set = py.detach(|| match jacobian {
            true => self.inner.conservative_jacobian(&options),
            false => self.inner.conservative(&options),
        });
        set.map(SetAt::new).raised(py)
    }

    /// The Clarke subdifferential; the Clarke Jacobian if `jacobian`.
    fn clarke(&self, py: Python<'_>, jacobian: bool, budget: Budget) -> PyResult<SetAt> {
        let options = options(budget);
        let set = py.detach(|| match jacobian {
            true => self.inner.clarke_jacobian(&options),
            false => self.inner.clarke(&options),
        });
        set.map(SetAt::new).raised(py)
    }

    /// The verdict with both sets and what proves it.
    fn judge(&self, py: Python<'_>, budget: Budget) -> PyResult<Judgement> {
        let options = options(budget);
        let judged = py.detach(|| self.inner.judge(&options)).raised(py)?;
        Judgement::new(py, judged)
    }

    /// What is known of the point as the end of a run.
    fn conclude(&self, py: Python<'_>, wanted: Wanted) -> PyResult<Conclusion> {
        let options = conclude_options(wanted);
        let end = py.detach(|| self.inner.conclude(&options));
        Conclusion::new(py, end)
    }

    /// The directional derivative.
    fn directional(&self, py: Python<'_>, direction: Arrays<'_>) -> PyResult<f64> {
        let d = element(&direction)?;
        py.detach(|| self.inner.directional(&d)).raised(py)
    }

    /// Whether a gradient lies outside of the Clarke subdifferential.
    fn is_artifact(&self, py: Python<'_>, gradient: Arrays<'_>, clarke: &SetAt) -> PyResult<Option<bool>> {
        let gradient = element(&gradient)?;
        clarke.ask(py, |set| self.inner.is_artifact(&gradient, set)).raised(py)
    }

    /// How the gradient depends on the convention.
    fn dependence<'py>(&self, py: Python<'py>, conservative: &SetAt) -> PyResult<Dependence<'py>> {
        let found = conservative.ask(py, |set| self.inner.dependence_within(set)).raised(py)?;
        let presets = found.presets.iter().map(|(name, g)| Ok((name.clone(), arrays(py, g)?)));
        let ends =
            |(low, high): &(clarke::Element, clarke::Element)| Ok::<_, PyErr>((arrays(py, low)?, arrays(py, high)?));
        Ok((presets.collect::<PyResult<_>>()?, ends(&found.over_presets)?, ends(&found.over_choices)?))
    }

    /// Whether the program is path-differentiable here, as far as known.
    fn path_differentiable(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        py.detach(|| self.inner.path_differentiable()).raised(py)
    }

    /// A number for the branch pattern.
    fn signature(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.inner.signature()).raised(py)
    }

    /// Where the branch pattern changes on the line through the point along a direction of the variables, with the
    /// tolerance within which the ties there are met.
    fn kinks(
        &self,
        py: Python<'_>,
        direction: Arrays<'_>,
        range: (f64, f64),
        samples: usize,
    ) -> PyResult<Vec<(f64, f64)>> {
        let d = element(&direction)?;
        let kinks = py.detach(|| {
            let along = self.all_inputs(d, |x| Tensor::full(x.shape(), 0.0))?;
            self.inner.program().strata()?.kinks(self.inner.point(), &along, range, samples, 0.0)
        });
        Ok(kinks.raised(py)?.into_iter().map(|k| (k.at, k.tolerance)).collect())
    }

    /// The class of tameness.
    fn tameness(&self, py: Python<'_>) -> Tameness {
        let found = py.detach(|| self.inner.program().tameness());
        let raised =
            found.raised.iter().map(|r| (r.op, place(&r.place), r.from.to_string(), r.to.to_string())).collect();
        (found.level.to_string(), found.on_bounded.to_string(), raised, found.guarantees())
    }

    /// A Lipschitz constant on the box between two ends of the variables; or the operator at fault and its place.
    fn lipschitz(
        &self,
        py: Python<'_>,
        low: Arrays<'_>,
        high: Arrays<'_>,
    ) -> PyResult<(Option<f64>, Option<String>, Where)> {
        let (low, high) = (element(&low)?, element(&high)?);
        let found = py.detach(|| {
            let ends = [self.all_inputs(low, Tensor::clone)?, self.all_inputs(high, Tensor::clone)?];
            let [low, high] = ends;
            self.inner.program().lipschitz(&std::iter::zip(low, high).collect::<Vec<_>>())
        });
        Ok(match found.raised(py)? {
            Lipschitz::Bounded(constant) => (Some(constant), None, (None, None, None)),
            Lipschitz::Unbounded { op, place: at } => (None, Some(op), place(&at)),
        })
    }
}

impl At {
    /// Arrays for all inputs from those for the variables; `other` makes the rest.
    fn all_inputs(&self, variables: Vec<Tensor>, other: impl Fn(&Tensor) -> Tensor) -> clarke::Result<Vec<Tensor>> {
        let inputs: Vec<_> = self.inner.program().inputs().iter().filter(|i| !i.role.is_selection()).collect();
        let names: Vec<String> = inputs.iter().filter(|i| i.role.is_argument()).map(|i| i.name.clone()).collect();
        if names.len() != variables.len() {
            let (expected, given) = (names.len(), variables.len());
            return Err(clarke::Fault::InputCount { expected, given, names }.into());
        }
        let mut own = variables.into_iter();
        let pick = |(input, x): (&&clarke::program::Input, &Tensor)| match input.role.is_argument() {
            true => own.next().unwrap_or_else(|| other(x)),
            false => other(x),
        };
        Ok(std::iter::zip(&inputs, self.inner.point()).map(pick).collect())
    }
}

/// A verdict with both sets and what proves it.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Judgement {
    /// The verdict.
    #[pyo3(get)]
    verdict: String,
    /// The conservative gradient.
    #[pyo3(get)]
    conservative: Py<SetAt>,
    /// The Clarke subdifferential.
    #[pyo3(get)]
    clarke: Py<SetAt>,
    /// Whether 0 is in the hull of the conservative gradient.
    #[pyo3(get)]
    conservative_critical: Option<bool>,
    /// Whether 0 is in the Clarke subdifferential.
    #[pyo3(get)]
    clarke_critical: Option<bool>,
    conservative_min: clarke::Nearest,
    clarke_min: clarke::Nearest,
    descent: Option<clarke::Descent>,
    certificate: Option<clarke::Certificate>,
}

#[pymethods]
impl Judgement {
    /// The element of least norm of the conservative gradient.
    #[getter]
    fn conservative_min<'py>(&self, py: Python<'py>) -> PyResult<Nearest<'py>> {
        nearest(py, &self.conservative_min)
    }

    /// The element of least norm of the Clarke subdifferential.
    #[getter]
    fn clarke_min<'py>(&self, py: Python<'py>) -> PyResult<Nearest<'py>> {
        nearest(py, &self.clarke_min)
    }

    /// A direction of descent and a bound of the slope along it.
    #[getter]
    fn descent<'py>(&self, py: Python<'py>) -> PyResult<Option<(Arrays<'py>, f64)>> {
        self.descent.as_ref().map(|d| Ok((arrays(py, &d.direction)?, d.bound))).transpose()
    }

    /// The certificate.
    #[getter]
    fn certificate(&self) -> Option<Certificate> {
        self.certificate.clone().map(|inner| Certificate { inner })
    }
}

impl Judgement {
    pub fn new(py: Python<'_>, judged: clarke::Judgement) -> PyResult<Judgement> {
        Ok(Judgement {
            verdict: judged.verdict.to_string(),
            conservative: Py::new(py, SetAt::new(judged.conservative))?,
            clarke: Py::new(py, SetAt::new(judged.clarke))?,
            conservative_critical: judged.conservative_critical,
            clarke_critical: judged.clarke_critical,
            conservative_min: judged.conservative_min,
            clarke_min: judged.clarke_min,
            descent: judged.descent,
            certificate: judged.certificate,
        })
    }
}

/// What is done with the best point: whether it is polished, whether it is judged, the tolerance of ties, whether the
/// function is said to be convex, the radius of the ball of the bound.
pub type Wanted = (Option<bool>, Option<bool>, f64, bool, Option<f64>);

/// What is done with the best point, as the library takes it.
pub fn conclude_options((polish, judge, tolerance, convex, radius): Wanted) -> clarke::ConcludeOptions {
    clarke::ConcludeOptions { polish, judge, tolerance, convex, radius }
}

/// An active tie: operator, its text, its place, index, pieces, |u|, weights.
type Active = (String, String, String, Option<Vec<usize>>, Option<u64>, f64, Vec<f64>);

/// What is known of the point where a run ended.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Conclusion {
    end: clarke::Conclusion,
    /// The verdict with both sets.
    #[pyo3(get)]
    judgement: Option<Py<Judgement>>,
    /// The verdict.
    #[pyo3(get)]
    verdict: Option<String>,
    /// Whether 0 is in the Clarke subdifferential.
    #[pyo3(get)]
    critical: Option<bool>,
    /// The norm of the combination of least norm.
    #[pyo3(get)]
    norm: Option<f64>,
    /// All of it in words.
    #[pyo3(get)]
    text: String,
}

#[pymethods]
impl Conclusion {
    /// The point, one array for each variable.
    #[getter]
    fn variables<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        arrays(py, &self.end.variables)
    }

    /// The value there.
    #[getter]
    fn value(&self) -> f64 {
        self.end.value
    }

    /// If the point was moved onto its ties: the norm of the weighted derivative, how many differences are active, and how
    /// far they are from 0.
    #[getter]
    fn polished(&self) -> Option<(f64, usize, f64)> {
        let found = self.end.polished.as_ref()?;
        Some((found.norm, found.active, found.precision.tolerance()))
    }

    /// Why there is no verdict.
    #[getter]
    fn unjudged(&self) -> Option<String> {
        self.end.unjudged.clone()
    }

    /// How nearly the ties are met.
    #[getter]
    fn precision(&self) -> String {
        self.end.precision.to_string()
    }

    /// The largest active difference.
    #[getter]
    fn largest(&self) -> f64 {
        self.end.largest()
    }

    /// The active ties.
    #[getter]
    fn active(&self) -> Vec<Active> {
        let row = |a: &clarke::Active| {
            let (index, weights) = (a.index.clone(), a.weights.clone());
            (a.op.clone(), a.source.clone(), a.place.clone(), index, a.pieces, a.difference, weights)
        };
        self.end.active.iter().map(row).collect()
    }

    /// How near a critical point was proved to lie, and bounds of the value there.
    #[getter]
    fn proof(&self) -> Option<(f64, f64, f64)> {
        self.end.proof().map(|p| (p.radius, p.value.0, p.value.1))
    }

    /// What is missing to the least value at most, and the radius of the ball over which.
    #[getter]
    fn bound(&self) -> Option<(f64, Option<f64>)> {
        self.end.bound().map(|b| (b.missing, b.radius))
    }

    /// The certificate.
    #[getter]
    fn certificate(&self) -> Option<Certificate> {
        self.end.certificate.clone().map(|inner| Certificate { inner })
    }
}

impl Conclusion {
    pub fn new(py: Python<'_>, mut end: clarke::Conclusion) -> PyResult<Conclusion> {
        let (critical, norm, text) = (end.critical(), end.norm(), clarke_show::conclusion_text(&end));
        let verdict = end.verdict().map(|v| v.to_string());
        let judgement = end.judgement.take().map(|j| Py::new(py, Judgement::new(py, j)?)).transpose()?;
        Ok(Conclusion { end, judgement, verdict, critical, norm, text })
    }
}

/// A verdict as data that can be checked again.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Certificate {
    inner: clarke::Certificate,
}

#[pymethods]
impl Certificate {
    /// From its text.
    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Certificate> {
        match serde_json::from_str(text) {
            Ok(inner) => Ok(Certificate { inner }),
            Err(error) => Err(exception(py, "TextError", format!("this is no certificate: {error}"))),
        }
    }

    /// Its text, in JSON.
    fn text(&self) -> String {
        serde_json::to_string(&self.inner).expect("numbers and texts have a JSON form")
    }

    /// The verdict.
    #[getter]
    fn verdict(&self) -> String {
        self.inner.verdict.to_string()
    }

    /// Checks it against a program: `verified`, `refuted` or `unverified`, and why.
    fn check(&self, py: Python<'_>, program: &Program) -> PyResult<(&'static str, Option<String>)> {
        Ok(match py.detach(|| self.inner.check(&program.inner)).raised(py)? {
            Checked::Verified => ("verified", None),
            Checked::Refuted(why) => ("refuted", Some(why)),
            Checked::Unverified(why) => ("unverified", Some(why)),
        })
    }
}
