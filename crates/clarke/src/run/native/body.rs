//! Straight-line arithmetic as machine code: values live in vector registers as long as there are any.
//!
//! A body is emitted for a whole vector, for the first lanes of one, or for single numbers. A value without a register
//! is read again from where it was written, or from the stack.

use super::assembler::{self as asm, Assembler, Gpr, Mem, R12, RAX, RBX, RDX, RSP, Rm};
use super::vectors::{self, Opcode, TOTAL, Vectors};
use crate::program::record::Prim;
use std::collections::HashMap;

/// The register that holds the workspace.
pub const MEMORY: Gpr = RBX;
/// The register that holds the table of addresses.
pub const TABLE: Gpr = R12;
/// The register that holds the workspace minus the beginning of the block, in which tiles are read.
pub const TILES: Gpr = asm::R15;
/// Registers for addresses out of the table.
const POINTERS: [Gpr; 7] = [asm::RCX, asm::RSI, asm::RDI, asm::R8, asm::R9, asm::R10, asm::R11];
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
    /// Whether it is a product that is 0 as soon as a factor is.
    pub guarded: bool,
}

impl Operation {
    /// A value that is written nowhere.
    pub fn new(prim: Option<Prim>, from: [Source; 4]) -> Operation {
        Operation { prim, from, to: vec![], single: None, total: None, guarded: false }
    }

