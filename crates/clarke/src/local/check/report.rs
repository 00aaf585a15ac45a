//! What a check says: plain data, and its text.

use super::super::set_at::Known;
use crate::error::plural;
use crate::tensor::Tensor;
use std::fmt;

/// The answers of [`check_conservative`](super::check_conservative): each question has its own.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    /// The variables' names.
    pub names: Vec<String>,
    /// Is the rule a conservative gradient of the function?
    pub conservative: Conservative,
    /// At each named point: does the rule's vector lie in the program's conservative gradient, and in the Clarke
    /// subdifferential?
    pub points: Vec<Membership>,
    /// Does it agree with differences of values at random points?
    pub differences: Differences,
    /// Is it a semismooth derivative at ties and elsewhere?
    pub semismooth: Semismooth,
    /// Is it locally bounded?
    pub bounded: Bounded,
    /// Do its values at nearby points converge to elements of the conservative gradient?
    pub closed_graph: ClosedGraph,
    /// Where the rule gave no finite vector.
    pub refused: Option<Refused>,
}

/// Whether a rule is a conservative gradient.
#[derive(Debug, Clone, PartialEq)]
pub enum Conservative {
    /// No: along a curve, its line integral is not the increment of the function.
    Refuted(Box<Refutation>),
    /// On none of the curves tried do the two differ.
    Passed(Passed),
}

/// A curve along which a rule's line integral is not the increment of the function.
#[derive(Debug, Clone, PartialEq)]
pub struct Refutation {
    /// Points of the curve in order, each with an array for each variable: the ends of a segment, or all points used.
    pub curve: Vec<Vec<Tensor>>,
    /// The value at the end minus that at the start.
    pub increment: f64,
    /// The line integral of the rule.
    pub integral: f64,
    /// A bound on the error of their difference.
    pub error: f64,
    /// The two numbers as fractions, where they were computed without rounding.
    pub exact: Option<Exact>,
    /// How the curve lies with respect to ties.
    pub course: Course,
    /// The operators tied on the curve, or nearest to it.
    pub operators: Vec<String>,
}

/// Two numbers as fractions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact {
    /// The increment of the function.
    pub increment: String,
    /// The line integral.
    pub integral: String,
}

/// How a refuting curve lies with respect to ties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Course {
    /// Everything listed stays tied all along.
    Inside,
    /// It runs close to a tie, at this distance, without meeting it.
    Near(f64),
    /// It is any curve: the rule is wrong where the function is smooth.
    Open,
    /// The function jumps on it: no rule is conservative.
    Jump,
}

/// What a rule that was not refuted was tried on.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// Curves in all.
    pub curves: usize,
    /// Of these, inside ties.
    pub inside: usize,
    /// Of these, close to ties.
    pub near: usize,
    /// How many were checked without any rounding.
    pub exact: usize,
    /// Curves left out: the function or the rule is not finite on them, or the quadrature did not settle.
    pub skipped: usize,
    /// The largest difference, relative to the length of the curve times the largest slope along it.
    pub worst: f64,
}

/// Whether a vector lies in a set.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// It does, up to the tolerance.
    Yes,
    /// Its distance is at least this.
    No(f64),
    /// What is known of the set does not tell; why.
    Undecided(String),
}

/// A rule's vector at a point, and the sets there.
#[derive(Debug, Clone, PartialEq)]
pub struct Membership {
    /// The point: an array for each variable.
    pub point: Vec<Tensor>,
    /// The rule's vector; None if it gives none there.
    pub vector: Option<Vec<Tensor>>,
    /// How many ties are met there.
    pub ties: usize,
    /// In the hull of the conservative gradient of the program as written?
    pub in_conservative: Member,
    /// How that set is known.
    pub known: Option<Known>,
    /// In the Clarke subdifferential of the function?
    pub in_clarke: Member,
}

/// Agreement with central differences at random points.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    /// Entries compared.
    pub compared: usize,
    /// Entries where the differences themselves are not accurate enough, as next to a tie.
    pub unresolved: usize,
    /// Entries that disagree.
    pub wrong: usize,
    /// One of them.
    pub example: Option<Disagreement>,
}

/// An entry of a rule's vector that is not the slope of the function.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The point.
    pub point: Vec<Tensor>,
    /// Which entry, all variables one after another.
    pub entry: usize,
    /// What the rule says.
    pub rule: f64,
    /// What differences say.
    pub difference: f64,
}

