//! The prox-linear method: quadratic convergence to sharp minima, what it is told of a function in parts, its measure.

use clarke::op::OPS;
use clarke::optim::{Convex, Event, Facts, Method, Oracle, Outcome, ProxLinear, Run, Status, minimize};
use clarke::program::Kind;
use clarke::program::op::{Curve, Op};
use clarke::{Evaluator, Policy, Tensor};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Numbers in [−1, 1), the same on every machine.
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn evaluator(text: &str, inputs: &[(&str, &[usize])], data: &[Tensor]) -> Evaluator {
    let program = clarke::parse(text, inputs).unwrap().varying(&["x"]).unwrap();
    Evaluator::new(&program, data, Policy::default()).unwrap()
}

fn run(f: &mut dyn Oracle, start: &[f64], watch: &mut dyn FnMut(Event<'_>)) -> Outcome {
    let run = Run { steps: 1000, interrupted: &AtomicBool::new(false), watch };
    minimize(&ProxLinear::default(), f, start, run).unwrap()
}

/// Distances to the solution after each step that moved.
fn errors(f: &mut dyn Oracle, start: &[f64], solution: &[f64]) -> (Vec<f64>, Outcome) {
    let mut all: Vec<f64> = vec![];
    let watch = &mut |e: Event<'_>| {
        let error = e.x.iter().zip(solution).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        if all.last() != Some(&error) {
            all.push(error);
        }
    };
    let outcome = run(f, start, watch);
    (all, outcome)
}

/// From the first error below 1/10 on, each is at most a multiple of the square of the one before.
fn falls_quadratically(errors: &[f64], multiple: f64) {
    let near: Vec<f64> = errors.iter().copied().skip_while(|e| *e > 0.1).collect();
    assert!(near.len() >= 3 && near[near.len() - 1] < 1e-11, "{errors:?}");
    assert!(near.windows(2).all(|w| w[1] <= multiple * w[0].powi(2) + 1e-11), "{errors:?}");
}

#[test]
fn it_converges_quadratically_to_sharp_minima() {
    // The largest of smooth functions: three of them meet in the plane.
    let text = "max(x[0]**4 + x[1]**2, (2 - x[0])**2 + (2 - x[1])**2, 2*exp(x[1] - x[0]))";
    let (all, outcome) = errors(&mut evaluator(text, &[("x", &[2])], &[]), &[2.0, 2.0], &[1.0, 1.0]);
    falls_quadratically(&all, 5.0);
    assert_eq!(outcome.status, Status::Converged, "{outcome:?}");
    // Robust phase retrieval: signs of measurements are lost, a tenth of them is wrong.
    let (m, n) = (80, 5);
    let mut next = numbers(3);
    let rows = Tensor::from_fn(&[m, n], |_| next());
    let solution: Vec<f64> = (0..n).map(|_| 1.0 + next()).collect();
    let b = Tensor::from_fn(&[m], |i| {
        let along: f64 = (0..n).map(|j| rows.data()[i * n + j] * solution[j]).sum();
        along.powi(2) + if i % 10 == 0 { 1.0 } else { 0.0 }
    });
    let start: Vec<f64> = solution.iter().map(|x| x + 0.1 * next()).collect();
    let inputs: [(&str, &[usize]); 3] = [("x", &[n]), ("A", &[m, n]), ("b", &[m])];
    let mut f = evaluator("mean(abs((A @ x)**2 - b))", &inputs, &[rows, b]);
    let (all, outcome) = errors(&mut f, &start, &solution);
    falls_quadratically(&all, 50.0);
    assert_eq!(outcome.status, Status::Converged, "{outcome:?}");
}

