//! The page of a report.

use super::chart::Drawing;
use super::compare::overlaid;
use super::embed::embedded;
use super::{Block, Chart, Facts, Report, Section, Table};
use crate::words::{self, escaped};

/// No page may load anything: the browser is told so too.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

const STYLE: &str = include_str!("style.css");

/// The page of a report; of several, one page that draws their lines over each other and shows their facts side by side.
///
/// It is whole in itself: it loads nothing, runs nothing, and holds its data, which [`read`](super::read) returns. It fits a
/// phone, paper, and dark screens.
///
/// Cost: each chart is drawn for each of its axes, wide and narrow.
pub fn page(reports: &[Report]) -> String {
    let merged;
    let report = match reports {
        [one] => one,
        several => {
            merged = overlaid(several);
            &merged
        }
    };
    let head = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"generator\" content=\"Clarke {}\">\n<title>{}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n",
        env!("CARGO_PKG_VERSION"),
        escaped(&words::clipped(&report.title, 120)),
    );
    let mut charts = 0;
    let sections: String = report.sections.iter().map(|s| section(s, &mut charts)).collect();
    format!(
        "{head}<body>\n<main>\n{}{sections}<footer>Clarke {}. This page holds its data: \
         <code>clarke report ONE.html OTHER.html --out BOTH.html</code> draws the runs of several over each other.</footer>\n\
         </main>\n{}</body>\n</html>\n",
        header(report),
        env!("CARGO_PKG_VERSION"),
        embedded(reports),
    )
}

fn header(report: &Report) -> String {
    let mut out = format!(
        "<header>\n<p class=\"kind\">clarke {}</p>\n<h1>{}</h1>\n",
        escaped(&report.kind),
        escaped(&report.title)
    );
    if !report.subject.is_empty() {
        out += &format!("<pre class=\"subject\">{}</pre>\n", escaped(&report.subject));
    }
    if !report.failure.is_empty() {
        let lines: String = report.failure.iter().map(|line| format!("<p>{}</p>\n", prose(line))).collect();
        out += &format!("<div class=\"failure\" role=\"alert\">\n<strong>Failed</strong>\n{lines}</div>\n");
    }
    if !report.tiles.is_empty() {
        let tile = |(name, value): &(String, String)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value))
        };
        out += &format!("<dl class=\"tiles\">\n{}</dl>\n", report.tiles.iter().map(tile).collect::<String>());
    }
    out + "</header>\n"
}

/// A section; `charts` counts those of the page.
fn section(section: &Section, charts: &mut usize) -> String {
    let block = |block: &Block| match block {
        Block::Text(text) => paragraphs(text),
        Block::Code(code) => format!("<pre>{}</pre>\n", escaped(code)),
        Block::Facts(of) => facts(of),
        Block::Table(of) => table(of),
        Block::Chart(of) => {
            *charts += 1;
            chart(of, *charts)
        }
    };
    let blocks: String = section.blocks.iter().map(block).collect();
    format!("<section>\n<h2>{}</h2>\n{blocks}</section>\n", escaped(&section.title))
}

fn paragraphs(text: &str) -> String {
    let all = text.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
    all.map(|p| format!("<p>{}</p>\n", prose(p))).collect()
}

/// A text in which what stands between backquotes is set as code.
fn prose(text: &str) -> String {
    let parts: Vec<String> = text.split('`').map(escaped).collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let part = |(k, part): (usize, &String)| if k % 2 == 1 { format!("<code>{part}</code>") } else { part.clone() };
    parts.iter().enumerate().map(part).collect()
}

fn caption(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<caption>{}</caption>\n", escaped(title)) }
}

fn facts(facts: &Facts) -> String {
    let row = |(name, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(name), escaped(value))
    };
    let rows: String = facts.rows.iter().map(row).collect();
    format!("<table class=\"facts\">\n{}<tbody>\n{rows}</tbody>\n</table>\n", caption(&facts.title))
}

/// A table that scrolls within the page where it is wider.
fn table(table: &Table) -> String {
    let columns = table.head.len();
    let number = |text: &str| text == "—" || text.trim_end_matches([' ', '%']).replace('−', "-").parse::<f64>().is_ok();
    let cell = |row: &Vec<String>, k: usize| row.get(k).cloned().unwrap_or_default();
    let right: Vec<bool> = (0..columns)
        .map(|k| k > 0 && !table.rows.is_empty() && table.rows.iter().all(|r| number(&cell(r, k))))
        .collect();
    let class = |k: usize| if right[k] { " class=\"number\"" } else { "" };
    let title = |(k, text): (usize, &String)| format!("<th scope=\"col\"{}>{}</th>", class(k), escaped(text));
    let head: String = table.head.iter().enumerate().map(title).collect();
    let row = |row: &Vec<String>| {
        let cells = (0..columns).map(|k| match k {
            0 => format!("<th scope=\"row\">{}</th>", escaped(&cell(row, 0))),
            k => format!("<td{}>{}</td>", class(k), escaped(&cell(row, k))),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\">\n<table>\n{}<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n",
        caption(&table.title)
    )
}

/// A chart with its legend and, below, what is said of it and its lines in numbers.
fn chart(chart: &Chart, count: usize) -> String {
    let drawing = Drawing::new(chart);
    // A line alone needs no legend.
    let legend = if chart.series.len() > 1 { drawing.legend() } else { Ok(vec![]) };
    let (views, legend) = match (drawing.views(), legend) {
        (Ok(views), Ok(legend)) => (views, legend),
        (Err(e), _) | (_, Err(e)) => return format!("<p class=\"note\">{}</p>\n", escaped(&e.to_string())),
    };
    let mut out = format!("<figure>\n<figcaption>{}</figcaption>\n", escaped(&chart.title));
    if !legend.is_empty() {
        let item = |i: super::chart::Item| format!("<li>{}{}</li>\n", i.sign, escaped(&i.text));
        out += &format!("<ul class=\"legend\">\n{}</ul>\n", legend.into_iter().map(item).collect::<String>());
    }
    let group = format!("chart-{count}");
    let several = views.len() > 1;
    out += "<div class=\"views\">\n";
    for (k, view) in views.iter().enumerate().filter(|_| several) {
        let checked = if k == 0 { " checked" } else { "" };
        out += &format!(
            "<input type=\"radio\" name=\"{group}\" id=\"{group}-{k}\"{checked}><label for=\"{group}-{k}\">{}</label>\n",
            view.name
        );
    }
    let class = if several { "view" } else { "view only" };
    for view in &views {
        let sized = |svg: &str, class: &str| svg.replacen("<svg ", &format!("<svg class=\"{class}\" "), 1);
        out += &format!(
            "<div class=\"{class}\">\n{}\n{}\n</div>\n",
            sized(&view.wide, "wide"),
            sized(&view.narrow, "narrow")
        );
    }
    out += "</div>\n";
    let said = [chart.note.clone()].into_iter().chain(drawing.notes()).filter(|n| !n.is_empty()).collect::<Vec<_>>();
    if !said.is_empty() {
        out += &format!("<p class=\"note\">{}</p>\n", escaped(&said.join(" ")));
    }
    let head = ["line", &format!("last {}", chart.x), "first", "last", "least", "largest"];
    let numbers =
        Table { title: String::new(), head: head.iter().map(|t| t.to_string()).collect(), rows: drawing.numbers };
    out += &format!("<details><summary>In numbers</summary>\n{}</details>\n", table(&numbers));
    out + "</figure>\n"
}
