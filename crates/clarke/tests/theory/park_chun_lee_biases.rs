//! Park, Chun, Lee, "What does automatic differentiation compute for neural networks?", ICLR 2024: with distinct biases and
//! one sample, backpropagation of a relu network is an element of Clarke's subdifferential, whatever is chosen at ties;
//! without biases, or with two samples, it need not be.

use super::common::Draw;
use super::{clarke, read};
use clarke::{Containment, Policy, Program, Tensor};

fn inside(f: &Program, point: &[Tensor], policy: &Policy) -> bool {
    let g = f.at(point).unwrap().gradient(policy).unwrap();
    matches!(clarke(f, point).contains(&g, 1e-9).unwrap(), Containment::Inside(_))
}

const POLICIES: [Policy; 4] = [Policy::Step(0.0), Policy::Step(1.0), Policy::Step(0.3), Policy::Random(3)];

#[test]
fn with_biases_and_one_sample_every_choice_is_an_element() {
    let mut draw = Draw::new(10);
    let f = read(
        "c @ relu(B @ relu(A @ z + a) + b)",
        &[("A", &[2, 2]), ("a", &[2]), ("B", &[2, 2]), ("b", &[2]), ("c", &[2]), ("z", &[2])],
    )
    .holding(&["z"])
    .unwrap();
    let mut tied = 0;
    for _ in 0..40 {
        let integers = |draw: &mut Draw, shape: &[usize]| Tensor::from_fn(shape, |_| draw.below(3) as f64 - 1.0);
        let point: Vec<Tensor> = f.inputs().iter().map(|i| integers(&mut draw, &i.shape)).collect();
        tied += usize::from(!f.at(&point).unwrap().ties(0.0).unwrap().is_empty());
        for policy in &POLICIES {
            assert!(inside(&f, &point, policy), "{policy} at {point:?}");
        }
    }
    assert!(tied > 20, "{tied}");
}

#[test]
fn without_biases_or_with_two_samples_it_can_fail() {
    // Without biases: two weights that see the same input with opposite signs.
    let f = read("relu(w*z) - relu(-w*z)", &[("w", &[]), ("z", &[])]).holding(&["z"]).unwrap();
    assert!(!inside(&f, &[0.0.into(), 1.0.into()], &Policy::Step(0.0)));
    // Two samples share a bias: at b = 0 the loss relu(b) − relu(−b) is b.
    let g = read("sum([1, -1]*relu([1, -1]*b))", &[("b", &[])]);
    assert!(!inside(&g, &[0.0.into()], &Policy::Step(0.0)));
}
