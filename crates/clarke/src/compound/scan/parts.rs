//! What a scan returns as one vector, and its parts.

use super::{Returns, Scan, leading, swap_leading};
use crate::program::Var;
use crate::program::op::{Family, Op};
use crate::tensor::size;
use std::sync::Arc;

impl Scan {
    /// Whether all that a state went through is returned.
    pub(super) fn keeps(&self, state: usize) -> bool {
        matches!(&self.returns, Returns::Packed(kept) if kept[state])
    }

    /// The shapes of what a step returns beside the next states.
    pub(super) fn further(&self) -> Vec<&[usize]> {
        self.body.output_shapes().split_off(self.states())
    }

    /// The scan that returns these of its states with all that they went through.
    pub(super) fn packed(&self, kept: Vec<bool>) -> Scan {
        Scan { returns: Returns::Packed(kept), checkpoint: None, ..self.clone() }
    }

    /// The lengths of the parts: states, then further results.
    pub(super) fn lengths(&self) -> Vec<usize> {
        let rows = |state: usize| match self.returns {
            Returns::Rows => 0,
            Returns::States => self.length,
            Returns::Last | Returns::Packed(_) => {
                if self.keeps(state) {
                    self.length + 1
                } else {
                    1
                }
            }
        };
        let states = (0..self.states()).map(|k| rows(k) * size(self.state(k)));
        states.chain(self.further().iter().map(|y| self.length * size(y))).collect()
    }

    /// Where a part begins.
    fn start(&self, part: usize) -> usize {
        self.lengths()[..part].iter().sum()
    }

    /// A state after all steps.
    pub(super) fn last<'p>(&self, state: usize, value: Var<'p>) -> Var<'p> {
        let (from, shape) =
            (self.start(state) + self.place_of_last(state) * size(self.state(state)), self.state(state));
        stretch(value, from, shape)
    }

    /// At which row of a state's part the last one is: where a scan goes from the last row to the first, it comes first.
    fn place_of_last(&self, state: usize) -> usize {
        if self.keeps(state) && !self.reverse { self.length } else { 0 }
    }

    /// A state that is kept, before each step: row t before the step that sees row t.
    pub(super) fn before<'p>(&self, state: usize, value: Var<'p>) -> Var<'p> {
        self.rows_from(state, usize::from(self.reverse), value)
    }

    /// A state that is kept, after each step.
    pub(super) fn after<'p>(&self, state: usize, value: Var<'p>) -> Var<'p> {
        self.rows_from(state, usize::from(!self.reverse), value)
    }

    fn rows_from<'p>(&self, state: usize, row: usize, value: Var<'p>) -> Var<'p> {
        let shape = self.state(state);
        stretch(value, self.start(state) + row * size(shape), &leading(self.length, shape))
    }

    /// A further result of all steps.
    pub(super) fn rows_of<'p>(&self, further: usize, value: Var<'p>) -> Var<'p> {
        let shape = leading(self.length, self.further()[further]);
        stretch(value, self.start(self.states() + further), &shape)
    }

    /// The value, from the states before the first step, …, after the last, and what each step returned beside.
    pub(super) fn assembled<'p>(&self, mut states: Vec<Vec<Var<'p>>>, mut further: Vec<Vec<Var<'p>>>) -> Var<'p> {
        if self.returns == Returns::Last {
            return states[self.length][0];
        }
        if self.reverse {
            states.reverse();
            further.reverse();
        }
        if self.returns == Returns::States {
            let after = &states[usize::from(!self.reverse)..][..self.length];
            return after[0][0].stack(&after[1..].iter().map(|s| s[0]).collect::<Vec<_>>(), 0);
        }
        if self.returns == Returns::Rows {
            return further[0][0].stack(&further[1..].iter().map(|y| y[0]).collect::<Vec<_>>(), 0);
        }
        let mut pieces = vec![];
        for k in 0..self.states() {
            let only = if self.reverse { 0..1 } else { self.length..self.length + 1 };
            let rows = if self.keeps(k) { 0..self.length + 1 } else { only };
            pieces.extend(states[rows].iter().map(|s| flat(s[k])));
        }
        for k in 0..self.further().len() {
            pieces.extend(further.iter().map(|y| flat(y[k])));
        }
        joined(&pieces)
    }

    /// The value of a batched scan with the batch as its leading axis: `self` is the batched one.
    pub(super) fn batch_first<'p>(&self, value: Var<'p>, batch: usize) -> Var<'p> {
        let parts = self.lengths().into_iter().enumerate().map(|(k, length)| {
            let part = stretch(value, self.start(k), &[length]);
            let rows = match k.checked_sub(self.states()) {
                None if !self.keeps(k) => return part.reshape(&[batch, length / batch.max(1)]),
                None => self.length + 1,
                Some(_) => self.length,
            };
            let one = length / (rows * batch).max(1);
            swap_leading(part.reshape(&[rows, batch, one])).reshape(&[batch, rows * one])
        });
        let parts: Vec<Var<'p>> = parts.collect();
        parts[0].concatenate(&parts[1..], 1)
    }
}

/// Scans of the same arguments are one scan that keeps what any of them does: a value and its derivative need the states
/// computed once.
impl Family for Scan {
    fn least(&self) -> Arc<dyn Op> {
        Arc::new(self.packed(vec![false; self.states()]))
    }

    fn parts(&self) -> Vec<bool> {
        match &self.returns {
            Returns::States => vec![true],
            Returns::Last | Returns::Rows => vec![false],
            Returns::Packed(kept) => kept.clone(),
        }
    }

    fn with(&self, parts: &[bool]) -> Arc<dyn Op> {
        Arc::new(self.packed(parts.to_vec()))
    }

    fn of<'p>(&self, parts: &[bool], value: Var<'p>) -> Var<'p> {
        let whole = self.packed(parts.to_vec());
        match self.returns {
            Returns::States => return whole.after(0, value),
            Returns::Last => return whole.last(0, value),
            Returns::Rows => return whole.rows_of(0, value),
            Returns::Packed(_) if self.parts() == parts => return value,
            Returns::Packed(_) => {}
        }
        // Stretches that follow each other are one.
        let mut stretches: Vec<(usize, usize)> = vec![];
        for (k, &length) in self.lengths().iter().enumerate() {
            let within = if k < self.states() && !self.keeps(k) { whole.place_of_last(k) * length } else { 0 };
            let start = whole.start(k) + within;
            match stretches.last_mut() {
                Some((_, end)) if *end == start => *end += length,
                _ => stretches.push((start, start + length)),
            }
        }
        joined(&stretches.iter().map(|&(from, to)| stretch(value, from, &[to - from])).collect::<Vec<_>>())
    }
}

/// An array of this shape that begins here in a vector.
fn stretch<'p>(value: Var<'p>, from: usize, shape: &[usize]) -> Var<'p> {
    let whole = value.shape() == [size(shape)];
    let part = if whole { value } else { value.slice(0, from..from + size(shape)) };
    if shape.len() == 1 { part } else { part.reshape(shape) }
}

fn flat(x: Var<'_>) -> Var<'_> {
    if x.rank() == 1 { x } else { x.reshape(&[size(&x.shape())]) }
}

fn joined<'p>(pieces: &[Var<'p>]) -> Var<'p> {
    if pieces.len() == 1 { pieces[0] } else { pieces[0].concatenate(&pieces[1..], 0) }
}
