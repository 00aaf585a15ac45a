//! `clarke study`: what conventions at ties do to training, measured.

mod chapters;
mod maxpool;
mod relu0;
mod tables;

use crate::data::Table;
use crate::output::{Format, json};
use crate::page::Page;
use crate::progress::{Progress, interrupted};
use crate::report::{Exit, put};
use chapters::Story;
use clap::{Args, Subcommand};
use clarke::Float;
use clarke_train::study::{Images, Watch};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// What conventions at ties do to training, measured
#[derive(Debug, Args)]
pub struct StudyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Relu0(relu0::Relu0Args),
    Maxpool(maxpool::MaxpoolArgs),
}

/// What both studies take.
#[derive(Debug, Args)]
pub struct Common {
    /// A CSV file of images, a row each, with a column of classes (the digits of scikit-learn unless given)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The column of classes
    #[arg(long, value_name = "COL", default_value = "digit")]
    y: String,
    /// The arithmetics
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "f16,bf16,f32,f64")]
    precision: Vec<Float>,
    /// How many random weights are tried
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// How many trainings with each choice
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    starts: Option<u32>,
    /// Passes through the images in a training
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// The seed of everything random: the same one gives the same numbers, on any number of processors of one kind
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Small networks and few runs: does it work here?
    #[arg(long)]
    quick: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write a report, a page for a browser: tables, charts, settings and versions
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// What is said of the arithmetic, in every report.
const ARITHMETIC: &str = "f16 and bf16 mean: the value of every operator is rounded to 16 bits, inputs and weights too; \
     sums and products of matrices are accumulated in f32 and rounded once. Other orders and widths of accumulation meet \
     other ties. f32 and f64 are computed in these formats throughout.";

/// Runs and prints.
pub fn run(args: &StudyArgs) -> Result<(), Exit> {
    match &args.what {
        What::Relu0(args) => relu0::run(args),
        What::Maxpool(args) => maxpool::run(args),
    }
}

impl Common {
    fn images(&self) -> Result<(Images, String), Exit> {
        let Some(file) = &self.data else { return Ok((digits(), "digits (scikit-learn)".into())) };
        let (x, y) = Table::read(file)?.split(&self.y, file)?;
        let images = Images::new(x.matrix()?.into_data(), y.into_data())?;
        Ok((images, file.display().to_string()))
    }

    fn count(&self, given: Option<u32>, usual: usize, quick: usize) -> usize {
        given.map_or(if self.quick { quick } else { usual }, |n| n as usize)
    }

    /// The page that was asked for, if one was. Checks, before any work is done, that it can be saved.
    fn page(&self) -> Result<Option<Page>, Exit> {
        self.report.as_deref().map(|path| Page::check("--report", path)).transpose()
    }

    /// What is set, for the page.
    fn settings(&self, more: &[(&str, String)]) -> Vec<(String, String)> {
        let floats = self.precision.iter().map(Float::to_string).collect::<Vec<_>>().join(", ");
        let own = [("arithmetics", floats), ("seed", self.seed.to_string())];
        own.iter().chain(more).map(|(name, value)| (name.to_string(), value.clone())).collect()
    }

    /// Prints a result as text or JSON, and saves its page.
    fn tell<T: Serialize>(&self, result: &T, story: Story<'_>, page: Option<Page>) -> Result<(), Exit> {
        match self.format {
            Format::Json => put(&json(result)?)?,
            Format::Text => put(&story.text())?,
        }
        page.map_or(Ok(()), |page| story.save(&page, self.data.as_deref()))
    }
}

/// The digits of scikit-learn, which the command carries.
fn digits() -> Images {
    let text = include_str!("../../../../data/digits.csv");
    let (mut pixels, mut labels) = (vec![], vec![]);
    for line in text.lines().skip(1) {
        let row = line.split(',').map(|cell| cell.parse::<f64>().expect("the digits are numbers"));
        pixels.extend(row);
        labels.extend(pixels.pop());
    }
    Images::new(pixels, labels).expect("the digits are images")
}

/// A study under way: a bar, and the flag that Ctrl-C sets.
struct Running {
    bar: Progress,
    interrupted: std::sync::Arc<AtomicBool>,
}

impl Running {
    fn begin(parts: usize) -> Result<Running, Exit> {
        Ok(Running { bar: Progress::new(parts as u64), interrupted: interrupted()? })
    }

    /// Does a part with a watch on it; nothing after an interruption.
    fn part<R: Default>(&self, work: impl FnOnce(&Watch<'_>) -> clarke::Result<R>) -> Result<R, Exit> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(R::default());
        }
        Ok(work(&Watch { interrupted: &self.interrupted, done: &|| self.bar.tick() })?)
    }

    /// Whether it was interrupted.
    fn end(self) -> bool {
        self.bar.done();
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// The file that was read, as the report names it.
#[derive(Debug, Serialize)]
struct Source {
    name: String,
    images: usize,
    pixels: usize,
    classes: usize,
}

impl Source {
    fn new(name: String, images: &Images) -> Source {
        Source { name, images: images.count(), pixels: images.width(), classes: images.classes() }
    }

    fn text(&self) -> String {
        format!("{}, {} images of {} pixels, {} classes", self.name, self.images, self.pixels, self.classes)
    }
}

/// Refuses sizes of which nothing can be made.
fn positive(option: &str, sizes: &[usize]) -> Result<(), Exit> {
    match sizes.iter().find(|n| **n == 0 || **n > 1 << 16) {
        Some(wrong) => Err(Exit::input(format!("{option} {wrong}: it is a whole number from 1 to {}", 1 << 16))),
        None => Ok(()),
    }
}
