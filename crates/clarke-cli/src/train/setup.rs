//! What the options of `clarke train` say, read and checked: data, model, loss, method.

use super::TrainArgs;
use crate::bind::{Bindings, variables};
use crate::dataset::{self, Targets};
use crate::methods::{self, policy};
use crate::report::{Exit, warn};
use clarke::Samples;
use clarke::optim::AnyMethod;
use clarke_show::words::plural;
use clarke_train::{Data, Loss, Model, Network, Problem, ProgramModel, Settings};
use std::path::Path;

/// A training, read and checked.
pub struct Setup {
    /// What is trained on what.
    pub problem: Problem,
    /// Samples for the end only.
    pub test: Option<Data>,
    /// The method.
    pub method: AnyMethod,
    /// Samples of a step; 0: all.
    pub batch: u64,
    /// What a checkpoint is recognized by.
    pub settings: Settings,
    /// The targets that classes 0, 1, … stand for.
    pub classes: Option<Vec<f64>>,
    /// How samples were chosen for validation and test.
    pub drawn: bool,
    /// How many samples the file has.
    pub count: usize,
}

/// The most different targets that are taken for classes.
const CLASSES: usize = 100;

impl Setup {
    /// Reads and checks.
    pub fn read(args: &TrainArgs) -> Result<Setup, Exit> {
        let features = Network::read(&args.model).ok().map(|network| network.inputs());
        let targets = Targets { name: args.y.as_deref(), features, limit: dataset::limit(args.memory) };
        let set = dataset::read(&args.data, &targets)?;
        let fingerprint = set.data.fingerprint();
        let (loss, classes) = loss(args, &set.data)?;
        let mut data = set.data;
        if let Some(classes) = &classes {
            data.y = indices(&data, classes, &args.data)?;
        }
        let count = data.count();
        let model = model(args, &data, loss, classes.as_deref())?;
        let (training, validation, mut test) = split(args, &data, !set.mapped)?;
        if let Some(file) = args.test_file() {
            test = Some(test_file(file, &targets, &model, classes.as_deref())?);
        }
        let policy = policy(args.policy.as_deref(), args.seed, || model.objective(loss, false, 1))?;
        let standardize = args.standardize.then(|| training.standardization());
        let (method, batch, options) = method(args)?;
        let setting = |name: &str, value: String| (name.to_string(), value);
        let named = vec![
            setting("the model", model.text().to_string() + &args.over.join(" ")),
            setting("the loss", loss.to_string()),
            setting("the method", args.method.clone()),
            setting("its options", options.join(" ")),
            setting("the policy", policy.to_string()),
            setting("standardizing", args.standardize.to_string()),
            setting("the validation fraction", args.validation.to_string()),
            setting("the test", args.test.clone().unwrap_or_else(|| "none".into())),
            setting("what is known of the data", format!("{fingerprint:016x}")),
        ];
        let settings = Settings { named, patience: args.patience, seed: args.seed };
        let problem = Problem { model, loss, standardize, training, validation, policy };
        Ok(Setup { problem, test, method, batch, settings, classes, drawn: !set.mapped, count })
    }
}

/// The loss, and the targets that are its classes.
fn loss(args: &TrainArgs, data: &Data) -> Result<(Loss, Option<Vec<f64>>), Exit> {
    let given = args.loss.as_ref().map(|text| text.parse::<Loss>()).transpose()?;
    if given.is_some_and(|loss| !loss.classifies()) {
        return Ok((given.unwrap_or(Loss::Squared), None));
    }
    let mut distinct = data.targets();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    let broken = distinct.iter().find(|y| y.fract() != 0.0);
    match (given, broken) {
        (Some(loss), Some(y)) => Err(Exit::input(format!("the loss {loss} is for classes, and there is a target {y}"))
            .hint("classes are whole numbers; for numbers there are squared, l1, huber(delta), quantile(q)")),
        (Some(loss), None) if distinct.len() < 2 || distinct.len() > 1 << 16 => {
            let count = plural(distinct.len(), "different target");
            Err(Exit::input(format!("the loss {loss} is for classes, and there is {count}")))
        }
        (None, None) if (2..=CLASSES).contains(&distinct.len()) => Ok((Loss::Logistic, Some(distinct))),
        (None, _) => Ok((Loss::Squared, None)),
        (Some(loss), None) => Ok((loss, Some(distinct))),
    }
}

/// The targets as classes 0, 1, ….
fn indices(data: &Data, classes: &[f64], file: &Path) -> Result<Samples, Exit> {
    let class = |(row, y): (usize, f64)| {
        let at = classes.binary_search_by(|c| c.total_cmp(&y));
        at.map(|k| k as f64).map_err(|_| {
            Exit::input(format!("{}, sample {}: the target {y} is none of the classes", file.display(), row + 1))
        })
    };
    let all = data.targets().into_iter().enumerate().map(class).collect::<Result<Vec<f64>, Exit>>()?;
    Ok(Samples::new(&[all.len()], all)?)
}

