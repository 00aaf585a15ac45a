//! Gradients sampled around the point at shrinking radii: their hull, their growth, and the normals of ties.

use super::foreign::Foreign;
use super::report::{Finding, Grade, Nearby};
use super::{AuditOptions, scaled, smallest};
use crate::local::check::curve::CLEAR;
use crate::local::vector::{along, dot, minus, norm};
use crate::set::{Polytope, min_norm};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Gradients at one distance from the point.
pub(super) struct Layer {
    pub radius: f64,
    /// Directions, of largest entry 1, with the gradient at the point moved by the radius along each.
    pub sampled: Vec<(Vec<f64>, Vec<f64>)>,
}

/// What was seen nearby.
pub(super) struct Seen {
    pub nearby: Nearby,
    pub finding: Option<Finding>,
}

/// How many radii are looked at.
const LAYERS: i32 = 6;
/// In how many dimensions directions inside ties are found by elimination.
const ELIMINATED: usize = 64;
/// How often samples are added in vain where the gradient is separated from a hull, and how many there may be.
const STALLED: usize = 4;
const MOST: usize = 2000;
/// In up to so many dimensions random samples see all pieces that meet, as far as they can be told.
const DENSE: usize = 3;

/// Gradients at random points at each radius, from the largest to the smallest.
pub(super) fn sample(foreign: &Foreign<'_>, x: &[f64], options: &AuditOptions, rng: &mut ChaCha8Rng) -> Vec<Layer> {
    let (far, near) = (options.radius / 4.0, smallest(x, options.precision));
    let layer = |k: i32| {
        let radius = far * (near / far).powf(f64::from(k) / f64::from(LAYERS - 1));
        let mut layer = Layer { radius, sampled: vec![] };
        for _ in 0..options.samples {
            let d: Vec<f64> = x.iter().map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
            scaled(&d).into_iter().for_each(|d| layer.add(foreign, x, d));
        }
        layer
    };
    (0..LAYERS).map(layer).collect()
}

impl Layer {
    fn add(&mut self, foreign: &Foreign<'_>, x: &[f64], d: Vec<f64>) {
        if let Some(g) = foreign.vector(&along(x, self.radius, &d)) {
            self.sampled.push((d, g));
        }
    }

    fn largest(&self) -> f64 {
        self.sampled.iter().map(|(_, g)| norm(g)).fold(0.0, f64::max)
    }

    /// Its support function at a direction, with the sample that attains it.
    fn support(&self, d: &[f64]) -> Option<(f64, usize)> {
        let values = self.sampled.iter().map(|(_, g)| dot(g, d)).enumerate();
        values.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(k, v)| (v, k))
    }
}

/// The largest norm of a gradient.
pub(super) fn largest(layers: &[Layer], own: Option<&[f64]>) -> f64 {
    layers.iter().map(Layer::largest).fold(own.map_or(0.0, norm), f64::max)
}

/// Looks at the gradient at the point among those nearby. Also returns directions in which all gradients nearby have the
/// same slope although they differ: those that stay inside the ties met at the point.
pub(super) fn look(
    foreign: &Foreign<'_>,
    x: &[f64],
    own: Option<&[f64]>,
    mut layers: Vec<Layer>,
    options: &AuditOptions,
    rng: &mut ChaCha8Rng,
) -> (Seen, Vec<Vec<f64>>) {
    let norms: Vec<(f64, f64)> = layers.iter().map(|l| (l.radius, l.largest())).collect();
    let gradients = layers.iter().map(|l| l.sampled.len()).sum();
    let empty = Nearby { gradients, norms: norms.clone(), distances: vec![], inside: None };
    if grows(&norms) {
        return (Seen { nearby: empty, finding: Some(Finding::Unbounded { norms }) }, vec![]);
    }
    let scale = largest(&layers, own);
    let mut gaps: Vec<(f64, Gap)> = vec![];
    if let Some(own) = own {
        // Pieces that meet at the point are met in the same directions at all radii, but for what bends.
        let mut known: Vec<Vec<f64>> = vec![];
        for layer in layers.iter_mut().skip(LAYERS as usize - 3) {
            let random = layer.sampled.len();
            known.drain(..).for_each(|d| layer.add(foreign, x, d));
            gaps.extend(gap(foreign, x, own, layer, options.tolerance * scale, rng).map(|g| (layer.radius, g)));
            known.extend(layer.sampled[random..].iter().map(|(d, _)| d.clone()));
        }
    }
    let tied = inside(&layers, scale, options);
    let gradients = layers.iter().map(|l| l.sampled.len()).sum();
    let distances = gaps.iter().map(|(r, g)| (*r, g.distance)).collect();
    let inside = (!tied.is_empty() || differ(&layers, scale, options)).then_some(tied.len());
    let finding = own.and_then(|own| outside(foreign, x, own, &gaps, &layers, scale, options));
    (Seen { nearby: Nearby { gradients, norms, distances, inside }, finding }, tied)
}

