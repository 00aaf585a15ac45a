//! Rules that shipped in other libraries, and what the checks say of them.

mod common;
#[path = "common/rules.rs"]
mod rules;

use clarke::check::{Agreement, Conservative, Course, Member};
use clarke::{CheckOptions, Program, Result, Tensor, check_conservative, check_operator, parse};
use rules::{check, inside, of_scalars, of_vector, passed, refuted};

fn largest(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn mask(x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v == largest(x))).collect()
}

/// candle's `ReduceOp::Max`; Theano before 2016.
#[test]
fn a_maximum_that_gives_every_tied_entry_all() {
    let f = parse("max(x)", &[("x", &[3])]).unwrap();
    let rule = of_vector(mask);
    let report = check(&f, &rule, &[[1.0, 1.0, 0.0].into()]);
    let found = refuted(&f, &rule, &report);
    inside(&found, "max(x)");
    // Along an edge of the tie the rule counts every tied entry; nothing was rounded.
    let exact = found.exact.as_ref().expect("whole numbers");
    assert_eq!(found.integral, exact.integral.parse::<f64>().unwrap_or(found.integral));
    let times = found.integral / found.increment;
    assert!(times == 2.0 || times == 3.0, "{report}");
    let text = report.to_string();
    assert!(text.contains("Not conservative") && text.contains("max(x)") && text.contains("(exactly)"), "{text}");
    assert!(matches!(report.points[0].in_conservative, Member::No(gap) if gap > 0.5), "{text}");
    assert!(report.semismooth.failure.is_some(), "{text}");
    assert_eq!(report.differences.wrong, 0, "it is right at almost every point: {text}");
}

/// dfdx's `max_to` along an axis.
#[test]
fn a_maximum_along_an_axis_that_gives_every_tied_entry_all() {
    let f = parse("sum(max(x, axis=1))", &[("x", &[2, 3])]).unwrap();
    let rule = of_vector(|x| x.chunks(3).flat_map(mask).collect());
    let report = check(&f, &rule, &[Tensor::new(&[2, 3], vec![1.0, 0.0, 1.0, 2.0, 0.5, 0.0]).unwrap()]);
    inside(&refuted(&f, &rule, &report), "max(x, axis=");
}

/// candle's `MaxPool2D`: the mask of maxima times its mean over the window, count/k² instead of 1/count.
#[test]
fn max_pooling_that_scales_by_the_mean_of_its_mask() {
    let f = parse("sum(max_pool2d(x, 2))", &[("x", &[1, 1, 2, 4])]).unwrap();
    let window = |x: &[f64], j: usize| [x[j], x[j + 1], x[j + 4], x[j + 5]];
    let rule = of_vector(move |x| {
        let mut out = vec![0.0; 8];
        for j in [0, 2] {
            let tied = mask(&window(x, j));
            let mean = tied.iter().sum::<f64>() / 4.0;
            std::iter::zip([j, j + 1, j + 4, j + 5], tied).for_each(|(at, m)| out[at] = m * mean);
        }
        out
    });
    let x = Tensor::new(&[1, 1, 2, 4], vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]).unwrap();
    let report = check(&f, &rule, &[x]);
    let found = refuted(&f, &rule, &report);
    // A single maximum gets a quarter: wrong where the function is smooth.
    assert_eq!(found.course, Course::Open, "{report}");
    assert!(report.differences.wrong > 0, "{report}");
}

/// Enzyme's test of `llvm.maxnum` once: the tangent of x where x < y.
#[test]
fn the_other_argument_of_a_maximum() {
    let f = parse("maximum(x, y)", &[("x", &[]), ("y", &[])]).unwrap();
    let rule = of_scalars(|v| if v[0] < v[1] { vec![1.0, 0.0] } else { vec![0.0, 1.0] });
    let report = check(&f, &rule, &[1.0.into(), 2.0.into()]);
    assert_eq!(refuted(&f, &rule, &report).course, Course::Open, "{report}");
    assert!(matches!(report.points[0].in_clarke, Member::No(_)), "{report}");
}

fn first_close(x: &[f64], rtol: f64) -> Vec<f64> {
    let top = largest(x);
    let at = x.iter().position(|v| (top - v).abs() <= rtol * top.abs().max(v.abs())).unwrap();
    (0..x.len()).map(|k| f64::from(k == at)).collect()
}

