//! Whether finitely many open half-spaces through 0 have a point in common.

use super::polytope::Polytope;
use super::{check, dot, norm, refuse};
use crate::error::Result;
use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOptions};

/// Whether {d : ⟨aᵢ, d⟩ > 0 for all i} has a point, with the proof of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cone {
    /// There is one.
    Open {
        /// d with ‖d‖₂ = 1 and ⟨aᵢ, d⟩ > 0 for all i.
        direction: Vec<f64>,
        /// min ⟨aᵢ, d⟩ / ‖aᵢ‖ > 0, evaluated at this d: the sine of the angle by which d can be turned in any direction and
        /// stay in the closed cone. Infinite if there are no rows.
        margin: f64,
    },
    /// There is none, by Gordan's theorem of the alternative (1873): a combination of the rows with nonnegative weights,
    /// not all 0, vanishes.
    Empty {
        /// w ≥ 0 with Σ w = 1, one a row.
        weights: Vec<f64>,
        /// ‖Σ wᵢ aᵢ/‖aᵢ‖‖₂, which no margin can exceed: at most 10⁻¹², or as near to it as the methods came.
        residual: f64,
    },
}

/// A margin up to this is taken for 0: normalized rows are only known up to rounding.
const FLAT: f64 = 1e-12;

/// A margin at which the nearest point's direction is taken without asking the linear program.
const CLEAR: f64 = 1e-6;

/// The largest linear program that is set up, in entries of its matrix.
const LARGEST_PROGRAM: usize = 1 << 22;

/// Decides whether an open polyhedral cone is empty: does a d exist with ⟨aᵢ, d⟩ > 0 for all i?
///
/// The rows are normalized. The two answers are dual to each other: the least norm of the hull of the rows is the largest
/// margin max min ⟨aᵢ, d⟩ over ‖d‖₂ ≤ 1, and the weights of the point of least norm are Gordan's where it is 0. So
/// [`min_norm`](super::min_norm()) gives the direction or the weights, and the d of the largest margin. Where that margin
/// is at most 10⁻⁶ and the norm is not 0, a linear program, max c subject to ⟨aᵢ, d⟩ ≥ c and ‖d‖∞ ≤ 1, is asked as well,
/// whose basic solutions do not know c from the square of a norm; the better direction is returned. In dimension 1,
/// dimension 2, and for up to two rows the answer is a formula.
///
/// Tolerance: an open cone whose largest margin is at most 10⁻¹² is called empty. Every direction is checked against
/// every row, and its margin is the one found there.
///
/// A row that is 0 makes the cone empty. Without rows there is no dimension: `Open` with an empty direction.
///
/// # Errors
/// If the rows have not the same length, or an entry is not finite.
pub fn open_cone(rows: &[Vec<f64>]) -> Result<Cone> {
    let Some(first) = rows.first() else {
        return Ok(Cone::Open { direction: vec![], margin: f64::INFINITY });
    };
    if first.is_empty() {
        return Err(refuse("open_cone", "length of a row", 0, "rows lie in dimension 1 or more"));
    }
    for row in rows {
        check("open_cone", "rows", row, first.len())?;
    }
    if let Some(k) = rows.iter().position(|row| row.iter().all(|x| *x == 0.0)) {
        return Ok(empty(rows.len(), &[(k, 1.0)], 0.0));
    }
    let unit: Vec<Vec<f64>> = rows.iter().map(|row| normalized(row)).collect();
    match (first.len(), unit.len()) {
        (_, 1) => Ok(opened(&unit, &unit[0]).unwrap_or_else(|| empty(1, &[(0, 1.0)], 1.0))),
        (_, 2) => Ok(two(&unit)),
        (1 | 2, _) => Ok(in_the_plane(&unit)),
        _ => by_nearest_point(&unit),
    }
}

/// a/‖a‖₂, of any size that has a norm: the largest entry is taken out first.
fn normalized(a: &[f64]) -> Vec<f64> {
    let largest = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let small: Vec<f64> = a.iter().map(|x| x / largest).collect();
    let length = norm(&small);
    small.iter().map(|x| x / length).collect()
}

/// The cone as a direction shows it, if its margin is one.
fn opened(unit: &[Vec<f64>], direction: &[f64]) -> Option<Cone> {
    if direction.iter().any(|x| !x.is_finite()) || direction.iter().all(|x| *x == 0.0) {
        return None;
    }
    let direction = normalized(direction);
    let margin = unit.iter().map(|a| dot(a, &direction)).fold(f64::INFINITY, f64::min);
    (margin > FLAT).then_some(Cone::Open { direction, margin })
}

fn empty(rows: usize, weights: &[(usize, f64)], residual: f64) -> Cone {
    let total: f64 = weights.iter().map(|w| w.1).sum();
    let mut all = vec![0.0; rows];
    for (k, w) in weights {
        all[*k] += w / total;
    }
    Cone::Empty { weights: all, residual }
}

/// Two rows: empty only if they are opposite. Their sum bisects the angle between them.
fn two(unit: &[Vec<f64>]) -> Cone {
    let sum: Vec<f64> = unit[0].iter().zip(&unit[1]).map(|(x, y)| x + y).collect();
    match opened(unit, &sum) {
        Some(cone) => cone,
        None => empty(2, &[(0, 0.5), (1, 0.5)], 0.5 * norm(&sum)),
    }
}

