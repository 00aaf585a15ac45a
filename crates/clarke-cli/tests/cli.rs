//! The command as a user runs it: what it prints, and its exit code.

use assert_cmd::Command;
use std::path::PathBuf;

fn clarke(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("clarke").expect("the binary is built with its tests");
    command.current_dir(root()).args(args);
    command
}

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

/// What a successful run prints.
fn printed(args: &[&str]) -> String {
    let done = clarke(args).assert().success().stderr("");
    String::from_utf8(done.get_output().stdout.clone()).expect("output is UTF-8")
}

/// What a run on bad input says: nothing on stdout, exit code 2, no trace of how the program is made.
fn refused(args: &[&str]) -> String {
    let done = clarke(args).assert().code(2).stdout("");
    let said = String::from_utf8(done.get_output().stderr.clone()).expect("output is UTF-8");
    assert!(said.starts_with("error: "), "{said}");
    for inside in ["panicked", "RUST_BACKTRACE", "Error {", "Fault", "Some(", "\x1b"] {
        assert!(!said.contains(inside), "{inside}: {said}");
    }
    said
}

mod general {
    use super::*;

    #[test]
    fn without_arguments_the_help_is_shown() {
        let done = clarke(&[]).assert().code(2);
        let said = String::from_utf8_lossy(&done.get_output().stderr).to_string();
        assert!(said.contains("Usage: clarke"), "{said}");
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        assert_eq!(printed(&["--version"]), format!("clarke {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn an_unknown_command_is_refused() {
        assert!(refused(&["explode"]).contains("unrecognized subcommand 'explode'"));
    }
}

mod ops {
    use super::*;

    #[test]
    fn every_operator_is_listed_with_its_formula() {
        let table = printed(&["ops"]);
        let mut lines = table.lines();
        assert!(lines.next().is_some_and(|l| l.starts_with("name") && l.ends_with("source")), "{table}");
        let names: Vec<&str> = lines.filter_map(|l| l.split_whitespace().next()).collect();
        let known: Vec<&str> = clarke::op::OPS.iter().map(|e| e.name).collect();
        assert_eq!(names, known);
        let relu = table.lines().find(|l| l.starts_with("relu ")).expect("relu is an operator");
        assert!(relu.contains("max(x, 0)") && relu.contains("[0, 1] at x = 0"), "{relu}");
    }

    #[test]
    fn the_document_is_the_table() {
        let document = std::fs::read_to_string(root().join("docs/ops.md")).expect("docs/ops.md is in the repository");
        assert_eq!(printed(&["ops", "--markdown"]), document, "run `cargo xtask docs` to write docs/ops.md anew");
    }

    #[test]
    fn a_reader_may_go_away() {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("clarke"))
            .arg("ops")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("it ends");
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    }
}
