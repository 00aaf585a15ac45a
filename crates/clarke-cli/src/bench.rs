//! `clarke bench`: methods on problems whose solutions are known.

use crate::output::{Format, json};
use crate::problems::{Problem, Published, all};
use crate::progress::interrupted;
use crate::report::{Exit, put};
use clap::{Args, Subcommand};
use clarke::optim::{Event, Outcome, Run, Status, minimize};
use clarke::{ConcludeOptions, Verdict};
use clarke_show::words;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Methods on problems whose solutions are known
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Problems(ProblemsArgs),
}

/// Minimize the classical nonsmooth test problems from their text, and judge where the runs end
#[derive(Debug, Args)]
pub struct ProblemsArgs {
    /// The method; may be given more than once (auto unless given)
    #[arg(long, value_name = "METHOD")]
    pub method: Vec<String>,
    /// The problems of 1000 variables, beside what NonOpt 2.0 published for them
    #[arg(long)]
    pub large: bool,
    /// Only problems whose name contains this
    #[arg(long, value_name = "NAME", default_value = "")]
    pub only: String,
    /// End each run as soon as f − f* is within the bar
    #[arg(long)]
    pub until_reached: bool,
    /// Judge the end of every run of up to 100 variables, however many ties are met there: that may take minutes
    #[arg(long)]
    pub certify: bool,
    /// How many steps are made at most
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// One run.
#[derive(Debug, Serialize)]
struct Row {
    problem: String,
    n: usize,
    convex: bool,
    method: String,
    /// f(x₀), where it is stated.
    start: Option<f64>,
    /// f − f*.
    missing: f64,
    /// Whether that is within the bar: 10⁻⁶ max(1, |f*|) for convex problems, else 10⁻⁴.
    reached: bool,
    /// Values and gradients together until it was, to the end of the step.
    until: Option<u64>,
    values: u64,
    gradients: u64,
    seconds: f64,
    status: String,
    verdict: String,
}

/// Runs and prints.
pub fn run(args: &BenchArgs) -> Result<(), Exit> {
    let What::Problems(args) = &args.what;
    let (classical, large) = all();
    let problems: Vec<Problem> = if args.large { large } else { classical };
    let chosen: Vec<&Problem> = problems.iter().filter(|p| p.name.contains(&args.only)).collect();
    if chosen.is_empty() {
        let names: Vec<String> = problems.iter().map(|p| p.name.clone()).collect();
        return Err(Exit::input(format!("--only {}: there is no such problem", args.only))
            .hint(format!("there are {}", names.join(", "))));
    }
    let auto = ["auto".to_string()];
    let methods = if args.method.is_empty() { &auto[..] } else { &args.method };
    // Nothing is printed before all names are known.
    methods.iter().try_for_each(|name| clarke::optim::entry(name).map(|_| ()))?;
    let interrupted = interrupted()?;
    if args.format == Format::Text {
        put(&header())?;
    }
    let mut rows = vec![];
    'all: for problem in chosen {
        for method in methods {
            let row = one(problem, method, args, &interrupted)?;
            if args.format == Format::Text {
                put(&line(&row))?;
            }
            rows.push(row);
            // What was run so far is printed; the last row says that it was interrupted.
            if interrupted.load(Ordering::Relaxed) {
                break 'all;
            }
        }
        if args.format == Format::Text {
            problem.published.iter().try_for_each(|p| put(&published(problem, p)))?;
        }
    }
    match args.format {
        Format::Json => put(&json(&rows)?),
        Format::Text => put(&summary(&rows)),
    }
}

