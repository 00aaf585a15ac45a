//! The seeds of fuzzing, run through what is fuzzed: `fuzz/targets.rs`. What crashed once is among them.

#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// The seeds of one target, by name.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let (mut programs, mut others) = (0, 0);
    for (path, data) in seeds(target) {
        match std::panic::catch_unwind(|| run(&data)) {
            Ok(true) => programs += 1,
            Ok(false) => others += 1,
            Err(_) => panic!("{} fails", path.display()),
        }
    }
    println!("{target}: {programs} seeds are programs, {others} are not");
    assert!(programs >= 20 && others > 0, "{programs} and {others}: seeds of both kinds are wanted");
}

#[test]
fn seeds_of_the_parser() {
    replay("parser", targets::parser);
}

#[test]
fn seeds_of_the_evaluator() {
    replay("evaluator", targets::evaluator);
}
