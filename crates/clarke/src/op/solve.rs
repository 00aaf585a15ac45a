//! Linear systems: `solve`, `solve_triangular`, `lstsq`.

use super::factor::{
    Field, Room, cubes, exchanging, exchanging_stack, field_kernels, finite, matrix, room, transposed,
};
use super::linalg::MatMul;
use super::verified;
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::interval::Interval;
use crate::program::op::{
    Batching, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Sample, Transposition,
};
use crate::tensor::{Boxes, Tensor, broadcast, broadcast_strides, size, walk};
use faer::dyn_stack::{MemStack, StackReq};
use faer::linalg::householder;
use faer::linalg::lu::partial_pivoting as lu;
use faer::linalg::qr::no_pivoting as qr;
use faer::linalg::triangular_solve as triangular;
use faer::{Conj, MatMut, MatRef, Par};

/// What is known of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    General,
    Lower,
    Upper,
    Least,
}

/// `solve(a, b)` is the x with a x = b; `solve_triangular(a, b)` the same for a triangular matrix, of which only the
/// triangle is read; `lstsq(a, b)` the x of least ‖a x − b‖₂ for a matrix with independent columns. Semialgebraic.
///
/// Shapes: a is a square matrix (for lstsq with at least as many rows as columns) or a stack of them; b a vector if it
/// has one axis, else a matrix or a stack of them, whose leading axes broadcast with those of a. With `transpose`, aᵀ
/// stands for a; for lstsq that is the x of least norm among the solutions of aᵀ x = b.
///
/// A singular matrix (a zero pivot; for lstsq a diagonal of R that varies by more than 1/(n ε)) gives NaN, and an analysis at a
/// point names the operator. Cost: one factorization for each matrix of the stack: 2n³/3 operations with partial
/// pivoting, none for a triangle, 2n²(m − n/3) by Householder reflections.
#[derive(Debug, Clone)]
pub struct System {
    kind: Kind,
    transpose: bool,
}

const SQUARE: &[(&str, &[usize])] = &[("a", &[2, 2]), ("b", &[2])];
const WIDE: &[(&str, &[usize])] = &[("a", &[2, 2]), ("b", &[2, 3])];
const STACK: &[(&str, &[usize])] = &[("a", &[3, 2, 2]), ("b", &[2])];
const TALL: &[(&str, &[usize])] = &[("a", &[3, 2]), ("b", &[3])];

