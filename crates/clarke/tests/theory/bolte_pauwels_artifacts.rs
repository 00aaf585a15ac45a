//! Bolte, Pauwels, "A mathematical model for automatic differentiation in machine learning", NeurIPS 2020: programs whose
//! backpropagation is none of the function's generalized derivatives; and the strict inclusion ∂(g − g) ⊊ ∂g − ∂g.

use super::{clarke, conservative, read, same, vertices};
use clarke::{Policy, Program, SetOptions, Verdict};

fn of_x(text: &str) -> Program {
    read(text, &[("x", &[])])
}

/// The gradient at 0 with relu'(0) = 0.
fn backprop(text: &str) -> f64 {
    of_x(text).at(&[0.0.into()]).unwrap().gradient(&Policy::Step(0.0)).unwrap()[0].item()
}

#[test]
fn one_function_has_as_many_gradients_as_formulas() {
    let relu2 = "(relu(-x) + x)";
    assert_eq!(backprop("relu(x)"), 0.0);
    assert_eq!(backprop(relu2), 1.0);
    assert_eq!(backprop(&format!("0.5*(relu(x) + {relu2})")), 0.5);
    assert_eq!(backprop(&format!("{relu2} - relu(x)")), 1.0);
    for s in [-3.0, 0.25, 17.0] {
        assert_eq!(backprop(&format!("{s}*({relu2} - relu(x))")), s);
    }
}

#[test]
fn the_zero_function_has_a_set_and_the_identity_a_spurious_critical_point() {
    let zero = of_x("relu(-x) + x - relu(x)");
    assert!(same(&vertices(&conservative(&zero, &[0.0.into()])), &[vec![-1.0], vec![1.0]]));
    assert!(same(&vertices(&clarke(&zero, &[0.0.into()])), &[vec![0.0]]));
    assert_eq!(backprop("x - (relu(-x) + x - relu(x))"), 0.0);
    let identity = of_x("x - (relu(-x) + x - relu(x))");
    let judged = identity.at(&[0.0.into()]).unwrap().judge(&SetOptions::default()).unwrap();
    assert_eq!(judged.verdict, Verdict::SpuriousCritical);
}

#[test]
fn the_difference_of_a_function_with_itself() {
    let f = of_x("abs(x) - abs(x)");
    assert!(same(&vertices(&conservative(&f, &[0.0.into()])), &[vec![-2.0], vec![2.0]]));
    assert!(same(&vertices(&clarke(&f, &[0.0.into()])), &[vec![0.0]]));
    // Equal nodes merged, there is one tie and nothing left.
    assert!(same(&vertices(&conservative(&f.simplify(), &[0.0.into()])), &[vec![0.0]]));
}

/// What all sign patterns give is the conservative set; a peer calls it Clarke's.
#[test]
fn the_enumeration_of_all_sign_patterns_is_not_clarkes_set() {
    for (text, all, clarkes) in [
        ("relu(-x) + x - relu(x)", [-1.0, 1.0], 0.0),
        ("abs(x) - abs(x)", [-2.0, 2.0], 0.0),
        ("maximum(x, 0) + minimum(x, 0)", [0.0, 2.0], 1.0),
        ("relu(x) - relu(-x)", [0.0, 2.0], 1.0),
    ] {
        let f = of_x(text);
        assert!(same(&vertices(&conservative(&f, &[0.0.into()])), &all.map(|v| vec![v])), "{text}");
        assert!(same(&vertices(&clarke(&f, &[0.0.into()])), &[vec![clarkes]]), "{text}");
    }
}
