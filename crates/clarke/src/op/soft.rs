//! The kernels of logsumexp, softmax and log_softmax: exponentials in long runs, which the processor takes several at a time.

use super::axes::{Split, fold_row};
use crate::program::elementary::Formulas;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::Kernel;
use crate::program::real::Scalar;

/// How many exponentials are taken in a run: they stay in the first cache.
const RUN: usize = 1024;

/// `log Σ exp` of each slice.
pub(super) fn logsumexp<T: Scalar>(split: Split) -> Kernel<T> {
    let level = Level::of_this_machine();
    let scratch = match split.side_by_side() {
        Some(inner) => 2 * inner,
        None => RUN.min(split.slices * split.length),
    };
    let (parts, length) = (if split.is_rows() { split.slices } else { 1 }, split.length);
    Kernel::of_parts(scratch, [parts, 1], move |parts, args, out, scratch| {
        let x = if split.is_rows() { &args[0][parts.start * length..parts.end * length] } else { args[0] };
        T::with_lanes(level, LogSumExp { split: &split, x, out, scratch });
    })
}

/// The weights `exp(x) / Σ exp x` of each slice; and behind those of all slices `log Σ exp` of each, if there is room.
pub(super) fn softmax<T: Scalar>(split: Split) -> Kernel<T> {
    let level = Level::of_this_machine();
    let scratch = split.side_by_side().unwrap_or(0);
    let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
        let (out, logs) = out.split_at_mut(args[0].len());
        let logs = (!logs.is_empty()).then_some(logs);
        T::with_lanes(level, Softmax { split: &split, x: args[0], out, logs, scratch });
    };
    Kernel::with_scratch(scratch, run)
}

/// `x − log Σ exp` of each slice.
pub(super) fn log_softmax<T: Scalar>(split: Split) -> Kernel<T> {
    let level = Level::of_this_machine();
    let scratch = split.slices + split.length.max(RUN);
    let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
        let (tops, scratch) = scratch.split_at_mut(split.slices);
        split.fold(args[0], tops, T::of(f64::NEG_INFINITY), |x| x, T::max);
        T::with_lanes(level, LogSoftmax { split: &split, x: args[0], tops, out, scratch });
    };
    Kernel::with_scratch(scratch, run)
}

struct LogSumExp<'a, T> {
    split: &'a Split,
    x: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for LogSumExp<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let LogSumExp { split, x, out, scratch } = self;
        let length = split.length;
        if split.is_rows() {
            // Several short rows in a run, or a long one in several.
            let rows = (RUN / length).max(1);
            for (x, out) in std::iter::zip(x.chunks(rows * length), out.chunks_mut(rows)) {
                for (x, y) in std::iter::zip(x.chunks_exact(length), &mut *out) {
                    *y = largest(x);
                }
                if length <= RUN {
                    let run = &mut scratch[..x.len()];
                    for ((x, to), top) in
                        std::iter::zip(x.chunks_exact(length), run.chunks_exact_mut(length)).zip(&*out)
                    {
                        subtract(x, *top, to);
                    }
                    exponentials::<T, V>(run);
                    for (run, y) in std::iter::zip(run.chunks_exact(length), out) {
                        *y = above(*y, sum::<T, V>(run));
                    }
                } else {
                    let sum = x.chunks(RUN).fold(T::of(0.0), |total, x| {
                        let run = &mut scratch[..x.len()];
                        subtract(x, out[0], run);
                        exponentials::<T, V>(run);
                        total + sum::<T, V>(run)
                    });
                    out[0] = above(out[0], sum);
                }
            }
        } else if let Some(inner) = split.side_by_side() {
            let (sums, run) = scratch.split_at_mut(inner);
            for (x, out) in std::iter::zip(x.chunks_exact(length * inner), out.chunks_exact_mut(inner)) {
                largest_each(x, out);
                sums.fill(T::of(0.0));
                for x in x.chunks_exact(inner) {
                    std::iter::zip(&mut *run, x).zip(&*out).for_each(|((to, x), top)| *to = *x - *top);
                    exponentials::<T, V>(run);
                    std::iter::zip(&mut *sums, &*run).for_each(|(sum, x)| *sum = *sum + *x);
                }
                std::iter::zip(out, &*sums).for_each(|(y, sum)| *y = above(*y, *sum));
            }
        } else {
            for (s, y) in out.iter_mut().enumerate() {
                let top = split.positions(s).fold(T::of(f64::NEG_INFINITY), |top, at| top.max(x[at]));
                let sum = split.positions(s).fold(T::of(0.0), |sum, at| sum + (x[at] - top).exp());
                *y = above(top, sum);
            }
        }
    }
}

