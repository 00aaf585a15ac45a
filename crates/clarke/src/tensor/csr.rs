//! Sparse matrices of numbers, in compressed rows.

use super::Tensor;
use crate::error::{Fault, Result};
use std::any::Any;
use std::sync::Arc;

/// A sparse matrix in compressed rows: the entries of row i are `values[indptr[i]..indptr[i + 1]]`, in the columns
/// `indices` of the same range. Several entries of one place add up.
///
/// A program takes one in two ways: as a constant, `a.matmul(x)`, or as an input that was declared with
/// [`Program::sparse`](crate::Program::sparse) and is given its matrix by [`Program::bind`](crate::Program::bind).
/// Nothing is differentiated in its values, and how many there are is no part of any shape. An entry takes 12 bytes: all
/// products with the matrix and its transpose, in double precision, read the same ones.
pub struct Csr {
    rows: usize,
    columns: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl Csr {
    /// A matrix of these parts, as scipy.sparse.csr_matrix takes them.
    ///
    /// Errors: `indptr` that has not rows + 1 numbers, does not start at 0, decreases, or does not end at the number of
    /// entries; as many columns as values are missing; a column outside of the matrix; more than 2³² columns.
    pub fn new(
        rows: usize,
        columns: usize,
        indptr: Vec<usize>,
        indices: Vec<usize>,
        values: Vec<f64>,
    ) -> Result<Arc<Csr>> {
        Ok(Arc::new(Csr::checked(rows, columns, indptr, indices, values)?))
    }

    pub(crate) fn checked(
        rows: usize,
        columns: usize,
        indptr: Vec<usize>,
        indices: Vec<usize>,
        values: Vec<f64>,
    ) -> Result<Csr, Fault> {
        if columns as u64 > 1 << 32 {
            return Err(wrong("columns", format!("{columns}"), "they are numbered by 32 bits".into()));
        }
        if rows.checked_add(1) != Some(indptr.len()) {
            let rule = format!("{rows} rows need one more than that");
            return Err(wrong("indptr", format!("{} numbers", indptr.len()), rule));
        }
        if indices.len() != values.len() {
            let rule = format!("there are {} values, and each needs its column", values.len());
            return Err(wrong("indices", format!("{} numbers", indices.len()), rule));
        }
        if indptr[0] != 0 {
            return Err(wrong("indptr", format!("{} at first", indptr[0]), "the first row begins at 0".into()));
        }
        if let Some(i) = (0..rows).find(|&i| indptr[i] > indptr[i + 1]) {
            let rule = format!("row {i} begins at {} and cannot end before it", indptr[i]);
            return Err(wrong("indptr", format!("{} at {}", indptr[i + 1], i + 1), rule));
        }
        if indptr[rows] != values.len() {
            let rule = format!("the last row ends with the last of the {} values", values.len());
            return Err(wrong("indptr", format!("{} at last", indptr[rows]), rule));
        }
        if let Some(k) = (0..indices.len()).find(|&k| indices[k] >= columns) {
            return Err(wrong(
                "indices",
                format!("{} at {k}", indices[k]),
                format!("the matrix has {columns} columns"),
            ));
        }
        let indices = indices.into_iter().map(|j| j as u32).collect();
        Ok(Csr { rows, columns, indptr, indices, values })
    }

    /// The matrix of these entries (row, column, value), in any order; as scipy.sparse.coo_matrix takes them. All are
    /// kept, zeros and several of one place too, in their order within each row.
    ///
    /// Errors: an entry outside of the matrix. Cost: linear in the entries and rows.
    ///
    /// ```
    /// let a = clarke::Csr::from_entries(2, 3, &[(1, 0, 2.0), (0, 2, 1.0), (1, 0, 3.0)])?;
    /// assert_eq!(a.to_dense().data(), [0.0, 0.0, 1.0, 5.0, 0.0, 0.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn from_entries(rows: usize, columns: usize, entries: &[(usize, usize, f64)]) -> Result<Arc<Csr>> {
        if let Some(&(i, j, _)) = entries.iter().find(|(i, j, _)| *i >= rows || *j >= columns) {
            let rule = format!("the matrix has {rows} rows and {columns} columns, counted from 0");
            return Err(wrong("entries", format!("({i}, {j})"), rule).into());
        }
        let mut indptr = vec![0; rows + 1];
        entries.iter().for_each(|(i, ..)| indptr[i + 1] += 1);
        (0..rows).for_each(|i| indptr[i + 1] += indptr[i]);
        let mut next = indptr.clone();
        let (mut indices, mut values) = (vec![0; entries.len()], vec![0.0; entries.len()]);
        for &(i, j, value) in entries {
            (indices[next[i]], values[next[i]]) = (j, value);
            next[i] += 1;
        }
        Csr::new(rows, columns, indptr, indices, values)
    }

