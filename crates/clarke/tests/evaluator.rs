//! The compiled evaluator gives what the slow analysis at the point gives, errors included.

mod common;

use clarke::{Evaluator, Fault, Policy, Program, Tensor};
use common::{Draw, close, numbers};

const INPUTS: &[(&str, &[usize])] = &[("x", &[3]), ("c", &[3]), ("y", &[])];

fn evaluator(text: &str, policy: Policy) -> (Evaluator, Program, Tensor) {
    let program = clarke::parse(text, INPUTS).unwrap().varying(&["x", "y"]).unwrap();
    let data = Tensor::from([1.0, -2.0, 0.5]);
    (Evaluator::new(&program, std::slice::from_ref(&data), policy).unwrap(), program, data)
}

#[test]
fn values_and_gradients_are_those_of_the_analysis() {
    let texts = [
        "sum(abs(x * c)) + y**2",
        "norm2(x) * max(y, 1) + sqrt(2 + max(x))",
        "sum(where(x > c, x * c, c * x)) - y",
        "fold(lambda s, t: relu(s * 0.5 - t), y, x)",
    ];
    for text in texts {
        for policy in [Policy::default(), Policy::jax(), Policy::Step(0.25), Policy::Random(3)] {
            let (mut fast, program, data) = evaluator(text, policy.clone());
            let mut draw = Draw::new(5);
            for k in 0..8 {
                let flat = if k % 2 == 0 { draw.grid(&[4], (-1.0, 1.0)) } else { draw.tensor(&[4], (-1.0, 1.0)) };
                let point = [Tensor::from(flat.data()[..3].to_vec()), data.clone(), flat.data()[3].into()];
                let mut gradient = [0.0; 4];
                let value = fast.value_and_gradient(flat.data(), &mut gradient).unwrap();
                let at = program.at(&point).unwrap();
                assert!(close(&[value], &[at.value().unwrap()], 1e-14), "{text}");
                assert_eq!(fast.value(flat.data()).unwrap(), value);
                let slow = numbers(&at.gradient(&policy).unwrap());
                assert!(close(&gradient, &slow, 1e-13), "{text} at {point:?} under {policy}: {gradient:?} {slow:?}");
            }
        }
    }
}

#[test]
fn a_choice_at_a_tie_does_not_hide_a_point_without_derivative() {
    let fault = |text: &str, x: [f64; 4]| {
        let (mut fast, ..) = evaluator(text, Policy::default());
        *fast.value_and_gradient(&x, &mut [0.0; 4]).unwrap_err().fault
    };
    // The default picks 0 at the relu, and 0 times the infinite slope would be 0.
    assert!(matches!(fault("sum(relu(sqrt(x)))", [1.0, 0.0, 2.0, 0.0]), Fault::NotLipschitz { .. }));
    assert!(matches!(fault("sum(where(x > c, 1, 0)) + y", [1.0, 0.0, 2.0, 0.0]), Fault::Discontinuous { .. }));
    assert!(matches!(fault("sum(where(x == c, c, x)) + y", [1.0, 0.0, 2.0, 0.0]), Fault::NoDerivative { .. }));
    assert!(matches!(fault("sum(log(x))", [1.0, -1.0, 2.0, 0.0]), Fault::NotFinite { .. }));
    assert!(matches!(fault("exp(1000 * y)", [0.0, 0.0, 0.0, 1.0]), Fault::NotFinite { .. }));
}

#[test]
fn data_are_checked() {
    let program = clarke::parse("sum(x * c) + y", INPUTS).unwrap().varying(&["x", "y"]).unwrap();
    let fault = |data: &[Tensor]| *Evaluator::new(&program, data, Policy::default()).err().unwrap().fault;
    assert!(matches!(fault(&[]), Fault::InputCount { .. }));
    assert!(matches!(fault(&[[1.0].into()]), Fault::InputShape { .. }));
    assert!(matches!(fault(&[[1.0, f64::NAN, 2.0].into()]), Fault::InputNotFinite { .. }));
    let vector = clarke::parse("x * c", INPUTS).unwrap();
    assert!(matches!(*Evaluator::new(&vector, &[], Policy::default()).err().unwrap().fault, Fault::NotScalar { .. }));
}
