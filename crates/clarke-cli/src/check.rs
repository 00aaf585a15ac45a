//! `clarke check`: is a gradient that somebody wrote by hand a conservative one?

use crate::bind::{Bindings, parse};
use crate::output::{Format, json};
use crate::report::{Exit, list, put, suggestion};
use clap::Args;
use clarke::check::joined;
use clarke::{Boxes, CheckOptions, GradientRule, Policy, PolicyRule, Program, Tensor, check_conservative};
use clarke_show::{check_json, words};

/// Check a gradient written by hand: along curves, inside ties, close to ties, and against both sets at the point
///
/// Exit code 0 if nothing speaks against it being a conservative gradient, 1 if something does, 2 on bad input.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The function, for example 'maximum(x, y)'
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expression: String,
    /// The gradient: an expression for each variable in their order, or x=EXPR
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true, required_unless_present = "policy")]
    pub gradient: Vec<String>,
    /// Check what backpropagation returns under a policy instead: min-norm, pytorch, jax, tensorflow, …
    #[arg(long, value_name = "POLICY", conflicts_with = "gradient")]
    pub policy: Option<String>,
    /// A point to look at and around: x=0, y=[1,2]; it gives the variables their shapes
    #[arg(long, value_name = "NAME=VALUE")]
    pub at: Vec<String>,
    /// Where to look in a variable, in each of its entries: x=-2..2 (else within 2 of the point); without --at a scalar
    #[arg(long = "box", value_name = "NAME=LOW..HIGH")]
    pub boxes: Vec<String>,
    /// A value that is held fixed: c=[1,2], A=@file.npy
    #[arg(long = "let", value_name = "NAME=VALUE")]
    pub lets: Vec<String>,
    /// How many curves are tried
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub curves: u32,
    /// The relative error that the gradient may have
    #[arg(long, value_name = "TOL", default_value_t = 1e-6)]
    pub tol: f64,
    /// The seed of all random choices
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Reads, checks and prints. Whether the gradient passes.
pub fn run(args: &CheckArgs) -> Result<bool, Exit> {
    let boxes = boxes(&args.boxes)?;
    let variables = variables(args, &boxes)?;
    let mut all = variables.clone();
    for (name, array) in Bindings::read(&args.lets, "--let")?.iter() {
        all.add(name.to_string(), array.clone())?;
    }
    let names = variables.names();
    let program = parse(&args.expression, &all, &[], "--at")?;
    let program = program.varying(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    all.warn_unused(&args.expression, "given a value");
    let rule = rule(args, &program, &variables, &all)?;
    let region = (!boxes.is_empty()).then(|| region(&variables, &boxes)).transpose()?;
    let options = CheckOptions {
        seed: args.seed,
        curves: args.curves as usize,
        tolerance: args.tol,
        region,
        ..Default::default()
    };
    let point: Vec<Tensor> = all.iter().map(|(_, v)| v.clone()).collect();
    let report = check_conservative(&program, rule.as_ref(), &[point], &options)?;
    match args.format {
        Format::Text => put(&(words::hanging("f = ", &args.expression) + &report.to_string()))?,
        Format::Json => put(&json(&check_json(&args.expression, &report))?)?,
    }
    Ok(report.passes())
}

/// A box for a name.
struct Range {
    name: String,
    low: f64,
    high: f64,
}

fn boxes(given: &[String]) -> Result<Vec<Range>, Exit> {
    let range = |text: &String| {
        let bad = |why: &str| Exit::input(format!("--box {text}: {why}")).hint("written as --box x=-2..2");
        let (name, ends) = text.split_once('=').ok_or_else(|| bad("there is no `=`"))?;
        let (low, high) = ends.split_once("..").ok_or_else(|| bad("there is no `..`"))?;
        let number = |t: &str| match t.trim().parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(x),
            _ => Err(bad(&format!("`{}` is not a finite number", t.trim()))),
        };
        let (low, high) = (number(low)?, number(high)?);
        if low >= high {
            return Err(bad("the lower end is not below the upper end"));
        }
        Ok(Range { name: name.trim().to_string(), low, high })
    };
    given.iter().map(range).collect()
}

