//! One stretch of memory for everything that a run needs, reused as lifetimes allow.

/// Hands out offsets; what was given back is used again, first fit.
#[derive(Debug, Default)]
pub struct Memory {
    /// Free stretches (offset, length), by offset, never adjacent.
    free: Vec<(usize, usize)>,
    size: usize,
    unit: usize,
}

impl Memory {
    /// Offsets are multiples of `unit`.
    pub fn new(unit: usize) -> Memory {
        Memory { free: vec![], size: 0, unit }
    }

    /// How much was ever in use.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The offset of a stretch of this length.
    pub fn take(&mut self, len: usize) -> usize {
        let len = self.rounded(len);
        if let Some(k) = self.free.iter().position(|(_, have)| *have >= len) {
            let (at, have) = self.free[k];
            if have == len {
                self.free.remove(k);
            } else {
                self.free[k] = (at + len, have - len);
            }
            return at;
        }
        // A free stretch at the end is extended.
        let at = match self.free.last() {
            Some(&(at, have)) if at + have == self.size => {
                self.free.pop();
                at
            }
            _ => self.size,
        };
        self.size = at + len;
        at
    }

    /// Gives a stretch back.
    pub fn give(&mut self, at: usize, len: usize) {
        let len = self.rounded(len);
        if len == 0 {
            return;
        }
        let k = self.free.partition_point(|(start, _)| *start < at);
        self.free.insert(k, (at, len));
        if k + 1 < self.free.len() && at + len == self.free[k + 1].0 {
            self.free[k].1 += self.free.remove(k + 1).1;
        }
        if k > 0 && self.free[k - 1].0 + self.free[k - 1].1 == at {
            self.free[k - 1].1 += self.free.remove(k).1;
        }
    }

    fn rounded(&self, len: usize) -> usize {
        len.next_multiple_of(self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_used_again_and_neighbours_join() {
        let mut memory = Memory::new(4);
        let (a, b, c) = (memory.take(4), memory.take(5), memory.take(4));
        assert_eq!((a, b, c), (0, 4, 12));
        memory.give(a, 4);
        memory.give(b, 5);
        assert_eq!(memory.take(12), 0);
        memory.give(c, 4);
        assert_eq!(memory.take(8), 12);
        assert_eq!(memory.size(), 20);
    }
}
