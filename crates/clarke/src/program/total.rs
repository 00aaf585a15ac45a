//! The one order in which sums of all numbers of an array are added up, so that every way to compute one gives the same
//! bits: number i goes to lane i mod L, where L numbers are 64 bytes, and then the upper half of the lanes is added to
//! the lower half until one is left.

use super::real::Scalar;

/// How many lanes there are.
pub const fn count<T>() -> usize {
    64 / size_of::<T>()
}

/// Σ x. Cost: one pass; the error is that of L sums of n/L numbers.
#[inline]
pub fn sum<T: Scalar>(x: &[T]) -> T {
    match count::<T>() {
        16 => sum_in::<T, 16>(x),
        8 => sum_in::<T, 8>(x),
        _ => sum_in::<T, 4>(x),
    }
}

#[inline(always)]
fn sum_in<T: Scalar, const L: usize>(x: &[T]) -> T {
    let mut lanes = [T::of(0.0); L];
    add(&mut lanes, x);
    fold(&mut lanes)
}

/// Adds numbers to lanes, from a position on that is a multiple of their count.
#[inline(always)]
pub fn add<T: Scalar>(lanes: &mut [T], x: &[T]) {
    let whole = x.chunks_exact(lanes.len());
    let rest = whole.remainder();
    for x in whole {
        std::iter::zip(&mut *lanes, x).for_each(|(lane, x)| *lane = *lane + *x);
    }
    std::iter::zip(lanes, rest).for_each(|(lane, x)| *lane = *lane + *x);
}

/// The sum of the lanes; uses them up.
#[inline(always)]
pub fn fold<T: Scalar>(lanes: &mut [T]) -> T {
    let mut half = lanes.len() / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] = lanes[l] + lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_in_parts_is_the_sum() {
        let x: Vec<f64> = (0..101).map(|k| 1.0 / (1.0 + k as f64)).collect();
        let mut lanes = [0.0; 8];
        add(&mut lanes, &x[..64]);
        add(&mut lanes, &x[64..]);
        assert_eq!(fold(&mut lanes), sum(&x));
        let exact: f64 = x.iter().sum();
        assert!((sum(&x) - exact).abs() < 1e-14 && sum::<f64>(&[]) == 0.0 && sum(&[2.5f32]) == 2.5);
    }
}
