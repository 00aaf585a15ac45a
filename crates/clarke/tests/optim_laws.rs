//! Laws that every method of the table obeys.

use clarke::optim::{
    AnyMethod, Convexity, Entry, Facts, METHODS, Method, Oracle, Outcome, Range, Run, Running, Setting, Status,
    minimize,
};
use clarke::program::class::Level;
use clarke::{Error, Fault};
use std::sync::atomic::AtomicBool;

/// The mean of four terms c_i Σ |x_j| + x_j², whose minimizer is 0; it fails after some evaluations, if told to.
struct Kinked {
    left: u64,
    asked: u64,
}

const SCALES: [f64; 4] = [0.5, 1.5, 0.75, 1.25];

impl Kinked {
    fn new() -> Kinked {
        Kinked { left: u64::MAX, asked: 0 }
    }

    fn value(x: &[f64]) -> f64 {
        x.iter().map(|x| x.abs() + x * x).sum()
    }
}

impl Oracle for Kinked {
    fn dimension(&self) -> usize {
        3
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        self.batch(&[0, 1, 2, 3], x, gradient)
    }

    fn terms(&self) -> usize {
        4
    }

    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        self.asked += 1;
        if self.asked > self.left {
            let (op, argument) = ("the test".to_string(), x.to_vec());
            return Err(Fault::NotFinite { op, value: f64::NAN, argument, index: vec![], advice: "none" }.into());
        }
        let scale = terms.iter().map(|&t| SCALES[t]).sum::<f64>() / terms.len() as f64;
        let slope = |x: f64| if x == 0.0 { 0.0 } else { scale * (x.signum() + 2.0 * x) };
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g = slope(*x));
        Ok(scale * Kinked::value(x))
    }

    fn level(&self) -> Level {
        Level::PiecewisePolynomial
    }

    fn convexity(&self) -> Convexity {
        Convexity::Convex
    }
}

const START: [f64; 3] = [3.0, -2.0, 0.7];

fn built(entry: &Entry) -> AnyMethod {
    entry.build(&[]).unwrap_or_else(|error| panic!("{}: {error}", entry.name))
}

fn run(method: &AnyMethod, oracle: &mut dyn Oracle, start: &[f64], steps: u64) -> Result<Outcome, Error> {
    minimize(method, oracle, start, Run { steps, interrupted: &AtomicBool::new(false), watch: &mut |_| {} })
}

#[test]
fn lines_of_the_table_are_complete() {
    for (k, entry) in METHODS.iter().enumerate() {
        assert!(METHODS[..k].iter().all(|other| other.name != entry.name), "{} twice", entry.name);
        assert!(entry.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", entry.name);
        for text in [entry.about, entry.formula, entry.source] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: `{text}`", entry.name);
        }
        let names: Vec<&str> = entry.parameters().map(|p| p.name).collect();
        assert!(names.iter().enumerate().all(|(k, name)| !names[..k].contains(name)), "{names:?}");
        assert!(entry.parameters().all(|p| !p.meaning.is_empty() && !p.default.is_empty()), "{}", entry.name);
        // Every default is in its range: what is built of no options is built of all defaults.
        built(entry);
        let all: Vec<_> = entry.parameters().map(|p| (p.name.to_string(), p.default.into())).collect();
        assert_eq!(format!("{:?}", entry.build(&all).unwrap()), format!("{:?}", built(entry)));
    }
}

#[test]
fn every_method_reaches_the_neighbourhood_of_a_minimum() {
    for entry in METHODS {
        let outcome = run(&built(entry), &mut Kinked::new(), &START, 10_000).unwrap();
        let first = Kinked::value(&START);
        assert!(outcome.best_value < 0.01 * first, "{}: {outcome:?}", entry.name);
        assert_eq!(outcome.best_value, Kinked::value(&outcome.best), "{}", entry.name);
        assert_eq!(outcome.value, Kinked::value(&outcome.last), "{}", entry.name);
        assert_eq!(outcome.trace.first(), Some(&(0, first)), "{}", entry.name);
        assert_eq!(outcome.trace.last(), Some(&(outcome.steps, outcome.value)), "{}", entry.name);
        assert!(outcome.measures.iter().all(|m| m.value.is_finite()), "{}: {:?}", entry.name, outcome.measures);
        assert!(outcome.evaluations.gradients > 0 && outcome.failure.is_none(), "{}", entry.name);
    }
}

