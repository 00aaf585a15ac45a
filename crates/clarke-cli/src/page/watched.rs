//! What is kept of a run while it runs, and the ties along it, which are counted when it has ended.

use clarke::optim::Event;
use clarke::{At, Program, Tensor};
use clarke_show::report::{Chart, Scale, Section, Series};
use clarke_show::words;
use std::time::{Duration, Instant};

/// The most values that are kept.
const VALUES: usize = 1000;
/// Half of the most points at which ties are counted.
const POINTS: usize = 100;
/// How many numbers the points kept may have together.
const NUMBERS: usize = 1 << 24;
/// How close to a tie counts as close, on the arguments of the operators.
const CLOSE: f64 = 1e-6;

/// How long counting ties may take after a run of so many seconds.
pub fn patience(seconds: f64) -> Duration {
    Duration::from_secs_f64((0.03 * seconds).clamp(0.2, 20.0))
}

/// Every `stride`-th of what comes along; the stride doubles whenever that becomes too much. Beside these some of the early
/// ones, each a part later than the one before it, since most happens early.
#[derive(Debug)]
struct Thinned<T> {
    most: usize,
    stride: u64,
    kept: Vec<(u64, T)>,
    early: Vec<(u64, T)>,
    next: u64,
}

impl<T> Thinned<T> {
    fn new(most: usize) -> Thinned<T> {
        Thinned { most: most.max(2), stride: 1, kept: vec![], early: vec![], next: 1 }
    }

    fn offer(&mut self, step: u64, make: impl FnOnce() -> T) {
        if !step.is_multiple_of(self.stride) {
            // There are at most as many of these as of the others.
            if step >= self.next && self.early.len() < self.most {
                self.early.push((step, make()));
                self.next = step + step / 4 + 1;
            }
            return;
        }
        if self.kept.len() >= self.most {
            self.stride *= 2;
            for (k, kept) in std::mem::take(&mut self.kept) {
                match k {
                    k if k.is_multiple_of(self.stride) => self.kept.push((k, kept)),
                    k if k >= self.next && self.early.len() < self.most => {
                        self.early.push((k, kept));
                        self.next = k + k / 4 + 1;
                    }
                    _ => {}
                }
            }
            if !step.is_multiple_of(self.stride) {
                return;
            }
        }
        self.kept.push((step, make()));
    }

    /// What was kept, in order.
    fn all(&self) -> Vec<&(u64, T)> {
        let mut all: Vec<&(u64, T)> = self.kept.iter().chain(&self.early).collect();
        all.sort_by_key(|(step, _)| *step);
        all
    }
}

/// What is kept of a run: cheap enough to be offered every step.
#[derive(Debug)]
pub struct Watched {
    /// Value, and the least value so far.
    values: Thinned<(f64, f64)>,
    points: Thinned<Vec<f64>>,
}

impl Watched {
    /// Of a run that starts at x.
    pub fn new(start: &[f64]) -> Watched {
        let most = (NUMBERS / 2 / start.len().max(1)).min(POINTS);
        let mut points = Thinned::new(most);
        points.offer(0, || start.to_vec());
        Watched { values: Thinned::new(VALUES), points }
    }

    /// After a step.
    pub fn at(&mut self, event: &Event<'_>) {
        self.values.offer(event.step, || (event.value, event.best_value));
        self.point(event.step, event.x);
    }

    /// A point alone.
    pub fn point(&mut self, step: u64, x: &[f64]) {
        self.points.offer(step, || x.to_vec());
    }

    /// The last point, where the run has ended.
    pub fn ended(&mut self, step: u64, x: &[f64]) {
        if self.points.all().last().is_none_or(|(k, _)| *k < step) {
            self.points.kept.push((step, x.to_vec()));
        }
    }

    /// The value along the run, with its start and its end: `(step, value, best value)`.
    pub fn values(&self, start: Option<f64>, end: Option<(u64, f64, f64)>) -> Chart {
        let mut all: Vec<(f64, f64, f64)> = start.into_iter().map(|value| (0.0, value, value)).collect();
        all.extend(self.values.all().iter().map(|(step, (value, best))| (*step as f64, *value, *best)));
        if let Some((step, value, best)) = end {
            all.retain(|(k, ..)| *k < step as f64);
            all.push((step as f64, value, best));
        }
        Chart::new("value", "Value", "step", "value", Scale::Height)
            .series(Series::new("at the iterate", all.iter().map(|(k, value, _)| (*k, *value))).pale())
            .series(Series::new("best so far", all.iter().map(|(k, _, best)| (*k, *best))))
    }

