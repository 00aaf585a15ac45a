//! Chores of the repository: `cargo xtask test` checks everything, `cargo xtask docs` writes what is generated.

mod bench;
mod browser;
mod oracle;
mod python;
mod soak;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask <chore>

  test     format, clippy, unit, integration and doc tests, every operator against JAX, the Python package,
           documentation, examples, generated documents; stops at the first failure
  oracle   only every operator against JAX, in a Python environment under target/
  python   only the Python package: its wheel in that environment, tests, doctests, types, stubs, examples
  soak     the laws of random programs with fresh seeds, until stopped: soak [minutes] [first seed]
  bench    what Clarke's programs cost beside loops written by hand, and with --peers beside other systems, which are
           installed under target/; see bench --help
  cost     measure how costs grow, in release, and write docs/performance.md with its pictures
  docs     write docs/ops.md anew from the table of operators";

/// What went wrong, to be printed as one line.
type Failure = String;

fn main() -> ExitCode {
    let chores: Vec<String> = env::args().skip(1).collect();
    let done = match chores.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(),
        ["docs"] => docs(),
        ["bench", ref options @ ..] => bench::bench(options),
        ["cost"] => cost(),
        ["oracle"] => oracle::compare(),
        ["python"] => python::check(),
        ["soak"] => soak::run(None, None),
        ["soak", minutes] => soak::run(Some(minutes), None),
        ["soak", minutes, seed] => soak::run(Some(minutes), Some(seed)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Every check, in the order from quick to slow. Each runner prints its own summary.
fn test() -> Result<(), Failure> {
    cargo("format", &["fmt", "--all", "--check"])?;
    cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    browser::provide();
    cargo("unit, integration and doc tests", &["test", "--workspace"])?;
    oracle::compare()?;
    python::check()?;
    documentation()?;
    examples()?;
    generated()?;
    println!("\nxtask: all checks passed");
    Ok(())
}

/// The documentation of the libraries, without a broken link.
fn documentation() -> Result<(), Failure> {
    let args = ["doc", "--no-deps", "--package", "clarke", "--package", "clarke-show", "--package", "clarke-train"];
    println!("\n── documentation: cargo {}", args.join(" "));
    let status = cargo_command(&args).env("RUSTDOCFLAGS", "-D warnings").status();
    match status.map_err(|e| format!("cargo cannot be started: {e}"))?.success() {
        true => Ok(()),
        false => Err("documentation (cargo doc)".into()),
    }
}

/// Runs every example: each asserts what it shows.
fn examples() -> Result<(), Failure> {
    let names = example_names(&root().join("examples"), "rs")?;
    for name in &names {
        cargo(&format!("example {name}"), &["run", "--quiet", "--package", "clarke", "--example", name])?;
    }
    println!("\nxtask: {} examples ran and asserted their output", names.len());
    Ok(())
}

/// The names of a folder's files with this ending. Those in Rust are what `crates/clarke/Cargo.toml` lists.
fn example_names(folder: &Path, ending: &str) -> Result<Vec<String>, Failure> {
    if !folder.exists() {
        return Ok(vec![]);
    }
    let unreadable = |e: std::io::Error| format!("{} cannot be read: {e}", folder.display());
    let mut names = vec![];
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|e| e == ending) {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// The generated documents are what the commands print today.
fn generated() -> Result<(), Failure> {
    println!("\n── generated documents");
    let path = root().join("docs/ops.md");
    let kept = fs::read_to_string(&path).map_err(|e| format!("{}: {e}; run `cargo xtask docs`", path.display()))?;
    if kept != ops_document()? {
        return Err("docs/ops.md is not what `clarke ops --markdown` prints; run `cargo xtask docs`".into());
    }
    println!("docs/ops.md is up to date");
    Ok(())
}

/// Writes the generated documents.
fn docs() -> Result<(), Failure> {
    let path = root().join("docs/ops.md");
    let text = ops_document()?;
    fs::create_dir_all(root().join("docs"))
        .and_then(|()| fs::write(&path, text))
        .map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    println!("wrote docs/ops.md");
    Ok(())
}

/// Measures how costs grow, and writes what was measured.
fn cost() -> Result<(), Failure> {
    let args = ["run", "--release", "--package", "clarke-show", "--example", "costs", "--", "docs"];
    cargo("how costs grow", &args)?;
    println!("wrote docs/performance.md and its pictures");
    Ok(())
}

fn ops_document() -> Result<String, Failure> {
    let mut command = cargo_command(&["run", "--quiet", "--package", "clarke-cli", "--", "ops", "--markdown"]);
    command.stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|e| format!("cargo cannot be started: {e}"))?;
    if !output.status.success() {
        return Err("`clarke ops --markdown` failed".into());
    }
    String::from_utf8(output.stdout).map_err(|_| "`clarke ops --markdown` printed something else than UTF-8".into())
}

/// Runs cargo with its output shown.
fn cargo(title: &str, args: &[&str]) -> Result<(), Failure> {
    println!("\n── {title}: cargo {}", args.join(" "));
    let status = cargo_command(args).status().map_err(|e| format!("cargo cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{title} (cargo {})", args.join(" "))) }
}

/// Cargo at the root.
fn cargo_command(args: &[&str]) -> Command {
    let mut command = untouched(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())));
    command.current_dir(root()).args(args);
    command
}

/// The command without the variables that cargo sets for this program: with them, a cargo that it starts would take every
/// package for changed.
fn untouched(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line of Rust that the README shows stands in the example that says so, in the same order.
    #[test]
    fn the_readme_shows_what_an_example_runs() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let (readme, example) = (read("README.md"), read("examples/side_by_side.rs"));
        let mut runs = example.lines().map(str::trim);
        let mut shown = 0;
        for block in readme.split("```rust\n").skip(1) {
            for line in block.split("```").next().unwrap_or_default().lines().filter(|l| !l.trim().is_empty()) {
                assert!(runs.any(|run| run == line.trim()), "examples/side_by_side.rs has not, or not here: {line}");
                shown += 1;
            }
        }
        assert!(shown > 0, "README.md shows no Rust");
    }

    #[test]
    fn every_example_is_declared_and_every_declared_one_exists() {
        let manifest = fs::read_to_string(root().join("crates/clarke/Cargo.toml")).unwrap();
        let declared: Vec<String> = manifest
            .lines()
            .filter_map(|l| l.trim().strip_prefix("path = \"../../examples/")?.strip_suffix(".rs\""))
            .map(str::to_string)
            .collect();
        let mut sorted = declared.clone();
        sorted.sort();
        assert_eq!(example_names(&root().join("examples"), "rs").unwrap(), sorted);
    }
}
