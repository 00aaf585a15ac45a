//! Curves on which a rule is tried: any, inside ties, and close to ties.

use super::CheckOptions;
use super::curve::{Confirmed, Measured, arc, confirm, segment, segment_closely};
use super::report::{Conservative, Course, Passed, Refutation};
use super::subject::Subject;
use super::switches::{Switches, Tied, directions, project};
use crate::local::vector::{along, dot, minus, norm};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Tries curves one after another until one refutes the rule.
pub(super) struct Probe<'a, 's> {
    pub subject: &'a Subject<'s>,
    pub options: &'a CheckOptions,
    /// Ties of the function, and of the rule where it is a program.
    pub function: Option<&'a Switches>,
    pub own: Option<&'a Switches>,
    /// The box of the variables.
    pub lo: Vec<f64>,
    pub hi: Vec<f64>,
    pub rng: ChaCha8Rng,
    passed: Passed,
}

/// How many stretches a segment is divided in.
const BUDGET: usize = 40;
/// How many more where it seems to refute.
const CONFIRMING: usize = 120;
/// At what distance from a tie, relative to the size of the point, a curve counts as close to it.
const CLOSE: f64 = 1e-3;
/// How many stretches a curve inside a smooth stratum has.
const STRETCHES: usize = 32;
/// Exponents k of the distances 2^-k from a tie, relative to the size of the point.
const DISTANCES: [i32; 12] = [3, 6, 9, 13, 17, 21, 25, 29, 33, 36, 39, 43];

/// The elements tied at a point that a curve is to stay inside of.
#[derive(Default)]
struct Group {
    function: Vec<Tied>,
    own: Vec<Tied>,
}

impl Group {
    fn all(&self) -> Vec<&Tied> {
        self.function.iter().chain(&self.own).collect()
    }

    fn is_empty(&self) -> bool {
        self.function.is_empty() && self.own.is_empty()
    }
}

impl<'a, 's> Probe<'a, 's> {
    pub fn new(
        subject: &'a Subject<'s>,
        options: &'a CheckOptions,
        (function, own): (Option<&'a Switches>, Option<&'a Switches>),
        (lo, hi): (Vec<f64>, Vec<f64>),
    ) -> Probe<'a, 's> {
        let rng = ChaCha8Rng::seed_from_u64(options.seed);
        let passed = Passed { curves: 0, inside: 0, near: 0, exact: 0, skipped: 0, worst: 0.0 };
        Probe { subject, options, function, own, lo, hi, rng, passed }
    }

    /// The verdict. `tied` are points on ties.
    pub fn run(&mut self, named: &[Vec<f64>], tied: &[Vec<f64>]) -> Conservative {
        let found = self.any(named).or_else(|| self.inside(tied)).or_else(|| self.close(tied));
        match found {
            Some(refutation) => Conservative::Refuted(Box::new(refutation)),
            None => Conservative::Passed(self.passed.clone()),
        }
    }

    /// A random point of the box, of few digits.
    pub fn point(&mut self) -> Vec<f64> {
        let (lo, hi) = (self.lo.clone(), self.hi.clone());
        std::iter::zip(lo, hi).map(|(lo, hi)| self.between(lo, hi, 256.0)).collect()
    }

    /// A random number of few digits: a multiple of a power of 2 near the width over `parts`.
    fn between(&mut self, lo: f64, hi: f64, parts: f64) -> f64 {
        let x = lo + (hi - lo) * self.rng.random::<f64>();
        let grid = power(f64::max(hi - lo, f64::MIN_POSITIVE) / parts);
        let rounded = (x / grid).round() * grid;
        if (lo..=hi).contains(&rounded) { rounded } else { x }
    }

    /// Points on ties: grid points at which something is tied, and others found by Newton's method.
    pub fn tied_points(&mut self, named: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut points: Vec<Vec<f64>> = named.iter().filter(|p| !self.tied(p).is_empty()).cloned().collect();
        let limit = points.len() + self.options.curves / 4 + 1;
        for trial in 0..4 * self.options.curves {
            if points.len() >= limit {
                break;
            }
            let (lo, hi) = (self.lo.clone(), self.hi.clone());
            // Whole numbers and halves tie often; where the box is small, its corners and middle.
            let parts = [2.0, 4.0, 8.0][trial % 3];
            let grid = std::iter::zip(lo, hi).map(|(lo, hi)| self.between(lo, hi, parts)).collect::<Vec<f64>>();
            let candidate = if trial % 2 == 0 { Some(grid) } else { self.newton() };
            if let Some(x) = candidate
                && !self.tied(&x).is_empty()
                && !points.contains(&x)
            {
                points.push(x);
            }
        }
        points
    }

