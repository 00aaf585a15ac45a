//! What is said of the end of a run is proved, and what is not so is refuted.

#[path = "../../clarke-cli/src/problems.rs"]
#[allow(dead_code)]
mod problems;

use clarke::optim::{Run, method, minimize};
use clarke::{
    Certificate, Checked, ConcludeOptions, Conclusion, Evaluator, FiniteSum, Policy, Precision, Program, Samples,
    Tensor, Verdict,
};
use problems::{Problem, all};
use std::sync::atomic::AtomicBool;

fn convex() -> ConcludeOptions {
    ConcludeOptions { convex: true, ..ConcludeOptions::default() }
}

fn conclude(text: &str, x: &[f64], options: &ConcludeOptions) -> (Program, Conclusion) {
    let program = clarke::parse(text, &[("x", &[x.len()])]).unwrap();
    let end = program.at(&[Tensor::vector(x.to_vec())]).unwrap().conclude(options);
    (program, end)
}

fn refuted(certificate: &Certificate, program: &Program) -> bool {
    matches!(certificate.check(program).unwrap(), Checked::Refuted(_))
}

/// Programs with points near a known critical point, that point, and the value there.
fn known() -> Vec<(&'static str, Vec<f64>, Vec<f64>, f64)> {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let third = 1.0 / 3.0;
    vec![
        // Both variables (√5 − 1)/2, where the two tie: the value is 2 − 2x.
        ("max(sum(x**2), 2 - x[0] - x[1])", vec![0.618033, 0.618034], vec![golden, golden], 2.0 - 2.0 * golden),
        ("abs(x[0]**2 - 2)", vec![1.41425], vec![2f64.sqrt()], 0.0),
        // Least absolute deviations through (0, 0), (1, π), (3, 1): the line through two of them.
        (
            "abs(x[1]) + abs(x[0] + x[1] - 3.141592653589793) + 3*abs(3*x[0] + x[1] - 1)",
            vec![third + 1e-7, -1e-8],
            vec![third, 0.0],
            std::f64::consts::PI - third,
        ),
        // Rosenbrock's curve with a kink along it; the minimum is at (1, 1).
        ("10*abs(x[1] - x[0]**2) + (1 - x[0])**2", vec![0.999999, 0.999998], vec![1.0, 1.0], 0.0),
        // Smooth: the root of 2 x = cos x · ½.
        ("x[0]**2 - sin(x[0])/2", vec![0.2426], vec![0.2426746806408902], -0.06125889535319102),
    ]
}

#[test]
fn points_are_proved_where_they_are_known() {
    for (text, near, exact, value) in known() {
        let (program, end) = conclude(text, &near, &ConcludeOptions::default());
        let proof = end.proof().unwrap_or_else(|| panic!("{text}: {end:?}"));
        assert!(proof.radius < 1e-8, "{text}: {proof:?}");
        for (x, known) in std::iter::zip(end.variables[0].data(), &exact) {
            let rounding = if text.contains("sin") { 1e-6 } else { 1e-15 };
            assert!(
                (x - known).abs() <= proof.radius + rounding,
                "{text}: {x} is not within {} of {known}",
                proof.radius
            );
        }
        let rounding = if text.contains("sin") { 1e-6 } else { 1e-15 };
        assert!(proof.value.0 - rounding <= value && value <= proof.value.1 + rounding, "{text}: {proof:?}");
        assert!(matches!(end.precision, Precision::Exact | Precision::Proved { .. }), "{text}: {:?}", end.precision);
        assert_eq!(end.critical(), Some(true), "{text}");
        assert_eq!(end.certificate.as_ref().unwrap().check(&program).unwrap(), Checked::Verified, "{text}");
    }
}

#[test]
fn nothing_is_proved_where_there_is_nothing() {
    for (text, x) in [
        // No critical point, a slope of both signs missing.
        ("relu(x[0]) + x[0]", vec![0.0]),
        // A minimum and a maximum along a tie: the weights would be −1 and 2.
        ("max(x[0], 2*x[0])", vec![0.0]),
        // Minimizers that are not isolated.
        ("abs(x[0])", vec![0.0, 0.3]),
        ("relu(x[0]) + relu(-1 - x[0])", vec![-0.5]),
        // More ties than dimensions.
        ("abs(x[0]) + abs(2*x[0])", vec![0.0]),
        // The function with a tie that is no difference.
        ("norm2(x)", vec![0.0, 0.0]),
        // A critical point of the formula alone: x − 0, with two kinks that cancel.
        ("x[0] - (relu(-x[0]) + x[0] - relu(x[0]))", vec![0.0]),
        // Weights on the boundary: the slopes on both sides are −1 and 0.
        ("relu(-x[0])", vec![0.0]),
    ] {
        let program = clarke::parse(text, &[("x", &[x.len()])]).unwrap();
        let at = program.at(&[Tensor::vector(x)]).unwrap();
        assert_eq!(at.prove(1e-9).unwrap(), None, "{text}");
    }
}

