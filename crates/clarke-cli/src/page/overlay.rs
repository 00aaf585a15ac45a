//! `clarke report`: several reports as one page, their runs drawn over each other.

use super::Page;
use crate::report::{Exit, put, warn};
use clap::Args;
use clarke_show::report::{Report, ReportError, read};
use std::path::{Path, PathBuf};

/// Draw the runs of several reports over each other, in one page
#[derive(Debug, Args)]
pub struct OverlayArgs {
    /// Reports that --report wrote, or pages of several that this command made
    #[arg(value_name = "FILE.html", required = true)]
    pub files: Vec<PathBuf>,
    /// The page that is written
    #[arg(long, value_name = "FILE.html")]
    pub out: PathBuf,
}

/// Reads the reports and writes one page.
pub fn run(args: &OverlayArgs) -> Result<(), Exit> {
    let page = Page::check("--out", &args.out)?;
    let mut all: Vec<Report> = vec![];
    let mut stems: Vec<String> = vec![];
    for file in &args.files {
        let own = reports(file)?;
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        // What is a page of several already has names that differ.
        stems.extend(own.iter().map(|_| if own.len() == 1 { stem.clone() } else { String::new() }));
        all.extend(own);
    }
    name_apart(&mut all, &stems);
    if all.iter().any(|r| r.subject != all[0].subject) {
        warn("these runs have different objectives: their values cannot be compared, and the page says so");
    }
    page.save(&all)?;
    put(&format!("{} in {}\n", clarke_show::words::plural(all.len(), "run"), args.out.display()))
}

/// The reports of a file.
fn reports(file: &Path) -> Result<Vec<Report>, Exit> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Exit::input(format!("no such file: {shown}")),
        _ => Exit::input(format!("cannot read {shown}: {e}")),
    })?;
    // What is no text is no page.
    let text = String::from_utf8(bytes).unwrap_or_default();
    read(&text).map_err(|error: ReportError| {
        let said = error.to_string();
        let (what, hint) = said.split_once("; ").unwrap_or((&said, ""));
        Exit::input(format!("{shown}: {what}")).hint(hint)
    })
}

/// Runs that are called alike are told apart by their files.
fn name_apart(all: &mut [Report], stems: &[String]) {
    let names: Vec<String> = all.iter().map(|r| r.name.clone()).collect();
    for (report, stem) in std::iter::zip(all, stems) {
        if !stem.is_empty() && names.iter().filter(|name| **name == report.name).count() > 1 {
            report.name = format!("{stem}: {}", report.name);
        }
    }
}
