//! The presets against the record of what frameworks return at ties: `data/kink_conventions.json`, whose `_about` says
//! how it was obtained.

mod common;

use clarke::{Convention, Error, Evaluator, Fault, Policy, Program, Tensor};
use common::numbers;
use serde_json::Value;

const FRAMEWORKS: [(&str, &str, Convention); 3] = [
    ("pytorch", "PyTorch", Convention::PyTorch),
    ("jax", "JAX", Convention::Jax),
    ("tensorflow", "TensorFlow", Convention::TensorFlow),
];

/// What the record has and no expression here says, with the reason.
const NOT_EXPRESSED: &[(&str, &[&str], &str)] = &[
    (
        "x_log_x",
        &["jax", "pytorch"],
        "no operator: x * log(x) has no value at 0, where xlogy has; its slope is infinite",
    ),
    ("sinc", &["jax", "pytorch"], "no operator: sin(x) / x has no value at 0"),
    ("fmax_tie", &["jax", "pytorch"], "no operator: fmax drops NaN, maximum keeps it"),
    ("fmin_tie", &["jax", "pytorch"], "no operator: fmin drops NaN, minimum keeps it"),
    ("norm3_0", &["jax", "pytorch"], "no operator: written with powers it has a root of infinite slope at 0"),
    (
        "eigh_vectors_repeated",
        &["jax", "pytorch"],
        "eigenvectors are no function of a matrix with repeated eigenvalues",
    ),
    ("cosine_similarity_0", &["jax", "pytorch"], "no operator: it divides by a norm that the frameworks clamp"),
];

fn cases() -> Vec<Value> {
    let record: Value = serde_json::from_str(include_str!("data/kink_conventions.json")).expect("the record is JSON");
    record["cases"].as_array().expect("the record has cases").clone()
}

/// A number, or nan and inf, which JSON has no numbers for.
fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

/// A number or nested list.
fn tensor(value: &Value) -> Tensor {
    let Some(items) = value.as_array() else { return number(value).into() };
    let items: Vec<Tensor> = items.iter().map(tensor).collect();
    common::stack(&items.iter().collect::<Vec<_>>())
}

/// The formulas of a case, each with the framework that has it so and what it returns.
fn formulas(case: &Value) -> Vec<(&str, &'static str, Convention, Tensor)> {
    let mut all = vec![];
    for expression in case["expressions"].as_array().expect("expressions") {
        let text = expression["text"].as_str().expect("a text");
        for name in expression["as_in"].as_array().expect("frameworks") {
            let (key, spoken, convention) =
                FRAMEWORKS.into_iter().find(|(k, ..)| name == k).unwrap_or_else(|| panic!("{name} is no framework"));
            assert!(!case[key].is_null(), "`{text}`: nothing is recorded of {spoken}");
            all.push((text, spoken, convention, tensor(&case[key])));
        }
    }
    all
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    // The record has twelve digits.
    a.shape() == b.shape() && std::iter::zip(a.data(), b.data()).all(|(a, b)| (a - b).abs() <= 1e-12)
}

/// The gradient by the analysis at the point; the compiled one must be the same.
fn gradient(program: &Program, x: &Tensor, policy: &Policy) -> Result<Tensor, Error> {
    let slow = program.at(std::slice::from_ref(x)).and_then(|at| at.gradient(policy));
    let mut flat = vec![0.0; x.data().len()];
    let mut evaluator = Evaluator::new(program, &[], policy.clone())?;
    let fast = evaluator.value_and_gradient(x.data(), &mut flat);
    assert_eq!(fast.is_ok(), slow.is_ok(), "{policy}: compiled {fast:?}, at the point {slow:?}");
    let slow = slow?.remove(0);
    assert_eq!(numbers(std::slice::from_ref(&slow)), flat, "{policy}: the compiled gradient is another");
    Ok(slow)
}

