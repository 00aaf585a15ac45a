//! What the laws of random programs print when one does not hold is a command that can be run.

#[path = "../../clarke/tests/common/mod.rs"]
mod common;
#[path = "../../clarke/tests/common/law.rs"]
mod law;
#[path = "../../clarke/tests/common/sketch.rs"]
mod sketch;

use assert_cmd::cargo::cargo_bin;
use proptest::test_runner::TestCaseError;
use sketch::Form;
use std::process::Command;

/// What is printed of a law that does not hold.
fn broken(name: &'static str, holds: impl Fn(&clarke::Program) -> bool + Sync) -> String {
    let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        law::cheap_law(name, 100, |sketch, _| match holds(&sketch.program(Form::Scalar)) {
            true => Ok(()),
            false => Err(TestCaseError::fail("it does not hold")),
        });
    }));
    let message = failure.expect_err("the law is broken on purpose");
    message.downcast_ref::<String>().expect("a panic with a text").clone()
}

/// Runs the command of a counterexample as a user does: copied into a shell.
fn run(printed: &str) -> String {
    let command = &printed[printed.find("clarke explain ").expect("a command")..];
    let path = cargo_bin("clarke").parent().expect("a folder").display().to_string();
    let rest = std::env::var("PATH").unwrap_or_default();
    let done =
        Command::new("sh").args(["-c", command]).env("PATH", format!("{path}:{rest}")).output().expect("a shell");
    assert!(done.status.success(), "{command}\n{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("output is UTF-8")
}

#[test]
fn the_counterexample_of_a_broken_law_is_a_command_that_shows_it() {
    let printed = broken("no loops", |f| !f.to_string().contains("scan("));
    let said = run(&printed);
    assert!(said.contains("value") && printed.contains("def g("), "{printed}\n{said}");
}

#[test]
fn it_is_as_small_as_can_be() {
    let printed = broken("no sorting", |f| !f.to_string().contains("sort("));
    let said = run(&printed);
    assert!(printed.contains("sort(") && said.contains("sort"), "{printed}\n{said}");
    // Two steps at most are left that do not sort.
    assert!(printed.lines().count() < 20, "{printed}");
}
