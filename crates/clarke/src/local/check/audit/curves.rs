//! Segments around the point: any, and such as stay inside ties that are guessed or were found.

use super::foreign::Foreign;
use super::report::{Finding, Slopes, Tried};
use super::{AuditOptions, scaled};
use crate::local::check::curve::{CLEAR, Confirmed, Measured, confirm, segment, segment_closely, segment_unevenly};
use crate::local::vector::{along, dot};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) struct Curves<'a, 'f> {
    foreign: &'a Foreign<'f>,
    x: &'a [f64],
    options: &'a AuditOptions,
    rng: ChaCha8Rng,
    tried: Tried,
    /// The first finding among open curves, and among those inside ties.
    found: [Option<Finding>; 2],
}

/// In how many stretches a segment is divided, and in how many more where it seems to contradict.
const BUDGET: usize = 24;
const CONFIRMING: usize = 96;

/// A point and a direction to move from it, inside what is guessed to be a tie.
type Line = (Vec<f64>, Vec<f64>);

impl<'a, 'f> Curves<'a, 'f> {
    pub fn new(foreign: &'a Foreign<'f>, x: &'a [f64], options: &'a AuditOptions, rng: ChaCha8Rng) -> Curves<'a, 'f> {
        let tried = Tried { curves: 0, inside: 0, skipped: 0, worst: 0.0 };
        Curves { foreign, x, options, rng, tried, found: [None, None] }
    }

    /// All curves; directions inside the ties at the point are given.
    pub fn run(mut self, tied: &[Vec<f64>]) -> (Tried, Vec<Finding>) {
        for k in 0..self.options.curves {
            let length = self.length(k);
            let start = self.moved(length / 4.0);
            let d = self.numbers(1.0);
            // Through the neighbourhood of the point, and from the point on.
            let (from, to) = match k % 3 {
                2 => (self.x.to_vec(), along(self.x, length, &d)),
                _ => (along(&start, -length / 2.0, &d), along(&start, length / 2.0, &d)),
            };
            self.attempt(&from, &to, false);
        }
        for k in 0..self.options.curves {
            let length = self.length(k);
            if let Some((p, d)) = self.face(k) {
                self.attempt(&p, &along(&p, length, &d), true);
            }
        }
        if !tied.is_empty() {
            for k in 0..self.options.curves / 2 {
                let length = self.length(k);
                let d = match tied.get(k) {
                    Some(d) => d.clone(),
                    None => self.mixed(tied),
                };
                // Whole numbers times a power of 2: an argument that is tied is rounded as what it is tied with.
                let size = d.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                if size > 0.0 {
                    self.attempt(self.x, &along(self.x, power(length / size), &d), true);
                }
            }
        }
        let [open, inside] = self.found;
        (self.tried, [open, inside].into_iter().flatten().collect())
    }

    fn length(&self, k: usize) -> f64 {
        power(self.options.radius) * (0.5f64).powi([0, 2, 4, 7, 10][k % 5])
    }

    /// Random numbers of few digits, so that points of a segment are rounded little.
    fn numbers(&mut self, size: f64) -> Vec<f64> {
        let size = power(size);
        self.x.iter().map(|_| f64::from(self.rng.random_range(-64..=64)) / 64.0 * size).collect()
    }

    /// The point moved at random.
    fn moved(&mut self, size: f64) -> Vec<f64> {
        let by = self.numbers(size);
        along(self.x, 1.0, &by)
    }

    /// A small whole combination of directions.
    fn mixed(&mut self, of: &[Vec<f64>]) -> Vec<f64> {
        let zero = vec![0.0; self.x.len()];
        of.iter().fold(zero, |d, e| along(&d, f64::from(self.rng.random_range(-2..=2)), e))
    }

