//! Operators made while a program runs: the same values, derivatives, ties and sets as the built-in ones they imitate.

use clarke::op::custom::{Custom, Slopes};
use clarke::program::Role;
use clarke::{Builder, Convention, Derivative, Fault, Mode, Policy, Program, SetOptions, Tensor, Var};

/// max(x, 0) with the slope step(x).
fn ramp() -> Custom {
    let builder = Builder::new();
    let x = builder.input("x", &[], Role::Argument);
    builder.input("y", &[], Role::Argument);
    let tie = builder.input("t", &[], Role::Selection(None));
    let slopes = Slopes::new(builder.finish(&[tie, x]).unwrap(), 1).unwrap();
    let value = Program::trace(&[&[]], |v| v[0].relu()).unwrap();
    let choose = |c| if c == Convention::TensorFlow { 1.0 } else { 0.0 };
    Custom::new("ramp", value, slopes, choose).unwrap()
}

/// The middle of three numbers, min(max(x, lo), hi), whose second tie has an argument that reads the first:
/// m = max(x, lo), y = min(m, hi); ∂y/∂x = step(hi − m) · step(x − lo).
fn middle() -> Custom {
    let builder = Builder::new();
    let [x, lo, hi] = ["x", "lo", "hi"].map(|n| builder.input(n, &[], Role::Argument));
    builder.input("y", &[], Role::Argument);
    let [s, t] = ["s", "t"].map(|n| builder.input(n, &[], Role::Selection(None)));
    let m = s * x + (1.0 - s) * lo;
    let slopes = [t * s, t * (1.0 - s), 1.0 - t];
    let outputs: Vec<Var<'_>> = slopes.into_iter().chain([x - lo, hi - m]).collect();
    let slopes = Slopes::new(builder.finish(&outputs).unwrap(), 3).unwrap();
    let value = Program::trace(&[&[], &[], &[]], |v| v[0].maximum(v[1]).minimum(v[2])).unwrap();
    Custom::new("middle", value, slopes, |_| 1.0).unwrap()
}

#[test]
fn it_is_what_it_imitates() {
    let ramp = ramp();
    let own = Program::trace(&[&[3, 1], &[4]], |v| (v[0] + v[1]).apply(ramp.clone()).square().sum()).unwrap();
    let built = Program::trace(&[&[3, 1], &[4]], |v| (v[0] + v[1]).relu().square().sum()).unwrap();
    let point = [Tensor::from_fn(&[3, 1], |i| i as f64 - 1.0), Tensor::from_fn(&[4], |i| 1.5 - i as f64)];
    assert_eq!(own.eval(&point).unwrap(), built.eval(&point).unwrap());
    let compiled = |p: &Program| p.value_and_gradient().unwrap().compile::<f64>(Convention::Jax).call(&point).unwrap();
    assert_eq!(compiled(&own), compiled(&built));
    let v: Vec<Tensor> = point.iter().chain(&point).cloned().collect();
    let hvp = |p: &Program| p.hvp().unwrap().compile::<f64>(Convention::Jax).call(&v).unwrap();
    assert_eq!(hvp(&own), hvp(&built));
    let batched = own.batch(&[true], 2).unwrap();
    let twice = Tensor::from_fn(&[2, 3, 1], |i| (i % 3) as f64 - 1.0);
    let both = batched.eval(&[twice, point[1].clone()]).unwrap();
    assert_eq!(both[0].data(), [own.eval(&point).unwrap()[0].item(); 2]);
}

#[test]
fn its_ties_have_policies_and_sets() {
    let ramp = ramp();
    let own = Program::trace(&[&[]], |v| (-v[0]).apply(ramp.clone()) + v[0] - v[0].apply(ramp.clone())).unwrap();
    let at = own.at(&[0.0.into()]).unwrap();
    let ties = at.ties(0.0).unwrap();
    assert_eq!(ties.iter().map(|t| (t.op, t.pieces)).collect::<Vec<_>>(), [("ramp", Some(2)), ("ramp", Some(2))]);
    assert_eq!(at.gradient(&Policy::pytorch()).unwrap()[0].item(), 1.0);
    assert_eq!(at.gradient(&Policy::tensorflow()).unwrap()[0].item(), -1.0);
    let mut sets = at.sets(&SetOptions::default()).unwrap();
    let ends = |set: &mut clarke::SetAt| {
        let (low, high) = set.bounds();
        (low[0].item(), high[0].item())
    };
    assert_eq!(ends(&mut sets.conservative), (-1.0, 1.0));
    assert_eq!(ends(&mut sets.clarke), (0.0, 0.0));
}

