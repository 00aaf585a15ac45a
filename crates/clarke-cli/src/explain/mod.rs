//! `clarke explain`: value and gradient of an expression at a point, the choices behind the gradient, and the sets.

mod sets;
mod text;

pub use sets::entry_name;

use crate::bind::{Bindings, parse};
use crate::output::{Format, Named, Target, json};
use crate::plot::Plot;
use crate::report::{Exit, put};
use clap::Args;
use clarke::{At, Certificate, Judgement, Policy, SetOptions, Tensor};
use serde::Serialize;
use sets::SetsReport;
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
    let (report, mut judged) = report(args, &point, &policy, &at, &options)?;
    let proof = judged.as_ref().ok().and_then(|j| j.certificate.as_ref());
    if let (Some(target), Some(proof)) = (&certificate, proof) {
        target.save(certified(proof)?.as_bytes())?;
    }
    if let Some(plot) = plot {
        plot.draw(&args.expression, &program, &at, &policy, &options, judged.as_mut().map_err(|e| e.clone())?)?;
    }
    put(&report.print(args.format)?)?;
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
fn certified(proof: &Certificate) -> Result<String, Exit> {
    let text = serde_json::to_string_pretty(proof).map_err(|e| Exit::failed(format!("cannot write JSON: {e}")))?;
    Ok(text + "\n")
}

fn report(
    args: &ExplainArgs,
    point: &Bindings,
    policy: &Policy,
    at: &At,
    options: &SetOptions,
) -> Result<(ExplainReport, Result<Judgement, clarke::Error>), Exit> {
    let value = at.value()?;
    let gradient = at.gradient(policy)?;
    let tie = |tie: clarke::TieMet| TieMet {
        op: tie.op.into(),
        source: tie.source,
        index: tie.index,
        pieces: tie.pieces,
        distance: tie.distance,
        note: policy.choice(&tie.site).and_then(|c| c.note).map(str::to_string),
    };
    let mut judged = at.judge(options);
    let sets = SetsReport::new(at, &gradient, &mut judged);
    let report = ExplainReport {
        expression: args.expression.clone(),
        point: Named(point.iter().map(|(n, v)| (n.to_string(), v.clone())).collect()),
        value: value + 0.0,
        class: at.program().class().level.to_string(),
        raised: raised(&at.program().tameness()),
        path_differentiable: at.path_differentiable()?,
        ties: at.ties(args.tol)?.into_iter().map(tie).collect(),
        backprop: Backprop {
            policy: policy.to_string(),
            verified_on: match policy {
                Policy::Convention(convention) => convention.verified_on(),
                _ => None,
            },
            gradient: Named(std::iter::zip(point.names(), gradient).collect()),
        },
        sets,
        simplified: args.simplify.then(|| at.program().to_string()),
        tolerance: args.tol,
    };
    Ok((report, judged))
}

/// Which operators raise a program to its class, and the class over bounded sets where that is another one.
fn raised(tame: &clarke::Tameness) -> String {
    const MOST: usize = 3;
    let mut by: Vec<&str> = vec![];
    for raise in tame.raised.iter().filter(|r| r.to == tame.level) {
        if !by.contains(&raise.op) {
            by.push(raise.op);
        }
    }
    let more = if by.len() > MOST { ", …" } else { "" };
    by.truncate(MOST);
    let by = if by.is_empty() { String::new() } else { format!(", by {}{more}", by.join(", ")) };
    let bounded = match tame.on_bounded == tame.level {
        true => String::new(),
        false => format!("; {} where the variables stay bounded", tame.on_bounded),
    };
    format!("{by}{bounded}")
}

/// What `clarke explain` says. The JSON has these fields in this order, those for the text alone left out.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainReport {
    /// The expression as given.
    pub expression: String,
    /// Where.
    pub point: Named,
    /// Its value there.
    pub value: f64,
    /// Its class of tameness.
    pub class: String,
    /// Which operators make it so, and whether it is tamer over bounded sets; empty if there is nothing to say.
    #[serde(skip)]
    pub raised: String,
    /// Whether its derivatives mean what §1 of DESIGN.md says; None where that is not known.
    pub path_differentiable: Option<bool>,
    /// The ties met.
    pub ties: Vec<TieMet>,
    /// What backpropagation returns.
    pub backprop: Backprop,
    /// The two sets.
    #[serde(flatten)]
    pub sets: SetsReport,
    /// The simplified program, if that is what is explained.
    #[serde(skip)]
    pub simplified: Option<String>,
    /// Within which distance ties were counted as met.
    #[serde(skip)]
    pub tolerance: f64,
}

