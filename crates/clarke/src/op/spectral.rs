//! Derivatives of functions of a symmetric matrix: `spectral`.

use super::definite::square;
use super::eigen::Top;
use super::factor::{Field, Room, cubes, eigen, eigen_stack, epsilon, field_kernels, matrix, room, symmetrize};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::Value;
use crate::program::class::Class;
use crate::program::op::{
    Batching, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Transposition,
};
use faer::dyn_stack::MemStack;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Which function of the eigenvalues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    /// 1 for the k largest, 0 for the others, the even share for those that tie with the k-th.
    Top(usize),
    /// max(λ, 0). At λ = 0 a further argument E decides: on the null space the derivative is that of the projection on
    /// the positive semidefinite matrices at VᵀEV, or a multiple of the identity if that is one.
    Positive,
}

/// `spectral(x, a, …)`: the m-th derivative of V f(Λ) Vᵀ = f(a), in the directions x and the further arguments.
///
/// Every argument is taken by its symmetric part. In the eigenvectors' coordinates it is Σ f[λᵢ, λₖ, …, λⱼ] Xᵢₖ … Yₗⱼ
/// over all orders of the directions, with divided differences that are exact where eigenvalues coincide within one piece
/// of f (Daleckii, Krein 1965). Linear in each direction and symmetric in them, hence its own transpose. Cost: one
/// decomposition, and m! n^(m+1) operations.
#[derive(Debug, Clone)]
pub struct Spectral {
    function: Function,
}

/// More directions than anyone differentiates.
const MOST: usize = 7;

impl Spectral {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "spectral",
        signature: "spectral(x, a, …, k) or spectral(x, a, e, …, positive=True)",
        formula: "the derivative along x, … of a function of the eigenvalues of a",
        class: "semialgebraic, discontinuous",
        ties: "",
        source: "Daleckii, Krein 1965; Malick, Sendov 2006",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, MOST + 2, &["k", "positive"])?;
            let function = match call.optional("positive", usize::MAX) {
                Some(Value::Flag(true)) => Function::Positive,
                _ => {
                    let k = call.int("k", usize::MAX, None)?;
                    Function::Top(usize::try_from(k).map_err(|_| call.fault("`k` counts eigenvalues"))?)
                }
            };
            let args = call.args.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
            Ok(call.apply(Spectral { function }, &args))
        },
        samples: &[],
    };

    /// Of the sum of the projectors on the k largest eigenvalues' eigenvectors.
    pub(super) fn top(k: usize) -> Spectral {
        Spectral { function: Function::Top(k) }
    }

    /// Of the projection on the positive semidefinite matrices.
    pub(super) fn positive() -> Spectral {
        Spectral { function: Function::Positive }
    }

    /// Where the further directions begin among the arguments.
    fn first(&self) -> usize {
        if self.function == Function::Positive { 3 } else { 2 }
    }
}

