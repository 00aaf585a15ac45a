//! The house rules: which module may import which, who may name an operator, how long a file may be, what no source
//! may contain. They hold for the source as it is written, so this test reads it.

use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level modules each may import. Whatever is not listed here is forbidden.
///
/// error, tensor, set ← program ← op ← {text, derive} ← run ← local ← {compound, optim} ← lib
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("tensor", &["error"]),
    ("set", &["error", "tensor"]),
    ("program", &["error", "tensor", "set"]),
    ("op", &["error", "tensor", "set", "program"]),
    ("text", &["error", "tensor", "set", "program", "op"]),
    ("derive", &["error", "tensor", "set", "program", "op"]),
    ("run", &["error", "tensor", "set", "program", "op", "text", "derive"]),
    ("local", &["error", "tensor", "set", "program", "op", "text", "derive", "run"]),
    ("compound", &["error", "tensor", "set", "program", "op", "text", "derive", "run", "local"]),
    ("optim", &["error", "tensor", "set", "program", "op", "text", "derive", "run", "local"]),
];

/// What of `run` the crate may show: a compiled program, its inputs, the memory it works in, and what it costs in numbers; no
/// plan.
const SHOWN_OF_RUN: &[&str] = &["Compiled", "Cost", "GradientCost", "Port", "Workspace"];

/// The longest a source file may be.
const LINES: usize = 600;

/// A piece of source with what stands in it: comments and literals blanked out, lines kept.
struct Source {
    /// From the crate's `src`, as `op/kinked.rs`.
    path: String,
    code: String,
}

impl Source {
    /// The top-level module it belongs to.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// Positions of a word that is not part of a longer one.
    fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let name = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            !before.is_some_and(name) && !after.is_some_and(name)
        })
    }

    /// Every path that starts at the crate's root, with its position: `crate::a::{b, c::d}` yields `a::b` and `a::c::d`.
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = vec![];
        for at in self.words("crate") {
            let rest = &self.code[at + "crate".len()..];
            if let Some(tail) = rest.strip_prefix("::") {
                paths(tail, "", at, &mut found);
            }
        }
        found
    }
}

/// The paths at the start of a text, which may branch in braces. Returns how much was read.
fn paths(text: &str, prefix: &str, at: usize, found: &mut Vec<(usize, String)>) -> usize {
    let trimmed = text.trim_start();
    let mut read = text.len() - trimmed.len();
    if trimmed.starts_with('{') {
        read += 1;
        while read < text.len() {
            let rest = &text[read..];
            let blank = rest.len() - rest.trim_start_matches([' ', '\n', ',']).len();
            read += blank;
            if text[read..].starts_with('}') {
                return read + 1;
            }
            let step = paths(&text[read..], prefix, at, found);
            if step == 0 {
                return read;
            }
            read += step;
        }
        return read;
    }
    let end = trimmed.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(trimmed.len());
    let path = if prefix.is_empty() { trimmed[..end].to_string() } else { format!("{prefix}::{}", &trimmed[..end]) };
    read += end;
    match text[read..].strip_prefix("::") {
        Some(tail) if tail.starts_with('<') => found.push((at, path)),
        Some(tail) => read += 2 + paths(tail, &path, at, found),
        None => found.push((at, path)),
    }
    // `a as b`: the new name is no path.
    if let Some(tail) = text[read..].strip_prefix(" as ") {
        read += 4 + tail.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(tail.len());
    }
    read
}

