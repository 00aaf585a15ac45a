//! The seed examples of Bolte and Pauwels: programs of one function with different derivatives at 0.

use clarke::{Policy, Program, Var};

fn at_zero(policy: &Policy, f: impl for<'p> Fn(Var<'p>) -> Var<'p>) -> f64 {
    let program = Program::trace(&[&[]], |v| f(v[0])).unwrap();
    program.at(&[0.0.into()]).unwrap().gradient(policy).unwrap()[0].item()
}

fn relu2(x: Var<'_>) -> Var<'_> {
    (-x).relu() + x
}

fn relu3(x: Var<'_>) -> Var<'_> {
    0.5 * (x.relu() + relu2(x))
}

fn zero(x: Var<'_>) -> Var<'_> {
    relu2(x) - x.relu()
}

#[test]
fn three_programs_of_relu_have_three_derivatives_at_0() {
    for policy in [Policy::tensorflow(), Policy::pytorch(), Policy::jax(), Policy::min_norm()] {
        assert_eq!(at_zero(&policy, |x| x.relu()), 0.0, "{policy}");
        assert_eq!(at_zero(&policy, relu2), 1.0, "{policy}");
        assert_eq!(at_zero(&policy, relu3), 0.5, "{policy}");
    }
}

#[test]
fn the_zero_function_can_have_any_derivative() {
    assert_eq!(at_zero(&Policy::pytorch(), zero), 1.0);
    for s in [-3.0, 0.25, 17.0] {
        assert_eq!(at_zero(&Policy::pytorch(), |x| s * zero(x)), s);
    }
}

#[test]
fn the_identity_can_have_a_spurious_critical_point() {
    assert_eq!(at_zero(&Policy::pytorch(), |x| x - zero(x)), 0.0);
    assert_eq!(at_zero(&Policy::Step(0.5), |x| x - zero(x)), 1.0);
}

#[test]
fn the_difference_of_equal_kinks_has_a_set() {
    let program = Program::trace(&[&[]], |v| v[0].abs() - v[0].abs()).unwrap();
    let at = program.at(&[0.0.into()]).unwrap();
    assert_eq!(at.ties(0.0).unwrap().len(), 2);
    // Simplified, the two are one node, and the difference of its derivative with itself is 0.
    let merged = program.simplify();
    assert_eq!(merged.at(&[0.0.into()]).unwrap().ties(0.0).unwrap().len(), 1);
    let draws: Vec<f64> = (0..50).map(|seed| at.gradient(&Policy::Random(seed)).unwrap()[0].item()).collect();
    assert!(draws.iter().all(|g| (-2.0..=2.0).contains(g)));
    assert!(draws.iter().any(|g| *g > 0.5) && draws.iter().any(|g| *g < -0.5), "{draws:?}");
}

#[test]
fn directions_give_elements_of_the_clarke_set() {
    for d in [-1.0, 1.0] {
        let along = Policy::Along(vec![vec![d.into()]]);
        assert_eq!(at_zero(&along, zero), 0.0);
        assert_eq!(at_zero(&along, |x| x - zero(x)), 1.0);
        assert_eq!(at_zero(&along, |x| x.relu() - (-x).relu()), 1.0);
        assert_eq!(at_zero(&along, |x| x.abs()), d);
        // The tie of the outer abs is decided by the tangent of the inner one.
        assert_eq!(at_zero(&along, |x| (x.abs() - 0.5 * x).abs()), if d > 0.0 { 0.5 } else { -1.5 });
    }
}

#[test]
fn further_directions_decide_what_the_first_does_not() {
    let program = Program::trace(&[&[], &[]], |v| v[1].relu() - (-v[1]).relu()).unwrap();
    let at = program.at(&[0.0.into(), 0.0.into()]).unwrap();
    let e1 = vec![1.0.into(), 0.0.into()];
    let e2 = vec![0.0.into(), 1.0.into()];
    let gradient = at.gradient(&Policy::Along(vec![e1, e2])).unwrap();
    assert_eq!((gradient[0].item(), gradient[1].item()), (0.0, 1.0));
}
