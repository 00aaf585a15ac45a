//! The two sets and the verdict of `clarke explain`, and certificates.

mod common;

use common::{clarke, json, printed, refused, root, said};
use serde_json::Value;

/// The numbers of nested lists.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        Value::Object(all) => all.values().flat_map(numbers).collect(),
        Value::Number(x) => vec![x.as_f64().expect("a number")],
        _ => vec![],
    }
}

/// Lists of the same lengths in the same places.
fn same_shape(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && std::iter::zip(a, b).all(|(a, b)| same_shape(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same_shape(a, b)))
        }
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
        _ => true,
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The fields of an object in the order of the text.
fn fields(text: &str, names: &[&str]) {
    let at = |name: &&str| text.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name}: {text}"));
    assert!(names.iter().map(at).collect::<Vec<_>>().is_sorted(), "{text}");
}

/// That a report is as documented, whatever it is of.
fn holds_the_schema(args: &[&str]) -> Value {
    let text = printed(&[args, &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&text).unwrap();
    fields(&text, &["expression", "point", "value", "class", "path_differentiable", "ties", "backprop"]);
    fields(&text, &["backprop", "conservative", "clarke", "artifact", "verdict"]);
    assert!(!text.contains("-0.0,") && !text.contains("-0.0]") && !text.contains("-0.0}"), "{text}");
    let gradient = &report["backprop"]["gradient"];
    for (name, keys) in [
        ("conservative", &["known", "bounds", "vertices", "min_norm", "critical"][..]),
        ("clarke", &["known", "vertices", "min_norm", "critical"]),
    ] {
        let set = &report[name];
        let own: Vec<&str> = set.as_object().unwrap().keys().map(String::as_str).collect();
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        assert_eq!(own, sorted, "{args:?}");
        assert!(["exact", "outer", "inner", "sampled"].contains(&set["known"].as_str().unwrap()), "{args:?}");
        assert!(set["critical"].is_boolean() || set["critical"].is_null());
        let element = &set["min_norm"]["element"];
        assert!(same_shape(element, gradient), "{args:?}");
        assert!((set["min_norm"]["norm"].as_f64().unwrap() - norm(&numbers(element))).abs() < 1e-9, "{args:?}");
        for vertex in set["vertices"].as_array().into_iter().flatten() {
            assert!(same_shape(vertex, gradient), "{args:?}");
            assert!(numbers(vertex).iter().all(|x| x.is_finite()));
        }
    }
    for (name, own) in gradient.as_object().unwrap() {
        let ends = report["conservative"]["bounds"][name].as_array().unwrap();
        assert!(ends.len() == 2 && ends.iter().all(|end| same_shape(end, own)), "{args:?}");
    }
    let verdict = report["verdict"].as_str().unwrap();
    let known = ["smooth", "clarke critical", "spurious critical", "not critical", "undecided"];
    assert!(known.contains(&verdict), "{args:?}: {verdict}");
    assert_eq!(verdict == "smooth", report["ties"].as_array().unwrap().is_empty(), "{args:?}");
    report
}

const EXPRESSIONS: &[(&str, &[&str])] = &[
    ("relu(-x) + x - relu(x)", &["x=0"]),
    ("abs(x)", &["x=0"]),
    ("abs(x)", &["x=-2"]),
    ("-abs(x) * x", &["x=-0"]),
    ("abs(x[0]) + abs(x[1])", &["x=[0,0]"]),
    ("norm2(x)", &["x=[0,0,0]"]),
    ("norm2(x) + norm1(x)", &["x=[0,1]"]),
    ("max(x)", &["x=[1,1,1,0]"]),
    ("norminf(A @ x)", &["A=[[1,2],[3,4]]", "x=[0,0]"]),
    ("sum(abs(A))", &["A=[[0,1],[-1,0]]"]),
    ("relu(x) * relu(y)", &["x=0", "y=0"]),
    ("abs(x) * abs(x) * abs(y)", &["x=0", "y=0"]),
    ("where(x > 0, x, -x)", &["x=0"]),
    ("where(x > 0, x * x, x)", &["x=0"]),
    ("abs(stop_gradient(x)) + relu(x)", &["x=0"]),
    ("sum(sort(x) * [1, 2, 3])", &["x=[2,2,2]"]),
    ("median(x)", &["x=[0,0,0]"]),
    ("maximum(x, y) - minimum(x, y)", &["x=1", "y=1"]),
    ("x ** 2 + 1", &["x=3"]),
    ("clip(x, 0, 1)", &["x=1"]),
    ("x - (relu(-x) + x - relu(x))", &["x=0"]),
    ("log(1 + abs(x))", &["x=0"]),
    ("mean(abs(x - 1)) + norm1(x)", &["x=[1,1,0,0,1,1,0,0,1,1,0,0,1,1,0,0]"]),
];

#[test]
fn every_report_has_the_documented_fields() {
    for (expression, at) in EXPRESSIONS {
        let mut args = vec!["explain", expression];
        at.iter().for_each(|value| args.extend(["--at", value]));
        for more in [&[][..], &["--policy", "jax"], &["--tol", "1e-3"], &["--simplify"]] {
            holds_the_schema(&[&args[..], more].concat());
        }
    }
}

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// A piecewise linear expression that meets so many ties where x = y = 0.
    fn expression(&mut self, ties: u64) -> String {
        if ties == 0 {
            let (a, b) = (self.below(7) as i64 - 3, self.below(7) as i64 - 3);
            return format!("({a}*x + {b}*y)");
        }
        if ties > 1 && self.below(2) == 0 {
            let first = 1 + self.below(ties - 1);
            let sign = ["+", "-"][self.below(2) as usize];
            return format!("({} {sign} {})", self.expression(first), self.expression(ties - first));
        }
        let inner = self.below(ties);
        let (inner, outer) = (self.expression(inner), self.expression(ties - 1 - inner));
        match self.below(4) {
            0 if ties == 1 => format!("abs({inner})"),
            1 if ties == 1 => format!("relu({inner})"),
            2 => format!("minimum({inner}, {outer})"),
            _ => format!("maximum({inner}, {outer})"),
        }
    }
}