#[test]
fn a_tie_nearby_that_does_not_count_as_active_is_in_the_way_of_a_proof() {
    // At 10⁻¹⁷ from each other the two kinks are one to the arithmetic of the box.
    let text = "abs(x[0] - 0.1) + 0.3*abs(x[0] - 0.1 - 1e-17*x[1]) + x[1]**2";
    let program = clarke::parse(text, &[("x", &[2])]).unwrap();
    assert_eq!(program.at(&[[0.1, 1.0].into()]).unwrap().prove(0.0).unwrap(), None);
}

#[test]
fn ties_are_exact_only_if_their_differences_are_0() {
    let unproved = |text: &str, x: &[f64]| conclude(text, x, &ConcludeOptions::default()).1;
    // Two ties in one dimension: no proof, so that the arithmetic alone says what is exact.
    let (exact, not) =
        (unproved("abs(x[0]) + abs(2*x[0])", &[1e-9]), unproved("abs(x[0]**2 - 2) + abs(x[0]**2 - 2)", &[1.41425]));
    assert_eq!((exact.precision, exact.largest()), (Precision::Exact, 0.0));
    assert!(exact.active.iter().all(|a| a.difference == 0.0) && exact.active.len() == 2);
    let Precision::Polished(tau) = not.precision else { panic!("{not:?}") };
    assert!(tau > 0.0 && tau == not.largest() && tau < 1e-14);
}

/// The certificate of an example with a proof, and its program.
fn example() -> (Program, Certificate) {
    let (program, end) = conclude("abs(x[0]**2 - 2) + 0.1*x[0]**2", &[1.41425], &convex());
    let certificate = end.certificate.unwrap();
    assert_eq!(certificate.check(&program).unwrap(), Checked::Verified);
    (program, certificate)
}

#[test]
fn certificates_that_were_tampered_with_are_refuted() {
    type Change = fn(&mut Certificate);
    let changes: [(&str, Change); 12] = [
        ("the point", |c| c.point[0].2[0] += 1e-7),
        ("a smaller radius", |c| c.proof.as_mut().unwrap().radius *= 0.5),
        ("a smaller box", |c| c.proof.as_mut().unwrap().box_radii.iter_mut().for_each(|r| *r *= 1e-3)),
        ("a box that is too wide", |c| c.proof.as_mut().unwrap().box_radii.iter_mut().for_each(|r| *r = 1.0)),
        ("no box", |c| c.proof.as_mut().unwrap().box_radii.clear()),
        ("the weights of the proof", |c| c.proof.as_mut().unwrap().weights[0] += 0.01),
        ("a narrower value", |c| c.proof.as_mut().unwrap().value.0 = c.proof.as_ref().unwrap().value.1),
        ("a better grade", |c| c.precision = Some(Precision::Exact)),
        ("the active set", |c| c.active.clear()),
        ("an active difference", |c| c.active[0].difference = 0.0),
        ("a better bound", |c| c.bound.as_mut().unwrap().missing = 0.0),
        ("not a number", |c| c.bound.as_mut().unwrap().missing = f64::NAN),
    ];
    let (program, certificate) = example();
    for (what, change) in changes {
        let mut changed = certificate.clone();
        change(&mut changed);
        assert!(refuted(&changed, &program), "{what}: {:?}", changed.check(&program));
    }
    let other = clarke::parse("abs(x[0]**2 - 2) + 0.2*x[0]**2", &[("x", &[1])]).unwrap();
    assert!(refuted(&certificate, &other));
}

#[test]
fn certificates_are_read_back_as_they_were_and_earlier_ones_are_read_too() {
    let (program, certificate) = example();
    let mut data = serde_json::to_value(&certificate).unwrap();
    let back: Certificate = serde_json::from_str(&serde_json::to_string(&certificate).unwrap()).unwrap();
    assert_eq!(back, certificate);
    let fields = data.as_object_mut().unwrap();
    for name in ["variables", "active", "precision", "proof", "bound"] {
        assert!(fields.remove(name).is_some(), "{name}");
    }
    let earlier: Certificate = serde_json::from_value(data).unwrap();
    assert_eq!(earlier.check(&program).unwrap(), Checked::Verified);
}

