//! Machine code for x86-64 with AVX-512, as far as programs need it: vector arithmetic in EVEX encoding, and the few
//! integer instructions of loops and calls.
//!
//! Source of the encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

/// A general register, by its number.
pub type Gpr = u8;
/// Scratch; holds addresses that are called.
pub const RAX: Gpr = 0;
pub const RCX: Gpr = 1;
/// The position in a loop, in elements.
pub const RDX: Gpr = 2;
pub const RBX: Gpr = 3;
pub const RSP: Gpr = 4;
pub const RBP: Gpr = 5;
pub const RSI: Gpr = 6;
pub const RDI: Gpr = 7;
pub const R8: Gpr = 8;
pub const R9: Gpr = 9;
pub const R10: Gpr = 10;
pub const R11: Gpr = 11;
pub const R12: Gpr = 12;
pub const R13: Gpr = 13;
pub const R14: Gpr = 14;
pub const R15: Gpr = 15;

/// Where numbers are in memory: `base + index·size + offset`, the offset in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mem {
    pub base: Gpr,
    pub index: Option<Gpr>,
    pub offset: i32,
}

/// The last operand of a vector instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rm {
    /// A vector register.
    Reg(u8),
    /// As many neighbours as there are lanes.
    Wide(Mem),
    /// One number for all lanes.
    Each(Mem),
    /// One number for all lanes, of the pool at the beginning of the code.
    Pool(usize),
}

/// Which lanes an instruction computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// The mask register; 0 is all lanes.
    pub k: u8,
    /// Whether the other lanes become 0; else they stay.
    pub zero: bool,
}

/// All lanes.
pub const ALL: Mask = Mask { k: 0, zero: false };

/// The map of opcodes that an instruction is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    M0F = 1,
    M0F38 = 2,
    M0F3A = 3,
}

/// A vector instruction, without its operands and without what the precision says.
#[derive(Debug, Clone, Copy)]
pub struct Opcode {
    map: Map,
    single: u8,
    double: u8,
    /// Whether the prefix 66 stands before the single precision too.
    prefixed: bool,
}

const fn plain(code: u8) -> Opcode {
    Opcode { map: Map::M0F, single: code, double: code, prefixed: false }
}

const fn prefixed(map: Map, single: u8, double: u8) -> Opcode {
    Opcode { map, single, double, prefixed: true }
}

pub const ADD: Opcode = plain(0x58);
pub const MUL: Opcode = plain(0x59);
pub const SUB: Opcode = plain(0x5C);
pub const MIN: Opcode = plain(0x5D);
pub const DIV: Opcode = plain(0x5E);
pub const MAX: Opcode = plain(0x5F);
pub const SQRT: Opcode = plain(0x51);
pub const AND: Opcode = plain(0x54);
pub const XOR: Opcode = plain(0x57);
/// A mask register from a comparison.
pub const COMPARE: Opcode = plain(0xC2);
/// The last operand where the mask is set, the one before elsewhere.
pub const BLEND: Opcode = prefixed(Map::M0F38, 0x65, 0x65);
/// Rounding to integers.
pub const ROUND: Opcode = prefixed(Map::M0F3A, 0x08, 0x09);
/// The lanes of two registers one after another, from the one that the immediate byte says on.
pub const ALIGN: Opcode = prefixed(Map::M0F3A, 0x03, 0x03);
const LOAD: Opcode = plain(0x10);
const STORE: Opcode = plain(0x11);
const BROADCAST: Opcode = prefixed(Map::M0F38, 0x18, 0x19);
const MOVE: Opcode = plain(0x28);

/// What the pool holds: the bits of an absolute value, the sign, zero.
pub const POOL_ABS: usize = 0;
pub const POOL_SIGN: usize = 1;
pub const POOL_ZERO: usize = 2;

/// Code under construction.
#[derive(Debug)]
pub struct Assembler {
    /// The bytes.
    pub code: Vec<u8>,
    /// Whether numbers are f64.
    pub double: bool,
    /// Whether vectors have one lane in use: code for single numbers.
    pub scalar: bool,
}

