//! The elementwise operators one by one: values, derivatives, what each convention chooses at ties, bad parameters.
// Tables of functions read best with their types where they stand.
#![allow(clippy::type_complexity)]

use clarke::program::Role;
use clarke::program::call::{Call, Guard, Value};
use clarke::program::class::{Class, Level};
use clarke::program::op::{BoundaryKind, Execution, Notation, Op, Param};
use clarke::program::record::Operand;
use clarke::program::tie::Convention::{self, Jax, MinNorm, PyTorch, TensorFlow};
use clarke::program::{Kind, Node};
use clarke::{Builder, Place, Program, Result, Tensor, Var, registry};

type Unary = for<'p> fn(Var<'p>) -> Var<'p>;
type Binary = for<'p> fn(Var<'p>, Var<'p>) -> Var<'p>;

fn unary(f: Unary) -> Program {
    Program::trace(&[&[]], |v| f(v[0])).unwrap()
}

fn binary(f: Binary) -> Program {
    Program::trace(&[&[], &[]], |v| f(v[0], v[1])).unwrap()
}

fn at(program: &Program, x: &[f64]) -> Vec<f64> {
    let inputs: Vec<Tensor> = x.iter().map(|x| Tensor::scalar(*x)).collect();
    program.eval(&inputs).unwrap().iter().map(Tensor::item).collect()
}

/// The program with its selections filled by a convention.
fn under(program: &Program, convention: Convention) -> Program {
    let builder = Builder::new();
    let args: Vec<Var<'_>> = program
        .inputs()
        .iter()
        .map(|input| match &input.role {
            Role::Selection(Some(site)) => builder.constant(site.choice(convention).selection),
            role => builder.input(&input.name, &input.shape, role.clone()),
        })
        .collect();
    let outputs = builder.inline(program, &args);
    builder.finish(&outputs).unwrap()
}

/// The partial derivatives at x under a convention.
fn slopes(program: &Program, convention: Convention, x: &[f64]) -> Vec<f64> {
    at(&under(&program.jacobian().unwrap(), convention), x)
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a:e} is not {b:e}");
}