impl Op for Spectral {
    fn name(&self) -> &'static str {
        "spectral"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![match self.function {
            Function::Top(k) => ("k", Param::Int(k as i64)),
            Function::Positive => ("positive", Param::Flag(true)),
        }]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square("spectral", args[0])?;
        if args.len() < self.first() || args.iter().any(|s| *s != args[0]) {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = "the directions and the matrix have one shape".to_string();
            return Err(Fault::Shapes { op: "spectral".into(), shapes, rule });
        }
        if args.len() > self.first() + MOST - 1 {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = format!("derivatives of an order beyond {MOST} are not there");
            return Err(Fault::Shapes { op: "spectral".into(), shapes, rule });
        }
        match self.function {
            Function::Top(k) => super::eigen::count("spectral", k, matrix(args[0]).1)?,
            Function::Positive => {}
        }
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).semialgebraic().unbounded()
    }

    fn linearity(&self) -> Linearity {
        Linearity::First
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let by = |(k, dot): (usize, &Option<Var<'p>>)| {
            let dot = (*dot)?;
            let mut args = at.args.to_vec();
            match k {
                0 => {}
                // The matrix moves: one derivative more.
                1 => args.push(args[0]),
                // What decides at a tie stays.
                2 if self.first() == 3 => return None,
                // The directions are equals.
                _ => args[k] = args[0],
            }
            args[0] = dot;
            Some(dot.builder().apply(self.clone(), &args))
        };
        let terms = at.tangents.iter().enumerate().filter_map(by);
        Ok(terms.reduce(|a, b| a + b))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let mut args = vec![at.cotangent];
        args.extend((1..at.args.len()).map(|k| at.known(k)));
        Ok(at.cotangent.builder().apply(self.clone(), &args))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let leading = |k: usize| {
            let x = at.args[k];
            if at.mapped[k] { x } else { x.broadcast_to(&[&[at.size], x.shape().as_slice()].concat()) }
        };
        let args: Vec<Var<'p>> = (0..at.args.len()).map(leading).collect();
        Ok(args[0].builder().apply(self.clone(), &args))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

field_kernels!(Spectral, |_, args, _| 17 * cubes(args[0]));

/// The function on the spectrum of one matrix, eigenvalues in ascending order.
struct Pieces<'a, T> {
    w: &'a [T],
    function: Function,
    /// Where the middle group begins and ends: those tied with the k-th, or those that vanish.
    middle: (usize, usize),
    /// The value on the middle group.
    share: f64,
    /// The eigenvalues of what decides on the middle group, in ascending order, and whether they are all equal.
    decided: (&'a [T], bool),
}

impl<T: Field> Pieces<'_, T> {
    fn group(&self, i: usize) -> usize {
        usize::from(i >= self.middle.0) + usize::from(i >= self.middle.1)
    }

    fn value(&self, i: usize) -> f64 {
        match (self.group(i), self.function) {
            (0, _) => 0.0,
            (1, Function::Top(_)) => self.share,
            (1, Function::Positive) => 0.0,
            (_, Function::Top(_)) => 1.0,
            (_, Function::Positive) => self.w[i].to_f64(),
        }
    }

    fn point(&self, i: usize) -> f64 {
        if self.group(i) == 1 && self.function == Function::Positive { 0.0 } else { self.w[i].to_f64() }
    }

    /// The divided difference over eigenvalues given by their positions in ascending order.
    fn difference(&self, at: &[usize]) -> f64 {
        let (first, last) = (at[0], at[at.len() - 1]);
        match at.len() {
            1 => self.value(first),
            // Within one piece f is constant, or linear.
            order if self.group(first) == self.group(last) => match (self.function, self.group(first)) {
                (Function::Positive, 2) if order == 2 => 1.0,
                (Function::Positive, 1) if order == 2 => self.at_zero(first - self.middle.0, last - self.middle.0),
                _ => 0.0,
            },
            order => {
                let rise = self.difference(&at[1..]) - self.difference(&at[..order - 1]);
                rise / (self.point(last) - self.point(first))
            }
        }
    }

    /// The divided difference of max(μ, 0) between two eigenvalues of what decides, the first not the larger.
    fn at_zero(&self, i: usize, j: usize) -> f64 {
        let (low, high) = (self.decided.0[i].to_f64(), self.decided.0[j].to_f64());
        match self.decided.1 {
            true => high.clamp(0.0, 1.0),
            false if low > 0.0 => 1.0,
            false if high <= 0.0 => 0.0,
            false => high / (high - low),
        }
    }

    /// Σ over paths from i to j and all orders of the directions; `path` has `length` entries, `used` marks directions.
    fn paths(&self, b: &[T], count: usize, path: &mut [usize; MOST + 1], length: usize, used: u32, j: usize) -> f64 {
        let n = self.w.len();
        let here = path[length - 1];
        let mut sum = 0.0;
        for d in (0..count).filter(|d| used >> d & 1 == 0) {
            let own = &b[d * n * n..(d + 1) * n * n];
            if length == count {
                path[length] = j;
                let mut sorted = *path;
                sorted[..=length].sort_unstable();
                sum += self.difference(&sorted[..=length]) * own[here * n + j].to_f64();
            } else {
                for next in 0..n {
                    path[length] = next;
                    let rest = self.paths(b, count, path, length + 1, used | 1 << d, j);
                    sum += own[here * n + next].to_f64() * rest;
                }
            }
        }
        sum
    }
}

/// `to = op(a) b` for n × n matrices, row after row.
fn product<T: Field>(n: usize, a: &[T], transpose: bool, b: &[T], to: &mut [T]) {
    let (a, b) = (MatRef::from_row_major_slice(a, n, n), MatRef::from_row_major_slice(b, n, n));
    let a = if transpose { a.transpose() } else { a };
    let to = MatMut::from_row_major_slice_mut(to, n, n);
    // What is row after row is, column after column, the transpose, and so is the product.
    matmul(to.transpose_mut(), Accum::Replace, b.transpose(), a.transpose(), T::of(1.0), Par::Seq);
}

