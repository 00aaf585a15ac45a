//! Training: epochs of a method, scores after each, an early end, and all of it as bytes to go on from.

use crate::{Data, Loss, Model, Scorer, Scores};
use clarke::optim::{AnyMethod, Convex, Event, Facts, Guarantee, Method, Oracle, Outcome, Run, Running, Status};
use clarke::{Fault, FiniteSum, Policy, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

/// What is trained, on what.
pub struct Problem {
    /// The model.
    pub model: Model,
    /// The loss.
    pub loss: Loss,
    /// What is subtracted from the features, and what they are multiplied by then, if they are standardized.
    pub standardize: Option<(Tensor, Tensor)>,
    /// Samples that gradients are taken of.
    pub training: Data,
    /// Samples that decide when training ends, and which weights are kept.
    pub validation: Option<Data>,
    /// What is picked at ties.
    pub policy: Policy,
}

/// Everything that the weights at the end depend on, besides the number of epochs: what is saved says which run it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Names and values, in order.
    pub named: Vec<(String, String)>,
    /// Epochs without a better validation loss after which training ends.
    pub patience: Option<u64>,
    /// The seed of the first weights.
    pub seed: u64,
}

/// One pass over the training samples (or one step, for methods that use all samples at each), and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1 on.
    pub epoch: u64,
    /// Steps made until its end.
    pub steps: u64,
    /// The objective over all training samples at its end, with the method's regularizer.
    pub objective: f64,
    /// Scores on the validation samples.
    pub validation: Option<Scores>,
}

/// Why [`Session::advance`] returned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pause {
    /// An epoch has ended.
    Epoch,
    /// The flag was raised.
    Interrupted,
    /// Training is over.
    Ended(End),
}

/// Why training is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All epochs were made.
    Epochs,
    /// The validation loss (or without validation samples the objective) has not improved for `patience` epochs.
    Early,
    /// The method has ended.
    Method(Status),
}

/// A training under way.
pub struct Session<'m> {
    settings: Settings,
    /// The objective of the training samples, said to be convex if the model is linear.
    objective: Box<dyn Oracle + Send>,
    running: Running<'m, AnyMethod>,
    validation: Option<(Data, Scorer)>,
    record: Record,
    /// How many steps an epoch has.
    steps: u64,
}

/// What is kept beside the run.
#[derive(Serialize, Deserialize)]
struct Record {
    epochs: Vec<Epoch>,
    best: Option<Best>,
}

/// The weights of the best epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Best {
    epoch: u64,
    loss: f64,
    weights: Vec<f64>,
}

/// What training has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The weights that are kept: those of the epoch with the least validation loss, without validation samples the last.
    pub weights: Vec<f64>,
    /// The epoch that they are of; 0 for the start.
    pub epoch: u64,
    /// All epochs.
    pub epochs: Vec<Epoch>,
    /// What the method's run has come to.
    pub outcome: Outcome,
}

/// The first line of what is saved.
const MAGIC: &[u8] = b"clarke checkpoint 1\n";

/// What damage is known by.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

impl<'m> Session<'m> {
    /// Training from random weights.
    ///
    /// Errors: data that do not fit the model, or are not finite; those of the method at the start.
    pub fn start(problem: &Problem, method: &'m AnyMethod, settings: Settings, batch: usize) -> Result<Session<'m>> {
        let mut objective = objective(problem)?;
        let start = problem.model.start(settings.seed);
        let running = Running::start(method, &mut *objective, &start)?;
        let record = Record { epochs: vec![], best: None };
        Ok(Session::of(problem, settings, objective, running, record, batch))
    }

    /// Training from where [`save`](Session::save) was called, with the same bits.
    ///
    /// Errors: as [`start`](Session::start); bytes that were not saved by it, or are damaged; other settings than those
    /// saved, which the error names.
    pub fn resume(
        problem: &Problem,
        method: &'m AnyMethod,
        settings: Settings,
        batch: usize,
        bytes: &[u8],
    ) -> Result<Session<'m>> {
        let refuse = |why: &str| -> clarke::Error {
            let rule = format!("{why}; it is made by training, and read by the same version with the same settings");
            Fault::Setting { setting: "the checkpoint", given: "its content".into(), rule }.into()
        };
        let body = bytes.strip_prefix(MAGIC).ok_or_else(|| refuse("it is no checkpoint"))?;
        let saved: (Settings, Record, Vec<u8>) =
            postcard::from_bytes_crc32(body, CRC.digest()).map_err(|_| refuse("it is damaged, or was cut short"))?;
        let (saved, record, run) = saved;
        if let Some((name, theirs, ours)) = difference(&saved, &settings) {
            let rule = format!("it is of another run: {name} is {theirs} there, and {ours} here");
            return Err(Fault::Setting { setting: "the checkpoint", given: "its content".into(), rule }.into());
        }
        let objective = objective(problem)?;
        let running = Running::load(method, &run).ok_or_else(|| refuse("its run is not one of this method"))?;
        Ok(Session::of(problem, settings, objective, running, record, batch))
    }

