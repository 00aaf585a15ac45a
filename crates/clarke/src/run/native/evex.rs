//! AVX-512: instructions in EVEX encoding, with masks for the lanes in use.

use super::assembler::{Assembler, Mem, POOL_ZERO, RAX, Rm};
use super::vectors::{ADD, COMPARE, MUL, Map, Opcode, UNEQUAL, UNORDERED, Vectors, XOR};

/// AVX-512.
pub struct Evex;

/// A vector register for operands that are in memory.
const SCRATCH: u8 = 31;
/// The mask of the last lanes, and the one of a comparison.
const LAST: u8 = 1;
const CHOSEN: u8 = 2;

/// The last operand where the mask is set, the one before elsewhere.
const BLEND: Opcode = Opcode::prefixed(Map::M0F38, 0x65, 0x65);
/// The lanes of two registers one after another, from the one that the immediate byte says on.
const ALIGN: Opcode = Opcode::prefixed(Map::M0F3A, 0x03, 0x03);
const LOAD: Opcode = Opcode::plain(0x10);
const STORE: Opcode = Opcode::plain(0x11);
const BROADCAST: Opcode = Opcode::prefixed(Map::M0F38, 0x18, 0x19);
const MOVE: Opcode = Opcode::plain(0x28);

/// Which lanes an instruction computes.
#[derive(Debug, Clone, Copy)]
struct Mask {
    /// The mask register; 0 is all lanes.
    k: u8,
    /// Whether the other lanes become 0; else they stay.
    zero: bool,
}

const ALL: Mask = Mask { k: 0, zero: false };
const WHERE_CHOSEN: Mask = Mask { k: CHOSEN, zero: false };

/// The lanes in use; the others stay.
fn among(partial: bool) -> Mask {
    if partial { Mask { k: LAST, zero: false } } else { ALL }
}

/// The mask of an instruction with this last operand: memory past the end is not to be read.
fn guard(rm: Rm, partial: bool) -> Mask {
    if partial && matches!(rm, Rm::Wide(_)) { Mask { k: LAST, zero: true } } else { ALL }
}

/// `to = op(a, rm)`.
fn op(asm: &mut Assembler, op: Opcode, to: u8, a: u8, rm: Rm, mask: Mask) {
    let pp = if asm.double || op.prefixed { 1 } else { 0 };
    let code = if asm.double { op.double } else { op.single };
    let length = if asm.scalar { 0 } else { 2 };
    encode(asm, (op.map, pp, code, length), to, a, rm, mask, usize::from(op.immediate.is_some()));
    asm.code.extend(op.immediate);
}

/// A move of one lane.
fn lane(asm: &mut Assembler, code: u8, reg: u8, mem: Mem) {
    let pp = if asm.double { 3 } else { 2 };
    encode(asm, (Map::M0F, pp, code, 0), reg, 0, Rm::Wide(mem), ALL, 0);
}

/// The instruction without what follows its operands, `after` bytes.
fn encode(
    asm: &mut Assembler,
    (map, pp, code, length): (Map, u8, u8, u8),
    reg: u8,
    v: u8,
    rm: Rm,
    mask: Mask,
    after: usize,
) {
    let (x, b) = Assembler::extension(rm);
    let each = u8::from(matches!(rm, Rm::Each(_) | Rm::Pool(_)));
    let inverted = |bit: u8, at: u8| (bit & 1 ^ 1) << at;
    asm.code.push(0x62);
    asm.code.push(inverted(reg >> 3, 7) | inverted(x, 6) | inverted(b, 5) | inverted(reg >> 4, 4) | map as u8);
    asm.code.push(u8::from(asm.double) << 7 | (!v & 15) << 3 | 1 << 2 | pp);
    asm.code.push(u8::from(mask.zero) << 7 | length << 5 | each << 4 | inverted(v >> 4, 3) | mask.k);
    asm.code.push(code);
    asm.operands(reg, rm, after);
}

impl Vectors for Evex {
    fn bytes(&self) -> usize {
        64
    }

