//! Elementwise operators beside the arithmetic and the kinks: at domain edges, what each convention chooses at ties, and
//! what is said where there is no derivative.
// Tables of functions read best with their types where they stand; some slopes are constants of mathematics.
#![allow(clippy::type_complexity, clippy::approx_constant)]

#[path = "common/scalars.rs"]
mod scalars;

use clarke::op::pointwise::Elementwise;
use clarke::op::smooth::Power;
use clarke::program::class::Level;
use clarke::program::tie::Convention::{Jax, MinNorm, PyTorch, TensorFlow};
use clarke::{Evaluator, Fault, Policy, Program, Tensor, parse};
use scalars::*;

#[test]
fn infinities_nan_and_signs_of_zero_are_those_of_numpy() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let of = |f: Binary, a: f64, b: f64| value(&binary(f), &[a, b]);
    assert_eq!(of(|a, b| a.logaddexp(b), -inf, -inf), -inf);
    assert_eq!(of(|a, b| a.logaddexp(b), -inf, 2.5), 2.5);
    assert_eq!(of(|a, b| a.logaddexp(b), inf, -inf), inf);
    assert_eq!(of(|a, b| a.logaddexp(b), inf, inf), inf);
    assert_eq!(of(|a, b| a.hypot(b), -inf, inf), inf);
    assert_eq!(of(|a, b| a.hypot(b), 3.0, -inf), inf);
    assert_eq!(of(|a, b| a.hypot(b), 0.0, -0.0), 0.0);
    assert_eq!(of(|a, b| a.hypot(b), 0.0, -5e-324), 5e-324);
    assert_eq!(of(|a, b| a.pow(b), 0.0, 0.0), 1.0);
    assert_eq!(of(|a, b| a.pow(b), -2.0, 3.0), -8.0);
    assert!(of(|a, b| a.pow(b), -2.0, 0.5).is_nan());
    let pi = std::f64::consts::PI;
    assert_eq!(of(|a, b| a.arctan2(b), 0.0, -1.0), pi);
    assert_eq!(of(|a, b| a.arctan2(b), -0.0, -1.0), -pi);
    assert_eq!(of(|a, b| a.arctan2(b), 0.0, 0.0), 0.0);
    for f in [|a, b| a.hypot(b), |a, b| a.pow(b), |a, b| a.logaddexp(b), |a, b| a.prelu(b), |a, b| a.arctan2(b)]
        as [Binary; 5]
    {
        for (a, b) in [(nan, 0.0), (1.0, nan)] {
            // What prelu does not take counts for nothing.
            let found = of(f, a, b);
            assert!(found.is_nan() || (found == 1.0 && a == 1.0), "{found} of {a}, {b}");
        }
    }
    let at = |f: Unary, x: f64| value(&unary(f), &[x]);
    // numpy.round, numpy.floor, numpy.ceil, numpy.sign.
    for (x, round, floor, ceil, sign) in [
        (0.5, 0.0, 0.0, 1.0, 1.0),
        (1.5, 2.0, 1.0, 2.0, 1.0),
        (2.5, 2.0, 2.0, 3.0, 1.0),
        (-0.5, 0.0, -1.0, 0.0, -1.0),
        (-1.5, -2.0, -2.0, -1.0, -1.0),
        (3.0, 3.0, 3.0, 3.0, 1.0),
        (-0.0, 0.0, 0.0, 0.0, 0.0),
        (1e300, 1e300, 1e300, 1e300, 1.0),
    ] {
        let found = [at(|x| x.round(), x), at(|x| x.floor(), x), at(|x| x.ceil(), x), at(|x| x.sign(), x)];
        assert_eq!(found, [round, floor, ceil, sign], "at {x}");
    }
    assert!(at(|x| x.ceil(), -0.5).is_sign_negative() && at(|x| x.sign(), -0.0).is_sign_positive());
    assert!(at(|x| x.arcsin(), 1.5).is_nan() && at(|x| x.log1p(), -2.0).is_nan());
    assert_eq!(at(|x| x.log1p(), -1.0), -inf);
}

