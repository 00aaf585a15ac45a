//! Constant sparse matrices, and their products with arrays.

use super::index::parameter;
use super::rearrange::written;
use super::shape::ints;
use crate::error::{Fault, Place, Result};
use crate::program::Var;
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::tensor::Tensor;
use std::sync::{Arc, OnceLock};

/// A sparse matrix in compressed rows: the entries of row i are `values[indptr[i]..indptr[i + 1]]`, in the columns
/// `indices` of the same range. Several entries of one place add up.
///
/// It is a constant of the program that uses it: `a.matmul(x)`. Its number of entries is no part of any shape, and
/// nothing is differentiated in its values.
pub struct Csr {
    rows: usize,
    columns: usize,
    indptr: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<f64>,
    /// The parameters as text, written once: they tell two matrices apart.
    text: OnceLock<[String; 3]>,
}

impl Csr {
    /// A matrix of these parts, as scipy.sparse.csr_matrix takes them.
    ///
    /// Errors: `indptr` that has not rows + 1 numbers, does not start at 0, decreases, or does not end at the number of
    /// entries; as many columns as values are missing; a column outside of the matrix.
    pub fn new(
        rows: usize,
        columns: usize,
        indptr: Vec<usize>,
        indices: Vec<usize>,
        values: Vec<f64>,
    ) -> Result<Arc<Csr>> {
        Ok(Arc::new(Csr::checked(rows, columns, indptr, indices, values)?))
    }

    fn checked(
        rows: usize,
        columns: usize,
        indptr: Vec<usize>,
        indices: Vec<usize>,
        values: Vec<f64>,
    ) -> Result<Csr, Fault> {
        let wrong = |name: &str, value: String, rule: String| Err(parameter("csr", name, value, rule));
        if rows.checked_add(1) != Some(indptr.len()) {
            return wrong(
                "indptr",
                format!("{} numbers", indptr.len()),
                format!("{rows} rows need one more than that"),
            );
        }
        if indices.len() != values.len() {
            let rule = format!("there are {} values, and each needs its column", values.len());
            return wrong("indices", format!("{} numbers", indices.len()), rule);
        }
        if indptr[0] != 0 {
            return wrong("indptr", format!("{} at first", indptr[0]), "the first row begins at 0".into());
        }
        if let Some(i) = (0..rows).find(|&i| indptr[i] > indptr[i + 1]) {
            let rule = format!("row {i} begins at {} and cannot end before it", indptr[i]);
            return wrong("indptr", format!("{} at {}", indptr[i + 1], i + 1), rule);
        }
        if indptr[rows] != values.len() {
            let rule = format!("the last row ends with the last of the {} values", values.len());
            return wrong("indptr", format!("{} at last", indptr[rows]), rule);
        }
        if let Some(k) = (0..indices.len()).find(|&k| indices[k] >= columns) {
            return wrong("indices", format!("{} at {k}", indices[k]), format!("the matrix has {columns} columns"));
        }
        Ok(Csr { rows, columns, indptr, indices, values, text: OnceLock::new() })
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
        for i in 0..self.rows {
            for k in self.indptr[i]..self.indptr[i + 1] {
                dense.data_mut()[i * self.columns + self.indices[k]] += self.values[k];
            }
        }
        dense
    }

    /// The number of rows, and of columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// The number of entries that are kept.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// `self @ x`: for a vector, a matrix, or a stack of matrices.
    #[track_caller]
    pub fn matmul<'p>(self: &Arc<Csr>, x: Var<'p>) -> Var<'p> {
        x.apply(CsrMatMul { matrix: self.clone(), transpose: false })
    }

    /// `x @ self`: for a vector, a matrix, or a stack of matrices.
    #[track_caller]
    pub fn rmatmul<'p>(self: &Arc<Csr>, x: Var<'p>) -> Var<'p> {
        let op = CsrMatMul { matrix: self.clone(), transpose: true };
        written(x.builder(), &[x], Place::caller(), || {
            Ok(if x.rank() < 2 { x.apply(op) } else { x.swapaxes(-1, -2).apply(op).swapaxes(-1, -2) })
        })
    }

    fn text(&self) -> &[String; 3] {
        let list = |all: Vec<String>| format!("[{}]", all.join(", "));
        self.text.get_or_init(|| {
            [
                list(self.indptr.iter().map(usize::to_string).collect()),
                list(self.indices.iter().map(usize::to_string).collect()),
                list(self.values.iter().map(|x| if x.is_nan() { "nan".into() } else { format!("{x:?}") }).collect()),
            ]
        })
    }
}

impl std::fmt::Debug for Csr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Csr({} x {}, {} entries)", self.rows, self.columns, self.nnz())
    }
}

/// `csr_matmul(x, shape, indptr, indices, values, transpose=False)`: `a @ x` for a constant sparse matrix a, or `aᵀ @ x`.
///
/// Shapes: x of shape `[n]` or `[…, n, p]` for a matrix of n columns. Errors: another length. Cost: 2·nnz operations for
/// each column of x. Source: scipy.sparse.csr_matrix.
#[derive(Debug, Clone)]
pub struct CsrMatMul {
    matrix: Arc<Csr>,
    transpose: bool,
}

