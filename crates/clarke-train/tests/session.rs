//! Training goes on from what was saved with the same bits, and ends when it should.

use clarke::optim::{AnyMethod, Setting, Status, entry};
use clarke::{Policy, Samples};
use clarke_train::{Data, End, Epoch, Loss, Model, Network, Pause, Problem, Session, Settings, Trained};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicBool, Ordering};

const BATCH: usize = 8;

/// Points in the square, of class 1 inside of the circle.
fn disc(n: usize, seed: u64) -> Data {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let x: Vec<f64> = (0..2 * n).map(|_| random.random_range(-1.0..1.0)).collect();
    let y: Vec<f64> = x.chunks(2).map(|p| (p[0] * p[0] + p[1] * p[1] < 0.5) as u8 as f64).collect();
    Data { x: Samples::new(&[n, 2], x).unwrap(), y: Samples::new(&[n], y).unwrap() }
}

fn problem(model: &str, loss: Loss) -> Problem {
    let (training, rest) = disc(150, 1).split(&[50], Some(3)).unwrap();
    let model = Model::Network(Network::read(model).unwrap());
    let standardize = Some(training.standardization());
    Problem { model, loss, standardize, training, validation: rest.into_iter().next(), policy: Policy::default() }
}

fn method(name: &str) -> AnyMethod {
    let options: Vec<(String, Setting)> = vec![("batch".into(), (BATCH as u64).into()), ("step".into(), 0.02.into())];
    entry(name).unwrap().build(&options).unwrap()
}

fn settings(patience: Option<u64>) -> Settings {
    Settings { named: vec![("model".into(), "mlp:2-8-2".into())], patience, seed: 5 }
}

/// Trains to the end; after so many steps what is saved is loaded by a new session, again and again.
fn train(
    problem: &Problem,
    method: &AnyMethod,
    patience: Option<u64>,
    epochs: u64,
    every: Option<u64>,
) -> (Trained, End) {
    let mut session = Session::start(problem, method, settings(patience), BATCH).unwrap();
    loop {
        let (flag, mut made) = (AtomicBool::new(false), 0);
        let mut watch = |_: clarke::optim::Event<'_>| {
            made += 1;
            flag.store(every.is_some_and(|every| made >= every), Ordering::Relaxed);
        };
        match session.advance(epochs, &flag, &mut watch).unwrap() {
            Pause::Epoch => {}
            Pause::Interrupted => {
                let bytes = session.save();
                session = Session::resume(problem, method, settings(patience), BATCH, &bytes).unwrap();
            }
            Pause::Ended(end) => return (session.finish(), end),
        }
    }
}

#[test]
fn training_goes_on_with_the_same_bits() {
    let problem = problem("mlp:2-8-2", Loss::Logistic);
    for name in ["adam", "stochastic", "inna"] {
        let method = method(name);
        let (whole, end) = train(&problem, &method, None, 4, None);
        assert_eq!(end, End::Epochs);
        assert_eq!(whole.epochs.len(), 4);
        assert_eq!(whole.outcome.steps, 4 * 13, "100 samples in batches of 8");
        for every in [1, 5, 13, 17] {
            assert_eq!(train(&problem, &method, None, 4, Some(every)).0, whole, "{name}, saved every {every} steps");
        }
    }
}

#[test]
fn a_network_learns_a_disc_and_a_linear_model_does_not() {
    let accuracy = |model: &str, loss| {
        let problem = problem(model, loss);
        let (trained, _) = train(&problem, &method("adam"), None, 150, None);
        let kept = trained.epochs[trained.epoch as usize - 1].validation.unwrap();
        let least = trained.epochs.iter().map(|e| e.validation.unwrap().loss).fold(f64::INFINITY, f64::min);
        assert_eq!(kept.loss, least, "the weights kept are those of the least validation loss");
        kept.metric
    };
    for loss in [Loss::Logistic, Loss::Hinge] {
        assert!(accuracy("mlp:2-16-2", loss) >= 0.9, "{loss}");
        assert!(accuracy("mlp:2-16-1", loss) >= 0.9, "{loss}, one output");
        assert!(accuracy("mlp:2-2", loss) < 0.8, "{loss}, linear");
    }
}

