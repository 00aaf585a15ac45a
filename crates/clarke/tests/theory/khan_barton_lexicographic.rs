//! Khan, Barton, "Evaluating an element of the Clarke generalized Jacobian of a composite piecewise differentiable
//! function", ACM TOMS 2013: lexicographic derivatives along the columns of the identity.

use super::{clarke, read, same, vertices};
use clarke::{Policy, SetOptions, Tensor};

#[test]
fn their_example() {
    let f = read("maximum(minimum(x[0], -x[1]), x[1] - x[0])", &[("x", &[2])]);
    let point = [Tensor::full(&[2], 0.0)];
    let identity = vec![vec![[1.0, 0.0].into()], vec![[0.0, 1.0].into()]];
    let at = f.at(&point).unwrap();
    assert_eq!(at.gradient(&Policy::Along(identity)).unwrap()[0].data(), [0.0, -1.0]);
    assert!(same(&vertices(&clarke(&f, &point)), &[vec![-1.0, 1.0], vec![0.0, -1.0], vec![1.0, 0.0]]));
}

/// Rows taken from one cell make an element of the Clarke Jacobian; rows from different cells do not.
#[test]
fn a_jacobian_is_more_than_its_rows() {
    let f = read("stack([relu(x), relu(-x)])", &[("x", &[])]);
    let at = f.at(&[0.0.into()]).unwrap();
    let set = at.clarke_jacobian(&SetOptions::default()).unwrap();
    assert!(same(&vertices(&set), &[vec![1.0, 0.0], vec![0.0, -1.0]]));
    let conservative = at.conservative_jacobian(&SetOptions::default()).unwrap();
    assert_eq!(vertices(&conservative).len(), 4);
}
