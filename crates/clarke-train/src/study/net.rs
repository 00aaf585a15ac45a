//! The networks of the studies as programs, and their data.

use crate::{Network, spec::pieces};
use clarke::program::Role;
use clarke::program::tie::Site;
use clarke::{Builder, Fault, Float, Program, Result, Rounded, TieCounter, Var};

/// Images with their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// A row of pixels for each image.
    pixels: Vec<f64>,
    labels: Vec<f64>,
    width: usize,
    classes: usize,
}

impl Images {
    /// Images from their pixels, row after row, and their classes, whole numbers from 0 on. Pixels are divided by the power of
    /// 2 that is the least not below the largest of them, which rounds nothing: 16 for the digits.
    ///
    /// Errors: no image, numbers of different length, a label that is no class, pixels that are negative or all 0.
    pub fn new(pixels: Vec<f64>, labels: Vec<f64>) -> Result<Images> {
        let refuse = |rule: &str, given: String| {
            clarke::Error::from(Fault::Setting { setting: "the data", given, rule: rule.to_string() })
        };
        if labels.is_empty() || !pixels.len().is_multiple_of(labels.len()) || pixels.is_empty() {
            let given = format!("{} pixels and {} labels", pixels.len(), labels.len());
            return Err(refuse("each image has as many pixels, and a label", given));
        }
        if let Some(wrong) = labels.iter().find(|y| y.fract() != 0.0 || **y < 0.0 || **y >= 256.0) {
            return Err(refuse("a label is the number of a class, a whole number from 0 to 255", format!("{wrong}")));
        }
        let largest = pixels.iter().fold(0.0, |m: f64, x| m.max(*x));
        if let Some(wrong) = pixels.iter().find(|x| !x.is_finite() || **x < 0.0) {
            return Err(refuse("pixels are numbers from 0 on", format!("{wrong}")));
        }
        if largest == 0.0 {
            return Err(refuse("some pixel is not 0", "all are".into()));
        }
        let scale = largest.log2().ceil().exp2();
        let classes = labels.iter().fold(0.0, |m: f64, y| m.max(*y)) as usize + 1;
        let width = pixels.len() / labels.len();
        Ok(Images { pixels: pixels.into_iter().map(|x| x / scale).collect(), labels, width, classes })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// How many pixels each has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The pixels and labels of some of them that lie one after another.
    pub(super) fn rows(&self, from: usize, count: usize) -> Rows<'_> {
        (&self.pixels[from * self.width..(from + count) * self.width], &self.labels[from..from + count])
    }

    /// These ones, in this order.
    pub(super) fn gather(&self, which: &[usize]) -> Images {
        let pixels = which.iter().flat_map(|&i| self.rows(i, 1).0).copied().collect();
        let labels = which.iter().map(|&i| self.labels[i]).collect();
        Images { pixels, labels, ..*self }
    }

    /// Where consecutive minibatches begin, and how many images each has; the last one may be smaller.
    pub(super) fn batches(&self, size: usize) -> Vec<(usize, usize)> {
        (0..self.count()).step_by(size).map(|from| (from, size.min(self.count() - from))).collect()
    }
}

/// How x W + b is computed where every operator rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Affine {
    /// As one operator that rounds once, as PyTorch's `addmm` does: b is one more row of W, and 1 one more column of x.
    Fused,
    /// As a product and a sum, which both round.
    Apart,
}

/// A classifier with relu, and the mean of its cross entropy over minibatches.
#[derive(Debug, Clone, PartialEq)]
pub enum Net {
    /// Layers of these sizes, inputs and outputs among them.
    Dense(Vec<usize>, Affine),
    /// What a specification says; products and biases are apart.
    Network(Network),
}

impl Net {
    /// Hidden layers of one width.
    pub fn dense(images: &Images, layers: usize, width: usize, affine: Affine) -> Net {
        let hidden = std::iter::repeat_n(width, layers);
        Net::Dense([images.width()].into_iter().chain(hidden).chain([images.classes()]).collect(), affine)
    }

    /// As a specification writes it.
    pub fn text(&self) -> String {
        match self {
            Net::Dense(sizes, _) => {
                let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
                format!("mlp:{}", sizes.join("-"))
            }
            Net::Network(network) => network.text().to_string(),
        }
    }

    fn network(&self) -> Network {
        match self {
            Net::Dense(..) => Network::read(&self.text()).expect("sizes of layers are a specification"),
            Net::Network(network) => network.clone(),
        }
    }

    fn is_fused(&self) -> bool {
        matches!(self, Net::Dense(_, Affine::Fused))
    }

