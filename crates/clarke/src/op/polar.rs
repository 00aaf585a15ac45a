//! Spectral and nuclear norm of matrices, and their tie: `polar`.

use super::axes::batch_tie;
use super::eigen::{Tied, by_selection, count, counted, joined, last_two, selected};
use super::factor::{Field, Room, cubes, epsilon, field_kernels, finite, matrix, room, singular, singular_stack};
use super::spectral::Spectral;
use super::verified;
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample};
use crate::program::tie::{Choice, Convention, Face, Met, Piece, Pieces, Tie};
use crate::tensor::{Boxes, Tensor, size, unravel};

/// `spectral_norm(a) = ‖a‖₂`, the largest singular value, and `nuclear_norm(a) = ‖a‖_*`, their sum, of a matrix or each
/// of a stack. Semialgebraic.
///
/// At ties, for singular values within (m + n)·ε·‖a‖ of each other, or of 0: the spectral norm has {U Z Vᵀ : Z ⪰ 0,
/// tr Z = 1} on the singular vectors of the largest, and at a = 0 the unit ball of the nuclear norm; the nuclear norm has
/// {U Vᵀ + W : ‖W‖₂ ≤ 1, W on the null spaces} where a has not full rank.
#[derive(Debug, Clone)]
pub struct Schatten {
    nuclear: bool,
}

const MATRIX: &[(&str, &[usize])] = &[("a", &[2, 3])];
const STACK: &[(&str, &[usize])] = &[("a", &[2, 2, 2])];

impl Schatten {
    /// The line of the spectral norm in the table of operators.
    pub const SPECTRAL: Entry = Entry {
        name: "spectral_norm",
        signature: "spectral_norm(a)",
        formula: "‖a‖₂, the largest singular value",
        class: "semialgebraic",
        ties: "U Z Vᵀ with Z ⪰ 0, tr Z = 1 where the largest is multiple (within n·ε·‖a‖); {‖·‖_* ≤ 1} at 0",
        source: "numpy.linalg.norm(a, 2); Watson 1992, Theorem 1",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 1, &[])?;
            Ok(call.apply(Schatten { nuclear: false }, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("spectral_norm(a)", MATRIX),
            Sample::new("spectral_norm(a)", STACK),
            Sample::new("spectral_norm((a + 3) * [[0, 1], [1, 0], [0, 0]])", &[("a", &[2])]),
        ],
    };

    /// The line of the nuclear norm.
    pub const NUCLEAR: Entry = Entry {
        name: "nuclear_norm",
        signature: "nuclear_norm(a)",
        formula: "‖a‖_*, the sum of the singular values",
        ties: "U Vᵀ + W with ‖W‖₂ ≤ 1 on the null spaces, where the rank is not full (within n·ε·‖a‖)",
        source: "numpy.linalg.norm(a, 'nuc'); Watson 1992, Theorem 2",
        call: |call| {
            call.expect(1, 1, &[])?;
            Ok(call.apply(Schatten { nuclear: true }, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("nuclear_norm(a)", MATRIX),
            Sample::new("nuclear_norm(a)", STACK),
            Sample::new("nuclear_norm(a * [[0, 1], [1, 0], [0, 0]] + [[0, 3], [0, 0], [0, 0]])", &[("a", &[2])]),
        ],
        ..Schatten::SPECTRAL
    };

    /// How many of the singular values are summed.
    fn terms(&self, m: usize, n: usize) -> usize {
        if self.nuclear { m.min(n) } else { 1 }
    }
}

fn some_matrix(op: &str, shape: &[usize]) -> Result<(), Fault> {
    match shape {
        [.., m, n] if *m > 0 && *n > 0 => Ok(()),
        _ => Err(Fault::Shapes {
            op: op.into(),
            shapes: vec![shape.to_vec()],
            rule: "it takes a matrix that is not empty, or a stack of them along leading axes".into(),
        }),
    }
}

impl Op for Schatten {
    fn name(&self) -> &'static str {
        if self.nuclear { "nuclear_norm" } else { "spectral_norm" }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        some_matrix(self.name(), args[0]).map(|()| matrix(args[0]).0.to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let shape = at.args[0].shape();
        let (_, m, n) = matrix(&shape);
        let tie = || at.args[0].polar(self.terms(m, n));
        Ok(at.tangents[0].map(|dot| tie().guarded_mul(dot).sum_over(&last_two())))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        let (_, m, n) = matrix(args[0].shape());
        Some(verified::singular_value_sum(self.terms(m, n), args[0], shape))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    // The frameworks differentiate the singular values by all the vectors that their decomposition returns, and split
    // evenly where the largest tie.
    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }
}

field_kernels!(Schatten, |_, args, _| 4 * cubes(args[0]));

impl Schatten {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, m, n) = matrix(args[0]);
        let (p, terms) = (m.min(n), self.terms(m, n));
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut room = Room::new(scratch);
            let (a, s) = (room.take(m * n), room.take(p));
            let stack = room.stack();
            for (given, out) in std::iter::zip(args[0].chunks_exact(m * n), out) {
                a.copy_from_slice(given);
                let done = finite(a) && singular(a, (m, n), s, None, stack);
                let sum = || s[..terms].iter().rev().fold(T::of(0.0), |sum, x| sum + *x);
                *out = if done { sum() } else { T::of(f64::NAN) };
            }
        };
        Kernel::with_scratch(room::<T>(&[m * n, p], singular_stack::<T>(m, n, false)), run)
    }
}

