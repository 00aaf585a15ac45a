//! Checks of gradients: right rules pass, wrong ones are refuted, presets pass on many programs.

mod common;
#[path = "common/rules.rs"]
mod rules;
#[path = "common/sketch.rs"]
mod sketch;

use clarke::check::{Conservative, Course, Member};
use clarke::op::pointwise::{Elementwise, Pointwise};
use clarke::program::class::Class;
use clarke::program::op::Sample;
use clarke::program::real::Real;
use clarke::{CheckOptions, Fault, Policy, PolicyRule, Program, Tensor, Var, check_conservative, parse};
use common::Draw;
use rules::{check, inside, of_scalars, of_vector, passed, refuted};
use sketch::{Form, Sketch};

fn quick(seed: u64) -> CheckOptions {
    CheckOptions { seed, curves: 12, ..CheckOptions::default() }
}

fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// Programs over x: [3] and a: [], with all kinds of ties.
const PROGRAMS: &[&str] = &[
    "relu(-a) + a - relu(a)",
    "max(x)",
    "max(abs(x)) - a * min(x)",
    "norm1(x) + norm2(x - a)",
    "sum(relu(x - a)) ** 2",
    "maximum(a, x[0]) * minimum(a, x[1])",
    "sum(sort(x) * [1, 2, -3])",
    "median(x) + a * a",
    "sum(clip(x, -1, 1) * x)",
    "sum(where(x > a, x - a, 2 * (a - x)))",
    "norminf(x) - norm1(x)",
    "sum(leaky_relu(sin(x) - a))",
    "sum(max(x * x, a, x[0] * a))",
    "sum(hard_tanh(x * a)) + relu(relu(a) - 1)",
    "abs(a * a + x[0] * x[0] - 1)",
    "max(x @ [[1, 2, 0], [0, 1, -1], [2, 0, 1]] - a)",
    "sum(relu6(3 * x)) - norm2(relu(x))",
    "logsumexp(x) + abs(abs(a) - 1)",
    "sum(abs(cumsum(x)))",
    "relu(max(x) - relu(a)) - relu(min(x))",
];

fn policies() -> Vec<Policy> {
    let directions = vec![vec![[1.0, -0.5, 0.25].into(), 0.75.into()]];
    vec![
        Policy::pytorch(),
        Policy::jax(),
        Policy::tensorflow(),
        Policy::min_norm(),
        Policy::Random(3),
        Policy::Step(0.7),
        Policy::Along(directions),
    ]
}

#[test]
fn what_backpropagation_returns_is_conservative_and_in_its_set() {
    let mut inside = 0;
    let mut exact = 0;
    for (k, text) in PROGRAMS.iter().enumerate() {
        let f = parse(text, &[("x", &[3]), ("a", &[])]).unwrap();
        let point = vec![vec![[1.0, -1.0, 1.0].into(), 1.0.into()], vec![[0.0, 0.0, 0.5].into(), 0.0.into()]];
        for (j, policy) in policies().into_iter().enumerate() {
            // Each policy on some programs; directions decide slowly.
            let slow = matches!(policy, Policy::Along(_));
            if (k + j) % 3 != 0 || slow && k % 5 != 0 {
                continue;
            }
            let rule = PolicyRule::new(&f, policy.clone()).unwrap();
            let report = check_conservative(&f, &rule, &point, &quick(k as u64)).unwrap();
            assert!(report.passes(), "{text} under {policy}:\n{report}");
            assert!(report.refused.is_none(), "{text} under {policy}:\n{report}");
            for (at, x) in std::iter::zip(&report.points, &point) {
                // Of a `where` whose values were not proved to agree the set is known by examples.
                let known = f.at(x).unwrap().path_differentiable().unwrap() == Some(true);
                let expected = if known {
                    at.in_conservative == Member::Yes
                } else {
                    !matches!(at.in_conservative, Member::No(_))
                };
                assert!(expected, "{text} under {policy}:\n{report}");
            }
            let Conservative::Passed(on) = &report.conservative else { unreachable!() };
            inside += on.inside;
            exact += on.exact;
        }
    }
    assert!(inside > 200 && exact > 200, "{inside} curves inside ties, {exact} without rounding");
}

