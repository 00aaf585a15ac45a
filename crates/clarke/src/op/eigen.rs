//! The largest eigenvalues of symmetric matrices, and their tie: `eigen`.

use super::axes::{Axes, Selected, batch_tie};
use super::definite::square;
use super::factor::{
    Field, Room, cubes, eigen, eigen_of, eigen_stack, epsilon, field_kernels, matrix, room, symmetrize,
};
use super::spectral::Spectral;
use super::verified;
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample};
use crate::program::tie::{Choice, Convention, Face, Met, Pieces, Tie};
use crate::tensor::{Boxes, Tensor, size, unravel};

/// The last two axes.
pub(super) fn last_two() -> Axes {
    Axes::many(&[-2, -1])
}

/// A count of eigenvalues between 1 and the size of the matrix.
pub(super) fn count(op: &str, k: usize, n: usize) -> Result<(), Fault> {
    if (1..=n).contains(&k) {
        return Ok(());
    }
    let rule = format!("the matrix has {n} of them, and at least one is asked for");
    Err(Fault::Parameter { op: op.into(), parameter: "k".into(), value: k.to_string(), rule })
}

/// A count in a call: of what the operator sums.
pub(super) fn counted(call: &Call<'_, '_>, position: usize, what: &str) -> Result<usize> {
    usize::try_from(call.int("k", position, None)?).map_err(|_| call.fault(format!("`k` counts {what}")))
}

/// How the selection of a tie of matrices is read.
pub(super) fn selected(tie: &str, args: &[&[usize]]) -> Result<Selected, Fault> {
    Selected::of(tie, args[1], args[0], &last_two().kept(args[0]))
}

/// `eigvalsh_max(a)`: the largest eigenvalue of (a + aᵀ)/2, of a matrix or each of a stack. Semialgebraic.
///
/// At a multiple eigenvalue: {V Z Vᵀ : Z ⪰ 0, tr Z = 1}, the columns of V an orthonormal basis of its eigenspace.
/// Eigenvalues are multiple if they are within n·ε·‖a‖ of each other: rounding never leaves them equal.
#[derive(Debug, Clone)]
pub struct EigvalshMax;

const DIAGONAL: Sample = Sample::new("eigvalsh_max(a * [[1, 0], [0, 1]])", &[("a", &[2])]);
const MATRIX: &[(&str, &[usize])] = &[("a", &[3, 3])];

impl EigvalshMax {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "eigvalsh_max",
        signature: "eigvalsh_max(a)",
        formula: "the largest eigenvalue of (a + aᵀ)/2",
        class: "semialgebraic",
        ties: "V Z Vᵀ with Z ⪰ 0, tr Z = 1 on the eigenspace, where the largest is multiple (within n·ε·‖a‖)",
        source: "numpy.linalg.eigvalsh; Overton 1992; Lewis 1999, Theorem 5.2",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 1, &[])?;
            Ok(call.apply(EigvalshMax, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("eigvalsh_max(a)", MATRIX),
            Sample::new("eigvalsh_max(a)", &[("a", &[2, 2, 2])]),
            DIAGONAL,
        ],
    };
}

impl Op for EigvalshMax {
    fn name(&self) -> &'static str {
        "eigvalsh_max"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        EigvalshSum { k: 1 }.shape(args)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        Some(args[0].eigvalsh_sum(1))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(EigvalshMax))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

/// `eigvalsh_sum(a, k)`: the sum of the k largest eigenvalues of (a + aᵀ)/2, with multiplicity. Semialgebraic.
///
/// At ties, where the k-th largest equals the next: {V₁V₁ᵀ + V Z Vᵀ : 0 ⪯ Z ⪯ I, tr Z = k − r}, V₁ for the r larger ones
/// and V for the eigenspace of the k-th. Equal means within n·ε·‖a‖. Errors: k is not between 1 and n.
#[derive(Debug, Clone)]
pub struct EigvalshSum {
    k: usize,
}

