//! The laws of an operator, for every operator of the table, on its samples; no operator is named here.

mod common;

use clarke::program::op::{Derivative, Entry, Sample};
use clarke::{Fault, Policy, Program, Tensor, registry, text};
use common::{Draw, close, compile_filled, dot, numbers};

/// Each sample of each operator, as a program.
fn each_sample(mut f: impl FnMut(&Entry, &Sample, &Program)) {
    let registry = registry();
    for entry in registry.entries() {
        for sample in entry.samples {
            let program = text::parse(&registry, sample.text, sample.inputs)
                .unwrap_or_else(|e| panic!("{}: `{}`: {e}", entry.name, sample.text));
            f(entry, sample, &program);
        }
    }
}

/// The samples with a derivative that the operator's own laws speak of.
fn each_differentiable(mut f: impl FnMut(&Entry, &Sample, &Program)) {
    each_sample(|entry, sample, program| {
        if sample.derivative != Derivative::Missing {
            f(entry, sample, program);
        }
    });
}

/// The samples whose derivative is that of their value, perhaps off jumps.
fn each_derived(mut f: impl FnMut(&Entry, &Sample, &Program)) {
    each_sample(|entry, sample, program| {
        if matches!(sample.derivative, Derivative::OfValue | Derivative::OffJumps) {
            f(entry, sample, program);
        }
    });
}

/// The gradient, or None at a jump of a sample that declares some.
fn off_jumps(sample: &Sample, gradient: clarke::Result<Vec<Tensor>>) -> Option<Vec<Tensor>> {
    match gradient {
        Err(e) if sample.derivative == Derivative::OffJumps => {
            assert!(matches!(*e.fault, Fault::Discontinuous { .. }), "{}: {e}", sample.text);
            None
        }
        other => Some(other.unwrap_or_else(|e| panic!("{}: {e}", sample.text))),
    }
}

/// Σ c·f for fixed numbers c: a scalar program that sees every entry of the output.
fn projected(program: &Program, seed: u64) -> Program {
    let shape = program.output_shapes()[0].to_vec();
    let weights = Draw::new(seed).tensor(&shape, (0.5, 1.5));
    let builder = clarke::Builder::new();
    let inputs: Vec<_> = program.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let out = builder.inline(program, &inputs)[0];
    builder.finish(&[(out * builder.constant(weights)).sum()]).unwrap()
}

/// Points: random reals in the domain, and small integers and halves in it, where ties are frequent, most of them 0
/// every other time.
fn points(sample: &Sample, seed: u64, count: usize) -> Vec<Vec<Tensor>> {
    let mut draw = Draw::new(seed);
    (0..count)
        .map(|k| {
            let tied = k % 2 == 1;
            sample
                .inputs
                .iter()
                .map(
                    |(_, shape)| if tied { draw.grid(shape, sample.domain) } else { draw.tensor(shape, sample.domain) },
                )
                .collect()
        })
        .collect()
}

fn moved(x: &[Tensor], d: &[Tensor], h: f64) -> Vec<Tensor> {
    std::iter::zip(x, d).map(|(x, d)| Tensor::from_fn(x.shape(), |i| x.data()[i] + h * d.data()[i])).collect()
}

#[test]
fn every_operator_of_the_table_has_samples_and_a_row() {
    for entry in registry().entries() {
        assert!(!entry.formula.is_empty() && !entry.class.is_empty(), "{}", entry.name);
    }
    for entry in clarke::op::OPS {
        assert!(!entry.samples.is_empty(), "{} has no sample to test the laws on", entry.name);
    }
}

#[test]
fn the_value_has_the_shape_of_the_shape_rule_in_every_way_to_run_it() {
    each_sample(|entry, sample, program| {
        for x in points(sample, 1, 6) {
            let slow = program.eval(&x).unwrap();
            assert_eq!(slow[0].shape(), program.output_shapes()[0], "{}", sample.text);
            let fast = program.compile_with::<f64>(&|_| 0.0).call(&x).unwrap();
            assert!(
                common::same_bits(&slow[0], &fast[0]),
                "{}: `{}`: {slow:?} is not {fast:?}",
                entry.name,
                sample.text
            );
            let single = program.compile_with::<f32>(&|_| 0.0).call(&x).unwrap();
            assert!(close(single[0].data(), slow[0].data(), 2e-4), "{}: {single:?} is not {slow:?}", sample.text);
            let simple = program.simplify().eval(&x).unwrap();
            assert_eq!(simple, slow, "simplify changes {}", sample.text);
        }
    });
}

