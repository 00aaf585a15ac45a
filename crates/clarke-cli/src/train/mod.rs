//! `clarke train`: models trained on data, with validation, checkpoints and exact resumption.

pub mod report;
mod setup;

pub use setup::Setup;

use crate::output::{Format, OutFile, Target};
use crate::page::train::TrainPage;
use crate::progress::{Progress, interrupted};
use crate::report::{Exit, put, warn};
use clap::Args;
use clarke::Fault;
use clarke::optim::Status;
use clarke_train::{End, Pause, Session, Trained};
use report::TrainReport;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Train a linear model, a network or a program on data
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The data: *.csv, *.svm or *.libsvm (sparse text), *.npy, *.npz with the arrays X and y
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The targets: a column of a table, the file of an array, the name of an array in an archive
    #[arg(long, value_name = "NAME")]
    pub y: Option<String>,
    /// linear; mlp:64-32-10 (inputs, hidden units, outputs; 32m2 for maxout of 2 pieces); cnn:1x8x8-c8k3-p2-32-10 (channels x
    /// rows x columns, 8 channels by kernels of side 3, the largest of each 2 by 2, hidden units, outputs); or a program of one
    /// sample `x`, with its weights named by --over: 'W2 @ relu(W1 @ x + b1) + b2'
    #[arg(long, default_value = "linear", allow_hyphen_values = true)]
    pub model: String,
    /// A weight of a program with its shape: W1[32,64]
    #[arg(long, value_name = "NAME[SHAPE]")]
    pub over: Vec<String>,
    /// logistic, hinge (for classes); squared, l1, huber(delta), quantile(q) (for numbers). Unless given, logistic if the targets
    /// are at most 100 different whole numbers, else squared
    #[arg(long)]
    pub loss: Option<String>,
    /// Passes over the training samples
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub epochs: u64,
    /// How the loss is minimized: `clarke methods` lists the methods with their options
    #[arg(long, value_name = "NAME", default_value = "adam")]
    pub method: String,
    /// An option of the method: beta1=0.95, prox=l1(0.001)
    #[arg(long = "option", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub options: Vec<String>,
    /// The size of step k = 0, 1, …; short for --option step=RULE
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    pub step: Option<String>,
    /// Samples of a step (32 for methods that take batches); 0: all
    #[arg(long, value_name = "N")]
    pub batch: Option<u64>,
    /// Shift and scale every feature to mean 0 and standard deviation 1 over the training samples
    #[arg(long)]
    pub standardize: bool,
    /// The fraction of the samples that decides which weights are kept
    #[arg(long, value_name = "FRACTION", default_value_t = 0.1)]
    pub validation: f64,
    /// The fraction of the samples that is scored at the end only, or a file of such samples
    #[arg(long, value_name = "FRACTION or FILE")]
    pub test: Option<String>,
    /// End after so many epochs in which the validation loss has not improved
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: Option<u64>,
    /// The seed of weights, batches and the split
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
    /// What is picked at ties: min-norm (the default), pytorch, jax, tensorflow, step=0.5, random(7)
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Keep all that is needed to go on in this file, after each epoch and every --every seconds
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, if there is one: the result has the same bits as without the interruption
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
    /// Seconds between checkpoints inside of an epoch
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub every: f64,
    /// Data beyond so many megabytes lie in files, mapped into memory
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    pub memory: usize,
    /// Save the weights: *.json, or *.npz for numpy.load
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave a page behind that tells of the run, for a browser: *.html
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

impl TrainArgs {
    /// The file of `--test`, if that is no fraction.
    pub fn test_file(&self) -> Option<&Path> {
        self.test.as_deref().filter(|text| text.parse::<f64>().is_err()).map(Path::new)
    }
}

/// Where the run is kept, and how often.
struct Checkpoint {
    target: Option<Target>,
    every: Duration,
}

impl Checkpoint {
    fn save(&self, session: &Session<'_>) -> Result<(), Exit> {
        self.target.as_ref().map_or(Ok(()), |target| target.save(&session.save()))
    }
}

