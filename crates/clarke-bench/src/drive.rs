//! The driver: starts a process for each family of systems, and asks them for times by turns.

use crate::report::Row;
use crate::timing::{Time, median};
use crate::worker::Offer;
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How a run is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Only workloads whose name begins with one of these; all if there are none.
    pub only: Vec<String>,
    /// How many times each system has its turn.
    pub rounds: usize,
    /// Seconds of a turn, for value and for gradient each.
    pub seconds: f64,
    /// The processor that all processes are bound to, if `taskset` can bind them.
    pub cpu: usize,
    /// Where gradients are written, to be compared.
    pub folder: PathBuf,
}

/// A process of a family of systems.
struct Worker {
    label: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    offers: Vec<Offer>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; what it leaves is nobody's business any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    /// Starts a process, bound to a processor, and asks what it offers.
    fn start(label: &str, command: &[String], cpu: usize) -> Result<Worker, String> {
        let bound = ["taskset".to_string(), "-c".into(), cpu.to_string()];
        let words: Vec<String> = if can_bind(cpu) { [&bound[..], command].concat() } else { command.to_vec() };
        let mut process = Command::new(&words[0]);
        process.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        for threads in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            process.env(threads, "1");
        }
        let mut child = process.spawn().map_err(|e| format!("{}: {e}", words[0]))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or("a process without pipes")?;
        let mut worker = Worker { label: label.into(), child, to, from: BufReader::new(from), offers: vec![] };
        #[derive(Deserialize)]
        struct List {
            systems: Vec<Offer>,
        }
        worker.offers = worker.ask::<List>(&["list"])?.systems;
        Ok(worker)
    }

    /// Sends a command and waits for the answer.
    fn ask<T: for<'de> Deserialize<'de>>(&mut self, words: &[&str]) -> Result<T, String> {
        let ended = |e: std::io::Error| format!("the process for {} does not answer: {e}", self.label);
        writeln!(self.to, "{}", words.join("\t")).and_then(|()| self.to.flush()).map_err(ended)?;
        let mut line = String::new();
        if self.from.read_line(&mut line).map_err(ended)? == 0 {
            return Err(format!("the process for {} ended", self.label));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|e| format!("{}: {e}: {line}", self.label))?;
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap_or("an error without words").to_string()),
            None => serde_json::from_value(answer).map_err(|e| format!("{}: {e}", self.label)),
        }
    }
}