/// Every operator of one argument, with its formula in plain numbers and points off its ties.
fn unaries() -> Vec<(&'static str, Unary, fn(f64) -> f64, &'static [f64])> {
    const ALL: &[f64] = &[-7.3, -2.4, -0.3, 0.2, 0.7, 2.9, 8.1];
    const POSITIVE: &[f64] = &[0.1, 0.7, 2.5, 30.0];
    vec![
        ("x ** 0", |x| x.power(0.0), |_| 1.0, ALL),
        ("x ** 1", |x| x.power(1.0), |x| x, ALL),
        ("x ** 2", |x| x.power(2.0), |x| x * x, ALL),
        ("x ** 3", |x| x.power(3.0), |x| x * x * x, ALL),
        ("x ** 7", |x| x.power(7.0), |x| x.powi(7), ALL),
        ("x ** 21", |x| x.power(21.0), |x| x.powi(21), &[-1.3, -0.5, 0.9, 1.2]),
        ("x ** -1", |x| x.power(-1.0), |x| 1.0 / x, ALL),
        ("x ** -4", |x| x.power(-4.0), |x| 1.0 / (x * x * x * x), ALL),
        ("x ** 0.5", |x| x.power(0.5), |x| x.powf(0.5), POSITIVE),
        ("x ** 1.5", |x| x.power(1.5), |x| x.powf(1.5), POSITIVE),
        ("x ** -0.3", |x| x.power(-0.3), |x| x.powf(-0.3), POSITIVE),
        ("exp", |x| x.exp(), f64::exp, ALL),
        ("log", |x| x.log(), f64::ln, POSITIVE),
        ("sqrt", |x| x.sqrt(), f64::sqrt, POSITIVE),
        ("square", |x| x.square(), |x| x * x, ALL),
        ("sin", |x| x.sin(), f64::sin, ALL),
        ("cos", |x| x.cos(), f64::cos, ALL),
        ("tanh", |x| x.tanh(), f64::tanh, ALL),
        ("sigmoid", |x| x.sigmoid(), |x| 1.0 / (1.0 + (-x).exp()), ALL),
        ("softplus", |x| x.softplus(), |x| (1.0 + x.exp()).ln(), ALL),
        ("relu", |x| x.relu(), |x| if x > 0.0 { x } else { 0.0 }, ALL),
        ("abs", |x| x.abs(), f64::abs, ALL),
        ("leaky_relu", |x| x.leaky_relu(0.01), |x| if x > 0.0 { x } else { 0.01 * x }, ALL),
        ("leaky_relu steep", |x| x.leaky_relu(-3.0), |x| if x > 0.0 { x } else { -3.0 * x }, ALL),
        ("relu6", |x| x.relu6(), |x| x.clamp(0.0, 6.0), ALL),
        ("clip", |x| x.clip(-1.0, 2.5), |x| x.clamp(-1.0, 2.5), ALL),
        ("clip below", |x| x.clip(-1.0, f64::INFINITY), |x| if x < -1.0 { -1.0 } else { x }, ALL),
        ("clip above", |x| x.clip(f64::NEG_INFINITY, 0.5), |x| if x > 0.5 { 0.5 } else { x }, ALL),
        ("soft_threshold", |x| x.soft_threshold(0.5), |x| x.signum() * (x.abs() - 0.5).clamp(0.0, 1e9), ALL),
        ("huber", |x| x.huber(1.0), |x| if x.abs() < 1.0 { 0.5 * x * x } else { x.abs() - 0.5 }, ALL),
        ("huber wide", |x| x.huber(4.0), |x| if x.abs() < 4.0 { 0.5 * x * x } else { 4.0 * (x.abs() - 2.0) }, ALL),
        ("hinge", |x| x.hinge(), |x| if x < 1.0 { 1.0 - x } else { 0.0 }, ALL),
        ("pinball", |x| x.pinball(0.1), |x| if x > 0.0 { 0.1 * x } else { -0.9 * x }, ALL),
        ("where", |x| x.gt(0.5).where_(x * x, 0.5 * x), |x| if x > 0.5 { x * x } else { 0.5 * x }, ALL),
        ("quotient", |x| (x + 1.0) / (x * x + 2.0), |x| (x + 1.0) / (x * x + 2.0), ALL),
        ("division by a number", |x| x / 3.0, |x| x / 3.0, ALL),
        ("division of a number", |x| 3.0 / x, |x| 3.0 / x, ALL),
    ]
}

/// Every operator of two arguments, likewise.
fn binaries() -> Vec<(&'static str, Binary, fn(f64, f64) -> f64)> {
    vec![
        ("divide", |a, b| a / b, |a, b| a / b),
        ("maximum", |a, b| a.maximum(b), |a, b| if a > b { a } else { b }),
        ("minimum", |a, b| a.minimum(b), |a, b| if a < b { a } else { b }),
        (
            "soft_threshold",
            |a, b| a.soft_threshold(b),
            |a, b| if a > b { a - b } else { 0.0 } - if -a > b { -a - b } else { 0.0 },
        ),
        ("where >", |a, b| a.gt(b).where_(a * b, a), |a, b| if a > b { a * b } else { a }),
        ("where ==", |a, b| a.eq_to(b).where_(a * b, a), |a, b| if a == b { a * b } else { a }),
    ]
}

const PAIRS: &[[f64; 2]] = &[[1.5, 0.7], [-2.0, 0.4], [0.3, 2.2], [-1.1, -0.6], [3.0, -0.2]];

#[test]
fn values_are_the_formulas() {
    for (name, f, formula, points) in unaries() {
        for &x in points {
            let (value, wanted) = (at(&unary(f), &[x])[0], formula(x));
            assert!((value - wanted).abs() <= 8.0 * f64::EPSILON * wanted.abs().max(1.0), "{name} at {x}: {value}");
        }
    }
    for (name, f, formula) in binaries() {
        for &[a, b] in PAIRS {
            let (value, wanted) = (at(&binary(f), &[a, b])[0], formula(a, b));
            assert!((value - wanted).abs() <= 4.0 * f64::EPSILON * wanted.abs(), "{name} at {a}, {b}: {value}");
        }
    }
}

