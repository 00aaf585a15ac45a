//! A process that times calls when it is told to: commands on lines of its input, words between tabs; answers as lines of
//! JSON.
//!
//! ```text
//! list                                   {"systems": [{"workload", "system", "version", "note"}, …]}
//! open WORKLOAD SYSTEM FILE              {"value": …}; the gradient is written to FILE as f64 numbers, little-endian
//! time WORKLOAD SYSTEM value|grad S      {"median_us": …, "best_us": …}, from calls for about S seconds
//! close WORKLOAD SYSTEM                  {}; its data are given up
//! ```
//!
//! Whatever goes wrong is answered `{"error": "…"}`. The workers in Python (`peers/`) speak the same.

use crate::timing::time;
use crate::{Boxed, Size, WORKLOADS};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Duration;

/// A workload that a system can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The workload's name.
    pub workload: String,
    /// The system's name.
    pub system: String,
    /// Its version.
    pub version: String,
    /// How it is used.
    pub note: String,
}

/// A system in this process: what it offers, and how a job is made.
pub struct System {
    /// What `list` says of it.
    pub offer: Offer,
    /// Makes the job on the full data.
    pub open: Box<dyn Fn() -> Result<Boxed, String>>,
}

/// Clarke and the loops written by hand, for every workload.
pub fn own_systems() -> Vec<System> {
    let offer = |workload: &str, system: &str, note: &str| Offer {
        workload: workload.into(),
        system: system.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        note: note.into(),
    };
    let both = WORKLOADS.iter().flat_map(|w| {
        let clarke = System {
            offer: offer(w.name, "clarke", "compiled program"),
            open: Box::new(|| (w.clarke)(Size::Full).map_err(|e| e.to_string())),
        };
        let hand = System {
            offer: offer(w.name, "hand-written Rust", "widest vectors of the processor"),
            open: Box::new(|| Ok((w.hand)(Size::Full))),
        };
        [clarke, hand]
    });
    both.collect()
}

/// Answers commands until the input ends.
///
/// Errors: an input or output that fails.
pub fn serve(systems: &[System], input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    let mut open = HashMap::new();
    for line in input.lines() {
        let answer = answer(systems, &mut open, &line?).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// The answer to a command.
fn answer(systems: &[System], open: &mut HashMap<[String; 2], Boxed>, line: &str) -> Result<Value, String> {
    let words: Vec<&str> = line.split('\t').collect();
    let key = |workload: &str, system: &str| [workload.to_string(), system.to_string()];
    match words[..] {
        ["list"] => Ok(json!({ "systems": systems.iter().map(|s| &s.offer).collect::<Vec<_>>() })),
        ["open", workload, system, file] => {
            let known = systems.iter().find(|s| s.offer.workload == workload && s.offer.system == system);
            let mut job = (known.ok_or("no such system")?.open)()?;
            let value = job.value_and_gradient();
            let bytes: Vec<u8> = job.gradient().iter().flat_map(|x| x.to_le_bytes()).collect();
            fs::write(file, bytes).map_err(|e| format!("{file}: {e}"))?;
            open.insert(key(workload, system), job);
            Ok(json!({ "value": value }))
        }
        ["time", workload, system, what, seconds] => {
            let job = open.get_mut(&key(workload, system)).ok_or("not open")?;
            let budget = seconds.parse().map(Duration::from_secs_f64).map_err(|_| "no number of seconds")?;
            let time = match what {
                "value" => time(budget, || _ = black_box(job.value())),
                "grad" => time(budget, || _ = black_box(job.value_and_gradient())),
                _ => return Err("either value or grad".into()),
            };
            serde_json::to_value(time).map_err(|e| e.to_string())
        }
        ["close", workload, system] => {
            open.remove(&key(workload, system));
            Ok(json!({}))
        }
        _ => Err(format!("no such command: {line}")),
    }
}
