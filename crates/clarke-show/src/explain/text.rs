//! An explanation as people read it.

use super::cost;
use super::sets::{Entry, SetReport, SetsReport};
use super::{Explanation, TieMet};
use crate::json::{Bounds, Named};
use crate::words::{self, align, entry_name, interval};
use clarke::{Tensor, Verdict};

/// How many ties the text lists.
const LISTED: usize = 20;

/// How many vertices, bounds or entries of one kind.
const ROWS: usize = 8;

/// How wide what is said of one of the sets may be: two of them and their titles fit on a line.
const CELL: usize = 40;

/// The report as people read it.
pub fn text(report: &Explanation) -> String {
    let mut out = String::new();
    out += &match &report.call {
        Some(call) => words::hanging("", call),
        None => words::hanging("f = ", &report.expression),
    };
    out += &simplified(report).map_or(String::new(), |text| words::hanging("simplified: ", &text));
    out += &named("at", &report.point);
    out += &named("data", &report.data);
    out += &format!("\nvalue     {}\n", words::number(report.value));
    out += &named("gradient", &report.backprop.gradient);
    let verified = report.backprop.verified_on.map_or(String::new(), |release| format!(" (compared with {release})"));
    out += &format!("policy    {}{verified}\n", words::clipped(&report.backprop.policy, 80));
    out += &format!("class     {}{}\n\n", report.class, report.raised);
    if !report.ties.is_empty() {
        out += &ties(report);
        out.push('\n');
        if report.sets.missing.is_none() {
            out += &both(&report.sets, report.tolerance);
            out.push('\n');
        }
        out += &entries(&report.sets.entries);
    }
    out += &paragraphs(report).iter().map(|p| words::paragraph(p, 0)).collect::<Vec<_>>().join("\n");
    out += &report.cost.as_ref().map_or(String::new(), |cost| format!("\n{}", cost::text(cost)));
    out
}

/// What is said in sentences, a paragraph each.
pub(super) fn paragraphs(report: &Explanation) -> Vec<String> {
    meaning(report).into_iter().chain(verdict(report)).chain(notes(report)).collect()
}

/// The simplified program as an expression, if that is what is explained.
pub(super) fn simplified(report: &Explanation) -> Option<String> {
    let last = |program: &String| program.lines().last().unwrap_or_default().trim_start_matches("    return ").into();
    report.simplified.as_ref().map(last)
}

/// Lines `title     name = value`, the title on the first.
fn named(title: &str, all: &Named) -> String {
    let titles = [title].into_iter().chain(std::iter::repeat(""));
    titles.zip(assigned(all, 10)).map(|(title, line)| format!("{title:<10}{line}\n")).collect()
}

/// Texts `name = value` that begin in column `indent`, the names padded to one width; a long array has several lines.
pub(super) fn assigned(all: &Named, indent: usize) -> Vec<String> {
    let width = all.0.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    let one =
        |(name, value): &(String, Tensor)| format!("{name:<width$} = {}", words::array(value, indent + width + 3));
    all.0.iter().map(one).collect()
}

fn ties(report: &Explanation) -> String {
    let (titles, rows) = tie_table(report);
    let indented: String = align(&titles, &rows).lines().map(|l| format!("  {l}\n")).collect();
    let more = more_ties(report).map_or(String::new(), |more| format!("  {more}\n"));
    format!("{}:\n{indented}{more}", tie_title(report))
}

/// How many ties are met, as `2 ties met`.
pub(super) fn tie_title(report: &Explanation) -> String {
    let which = match report.tolerance {
        0.0 => "met".to_string(),
        tol => format!("within {}", words::number(tol)),
    };
    format!("{} {which}", words::plural(report.ties.len(), "tie"))
}

