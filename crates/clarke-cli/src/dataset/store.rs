//! Numbers that may be more than memory holds: beyond a limit they are in a temporary file, mapped into memory.

use crate::report::Exit;
use memmap2::Mmap;
use std::fs::File;
use std::io::{BufWriter, Write};

/// Numbers being collected.
pub struct Store {
    memory: Vec<f64>,
    file: Option<BufWriter<File>>,
    limit: usize,
}

/// Numbers in memory, or in a file.
pub enum Numbers {
    /// In memory.
    Memory(Vec<f64>),
    /// In a file from this byte on, which is a multiple of 8.
    Mapped(Mmap, usize),
}

impl AsRef<[f64]> for Numbers {
    fn as_ref(&self) -> &[f64] {
        match self {
            Numbers::Memory(numbers) => numbers,
            Numbers::Mapped(map, start) => bytemuck::cast_slice(&map[*start..]),
        }
    }
}

impl Numbers {
    /// Numbers of a file from a byte on, which stay in the file; None where they cannot be mapped, as on a pipe.
    pub fn map(file: &File, start: usize, count: usize) -> Option<Numbers> {
        // SAFETY: the map is only read. Another process that changes the file meanwhile changes what is read, as for every
        // reader of a file.
        let map = unsafe { Mmap::map(file) }.ok()?;
        let end = count.checked_mul(8)?.checked_add(start)?;
        (start.is_multiple_of(8) && map.len() == end).then_some(Numbers::Mapped(map, start))
    }

    /// Whether they are in a file.
    pub fn are_mapped(&self) -> bool {
        matches!(self, Numbers::Mapped(..))
    }
}

impl Store {
    /// Up to `limit` numbers are held in memory.
    pub fn new(limit: usize) -> Store {
        Store { memory: vec![], file: None, limit }
    }

    /// Appends numbers. Errors: the temporary file cannot be written.
    pub fn extend(&mut self, numbers: &[f64]) -> Result<(), Exit> {
        self.memory.extend_from_slice(numbers);
        // What is in memory goes to the file in pieces of this size, in the end everything.
        if self.memory.len() > self.limit {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), Exit> {
        let mut write = || {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(BufWriter::new(tempfile::tempfile()?)),
            };
            file.write_all(bytemuck::cast_slice(&self.memory))
        };
        write().map_err(failed)?;
        self.memory.clear();
        self.limit = self.limit.min(1 << 20);
        self.memory.shrink_to(self.limit);
        Ok(())
    }

    /// All of them.
    pub fn finish(mut self) -> Result<Numbers, Exit> {
        if self.file.is_none() {
            return Ok(Numbers::Memory(self.memory));
        }
        self.spill()?;
        let file = self.file.take().expect("it was just seen");
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        let length = file.metadata().map_err(failed)?.len() as usize;
        Numbers::map(&file, 0, length / 8).ok_or_else(|| failed("it cannot be mapped into memory"))
    }
}

fn failed(why: impl std::fmt::Display) -> Exit {
    let folder = std::env::temp_dir();
    Exit::failed(format!("data larger than --memory go to a temporary file in {}: {why}", folder.display()))
        .hint("TMPDIR=… names another folder, --memory allows more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_in_memory_and_in_a_file() {
        let all: Vec<f64> = (0..10_000).map(|k| (k as f64).sin()).collect();
        for limit in [0, 1, 100, 9_999, 10_000, 1 << 30] {
            let mut store = Store::new(limit);
            all.chunks(7).for_each(|part| store.extend(part).unwrap());
            let numbers = store.finish().unwrap();
            assert_eq!(numbers.are_mapped(), limit < 10_000);
            assert_eq!(numbers.as_ref(), all);
        }
        assert!(Store::new(0).finish().unwrap().as_ref().is_empty());
    }
}
