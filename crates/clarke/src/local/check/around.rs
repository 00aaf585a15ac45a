//! A rule at and around points: membership in the two sets, differences, the semismooth test, boundedness, limits.

use super::CheckOptions;
use super::probe::Probe;
use super::report::{
    Bounded, ClosedGraph, Differences, Disagreement, Escape, Member, Membership, NotSemismooth, Semismooth, Unbounded,
};
use super::subject::{Bounds, Subject};
use crate::error::Result;
use crate::local::image::SetOptions;
use crate::local::set_at::{Containment, Known, SetAt};
use crate::local::vector::{along, dot, minus, norm};
use rand::RngExt;

/// Membership of the rule's vector at one point.
pub(super) fn membership(subject: &Subject<'_>, x: &[f64], options: &CheckOptions) -> Membership {
    let point = subject.layout.split(x);
    let vector = subject.rule(x).map(|v| subject.layout.split(&v));
    let at = subject.program.at(&subject.inputs(x));
    let ties = at.as_ref().ok().and_then(|at| at.ties(0.0).ok()).map_or(0, |t| t.len());
    let conservative = at.as_ref().map_err(Clone::clone).and_then(|at| at.conservative(&options.sets));
    let clarke = at.as_ref().map_err(Clone::clone).and_then(|at| at.clarke(&options.sets));
    let known = conservative.as_ref().ok().map(SetAt::known);
    let member = |set: Result<SetAt>| match (&vector, set) {
        (None, _) => Member::Undecided("the rule gives no vector there".into()),
        (_, Err(error)) => Member::Undecided(error.to_string()),
        (Some(v), Ok(mut set)) => match set.contains(v, options.tolerance) {
            Ok(found) => judge(&set, found),
            Err(error) => Member::Undecided(error.to_string()),
        },
    };
    let (in_conservative, in_clarke) = (member(conservative), member(clarke));
    Membership { point, vector, ties, in_conservative, known, in_clarke }
}

/// What containment says of the set, as far as it is known.
fn judge(set: &SetAt, found: Containment) -> Member {
    let known = set.known();
    match found {
        Containment::Inside(_) if known != Known::Sampled => Member::Yes,
        Containment::Outside { gap, .. } if matches!(known, Known::Exact | Known::Outer) => Member::No(gap),
        _ => {
            let why = match known {
                Known::Inner => "only a part of the set is known, and the vector is not in it",
                Known::Sampled => "what is known of the set are examples",
                _ => "the bounds reached do not tell",
            };
            Member::Undecided(set.hypothesis().map_or(why.into(), |h| format!("{why} ({h})")))
        }
    }
}

/// Values of f at two points: the difference, and a bound on its error.
fn difference(low: Bounds, high: Bounds) -> (f64, f64) {
    let rounding = f64::EPSILON * (low.middle().abs() + high.middle().abs());
    (high.middle() - low.middle(), low.radius() + high.radius() + rounding)
}

/// Central differences against the rule at random points, entry by entry.
pub(super) fn differences(probe: &mut Probe<'_, '_>) -> Differences {
    let subject = probe.subject;
    let mut found = Differences { compared: 0, unresolved: 0, wrong: 0, example: None };
    for _ in 0..probe.options.curves.div_ceil(4) {
        // Not of few digits: such points are on ties more often than by chance.
        let x: Vec<f64> = probe.point().iter().map(|x| x + 1e-3 * probe.rng.random::<f64>()).collect();
        let Some(v) = subject.rule(&x) else { continue };
        let entries: Vec<usize> = match x.len() {
            n if n <= 6 => (0..n).collect(),
            n => (0..6).map(|_| probe.rng.random_range(0..n)).collect(),
        };
        for entry in entries {
            let Some((slope, error)) = slope(subject, &x, entry) else { continue };
            found.compared += 1;
            let scale = slope.abs().max(v[entry].abs());
            if error > 1e-4 * (1.0 + scale) {
                found.unresolved += 1;
            } else if (slope - v[entry]).abs() > 10.0 * error + probe.options.tolerance * scale.max(1e-3) {
                found.wrong += 1;
                let point = subject.layout.split(&x);
                found.example.get_or_insert(Disagreement { point, entry, rule: v[entry], difference: slope });
            }
        }
    }
    found
}

/// The slope along a coordinate by central differences, with an error from steps of three lengths.
fn slope(subject: &Subject<'_>, x: &[f64], entry: usize) -> Option<(f64, f64)> {
    let central = |h: f64| -> Option<(f64, f64)> {
        let moved = |h: f64| {
            let mut x = x.to_vec();
            x[entry] += h;
            x
        };
        let (low, high) = (moved(-h), moved(h));
        let (rise, error) = difference(subject.bounds(&low)?, subject.bounds(&high)?);
        let run = high[entry] - low[entry];
        Some((rise / run, error / run))
    };
    let h = (1.0 + x[entry].abs()) * 2f64.powi(-17);
    let (coarse, middle, fine) = (central(4.0 * h)?, central(2.0 * h)?, central(h)?);
    // Richardson: where the function is smooth, the error is a small part of how the quotients differ.
    let slope = fine.0 + (fine.0 - middle.0) / 3.0;
    let spread = (fine.0 - middle.0).abs().max((middle.0 - coarse.0).abs() / 4.0);
    Some((slope, spread + 2.0 * (fine.1 + middle.1)))
}

/// Lengths of h in the semismooth test.
const LENGTHS: [i32; 3] = [-6, -12, -18];

