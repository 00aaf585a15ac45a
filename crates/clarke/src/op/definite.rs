//! The inverse, and what the Cholesky factorization of a positive definite matrix gives.

use super::axes::Axes;
use super::factor::{
    Field, Room, cholesky, cholesky_stack, cubes, exchanging, exchanging_stack, field_kernels, matrices, matrix, room,
    symmetrize,
};
use super::verified;
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample};
use crate::tensor::{Boxes, Tensor};
use faer::dyn_stack::StackReq;
use faer::linalg::cholesky::llt;
use faer::linalg::lu::partial_pivoting as lu;
use faer::{MatMut, MatRef, Par};

/// Square matrices, or why not.
pub(super) fn square(op: &str, shape: &[usize]) -> Result<(), Fault> {
    match shape {
        [.., m, n] if m == n => Ok(()),
        _ => Err(Fault::Shapes {
            op: op.into(),
            shapes: vec![shape.to_vec()],
            rule: "it takes a square matrix, or a stack of them along leading axes".into(),
        }),
    }
}

/// (A + Aᵀ)/2.
pub(super) fn symmetric_part<'p>(a: Var<'p>) -> Var<'p> {
    (a + swapped(a)) * 0.5
}

/// The matrices transposed.
pub(super) fn swapped<'p>(a: Var<'p>) -> Var<'p> {
    let mut axes: Vec<usize> = (0..a.rank()).collect();
    let n = axes.len();
    axes.swap(n - 2, n - 1);
    a.transpose(&axes)
}

/// `inv(a)`: the inverse of a square matrix, or of each of a stack. Semialgebraic.
///
/// With `positive=True` the matrix is positive definite, (a + aᵀ)/2 is inverted, and the cost is half. A matrix that is
/// singular (not positive definite) gives NaN. `solve(a, b)` is faster and more accurate than `inv(a) @ b`. Cost: 2n³.
#[derive(Debug, Clone)]
pub struct Inv {
    positive: bool,
}

impl Inv {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "inv",
        signature: "inv(a, positive=False)",
        formula: "a⁻¹",
        class: "semialgebraic",
        ties: "",
        source: "numpy.linalg.inv",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["positive"])?;
            Ok(call.apply(Inv { positive: flag(call, "positive", 1)? }, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("inv(a + 6 * [[1, 0], [0, 1]])", &[("a", &[2, 2])]).on(-1.75, 1.75),
            Sample::new("inv(a + 6 * [[0, 1], [1, 0]])", &[("a", &[3, 2, 2])]).on(-1.75, 1.75),
            Sample::new("inv(a + 6 * [[1, 0], [0, 1]], positive=True)", &[("a", &[2, 2])]).on(-1.75, 1.75),
        ],
    };
}

fn flag(call: &Call<'_, '_>, name: &str, position: usize) -> Result<bool> {
    match call.optional(name, position) {
        None => Ok(false),
        Some(Value::Flag(b)) => Ok(*b),
        Some(_) => Err(call.fault(format!("`{name}` must be True or False"))),
    }
}

impl Op for Inv {
    fn name(&self) -> &'static str {
        "inv"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        if self.positive { vec![("positive", Param::Flag(true))] } else { vec![] }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square("inv", args[0]).map(|()| args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic().unbounded()
    }