fn model(args: &TrainArgs, data: &Data, loss: Loss, classes: Option<&[f64]>) -> Result<Model, Exit> {
    let (features, wanted) = (data.features(), classes.map_or(1, <[f64]>::len));
    let text = args.model.trim();
    let is_network = text.starts_with("mlp:") || text.starts_with("cnn:");
    let model = if text == "linear" {
        // Two classes need one output.
        Model::Network(Network::linear(features, if wanted == 2 { 1 } else { wanted }))
    } else if is_network {
        Model::Network(Network::read(text)?)
    } else {
        let weights = variables(&args.over, &[], &Bindings::default())?.0;
        let weights: Vec<(String, Vec<usize>)> = weights.into_iter().map(|v| (v.name, v.shape)).collect();
        Model::Program(ProgramModel::read(text, features, &weights)?)
    };
    if (text == "linear" || is_network) && !args.over.is_empty() {
        return Err(Exit::input("--over names weights of a program, and this model has its own"));
    }
    if model.features() != features {
        return Err(Exit::input(format!(
            "the model takes {}, and the data have {features}",
            plural(model.features(), "feature")
        ))
        .hint("the first number of mlp: is that of the features, all columns but the target's"));
    }
    let outputs = model.outputs();
    if outputs != wanted && !(wanted == 2 && outputs == 1) {
        let needs = match classes {
            Some(_) => format!("there are {wanted} classes"),
            None => format!("the loss {loss} takes one"),
        };
        return Err(Exit::input(format!("the model gives {}, and {needs}", plural(outputs, "output"))));
    }
    Ok(model)
}

/// Training, validation and test samples.
fn split(args: &TrainArgs, data: &Data, draw: bool) -> Result<(Data, Option<Data>, Option<Data>), Exit> {
    let size = |option: &str, fraction: f64| match fraction {
        0.0 => Ok(0),
        part if part > 0.0 && part < 1.0 => Ok(((data.count() as f64 * part).round() as usize).max(1)),
        _ => Err(Exit::input(format!("{option} {fraction}: it is a fraction of the samples, from 0 to below 1"))),
    };
    let test = args.test.as_deref().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let sizes = [size("--validation", args.validation)?, size("--test", test)?];
    let (training, parts) = data.split(&sizes, draw.then_some(args.seed))?;
    let mut parts = parts.into_iter().map(|part| (part.count() > 0).then_some(part));
    Ok((training, parts.next().flatten(), parts.next().flatten()))
}

fn test_file(path: &Path, targets: &Targets<'_>, model: &Model, classes: Option<&[f64]>) -> Result<Data, Exit> {
    let targets = Targets { features: Some(model.features()), ..*targets };
    let mut data = dataset::read(path, &targets)?.data;
    if data.features() != model.features() {
        let (has, takes) = (plural(data.features(), "feature"), model.features());
        return Err(Exit::input(format!("--test {}: it has {has}, and the model takes {takes}", path.display())));
    }
    if let Some(classes) = classes {
        data.y = indices(&data, classes, path)?;
    }
    Ok(data)
}

/// The method, the samples of a step, and the options as they were given.
fn method(args: &TrainArgs) -> Result<(AnyMethod, u64, Vec<String>), Exit> {
    let entry = clarke::optim::entry(&args.method)?;
    let takes_batches = entry.parameters().any(|p| p.name == "batch");
    let given = args.options.iter().find_map(|o| o.split_once('=').filter(|(name, _)| name.trim() == "batch"));
    let mut options = args.options.clone();
    let batch = match (args.batch, given) {
        (Some(_), Some(_)) => return Err(Exit::input("the batch is given twice: by --batch and by --option batch=…")),
        (None, Some((_, text))) => text.trim().parse().unwrap_or(0),
        (Some(0), _) if !takes_batches => 0,
        (Some(_), _) if !takes_batches => {
            return Err(Exit::input(format!(
                "the method {} takes no batches: each step uses all samples",
                args.method
            )));
        }
        (None, None) if !takes_batches => 0,
        (batch, None) => {
            let batch = batch.unwrap_or(32);
            options.push(format!("batch={batch}"));
            batch
        }
    };
    if !takes_batches && args.epochs < 10 {
        warn(format!("an epoch of {} is one step", args.method));
    }
    let method = methods::build(entry, &options, args.step.as_deref(), args.seed)?;
    options.extend(args.step.as_ref().map(|rule| format!("step={rule}")));
    Ok((method, batch, options))
}
