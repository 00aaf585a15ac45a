//! Classification: log-probabilities, and losses whose labels are the numbers of the classes.
//!
//! Labels are constants or data: integers from 0 on, one for each sample, over the axes before the last; the last axis
//! runs over the classes. A label that is no class makes the value NaN, and an analysis at a point says which it was.

use super::axes::Axes;
use super::pointwise::parameter;
use super::reduce::MATRIX;
use super::soft;
use crate::error::{Fault, Place, Result};
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Sample,
    Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::{Tensor, size};
use std::sync::Arc;

/// `log_softmax(x) = x − logsumexp(x)`, over all entries or along axes; of the shape of x. Smooth.
///
/// Computed from differences to the largest entry: nothing overflows, and no digits are lost where x is large.
#[derive(Debug, Clone)]
pub struct LogSoftmax(Axes);

impl LogSoftmax {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "log_softmax",
        signature: "log_softmax(x, axis=None)",
        formula: "xᵢ − log Σ exp xⱼ",
        class: "definable",
        ties: "",
        source: "scipy.special.log_softmax; definable by Wilkie 1996",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis"])?;
            let x = call.var(0)?;
            Ok(call.apply(LogSoftmax(Axes::read(call, 1, x.rank())?), &[x]))
        },
        samples: &[
            Sample::new("log_softmax(x)", MATRIX),
            Sample::new("log_softmax(x, axis=-1)", MATRIX),
            Sample::new("log_softmax(x, axis=(0, 1))", MATRIX),
        ],
    };
}

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape_of_some("log_softmax", args[0])?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].definable()
    }

    // The weights are the exponentials of the value. Guarded: the weight of an entry −∞ is 0.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let shape = at.out.shape();
        Ok(at.tangents[0].map(|dot| {
            let mean = at.out.exp().guarded_mul(dot).sum_over(&self.0);
            dot - self.0.stretch(mean, &shape)
        }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(LogSoftmax(self.0.batched(at.ranks[0]))))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for LogSoftmax {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        5 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        soft::log_softmax(self.0.split(args[0]))
    }
}

/// A label as the number of a class.
#[inline]
fn class_of<T: Scalar>(label: T, classes: usize) -> Option<usize> {
    let label = label.to_f64();
    (label >= 0.0 && label < classes as f64 && label.fract() == 0.0).then_some(label as usize)
}

/// What is wrong with labels, if one of them is no class.
fn wrong_label(op: &str, labels: &Tensor, classes: usize) -> Option<Fault> {
    let wrong = labels.data().iter().find(|x| class_of(**x, classes).is_none())?;
    Some(parameter(op, "a label", *wrong, &format!("the classes are the integers 0 to {}", classes.saturating_sub(1))))
}

/// Checks labels that are constant when they are written.
fn check_constant(op: &str, labels: Var<'_>, classes: usize) -> Result<(), Fault> {
    labels.known().and_then(|known| wrong_label(op, &known, classes)).map_or(Ok(()), Err)
}

/// The shape rule of one label a sample.
fn check_shapes(op: &str, args: &[&[usize]]) -> Result<usize, Fault> {
    match args[0].split_last() {
        Some((classes, samples)) if samples == args[1] && *classes > 0 => Ok(*classes),
        _ => {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = "the last axis of the first runs over the classes, and the labels have its other axes".into();
            Err(Fault::Shapes { op: op.into(), shapes, rule })
        }
    }
}

/// The arguments over a leading axis that both have.
fn both_mapped<'p>(at: &Batching<'_, 'p>) -> [Var<'p>; 2] {
    [0, 1].map(|k| match at.mapped[k] {
        true => at.args[k],
        false => at.args[k].broadcast_to(&[&[at.size], at.args[k].shape().as_slice()].concat()),
    })
}

/// `take_labels(x, labels)`: of each row of x the entry that its label names; and `put_labels(y, labels, classes)`, its
/// transpose. Linear in x. Shapes: [.., classes] and labels of the other axes.
#[derive(Debug, Clone)]
pub struct TakeLabels;