    // −X Ȧ X.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let seen = |dot| if self.positive { symmetric_part(dot) } else { dot };
        Ok(at.tangents[0].map(|dot| -at.out.matmul(seen(dot)).matmul(at.out)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn enclose(&self, args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        Some(verified::inverse(self.positive, args[0]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

field_kernels!(Inv, |_, args, _| 2 * cubes(args[0]));

impl Inv {
    /// The inverse of one matrix, for analyses that may allocate. None if it is singular.
    pub(super) fn of(a: &[f64], n: usize) -> Option<Vec<f64>> {
        let kernel = Inv { positive: false }.kernel::<f64>(&[&[n, n]], &[n, n]);
        let (mut out, mut scratch) = (vec![0.0; n * n], vec![0.0; kernel.scratch]);
        (kernel.run)(&[a], &mut out, &mut scratch);
        out.iter().all(|x| x.is_finite()).then_some(out)
    }

    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let positive = self.positive;
        let stack = if positive {
            StackReq::any_of(&[cholesky_stack::<T>(n), llt::inverse::inverse_scratch::<T>(n, Par::Seq)])
        } else {
            exchanging_stack::<T>(n, lu::inverse::inverse_scratch::<usize, T>(n, Par::Seq))
        };
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            if n == 0 {
                return;
            }
            let mut room = Room::new(scratch);
            let (a, x) = (room.take(n * n), room.take(n * n));
            let stack = room.stack();
            for (given, out) in std::iter::zip(args[0].chunks_exact(n * n), out.chunks_exact_mut(n * n)) {
                let done = if positive {
                    let done = symmetrize(given, n, a) && cholesky(a, n, stack);
                    if done {
                        let (factor, inverse) =
                            (MatRef::from_column_major_slice(a, n, n), MatMut::from_column_major_slice_mut(x, n, n));
                        llt::inverse::inverse(inverse, factor, Par::Seq, stack);
                        // Its lower triangle was written.
                        for j in 0..n {
                            (0..j).for_each(|i| x[j * n + i] = x[i * n + j]);
                        }
                    }
                    done
                } else {
                    // What is row after row is, column after column, the transpose; so is its inverse.
                    a.copy_from_slice(given);
                    let mut done = false;
                    exchanging(a, n, stack, |factored, stack| {
                        if let Some((factors, perm)) = factored {
                            let inverse = MatMut::from_column_major_slice_mut(&mut *x, n, n);
                            lu::inverse::inverse(inverse, factors, factors, perm, Par::Seq, stack);
                            done = true;
                        }
                    });
                    done
                };
                if done { out.copy_from_slice(x) } else { out.fill(T::of(f64::NAN)) }
            }
        };
        Kernel::with_scratch(room::<T>(&[n * n, n * n], stack), run)
    }
}

/// `cholesky(a)`: the lower triangular L with positive diagonal and L Lᵀ = (a + aᵀ)/2, zero above. Semialgebraic.
///
/// A matrix that is not positive definite gives NaN. Both triangles of the argument count alike, as in JAX (numpy and
/// PyTorch read the lower one; for symmetric matrices there is no difference). Cost: n³/3.
#[derive(Debug, Clone)]
pub struct Cholesky;

impl Cholesky {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "cholesky",
        signature: "cholesky(a)",
        formula: "the lower triangular L with L Lᵀ = (a + aᵀ)/2",
        class: "semialgebraic",
        ties: "",
        source: "jax.numpy.linalg.cholesky; Murray 2016, arXiv:1602.07527",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 1, &[])?;
            Ok(call.apply(Cholesky, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("cholesky(a + 6 * [[1, 0], [0, 1]])", &[("a", &[2, 2])]).on(-1.75, 1.75),
            Sample::new("cholesky(a + 6 * [[1, 0], [0, 1]])", &[("a", &[2, 2, 2])]).on(-1.75, 1.75),
        ],
    };
}

impl Op for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square("cholesky", args[0]).map(|()| args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    // L Φ(L⁻¹ Ȧ L⁻ᵀ), where Φ keeps the lower triangle and half of the diagonal.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let l = at.out;
        let n = l.shape()[l.rank() - 1];
        let half = Tensor::from_fn(&[n, n], |k| match (k / n).cmp(&(k % n)) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        });
        Ok(at.tangents[0].map(|dot| {
            let left = l.solve_triangular(symmetric_part(dot), true, false);
            let both = l.solve_triangular(swapped(left), true, false);
            l.matmul(both * l.constant(half))
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Cholesky))
    }

    fn enclose(&self, args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        Some(verified::cholesky(args[0]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

field_kernels!(Cholesky, |_, args, _| cubes(args[0]) / 3);

impl Cholesky {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            if n == 0 {
                return;
            }
            let mut room = Room::new(scratch);
            let a = room.take(n * n);
            let stack = room.stack();
            for (given, out) in std::iter::zip(args[0].chunks_exact(n * n), out.chunks_exact_mut(n * n)) {
                if symmetrize(given, n, a) && cholesky(a, n, stack) {
                    for (k, x) in out.iter_mut().enumerate() {
                        let (i, j) = (k / n, k % n);
                        *x = if j <= i { a[j * n + i] } else { T::of(0.0) };
                    }
                } else {
                    out.fill(T::of(f64::NAN));
                }
            }
        };
        Kernel::with_scratch(room::<T>(&[n * n], cholesky_stack::<T>(n)), run)
    }
}

/// `logdet(a) = log det (a + aᵀ)/2` of a positive definite matrix, or of each of a stack. Definable.
///
/// A matrix that is not positive definite gives NaN. Cost: n³/3; the gradient is the inverse.
#[derive(Debug, Clone)]
pub struct LogDet;

impl LogDet {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "logdet",
        signature: "logdet(a)",
        formula: "log det (a + aᵀ)/2",
        class: "definable",
        ties: "",
        source: "torch.logdet; Boyd, Vandenberghe 2004, A.4.1",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 1, &[])?;
            Ok(call.apply(LogDet, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("logdet(a + 6 * [[1, 0], [0, 1]])", &[("a", &[2, 2])]).on(-1.75, 1.75),
            Sample::new("logdet(a + 6 * [[1, 0], [0, 1]])", &[("a", &[3, 2, 2])]).on(-1.75, 1.75),
        ],
    };
}

impl Op for LogDet {
    fn name(&self) -> &'static str {
        "logdet"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square("logdet", args[0]).map(|()| matrix(args[0]).0.to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].definable().unbounded()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let inverse = || at.args[0].apply(Inv { positive: true });
        Ok(at.tangents[0].map(|dot| (inverse() * dot).sum_over(&Axes::many(&[-2, -1]))))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(LogDet))
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        Some(verified::logdet(args[0], shape))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

field_kernels!(LogDet, |_, args, _| cubes(args[0]) / 3);

impl LogDet {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let count = matrices(args[0]);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut room = Room::new(scratch);
            let a = room.take(n * n);
            let stack = room.stack();
            for (k, out) in out.iter_mut().enumerate().take(count) {
                let given = &args[0][k * n * n..(k + 1) * n * n];
                *out = if n == 0 {
                    T::of(0.0)
                } else if symmetrize(given, n, a) && cholesky(a, n, stack) {
                    T::of((0..n).map(|i| 2.0 * a[i * n + i].to_f64().ln()).sum())
                } else {
                    T::of(f64::NAN)
                };
            }
        };
        Kernel::with_scratch(room::<T>(&[n * n], cholesky_stack::<T>(n)), run)
    }
}

impl<'p> Var<'p> {
    /// The inverse, see [`Inv`].
    #[track_caller]
    pub fn inv(self) -> Var<'p> {
        self.apply(Inv { positive: false })
    }

    /// The lower triangular factor of a positive definite matrix, see [`Cholesky`].
    #[track_caller]
    pub fn cholesky(self) -> Var<'p> {
        self.apply(Cholesky)
    }

    /// The logarithm of the determinant of a positive definite matrix, see [`LogDet`].
    #[track_caller]
    pub fn logdet(self) -> Var<'p> {
        self.apply(LogDet)
    }
}