impl CsrMatMul {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "csr_matmul",
        signature: "csr_matmul(x, shape, indptr, indices, values, transpose=False)",
        formula: "a @ x for the sparse matrix a of these parts",
        class: "linear",
        ties: "",
        source: "scipy.sparse.csr_matrix",
        notation: Notation::Call,
        call: CsrMatMul::read,
        samples: &[
            Sample::new("csr_matmul(x, (2, 3), [0, 2, 3], [0, 2, 1], [1.5, -2, 3])", &[("x", &[3])]),
            Sample::new("csr_matmul(x, (2, 3), [0, 2, 3], [0, 2, 1], [1.5, -2, 3], transpose=True)", &[("x", &[2])]),
            Sample::new("csr_matmul(x, (2, 3), [0, 2, 3], [0, 2, 1], [1.5, -2, 3])", &[("x", &[2, 3, 2])]),
        ],
    };

    fn read<'p>(call: &Call<'_, 'p>) -> Result<Var<'p>> {
        call.expect(1, 6, &["shape", "indptr", "indices", "values", "transpose"])?;
        let get = |name: &str, k: usize| -> Result<Vec<usize>> {
            let given = call.ints(name, k)?.ok_or_else(|| call.fault(format!("`{name}` is missing")))?;
            let wrong = |_| call.fault(format!("`{name}` must not hold negative numbers"));
            given.into_iter().map(|n| usize::try_from(n).map_err(wrong)).collect()
        };
        let shape = get("shape", 1)?;
        let &[rows, columns] = shape.as_slice() else {
            return Err(call.fault("`shape` must hold the numbers of rows and columns"));
        };
        let values = match call.optional("values", 4) {
            None => return Err(call.fault("`values` is missing")),
            Some(Value::List(all)) if all.is_empty() => vec![],
            Some(given) => match call.as_var(given)?.known() {
                Some(known) if known.shape().len() == 1 => known.data().to_vec(),
                _ => return Err(call.fault("`values` must be a list of numbers")),
            },
        };
        let matrix = Csr::checked(rows, columns, get("indptr", 2)?, get("indices", 3)?, values);
        let matrix = Arc::new(matrix.map_err(|f| f.at(call.place.clone()))?);
        Ok(call.apply(CsrMatMul { matrix, transpose: call.flag("transpose", 5, false)? }, &[call.var(0)?]))
    }

    /// The lengths of the axis that is multiplied, and of the one it becomes.
    fn lengths(&self) -> (usize, usize) {
        let [rows, columns] = self.matrix.shape();
        if self.transpose { (rows, columns) } else { (columns, rows) }
    }
}

/// Which axis is multiplied.
fn multiplied(shape: &[usize]) -> Option<usize> {
    match shape.len() {
        0 => None,
        1 => Some(0),
        n => Some(n - 2),
    }
}

impl Op for CsrMatMul {
    fn name(&self) -> &'static str {
        "csr_matmul"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let [indptr, indices, values] = self.matrix.text().clone();
        let mut params = vec![
            ("shape", ints(&self.matrix.shape())),
            ("indptr", Param::Raw(indptr)),
            ("indices", Param::Raw(indices)),
            ("values", Param::Raw(values)),
        ];
        params.extend(self.transpose.then_some(("transpose", Param::Flag(true))));
        params
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let (from, to) = self.lengths();
        match multiplied(args[0]).filter(|&k| args[0][k] == from) {
            Some(k) => {
                let mut shape = args[0].to_vec();
                shape[k] = to;
                Ok(shape)
            }
            None => {
                let [rows, columns] = self.matrix.shape();
                let (matrix, of) = (format!("{rows} x {columns}"), if self.transpose { "transposed " } else { "" });
                let rule = format!("the {of}sparse matrix, {matrix}, multiplies a vector or matrices of {from} rows");
                Err(Fault::Shapes { op: "csr_matmul".into(), shapes: vec![args[0].to_vec()], rule })
            }
        }
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply(CsrMatMul { transpose: !self.transpose, ..self.clone() }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        // Many vectors are the columns of a matrix.
        Ok(if at.ranks[0] == 1 { at.args[0].t().apply(self.clone()).t() } else { at.args[0].apply(self.clone()) })
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for CsrMatMul {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (from, to) = self.lengths();
        let width = if args[0].len() < 2 { 1 } else { args[0][args[0].len() - 1] };
        let (matrix, transpose) = (self.matrix.clone(), self.transpose);
        let values: Vec<T> = matrix.values.iter().map(|x| T::of(*x)).collect();
        Kernel::new(move |args, out, _| {
            out.fill(T::of(0.0));
            if from * width == 0 || to * width == 0 {
                return;
            }
            for (x, y) in std::iter::zip(args[0].chunks_exact(from * width), out.chunks_exact_mut(to * width)) {
                multiply(&matrix, &values, transpose, width, x, y);
            }
        })
    }
}

/// y += a x for matrices of this many columns, or with the transpose of a.
fn multiply<T: Scalar>(a: &Csr, values: &[T], transpose: bool, width: usize, x: &[T], y: &mut [T]) {
    for i in 0..a.rows {
        let entries = a.indptr[i]..a.indptr[i + 1];
        let row = std::iter::zip(&a.indices[entries.clone()], &values[entries]);
        match (width, transpose) {
            (1, false) => y[i] = row.fold(T::of(0.0), |sum, (&j, &v)| sum + v * x[j]),
            (1, true) => row.for_each(|(&j, &v)| y[j] = y[j] + v * x[i]),
            _ => row.for_each(|(&j, &v)| {
                let (from, to) = if transpose { (i, j) } else { (j, i) };
                let from = &x[from * width..][..width];
                std::iter::zip(&mut y[to * width..][..width], from).for_each(|(y, x)| *y = *y + v * *x);
            }),
        }
    }
}
