//! Laws of enclosures, for every operator of the table, on its samples, and for gradients of random programs. Operators are
//! named in lists of exceptions alone.

use super::super::interpreter::run_with_selections;
use super::{Arithmetic, enclose};
use crate::program::op::{Entry, Sample};
use crate::program::{Program, Role};
use crate::tensor::{Boxes, Tensor};

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../../../tests/common/sketch.rs"]
mod sketch;

use common::Draw;
use proptest::prelude::*;
use sketch::Form;

/// Operators whose bounds start from a midpoint, which is not the same for a box and a box in it.
const CENTERED: &[&str] = &[
    "solve",
    "solve_triangular",
    "lstsq",
    "inv",
    "eigvalsh_max",
    "eigvalsh_sum",
    "spectral_norm",
    "nuclear_norm",
    "project_psd",
    "dist_psd",
];

/// Further ones whose bounds are found by other steps than their value.
const BY_OTHER_STEPS: &[&str] = &[
    "cholesky",
    "logdet",
    "norm2",
    "dist_ball",
    "dist_simplex",
    "dist_l1_ball",
    "dist_soc",
    "project_ball",
    "project_simplex",
    "project_l1_ball",
    "project_soc",
    "hypot",
    "std",
    "group_norm2",
];

/// Whether the value is rounded by steps of its own, and may lie outside of its bounds by that.
fn is_verified(name: &str) -> bool {
    CENTERED.contains(&name) || BY_OTHER_STEPS.contains(&name)
}

fn each_sample(mut f: impl FnMut(&Entry, &Sample, &Program)) {
    let registry = clarke::registry();
    for entry in registry.entries() {
        for sample in entry.samples {
            let program = crate::text::parse(&registry, sample.text, sample.inputs).unwrap();
            f(entry, sample, &program);
        }
    }
}

/// By how much a value in f64 may miss an enclosure, which is one of exact arithmetic: products round less often than
/// sums of intervals do, and in another order.
fn hair(entry: &Entry) -> f64 {
    let product = ["matmul", "einsum", "dot", "outer", "linear", "bilinear"].contains(&entry.name);
    if is_verified(entry.name) || product || entry.name.starts_with("conv") { 1e-14 } else { 0.0 }
}

/// The box with every end moved by a share of its magnitude, or of 1.
fn wider(b: &Boxes, share: f64) -> Boxes {
    let by = |x: f64| if x.is_finite() { share * (1.0 + x.abs()) } else { 0.0 };
    Boxes::from_fn(b.shape(), |i| {
        let (l, h) = (b.lo().data()[i], b.hi().data()[i]);
        (l - by(l), h + by(h))
    })
}

/// A box of at most this width to each side of a point, cut to the domain.
fn around(x: &Tensor, width: f64, (low, high): (f64, f64), draw: &mut Draw) -> Boxes {
    Boxes::from_fn(x.shape(), |i| {
        let (down, up) = (width * draw.uniform(), width * draw.uniform());
        ((x.data()[i] - down).max(low).min(x.data()[i]), (x.data()[i] + up).min(high).max(x.data()[i]))
    })
}

/// A point of a box: inside, or at its ends.
fn inside(b: &Boxes, draw: &mut Draw) -> Tensor {
    Tensor::from_fn(b.shape(), |i| {
        let (l, h) = (b.lo().data()[i], b.hi().data()[i]);
        match draw.below(4) {
            0 => l,
            1 => h,
            _ => (l + (h - l) * draw.uniform()).clamp(l, h),
        }
    })
}

fn all_inside(boxes: &[Boxes], draw: &mut Draw) -> Vec<Tensor> {
    boxes.iter().map(|b| inside(b, draw)).collect()
}

/// Points of the domain, every other time integers and halves, and boxes around them.
fn boxes_around(sample: &Sample, k: usize, width: f64, draw: &mut Draw) -> Vec<Boxes> {
    let point = |s: &[usize], draw: &mut Draw| match k % 2 {
        0 => draw.tensor(s, sample.domain),
        _ => draw.grid(s, sample.domain),
    };
    let mut box_of = |s: &[usize]| {
        let x = point(s, draw);
        around(&x, width, sample.domain, draw)
    };
    sample.inputs.iter().map(|(_, s)| box_of(s)).collect()
}

fn value_box(program: &Program, x: &[Boxes]) -> Boxes {
    enclose(program, x, Arithmetic::Rigorous).unwrap().remove(0)
}

