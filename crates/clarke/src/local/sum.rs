//! Means of a loss over samples: values and gradients of batches and of the whole, for methods.

use super::evaluator::{Engine, Views, check_data};
use super::{Policy, Samples};
use crate::error::{Fault, Result};
use crate::program::{Builder, Program, Var};
use crate::run::unbound;
use crate::tensor::{Tensor, size};

/// The mean f(θ) = (1/n) Σ ℓ(θ, sample_i) of a loss over samples, with a gradient under a policy: a sum of n terms for
/// methods that take batches.
///
/// The loss over a batch is one compiled program, for each size of batch that comes up. The whole mean is computed in blocks
/// of consecutive samples, which are read where they lie, so that memory does not grow with n; a batch of consecutive samples
/// is read so too, and others are gathered first. Means of blocks are added in order, in groups of 64, and so are groups:
/// results are the same on every run, and for any number of threads (see [`FiniteSum::with_threads`]).
/// Evaluating allocates nothing after the first batch of a size, as long as no tie makes the slow analysis look.
///
/// ```
/// use clarke::{FiniteSum, Policy, Samples, Tensor};
/// use clarke::optim::Oracle;
///
/// let loss = clarke::parse("abs(w @ x - y)", &[("w", &[2]), ("x", &[2]), ("y", &[])])?.varying(&["w"])?;
/// let x = Samples::new(&[3, 2], vec![1.0, 2.0, 0.0, 1.0, 2.0, -1.0])?;
/// let y = Samples::new(&[3], vec![1.0, 3.0, 2.0])?;
/// let mut sum = FiniteSum::new(&loss, &[("x", x), ("y", y)], &[], Policy::default())?;
///
/// let mut gradient = [0.0; 2];
/// let value = sum.value_and_gradient(&[1.0, 1.0], &mut gradient)?;
/// assert_eq!(value, (2.0 + 2.0 + 1.0) / 3.0);
/// assert_eq!(sum.batch(&[1], &[1.0, 1.0], &mut gradient)?, 2.0);
/// assert_eq!(gradient, [0.0, -1.0]);
/// # Ok::<(), clarke::Error>(())
/// ```
pub struct FiniteSum {
    /// The mean of the loss over a batch of some size, as a program.
    program: Box<dyn Fn(usize) -> Result<Program> + Send + Sync>,
    policy: Policy,
    /// Where each input of the program comes from.
    sources: Vec<Source>,
    samples: Vec<Samples>,
    count: usize,
    /// How many samples are evaluated at once, at most.
    block: usize,
    /// One for each thread.
    workers: Vec<Worker>,
    /// How many threads share in large kernels of a block: one where threads have blocks of their own.
    inside: usize,
}

/// What a thread evaluates blocks with.
struct Worker {
    /// A compiled program for each size of block that came up.
    engines: Vec<(usize, Engine)>,
    /// Rows of a batch that are not read where they lie, for each of the samples' arrays.
    gathered: Vec<Vec<f64>>,
    /// Which rows, where the batch does not name them.
    places: Vec<usize>,
    /// The gradient of a block, and the sum over a group of blocks.
    part: Vec<f64>,
    sum: Vec<f64>,
    /// The sum of the values of a group.
    value: Result<f64>,
    views: Views,
}

enum Source {
    /// Numbers of the variables, from here on, this many.
    Variable(usize, usize),
    Shared(Tensor),
    Samples(usize),
}

/// Numbers of a block's inputs that should stay in the caches.
const BLOCK: usize = 1 << 14;
/// So many blocks are added up before their sum is added to those before: what a thread does at a time.
const GROUP: usize = 64;

