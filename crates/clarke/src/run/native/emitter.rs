//! From pieces of a plan to functions in machine code.

use super::Layout;
use super::assembler::{Assembler, Gpr, Mem, R8, R9, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use super::body::{self, Address, Base, Body, Kept, Lanes, MEMORY, Operation, Source, TABLE, TILES, in_table};
use super::vectors::{TOTAL, Vectors};
use crate::program::real::Scalar;
use crate::program::record::Prim;
use crate::run::kernels::{self, Kernel};
use crate::run::plan::{Instr, Loop, Place, Scalars, Spread, Work};
use std::collections::HashMap;

/// A part of a loop's body, in order.
enum Part {
    /// Arithmetic in registers.
    Body(Body),
    /// A kernel on a tile.
    Call { address: u64, to: Source, from: [Source; 4] },
    /// A spread operand laid out.
    Gather { spread: u64, source: Address, to: Address },
}

/// Functions under construction.
pub struct Emitter<'a, T> {
    pub asm: Assembler,
    layout: Layout<'a, T>,
    size: usize,
    /// Where the number 0 is, if the workspace has it.
    zero: Option<Source>,
}

impl<'a, T: Scalar> Emitter<'a, T> {
    pub fn new(double: bool, vectors: &'static dyn Vectors, layout: Layout<'a, T>) -> Emitter<'a, T> {
        let size = size_of::<T>();
        let zero = layout.numbers.iter().position(|x| x.to_f64().to_bits() == 0);
        let zero = zero.map(|at| Source::Single((at * size) as i32));
        Emitter { asm: Assembler::new(double, vectors), layout, size, zero }
    }

    /// Emits a stretch of work as a function.
    pub fn finish(&mut self, stretch: &mut Vec<Work<T>>, out: &mut Vec<Work<T>>) {
        if stretch.is_empty() {
            return;
        }
        let entry = self.asm.align();
        for register in [RBP, RBX, R12, R13, R14, R15] {
            self.asm.push(register);
            if register == RBP {
                self.asm.copy(RBP, RSP);
            }
        }
        let frame = self.asm.frame();
        self.asm.copy(MEMORY, RDI);
        self.asm.copy(TABLE, RSI);
        let mut stack = 0;
        for piece in &*stretch {
            stack = stack.max(match piece {
                Work::Scalars(lines) => self.straight(lines),
                Work::Loop(of) => self.straight(&of.uniform).max(self.tiles(of)),
                _ => unreachable!("a stretch is of loops and single numbers"),
            });
        }
        self.asm.patch(frame, (64 * stack) as i32);
        self.asm.address(RSP, Mem { base: RBP, index: None, offset: -40 });
        for register in [R15, R14, R13, R12, RBX, RBP] {
            self.asm.pop(register);
        }
        self.asm.ret();
        out.push(Work::Native { entry, of: std::mem::take(stretch) });
    }

    fn offset(&self, at: usize) -> i32 {
        (at * self.size) as i32
    }

    /// Single numbers: each is computed once and written to its place.
    fn straight(&mut self, lines: &[Scalars]) -> usize {
        let mut body = Body::default();
        let mut known: HashMap<u32, usize> = HashMap::new();
        let mut stack = 0;
        for line in lines {
            match *line {
                Scalars::Fetch { from, to } => {
                    known.insert(to, body.operations.len());
                    let from = [Source::Element(self.place(from)); 4];
                    let single = Some(self.offset(to as usize));
                    body.operations.push(Operation { single, ..Operation::new(None, from) });
                }
                Scalars::Apply { prim: Some(prim), to, from } if !prim.is_instruction() => {
                    stack = stack.max(self.one(std::mem::take(&mut body)));
                    known.clear();
                    let single = |at: u32| Source::Single(self.offset(at as usize));
                    let kernel = kernels::kernel::<T>(prim, (1 << prim.arity()) - 1);
                    let (to, from) = (single(to), from.map(single));
                    self.call(kernel as usize as u64, to, from, 1);
                }
                Scalars::Apply { prim, to, from } => {
                    let from = from.map(|at| match known.get(&at) {
                        Some(value) => Source::Value(*value),
                        None => Source::Single(self.offset(at as usize)),
                    });
                    known.insert(to, body.operations.len());
                    let single = Some(self.offset(to as usize));
                    body.operations.push(Operation { single, ..Operation::new(prim, from) });
                }
            }
        }
        stack.max(self.one(body))
    }

    fn one(&mut self, body: Body) -> usize {
        body.load_pointers(&mut self.asm);
        self.with_extremes(body).emit(&mut self.asm, Lanes::One, 0, &Kept::default())
    }

    fn place(&self, place: Place) -> Address {
        let (base, at) = match place {
            Place::Memory(offset) => (Base::Memory, offset),
            Place::Input(k, at) => (Base::Pointer(self.layout.inputs + k), at),
            Place::Output(k, at) => (Base::Pointer(k), at),
            Place::Constant(offset) => (Base::Pointer(self.layout.constants), offset),
        };
        Address { base, offset: self.offset(at) }
    }

    /// The parts of a loop's body.
    fn parts(&self, of: &Loop<T>) -> Vec<Part> {
        let moving = of.moving.len();
        let address = |entry: u32| {
            let entry = entry as usize;
            if entry < moving {
                self.place(of.moving[entry])
            } else if entry < moving + of.fixed.len() {
                Address { base: Base::Tile, offset: self.offset(of.fixed[entry - moving]) }
            } else {
                let tile = of.spreads[entry - moving - of.fixed.len()].tile;
                Address { base: Base::Tile, offset: self.offset(tile) }
            }
        };
        let source = |entry: u32, is_tile: bool| {
            if is_tile {
                Source::Array(address(entry))
            } else {
                Source::Single(self.offset(of.fixed[entry as usize - moving]))
            }
        };
        let read_later = later_reads(&of.body);
        let (mut parts, mut body, mut known) = (vec![], Body::default(), HashMap::<u32, usize>::new());
        for (at, instr) in of.body.iter().enumerate() {
            let mut calls = None;
            match instr {
                Instr::Apply { prim, tiles, to, from, .. } if prim.is_none_or(Prim::is_instruction) => {
                    let mut operands = [Source::Single(0); 4];
                    for (k, operand) in operands.iter_mut().enumerate().take(prim.map_or(1, |p| p.arity())) {
                        *operand = match known.get(&from[k]) {
                            Some(value) => Source::Value(*value),
                            None => source(from[k], tiles >> k & 1 == 1),
                        };
                    }
                    known.insert(*to, body.operations.len());
                    let written = (*to as usize) < moving || read_later[at];
                    let to = if written { vec![address(*to)] } else { vec![] };
                    body.operations.push(Operation { to, ..Operation::new(*prim, operands) });
                }
                Instr::Accumulate { total, from, is_tile } => {
                    let from = known.get(from).map_or_else(|| source(*from, *is_tile), |v| Source::Value(*v));
                    let lanes = self.offset(of.totals[*total as usize].lanes);
                    body.operations.push(Operation { total: Some(lanes), ..Operation::new(None, [from; 4]) });
                }
                Instr::Apply { prim, kernel, tiles, to, from } => {
                    // Operands past the last one are not read; the first stands for them.
                    let last = prim.map_or(1, |p| p.arity());
                    let operand = |k: usize| if k < last { k } else { 0 };
                    let from = [0, 1, 2, 3].map(operand).map(|k| source(from[k], tiles >> k & 1 == 1));
                    let kernel: Kernel<T> = *kernel;
                    let address_of = kernel as usize as u64;
                    calls = Some(Part::Call { address: address_of, to: Source::Array(address(*to)), from });
                }
                Instr::Gather { spread, to, .. } => {
                    let spread = &of.spreads[*spread as usize];
                    let pointer = std::ptr::from_ref(spread) as usize as u64;
                    calls = Some(Part::Gather { spread: pointer, source: self.place(spread.source), to: address(*to) });
                }
            }
            if let Some(call) = calls {
                parts.extend([Part::Body(self.tidied(std::mem::take(&mut body))), call]);
                known.clear();
            }
        }
        parts.push(Part::Body(self.tidied(body)));
        parts.retain(|p| !matches!(p, Part::Body(body) if body.operations.is_empty()));
        parts
    }

    /// A body with products of derivatives as one operation each, in which arrays are read once.
    fn tidied(&self, body: Body) -> Body {
        let body = self.with_extremes(body);
        match self.zero {
            Some(zero) => body.with_guards(zero).with_loads(),
            None => body.with_loads(),
        }
    }

    fn with_extremes(&self, body: Body) -> Body {
        body.with_extremes(|offset| self.layout.numbers.get(offset as usize / self.size).map(|x| x.to_f64()))
    }

    /// A loop over its tiles: one pass if there is nothing to call.
    fn tiles(&mut self, of: &Loop<T>) -> usize {
        let parts = self.parts(of);
        for total in &of.totals {
            let lanes = self.offset(total.lanes);
            body::zero(&mut self.asm, lanes);
        }
        let stack = self.passes(of, &parts);
        for total in &of.totals {
            let divisor = total.divisor.map(|at| self.offset(at));
            let (lanes, to) = (self.offset(total.lanes), self.offset(total.to));
            body::fold(&mut self.asm, lanes, to, divisor);
        }
        stack
    }

    fn passes(&mut self, of: &Loop<T>, parts: &[Part]) -> usize {
        if let [Part::Body(body)] = parts {
            return self.sweep(body, None, of.len);
        }
        let mut stack = 0;
        self.asm.constant(R13, 0);
        self.asm.copy(TILES, MEMORY);
        let (blocks, rest) = (of.len / of.block, of.len % of.block);
        if blocks > 0 {
            let start = self.asm.code.len();
            stack = stack.max(self.block(parts, of.block));
            self.asm.add(R13, of.block as i32);
            self.asm.add(TILES, -self.offset(of.block));
            if blocks > 1 {
                self.asm.constant(R14, (blocks * of.block) as u64);
                self.asm.loop_below(R13, R14, start);
            }
        }
        if rest > 0 {
            stack = stack.max(self.block(parts, rest));
        }
        stack
    }

    fn block(&mut self, parts: &[Part], n: usize) -> usize {
        let mut stack = 0;
        for part in parts {
            match part {
                Part::Body(body) => stack = stack.max(self.sweep(body, Some(R13), n)),
                Part::Call { address, to, from } => self.call(*address, *to, *from, n),
                Part::Gather { spread, source, to } => self.gather(*spread, *source, *to, n),
            }
        }
        stack
    }

    /// A body over n positions from the one in a register, or from 0.
    fn sweep(&mut self, body: &Body, start: Option<Gpr>, n: usize) -> usize {
        let (set, vector) = (self.asm.vectors, self.asm.vectors.bytes());
        // All lanes of a total are added to in one step.
        let step = if body.has_totals() { TOTAL } else { vector };
        let (lanes, of_one) = (step / self.size, vector / self.size);
        let full = n / lanes * lanes;
        let mut stack = 0;
        let kept = body.kept(set);
        body.load_pointers(&mut self.asm);
        kept.load(&mut self.asm);
        match start {
            Some(start) => self.asm.copy(RDX, start),
            None => self.asm.constant(RDX, 0),
        }
        if full > 0 {
            if full > lanes {
                match start {
                    Some(base) => self.asm.address(R14, Mem { base, index: None, offset: full as i32 }),
                    None => self.asm.constant(R14, full as u64),
                }
            }
            let target = self.asm.code.len();
            for after in (0..step).step_by(vector) {
                stack = stack.max(body.emit(&mut self.asm, Lanes::All, after, &kept));
            }
            if full > lanes || n > full {
                self.asm.add(RDX, lanes as i32);
            }
            if full > lanes {
                self.asm.loop_below(RDX, R14, target);
            }
        }
        for first in (full..n).step_by(of_one) {
            let after = (first - full) * self.size;
            if n - first < of_one {
                set.first_lanes(&mut self.asm, n - first);
                stack = stack.max(body.emit(&mut self.asm, Lanes::First, after, &kept));
            } else {
                stack = stack.max(body.emit(&mut self.asm, Lanes::All, after, &kept));
            }
        }
        kept.store(&mut self.asm);
        stack
    }

    /// `to` = the address of an operand at the beginning of the block.
    fn point(&mut self, to: Gpr, source: Source) {
        match source {
            Source::Single(offset) => self.asm.address(to, Mem { base: RBX, index: None, offset }),
            Source::Array(address) => {
                let base = self.base(address.base);
                self.asm.address(to, Mem { base, index: Some(R13), offset: address.offset });
            }
            Source::Value(_) | Source::Element(_) => unreachable!("what is called reads memory"),
        }
    }

    fn base(&mut self, base: Base) -> Gpr {
        match base {
            Base::Memory => MEMORY,
            Base::Tile => TILES,
            Base::Pointer(k) => {
                self.asm.pointer(RAX, in_table(k));
                RAX
            }
        }
    }

    fn call(&mut self, address: u64, to: Source, from: [Source; 4], n: usize) {
        for (register, operand) in std::iter::zip([RDI, RSI, RDX, RCX, R8], std::iter::once(to).chain(from)) {
            self.point(register, operand);
        }
        self.asm.constant(R9, n as u64);
        self.asm.call(address);
    }

    fn gather(&mut self, spread: u64, source: Address, to: Address, n: usize) {
        self.asm.constant(RDI, spread);
        let base = self.base(source.base);
        self.asm.address(RSI, Mem { base, index: None, offset: source.offset });
        self.point(RDX, Source::Array(to));
        self.asm.copy(RCX, R13);
        self.asm.constant(R8, n as u64);
        self.asm.call(lay_out::<T> as *const () as u64);
    }
}

