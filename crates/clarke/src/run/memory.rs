//! One stretch of memory for everything that a run needs, reused as lifetimes allow.
//!
//! Offsets are handed out first fit, which leaves holes where lengths are mixed. Where it left many, all lifetimes are
//! known by then: [`Memory::arranged`] finds offsets for the largest stretches first, and the plan is made again with them.

use crate::program::table::Map;

/// More stretches are not arranged: it takes time with their square, and single numbers leave no holes.
const MANY: usize = 1 << 11;

/// Hands out offsets; what was given back is used again.
#[derive(Debug, Default)]
pub struct Memory {
    /// Free stretches (offset, length), by offset, never adjacent.
    free: Vec<(usize, usize)>,
    size: usize,
    unit: usize,
    /// How much is in use now, and was at most.
    live: usize,
    most: usize,
    /// All that was ever handed out, in order, and which of it is still in use, by offset.
    all: Vec<Stretch>,
    used: Map<usize, usize>,
    now: usize,
    /// Offsets that were found before, in the order in which they are asked for.
    found: Option<Vec<usize>>,
}

/// What was handed out: its length, and from when until when it was in use.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    len: usize,
    from: usize,
    until: usize,
}

impl Stretch {
    fn meets(self, other: Stretch) -> bool {
        self.from < other.until && other.from < self.until
    }
}

impl Memory {
    /// Offsets are multiples of `unit`.
    pub fn new(unit: usize) -> Memory {
        Memory { unit, ..Memory::default() }
    }

    /// How much was ever in use.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Memory for the same stretches in the same order that needs less of it, if there were holes and this finds better
    /// offsets: for one stretch after another, from the largest to the smallest, the lowest one that is free all the
    /// time. The first stretch keeps the offset 0.
    pub fn arranged(&self) -> Option<Memory> {
        if self.all.len() > MANY || self.size <= self.most + self.most / 16 {
            return None;
        }
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        // The first one stays where it is: single numbers are known by their offsets.
        order.sort_by_key(|&k| (k > 0, std::cmp::Reverse(self.all[k].len), k));
        let mut found = vec![0; self.all.len()];
        // What has an offset already, by offset.
        let mut placed: Vec<usize> = vec![];
        let mut size = 0;
        for k in order {
            let own = self.all[k];
            let mut at = 0;
            for &other in placed.iter().filter(|&&other| own.meets(self.all[other])) {
                if at + own.len <= found[other] {
                    break;
                }
                at = at.max(found[other] + self.all[other].len);
            }
            found[k] = at;
            size = size.max(at + own.len);
            placed.insert(placed.partition_point(|&other| found[other] <= at), k);
        }
        (size < self.size).then(|| Memory { found: Some(found), ..Memory::new(self.unit) })
    }

    /// The offset of a stretch of this length.
    pub fn take(&mut self, len: usize) -> usize {
        let len = self.rounded(len);
        let at = match &self.found {
            Some(found) => found[self.all.len()],
            None => self.first_fit(len),
        };
        self.size = self.size.max(at + len);
        self.live += len;
        self.most = self.most.max(self.live);
        if len > 0 {
            self.used.insert(at, self.all.len());
        }
        self.all.push(Stretch { len, from: self.now, until: usize::MAX });
        self.now += 1;
        at
    }

    fn first_fit(&mut self, len: usize) -> usize {
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
        match self.free.last() {
            Some(&(at, have)) if at + have == self.size => {
                self.free.pop();
                at
            }
            _ => self.size,
        }
    }

    /// Gives a stretch back.
    pub fn give(&mut self, at: usize, len: usize) {
        let len = self.rounded(len);
        if len == 0 {
            return;
        }
        self.live -= len;
        if let Some(k) = self.used.remove(&at) {
            self.all[k].until = self.now;
        }
        if self.found.is_some() {
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
    /// Long and short ones in turn, of which the long ones go: first fit puts short ones where long ones were, and the next,
    /// longer ones find no room.
    #[test]
    fn holes_are_closed_once_all_lifetimes_are_known() {
        fn run(memory: &mut Memory) -> Vec<(usize, usize, usize, usize)> {
            let mut used = vec![];
            let mut taken = vec![];
            for k in 0..20 {
                let (long, short) = (memory.take(4 + k), memory.take(1));
                taken.push((short, 1));
                used.push((long, 4 + k, 4 * k, 4 * k + 2));
                used.push((short, 1, 4 * k + 1, 200));
                memory.give(long, 4 + k);
            }
            taken.iter().for_each(|(at, len)| memory.give(*at, *len));
            used
        }
        let mut first = Memory::new(1);
        run(&mut first);
        let mut better = first.arranged().expect("there are holes");
        let used = run(&mut better);
        assert_eq!(first.most, better.most);
        assert!(first.size > better.size && better.size <= better.most * 13 / 10, "{} {}", first.size, better.size);
        for (i, a) in used.iter().enumerate() {
            for b in &used[..i] {
                let apart = a.0 + a.1 <= b.0 || b.0 + b.1 <= a.0;
                assert!(apart || a.2 >= b.3 || b.2 >= a.3, "{a:?} {b:?}");
            }
        }
    }
}
