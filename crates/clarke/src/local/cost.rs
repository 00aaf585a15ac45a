//! What sets cost, counted in entries computed, and that budgets hold.

use super::{Known, Policy, SetOptions, Verdict};
use crate::error::Result;
use crate::op::OPS;
use crate::program::{Program, Registry};
use crate::run::COMPUTED;
use crate::tensor::Tensor;

fn parse(text: &str, inputs: &[(&str, &[usize])]) -> Result<Program> {
    crate::text::parse(&Registry::new(OPS.iter().cloned()), text, inputs)
}

fn computed<R>(f: impl FnOnce() -> R) -> (R, usize) {
    let before = COMPUTED.get();
    let result = f();
    (result, COMPUTED.get() - before)
}

fn lad(n: usize, m: usize) -> (Program, Vec<Tensor>) {
    let f = parse("mean(abs(X @ w - y)) + 0.1*norm1(w)", &[("X", &[n, m]), ("w", &[m]), ("y", &[n])]).unwrap();
    let x = Tensor::from_fn(&[n, m], |k| ((k * 7919 + 13) % 101) as f64 / 50.0 - 1.0);
    (f.varying(&["w"]).unwrap(), vec![x, Tensor::full(&[m], 0.0), Tensor::full(&[n], 0.0)])
}

/// Kakade, Lee 2018: an element of Clarke's subdifferential for at most six values of the program.
#[test]
fn an_element_of_clarkes_set_costs_at_most_six_values() {
    let networks = "h = relu(x @ A)\ng = relu(h @ B)\nmean((g @ c)**2)";
    let inputs: &[(&str, &[usize])] = &[("x", &[500, 20]), ("A", &[20, 64]), ("B", &[64, 64]), ("c", &[64])];
    let network = parse(networks, inputs).unwrap().holding(&["x"]).unwrap();
    let zeros = |f: &Program| f.inputs().iter().map(|i| Tensor::full(&i.shape, 0.0)).collect::<Vec<_>>();
    let chain = parse("sum(relu(sin(x)*maximum(x, 0.5*x) - abs(x)*exp(x)))", &[("x", &[100_000])]).unwrap();
    let sorted = parse("sum(sort(abs(x))[:50000])", &[("x", &[100_000])]).unwrap();
    let (absolute, point) = lad(100_000, 3);
    // The count takes a product of matrices, a sort or an exponential for no more than a negation of as many entries, so that
    // it is above the cost of a program that has them.
    for (f, point, most) in [
        (&absolute, point, 6.0),
        (&chain, zeros(&chain), 7.0),
        (&network, zeros(&network), 7.0),
        (&sorted, vec![Tensor::from_fn(&[100_000], |k| (k % 1000) as f64)], 8.0),
    ] {
        let (_, value) = computed(|| f.eval(&point).unwrap());
        let (_, element) = computed(|| f.at(&point).unwrap().clarke_element(1).unwrap());
        let ratio = element as f64 / value as f64;
        println!("{ratio:.2} values: {f}");
        assert!(ratio <= most, "{ratio} values of {f}");
    }
}

/// Ten thousand kinks in one layer are a zonotope: exact, by least squares over the cube.
#[test]
fn ten_thousand_ties_of_one_layer_are_exact() {
    let (f, point) = lad(10_000, 20);
    let at = f.at(&point).unwrap();
    let mut set = at.conservative(&SetOptions::default()).unwrap();
    assert_eq!((set.known(), set.vertices()), (Known::Exact, None));
    let least = set.min_norm();
    assert!(least.distance <= 1e-9 * least.scale, "{}", least.distance);
    let d = Tensor::from_fn(&[20], |k| k as f64 - 9.5);
    let support = set.support(&[d]).unwrap();
    assert!(support.value == support.upper && support.value > 0.0);
    assert_eq!(at.judge(&SetOptions::default()).unwrap().verdict, Verdict::ClarkeCritical);
}

