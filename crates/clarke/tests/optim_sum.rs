//! A finite sum is the sum written out, however it is cut, and what methods do with it repeats bit for bit.

mod common;

use clarke::optim::{Batches, Oracle, Order, Run, method, minimize};
use clarke::{Evaluator, FiniteSum, Policy, Program, Samples, Tensor};
use common::{Draw, close};
use std::sync::atomic::AtomicBool;

/// Losses of one sample: variables w and b, sample x and y, and c, which all share.
const LOSSES: &[&str] = &[
    "abs(w @ x + b - y) + c * norm1(w)",
    "relu(1 - y * (w @ x + b))",
    "logaddexp(0, -y * (w @ x + b)) + c * b**2",
    "max(relu(x * w + b)) * y + norm2(w)",
    "where(y > 0, relu(y * (w @ x)), abs(b * y))",
];

const D: usize = 3;

fn loss(text: &str) -> Program {
    let inputs: &[(&str, &[usize])] = &[("x", &[D]), ("w", &[D]), ("y", &[]), ("b", &[]), ("c", &[])];
    clarke::parse(text, inputs).unwrap().varying(&["w", "b"]).unwrap()
}

/// Grid points, so that ties are frequent.
fn data(n: usize) -> (Tensor, Tensor) {
    let mut draw = Draw::new(n as u64);
    (draw.grid(&[n, D], (-1.0, 1.0)), draw.grid(&[n], (-1.0, 1.0)))
}

fn sum(text: &str, n: usize, policy: Policy) -> FiniteSum {
    let (x, y) = data(n);
    let samples = [("y", y.try_into().unwrap()), ("x", x.try_into().unwrap())];
    FiniteSum::new(&loss(text), &samples, &[("c", 0.25.into())], policy).unwrap()
}

/// Value and gradient of each sample's loss, one at a time.
fn single(text: &str, n: usize, policy: &Policy, at: &[f64]) -> Vec<(f64, Vec<f64>)> {
    let (x, y) = data(n);
    let one = |i: usize| {
        let row = Tensor::vector(x.data()[i * D..(i + 1) * D].to_vec());
        let sample = [row, y.data()[i].into(), 0.25.into()];
        let mut gradient = vec![0.0; D + 1];
        let mut one = Evaluator::new(&loss(text), &sample, policy.clone()).unwrap();
        (one.value_and_gradient(at, &mut gradient).unwrap(), gradient)
    };
    (0..n).map(one).collect()
}

/// The mean over some of them.
fn mean(single: &[(f64, Vec<f64>)], of: &[usize]) -> (f64, Vec<f64>) {
    let part = 1.0 / of.len() as f64;
    let (mut value, mut gradient) = (0.0, vec![0.0; D + 1]);
    for &i in of {
        value += part * single[i].0;
        gradient.iter_mut().zip(&single[i].1).for_each(|(sum, g)| *sum += part * g);
    }
    (value, gradient)
}

fn check((value, gradient): (f64, &[f64]), expected: (f64, Vec<f64>), what: &str) {
    assert!(close(&[value], &[expected.0], 1e-13), "{what}: {value} {}", expected.0);
    assert!(close(gradient, &expected.1, 1e-13), "{what}: {gradient:?} {:?}", expected.1);
}

/// Groups of 64 blocks go to threads, and are added in order: five of them, the last one short.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let at = [0.3, -0.7, 0.1, 0.25];
    for text in LOSSES {
        let bits = |threads: usize| -> Vec<u64> {
            let mut sum = sum(text, 2 * 64 * 4 + 33, Policy::default()).with_block(2).with_threads(threads);
            let mut gradient = vec![0.0; D + 1];
            let value = sum.value_and_gradient(&at, &mut gradient).unwrap();
            let alone = sum.value(&at).unwrap();
            [value, alone].iter().chain(&gradient).map(|x| x.to_bits()).collect()
        };
        for threads in [2, 3, 8] {
            assert_eq!(bits(threads), bits(1), "{text} on {threads} threads");
        }
    }
}

