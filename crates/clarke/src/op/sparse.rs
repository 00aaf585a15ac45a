//! Products of arrays with sparse matrices.

use super::rearrange::written;
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::{Csr, size};
use std::sync::Arc;

impl Csr {
    /// `self @ x`: for a vector, a matrix, or a stack of matrices.
    #[track_caller]
    pub fn matmul<'p>(self: &Arc<Csr>, x: Var<'p>) -> Var<'p> {
        left(self, false, x)
    }

    /// `x @ self`: for a vector, a matrix, or a stack of matrices.
    #[track_caller]
    pub fn rmatmul<'p>(self: &Arc<Csr>, x: Var<'p>) -> Var<'p> {
        right(x, self, false)
    }
}

/// `a @ x` for a matrix or its transpose.
#[track_caller]
pub(super) fn left<'p>(matrix: &Arc<Csr>, transpose: bool, x: Var<'p>) -> Var<'p> {
    x.apply(CsrMatMul { matrix: matrix.clone(), transpose })
}

/// `x @ a`, which is the transpose of `aᵀ @ xᵀ`.
#[track_caller]
pub(super) fn right<'p>(x: Var<'p>, matrix: &Arc<Csr>, transpose: bool) -> Var<'p> {
    written(x.builder(), &[x], Place::caller(), || {
        let swapped = |x: Var<'p>| if x.rank() < 2 { x } else { x.swapaxes(-1, -2) };
        Ok(swapped(left(matrix, !transpose, swapped(x))))
    })
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
        let mut params = vec![("matrix", Param::Csr(self.matrix.clone()))];
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
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        let vectors = size(args[0]) / self.lengths().0.max(1);
        2 * (self.matrix.values().len() * vectors) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (from, to) = self.lengths();
        let width = if args[0].len() < 2 { 1 } else { args[0][args[0].len() - 1] };
        let (matrix, transpose) = (self.matrix.clone(), self.transpose);
        // Numbers of another precision are written once, those of this one are the matrix's own.
        let rounded: Option<Vec<T>> = match matrix.values_of::<T>() {
            Some(_) => None,
            None => Some(matrix.values().iter().map(|x| T::of(*x)).collect()),
        };
        let level = Level::of_this_machine();
        Kernel::new(move |args, out, _| {
            out.fill(T::of(0.0));
            if from * width == 0 || to * width == 0 {
                return;
            }
            let values = rounded.as_deref().or_else(|| matrix.values_of()).expect("one of the two is there");
            for (x, y) in std::iter::zip(args[0].chunks_exact(from * width), out.chunks_exact_mut(to * width)) {
                T::with_lanes(level, Multiply { a: &matrix, values, transpose, width, x, y });
            }
        })
    }
}

/// y += a x for matrices of this many columns, or with the transpose of a.
struct Multiply<'a, T> {
    a: &'a Csr,
    values: &'a [T],
    transpose: bool,
    width: usize,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Scalar> Job<T> for Multiply<'_, T> {
    // The loops over columns are of numbers, and the compiler makes vectors of them.
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Multiply { a, values, transpose, width, x, y } = self;
        let by_column = if transpose { y.len() } else { x.len() };
        assert_eq!(by_column, a.shape()[1] * width, "lengths were checked with the shapes");
        for i in 0..a.shape()[0] {
            let (indices, values) = (&a.indices()[a.row(i)], &values[a.row(i)]);
            let row = std::iter::zip(indices, values);
            match (width, transpose) {
                // SAFETY: x has a number for each column, and a matrix no entry in another.
                (1, false) => y[i] = unsafe { product(indices, values, x) },
                (1, true) => row.for_each(|(&j, &v)| {
                    // SAFETY: y has a number for each column, and a matrix no entry in another.
                    let y = unsafe { y.get_unchecked_mut(j as usize) };
                    *y = *y + v * x[i];
                }),
                _ => row.for_each(|(&j, &v)| {
                    let (from, to) = if transpose { (i, j as usize) } else { (j as usize, i) };
                    let from = &x[from * width..][..width];
                    std::iter::zip(&mut y[to * width..][..width], from).for_each(|(y, x)| *y = *y + v * *x);
                }),
            }
        }
    }
}

/// The inner product of a sparse row with x, in four sums side by side.
///
/// # Safety
/// x has a number at each of the indices.
#[inline(always)]
unsafe fn product<T: Scalar>(indices: &[u32], values: &[T], x: &[T]) -> T {
    let mut sums = [T::of(0.0); 4];
    let ((fours, last), (of_fours, of_last)) = (indices.as_chunks::<4>(), values.as_chunks::<4>());
    // SAFETY: the caller vouches for it.
    let term = |j: u32, v: T| v * unsafe { *x.get_unchecked(j as usize) };
    for (j, v) in std::iter::zip(fours, of_fours) {
        for k in 0..4 {
            sums[k] = sums[k] + term(j[k], v[k]);
        }
    }
    for (sum, (j, v)) in std::iter::zip(&mut sums, std::iter::zip(last, of_last)) {
        *sum = *sum + term(*j, *v);
    }
    let [a, b, c, d] = sums;
    (a + b) + (c + d)
}
