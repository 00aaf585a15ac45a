//! Pictures of functions of one or two numbers, their kinks, and both sets; and of a set alone.

mod alone;
mod line;
mod mesh;
pub(crate) mod paint;
pub(crate) mod panel;
mod plane;

pub use paint::PictureFormat;

use crate::words::{entry_name, plural};
use clarke::program::Input;
use clarke::{At, Error, Judgement, Policy, Program, SetAt, SetOptions, Tensor};

/// Why there is no picture. The text ends in what to do, after a semicolon.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// A function of this many numbers has no picture.
    #[error(
        "the function depends on {}; a function of one or two numbers can be drawn: give the others their values in the expression",
        plural(*.numbers, "number")
    )]
    Function {
        /// How many.
        numbers: usize,
    },
    /// A set of derivatives of this many entries has no picture.
    #[error(
        "the derivatives in the set have {}; a set of derivatives of one or two entries can be drawn",
        if *.entries == 1 { "1 entry".into() } else { format!("{entries} entries") }
    )]
    Set {
        /// How many.
        entries: usize,
    },
    /// A range cannot be drawn, or is one too many.
    #[error("the range from {low} to {high}: {why}; a range goes from its lower to its upper end, one for each number")]
    Range {
        /// The lower end as given.
        low: f64,
        /// The upper end as given.
        high: f64,
        /// What is wrong.
        why: &'static str,
    },
    /// What the library says.
    #[error(transparent)]
    Clarke(#[from] Error),
    /// The picture cannot be written.
    #[error("cannot draw the picture: {0}")]
    Written(String),
}

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What heads the picture: the expression or the function's name ([`crate::Explanation::title`]).
    pub title: &'a str,
    /// The program.
    pub program: &'a Program,
    /// The program at the point.
    pub at: &'a At,
    /// The policy whose gradients are drawn.
    pub policy: &'a Policy,
    /// How far the search for sets may go at kinks.
    pub options: &'a SetOptions,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The content of a file: SVG as UTF-8, or PNG.
    pub bytes: Vec<u8>,
    /// What it leaves out, in sentences without their stops.
    pub notes: Vec<String>,
}

impl Picture {
    /// The picture as text, if it is SVG.
    pub fn svg(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// Whether a function of so many numbers has a picture. Errors if not.
pub fn drawable(numbers: usize) -> Result<(), PictureError> {
    if (1..=2).contains(&numbers) { Ok(()) } else { Err(PictureError::Function { numbers }) }
}

/// Whether a range can be drawn. Errors: an end that is not finite, a range that is empty, wider than a number can be, or
/// narrower than 10⁻⁹ relative to its ends.
pub fn check_range((low, high): (f64, f64)) -> Result<(), PictureError> {
    let why = if !(low.is_finite() && high.is_finite()) {
        "an end is not a finite number"
    } else if low >= high || !(high - low).is_finite() {
        "it is empty or too wide"
    } else if high - low < 1e-9 * low.abs().max(high.abs()) {
        "it is too narrow to be drawn"
    } else {
        return Ok(());
    };
    Err(PictureError::Range { low, high, why })
}

/// Whether the ranges are not more than the numbers. Errors if so.
pub fn check_count(ranges: &[(f64, f64)], numbers: usize) -> Result<(), PictureError> {
    match ranges.get(numbers) {
        Some((low, high)) => {
            Err(PictureError::Range { low: *low, high: *high, why: "there are more ranges than numbers" })
        }
        None => Ok(()),
    }
}

/// Draws a function of one or two numbers (all entries of its variables; data are held as they are).
///
/// Of one number: its values, its derivative under the policy, and both sets at every kink. Of two: the smooth pieces in
/// the plane, and both sets at the point, as they were judged, with the gradients of the presets and of the policy.
///
/// `ranges` says what is drawn: one range for each number, or one for both; without one 1 to both sides of the point, and
/// for one number more if that shows no kink. Errors: the number of variables, a range; those of [`At::gradient`] and
/// [`Program::strata`]. Cost: some thousand evaluations, and sets at up to 80 kinks.
///
/// ```
/// use clarke::{Policy, SetOptions};
/// use clarke_show::{PictureFormat, Subject, picture};
/// let program = clarke::parse("relu(-x) + x - relu(x)", &[("x", &[])])?;
/// let (at, policy, options) = (program.at(&[0.0.into()])?, Policy::pytorch(), SetOptions::default());
/// let subject = Subject { title: "zero", program: &program, at: &at, policy: &policy, options: &options };
/// let drawn = picture(&subject, &[(-2.0, 2.0)], &mut at.judge(&options)?, PictureFormat::Svg)?;
/// assert!(drawn.svg().is_some_and(|svg| svg.starts_with("<svg ")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn picture(
    subject: &Subject,
    ranges: &[(f64, f64)],
    judged: &mut Judgement,
    format: PictureFormat,
) -> Result<Picture, PictureError> {
    let view = View { subject: *subject, variables: Variables::of(subject.at) };
    let numbers = view.variables.names.len();
    drawable(numbers)?;
    ranges.iter().try_for_each(|range| check_range(*range))?;
    check_count(ranges, numbers)?;
    let mut notes = vec![];
    let scene = match numbers {
        1 => line::scene(&view, ranges.first().copied(), &mut notes)?,
        _ => plane::scene(&view, ranges, judged)?,
    };
    Ok(Picture { bytes: scene.render(format)?, notes })
}

/// Draws a set of derivatives of one or two entries alone: an interval on a line, or an area in the plane, with 0.
///
/// An interval whose bounds are not finite goes to the border. Errors: another number of entries. Cost: of a set in the
/// plane that is not known by its extreme points, 360 calls of [`SetAt::support`].
pub fn set_picture(set: &mut SetAt, format: PictureFormat) -> Result<Picture, PictureError> {
    Ok(Picture { bytes: alone::scene(set)?.render(format)?, notes: vec![] })
}

/// What is drawn, and its variables.
struct View<'a> {
    subject: Subject<'a>,
    variables: Variables,
}