#[test]
fn a_selection_outside_of_the_clarke_set_is_told_from_one_inside() {
    let f = parse("relu(-a) + a - relu(a)", &[("a", &[])]).unwrap();
    let report = check(&f, &PolicyRule::new(&f, Policy::pytorch()).unwrap(), &[0.0.into()]);
    passed(&report);
    assert_eq!(report.points[0].in_conservative, Member::Yes);
    assert!(matches!(report.points[0].in_clarke, Member::No(gap) if (gap - 1.0).abs() < 1e-6), "{report}");
}

#[test]
fn random_programs_pass_under_the_presets() {
    let mut tried = 0;
    for seed in 0..24u64 {
        let mut draw = Draw::new(seed);
        let count = 3 + draw.below(6);
        let steps = (0..count).map(|_| [draw.next() as u16, draw.next() as u16]).collect();
        let sketch = Sketch { steps, point: draw.next() as u16 };
        let f = sketch.program(Form::Scalar);
        let policy = policies()[seed as usize % 4].clone();
        let point = sketch.at(0, false);
        // Where no derivative exists, as where a `where` jumps, there is nothing to check.
        if (0..4).any(|k| f.at(&sketch.at(k, false)).and_then(|at| at.path_differentiable()) != Ok(Some(true))) {
            continue;
        }
        let rule = PolicyRule::new(&f, policy.clone()).unwrap();
        let options = CheckOptions { curves: 3, ..quick(seed) };
        let report = check_conservative(&f, &rule, &[point], &options).unwrap();
        let jumps = matches!(report.refutation().map(|r| r.course), Some(Course::Jump));
        assert!(matches!(report.conservative, Conservative::Passed(_)) || jumps, "{policy} {sketch:?}\n{report}");
        tried += usize::from(!jumps);
    }
    assert!(tried >= 10, "only {tried}");
}

#[test]
fn right_rules_written_by_hand_pass() {
    let f = parse("norm1(x) + 0.5 * sum(x * x)", &[("x", &[3])]).unwrap();
    passed(&check(&f, &of_vector(|x| x.iter().map(|x| sign(*x) + x).collect()), &[[0.0, 1.0, -2.0].into()]));
    let f = parse("norm2(x)", &[("x", &[3])]).unwrap();
    let unit = |x: &[f64]| {
        let n = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.iter().map(|x| if n == 0.0 { 0.0 } else { x / n }).collect()
    };
    passed(&check(&f, &of_vector(unit), &[[0.0, 0.0, 0.0].into()]));
    let f = parse("maximum(x * y, y * y)", &[("x", &[]), ("y", &[])]).unwrap();
    let right = of_scalars(|v| {
        let [x, y] = [v[0], v[1]];
        if x * y >= y * y { vec![y, x] } else { vec![0.0, 2.0 * y] }
    });
    passed(&check(&f, &right, &[1.0.into(), 1.0.into()]));
    // As a program.
    let inputs: &[(&str, &[usize])] = &[("x", &[]), ("y", &[])];
    let part = |text: &str| parse(text, inputs).unwrap();
    let parts = [part("where(x * y >= y * y, y, 0)"), part("where(x * y >= y * y, x, 2 * y)")];
    passed(&check(&f, &clarke::check::joined(&parts).unwrap(), &[1.0.into(), 1.0.into()]));
}

#[test]
fn a_sign_error_in_one_piece_is_refuted() {
    let f = parse("sum(leaky_relu(x, 0.1))", &[("x", &[2])]).unwrap();
    let rule = of_vector(|x| x.iter().map(|x| if *x > 0.0 { 1.0 } else { -0.1 }).collect());
    let report = check(&f, &rule, &[[1.0, 1.0].into()]);
    assert_eq!(refuted(&f, &rule, &report).course, Course::Open, "{report}");
    assert!(report.differences.wrong > 0 && report.semismooth.failure.is_some(), "{report}");
}

#[test]
fn a_forgotten_factor_is_refuted() {
    let f = parse("sum(relu(x) ** 2)", &[("x", &[2])]).unwrap();
    let rule = of_vector(|x| x.iter().map(|x| x.max(0.0)).collect());
    refuted(&f, &rule, &check(&f, &rule, &[[1.0, -1.0].into()]));
    // Off by a thousandth.
    let rule = of_vector(|x| x.iter().map(|x| 2.002 * x.max(0.0)).collect());
    refuted(&f, &rule, &check(&f, &rule, &[[1.0, -1.0].into()]));
}