    /// The ties met at the points kept, of a program with the inputs that `inputs` makes of a point. It ends early where it
    /// would take longer than `patience`: the points are then fewer, and spread over the run all the same.
    pub fn ties(&self, program: &Program, inputs: impl Fn(&[f64]) -> Vec<Tensor>, patience: Duration) -> Ties {
        let (clock, mut at, points) = (Instant::now(), None::<At>, self.points.all());
        let mut counted: Vec<(u64, Count)> = vec![];
        for k in spread(points.len()) {
            if counted.len() > 1 && clock.elapsed() > patience {
                break;
            }
            let (step, x) = points[k];
            let there = inputs(x);
            // Where the program has no value, or an operator no derivative, there are no ties to count.
            let Ok(now) = at.as_ref().map_or_else(|| program.at(&there), |at| at.moved(&there)) else { continue };
            if let Ok(count) = Count::at(&now) {
                counted.push((*step, count));
            }
            at = Some(now);
        }
        counted.sort_by_key(|(step, _)| *step);
        Ties(counted)
    }
}

/// The inputs of a program at a point: those that are fixed, and for the others the point's numbers in order.
pub fn filled(program: &Program, fixed: Vec<Option<Tensor>>) -> impl Fn(&[f64]) -> Vec<Tensor> {
    let shapes: Vec<Vec<usize>> = program.inputs().iter().map(|i| i.shape.clone()).collect();
    move |x| {
        let mut rest = x.iter();
        let own = |(fixed, shape): (&Option<Tensor>, &Vec<usize>)| match fixed {
            Some(value) => value.clone(),
            None => Tensor::from_fn(shape, |_| *rest.next().unwrap_or(&f64::NAN)),
        };
        std::iter::zip(&fixed, &shapes).map(own).collect()
    }
}

/// 0, the last, and then those between, from coarse to fine.
fn spread(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = [0, count.saturating_sub(1)].into_iter().filter(|k| *k < count).collect();
    let mut step = count.next_power_of_two();
    while step > 0 {
        order.extend((0..count).step_by(step));
        step /= 2;
    }
    let mut seen = vec![false; count];
    order.retain(|k| !std::mem::replace(&mut seen[*k], true));
    order
}

/// How many ties an operator meets at a point, exactly and within [`CLOSE`].
#[derive(Debug, Clone, PartialEq)]
struct Count(Vec<(Written, [usize; 2])>);

