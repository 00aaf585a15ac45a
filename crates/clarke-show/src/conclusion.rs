//! What is known of the point where a run ended, as data and in words.

use crate::report::{Block, Section};
use crate::words::{self, align};
use clarke::{Active, Conclusion, Verdict};
use serde::Serialize;

/// A conclusion as data: the fields of the JSON.
#[derive(Debug, Clone, Serialize)]
pub struct ConclusionReport {
    /// The verdict; None if the point was not judged.
    pub verdict: Option<String>,
    /// Why there is none.
    pub unjudged: Option<String>,
    /// Whether 0 is in the Clarke subdifferential; None if undecided.
    pub critical: Option<bool>,
    /// ‖Σ w v‖₂ of the combination of least norm of limiting gradients.
    pub norm: Option<f64>,
    /// The largest norm of such a gradient.
    pub scale: Option<f64>,
    /// How the ties are met: `exact`, `exact within r`, or `polished(τ)`.
    pub precision: String,
    /// The largest active difference, max |u|.
    pub largest: f64,
    /// How near a critical point was proved to lie, at which all active differences are exactly 0.
    pub proof: Option<ProofReport>,
    /// What is missing to the least value at most, for a function said to be convex.
    pub bound: Option<BoundReport>,
    /// The ties that are active.
    pub active: Vec<Active>,
    /// Whether the point was moved onto its ties.
    pub polished: bool,
}

/// What was proved.
#[derive(Debug, Clone, Serialize)]
pub struct ProofReport {
    /// No variable of the critical point is further from the solution than this.
    pub radius: f64,
    /// Bounds of the value there.
    pub value: (f64, f64),
}

/// What is missing to the least value at most.
#[derive(Debug, Clone, Serialize)]
pub struct BoundReport {
    /// f − min f is at most this.
    pub missing: f64,
    /// Over the ball of this radius around the solution; null: everywhere.
    pub radius: Option<f64>,
}

impl ConclusionReport {
    /// From a conclusion.
    pub fn new(end: &Conclusion) -> ConclusionReport {
        let judged = end.judgement.as_ref();
        ConclusionReport {
            verdict: end.verdict().map(|v| v.to_string()),
            unjudged: end.unjudged.clone(),
            critical: end.critical(),
            norm: end.norm(),
            scale: judged.map(|j| j.clarke_min.scale),
            precision: end.precision.to_string(),
            largest: end.largest(),
            proof: end.proof().map(|p| ProofReport { radius: p.radius, value: p.value }),
            bound: end.bound().map(|b| BoundReport { missing: b.missing, radius: b.radius }),
            active: end.active.clone(),
            polished: end.polished.is_some(),
        }
    }
}

/// How many active ties the text lists.
const LISTED: usize = 12;

/// A conclusion in words: what it is, how it is known, and which ties are active.
pub fn conclusion_text(end: &Conclusion) -> String {
    let Some(verdict) = end.verdict() else {
        let why = end.unjudged.as_deref().unwrap_or("it was not asked for");
        return words::paragraph(&format!("No verdict on this point: {why}."), 0);
    };
    let line = |(name, said): (&str, String)| format!("{name:<12}{said}\n");
    let mut out: String = facts(end, verdict).into_iter().map(line).collect();
    if !end.active.is_empty() {
        out.push('\n');
        out += &align(&TITLES, &rows(&end.active));
        out += &more(&end.active).map_or(String::new(), |more| format!("  {more}\n"));
    }
    out.push('\n');
    out + &words::paragraph(&meaning(end, verdict), 0)
}

/// The same for a report: its sentences, its numbers, and the active ties.
pub fn conclusion_blocks(end: &Conclusion) -> Vec<Block> {
    let mut section = Section::default();
    let Some(verdict) = end.verdict() else {
        section.text(conclusion_text(end));
        return section.blocks;
    };
    section.text(meaning(end, verdict)).facts("", facts(end, verdict));
    if !end.active.is_empty() {
        section.table("Active ties", &TITLES, rows(&end.active));
        if let Some(more) = more(&end.active) {
            section.text(more);
        }
    }
    section.blocks
}

