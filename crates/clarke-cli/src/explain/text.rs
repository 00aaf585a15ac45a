//! What `clarke explain` says, as people read it.

use super::sets::{Bounds, Entry, SetReport, entry_name};
use super::{ExplainReport, TieMet};
use crate::ops::align;
use crate::output::Named;
use crate::show;
use clarke::{Tensor, Verdict};

/// How many ties the text lists.
const LISTED: usize = 20;

/// How many vertices, bounds or entries of one kind.
const ROWS: usize = 8;

/// How wide what is said of one of the sets may be: two of them and their titles fit on a line.
const CELL: usize = 40;

/// The report as people read it.
pub fn text(report: &ExplainReport) -> String {
    let mut out = String::new();
    out += &show::hanging("f = ", &report.expression);
    if let Some(program) = &report.simplified {
        out += &show::hanging(
            "simplified: ",
            program.lines().last().unwrap_or_default().trim_start_matches("    return "),
        );
    }
    out += &named("at", &report.point);
    out += &format!("\nvalue     {}\n", show::number(report.value));
    out += &named("gradient", &report.backprop.gradient);
    let verified = report.backprop.verified_on.map_or(String::new(), |release| format!(" (compared with {release})"));
    out += &format!("policy    {}{verified}\n", show::clipped(&report.backprop.policy, 80));
    out += &format!("class     {}{}\n\n", report.class, report.raised);
    if !report.ties.is_empty() {
        out += &ties(report);
        out.push('\n');
        out += &sets(report);
        out += &entries(&report.sets.entries);
    }
    let paragraphs: Vec<String> = meaning(report).into_iter().chain(verdict(report)).chain(notes(report)).collect();
    out += &paragraphs.iter().map(|p| show::paragraph(p, 0)).collect::<Vec<_>>().join("\n");
    out
}

/// Lines `title     name = value`, the title on the first.
fn named(title: &str, all: &Named) -> String {
    let width = all.0.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    let line = |(k, (name, value)): (usize, &(String, Tensor))| {
        let title = if k == 0 { title } else { "" };
        format!("{title:<10}{name:<width$} = {}\n", show::array(value, 13 + width))
    };
    all.0.iter().enumerate().map(line).collect()
}

fn ties(report: &ExplainReport) -> String {
    let row = |tie: &TieMet| {
        let index = tie.index.as_ref().map_or("—".into(), |i| format!("{i:?}"));
        let pieces = tie.pieces.map_or("infinitely many".into(), |p| p.to_string());
        // The distance needs its room.
        let width = if report.tolerance > 0.0 { 30 } else { 40 };
        let mut cells = vec![tie.op.clone(), show::clipped(&tie.source, width), index, pieces];
        if report.tolerance > 0.0 {
            cells.push(show::number(tie.distance));
        }
        cells
    };
    let rows: Vec<Vec<String>> = report.ties.iter().take(LISTED).map(row).collect();
    let count = report.ties.len();
    let which = match report.tolerance {
        0.0 => "met".to_string(),
        tol => format!("within {}", show::number(tol)),
    };
    let titles = ["operator", "source", "element", "pieces", "distance"];
    let table = align(if report.tolerance > 0.0 { &titles } else { &titles[..4] }, &rows);
    let indented: String = table.lines().map(|l| format!("  {l}\n")).collect();
    let more = match count.saturating_sub(LISTED) {
        0 => String::new(),
        rest => format!("  … and {rest} more; --format json lists all\n"),
    };
    format!("{} {which}:\n{indented}{more}", show::plural(count, "tie"))
}

/// Both sets side by side.
fn sets(report: &ExplainReport) -> String {
    let (Some(conservative), Some(clarke)) = (&report.sets.conservative, &report.sets.clarke) else {
        return String::new();
    };
    let both = [conservative, clarke];
    let mut rows: Vec<Vec<String>> = vec![];
    let mut add = |title: &str, cells: [Vec<String>; 2]| {
        for k in 0..cells[0].len().max(cells[1].len()) {
            let cell = |c: &Vec<String>| c.get(k).cloned().unwrap_or_default();
            rows.push(vec![if k == 0 { title.into() } else { String::new() }, cell(&cells[0]), cell(&cells[1])]);
        }
    };
    add("known", both.map(|set| vec![set.known.clone()]));
    if both.iter().any(|set| set.vertices.is_some()) {
        add("vertices", both.map(vertices));
    }
    if both.iter().any(|set| set.vertices.is_none()) {
        add("bounds", both.map(|set| bounds(&set.range)));
    }
    add("least norm", both.map(least));
    add("critical", both.map(|set| vec![yes(set.critical).to_string()]));
    let enlarged = if report.tolerance > 0.0 { ", enlarged" } else { "" };
    let titles = [format!("conservative{enlarged}"), format!("Clarke{enlarged}")];
    align(&["", &titles[0], &titles[1]], &rows) + "\n"
}

