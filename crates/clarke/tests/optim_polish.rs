//! Runs end near critical points; polishing ends on them, with a verdict.

#[path = "../../clarke-cli/src/problems.rs"]
#[allow(dead_code)]
mod problems;

use clarke::optim::{Convex, Outcome, Run, method, minimize};
use clarke::{Checked, Evaluator, Policy, Precision, Program, SetOptions, Tensor, Verdict};
use problems::{Problem, all};
use std::sync::atomic::AtomicBool;

fn auto(oracle: &mut dyn clarke::optim::Oracle, start: &[f64]) -> Outcome {
    let run = Run { steps: 100_000, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
    minimize(&method("auto", &[]).unwrap(), oracle, start, run).unwrap()
}

/// Whether the polished best point of a run is critical, and how far its ties are met.
fn judged(problem: &Problem) -> Option<(bool, f64)> {
    let outcome = auto(&mut problem.function().unwrap(), &problem.start);
    if outcome.best_value - problem.best > problem.bar() {
        return None;
    }
    let program = problem.program().unwrap();
    let polished = program.at(&problem.inputs(&outcome.best)).unwrap().polish().unwrap()?;
    assert!(polished.value <= outcome.best_value + 1e-12 * outcome.best_value.abs().max(1.0), "{}", problem.name);
    let tolerance = polished.precision.tolerance();
    let judged =
        program.at(&polished.point).unwrap().judge(&SetOptions { tolerance, ..SetOptions::default() }).unwrap();
    // Of a single gradient only 0 is 0 to the verdict.
    let smooth = judged.verdict == Verdict::Smooth && polished.norm <= 1e-9;
    Some((smooth || judged.clarke_critical == Some(true), tolerance))
}

#[test]
fn where_the_best_value_is_reached_the_point_is_critical() {
    let (mut critical, mut not) = (0, vec![]);
    for problem in all().0.into_iter().filter(|p| p.dimension() <= 12) {
        match judged(&problem) {
            Some((true, tolerance)) => {
                assert!(tolerance <= 1e-9, "{}: {tolerance:e}", problem.name);
                critical += 1;
            }
            other => not.push((problem.name, other)),
        }
    }
    println!("{critical} critical; {not:?}");
    assert!(critical >= 24, "{critical}, not {not:?}");
}

/// The columns of a table, each with mean 0 and standard deviation 1, and its last column as it is.
fn diabetes() -> (Tensor, Tensor) {
    let text = include_str!("../../../data/diabetes.csv");
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|x| x.parse().unwrap()).collect()).collect();
    let (n, count) = (rows[0].len() - 1, rows.len());
    let column = |j: usize| rows.iter().map(move |row| row[j]);
    let moments: Vec<(f64, f64)> = (0..n)
        .map(|j| {
            let mean = column(j).sum::<f64>() / count as f64;
            (mean, (column(j).map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64).sqrt())
        })
        .collect();
    let x = Tensor::from_fn(&[count, n], |k| (rows[k / n][k % n] - moments[k % n].0) / moments[k % n].1);
    (x, Tensor::vector(column(n).collect::<Vec<_>>()))
}

/// min Σ |X w + b − y|/m + 0.01 ‖w‖₁ by the simplex method: what is positive and negative in residuals and weights apart.
fn linear_program(x: &Tensor, y: &Tensor) -> f64 {
    use microlp::{ComparisonOp, OptimizationDirection, Problem};
    let [rows, columns] = x.shape() else { unreachable!("a matrix") };
    let mut program = Problem::new(OptimizationDirection::Minimize);
    let part = |program: &mut Problem, cost: f64| program.add_var(cost, (0.0, f64::INFINITY));
    let w: Vec<_> = (0..*columns).map(|_| (part(&mut program, 0.01), part(&mut program, 0.01))).collect();
    let b = program.add_var(0.0, (f64::NEG_INFINITY, f64::INFINITY));
    for i in 0..*rows {
        let cost = 1.0 / *rows as f64;
        let (above, below) = (part(&mut program, cost), part(&mut program, cost));
        let mut row = vec![(b, 1.0), (above, -1.0), (below, 1.0)];
        for (j, (plus, minus)) in w.iter().enumerate() {
            let entry = x.data()[i * columns + j];
            row.extend([(*plus, entry), (*minus, -entry)]);
        }
        program.add_constraint(row, ComparisonOp::Eq, y.data()[i]);
    }
    match program.solve().expect("the program has a solution") {
        microlp::SolveOutcome::Solution(solution) => solution.objective(),
        microlp::SolveOutcome::Interrupted(_) => unreachable!("there is no limit"),
    }
}

