//! `clarke minimize`: minimize an expression over some of its inputs, with data from files.

use crate::bind::{Bindings, DataArgs, Variable, parse, variables};
use crate::methods;
use crate::output::{Format, OutFile, json};
use crate::page::minimize::RunPage;
use crate::page::watched::Watched;
use crate::progress::{Progress, interrupted};
use crate::report::{Exit, put, warn};
use clap::Args;
use clarke::optim::{Convex, Event, Facts, Method, Oracle, Outcome, Run};
use clarke::{Evaluator, Fault, FiniteSum, Policy, Program, Samples, Tensor};
use clarke_show::{Named, words};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Minimize an expression over some of its inputs
#[derive(Debug, Args)]
pub struct MinimizeArgs {
    /// The expression, for example 'mean(abs(X @ w + b - y)) + lam*norm1(w)'
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expression: String,
    #[command(flatten)]
    pub data: DataArgs,
    /// A variable with its shape: b, w[10], W[3,4]
    #[arg(long, value_name = "NAME[SHAPE]", required = true)]
    pub over: Vec<String>,
    /// Where a variable starts (otherwise at zero): w=[1,2], W=@start.npy
    #[arg(long, value_name = "NAME=VALUE")]
    pub from: Vec<String>,
    /// How many steps are made (20000 unless given)
    #[arg(long, value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    pub steps: Option<u64>,
    /// How it is minimized: `clarke methods` lists the methods with their options
    #[arg(long, value_name = "NAME", default_value = "subgradient")]
    pub method: String,
    /// An option of the method: beta=0.9
    #[arg(long = "option", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub options: Vec<String>,
    /// The size of step k = 0, 1, …: 'a/(k+1)^p' with numbers for a and p, or auto: a/(k+1)^0.5 with a = |f|/‖g‖² at
    /// the start; short for --option step=RULE
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    pub step: Option<String>,
    /// The expression is the loss of one sample, in which this name is one entry along the first axis of its value: the
    /// mean over all samples is minimized, and methods may take batches
    #[arg(long, value_name = "NAME")]
    pub each: Vec<String>,
    /// The expression is convex in the variables: guarantees then rest on your word
    #[arg(long)]
    pub convex: bool,
    /// The seed of the policy random, and of the method
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// Write a report of the run, a page for a browser: its trace, ties, result, settings and versions
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// What is picked at ties: min-norm (the default), pytorch, jax, tensorflow, step=0.5, random(7), along([1,0])
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Save the solution: *.json, or *.npy where there is one variable
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn steps(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or("it is not a whole number from 1 on".into())
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it is not a whole number from 0 on".into())
}

/// A minimization, read and checked.
#[derive(Debug)]
pub struct Task {
    /// The data, held fixed.
    pub data: Bindings,
    /// What is minimized over.
    pub variables: Vec<Variable>,
    /// Where it starts: a value for each variable.
    pub start: Bindings,
    /// Where the solution is saved.
    pub out: Option<OutFile>,
}

impl MinimizeArgs {
    /// Reads data, variables and start, and checks that the solution can be saved.
    pub fn task(&self) -> Result<Task, Exit> {
        let data = self.data.read()?;
        let (variables, start) = variables(&self.over, &self.from, &data)?;
        let out = self.out.as_deref().map(|path| OutFile::check(path, variables.len())).transpose()?;
        Ok(Task { data, variables, start, out })
    }
}

/// A value that no problem of this world has for a minimum.
const UNBOUNDED: f64 = -1e100;

/// How many steps are made unless said otherwise.
pub const STEPS: u64 = 20_000;

/// Reads, minimizes, saves and prints.
pub fn run(args: &MinimizeArgs) -> Result<(), Exit> {
    let task = args.task()?;
    let mut page = RunPage::check(args)?;
    let one = one_sample(&task.data, &args.each)?;
    let program = parse(&args.expression, &one, &task.start.shapes(), "--let")?;
    task.data.warn_unused(&args.expression, "given a value");
    task.start.warn_unused(&args.expression, "named in --over");
    let names: Vec<&str> = task.variables.iter().map(|v| v.name.as_str()).collect();
    let program = program.varying(&names)?;
    let method = methods::build(clarke::optim::entry(&args.method)?, &args.options, args.step.as_deref(), args.seed)?;
    let policy = policy(args, &program)?;
    let mut function = Function::new(&program, &task.data, &args.each, policy)?;
    let mut said;
    let oracle: &mut dyn Oracle = if args.convex {
        said = Convex(function.oracle());
        &mut said
    } else {
        function.oracle()
    };
    let guarantee = method.guarantee(Facts::of(oracle));
    for violated in &guarantee.violated {
        warn(violated);
    }
    let steps = args.steps.unwrap_or(STEPS);
    let interrupted = interrupted()?;
    let progress = Progress::new(steps);
    let start: Vec<f64> = task.start.iter().flat_map(|(_, v)| v.data().to_vec()).collect();
    let mut watched = page.is_some().then(|| Watched::new(&start));
    let clock = Instant::now();
    let watch = &mut |event: Event<'_>| {
        progress.at(event.step, event.best_value);
        watched.iter_mut().for_each(|watched| watched.at(&event));
    };
    let run = Run { steps, interrupted: &interrupted, watch };
    let outcome = clarke::optim::minimize(&method, oracle, &start, run);
    let seconds = clock.elapsed().as_secs_f64();
    progress.done();
    if let (Some(page), Some(mut watched)) = (&mut page, watched) {
        page.along(&mut watched, outcome.as_ref().ok(), &program, &task.data, &args.each, seconds);
    }
    match outcome {
        Ok(outcome) => finish(args, &task, &function, outcome, guarantee.text, seconds, page),
        Err(error) => Err(failed(page, error.into(), None)),
    }
}

