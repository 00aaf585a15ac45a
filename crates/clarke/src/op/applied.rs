//! What the ties `order` and `leader` are applied by: linear maps along the last axis, given by a few numbers a row.

use super::axes::Axes;
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Transposition,
};
use crate::program::real::Scalar;
use crate::tensor::{Boxes, broadcast, broadcast_strides, size, walk};
use std::fmt::{Debug, Formatter};
use std::marker::PhantomData;

/// f32 counts without gaps up to here, and positions are kept as numbers.
pub(super) const LONGEST: usize = 1 << 24;

/// The axis that such a tie runs over.
pub(super) fn last() -> Axes {
    Axes::many(&[-1])
}

/// A matrix for each slice along the last axis, each of its rows given by W numbers of a tie; applied to arrays, and its
/// transpose. From these few items come both operators.
///
/// Shapes: the tie's leading axes broadcast to those of the array. Cost: linear.
pub trait Applied<const W: usize>: Sized + Send + Sync + 'static {
    /// The names of the operator and of its transpose.
    const NAMES: [&'static str; 2];
    /// How the two are called in text.
    const SIGNATURES: [&'static str; 2];
    /// Their formulas.
    const FORMULAS: [&'static str; 2];
    /// Whose derivative it is.
    const SOURCE: &'static str;
    /// What is asked of the shape of the tie.
    const RULE: &'static str;

    /// The matrix times x.
    fn forth<T: Scalar>(x: &[T], rows: &[[T; W]], y: &mut [T]);

    /// The transpose times y.
    fn back<T: Scalar>(y: &[T], rows: &[[T; W]], x: &mut [T]);

    /// The transpose times y by other operators, see [`Op::fused`]; `shared` says whether the tie is.
    fn fused_back<'p>(_y: Var<'p>, _tie: Var<'p>, _shared: bool) -> Option<Var<'p>> {
        None
    }

    /// Bounds of the matrix, or of its transpose, times an array, for a tie that is no point.
    fn enclose(back: bool, x: &Boxes, tie: &Boxes) -> Option<Boxes>;

    /// The operator's line in the table of operators.
    const FORTH: Entry = entry::<Self, W>(0, |call| read::<Self, W>(call, false));

    /// The line of its transpose.
    const BACK: Entry = entry::<Self, W>(1, |call| read::<Self, W>(call, true));

    /// The matrix that `tie` gives, applied to x.
    fn to<'p>(x: Var<'p>, tie: Var<'p>) -> Var<'p> {
        x.apply_with(Application::<Self, W>::new(false), &[tie])
    }
}

const fn entry<M: Applied<W>, const W: usize>(k: usize, call: for<'p> fn(&Call<'_, 'p>) -> Result<Var<'p>>) -> Entry {
    Entry {
        name: M::NAMES[k],
        signature: M::SIGNATURES[k],
        formula: M::FORMULAS[k],
        class: "linear in the first argument",
        ties: "",
        source: M::SOURCE,
        notation: Notation::Call,
        call,
        samples: &[],
    }
}

fn read<'p, M: Applied<W>, const W: usize>(call: &Call<'_, 'p>, back: bool) -> Result<Var<'p>> {
    call.expect(2, 2, &[])?;
    Ok(call.apply(Application::<M, W>::new(back), &[call.var(0)?, call.var(1)?]))
}

/// The operator: the matrix or its transpose.
struct Application<M, const W: usize> {
    back: bool,
    map: PhantomData<fn() -> M>,
}

impl<M: Applied<W>, const W: usize> Application<M, W> {
    fn new(back: bool) -> Application<M, W> {
        Application { back, map: PhantomData }
    }
}

impl<M: Applied<W>, const W: usize> Debug for Application<M, W> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl<M: Applied<W>, const W: usize> Op for Application<M, W> {
    fn name(&self) -> &'static str {
        M::NAMES[usize::from(self.back)]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let wanted = [args[0], &[W]].concat();
        let own = args[1].len() >= 2 && args[1].iter().rev().zip(wanted.iter().rev()).take(2).all(|(a, b)| a == b);
        if args[0].is_empty() || !own || broadcast(args[1], &wanted).as_ref() != Some(&wanted) {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            return Err(Fault::Shapes { op: self.name().into(), shapes, rule: M::RULE.into() });
        }
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear()
    }

    fn linearity(&self) -> Linearity {
        Linearity::First
    }

    fn fused<'p>(&self, args: &[Var<'p>], shared: &[bool]) -> Option<Var<'p>> {
        if self.back { M::fused_back(args[0], args[1], shared[1]) } else { None }
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply_with(Application::<M, W>::new(!self.back), &[at.known(1)]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let x = match at.mapped[0] {
            true => at.args[0],
            false => at.args[0].broadcast_to(&[&[at.size], at.args[0].shape().as_slice()].concat()),
        };
        // A tie that is not mapped is the same for all, by broadcasting.
        let missing = (at.ranks[0] + 1).saturating_sub(at.ranks[1]);
        let tie = if at.mapped[1] { at.args[1].pad_rank_after(missing) } else { at.args[1] };
        Ok(x.apply_with(Application::<M, W>::new(self.back), &[tie]))
    }

    fn enclose(&self, args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        M::enclose(self.back, args[0], args[1])
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl<M: Applied<W>, const W: usize> ArrayKernel for Application<M, W> {
    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (lead, n) = args[0].split_at(args[0].len() - 1);
        let n = n[0];
        let own = &args[1][..args[1].len() - 2];
        let mut starts = Vec::with_capacity(size(lead));
        walk(lead, &broadcast_strides(own, lead), |k| starts.push(n * k));
        let run = if self.back { M::back } else { M::forth };
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            let rows = args[1].as_chunks::<W>().0;
            for (slice, &at) in starts.iter().enumerate() {
                let own = slice * n..(slice + 1) * n;
                run(&args[0][own.clone()], &rows[at..at + n], &mut out[own]);
            }
        })
    }
}
