//! Rules for gradients, and refutations computed again without the library's checks.

use super::common::dot;
use clarke::check::{Conservative, Course, Refutation};
use clarke::{CheckOptions, CheckReport, GradientRule, Program, Result, Tensor, check_conservative};

/// A rule of one vector variable.
pub fn of_vector(rule: impl Fn(&[f64]) -> Vec<f64>) -> impl GradientRule {
    move |x: &[Tensor]| -> Result<Vec<Tensor>> { Ok(vec![Tensor::new(x[0].shape(), rule(x[0].data()))?]) }
}

/// A rule of scalar variables.
pub fn of_scalars(rule: impl Fn(&[f64]) -> Vec<f64>) -> impl GradientRule {
    move |x: &[Tensor]| -> Result<Vec<Tensor>> {
        let flat: Vec<f64> = x.iter().map(Tensor::item).collect();
        Ok(rule(&flat).into_iter().map(Tensor::scalar).collect())
    }
}

pub fn check(f: &Program, rule: &dyn GradientRule, point: &[Tensor]) -> CheckReport {
    check_conservative(f, rule, &[point.to_vec()], &CheckOptions::default()).unwrap()
}

/// The refutation of a report, after both of its numbers were computed again: the increment from two plain values, the
/// integral from a plain sum of the rule's pairings over many short steps.
pub fn refuted(f: &Program, rule: &dyn GradientRule, report: &CheckReport) -> Refutation {
    let Conservative::Refuted(found) = &report.conservative else { panic!("not refuted:\n{report}") };
    let flat = |x: &[Tensor]| -> Vec<f64> { x.iter().flat_map(|t| t.data().to_vec()).collect() };
    let value = |x: &[Tensor]| f.eval(x).unwrap()[0].item();
    let (first, last) = (&found.curve[0], &found.curve[found.curve.len() - 1]);
    let increment = value(last) - value(first);
    let slack = 1e-15 * (value(first).abs() + value(last).abs());
    assert!((increment - found.increment).abs() <= found.error + slack, "{increment}\n{report}");
    let mut integral = 0.0;
    if let [from, to] = found.curve.as_slice() {
        // Steps of a power of two: nodes of few digits stay where they are tied.
        const STEPS: usize = 1 << 10;
        let d: Vec<Tensor> =
            std::iter::zip(from, to).map(|(a, b)| Tensor::from_fn(a.shape(), |i| b.data()[i] - a.data()[i])).collect();
        for k in 0..STEPS {
            let t = (k as f64 + 0.5) / STEPS as f64;
            let at = |(a, d): (&Tensor, &Tensor)| Tensor::from_fn(a.shape(), |i| a.data()[i] + t * d.data()[i]);
            let x: Vec<Tensor> = std::iter::zip(from, &d).map(at).collect();
            integral += dot(&flat(&rule.gradient(&x).unwrap()), &flat(&d)) / STEPS as f64;
        }
    } else {
        for pair in found.curve.windows(2) {
            let d: Vec<f64> = std::iter::zip(flat(&pair[1]), flat(&pair[0])).map(|(b, a)| b - a).collect();
            let mean = |x: &[Tensor]| dot(&flat(&rule.gradient(x).unwrap()), &d);
            integral += 0.5 * (mean(&pair[0]) + mean(&pair[1]));
        }
    }
    let gap = found.increment - found.integral;
    assert!((integral - found.integral).abs() <= 0.05 * gap.abs(), "{integral} is not {}\n{report}", found.integral);
    assert!((increment - integral).abs() > 5.0 * found.error, "{report}");
    assert!(!report.passes());
    found.as_ref().clone()
}

pub fn inside(found: &Refutation, operator: &str) {
    assert_eq!(found.course, Course::Inside, "{found:?}");
    assert!(found.operators.iter().any(|o| o.contains(operator)), "{operator}: {found:?}");
}

pub fn passed(report: &CheckReport) {
    assert!(report.passes(), "{report}");
    let Conservative::Passed(on) = &report.conservative else { panic!("{report}") };
    assert!(on.curves >= 10, "{report}");
    assert!(report.refused.is_none(), "{report}");
}
