//! Reports of runs as one page of HTML that needs nothing else: no network, no script.
//!
//! A face fills a [`Report`] with facts, texts, tables and charts, and [`page`] writes it. The page holds its data, so that
//! [`read`] has the report back, and [`page`] of several draws their runs over each other.
//!
//! ```
//! use clarke_show::report::{Chart, Report, Scale, Series, Style, page, read};
//!
//! let mut report = Report::new("train", "Training on digits.csv", "mlp:64-32-10, cross entropy");
//! report.name = "adam".into(); // what its lines are called beside those of other reports
//! report.tile("test accuracy", "97.2 %");
//! let loss = |rate: f64| (0..30).map(move |epoch| (f64::from(epoch), (-rate * f64::from(epoch)).exp()));
//! report
//!     .section("Along the run")
//!     .chart(
//!         Chart::new("loss", "Loss", "epoch", "loss", Scale::Log)
//!             .series(Series::new("training", loss(0.2)))
//!             .series(Series::new("validation", loss(0.1))),
//!     )
//!     .text("The loss of validation was least after 29 epochs.");
//! report.section("How it was made").facts("Settings", [("method", "adam"), ("seed", "0")]);
//!
//! let html = page(&[report.clone()]);
//! assert!(html.starts_with("<!doctype html>"));
//! assert_eq!(read(&html)?, [report.clone()]);
//! let other = Report { name: "sgd".into(), ..report.clone() };
//! let both = page(&[report, other]); // the lines of both in one chart
//! # Ok::<(), clarke_show::report::ReportError>(())
//! ```

mod axis;
mod chart;
mod compare;
mod embed;
mod page;

pub use embed::{ReportError, read};
pub use page::page;

use embed::points;
use serde::{Deserialize, Serialize};

/// What is told of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The command that made it: `minimize`, `train`, `study relu0`.
    pub kind: String,
    /// The heading.
    pub title: String,
    /// What was worked on, for example the objective. Heights of runs are compared only where it is the same.
    pub subject: String,
    /// What its lines are called beside those of other reports, for example the method.
    pub name: String,
    /// What is seen first, in a few words each: what it is, and what it came to.
    pub tiles: Vec<(String, String)>,
    /// What it ended with, if it failed: what went wrong, then what may help, a sentence or two each.
    pub failure: Vec<String>,
    /// The rest, in order.
    pub sections: Vec<Section>,
}

/// A part of a report with a heading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// What stands below it.
    pub blocks: Vec<Block>,
}

/// What stands in a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Block {
    /// Paragraphs, with a blank line between them.
    Text(String),
    /// Text whose lines and blanks stay as they are.
    Code(String),
    /// What is called what.
    Facts(Facts),
    /// A table.
    Table(Table),
    /// A chart.
    Chart(Chart),
}

/// Names with what they stand for. Those of several reports, under one title, become a table with a column for each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The heading; may be empty.
    pub title: String,
    /// The names and what they stand for.
    pub rows: Vec<(String, String)>,
}

/// Rows of cells below their titles. A column of numbers is set to the right.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The heading; may be empty.
    pub title: String,
    /// The titles of the columns.
    pub head: Vec<String>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// Lines over a common axis. Lines of several reports, in charts of one `id`, are drawn over each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What it is called by programs.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What the horizontal axis counts.
    pub x: String,
    /// What the vertical axis measures.
    pub y: String,
    /// How it is drawn.
    pub scale: Scale,
    /// A value that may be lower than those of the lines, if one is known, as that of a polished solution: heights are
    /// measured from the lowest of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// The lines.
    pub series: Vec<Series>,
    /// What is to be said of it; may be empty.
    #[serde(default)]
    pub note: String,
    /// Its runs have different subjects: heights are measured from each one's own least value.
    #[serde(skip)]
    apart: bool,
}

