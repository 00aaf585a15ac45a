//! What a study says, once: printed as text and written as a page.

use super::{ARITHMETIC, Source};
use crate::page::{Page, made};
use crate::report::Exit;
use clarke_show::report::{Chart, Report};
use clarke_show::words;
use std::path::Path;

/// A heading and what stands below it.
pub struct Chapter {
    pub title: String,
    pub parts: Vec<Part>,
}

/// What stands in a chapter.
pub enum Part {
    /// A paragraph.
    Text(String),
    /// A table.
    Table(Table),
    /// A chart, on pages alone.
    Chart(Chart),
}

/// Rows of cells below their titles.
pub struct Table {
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A study as it is told.
pub struct Story<'a> {
    /// What was studied, as in "relu'(0)".
    pub of: &'static str,
    pub source: &'a Source,
    pub seed: u64,
    pub interrupted: bool,
    /// What is seen first on a page.
    pub tiles: Vec<(String, String)>,
    pub settings: Vec<(String, String)>,
    pub chapters: Vec<Chapter>,
}

impl Chapter {
    pub fn new(title: impl Into<String>, parts: Vec<Part>) -> Chapter {
        Chapter { title: title.into(), parts }
    }
}

impl Story<'_> {
    /// As text.
    pub fn text(&self) -> String {
        let mut out = format!("The study of {} on {}; seed {}\n\n", self.of, self.source.text(), self.seed);
        out += &words::paragraph(ARITHMETIC, 0);
        if self.interrupted {
            out += "\nInterrupted: this is what was done until then.\n";
        }
        for chapter in &self.chapters {
            out += &format!("\n{}\n", chapter.title);
            for part in &chapter.parts {
                match part {
                    Part::Text(text) => out += &format!("\n{}", words::paragraph(text, 0)),
                    Part::Table(table) => {
                        let titles: Vec<&str> = table.titles.iter().map(String::as_str).collect();
                        out += &format!("\n{}", words::align(&titles, &table.rows));
                    }
                    Part::Chart(_) => {}
                }
            }
        }
        out
    }

    /// Writes the page; `file` is the file that was read, if one was.
    pub fn save(self, page: &Page, file: Option<&Path>) -> Result<(), Exit> {
        let kind = if self.of.starts_with("relu") { "study relu0" } else { "study maxpool" };
        let mut report = Report::new(kind, format!("The study of {}", self.of), self.source.text());
        report.name = format!("seed {}", self.seed);
        report.tiles = self.tiles;
        if self.interrupted {
            report.failure = vec!["The study was interrupted: this is what was done until then.".into()];
        }
        for chapter in self.chapters {
            let section = report.section(chapter.title);
            for part in chapter.parts {
                match part {
                    Part::Text(text) => section.text(text),
                    Part::Chart(chart) => section.chart(chart),
                    Part::Table(table) => {
                        let titles: Vec<&str> = table.titles.iter().map(String::as_str).collect();
                        section.table("", &titles, table.rows)
                    }
                };
            }
        }
        let how = report.section("How it was made");
        how.text(ARITHMETIC);
        how.facts("Settings", self.settings);
        made(how, file);
        page.save(&[report])
    }
}