impl<'a> std::ops::Deref for View<'a> {
    type Target = Subject<'a>;

    fn deref(&self) -> &Subject<'a> {
        &self.subject
    }
}

/// The numbers that the function depends on, with their names, and how a few numbers become the program's inputs.
struct Variables {
    names: Vec<String>,
    point: Vec<f64>,
    /// The inputs at the point, and whether each is a variable.
    all: Vec<(bool, Tensor)>,
}

impl Variables {
    fn of(at: &At) -> Variables {
        let inputs: Vec<&Input> = at.program().inputs().iter().filter(|i| !i.role.is_selection()).collect();
        let all: Vec<(bool, Tensor)> =
            inputs.iter().zip(at.point()).map(|(i, x)| (i.role.is_argument(), x.clone())).collect();
        let entries = |i: &&Input| -> Vec<String> {
            let count = i.shape.iter().product();
            (0..count).map(|k| entry_name(&i.name, &i.shape, k)).collect()
        };
        let own = all.iter().filter(|(varies, _)| *varies);
        Variables {
            names: inputs.iter().filter(|i| i.role.is_argument()).flat_map(entries).collect(),
            point: own.flat_map(|(_, x)| x.data().to_vec()).collect(),
            all,
        }
    }

    /// The inputs of the program with these numbers as its variables.
    fn inputs(&self, numbers: &[f64]) -> Vec<Tensor> {
        self.filled(numbers, Tensor::clone)
    }

    /// A direction in the program's inputs, along which its data do not move.
    fn direction(&self, numbers: &[f64]) -> Vec<Tensor> {
        self.filled(numbers, |data| Tensor::full(data.shape(), 0.0))
    }

    fn filled(&self, numbers: &[f64], data: impl Fn(&Tensor) -> Tensor) -> Vec<Tensor> {
        let mut rest = numbers.iter();
        let fill = |(varies, x): &(bool, Tensor)| match varies {
            true => Tensor::from_fn(x.shape(), |_| *rest.next().unwrap_or(&0.0)),
            false => data(x),
        };
        self.all.iter().map(fill).collect()
    }

    /// The inputs that are no variables.
    fn data(&self) -> Vec<Tensor> {
        self.all.iter().filter(|(varies, _)| !varies).map(|(_, x)| x.clone()).collect()
    }
}