/// Reads, trains, saves and prints.
pub fn run(args: &TrainArgs) -> Result<(), Exit> {
    let weights = |path: &PathBuf| OutFile::weights(path);
    let out = args.out.as_ref().map(weights).transpose()?;
    let target = args.checkpoint.as_deref().map(|path| Target::check("--checkpoint", path)).transpose()?;
    if args.every.is_nan() || args.every < 0.0 {
        return Err(Exit::input(format!("--every {}: it is a number of seconds", args.every)));
    }
    let checkpoint = Checkpoint { target, every: Duration::try_from_secs_f64(args.every).unwrap_or(Duration::MAX) };
    let mut page = TrainPage::check(args)?;
    let setup = Setup::read(args)?;
    let clock = Instant::now();
    let session = session(args, &setup)?;
    let guarantee = session.guarantee(&setup.method);
    guarantee.violated.iter().for_each(warn);
    let resumed = session.epochs().len();
    if args.format == Format::Text {
        put(&report::head(args, &setup, &guarantee.text, resumed))?;
        for epoch in session.epochs() {
            put(&report::line(epoch, args.epochs))?;
        }
    }
    let (session, end) = train(args, session, &checkpoint, page.as_mut())?;
    let trained = session.finish();
    // Saved first: weights that a run has failed with may be too large to be scored.
    if let Some(out) = &out {
        out.save(&report::weights(&setup, &trained)?)?;
    }
    let report = TrainReport::new(args, &setup, &trained, end, guarantee.text, clock.elapsed().as_secs_f64())?;
    let failure = failure(args, &trained);
    if let Some(page) = page {
        page.save(args, &setup, &report, failure.as_ref())?;
    }
    match failure {
        Some(exit) => Err(exit),
        None => put(&report.print(args.format)?),
    }
}

/// A new session, or the one of the checkpoint.
fn session<'m>(args: &TrainArgs, setup: &'m Setup) -> Result<Session<'m>, Exit> {
    let (settings, batch) = (setup.settings.clone(), setup.batch as usize);
    let kept = match &args.checkpoint {
        Some(path) if path.exists() => Some(path),
        _ => None,
    };
    let Some(path) = kept else {
        return Ok(Session::start(&setup.problem, &setup.method, settings, batch)?);
    };
    let shown = path.display();
    if !args.resume {
        return Err(Exit::input(format!("{shown} has a run already"))
            .hint("--resume goes on from it; a new run needs another file"));
    }
    let bytes = std::fs::read(path).map_err(|e| Exit::input(format!("cannot read {shown}: {e}")))?;
    Session::resume(&setup.problem, &setup.method, settings, batch, &bytes).map_err(|error| match &*error.fault {
        Fault::Setting { setting: "the checkpoint", rule, .. } => refused(path, rule),
        _ => error.into(),
    })
}

fn refused(path: &Path, rule: &str) -> Exit {
    let (why, advice) = rule.split_once("; ").unwrap_or((rule, "the settings of its run are needed to go on from it"));
    Exit::input(format!("{} cannot be resumed: {why}", path.display())).hint(advice)
}

/// Trains until it is over or interrupted; checkpoints on the way.
fn train<'m>(
    args: &TrainArgs,
    mut session: Session<'m>,
    checkpoint: &Checkpoint,
    mut page: Option<&mut TrainPage>,
) -> Result<(Session<'m>, Option<End>), Exit> {
    let interrupted = interrupted()?;
    let progress = Progress::new(args.epochs * session.steps_per_epoch());
    let mut saved = Instant::now();
    page.iter_mut().for_each(|page| page.at(&session));
    let end = loop {
        let pause = AtomicBool::new(interrupted.load(Ordering::Relaxed));
        let mut watch = |event: clarke::optim::Event<'_>| {
            progress.at(event.step, event.best_value);
            let due = checkpoint.target.is_some() && saved.elapsed() >= checkpoint.every;
            pause.store(due || interrupted.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        let before = session.epochs().len();
        let paused = session.advance(args.epochs, &pause, &mut watch)?;
        if let (Format::Text, [.., epoch]) = (args.format, &session.epochs()[before..]) {
            progress.aside(|| put(&report::line(epoch, args.epochs)))?;
        }
        if session.epochs().len() > before {
            page.iter_mut().for_each(|page| page.at(&session));
        }
        match paused {
            Pause::Interrupted if interrupted.load(Ordering::Relaxed) => break None,
            Pause::Interrupted | Pause::Epoch => {}
            Pause::Ended(end) => break Some(end),
        }
        checkpoint.save(&session)?;
        saved = Instant::now();
    };
    progress.done();
    // What failed at a step would fail again: the checkpoint stays that of the last good epoch.
    if end != Some(End::Method(Status::Failed)) {
        checkpoint.save(&session)?;
    }
    Ok((session, end))
}

/// The error of a run that could not go on.
fn failure(args: &TrainArgs, trained: &Trained) -> Option<Exit> {
    let error = trained.outcome.failure.clone()?;
    let kept = match (&args.out, trained.epoch) {
        (Some(path), epoch) => format!("; the weights of epoch {epoch} are in {}", path.display()),
        (None, _) => String::new(),
    };
    let steps = clarke_show::words::plural(trained.outcome.steps as usize, "step");
    Some(
        Exit::from(error)
            .hint(format!("training stopped after {steps}{kept}"))
            .hint("smaller steps may help: --step 0.0001"),
    )
}
