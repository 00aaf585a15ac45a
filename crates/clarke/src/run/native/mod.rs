//! A plan's loops and single numbers as machine code, where the machine has AVX2 or AVX-512.
//!
//! Consecutive pieces of work become one function: single numbers as straight-line code, a loop as one pass over its
//! positions with all values in registers. Primitives that the emitter does not know are calls of their kernels, a tile
//! at a time, and so is the layout of spread operands; what lies between two calls is one pass over the tile.
//!
//! Nothing is decided anew here: places, tiles and the order of instructions are the plan's, and the results are those
//! of its interpretation bit for bit. So the plan without this is the slow twin, and what runs on other machines.

#[cfg(all(target_arch = "x86_64", unix))]
mod assembler;
#[cfg(all(target_arch = "x86_64", unix))]
mod body;
#[cfg(all(target_arch = "x86_64", unix))]
mod emitter;
#[cfg(all(target_arch = "x86_64", unix))]
mod evex;
#[cfg(all(target_arch = "x86_64", unix))]
mod values;
#[cfg(all(target_arch = "x86_64", unix))]
mod vectors;
#[cfg(all(target_arch = "x86_64", unix))]
mod vex;

use super::plan::Work;
use crate::program::lanes::Level;
use crate::program::real::Scalar;

/// Machine code that may be run.
pub struct Native {
    map: memmap2::Mmap,
}

/// A function: the workspace, and the table of addresses.
type Function = unsafe extern "C" fn(*mut u8, *const *mut u8);

impl Native {
    /// Runs the function that begins there.
    ///
    /// # Safety
    /// `entry` is one that [`compile`] gave for this code; memory and table are those of the plan that it was made from,
    /// as [`super::plan::Plan::execute`] asks.
    pub unsafe fn run<T>(&self, entry: usize, memory: *mut T, table: *const *mut T) {
        // SAFETY: the code at `entry` is a function of this type, as the caller vouches.
        unsafe {
            let function: Function = std::mem::transmute(self.map.as_ptr().add(entry));
            function(memory.cast(), table.cast());
        }
    }
}

/// What the code has to know of the plan.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a, T> {
    /// Where the addresses of the inputs stand in the table, after those of the outputs.
    pub inputs: usize,
    /// Where the address of the constants stands in the table.
    pub constants: usize,
    /// The numbers that the workspace begins with.
    pub numbers: &'a [T],
    /// How many numbers the workspace has.
    pub size: usize,
}

/// Replaces stretches of loops and single numbers by machine code with instructions of a level; None if there is none, or
/// the machine cannot.
#[cfg(all(target_arch = "x86_64", unix))]
pub fn compile<T: Scalar>(work: &mut Vec<Work<T>>, layout: Layout<'_, T>, level: Level) -> Option<Native> {
    use std::any::TypeId;
    let double = TypeId::of::<T>() == TypeId::of::<f64>();
    let known = double || TypeId::of::<T>() == TypeId::of::<f32>();
    // Offsets in instructions have 32 bits.
    if !known || layout.size * size_of::<T>() >= i32::MAX as usize {
        return None;
    }
    let vectors: &'static dyn vectors::Vectors = match level {
        _ if level.has_avx512() => &evex::Evex,
        _ if level.has_avx2() => &vex::Vex,
        _ => return None,
    };
    let mut emitter = emitter::Emitter::<T>::new(double, vectors, layout);
    let (mut out, mut stretch) = (vec![], vec![]);
    for piece in std::mem::take(work) {
        if let Work::Kernel { .. } = piece {
            emitter.finish(&mut stretch, &mut out);
            out.push(piece);
        } else {
            stretch.push(piece);
        }
    }
    emitter.finish(&mut stretch, &mut out);
    *work = out;
    let native = work.iter().any(|w| matches!(w, Work::Native { .. })).then(|| executable(&emitter.asm.code)).flatten();
    if native.is_none() {
        // A system that does not let new memory be run: back to the interpretation.
        let back = std::mem::take(work).into_iter();
        *work = back.flat_map(|w| if let Work::Native { of, .. } = w { of } else { vec![w] }).collect();
    }
    native
}

#[cfg(not(all(target_arch = "x86_64", unix)))]
pub fn compile<T: Scalar>(_: &mut Vec<Work<T>>, _: Layout<'_, T>, _: Level) -> Option<Native> {
    None
}

#[cfg(all(target_arch = "x86_64", unix))]
fn executable(code: &[u8]) -> Option<Native> {
    let mut map = memmap2::MmapMut::map_anon(code.len()).ok()?;
    map.copy_from_slice(code);
    Some(Native { map: map.make_exec().ok()? })
}
