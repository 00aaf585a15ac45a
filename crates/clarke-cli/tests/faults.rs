//! What can go wrong in a run, each with a clear end and the best point kept.

mod common;

use common::{clarke, refused, root};
use serde_json::Value;
use std::path::Path;

/// A run of the command in the background, reading from pipes.
fn started(args: &[&str]) -> std::process::Child {
    std::process::Command::new(assert_cmd::cargo::cargo_bin!("clarke"))
        .current_dir(root())
        .args(args)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

/// What Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &std::process::Child) {
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|s| s.success()), "the run ended before it was interrupted, or cannot be");
}

fn saved(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).expect("the solution was saved")).expect("it is JSON")
}

/// A run that ends with exit code 2 after it has begun: what it says, and what it saved.
fn broken(args: &[&str]) -> (String, Value) {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let file = dir.path().join("best.json");
    let done = clarke(args).args(["--out", &file.display().to_string()]).assert().code(2).stdout("");
    let said = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    assert!(!said.contains("panicked"), "{said}");
    assert!(said.contains("the point with the least value met"), "{said}");
    (said, saved(&file))
}

#[test]
fn a_run_that_diverges_saves_the_least_value_met() {
    let (said, best) = broken(&["minimize", "-x*x", "--over", "x", "--from", "x=1", "--steps", "1000", "--step", "1"]);
    assert!(said.contains("fall without bound"), "{said}");
    assert!(best["x"].as_f64().is_some_and(|x| x.is_finite() && x.abs() > 1e50), "{best}");
}

#[test]
fn a_step_to_where_the_function_does_not_exist_saves_the_point_before() {
    // From 1 the slope 1/x = 1 leads to −9, where the logarithm is NaN.
    let (said, best) = broken(&["minimize", "log(x)", "--over", "x", "--from", "x=1", "--step", "10"]);
    assert!(said.contains("log") && said.contains("it stopped after 0 steps"), "{said}");
    assert_eq!(best["x"], 1.0);
    // The methods with a line search take shorter steps instead: x log x is least at 1/e.
    for method in ["bfgs", "bundle", "gradient-sampling", "auto"] {
        let args = ["minimize", "x*log(x)", "--over", "x", "--from", "x=3", "--format", "json", "--method", method];
        let done = clarke(&args).assert().success();
        let report: Value = serde_json::from_slice(&done.get_output().stdout).expect("it is JSON");
        let x = report["solution"]["x"].as_f64().expect("a number");
        assert!((x - (-1f64).exp()).abs() < 1e-4, "{method}: {report}");
    }
}

#[test]
fn data_that_are_not_finite_are_refused_before_the_run() {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let file = dir.path().join("nan.csv");
    std::fs::write(&file, "a,b,y\n1,2,3\n4,inf,5\n").expect("a file can be written");
    let out = dir.path().join("w.json").display().to_string();
    let csv = file.display().to_string();
    for each in [&["--each", "X", "--each", "y"][..], &[]] {
        let expression = if each.is_empty() { "norm1(X @ w - y)" } else { "abs(X @ w - y)" };
        let args = ["minimize", expression, "--over", "w[2]", "--csv", &csv, "--y", "y", "--out", &out];
        let said = refused(&[&args, each].concat());
        assert!(said.contains("row 2 (line 3), column `b`: `inf` is not a finite number"), "{said}");
    }
    let said = refused(&["minimize", "abs(x - c)", "--over", "x", "--let", "c=nan", "--out", &out]);
    assert!(said.contains("nan"), "{said}");
    let said = refused(&["minimize", "abs(x)", "--over", "x", "--from", "x=inf", "--out", &out]);
    assert!(said.contains("inf"), "{said}");
    assert!(!Path::new(&out).exists());
}

#[test]
#[cfg(unix)]
fn where_the_solution_cannot_be_saved_any_more_it_is_printed() {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let folder = dir.path().join("gone");
    std::fs::create_dir(&folder).expect("a folder can be made");
    let out = folder.join("s.json").display().to_string();
    let data = ["--csv", "data/diabetes.csv", "--y", "progression", "--standardize", "--over", "w[10]", "--over", "b"];
    let more = ["--method", "subgradient", "--steps", "1000000000", "--format", "json", "--out", &out];
    let child = started(&[&["minimize", "mean(abs(X @ w + b - y))"], &data[..], &more[..]].concat());
    // The folder was checked before the run: then it goes away.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    std::fs::remove_dir_all(&folder).expect("it can be removed");
    interrupt(&child);
    let done = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stderr).to_string();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot save") && !said.contains("panicked"), "{said}");
    let report: Value = serde_json::from_slice(&done.stdout).expect("the report is printed all the same");
    assert_eq!(report["status"], "interrupted");
    // At 0 it is 152.
    assert!(report["best_value"].as_f64().expect("a number") < 60.0, "{report}");
    assert_eq!(report["solution"]["w"].as_array().map(Vec::len), Some(10), "{report}");
}

#[test]
#[cfg(unix)]
fn a_bench_that_is_interrupted_ends_with_the_runs_made() {
    let steps = ["--steps", "1000000000", "--format", "json"];
    let args = ["bench", "problems", "--method", "subgradient", "--only", "Goffin", "--method", "adam"];
    let child = started(&[&args[..], &steps].concat());
    std::thread::sleep(std::time::Duration::from_millis(1500));
    interrupt(&child);
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&done.stdout).expect("it prints what it has");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["status"], &rows[0]["method"]), (&"interrupted".into(), &"subgradient".into()));
}
