//! Laws of random programs of some hundred nodes over all operators of the table.
//!
//! `CLARKE_CASES` sets how many programs each law is tested on, `CLARKE_SEED` which ones. A failure prints the smallest
//! program found, as a command of `clarke explain`.

mod common;
#[path = "common/sketch.rs"]
mod sketch;

use clarke::program::Kind;
use clarke::{At, Evaluator, Fault, Policy, Program, Tensor, registry, text};
use common::{Draw, compile_filled, dot, numbers};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseResult, TestRunner};
use sketch::{Form, Sketch, sketches};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often something happened, by name.
#[derive(Default)]
struct Counts(RefCell<BTreeMap<&'static str, usize>>);

impl Counts {
    fn add(&self, what: &'static str) {
        *self.0.borrow_mut().entry(what).or_default() += 1;
    }

    fn of(&self, what: &str) -> usize {
        self.0.borrow().get(what).copied().unwrap_or(0)
    }
}

/// Asserts a law of random programs; the counts are what it counted.
fn law(name: &'static str, share: u32, test: impl Fn(&Sketch, &Counts) -> TestCaseResult) -> Counts {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")),
        Err(_) => default,
    };
    let seed = name.bytes().fold(number("CLARKE_SEED", 0), |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
    let config = Config {
        cases: (number("CLARKE_CASES", 100) as u32 * share / 100).max(1),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/random_programs.regressions"
        )))),
        ..Config::default()
    };
    let counts = Counts::default();
    let result = TestRunner::new(config).run(&sketches(4..60), |sketch| {
        counts.add("all");
        test(&sketch, &counts)
    });
    println!("{name}: {:?}", counts.0.borrow());
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
    counts
}

fn fail(why: String) -> TestCaseResult {
    Err(TestCaseError::fail(why))
}

/// An error of the library where none is true: all arguments stay inside of their domains, where the operators are
/// Lipschitz, and the conditions are continuous.
fn sound<T>(result: clarke::Result<T>) -> Result<T, TestCaseError> {
    result.map_err(|e| TestCaseError::fail(format!("an error that is not true: {e}")))
}

fn moved(x: &[Tensor], d: &[Tensor], h: f64) -> Vec<Tensor> {
    std::iter::zip(x, d).map(|(x, d)| Tensor::from_fn(x.shape(), |i| x.data()[i] + h * d.data()[i])).collect()
}

/// A tie as its node, its number there, its element and its pieces.
type Tie = (usize, usize, Option<Vec<usize>>, Option<u64>);

/// The ties met: where, and between how many pieces.
fn ties(at: &At, tolerance: f64) -> Result<Vec<Tie>, TestCaseError> {
    let ties = sound(at.ties(tolerance))?;
    Ok(ties.into_iter().map(|t| (t.site.node, t.site.number, t.index, t.pieces)).collect())
}

/// The largest magnitude; NaN if one of them is.
fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m: f64, x| if x.is_nan() || m.is_nan() { f64::NAN } else { m.max(x.abs()) })
}