/// The error of a run that failed, which its page says too.
fn failed(page: Option<RunPage>, exit: Exit, best: Option<&Named>) -> Exit {
    match page {
        Some(page) => page.failed(exit, best),
        None => exit,
    }
}

/// The data with the first entry of what differs from sample to sample.
fn one_sample(data: &Bindings, each: &[String]) -> Result<Bindings, Exit> {
    let mut one = data.clone();
    for name in each {
        let Some(array) = data.get(name) else {
            return Err(Exit::input(format!("--each names `{name}`, which has no array for a value"))
                .hint(format!("--let {name}=… gives it one")));
        };
        let [count, rest @ ..] = array.shape() else {
            return Err(Exit::input(format!("--each names `{name}`, which is one number: it has no samples")));
        };
        if *count == 0 {
            return Err(Exit::input(format!("--each names `{name}`, which has no samples")));
        }
        one.replace(name, Tensor::from_fn(rest, |k| array.data()[k]));
    }
    Ok(one)
}

/// What is minimized.
enum Function {
    Whole(Box<Evaluator>),
    Sum(Box<FiniteSum>),
}

impl Function {
    fn new(program: &Program, data: &Bindings, each: &[String], policy: Policy) -> Result<Function, Exit> {
        if each.is_empty() {
            let data: Vec<Tensor> = data.iter().map(|(_, v)| v.clone()).collect();
            return Ok(Function::Whole(Box::new(Evaluator::new(program, &data, policy)?)));
        }
        let (mut samples, mut shared) = (vec![], vec![]);
        for (name, value) in data.iter() {
            match each.iter().any(|e| e == name) {
                true => samples.push((name, Samples::try_from(value.clone())?)),
                false => shared.push((name, value.clone())),
            }
        }
        Ok(Function::Sum(Box::new(FiniteSum::new(program, &samples, &shared, policy)?)))
    }

    fn oracle(&mut self) -> &mut dyn Oracle {
        match self {
            Function::Whole(evaluator) => &mut **evaluator,
            Function::Sum(sum) => &mut **sum,
        }
    }

    fn split(&self, x: &[f64]) -> Vec<Tensor> {
        match self {
            Function::Whole(evaluator) => evaluator.split(x),
            Function::Sum(sum) => sum.split(x),
        }
    }
}

/// The policy; random ones start from `--seed`.
fn policy(args: &MinimizeArgs, program: &Program) -> Result<Policy, Exit> {
    Ok(match args.policy.as_deref() {
        None => Policy::default(),
        Some("random") => Policy::Random(args.seed),
        Some(text) => Policy::read(text, program)?,
    })
}

