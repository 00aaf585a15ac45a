//! What `clarke train` says.

use super::TrainArgs;
use super::setup::Setup;
use crate::minimize::guaranteed;
use crate::output::{Format, json};
use crate::report::Exit;
use clarke::Tensor;
use clarke_show::{Named, words};
use clarke_train::{Data, End, Epoch, Scorer, Scores, Trained};
use serde::Serialize;
use std::path::PathBuf;

/// What has become of a training. The JSON has these fields in this order.
#[derive(Debug, Clone, Serialize)]
pub struct TrainReport {
    /// Why it ended.
    pub status: String,
    /// The epoch whose weights are kept.
    pub epoch: u64,
    /// What is measured beside the loss.
    pub metric: &'static str,
    /// Scores of the kept weights on the training samples.
    pub training: Scores,
    /// On the validation samples.
    pub validation: Option<Scores>,
    /// On the test samples.
    pub test: Option<Scores>,
    /// The targets that classes 0, 1, … stand for.
    pub classes: Option<Vec<f64>>,
    /// All epochs.
    pub epochs: Vec<Epoch>,
    /// Steps made.
    pub steps: u64,
    /// How long this process took for it.
    pub seconds: f64,
    /// What the theory promises of this run.
    pub guarantee: String,
    /// Where they were saved.
    #[serde(skip)]
    pub saved: Option<PathBuf>,
}

impl TrainReport {
    /// Scores the kept weights.
    pub fn new(
        args: &TrainArgs,
        setup: &Setup,
        trained: &Trained,
        end: Option<End>,
        guarantee: String,
        seconds: f64,
    ) -> Result<TrainReport, Exit> {
        let problem = &setup.problem;
        let mut scorer = Scorer::new(problem);
        let mut scores = |data: &Data| scorer.scores(data, &trained.weights);
        let status = match end {
            None => "interrupted".to_string(),
            Some(End::Epochs) => "epochs".into(),
            Some(End::Early) => "early".into(),
            Some(End::Method(status)) => status.to_string(),
        };
        let saved = args.out.clone();
        let (validation, test) = (problem.validation.as_ref(), setup.test.as_ref());
        Ok(TrainReport {
            status,
            epoch: trained.epoch,
            metric: problem.loss.metric(),
            training: scores(&problem.training)?,
            validation: validation.map(&mut scores).transpose()?,
            test: test.map(&mut scores).transpose()?,
            classes: setup.classes.clone(),
            epochs: trained.epochs.clone(),
            steps: trained.outcome.steps,
            seconds,
            guarantee,
            saved,
        })
    }

    /// Samples, loss and metric of the weights kept, a row each.
    pub fn scores(&self) -> Vec<Vec<String>> {
        let all = [("training", Some(self.training)), ("validation", self.validation), ("test", self.test)];
        let row = |(samples, scores): (&str, Option<Scores>)| {
            let Scores { loss, metric } = scores?;
            Some(vec![samples.to_string(), format!("{loss:.6}"), format!("{metric:.4}")])
        };
        all.into_iter().filter_map(row).collect()
    }

    /// The report in the format asked for.
    pub fn print(&self, format: Format) -> Result<String, Exit> {
        match format {
            Format::Text => Ok(text(self)),
            Format::Json => json(self),
        }
    }
}

/// The weights kept by name; with standardized features also what was subtracted and multiplied.
pub fn weights(setup: &Setup, trained: &Trained) -> Result<Named, Exit> {
    let (mut all, mut rest) = (vec![], &trained.weights[..]);
    for parameter in setup.problem.model.parameters() {
        let (own, others) = rest.split_at(parameter.shape.iter().product());
        all.push((parameter.name, Tensor::new(&parameter.shape, own.to_vec())?));
        rest = others;
    }
    if let Some((shift, scale)) = &setup.problem.standardize {
        all.extend([("shift".into(), shift.clone()), ("scale".into(), scale.clone())]);
    }
    Ok(Named(all))
}

/// What is said before training: data, model, method, and the head of the table of epochs.
pub fn head(args: &TrainArgs, setup: &Setup, guarantee: &str, resumed: usize) -> String {
    let problem = &setup.problem;
    let classes = setup.classes.as_ref().map_or(String::new(), |c| format!(", {} classes", c.len()));
    let features = words::plural(problem.model.features(), "feature");
    let mut out = words::hanging("train ", &args.data.display().to_string()) + "\n";
    let mut fact = |name: &str, text: String| out += &words::hanging(&format!("{name:<12}"), &text);
    fact("data", format!("{}, {features}{classes}", words::plural(setup.count, "sample")));
    fact("split", split(args, setup));
    let weights: usize = problem.model.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum();
    fact("model", format!("{}, {}", problem.model.text(), words::plural(weights, "weight")));
    fact("loss", problem.loss.to_string());
    let batch = if setup.batch == 0 { "all samples a step".into() } else { format!("{} samples a step", setup.batch) };
    fact("method", format!("{}, {batch}", args.method));
    out += "\n";
    out += &guaranteed(guarantee);
    if resumed > 0 {
        out += &words::paragraph(&format!("Resumed after {}.", words::plural(resumed, "epoch")), 0);
    }
    let validation = problem
        .validation
        .as_ref()
        .map_or(String::new(), |_| format!("{:>17}{:>15}", "validation loss", problem.loss.metric()));
    out + &format!("\n{:>9}{:>14}{validation}\n", "epoch", "objective")
}

fn split(args: &TrainArgs, setup: &Setup) -> String {
    let mut parts = vec![format!("{} to train on", setup.problem.training.count())];
    parts.extend(setup.problem.validation.as_ref().map(|d| format!("{} for validation", d.count())));
    parts.extend(setup.test.as_ref().map(|d| format!("{} for the test", d.count())));
    let how = match setup.drawn {
        true => format!("drawn at random, seed {}", args.seed),
        false => "the last ones, since the data lie in a file".into(),
    };
    if parts.len() > 1 { format!("{} ({how})", parts.join(", ")) } else { parts.join(", ") }
}

/// The line of an epoch.
pub fn line(epoch: &Epoch, epochs: u64) -> String {
    let width = epochs.to_string().len();
    let validation = epoch.validation.map_or(String::new(), |s| format!("{:>17.6}{:>15.4}", s.loss, s.metric));
    let number = format!("{:>width$}/{epochs}", epoch.epoch);
    format!("{number:>9}{:>14.6}{validation}\n", epoch.objective)
}

/// What is said at the end.
fn text(report: &TrainReport) -> String {
    let end = match report.status.as_str() {
        "epochs" => "all epochs made".to_string(),
        "early" => "early: the validation loss has not improved any more".into(),
        "interrupted" => "interrupted".into(),
        other => format!("the method has ended: {other}"),
    };
    let mut out = format!("\nended       {end}\n");
    out += &format!("steps       {} in {:.2} s\n", report.steps, report.seconds);
    let why = if report.validation.is_some() { ", of the least validation loss" } else { "" };
    out += &format!("kept        the weights of epoch {}{why}\n\n", report.epoch);
    out += &words::align(&["samples", "loss", report.metric], &report.scores());
    if let Some(path) = &report.saved {
        out += &format!("\nsaved to {}\n", path.display());
    }
    out
}