/// Whether norms grow all the way as the radius shrinks.
fn grows(norms: &[(f64, f64)]) -> bool {
    let each = norms.windows(2).all(|w| w[1].1 > (w[0].0 / w[1].0).powf(0.25) * w[0].1 && w[0].1 > 0.0);
    each && norms[norms.len() - 1].1 > 20.0 * norms[0].1
}

/// How far a vector is from a hull of samples, and the direction of norm 1 that leads from the hull to it.
struct Gap {
    distance: f64,
    direction: Vec<f64>,
}

/// The distance of a vector from the hull of a layer, to which samples are added as long as they come closer.
fn gap(
    foreign: &Foreign<'_>,
    x: &[f64],
    own: &[f64],
    layer: &mut Layer,
    enough: f64,
    rng: &mut ChaCha8Rng,
) -> Option<Gap> {
    let mut stalled = 0;
    loop {
        let points: Vec<Vec<f64>> = layer.sampled.iter().map(|(_, g)| g.clone()).collect();
        let mut hull = Polytope::new(&points).ok()?;
        let found = min_norm(&mut hull, own, 1e-12, 500);
        let direction: Vec<f64> = found.point.iter().map(|x| -x / found.norm.max(f64::MIN_POSITIVE)).collect();
        let distance = found.norm;
        if distance <= enough || stalled == STALLED || layer.sampled.len() > MOST {
            return Some(Gap { distance, direction });
        }
        let before = layer.support(&direction)?.0;
        for e in candidates(layer, &direction, rng) {
            layer.add(foreign, x, e);
        }
        let closer = layer.support(&direction)?.0 > before + 1e-3 * distance;
        stalled = if closer { 0 } else { stalled + 1 };
    }
}

/// Where else the gradient may reach far along a direction: on both sides of the point, next to the best sample so far, and
/// with single entries turned around. None lies where it was aimed at: the direction may lie inside a tie, and what the
/// gradient is there is what is asked.
fn candidates(layer: &Layer, d: &[f64], rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let Some(unit) = scaled(d) else { return vec![] };
    let best = layer.support(d).map_or(unit.clone(), |(_, k)| layer.sampled[k].0.clone());
    let mut all = vec![];
    for base in [&unit, &best] {
        for (sign, spread) in [(1.0, 1e-3), (-1.0, 1e-3), (1.0, 0.3), (-1.0, 0.3)] {
            all.push((base.iter().map(|x| sign * x).collect::<Vec<f64>>(), spread));
        }
        // Anywhere else.
        for _ in 0..8 {
            let e: Vec<f64> = base.iter().map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
            all.push((e, 0.0));
        }
        for _ in 0..base.len().min(8) {
            let mut turned = base.clone();
            let entry = rng.random_range(0..base.len());
            turned[entry] = -turned[entry];
            all.push((turned, 1e-3));
        }
    }
    let mut spread = |(e, by): &(Vec<f64>, f64)| {
        scaled(&e.iter().map(|x| x + by * (2.0 * rng.random::<f64>() - 1.0)).collect::<Vec<f64>>())
    };
    all.iter().filter_map(&mut spread).collect()
}

/// The finding that the vector stays outside as the radius shrinks, if it does.
fn outside(
    foreign: &Foreign<'_>,
    x: &[f64],
    own: &[f64],
    gaps: &[(f64, Gap)],
    layers: &[Layer],
    scale: f64,
    options: &AuditOptions,
) -> Option<Finding> {
    let [.., (_, before), (radius, last)] = gaps else { return None };
    // What the gradients of a smooth function move by between the two radii, and what they may be wrong by.
    let error = (last.distance - before.distance).abs() + 0.1 * options.tolerance * scale;
    if last.distance <= CLEAR * error || last.distance < 0.5 * before.distance {
        return None;
    }
    // Slopes of the function bound the support function of the Clarke subdifferential from below.
    let reach = slopes(foreign, x, &last.direction, *radius, options)?;
    let gap = last.distance.min(dot(own, &last.direction) - reach);
    (gap > CLEAR * error).then(|| Finding::Outside {
        gradient: own.to_vec(),
        direction: last.direction.clone(),
        gap,
        error,
        radius: *radius,
        sampled: layers[layers.len() - 1].sampled.len(),
        grade: if x.len() <= DENSE { Grade::Clear } else { Grade::Likely },
    })
}

