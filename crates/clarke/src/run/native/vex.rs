//! AVX2: instructions in VEX encoding. Vectors of 32 bytes; what a comparison gives is a vector of all ones or zeros.

use super::assembler::{Assembler, Mem, POOL_ZERO, Rm};
use super::vectors::{ADD, AND, COMPARE, MUL, Map, Opcode, TOTAL, UNEQUAL, UNORDERED, Vectors, XOR};

/// AVX2.
pub struct Vex;

const BYTES: usize = 32;
/// The lanes in use, the second operand from memory, what a comparison gave, and the first operand from memory.
const LAST: u8 = 12;
const SECOND: u8 = 13;
const CHOSEN: u8 = 14;
const SCRATCH: u8 = 15;
/// Where the lanes in use are written in the code: ones, then zeros.
const LANES: usize = 3 * BYTES;

const LOAD: Opcode = Opcode::plain(0x10);
const STORE: Opcode = Opcode::plain(0x11);
const MOVE: Opcode = Opcode::plain(0x28);
const BROADCAST: Opcode = Opcode::prefixed(Map::M0F38, 0x18, 0x19);
/// Reading and writing the lanes whose sign is set in the first operand.
const LOAD_WHERE: Opcode = Opcode::prefixed(Map::M0F38, 0x2C, 0x2D);
const STORE_WHERE: Opcode = Opcode::prefixed(Map::M0F38, 0x2E, 0x2F);
/// The last operand where the sign is set in the register that the immediate byte says, the one before elsewhere.
const BLEND: Opcode = Opcode::prefixed(Map::M0F3A, 0x4A, 0x4B).with(CHOSEN << 4);
/// Halves of 16 bytes, and lanes within one, in another order.
const UPPER: Opcode = Opcode::prefixed(Map::M0F3A, 0x19, 0x19).with(1);
const SWAP_LONG: Opcode = Opcode::prefixed(Map::M0F3A, 0x05, 0x05).with(1);
const SWAP_SHORT: Opcode = Opcode::prefixed(Map::M0F3A, 0x04, 0x04).with(1);

/// `to = op(a, rm)` in all lanes.
fn wide(asm: &mut Assembler, op: Opcode, to: u8, a: u8, rm: Rm) {
    let pp = u8::from(asm.double || op.prefixed);
    encode(asm, op, pp, to, a, rm, 1);
}

/// `to = op(a, rm)`; of single numbers, in the first lane.
fn op(asm: &mut Assembler, op: Opcode, to: u8, a: u8, rm: Rm) {
    if !asm.scalar {
        return wide(asm, op, to, a, rm);
    }
    let one = match op.map {
        // The instructions on one lane stand two behind those on all.
        Map::M0F3A => Opcode { single: op.single + 2, double: op.double + 2, ..op },
        _ => op,
    };
    let pp = match (op.map, asm.double) {
        (Map::M0F3A, _) => 1,
        (_, true) => 3,
        (_, false) => 2,
    };
    // One lane is taken of the last operand, the others of the one before.
    encode(asm, one, pp, to, if op.unary { to } else { a }, rm, 0);
}

fn encode(asm: &mut Assembler, op: Opcode, pp: u8, reg: u8, v: u8, rm: Rm, length: u8) {
    let code = if asm.double { op.double } else { op.single };
    let (x, b) = Assembler::extension(rm);
    let inverted = |bit: u8, at: u8| (bit & 1 ^ 1) << at;
    asm.code.push(0xC4);
    asm.code.push(inverted(reg >> 3, 7) | inverted(x, 6) | inverted(b, 5) | op.map as u8);
    asm.code.push((!v & 15) << 3 | length << 2 | pp);
    asm.code.push(code);
    asm.operands(reg, rm, usize::from(op.immediate.is_some()));
    asm.code.extend(op.immediate);
}

/// A move of one lane: read, or written.
fn lane(asm: &mut Assembler, code: u8, reg: u8, mem: Mem) {
    let pp = if asm.double { 3 } else { 2 };
    encode(asm, Opcode::plain(code), pp, reg, 0, Rm::Wide(mem), 0);
}

/// The operand as an instruction can take it: numbers that stand once, and lanes that may be past the end, are loaded.
fn operand(asm: &mut Assembler, rm: Rm, partial: bool) -> Rm {
    let direct = match rm {
        Rm::Reg(_) | Rm::Pool(_) | Rm::Code(_) => true,
        Rm::Wide(_) => !partial,
        Rm::Each(_) => asm.scalar,
    };
    if !direct {
        Vex.load(asm, SECOND, rm, partial);
        return Rm::Reg(SECOND);
    }
    rm
}

impl Vectors for Vex {
    fn bytes(&self) -> usize {
        BYTES
    }

    fn pooled(&self, _: usize) -> usize {
        BYTES
    }

    fn begin(&self, asm: &mut Assembler) {
        debug_assert_eq!(asm.code.len(), LANES);
        asm.code.extend([0xFF; BYTES]);
        asm.code.extend([0; BYTES]);
    }

    fn registers(&self) -> usize {
        usize::from(LAST)
    }

