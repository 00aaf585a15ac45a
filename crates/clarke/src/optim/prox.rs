//! Proximal operators and projections in closed form.

use crate::error::{Fault, Result};
use crate::set::norm;
use crate::tensor::Tensor;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// A closed convex function r with a proximal operator in closed form: a regularizer, or a set (r = 0 on it, ∞ off it).
///
/// A method that takes one minimizes f + r: after each step of size t the iterate y becomes
/// prox_{t r}(y) = argmin_z r(z) + ‖z − y‖² / (2t), for a set its projection.
///
/// As text: `l1(λ)`, `group(λ, size)`, `nuclear(λ, rows, columns)`, `box(low, high)`, `simplex(radius)`, `ball(radius)`,
/// `l1ball(radius)`; on some variables only, `l1(0.1) on 0..10`; several of those, with `;` between them.
///
/// Source: Moreau 1965; Parikh, Boyd, "Proximal algorithms", 2014.
#[derive(Debug, Clone, PartialEq)]
pub enum Prox {
    /// λ ‖x‖₁: entries shrink by tλ towards 0, and stop there.
    L1(f64),
    /// λ Σ ‖x_g‖₂ over consecutive groups of this many variables: groups shrink by tλ in length.
    Group(f64, usize),
    /// λ times the nuclear norm of the matrix of this many rows and columns: its singular values shrink by tλ.
    Nuclear(f64, usize, usize),
    /// low ≤ xᵢ ≤ high; bounds may be infinite.
    Box(f64, f64),
    /// xᵢ ≥ 0, Σ xᵢ = radius.
    Simplex(f64),
    /// ‖x‖₂ ≤ radius.
    Ball(f64),
    /// ‖x‖₁ ≤ radius.
    L1Ball(f64),
    /// A x = b.
    Affine(Arc<Affine>),
    /// Functions of disjoint ranges of variables; the others are free.
    Parts(Vec<(Range<usize>, Prox)>),
}

/// The solutions of a linear system A x = b: an orthonormal basis of the rows, and the solution's coordinates in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// One basis vector after another.
    basis: Vec<f64>,
    coordinates: Vec<f64>,
    dimension: usize,
}

impl Affine {
    /// The solutions of A x = b, for A of shape `[m, n]` and b of shape `[m]`. Rows may depend on each other: singular values
    /// below max(m, n) ε times the largest count as 0.
    ///
    /// Errors: shapes; numbers that are not finite; the system has no solution (to 10⁻⁹ of ‖b‖).
    pub fn new(a: &Tensor, b: &Tensor) -> Result<Affine> {
        let (&[m, n], &[rows]) = (a.shape(), b.shape()) else { return Err(shapes(a, b)) };
        if m != rows || m == 0 || n == 0 {
            return Err(shapes(a, b));
        }
        for (name, array) in [("A", a), ("b", b)] {
            if let Some((flat, value)) = array.first_not_finite() {
                let index = crate::tensor::unravel(flat, array.shape());
                return Err(Fault::InputNotFinite { input: name.into(), value, index }.into());
            }
        }
        let svd = faer::MatRef::from_row_major_slice(a.data(), m, n).thin_svd();
        let refuse = |value: String, rule: &str| {
            let (op, parameter) = ("affine".to_string(), "b".to_string());
            crate::Error::from(Fault::Parameter { op, parameter, value, rule: rule.into() })
        };
        let svd = svd.map_err(|_| refuse("given".into(), "the singular values of A were not found; scale its rows"))?;
        let sigma = svd.S().column_vector();
        let least = sigma.iter().fold(0.0f64, |a, s| a.max(*s)) * m.max(n) as f64 * f64::EPSILON;
        let (mut basis, mut coordinates, mut left) = (vec![], vec![], b.data().to_vec());
        for k in (0..sigma.nrows()).filter(|&k| sigma[k] > least) {
            basis.extend((0..n).map(|j| svd.V()[(j, k)]));
            let part: f64 = (0..m).map(|i| svd.U()[(i, k)] * b.data()[i]).sum();
            left.iter_mut().enumerate().for_each(|(i, r)| *r -= svd.U()[(i, k)] * part);
            coordinates.push(part / sigma[k]);
        }
        if norm(&left) > 1e-9 * norm(b.data()) {
            let rule = "A x = b has no solution: the rows of A depend on each other, and these numbers do not";
            return Err(refuse(format!("{:?}", b.data()), rule));
        }
        Ok(Affine { basis, coordinates, dimension: n })
    }
}

