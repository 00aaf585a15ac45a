//! An explanation as a fragment of HTML, for notebooks.
//!
//! Every style is inline: notebooks drop style sheets, and have their own for tables. Nothing has a colour of its own but
//! the picture, so that the page is read on light and on dark.

use super::Explanation;
use super::cost;
use super::text::{self, ENTRY_TITLES};
use crate::plot::Picture;
use crate::words::{self, escaped};
use clarke::Verdict;

const PAGE: &str = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.45;max-width:62em";
const HEAD: &str = "font-family:ui-monospace,monospace;font-size:14px;font-weight:600;margin:4px 0 8px";
const SIGN: &str = "display:inline-block;border:1px solid rgba(128,128,128,.7);border-radius:9px;padding:0 8px;\
                    margin-left:8px;font:12px system-ui,sans-serif;white-space:nowrap";
const TABLE: &str = "border-collapse:collapse;border:none;margin:8px 0;font-size:13px";
const ROW: &str = "background:transparent;border:none";
const TITLE: &str = "text-align:left;font-weight:600;padding:2px 18px 2px 0;border:none;vertical-align:top;\
                     white-space:nowrap";
const LINE: &str = "border-bottom:1px solid rgba(128,128,128,.5)";
const CELL: &str = "text-align:left;padding:2px 18px 2px 0;border:none;vertical-align:top;white-space:pre;\
                    font-family:ui-monospace,monospace";
const CAPTION: &str = "margin:12px 0 0;font-weight:600";
const PARAGRAPH: &str = "margin:6px 0;max-width:48em";
const NOTE: &str = "margin:2px 0 6px";
/// The picture is drawn on white, and keeps it on dark pages.
const PICTURE: &str = "margin:10px 0;max-width:100%";

/// The page.
pub(super) fn html(report: &Explanation, picture: Option<&Picture>) -> String {
    let mut out = format!("<div style=\"{PAGE}\">\n");
    let head = if report.call.is_some() { report.title().to_string() } else { format!("f = {}", report.title()) };
    out += &format!("<div style=\"{HEAD}\">{}{}</div>\n", escaped(&words::clipped(&head, 400)), signs(report));
    out += &table(None, &facts(report));
    if !report.ties.is_empty() {
        let (titles, rows) = text::tie_table(report);
        out += &block(CAPTION, &text::tie_title(report));
        out += &table(Some(&titles), &rows);
        out += &text::more_ties(report).map_or(String::new(), |more| block(NOTE, &more));
        out += &sets(report);
        if let Some((rows, more)) = text::entry_rows(&report.sets.entries) {
            out += &table(Some(&ENTRY_TITLES), &rows);
            out += &more.map_or(String::new(), |more| block(NOTE, &more));
        }
    }
    out += &text::paragraphs(report).iter().map(|p| block(PARAGRAPH, p)).collect::<String>();
    if let Some(cost) = &report.cost {
        out += &table(Some(&cost::TITLES), &cost::rows(cost));
        out += &block(PARAGRAPH, &cost::meaning(cost));
    }
    out += &picture.map_or(String::new(), drawn);
    out + "</div>\n"
}

/// What is seen at a glance: the verdict, and whether the gradient is an artifact.
fn signs(report: &Explanation) -> String {
    let verdict = (report.sets.verdict != Verdict::Undecided).then(|| report.sets.verdict.to_string());
    let artifact = (report.sets.artifact == Some(true)).then(|| "artifact".to_string());
    verdict
        .into_iter()
        .chain(artifact)
        .map(|sign| format!("<span style=\"{SIGN}\">{}</span>", escaped(&sign)))
        .collect()
}

/// The lines at the top of the page.
fn facts(report: &Explanation) -> Vec<Vec<String>> {
    let verified = report.backprop.verified_on.map_or(String::new(), |release| format!(" (compared with {release})"));
    let rows = [
        ("simplified", text::simplified(report).unwrap_or_default()),
        ("at", text::assigned(&report.point, 0).join("\n")),
        ("data", text::assigned(&report.data, 0).join("\n")),
        ("value", words::number(report.value)),
        ("gradient", text::assigned(&report.backprop.gradient, 0).join("\n")),
        ("policy", words::clipped(&report.backprop.policy, 80) + &verified),
        ("class", format!("{}{}", report.class, report.raised)),
    ];
    let said = rows.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(title, text)| vec![title.to_string(), text]).collect()
}

/// Both sets side by side.
fn sets(report: &Explanation) -> String {
    let (Some(conservative), Some(clarke)) = (&report.sets.conservative, &report.sets.clarke) else {
        return String::new();
    };
    let [first, second] = text::set_titles(report.tolerance);
    let row = |(title, cells): &(&'static str, Vec<Vec<String>>)| {
        [title.to_string()].into_iter().chain(cells.iter().map(|lines| lines.join("\n"))).collect()
    };
    let rows: Vec<Vec<String>> = text::set_rows(&[conservative, clarke]).iter().map(row).collect();
    table(Some(&["", &first, &second]), &rows)
}

/// A table with a line below its titles. Without titles, or where the first of them is empty, the first cell of each row
/// is its title.
fn table(titles: Option<&[&str]>, rows: &[Vec<String>]) -> String {
    let named = titles.is_none_or(|titles| titles[0].is_empty());
    let head = titles.map_or(String::new(), |titles| {
        let cells = titles.iter().map(|t| format!("<th style=\"{TITLE};{LINE}\">{}</th>", escaped(t)));
        format!("<thead><tr style=\"{ROW}\">{}</tr></thead>\n", cells.collect::<String>())
    });
    let cell = |(k, text): (usize, &String)| match named && k == 0 {
        true => format!("<th style=\"{TITLE}\">{}</th>", escaped(text)),
        false => format!("<td style=\"{CELL}\">{}</td>", escaped(text)),
    };
    let row = |row: &Vec<String>| {
        format!("<tr style=\"{ROW}\">{}</tr>\n", row.iter().enumerate().map(cell).collect::<String>())
    };
    let body: String = rows.iter().map(row).collect();
    format!("<table style=\"{TABLE}\">\n{head}<tbody>\n{body}</tbody>\n</table>\n")
}

fn block(style: &str, text: &str) -> String {
    format!("<p style=\"{style}\">{}</p>\n", escaped(text))
}

/// The picture, no wider than the page, and what it leaves out. A picture in pixels is left out itself.
fn drawn(picture: &Picture) -> String {
    let Some(svg) = picture.svg() else { return String::new() };
    let svg = svg.replacen("<svg ", "<svg style=\"max-width:100%;height:auto;border-radius:4px\" ", 1);
    let notes: String = picture.notes.iter().map(|note| block(NOTE, &format!("{note}."))).collect();
    format!("<div style=\"{PICTURE}\">\n{}\n</div>\n{notes}", svg.trim())
}