#[test]
fn it_is_the_sum_written_out() {
    let n = 23;
    let all: Vec<usize> = (0..n).collect();
    let batches: [&[usize]; 5] = [&[4], &[3, 4, 5, 6], &[20, 1, 1, 7, 22, 0], &[22, 21], &[5; 9]];
    for text in LOSSES {
        for policy in [Policy::default(), Policy::jax(), Policy::pytorch(), Policy::Step(0.25)] {
            let mut draw = Draw::new(9);
            let at = draw.grid(&[D + 1], (-1.0, 1.0)).into_data();
            let mut gradient = vec![0.0; D + 1];
            let single = single(text, n, &policy, &at);
            for block in [1, 4, 7, 23, 1000] {
                let mut sum = sum(text, n, policy.clone()).with_block(block);
                let value = sum.value_and_gradient(&at, &mut gradient).unwrap();
                let what = format!("{text}, {policy}, blocks of {block}");
                check((value, &gradient), mean(&single, &all), &what);
                assert!(close(&[sum.value(&at).unwrap()], &[value], 1e-14), "{what}");
                for batch in batches {
                    let value = sum.batch(batch, &at, &mut gradient).unwrap();
                    check((value, &gradient), mean(&single, batch), &format!("{what} {batch:?}"));
                }
            }
        }
    }
}

#[test]
fn a_random_policy_is_followed() {
    let (n, policy) = (5, Policy::Random(3));
    let mut sum = sum(LOSSES[1], n, policy.clone());
    let mut gradient = vec![0.0; D + 1];
    let at = [0.25, -0.75, 0.3, 0.1];
    let value = sum.value_and_gradient(&at, &mut gradient).unwrap();
    // Off ties it does not matter what is drawn.
    let single = single(LOSSES[1], n, &Policy::default(), &at);
    check((value, &gradient), mean(&single, &[0, 1, 2, 3, 4]), "random");
}

#[test]
fn a_loss_written_over_batches_is_the_same_sum() {
    let n = 11;
    let (x, y) = data(n);
    let samples: [(&str, Samples); 2] = [("X", x.try_into().unwrap()), ("y", y.try_into().unwrap())];
    let over = |size: usize| {
        let inputs: &[(&str, &[usize])] = &[("w", &[D]), ("b", &[]), ("X", &[size, D]), ("y", &[size])];
        clarke::parse("mean(abs(X @ w + b - y))", inputs)?.varying(&["w", "b"])
    };
    let mut batched = FiniteSum::of_batches(over, &samples, &[], Policy::default()).unwrap().with_block(4);
    let mut single = sum("abs(w @ x + b - y) + 0*c", n, Policy::default());
    let (at, mut g, mut h) = ([0.5, -0.5, 1.0, 0.25], [0.0; D + 1], [0.0; D + 1]);
    let (a, b) = (batched.value_and_gradient(&at, &mut g).unwrap(), single.value_and_gradient(&at, &mut h).unwrap());
    assert!(close(&[a], &[b], 1e-14) && close(&g, &h, 1e-14));
    assert_eq!(batched.split(&at)[0].data(), &at[..D]);
}

#[test]
fn batches_are_unbiased() {
    let n = 12;
    let mut sum = sum(LOSSES[0], n, Policy::default());
    let at = [0.25, -0.75, 0.3, 0.1];
    let (mut mean, mut whole, mut g) = (vec![0.0; D + 1], vec![0.0; D + 1], vec![0.0; D + 1]);
    sum.value_and_gradient(&at, &mut whole).unwrap();
    // Exactly: the mean over all single terms, and over a pass.
    for i in 0..n {
        sum.batch(&[i], &at, &mut g).unwrap();
        mean.iter_mut().zip(&g).for_each(|(m, g)| *m += g / n as f64);
    }
    assert!(close(&mean, &whole, 1e-14));
    for order in [Order::Uniform, Order::Distinct] {
        let mut sampler = Batches { size: 3, order, seed: 1 }.of(n);
        let (rounds, mut mean, mut square) = (20_000, vec![0.0; D + 1], vec![0.0; D + 1]);
        for _ in 0..rounds {
            sum.batch(sampler.draw(), &at, &mut g).unwrap();
            for ((m, s), g) in mean.iter_mut().zip(&mut square).zip(&g) {
                *m += g / f64::from(rounds);
                *s += g * g / f64::from(rounds);
            }
        }
        for ((m, s), w) in mean.iter().zip(&square).zip(&whole) {
            let deviation = ((s - m * m).max(0.0) / f64::from(rounds)).sqrt();
            assert!((m - w).abs() <= 5.0 * deviation, "{order}: {m} {w} ± {deviation}");
        }
    }
}

