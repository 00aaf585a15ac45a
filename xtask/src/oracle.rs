//! The oracle that nobody here wrote: values and derivatives of every operator against JAX.

use crate::{Failure, cargo_command, root};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes the cases and compares them, in a Python environment of its own under `target/`.
///
/// `CLARKE_ORACLE_PYTHON` names another Python with JAX, perhaps with PyTorch, whose column of the record is then
/// measured anew too.
pub fn compare() -> Result<(), Failure> {
    let sources = root().join("crates/clarke/tests/oracle");
    let folder = root().join("target/oracle");
    fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    let python = match env::var_os("CLARKE_ORACLE_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => environment(&folder, &sources.join("requirements.txt"))?,
    };
    let cases = folder.join("cases.json");
    println!("\n── oracle: every operator against JAX");
    let mut write = cargo_command(&["test", "--quiet", "--package", "clarke", "--test", "oracle", "--", "--ignored"]);
    run("the cases of the oracle", write.env("CLARKE_ORACLE_CASES", &cases))?;
    let mut compare = Command::new(python);
    // Nothing is left in the sources.
    run("the comparison with JAX", compare.arg("-B").arg(sources.join("oracle.py")).arg(&cases))
}

/// The Python of an environment with what is required, made if it is not there or another; complete or not there at all.
fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf, Failure> {
    let venv = folder.join("venv");
    let (python, mark) = (venv.join("bin/python"), venv.join("complete"));
    let wanted = fs::read_to_string(requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) && python.exists() {
        return Ok(python);
    }
    println!("\n── oracle: an environment with JAX in {}", venv.display());
    run(
        "python3 -m venv (is Python 3 with its module venv installed?)",
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
    )?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    run(
        "pip install of JAX: it needs a package registry, once. Without one, name a Python that has JAX in \
         CLARKE_ORACLE_PYTHON",
        &mut install,
    )?;
    fs::write(&mark, wanted).map_err(|e| format!("{}: {e}", mark.display()))?;
    Ok(python)
}

/// Runs a command with its output shown; `what` says what failed.
fn run(what: &str, command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status().map_err(|e| format!("{what}: {program} cannot be started: {e}"))?.success() {
        true => Ok(()),
        false => Err(format!("{what} failed")),
    }
}