    fn newton(&mut self) -> Option<Vec<f64>> {
        let start = self.point();
        let which = if self.rng.random() { self.function.or(self.own) } else { self.own.or(self.function) };
        which?.near(self.subject, &start, &mut self.rng)
    }

    /// What is tied at a point.
    fn tied(&self, x: &[f64]) -> Group {
        let of = |s: Option<&Switches>| s.map_or(vec![], |s| s.tied(self.subject, x, 0.0));
        Group { function: of(self.function), own: of(self.own) }
    }

    fn holds(&self, x: &[f64], group: &Group) -> bool {
        let of = |s: Option<&Switches>, tied: &[Tied]| {
            tied.is_empty() || s.is_some_and(|s| s.holds(self.subject, x, &tied.iter().collect::<Vec<_>>()))
        };
        of(self.function, &group.function) && of(self.own, &group.own)
    }

    /// Segments between random points, of all lengths.
    fn any(&mut self, named: &[Vec<f64>]) -> Option<Refutation> {
        for k in 0..self.options.curves {
            let a = if k % 4 == 3 && !named.is_empty() { named[k / 4 % named.len()].clone() } else { self.point() };
            let b = self.point();
            let t = (0.5f64).powi((k % 12) as i32);
            let b = along(&a, t, &minus(&b, &a));
            if let Some(found) = self.attempt(&a, &b, Course::Open) {
                return Some(found);
            }
        }
        None
    }

    /// Curves that stay inside ties.
    fn inside(&mut self, tied: &[Vec<f64>]) -> Option<Refutation> {
        tied.iter().find_map(|p| self.groups(p).iter().find_map(|group| self.inside_of(p, group)))
    }

    /// All that is tied at a point, what of it is the function's and the rule's, and single elements.
    fn groups(&mut self, p: &[f64]) -> Vec<Group> {
        let all = self.tied(p);
        let (f, own) = (all.function.clone(), all.own.clone());
        let mut groups = vec![];
        if !f.is_empty() && !own.is_empty() {
            groups.push(Group { function: f.clone(), own: vec![] });
            groups.push(Group { function: vec![], own: own.clone() });
        }
        for list in [&f, &own] {
            if list.len() > 1 {
                let one = vec![list[self.rng.random_range(0..list.len())].clone()];
                let group = if std::ptr::eq(list, &f) {
                    Group { function: one, own: vec![] }
                } else {
                    Group { function: vec![], own: one }
                };
                groups.push(group);
            }
        }
        groups.insert(0, all);
        groups.retain(|g| !g.is_empty());
        groups
    }

