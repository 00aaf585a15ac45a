//! `clarke train` as a user runs it: what it reaches, that it goes on after any end, and what it refuses.

mod common;

use common::{clarke, printed, refused, root};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const DIGITS: &[&str] = &["train", "data/digits.csv", "--y", "digit", "--model", "mlp:64-32-10"];

/// What a run prints as JSON; warnings about its guarantee may stand on stderr.
fn run(args: &[&str]) -> Value {
    let done = clarke(&[args, &["--format", "json"]].concat()).assert().success();
    serde_json::from_slice(&done.get_output().stdout).expect("--format json prints JSON")
}

fn digits(more: &[&str]) -> Value {
    run(&[DIGITS, more].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_network_reads_digits() {
    let report = digits(&["--test", "0.2", "--epochs", "40"]);
    assert_eq!(report["status"], "epochs");
    assert!(report["test"]["metric"].as_f64().unwrap() >= 0.97, "{}", report["test"]);
    assert_eq!(report["epochs"].as_array().unwrap().len(), 40);
    assert_eq!(report["classes"].as_array().unwrap().len(), 10);
}

#[test]
fn an_image_network_and_a_program_train_too() {
    let image = run(&["train", "data/digits.csv", "--y", "digit", "--model", "cnn:1x8x8-c6k3-p2-10", "--epochs", "3"]);
    assert!(image["validation"]["metric"].as_f64().unwrap() > 0.8, "{}", image["validation"]);
    let program = "relu(x @ W1 + b1) @ W2 + b2";
    let over = ["--over", "W1[64,16]", "--over", "b1[16]", "--over", "W2[16,10]", "--over", "b2[10]"];
    let report =
        run(&[&["train", "data/digits.csv", "--y", "digit", "--epochs", "5", "--model", program], &over[..]].concat());
    assert!(report["validation"]["metric"].as_f64().unwrap() > 0.8, "{}", report["validation"]);
}

#[test]
fn regression_with_every_loss_beats_its_start() {
    for loss in ["squared", "l1", "huber(20)", "quantile(0.5)"] {
        let report = run(&[
            "train",
            "data/diabetes.csv",
            "--y",
            "progression",
            "--standardize",
            "--loss",
            loss,
            "--step",
            "1",
            "--epochs",
            "60",
            "--seed",
            "1",
        ]);
        // Without features the median is off by 66 on average.
        assert!(report["training"]["metric"].as_f64().unwrap() < 50.0, "{loss}: {}", report["training"]);
        assert_eq!(report["metric"], "mean |error|");
    }
}

/// Starts training, kills it at some moment, and goes on, until it has ended by itself.
fn killed_until_done(dir: &Path, args: &[&str], delays: &[u64]) -> (u32, Vec<u8>) {
    let (checkpoint, out) = (dir.join("run.ckpt"), dir.join("w.npz"));
    let mut kills = 0;
    loop {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("clarke"));
        command.current_dir(root()).args(args).args(["--checkpoint", text(&checkpoint), "--every", "0", "--resume"]);
        command.args(["--out", text(&out)]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // After as many kills as there are delays it may take its time.
        let patience = delays.get(kills as usize).map(|ms| Duration::from_millis(*ms));
        let ended = match patience {
            Some(patience) => {
                std::thread::sleep(patience);
                child.try_wait().unwrap().is_some()
            }
            None => child.wait().unwrap().success(),
        };
        if ended {
            return (kills, fs::read(out).unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
}

#[test]
fn a_run_that_is_killed_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.npz");
    let args = [DIGITS, &["--epochs", "6", "--patience", "5"]].concat();
    clarke(&[&args[..], &["--out", text(&whole)]].concat()).assert().success();
    let (kills, weights) = killed_until_done(dir.path(), &args, &[150, 220, 90, 300, 260, 120]);
    assert!(kills >= 2, "the run was too quick to be killed: {kills}");
    assert_eq!(weights, fs::read(whole).unwrap());
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_says_so_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, whole, part) = (dir.path().join("c"), dir.path().join("whole.npz"), dir.path().join("part.npz"));
    // Full steps at each epoch give time to interrupt.
    let args = [DIGITS, &["--epochs", "40"]].concat();
    clarke(&[&args[..], &["--out", text(&whole)]].concat()).assert().success();
    let kept = ["--checkpoint", text(&checkpoint), "--every", "0", "--out", text(&part)];
    let child = Command::new(assert_cmd::cargo::cargo_bin("clarke"))
        .current_dir(root())
        .args(&args)
        .args(kept)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}");
    assert!(String::from_utf8(said.stdout).unwrap().contains("ended       interrupted"));
    clarke(&[&args[..], &kept, &["--resume"]].concat()).assert().success();
    assert_eq!(fs::read(part).unwrap(), fs::read(whole).unwrap());
}

/// The disc: 300 points, of class 1 inside.
fn points() -> Vec<(f64, f64, f64)> {
    let at = |k: usize| ((k as f64 * 0.7548776662).fract() * 2.0 - 1.0, (k as f64 * 0.5698402910).fract() * 2.0 - 1.0);
    (1..=300).map(at).map(|(a, b)| (a, b, (a * a + b * b < 0.5) as u8 as f64)).collect()
}

/// Writes points as a table of the columns a, b and inside, and as LIBSVM's sparse text.
fn texts(points: &[(f64, f64, f64)], table: &Path, sparse: &Path) {
    let csv: String = points.iter().map(|(a, b, y)| format!("{a:?},{b:?},{y}\n")).collect();
    fs::write(table, format!("a,b,inside\n{csv}")).unwrap();
    let svm: String = points.iter().map(|(a, b, y)| format!("{y} 1:{a:?} 2:{b:?}\n")).collect();
    fs::write(sparse, svm).unwrap();
}

fn npy(path: &Path, shape: &[u64], numbers: &[f64]) -> PathBuf {
    use npyz::WriterBuilder;
    let mut bytes = vec![];
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd().unwrap();
    writer.extend(numbers.iter().copied()).unwrap();
    writer.finish().unwrap();
    fs::write(path, bytes).unwrap();
    path.to_path_buf()
}

#[test]
fn all_formats_in_memory_and_mapped_train_alike() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let points = points();
    texts(&points, &at("p.csv"), &at("p.svm"));
    let (x, y): (Vec<f64>, Vec<f64>) =
        (points.iter().flat_map(|p| [p.0, p.1]).collect(), points.iter().map(|p| p.2).collect());
    let (x, y) = (npy(&at("x.npy"), &[300, 2], &x), npy(&at("y.npy"), &[300], &y));
    let mut archive = zip::ZipWriter::new(fs::File::create(at("p.npz")).unwrap());
    for (name, file) in [("X.npy", &x), ("target.npy", &y)] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &fs::read(file).unwrap()).unwrap();
    }
    archive.finish().unwrap();
    let train = |file: &str, y: &[&str], more: &[&str]| {
        let out = at("w.json");
        let file = at(file);
        let args =
            [&["train", text(&file), "--model", "mlp:2-6-2", "--epochs", "3", "--out", text(&out)], y, more].concat();
        clarke(&args).assert().success();
        fs::read_to_string(out).unwrap()
    };
    let y = text(&y);
    let sources: [(&str, &[&str]); 4] =
        [("p.csv", &["--y", "inside"]), ("p.svm", &[]), ("x.npy", &["--y", y]), ("p.npz", &["--y", "target"])];
    let first = train("p.csv", sources[0].1, &[]);
    for (file, y) in sources {
        assert_eq!(train(file, y, &[]), first, "{file}");
    }
    // Mapped files are split in their order.
    let mapped = train("p.csv", sources[0].1, &["--memory", "0"]);
    assert_ne!(mapped, first);
    for (file, y) in [sources[2], sources[3]] {
        assert_eq!(train(file, y, &["--memory", "0"]), mapped, "{file}");
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_string()
    };
    let nan = at("nan.csv", "a,y\n1,0\nnan,1\n");
    let half = at("half.csv", "a,y\n1,0.5\n2,1\n");
    let few = at("few.csv", "a,y\n1,0\n2,1\n");
    let bad = at("bad.svm", "1 1:2\n1 2\n");
    let digits = |more: &'static [&'static str]| [&["train", "data/digits.csv", "--y", "digit"], more].concat();
    for (args, part) in [
        (vec!["train", "no.csv", "--y", "a"], "no such file: no.csv"),
        (vec!["train", "data/digits.csv"], "--y names the column of the targets"),
        (vec!["train", "data/digits.csv", "--y", "digits"], "did you mean `digit`?"),
        (vec!["train", &nan, "--y", "y"], "row 2 (line 3), column `a`: `nan` is not a finite number"),
        (
            vec!["train", &half, "--y", "y", "--loss", "hinge"],
            "the loss hinge is for classes, and there is a target 0.5",
        ),
        (vec!["train", &bad], "line 2: `2` is not feature:value"),
        (vec!["train", "data.parquet"], "cannot tell the format of `data.parquet`"),
        (vec!["train", &few, "--y", "y", "--validation", "0.9"], "some must be left to train on"),
        (digits(&["--model", "mlp:63-10"]), "the model takes 63 features, and the data have 64"),
        (digits(&["--model", "mlp:64-9"]), "the model gives 9 outputs, and there are 10 classes"),
        (digits(&["--model", "mlp:64"]), "there is no layer after the inputs"),
        (digits(&["--model", "x @ W"]), "unknown name `W`"),
        (digits(&["--loss", "l3"]), "losses are logistic, hinge"),
        (digits(&["--method", "adamm"]), "unknown method `adamm`"),
        (digits(&["--method", "bfgs", "--batch", "4"]), "takes no batches"),
        (digits(&["--validation", "1.5"]), "it is a fraction of the samples"),
        (digits(&["--out", "w.txt"]), "weights are saved as *.npz or *.json"),
        (digits(&["--checkpoint", "no/such/c"]), "there is no folder no/such"),
        (digits(&["--policy", "torch"]), "policy `torch` cannot be read"),
        (digits(&["--over", "W[2]"]), "this model has its own"),
    ] {
        let said = refused(&args);
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn a_checkpoint_of_another_run_or_no_checkpoint_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, broken) = (dir.path().join("c"), dir.path().join("broken"));
    let base = [DIGITS, &["--epochs", "1", "--checkpoint", text(&checkpoint)]].concat();
    clarke(&base).assert().success();
    let kept = fs::read(&checkpoint).unwrap();
    let said = refused(&base);
    assert!(said.contains("has a run already") && said.contains("--resume"), "{said}");
    for (more, part) in [
        (&["--seed", "3"][..], "the seed is 0 there, and 3 here"),
        (&["--step", "0.1"], "its options is"),
        (&["--standardize"], "standardizing is false there, and true here"),
    ] {
        let said = refused(&[&base[..], &["--resume"], more].concat());
        assert!(said.contains("cannot be resumed: it is of another run") && said.contains(part), "{said}");
    }
    fs::write(&broken, &kept[..kept.len() / 2]).unwrap();
    let said = refused(&[DIGITS, &["--checkpoint", text(&broken), "--resume"]].concat());
    assert!(said.contains("cannot be resumed: it is damaged, or was cut short"), "{said}");
    assert_eq!(fs::read(&checkpoint).unwrap(), kept);
    // A run that is over says again what it came to; with more epochs it goes on.
    let again = run(&[&base[..], &["--resume"]].concat());
    assert_eq!(again["epochs"].as_array().unwrap().len(), 1);
    let mut more = [&base[..], &["--resume"]].concat();
    more[7] = "2";
    assert_eq!(run(&more)["epochs"].as_array().unwrap().len(), 2);
}

