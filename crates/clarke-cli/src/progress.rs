//! What a long run shows while it runs, and how it is stopped.

use crate::report::Exit;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A progress bar on stderr if that is a terminal; nothing otherwise.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar over this many steps.
    pub fn new(steps: u64) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} steps · {msg} · {eta} left") {
            bar.set_style(style);
        }
        Progress(Some(bar))
    }

    /// Says something before the first step, where the bar is shown.
    pub fn first(&self, text: &str) {
        if let Some(bar) = &self.0 {
            bar.suspend(|| eprint!("{text}"));
        }
    }

    /// After a step. Cheap enough to be called at each.
    pub fn at(&self, step: u64, best: f64) {
        if let Some(bar) = &self.0 {
            bar.set_position(step);
            if step.is_multiple_of(64) {
                bar.set_message(format!("best {best:.6}"));
            }
        }
    }

    /// Does something else to the terminal meanwhile, as printing a line.
    pub fn aside<T>(&self, what: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(what),
            None => what(),
        }
    }

    /// One more step of those that are done in no order.
    pub fn tick(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Removes the bar.
    pub fn done(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A flag that Ctrl-C sets, so that a run can stop and report its best point. A second Ctrl-C ends the process.
pub fn interrupted() -> Result<Arc<AtomicBool>, Exit> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            // The exit code of a process that SIGINT ended.
            std::process::exit(130);
        }
    })
    .map_err(|e| Exit::failed(format!("cannot listen for Ctrl-C: {e}")))?;
    Ok(flag)
}