/// Minimizes, polishes, judges.
fn one(problem: &Problem, name: &str, args: &ProblemsArgs, interrupted: &AtomicBool) -> Result<Row, Exit> {
    let method = clarke::optim::method(name, &[])?;
    let mut f = problem.function()?;
    let (mut until, stop) = (None, AtomicBool::new(interrupted.load(Ordering::Relaxed)));
    let watch = &mut |event: Event<'_>| {
        if until.is_none() && event.best_value - problem.best <= problem.bar() {
            until = Some(event.evaluations.values + event.evaluations.gradients);
        }
        let ends = interrupted.load(Ordering::Relaxed) || args.until_reached && until.is_some();
        stop.store(ends, Ordering::Relaxed);
    };
    let clock = Instant::now();
    let outcome = minimize(&method, &mut f, &problem.start, Run { steps: args.steps, interrupted: &stop, watch })?;
    let seconds = clock.elapsed().as_secs_f64();
    let missing = outcome.best_value - problem.best;
    let ended = outcome.status == Status::Interrupted && !interrupted.load(Ordering::Relaxed);
    Ok(Row {
        problem: problem.name.clone(),
        n: problem.dimension(),
        convex: problem.convex,
        method: name.to_string(),
        start: problem.value,
        missing,
        reached: missing <= problem.bar(),
        until,
        values: outcome.evaluations.values,
        gradients: outcome.evaluations.gradients,
        seconds,
        status: if ended { "reached".into() } else { outcome.status.to_string() },
        verdict: verdict(problem, &outcome, args.certify).unwrap_or_else(|error| error.to_string()),
    })
}

/// The verdict at the best point, polished if it can be, in short.
fn verdict(problem: &Problem, outcome: &Outcome, certify: bool) -> clarke::Result<String> {
    let at = problem.program()?.at(&problem.inputs(&outcome.best))?;
    // With many variables each verdict takes longer than the run.
    let few = problem.dimension() <= JUDGED;
    let judge = (few && certify).then_some(true);
    let options = ConcludeOptions { polish: Some(few), judge, convex: problem.convex, ..Default::default() };
    let end = at.conclude(&options);
    let Some(verdict) = end.verdict() else {
        return Ok(if few { format!("not judged, {}", words::plural(end.active.len(), "tie")) } else { "—".into() });
    };
    let critical = match (verdict, end.critical()) {
        (Verdict::Smooth, _) => format!("smooth, gradient {:.0e}", end.norm().unwrap_or(f64::NAN)),
        (_, Some(true)) => "critical".into(),
        (_, Some(false)) => "not critical".into(),
        (_, None) => "undecided".into(),
    };
    Ok(format!("{critical}, {}", end.precision))
}

/// Above, points are not polished.
const JUDGED: usize = 100;

fn header() -> String {
    format!(
        "{:<24}{:>5}  {:<18}{:>10}{:>8}{:>8}{:>10}{:>9}  {:<12}{}\n",
        "problem", "n", "method", "f − f*", "to bar", "values", "gradients", "seconds", "status", "verdict"
    )
}

fn line(row: &Row) -> String {
    let mark = if row.reached { ' ' } else { '!' };
    let until = row.until.map_or("—".into(), |n| n.to_string());
    let (values, gradients, seconds) = (row.values, row.gradients, row.seconds);
    format!(
        "{:<24}{:>5}  {:<18}{:>9.1e}{mark}{until:>8}{values:>8}{gradients:>10}{seconds:>9.3}  {:<12}{}\n",
        row.problem, row.n, row.method, row.missing, row.status, row.verdict
    )
}

fn published(problem: &Problem, p: &Published) -> String {
    let missing = p.last - problem.best;
    let mark = if missing <= problem.bar() { ' ' } else { '!' };
    let name = format!("({})", p.direction);
    format!("{:<24}{:>5}  {:<18.18}{:>9.1e}{mark}{:>8}{:>8}{:>10}\n", "", "", name, missing, "", p.values, p.gradients)
}

fn summary(rows: &[Row]) -> String {
    let count = |convex: bool| {
        let of = rows.iter().filter(|r| r.convex == convex);
        (of.clone().filter(|r| r.reached).count(), of.count())
    };
    let ((convex, of_convex), (others, of_others)) = (count(true), count(false));
    let text = format!(
        "{convex} of {of_convex} on convex problems within 10⁻⁶ max(1, |f*|), {others} of {of_others} on others within 10⁻⁴; \
         `!` marks the rest."
    );
    format!("\n{}", words::paragraph(&text, 0))
}