#[test]
fn the_straight_through_rule_is_refuted() {
    let f = parse("sum(relu(x))", &[("x", &[2])]).unwrap();
    let rule = of_vector(|x| vec![1.0; x.len()]);
    let report = check(&f, &rule, &[[1.0, 1.0].into()]);
    refuted(&f, &rule, &report);
    // At a point where it is right, and at one where it is in the set.
    assert_eq!(report.points[0].in_clarke, Member::Yes);
}

#[test]
fn rules_wrong_on_a_curved_tie_are_refuted_inside_it() {
    // On the parabola y = x² both pieces agree; the rule adds up both slopes there.
    let f = parse("maximum(x * x, y)", &[("x", &[]), ("y", &[])]).unwrap();
    let rule = of_scalars(|v| {
        let [x, y] = [v[0], v[1]];
        vec![if x * x >= y { 2.0 * x } else { 0.0 }, f64::from(y >= x * x)]
    });
    let report = check(&f, &rule, &[1.0.into(), 1.0.into()]);
    let found = refuted(&f, &rule, &report);
    inside(&found, "maximum(x * x, y)");
    assert!(found.curve.len() > 2, "{report}");
    for point in &found.curve {
        assert_eq!(point[0].item() * point[0].item(), point[1].item(), "the curve stays on the tie");
    }
    let right = of_scalars(|v| if v[0] * v[0] >= v[1] { vec![2.0 * v[0], 0.0] } else { vec![0.0, 1.0] });
    let report = check(&f, &right, &[1.0.into(), 1.0.into()]);
    passed(&report);
    let Conservative::Passed(on) = &report.conservative else { unreachable!() };
    assert!(on.inside > 0, "{report}");
}

#[test]
fn a_tie_that_is_met_with_a_tolerance_is_refuted_beside_it() {
    // Both get all of it as long as they are equal up to 10⁻⁶.
    let f = parse("maximum(x, y)", &[("x", &[]), ("y", &[])]).unwrap();
    let rule = of_scalars(|v| {
        let close = (v[0] - v[1]).abs() <= 1e-6;
        vec![f64::from(v[0] > v[1] || close), f64::from(v[1] > v[0] || close)]
    });
    let report = check(&f, &rule, &[0.5.into(), (-0.25).into()]);
    assert!(matches!(refuted(&f, &rule, &report).course, Course::Inside | Course::Near(_)), "{report}");
}

#[test]
fn one_element_for_each_tie_need_not_be_one_element_for_both() {
    // At x = y = 0 with x and y swapped: in each coordinate right, together on no piece; the tie is a point, curves do not see it.
    let f = parse("maximum(x, y) + maximum(x, -y)", &[("x", &[]), ("y", &[])]).unwrap();
    let rule = of_scalars(|v| {
        let s = if v[0] == v[1] { 0.3 } else { f64::from(v[0] > v[1]) };
        let t = if v[0] == -v[1] { 0.9 } else { f64::from(v[0] > -v[1]) };
        vec![s + t, (1.0 - s) - (1.0 - t)]
    });
    let report = check(&f, &rule, &[0.0.into(), 0.0.into()]);
    passed(&report);
    assert_eq!(report.points[0].in_conservative, Member::Yes, "{report}");
}

#[test]
fn narrow_features_of_a_right_rule_are_no_refutation() {
    let f = parse("tanh(2000000 * x) + 3 * abs(x - 0.3)", &[("x", &[])]).unwrap();
    for seed in 0..8 {
        let rule = PolicyRule::new(&f, Policy::min_norm()).unwrap();
        let options = CheckOptions { seed, ..CheckOptions::default() };
        let report = check_conservative(&f, &rule, &[vec![0.25.into()]], &options).unwrap();
        assert!(matches!(report.conservative, Conservative::Passed(_)), "{report}");
    }
}

#[test]
fn a_function_that_jumps_has_no_conservative_gradient() {
    let f = parse("where(x > 0.3, x + 1, x)", &[("x", &[])]).unwrap();
    let rule = of_scalars(|_| vec![1.0]);
    let report = check(&f, &rule, &[0.0.into()]);
    assert_eq!(report.refutation().unwrap().course, Course::Jump, "{report}");
}

/// An operator of the user's own whose slope has a mistake.
#[derive(Debug, Clone, Default)]
struct Hinge;