    /// The entries of a matrix that are not 0. Errors: an array that is no matrix.
    pub fn from_dense(matrix: &Tensor) -> Result<Arc<Csr>> {
        let &[rows, columns] = matrix.shape() else {
            let rule = "a sparse matrix is made of a matrix".into();
            return Err(Fault::Shapes { op: "csr".into(), shapes: vec![matrix.shape().to_vec()], rule }.into());
        };
        let (mut indptr, mut indices, mut values) = (vec![0], vec![], vec![]);
        for i in 0..rows {
            let row = &matrix.data()[i * columns..(i + 1) * columns];
            for (j, x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                indices.push(j);
                values.push(*x);
            }
            indptr.push(values.len());
        }
        Csr::new(rows, columns, indptr, indices, values)
    }

    /// All entries.
    pub fn to_dense(&self) -> Tensor {
        let mut dense = Tensor::full(&[self.rows, self.columns], 0.0);
        for (i, j, value) in self.entries() {
            dense.data_mut()[i * self.columns + j] += value;
        }
        dense
    }

    /// The transpose. Cost: linear in the entries and in rows and columns.
    pub fn t(&self) -> Arc<Csr> {
        let entries: Vec<_> = self.entries().map(|(i, j, value)| (j, i, value)).collect();
        Csr::from_entries(self.columns, self.rows, &entries).expect("the places of a matrix")
    }

    /// The entries that are kept (row, column, value), row by row.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        (0..self.rows).flat_map(move |i| self.row(i).map(move |k| (i, self.indices[k] as usize, self.values[k])))
    }

    /// The number of rows, and of columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// The number of entries that are kept.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Where the entries of each row begin, and where the last ends.
    pub fn indptr(&self) -> &[usize] {
        &self.indptr
    }

    /// The columns of the entries.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The values of the entries.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values as they are, if numbers of this type are f64.
    pub(crate) fn values_of<T: 'static>(&self) -> Option<&[T]> {
        (&self.values as &dyn Any).downcast_ref::<Vec<T>>().map(Vec::as_slice)
    }

    /// The positions of the entries of a row.
    pub(crate) fn row(&self, i: usize) -> std::ops::Range<usize> {
        self.indptr[i]..self.indptr[i + 1]
    }
}

fn wrong(parameter: &str, value: String, rule: String) -> Fault {
    Fault::Parameter { op: "csr".into(), parameter: parameter.into(), value, rule }
}

/// Equal entries in the same places and order, the values bit for bit.
impl PartialEq for Csr {
    fn eq(&self, other: &Csr) -> bool {
        let bits = |x: &f64| x.to_bits();
        self.shape() == other.shape()
            && self.indptr == other.indptr
            && self.indices == other.indices
            && self.values.iter().map(bits).eq(other.values.iter().map(bits))
    }
}

impl std::fmt::Debug for Csr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address tells two matrices apart without a look at their entries.
        write!(f, "Csr({} x {}, {} entries, at {self:p})", self.rows, self.columns, self.nnz())
    }
}