#[test]
fn divergence_ends_with_the_best_weights() {
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, out) = (dir.path().join("c"), dir.path().join("w.json"));
    let done = clarke(&[
        "train",
        "data/diabetes.csv",
        "--y",
        "progression",
        "--method",
        "stochastic",
        "--step",
        "10",
        "--loss",
        "squared",
        "--checkpoint",
        text(&checkpoint),
        "--out",
        text(&out),
    ])
    .assert()
    .code(2);
    let said = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(said.contains("training stopped after") && said.contains("are in"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let weights: Value = serde_json::from_str(&fs::read_to_string(out).unwrap()).unwrap();
    assert!(weights["W1"].is_array());
}

#[test]
fn what_is_printed_says_what_was_done() {
    let shown = clarke(&[DIGITS, &["--epochs", "2", "--test", "0.2"]].concat()).assert().success();
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    for part in [
        "data        1797 samples, 64 features, 10 classes",
        "split       1258 to train on, 180 for validation, 359 for the test (drawn at random, seed 0)",
        "model       mlp:64-32-10, 2410 weights",
        "Guarantee: none",
        "      2/2",
        "kept        the weights of epoch 2, of the least validation loss",
        "\ntest        ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let help = printed(&["train", "--help"]);
    assert!(help.contains("mlp:64-32-10"));
}

#[test]
fn minimize_takes_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (table, sparse) = (at("p.csv"), at("p.svm"));
    texts(&points(), &table, &sparse);
    let base = [
        "minimize",
        "hinge((2*y - 1) * (w @ X + c))",
        "--over",
        "w[2]",
        "--over",
        "c",
        "--convex",
        "--method",
        "incremental",
    ];
    let more = ["--step", "1/(k+1)^0.75", "--option", "batch=16", "--steps", "200", "--no-certify"];
    let solution = |source: &[&str]| run(&[&base[..], &more, source].concat())["solution"].clone();
    let each = solution(&["--csv", text(&table), "--y", "inside", "--each", "X", "--each", "y"]);
    for source in [
        &["--samples", text(&table), "--y", "inside"][..],
        &["--samples", text(&sparse)],
        &["--samples", text(&table), "--y", "inside", "--memory", "0"],
    ] {
        assert_eq!(solution(source), each, "{source:?}");
    }
    let said = refused(&[&base[..], &["--samples", text(&table)]].concat());
    assert!(said.contains("--y names the column of the targets"), "{said}");
    let said = refused(&[&base[..], &["--samples", text(&sparse), "--let", "X=1"]].concat());
    assert!(said.contains("`X` is given twice: by --let and by --samples"), "{said}");
}
