//! The page of `clarke train --report`.

use super::watched::{Watched, filled, patience};
use super::{Page, made};
use crate::report::Exit;
use crate::train::report::TrainReport;
use crate::train::{Setup, TrainArgs};
use clarke_show::report::{Chart, Report, Scale, Section, Series};
use clarke_show::words;
use clarke_train::{Epoch, Scores, Session};

/// The page of a training, while it is under way.
#[derive(Debug)]
pub struct TrainPage {
    page: Page,
    watched: Option<Watched>,
}

/// The most samples whose ties are counted.
const SAMPLES: usize = 256;

impl TrainPage {
    /// The page that was asked for, if one was. Checks, before training, that it can be saved.
    pub fn check(args: &TrainArgs) -> Result<Option<TrainPage>, Exit> {
        let page = args.report.as_deref().map(|path| Page::check("--report", path)).transpose()?;
        Ok(page.map(|page| TrainPage { page, watched: None }))
    }

    /// After an epoch, and at the start.
    pub fn at(&mut self, session: &Session<'_>) {
        let (step, x) = (session.steps(), session.weights());
        match &mut self.watched {
            Some(watched) => watched.point(step, x),
            None => self.watched = Some(Watched::new(x)),
        }
    }

    /// Saves the page; `failure` is what a failed run ended with.
    pub fn save(self, args: &TrainArgs, setup: &Setup, said: &TrainReport, failure: Option<&Exit>) -> Result<(), Exit> {
        let mut report = Report::new("train", title(args), subject(args, setup));
        report.name = name(args);
        report.tiles = tiles(said);
        report.failure = failure.map(Exit::sentences).unwrap_or_default();
        let along = report.section("Along the run");
        charts(said).into_iter().for_each(|chart| {
            along.chart(chart);
        });
        if let Some(watched) = &self.watched {
            ties(watched, setup, said.seconds, along)?;
        }
        report.section("Scores of the weights kept").table("", &["samples", "loss", said.metric], said.scores());
        report.section("Guarantee").text(format!("{}.", said.guarantee.trim_end_matches('.')));
        let how = report.section("How it was made");
        how.facts("Settings", settings(args, setup));
        made(how, [args.data.as_path()].into_iter().chain(args.test_file()));
        self.page.save(&[report])
    }
}

fn title(args: &TrainArgs) -> String {
    let file = args.data.file_name().map_or_else(|| args.data.display().to_string(), |f| f.to_string_lossy().into());
    format!("Training on {file}")
}

/// Model, loss and data: only runs of the same are compared.
fn subject(args: &TrainArgs, setup: &Setup) -> String {
    let Setup { problem, count, .. } = setup;
    let y = args.y.iter().map(|y| format!(", targets {y}")).collect::<String>();
    format!(
        "{}, loss {}\n{}{y}, {}",
        problem.model.text(),
        problem.loss,
        args.data.display(),
        words::plural(*count, "sample")
    )
}

/// What the run is called beside others.
fn name(args: &TrainArgs) -> String {
    let step = args.step.iter().map(|rule| format!("step {rule}"));
    let policy = args.policy.iter().map(|policy| format!("policy {policy}"));
    let seed = (args.seed > 0).then(|| format!("seed {}", args.seed));
    let set: Vec<String> = args.options.iter().cloned().chain(step).chain(policy).chain(seed).collect();
    if set.is_empty() { args.method.clone() } else { format!("{} ({})", args.method, set.join(", ")) }
}

fn tiles(said: &TrainReport) -> Vec<(String, String)> {
    let tile = |name: &str, value: String| (name.to_string(), value);
    let metric = |scores: Scores| match said.metric {
        "accuracy" => format!("{:.2} %", 100.0 * scores.metric),
        _ => words::number(scores.metric),
    };
    let mut all = vec![];
    all.extend(said.test.map(|s| tile(&format!("test {}", said.metric), metric(s))));
    all.extend(said.validation.map(|s| tile(&format!("validation {}", said.metric), metric(s))));
    all.push(tile(&format!("training {}", said.metric), metric(said.training)));
    all.push(tile("epochs", said.epochs.len().to_string()));
    all.push(tile("weights of epoch", said.epoch.to_string()));
    all.push(tile("steps", said.steps.to_string()));
    all.push(tile("ended", said.status.clone()));
    all
}

/// The losses, and what is measured beside them, epoch after epoch.
fn charts(said: &TrainReport) -> Vec<Chart> {
    let of = |value: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
        said.epochs.iter().filter_map(|e| Some((e.epoch as f64, value(e)?))).collect()
    };
    let losses = Chart::new("loss", "Loss", "epoch", "loss", Scale::Log)
        .series(Series::new("training", of(&|e| Some(e.objective))));
    let validation = of(&|e| e.validation.map(|s| s.loss));
    if validation.is_empty() {
        return vec![losses];
    }
    let title = format!("{}{}", said.metric[..1].to_uppercase(), &said.metric[1..]);
    let metric = Chart::new("metric", title, "epoch", said.metric, Scale::Linear)
        .series(Series::new("validation", of(&|e| e.validation.map(|s| s.metric))));
    vec![losses.series(Series::new("validation", validation)), metric]
}

/// Ties of the first training samples, at the ends of epochs.
fn ties(watched: &Watched, setup: &Setup, seconds: f64, into: &mut Section) -> Result<(), Exit> {
    let problem = &setup.problem;
    let taken = problem.training.count().min(SAMPLES);
    let program = problem.model.objective(problem.loss, problem.standardize.is_some(), taken)?;
    let (x, y) = (problem.training.x.range(0..taken).to_tensor()?, problem.training.y.range(0..taken).to_tensor()?);
    let fixed = program.inputs().iter().map(|input| match (input.name.as_str(), &problem.standardize) {
        ("X", _) => Some(x.clone()),
        ("y", _) => Some(y.clone()),
        ("shift", Some((shift, _))) => Some(shift.clone()),
        ("scale", Some((_, scale))) => Some(scale.clone()),
        _ => None,
    });
    let point = filled(&program, fixed.collect());
    let of = (taken < problem.training.count()).then(|| {
        format!("at the ends of epochs, of the first {taken} of {} training samples", problem.training.count())
    });
    watched.ties(&program, point, patience(seconds)).tell(into, Some(of.as_deref().unwrap_or("at the ends of epochs")));
    Ok(())
}

/// Every setting, given or not.
fn settings(args: &TrainArgs, setup: &Setup) -> Vec<(String, String)> {
    let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| format!("{default} (default)"));
    let options = if args.options.is_empty() { "defaults".to_string() } else { args.options.join(", ") };
    let count = |data: Option<&clarke_train::Data>| data.map_or("none".to_string(), |d| d.count().to_string());
    let pairs = [
        ("model", setup.problem.model.text().to_string()),
        ("loss", setup.problem.loss.to_string()),
        ("method", args.method.clone()),
        ("options", options),
        ("step", or(&args.step, "the method's")),
        ("batch", if setup.batch == 0 { "all samples".into() } else { setup.batch.to_string() }),
        ("epochs at most", args.epochs.to_string()),
        ("patience", args.patience.map_or("none".into(), |p| words::plural(p as usize, "epoch"))),
        ("policy", or(&args.policy, "min-norm")),
        ("seed", args.seed.to_string()),
        ("standardized", if args.standardize { "yes" } else { "no" }.into()),
        ("training samples", count(Some(&setup.problem.training))),
        ("validation samples", count(setup.problem.validation.as_ref())),
        ("test samples", count(setup.test.as_ref())),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}
