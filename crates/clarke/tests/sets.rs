//! The two sets at a point against what is known of them.

use clarke::{Known, SetOptions, Tensor, parse};

/// The extreme points of both sets of an expression at a point, sorted, with how each is known.
#[allow(clippy::type_complexity)]
fn sets(text: &str, at: &[(&str, Tensor)]) -> ((Known, Option<Vec<Vec<f64>>>), (Known, Option<Vec<Vec<f64>>>)) {
    let inputs: Vec<(&str, &[usize])> = at.iter().map(|(n, x)| (*n, x.shape())).collect();
    let f = parse(text, &inputs).unwrap();
    let point: Vec<Tensor> = at.iter().map(|(_, x)| x.clone()).collect();
    let here = f.at(&point).unwrap();
    let of = |set: clarke::SetAt| {
        let flat =
            |e: Vec<Tensor>| e.iter().flat_map(|t| t.data().to_vec()).map(|x| (x * 1e9).round() / 1e9 + 0.0).collect();
        let mut vertices: Option<Vec<Vec<f64>>> = set.vertices().map(|v| v.into_iter().map(flat).collect());
        if let Some(v) = &mut vertices {
            v.sort_by(|a, b| a.partial_cmp(b).unwrap());
        }
        (set.known(), vertices)
    };
    let options = SetOptions::default();
    (of(here.conservative(&options).unwrap()), of(here.clarke(&options).unwrap()))
}

fn expect(text: &str, at: &[(&str, Tensor)], conservative: &[&[f64]], clarke: &[&[f64]]) {
    let (d, c) = sets(text, at);
    let wanted = |all: &[&[f64]]| (Known::Exact, Some(all.iter().map(|v| v.to_vec()).collect::<Vec<_>>()));
    assert_eq!(d, wanted(conservative), "conservative: {text}");
    assert_eq!(c, wanted(clarke), "clarke: {text}");
}

#[test]
fn the_two_sets_of_small_programs() {
    let x = |v: f64| [("x", Tensor::scalar(v))];
    expect("abs(x)", &x(0.0), &[&[-1.0], &[1.0]], &[&[-1.0], &[1.0]]);
    expect("abs(x)", &x(1.5), &[&[1.0]], &[&[1.0]]);
    expect("relu(-x) + x - relu(x)", &x(0.0), &[&[-1.0], &[1.0]], &[&[0.0]]);
    expect("abs(x) - abs(x)", &x(0.0), &[&[-2.0], &[2.0]], &[&[0.0]]);
    expect("maximum(x, 0) + minimum(x, 0)", &x(0.0), &[&[0.0], &[2.0]], &[&[1.0]]);
    expect("relu(x) - relu(-x)", &x(0.0), &[&[0.0], &[2.0]], &[&[1.0]]);
    expect("x - (relu(-x) + x - relu(x))", &x(0.0), &[&[0.0], &[2.0]], &[&[1.0]]);
    expect("relu(x) * relu(x)", &x(0.0), &[&[0.0]], &[&[0.0]]);
    let xy = |a: f64, b: f64| [("x", Tensor::vector([a, b]))];
    expect(
        "max(minimum(x[0], -x[1]), x[1] - x[0])".replace("max(", "maximum(").as_str(),
        &xy(0.0, 0.0),
        &[&[-1.0, 1.0], &[0.0, -1.0], &[1.0, 0.0]],
        &[&[-1.0, 1.0], &[0.0, -1.0], &[1.0, 0.0]],
    );
    expect("relu(x[1]) - relu(-x[1])", &xy(0.0, 0.0), &[&[0.0, 0.0], &[0.0, 2.0]], &[&[0.0, 1.0]]);
    expect(
        "norm1(x)",
        &xy(0.0, 0.0),
        &[&[-1.0, -1.0], &[-1.0, 1.0], &[1.0, -1.0], &[1.0, 1.0]],
        &[&[-1.0, -1.0], &[-1.0, 1.0], &[1.0, -1.0], &[1.0, 1.0]],
    );
    expect(
        "norminf(x)",
        &xy(0.0, 0.0),
        &[&[-1.0, 0.0], &[0.0, -1.0], &[0.0, 1.0], &[1.0, 0.0]],
        &[&[-1.0, 0.0], &[0.0, -1.0], &[0.0, 1.0], &[1.0, 0.0]],
    );
}

#[test]
fn norm_infinity_at_zero_has_as_many_leaves_as_it_has_gradients() {
    let (d, c) = sets("norminf(x)", &[("x", Tensor::full(&[20], 0.0))]);
    assert_eq!((d.0, d.1.map(|v| v.len())), (Known::Exact, Some(40)));
    assert_eq!((c.0, c.1.map(|v| v.len())), (Known::Exact, Some(40)));
}

#[test]
fn balls_enter_by_their_support_function() {
    let f = parse("norm2(x) + x[0]", &[("x", &[3])]).unwrap();
    let at = f.at(&[Tensor::full(&[3], 0.0)]).unwrap();
    for mut set in [at.conservative(&SetOptions::default()).unwrap(), at.clarke(&SetOptions::default()).unwrap()] {
        assert_eq!((set.known(), set.vertices()), (Known::Exact, None));
        let (low, high) = set.bounds();
        assert_eq!((low[0].data(), high[0].data()), (&[0.0, -1.0, -1.0][..], &[2.0, 1.0, 1.0][..]));
        assert_eq!(set.critical(), Some(true));
        let d = Tensor::vector([0.0, 3.0, 4.0]);
        let support = set.support(&[d]).unwrap();
        assert!((support.value - 5.0).abs() < 1e-12 && (support.upper - 5.0).abs() < 1e-12);
    }
}

#[test]
fn a_large_sum_of_kinks_is_flat_and_regular() {
    let n = 2000;
    let f = parse("mean(abs(A @ x))", &[("A", &[n, 5]), ("x", &[5])]).unwrap().varying(&["x"]).unwrap();
    let a = Tensor::from_fn(&[n, 5], |k| ((k * 7919 + 13) % 101) as f64 / 50.0 - 1.0);
    let at = f.at(&[a, Tensor::full(&[5], 0.0)]).unwrap();
    for mut set in [at.conservative(&SetOptions::default()).unwrap(), at.clarke(&SetOptions::default()).unwrap()] {
        assert_eq!((set.known(), set.vertices()), (Known::Exact, None));
        assert_eq!(set.critical(), Some(true));
    }
}