    /// A line inside a set on which ties are common, if such a set is within the radius. The kinds come one after another.
    fn face(&mut self, k: usize) -> Option<Line> {
        let n = self.x.len();
        let p = if k.is_multiple_of(2) { self.x.to_vec() } else { self.moved(self.options.radius / 4.0) };
        let mut face = Face { p, d: self.numbers(1.0), x: self.x, radius: self.options.radius, held: false };
        match k % 6 {
            0 => face.as_in_the_point(k.is_multiple_of(12)),
            // Some entries stay as they are in the point, or are 0, or halves of whole numbers.
            1 => self.some(n, 1).into_iter().for_each(|i| face.fix(i, self.x[i])),
            2 => self.some(n, 1).into_iter().for_each(|i| face.fix(i, 0.0)),
            3 => self.some(n, 1).into_iter().for_each(|i| face.fix(i, (2.0 * face.p[i]).round() / 2.0)),
            // Some entries are equal, or equal but for the sign.
            kind => {
                let some = self.some(n, 2);
                let (first, rest) = some.split_first()?;
                for &i in rest {
                    let sign = if kind == 5 && self.rng.random() { -1.0 } else { 1.0 };
                    face.tie(i, *first, sign);
                }
            }
        }
        (face.held && face.d.iter().any(|x| *x != 0.0)).then_some((face.p, face.d))
    }

    /// Some of the entries, in order: at least so many, if there are.
    fn some(&mut self, n: usize, least: usize) -> Vec<usize> {
        let part = [0.25, 0.5, 1.0][self.rng.random_range(0..3)];
        let mut taken: Vec<bool> = (0..n).map(|_| self.rng.random::<f64>() < part).collect();
        if part == 1.0 && n > least && self.rng.random() {
            taken[self.rng.random_range(0..n)] = false;
        }
        while taken.iter().filter(|t| **t).count() < least.min(n) {
            taken[self.rng.random_range(0..n)] = true;
        }
        (0..n).filter(|&i| taken[i]).collect()
    }

    /// Measures a segment, and looks closer where the two sides seem to differ.
    fn attempt(&mut self, from: &[f64], to: &[f64], inside: bool) {
        if from == to || self.found[usize::from(inside)].is_some() {
            return;
        }
        let tolerance = self.options.tolerance;
        let Some(measured) = segment(self.foreign, from, to, BUDGET) else {
            self.tried.skipped += 1;
            return;
        };
        if !measured.differs(tolerance) {
            return self.count(&measured, inside);
        }
        let (from, to, measured, jump) = match confirm(self.foreign, from, to, tolerance, CONFIRMING) {
            Some(Confirmed::Steady { from, to, measured }) => (from, to, measured, false),
            Some(Confirmed::Jump { from, to, measured }) => (from, to, measured, true),
            None => {
                // What the first look missed, as a tie crossed right at an end of a stretch, another one sees.
                let closely = segment_closely(self.foreign, from, to, CONFIRMING);
                let again = [0.382, 0.724, 0.171].into_iter();
                let unevenly = again.map(|at| segment_unevenly(self.foreign, from, to, at, CONFIRMING));
                let mut all = std::iter::once(closely).chain(unevenly).flatten();
                match all.find(|measured| !measured.differs(tolerance)) {
                    Some(measured) => self.count(&measured, inside),
                    None => self.tried.skipped += 1,
                }
                return;
            }
        };
        let (increment, integral, error) = (measured.increment, measured.integral, measured.error);
        self.found[usize::from(inside)] = Some(match jump {
            true => Finding::Jump { from, to, increment, integral, error },
            false => Finding::Chain { from, to, increment, integral, error, inside },
        });
    }

    fn count(&mut self, measured: &Measured, inside: bool) {
        self.tried.curves += 1;
        self.tried.inside += usize::from(inside);
        if measured.scale > 0.0 && measured.error <= self.options.tolerance * measured.scale {
            self.tried.worst = self.tried.worst.max(measured.gap().abs() / measured.scale);
        }
    }

