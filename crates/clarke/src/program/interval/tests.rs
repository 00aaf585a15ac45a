use super::rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up, sqrt};
use super::{Interval, decided};
use crate::program::op::ArrayKernel;
use crate::program::real::{Real, Scalar};
use crate::program::record::Prim;

/// A small deterministic source of numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ (self.0 >> 29)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of every magnitude; often small integers and halves.
    fn any(&mut self) -> f64 {
        let sign = if self.next().is_multiple_of(2) { 1.0 } else { -1.0 };
        sign * match self.next() % 8 {
            0 => (self.next() % 5) as f64 / 2.0,
            1 => f64::from_bits(self.next() % (1 << 52)),
            2 => self.uniform() * 1e300,
            3 => self.uniform() * 1e-150,
            4 => self.uniform() * 1e6,
            _ => 3.0 * self.uniform(),
        }
    }

    /// An interval, and a number of it.
    fn interval(&mut self) -> (Interval, f64) {
        let (a, b) = (self.any(), self.any());
        let width = [0.0, 1e-12, 0.1, 1.0, 4.0][(self.next() % 5) as usize];
        let x = match self.next() % 4 {
            0 => Interval::new(a.min(b), a.max(b)),
            _ => Interval::new(a, a + width * self.uniform()),
        };
        let inside = match self.next() % 4 {
            0 => x.lo(),
            1 => x.hi(),
            _ => (x.lo() + (x.hi() - x.lo()) * self.uniform()).clamp(x.lo(), x.hi()),
        };
        (x, inside)
    }
}

#[test]
fn every_primitive_encloses_its_values() {
    let mut numbers = Numbers(7);
    for prim in Prim::ALL {
        let mut narrow = 0;
        for _ in 0..20_000 {
            let [a, b, c, d] = [(); 4].map(|()| numbers.interval());
            let y = prim.eval([a.0, b.0, c.0, d.0]);
            let value = prim.eval([a.1, b.1, c.1, d.1]);
            assert!(y.contains(value), "{prim:?} of {a:?} {b:?} {c:?} {d:?}: {value} is not in {y:?}");
            narrow += usize::from(y.is_bounded());
        }
        assert!(narrow > 2_000, "{prim:?} gives {narrow} bounded intervals");
    }
}

#[test]
fn primitives_of_points_are_narrow() {
    let mut numbers = Numbers(8);
    for prim in Prim::ALL {
        for _ in 0..2_000 {
            let x = [(); 4].map(|()| 0.1 + 0.8 * numbers.uniform());
            let (y, value) = (prim.eval(x.map(Interval::point)), prim.eval(x));
            assert!(y.hi() - y.lo() <= 1e-14 * (1.0 + value.abs()), "{prim:?} at {x:?}: {y:?}");
        }
    }
}

/// Integers of up to 53 bits: their sums and products are exact in i128.
#[test]
fn directed_sums_and_products_are_the_nearest_bounds() {
    let mut numbers = Numbers(9);
    for _ in 0..20_000 {
        let mut integer = || {
            (numbers.next() >> (11 + numbers.next() % 40)) as i64
                * if numbers.next().is_multiple_of(2) { 1 } else { -1 }
        };
        let (i, j) = (integer(), integer());
        let (a, b) = (i as f64, j as f64);
        let exact = [i128::from(i) + i128::from(j), i128::from(i) * i128::from(j)];
        let bounds = [(add_down(a, b), add_up(a, b)), (mul_down(a, b), mul_up(a, b))];
        for (exact, (low, high)) in std::iter::zip(exact, bounds) {
            assert!(low as i128 <= exact && exact <= high as i128, "{i} {j}: {low} {high}");
            let is_exact = (exact as f64) as i128 == exact;
            assert!(if is_exact { low == high } else { low.next_up() == high }, "{i} {j}: {low} {high}");
        }
        if j > 0 {
            let (low, high) = (div_down(a, b), div_up(a, b));
            assert!(mul_down(low, b) <= a && mul_up(high, b) >= a && high <= low.next_up(), "{i} / {j}");
            let product = a * (j % 1000) as f64;
            if product.abs() < 9e15 && j % 1000 != 0 {
                assert_eq!(div_down(product, (j % 1000) as f64), a);
            }
        }
        let root = (i.unsigned_abs() % (1 << 26)) as f64;
        assert_eq!(sqrt(root * root), (root, root));
        let (low, high) = sqrt(a.abs());
        assert!(mul_down(low, low) <= a.abs() && mul_up(high, high) >= a.abs() && high <= low.next_up());
    }
    // Errors that are smaller than every number.
    assert_eq!((mul_down(1e-200, 1e-200), mul_up(1e-200, 1e-200)), (-f64::from_bits(1), f64::from_bits(1)));
    assert_eq!((mul_down(1e300, 1e300), mul_up(1e300, 1e300)), (f64::MAX, f64::INFINITY));
    assert_eq!((add_down(f64::MAX, f64::MAX), add_up(-f64::MAX, -f64::MAX)), (f64::MAX, -f64::MAX));
}

fn interval(lo: f64, hi: f64) -> Interval {
    Interval::new(lo, hi)
}