#[test]
fn derivatives_are_central_differences_off_ties() {
    let check = |name: &str, program: &Program, x: &[f64]| {
        let found = slopes(program, MinNorm, x);
        for (k, &slope) in found.iter().enumerate() {
            let h = 1e-5 * x[k].abs().max(1.0);
            let moved = |by: f64| {
                let mut y = x.to_vec();
                y[k] += by;
                at(program, &y)[0]
            };
            let wanted = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((slope - wanted).abs() <= 2e-7 * wanted.abs().max(1.0), "{name} at {x:?}: {slope} and {wanted}");
            for convention in [PyTorch, Jax, TensorFlow] {
                assert_eq!(slopes(program, convention, x)[k], slope, "{name} has no tie at {x:?}");
            }
        }
        let (forward, reverse) = (program.jacobian_forward().unwrap(), program.jacobian_reverse().unwrap());
        for (a, b) in std::iter::zip(at(&forward, x), at(&reverse, x)) {
            close(a, b, 1e-15);
        }
    };
    for (name, f, _, points) in unaries() {
        points.iter().for_each(|&x| check(name, &unary(f), &[x]));
    }
    for (name, f, _) in binaries() {
        PAIRS.iter().for_each(|x| check(name, &binary(f), x));
    }
}

#[test]
fn nan_in_gives_nan_out() {
    for (name, f, _, _) in unaries() {
        assert!(at(&unary(f), &[f64::NAN])[0].is_nan(), "{name}");
    }
    for (name, f, _) in binaries() {
        for x in [[f64::NAN, 1.0], [1.0, f64::NAN], [f64::NAN, f64::NAN]] {
            assert!(at(&binary(f), &x)[0].is_nan(), "{name} at {x:?}");
        }
    }
}

#[test]
fn recordings_replay_the_values() {
    let replay = |program: &Program, x: &[f64]| {
        for node in program.nodes() {
            let Kind::Apply { op, args } = &node.kind else { continue };
            let Execution::Pointwise(p) = op.execution() else { continue };
            let row: Vec<f64> = (0..args.len()).map(|k| x[k % x.len()] + 0.125 * k as f64).collect();
            let recording = p.record();
            let mut temps: Vec<f64> = vec![];
            let get = |operand: Operand, temps: &[f64]| match operand {
                Operand::Arg(k) => row[k],
                Operand::Const(c) => c,
                Operand::Temp(k) => temps[k],
            };
            for instr in &recording.instrs {
                temps.push(instr.prim.eval(instr.operands.map(|o| get(o, &temps))));
            }
            let (replayed, value) = (get(recording.result, &temps), p.eval(&row));
            assert_eq!(replayed.to_bits(), value.to_bits(), "{} at {row:?}", op.name());
        }
    };
    for (_, f, _, points) in unaries() {
        points.iter().for_each(|&x| replay(&unary(f), &[x]));
    }
    for (_, f, _) in binaries() {
        PAIRS.iter().for_each(|x| replay(&binary(f), x));
    }
}

#[test]
fn large_arguments_neither_overflow_nor_lose_digits() {
    let value = |f: Unary, x: f64| at(&unary(f), &[x])[0];
    let slope = |f: Unary, x: f64| slopes(&unary(f), MinNorm, &[x])[0];
    assert_eq!(value(|x| x.sigmoid(), 800.0), 1.0);
    assert_eq!(value(|x| x.sigmoid(), -800.0), 0.0);
    close(value(|x| x.sigmoid(), -700.0) / (-700f64).exp(), 1.0, 1e-14);
    assert_eq!(value(|x| x.softplus(), 1000.0), 1000.0);
    assert_eq!(value(|x| x.softplus(), -1000.0), 0.0);
    close(value(|x| x.softplus(), -700.0) / (-700f64).exp(), 1.0, 1e-14);
    assert_eq!(slope(|x| x.softplus(), 1000.0), 1.0);
    assert_eq!(slope(|x| x.sigmoid(), 1000.0), 0.0);
    assert_eq!(slope(|x| x.tanh(), 1000.0), 0.0);
    for f in [(|x| x.huber(1.0)) as Unary, |x| x.softplus(), |x| x.relu(), |x| x.leaky_relu(0.5)] {
        assert_eq!(value(f, f64::INFINITY), f64::INFINITY);
    }
}

/// The slopes at a tie under min-norm, PyTorch, JAX and TensorFlow.
#[track_caller]
fn tie(f: Unary, x: f64, wanted: [f64; 4]) {
    let program = unary(f);
    let found = [MinNorm, PyTorch, Jax, TensorFlow].map(|convention| slopes(&program, convention, &[x])[0]);
    assert_eq!(found, wanted, "at {x}");
}

