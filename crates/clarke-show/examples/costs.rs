//! How costs grow, measured: the time of a run over the work in it, and the time of compilation over the number of nodes.
//! Writes `performance.md` and its pictures into the folder that is named: `cargo xtask cost` calls it.

use clarke::program::{Role, tie::Convention};
use clarke::{Builder, Compiled, Program, Var, parse};
use clarke_show::report::{Chart, Scale, Series};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

/// The least of some times, each of enough repetitions to be measured, in seconds.
fn seconds(mut run: impl FnMut()) -> f64 {
    let time = |run: &mut dyn FnMut(), times: usize| {
        let start = Instant::now();
        (0..times).for_each(|_| run());
        start.elapsed().as_secs_f64() / times as f64
    };
    let first = time(&mut run, 1);
    let times = (2e-3 / first.max(1e-9)).clamp(1.0, 1e5) as usize;
    let rounds = if first > 0.5 { 2 } else { 7 };
    (0..rounds).map(|_| time(&mut run, times)).fold(first, f64::min)
}

/// The time of one run at some point.
fn of_run(program: &Compiled<f64>) -> f64 {
    let size = |shape: &[usize]| shape.iter().product::<usize>();
    let numbers = |n: usize| (0..n).map(|k| ((k * 7919 + 13) % 1009) as f64 / 1000.0 - 0.4).collect::<Vec<f64>>();
    let inputs: Vec<Vec<f64>> = program.inputs().iter().map(|p| numbers(size(&p.shape))).collect();
    let mut outputs: Vec<Vec<f64>> = program.outputs().iter().map(|s| vec![0.0; size(s)]).collect();
    let views: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let mut into: Vec<&mut [f64]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let mut workspace = program.workspace();
    seconds(|| program.run(&mut workspace, black_box(&views), black_box(&mut into)))
}

/// A program of so many scalar sums, products and maxima: each has the one before among its arguments, and one of the
/// hundred before that.
fn scalars(nodes: usize) -> Program {
    let builder = Builder::new();
    let mut known: Vec<Var<'_>> = (0..16).map(|k| builder.input(&format!("x{k}"), &[], Role::Argument)).collect();
    let mut state = 1u64;
    for _ in 0..nodes {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let back = 1 + (state >> 33) as usize % known.len().min(100);
        let (a, b) = (known[known.len() - 1], known[known.len() - back]);
        known.push(match state >> 60 {
            0..6 => 0.5 * (a + b),
            6..11 => a * b,
            _ => a.maximum(b),
        });
    }
    builder.finish(&[known[known.len() - 1]]).expect("a program of checked parts")
}

/// What is measured of one kind of program: (work, seconds of a value, of a value with its gradient).
type Grown = Vec<(f64, f64, f64)>;

/// The processor time of this process in seconds where the system tells it, else the time: compilation is measured once,
/// and other programs run too.
fn clock() -> f64 {
    thread_local!(static START: Instant = Instant::now());
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let nanoseconds = told.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.with(|start| start.elapsed().as_secs_f64()), |ns| ns * 1e-9)
}

fn timed<R>(run: impl FnOnce() -> R) -> (R, f64) {
    let (start, wall) = (clock(), Instant::now());
    let result = run();
    let wall = wall.elapsed().as_secs_f64();
    // The system counts processor time in ticks, too coarse for what is short.
    (result, if wall < 0.1 { wall } else { (clock() - start).min(wall) })
}

/// A text over x[n] from ten numbers to as many as 10 to this power.
fn elementwise(text: &str, largest: u32) -> Grown {
    let one = |power: u32| {
        let n = 10usize.pow(power);
        let f = parse(text, &[("x", &[n])]).expect("the text is well formed");
        let g = f.value_and_gradient().expect("it has a gradient");
        (n as f64, of_run(&f.compile(Convention::MinNorm)), of_run(&g.compile(Convention::MinNorm)))
    };
    (1..=largest).map(one).collect()
}

