//! Products of matrices and vectors.

use super::linear::Multiply;
use super::pointwise::Elementwise;
use super::product::{Level, Matrix, Product};
use super::sparse;
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::interval::product::{Ends, SMALL, bilinear};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Operand, Param, Sample,
    TakesSparse, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::{Boxes, broadcast, broadcast_strides, size, walk};
use std::sync::Arc;

/// `a @ b`: the product of matrices, of stacks of matrices, and of matrices and vectors, with numpy's rules.
///
/// Shapes: [m, k] @ [k, p] is [m, p]; a vector on the left is a row, on the right a column, and that axis is dropped;
/// axes before the last two are broadcast. Errors: a scalar; lengths k that differ; leading axes that do not
/// broadcast. Cost: 2 m k p operations for each pair of matrices. Source: numpy.matmul.
///
/// A flag takes an operand with its last two axes swapped; derivatives need it, and nothing is copied for it. Another
/// lets the rows of b go unread that zeros of a vector a meet, as of cotangents most are. One of the two may be a
/// sparse matrix.
#[derive(Debug, Clone, Default)]
pub struct MatMul {
    /// The first operand is taken transposed.
    pub transpose_a: bool,
    /// The second operand is taken transposed.
    pub transpose_b: bool,
    /// Where the first operand is a vector, what its zeros are multiplied with need not be read: derivatives set it, whose
    /// vectors are cotangents, and a cotangent 0 contributes nothing. Then 0 times infinity is 0 or NaN.
    pub skip_zeros: bool,
}

const INFIX: Notation = Notation::Infix { symbol: "@", precedence: 11, right: false };

