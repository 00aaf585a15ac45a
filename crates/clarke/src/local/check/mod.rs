//! Is a gradient that somebody wrote by hand a conservative one?
//!
//! A rule v is a conservative gradient of f if along every absolutely continuous curve γ
//!
//! ```text
//! f(γ(1)) − f(γ(0)) = ∫₀¹ ⟨v(γ(t)), γ′(t)⟩ dt
//! ```
//!
//! (Bolte, Pauwels 2021, Definitions 1 and 2). One curve on which the two sides differ refutes it; no number of curves
//! proves it. Random curves meet ties at single times only and see nothing of what a rule does *at* a tie. So curves are of
//! three kinds:
//!
//! - any: segments between random points, of all lengths. They find a rule that is wrong where f is smooth.
//! - inside ties: segments and arcs along which arguments stay tied. For conservative v and definable f, the projection of
//!   v(x) onto the tangent space of the stratum is the gradient of f along the stratum (the projection formula), so they
//!   find a rule that is wrong only at ties.
//! - close to ties, at relative distances from 10⁻¹ to 10⁻¹³: alongside, towards and away. They find comparisons with a
//!   tolerance.
//!
//! What is certain: values of f at the ends are enclosed by intervals rounded outwards; integrals are refined until the
//! difference exceeds their error ten times; and a segment counts as refuting only if the two sides differ on each eighth of
//! it. For a piecewise linear f, ties are entered in rational arithmetic: points of few digits, integer directions from the
//! exact null space, dyadic nodes; where nothing was rounded, both sides are given as fractions.
//!
//! Single-valued rules have no closed graph, and need none: what can fail is boundedness. A locally bounded conservative
//! rule together with its limits is a conservative field; one that is unbounded around a point has no such closure (and its
//! composition with others can be no conservative field). So boundedness is watched on sequences that converge to points,
//! and their limits are looked for in the program's own set.

mod around;
mod audit;
mod curve;
mod operator;
mod probe;
mod rational;
mod report;
mod rule;
mod subject;
mod switches;

pub use audit::{Agreed, AuditOptions, AuditReport, Finding, Grade, Nearby, Slopes, Tried, agreement, audit};
pub use operator::{Agreement, Disagree, ForwardRule, OperatorReport, ReverseRule, check_operator};
pub use report::{
    Bounded, CheckReport, ClosedGraph, Conservative, Course, Differences, Disagreement, Escape, Exact, Member,
    Membership, NotSemismooth, Passed, Refused, Refutation, Semismooth, Unbounded,
};
pub use rule::{GradientRule, PolicyRule, joined};

use super::image::SetOptions;
use crate::error::{Fault, Result};
use crate::program::Program;
use crate::run::check_inputs;
use crate::tensor::{Boxes, Tensor, unravel};
use probe::Probe;
use subject::Subject;
use switches::Switches;

/// How a rule is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOptions {
    /// The seed of all random choices.
    pub seed: u64,
    /// How many curves of the first kind are tried; the others are in proportion, and cost is.
    pub curves: usize,
    /// How far around the named points is looked, in each entry.
    pub radius: f64,
    /// Where is looked instead: a box for each variable, bounded.
    pub region: Option<Vec<Boxes>>,
    /// The relative error that a rule may have: differences up to it are no refutation.
    pub tolerance: f64,
    /// How far questions about sets go.
    pub sets: SetOptions,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        let sets = SetOptions::default();
        CheckOptions { seed: 0, curves: 64, radius: 2.0, region: None, tolerance: 1e-6, sets }
    }
}

