//! Sorting by integers that stand in the order of the numbers: [`Scalar::key`].
//!
//! Integers are compared in one instruction, without a thought of NaN, and hold a position beside the number: entry and
//! position move together, where sorting positions would look up an entry for every comparison.

use super::order::compare;
use crate::program::lanes::{Job, Lanes, Level};
use crate::program::real::Scalar;

/// Of a packed integer this many bits are the position, so that there are at most 2²⁴ of them; the others are the upper
/// bits of the key.
const PLACES: u32 = 24;
/// From this length on, digits are counted; below, their tables would cost more than comparisons.
const COUNTED: usize = 3000;
/// Four digits of ten bits are the 40 bits of a key that are packed.
const DIGIT: u32 = 10;
const DIGITS: usize = 4;

/// How much scratch space [`rank`] needs for n entries.
pub fn scratch_of_rank<T>(n: usize) -> usize {
    scratch(2 * n, size_of::<T>())
}

/// How much scratch space [`sort`] needs for n entries.
pub fn scratch_of_sort<T>(n: usize) -> usize {
    scratch(n, size_of::<T>())
}

/// `words` integers and the one that alignment may cost.
fn scratch(words: usize, size: usize) -> usize {
    ((words + 1) * size_of::<u64>()).div_ceil(size)
}

/// Sorts numbers in ascending order, NaN last.
pub fn sort<T: Scalar>(row: &mut [T], scratch: &mut [T]) {
    let Some(words) = T::words(scratch) else {
        return row.sort_unstable_by(compare);
    };
    let keys = &mut words[..row.len()];
    keys.iter_mut().zip(row.iter()).for_each(|(key, x)| *key = x.key());
    keys.sort_unstable();
    row.iter_mut().zip(keys.iter()).for_each(|(x, key)| *x = T::of_key(*key));
}

/// Sorts the positions `0..u.len()`, of which there are at most 2²⁴, by the entries of u, NaN last; equal entries stay in
/// order. They are kept as numbers.
pub fn rank<T: Scalar>(u: &[T], positions: &mut [T], scratch: &mut [T]) {
    let number = |k: usize| T::of(k as f64);
    let Some(words) = T::words(scratch) else {
        positions.iter_mut().enumerate().for_each(|(k, p)| *p = number(k));
        return positions.sort_unstable_by(|a, b| {
            let (i, j) = (a.to_f64() as usize, b.to_f64() as usize);
            compare(&u[i], &u[j]).then(i.cmp(&j))
        });
    };
    let packed = packed_order(u, words);
    positions.iter_mut().zip(packed.iter()).for_each(|(p, word)| *p = number(place(*word)));
}

/// What stands at each position in ascending order, as integers that hold its place: see [`place`]. Equal entries have
/// integers that differ in their places alone, though those of others may too.
pub fn packed_order<'w, T: Scalar>(u: &[T], words: &'w mut [u64]) -> &'w [u64] {
    let (packed, spare) = words[..2 * u.len()].split_at_mut(u.len());
    // 0 and −0 are equal, and must have one key.
    let key = |x: T| if x == T::of(0.0) { T::of(0.0).key() } else { x.key() };
    for (k, (word, x)) in packed.iter_mut().zip(u).enumerate() {
        *word = key(*x) >> PLACES << PLACES | k as u64;
    }
    if u.len() < COUNTED {
        packed.sort_unstable();
    } else {
        sort_by_digits(packed, spare);
    }
    // Numbers that differ in the bits that were left out are still in the order of their positions.
    for run in packed.chunk_by_mut(|a, b| a >> PLACES == b >> PLACES).filter(|run| run.len() > 1) {
        let whole = |word: &u64| (key(u[place(*word)]), *word);
        if !run.is_sorted_by_key(whole) {
            run.sort_unstable_by_key(whole);
        }
    }
    packed
}

/// The place in the row of what a packed integer stands for.
#[inline(always)]
pub fn place(word: u64) -> usize {
    (word & ((1 << PLACES) - 1)) as usize
}

/// Whether two packed integers stand for equal entries of u.
#[inline(always)]
pub fn equal<T: Scalar>(u: &[T], a: u64, b: u64) -> bool {
    a >> PLACES == b >> PLACES && u[place(a)] == u[place(b)]
}