struct Softmax<'a, T> {
    split: &'a Split,
    x: &'a [T],
    out: &'a mut [T],
    /// Where the logarithms of the sums go, if they are wanted.
    logs: Option<&'a mut [T]>,
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for Softmax<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Softmax { split, x, out, mut logs, scratch } = self;
        let length = split.length;
        if split.is_rows() {
            let rows = (RUN / length).max(1);
            for (k, (x, out)) in std::iter::zip(x.chunks(rows * length), out.chunks_mut(rows * length)).enumerate() {
                let mut logs = logs.as_deref_mut().map(|logs| &mut logs[k * rows..]);
                for (s, (x, out)) in std::iter::zip(x.chunks_exact(length), out.chunks_exact_mut(length)).enumerate() {
                    let top = largest(x);
                    subtract_infinite(x, top, out);
                    logs.iter_mut().for_each(|logs| logs[s] = top);
                }
                exponentials::<T, V>(out);
                for (s, out) in out.chunks_exact_mut(length).enumerate() {
                    let sum = sum::<T, V>(out);
                    let share = T::of(1.0) / sum;
                    out.iter_mut().for_each(|y| *y = *y * share);
                    logs.iter_mut().for_each(|logs| logs[s] = above(logs[s], sum));
                }
            }
        } else if let Some(inner) = split.side_by_side() {
            let planes = std::iter::zip(x.chunks_exact(length * inner), out.chunks_exact_mut(length * inner));
            for (k, (x, out)) in planes.enumerate() {
                largest_each(x, scratch);
                let mut logs = logs.as_deref_mut().map(|logs| &mut logs[k * inner..][..inner]);
                logs.iter_mut().for_each(|logs| logs.copy_from_slice(scratch));
                for (x, out) in std::iter::zip(x.chunks_exact(inner), out.chunks_exact_mut(inner)) {
                    std::iter::zip(out, x).zip(&*scratch).for_each(|((to, x), top)| *to = below(*x, *top));
                }
                exponentials::<T, V>(out);
                scratch.fill(T::of(0.0));
                for out in out.chunks_exact(inner) {
                    std::iter::zip(&mut *scratch, out).for_each(|(sum, y)| *sum = *sum + *y);
                }
                if let Some(logs) = logs {
                    std::iter::zip(logs, &*scratch).for_each(|(y, sum)| *y = above(*y, *sum));
                }
                scratch.iter_mut().for_each(|sum| *sum = T::of(1.0) / *sum);
                for out in out.chunks_exact_mut(inner) {
                    std::iter::zip(out, &*scratch).for_each(|(y, share)| *y = *y * *share);
                }
            }
        } else {
            for s in 0..split.slices {
                let top = split.positions(s).fold(T::of(f64::NEG_INFINITY), |top, at| top.max(x[at]));
                let mut sum = T::of(0.0);
                for at in split.positions(s) {
                    out[at] = below(x[at], top).exp();
                    sum = sum + out[at];
                }
                let share = T::of(1.0) / sum;
                split.positions(s).for_each(|at| out[at] = out[at] * share);
                logs.iter_mut().for_each(|logs| logs[s] = above(top, sum));
            }
        }
    }
}

struct LogSoftmax<'a, T> {
    split: &'a Split,
    x: &'a [T],
    /// The largest of each slice.
    tops: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for LogSoftmax<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let LogSoftmax { split, x, tops, out, scratch } = self;
        let length = split.length.max(1);
        let together = (RUN / length).max(1);
        for (group, tops) in tops.chunks(together).enumerate() {
            let rows = &mut scratch[..tops.len() * split.length];
            for (k, (row, top)) in rows.chunks_mut(length).zip(tops).enumerate() {
                for (y, at) in row.iter_mut().zip(split.positions(group * together + k)) {
                    *y = below(x[at], *top);
                    out[at] = *y;
                }
            }
            exponentials::<T, V>(rows);
            for (k, row) in rows.chunks(length).enumerate() {
                let rest = row.iter().fold(T::of(0.0), |sum, y| sum + *y).ln();
                split.positions(group * together + k).for_each(|at| out[at] = out[at] - rest);
            }
        }
    }
}

#[inline(always)]
fn largest<T: Scalar>(row: &[T]) -> T {
    // One instruction, which passes over NaN; where the result is finite the exponentials bring it into their sum.
    let top = fold_row(row, T::of(f64::NEG_INFINITY), |x| x, |a, b| if b > a { b } else { a });
    if top.is_finite() { top } else { row.iter().fold(top, |top, x| top.max(*x)) }
}

/// The largest of each of the slices that lie side by side.
#[inline(always)]
fn largest_each<T: Scalar>(x: &[T], out: &mut [T]) {
    out.fill(T::of(f64::NEG_INFINITY));
    for row in x.chunks_exact(out.len()) {
        std::iter::zip(&mut *out, row).for_each(|(top, x)| *top = top.max(*x));
    }
}

#[inline(always)]
fn subtract<T: Scalar>(x: &[T], top: T, out: &mut [T]) {
    std::iter::zip(out, x).for_each(|(y, x)| *y = *x - top);
}

