//! Networks from short specifications: `mlp:64-32-10`, `cnn:1x8x8-c8k3-p2-32-10`.

use clarke::{Fault, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A feedforward network as data: what a specification says.
///
/// ```text
/// mlp:64-32-10               64 inputs, one hidden layer of 32 units, 10 outputs
/// mlp:64-10                  a linear model
/// cnn:1x8x8-c8k3-p2-32-10    images of 1 channel, 8 rows and 8 columns; 8 channels by kernels of 3×3 with as much padding
///                            as keeps the size (k odd); the largest of each 2×2; 32 units; 10 outputs
/// mlp:64-32m2-10             32 units, each the largest of 2 affine functions (maxout)
/// ```
///
/// After each layer with weights but the last stands `relu`, after maxout layers nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    text: String,
    /// The shape of one input.
    input: Vec<usize>,
    layers: Vec<Layer>,
}

/// A layer with the shape that it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layer {
    /// x ↦ x W + b, then the largest of each `pieces` (1: no maxout).
    Dense {
        inputs: usize,
        outputs: usize,
        pieces: usize,
    },
    /// Kernels over channels × rows × columns.
    Conv {
        channels: usize,
        kernels: usize,
        side: usize,
    },
    /// The largest of each square of this side.
    Pool {
        side: usize,
    },
    /// One axis of this many numbers.
    Flatten {
        length: usize,
    },
    Relu,
}

/// An array of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in the program.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many numbers each output of its layer is a sum of.
    pub fan_in: usize,
}

const RULE: &str = "a network is written as mlp:64-32-10 (inputs, hidden units, outputs; 32m2 for maxout of 2 pieces) or \
                    cnn:1x8x8-c8k3-p2-32-10 (channels x rows x columns, 8 channels by kernels of side 3, the largest of each \
                    2 by 2, hidden units, outputs)";

/// The most numbers that a layer or an array of weights may have.
const MOST: usize = 1 << 28;

impl Network {
    /// Reads a specification.
    ///
    /// Errors: what is no such specification; sizes of 0 or too large, even kernels, pools larger than the image.
    ///
    /// ```
    /// let network = clarke_train::Network::read("mlp:64-32-10")?;
    /// assert_eq!((network.inputs(), network.outputs()), (64, 10));
    /// assert_eq!(network.expression("X", 5), "relu(X @ W1 + b1) @ W2 + b2");
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn read(text: &str) -> Result<Network> {
        let refuse = |why: String| {
            let rule = if why.is_empty() { RULE.to_string() } else { format!("{why}; {RULE}") };
            clarke::Error::from(Fault::Setting { setting: "the model", given: text.to_string(), rule })
        };
        let (kind, sizes) = text.trim().split_once(':').ok_or_else(|| refuse(String::new()))?;
        let parts: Vec<&str> = sizes.split('-').map(str::trim).collect();
        let [first, rest @ ..] = &parts[..] else { return Err(refuse(String::new())) };
        if rest.is_empty() {
            return Err(refuse("there is no layer after the inputs".into()));
        }
        let input = match kind.trim() {
            "mlp" => vec![number(first).map_err(refuse)?],
            "cnn" => first.split('x').map(number).collect::<Reading<Vec<usize>>>().map_err(refuse)?,
            other => return Err(refuse(format!("there is no kind `{other}`"))),
        };
        if kind.trim() == "cnn" && input.len() != 3 {
            return Err(refuse(format!("`{first}` is not channels x rows x columns")));
        }
        let mut network = Network { text: text.trim().to_string(), input: input.clone(), layers: vec![] };
        let mut shape = input;
        for (k, part) in rest.iter().enumerate() {
            network.add(part, k + 1 == rest.len(), &mut shape).map_err(refuse)?;
        }
        Ok(network)
    }

    /// A linear model.
    pub fn linear(inputs: usize, outputs: usize) -> Network {
        let layers = vec![Layer::Dense { inputs, outputs, pieces: 1 }];
        Network { text: format!("mlp:{inputs}-{outputs}"), input: vec![inputs], layers }
    }