/// Sorts packed integers by their keys from the last digit to the first; equal keys stay in order.
fn sort_by_digits<'a>(mut from: &'a mut [u64], mut to: &'a mut [u64]) {
    let digit = |word: u64, k: usize| (word >> (PLACES + DIGIT * k as u32)) as usize % (1 << DIGIT);
    let mut counts = [[0u32; 1 << DIGIT]; DIGITS];
    for word in from.iter() {
        for (k, counts) in counts.iter_mut().enumerate() {
            counts[digit(*word, k)] += 1;
        }
    }
    let mut moved = false;
    for (k, counts) in counts.iter_mut().enumerate() {
        // A digit that all have in common sorts nothing.
        if counts[digit(from[0], k)] as usize == from.len() {
            continue;
        }
        let mut next = 0;
        for count in counts.iter_mut() {
            next += std::mem::replace(count, next);
        }
        for word in from.iter() {
            let at = &mut counts[digit(*word, k)];
            to[*at as usize] = *word;
            *at += 1;
        }
        std::mem::swap(&mut from, &mut to);
        moved = !moved;
    }
    if moved {
        to.copy_from_slice(from);
    }
}

/// The entry that stands at position k of x in ascending order; x holds no NaN. `scratch` is what [`sort`] needs.
///
/// Cost: linear; two passes over x, and a selection among those that fall into one of 4096 parts of its range.
pub fn nth<T: Scalar>(x: &[T], k: usize, scratch: &mut [T]) -> Option<T> {
    let keys = &mut T::words(scratch)?[..x.len()];
    let found = if x.len() < MANY { None } else { nth_between(x, k, keys) };
    Some(T::of_key(found.unwrap_or_else(|| nth_of_parts(x, k, keys))))
}

/// From this length on a sample says where the entry is looked for.
const MANY: usize = 1 << 14;

/// The key at position k, if it lies between two entries that a sample says to be a little below and above it: what lies
/// between them is all that is kept (Floyd, Rivest 1975).
fn nth_between<T: Scalar>(x: &[T], k: usize, keys: &mut [u64]) -> Option<u64> {
    const SAMPLE: usize = 1 << 10;
    /// Six deviations of the rank of an entry in the sample, at most.
    const MARGIN: usize = 96;
    let step = x.len() / SAMPLE;
    let sample = &mut keys[..SAMPLE];
    for (i, key) in sample.iter_mut().enumerate() {
        // Not every step-th: data may have a period.
        let within = (i.wrapping_mul(0x9E37_79B9) >> 7) % step;
        *key = x[i * step + within].key();
    }
    sample.sort_unstable();
    let at = k * SAMPLE / x.len();
    let low = if at < MARGIN { 0 } else { sample[at - MARGIN] };
    let high = if at + MARGIN < SAMPLE { sample[at + MARGIN] } else { u64::MAX };
    let (mut below, mut kept) = (0, 0);
    T::with_lanes(Level::of_this_machine(), Between { x, range: (low, high), keys, found: (&mut below, &mut kept) });
    let k = k.checked_sub(below).filter(|k| *k < kept)?;
    Some(*keys[..kept].select_nth_unstable(k).1)
}

/// The keys within a range, one after another, and how many are below it.
struct Between<'a, T> {
    x: &'a [T],
    range: (u64, u64),
    keys: &'a mut [u64],
    /// How many are below, and how many are kept.
    found: (&'a mut usize, &'a mut usize),
}

impl<T: Scalar> Job<T> for Between<'_, T> {
    #[inline(always)]
    fn run<V: Lanes<T>>(self) {
        const BLOCK: usize = 256;
        let Between { x, range: (low, high), keys, found } = self;
        let (mut below, mut kept) = (0u64, 0);
        let mut own = [0; BLOCK];
        for x in x.chunks(BLOCK) {
            let own = &mut own[..x.len()];
            own.iter_mut().zip(x).for_each(|(key, x)| *key = x.key());
            for key in &*own {
                below += u64::from(*key < low);
            }
            for key in &*own {
                keys[kept] = *key;
                kept += usize::from(*key >= low && *key <= high);
            }
        }
        (*found.0, *found.1) = (below as usize, kept);
    }
}