    fn pooled(&self, size: usize) -> usize {
        size
    }

    fn begin(&self, _: &mut Assembler) {}

    fn registers(&self) -> usize {
        usize::from(SCRATCH)
    }

    fn totals(&self) -> usize {
        4
    }

    fn scratch(&self) -> u8 {
        SCRATCH
    }

    fn load(&self, asm: &mut Assembler, to: u8, rm: Rm, partial: bool) {
        let mask = guard(rm, partial);
        match rm {
            Rm::Reg(_) => op(asm, MOVE, to, 0, rm, mask),
            Rm::Wide(_) | Rm::Code(_) => op(asm, LOAD, to, 0, rm, mask),
            // One number into the first lane; the others become 0.
            Rm::Each(mem) if asm.scalar => lane(asm, 0x10, to, mem),
            Rm::Each(mem) => op(asm, BROADCAST, to, 0, Rm::Wide(mem), mask),
            Rm::Pool(_) => unreachable!("numbers of the pool are operands"),
        }
    }

    fn store(&self, asm: &mut Assembler, from: u8, mem: Mem, partial: bool) {
        if asm.scalar {
            lane(asm, 0x11, from, mem);
        } else {
            op(asm, STORE, from, 0, Rm::Wide(mem), among(partial));
        }
    }

    fn apply(&self, asm: &mut Assembler, code: Opcode, to: u8, a: u8, rm: Rm, partial: bool) {
        op(asm, code, to, if code.unary { 0 } else { a }, rm, guard(rm, partial));
    }

    fn accumulate(&self, asm: &mut Assembler, to: u8, rm: Rm, partial: bool) {
        op(asm, ADD, to, to, rm, among(partial));
    }

    fn guarded(&self, asm: &mut Assembler, to: u8, left: u8, right: u8) {
        let zero = Rm::Pool(POOL_ZERO);
        op(asm, COMPARE.with(UNEQUAL), CHOSEN, left, zero, ALL);
        op(asm, COMPARE.with(UNEQUAL), CHOSEN, right, zero, WHERE_CHOSEN);
        op(asm, MUL, to, left, Rm::Reg(right), Mask { k: CHOSEN, zero: true });
    }

    fn or_nan(&self, asm: &mut Assembler, to: u8, from: u8) {
        op(asm, COMPARE.with(UNORDERED), CHOSEN, from, Rm::Reg(from), ALL);
        op(asm, MOVE, to, 0, Rm::Reg(from), WHERE_CHOSEN);
    }

    fn compare(&self, asm: &mut Assembler, predicate: u8, left: u8, rm: Rm, partial: bool) {
        op(asm, COMPARE.with(predicate), CHOSEN, left, rm, among(partial));
    }

    fn blend(&self, asm: &mut Assembler, to: u8, otherwise: u8, chosen: Rm, _: bool) {
        op(asm, BLEND, to, otherwise, chosen, WHERE_CHOSEN);
    }

    fn first_lanes(&self, asm: &mut Assembler, lanes: usize) {
        asm.constant(RAX, (1 << lanes) - 1);
        // kmovw k, eax
        asm.code.extend([0xC5, 0xF8, 0x92, 0xC0 | LAST << 3]);
    }

    fn zero(&self, asm: &mut Assembler, lanes: Mem) {
        op(asm, XOR, SCRATCH, SCRATCH, Rm::Reg(SCRATCH), ALL);
        self.store(asm, SCRATCH, lanes, false);
    }

    fn fold(&self, asm: &mut Assembler, lanes: Mem) {
        const OTHER: u8 = SCRATCH - 1;
        self.load(asm, SCRATCH, Rm::Wide(lanes), false);
        let mut half = 32 / asm.size();
        while half > 0 {
            op(asm, ALIGN.with(half as u8), OTHER, SCRATCH, Rm::Reg(SCRATCH), ALL);
            op(asm, ADD, SCRATCH, SCRATCH, Rm::Reg(OTHER), ALL);
            half /= 2;
        }
    }
}
