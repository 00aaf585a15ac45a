//! A body as machine code: values live in vector registers as long as there are any.
//!
//! A body is emitted for a whole vector, for the first lanes of one, or for single numbers. A value without a register
//! is read again from where it was written, or from the stack.

use super::assembler::{self as asm, Assembler, Gpr, Mem, RAX, RDX, RSP, Rm};
use super::body::{
    Address, Base, Body, Kept, Lanes, MEMORY, Operation, POINTERS, Source, TILES, Way, in_table, single,
};
use super::vectors::{self, Opcode, Vectors};
use crate::program::record::Prim;
use std::collections::HashMap;

/// The operations that read each value and are still to come.
pub struct Uses {
    /// Those of all values, one value after another, of each the last first.
    readers: Vec<usize>,
    /// Where those of each value begin, and where they end now.
    ranges: Vec<(usize, usize)>,
}

impl Uses {
    pub fn new(operations: &[Operation]) -> Uses {
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

    /// How many values there are at most at a time, the one that is being computed among them.
    pub fn most_at_once(&self) -> usize {
        let mut ends = vec![0; self.ranges.len()];
        for (start, end) in &self.ranges {
            // The last reader is the first one of the range.
            if start < end {
                ends[self.readers[*start]] += 1;
            }
        }
        let (mut alive, mut most) = (0, 0);
        for (k, (start, end)) in self.ranges.iter().enumerate() {
            most = most.max(alive + 1);
            alive = alive + usize::from(start < end) - ends[k];
        }
        most
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

/// The values of a body while it is emitted.
pub struct Values<'a> {
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
    /// The registers of single numbers.
    singles: HashMap<i32, u8>,
    /// The value in each register.
    held: Vec<Option<usize>>,
    /// How many vectors of the stack are in use.
    pub stack: usize,
}

impl<'a> Values<'a> {
    pub fn new(body: &Body, asm: &'a mut Assembler, lanes: Lanes, after: i32, kept: &Kept) -> Values<'a> {
        let set = asm.vectors;
        let count = body.operations.len();
        let uses = Uses::new(&body.operations);
        let pointers = std::iter::zip(body.pointers(), POINTERS).collect();
        let registers = vec![None; count];
        let homes = vec![None; count];
        let totals = kept.totals.iter().copied().collect();
        let singles = kept.singles.iter().copied().collect();
        let held = vec![None; set.registers() - kept.len()];
        Values { asm, set, lanes, after, pointers, uses, registers, homes, totals, singles, held, stack: 0 }
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
            Source::Single(offset) => match self.singles.get(&offset) {
                Some(register) => Rm::Reg(*register),
                None => Rm::Each(single(offset)),
            },
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
        match source {
            Source::Value(v) => self.registers[v].is_some(),
            Source::Single(offset) => self.singles.contains_key(&offset),
            Source::Array(_) | Source::Element(_) => false,
        }
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

    /// Emits operation k.
    pub fn operation(&mut self, k: usize, operation: &Operation) {
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
            Prim::Mul if operation.way == Way::Guarded => self.guarded(k, operation),
            Prim::Max if operation.way == Way::Direct => self.binary(k, operation, vectors::MAX, false),
            Prim::Min if operation.way == Way::Direct => self.binary(k, operation, vectors::MIN, false),
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
        // The value gets a register while the operands still have theirs. The instruction gives the second one where
        // they are equal or either is NaN.
        let to = self.take(k);
        let left = self.register(b);
        let right = self.rm(a);
        self.set.apply(self.asm, op, to, left, right, self.partial());
        self.set.or_nan(self.asm, to, left);
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
