//! Proximal operators are minimizers, projections are projections, and methods that take them solve what they say.

use clarke::Tensor;
use clarke::optim::{
    Affine, Convexity, FirstOrder, Method, Oracle, Outcome, Prox, Run, Setup, StepRule, Subgradient, minimize,
};
use clarke::program::class::Level;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const N: usize = 6;

/// One of each, and some together.
fn all() -> Vec<Prox> {
    let a = Tensor::new(&[3, N], (0..3 * N).map(|k| ((k * k) % 7) as f64 - 3.0).collect()).unwrap();
    // The third row is the sum of the others, and so is its number.
    let row = |i: usize, j: usize| a.data()[i * N + j];
    let a = Tensor::from_fn(&[3, N], |k| if k < 2 * N { a.data()[k] } else { row(0, k - 2 * N) + row(1, k - 2 * N) });
    let affine = Affine::new(&a, &Tensor::vector([1.0, -2.0, -1.0])).unwrap();
    let text = [
        "l1(0.7)",
        "group(0.9,2)",
        "group(0.5,6)",
        "nuclear(0.8,2,3)",
        "nuclear(0.3,3,2)",
        "box(-1,0.5)",
        "box(0,inf)",
        "box(2,2)",
        "simplex(1.5)",
        "ball(2)",
        "l1ball(1.25)",
        "l1(0.5) on 0..2; simplex(1) on 3..6",
    ];
    text.iter().map(|t| t.parse().unwrap()).chain([Prox::Affine(Arc::new(affine))]).collect()
}