/// `polar(u, s)`: Σ uᵢvᵢᵀ over the k largest singular values of u; shape of u. With all of them it is the orthogonal
/// factor of the polar decomposition.
///
/// At a tie of the k-th singular value σ with the next: {U₁V₁ᵀ + U Z Vᵀ : 0 ⪯ Z ⪯ I, tr Z = k − r}; where σ = 0, {U₁V₁ᵀ + W :
/// W on the null spaces, ‖W‖₂ ≤ 1, ‖W‖_* ≤ k − r}. These are the off-diagonal blocks of the sets of `eigen` for
/// [[0, u], [uᵀ, 0]]. A scalar selection stands for the even split, at σ = 0 times the selection (and with the null
/// vectors of the decomposition, which are the unit vectors at u = 0); an array of the shape of u is the element itself.
#[derive(Debug, Clone)]
pub struct Polar {
    k: usize,
}

impl Polar {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "polar",
        signature: "polar(u, s, k)",
        formula: "Σ uᵢvᵢᵀ over the k largest singular values",
        class: "semialgebraic, discontinuous",
        ties: "U₁V₁ᵀ + U Z Vᵀ, or U₁V₁ᵀ + W where the k-th is 0, within n·ε·‖u‖",
        source: "Watson 1992",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["k"])?;
            Ok(call.apply(Polar { k: counted(call, 2, "singular values")? }, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

/// [[0, x], [xᵀ, 0]].
fn dilated<'p>(x: Var<'p>) -> Var<'p> {
    let shape = x.shape();
    let (lead, m, n) = matrix(&shape);
    let (rows, columns) = (x.rank() - 2, x.rank() - 1);
    let zero = |k: usize| x.constant(0.0).broadcast_to(&[lead, &[k, k]].concat());
    let (top, bottom) =
        (zero(m).concatenate(&[x], columns), super::definite::swapped(x).concatenate(&[zero(n)], columns));
    top.concatenate(&[bottom], rows)
}

impl Op for Polar {
    fn name(&self) -> &'static str {
        "polar"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("k", Param::Int(self.k as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        some_matrix("polar", args[0])?;
        let (_, m, n) = matrix(args[0]);
        count("polar", self.k, m.min(n))?;
        selected("polar", args)?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).semialgebraic().bounded()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (u, s) = (at.args[0], at.args[1]);
        let shape = u.shape();
        let (_, m, n) = matrix(&shape);
        let by_u = at.tangents[0].map(|dot| {
            let whole = dilated(dot).apply_with(Spectral::top(self.k), &[dilated(u)]);
            whole.slice(u.rank() - 2, ..m).slice(u.rank() - 1, m..m + n) * 2.0
        });
        Ok(joined(by_u, at.tangents[1].map(|dot| by_selection(self.clone(), u, s, dot))))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(self.clone(), at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

field_kernels!(Polar, |_, args, _| 23 * cubes(args[0]));

impl Polar {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, m, n) = matrix(args[0]);
        let (k, p) = (self.k, m.min(n));
        let selected = selected("polar", args).expect("a selection's shape was checked with the shape");
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut room = Room::new(scratch);
            let (a, s, u, v) = (room.take(m * n), room.take(p), room.take(m * p), room.take(n * p));
            let stack = room.stack();
            for (slice, (given, out)) in
                std::iter::zip(args[0].chunks_exact(m * n), out.chunks_exact_mut(m * n)).enumerate()
            {
                a.copy_from_slice(given);
                if !(finite(a) && singular(a, (m, n), s, Some((&mut *u, &mut *v)), stack)) {
                    out.fill(T::of(f64::NAN));
                    continue;
                }
                let near = (m + n) as f64 * epsilon::<T>() * s[0].to_f64();
                let own = s[k - 1].to_f64();
                let vanishes = own <= near;
                let larger = s.iter().filter(|x| x.to_f64() > own + near).count();
                let equal = s.iter().filter(|x| (x.to_f64() - own).abs() <= near).count();
                let mut share = (k - larger) as f64 / equal as f64;
                if vanishes || share < 1.0 {
                    if selected.is_each() {
                        out.copy_from_slice(&args[1][slice * m * n..(slice + 1) * m * n]);
                        continue;
                    }
                    share *= if vanishes { selected.at(args[1], slice).to_f64() } else { 1.0 };
                }
                if s[0] == T::of(0.0) {
                    // Every orthonormal basis will do.
                    let unit =
                        |i: usize, length: usize| T::of(f64::from(i.is_multiple_of(length + 1) && i < length * p));
                    u.iter_mut().enumerate().for_each(|(i, x)| *x = unit(i, m));
                    v.iter_mut().enumerate().for_each(|(i, x)| *x = unit(i, n));
                }
                out.fill(T::of(0.0));
                for l in 0..larger + equal {
                    let c = T::of(if l < larger { 1.0 } else { share });
                    for i in 0..m {
                        let x = c * u[l * m + i];
                        for j in 0..n {
                            out[i * n + j] += x * v[l * n + j];
                        }
                    }
                }
            }
        };
        Kernel::with_scratch(room::<T>(&[m * n, p, m * p, n * p], singular_stack::<T>(m, n, true)), run)
    }