    /// The arrays of weights by name and shape: with a fused bias A1, A2, …, whose last row is the bias.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Net::Dense(sizes, Affine::Fused) => {
                let pairs = sizes.windows(2).enumerate();
                pairs.map(|(k, pair)| (format!("A{}", k + 1), vec![pair[0] + 1, pair[1]])).collect()
            }
            _ => self.network().parameters().into_iter().map(|p| (p.name, p.shape)).collect(),
        }
    }

    /// Random weights, all arrays one after another: uniform in ±1/√fan_in, as layers of PyTorch start; rounded to a format.
    /// The same numbers whether the bias is fused or not.
    pub fn start(&self, seed: u64, float: Float) -> Vec<f64> {
        self.network().start(seed).into_iter().map(|x| float.round(x)).collect()
    }

    /// The outputs for a minibatch, as a program of `X`, `y`, `one` and the weights. Errors: sizes that do not fit.
    pub(super) fn outputs(&self, batch: usize) -> Result<Program> {
        self.program(batch, false)
    }

    /// The mean cross entropy of a minibatch, as a program of the same inputs. Errors: as [`outputs`](Net::outputs).
    pub(super) fn loss(&self, batch: usize) -> Result<Program> {
        self.program(batch, true)
    }

    fn program(&self, batch: usize, loss: bool) -> Result<Program> {
        let (network, parameters) = (self.network(), self.parameters());
        let builder = Builder::new();
        let x = builder.input("X", &[batch, network.inputs()], Role::Data);
        let y = builder.input("y", &[batch], Role::Data);
        let one = builder.input("one", &[batch, 1], Role::Data);
        let weights: Vec<Var<'_>> =
            parameters.iter().map(|(name, shape)| builder.input(name, shape, Role::Argument)).collect();
        let outputs = match self.is_fused() {
            true => {
                let mut h = x;
                for (k, a) in weights.iter().enumerate() {
                    h = h.concatenate(&[one], 1).matmul(*a);
                    h = if k + 1 < weights.len() { h.relu() } else { h };
                }
                h
            }
            false => {
                let shape = [batch, network.inputs()];
                let mut inputs: Vec<(&str, &[usize])> = vec![("X", &shape)];
                inputs.extend(parameters.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())));
                let program = clarke::parse(&network.expression("X", batch), &inputs)?;
                builder.inline(&program, &[&[x], &weights[..]].concat())[0]
            }
        };
        builder.finish(&[if loss { outputs.cross_entropy(y) } else { outputs }])
    }
}

/// Pixels and labels.
pub(super) type Rows<'a> = (&'a [f64], &'a [f64]);

/// How a minibatch and weights become the inputs of a network's programs.
#[derive(Clone)]
struct Feed {
    lengths: Vec<usize>,
    one: Vec<f64>,
}

impl Feed {
    /// For a program of [`Net::outputs`] or [`Net::loss`], or a derivative of it.
    fn new(program: &Program, net: &Net) -> Feed {
        let lengths = net.parameters().iter().map(|(_, shape)| shape.iter().product()).collect();
        Feed { lengths, one: vec![1.0; program.inputs()[1].shape[0]] }
    }

    fn inputs<'a>(&'a self, (x, y): Rows<'a>, weights: &'a [f64]) -> Vec<&'a [f64]> {
        [&[x, y, &self.one[..]], &pieces(&self.lengths, weights)[..]].concat()
    }
}

/// Where the loss of a minibatch meets ties.
#[derive(Clone)]
pub(super) struct Ties {
    pub counter: TieCounter,
    feed: Feed,
}

impl Ties {
    pub fn new(loss: &Program, net: &Net, float: Float) -> Result<Ties> {
        Ok(Ties { counter: TieCounter::new(loss, float)?, feed: Feed::new(loss, net) })
    }

    /// How many ties are met.
    pub fn met(&mut self, rows: Rows<'_>, weights: &[f64]) -> usize {
        self.counter.met(&self.feed.inputs(rows, weights)).iter().map(|(_, met)| met.len()).sum()
    }
}

/// A program of a minibatch and weights in the arithmetic of a format, with its outputs.
#[derive(Clone)]
pub(super) struct Engine {
    rounded: Rounded,
    feed: Feed,
    /// The outputs of the last run.
    pub out: Vec<Vec<f64>>,
}

impl Engine {
    pub fn new(program: &Program, net: &Net, float: Float, fill: &dyn Fn(&Site) -> f64) -> Result<Engine> {
        let rounded = Rounded::new(program, float, fill)?;
        let out = program.output_shapes().iter().map(|s| vec![0.0; s.iter().product()]).collect();
        Ok(Engine { rounded, feed: Feed::new(program, net), out })
    }

    /// Runs it on a minibatch.
    pub fn run(&mut self, rows: Rows<'_>, weights: &[f64]) -> &[Vec<f64>] {
        let inputs = self.feed.inputs(rows, weights);
        let mut out: Vec<&mut [f64]> = self.out.iter_mut().map(Vec::as_mut_slice).collect();
        self.rounded.run(&inputs, &mut out);
        &self.out
    }
}
