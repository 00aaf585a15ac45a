//! `clarke explain`: value and gradient of an expression at a point, the choices behind the gradient, and the sets.

use crate::bind::{Bindings, parse};
use crate::output::{Format, Target};
use crate::plot::Plot;
use crate::report::{Exit, put};
use clap::Args;
use clarke::{Certificate, Judgement, Policy, SetOptions, Tensor};
use clarke_show::{CostReport, Explanation, Subject, Written};
use std::path::PathBuf;

/// How many elements of a set are written out by default: telling which of them are extreme takes about a second then.
const VERTICES: usize = 512;

/// Evaluate an expression and its gradient at a point, and say which ties were met there and what that means
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The expression, for example 'relu(-x) + x - relu(x)'
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expression: String,
    /// The point: x=0, y=[1,2], M=[[1,2],[3,4]], A=@file.npy, A=@file.csv; A=@file.mtx, A=@file.npz for a sparse matrix,
    /// which is held fixed
    #[arg(long, value_name = "NAME=VALUE")]
    pub at: Vec<String>,
    /// What is picked at ties: min-norm (the default), pytorch, jax, tensorflow, step=0.5, random(7), along([1,0])
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// How far from a tie still counts as met; the sets are then the enlarged ones
    #[arg(long, value_name = "TOL", default_value_t = 0.0, value_parser = number, allow_negative_numbers = true)]
    pub tol: f64,
    /// Explain the simplified program; by default it is the one that the expression writes
    #[arg(long)]
    pub simplify: bool,
    /// Count what a run costs: operations and bytes of the value, and of value and gradient
    #[arg(long)]
    pub cost: bool,
    /// How many elements of a set are written out at most, before bounds take their place
    #[arg(long, value_name = "COUNT", default_value_t = VERTICES)]
    pub vertices: usize,
    /// Write what proves the verdict to a file, which `clarke verify` checks
    #[arg(long, value_name = "FILE.json")]
    pub certificate: Option<PathBuf>,
    /// Draw a function of one or two numbers: its kinks, gradients and both sets
    #[arg(long, value_name = "FILE.svg|png")]
    pub plot: Option<PathBuf>,
    /// What is drawn: from a to b, for two numbers also a:b,c:d; by default 1 to both sides of the point, and more if
    /// that shows no kink
    #[arg(long, value_name = "A:B", requires = "plot", allow_hyphen_values = true)]
    pub range: Option<String>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A number of an option.
fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "it is not a number".to_string())
}

impl ExplainArgs {
    /// How far the search for the sets may go.
    fn options(&self) -> Result<SetOptions, Exit> {
        if self.vertices == 0 {
            return Err(Exit::input("--vertices 0: a set has at least one element"));
        }
        Ok(SetOptions { tolerance: self.tol, vertices: self.vertices, ..SetOptions::default() })
    }

    /// The values of `--at`, and the tolerance checked.
    pub fn point(&self) -> Result<Bindings, Exit> {
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            return Err(Exit::input(format!("--tol {}: a tolerance is a finite number, not negative", self.tol)));
        }
        Bindings::read(&self.at, "--at")
    }
}

/// Reads, evaluates, writes the files asked for and prints.
pub fn run(args: &ExplainArgs) -> Result<(), Exit> {
    let point = args.point()?;
    let options = args.options()?;
    let certificate = args.certificate.as_deref().map(|path| Target::check("--certificate", path)).transpose()?;
    let plot = args.plot.as_deref().map(|path| Plot::check(path, args.range.as_deref(), &point)).transpose()?;
    let mut program = parse(&args.expression, &point, &[], "--at")?;
    point.warn_unused(&args.expression, "given a value");
    if args.simplify {
        program = program.simplify();
    }
    let policy = Policy::read(args.policy.as_deref().unwrap_or("min-norm"), &program)?;
    let values: Vec<Tensor> = point.iter().map(|(_, v)| v.clone()).collect();
    let at = program.at(&values)?;
    let (mut explanation, mut judged) =
        Explanation::new(Written::Expression(&args.expression), &at, &policy, &options)?;
    explanation.simplified = args.simplify.then(|| at.program().to_string());
    explanation.complete = "--format json";
    explanation.cost = args.cost.then(|| CostReport::new(at.program())).transpose()?;
    let proof = judged.as_ref().ok().and_then(|j| j.certificate.as_ref());
    if let (Some(target), Some(proof)) = (&certificate, proof) {
        target.save(certified(proof)?.as_bytes())?;
    }
    if let Some(plot) = plot {
        let subject =
            Subject { title: explanation.title(), program: &program, at: &at, policy: &policy, options: &options };
        plot.draw(&subject, judged.as_mut().map_err(|e| e.clone())?)?;
    }
    put(&match args.format {
        Format::Text => explanation.text(),
        Format::Json => explanation.json() + "\n",
    })?;
    match (&args.certificate, proof_missing(&judged)) {
        (Some(path), true) => Err(Exit::failed(format!("{} was not written: nothing was proved", path.display()))
            .hint("the verdict is undecided; a larger --vertices may decide it")),
        _ => Ok(()),
    }
}

fn proof_missing(judged: &Result<Judgement, clarke::Error>) -> bool {
    judged.as_ref().map_or(true, |j| j.certificate.is_none())
}

/// A certificate as text.
pub fn certified(proof: &Certificate) -> Result<String, Exit> {
    let text = serde_json::to_string_pretty(proof).map_err(|e| Exit::failed(format!("cannot write JSON: {e}")))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn args(words: &[&str]) -> Result<ExplainArgs, clap::Error> {
        <Line as clap::Parser>::try_parse_from(["clarke"].iter().chain(words)).map(|line| line.args)
    }

    #[test]
    fn an_expression_may_start_with_a_minus_sign() {
        for expression in ["-abs(x)", "-x", "-h*x", "--x", "-1", "- x", "-f + x"] {
            for words in [[expression, "--at", "x=-1"], ["--at", "x=-1", expression]] {
                let args = args(&words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
                assert_eq!(args.expression, expression);
                assert_eq!(args.point().unwrap().get("x"), Some(&Tensor::scalar(-1.0)));
            }
        }
        assert!(args(&["x", "--att", "x=1"]).is_err());
    }

    #[test]
    fn a_tolerance_is_not_negative() {
        for tol in ["-1", "nan", "inf"] {
            let said = args(&["x", &format!("--tol={tol}")]).unwrap().point().unwrap_err().render(false);
            assert!(said.starts_with(&format!("error: --tol {}", tol.replace("nan", "NaN"))), "{said}");
        }
    }
}