#[test]
fn programs_without_products_and_with_few_ties_are_known_exactly() {
    let mut random = Numbers(7);
    for k in 0..48 {
        let expression = random.expression(1 + k % 8);
        let report = holds_the_schema(&["explain", &expression, "--at", "x=0", "--at", "y=0", "--policy", "jax"]);
        assert!(report["ties"].as_array().unwrap().len() <= 8, "{expression}");
        let mut corners = vec![];
        for name in ["conservative", "clarke"] {
            assert_eq!(report[name]["known"], "exact", "{expression}");
            let vertices = report[name]["vertices"].as_array().unwrap_or_else(|| panic!("no vertices: {expression}"));
            assert!(!vertices.is_empty());
            assert!(report[name]["critical"].is_boolean(), "{expression}");
            corners.push(vertices.iter().map(numbers).collect::<Vec<_>>());
        }
        assert!(report["artifact"].is_boolean(), "{expression}");
        // The gradient and Clarke's set are in the hull of the conservative one: no direction separates them.
        let gradient = numbers(&report["backprop"]["gradient"]);
        let farthest = |all: &[Vec<f64>], d: [f64; 2]| {
            all.iter().map(|v| v[0] * d[0] + v[1] * d[1]).fold(f64::NEG_INFINITY, f64::max)
        };
        for step in 0..32 {
            let (b, a) = (f64::from(step) * std::f64::consts::TAU / 32.0).sin_cos();
            let reach = farthest(&corners[0], [a, b]) + 1e-9;
            assert!(farthest(&corners[1], [a, b]) <= reach, "{expression}");
            assert!(farthest(std::slice::from_ref(&gradient), [a, b]) <= reach, "{expression}");
        }
        let verdict = report["verdict"].as_str().unwrap();
        let critical = |name: &str| report[name]["critical"].as_bool().unwrap();
        let expected = match (critical("conservative"), critical("clarke")) {
            _ if report["ties"].as_array().unwrap().is_empty() => "smooth",
            (_, true) => "clarke critical",
            (true, false) => "spurious critical",
            (false, false) => "not critical",
        };
        assert_eq!(verdict, expected, "{expression}");
    }
}