#[test]
fn values_on_a_box_lie_in_its_enclosure() {
    each_sample(|entry, sample, program| {
        let mut draw = Draw::new(1);
        for (k, width) in [0.0, 1e-12, 1e-6, 1e-2, 0.3, 3.0].into_iter().cycle().take(18).enumerate() {
            let x = boxes_around(sample, k, width, &mut draw);
            let y = wider(&value_box(program, &x), hair(entry));
            for _ in 0..8 {
                let x = all_inside(&x, &mut draw);
                let value = program.eval(&x).unwrap().remove(0);
                assert!(y.contains(&value), "{}: `{}` at {x:?}: {value:?} is not in {y:?}", entry.name, sample.text);
            }
        }
    });
}

/// Operators whose value is not bounded on a small box inside of their domain; each with the reason.
const UNBOUNDED: &[&str] = &[];

#[test]
fn small_boxes_have_small_enclosures() {
    each_sample(|entry, sample, program| {
        let mut draw = Draw::new(2);
        for k in 0..8 {
            for width in [0.0, 1e-9] {
                // Reals: at integers some jump.
                let x = boxes_around(sample, 2 * k, width, &mut draw);
                let y = value_box(program, &x);
                let wide = |(l, h): (&f64, &f64)| {
                    let allowed = (1e-12 + 1e4 * width) * (1.0 + l.abs().max(h.abs()));
                    if h - l <= allowed { None } else { Some(h - l) }
                };
                let worst = std::iter::zip(y.lo().data(), y.hi().data()).find_map(wide);
                let excused = UNBOUNDED.contains(&entry.name);
                assert!(excused || worst.is_none(), "{}: `{}` on {x:?}: {worst:?}", entry.name, sample.text);
            }
        }
    });
}

#[test]
fn a_box_in_a_box_has_its_enclosure_in_that_of_the_other() {
    each_sample(|entry, sample, program| {
        if CENTERED.contains(&entry.name) {
            return;
        }
        let mut draw = Draw::new(3);
        for (k, width) in [1e-6, 1e-2, 0.3, 3.0].into_iter().cycle().take(12).enumerate() {
            let outer = boxes_around(sample, k, width, &mut draw);
            let inner: Vec<Boxes> = outer
                .iter()
                .map(|b| {
                    let (x, y) = (inside(b, &mut draw), inside(b, &mut draw));
                    Boxes::from_fn(b.shape(), |i| {
                        let (x, y) = (x.data()[i], y.data()[i]);
                        (x.min(y), x.max(y))
                    })
                })
                .collect();
            let (large, small) = (value_box(program, &outer), value_box(program, &inner));
            // Rounding is not the same in the two.
            let large = wider(&large, 1e-12);
            assert!(large.includes(&small), "{}: `{}`: {small:?} in {large:?}", entry.name, sample.text);
        }
    });
}

/// The boxes of the inputs of a derivative program: points, and for selections the numbers from 0 to 1.
fn derivative_inputs(program: &Program, points: &[Tensor]) -> Vec<Boxes> {
    let mut given = points.iter();
    let ends = |shape: &[usize]| Boxes::from_fn(shape, |_| (0.0, 1.0));
    program
        .inputs()
        .iter()
        .map(|i| match i.role {
            Role::Selection(_) => ends(&i.shape),
            _ => Boxes::point(given.next().unwrap().clone()),
        })
        .collect()
}

/// Operators on whose ties nothing is known for selections that are numbers: the element is built from a decomposition.
/// (An array of selections is the element itself, and needs no bounds.)
const UNBOUNDED_TIES: &[&str] = &[
    "eigvalsh_max",
    "eigvalsh_sum",
    "spectral_norm",
    "nuclear_norm",
    "project_simplex",
    "project_l1_ball",
    "project_soc",
    "project_psd",
    "dist_box",
    "dist_ball",
    "dist_simplex",
    "dist_l1_ball",
    "dist_soc",
    "dist_psd",
];

