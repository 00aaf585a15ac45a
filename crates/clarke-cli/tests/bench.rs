//! `clarke bench problems` as a user runs it.

mod common;

use common::{json, printed, refused};

#[test]
fn runs_are_rows_with_what_was_reached_and_a_verdict() {
    let rows = json(&["bench", "problems", "--only", "CB3", "--method", "bundle", "--method", "bfgs"]);
    let rows = rows.as_array().expect("a list of rows");
    let names: Vec<(&str, &str)> =
        rows.iter().map(|r| (r["problem"].as_str().unwrap(), r["method"].as_str().unwrap())).collect();
    assert_eq!(names, [("CB3", "bundle"), ("CB3", "bfgs"), ("Chained CB3 II", "bundle"), ("Chained CB3 II", "bfgs")]);
    for row in &rows[..2] {
        assert_eq!((&row["n"], &row["convex"], &row["start"]), (&2.into(), &true.into(), &20.0.into()));
        assert_eq!(row["reached"], row["missing"].as_f64().unwrap() <= 2e-6, "{row}");
        assert_eq!(row["reached"], true, "{row}");
        assert!(row["verdict"].as_str().unwrap().starts_with("critical"), "{row}");
        assert!(row["gradients"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_run_that_is_cut_short_is_marked() {
    let rows = json(&["bench", "problems", "--only", "Maxquad", "--steps", "1"]);
    assert_eq!((&rows[0]["reached"], &rows[0]["status"]), (&false.into(), &"steps".into()));
    let text = printed(&["bench", "problems", "--only", "Maxquad", "--steps", "1"]);
    let line = text.lines().find(|l| l.starts_with("Maxquad")).expect("there is a line");
    assert!(line.contains('!'), "{text}");
    assert!(text.contains("0 of 1 on convex problems"), "{text}");
    let text = printed(&["bench", "problems", "--only", "Maxquad"]);
    assert!(text.contains("1 of 1 on convex problems") && text.contains("auto"), "{text}");
}

#[test]
fn large_problems_stand_beside_what_was_published() {
    let text = printed(&["bench", "problems", "--large", "--only", "Crescent I 1000", "--steps", "1"]);
    for part in ["Chained Crescent I 1000", "(CuttingPlane)", "(GradientCombinati", "208", "53"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn unknown_names_are_refused() {
    let said = refused(&["bench", "problems", "--only", "Rosenbrok"]);
    assert!(said.contains("--only Rosenbrok: there is no such problem") && said.contains("Maxquad"), "{said}");
    let said = refused(&["bench", "problems", "--only", "CB3", "--method", "bundel"]);
    assert!(said.contains("unknown method `bundel`") && said.contains("bundle"), "{said}");
    let said = refused(&["bench", "problems", "--only", "CB3", "--steps", "0"]);
    assert!(said.contains("--steps"), "{said}");
}