impl FiniteSum {
    /// The mean of a loss of one sample: a scalar program with variables, inputs of the samples, and inputs that all share.
    ///
    /// Errors: an input without data, data without input, a shape (an array of samples has the input's shape after its first
    /// axis), arrays of different numbers of samples or of none, numbers that are not finite; what [`Program::batch`] and
    /// [`Evaluator::new`](super::Evaluator::new) refuse.
    pub fn new(
        loss: &Program,
        samples: &[(&str, Samples)],
        shared: &[(&str, Tensor)],
        policy: Policy,
    ) -> Result<FiniteSum> {
        if let [output] = loss.output_shapes()[..]
            && output.is_empty()
        {
            let mapped: Vec<bool> =
                loss.inputs().iter().map(|i| samples.iter().any(|(name, _)| *name == i.name)).collect();
            let loss = loss.clone();
            let program = move |size| mean(&loss.batch(&mapped, size)?);
            return FiniteSum::of_batches(program, samples, shared, policy);
        }
        let shapes = loss.output_shapes().iter().map(|s| s.to_vec()).collect();
        Err(Fault::NotScalar { what: "a sum over samples", shapes }.into())
    }

    /// The mean of a loss that is written over batches: `program` makes, for each size of batch, the program of the mean over
    /// a batch, in which inputs of the samples have an axis of that size first.
    ///
    /// It must be the mean of one loss for all sizes; nothing verifies that. Errors: as [`FiniteSum::new`].
    pub fn of_batches(
        program: impl Fn(usize) -> Result<Program> + Send + Sync + 'static,
        samples: &[(&str, Samples)],
        shared: &[(&str, Tensor)],
        policy: Policy,
    ) -> Result<FiniteSum> {
        let one = program(1)?;
        if let Some(fault) = unbound(&one) {
            return Err(fault.into());
        }
        let count = count(samples)?;
        let sources = sources(&one, samples, shared)?;
        let samples: Vec<Samples> = samples.iter().map(|(_, s)| s.clone()).collect();
        let block = (BLOCK / samples.iter().map(Samples::width).sum::<usize>().max(1)).clamp(16, 1024);
        let first = Engine::new(&one, policy.clone())?;
        let mut worker = Worker::new(first.dimension(), samples.len());
        worker.engines.push((1, first));
        let (program, workers) = (Box::new(program), vec![worker]);
        let sum = FiniteSum { program, policy, sources, samples, count, block, workers, inside: 1 };
        Ok(sum.with_threads(rayon::current_num_threads()))
    }

    /// The same, evaluated by at most this many threads; by default by as many as rayon's pool has. Sums of more than 64
    /// blocks are shared among threads; in others, and in batches, large products and the like are
    /// ([`Compiled::with_threads`](crate::Compiled::with_threads)). The results are the same to the last bit for any number.
    ///
    /// # Panics
    /// If the number is 0.
    pub fn with_threads(mut self, threads: usize) -> FiniteSum {
        assert!(threads > 0, "at least one thread evaluates");
        let groups = self.count.div_ceil(self.block * GROUP);
        let (dimension, arrays) = (self.dimension(), self.samples.len());
        self.workers.resize_with(threads.min(groups), || Worker::new(dimension, arrays));
        self.inside = if self.workers.len() > 1 { 1 } else { threads };
        // All but the first, which tells of the program, are made again when a size of block comes up.
        let (size, first) = self.workers[0].engines.swap_remove(0);
        self.workers.iter_mut().for_each(|worker| worker.engines.clear());
        self.workers[0].engines.push((size, first.with_threads(self.inside)));
        self
    }

    /// The same, evaluated in blocks of at most this many samples.
    ///
    /// # Panics
    /// If the number is 0.
    pub fn with_block(mut self, samples: usize) -> FiniteSum {
        assert!(samples > 0, "a block has at least one sample");
        self.block = samples;
        self
    }

    /// The number of variables.
    pub fn dimension(&self) -> usize {
        self.workers[0].part.len()
    }

    /// The number n of samples.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many samples are evaluated at once, at most.
    pub fn block(&self) -> usize {
        self.block
    }

    /// The loss over a batch of one sample.
    pub fn program(&self) -> &Program {
        &self.workers[0].engines[0].1.program
    }