impl MatMul {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "matmul",
        signature: "a @ b, matmul(a, b, transpose_a=False, transpose_b=False, skip_zeros=False)",
        formula: "Σ_l a[…, i, l] b[…, l, j]",
        class: "piecewise polynomial (linear if a or b is constant)",
        ties: "",
        source: "numpy.matmul",
        notation: INFIX,
        call: |call| {
            call.expect(2, 5, &["transpose_a", "transpose_b", "skip_zeros"])?;
            let (transpose_a, transpose_b) = (flag(call, "transpose_a", 2)?, flag(call, "transpose_b", 3)?);
            let op = MatMul { transpose_a, transpose_b, skip_zeros: flag(call, "skip_zeros", 4)? };
            Ok(call.apply(op, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[
            Sample::new("a @ b", &[("a", &[2, 3]), ("b", &[3, 2])]),
            Sample::new("a @ b", &[("a", &[2, 3]), ("b", &[3])]),
            Sample::new("a @ b", &[("a", &[3]), ("b", &[3, 2])]),
            Sample::new("a @ b", &[("a", &[3]), ("b", &[3])]),
            Sample::new("a @ b", &[("a", &[2, 2, 3]), ("b", &[3, 2])]),
            Sample::new("matmul(a, b, transpose_a=True)", &[("a", &[3, 2]), ("b", &[3, 2])]),
            Sample::new("matmul(a, b, transpose_b=True)", &[("a", &[2, 3]), ("b", &[2, 3])]),
            Sample::new("matmul(a, b, skip_zeros=True)", &[("a", &[3]), ("b", &[3, 2])]),
        ],
    };

    /// The operand's shape as a stack of matrices, flags applied: leading axes, rows, columns.
    fn split(shape: &[usize], transposed: bool, left: bool) -> (&[usize], usize, usize) {
        match shape {
            [n] if left => (&[], 1, *n),
            [n] => (&[], *n, 1),
            [lead @ .., m, n] if transposed => (lead, *n, *m),
            [lead @ .., m, n] => (lead, *m, *n),
            [] => unreachable!("matmul's shape rule refuses scalars"),
        }
    }

    fn refuse(shapes: &[&[usize]], rule: impl Into<String>) -> Fault {
        Fault::Shapes { op: "matmul".into(), shapes: shapes.iter().map(|s| s.to_vec()).collect(), rule: rule.into() }
    }
}

fn flag(call: &Call<'_, '_>, name: &str, position: usize) -> Result<bool> {
    match call.optional(name, position) {
        None => Ok(false),
        Some(Value::Flag(b)) => Ok(*b),
        Some(_) => Err(call.fault(format!("`{name}` must be True or False"))),
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let MatMul { transpose_a, transpose_b, skip_zeros } = *self;
        let flags = [("transpose_a", transpose_a), ("transpose_b", transpose_b), ("skip_zeros", skip_zeros)];
        flags.into_iter().filter(|(_, set)| *set).map(|(name, set)| (name, Param::Flag(set))).collect()
    }

    fn notation(&self) -> Notation {
        if self.params().is_empty() { INFIX } else { Notation::Call }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let [sa, sb] = args else { return Err(MatMul::refuse(args, "it takes 2 arguments")) };
        if sa.is_empty() || sb.is_empty() {
            return Err(MatMul::refuse(args, "it multiplies vectors and matrices; use * with a scalar"));
        }
        if (self.transpose_a && sa.len() == 1) || (self.transpose_b && sb.len() == 1) {
            return Err(MatMul::refuse(args, "a vector has no two axes to swap; leave the flag out"));
        }
        let (lead_a, m, k) = MatMul::split(sa, self.transpose_a, true);
        let (lead_b, l, p) = MatMul::split(sb, self.transpose_b, false);
        if k != l {
            let rule = format!("the first has {k} columns and the second {l} rows; the two must be equal");
            return Err(MatMul::refuse(args, rule));
        }
        let mut shape = broadcast(lead_a, lead_b).ok_or_else(|| {
            MatMul::refuse(args, format!("the leading axes {lead_a:?} and {lead_b:?} do not broadcast"))
        })?;
        shape.extend((sa.len() > 1).then_some(m));
        shape.extend((sb.len() > 1).then_some(p));
        Ok(shape)
    }

    // A finite sum of products of bounded factors is bounded.
    fn class(&self, args: &[Class]) -> Class {
        Class::product(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Each
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let (a, b) = (args[0], args[1]);
        // A vector needs no flag: Aᵀ v = v A.
        if (self.transpose_a && b.rank() == 1) || (self.transpose_b && a.rank() == 1) {
            return Some(times(b, false, a, false));
        }
        let (inner_a, inner_b) = (swapped(a), swapped(b));
        (inner_a.is_some() || inner_b.is_some()).then(|| {
            let flags = (self.transpose_a != inner_a.is_some(), self.transpose_b != inner_b.is_some());
            let turned = MatMul { transpose_a: flags.0, transpose_b: flags.1, ..*self };
            inner_a.unwrap_or(a).apply_with(turned, &[inner_b.unwrap_or(b)])
        })
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let (ta, tb, y) = (self.transpose_a, self.transpose_b, at.cotangent);
        let other = at.known(1 - at.wrt);
        Ok(match (at.wrt, at.shapes[0].len(), at.shapes[1].len()) {
            (_, 1, 1) => y * other,
            (0, 1, _) => contracted(other, y, tb),
            (1, _, 1) => contracted(other, y, !ta),
            (0, _, 1) if ta => outer(other, y),
            (0, _, 1) => outer(y, other),
            (_, 1, _) if tb => outer(y, other),
            (_, 1, _) => outer(other, y),
            (0, ..) if ta => times(other, tb, y, true),
            (0, ..) => times(y, false, other, !tb),
            _ => {
                // Where all the matrices of `a` meet one matrix b, they are one tall matrix.
                let (a, y) = match (at.shapes[0].len() > 2 && at.shapes[1].len() == 2, ta) {
                    (true, false) => (flattened(other), flattened(y)),
                    _ => (other, y),
                };
                if tb { times(y, true, a, ta) } else { times(a, !ta, y, false) }
            }
        })
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let (a, b) = (at.args[0], at.args[1]);
        let (ta, tb) = (self.transpose_a, self.transpose_b);
        Ok(match (at.ranks, at.mapped) {
            // One matrix with many vectors is one product of matrices.
            ([2, 1], [false, true]) => times(b, false, a, !ta),
            ([1, 2], [true, false]) => times(a, false, b, tb),
            ([1, 1], [true, false]) => times(a, false, b, false),
            ([1, 1], [false, true]) => times(b, false, a, false),
            // The vector that is not mapped meets every matrix of the stack.
            ([1, _], [false, true]) | ([_, 1], [true, false]) => times(a, ta, b, tb),
            _ => self.batch_stacks(at),
        })
    }

    // Large ones by products of numbers.
    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        let [a, b] = [args[0], args[1]];
        let (_, _, terms) = MatMul::split(a.shape(), self.transpose_a, true);
        if size(shape) * terms <= SMALL {
            return None;
        }
        let kernel = self.products::<f64>(&[a.shape(), b.shape()]);
        let times = |a: &[f64], b: &[f64]| {
            let mut out = vec![0.0; size(shape)];
            (kernel.run)(&[a, b], &mut out, &mut vec![0.0; kernel.scratch]);
            out
        };
        let ends = |x| -> Ends<'_> { (Boxes::lo(x).data(), Boxes::hi(x).data()) };
        let (lo, hi) = bilinear(ends(a), ends(b), terms, &times);
        Some(Boxes::from_fn(shape, |i| (lo[i], hi[i])))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn sparse(&self) -> Option<&dyn TakesSparse> {
        Some(self)
    }
}

impl TakesSparse for MatMul {
    fn takes(&self, sparse: &[Option<&str>]) -> Result<()> {
        match sparse {
            [Some(_), Some(b)] => {
                let rule = "the other factor is sparse too, and one of the two must be an array".into();
                Err(Fault::Sparse { op: "matmul".into(), input: b.to_string(), rule }.into())
            }
            _ => Ok(()),
        }
    }

    fn bound<'p>(&self, args: &[Operand<'p>]) -> Result<Operand<'p>> {
        let array = |x: Var<'p>, flag: bool| if flag { x.swapaxes(-1, -2) } else { x };
        Ok(Operand::Array(match (&args[0], &args[1]) {
            (Operand::Sparse { matrix, transposed }, Operand::Array(x)) => {
                sparse::left(matrix, *transposed != self.transpose_a, array(*x, self.transpose_b))
            }
            (Operand::Array(x), Operand::Sparse { matrix, transposed }) => {
                sparse::right(array(*x, self.transpose_a), matrix, *transposed != self.transpose_b)
            }
            _ => unreachable!("one factor is an array and one is sparse"),
        }))
    }
}