    fn of(
        problem: &Problem,
        settings: Settings,
        objective: Box<dyn Oracle + Send>,
        running: Running<'m, AnyMethod>,
        record: Record,
        batch: usize,
    ) -> Session<'m> {
        let validation = problem.validation.as_ref().map(|data| (data.clone(), Scorer::new(problem)));
        let steps = if batch == 0 { 1 } else { problem.training.count().div_ceil(batch) as u64 };
        Session { settings, objective, running, validation, record, steps }
    }

    /// All that is needed to go on, as bytes: in the middle of an epoch too.
    pub fn save(&self) -> Vec<u8> {
        let body = (&self.settings, &self.record, self.running.save());
        let body = postcard::to_stdvec_crc32(&body, CRC.digest()).expect("numbers and lists have a form in bytes");
        [MAGIC, &body].concat()
    }

    /// The epochs made.
    pub fn epochs(&self) -> &[Epoch] {
        &self.record.epochs
    }

    /// The current weights, all arrays one after another.
    pub fn weights(&self) -> &[f64] {
        self.running.current().0
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.running.steps()
    }

    /// How many steps an epoch has.
    pub fn steps_per_epoch(&self) -> u64 {
        self.steps
    }

    /// What the theory gives for this run.
    pub fn guarantee(&self, method: &AnyMethod) -> Guarantee {
        method.guarantee(Facts::of(&*self.objective))
    }

    /// Goes on to the end of the epoch, or until the flag is raised; `epochs` is how many there are to be in all.
    ///
    /// Errors: the model cannot be evaluated on the validation samples. What goes wrong in a step ends training with
    /// [`Status::Failed`]: the outcome says why.
    pub fn advance(&mut self, epochs: u64, flag: &AtomicBool, watch: &mut dyn FnMut(Event<'_>)) -> Result<Pause> {
        let made = self.record.epochs.len() as u64;
        if self.patience_is_over() {
            return Ok(Pause::Ended(End::Early));
        }
        if made >= epochs {
            return Ok(Pause::Ended(End::Epochs));
        }
        let target = (made + 1) * self.steps;
        let run = Run { steps: target, interrupted: flag, watch };
        let status = self.running.advance(&mut *self.objective, run);
        match status {
            Status::Interrupted => return Ok(Pause::Interrupted),
            Status::Failed => return Ok(Pause::Ended(End::Method(status))),
            _ => {}
        }
        let (x, objective) = self.running.current();
        let validation = match &mut self.validation {
            Some((data, scorer)) => Some(scorer.scores(data, x)?),
            None => None,
        };
        let epoch = Epoch { epoch: made + 1, steps: self.running.steps(), objective, validation };
        let loss = validation.map_or(objective, |scores| scores.loss);
        if self.record.best.as_ref().is_none_or(|best| loss < best.loss) {
            self.record.best = Some(Best { epoch: epoch.epoch, loss, weights: x.to_vec() });
        }
        self.record.epochs.push(epoch);
        match status {
            Status::Steps => Ok(Pause::Epoch),
            ended => Ok(Pause::Ended(End::Method(ended))),
        }
    }

    fn patience_is_over(&self) -> bool {
        match (&self.record.best, self.settings.patience) {
            (Some(best), Some(patience)) => self.record.epochs.len() as u64 >= best.epoch + patience,
            _ => false,
        }
    }

    /// Ends training.
    pub fn finish(mut self) -> Trained {
        let outcome = self.running.finish(&mut *self.objective);
        let Record { epochs, best } = self.record;
        let (epoch, weights) = match best {
            // A run that failed keeps its best epoch too.
            Some(best) if self.validation.is_some() || outcome.status == Status::Failed => (best.epoch, best.weights),
            _ if outcome.status == Status::Failed => (0, outcome.best.clone()),
            _ => (epochs.len() as u64, outcome.last.clone()),
        };
        Trained { weights, epoch, epochs, outcome }
    }
}

/// The mean loss over the training samples.
fn objective(problem: &Problem) -> Result<Box<dyn Oracle + Send>> {
    let Problem { model, loss, standardize, training, policy, .. } = problem;
    let samples = [("X", training.x.clone()), ("y", training.y.clone())];
    let shared: Vec<(&str, Tensor)> = match standardize {
        Some((shift, scale)) => vec![("shift", shift.clone()), ("scale", scale.clone())],
        None => vec![],
    };
    let (of, loss, with) = (model.clone(), *loss, standardize.is_some());
    let program = move |batch: usize| of.objective(loss, with, batch);
    let sum = FiniteSum::of_batches(program, &samples, &shared, policy.clone())?;
    Ok(if model.is_affine() { Box::new(Convex(sum)) } else { Box::new(sum) })
}

/// The first setting that differs, with both values.
fn difference(saved: &Settings, now: &Settings) -> Option<(String, String, String)> {
    let all = |s: &Settings| {
        let patience = s.patience.map_or("none".to_string(), |p| p.to_string());
        let more = [("patience".to_string(), patience), ("the seed".to_string(), s.seed.to_string())];
        s.named.iter().cloned().chain(more).collect::<Vec<_>>()
    };
    let (theirs, ours) = (all(saved), all(now));
    let absent = || (String::new(), "absent".to_string());
    (0..theirs.len().max(ours.len())).find_map(|k| {
        let (a, b) = (theirs.get(k).cloned().unwrap_or_else(absent), ours.get(k).cloned().unwrap_or_else(absent));
        (a != b).then(|| (if b.0.is_empty() { a.0.clone() } else { b.0.clone() }, a.1, b.1))
    })
}