/// PyTorch 2.15, JAX 0.10.2: returned when run. TensorFlow: from its kernels' sources.
#[test]
fn conventions_choose_what_the_frameworks_return() {
    // Least norm, PyTorch, JAX, TensorFlow.
    let table: [(&str, Unary, f64, [f64; 4]); 12] = [
        ("elu", |x| x.elu(2.0), 0.0, [1.0, 2.0, 2.0, 2.0]),
        ("elu, less steep", |x| x.elu(0.25), 0.0, [0.25; 4]),
        ("elu, falling", |x| x.elu(-1.0), 0.0, [0.0, -1.0, -1.0, -1.0]),
        ("elu, smooth", |x| x.elu(1.0), 0.0, [1.0; 4]),
        ("selu", |x| x.selu(), 0.0, [1.0507009873554805, 1.7580993408473766, 1.7580993408473766, 1.0507009873554805]),
        ("hard_tanh", |x| x.hard_tanh(), 1.0, [0.0, 0.0, 1.0, 1.0]),
        ("hard_tanh", |x| x.hard_tanh(), -1.0, [0.0, 0.0, 1.0, 1.0]),
        ("hard_sigmoid", |x| x.hard_sigmoid(), 3.0, [0.0; 4]),
        ("hard_sigmoid", |x| x.hard_sigmoid(), -3.0, [0.0; 4]),
        ("hard_swish", |x| x.hard_swish(), 3.0, [1.0; 4]),
        ("hard_swish", |x| x.hard_swish(), -3.0, [0.0; 4]),
        ("prelu", |x| x.prelu(0.25), 0.0, [0.25, 0.25, 1.0, 0.25]),
    ];
    for (name, f, x, wanted) in table {
        let f = unary(f);
        for (convention, slope) in std::iter::zip([MinNorm, PyTorch, Jax, TensorFlow], wanted) {
            close(name, &[x], slopes(&f, convention, &[x])[0], slope);
        }
    }
    let hypot = binary(|a, b| a.hypot(b));
    for (convention, wanted) in [(MinNorm, 0.0), (PyTorch, 0.0), (Jax, 0.5), (TensorFlow, 0.0)] {
        assert_eq!(slopes(&hypot, convention, &[0.0, 0.0]), [wanted; 2]);
    }
    let ties = hypot.at(&scalars(&[0.0, 0.0])).unwrap().ties(0.0).unwrap();
    let [tie] = &ties[..] else { panic!("{ties:?}") };
    assert_eq!((tie.op, tie.pieces), ("hypot", None));
    assert!(tie.site.choice(PyTorch).note.is_some_and(|n| n.contains("NaN")));
    assert!(tie.site.choice(Jax).note.is_none());
}

#[test]
fn the_set_of_hypot_at_zero_is_the_unit_disc() {
    let f = Program::trace(&[&[3], &[3]], |v| v[0].hypot(v[1]).sum()).unwrap();
    let at = f.at(&[[0.0, 3.0, 0.0].into(), [0.0, -4.0, 2.0].into()]).unwrap();
    let ties = at.ties(0.0).unwrap();
    assert_eq!((ties.len(), ties[0].index.clone()), (1, Some(vec![0])));
    let mut furthest: f64 = 0.0;
    for seed in 0..200 {
        let g = at.gradient(&Policy::Random(seed)).unwrap();
        let norm = g[0].data()[0].hypot(g[1].data()[0]);
        assert!(norm <= 1.0 + 1e-12);
        furthest = furthest.max(norm);
        assert_eq!([&g[0].data()[1..], &g[1].data()[1..]], [[0.6, 0.0], [-0.8, 1.0]]);
    }
    assert!(furthest > 0.95, "{furthest}");
    // The direction decides: the derivative along (3, 4) is 5.
    let d: Vec<Tensor> = vec![[3.0, 0.0, 0.0].into(), [4.0, 0.0, 0.0].into()];
    let g = at.gradient(&Policy::Along(vec![d])).unwrap();
    assert!((g[0].data()[0] - 0.6).abs() < 1e-15 && (g[1].data()[0] - 0.8).abs() < 1e-15);
}

