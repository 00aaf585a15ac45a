//! The two rules of an operator that somebody wrote by hand: forward and reverse.

use super::probe::Probe;
use super::report::{CheckReport, show};
use super::subject::Subject;
use super::switches::Switches;
use super::{CheckOptions, check_conservative, region};
use crate::error::{Fault, Result, plural};
use crate::local::vector::{dot, norm};
use crate::program::{Builder, Program, Var};
use crate::tensor::{Tensor, size};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// A rule of forward mode: point, a tangent for each variable ↦ the tangent of the value.
pub type ForwardRule<'a> = &'a dyn Fn(&[Tensor], &[Tensor]) -> Result<Tensor>;

/// A rule of reverse mode: point, a cotangent of the value ↦ a cotangent for each variable.
pub type ReverseRule<'a> = &'a dyn Fn(&[Tensor], &Tensor) -> Result<Vec<Tensor>>;

/// What [`check_operator`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorReport {
    /// The cotangent w with which the operator was made a scalar function ⟨w, F⟩.
    pub cotangent: Tensor,
    /// The rule of forward mode, as a gradient of ⟨w, F⟩.
    pub forward: CheckReport,
    /// The rule of reverse mode, as one.
    pub reverse: CheckReport,
    /// Whether the two are transposes of each other.
    pub agreement: Agreement,
}

/// Whether two rules of an operator are transposes of each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Agreement {
    /// At all of so many points, with random tangents and cotangents.
    Agree(usize),
    /// They are not. Both may be conservative: at a tie they pick different elements.
    Disagree(Box<Disagree>),
}

/// Where a forward and a reverse rule disagree.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagree {
    /// The point: an array for each variable.
    pub point: Vec<Tensor>,
    /// The tangent u.
    pub tangent: Vec<Tensor>,
    /// The cotangent w.
    pub cotangent: Tensor,
    /// ⟨w, J u⟩ by the forward rule.
    pub forward: f64,
    /// ⟨Jᵀ w, u⟩ by the reverse rule.
    pub reverse: f64,
    /// The operators tied there; none where the two disagree off ties.
    pub operators: Vec<String>,
}

impl OperatorReport {
    /// Whether both rules pass and agree.
    pub fn passes(&self) -> bool {
        matches!(self.agreement, Agreement::Agree(_)) && self.forward.passes() && self.reverse.passes()
    }
}

/// Checks the rules of forward and reverse mode of an operator F, a program of one output of any shape: each as a gradient
/// of ⟨w, F⟩ with a random w, as [`check_conservative`] does, and whether they are transposes of each other, at ties too.
///
/// Errors and cost: those of [`check_conservative`]. Source: Bolte, Pauwels 2021, Theorem 8: for the same choices at ties
/// the two modes return the same.
pub fn check_operator(
    f: &Program,
    forward: ForwardRule<'_>,
    reverse: ReverseRule<'_>,
    points: &[Vec<Tensor>],
    options: &CheckOptions,
) -> Result<OperatorReport> {
    let [shape] = f.output_shapes()[..] else {
        let shapes = f.output_shapes().iter().map(|s| s.to_vec()).collect();
        return Err(Fault::NotScalar { what: "a check of an operator", shapes }.into());
    };
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ 0x5EED);
    // Few digits, and none 0.
    let weight = |_| f64::from(rng.random_range(1..=6)) * if rng.random() { 0.5 } else { -0.5 };
    let cotangent = if shape.is_empty() { Tensor::scalar(1.0) } else { Tensor::from_fn(shape, weight) };
    let scalar = paired(f, &cotangent)?;
    let by_reverse = |point: &[Tensor]| reverse(point, &cotangent);
    let shapes: Vec<Vec<usize>> = f.inputs().iter().filter(|i| i.role.is_argument()).map(|i| i.shape.clone()).collect();
    let by_forward = |point: &[Tensor]| {
        let zero: Vec<Tensor> = shapes.iter().map(|s| Tensor::full(s, 0.0)).collect();
        let mut gradient = zero.clone();
        for k in 0..shapes.len() {
            for entry in 0..size(&shapes[k]) {
                let mut unit = zero.clone();
                unit[k].data_mut()[entry] = 1.0;
                gradient[k].data_mut()[entry] = dot(forward(point, &unit)?.data(), cotangent.data());
            }
        }
        Ok(gradient)
    };
    Ok(OperatorReport {
        forward: check_conservative(&scalar, &by_forward, points, options)?,
        reverse: check_conservative(&scalar, &by_reverse, points, options)?,
        agreement: agreement(&scalar, forward, &by_reverse, &cotangent, points, options)?,
        cotangent,
    })
}

