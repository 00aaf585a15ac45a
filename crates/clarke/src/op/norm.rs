//! Norms of vectors along axes, and the tie of the Euclidean one: `unit`.

use super::axes::{Axes, Selected, Split, batch_tie};
use super::enclosure;
use super::kinked::root_at_zero;
use super::pointwise::Elementwise;
use super::reduce::{CUBE, MATRIX, methods, read};
use super::tie::Tied;
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Curve, Entry, Execution, Kernel, Linearization, Notation, Op, Param, Sample,
};
use crate::program::real::Scalar;
use crate::program::tie::{Choice, Convention, Face, Met, Piece, Pieces, Tie};
use crate::program::{Program, Var};
use crate::tensor::{Boxes, Tensor, size, unravel};

/// `norm1(x) = Σ |xᵢ|`, over all entries or along axes. Piecewise linear. At ties: those of abs.
#[derive(Debug, Clone)]
pub struct Norm1(Axes);

impl Norm1 {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "norm1",
        signature: "norm1(x, axis=None, keepdims=False)",
        formula: "Σ |xᵢ|",
        class: "piecewise linear",
        ties: "[-1, 1] for each xᵢ = 0",
        source: "numpy.linalg.norm(x, 1); Clarke 1990, Example 2.2.8",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(Norm1(axes), &[x])),
        samples: &[Sample::new("norm1(x)", MATRIX), Sample::new("norm1(x, axis=0)", MATRIX)],
    };
}

impl Op for Norm1 {
    fn name(&self) -> &'static str {
        "norm1"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("norm1", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        Some(args[0].abs().sum_over(&self.0))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Norm1(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

/// `norminf(x) = max |xᵢ|`, over all entries or along axes. Piecewise linear.
///
/// At ties: the convex hull of ±eᵢ over the entries of largest modulus; at 0 the unit ball of norm1. Errors: no entries.
#[derive(Debug, Clone)]
pub struct NormInf(Axes);

impl NormInf {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "norminf",
        signature: "norminf(x, axis=None, keepdims=False)",
        formula: "max |xᵢ|",
        class: "piecewise linear",
        ties: "the hull of ±eᵢ over the largest |xᵢ|",
        source: "numpy.linalg.norm(x, inf); Clarke 1990, Proposition 2.3.12",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(NormInf(axes), &[x])),
        samples: &[Sample::new("norminf(x)", MATRIX), Sample::new("norminf(x, axis=1)", MATRIX)],
    };
}

impl Op for NormInf {
    fn name(&self) -> &'static str {
        "norminf"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("norminf", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        Some(args[0].abs().max_over(&self.0))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(NormInf(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }

    // The first tie is the step in abs, the second the pick in max.
    fn choice(&self, tie: usize, convention: Convention, _: Option<Choice>) -> Choice {
        Choice::plain(match (tie, convention) {
            // At 0 JAX returns 1/(2n): its norm halves the slope 1 of abs.
            (0, Convention::Jax) => 0.75,
            (0, _) => 0.5,
            _ => 0.0,
        })
    }
}

/// `norm2(x) = √Σ xᵢ²`, over all entries or along axes, without overflow or underflow of the squares. Semialgebraic.
///
/// At 0: the unit ball. Second order: (I − u uᵀ)/‖x‖ with u = x/‖x‖ off 0; at 0 the gradient has no derivative, and that
/// of the selected piece is 0.
#[derive(Debug, Clone)]
pub struct Norm2 {
    axes: Axes,
    /// Whether the user wrote √Σx², which every framework differentiates as written.
    root: bool,
}

impl Norm2 {
    fn new(axes: Axes) -> Norm2 {
        Norm2 { axes, root: false }
    }

    /// The norm that was written as the root of a sum of squares.
    pub(super) fn root(axes: Axes) -> Norm2 {
        Norm2 { axes, root: true }
    }

    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "norm2",
        signature: "norm2(x, axis=None, keepdims=False)",
        formula: "√Σ xᵢ²",
        class: "semialgebraic",
        ties: "the unit ball at x = 0",
        source: "numpy.linalg.norm(x, 2); Rockafellar, Wets 1998, Exercise 8.27",
        notation: Notation::Call,
        call: |call| read(call).map(|(x, axes)| call.apply(Norm2::new(axes), &[x])),
        samples: &[
            Sample::new("norm2(x)", MATRIX),
            Sample::new("norm2(x, axis=0)", MATRIX),
            Sample::new("norm2(x, axis=(0, 2), keepdims=True)", CUBE),
        ],
    };
}

impl Op for Norm2 {
    fn name(&self) -> &'static str {
        "norm2"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.axes.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.axes.shape("norm2", args[0])
    }