#[test]
fn a_power_with_a_variable_exponent_has_its_set_at_zero_and_one() {
    let f = binary(|a, b| a.pow(b));
    for s in [0.0, 0.25, 1.0] {
        assert_eq!(slopes_with(&f, &|_| s, &[0.0, 1.0]), [s, 0.0]);
    }
    assert_eq!(slopes(&f, MinNorm, &[0.0, 1.0]), [0.0, 0.0]);
    for framework in [PyTorch, Jax, TensorFlow] {
        assert_eq!(slopes(&f, framework, &[0.0, 1.0]), [1.0, 0.0]);
    }
    assert_eq!(f.at(&scalars(&[0.0, 1.0])).unwrap().ties(0.0).unwrap().len(), 1);
    // Smooth above the exponent 1, the corner included in no tie.
    for b in [1.5, 2.0, 7.0] {
        assert_eq!(gradient(&f, &[0.0, b]).unwrap(), [0.0, 0.0]);
        assert!(f.at(&scalars(&[0.0, b])).unwrap().ties(0.0).unwrap().is_empty());
    }
    // Not Lipschitz below, and not continuous at (0, 0).
    for b in [0.5, 0.0] {
        let error = gradient(&f, &[0.0, b]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == "pow"), "{error}");
    }
    // A base below 0 has a slope in a, none in b.
    let error = gradient(&f, &[-2.0, 3.0]).unwrap_err();
    assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == "pow"), "{error}");
    let cube = f.holding(&["x1"]).unwrap();
    assert_eq!(gradient(&cube, &[-2.0, 3.0]).unwrap(), [12.0]);
}

#[test]
fn a_power_with_an_exponent_that_does_not_vary_has_no_tie() {
    let held = binary(|a, b| a.pow(b)).holding(&["x1"]).unwrap();
    let at = held.at(&scalars(&[0.0, 1.0])).unwrap();
    assert!(at.ties(0.0).unwrap().is_empty());
    assert_eq!(at.gradient(&Policy::default()).unwrap()[0].item(), 1.0);
    let listed = parse("sum(x ** [0, 1, 2, 3])", &[("x", &[])]).unwrap();
    assert_eq!(gradient(&listed, &[0.0]).unwrap(), [1.0]);
    assert_eq!(gradient(&listed, &[2.0]).unwrap(), [1.0 + 4.0 + 12.0]);
    let base = parse("2 ** x", &[("x", &[])]).unwrap();
    close("2 ** x", &[3.0], gradient(&base, &[3.0]).unwrap()[0], 8.0 * 2f64.ln());
}

#[test]
fn two_stars_mean_the_power_that_fits_the_exponent() {
    let inputs: &[(&str, &[usize])] = &[("x", &[3]), ("y", &[3])];
    let printed = |text: &str| parse(text, inputs).unwrap().to_string();
    assert!(printed("x ** y").contains("pow(x, y)"));
    assert!(printed("power(x, y)").contains("pow(x, y)"));
    assert!(printed("power(x, exponent=y)").contains("pow(x, y)"));
    assert!(printed("x ** [1, 2, 3]").contains("pow(x, [1"));
    assert!(printed("x ** 2").contains("x ** 2") && printed("p = 1.5\npower(x, p)").contains("x ** 1.5"));
    let missing = parse("power(x)", inputs).unwrap_err().to_string();
    assert!(missing.contains("`exponent` is missing"), "{missing}");
    let class = |text: &str| parse(text, inputs).unwrap().class().level;
    assert_eq!(class("x ** y"), Level::Definable);
    assert_eq!(class("x ** [1, 2, 3]"), Level::Semialgebraic);
}

#[test]
fn classes_of_waves_and_stairs_depend_on_bounds() {
    let class = |text: &str| parse(text, &[("x", &[])]).unwrap().class();
    assert_eq!(class("tan(x)").level, Level::Unknown);
    assert_eq!((class("tan(clip(x, 0, 1))").level, class("tan(clip(x, 0, 1))").bounded), (Level::Definable, false));
    assert_eq!((class("floor(x)").level, class("round(hard_tanh(x))").level), (Level::Unknown, Level::PiecewiseLinear));
    assert!(class("arctan(x)").bounded && class("sign(x)").bounded && class("erfc(x)").bounded);
    assert_eq!(
        (class("prelu(x, 2)").level, class("prelu(x, x)").level),
        (Level::PiecewiseLinear, Level::PiecewisePolynomial)
    );
}