/// The recorded numbers: PyTorch 2.15.0 and JAX 0.10.2 were run; TensorFlow's were read in its source.
#[test]
fn ties_are_chosen_as_the_frameworks_do() {
    tie(|x| x.relu(), 0.0, [0.0, 0.0, 0.0, 0.0]);
    tie(|x| x.abs(), 0.0, [0.0, 0.0, 1.0, 0.0]);
    tie(|x| x.leaky_relu(0.01), 0.0, [0.01, 0.01, 1.0, 0.01]);
    tie(|x| x.relu6(), 0.0, [0.0; 4]);
    tie(|x| x.relu6(), 6.0, [0.0; 4]);
    tie(|x| x.clip(0.0, 1.0), 0.0, [0.0, 0.0, 0.5, 1.0]);
    tie(|x| x.clip(0.0, 1.0), 1.0, [0.0, 0.0, 0.5, 1.0]);
    tie(|x| x.clip(1.0, 1.0), 1.0, [0.0, 0.0, 0.25, 1.0]);
    tie(|x| x.clip(0.0, f64::INFINITY), 0.0, [0.0, 0.0, 0.5, 1.0]);
    tie(|x| x.maximum(0.0), 0.0, [0.5, 0.5, 0.5, 1.0]);
    tie(|x| x.minimum(0.0), 0.0, [0.5, 0.5, 0.5, 1.0]);
    tie(|x| x.soft_threshold(0.5), 0.5, [0.0, 0.0, 0.5, 1.0]);
    tie(|x| x.soft_threshold(0.5), -0.5, [0.0, 0.0, 0.5, 1.0]);
    tie(|x| x.huber(1.0), 1.0, [1.0; 4]);
    tie(|x| x.huber(1.0), -1.0, [-1.0; 4]);
    tie(|x| x.hinge(), 1.0, [0.0; 4]);
    tie(|x| x.pinball(0.1), 0.0, [0.0, 0.1 - 0.5, 0.1 - 0.5, 0.1]);
    tie(|x| x.pinball(0.9), 0.0, [0.0, 0.4, 0.4, 0.9]);
    tie(|x| x.gt(0.0).where_(x, 0.0), 0.0, [0.5, 0.0, 0.0, 0.0]);
    tie(|x| x.ge(0.0).where_(x, 0.0), 0.0, [0.5, 1.0, 1.0, 1.0]);
    tie(|x| x.eq_to(0.0).where_(0.0, x), 0.0, [0.0; 4]);
    // Composites.
    tie(|x| (x + x.abs()) / 2.0, 0.0, [0.5, 0.5, 1.0, 0.5]);
    tie(|x| (-x).relu() + x, 0.0, [1.0; 4]);
    tie(|x| (x.relu() + (-x).relu() + x) / 2.0, 0.0, [0.5; 4]);
    tie(|x| (-x).relu() + x - x.relu(), 0.0, [1.0; 4]);
    tie(|x| x.relu() - (-x).relu(), 0.0, [0.0; 4]);
    tie(|x| x.relu() * 2.0 - x.abs(), 0.0, [0.0, 0.0, -1.0, 0.0]);
    tie(|x| x.maximum(x), 0.7, [1.0; 4]);
    tie(|x| x.minimum(x), 0.7, [1.0; 4]);
}

#[test]
fn equal_arguments_share() {
    for f in [(|a, b| a.maximum(b)) as Binary, |a, b| a.minimum(b)] {
        for convention in [MinNorm, PyTorch, Jax] {
            assert_eq!(slopes(&binary(f), convention, &[2.0, 2.0]), [0.5, 0.5]);
        }
        assert_eq!(slopes(&binary(f), TensorFlow, &[2.0, 2.0]), [1.0, 0.0]);
    }
    let soft = binary(|x, t| x.soft_threshold(t));
    assert_eq!(slopes(&soft, Jax, &[0.5, 0.5]), [0.5, -0.5]);
    assert_eq!(slopes(&soft, Jax, &[-0.5, 0.5]), [0.5, 0.5]);
}

