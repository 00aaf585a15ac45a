//! What is fuzzed: bytes in, and no panic whatever they are. `crates/clarke/tests/fuzz_seeds.rs` runs the same functions on
//! the seeds, which have what crashed before.

#![allow(dead_code)]

use clarke::program::Kind;
use clarke::program::op::Param;
use clarke::{Convention, Policy, Program, Tensor, registry, text};

/// The inputs of text that is an expression; a `def` names its own.
const INPUTS: &[(&str, &[usize])] = &[("x", &[3]), ("y", &[2, 3]), ("z", &[])];

/// How much work a program may be for its numbers to be computed: entries of all values, loops unrolled.
const WORK: usize = 20_000;

/// Whatever is read as a program is printed so that it is read back as that program. Returns whether it was one.
pub fn parser(data: &[u8]) -> bool {
    let Some(program) = program(data) else { return false };
    let printed = program.to_string();
    let back = text::parse_program(&registry(), &printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    assert_eq!(back.to_string(), printed);
    true
}

/// Whatever is read as a program is evaluated and differentiated: the ways to do so agree, and what cannot be done is an
/// error. Returns whether it was one that is small enough.
pub fn evaluator(data: &[u8]) -> bool {
    let Some(program) = program(data) else { return false };
    if work(&program) > WORK {
        return false;
    }
    for seed in 0..2 {
        let x: Vec<Tensor> = program.inputs().iter().enumerate().map(|(k, i)| entries(&i.shape, seed + k)).collect();
        let Ok(slow) = program.eval(&x) else { continue };
        let fast = program.compile::<f64>(Convention::MinNorm).call(&x).expect("what is evaluated is compiled");
        let alike = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
        for (slow, fast) in std::iter::zip(&slow, &fast) {
            let same = std::iter::zip(slow.data(), fast.data()).all(|(a, b)| alike(*a, *b));
            assert!(same && slow.shape() == fast.shape(), "{fast:?} is not {slow:?}: {program}");
        }
        derivatives(&program, &x);
    }
    true
}

fn derivatives(program: &Program, x: &[Tensor]) {
    let given: Vec<Tensor> =
        std::iter::zip(program.inputs(), x).filter(|(i, _)| !i.role.is_selection()).map(|(_, x)| x.clone()).collect();
    if let Ok(linear) = program.linearize() {
        let tangents = linear.inputs()[program.inputs().len()..].iter().map(|i| entries(&i.shape, 1));
        let _ = linear.eval(&x.iter().cloned().chain(tangents).collect::<Vec<_>>());
    }
    if let Ok(at) = program.at(&given) {
        let _ = at.ties(0.0);
        let _ = at.path_differentiable();
        let along = given.iter().map(|t| entries(t.shape(), 2)).collect();
        for policy in [Policy::default(), Policy::jax(), Policy::Along(vec![along])] {
            if let Ok(gradient) = at.gradient(&policy) {
                assert!(gradient.iter().all(|g| g.first_not_finite().is_none()), "{gradient:?}: {program}");
            }
        }
    }
}

fn program(data: &[u8]) -> Option<Program> {
    let source = std::str::from_utf8(data).ok()?;
    text::parse(&registry(), source, INPUTS).or_else(|_| text::parse_program(&registry(), source)).ok()
}

/// Small numbers, ties among them.
fn entries(shape: &[usize], seed: usize) -> Tensor {
    Tensor::from_fn(shape, |i| [0.0, 1.0, -0.5, 2.0, 1.0, 0.75][(i + 2 * seed) % 6])
}

fn work(program: &Program) -> usize {
    let entries = |shape: &[usize]| shape.iter().fold(1usize, |n, k| n.saturating_mul(*k));
    let nodes = program.nodes().iter().map(|node| {
        let own = entries(&node.shape).saturating_add(1);
        let Kind::Apply { op, .. } = &node.kind else { return own };
        // How many steps a loop takes is one of its numbers.
        let most = |p: &Param| match p {
            Param::Int(k) => k.unsigned_abs() as usize,
            _ => 1,
        };
        let steps = op.params().iter().map(|(_, p)| most(p)).max().unwrap_or(1).max(1);
        let inner = op.programs().into_iter().map(work).fold(0, usize::saturating_add);
        own.saturating_add(steps.saturating_mul(inner))
    });
    let inputs = program.inputs().iter().map(|i| entries(&i.shape));
    nodes.chain(inputs).fold(0, usize::saturating_add)
}