/// The first ties as a table: its titles and its rows. Lines of code have a column where there are any, and so have
/// distances where there is a tolerance.
pub(super) fn tie_table(report: &Explanation) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let (lines, far) = (report.ties.iter().any(|t| t.place.is_some()), report.tolerance > 0.0);
    // Further columns need their room.
    let width = match (far, lines) {
        (false, false) => 40,
        (true, false) => 30,
        (false, true) => 26,
        (true, true) => 18,
    };
    let row = |tie: &TieMet| {
        let line = lines.then(|| words::clipped(tie.line().unwrap_or("—"), 20));
        let index = words::index(tie.index.as_deref());
        let pieces = tie.pieces.map_or("infinitely many".into(), |p| p.to_string());
        let own = [tie.op.clone(), words::clipped(&tie.source, width)];
        own.into_iter().chain(line).chain([index, pieces]).chain(far.then(|| words::number(tie.distance))).collect()
    };
    let titles = ["operator", "source"].into_iter().chain(lines.then_some("line")).chain(["element", "pieces"]);
    (titles.chain(far.then_some("distance")).collect(), report.ties.iter().take(LISTED).map(row).collect())
}

/// What is said of the ties beyond those listed.
pub(super) fn more_ties(report: &Explanation) -> Option<String> {
    let rest = report.ties.len().saturating_sub(LISTED);
    (rest > 0).then(|| format!("… and {rest} more; {} lists all", report.complete))
}

/// Both sets side by side; nothing where they could not be computed.
fn both(sets: &SetsReport, tolerance: f64) -> String {
    let (Some(conservative), Some(clarke)) = (&sets.conservative, &sets.clarke) else { return String::new() };
    let titles = set_titles(tolerance);
    align(&["", &titles[0], &titles[1]], &lines(&set_rows(&[conservative, clarke])))
}

/// What the two sets are called.
pub(super) fn set_titles(tolerance: f64) -> [String; 2] {
    ["conservative", "Clarke"].map(|name| if tolerance > 0.0 { format!("{name}, enlarged") } else { name.into() })
}

/// What is said of sets, each row with its title and a cell of some lines for each set.
pub(super) fn set_rows(sets: &[&SetReport]) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let all = |cell: fn(&SetReport) -> Vec<String>| sets.iter().map(|set| cell(set)).collect::<Vec<_>>();
    let mut rows = vec![("known", all(|set| vec![set.known.clone()]))];
    if sets.iter().any(|set| set.vertices.is_some()) {
        rows.push(("vertices", all(vertices)));
    }
    if sets.iter().any(|set| set.vertices.is_none()) {
        rows.push(("bounds", all(|set| bounds(&set.range))));
    }
    rows.push(("least norm", all(least)));
    rows.push(("critical", all(|set| vec![yes(set.critical).to_string()])));
    rows
}

