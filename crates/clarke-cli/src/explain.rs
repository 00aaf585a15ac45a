//! `clarke explain`: value and gradient of an expression at a point, and the choices behind the gradient.

use crate::bind::{Bindings, parse};
use crate::ops::align;
use crate::output::{Format, Named, json};
use crate::report::{Exit, put};
use crate::show;
use clap::Args;
use clarke::{Policy, Program, Tensor};
use serde::Serialize;

/// Evaluate an expression and its gradient at a point, and say which ties were met there
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
    /// How far from a tie still counts as met
    #[arg(long, value_name = "TOL", default_value_t = 0.0, value_parser = number, allow_negative_numbers = true)]
    pub tol: f64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A number of an option.
fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "it is not a number".to_string())
}

impl ExplainArgs {
    /// The values of `--at`, and the tolerance checked.
    pub fn point(&self) -> Result<Bindings, Exit> {
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            return Err(Exit::input(format!("--tol {}: a tolerance is a finite number, not negative", self.tol)));
        }
        Bindings::read(&self.at, "--at")
    }
}

/// Reads, evaluates and prints.
pub fn run(args: &ExplainArgs) -> Result<(), Exit> {
    let point = args.point()?;
    let program = parse(&args.expression, &point, &[], "--at")?;
    point.warn_unused(&args.expression, "given a value");
    let policy = Policy::read(args.policy.as_deref().unwrap_or("min-norm"), &program)?;
    let values: Vec<Tensor> = point.iter().map(|(_, v)| v.clone()).collect();
    put(&report(args, &point, &program, &policy, &values)?.print(args.format)?)
}

fn report(
    args: &ExplainArgs,
    point: &Bindings,
    program: &Program,
    policy: &Policy,
    values: &[Tensor],
) -> Result<ExplainReport, Exit> {
    let at = program.at(values)?;
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
    Ok(ExplainReport {
        expression: args.expression.clone(),
        point: Named(point.iter().map(|(n, v)| (n.to_string(), v.clone())).collect()),
        value,
        class: program.class().level.to_string(),
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
        tolerance: args.tol,
    })
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
    /// Whether its derivatives mean what §1 of DESIGN.md says; None where that is not known.
    pub path_differentiable: Option<bool>,
    /// The ties met.
    pub ties: Vec<TieMet>,
    /// What backpropagation returns.
    pub backprop: Backprop,
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
            Format::Text => Ok(text(self)),
            Format::Json => json(self),
        }
    }
}

/// How many ties the text lists.
const LISTED: usize = 20;

/// The report as people read it.
pub fn text(report: &ExplainReport) -> String {
    let mut out = String::new();
    out += &show::hanging("f = ", &report.expression);
    out += &named("at", &report.point);
    out += &format!("\nvalue     {}\n", show::number(report.value));
    out += &named("gradient", &report.backprop.gradient);
    let verified = report.backprop.verified_on.map_or(String::new(), |release| format!(" (compared with {release})"));
    out += &format!("policy    {}{verified}\n", show::clipped(&report.backprop.policy, 80));
    out += &format!("class     {}\n\n", report.class);
    if !report.ties.is_empty() {
        out += &ties(report);
        out.push('\n');
    }
    out += &show::paragraph(&meaning(report), 0);
    for note in notes(report) {
        out.push('\n');
        out += &show::paragraph(&note, 0);
    }
    out
}

/// Lines `title     name = value`, the title on the first.
fn named(title: &str, all: &Named) -> String {
    let width = all.0.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    let line = |(k, (name, value)): (usize, &(String, clarke::Tensor))| {
        let title = if k == 0 { title } else { "" };
        format!("{title:<10}{name:<width$} = {}\n", show::array(value, 13 + width))
    };
    all.0.iter().enumerate().map(line).collect()
}

fn ties(report: &ExplainReport) -> String {
    let row = |tie: &TieMet| {
        let index = tie.index.as_ref().map_or("—".into(), |i| format!("{i:?}"));
        let pieces = tie.pieces.map_or("infinitely many".into(), |p| p.to_string());
        // The distance needs its room.
        let width = if report.tolerance > 0.0 { 30 } else { 40 };
        let mut cells = vec![tie.op.clone(), show::clipped(&tie.source, width), index, pieces];
        if report.tolerance > 0.0 {
            cells.push(show::number(tie.distance));
        }
        cells
    };
    let rows: Vec<Vec<String>> = report.ties.iter().take(LISTED).map(row).collect();
    let count = report.ties.len();
    let which = match report.tolerance {
        0.0 => "met".to_string(),
        tol => format!("within {}", show::number(tol)),
    };
    let titles = ["operator", "source", "element", "pieces", "distance"];
    let table = align(if report.tolerance > 0.0 { &titles } else { &titles[..4] }, &rows);
    let indented: String = table.lines().map(|l| format!("  {l}\n")).collect();
    let more = match count.saturating_sub(LISTED) {
        0 => String::new(),
        rest => format!("  … and {rest} more; --format json lists all\n"),
    };
    format!("{} {which}:\n{indented}{more}", show::plural(count, "tie"))
}