#[test]
fn derivatives_for_all_selections_lie_in_their_enclosure() {
    each_sample(|entry, sample, program| {
        let Ok(vjp) = program.vjp() else { return };
        let mut draw = Draw::new(4);
        for k in 0..6 {
            let mut x = all_inside(&boxes_around(sample, k, 0.0, &mut draw), &mut draw);
            x.push(draw.tensor(program.output_shapes()[0], (-1.0, 1.0)));
            let inputs = derivative_inputs(&vjp, &x);
            let bounds = enclose(&vjp, &inputs, Arithmetic::Derivative).unwrap();
            let points: Vec<Tensor> = all_inside(&inputs, &mut draw);
            let finite = run_with_selections(&vjp, &points).iter().all(|v| v.first_not_finite().is_none());
            if finite && !UNBOUNDED_TIES.contains(&entry.name) {
                assert!(bounds.iter().all(Boxes::is_bounded), "{}: `{}` at {x:?}: {bounds:?}", entry.name, sample.text);
            }
            for _ in 0..8 {
                let points = all_inside(&inputs, &mut draw);
                for (b, value) in std::iter::zip(&bounds, run_with_selections(&vjp, &points)) {
                    let b = wider(b, 1e-13);
                    assert!(b.contains(&value), "{}: `{}` at {points:?}: {value:?} in {b:?}", entry.name, sample.text);
                }
            }
            // Without a choice there is nothing to bound.
            let fixed: Vec<Boxes> = points.iter().cloned().map(Boxes::point).collect();
            let computed = enclose(&vjp, &fixed, Arithmetic::Derivative).unwrap();
            let wanted: Vec<Boxes> = run_with_selections(&vjp, &points).into_iter().map(Boxes::point).collect();
            assert_eq!(computed, wanted, "{}", sample.text);
        }
    });
}

/// Values of a tie that arrays of selections give, as a box: what applies them must hold for each.
fn applied(tie: &str, op: &str, back: bool) {
    let registry = clarke::registry();
    let shape: &[usize] = &[2, 4];
    let tie = crate::text::parse(&registry, &format!("{tie}(u, s)"), &[("u", shape), ("s", shape)]).unwrap();
    let code = tie.output_shapes()[0].to_vec();
    let op = if back { format!("{op}_back") } else { op.to_string() };
    let apply = crate::text::parse(&registry, &format!("{op}(x, o)"), &[("x", shape), ("o", &code)]).unwrap();
    let mut draw = Draw::new(5);
    let mut narrow = 0;
    for k in 0..200 {
        let u = draw.grid(shape, (-1.0, 1.0));
        let random = |draw: &mut Draw| {
            let node = tie.nodes().iter().find_map(|n| match &n.kind {
                crate::program::Kind::Apply { op, .. } => op.tie(),
                _ => None,
            });
            let s = node.unwrap().random(&u, &mut || draw.uniform());
            tie.eval(&[u.clone(), s]).unwrap().remove(0)
        };
        let codes: Vec<Tensor> = (0..1 + k % 4).map(|_| random(&mut draw)).collect();
        let fold = |i: usize, f: fn(f64, f64) -> f64| codes.iter().map(|c| c.data()[i]).reduce(f).unwrap();
        let hull = Boxes::from_fn(&code, |i| (fold(i, f64::min), fold(i, f64::max)));
        let x = around(&draw.tensor(shape, (-1.0, 1.0)), 0.1, (-1.0, 1.0), &mut draw);
        let y = value_box(&apply, &[x.clone(), hull.clone()]);
        narrow += usize::from(y.is_bounded());
        for code in &codes {
            let value = apply.eval(&[inside(&x, &mut draw), code.clone()]).unwrap().remove(0);
            assert!(wider(&y, 1e-15).contains(&value), "{op} in {hull:?}: {value:?} is not in {y:?}");
        }
    }
    assert_eq!(narrow, 200);
}

#[test]
fn orders_and_leaders_that_are_not_known_are_applied_as_all_that_they_may_be() {
    for back in [false, true] {
        applied("order", "arrange", back);
        applied("leader", "follow", back);
    }
}

/// Integers, so that the ranges are known exactly: every product is split by sign.
fn integer_box(shape: &[usize], draw: &mut Draw) -> Boxes {
    Boxes::from_fn(shape, |_| {
        let low = draw.below(9) as f64 - 5.0;
        (low, low + [0.0, 0.0, 1.0, 4.0][draw.below(4)])
    })
}

fn exact_product(a: &Boxes, b: &Boxes, (m, k, p): (usize, usize, usize)) -> Boxes {
    let end = |x: &Boxes, i: usize| [x.lo().data()[i], x.hi().data()[i]];
    Boxes::from_fn(&[m, p], |at| {
        let (i, j) = (at / p, at % p);
        let term = |l: usize| {
            let (a, b) = (end(a, i * k + l), end(b, l * p + j));
            let all = [a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]];
            all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)))
        };
        (0..k).map(term).fold((0.0, 0.0), |(l, h), (x, y)| (l + x, h + y))
    })
}