#[test]
fn the_derivative_is_that_of_central_differences_off_ties() {
    each_derived(|entry, sample, program| {
        let f = projected(program, 2);
        for x in points(sample, 3, 6).into_iter().step_by(2) {
            let at = f.at(&x).unwrap();
            if !at.ties(1e-4).unwrap().is_empty() {
                continue;
            }
            let gradient = numbers(&at.gradient(&Policy::default()).unwrap());
            let mut draw = Draw::new(4);
            for _ in 0..3 {
                let d: Vec<Tensor> = x.iter().map(|t| draw.tensor(t.shape(), (-1.0, 1.0))).collect();
                let h = 1e-5;
                let value = |s: f64| f.eval(&moved(&x, &d, s)).unwrap()[0].item();
                let quotient = (value(h) - value(-h)) / (2.0 * h);
                let derivative = dot(&gradient, &numbers(&d));
                assert!(
                    (quotient - derivative).abs() <= 1e-6 * (1.0 + derivative.abs()),
                    "{}: `{}` at {x:?}: {derivative} is not {quotient}",
                    entry.name,
                    sample.text
                );
            }
        }
    });
}

#[test]
fn forward_and_reverse_are_transposes_for_every_selection() {
    each_differentiable(|_, sample, program| {
        for (k, x) in points(sample, 5, 8).into_iter().enumerate() {
            let (jvp, vjp) = (program.linearize().unwrap(), program.vjp().unwrap());
            let (jvp, vjp) = (compile_filled(&jvp, k as u64), compile_filled(&vjp, k as u64));
            let mut draw = Draw::new(6 + k as u64);
            let u: Vec<Tensor> = x.iter().map(|t| draw.tensor(t.shape(), (-1.0, 1.0))).collect();
            let v = draw.tensor(program.output_shapes()[0], (-1.0, 1.0));
            let forward = jvp.call(&[x.clone(), u.clone()].concat()).unwrap();
            let reverse = vjp.call(&[x.clone(), vec![v.clone()]].concat()).unwrap();
            let (a, b) = (dot(v.data(), forward[1].data()), dot(&numbers(&reverse), &numbers(&u)));
            assert!((a - b).abs() <= 1e-10 * (1.0 + a.abs()), "{} at {x:?}: {a} is not {b}", sample.text);
        }
    });
}

/// At points of the grid, ties or not: the one-sided derivative along d is that of the piece which d decides. So every
/// one-sided derivative is among the declared pieces, and there is no tie that was not declared.
#[test]
fn one_sided_derivatives_are_those_of_the_pieces_that_directions_decide() {
    each_derived(|entry, sample, program| {
        let f = projected(program, 7);
        for x in points(sample, 8, 16).into_iter().skip(1).step_by(2) {
            let at = f.at(&x).unwrap();
            let here = at.value().unwrap();
            let mut draw = Draw::new(9);
            for _ in 0..4 {
                let d: Vec<Tensor> = x.iter().map(|t| draw.tensor(t.shape(), (-1.0, 1.0))).collect();
                let gradient = off_jumps(sample, at.gradient(&Policy::Along(vec![d.clone()])));
                let Some(gradient) = gradient else { continue };
                let derivative = dot(&numbers(&gradient), &numbers(&d));
                // Richardson: exact for a quadratic piece.
                let q = |h: f64| (f.eval(&moved(&x, &d, h)).unwrap()[0].item() - here) / h;
                let h = 2f64.powi(-14);
                let quotient = 2.0 * q(h / 2.0) - q(h);
                assert!(
                    (quotient - derivative).abs() <= 1e-5 * (1.0 + derivative.abs()),
                    "{}: `{}` at {x:?} along {d:?}: {derivative} is not {quotient}",
                    entry.name,
                    sample.text
                );
            }
        }
    });
}

