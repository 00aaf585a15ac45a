//! Scans, run.

use super::{Returns, Scan};
use crate::program::Program;
use crate::program::op::{ArrayKernel, Compiler, Kernel};
use crate::program::real::Scalar;
use crate::tensor::size;

/// So many arguments of a body are held on the stack while a kernel runs; more are held on the heap.
const HELD: usize = 64;

/// Where a state goes.
struct Slot {
    /// Where it is among the states, and how long it is.
    at: usize,
    size: usize,
    /// Where its part of the value begins.
    out: usize,
    /// At which row the state at the start stands, if it is returned.
    first: Option<usize>,
    /// At which row that of the step at row 0 stands, if all are returned.
    each: Option<usize>,
    /// Whether the last one alone is returned.
    last: bool,
}

/// A further result of a step: where it is after the states, how long it is, and where its rows begin in the value.
struct Further {
    at: usize,
    size: usize,
    out: usize,
}

impl Scan {
    fn slots(&self) -> Vec<Slot> {
        let (lengths, mut at, mut out) = (self.lengths(), 0, 0);
        let slot = |k: usize| {
            let size = size(self.state(k));
            let (first, each, last) = match (&self.returns, self.keeps(k)) {
                (Returns::States, _) => (None, Some(0), false),
                (Returns::Rows, _) => (None, None, false),
                (_, false) => (None, None, true),
                (_, true) if self.reverse => (Some(self.length), Some(0), false),
                (_, true) => (Some(0), Some(1), false),
            };
            let slot = Slot { at, size, out, first, each, last };
            at += size;
            out += lengths[k];
            slot
        };
        (0..self.states()).map(slot).collect()
    }

    fn further_slots(&self, states: usize) -> Vec<Further> {
        let (lengths, mut at) = (self.lengths(), states);
        let mut out: usize = lengths[..self.states()].iter().sum();
        let slot = |(shape, length): (&[usize], &usize)| {
            let slot = Further { at, size: size(shape), out };
            at += slot.size;
            out += length;
            slot
        };
        std::iter::zip(self.further(), &lengths[self.states()..]).map(slot).collect()
    }
}

impl ArrayKernel for Scan {
    fn operations(&self, _: &[&[usize]], _: &[usize], inside: &dyn Fn(&Program) -> u64) -> u64 {
        self.length as u64 * inside(&self.body)
    }

    fn kernel<T: Scalar>(&self, _: &[&[usize]], _: &[usize], compiler: &dyn Compiler<T>) -> Kernel<T> {
        let body = compiler.compile(&self.body);
        let (n, reverse, states, rows) = (self.length, self.reverse, self.states(), self.rows);
        let slots = self.slots();
        let further = self.further_slots(slots.iter().map(|s| s.size).sum());
        let row_sizes: Vec<usize> = self.body.inputs()[states..][..rows].iter().map(|i| size(&i.shape)).collect();
        let all: usize = self.body.output_shapes().iter().map(|s| size(s)).sum();
        let scratch = body.scratch + 2 * all;
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            let (both, scratch) = scratch.split_at_mut(2 * all);
            let (mut now, mut next) = both.split_at_mut(all);
            for (slot, init) in std::iter::zip(&slots, args) {
                now[slot.at..][..slot.size].copy_from_slice(init);
                if let Some(row) = slot.first {
                    out[slot.out + row * slot.size..][..slot.size].copy_from_slice(init);
                }
            }
            for k in 0..n {
                let t = if reverse { n - 1 - k } else { k };
                let (mut stack, mut heap): ([&[T]; HELD], Vec<&[T]>) = ([&[]; HELD], vec![]);
                let step: &mut [&[T]] = if args.len() <= HELD {
                    &mut stack[..args.len()]
                } else {
                    heap.resize(args.len(), &[]);
                    &mut heap
                };
                for (i, place) in step.iter_mut().enumerate() {
                    *place = match i.checked_sub(states) {
                        None => &now[slots[i].at..][..slots[i].size],
                        Some(row) if row < rows => &args[i][t * row_sizes[row]..][..row_sizes[row]],
                        Some(_) => args[i],
                    };
                }
                (body.run)(step, next, scratch);
                for slot in &slots {
                    if let Some(row) = slot.each {
                        let to = slot.out + (t + row) * slot.size;
                        out[to..][..slot.size].copy_from_slice(&next[slot.at..][..slot.size]);
                    }
                }
                for slot in &further {
                    out[slot.out + t * slot.size..][..slot.size].copy_from_slice(&next[slot.at..][..slot.size]);
                }
                std::mem::swap(&mut now, &mut next);
            }
            for slot in slots.iter().filter(|slot| slot.last) {
                out[slot.out..][..slot.size].copy_from_slice(&now[slot.at..][..slot.size]);
            }
        };
        Kernel::with_scratch(scratch, run)
    }
}
