//! What all elementwise operators share: the adaptor from [`Pointwise`] to [`Op`].

use crate::error::{Fault, Result, plural};
use crate::program::Var;
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::interval::Interval;
use crate::program::op::{
    Batching, Boundary, Curve, Entry, Execution, Linearity, Linearization, Notation, Op, Param, Recordable, Sample,
    Transposition,
};
use crate::program::real::Real;
use crate::program::record::{Recording, record};
use crate::program::tie::{Choice, Convention, Tie};
use crate::tensor::{self, Boxes};
use std::fmt::Debug;

/// An elementwise operator of N arguments, with numpy's broadcasting: its value and its slopes, each once.
///
/// From these few items come the text form, the shape rule, fused kernels in every precision, forward and reverse
/// mode, the ties, the documentation row and the law tests.
pub trait Pointwise<const N: usize = 1>: Debug + Clone + Default + Send + Sync + 'static {
    /// The name in text, tables and reports.
    const NAME: &'static str;
    /// How it is called in text.
    const SIGNATURE: &'static str;
    /// The formula.
    const FORMULA: &'static str;
    /// The class of tameness it brings, in words.
    const CLASS: &'static str;
    /// The ties and the set there, in words; empty if it is smooth.
    const TIES: &'static str = "";
    /// Where formula and set are from.
    const SOURCE: &'static str = "";
    /// Applications on which the laws are tested.
    const SAMPLES: &'static [Sample];
    /// How it is printed.
    const NOTATION: Notation = Notation::Call;
    /// In which arguments it is linear.
    const LINEARITY: Linearity = Linearity::None;
    /// What is known of its convexity, see [`Op::convex`].
    const CURVE: Curve = Curve::Unknown;
    /// Whether it is the guarded product, see [`Op::guards`].
    const GUARDS: bool = false;
    /// Whether it counts as one operation however it is computed: a tie or a product of the dictionary that derivatives are
    /// written in (Bolte, Boustany, Pauwels, Pesquet-Popescu 2023), whose other instructions look after NaN and zeros.
    const UNIT: bool = false;
    /// How a call in program text is read: by default `NAME(x1, …, xN, param, …)`.
    const CALL: for<'p> fn(&Call<'_, 'p>) -> Result<Var<'p>> = call::<Self, N>;
    /// The names of its parameters and their defaults, in the order of the text form.
    const PARAMS: &'static [(&'static str, f64)] = &[];
    /// Whether its parameters are bounds, of which an infinite one is not there and is printed as None.
    const OPEN: bool = false;

    /// The parameters' values, as many as `PARAMS`.
    fn params(&self) -> Vec<f64> {
        vec![]
    }

    /// The operator with these parameters; errors if a value is not allowed.
    fn with_params(self, _values: &[f64]) -> Result<Self, Fault> {
        Ok(self)
    }

    /// How this instance is printed, where that depends on its parameters.
    fn notation(&self) -> Notation {
        Self::NOTATION
    }

    /// The class of tameness of the value, from the arguments' classes.
    fn class(&self, x: [Class; N]) -> Class;

    /// Whether its slope can be infinite or NaN where its value is finite, see [`Op::singular`].
    fn singular(&self) -> bool {
        false
    }

    /// The value: one branch-free formula, generic over the numbers.
    fn value<T: Real>(&self, x: [T; N]) -> T;

    /// Bounds of the value, where better ones are known than the formula gives on intervals, see [`Op::enclose`].
    fn enclose(&self, _x: [Interval; N]) -> Option<Interval> {
        None
    }

    /// The partial derivatives at x, where y is the value; None is zero. Everything nonsmooth in them is written with
    /// ties ([`Var::step`] and the others). Not asked of linear operators.
    fn slopes<'p>(&self, _x: [Var<'p>; N], _y: Var<'p>) -> [Option<Var<'p>>; N] {
        [None; N]
    }

    /// The tangent of the value, linear in `at.tangents`; None is zero. By default Σ slope · tangent.
    fn tangent<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(weighted(at, self.singular(), || self.slopes(array(at.args), at.out)))
    }

    /// Whether it has no derivative by definition, see [`Op::stops`].
    fn stops(&self) -> bool {
        false
    }

    /// The cotangent of argument `at.wrt`, for linear operators; broadcasting is undone by the caller.
    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Var<'p> {
        at.cotangent
    }

    /// What a convention picks at the k-th tie that `slopes` writes.
    fn choice(&self, _tie: usize, _convention: Convention) -> Choice {
        Choice::plain(0.0)
    }

    /// The operator that these arguments make it, if it is another one in disguise.
    fn recognize<'p>(&self, _x: [Var<'p>; N]) -> Option<Var<'p>> {
        None
    }

    /// An equal, simpler value for these arguments (x·1 = x), see [`Op::reduce`].
    fn reduce<'p>(&self, _x: [Var<'p>; N]) -> Option<Var<'p>> {
        None
    }

    /// An equal value in compiled programs, see [`Op::fused`].
    fn fused<'p>(&self, _x: [Var<'p>; N]) -> Option<Var<'p>> {
        None
    }

    /// The operator as a tie, if it is one.
    fn tie(&self) -> Option<&dyn Tie> {
        None
    }

    /// The operator as a selection by a condition, if it is one.
    fn boundary(&self) -> Option<&dyn Boundary> {
        None
    }

    /// Its line in the table of operators.
    const ENTRY: Entry = Entry {
        name: Self::NAME,
        signature: Self::SIGNATURE,
        formula: Self::FORMULA,
        class: Self::CLASS,
        ties: Self::TIES,
        source: Self::SOURCE,
        notation: Self::NOTATION,
        call: Self::CALL,
        samples: Self::SAMPLES,
    };
}