/// In dimensions 1 and 2: the rows by their angle. The cone is open if and only if a gap between neighbours is more than a half
/// turn, and the direction then bisects the rest.
fn in_the_plane(unit: &[Vec<f64>]) -> Cone {
    let flat: Vec<[f64; 2]> = unit.iter().map(|a| [a[0], *a.get(1).unwrap_or(&0.0)]).collect();
    let mut order: Vec<usize> = (0..flat.len()).collect();
    let angle = |i: usize| flat[i][1].atan2(flat[i][0]);
    order.sort_by(|i, j| angle(*i).total_cmp(&angle(*j)));
    let next = |order: &[usize], at: usize| order[(at + 1) % order.len()];
    let turn = |at: usize| {
        let ahead = angle(next(&order, at)) - angle(order[at]);
        if at + 1 == order.len() { ahead + std::f64::consts::TAU } else { ahead }
    };
    let widest = (0..order.len()).max_by(|i, j| turn(*i).total_cmp(&turn(*j))).unwrap_or(0);
    let (from, to) = (flat[order[widest]], flat[next(&order, widest)]);
    let across: Vec<f64> = (0..unit[0].len()).map(|k| from[k] + to[k]).collect();
    if turn(widest) > std::f64::consts::PI
        && let Some(cone) = opened(unit, &across)
    {
        return cone;
    }
    // From the far side of the widest gap on, so that nearly opposite rows are first and last.
    order.rotate_left((widest + 1) % unit.len());
    weights_in_the_plane(&flat, &order)
}

/// Gordan's weights where no gap is more than a half turn: two opposite rows, or three around 0.
fn weights_in_the_plane(flat: &[[f64; 2]], order: &[usize]) -> Cone {
    let cross = |i: usize, j: usize| flat[i][0] * flat[j][1] - flat[i][1] * flat[j][0];
    let dot = |i: usize, j: usize| flat[i][0] * flat[j][0] + flat[i][1] * flat[j][1];
    let first = order[0];
    // The last row up to a half turn ahead of the first, and the one after it: 0 lies in the triangle of the three.
    let ahead = |i: &usize| cross(first, *i) > 0.0 || (cross(first, *i) == 0.0 && dot(first, *i) > 0.0);
    let last = order.iter().rposition(ahead).unwrap_or(0);
    let (second, third) = (order[last], order[(last + 1) % order.len()]);
    let candidates = [
        vec![(first, cross(second, third)), (second, cross(third, first)), (third, cross(first, second))],
        vec![(first, 1.0), (second, 1.0)],
        vec![(first, 1.0), (third, 1.0)],
        vec![(second, 1.0), (third, 1.0)],
    ];
    let residual = |weights: &[(usize, f64)]| {
        let total: f64 = weights.iter().map(|w| w.1).sum();
        let sum = |k: usize| weights.iter().map(|(i, w)| w / total * flat[*i][k]).sum::<f64>();
        sum(0).hypot(sum(1))
    };
    let mut best: Option<(f64, Vec<(usize, f64)>)> = None;
    for weights in candidates {
        let size = residual(&weights);
        let proper = weights.iter().all(|w| w.1 >= 0.0) && size.is_finite();
        if proper && best.as_ref().is_none_or(|b| size < b.0) {
            best = Some((size, weights));
        }
    }
    let (size, weights) = best.unwrap_or((1.0, vec![(first, 1.0)]));
    empty(flat.len(), &weights, size)
}

/// In higher dimension: the nearest point of the hull of the rows, and the linear program where that is not clear.
fn by_nearest_point(unit: &[Vec<f64>]) -> Result<Cone> {
    let hull = Polytope::new(unit)?;
    let nearest = hull.min_norm();
    let found = opened(unit, &nearest.direction);
    if let Some(Cone::Open { margin, .. }) = found
        && margin > CLEAR
    {
        return Ok(found.unwrap_or_else(|| unreachable!("it was just matched")));
    }
    let mut weights = vec![0.0; unit.len()];
    for ((_, row), w) in nearest.atoms.iter().zip(&nearest.weights) {
        weights[hull.origins()[*row]] += w;
    }
    let without = Cone::Empty { weights, residual: nearest.norm };
    if nearest.norm <= FLAT {
        return Ok(without);
    }
    let asked = by_program(unit).and_then(|d| opened(unit, &d));
    Ok(match (found, asked) {
        (Some(Cone::Open { margin: a, .. }), Some(Cone::Open { direction, margin: b })) if b > a => {
            Cone::Open { direction, margin: b }
        }
        (Some(cone), _) | (None, Some(cone)) => cone,
        (None, None) => without,
    })
}

/// max c subject to ⟨aᵢ, d⟩ ≥ c and ‖d‖∞ ≤ 1. None if the program is too large, or the solver gives up.
fn by_program(unit: &[Vec<f64>]) -> Option<Vec<f64>> {
    if unit.len() * unit[0].len() > LARGEST_PROGRAM {
        return None;
    }
    let mut program = Problem::new(OptimizationDirection::Maximize);
    let d: Vec<_> = unit[0].iter().map(|_| program.add_var(0.0, (-1.0, 1.0))).collect();
    // The margin is at most √n; a bound keeps the program bounded whatever the solver rounds.
    let c = program.add_var(1.0, (-1.0, 1.0 + unit[0].len() as f64));
    for a in unit {
        let terms: Vec<_> =
            d.iter().copied().zip(a.iter().copied()).filter(|t| t.1 != 0.0).chain([(c, -1.0)]).collect();
        program.add_constraint(&terms, ComparisonOp::Ge, 0.0);
    }
    let mut options = SolveOptions::default();
    options.tolerances.feasibility = 1e-10;
    let solution = program.solve_with(options).ok()?.into_solution().ok()?;
    Some(d.iter().map(|v| solution.var_value(*v)).collect())
}