/// Positions `start..start + n` of a spread operand.
///
/// # Safety
/// As [`Spread::lay_out`] asks.
unsafe extern "C" fn lay_out<T: Scalar>(spread: *const Spread, source: *const T, to: *mut T, start: usize, n: usize) {
    // SAFETY: the plan keeps its spread operands where they were when the code was made, and the caller vouches for
    // the rest.
    unsafe { (*spread).lay_out(source, to, start, n) }
}

/// Whether the value of each instruction is read after the next call, before its place gets another value.
fn later_reads<T>(body: &[Instr<T>]) -> Vec<bool> {
    // From the end on: how many calls have been passed, and how many had been where a place is read last.
    let mut passed = 0;
    let mut last: HashMap<u32, usize> = HashMap::new();
    let mut later = vec![false; body.len()];
    for (at, instr) in body.iter().enumerate().rev() {
        match instr {
            Instr::Apply { prim, to, from, .. } => {
                let is_call = !prim.is_none_or(Prim::is_instruction);
                passed += usize::from(is_call);
                later[at] = last.remove(to).is_some_and(|read| read < passed);
                for place in &from[..prim.map_or(1, |p| p.arity())] {
                    last.entry(*place).or_insert(passed - usize::from(is_call));
                }
            }
            Instr::Gather { to, .. } => {
                last.remove(to);
                passed += 1;
            }
            Instr::Accumulate { from, .. } => {
                last.entry(*from).or_insert(passed);
            }
        }
    }
    later
}
