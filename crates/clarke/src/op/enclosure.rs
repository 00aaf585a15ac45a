//! Bounds over boxes of norms, and of the ties over axes with the linear operators that apply them, where their formulas
//! would have to compare numbers that are not known.

use super::axes::{Axes, Selected, Split};
use crate::program::interval::Interval;
use crate::program::real::Real;
use crate::tensor::{Boxes, broadcast_strides, size, walk};

fn zero() -> Interval {
    Interval::point(0.0)
}

fn one() -> Interval {
    Interval::point(1.0)
}

/// ‖x‖₂.
pub(super) fn norm(x: impl Iterator<Item = Interval> + Clone) -> Interval {
    if x.clone().any(Interval::is_whole) {
        return Interval::WHOLE;
    }
    x.fold(zero(), |sum, x| sum + x.square()).sqrt()
}

/// The Euclidean norm of each slice.
pub(super) fn norms(split: &Split, x: &Boxes) -> Vec<Interval> {
    let x = x.intervals();
    (0..split.slices).map(|s| norm(split.positions(s).map(|at| x[at]))).collect()
}

/// 1/‖u‖ of each slice, 0 where that is 0.
pub(super) fn inverse_norms(split: &Split, x: &Boxes, shape: &[usize]) -> Boxes {
    let inverse = |norm: &Interval| match (norm.lo() > 0.0, norm.hi() > 0.0) {
        _ if norm.is_whole() => Interval::WHOLE,
        (true, _) => one() / *norm,
        (false, true) => Interval::new(0.0, f64::INFINITY),
        (false, false) => zero(),
    };
    Boxes::of_intervals(shape, &norms(split, x).iter().map(inverse).collect::<Vec<_>>())
}

/// u/‖u‖ in each slice, the selection where u = 0.
pub(super) fn unit(axes: &Axes, u: &Boxes, s: &Boxes) -> Boxes {
    let selected = Selected::of("unit", s.shape(), u.shape(), &axes.kept(u.shape()))
        .expect("a selection's shape was checked with the shape");
    let split = axes.split(u.shape());
    let norms = norms(&split, u);
    let (shape, u, s) = (u.shape(), u.intervals(), s.intervals());
    let mut out = vec![Interval::WHOLE; u.len()];
    for (slice, norm) in norms.iter().enumerate() {
        for at in split.positions(slice) {
            let own = if selected.is_each() { s[at] } else { selected.at(&s, slice) };
            let ball = Interval::new(-1.0, 1.0);
            out[at] = match (norm.lo() > 0.0, norm.hi() > 0.0) {
                _ if norm.is_whole() => Interval::WHOLE,
                (true, _) => (u[at] / *norm).meet(ball),
                (false, true) => ball.hull(own),
                (false, false) => own,
            };
        }
    }
    Boxes::of_intervals(shape, &out)
}

/// The weights of `pick`, where it is not known which entries tie; None where it is.
pub(super) fn pick(axes: &Axes, u: &Boxes, s: &Boxes) -> Option<Boxes> {
    if u.is_point() {
        return None;
    }
    let selected = Selected::of("pick", s.shape(), u.shape(), &axes.kept(u.shape())).ok()?;
    let split = axes.split(u.shape());
    let (shape, u, s) = (u.shape(), u.intervals(), s.intervals());
    let mut out = vec![zero(); u.len()];
    for slice in 0..split.slices {
        let positions = || split.positions(slice);
        if positions().any(|at| u[at].is_whole()) {
            positions().for_each(|at| out[at] = Interval::WHOLE);
            continue;
        }
        let least = positions().fold(f64::NEG_INFINITY, |l, at| l.max(u[at].lo()));
        let count = positions().filter(|&at| u[at].hi() >= least).count();
        for at in positions().filter(|&at| u[at].hi() >= least) {
            let either = zero().hull(one());
            out[at] = if count == 1 {
                one()
            } else if selected.is_each() {
                either.hull(s[at])
            } else {
                // An even share among two or more, and the whole selection for the first.
                let own = selected.at(&s, slice);
                let even = (one() - own) * (one() / Interval::new(2.0, count as f64));
                either.hull(even).hull(even + own)
            };
        }
    }
    Some(Boxes::of_intervals(shape, &out))
}

/// The positions that a number names, held within the slice.
fn range(x: Interval, n: usize) -> std::ops::RangeInclusive<usize> {
    let whole = |x: f64| (x as usize).min(n - 1);
    whole(x.lo())..=whole(x.hi())
}

/// The hull of entries that stand next to each other.
fn hull(x: &[Interval]) -> Interval {
    x.iter().copied().reduce(Interval::hull).unwrap_or_default()
}

/// Adds a number to one of the entries in a range.
fn add_somewhere(x: &mut [Interval], range: std::ops::RangeInclusive<usize>, y: Interval) {
    let part = if range.start() == range.end() { y } else { y.hull(zero()) };
    x[range].iter_mut().for_each(|x| *x = *x + part);
}

