//! Numbers with a shape, in row-major order; sparse matrices; and the arithmetic of shapes.

mod csr;

pub use csr::Csr;

use crate::error::{Fault, Result};

/// An array of f64 in row-major order. A scalar has the empty shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Tensor {
    /// An array of the given shape. Errors if the count of numbers is not the shape's size.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Result<Tensor> {
        if size(shape) != data.len() {
            return Err(Fault::Parameter {
                op: "array".into(),
                parameter: "data".into(),
                value: format!("{} numbers", data.len()),
                rule: format!("shape {shape:?} holds {}", size(shape)),
            }
            .into());
        }
        Ok(Tensor { shape: shape.to_vec(), data })
    }

    /// A scalar.
    pub fn scalar(x: f64) -> Tensor {
        Tensor { shape: vec![], data: vec![x] }
    }

    /// A vector.
    pub fn vector(x: impl Into<Vec<f64>>) -> Tensor {
        let data = x.into();
        Tensor { shape: vec![data.len()], data }
    }

    /// The same number everywhere.
    pub fn full(shape: &[usize], x: f64) -> Tensor {
        Tensor { shape: shape.to_vec(), data: vec![x; size(shape)] }
    }

    /// An array made element by element from its flat index.
    pub fn from_fn(shape: &[usize], f: impl FnMut(usize) -> f64) -> Tensor {
        Tensor { shape: shape.to_vec(), data: (0..size(shape)).map(f).collect() }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers in row-major order.
    pub fn data(&self) -> &[f64] {
        &self.data
    }

    /// The numbers, to be changed.
    pub fn data_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }

    /// The numbers, taken out.
    pub fn into_data(self) -> Vec<f64> {
        self.data
    }

    /// The single number of an array of size one. Panics if it has more.
    pub fn item(&self) -> f64 {
        assert_eq!(self.data.len(), 1, "item() of an array of shape {:?}", self.shape);
        self.data[0]
    }

    /// The first entry that is NaN or infinite, with its flat position.
    pub fn first_not_finite(&self) -> Option<(usize, f64)> {
        self.data.iter().enumerate().find(|(_, x)| !x.is_finite()).map(|(i, x)| (i, *x))
    }
}

impl From<f64> for Tensor {
    fn from(x: f64) -> Tensor {
        Tensor::scalar(x)
    }
}

impl From<Vec<f64>> for Tensor {
    fn from(x: Vec<f64>) -> Tensor {
        Tensor::vector(x)
    }
}

impl<const N: usize> From<[f64; N]> for Tensor {
    fn from(x: [f64; N]) -> Tensor {
        Tensor::vector(x.to_vec())
    }
}

/// How many numbers an array of this shape holds; `usize::MAX` for shapes beyond every memory.
pub fn size(shape: &[usize]) -> usize {
    if shape.contains(&0) { 0 } else { shape.iter().fold(1, |n, &k| n.saturating_mul(k)) }
}

/// Row-major strides, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for k in (1..shape.len()).rev() {
        out[k - 1] = out[k] * shape[k];
    }
    out
}

/// The index of the element at a flat position.
pub fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for k in (0..shape.len()).rev() {
        index[k] = flat % shape[k];
        flat /= shape[k];
    }
    index
}

/// The shape that two shapes broadcast to by numpy's rule (trailing axes aligned, 1 stretches), or None.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], k: usize| if k < rank - s.len() { 1 } else { s[k + s.len() - rank] };
    (0..rank)
        .map(|k| match (at(a, k), at(b, k)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Strides for reading an array of shape `from` as if it had shape `to`: 0 along stretched axes.
/// `from` must broadcast to `to`.
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    let skip = to.len() - from.len();
    (0..to.len()).map(|k| if k < skip || (from[k - skip] == 1 && to[k] != 1) { 0 } else { own[k - skip] }).collect()
}

/// Calls `f` with the flat position that `strides` gives to each index of `shape`, in row-major order. Allocates
/// nothing, so that kernels may walk.
pub fn walk(shape: &[usize], strides: &[usize], mut f: impl FnMut(usize)) {
    walk_from(0, shape, strides, &mut f);
}

fn walk_from(at: usize, shape: &[usize], strides: &[usize], f: &mut impl FnMut(usize)) {
    match (shape, strides) {
        ([n], [step]) => (0..*n).for_each(|i| f(at + i * step)),
        ([n, shape @ ..], [step, strides @ ..]) => (0..*n).for_each(|i| walk_from(at + i * step, shape, strides, f)),
        _ => f(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_is_numpys() {
        assert_eq!(broadcast(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(broadcast(&[], &[2]), Some(vec![2]));
        assert_eq!(broadcast(&[2], &[3]), None);
        assert_eq!(broadcast(&[0], &[1]), Some(vec![0]));
        assert_eq!(broadcast_strides(&[3, 1], &[2, 3, 4]), vec![0, 1, 0]);
    }

    #[test]
    fn walking_with_own_strides_is_counting() {
        let mut seen = vec![];
        walk(&[2, 3], &strides(&[2, 3]), |k| seen.push(k));
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        seen.clear();
        walk(&[2, 3], &broadcast_strides(&[3], &[2, 3]), |k| seen.push(k));
        assert_eq!(seen, [0, 1, 2, 0, 1, 2]);
    }
}