/// What a conclusion is, and how it is known, by name.
fn facts(end: &Conclusion, verdict: Verdict) -> Vec<(&'static str, String)> {
    let mut all = vec![("verdict", verdict.to_string())];
    // A proof alone gives no combination that has a norm.
    all.extend(end.norm().map(words::short).map(|norm| match (verdict, &end.judgement) {
        (Verdict::Smooth, _) => ("‖∇f‖", norm),
        (_, Some(judged)) => {
            ("‖Σ w v‖", format!("{norm}, of gradients v of norm up to {}", words::short(judged.clarke_min.scale)))
        }
        (_, None) => ("‖Σ w v‖", norm),
    }));
    all.extend(end.proof().map(|p| ("proved", format!("within {} of the solution in every variable", up(p.radius)))));
    all.extend(end.bound().map(|bound| {
        let over = bound.radius.map_or("everywhere".into(), |r| format!("over the ball of radius {}", words::short(r)));
        ("bound", format!("f − min f ≤ {} {over}, if f is convex", up(bound.missing)))
    }));
    if !end.active.is_empty() {
        let count = words::plural(end.active.len(), "active tie");
        all.push(("max |u|", format!("{} over {count}", words::short(end.largest()))));
        all.push(("precision", end.precision.to_string()));
    }
    all
}

/// A bound in two digits, rounded up.
fn up(x: f64) -> String {
    let short = format!("{x:.1e}");
    match short.parse::<f64>() {
        _ if x == 0.0 => "0".into(),
        Ok(read) if read < x => format!("{:.1e}", x * 1.05),
        _ => short,
    }
}

const TITLES: [&str; 4] = ["active", "element", "|u|", "weights"];

/// The active ties with their weights.
fn rows(active: &[Active]) -> Vec<Vec<String>> {
    let row = |a: &Active| {
        let index = words::index(a.index.as_deref());
        let weights: Vec<String> = a.weights.iter().take(4).map(|w| words::short(*w)).collect();
        let more = if a.weights.len() > 4 { ", …" } else { "" };
        vec![words::clipped(&a.source, 40), index, words::short(a.difference), weights.join(", ") + more]
    };
    active.iter().take(LISTED).map(row).collect()
}

/// How many are not listed.
fn more(active: &[Active]) -> Option<String> {
    Some(active.len().saturating_sub(LISTED)).filter(|left| *left > 0).map(|left| format!("and {left} more"))
}

/// The verdict in some sentences.
fn meaning(end: &Conclusion, verdict: Verdict) -> String {
    let mut all = vec![match verdict {
        Verdict::Smooth => "No tie is met: the derivative is the ordinary gradient.".to_string(),
        Verdict::ClarkeCritical => "The point is critical: a combination of limiting gradients vanishes, so that 0 lies in the \
                                    Clarke subdifferential, as it does at every local minimum."
            .into(),
        Verdict::SpuriousCritical => "The point is critical only for the formula: 0 lies in the conservative gradient of the \
                                      program as written, and not in the Clarke subdifferential; the function descends from \
                                      here."
            .into(),
        Verdict::NotCritical => {
            "The point is not critical: there is a direction along which the function descends.".into()
        }
        Verdict::Undecided => {
            "Whether 0 lies in the Clarke subdifferential was not decided within the budget.".into()
        }
    }];
    all.extend(match (end.active.is_empty(), end.precision.tolerance()) {
        (true, _) => None,
        (_, 0.0) => Some("Every active difference is exactly 0 in the arithmetic used.".into()),
        (_, tau) => Some(format!("Differences of up to {} count as ties.", words::short(tau))),
    });
    if let Some(proof) = end.proof() {
        let ties = if end.active.is_empty() { "" } else { "all active differences are exactly 0 and " };
        all.push(format!(
            "Interval arithmetic proves that within {} in every variable there is exactly one point at which {ties}the weighted \
             gradients combine to 0 exactly; its value lies between {:?} and {:?}.",
            up(proof.radius),
            proof.value.0,
            proof.value.1
        ));
    }
    if end.polished.is_some() {
        all.push("The point was moved there from the best one met, by Newton's method on the active ties.".into());
    }
    all.join(" ")
}
