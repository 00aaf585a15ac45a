//! What is known of the point where a run ended, as data and in words.

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
    /// How the ties are met: `exact`, or `polished(τ)`.
    pub precision: String,
    /// The largest active difference, max |u|.
    pub largest: f64,
    /// The ties that are active.
    pub active: Vec<Active>,
    /// Whether the point was moved onto its ties.
    pub polished: bool,
}

impl ConclusionReport {
    /// From a conclusion.
    pub fn new(end: &Conclusion) -> ConclusionReport {
        let judged = end.judgement.as_ref();
        ConclusionReport {
            verdict: judged.map(|j| j.verdict.to_string()),
            unjudged: end.unjudged.clone(),
            critical: judged.and_then(|j| j.clarke_critical),
            norm: judged.map(|j| j.clarke_min.distance),
            scale: judged.map(|j| j.clarke_min.scale),
            precision: end.precision.to_string(),
            largest: end.largest(),
            active: end.active.clone(),
            polished: end.polished.is_some(),
        }
    }
}

/// How many active ties the text lists.
const LISTED: usize = 12;

/// A conclusion in words: what it is, how it is known, and which ties are active.
pub fn conclusion_text(end: &Conclusion) -> String {
    let Some(judged) = &end.judgement else {
        let why = end.unjudged.as_deref().unwrap_or("it was not asked for");
        return words::paragraph(&format!("No verdict on this point: {why}."), 0);
    };
    let mut out = format!("verdict     {}\n", judged.verdict);
    let (norm, scale) = (judged.clarke_min.distance, judged.clarke_min.scale);
    out += &match judged.verdict {
        Verdict::Smooth => format!("‖∇f‖        {}\n", words::short(norm)),
        _ => format!("‖Σ w v‖     {}, of gradients v of norm up to {}\n", words::short(norm), words::short(scale)),
    };
    if !end.active.is_empty() {
        let count = words::plural(end.active.len(), "active tie");
        out += &format!("max |u|     {} over {count}\n", words::short(end.largest()));
        out += &format!("precision   {}\n", end.precision);
        out.push('\n');
        out += &table(&end.active);
    }
    out.push('\n');
    out + &words::paragraph(&meaning(end, judged.verdict), 0)
}

/// The active ties with their weights.
fn table(active: &[Active]) -> String {
    let row = |a: &Active| {
        let index = a.index.as_ref().map_or("—".into(), |i| format!("{i:?}"));
        let weights: Vec<String> = a.weights.iter().take(4).map(|w| words::short(*w)).collect();
        let more = if a.weights.len() > 4 { ", …" } else { "" };
        vec![words::clipped(&a.source, 40), index, words::short(a.difference), weights.join(", ") + more]
    };
    let rows: Vec<Vec<String>> = active.iter().take(LISTED).map(row).collect();
    let left = active.len().saturating_sub(LISTED);
    let rest = if left > 0 { format!("  and {left} more\n") } else { String::new() };
    align(&["active", "element", "|u|", "weights"], &rows) + &rest
}

/// The verdict in a sentence or two.
fn meaning(end: &Conclusion, verdict: Verdict) -> String {
    let met = match end.precision.tolerance() {
        0.0 => "Every active difference is exactly 0 in the arithmetic used".to_string(),
        tau => format!("Differences of up to {} count as ties", words::short(tau)),
    };
    let moved = if end.polished.is_some() { " The point was moved onto its ties by Newton's method." } else { "" };
    match verdict {
        Verdict::Smooth => format!("No tie is met: the derivative is the ordinary gradient.{moved}"),
        Verdict::ClarkeCritical => format!(
            "The point is critical: a combination of limiting gradients with the weights above vanishes, so that 0 lies in the \
             Clarke subdifferential, as it does at every local minimum. {met}.{moved}"
        ),
        Verdict::SpuriousCritical => format!(
            "The point is critical only for the formula: 0 lies in the conservative gradient of the program as written, and \
             not in the Clarke subdifferential; the function descends from here. {met}.{moved}"
        ),
        Verdict::NotCritical => {
            format!("The point is not critical: there is a direction along which the function descends. {met}.{moved}")
        }
        Verdict::Undecided => {
            format!("Whether 0 lies in the Clarke subdifferential was not decided within the budget. {met}.{moved}")
        }
    }
}