/// The semismooth test from points in random directions and in such that stay inside ties.
pub(super) fn semismooth(probe: &mut Probe<'_, '_>, points: &[Vec<f64>]) -> Semismooth {
    let mut found = Semismooth { tested: 0, inside: 0, failure: None };
    for p in points {
        for (d, inside) in probe.looks(p) {
            let Some(ratios) = ratios(probe.subject, p, &d) else { continue };
            found.tested += 1;
            found.inside += usize::from(inside);
            let [_, (before, _), (last, slope)] = ratios;
            if last > 1e-3 * (1.0 + slope) && last > 0.5 * before && found.failure.is_none() {
                let (point, direction) = (probe.subject.layout.split(p), probe.subject.layout.split(&d));
                found.failure = Some(NotSemismooth { point, direction, ratio: last });
            }
        }
    }
    found
}

/// R(h) for the three lengths, what is certain of it, and the norm of the rule's vector.
fn ratios(subject: &Subject<'_>, p: &[f64], d: &[f64]) -> Option<[(f64, f64); 3]> {
    let size = 2f64.powi(norm(d).log2().floor() as i32);
    let low = subject.bounds(p)?;
    let ratio = |exponent: i32| {
        let x = along(p, 2f64.powi(exponent) / size, d);
        let h = minus(&x, p);
        let v = subject.rule(&x)?;
        let (rise, error) = difference(low, subject.bounds(&x)?);
        let off = (rise - dot(&v, &h)).abs() - error;
        Some((off.max(0.0) / norm(&h), norm(&v)))
    };
    Some([ratio(LENGTHS[0])?, ratio(LENGTHS[1])?, ratio(LENGTHS[2])?])
}

/// Norms of the rule along sequences 2^-k d → 0 around points, and along coordinates, where rules are special if anywhere.
pub(super) fn bounded(probe: &mut Probe<'_, '_>, points: &[Vec<f64>]) -> Bounded {
    const FAR: i32 = 44;
    let mut found = Bounded { largest: 0.0, sequences: 0, failure: None };
    for p in points {
        let mut directions: Vec<Vec<f64>> = probe.looks(p).into_iter().map(|(d, _)| d).collect();
        for k in 0..p.len().min(4) {
            for sign in [1.0, -1.0] {
                directions.push((0..p.len()).map(|j| if j == k { sign } else { 0.0 }).collect());
            }
        }
        // The largest norm at each distance, over all directions.
        let mut norms: Vec<(f64, f64)> = (0..=FAR).map(|k| (2f64.powi(-k), 0.0)).collect();
        for d in directions {
            found.sequences += 1;
            for (distance, largest) in &mut norms {
                let x = along(p, *distance, &d);
                if x != *p
                    && let Ok(v) = probe.subject.rule_or_error(&x)
                {
                    *largest = largest.max(if v.iter().all(|x| x.is_finite()) { norm(&v) } else { 0.0 });
                }
            }
        }
        found.largest = norms.iter().fold(found.largest, |m, n| m.max(n.1));
        if grows(&norms) && found.failure.is_none() {
            let shown = norms.iter().step_by(11).copied().collect();
            found.failure = Some(Unbounded { point: probe.subject.layout.split(p), norms: shown });
        }
    }
    found
}

/// Whether norms grow all the way as the distance halves: by a factor over each quarter of the way, and much in all.
fn grows(norms: &[(f64, f64)]) -> bool {
    let largest = |part: &[(f64, f64)]| part.iter().fold(0.0, |m: f64, n| m.max(n.1));
    let quarters: Vec<f64> = norms.chunks(norms.len().div_ceil(4)).map(largest).collect();
    quarters.windows(2).all(|w| w[1] > 2.0 * w[0] && w[1] > 0.0) && quarters[3] > 1e2 * quarters[0]
}

/// How far from a tie, relative to its size, a point counts as on it where limits are compared.
const MISSED: f64 = 1e-6;

/// Limits of the rule's values along sequences 2^-k d → 0 in random directions against the conservative gradient at the
/// points. (Inside a tie a rule may be what it likes to be across it, and so are its limits there.)
pub(super) fn closed_graph(probe: &mut Probe<'_, '_>, points: &[Vec<f64>]) -> ClosedGraph {
    let mut found = ClosedGraph { limits: 0, unresolved: 0, failure: None };
    for p in points {
        let at = probe.subject.program.at(&probe.subject.inputs(p));
        // From where the sequences end, a tie that the point misses by a rounding is met.
        let options = SetOptions { tolerance: MISSED * (1.0 + norm(p)), ..probe.options.sets };
        let Ok(mut set) = at.and_then(|at| at.conservative(&options)) else { continue };
        for (d, _) in probe.looks(p).into_iter().filter(|(_, inside)| !inside) {
            let values: Option<Vec<Vec<f64>>> =
                [-20, -24, -28].iter().map(|k| probe.subject.rule(&along(p, 2f64.powi(*k), &d))).collect();
            let Some([_, before, limit]) = values.and_then(|v| <[Vec<f64>; 3]>::try_from(v).ok()) else { continue };
            let scale = 1.0 + norm(&limit);
            if norm(&minus(&limit, &before)) > 1e-5 * scale {
                continue;
            }
            found.limits += 1;
            let limit = probe.subject.layout.split(&limit);
            let tolerance = probe.options.tolerance.max(1e-5);
            match set.contains(&limit, tolerance).map(|found| judge(&set, found)) {
                Ok(Member::Yes) => {}
                Ok(Member::No(gap)) if gap > tolerance * scale => {
                    let point = probe.subject.layout.split(p);
                    found.failure.get_or_insert(Escape { point, limit, gap });
                }
                _ => found.unresolved += 1,
            }
        }
    }
    found
}
