//! Convolutions whose kernel moves from each entry to the next, without taking the windows apart.
//!
//! Lay an image out with its padding, its rows one after the other. Entry (i, j) of all windows is then one stretch of
//! it, from that entry on: a row of the matrix of windows is a pointer. At the end of each row of the image the stretch
//! also has windows that reach over into the next row; they are computed and dropped, which costs less than to copy each
//! entry as often as there are windows that have it. The transpose in the array is such a convolution with the weights
//! turned around. The transpose in the weights skips those windows, by a table of positions.

use super::super::product::{BLOCK, Matrix, PANEL, PANEL_BYTES, Places, Stretches, Strip, View, pack_strip, put, some};
use super::{Part, Sizes};
use crate::op::window::Grid;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::op::Kernel;
use crate::program::real::Scalar;
use std::ops::Range;

/// How many bytes the widest vector has: as much is left free after arrays that are read or written vector by vector.
const SLACK: usize = 64;

/// How images lie with their padding, and where the windows are in them.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    channels: usize,
    /// The lengths of the axes, without and with padding.
    lengths: [usize; 2],
    padded: [usize; 2],
    /// How much padding there is before each.
    padding: [usize; 2],
    counts: [usize; 2],
    /// Where each entry of the first window is, channel by channel.
    entries: Vec<usize>,
    /// Where each window begins, from the first one on.
    windows: Vec<usize>,
}

impl Direct {
    /// For images of so many channels; None where the kernel moves further, or most windows would be dropped.
    fn new(grid: &Grid, channels: usize) -> Option<Direct> {
        let (along, lengths, counts) = (grid.frame.along, grid.lengths, grid.counts);
        let padding = along.map(|a| a.padding);
        let padded = [lengths[0] + 2 * padding[0], lengths[1] + 2 * padding[1]];
        let moves = along.iter().all(|a| a.stride == 1) && !grid.is_identity();
        if !moves || padded[1] > 2 * counts[1] || channels * grid.plane() * grid.windows() == 0 {
            return None;
        }
        let [width, plane] = [padded[1], padded[0] * padded[1]];
        let entry = |c: usize, i: usize, j: usize| c * plane + i * along[0].dilation * width + j * along[1].dilation;
        let of_channel = |c| (0..along[0].size).flat_map(move |i| (0..along[1].size).map(move |j| entry(c, i, j)));
        let entries = (0..channels).flat_map(of_channel).collect();
        let windows = (0..counts[0]).flat_map(|a| (0..counts[1]).map(move |b| a * width + b)).collect();
        Some(Direct { channels, lengths, padded, padding, counts, entries, windows })
    }

    /// The kernel of a convolution in one of its roles, where this is how to compute it.
    pub(super) fn kernel<T: Scalar>(role: Part, sizes: &Sizes) -> Option<Kernel<T>> {
        let &Sizes { images, groups, input, output, grid } = sizes;
        // Zeros that are added are exact, but products of numbers with bounds are made of whole matrices.
        if !T::MULTIPLIES_FAST || images * groups * output == 0 {
            return None;
        }
        let direct = match role {
            Part::Input => Direct::new(&grid.turned()?, output)?,
            _ => Direct::new(&grid, input)?,
        };
        let (entries, level) = (grid.entries(), Level::of_this_machine());
        let kernel = match role {
            Part::Weight => {
                let scratch = direct.image::<T>() + output * input * entries + direct.strip::<T>();
                // Kernels are computed apart, a vector of them at a time.
                let parts = [if groups == 1 { output } else { 1 }, SLACK / size_of::<T>()];
                Kernel::of_parts(scratch, parts, move |parts, args, out, scratch| {
                    let kernels = if groups == 1 { parts } else { 0..output };
                    let arrays = [args[0], args[1]];
                    T::with_lanes(
                        level,
                        Pair { direct: &direct, groups, images, output, kernels, arrays, out, scratch },
                    );
                })
            }
            _ => {
                let m = if role == Part::Output { output } else { input };
                let turned = if role == Part::Output { 0 } else { groups * output * input * entries };
                let scratch = turned + direct.image::<T>() + direct.values::<T>(m);
                Kernel::of_parts(scratch, [images * groups, 1], move |images, args, out, scratch| {
                    let (weights, scratch) = scratch.split_at_mut(turned);
                    if turned > 0 {
                        turn([groups, output, input, entries], args[1], weights);
                    }
                    let (x, weights) = (args[0], if turned > 0 { &*weights } else { args[1] });
                    T::with_lanes(level, Convolve { direct: &direct, groups, images, m, x, weights, out, scratch });
                })
            }
        };
        Some(kernel)
    }

    /// How many numbers an image with its padding takes.
    fn image<T>(&self) -> usize {
        self.channels * self.padded[0] * self.padded[1] + SLACK / size_of::<T>()
    }