    /// Adds what a part says, after layers that give this shape.
    fn add(&mut self, part: &str, last: bool, shape: &mut Vec<usize>) -> Reading<()> {
        if let Some(conv) = part.strip_prefix('c') {
            let (kernels, side) = conv.split_once('k').ok_or(format!("`{part}` has no kernel"))?;
            let (kernels, side) = (number(kernels)?, number(side)?);
            let [channels, rows, columns] = shape[..] else { return Err(format!("`{part}` needs an image")) };
            if side % 2 == 0 {
                return Err(format!("`{part}`: a kernel has an odd side"));
            }
            fits(&[kernels, channels, side, side])?;
            fits(&[kernels, rows, columns])?;
            self.layers.extend([Layer::Conv { channels, kernels, side }, Layer::Relu]);
            shape[0] = kernels;
            return if last { Err("the last layer is one of numbers".into()) } else { Ok(()) };
        }
        if let Some(side) = part.strip_prefix('p') {
            let side = number(side)?;
            let [_, rows, columns] = &mut shape[..] else { return Err(format!("`{part}` needs an image")) };
            if side > *rows || side > *columns {
                return Err(format!("`{part}` is larger than the image, {rows} by {columns}"));
            }
            (*rows, *columns) = (*rows / side, *columns / side);
            self.layers.push(Layer::Pool { side });
            return if last { Err("the last layer is one of numbers".into()) } else { Ok(()) };
        }
        let (outputs, pieces) = match part.split_once('m') {
            Some((units, pieces)) => (number(units)?, number(pieces)?),
            None => (number(part)?, 1),
        };
        let inputs = fits(shape)?;
        if shape.len() > 1 {
            self.layers.push(Layer::Flatten { length: inputs });
        }
        fits(&[inputs, outputs, pieces])?;
        self.layers.push(Layer::Dense { inputs, outputs, pieces });
        if !last && pieces == 1 {
            self.layers.push(Layer::Relu);
        }
        *shape = vec![outputs];
        Ok(())
    }

    /// The specification.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many numbers one input has.
    pub fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    /// How many numbers the network gives for one input.
    pub fn outputs(&self) -> usize {
        match self.layers.last() {
            Some(Layer::Dense { outputs, .. }) => *outputs,
            _ => unreachable!("the last layer is dense"),
        }
    }

    /// Whether outputs are affine in the weights.
    pub fn is_affine(&self) -> bool {
        matches!(self.layers[..], [Layer::Dense { pieces: 1, .. }])
    }

    /// The arrays of weights, in the order of the layers: W1, b1, W2, …, kernels K1 with their own b.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = vec![];
        let mut push = |name: String, shape: Vec<usize>, fan_in| all.push(Parameter { name, shape, fan_in });
        for (k, layer) in self.weighted().enumerate().map(|(k, layer)| (k + 1, layer)) {
            match *layer {
                Layer::Dense { inputs, outputs, pieces } => {
                    push(format!("W{k}"), vec![inputs, outputs * pieces], inputs);
                    push(format!("b{k}"), vec![outputs * pieces], inputs);
                }
                Layer::Conv { channels, kernels, side } => {
                    push(format!("K{k}"), vec![kernels, channels, side, side], channels * side * side);
                    push(format!("b{k}"), vec![kernels], channels * side * side);
                }
                _ => unreachable!("only layers with weights"),
            }
        }
        all
    }

    fn weighted(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|l| matches!(l, Layer::Dense { .. } | Layer::Conv { .. }))
    }

    /// The outputs as program text, an array of shape [batch, outputs], for a batch of inputs of shape `[batch, inputs]`.
    pub fn expression(&self, inputs: &str, batch: usize) -> String {
        let shape = self.input.iter().map(|n| format!(", {n}")).collect::<String>();
        let mut text = match self.input.len() {
            1 => inputs.to_string(),
            _ => format!("reshape({inputs}, [{batch}{shape}])"),
        };
        let mut k = 0;
        for layer in &self.layers {
            text = match *layer {
                Layer::Dense { pieces, .. } => {
                    k += 1;
                    let affine = format!("{} @ W{k} + b{k}", operand(&text));
                    if pieces > 1 { format!("maxout({affine}, {pieces})") } else { affine }
                }
                Layer::Conv { kernels, side, .. } => {
                    k += 1;
                    format!("conv2d({text}, K{k}, padding={}) + reshape(b{k}, [{kernels}, 1, 1])", side / 2)
                }
                Layer::Pool { side } => format!("max_pool2d({text}, {side})"),
                Layer::Flatten { length } => format!("reshape({text}, [{batch}, {length}])"),
                Layer::Relu => format!("relu({text})"),
            };
        }
        text
    }

    /// Random weights, all arrays one after another: each uniform in ±1/√fan_in, as layers of PyTorch start.
    pub fn start(&self, seed: u64) -> Vec<f64> {
        start(&self.parameters(), seed)
    }
}

/// Random weights, all arrays one after another: uniform in ±1/√fan_in, 0 where nothing comes in.
pub(crate) fn start(parameters: &[Parameter], seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut all = vec![];
    for parameter in parameters {
        let count = parameter.shape.iter().product::<usize>();
        let bound = 1.0 / (parameter.fan_in as f64).sqrt();
        match parameter.fan_in {
            0 => all.extend(std::iter::repeat_n(0.0, count)),
            _ => all.extend((0..count).map(|_| random.random_range(-bound..=bound))),
        }
    }
    all
}

