//! Operators that only rearrange: reshape, broadcast, and the sum that undoes a broadcast.

use super::layout::Layout;
use crate::error::{Fault, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Operand, Param, Recordable,
    Sample, Shortcut, TakesSparse, Transposition,
};
use crate::program::real::Scalar;
use crate::program::record::{Recording, record};
use crate::program::total;
use crate::program::{Program, Var};
use crate::tensor::{broadcast, broadcast_strides, size, strides};

pub(super) fn ints(shape: &[usize]) -> Param {
    Param::Ints(shape.iter().map(|&n| n as i64).collect())
}

/// The shape argument of a call, checked to be nonnegative.
fn shape_argument(call: &Call<'_, '_>) -> Result<Vec<usize>> {
    call.expect(1, 2, &["shape"])?;
    let shape = call.ints("shape", 1)?.ok_or_else(|| call.fault("`shape` is missing"))?;
    shape
        .iter()
        .map(|&n| usize::try_from(n).map_err(|_| call.fault(format!("`shape` holds {n}; lengths are not negative"))))
        .collect()
}

pub(super) fn with_leading(size: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(size).chain(shape.iter().copied()).collect()
}

/// `reshape(x, shape)`: the same numbers in row-major order with another shape.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// The new shape.
    pub shape: Vec<usize>,
}

impl Reshape {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "reshape",
        signature: "reshape(x, shape)",
        formula: "the same numbers, in row-major order, with another shape",
        class: "linear",
        ties: "",
        source: "numpy.reshape",
        notation: Notation::Call,
        call: |call| {
            let shape = shape_argument(call)?;
            Ok(call.apply(Reshape { shape }, &[call.var(0)?]))
        },
        samples: &[Sample::new("reshape(x, (3, 2))", &[("x", &[2, 3])])],
    };
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shape", ints(&self.shape))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if size(args[0]) != size(&self.shape) {
            return Err(Fault::Shapes {
                op: "reshape".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("shape {:?} holds {} numbers, not {}", self.shape, size(&self.shape), size(args[0])),
            });
        }
        Ok(self.shape.clone())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        if args[0].shape() == self.shape {
            return Some(args[0]);
        }
        if let Some(number) = args[0].uniform() {
            return Some(args[0].constant(number).broadcast_to(&self.shape));
        }
        args[0].made_by("reshape").map(|(_, inner)| inner[0].reshape(&self.shape))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.reshape(at.shape))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].reshape(&with_leading(at.size, &self.shape)))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Alias
    }
}

/// `broadcast_to(x, shape)`: x stretched along axes of length 1 and along new leading axes.
#[derive(Debug, Clone)]
pub struct BroadcastTo {
    /// The shape to stretch to.
    pub shape: Vec<usize>,
}

impl BroadcastTo {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "broadcast_to",
        signature: "broadcast_to(x, shape)",
        formula: "x stretched along axes of length 1 and new leading axes",
        class: "linear",
        ties: "",
        source: "numpy.broadcast_to",
        notation: Notation::Call,
        call: |call| {
            let shape = shape_argument(call)?;
            Ok(call.apply(BroadcastTo { shape }, &[call.var(0)?]))
        },
        samples: &[Sample::new("broadcast_to(x, (2, 3))", &[("x", &[3])])],
    };
}

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shape", ints(&self.shape))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if broadcast(args[0], &self.shape).as_ref() != Some(&self.shape) {
            return Err(Fault::Shapes {
                op: "broadcast_to".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("it does not stretch to {:?}", self.shape),
            });
        }
        Ok(self.shape.clone())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn reduce<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        if args[0].shape() == self.shape {
            return Some(args[0]);
        }
        args[0].made_by("broadcast_to").map(|(_, inner)| inner[0].broadcast_to(&self.shape))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.sum_to(at.shape))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let x = at.args[0].pad_rank_after(self.shape.len() - at.ranks[0]);
        Ok(x.broadcast_to(&with_leading(at.size, &self.shape)))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Pointwise(self)
    }
}

// Element by element it is the identity of a stretched argument: what runs programs fast reads the argument with
// stride 0 where it stretches, and copies nothing.
impl Recordable for BroadcastTo {
    fn record(&self) -> Recording {
        record(1, |x| x[0])
    }

    fn eval(&self, args: &[f64]) -> f64 {
        args[0]
    }
}

/// `sum_to(x, shape)`: the sum over the axes along which `shape` would stretch to x; the transpose of broadcasting.
#[derive(Debug, Clone)]
pub struct SumTo {
    /// The shape that is left.
    pub shape: Vec<usize>,
}

impl SumTo {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "sum_to",
        signature: "sum_to(x, shape)",
        formula: "the sum over the axes along which shape broadcasts to x",
        class: "linear",
        ties: "",
        source: "the transpose of broadcast_to",
        notation: Notation::Call,
        call: |call| {
            let shape = shape_argument(call)?;
            Ok(call.apply(SumTo { shape }, &[call.var(0)?]))
        },
        samples: &[Sample::new("sum_to(x, (1, 3))", &[("x", &[2, 3])])],
    };
}