/// An upper estimate of the slopes f′(x; d) and −f′(x; −d), at a step from the radius on at which noise is small.
fn slopes(foreign: &Foreign<'_>, x: &[f64], d: &[f64], radius: f64, options: &AuditOptions) -> Option<f64> {
    let value = foreign.value(x)?;
    let noise = 2.0 * foreign.noise(x, value);
    let step = (radius / norm(d)).max(noise.sqrt() * 1e-2).min(options.radius / 4.0);
    let quotient = |t: f64| foreign.value(&along(x, t, d)).map(|v| (v - value) / t);
    let side = |sign: f64| {
        let (coarse, fine) = (quotient(sign * step)?, quotient(sign * step / 2.0)?);
        Some(fine + (fine - coarse).abs() + 2.0 * noise / step)
    };
    Some(side(1.0)?.max(side(-1.0)?))
}

/// Differences of the gradients nearest to the point from the first of them, relative to the scale.
fn differences(layers: &[Layer], scale: f64) -> Vec<Vec<f64>> {
    let layer = &layers[layers.len() - 1].sampled;
    let from = |(_, g): &(Vec<f64>, Vec<f64>)| minus(g, &layer[0].1).iter().map(|x| x / scale).collect();
    layer.iter().skip(1).map(from).collect()
}

/// What gradients of one smooth piece differ by at most so close to the point, relative to the scale.
fn same(options: &AuditOptions) -> f64 {
    1e2 * options.precision.sqrt()
}

/// Whether a tie is met at the point: whether the gradients nearest to it differ.
fn differ(layers: &[Layer], scale: f64, options: &AuditOptions) -> bool {
    differences(layers, scale).iter().any(|d| norm(d) > same(options))
}

/// A basis of the directions orthogonal to all differences of gradients nearby, of small whole numbers where there is such a
/// basis; empty if no tie is met.
fn inside(layers: &[Layer], scale: f64, options: &AuditOptions) -> Vec<Vec<f64>> {
    let rows = differences(layers, scale);
    let Some(n) = rows.first().map(Vec::len).filter(|n| *n <= ELIMINATED && differ(layers, scale, options)) else {
        return vec![];
    };
    null_space(rows, n, same(options)).iter().map(|d| whole(d)).collect()
}

/// A basis of the null space by elimination with complete pivoting; pivots up to the tolerance are 0.
fn null_space(mut rows: Vec<Vec<f64>>, n: usize, tolerance: f64) -> Vec<Vec<f64>> {
    let mut pivots: Vec<usize> = vec![];
    for k in 0..rows.len().min(n) {
        let free = |c: &usize| !pivots.contains(c);
        let entries = (k..rows.len()).flat_map(|r| (0..n).filter(free).map(move |c| (r, c)));
        let best = entries.max_by(|a, b| rows[a.0][a.1].abs().total_cmp(&rows[b.0][b.1].abs()));
        let Some((r, c)) = best.filter(|(r, c)| rows[*r][*c].abs() > tolerance) else { break };
        rows.swap(k, r);
        let pivot = rows[k][c];
        rows[k].iter_mut().for_each(|x| *x /= pivot);
        let row = rows[k].clone();
        for (_, own) in rows.iter_mut().enumerate().filter(|(other, _)| *other != k) {
            let factor = own[c];
            std::iter::zip(own, &row).for_each(|(x, p)| *x -= factor * p);
        }
        pivots.push(c);
    }
    let vector = |f: usize| {
        let mut d = vec![0.0; n];
        d[f] = 1.0;
        pivots.iter().enumerate().for_each(|(k, &c)| d[c] = -rows[k][f]);
        d
    };
    (0..n).filter(|c| !pivots.contains(c)).map(vector).collect()
}

/// A multiple of small whole numbers, where there is one: such directions keep linear ties exactly in floating point.
fn whole(d: &[f64]) -> Vec<f64> {
    const NEAR: f64 = 1e-5;
    let fits = |m: &f64| d.iter().all(|x| (x * m - (x * m).round()).abs() <= NEAR * (1.0 + (x * m).abs()));
    match (1..=12).map(f64::from).find(fits) {
        Some(m) => d.iter().map(|x| (x * m).round() + 0.0).collect(),
        None => d.to_vec(),
    }
}