#[test]
fn a_method_at_the_minimum_stays_there() {
    for entry in METHODS {
        let outcome = run(&built(entry), &mut Kinked::new(), &[0.0; 3], 50).unwrap();
        assert_eq!((outcome.value, outcome.best_value), (0.0, 0.0), "{}: {outcome:?}", entry.name);
        assert!(outcome.last.iter().all(|x| *x == 0.0), "{}", entry.name);
        // Whoever sees the whole function knows.
        let sampled = entry.parameters().any(|p| p.name == "batch" && p.default != "0");
        let ended = matches!(outcome.status, Status::Stationary | Status::Converged);
        assert!(sampled || ended && outcome.steps == 0, "{}: {}", entry.name, outcome.status);
    }
}

#[test]
fn a_function_that_fails_ends_the_run_and_the_best_point_is_kept() {
    for entry in METHODS {
        for left in [1, 2, 5, 17] {
            let mut oracle = Kinked { left, ..Kinked::new() };
            let outcome = run(&built(entry), &mut oracle, &START, 10_000).unwrap();
            if outcome.status == Status::Converged && oracle.asked <= left {
                // It was done before.
                continue;
            }
            assert_eq!(outcome.status, Status::Failed, "{} after {left}", entry.name);
            assert!(outcome.failure.unwrap().to_string().starts_with("the test gives NaN"), "{}", entry.name);
            assert_eq!(outcome.best_value, Kinked::value(&outcome.best), "{}", entry.name);
            assert_eq!(outcome.value, Kinked::value(&outcome.last), "{}", entry.name);
            assert!(outcome.best_value <= Kinked::value(&START), "{}", entry.name);
        }
        let mut oracle = Kinked { left: 0, ..Kinked::new() };
        assert!(run(&built(entry), &mut oracle, &START, 10).is_err(), "{}: there is no point to keep", entry.name);
    }
}

/// NaN without an error, after some evaluations.
struct Silent(u64);

impl Oracle for Silent {
    fn dimension(&self) -> usize {
        3
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        self.0 += 1;
        gradient.fill(if self.0 > 3 { f64::NAN } else { 0.5 });
        Ok(x.iter().sum::<f64>() * 0.5)
    }
}

#[test]
fn a_nan_is_never_silent() {
    for entry in METHODS {
        let outcome = run(&built(entry), &mut Silent(0), &START, 100).unwrap();
        assert_eq!(outcome.status, Status::Failed, "{}: {outcome:?}", entry.name);
        assert!(outcome.best.iter().chain(&outcome.last).all(|x| x.is_finite()), "{}", entry.name);
    }
}

#[test]
fn runs_repeat_bit_for_bit() {
    for entry in METHODS {
        let once = || run(&built(entry), &mut Kinked::new(), &START, 300).unwrap();
        assert_eq!(once(), once(), "{}", entry.name);
    }
}

#[test]
fn an_interrupted_run_keeps_its_best_point() {
    for entry in METHODS {
        let stop = AtomicBool::new(true);
        let run = Run { steps: 10, interrupted: &stop, watch: &mut |_| {} };
        let outcome = minimize(&built(entry), &mut Kinked::new(), &START, run).unwrap();
        assert_eq!((outcome.status, outcome.steps), (Status::Interrupted, 0), "{}", entry.name);
        assert_eq!(outcome.best, START, "{}", entry.name);
    }
}