#[test]
fn domain_edges_are_errors_that_name_the_operator() {
    for (name, f, x) in [
        ("arcsin", (|x| x.arcsin()) as Unary, 1.0),
        ("arcsin", |x| x.arcsin(), -1.0),
        ("arccos", |x| x.arccos(), 1.0),
        ("arccos", |x| x.arccos().relu(), 1.0),
    ] {
        let error = gradient(&unary(f), &[x]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == name), "{name}: {error}");
    }
    let error = gradient(&binary(|a, b| a.arctan2(b)), &[0.0, 0.0]).unwrap_err();
    assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == "arctan2"), "{error}");
    for (name, f, x) in [
        ("log1p", (|x| x.log1p()) as Unary, -1.0),
        ("reciprocal", |x| x.reciprocal(), 0.0),
        ("arcsin", |x| x.arcsin(), 2.0),
    ] {
        let error = gradient(&unary(f), &[x]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::NotFinite { op, .. } if op == name), "{name}: {error}");
    }
    // A branch that is not taken contributes nothing.
    let f = parse("where(x < 1, arcsin(x), x)", &[("x", &[])]).unwrap();
    assert_eq!(gradient(&f, &[2.0]).unwrap(), [1.0]);
}

#[test]
fn jumps_are_discontinuities_where_they_are_met_and_nowhere_else() {
    let shrink = unary(|x| x.hard_shrink(0.5));
    for (x, slope) in [(0.5000001, 1.0), (-0.6, 1.0), (0.0, 0.0), (0.49, 0.0)] {
        assert_eq!(gradient(&shrink, &[x]).unwrap(), [slope], "at {x}");
    }
    for x in [0.5, -0.5] {
        let error = gradient(&shrink, &[x]).unwrap_err();
        let wanted = Fault::Discontinuous { op: "hard_shrink".into(), first: x, second: 0.0, index: vec![] };
        assert_eq!(*error.fault, wanted);
        assert!(
            error.to_string().contains("hard_shrink is discontinuous here: the two values that meet are"),
            "{error}"
        );
        assert!(shrink.at(&scalars(&[x])).unwrap().path_differentiable().is_err());
        // The compiled way finds it too.
        let mut evaluator = Evaluator::new(&shrink, &[], Policy::default()).unwrap();
        assert!(evaluator.value_and_gradient(&[x], &mut [0.0]).is_err());
    }
    let angle = binary(|y, x| y.arctan2(x));
    for y in [0.0, -0.0] {
        let error = gradient(&angle, &[y, -2.0]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::Discontinuous { op, .. } if op == "arctan2"), "{error}");
    }
    for (y, x, wanted) in [(0.0, 2.0, [0.5, 0.0]), (1e-300, -2.0, [-0.5, -2.5e-301]), (3.0, 0.0, [0.0, -1.0 / 3.0])] {
        let found = gradient(&angle, &[y, x]).unwrap();
        close("arctan2", &[y, x], found[0], wanted[0]);
        close("arctan2", &[y, x], found[1], wanted[1]);
        assert!(angle.at(&scalars(&[y, x])).unwrap().ties(0.0).unwrap().is_empty());
    }
}

#[test]
fn second_derivatives_of_an_angle() {
    // f = arctan2(y, x): f_yy = −2xy/r⁴, f_yx = (y² − x²)/r⁴, f_xx = 2xy/r⁴; at (y, x) = (1, 2): −4/25, −3/25, 4/25.
    let hvp = binary(|y, x| y.arctan2(x)).hvp().unwrap();
    let found = hvp.eval(&scalars(&[1.0, 2.0, 1.0, 0.0])).unwrap();
    close("f_yy", &[], found[0].item(), -0.16);
    close("f_yx", &[], found[1].item(), -0.12);
    let found = hvp.eval(&scalars(&[1.0, 2.0, 0.0, 1.0])).unwrap();
    close("f_xx", &[], found[1].item(), 0.16);
}

