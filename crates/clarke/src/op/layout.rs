//! How one array lies in another: the strided copies that all operators that rearrange share.
//!
//! Everything about shapes is worked out once; copying then allocates nothing and goes by whole rows where it can.

use super::product::{self, put, some};
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::real::Scalar;

/// The side of the blocks in which a matrix is transposed: two of them fit the L1 cache in either precision.
const BLOCK: usize = 16;

/// Rows of up to so many numbers are copied without a call for each.
const SHORT: usize = 64;

/// The positions in a *far* array of the elements of a *near* one, which is contiguous in row-major order.
///
/// Axes that continue each other are one; the last two that are left make the loops, and what is before them is a
/// table of starts.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    starts: Vec<usize>,
    rows: usize,
    row_step: isize,
    columns: usize,
    column_step: isize,
    level: Level,
}

impl Layout {
    /// The layout of a near array of this shape whose first element is at `start` in the far one, and whose elements
    /// are `steps` apart there along each axis. Every position must be one of the far array.
    pub(super) fn new(shape: &[usize], steps: &[isize], start: usize) -> Layout {
        let mut axes: Vec<(usize, isize)> = vec![];
        for (&length, &step) in std::iter::zip(shape, steps).rev().filter(|(n, _)| **n != 1) {
            match axes.last_mut() {
                Some(inner) if step == inner.0 as isize * inner.1 => inner.0 *= length,
                _ => axes.push((length, step)),
            }
        }
        let mut axes = axes.into_iter();
        let (columns, column_step) = axes.next().unwrap_or((1, 1));
        let (rows, row_step) = axes.next().unwrap_or((1, 0));
        let mut starts = if shape.contains(&0) { vec![] } else { vec![start] };
        // From the innermost of the remaining axes outward: each repeats what is there.
        for (length, step) in axes {
            let inner = std::mem::take(&mut starts);
            starts = (0..length as isize)
                .flat_map(|k| inner.iter().map(move |&s| (s as isize + k * step) as usize))
                .collect();
        }
        Layout { starts, rows, row_step, columns, column_step, level: Level::of_this_machine() }
    }

    /// The same with nonnegative steps, from the start of the far array.
    pub(super) fn forward(shape: &[usize], steps: &[usize]) -> Layout {
        Layout::new(shape, &steps.iter().map(|&s| s as isize).collect::<Vec<_>>(), 0)
    }

    /// Where the near array begins in the far one, if it is a stretch of it.
    pub(super) fn window(&self) -> Option<usize> {
        match self.starts.as_slice() {
            [start] if self.rows == 1 && (self.columns == 1 || self.column_step == 1) => Some(*start),
            _ => None,
        }
    }

    /// near = far at the positions.
    pub(super) fn read<T: Scalar>(&self, far: &[T], near: &mut [T]) {
        if self.is_transposing() || (self.column_step == 1 && self.columns <= SHORT) {
            return T::with_lanes(self.level, Read { layout: self, far, near });
        }
        self.each_row(|k, at| {
            let row = &mut near[k * self.columns..][..self.columns];
            match self.column_step {
                1 => row.copy_from_slice(&far[at..at + self.columns]),
                0 => row.fill(far[at]),
                step => {
                    for (c, x) in row.iter_mut().enumerate() {
                        *x = far[shifted(at, c, step)];
                    }
                }
            }
        });
    }

    /// far = near at the positions, which must be distinct; elsewhere far stays as it is.
    pub(super) fn write<T: Scalar>(&self, near: &[T], far: &mut [T]) {
        self.each_row(|k, at| {
            let row = &near[k * self.columns..][..self.columns];
            match self.column_step {
                1 => far[at..at + self.columns].copy_from_slice(row),
                step => {
                    for (c, x) in row.iter().enumerate() {
                        far[shifted(at, c, step)] = *x;
                    }
                }
            }
        });
    }

    /// far += near at the positions, as often as each occurs.
    pub(super) fn add<T: Scalar>(&self, near: &[T], far: &mut [T]) {
        T::with_lanes(self.level, Add { layout: self, near, far });
    }

    /// Calls `f` with the number of each row and where it starts in the far array.
    fn each_row(&self, mut f: impl FnMut(usize, usize)) {
        let mut k = 0;
        for &start in &self.starts {
            for r in 0..self.rows {
                f(k, shifted(start, r, self.row_step));
                k += 1;
            }
        }
    }

    fn is_transposing(&self) -> bool {
        self.row_step == 1 && self.column_step > 1 && self.rows >= BLOCK / 2 && self.columns >= BLOCK / 2
    }
}

/// An array about to be read whose short rows are copied, or whose matrices are transposed.
struct Read<'a, T> {
    layout: &'a Layout,
    far: &'a [T],
    near: &'a mut [T],
}

impl<T: Scalar> Job<T> for Read<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Read { layout, far, near } = self;
        let &Layout { rows, columns, row_step, .. } = layout;
        if rows * columns == 0 {
            return;
        }
        for (&start, near) in std::iter::zip(&layout.starts, near.chunks_exact_mut(rows * columns)) {
            if layout.is_transposing() {
                read_transposed::<T, V>(&far[start..], layout.column_step as usize, [rows, columns], near);
            } else {
                for (r, to) in near.chunks_exact_mut(columns).enumerate() {
                    let from = &far[shifted(start, r, row_step)..][..columns];
                    for c in (0..columns).step_by(V::N) {
                        let n = V::N.min(columns - c);
                        // SAFETY: both rows have n numbers left.
                        unsafe { put::<T, V>(some(from.as_ptr().add(c), n), to.as_mut_ptr().add(c), n) }
                    }
                }
            }
        }
    }
}