#[test]
fn training_repeats_bit_for_bit_and_finds_what_full_gradients_find() {
    let text = "abs(w @ x + b - y) + 0*c";
    let train = |name: &str, options: &[(&str, &str)]| {
        let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), (*v).into())).collect();
        let mut sum = sum(text, 200, Policy::default());
        let run = Run { steps: 3000, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
        minimize(&method(name, &options).unwrap(), &mut sum, &[0.5; D + 1], run).unwrap()
    };
    let whole = train("subgradient", &[]);
    for order in Order::NAMES {
        let options =
            [("order", *order), ("batch", "16"), ("step", "0.1/(k+1)^0.6"), ("average", "suffix"), ("seed", "3")];
        let outcome = train("stochastic", &options);
        assert_eq!(outcome, train("stochastic", &options));
        assert!(outcome.best_value < whole.best_value + 1e-2, "{order}: {} {}", outcome.best_value, whole.best_value);
    }
}

#[test]
fn numbers_may_be_held_elsewhere() {
    struct Mapped(Box<[f64]>);
    impl AsRef<[f64]> for Mapped {
        fn as_ref(&self) -> &[f64] {
            &self.0
        }
    }
    let samples = Samples::new(&[3], Mapped([1.0, 2.0, 6.0].into())).unwrap();
    assert_eq!((samples.count(), samples.shape()), (3, &[3][..]));
    let loss = clarke::parse("abs(w - y)", &[("w", &[]), ("y", &[])]).unwrap().varying(&["w"]).unwrap();
    let mut sum = FiniteSum::new(&loss, &[("y", samples)], &[], Policy::default()).unwrap();
    assert_eq!(sum.value(&[2.0]).unwrap(), 5.0 / 3.0);
    assert_eq!((sum.terms(), Oracle::dimension(&sum)), (3, 1));
}

#[test]
fn sparse_rows_and_ranges_are_the_same_samples() {
    let n = 300;
    let (x, y) = data(n + 7);
    let sparse = Samples::sparse(clarke::Csr::from_dense(&x).unwrap());
    let dense: Samples = x.try_into().unwrap();
    let y: Samples = y.try_into().unwrap();
    let of = |x: &Samples| {
        let samples = [("x", x.range(5..n + 5)), ("y", y.range(5..n + 5))];
        FiniteSum::new(&loss(LOSSES[0]), &samples, &[("c", 0.25.into())], Policy::default()).unwrap().with_block(64)
    };
    let (mut sparse, mut dense) = (of(&sparse), of(&dense));
    let (at, mut g, mut h) = ([0.5, -0.25, 0.0, 1.0], [0.0; D + 1], [0.0; D + 1]);
    assert_eq!(sparse.value(&at).unwrap(), dense.value(&at).unwrap());
    assert_eq!(sparse.value_and_gradient(&at, &mut g).unwrap(), dense.value_and_gradient(&at, &mut h).unwrap());
    assert_eq!(g, h);
    for batch in [vec![0], vec![3, 4, 5, 6], vec![299, 0, 17, 17]] {
        assert_eq!(sparse.batch(&batch, &at, &mut g).unwrap(), dense.batch(&batch, &at, &mut h).unwrap());
        assert_eq!(g, h);
    }
    // The range's first sample is the array's sixth.
    let mut rows = vec![];
    y.range(5..9).write(&[0], &mut rows);
    assert_eq!(rows, data(n + 7).1.data()[5..6]);
}

