//! The benchmark: `clarke-bench` with the options that it is given, and the systems that it is compared with.

use crate::python::run;
use crate::{Failure, cargo_command, root};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What the environment of the peers has, each file for itself: without the second one PyTorch is left out.
const REQUIREMENTS: [&str; 2] = ["requirements.txt", "requirements-torch.txt"];

/// Builds the driver and runs it; `--peers` among the options makes the environment of the peers, and hands it over.
pub fn bench(options: &[&str]) -> Result<(), Failure> {
    let peers = options.contains(&"--peers");
    let mut build = cargo_command(&["build", "--quiet", "--release", "--package", "clarke-bench"]);
    if peers {
        build.args(["--bins", "--examples"]);
    }
    run("the build of the benchmark", &mut build)?;
    let folder = root().join("target/release");
    let mut driver = Command::new(folder.join("clarke-bench"));
    driver.current_dir(root()).args(options.iter().filter(|o| **o != "--peers"));
    if peers {
        driver.arg("--worker").arg(folder.join("examples/echidna")).arg("--python").arg(environment()?);
    }
    run("the benchmark", &mut driver)
}

/// The Python of an environment under `target/` with what can be installed of the peers.
fn environment() -> Result<PathBuf, Failure> {
    let venv = root().join("target/bench-peers/venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        eprintln!("an environment for the peers in {}", venv.display());
        run(
            "python3 -m venv (is Python 3 with its module venv installed?)",
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
        )?;
    }
    for name in REQUIREMENTS {
        let file = root().join("crates/clarke-bench/peers").join(name);
        let wanted = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mark = venv.join(name);
        if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
            continue;
        }
        eprintln!("installing {} into it", file.display());
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&file);
        match run(&format!("pip install of {name}"), &mut install) {
            Ok(()) => fs::write(&mark, wanted).map_err(|e| format!("{}: {e}", mark.display()))?,
            // What is missing is said by the driver, system by system.
            Err(why) => eprintln!("{why}; what needs it is left out"),
        }
    }
    Ok(python)
}
