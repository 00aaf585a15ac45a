//! Samples with targets, and what a model scores on them.

use crate::spec::pieces;
use crate::{Loss, Model, Problem};
use clarke::{Compiled, Convention, Fault, Result, Samples, Tensor, Workspace};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Samples with targets.
#[derive(Debug, Clone)]
pub struct Data {
    /// Features, of shape `[samples, features]`.
    pub x: Samples,
    /// Targets, of shape `[samples]`.
    pub y: Samples,
}

impl Data {
    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.x.count()
    }

    /// How many features a sample has.
    pub fn features(&self) -> usize {
        self.x.shape()[1..].iter().product()
    }

    /// The targets.
    pub fn targets(&self) -> Vec<f64> {
        let mut all = vec![];
        self.y.write(&(0..self.count()).collect::<Vec<_>>(), &mut all);
        all
    }

    /// Copies of some samples.
    fn copied(&self, of: &[usize]) -> Result<Data> {
        let (mut x, mut y) = (vec![], vec![]);
        self.x.write(of, &mut x);
        self.y.write(of, &mut y);
        Ok(Data { x: Samples::new(&[of.len(), self.features()], x)?, y: Samples::new(&[of.len()], y)? })
    }

    /// Parts of these sizes, and what is left: first the last part's samples are chosen.
    ///
    /// With a seed the samples of each part are drawn at random, and copied in their order; without one they are the last
    /// ones as they lie, and nothing is copied. Errors: the parts leave nothing.
    pub fn split(&self, sizes: &[usize], seed: Option<u64>) -> Result<(Data, Vec<Data>)> {
        let (n, taken) = (self.count(), sizes.iter().sum::<usize>());
        if taken >= n {
            let rule = format!("there are {n} samples, and some must be left to train on");
            return Err(Fault::Setting { setting: "the split", given: format!("{taken} samples"), rule }.into());
        }
        let mut drawn = seed.map(|seed| permutation(n, seed));
        let mut part = |from: usize, to: usize| match &mut drawn {
            Some(order) => {
                let of = &mut order[from..to];
                of.sort_unstable();
                self.copied(of)
            }
            None => Ok(Data { x: self.x.range(from..to), y: self.y.range(from..to) }),
        };
        let mut end = n;
        let mut parts = vec![];
        for size in sizes.iter().rev() {
            parts.push(part(end - size, end)?);
            end -= size;
        }
        parts.reverse();
        Ok((part(0, end)?, parts))
    }

    /// Mean and 1/deviation of each feature, so that (x − shift) · scale has mean 0 and population standard deviation 1; the
    /// scale of features that are constant is 1. One pass over the samples (Welford's).
    pub fn standardization(&self) -> (Tensor, Tensor) {
        let d = self.features();
        let (mut mean, mut squares, mut row) = (vec![0.0; d], vec![0.0; d], vec![]);
        for i in 0..self.count() {
            self.x.write(&[i], &mut row);
            for (j, x) in row.iter().enumerate() {
                let apart = x - mean[j];
                mean[j] += apart / (i + 1) as f64;
                squares[j] += apart * (x - mean[j]);
            }
        }
        let scale = |s: &f64| {
            let deviation = (s / self.count() as f64).sqrt();
            if deviation > 0.0 { 1.0 / deviation } else { 1.0 }
        };
        let scale: Vec<f64> = squares.iter().map(scale).collect();
        (Tensor::vector(mean), Tensor::vector(scale))
    }

    /// A number that depends on the sizes and on up to 1000 samples, first and last among them: data that are not the same
    /// hardly share it (FNV-1a).
    pub fn fingerprint(&self) -> u64 {
        let n = self.count();
        let few = n.min(1000);
        let rows: Vec<usize> = (0..few).map(|k| if few > 1 { k * (n - 1) / (few - 1) } else { 0 }).collect();
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut take =
            |bits: u64| bits.to_le_bytes().iter().for_each(|b| hash = (hash ^ *b as u64).wrapping_mul(0x100_0000_01b3));
        take(n as u64);
        take(self.features() as u64);
        let mut numbers = vec![];
        for samples in [&self.x, &self.y] {
            samples.write(&rows, &mut numbers);
            numbers.iter().for_each(|x| take(x.to_bits()));
        }
        hash
    }
}