/// The semismooth test: R(h) = |f(x + h) − f(x) − ⟨v(x + h), h⟩| / ‖h‖ → 0 as h → 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Semismooth {
    /// Points and directions tested.
    pub tested: usize,
    /// Of these, directions inside ties.
    pub inside: usize,
    /// Where R does not tend to 0.
    pub failure: Option<NotSemismooth>,
}

/// Where the semismooth test fails.
#[derive(Debug, Clone, PartialEq)]
pub struct NotSemismooth {
    /// The point x.
    pub point: Vec<Tensor>,
    /// The direction of h.
    pub direction: Vec<Tensor>,
    /// R at the smallest h.
    pub ratio: f64,
}

/// Local boundedness.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded {
    /// The largest norm of the rule's vector met.
    pub largest: f64,
    /// Sequences that converge to a point, along which the norms were watched.
    pub sequences: usize,
    /// A point at which the norms grow without bound.
    pub failure: Option<Unbounded>,
}

/// A point near which a rule is unbounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Unbounded {
    /// The point.
    pub point: Vec<Tensor>,
    /// Distances from it, and the norms there.
    pub norms: Vec<(f64, f64)>,
}

/// Limits of a rule's values at nearby points against the conservative gradient, whose graph is closed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedGraph {
    /// Limits found.
    pub limits: usize,
    /// Of these, those that the set is not known well enough to decide.
    pub unresolved: usize,
    /// A limit outside of the set.
    pub failure: Option<Escape>,
}

/// A limit of a rule's values that is outside of the set at the limit point.
#[derive(Debug, Clone, PartialEq)]
pub struct Escape {
    /// The point.
    pub point: Vec<Tensor>,
    /// The limit.
    pub limit: Vec<Tensor>,
    /// A lower bound of its distance from the set.
    pub gap: f64,
}

/// A rule that gives no finite vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// How often.
    pub times: usize,
    /// Where first.
    pub point: Vec<Tensor>,
    /// What it said.
    pub why: String,
}

impl CheckReport {
    /// Whether nothing speaks against the rule being conservative: no curve, difference or sequence. (Where its values lie is
    /// another question: see `points`.)
    pub fn passes(&self) -> bool {
        matches!(self.conservative, Conservative::Passed(_))
            && self.differences.wrong == 0
            && self.semismooth.failure.is_none()
            && self.bounded.failure.is_none()
            && self.closed_graph.failure.is_none()
    }

    /// The refuting curve, if there is one.
    pub fn refutation(&self) -> Option<&Refutation> {
        match &self.conservative {
            Conservative::Refuted(refutation) => Some(refutation),
            Conservative::Passed(_) => None,
        }
    }

    fn point(&self, arrays: &[Tensor]) -> String {
        let one = |(name, x): (&String, &Tensor)| format!("{name} = {}", array(x));
        std::iter::zip(&self.names, arrays).map(one).collect::<Vec<_>>().join(", ")
    }

    fn vector(&self, arrays: &[Tensor]) -> String {
        let all: Vec<String> = arrays.iter().map(array).collect();
        if all.len() == 1 { all[0].clone() } else { format!("({})", all.join(", ")) }
    }

    fn refuted(&self, r: &Refutation, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Not conservative: along a curve, the rule's line integral is not what the function gains.")?;
        match r.curve.as_slice() {
            [from, to] => {
                writeln!(f, "  from       {}\n  straight to {}", self.point(from), self.point(to))?;
            }
            points => {
                writeln!(f, "  from       {}", self.point(&points[0]))?;
                let last = &points[points.len() - 1];
                writeln!(f, "  through {} more to {}", plural(points.len() - 2, "point"), self.point(last))?;
            }
        }
        let exact = |fraction: fn(&Exact) -> &String, number: f64| match &r.exact {
            Some(e) if fraction(e).len() <= 40 => format!("{} (exactly)", fraction(e)),
            _ => show(number),
        };
        writeln!(f, "  the function changes by {}", exact(|e| &e.increment, r.increment))?;
        writeln!(f, "  the rule integrates to  {}", exact(|e| &e.integral, r.integral))?;
        writeln!(f, "  error of the comparison at most {:.1e}", r.error)?;
        let operators = r.operators.join(", ");
        match r.course {
            Course::Inside => writeln!(f, "  tied all along: {operators}"),
            Course::Near(distance) => writeln!(f, "  at a distance of {distance:.1e} from a tie of: {operators}"),
            Course::Open if operators.is_empty() => writeln!(f, "  no tie of the function is near"),
            Course::Open => writeln!(f, "  next to: {operators}"),
            Course::Jump => writeln!(f, "  the function itself jumps there: no rule is conservative for it"),
        }
    }
}

