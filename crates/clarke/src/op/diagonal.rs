//! Diagonals and triangles of matrices.

use super::index::{Index, PutSlice, axis_of, parameter};
use super::rearrange::{permuted, written};
use crate::error::{Fault, Place, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};

/// Where the k-th diagonal of a matrix begins among its entries in row-major order, and how long it is.
fn extent(rows: usize, columns: usize, k: i64) -> (usize, usize) {
    let (down, right) = if k < 0 { (k.unsigned_abs() as usize, 0) } else { (0, k as usize) };
    let length = rows.saturating_sub(down).min(columns.saturating_sub(right));
    if length == 0 { (0, 0) } else { (down * columns + right, length) }
}

/// `diag(x, k=0)`: of a vector the matrix with it on the k-th diagonal, of a matrix its k-th diagonal. Written as slices
/// of the flat matrix. Errors: other ranks. Source: numpy.diag.
pub struct Diag;

impl Diag {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "diag",
        signature: "diag(x, k=0)",
        formula: "the matrix with the vector x on its k-th diagonal, or the k-th diagonal of the matrix x",
        class: "linear",
        ties: "",
        source: "numpy.diag",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["k"])?;
            let (x, k) = (call.var(0)?, call.int("k", 1, Some(0))?);
            Ok(written(call.builder, &[x], call.place.clone(), || diag(x, k)))
        },
        samples: &[
            Sample::new("diag(x)", &[("x", &[3])]),
            Sample::new("diag(x, -1)", &[("x", &[2])]),
            Sample::new("diag(x)", &[("x", &[3, 2])]),
            Sample::new("diag(x, k=1)", &[("x", &[2, 3])]),
        ],
    };
}

fn diag<'p>(x: Var<'p>, k: i64) -> Result<Var<'p>, Fault> {
    match x.shape().as_slice() {
        &[n] => {
            let far = usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX);
            let Some(side) = n.checked_add(far).filter(|m| m.checked_mul(*m).is_some_and(|s| s <= 1 << 40)) else {
                return Err(parameter("diag", "k", k, "no memory holds such a matrix".into()));
            };
            let (start, _) = extent(side, side, k);
            let put = PutSlice { shape: vec![side * side], start: vec![start], step: vec![side as i64 + 1] };
            Ok(x.apply(put).reshape(&[side, side]))
        }
        [_, _] => Ok(diagonal_of_last(x, k)),
        shape => Err(Fault::Shapes {
            op: "diag".into(),
            shapes: vec![shape.to_vec()],
            rule: "it takes a vector or a matrix; use diagonal for stacks of matrices".into(),
        }),
    }
}

/// The k-th diagonals of the matrices of the last two axes, along a last axis.
pub(super) fn diagonal_of_last(x: Var<'_>, k: i64) -> Var<'_> {
    let shape = x.shape();
    let (lead, core) = shape.split_at(shape.len() - 2);
    let (rows, columns) = (core[0], core[1]);
    let (start, length) = extent(rows, columns, k);
    let step = columns as i64 + 1;
    let stop = start as i64 + length as i64 * step;
    let flat = x.reshape(&[lead, &[rows * columns]].concat());
    let range = if length == 0 { (Some(0), Some(0), None) } else { (Some(start as i64), Some(stop), Some(step)) };
    flat.getitem(&[Index::Ellipsis, Index::Slice(range.0, range.1, range.2)])
}

/// `diagonal(x, offset=0, axis1=0, axis2=1)`: the diagonals along two axes, as a last axis. Source: numpy.diagonal.
pub struct Diagonal;

/// Reads `name(x, offset=0, axis1=0, axis2=1)`: the diagonals.
fn read<'p>(call: &Call<'_, 'p>, sum: bool) -> Result<Var<'p>> {
    call.expect(1, 4, &["offset", "axis1", "axis2"])?;
    let (x, k) = (call.var(0)?, call.int("offset", 1, Some(0))?);
    let axes = (call.int("axis1", 2, Some(0))?, call.int("axis2", 3, Some(1))?);
    Ok(written(call.builder, &[x], call.place.clone(), || {
        let all = diagonal(call.name, x, k, axes)?;
        Ok(if sum { all.sum_axis(-1) } else { all })
    }))
}

impl Diagonal {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "diagonal",
        signature: "diagonal(x, offset=0, axis1=0, axis2=1)",
        formula: "the diagonals along two axes, as a last axis",
        class: "linear",
        ties: "",
        source: "numpy.diagonal",
        notation: Notation::Call,
        call: |call| read(call, false),
        samples: &[
            Sample::new("diagonal(x)", &[("x", &[2, 3, 2])]),
            Sample::new("diagonal(x, -1, 1, 2)", &[("x", &[2, 3, 2])]),
        ],
    };

    /// The trace's line in the table of operators.
    pub const TRACE: Entry = Entry {
        name: "trace",
        signature: "trace(x, offset=0, axis1=0, axis2=1)",
        formula: "the sum of a diagonal",
        source: "numpy.trace",
        call: |call| read(call, true),
        samples: &[Sample::new("trace(x)", &[("x", &[3, 3])]), Sample::new("trace(x, 1)", &[("x", &[2, 3])])],
        ..Diagonal::ENTRY
    };
}