impl MatMul {
    /// Vectors written as matrices and leading axes aligned; the vectors' axes are dropped again.
    fn batch_stacks<'p>(&self, at: &Batching<'_, 'p>) -> Var<'p> {
        let rank = at.ranks.iter().copied().max().unwrap_or(2).max(2);
        let as_stack = |k: usize| {
            let (x, own) = (at.args[k], at.ranks[k]);
            let shape = x.shape();
            let (lead, core) = shape.split_at(at.mapped[k] as usize);
            let mut full = lead.to_vec();
            if at.mapped[k] {
                full.extend(std::iter::repeat_n(1, rank - own.max(2)));
            }
            full.extend((own == 1 && k == 0).then_some(1));
            full.extend(core);
            full.extend((own == 1 && k == 1).then_some(1));
            x.reshape(&full)
        };
        let product = times(as_stack(0), self.transpose_a, as_stack(1), self.transpose_b);
        let mut shape = product.shape();
        let last = shape.len() - 1;
        if at.ranks[1] == 1 {
            shape.remove(last);
        }
        if at.ranks[0] == 1 {
            shape.remove(last - 1);
        }
        product.reshape(&shape)
    }
}

fn times<'p>(a: Var<'p>, transpose_a: bool, b: Var<'p>, transpose_b: bool) -> Var<'p> {
    a.apply_with(MatMul { transpose_a, transpose_b, skip_zeros: false }, &[b])
}

/// The array of which `x` is the transpose in its last two axes.
fn swapped<'p>(x: Var<'p>) -> Option<Var<'p>> {
    let (op, inner) = x.made_by("transpose")?;
    let params = op.params();
    let [(_, Param::Ints(axes))] = params.as_slice() else { return None };
    let n = axes.len() as i64;
    let is_swap = |(k, a): (i64, &i64)| *a == if k < n - 2 { k } else { 2 * n - 3 - k };
    (n >= 2 && (0..n).zip(axes).all(is_swap)).then(|| inner[0])
}

/// The outer product u vᵀ of (stacks of) vectors.
fn outer<'p>(u: Var<'p>, v: Var<'p>) -> Var<'p> {
    let column = column(u);
    let mut row = v.shape();
    row.insert(row.len() - 1, 1);
    // A single row broadcasts as it is.
    column * if row.len() == 2 { v } else { v.reshape(&row) }
}

/// Vectors along the last axis as matrices of one column.
fn column<'p>(v: Var<'p>) -> Var<'p> {
    let mut shape = v.shape();
    shape.push(1);
    v.reshape(&shape)
}

/// All axes but the last as one.
fn flattened<'p>(x: Var<'p>) -> Var<'p> {
    let shape = x.shape();
    let (last, lead) = shape.split_last().expect("a stack of matrices has axes");
    x.reshape(&[size(lead), *last])
}

/// What a stack of matrices makes of the cotangents y of its products with one vector: Σ Aᵀ y with the sum over all
/// leading axes if `rows` are contracted with y, else the A y of each matrix.
fn contracted<'p>(a: Var<'p>, y: Var<'p>, rows: bool) -> Var<'p> {
    if rows {
        let y = y.reshape(&[size(&y.shape())]);
        y.apply_with(MatMul { skip_zeros: true, ..MatMul::default() }, &[flattened(a)])
    } else if a.rank() == 2 {
        times(a, false, y, false)
    } else {
        let product = times(a, false, column(y), false);
        let shape = product.shape();
        product.reshape(&shape[..shape.len() - 1])
    }
}