#[test]
fn sums_and_products_are_as_tight_as_their_ranges() {
    let mut draw = Draw::new(6);
    for (m, k, p) in [(2, 3, 2), (5, 7, 6), (30, 40, 20), (40, 60, 1), (1, 50, 30)] {
        let program = Program::trace(&[&[m, k], &[k, p]], |v| v[0].matmul(v[1])).unwrap();
        let (a, b) = (integer_box(&[m, k], &mut draw), integer_box(&[k, p], &mut draw));
        // Integers are added exactly: small products are the range, and those of points for any size nearly so.
        let (exact, y) = (exact_product(&a, &b, (m, k, p)), value_box(&program, &[a.clone(), b.clone()]));
        if m * k * p <= 1000 {
            assert_eq!(y, exact);
        } else {
            // Midpoints and radii are within a factor of 1.5 of the width (Rump 1999).
            assert!(y.includes(&exact));
            let middle = |x: &Boxes, i: usize| 0.5 * (x.lo().data()[i] + x.hi().data()[i]);
            let radius = |x: &Boxes, i: usize| 0.5 * (x.hi().data()[i] - x.lo().data()[i]);
            for i in 0..m * p {
                assert!(radius(&y, i) <= 1.5 * radius(&exact, i) + (middle(&y, i) - middle(&exact, i)).abs() + 1e-10);
            }
        }
        let fixed = Boxes::point(a.lo().clone());
        let (exact, y) = (exact_product(&fixed, &b, (m, k, p)), value_box(&program, &[fixed, b]));
        // Within 60·u of the sum of 60 products of numbers below 8.
        assert!(y.includes(&exact) && wider(&exact, 3e-11).includes(&y), "{y:?} is not nearly {exact:?}");
    }
    // What is not known spoils its own row, or its own column.
    let program = Program::trace(&[&[20, 30], &[30, 40]], |v| v[0].matmul(v[1])).unwrap();
    let spoiled =
        |shape: &[usize], at: usize| Boxes::from_fn(shape, |k| if k == at { (1.0, f64::INFINITY) } else { (1.0, 2.0) });
    let y = value_box(&program, &[spoiled(&[20, 30], 95), spoiled(&[30, 40], 7)]);
    for at in 0..800 {
        let whole = y.lo().data()[at] == f64::NEG_INFINITY && y.hi().data()[at] == f64::INFINITY;
        assert_eq!(whole, at / 40 == 3 || at % 40 == 7);
    }
    let x = integer_box(&[4, 500], &mut draw);
    let sum = Program::trace(&[&[4, 500]], |v| v[0].sum_axis(1)).unwrap();
    let total = |t: &Tensor, i: usize| t.data()[i * 500..(i + 1) * 500].iter().sum::<f64>();
    assert_eq!(
        value_box(&sum, std::slice::from_ref(&x)),
        Boxes::from_fn(&[4], |i| (total(x.lo(), i), total(x.hi(), i)))
    );
}

#[test]
fn selections_are_told_what_their_condition_says() {
    let registry = clarke::registry();
    let bounds = |text: &str, x: [(f64, f64); 2]| {
        let program = crate::text::parse(&registry, text, &[("u", &[]), ("s", &[])]).unwrap();
        let y = value_box(&program, &x.map(|ends| Boxes::from_fn(&[], |_| ends)));
        (y.lo().item(), y.hi().item())
    };
    assert_eq!(bounds("step(u, s)", [(-1.0, 5.0), (0.25, 0.5)]), (0.0, 1.0));
    assert_eq!(bounds("step(u, s)", [(-1.0, 0.0), (0.25, 0.5)]), (0.0, 0.5));
    assert_eq!(bounds("step(u, s)", [(0.0, 0.0), (0.25, 0.5)]), (0.25, 0.5));
    assert_eq!(bounds("leaky_relu(u, 0.5) + 0 * s", [(-1.0, 2.0), (0.0, 0.0)]), (-0.5, 2.0));
    assert_eq!(bounds("guarded_mul(u, s)", [(-1.0, 2.0), (1.0, 1.0)]), (-1.0, 2.0));
}