impl System {
    /// The line of `solve` in the table of operators.
    pub const SOLVE: Entry = Entry {
        name: "solve",
        signature: "solve(a, b, transpose=False)",
        formula: "a⁻¹ b",
        class: "semialgebraic (linear in b)",
        ties: "",
        source: "numpy.linalg.solve",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["transpose"])?;
            let op = System { kind: Kind::General, transpose: flag(call, "transpose", 2)? };
            Ok(call.apply(op, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[
            Sample::new("solve(a + 6 * [[1, 0], [0, 1]], b)", SQUARE).on(-1.75, 1.75),
            Sample::new("solve(a + 6 * [[1, 0], [0, 1]], b)", WIDE).on(-1.75, 1.75),
            Sample::new("solve(a + 6 * [[1, 0], [0, 1]], b)", STACK).on(-1.75, 1.75),
            Sample::new("solve(a + 6 * [[0, 1], [1, 0]], b, transpose=True)", SQUARE).on(-1.75, 1.75),
            Sample::new("solve([[2, 1], [0, 3]], b)", &[("b", &[2])]),
        ],
    };

    /// The line of `solve_triangular`.
    pub const TRIANGULAR: Entry = Entry {
        name: "solve_triangular",
        signature: "solve_triangular(a, b, lower=False, transpose=False)",
        formula: "the upper (lower) triangle of a, inverted, times b",
        source: "scipy.linalg.solve_triangular",
        call: |call| {
            call.expect(2, 4, &["lower", "transpose"])?;
            let kind = if flag(call, "lower", 2)? { Kind::Lower } else { Kind::Upper };
            let op = System { kind, transpose: flag(call, "transpose", 3)? };
            Ok(call.apply(op, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[
            Sample::new("solve_triangular(a + 6 * [[1, 0], [0, 1]], b)", SQUARE).on(-1.75, 1.75),
            Sample::new("solve_triangular(a + 6 * [[1, 0], [0, 1]], b, lower=True)", WIDE).on(-1.75, 1.75),
            Sample::new("solve_triangular(a + 6 * [[1, 0], [0, 1]], b, lower=True, transpose=True)", STACK)
                .on(-1.75, 1.75),
        ],
        ..System::SOLVE
    };

    /// The line of `lstsq`.
    pub const LSTSQ: Entry = Entry {
        name: "lstsq",
        signature: "lstsq(a, b, transpose=False)",
        formula: "the x of least ‖a x − b‖₂, a of full column rank",
        source: "numpy.linalg.lstsq; Golub, Pereyra 1973",
        call: |call| {
            call.expect(2, 3, &["transpose"])?;
            let op = System { kind: Kind::Least, transpose: flag(call, "transpose", 2)? };
            Ok(call.apply(op, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[
            Sample::new("lstsq(a + 6 * [[1, 0], [0, 1], [0, 0]], b)", TALL).on(-1.75, 1.75),
            Sample::new("lstsq(a + 6 * [[1, 0], [0, 1], [0, 0]], b)", &[("a", &[2, 3, 2]), ("b", &[3, 2])])
                .on(-1.75, 1.75),
            Sample::new("lstsq(a + 6 * [[1, 0], [0, 0], [0, 1]], b, transpose=True)", &[("a", &[3, 2]), ("b", &[2])])
                .on(-1.75, 1.75),
        ],
        ..System::SOLVE
    };

    /// The other way round: of the transposed matrix.
    fn adjoint(&self) -> System {
        System { transpose: !self.transpose, ..*self }
    }

    /// The number of rows of the right-hand side and of the solution.
    fn lengths(&self, a: &[usize]) -> (usize, usize) {
        let (_, m, n) = matrix(a);
        if self.transpose { (n, m) } else { (m, n) }
    }

    fn of<'p>(&self, a: Var<'p>, b: Var<'p>) -> Var<'p> {
        a.apply_with(self.clone(), &[b])
    }

    /// The solution for right-hand sides `y` that are vectors if `vector`, one for each matrix of the stack `a`.
    fn of_each<'p>(&self, a: Var<'p>, y: Var<'p>, vector: bool) -> Var<'p> {
        if vector && a.rank() > 2 { dropped(self.of(a, column(y))) } else { self.of(a, y) }
    }

    /// What of a tangent of the matrix the value sees.
    fn seen<'p>(&self, dot: Var<'p>) -> Var<'p> {
        let n = dot.shape()[dot.rank() - 1];
        match self.kind {
            Kind::General | Kind::Least => dot,
            Kind::Lower => dot * dot.constant(Tensor::from_fn(&[n, n], |k| f64::from(k % n <= k / n))),
            Kind::Upper => dot * dot.constant(Tensor::from_fn(&[n, n], |k| f64::from(k % n >= k / n))),
        }
    }

    /// The tangent from that of the matrix, for right-hand sides and solutions that are vectors or columns alike.
    fn by_matrix<'p>(&self, a: Var<'p>, b: Var<'p>, x: Var<'p>, dot: Var<'p>) -> Var<'p> {
        let times =
            |a: Var<'p>, transpose_a: bool, x: Var<'p>| a.apply_with(MatMul { transpose_a, ..MatMul::default() }, &[x]);
        let (forth, back) = (System { transpose: false, ..*self }, System { transpose: true, ..*self });
        match (self.kind, self.transpose) {
            (Kind::Least, false) => {
                // A⁺(−Ȧ x) + (AᵀA)⁻¹ Ȧᵀ r with r = b − A x.
                let normal = back.of(a, times(dot, true, b - times(a, false, x)));
                forth.of(a, normal - times(dot, false, x))
            }
            (Kind::Least, true) => {
                // (A⁺)ᵀ(−Ȧᵀ x) + (I − A A⁺) Ȧ A⁺ x.
                let moved = times(dot, false, forth.of(a, x));
                moved - times(a, false, forth.of(a, moved)) - back.of(a, times(dot, true, x))
            }
            (_, transpose) => -self.of(a, times(dot, transpose, x)),
        }
    }
}

fn flag(call: &Call<'_, '_>, name: &str, position: usize) -> Result<bool> {
    match call.optional(name, position) {
        None => Ok(false),
        Some(Value::Flag(b)) => Ok(*b),
        Some(_) => Err(call.fault(format!("`{name}` must be True or False"))),
    }
}

/// Vectors along the last axis as matrices of one column.
fn column<'p>(v: Var<'p>) -> Var<'p> {
    v.reshape(&[v.shape().as_slice(), &[1]].concat())
}

/// Matrices of one column as vectors along the last axis.
fn dropped<'p>(v: Var<'p>) -> Var<'p> {
    let shape = v.shape();
    v.reshape(&shape[..shape.len() - 1])
}

impl Op for System {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::General => "solve",
            Kind::Lower | Kind::Upper => "solve_triangular",
            Kind::Least => "lstsq",
        }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let flags = [("lower", self.kind == Kind::Lower), ("transpose", self.transpose)];
        flags.into_iter().filter(|(_, set)| *set).map(|(name, set)| (name, Param::Flag(set))).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let (a, b) = (args[0], args[1]);
        let refuse = |rule: String| {
            Err(Fault::Shapes { op: self.name().into(), shapes: args.iter().map(|s| s.to_vec()).collect(), rule })
        };
        if a.len() < 2 {
            return refuse("the first is a matrix, or a stack of them".into());
        }
        let (lead, m, n) = matrix(a);
        match self.kind {
            Kind::Least if m < n => return refuse(format!("the matrix has more columns ({n}) than rows ({m})")),
            Kind::Least => {}
            _ if m != n => return refuse(format!("the matrix must be square, but is {m} by {n}")),
            _ => {}
        }
        let (rows, length) = self.lengths(a);
        let (lead_b, own, columns) = match b {
            [] => return refuse("the right-hand side is a vector or a matrix, not a scalar".into()),
            [own] => (&[][..], *own, None),
            [lead @ .., own, columns] => (lead, *own, Some(*columns)),
        };
        if own != rows {
            return refuse(format!("the right-hand side has {own} rows, but the matrix asks for {rows}"));
        }
        let Some(mut shape) = broadcast(lead, lead_b) else {
            return refuse(format!("the leading axes {lead:?} and {lead_b:?} do not broadcast"));
        };
        shape.push(length);
        shape.extend(columns);
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        let joined = Class::join(args).unbounded();
        if args[0] == Class::CONSTANT { args[1] } else { joined.semialgebraic() }
    }

    fn linearity(&self) -> Linearity {
        Linearity::In(vec![false, true])
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (a, b, x) = (at.args[0], at.args[1], at.out);
        let vector = b.rank() == 1;
        let by_b = at.tangents[1].map(|dot| self.of(a, dot));
        let by_a = at.tangents[0].map(|dot| {
            let dot = self.seen(dot);
            if vector && a.rank() > 2 {
                dropped(self.by_matrix(a, column(b), column(x), dot))
            } else {
                self.by_matrix(a, b, x, dot)
            }
        });
        Ok(match (by_a, by_b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        })
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(self.adjoint().of_each(at.known(0), at.cotangent, at.shapes[1].len() == 1))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let (a, b) = (at.args[0], at.args[1]);
        let rank = at.ranks[0].max(at.ranks[1]).max(2);
        let aligned = |x: Var<'p>, k: usize, own: usize| if at.mapped[k] { x.pad_rank_after(rank - own) } else { x };
        Ok(match (at.ranks, at.mapped) {
            // One matrix with many vectors is one factorization with many columns.
            ([2, 1], [false, true]) => self.of(a, b.t()).t(),
            // A vector that is not mapped meets every matrix.
            ([_, 1], [true, false]) => self.of(a, b),
            ([_, 1], _) => dropped(self.of(aligned(a, 0, at.ranks[0]), aligned(column(b), 1, 2))),
            _ => self.of(aligned(a, 0, at.ranks[0]), aligned(b, 1, at.ranks[1])),
        })
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        Some(self.bounds(args[0], args[1], shape))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

field_kernels!(System, System::count);

/// Where the matrices of two stacks begin that meet by broadcasting, from the leading axes and the size of one of each.
fn pairs(a: (&[usize], usize), b: (&[usize], usize)) -> Vec<(usize, usize)> {
    let lead = broadcast(a.0, b.0).expect("the shape rule was checked");
    let starts = |(own, size): (&[usize], usize)| {
        let mut starts = vec![];
        walk(&lead, &broadcast_strides(own, &lead), |at| starts.push(at * size));
        starts
    };
    std::iter::zip(starts(a), starts(b)).collect()
}

impl System {
    /// How many operations: a factorization for each matrix, and what each column of b takes with it.
    fn count(&self, args: &[&[usize]], out: &[usize]) -> u64 {
        let (_, m, n) = matrix(args[0]);
        let columns = size(out) / self.lengths(args[0]).1.max(1);
        let (factor, column) = match self.kind {
            Kind::General => (2 * cubes(args[0]) / 3, 2 * n * n),
            Kind::Lower | Kind::Upper => (0, n * n),
            Kind::Least => (2 * cubes(args[0]) - 2 * cubes(args[0]) * n as u64 / (3 * m.max(1) as u64), 4 * m * n),
        };
        factor + (columns * column) as u64
    }

    /// Verified bounds of the solutions, matrix by matrix.
    fn bounds(&self, a: &Boxes, b: &Boxes, shape: &[usize]) -> Boxes {
        let (lead_a, m, n) = matrix(a.shape());
        let (rows, length) = self.lengths(a.shape());
        let (lead_b, columns) = match b.shape() {
            [lead @ .., _, columns] => (lead, *columns),
            _ => (&[][..], 1),
        };
        let (a, b) = (a.intervals(), b.intervals());
        let mut out = Vec::with_capacity(crate::tensor::size(shape));
        for (i, j) in pairs((lead_a, m * n), (lead_b, rows * columns)) {
            let (a, b) = (&a[i..i + m * n], &b[j..j + rows * columns]);
            let x = self.bounds_of_one(a, (m, n), b, columns);
            out.extend(x.unwrap_or_else(|| vec![Interval::WHOLE; length * columns]));
        }
        Boxes::of_intervals(shape, &out)
    }

    fn bounds_of_one(
        &self,
        a: &[Interval],
        (m, n): (usize, usize),
        b: &[Interval],
        columns: usize,
    ) -> Option<Vec<Interval>> {
        let read = |i: usize, j: usize| match self.kind {
            Kind::Lower => j <= i,
            Kind::Upper => j >= i,
            Kind::General | Kind::Least => true,
        };
        let zero = Interval::default();
        let seen: Vec<Interval> = (0..m * n).map(|k| if read(k / n, k % n) { a[k] } else { zero }).collect();
        let back = verified::transposed(&seen, m, n);
        match (self.kind, self.transpose) {
            (Kind::Least, transpose) => {
                // Through AᵀA, which is regular where the columns are independent.
                let normal = verified::times(&back, &seen, (n, m, n));
                if transpose {
                    let y = verified::solve(&normal, b, n, columns)?;
                    Some(verified::times(&seen, &y, (m, n, columns)))
                } else {
                    verified::solve(&normal, &verified::times(&back, b, (n, m, columns)), n, columns)
                }
            }
            (_, true) => verified::solve(&back, b, n, columns),
            (_, false) => verified::solve(&seen, b, n, columns),
        }
    }
}

impl System {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let this = self.clone();
        let (lead_a, m, n) = matrix(args[0]);
        let (rows, length) = self.lengths(args[0]);
        let (lead_b, columns) = match args[1] {
            [lead @ .., _, columns] => (lead, *columns),
            _ => (&[][..], 1),
        };
        let pairs = pairs((lead_a, m * n), (lead_b, rows * columns));
        let tallest = rows.max(length);
        let block = qr::factor::recommended_block_size::<T>(m, n);
        let stretches = [m * n, block * n, tallest * columns];
        let stack = match self.kind {
            _ if n == 0 => StackReq::EMPTY,
            Kind::Least => least_stack::<T>((m, n), block, columns),
            Kind::General => {
                let forth = lu::solve::solve_in_place_scratch::<usize, T>(n, columns, Par::Seq);
                let back = lu::solve::solve_transpose_in_place_scratch::<usize, T>(n, columns, Par::Seq);
                exchanging_stack::<T>(n, StackReq::any_of(&[forth, back]))
            }
            _ => StackReq::EMPTY,
        };
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            if out.is_empty() || n == 0 {
                return out.fill(T::of(0.0));
            }
            let mut room = Room::new(scratch);
            let (a, coefficients, x) = (room.take(m * n), room.take(block * n), room.take(tallest * columns));
            let stack = room.stack();
            let mut each = std::iter::zip(&pairs, out.chunks_exact_mut(length * columns)).peekable();
            while let Some(&(&(start, _), _)) = each.peek() {
                let given = &args[0][start..start + m * n];
                // The right-hand sides that meet one matrix come one after another.
                let solve = |solver: &mut dyn FnMut(&mut [T])| {
                    while let Some((&(_, b), out)) = each.next_if(|(pair, _)| pair.0 == start) {
                        x.fill(T::of(0.0));
                        let b = &args[1][b..b + rows * columns];
                        for c in 0..columns {
                            (0..rows).for_each(|r| x[c * tallest + r] = b[r * columns + c]);
                        }
                        solver(x);
                        for c in 0..columns {
                            (0..length).for_each(|r| out[r * columns + c] = x[c * tallest + r]);
                        }
                    }
                };
                this.with_factors(given, (m, n), a, coefficients, stack, solve, columns);
            }
        };
        Kernel::with_scratch(room::<T>(&stretches, stack), run)
    }

    /// Factors a matrix and hands a solver to `solve`, which works in place on columns as long as the taller of the
    /// right-hand side and the solution.
    #[allow(clippy::too_many_arguments)]
    fn with_factors<T: Field>(
        &self,
        given: &[T],
        (m, n): (usize, usize),
        a: &mut [T],
        coefficients: &mut [T],
        stack: &mut MemStack,
        solve: impl FnOnce(&mut dyn FnMut(&mut [T])),
        columns: usize,
    ) {
        let zero = T::of(0.0);
        let nan = |x: &mut [T]| x.fill(T::of(f64::NAN));
        match self.kind {
            Kind::Lower | Kind::Upper => {
                a.copy_from_slice(given);
                let singular = (0..n).any(|i| a[i * n + i] == zero);
                let own = MatRef::from_row_major_slice(a, n, n);
                let (matrix, lower) = match self.transpose {
                    true => (own.transpose(), self.kind == Kind::Upper),
                    false => (own, self.kind == Kind::Lower),
                };
                solve(&mut |x| {
                    let rhs = MatMut::from_column_major_slice_mut(&mut *x, n, columns);
                    match lower {
                        _ if singular => nan(x),
                        true => triangular::solve_lower_triangular_in_place(matrix, rhs, Par::Seq),
                        false => triangular::solve_upper_triangular_in_place(matrix, rhs, Par::Seq),
                    }
                });
            }
            Kind::General => {
                // What is row after row is, column after column, the transpose.
                a.copy_from_slice(given);
                exchanging(a, n, stack, |factored, stack| {
                    solve(&mut |x| {
                        let Some((factors, perm)) = factored else { return nan(x) };
                        let rhs = MatMut::from_column_major_slice_mut(&mut *x, n, columns);
                        match self.transpose {
                            true => lu::solve::solve_in_place(factors, factors, perm, rhs, Par::Seq, stack),
                            false => lu::solve::solve_transpose_in_place(factors, factors, perm, rhs, Par::Seq, stack),
                        }
                    });
                });
            }
            Kind::Least => {
                transposed(given, m, n, a);
                let block = coefficients.len() / n;
                let known = finite(a);
                let mut q = MatMut::from_column_major_slice_mut(coefficients, block, n);
                if known {
                    let matrix = MatMut::from_column_major_slice_mut(&mut *a, m, n);
                    qr::factor::qr_in_place(matrix, q.as_mut(), Par::Seq, stack, Default::default());
                }
                let size = |i: usize| a[i * m + i].to_f64().abs();
                let (least, most) = (0..n).fold((f64::MAX, 0.0), |(l, t), i| (size(i).min(l), size(i).max(t)));
                let full = least > m as f64 * super::factor::epsilon::<T>() * most;
                let factors = MatRef::from_column_major_slice(&*a, m, n);
                let (q, r) = (q.as_ref(), factors.get(..n, ..));
                solve(&mut |x| {
                    let mut rhs = MatMut::from_column_major_slice_mut(&mut *x, m, columns);
                    if !known || !full {
                        return nan(x);
                    }
                    if self.transpose {
                        let top = rhs.as_mut().subrows_mut(0, n);
                        triangular::solve_lower_triangular_in_place(r.transpose(), top, Par::Seq);
                        householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
                            factors,
                            q,
                            Conj::No,
                            rhs,
                            Par::Seq,
                            stack,
                        );
                    } else {
                        qr::solve::solve_lstsq_in_place(factors, q, r, rhs, Par::Seq, stack);
                    }
                });
            }
        }
    }
}