    fn sources(&self) -> &[Source] {
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
            if of.prim == Some(Prim::Mul) && !of.guarded && of.from[..2] == [a, b] {
                (gone[inner], gone[product]) = (true, true);
                let own = &mut self.operations[k];
                (own.prim, own.from, own.guarded) = (Some(Prim::Mul), [a, b, b, b], true);
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
    fn pointers(&self) -> Vec<usize> {
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

    /// The vectors of totals that the body adds to, as far as they have registers, the last ones.
    fn totals(&self, set: &dyn Vectors) -> Vec<(i32, u8)> {
        let totals = self.operations.iter().filter_map(|o| o.total).take(set.totals());
        let parts = totals.flat_map(|total| (0..TOTAL).step_by(set.bytes()).map(move |part| total + part as i32));
        std::iter::zip(parts, (0..set.registers() as u8).rev()).collect()
    }

    /// Loads the lanes of totals into registers.
    pub fn load_totals(&self, asm: &mut Assembler) {
        for (offset, register) in self.totals(asm.vectors) {
            asm.vectors.load(asm, register, Rm::Wide(single(offset)), false);
        }
    }

    /// Writes the lanes of totals back.
    pub fn store_totals(&self, asm: &mut Assembler) {
        for (offset, register) in self.totals(asm.vectors) {
            asm.vectors.store(asm, register, single(offset), false);
        }
    }

    /// Emits the body, so many bytes after the position; returns how many vectors of the stack it uses.
    pub fn emit(&self, asm: &mut Assembler, lanes: Lanes, after: usize) -> usize {
        asm.scalar = lanes == Lanes::One;
        let mut emitter = Emitter::new(self, asm, lanes, after as i32);
        for (k, operation) in self.operations.iter().enumerate() {
            emitter.operation(k, operation);
        }
        let stack = emitter.stack;
        asm.scalar = false;
        stack
    }
}

/// The place at an offset of the workspace.
fn single(offset: i32) -> Mem {
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

/// The operations that read each value and are still to come.
struct Uses {
    /// Those of all values, one value after another, of each the last first.
    readers: Vec<usize>,
    /// Where those of each value begin, and where they end now.
    ranges: Vec<(usize, usize)>,
}

impl Uses {
    fn new(operations: &[Operation]) -> Uses {
        let mut ranges = vec![(0, 0); operations.len()];
        let values = |o: &Operation, f: &mut dyn FnMut(usize)| {
            o.sources().iter().for_each(|source| {
                if let Source::Value(v) = source {
                    f(*v)
                }
            });
        };
        operations.iter().for_each(|o| values(o, &mut |v| ranges[v].1 += 1));
        let mut end = 0;
        for range in &mut ranges {
            *range = (end, end + range.1);
            end = range.1;
        }
        let (mut readers, mut next) = (vec![0; end], ranges.clone());
        for (k, operation) in operations.iter().enumerate().rev() {
            values(operation, &mut |v| {
                readers[next[v].0] = k;
                next[v].0 += 1;
            });
        }
        Uses { readers, ranges }
    }

    /// The next one.
    fn next(&self, value: usize) -> Option<usize> {
        let (start, end) = self.ranges[value];
        (start < end).then(|| self.readers[end - 1])
    }

    /// Operation k has read the value.
    fn pass(&mut self, value: usize, k: usize) {
        while self.next(value) == Some(k) {
            self.ranges[value].1 -= 1;
        }
    }
}

struct Emitter<'a> {
    asm: &'a mut Assembler,
    set: &'static dyn Vectors,
    lanes: Lanes,
    /// How far behind the position, in bytes.
    after: i32,
    pointers: HashMap<usize, Gpr>,
    uses: Uses,
    /// The register of each value.
    registers: Vec<Option<u8>>,
    /// Where values are that were written somewhere.
    homes: Vec<Option<Mem>>,
    /// The registers of totals.
    totals: HashMap<i32, u8>,
    /// The value in each register.
    held: Vec<Option<usize>>,
    stack: usize,
}

impl<'a> Emitter<'a> {
    fn new(body: &Body, asm: &'a mut Assembler, lanes: Lanes, after: i32) -> Emitter<'a> {
        let set = asm.vectors;
        let count = body.operations.len();
        let uses = Uses::new(&body.operations);
        let pointers = std::iter::zip(body.pointers(), POINTERS).collect();
        let registers = vec![None; count];
        let homes = vec![None; count];
        let totals: HashMap<i32, u8> = body.totals(set).into_iter().collect();
        let held = vec![None; set.registers() - totals.len()];
        Emitter { asm, set, lanes, after, pointers, uses, registers, homes, totals, held, stack: 0 }
    }

    /// Whether some lanes are not in use.
    fn partial(&self) -> bool {
        self.lanes == Lanes::First
    }

    /// The memory of an address at the position; may use up RAX.
    fn place(&mut self, address: Address) -> Mem {
        let base = match address.base {
            Base::Memory => MEMORY,
            Base::Tile => TILES,
            Base::Pointer(k) => match self.pointers.get(&k) {
                Some(register) => *register,
                None => {
                    self.asm.pointer(RAX, in_table(k));
                    RAX
                }
            },
        };
        Mem { base, index: Some(RDX), offset: address.offset + self.after }
    }

    /// An operand as the last one of an instruction.
    fn rm(&mut self, source: Source) -> Rm {
        match source {
            Source::Value(v) => match (self.registers[v], self.homes[v]) {
                (Some(register), _) => Rm::Reg(register),
                (None, Some(home)) if self.lanes == Lanes::One => Rm::Each(home),
                (None, Some(home)) => Rm::Wide(home),
                (None, None) => unreachable!("a value that is still read is somewhere"),
            },
            Source::Array(address) => Rm::Wide(self.place(address)),
            Source::Single(offset) => Rm::Each(single(offset)),
            Source::Element(address) => Rm::Each(Mem { index: None, offset: address.offset, ..self.place(address) }),
        }
    }

    /// An operand in a register: its own, or the scratch register.
    fn register(&mut self, source: Source) -> u8 {
        match self.rm(source) {
            Rm::Reg(register) => register,
            rm => {
                let scratch = self.set.scratch();
                self.set.load(self.asm, scratch, rm, self.partial());
                scratch
            }
        }
    }

    fn in_register(&self, source: Source) -> bool {
        matches!(source, Source::Value(v) if self.registers[v].is_some())
    }

    /// Counts the operands of an operation as read, and frees the registers of those read for the last time.
    fn release(&mut self, k: usize, operation: &Operation) {
        for source in operation.sources() {
            if let Source::Value(v) = *source {
                self.uses.pass(v, k);
                if let (None, Some(register)) = (self.uses.next(v), self.registers[v]) {
                    self.held[usize::from(register)] = None;
                    self.registers[v] = None;
                }
            }
        }
    }

    /// A register for a value: a free one, or that of the value that is read last.
    fn take(&mut self, value: usize) -> u8 {
        let free = self.held.iter().position(Option::is_none);
        let register = free.unwrap_or_else(|| {
            let next = |r: &usize| self.held[*r].and_then(|v| self.uses.next(v)).unwrap_or(usize::MAX);
            let victim = (0..self.held.len()).max_by_key(next).expect("there are registers");
            self.evict(victim);
            victim
        });
        self.held[register] = Some(value);
        self.registers[value] = Some(register as u8);
        register as u8
    }

    fn evict(&mut self, register: usize) {
        let Some(value) = self.held[register].take() else { return };
        self.registers[value] = None;
        if self.homes[value].is_none() && self.uses.next(value).is_some() {
            let home = Mem { base: RSP, index: None, offset: (64 * self.stack) as i32 };
            self.stack += 1;
            self.set.store(self.asm, register as u8, home, false);
            self.homes[value] = Some(home);
        }
    }

    /// Adds a value to the lanes of a total.
    fn accumulate(&mut self, k: usize, operation: &Operation, lanes: i32) {
        let of = self.rm(operation.from[0]);
        self.release(k, operation);
        let lanes = lanes + self.after;
        let to = self.totals.get(&lanes).copied();
        let register = to.unwrap_or_else(|| {
            self.set.load(self.asm, self.set.scratch(), Rm::Wide(single(lanes)), false);
            self.set.scratch()
        });
        self.set.accumulate(self.asm, register, of, self.partial());
        if to.is_none() {
            self.set.store(self.asm, register, single(lanes), false);
        }
    }

    fn operation(&mut self, k: usize, operation: &Operation) {
        if let Some(lanes) = operation.total {
            return self.accumulate(k, operation, lanes);
        }
        let to = self.compute(k, operation);
        for address in &operation.to {
            let place = self.place(*address);
            self.set.store(self.asm, to, place, self.partial());
            // What may lie at an address out of the table that has no register is not read again from there.
            if place.base != RAX {
                self.homes[k] = Some(place);
            }
        }
        if let Some(offset) = operation.single {
            let place = single(offset);
            self.set.store(self.asm, to, place, false);
            self.homes[k] = Some(place);
        }
        if self.uses.next(k).is_none() && self.registers[k] == Some(to) {
            self.held[usize::from(to)] = None;
            self.registers[k] = None;
        }
    }

    /// Emits the computation of value k; returns its register.
    fn compute(&mut self, k: usize, operation: &Operation) -> u8 {
        let [a, b, c, d] = operation.from;
        let Some(prim) = operation.prim else {
            let from = self.rm(a);
            self.release(k, operation);
            let to = self.take(k);
            self.set.load(self.asm, to, from, self.partial());
            return to;
        };
        match prim {
            Prim::Mul if operation.guarded => self.guarded(k, operation),
            Prim::Add => self.binary(k, operation, vectors::ADD, true),
            Prim::Mul => self.binary(k, operation, vectors::MUL, true),
            Prim::Sub => self.binary(k, operation, vectors::SUB, false),
            Prim::Div => self.binary(k, operation, vectors::DIV, false),
            Prim::Max => self.extreme(k, operation, vectors::MAX),
            Prim::Min => self.extreme(k, operation, vectors::MIN),
            Prim::Sqrt => self.unary(k, operation, vectors::SQRT),
            Prim::Floor => self.unary(k, operation, vectors::FLOOR),
            Prim::Round => self.unary(k, operation, vectors::ROUND),
            Prim::Neg => self.bits(k, operation, vectors::XOR, asm::POOL_SIGN),
            Prim::Abs => self.bits(k, operation, vectors::AND, asm::POOL_ABS),
            Prim::IfGt => self.select(k, operation, (a, b), (c, d), (0x1E, 0x11)),
            Prim::IfGe => self.select(k, operation, (a, b), (c, d), (0x1D, 0x12)),
            Prim::IfEq => self.select(k, operation, (a, b), (c, d), (0x00, 0x00)),
            _ => unreachable!("primitives that are not native are calls"),
        }
    }

    fn binary(&mut self, k: usize, operation: &Operation, op: Opcode, commutes: bool) -> u8 {
        let [a, b, ..] = operation.from;
        let (a, b) = if commutes && !self.in_register(a) && self.in_register(b) { (b, a) } else { (a, b) };
        let left = self.register(a);
        let right = self.rm(b);
        self.release(k, operation);
        let to = self.take(k);
        self.set.apply(self.asm, op, to, left, right, self.partial());
        to
    }

    /// A product in the lanes where neither factor is 0, and 0 in the others.
    fn guarded(&mut self, k: usize, operation: &Operation) -> u8 {
        let [a, b, ..] = operation.from;
        // The value gets a register while the factors still have theirs, and lends it to a factor in memory.
        let to = self.take(k);
        let left = self.register(a);
        let right = match self.rm(b) {
            Rm::Reg(register) => register,
            rm => {
                self.set.load(self.asm, to, rm, self.partial());
                to
            }
        };
        self.set.guarded(self.asm, to, left, right);
        self.release(k, operation);
        to
    }

    fn unary(&mut self, k: usize, operation: &Operation, op: Opcode) -> u8 {
        let from = self.rm(operation.from[0]);
        self.release(k, operation);
        let to = self.take(k);
        self.set.apply(self.asm, op, to, 0, from, self.partial());
        to
    }

    fn bits(&mut self, k: usize, operation: &Operation, op: Opcode, pool: usize) -> u8 {
        let from = self.register(operation.from[0]);
        self.release(k, operation);
        let to = self.take(k);
        self.set.apply(self.asm, op, to, from, Rm::Pool(pool), false);
        to
    }

    /// The larger or smaller of two.
    fn extreme(&mut self, k: usize, operation: &Operation, op: Opcode) -> u8 {
        let [a, b, ..] = operation.from;
        // The value gets a register while the operands still have theirs.
        let to = self.take(k);
        let left = self.register(a);
        let right = self.rm(b);
        self.set.extreme(self.asm, op, to, left, right, self.partial());
        self.release(k, operation);
        to
    }

    /// `if a ? b { c } else { d }`, with the predicate for (a, b) and the one for (b, a).
    fn select(
        &mut self,
        k: usize,
        operation: &Operation,
        (a, b): (Source, Source),
        (c, d): (Source, Source),
        (predicate, turned): (u8, u8),
    ) -> u8 {
        let turn = !self.in_register(a) && self.in_register(b);
        let (a, b, predicate) = if turn { (b, a, turned) } else { (a, b, predicate) };
        let left = self.register(a);
        let right = self.rm(b);
        self.set.compare(self.asm, predicate, left, right, self.partial());
        let otherwise = self.register(d);
        let chosen = self.rm(c);
        self.release(k, operation);
        let to = self.take(k);
        self.set.blend(self.asm, to, otherwise, chosen, self.partial());
        to
    }
}