impl Pointwise for Hinge {
    const NAME: &'static str = "own_hinge";
    const SIGNATURE: &'static str = "own_hinge(x)";
    const FORMULA: &'static str = "max(1 − x, 0)";
    const CLASS: &'static str = "piecewise linear";
    const SAMPLES: &'static [Sample] = &[];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        (T::of(1.0) - x).max(T::of(0.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        // The sign of the inner derivative was forgotten.
        [Some((1.0 - x).step())]
    }
}

#[test]
fn an_operator_of_ones_own_with_a_wrong_slope_is_refuted() {
    let f = Program::trace(&[&[2]], |v| v[0].apply(Elementwise::<Hinge, 1>(Hinge)).sum()).unwrap();
    let rule = PolicyRule::new(&f, Policy::min_norm()).unwrap();
    let report = check(&f, &rule, &[[1.0, 0.0].into()]);
    let found = refuted(&f, &rule, &report);
    assert!(found.increment * found.integral < 0.0, "{report}");
}

#[test]
fn data_is_held_fixed() {
    let f = parse("sum(abs(A @ w - y))", &[("w", &[2]), ("A", &[3, 2]), ("y", &[3])]).unwrap().varying(&["w"]).unwrap();
    let a = Tensor::new(&[3, 2], vec![1.0, 2.0, 0.0, 1.0, 2.0, -1.0]).unwrap();
    let point = vec![[1.0, 0.0].into(), a, [1.0, 2.0, 2.0].into()];
    for policy in [Policy::jax(), Policy::Random(1)] {
        passed(&check(&f, &PolicyRule::new(&f, policy).unwrap(), &point));
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let f = parse("max(x)", &[("x", &[3])]).unwrap();
    let rule = PolicyRule::new(&f, Policy::min_norm()).unwrap();
    let run = |seed| check_conservative(&f, &rule, &[vec![[1.0, 0.0, 1.0].into()]], &quick(seed)).unwrap();
    assert_eq!(run(1), run(1));
}

#[test]
fn bad_input_is_an_error_that_says_what() {
    let f = parse("max(x)", &[("x", &[3])]).unwrap();
    let right = PolicyRule::new(&f, Policy::min_norm()).unwrap();
    let fault = |rule: &dyn clarke::GradientRule, points: &[Vec<Tensor>], options: &CheckOptions| {
        *check_conservative(&f, rule, points, options).unwrap_err().fault
    };
    let (options, point) = (CheckOptions::default(), vec![vec![[1.0, 0.0, 1.0].into()]]);
    assert!(matches!(fault(&right, &[], &options), Fault::Setting { setting: "points", .. }));
    assert!(matches!(fault(&right, &[vec![1.0.into()]], &options), Fault::InputShape { .. }));
    assert!(matches!(fault(&right, &[vec![[f64::NAN, 0.0, 1.0].into()]], &options), Fault::InputNotFinite { .. }));
    let scalar = |_: &[Tensor]| Ok(vec![Tensor::scalar(1.0)]);
    assert!(matches!(fault(&scalar, &point, &options), Fault::InputShape { .. }));
    let none = |_: &[Tensor]| Ok(vec![]);
    assert!(matches!(fault(&none, &point, &options), Fault::InputCount { .. }));
    for tolerance in [0.0, f64::NAN, 2.0] {
        let options = CheckOptions { tolerance, ..CheckOptions::default() };
        assert!(matches!(fault(&right, &point, &options), Fault::Setting { setting: "tolerance", .. }));
    }
    let vector = parse("x", &[("x", &[3])]).unwrap();
    let said = check_conservative(&vector, &right, &point, &options).unwrap_err();
    assert!(matches!(*said.fault, Fault::NotScalar { .. }));
}

#[test]
fn a_rule_that_is_not_finite_somewhere_is_reported() {
    let f = parse("norm2(x)", &[("x", &[2])]).unwrap();
    let nan = of_vector(|x| {
        let n = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.iter().map(|x| x / n).collect()
    });
    let report = check(&f, &nan, &[[0.0, 0.0].into()]);
    let refused = report.refused.as_ref().expect("NaN at 0");
    assert_eq!(refused.point, [[0.0, 0.0].into()]);
    assert!(matches!(report.points[0].in_clarke, Member::Undecided(_)), "{report}");
    assert!(report.to_string().contains("The rule gave no vector"), "{report}");
}
