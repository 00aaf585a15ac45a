//! Several reports as one: their lines in the same charts, their facts side by side.

use super::{Block, Chart, Facts, Report, Section, Series, Style, Table};
use crate::words;

/// The reports as one.
pub fn overlaid(reports: &[Report]) -> Report {
    let names = names(reports);
    let subjects: Vec<&str> = distinct(reports.iter().map(|r| r.subject.as_str()));
    let same = subjects.len() == 1;
    let subject = if same { subjects[0].to_string() } else { String::new() };
    let kinds = distinct(reports.iter().map(|r| r.kind.as_str())).join(", ");
    let mut all = Report::new(kinds, format!("{} compared", words::plural(reports.len(), "run")), subject);
    let failed = |(name, report): (&String, &Report)| {
        (!report.failure.is_empty()).then(|| format!("{name}: {}", report.failure.join(" ")))
    };
    all.failure = std::iter::zip(&names, reports).filter_map(failed).collect();
    if !same {
        all.section("Different objectives").blocks = different(&names, reports);
    }
    all.section("At a glance").blocks.push(Block::Table(glance(&names, reports)));
    let charts = charts(&names, reports, !same);
    if !charts.is_empty() {
        all.section("Along the runs").blocks = charts.into_iter().map(Block::Chart).collect();
    }
    for title in distinct(reports.iter().flat_map(|r| &r.sections).map(|s| s.title.as_str())) {
        let part: Vec<(&str, Vec<&Block>)> = std::iter::zip(&names, reports)
            .map(|(name, report)| {
                let own = report.sections.iter().filter(|s| s.title == title);
                (name.as_str(), own.flat_map(|s| &s.blocks).collect())
            })
            .collect();
        all.sections.extend(facts(title, &part));
        all.sections.extend(part.iter().filter_map(|(name, blocks)| rest(title, name, blocks)));
    }
    all
}

/// The values of runs of different objectives are not those of one function, and that comes first.
fn different(names: &[String], reports: &[Report]) -> Vec<Block> {
    let text = "These runs do not work on the same objective: their values are of different functions and cannot be compared. \
                What they share is how fast each of them falls towards the least value that it met itself.";
    let rows = std::iter::zip(names, reports).map(|(name, r)| (name.clone(), r.subject.clone())).collect();
    vec![Block::Text(text.into()), Block::Facts(Facts { title: "Objectives".into(), rows })]
}

/// What is seen first of each run, a row each.
fn glance(names: &[String], reports: &[Report]) -> Table {
    let columns = distinct(reports.iter().flat_map(|r| &r.tiles).map(|(name, _)| name.as_str()));
    let row = |(name, report): (&String, &Report)| {
        [name.clone()].into_iter().chain(columns.iter().map(|c| cell(&report.tiles, c))).collect()
    };
    let rows = std::iter::zip(names, reports).map(row).collect();
    let head = ["run"].iter().chain(&columns).map(|c| c.to_string()).collect();
    Table { title: String::new(), head, rows }
}

/// What a name stands for; — where that is not said.
fn cell(rows: &[(String, String)], name: &str) -> String {
    rows.iter().find(|(own, _)| own == name).map_or("—".into(), |(_, value)| value.clone())
}

/// The charts, those of one id as one. `apart`: the runs have different subjects.
fn charts(names: &[String], reports: &[Report], apart: bool) -> Vec<Chart> {
    let mut all: Vec<Chart> = vec![];
    for (name, report) in std::iter::zip(names, reports) {
        for chart in report.sections.iter().flat_map(|s| &s.blocks).filter_map(Block::chart) {
            let at = all.iter().position(|c| c.id == chart.id).unwrap_or_else(|| {
                all.push(Chart { series: vec![], least: None, note: String::new(), apart, ..chart.clone() });
                all.len() - 1
            });
            let into = &mut all[at];
            into.least = into.least.into_iter().chain(chart.least).reduce(f64::min);
            // Where a run has one line in full, the run's name is enough.
            let alone = chart.series.iter().filter(|line| line.style == Style::Line).count() == 1;
            let named = |line: &Series| Series {
                name: if alone && line.style == Style::Line { String::new() } else { line.name.clone() },
                run: name.clone(),
                ..line.clone()
            };
            into.series.extend(chart.series.iter().map(named));
        }
    }
    all
}

/// The facts of the sections of one title: what differs as a table, what is the same in all as facts.
fn facts(title: &str, part: &[(&str, Vec<&Block>)]) -> Option<Section> {
    let own = |blocks: &[&Block]| -> Vec<Facts> {
        blocks.iter().filter_map(|b| if let Block::Facts(facts) = b { Some(facts.clone()) } else { None }).collect()
    };
    let all: Vec<(&str, Vec<Facts>)> = part.iter().map(|(name, blocks)| (*name, own(blocks))).collect();
    let mut blocks = vec![];
    for heading in distinct(all.iter().flat_map(|(_, f)| f).map(|f| f.title.as_str())) {
        let of = |facts: &[Facts]| -> Vec<(String, String)> {
            facts.iter().filter(|f| f.title == heading).flat_map(|f| f.rows.clone()).collect()
        };
        let rows: Vec<Vec<(String, String)>> = all.iter().map(|(_, facts)| of(facts)).collect();
        let (mut equal, mut apart) = (vec![], vec![]);
        for name in distinct(rows.iter().flatten().map(|(name, _)| name.as_str())) {
            let cells: Vec<String> = rows.iter().map(|own| cell(own, name)).collect();
            match cells.iter().all(|c| *c == cells[0]) {
                true => equal.push((name.to_string(), cells[0].clone())),
                false => apart.push([name.to_string()].into_iter().chain(cells).collect()),
            }
        }
        let head = [""].into_iter().chain(all.iter().map(|(name, _)| *name)).map(str::to_string).collect();
        let what = |alone: &str, after: &str| match heading {
            "" => alone.to_string(),
            heading => format!("{heading}: {after}"),
        };
        if !apart.is_empty() {
            blocks.push(Block::Table(Table {
                title: what("Where the runs differ", "where the runs differ"),
                head,
                rows: apart,
            }));
        }
        if !equal.is_empty() {
            blocks.push(Block::Facts(Facts { title: what("The same in all", "the same in all"), rows: equal }));
        }
    }
    (!blocks.is_empty()).then(|| Section { title: title.into(), blocks })
}

/// What one run alone has to say under this title.
fn rest(title: &str, name: &str, blocks: &[&Block]) -> Option<Section> {
    let kept = blocks.iter().filter(|b| !matches!(b, Block::Facts(_) | Block::Chart(_)));
    let blocks: Vec<Block> = kept.map(|b| (*b).clone()).collect();
    (!blocks.is_empty()).then(|| Section { title: format!("{title}: {name}"), blocks })
}

/// A name for each run, no two alike.
fn names(reports: &[Report]) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for report in reports {
        let own = if report.name.is_empty() { &report.kind } else { &report.name };
        let counted = (2..).map(|k| format!("{own} ({k})"));
        let free = |name: &String| !names.contains(name);
        let name = [own.clone()].into_iter().chain(counted).find(free);
        names.extend(name);
    }
    names
}

/// Each once, in the order in which they come first.
fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut kept = vec![];
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}
