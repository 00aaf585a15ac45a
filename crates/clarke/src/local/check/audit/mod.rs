//! Is a gradient that another library computes one of the function that it computes? Both are black boxes here.
//!
//! Nothing is known of the function but its values and the gradients claimed, so nothing is certain: values carry an
//! unknown error, and a tie is seen only where gradients jump. Three things are looked at around a point x:
//!
//! - *Differences.* At random points the slope along a direction is compared with central differences, where those settle
//!   as the step shrinks and both one-sided ones agree.
//! - *The chain rule along curves*, in the same way as for a program ([`super`]): the increment of the function against
//!   the line integral of the gradient, a difference counting only if it is ten times the error and on each eighth of the
//!   curve. Curves inside ties cannot be read off a program. They are guessed, as ties are most often where entries are 0,
//!   coincide, are opposite, or are halves of whole numbers; or they are found: gradients sampled close to x differ by
//!   normals of the ties that meet at x, so that directions orthogonal to all differences stay inside (the U-space of
//!   Lemaréchal, Oustry, Sagastizábal 2000).
//! - *The hull of gradients nearby.* The Clarke subdifferential at x is the intersection over all radii of the hulls of
//!   gradients within them. The distance of the gradient at x from such a hull tends to 0 as the radius does, if it is in.
//!   A hull of samples is smaller; so samples are added where the gradient is separated from it, and a direction that still
//!   separates must also exceed the slopes of the function along it, which bound the support function from below.
//!
//! A gradient can be conservative and outside of the hull: relu(−x) + x − relu(x) with relu′(0) = 0 has the gradient 1 at
//! 0 and is constant. That is an *artifact*, and no contradiction.

mod curves;
mod foreign;
mod nearby;
mod report;

pub use report::{Agreed, AuditReport, Finding, Grade, Nearby, Slopes, Tried};

use crate::error::{Fault, Result};
use crate::local::vector::norm;
use curves::Curves;
use foreign::Foreign;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How a gradient is audited.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditOptions {
    /// The seed of all random choices.
    pub seed: u64,
    /// How many curves of each kind are tried; the rest is in proportion, and cost is.
    pub curves: usize,
    /// How far around the point is looked, in each entry.
    pub radius: f64,
    /// The relative error that a gradient may have: differences up to it are no finding.
    pub tolerance: f64,
    /// The unit roundoff of the numbers that the function computes with: 2⁻⁵² for f64, 2⁻²³ for f32.
    pub precision: f64,
    /// At most this many gradients are sampled at random at each radius.
    pub samples: usize,
}

impl Default for AuditOptions {
    fn default() -> AuditOptions {
        AuditOptions { seed: 0, curves: 32, radius: 1.0, tolerance: 1e-6, precision: f64::EPSILON, samples: 128 }
    }
}

impl AuditOptions {
    /// The defaults for a function that computes with f32 inside: errors are 10⁹ times as large, and so is the tolerance
    /// raised.
    pub fn single() -> AuditOptions {
        AuditOptions { tolerance: 1e-3, precision: f64::from(f32::EPSILON), ..AuditOptions::default() }
    }
}