/// What the gradient is, in view of the ties met.
fn meaning(report: &ExplainReport) -> String {
    let policy = &show::clipped(&report.backprop.policy, 80);
    let met = report.ties.iter().filter(|t| t.distance == 0.0).count();
    match (met, report.path_differentiable) {
        (0, _) if !report.ties.is_empty() => {
            "No tie is met exactly: at the point itself the gradient is the ordinary one, and every policy returns it. \
             Within the tolerance other pieces are active, with other gradients."
                .into()
        }
        (0, Some(false)) => "No tie was met, and every policy returns this vector; but a part of the program is held \
                             constant by the program itself, so it is the derivative with that part fixed, and need not \
                             say how the value changes."
            .into(),
        (0, _) => "No tie was met: near this point the program is composed of smooth pieces, the gradient is the \
                   ordinary one, and every policy returns it."
            .into(),
        (n, Some(true)) => format!(
            "At a tie an elementary function has several pieces, and its derivative is a set. {} chose one element \
             {}; the gradient above is the chain rule with {}. Another choice may give another vector: all of \
             them together are the conservative gradient of the program at this point. The program is \
             path-differentiable: along every Lipschitz curve, and whatever is chosen, the chain rule holds at almost \
             every time, and at almost every point the set is the ordinary gradient alone.",
            format_args!("The policy {policy}"),
            match (n, n == report.ties.len()) {
                (1, true) => "of it",
                (_, true) => "at each",
                (_, false) => "at each tie met exactly",
            },
            if n == 1 { "that choice" } else { "these choices" },
        ),
        (_, Some(false)) => format!(
            "At a tie an elementary function has several pieces, and the policy {policy} chose among them. The program \
             is not path-differentiable: the chain rule can fail along a curve, and the vector above need not say \
             anything about how the value changes."
        ),
        (_, None) => format!(
            "At a tie an elementary function has several pieces, and the policy {policy} chose among them. Whether the \
             program is path-differentiable is not known: a condition switches between values that agree at this \
             point, which does not prove that they agree wherever it switches. If they do, the vector above is an \
             element of the conservative gradient."
        ),
    }
}

/// The notes of the policy, each once, with its operators.
fn notes(report: &ExplainReport) -> Vec<String> {
    let mut notes: Vec<(&str, Vec<&str>)> = vec![];
    for tie in &report.ties {
        let Some(note) = tie.note.as_deref() else { continue };
        match notes.iter_mut().find(|(n, _)| *n == note) {
            Some((_, ops)) if ops.contains(&tie.op.as_str()) => {}
            Some((_, ops)) => ops.push(&tie.op),
            None => notes.push((note, vec![&tie.op])),
        }
    }
    notes.iter().map(|(note, ops)| format!("Note on {}: {note}.", ops.join(", "))).collect()
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

    fn tie(op: &str, source: &str, index: Option<Vec<usize>>, pieces: Option<u64>) -> TieMet {
        TieMet { op: op.into(), source: source.into(), index, pieces, distance: 0.0, note: None }
    }

    fn relu2() -> ExplainReport {
        let x = |v: f64| Named(vec![("x".into(), Tensor::scalar(v))]);
        ExplainReport {
            expression: "relu(-x) + x - relu(x)".into(),
            point: x(0.0),
            value: 0.0,
            class: "piecewise linear".into(),
            path_differentiable: Some(true),
            ties: vec![tie("relu", "relu(-x)", None, Some(2)), tie("relu", "relu(x)", None, Some(2))],
            backprop: Backprop { policy: "pytorch".into(), verified_on: Some("PyTorch 2.15.0"), gradient: x(1.0) },
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
                r#""backprop":{"policy":"pytorch","gradient":{"x":1.0}}}"#,
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

At a tie an elementary function has several pieces, and its derivative is a set.
The policy pytorch chose one element at each; the gradient above is the chain
rule with these choices. Another choice may give another vector: all of them
together are the conservative gradient of the program at this point. The program
is path-differentiable: along every Lipschitz curve, and whatever is chosen, the
chain rule holds at almost every time, and at almost every point the set is the
ordinary gradient alone.
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
        assert!(!shown.contains("conservative"), "{shown}");
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