#[test]
fn what_has_no_derivative_says_why_and_what_to_write() {
    let program = parse("relu(x) + floor(x)", &[("x", &[])]).unwrap();
    let error = program.gradient().unwrap_err().to_string();
    assert_eq!(
        error,
        "floor has no derivative: it jumps at the integers and is constant between, so its slope 0 says nothing about it; \
         if it is meant as a constant, write stop_gradient(floor(x)); to let the gradient pass as if it were not there, \
         x + stop_gradient(floor(x) - x) (at column 11: `floor(x)`)"
    );
    // A constant has a derivative, and so has what no output needs.
    let data = parse("x * floor(y)", &[("x", &[]), ("y", &[])]).unwrap().varying(&["x"]).unwrap();
    assert_eq!(gradient(&data, &[1.0, 2.5]).unwrap(), [2.0]);
    let unused = Program::trace(&[&[]], |v| {
        v[0].floor();
        v[0] * 3.0
    });
    assert_eq!(gradient(&unused.unwrap(), &[1.5]).unwrap(), [3.0]);
}

#[test]
fn stop_gradient_ends_tangents() {
    // The straight-through estimator: the value of round, the derivative of the identity.
    let through = parse("3 * (x + stop_gradient(round(x) - x))", &[("x", &[])]).unwrap();
    assert_eq!((value(&through, &[1.6]), gradient(&through, &[1.6]).unwrap()[0]), (6.0, 3.0));
    assert_eq!(through.at(&scalars(&[1.6])).unwrap().path_differentiable().unwrap(), Some(false));
    let data = parse("x * stop_gradient(y)", &[("x", &[]), ("y", &[])]).unwrap().varying(&["x"]).unwrap();
    assert_eq!(data.at(&scalars(&[1.0, 2.0])).unwrap().path_differentiable().unwrap(), Some(true));
    // Ties under it are none of the derivative's, and both modes and second derivatives agree on that.
    let held = parse("x * stop_gradient(abs(x) + sqrt(x))", &[("x", &[])]).unwrap();
    let at = held.at(&scalars(&[0.0])).unwrap();
    assert!(at.ties(0.0).unwrap().is_empty());
    assert_eq!(at.gradient(&Policy::default()).unwrap()[0].item(), 0.0);
    assert_eq!(held.linearize().unwrap().eval(&scalars(&[4.0, 1.0])).unwrap()[1].item(), 6.0);
    assert_eq!(held.hvp().unwrap().eval(&scalars(&[4.0, 1.0])).unwrap()[0].item(), 0.0);
    // As the output itself, and in the step of a scan.
    let whole = parse("stop_gradient(floor(x))", &[("x", &[])]).unwrap();
    assert_eq!(gradient(&whole, &[1.5]).unwrap(), [0.0]);
    let scan = Program::trace(&[&[], &[4]], |v| {
        v[0].scan(&[v[1]], &[], |c, x, _| c * x[0].round().stop_gradient() + x[0]).get(3)
    });
    let found =
        scan.unwrap().at(&[1.0.into(), [1.2, 2.4, 0.6, 3.1].into()]).unwrap().gradient(&Policy::default()).unwrap();
    assert_eq!(found[0].item(), 6.0);
    assert_eq!(found[1].data(), [6.0, 3.0, 3.0, 1.0]);
}

#[test]
fn parameters_that_are_no_good_are_named() {
    let complaint = |text: &str| parse(text, &[("x", &[])]).unwrap_err().to_string();
    for (text, says) in [
        ("hard_shrink(x, lambd=0)", "hard_shrink: lambd is 0, but it must be positive"),
        ("hard_shrink(x, -1)", "hard_shrink: lambd is -1, but it must be positive"),
        ("elu(x, alpha=inf)", "elu: alpha is inf, but it must be a finite number"),
        ("elu(x, x)", "`alpha` must be a number"),
        ("arctan2(x)", "takes 2 positional arguments"),
        ("floor(x, 1)", "takes 1 positional argument, but was given 2"),
    ] {
        let found = complaint(text);
        assert!(found.contains(says), "{text}: {found}");
    }
}

/// However they got there: a program that held them would print what cannot be read.
#[test]
fn parameters_that_are_no_good_are_in_no_program() {
    for exponent in [f64::INFINITY, f64::NAN] {
        let op = || Elementwise(Power { exponent });
        let error = Program::trace(&[&[2]], |v| v[0].apply(op())).unwrap_err().to_string();
        assert!(error.contains("exponent is") && error.contains("finite"), "{error}");
    }
}