impl Op for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shape", ints(&self.shape))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        if broadcast(args[0], &self.shape).as_deref() != Some(args[0]) {
            return Err(Fault::Shapes {
                op: "sum_to".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("shape {:?} does not broadcast to it", self.shape),
            });
        }
        Ok(self.shape.clone())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].unbounded()
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.broadcast_to(at.shape))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let mut padded = with_leading(at.size, &vec![1; at.ranks[0] - self.shape.len()]);
        padded.extend(&self.shape);
        Ok(at.args[0].sum_to(&padded).reshape(&with_leading(at.size, &self.shape)))
    }

    fn shortcut(&self, arg: &[usize]) -> Option<Shortcut> {
        (size(&self.shape) == 1 && size(arg) > 0).then_some(Shortcut::Total(1.0))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for SumTo {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        if self.shortcut(args[0]).is_some() {
            return Kernel::new(|args, out, _| out[0] = total::sum(args[0]));
        }
        let layout = Layout::forward(args[0], &broadcast_strides(out, args[0]));
        Kernel::new(move |args, out, _| {
            out.fill(T::of(0.0));
            layout.add(args[0], out);
        })
    }
}

/// `transpose(x)`: the axes in another order, by default reversed.
///
/// The permutation is of the last axes, so that it means the same under further leading axes.
#[derive(Debug, Clone)]
pub struct Transpose {
    /// Which of the last axes (counted from 0 among them) stands at each place.
    pub axes: Vec<usize>,
}

impl Transpose {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "transpose",
        signature: "transpose(x, axes=None)",
        formula: "the axes in another order, by default reversed",
        class: "linear",
        ties: "",
        source: "numpy.transpose",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axes"])?;
            let x = call.var(0)?;
            let rank = x.rank();
            let axes = match call.ints("axes", 1)? {
                None => (0..rank).rev().collect(),
                Some(axes) => axes
                    .iter()
                    .map(|&a| usize::try_from(if a < 0 { a + axes.len() as i64 } else { a }))
                    .collect::<Result<_, _>>()
                    .map_err(|_| call.fault("`axes` must be a permutation of the axes"))?,
            };
            Ok(call.apply(Transpose { axes }, &[x]))
        },
        samples: &[
            Sample::new("transpose(x)", &[("x", &[2, 3])]),
            Sample::new("transpose(x, axes=(1, 2, 0))", &[("x", &[2, 3, 2])]),
        ],
    };

    fn permuted(&self, shape: &[usize]) -> Vec<usize> {
        let lead = shape.len() - self.axes.len();
        shape[..lead].iter().copied().chain(self.axes.iter().map(|&a| shape[lead + a])).collect()
    }
}

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axes", ints(&self.axes))]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if sorted.len() > args[0].len() || sorted.iter().enumerate().any(|(k, &a)| k != a) {
            return Err(Fault::Shapes {
                op: "transpose".into(),
                shapes: vec![args[0].to_vec()],
                rule: format!("{:?} is no permutation of its axes", self.axes),
            });
        }
        Ok(self.permuted(args[0]))
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let mut inverse = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(k, &a)| inverse[a] = k);
        Ok(at.cotangent.apply(Transpose { axes: inverse }))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn sparse(&self) -> Option<&dyn TakesSparse> {
        Some(self)
    }
}

impl TakesSparse for Transpose {
    fn takes(&self, _: &[Option<&str>]) -> Result<()> {
        Ok(())
    }

    fn keeps_sparse(&self) -> bool {
        true
    }

    fn bound<'p>(&self, args: &[Operand<'p>]) -> Result<Operand<'p>> {
        Ok(match &args[0] {
            Operand::Sparse { matrix, transposed } => {
                Operand::Sparse { matrix: matrix.clone(), transposed: *transposed != (self.axes == [1, 0]) }
            }
            array => array.clone(),
        })
    }
}

impl ArrayKernel for Transpose {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let own = strides(args[0]);
        let lead = own.len() - self.axes.len();
        let steps: Vec<usize> = own[..lead].iter().copied().chain(self.axes.iter().map(|&a| own[lead + a])).collect();
        let layout = Layout::forward(out, &steps);
        Kernel::new(move |args, out, _| layout.read(args[0], out))
    }
}

impl<'p> Var<'p> {
    /// The same numbers, in row-major order, with another shape.
    #[track_caller]
    pub fn reshape(self, shape: &[usize]) -> Var<'p> {
        if self.has_shape(shape) {
            return self;
        }
        self.apply(Reshape { shape: shape.to_vec() })
    }

    /// Stretched to a shape by numpy's rule.
    #[track_caller]
    pub fn broadcast_to(self, shape: &[usize]) -> Var<'p> {
        if self.has_shape(shape) {
            return self;
        }
        self.apply(BroadcastTo { shape: shape.to_vec() })
    }

    /// Summed over the axes along which `shape` would stretch to this one's shape.
    #[track_caller]
    pub fn sum_to(self, shape: &[usize]) -> Var<'p> {
        if self.has_shape(shape) {
            return self;
        }
        self.apply(SumTo { shape: shape.to_vec() })
    }

    /// The axes in reverse order: the transpose of a matrix.
    #[track_caller]
    pub fn t(self) -> Var<'p> {
        self.apply(Transpose { axes: (0..self.rank()).rev().collect() })
    }

    /// The axes in another order.
    #[track_caller]
    pub fn transpose(self, axes: &[usize]) -> Var<'p> {
        self.apply(Transpose { axes: axes.to_vec() })
    }
}
