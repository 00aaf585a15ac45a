//! What a check of a gradient found, as JSON.

use crate::json::Named;
use clarke::check::{Conservative, Course, Member, Membership, Refutation};
use clarke::{CheckReport, Tensor};
use serde_json::{Value, json as value};

/// What a check of a gradient found, with the expression or the name of the function: an object of plain values.
pub fn check_json(expression: &str, report: &CheckReport) -> Value {
    let point = |arrays: &[Tensor]| {
        let all = std::iter::zip(&report.names, arrays).map(|(n, v)| (n.clone(), v.clone())).collect();
        value!(Named(all))
    };
    let conservative = match &report.conservative {
        Conservative::Refuted(r) => refuted(r, &point),
        Conservative::Passed(p) => value!({
            "refuted": false, "curves": p.curves, "inside_ties": p.inside, "close_to_ties": p.near,
            "without_rounding": p.exact, "skipped": p.skipped, "worst": p.worst,
        }),
    };
    let member = |m: &Member| match m {
        Member::Yes => value!({ "answer": "yes" }),
        Member::No(gap) => value!({ "answer": "no", "distance": gap }),
        Member::Undecided(why) => value!({ "answer": "undecided", "why": why }),
    };
    let at = |m: &Membership| {
        value!({
            "point": point(&m.point), "gradient": m.vector.as_deref().map(point), "ties": m.ties,
            "in_conservative": member(&m.in_conservative), "in_clarke": member(&m.in_clarke),
        })
    };
    let (d, s) = (&report.differences, &report.semismooth);
    let (b, c) = (&report.bounded, &report.closed_graph);
    value!({
        "expression": expression,
        "passes": report.passes(),
        "conservative": conservative,
        "points": report.points.iter().map(at).collect::<Vec<_>>(),
        "differences": {
            "compared": d.compared, "unresolved": d.unresolved, "wrong": d.wrong,
            "example": d.example.as_ref().map(|e| value!({
                "point": point(&e.point), "entry": e.entry, "rule": e.rule, "difference": e.difference })),
        },
        "semismooth": {
            "tested": s.tested, "inside_ties": s.inside,
            "failure": s.failure.as_ref().map(|e| value!({
                "point": point(&e.point), "direction": point(&e.direction), "ratio": e.ratio })),
        },
        "locally_bounded": {
            "largest": b.largest,
            "failure": b.failure.as_ref().map(|e| value!({ "point": point(&e.point), "norms": e.norms })),
        },
        "closed_graph": {
            "limits": c.limits, "unresolved": c.unresolved,
            "failure": c.failure.as_ref().map(|e| value!({
                "point": point(&e.point), "limit": point(&e.limit), "distance": e.gap })),
        },
        "no_vector": report.refused.as_ref().map(|e| value!({
            "times": e.times, "point": point(&e.point), "why": e.why })),
    })
}

fn refuted(r: &Refutation, point: &dyn Fn(&[Tensor]) -> Value) -> Value {
    let (course, distance) = match r.course {
        Course::Inside => ("inside ties", None),
        Course::Near(distance) => ("close to a tie", Some(distance)),
        Course::Open => ("any", None),
        Course::Jump => ("jump", None),
    };
    value!({
        "refuted": true,
        "curve": r.curve.iter().map(|p| point(p)).collect::<Vec<_>>(),
        "increment": r.increment, "integral": r.integral, "error": r.error,
        "exact": r.exact.as_ref().map(|e| value!({ "increment": e.increment, "integral": e.integral })),
        "course": course, "distance": distance, "operators": r.operators,
    })
}