    /// Slopes at random points against central differences: along a few axes and a random direction.
    pub fn slopes(&mut self) -> (Slopes, Option<Finding>) {
        let mut slopes = Slopes { compared: 0, unresolved: 0, wrong: 0 };
        let mut found: Option<Finding> = None;
        let n = self.x.len();
        for k in 0..self.options.curves.div_ceil(2) {
            let distance = self.options.radius * (0.125f64).powi((k % 4) as i32);
            let p: Vec<f64> = self.x.iter().map(|x| x + distance * (2.0 * self.rng.random::<f64>() - 1.0)).collect();
            let Some(v) = self.foreign.vector(&p) else { continue };
            let mut directions = vec![self.numbers(1.0)];
            let few = n.min(6);
            let first = if n <= few { 0 } else { self.rng.random_range(0..n) };
            directions.extend((0..few).map(|j| (0..n).map(|i| f64::from(i == (first + j) % n)).collect::<Vec<f64>>()));
            for d in directions.iter().filter_map(|d| scaled(d)) {
                let rule = dot(&v, &d);
                let size: f64 = std::iter::zip(&v, &d).map(|(v, d)| (v * d).abs()).sum();
                let Some((difference, error)) = self.slope(&p, &d, distance) else {
                    slopes.unresolved += 1;
                    continue;
                };
                slopes.compared += 1;
                let scale = size.max(difference.abs()).max(1e-3 * self.options.tolerance.sqrt());
                let error = error + 0.1 * self.options.tolerance * scale;
                let gap = (difference - rule).abs();
                if gap > CLEAR * error {
                    slopes.wrong += 1;
                    let more = found.as_ref().is_none_or(|f| gap / error > f.margin());
                    if more {
                        found = Some(Finding::Slope { point: p.clone(), direction: d, rule, difference, error });
                    }
                }
            }
        }
        (slopes, found)
    }

    /// The slope along a direction by central differences and Richardson's extrapolation, with its error; None where the
    /// one-sided differences do not come together, as across a tie, or where noise drowns them.
    fn slope(&self, p: &[f64], d: &[f64], distance: f64) -> Option<(f64, f64)> {
        let value = self.foreign.value(p)?;
        let noise = self.foreign.noise(p, value);
        let step = (distance * 2f64.powi(-9)).max(noise.cbrt() / 8.0);
        if 8.0 * step > distance {
            return None;
        }
        // The points are rounded, and what they are apart by is what counts.
        let ends = |h: f64| Some((self.foreign.value(&along(p, h, d))?, self.foreign.value(&along(p, -h, d))?));
        let both = |h: f64| ends(h).map(|(high, low)| ((high - low) / (2.0 * h), (high - 2.0 * value + low).abs() / h));
        let [(fine, bend), (middle, _), (coarse, wide)] = [both(step)?, both(2.0 * step)?, both(4.0 * step)?];
        let slope = fine + (fine - middle) / 3.0;
        let rounding = 4.0 * noise / step;
        // Of a smooth function the two sides differ by a part of the step.
        if bend > 0.5 * wide + 2.0 * rounding {
            return None;
        }
        let error = (fine - middle).abs().max((middle - coarse).abs() / 4.0) + rounding;
        let resolved = error <= 0.05 * (slope.abs() + self.foreign.steepest()) + f64::MIN_POSITIVE.sqrt();
        resolved.then_some((slope, error))
    }
}

/// A point and a direction that are made to lie inside a set.
struct Face<'a> {
    p: Vec<f64>,
    d: Vec<f64>,
    x: &'a [f64],
    radius: f64,
    /// Whether anything is held.
    held: bool,
}

impl Face<'_> {
    /// Holds an entry at a number, if that is within the radius.
    fn fix(&mut self, i: usize, value: f64) {
        if (self.x[i] - value).abs() <= self.radius {
            (self.p[i], self.d[i], self.held) = (value, 0.0, true);
        }
    }

    /// Holds an entry to another one, or to its opposite.
    fn tie(&mut self, i: usize, other: usize, sign: f64) {
        if (self.x[i] - sign * self.p[other]).abs() <= self.radius {
            (self.p[i], self.d[i], self.held) = (sign * self.p[other], sign * self.d[other], true);
        }
    }

    /// What coincides in the point stays together; what is a half of a whole number stays, if `halves`.
    fn as_in_the_point(&mut self, halves: bool) {
        self.p = self.x.to_vec();
        for i in 0..self.x.len() {
            if halves && (2.0 * self.x[i]).fract() == 0.0 {
                self.fix(i, self.x[i]);
            } else if let Some(j) = (0..i).find(|&j| self.x[j].abs() == self.x[i].abs()) {
                self.tie(i, j, if self.x[j] == self.x[i] { 1.0 } else { -1.0 });
            }
        }
    }
}

/// The power of 2 not above x > 0.
fn power(x: f64) -> f64 {
    x.log2().floor().exp2()
}