/// The key at position k, found by counting into parts of the range.
fn nth_of_parts<T: Scalar>(x: &[T], k: usize, keys: &mut [u64]) -> u64 {
    const PARTS: u32 = 12;
    let (mut low, mut high) = (u64::MAX, 0);
    for (key, x) in keys.iter_mut().zip(x) {
        *key = x.key();
        (low, high) = (low.min(*key), high.max(*key));
    }
    let shift = (u64::BITS - (high - low).leading_zeros()).saturating_sub(PARTS);
    let part_of = |key: u64| ((key - low) >> shift) as usize;
    let mut counts = [0u32; 1 << PARTS];
    keys.iter().for_each(|key| counts[part_of(*key)] += 1);
    let (mut part, mut before) = (0, 0);
    while before + counts[part] as usize <= k {
        before += counts[part] as usize;
        part += 1;
    }
    let mut kept = 0;
    for i in 0..keys.len() {
        let key = keys[i];
        keys[kept] = key;
        kept += usize::from(part_of(key) == part);
    }
    *keys[..kept].select_nth_unstable(k - before).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Many equal numbers, numbers that differ in their last bits only, and all special ones.
    fn number() -> impl Strategy<Value = f64> {
        let special = [0.0, -0.0, 1.0, -1.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, -5e-324];
        prop_oneof![
            proptest::sample::select(special.to_vec()),
            (0u64..40).prop_map(|k| f64::from_bits(1.5f64.to_bits() + k)),
            (-3i32..3).prop_map(f64::from),
            any::<f64>(),
        ]
    }

    fn check<T: Scalar>(u: &[T]) {
        let n = u.len();
        let (mut ranks, mut space) = (vec![T::default(); n], vec![T::default(); scratch_of_rank::<T>(n)]);
        rank(u, &mut ranks, &mut space);
        let mut expected: Vec<usize> = (0..n).collect();
        expected.sort_by(|&i, &j| compare(&u[i], &u[j]));
        assert_eq!(ranks.iter().map(|p| p.to_f64() as usize).collect::<Vec<_>>(), expected);
        let (mut sorted, mut space) = (u.to_vec(), vec![T::default(); scratch_of_sort::<T>(n)]);
        sort(&mut sorted, &mut space);
        for (x, &k) in sorted.iter().zip(&expected) {
            assert!(*x == u[k] || (x.is_nan() && u[k].is_nan()), "{sorted:?}");
        }
        let numbers: Vec<T> = sorted.into_iter().filter(|x| !x.is_nan()).collect();
        let row: Vec<T> = u.iter().copied().filter(|x| !x.is_nan()).collect();
        for k in (0..numbers.len()).step_by(1 + numbers.len() / 7) {
            assert!(nth(&row, k, &mut space) == Some(numbers[k]), "{k} of {row:?}");
        }
    }

    #[test]
    fn entries_of_long_rows_are_found_whatever_their_order() {
        let n = 3 * MANY + 7;
        let mut space = vec![0.0; scratch_of_sort::<f64>(n)];
        let rows: [Vec<f64>; 4] = [
            (0..n).map(|k| (k as f64 * 0.7).sin()).collect(),
            (0..n).map(|k| -(k as f64)).collect(),
            (0..n).map(|k| (k % 3) as f64).collect(),
            (0..n).map(|k| if k % 1000 == 0 { k as f64 } else { 0.0 }).collect(),
        ];
        for row in rows {
            let mut sorted = row.clone();
            sorted.sort_by(f64::total_cmp);
            for k in [0, 1, n / 3, n / 2, n - 2, n - 1] {
                assert_eq!(nth(&row, k, &mut space), Some(sorted[k]));
            }
        }
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_a_stable_sort(x in proptest::collection::vec(number(), 0..60), times in 1usize..80) {
            // Repeated, a row is long enough for its digits to be counted.
            let long: Vec<f64> = (0..x.len() * times).map(|k| x[k % x.len()]).collect();
            check(&long);
            check(&long.iter().map(|x| *x as f32).collect::<Vec<_>>());
        }
    }
}
