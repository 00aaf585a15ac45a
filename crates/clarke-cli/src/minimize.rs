//! `clarke minimize`: minimize an expression over some of its inputs, with data from files.

use crate::bind::{Bindings, DataArgs, Variable, parse, variables};
use crate::each::Each;
use crate::explain::certified;
use crate::methods::{self, policy};
use crate::output::{Format, OutFile, Target, json};
use crate::page::minimize::RunPage;
use crate::page::watched::Watched;
use crate::progress::{Progress, interrupted};
use crate::report::{Exit, put, warn};
use clap::Args;
use clarke::optim::{AnyMethod, Convex, Evaluations, Event, Facts, Method, Oracle, Outcome, Run};
use clarke::{ConcludeOptions, Conclusion, Evaluator, Fault, FiniteSum, Policy, Program, Samples, Tensor};
use clarke_show::{ConclusionReport, Named, conclusion_text, words};
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
    /// How it is minimized: `clarke methods` lists the methods with their options (auto unless given; subgradient where
    /// --step is given)
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
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
    /// Samples from a file, as `clarke train` takes them: the expression is the loss of one, with the features X, a vector,
    /// and the target y, and the mean over all is minimized; --y names the target where the file does not
    #[arg(long, value_name = "FILE", group = "table", conflicts_with_all = ["csv", "each"])]
    pub samples: Option<PathBuf>,
    /// Samples beyond so many megabytes lie in files, mapped into memory
    #[arg(long, value_name = "MB", default_value_t = 1024, requires = "samples")]
    pub memory: usize,
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
    /// Leave the best point where the method found it, next to ties and not on them
    #[arg(long)]
    pub no_polish: bool,
    /// Judge the best point even where that may take long: with more than 20 ties or 100 variables
    #[arg(long, conflicts_with = "no_certify")]
    pub certify: bool,
    /// Do not judge the best point
    #[arg(long)]
    pub no_certify: bool,
    /// Within which absolute distance ties count as met at the best point, where it was not polished
    #[arg(long, value_name = "DISTANCE", default_value_t = 1e-6, value_parser = distance, allow_negative_numbers = true)]
    pub tie_tol: f64,
    /// Of a convex function: the radius of the ball around the solution over which f − min f is bounded
    #[arg(long, value_name = "RADIUS", requires = "convex", value_parser = distance, allow_negative_numbers = true)]
    pub ball: Option<f64>,
    /// Write the certificate of the verdict to a file, for `clarke verify`
    #[arg(long, value_name = "FILE.json")]
    pub certificate: Option<PathBuf>,
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

fn distance(text: &str) -> Result<f64, String> {
    let read = text.parse().ok().filter(|x: &f64| *x >= 0.0 && x.is_finite());
    read.ok_or("it is not a finite number from 0 on".into())
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
    /// Where the certificate is written.
    pub certificate: Option<Target>,
}

impl MinimizeArgs {
    /// Reads data, variables and start, and checks that the solution can be saved.
    pub fn task(&self) -> Result<Task, Exit> {
        let data = self.data.read()?;
        let (variables, start) = variables(&self.over, &self.from, &data)?;
        let out = self.out.as_deref().map(|path| OutFile::check(path, variables.len())).transpose()?;
        let certificate = self.certificate.as_deref().map(|path| Target::check("--certificate", path)).transpose()?;
        Ok(Task { data, variables, start, out, certificate })
    }

    /// The method's name.
    pub fn method_name(&self) -> &str {
        self.method.as_deref().unwrap_or(if self.step.is_some() { "subgradient" } else { "auto" })
    }

