//! What programs cost, counted: laws of the count, and what plans of workloads cost, so that none gets dearer unseen.

mod common;
#[path = "common/sketch.rs"]
mod sketch;

use clarke::{Cost, Program, parse};
use common::{Draw, workloads::workloads};
use proptest::prelude::*;
use sketch::{Form, Sketch, sketches};

fn read(text: &str, inputs: &[(&str, &[usize])]) -> Program {
    parse(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Each operator's own count, on shapes where it can be written down.
#[test]
fn operations_are_those_of_the_formulas() {
    let (m, k, n) = (7, 5, 3);
    for (text, inputs, operations) in [
        ("x + 2*y", &[("x", &[10][..]), ("y", &[10])][..], 20),
        ("exp(x)", &[("x", &[10])], 10),
        ("relu(x)", &[("x", &[10])], 10),
        ("sum(x)", &[("x", &[4, 6])], 24),
        ("sum(x, axis=0)", &[("x", &[4, 6])], 24),
        ("reshape(x, [24])[3:]", &[("x", &[4, 6])], 0),
        ("x @ y", &[("x", &[m, k]), ("y", &[k, n])], 2 * m * k * n),
        ("x @ y", &[("x", &[k, m]), ("y", &[m])], 2 * m * k),
        ("x @ y", &[("x", &[2, m, k]), ("y", &[k, n])], 4 * m * k * n),
        ("sort(x)", &[("x", &[1024])], 10 * 1024),
        ("sort(x, axis=0)", &[("x", &[8, 100])], 3 * 800),
        ("cumsum(x)", &[("x", &[9])], 9),
        ("conv2d(x, w)", &[("x", &[2, 3, 8, 8]), ("w", &[4, 3, 3, 3])], 2 * 2 * 4 * 36 * 27),
        ("max_pool2d(x, 2)", &[("x", &[2, 8, 8])], 2 * 64),
        ("avg_pool2d(x, 2)", &[("x", &[2, 8, 8])], 2 * 64 + 2 * 16),
        ("fold(lambda c, x: abs(c) + x, a, x)", &[("a", &[4]), ("x", &[10, 4])], 80),
    ] {
        assert_eq!(read(text, inputs).cost().operations, operations as u64, "{text}");
    }
}

/// Equal nodes are computed once, and what no output needs is not computed.
#[test]
fn what_is_counted_is_what_is_run() {
    let x = &[("x", &[10][..])];
    assert_eq!(read("exp(x)*exp(x)", x).cost().operations, 20);
    assert_eq!(read("exp(x) + (tanh(x) - tanh(x))*0", x).cost().operations, 50);
    let unused = Program::trace_named(x, |v| (v[0].exp().sum(), v[0].abs()).1).unwrap();
    assert_eq!(unused.cost(), read("abs(x)", x).cost());
    let cost = read("max(exp(x) + 1)", &[("x", &[1000])]).cost();
    // The loop writes 1000 numbers, among which the largest is looked for; it is one.
    assert_eq!((cost.bytes_read, cost.bytes_written), (8 * 2000, 8 * 1001));
    assert_eq!(cost.bytes_live, 8 * 1000);
    // A sum is added up inside the loop.
    let cost = read("sum(exp(x) + 1)", &[("x", &[1000])]).cost();
    assert_eq!((cost.bytes_read, cost.bytes_written, cost.bytes_live), (8 * 1000, 8, 0));
}

/// Of elementwise programs in one loop nothing is kept.
#[test]
fn what_stays_within_a_tile_is_not_alive() {
    let cost = read("relu(tanh(x*y) + x)", &[("x", &[100_000]), ("y", &[100_000])]).cost();
    assert_eq!((cost.bytes_live, cost.bytes_read, cost.bytes_written), (0, 1_600_000, 800_000));
    assert!(cost.bytes_workspace < 64 << 10, "{cost:?}");
}

/// What a plan may need besides what is alive: tiles that fill a part of a first-level cache, the table of addresses.
const FIXED: u64 = 64 << 10;

/// The workspace is at most 1.3 times the live minimum, and what does not grow.
fn check_memory(name: &str, cost: &Cost) {
    let bound = 1.3 * cost.bytes_live as f64 + FIXED as f64;
    assert!(cost.bytes_workspace as f64 <= bound, "{name}: {cost:?}");
}

#[test]
fn the_workspaces_of_workloads_are_near_their_live_minimum() {
    for (name, f) in workloads() {
        let cost = f.gradient_cost().unwrap();
        check_memory(name, &cost.value);
        check_memory(name, &cost.gradient);
    }
}

/// Random programs and their gradients, batched so that arrays outgrow tiles.
#[test]
fn the_workspaces_of_random_programs_are_near_their_live_minimum() {
    let mut draw = Draw::new(3);
    for _ in 0..60 {
        let steps = (0..2 + draw.below(20)).map(|_| [draw.next() as u16, draw.next() as u16]).collect();
        let f = Sketch { steps, point: 0 }.program(Form::Plain);
        for program in [f.value_and_gradient().unwrap(), f] {
            let mapped: Vec<bool> = program.inputs().iter().map(|i| !i.role.is_selection()).collect();
            check_memory(&program.to_string(), &program.batch(&mapped, 3000).unwrap().cost());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A batch of random programs costs at most as many times what one costs.
    #[test]
    fn costs_of_random_programs(sketch in sketches(2..12)) {
        let f = sketch.program(Form::Plain);
        let (one, n) = (f.cost(), 300);
        let batched = f.batch(&vec![true; f.inputs().len()], n).unwrap().cost();
        prop_assert!(batched.operations <= n as u64 * one.operations.max(1) * 2, "{:?} {:?}", one, batched);
    }
}

/// What value and gradient of each workload cost: operations, instructions, bytes read, written and alive.
///
/// They are recorded so that no change makes a plan dearer unseen; times would not tell, they are noise on most machines. A
/// count that has fallen is a reason to be glad, one that has risen a question: where from? After an answer, write the new
/// numbers, which the failing test prints, and say in the message of the commit why they changed.
#[rustfmt::skip] // a line each, as the test prints them
const RECORDED: [(&str, [[u64; 5]; 2]); 11] = [
    ("relu network, batch of 128", [[60202752, 60253312, 3503184, 818184, 524288], [129170688, 129421824, 6750288, 3911768, 937984]]),
    ("small network, one sample", [[866, 866, 4048, 528, 3392], [1859, 2755, 7320, 4376, 3656]]),
    ("mixture of Gaussians", [[111091, 176091, 440816, 408264, 320208], [256196, 371232, 1209672, 1009072, 680248]]),
    ("Chained CB3", [[14985, 15984, 8000, 8, 0], [42958, 50952, 24000, 24008, 16000]]),
    ("Chained Crescent", [[11989, 13987, 8016, 24, 16], [22982, 22988, 40016, 40024, 32000]]),
    ("Chebyshev-Rosenbrock", [[5998, 6998, 16016, 24, 16], [14993, 17993, 40024, 32032, 24008]]),
    ("trimmed squares", [[52750, 52750, 190160, 24008, 32008], [104750, 105500, 396168, 62168, 56008]]),
    ("convolutional network", [[1640384, 1640736, 1294992, 1187592, 1048576], [3870528, 4133984, 3779480, 2941080, 1708032]]),
    ("logistic regression", [[109102, 110152, 424824, 16032, 25664], [217352, 215602, 834024, 25232, 47264]]),
    ("least absolute deviations", [[43000, 44000, 176160, 8008, 11904], [87000, 92000, 344160, 16168, 46464]]),
    ("recurrent network", [[54432, 54448, 15104, 136, 3888], [212880, 213456, 62088, 19464, 28536]]),
];

#[test]
fn plans_of_workloads_cost_what_was_recorded() {
    let numbers = |c: Cost| [c.operations, c.instructions, c.bytes_read, c.bytes_written, c.bytes_live];
    let counted = workloads().into_iter().map(|(name, f)| {
        let cost = f.gradient_cost().unwrap();
        (name, [numbers(cost.value), numbers(cost.gradient)])
    });
    let counted: Vec<_> = counted.collect();
    let lines: String = counted.iter().map(|(name, costs)| format!("    ({name:?}, {costs:?}),\n")).collect();
    assert!(counted == RECORDED, "what plans cost has changed; if it should, RECORDED in this file becomes\n{lines}");
}
