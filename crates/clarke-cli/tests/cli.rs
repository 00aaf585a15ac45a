//! The command as a user runs it: what it prints, and its exit code.

use assert_cmd::Command;
use serde_json::Value;
use std::path::PathBuf;

fn clarke(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("clarke").expect("the binary is built with its tests");
    command.current_dir(root()).args(args);
    command
}

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

/// What a successful run prints.
fn printed(args: &[&str]) -> String {
    let done = clarke(args).assert().success().stderr("");
    String::from_utf8(done.get_output().stdout.clone()).expect("output is UTF-8")
}

/// What a run on bad input says: nothing on stdout, exit code 2, no trace of how the program is made.
fn refused(args: &[&str]) -> String {
    let said = failed(args);
    assert!(said.starts_with("error: "), "{said}");
    said
}

/// The same where warnings may come first.
fn failed(args: &[&str]) -> String {
    let done = clarke(args).assert().code(2).stdout("");
    let said = String::from_utf8(done.get_output().stderr.clone()).expect("output is UTF-8");
    for inside in ["panicked", "RUST_BACKTRACE", "Error {", "Fault", "Some(", "\x1b"] {
        assert!(!said.contains(inside), "{inside}: {said}");
    }
    said
}

/// What a successful run prints, as JSON; warnings are allowed.
fn json(args: &[&str]) -> Value {
    let done = clarke(args).args(["--format", "json"]).assert().success();
    serde_json::from_slice(&done.get_output().stdout).expect("--format json prints JSON")
}

mod general {
    use super::*;

    #[test]
    fn without_arguments_the_help_is_shown() {
        let done = clarke(&[]).assert().code(2);
        let said = String::from_utf8_lossy(&done.get_output().stderr).to_string();
        assert!(said.contains("Usage: clarke"), "{said}");
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        assert_eq!(printed(&["--version"]), format!("clarke {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn an_unknown_command_is_refused() {
        assert!(refused(&["explode"]).contains("unrecognized subcommand 'explode'"));
    }
}

mod ops {
    use super::*;

    #[test]
    fn every_operator_is_listed_with_its_formula() {
        let table = printed(&["ops"]);
        let names: Vec<&str> = table.split("\n\n").filter_map(|p| p.split_whitespace().next()).collect();
        let known: Vec<&str> = clarke::operators().map(|e| e.name).collect();
        assert_eq!(names, known);
        let relu = table.split("\n\n").find(|p| p.starts_with("relu ")).expect("relu is an operator");
        for part in ["max(x, 0)", "relu(x)", "piecewise linear", "[0, 1] at x = 0", "Bolte, Pauwels 2021"] {
            assert!(relu.contains(part), "{part}: {relu}");
        }
    }

    #[test]
    fn the_document_is_the_table() {
        let document = std::fs::read_to_string(root().join("docs/ops.md")).expect("docs/ops.md is in the repository");
        assert_eq!(printed(&["ops", "--markdown"]), document, "run `cargo xtask docs` to write docs/ops.md anew");
    }

    #[test]
    fn a_reader_may_go_away() {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("clarke"))
            .arg("ops")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("it ends");
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    }
}

mod explain {
    use super::*;