fn yes(answer: Option<bool>) -> &'static str {
    match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "undecided",
    }
}

fn vertices(set: &SetReport) -> Vec<String> {
    let Some(all) = &set.vertices else { return vec!["not listed".into()] };
    let mut lines: Vec<String> = all.iter().take(ROWS).map(|v| show::brief(&v.0, CELL)).collect();
    if all.len() > ROWS {
        lines.push(format!("… and {} more", all.len() - ROWS));
    }
    lines
}

/// The bounds of each entry; of an array whose entries have all the same, once.
fn bounds(range: &Bounds) -> Vec<String> {
    let mut lines = vec![];
    for (name, low, high) in &range.0 {
        let (low_data, high_data) = (low.data(), high.data());
        let uniform = |data: &[f64]| data.iter().all(|x| *x == data[0]);
        if low_data.len() > 3 && uniform(low_data) && uniform(high_data) {
            let count = low_data.len();
            lines.push(format!("{name}: all {count} in {}", interval(low_data[0], high_data[0])));
            continue;
        }
        // Lines beyond those shown need no words.
        for i in 0..low_data.len().min(ROWS + 1) {
            lines.push(format!("{} in {}", entry_name(name, low.shape(), i), interval(low_data[i], high_data[i])));
        }
    }
    if lines.len() > ROWS {
        lines.truncate(ROWS);
        lines.push("…".into());
    }
    lines.into_iter().map(|l| show::clipped(&l, CELL)).collect()
}

fn interval(low: f64, high: f64) -> String {
    match (show::short(low), show::short(high)) {
        (low, high) if low == high => low,
        (low, high) => format!("[{low}, {high}]"),
    }
}

/// The element of least norm; what is 0 up to rounding is 0.
fn least(set: &SetReport) -> Vec<String> {
    if set.critical == Some(true) {
        return vec!["0".into()];
    }
    let norm = format!("{} at ", show::short(set.min_norm.norm));
    let round = |x: &f64| if x.abs() < 1e-12 * set.min_norm.norm { 0.0 } else { *x };
    let rounded = |x: &Tensor| Tensor::from_fn(x.shape(), |i| round(&x.data()[i]));
    let element: Vec<_> = set.min_norm.element.0.iter().map(|(name, x)| (name.clone(), rounded(x))).collect();
    let room = CELL - norm.chars().count().min(CELL / 2);
    vec![norm + &show::brief(&element, room)]
}

/// Where each entry of the gradient lies over the presets and over all choices, if that depends on them.
fn entries(entries: &[Entry]) -> String {
    let row = |e: &Entry| {
        let (presets, choices) = (interval(e.presets.0, e.presets.1), interval(e.choices.0, e.choices.1));
        vec![show::clipped(&e.name, 30), presets, choices]
    };
    let of_interest = |e: &&Entry| [e.presets, e.choices].iter().any(|(l, h)| show::short(*l) != show::short(*h));
    let all: Vec<&Entry> = entries.iter().filter(of_interest).collect();
    if all.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = all.iter().take(ROWS).map(|e| row(e)).collect();
    let more = match all.len().saturating_sub(ROWS) {
        0 => String::new(),
        rest => format!("… and {rest} more\n"),
    };
    align(&["gradient", "over the presets", "over all choices"], &rows) + &more + "\n"
}

/// What the gradient is, in view of the ties met.
fn meaning(report: &ExplainReport) -> Option<String> {
    let policy = format!("the policy {}", show::clipped(&report.backprop.policy, 80));
    let met = report.ties.iter().filter(|t| t.distance == 0.0).count();
    Some(match (met, report.path_differentiable) {
        (0, _) if !report.ties.is_empty() => {
            "No tie is met exactly: at the point itself the gradient is the ordinary one, and every policy returns it. \
             Within the tolerance other pieces are active, with other gradients, which the sets hold too."
                .into()
        }
        (0, Some(false)) => "No tie was met, and every policy returns this vector; but a part of the program is held \
                             constant by the program itself, so it is the derivative with that part fixed, and need not \
                             say how the value changes."
            .into(),
        (0, _) => "No tie was met: near this point the program is composed of smooth pieces, the gradient is the \
                   ordinary one, and every policy returns it. Both sets consist of it alone."
            .into(),
        (n, Some(true)) => format!(
            "At a tie an elementary function has several pieces and its derivative is a set, of which {policy} chose one \
             element{}. All choices together give the conservative gradient, which depends on how the function is \
             written. The Clarke subdifferential, the averages of the limits of gradients at nearby points, depends on \
             the function alone. The program is path-differentiable: with any choice the chain rule holds along every \
             Lipschitz curve, at almost every time.",
            match (n, n == report.ties.len()) {
                (1, true) => "",
                (_, true) => " at each",
                (_, false) => " at each tie met exactly",
            },
        ),
        (_, Some(false)) => format!(
            "At a tie an elementary function has several pieces, and {policy} chose among them. The program \
             is not path-differentiable: the chain rule can fail along a curve, and the vector above need not say \
             anything about how the value changes."
        ),
        (_, None) => format!(
            "At a tie an elementary function has several pieces, and {policy} chose among them. Whether the \
             program is path-differentiable is not known: a condition switches between values that agree at this \
             point, which does not prove that they agree wherever it switches. If they do, the vector above is an \
             element of the conservative gradient."
        ),
    })
}