/// Saves and prints the outcome; a run that failed on the way saves its best point, and ends with its error.
fn finish(
    args: &MinimizeArgs,
    task: &Task,
    function: &Function,
    outcome: Outcome,
    guarantee: String,
    seconds: f64,
    page: Option<RunPage>,
) -> Result<(), Exit> {
    let names = task.variables.iter().map(|v| v.name.clone());
    let solution = Named(names.zip(function.split(&outcome.best)).collect());
    let saved = match &task.out {
        Some(out) => {
            out.save(&solution)?;
            args.out.clone()
        }
        None => None,
    };
    if let Some(error) = outcome.failure {
        let best = words::number(outcome.best_value);
        let kept = match saved {
            Some(path) => format!("; the point with the least value met, {best}, is in {}", path.display()),
            None => format!("; the least value met was {best}"),
        };
        let too_large = matches!(&*error.fault, Fault::NotFinite { value, .. } if value.is_infinite());
        let advice = match outcome.best_value {
            best if best < UNBOUNDED => Some("the values fall without bound: the expression may have no minimum"),
            _ if too_large => Some("smaller steps may help: --step 'a/(k+1)^p' with a smaller a"),
            _ => None,
        };
        let exit = Exit::from(error)
            .hint(format!("it stopped after {}{kept}", words::plural(outcome.steps as usize, "step")))
            .maybe_hint(advice.map(str::to_string));
        return Err(failed(page, exit, Some(&solution)));
    }
    let report = MinimizeReport {
        status: outcome.status.to_string(),
        value: outcome.value,
        best_value: outcome.best_value,
        solution,
        steps: outcome.steps,
        seconds,
        method: args.method.clone(),
        evaluations: Evaluations {
            values: outcome.evaluations.values,
            gradients: outcome.evaluations.gradients,
            terms: outcome.evaluations.terms,
        },
        measures: outcome.measures.iter().map(|m| (m.name.into(), m.value)).collect(),
        guarantee,
        trace: outcome.trace,
        expression: args.expression.clone(),
        saved,
    };
    if let Some(page) = page {
        page.done(&report)?;
    }
    put(&report.print(args.format)?)
}

/// What `clarke minimize` says. The JSON has these fields in this order, those for the text alone left out.
#[derive(Debug, Clone, Serialize)]
pub struct MinimizeReport {
    /// How it ended.
    pub status: String,
    /// The value at the last iterate.
    pub value: f64,
    /// The least value met.
    pub best_value: f64,
    /// Where the least value was met, by name.
    pub solution: Named,
    /// How many steps were made.
    pub steps: u64,
    /// How long they took.
    pub seconds: f64,
    /// The method's name.
    pub method: String,
    /// How often the function was evaluated.
    pub evaluations: Evaluations,
    /// What the method measured at the end, by name.
    pub measures: Vec<(String, f64)>,
    /// What the theory promises of this run.
    pub guarantee: String,
    /// Step and value, thinned.
    pub trace: Vec<(u64, f64)>,
    /// The expression as given.
    #[serde(skip)]
    pub expression: String,
    /// Where the solution was saved.
    #[serde(skip)]
    pub saved: Option<PathBuf>,
}

/// How often the function was evaluated.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Evaluations {
    /// Values alone.
    pub values: u64,
    /// Gradients with their values, of the whole or of a batch.
    pub gradients: u64,
    /// How many terms these had together.
    pub terms: u64,
}

impl MinimizeReport {
    /// The report in the format asked for.
    pub fn print(&self, format: Format) -> Result<String, Exit> {
        match format {
            Format::Text => Ok(text(self)),
            Format::Json => json(self),
        }
    }

    /// How it ended, in words.
    pub fn ended(&self) -> &str {
        match self.status.as_str() {
            "steps" => "all steps made",
            "stationary" => "stationary: 0 is in the conservative gradient here, and the method stays",
            "converged" => "converged: what the method measures is within its tolerance",
            "stalled" => "stalled: no better point was found in this arithmetic, and the tolerance is not met",
            other => other,
        }
    }
}

