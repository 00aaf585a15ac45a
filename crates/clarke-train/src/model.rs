//! Models: what maps inputs to outputs, and the objective that training minimizes.

use crate::{Loss, Network, Parameter, spec};
use clarke::{Builder, Fault, Program, Result, Var};

/// What maps the features of a sample to outputs, by weights that are trained.
#[derive(Debug, Clone)]
pub enum Model {
    /// A network.
    Network(Network),
    /// A program of one sample.
    Program(ProgramModel),
}

/// A program of one sample in its features `x`, and weights.
#[derive(Debug, Clone)]
pub struct ProgramModel {
    text: String,
    features: usize,
    parameters: Vec<Parameter>,
    program: Program,
    outputs: usize,
}

impl ProgramModel {
    /// Reads an expression in the features `x`, a vector, and in weights with these names and shapes. Its value is a number,
    /// or a vector of outputs.
    ///
    /// Errors: those of [`clarke::parse`]; another shape of the value.
    pub fn read(text: &str, features: usize, weights: &[(String, Vec<usize>)]) -> Result<ProgramModel> {
        if let Some((name, _)) = weights.iter().find(|(n, _)| ["x", "X", "y", "shift", "scale"].contains(&n.as_str())) {
            let rule = "x, X, y, shift and scale stand for data".to_string();
            return Err(Fault::Setting { setting: "the name of a weight", given: name.clone(), rule }.into());
        }
        let x = [features];
        let mut inputs: Vec<(&str, &[usize])> = weights.iter().map(|(n, s)| (n.as_str(), s.as_slice())).collect();
        inputs.push(("x", &x));
        let program = clarke::parse(text, &inputs)?;
        let outputs = match program.output_shapes()[..] {
            [&[]] => 1,
            [&[k]] if k > 0 => k,
            _ => {
                let shapes = program.output_shapes().iter().map(|s| s.to_vec()).collect();
                let rule = "the value of a model is a number or a vector of outputs".to_string();
                return Err(Fault::Shapes { op: "a model".into(), shapes, rule }.into());
            }
        };
        // In arrays of two axes and more the last is the one that products run over.
        let fan = |shape: &[usize]| if shape.len() > 1 { shape[shape.len() - 1] } else { 0 };
        let parameters = weights
            .iter()
            .map(|(name, shape)| Parameter { name: name.clone(), shape: shape.clone(), fan_in: fan(shape) })
            .collect();
        Ok(ProgramModel { text: text.into(), features, parameters, program, outputs })
    }
}

impl Model {
    /// What the user wrote.
    pub fn text(&self) -> &str {
        match self {
            Model::Network(network) => network.text(),
            Model::Program(model) => &model.text,
        }
    }

    /// How many features a sample has.
    pub fn features(&self) -> usize {
        match self {
            Model::Network(network) => network.inputs(),
            Model::Program(model) => model.features,
        }
    }

    /// How many outputs it gives.
    pub fn outputs(&self) -> usize {
        match self {
            Model::Network(network) => network.outputs(),
            Model::Program(model) => model.outputs,
        }
    }

    /// The arrays of weights, in order.
    pub fn parameters(&self) -> Vec<Parameter> {
        match self {
            Model::Network(network) => network.parameters(),
            Model::Program(model) => model.parameters.clone(),
        }
    }

    /// Where training starts: for networks see [`Network::start`]; in programs the entries of arrays with two axes and more
    /// are uniform in ±1/√n, with n the length of the last axis, and all others 0.
    pub fn start(&self, seed: u64) -> Vec<f64> {
        spec::start(&self.parameters(), seed)
    }

    /// The outputs for a batch, of shape `[batch, outputs]`, as a program of the weights and then `X`, of shape [batch,
    /// features].
    pub fn program(&self, batch: usize) -> Result<Program> {
        let (parameters, x) = (self.parameters(), [batch, self.features()]);
        let mut inputs: Vec<(&str, &[usize])> =
            parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
        inputs.push(("X", &x));
        match self {
            Model::Network(network) => clarke::parse(&network.expression("X", batch), &inputs),
            Model::Program(model) => {
                let mapped: Vec<bool> = model.program.inputs().iter().map(|i| i.name == "x").collect();
                let batched = model.program.batch(&mapped, batch)?;
                let builder = Builder::new();
                // What is x in a sample is X in a batch.
                let name = |name: &str| if name == "x" { "X".to_string() } else { name.to_string() };
                let vars: Vec<Var<'_>> =
                    batched.inputs().iter().map(|i| builder.input(&name(&i.name), &i.shape, i.role.clone())).collect();
                let outputs = builder.inline(&batched, &vars)[0].reshape(&[batch, model.outputs]);
                builder.finish(&[outputs])
            }
        }
    }

