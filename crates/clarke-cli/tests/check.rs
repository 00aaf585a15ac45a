//! `clarke check` as a user runs it.

use assert_cmd::Command;
use serde_json::Value;

fn run(args: &[&str], code: i32) -> (String, String) {
    let mut command = Command::cargo_bin("clarke").expect("the binary is built with its tests");
    let done = command.arg("check").args(args).assert().code(code);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    (text(&done.get_output().stdout), text(&done.get_output().stderr))
}

const TIED: &[&str] = &["maximum(x, y)", "--gradient", "where(x >= y, 1, 0)", "--gradient", "where(y >= x, 1, 0)"];
const AT: &[&str] = &["--at", "x=1", "--at", "y=1"];

#[test]
fn a_tied_maximum_is_refuted_with_its_curve() {
    let (said, _) = run(&[TIED, AT].concat(), 1);
    for part in ["Not conservative", "from ", "straight to ", "the function changes by", "(exactly)", "maximum(x, y)"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("At x = 1, y = 1") && said.contains("the rule gives (1, 1) (1 tie)"), "{said}");
}

#[test]
fn the_json_of_a_refutation_can_be_checked() {
    let (said, _) = run(&[TIED, AT, &["--format", "json"]].concat(), 1);
    let said: Value = serde_json::from_str(&said).unwrap();
    let refutation = &said["conservative"];
    assert_eq!((&said["passes"], &refutation["refuted"]), (&Value::Bool(false), &Value::Bool(true)));
    let number = |v: &Value| v.as_f64().unwrap();
    let curve = refutation["curve"].as_array().unwrap();
    let largest = |p: &Value| number(&p["x"]).max(number(&p["y"]));
    assert_eq!(largest(&curve[1]) - largest(&curve[0]), number(&refutation["increment"]));
    assert_eq!(number(&refutation["integral"]), 2.0 * number(&refutation["increment"]));
    assert_eq!(refutation["course"], "inside ties");
    assert_eq!(said["points"][0]["in_clarke"]["answer"], "no");
}

#[test]
fn a_right_gradient_passes() {
    let right = ["--gradient", "y=where(x > y, 0, 1)", "--gradient", "x=where(x > y, 1, 0)"];
    let (said, _) = run(&[&["maximum(x, y)"], &right[..], AT].concat(), 0);
    assert!(said.contains("No curve refutes the rule:") && said.contains("function: yes"), "{said}");
    let (said, _) = run(&["relu(x)", "--gradient", "where(x == 0, 17, where(x > 0, 1, 0))", "--box", "x=-2..2"], 0);
    assert!(said.contains("No curve refutes") && said.contains("no (its distance is 16)"), "{said}");
    let (said, _) = run(&["max(x) * c", "--policy", "jax", "--at", "x=[1,1,0]", "--let", "c=3"], 0);
    assert!(said.contains("x = [1, 1, 0]"), "{said}");
}

#[test]
fn bad_input_is_refused() {
    let refused = |args: &[&str], part: &str| {
        let (out, said) = run(args, 2);
        assert!(out.is_empty() && said.contains(part) && !said.contains("panicked"), "{args:?}: {said}");
    };
    refused(&["abs(x)", "--at", "x=0"], "--gradient");
    refused(&["abs(x)", "--gradient", "1"], "there is no variable");
    refused(&["abs(x)", "--gradient", "1", "--gradient", "2", "--at", "x=0"], "2 gradients for `x`");
    refused(&["abs(x)", "--gradient", "z=1", "--at", "x=0"], "which is no variable");
    refused(&["sum(x)", "--gradient", "1", "--at", "x=[1,2]"], "it is a scalar, but `x` is of shape [2]");
    refused(&["abs(x)", "--gradient", "1", "--box", "x=2..1"], "not below");
    refused(&["abs(x)", "--gradient", "1", "--box", "x=2"], "..");
    refused(&["abs(x", "--gradient", "1", "--at", "x=0"], "error");
    refused(&["x", "--gradient", "1", "--at", "x=0", "--tol", "3"], "tolerance");
}