#[test]
fn without_parts_it_is_the_proximal_point_method() {
    struct Whole(Evaluator);
    impl Oracle for Whole {
        fn dimension(&self) -> usize {
            self.0.dimension()
        }

        fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
            self.0.value_and_gradient(x, gradient)
        }
    }
    let f = || evaluator("norm1(x) + max(x)**2 + sum((x - 1)**2)", &[("x", &[3])], &[]);
    let outcome = run(&mut Convex(Whole(f())), &[3.0, -1.0, 2.0], &mut |_| {});
    let apart = run(&mut f(), &[3.0, -1.0, 2.0], &mut |_| {});
    assert!((outcome.best_value - apart.best_value).abs() < 1e-9, "{outcome:?} {apart:?}");
    let facts = Facts::of(&Whole(f()));
    assert_eq!(ProxLinear::default().guarantee(facts).violated.len(), 1);
}

#[test]
fn what_is_promised_depends_on_what_follows_the_ties() {
    let of = |text: &str| Facts::of(&evaluator(text, &[("x", &[3])], &[]));
    let promised = ProxLinear::default().guarantee(of("max(sin(x)) + norm1(x*x - 1)"));
    assert!(promised.violated.is_empty() && promised.text.contains("h is convex by structure and piecewise linear"));
    assert_eq!(ProxLinear::default().guarantee(of("-norm1(x*x - 1)")).violated.len(), 1);
    let parts = of("sum(exp(x))").parts.unwrap();
    assert!(parts.smooth && parts.convex);
}

#[test]
fn a_step_that_fails_becomes_shorter() {
    // From 0.1 the first step leaves where the logarithm is defined.
    let outcome = run(&mut evaluator("abs(log(x[0]) + 1)", &[("x", &[1])], &[]), &[3.0], &mut |_| {});
    assert!((outcome.best[0] - (-1f64).exp()).abs() < 1e-9, "{outcome:?}");
}

/// What operators say of their convexity holds at midpoints, and of their growth along positive directions.
#[test]
fn curves_of_operators_are_as_declared() {
    let mut declared = 0;
    for entry in OPS {
        for sample in entry.samples {
            let program = clarke::parse(sample.text, sample.inputs).unwrap();
            let ops: Vec<&Arc<dyn Op>> = program
                .nodes()
                .iter()
                .filter_map(|n| if let Kind::Apply { op, .. } = &n.kind { Some(op) } else { None })
                .collect();
            let [op] = ops[..] else { continue };
            if op.convex() == Curve::Unknown {
                continue;
            }
            declared += 1;
            let mut next = numbers(declared);
            for _ in 0..200 {
                let shapes = program.inputs().iter().map(|i| i.shape.clone()).collect::<Vec<_>>();
                let (low, high) = sample.domain;
                let mut draw = || -> Vec<Tensor> {
                    shapes.iter().map(|s| Tensor::from_fn(s, |_| low + (high - low) * 0.5 * (1.0 + next()))).collect()
                };
                let (a, b) = (draw(), draw());
                let both = |f: &dyn Fn(f64, f64) -> f64| -> Vec<Tensor> {
                    std::iter::zip(&a, &b)
                        .map(|(a, b)| Tensor::from_fn(a.shape(), |k| f(a.data()[k], b.data()[k])))
                        .collect()
                };
                let value = |x: &[Tensor]| program.at(x).unwrap().outputs().remove(0);
                let (fa, fb, middle) = (value(&a), value(&b), value(&both(&|a, b| 0.5 * (a + b))));
                let larger = value(&both(&|a, b| a.max(b)));
                for k in 0..fa.data().len() {
                    let bend = 0.5 * (fa.data()[k] + fb.data()[k]) - middle.data()[k];
                    let noise = 1e-12 * fa.data()[k].abs().max(fb.data()[k].abs()).max(1.0);
                    let grows = larger.data()[k] >= fa.data()[k].max(fb.data()[k]) - noise;
                    match op.convex() {
                        Curve::Convex => assert!(bend >= -noise, "{}", op.name()),
                        Curve::Increasing => assert!(bend >= -noise && grows, "{}", op.name()),
                        Curve::ConcaveIncreasing => assert!(bend <= noise && grows, "{}", op.name()),
                        Curve::Unknown => {}
                    }
                }
            }
        }
    }
    assert!(declared >= 15, "{declared}");
}