#[test]
fn a_sparse_number_that_is_not_finite_is_named_by_its_place() {
    let bad = clarke::Csr::from_entries(4, D, &[(0, 1, 1.0), (3, 2, f64::NAN)]).unwrap();
    let samples = [("x", Samples::sparse(bad).range(1..4)), ("y", Samples::new(&[3], vec![1.0; 3]).unwrap())];
    let error = FiniteSum::new(&loss(LOSSES[0]), &samples, &[("c", 0.25.into())], Policy::default()).err().unwrap();
    assert_eq!(error.to_string(), "input `x` holds NaN (element [2, 2]): every entry must be a finite number");
}

#[test]
fn mistakes_are_errors_that_name_the_input() {
    let refused = |text: &str, samples: &[(&str, Samples)], shared: &[(&str, Tensor)]| {
        let Err(error) = FiniteSum::new(&loss(text), samples, shared, Policy::default()) else { panic!("was taken") };
        error.to_string()
    };
    let (x, y) = data(4);
    let x: Samples = x.try_into().unwrap();
    let y: Samples = y.try_into().unwrap();
    let c = || [("c", Tensor::scalar(1.0))];
    let fine = [("x", x.clone()), ("y", y.clone())];
    assert!(FiniteSum::new(&loss(LOSSES[0]), &fine, &c(), Policy::default()).is_ok());
    let said = refused(LOSSES[0], &[], &c());
    assert!(said.contains("at least one input must differ"), "{said}");
    let said = refused(LOSSES[0], &fine, &[]);
    assert!(said.contains("the program takes 3 (x, y, c)"), "{said}");
    let said = refused(LOSSES[0], &[("x", x.clone()), ("z", y.clone())], &c());
    assert!(said.starts_with("unknown input `z`"), "{said}");
    let said = refused(LOSSES[0], &[("x", x.clone()), ("w", x.clone())], &c());
    assert!(said.starts_with("unknown input `w`"), "variables are no data: {said}");
    let short = Samples::new(&[3], vec![0.0; 3]).unwrap();
    let said = refused(LOSSES[0], &[("x", x.clone()), ("y", short)], &c());
    assert_eq!(said, "input `y` has shape [4], but was given [3]");
    let wide = Samples::new(&[4, 2], vec![0.0; 8]).unwrap();
    let said = refused(LOSSES[0], &[("x", wide), ("y", y.clone())], &c());
    assert_eq!(said, "input `x` has shape [4, 3], but was given [4, 2]");
    let holed = Samples::new(&[4], vec![0.0, 0.0, f64::NAN, 0.0]).unwrap();
    let said = refused(LOSSES[0], &[("x", x.clone()), ("y", holed)], &c());
    assert_eq!(said, "input `y` holds NaN (element [2]): every entry must be a finite number");
    let said = refused("w * x", &fine, &c());
    assert!(said.contains("a sum over samples needs a program with one scalar output"), "{said}");
    let none = Samples::new(&[0, 3], vec![]).unwrap();
    let said = refused(LOSSES[0], &[("x", none), ("y", Samples::new(&[0], vec![]).unwrap())], &c());
    assert!(said.contains("a mean needs at least one sample"), "{said}");
    assert!(Samples::new(&[2, 2], vec![0.0; 3]).is_err() && Samples::new(&[], vec![0.0]).is_err());
}

#[test]
fn what_is_not_finite_names_the_operator() {
    let loss = clarke::parse("log(w * x)", &[("w", &[]), ("x", &[])]).unwrap().varying(&["w"]).unwrap();
    let x = Samples::new(&[3], vec![1.0, 0.5, -1.0]).unwrap();
    let mut sum = FiniteSum::new(&loss, &[("x", x)], &[], Policy::default()).unwrap();
    let mut g = [0.0];
    let said = sum.value_and_gradient(&[1.0], &mut g).unwrap_err().to_string();
    assert!(said.starts_with("log gives NaN"), "{said}");
    assert!(sum.value(&[1.0]).is_err());
    assert!(sum.batch(&[0, 1], &[1.0], &mut g).is_ok());
}