fn is(x: Interval, lo: f64, hi: f64) -> bool {
    let near = |a: f64, b: f64| a == b || (a - b).abs() < 1e-12;
    near(x.lo(), lo) && near(x.hi(), hi)
}

#[test]
fn ranges_are_those_of_the_functions() {
    let pi = std::f64::consts::PI;
    assert!(is(interval(0.0, 4.0).sin(), 4f64.sin(), 1.0));
    assert!(is(interval(-2.0, -1.0).sin(), -1.0, (-1f64).sin()));
    assert!(is(interval(1.0, 100.0).cos(), -1.0, 1.0));
    assert!(is(interval(-0.5, 1.0).cos(), 1f64.cos(), 1.0));
    assert!(is(interval(7.0, 7.5).sin(), 7f64.sin(), 7.5f64.sin()));
    assert!(interval(1.0, 2.0).tan().is_whole());
    assert!(is(interval(2.0, 3.0).tan(), 2f64.tan(), 3f64.tan()));
    assert!(is(interval(-2.0, 3.0) * interval(-5.0, 1.0), -15.0, 10.0));
    assert!(is(interval(-2.0, 3.0).square(), 0.0, 9.0));
    assert!(is(interval(1.0, 2.0) / interval(-4.0, -2.0), -1.0, -0.25));
    assert!((interval(1.0, 2.0) / interval(-1.0, 2.0)).is_whole());
    assert!(is(interval(-2.0, 3.0).powf(Interval::point(4.0)), 0.0, 81.0));
    assert!(is(interval(-2.0, 3.0).powf(Interval::point(3.0)), -8.0, 27.0));
    assert!(is(interval(-2.0, -1.0).powf(Interval::point(-3.0)), -1.0, -0.125));
    assert!(is(interval(0.5, 2.0).powf(interval(-1.0, 2.0)), 0.25, 4.0));
    assert!(interval(-1.0, 2.0).powf(Interval::point(0.5)).is_whole());
    assert!(is(interval(-1.0, 1.0).atan2(interval(-2.0, -1.0)), -pi, pi));
    assert!(is(interval(1.0, 2.0).atan2(interval(-1.0, 1.0)), pi / 4.0, 3.0 * pi / 4.0));
    assert!(interval(-1.0, 1.0).sqrt().is_whole() && interval(-1.0, 1.0).ln().is_whole());
    assert!(is(interval(-1.0, 2.0).abs(), 0.0, 2.0) && is(interval(-1.0, 2.0).cosh(), 1.0, 2f64.cosh()));
}

#[test]
fn what_is_undefined_stays_unknown_until_it_is_left_out() {
    let (nan, one) = (interval(-1.0, 0.5).sqrt(), Interval::point(1.0));
    assert!(nan.is_whole() && Interval::point(f64::NAN).is_whole());
    for y in [nan.max(one), one.min(nan), nan + one, nan * one, nan.abs(), nan.tanh(), nan.sin(), one / nan] {
        assert!(y.is_whole(), "{y:?}");
    }
    assert!((Interval::point(0.0) * interval(1.0, f64::INFINITY)).is_whole());
    assert!(is(one.if_gt(Interval::point(0.0), one, nan), 1.0, 1.0));
    assert!(is(nan.if_gt(one, one, Interval::point(0.0)), 0.0, 1.0));
}

/// A kernel that looks at its numbers.
struct Sorted;

impl ArrayKernel for Sorted {
    fn kernel<T: Scalar>(
        &self,
        _: &[&[usize]],
        _: &[usize],
        _: &dyn crate::program::op::Compiler<T>,
    ) -> crate::program::op::Kernel<T> {
        crate::program::op::Kernel::new(|args: &[&[T]], out: &mut [T], _| {
            out.copy_from_slice(args[0]);
            out.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        })
    }
}

struct NoPrograms;

impl crate::program::op::Compiler<Interval> for NoPrograms {
    fn compile(&self, _: &crate::program::Program) -> crate::program::op::Kernel<Interval> {
        unreachable!("the kernel has no programs")
    }
}

#[test]
fn a_kernel_that_is_not_certain_of_a_comparison_has_no_result() {
    let run = |x: [Interval; 3]| {
        let kernel = Interval::prepare(&Sorted, &[&[3]], &[3], &NoPrograms);
        let mut out = [Interval::default(); 3];
        decided(|| (kernel.run)(&[&x], &mut out, &mut [])).map(|()| out.map(Interval::lo))
    };
    assert_eq!(run([interval(4.0, 5.0), interval(1.0, 2.0), interval(2.5, 3.0)]), Some([1.0, 2.5, 4.0]));
    assert_eq!(run([interval(4.0, 5.0), interval(1.0, 2.0), interval(2.0, 3.0)]), None);
    assert_eq!(run([Interval::point(2.0), Interval::point(2.0), interval(1.0, 1.5)]), Some([1.0, 2.0, 2.0]));
    // What happens inside is nobody's business outside.
    assert_eq!(decided(|| decided(|| interval(0.0, 1.0) < interval(0.5, 2.0))), Some(None));
}