#[test]
fn it_ends_early_where_nothing_improves() {
    let problem = problem("mlp:2-8-2", Loss::Logistic);
    let wild =
        entry("stochastic").unwrap().build(&[("batch".into(), 8u64.into()), ("step".into(), 30.0.into())]).unwrap();
    let (trained, end) = train(&problem, &wild, Some(3), 500, None);
    assert_eq!(end, End::Early);
    assert_eq!(trained.epochs.len() as u64, trained.epoch + 3);
    assert_eq!(train(&problem, &wild, Some(3), 500, Some(7)).0, trained);
}

#[test]
fn divergence_is_an_end_that_keeps_the_best_epoch() {
    let problem = problem("mlp:2-8-2", Loss::Squared);
    let wild =
        entry("stochastic").unwrap().build(&[("batch".into(), 8u64.into()), ("step".into(), "1e3".into())]).unwrap();
    let (trained, end) = train(&problem, &wild, None, 50, None);
    assert_eq!(end, End::Method(Status::Failed));
    assert!(trained.outcome.failure.is_some());
    assert!(trained.weights.iter().all(|w| w.is_finite()));
}

#[test]
fn a_wrong_checkpoint_is_refused_with_what_is_wrong() {
    let (problem, adam) = (problem("mlp:2-8-2", Loss::Logistic), method("adam"));
    let mut session = Session::start(&problem, &adam, settings(None), BATCH).unwrap();
    session.advance(1, &AtomicBool::new(false), &mut |_| {}).unwrap();
    let bytes = session.save();
    let refused = |method: &AnyMethod, settings, bytes: &[u8]| {
        Session::resume(&problem, method, settings, BATCH, bytes).err().expect("a refusal").to_string()
    };
    for length in [0, 5, 20, 21, 100, bytes.len() - 1] {
        let said = refused(&adam, settings(None), &bytes[..length]);
        assert!(said.contains("it is no checkpoint") || said.contains("it is damaged"), "{length}: {said}");
    }
    for at in [25, bytes.len() / 2, bytes.len() - 9] {
        let mut other = bytes.clone();
        other[at] ^= 4;
        assert!(refused(&adam, settings(None), &other).contains("it is damaged"), "{at}");
    }
    let said = refused(&adam, Settings { seed: 6, ..settings(None) }, &bytes);
    assert!(said.contains("it is of another run: the seed is 5 there, and 6 here"), "{said}");
    let said = refused(&adam, settings(Some(4)), &bytes);
    assert!(said.contains("patience is none there, and 4 here"), "{said}");
}

#[test]
fn a_split_has_every_sample_once() {
    let data = disc(97, 2);
    for seed in [None, Some(0), Some(9)] {
        let (rest, parts) = data.split(&[10, 20], seed).unwrap();
        assert_eq!((rest.count(), parts[0].count(), parts[1].count()), (67, 10, 20));
        let mut all = vec![];
        for part in [&rest, &parts[0], &parts[1]] {
            let mut x = vec![];
            part.x.write(&(0..part.count()).collect::<Vec<_>>(), &mut x);
            all.extend(x.chunks(2).zip(part.targets()).map(|(p, y)| (p[0].to_bits(), p[1].to_bits(), y as u64)));
        }
        let mut whole = vec![];
        data.x.write(&(0..97).collect::<Vec<_>>(), &mut whole);
        let mut whole: Vec<_> =
            whole.chunks(2).zip(data.targets()).map(|(p, y)| (p[0].to_bits(), p[1].to_bits(), y as u64)).collect();
        all.sort_unstable();
        whole.sort_unstable();
        assert_eq!(all, whole);
    }
    assert!(data.split(&[97], None).unwrap_err().to_string().contains("some must be left"));
    assert_ne!(data.fingerprint(), disc(97, 3).fingerprint());
}

#[test]
fn scores_are_means_over_the_samples() {
    let problem = problem("mlp:2-2", Loss::Hinge);
    let method = method("adam");
    let mut session = Session::start(&problem, &method, settings(None), BATCH).unwrap();
    session.advance(1, &AtomicBool::new(false), &mut |_| {}).unwrap();
    let Epoch { objective, .. } = session.epochs()[0].clone();
    let trained = session.finish();
    let data = problem.training.clone();
    let scores = clarke_train::Scorer::new(&problem).scores(&data, &trained.outcome.last).unwrap();
    assert!((scores.loss - objective).abs() <= 1e-12 * objective, "{} {objective}", scores.loss);
}
