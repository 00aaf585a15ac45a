//! The elementary functions as formulas without branches.
//!
//! A call into the system's library cannot stand in a vectorized loop, and its results differ from system to system.
//! These are made of +, −, ·, / and √, of selections and of operations on the bits of numbers only, so that a loop over
//! them is vector code with every set of instructions. How a·b + c is rounded is the one thing that processors differ in
//! ([`MulAdd`]): all that fuse it give the same bits, and a machine computes all its values in one of the two ways.
//!
//! Errors are at most 2 units in the last place for eˣ and ln x, and 4 for all others, in f32 and f64, over the whole
//! range, results that are subnormal included; `tests` compares them with many-digit arithmetic. Odd functions are odd
//! and even ones even bit for bit. The polynomials are minimax ones, computed by Remez's algorithm in 200 bits.
//!
//! Where f32 is not worth formulas of its own it is computed in f64, with the shorter polynomials that it needs.

mod circular;
mod error;
mod exponential;
mod far;
mod hyperbolic;
mod inverse;
mod logarithm;
mod power;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
use super::lanes::Level;
use super::real::Real;

/// How a·b + c is rounded.
pub trait MulAdd: 'static {
    /// In f64.
    fn double(a: f64, b: f64, c: f64) -> f64;
    /// In f32.
    fn single(a: f32, b: f32, c: f32) -> f32;
}

/// Once, by an instruction: for code that is compiled where there is one.
#[derive(Debug)]
pub struct Fused;