/// Checks a rule for the gradient of a scalar program around named points, each with values for all inputs (data, which is
/// held fixed, from the first). Three questions have answers of their own: is the rule conservative (if not: a curve, the
/// two numbers, the operators); is its vector at each named point in the program's conservative gradient; is it in the Clarke
/// subdifferential. Further: agreement with differences, the semismooth test, local boundedness, limits.
///
/// A rule can be conservative and outside of both sets: relu′(0) = 17 is, since a curve that stays at 0 does not move.
///
/// Errors: the program's output is not one scalar; no point, or points that do not fit or are not finite; a rule whose arrays
/// do not fit the variables; a region that does not fit. A rule that fails at a point is data (`refused`).
/// Cost: `curves` times some hundred to thousand evaluations of the rule.
/// Source: Bolte, Pauwels 2021; Davis, Drusvyatskiy 2022, "Conservative and semismooth derivatives are equivalent for
/// semialgebraic maps", for the semismooth test.
///
/// ```
/// use clarke::{CheckOptions, Program, check_conservative};
/// let f = Program::trace(&[&[], &[]], |v| v[0].maximum(v[1]))?;
/// // Every tied entry gets the whole gradient.
/// let rule = Program::trace_many(&[&[], &[]], |v| {
///     vec![v[0].ge(v[1]).where_(1.0, 0.0), v[1].ge(v[0]).where_(1.0, 0.0)]
/// })?;
/// let report = check_conservative(&f, &rule, &[vec![1.0.into(), 1.0.into()]], &CheckOptions::default())?;
/// let refutation = report.refutation().unwrap();
/// // Along x = y the maximum grows as x does, and the rule says twice as much.
/// assert_eq!(refutation.integral, 2.0 * refutation.increment);
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn check_conservative(
    f: &Program,
    rule: &dyn GradientRule,
    points: &[Vec<Tensor>],
    options: &CheckOptions,
) -> Result<CheckReport> {
    let base = checked(f, points, options)?;
    let subject = Subject::new(f, rule, base)?;
    if let Ok(arrays) = rule.gradient(base) {
        subject.layout.join(&arrays)?;
    }
    let own = match rule.program() {
        Some(program) => own_switches(f, program, base)?,
        None => None,
    };
    let function = Switches::of(f)?;
    let named: Vec<Vec<f64>> = points.iter().map(|p| subject.flat(p)).collect();
    let bounds = region(&subject, &named, options)?;
    let mut probe = Probe::new(&subject, options, (function.as_ref(), own.as_ref()), bounds);
    let tied = probe.tied_points(&named);
    let mut around = named.clone();
    around.extend(tied.iter().filter(|p| !named.contains(p)).take(6).cloned());
    around.extend((0..2).map(|_| probe.point()));
    let conservative = probe.run(&named, &tied);
    let report = CheckReport {
        names: subject.layout.names.clone(),
        conservative,
        points: named.iter().map(|x| around::membership(&subject, x, options)).collect(),
        differences: around::differences(&mut probe),
        semismooth: around::semismooth(&mut probe, &around),
        bounded: around::bounded(&mut probe, &around),
        closed_graph: around::closed_graph(&mut probe, &around),
        refused: None,
    };
    let refused = subject.refused.borrow().as_ref().map(|(x, error)| Refused {
        times: *subject.refusals.borrow(),
        point: subject.layout.split(x),
        why: error.to_string(),
    });
    Ok(CheckReport { refused, ..report })
}

/// The first point, once all are checked.
fn checked<'a>(f: &Program, points: &'a [Vec<Tensor>], options: &CheckOptions) -> Result<&'a [Tensor]> {
    let setting = |setting, given: String, rule: &str| Err(Fault::Setting { setting, given, rule: rule.into() }.into());
    let Some(first) = points.first() else {
        return setting("points", "none".into(), "a check needs a point to look around");
    };
    if !(options.tolerance > 0.0 && options.tolerance < 1.0) {
        return setting("tolerance", options.tolerance.to_string(), "it lies between 0 and 1");
    }
    if !(options.radius > 0.0 && options.radius.is_finite()) {
        return setting("radius", options.radius.to_string(), "it is a positive finite number");
    }
    for point in points {
        check_inputs(f, point)?;
        let inputs = f.inputs().iter().filter(|i| !i.role.is_selection());
        for (input, array) in std::iter::zip(inputs, point) {
            if let Some((flat, value)) = array.first_not_finite() {
                let index = unravel(flat, array.shape());
                return Err(Fault::InputNotFinite { input: input.name.clone(), value, index }.into());
            }
        }
    }
    Ok(first)
}

/// The ties of a rule that is a program, in the variables of the function. None if it has none, or cannot be linearized.
fn own_switches(f: &Program, rule: &Program, base: &[Tensor]) -> Result<Option<Switches>> {
    check_inputs(rule, base)?;
    let of = |p: &Program| p.inputs().iter().filter(|i| !i.role.is_selection()).cloned().collect::<Vec<_>>();
    let pairs = std::iter::zip(of(f), of(rule));
    let names: Vec<String> = pairs.filter(|(i, _)| i.role.is_argument()).map(|(_, own)| own.name).collect();
    let varying = rule.varying(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(Switches::of(&varying).unwrap_or(None))
}

/// The box that is looked at: the region, or what is within the radius of the named points.
fn region(subject: &Subject<'_>, named: &[Vec<f64>], options: &CheckOptions) -> Result<(Vec<f64>, Vec<f64>)> {
    let Some(boxes) = &options.region else {
        let end = |sign: f64, pick: fn(f64, f64) -> f64| {
            let entry = |k: usize| named.iter().map(|p| p[k] + sign * options.radius).fold(-sign * f64::INFINITY, pick);
            (0..subject.dimension()).map(entry).collect::<Vec<f64>>()
        };
        return Ok((end(-1.0, f64::min), end(1.0, f64::max)));
    };
    let ends: Vec<(Tensor, Tensor)> = boxes.iter().map(|b| (b.lo().clone(), b.hi().clone())).collect();
    let (lo, hi): (Vec<Tensor>, Vec<Tensor>) = ends.into_iter().unzip();
    let (lo, hi) = (subject.layout.join(&lo)?, subject.layout.join(&hi)?);
    if lo.iter().chain(&hi).any(|x| !x.is_finite()) {
        let (given, rule) = ("an unbounded box".to_string(), "its ends are finite numbers".to_string());
        return Err(Fault::Setting { setting: "region", given, rule }.into());
    }
    Ok((lo, hi))
}