    /// The flat vector as one array for each variable.
    pub fn split(&self, x: &[f64]) -> Vec<Tensor> {
        self.workers[0].engines[0].1.split(x)
    }

    /// How many numbers the samples hold.
    pub(super) fn numbers(&self) -> usize {
        self.samples.iter().map(|s| s.count() * s.width()).sum()
    }

    /// The mean over all samples as one program, and values for its inputs. Errors: what the program of a batch refuses.
    pub(super) fn whole(&self, x: &[f64]) -> Result<(Program, Vec<Tensor>)> {
        let program = (self.program)(self.count)?;
        let value = |(input, source): (&crate::program::Input, &Source)| match source {
            Source::Variable(at, _) => Ok(Tensor::from_fn(&input.shape, |k| x[at + k])),
            Source::Shared(array) => Ok(array.clone()),
            Source::Samples(k) => self.samples[*k].to_tensor(),
        };
        let point = std::iter::zip(program.inputs(), &self.sources).map(value).collect::<Result<Vec<_>>>()?;
        Ok((program, point))
    }

    /// The mean over all samples. Errors: as [`FiniteSum::value_and_gradient`].
    pub fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.parts(self.count, &Rows::From, x, None)
    }

    /// The mean over all samples, and its gradient under the policy, written to `gradient`.
    ///
    /// Errors: a value or gradient that is not finite, a point where the loss is not Lipschitz; each with the operator at
    /// fault, and with indices inside of the block of samples where it was met.
    pub fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.parts(self.count, &Rows::From, x, Some(gradient))
    }

    /// The mean over some samples, each as often as it is named, and its gradient under the policy, written to `gradient`.
    ///
    /// Errors: as [`FiniteSum::value_and_gradient`].
    ///
    /// # Panics
    /// If there are no samples, or one of them is not below [`count`](FiniteSum::count).
    pub fn batch(&mut self, samples: &[usize], x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        assert!(!samples.is_empty(), "a batch has at least one sample");
        self.parts(samples.len(), &|start| Rows::Of(&samples[start..]), x, Some(gradient))
    }

    /// The mean over this many samples, a block at a time; `rows` says which come from a position on.
    fn parts<'a>(
        &mut self,
        count: usize,
        rows: &(dyn Fn(usize) -> Rows<'a> + Sync),
        x: &[f64],
        mut gradient: Option<&mut [f64]>,
    ) -> Result<f64> {
        let mut workers = std::mem::take(&mut self.workers);
        let shared = &*self;
        let done = if count <= self.block {
            workers[0].evaluate(shared, rows(0), count, x, gradient)
        } else {
            let (width, with_gradient) = (self.block * GROUP, gradient.is_some());
            let mut sum = Ok(0.0);
            gradient.iter_mut().for_each(|g| g.fill(0.0));
            for first in (0..count).step_by(width * workers.len()) {
                let left = (count - first).div_ceil(width);
                let crew = workers.len().min(left);
                each(&mut workers[..crew], 0, &|worker, k| {
                    let start = first + k * width;
                    let end = count.min(start + width);
                    worker.value = worker.group(shared, start..end, rows, x, with_gradient);
                });
                // Groups are added in order, so that nothing depends on who was first.
                for worker in &mut workers[..crew] {
                    let own = std::mem::replace(&mut worker.value, Ok(0.0));
                    sum = sum.and_then(|sum| own.map(|own| sum + own));
                    gradient.iter_mut().flat_map(|g| g.iter_mut()).zip(&worker.sum).for_each(|(g, s)| *g += s);
                }
                if sum.is_err() {
                    break;
                }
            }
            gradient.iter_mut().flat_map(|g| g.iter_mut()).for_each(|g| *g /= count as f64);
            sum.map(|sum| sum / count as f64)
        };
        self.workers = workers;
        done
    }
}