/// Blanks out comments, strings and character literals, so that only code is left. Lines stay where they are.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut k = 0;
    let starts = |k: usize, s: &str| s.chars().enumerate().all(|(i, c)| chars.get(k + i) == Some(&c));
    while k < chars.len() {
        let end = if starts(k, "//") {
            (k..chars.len()).find(|&j| chars[j] == '\n').unwrap_or(chars.len())
        } else if starts(k, "/*") {
            (k + 2..chars.len()).find(|&j| starts(j, "*/")).map_or(chars.len(), |j| j + 2)
        } else if chars[k] == 'r' && raw_string(&chars, k).is_some() {
            raw_string(&chars, k).unwrap_or(k + 1)
        } else if chars[k] == '"' {
            quoted(&chars, k)
        } else if chars[k] == '\'' && (chars.get(k + 1) == Some(&'\\') || chars.get(k + 2) == Some(&'\'')) {
            let from = if chars.get(k + 1) == Some(&'\\') { k + 3 } else { k + 2 };
            (from..chars.len()).find(|&j| chars[j] == '\'').map_or(chars.len(), |j| j + 1)
        } else {
            out.push(chars[k]);
            k += 1;
            continue;
        };
        out.extend(chars[k..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        k = end;
    }
    out
}

/// The end of a string literal that starts here.
fn quoted(chars: &[char], start: usize) -> usize {
    let mut k = start + 1;
    while k < chars.len() && chars[k] != '"' {
        k += if chars[k] == '\\' { 2 } else { 1 };
    }
    (k + 1).min(chars.len())
}

/// The end of a raw string literal, if one starts here.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    if start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_') {
        return None;
    }
    let marks = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(start + 1 + marks) != Some(&'"') {
        return None;
    }
    let closes =
        |j: &usize| chars[*j] == '"' && chars[j + 1..].iter().take(marks).filter(|c| **c == '#').count() == marks;
    Some((start + 2 + marks..chars.len()).find(closes).map_or(chars.len(), |j| j + 1 + marks))
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a folder, with its path from there.
fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let mut found = vec![];
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).unwrap_or_else(|e| panic!("{}: {e}", current.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn library() -> Vec<Source> {
    let files = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(files.len() > 10, "the library's source was not found");
    files.into_iter().map(|(path, text)| Source { path, code: code_only(&text) }).collect()
}

fn fail_on(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}\n", broken.join("\n  "));
}

/// The imports of a file that the table does not allow.
fn forbidden_imports(source: &Source) -> Vec<String> {
    let own = source.module();
    if own == "lib" {
        return vec![];
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(module, _)| *module == own) else {
        return vec![format!("{}: the module `{own}` is not in the table of this test", source.path)];
    };
    let mut broken = vec![];
    for (at, path) in source.crate_paths() {
        let target = path.split("::").next().unwrap_or_default();
        // What lib re-exports from error, program and tensor may be named by its short path.
        let target = if target.starts_with(char::is_uppercase) { owner_of_export(target) } else { target };
        if target != own && !allowed.contains(&target) {
            broken.push(format!("src/{}:{}: `{own}` may not use `crate::{path}`", source.path, source.line(at)));
        }
    }
    broken
}

/// The module that a name exported by lib comes from, as far as modules inside the crate may use it.
fn owner_of_export(name: &str) -> &str {
    match name {
        "Error" | "Fault" | "Place" | "Result" => "error",
        "Tensor" => "tensor",
        "Builder" | "Program" | "Registry" | "Var" => "program",
        other => other,
    }
}

/// Where a file outside `op` names an operator: a path `op::<module>::<Struct>`. The adaptors that users write their
/// own operators with are no operators.
fn named_operators(source: &Source) -> Vec<String> {
    if ["op", "lib"].contains(&source.module()) {
        return vec![];
    }
    let is_type = |s: &str| s.starts_with(char::is_uppercase) && s.chars().any(char::is_lowercase);
    let mut broken = vec![];
    for (at, path) in source.crate_paths() {
        if let ["op", module, name, ..] = path.split("::").collect::<Vec<_>>()[..]
            && (name == "*" || is_type(name))
            && !(module == "pointwise" && ["Pointwise", "Elementwise"].contains(&name))
        {
            broken.push(format!("src/{}:{}: names the operator `{path}`", source.path, source.line(at)));
        }
    }
    broken
}

#[test]
fn imports_run_one_way() {
    let broken: Vec<String> = library().iter().flat_map(forbidden_imports).collect();
    fail_on(&broken, "imports that the table of allowed edges forbids");
}

/// Paths of `super` that reach the crate's root, where the scan of imports does not see what they name.
fn climbs_to_the_root(source: &Source) -> Vec<String> {
    let parts: Vec<&str> = source.path.trim_end_matches(".rs").split('/').filter(|p| *p != "mod").collect();
    let inner = source.code.find("\nmod tests {").unwrap_or(source.code.len());
    let mut broken = vec![];
    for at in source
        .words("super")
        .filter(|at| source.code[*at..].starts_with("super::") && !source.code[..*at].ends_with("super::"))
    {
        let steps = 1 + source.code[at..].split("::").skip(1).take_while(|part| *part == "super").count();
        if source.module() != "lib" && steps >= parts.len() + usize::from(at > inner) {
            broken.push(format!("src/{}:{}: write `crate::…`", source.path, source.line(at)));
        }
    }
    broken
}

#[test]
fn paths_from_the_root_are_written_so() {
    let broken: Vec<String> = library().iter().flat_map(climbs_to_the_root).collect();
    fail_on(&broken, "paths that reach the crate's root by `super`");
}

#[test]
fn nobody_outside_op_names_an_operator() {
    let broken: Vec<String> = library().iter().flat_map(named_operators).collect();
    fail_on(&broken, "operators named outside of op/");
}

#[test]
fn no_plan_is_public() {
    let mut broken = vec![];
    for source in library() {
        for at in source.words("pub").filter(|at| source.code[at + 3..].trim_start().starts_with("use ")) {
            let end = source.code[at..].find(';').map_or(source.code.len(), |e| at + e);
            let tail = source.code[at..end].trim_start_matches("pub").trim_start().trim_start_matches("use").trim();
            let mut found = vec![];
            paths(tail.trim_start_matches("self::").trim_start_matches("crate::"), "", at, &mut found);
            for (_, path) in found {
                let parts: Vec<&str> = path.split("::").collect();
                let last = parts.last().copied().unwrap_or_default();
                let from_run = source.path == "run/mod.rs" || parts[0] == "run" && parts.len() > 1;
                if from_run && !SHOWN_OF_RUN.contains(&last) {
                    broken.push(format!("src/{}:{}: shows `{path}`", source.path, source.line(at)));
                }
            }
        }
        if source.path == "lib.rs" {
            broken.extend(source.code.contains("pub mod run").then(|| "src/lib.rs: `run` is public".to_string()));
        }
    }
    fail_on(&broken, "`run` shows more than a compiled program, its inputs, its workspace and its cost");
}

/// What belongs to one face alone, or to files: the libraries need none of it.
const OF_FACES: &[&str] =
    &["annotate-snippets", "clap", "csv", "ctrlc", "indicatif", "npyz", "pyo3", "tempfile", "zip"];

/// The names under `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    let own = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default().split("\n[").next().unwrap_or_default();
    own.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect()
}