    /// What is done with the best point.
    fn conclude(&self) -> ConcludeOptions {
        let judge = match (self.certify, self.no_certify) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            // Whoever wants a certificate waits for it.
            _ => self.certificate.is_some().then_some(true),
        };
        ConcludeOptions {
            polish: self.no_polish.then_some(false),
            judge,
            tolerance: self.tie_tol,
            convex: self.convex,
            radius: self.ball,
        }
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
    let each = Each::of(args, &task.data)?;
    let one = each.as_ref().map_or_else(|| Ok(task.data.clone()), |each| each.one(&task.data))?;
    let program = parse(&args.expression, &one, &task.start.shapes(), "--let")?;
    task.data.warn_unused(&args.expression, "given a value");
    task.start.warn_unused(&args.expression, "named in --over");
    let names: Vec<&str> = task.variables.iter().map(|v| v.name.as_str()).collect();
    let program = program.varying(&names)?;
    let method =
        methods::build(clarke::optim::entry(args.method_name())?, &args.options, args.step.as_deref(), args.seed)?;
    let policy = policy(args.policy.as_deref(), args.seed, || Ok(program.clone()))?;
    let mut function = Function::new(&program, &task.data, each.as_ref(), policy)?;
    let mut said;
    let oracle: &mut dyn Oracle = if args.convex {
        said = Convex(function.oracle());
        &mut said
    } else {
        function.oracle()
    };
    let guarantee = method.guarantee(Facts::of(oracle));
    // What is said of a method that nobody chose stands at the end.
    let chosen = args.method.is_some() || args.step.is_some();
    for violated in guarantee.violated.iter().filter(|_| chosen) {
        warn(violated);
    }
    let steps = args.steps.unwrap_or(STEPS);
    let interrupted = interrupted()?;
    let progress = Progress::new(steps);
    progress.first(&guaranteed(&guarantee.text));
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
        page.along(&mut watched, outcome.as_ref().ok(), &program, &task.data, each.as_ref(), seconds);
    }
    match outcome {
        Ok(outcome) => {
            let end = conclusion(args, &method, &function, &outcome);
            finish(args, &task, outcome, end, guarantee.text, seconds, page)
        }
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

/// What is minimized.
enum Function {
    Whole(Box<Evaluator>),
    Sum(Box<FiniteSum>),
}

impl Function {
    fn new(program: &Program, data: &Bindings, each: Option<&Each>, policy: Policy) -> Result<Function, Exit> {
        let Some(each) = each else {
            let data: Vec<Tensor> = data.iter().map(|(_, v)| v.clone()).collect();
            return Ok(Function::Whole(Box::new(Evaluator::new(program, &data, policy)?)));
        };
        let shared: Vec<(&str, Tensor)> =
            data.iter().filter(|(name, _)| !each.has(name)).map(|(name, value)| (name, value.clone())).collect();
        let samples: Vec<(&str, Samples)> = each.arrays().collect();
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

    fn conclude(&self, x: &[f64], value: f64, options: &ConcludeOptions) -> Conclusion {
        match self {
            Function::Whole(evaluator) => evaluator.conclude(x, value, options),
            Function::Sum(sum) => sum.conclude(x, value, options),
        }
    }
}

/// What is known of the best point; nothing after a failure, and nothing of what a regularizer of the method's own adds.
fn conclusion(args: &MinimizeArgs, method: &AnyMethod, function: &Function, outcome: &Outcome) -> Conclusion {
    let why = match (&outcome.failure, method.alters()) {
        (None, false) => return function.conclude(&outcome.best, outcome.best_value, &args.conclude()),
        (Some(_), _) => "the run failed",
        (None, true) => "the method's own regularizer or constraint is no part of the expression",
    };
    Conclusion::without_verdict(function.split(&outcome.best), outcome.best_value, why.into())
}

/// Saves and prints the outcome; a run that failed on the way saves its best point, and ends with its error.
fn finish(
    args: &MinimizeArgs,
    task: &Task,
    outcome: Outcome,
    end: Conclusion,
    guarantee: String,
    seconds: f64,
    page: Option<RunPage>,
) -> Result<(), Exit> {
    let names = task.variables.iter().map(|v| v.name.clone());
    let solution = Named(names.zip(end.variables.iter().cloned()).collect());
    // A solution that cannot be saved any more is not lost: it is printed, and the error comes after it.
    let saving = task.out.as_ref().map_or(Ok(()), |out| out.save(&solution));
    let saved = args.out.clone().filter(|_| saving.is_ok());
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
    let certificate = end.certificate.as_ref();
    if let (Some(target), Some(certificate)) = (&task.certificate, certificate) {
        target.save(certified(certificate)?.as_bytes())?;
    }
    let unproved = task.certificate.is_some() && certificate.is_none();
    let report = MinimizeReport {
        status: outcome.status.to_string(),
        value: outcome.value,
        best_value: end.value,
        solution,
        steps: outcome.steps,
        seconds,
        method: args.method_name().into(),
        evaluations: outcome.evaluations,
        measures: outcome.measures.iter().map(|m| (m.name.into(), m.value)).collect(),
        guarantee,
        conclusion: ConclusionReport::new(&end),
        trace: outcome.trace,
        expression: args.expression.clone(),
        certificate: conclusion_text(&end),
        saved,
    };
    if let Some(page) = page {
        page.done(&report, &end)?;
    }
    put(&report.print(args.format)?)?;
    saving?;
    match (&args.certificate, unproved) {
        (Some(path), true) => {
            let why = end.unjudged.unwrap_or("the verdict is undecided".into());
            Err(Exit::failed(format!("{} was not written: {why}", path.display())))
        }
        _ => Ok(()),
    }
}

/// What `clarke minimize` says. The JSON has these fields in this order, those for the text alone left out.
#[derive(Debug, Clone, Serialize)]
pub struct MinimizeReport {
    /// How it ended.
    pub status: String,
    /// The value at the last iterate.
    pub value: f64,
    /// The value at the solution: the least value met, or that at the point it was polished to.
    pub best_value: f64,
    /// Where that is, by name.
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
    /// What is known of the solution.
    pub conclusion: ConclusionReport,
    /// Step and value, thinned.
    pub trace: Vec<(u64, f64)>,
    /// The expression as given.
    #[serde(skip)]
    pub expression: String,
    /// What is known of the solution, in words.
    #[serde(skip)]
    pub certificate: String,
    /// Where the solution was saved.
    #[serde(skip)]
    pub saved: Option<PathBuf>,
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
    out += &format!("\nCertificate\n{}\n", report.certificate);
    out + &guaranteed(&report.guarantee)
}

/// What the theory gives for a run, as a paragraph.
pub fn guaranteed(guarantee: &str) -> String {
    words::paragraph(&format!("Guarantee: {}.", guarantee.trim_end_matches('.')), 0)
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
            let entry = clarke::optim::entry(args.method_name()).map_err(|e| e.to_string())?;
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

    fn end() -> Conclusion {
        Conclusion::without_verdict(vec![], 1.25, "it was not asked for".into())
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
            conclusion: ConclusionReport::new(&end()),
            trace: vec![(0, 9.0), (100, 1.5)],
            expression: "norm1(w) +\n b".into(),
            certificate: conclusion_text(&end()),
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
                r#""conclusion":{"verdict":null,"unjudged":"it was not asked for","critical":null,"norm":null,"#,
                r#""scale":null,"precision":"exact","largest":0.0,"proof":null,"bound":null,"active":[],"polished":false},"#,
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

Certificate
No verdict on this point: it was not asked for.

Guarantee: convergence is promised.
";
        assert_eq!(text(&MinimizeReport { saved: Some("w.json".into()), ..report() }), expected);
    }
}