/// A [`Pointwise`] operator as an [`Op`].
#[derive(Debug, Clone)]
pub struct Elementwise<P, const N: usize = 1>(pub P);

/// Reads `name(x1, …, xN, param, …)`, parameters also by name.
fn call<'p, P: Pointwise<N>, const N: usize>(call: &Call<'_, 'p>) -> Result<Var<'p>> {
    let names: Vec<&str> = P::PARAMS.iter().map(|(name, _)| *name).collect();
    call.expect(N, N + names.len(), &names)?;
    let args = (0..N).map(|k| call.var(k)).collect::<Result<Vec<_>>>()?;
    let values = P::PARAMS
        .iter()
        .enumerate()
        .map(|(k, (name, default))| call.number(name, N + k, (!default.is_nan()).then_some(*default)))
        .collect::<Result<Vec<_>>>()?;
    let op = P::default().with_params(&values).map_err(|fault| fault.at(call.place.clone()))?;
    Ok(call.apply(Elementwise::<P, N>(op), &args))
}

/// Σ slope · tangent. A slope with a tie may be 0 by choice, and a singular one infinite: then zero wins, so that a branch
/// not taken contributes nothing.
pub(super) fn weighted<'p, S: IntoIterator<Item = Option<Var<'p>>>>(
    at: &Linearization<'_, 'p>,
    singular: bool,
    slopes: impl FnOnce() -> S,
) -> Option<Var<'p>> {
    let written = || at.out.builder().current_ties().map_or(0, |t| t.ordinal);
    let before = written();
    let slopes = slopes();
    let guarded = singular || written() > before;
    let terms = std::iter::zip(slopes, at.tangents).filter_map(|(slope, tangent)| {
        let (slope, tangent) = (slope?, (*tangent)?);
        Some(if guarded { slope.guarded_mul(tangent) } else { slope * tangent })
    });
    terms.reduce(|a, b| a + b)
}

/// The shape to which the arguments of an elementwise operator broadcast.
pub(super) fn elementwise_shape(op: &str, arguments: usize, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
    let fault = |rule: String| Fault::Shapes { op: op.into(), shapes: args.iter().map(|s| s.to_vec()).collect(), rule };
    if args.len() != arguments {
        return Err(fault(format!("it takes {}", plural(arguments, "argument"))));
    }
    let rule = "shapes must be equal, or 1, along each axis counted from the last";
    args.iter().try_fold(vec![], |a, b| tensor::broadcast(&a, b).ok_or_else(|| fault(rule.into())))
}

fn array<T: Copy, const N: usize>(x: &[T]) -> [T; N] {
    x.try_into().unwrap_or_else(|_| panic!("an elementwise operator of {N} arguments got {}", x.len()))
}

