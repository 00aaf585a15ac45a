//! Straight-line arithmetic, as loops and single numbers have it: what is computed, and what stays in registers from one
//! pass of a loop to the next.

use super::assembler::{self as asm, Assembler, Gpr, Mem, R12, RBX, Rm};
use super::values::{Uses, Values};
use super::vectors::{self, TOTAL, Vectors};
use crate::program::record::Prim;
use std::collections::HashMap;

/// The register that holds the workspace.
pub const MEMORY: Gpr = RBX;
/// The register that holds the table of addresses.
pub const TABLE: Gpr = R12;
/// The register that holds the workspace minus the beginning of the block, in which tiles are read.
pub const TILES: Gpr = asm::R15;
/// Registers for addresses out of the table.
pub const POINTERS: [Gpr; 7] = [asm::RCX, asm::RSI, asm::RDI, asm::R8, asm::R9, asm::R10, asm::R11];
/// Where an address counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// The workspace.
    Memory,
    /// The workspace, at the beginning of the block.
    Tile,
    /// The k-th address of the table.
    Pointer(usize),
}

/// A place that moves with the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    pub base: Base,
    /// In bytes.
    pub offset: i32,
}

/// An operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The result of an earlier operation.
    Value(usize),
    /// Numbers at the position.
    Array(Address),
    /// One number, at this offset of the workspace in bytes.
    Single(i32),
    /// One number of an array, which does not move.
    Element(Address),
}

/// An operation; the k-th gives value k.
#[derive(Debug, Clone)]
pub struct Operation {
    /// What is computed; None is the first operand.
    pub prim: Option<Prim>,
    pub from: [Source; 4],
    /// Where the value is written.
    pub to: Vec<Address>,
    /// Where a single value is written, as an offset of the workspace in bytes.
    pub single: Option<i32>,
    /// Instead of giving a value, the first operand is added to the lanes at this offset in bytes.
    pub total: Option<i32>,
    pub way: Way,
}

/// How an operation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As its primitive says.
    Usual,
    /// A product that is 0 as soon as a factor is.
    Guarded,
    /// The larger or smaller of two by the instruction alone, which gives the second one where they are equal or either
    /// is NaN.
    Direct,
}

impl Operation {
    /// A value that is written nowhere.
    pub fn new(prim: Option<Prim>, from: [Source; 4]) -> Operation {
        Operation { prim, from, to: vec![], single: None, total: None, way: Way::Usual }
    }

    pub fn sources(&self) -> &[Source] {
        &self.from[..self.prim.map_or(1, Prim::arity)]
    }
}

/// How lanes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// All of them.
    All,
    /// The first ones, which [`Vectors::first_lanes`] said.
    First,
    /// One: every operand is a single number.
    One,
}

/// Operations in order.
#[derive(Debug, Default)]
pub struct Body {
    pub operations: Vec<Operation>,
}

impl Body {
    /// Makes one operation of `0 if a = 0 else (0 if b = 0 else a·b)`, the product of derivatives, where the number at
    /// `zero` is 0.
    pub fn with_guards(mut self, zero: Source) -> Body {
        let mut uses = vec![0; self.operations.len()];
        for operation in &self.operations {
            for source in operation.sources() {
                if let Source::Value(v) = source {
                    uses[*v] += 1;
                }
            }
        }
        let plain = |o: &Operation| o.to.is_empty() && o.single.is_none() && o.total.is_none();
        let mut gone = vec![false; self.operations.len()];
        for k in 0..self.operations.len() {
            let guard = |k: usize| match &self.operations[k] {
                Operation { prim: Some(Prim::IfEq), from: [a, b, c, Source::Value(v)], .. }
                    if *b == zero && *c == zero && uses[*v] == 1 && plain(&self.operations[*v]) =>
                {
                    Some((*a, *v))
                }
                _ => None,
            };
            let Some((a, inner)) = guard(k) else { continue };
            let Some((b, product)) = guard(inner) else { continue };
            let of = &self.operations[product];
            if of.prim == Some(Prim::Mul) && of.way == Way::Usual && of.from[..2] == [a, b] {
                (gone[inner], gone[product]) = (true, true);
                let own = &mut self.operations[k];
                (own.prim, own.from, own.way) = (Some(Prim::Mul), [a, b, b, b], Way::Guarded);
            }
        }
        let mut moved = vec![0; gone.len()];
        let mut next = 0;
        for (k, gone) in gone.iter().enumerate() {
            moved[k] = next;
            next += usize::from(!gone);
        }
        let mut keep = gone.iter();
        self.operations.retain(|_| keep.next().is_some_and(|gone| !gone));
        for source in self.operations.iter_mut().flat_map(|o| &mut o.from) {
            if let Source::Value(v) = source {
                *v = moved[*v];
            }
        }
        self
    }

    /// Takes the instructions alone for the larger and the smaller of two, of which one is a known number: that needs no
    /// look for NaN.
    pub fn with_extremes(mut self, known: impl Fn(i32) -> Option<f64>) -> Body {
        let number = |source| match source {
            Source::Single(offset) => known(offset).filter(|x| !x.is_nan()),
            _ => None,
        };
        for operation in &mut self.operations {
            let [a, b, ..] = operation.from;
            if !matches!(operation.prim, Some(Prim::Max | Prim::Min)) {
                continue;
            }
            if number(b).is_some() {
                (operation.from, operation.way) = ([b, a, a, a], Way::Direct);
            } else if number(a).is_some_and(|a| a != 0.0) {
                // Where they are equal their bits are; of two zeros the first would have to be given.
                operation.way = Way::Direct;
            }
        }
        self
    }

