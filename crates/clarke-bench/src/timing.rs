//! How long a call takes, in time of the processor: what other processes take meanwhile does not count.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Microseconds of a call, from many samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// The median of the samples.
    pub median_us: f64,
    /// The least of them.
    pub best_us: f64,
}

/// The processor's time of this process since some moment.
#[cfg(unix)]
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Time since some moment, where the system does not tell what of it was this process's.
#[cfg(not(unix))]
fn now() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// A sample is as many calls as fill this, so that the clock's own time does not count.
const SAMPLE: Duration = Duration::from_micros(200);

/// The part of the time that goes to calls that do not count: they bring data into the caches.
const WARM: f64 = 0.15;

/// Calls `f` for about this long, at least twice, and says what a call takes.
pub fn time(budget: Duration, mut f: impl FnMut()) -> Time {
    let start = now();
    f();
    let mut one = now() - start;
    while now() - start < budget.mul_f64(WARM) {
        let call = now();
        f();
        one = one.min(now() - call);
    }
    let calls = (SAMPLE.as_secs_f64() / one.as_secs_f64().max(1e-9)).ceil().max(1.0) as u32;
    let mut samples = vec![];
    loop {
        let sample = now();
        for _ in 0..calls {
            f();
        }
        samples.push((now() - sample).as_secs_f64() * 1e6 / f64::from(calls));
        if now() - start >= budget {
            break;
        }
    }
    Time { median_us: median(&mut samples), best_us: samples[0] }
}

/// The median; sorts the numbers. Of none it is NaN.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        n => (numbers[(n - 1) / 2] + numbers[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }
}
