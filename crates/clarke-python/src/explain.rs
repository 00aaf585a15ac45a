//! What is said of a program at a point, and pictures: the words of the crate `clarke-show`.

use crate::at::{At, Judgement};
use crate::errors::{Raised, exception};
use crate::program::Policy;
use crate::set::{Budget, SetAt, options};
use clarke_show::{PictureError, PictureFormat, Written};
use pyo3::prelude::*;

/// Ranges of a picture: one for each number, or one for all.
type Ranges = Vec<(f64, f64)>;

/// A picture: the content of a file, and what it leaves out.
type Drawn = (Vec<u8>, Vec<String>);

/// A program at a point, explained.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Explained {
    inner: clarke_show::Explanation,
    at: clarke::At,
    policy: clarke::Policy,
    options: clarke::SetOptions,
    /// The verdict with both sets; None where there is none.
    #[pyo3(get)]
    judgement: Option<Py<Judgement>>,
}

#[pymethods]
impl Explained {
    /// Explains a program called `name`, or written as the expression `name`, at a point.
    #[new]
    fn new(
        py: Python<'_>,
        at: &At,
        name: &str,
        expression: bool,
        simplified: bool,
        policy: &Policy,
        budget: Budget,
    ) -> PyResult<Explained> {
        let (policy, options, at) = (policy.inner.clone(), options(budget), at.inner.clone());
        let written = if expression { Written::Expression(name) } else { Written::Function(name) };
        let said = py.detach(|| clarke_show::Explanation::new(written, &at, &policy, &options));
        let (mut inner, judged) = said.raised(py)?;
        inner.simplified = simplified.then(|| at.program().to_string());
        inner.complete = "to_dict()";
        let judgement = judged.ok().map(|judged| Py::new(py, Judgement::new(py, judged)?)).transpose()?;
        Ok(Explained { inner, at, policy, options, judgement })
    }

    /// The page as text.
    fn text(&self) -> String {
        self.inner.text()
    }

    /// The page as JSON.
    fn json(&self) -> String {
        self.inner.json()
    }

    /// The page as a fragment of HTML, with the picture of a function of one or two numbers.
    fn html(&self, py: Python<'_>) -> String {
        let drawn = py.detach(|| self.draw(&[], PictureFormat::Svg));
        self.inner.html(drawn.ok().as_ref())
    }

    /// The picture as SVG, or as PNG.
    fn picture(&self, py: Python<'_>, ranges: Ranges, png: bool) -> PyResult<Drawn> {
        drawn(py, py.detach(|| self.draw(&ranges, format(png))))
    }
}

impl Explained {
    fn draw(&self, ranges: &[(f64, f64)], format: PictureFormat) -> Result<clarke_show::Picture, PictureError> {
        let numbers = self.inner.point.0.iter().map(|(_, x)| x.data().len()).sum();
        clarke_show::drawable(numbers)?;
        let subject = clarke_show::Subject {
            title: self.inner.title(),
            program: self.at.program(),
            at: &self.at,
            policy: &self.policy,
            options: &self.options,
        };
        clarke_show::picture(&subject, ranges, &mut self.at.judge(&self.options)?, format)
    }
}

fn format(png: bool) -> PictureFormat {
    if png { PictureFormat::Png } else { PictureFormat::Svg }
}

fn drawn(py: Python<'_>, picture: Result<clarke_show::Picture, PictureError>) -> PyResult<Drawn> {
    match picture {
        Ok(picture) => Ok((picture.bytes, picture.notes)),
        Err(PictureError::Clarke(error)) => Err(crate::errors::raise(py, &error)),
        Err(error) => Err(exception(py, "InputError", error.to_string())),
    }
}

/// The picture of a set of derivatives of one or two entries alone.
#[pyfunction]
pub fn set_picture(py: Python<'_>, set: &SetAt, png: bool) -> PyResult<Drawn> {
    drawn(py, set.ask(py, |set| clarke_show::set_picture(set, format(png))))
}

/// A set as people read it.
#[pyfunction]
pub fn set_text(py: Python<'_>, set: &SetAt) -> String {
    set.ask(py, clarke_show::set_text)
}
