//! Bolte, Boustany, Pauwels, Pesquet-Popescu, ICLR 2023: backpropagation is affine in each selection, so that two
//! evaluations at random selections tell, with probability 1, whether the conservative set is a single vector; and a
//! gradient costs at most five programs.

use super::common::{Draw, compile_filled, numbers};
use super::{conservative, read};
use clarke::Tensor;

#[test]
fn two_sweeps_tell_whether_the_set_is_a_single_vector() {
    for (text, single) in [
        ("relu(x)*relu(x)", true),
        ("relu(x**2)", true),
        ("relu(x)*abs(y)*0 + x", true),
        ("abs(x)*abs(y)", true),
        ("relu(x) + y", false),
        ("relu(-x) + x - relu(x)", false),
        ("maximum(x, x)", true),
        ("x - maximum(x, y)*(y - x)", true),
    ] {
        let f = read(text, &[("x", &[]), ("y", &[])]);
        let point = [0.0.into(), 0.0.into()];
        assert_eq!(conservative(&f, &point).is_single(), single, "{text}");
        let gradient = f.gradient().unwrap();
        let sweep = |seed: u64| numbers(&compile_filled(&gradient, seed).call(&point).unwrap());
        assert_eq!(sweep(1) == sweep(2), single, "{text}");
    }
}

/// F(x) = M₃ relu(M₂ relu(M₁ x)) at 0: its conservative set holds all M₁ᵀD₁M₂ᵀD₂M₃ᵀ, which are more than Clarke's.
#[test]
fn networks_without_biases_at_zero() {
    let mut draw = Draw::new(4);
    for _ in 0..30 {
        let m = |draw: &mut Draw, shape: &[usize]| Tensor::from_fn(shape, |_| draw.below(3) as f64 - 1.0);
        let (m1, m2, m3) = (m(&mut draw, &[3, 2]), m(&mut draw, &[2, 3]), m(&mut draw, &[2]));
        let inputs: &[(&str, &[usize])] = &[("A", &[3, 2]), ("B", &[2, 3]), ("c", &[2]), ("x", &[2])];
        let f = read("c @ relu(B @ relu(A @ x))", inputs).varying(&["x"]).unwrap();
        let point = [m1.clone(), m2.clone(), m3.clone(), Tensor::full(&[2], 0.0)];
        let at = f.at(&point).unwrap();
        let own = super::vertices(&conservative(&f, &point));
        let mut all = vec![];
        for bits in 0..32u32 {
            let d = |k: usize| f64::from(bits >> k & 1);
            let u: Vec<f64> = (0..3)
                .map(|i| d(i) * (0..2).map(|j| m2.data()[j * 3 + i] * d(3 + j) * m3.data()[j]).sum::<f64>())
                .collect();
            all.push(
                (0..2).map(|j| (0..3).map(|i| m1.data()[i * 2 + j] * u[i]).sum::<f64>() + 0.0).collect::<Vec<f64>>(),
            );
        }
        let hull = clarke::set::Polytope::new(&all).unwrap().vertices();
        assert!(super::same(&own, &hull), "{own:?} is not {hull:?}");
        let clarke = at.clarke(&clarke::SetOptions::default()).unwrap();
        assert_eq!(clarke.known(), clarke::Known::Exact);
    }
}
