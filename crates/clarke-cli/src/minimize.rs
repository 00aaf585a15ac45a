//! `clarke minimize`: minimize an expression over some of its inputs, with data from files.

use crate::bind::{Bindings, DataArgs, Variable, variables};
use crate::output::{Format, Named, OutFile, json};
use crate::report::Exit;
use crate::show;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Minimize an expression over some of its inputs by the subgradient method
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
    /// How many steps are made
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// The length of step k = 0, 1, …: 'a/(k+1)^p', with numbers for a and p
    #[arg(long, value_name = "RULE")]
    pub step: Option<String>,
    /// The seed of everything random
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
    /// What is picked at ties: pytorch, jax, tensorflow, a number for every step, random(SEED), …
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Save the solution: *.json, or *.npy where there is one variable
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
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

impl MinimizeReport {
    /// The report in the format asked for.
    pub fn print(&self, format: Format) -> Result<String, Exit> {
        match format {
            Format::Text => Ok(text(self)),
            Format::Json => json(self),
        }
    }
}

/// The longest trace that is reported.
pub const LONGEST_TRACE: usize = 1000;

/// At most `LONGEST_TRACE` entries spread evenly, the first and the last among them.
pub fn thinned(trace: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let count = trace.len();
    if count <= LONGEST_TRACE {
        return trace.to_vec();
    }
    (0..LONGEST_TRACE).map(|k| trace[k * (count - 1) / (LONGEST_TRACE - 1)]).collect()
}

/// The report as people read it.
pub fn text(report: &MinimizeReport) -> String {
    let expression = report.expression.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = format!("minimize {expression}\n\n");
    out += &format!("status      {}\n", report.status);
    out += &format!("best value  {}\n", show::number(report.best_value));
    out += &format!("last value  {}\n", show::number(report.value));
    out += &format!("steps       {} in {:.2} s\n\n", report.steps, report.seconds);
    let width = report.solution.0.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    for (name, value) in &report.solution.0 {
        out += &format!("{name:<width$} = {}\n", show::array(value, width + 3));
    }
    if let Some(path) = &report.saved {
        out += &format!("\nsaved to {}\n", path.display());
    }
    out.push('\n');
    out + &show::paragraph(&report.guarantee, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clarke::Tensor;

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

    fn report() -> MinimizeReport {
        MinimizeReport {
            status: "steps done".into(),
            value: 1.5,
            best_value: 1.25,
            solution: Named(vec![("w".into(), Tensor::vector([1.0, 0.0])), ("b".into(), Tensor::scalar(-2.0))]),
            steps: 100,
            seconds: 0.125,
            guarantee: "Convergence is promised.".into(),
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
                r#""steps":100,"seconds":0.125,"guarantee":"Convergence is promised.","#,
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
steps       100 in 0.12 s

w = [1, 0]
b = -2

saved to w.json

Convergence is promised.
";
        assert_eq!(text(&MinimizeReport { saved: Some("w.json".into()), ..report() }), expected);
    }

    #[test]
    fn a_thinned_trace_keeps_its_ends() {
        let long: Vec<(u64, f64)> = (0..12_345).map(|k| (k, k as f64)).collect();
        let thin = thinned(&long);
        assert_eq!(thin.len(), LONGEST_TRACE);
        assert_eq!((thin[0], thin[LONGEST_TRACE - 1]), (long[0], long[12_344]));
        assert!(thin.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(thinned(&long[..1000]), &long[..1000]);
    }
}