    /// How many windows there are from the first to the last, with those that are dropped.
    fn stretch(&self) -> usize {
        (self.counts[0] - 1) * self.padded[1] + self.counts[1]
    }

    /// How many numbers the values of m kernels take before windows are dropped.
    fn values<T>(&self, m: usize) -> usize {
        m * (self.stretch() + SLACK / size_of::<T>())
    }

    /// How many numbers are packed at once.
    fn strip<T>(&self) -> usize {
        self.windows.len().min(BLOCK) * (PANEL_BYTES / size_of::<T>()).max(PANEL) + SLACK / size_of::<T>()
    }

    /// Lays an image out; its padding is there already.
    #[inline(always)]
    fn lay<T: Scalar, V: Lanes<T>>(&self, image: &[T], to: &mut [T]) {
        let ([height, width], [rows, row]) = (self.lengths, self.padded);
        let first = self.padding[0] * row + self.padding[1];
        for c in 0..self.channels {
            for i in 0..height {
                let from = &image[(c * height + i) * width..][..width];
                copy::<T, V>(from, &mut to[(c * rows + i) * row + first..][..width]);
            }
        }
    }
}

/// Copies numbers; rows are short.
#[inline(always)]
fn copy<T: Scalar, V: Lanes<T>>(from: &[T], to: &mut [T]) {
    for (at, n) in Stretches::of::<T, V>(from.len().min(to.len())) {
        // SAFETY: the stretch is within both.
        unsafe { put(some::<T, V>(from.as_ptr().add(at), n), to.as_mut_ptr().add(at), n) }
    }
}

/// The weights for the transpose: from [groups, output, input, entries] to [groups, input, output, entries], the entries
/// from the last to the first.
fn turn<T: Scalar>([groups, output, input, entries]: [usize; 4], from: &[T], to: &mut [T]) {
    for g in 0..groups {
        for (c, o) in (0..input).flat_map(|c| (0..output).map(move |o| (c, o))) {
            let from = &from[((g * output + o) * input + c) * entries..][..entries];
            let to = &mut to[((g * input + c) * output + o) * entries..][..entries];
            std::iter::zip(to, from.iter().rev()).for_each(|(y, x)| *y = *x);
        }
    }
}

/// The matrix of windows, a row for each entry of a window.
#[derive(Debug, Clone, Copy)]
struct Rows<T> {
    at: *const T,
    entries: *const usize,
}

impl<T: Copy> Places<T> for Rows<T> {
    #[inline(always)]
    unsafe fn row(self, i: usize) -> *const T {
        // SAFETY: the caller vouches that there is the entry.
        unsafe { self.at.add(*self.entries.add(i)) }
    }
    #[inline(always)]
    unsafe fn column(self, j: usize) -> usize {
        j
    }
    #[inline(always)]
    unsafe fn below(self, rows: usize) -> Self {
        // SAFETY: the caller vouches that there are so many entries.
        Rows { entries: unsafe { self.entries.add(rows) }, ..self }
    }
}

/// The same without the windows that are dropped.
#[derive(Debug, Clone, Copy)]
struct Chosen<T> {
    at: *const T,
    entries: *const usize,
    windows: *const usize,
}

impl<T: Copy> Places<T> for Chosen<T> {
    #[inline(always)]
    unsafe fn row(self, i: usize) -> *const T {
        // SAFETY: the caller vouches that there is the entry.
        unsafe { self.at.add(*self.entries.add(i)) }
    }
    #[inline(always)]
    unsafe fn column(self, j: usize) -> usize {
        // SAFETY: the caller vouches that there is the window.
        unsafe { *self.windows.add(j) }
    }
    #[inline(always)]
    unsafe fn below(self, rows: usize) -> Self {
        // SAFETY: the caller vouches that there are so many entries.
        Chosen { entries: unsafe { self.entries.add(rows) }, ..self }
    }
}

