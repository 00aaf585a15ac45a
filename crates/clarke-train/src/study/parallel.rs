//! Runs on all processors whose results do not depend on how many there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How a study is watched and stopped.
pub struct Watch<'a> {
    /// Set to end the study; what is done so far is its result.
    pub interrupted: &'a AtomicBool,
    /// Called after each part of the work.
    pub done: &'a (dyn Fn() + Sync),
}

impl Watch<'_> {
    pub(super) fn stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// The results of the runs 0 to count − 1 in order, each made by `work` in a state that its thread alone has. After an
/// interruption no run is begun; those that are finished are returned.
pub(super) fn runs<S, R: Send>(
    count: usize,
    watch: &Watch<'_>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> R + Sync,
) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(count.max(1));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new((0..count).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = state();
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= count || watch.stopped() {
                        break;
                    }
                    let result = work(&mut own, run);
                    results.lock().expect("no run panics while it holds the results")[run] = Some(result);
                    (watch.done)();
                }
            });
        }
    });
    results.into_inner().expect("no run panics while it holds the results").into_iter().flatten().collect()
}