/// The variables with their point: of `--at`, then scalars of which only a box is known, in its middle.
fn variables(args: &CheckArgs, boxes: &[Range]) -> Result<Bindings, Exit> {
    let mut all = Bindings::read(&args.at, "--at")?;
    let mut seen: Vec<&str> = vec![];
    for Range { name, low, high } in boxes {
        if seen.contains(&name.as_str()) {
            return Err(Exit::input(format!("--box names `{name}` twice")));
        }
        seen.push(name);
        if all.get(name).is_none() {
            all.add(name.clone(), Tensor::scalar(0.5 * low + 0.5 * high))?;
        }
    }
    if all.names().is_empty() {
        return Err(Exit::input("there is no variable").hint("--at x=0 or --box x=-2..2 names one"));
    }
    Ok(all)
}

fn region(variables: &Bindings, boxes: &[Range]) -> Result<Vec<Boxes>, Exit> {
    let of = |(name, array): (&str, &Tensor)| match boxes.iter().find(|b| b.name == name) {
        Some(b) => Ok(Boxes::new(Tensor::full(array.shape(), b.low), Tensor::full(array.shape(), b.high))?),
        None => Ok(Boxes::from_fn(array.shape(), |k| (array.data()[k] - 2.0, array.data()[k] + 2.0))),
    };
    variables.iter().map(of).collect()
}

fn rule(
    args: &CheckArgs,
    program: &Program,
    variables: &Bindings,
    all: &Bindings,
) -> Result<Box<dyn GradientRule>, Exit> {
    if let Some(policy) = &args.policy {
        return Ok(Box::new(PolicyRule::new(program, Policy::read(policy, program)?)?));
    }
    let texts = by_variable(&args.gradient, &variables.names())?;
    let mut parts = vec![];
    for ((name, array), text) in std::iter::zip(variables.iter(), texts) {
        let part = parse(&text, all, &[], "--at")?;
        if part.output_shapes() != [array.shape()] {
            let words =
                |shape: &[usize]| if shape.is_empty() { "a scalar".into() } else { format!("of shape {shape:?}") };
            let (own, given) = (words(array.shape()), words(part.output_shapes()[0]));
            return Err(Exit::input(format!("--gradient {name}={text}: it is {given}, but `{name}` is {own}")));
        }
        parts.push(part);
    }
    Ok(Box::new(joined(&parts)?))
}

/// The texts of the gradient in the variables' order.
fn by_variable(given: &[String], names: &[String]) -> Result<Vec<String>, Exit> {
    let is_name = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_alphanumeric() || c == '_');
    let named = |text: &String| {
        let (name, rest) = text.split_once('=').filter(|(n, rest)| is_name(n.trim()) && !rest.starts_with('='))?;
        Some((name.trim().to_string(), rest.trim().to_string()))
    };
    let count = || {
        Exit::input(format!("{} for {}", words::plural(given.len(), "gradient"), list(names)))
            .hint("--gradient is given once for each variable, in their order or as x=EXPR")
    };
    if given.len() != names.len() {
        return Err(count());
    }
    let pairs: Vec<Option<(String, String)>> = given.iter().map(named).collect();
    if pairs.iter().all(Option::is_none) {
        return Ok(given.to_vec());
    }
    let pairs: Vec<(String, String)> = pairs.into_iter().collect::<Option<_>>().ok_or_else(|| {
        Exit::input("some of --gradient name their variable and some do not").hint("name it in all or in none")
    })?;
    if let Some((name, _)) = pairs.iter().find(|(n, _)| !names.contains(n)) {
        let message = format!("--gradient names `{name}`, which is no variable");
        return Err(Exit::input(message).maybe_hint(suggestion(name, names)));
    }
    let of = |name: &String| pairs.iter().find(|(n, _)| n == name).map(|(_, text)| text.clone()).ok_or_else(count);
    names.iter().map(of).collect()
}