    #[test]
    fn the_json_is_the_documented_one() {
        assert_eq!(
            printed(&["explain", "relu(-x) + x - relu(x)", "--at", "x=0", "--policy", "pytorch", "--format", "json"]),
            concat!(
                r#"{"expression":"relu(-x) + x - relu(x)","point":{"x":0.0},"value":0.0,"#,
                r#""class":"piecewise linear","path_differentiable":true,"#,
                r#""ties":[{"op":"relu","source":"relu(-x)","index":null,"pieces":2},"#,
                r#"{"op":"relu","source":"relu(x)","index":null,"pieces":2}],"#,
                r#""backprop":{"policy":"pytorch","gradient":{"x":1.0}},"#,
                r#""conservative":{"known":"exact","bounds":{"x":[-1.0,1.0]},"vertices":[{"x":-1.0},{"x":1.0}],"#,
                r#""min_norm":{"norm":0.0,"element":{"x":0.0}},"critical":true},"#,
                r#""clarke":{"known":"exact","vertices":[{"x":0.0}],"#,
                r#""min_norm":{"norm":0.0,"element":{"x":0.0}},"critical":true},"#,
                r#""artifact":true,"verdict":"clarke critical"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn three_formulas_of_relu_have_three_gradients() {
        let slope = |expression: &str, policy: &str| {
            let report = json(&["explain", expression, "--at", "x=0", "--policy", policy]);
            report["backprop"]["gradient"]["x"].as_f64().expect("a gradient of a scalar is a number")
        };
        for policy in ["pytorch", "tensorflow"] {
            assert_eq!(slope("relu(x)", policy), 0.0);
            assert_eq!(slope("relu(-x) + x", policy), 1.0);
            assert_eq!(slope("(relu(x) + relu(-x) + x) / 2", policy), 0.5);
            assert_eq!(slope("relu(-x) + x - relu(x)", policy), 1.0);
            assert_eq!(slope("x - (relu(-x) + x - relu(x))", policy), 0.0);
        }
    }

    #[test]
    fn vectors_and_elements_have_indices() {
        let report = json(&["explain", "sum(abs(y)) * x", "--at", "x=-3", "--at", "y=[1,0,-2]"]);
        assert_eq!(report["backprop"]["policy"], "min-norm");
        assert_eq!(report["backprop"]["gradient"], serde_json::json!({"x": 3.0, "y": [-3.0, 0.0, 3.0]}));
        assert_eq!(report["ties"][0]["index"], serde_json::json!([1]));
        assert_eq!(report["class"], "piecewise polynomial");
    }

    #[test]
    fn an_expression_may_start_with_a_minus_sign() {
        assert_eq!(json(&["explain", "-abs(x)", "--at", "x=-2"])["value"], -2.0);
        assert!(printed(&["explain", "-abs(x)", "--at", "x=0"]).starts_with("f = -abs(x)\nat        x = 0\n"));
    }

    #[test]
    fn a_tolerance_meets_ties_nearby() {
        let count = |tol: &str| {
            let report = json(&["explain", "abs(x)", "--at", "x=1e-7", "--tol", tol]);
            report["ties"].as_array().map(Vec::len)
        };
        assert_eq!((count("0"), count("1e-6")), (Some(0), Some(1)));
    }

    #[test]
    fn a_point_may_come_from_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.csv"), "1,-2\n3,4\n").unwrap();
        let at = format!("A=@{}", dir.path().join("a.csv").display());
        assert_eq!(json(&["explain", "sum(abs(A))", "--at", &at])["value"], 10.0);
    }

    #[test]
    fn bad_input_is_explained() {
        let said = refused(&["explain", "abs(z) + 1", "--at", "x=0"]);
        assert!(said.contains("error: unknown name `z`\n |\n | abs(z) + 1\n |     ^\n"), "{said}");
        assert!(said.contains("--at z=… gives it a value"), "{said}");
        for (args, part) in [
            (&["explain", "relo(x)", "--at", "x=0"][..], "relu"),
            (&["explain", "abs(x", "--at", "x=0"], "`)` is missing"),
            (&["explain", "", "--at", "x=0"], "error: "),
            (&["explain", "x + y", "--at", "x=[1,2]", "--at", "y=[1,2,3]"], "[2] and [3]"),
            (&["explain", "2 * x", "--at", "x=[1,2]"], "one scalar output"),
            (&["explain", "abs(x)", "--at", "x=nan"], "`nan` is not a finite number"),
            (&["explain", "abs(x)", "--at", "x=@none.npy"], "no such file: none.npy"),
            (&["explain", "abs(x)", "--at", "x=0", "--policy", "jaxx"], "policy"),
            (&["explain", "abs(x)", "--at", "x=0", "--tol=-1"], "a tolerance is a finite number"),
            (&["explain", "sqrt(x)", "--at", "x=0"], "sqrt is not Lipschitz here"),
            (&["explain", "log(x)", "--at", "x=0"], "log"),
        ] {
            let said = refused(args);
            assert!(said.contains(part), "{args:?}: {said}");
        }
    }

    #[test]
    fn advice_is_given_where_there_is_some_and_none_that_misleads() {
        for (args, part, misleading) in [
            (&["reul(x)", "x=1"][..], "help: did you mean `relu` or `relu6`?", "known are"),
            (&["zzzz(x)", "x=1"], "help: `clarke ops` lists the functions there are", "did you mean"),
            (&["abs(y)", "x=1"], "help: the only known one is `x`", "did you mean"),
            (&["abs(x)", "x=[1,2]"], "help: make one number of it, as sum, mean, norm2 or max do", "returns [2]"),
            (&["where(x > 0, 1, 0)", "x=0"], "help: move the point off the boundary", "1.0"),
            (&["sqrt(x)", "x=0"], "its slope is inf at 0, so", "0.0"),
            (&["1/x", "x=0"], "divide gives inf for (1, 0)", "0.0"),
            (&["exp(x)", "x=1000"], "the result is too large for a 64-bit number", "steps"),
            (&["1e999*x", "x=1"], "this number is too large: the largest is about 1.8e308", "its arguments"),
            (&["inf*x", "x=1"], "a constant in it is not a finite number", "its arguments"),
            (&["|x|", "x=1"], "an absolute value is written abs(x)", "this is no"),
            (&["np.abs(x)", "x=1"], "functions have no prefix: abs(x), not np.abs(x)", "x.sum()"),
            (&["x[0]", "x=1"], "a scalar has no axis to index", "0 axes"),
            (&["abs()", "x=1"], "takes 1 positional argument, but was given 0", "1 positional arguments"),
            (&["huber(x, y) + y", "x=1", "--at", "y=2"], "must be a number, not a scalar variable", "[]"),
            (&["step(x, 0.5)", "x=0"], "unknown function `step`", "Tie"),
            (&["", "x=1"], "there is no expression in this text", "^"),
            (&["sum(broadcast_to(x, (1000000, 1000000)))", "x=1"], "which is too large", "memory allocation"),
            (&["abs(x)", "x=1", "--tol", "-1"], "--tol -1: a tolerance is a finite number", "tip:"),
            (&["abs(x)", "x=1", "--tol", "a"], "it is not a number", "float literal"),
            (&["abs(x)", "x=1", "--policy", "along(1)"], "each direction is a list of numbers in brackets", "help"),
            (&["abs(x)", "x=1", "--policy", "along([1,2])"], "a direction holds 1 number, ", "help"),
            (&["abs(x)", "x=1", "--policy", "along()"], "it holds no direction", "1 numbers"),
        ] {
            let said = refused(&[&["explain", args[0], "--at"], &args[1..]].concat());
            assert!(said.contains(part) && !said.contains(misleading), "{args:?}: {said}");
        }
    }

    #[test]
    fn ties_nearby_are_not_said_to_have_been_decided() {
        let near = printed(&["explain", "abs(x)", "--at", "x=1e-3", "--tol", "0.01"]);
        assert!(near.contains("1 tie within 0.01:") && near.contains("distance"), "{near}");
        assert!(near.contains("No tie is met exactly") && !near.contains("chose"), "{near}");
        let both = printed(&["explain", "abs(x) + relu(y)", "--at", "x=1e-3", "--at", "y=0", "--tol", "0.01"]);
        assert!(both.contains("2 ties within 0.01:"), "{both}");
        assert!(both.replace('\n', " ").contains("chose one element at each tie met exactly"), "{both}");
    }

    #[test]
    fn no_line_of_the_text_is_too_long_to_read() {
        let row = ["-1.2345678901234567e-101"; 12].join(", ");
        let x = format!("x=[{row}]");
        let matrix = format!("M=[[{row}],[{row}]]");
        let long = ["sum(x*x) + sum(M*M)"; 20].join(" + ");
        let shown = printed(&["explain", &long, "--at", &x, "--at", &matrix, "--policy", "random(7)"]);
        assert!(shown.lines().all(|l| l.chars().count() <= 100), "{shown}");
        assert_eq!(shown.matches("-1.23456789012e-101").count(), 36, "{shown}");
    }

    #[test]
    fn the_class_is_that_of_the_expression() {
        for (expression, x, class) in [
            ("abs(x) - relu(-x)", "0", "piecewise linear"),
            ("where(x > 0, x, 0)", "0", "piecewise linear"),
            ("max(x) - median(x) + sum(sort(x))", "[1,2,2]", "piecewise linear"),
            ("norm1(clip(x, -1, 1)) + norminf(x)", "[0,1]", "piecewise linear"),
            ("x*x", "0", "piecewise polynomial"),
            ("huber(x) + abs(x)**3", "0", "piecewise polynomial"),
            ("x @ x", "[1,2]", "piecewise polynomial"),
            ("norm2(x)", "[1,2]", "semialgebraic"),
            ("1/x + sqrt(x)", "1", "semialgebraic"),
            ("exp(x) + log(1 + x*x)", "1", "definable"),
            ("sin(tanh(x))", "1", "definable"),
            ("cos(clip(x, 0, 1))", "1", "definable"),
            ("sin(x)", "1", "unknown"),
            ("abs(sin(x)) + x", "1", "unknown"),
        ] {
            let report = json(&["explain", expression, "--at", &format!("x={x}")]);
            assert_eq!(report["class"], class, "{expression}");
            assert_eq!(report["path_differentiable"], true, "{expression}");
        }
    }

    #[test]
    fn path_differentiability_is_claimed_where_it_is_known() {
        let known = |expression: &str, x: &str| {
            json(&["explain", expression, "--at", &format!("x={x}")])["path_differentiable"].clone()
        };
        // A maximum and an absolute value in disguise agree on the boundary by structure.
        assert_eq!(known("where(x > 0, x, 0)", "0"), true);
        assert_eq!(known("where(x[0] > x[1], x[0], x[1])", "[1,1]"), true);
        assert_eq!(known("where(x >= 0, x, -x)", "0"), true);
        assert_eq!(known("where(exp(x[0]) >= x[1], exp(x[0]), x[1])", "[0,1]"), true);
        assert_eq!(known("where(x > x, x, x*x)", "1"), Value::Null);
        // These agree at the point alone, or were not proved to agree elsewhere.
        assert_eq!(known("where(x[0] > 0, x[1], 0)", "[0,0]"), Value::Null);
        assert_eq!(known("where(x[0] > 0, x[1]*x[1], x[1])", "[0,1]"), Value::Null);
        // Off the boundary the program is one branch.
        assert_eq!(known("where(x[0] > 0, x[1], 0)", "[1,0]"), true);
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let deep = format!("{}x{}", "abs(".repeat(20_000), ")".repeat(20_000));
        assert!(refused(&["explain", &deep, "--at", "x=0"]).contains("nested more than"));
    }
}

mod minimize {
    use super::*;