/// What the sets say of the gradient and of the point, and what the answers rest on.
fn verdict(report: &ExplainReport) -> Vec<String> {
    let sets = &report.sets;
    if let Some(why) = &sets.missing {
        return vec![format!("The sets could not be computed: {why}.")];
    }
    if report.ties.is_empty() {
        return vec![];
    }
    let enlarged = if report.tolerance > 0.0 { "enlarged " } else { "" };
    let gradient = match sets.artifact {
        Some(true) => format!(
            "The gradient under this policy is an artifact of the formula: it lies outside the {enlarged}Clarke \
             subdifferential, so it is not even an average of gradients of the function at nearby points."
        ),
        Some(false) => format!(
            "The gradient under this policy is no artifact of the formula: it is an element of the {enlarged}Clarke \
             subdifferential."
        ),
        None => "Whether the gradient under this policy is an artifact of the formula is not decided.".into(),
    };
    let mut said = vec![format!("{gradient} {}", point(report))];
    said.extend(hypotheses(report));
    said
}

/// What the point is.
fn point(report: &ExplainReport) -> String {
    let along = match &report.sets.descent {
        Some((direction, bound)) => {
            format!("along {} it falls with slope {} or steeper", show::brief(&direction.0, 60), show::short(*bound))
        }
        None => "it falls in some direction".into(),
    };
    let (within, enlarged) = if report.tolerance > 0.0 { (" within the tolerance", "enlarged ") } else { ("", "") };
    match report.sets.verdict {
        Verdict::ClarkeCritical => {
            let whose =
                if report.tolerance > 0.0 { within } else { " for the function itself, as every local minimum is" };
            format!("The point is critical{whose}: 0 lies in the {enlarged}Clarke subdifferential.")
        }
        Verdict::SpuriousCritical => format!(
            "The point is critical{within} only for the program as it is written: 0 lies in the hull of the \
             {enlarged}conservative gradient, so that backpropagation may stay here, but not in the {enlarged}Clarke \
             subdifferential. The function has no minimum here: {along}."
        ),
        Verdict::NotCritical => format!("The point is not critical, and the function has no minimum here: {along}."),
        Verdict::Undecided => "Whether the point is critical is not decided.".into(),
        Verdict::Smooth => String::new(),
    }
}

/// What the labels rest on, both sets in one sentence where they rest on the same.
fn hypotheses(report: &ExplainReport) -> Vec<String> {
    let of = |set: &Option<SetReport>| set.as_ref().and_then(|s| s.hypothesis.clone());
    match (of(&report.sets.conservative), of(&report.sets.clarke)) {
        (Some(a), Some(b)) if a == b => vec![format!("Of both sets: {a}.")],
        (a, b) => {
            let of = |name: &str, why: Option<String>| why.map(|why| format!("Of the {name}: {why}."));
            of("conservative gradient", a).into_iter().chain(of("Clarke subdifferential", b)).collect()
        }
    }
}

/// The notes of the policy, each once, with its operators.
fn notes(report: &ExplainReport) -> Vec<String> {
    let mut notes: Vec<(&str, Vec<&str>)> = vec![];
    for tie in &report.ties {
        let Some(note) = tie.note.as_deref() else { continue };
        match notes.iter_mut().find(|(n, _)| *n == note) {
            Some((_, ops)) if ops.contains(&tie.op.as_str()) => {}
            Some((_, ops)) => ops.push(&tie.op),
            None => notes.push((note, vec![&tie.op])),
        }
    }
    notes.iter().map(|(note, ops)| format!("Note on {}: {note}.", ops.join(", "))).collect()
}