/// Scalar programs from ten nodes to as many as 10 to this power: runs, and derivation with compilation of both.
fn nodes(largest: u32) -> (Grown, Grown) {
    let (mut runs, mut compilations) = (vec![], vec![]);
    for power in 1..=largest {
        let n = 10usize.pow(power);
        let f = scalars(n);
        let rounds = if power < 4 { 5 } else { 1 };
        let least = |run: &dyn Fn() -> Compiled<f64>| {
            let all = (0..rounds).map(|_| timed(run)).collect::<Vec<_>>();
            let seconds = all.iter().map(|(_, seconds)| *seconds).fold(f64::INFINITY, f64::min);
            (all.into_iter().next().expect("one round at least").0, seconds)
        };
        let (value, to_value) = least(&|| f.compile(Convention::MinNorm));
        let derive = || f.value_and_gradient().expect("it is scalar").compile(Convention::MinNorm);
        let (gradient, to_gradient) = least(&derive);
        runs.push((n as f64, of_run(&value), of_run(&gradient)));
        compilations.push((n as f64, to_value, to_gradient));
    }
    (runs, compilations)
}

/// The growth of cost over work, between tenfold steps, as a power of the work: 1 is linear.
fn power(grown: &Grown) -> f64 {
    let last = &grown[grown.len().saturating_sub(3)..];
    let (first, last) = (last[0], last[last.len() - 1]);
    (last.2 / first.2).ln() / (last.0 / first.0).ln()
}

fn chart(id: &str, title: &str, x: &str, y: &str, grown: &Grown, names: [&str; 2]) -> Chart {
    Chart::new(id, title, x, y, Scale::Power)
        .series(Series::new(names[0], grown.iter().map(|g| (g.0, g.1))))
        .series(Series::new(names[1], grown.iter().map(|g| (g.0, g.2))))
}

/// A table of one kind of program.
fn table(x: &str, names: [&str; 2], grown: &Grown) -> String {
    let mut out =
        format!("| {x} | {}, s | {}, s | of the latter by {x}, ns |\n|---|---|---|---|\n", names[0], names[1]);
    for (n, value, gradient) in grown {
        out += &format!("| 10^{:.0} | {value:.2e} | {gradient:.2e} | {:.2} |\n", n.log10(), 1e9 * gradient / n);
    }
    out
}

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().unwrap_or_else(|| ".".into()));
    let largest: u32 = args.next().and_then(|text| text.parse().ok()).unwrap_or(7);
    let both = ["value", "value and gradient"];
    let cb3 = "a = x[:-1]\nb = x[1:]\nsum(maximum(maximum(a**4 + b**2, (2 - a)**2 + (2 - b)**2), 2*exp(b - a)))";
    let (runs, compilations) = nodes(largest.min(5));
    let all = [
        ("growth-cb3", "Chained CB3", "variables", elementwise(cb3, largest), both),
        ("growth-sort", "A sum over sorted numbers", "numbers", elementwise("sum(sort(x)[1:])", largest), both),
        ("growth-nodes", "Scalar programs", "nodes", runs, both),
        ("growth-compilation", "Compilation", "nodes", compilations, ["value", "gradient, derived and compiled"]),
    ];
    let mut text = String::from(TOP);
    for (id, title, x, grown, names) in &all {
        let picture = chart(id, title, x, "seconds", grown, *names).svg().expect("the drawing library draws");
        std::fs::write(folder.join(format!("{id}.svg")), picture).expect("the folder can be written to");
        let growth = format!("Over the last two decades seconds grow as the {} to the power {:.2}.", x, power(grown));
        text += &format!(
            "\n## {title}\n\n![{title}: seconds over {x}]({id}.svg)\n\n{growth}\n\n{}",
            table(x, *names, grown)
        );
    }
    std::fs::write(folder.join("performance.md"), text).expect("the folder can be written to");
}

const TOP: &str = "\
# How costs grow

Measured by `cargo xtask cost`, which writes this page and its pictures. Runs: the least of seven times, in f64, on one
thread. Compilation: processor time. Both axes of the pictures are logarithmic, so that what is linear has the slope 1. Times
depend on the machine and on what else it does; what is counted does not: see `Program::cost`, `clarke explain --cost` and the
numbers recorded in `crates/clarke/tests/cost.rs`.
";