/// Programs whose sets are out of reach: bounds, and no hang.
#[test]
fn budgets_end_every_question() {
    let nested = |layers: usize| {
        let mut text = "h0 = x\n".to_string();
        (0..layers).for_each(|k| text += &format!("h{} = relu(A @ h{k}) - relu(B @ h{k})\n", k + 1));
        let f = parse(&(text + &format!("norm1(h{layers})")), &[("A", &[6, 6]), ("B", &[6, 6]), ("x", &[6])]).unwrap();
        f.varying(&["x"]).unwrap()
    };
    let matrix = |seed: usize| Tensor::from_fn(&[6, 6], |k| ((k * 31 + seed * 17) % 7) as f64 - 3.0);
    let f = nested(6);
    let at = f.at(&[matrix(1), matrix(2), Tensor::full(&[6], 0.0)]).unwrap();
    let options = SetOptions { vertices: 200, evaluations: 5000, ..SetOptions::default() };
    let mut set = at.conservative(&options).unwrap();
    assert_eq!((set.known(), set.vertices()), (Known::Outer, None));
    let (low, high) = set.bounds();
    let d = Tensor::full(&[6], 1.0);
    let support = set.support(&[d]).unwrap();
    assert!(support.value <= support.upper);
    for policy in [Policy::min_norm(), Policy::pytorch(), Policy::Random(1), Policy::Random(2)] {
        let g = at.gradient(&policy).unwrap().remove(0);
        for i in 0..6 {
            assert!(low[0].data()[i] <= g.data()[i] && g.data()[i] <= high[0].data()[i]);
        }
        assert!(g.data().iter().sum::<f64>() <= support.upper);
    }
    let judged = at.judge(&options).unwrap();
    assert!(matches!(judged.verdict, Verdict::Undecided | Verdict::ClarkeCritical), "{}", judged.verdict);

    let sort = parse("sum(sort(x)[:6]) - norm2(x)", &[("x", &[12])]).unwrap();
    let set = sort.at(&[Tensor::full(&[12], 0.0)]).unwrap().conservative(&options).unwrap();
    assert_ne!(set.known(), Known::Exact);
}

/// Prints what bounds by intervals and elements of Clarke's set cost beside a slow gradient and a slow value, in seconds;
/// times are no laws.
#[test]
#[ignore = "prints times"]
fn what_bounds_and_elements_cost() {
    let timed = |f: &mut dyn FnMut()| {
        let mut all: Vec<f64> = (0..5)
            .map(|_| {
                let start = std::time::Instant::now();
                f();
                start.elapsed().as_secs_f64()
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all[2]
    };
    let inputs: &[(&str, &[usize])] = &[("x", &[500, 20]), ("A", &[20, 64]), ("B", &[64, 64]), ("c", &[64])];
    let text = "h = relu(x @ A)\ng = relu(h @ B)\nmean((g @ c - 1)**2)";
    let network = parse(text, inputs).unwrap().holding(&["x"]).unwrap();
    let grid = |shape: &[usize]| Tensor::from_fn(shape, |k| ((k * 7919 + 13) % 7) as f64 - 3.0);
    let at_grid = network.inputs().iter().map(|i| grid(&i.shape)).collect::<Vec<_>>();
    let chain = parse("sum(relu(sin(x)*maximum(x, 0.5*x) - abs(x)*exp(x)))", &[("x", &[100_000])]).unwrap();
    let (absolute, point) = lad(100_000, 3);
    let options = SetOptions { vertices: 16, ..SetOptions::default() };
    for (name, f, point) in
        [("lad", &absolute, point), ("network", &network, at_grid), ("chain", &chain, vec![grid(&[100_000])])]
    {
        let value = timed(&mut || _ = f.eval(&point).unwrap());
        let at = f.at(&point).unwrap();
        let gradient = timed(&mut || _ = at.gradient(&Policy::min_norm()).unwrap());
        let element = timed(&mut || _ = f.at(&point).unwrap().clarke_element(1).unwrap());
        let residual = super::residual::Residual::new(&f.gradient().unwrap(), &point, 0.0).unwrap();
        let image = super::image::Image::new(residual, options);
        let bounds = timed(&mut || _ = image.interval_bounds());
        let ties = image.residual.faces().len();
        println!(
            "{name}: {ties} faces, value {value:.2e}, gradient {gradient:.2e}, element {:.2} values, bounds {:.2} gradients",
            element / value,
            bounds / gradient
        );
    }
}