/// Whether `taskset` is there and may bind to this processor.
fn can_bind(cpu: usize) -> bool {
    let mut probe = Command::new("taskset");
    probe.args(["-c", &cpu.to_string(), "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// A system's place in the rounds of a workload.
struct Entrant {
    worker: usize,
    offer: Offer,
    value: f64,
    gradient: Vec<f64>,
    times: [Vec<Time>; 2],
}

/// Runs the plan: each command is a process of a family, by its label; the first is Clarke's own. `done` is told the rows of
/// each workload. Returned is what was left out, and why.
///
/// Errors: the first process cannot be started.
pub fn run(
    plan: &Plan,
    commands: &[(String, Vec<String>)],
    mut done: impl FnMut(&[Row]),
) -> Result<Vec<String>, String> {
    let (mut workers, mut left_out) = (vec![], vec![]);
    if !can_bind(plan.cpu) {
        left_out.push(format!("binding to processor {}: `taskset` is not there or may not", plan.cpu));
    }
    for (label, command) in commands {
        match Worker::start(label, command, plan.cpu) {
            Ok(worker) => workers.push(worker),
            Err(why) if workers.is_empty() => return Err(why),
            Err(why) => left_out.push(format!("{label}: {why}")),
        }
    }
    let chosen = |name: &str| plan.only.is_empty() || plan.only.iter().any(|o| name.starts_with(o.as_str()));
    let mut names: Vec<String> = workers[0].offers.iter().map(|o| o.workload.clone()).filter(|w| chosen(w)).collect();
    names.dedup();
    for name in names {
        let mut entrants = open(plan, &mut workers, &name, &mut left_out);
        for round in 0..plan.rounds {
            eprint!("\r{name}: round {} of {}  ", round + 1, plan.rounds);
            turn(plan, &mut workers, &mut entrants, &mut left_out);
        }
        eprintln!();
        for entrant in &entrants {
            // A process that has ended holds nothing.
            let _ = workers[entrant.worker].ask::<Value>(&["close", &name, &entrant.offer.system]);
        }
        done(&rows(&entrants));
    }
    Ok(left_out)
}

/// Opens every system that offers the workload.
fn open(plan: &Plan, workers: &mut [Worker], name: &str, left_out: &mut Vec<String>) -> Vec<Entrant> {
    #[derive(Deserialize)]
    struct Opened {
        value: f64,
    }
    let file = plan.folder.join("gradient.f64");
    let mut entrants = vec![];
    for (at, worker) in workers.iter_mut().enumerate() {
        let offers: Vec<Offer> = worker.offers.iter().filter(|o| o.workload == name).cloned().collect();
        for offer in offers {
            eprint!("\r{name}: {:<40}", offer.system);
            let opened = worker.ask::<Opened>(&["open", name, &offer.system, &file.to_string_lossy()]);
            match opened.and_then(|o| Ok((o.value, numbers(&file)?))) {
                Ok((value, gradient)) => {
                    entrants.push(Entrant { worker: at, offer, value, gradient, times: [vec![], vec![]] });
                }
                Err(why) => left_out.push(format!("{name}, {}: {why}", offer.system)),
            }
        }
    }
    entrants
}

/// Each system has its turn; one that fails has no further ones.
fn turn(plan: &Plan, workers: &mut [Worker], entrants: &mut Vec<Entrant>, left_out: &mut Vec<String>) {
    entrants.retain_mut(|entrant| {
        for (what, times) in ["value", "grad"].into_iter().zip(&mut entrant.times) {
            let Offer { workload, system, .. } = &entrant.offer;
            match workers[entrant.worker].ask(&["time", workload, system, what, &plan.seconds.to_string()]) {
                Ok(time) => times.push(time),
                Err(why) => {
                    left_out.push(format!("{workload}, {system}: {why}"));
                    return false;
                }
            }
        }
        true
    });
}

/// The numbers of a file of f64 numbers, little-endian.
fn numbers(file: &Path) -> Result<Vec<f64>, String> {
    let bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect())
}

/// The rows of a workload. Ratios are medians over rounds of the quotients within a round, in which the machine is the same.
fn rows(entrants: &[Entrant]) -> Vec<Row> {
    let Some(own) = entrants.first() else { return vec![] };
    let each = |times: &[Time]| median(&mut times.iter().map(|t| t.median_us).collect::<Vec<_>>());
    let best = |times: &[Time]| times.iter().fold(f64::INFINITY, |m, t| m.min(t.best_us));
    let quotient = |theirs: &[Time], ours: &[Time]| {
        median(&mut theirs.iter().zip(ours).map(|(t, o)| t.median_us / o.median_us).collect::<Vec<_>>())
    };
    let row = |e: &Entrant| Row {
        workload: e.offer.workload.clone(),
        system: e.offer.system.clone(),
        version: e.offer.version.clone(),
        value_us: each(&e.times[0]),
        grad_us: each(&e.times[1]),
        value_best_us: best(&e.times[0]),
        grad_best_us: best(&e.times[1]),
        value_ratio: quotient(&e.times[0], &own.times[0]),
        ratio: quotient(&e.times[1], &own.times[1]),
        note: e.offer.note.clone(),
        value: e.value,
        grad_norm: e.gradient.iter().map(|x| x * x).sum::<f64>().sqrt(),
        grad_err: difference(&e.gradient, &own.gradient),
    };
    entrants.iter().map(row).collect()
}

/// The largest difference of two gradients, relative to the largest entry of the second; infinite if their lengths differ.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    let scale = b.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
    a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / scale
}