    const LAD: &str = "mean(abs(X @ w + b - y)) + 0.01*norm1(w)";
    const DIABETES: [&str; 7] =
        ["--csv", "data/diabetes.csv", "--y", "progression", "--standardize", "--over", "w[10]"];
    /// From scripts/lad_optimum.py, which solves the same problem as a linear program.
    const OPTIMUM: f64 = 44.233825443498;

    fn lad(more: &[&str]) -> Vec<String> {
        let args = ["minimize", LAD].iter().chain(&DIABETES).chain(&["--over", "b"]).chain(more);
        args.map(|s| s.to_string()).collect()
    }

    fn run(args: &[String]) -> Value {
        json(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn the_readme_command_reaches_the_optimum() {
        let report = run(&lad(&[]));
        let best = report["best_value"].as_f64().expect("a value is a number");
        assert!((best - OPTIMUM).abs() <= 1e-9 * OPTIMUM, "{best} is not within 1e-9 of {OPTIMUM}");
        assert_eq!(report["conclusion"]["verdict"], "clarke critical");
        assert_eq!(report["conclusion"]["active"].as_array().map(Vec::len), Some(11));
        assert_eq!(report["solution"]["w"].as_array().map(Vec::len), Some(10));
        assert!(report["seconds"].as_f64().is_some_and(|s| s < 60.0), "{}", report["seconds"]);
        let trace = report["trace"].as_array().expect("a trace is a list");
        assert!((2..=1000).contains(&trace.len()), "{}", trace.len());
        let names: Vec<&String> = report.as_object().expect("a report is an object").keys().collect();
        let fields =
            "best_value conclusion evaluations guarantee measures method seconds solution status steps trace value";
        let fields: Vec<&str> = fields.split(' ').collect();
        assert_eq!(names, fields);
    }

    #[test]
    fn the_certificate_of_a_run_is_checked_by_verify() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.json").display().to_string();
        let report = run(&lad(&["--certificate", &file]));
        assert_eq!(printed(&["verify", &file, LAD]), "verified: clarke critical\n");
        // The point of the certificate is the solution.
        let saved: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let point = saved["point"].as_array().expect("a list");
        let w = point.iter().find(|entry| entry[0] == "w").expect("w is in the point");
        assert_eq!(w[2], report["solution"]["w"]);
        // Moved by as little as 10⁻⁶ it is no certificate any more.
        let mut moved = saved.clone();
        let at = point.iter().position(|entry| entry[0] == "w").expect("w is in the point");
        moved["point"][at][2][1] = (w[2][1].as_f64().expect("a number") + 1e-6).into();
        std::fs::write(&file, moved.to_string()).unwrap();
        let done = clarke(&["verify", &file, LAD]).assert().code(1);
        assert!(String::from_utf8_lossy(&done.get_output().stderr).contains("refuted"));
    }

    #[test]
    fn a_norm_that_is_not_known_has_no_line() {
        // With so many ties the verdict is that of a proof alone, for which no combination is looked for.
        let args = ["minimize", "sum(abs(x))", "--over", "x[25]", "--convex"];
        let said = printed(&args);
        assert!(said.contains("verdict     clarke critical\nproved      within"), "{said}");
        assert!(!said.contains("NaN") && !said.contains("‖Σ w v‖"), "{said}");
        assert_eq!(json(&args)["conclusion"]["norm"], Value::Null);
    }

    #[test]
    fn what_is_done_with_the_best_point_can_be_chosen() {
        let text = ["minimize", "abs(x - 1) + abs(x)/2", "--over", "x", "--steps", "700"];
        let run = |more: &[&str]| json(&[&text[..], &["--step", "1/(k+3)"], more].concat());
        let (full, plain) = (run(&[]), run(&["--no-polish", "--no-certify"]));
        assert_eq!(full["conclusion"]["verdict"], "clarke critical");
        assert_eq!((&full["conclusion"]["precision"], &full["best_value"]), (&"exact".into(), &0.5.into()));
        assert_eq!(full["method"], "subgradient", "a step is given");
        assert!(plain["best_value"].as_f64() > Some(0.5), "{plain}");
        assert_eq!(plain["conclusion"]["unjudged"], "it was not asked for");
        // What a regularizer of the method's own adds is no part of the expression.
        let own = json(&["minimize", "abs(x - 1)", "--over", "x", "--step", "1/(k+3)", "--option", "prox=l1(0.1)"]);
        assert!(own["conclusion"]["unjudged"].as_str().is_some_and(|why| why.contains("regularizer")), "{own}");
        assert!(refused(&["minimize", "abs(x)", "--over", "x", "--tie-tol", "-1"]).contains("--tie-tol"));
    }

    #[test]
    fn the_readme_gives_this_command() {
        let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
        let command = format!("minimize '{LAD}' {} --over b", DIABETES.join(" ").replace("w[10]", "'w[10]'"));
        assert!(readme.contains(&command), "{command}");
    }

    #[test]
    fn the_same_command_gives_the_same_numbers() {
        let args = lad(&["--steps", "200", "--policy", "random", "--seed", "3"]);
        let (first, second) = (run(&args), run(&args));
        assert_eq!(first["solution"], second["solution"]);
        assert_eq!(first["trace"], second["trace"]);
    }

    /// A design of six rows and three columns, most of it zero; the last row is empty.
    #[test]
    fn a_sparse_design_gives_what_the_same_array_gives() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("design.mtx");
        let entries = "1 1 2\n1 3 -1\n2 2 1\n3 1 1\n4 3 2.5\n5 2 0.5\n5 2 0.5\n";
        std::fs::write(&file, format!("%%MatrixMarket matrix coordinate real general\n6 3 7\n{entries}")).unwrap();
        let (sparse, dense) =
            (format!("A=@{}", file.display()), "A=[[2,0,-1],[0,1,0],[1,0,0],[0,0,2.5],[0,1,0],[0,0,0]]");
        let with = |matrix: &str, more: &[&str]| {
            let text = "mean(abs(A @ w - y)) + 0.01*norm1(w) + 0.001*sum((transpose(A) @ y)**2)";
            let args =
                ["minimize", text, "--let", matrix, "--let", "y=[1,2,3,4,5,6]", "--over", "w[3]", "--steps", "500"];
            json(&[&args[..], more].concat())
        };
        let (one, other) = (with(&sparse, &[]), with(dense, &[]));
        let best = |report: &Value| report["best_value"].as_f64().expect("a value is a number");
        assert!((best(&one) - best(&other)).abs() <= 1e-9 * best(&other), "{one} {other}");
        assert!(best(&one) < one["trace"][0][1].as_f64().expect("a value is a number"), "nothing was minimized");
        let policy = with(&sparse, &["--policy", "jax"]);
        assert!(best(&policy).is_finite());

        let args = |text: &'static str| vec!["explain", text, "--at", &sparse, "--at", "w=[0,0,1]"];
        let report = json(&args("norm1(A @ w)"));
        assert_eq!(report["value"], 3.5);
        assert_eq!(report["backprop"]["gradient"]["w"], serde_json::json!([-2.0, 0.0, 3.5]));
        let said = refused(&args("sum(A * A) + sum(w)"));
        assert!(said.contains("multiply cannot take `A`, a sparse matrix"), "{said}");
        assert!(said.contains("sum(A * A) + sum(w)") && said.contains("^^^^^"), "{said}");
        let from = format!("w=@{}", file.display());
        let said = refused(&["minimize", "norm1(w)", "--over", "w[3]", "--from", &from]);
        assert!(said.contains("--from gives `w` a sparse matrix"), "{said}");
        let said = refused(&["minimize", "A @ A", "--let", &sparse, "--over", "A[3]"]);
        assert!(said.contains("`A` is given a value and named in --over"), "{said}");
    }

