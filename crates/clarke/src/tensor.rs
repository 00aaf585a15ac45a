//! Numbers with a shape, in row-major order, and the arithmetic of shapes.

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

/// A box of arrays: bounds for every entry, `lo ≤ hi`, both ends included.
///
/// An entry from −∞ to ∞ says that nothing is known: it may also be undefined.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    lo: Tensor,
    /// None for a single array.
    hi: Option<Tensor>,
}

impl Boxes {
    /// A single array; where it is NaN, nothing is known.
    pub fn point(x: Tensor) -> Boxes {
        if !x.data.iter().any(|x| x.is_nan()) {
            return Boxes { lo: x, hi: None };
        }
        let ends = |end: f64| Tensor::from_fn(&x.shape, |i| if x.data[i].is_nan() { end } else { x.data[i] });
        Boxes { lo: ends(f64::NEG_INFINITY), hi: Some(ends(f64::INFINITY)) }
    }

    /// The arrays between two. Errors: shapes that differ; an entry with lo > hi or NaN.
    pub fn new(lo: Tensor, hi: Tensor) -> Result<Boxes> {
        if lo.shape != hi.shape {
            let shapes = vec![lo.shape, hi.shape];
            return Err(Fault::Shapes { op: "box".into(), shapes, rule: "the two ends have one shape".into() }.into());
        }
        match std::iter::zip(&lo.data, &hi.data).find(|(l, h)| !matches!(l.partial_cmp(h), Some(o) if o.is_le())) {
            Some((l, h)) => Err(Fault::Parameter {
                op: "box".into(),
                parameter: "lo".into(),
                value: l.to_string(),
                rule: format!("a lower end is a number not above the upper end, here {h}"),
            }
            .into()),
            None if lo == hi => Ok(Boxes { lo, hi: None }),
            None => Ok(Boxes { lo, hi: Some(hi) }),
        }
    }

    /// All arrays of a shape.
    pub fn whole(shape: &[usize]) -> Boxes {
        Boxes { lo: Tensor::full(shape, f64::NEG_INFINITY), hi: Some(Tensor::full(shape, f64::INFINITY)) }
    }

    /// Entry by entry from its flat index, as its two ends; nothing is known of an entry with an end that is NaN.
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(usize) -> (f64, f64)) -> Boxes {
        let n = size(shape);
        let (mut lo, mut hi, mut wide) = (Vec::with_capacity(n), Vec::with_capacity(n), false);
        for k in 0..n {
            let (l, h) = match f(k) {
                (l, h) if l.is_nan() || h.is_nan() => (f64::NEG_INFINITY, f64::INFINITY),
                ends => ends,
            };
            wide |= l != h;
            lo.push(l);
            hi.push(h);
        }
        let tensor = |data| Tensor { shape: shape.to_vec(), data };
        Boxes { lo: tensor(lo), hi: wide.then(|| tensor(hi)) }
    }

    /// The lower ends.
    pub fn lo(&self) -> &Tensor {
        &self.lo
    }

    /// The upper ends.
    pub fn hi(&self) -> &Tensor {
        self.hi.as_ref().unwrap_or(&self.lo)
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.lo.shape
    }

    /// Whether it is a single array.
    pub fn is_point(&self) -> bool {
        self.hi.is_none()
    }

    /// Whether all ends are finite.
    pub fn is_bounded(&self) -> bool {
        self.lo.first_not_finite().is_none() && self.hi().first_not_finite().is_none()
    }

    /// Whether nothing is known of some entry.
    pub fn has_whole(&self) -> bool {
        let whole = |(l, h): (&f64, &f64)| *l == f64::NEG_INFINITY && *h == f64::INFINITY;
        std::iter::zip(&self.lo.data, &self.hi().data).any(whole)
    }

    /// Whether an array lies in it. NaN lies where nothing is known.
    pub fn contains(&self, x: &Tensor) -> bool {
        let within =
            |(x, (l, h)): (&f64, (&f64, &f64))| (l <= x && x <= h) || (*l == f64::NEG_INFINITY && *h == f64::INFINITY);
        x.shape == self.lo.shape && std::iter::zip(&x.data, std::iter::zip(&self.lo.data, &self.hi().data)).all(within)
    }

    /// Whether another box lies in it.
    pub fn includes(&self, other: &Boxes) -> bool {
        let below = |a: &Tensor, b: &Tensor| std::iter::zip(&a.data, &b.data).all(|(a, b)| a <= b);
        self.shape() == other.shape() && below(&self.lo, &other.lo) && below(other.hi(), self.hi())
    }

    /// The same numbers in another shape of the same size.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Boxes {
        let tensor = |x: &Tensor| Tensor { shape: shape.to_vec(), data: x.data.clone() };
        Boxes { lo: tensor(&self.lo), hi: self.hi.as_ref().map(tensor) }
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
