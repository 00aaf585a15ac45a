//! The oracle that nobody here wrote: values and derivatives of every operator against JAX.

use crate::python::{environment, run};
use crate::{Failure, cargo_command, root};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Writes the cases and compares them, in the Python environment under `target/`.
///
/// `CLARKE_ORACLE_PYTHON` names another Python with JAX, perhaps with PyTorch, whose column of the record is then
/// measured anew too.
pub fn compare() -> Result<(), Failure> {
    let sources = root().join("crates/clarke/tests/oracle");
    let folder = root().join("target/oracle");
    fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    let python = match env::var_os("CLARKE_ORACLE_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => environment()?,
    };
    let cases = folder.join("cases.json");
    println!("\n── oracle: every operator against JAX");
    let mut write = cargo_command(&["test", "--quiet", "--package", "clarke", "--test", "oracle", "--", "--ignored"]);
    run("the cases of the oracle", write.env("CLARKE_ORACLE_CASES", &cases))?;
    let mut compare = Command::new(python);
    // Nothing is left in the sources.
    run("the comparison with JAX", compare.arg("-B").arg(sources.join("oracle.py")).arg(&cases))
}
