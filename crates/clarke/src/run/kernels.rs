//! One kernel for each primitive and each pattern of operands (tile or single number), compiled for the vector
//! instructions of the machine and chosen when a program is compiled.
//!
//! A kernel is the plain loop `d[i] = f(a[i], b[i], …)` over stretches that do not overlap, which the compiler turns
//! into vector code. The functions in it are the formulas of `program::elementary`, which multiply and add as the machine
//! does everywhere; so the results are those of [`Prim::eval`] bit for bit.

use crate::program::elementary::MulAdd;
#[cfg(target_arch = "x86_64")]
use crate::program::lanes::Level;
use crate::program::real::{Real, Scalar};
use crate::program::record::Prim;

/// `(to, operands…, n)`: each operand is n numbers, or one.
///
/// # Safety
/// `to` is valid for n > 0 writes and overlaps no operand; each operand is valid for n reads, or for one where the
/// pattern says that it is a single number. The machine has the instructions the kernel was compiled for.
pub type Kernel<T> = unsafe extern "C" fn(*mut T, *const T, *const T, *const T, *const T, usize);

/// The kernel of a primitive; bit k of `tiles` tells whether operand k is a tile. At least one is.
pub fn kernel<T: Scalar>(prim: Prim, tiles: u8) -> Kernel<T> {
    #[cfg(target_arch = "x86_64")]
    {
        let level = Level::of_this_machine();
        if level.has_avx512() {
            return avx512::pick(prim, tiles);
        }
        if level.has_avx2() {
            return avx2::pick(prim, tiles);
        }
    }
    portable::pick(prim, tiles)
}

/// A primitive as a type, so that its kernels are compiled each for itself.
trait Apply {
    /// Whether some arguments need the whole function, which the loop does not apply.
    const FAR: bool;
    fn near<T: Scalar, M: MulAdd>(x: [T; 4]) -> T;
    fn whole<T: Real>(x: [T; 4]) -> T;
}

mod prims {
    use super::{Apply, MulAdd, Prim, Real, Scalar};

    macro_rules! prims {
        ($($name:ident)*) => {$(
            pub struct $name;
            impl Apply for $name {
                const FAR: bool = Prim::$name.has_far_arguments();
                #[inline(always)]
                fn near<T: Scalar, M: MulAdd>(x: [T; 4]) -> T {
                    Prim::$name.near::<T, M>(x)
                }
                #[inline(always)]
                fn whole<T: Real>(x: [T; 4]) -> T {
                    Prim::$name.eval(x)
                }
            }
        )*};
    }
    prims!(Add Sub Mul Div Neg Abs Sqrt Exp Ln ExpM1 Ln1p Sin Cos Pow Max Min IfGt IfGe IfEq);
    prims!(Tan Asin Acos Atan Atan2 Sinh Cosh Tanh Erf Erfc Floor Round);
}

#[inline(always)]
fn each<T: Scalar, P: Apply, M: MulAdd, const A: bool, const B: bool, const C: bool, const D: bool>(
    to: &mut [T],
    [a, b, c, d]: [&[T]; 4],
) {
    let n = to.len();
    let (a0, b0, c0, d0) = (a[0], b[0], c[0], d[0]);
    let tile = |is: bool, x| if is { n } else { x };
    let (a, b) = (&a[..tile(A, a.len())], &b[..tile(B, b.len())]);
    let (c, d) = (&c[..tile(C, c.len())], &d[..tile(D, d.len())]);
    for i in 0..n {
        let x = if A { a[i] } else { a0 };
        let y = if B { b[i] } else { b0 };
        let z = if C { c[i] } else { c0 };
        let w = if D { d[i] } else { d0 };
        to[i] = P::near::<T, M>([x, y, z, w]);
    }
    // Far arguments are rare: a second loop, which seldom runs, leaves the first one without branches.
    if P::FAR && a.iter().fold(false, |far, x| far | x.is_far()) {
        for (y, x) in to.iter_mut().zip(a).filter(|(_, x)| x.is_far()) {
            *y = P::whole([*x; 4]);
        }
    }
}