#[test]
fn the_least_norm_follows_the_parameter() {
    let least = |slope: f64| {
        let f = Program::trace(&[&[]], |v| v[0].leaky_relu(slope)).unwrap();
        slopes(&f, MinNorm, &[0.0])[0]
    };
    assert_eq!(least(0.3), 0.3);
    assert_eq!(least(4.0), 1.0);
    assert_eq!(least(0.0), 0.0);
    assert_eq!(least(-1.0), 0.0);
    close(least(-0.3), 0.0, 1e-16);
    assert_eq!(least(1.0), 1.0);
}

#[test]
fn powers_at_zero() {
    let slope = |p: f64| {
        let f = Program::trace(&[&[]], |v| v[0].power(p)).unwrap();
        (at(&f, &[0.0])[0], slopes(&f, MinNorm, &[0.0])[0])
    };
    assert_eq!(slope(0.0), (1.0, 0.0));
    assert_eq!(slope(1.0), (0.0, 1.0));
    assert_eq!(slope(2.0), (0.0, 0.0));
    assert_eq!(slope(1.5), (0.0, 0.0));
    assert_eq!(slope(0.5), (0.0, f64::INFINITY));
    let singular = |p: f64| {
        let f = Program::trace(&[&[]], |v| v[0].power(p)).unwrap();
        top(&f).0.singular()
    };
    assert!([0.5, -1.0, -0.5, 0.99].into_iter().all(singular));
    assert!(![0.0, 1.0, 2.0, 1.5, 7.0].into_iter().any(singular));
}

/// The operator that made the output, and its node.
fn top(program: &Program) -> (&dyn Op, &Node) {
    let node = &program.nodes()[program.outputs()[0]];
    match &node.kind {
        Kind::Apply { op, .. } => (op.as_ref(), node),
        other => panic!("the output is {other:?}"),
    }
}

#[test]
fn the_root_of_a_square_is_the_absolute_value() {
    let roots: [Unary; 5] = [
        |x| (x * x).sqrt(),
        |x| x.square().sqrt(),
        |x| x.power(2.0).sqrt(),
        |x| (x * x).power(0.5),
        |x| x.power(2.0).power(0.5),
    ];
    for f in roots {
        let program = unary(f);
        let (op, node) = top(&program);
        assert_eq!(op.name(), "abs");
        assert!(node.place.to_string().contains("ops_pointwise.rs"), "{} is where it was written", node.place);
        // Every framework differentiates the root and returns NaN; the presets take the least element instead.
        tie(f, 0.0, [0.0, 0.0, 0.0, 0.0]);
    }
    let product = binary(|a, b| (a * b).sqrt());
    assert_eq!(top(&product).0.name(), "sqrt");
    assert_eq!(top(&unary(|x| x.power(3.0).sqrt())).0.name(), "sqrt");
}

#[test]
fn a_dead_branch_contributes_nothing() {
    let slope = |f: Unary, x: f64| slopes(&unary(f), MinNorm, &[x])[0];
    assert_eq!(slope(|x| x.gt(0.0).where_(x.sqrt(), 0.0), -1.0), 0.0);
    assert_eq!(slope(|x| x.gt(0.0).where_(x.log(), x), -1.0), 1.0);
    assert_eq!(slope(|x| x.ne_to(0.0).where_(x.sin() / x, 1.0), 0.0), 0.0);
    // On the boundary both branches count, so an infinite slope stays one.
    assert_eq!(slope(|x| x.gt(0.0).where_(x.power(-0.5), x), 0.0), f64::NEG_INFINITY);
    assert_eq!(slope(|x| x.ge(1.0).where_(x.power(-0.5), x), 0.0), 1.0);
}