/// At a declared jump a derivative is an error, and the value does jump; elsewhere there is no such error.
#[test]
fn where_a_derivative_is_a_discontinuity_the_value_jumps() {
    each_sample(|entry, sample, program| {
        let f = if sample.derivative == Derivative::OffJumps { projected(program, 15) } else { return };
        let (mut jumps, mut smooth) = (0, 0);
        for x in points(sample, 16, 100).into_iter().skip(1).step_by(2) {
            if off_jumps(sample, f.at(&x).unwrap().gradient(&Policy::default())).is_some() {
                smooth += 1;
                continue;
            }
            let mut draw = Draw::new(17);
            let values: Vec<f64> = (0..8)
                .map(|_| {
                    let d: Vec<Tensor> = x.iter().map(|t| draw.tensor(t.shape(), (-1.0, 1.0))).collect();
                    f.eval(&moved(&x, &d, 1e-9)).unwrap()[0].item()
                })
                .collect();
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            assert!(high - low > 1e-2, "{}: `{}` at {x:?} does not jump: {values:?}", entry.name, sample.text);
            jumps += 1;
        }
        assert!(jumps > 0 && smooth > 0, "{}: `{}`: {jumps} jumps, {smooth} others", entry.name, sample.text);
    });
}

/// An operator without derivative says so, by its name and with the reason.
#[test]
fn a_missing_derivative_explains_itself() {
    each_sample(|entry, sample, program| {
        if sample.derivative == Derivative::Missing {
            let error = program.linearize().expect_err(sample.text);
            let Fault::NoDerivative { op, why } = &*error.fault else { panic!("{}: {error}", sample.text) };
            assert!(op == entry.name && why.split(' ').count() > 5, "{error}");
        }
    });
}

/// Along a segment that stays inside of the tie set, every selection gives the same derivative: the chain rule there.
#[test]
fn inside_the_tie_set_every_selection_obeys_the_chain_rule() {
    let mut found: std::collections::BTreeMap<&str, usize> = Default::default();
    each_derived(|entry, sample, program| {
        let tested = found.entry(entry.name).or_default();
        let f = projected(program, 10);
        for (k, x) in points(sample, 11, 200).into_iter().enumerate().skip(1).step_by(2) {
            let at = f.at(&x).unwrap();
            let d = inside_direction(&x, k as u64);
            let step = 2f64.powi(-12);
            let ties = |x: &[Tensor]| -> Option<Vec<_>> {
                let ties = f.at(x).ok()?.ties(0.0).ok()?;
                Some(ties.into_iter().map(|t| (t.site.node, t.site.number, t.index, t.pieces)).collect())
            };
            let own = ties(&x);
            let stays = [step, 0.5 * step, -step].iter().all(|h| ties(&moved(&x, &d, *h)) == own);
            if own.is_none_or(|t| t.is_empty()) || !stays {
                continue;
            }
            let value = |h: f64| f.eval(&moved(&x, &d, h)).unwrap()[0].item();
            let quotient = (value(step) - value(-step)) / (2.0 * step);
            for seed in 0..4 {
                let Some(gradient) = off_jumps(sample, at.gradient(&Policy::Random(seed))) else { continue };
                let derivative = dot(&numbers(&gradient), &numbers(&d));
                assert!(
                    (quotient - derivative).abs() <= 1e-5 * (1.0 + derivative.abs()),
                    "`{}` at {x:?} along {d:?}: {derivative} is not {quotient}",
                    sample.text
                );
            }
            *tested += 1;
        }
    });
    for entry in registry().entries().iter().filter(|e| !e.ties.is_empty() && !e.samples.is_empty()) {
        assert!(found[entry.name] > 0, "no segment inside of the tie set of {} was found", entry.name);
    }
}