/// The same for weights, of which entries ∞ share all.
#[inline(always)]
fn subtract_infinite<T: Scalar>(x: &[T], top: T, out: &mut [T]) {
    if top == T::of(f64::INFINITY) {
        std::iter::zip(out, x).for_each(|(y, x)| *y = below(*x, top));
    } else {
        subtract(x, top, out);
    }
}

/// x − top, but 0 where both are ∞: ∞ − ∞ is no weight, and the entries ∞ share it all.
#[inline(always)]
fn below<T: Scalar>(x: T, top: T) -> T {
    let infinite = top == T::of(f64::INFINITY) && x == top;
    if infinite { T::of(0.0) } else { x - top }
}

/// top + log sum, and top where that is not finite.
#[inline(always)]
fn above<T: Scalar>(top: T, sum: T) -> T {
    if top.is_finite() { top + sum.ln() } else { top }
}

#[inline(always)]
fn exponentials<T: Scalar, V: Lanes<T>>(x: &mut [T]) {
    x.iter_mut().for_each(|x| *x = Formulas::exp::<V::Products>(*x));
}

/// Σ x in four vectors side by side.
#[inline(always)]
pub(super) fn sum<T: Scalar, V: Lanes<T>>(x: &[T]) -> T {
    let mut sums = [V::splat(T::of(0.0)); 4];
    let mut left = x;
    while left.len() >= 4 * V::N {
        for (k, sum) in sums.iter_mut().enumerate() {
            // SAFETY: four vectors are left.
            *sum = sum.add(unsafe { V::load(left[k * V::N..].as_ptr()) });
        }
        left = &left[4 * V::N..];
    }
    for sum in &mut sums {
        let n = left.len().min(V::N);
        if n > 0 {
            // SAFETY: so many numbers are left.
            *sum = sum.add(unsafe { V::load_part(left.as_ptr(), n) });
        }
        left = &left[n..];
    }
    let [a, b, c, d] = V::sums(sums);
    (a + b) + (c + d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kernel: &Kernel<f64>, x: &[f64], n: usize) -> Vec<f64> {
        let mut out = vec![f64::NAN; n];
        (kernel.run)(&[x], &mut out, &mut vec![f64::NAN; kernel.scratch]);
        out
    }

    #[test]
    fn both_are_what_they_are_defined_to_be_along_every_layout() {
        let long = RUN + 7;
        let cases: [(&[usize], &[usize]); 7] = [
            (&[5, 3], &[1]),
            (&[700, 3], &[1]),
            (&[2, long], &[1]),
            (&[long, 2], &[0]),
            (&[4, 3, 21], &[1]),
            (&[4, 3, 2], &[0, 2]),
            (&[6], &[]),
        ];
        for (shape, axes) in cases {
            let split = Split::new(shape, axes);
            let x: Vec<f64> = (0..crate::tensor::size(shape)).map(|k| 3.0 * (k as f64 * 1.7).sin()).collect();
            let (sums, weights) = (logsumexp(split.clone()), softmax(split.clone()));
            let (sums, weights) = (run(&sums, &x, split.slices), run(&weights, &x, x.len()));
            let together = run(&softmax(split.clone()), &x, x.len() + split.slices);
            assert_eq!(together[..x.len()], weights, "{shape:?} {axes:?}");
            for (a, b) in std::iter::zip(&together[x.len()..], &sums) {
                assert!((a - b).abs() <= 1e-14 * b.abs(), "{shape:?} {axes:?}: {a} {b}");
            }
            for (s, own) in sums.iter().enumerate() {
                let sum: f64 = split.positions(s).map(|at| x[at].exp()).sum();
                assert!((own - sum.ln()).abs() < 1e-13, "{shape:?} {axes:?}");
                for at in split.positions(s) {
                    assert!((weights[at] - x[at].exp() / sum).abs() < 1e-14, "{shape:?} {axes:?}");
                }
            }
        }
    }

    #[test]
    fn infinite_entries_share_all_and_minus_infinity_counts_for_nothing() {
        let inf = f64::INFINITY;
        let x = [0.0, inf, inf, 1.0, 0.0, -inf, -inf, -inf, -inf];
        for (rows, x) in [(true, x.to_vec()), (false, (0..9).map(|k| x[k % 3 * 3 + k / 3]).collect())] {
            let split = Split::new(&[3, 3], &[if rows { 1 } else { 0 }]);
            let at = |s: usize, k: usize| if rows { 3 * s + k } else { 3 * k + s };
            let sums = run(&logsumexp(split.clone()), &x, 3);
            assert_eq!((sums[0], sums[2]), (inf, -inf));
            assert!((sums[1] - (1.0 + 1f64.exp()).ln()).abs() < 1e-15);
            let together = run(&softmax(split.clone()), &x, 12);
            assert_eq!(together[9..], sums);
            let weights = run(&softmax(split), &x, 9);
            assert_eq!([0, 1, 2].map(|k| weights[at(0, k)]), [0.0, 0.5, 0.5]);
            assert_eq!(weights[at(1, 2)], 0.0);
        }
    }
}
