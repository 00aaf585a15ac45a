//! The laws of random programs, with one seed after another.

use crate::{Failure, cargo_command};
use std::time::{Duration, Instant};

/// Runs the laws of random programs with this seed, the next, and so on: for so many minutes, or until it is stopped. It
/// goes on after a counterexample, which is printed as a command of `clarke explain`.
pub fn run(minutes: Option<&str>, seed: Option<&str>) -> Result<(), Failure> {
    let minutes = minutes.map(|m| m.parse::<f64>().map_err(|_| format!("{m} is no number of minutes"))).transpose()?;
    let first = seed.map(|s| s.parse::<u64>().map_err(|_| format!("{s} is no seed"))).transpose()?.unwrap_or(1);
    let started = Instant::now();
    let goes_on = || minutes.is_none_or(|m| started.elapsed() < Duration::from_secs_f64(60.0 * m));
    let (mut rounds, mut failed) = (0, vec![]);
    for seed in first.. {
        if rounds > 0 && !goes_on() {
            break;
        }
        println!(
            "\n── soak: seed {seed}, after {:.0} s; {} seeds failed",
            started.elapsed().as_secs_f64(),
            failed.len()
        );
        let mut laws = cargo_command(&["test", "--quiet", "--package", "clarke", "--test", "random_programs"]);
        let status = laws.env("CLARKE_SEED", seed.to_string()).status();
        rounds += 1;
        if !status.map_err(|e| format!("cargo cannot be started: {e}"))?.success() {
            failed.push(seed);
        }
    }
    println!("\nxtask: soak: {rounds} seeds, {} of them with counterexamples: {failed:?}", failed.len());
    if failed.is_empty() {
        Ok(())
    } else {
        Err("laws of random programs do not hold: see the counterexamples above".into())
    }
}
