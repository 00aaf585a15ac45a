//! Machine code for x86-64: the few integer instructions of loops and calls, and operands in memory. The instructions on
//! vectors are in `evex` and `vex`.
//!
//! Source of the encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use super::vectors::Vectors;

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
    /// As many neighbours as there are lanes, at an offset of the code.
    Code(usize),
}

/// What the pool holds: the bits of an absolute value, the sign, zero.
pub const POOL_ABS: usize = 0;
pub const POOL_SIGN: usize = 1;
pub const POOL_ZERO: usize = 2;

/// Code under construction.
pub struct Assembler {
    /// The bytes.
    pub code: Vec<u8>,
    /// Whether numbers are f64.
    pub double: bool,
    /// Whether vectors have one lane in use: code for single numbers.
    pub scalar: bool,
    /// The instructions on vectors.
    pub vectors: &'static dyn Vectors,
}

impl Assembler {
    /// Empty but for the pool.
    pub fn new(double: bool, vectors: &'static dyn Vectors) -> Assembler {
        let mut asm = Assembler { code: vec![], double, scalar: false, vectors };
        for (long, short) in [(u64::MAX >> 1, u32::MAX >> 1), (1 << 63, 1 << 31), (0, 0)] {
            for _ in 0..vectors.pooled(asm.size()) / asm.size() {
                if double { asm.code.extend(long.to_le_bytes()) } else { asm.code.extend(short.to_le_bytes()) }
            }
        }
        vectors.begin(&mut asm);
        asm
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

    /// The bits of a number that say where the operand's registers beyond the eighth are: of the index, of the base.
    pub fn extension(rm: Rm) -> (u8, u8) {
        match rm {
            Rm::Reg(r) => (r >> 4 & 1, r >> 3 & 1),
            Rm::Wide(mem) | Rm::Each(mem) => (mem.index.unwrap_or(0) >> 3 & 1, mem.base >> 3 & 1),
            Rm::Pool(_) | Rm::Code(_) => (0, 0),
        }
    }

    /// A register and the last operand, `after` bytes before the end of the instruction.
    pub fn operands(&mut self, reg: u8, rm: Rm, after: usize) {
        let at = match rm {
            Rm::Reg(r) => return self.code.push(0xC0 | (reg & 7) << 3 | r & 7),
            Rm::Wide(mem) | Rm::Each(mem) => return self.modrm(reg, mem),
            Rm::Pool(k) => k * self.vectors.pooled(self.size()),
            Rm::Code(at) => at,
        };
        self.code.push((reg & 7) << 3 | 5);
        let next = (self.code.len() + 4 + after) as i32;
        self.code.extend((at as i32 - next).to_le_bytes());
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
