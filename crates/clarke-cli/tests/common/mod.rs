//! Running the command as a user does.

#![allow(dead_code)]

use assert_cmd::Command;
use serde_json::Value;
use std::path::PathBuf;

/// The command in the root of the repository.
pub fn clarke(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("clarke").expect("the binary is built with its tests");
    command.current_dir(root()).args(args);
    command
}

/// The root of the repository.
pub fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

/// What a successful run prints.
pub fn printed(args: &[&str]) -> String {
    let done = clarke(args).assert().success().stderr("");
    String::from_utf8(done.get_output().stdout.clone()).expect("output is UTF-8")
}

/// What a run on bad input says: nothing on stdout, exit code 2, no trace of how the program is made.
pub fn refused(args: &[&str]) -> String {
    said(args, 2)
}

/// What a run that ends with an exit code says on stderr; nothing on stdout.
pub fn said(args: &[&str], code: i32) -> String {
    let done = clarke(args).assert().code(code).stdout("");
    let said = String::from_utf8(done.get_output().stderr.clone()).expect("output is UTF-8");
    for inside in ["panicked", "RUST_BACKTRACE", "Error {", "Fault", "Some(", "\x1b"] {
        assert!(!said.contains(inside), "{inside}: {said}");
    }
    assert!(said.starts_with("error: "), "{said}");
    said
}

/// What a successful run prints, as JSON.
pub fn json(args: &[&str]) -> Value {
    serde_json::from_str(&printed(&[args, &["--format", "json"]].concat())).expect("--format json prints JSON")
}