impl TakeLabels {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "take_labels",
        signature: "take_labels(x, labels)",
        formula: "of each row the entry that its label names",
        class: "linear in x",
        ties: "",
        source: "what nll is made of",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            Ok(call.apply(TakeLabels, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[
            Sample::new("take_labels(x, [2, 0])", MATRIX),
            Sample::new("take_labels(x, 1)", &[("x", &[3])]),
            Sample::new("take_labels(x, [[2, 0], [1, 1]])", &[("x", &[2, 2, 3])]),
        ],
    };
}

impl Op for TakeLabels {
    fn name(&self) -> &'static str {
        "take_labels"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        check_shapes("take_labels", args)?;
        Ok(args[1].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::First
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault("take_labels", NO_SLOPE))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let classes = at.shape.last().copied().unwrap_or(0);
        Ok(at.cotangent.apply_with(PutLabels { classes }, &[at.known(1)]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let [x, labels] = both_mapped(at);
        Ok(x.apply_with(TakeLabels, &[labels]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn refuses(&self, args: &[&Tensor]) -> Option<Fault> {
        wrong_label("take_labels", args[1], *args[0].shape().last()?)
    }
}

/// Why labels have no derivative.
const NO_SLOPE: &str = "labels are integers, in which nothing varies smoothly; make them constants, or data";

impl ArrayKernel for TakeLabels {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let classes = args[0].last().copied().unwrap_or(1);
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            for ((y, row), label) in out.iter_mut().zip(args[0].chunks_exact(classes)).zip(args[1]) {
                *y = class_of(*label, classes).map_or(T::of(f64::NAN), |c| row[c]);
            }
        })
    }
}

/// `put_labels(y, labels, classes)`: rows of zeros with y at the entry that the label names. Linear in y.
#[derive(Debug, Clone)]
pub struct PutLabels {
    classes: usize,
}

impl PutLabels {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "put_labels",
        signature: "put_labels(y, labels, classes)",
        formula: "rows of zeros with y at the entry that the label names",
        class: "linear in y",
        ties: "",
        source: "the transpose of take_labels",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["classes"])?;
            Ok(call.apply(PutLabels { classes: read_classes(call, "classes", 2)? }, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

fn read_classes(call: &Call<'_, '_>, name: &str, position: usize) -> Result<usize> {
    match usize::try_from(call.int(name, position, None)?) {
        Ok(classes) if classes > 0 => Ok(classes),
        _ => Err(call.fault(format!("`{name}` must be positive"))),
    }
}

impl Op for PutLabels {
    fn name(&self) -> &'static str {
        "put_labels"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("classes", Param::Int(self.classes as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let shape = [args[0], &[self.classes]].concat();
        check_shapes("put_labels", &[&shape, args[1]])?;
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::First
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault("put_labels", NO_SLOPE))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply_with(TakeLabels, &[at.known(1)]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let [y, labels] = both_mapped(at);
        Ok(y.apply_with(self.clone(), &[labels]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for PutLabels {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, _: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let classes = self.classes;
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            for ((row, y), label) in out.chunks_exact_mut(classes).zip(args[0]).zip(args[1]) {
                row.fill(T::of(0.0));
                match class_of(*label, classes) {
                    Some(c) => row[c] = *y,
                    None => row.fill(T::of(f64::NAN)),
                }
            }
        })
    }
}

/// `one_hot(labels, classes)`: for each label a row of zeros with 1 at the class it names.
///
/// Shapes: that of the labels and a last axis of length `classes`. Errors: a constant label that is no class; a
/// derivative in the labels.
#[derive(Debug, Clone)]
pub struct OneHot {
    classes: usize,
}

impl OneHot {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "one_hot",
        signature: "one_hot(labels, num_classes)",
        formula: "1 at the class that the label names, 0 elsewhere",
        class: "no derivative in the labels",
        ties: "",
        source: "jax.nn.one_hot",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["num_classes"])?;
            let classes = read_classes(call, "num_classes", 1)?;
            Ok(one_hot(call.var(0)?, classes, call.place.clone()))
        },
        samples: &[Sample::new("one_hot([2, 0], 3) * x", MATRIX), Sample::new("one_hot(1, 3) * x", MATRIX)],
    };
}

fn one_hot<'p>(labels: Var<'p>, classes: usize, place: Place) -> Var<'p> {
    match check_constant("one_hot", labels, classes) {
        Ok(()) => labels.builder().apply_at(Arc::new(OneHot { classes }), &[labels], place),
        Err(fault) => labels.builder().failed(fault.at(place)),
    }
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("num_classes", Param::Int(self.classes as i64))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok([args[0], &[self.classes]].concat())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear().bounded()
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault("one_hot", NO_SLOPE))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn refuses(&self, args: &[&Tensor]) -> Option<Fault> {
        wrong_label("one_hot", args[0], self.classes)
    }
}

impl ArrayKernel for OneHot {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, _: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let classes = self.classes;
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            for (row, label) in out.chunks_exact_mut(classes).zip(args[0]) {
                row.fill(T::of(0.0));
                match class_of(*label, classes) {
                    Some(c) => row[c] = T::of(1.0),
                    None => row.fill(T::of(f64::NAN)),
                }
            }
        })
    }
}

/// `nll(log_probs, labels)` and `cross_entropy(logits, labels)`: the negative log-probability of each sample's label,
/// given log-probabilities, or numbers whose softmax are the probabilities. The mean over the samples; with
/// `reduce=False`, each sample's own.
///
/// Shapes: [.., classes] and labels of the other axes; a scalar, or the labels' shape. Errors: shapes; a constant label
/// that is no class; no samples to take the mean of; a derivative in the labels. Cost: linear.
#[derive(Debug, Clone)]
pub struct LabelLoss {
    logits: bool,
    reduce: bool,
}