fn shapes(a: &Tensor, b: &Tensor) -> crate::Error {
    let rule = "A must be a matrix, and b have a number for each of its rows".into();
    Fault::Shapes { op: "affine".into(), shapes: vec![a.shape().to_vec(), b.shape().to_vec()], rule }.into()
}

/// Makes a vector shorter by some length, and 0 if it is not longer.
fn shrink(x: &mut [f64], by: f64) {
    let length = norm(x);
    let scale = if length > by { 1.0 - by / length } else { 0.0 };
    x.iter_mut().for_each(|x| *x *= scale);
}

impl Prox {
    /// x becomes prox_{t r}(x), for t ≥ 0; sets do not look at t. A nuclear norm allocates, and so does what sorts unless
    /// `scratch` has room already.
    pub fn apply(&self, t: f64, x: &mut [f64], scratch: &mut Vec<f64>) {
        match self {
            Prox::L1(lambda) => {
                let cut = t * lambda;
                x.iter_mut().for_each(|x| *x = if x.abs() > cut { *x - cut.copysign(*x) } else { 0.0 });
            }
            Prox::Group(lambda, size) => x.chunks_mut(*size).for_each(|group| shrink(group, t * lambda)),
            Prox::Nuclear(lambda, rows, columns) => nuclear(x, *rows, *columns, t * lambda),
            Prox::Box(low, high) => x.iter_mut().for_each(|x| *x = x.clamp(*low, *high)),
            Prox::Simplex(radius) => {
                let tau = threshold(x, *radius, scratch);
                x.iter_mut().for_each(|x| *x = (*x - tau).max(0.0));
            }
            Prox::Ball(radius) => {
                let length = norm(x);
                if length > *radius {
                    x.iter_mut().for_each(|x| *x = *x / length * radius);
                }
            }
            Prox::L1Ball(radius) => {
                if x.iter().map(|x| x.abs()).sum::<f64>() > *radius {
                    let tau = absolute_threshold(x, *radius, scratch);
                    Prox::L1(1.0).apply(tau, x, scratch);
                }
            }
            Prox::Affine(set) => {
                for (v, c) in set.basis.chunks(set.dimension).zip(&set.coordinates) {
                    let off = v.iter().zip(&*x).map(|(v, x)| v * x).sum::<f64>() - c;
                    x.iter_mut().zip(v).for_each(|(x, v)| *x -= off * v);
                }
            }
            Prox::Parts(parts) => parts.iter().for_each(|(at, part)| part.apply(t, &mut x[at.clone()], scratch)),
        }
    }

    /// The nearest point at which r is finite: the projection onto the sets among the parts.
    pub fn enter(&self, x: &mut [f64], scratch: &mut Vec<f64>) {
        match self {
            Prox::Parts(parts) => parts.iter().for_each(|(at, part)| part.enter(&mut x[at.clone()], scratch)),
            set if set.is_set() => set.apply(1.0, x, scratch),
            _ => {}
        }
    }

    /// r at a point; that of a set is 0, for the point is one of it.
    pub fn value(&self, x: &[f64]) -> f64 {
        match self {
            Prox::L1(lambda) => lambda * x.iter().map(|x| x.abs()).sum::<f64>(),
            Prox::Group(lambda, size) => lambda * x.chunks(*size).map(norm).sum::<f64>(),
            Prox::Nuclear(lambda, rows, columns) => {
                let singular = faer::MatRef::from_row_major_slice(x, *rows, *columns).singular_values();
                singular.map_or(f64::NAN, |s| lambda * s.iter().sum::<f64>())
            }
            Prox::Parts(parts) => parts.iter().map(|(at, part)| part.value(&x[at.clone()])).sum(),
            _ => 0.0,
        }
    }

    /// Whether it is a set, so that its proximal operator is a projection.
    pub fn is_set(&self) -> bool {
        match self {
            Prox::L1(_) | Prox::Group(..) | Prox::Nuclear(..) => false,
            Prox::Box(..) | Prox::Simplex(_) | Prox::Ball(_) | Prox::L1Ball(_) | Prox::Affine(_) => true,
            Prox::Parts(parts) => parts.iter().all(|(_, part)| part.is_set()),
        }
    }