    fn totals(&self) -> usize {
        2
    }

    fn scratch(&self) -> u8 {
        SCRATCH
    }

    fn load(&self, asm: &mut Assembler, to: u8, rm: Rm, partial: bool) {
        match rm {
            Rm::Reg(_) => wide(asm, MOVE, to, 0, rm),
            Rm::Wide(_) if partial => wide(asm, LOAD_WHERE, to, LAST, rm),
            Rm::Wide(_) | Rm::Code(_) => wide(asm, LOAD, to, 0, rm),
            // One number into the first lane; the others become 0.
            Rm::Each(mem) if asm.scalar => lane(asm, 0x10, to, mem),
            Rm::Each(_) => wide(asm, BROADCAST, to, 0, rm),
            Rm::Pool(_) => unreachable!("numbers of the pool are operands"),
        }
    }

    fn store(&self, asm: &mut Assembler, from: u8, mem: Mem, partial: bool) {
        if asm.scalar {
            lane(asm, 0x11, from, mem);
        } else if partial {
            wide(asm, STORE_WHERE, from, LAST, Rm::Wide(mem));
        } else {
            wide(asm, STORE, from, 0, Rm::Wide(mem));
        }
    }

    fn apply(&self, asm: &mut Assembler, code: Opcode, to: u8, a: u8, rm: Rm, partial: bool) {
        let rm = operand(asm, rm, partial);
        // Operations on bits have no form for one lane.
        if matches!(rm, Rm::Pool(_)) {
            wide(asm, code, to, a, rm);
        } else {
            op(asm, code, to, if code.unary { 0 } else { a }, rm);
        }
    }

    // The lanes of a total begin as +0 and are never −0: adding +0 leaves them as they are.
    fn accumulate(&self, asm: &mut Assembler, to: u8, rm: Rm, partial: bool) {
        let mut rm = operand(asm, rm, partial);
        if partial {
            wide(asm, AND, SECOND, LAST, rm);
            rm = Rm::Reg(SECOND);
        }
        wide(asm, ADD, to, to, rm);
    }

    fn guarded(&self, asm: &mut Assembler, to: u8, left: u8, right: u8) {
        let zero = Rm::Pool(POOL_ZERO);
        op(asm, COMPARE.with(UNEQUAL), CHOSEN, left, zero);
        op(asm, COMPARE.with(UNEQUAL), SECOND, right, zero);
        op(asm, MUL, to, left, Rm::Reg(right));
        wide(asm, AND, CHOSEN, CHOSEN, Rm::Reg(SECOND));
        wide(asm, AND, to, to, Rm::Reg(CHOSEN));
    }

    fn or_nan(&self, asm: &mut Assembler, to: u8, from: u8) {
        op(asm, COMPARE.with(UNORDERED), CHOSEN, from, Rm::Reg(from));
        wide(asm, BLEND, to, to, Rm::Reg(from));
    }

    fn compare(&self, asm: &mut Assembler, predicate: u8, left: u8, rm: Rm, partial: bool) {
        let rm = operand(asm, rm, partial);
        op(asm, COMPARE.with(predicate), CHOSEN, left, rm);
    }

    fn blend(&self, asm: &mut Assembler, to: u8, otherwise: u8, chosen: Rm, partial: bool) {
        // There is no form for one lane that could read a single number.
        let chosen = match chosen {
            Rm::Each(_) => {
                self.load(asm, SECOND, chosen, partial);
                Rm::Reg(SECOND)
            }
            other => operand(asm, other, partial),
        };
        wide(asm, BLEND, to, otherwise, chosen);
    }

    fn first_lanes(&self, asm: &mut Assembler, lanes: usize) {
        let at = LANES + BYTES - lanes * asm.size();
        wide(asm, LOAD, LAST, 0, Rm::Code(at));
    }

    fn zero(&self, asm: &mut Assembler, lanes: Mem) {
        wide(asm, XOR, SCRATCH, SCRATCH, Rm::Reg(SCRATCH));
        for part in 0..TOTAL / BYTES {
            let offset = lanes.offset + (part * BYTES) as i32;
            self.store(asm, SCRATCH, Mem { offset, ..lanes }, false);
        }
    }

    fn fold(&self, asm: &mut Assembler, lanes: Mem) {
        let upper = Mem { offset: lanes.offset + BYTES as i32, ..lanes };
        wide(asm, LOAD, SCRATCH, 0, Rm::Wide(lanes));
        wide(asm, ADD, SCRATCH, SCRATCH, Rm::Wide(upper));
        // Its operands stand the other way round.
        wide(asm, UPPER, SCRATCH, 0, Rm::Reg(SECOND));
        wide(asm, ADD, SCRATCH, SCRATCH, Rm::Reg(SECOND));
        let halves: &[Opcode] = if asm.double { &[SWAP_LONG] } else { &[SWAP_LONG, SWAP_SHORT] };
        for swap in halves {
            wide(asm, *swap, SECOND, 0, Rm::Reg(SCRATCH));
            wide(asm, ADD, SCRATCH, SCRATCH, Rm::Reg(SECOND));
        }
    }
}
