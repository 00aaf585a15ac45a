//! What weights by rank become in compiled programs: a selection in place of a sort, or a sort that says no more than is
//! needed.

use super::ranking;
use super::sort::sorting;
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{ArrayKernel, Batching, Compiler, Execution, Kernel, Op, Param};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;

/// `ranked(u, s)` for a vector u and a number s: `low` for the entries that stand before position `first` in ascending
/// order, `high` for the others. What entries get that are equal to the one at that position, the tie `order(u, s)`
/// says: the value is these weights by rank, arranged back by it.
///
/// It stands in programs that are run and nowhere else: there is no tie to be seen. Cost: linear.
#[derive(Debug, Clone)]
struct Ranked {
    first: usize,
    low: f64,
    high: f64,
}

/// The weights y by rank, arranged back by the order of u under the selection s, if y has two values only, the first of
/// them up to some rank; or that many times a number.
pub(super) fn fused<'p>(y: Var<'p>, order: Var<'p>) -> Option<Var<'p>> {
    let (_, args) = order.made_by("order")?;
    let (u, s) = (args[0], args[1]);
    if u.rank() != 1 || size(&s.shape()) != 1 {
        return None;
    }
    if let Some(weights) = y.known() {
        return Some(u.apply_with(two_values(weights.data())?, &[s]));
    }
    let (product, factors) = y.made_by("guarded_mul").or_else(|| y.made_by("mul"))?;
    let weights = two_values(factors[0].known()?.data())?;
    let number = match factors[1].made_by("broadcast_to") {
        Some((_, of)) => of[0],
        None => factors[1],
    };
    if size(&number.shape()) != 1 || factors[0].shape() != y.shape() {
        return None;
    }
    let weights = u.apply_with(weights, &[s]);
    let number = number.reshape(&[]).broadcast_to(&y.shape());
    Some(if product.name() == "mul" { weights * number } else { weights.guarded_mul(number) })
}

fn two_values(weights: &[f64]) -> Option<Ranked> {
    let (low, high) = (*weights.first()?, *weights.last()?);
    let first = weights.iter().position(|w| w.to_bits() != low.to_bits())?;
    let two = weights[first..].iter().all(|w| w.to_bits() == high.to_bits());
    (two && low.is_finite() && high.is_finite()).then_some(Ranked { first, low, high })
}

impl Op for Ranked {
    fn name(&self) -> &'static str {
        "ranked"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("first", Param::Int(self.first as i64)),
            ("low", Param::Number(self.low)),
            ("high", Param::Number(self.high)),
        ]
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear().bounded()
    }

    fn batch<'p>(&self, _: &Batching<'_, 'p>) -> Result<Var<'p>> {
        unreachable!("programs are batched before they are compiled")
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Ranked {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        4 * size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (first, low, high) = (self.first, T::of(self.low), T::of(self.high));
        let level = Level::of_this_machine();
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let (u, weight) = (args[0], args[1][0]);
            let Some(bound) = ranking::nth(u, first, scratch) else { return out.fill(T::of(f64::NAN)) };
            let (mut below, mut equal) = (0, 0);
            let counts = (&mut below, &mut equal);
            T::with_lanes(level, Sides { u, bound, weights: [low, high], out, counts });
            if equal > 1 {
                let before = first - below;
                let one = T::of(1.0);
                let sum = T::of(before as f64) * low + T::of((equal - before) as f64) * high;
                let mean = if weight == one { T::of(0.0) } else { (one - weight) * (sum / T::of(equal as f64)) };
                let tied = std::iter::zip(&mut *out, u).filter(|(_, x)| **x == bound);
                for (seen, (y, _)) in tied.enumerate() {
                    let own = if seen < before { low } else { high };
                    *y = mean + if weight == one { own } else { weight * own };
                }
            }
        };
        Kernel::with_scratch(ranking::scratch_of_sort::<T>(args[0][0]), run)
    }
}

/// The weights of the entries below a bound and of the others, and how many are below it and equal to it.
struct Sides<'a, T> {
    u: &'a [T],
    bound: T,
    weights: [T; 2],
    out: &'a mut [T],
    counts: (&'a mut usize, &'a mut usize),
}

impl<T: Scalar> Job<T> for Sides<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Sides { u, bound, weights: [low, high], out, counts } = self;
        let nan = T::of(f64::NAN);
        let (mut below, mut equal) = (0u64, 0u64);
        for (y, x) in std::iter::zip(out, u) {
            // The derivative at a NaN is NaN, and numbers stand before it.
            let weight = if *x >= bound { high } else { low };
            *y = if x.is_nan() { nan } else { weight };
            below += u64::from(*x < bound);
            equal += u64::from(*x == bound);
        }
        (*counts.0, *counts.1) = (below as usize, equal as usize);
    }
}

/// `arranged_back(y, u, s)`: the weights y by rank along the last axis, arranged back by `order(u, s)` with one number s.
///
/// The order is never written down: it would be three numbers an entry, which nobody else reads.
#[derive(Debug, Clone)]
struct ArrangedBack;