/// Whether two numbers are this close; NaN never is.
fn within(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

/// |a − b| ≤ relative · (1 + the largest number of both), entry by entry.
fn agree(what: &str, a: &[f64], b: &[f64], relative: f64) -> TestCaseResult {
    let scale = 1.0 + largest(a).max(largest(b));
    let fine = a.len() == b.len() && std::iter::zip(a, b).all(|(x, y)| within(*x, *y, relative * scale));
    if fine { Ok(()) } else { fail(format!("{what}: {a:?} is not {b:?}")) }
}

/// Whether only ties between equal pieces are met at x: what is tied is tied nearby too, in a generic direction, and
/// nothing else is about to be. Then the program is smooth there, and every selection gives its derivative.
fn is_smooth(f: &Program, x: &[Tensor], d: &[Tensor], h: f64) -> Result<bool, TestCaseError> {
    let at = sound(f.at(x))?;
    let here = ties(&at, 0.0)?;
    if ties(&at, 1e-4)? != here {
        return Ok(false);
    }
    for step in [h, -h] {
        if ties(&sound(f.at(&moved(x, d, step)))?, 0.0)? != here {
            return Ok(false);
        }
    }
    Ok(true)
}

#[test]
fn the_programs_are_large_and_made_of_all_operators() {
    let seen = RefCell::new(BTreeMap::<String, usize>::new());
    let nodes = RefCell::new(vec![]);
    let counts = law("all operators", 200, |sketch, counts| {
        let program = sketch.program(Form::Scalar);
        nodes.borrow_mut().push(program.prune().nodes().len());
        for node in program.prune().nodes() {
            if let Kind::Apply { op, .. } = &node.kind {
                *seen.borrow_mut().entry(op.name().into()).or_default() += 1;
            }
        }
        // A step matters where moving its value moves the output.
        let moved = sound(sketch.program(Form::Moved).gradient())?.compile_with::<f64>(&|_| 0.5);
        let mut x = sketch.at(0, true);
        x.extend(moved.inputs()[x.len()..].iter().map(|p| Tensor::full(&p.shape, 0.0)));
        for slope in &sound(moved.call(&x))?[sketch.at(0, true).len()..] {
            counts.add(if largest(slope.data()) > 1e-9 { "alive" } else { "dead" });
        }
        Ok(())
    });
    let mut nodes = nodes.into_inner();
    nodes.sort();
    assert!(counts.of("alive") > 2 * counts.of("dead"), "most steps have no influence");
    assert!(nodes[nodes.len() / 2] >= 150, "half of the programs have no more than {} nodes", nodes[nodes.len() / 2]);
    assert!(seen.borrow().len() >= sketch::operators() * 9 / 10, "{:?}", seen.borrow().keys());
}

#[test]
fn forward_and_reverse_are_transposes_for_every_selection() {
    law("forward and reverse", 100, |sketch, _| {
        let program = sketch.program(Form::Several);
        let (jvp, vjp) = (sound(program.linearize())?, sound(program.vjp())?);
        for k in 0..3 {
            let x = sketch.at(k, k == 2);
            let (jvp, vjp) = (compile_filled(&jvp, k), compile_filled(&vjp, k));
            let (u, mut draw) = (sketch.direction(k), Draw::new(k));
            let v: Vec<Tensor> = program.output_shapes().iter().map(|s| draw.tensor(s, (-1.0, 1.0))).collect();
            let forward = sound(jvp.call(&[x.clone(), u.clone()].concat()))?;
            let reverse = numbers(&sound(vjp.call(&[x, v.clone()].concat()))?);
            let tangents = numbers(&forward[v.len()..]);
            let (a, b) = (dot(&numbers(&v), &tangents), dot(&reverse, &numbers(&u)));
            let scale = largest(&tangents).max(largest(&reverse));
            if !within(a, b, 1e-10 * (1.0 + scale)) {
                return fail(format!("point {k}: {a} is not {b}"));
            }
        }
        Ok(())
    });
}

#[test]
fn the_gradient_is_that_of_central_differences_where_the_program_is_smooth() {
    let counts = law("differences", 100, |sketch, counts| {
        let f = sketch.program(Form::Scalar);
        let fast = f.compile_with::<f64>(&|_| 0.0);
        let both = sound(f.value_and_gradient())?;
        for k in 0..2 {
            let (x, d, h) = (sketch.at(k, true), sketch.direction(k), 2f64.powi(-16));
            if !is_smooth(&f, &x, &d, h)? {
                continue;
            }
            counts.add("smooth");
            let value = |h: f64| fast.call(&moved(&x, &d, h)).unwrap()[0].item();
            let quotient = |h: f64| (value(h) - value(-h)) / (2.0 * h);
            let (coarse, fine) = (quotient(h), quotient(h / 2.0));
            if !within(coarse, fine, 1e-4 * (1.0 + fine.abs())) {
                continue;
            }
            counts.add("converged");
            let tolerance = (coarse - fine).abs() + 1e-6 * (1.0 + fine.abs());
            let at = sound(f.at(&x))?;
            let by = |policy: Policy| -> Result<Vec<f64>, TestCaseError> { Ok(numbers(&sound(at.gradient(&policy))?)) };
            let compiled = |seed| Ok(numbers(&sound(compile_filled(&both, seed).call(&x))?[1..]));
            for g in [by(Policy::default()), by(Policy::Random(k)), compiled(k), compiled(k + 1)] {
                let derivative = dot(&g?, &numbers(&d));
                if !within(derivative, fine, tolerance) {
                    return fail(format!("point {k}: {derivative} is not {fine} ({coarse})"));
                }
            }
        }
        Ok(())
    });
    assert!(counts.of("converged") >= counts.of("all") / 4 && counts.of("converged") * 2 >= counts.of("smooth"));
}

#[test]
fn every_way_to_run_a_program_gives_the_same_numbers() {
    law("values", 100, |sketch, _| {
        let f = sketch.program(Form::Several);
        let both = sound(sketch.program(Form::Scalar).value_and_gradient())?;
        for (what, program) in [("program", &f), ("gradient", &both)] {
            let simple = program.simplify();
            prop_assert!(simple.nodes().len() <= program.nodes().len(), "simplify makes more nodes of the {}", what);
            let fast = program.compile::<f64>(clarke::Convention::MinNorm);
            for k in 0..2 {
                let x = sketch.at(k, k == 1);
                let slow = sound(program.eval(&x))?;
                prop_assert!(largest(&numbers(&slow)).is_finite());
                prop_assert_eq!(&sound(simple.eval(&x))?, &slow, "simplify changes the {}", what);
                prop_assert_eq!(&sound(fast.call(&x))?, &slow, "compiling changes the {}", what);
            }
        }
        Ok(())
    });
}

#[test]
fn print_then_parse_is_the_identity() {
    let registry = registry();
    law("text", 50, |sketch, _| {
        let f = sketch.program(Form::Several);
        let gradient = sound(sketch.program(Form::Scalar).gradient())?;
        for program in [f, sketch.program(Form::Scalar).simplify(), gradient] {
            let printed = program.to_string();
            let back = sound(text::parse_program(&registry, &printed))?;
            prop_assert_eq!(&back.to_string(), &printed);
            let given = |x: Vec<Tensor>, of: &Program| {
                // Selections that were read are inputs without a site: 0, as those of the program are set here.
                of.compile_with::<f64>(&|_| 0.0).call(&x)
            };
            for k in 0..2 {
                let x = sketch.at(k, k == 1);
                prop_assert_eq!(&sound(given(x.clone(), &back))?, &sound(given(x, &program))?, "{}", &printed);
            }
        }
        Ok(())
    });
}

/// What rounding to f32 can do to a program is measured by moving the value of each step by as much.
#[test]
fn single_precision_agrees_with_double_to_its_own_precision() {
    let counts = law("single precision", 50, |sketch, counts| {
        let (f, probe) = (sketch.program(Form::Scalar), sketch.program(Form::Moved));
        let (both, probe) = (sound(f.value_and_gradient())?, sound(probe.value_and_gradient())?);
        let (single, double) = (both.compile_with::<f32>(&|_| 0.5), both.compile_with::<f64>(&|_| 0.5));
        let probe = probe.compile_with::<f64>(&|_| 0.5);
        for k in 0..2 {
            let (x, d) = (sketch.at(k, k == 1), sketch.direction(k));
            // The same numbers in both precisions.
            let x: Vec<Tensor> =
                x.iter().map(|t| Tensor::from_fn(t.shape(), |i| f64::from(t.data()[i] as f32))).collect();
            let (a, b) = (numbers(&sound(single.call(&x))?), numbers(&sound(double.call(&x))?));
            // Gradients are compared where they do not jump.
            let compared = if is_smooth(&f, &x, &d, 2f64.powi(-16))? { a.len() } else { 1 };
            counts.add(if compared > 1 { "gradients" } else { "values only" });
            let mut draw = Draw::new(k);
            let mut spread = vec![0f64; compared];
            for _ in 0..4 {
                let unit = f64::from(f32::EPSILON);
                let steps = probe.inputs()[x.len()..].iter().map(|p| draw.tensor(&p.shape, (-unit, unit)));
                let other = numbers(&sound(probe.call(&x.iter().cloned().chain(steps).collect::<Vec<_>>()))?);
                std::iter::zip(&mut spread, &other).zip(&b).for_each(|((s, x), y)| *s = s.max((x - y).abs()));
            }
            let scale = 1.0 + largest(&b[..compared]);
            let spread = largest(&spread);
            let error = largest(&(0..compared).map(|i| a[i] - b[i]).collect::<Vec<_>>());
            if !within(error, 0.0, 20.0 * spread + 1e-6 * scale) {
                return fail(format!("point {k}: {a:?} is not {b:?}: {error} is more than {spread}"));
            }
            counts.add(if spread < 1e-3 * scale { "sharp" } else { "blunt" });
        }
        Ok(())
    });
    assert!(counts.of("gradients") >= counts.of("all") / 4 && counts.of("sharp") > 9 * counts.of("blunt"));
}

#[test]
fn batching_is_doing_it_point_by_point() {
    law("batches", 50, |sketch, _| {
        let f = sketch.program(Form::Several);
        let both = sound(sketch.program(Form::Scalar).value_and_gradient())?;
        let mask = 1 + sketch.point % 15;
        let mapped: Vec<bool> = (0..4).map(|k| mask >> k & 1 == 1).collect();
        let rows: Vec<Vec<Tensor>> = (0..3).map(|k| sketch.at(k, k == 2)).collect();
        let stack = |k: usize| common::stack(&[&rows[0][k], &rows[1][k], &rows[2][k]]);
        let x: Vec<Tensor> = (0..4).map(|k| if mapped[k] { stack(k) } else { rows[0][k].clone() }).collect();
        for program in [f, both] {
            let batched = sound(program.batch(&mapped, 3))?;
            let together = sound(batched.eval(&x))?;
            let fast = sound(batched.compile::<f64>(clarke::Convention::MinNorm).call(&x))?;
            let apart: Vec<Vec<Tensor>> = (0..3)
                .map(|r| {
                    let x: Vec<Tensor> = (0..4).map(|k| rows[if mapped[k] { r } else { 0 }][k].clone()).collect();
                    sound(program.eval(&x))
                })
                .collect::<Result<_, _>>()?;
            for (k, out) in together.iter().enumerate() {
                let apart = common::stack(&[&apart[0][k], &apart[1][k], &apart[2][k]]);
                prop_assert_eq!(out.shape(), apart.shape());
                agree(&format!("output {k}, mapped {mapped:?}"), out.data(), apart.data(), 1e-11)?;
                agree(&format!("compiled output {k}"), fast[k].data(), apart.data(), 1e-11)?;
            }
        }
        Ok(())
    });
}

#[test]
fn compiled_gradients_are_those_of_the_analysis_at_a_point() {
    let policies = [
        Policy::min_norm(),
        Policy::pytorch(),
        Policy::jax(),
        Policy::tensorflow(),
        Policy::Step(0.3),
        Policy::Step(1.0),
    ];
    law("policies", 40, |sketch, _| {
        let f = sketch.program(Form::Scalar);
        let both = sound(f.value_and_gradient())?;
        for (k, policy) in policies.iter().enumerate() {
            let x = sketch.at(k as u64, k == 1);
            let fill = |site: &clarke::program::tie::Site| policy.choice(site).unwrap().selection;
            let fast = numbers(&sound(both.compile_with::<f64>(&fill).call(&x))?);
            let at = sound(f.at(&x))?;
            let slow = numbers(&sound(at.gradient(policy))?);
            agree(&format!("{policy}"), &fast[1..], &slow, 1e-11)?;
            agree("value", &fast[..1], &[sound(at.value())?], 1e-12)?;
        }
        Ok(())
    });
}

#[test]
fn the_derivative_along_a_direction_is_one_sided() {
    let counts = law("directions", 100, |sketch, counts| {
        let f = sketch.program(Form::Scalar);
        let fast = f.compile_with::<f64>(&|_| 0.0);
        for k in 0..2 {
            let (x, d) = (sketch.at(k, false), sketch.direction(k));
            let at = sound(f.at(&x))?;
            let met = ties(&at, 0.0)?;
            let gradient = numbers(&sound(at.gradient(&Policy::Along(vec![d.clone()])))?);
            if ties(&at, 1e-5)? != met {
                counts.add("next to another tie");
                continue;
            }
            let derivative = dot(&gradient, &numbers(&d));
            let here = sound(at.value())?;
            let quotient = |h: f64| (fast.call(&moved(&x, &d, h)).unwrap()[0].item() - here) / h;
            // Exact for a quadratic piece.
            let richardson = |p: i32| 2.0 * quotient(2f64.powi(p - 1)) - quotient(2f64.powi(p));
            let (coarse, fine) = (richardson(-18), richardson(-20));
            if !within(coarse, fine, 1e-4 * (1.0 + fine.abs())) {
                counts.add("no limit in sight");
                continue;
            }
            counts.add(if met.is_empty() { "smooth" } else { "tied" });
            if !within(derivative, fine, (coarse - fine).abs() + 1e-5 * (1.0 + fine.abs())) {
                return fail(format!("point {k}: {derivative} is not {fine} ({coarse})"));
            }
        }
        Ok(())
    });
    assert!(counts.of("tied") >= counts.of("all"));
}

/// Slopes that are infinite or not defined are met, hidden by ties or not: then there is an error, and never a number
/// that is not finite.
#[test]
fn what_is_not_defined_is_an_error_and_nothing_else_is() {
    let counts = law("not defined", 100, |sketch, counts| {
        let f = sketch.program(Form::Careless);
        let both = sound(f.value_and_gradient())?;
        let both = both.compile::<f64>(clarke::Convention::MinNorm);
        let mut evaluator = sound(Evaluator::new(&f, &[], Policy::default()))?;
        for k in 0..4 {
            let x = sketch.at(k, k == 3);
            let flat = numbers(&x);
            let fast = numbers(&sound(both.call(&x))?);
            let mut gradient = vec![0.0; flat.len()];
            let evaluated = evaluator.value_and_gradient(&flat, &mut gradient);
            let slow = f.at(&x).and_then(|at| {
                let along = at.gradient(&Policy::Along(vec![sketch.direction(k)]));
                let least = at.gradient(&Policy::default());
                // Whether the program is Lipschitz at a point is no question of the policy.
                match (&along, &least) {
                    (Ok(g), Ok(_)) => assert!(largest(&numbers(g)).is_finite()),
                    (Err(a), Err(b)) => {
                        assert_eq!(std::mem::discriminant(&*a.fault), std::mem::discriminant(&*b.fault), "{a} {b}")
                    }
                    (a, b) => panic!("along a direction {a:?}, but by default {b:?}"),
                }
                least
            });
            match (slow, evaluated) {
                (Ok(slow), Ok(value)) => {
                    counts.add("defined");
                    agree("gradient", &fast[1..], &numbers(&slow), 1e-11)?;
                    agree("evaluated gradient", &gradient, &numbers(&slow), 1e-11)?;
                    agree("value", &fast[..1], &[value], 1e-12)?;
                }
                (Err(a), Err(b)) => {
                    prop_assert_eq!(&a.to_string(), &b.to_string());
                    match *a.fault {
                        Fault::NotLipschitz { .. } => counts.add("not Lipschitz"),
                        Fault::NotFinite { .. } => counts.add("not finite"),
                        _ => return fail(format!("an error that is not true: {a}")),
                    }
                }
                (a, b) => return fail(format!("{a:?} is not {b:?}")),
            }
        }
        Ok(())
    });
    let errors = counts.of("not Lipschitz") + counts.of("not finite");
    assert!(errors > 0 && counts.of("not Lipschitz") > 0 && errors < counts.of("defined"));
}

/// What was found once.
#[test]
fn programs_that_failed_before() {
    // A condition whose two sides are one value is tied everywhere.
    let f = clarke::parse("where(x > x, 3 * x, x + 2 * x)", &[("x", &[])]).unwrap();
    let at = f.at(&[1.5.into()]).unwrap();
    // That the two values are equal is not seen from their text.
    assert_eq!(at.path_differentiable().unwrap(), None);
    assert_eq!(numbers(&at.gradient(&Policy::default()).unwrap()), [3.0]);
    let f = clarke::parse("where(x > x, 3 * x, 3 * x)", &[("x", &[])]).unwrap();
    assert_eq!(f.at(&[1.5.into()]).unwrap().path_differentiable().unwrap(), Some(true));
    // The ties of an operator that is defined by others decide each other, as if it were written out.
    for text in ["norminf(x)", "max(abs(x))", "abs(norminf(x)) + norminf(x) + abs(x[0])"] {
        let f = clarke::parse(text, &[("x", &[3])]).unwrap();
        let at = f.at(&[Tensor::full(&[3], 0.0)]).unwrap();
        let d = [Tensor::vector([0.5, -1.0, 0.25])];
        let gradient = at.gradient(&Policy::Along(vec![d.to_vec()])).unwrap();
        assert_eq!(dot(gradient[0].data(), d[0].data()), f.eval(&d).unwrap()[0].item(), "{text}");
    }
}
