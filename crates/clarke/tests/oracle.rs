//! What this library computes, written to a file for an oracle that nobody here wrote: `oracle/oracle.py` computes the
//! same with JAX and compares. `cargo xtask test` runs both; alone, this test writes and compares nothing.

mod common;
#[path = "common/sketch.rs"]
mod sketch;

use clarke::program::op::{Derivative, Sample};
use clarke::{Convention, Policy, Program, Tensor, compound, op};
use common::Draw;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use sketch::Form;

/// How many points of each kind a sample is compared at.
const POINTS: usize = 12;

/// How many random programs are compared.
const PROGRAMS: usize = 12;

/// A number, or nan and inf, which JSON has no numbers for.
fn number(x: &f64) -> Value {
    if x.is_finite() { json!(x) } else { json!(x.to_string()) }
}

fn flat(tensor: &Tensor) -> Value {
    tensor.data().iter().map(number).collect()
}

fn flats(tensors: &[Tensor]) -> Value {
    tensors.iter().map(flat).collect()
}

/// Values and both derivatives of a program at a point, under the preset of JAX. The slow twin and compiled code agree
/// by other tests; these are of compiled code.
fn answers(program: &Program, x: &[Tensor], seed: u64) -> Value {
    let compiled = |p: clarke::Result<Program>| p.unwrap().compile::<f64>(Convention::Jax);
    let mut draw = Draw::new(seed);
    let cotangent = draw.tensor(program.output_shapes()[0], (-1.0, 1.0));
    let tangents: Vec<Tensor> = x.iter().map(|t| draw.tensor(t.shape(), (-1.0, 1.0))).collect();
    let reverse = compiled(program.vjp()).call(&[x, std::slice::from_ref(&cotangent)].concat()).unwrap();
    let forward = compiled(program.linearize()).call(&[x, &tangents].concat()).unwrap();
    json!({
        "x": flats(x), "value": flat(&forward[0]), "cotangent": flat(&cotangent), "vjp": flats(&reverse),
        "tangents": flats(&tangents), "jvp": flat(&forward[1]),
    })
}

/// A sample's own function, summed with weights: what the analysis at a point can be asked of.
fn projected(program: &Program) -> Program {
    let weights = Draw::new(2).tensor(program.output_shapes()[0], (0.5, 1.5));
    let builder = clarke::Builder::new();
    let inputs: Vec<_> = program.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let out = builder.inline(program, &inputs)[0];
    builder.finish(&[(out * builder.constant(weights)).sum()]).unwrap()
}

/// The points of one sample: smooth ones, clear of every tie; and ones on the grid with a tie.
fn points(sample: &Sample, program: &Program) -> (Vec<Value>, Vec<Value>) {
    let f = projected(program);
    let mut draw = Draw::new(1);
    let (mut smooth, mut tied) = (vec![], vec![]);
    // Three numbers: what ties often ties with more than one.
    let centre = ((sample.domain.0 + sample.domain.1) / 2.0).round();
    let middle = (sample.domain.0.max(centre - 0.5), sample.domain.1.min(centre + 0.5));
    for k in 0..300 {
        let on_grid = k % 2 == 1;
        let shapes = sample.inputs.iter().map(|(_, shape)| *shape);
        let x: Vec<Tensor> = match on_grid {
            true => shapes.map(|s| draw.grid(s, if k % 4 == 1 { sample.domain } else { middle })).collect(),
            false => shapes.map(|s| draw.tensor(s, sample.domain)).collect(),
        };
        let at = f.at(&x).unwrap();
        if on_grid && tied.len() < POINTS {
            let met = at.ties(0.0).unwrap();
            // A derivative that is an error here is none that could be compared.
            if !met.is_empty() && at.gradient(&Policy::jax()).is_ok() {
                let mut point = answers(program, &x, k);
                let notes: Vec<_> = met.iter().filter_map(|t| t.site.choice(Convention::Jax).note).collect();
                point["notes"] = json!(notes);
                tied.push(point);
            }
        }
        if !on_grid && smooth.len() < POINTS && at.ties(1e-3).unwrap().is_empty() {
            smooth.push(answers(program, &x, k));
        }
    }
    (smooth, tied)
}

fn sample_cases(name: &str, sample: &Sample) -> Value {
    let program = clarke::parse(sample.text, sample.inputs).unwrap();
    let inputs: Vec<Value> = sample.inputs.iter().map(|(name, shape)| json!([name, shape])).collect();
    if sample.derivative == Derivative::Missing {
        let mut draw = Draw::new(1);
        let value = |x: Vec<Tensor>| json!({"x": flats(&x), "value": flat(&program.eval(&x).unwrap()[0])});
        let draws = (0..POINTS).map(|_| sample.inputs.iter().map(|(_, s)| draw.tensor(s, sample.domain)).collect());
        let smooth: Vec<Value> = draws.map(value).collect();
        return json!({"operator": name, "text": sample.text, "inputs": inputs, "smooth": smooth, "tied": []});
    }
    let (smooth, tied) = points(sample, &program);
    assert_eq!(smooth.len(), POINTS, "`{}` has ties nearly everywhere", sample.text);
    json!({"operator": name, "text": sample.text, "inputs": inputs, "smooth": smooth, "tied": tied})
}

/// Random programs of all operators, each at a point where no tie is near.
fn random_programs() -> Vec<Value> {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(0), ..Config::default() });
    let mut programs = vec![];
    for _ in 0..50 * PROGRAMS {
        if programs.len() == PROGRAMS {
            break;
        }
        let sketch = sketch::sketches(4..40).new_tree(&mut runner).unwrap().current();
        let program = sketch.program(Form::Plain);
        let x = sketch.at(0, true);
        if !program.at(&x).unwrap().ties(1e-6).unwrap().is_empty() {
            continue;
        }
        let inputs: Vec<Value> = program.inputs().iter().map(|i| json!([i.name, i.shape])).collect();
        programs.push(json!({
            "text": program.to_string(), "inputs": inputs, "smooth": [answers(&program, &x, 3)],
        }));
    }
    assert_eq!(programs.len(), PROGRAMS, "hardly a program is smooth somewhere");
    programs
}

#[test]
#[ignore = "writes the cases for oracle.py; run by cargo xtask test"]
fn write_the_cases() {
    let path = std::env::var("CLARKE_ORACLE_CASES").expect("CLARKE_ORACLE_CASES names the file to write");
    let table: Vec<_> = op::OPS.iter().chain(compound::COMPOUND).collect();
    let operators: Vec<Value> = table.iter().map(|e| json!({"name": e.name, "ties": e.ties})).collect();
    let cases: Vec<Value> = table.iter().flat_map(|e| e.samples.iter().map(|s| sample_cases(e.name, s))).collect();
    let record: Value = serde_json::from_str(include_str!("data/kink_conventions.json")).unwrap();
    let all = json!({"operators": operators, "cases": cases, "programs": random_programs(), "record": record});
    std::fs::write(&path, all.to_string()).unwrap_or_else(|e| panic!("{path}: {e}"));
}