/// A convolution of images with m kernels, about to be run.
struct Convolve<'a, T> {
    direct: &'a Direct,
    groups: usize,
    /// Which images, each of one group.
    images: Range<usize>,
    m: usize,
    x: &'a [T],
    weights: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for Convolve<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Convolve { direct, groups, images, m, x, weights, out, scratch } = self;
        let (image, values) = scratch.split_at_mut(direct.image::<T>());
        let values = &mut values[..direct.values::<T>(m)];
        image.fill(T::of(0.0));
        let k = direct.entries.len();
        let plane = direct.channels * direct.lengths[0] * direct.lengths[1];
        let vectors = direct.stretch().div_ceil(V::N);
        let row = vectors * V::N;
        let count = vectors.div_ceil(V::WIDE);
        let first_image = images.start;
        for n in images {
            direct.lay::<T, V>(&x[n * plane..][..plane], image);
            let weights = &weights[n % groups * m * k..][..m * k];
            let a = View { at: weights.as_ptr(), of: Matrix::new(k, false) };
            let mut first = 0;
            for strip in 0..count {
                let width = vectors / count + usize::from(strip < vectors % count);
                // SAFETY: the last entry of the last window is the last number of the image with its padding, and after
                // it there is room for the rest of a vector, as there is after each row of the values.
                unsafe {
                    let b = Rows { at: image.as_ptr().add(first * V::N), entries: direct.entries.as_ptr() };
                    let out = values.as_mut_ptr().add(first * V::N);
                    let strip = Strip { k, a, b, out, row_of_out: row, last: V::N, whole: true, add: false };
                    match width {
                        1 => strip.rows::<V, 1>(m),
                        2 => strip.rows::<V, 2>(m),
                        _ => strip.rows::<V, 3>(m),
                    }
                }
                first += width;
            }
            let [rows, columns] = direct.counts;
            let out = &mut out[(n - first_image) * m * rows * columns..][..m * rows * columns];
            for o in 0..m {
                for a in 0..rows {
                    let from = &values[o * row + a * direct.padded[1]..][..columns];
                    copy::<T, V>(from, &mut out[(o * rows + a) * columns..][..columns]);
                }
            }
        }
    }
}

/// The transpose in the weights, about to be run: sums over images and windows of products of an array and an array of
/// the convolution's shape.
struct Pair<'a, T> {
    direct: &'a Direct,
    groups: usize,
    images: usize,
    output: usize,
    /// Which of the kernels of a group.
    kernels: Range<usize>,
    arrays: [&'a [T]; 2],
    out: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Job<T> for Pair<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        let Pair { direct, groups, images, output, kernels, arrays: [x, y], out, scratch } = self;
        let (image, rest) = scratch.split_at_mut(direct.image::<T>());
        let (entries, own) = (direct.entries.len(), kernels.len());
        let (sums, packed) = rest.split_at_mut(entries * own);
        image.fill(T::of(0.0));
        let plane = direct.channels * direct.lengths[0] * direct.lengths[1];
        let windows = direct.windows.len();
        for g in 0..groups {
            for n in (0..images).map(|n| n * groups + g) {
                direct.lay::<T, V>(&x[n * plane..][..plane], image);
                let y = &y[(n * output + kernels.start) * windows..][..own * windows];
                direct.add_image::<T, V>(image, y, own, n == g, sums, packed);
            }
            let out = &mut out[g * own * entries..][..own * entries];
            for (o, out) in out.chunks_exact_mut(entries).enumerate() {
                for (e, out) in out.iter_mut().enumerate() {
                    *out = sums[e * own + o];
                }
            }
        }
    }
}

impl Direct {
    /// Adds to the sums [entries, output], or writes them, what an image that is laid out gives with y.
    #[inline(always)]
    fn add_image<T: Scalar, V: Lanes<T>>(
        &self,
        image: &[T],
        y: &[T],
        output: usize,
        first_image: bool,
        sums: &mut [T],
        packed: &mut [T],
    ) {
        let windows = self.windows.len();
        // The columns of the matrix are what the kernels have, the rows are the windows.
        let y = View { at: y.as_ptr(), of: Matrix::new(windows, true) };
        let block = windows.div_ceil(windows.div_ceil(BLOCK));
        let vectors = output.div_ceil(V::N);
        let count = vectors.div_ceil(V::WIDE);
        let shift = packed.as_ptr().align_offset(SLACK).min(SLACK / size_of::<T>());
        for from in (0..windows).step_by(block) {
            let k = block.min(windows - from);
            let mut first = 0;
            for strip in 0..count {
                let width = vectors / count + usize::from(strip < vectors % count);
                let j = first * V::N;
                first += width;
                let columns = (width * V::N).min(output - j);
                // SAFETY: a block of windows, as wide as a panel, is what there is room for, and the slack is what a
                // shift takes; entries and windows are within the image; the sums are [entries, output].
                unsafe {
                    let packed = packed.as_mut_ptr().add(shift);
                    pack_strip::<T, V>([k, columns], y.from(from, j), width, packed);
                    let a = Chosen {
                        at: image.as_ptr(),
                        entries: self.entries.as_ptr(),
                        windows: self.windows.as_ptr().add(from),
                    };
                    let b = View { at: packed.cast_const(), of: Matrix::new(width * V::N, false) };
                    let (out, last) = (sums.as_mut_ptr().add(j), columns - (width - 1) * V::N);
                    let add = !first_image || from > 0;
                    let strip = Strip { k, a, b, out, row_of_out: output, last, whole: true, add };
                    match width {
                        1 => strip.rows::<V, 1>(self.entries.len()),
                        2 => strip.rows::<V, 2>(self.entries.len()),
                        _ => strip.rows::<V, 3>(self.entries.len()),
                    }
                }
            }
        }
    }
}