#[test]
fn conditions_of_every_kind_select_as_numpy_does() {
    type Condition = for<'p> fn(Var<'p>, Var<'p>) -> Guard<'p>;
    let conditions: [(Condition, fn(f64, f64) -> bool); 10] = [
        (|a, b| a.gt(b), |a, b| a > b),
        (|a, b| a.ge(b), |a, b| a >= b),
        (|a, b| a.lt(b), |a, b| a < b),
        (|a, b| a.le(b), |a, b| a <= b),
        (|a, b| a.eq_to(b), |a, b| a == b),
        (|a, b| a.ne_to(b), |a, b| a != b),
        (|a, b| !a.gt(b), |a, b| a <= b),
        (|a, b| a.gt(0.0) & b.gt(0.0), |a, b| a > 0.0 && b > 0.0),
        (|a, b| a.gt(0.0) | b.gt(0.0), |a, b| a > 0.0 || b > 0.0),
        (|a, b| !(a.gt(0.0) & b.gt(a)) | b.eq_to(2.0), |a, b| !(a > 0.0 && b > a) || b == 2.0),
    ];
    for (condition, wanted) in conditions {
        let f = Program::trace(&[&[], &[]], |v| condition(v[0], v[1]).where_(1.0, -1.0)).unwrap();
        for a in [-1.0, 0.0, 1.0, 2.0] {
            for b in [-1.0, 0.0, 1.0, 2.0] {
                assert_eq!(at(&f, &[a, b])[0], if wanted(a, b) { 1.0 } else { -1.0 }, "at {a}, {b}");
            }
        }
    }
}

#[test]
fn a_where_tells_its_boundary() {
    let boundary = |f: Unary, args: &[f64]| {
        let program = unary(f);
        let (op, _) = top(&program);
        let boundary = op.boundary().expect("where has a boundary");
        assert_eq!(boundary.parts().map(|p| (p.sides, p.values)), Some(((0, 1), (2, 3))));
        (boundary.at(args), op.notation())
    };
    let pieces = BoundaryKind::Pieces(3.0, 4.0);
    assert_eq!(
        boundary(|x| x.gt(0.0).where_(x, 0.0), &[0.0, 0.0, 3.0, 4.0]),
        (pieces, Notation::Where { symbol: ">" })
    );
    assert_eq!(
        boundary(|x| x.le(0.0).where_(x, 0.0), &[0.0, 0.0, 3.0, 4.0]),
        (pieces, Notation::Where { symbol: ">=" })
    );
    assert_eq!(
        boundary(|x| x.ne_to(0.0).where_(x, 0.0), &[0.0, 0.0, 3.0, 4.0]),
        (BoundaryKind::Equality, Notation::Where { symbol: "==" })
    );
    assert!(unary(|x| x.gt(0.0).where_(x, 0.0)) != unary(|x| x.ge(0.0).where_(x, 0.0)));
}

#[test]
fn classes_of_tameness() {
    let class = |f: Unary| unary(f).class();
    let (linear, polynomial, definable) = (Level::PiecewiseLinear, Level::PiecewisePolynomial, Level::Definable);
    let cases: Vec<(Unary, Level, bool)> = vec![
        (|x| x.relu().leaky_relu(0.1).hinge().pinball(0.3), linear, false),
        (|x| x.clip(-1.0, 1.0), linear, true),
        (|x| x.clip(-1.0, f64::INFINITY), linear, false),
        (|x| x.relu6(), linear, true),
        (|x| x.maximum(0.0).minimum(1.0).soft_threshold(0.1), linear, false),
        (|x| x.huber(1.0), polynomial, false),
        (|x| x.square().power(3.0), polynomial, false),
        (|x| x.clip(-1.0, 1.0).square(), polynomial, true),
        (|x| x.power(1.0), linear, false),
        (|x| x.power(-1.0), Level::Semialgebraic, false),
        (|x| x.power(0.5), Level::Semialgebraic, false),
        (|x| x.sqrt(), Level::Semialgebraic, false),
        (|x| x / 2.0, linear, false),
        (|x| 2.0 / x, Level::Semialgebraic, false),
        (|x| x.exp(), definable, false),
        (|x| x.tanh(), definable, true),
        (|x| x.sigmoid(), definable, true),
        (|x| x.sigmoid().log(), definable, false),
        (|x| x.softplus(), definable, false),
        (|x| x.sin(), Level::Unknown, true),
        (|x| x.tanh().sin(), definable, true),
        (|x| x.clip(0.0, 1.0).cos(), definable, true),
        (|x| x.sin().cos(), Level::Unknown, true),
        (|x| x.gt(0.0).where_(x, 0.0), linear, false),
        (|x| x.gt(0.0).where_(1.0, 0.0), linear, true),
        (|x| x.square().gt(1.0).where_(x, 0.0), polynomial, false),
    ];
    for (k, (f, level, bounded)) in cases.into_iter().enumerate() {
        assert_eq!(class(f), Class { level, bounded }, "case {k}");
    }
}