fn least_stack<T: Field>((m, n): (usize, usize), block: usize, columns: usize) -> StackReq {
    StackReq::any_of(&[
        qr::factor::qr_in_place_scratch::<T>(m, n, block, Par::Seq, Default::default()),
        qr::solve::solve_lstsq_in_place_scratch::<T>(m, n, block, columns, Par::Seq),
        householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(m, block, columns),
    ])
}

impl<'p> Var<'p> {
    /// The x with `self @ x = b`, see [`System`].
    ///
    /// ```
    /// use clarke::{Program, Tensor};
    /// let f = Program::trace(&[&[2, 2], &[2]], |v| v[0].solve(v[1]))?;
    /// let a = Tensor::new(&[2, 2], vec![2.0, 1.0, 0.0, 4.0])?;
    /// assert_eq!(f.eval(&[a, [4.0, 8.0].into()])?[0].data(), [1.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn solve(self, b: Var<'p>) -> Var<'p> {
        self.apply_with(System { kind: Kind::General, transpose: false }, &[b])
    }

    /// The same for the lower or upper triangle of this matrix, or its transpose.
    #[track_caller]
    pub fn solve_triangular(self, b: Var<'p>, lower: bool, transpose: bool) -> Var<'p> {
        self.apply_with(System { kind: if lower { Kind::Lower } else { Kind::Upper }, transpose }, &[b])
    }

    /// The x of least ‖self @ x − b‖₂; this matrix has independent columns.
    #[track_caller]
    pub fn lstsq(self, b: Var<'p>) -> Var<'p> {
        self.apply_with(System { kind: Kind::Least, transpose: false }, &[b])
    }
}
