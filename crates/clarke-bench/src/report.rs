//! What is said of a run: rows as lines of JSON, as a table for the terminal, as one in Markdown.

use crate::WORKLOADS;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A system's times for a workload, and what it computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The workload's name.
    pub workload: String,
    /// The system's name.
    pub system: String,
    /// Its version.
    pub version: String,
    /// Microseconds of a value: the median over rounds of medians.
    pub value_us: f64,
    /// Of value and gradient together.
    pub grad_us: f64,
    /// The least that was seen.
    pub value_best_us: f64,
    /// The same for value and gradient.
    pub grad_best_us: f64,
    /// Its time over Clarke's for the value: the median over rounds.
    pub value_ratio: f64,
    /// Its time over Clarke's for value and gradient.
    pub ratio: f64,
    /// How it is used.
    pub note: String,
    /// The value that it returned.
    pub value: f64,
    /// The Euclidean norm of its gradient.
    pub grad_norm: f64,
    /// The largest difference to Clarke's gradient, relative to its largest entry.
    pub grad_err: f64,
}

/// Where and how rows were measured: the first line of a file of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, or what the user called the machine.
    pub machine: String,
    /// How many processors the system shows.
    pub processors: usize,
    /// The day, as year-month-day in UTC.
    pub date: String,
    /// How many rounds, and the seconds of a turn in them.
    pub rounds: usize,
    /// See `rounds`.
    pub seconds: f64,
}

impl Machine {
    /// This machine, today.
    pub fn here(name: Option<String>, rounds: usize, seconds: f64) -> Machine {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |key: &str| {
            let line = info.lines().find(|l| l.split(':').next().is_some_and(|k| k.trim() == key))?;
            Some(line.split_once(':')?.1.trim().to_string())
        };
        let numbers = field("cpu family").zip(field("model")).map(|(f, m)| format!(", family {f}, model {m}"));
        let processor = field("model name").map(|name| name + &numbers.unwrap_or_default());
        let machine = name.or(processor).unwrap_or_else(|| std::env::consts::ARCH.to_string());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Machine { machine, processors, date: today(), rounds, seconds }
    }
}

/// The day in UTC, by the days since 1970 counted in years that begin in March (Hinnant 2013).
fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    date(now / 86_400)
}

fn date(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (of_month, calendar) = (of_year - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    format!("{}-{calendar:02}-{of_month:02}", era * 400 + year + u64::from(calendar <= 2))
}

/// A time with three digits and its unit.
pub fn duration(us: f64) -> String {
    let (number, unit) = match us {
        us if us < 1.0 => (us * 1e3, "ns"),
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    format!("{} {unit}", three_digits(number))
}

fn three_digits(x: f64) -> String {
    match x {
        x if !x.is_finite() => "—".into(),
        x if x < 9.995 => format!("{x:.2}"),
        x if x < 99.95 => format!("{x:.1}"),
        x => format!("{x:.0}"),
    }
}

fn about(workload: &str) -> &str {
    WORKLOADS.iter().find(|w| w.name == workload).map_or("", |w| w.about)
}

/// The rows of a workload for the terminal.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let Some(first) = rows.first() else { return text };
    let _ = writeln!(text, "\n{}  {}", first.workload, about(&first.workload));
    let head = ["system", "value", "and gradient", "ratio", "off by", "note"];
    let _ =
        writeln!(text, "  {:<30} {:>10} {:>12} {:>9} {:>8}  {}", head[0], head[1], head[2], head[3], head[4], head[5]);
    for r in rows {
        let (value, grad, ratio) = (duration(r.value_us), duration(r.grad_us), three_digits(r.ratio));
        let off = format!("{:.0e}", r.grad_err);
        let _ = writeln!(text, "  {:<30} {value:>10} {grad:>12} {ratio:>9} {off:>8}  {}", r.system, r.note);
    }
    text
}

/// All rows in Markdown: a line for each workload and system, with the machine below.
pub fn markdown(machine: &Machine, rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | system | value | value and gradient | over Clarke's | note |\n|---|---|---|---|---|---|\n",
    );
    let mut before = "";
    for r in rows {
        let first = r.workload != before;
        let name = if first { format!("**{}** {}", r.workload, about(&r.workload)) } else { String::new() };
        before = &r.workload;
        let system = if r.system == "clarke" { "**clarke**".into() } else { format!("{} {}", r.system, r.version) };
        let (value, grad) = (duration(r.value_us), duration(r.grad_us));
        let note = r.note.replace('|', "\\|");
        let name = name.replace('|', "\\|");
        let _ = writeln!(text, "| {name} | {system} | {value} | {grad} | {} | {note} |", three_digits(r.ratio));
    }
    let Machine { machine, processors, date, rounds, seconds } = machine;
    let _ = writeln!(
        text,
        "\nProcessor time, medians of {rounds} rounds by turns of {seconds} s each, one thread; {date}, {machine}, {processors} processors."
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(
            [date(0), date(59), date(19_782), date(20_088)],
            ["1970-01-01", "1970-03-01", "2024-02-29", "2024-12-31"]
        );
    }

    #[test]
    fn times_have_three_digits() {
        let times = [0.0421, 1.0, 12.34, 999.0, 1_234.0, 2.5e6].map(duration);
        assert_eq!(times, ["42.1 ns", "1.00 µs", "12.3 µs", "999 µs", "1.23 ms", "2.50 s"]);
    }
}
