//! Transformations compose: each takes a program to a program, in any order.

mod common;

use clarke::{Program, Tensor, registry, text};
use common::{Draw, close, numbers};

fn smooth() -> Program {
    Program::trace(&[&[3], &[2, 3]], |v| {
        (v[1].matmul(v[0]).tanh().square().sum() + (v[0] * v[0].sin()).sum()).softplus()
    })
    .unwrap()
}

fn kinked() -> Program {
    Program::trace(&[&[3], &[2, 3]], |v| v[1].matmul(v[0]).relu().norm2() + v[0].abs().max() - v[0].sort().get(1))
        .unwrap()
}

fn point(seed: u64) -> Vec<Tensor> {
    let mut draw = Draw::new(seed);
    vec![draw.tensor(&[3], (-1.0, 1.0)), draw.tensor(&[2, 3], (-1.0, 1.0))]
}

#[test]
fn the_jacobian_of_the_gradient_is_the_hessian() {
    let f = smooth().holding(&["x1"]).unwrap();
    let x = point(1);
    let hessian = f.gradient().unwrap().jacobian().unwrap().eval(&x).unwrap().remove(0);
    assert_eq!(hessian.shape(), [3, 3]);
    for i in 0..3 {
        for j in 0..3 {
            assert!((hessian.data()[3 * i + j] - hessian.data()[3 * j + i]).abs() < 1e-12, "symmetric");
        }
        let e = Tensor::from_fn(&[3], |k| if k == i { 1.0 } else { 0.0 });
        let column = f.hvp().unwrap().eval(&[x.clone(), vec![e]].concat()).unwrap().remove(0);
        let row: Vec<f64> = (0..3).map(|j| hessian.data()[3 * j + i]).collect();
        assert!(close(column.data(), &row, 1e-12));
    }
}

#[test]
fn forward_and_reverse_jacobians_agree() {
    for (program, x) in [(smooth(), point(2)), (kinked(), point(3))] {
        let gradient = program.gradient().unwrap().eval(&x).unwrap();
        assert!(close(&numbers(&program.jacobian_forward().unwrap().eval(&x).unwrap()), &numbers(&gradient), 1e-12));
        assert!(close(&numbers(&program.jacobian_reverse().unwrap().eval(&x).unwrap()), &numbers(&gradient), 1e-12));
    }
}

#[test]
fn the_batch_of_a_gradient_is_the_gradient_of_a_sum_of_batches() {
    for program in [smooth(), kinked()] {
        let rows: Vec<Vec<Tensor>> = (0..4).map(point).collect();
        let shared = rows[0][1].clone();
        let stacked = common::stack(&rows.iter().map(|r| &r[0]).collect::<Vec<_>>());
        let gradient = program.holding(&["x1"]).unwrap().gradient().unwrap();
        let one = gradient.batch(&[true], 4).unwrap().eval(&[stacked.clone(), shared.clone()]).unwrap();
        let batched = program.batch(&[true], 4).unwrap();
        let total = clarke::Builder::new();
        let inputs: Vec<_> = batched.inputs().iter().map(|i| total.input(&i.name, &i.shape, i.role.clone())).collect();
        let sum = total.inline(&batched, &inputs)[0].sum();
        let total = total.finish(&[sum]).unwrap().holding(&["x1"]).unwrap();
        let two = total.gradient().unwrap().eval(&[stacked, shared]).unwrap();
        assert!(close(one[0].data(), two[0].data(), 1e-12));
    }
}

#[test]
fn transposing_twice_is_the_identity() {
    let linear = Program::trace(&[&[3], &[2, 3]], |v| v[1].matmul(v[0]) * 2.0).unwrap();
    let twice = linear.transpose(&[0]).unwrap().transpose(&[1]).unwrap();
    let x = point(5);
    let (a, b) = (linear.eval(&x).unwrap(), twice.eval(&[x[1].clone(), x[0].clone()]).unwrap());
    assert!(close(a[0].data(), b[0].data(), 1e-14));
}