impl EigvalshSum {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "eigvalsh_sum",
        signature: "eigvalsh_sum(a, k)",
        formula: "the sum of the k largest eigenvalues of (a + aᵀ)/2",
        class: "semialgebraic",
        ties: "V₁V₁ᵀ + V Z Vᵀ with 0 ⪯ Z ⪯ I, tr Z = k − r, where the k-th equals the next (within n·ε·‖a‖)",
        source: "Fan 1949; Overton, Womersley 1993, Theorem 3.5",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["k"])?;
            Ok(call.apply(EigvalshSum { k: counted(call, 1, "eigenvalues")? }, &[call.var(0)?]))
        },
        samples: &[
            Sample::new("eigvalsh_sum(a, 2)", MATRIX),
            Sample::new("eigvalsh_sum(a * [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 2)", &[("a", &[3])]),
            Sample::new("eigvalsh_sum(a, 2)", &[("a", &[2, 2, 2])]),
        ],
    };
}

impl Op for EigvalshSum {
    fn name(&self) -> &'static str {
        "eigvalsh_sum"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("k", Param::Int(self.k as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square(self.name(), args[0])?;
        let (lead, n, _) = matrix(args[0]);
        count(self.name(), self.k, n).map(|()| lead.to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let tie = || at.args[0].eigen(self.k);
        Ok(at.tangents[0].map(|dot| tie().guarded_mul(dot).sum_over(&last_two())))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        Some(verified::eigenvalue_sum(self.k, args[0], shape))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    // The frameworks take the last of the eigenvectors that their decomposition happens to return.
    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        inner.unwrap_or(Choice::plain(if convention == Convention::MinNorm { 0.0 } else { 1.0 }))
    }
}

field_kernels!(EigvalshSum, |_, args, _| 4 * cubes(args[0]) / 3);

impl EigvalshSum {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let k = self.k;
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut room = Room::new(scratch);
            let (a, w) = (room.take(n * n), room.take(n));
            let stack = room.stack();
            for (given, out) in std::iter::zip(args[0].chunks_exact(n * n), out) {
                let done = symmetrize(given, n, a) && eigen(a, w, None, stack);
                let sum = || w[n - k..].iter().rev().fold(T::of(0.0), |sum, x| sum + *x);
                *out = if done { sum() } else { T::of(f64::NAN) };
            }
        };
        Kernel::with_scratch(room::<T>(&[n * n, n], eigen_stack::<T>(n, false)), run)
    }
}

/// Which of the eigenvalues in ascending order are surely among the k largest, and which are equal to the k-th.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Top {
    /// How many are larger than the k-th.
    pub larger: usize,
    /// How many are equal to the k-th.
    pub equal: usize,
    /// How much of each equal one is taken if all are treated alike.
    pub share: f64,
}

impl Top {
    /// Eigenvalues within `tolerance` beyond rounding count as equal.
    pub fn of<T: Field>(w: &[T], k: usize, tolerance: f64) -> Top {
        let n = w.len();
        let largest = w[0].to_f64().abs().max(w[n - 1].to_f64().abs());
        let near = n as f64 * epsilon::<T>() * largest + tolerance;
        let own = w[n - k].to_f64();
        let larger = w.iter().filter(|x| x.to_f64() > own + near).count();
        let equal = w.iter().filter(|x| (x.to_f64() - own).abs() <= near).count();
        Top { larger, equal, share: (k - larger) as f64 / equal as f64 }
    }

    /// Whether there is a choice.
    pub fn is_tie(&self) -> bool {
        self.share < 1.0
    }

    /// Positions of the equal ones among n in ascending order.
    pub fn block(&self, n: usize) -> std::ops::Range<usize> {
        n - self.larger - self.equal..n - self.larger
    }
}

/// Adds c·v vᵀ.
fn add_square<T: Field>(to: &mut [T], c: f64, v: &[T]) {
    let n = v.len();
    for i in 0..n {
        let x = T::of(c * v[i].to_f64());
        for j in 0..n {
            to[i * n + j] += x * v[j];
        }
    }
}

/// `eigen(u, s)`: Σ vᵢvᵢᵀ over the k largest eigenvalues of (u + uᵀ)/2; shape of u.
///
/// At a tie: the set of [`EigvalshSum`]. A scalar selection λ stands for (1 − λ)·(the even split, Z = (k − r)/m · I) + λ·(the
/// last vectors of an orthonormal basis of the eigenspace, which is taken along the unit vectors from the last one on);
/// an array of the shape of u is the element itself. Ties are met within n·ε·‖u‖.
#[derive(Debug, Clone)]
pub struct Eigen {
    k: usize,
}