/// Calls `work` for each worker with its number from `first` on, side by side.
fn each(workers: &mut [Worker], first: usize, work: &(dyn Fn(&mut Worker, usize) + Sync)) {
    match workers {
        [] => {}
        [worker] => work(worker, first),
        many => {
            let middle = many.len() / 2;
            let (left, right) = many.split_at_mut(middle);
            rayon::join(|| each(left, first, work), || each(right, first + middle, work));
        }
    }
}

impl Worker {
    /// For so many variables and arrays of samples.
    fn new(dimension: usize, arrays: usize) -> Worker {
        Worker {
            engines: vec![],
            gathered: vec![vec![]; arrays],
            places: vec![],
            part: vec![0.0; dimension],
            sum: vec![0.0; dimension],
            value: Ok(0.0),
            views: Views::default(),
        }
    }

    /// The sum over a group of samples, a block at a time, and of the gradients if asked for.
    fn group<'a>(
        &mut self,
        shared: &FiniteSum,
        samples: std::ops::Range<usize>,
        rows: &(dyn Fn(usize) -> Rows<'a> + Sync),
        x: &[f64],
        with_gradient: bool,
    ) -> Result<f64> {
        let (mut value, mut part) = (0.0, std::mem::take(&mut self.part));
        self.sum.fill(0.0);
        let mut all = || {
            for start in samples.clone().step_by(shared.block) {
                let size = shared.block.min(samples.end - start);
                let into = with_gradient.then_some(part.as_mut_slice());
                value += size as f64 * self.evaluate(shared, rows(start), size, x, into)?;
                if with_gradient {
                    self.sum.iter_mut().zip(&part).for_each(|(s, p)| *s += size as f64 * p);
                }
            }
            Ok(value)
        };
        let done = all();
        self.part = part;
        done
    }

    /// The mean over a block, with its gradient if asked for.
    fn evaluate(
        &mut self,
        shared: &FiniteSum,
        rows: Rows<'_>,
        size: usize,
        x: &[f64],
        gradient: Option<&mut [f64]>,
    ) -> Result<f64> {
        let at = self.engine(shared, size)?;
        let start = rows.start(size);
        for (samples, into) in shared.samples.iter().zip(&mut self.gathered) {
            match (start, rows) {
                (Some(start), _) if samples.consecutive(start..start + size).is_some() => {}
                (Some(start), _) => {
                    self.places.clear();
                    self.places.extend(start..start + size);
                    samples.write(&self.places, into);
                }
                (None, Rows::Of(indices)) => samples.write(&indices[..size], into),
                (None, Rows::From(_)) => unreachable!("these lie one after another"),
            }
        }
        let (samples, gathered) = (&shared.samples, &self.gathered);
        let inputs = self.views.of(|views| {
            views.extend(shared.sources.iter().map(|source| {
                match source {
                    Source::Variable(at, length) => &x[*at..at + length],
                    Source::Shared(array) => array.data(),
                    Source::Samples(k) => start
                        .and_then(|start| samples[*k].consecutive(start..start + size))
                        .unwrap_or_else(|| &gathered[*k][..size * samples[*k].width()]),
                }
            }));
        });
        let engine = &mut self.engines[at].1;
        let value = match gradient {
            Some(gradient) => engine.value_and_gradient(&inputs, gradient),
            None => engine.value(&inputs),
        };
        self.views.back(inputs);
        value
    }

    /// Where the engine of a size of batch is; it is made when it is first asked for.
    fn engine(&mut self, shared: &FiniteSum, size: usize) -> Result<usize> {
        if let Some(at) = self.engines.iter().position(|(own, _)| *own == size) {
            return Ok(at);
        }
        let engine = Engine::new(&(shared.program)(size)?, shared.policy.clone())?.with_threads(shared.inside);
        self.engines.push((size, engine));
        Ok(self.engines.len() - 1)
    }
}