macro_rules! compiled {
    ($module:ident $products:ident $(, #[$features:meta])?) => {
        mod $module {
            use super::{Apply, Kernel, Prim, Scalar, each, prims};
            use crate::program::elementary::$products;
            use std::slice::{from_raw_parts, from_raw_parts_mut};

            $(#[$features])?
            unsafe extern "C" fn run<T: Scalar, P: Apply, const A: bool, const B: bool, const C: bool, const D: bool>(
                to: *mut T,
                a: *const T,
                b: *const T,
                c: *const T,
                d: *const T,
                n: usize,
            ) {
                // SAFETY: as `Kernel` asks of the caller: n numbers where the pattern says tile, else one, and `to`
                // apart from all of them.
                unsafe {
                    let read = |is_tile: bool, x: *const T| from_raw_parts(x, if is_tile { n } else { 1 });
                    let operands = [read(A, a), read(B, b), read(C, c), read(D, d)];
                    each::<T, P, $products, A, B, C, D>(from_raw_parts_mut(to, n), operands)
                }
            }

            fn unary<T: Scalar, P: Apply>() -> Kernel<T> {
                run::<T, P, true, false, false, false>
            }

            fn binary<T: Scalar, P: Apply>(tiles: u8) -> Kernel<T> {
                match tiles & 3 {
                    1 => run::<T, P, true, false, false, false>,
                    2 => run::<T, P, false, true, false, false>,
                    _ => run::<T, P, true, true, false, false>,
                }
            }

            fn select<T: Scalar, P: Apply>(tiles: u8) -> Kernel<T> {
                match tiles & 15 {
                    1 => run::<T, P, true, false, false, false>,
                    2 => run::<T, P, false, true, false, false>,
                    3 => run::<T, P, true, true, false, false>,
                    4 => run::<T, P, false, false, true, false>,
                    5 => run::<T, P, true, false, true, false>,
                    6 => run::<T, P, false, true, true, false>,
                    7 => run::<T, P, true, true, true, false>,
                    8 => run::<T, P, false, false, false, true>,
                    9 => run::<T, P, true, false, false, true>,
                    10 => run::<T, P, false, true, false, true>,
                    11 => run::<T, P, true, true, false, true>,
                    12 => run::<T, P, false, false, true, true>,
                    13 => run::<T, P, true, false, true, true>,
                    14 => run::<T, P, false, true, true, true>,
                    _ => run::<T, P, true, true, true, true>,
                }
            }

            pub fn pick<T: Scalar>(prim: Prim, tiles: u8) -> Kernel<T> {
                match prim {
                    Prim::Neg => unary::<T, prims::Neg>(),
                    Prim::Abs => unary::<T, prims::Abs>(),
                    Prim::Sqrt => unary::<T, prims::Sqrt>(),
                    Prim::Exp => unary::<T, prims::Exp>(),
                    Prim::Ln => unary::<T, prims::Ln>(),
                    Prim::ExpM1 => unary::<T, prims::ExpM1>(),
                    Prim::Ln1p => unary::<T, prims::Ln1p>(),
                    Prim::Sin => unary::<T, prims::Sin>(),
                    Prim::Cos => unary::<T, prims::Cos>(),
                    Prim::Tan => unary::<T, prims::Tan>(),
                    Prim::Asin => unary::<T, prims::Asin>(),
                    Prim::Acos => unary::<T, prims::Acos>(),
                    Prim::Atan => unary::<T, prims::Atan>(),
                    Prim::Sinh => unary::<T, prims::Sinh>(),
                    Prim::Cosh => unary::<T, prims::Cosh>(),
                    Prim::Tanh => unary::<T, prims::Tanh>(),
                    Prim::Erf => unary::<T, prims::Erf>(),
                    Prim::Erfc => unary::<T, prims::Erfc>(),
                    Prim::Floor => unary::<T, prims::Floor>(),
                    Prim::Round => unary::<T, prims::Round>(),
                    Prim::Add => binary::<T, prims::Add>(tiles),
                    Prim::Sub => binary::<T, prims::Sub>(tiles),
                    Prim::Mul => binary::<T, prims::Mul>(tiles),
                    Prim::Div => binary::<T, prims::Div>(tiles),
                    Prim::Atan2 => binary::<T, prims::Atan2>(tiles),
                    Prim::Pow => binary::<T, prims::Pow>(tiles),
                    Prim::Max => binary::<T, prims::Max>(tiles),
                    Prim::Min => binary::<T, prims::Min>(tiles),
                    Prim::IfGt => select::<T, prims::IfGt>(tiles),
                    Prim::IfGe => select::<T, prims::IfGe>(tiles),
                    Prim::IfEq => select::<T, prims::IfEq>(tiles),
                }
            }
        }
    };
}

compiled!(portable Base);
#[cfg(target_arch = "x86_64")]
compiled!(avx2 Fused, #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
compiled!(avx512 Fused, #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,fma")]);

/// `d[i] = a[i]`: the kernel of a copy.
pub unsafe extern "C" fn copy<T: Real>(to: *mut T, a: *const T, _: *const T, _: *const T, _: *const T, n: usize) {
    // SAFETY: as `Kernel` asks of the caller.
    unsafe { std::ptr::copy_nonoverlapping(a, to, n) }
}

/// `d[i] = a`: the kernel of a copy of a single number.
pub unsafe extern "C" fn fill<T: Real>(to: *mut T, a: *const T, _: *const T, _: *const T, _: *const T, n: usize) {
    // SAFETY: as `Kernel` asks of the caller.
    unsafe { std::slice::from_raw_parts_mut(to, n).fill(*a) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::elementary::{Base, Formulas, Fused};

    /// Every primitive, with every pattern of operands, equals its definition bit for bit; or its formula where products
    /// are rounded as on other machines.
    fn check<M: MulAdd>(pick: fn(Prim, u8) -> Kernel<f64>, as_elsewhere: bool) {
        let special = [0.0, -0.0, 1.0, -1.0, 2.5, -3.25, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-310, 4e9];
        // Every other number has an exponent of its own.
        let number = |i: usize| {
            let size = (0.61 * i as f64).sin() * 2f64.powi(i as i32 % 37 - 20);
            if i.is_multiple_of(2) { special[i / 2 % 11] } else { size }
        };
        let x: Vec<Vec<f64>> = (0..4).map(|k| (0..67).map(|i| number(i * (k + 1) + 7 * k)).collect()).collect();
        for prim in Prim::ALL {
            for tiles in 1..1u8 << prim.arity() {
                let mut y = [0.0; 67];
                // SAFETY: the callers below looked for the instructions; all stretches hold 67 numbers.
                unsafe {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|k: usize| x[k].as_ptr());
                    pick(prim, tiles)(y.as_mut_ptr(), a, b, c, d, 67);
                }
                for (i, y) in y.iter().enumerate() {
                    let args = [0, 1, 2, 3].map(|k: usize| x[k][if tiles >> k & 1 == 1 { i } else { 0 }]);
                    let is_formula = as_elsewhere && !(prim.has_far_arguments() && args[0].is_far());
                    let expected = if is_formula { prim.near::<f64, M>(args) } else { prim.eval(args) };
                    let same = y.to_bits() == expected.to_bits() || (y.is_nan() && expected.is_nan());
                    assert!(same, "{prim:?} {tiles:04b} at {i}: {y:?}, not {expected:?}");
                }
            }
        }
    }

    #[test]
    fn every_kernel_is_its_primitive() {
        check::<Base>(portable::pick, true);
        check::<Base>(kernel, false);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            check::<Fused>(avx2::pick, false);
        }
    }
}