/// The weights y by rank, arranged back by an order that nobody else reads.
pub(super) fn arranged_back<'p>(y: Var<'p>, order: Var<'p>) -> Option<Var<'p>> {
    let (_, args) = order.made_by("order")?;
    let (u, s) = (args[0], args[1]);
    (size(&s.shape()) == 1 && u.shape() == y.shape()).then(|| y.apply_with(ArrangedBack, &[u, s]))
}

impl Op for ArrangedBack {
    fn name(&self) -> &'static str {
        "arranged_back"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear()
    }

    fn batch<'p>(&self, _: &Batching<'_, 'p>) -> Result<Var<'p>> {
        unreachable!("programs are batched before they are compiled")
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for ArrangedBack {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        sorting(size(args[0]), args[0].last().copied().unwrap_or(1))
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let n = args[0].last().copied().unwrap_or(1);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let rows = args[0].chunks_exact(n.max(1)).zip(args[1].chunks_exact(n.max(1)));
            for ((y, u), out) in rows.zip(out.chunks_exact_mut(n.max(1))) {
                let words = T::words(scratch).expect("compiled programs run on numbers that have keys");
                arrange_row(y, ranking::packed_order(u, words), u, args[2][0], out);
            }
        };
        Kernel::with_scratch(ranking::scratch_of_rank::<T>(n), run)
    }
}

/// One row: what single entries get is written as it is, equal ones get λ of their own and 1 − λ of the mean.
fn arrange_row<T: Scalar>(y: &[T], order: &[u64], u: &[T], weight: T, out: &mut [T]) {
    let mut next = 0;
    for block in order.chunk_by(|a, b| ranking::equal(u, *a, *b)) {
        let own = &y[next..next + block.len()];
        next += block.len();
        if let ([word], [y]) = (block, own) {
            let at = ranking::place(*word);
            // The derivative at a NaN is NaN.
            out[at] = if u[at].is_nan() { u[at] } else { *y };
            continue;
        }
        let rest = T::of(1.0) - weight;
        let sum = own.iter().fold(T::of(0.0), |sum, y| if rest == T::of(0.0) { sum } else { sum + rest * *y });
        let mean = sum / T::of(block.len() as f64);
        for (word, y) in block.iter().zip(own) {
            out[ranking::place(*word)] = mean + if weight == T::of(1.0) { *y } else { weight * *y };
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::program::Var;
    use crate::program::tie::Convention;
    use crate::{Program, Tensor};

    /// The compiled gradient, which selects, is that of the slow twin, which sorts.
    #[test]
    fn selected_weights_are_those_of_the_sorted_order() {
        let cases: [&[f64]; 6] = [
            &[3.0, 1.0, 2.0, 0.0],
            &[1.0, 1.0, 1.0, 1.0],
            &[0.0, -0.0, 2.0, 0.0],
            &[2.0, 1.0, 1.0, 1.0],
            &[f64::NEG_INFINITY, 5.0, f64::INFINITY, 5.0],
            &[1.0, 2.0, 2.0, 2.0],
        ];
        type Make = for<'p> fn(Var<'p>) -> Var<'p>;
        let programs: [Make; 5] = [
            |x| x.sum_largest(2),
            |x| (-x).sum_largest(1).exp(),
            |x| x.sum_largest(3) * x.slice(0, 0..1).reshape(&[]).tanh(),
            |x| (x.sort() * x.constant(Tensor::vector(vec![1.0, -2.0, 0.5, 3.0]))).sum(),
            |x| (x.reshape(&[2, 2]).sort().tanh() * x.reshape(&[2, 2])).sum(),
        ];
        for make in programs {
            let f = Program::trace(&[&[4]], |v| make(v[0])).unwrap().gradient().unwrap();
            for (x, convention) in cases.iter().flat_map(|x| [(x, Convention::MinNorm), (x, Convention::Jax)]) {
                let x = Tensor::vector(x.to_vec());
                let fast = f.compile::<f64>(convention).call(std::slice::from_ref(&x)).unwrap().remove(0);
                let selections = f.inputs().iter().filter(|i| i.role.is_selection()).count();
                assert!(selections > 0, "there is a tie");
                let slow = slow(&f, &x, convention);
                for (a, b) in std::iter::zip(fast.data(), slow.data()) {
                    let close = a == b || (a - b).abs() <= 1e-15 * b.abs() || (a.is_nan() && b.is_nan());
                    assert!(close, "{f:?} at {x:?}, {convention:?}: {fast:?}, not {slow:?}");
                }
            }
        }
    }

    /// The first output of a program at a point, with a convention's selections, without compiling it.
    pub(in crate::op) fn slow(f: &Program, x: &Tensor, convention: Convention) -> Tensor {
        let filled = f.fixing(|_, input| match &input.role {
            crate::program::Role::Selection(Some(site)) => {
                Some(Tensor::full(&input.shape, site.choice(convention).selection))
            }
            _ => None,
        });
        filled.unwrap().eval(std::slice::from_ref(x)).unwrap().remove(0)
    }
}