#[test]
fn presets_return_what_frameworks_return() {
    let mut compared = 0;
    for case in cases().iter().filter(|c| c["error"].is_null()) {
        let x = tensor(&case["point"]);
        for (text, spoken, convention, recorded) in formulas(case) {
            let at = format!("{}: `{text}` as in {spoken}", case["name"]);
            let program = clarke::parse(text, &[("x", x.shape())]).unwrap_or_else(|e| panic!("{at}: {e}"));
            let policy = Policy::Convention(convention);
            let gradient = gradient(&program, &x, &policy).unwrap_or_else(|e| panic!("{at}: {e}"));
            let ties = program.at(std::slice::from_ref(&x)).unwrap().ties(0.0).unwrap();
            let notes: Vec<&str> = ties.iter().filter_map(|t| t.site.choice(convention).note).collect();
            if recorded.first_not_finite().is_none() {
                assert!(close(&gradient, &recorded), "{at}: {gradient:?} is not {recorded:?}");
                assert!(notes.is_empty(), "{at}: {notes:?}, but the preset returns what {spoken} does");
            } else {
                let least = self::gradient(&program, &x, &Policy::min_norm()).unwrap();
                assert_eq!(gradient, least, "{at}");
                assert!(
                    notes.iter().any(|n| n.contains(spoken) && n.contains("NaN")),
                    "{at}: no tie says what {spoken} returns: {notes:?}"
                );
            }
            compared += 1;
        }
    }
    assert!(compared > 120, "only {compared} formulas were compared");
}

/// Whatever number a framework returns there.
#[test]
fn where_there_is_no_derivative_every_preset_says_so() {
    let mut met = 0;
    for case in cases().iter().filter(|c| !c["error"].is_null()) {
        let x = tensor(&case["point"]);
        for (text, spoken, convention, _) in formulas(case) {
            let program = clarke::parse(text, &[("x", x.shape())]).unwrap();
            let error = gradient(&program, &x, &Policy::Convention(convention)).unwrap_err();
            let expected = match (case["error"].as_str(), &*error.fault) {
                (Some("not Lipschitz"), Fault::NotLipschitz { slope, .. }) => !slope.is_finite(),
                (Some("equality"), Fault::NoDerivative { why, .. }) => why.contains("equality"),
                (Some("point"), Fault::InputNotFinite { input, .. }) => input == "x",
                _ => false,
            };
            assert!(expected, "{}: `{text}` as in {spoken}: {error}", case["name"]);
            met += 1;
        }
    }
    assert!(met > 10, "only {met} formulas were met");
}

#[test]
fn nothing_recorded_is_left_out_without_a_reason() {
    let mut left_out = vec![];
    for case in cases() {
        let said: Vec<&str> = formulas(&case).into_iter().map(|(_, spoken, ..)| spoken).collect();
        let missing: Vec<&str> = ["jax", "pytorch", "tensorflow"]
            .into_iter()
            .filter(|key| {
                let spoken = FRAMEWORKS.iter().find(|(k, ..)| k == key).map_or("", |(_, spoken, _)| spoken);
                !case[key].is_null() && !said.contains(&spoken)
            })
            .collect();
        if !missing.is_empty() {
            left_out.push((case["name"].as_str().unwrap_or_default().to_string(), missing));
        }
    }
    let listed: Vec<(String, Vec<&str>)> =
        NOT_EXPRESSED.iter().map(|(name, of, _)| (name.to_string(), of.to_vec())).collect();
    assert_eq!(left_out, listed);
}

/// A preset says on which release it was verified.
#[test]
fn presets_are_versioned() {
    for (_, spoken, convention) in FRAMEWORKS {
        assert!(convention.verified_on().is_some_and(|release| release.starts_with(spoken)), "{spoken}");
    }
    assert_eq!(Convention::MinNorm.verified_on(), None);
}

/// The three formulas of relu.
#[test]
fn three_formulas_of_relu_have_three_derivatives_at_0() {
    let x = Tensor::scalar(0.0);
    for convention in [Convention::TensorFlow, Convention::PyTorch] {
        for (text, slope) in [("relu(x)", 0.0), ("relu(-x) + x", 1.0), ("(relu(x) + (relu(-x) + x)) / 2", 0.5)] {
            let program = clarke::parse(text, &[("x", &[])]).unwrap();
            let policy = Policy::Convention(convention);
            assert_eq!(gradient(&program, &x, &policy).unwrap().item(), slope, "`{text}` under {policy}");
        }
    }
}