impl<P: Pointwise<N>, const N: usize> Op for Elementwise<P, N> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let param = |x: f64| if P::OPEN && x.is_infinite() { Param::None } else { Param::Number(x) };
        std::iter::zip(P::PARAMS, self.0.params()).map(|((name, _), x)| (*name, param(x))).collect()
    }

    fn notation(&self) -> Notation {
        self.0.notation()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let shape = elementwise_shape(P::NAME, N, args)?;
        // Whoever made the operator: one whose parameters are not allowed would print what cannot be read.
        if !P::PARAMS.is_empty() {
            self.0.clone().with_params(&self.0.params())?;
        }
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        self.0.class(array(args))
    }

    fn linearity(&self) -> Linearity {
        P::LINEARITY
    }

    fn recognize<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        if args.len() == N { self.0.recognize(array(args)) } else { None }
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        self.0.reduce(array(args))
    }

    fn fused<'p>(&self, args: &[Var<'p>], _: &[bool]) -> Option<Var<'p>> {
        self.0.fused(array(args))
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        self.0.tangent(at)
    }

    fn stops(&self) -> bool {
        self.0.stops()
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(self.0.transpose(at))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let args: Vec<Var<'p>> = (0..N)
            .map(|k| if at.mapped[k] { at.args[k].pad_rank_after(at.rank - at.ranks[k]) } else { at.args[k] })
            .collect();
        Ok(args[0].apply_with(self.clone(), &args[1..]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Pointwise(self)
    }

    fn enclose(&self, args: &[&Boxes], shape: &[usize]) -> Option<Boxes> {
        self.0.enclose([Interval::WHOLE; N])?;
        let arrays: Vec<Vec<Interval>> = args.iter().map(|a| a.intervals()).collect();
        let mut at: Vec<Vec<usize>> = vec![vec![]; N];
        for (own, arg) in std::iter::zip(&mut at, args) {
            tensor::walk(shape, &tensor::broadcast_strides(arg.shape(), shape), |k| own.push(k));
        }
        let value = |i: usize| self.0.enclose(std::array::from_fn(|k| arrays[k][at[k][i]]));
        let all: Option<Vec<Interval>> = (0..tensor::size(shape)).map(value).collect();
        all.map(|x| Boxes::of_intervals(shape, &x))
    }

    fn singular(&self) -> bool {
        self.0.singular()
    }

    fn convex(&self) -> Curve {
        P::CURVE
    }

    fn guards(&self) -> bool {
        P::GUARDS
    }

    fn choice(&self, tie: usize, convention: Convention, inner: Option<Choice>) -> Choice {
        inner.unwrap_or_else(|| self.0.choice(tie, convention))
    }

    fn tie(&self) -> Option<&dyn Tie> {
        self.0.tie()
    }

    fn boundary(&self) -> Option<&dyn Boundary> {
        self.0.boundary()
    }
}

impl<P: Pointwise<N>, const N: usize> Recordable for Elementwise<P, N> {
    fn record(&self) -> Recording {
        record(N, |x| self.0.value(array(x)))
    }

    fn eval(&self, args: &[f64]) -> f64 {
        self.0.value(array(args))
    }

    fn operations(&self) -> u64 {
        if P::UNIT { 1 } else { self.record().instrs.len() as u64 }
    }
}

/// What a method takes where a variable or a number will do.
pub trait IntoVar<'p> {
    /// As a variable of the program that `of` belongs to.
    #[track_caller]
    fn into_var(self, of: Var<'p>) -> Var<'p>;
}

impl<'p> IntoVar<'p> for Var<'p> {
    fn into_var(self, _: Var<'p>) -> Var<'p> {
        self
    }
}

impl<'p> IntoVar<'p> for f64 {
    #[track_caller]
    fn into_var(self, of: Var<'p>) -> Var<'p> {
        of.constant(self)
    }
}

/// The fault of a parameter that is not what `rule` asks for.
pub(super) fn parameter(op: &str, parameter: &str, value: f64, rule: &str) -> Fault {
    Fault::Parameter { op: op.into(), parameter: parameter.into(), value: value.to_string(), rule: rule.into() }
}

/// The parameter if it is a finite number.
pub(super) fn finite(op: &str, name: &str, value: f64) -> Result<f64, Fault> {
    if value.is_finite() { Ok(value) } else { Err(parameter(op, name, value, "it must be a finite number")) }
}

impl<'p> Var<'p> {
    /// An elementwise operator with these parameters; a value that is not allowed is a mistake at the caller's line.
    #[track_caller]
    pub(super) fn apply_params<P: Pointwise>(self, values: &[f64]) -> Var<'p> {
        match P::default().with_params(values) {
            Ok(op) => self.apply(Elementwise::<P, 1>(op)),
            Err(fault) => self.fail(fault),
        }
    }

    /// Reshapes `[n, …]` to `[n, 1, …, 1, …]` with `extra` ones, so that a batched array of lower rank broadcasts.
    pub(crate) fn pad_rank_after(self, extra: usize) -> Var<'p> {
        if extra == 0 {
            return self;
        }
        let mut shape = self.shape();
        shape.splice(1..1, std::iter::repeat_n(1, extra));
        self.reshape(&shape)
    }
}
