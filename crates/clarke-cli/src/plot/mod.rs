//! `clarke explain --plot`: pictures of functions of one or two numbers, their kinks, and both sets.

mod line;
mod mesh;
mod paint;
mod panel;
mod plane;

use crate::bind::Bindings;
use crate::output::{Target, extension};
use crate::report::Exit;
use clarke::{At, Judgement, Policy, Program, SetOptions, Tensor};
use paint::Kind;
use std::path::Path;

/// A picture that was asked for.
#[derive(Debug)]
pub struct Plot {
    target: Target,
    kind: Kind,
    /// One range for each number, or one for both.
    ranges: Vec<(f64, f64)>,
    numbers: usize,
}

/// What is drawn.
pub struct Subject<'a> {
    pub expression: &'a str,
    pub program: &'a Program,
    pub at: &'a At,
    pub policy: &'a Policy,
    pub options: &'a SetOptions,
    pub variables: Variables,
}

/// The numbers that the function depends on, with their names, and how a few numbers become the program's inputs.
pub struct Variables {
    pub names: Vec<String>,
    pub point: Vec<f64>,
    shapes: Vec<Vec<usize>>,
}

impl Variables {
    fn of(program: &Program, at: &At) -> Variables {
        let inputs: Vec<_> = program.inputs().iter().filter(|i| i.role.is_argument()).collect();
        let entries = |i: &&clarke::program::Input| -> Vec<String> {
            let count = i.shape.iter().product();
            (0..count).map(|k| crate::explain::entry_name(&i.name, &i.shape, k)).collect()
        };
        Variables {
            names: inputs.iter().flat_map(entries).collect(),
            point: at.point().iter().flat_map(|t| t.data().to_vec()).collect(),
            shapes: inputs.iter().map(|i| i.shape.clone()).collect(),
        }
    }

    /// The inputs that hold these numbers.
    pub fn inputs(&self, numbers: &[f64]) -> Vec<Tensor> {
        let mut rest = numbers.iter();
        self.shapes.iter().map(|s| Tensor::from_fn(s, |_| *rest.next().unwrap_or(&0.0))).collect()
    }
}

impl Plot {
    /// Checks, before any work is done, that the picture can be drawn and saved.
    pub fn check(path: &Path, range: Option<&str>, point: &Bindings) -> Result<Plot, Exit> {
        let kind = match extension(path).as_str() {
            "svg" => Kind::Svg,
            "png" => Kind::Png,
            _ => {
                return Err(Exit::input(format!("--plot {}: cannot tell the format", path.display()))
                    .hint("pictures are saved as *.svg or *.png"));
            }
        };
        let numbers: usize = point.iter().map(|(_, x)| x.data().len()).sum();
        if !(1..=2).contains(&numbers) {
            return Err(Exit::input(format!("--plot: the function depends on {numbers} numbers")).hint(
                "a function of one or two numbers can be drawn: give the others their values in the expression",
            ));
        }
        let ranges = range.map_or(Ok(vec![]), |text| ranges(text, numbers))?;
        Ok(Plot { target: Target::check("--plot", path)?, kind, ranges, numbers })
    }

    /// Draws and saves the picture.
    pub fn draw(
        &self,
        expression: &str,
        program: &Program,
        at: &At,
        policy: &Policy,
        options: &SetOptions,
        judged: &mut Judgement,
    ) -> Result<(), Exit> {
        let variables = Variables::of(program, at);
        let subject = Subject { expression, program, at, policy, options, variables };
        let scene = match self.numbers {
            1 => line::scene(&subject, self.ranges.first().copied())?,
            _ => plane::scene(&subject, &self.ranges, judged)?,
        };
        let bytes = scene.render(self.kind).map_err(|e| Exit::failed(format!("cannot draw the picture: {e}")))?;
        self.target.save(&bytes)
    }
}

/// `a:b`, or `a:b,c:d` for two numbers.
fn ranges(text: &str, numbers: usize) -> Result<Vec<(f64, f64)>, Exit> {
    let bad = |why: &str| {
        Exit::input(format!("--range {text}: {why}"))
            .hint("a range is written as -1:2, from its lower to its upper end; for two numbers also as -1:2,0:5")
    };
    let one = |part: &str| {
        let (low, high) = part.split_once(':').ok_or_else(|| bad("there is no `:`"))?;
        let end = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        let (Some(low), Some(high)) = (end(low), end(high)) else { return Err(bad("an end is not a finite number")) };
        if low >= high || !(high - low).is_finite() {
            return Err(bad("it is empty or too wide"));
        }
        if high - low < 1e-9 * low.abs().max(high.abs()) {
            return Err(bad("it is too narrow to be drawn"));
        }
        Ok((low, high))
    };
    let all = text.split(',').map(one).collect::<Result<Vec<_>, Exit>>()?;
    if all.len() > numbers {
        return Err(bad("there are more ranges than numbers"));
    }
    Ok(all)
}