/// The report as people read it.
pub fn text(report: &MinimizeReport) -> String {
    let mut out = words::hanging("minimize ", &report.expression) + "\n";
    out += &format!("status      {}\n", report.ended());
    out += &format!("best value  {}\n", words::number(report.best_value));
    out += &format!("last value  {}\n", words::number(report.value));
    out += &format!("method      {}\n", report.method);
    out += &format!("steps       {} in {:.2} s\n", report.steps, report.seconds);
    for (name, value) in &report.measures {
        out += &format!("measured    {name} = {}\n", words::number(*value));
    }
    out.push('\n');
    let width = report.solution.0.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    for (name, value) in &report.solution.0 {
        out += &format!("{name:<width$} = {}\n", words::array(value, width + 3));
    }
    if let Some(path) = &report.saved {
        out += &format!("\nsaved to {}\n", path.display());
    }
    out.push('\n');
    out + &words::paragraph(&format!("Guarantee: {}.", report.guarantee.trim_end_matches('.')), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: MinimizeArgs,
    }

    fn args(words: &[&str]) -> Result<MinimizeArgs, clap::Error> {
        <Line as clap::Parser>::try_parse_from(["clarke"].iter().chain(words)).map(|line| line.args)
    }

    #[test]
    fn a_task_is_read_and_checked() {
        let task =
            args(&["-abs(b) + lam", "--over", "b", "--let", "lam=-1", "--from", "b=-2"]).unwrap().task().unwrap();
        assert_eq!(task.variables, [Variable { name: "b".into(), shape: vec![] }]);
        assert_eq!(task.start.get("b"), Some(&Tensor::scalar(-2.0)));
        assert_eq!(task.data.get("lam"), Some(&Tensor::scalar(-1.0)));
        assert_eq!(task.out, None);
        let two = args(&["b + c", "--over", "b", "--over", "c", "--out", "s.npy"]).unwrap();
        assert!(two.task().unwrap_err().render(false).contains("there are 2 variables"));
    }

    #[test]
    fn options_that_need_each_other_are_checked() {
        assert!(args(&["b"]).is_err(), "--over is required");
        assert!(args(&["b", "--over", "b", "--y", "a"]).is_err(), "--y requires --csv");
        assert!(args(&["b", "--over", "b", "--standardize"]).is_err(), "--standardize requires --csv");
        assert!(args(&["b", "--over", "b", "--steps", "0"]).is_err());
    }

    #[test]
    fn options_of_the_method_are_read() {
        let built = |words: &[&str]| {
            let args = args(&[&["abs(b)", "--over", "b"], words].concat()).unwrap();
            let entry = clarke::optim::entry(&args.method).map_err(|e| e.to_string())?;
            methods::build(entry, &args.options, args.step.as_deref(), args.seed)
                .map(|m| format!("{m:?}"))
                .map_err(|e| e.render(false))
        };
        let ball = built(&["--method", "heavy-ball", "--option", "beta=0.25", "--step", "0.5", "--seed", "3"]).unwrap();
        assert!(ball.contains("beta: 0.25") && ball.contains("a: 0.5") && ball.contains("seed: 3"), "{ball}");
        for (words, part) in [
            (&["--method", "heavyball"][..], "unknown method `heavyball`"),
            (&["--method", "heavy-ball", "--option", "beta"], "--option `beta` has no value"),
            (&["--method", "heavy-ball", "--option", "beta=2"], "beta is 2, but it must be a number ≥ 0 and < 1"),
            (&["--option", "beta=0"], "unknown option `beta`"),
            (&["--step", "1", "--option", "step=2"], "it is given twice"),
        ] {
            let said = built(words).unwrap_err();
            assert!(said.contains(part), "{words:?}: {said}");
        }
    }

    fn report() -> MinimizeReport {
        MinimizeReport {
            status: "steps done".into(),
            value: 1.5,
            best_value: 1.25,
            solution: Named(vec![("w".into(), Tensor::vector([1.0, 0.0])), ("b".into(), Tensor::scalar(-2.0))]),
            steps: 100,
            seconds: 0.125,
            method: "heavy-ball".into(),
            evaluations: Evaluations { values: 0, gradients: 101, terms: 101 },
            measures: vec![("‖v‖".into(), 0.5)],
            guarantee: "convergence is promised".into(),
            trace: vec![(0, 9.0), (100, 1.5)],
            expression: "norm1(w) +\n b".into(),
            saved: None,
        }
    }

    #[test]
    fn the_json_has_exactly_the_documented_fields() {
        assert_eq!(
            report().print(Format::Json).unwrap(),
            concat!(
                r#"{"status":"steps done","value":1.5,"best_value":1.25,"solution":{"w":[1.0,0.0],"b":-2.0},"#,
                r#""steps":100,"seconds":0.125,"method":"heavy-ball","#,
                r#""evaluations":{"values":0,"gradients":101,"terms":101},"measures":[["‖v‖",0.5]],"#,
                r#""guarantee":"convergence is promised","#,
                r#""trace":[[0,9.0],[100,1.5]]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn the_text_has_value_and_solution() {
        let expected = "\
minimize norm1(w) + b

status      steps done
best value  1.25
last value  1.5
method      heavy-ball
steps       100 in 0.12 s
measured    ‖v‖ = 0.5

w = [1, 0]
b = -2

saved to w.json

Guarantee: convergence is promised.
";
        assert_eq!(text(&MinimizeReport { saved: Some("w.json".into()), ..report() }), expected);
    }
}
