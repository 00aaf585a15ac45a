//! What is said of a program at a point: value and gradient, the choices behind the gradient, and both sets.

mod cost;
mod html;
mod sets;
mod text;

pub use cost::CostReport;
pub use sets::{Entry, Least, SetReport, SetsReport, judgement_text, set_text};

use crate::json::Named;
use crate::plot::Picture;
use clarke::{At, Error, Judgement, Place, Policy, Program, SetOptions, Tameness};
use serde::Serialize;

/// How a program is written: what it is called on a page and in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written<'a> {
    /// An expression, or statements and an expression: its text.
    Expression(&'a str),
    /// A function of some language, which is not shown in full: its name.
    Function(&'a str),
}

impl Written<'_> {
    /// The expression, or the name.
    pub fn text(&self) -> &str {
        match self {
            Written::Expression(text) | Written::Function(text) => text,
        }
    }

    /// What heads a page or a picture: the expression, or the function with its inputs, as `loss(w, X)`.
    pub fn title(&self, program: &Program) -> String {
        match self {
            Written::Expression(text) => text.to_string(),
            Written::Function(name) => {
                let inputs = program.inputs().iter().filter(|i| !i.role.is_selection());
                format!("{name}({})", inputs.map(|i| i.name.as_str()).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// What is said of a program at a point. The JSON has these fields in this order, those for pages alone left out: what
/// is not finite is null there, and `data`, `cost` and the `place` of a tie stand there only where there are any.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The expression, or the name of the function.
    pub expression: String,
    /// A function with its inputs, as `loss(w, X)`; None where the expression itself is shown.
    #[serde(skip)]
    pub call: Option<String>,
    /// Where: the variables.
    pub point: Named,
    /// The inputs that derivatives hold fixed.
    #[serde(skip_serializing_if = "is_empty")]
    pub data: Named,
    /// Its value there.
    pub value: f64,
    /// Its class of tameness.
    pub class: String,
    /// Which operators make it so, and whether it is tamer over bounded sets; empty if there is nothing to say.
    #[serde(skip)]
    pub raised: String,
    /// Whether its derivatives obey the chain rule along curves ([`At::path_differentiable`]); None where that is not
    /// known.
    pub path_differentiable: Option<bool>,
    /// The ties met.
    pub ties: Vec<TieMet>,
    /// What backpropagation returns.
    pub backprop: Backprop,
    /// The two sets.
    #[serde(flatten)]
    pub sets: SetsReport,
    /// What a run costs, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostReport>,
    /// The simplified program, if that is what is explained.
    #[serde(skip)]
    pub simplified: Option<String>,
    /// Within which distance ties were counted as met.
    #[serde(skip)]
    pub tolerance: f64,
    /// What lists everything that the page leaves out: a face says how its JSON is asked for.
    #[serde(skip)]
    pub complete: &'static str,
}

/// A tie that was met.
#[derive(Debug, Clone, Serialize)]
pub struct TieMet {
    /// The operator.
    pub op: String,
    /// Its text.
    pub source: String,
    /// The line of the user's code that wrote it, as `file.py:12`; None for a program that was read from text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
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

fn is_empty(named: &Named) -> bool {
    named.0.is_empty()
}

impl Explanation {
    /// Explains a scalar program at a point, with the gradient that a policy picks and both sets within the budget and
    /// tolerance of the options. The judgement behind the sets is returned too: its certificate, its sets for pictures;
    /// where it fails the explanation says why, and has no sets.
    ///
    /// Errors: the output is not one scalar; those of [`At::gradient`] and [`At::ties`]. Cost: that of [`At::judge`].
    ///
    /// ```
    /// use clarke::{Policy, SetOptions};
    /// use clarke_show::{Explanation, Written};
    /// let zero = clarke::parse("relu(-x) + x - relu(x)", &[("x", &[])])?.at(&[0.0.into()])?;
    /// let written = Written::Expression("relu(-x) + x - relu(x)");
    /// let (said, judged) = Explanation::new(written, &zero, &Policy::pytorch(), &SetOptions::default())?;
    /// assert!(said.text().contains("The gradient under this policy is an artifact of the formula"));
    /// assert!(said.json().ends_with(r#""artifact":true,"verdict":"clarke critical"}"#));
    /// assert!(judged?.certificate.is_some());
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn new(
        written: Written<'_>,
        at: &At,
        policy: &Policy,
        options: &SetOptions,
    ) -> Result<(Explanation, Result<Judgement, Error>), Error> {
        let value = at.value()?;
        let gradient = at.gradient(policy)?;
        let inputs = || {
            let own = at.program().inputs().iter().filter(|i| !i.role.is_selection());
            std::iter::zip(own, at.point()).map(|(i, x)| (i.role.is_argument(), i.name.clone(), x.clone()))
        };
        let of =
            |argument: bool| Named(inputs().filter(|(a, ..)| *a == argument).map(|(_, name, x)| (name, x)).collect());
        let point = of(true);
        let names = point.0.iter().map(|(name, _)| name.clone());
        let picked = Named(std::iter::zip(names, gradient.iter().cloned()).collect());
        let mut judged = at.judge(options);
        let sets = SetsReport::new(at, &gradient, &mut judged);
        let ties = at.ties(options.tolerance)?.into_iter().map(|tie| TieMet::new(tie, policy));
        let explanation = Explanation {
            expression: written.text().to_string(),
            call: matches!(written, Written::Function(_)).then(|| written.title(at.program())),
            point,
            data: of(false),
            value: value + 0.0,
            class: at.program().class().level.to_string(),
            raised: raised(&at.program().tameness()),
            path_differentiable: at.path_differentiable()?,
            ties: ties.collect(),
            backprop: Backprop { policy: policy.to_string(), verified_on: verified_on(policy), gradient: picked },
            sets,
            cost: None,
            simplified: None,
            tolerance: options.tolerance,
            complete: "the JSON",
        };
        Ok((explanation, judged))
    }

    /// The page that people read: lines of at most 100 characters, the last one ended.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The explanation as one line of JSON, not ended.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("its keys are text, and nothing in it fails to be written")
    }

    /// The page as a fragment of HTML that stands alone: tables and paragraphs with styles of their own, no scripts, the
    /// picture inline if it is SVG. It has the colours of what surrounds it, and is well-formed XML.
    pub fn html(&self, picture: Option<&Picture>) -> String {
        html::html(self, picture)
    }

    /// What the program is called in a picture: the expression, or the function with its inputs.
    pub fn title(&self) -> &str {
        self.call.as_deref().unwrap_or(&self.expression)
    }
}

impl TieMet {
    fn new(tie: clarke::TieMet, policy: &Policy) -> TieMet {
        TieMet {
            op: tie.op.into(),
            source: tie.source,
            place: matches!(tie.place, Place::Source { .. }).then(|| tie.place.to_string()),
            index: tie.index,
            pieces: tie.pieces,
            distance: tie.distance,
            note: policy.choice(&tie.site).and_then(|c| c.note).map(str::to_string),
        }
    }

    /// Its place without the folders of the file.
    fn line(&self) -> Option<&str> {
        self.place.as_deref().map(|place| place.rsplit(['/', '\\']).next().unwrap_or(place))
    }
}

/// The release of the framework that a policy was compared with.
fn verified_on(policy: &Policy) -> Option<&'static str> {
    match policy {
        Policy::Convention(convention) => convention.verified_on(),
        _ => None,
    }
}

/// Which operators raise a program to its class, and the class over bounded sets where that is another one.
fn raised(tame: &Tameness) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Bounds;
    use clarke::{Tensor, Verdict};

    fn tie(op: &str, source: &str, index: Option<Vec<usize>>, pieces: Option<u64>) -> TieMet {
        TieMet { op: op.into(), source: source.into(), place: None, index, pieces, distance: 0.0, note: None }
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

    fn relu2() -> Explanation {
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
        Explanation {
            expression: "relu(-x) + x - relu(x)".into(),
            call: None,
            point: x(0.0),
            data: Named::default(),
            value: 0.0,
            class: "piecewise linear".into(),
            raised: String::new(),
            path_differentiable: Some(true),
            ties: vec![tie("relu", "relu(-x)", None, Some(2)), tie("relu", "relu(x)", None, Some(2))],
            backprop: Backprop { policy: "pytorch".into(), verified_on: Some("PyTorch 2.15.0"), gradient: x(1.0) },
            sets,
            cost: None,
            simplified: None,
            tolerance: 0.0,
            complete: "the JSON",
        }
    }

    #[test]
    fn the_json_has_exactly_the_documented_fields() {
        assert_eq!(
            relu2().json(),
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
                r#""artifact":true,"verdict":"clarke critical"}"#
            )
        );
        let unknown = Explanation {
            path_differentiable: None,
            ties: vec![tie("norm2", "norm2(x)", Some(vec![1, 2]), None)],
            ..relu2()
        };
        let text = unknown.json();
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
        assert_eq!(relu2().text(), expected);
    }

    #[test]
    fn a_smooth_point_says_so() {
        let point = Named(vec![("x".into(), Tensor::vector([1.0, 2.0])), ("lam".into(), Tensor::scalar(3.0))]);
        let smooth = Explanation { ties: vec![], point, ..relu2() };
        let shown = smooth.text();
        assert!(shown.contains("at        x   = [1, 2]\n          lam = 3\n"), "{shown}");
        assert!(shown.contains("No tie was met"), "{shown}");
        assert!(!shown.contains("operator"), "{shown}");
    }

    #[test]
    fn what_is_not_known_is_not_claimed() {
        let shown = Explanation { path_differentiable: None, ..relu2() }.text().replace('\n', " ");
        assert!(shown.contains("is not known"), "{shown}");
        let shown = Explanation { path_differentiable: Some(false), ..relu2() }.text().replace('\n', " ");
        assert!(shown.contains("is not path-differentiable"), "{shown}");
        assert!(!shown.contains("the conservative gradient"), "{shown}");
        let held = Explanation { path_differentiable: Some(false), ties: vec![], ..relu2() };
        let shown = held.text().replace('\n', " ");
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
        let shown = many.text();
        assert!(shown.contains("100 ties within 1e-6:"), "{shown}");
        assert!(shown.contains("… and 80 more"), "{shown}");
        assert!(shown.contains("infinitely many"), "{shown}");
        assert_eq!(shown.matches("Note on abs: the framework returns NaN.").count(), 1, "{shown}");
        assert!(shown.lines().all(|l| l.chars().count() <= 80), "{shown}");
    }
}
