//! What the derivative of a max pool becomes in compiled programs: plane by plane, so that windows stay in the first cache.

use super::axes::Selected;
use super::pick::{Pick, Rows, Weights};
use super::product::{Stretches, put, some};
use super::shape::ints;
use super::window::{Frame, Grid, Windows};
use crate::error::{Fault, Result};
use crate::program::class::Class;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::{ArrayKernel, Batching, Compiler, Execution, Kernel, Op, Param};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;

/// `unpooled(c, x, s)`: each number of c times what `pick(w, s)` gives the entries of its window w of x, for one number s,
/// added up where the entries are from.
///
/// It stands in programs that are run and nowhere else: there is no tie to be seen. Cost: linear.
#[derive(Debug, Clone)]
struct Unpooled {
    /// The windows of x, which may have its padding.
    taken: Frame,
    /// The windows of the array that is made, and the lengths of its axes.
    added: Frame,
    length: Vec<usize>,
}

/// Windows y about to be added, if they are the picked entries of windows times a number each.
pub(super) fn fused<'p>(y: Var<'p>, added: Frame, length: &[usize]) -> Option<Var<'p>> {
    let (_, factors) = y.made_by("guarded_mul")?;
    let (pick, args) = factors[0].made_by("pick")?;
    let (u, s) = (args[0], args[1]);
    let (windows, of) = u.made_by("windows")?;
    let (dims, shape) = (added.dims, u.shape());
    let taken = added.without_padding();
    let over_entries = Pick::over(&added.entries(), shape.len());
    let alike = windows.params() == Windows::take(taken).params() && pick.params() == over_entries.params();
    if !alike || size(&s.shape()) != 1 {
        return None;
    }
    let lead = shape.len() - 2 * dims;
    let (_, numbers) = factors[1].made_by("broadcast_to")?;
    let counts = &shape[lead + dims..];
    let each = [&shape[..lead], &vec![1; dims], counts].concat();
    if numbers[0].shape() != each || factors[1].shape() != shape {
        return None;
    }
    let numbers = numbers[0].reshape(&[&shape[..lead], counts].concat());
    Some(numbers.apply_with(Unpooled { taken, added, length: length.to_vec() }, &[of[0], s]))
}

impl Unpooled {
    fn grid(&self, frame: Frame, shape: &[usize]) -> Grid {
        frame.grid(self.name(), &shape[shape.len() - frame.dims..]).expect("it was made of windows whose shapes agree")
    }
}

impl Op for Unpooled {
    fn name(&self) -> &'static str {
        "unpooled"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        std::iter::once(("length", ints(&self.length))).chain(self.added.params(true, Some(1))).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok([&args[0][..args[0].len() - self.added.dims], &self.length].concat())
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

impl ArrayKernel for Unpooled {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        // Two comparisons, a product and a sum for each entry of a window.
        4 * (size(args[0]) * self.grid(self.taken, args[1]).entries()) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (taken, added) = (self.grid(self.taken, args[1]), self.grid(self.added, out));
        let level = Level::of_this_machine();
        let (plane, inner) = (taken.plane(), taken.windows());
        let planes = size(args[1]).checked_div(plane).unwrap_or(0);
        Kernel::of_parts(2 * taken.entries() * inner, [planes, 1], move |planes, args, out, scratch| {
            let c = &args[0][planes.start * inner..planes.end * inner];
            let x = &args[1][planes.start * plane..planes.end * plane];
            T::with_lanes(level, Back { taken: &taken, added: &added, c, x, s: args[2], out, scratch });
        })
    }
}

/// Cotangents of windows about to go back to the entries that are picked.
struct Back<'a, T> {
    taken: &'a Grid,
    added: &'a Grid,
    c: &'a [T],
    x: &'a [T],
    s: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for Back<'_, T> {
    // The loops are of numbers, and the compiler makes vectors of them.
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Back { taken, added, c, x, s, out, scratch } = self;
        if taken.is_by_fours() && (taken.frame, taken.lengths) == (added.frame, added.lengths) {
            return Fours { grid: taken, c, x, s: s[0], out }.run::<V>();
        }
        let (zero, inner, length) = (T::of(0.0), taken.windows(), taken.entries());
        out.fill(zero);
        if inner == 0 {
            return;
        }
        let (windows, weights) = scratch.split_at_mut(length * inner);
        let planes = std::iter::zip(x.chunks_exact(taken.plane()), out.chunks_exact_mut(added.plane()));
        for ((x, out), c) in std::iter::zip(planes, c.chunks_exact(inner)) {
            taken.gather(x, windows);
            let selected = &Selected::Slice(None);
            Rows { length, inner, selected, u: windows, s, out: weights }.run::<V>();
            for row in weights.chunks_exact_mut(inner) {
                for (w, c) in std::iter::zip(row, c) {
                    *w = w.if_eq(zero, zero, c.if_eq(zero, zero, *w * *c));
                }
            }
            added.add(weights, out);
        }
    }
}

/// The same for windows of two by two entries, each of which is in one window: they are gone over in registers.
struct Fours<'a, T> {
    grid: &'a Grid,
    c: &'a [T],
    x: &'a [T],
    s: T,
    out: &'a mut [T],
}