/// The numbers below n in a random order.
fn permutation(n: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Another stream than that of first weights.
    random.set_stream(2);
    let mut order: Vec<usize> = (0..n).collect();
    (1..n).rev().for_each(|k| order.swap(k, random.random_range(0..=k as u64) as usize));
    order
}

/// What a model scores on samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The mean loss, without a regularizer of the method.
    pub loss: f64,
    /// The mean of [`Loss::metric`].
    pub metric: f64,
}

/// How many samples are scored at once.
const BLOCK: usize = 256;

/// Computes scores of weights: a program for blocks, and one for what is left.
pub struct Scorer {
    model: Model,
    loss: Loss,
    /// What standardizes the features; nothing where they are not.
    shared: Vec<Vec<f64>>,
    lengths: Vec<usize>,
    /// By the size of a block.
    programs: Vec<(usize, Compiled<f64>, Workspace<f64>)>,
}

impl Scorer {
    /// For the model and loss of a problem.
    pub fn new(problem: &Problem) -> Scorer {
        let shared = match &problem.standardize {
            Some((shift, scale)) => vec![shift.data().to_vec(), scale.data().to_vec()],
            None => vec![],
        };
        let lengths = problem.model.parameters().iter().map(|p| p.shape.iter().product()).collect();
        Scorer { model: problem.model.clone(), loss: problem.loss, shared, lengths, programs: vec![] }
    }

    /// The scores of weights, all arrays one after another.
    ///
    /// Errors: those of [`Model::program`]; outputs that are not finite.
    pub fn scores(&mut self, data: &Data, weights: &[f64]) -> Result<Scores> {
        let (mut total, mut metric) = (0.0, 0.0);
        let (mut x, mut y, mut rows) = (vec![], vec![], vec![]);
        let (n, k) = (data.count(), self.model.outputs());
        for start in (0..n).step_by(BLOCK) {
            let size = BLOCK.min(n - start);
            rows.clear();
            rows.extend(start..start + size);
            data.x.write(&rows, &mut x);
            data.y.write(&rows, &mut y);
            let mut loss = [0.0];
            let mut outputs = vec![0.0; size * k];
            self.run(size, weights, &x, &y, &mut outputs, &mut loss)?;
            total += size as f64 * loss[0];
            let measured = outputs.chunks_exact(k).zip(&y).map(|(s, y)| self.loss.measure(s, *y));
            metric += measured.sum::<f64>();
        }
        Ok(Scores { loss: total / n as f64, metric: metric / n as f64 })
    }

    fn run(
        &mut self,
        size: usize,
        weights: &[f64],
        x: &[f64],
        y: &[f64],
        s: &mut [f64],
        loss: &mut [f64],
    ) -> Result<()> {
        let at = match self.programs.iter().position(|(own, ..)| *own == size) {
            Some(at) => at,
            None => {
                let program = self.model.scored(self.loss, !self.shared.is_empty(), size)?;
                let compiled = program.compile::<f64>(Convention::MinNorm);
                let workspace = compiled.workspace();
                self.programs.push((size, compiled, workspace));
                self.programs.len() - 1
            }
        };
        let (_, compiled, workspace) = &mut self.programs[at];
        let mut inputs = pieces(&self.lengths, weights);
        inputs.push(x);
        inputs.extend(self.shared.iter().map(Vec::as_slice));
        inputs.push(y);
        compiled.run(workspace, &inputs, &mut [&mut *s, &mut *loss]);
        let advice = "training has diverged; smaller steps may help";
        let (op, argument) = ("the model".to_string(), vec![]);
        match s.iter().chain(loss.iter()).find(|v| !v.is_finite()) {
            Some(&value) => Err(Fault::NotFinite { op, value, argument, index: vec![], advice }.into()),
            None => Ok(()),
        }
    }
}