    /// The tie of one matrix as that of its dilation.
    fn tied(&self, a: &[f64], m: usize, n: usize, tolerance: f64) -> Option<Tied> {
        Tied::of(&dilation(a, m, n), m + n, self.k, tolerance)
    }

    /// An array of selections, made matrix by matrix where there is a tie.
    fn select(&self, u: &Tensor, mut element: impl FnMut(usize, &Tied) -> Vec<f64>) -> Tensor {
        let (lead, m, n) = matrix(u.shape());
        let mut s = Tensor::full(u.shape(), 0.0);
        for k in 0..size(lead) {
            let own = k * m * n..(k + 1) * m * n;
            if let Some(tied) = self.tied(&u.data()[own.clone()], m, n, 0.0) {
                let whole = element(k, &tied);
                let block = (0..m * n).map(|l| 2.0 * whole[(l / n) * (m + n) + m + l % n]);
                s.data_mut()[own].iter_mut().zip(block).for_each(|(x, y)| *x = y);
            }
        }
        s
    }
}

/// [[0, a], [aᵀ, 0]] in numbers.
fn dilation(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    let size = m + n;
    let mut whole = vec![0.0; size * size];
    for i in 0..m {
        for j in 0..n {
            whole[i * size + m + j] = a[i * n + j];
            whole[(m + j) * size + i] = a[i * n + j];
        }
    }
    whole
}

impl Tie for Polar {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (lead, m, n) = matrix(u.shape());
        let met = |(k, a): (usize, &[f64])| {
            let tied = self.tied(a, m, n, tolerance)?;
            // Of one number it is the sign, with two pieces.
            let pieces = (m == 1 && n == 1).then_some(2);
            Some(Met { index: unravel(k, lead), pieces, distance: tied.distance, beyond: f64::INFINITY })
        };
        u.data().chunks_exact(m * n).enumerate().filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        self.select(u, |_, tied| tied.random(uniform))
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        let (_, m, n) = matrix(u.shape());
        self.select(u, |k, tied| {
            let dots: Vec<Vec<f64>> =
                dots.iter().map(|d| dilation(&d.data()[k * m * n..(k + 1) * m * n], m, n)).collect();
            tied.resolve(&dots.iter().map(Vec::as_slice).collect::<Vec<_>>())
        })
    }

    // Between its ties the value turns with the argument.
    fn names_piece(&self) -> bool {
        false
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (lead, m, n) = matrix(u.shape());
        let face = |(k, a): (usize, &[f64])| {
            self.tied(a, m, n, 0.0)?;
            let sign = |x: f64| Piece { values: vec![x], forms: Some(vec![vec![(k, x)]]) };
            let pieces = match m * n {
                1 => Pieces::List(vec![sign(-1.0), sign(1.0)]),
                _ => Pieces::Body { bound: 1.0 },
            };
            Some(Face { index: unravel(k, lead), entries: (k * m * n..(k + 1) * m * n).collect(), pieces })
        };
        u.data().chunks_exact(m * n).enumerate().filter_map(face).collect()
    }

    // As for eigenvalues, through the dilation.
    fn maximize(&self, u: &Tensor, g: &Tensor) -> Option<Tensor> {
        Some(self.resolve(u, std::slice::from_ref(g)))
    }
}

impl<'p> Var<'p> {
    /// The largest singular value, see [`Schatten`].
    #[track_caller]
    pub fn spectral_norm(self) -> Var<'p> {
        self.apply(Schatten { nuclear: false })
    }

    /// The sum of the singular values, see [`Schatten`].
    #[track_caller]
    pub fn nuclear_norm(self) -> Var<'p> {
        self.apply(Schatten { nuclear: true })
    }

    /// The tie `polar`: Σ uᵢvᵢᵀ over the k largest singular values, a selection where the k-th is multiple or 0; of this
    /// shape. Only inside the derivative of an operator.
    pub fn polar(self, k: usize) -> Var<'p> {
        self.tie_of(Polar { k })
    }
}