#[test]
fn bounds_of_arrays_are_nested_and_vertices_named() {
    let report = json(&["explain", "norm1(A) + abs(b)", "--at", "A=[[0,1]]", "--at", "b=0"]);
    let bounds = &report["conservative"]["bounds"];
    assert_eq!(bounds, &serde_json::json!({"A": [[[-1.0, 1.0]], [[1.0, 1.0]]], "b": [-1.0, 1.0]}));
    assert_eq!(report["clarke"]["vertices"].as_array().unwrap().len(), 4);
    assert!(report["clarke"]["vertices"][0]["A"][0][1] == 1.0, "{report}");
}

#[test]
fn a_smooth_point_has_one_gradient() {
    let report = json(&["explain", "abs(x) + x**2", "--at", "x=-1", "--policy", "pytorch"]);
    for name in ["conservative", "clarke"] {
        assert_eq!(report[name]["vertices"], serde_json::json!([{"x": -3.0}]));
        assert_eq!(report[name]["known"], "exact");
    }
    assert_eq!((&report["artifact"], &report["verdict"]), (&Value::Bool(false), &Value::from("smooth")));
    let text = printed(&["explain", "abs(x) + x**2", "--at", "x=-1"]);
    assert!(text.lines().count() < 14 && !text.contains("critical"), "{text}");
}

#[test]
fn options_reach_the_sets() {
    let of = |more: &[&str]| json(&[&["explain", "relu(x) - relu(x)", "--at", "x=1e-5"], more].concat());
    assert_eq!(of(&[])["verdict"], "smooth");
    assert_eq!(of(&["--tol", "1e-4"])["conservative"]["vertices"].as_array().unwrap().len(), 2);
    let simplified = of(&["--tol", "1e-4", "--simplify"]);
    assert_eq!(simplified["conservative"]["vertices"].as_array().unwrap().len(), 1);
    let text = printed(&["explain", "abs(x)", "--at", "x=1e-5", "--tol", "1e-4"]);
    assert!(text.contains("conservative, enlarged") && text.contains("within 0.0001"), "{text}");
    let few = json(&["explain", "abs(x) * abs(y) + abs(x) * abs(z)", "--at", "x=0", "--at", "y=0", "--at", "z=0"]);
    assert_eq!(few["conservative"]["known"], "exact");
    let budget = json(&["explain", "abs(abs(x[0]) + abs(x[1]) - abs(x[2]))", "--at", "x=[0,0,0]", "--vertices", "2"]);
    assert!(budget["conservative"]["vertices"].is_null() && budget["conservative"]["known"] == "outer", "{budget}");
    assert!(refused(&["explain", "x", "--at", "x=0", "--vertices", "0"]).contains("at least one element"));
}

