//! Arrays that differ from sample to sample: dense, in files mapped into memory, or with sparse rows.

use crate::error::{Fault, Result};
use crate::tensor::{Csr, Tensor, size, unravel};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Arrays that differ from sample to sample: the first axis counts the samples.
///
/// The numbers may be held by whoever gives them out as a slice, as a file mapped into memory; or they are the rows of a
/// sparse matrix, which are written out for the samples that a batch or block has.
#[derive(Clone)]
pub struct Samples {
    shape: Vec<usize>,
    /// The row of the storage that the first sample is.
    first: usize,
    storage: Storage,
}

#[derive(Clone)]
enum Storage {
    Dense(Arc<dyn AsRef<[f64]> + Send + Sync>),
    Sparse(Arc<Csr>),
}

impl Samples {
    /// Numbers in row-major order, of this shape. Errors: their count is not that of the shape; a scalar has no samples.
    pub fn new(shape: &[usize], numbers: impl AsRef<[f64]> + Send + Sync + 'static) -> Result<Samples> {
        let length = numbers.as_ref().len();
        if shape.is_empty() || size(shape) != length {
            let (expected, given) = (shape.to_vec(), vec![length]);
            return Err(Fault::InputShape { input: "samples".into(), expected, given }.into());
        }
        Ok(Samples { shape: shape.to_vec(), first: 0, storage: Storage::Dense(Arc::new(numbers)) })
    }

    /// Samples of vectors, each a row of a sparse matrix. Memory is that of the matrix.
    ///
    /// ```
    /// use clarke::{Csr, Samples};
    ///
    /// let samples = Samples::sparse(Csr::from_entries(3, 2, &[(0, 1, 5.0), (2, 0, 7.0)])?);
    /// let mut rows = vec![];
    /// samples.write(&[2, 0], &mut rows);
    /// assert_eq!(rows, [7.0, 0.0, 0.0, 5.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn sparse(matrix: Arc<Csr>) -> Samples {
        Samples { shape: matrix.shape().to_vec(), first: 0, storage: Storage::Sparse(matrix) }
    }

    /// Some of the samples, one after another as they lie; nothing is copied.
    ///
    /// # Panics
    /// If the range is not one of samples.
    pub fn range(&self, samples: Range<usize>) -> Samples {
        assert!(samples.start <= samples.end && samples.end <= self.count(), "a range of samples");
        let mut part = self.clone();
        (part.shape[0], part.first) = (samples.len(), self.first + samples.start);
        part
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.shape[0]
    }

    /// The shape of the array, samples first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers one sample has.
    pub(super) fn width(&self) -> usize {
        size(&self.shape[1..])
    }

    /// Writes samples to `into`, one after another, in place of what was there.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn write(&self, samples: &[usize], into: &mut Vec<f64>) {
        let (width, first) = (self.width(), self.first);
        assert!(samples.iter().all(|i| *i < self.count()), "a sample that is there");
        into.clear();
        match &self.storage {
            Storage::Dense(numbers) => {
                let numbers = (**numbers).as_ref();
                match width {
                    1 => into.extend(samples.iter().map(|&i| numbers[first + i])),
                    _ => samples
                        .iter()
                        .for_each(|&i| into.extend_from_slice(&numbers[(first + i) * width..(first + i + 1) * width])),
                }
            }
            Storage::Sparse(matrix) => {
                into.resize(samples.len() * width, 0.0);
                let (indptr, indices, values) = (matrix.indptr(), matrix.indices(), matrix.values());
                for (row, &i) in into.chunks_exact_mut(width.max(1)).zip(samples) {
                    for k in indptr[first + i]..indptr[first + i + 1] {
                        row[indices[k] as usize] += values[k];
                    }
                }
            }
        }
    }

    /// All of them, written out.
    ///
    /// Errors: none, but for a shape too large for an array.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let mut all = vec![];
        self.write(&(0..self.count()).collect::<Vec<_>>(), &mut all);
        Tensor::new(&self.shape, all)
    }

    /// The numbers of samples that lie one after another, where they lie.
    pub(super) fn consecutive(&self, samples: Range<usize>) -> Option<&[f64]> {
        let width = self.width();
        match &self.storage {
            Storage::Dense(numbers) => {
                Some(&(**numbers).as_ref()[(self.first + samples.start) * width..(self.first + samples.end) * width])
            }
            Storage::Sparse(_) => None,
        }
    }

    /// The first number that is not finite, and its index.
    pub(super) fn not_finite(&self) -> Option<(f64, Vec<usize>)> {
        let bad = |numbers: &[f64]| numbers.iter().position(|x| !x.is_finite());
        match &self.storage {
            Storage::Dense(_) => {
                let numbers = self.consecutive(0..self.count())?;
                bad(numbers).map(|k| (numbers[k], unravel(k, &self.shape)))
            }
            Storage::Sparse(matrix) => {
                let indptr = matrix.indptr();
                let from = indptr[self.first];
                let k = from + bad(&matrix.values()[from..indptr[self.first + self.count()]])?;
                let row = indptr.partition_point(|start| *start <= k) - 1 - self.first;
                Some((matrix.values()[k], vec![row, matrix.indices()[k] as usize]))
            }
        }
    }
}

impl TryFrom<Tensor> for Samples {
    type Error = crate::Error;

    fn try_from(array: Tensor) -> Result<Samples> {
        let shape = array.shape().to_vec();
        Samples::new(&shape, array.into_data())
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").field("shape", &self.shape).finish_non_exhaustive()
    }
}