/// NNlib's max pooling: the first entry that is ≈ the maximum, within √eps.
#[test]
fn the_first_entry_close_to_the_maximum() {
    let f = parse("max(x)", &[("x", &[4])]).unwrap();
    for rtol in [1.5e-8, 3.4e-4, 1e-2] {
        let rule = of_vector(move |x| first_close(x, rtol));
        let report = check(&f, &rule, &[[1.0, 1.0, 0.0, -1.0].into()]);
        let found = refuted(&f, &rule, &report);
        match found.course {
            Course::Near(distance) => assert!(distance < 4.0 * rtol, "{report}"),
            // A wide band may be met by chance.
            Course::Open => assert!(rtol > 1e-3, "{report}"),
            other => panic!("{other:?}: {report}"),
        }
        assert!(found.operators.iter().any(|o| o.contains("max(x)")), "{report}");
    }
    // The first of the maxima alone is a right rule.
    let rule = of_vector(|x| first_close(x, 0.0));
    passed(&check(&f, &rule, &[[1.0, 1.0, 0.0, -1.0].into()]));
}

/// JAX on a GPU, where the tie test compares with a value computed again: nothing at the tie.
#[test]
fn a_tie_that_gets_nothing() {
    let f = parse("maximum(x, y)", &[("x", &[]), ("y", &[])]).unwrap();
    let rule = of_scalars(|v| vec![f64::from(v[0] > v[1]), f64::from(v[1] > v[0])]);
    let report = check(&f, &rule, &[1.0.into(), 1.0.into()]);
    let found = refuted(&f, &rule, &report);
    inside(&found, "maximum(x, y)");
    assert_eq!(found.integral, 0.0, "{report}");
    assert_eq!(found.exact.unwrap().integral, "0");
}

/// PyTorch's `prelu`: the reverse rule has the weight at 0, the forward rule 1.
#[test]
fn forward_and_reverse_of_prelu_disagree() {
    let f = parse("prelu(x, w)", &[("x", &[3]), ("w", &[])]).unwrap();
    let slope = |x: f64, w: f64, positive: bool| if positive { (1.0, 0.0) } else { (w, x) };
    let forward = |p: &[Tensor], u: &[Tensor]| -> Result<Tensor> {
        let w = p[1].item();
        Ok(Tensor::from_fn(&[3], |k| {
            let x = p[0].data()[k];
            let (a, b) = slope(x, w, x >= 0.0);
            a * u[0].data()[k] + b * u[1].item()
        }))
    };
    let reverse = |strict: bool| {
        move |p: &[Tensor], y: &Tensor| -> Result<Vec<Tensor>> {
            let w = p[1].item();
            let slopes: Vec<(f64, f64)> =
                p[0].data().iter().map(|&x| slope(x, w, if strict { x > 0.0 } else { x >= 0.0 })).collect();
            let dx = Tensor::from_fn(&[3], |k| slopes[k].0 * y.data()[k]);
            Ok(vec![dx, Tensor::scalar((0..3).map(|k| slopes[k].1 * y.data()[k]).sum())])
        }
    };
    let point = vec![[0.0, 1.0, -1.0].into(), 0.25.into()];
    let options = CheckOptions::default();
    let report = check_operator(&f, &forward, &reverse(true), std::slice::from_ref(&point), &options).unwrap();
    let Agreement::Disagree(at) = &report.agreement else { panic!("{report}") };
    assert!(at.operators.iter().any(|o| o.contains("prelu")), "{report}");
    assert!((at.forward - at.reverse).abs() > 1e-3, "{report}");
    assert!(!report.passes() && report.to_string().contains("Forward and reverse disagree"), "{report}");
    // Each by itself is conservative, and in both sets.
    for one in [&report.forward, &report.reverse] {
        passed(one);
        assert_eq!((&one.points[0].in_conservative, &one.points[0].in_clarke), (&Member::Yes, &Member::Yes), "{one}");
    }
    let report = check_operator(&f, &forward, &reverse(false), &[point], &options).unwrap();
    assert!(report.passes(), "{report}");
}