impl fmt::Display for CheckReport {
    /// The answers in sentences.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.conservative {
            Conservative::Refuted(r) => self.refuted(r, f)?,
            Conservative::Passed(p) => {
                let verdict = if self.passes() {
                    "No curve refutes the rule"
                } else {
                    "No curve refutes the rule, but see below"
                };
                writeln!(
                    f,
                    "{verdict}: on {} ({} inside ties, {} close to one, {} without rounding) its line integral is what the \
                     function gains, up to {:.1e}.",
                    plural(p.curves, "curve"),
                    p.inside,
                    p.near,
                    p.exact,
                    p.worst
                )?;
                if p.skipped > 0 {
                    let left = plural(p.skipped, "curve");
                    writeln!(f, "  left out, not finite or too rough to integrate: {left}")?;
                }
            }
        }
        for m in &self.points {
            writeln!(f, "At {}", self.point(&m.point))?;
            if let Some(vector) = &m.vector {
                writeln!(f, "  the rule gives {} ({})", self.vector(vector), plural(m.ties, "tie"))?;
            }
            writeln!(f, "  in the conservative gradient of the program (its hull): {}", m.in_conservative)?;
            writeln!(f, "  in the Clarke subdifferential of the function: {}", m.in_clarke)?;
        }
        self.rest(f)
    }
}

impl CheckReport {
    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &self.differences;
        match &d.example {
            None => writeln!(f, "Differences: {} agree ({} not resolved).", plural(d.compared, "slope"), d.unresolved)?,
            Some(e) => {
                let (at, entry) = (self.point(&e.point), e.entry);
                writeln!(
                    f,
                    "Differences: {} of {} disagree; at {at} entry {entry} is {} by the rule and {} by differences.",
                    d.wrong,
                    plural(d.compared, "slope"),
                    show(e.rule),
                    show(e.difference)
                )?;
            }
        }
        match &self.semismooth.failure {
            None => {
                let (tested, inside) = (plural(self.semismooth.tested, "direction"), self.semismooth.inside);
                writeln!(f, "Semismooth: in {tested} ({inside} inside ties).")?;
            }
            Some(e) => {
                let (at, along) = (self.point(&e.point), self.vector(&e.direction));
                writeln!(
                    f,
                    "Not semismooth: at {at} along {along} the error of the first order stays {}.",
                    show(e.ratio)
                )?;
            }
        }
        match &self.bounded.failure {
            None => writeln!(f, "Locally bounded: the largest norm met is {}.", show(self.bounded.largest))?,
            Some(e) => {
                let norms: Vec<String> = e.norms.iter().map(|(d, n)| format!("{n:.1e} at {d:.0e}")).collect();
                writeln!(
                    f,
                    "Not locally bounded at {}: norms by distance {}.",
                    self.point(&e.point),
                    norms.join(", ")
                )?;
            }
        }
        match &self.closed_graph.failure {
            None => {
                let limits = plural(self.closed_graph.limits, "limit");
                writeln!(f, "Closed graph: {limits} of values nearby are in the conservative gradient.")?;
            }
            Some(e) => {
                let (at, limit) = (self.point(&e.point), self.vector(&e.limit));
                writeln!(
                    f,
                    "Closed graph: values near {at} converge to {limit}, outside of the conservative gradient."
                )?;
            }
        }
        match &self.refused {
            None => Ok(()),
            Some(e) => {
                writeln!(
                    f,
                    "The rule gave no vector {}; first at {}: {}",
                    plural(e.times, "time"),
                    self.point(&e.point),
                    e.why
                )
            }
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Yes => write!(f, "yes"),
            Member::No(gap) => write!(f, "no (its distance is {})", show(*gap)),
            Member::Undecided(why) => write!(f, "undecided: {why}"),
        }
    }
}

/// A number in few digits, where that is what it is.
pub(super) fn show(x: f64) -> String {
    let (plain, short) = (format!("{x}"), format!("{x:.6e}"));
    if plain.len() <= 12 { plain } else { short }
}

fn array(x: &Tensor) -> String {
    match x.shape() {
        [] => format!("{}", x.item()),
        _ => {
            let all: Vec<String> = x.data().iter().take(12).map(|x| format!("{x}")).collect();
            let more = if x.data().len() > 12 { ", …" } else { "" };
            format!("[{}{more}]", all.join(", "))
        }
    }
}