#[test]
fn a_run_that_is_saved_and_loaded_goes_on_with_the_same_bits() {
    let never = AtomicBool::new(false);
    let until = |running: &mut Running<'_, AnyMethod>, f: &mut Kinked, steps| {
        running.advance(f, Run { steps, interrupted: &never, watch: &mut |_| {} })
    };
    for entry in METHODS {
        let batches = entry.parameters().any(|p| p.name == "batch");
        let options: &[(String, Setting)] = match batches {
            true => {
                &[("batch".into(), 1.0.into()), ("average".into(), "suffix".into()), ("step-noise".into(), 0.1.into())]
            }
            false => &[],
        };
        let method = entry.build(options).unwrap();
        let whole = run(&method, &mut Kinked::new(), &START, 120).unwrap();
        for cut in [0, 1, 7, 40, 119] {
            let mut f = Kinked::new();
            let mut running = Running::start(&method, &mut f, &START).unwrap();
            until(&mut running, &mut f, cut);
            let bytes = running.save();
            // A new process has made everything anew.
            let (method, mut f) = (entry.build(options).unwrap(), Kinked::new());
            let mut running = Running::load(&method, &bytes).unwrap();
            until(&mut running, &mut f, 120);
            assert_eq!(running.finish(&mut f), whole, "{} saved after {cut} steps", entry.name);
            // What was cut short is no run, and nothing panics.
            for length in (0..bytes.len()).step_by(7) {
                assert!(Running::load(&method, &bytes[..length]).is_none(), "{} of {length} bytes", entry.name);
            }
        }
    }
}

#[test]
fn a_start_of_another_dimension_is_an_error() {
    for entry in METHODS {
        let error = run(&built(entry), &mut Kinked::new(), &[1.0], 1).unwrap_err().to_string();
        assert_eq!(error, "input `start` has shape [3], but was given [1]", "{}", entry.name);
    }
}

/// Values that are not in a range.
fn outside(range: Range) -> Vec<String> {
    let number = |x: f64| x.to_string();
    let mut all = match range {
        Range::Closed(low, high) => vec![number(low - 1.0), number(high + 1.0)],
        Range::Open(low, high) | Range::OpenOr(low, high, _) => vec![number(low), number(high)],
        Range::HalfOpen(low, high) => vec![number(low - 1.0), number(high)],
        Range::Whole(low, high) => {
            let below = if low > 0 { number(low as f64 - 1.0) } else { "-1".into() };
            vec!["0.5".into(), below, number(high as f64 * 2.0)]
        }
        Range::Words(_) => vec![],
        Range::Rule => vec!["-1".into(), "1/(k+1)^-1".into()],
        Range::Text(_) => vec!["(".into()],
    };
    all.extend(["".into(), "NaN".into(), "no such thing".into()]);
    all
}

#[test]
fn options_out_of_range_are_errors_that_name_them() {
    for entry in METHODS {
        for p in entry.parameters() {
            for value in outside(p.range) {
                let Err(error) = entry.build(&[(p.name.into(), value.as_str().into())]) else {
                    panic!("{}: {} = `{value}` was taken", entry.name, p.name)
                };
                let expected = format!("{}: {} is {value}, but ", entry.name, p.name);
                let said = error.to_string();
                assert!(said.starts_with(&expected) && said.len() > expected.len() + 10, "{said}");
            }
        }
        let error = entry.build(&[("no-such".into(), 1.0.into())]).unwrap_err().to_string();
        assert!(error.starts_with("unknown option `no-such`"), "{error}");
        let name = entry.parameters().next().expect("a method has parameters");
        let twice = [(name.name.to_string(), name.default.into()), (name.name.to_string(), name.default.into())];
        assert!(entry.build(&twice).unwrap_err().to_string().contains("it is given twice"));
    }
    let error = clarke::optim::method("heavy_ball", &[]).unwrap_err().to_string();
    assert!(error.contains("heavy-ball"), "{error}");
}

#[test]
fn a_guarantee_is_a_statement_or_names_what_is_missing() {
    let levels = [Level::PiecewiseLinear, Level::Semialgebraic, Level::Definable, Level::Unknown];
    for entry in METHODS {
        for level in levels {
            for convexity in [Convexity::Unknown, Convexity::Convex] {
                let guarantee = built(entry).guarantee(Facts { level, convexity, terms: 4, parts: None });
                assert_eq!(guarantee.violated.is_empty(), !guarantee.text.starts_with("none ("), "{}", entry.name);
                assert!(
                    guarantee.violated.iter().all(|v| v.contains([':', ';'])),
                    "{guarantee:?}: what to do is missing"
                );
                let known = level != Level::Unknown || convexity == Convexity::Convex;
                assert!(known || !guarantee.violated.is_empty(), "{}: nothing is known of wild functions", entry.name);
            }
        }
    }
}
