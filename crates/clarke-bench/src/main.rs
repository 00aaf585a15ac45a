//! `cargo xtask bench`: what Clarke's programs cost, beside loops written by hand and, if asked for, other systems.

use clap::{Parser, Subcommand};
use clarke_bench::drive::{Plan, run};
use clarke_bench::report::{Machine, Row, markdown, table};
use clarke_bench::worker::{own_systems, serve};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What Clarke's programs cost, beside loops written by hand and other systems: one thread, by turns, medians of processor time.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Options {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Only workloads whose name begins so; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Print a line of JSON for each workload and system.
    #[arg(long)]
    json: bool,
    /// Print the table in Markdown.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// How many times each system has its turn.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Seconds of a turn, for the value and for the gradient each.
    #[arg(long, default_value_t = 0.05)]
    seconds: f64,
    /// The processor that everything runs on.
    #[arg(long, default_value_t = 0)]
    cpu: usize,
    /// What to call this machine in place of its processor's name.
    #[arg(long)]
    machine: Option<String>,
    /// Write the rows to this file, with the machine in its first line.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Measure nothing and print what such a file holds.
    #[arg(long)]
    from: Option<PathBuf>,
    /// A Python that has the peers (`cargo xtask bench --peers` makes one).
    #[arg(long, hide = true)]
    python: Option<PathBuf>,
    /// Another process of systems.
    #[arg(long, hide = true)]
    worker: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum Mode {
    /// Answer the driver.
    #[command(hide = true)]
    Worker,
}

/// The scripts of the families in Python, in `peers/`.
const FAMILIES: [&str; 3] = ["jax", "torch", "casadi"];

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match (&options.mode, &options.from) {
        (Some(Mode::Worker), _) => {
            serve(&own_systems(), std::io::stdin().lock(), std::io::stdout().lock()).map_err(|e| e.to_string())
        }
        (None, Some(file)) => show(&options, file),
        (None, None) => measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The processes of all families, Clarke's own first.
fn commands(options: &Options) -> Result<Vec<(String, Vec<String>)>, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let own = std::env::current_exe().map_err(|e| format!("the path of this program: {e}"))?;
    let mut commands = vec![("clarke".to_string(), vec![text(&own), "worker".into()])];
    for worker in &options.worker {
        let label = worker.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        commands.push((label, vec![text(worker)]));
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    for family in options.python.iter().flat_map(|python| FAMILIES.map(|family| (python, family))) {
        let (python, family) = family;
        let script = scripts.join(format!("{family}_worker.py"));
        commands.push((family.into(), vec![text(python), "-B".into(), "-W".into(), "ignore".into(), text(&script)]));
    }
    Ok(commands)
}

fn measure(options: &Options) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("clarke-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let Options { only, rounds, seconds, cpu, .. } = options;
    let plan =
        Plan { only: only.clone(), rounds: (*rounds).max(1), seconds: *seconds, cpu: *cpu, folder: folder.clone() };
    let machine = Machine::here(options.machine.clone(), plan.rounds, plan.seconds);
    let mut all: Vec<Row> = vec![];
    let left_out = run(&plan, &commands(options)?, |rows| {
        print_rows(options, rows);
        all.extend_from_slice(rows);
    });
    // Nothing is lost with it.
    let _ = fs::remove_dir_all(&folder);
    let left_out = left_out?;
    if options.markdown {
        print!("{}", markdown(&machine, &all));
    }
    for line in left_out {
        eprintln!("left out: {line}");
    }
    match &options.save {
        Some(file) => save(file, &machine, &all),
        None => Ok(()),
    }
}

/// What is printed as soon as a workload is measured.
fn print_rows(options: &Options, rows: &[Row]) {
    if options.json {
        rows.iter().filter_map(|r| serde_json::to_string(r).ok()).for_each(|line| println!("{line}"));
    } else if !options.markdown {
        print!("{}", table(rows));
    }
}

fn save(file: &Path, machine: &Machine, rows: &[Row]) -> Result<(), String> {
    let failed = |e: serde_json::Error| e.to_string();
    let mut lines = vec![serde_json::to_string(machine).map_err(failed)?];
    for row in rows {
        lines.push(serde_json::to_string(row).map_err(failed)?);
    }
    fs::write(file, lines.join("\n") + "\n").map_err(|e| format!("{}: {e}", file.display()))
}

/// Prints a file of results.
fn show(options: &Options, file: &Path) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let text = fs::read_to_string(file).map_err(|e| failed(&e))?;
    let mut lines = text.lines();
    let machine: Machine = serde_json::from_str(lines.next().unwrap_or_default()).map_err(|e| failed(&e))?;
    let rows = lines.map(serde_json::from_str).collect::<Result<Vec<Row>, _>>().map_err(|e| failed(&e))?;
    let chosen = |r: &Row| options.only.is_empty() || options.only.iter().any(|o| r.workload.starts_with(o.as_str()));
    let rows: Vec<Row> = rows.into_iter().filter(chosen).collect();
    if options.markdown {
        print!("{}", markdown(&machine, &rows));
    } else {
        rows.chunk_by(|a, b| a.workload == b.workload).for_each(|rows| print_rows(options, rows));
    }
    Ok(())
}
