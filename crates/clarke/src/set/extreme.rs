//! Which of finitely many points are extreme in their hull.

use super::min_norm::min_norm;
use super::polytope::Polytope;
use super::{Body, add_scaled, dot, minus, norm};

/// How near to the hull of the others a point is no extreme one, relative to the points' spread: with nearest points.
const BY_DISTANCE: f64 = 1e-12;

/// The same on a line or in a plane, where only a few operations round.
const BY_CHAIN: f64 = 1e-14;

/// Points lie in an affine space if they are this near to it, relative to their spread.
const FLAT: f64 = 1e-13;

/// The rows that are extreme points, in ascending order.
pub(super) fn extreme_rows(hull: &Polytope) -> Vec<usize> {
    if hull.dimension() <= 2 {
        let flat: Vec<[f64; 2]> = hull.points().map(|p| [p[0], *p.get(1).unwrap_or(&0.0)]).collect();
        return chain(&flat);
    }
    let (basis, spread) = affine_basis(hull);
    if basis.len() > 2 {
        return clarkson(hull, BY_DISTANCE * spread);
    }
    let along = |p: &[f64], k: usize| basis.get(k).map_or(0.0, |e| dot(e, &minus(p, hull.row(0))));
    chain(&hull.points().map(|p| [along(p, 0), along(p, 1)]).collect::<Vec<_>>())
}

/// Up to three orthonormal vectors of the affine hull's directions, the farthest points first, and the largest distance of a
/// row from the first. Fewer than three span all directions.
fn affine_basis(hull: &Polytope) -> (Vec<Vec<f64>>, f64) {
    let mut rest: Vec<Vec<f64>> = hull.points().map(|p| minus(p, hull.row(0))).collect();
    let largest = hull.points().map(norm).fold(0.0, f64::max);
    let mut basis: Vec<Vec<f64>> = vec![];
    let mut spread = 0.0;
    while basis.len() < 3 {
        let lengths: Vec<f64> = rest.iter().map(|r| norm(r)).collect();
        let far = (0..rest.len()).max_by(|i, j| lengths[*i].total_cmp(&lengths[*j])).unwrap_or(0);
        if basis.is_empty() {
            spread = lengths[far];
        }
        // The differences themselves carry the rounding of the points.
        if lengths[far] <= (FLAT * spread).max(8.0 * f64::EPSILON * largest) {
            break;
        }
        let mut e = rest[far].clone();
        for b in &basis {
            let along = dot(b, &e);
            add_scaled(&mut e, -along, b);
        }
        let length = norm(&e);
        e.iter_mut().for_each(|x| *x /= length);
        for r in &mut rest {
            let along = dot(&e, r);
            add_scaled(r, -along, &e);
        }
        basis.push(e);
    }
    (basis, spread)
}