    fn convex(&self) -> Curve {
        Curve::Convex
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(at.tangents[0].map(|dot| at.args[0].unit(&self.axes).guarded_mul(dot).sum_over(&self.axes)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(Norm2 { axes: self.axes.batched(at.ranks[0]), ..*self }))
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        Some(Boxes::of_intervals(shape, &enclosure::norms(&self.axes.split(args[0].shape()), args[0])))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn choice(&self, _: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        // PyTorch masks its norm where it is 0; the others differentiate the root of the sum.
        let note = if self.root || convention != Convention::PyTorch { root_at_zero(convention) } else { None };
        inner.unwrap_or(note.map_or(Choice::plain(0.0), |note| Choice::instead(0.0, note)))
    }
}

/// The Euclidean norm of numbers whose sum of squares came out as `sum`; scaled if the squares left the range.
pub(super) fn norm_of<T: Scalar>(sum: T, x: &[T], positions: impl Iterator<Item = usize> + Clone) -> T {
    // Below this a square may have lost digits; f32 knows no 1e-60.
    let least = if T::of(1e-60).to_f64() == 0.0 { 1e-30 } else { 1e-290 };
    let sum_here = sum.to_f64();
    if sum.is_nan() || (sum_here > least && sum_here.is_finite()) {
        return sum.sqrt();
    }
    let top = positions.clone().fold(0.0, |top: f64, at| top.max(x[at].to_f64().abs()));
    if top == 0.0 || top.is_infinite() {
        return T::of(top);
    }
    let scaled: f64 = positions.map(|at| (x[at].to_f64() / top).powi(2)).sum();
    T::of(top * scaled.sqrt())
}

/// The norm of each slice.
fn norms<T: Scalar>(split: &Split, x: &[T], out: &mut [T]) {
    split.fold(x, out, T::of(0.0), |x| x * x, |a, b| a + b);
    out.iter_mut().enumerate().for_each(|(s, y)| *y = norm_of(*y, x, split.positions(s)));
}

impl ArrayKernel for Norm2 {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.axes.split(args[0]);
        Kernel::new(move |args, out, _| norms(&split, args[0], out))
    }
}

/// `unit(u, s)`: u/‖u‖ in each slice along the axes; shape of u.
///
/// At u = 0: the unit ball. A scalar selection stands for the vector with that number everywhere (0 in every
/// convention); an array of the shape of u is the element itself.
#[derive(Debug, Clone)]
pub struct Unit(Axes);

impl Unit {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "unit",
        signature: "unit(u, s, axis=None)",
        formula: "u/‖u‖, s where u = 0",
        class: "semialgebraic, discontinuous",
        ties: "the unit ball at u = 0",
        source: "Rockafellar, Wets 1998, Exercise 8.27",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["axis"])?;
            let u = call.var(0)?;
            Ok(call.apply(Unit(Axes::read(call, 2, u.rank())?.without_keepdims()), &[u, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Op for Unit {
    fn name(&self) -> &'static str {
        "unit"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.resolve("unit", args[0].len())?;
        Selected::of("unit", args[1], args[0], &self.0.kept(args[0]))?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).semialgebraic().bounded()
    }

    // In u: (I − n nᵀ) u̇ / ‖u‖ with n = u/‖u‖; at u = 0 the selected piece is constant. In s: the identity at u = 0.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (u, n, shape) = (at.args[0], at.out, at.args[0].shape());
        let by_u = at.tangents[0].map(|dot| {
            let along = self.0.stretch((n * dot).sum_over(&self.0), &shape);
            self.0.stretch(u.apply(InverseNorm(self.0.clone())), &shape).guarded_mul(dot - n * along)
        });
        let by_s = at.tangents[1].map(|dot| {
            let vanishes = u.apply(Norm2::new(self.0.clone())).apply(Elementwise(Tied));
            self.0.stretch(vanishes, &shape) * dot.broadcast_to(&shape)
        });
        Ok(match (by_u, by_s) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        })
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(Unit(self.0.batched(at.ranks[0])), at)
    }