#[test]
fn the_regression_of_the_readme_ends_at_the_optimum_of_its_linear_program() {
    let (x, y) = diabetes();
    let inputs: [(&str, &[usize]); 4] = [("w", &[10]), ("b", &[]), ("X", &[442, 10]), ("y", &[442])];
    let text = "mean(abs(X @ w + b - y)) + 0.01*norm1(w)";
    let program = clarke::parse(text, &inputs).unwrap().varying(&["w", "b"]).unwrap();
    let optimum = linear_program(&x, &y);
    // The primal and dual bound of data/README.md, which agree in all of these digits.
    assert!((optimum - 44.233825443498).abs() < 1e-10 * optimum, "{optimum}");
    let evaluator = Evaluator::new(&program, &[x, y], Policy::default()).unwrap();
    let mut f = Convex(evaluator);
    let outcome = auto(&mut f, &[0.0; 11]);
    assert!((outcome.best_value - optimum).abs() < 1e-6 * optimum, "{outcome:?}");
    let polished = program.at(&f.0.inputs(&outcome.best)).unwrap().polish().unwrap().expect("absolute values polish");
    assert!((polished.value - optimum).abs() < 1e-9 * optimum, "{polished:?}");
    // A vertex: as many active differences as variables.
    assert_eq!(polished.active, 11);
    let tolerance = polished.precision.tolerance();
    assert!(tolerance < 1e-11, "{tolerance:e}");
    let judged =
        program.at(&polished.point).unwrap().judge(&SetOptions { tolerance, ..SetOptions::default() }).unwrap();
    assert_eq!(judged.verdict, Verdict::ClarkeCritical);
    // The loss is regular, so that its certificate is checked in full although ties are met within a tolerance only.
    assert_eq!(judged.certificate.expect("it is critical").check(&program).unwrap(), Checked::Verified);
}

#[test]
fn exact_ties_are_said_to_be_exact_and_others_are_not() {
    let f = Program::trace(&[&[], &[]], |v| v[0].abs() + (v[0] - 2.0 * v[1]).abs() + 0.25 * v[1]).unwrap();
    let polished = f.at(&[1e-7.into(), (-2e-7).into()]).unwrap().polish().unwrap().unwrap();
    assert_eq!((polished.precision, polished.active, polished.value), (Precision::Exact, 2, 0.0));
    let root = Program::trace(&[&[]], |v| (v[0] * v[0] - 5.0).abs()).unwrap();
    let polished = root.at(&[2.23607.into()]).unwrap().polish().unwrap().unwrap();
    // √5 is no number of the machine.
    let Precision::Polished(tau) = polished.precision else { panic!("{polished:?}") };
    assert!(tau < 4e-15 && (polished.point[0].item() - 5f64.sqrt()).abs() < 1e-15);
}

#[test]
fn nothing_is_polished_where_nothing_is_critical_or_ties_are_no_differences() {
    let slope = Program::trace(&[&[]], |v| v[0].relu() + v[0]).unwrap();
    // At the tie the slopes are 1 and 2: a weight of −1 would combine them to 0, and the verdict does not fall for it.
    if let Some(found) = slope.at(&[1e-9.into()]).unwrap().polish().unwrap() {
        let judged = slope.at(&found.point).unwrap().judge(&SetOptions::default()).unwrap();
        assert_eq!(judged.clarke_critical, Some(false));
    }
    let norm = Program::trace(&[&[2]], |v| v[0].norm2()).unwrap();
    assert!(norm.at(&[[0.0, 0.0].into()]).unwrap().polish().unwrap().is_none());
}