/// clarke ← clarke-show, clarke-train ← faces.
#[test]
fn crates_depend_one_way() {
    let mut broken = vec![];
    for entry in fs::read_dir(crates()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let (allowed, refused): (&[&str], &[&str]) = match name.as_str() {
            "clarke" => (&[], OF_FACES),
            "clarke-show" | "clarke-train" => (&["clarke"], OF_FACES),
            _ => (&["clarke", "clarke-show", "clarke-train"], &[]),
        };
        let all = dependencies(&manifest);
        assert!(!all.is_empty(), "{name}: no dependencies were found");
        let own = |d: &&&str| d.starts_with("clarke") && !allowed.contains(d);
        broken.extend(all.iter().filter(own).map(|d| format!("{name} may not depend on {d}")));
        broken.extend(all.iter().filter(|d| refused.contains(d)).map(|d| format!("{name} may not depend on {d}")));
    }
    fail_on(&broken, "dependencies between crates");
}

/// Words that reach the world outside: streams and files.
const OUTSIDE: &[&str] = &["println", "print", "eprintln", "eprint", "stdout", "stderr", "fs", "File"];

#[test]
fn words_and_pictures_are_returned_not_written() {
    let mut broken = vec![];
    for (path, text) in every_source()
        .into_iter()
        .filter(|(path, _)| path.starts_with("clarke-show/") || path.starts_with("clarke-train/"))
    {
        let source = Source { path, code: code_only(&text) };
        for word in OUTSIDE {
            broken.extend(source.words(word).map(|at| format!("{}:{}: {word}", source.path, source.line(at))));
        }
    }
    fail_on(&broken, "a library prints or writes files");
}

#[test]
fn files_are_short() {
    let mut broken = vec![];
    for (path, text) in every_source() {
        let lines = text.lines().count();
        if lines > LINES {
            broken.push(format!("{path}: {lines} lines"));
        }
    }
    fail_on(&broken, "files over 600 lines: a file holds one concept");
}

#[test]
fn nothing_is_left_to_do() {
    let mut broken = vec![];
    for (path, text) in every_source() {
        let source = Source { path, code: code_only(&text) };
        for word in ["todo", "unimplemented"] {
            for at in source.words(word).filter(|at| source.code[at + word.len()..].starts_with('!')) {
                broken.push(format!("{}:{}: {word}!", source.path, source.line(at)));
            }
        }
    }
    fail_on(&broken, "unfinished code");
}

