//! Reports of runs: what they say, that a browser shows them without a complaint, and how they are compared.

mod common;

#[path = "common/browser.rs"]
mod browser;

use browser::Browser;
use common::{clarke, printed, refused, said};
use std::path::{Path, PathBuf};

const DIABETES: [&str; 9] = [
    "minimize",
    "mean(abs(X @ w + b - y)) + 0.01*norm1(w)",
    "--csv=data/diabetes.csv",
    "--y=progression",
    "--standardize",
    "--over=w[10]",
    "--over=b",
    "--convex",
    "--format=json",
];

/// A file of a fresh folder.
fn file(dir: &tempfile::TempDir, name: &str) -> (PathBuf, String) {
    let path = dir.path().join(name);
    let text = path.to_str().expect("the path is text").to_string();
    (path, text)
}

/// Runs a command with `--report` and returns the page.
fn report(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (path, name) = file(&dir, "run.html");
    clarke(&[args, &["--report", &name]].concat()).assert().success();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file stayed behind");
    std::fs::read_to_string(path).unwrap()
}

/// What a reader sees of a page: no data, no style.
fn shown(page: &str) -> &str {
    let body = page.find("<body>").expect("a page has a body");
    &page[body..page.find("<script type=\"application/json\"").expect("a page holds its data")]
}

/// The pictures of a page, each well-formed.
fn pictures(page: &str) -> Vec<&str> {
    let ends = |(at, _): (usize, &str)| &page[at..at + page[at..].find("</svg>").expect("it is closed") + 6];
    let all: Vec<&str> = page.match_indices("<svg ").map(ends).collect();
    for svg in &all {
        roxmltree::Document::parse(svg).unwrap_or_else(|e| panic!("{e}: {svg}"));
    }
    all
}

/// No address and nothing that would be fetched.
fn loads_nothing(page: &str) {
    // The name of the language of pictures looks like an address, and nobody goes there.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for part in ["http:", "https:", " src=", "@import", "url("] {
        assert!(!page.contains(part), "{part}");
    }
}

#[test]
fn a_report_says_what_the_command_says_and_how_it_was_made() {
    let page = report(&[&DIABETES[..], &["--steps", "300", "--method=subgradient", "--step", "20/(k+1)^0.5"]].concat());
    let value = serde_json::from_str::<serde_json::Value>(&printed(
        &[&DIABETES[..], &["--steps", "300", "--method=subgradient", "--step", "20/(k+1)^0.5"]].concat(),
    ));
    let best = clarke_show::words::number(value.unwrap()["best_value"].as_f64().unwrap());
    for part in [
        "Minimization by subgradient",
        "mean(abs(X @ w + b - y)) + 0.01*norm1(w)",
        &format!("<dd>{best}</dd>"),
        "Value",
        "Ties met along the run",
        "Guarantee",
        "w[9]",
        "20/(k+1)^0.5",
        "--csv=data/diabetes.csv",
        "data/diabetes.csv",
        "CRC-32",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(shown(&page).contains(part), "{part}");
    }
    loads_nothing(&page);
    // Three choices of axes for the value, two for the ties, wide and narrow, and the signs of four lines.
    assert_eq!(pictures(&page).len(), (3 + 2) * 2 + 4);
}

#[test]
fn ties_are_counted_of_all_samples() {
    // At the start, 0, the operator is at its tie for each of the three samples.
    let page = report(&[
        "minimize",
        "abs(w) + relu(w*a)",
        "--let=a=[1,2,3]",
        "--each=a",
        "--over=w",
        "--steps=3",
        "--method=subgradient",
        "--step=0.1",
        "--policy=step=1",
    ]);
    let row =
        shown(&page).split("<tr>").find(|row| row.contains("<td>relu(w*a)</td>")).expect("the operator is listed");
    assert!(row.contains("<td class=\"number\">3</td>"), "{row}");
}