/// The end of a run of a problem.
fn end(problem: &Problem, options: &ConcludeOptions) -> (Program, Conclusion) {
    let run = Run { steps: 100_000, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
    let outcome =
        minimize(&method("auto", &[]).unwrap(), &mut problem.function().unwrap(), &problem.start, run).unwrap();
    let program = problem.program().unwrap();
    let conclusion = program.at(&problem.inputs(&outcome.best)).unwrap().conclude(options);
    (program, conclusion)
}

#[test]
fn bounds_hold_at_known_optima_of_convex_problems() {
    let (mut bounded, mut everywhere) = (0, 0);
    for problem in all().0.iter().filter(|p| p.convex) {
        for polish in [true, false] {
            let (program, end) =
                end(problem, &ConcludeOptions { polish: Some(polish), radius: Some(10.0), ..convex() });
            let Some(bound) = end.bound() else { continue };
            // The least values known are stated to some digits; the ball of radius 10 may leave their points out.
            let stated = 1e-6 * problem.best.abs().max(1.0);
            assert!(bound.missing >= 0.0 && bound.missing.is_finite());
            if bound.radius.is_none() {
                assert!(end.value - problem.best <= bound.missing + stated, "{}: {bound:?}", problem.name);
                let near = if polish { 1e-8 } else { 1e-5 };
                assert!(bound.missing <= near * end.value.abs().max(1.0), "{}: {bound:?}", problem.name);
                everywhere += 1;
            }
            bounded += 1;
            let checked = end.certificate.as_ref().unwrap().check(&program).unwrap();
            assert!(!matches!(checked, Checked::Refuted(_)), "{}: {checked:?}", problem.name);
        }
    }
    assert!(bounded >= 20 && everywhere >= 8, "{bounded} bounded, {everywhere} everywhere");
}

#[test]
fn a_bound_over_a_ball_holds_in_it_and_is_nearly_met() {
    // Two minimizers too many for a proof, and a point that is no minimizer.
    for (text, x) in
        [("abs(x[0]) + abs(2*x[0]) + abs(x[1])", [0.0, 0.0]), ("abs(x[0]) + abs(x[0] + x[1])", [0.5, 0.25])]
    {
        let options = ConcludeOptions { polish: Some(false), radius: Some(0.5), ..convex() };
        let (program, end) = conclude(text, &x, &options);
        let bound = end.bound().unwrap_or_else(|| panic!("{text}: {end:?}"));
        let mut least = f64::INFINITY;
        for k in 0..1000 {
            let (radius, angle) = (0.5 * (f64::from(k % 10) + 1.0) / 10.0, f64::from(k) * 0.1);
            let y = [x[0] + radius * angle.cos(), x[1] + radius * angle.sin()];
            least = least.min(program.at(&[y.into()]).unwrap().value().unwrap());
        }
        let missing = end.value - least;
        assert!(missing <= bound.missing, "{text}: {missing} > {bound:?}");
        // 0 at the minimizer; along the gradient the function is linear for a while.
        assert!(bound.missing <= 1e-9 || bound.missing <= 1.02 * missing, "{text}: {missing} < {bound:?}");
    }
}

#[test]
fn a_problem_with_more_ties_than_are_judged_is_proved() {
    let problem = all().0.into_iter().find(|p| p.name == "Chained LQ").unwrap();
    let (program, end) = end(&problem, &convex());
    assert!(end.judgement.is_none() && end.active.len() > 20);
    assert_eq!((end.verdict(), end.unjudged.clone()), (Some(Verdict::ClarkeCritical), None));
    assert!(end.bound().unwrap().missing < 1e-9);
    assert_eq!(end.certificate.unwrap().check(&program).unwrap(), Checked::Verified);
}

#[test]
fn a_sum_is_concluded_as_the_program_it_is() {
    let loss = clarke::parse("abs(w*x - y)", &[("w", &[]), ("x", &[]), ("y", &[])]).unwrap().varying(&["w"]).unwrap();
    let (x, y) = (vec![1.0, 2.0, 3.0], vec![1.0, 3.0, 3.5]);
    let samples = |data: &[f64]| Samples::new(&[3], data.to_vec()).unwrap();
    let sum = FiniteSum::new(&loss, &[("x", samples(&x)), ("y", samples(&y))], &[], Policy::default()).unwrap();
    let of_sum = sum.conclude(&[1.16], 0.0, &ConcludeOptions::default());
    let text = "mean(abs(w*x - y))";
    let whole = clarke::parse(text, &[("w", &[]), ("x", &[3]), ("y", &[3])]).unwrap().varying(&["w"]).unwrap();
    let whole = Evaluator::new(&whole, &[Tensor::vector(x), Tensor::vector(y)], Policy::default()).unwrap();
    let of_whole = whole.conclude(&[1.16], 0.0, &ConcludeOptions::default());
    assert_eq!(of_sum.verdict(), of_whole.verdict());
    assert_eq!((&of_sum.variables, of_sum.value), (&of_whole.variables, of_whole.value));

    let many = Samples::new(&[300_000], vec![1.0; 300_000]).unwrap();
    let large = FiniteSum::new(&loss, &[("x", many.clone()), ("y", many)], &[], Policy::default()).unwrap();
    let end = large.conclude(&[0.5], 0.5, &ConcludeOptions::default());
    assert_eq!((end.verdict(), end.value), (None, 0.5));
    assert!(end.unjudged.unwrap().contains("600000 numbers"));
}