#[test]
fn every_stage_can_be_simplified_printed_and_read() {
    for program in [smooth(), kinked()] {
        let stages = [
            program.linearize().unwrap(),
            program.vjp().unwrap(),
            program.value_and_gradient().unwrap(),
            program.hvp().unwrap(),
            program.jacobian().unwrap(),
            program.batch(&[true, true], 2).unwrap(),
            program.gradient().unwrap().batch(&[true], 2).unwrap(),
        ];
        for stage in stages {
            let simple = stage.simplify();
            assert!(simple.nodes().len() <= stage.nodes().len());
            for p in [&stage, &simple] {
                let back = text::parse_program(&registry(), &p.to_string()).unwrap();
                assert_eq!(back.to_string(), p.to_string());
            }
            let mut draw = Draw::new(9);
            let inputs: Vec<Tensor> = stage
                .inputs()
                .iter()
                .filter(|i| !i.role.is_selection())
                .map(|i| draw.tensor(&i.shape, (-1.0, 1.0)))
                .collect();
            assert!(close(&numbers(&stage.eval(&inputs).unwrap()), &numbers(&simple.eval(&inputs).unwrap()), 1e-14));
        }
    }
}

#[test]
fn what_is_not_linear_has_no_transpose() {
    let error = Program::trace(&[&[3]], |v| v[0].tanh()).unwrap().transpose(&[0]).unwrap_err();
    assert!(error.to_string().contains("tanh has no derivative: it is not linear"), "{error}");
    assert!(error.to_string().contains("transformations.rs"), "{error}");
    let error = Program::trace(&[&[3]], |v| v[0] * v[0]).unwrap().transpose(&[0]).unwrap_err();
    assert!(error.to_string().contains("a product of two linear terms"), "{error}");
}

#[test]
fn a_gradient_is_of_one_scalar() {
    let vector = Program::trace(&[&[3]], |v| v[0] * 2.0).unwrap();
    let said = vector.gradient().unwrap_err().to_string();
    assert!(said.contains("one scalar output, but this one returns an array of shape [3]"), "{said}");
    let two = Program::trace_many(&[&[]], |v| vec![v[0], v[0] * 2.0]).unwrap();
    assert!(two.gradient().is_err() && two.jacobian().is_err());
}

/// The cotangents of parts that fill an array along an axis are put together; others are added up among zeros.
#[test]
fn parts_are_put_together() {
    let x = vec![Draw::new(3).tensor(&[4, 3], (-1.0, 1.0))];
    for (text, together) in [
        ("sum(square(x[:1])) + sum(sin(x[1:]))", true),
        ("sum(sin(x[1:])) + sum(square(x[:1]))", true),
        ("sum(exp(x[0])) + sum(x[1:]**3)", true),
        ("sum(square(x[:, :2])) + sum(sin(x[:, 2]))", true),
        ("sum(square(x[:2])) + sum(sin(x[1:]))", false),
        ("sum(square(x[:1])) + sum(sin(x[2:]))", false),
        ("sum(square(x[:2, :2])) + sum(sin(x[2:, 2:]))", false),
        ("sum(square(x[:1])) + sum(sin(x[::-1][:3]))", false),
    ] {
        let f = clarke::parse(text, &[("x", &[4, 3])]).unwrap();
        let gradient = f.gradient().unwrap();
        assert_eq!(gradient.to_string().contains("concatenate"), together, "{text}: {gradient}");
        assert_eq!(gradient.to_string().contains("put_slice"), !together, "{text}: {gradient}");
        let found = gradient.eval(&x).unwrap().remove(0);
        for k in 0..12 {
            let moved = |by: f64| vec![Tensor::from_fn(&[4, 3], |i| x[0].data()[i] + if i == k { by } else { 0.0 })];
            let value = |by: f64| f.eval(&moved(by)).unwrap()[0].item();
            assert!((found.data()[k] - (value(1e-6) - value(-1e-6)) / 2e-6).abs() < 1e-8, "{text} at {k}");
        }
    }
}