/// Numbers about to be added at the positions.
struct Add<'a, T> {
    layout: &'a Layout,
    near: &'a [T],
    far: &'a mut [T],
}

impl<T: Scalar> Job<T> for Add<'_, T> {
    // The loops are of numbers, and the compiler makes vectors of them.
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Add { layout, near, far } = self;
        let &Layout { rows, columns, row_step, column_step, .. } = layout;
        for (part, &start) in layout.starts.iter().enumerate() {
            for r in 0..rows {
                let row = &near[(part * rows + r) * columns..][..columns];
                let at = shifted(start, r, row_step);
                match column_step {
                    1 => product::add(row, &mut far[at..at + columns]),
                    0 => far[at] = far[at] + product::sum(row),
                    step => {
                        for (c, x) in row.iter().enumerate() {
                            let at = shifted(at, c, step);
                            far[at] = far[at] + *x;
                        }
                    }
                }
            }
        }
    }
}

/// A matrix transposed block by block, so that neither side is read across cache lines more than once.
#[inline(always)]
fn read_transposed<T: Scalar, V: Lanes<T>>(far: &[T], step: usize, [rows, columns]: [usize; 2], near: &mut [T]) {
    // All that is read and written lies before these.
    let (far, near) = (&far[..rows + (columns - 1) * step], &mut near[..rows * columns]);
    for r0 in (0..rows).step_by(BLOCK) {
        let r1 = (r0 + BLOCK).min(rows);
        for c0 in (0..columns).step_by(BLOCK) {
            let c1 = (c0 + BLOCK).min(columns);
            let whole = c0 + (c1 - c0) / V::N * V::N;
            for c in (c0..whole).step_by(V::N) {
                for r in (r0..r1).step_by(V::N) {
                    let counts = [V::N, V::N.min(r1 - r)];
                    let to = near[r * columns + c..].as_mut_ptr();
                    // SAFETY: the block's numbers are within the two slices, as is said above.
                    unsafe { V::transpose(far[r + c * step..].as_ptr(), step, counts, to, columns) }
                }
            }
            for r in r0..r1 {
                for c in whole..c1 {
                    near[r * columns + c] = far[r + c * step];
                }
            }
        }
    }
}

fn shifted(at: usize, k: usize, step: isize) -> usize {
    (at as isize + k as isize * step) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{broadcast_strides, strides, walk};

    fn naive(shape: &[usize], steps: &[usize]) -> Vec<usize> {
        let mut positions = vec![];
        walk(shape, steps, |at| positions.push(at));
        positions
    }

    #[test]
    fn reading_follows_the_steps() {
        let cases: &[(&[usize], &[usize])] = &[
            (&[], &[]),
            (&[5], &[1]),
            (&[2, 3, 4], &[12, 4, 1]),
            (&[4, 3, 2], &[1, 4, 12]),
            (&[20, 33], &[1, 20]),
            (&[3, 17, 9], &[153, 1, 17]),
            (&[2, 3, 4, 5], &[60, 5, 15, 1]),
            (&[3, 4], &[0, 1]),
            (&[3, 4], &[1, 0]),
            (&[2, 0, 3], &[3, 3, 1]),
            (&[2, 1, 3], &[3, 7, 1]),
        ];
        for (shape, steps) in cases {
            let positions = naive(shape, steps);
            let far: Vec<f64> = (0..1 + positions.iter().max().copied().unwrap_or(0)).map(|k| k as f64).collect();
            let mut near = vec![-1.0; positions.len()];
            Layout::forward(shape, steps).read(&far, &mut near);
            assert_eq!(near, positions.iter().map(|&k| k as f64).collect::<Vec<_>>(), "{shape:?} {steps:?}");
        }
    }

    #[test]
    fn steps_may_be_negative() {
        let layout = Layout::new(&[2, 3], &[-4, -1], 7);
        let far: Vec<f64> = (0..8).map(f64::from).collect();
        let mut near = vec![0.0; 6];
        layout.read(&far, &mut near);
        assert_eq!(near, [7.0, 6.0, 5.0, 3.0, 2.0, 1.0]);
        let mut back = vec![0.0; 8];
        layout.write(&near, &mut back);
        assert_eq!(back, [0.0, 1.0, 2.0, 3.0, 0.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn adding_is_the_transpose_of_stretching() {
        for (from, to) in [(vec![1, 3], vec![4, 3]), (vec![4, 1], vec![4, 3]), (vec![2, 1, 3], vec![2, 5, 3])] {
            let steps = broadcast_strides(&from, &to);
            let near: Vec<f64> = (0..to.iter().product::<usize>()).map(|k| k as f64).collect();
            let mut expected = vec![0.0; strides(&from)[0] * from[0]];
            std::iter::zip(naive(&to, &steps), &near).for_each(|(at, x)| expected[at] += x);
            let mut far = vec![0.0; expected.len()];
            Layout::forward(&to, &steps).add(&near, &mut far);
            assert_eq!(far, expected);
        }
    }
}
