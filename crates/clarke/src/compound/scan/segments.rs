//! Scans written out in other scans: as parts of what derivatives are made of, and in segments.

use super::{Returns, Scan, leading};
use crate::program::{Builder, Program, Role, Var};
use std::sync::Arc;

impl Scan {
    /// Whether reverse mode does not store all states.
    pub(super) fn is_cut(&self) -> bool {
        self.checkpoint.is_some_and(|steps| steps < self.length)
    }
}

/// The value as a part of a packed scan, whose derivative is known. None for one that is packed.
///
/// With checkpoints it is a scan of m segments, each a scan of k steps, and one of the steps that are left. The derivative
/// of the former stores the states between the segments, and that of a segment is made where it is needed, from the state at
/// its start: so that checkpoints need no rule of their own.
pub(super) fn written_out<'p>(scan: &Scan, args: &[Var<'p>]) -> Option<Var<'p>> {
    let kept = match scan.returns {
        Returns::States => true,
        Returns::Last => false,
        Returns::Packed(_) => return None,
    };
    if let (true, Some(steps)) = (scan.is_cut(), scan.checkpoint) {
        return Some(in_segments(scan, steps, args));
    }
    let packed = scan.packed(vec![kept]);
    let value = args[0].apply_with(packed.clone(), &args[1..]);
    Some(if kept { packed.after(0, value) } else { packed.last(0, value) })
}

/// The value from segments of so many steps.
fn in_segments<'p>(scan: &Scan, steps: usize, args: &[Var<'p>]) -> Var<'p> {
    let (count, left) = (scan.length / steps, scan.length % steps);
    let whole = count * steps;
    // The steps that are left come last: in a scan from the last row to the first these are the first rows.
    let (cut, rest) = if scan.reverse { (left..scan.length, 0..left) } else { (0..whole, whole..scan.length) };
    let rows_of = |range: &std::ops::Range<usize>| -> Vec<Var<'p>> {
        let rows = args[1..=scan.rows].iter();
        rows.map(|x| if range.len() == scan.length { *x } else { x.slice(0, range.clone()) }).collect()
    };
    let grouped = rows_of(&cut).into_iter().map(|x| x.reshape(&leading(count, &leading(steps, &x.shape()[1..]))));
    let consts = &args[1 + scan.rows..];
    let outer = Scan {
        body: Arc::new(segment(scan, steps)),
        length: count,
        returns: Returns::Packed(vec![false]),
        checkpoint: None,
        ..scan.clone()
    };
    let all: Vec<Var<'p>> = grouped.chain(consts.iter().copied()).collect();
    let value = args[0].apply_with(outer.clone(), &all);
    let last = outer.last(0, value);
    let states = |value| outer.rows_of(0, value).reshape(&leading(whole, scan.state(0)));
    let returns_states = scan.returns == Returns::States;
    if left == 0 {
        return if returns_states { states(value) } else { last };
    }
    let tail = Scan { length: left, checkpoint: None, ..scan.clone() };
    let others: Vec<Var<'p>> = rows_of(&rest).into_iter().chain(consts.iter().copied()).collect();
    let end = last.apply_with(tail, &others);
    match (returns_states, scan.reverse) {
        (false, _) => end,
        (true, false) => states(value).concatenate(&[end], 0),
        (true, true) => end.concatenate(&[states(value)], 0),
    }
}

/// A segment as the body of a scan: it returns the state after it, and all of its states if they are asked for.
fn segment(scan: &Scan, steps: usize) -> Program {
    let builder = Builder::new();
    let input = |(k, of): (usize, &crate::program::Input)| {
        let shape = if scan.is_row(k) { leading(steps, &of.shape) } else { of.shape.clone() };
        builder.input(&of.name, &shape, Role::Argument)
    };
    let args: Vec<Var<'_>> = scan.body.inputs().iter().enumerate().map(input).collect();
    let inner = Scan { length: steps, checkpoint: None, ..scan.clone() };
    let value = args[0].apply_with(inner, &args[1..]);
    let outputs = match scan.returns {
        Returns::States => vec![value.get(if scan.reverse { 0 } else { steps - 1 }), value],
        _ => vec![value],
    };
    builder.finish(&outputs).expect("a segment of a checked scan")
}