/// Which samples a block has.
#[derive(Clone, Copy)]
enum Rows<'a> {
    /// Those from here on.
    From(usize),
    /// The first of these.
    Of(&'a [usize]),
}

impl Rows<'_> {
    /// The first sample, if the block's lie one after another.
    fn start(&self, size: usize) -> Option<usize> {
        match self {
            Rows::From(start) => Some(*start),
            Rows::Of(indices) => {
                let consecutive = indices[..size].windows(2).all(|pair| pair[1] == pair[0] + 1);
                consecutive.then(|| indices[0])
            }
        }
    }
}

/// The mean of the one output over its axis.
fn mean(program: &Program) -> Result<Program> {
    let builder = Builder::new();
    let inputs: Vec<Var<'_>> =
        program.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let output = builder.inline(program, &inputs)[0].mean();
    builder.finish(&[output])
}

/// How many samples there are.
fn count(samples: &[(&str, Samples)]) -> Result<usize> {
    let Some((first, rest)) = samples.split_first() else {
        let rule = "at least one input must differ from sample to sample".into();
        return Err(
            Fault::Parameter { op: "a sum".into(), parameter: "samples".into(), value: "empty".into(), rule }.into()
        );
    };
    let count = first.1.count();
    let other = rest.iter().find(|(_, s)| s.count() != count);
    if let Some((name, other)) = other {
        let expected = [&[count], &other.shape()[1..]].concat();
        return Err(Fault::InputShape { input: name.to_string(), expected, given: other.shape().to_vec() }.into());
    }
    if count == 0 {
        let (op, parameter, value) = ("a sum".into(), "samples".into(), "0".into());
        return Err(Fault::Parameter { op, parameter, value, rule: "a mean needs at least one sample".into() }.into());
    }
    Ok(count)
}

/// Where the inputs of the program for one sample come from.
fn sources(one: &Program, samples: &[(&str, Samples)], shared: &[(&str, Tensor)]) -> Result<Vec<Source>> {
    let names: Vec<&str> = samples.iter().map(|(n, _)| *n).chain(shared.iter().map(|(n, _)| *n)).collect();
    let data = || one.inputs().iter().filter(|i| !i.role.is_argument());
    for (k, name) in names.iter().enumerate() {
        if names[..k].contains(name) || !data().any(|i| i.name == *name) {
            let known = data().map(|i| i.name.clone()).collect();
            return Err(Fault::UnknownName { kind: "input", name: name.to_string(), close: vec![], known }.into());
        }
    }
    let mut at = 0;
    let mut source = |input: &crate::program::Input| {
        if input.role.is_argument() {
            let length = size(&input.shape);
            at += length;
            return Ok(Source::Variable(at - length, length));
        }
        if let Some((name, array)) = shared.iter().find(|(name, _)| *name == input.name) {
            check_data(name, &input.shape, array)?;
            return Ok(Source::Shared(array.clone()));
        }
        let Some(k) = samples.iter().position(|(name, _)| *name == input.name) else {
            let names = data().map(|i| i.name.clone()).collect::<Vec<_>>();
            return Err(Fault::InputCount { expected: names.len(), given: samples.len() + shared.len(), names }.into());
        };
        check_samples(&input.name, &input.shape, &samples[k].1)?;
        Ok(Source::Samples(k))
    };
    one.inputs().iter().map(&mut source).collect()
}

/// An array of samples has the shape of an input over a batch of one, but for the first axis, and finite numbers.
fn check_samples(name: &str, shape: &[usize], samples: &Samples) -> Result<()> {
    if shape.first() != Some(&1) || shape[1..] != samples.shape()[1..] {
        let expected = [&[samples.count()], shape.get(1..).unwrap_or(&[])].concat();
        return Err(Fault::InputShape { input: name.into(), expected, given: samples.shape().to_vec() }.into());
    }
    match samples.not_finite() {
        Some((value, index)) => Err(Fault::InputNotFinite { input: name.into(), value, index }.into()),
        None => Ok(()),
    }
}