#[test]
fn bad_parameters_are_errors_with_the_callers_line() {
    let message = |f: Unary| {
        let text = Program::trace(&[&[]], |v| f(v[0])).unwrap_err().to_string();
        assert!(text.contains("ops_pointwise.rs"), "{text}");
        text
    };
    assert!(message(|x| x.clip(1.0, 0.0)).starts_with("clip: high is 0, but it must not be less than low, which is 1"));
    assert!(message(|x| x.clip(f64::NAN, 0.0)).starts_with("clip: low is NaN"));
    assert!(message(|x| x.power(f64::INFINITY)).starts_with("power: exponent is inf, but it must be a finite number"));
    assert!(message(|x| x.leaky_relu(f64::NAN)).starts_with("leaky_relu: slope is NaN"));
    assert!(message(|x| x.huber(0.0)).starts_with("huber: delta is 0, but it must be positive"));
    assert!(message(|x| x.huber(f64::NAN)).starts_with("huber: delta is NaN"));
    assert!(message(|x| x.pinball(1.0)).starts_with("pinball: q is 1, but it must lie in (0, 1)"));
    let shapes = Program::trace(&[&[2], &[3]], |v| v[0].maximum(v[1])).unwrap_err().to_string();
    assert!(shapes.starts_with("maximum cannot take [2] and [3]") && shapes.contains("ops_pointwise.rs"), "{shapes}");
    let sides = Program::trace(&[&[2], &[3]], |v| v[0].gt(v[1]).where_(0.0, 1.0)).unwrap_err().to_string();
    assert!(sides.starts_with("where cannot take [2] and [3]"), "{sides}");
}

/// Reads a call through the table, as the parser does.
fn called<'p>(
    builder: &'p Builder,
    name: &str,
    args: &[Value<'p>],
    keywords: &[(String, Value<'p>)],
) -> Result<Var<'p>> {
    let registry = registry();
    let entry = registry.get(name).expect("an operator of the table");
    let call = Call { builder, name: entry.name, signature: entry.signature, args, keywords, place: Place::Unknown };
    (entry.call)(&call)
}

fn keyword<'p>(name: &str, value: f64) -> (String, Value<'p>) {
    (name.into(), Value::Number(value))
}

#[test]
fn calls_take_parameters_by_position_and_name() {
    let builder = Builder::new();
    let x = builder.input("x", &[], Role::Argument);
    let by_name = called(&builder, "huber", &[Value::Var(x)], &[keyword("delta", 2.0)]).unwrap();
    let by_place = called(&builder, "huber", &[Value::Var(x), Value::Number(2.0)], &[]).unwrap();
    let default = called(&builder, "leaky_relu", &[Value::Var(x)], &[]).unwrap();
    let power = called(&builder, "power", &[Value::Var(x), Value::Number(3.0)], &[]).unwrap();
    let program = builder.finish(&[by_name, by_place, default, power]).unwrap();
    assert_eq!(at(&program, &[-4.0]), [6.0, 6.0, -0.04, -64.0]);
    let builder = Builder::new();
    let x = builder.input("x", &[], Role::Argument);
    let missing = called(&builder, "pinball", &[Value::Var(x)], &[]).unwrap_err().to_string();
    assert!(missing.contains("`q` is missing; its signature is pinball(x, q)"), "{missing}");
    let variable = called(&builder, "huber", &[Value::Var(x), Value::Var(x)], &[]).unwrap_err().to_string();
    assert!(variable.contains("`delta` must be a number"), "{variable}");
}

