//! `clarke methods`: the table of methods of minimization.

use crate::report::{Exit, put};
use clap::Args;
use clarke::optim::{AnyMethod, Entry, METHODS, Range, Setting};
use clarke::{Fault, Policy, Program};
use clarke_show::words;

/// Print the methods of minimization: formula, options with their defaults, source
#[derive(Debug, Args)]
pub struct MethodsArgs {
    /// This method only
    #[arg(value_name = "NAME")]
    method: Option<String>,
}

/// Prints the table, or one line of it.
pub fn run(args: &MethodsArgs) -> Result<(), Exit> {
    let entries: Vec<&Entry> = match &args.method {
        Some(name) => vec![clarke::optim::entry(name)?],
        None => METHODS.iter().collect(),
    };
    put(&entries.iter().map(|entry| text(entry)).collect::<Vec<_>>().join("\n"))
}

/// A method's name and formula, and below its options, a paragraph each.
fn text(entry: &Entry) -> String {
    let mut out = format!("{}: {}\n", entry.name, entry.formula);
    out += &words::paragraph(&format!("{}. {}.", entry.about, entry.source), 2);
    for p in entry.parameters() {
        // Of what is text the meaning says what is understood.
        let range = match p.range {
            Range::Rule | Range::Text(_) | Range::Words(_) => String::new(),
            numbers => format!("; {numbers}"),
        };
        out += &words::paragraph(&format!("{} = {}: {}{range}.", p.name, p.default, p.meaning), 4);
    }
    out
}

/// A method with its options: those of `--option`, the rule of `--step`, and the seed where it has one and is given none.
pub fn build(entry: &Entry, given: &[String], step: Option<&str>, seed: u64) -> Result<AnyMethod, Exit> {
    let mut options: Vec<(String, Setting)> = vec![];
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Exit::input(format!("--option `{text}` has no value")).hint("write --option name=value"));
        };
        options.push((name.trim().into(), value.into()));
    }
    options.extend(step.map(|rule| ("step".into(), rule.into())));
    if seed > 0 && entry.parameters().any(|p| p.name == "seed") && options.iter().all(|(n, _)| n != "seed") {
        options.push(("seed".into(), seed.into()));
    }
    entry.build(&options).map_err(|error| {
        let unknown = matches!(&*error.fault, Fault::UnknownName { .. });
        let listed = unknown.then(|| format!("`clarke methods {}` says what its options mean", entry.name));
        Exit::from(error).maybe_hint(listed)
    })
}

/// The policy of `--policy`: random ones start from `--seed`; others may name operators of a program.
pub fn policy(
    given: Option<&str>,
    seed: u64,
    program: impl FnOnce() -> clarke::Result<Program>,
) -> clarke::Result<Policy> {
    match given {
        None => Ok(Policy::default()),
        Some("random") => Ok(Policy::Random(seed)),
        Some(text) => Policy::read(text, &program()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_shown_with_its_options() {
        for entry in METHODS {
            let shown = text(entry);
            assert!(shown.starts_with(&format!("{}: {}", entry.name, entry.formula)), "{shown}");
            assert!(entry.parameters().all(|p| shown.contains(&format!("{} = {}", p.name, p.default))), "{shown}");
        }
    }
}