/// The sources of every crate, by their path from `crates/`.
fn every_source() -> Vec<(String, String)> {
    let sources: Vec<(String, String)> =
        rust_files(&crates()).into_iter().filter(|(path, _)| path.split('/').nth(1) == Some("src")).collect();
    for known in ["clarke/src/lib.rs", "clarke-show/src/lib.rs", "clarke-cli/src/main.rs"] {
        assert!(sources.iter().any(|(p, _)| p == known), "{known} was not found");
    }
    sources
}

/// A scan that finds nothing proves nothing: these are the violations that it must find.
mod the_scan_itself {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), code: code_only(text) }
    }

    #[test]
    fn finds_forbidden_edges_with_their_line() {
        let found = |path: &str, text: &str| forbidden_imports(&source(path, text));
        assert_eq!(
            found("program/mod.rs", "use crate::error::Fault;\n\nuse crate::op::OPS;\n"),
            ["src/program/mod.rs:3: `program` may not use `crate::op::OPS`"]
        );
        assert_eq!(found("text/mod.rs", "use crate::{error::{Fault, Place}, derive::unroll};").len(), 1);
        assert_eq!(found("derive/mod.rs", "fn f() { crate::text::parse(1) }").len(), 1);
        assert_eq!(found("optim/mod.rs", "pub(crate) use crate::compound::scan as s;").len(), 1);
        assert_eq!(found("error.rs", "use crate::Tensor;").len(), 1);
        assert_eq!(found("brand_new/mod.rs", "").len(), 1);
    }

    #[test]
    fn allows_what_the_table_allows_and_ignores_what_is_no_code() {
        let text = "// use crate::run::X;\n/* crate::run */ fn f<'a>() { let s = \"crate::run::Y \\\" \"; let r = r#\"crate::local\"#; }\n\
                    use crate::error::{Error, Fault};\npub(crate) use crate::program::Var;\nuse crate::Result;\n";
        assert_eq!(forbidden_imports(&source("op/x.rs", text)), Vec::<String>::new());
        let paths: Vec<String> = source("a.rs", "use crate::a::{b, c::{d as e, f}, self};\nuse crate::g;")
            .crate_paths()
            .into_iter()
            .map(|p| p.1)
            .collect();
        assert_eq!(paths, ["a::b", "a::c::d", "a::c::f", "a::self", "g"]);
    }

    #[test]
    fn finds_paths_that_climb_to_the_root() {
        let found = |path: &str, text: &str| climbs_to_the_root(&source(path, text)).len();
        assert_eq!(found("error.rs", "use super::op::OPS;"), 1);
        assert_eq!(found("text/mod.rs", "use super::derive::unroll;"), 1);
        assert_eq!(found("text/parse.rs", "use super::super::derive::unroll;"), 1);
        assert_eq!(found("text/parse.rs", "use super::ast::Span; pub(super) fn f() {}"), 0);
        assert_eq!(found("text/parse.rs", "\nmod tests {\n    use super::super::ast;\n    use super::*;\n}"), 0);
        assert_eq!(found("text/mod.rs", "\nmod tests {\n    use super::super::derive;\n}"), 1);
    }

    #[test]
    fn finds_the_dependencies_of_a_manifest() {
        let manifest = "[lints]\nworkspace = true\n\n[dependencies]\nclarke.workspace = true\nclap = \"4\"\n\n[dev-dependencies]\ncsv = \"1\"\n";
        assert_eq!(dependencies(manifest), ["clarke", "clap"]);
    }

    #[test]
    fn finds_operators_named_outside_op() {
        let found = |path: &str, text: &str| named_operators(&source(path, text)).len();
        assert_eq!(found("derive/x.rs", "let op = crate::op::kinked::Relu;"), 1);
        assert_eq!(found("local/x.rs", "use crate::op::{OPS, linear::{AddOp, Multiply}};"), 2);
        assert_eq!(found("run/x.rs", "use crate::op::kinked::*;"), 1);
        assert_eq!(found("op/x.rs", "use crate::op::kinked::Relu;"), 0);
        assert_eq!(found("derive/x.rs", "use crate::op::pointwise::{Pointwise, Elementwise};\nuse crate::op::OPS;"), 0);
        assert_eq!(found("derive/x.rs", "use crate::program::op::Entry;"), 0);
    }
}