/// A direction that often stays on ties: along one entry, along all of them equally, or on the grid.
fn inside_direction(x: &[Tensor], k: u64) -> Vec<Tensor> {
    let mut draw = Draw::new(12 + k);
    let total: usize = x.iter().map(|t| t.data().len()).sum();
    let (kind, chosen) = (draw.below(3), draw.below(total));
    let mut at = 0;
    x.iter()
        .map(|t| {
            at += t.data().len();
            let first = at - t.data().len();
            match kind {
                0 => Tensor::from_fn(t.shape(), |i| if first + i == chosen { 1.0 } else { 0.0 }),
                1 => Tensor::full(t.shape(), 1.0),
                _ => draw.grid(t.shape(), (-1.0, 1.0)),
            }
        })
        .collect()
}

/// The default is the element of least norm of the operator's own Jacobian.
#[test]
fn the_default_selection_has_the_least_norm() {
    each_differentiable(|entry, sample, program| {
        let applied: Vec<_> = program
            .nodes()
            .iter()
            .filter_map(|n| if let clarke::program::Kind::Apply { op, .. } = &n.kind { Some(op) } else { None })
            .collect();
        if applied.len() != 1 || !applied[0].has_least_norm() {
            return;
        }
        let jacobian = program.jacobian().unwrap();
        let norm = |j: Vec<Tensor>| numbers(&j).iter().map(|x| x * x).sum::<f64>().sqrt();
        let default = jacobian.compile_with::<f64>(&|s| s.choice(clarke::Convention::MinNorm).selection);
        for x in points(sample, 13, 40).into_iter().skip(1).step_by(2) {
            let least = norm(default.call(&x).unwrap());
            for k in 0..8 {
                let other = norm(compile_filled(&jacobian, k).call(&x).unwrap());
                assert!(least <= other + 1e-12, "{}: `{}` at {x:?}: {least} > {other}", entry.name, sample.text);
            }
        }
    });
}

#[test]
fn batching_is_doing_it_slice_by_slice() {
    each_sample(|_, sample, program| {
        let n = program.inputs().len();
        for mask in 1..(1usize << n.min(4)) {
            let mapped: Vec<bool> = (0..n).map(|k| mask >> k & 1 == 1).collect();
            let batched = program.batch(&mapped, 3).unwrap();
            let rows: Vec<Vec<Tensor>> = points(sample, 14, 3);
            let stacked: Vec<Tensor> = (0..n)
                .map(|k| {
                    if mapped[k] { common::stack(&[&rows[0][k], &rows[1][k], &rows[2][k]]) } else { rows[0][k].clone() }
                })
                .collect();
            let together = batched.eval(&stacked).unwrap();
            let apart: Vec<Tensor> = (0..3)
                .map(|r| {
                    let x: Vec<Tensor> = (0..n).map(|k| rows[if mapped[k] { r } else { 0 }][k].clone()).collect();
                    program.eval(&x).unwrap().remove(0)
                })
                .collect();
            let apart = common::stack(&apart.iter().collect::<Vec<_>>());
            assert_eq!(together[0].shape(), apart.shape(), "{} mapped {mapped:?}", sample.text);
            assert!(close(together[0].data(), apart.data(), 1e-13), "{} mapped {mapped:?}", sample.text);
        }
    });
}

#[test]
fn print_then_parse_is_the_identity() {
    let registry = registry();
    each_sample(|_, sample, program| {
        let mut forms = vec![program.clone()];
        if sample.derivative != Derivative::Missing {
            forms.extend([program.linearize().unwrap(), program.vjp().unwrap()]);
            forms.push(projected(program, 1).gradient().unwrap());
        }
        for program in forms {
            let printed = program.to_string();
            let back =
                text::parse_program(&registry, &printed).unwrap_or_else(|e| panic!("{}: {e}\n{printed}", sample.text));
            assert_eq!(back.to_string(), printed, "{}", sample.text);
        }
    });
}

#[test]
fn nan_in_gives_nan_out() {
    each_sample(|entry, sample, program| {
        let x: Vec<Tensor> = sample.inputs.iter().map(|(_, s)| Tensor::full(s, f64::NAN)).collect();
        let out = program.eval(&x).unwrap();
        let linear = entry.class == "linear";
        let fine =
            if linear { out[0].data().iter().any(|y| y.is_nan()) } else { out[0].data().iter().all(|y| y.is_nan()) };
        assert!(fine, "{}: `{}` of NaN is {out:?}", entry.name, sample.text);
    });
}