impl Spectral {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let (function, first) = (self.function, self.first());
        let count = args.len() - first + 1;
        let stretches = [n * n, n, n * n, n * n, count * n * n, n];
        let stack = eigen_stack::<T>(n, true);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut room = Room::new(scratch);
            let (a, w, v) = (room.take(n * n), room.take(n), room.take(n * n));
            let (other, b, mu) = (room.take(n * n), room.take(count * n * n), room.take(n));
            let stack = room.stack();
            for (slice, out) in out.chunks_exact_mut(n * n).enumerate() {
                let part = |k: usize| &args[k][slice * n * n..(slice + 1) * n * n];
                if !(symmetrize(part(1), n, a) && eigen(a, w, Some(&mut *v), stack)) {
                    out.fill(T::of(f64::NAN));
                    continue;
                }
                let mut decided = (0, true);
                let (middle, share) = match function {
                    Function::Top(k) => {
                        let top = Top::of(w, k, 0.0);
                        let block = top.block(n);
                        ((block.start, block.end), top.share)
                    }
                    Function::Positive => {
                        let near = n as f64 * epsilon::<T>() * w[0].to_f64().abs().max(w[n - 1].to_f64().abs());
                        let start = w.iter().take_while(|x| x.to_f64() < -near).count();
                        let end = n - w.iter().rev().take_while(|x| x.to_f64() > near).count();
                        decided = (end - start, true);
                        if end > start {
                            // The basis of the null space is turned to the eigenvectors of what decides there.
                            let m = end - start;
                            decide(
                                part(2),
                                n,
                                &mut v[start * n..end * n],
                                (&mut *a, &mut *other, &mut *out),
                                mu,
                                stack,
                            );
                            let (low, high) = (mu[0].to_f64(), mu[m - 1].to_f64());
                            decided.1 = high - low <= 16.0 * n as f64 * epsilon::<T>() * high.abs().max(low.abs());
                        }
                        ((start, end), 0.0)
                    }
                };
                let pieces = Pieces { w, function, middle, share, decided: (&mu[..decided.0], decided.1) };
                // The directions in the eigenvectors' coordinates; vᵀ is what lies in v row after row.
                for d in 0..count {
                    let own = if d == 0 { 0 } else { first + d - 1 };
                    let known = symmetrize(part(own), n, a);
                    product(n, v, false, a, other);
                    let to = &mut b[d * n * n..(d + 1) * n * n];
                    product(
                        n,
                        other,
                        false,
                        {
                            super::factor::transposed(v, n, n, a);
                            a
                        },
                        to,
                    );
                    if !known {
                        to.fill(T::of(f64::NAN));
                    }
                }
                for i in 0..n {
                    for j in 0..=i {
                        let sum = pieces.paths(b, count, &mut [i; MOST + 1], 1, 0, j);
                        (a[i * n + j], a[j * n + i]) = (T::of(sum), T::of(sum));
                    }
                }
                product(n, a, false, v, other);
                product(n, v, true, other, out);
            }
        };
        Kernel::with_scratch(room::<T>(&stretches, stack), run)
    }
}

/// Turns an orthonormal basis, column after column, to the eigenvectors of Vᵀ sym(E) V, whose eigenvalues go to `mu`.
fn decide<T: Field>(
    e: &[T],
    n: usize,
    v: &mut [T],
    (a, b, c): (&mut [T], &mut [T], &mut [T]),
    mu: &mut [T],
    stack: &mut MemStack,
) {
    let m = v.len() / n;
    let inner = |x: &[T], y: &[T]| std::iter::zip(x, y).fold(T::of(0.0), |sum, (x, y)| sum + *x * *y);
    let known = symmetrize(e, n, a);
    for p in 0..m {
        for i in 0..n {
            b[i] = inner(&a[i * n..(i + 1) * n], &v[p * n..(p + 1) * n]);
        }
        for q in 0..m {
            c[p * m + q] = inner(&b[..n], &v[q * n..(q + 1) * n]);
        }
    }
    symmetrize(&c[..m * m], m, a);
    if !known || !eigen(&a[..m * m], &mut mu[..m], Some(&mut b[..m * m]), stack) {
        return mu[..m].fill(T::of(f64::NAN));
    }
    for p in 0..m {
        for i in 0..n {
            c[p * n + i] = (0..m).fold(T::of(0.0), |sum, l| sum + b[p * m + l] * v[l * n + i]);
        }
    }
    v.copy_from_slice(&c[..m * n]);
}
