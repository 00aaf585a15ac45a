//! Lewis, Tian, "The structure of conservative gradient fields", 2021, and the variational stratification of Bolte, Pauwels
//! 2021: projected onto the tangent space of the stratum of its ties, every element is the gradient of the function there.

use super::common::{Draw, dot};
use super::{conservative, read};
use clarke::Tensor;

/// Linear functions in five variables, some of them tied at the point: on {a₁·x = 0, a₂·x = 0} all elements agree.
#[test]
fn all_elements_have_the_same_projection() {
    let mut draw = Draw::new(8);
    for _ in 0..50 {
        let row = |draw: &mut Draw| Tensor::from_fn(&[5], |_| draw.below(5) as f64 - 2.0);
        let (a, b, c) = (row(&mut draw), row(&mut draw), row(&mut draw));
        let inputs: &[(&str, &[usize])] = &[("a", &[5]), ("b", &[5]), ("c", &[5]), ("x", &[5])];
        let f =
            read("abs(a @ x) - 2*relu(b @ x)*(1 + c @ x) + relu(a @ x + relu(b @ x))", inputs).varying(&["x"]).unwrap();
        // A point on both ties: the part of a random integer vector orthogonal to a and b, scaled to stay exact at 0 if
        // there is none.
        let point = [a.clone(), b.clone(), c.clone(), Tensor::full(&[5], 0.0)];
        let all = super::vertices(&conservative(&f, &point));
        // Directions t of the stratum {a·x = b·x = 0}: by elimination from random ones.
        for _ in 0..5 {
            let mut t: Vec<f64> = (0..5).map(|_| 2.0 * draw.uniform() - 1.0).collect();
            let mut basis: Vec<Vec<f64>> = vec![];
            for v in [&a, &b] {
                let mut v = v.data().to_vec();
                for u in &basis {
                    let c = dot(&v, u);
                    std::iter::zip(&mut v, u).for_each(|(x, y)| *x -= c * y);
                }
                let norm = dot(&v, &v).sqrt();
                if norm > 1e-9 {
                    basis.push(v.iter().map(|x| x / norm).collect());
                }
            }
            for u in &basis {
                let c = dot(&t, u);
                std::iter::zip(&mut t, u).for_each(|(x, y)| *x -= c * y);
            }
            let along: Vec<f64> = all.iter().map(|v| dot(v, &t)).collect();
            assert!(along.iter().all(|x| (x - along[0]).abs() < 1e-9), "{along:?}");
        }
    }
}