#[test]
fn clip_reads_numbers_nothing_and_variables() {
    let builder = Builder::new();
    let x = builder.input("x", &[], Role::Argument);
    let t = builder.input("t", &[], Role::Argument);
    let [vx, vt, none] = [Value::Var(x), Value::Var(t), Value::None];
    let one = Value::Number(1.0);
    let calls: [&[Value<'_>]; 5] = [
        &[vx.clone(), Value::Number(-1.0), one.clone()],
        &[vx.clone(), none.clone(), one.clone()],
        &[vx.clone(), vt.clone(), one.clone()],
        &[vx.clone(), none, vt.clone()],
        &[vx.clone(), Value::Var(builder.constant(-1.0)), one],
    ];
    let outputs: Vec<Var<'_>> = calls.iter().map(|args| called(&builder, "clip", args, &[]).unwrap()).collect();
    let missing = called(&builder, "clip", &[vx.clone(), vt], &[]).unwrap_err().to_string();
    assert!(missing.contains("`high` is missing; None stands for no bound"), "{missing}");
    let crossed = called(&builder, "clip", &[vx], &[keyword("low", 1.0), keyword("high", 0.0)]).unwrap_err();
    assert!(crossed.to_string().contains("high is 0, but it must not be less than low"), "{crossed}");
    let program = builder.finish(&outputs).unwrap();
    assert_eq!(at(&program, &[3.0, 0.5]), [1.0, 1.0, 1.0, 0.5, 1.0]);
    assert_eq!(at(&program, &[-3.0, 0.5]), [-1.0, -3.0, 0.5, -3.0, -1.0]);
    let op = |k: usize| match &program.nodes()[program.outputs()[k]].kind {
        Kind::Apply { op, .. } => (op.name(), op.params()),
        other => panic!("{other:?}"),
    };
    assert_eq!(op(1), ("clip", vec![("low", Param::None), ("high", Param::Number(1.0))]));
    assert_eq!([op(2).0, op(3).0, op(4).0], ["minimum", "minimum", "clip"]);
}

#[test]
fn division_by_a_number_is_a_plain_product_in_the_derivative() {
    let program = Program::trace(&[&[3]], |v| (v[0] / 4.0).sum_to(&[])).unwrap();
    let gradient = program.gradient().unwrap();
    let guarded = |n: &Node| matches!(&n.kind, Kind::Apply { op, .. } if op.name() == "guarded_mul");
    assert!(!gradient.nodes().iter().any(guarded), "{gradient:?}");
    assert_eq!(gradient.eval(&[[1.0, 2.0, 3.0].into()]).unwrap()[0].data(), [0.25; 3]);
}

#[test]
fn second_derivatives_are_those_of_the_selected_piece() {
    let second = |f: Unary, x: f64| at(&unary(f).hvp().unwrap(), &[x, 1.0])[0];
    close(second(|x| x.exp(), 0.3), 0.3f64.exp(), 1e-15);
    close(second(|x| x.power(1.5), 4.0), 0.375, 1e-15);
    close(second(|x| 1.0 / x, 2.0), 0.25, 1e-15);
    close(second(|x| x.sqrt(), 4.0), -1.0 / 32.0, 1e-15);
    close(second(|x| x.log(), 2.0), -0.25, 1e-15);
    let s = 1.0 / (1.0 + (-0.7f64).exp());
    close(second(|x| x.softplus(), 0.7), s * (1.0 - s), 1e-15);
    close(second(|x| x.sigmoid(), 0.7), s * (1.0 - s) * (1.0 - 2.0 * s), 1e-15);
    assert_eq!(second(|x| x.huber(1.0), 0.5), 1.0);
    assert_eq!(second(|x| x.huber(1.0), 1.5), 0.0);
    assert_eq!(second(|x| x.huber(1.0), 1.0), 0.0);
    assert_eq!(second(|x| x.huber(1.0), -1.0), 0.0);
    assert_eq!(second(|x| x.eq_to(3.0).where_(x, x * x), 0.5), 2.0);
}

#[test]
fn operators_broadcast_and_batch() {
    let program = Program::trace(&[&[2, 3], &[3]], |v| v[0].maximum(v[1]) / (v[1].square() + 1.0)).unwrap();
    let a = Tensor::new(&[2, 3], vec![1.0, -1.0, 2.0, 0.0, 4.0, -3.0]).unwrap();
    let b = Tensor::vector(vec![0.5, 1.0, -2.0]);
    let value = program.eval(&[a.clone(), b.clone()]).unwrap().remove(0);
    assert_eq!(value.data(), [0.8, 0.5, 0.4, 0.4, 2.0, -0.4]);
    let batched = program.batch(&[false, true], 2).unwrap();
    let both = Tensor::new(&[2, 3], [b.data(), &[1.0, 1.0, 1.0]].concat()).unwrap();
    let values = batched.eval(&[a, both]).unwrap().remove(0);
    assert_eq!(values.shape(), [2, 2, 3]);
    assert_eq!(&values.data()[..6], value.data());
    assert_eq!(&values.data()[6..], [0.5, 0.5, 1.0, 0.5, 2.0, 0.5]);
}