    #[test]
    fn the_solution_is_saved_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.json");
        let report = run(&lad(&["--steps", "50", "--out", &file.display().to_string()]));
        let saved: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(saved, report["solution"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_method_is_offered_by_name() {
        for entry in clarke::optim::METHODS {
            let args = ["minimize", "abs(x - 1) + x**2", "--over", "x", "--from", "x=3", "--steps", "5", "--method"];
            let report = json(&[&args[..], &[entry.name]].concat());
            assert_eq!(report["method"], entry.name);
            assert!(report["best_value"].as_f64().expect("a value is a number") <= 11.0, "{report}");
            assert!(printed(&["methods", entry.name]).starts_with(&format!("{}: ", entry.name)));
        }
    }

    #[test]
    fn a_loss_of_one_sample_is_minimized_over_all() {
        let all =
            ["--over", "w[10]", "--over", "b", "--csv", "data/diabetes.csv", "--y", "progression", "--standardize"];
        let whole = json(&[&["minimize", "mean(abs(X @ w + b - y))"], &all[..]].concat());
        let each = ["--each", "X", "--each", "y", "--method", "stochastic", "--step", "40/(k+10)^0.75"];
        let more = ["--option", "batch=32", "--option", "average=suffix", "--seed", "5", "--convex"];
        let sampled = json(&[&["minimize", "abs(X @ w + b - y)"], &all[..], &each[..], &more[..]].concat());
        let best = |report: &Value| report["best_value"].as_f64().expect("a value is a number");
        assert!(best(&sampled) < 1.01 * best(&whole), "{} {}", best(&sampled), best(&whole));
        // 442 terms at the start, 32 a step, 442 after each pass of 14 steps and at the end.
        assert_eq!(sampled["evaluations"]["terms"], 442 + 20_000 * 32 + (20_000 / 14 + 1) * 442);
        let said = refused(&["minimize", "abs(x - c)", "--over", "x", "--let", "c=1", "--each", "c"]);
        assert!(said.contains("which is one number"), "{said}");
        let said = refused(&["minimize", "abs(x)", "--over", "x", "--each", "x"]);
        assert!(said.contains("--each names `x`, which has no array for a value"), "{said}");
    }

    #[test]
    fn a_rule_that_breaks_its_conditions_is_warned_about() {
        let warned = |rule: &str| {
            let args = ["minimize", "abs(x - 1)", "--over", "x", "--steps", "10", "--step", rule];
            let done = clarke(&args).assert().success();
            String::from_utf8_lossy(&done.get_output().stderr).to_string()
        };
        assert_eq!(warned("0.5/(k+1)^1"), "");
        assert!(warned("0.5/(k+1)^2").starts_with("warning: "), "{}", warned("0.5/(k+1)^2"));
        assert!(warned("0.5/(k+1)^0").starts_with("warning: "), "{}", warned("0.5/(k+1)^0"));
    }

    #[test]
    fn there_is_no_progress_bar_in_a_pipe() {
        let args = lad(&["--steps", "100"]);
        assert!(printed(&args.iter().map(String::as_str).collect::<Vec<_>>()).starts_with("minimize mean(abs"));
    }

    #[test]
    #[cfg(unix)]
    fn a_stopped_run_still_prints_and_saves_its_best_point() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.json");
        let args = lad(&["--steps", "1000000000", "--format", "json", "--out", &file.display().to_string()]);
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("clarke"))
            .current_dir(root())
            .args(&args)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the binary starts");
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        if !sent.is_ok_and(|s| s.success()) {
            child.kill().expect("the run can be ended");
            panic!("the run ended before it was interrupted, or cannot be");
        }
        let done = child.wait_with_output().expect("it ends");
        let report: Value = serde_json::from_slice(&done.stdout).expect("a stopped run prints its report");
        let saved: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(saved, report["solution"]);
        assert!(report["steps"].as_u64().is_some_and(|n| n < 1_000_000_000));
    }

