//! What a study says, once: printed as text and written as a page.

use super::{ARITHMETIC, Source};
use crate::page::{Page, made};
use crate::report::Exit;
use clarke_show::report::{Block, Report, Section};
use clarke_show::words;
use std::path::Path;

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
    /// Paragraphs and tables, and charts, which are on pages alone.
    pub chapters: Vec<Section>,
}

/// A heading and what stands below it.
pub fn chapter(title: impl Into<String>, blocks: Vec<Block>) -> Section {
    Section { title: title.into(), blocks }
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
            for block in &chapter.blocks {
                match block {
                    Block::Text(text) => out += &format!("\n{}", words::paragraph(text, 0)),
                    Block::Table(table) => {
                        let titles: Vec<&str> = table.head.iter().map(String::as_str).collect();
                        out += &format!("\n{}", words::align(&titles, &table.rows));
                    }
                    _ => {}
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
        report.sections = self.chapters;
        let how = report.section("How it was made");
        how.text(ARITHMETIC);
        how.facts("Settings", self.settings);
        made(how, file);
        page.save(&[report])
    }
}