impl Assembler {
    /// Empty but for the pool.
    pub fn new(double: bool) -> Assembler {
        let mut code = vec![];
        if double {
            code.extend((u64::MAX >> 1).to_le_bytes());
            code.extend((1u64 << 63).to_le_bytes());
            code.extend(0u64.to_le_bytes());
        } else {
            code.extend((u32::MAX >> 1).to_le_bytes());
            code.extend((1u32 << 31).to_le_bytes());
            code.extend(0u32.to_le_bytes());
        }
        Assembler { code, double, scalar: false }
    }

    /// Bytes of a number.
    pub fn size(&self) -> usize {
        if self.double { 8 } else { 4 }
    }

    /// The next place for a function.
    pub fn align(&mut self) -> usize {
        while !self.code.len().is_multiple_of(32) {
            self.code.push(0xCC);
        }
        self.code.len()
    }

    /// `to = op(a, rm)`, with an immediate byte where the instruction has one.
    pub fn op(&mut self, op: Opcode, to: u8, a: u8, rm: Rm, mask: Mask, immediate: Option<u8>) {
        let pp = if self.double || op.prefixed { 1 } else { 0 };
        let code = if self.double { op.double } else { op.single };
        let length = if self.scalar { 0 } else { 2 };
        self.evex((op.map, pp, code, length), to, a, rm, mask, usize::from(immediate.is_some()));
        self.code.extend(immediate);
    }

    /// `to` = the numbers of `rm`.
    pub fn load(&mut self, to: u8, rm: Rm, mask: Mask) {
        match rm {
            Rm::Reg(from) => self.op(MOVE, to, 0, Rm::Reg(from), mask, None),
            Rm::Wide(_) => self.op(LOAD, to, 0, rm, mask, None),
            // One number into the first lane; the others become 0.
            Rm::Each(mem) if self.scalar => self.lane(0x10, to, mem),
            Rm::Each(mem) => self.op(BROADCAST, to, 0, Rm::Wide(mem), mask, None),
            Rm::Pool(_) => unreachable!("numbers of the pool are operands"),
        }
    }

    /// Writes the lanes of a register; of single numbers the first.
    pub fn store(&mut self, from: u8, mem: Mem, mask: Mask) {
        if self.scalar {
            self.lane(0x11, from, mem);
        } else {
            self.op(STORE, from, 0, Rm::Wide(mem), mask, None);
        }
    }

    /// A move of one lane.
    fn lane(&mut self, code: u8, reg: u8, mem: Mem) {
        let pp = if self.double { 3 } else { 2 };
        self.evex((Map::M0F, pp, code, 0), reg, 0, Rm::Wide(mem), ALL, 0);
    }

    /// The instruction without what follows its operands, `after` bytes.
    fn evex(&mut self, (map, pp, code, length): (Map, u8, u8, u8), reg: u8, v: u8, rm: Rm, mask: Mask, after: usize) {
        let (x, b) = match rm {
            Rm::Reg(r) => (r >> 4 & 1, r >> 3 & 1),
            Rm::Wide(mem) | Rm::Each(mem) => (mem.index.unwrap_or(0) >> 3 & 1, mem.base >> 3 & 1),
            Rm::Pool(_) => (0, 0),
        };
        let each = u8::from(matches!(rm, Rm::Each(_) | Rm::Pool(_)));
        let inverted = |bit: u8, at: u8| (bit & 1 ^ 1) << at;
        self.code.push(0x62);
        self.code.push(inverted(reg >> 3, 7) | inverted(x, 6) | inverted(b, 5) | inverted(reg >> 4, 4) | map as u8);
        self.code.push(u8::from(self.double) << 7 | (!v & 15) << 3 | 1 << 2 | pp);
        self.code.push(u8::from(mask.zero) << 7 | length << 5 | each << 4 | inverted(v >> 4, 3) | mask.k);
        self.code.push(code);
        match rm {
            Rm::Reg(r) => self.code.push(0xC0 | (reg & 7) << 3 | r & 7),
            Rm::Wide(mem) | Rm::Each(mem) => self.modrm(reg, mem),
            Rm::Pool(k) => {
                self.code.push((reg & 7) << 3 | 5);
                let next = (self.code.len() + 4 + after) as i32;
                self.code.extend(((k * self.size()) as i32 - next).to_le_bytes());
            }
        }
    }