/// Andrew's monotone chain: the vertices of a polygon, or the ends of a segment. A point goes if it is within
/// [`BY_CHAIN`] of the segment between its neighbours, relative to the extent.
fn chain(points: &[[f64; 2]]) -> Vec<usize> {
    let extent = |k: usize| {
        let (low, high) =
            points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[k]), h.max(p[k])));
        high - low
    };
    let near = BY_CHAIN * extent(0).max(extent(1));
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|i, j| points[*i][0].total_cmp(&points[*j][0]).then(points[*i][1].total_cmp(&points[*j][1])));
    let mut kept: Vec<usize> = half(points, order.iter().copied(), near);
    kept.extend(half(points, order.iter().rev().copied(), near));
    kept.sort_unstable();
    kept.dedup();
    // Two points that only rounding tells apart: a segment without length.
    match kept[..] {
        [i, j] if distance(points[i], points[j]) <= near => vec![i],
        _ => kept,
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// One side of the hull, both ends included.
fn half(points: &[[f64; 2]], order: impl Iterator<Item = usize>, near: f64) -> Vec<usize> {
    let mut kept: Vec<usize> = vec![];
    for i in order {
        while let [.., a, b] = kept[..] {
            let (a, b, c) = (points[a], points[b], points[i]);
            let (ab, ac) = ([b[0] - a[0], b[1] - a[1]], [c[0] - a[0], c[1] - a[1]]);
            // Positive where b is to the right of the way from a to c, and then its distance from the line, times ‖ac‖.
            let cross = ab[0] * ac[1] - ab[1] * ac[0];
            // Where rounding alone orders the points along the first axis, b may be near the line and far from the segment.
            let along = ab[0] * ac[0] + ab[1] * ac[1];
            let beside = (0.0..=ac[0] * ac[0] + ac[1] * ac[1]).contains(&along);
            if cross > 0.0 && !(beside && cross <= near * distance(a, c)) {
                break;
            }
            kept.pop();
        }
        kept.push(i);
    }
    kept
}

/// Clarkson's algorithm, and a last look at each point it found.
fn clarkson(hull: &Polytope, near: f64) -> Vec<usize> {
    let mean = hull.mean();
    let radius: Vec<f64> = hull.points().map(|p| norm(&minus(p, &mean))).collect();
    let mut order: Vec<usize> = (0..hull.len()).collect();
    order.sort_by(|i, j| radius[*j].total_cmp(&radius[*i]).then(i.cmp(j)));
    // The farthest point from any point is extreme.
    let mut found = vec![order[0]];
    let mut is_open = vec![true; hull.len()];
    is_open[order[0]] = false;
    for &i in &order {
        while is_open[i] {
            let Some(direction) = outside(hull, &found, hull.row(i), near) else {
                is_open[i] = false;
                break;
            };
            let next = farthest(hull, &is_open, &direction, near, &radius).unwrap_or(i);
            is_open[next] = false;
            found.push(next);
        }
    }
    found.sort_unstable();
    let mut at = 0;
    while at < found.len() && found.len() > 1 {
        let i = found.remove(at);
        if outside(hull, &found, hull.row(i), near).is_some() {
            found.insert(at, i);
            at += 1;
        }
    }
    found
}

/// The open row farthest along a direction; among those that are as far up to rounding, the one farthest from the mean,
/// which is an extreme point of the face they lie in.
fn farthest(hull: &Polytope, is_open: &[bool], direction: &[f64], near: f64, radius: &[f64]) -> Option<usize> {
    let open: Vec<(usize, f64)> =
        (0..hull.len()).filter(|i| is_open[*i]).map(|i| (i, dot(direction, hull.row(i)))).collect();
    let best = open.iter().fold(f64::NEG_INFINITY, |m, (_, value)| m.max(*value));
    let tied = open.iter().filter(|(_, value)| *value >= best - near);
    tied.max_by(|a, b| radius[a.0].total_cmp(&radius[b.0]).then(b.0.cmp(&a.0))).map(|(i, _)| *i)
}

/// The unit direction from the hull of some rows to a point, unless the point lies within `near` of that hull.
fn outside(hull: &Polytope, rows: &[usize], point: &[f64], near: f64) -> Option<Vec<f64>> {
    let steps = 1000 + 50 * hull.dimension().min(rows.len());
    let found = min_norm(&mut Rows { hull, rows }, point, 1e-14, steps);
    (found.norm > near).then(|| found.direction.iter().map(|u| -u).collect())
}

/// The hull of some rows of a polytope.
struct Rows<'a> {
    hull: &'a Polytope,
    rows: &'a [usize],
}

impl Body for Rows<'_> {
    type Atom = usize;

    fn dimension(&self) -> usize {
        self.hull.dimension()
    }

    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, usize) {
        let mut best = (f64::NEG_INFINITY, self.rows[0]);
        for &i in self.rows {
            let value = dot(d, self.hull.row(i));
            if value > best.0 {
                best = (value, i);
            }
        }
        (self.hull.row(best.1).to_vec(), best.1)
    }
}