/// Audits a gradient around a point: where does it contradict differences of the values or the chain rule along curves, and
/// is the vector at the point itself among (averages of) the gradients nearby?
///
/// `value` and `gradient` return None, or something that is not finite, where there is none; such points are left out and
/// counted. Both must be functions: the same argument, the same result. What is found is data, each finding with its margin:
/// how many times it exceeds what it is compared with may be wrong by, at least 10. The noise of the values is taken from the
/// precision, the size of value, argument and gradient, and from differences of fourth order over tiny steps.
///
/// Errors: no entries, or one that is not finite; a setting out of its range. Cost: some hundred evaluations of the gradient
/// for each curve, many more where ties are crossed; deterministic for a seed.
/// Source: Bolte, Pauwels 2021, Definitions 1 and 2; Clarke 1990, Theorem 2.5.1; for noise Moré, Wild 2011.
///
/// ```
/// use clarke::check::{AuditOptions, Finding, audit};
/// // The maximum of two numbers, with the whole gradient for each tied entry.
/// let mut value = |x: &[f64]| Some(x[0].max(x[1]));
/// let mut gradient = |x: &[f64]| Some(vec![f64::from(x[0] >= x[1]), f64::from(x[1] >= x[0])]);
/// let report = audit(&mut value, &mut gradient, &[1.0, 1.0], &AuditOptions::default())?;
/// assert!(report.findings.iter().any(|f| matches!(f, Finding::Chain { inside: true, .. })));
/// assert!(report.findings.iter().any(|f| matches!(f, Finding::Outside { .. })));
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn audit(
    value: &mut dyn FnMut(&[f64]) -> Option<f64>,
    gradient: &mut dyn FnMut(&[f64]) -> Option<Vec<f64>>,
    point: &[f64],
    options: &AuditOptions,
) -> Result<AuditReport> {
    checked(point, options)?;
    let foreign = Foreign::new(value, gradient, options.precision);
    let (own, vector) = (foreign.value(point), foreign.vector(point));
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut findings = vec![];
    if let (Some(_), None) | (None, Some(_)) | (None, None) = (own, &vector) {
        findings.push(Finding::Nothing { value: own.is_some(), gradient: vector.is_some() });
    }
    let layers = nearby::sample(&foreign, point, options, &mut rng);
    foreign.learn(point, nearby::largest(&layers, vector.as_deref()), &mut rng);
    let (seen, tied) = nearby::look(&foreign, point, vector.as_deref(), layers, options, &mut rng);
    findings.extend(seen.finding);
    let mut curves = Curves::new(&foreign, point, options, rng);
    let slopes = curves.slopes();
    findings.extend(slopes.1);
    let tried = curves.run(&tied);
    findings.extend(tried.1);
    findings.sort_by_key(Finding::order);
    Ok(AuditReport {
        point: point.to_vec(),
        value: own,
        gradient: vector,
        findings,
        slopes: slopes.0,
        curves: tried.0,
        nearby: seen.nearby,
        noise: foreign.noise(point, own.unwrap_or(0.0)),
        values: foreign.calls().0,
        gradients: foreign.calls().1,
        missing: foreign.missing(),
    })
}

/// Compares two functions that are meant to be the same, at a point and at random ones around it.
///
/// Points at which one of them has no finite value are left out. Errors: those of [`audit`]. Cost: some evaluations of both
/// for each curve of the options.
pub fn agreement(
    one: &mut dyn FnMut(&[f64]) -> Option<f64>,
    other: &mut dyn FnMut(&[f64]) -> Option<f64>,
    point: &[f64],
    options: &AuditOptions,
) -> Result<Agreed> {
    checked(point, options)?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut agreed = Agreed { compared: 0, worst: 0.0, point: point.to_vec() };
    for k in 0..=4 * options.curves {
        // The point itself first; then in turn far from it and near.
        let distance = if k == 0 { 0.0 } else { options.radius * (0.125f64).powi((k % 4) as i32) };
        let x: Vec<f64> = point.iter().map(|x| x + distance * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let both = (one(&x).filter(|v| v.is_finite()), other(&x).filter(|v| v.is_finite()));
        let (Some(a), Some(b)) = both else { continue };
        agreed.compared += 1;
        let apart = (a - b).abs() / (1.0 + a.abs().max(b.abs()));
        if apart > agreed.worst {
            (agreed.worst, agreed.point) = (apart, x);
        }
    }
    Ok(agreed)
}

fn checked(point: &[f64], options: &AuditOptions) -> Result<()> {
    let refuse = |setting, given: String, rule: &str| Err(Fault::Setting { setting, given, rule: rule.into() }.into());
    if point.is_empty() || point.iter().any(|x| !x.is_finite()) {
        return refuse("point", format!("{point:?}"), "an audit needs a point of one or more finite numbers");
    }
    if !(options.radius > 0.0 && options.radius.is_finite()) {
        return refuse("radius", options.radius.to_string(), "it is a positive finite number");
    }
    if options.radius < 16.0 * smallest(point, options.precision) {
        let given = options.radius.to_string();
        return refuse("radius", given, "it is small against the rounding of the point; enlarge it, or move the point");
    }
    if !(options.tolerance > 0.0 && options.tolerance < 1.0) {
        return refuse("tolerance", options.tolerance.to_string(), "it lies between 0 and 1");
    }
    if !(options.precision >= f64::EPSILON && options.precision < 1e-2) {
        return refuse("precision", options.precision.to_string(), "it lies between 2^-52 and 0.01");
    }
    if options.samples < 2 {
        return refuse("samples", options.samples.to_string(), "a hull needs two gradients or more");
    }
    Ok(())
}

/// The smallest distance at which neighbours of a point are told from it well.
fn smallest(point: &[f64], precision: f64) -> f64 {
    (1.0 + point.iter().fold(0.0, |m: f64, x| m.max(x.abs()))) * precision.sqrt()
}

/// A vector with the entry of largest size ±1.
fn scaled(d: &[f64]) -> Option<Vec<f64>> {
    let largest = d.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    (largest > 0.0 && norm(d).is_finite()).then(|| d.iter().map(|x| x / largest).collect())
}
