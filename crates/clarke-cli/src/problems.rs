//! The test problems of `data/problems.json`: programs as text, with start, best known value, convexity.

use clarke::optim::{Composite, Convexity, Oracle, Parts};
use clarke::program::class::Level;
use clarke::{Evaluator, Policy, Program, Result, Tensor};
use serde_json::Value;

/// A test problem: minimize a program over x[n].
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its name.
    pub name: String,
    /// The program's text.
    pub text: String,
    /// x₀.
    pub start: Vec<f64>,
    /// f(x₀), where it is stated.
    pub value: Option<f64>,
    /// The least value known.
    pub best: f64,
    /// Whether f is convex.
    pub convex: bool,
    /// The other inputs.
    pub data: Vec<(String, Tensor)>,
    /// What another solver needed.
    pub published: Vec<Published>,
}

/// What another solver needed, and reached.
#[derive(Debug, Clone)]
pub struct Published {
    /// Which variant of it.
    pub direction: String,
    /// Values computed.
    pub values: u64,
    /// Gradients computed.
    pub gradients: u64,
    /// The value reached.
    pub last: f64,
}

/// The classical problems, and those of 1000 variables.
pub fn all() -> (Vec<Problem>, Vec<Problem>) {
    let file: Value = serde_json::from_str(include_str!("../../../data/problems.json")).expect("the file is JSON");
    let list = |name: &str| file[name].as_array().expect("a list").iter().map(Problem::read).collect();
    (list("problems"), list("large"))
}

impl Problem {
    fn read(entry: &Value) -> Problem {
        let text = |name: &str| entry[name].as_str().expect("text").to_string();
        let n = entry["n"].as_u64().expect("a number of variables") as usize;
        let start = tensor(&entry["start"]);
        let data = entry["data"].as_object().into_iter().flatten();
        let published = entry["published"].as_array().into_iter().flatten();
        Problem {
            name: text("name"),
            text: text("text"),
            start: (0..n).map(|i| start.data()[i % start.data().len()]).collect(),
            value: entry["value"].as_f64(),
            best: entry["best"].as_f64().expect("a best value"),
            convex: entry["convex"].as_bool().expect("whether it is convex"),
            data: data.map(|(name, array)| (name.clone(), tensor(array))).collect(),
            published: published.map(Published::read).collect(),
        }
    }

    /// n.
    pub fn dimension(&self) -> usize {
        self.start.len()
    }

    /// The program over x and the data. Errors: those of its text.
    pub fn program(&self) -> Result<Program> {
        let n = [self.dimension()];
        let data = self.data.iter().map(|(name, array)| (name.as_str(), array.shape()));
        let inputs: Vec<(&str, &[usize])> = std::iter::once(("x", &n[..])).chain(data).collect();
        clarke::parse(&self.text, &inputs)?.varying(&["x"])
    }

    /// Values of all inputs of the program.
    pub fn inputs(&self, x: &[f64]) -> Vec<Tensor> {
        std::iter::once(Tensor::vector(x.to_vec())).chain(self.data.iter().map(|(_, array)| array.clone())).collect()
    }

    /// f as methods see it. Errors: those of its text, or of an operator without derivative.
    pub fn function(&self) -> Result<Function> {
        let data: Vec<Tensor> = self.data.iter().map(|(_, array)| array.clone()).collect();
        let evaluator = Evaluator::new(&self.program()?, &data, Policy::default())?;
        Ok(Function { evaluator, convex: self.convex })
    }

    /// What f − f* may be: 10⁻⁶ max(1, |f*|) for convex problems, 10⁻⁴ for others.
    pub fn bar(&self) -> f64 {
        if self.convex { 1e-6 * self.best.abs().max(1.0) } else { 1e-4 }
    }
}

impl Published {
    fn read(entry: &Value) -> Published {
        let count = |name: &str| entry[name].as_u64().expect("a count");
        Published {
            direction: entry["direction"].as_str().expect("a name").to_string(),
            values: count("values"),
            gradients: count("gradients"),
            last: entry["final"].as_f64().expect("a value"),
        }
    }
}

/// The function of a problem, which knows whether it is convex.
pub struct Function {
    evaluator: Evaluator,
    convex: bool,
}

impl Oracle for Function {
    fn dimension(&self) -> usize {
        self.evaluator.dimension()
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.evaluator.value_and_gradient(x, gradient)
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.evaluator.value(x)
    }

    fn level(&self) -> Level {
        Oracle::level(&self.evaluator)
    }

    fn convexity(&self) -> Convexity {
        if self.convex { Convexity::Convex } else { Convexity::Unknown }
    }

    fn parts(&self) -> Option<Parts> {
        Oracle::parts(&self.evaluator)
    }

    fn composite(&mut self) -> Option<&mut dyn Composite> {
        self.evaluator.composite()
    }
}

/// An array of numbers, nested or not.
fn tensor(array: &Value) -> Tensor {
    let mut shape = vec![];
    let mut at = array;
    while let Some(list) = at.as_array() {
        shape.push(list.len());
        at = &list[0];
    }
    let mut flat = vec![];
    collect(array, &mut flat);
    Tensor::new(&shape, flat).expect("rows of one length")
}

fn collect(array: &Value, flat: &mut Vec<f64>) {
    match array.as_array() {
        Some(list) => list.iter().for_each(|entry| collect(entry, flat)),
        None => flat.push(array.as_f64().expect("a number")),
    }
}
