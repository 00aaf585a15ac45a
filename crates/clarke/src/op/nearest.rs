//! Bounds over boxes of projections onto convex sets, and of distances from them.

use super::convex::Set;
use super::enclosure::norm;
use super::verified;
use crate::program::interval::Interval;
use crate::program::real::Real;
use crate::tensor::Boxes;

fn point(x: f64) -> Interval {
    Interval::point(x)
}

/// The nearest points of the set.
pub(super) fn project(set: Set, x: &Boxes) -> Boxes {
    let (_, length) = set.points(x.shape());
    let out: Vec<Interval> = x.intervals().chunks_exact(length.max(1)).flat_map(|x| project_one(set, x)).collect();
    Boxes::of_intervals(x.shape(), &out)
}

/// The distances of the points.
pub(super) fn distance(set: Set, x: &Boxes, shape: &[usize]) -> Boxes {
    let (count, length) = set.points(x.shape());
    let x = x.intervals();
    let out: Vec<Interval> = (0..count).map(|k| distance_one(set, &x[k * length..(k + 1) * length])).collect();
    Boxes::of_intervals(shape, &out)
}

fn project_one(set: Set, x: &[Interval]) -> Vec<Interval> {
    if x.iter().any(|x| x.is_whole()) {
        return vec![Interval::WHOLE; x.len()];
    }
    let zero = point(0.0);
    match set {
        Set::Box { low, high } => x.iter().map(|x| x.max(point(low)).min(point(high))).collect(),
        Set::Ball { radius } => {
            let length = norm(x.iter().copied());
            // The radius divided by max(‖x‖, radius).
            let scale = point(radius) / length.max(point(radius));
            x.iter().map(|x| (*x * scale.min(point(1.0))).meet(Interval::new(-radius, radius))).collect()
        }
        Set::Simplex { radius } => {
            let tau = threshold(x.to_vec(), radius);
            x.iter().map(|x| (*x - tau).max(zero)).collect()
        }
        Set::L1 { radius } => {
            let tau = threshold(x.iter().map(|x| x.abs()).collect(), radius).max(zero);
            x.iter().map(|x| (*x - tau).max(zero) + (*x + tau).min(zero)).collect()
        }
        Set::Soc => project_cone(x),
        Set::Psd => verified::project_psd(x, x.len().isqrt()).unwrap_or_else(|| vec![Interval::WHOLE; x.len()]),
    }
}

/// The τ with Σ max(xᵢ − τ, 0) = radius: the largest of (the sum of the k largest − radius)/k (Held, Wolfe, Crowder 1974),
/// which grows with every entry.
fn threshold(x: Vec<Interval>, radius: f64) -> Interval {
    let side = |end: fn(Interval) -> f64| {
        let mut ends: Vec<f64> = x.iter().map(|x| end(*x)).collect();
        ends.sort_unstable_by(|a, b| b.total_cmp(a));
        let (mut sum, mut best) = (-point(radius), None);
        for (k, x) in ends.iter().enumerate() {
            sum = sum + point(*x);
            let own = sum / point((k + 1) as f64);
            best = Some(best.map_or(own, |b: Interval| b.max(own)));
        }
        best.unwrap_or(Interval::WHOLE)
    };
    Interval::new(side(Interval::lo).lo(), side(Interval::hi).hi())
}

/// With λ± = t ± ‖v‖: ((λ₊⁺ + λ₋⁺)/2, c v) where c is the slope of max(·, 0) between λ₋ and λ₊.
fn project_cone(x: &[Interval]) -> Vec<Interval> {
    let (zero, half) = (point(0.0), point(0.5));
    let (t, length) = (x[0], norm(x[1..].iter().copied()));
    let (low, high) = ((t - length).max(zero), (t + length).max(zero));
    let slope = if (t - length).lo() >= 0.0 {
        point(1.0)
    } else if (t + length).hi() <= 0.0 {
        zero
    } else if length.lo() > 0.0 && t.is_bounded() {
        // (1 + t/‖v‖)/2 between the cone and its polar, cut off at 0 and 1 beyond.
        (half * (point(1.0) + t / length)).max(zero).min(point(1.0))
    } else {
        Interval::new(0.0, 1.0)
    };
    let mut out: Vec<Interval> = x.iter().map(|x| slope * *x).collect();
    out[0] = half * (low + high);
    out
}

fn distance_one(set: Set, x: &[Interval]) -> Interval {
    if x.iter().any(|x| x.is_whole()) {
        return Interval::WHOLE;
    }
    let zero = point(0.0);
    match set {
        Set::Box { low, high } => {
            let beyond = |x: &Interval| (point(low) - *x).max(*x - point(high)).max(zero);
            // An infinite bound is no bound.
            let beyond = |x: &Interval| match (low.is_finite(), high.is_finite()) {
                (true, true) => beyond(x),
                (true, false) => (point(low) - *x).max(zero),
                (false, true) => (*x - point(high)).max(zero),
                (false, false) => zero,
            };
            norm(x.iter().map(beyond))
        }
        Set::Ball { radius } => (norm(x.iter().copied()) - point(radius)).max(zero),
        Set::Simplex { .. } | Set::L1 { .. } => {
            let near = project_one(set, x);
            norm(std::iter::zip(x, &near).map(|(x, y)| *x - *y))
        }
        Set::Soc => {
            // ‖(λ₊⁻, λ₋⁻)‖/√2 with λ⁻ = min(λ, 0).
            let (t, length) = (x[0], norm(x[1..].iter().copied()));
            let below = [(t - length).min(zero), (t + length).min(zero)];
            norm(below.into_iter()) / point(2.0).sqrt()
        }
        Set::Psd => verified::distance_psd(x, x.len().isqrt()),
    }
}