#[test]
fn a_browser_shows_reports_without_a_complaint() {
    let Some(browser) = Browser::find("reports in a browser") else { return };
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let (path, _) = file(&dir, name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let page = report(&[&DIABETES[..], &["--steps", "300", "--method=subgradient"]].concat());
    let (dom, console) = browser.open(&write("page.html", &page));
    assert_eq!(console, Vec::<String>::new());
    assert!(dom.contains("Minimization by subgradient") && dom.contains("Ties met along the run"));
    assert_eq!(dom.matches("<svg ").count(), pictures(&page).len());
    assert_eq!(dom.matches("<svg ").count(), dom.matches("</svg>").count());

    // What complains is heard, and what reaches outside is stopped: otherwise the silence above would mean nothing.
    let wrong = page.replace("</main>", "<img src=\"https://example.org/a.png\"></main>");
    let (_, console) = browser.open(&write("wrong.html", &wrong));
    assert!(console.iter().any(|line| line.contains("Content Security Policy")), "{console:?}");

    let windows = [320, 360, 700, 1200];
    assert_eq!(browser.widths(&page, &windows), windows, "nothing is wider than the window");
}

#[test]
fn a_browser_shows_trainings_and_studies_too() {
    let Some(browser) = Browser::find("reports of trainings and studies in a browser") else { return };
    let dir = tempfile::tempdir().unwrap();
    let train = ["train", "data/digits.csv", "--y=digit", "--model=mlp:64-8-10", "--epochs=3"];
    for (k, args) in [&train[..], &["study", "relu0", "--quick"]].into_iter().enumerate() {
        let page = report(args);
        let (path, _) = file(&dir, &format!("{k}.html"));
        std::fs::write(&path, &page).unwrap();
        assert_eq!(browser.open(&path).1, Vec::<String>::new(), "{args:?}");
        assert_eq!(browser.widths(&page, &[360, 1200]), [360, 1200], "{args:?}");
        loads_nothing(&page);
        assert!(!pictures(&page).is_empty());
    }
}

#[test]
fn runs_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let [(_, a), (_, b), (both, out)] = ["slow.html", "quick.html", "both.html"].map(|name| file(&dir, name));
    let run = |method: &str, to: &str| {
        let more = ["--method", method, "--steps=40", "--report", to];
        clarke(&[&DIABETES[..], &more].concat()).assert().success();
    };
    run("subgradient", &a);
    run("bundle", &b);
    assert_eq!(printed(&["report", &a, &b, "--out", &out]), format!("2 runs in {out}\n"));
    let page = std::fs::read_to_string(&both).unwrap();
    for part in ["2 runs compared", ">subgradient<", ">bundle<", "Settings: where the runs differ"] {
        assert!(shown(&page).contains(part), "{part}");
    }
    assert!(!shown(&page).contains("Different objectives"));
    loads_nothing(&page);
    pictures(&page);
    // A page of several counts as each of them.
    assert_eq!(printed(&["report", &out, &a, "--out", &out]), format!("3 runs in {out}\n"));
    assert!(shown(&std::fs::read_to_string(&both).unwrap()).contains(">slow: subgradient<"), "told apart by its file");
    if let Some(browser) = Browser::find("compared reports in a browser") {
        assert_eq!(browser.open(&both).1, Vec::<String>::new());
        assert_eq!(browser.widths(&page, &[360, 1200]), [360, 1200]);
    }
}

#[test]
fn different_objectives_are_said_aloud() {
    let dir = tempfile::tempdir().unwrap();
    let [(_, a), (_, b), (both, out)] = ["a.html", "b.html", "both.html"].map(|name| file(&dir, name));
    for (expression, to) in [("abs(x - 1)", &a), ("abs(x - 2)", &b)] {
        clarke(&["minimize", expression, "--over=x", "--steps=10", "--report", to]).assert().success();
    }
    let done = clarke(&["report", &a, &b, "--out", &out]).assert().success();
    let warned = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(warned.contains("these runs have different objectives"), "{warned}");
    assert!(shown(&std::fs::read_to_string(both).unwrap()).contains("Different objectives"));
}

#[test]
fn a_run_that_fails_leaves_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let (path, name) = file(&dir, "run.html");
    let read = || std::fs::read_to_string(&path).unwrap();
    // The first step leads to where the logarithm has no value.
    let args = ["minimize", "log(x)", "--over=x", "--from=x=1", "--method=subgradient", "--step=3", "--report", &name];
    // It warns of the step rule first.
    let done = clarke(&args).assert().code(2).stdout("");
    let complaint = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(complaint.contains("error: log gives NaN"), "{complaint}");
    let page = read();
    assert!(shown(&page).contains("<strong>Failed</strong>") && shown(&page).contains("it stopped after"));
    assert!(shown(&page).contains("The best point met"), "{page}");
    // Not even the start has a value.
    said(&["minimize", "log(x)", "--over=x", "--from=x=-1", "--report", &name], 2);
    let page = read();
    assert!(shown(&page).contains("<strong>Failed</strong>"));
    pictures(&page);
}

#[test]
fn what_cannot_be_written_or_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [(none, missing), (_, plain), (_, good)] =
        ["none.html", "plain.html", "good.html"].map(|name| file(&dir, name));
    std::fs::write(&plain, "<html></html>").unwrap();
    let folder = dir.path().to_str().unwrap();
    for (to, part) in [
        ("run.pdf", "reports are saved as *.html"),
        ("no/folder/run.html", "there is no folder no/folder"),
        (folder, "a report is a page for a browser"),
    ] {
        // Many steps: it is refused before the first.
        let said = refused(&["minimize", "abs(x)", "--over=x", "--steps=1000000000000", "--step=1", "--report", to]);
        assert!(said.contains(part), "{to}: {said}");
    }
    clarke(&["minimize", "abs(x)", "--over=x", "--from=x=1", "--steps=3", "--report", &good]).assert().success();
    for (files, part) in [
        (vec![missing.as_str()], "no such file"),
        (vec![&plain], "this is no report of Clarke"),
        (vec![&good, "data/diabetes.csv"], "this is no report of Clarke"),
    ] {
        let args = [&["report"], &files[..], &["--out", &missing]].concat();
        let said = refused(&args);
        assert!(said.contains(part), "{files:?}: {said}");
    }
    let damaged = std::fs::read_to_string(&good).unwrap().replace("\"sections\"", "\"sction\"");
    std::fs::write(&plain, damaged).unwrap();
    assert!(refused(&["report", &plain, "--out", &missing]).contains("cannot be read"));
    assert!(!Path::new(&none).exists(), "nothing was written");
}