/// An operator and its text.
type Written = (&'static str, String);

impl Count {
    fn at(at: &At) -> clarke::Result<Count> {
        let mut all: Vec<(Written, [usize; 2])> = vec![];
        for (k, tolerance) in [0.0, CLOSE].into_iter().enumerate() {
            for met in at.ties(tolerance)? {
                let written = (met.op, met.source);
                match all.iter_mut().find(|(w, _)| *w == written) {
                    Some((_, counts)) => counts[k] += 1,
                    None => all.push((written, if k == 0 { [1, 0] } else { [0, 1] })),
                }
            }
        }
        Ok(Count(all))
    }

    fn total(&self, k: usize) -> usize {
        self.0.iter().map(|(_, counts)| counts[k]).sum()
    }

    fn of(&self, written: &Written) -> [usize; 2] {
        self.0.iter().find(|(w, _)| w == written).map_or([0; 2], |(_, counts)| *counts)
    }
}

/// The ties along a run: the step, and how many each operator meets there.
#[derive(Debug, Clone, PartialEq)]
pub struct Ties(Vec<(u64, Count)>);

/// How many operators are listed.
const LISTED: usize = 20;

impl Ties {
    /// Says and draws them. `of`: what they are ties of, if not of the program itself.
    pub fn tell(&self, section: &mut Section, of: Option<&str>) {
        let Some((_, last)) = self.0.last() else { return };
        let line = |k: usize| self.0.iter().map(move |(step, count)| (*step as f64, count.total(k) as f64));
        let note = format!(
            "Counted at {} of the run{}. At a tie a policy picks the derivative among several; off ties it is the ordinary one.",
            words::plural(self.0.len(), "iterate"),
            of.map_or(String::new(), |of| format!(", {of}")),
        );
        section.chart(
            Chart::new("ties", "Ties met along the run", "step", "ties met", Scale::Linear)
                .series(Series::new("within 10⁻⁶", line(1)))
                .series(Series::new("exactly", line(0)))
                .note(note),
        );
        let mut written: Vec<(&Written, [usize; 2])> = vec![];
        for (one, counts) in self.0.iter().flat_map(|(_, count)| &count.0) {
            match written.iter_mut().find(|(w, _)| *w == one) {
                Some((_, most)) => *most = [0, 1].map(|k| most[k].max(counts[k])),
                None => written.push((one, *counts)),
            }
        }
        if written.is_empty() {
            return;
        }
        let row = |(one, most): &(&Written, [usize; 2])| {
            let end = last.of(one);
            let numbers = [most[0], most[1], end[0], end[1]].map(|n| n.to_string());
            [one.0.to_string(), words::clipped(&one.1, 60)].into_iter().chain(numbers).collect()
        };
        let head = ["operator", "source", "most, exactly", "most, within 10⁻⁶", "last, exactly", "last, within 10⁻⁶"];
        section.table("Where ties were met", &head, written.iter().take(LISTED).map(row).collect());
        if written.len() > LISTED {
            section.text(format!("And {} more.", words::plural(written.len() - LISTED, "operator")));
        }
    }

    /// How many are met at the last point, exactly and within 10⁻⁶.
    pub fn last(&self) -> Option<[usize; 2]> {
        self.0.last().map(|(_, count)| [count.total(0), count.total(1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: u64, x: impl Fn(u64) -> f64) -> Watched {
        let mut watched = Watched::new(&[x(0)]);
        for step in 1..=steps {
            watched.at(&Event { step, x: &[x(step)], value: 1.0, best_value: 1.0, evaluations: Default::default() });
        }
        watched.ended(steps, &[x(steps)]);
        watched
    }

    #[test]
    fn few_points_are_kept_from_start_to_end() {
        for steps in [1, 7, 199, 200, 1000, 12_345] {
            let watched = run(steps, |k| k as f64);
            let kept = watched.points.all();
            assert!(kept.len() <= 2 * POINTS + 1 && kept.len() as u64 > (steps + 1).min(POINTS as u64) / 2, "{steps}");
            assert_eq!((kept[0].0, kept[kept.len() - 1].0), (0, steps));
            assert!(kept.iter().all(|(k, x)| x[0] == *k as f64) && kept.windows(2).all(|w| w[0].0 < w[1].0));
            // The early part is there however long the run is.
            let early = kept.iter().filter(|(k, _)| *k <= 60).count();
            assert!(early as u64 >= steps.min(8), "{steps}: {early}");
            assert!(watched.values.all().len() <= 2 * VALUES);
        }
        let large = vec![0.0; NUMBERS];
        let mut watched = Watched::new(&large);
        (1..20).for_each(|step| {
            watched.at(&Event { step, x: &large, value: 0.0, best_value: 0.0, evaluations: Default::default() })
        });
        assert!(watched.points.all().len() <= 4, "memory is bounded");
    }

    #[test]
    fn a_spread_begins_with_the_ends_and_has_each_once() {
        for count in 0..40 {
            let order = spread(count);
            assert_eq!(order.iter().take(2).copied().collect::<Vec<_>>(), [0, count.saturating_sub(1)][..count.min(2)]);
            let mut sorted = order;
            sorted.sort();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ties_are_counted_exactly_and_closely() {
        let program = clarke::parse("abs(x) + relu(x) + relu(2*x) + relu(x - 1)", &[("x", &[])]).unwrap();
        // At 0 three of them; near 0 these, but closely only; at 1 the last.
        let watched = run(3, |k| [5.0, 0.0, 1e-8, 1.0][k as usize]);
        let ties = watched.ties(&program, |x| vec![x[0].into()], Duration::MAX);
        let totals: Vec<[usize; 2]> = ties.0.iter().map(|(_, c)| [c.total(0), c.total(1)]).collect();
        assert_eq!(totals, [[0, 0], [3, 3], [0, 3], [1, 1]]);
        assert_eq!(ties.last(), Some([1, 1]));
        let mut section = Section::default();
        ties.tell(&mut section, None);
        assert_eq!(section.blocks.len(), 2, "a chart and a table");
    }

    #[test]
    fn without_patience_the_ends_are_counted() {
        let program = clarke::parse("abs(x)", &[("x", &[])]).unwrap();
        let ties = run(100, |k| k as f64).ties(&program, |x| vec![x[0].into()], Duration::ZERO);
        assert_eq!(ties.0.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 100]);
    }
}