/// `λ a + (1 − λ) b` for a weight from [0, 1].
fn blend(weight: Interval, a: Interval, b: Interval) -> Interval {
    if weight.is_point() && weight.lo() == 1.0 {
        return a;
    }
    (weight * a + (one() - weight) * b).meet(a.hull(b))
}

fn is_weight(x: Interval) -> bool {
    x.lo() >= 0.0 && x.hi() <= 1.0
}

/// The slices of x along its last axis, each with where its codes begin, `each` for an entry, and of which shape they are.
fn slices(x: &[usize], codes: &[usize], each: usize) -> (usize, Vec<usize>) {
    let (lead, n) = x.split_at(x.len() - 1);
    let mut starts = Vec::with_capacity(size(lead));
    walk(lead, &broadcast_strides(&codes[..codes.len() - 2], lead), |k| starts.push(each * n[0] * k));
    (n[0], starts)
}

/// `arrange` and its transpose, where the entries or the weights of the order are not known: each position of the sorted
/// array holds one of the entries that its code may name. None if the order is known.
pub(super) fn arrange(back: bool, x: &Boxes, order: &Boxes) -> Option<Boxes> {
    if order.is_point() {
        return None;
    }
    let (n, starts) = slices(x.shape(), order.shape(), 3);
    let (shape, x, order) = (x.shape(), x.intervals(), order.intervals());
    let mut out = vec![zero(); x.len()];
    for (slice, &start) in starts.iter().enumerate() {
        let row = slice * n..(slice + 1) * n;
        let (x, out) = (&x[row.clone()], &mut out[row]);
        let codes = order[start..start + 3 * n].as_chunks::<3>().0;
        // Which positions are a block does not depend on a selection.
        if !codes.iter().all(|c| c[1].is_point() && is_weight(c[2]) && !c[0].is_whole()) {
            out.fill(Interval::WHOLE);
            continue;
        }
        let mut next = 0;
        for block in codes.chunk_by(|a, b| a[1].lo() == b[1].lo()) {
            let own = next..next + block.len();
            next += block.len();
            let count = Interval::point(block.len() as f64);
            if back {
                let part = |(c, y): (&[Interval; 3], &Interval)| (one() - c[2]) * *y;
                let mean = std::iter::zip(block, &x[own.clone()]).map(part).fold(zero(), |s, y| s + y) / count;
                for (code, y) in std::iter::zip(block, &x[own]) {
                    add_somewhere(out, range(code[0], n), mean + code[2] * *y);
                }
            } else {
                let named: Vec<Interval> = block.iter().map(|c| hull(&x[range(c[0], n)])).collect();
                let mean = named.iter().fold(zero(), |sum, x| sum + *x) / count;
                let values = std::iter::zip(block, &named).map(|(c, x)| blend(c[2], *x, mean));
                std::iter::zip(&mut out[own], values).for_each(|(y, value)| *y = value);
            }
        }
    }
    Some(Boxes::of_intervals(shape, &out))
}

/// `follow` and its transpose, where the leaders or the weights are not known. None if they are.
pub(super) fn follow(back: bool, x: &Boxes, leader: &Boxes) -> Option<Boxes> {
    if leader.is_point() {
        return None;
    }
    let (n, starts) = slices(x.shape(), leader.shape(), 4);
    let (shape, x, leader) = (x.shape(), x.intervals(), leader.intervals());
    let mut out = vec![zero(); x.len()];
    for (slice, &start) in starts.iter().enumerate() {
        let row = slice * n..(slice + 1) * n;
        let (x, out) = (&x[row.clone()], &mut out[row]);
        let codes = leader[start..start + 4 * n].as_chunks::<4>().0;
        // Which entries tie does not depend on a selection.
        let known = |c: &[Interval; 4]| c[1].is_point() && c[2].is_point() && is_weight(c[3]) && !c[0].is_whole();
        if !codes.iter().all(known) {
            out.fill(Interval::WHOLE);
        } else if back {
            follow_back(x, codes, out);
        } else {
            let mut sum = zero();
            for (k, code) in codes.iter().enumerate() {
                sum = match code[1].lo() {
                    0.0 => sum,
                    1.0 => sum + x[k],
                    _ => x[k],
                };
                out[k] = blend(code[3], hull(&x[range(code[0], n)]), sum / code[2]);
            }
        }
    }
    Some(Boxes::of_intervals(shape, &out))
}

fn follow_back(y: &[Interval], codes: &[[Interval; 4]], x: &mut [Interval]) {
    let mut share = zero();
    for (k, code) in codes.iter().enumerate().rev() {
        add_somewhere(x, range(code[0], y.len()), code[3] * y[k]);
        share = share + (one() - code[3]) * y[k] / code[2];
        if code[1].lo() > 0.0 {
            x[k] = x[k] + share;
        }
        if code[1].lo() > 1.0 {
            share = zero();
        }
    }
}