impl Eigen {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "eigen",
        signature: "eigen(u, s, k)",
        formula: "Σ vᵢvᵢᵀ over the k largest eigenvalues",
        class: "semialgebraic, discontinuous",
        ties: "V₁V₁ᵀ + V Z Vᵀ with 0 ⪯ Z ⪯ I, tr Z = k − r, within n·ε·‖u‖",
        source: "Overton, Womersley 1993, Theorem 3.5",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["k"])?;
            Ok(call.apply(Eigen { k: counted(call, 2, "eigenvalues")? }, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Op for Eigen {
    fn name(&self) -> &'static str {
        "eigen"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("k", Param::Int(self.k as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square("eigen", args[0])?;
        count("eigen", self.k, matrix(args[0]).1)?;
        selected("eigen", args)?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).semialgebraic().bounded()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (u, s) = (at.args[0], at.args[1]);
        let by_u = at.tangents[0].map(|dot| dot.apply_with(Spectral::top(self.k), &[u]));
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

/// The sum of what is there.
pub(super) fn joined<'p>(a: Option<Var<'p>>, b: Option<Var<'p>>) -> Option<Var<'p>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// The tangent of a tie that is affine in its selection, by that of the selection: of a number, which moves all entries,
/// or of an array, each entry of which moves its own.
pub(super) fn by_selection<'p>(tie: impl Op + Clone, u: Var<'p>, s: Var<'p>, dot: Var<'p>) -> Var<'p> {
    let at = |x: f64| u.apply_with(tie.clone(), &[u.constant(Tensor::full(&s.shape(), x))]);
    (at(1.0) - at(0.0)) * dot
}

field_kernels!(Eigen, |_, args, _| 9 * cubes(args[0]));

impl Eigen {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let k = self.k;
        let selected = selected("eigen", args).expect("a selection's shape was checked with the shape");
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let mut room = Room::new(scratch);
            let (a, w, v) = (room.take(n * n), room.take(n), room.take(n * n));
            let stack = room.stack();
            for (slice, (given, out)) in
                std::iter::zip(args[0].chunks_exact(n * n), out.chunks_exact_mut(n * n)).enumerate()
            {
                if !(symmetrize(given, n, a) && eigen(a, w, Some(&mut *v), stack)) {
                    out.fill(T::of(f64::NAN));
                    continue;
                }
                let top = Top::of(w, k, 0.0);
                if top.is_tie() && selected.is_each() {
                    out.copy_from_slice(&args[1][slice * n * n..(slice + 1) * n * n]);
                    continue;
                }
                let blend = if top.is_tie() { selected.at(args[1], slice).to_f64() } else { 0.0 };
                out.fill(T::of(0.0));
                for i in top.block(n) {
                    add_square(out, 1.0, &v[i * n..(i + 1) * n]);
                }
                if blend != 0.0 {
                    a.copy_from_slice(out);
                }
                if top.share < 1.0 {
                    let c = T::of((1.0 - blend) * top.share);
                    out.iter_mut().for_each(|x| *x *= c);
                }
                for i in n - top.larger..n {
                    add_square(out, 1.0, &v[i * n..(i + 1) * n]);
                }
                if blend != 0.0 {
                    add_last(out, blend, a, k - top.larger, w);
                }
            }
        };
        Kernel::with_scratch(room::<T>(&[n * n, n, n * n], eigen_stack::<T>(n, true)), run)
    }
}

/// Adds c·Σ vvᵀ over the `count` last vectors of a basis of the space that `projector` projects on: it goes along the
/// unit vectors, from the last one on, as soon as they lie in the space for at least half of what any does.
fn add_last<T: Field>(to: &mut [T], c: f64, projector: &mut [T], count: usize, v: &mut [T]) {
    let n = v.len();
    for _ in 0..count {
        let most = (0..n).map(|j| projector[j * n + j].to_f64()).fold(0.0, f64::max);
        let Some(j) = (0..n).rev().find(|j| projector[j * n + j].to_f64() >= 0.5 * most) else { return };
        let length = projector[j * n + j].to_f64().sqrt();
        for i in 0..n {
            v[i] = T::of(projector[j * n + i].to_f64() / length);
        }
        add_square(to, c, v);
        add_square(projector, -1.0, v);
    }
}

/// A symmetric matrix with what is tied in it, for analyses.
pub(super) struct Tied {
    n: usize,
    v: Vec<f64>,
    top: Top,
    k: usize,
    /// How far the tied eigenvalues are apart, 0 if that is rounding.
    pub distance: f64,
}