/// relu′(0) = 17: no curve sees it, and no set contains it.
#[test]
fn relu_with_slope_17_at_0_is_conservative_and_outside_of_both_sets() {
    let step = |x: f64| if x == 0.0 { 17.0 } else { f64::from(x > 0.0) };
    let line = parse("relu(x)", &[("x", &[])]).unwrap();
    let report = check(&line, &of_scalars(move |v| vec![step(v[0])]), &[0.0.into()]);
    passed(&report);
    assert!(matches!(report.points[0].in_conservative, Member::No(gap) if (gap - 16.0).abs() < 1e-6), "{report}");
    assert!(matches!(report.points[0].in_clarke, Member::No(_)), "{report}");
    // In the plane there are curves inside the tie, which do not see it either.
    let plane = parse("relu(x) + y", &[("x", &[]), ("y", &[])]).unwrap();
    let report = check(&plane, &of_scalars(move |v| vec![step(v[0]), 1.0]), &[0.0.into(), 0.5.into()]);
    passed(&report);
    let Conservative::Passed(on) = &report.conservative else { panic!() };
    assert!(on.inside > 0 && on.exact > 0 && report.semismooth.inside > 0, "{report}");
    assert!(matches!(report.points[0].in_conservative, Member::No(_)), "{report}");
    // Where the argument is shared, it is seen: max(x, 0) along x = 0 is fine, but 17 times the wrong direction is not.
    let shifted = of_scalars(move |v| vec![step(v[0]), if v[0] == 0.0 { 2.0 } else { 1.0 }]);
    inside(&refuted(&plane, &shifted, &check(&plane, &shifted, &[0.0.into(), 0.5.into()])), "relu(x)");
}

/// A shortcut at one value (`if x == 3 { 9 } else { x * x }`), as it was differentiated by Enzyme and Zygote: a program, whose
/// own condition is a place to look at.
#[test]
fn an_equality_shortcut() {
    let f = parse("x * x * y", &[("x", &[]), ("y", &[])]).unwrap();
    let inputs: &[(&str, &[usize])] = &[("x", &[]), ("y", &[])];
    let part = |text: &str| parse(text, inputs).unwrap();
    // The slope in x is lost: conservative, since curves inside x = 3 do not move in x; outside of the gradient.
    let rule = clarke::check::joined(&[part("where(x == 3, 0, 2 * x * y)"), part("x * x")]).unwrap();
    let options = CheckOptions { radius: 4.0, ..CheckOptions::default() };
    let at = |x: f64, y: f64| vec![vec![Tensor::scalar(x), Tensor::scalar(y)]];
    let report = check_conservative(&f, &rule, &at(3.0, 1.0), &options).unwrap();
    passed(&report);
    assert!(matches!(report.points[0].in_conservative, Member::No(gap) if (gap - 6.0).abs() < 1e-6), "{report}");
    // The slope in y is lost: a curve inside x = 3 tells, found from a point elsewhere by the rule's own condition.
    let rule = clarke::check::joined(&[part("2 * x * y"), part("where(x == 3, 0, x * x)")]).unwrap();
    let report = check_conservative(&f, &rule, &at(2.5, 1.0), &options).unwrap();
    let found = refuted(&f, &rule, &report);
    inside(&found, "in the rule");
}

/// The rule of §1.1 of the theory: nonzero on a sequence that converges to 0, without bound. Curves on a line do not see it.
#[test]
fn a_rule_that_is_unbounded_on_a_sequence() {
    let f: Program = parse("0 * x", &[("x", &[])]).unwrap();
    let special = |x: f64| {
        let m = (1.0 / x).round();
        m > 0.0 && 1.0 / m == x
    };
    let rule = of_scalars(move |v| vec![if special(v[0]) { (0.5 / v[0]).sqrt() } else { 0.0 }]);
    let report = check(&f, &rule, &[0.0.into()]);
    assert!(matches!(report.conservative, Conservative::Passed(_)), "{report}");
    assert!(!report.passes() && report.to_string().contains("Not locally bounded"), "{report}");
    let failure = report.bounded.failure.as_ref().unwrap();
    assert!(failure.norms.last().unwrap().1 > 1e5, "{report}");
}
