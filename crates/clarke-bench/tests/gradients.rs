//! Every program returns the value and the gradient of the loop written by hand.

use clarke_bench::{Size, WORKLOADS};

/// The largest difference of two vectors, relative to the largest entry of the second.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    a.iter().zip(b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / scale
}

#[test]
fn programs_agree_with_loops_written_by_hand() {
    for workload in WORKLOADS {
        let mut program = (workload.clarke)(Size::Small).unwrap_or_else(|e| panic!("{}: {e}", workload.name));
        let mut loops = (workload.hand)(Size::Small);
        let both = [program.value_and_gradient(), loops.value_and_gradient()];
        let alone = [program.value(), loops.value()];
        for value in [both[0], alone[0], alone[1]] {
            assert!(
                (value - both[1]).abs() <= workload.tolerance * both[1].abs(),
                "{}: the values of both {both:?}, and alone {alone:?}",
                workload.name
            );
        }
        let off = difference(&program.gradient(), &loops.gradient());
        assert!(off <= workload.tolerance, "{}: the gradients differ by {off}", workload.name);
    }
}