impl LabelLoss {
    /// The line of the loss of log-probabilities.
    pub const NLL: Entry = Entry {
        name: "nll",
        signature: "nll(log_probs, labels, reduce=True)",
        formula: "the mean of −log_probs[label] over the samples",
        class: "linear in the log-probabilities",
        ties: "",
        source: "torch.nn.functional.nll_loss, classes on the last axis",
        notation: Notation::Call,
        call: |call| LabelLoss::read(call, false),
        samples: &[Sample::new("nll(x, [2, 0])", MATRIX), Sample::new("nll(x, [2, 0], reduce=False)", MATRIX)],
    };

    /// The line of the loss of logits.
    pub const CROSS_ENTROPY: Entry = Entry {
        name: "cross_entropy",
        signature: "cross_entropy(logits, labels, reduce=True)",
        formula: "the mean of logsumexp(logits) − logits[label] over the samples",
        class: "definable",
        source: "torch.nn.functional.cross_entropy, classes on the last axis; definable by Wilkie 1996",
        call: |call| LabelLoss::read(call, true),
        samples: &[
            Sample::new("cross_entropy(x, [2, 0])", MATRIX),
            Sample::new("cross_entropy(x, 1)", &[("x", &[3])]),
            Sample::new("cross_entropy(x, [[2, 0], [1, 1]], reduce=False)", &[("x", &[2, 2, 3])]),
        ],
        ..LabelLoss::NLL
    };

    fn read<'p>(call: &Call<'_, 'p>, logits: bool) -> Result<Var<'p>> {
        call.expect(2, 2, &["reduce"])?;
        let reduce = match call.optional("reduce", usize::MAX) {
            None => true,
            Some(Value::Flag(yes)) => *yes,
            Some(_) => return Err(call.fault("`reduce` must be True (the mean) or False (each sample's loss)")),
        };
        Ok(LabelLoss { logits, reduce }.written(call.var(0)?, call.var(1)?, call.place.clone()))
    }

    /// The application as the user writes it: constant labels are checked.
    fn written<'p>(self, x: Var<'p>, labels: Var<'p>, place: Place) -> Var<'p> {
        let classes = x.shape().last().copied().unwrap_or(0);
        let wrong = (classes > 0).then(|| check_constant(self.name(), labels, classes).err()).flatten();
        match wrong {
            None => x.builder().apply_at(Arc::new(self), &[x, labels], place),
            Some(fault) => x.builder().failed(fault.at(place)),
        }
    }
}

impl Op for LabelLoss {
    fn name(&self) -> &'static str {
        if self.logits { "cross_entropy" } else { "nll" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        if self.reduce { vec![] } else { vec![("reduce", Param::Flag(false))] }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        check_shapes(self.name(), args)?;
        if self.reduce { Axes::all().shape_of_some(self.name(), args[1]) } else { Ok(args[1].to_vec()) }
    }

    fn class(&self, args: &[Class]) -> Class {
        if self.logits { args[0].definable() } else { args[0] }
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let log_probs = if self.logits { args[0].log_softmax_axis(-1) } else { args[0] };
        let each = -log_probs.apply_with(TakeLabels, &[args[1]]);
        Some(if self.reduce { each.mean() } else { each })
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let [x, labels] = both_mapped(at);
        let each = x.apply_with(LabelLoss { reduce: false, ..*self }, &[labels]);
        let samples: Vec<i64> = (1..each.rank() as i64).collect();
        Ok(if self.reduce { each.mean_over(&Axes::many(&samples)) } else { each })
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }

    fn refuses(&self, args: &[&Tensor]) -> Option<Fault> {
        wrong_label(self.name(), args[1], *args[0].shape().last()?)
    }
}

super::reduce::methods!(
    |axes: Axes| LogSoftmax(axes.without_keepdims()),
    "The logarithms of the weights `exp(xᵢ) / Σ exp xⱼ`": log_softmax log_softmax_axis log_softmax_over
);

impl<'p> Var<'p> {
    /// For each of these labels a row of zeros with 1 at the class it names.
    #[track_caller]
    pub fn one_hot(self, classes: usize) -> Var<'p> {
        if self.is_poisoned() { self } else { one_hot(self, classes, Place::caller()) }
    }

    /// The mean over the samples of the negative log-probability of the label, from logits: see [`LabelLoss`].
    #[track_caller]
    pub fn cross_entropy(self, labels: Var<'p>) -> Var<'p> {
        LabelLoss { logits: true, reduce: true }.written(self, labels, Place::caller())
    }

    /// Each sample's cross entropy.
    #[track_caller]
    pub fn cross_entropy_each(self, labels: Var<'p>) -> Var<'p> {
        LabelLoss { logits: true, reduce: false }.written(self, labels, Place::caller())
    }

    /// The mean over the samples of the negative log-probability of the label: see [`LabelLoss`].
    #[track_caller]
    pub fn nll(self, labels: Var<'p>) -> Var<'p> {
        LabelLoss { logits: false, reduce: true }.written(self, labels, Place::caller())
    }

    /// Each sample's negative log-probability of the label.
    #[track_caller]
    pub fn nll_each(self, labels: Var<'p>) -> Var<'p> {
        LabelLoss { logits: false, reduce: false }.written(self, labels, Place::caller())
    }
}