impl Tied {
    /// The tie in the sum of the k largest eigenvalues, if there is one.
    pub fn of(a: &[f64], n: usize, k: usize, tolerance: f64) -> Option<Tied> {
        let (w, v) = eigen_of(a, n)?;
        let top = Top::of(&w, k, tolerance);
        if !top.is_tie() {
            return None;
        }
        let block = top.block(n);
        let spread = w[block.end - 1] - w[block.start];
        let rounding = 2.0 * n as f64 * f64::EPSILON * w[0].abs().max(w[n - 1].abs());
        Some(Tied { n, v, top, k, distance: if spread <= rounding { 0.0 } else { spread } })
    }

    fn vector(&self, i: usize) -> &[f64] {
        &self.v[i * self.n..(i + 1) * self.n]
    }

    /// V₁V₁ᵀ: what is the same in all elements.
    fn fixed(&self) -> Vec<f64> {
        let mut g = vec![0.0; self.n * self.n];
        (self.n - self.top.larger..self.n).for_each(|i| add_square(&mut g, 1.0, self.vector(i)));
        g
    }

    /// Adds V Z Vᵀ, with the columns of V one after another.
    fn add_within(&self, g: &mut [f64], v: &[f64], z: &[f64]) {
        let (n, m) = (self.n, v.len() / self.n);
        for p in 0..m {
            for q in 0..m {
                for i in 0..n {
                    for j in 0..n {
                        g[i * n + j] += v[p * n + i] * z[p * m + q] * v[q * n + j];
                    }
                }
            }
        }
    }

    /// An element from the relative interior.
    pub fn random(&self, uniform: &mut dyn FnMut() -> f64) -> Vec<f64> {
        let m = self.top.equal;
        let mut s = vec![0.0; m * m];
        for i in 0..m {
            for j in 0..=i {
                let x = 2.0 * uniform() - 1.0;
                (s[i * m + j], s[j * m + i]) = (x, x);
            }
        }
        // The even split, moved by a matrix of trace 0 that is too short to reach the boundary.
        let mean = (0..m).map(|i| s[i * m + i]).sum::<f64>() / m as f64;
        (0..m).for_each(|i| s[i * m + i] -= mean);
        let length = s.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let (share, reach) = (self.top.share, self.top.share.min(1.0 - self.top.share));
        let step = uniform() * reach / length;
        let z: Vec<f64> =
            s.iter().enumerate().map(|(k, x)| step * x + if k % (m + 1) == 0 { share } else { 0.0 }).collect();
        let mut g = self.fixed();
        let block = self.top.block(self.n);
        self.add_within(&mut g, &self.v[block.start * self.n..block.end * self.n], &z);
        g
    }

    /// The element that directions decide: in the eigenspace of the k-th, the top eigenvectors of Vᵀ Ḋ V, and so on; an
    /// even split where none tells eigenvectors apart.
    pub fn resolve(&self, dots: &[&[f64]]) -> Vec<f64> {
        let mut g = self.fixed();
        let block = self.top.block(self.n);
        let mut basis = self.v[block.start * self.n..block.end * self.n].to_vec();
        let (n, mut left) = (self.n, self.k - self.top.larger);
        for dot in dots {
            let m = basis.len() / n;
            let scale = dot.iter().fold(0.0, |s: f64, x| s.max(x.abs()));
            let Some((w, q)) = eigen_of(&within(dot, &basis, n), m) else { break };
            let top = Top::of(&w, left, 64.0 * n as f64 * f64::EPSILON * scale);
            let rotated: Vec<f64> = (0..m)
                .flat_map(|p| {
                    let (basis, q) = (&basis, &q);
                    (0..n).map(move |i| (0..m).map(|l| q[p * m + l] * basis[l * n + i]).sum::<f64>())
                })
                .collect();
            (m - top.larger..m).for_each(|p| add_square(&mut g, 1.0, &rotated[p * n..(p + 1) * n]));
            left -= top.larger;
            let block = top.block(m);
            basis = rotated[block.start * n..block.end * n].to_vec();
            if !top.is_tie() {
                break;
            }
        }
        let m = basis.len() / n;
        basis.chunks_exact(n).for_each(|v| add_square(&mut g, left as f64 / m as f64, v));
        g
    }
}

