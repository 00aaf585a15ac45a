//! Running a plan: no decision, no allocation.

use super::plan::{Instr, Loop, Place, Plan, Scalars, Spread, Total, Work};
use super::share::Run;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::real::Scalar;
use crate::program::total;
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// The addresses that a run resolves places with.
struct Frame<'a, T> {
    plan: &'a Plan<T>,
    memory: *mut T,
    inputs: &'a [&'a [T]],
    /// The outputs' addresses, the inputs', that of the constants, then the table of the loop or the arguments of the
    /// kernel that runs.
    outputs: *mut *mut T,
}

impl<T: Scalar> Plan<T> {
    /// Runs on these inputs; `output` gives the address of each output. Kernels that are worth it are shared by at most so
    /// many threads, which have `shared` for scratch space.
    ///
    /// # Safety
    /// `memory` is valid for `size` numbers and aligned to [`super::plan::ALIGN`] bytes; there are as many inputs as
    /// the plan has, of their sizes; `output` gives addresses valid for as many writes as that output has numbers;
    /// memory, inputs and outputs do not overlap.
    pub unsafe fn execute(
        &self,
        memory: *mut T,
        inputs: &[&[T]],
        output: impl Fn(usize) -> *mut T,
        (threads, shared): (usize, &mut [T]),
    ) {
        // SAFETY: every offset in a plan is within `size`; places that are alive at the same time do not overlap, so
        // what an instruction writes is apart from what it reads; the table is aligned, since its offset is a
        // multiple of the alignment of arrays; inputs and outputs are as the caller vouches.
        unsafe {
            let frame = Frame { plan: self, memory, inputs, outputs: memory.add(self.table).cast() };
            let outputs = self.outputs.len();
            for k in 0..outputs {
                frame.outputs.add(k).write(output(k));
            }
            for (k, input) in inputs.iter().enumerate() {
                frame.outputs.add(outputs + k).write(input.as_ptr().cast_mut());
            }
            frame.outputs.add(self.fixed - 1).write(self.constants.as_ptr().cast_mut());
            std::ptr::copy_nonoverlapping(self.numbers.as_ptr(), memory, self.numbers.len());
            for &(input, offset) in &self.singles {
                memory.add(offset).write(inputs[input][0]);
            }
            for work in &self.work {
                match work {
                    Work::Scalars(lines) => frame.scalars(lines),
                    Work::Loop(tiles) => frame.tiles(tiles),
                    Work::Native { entry, .. } => {
                        let native = self.native.as_ref().expect("native work has its code");
                        native.run(*entry, memory, frame.outputs);
                    }
                    Work::Kernel { kernel, args, out, scratch, threads: worth } => {
                        let table: *mut &[T] = frame.outputs.add(self.fixed).cast();
                        for (k, &(place, len)) in args.iter().enumerate() {
                            table.add(k).write(from_raw_parts(frame.resolve(place), len));
                        }
                        let (args, out) = (from_raw_parts(table, args.len()), (frame.resolve(out.0), out.1));
                        let out = from_raw_parts_mut(out.0, out.1);
                        match &kernel.shared {
                            Some(parts) if *worth > 1 && threads > 1 => {
                                let run = Run { shared: parts, args, scratch: kernel.scratch };
                                run.by(threads.min(*worth), out, shared);
                            }
                            _ => (kernel.run)(args, out, from_raw_parts_mut(memory.add(*scratch), kernel.scratch)),
                        }
                    }
                }
            }
            for &(place, k, len) in &self.copies {
                std::ptr::copy_nonoverlapping(frame.resolve(place), *frame.outputs.add(k), len);
            }
        }
    }
}

