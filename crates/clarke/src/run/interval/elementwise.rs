//! Elementwise operators on boxes: their recorded formulas, a block of elements at a time.
//!
//! A selection whose condition holds for some numbers of its operands and not for others gets the hull of its two values,
//! each under what the condition says: within `if a > b`, the first value is asked for with a > b known, so that a
//! selection inside it by the same operands is decided, and an operand that is the value itself is cut off. So
//! `0 > u ? 0 : u` is not negative, and alternatives that only NaN reaches are not met.

use crate::program::interval::{Interval, Relations};
use crate::program::record::{Instr, Operand, Prim, Recording};
use crate::tensor::{Boxes, broadcast_strides, size, walk};

/// How many elements are computed at a time.
const BLOCK: usize = 256;

/// Bounds of the formula for each element of the shape that the arguments broadcast to.
pub(super) fn run(recording: &Recording, args: &[&Boxes], shape: &[usize]) -> Boxes {
    let n = size(shape);
    let positions: Vec<Option<Vec<usize>>> = args.iter().map(|a| positions(a, shape)).collect();
    let mut inputs = vec![vec![Interval::default(); BLOCK]; args.len()];
    let mut temps = vec![vec![Interval::default(); BLOCK]; recording.instrs.len()];
    let mut out: Vec<Interval> = Vec::with_capacity(n);
    for start in (0..n).step_by(BLOCK) {
        let count = BLOCK.min(n - start);
        for (input, (arg, at)) in std::iter::zip(&mut inputs, std::iter::zip(args, &positions)) {
            let (lo, hi) = (arg.lo().data(), arg.hi().data());
            match at {
                None => (0..count).for_each(|i| input[i] = Interval::new(lo[start + i], hi[start + i])),
                Some(at) => (0..count).for_each(|i| {
                    let at = at[start + i];
                    input[i] = Interval::new(lo[at], hi[at]);
                }),
            }
        }
        for k in 0..recording.instrs.len() {
            let (before, rest) = temps.split_at_mut(k);
            let block = Block { recording, inputs: &inputs, temps: before };
            block.instruction(&recording.instrs[k], &mut rest[0][..count]);
        }
        let block = Block { recording, inputs: &inputs, temps: &temps };
        out.extend((0..count).map(|i| block.get(recording.result, i)));
    }
    Boxes::of_intervals(shape, &out)
}

/// Where each element of the shape stands in the argument; None if in the same place.
fn positions(arg: &Boxes, shape: &[usize]) -> Option<Vec<usize>> {
    if arg.shape() == shape {
        return None;
    }
    let mut at = Vec::with_capacity(size(shape));
    walk(shape, &broadcast_strides(arg.shape(), shape), |k| at.push(k));
    Some(at)
}

/// A block of elements in the middle of the formula.
struct Block<'a> {
    recording: &'a Recording,
    inputs: &'a [Vec<Interval>],
    temps: &'a [Vec<Interval>],
}

/// What is known of how two operands compare.
type Fact = (Operand, Operand, u8);

impl Block<'_> {
    fn get(&self, operand: Operand, i: usize) -> Interval {
        match operand {
            Operand::Arg(k) => self.inputs[k][i],
            Operand::Const(c) => Interval::point(c),
            Operand::Temp(k) => self.temps[k][i],
        }
    }

    fn instruction(&self, instr: &Instr, out: &mut [Interval]) {
        let [p, q, ..] = instr.operands;
        let unary = |out: &mut [Interval], f: fn(Interval) -> Interval| {
            out.iter_mut().enumerate().for_each(|(i, y)| *y = f(self.get(p, i)));
        };
        let binary = |out: &mut [Interval], f: fn(Interval, Interval) -> Interval| {
            out.iter_mut().enumerate().for_each(|(i, y)| *y = f(self.get(p, i), self.get(q, i)));
        };
        match instr.prim {
            Prim::Add => binary(out, |a, b| a + b),
            Prim::Sub => binary(out, |a, b| a - b),
            Prim::Mul if p == q => unary(out, Interval::square),
            Prim::Mul => binary(out, |a, b| a * b),
            Prim::IfGt | Prim::IfGe | Prim::IfEq => {
                let mut facts = vec![];
                out.iter_mut().enumerate().for_each(|(i, y)| *y = self.selection(instr, i, &mut facts));
            }
            prim => {
                let operands = instr.operands;
                out.iter_mut().enumerate().for_each(|(i, y)| *y = prim.eval(operands.map(|o| self.get(o, i))));
            }
        }
    }

    /// How two operands may compare, given the facts.
    fn relations(&self, p: Operand, q: Operand, i: usize, facts: &[Fact]) -> u8 {
        let (a, b) = (self.get(p, i), self.get(q, i));
        let mut all = Relations::of(a, b).0;
        if p == q {
            all &= Relations::EQUAL | Relations::UNORDERED;
        }
        for &(l, r, known) in facts {
            if (l, r) == (p, q) {
                all &= known;
            } else if (l, r) == (q, p) {
                all &= swapped(known);
            }
        }
        all
    }

    /// A selection under the facts.
    fn selection(&self, instr: &Instr, i: usize, facts: &mut Vec<Fact>) -> Interval {
        let [p, q, then, other] = instr.operands;
        let holds = match instr.prim {
            Prim::IfGt => Relations::GREATER,
            Prim::IfGe => Relations::GREATER | Relations::EQUAL,
            _ => Relations::EQUAL,
        };
        let all = self.relations(p, q, i, facts);
        let mut side = |mask: u8, value: Operand| {
            (all & mask != 0).then(|| {
                facts.push((p, q, all & mask));
                let y = self.under(value, i, facts);
                facts.pop();
                y
            })
        };
        match (side(holds, then), side(!holds, other)) {
            (Some(a), Some(b)) => a.hull(b),
            // No relation is left where facts contradict each other: nothing gets here.
            (a, b) => a.or(b).unwrap_or(Interval::WHOLE),
        }
    }

    /// An operand under the facts.
    fn under(&self, operand: Operand, i: usize, facts: &mut Vec<Fact>) -> Interval {
        if let Operand::Temp(k) = operand
            && let instr = &self.recording.instrs[k]
            && matches!(instr.prim, Prim::IfGt | Prim::IfGe | Prim::IfEq)
        {
            return self.selection(instr, i, facts);
        }
        facts.iter().fold(self.get(operand, i), |x, &(l, r, known)| {
            let (other, known) = match (l == operand, r == operand) {
                (true, false) => (self.get(r, i), known),
                (false, true) => (self.get(l, i), swapped(known)),
                _ => return x,
            };
            cut(x, other, known)
        })
    }
}

fn swapped(relations: u8) -> u8 {
    let exchange = |from: u8, to: u8| if relations & from != 0 { to } else { 0 };
    (relations & (Relations::EQUAL | Relations::UNORDERED))
        | exchange(Relations::LESS, Relations::GREATER)
        | exchange(Relations::GREATER, Relations::LESS)
}

/// What is left of x if it stands in one of these relations to a number of `other`.
fn cut(x: Interval, other: Interval, known: u8) -> Interval {
    if known & Relations::UNORDERED != 0 {
        return x;
    }
    let lo = if known & Relations::LESS == 0 { x.lo().max(other.lo()) } else { x.lo() };
    let hi = if known & Relations::GREATER == 0 { x.hi().min(other.hi()) } else { x.hi() };
    if lo <= hi { Interval::new(lo, hi) } else { x }
}
