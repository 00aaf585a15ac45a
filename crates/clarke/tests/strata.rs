//! Branch patterns, kinks along lines, and outlines of sets in the plane.

use clarke::{SetOptions, Tensor, parse};
use proptest::prelude::*;

/// Σ |x − aᵢ| has its kinks at the aᵢ; with weights Σ |wᵢ x − bᵢ| near bᵢ/wᵢ.
fn kinked(terms: &[(f64, f64)]) -> clarke::Program {
    let text: Vec<String> = terms.iter().map(|(w, b)| format!("abs({w:?} * x - {b:?})")).collect();
    parse(&text.join(" + ").replace("- -", "+ "), &[("x", &[])]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// All kinks that are further apart than the samples are found, each to the last bit: met exactly, or with the
    /// tolerance that meets it.
    #[test]
    fn kinks_are_found_to_the_last_bit(
        at in prop::collection::btree_set(-40i32..40, 1..6),
        weight in prop::collection::vec(0.5f64..3.0, 6),
    ) {
        // Between the multiples of 1/2 that the kinks are near, there are many samples.
        let terms: Vec<(f64, f64)> =
            std::iter::zip(&at, &weight).map(|(k, w)| (*w, w * (f64::from(*k) / 2.0 + 0.1))).collect();
        let f = kinked(&terms);
        let (zero, one) = ([Tensor::scalar(0.0)], [Tensor::scalar(1.0)]);
        let kinks = f.strata().unwrap().kinks(&zero, &one, (-21.0, 21.0), 997, 0.0).unwrap();
        prop_assert_eq!(kinks.len(), terms.len());
        for (kink, (w, b)) in std::iter::zip(&kinks, &terms) {
            prop_assert!((kink.at - b / w).abs() <= 4.0 * f64::EPSILON * (b / w).abs(), "{} for {}", kink.at, b / w);
            let here = f.at(&[Tensor::scalar(kink.at)]).unwrap();
            prop_assert_eq!(here.ties(kink.tolerance).unwrap().len(), 1);
            let options = SetOptions { tolerance: kink.tolerance, ..SetOptions::default() };
            prop_assert_eq!(here.clarke(&options).unwrap().vertices().map(|v| v.len()), Some(2));
        }
    }

    /// Points have the same signature if and only if the same pieces are active there.
    #[test]
    fn signatures_tell_the_pieces(x in -3i32..=3, y in -3i32..=3, u in -3i32..=3, v in -3i32..=3) {
        let f = parse("abs(x) + maximum(x, y)", &[("x", &[]), ("y", &[])]).unwrap();
        let strata = f.strata().unwrap();
        let signature = |x: i32, y: i32| {
            let point = [Tensor::scalar(x.into()), Tensor::scalar(y.into())];
            let own = strata.signature(&point).unwrap();
            assert_eq!(own, Some(f.at(&point).unwrap().signature().unwrap()));
            own
        };
        let pieces = |x: i32, y: i32| (x.signum(), (x - y).signum());
        prop_assert_eq!(signature(x, y) == signature(u, v), pieces(x, y) == pieces(u, v));
    }
}

#[test]
fn a_value_that_is_not_finite_has_no_signature() {
    let strata = parse("log(x) + abs(x)", &[("x", &[])]).unwrap().strata().unwrap();
    assert_eq!(strata.signature(&[Tensor::scalar(-1.0)]).unwrap(), None);
    assert!(strata.signature(&[Tensor::vector([1.0, 2.0])]).is_err());
    let (zero, one) = ([Tensor::scalar(0.0)], [Tensor::scalar(1.0)]);
    assert!(strata.kinks(&zero, &one, (-1.0, 1.0), 64, 0.5).unwrap().is_empty());
}

#[test]
fn outlines_go_around_counterclockwise() {
    let at = [Tensor::scalar(0.0), Tensor::scalar(0.0)];
    let outline = |text: &str| {
        let here = parse(text, &[("x", &[]), ("y", &[])]).unwrap().at(&at).unwrap();
        here.conservative(&SetOptions::default()).unwrap().outline(360).unwrap()
    };
    let area = |corners: &[[f64; 2]]| {
        let pairs = corners.iter().zip(corners.iter().cycle().skip(1));
        pairs.map(|(a, b)| (a[0] * b[1] - b[0] * a[1]) / 2.0).sum::<f64>()
    };
    assert_eq!(outline("2*x - y"), [[2.0, -1.0]]);
    assert_eq!(outline("abs(x)").len(), 2);
    let hexagon = outline("abs(x + y) - abs(x) - abs(y)");
    assert_eq!((hexagon.len(), area(&hexagon)), (6, 12.0));
    let disc = area(&outline("hypot(x, y)"));
    assert!(disc < std::f64::consts::PI && disc > 3.13, "{disc}");
    let f = parse("abs(x)", &[("x", &[])]).unwrap();
    assert!(f.at(&at[..1]).unwrap().clarke(&SetOptions::default()).unwrap().outline(8).is_err());
}