impl ArrayKernel for MatMul {
    fn operations(&self, args: &[&[usize]], out: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * (size(out) * MatMul::split(args[0], self.transpose_a, true).2) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        self.products(args)
    }
}

impl MatMul {
    fn products<T: Scalar>(&self, args: &[&[usize]]) -> Kernel<T> {
        let (lead_a, m, k) = MatMul::split(args[0], self.transpose_a, true);
        let (lead_b, _, p) = MatMul::split(args[1], self.transpose_b, false);
        let lead = broadcast(lead_a, lead_b).expect("matmul's shape rule was checked");
        let mut product = Product {
            m,
            k,
            p,
            a: Matrix::new(if self.transpose_a { m } else { k }, self.transpose_a),
            b: Matrix::new(if self.transpose_b { k } else { p }, self.transpose_b),
            skip_zeros: self.skip_zeros,
        };
        let (level, scratch) = (Level::of_this_machine(), product.scratch::<T>());
        // A stack of matrices times one matrix is one tall product.
        let tall = size(lead_b) == 1 && lead_a == lead && !self.transpose_a;
        if tall || size(&lead) == 1 {
            product.m *= size(&lead);
            return Kernel::of_parts(scratch, product.parts(), move |parts, args, out, space| {
                product.run_parts(level, parts, [args[0], args[1]], out, space);
            });
        }
        let starts = |own: &[usize], size: usize| {
            let mut starts = vec![];
            walk(&lead, &broadcast_strides(own, &lead), |at| starts.push(at * size));
            starts
        };
        let starts: Vec<(usize, usize)> = std::iter::zip(starts(lead_a, m * k), starts(lead_b, k * p)).collect();
        Kernel::of_parts(scratch, [starts.len(), 1], move |parts, args, out, space| {
            if m * p > 0 {
                for (&(i, j), out) in std::iter::zip(&starts[parts], out.chunks_exact_mut(m * p)) {
                    product.run(level, &args[0][i..], &args[1][j..], out, space);
                }
            }
        })
    }
}

/// `dot(a, b)`: numpy's dot. Of vectors the inner product, of matrices (and a matrix and a vector) their product, with
/// a scalar the multiple. It is written with the operators `@` and `*`.
///
/// Errors: lengths that differ; a stack of matrices on the right, where numpy's dot and matmul part ways.
pub struct Dot;

impl Dot {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "dot",
        signature: "dot(a, b)",
        formula: "a @ b, or a · b with a scalar",
        class: "piecewise polynomial (linear if a or b is constant)",
        ties: "",
        source: "numpy.dot",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            Ok(dot(call.var(0)?, call.var(1)?, call.place.clone()))
        },
        samples: &[
            Sample::new("dot(a, b)", &[("a", &[3]), ("b", &[3])]),
            Sample::new("dot(a, b)", &[("a", &[2, 3]), ("b", &[3])]),
            Sample::new("dot(a, b)", &[("a", &[]), ("b", &[3])]),
        ],
    };
}

fn dot<'p>(a: Var<'p>, b: Var<'p>, place: Place) -> Var<'p> {
    if a.is_poisoned() || b.is_poisoned() {
        return Var::poisoned(a.builder());
    }
    let (ra, rb) = (a.rank(), b.rank());
    if ra == 0 || rb == 0 {
        return a.builder().apply_at(Arc::new(Elementwise::<Multiply, 2>(Multiply)), &[a, b], place);
    }
    if ra > 1 && rb > 2 {
        let rule = "numpy's dot pairs every matrix of the one with every matrix of the other; use matmul for stacks";
        let fault = Fault::Shapes { op: "dot".into(), shapes: vec![a.shape(), b.shape()], rule: rule.into() };
        return a.builder().failed(fault.at(place));
    }
    a.builder().apply_at(Arc::new(MatMul::default()), &[a, b], place)
}

impl<'p> Var<'p> {
    /// `self @ other`: the product of matrices, stacks of matrices and vectors by numpy's rules, see [`MatMul`].
    ///
    /// ```
    /// use clarke::Program;
    /// let f = Program::trace(&[&[2, 3], &[3]], |v| v[0].matmul(v[1]))?;
    /// let a = clarke::Tensor::new(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// assert_eq!(f.eval(&[a, [1.0, 0.0, -1.0].into()])?[0].data(), [-2.0, -2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(self, other: Var<'p>) -> Var<'p> {
        self.apply_with(MatMul::default(), &[other])
    }

    /// numpy's dot: the inner product of vectors, the product of matrices, the multiple by a scalar, see [`Dot`].
    #[track_caller]
    pub fn dot(self, other: Var<'p>) -> Var<'p> {
        dot(self, other, Place::caller())
    }
}
