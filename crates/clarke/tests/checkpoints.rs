//! Loops with checkpoints: the same derivatives in less memory, for one more evaluation of each step.

mod common;

use clarke::{Compiled, Convention, Derivative, Mode, Policy, Program, Tensor, parse};
use common::{Draw, close, dot, numbers, same_bits};

/// Bodies of a loop over rows of x with a constant w, and what they are called with.
const BODIES: [&str; 6] = [
    "fold(lambda c, x: relu(w*c + x) - 0.25*abs(c - x), a, x{})",
    "fold(lambda c, x: tanh(outer(w, w) @ c + x), a, x{})",
    "fold(lambda c, x: maximum(c, x)*w + sort(c), a, x{})",
    "fold(lambda c, x: where(x > 0, c - 0.5*x, -0.5*c*w), a, x{})",
    "fold(lambda c, x: 0.5*c + x, a, x{})",
    "sum(scan(lambda c, x: (sin(c) + 0.5*x*w, abs(c - x)*c), a, x{}), axis=0)",
];

fn read(text: &str, inputs: &[(&str, &[usize])]) -> Program {
    parse(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// A loop of a body, with so many steps between stored states or with none dropped.
fn looped(body: &str, length: usize, checkpoint: Option<usize>) -> Program {
    let outer = body.replace("outer(w, w)", "(reshape(w, (2, 1)) * w)");
    let setting = checkpoint.map_or(String::new(), |steps| format!(", checkpoint={steps}"));
    let text = format!("sum(square({}))", outer.replace("{}", &setting));
    read(&text, &[("a", &[2]), ("x", &[length, 2]), ("w", &[2])])
}

fn point(length: usize, seed: u64, tied: bool) -> Vec<Tensor> {
    let mut draw = Draw::new(seed);
    let shapes: [&[usize]; 3] = [&[2], &[length, 2], &[2]];
    shapes.iter().map(|s| if tied { draw.grid(s, (-1.0, 1.0)) } else { draw.tensor(s, (-1.0, 1.0)) }).collect()
}

fn compiled(program: &Program) -> Compiled<f64> {
    program.compile(Convention::MinNorm)
}

/// Value, cotangents of the state and of the rows are the same bits, at ties too: the states are computed again by the same
/// steps. The constants' cotangents are summed by segments, and so are the same but for rounding.
#[test]
fn derivatives_are_those_without() {
    for (body, length) in BODIES.iter().flat_map(|b| [1, 2, 3, 7, 12, 13, 16, 25].map(|n| (b, n))) {
        let all = compiled(&looped(body, length, None).value_and_gradient().unwrap());
        for steps in [1, 2, 3, 5, 12, 100] {
            let f = looped(body, length, Some(steps));
            let some = compiled(&f.value_and_gradient().unwrap());
            for seed in 0..4 {
                let x = point(length, seed, seed % 2 == 0);
                let (a, b) = (all.call(&x).unwrap(), some.call(&x).unwrap());
                for k in 0..3 {
                    assert!(same_bits(&a[k], &b[k]), "{body}, {length} by {steps}: {:?} {:?}", a[k], b[k]);
                }
                assert!(close(a[3].data(), b[3].data(), 1e-13), "{body}, {length} by {steps}: {:?} {:?}", a[3], b[3]);
                assert!(same_bits(&f.eval(&x).unwrap()[0], &b[0]));
            }
        }
    }
}

#[test]
fn scans_of_rows_have_the_same_derivatives_and_their_states_are_no_fewer() {
    for length in [1, 5, 12] {
        let of = |setting: &str| {
            let text = format!("scan(lambda c, x: (relu(c*w - x), c*x), a, x{setting})");
            read(&text, &[("a", &[]), ("x", &[length]), ("w", &[])])
        };
        let (all, some) = (of(""), of(", checkpoint=3"));
        let mut draw = Draw::new(7);
        let x: Vec<Tensor> = [&[][..], &[length], &[]].iter().map(|s| draw.tensor(s, (-1.0, 1.0))).collect();
        let bar = draw.tensor(&[length], (-1.0, 1.0));
        let point = [x.clone(), vec![bar]].concat();
        let pull = |f: &Program| compiled(&f.vjp().unwrap()).call(&point).unwrap();
        assert!(same_bits(&all.eval(&x).unwrap()[0], &some.eval(&x).unwrap()[0]));
        assert!(close(&numbers(&pull(&all)), &numbers(&pull(&some)), 1e-14));
    }
    // Where the value is the states there is nothing to drop.
    let of =
        |setting: &str| read(&format!("sum(square(scan(lambda c: sin(c), a, length=50{setting})))"), &[("a", &[3])]);
    assert_eq!(of(", checkpoint=5").gradient_cost().unwrap(), of("").gradient_cost().unwrap());
}

#[test]
fn second_derivatives_batches_and_jacobians_are_those_without() {
    for (body, length) in BODIES.iter().flat_map(|b| [4, 7].map(|n| (b, n))) {
        let (all, some) = (looped(body, length, None), looped(body, length, Some(3)));
        let x = point(length, 5, false);
        let both = [x.clone(), point(length, 6, false)].concat();
        let run = |f: Program, x: &[Tensor]| numbers(&compiled(&f).call(x).unwrap());
        assert!(close(&run(all.hvp().unwrap(), &both), &run(some.hvp().unwrap(), &both), 1e-12), "{body}");
        assert!(close(&run(all.jvp().unwrap(), &both), &run(some.jvp().unwrap(), &both), 1e-13), "{body}");
        // Products with several directions at once.
        let rows = |f: &Program| {
            let hvp = f.hvp().unwrap();
            let given = hvp.inputs().iter().filter(|i| !i.role.is_selection()).skip(3).map(|i| i.node);
            let directions: Vec<usize> = given.collect();
            let mapped: Vec<bool> = hvp.inputs().iter().map(|i| directions.contains(&i.node)).collect();
            let more = |k: usize| common::stack(&[&both[3 + k], &x[k]]);
            run(hvp.batch(&mapped, 2).unwrap(), &[x.clone(), (0..3).map(more).collect()].concat())
        };
        assert!(close(&rows(&all), &rows(&some), 1e-12), "{body}");
        let mapped = [true, false, true];
        let three: Vec<Tensor> = (0..3)
            .map(|k| {
                let rows: Vec<Tensor> = (0..3).map(|s| point(length, 20 + s, false)[k].clone()).collect();
                if mapped[k] { common::stack(&rows.iter().collect::<Vec<_>>()) } else { rows[0].clone() }
            })
            .collect();
        let batch = |f: &Program| run(f.value_and_gradient().unwrap().batch(&mapped, 3).unwrap(), &three);
        assert!(close(&batch(&all), &batch(&some), 1e-13), "{body}");
    }
}

#[test]
fn jacobians_are_those_without() {
    let of = |setting: &str| {
        read(
            &format!("fold(lambda c, x: relu(w*c + x) - 0.25*sort(c), a, x{setting})"),
            &[("a", &[2]), ("x", &[7, 2]), ("w", &[2])],
        )
    };
    let (all, some, x) = (of(""), of(", checkpoint=2"), point(7, 9, false));
    let expected = compiled(&all.jacobian_forward().unwrap()).call(&x).unwrap();
    for jacobian in [some.jacobian_forward(), some.jacobian_reverse(), all.jacobian_reverse()] {
        let found = compiled(&jacobian.unwrap()).call(&x).unwrap();
        assert!(close(&numbers(&found), &numbers(&expected), 1e-13));
    }
}

#[test]
fn gradients_are_differences() {
    let f = looped(BODIES[1], 11, Some(4));
    let x = point(11, 3, false);
    let gradient = compiled(&f.gradient().unwrap()).call(&x).unwrap();
    let direction = point(11, 4, false);
    let along = |by: f64| {
        let moved: Vec<Tensor> = std::iter::zip(&x, &direction)
            .map(|(a, d)| Tensor::from_fn(a.shape(), |i| a.data()[i] + by * d.data()[i]))
            .collect();
        f.eval(&moved).unwrap()[0].item()
    };
    let difference = (along(1e-6) - along(-1e-6)) / 2e-6;
    let slope = dot(&numbers(&gradient), &numbers(&direction));
    assert!((difference - slope).abs() < 1e-8 * (1.0 + slope.abs()), "{difference} {slope}");
}

fn recurrent(length: usize, setting: &str) -> Program {
    let text = format!("sum(fold(lambda c, x: tanh(W @ c + x), a, x{setting}))");
    read(&text, &[("W", &[8, 8]), ("a", &[8]), ("x", &[length, 8])]).varying(&["W", "a"]).unwrap()
}

/// Of n states about 2·√n are held at a time, a few arrays of the size of one step besides.
#[test]
fn memory_grows_like_the_square_root() {
    let state = 8 * 8;
    let bytes = |length: usize, setting: &str| {
        let cost = recurrent(length, setting).gradient_cost().unwrap().gradient;
        (cost.bytes_live as f64, cost.bytes_workspace as f64)
    };
    let (base, _) = bytes(1, "");
    for length in [1000, 1009, 10_000, 99_991, 100_000] {
        let root = (length as f64).sqrt();
        let (live, workspace) = bytes(length, ", checkpoint=True");
        assert!(live <= 2.5 * (root + 2.0) * state as f64 + 8.0 * base, "{length}: {live} bytes, {base} for one step");
        assert!(workspace <= 1.3 * live + 16384.0, "{length}: {workspace} bytes for {live}");
        assert!(bytes(length, "").0 >= (length * state) as f64);
        // A number of steps: so many states, and as many as there are segments.
        let (live, _) = bytes(length, ", checkpoint=100");
        assert!(live <= (length as f64 / 100.0 + 104.0) * state as f64 + 8.0 * base, "{length}: {live} bytes");
    }
}

/// A value alone holds two states, and cotangents of the rows no more than once, also where some steps are left over.
#[test]
fn what_is_held_besides_the_states() {
    for setting in ["", ", checkpoint=True", ", checkpoint=7"] {
        let (one, many) = (recurrent(2, setting).cost(), recurrent(100_000, setting).cost());
        assert!(many.bytes_live <= one.bytes_live + 8 * 64, "{setting}: {many:?} {one:?}");
    }
    let n = 10_007;
    let f = read("sum(fold(lambda c, x: tanh(c + x), a, x, checkpoint=True))", &[("a", &[4]), ("x", &[n, 4])]);
    let cost = f.gradient_cost().unwrap().gradient;
    let rows = 8 * 4 * n as u64;
    assert!(cost.bytes_live < rows + rows / 10, "{cost:?} for rows of {rows} bytes");
    // A body that is linear in the state is differentiated without the states.
    let f = read("sum(fold(lambda c: 0.5*c + w, a, length=5000))", &[("a", &[4]), ("w", &[4])]);
    assert!(f.gradient_cost().unwrap().gradient.bytes_live < 4096);
}

/// Each step is evaluated once more, and its derivative as often as without; sums of constants are added to once a segment.
#[test]
fn one_more_evaluation_of_each_step() {
    for (length, steps) in [(1000, 25), (1000, 32), (1009, 10), (997, 500), (64, 1), (64, 63)] {
        let (all, some) = (recurrent(length, ""), recurrent(length, &format!(", checkpoint={steps}")));
        let (all, some) = (all.gradient_cost().unwrap(), some.gradient_cost().unwrap());
        assert_eq!(all.value.operations, some.value.operations);
        let step = (all.value.operations - 8) / length as u64;
        let (more, segments) = (some.gradient.operations - all.gradient.operations, (length / steps) as u64);
        let sums = (segments + 1) * (64 + 8 + 8);
        assert!(more >= (length - length % steps) as u64 * step, "{length} by {steps}: {more} operations");
        assert!(more <= length as u64 * step + sums, "{length} by {steps}: {more} operations, {step} a step");
        assert!(all.ratio() <= 5.0 && some.ratio() <= 6.0 + sums as f64 / all.value.operations as f64);
    }
}

/// Without checkpoints a value and its gradient cost at most five values, whatever is asked for: the derivative of the body
/// is evaluated once a step.
#[test]
fn a_gradient_costs_at_most_five_values() {
    let inputs: &[(&str, &[usize])] = &[("W", &[8, 8]), ("b", &[8]), ("u", &[8]), ("a", &[8]), ("x", &[100, 8])];
    for text in [
        "sum(fold(lambda c, x: tanh(W @ c + x), a, x))",
        "sum(fold(lambda c, x: relu(W @ c + u*x + b), a, x))",
        "sum(square(scan(lambda c, x: tanh(W @ c + x), a, x)))",
        "sum(scan(lambda c, x: (tanh(W @ c + x), u @ abs(c - b)), a, x))",
        "sum(fold(lambda c, x: abs(c*u - x) + b, a, x))",
        "sum(fold(lambda c, x: sigmoid(W @ c)*tanh(u*c + x) + b*c, a, x))",
    ] {
        let cost = read(text, inputs).gradient_cost().unwrap();
        assert!(cost.ratio() <= 5.0, "{text}: {:.2}", cost.ratio());
    }
}

/// 10⁵ steps, by the compiled derivative that also watches for points without one.
#[test]
fn a_hundred_thousand_steps() {
    let f = recurrent(100_000, ", checkpoint=True");
    let g = Derivative::<f64>::new(&f, Mode::ValueAndGradient, Policy::default()).unwrap();
    let mut draw = Draw::new(1);
    let inputs: Vec<Tensor> = [&[8, 8][..], &[8], &[100_000, 8]].iter().map(|s| draw.tensor(s, (-0.3, 0.3))).collect();
    let (mut y, mut w, mut a) = (vec![0.0], vec![0.0; 64], vec![0.0; 8]);
    let data: Vec<&[f64]> = inputs.iter().map(Tensor::data).collect();
    g.run(&mut g.workspace(), &data, &mut [&mut y, &mut w, &mut a]).unwrap();
    let all = compiled(&recurrent(100_000, "").value_and_gradient().unwrap()).call(&inputs).unwrap();
    assert_eq!((y[0].to_bits(), &a[..]), (all[0].item().to_bits(), all[2].data()));
    assert!(close(&w, all[1].data(), 1e-10));
}

/// Programs with checkpoints and their derivatives are printed and read back.
#[test]
fn text_says_it() {
    let registry = clarke::registry();
    let f = read("fold(lambda c, x: c*x, a, x, checkpoint=True)", &[("a", &[]), ("x", &[1000])]);
    assert!(f.to_string().contains("fold(g, a, x, length=1000, rows=1, checkpoint=25)"), "{f}");
    // A prime has no divisor near its root.
    let f = read("fold(lambda c, x: c*x, a, x, checkpoint=True)", &[("a", &[]), ("x", &[1009])]);
    assert!(f.to_string().contains("checkpoint=32)"), "{f}");
    for body in BODIES {
        let f = looped(body, 7, Some(3));
        for program in [f.clone(), f.value_and_gradient().unwrap(), f.hvp().unwrap()] {
            let again = clarke::text::parse_program(&registry, &program.to_string()).unwrap();
            assert_eq!(again.to_string(), program.to_string());
        }
    }
    let complaint = |text: &str| parse(text, &[("a", &[]), ("x", &[4])]).unwrap_err().to_string();
    for wrong in ["0", "-2", "1.5", "x", "\"root\""] {
        let said = complaint(&format!("fold(lambda c, x: c*x, a, x, checkpoint={wrong})"));
        assert!(said.contains("`checkpoint` must be a number of steps, at least 1, or True, not"), "{said}");
    }
    let said = complaint("fold(lambda c, x: (c*x, c), a, x)");
    assert!(said.contains("the body must return the next state"), "{said}");
    let said = complaint("scan(lambda c, x: (x, c*[1, 2], c), a, x)");
    assert!(said.contains("the body must return the next state"), "{said}");
    let said = complaint("scan(lambda c, x: c*x, a, x, linear=(1, 1))");
    assert!(said.contains("`linear` is for scans with `packed`"), "{said}");
}

#[test]
fn the_analysis_sees_the_ties_of_every_step() {
    for body in [BODIES[0], BODIES[5]] {
        let (all, some) = (looped(body, 5, None), looped(body, 5, Some(2)));
        let x =
            [vec![Tensor::vector([0.0, 1.0]), Tensor::full(&[5, 2], 0.0)], vec![Tensor::vector([1.0, 1.0])]].concat();
        let (a, b) = (all.at(&x).unwrap(), some.at(&x).unwrap());
        let ties = |at: &clarke::At| at.ties(0.0).unwrap().iter().map(|t| (t.op, t.index.clone())).collect::<Vec<_>>();
        assert_eq!(ties(&a), ties(&b));
        for policy in [Policy::jax(), Policy::pytorch()] {
            let fast = Derivative::<f64>::new(&some, Mode::ValueAndGradient, policy.clone()).unwrap();
            let found = fast.compiled().call(&x).unwrap();
            assert!(close(&numbers(&a.gradient(&policy).unwrap()), &numbers(&found[1..]), 1e-13), "{policy}");
        }
    }
}

#[test]
fn in_rust_it_is_a_setting_of_the_steps() {
    let of = |every: Option<usize>| {
        Program::trace(&[&[2], &[12, 2], &[2]], |v| {
            let steps = v[0].steps(&[v[1]], &[v[2]]);
            let steps = if let Some(k) = every { steps.checkpoint(k) } else { steps.checkpointed() };
            steps.fold(|c, x, k| (k[0] * c + x[0]).relu()).sum()
        })
    };
    assert!(of(Some(5)).unwrap().to_string().contains("checkpoint=5"));
    assert!(of(None).unwrap().to_string().contains("checkpoint=4"));
    let error = of(Some(0)).unwrap_err().to_string();
    assert!(
        error.contains("at least one step must lie between checkpoints") && error.contains("checkpoints.rs"),
        "{error}"
    );
}