    fn inside_of(&mut self, p: &[f64], group: &Group) -> Option<Refutation> {
        let basis = directions(&group.all(), p.len(), &mut self.rng);
        if basis.is_empty() {
            return None;
        }
        let mut tried: Vec<Vec<f64>> = basis.iter().take(4).cloned().collect();
        for _ in 0..2 {
            let weight = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(-2..=2));
            let mix = |d: Vec<f64>, e: &Vec<f64>| along(&d, weight(&mut self.rng), e);
            tried.push(basis.iter().fold(vec![0.0; p.len()], mix));
        }
        tried.retain(|d| norm(d) > 0.0);
        tried.iter().find_map(|d| {
            let step = self.step(d) * (0.5f64).powi([0, 1, 4][self.rng.random_range(0..3)]);
            let end = along(p, step, d);
            let half = |t: f64| along(p, t, &minus(&end, p));
            if [0.5, 0.25, 0.6875].iter().all(|t| self.holds(&half(*t), group)) {
                self.attempt(p, &end, Course::Inside)
            } else {
                self.attempt_arc(p, d, group)
            }
        })
    }

    /// A power of 2 times which a direction is about a quarter of the box long.
    fn step(&self, d: &[f64]) -> f64 {
        let width = norm(&minus(&self.hi, &self.lo)) / (d.len() as f64).sqrt();
        power(0.25 * width / norm(d))
    }

    /// A curve inside a smooth stratum: points found by Newton's method, one after another, all of them tied in f64.
    fn attempt_arc(&mut self, p: &[f64], d: &[f64], group: &Group) -> Option<Refutation> {
        // Ties of both together would need one Newton's method over both.
        let (switches, wanted) = match (group.function.is_empty(), group.own.is_empty()) {
            (false, true) => (self.function?, &group.function),
            (true, false) => (self.own?, &group.own),
            _ => return None,
        };
        let h = self.step(d) / 16.0;
        let unit: Vec<f64> = d.iter().map(|x| x * h).collect();
        let mut points = vec![p.to_vec()];
        let mut direction = unit;
        while points.len() <= STRETCHES {
            let last = &points[points.len() - 1];
            let guess = along(last, 1.0, &direction);
            let next = switches.newton(self.subject, &guess, norm(&direction), &mut self.rng);
            let Some(next) = next.filter(|x| self.holds(x, group)) else { break };
            let tied: Vec<Tied> = switches.tied(self.subject, &next, 0.0);
            let same = tied.into_iter().filter(|t| wanted.iter().any(|w| w.same(t))).collect::<Vec<_>>();
            direction = project(&direction, &same);
            points.push(next);
        }
        points.truncate(1 + (points.len() - 1) / 4 * 4);
        if points.len() < 9 {
            return None;
        }
        let Some(measured) = arc(self.subject, &points) else {
            self.passed.skipped += 1;
            return None;
        };
        // On both halves, too: the difference is no accident of one place.
        let halves = [&points[..=points.len() / 2], &points[points.len() / 2..]];
        let both = |m: &Measured| m.differs(self.options.tolerance) && m.gap() * measured.gap() > 0.0;
        let confirmed = measured.differs(self.options.tolerance)
            && halves.iter().all(|part| arc(self.subject, part).is_some_and(|m| both(&m)));
        match confirmed {
            true => Some(self.refutation(points, &measured, Course::Inside)),
            false => {
                self.count(&measured, Course::Inside);
                None
            }
        }
    }

    /// Segments close to ties: alongside, and towards and away from them.
    fn close(&mut self, tied: &[Vec<f64>]) -> Option<Refutation> {
        let points: Vec<Vec<f64>> = tied.iter().take(self.options.curves / 8 + 2).cloned().collect();
        points.iter().find_map(|p| {
            let group = self.tied(p);
            let all: Vec<Tied> = group.all().into_iter().take(6).cloned().collect();
            all.iter().find_map(|t| self.close_to(p, t))
        })
    }

    fn close_to(&mut self, p: &[f64], tied: &Tied) -> Option<Refutation> {
        let row = tied.rows.iter().find(|r| norm(r) > 0.0)?.clone();
        let normal: Vec<f64> = row.iter().map(|x| x / norm(&row)).collect();
        let parallel = directions(&[tied], p.len(), &mut self.rng);
        let size = power(1.0 + norm(p));
        for exponent in DISTANCES {
            for sign in [1.0, -1.0] {
                let delta = sign * size * (0.5f64).powi(exponent);
                let start = along(p, delta, &normal);
                let random: Vec<f64> = p.iter().map(|_| 2.0 * self.rng.random::<f64>() - 1.0).collect();
                let across = along(&normal, 0.5, &random);
                let length = norm(&across);
                let end = along(&start, 0.5 * delta / length, &across);
                let course = Course::Near(delta.abs());
                let found = self.attempt(&start, &end, course);
                if found.is_some() {
                    return found;
                }
                if parallel.is_empty() {
                    continue;
                }
                let d = &parallel[self.rng.random_range(0..parallel.len())];
                let end = along(&start, self.step(d), d);
                let found = self.attempt(&start, &end, course);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Tries one segment.
    fn attempt(&mut self, from: &[f64], to: &[f64], course: Course) -> Option<Refutation> {
        if from == to {
            return None;
        }
        let Some(measured) = segment(self.subject, from, to, BUDGET) else {
            self.passed.skipped += 1;
            return None;
        };
        let tolerance = self.options.tolerance;
        if measured.differs(tolerance) {
            match confirm(self.subject, from, to, tolerance, CONFIRMING) {
                Some(Confirmed::Steady { from, to, measured }) => {
                    return Some(self.refutation(vec![from, to], &measured, course));
                }
                Some(Confirmed::Jump { from, to, measured }) => {
                    return Some(self.refutation(vec![from, to], &measured, Course::Jump));
                }
                None => {}
            }
            // What the first look missed, as a tie crossed right at an end, a closer one sees.
            return match segment_closely(self.subject, from, to, CONFIRMING) {
                Some(measured) if !measured.differs(tolerance) => {
                    self.count(&measured, course);
                    None
                }
                _ => {
                    self.passed.skipped += 1;
                    None
                }
            };
        }
        self.count(&measured, course);
        None
    }

    fn count(&mut self, measured: &Measured, course: Course) {
        self.passed.curves += 1;
        self.passed.inside += usize::from(course == Course::Inside);
        self.passed.near += usize::from(matches!(course, Course::Near(_)));
        self.passed.exact += usize::from(measured.exact.is_some());
        if measured.scale > 0.0 && measured.error <= 1e-6 * measured.scale {
            self.passed.worst = self.passed.worst.max(measured.gap().abs() / measured.scale);
        }
    }

    fn refutation(&self, points: Vec<Vec<f64>>, measured: &Measured, course: Course) -> Refutation {
        let d = minus(&points[points.len() - 1], &points[0]);
        let middle = if points.len() == 2 { along(&points[0], 0.5, &d) } else { points[points.len() / 2].clone() };
        let course = if points.len() == 2 && course != Course::Jump { self.course(&points[0], &d) } else { course };
        let tolerance = match course {
            Course::Inside => 0.0,
            Course::Near(distance) => 1.5 * distance,
            Course::Open | Course::Jump => 2.0 * norm(&d),
        };
        let sources = |s: Option<&Switches>| s.map_or(vec![], |s| s.sources(self.subject, &middle, tolerance));
        let mut operators = sources(self.function);
        operators.extend(sources(self.own).into_iter().map(|s| format!("{s} in the rule")));
        operators.truncate(6);
        Refutation {
            curve: points.iter().map(|x| self.subject.layout.split(x)).collect(),
            increment: measured.increment,
            integral: measured.integral,
            error: measured.error,
            exact: measured.exact.clone(),
            course,
            operators,
        }
    }

    /// How a segment lies, whatever it was meant for: inside what is tied in the middle and at two other points, close to the
    /// nearest tie, or neither.
    fn course(&self, from: &[f64], d: &[f64]) -> Course {
        let middle = along(from, 0.5, d);
        let group = self.tied(&middle);
        let holds = |list: &[Tied], s: Option<&Switches>| {
            list.iter().any(|t| {
                [0.25, 0.6875].iter().all(|at| s.is_some_and(|s| s.holds(self.subject, &along(from, *at, d), &[t])))
            })
        };
        if holds(&group.function, self.function) || holds(&group.own, self.own) {
            return Course::Inside;
        }
        let within = CLOSE * (1.0 + norm(&middle));
        let inputs = self.subject.inputs(&middle);
        let nearest = |s: Option<&Switches>| s.and_then(|s| s.distances(&inputs, within).first().copied());
        match [nearest(self.function), nearest(self.own)].into_iter().flatten().reduce(f64::min) {
            Some(distance) => Course::Near(distance),
            None => Course::Open,
        }
    }

    /// Directions to look along from a point: random ones, and some inside what is tied there (`true`).
    pub fn looks(&mut self, p: &[f64]) -> Vec<(Vec<f64>, bool)> {
        let mut all: Vec<(Vec<f64>, bool)> = vec![];
        for group in self.groups(p) {
            let basis = directions(&group.all(), p.len(), &mut self.rng);
            for d in basis.into_iter().take(2) {
                all.extend([(d.iter().map(|x| -x).collect(), true), (d, true)]);
            }
        }
        for _ in 0..3 {
            all.push((p.iter().map(|_| 2.0 * self.rng.random::<f64>() - 1.0).collect(), false));
        }
        all.retain(|(d, _)| dot(d, d) > 0.0);
        all
    }
}

/// The power of 2 not above x > 0.
fn power(x: f64) -> f64 {
    x.log2().floor().exp2()
}
