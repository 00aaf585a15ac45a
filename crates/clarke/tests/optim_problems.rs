//! The test problems of `data/problems.json`, minimized from their text by the methods that finish.

#[path = "../../clarke-cli/src/problems.rs"]
#[allow(dead_code)]
mod problems;

use clarke::optim::{Event, Oracle, Outcome, Run, method, minimize};
use problems::{Problem, all};
use std::sync::atomic::AtomicBool;

fn run(problem: &Problem, name: &str, steps: u64) -> Outcome {
    let mut f = problem.function().unwrap_or_else(|error| panic!("{}: {error}", problem.name));
    let method = method(name, &[]).unwrap();
    let run = Run { steps, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
    minimize(&method, &mut f, &problem.start, run).unwrap_or_else(|error| panic!("{}: {error}", problem.name))
}

fn evaluations(outcome: &Outcome) -> u64 {
    outcome.evaluations.values + outcome.evaluations.gradients
}

#[test]
fn the_texts_are_the_problems_that_were_published() {
    for problem in all().0 {
        let value = problem.function().unwrap().value(&problem.start);
        let (value, stated) = (value.unwrap(), problem.value.expect("every classical problem states f(x₀)"));
        assert!((value - stated).abs() <= 1e-9 * stated.abs().max(1.0), "{}: {value} {stated}", problem.name);
    }
}

#[test]
fn auto_reaches_the_best_known_values() {
    let mut missed = vec![];
    let mut others = 0;
    for problem in all().0 {
        let outcome = run(&problem, "auto", 100_000);
        let missing = outcome.best_value - problem.best;
        assert!(outcome.failure.is_none(), "{}: {outcome:?}", problem.name);
        if problem.convex {
            assert!(missing <= problem.bar(), "{}: f − f* = {missing:e}, {}", problem.name, outcome.status);
        } else {
            others += 1;
            if missing > problem.bar() {
                missed.push((problem.name, missing));
            }
        }
        // Published to eight digits: less would be another function.
        assert!(missing >= -1e-6 * problem.best.abs().max(1.0), "{missing:e}");
    }
    let reached = others - missed.len();
    assert!(reached as f64 >= 0.85 * others as f64, "{reached} of {others}, and not {missed:?}");
}

/// What the bundle method says of its last point: the bound, and the radius of its ball.
fn bound(outcome: &Outcome) -> (f64, f64) {
    let named = |part: &str| outcome.measures.iter().find(|m| m.name.contains(part)).map(|m| m.value);
    (named("bound on f").unwrap_or(f64::INFINITY), named("radius").unwrap_or(0.0))
}

#[test]
fn the_bundle_method_bounds_what_is_missing_for_convex_problems() {
    for problem in all().0.into_iter().filter(|p| p.convex) {
        // The minimum as far as anything here knows it, to more than the published digits.
        let finished = run(&problem, "auto", 100_000).best_value;
        for steps in [3, 10, 30, 100] {
            let outcome = run(&problem, "bundle", steps);
            let (gap, radius) = bound(&outcome);
            let best = problem.best.min(finished);
            let rounding = 1e-12 * outcome.value.abs().max(1.0);
            // The bound holds over a ball, in which the minimizer need not lie yet.
            let moved: f64 = outcome.last.iter().zip(&problem.start).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(radius >= moved, "{}", problem.name);
            let far = run(&problem, "auto", 100_000).best;
            let away: f64 = far.iter().zip(&outcome.last).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            if away <= radius {
                assert!(outcome.value - best.max(finished) <= gap + rounding, "{} after {steps}", problem.name);
            }
        }
    }
}

/// Evaluations until f − f* ≤ 10⁻⁴ max(1, |f*|), by the same number of steps as the run has made by then.
fn until(problem: &Problem, name: &str) -> Option<u64> {
    let mut f = problem.function().unwrap();
    let method = method(name, &[]).unwrap();
    let reached = AtomicBool::new(false);
    let target = problem.best + 1e-4 * problem.best.abs().max(1.0);
    let watch = &mut |e: Event<'_>| reached.store(e.best_value <= target, std::sync::atomic::Ordering::Relaxed);
    let outcome =
        minimize(&method, &mut f, &problem.start, Run { steps: 5_000, interrupted: &reached, watch }).unwrap();
    (outcome.best_value <= target).then(|| evaluations(&outcome))
}

#[test]
fn the_bundle_method_needs_fewer_evaluations_than_gradient_sampling() {
    let (mut bundle, mut sampling) = (0, 0);
    for problem in all().0.into_iter().filter(|p| p.convex && p.value.unwrap_or(1.0) > p.best) {
        let own = until(&problem, "bundle").unwrap_or_else(|| panic!("{}", problem.name));
        let other = until(&problem, "gradient-sampling");
        assert!(other.is_none_or(|other| own < other), "{}: {own} against {other:?}", problem.name);
        bundle += own;
        sampling += other.unwrap_or(0);
    }
    assert!(10 * bundle < sampling, "{bundle} against {sampling}");
}

#[test]
fn runs_repeat_bit_for_bit() {
    for problem in all().0.into_iter().take(12) {
        for name in ["bundle", "bfgs", "prox-linear", "gradient-sampling", "ingd", "auto"] {
            assert_eq!(run(&problem, name, 50), run(&problem, name, 50), "{}: {name}", problem.name);
        }
    }
}

#[test]
fn threads_give_the_same_bits() {
    let problems: Vec<Problem> = all().0.into_iter().filter(|p| p.dimension() <= 12).collect();
    let alone: Vec<Outcome> = problems.iter().map(|p| run(p, "auto", 50)).collect();
    let together = std::thread::scope(|scope| {
        let started: Vec<_> = problems.iter().map(|p| scope.spawn(|| run(p, "auto", 50))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<Outcome>>()
    });
    assert_eq!(alone, together);
}

#[test]
fn prox_linear_needs_fewer_evaluations_than_bfgs_where_minima_are_sharp() {
    for problem in all().0.into_iter().filter(|p| ["EVD52", "Kowalik-Osborne", "EXP"].contains(&p.name.as_str())) {
        let outcome = run(&problem, "prox-linear", 1000);
        let missing = outcome.best_value - problem.best;
        assert!(missing <= 1e-9, "{}: {missing:e}, {}", problem.name, outcome.status);
        let steps = |o: &Outcome| o.steps;
        assert!(steps(&outcome) < steps(&run(&problem, "bfgs", 10_000)), "{}: {}", problem.name, outcome.steps);
    }
}

#[test]
fn every_method_that_finishes_solves_small_problems() {
    let small = ["CB3", "QL", "Wolfe", "F2d", "Rosenbrock"];
    for problem in all().0.into_iter().filter(|p| small.contains(&p.name.as_str())) {
        // What follows the ties of Wolfe's function is not convex.
        let kept = problem.name != "Wolfe";
        let names = ["bundle", "bfgs", "gradient-sampling", "ingd", "auto"];
        for name in names.into_iter().chain(kept.then_some("prox-linear")) {
            let missing = run(&problem, name, 5_000).best_value - problem.best;
            assert!(missing < 1e-4, "{} by {name}: {missing:e}", problem.name);
        }
    }
}

/// The best value met, and evaluations, of a run that ends where the bar is reached.
fn to_the_bar(problem: &Problem) -> (f64, u64) {
    let mut f = problem.function().unwrap();
    let (method, reached) = (method("auto", &[]).unwrap(), AtomicBool::new(false));
    let target = problem.best + problem.bar();
    let watch = &mut |e: Event<'_>| reached.store(e.best_value <= target, std::sync::atomic::Ordering::Relaxed);
    let run = Run { steps: 50_000, interrupted: &reached, watch };
    let outcome = minimize(&method, &mut f, &problem.start, run).unwrap();
    (outcome.best_value, evaluations(&outcome))
}

fn reaches_the_best_known_values(problems: &[Problem]) {
    for problem in problems {
        let (value, evaluations) = to_the_bar(problem);
        let missing = value - problem.best;
        println!("{} {missing:e} {evaluations}", problem.name);
        assert!(missing <= problem.bar(), "{}: f − f* = {missing:e}", problem.name);
    }
}

#[test]
fn auto_reaches_the_best_known_values_of_large_problems() {
    let quick = ["ActiveFaces", "Brown 2", "Chained CB3 II", "Chained Crescent I 1000"];
    let large: Vec<Problem> = all().1.into_iter().filter(|p| quick.iter().any(|q| p.name.contains(q))).collect();
    assert_eq!(large.len(), quick.len());
    reaches_the_best_known_values(&large);
}

#[test]
#[ignore = "tens of thousands of steps with a thousand variables: minutes with optimization"]
fn auto_reaches_the_best_known_values_of_all_large_problems() {
    reaches_the_best_known_values(&all().1);
}
