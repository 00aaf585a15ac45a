//! The laws of random programs: how one is asserted, and what the laws are made of.

#![allow(dead_code)]

use super::sketch::{Sketch, sketches, sketches_of_all_sizes};
use clarke::{At, Program, Tensor};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseResult, TestRunner};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How often something happened, by name.
#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl Counts {
    pub fn add(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

/// How many smaller programs are tried after a failure.
const SHRINK: u32 = 2000;

/// Asserts a law of random programs of 4 to 60 steps; the counts are what it counted.
pub fn law(name: &'static str, share: u32, test: impl Fn(&Sketch, &Counts) -> TestCaseResult) -> Counts {
    let counts = Counts::default();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/random_programs.regressions");
    let config = Config {
        cases: cases(share),
        rng_seed: RngSeed::Fixed(seed(name)),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        max_shrink_iters: SHRINK,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&sketches(4..60), |sketch| {
        counts.add("all");
        test(&sketch, &counts)
    });
    println!("{name}: {:?}", counts.0.lock().unwrap());
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
    counts
}

/// The same for many programs of all sizes, in a fixed number of threads, each with its own seed.
pub fn cheap_law(name: &'static str, share: u32, test: impl Fn(&Sketch, &Counts) -> TestCaseResult + Sync) -> Counts {
    const THREADS: u32 = 4;
    let counts = Counts::default();
    let run = |thread: u32| {
        let config = Config {
            cases: cases(share).div_ceil(THREADS),
            rng_seed: RngSeed::Fixed(seed(name).wrapping_add(thread.into())),
            failure_persistence: None,
            max_shrink_iters: SHRINK,
            ..Config::default()
        };
        TestRunner::new(config).run(&sketches_of_all_sizes(), |sketch| {
            counts.add("all");
            test(&sketch, &counts)
        })
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|k| scope.spawn(move || run(k).map_err(|e| e.to_string()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    println!("{name}: {:?}", counts.0.lock().unwrap());
    if let Some(failure) = results.into_iter().find_map(Result::err) {
        panic!("{name}: {failure}");
    }
    counts
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")),
        Err(_) => default,
    }
}

/// How many programs a law of this share is tested on.
fn cases(share: u32) -> u32 {
    (number("CLARKE_CASES", 100) * u64::from(share) / 100).clamp(1, u32::MAX.into()) as u32
}

fn seed(name: &str) -> u64 {
    name.bytes().fold(number("CLARKE_SEED", 0), |s, b| s.wrapping_mul(31).wrapping_add(b.into()))
}

pub fn fail(why: String) -> TestCaseResult {
    Err(TestCaseError::fail(why))
}

/// An error of the library where none is true: all arguments stay inside of their domains, where the operators are
/// Lipschitz, and the conditions are continuous.
pub fn sound<T>(result: clarke::Result<T>) -> Result<T, TestCaseError> {
    result.map_err(|e| TestCaseError::fail(format!("an error that is not true: {e}")))
}

pub fn moved(x: &[Tensor], d: &[Tensor], h: f64) -> Vec<Tensor> {
    std::iter::zip(x, d).map(|(x, d)| Tensor::from_fn(x.shape(), |i| x.data()[i] + h * d.data()[i])).collect()
}

/// A tie as its node, its number there, its element and its pieces.
pub type Tie = (usize, usize, Option<Vec<usize>>, Option<u64>);

/// The ties met: where, and between how many pieces.
pub fn ties(at: &At, tolerance: f64) -> Result<Vec<Tie>, TestCaseError> {
    let ties = sound(at.ties(tolerance))?;
    Ok(ties.into_iter().map(|t| (t.site.node, t.site.number, t.index, t.pieces)).collect())
}

/// The largest magnitude; NaN if one of them is.
pub fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m: f64, x| if x.is_nan() || m.is_nan() { f64::NAN } else { m.max(x.abs()) })
}

/// Whether two numbers are this close; NaN never is.
pub fn within(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

/// |a − b| ≤ relative · (1 + the largest number of both), entry by entry.
pub fn agree(what: &str, a: &[f64], b: &[f64], relative: f64) -> TestCaseResult {
    let scale = 1.0 + largest(a).max(largest(b));
    let fine = a.len() == b.len() && std::iter::zip(a, b).all(|(x, y)| within(*x, *y, relative * scale));
    if fine { Ok(()) } else { fail(format!("{what}: {a:?} is not {b:?}")) }
}

/// Whether only ties between equal pieces are met at x: what is tied is tied nearby too, in a generic direction, and
/// nothing else is about to be. Then the program is smooth there, and every selection gives its derivative.
pub fn is_smooth(f: &Program, x: &[Tensor], d: &[Tensor], h: f64) -> Result<bool, TestCaseError> {
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
