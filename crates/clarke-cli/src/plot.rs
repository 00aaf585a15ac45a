//! `clarke explain --plot`: where a picture is saved, and which part of the function it shows.

use crate::bind::Bindings;
use crate::output::{Target, extension};
use crate::report::{Exit, warn};
use clarke::Judgement;
use clarke_show::{PictureError, PictureFormat, Subject, check_count, check_range, drawable, picture};
use std::path::Path;

/// A picture that was asked for.
#[derive(Debug)]
pub struct Plot {
    target: Target,
    format: PictureFormat,
    /// One range for each number, or one for both.
    ranges: Vec<(f64, f64)>,
}

impl Plot {
    /// Checks, before any work is done, that the picture can be drawn and saved.
    pub fn check(path: &Path, range: Option<&str>, point: &Bindings) -> Result<Plot, Exit> {
        let format = match extension(path).as_str() {
            "svg" => PictureFormat::Svg,
            "png" => PictureFormat::Png,
            _ => {
                return Err(Exit::input(format!("--plot {}: cannot tell the format", path.display()))
                    .hint("pictures are saved as *.svg or *.png"));
            }
        };
        let numbers: usize = point.iter().map(|(_, x)| x.data().len()).sum();
        drawable(numbers)?;
        let ranges = range.map_or(Ok(vec![]), |text| ranges(text, numbers))?;
        Ok(Plot { target: Target::check("--plot", path)?, format, ranges })
    }

    /// Draws and saves the picture.
    pub fn draw(&self, subject: &Subject, judged: &mut Judgement) -> Result<(), Exit> {
        let drawn = picture(subject, &self.ranges, judged, self.format)?;
        drawn.notes.iter().for_each(warn);
        self.target.save(&drawn.bytes)
    }
}

impl From<PictureError> for Exit {
    fn from(error: PictureError) -> Exit {
        match error {
            PictureError::Clarke(error) => error.into(),
            PictureError::Written(_) => Exit::failed(error.to_string()),
            // Like a fault, the text ends in its advice.
            other => match other.to_string().split_once("; ") {
                Some((what, hint)) => Exit::input(format!("--plot: {what}")).hint(hint),
                None => Exit::input(format!("--plot: {other}")),
            },
        }
    }
}

/// `a:b`, or `a:b,c:d` for two numbers.
fn ranges(text: &str, numbers: usize) -> Result<Vec<(f64, f64)>, Exit> {
    let bad = |why: &str| {
        Exit::input(format!("--range {text}: {why}"))
            .hint("a range is written as -1:2, from its lower to its upper end; for two numbers also as -1:2,0:5")
    };
    let said = |error: PictureError| match error {
        PictureError::Range { why, .. } => bad(why),
        other => other.into(),
    };
    let one = |part: &str| {
        let (low, high) = part.split_once(':').ok_or_else(|| bad("there is no `:`"))?;
        // What is no number at all is not finite either.
        let end = |text: &str| text.trim().parse::<f64>().unwrap_or(f64::NAN);
        let range = (end(low), end(high));
        check_range(range).map(|()| range).map_err(said)
    };
    let all = text.split(',').map(one).collect::<Result<Vec<_>, Exit>>()?;
    check_count(&all, numbers).map_err(said)?;
    Ok(all)
}
