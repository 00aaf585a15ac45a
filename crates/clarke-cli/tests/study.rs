//! `clarke study` as a user runs it: quickly, with the same numbers each time, and what it refuses.

mod common;

use common::{json, printed, refused};
use serde_json::Value;

const RELU0: &[&str] = &["study", "relu0", "--quick"];
const MAXPOOL: &[&str] = &["study", "maxpool", "--quick"];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

fn all<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is no list"))
}

#[test]
fn ties_of_relu_are_met_in_16_bits_and_not_in_64() {
    let result = json(&with(RELU0, &["--precision", "f16,bf16,f64"]));
    assert_eq!(result["source"]["images"], 1797);
    assert_eq!(result["interrupted"], false);
    let ties = |zone: &Value| all(zone, "runs").iter().map(|run| run["ties"].as_u64().unwrap()).sum::<u64>();
    for zone in all(&result, "zones").iter().chain(all(&result, "apart")) {
        if zone["precision"] == "f64" {
            assert_eq!(ties(zone), 0);
        }
        for run in all(zone, "runs") {
            // No difference without a tie, and the released rule sees every tie.
            assert!(run["chain"].is_null() || run["tied"].as_u64() > Some(0), "{run}");
            assert_eq!(run["released"].is_null(), run["tied"] == 0, "{run}");
        }
    }
    let apart = all(&result, "apart");
    assert!(apart.iter().filter(|z| z["precision"] != "f64").all(|z| ties(z) > 0));
    assert_eq!(all(&result, "paths").len(), 3);
    // In f64 no start met a tie: all choices and rules are one training.
    let groups = all(&result["training"][0], "groups").iter().chain(all(&result["training"][1], "groups"));
    for group in groups.filter(|g| g["precision"] == "f64") {
        let accuracies: Vec<&Value> = all(group, "accuracies").iter().map(|a| &a["accuracies"]).collect();
        assert_eq!(accuracies.len(), 14);
        assert!(accuracies.iter().all(|a| *a == accuracies[0]));
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_one_does_not() {
    let of = |seed: &str| printed(&with(RELU0, &["--precision", "bf16", "--seed", seed, "--format", "json"]));
    let (one, again, other) = (of("1"), of("1"), of("2"));
    assert_eq!(one, again);
    assert_ne!(one, other);
    let text = |seed: &str| printed(&with(MAXPOOL, &["--precision", "f16", "--seed", seed]));
    assert_eq!(text("1"), text("1"));
}

#[test]
fn published_figures_stand_beside_ours() {
    let text = printed(&[
        "study",
        "relu0",
        "--layers",
        "1",
        "--width",
        "16",
        "--batch",
        "256",
        "--runs",
        "1",
        "--starts",
        "1",
        "--epochs",
        "1",
        "--steps",
        "2",
        "--precision",
        "f32",
    ]);
    // 54, 21 and 463 of 1000 on MNIST.
    for published in ["5.4 %", "2.1 %", "46.3 %", "rounded to 16 bits", "for 60 000"] {
        assert!(text.contains(published), "{published}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
}

#[test]
fn pools_differ_by_rounding_in_f64_and_by_more_in_f16() {
    let result = json(&with(MAXPOOL, &["--precision", "f16,f64"]));
    let zones = all(&result["pools"], "zones");
    assert_eq!((&zones[1]["accidental"], &zones[1]["bifurcation"]), (&0.0.into(), &0.0.into()));
    assert!(zones[1]["compensation"].as_f64().unwrap() > 0.0);
    assert!(zones[0]["accidental"].as_f64().unwrap() > 0.0);
    assert!(zones[0]["bifurcation"].as_f64().unwrap() > 0.0);
    // Beyond 65504 there is nothing in f16, but β enters as 1 − β and β/4: 10⁴ is still a number.
    assert_eq!(all(&result, "training").len(), 2);
}

#[test]
fn a_report_is_a_page_with_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    for (command, said) in [(RELU0, "released rule"), (MAXPOOL, "bifurcation zone")] {
        let path = dir.path().join("study.html");
        printed(&with(command, &["--precision", "f16", "--report", path.to_str().unwrap()]));
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.contains(said) && page.contains("rounded to 16 bits"));
    }
}

#[test]
fn mistakes_are_refused_before_any_work() {
    assert!(refused(&with(RELU0, &["--layers", "0"])).contains("--layers 0: it is a whole number from 1"));
    assert!(refused(&with(RELU0, &["--precision", "f8"])).contains("one of f16, bf16, f32, f64"));
    assert!(refused(&with(RELU0, &["--report", "run.pdf"])).contains("reports are saved as *.html"));
    assert!(refused(&with(RELU0, &["--data", "data/digits.csv", "--y", "digits"])).contains("no column `digits`"));
    assert!(
        refused(&with(RELU0, &["--data", "data/diabetes.csv", "--y", "bmi"]))
            .contains("a label is the number of a class")
    );
    assert!(refused(&with(MAXPOOL, &["--data", "data/diabetes.csv", "--y", "sex"])).contains("images are square here"));
}