    /// The mean of a loss over a batch, as a program of the weights, `X` and `y`; with `standardize` the features are
    /// shifted by an input `shift` and multiplied by an input `scale` first.
    pub fn objective(&self, loss: Loss, standardize: bool, batch: usize) -> Result<Program> {
        let names: Vec<String> = self.parameters().into_iter().map(|p| p.name).collect();
        let program = self.with_loss(loss, standardize, batch, |_, value| vec![value])?;
        program.varying(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Outputs and loss, as a program of the same inputs.
    pub(crate) fn scored(&self, loss: Loss, standardize: bool, batch: usize) -> Result<Program> {
        self.with_loss(loss, standardize, batch, |s, value| vec![s, value])
    }

    fn with_loss(
        &self,
        loss: Loss,
        standardize: bool,
        batch: usize,
        wanted: impl for<'p> Fn(Var<'p>, Var<'p>) -> Vec<Var<'p>>,
    ) -> Result<Program> {
        let (outputs, k) = (self.scaled(standardize, batch)?, self.outputs());
        let loss = clarke::parse(&loss.expression(k), &[("S", &[batch, k]), ("y", &[batch])])?;
        let builder = Builder::new();
        let inputs = builder.inputs_of(&outputs);
        let s = builder.inline(&outputs, &inputs)[0];
        let y = &loss.inputs()[1];
        let y = builder.input(&y.name, &y.shape, y.role.clone());
        builder.finish(&wanted(s, builder.inline(&loss, &[s, y])[0]))
    }

    /// Whether outputs are known to be affine in the weights: the losses are then convex. Of programs it is not known.
    pub fn is_affine(&self) -> bool {
        matches!(self, Model::Network(network) if network.is_affine())
    }

    /// The outputs with the features standardized, if asked for.
    pub(crate) fn scaled(&self, standardize: bool, batch: usize) -> Result<Program> {
        let program = self.program(batch)?;
        if !standardize {
            return Ok(program);
        }
        let (builder, features) = (Builder::new(), [self.features()]);
        let mut inputs = builder.inputs_of(&program);
        let role = program.inputs()[0].role.clone();
        let (shift, scale) = (builder.input("shift", &features, role.clone()), builder.input("scale", &features, role));
        if let Some(x) = inputs.last_mut() {
            *x = (*x - shift) * scale;
        }
        builder.finish(&[builder.inline(&program, &inputs)[0]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_one_sample_is_the_network_over_a_batch() {
        let network = Model::Network(Network::read("mlp:3-4-2").unwrap());
        let weights: Vec<_> = network.parameters().into_iter().map(|p| (p.name, p.shape)).collect();
        let text = "relu(x @ W1 + b1) @ W2 + b2";
        let program = Model::Program(ProgramModel::read(text, 3, &weights).unwrap());
        assert_eq!((program.features(), program.outputs()), (3, 2));
        for standardize in [false, true] {
            let value = |model: &Model| {
                let f = model.objective(Loss::Hinge, standardize, 5).unwrap();
                let mut k = 0.0;
                let inputs: Vec<clarke::Tensor> = f
                    .inputs()
                    .iter()
                    .map(|i| {
                        let mut entry = |_| {
                            k += 1.0;
                            if i.name == "y" { f64::sin(k).round().abs() } else { f64::sin(3.0 * k) }
                        };
                        clarke::Tensor::from_fn(&i.shape, &mut entry)
                    })
                    .collect();
                f.compile::<f64>(clarke::Convention::MinNorm).call(&inputs).unwrap()[0].data()[0]
            };
            let (a, b) = (value(&network), value(&program));
            assert!((a - b).abs() <= 1e-14 * a.abs(), "{a} {b}");
        }
    }

    #[test]
    fn a_number_is_one_output() {
        let model = ProgramModel::read("abs(w @ x) + b", 2, &[("w".into(), vec![2]), ("b".into(), vec![])]).unwrap();
        let model = Model::Program(model);
        assert_eq!(model.program(7).unwrap().output_shapes(), [&[7, 1]]);
        assert_eq!(model.start(0), [0.0; 3]);
        let wrong = ProgramModel::read("outer(x, x)", 2, &[]).unwrap_err().to_string();
        assert!(wrong.contains("a number or a vector") || wrong.contains("unknown"), "{wrong}");
    }
}
