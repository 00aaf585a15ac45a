//! Finding equal things again: a hash of words, and a table of numbers whose keys stand elsewhere.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map whose keys are a few words that no adversary chooses: the standard hash costs more than what is looked up.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// A hash of words: each is mixed in by a rotation and one multiplication.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Mix(u64);

impl Mix {
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, x: u8) {
        self.word(x.into());
    }

    fn write_u32(&mut self, x: u32) {
        self.word(x.into());
    }

    fn write_u64(&mut self, x: u64) {
        self.word(x);
    }

    fn write_usize(&mut self, x: usize) {
        self.word(x as u64);
    }

    fn write_isize(&mut self, x: isize) {
        self.word(x as u64);
    }

    // A product is mixed best in its upper half, and tables look at the lower one.
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// The hash of a key for a [`Table`].
pub(crate) fn hash(key: &impl Hash) -> u32 {
    let mut mix = Mix::default();
    key.hash(&mut mix);
    mix.finish() as u32
}

/// Numbers by the hashes of what they stand for. The keys themselves stand where the numbers point to, so that nothing
/// is kept twice.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Hash and number + 1, at the first free place from the hash on; 0 is a free place. A power of two of them.
    slots: Vec<(u32, u32)>,
    count: usize,
}

impl Table {
    /// The number of this hash for which `same` says so.
    pub fn find(&self, hash: u32, mut same: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => return None,
                (other, number) if other == hash && same(number as usize - 1) => return Some(number as usize - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a number that was not found.
    pub fn insert(&mut self, hash: u32, number: usize) {
        if 2 * self.count >= self.slots.len() {
            let more = vec![(0, 0); (2 * self.slots.len()).max(16)];
            for slot in std::mem::replace(&mut self.slots, more) {
                if slot.1 != 0 {
                    self.put(slot);
                }
            }
        }
        self.count += 1;
        self.put((hash, u32::try_from(number + 1).expect("fewer than 2³² numbers")));
    }

    fn put(&mut self, slot: (u32, u32)) {
        let mask = self.slots.len() - 1;
        let mut at = slot.0 as usize & mask;
        while self.slots[at].1 != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_among_equal_hashes() {
        let keys: Vec<u64> = (0..1000).map(|k| k * k).collect();
        let mut table = Table::default();
        // Ten hashes for a thousand keys: most places are taken by others.
        let of = |key: u64| hash(&(key % 10));
        for (number, &key) in keys.iter().enumerate() {
            assert_eq!(table.find(of(key), |k| keys[k] == key), None);
            table.insert(of(key), number);
        }
        for (number, &key) in keys.iter().enumerate() {
            assert_eq!(table.find(of(key), |k| keys[k] == key), Some(number));
        }
    }
}