/// A tie that was met.
#[derive(Debug, Clone, Serialize)]
pub struct TieMet {
    /// The operator.
    pub op: String,
    /// Its text.
    pub source: String,
    /// Which of its elements; None for a scalar.
    pub index: Option<Vec<usize>>,
    /// How many pieces meet; None for infinitely many.
    pub pieces: Option<u64>,
    /// How far it is from being met exactly; not 0 only within a tolerance.
    #[serde(skip)]
    pub distance: f64,
    /// Where the policy could not pick what the framework does: what the framework does.
    #[serde(skip)]
    pub note: Option<String>,
}

/// A gradient with the rule that picked it.
#[derive(Debug, Clone, Serialize)]
pub struct Backprop {
    /// The rule.
    pub policy: String,
    /// The release of the framework that the rule was compared with.
    #[serde(skip)]
    pub verified_on: Option<&'static str>,
    /// The gradient.
    pub gradient: Named,
}

impl ExplainReport {
    /// The report in the format asked for.
    pub fn print(&self, format: Format) -> Result<String, Exit> {
        match format {
            Format::Text => Ok(text::text(self)),
            Format::Json => json(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sets::{Bounds, Least, SetReport};
    use super::text::text;
    use super::*;
    use clarke::Verdict;

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

    fn tie(op: &str, source: &str, index: Option<Vec<usize>>, pieces: Option<u64>) -> TieMet {
        TieMet { op: op.into(), source: source.into(), index, pieces, distance: 0.0, note: None }
    }

    fn set(low: f64, high: f64, bounds: bool) -> SetReport {
        let x = |v: f64| Named(vec![("x".into(), Tensor::scalar(v))]);
        let range = Bounds(vec![("x".into(), Tensor::scalar(low), Tensor::scalar(high))]);
        SetReport {
            known: "exact".into(),
            bounds: bounds.then(|| range.clone()),
            vertices: Some(if low < high { vec![x(low), x(high)] } else { vec![x(low)] }),
            min_norm: Least { norm: 0.0, element: x(0.0) },
            critical: Some(true),
            hypothesis: None,
            range,
        }
    }

    fn relu2() -> ExplainReport {
        let x = |v: f64| Named(vec![("x".into(), Tensor::scalar(v))]);
        let sets = SetsReport {
            conservative: Some(set(-1.0, 1.0, true)),
            clarke: Some(set(0.0, 0.0, false)),
            artifact: Some(true),
            verdict: Verdict::ClarkeCritical,
            descent: None,
            entries: vec![],
            missing: None,
        };
        ExplainReport {
            expression: "relu(-x) + x - relu(x)".into(),
            point: x(0.0),
            value: 0.0,
            class: "piecewise linear".into(),
            raised: String::new(),
            path_differentiable: Some(true),
            ties: vec![tie("relu", "relu(-x)", None, Some(2)), tie("relu", "relu(x)", None, Some(2))],
            backprop: Backprop { policy: "pytorch".into(), verified_on: Some("PyTorch 2.15.0"), gradient: x(1.0) },
            sets,
            simplified: None,
            tolerance: 0.0,
        }
    }

    #[test]
    fn the_json_has_exactly_the_documented_fields() {
        assert_eq!(
            relu2().print(Format::Json).unwrap(),
            concat!(
                r#"{"expression":"relu(-x) + x - relu(x)","point":{"x":0.0},"value":0.0,"#,
                r#""class":"piecewise linear","path_differentiable":true,"#,
                r#""ties":[{"op":"relu","source":"relu(-x)","index":null,"pieces":2},"#,
                r#"{"op":"relu","source":"relu(x)","index":null,"pieces":2}],"#,
                r#""backprop":{"policy":"pytorch","gradient":{"x":1.0}},"#,
                r#""conservative":{"known":"exact","bounds":{"x":[-1.0,1.0]},"vertices":[{"x":-1.0},{"x":1.0}],"#,
                r#""min_norm":{"norm":0.0,"element":{"x":0.0}},"critical":true},"#,
                r#""clarke":{"known":"exact","vertices":[{"x":0.0}],"#,
                r#""min_norm":{"norm":0.0,"element":{"x":0.0}},"critical":true},"#,
                r#""artifact":true,"verdict":"clarke critical"}"#,
                "\n"
            )
        );
        let unknown = ExplainReport {
            path_differentiable: None,
            ties: vec![tie("norm2", "norm2(x)", Some(vec![1, 2]), None)],
            ..relu2()
        };
        let text = unknown.print(Format::Json).unwrap();
        assert!(text.contains(r#""path_differentiable":null"#), "{text}");
        assert!(text.contains(r#"{"op":"norm2","source":"norm2(x)","index":[1,2],"pieces":null}"#), "{text}");
    }

    #[test]
    fn the_text_is_a_page_to_read() {
        let expected = "\
f = relu(-x) + x - relu(x)
at        x = 0

value     0
gradient  x = 1
policy    pytorch (compared with PyTorch 2.15.0)
class     piecewise linear

2 ties met:
  operator  source    element  pieces
  relu      relu(-x)  —        2
  relu      relu(x)   —        2

            conservative  Clarke
known       exact         exact
vertices    x = -1        x = 0
            x = 1
least norm  0             0
critical    yes           yes

At a tie an elementary function has several pieces and its derivative is a set,
of which the policy pytorch chose one element at each. All choices together give
the conservative gradient, which depends on how the function is written. The
Clarke subdifferential, the averages of the limits of gradients at nearby
points, depends on the function alone. The program is path-differentiable: with
any choice the chain rule holds along every Lipschitz curve, at almost every
time.

The gradient under this policy is an artifact of the formula: it lies outside
the Clarke subdifferential, so it is not even an average of gradients of the
function at nearby points. The point is critical for the function itself, as
every local minimum is: 0 lies in the Clarke subdifferential.
";
        assert_eq!(text(&relu2()), expected);
    }

    #[test]
    fn a_smooth_point_says_so() {
        let point = Named(vec![("x".into(), Tensor::vector([1.0, 2.0])), ("lam".into(), Tensor::scalar(3.0))]);
        let smooth = ExplainReport { ties: vec![], point, ..relu2() };
        let shown = text(&smooth);
        assert!(shown.contains("at        x   = [1, 2]\n          lam = 3\n"), "{shown}");
        assert!(shown.contains("No tie was met"), "{shown}");
        assert!(!shown.contains("operator"), "{shown}");
    }

    #[test]
    fn what_is_not_known_is_not_claimed() {
        let shown = text(&ExplainReport { path_differentiable: None, ..relu2() }).replace('\n', " ");
        assert!(shown.contains("is not known"), "{shown}");
        let shown = text(&ExplainReport { path_differentiable: Some(false), ..relu2() }).replace('\n', " ");
        assert!(shown.contains("is not path-differentiable"), "{shown}");
        assert!(!shown.contains("the conservative gradient"), "{shown}");
        let held = ExplainReport { path_differentiable: Some(false), ties: vec![], ..relu2() };
        let shown = text(&held).replace('\n', " ");
        assert!(shown.contains("held constant by the program itself") && !shown.contains("ordinary"), "{shown}");
    }

    #[test]
    fn many_ties_are_counted_and_notes_said_once() {
        let mut many = relu2();
        many.tolerance = 1e-6;
        many.ties = (0..100).map(|k| tie("abs", &"abs(x) + ".repeat(20), Some(vec![k]), None)).collect();
        for tie in &mut many.ties {
            tie.note = Some("the framework returns NaN".into());
        }
        let shown = text(&many);
        assert!(shown.contains("100 ties within 1e-6:"), "{shown}");
        assert!(shown.contains("… and 80 more"), "{shown}");
        assert!(shown.contains("infinitely many"), "{shown}");
        assert_eq!(shown.matches("Note on abs: the framework returns NaN.").count(), 1, "{shown}");
        assert!(shown.lines().all(|l| l.chars().count() <= 80), "{shown}");
    }
}
