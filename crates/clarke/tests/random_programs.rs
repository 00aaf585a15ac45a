//! Laws of random programs over all operators of the table, of up to some hundred nodes.
//!
//! `CLARKE_CASES` sets how many programs each law is tested on (100: as the laws say), `CLARKE_SEED` which ones. A failure
//! prints the smallest program found, as a command of `clarke explain`. `cargo xtask soak` goes on with further seeds.

mod common;
#[path = "common/law.rs"]
mod law;
#[path = "common/sketch.rs"]
mod sketch;

use clarke::program::Kind;
use clarke::{Evaluator, Fault, Policy, Program, Tensor, registry, text};
use common::{Draw, compile_filled, dot, numbers};
use law::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use sketch::{Form, Sketch};
use std::collections::BTreeMap;
use std::sync::Mutex;

#[test]
fn the_programs_are_large_and_made_of_all_operators() {
    let seen = Mutex::new(BTreeMap::<String, usize>::new());
    let nodes = Mutex::new(vec![]);
    let counts = law("all operators", 200, |sketch, counts| {
        let program = sketch.program(Form::Scalar);
        nodes.lock().unwrap().push(program.prune().nodes().len());
        for node in program.prune().nodes() {
            if let Kind::Apply { op, .. } = &node.kind {
                *seen.lock().unwrap().entry(op.name().into()).or_default() += 1;
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
    let mut nodes = nodes.into_inner().unwrap();
    nodes.sort();
    assert!(counts.of("alive") > 2 * counts.of("dead"), "most steps have no influence");
    assert!(nodes[nodes.len() / 2] >= 150, "half of the programs have no more than {} nodes", nodes[nodes.len() / 2]);
    assert!(seen.lock().unwrap().len() >= sketch::operators() * 9 / 10, "{:?}", seen.lock().unwrap().keys());
}

/// Whether a node of the program is one of an operator that this holds of.
fn has(program: &Program, of: impl Fn(&dyn clarke::program::op::Op) -> bool) -> bool {
    program.nodes().iter().any(|n| matches!(&n.kind, Kind::Apply { op, .. } if of(op.as_ref())))
}

/// What the programs are, to be asserted: the laws are worth what they are tested on.
fn count_what_it_is(f: &Program, at: &clarke::At, counts: &Counts) -> TestCaseResult {
    let is = |yes: bool, what| {
        if yes {
            counts.add(what)
        }
    };
    is(f.nodes().len() >= 200, "hundreds of nodes");
    is(has(f, |op| !op.programs().is_empty()), "loops");
    is(has(f, |op| op.boundary().is_some_and(|b| b.parts().is_some())), "conditions");
    is(!ties(at, 0.0)?.is_empty(), "ties");
    Ok(())
}

/// At points with ties, a hundred thousand programs: all values are finite, and forward and reverse mode give one
/// derivative.
#[test]
fn a_hundred_thousand_programs_have_one_derivative_in_both_modes() {
    let counts = cheap_law("both modes", 100_000, |sketch, counts| {
        let f = sketch.program(Form::Scalar);
        let (x, d) = (sketch.at(0, false), sketch.direction(0));
        if sketch.point.is_multiple_of(16) {
            count_what_it_is(&f, &sound(f.at(&x))?, counts)?;
            counts.add("looked at");
        }
        let both = numbers(&sound(sound(f.value_and_gradient())?.eval(&x))?);
        let forward = numbers(&sound(sound(f.linearize())?.eval(&[x, d.clone()].concat()))?);
        prop_assert!(largest(&both).is_finite() && largest(&forward).is_finite());
        prop_assert_eq!(both[0], forward[0], "the values of two derivative programs");
        let derivative = dot(&both[1..], &numbers(&d));
        let scale = 1.0 + largest(&both[1..]).max(largest(&forward));
        prop_assert!(within(derivative, forward[1], 1e-10 * scale), "{} is not {}", derivative, forward[1]);
        Ok(())
    });
    let share = |what: &str| counts.of(what) as f64 / counts.of("looked at") as f64;
    assert!(counts.of("looked at") >= counts.of("all") / 20);
    for (what, least) in [("ties", 0.5), ("hundreds of nodes", 0.03), ("loops", 0.1), ("conditions", 0.02)] {
        assert!(share(what) > least, "{what}: only {}", share(what));
    }
}

/// Of ten thousand: what runs them agrees, and what prints them is read back as what it was.
#[test]
fn ten_thousand_programs_run_and_print_as_they_are() {
    let registry = registry();
    cheap_law("run and print", 10_000, |sketch, _| {
        let f = sketch.program(Form::Several);
        let x = sketch.at(0, false);
        let slow = sound(f.eval(&x))?;
        prop_assert_eq!(&sound(f.compile::<f64>(clarke::Convention::MinNorm).call(&x))?, &slow, "compiled");
        let printed = f.to_string();
        let back = sound(text::parse_program(&registry, &printed))?;
        prop_assert_eq!(&back.to_string(), &printed);
        prop_assert_eq!(&sound(back.eval(&x))?, &slow, "{}", &printed);
        Ok(())
    });
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

/// At points with ties, the derivative along a direction is one-sided.
fn derivative_is_one_sided(sketch: &Sketch, counts: &Counts, points: u64) -> TestCaseResult {
    let f = sketch.program(Form::Scalar);
    let fast = f.compile_with::<f64>(&|_| 0.0);
    for k in 0..points {
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
}

#[test]
fn the_derivative_along_a_direction_is_one_sided() {
    let counts = law("directions", 100, |sketch, counts| derivative_is_one_sided(sketch, counts, 2));
    assert!(counts.of("tied") >= counts.of("all"));
}

#[test]
fn the_derivative_along_a_direction_is_one_sided_in_ten_thousand_programs() {
    let counts = cheap_law("many directions", 10_000, |sketch, counts| derivative_is_one_sided(sketch, counts, 1));
    assert!(counts.of("tied") * 2 >= counts.of("all"));
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