    /// Errors: a parameter that makes no function, or that does not fit this many variables.
    pub fn check(&self, dimension: usize) -> Result<()> {
        let wrong = |rule: String| Err(Fault::Setting { setting: "prox", given: self.to_string(), rule }.into());
        let positive = |x: f64| x > 0.0 && x.is_finite();
        match self {
            Prox::L1(x) | Prox::Group(x, _) | Prox::Nuclear(x, ..) if !positive(*x) => {
                wrong("its weight must be a positive number".into())
            }
            Prox::Simplex(x) | Prox::Ball(x) | Prox::L1Ball(x) if !positive(*x) => {
                wrong("its radius must be a positive number".into())
            }
            Prox::Box(low, high) if low.is_nan() || high.is_nan() || low > high || low == high && low.is_infinite() => {
                wrong("its bounds must be numbers, the first not above the second".into())
            }
            Prox::Group(_, size) if *size == 0 || !dimension.is_multiple_of(*size) => {
                wrong(format!("{dimension} variables are no groups of {size}"))
            }
            Prox::Nuclear(_, m, n) if m.checked_mul(*n) != Some(dimension) || dimension == 0 => {
                wrong(format!("{dimension} variables are no matrix of {m} rows and {n} columns"))
            }
            Prox::Affine(set) if set.dimension != dimension => {
                wrong(format!("its matrix has {} columns, and there are {dimension} variables", set.dimension))
            }
            Prox::Parts(parts) => {
                for (k, (at, part)) in parts.iter().enumerate() {
                    if at.start >= at.end || at.end > dimension {
                        return wrong(format!("{}..{} is no range of {dimension} variables", at.start, at.end));
                    }
                    if parts[..k].iter().any(|(other, _)| other.start < at.end && at.start < other.end) {
                        return wrong(format!("{}..{} has variables of another part", at.start, at.end));
                    }
                    part.check(at.len())?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The τ with Σ max(xᵢ − τ, 0) = radius (Held, Wolfe, Crowder 1974).
fn threshold(x: &[f64], radius: f64, sorted: &mut Vec<f64>) -> f64 {
    sorted.clear();
    sorted.extend_from_slice(x);
    crate::op::convex::simplex_threshold(radius, sorted)
}

/// The τ with Σ max(|xᵢ| − τ, 0) = radius.
fn absolute_threshold(x: &[f64], radius: f64, sorted: &mut Vec<f64>) -> f64 {
    sorted.clear();
    sorted.extend(x.iter().map(|x| x.abs()));
    crate::op::convex::simplex_threshold(radius, sorted)
}

/// Singular values shrink by some amount. A matrix whose singular values are not found becomes NaN, which ends a run.
fn nuclear(x: &mut [f64], rows: usize, columns: usize, by: f64) {
    let Ok(svd) = faer::MatRef::from_row_major_slice(x, rows, columns).thin_svd() else { return x.fill(f64::NAN) };
    let kept: Vec<f64> = svd.S().column_vector().iter().map(|s| (s - by).max(0.0)).collect();
    for (k, x) in x.iter_mut().enumerate() {
        let (i, j) = (k / columns, k % columns);
        *x = kept.iter().enumerate().map(|(r, s)| svd.U()[(i, r)] * s * svd.V()[(j, r)]).sum();
    }
}

impl fmt::Display for Prox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Prox::L1(lambda) => write!(f, "l1({lambda})"),
            Prox::Group(lambda, size) => write!(f, "group({lambda},{size})"),
            Prox::Nuclear(lambda, rows, columns) => write!(f, "nuclear({lambda},{rows},{columns})"),
            Prox::Box(low, high) => write!(f, "box({low},{high})"),
            Prox::Simplex(radius) => write!(f, "simplex({radius})"),
            Prox::Ball(radius) => write!(f, "ball({radius})"),
            Prox::L1Ball(radius) => write!(f, "l1ball({radius})"),
            Prox::Affine(set) => write!(f, "affine({} equations)", set.coordinates.len()),
            Prox::Parts(parts) => {
                let text = |(at, part): &(Range<usize>, Prox)| format!("{part} on {}..{}", at.start, at.end);
                write!(f, "{}", parts.iter().map(text).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

/// One function, without a range.
fn one(text: &str) -> Option<Prox> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (name, rest) = compact.split_once('(')?;
    let inside: Vec<&str> = rest.strip_suffix(')')?.split(',').collect();
    let real = |k: usize| inside[k].parse::<f64>().ok();
    let whole = |k: usize| inside[k].parse::<usize>().ok();
    Some(match (name, inside.len()) {
        ("l1", 1) => Prox::L1(real(0)?),
        ("group", 2) => Prox::Group(real(0)?, whole(1)?),
        ("nuclear", 3) => Prox::Nuclear(real(0)?, whole(1)?, whole(2)?),
        ("box", 2) => Prox::Box(real(0)?, real(1)?),
        ("simplex", 1) => Prox::Simplex(real(0)?),
        ("ball", 1) => Prox::Ball(real(0)?),
        ("l1ball", 1) => Prox::L1Ball(real(0)?),
        _ => return None,
    })
}

/// One function on a range.
fn part(text: &str) -> Option<(Range<usize>, Prox)> {
    let (function, range) = text.split_once(" on ")?;
    let (start, end) = range.trim().split_once("..")?;
    Some((start.trim().parse().ok()?..end.trim().parse().ok()?, one(function)?))
}

impl FromStr for Prox {
    type Err = crate::Error;

    /// The text form, as [`Prox`] has it. Whether numbers make sense is for [`Prox::check`] to say.
    fn from_str(text: &str) -> Result<Prox> {
        let read = match one(text) {
            Some(whole) => Some(whole),
            None => text.split(';').map(part).collect::<Option<Vec<_>>>().map(Prox::Parts),
        };
        read.ok_or_else(|| Fault::Setting { setting: "prox", given: text.into(), rule: FORMS.into() }.into())
    }
}

/// What [`Prox`] reads.
pub(super) const FORMS: &str = "it is l1(λ), group(λ, size), nuclear(λ, rows, columns), box(low, high), simplex(radius), \
                                ball(radius) or l1ball(radius), on some variables with ` on 0..10`, several with `;`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_printed() {
        for text in ["l1(0.5)", "group(1,3)", "nuclear(2,3,4)", "box(-inf,1)", "simplex(1)", "ball(2)", "l1ball(3)"] {
            assert_eq!(text.parse::<Prox>().unwrap().to_string(), text);
            let parts = format!("{text} on 0..12; box(0,1) on 12..14");
            assert_eq!(parts.parse::<Prox>().unwrap().to_string(), parts);
        }
        for text in ["", "l1", "l1()", "l1(1,2)", "l1(1) on", "l1(1) on 3", "l1(1);", "l2(1)", "box(1)", "group(1,-2)"]
        {
            let error = text.parse::<Prox>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("prox `{text}` cannot be read: it is l1(λ)")), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |text: &str| text.parse::<Prox>().unwrap().check(6).is_err();
        let wrong = [
            "l1(0)",
            "l1(-1)",
            "l1(inf)",
            "group(1,4)",
            "group(1,0)",
            "nuclear(1,2,2)",
            "box(2,1)",
            "box(inf,inf)",
            "simplex(0)",
            "ball(nan)",
            "l1(1) on 3..3",
            "l1(1) on 0..7",
            "l1(1) on 0..4; ball(1) on 3..6",
            "group(1,3) on 0..4",
        ];
        wrong.iter().for_each(|text| assert!(refused(text), "{text}"));
        let right =
            ["l1(1)", "group(1,3)", "nuclear(1,2,3)", "box(1,1)", "box(0,inf)", "l1(1) on 0..4; ball(1) on 4..6"];
        right.iter().for_each(|text| assert!(!refused(text), "{text}"));
    }

    #[test]
    fn systems_without_solution_are_refused() {
        let a = Tensor::new(&[2, 2], vec![1.0, 2.0, 2.0, 4.0]).unwrap();
        assert!(Affine::new(&a, &Tensor::vector([1.0, 2.0])).is_ok());
        let error = Affine::new(&a, &Tensor::vector([1.0, 1.0])).unwrap_err().to_string();
        assert!(error.contains("has no solution"), "{error}");
        assert!(Affine::new(&a, &Tensor::vector([1.0])).is_err());
    }
}
