//! Scans are what they stand for: the same program with its steps written out.

mod common;

use clarke::{Policy, Program, Tensor, Var};
use common::{Draw, close, compile_filled, dot, numbers};

fn step<'q>(c: Var<'q>, x: Var<'q>, w: Var<'q>) -> Var<'q> {
    (w * c + x).relu() - (c - x).abs() * 0.25
}

fn rolled() -> Program {
    Program::trace(&[&[2], &[4, 2], &[2]], |v| {
        v[0].scan(&[v[1]], &[v[2]], |c, x, k| step(c, x[0], k[0])).square().sum()
    })
    .unwrap()
}

fn written_out() -> Program {
    Program::trace(&[&[2], &[4, 2], &[2]], |v| {
        let mut c = v[0];
        let mut states = vec![];
        for t in 0..4 {
            c = step(c, v[1].get(t), v[2]);
            states.push(c);
        }
        states[0].stack(&states[1..], 0).square().sum()
    })
    .unwrap()
}

fn point(seed: u64, tied: bool) -> Vec<Tensor> {
    let mut draw = Draw::new(seed);
    let shapes: [&[usize]; 3] = [&[2], &[4, 2], &[2]];
    shapes.iter().map(|s| if tied { draw.grid(s, (-1.0, 1.0)) } else { draw.tensor(s, (-1.0, 1.0)) }).collect()
}

#[test]
fn values_gradients_and_second_derivatives_agree() {
    let (a, b) = (rolled(), written_out());
    for seed in 0..10 {
        let x = point(seed, false);
        assert!(close(&numbers(&a.eval(&x).unwrap()), &numbers(&b.eval(&x).unwrap()), 1e-15));
        let (ga, gb) = (a.value_and_gradient().unwrap(), b.value_and_gradient().unwrap());
        assert!(close(&numbers(&ga.eval(&x).unwrap()), &numbers(&gb.eval(&x).unwrap()), 1e-13));
        let compiled = ga.compile_with::<f64>(&|_| 0.0).call(&x).unwrap();
        assert!(close(&numbers(&compiled), &numbers(&gb.eval(&x).unwrap()), 1e-13));
        let v = point(seed + 100, false);
        let xv = [x, v].concat();
        let (ha, hb) = (a.hvp().unwrap(), b.hvp().unwrap());
        assert!(close(&numbers(&ha.eval(&xv).unwrap()), &numbers(&hb.eval(&xv).unwrap()), 1e-12));
    }
}

#[test]
fn forward_and_reverse_agree_at_ties() {
    let scan =
        Program::trace(&[&[2], &[4, 2], &[2]], |v| v[0].scan(&[v[1]], &[v[2]], |c, x, k| step(c, x[0], k[0]))).unwrap();
    for seed in 0..10 {
        let x = point(seed, true);
        let u = point(seed + 50, false);
        let w = Draw::new(seed).tensor(&[4, 2], (-1.0, 1.0));
        let forward = compile_filled(&scan.jvp().unwrap(), seed).call(&[x.clone(), u.clone()].concat()).unwrap();
        let reverse = compile_filled(&scan.vjp().unwrap(), seed).call(&[x, vec![w.clone()]].concat()).unwrap();
        let (a, b) = (dot(w.data(), forward[1].data()), dot(&numbers(&reverse), &numbers(&u)));
        assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn the_analysis_at_a_point_sees_each_steps_ties() {
    let x = vec![Tensor::vector([0.0, 1.0]), Tensor::full(&[4, 2], 0.0), Tensor::vector([1.0, 1.0])];
    let (a, b) = (rolled().at(&x).unwrap(), written_out().at(&x).unwrap());
    let ties = |at: &clarke::At| at.ties(0.0).unwrap().iter().map(|t| (t.op, t.index.clone())).collect::<Vec<_>>();
    assert_eq!(ties(&a), ties(&b));
    assert!(ties(&a).len() >= 8, "{:?}", ties(&a));
    for policy in [Policy::default(), Policy::jax(), Policy::Along(vec![point(3, false)])] {
        let (ga, gb) = (a.gradient(&policy).unwrap(), b.gradient(&policy).unwrap());
        assert!(close(&numbers(&ga), &numbers(&gb), 1e-13), "{policy}");
    }
}

#[test]
fn batches_of_scans_are_scans_of_batches() {
    let f = rolled();
    for mask in 1..8usize {
        let mapped: Vec<bool> = (0..3).map(|k| mask >> k & 1 == 1).collect();
        let rows: Vec<Vec<Tensor>> = (0..3).map(|s| point(s, false)).collect();
        let args: Vec<Tensor> =
            (0..3)
                .map(|k| {
                    if mapped[k] { common::stack(&[&rows[0][k], &rows[1][k], &rows[2][k]]) } else { rows[0][k].clone() }
                })
                .collect();
        let together = f.batch(&mapped, 3).unwrap().eval(&args).unwrap();
        for r in 0..3 {
            let x: Vec<Tensor> = (0..3).map(|k| rows[if mapped[k] { r } else { 0 }][k].clone()).collect();
            assert!(close(&[together[0].data()[r]], f.eval(&x).unwrap()[0].data(), 1e-14));
        }
    }
}

#[test]
fn a_body_that_does_not_return_the_state_is_an_error() {
    let error = Program::trace(&[&[2], &[3]], |v| v[0].scan(&[v[1]], &[], |c, x, _| c.sum() * x[0])).unwrap_err();
    assert!(error.to_string().contains("the body must return the next state, of shape [2]"), "{error}");
    assert!(error.to_string().contains("scan.rs"), "{error}");
}
