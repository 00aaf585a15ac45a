//! Scans written out in other scans: as parts of what derivatives are made of, and in segments.

use super::{Returns, Scan, leading};
use crate::program::{Builder, Input, Program, Role, Var};
use std::ops::Range;
use std::sync::Arc;

impl Scan {
    /// Whether reverse mode does not store all states.
    pub(super) fn is_cut(&self) -> bool {
        let stores_them_anyway = matches!(self.returns, Returns::States | Returns::Packed(_));
        !stores_them_anyway && self.checkpoint.is_some_and(|steps| steps < self.length)
    }

    /// How many steps lie between stored states so that about as many are stored as lie between: the divisor of n next to √n,
    /// if both numbers together are at most 5/4 of the 2·√n that could be; else ⌈√n⌉, and some steps are left over.
    pub(super) fn root(length: usize) -> usize {
        let below = length.isqrt();
        let up = (below + usize::from(below * below < length)).max(1);
        let near = |k: &usize| length.is_multiple_of(*k) && 2 * (k + length / k) <= 5 * up;
        (2..=up).rev().find(near).unwrap_or(up)
    }
}

/// The value as a part of a packed scan, whose derivative is known. None for one that is packed.
///
/// With checkpoints it is a scan of m segments, each a scan of k steps, and one of the steps that are left. The derivative
/// of the former stores the states between the segments, and that of a segment is made where it is needed, from the state at
/// its start: so that checkpoints need no rule of their own.
pub(super) fn written_out<'p>(scan: &Scan, args: &[Var<'p>]) -> Option<Var<'p>> {
    if let (true, Some(steps)) = (scan.is_cut(), scan.checkpoint) {
        return Some(in_segments(scan, steps, args));
    }
    let kept = match scan.returns {
        Returns::States => true,
        Returns::Last | Returns::Rows => false,
        Returns::Packed(_) => return None,
    };
    let packed = scan.packed(vec![kept]);
    let value = args[0].apply_with(packed.clone(), &args[1..]);
    Some(match scan.returns {
        Returns::States => packed.after(0, value),
        Returns::Rows => packed.rows_of(0, value),
        _ => packed.last(0, value),
    })
}

/// The value from segments of so many steps.
fn in_segments<'p>(scan: &Scan, steps: usize, args: &[Var<'p>]) -> Var<'p> {
    let (count, left) = (scan.length / steps, scan.length % steps);
    let whole = count * steps;
    // The steps that are left come last: in a scan from the last row to the first these are the first rows.
    let (cut, rest) = if scan.reverse { (left..scan.length, 0..left) } else { (0..whole, whole..scan.length) };
    let rows_of = |range: &Range<usize>| -> Vec<Var<'p>> {
        let rows = args[1..=scan.rows].iter();
        rows.map(|x| if range.len() == scan.length { *x } else { x.slice(0, range.clone()) }).collect()
    };
    let grouped = rows_of(&cut).into_iter().map(|x| x.reshape(&leading(count, &leading(steps, &x.shape()[1..]))));
    let consts = &args[1 + scan.rows..];
    let outer = Scan { body: Arc::new(segment(scan, steps)), length: count, ..scan.packed(vec![false]) };
    let all: Vec<Var<'p>> = grouped.chain(consts.iter().copied()).collect();
    let value = args[0].apply_with(outer.clone(), &all);
    let last = outer.last(0, value);
    let results = || outer.rows_of(0, value).reshape(&leading(whole, scan.further()[0]));
    match (&scan.returns, left) {
        (Returns::Rows, 0) => return results(),
        (_, 0) => return last,
        _ => {}
    }
    let tail = Scan { length: left, checkpoint: None, ..scan.clone() };
    let others: Vec<Var<'p>> = rows_of(&rest).into_iter().chain(consts.iter().copied()).collect();
    let end = last.apply_with(tail, &others);
    match (&scan.returns, scan.reverse) {
        (Returns::Rows, false) => results().concatenate(&[end], 0),
        (Returns::Rows, true) => end.concatenate(&[results()], 0),
        _ => end,
    }
}

/// A segment as the body of a scan: it returns the state after it, and the results of its steps if they are asked for.
fn segment(scan: &Scan, steps: usize) -> Program {
    let builder = Builder::new();
    let input = |(k, of): (usize, &Input)| {
        let shape = if scan.is_row(k) { leading(steps, &of.shape) } else { of.shape.clone() };
        builder.input(&of.name, &shape, Role::Argument)
    };
    let args: Vec<Var<'_>> = scan.body.inputs().iter().enumerate().map(input).collect();
    let inner = Scan { length: steps, checkpoint: None, ..scan.clone() };
    let outputs = if scan.returns == Returns::Rows {
        let packed = inner.packed(vec![false]);
        let value = args[0].apply_with(packed.clone(), &args[1..]);
        vec![packed.last(0, value), packed.rows_of(0, value)]
    } else {
        vec![args[0].apply_with(inner, &args[1..])]
    };
    builder.finish(&outputs).expect("a segment of a checked scan")
}