#[test]
fn inputs_are_checked() {
    let program = Program::trace(&[&[2], &[]], |v| v[0] * v[1]).unwrap();
    assert!(enclose(&program, &[Boxes::whole(&[2])], Arithmetic::Rigorous).is_err());
    assert!(enclose(&program, &[Boxes::whole(&[3]), Boxes::whole(&[])], Arithmetic::Rigorous).is_err());
    assert!(Boxes::new(Tensor::scalar(1.0), Tensor::scalar(0.0)).is_err());
    assert!(Boxes::new(Tensor::scalar(f64::NAN), Tensor::scalar(0.0)).is_err());
    let nan = Boxes::point(Tensor::scalar(f64::NAN));
    assert!(nan.has_whole() && nan.contains(&Tensor::scalar(f64::NAN)));
}

#[test]
fn gradients_of_random_programs_lie_in_their_enclosure() {
    let config = ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() };
    let counts = std::cell::Cell::new((0, 0, 0));
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let result = runner.run(&sketch::sketches(4..40), |sketch| {
        let Ok(gradient) = sketch.program(Form::Scalar).gradient() else { return Ok(()) };
        let mut draw = Draw::new(sketch.point.into());
        let inputs = derivative_inputs(&gradient, &sketch.at(0, sketch.point % 3 == 0));
        let bounds = enclose(&gradient, &inputs, Arithmetic::Derivative).unwrap();
        let (all, bounded, sets) = counts.get();
        let is_bounded = bounds.iter().all(Boxes::is_bounded);
        let is_set = is_bounded && !bounds.iter().all(Boxes::is_point);
        counts.set((all + 1, bounded + usize::from(is_bounded), sets + usize::from(is_set)));
        for _ in 0..6 {
            let points = all_inside(&inputs, &mut draw);
            for (b, value) in std::iter::zip(&bounds, run_with_selections(&gradient, &points)) {
                prop_assert!(wider(b, 1e-11).contains(&value), "{:?} is not in {:?}", value, b);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|e| panic!("{e}"));
    let (all, bounded, sets) = counts.get();
    println!("{bounded} of {all} gradients have bounds, {sets} of them as sets");
    assert!(2 * bounded > all && 5 * sets > all, "{bounded} and {sets} of {all}");
}

/// How much longer bounds of a gradient take than the slow twin's gradient: printed, on demand.
#[test]
#[ignore = "measures, and asserts nothing"]
fn what_bounds_of_a_gradient_cost() {
    let mut draw = Draw::new(7);
    let n = 100_000;
    let arrays = Program::trace(&[&[n], &[n]], |v| {
        let y = (v[0] * v[1] - 0.5).relu() + (v[0] - v[1]).abs() * 0.25;
        (y * v[1]).tanh().sum()
    });
    let mlp = Program::trace(&[&[64, 128], &[128, 256], &[256], &[256, 256], &[256], &[256, 10]], |v| {
        let hidden = (v[0].matmul(v[1]) + v[2]).relu();
        ((hidden.matmul(v[3]) + v[4]).relu().matmul(v[5])).abs().mean()
    });
    for (name, program) in [("arrays of 1e5", arrays.unwrap()), ("MLP", mlp.unwrap())] {
        let gradient = program.gradient().unwrap();
        // Halves, where ties are frequent.
        let points: Vec<Tensor> = program.inputs().iter().map(|i| draw.grid(&i.shape, (-1.0, 1.0))).collect();
        let inputs = derivative_inputs(&gradient, &points);
        let fixed: Vec<Tensor> = inputs.iter().map(|b| b.lo().clone()).collect();
        let time = |f: &dyn Fn()| {
            f();
            let runs = (0..5).map(|_| {
                let start = std::time::Instant::now();
                f();
                start.elapsed().as_secs_f64()
            });
            runs.fold(f64::INFINITY, f64::min)
        };
        let slow = time(&|| drop(run_with_selections(&gradient, &fixed)));
        for arithmetic in [Arithmetic::Derivative, Arithmetic::Rigorous] {
            let own = time(&|| drop(enclose(&gradient, &inputs, arithmetic)));
            let bounds = enclose(&gradient, &inputs, arithmetic).unwrap();
            let bounded = bounds.iter().filter(|b| b.is_bounded()).count();
            let sets = bounds.iter().filter(|b| !b.is_point()).count();
            println!("{bounded} of {} arrays are bounded, {sets} are sets", bounds.len());
            println!(
                "{name}: slow twin {:.1} ms, {arithmetic:?} {:.1} ms, {:.1} times",
                1e3 * slow,
                1e3 * own,
                own / slow
            );
        }
    }
}