    /// Gives arrays that are read several times a value, so that they are read once.
    pub fn with_loads(self) -> Body {
        let mut counts: HashMap<Address, usize> = HashMap::new();
        for operation in &self.operations {
            for source in operation.sources() {
                if let Source::Array(address) = source {
                    *counts.entry(*address).or_default() += 1;
                }
            }
        }
        let mut out = Body::default();
        let (mut values, mut loads) = (vec![], HashMap::new());
        for mut operation in self.operations {
            for source in &mut operation.from {
                *source = match *source {
                    Source::Value(v) => Source::Value(values[v]),
                    Source::Array(a) if counts.get(&a).is_some_and(|n| *n > 1) => {
                        Source::Value(*loads.entry(a).or_insert_with(|| {
                            let from = [Source::Array(a); 4];
                            out.operations.push(Operation::new(None, from));
                            out.operations.len() - 1
                        }))
                    }
                    other => other,
                };
            }
            values.push(out.operations.len());
            out.operations.push(operation);
        }
        out
    }

    /// The addresses out of the table that are used, in order of first use.
    pub fn pointers(&self) -> Vec<usize> {
        let mut seen = vec![];
        for operation in &self.operations {
            let arrays = operation.sources().iter().filter_map(|s| match s {
                Source::Array(a) | Source::Element(a) => Some(a),
                _ => None,
            });
            for address in arrays.chain(&operation.to) {
                if let Base::Pointer(k) = address.base
                    && !seen.contains(&k)
                    && seen.len() < POINTERS.len()
                {
                    seen.push(k);
                }
            }
        }
        seen
    }

    /// Loads the addresses that the body uses into registers.
    pub fn load_pointers(&self, asm: &mut Assembler) {
        for (k, register) in std::iter::zip(self.pointers(), POINTERS) {
            asm.pointer(register, in_table(k));
        }
    }

    /// Whether the body adds to totals.
    pub fn has_totals(&self) -> bool {
        self.operations.iter().any(|o| o.total.is_some())
    }

    /// What a loop over the body keeps in registers.
    pub fn kept(&self, set: &dyn Vectors) -> Kept {
        let totals = self.operations.iter().filter_map(|o| o.total).take(set.totals());
        let parts = totals.flat_map(|total| (0..TOTAL).step_by(set.bytes()).map(move |part| total + part as i32));
        let mut free = (0..set.registers() as u8).rev();
        let totals: Vec<_> = parts.map(|part| (part, free.next().expect("totals have registers"))).collect();
        // Single numbers get what values leave, those that are read most first.
        let mut counts: HashMap<i32, usize> = HashMap::new();
        for source in self.operations.iter().flat_map(Operation::sources) {
            if let Source::Single(offset) = *source {
                *counts.entry(offset).or_default() += 1;
            }
        }
        let mut counts: Vec<(i32, usize)> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|&(offset, count)| (std::cmp::Reverse(count), offset));
        let spare = free.len().saturating_sub(Uses::new(&self.operations).most_at_once());
        let singles = std::iter::zip(counts, free.by_ref().take(spare)).map(|((at, _), to)| (at, to)).collect();
        Kept { totals, singles }
    }

    /// Emits the body, so many bytes after the position; returns how many vectors of the stack it uses.
    pub fn emit(&self, asm: &mut Assembler, lanes: Lanes, after: usize, kept: &Kept) -> usize {
        asm.scalar = lanes == Lanes::One;
        let mut values = Values::new(self, asm, lanes, after as i32, kept);
        for (k, operation) in self.operations.iter().enumerate() {
            values.operation(k, operation);
        }
        let stack = values.stack;
        asm.scalar = false;
        stack
    }
}

/// What stays in registers from one pass of a loop to the next, by offsets of the workspace in bytes.
#[derive(Debug, Default)]
pub struct Kept {
    /// The vectors of totals that the body adds to.
    pub totals: Vec<(i32, u8)>,
    /// Single numbers, each in all lanes.
    pub singles: Vec<(i32, u8)>,
}

impl Kept {
    /// How many registers it takes.
    pub fn len(&self) -> usize {
        self.totals.len() + self.singles.len()
    }

    /// Loads it.
    pub fn load(&self, asm: &mut Assembler) {
        for &(offset, register) in &self.totals {
            asm.vectors.load(asm, register, Rm::Wide(single(offset)), false);
        }
        for &(offset, register) in &self.singles {
            asm.vectors.load(asm, register, Rm::Each(single(offset)), false);
        }
    }

    /// Writes the totals back.
    pub fn store(&self, asm: &mut Assembler) {
        for &(offset, register) in &self.totals {
            asm.vectors.store(asm, register, single(offset), false);
        }
    }
}

/// The place at an offset of the workspace.
pub fn single(offset: i32) -> Mem {
    Mem { base: MEMORY, index: None, offset }
}

/// Clears the lanes of a total.
pub fn zero(asm: &mut Assembler, lanes: i32) {
    asm.vectors.zero(asm, single(lanes));
}

/// Adds the lanes of a total up, and divides the sum.
pub fn fold(asm: &mut Assembler, lanes: i32, to: i32, divisor: Option<i32>) {
    let (set, sum) = (asm.vectors, asm.vectors.scratch());
    set.fold(asm, single(lanes));
    asm.scalar = true;
    if let Some(divisor) = divisor {
        set.apply(asm, vectors::DIV, sum, sum, Rm::Each(single(divisor)), false);
    }
    set.store(asm, sum, single(to), false);
    asm.scalar = false;
}

/// The place of the k-th address of the table.
pub fn in_table(k: usize) -> Mem {
    Mem { base: TABLE, index: None, offset: (8 * k) as i32 }
}