#[test]
fn the_text_says_what_the_sets_mean() {
    let text = |args: &[&str]| {
        let text = printed(&[&["explain"], args].concat());
        assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let zero = text(&["relu(-x) + x - relu(x)", "--at", "x=0", "--policy", "pytorch"]);
    assert!(
        zero.contains("is an artifact of the formula") && zero.contains("critical for the function itself"),
        "{zero}"
    );
    let one = text(&["x - (relu(-x) + x - relu(x))", "--at", "x=0"]);
    assert!(one.contains("only for the program as it is written"), "{one}");
    assert!(one.contains("along x = -1 it falls with slope -1 or steeper"), "{one}");
    let abs = text(&["abs(x) + 3*x", "--at", "x=0"]);
    assert!(abs.contains("no artifact of the formula") && abs.contains("slope -2 or steeper"), "{abs}");
    let outer = text(&["abs(abs(x[0]) + abs(x[1]) - abs(x[2]))", "--at", "x=[0,0,0]", "--vertices", "2"]);
    assert!(outer.contains("more than the budget allows"), "{outer}");
    let long = text(&["norm1(x)", "--at", "x=[0,0,0,0,0,0,0,0]"]);
    assert!(long.contains("… and 248 more"), "{long}");
}

#[test]
fn certificates_are_written_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proof.json");
    let file = path.to_str().unwrap();
    for (expression, at, verdict) in [
        ("abs(x)", "x=0", "clarke critical"),
        ("x - (relu(-x) + x - relu(x))", "x=0", "spurious critical"),
        ("relu(x) + x", "x=0", "not critical"),
        ("x * x", "x=1", "smooth"),
    ] {
        let report = json(&["explain", expression, "--at", at, "--certificate", file]);
        assert_eq!(report["verdict"], verdict);
        assert_eq!(printed(&["verify", file, expression]), format!("verified: {verdict}\n"));
        assert!(said(&["verify", file, "x + 1"], 1).contains("another program"));
    }
    let forged = std::fs::read_to_string(&path).unwrap().replace("Smooth", "NotCritical");
    std::fs::write(&path, forged).unwrap();
    assert!(said(&["verify", file, "x * x"], 1).starts_with("error: refuted"));
    std::fs::write(&path, "{}").unwrap();
    assert!(refused(&["verify", file, "x * x"]).contains("is no certificate"));
    assert!(refused(&["verify", "none.json", "x"]).contains("no such file"));
    assert!(refused(&["explain", "abs(x)", "--at", "x=0", "--certificate", "no/folder/p.json"]).contains("no folder"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file stayed behind");
}

#[test]
fn where_nothing_is_proved_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proof.json");
    let args = ["explain", "abs(x) + abs(stop_gradient(x))", "--at", "x=0", "--certificate", path.to_str().unwrap()];
    let done = clarke(&args).assert().code(1);
    assert!(String::from_utf8_lossy(&done.get_output().stdout).contains("not decided"));
    assert!(String::from_utf8_lossy(&done.get_output().stderr).contains("was not written"));
    assert!(!path.exists());
}

#[test]
fn errors_of_the_gradient_stay_errors() {
    assert!(refused(&["explain", "sqrt(abs(x))", "--at", "x=0"]).contains("not Lipschitz"));
}

#[test]
fn a_large_smooth_program_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    let text: String = (0..100_000).map(|k| format!("{}\n", 1.0 + f64::from(k % 7))).collect();
    std::fs::write(&path, text).unwrap();
    let report = json(&["explain", "sum(abs(x)) + norm2(x)", "--at", &format!("x=@{}", path.display())]);
    assert_eq!(report["verdict"], "smooth");
    assert_eq!(report["clarke"]["vertices"].as_array().unwrap().len(), 1);
}

/// The words of a command line, quoted ones whole.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    parts.flat_map(|(k, part)| if k % 2 == 0 { part.split_whitespace().collect() } else { vec![part] }).collect()
}

/// The commands of the README run in an empty folder, and print what it shows.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut shown = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for (command, output) in block.split("$ clarke ").skip(1).filter_map(|rest| rest.split_once('\n')) {
            let done = clarke(&words(command)).current_dir(dir.path()).assert().success().stderr("");
            let printed = String::from_utf8(done.get_output().stdout.clone()).unwrap();
            if !output.is_empty() {
                assert_eq!(printed, output, "README.md: {command}");
                shown += 1;
            }
        }
    }
    assert!(shown > 0, "README.md shows what `clarke explain` prints");
    for picture in ["zero.svg", "kinks.svg"] {
        assert!(readme.contains(&format!("(docs/{picture})")) && dir.path().join(picture).exists(), "{picture}");
    }
}