/// The rows a line each, the title on the first of a cell's lines.
fn lines(rows: &[(&'static str, Vec<Vec<String>>)]) -> Vec<Vec<String>> {
    let mut all = vec![];
    for (title, cells) in rows {
        for k in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let title = if k == 0 { title.to_string() } else { String::new() };
            let own = cells.iter().map(|cell| cell.get(k).cloned().unwrap_or_default());
            all.push([title].into_iter().chain(own).collect());
        }
    }
    all
}

/// One set without a title, in lines as the page has them of two.
pub(super) fn set_text(set: &SetReport) -> String {
    let why = set.hypothesis.as_ref().map(|why| words::paragraph(&format!("Of this set: {why}."), 0));
    // The titles are empty, and so is their line.
    let table = align(&["", ""], &lines(&set_rows(&[set])));
    table.trim_start_matches('\n').to_string() + &why.map_or(String::new(), |why| format!("\n{why}"))
}

/// A verdict with both sets side by side, and what it means.
pub(super) fn judgement_text(sets: &SetsReport, tolerance: f64) -> String {
    let table = both(sets, tolerance);
    let meaning = [point(sets.verdict, sets.descent.as_ref(), tolerance)];
    let said = meaning.into_iter().filter(|said| !said.is_empty()).chain(hypotheses(sets));
    let said: String = said.map(|p| format!("\n{}", words::paragraph(&p, 0))).collect();
    format!("{}\n\n{table}{said}", sets.verdict)
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
    let mut lines: Vec<String> = all.iter().take(ROWS).map(|v| words::brief(&v.0, CELL)).collect();
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
    lines.into_iter().map(|l| words::clipped(&l, CELL)).collect()
}

/// The element of least norm; what is 0 up to rounding is 0.
fn least(set: &SetReport) -> Vec<String> {
    if set.critical == Some(true) {
        return vec!["0".into()];
    }
    let norm = format!("{} at ", words::short(set.min_norm.norm));
    let round = |x: &f64| if x.abs() < 1e-12 * set.min_norm.norm { 0.0 } else { *x };
    let rounded = |x: &Tensor| Tensor::from_fn(x.shape(), |i| round(&x.data()[i]));
    let element: Vec<_> = set.min_norm.element.0.iter().map(|(name, x)| (name.clone(), rounded(x))).collect();
    let room = CELL - norm.chars().count().min(CELL / 2);
    vec![norm + &words::brief(&element, room)]
}

/// Where each entry of the gradient lies over the presets and over all choices, if that depends on them.
fn entries(entries: &[Entry]) -> String {
    let Some((rows, more)) = entry_rows(entries) else { return String::new() };
    align(&ENTRY_TITLES, &rows) + &more.map_or(String::new(), |more| more + "\n") + "\n"
}

/// The titles of the table of entries.
pub(super) const ENTRY_TITLES: [&str; 3] = ["gradient", "over the presets", "over all choices"];

/// The rows of the table of entries, and what is said of those left out; None if nothing depends on a choice.
pub(super) fn entry_rows(entries: &[Entry]) -> Option<(Vec<Vec<String>>, Option<String>)> {
    let row = |e: &Entry| {
        let (presets, choices) = (interval(e.presets.0, e.presets.1), interval(e.choices.0, e.choices.1));
        vec![words::clipped(&e.name, 30), presets, choices]
    };
    let of_interest = |e: &&Entry| [e.presets, e.choices].iter().any(|(l, h)| words::short(*l) != words::short(*h));
    let all: Vec<&Entry> = entries.iter().filter(of_interest).collect();
    let rest = all.len().saturating_sub(ROWS);
    let rows: Vec<Vec<String>> = all.iter().take(ROWS).map(|e| row(e)).collect();
    (!rows.is_empty()).then(|| (rows, (rest > 0).then(|| format!("… and {rest} more"))))
}

/// What the gradient is, in view of the ties met.
fn meaning(report: &Explanation) -> Option<String> {
    let policy = format!("the policy {}", words::clipped(&report.backprop.policy, 80));
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
fn verdict(report: &Explanation) -> Vec<String> {
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
    let mut said = vec![format!("{gradient} {}", point(sets.verdict, sets.descent.as_ref(), report.tolerance))];
    said.extend(hypotheses(sets));
    said
}

/// What the point is, in a sentence or more; nothing where the program is smooth.
pub(super) fn point(verdict: Verdict, descent: Option<&(Named, f64)>, tolerance: f64) -> String {
    let along = match descent {
        Some((direction, bound)) => {
            format!("along {} it falls with slope {} or steeper", words::brief(&direction.0, 60), words::short(*bound))
        }
        None => "it falls in some direction".into(),
    };
    let (within, enlarged) = if tolerance > 0.0 { (" within the tolerance", "enlarged ") } else { ("", "") };
    match verdict {
        Verdict::ClarkeCritical => {
            let whose = if tolerance > 0.0 { within } else { " for the function itself, as every local minimum is" };
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
fn hypotheses(sets: &SetsReport) -> Vec<String> {
    let of = |set: &Option<SetReport>| set.as_ref().and_then(|s| s.hypothesis.clone());
    match (of(&sets.conservative), of(&sets.clarke)) {
        (Some(a), Some(b)) if a == b => vec![format!("Of both sets: {a}.")],
        (a, b) => {
            let of = |name: &str, why: Option<String>| why.map(|why| format!("Of the {name}: {why}."));
            of("conservative gradient", a).into_iter().chain(of("Clarke subdifferential", b)).collect()
        }
    }
}

/// The notes of the policy, each once, with its operators.
fn notes(report: &Explanation) -> Vec<String> {
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