/// Arrays of these lengths, which lie one after another.
pub(crate) fn pieces<'a>(lengths: &[usize], mut flat: &'a [f64]) -> Vec<&'a [f64]> {
    let piece = |&n: &usize| {
        let (own, rest) = flat.split_at(n);
        flat = rest;
        own
    };
    lengths.iter().map(piece).collect()
}

type Reading<T> = std::result::Result<T, String>;

fn number(text: &str) -> Reading<usize> {
    match text.trim().parse::<usize>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{}` is not a whole number from 1 on", text.trim())),
    }
}

/// The product, if it is not too large.
fn fits(shape: &[usize]) -> Reading<usize> {
    let size = shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
    size.filter(|n| *n <= MOST).ok_or(format!("an array of shape {shape:?} is too large"))
}

/// The left side of a product.
fn operand(text: &str) -> String {
    let name = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    // A call binds as tightly as a name: its last bracket is the one of its first.
    let call = text.find('(').is_some_and(|open| {
        let mut depth = 0;
        let closed = text.char_indices().find(|(_, c)| {
            depth += (*c == '(') as i32 - (*c == ')') as i32;
            depth == 0 && *c == ')'
        });
        text[..open].chars().all(|c| c.is_alphanumeric() || c == '_')
            && closed.is_some_and(|(at, _)| at + 1 == text.len())
    });
    if name || call { text.to_string() } else { format!("({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program(network: &Network, batch: usize) -> clarke::Program {
        let parameters = network.parameters();
        let x = [batch, network.inputs()];
        let mut inputs: Vec<(&str, &[usize])> = vec![("X", &x)];
        inputs.extend(parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())));
        clarke::parse(&network.expression("X", batch), &inputs).unwrap()
    }

    #[test]
    fn networks_are_programs_of_their_weights() {
        for text in ["mlp:3-1", "mlp:5-4-3-2", "cnn:1x8x8-c4k3-p2-c3k1-p2-7-10", "mlp:6-4m3-2", "cnn:2x4x3-5"] {
            let network = Network::read(text).unwrap();
            assert_eq!(network.text(), text);
            for batch in [1, 4] {
                assert_eq!(program(&network, batch).output_shapes(), [&[batch, network.outputs()]], "{text}");
            }
            let weights: usize = network.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum();
            let start = network.start(3);
            assert_eq!(start.len(), weights, "{text}");
            assert_eq!(start, network.start(3));
            assert_ne!(start, network.start(4));
        }
    }

    #[test]
    fn a_network_computes_what_its_layers_say() {
        // max(0, x − 1) + max(0, −x) at 3 and −2, by hand.
        let network = Network::read("mlp:1-2-1").unwrap();
        let f = program(&network, 2).compile::<f64>(clarke::Convention::MinNorm);
        let array = |shape: &[usize], x: &[f64]| clarke::Tensor::new(shape, x.to_vec()).unwrap();
        let inputs = [
            array(&[2, 1], &[3.0, -2.0]),
            array(&[1, 2], &[1.0, -1.0]),
            array(&[2], &[-1.0, 0.0]),
            array(&[2, 1], &[1.0, 1.0]),
            array(&[1], &[0.0]),
        ];
        assert_eq!(f.call(&inputs).unwrap()[0].data(), [2.0, 2.0]);
    }

    #[test]
    fn mistakes_say_what_is_wrong() {
        let said = |text: &str| Network::read(text).unwrap_err().to_string();
        for (text, why) in [
            ("mlp", "a network is written as"),
            ("mlp:64", "there is no layer after the inputs"),
            ("mlp:64-0-10", "`0` is not a whole number from 1 on"),
            ("rnn:3-2", "there is no kind `rnn`"),
            ("cnn:8x8-10", "`8x8` is not channels x rows x columns"),
            ("cnn:1x8x8-c4k2-10", "a kernel has an odd side"),
            ("cnn:1x8x8-p9-10", "`p9` is larger than the image, 8 by 8"),
            ("cnn:1x8x8-10-c4k3-10", "`c4k3` needs an image"),
            ("cnn:1x8x8-c4k3", "the last layer is one of numbers"),
            ("mlp:1000000-1000000", "is too large"),
        ] {
            assert!(said(text).contains(why), "{text}: {}", said(text));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "(mlp|cnn|x)?:?[0-9xckpm-]{0,24}") {
            if let Ok(network) = Network::read(&text) {
                prop_assert!(network.inputs() > 0 && network.outputs() > 0);
            }
        }
    }
}