    /// Register and memory operand, always with an index byte and four bytes of offset.
    fn modrm(&mut self, reg: u8, mem: Mem) {
        let scale = if self.double { 3 } else { 2 };
        self.code.push(0x80 | (reg & 7) << 3 | 4);
        self.code.push(scale << 6 | (mem.index.unwrap_or(RSP) & 7) << 3 | mem.base & 7);
        self.code.extend(mem.offset.to_le_bytes());
    }

    fn rex(&mut self, reg: Gpr, index: Gpr, base: Gpr) {
        self.code.push(0x48 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3);
    }

    /// `to` = the address kept in memory there.
    pub fn pointer(&mut self, to: Gpr, mem: Mem) {
        self.rex(to, mem.index.unwrap_or(0), mem.base);
        self.code.push(0x8B);
        self.modrm(to, mem);
    }

    /// `to` = the address of the place.
    pub fn address(&mut self, to: Gpr, mem: Mem) {
        self.rex(to, mem.index.unwrap_or(0), mem.base);
        self.code.push(0x8D);
        self.modrm(to, mem);
    }

    /// `to = from`.
    pub fn copy(&mut self, to: Gpr, from: Gpr) {
        self.rex(from, 0, to);
        self.code.extend([0x89, 0xC0 | (from & 7) << 3 | to & 7]);
    }

    /// `to` = a number.
    pub fn constant(&mut self, to: Gpr, value: u64) {
        if let Ok(small) = u32::try_from(value) {
            if to >= 8 {
                self.code.push(0x41);
            }
            self.code.push(0xB8 | to & 7);
            self.code.extend(small.to_le_bytes());
        } else {
            self.rex(0, 0, to);
            self.code.push(0xB8 | to & 7);
            self.code.extend(value.to_le_bytes());
        }
    }

    /// `to += value`.
    pub fn add(&mut self, to: Gpr, value: i32) {
        self.rex(0, 0, to);
        self.code.extend([0x81, 0xC0 | to & 7]);
        self.code.extend(value.to_le_bytes());
    }

    /// Goes back to `target` if register < end, without signs.
    pub fn loop_below(&mut self, register: Gpr, end: Gpr, target: usize) {
        self.rex(end, 0, register);
        self.code.extend([0x39, 0xC0 | (end & 7) << 3 | register & 7, 0x0F, 0x82]);
        let next = self.code.len() as i64 + 4;
        self.code.extend(((target as i64 - next) as i32).to_le_bytes());
    }

    /// Sets the first `lanes` bits of mask register k.
    pub fn first_lanes(&mut self, k: u8, lanes: usize) {
        self.constant(RAX, (1 << lanes) - 1);
        // kmovw k, eax
        self.code.extend([0xC5, 0xF8, 0x92, 0xC0 | k << 3]);
    }

    /// Calls a function at an absolute address.
    pub fn call(&mut self, address: u64) {
        self.constant(RAX, address);
        self.code.extend([0xFF, 0xD0]);
    }

    pub fn push(&mut self, register: Gpr) {
        if register >= 8 {
            self.code.push(0x41);
        }
        self.code.push(0x50 | register & 7);
    }

    pub fn pop(&mut self, register: Gpr) {
        if register >= 8 {
            self.code.push(0x41);
        }
        self.code.push(0x58 | register & 7);
    }

    /// Makes room on the stack, from an address that is a multiple of 64 on; returns where to write how much room.
    pub fn frame(&mut self) -> usize {
        self.code.extend([0x48, 0x83, 0xE4, 0xC0, 0x48, 0x81, 0xEC, 0, 0, 0, 0]);
        self.code.len() - 4
    }

    /// Writes four bytes that were not known before.
    pub fn patch(&mut self, at: usize, value: i32) {
        self.code[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// The end of a function. Registers of vectors are left clean for code in the older encoding.
    pub fn ret(&mut self) {
        // vzeroupper, ret
        self.code.extend([0xC5, 0xF8, 0x77, 0xC3]);
    }
}