    #[test]
    fn bad_input_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let flat = file("flat.csv", "a,b,y\n1,2,3\n4,2,6\n");
        let hole = file("hole.csv", "a,b,y\n1,2,3\n4,,6\n");
        let text = file("text.csv", "a,b,y\n1,2,3\n4,male,6\n");
        let nan = file("nan.csv", "a,b,y\n1,2,3\n4,5,nan\n");
        let short = file("short.csv", "a,b,y\n1,2,3\n4,5\n");
        let fit = |csv: &str, y: &str, more: &[&str]| {
            let args = ["minimize", "norm1(X @ w - y)", "--over", "w[2]", "--csv", csv, "--y", y];
            refused(&[&args, more].concat())
        };
        for (said, part) in [
            (fit(&flat, "y", &["--standardize"]), "column `b` of"),
            (fit(&flat, "z", &[]), "has no column `z`"),
            (fit(&hole, "y", &[]), "row 2 (line 3), column `b`: the cell is empty"),
            (fit(&text, "y", &[]), "row 2 (line 3), column `b`: `male` is not a number"),
            (fit(&nan, "y", &[]), "row 2 (line 3), column `y`: `nan` is not a finite number"),
            (fit(&short, "y", &[]), "row 2 (line 3): no cell for column `y`"),
            (fit("none.csv", "y", &[]), "no such file: none.csv"),
            (fit(&flat, "y", &["--from", "w=[1,2,3]"]), "--over declares `w` as an array of shape [2]"),
            (fit(&flat, "y", &["--out", "w.txt"]), "solutions are saved as *.npy or *.json"),
            (fit(&flat, "y", &["--step", "fast"]), "fast"),
            (
                refused(&["minimize", "norm1(X @ w - y)", "--over", "w[3]", "--csv", &flat, "--y", "y"]),
                "[2, 2] and [3]",
            ),
            (refused(&["minimize", "abs(x) + lam", "--over", "x"]), "unknown name `lam`"),
            (refused(&["minimize", "x", "--over", "x["]), "the bracket is not closed"),
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn an_iteration_that_overflows_ends_with_what_was_met() {
        let said = failed(&["minimize", "-x*x", "--over", "x", "--from", "x=1", "--steps", "1000", "--step", "1"]);
        assert!(said.contains("the least value met was"), "{said}");
        assert!(said.contains("the values fall without bound: the expression may have no minimum"), "{said}");
        let jump = ["minimize", "exp(x)*exp(x**2)", "--over", "x", "--from", "x=5", "--step", "10"];
        let said = failed(&jump);
        for part in ["it stopped after 0 steps", "exp gives inf", "help: smaller steps may help"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn the_text_says_how_it_ended_and_what_is_promised() {
        let shown = printed(&["minimize", "norm1(w)", "--over", "w[3]", "--method", "subgradient"]);
        assert!(shown.contains("status      stationary: 0 is in the conservative gradient here"), "{shown}");
        assert!(shown.contains("Guarantee: if the iterates stay bounded"), "{shown}");
        let text = ["minimize", "sin(x) + b", "--over", "x", "--over", "b", "--over", "c", "--steps", "5"];
        let done = clarke(&[&text[..], &["--method", "subgradient"]].concat()).assert().success();
        let output = done.get_output();
        let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(shown.contains("Guarantee: none (the function is not known to be definable)."), "{shown}");
        assert!(said.contains("warning: `c` is named in --over, but the expression does not use it"), "{said}");
    }

    #[test]
    fn advice_fits_the_options() {
        for (args, part, misleading) in [
            (&["--steps", "-1"][..], "it is not a whole number from 1 on", "tip:"),
            (&["--steps", "0"], "it is not a whole number from 1 on", "18446744073709551615"),
            (&["--seed", "-1"], "it is not a whole number from 0 on", "tip:"),
            (&["--step", "-1/(k+1)"], "a and b must be positive", "tip:"),
            (&["--step", "fast"], "it is auto, a number, a/(k+b)^p with numbers", "help"),
            (&["--over", "v[400000000]"], "that is too large", "memory allocation"),
            (&["--over", ""], "there is no name", "``"),
            (&["--from", "v=1"], "which --over does not name", "did you mean"),
            (&["--out", "/no/such/x.json"], "there is no folder /no/such", "os error"),
        ] {
            let said = refused(&[&["minimize", "abs(x)", "--over", "x"], args].concat());
            assert!(said.contains(part) && !said.contains(misleading), "{args:?}: {said}");
        }
    }
}