impl<T: Scalar> Frame<'_, T> {
    unsafe fn resolve(&self, place: Place) -> *mut T {
        // SAFETY: see `execute`.
        unsafe {
            match place {
                Place::Memory(offset) => self.memory.add(offset),
                Place::Input(k, at) => self.inputs[k].as_ptr().add(at).cast_mut(),
                Place::Output(k, at) => (*self.outputs.add(k)).add(at),
                Place::Constant(offset) => self.plan.constants.as_ptr().add(offset).cast_mut(),
            }
        }
    }

    unsafe fn scalars(&self, lines: &[Scalars]) {
        for line in lines {
            // SAFETY: see `execute`.
            unsafe {
                match *line {
                    Scalars::Apply { prim, to, from } => {
                        let x = from.map(|at| *self.memory.add(at as usize));
                        *self.memory.add(to as usize) = prim.map_or(x[0], |prim| prim.eval(x));
                    }
                    Scalars::Fetch { from, to } => *self.memory.add(to as usize) = *self.resolve(from),
                }
            }
        }
    }

    unsafe fn tiles(&self, work: &Loop<T>) {
        // SAFETY: see `execute`; the table has room for the addresses of every loop.
        unsafe {
            self.scalars(&work.uniform);
            for total in &work.totals {
                self.lanes(total).fill(T::of(0.0));
            }
            let table = self.outputs.add(self.plan.fixed);
            let moving = work.moving.len();
            for (k, place) in work.moving.iter().enumerate() {
                table.add(k).write(self.resolve(*place));
            }
            for (k, offset) in work.fixed.iter().enumerate() {
                table.add(moving + k).write(self.memory.add(*offset));
            }
            let mut start = 0;
            while start < work.len {
                let n = work.block.min(work.len - start);
                for instr in &work.body {
                    match instr {
                        Instr::Apply { kernel, to, from, .. } => {
                            let [a, b, c, d] = from.map(|k| (*table.add(k as usize)).cast_const());
                            kernel(*table.add(*to as usize), a, b, c, d, n);
                        }
                        Instr::Accumulate { total, from, is_tile } => {
                            let (lanes, from) = (self.lanes(&work.totals[*total as usize]), *table.add(*from as usize));
                            if *is_tile {
                                total::add(lanes, from_raw_parts(from, n));
                            } else {
                                for i in 0..n {
                                    let lane = &mut lanes[i % total::count::<T>()];
                                    *lane = *lane + *from;
                                }
                            }
                        }
                        Instr::Gather { spread, to, in_place } => {
                            let spread = &work.spreads[*spread as usize];
                            let source = self.resolve(spread.source);
                            let to = table.add(*to as usize);
                            match spread.run(start, n) {
                                Some(at) if !in_place => to.write(source.add(at)),
                                _ => {
                                    if !in_place {
                                        to.write(self.memory.add(spread.tile));
                                    }
                                    spread.lay_out(source, *to, start, n);
                                }
                            }
                        }
                    }
                }
                for k in 0..moving {
                    let at = table.add(k);
                    at.write((*at).add(n));
                }
                start += n;
            }
            for total in &work.totals {
                let sum = total::fold(self.lanes(total));
                let value = total.divisor.map_or(sum, |divisor| sum / *self.memory.add(divisor));
                *self.memory.add(total.to) = value;
            }
        }
    }

    /// The lanes of a total.
    #[allow(clippy::mut_from_ref)] // of the workspace, which the frame points to
    unsafe fn lanes(&self, total: &Total) -> &mut [T] {
        // SAFETY: see `execute`.
        unsafe { from_raw_parts_mut(self.memory.add(total.lanes), total::count::<T>()) }
    }
}

impl Spread {
    /// The offset of positions `start..start + n`, if they are one stretch of the source.
    fn run(&self, start: usize, n: usize) -> Option<usize> {
        let last = self.shape.len() - 1;
        let (row, column) = (start / self.shape[last], start % self.shape[last]);
        (self.strides[last] == 1 && column + n <= self.shape[last]).then(|| self.row(row) + column)
    }

    /// The offset of a row: the indices of all axes but the last, joined.
    fn row(&self, mut row: usize) -> usize {
        let mut offset = 0;
        for k in (1..self.shape.len() - 1).rev() {
            offset += row % self.shape[k] * self.strides[k];
            row /= self.shape[k];
        }
        // The first axis takes what is left; with one axis only there is one row.
        if self.shape.len() > 1 { offset + row * self.strides[0] } else { offset }
    }

    /// Writes positions `start..start + n`, row by row.
    ///
    /// # Safety
    /// `source` is valid for what the strides reach, `to` for n writes, and they do not overlap.
    pub unsafe fn lay_out<T: Scalar>(&self, source: *const T, to: *mut T, start: usize, n: usize) {
        /// The rows about to be written.
        struct Rows<'a, T> {
            spread: &'a Spread,
            source: *const T,
            to: *mut T,
            start: usize,
            n: usize,
        }

        impl<T: Scalar> Job<T> for Rows<'_, T> {
            #[inline(always)]
            fn run<V: Lanes<T>>(self) {
                let Rows { spread, source, to, start, n } = self;
                let last = spread.shape.len() - 1;
                let (width, is_same) = (spread.shape[last], spread.strides[last] == 0);
                let (mut row, mut column, mut done) = (start / width, start % width, 0);
                while done < n {
                    let count = (width - column).min(n - done);
                    // SAFETY: the positions are within the shape, hence within the source; done + count ≤ n.
                    unsafe {
                        let (from, to) = (source.add(spread.row(row)), to.add(done));
                        let mut i = 0;
                        let same = V::splat(*from);
                        while i + V::N <= count {
                            let x = if is_same { same } else { V::load(from.add(column + i)) };
                            x.store(to.add(i));
                            i += V::N;
                        }
                        if i < count {
                            let left = count - i;
                            let x = if is_same { same } else { V::load_part(from.add(column + i), left) };
                            x.store_part(to.add(i), left);
                        }
                    }
                    (row, column, done) = (row + 1, 0, done + count);
                }
            }
        }

        T::with_lanes(Level::of_this_machine(), Rows { spread: self, source, to, start, n });
    }
}
