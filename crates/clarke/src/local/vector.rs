//! Arithmetic of flat vectors.

use crate::tensor::Tensor;

/// All numbers of arrays, one after another.
pub(super) fn flat(arrays: &[Tensor]) -> Vec<f64> {
    arrays.iter().flat_map(|t| t.data().iter().copied()).collect()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    std::iter::zip(a, b).map(|(x, y)| x * y).sum()
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// x + t·d.
pub(super) fn along(x: &[f64], t: f64, d: &[f64]) -> Vec<f64> {
    std::iter::zip(x, d).map(|(x, d)| x + t * d).collect()
}

pub(super) fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    std::iter::zip(a, b).map(|(x, y)| x - y).collect()
}
