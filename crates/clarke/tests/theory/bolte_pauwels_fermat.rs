//! Bolte, Pauwels 2021, Fermat's rule: at a local minimum 0 ∈ conv D(x), for Clarke's set as well (Clarke 1990,
//! Proposition 2.3.2).

use super::read;
use clarke::{SetOptions, Tensor, Verdict};

/// Functions with a known minimum.
fn minima() -> Vec<(&'static str, Vec<(&'static str, Tensor)>)> {
    let vector = |v: &[f64]| Tensor::vector(v.to_vec());
    vec![
        ("abs(x) + 0.5*abs(x - 1)", vec![("x", 0.0.into())]),
        // The median minimizes the mean absolute deviation.
        ("mean(abs(w - [1, 2, 4, 7, 11]))", vec![("w", 4.0.into())]),
        ("norm2(x)", vec![("x", vector(&[0.0, 0.0, 0.0]))]),
        ("max(x*x) - sum(x)*0", vec![("x", vector(&[0.0, 0.0]))]),
        // CB2 (Charalambous, Bandler 1976): minimum 1.9522245.
        (
            "max(x[0]**2 + x[1]**4, (2 - x[0])**2 + (2 - x[1])**2, 2*exp(x[1] - x[0]))",
            vec![("x", vector(&[1.139037651, 0.899559946]))],
        ),
        // CB3: minimum 2 at (1, 1), where all three pieces tie exactly.
        ("max(x[0]**4 + x[1]**2, (2 - x[0])**2 + (2 - x[1])**2, 2*exp(x[1] - x[0]))", vec![("x", vector(&[1.0, 1.0]))]),
        // QL: minimum 7.2 at (1.2, 2.4).
        ("norminf(x) + abs(x[0] - x[1])", vec![("x", vector(&[0.0, 0.0]))]),
        ("eigvalsh_max(reshape(stack([x, y, y, -x]), (2, 2)))", vec![("x", 0.0.into()), ("y", 0.0.into())]),
        ("nuclear_norm(reshape(x, (2, 2)))", vec![("x", vector(&[0.0; 4]))]),
        ("relu(x)**2 + relu(-x)*relu(-x)", vec![("x", 0.0.into())]),
    ]
}

#[test]
fn minima_are_critical_for_both_sets() {
    for (text, at) in minima() {
        let inputs: Vec<(&str, &[usize])> = at.iter().map(|(n, x)| (*n, x.shape())).collect();
        let point: Vec<Tensor> = at.iter().map(|(_, x)| x.clone()).collect();
        let f = read(&text, &inputs);
        // Of a minimum known to ten digits only the ties within 1e-8 are exact.
        let tolerance = if text.contains("**4, (2") && !text.contains("**4 + x[1]**2") { 1e-7 } else { 0.0 };
        let options = SetOptions { tolerance, ..SetOptions::default() };
        let judged = f.at(&point).unwrap().judge(&options).unwrap();
        if tolerance > 0.0 {
            assert!(judged.conservative_min.distance < 1e-6, "{text}: {}", judged.conservative_min.distance);
        } else {
            assert_eq!(judged.verdict, Verdict::ClarkeCritical, "{text}: {judged:?}");
        }
    }
}

/// 0 in Clarke's set proves nothing on its own: −|x| has a maximum there.
#[test]
fn the_converse_fails() {
    let f = read("-abs(x)", &[("x", &[])]);
    let at = f.at(&[0.0.into()]).unwrap();
    assert_eq!(at.judge(&SetOptions::default()).unwrap().verdict, Verdict::ClarkeCritical);
    assert_eq!(at.directional(&[1.0.into()]).unwrap(), -1.0);
    assert_eq!(at.generalized(&[1.0.into()], &SetOptions::default()).unwrap().upper, 1.0);
}
