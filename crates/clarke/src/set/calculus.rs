//! The operations that conservative fields are closed under, on hulls of finitely many Jacobians.
//!
//! A Jacobian of shape m × n is a point of dimension m n, row after row. Each operation is linear in each of its
//! arguments, so that the hull of the results of all pairs of rows is the hull of the results of all pairs of elements,
//! and nothing is lost by keeping extreme points only. The results keep all pairs; [`Polytope::extreme`] makes them few.
//!
//! Cost: the product of the numbers of rows, times the dimension of the result. An error if that is more than 2²⁸ entries.

use super::polytope::{LARGEST, Polytope};
use super::refuse;
use crate::error::Result;

/// A + B = {a + b}: the rule of the sum f + g. If D_f and D_g are conservative for f and g, so is D_f + D_g for f + g:
/// along a curve both chain rules hold almost everywhere, and add up (Bolte, Pauwels 2021, sum rule).
///
/// # Errors
/// If the dimensions differ.
pub fn sum(a: &Polytope, b: &Polytope) -> Result<Polytope> {
    same_dimension("sum", a, b)?;
    pairs("sum", a, b, a.dimension(), |u, v, out| out.extend(u.iter().zip(v).map(|(u, v)| u + v)))
}

/// t A = {t a}: the rule of the multiple t f.
///
/// # Errors
/// If t is not finite, or an entry overflows.
pub fn scale(t: f64, a: &Polytope) -> Result<Polytope> {
    if !t.is_finite() {
        return Err(refuse("scale", "t", t, "it must be a finite number"));
    }
    Polytope::from_rows(a.dimension(), a.points().flatten().map(|x| t * x).collect())
}

/// g(x) D_f + f(x) D_g: the rule of the product f g of two numbers f(x) = `value_a`, g(x) = `value_b`. It is the composition
/// of (u, v) ↦ u v, which is smooth, with the stacked field (Bolte, Pauwels 2021, Lemmas 3 and 5).
///
/// # Errors
/// If the dimensions differ or a value is not finite.
pub fn product(value_a: f64, a: &Polytope, value_b: f64, b: &Polytope) -> Result<Polytope> {
    same_dimension("product", a, b)?;
    if !value_a.is_finite() || !value_b.is_finite() {
        let given = format!("({value_a}, {value_b})");
        return Err(refuse("product", "pair of values", given, "both must be finite numbers"));
    }
    let each = |u: &[f64], v: &[f64], out: &mut Vec<f64>| {
        out.extend(u.iter().zip(v).map(|(u, v)| value_b * u + value_a * v));
    };
    pairs("product", a, b, a.dimension(), each)
}

/// {V₂ V₁ : V₂ of the outer set, V₁ of the inner}, for shapes m × k and k × n: the rule of the composition F₂ ∘ F₁, with the
/// outer set taken at F₁(x). The product of conservative Jacobians is one (Bolte, Pauwels 2021, Lemma 5).
///
/// # Errors
/// If a shape does not fit its set, or the shapes do not fit each other.
pub fn compose(
    outer: &Polytope,
    (m, k): (usize, usize),
    inner: &Polytope,
    (rows, n): (usize, usize),
) -> Result<Polytope> {
    if outer.dimension() != m * k || inner.dimension() != rows * n || k != rows {
        let given = format!(
            "{m} × {k} of dimension {} after {rows} × {n} of dimension {}",
            outer.dimension(),
            inner.dimension()
        );
        let rule = "sets of Jacobians m × k and k × n have the dimensions m k and k n";
        return Err(refuse("compose", "pair of shapes", given, rule));
    }
    pairs("compose", outer, inner, m * n, |u, v, out| {
        for i in 0..m {
            let at = out.len();
            out.resize(at + n, 0.0);
            for j in 0..k {
                super::add_scaled(&mut out[at..], u[i * k + j], &v[j * n..(j + 1) * n]);
            }
        }
    })
}

/// A × B × … = {(a, b, …)}: the rule of the mapping (f, g, …) whose coordinates have these fields (Bolte, Pauwels 2021,
/// Lemma 3). The Jacobians stand below each other.
///
/// # Errors
/// If there is no set, or too many combinations.
pub fn stack(sets: &[&Polytope]) -> Result<Polytope> {
    let Some((first, rest)) = sets.split_first() else {
        return Err(refuse("stack", "number of sets", 0, "there must be one or more"));
    };
    rest.iter().try_fold((*first).clone(), |above, below| {
        let dimension = above.dimension() + below.dimension();
        pairs("stack", &above, below, dimension, |u, v, out| {
            out.extend_from_slice(u);
            out.extend_from_slice(v);
        })
    })
}

fn same_dimension(op: &str, a: &Polytope, b: &Polytope) -> Result<()> {
    if a.dimension() == b.dimension() {
        return Ok(());
    }
    let given = format!("({}, {})", a.dimension(), b.dimension());
    Err(refuse(op, "pair of dimensions", given, "both sets must lie in one space"))
}

/// The polytope of what a function appends for every pair of rows, the second set's rows running fastest.
fn pairs(
    op: &str,
    a: &Polytope,
    b: &Polytope,
    dimension: usize,
    each: impl Fn(&[f64], &[f64], &mut Vec<f64>),
) -> Result<Polytope> {
    let entries = a.len().checked_mul(b.len()).and_then(|n| n.checked_mul(dimension)).filter(|n| *n <= LARGEST);
    let Some(entries) = entries else {
        let given = format!("{} · {} rows of {dimension}", a.len(), b.len());
        let rule = "a hull holds at most 2^28 entries; take the extreme points of the arguments, or fewer points";
        return Err(refuse(op, "result", given, rule));
    };
    let mut rows = Vec::with_capacity(entries);
    for u in a.points() {
        for v in b.points() {
            each(u, v, &mut rows);
        }
    }
    Polytope::from_rows(dimension, rows)
}