/// The axes of a chart. Where there are several, the reader chooses, and the first is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scale {
    /// Linear.
    Linear,
    /// Logarithmic values, and linear ones.
    Log,
    /// Both axes logarithmic: powers are straight.
    Power,
    /// Heights above the least value, logarithmic, also over a logarithmic horizontal axis; and the values themselves.
    Height,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// The run that it is of, where the lines of several are drawn over each other.
    #[serde(skip)]
    run: String,
    /// How it is drawn.
    #[serde(default)]
    pub style: Style,
    /// Its points from left to right. Where a number is not finite, the line is interrupted.
    #[serde(with = "points")]
    pub points: Vec<(f64, f64)>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Style {
    /// In full, with a pattern of dashes of its own.
    #[default]
    Line,
    /// Pale and thin, in the colour of the next line in full: what a line is the tendency of.
    Pale,
}

impl Report {
    /// A report without sections.
    pub fn new(kind: impl Into<String>, title: impl Into<String>, subject: impl Into<String>) -> Report {
        Report { kind: kind.into(), title: title.into(), subject: subject.into(), ..Report::default() }
    }

    /// One more thing that is seen first.
    pub fn tile(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Report {
        self.tiles.push((name.into(), value.into()));
        self
    }

    /// One more section, to be filled.
    pub fn section(&mut self, title: impl Into<String>) -> &mut Section {
        self.sections.push(Section { title: title.into(), blocks: vec![] });
        self.sections.last_mut().expect("a section was pushed")
    }
}

impl Section {
    /// Paragraphs, with a blank line between them.
    pub fn text(&mut self, text: impl Into<String>) -> &mut Section {
        self.block(Block::Text(text.into()))
    }

    /// Text whose lines and blanks stay as they are.
    pub fn code(&mut self, text: impl Into<String>) -> &mut Section {
        self.block(Block::Code(text.into()))
    }

    /// Names with what they stand for; the title may be empty.
    pub fn facts<N: Into<String>, V: Into<String>>(
        &mut self,
        title: impl Into<String>,
        rows: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Section {
        let rows = rows.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.block(Block::Facts(Facts { title: title.into(), rows }))
    }

    /// A table; the title may be empty.
    pub fn table(&mut self, title: impl Into<String>, head: &[&str], rows: Vec<Vec<String>>) -> &mut Section {
        let head = head.iter().map(|cell| cell.to_string()).collect();
        self.block(Block::Table(Table { title: title.into(), head, rows }))
    }

    /// A chart.
    pub fn chart(&mut self, chart: Chart) -> &mut Section {
        self.block(Block::Chart(chart))
    }

    /// The charts, to be added to.
    pub fn charts(&mut self) -> impl Iterator<Item = &mut Chart> {
        self.blocks.iter_mut().filter_map(|block| if let Block::Chart(chart) = block { Some(chart) } else { None })
    }

    fn block(&mut self, block: Block) -> &mut Section {
        self.blocks.push(block);
        self
    }
}

impl Block {
    fn chart(&self) -> Option<&Chart> {
        if let Block::Chart(chart) = self { Some(chart) } else { None }
    }
}

impl Chart {
    /// A chart without lines: its id, its heading, and what its axes count and measure.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        x: impl Into<String>,
        y: impl Into<String>,
        scale: Scale,
    ) -> Chart {
        let (id, title, x, y) = (id.into(), title.into(), x.into(), y.into());
        Chart { id, title, x, y, scale, least: None, series: vec![], note: String::new(), apart: false }
    }

    /// With one more line.
    pub fn series(mut self, series: Series) -> Chart {
        self.series.push(series);
        self
    }

    /// With something to be said of it.
    pub fn note(mut self, note: impl Into<String>) -> Chart {
        self.note = note.into();
        self
    }
}

impl Series {
    /// A line in full.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        let points = points.into_iter().collect();
        Series { name: name.into(), run: String::new(), style: Style::Line, points }
    }

    /// The same, pale and thin.
    pub fn pale(self) -> Series {
        Series { style: Style::Pale, ..self }
    }
}