/// Vᵀ D V, with the columns of V one after another.
pub(super) fn within(d: &[f64], v: &[f64], n: usize) -> Vec<f64> {
    let m = v.len() / n;
    let image: Vec<f64> =
        v.chunks_exact(n).flat_map(|v| (0..n).map(move |i| (0..n).map(|j| d[i * n + j] * v[j]).sum::<f64>())).collect();
    let entry = |p: usize, q: usize| (0..n).map(|i| v[p * n + i] * image[q * n + i]).sum::<f64>();
    (0..m * m).map(|k| entry(k / m, k % m)).collect()
}

impl Tie for Eigen {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (lead, n, _) = matrix(u.shape());
        let each = u.data().chunks_exact(n * n).enumerate();
        let met = |(k, a)| {
            let tied = Tied::of(a, n, self.k, tolerance)?;
            Some(Met { index: unravel(k, lead), pieces: None, distance: tied.distance, beyond: f64::INFINITY })
        };
        each.filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        self.select(u, |_, tied| tied.random(uniform))
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        let (_, n, _) = matrix(u.shape());
        self.select(u, |k, tied| {
            tied.resolve(&dots.iter().map(|d| &d.data()[k * n * n..(k + 1) * n * n]).collect::<Vec<_>>())
        })
    }

    // Between its ties the value turns with the argument.
    fn names_piece(&self) -> bool {
        false
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (lead, n, _) = matrix(u.shape());
        let face = |(k, a): (usize, &[f64])| {
            Tied::of(a, n, self.k, 0.0)?;
            let entries = (k * n * n..(k + 1) * n * n).collect();
            Some(Face { index: unravel(k, lead), entries, pieces: Pieces::Body { bound: 1.0 } })
        };
        u.data().chunks_exact(n * n).enumerate().filter_map(face).collect()
    }

    // The eigenvalues of the tied block become their mean.
    fn snap(&self, u: &Tensor, tolerance: f64) -> Option<Tensor> {
        let (_, n, _) = matrix(u.shape());
        let mut snapped = u.clone();
        for a in snapped.data_mut().chunks_exact_mut(n * n) {
            let Some(tied) = Tied::of(a, n, self.k, tolerance) else { continue };
            let (mut w, _) = eigen_of(a, n)?;
            let block = tied.top.block(n);
            let mean = w[block.clone()].iter().sum::<f64>() / block.len() as f64;
            w[block].fill(mean);
            a.fill(0.0);
            std::iter::zip(&w, tied.v.chunks_exact(n)).for_each(|(w, v)| add_square(a, *w, v));
        }
        Some(snapped)
    }

    // The largest eigenvalues of Vᵀ G V are the support function, and their eigenvectors attain it.
    fn maximize(&self, u: &Tensor, g: &Tensor) -> Option<Tensor> {
        Some(self.resolve(u, std::slice::from_ref(g)))
    }
}

impl Eigen {
    /// An array of selections, made matrix by matrix where there is a tie.
    fn select(&self, u: &Tensor, mut element: impl FnMut(usize, &Tied) -> Vec<f64>) -> Tensor {
        let (lead, n, _) = matrix(u.shape());
        let mut s = Tensor::full(u.shape(), 0.0);
        for k in 0..size(lead) {
            let own = k * n * n..(k + 1) * n * n;
            if let Some(tied) = Tied::of(&u.data()[own.clone()], n, self.k, 0.0) {
                s.data_mut()[own].copy_from_slice(&element(k, &tied));
            }
        }
        s
    }
}

impl<'p> Var<'p> {
    /// The largest eigenvalue of the symmetric part, see [`EigvalshMax`].
    #[track_caller]
    pub fn eigvalsh_max(self) -> Var<'p> {
        self.apply(EigvalshMax)
    }

    /// The sum of the k largest eigenvalues of the symmetric part, see [`EigvalshSum`].
    #[track_caller]
    pub fn eigvalsh_sum(self, k: usize) -> Var<'p> {
        self.apply(EigvalshSum { k })
    }

    /// The tie `eigen`: the projector on the eigenvectors of the k largest eigenvalues, a selection where the k-th is
    /// multiple; of this shape. Only inside the derivative of an operator.
    pub fn eigen(self, k: usize) -> Var<'p> {
        self.tie_of(Eigen { k })
    }
}