fn diagonal<'p>(name: &str, x: Var<'p>, k: i64, (a, b): (i64, i64)) -> Result<Var<'p>, Fault> {
    let shape = x.shape();
    let (a, b) = (axis_of(name, &shape, a)?, axis_of(name, &shape, b)?);
    if a == b {
        return Err(parameter(name, "axis2", b, "the two axes of a diagonal must differ".into()));
    }
    let order: Vec<usize> = (0..shape.len()).filter(|&k| k != a && k != b).chain([a, b]).collect();
    Ok(diagonal_of_last(permuted(x, &order), k))
}

/// `tril(x, k=0)` and `triu(x, k=0)`: the matrices of the last two axes with zeros above (below) the k-th diagonal.
///
/// Errors: fewer than two axes. Cost: one copy. Source: numpy.tril, numpy.triu.
#[derive(Debug, Clone)]
pub struct Triangle {
    lower: bool,
    k: i64,
}

impl Triangle {
    /// The lower triangle's line in the table of operators.
    pub const LOWER: Entry = Entry {
        name: "tril",
        signature: "tril(x, k=0)",
        formula: "x with zeros above the k-th diagonal",
        class: "linear",
        ties: "",
        source: "numpy.tril",
        notation: Notation::Call,
        call: |call| Triangle::read(call, true),
        samples: &[
            Sample::new("tril(x)", &[("x", &[3, 3])]),
            Sample::new("tril(x, -1)", &[("x", &[3, 2])]),
            Sample::new("tril(x, k=1)", &[("x", &[2, 2, 3])]),
        ],
    };

    /// The upper triangle's line in the table of operators.
    pub const UPPER: Entry = Entry {
        name: "triu",
        signature: "triu(x, k=0)",
        formula: "x with zeros below the k-th diagonal",
        source: "numpy.triu",
        call: |call| Triangle::read(call, false),
        samples: &[Sample::new("triu(x)", &[("x", &[3, 3])]), Sample::new("triu(x, 1)", &[("x", &[2, 3, 3])])],
        ..Triangle::LOWER
    };

    fn read<'p>(call: &Call<'_, 'p>, lower: bool) -> Result<Var<'p>> {
        call.expect(1, 2, &["k"])?;
        Ok(call.apply(Triangle { lower, k: call.int("k", 1, Some(0))? }, &[call.var(0)?]))
    }
}

impl Op for Triangle {
    fn name(&self) -> &'static str {
        if self.lower { "tril" } else { "triu" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        if self.k == 0 { vec![] } else { vec![("k", Param::Int(self.k))] }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if args[0].len() < 2 {
            let rule = "it takes a matrix, or a stack of them".into();
            return Err(Fault::Shapes { op: self.name().into(), shapes: vec![args[0].to_vec()], rule });
        }
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply(self.clone()))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Triangle {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (lower, columns) = (self.lower, args[0][args[0].len() - 1]);
        // Where the triangle's part of each row ends (lower) or begins (upper).
        let edge = |i: usize| (i as i64).saturating_add(self.k).saturating_add(lower as i64).clamp(0, columns as i64);
        let edges: Vec<usize> = (0..args[0][args[0].len() - 2]).map(|i| edge(i) as usize).collect();
        Kernel::new(move |args, out, _| {
            if columns == 0 {
                return;
            }
            let rows = std::iter::zip(args[0].chunks_exact(columns), out.chunks_exact_mut(columns));
            for ((from, to), &edge) in rows.zip(edges.iter().cycle()) {
                let kept = if lower { 0..edge } else { edge..columns };
                let zeros = if lower { edge..columns } else { 0..edge };
                to[kept.clone()].copy_from_slice(&from[kept]);
                to[zeros].fill(T::of(0.0));
            }
        })
    }
}

impl<'p> Var<'p> {
    /// Of a vector the matrix with it on the k-th diagonal, of a matrix its k-th diagonal, see [`Diag`].
    #[track_caller]
    pub fn diag(self, k: i64) -> Var<'p> {
        written(self.builder(), &[self], Place::caller(), || diag(self, k))
    }

    /// The k-th diagonals along two axes, as a last axis, see [`Diagonal`].
    #[track_caller]
    pub fn diagonal(self, k: i64, axis1: i64, axis2: i64) -> Var<'p> {
        written(self.builder(), &[self], Place::caller(), || diagonal("diagonal", self, k, (axis1, axis2)))
    }

    /// The sum of the diagonal along the first two axes, see [`Diagonal`].
    #[track_caller]
    pub fn trace(self) -> Var<'p> {
        written(self.builder(), &[self], Place::caller(), || Ok(diagonal("trace", self, 0, (0, 1))?.sum_axis(-1)))
    }

    /// With zeros above the k-th diagonal, see [`Triangle`].
    #[track_caller]
    pub fn tril(self, k: i64) -> Var<'p> {
        self.apply(Triangle { lower: true, k })
    }

    /// With zeros below the k-th diagonal, see [`Triangle`].
    #[track_caller]
    pub fn triu(self, k: i64) -> Var<'p> {
        self.apply(Triangle { lower: false, k })
    }
}