impl MulAdd for Fused {
    #[inline(always)]
    fn double(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn single(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// Twice, product and sum: without an instruction, once is a slow call.
#[derive(Debug)]
pub struct Apart;

impl MulAdd for Apart {
    #[inline(always)]
    fn double(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
    #[inline(always)]
    fn single(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// As every processor does that the program is compiled for.
#[cfg(any(target_arch = "aarch64", target_feature = "fma"))]
pub type Base = Fused;
/// As every processor does that the program is compiled for.
#[cfg(not(any(target_arch = "aarch64", target_feature = "fma")))]
pub type Base = Apart;

macro_rules! formulas {
    ($($name:ident is $whole:ident($($x:ident),*))*) => {
        /// The functions of [`Real`] for code that is compiled for one set of instructions: formulas in f32 and f64, where
        /// sine, cosine and tangent are those of near arguments; and the functions themselves of other numbers.
        pub trait Formulas: Real {
            /// Whether sine, cosine and tangent need more than their formulas.
            #[inline(always)]
            fn is_far(self) -> bool {
                false
            }
            $(
                /// The function of this name.
                #[inline(always)]
                fn $name<M: MulAdd>($($x: Self),*) -> Self {
                    Real::$whole($($x),*)
                }
            )*
        }
    };
}
formulas! {
    exp is exp(x) exp_m1 is exp_m1(x) ln is ln(x) ln_1p is ln_1p(x)
    sin_near is sin(x) cos_near is cos(x) tan_near is tan(x)
    asin is asin(x) acos is acos(x) atan is atan(x) atan2 is atan2(y, x)
    sinh is sinh(x) cosh is cosh(x) tanh is tanh(x) erf is erf(x) erfc is erfc(x) powf is powf(x, p)
}

/// A precision's formulas, of one module each.
macro_rules! own_formulas {
    ($module:ident $t:ident: $($file:ident::$name:ident($($x:ident),*))*) => {
        impl Formulas for $t {
            #[inline(always)]
            fn is_far(self) -> bool {
                circular::$module::is_far(self)
            }
            $(
                #[inline(always)]
                fn $name<M: MulAdd>($($x: $t),*) -> $t {
                    $file::$module::$name::<M>($($x),*)
                }
            )*
        }
    };
}

/// The same, for calls from code that is compiled for any processor.
macro_rules! functions {
    ($module:ident $t:ident: $($file:ident::$name:ident($($x:ident),*))*) => {$(
        /// The function, as this machine multiplies and adds.
        #[inline]
        pub fn $name($($x: $t),*) -> $t {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "fma")]
                fn fused($($x: $t),*) -> $t {
                    $file::$module::$name::<Fused>($($x),*)
                }
                if Level::of_this_machine().has_avx2() {
                    // SAFETY: the machine was asked for the instruction.
                    return unsafe { fused($($x),*) };
                }
            }
            $file::$module::$name::<Base>($($x),*)
        }
    )*};
}

macro_rules! precision {
    ($(#[$doc:meta])* $module:ident $t:ident) => {
        own_formulas! { $module $t:
            exponential::exp(x) exponential::exp_m1(x) logarithm::ln(x) logarithm::ln_1p(x)
            circular::sin_near(x) circular::cos_near(x) circular::tan_near(x)
            inverse::asin(x) inverse::acos(x) inverse::atan(x) inverse::atan2(y, x)
            hyperbolic::sinh(x) hyperbolic::cosh(x) hyperbolic::tanh(x) error::erf(x) error::erfc(x) power::powf(x, p)
        }

        $(#[$doc])*
        pub mod $module {
            use super::*;
            functions! { $module $t:
                exponential::exp(x) exponential::exp_m1(x) logarithm::ln(x) logarithm::ln_1p(x)
                circular::sin(x) circular::cos(x) circular::tan(x)
                inverse::asin(x) inverse::acos(x) inverse::atan(x) inverse::atan2(y, x)
                hyperbolic::sinh(x) hyperbolic::cosh(x) hyperbolic::tanh(x) error::erf(x) error::erfc(x) power::powf(x, p)
            }
        }
    };
}
precision!(
    /// The functions on f32.
    single f32
);
precision!(
    /// The functions on f64.
    double f64
);

/// A precision whose functions are computed in f64: its polynomials.
trait Terms {
    /// (sin √z/√z − 1)/z for √z ≤ π/4.
    const SIN: &'static [f64];
    /// (cos √z − 1 + z/2)/z² for √z ≤ π/4.
    const COS: &'static [f64];
    /// (arctan √z/√z − 1)/z for √z ≤ √2 − 1.
    const ATAN: &'static [f64];
    /// (arcsin √z/√z − 1)/z for z ≤ 1/4.
    const ASIN: &'static [f64];
    /// erf √z/√z − 1 for z ≤ 1.
    const ERF: &'static [f64];
    /// e^(x²) erfc(x) (1 + 2x) by t = (x − 4)/(x + 4), for x ≥ ½ until erfc underflows; the first two are one coefficient.
    const ERFC: &'static [f64];
    /// ((eʳ − 1)/r − 1)/r for |r| ≤ ln 2/2.
    const EXP: &'static [f64];
}

/// f32, to less than 2⁻²⁹ of the value.
struct Single;
/// f64, to less than 2⁻⁵⁴ of the value.
struct Double;

impl Terms for Single {
    const SIN: &'static [f64] =
        &[-0.16666666641611894, 0.008333329384351345, -0.00019839334354798327, 2.718306956263608e-06];
    const COS: &'static [f64] = &[0.04166664686324321, -0.0013887367338446639, 2.4438428538147814e-05];
    const ATAN: &'static [f64] =
        &[-0.3333331542328446, 0.19998483990370888, -0.14243738618974516, 0.10595138159447434, -0.0608115023390662];
    const ASIN: &'static [f64] = &[
        0.1666665987286467,
        0.07500510923794317,
        0.0445157129368117,
        0.0318176987573535,
        0.014402226689856815,
        0.03756576720708131,
    ];
    const ERF: &'static [f64] = &[
        0.1283791659142435,
        -0.3761262713485192,
        0.11283600156412613,
        -0.026854443703458613,
        0.00518953364276944,
        -0.0008020826399079201,
        7.889070173053625e-05,
    ];
    const ERFC: &'static [f64] = &[
        1.2329951175624552,
        0.0,
        -0.13962108584665722,
        0.015379804698283732,
        0.06809522548905818,
        -0.10104344998952448,
        0.09376129016895646,
        -0.06627482645904065,
        0.0370062786244575,
        -0.016529146299608173,
        0.005299565279726634,
    ];
    const EXP: &'static [f64] = &SINGLE_EXP;
}

impl Terms for Double {
    const SIN: &'static [f64] = &[
        -0.16666666666666632,
        0.008333333333322417,
        -0.00019841269829810857,
        2.7557313693080527e-06,
        -2.5050758312342128e-08,
        1.5896807885681897e-10,
    ];
    const COS: &'static [f64] = &[
        0.0416666666666666,
        -0.0013888888888874136,
        2.480158728948909e-05,
        -2.7557314354354977e-07,
        2.087572355215875e-09,
        -1.1359662457262601e-11,
    ];
    const ATAN: &'static [f64] = &[
        -0.333333333333332,
        0.1999999999995366,
        -0.1428571428020389,
        0.11111110783810356,
        -0.09090897767007806,
        0.07692060361001166,
        -0.06663105449269786,
        0.05847897348422552,
        -0.05039330597778994,
        0.03806494741357243,
        -0.017907333293636484,
    ];
    const ASIN: &'static [f64] = &[
        0.16666666666665383,
        0.0750000000034304,
        0.04464285682348721,
        0.030381959331032594,
        0.02237175352880706,
        0.01735977102506816,
        0.013884599217210468,
        0.012173275112513308,
        0.006510867711030497,
        0.019573877887321366,
        -0.016294046527760273,
        0.03195895847740854,
    ];
    const ERF: &'static [f64] = &[
        0.12837916709551256,
        -0.3761263890318355,
        0.11283791670945252,
        -0.02686617064327612,
        0.005223977607422811,
        -0.0008548325989671814,
        0.0001205529531993199,
        -1.4924744655686461e-05,
        1.6447517617488175e-06,
        -1.6209175674302755e-07,
        1.372297607510558e-08,
        -7.801189854790326e-10,
    ];
    const ERFC: &'static [f64] = &[
        1.2329951186255526,
        -4.387791288334432e-17,
        -0.13962111684056253,
        0.015379652102619044,
        0.06809705425469344,
        -0.10103906603625512,
        0.09373283499834227,
        -0.06633036581356865,
        0.037167515537247536,
        -0.016197734038799535,
        0.005031969984223119,
        -0.0007577734445001536,
        -0.00019925675981637071,
        0.00015062247550438562,
        -2.4398829870906076e-05,
        -1.1224675886588149e-05,
        5.708325239006294e-06,
        2.9946106939910755e-07,
        -8.221649845445669e-07,
        6.711581178896078e-08,
        1.0541172308762016e-07,
        -1.2260327448311992e-08,
        -1.040058445589511e-08,
    ];
    const EXP: &'static [f64] = &DOUBLE_EXP;
}

