//! The two sets at a point against what is known of them.

use clarke::{Checked, Known, SetOptions, Tensor, Verdict, parse};

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

#[test]
fn verdicts_and_their_certificates() {
    use clarke::{Checked, Verdict};
    let judged = |text: &str, x: Tensor| {
        let f = parse(text, &[("x", x.shape())]).unwrap();
        let judged = f.at(&[x]).unwrap().judge(&SetOptions::default()).unwrap();
        let checked = judged.certificate.as_ref().map(|c| c.check(&f).unwrap());
        (judged.verdict, judged.descent.map(|d| d.bound), checked)
    };
    let zero = || Tensor::scalar(0.0);
    assert_eq!(judged("abs(x)", Tensor::scalar(1.0)), (Verdict::Smooth, Some(-1.0), Some(Checked::Verified)));
    assert_eq!(judged("abs(x)", zero()), (Verdict::ClarkeCritical, None, Some(Checked::Verified)));
    assert_eq!(judged("-abs(x)", zero()), (Verdict::ClarkeCritical, None, Some(Checked::Verified)));
    assert_eq!(judged("relu(-x) + x - relu(x)", zero()), (Verdict::ClarkeCritical, None, Some(Checked::Verified)));
    assert_eq!(
        judged("x - (relu(-x) + x - relu(x))", zero()),
        (Verdict::SpuriousCritical, Some(-1.0), Some(Checked::Verified))
    );
    assert_eq!(judged("3*relu(x) + x", zero()), (Verdict::NotCritical, Some(-1.0), Some(Checked::Verified)));
    let (verdict, bound, checked) = judged("norm2(x) + 2*x[0]", Tensor::full(&[2], 0.0));
    assert_eq!(verdict, Verdict::NotCritical);
    assert!((bound.unwrap() + 1.0).abs() < 1e-9);
    assert!(matches!(checked, Some(Checked::Unverified(_))), "{checked:?}");
    // A certificate of something else does not pass.
    let f = parse("x - (relu(-x) + x - relu(x))", &[("x", &[])]).unwrap();
    let mut forged = f.at(&[zero()]).unwrap().judge(&SetOptions::default()).unwrap().certificate.unwrap();
    forged.verdict = Verdict::ClarkeCritical;
    assert!(matches!(forged.check(&f).unwrap(), Checked::Refuted(_)));
    forged.verdict = Verdict::SpuriousCritical;
    forged.descent.as_mut().unwrap().1 = -1.5;
    assert!(matches!(forged.check(&f).unwrap(), Checked::Refuted(_)));
}

#[test]
fn at_the_heavy_tie_a_signature_tells_patterns_apart() {
    let f = parse("relu(x) + max(y) + norm2(y)", &[("x", &[]), ("y", &[2])]).unwrap();
    let signature = |x: f64, y: [f64; 2]| f.at(&[x.into(), y.into()]).unwrap().signature().unwrap();
    assert_eq!(signature(1.0, [1.0, 2.0]), signature(3.0, [0.5, 7.0]));
    let all = [
        (1.0, [1.0, 2.0]),
        (-1.0, [1.0, 2.0]),
        (0.0, [1.0, 2.0]),
        (1.0, [2.0, 1.0]),
        (1.0, [1.0, 1.0]),
        (1.0, [0.0, 0.0]),
    ];
    let mut seen: Vec<u64> = all.iter().map(|(x, y)| signature(*x, *y)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all.len());
}

#[test]
fn conditions_lower_what_is_claimed() {
    let at = |text: &str, x: f64| {
        let f = parse(text, &[("x", &[])]).unwrap();
        f.at(&[x.into()]).unwrap()
    };
    let known = |text: &str, x: f64| {
        let at = at(text, x);
        let options = SetOptions::default();
        (at.conservative(&options).unwrap().known(), at.clarke(&options).unwrap().known())
    };
    // A maximum in disguise is proved continuous, and its sets are exact.
    assert_eq!(known("where(x > 0, x, -x)", 0.0), (Known::Exact, Known::Exact));
    // Values that agree at the point are not proved to agree on the whole boundary.
    assert_eq!(known("where(x**3 > 0, x, -x)", 0.0), (Known::Sampled, Known::Sampled));
    let verdict = at("where(x**3 > 0, x, -x)", 0.0).judge(&SetOptions::default()).unwrap();
    assert_eq!((verdict.verdict, verdict.certificate.is_some()), (clarke::Verdict::Undecided, false));
    // What the program holds constant itself has no derivative that means anything.
    assert_eq!(known("stop_gradient(x)*relu(x)", 0.0).0, Known::Sampled);
}

#[test]
fn a_tolerance_enlarges_both_sets_and_says_so() {
    let f = parse("abs(x) + relu(x - 1e-9)", &[("x", &[])]).unwrap();
    let at = f.at(&[1e-9.into()]).unwrap();
    let options = SetOptions { tolerance: 1e-8, ..SetOptions::default() };
    let mut enlarged = at.conservative(&options).unwrap();
    assert!(enlarged.hypothesis().unwrap().contains("1e-8") || enlarged.hypothesis().unwrap().contains("0.00000001"));
    let (low, high) = enlarged.bounds();
    assert_eq!((low[0].item(), high[0].item()), (-1.0, 2.0));
    let (low, high) = at.conservative(&SetOptions::default()).unwrap().bounds();
    assert_eq!((low[0].item(), high[0].item()), (1.0, 2.0));
    assert_eq!(at.judge(&options).unwrap().verdict, clarke::Verdict::ClarkeCritical);
    assert_eq!(at.judge(&SetOptions::default()).unwrap().verdict, clarke::Verdict::NotCritical);
    // Bad tolerances are errors.
    let wrong = SetOptions { tolerance: f64::NAN, ..options };
    assert!(at.conservative(&wrong).unwrap_err().to_string().contains("tolerance"));
}

/// 98 products of ties, whose choices are far too many to be tried: 0 lies between the gradients along a direction and along
/// its opposite, each a limiting one.
#[test]
fn a_minimum_with_very_many_choices_is_critical_by_directions() {
    let text = "a = abs(x[:-1]); b = abs(x[1:]); sum(pow(a, b**2 + 1) + pow(b, a**2 + 1))";
    let f = clarke::parse(text, &[("x", &[50])]).unwrap();
    let at = f.at(&[Tensor::full(&[50], 0.0)]).unwrap();
    let judged = at.judge(&SetOptions::default()).unwrap();
    assert_eq!(judged.verdict, Verdict::ClarkeCritical);
    let certificate = judged.certificate.unwrap();
    assert!(certificate.combination.iter().all(|term| term.witness.direction.is_some()));
    assert_eq!(certificate.check(&f).unwrap(), Checked::Verified);
}
