//! Sorting and selection by whole numbers that are ordered as the entries are: what comparisons of floating-point numbers
//! cannot do without a branch.

use crate::program::real::Scalar;

/// Shorter slices are sorted by comparisons.
const SHORT: usize = 128;
/// Digits of the radix sort, in bits, and how many there are above the bits of the position.
const DIGIT: u32 = 10;
const DIGITS: usize = 4;
/// Positions have this many bits.
const POSITION: u32 = u64::BITS - DIGIT * DIGITS as u32;

/// A whole number that grows with x: zeros of either sign have one, NaN the largest.
#[inline(always)]
pub(super) fn key<T: Scalar>(x: T) -> u64 {
    let bits = (x.to_f64() + 0.0).to_bits();
    let flipped = bits ^ ((bits as i64 >> 63) as u64 | 1 << 63);
    if x.is_nan() { u64::MAX } else { flipped }
}

/// How many numbers of scratch space hold n whole numbers of 64 bits, or n numbers.
pub(super) fn room<T>(n: usize) -> usize {
    (8 * n + 8).div_ceil(size_of::<T>()).max(n)
}

/// Scratch space as whole numbers.
pub(super) fn words<T: Scalar>(scratch: &mut [T]) -> &mut [u64] {
    // SAFETY: numbers are plain data, of which every pattern of bits is one, and so are whole numbers.
    unsafe { scratch.align_to_mut::<u64>().1 }
}

/// The positions `0..u.len()` in the order of the entries of u, kept as numbers; equal entries stay in order, NaN comes
/// last. There are at most 2^24 entries.
///
/// Cost: a radix sort of the upper bits of the keys, which carry their positions along; entries that agree in these are
/// compared. `scratch` has [`room`] for twice as many whole numbers.
pub(super) fn rank<T: Scalar>(u: &[T], positions: &mut [T], scratch: &mut [T]) {
    let n = u.len();
    let by_entry = |a: &u64, b: &u64| {
        let (i, j) = (position(*a), position(*b));
        key(u[i]).cmp(&key(u[j])).then(i.cmp(&j))
    };
    let (packed, other) = words(scratch).split_at_mut(n);
    let other = &mut other[..n];
    for (k, (p, x)) in std::iter::zip(&mut *packed, u).enumerate() {
        *p = key(*x) >> POSITION << POSITION | k as u64;
    }
    if n < SHORT {
        packed.sort_unstable_by(by_entry);
    } else {
        by_digits(packed, other);
        let mut start = 0;
        while start < n {
            let run = packed[start..].iter().take_while(|p| **p >> POSITION == packed[start] >> POSITION).count();
            packed[start..start + run].sort_unstable_by(by_entry);
            start += run;
        }
    }
    std::iter::zip(positions, packed).for_each(|(to, p)| *to = T::of(position(*p) as f64));
}

fn position(packed: u64) -> usize {
    (packed & ((1 << POSITION) - 1)) as usize
}

/// Sorts by the digits above the position, from the lowest on; keeps the order of equal ones.
fn by_digits(packed: &mut [u64], other: &mut [u64]) {
    let digit = |p: u64, d: usize| (p >> (POSITION + DIGIT * d as u32)) as usize & ((1 << DIGIT) - 1);
    let mut counts = [[0u32; 1 << DIGIT]; DIGITS];
    for p in &*packed {
        for (d, counts) in counts.iter_mut().enumerate() {
            counts[digit(*p, d)] += 1;
        }
    }
    let (mut from, mut to, mut moved) = (packed, other, false);
    for (d, counts) in counts.iter_mut().enumerate() {
        if counts.iter().any(|c| *c as usize == from.len()) {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for p in &*from {
            let place = &mut counts[digit(*p, d)];
            to[*place as usize] = *p;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
        moved = !moved;
    }
    if moved {
        to.copy_from_slice(from);
    }
}

/// The entry that stands at position k of x in ascending order; x holds no NaN. `scratch` has [`room`] for as many whole
/// numbers.
///
/// Cost: linear; two passes over x, and a selection among those that fall into one of 4096 parts of its range.
pub(super) fn nth<T: Scalar>(x: &[T], k: usize, scratch: &mut [T]) -> u64 {
    const PARTS: u32 = 12;
    let words = words(scratch);
    let keys = &mut words[..x.len()];
    let (mut low, mut high) = (u64::MAX, 0);
    for (to, x) in std::iter::zip(&mut *keys, x) {
        *to = key(*x);
        (low, high) = (low.min(*to), high.max(*to));
    }
    let shift = (u64::BITS - (high - low).leading_zeros()).saturating_sub(PARTS);
    let mut counts = [0u32; 1 << PARTS];
    for key in &*keys {
        counts[((key - low) >> shift) as usize] += 1;
    }
    let (mut part, mut before) = (0, 0);
    while before + counts[part] as usize <= k {
        before += counts[part] as usize;
        part += 1;
    }
    let mut kept = 0;
    for i in 0..keys.len() {
        let key = keys[i];
        keys[kept] = key;
        kept += usize::from((key - low) >> shift == part as u64);
    }
    *keys[..kept].select_nth_unstable(k - before).1
}

/// The number that has this key.
pub(super) fn number(key: u64) -> f64 {
    f64::from_bits(key ^ (!(key as i64 >> 63) as u64 | 1 << 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<f64>> {
        let special = prop_oneof![Just(0.0), Just(-0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e-310)];
        let near = (0u32..5).prop_map(|k| 1.0 + f64::from(k) * f64::EPSILON);
        let entry = prop_oneof![special, near, -3.0..3.0, any::<i8>().prop_map(f64::from)];
        proptest::collection::vec(entry, 1..400)
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_a_stable_sort(u in entries(), nan in any::<prop::sample::Index>(), with in any::<bool>()) {
            let mut u = u;
            if with {
                let at = nan.index(u.len());
                u[at] = -f64::NAN;
            }
            let n = u.len();
            let mut expected: Vec<usize> = (0..n).collect();
            expected.sort_by(|i, j| u[*i].is_nan().cmp(&u[*j].is_nan()).then(u[*i].partial_cmp(&u[*j]).unwrap_or(std::cmp::Ordering::Equal)));
            let mut positions = vec![0.0; n];
            rank(&u, &mut positions, &mut vec![0.0; room::<f64>(2 * n)]);
            prop_assert_eq!(positions.iter().map(|p| *p as usize).collect::<Vec<_>>(), expected);
            let single: Vec<f32> = u.iter().map(|x| *x as f32).collect();
            let mut positions = vec![0.0f32; n];
            rank(&single, &mut positions, &mut vec![0.0; room::<f32>(2 * n)]);
            let in_order = positions.windows(2).all(|w| {
                let (a, b) = (single[w[0] as usize], single[w[1] as usize]);
                a < b || b.is_nan() || (a == b && w[0] < w[1])
            });
            prop_assert!(in_order);
        }

        #[test]
        fn selection_is_what_sorting_gives(u in entries(), k in any::<prop::sample::Index>()) {
            let k = k.index(u.len());
            let found = number(nth(&u, k, &mut vec![0.0; room::<f64>(u.len())]));
            let mut sorted = u.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(found, sorted[k]);
        }
    }
}
