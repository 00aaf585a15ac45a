//! The Python package: its wheel in an environment of its own, and everything that must hold of it there.

use crate::{Failure, example_names, root, untouched};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed into the environment: what the oracle compares with, and what tests the package.
const REQUIREMENTS: [&str; 2] =
    ["crates/clarke/tests/oracle/requirements.txt", "crates/clarke-python/tests/requirements.txt"];

/// Builds the wheel, installs it, and runs its tests, doctests, types and examples.
pub fn check() -> Result<(), Failure> {
    let python = environment()?;
    install(&python)?;
    let package = root().join("crates/clarke-python");
    let step = |title: &str, arguments: &[&str]| {
        println!("\n── Python package, {title}: python -m {}", arguments.join(" "));
        run(
            &format!("the Python package's {title}"),
            venv_command(&python).current_dir(&package).arg("-m").args(arguments),
        )
    };
    let settings = ["pytest", "-c", "pyproject.toml", "--rootdir", "."];
    step("tests", &[&settings[..], &["tests"]].concat())?;
    step("doctests", &[&settings[..], &["--doctest-modules", "--pyargs", "clarke"]].concat())?;
    // The cache of the type checker lies beside the environment, and nothing in the sources.
    let cache = root().join("target/python/mypy");
    let cache = cache.to_str().ok_or("the path of target/ is no text")?;
    step("types", &["mypy", "--strict", "--cache-dir", cache, "python/clarke"])?;
    step("types of an example project", &["mypy", "--strict", "--cache-dir", cache, "tests/typing"])?;
    step("stubs", &["mypy.stubtest", "clarke._clarke"])?;
    examples(&python)
}

/// Runs every script of `examples/python`: each asserts what it shows.
fn examples(python: &Path) -> Result<(), Failure> {
    let folder = root().join("examples/python");
    let names = example_names(&folder, "py")?;
    for name in &names {
        println!("\n── Python example {name}");
        let script = folder.join(format!("{name}.py"));
        run(&format!("the Python example {name}"), venv_command(python).current_dir(root()).arg(script))?;
    }
    println!("\nxtask: {} Python examples ran and asserted their output", names.len());
    Ok(())
}

/// Builds the wheel as cargo's profile `dev` does, which shares what `cargo test` compiled, and installs it.
fn install(python: &Path) -> Result<(), Failure> {
    let wheels = root().join("target/python/wheels");
    let unusable = |e: std::io::Error| format!("{}: {e}", wheels.display());
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(unusable)?;
    }
    println!("\n── Python package: the wheel, by maturin");
    let mut build = venv_command(python);
    build.args(["-m", "maturin", "build", "--quiet", "--locked", "--profile", "dev", "--interpreter"]).arg(python);
    build.arg("--manifest-path").arg(root().join("crates/clarke-python/Cargo.toml"));
    // Where cargo itself looks, whatever the folder that this was started in.
    build.arg("--out").arg(&wheels).current_dir(root());
    run("the wheel (maturin build)", &mut build)?;
    let built = fs::read_dir(&wheels).map_err(unusable)?.next().ok_or("maturin built no wheel")?.map_err(unusable)?;
    let mut install = venv_command(python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]);
    run("the installation of the wheel", install.arg("--force-reinstall").arg(built.path()))
}

/// A command of the environment's Python that leaves nothing in the sources, and that does not know that it was started
/// by cargo.
fn venv_command(python: &Path) -> Command {
    let mut command = untouched(Command::new(python));
    let folder = python.parent().unwrap_or(Path::new("."));
    let path = env::var_os("PATH").unwrap_or_default();
    if let Ok(path) = env::join_paths(std::iter::once(folder.to_path_buf()).chain(env::split_paths(&path))) {
        command.env("PATH", path);
    }
    command.env("VIRTUAL_ENV", folder.parent().unwrap_or(folder)).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// The Python of an environment under `target/` with what is required, made if it is not there or another; complete or
/// not there at all.
pub fn environment() -> Result<PathBuf, Failure> {
    let venv = root().join("target/python/venv");
    let (python, mark) = (venv.join("bin/python"), venv.join("complete"));
    let files = REQUIREMENTS.map(|file| root().join(file));
    let read = |file: &PathBuf| fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    let wanted = files.iter().map(read).collect::<Result<String, Failure>>()?;
    if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) && python.exists() {
        return Ok(python);
    }
    println!("\n── Python: an environment in {}", venv.display());
    run(
        "python3 -m venv (is Python 3 with its module venv installed?)",
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
    )?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for file in files {
        install.arg("--requirement").arg(file);
    }
    run("pip install of what the tests need: it needs a package registry, once", &mut install)?;
    fs::write(&mark, wanted).map_err(|e| format!("{}: {e}", mark.display()))?;
    Ok(python)
}

/// Runs a command with its output shown; `what` says what failed.
pub fn run(what: &str, command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status().map_err(|e| format!("{what}: {program} cannot be started: {e}"))?.success() {
        true => Ok(()),
        false => Err(format!("{what} failed")),
    }
}
