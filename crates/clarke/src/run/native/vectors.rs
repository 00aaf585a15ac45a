//! Instructions on vector registers, as far as programs need them: what an instruction set has to say of itself.

use super::assembler::{Assembler, Mem, Rm};

/// The map of opcodes that an instruction is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    M0F = 1,
    M0F38 = 2,
    M0F3A = 3,
}

/// A vector instruction, without its operands and without what the precision says.
#[derive(Debug, Clone, Copy)]
pub struct Opcode {
    pub map: Map,
    pub single: u8,
    pub double: u8,
    /// Whether the prefix 66 stands before the single precision too.
    pub prefixed: bool,
    /// The byte that says what is rounded to, or compared how.
    pub immediate: Option<u8>,
    /// Whether there is no operand before the last one.
    pub unary: bool,
}

impl Opcode {
    /// One that both precisions share, in the first map.
    pub const fn plain(code: u8) -> Opcode {
        Opcode { map: Map::M0F, single: code, double: code, prefixed: false, immediate: None, unary: false }
    }

    /// One with the prefix 66, and its codes in both precisions.
    pub const fn prefixed(map: Map, single: u8, double: u8) -> Opcode {
        Opcode { map, single, double, prefixed: true, immediate: None, unary: false }
    }

    /// With this byte at its end.
    pub const fn with(self, byte: u8) -> Opcode {
        Opcode { immediate: Some(byte), ..self }
    }

    const fn of_one(self) -> Opcode {
        Opcode { unary: true, ..self }
    }
}

pub const ADD: Opcode = Opcode::plain(0x58);
pub const MUL: Opcode = Opcode::plain(0x59);
pub const SUB: Opcode = Opcode::plain(0x5C);
pub const MIN: Opcode = Opcode::plain(0x5D);
pub const DIV: Opcode = Opcode::plain(0x5E);
pub const MAX: Opcode = Opcode::plain(0x5F);
pub const SQRT: Opcode = Opcode::plain(0x51).of_one();
pub const AND: Opcode = Opcode::plain(0x54);
pub const XOR: Opcode = Opcode::plain(0x57);
/// What a comparison writes, it says with a byte.
pub const COMPARE: Opcode = Opcode::plain(0xC2);
/// Rounding to integers, down or to the nearest.
pub const FLOOR: Opcode = Opcode::prefixed(Map::M0F3A, 0x08, 0x09).of_one().with(9);
pub const ROUND: Opcode = Opcode::prefixed(Map::M0F3A, 0x08, 0x09).of_one().with(8);

/// Predicates of comparisons: whether a lane is unequal, and whether one of the two is NaN.
pub const UNEQUAL: u8 = 4;
pub const UNORDERED: u8 = 3;

/// How many bytes the lanes of a total have, in any set: what is added up when is the same on all machines.
pub const TOTAL: usize = 64;

/// An instruction set. Registers are those that [`Vectors::registers`] counts, or the scratch register.
///
/// Where `partial` is set the lanes beyond those of [`Vectors::first_lanes`] are neither read nor written in memory; in
/// registers they hold anything.
pub trait Vectors: Sync {
    /// How many bytes a vector has.
    fn bytes(&self) -> usize;

    /// How many bytes a number of the pool takes, which has so many itself: more where it must be repeated.
    fn pooled(&self, size: usize) -> usize;

    /// What stands before all functions, after the pool.
    fn begin(&self, asm: &mut Assembler);

    /// How many registers hold values and totals, from the first on.
    fn registers(&self) -> usize;

    /// How many totals may have their lanes in registers.
    fn totals(&self) -> usize;

    /// The register for operands that are in memory.
    fn scratch(&self) -> u8;

    /// `to` = the numbers of `rm`.
    fn load(&self, asm: &mut Assembler, to: u8, rm: Rm, partial: bool);

    /// Writes the lanes of a register; of single numbers the first.
    fn store(&self, asm: &mut Assembler, from: u8, mem: Mem, partial: bool);

    /// `to = op(a, rm)`, or `to = op(rm)`.
    fn apply(&self, asm: &mut Assembler, op: Opcode, to: u8, a: u8, rm: Rm, partial: bool);

    /// `to += rm` in the lanes that are in use; the others stay.
    fn accumulate(&self, asm: &mut Assembler, to: u8, rm: Rm, partial: bool);

    /// `to` = the product in the lanes where neither factor is 0, and 0 in the others; `right` may be `to`.
    fn guarded(&self, asm: &mut Assembler, to: u8, left: u8, right: u8);

    /// `to = from` where that is NaN.
    fn or_nan(&self, asm: &mut Assembler, to: u8, from: u8);

    /// Compares, for the next [`Vectors::blend`].
    fn compare(&self, asm: &mut Assembler, predicate: u8, left: u8, rm: Rm, partial: bool);

    /// `to = chosen` where the comparison held, and `otherwise` elsewhere.
    fn blend(&self, asm: &mut Assembler, to: u8, otherwise: u8, chosen: Rm, partial: bool);

    /// Says which lanes are in use where an instruction is partial.
    fn first_lanes(&self, asm: &mut Assembler, lanes: usize);

    /// Clears the lanes of a total.
    fn zero(&self, asm: &mut Assembler, lanes: Mem);

    /// Adds the lanes of a total up, the upper half to the lower one until one is left, the first of the scratch register.
    fn fold(&self, asm: &mut Assembler, lanes: Mem);
}