impl<T: Scalar> Fours<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Fours { grid, c, x, s, out } = self;
        let [rows, count] = grid.counts;
        let (plane, length) = (grid.plane(), out.len());
        let s = V::splat(s);
        for from in (0..length).step_by(plane) {
            let c = &c[from / plane * grid.windows()..][..grid.windows()];
            for a in 0..rows {
                let [upper, lower] = [0, 1].map(|i| from + grid.row_of(i, a).start);
                for (at, n) in Stretches::of::<T, V>(count) {
                    // SAFETY: the windows from `at` on lie in the two rows, and `put_row` writes no further than `out` reaches.
                    unsafe {
                        let c: V = some(c.as_ptr().add(a * count + at), n);
                        let [x0, x1] = row::<T, V>(&x[upper + 2 * at..], n);
                        let [x2, x3] = row::<T, V>(&x[lower + 2 * at..], n);
                        let [y0, y1, y2, y3] = four([x0, x1, x2, x3], c, s);
                        put_row(y0.zip(y1), out, upper + 2 * at, n);
                        put_row(y2.zip(y3), out, lower + 2 * at, n);
                    }
                }
            }
            out[from + 2 * rows * grid.lengths[1]..from + plane].fill(T::of(0.0));
        }
    }
}

/// The first and the second numbers of n pairs.
///
/// # Safety
/// There are so many pairs, of which a vector holds as many.
#[inline(always)]
unsafe fn row<T: Scalar, V: Lanes<T>>(x: &[T], n: usize) -> [V; 2] {
    let first = V::N.min(2 * n);
    // SAFETY: the caller vouches for it.
    unsafe { some::<T, V>(x.as_ptr(), first).unzip(some(x.as_ptr().add(first), 2 * n - first)) }
}

/// Writes n pairs. Rows are written from the first to the last, so what goes over the end of one is written again, but for
/// the end of all.
///
/// # Safety
/// There is room for so many pairs.
#[inline(always)]
unsafe fn put_row<T: Scalar, V: Lanes<T>>([first, second]: [V; 2], out: &mut [T], at: usize, n: usize) {
    let whole = if at + 2 * V::N <= out.len() { V::N } else { n };
    // SAFETY: the caller vouches for n pairs, and whole vectors are within `out`.
    unsafe {
        let to = out.as_mut_ptr().add(at);
        let of_first = V::N.min(2 * whole);
        put(first, to, of_first);
        put(second, to.add(of_first), 2 * whole - of_first);
    }
}

/// What the entries of windows get: the window's number times their weight, and 0 where either is.
#[inline(always)]
fn four<T: Scalar, V: Lanes<T>>(x: [V; 4], c: V, s: V) -> [V; 4] {
    let (zero, one) = (V::splat(T::of(0.0)), V::splat(T::of(1.0)));
    let top = x[0].max(x[1]).max(x[2]).max(x[3]);
    let each = |x: V| top.if_eq(x, one, zero);
    let count = each(x[0]).add(each(x[1])).add(each(x[2])).add(each(x[3]));
    let mut weights = Weights::shared(top, count, s);
    let mut times = |x: V| {
        let w = weights.next(x);
        w.if_eq(zero, zero, c.if_eq(zero, zero, w.mul(c)))
    };
    [times(x[0]), times(x[1]), times(x[2]), times(x[3])]
}

#[cfg(test)]
mod tests {
    use crate::op::ranked::tests::slow;
    use crate::program::tie::Convention;
    use crate::{Program, Tensor};

    /// The compiled gradient, which goes plane by plane, is that of the slow twin; with ties, NaN and infinities.
    #[test]
    fn planes_go_back_as_windows_do() {
        type Sizes = [usize; 2];
        let cases: [([usize; 4], Sizes, Sizes, Sizes, Sizes); 9] = [
            ([2, 2, 7, 14], [2, 2], [2, 2], [0, 0], [1, 1]),
            ([3, 1, 4, 2], [2, 2], [2, 2], [0, 0], [1, 1]),
            ([1, 2, 5, 26], [2, 2], [2, 2], [0, 0], [1, 1]),
            ([1, 1, 2, 34], [2, 2], [2, 2], [0, 0], [1, 1]),
            ([2, 3, 8, 8], [2, 2], [2, 2], [0, 0], [1, 1]),
            ([1, 2, 9, 8], [3, 2], [2, 2], [0, 0], [1, 1]),
            ([2, 1, 7, 9], [3, 3], [2, 1], [1, 1], [1, 1]),
            ([1, 1, 9, 40], [2, 3], [1, 2], [1, 0], [2, 1]),
            ([2, 2, 6, 6], [2, 2], [1, 1], [0, 1], [1, 1]),
        ];
        for (shape, kernel, stride, padding, dilation) in cases {
            let f = Program::trace(&[&shape], |v| {
                let pooled = v[0].max_pool(&kernel, &stride, &padding, &dilation);
                (pooled * pooled.constant(Tensor::from_fn(&pooled.shape(), |k| (k % 5) as f64 - 1.0))).sum()
            })
            .expect("a program");
            let gradient = f.gradient().expect("a gradient");
            for special in [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let x = Tensor::from_fn(&shape, |k| if k % 31 == 17 { special } else { (k * 7919 % 11) as f64 / 4.0 });
                for convention in [Convention::MinNorm, Convention::PyTorch] {
                    let slow = slow(&gradient, &x, convention);
                    let compiled = gradient.compile::<f64>(convention);
                    let fast = compiled.call(std::slice::from_ref(&x)).expect("a value").remove(0);
                    let bits = |x: &[f64]| -> Vec<u64> {
                        x.iter().map(|x| if x.is_nan() { f64::NAN } else { *x + 0.0 }.to_bits()).collect()
                    };
                    assert_eq!(bits(fast.data()), bits(slow.data()), "{shape:?} {kernel:?} {special} {convention:?}");
                }
            }
        }
    }
}