fn applied(prox: &Prox, t: f64, x: &[f64]) -> Vec<f64> {
    prox.check(x.len()).unwrap();
    let mut out = x.to_vec();
    prox.apply(t, &mut out, &mut vec![]);
    out
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

fn vectors() -> impl Strategy<Value = Vec<f64>> {
    // Halves, so that entries tie and stand on thresholds, and any numbers.
    let entry = prop_oneof![(-8i32..8).prop_map(|k| f64::from(k) / 2.0), -4.0..4.0f64];
    proptest::collection::vec(entry, N)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_the_minimizer(x in vectors(), z in vectors(), t in 0.05..3.0f64, near in 0.0..1.0f64) {
        for prox in all() {
            let p = applied(&prox, t, &x);
            let objective = |z: &[f64]| t * prox.value(z) + 0.5 * distance(z, &x).powi(2);
            // A point at which r is finite, anywhere or close by.
            let mut other: Vec<f64> = p.iter().zip(&z).map(|(p, z)| p + near.powi(4) * (z - p)).collect();
            prox.enter(&mut other, &mut vec![]);
            // The objective is strongly convex: away from its minimizer it is larger by half the squared distance.
            let least = objective(&p) + 0.5 * distance(&p, &other).powi(2);
            prop_assert!(objective(&other) >= least - 1e-9, "{prox}: {p:?} against {other:?}");
        }
    }

    #[test]
    fn it_is_firmly_nonexpansive(x in vectors(), y in vectors(), t in 0.05..3.0f64) {
        for prox in all() {
            let (p, q) = (applied(&prox, t, &x), applied(&prox, t, &y));
            let inner: f64 = (0..N).map(|i| (p[i] - q[i]) * (x[i] - y[i])).sum();
            prop_assert!(distance(&p, &q).powi(2) <= inner + 1e-9, "{prox}");
        }
    }

    #[test]
    fn projections_are_idempotent_and_know_no_step(x in vectors(), t in 0.05..3.0f64) {
        for prox in all().into_iter().filter(Prox::is_set) {
            let p = applied(&prox, t, &x);
            prop_assert!(distance(&p, &applied(&prox, 7.0, &x)) == 0.0);
            prop_assert!(distance(&p, &applied(&prox, t, &p)) < 1e-12, "{prox}: {p:?}");
            let mut entered = x.clone();
            prox.enter(&mut entered, &mut vec![]);
            prop_assert!(entered == p);
            prop_assert!(prox.value(&p) == 0.0);
        }
    }
}

#[test]
fn closed_forms_are_those_of_the_books() {
    let apply = |text: &str, x: &[f64]| applied(&text.parse().unwrap(), 0.5, x);
    assert_eq!(apply("l1(2)", &[3.0, -0.5, -2.0]), [2.0, 0.0, -1.0]);
    assert_eq!(apply("group(5,2)", &[3.0, 4.0, 0.3, 0.4]), [1.5, 2.0, 0.0, 0.0]);
    assert_eq!(apply("box(-1,1)", &[3.0, -0.5, -2.0]), [1.0, -0.5, -1.0]);
    assert_eq!(apply("simplex(1)", &[1.0, 1.0, -5.0]), [0.5, 0.5, 0.0]);
    assert_eq!(apply("ball(5)", &[6.0, 8.0]), [3.0, 4.0]);
    assert_eq!(apply("l1ball(1)", &[-2.0, 0.5]), [-1.0, 0.0]);
    // Diagonal matrices have their entries for singular values.
    let shrunk = apply("nuclear(2,2,2)", &[3.0, 0.0, 0.0, -0.5]);
    assert!(distance(&shrunk, &[2.0, 0.0, 0.0, 0.0]) < 1e-14, "{shrunk:?}");
}

/// Σ |x_i − c_i| or ½ Σ (x_i − c_i)².
struct To {
    c: Vec<f64>,
    squared: bool,
}

impl Oracle for To {
    fn dimension(&self) -> usize {
        self.c.len()
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        let off = |i: usize| x[i] - self.c[i];
        let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
        (0..x.len()).for_each(|i| gradient[i] = if self.squared { off(i) } else { sign(off(i)) });
        Ok((0..x.len()).map(|i| if self.squared { 0.5 * off(i) * off(i) } else { off(i).abs() }).sum())
    }

    fn level(&self) -> Level {
        Level::PiecewisePolynomial
    }

    fn convexity(&self) -> Convexity {
        Convexity::Convex
    }
}

fn solve(mut f: To, prox: &str, rule: &str) -> Outcome {
    let rule: StepRule = rule.parse().unwrap();
    let setup = Setup { prox: Some(prox.parse().unwrap()), ..Setup::new(rule) };
    let method = FirstOrder::new(Subgradient, setup).unwrap();
    assert!(method.guarantee(clarke::optim::Facts::of(&f)).violated.is_empty(), "{prox} {rule}");
    let start = vec![0.0; f.c.len()];
    let run = Run { steps: 5000, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
    minimize(&method, &mut f, &start, run).unwrap()
}

#[test]
fn a_proximal_method_minimizes_the_sum() {
    // ½ ‖x − c‖² + ‖x‖₁ has the minimizer that soft thresholding gives, with zeros that are zeros.
    let outcome = solve(To { c: vec![3.0, -0.25, -2.0], squared: true }, "l1(1)", "0.5/(k+1)^0.75");
    assert!(distance(&outcome.best, &[2.0, 0.0, -1.0]) < 1e-6, "{:?}", outcome.best);
    assert_eq!(outcome.best[1], 0.0);
    let optimum = 0.5 + 0.25 * 0.25 / 2.0 + 0.5 + 3.0;
    assert!((outcome.best_value - optimum).abs() < 1e-9, "{}", outcome.best_value);
}

#[test]
fn a_projected_method_stays_in_its_set() {
    // Σ |x_i − c_i| over the simplex of radius 1 is least where x ≤ c takes all it can: 1.5 + 0 − 1.
    let f = To { c: vec![1.5, 0.0, 0.0], squared: false };
    let outcome = solve(f, "simplex(1)", "1/(k+1)^0.75");
    assert!((outcome.best_value - 0.5).abs() < 5e-3, "{}", outcome.best_value);
    assert!(outcome.best.iter().all(|x| *x >= 0.0) && (outcome.best.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // The start 0 is not on the simplex: the run starts from its projection.
    assert!((outcome.trace[0].1 - (1.5 - 1.0 / 3.0 + 2.0 / 3.0)).abs() < 1e-12);
}

#[test]
fn conditions_of_the_theorem_for_proximal_steps_are_named() {
    let guarantee = |rule: &str, prox: Prox| {
        let setup = Setup { prox: Some(prox), ..Setup::new(rule.parse().unwrap()) };
        let facts =
            clarke::optim::Facts { level: Level::PiecewiseLinear, convexity: Convexity::Convex, terms: 1, parts: None };
        FirstOrder::new(Subgradient, setup).unwrap().guarantee(facts)
    };
    assert!(guarantee("1/(k+1)^0.5", Prox::L1(1.0)).text.contains("Σ α_k² < ∞ is not satisfied"));
    assert!(guarantee("1/(k+1)", Prox::L1(1.0)).violated.is_empty());
    assert!(guarantee("polyak(0)", Prox::Ball(1.0)).violated.is_empty());
    assert!(guarantee("polyak(0)", Prox::L1(1.0)).text.contains("know nothing of the regularizer"));
}