/// The terms of eʳ, also for arithmetic in f32.
pub const SINGLE_EXP: [f64; 5] =
    [0.5, 0.1666654348373413, 0.04166628420352936, 0.008366584777832031, 0.0013946386752650142];
pub const DOUBLE_EXP: [f64; 10] = [
    0.5000000000000006,
    0.16666666666666685,
    0.04166666666657362,
    0.008333333333314671,
    0.00138888889323803,
    0.00019841269902860743,
    2.480150444462868e-05,
    2.7557228101670917e-06,
    2.7626326980084944e-07,
    2.5114427663468516e-08,
];

/// The terms of the logarithm, also for arithmetic in f32.
const SINGLE_LN: [f64; 4] = [0.6666666269302368, 0.4000033736228943, 0.28537237644195557, 0.23583588004112244];
const DOUBLE_LN: [f64; 7] = [
    0.6666666666666735,
    0.3999999999941103,
    0.2857142874327595,
    0.22222198474677027,
    0.1818356980381468,
    0.1531390172793085,
    0.14797521708388697,
];

/// Σ cₖ xᵏ by Horner's rule.
#[inline(always)]
fn horner<M: MulAdd>(x: f64, c: &[f64]) -> f64 {
    let w = x * x;
    let n = c.len();
    let (mut y, mut z) = (c[n - 1], c[n - 2]);
    let mut k = n - 2;
    while k >= 2 {
        y = M::double(y, w, c[k - 1]);
        z = M::double(z, w, c[k - 2]);
        k -= 2;
    }
    if k == 1 { M::double(y, w, M::double(z, x, c[0])) } else { M::double(y, x, z) }
}

/// The same in f32, with coefficients that f32 holds.
#[inline(always)]
fn horner_single<M: MulAdd>(x: f32, c: &[f64]) -> f32 {
    let mut y = c[c.len() - 1] as f32;
    for k in (0..c.len() - 1).rev() {
        y = M::single(y, x, c[k] as f32);
    }
    y
}

/// A number without its last `places` bits.
#[inline(always)]
fn cut(x: f64, places: u32) -> f64 {
    f64::from_bits(x.to_bits() & !((1 << places) - 1))
}

/// a + b and what it lacks, exactly (Knuth).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let v = s - a;
    (s, (a - (s - v)) + (b - v))
}

/// The same for |a| ≥ |b| (Dekker).
#[inline(always)]
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    (s, b - (s - a))
}