#[test]
fn a_tie_may_read_the_ties_before_it() {
    let middle = middle();
    let f = Program::trace(&[&[4], &[], &[]], |v| v[0].apply_with(middle.clone(), &[v[1], v[2]]).sum()).unwrap();
    let point = [Tensor::vector([-2.0, 0.5, 3.0, 0.25]), (-1.0).into(), 1.0.into()];
    assert_eq!(f.eval(&point).unwrap()[0].item(), -1.0 + 0.5 + 1.0 + 0.25);
    let gradient = f.at(&point).unwrap().gradient(&Policy::default()).unwrap();
    assert_eq!(gradient[0].data(), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!((gradient[1].item(), gradient[2].item()), (1.0, 1.0));
}

#[test]
fn what_is_not_elementwise_is_refused() {
    let slopes = || {
        let builder = Builder::new();
        let x = builder.input("x", &[], Role::Argument);
        builder.input("y", &[], Role::Argument);
        Slopes::new(builder.finish(&[x]).unwrap(), 1).unwrap()
    };
    let sorted = Program::trace(&[&[]], |v| v[0].reshape(&[1]).sort().sum()).unwrap();
    let error = Custom::new("bad", sorted, slopes(), |_| 0.0).unwrap_err();
    assert!(error.to_string().contains("sort") && error.to_string().contains("element by element"), "{error}");
    let value = Program::trace(&[&[]], |v| v[0]).unwrap();
    let error = Custom::new("bad", value, slopes(), |_| 1.5).unwrap_err();
    assert!(matches!(&*error.fault, Fault::Parameter { parameter, .. } if parameter == "choice"), "{error}");
    let two = Program::trace(&[&[], &[]], |v| v[0] + v[1]).unwrap();
    assert!(Slopes::new(two, 2).is_err());
}

/// A derivative that refuses agrees with the analysis at the point, under policies of every kind and in both precisions.
#[test]
fn derivatives_that_refuse_are_those_at_the_point() {
    let f = clarke::parse("norm2(abs(x) + relu(y)) + max(x)", &[("x", &[3]), ("y", &[])]).unwrap();
    let x = Tensor::vector([1.0, 0.0, 1.0]);
    let point = [x.clone(), Tensor::scalar(0.0)];
    for policy in [Policy::jax(), Policy::Step(0.25), Policy::Random(7), Policy::Along(vec![point.to_vec()])] {
        let expected = f.at(&point).unwrap().gradient(&policy).unwrap();
        let g = Derivative::<f64>::new(&f, Mode::ValueAndGradient, policy.clone()).unwrap();
        let (mut value, mut dx, mut dy) = ([0.0], [0.0; 3], [0.0]);
        g.run(&mut g.workspace(), &[x.data(), &[0.0]], &mut [&mut value, &mut dx, &mut dy]).unwrap();
        assert!(std::iter::zip(&dx, expected[0].data()).all(|(a, b)| (a - b).abs() < 1e-12), "{policy}");
        assert!((dy[0] - expected[1].item()).abs() < 1e-12);
        let g = Derivative::<f32>::new(&f, Mode::Vjp, policy.clone()).unwrap();
        let single: Vec<f32> = x.data().iter().map(|x| *x as f32).collect();
        let (mut dx, mut dy) = ([0.0; 3], [0.0]);
        g.run(&mut g.workspace(), &[&single, &[0.0], &[2.0]], &mut [&mut dx, &mut dy]).unwrap();
        let near = |(a, b): (&f32, &f64)| (f64::from(*a) - 2.0 * b).abs() < 1e-5;
        assert!(std::iter::zip(&dx, expected[0].data()).all(near), "{policy}");
    }
    let error = Derivative::<f64>::new(&f, Mode::Hvp, Policy::Random(1)).unwrap_err();
    assert!(error.to_string().contains("second derivatives"), "{error}");
}

/// Too large for 32 bits: an error, not an infinity.
#[test]
fn what_single_precision_cannot_hold_is_an_error() {
    let f = clarke::parse("1e30 * x ** 2", &[("x", &[])]).unwrap();
    let g = Derivative::<f32>::new(&f, Mode::ValueAndGradient, Policy::default()).unwrap();
    let (mut y, mut dx) = ([0.0], [0.0]);
    let error = g.run(&mut g.workspace(), &[&[1e10]], &mut [&mut y, &mut dx]).unwrap_err();
    assert!(error.to_string().contains("too large for this precision"), "{error}");
}