/// ⟨w, F⟩ as a program.
fn paired(f: &Program, w: &Tensor) -> Result<Program> {
    let builder = Builder::new();
    let args: Vec<Var<'_>> = f.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let out = builder.inline(f, &args)[0];
    let out = if w.shape().is_empty() { out } else { (out * builder.constant(w.clone())).sum() };
    builder.finish(&[out])
}

fn agreement(
    scalar: &Program,
    forward: ForwardRule<'_>,
    reverse: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    cotangent: &Tensor,
    points: &[Vec<Tensor>],
    options: &CheckOptions,
) -> Result<Agreement> {
    let subject = Subject::new(scalar, &reverse, &points[0])?;
    let switches = Switches::of(scalar)?;
    let named: Vec<Vec<f64>> = points.iter().map(|p| subject.flat(p)).collect();
    let bounds = region(&subject, &named, options)?;
    let mut probe = Probe::new(&subject, options, (switches.as_ref(), None), bounds);
    let mut all = named.clone();
    all.extend(probe.tied_points(&named));
    all.extend((0..options.curves / 4).map(|_| probe.point()));
    let mut agreed = 0;
    for x in &all {
        let tangent: Vec<f64> = x.iter().map(|_| f64::from(probe.rng.random_range(-8..=8)) / 8.0).collect();
        let (arrays, inputs) = (subject.layout.split(&tangent), subject.inputs(x));
        let (Ok(dot_y), Some(v)) = (forward(&inputs, &arrays), subject.rule(x)) else { continue };
        let (by_forward, by_reverse) = (dot(dot_y.data(), cotangent.data()), dot(&v, &tangent));
        let scale = by_forward.abs().max(by_reverse.abs()).max(norm(&v) * norm(&tangent));
        if (by_forward - by_reverse).abs() > options.tolerance * scale {
            return Ok(Agreement::Disagree(Box::new(Disagree {
                point: subject.layout.split(x),
                tangent: arrays,
                cotangent: cotangent.clone(),
                forward: by_forward,
                reverse: by_reverse,
                operators: switches.as_ref().map_or(vec![], |s| s.sources(&subject, x, 0.0)),
            })));
        }
        agreed += 1;
    }
    Ok(Agreement::Agree(agreed))
}

impl fmt::Display for OperatorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agreement {
            Agreement::Agree(count) => writeln!(f, "Forward and reverse agree at {}.", plural(*count, "point"))?,
            Agreement::Disagree(d) => {
                let numbers = |all: &[Tensor]| {
                    let flat = all.iter().flat_map(|t| t.data());
                    flat.map(|x| show(*x)).collect::<Vec<_>>().join(", ")
                };
                writeln!(f, "Forward and reverse disagree at ({}):", numbers(&d.point))?;
                writeln!(
                    f,
                    "  along the tangent ({}) with the cotangent ({})",
                    numbers(&d.tangent),
                    numbers(std::slice::from_ref(&d.cotangent))
                )?;
                writeln!(f, "  forward gives {}, reverse {}", show(d.forward), show(d.reverse))?;
                match d.operators.as_slice() {
                    [] => writeln!(f, "  no tie is met there")?,
                    all => writeln!(f, "  tied there: {}", all.join(", "))?,
                }
            }
        }
        write!(f, "Forward rule. {}Reverse rule. {}", self.forward, self.reverse)
    }
}