    fn enclose(&self, args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        Some(enclosure::unit(&self.0, args[0], args[1]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

impl ArrayKernel for Unit {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        3 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        let selected = Selected::of("unit", args[1], args[0], &self.0.kept(args[0]))
            .expect("a selection's shape was checked with the shape");
        let run = move |args: &[&[T]], out: &mut [T], norm: &mut [T]| {
            let (u, s) = (args[0], args[1]);
            norms(&split, u, norm);
            for (slice, norm) in norm.iter().enumerate() {
                for at in split.positions(slice) {
                    out[at] = match norm.to_f64() == 0.0 {
                        true if selected.is_each() => s[at],
                        true => selected.at(s, slice),
                        false => u[at] / *norm,
                    };
                }
            }
        };
        Kernel::with_scratch(self.0.split(args[0]).slices, run)
    }
}

impl Unit {
    /// The slices of u with the shape of what numbers them.
    fn slices(&self, u: &Tensor) -> (Split, Vec<usize>) {
        (self.0.split(u.shape()), self.0.clone().without_keepdims().shape("unit", u.shape()).unwrap_or_default())
    }

    /// An array of selections made slice by slice where u vanishes: of a slice's positions.
    fn select(&self, u: &Tensor, mut element: impl FnMut(&[usize]) -> Vec<f64>) -> Tensor {
        let (split, _) = self.slices(u);
        let mut s = Tensor::full(u.shape(), 0.0);
        for slice in 0..split.slices {
            let positions: Vec<usize> = split.positions(slice).collect();
            if positions.iter().all(|&at| u.data()[at] == 0.0) {
                let element = element(&positions);
                positions.iter().zip(element).for_each(|(&at, x)| s.data_mut()[at] = x);
            }
        }
        s
    }
}

impl Tie for Unit {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (split, kept) = self.slices(u);
        let mut norm = vec![0.0; split.slices];
        norms(&split, u.data(), &mut norm);
        // The unit ball of one number is an interval, with two ends.
        let pieces = (split.length == 1).then_some(2);
        let met = |(slice, &distance): (usize, &f64)| {
            (split.length > 0 && distance <= tolerance).then(|| Met {
                index: unravel(slice, &kept),
                pieces,
                distance,
                beyond: f64::INFINITY,
            })
        };
        norm.iter().enumerate().filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        // A normal vector has a uniform direction (Box, Muller 1958); the radius makes the point uniform in the ball.
        self.select(u, |positions| {
            let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
            let x: Vec<f64> = positions.iter().map(|_| normal()).collect();
            let radius = uniform().powf(1.0 / x.len().max(1) as f64);
            scaled(&x, radius).unwrap_or_else(|| vec![0.0; x.len()])
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        self.select(u, |positions| {
            let along = |dot: &Tensor| scaled(&positions.iter().map(|&at| dot.data()[at]).collect::<Vec<_>>(), 1.0);
            dots.iter().find_map(along).unwrap_or_else(|| vec![0.0; positions.len()])
        })
    }

    // Between its ties the value turns with the argument.
    fn names_piece(&self) -> bool {
        false
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (split, kept) = self.slices(u);
        let face = |slice: usize| {
            let entries: Vec<usize> = split.positions(slice).collect();
            let vanishes = !entries.is_empty() && entries.iter().all(|&at| u.data()[at] == 0.0);
            // The unit ball of one number is the segment between its signs.
            let sign = |at: usize, x: f64| Piece { values: vec![x], forms: Some(vec![vec![(at, x)]]) };
            let pieces = match entries.as_slice() {
                [at] => Pieces::List(vec![sign(*at, -1.0), sign(*at, 1.0)]),
                _ => Pieces::Body { bound: 1.0 },
            };
            vanishes.then(|| Face { index: unravel(slice, &kept), entries, pieces })
        };
        (0..split.slices).filter_map(face).collect()
    }

    fn snap(&self, u: &Tensor, tolerance: f64) -> Option<Tensor> {
        let (split, _) = self.slices(u);
        let mut norm = vec![0.0; split.slices];
        norms(&split, u.data(), &mut norm);
        let mut snapped = u.clone();
        for slice in (0..split.slices).filter(|&k| norm[k] <= tolerance) {
            split.positions(slice).for_each(|at| snapped.data_mut()[at] = 0.0);
        }
        Some(snapped)
    }

    // The support function of the unit ball is the norm.
    fn maximize(&self, u: &Tensor, g: &Tensor) -> Option<Tensor> {
        Some(self.select(u, |positions| {
            let g: Vec<f64> = positions.iter().map(|&at| g.data()[at]).collect();
            scaled(&g, 1.0).unwrap_or_else(|| vec![0.0; g.len()])
        }))
    }
}

/// The vector with this norm in the direction of x, if it has one.
fn scaled(x: &[f64], norm: f64) -> Option<Vec<f64>> {
    let own = norm_of(x.iter().map(|x| x * x).sum(), x, 0..x.len());
    (own > 0.0).then(|| x.iter().map(|x| norm * (x / own)).collect())
}

/// `inverse_norm(u) = 1/‖u‖` in each slice along the axes, 0 where u = 0: the length scale of the derivative of `unit`.
#[derive(Debug, Clone)]
pub struct InverseNorm(Axes);

impl InverseNorm {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "inverse_norm",
        signature: "inverse_norm(u, axis=None, keepdims=False)",
        formula: "1/‖u‖, 0 where u = 0",
        class: "semialgebraic, discontinuous",
        ties: "",
        source: "the derivative of unit",
        notation: Notation::Call,
        call: |call| read(call).map(|(u, axes)| call.apply(InverseNorm(axes), &[u])),
        samples: &[],
    };

    /// Along these axes.
    pub(super) fn over(axes: Axes) -> InverseNorm {
        InverseNorm(axes)
    }
}

impl Op for InverseNorm {
    fn name(&self) -> &'static str {
        "inverse_norm"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("inverse_norm", args[0])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic().unbounded()
    }

    // −⟨u, u̇⟩/‖u‖³, one factor at a time.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let u = at.args[0];
        let unit = self.0.stretch(at.out, &u.shape()) * u;
        Ok(at.tangents[0].map(|dot| -(at.out.guarded_mul(at.out.guarded_mul((unit * dot).sum_over(&self.0))))))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(InverseNorm(self.0.batched(at.ranks[0]))))
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        Some(enclosure::inverse_norms(&self.0.split(args[0].shape()), args[0], shape))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for InverseNorm {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        2 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let split = self.0.split(args[0]);
        Kernel::new(move |args, out, _| {
            norms(&split, args[0], out);
            let (zero, one) = (T::of(0.0), T::of(1.0));
            out.iter_mut().for_each(|y| *y = if *y == zero { zero } else { one / *y });
        })
    }
}

methods!(Norm1, "`Σ |xᵢ|`": norm1 norm1_axis norm1_over);
methods!(Norm2::new, "`√Σ xᵢ²`": norm2 norm2_axis norm2_over);
methods!(NormInf, "`max |xᵢ|`": norminf norminf_axis norminf_over);

impl<'p> Var<'p> {
    /// The tie `unit`: this divided by its norm in each slice, a selection from the unit ball at 0; of this shape. Only
    /// inside the derivative of an operator.
    #[track_caller]
    pub fn unit(self, axes: &Axes) -> Var<'p> {
        self.tie_of(Unit(axes.clone().of(self.rank()).without_keepdims()))
    }
}
