//! The bounds of the errors, against arithmetic with 256 bits; symmetry; special values.

use super::{Apart, Formulas, Fused, MulAdd, circular, error as errors, exponential, hyperbolic, inverse, logarithm};
use astro_float::{BigFloat, Consts, Exponent, RoundingMode};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BITS: usize = 256;
const ROUND: RoundingMode = RoundingMode::ToEven;

/// Functions in many digits, with the constants that they share.
struct Digits(Consts);

impl Digits {
    fn new() -> Digits {
        Digits(Consts::new().expect("memory for constants"))
    }

    fn of(x: f64) -> BigFloat {
        // Subnormal numbers are not read rightly, so the exponent is moved.
        let mut y = BigFloat::from_f64(if x.is_subnormal() { x * 2f64.powi(100) } else { x }, BITS);
        if let Some(e) = y.exponent().filter(|_| x.is_subnormal()) {
            y.set_exponent(e - 100);
        }
        y
    }

    fn exp(&mut self, x: &BigFloat) -> BigFloat {
        x.exp(BITS, ROUND, &mut self.0)
    }

    fn exp_m1(&mut self, x: &BigFloat) -> BigFloat {
        self.exp(x).sub(&Digits::of(1.0), BITS, ROUND)
    }

    fn ln_1p(&mut self, x: &BigFloat) -> BigFloat {
        x.add(&Digits::of(1.0), BITS, ROUND).ln(BITS, ROUND, &mut self.0)
    }

    fn pi(&mut self) -> BigFloat {
        self.0.pi(BITS, ROUND)
    }

    /// 2/√π e^(−x²).
    fn bell(&mut self, x: &BigFloat) -> BigFloat {
        let e = self.exp(&x.mul(x, BITS, ROUND).neg());
        let root = self.pi().sqrt(BITS, ROUND);
        e.mul(&Digits::of(2.0), BITS, ROUND).div(&root, BITS, ROUND)
    }

    /// bell(x) (x + 2 x³/3 + 4 x⁵/15 + …), whose terms have one sign; 1 − erfc x where that takes too many of them.
    fn erf(&mut self, x: &BigFloat) -> BigFloat {
        if x.abs().cmp(&Digits::of(6.0)).is_some_and(|c| c > 0) {
            let size = Digits::of(1.0).sub(&self.erfc(&x.abs()), BITS, ROUND);
            return if x.is_negative() { size.neg() } else { size };
        }
        let twice = x.mul(x, BITS, ROUND).mul(&Digits::of(2.0), BITS, ROUND);
        let (mut term, mut sum) = (x.clone(), x.clone());
        for k in 1..600 {
            term = term.mul(&twice, BITS, ROUND).div(&Digits::of(f64::from(2 * k + 1)), BITS, ROUND);
            sum = sum.add(&term, BITS, ROUND);
        }
        self.bell(x).mul(&sum, BITS, ROUND)
    }

    /// bell(x)/2 over the continued fraction x + ½/(x + 1/(x + (3/2)/(x + …))) for x ≥ 3, and 1 − erf x below.
    fn erfc(&mut self, x: &BigFloat) -> BigFloat {
        if x.cmp(&Digits::of(3.0)).is_some_and(|c| c < 0) {
            return Digits::of(1.0).sub(&self.erf(x), BITS, ROUND);
        }
        let mut y = x.clone();
        for k in (1..400).rev() {
            y = Digits::of(0.5 * f64::from(k)).div(&y, BITS, ROUND).add(x, BITS, ROUND);
        }
        self.bell(x).div(&y.mul(&Digits::of(2.0), BITS, ROUND), BITS, ROUND)
    }
}

/// A number near one of many digits.
fn rough(x: &BigFloat) -> f64 {
    match (x.mantissa_digits(), x.exponent()) {
        (Some([.., top]), Some(e)) if !x.is_zero() => {
            let size = *top as f64 / 18446744073709551616.0 * 2f64.powi(e);
            if x.is_negative() { -size } else { size }
        }
        _ => 0.0,
    }
}

/// How far y is from the exact value, in units in the last place of numbers of `bits` bits, the smallest of which is
/// 2^least.
fn error(y: f64, exact: &BigFloat, bits: Exponent, least: Exponent) -> f64 {
    if !y.is_finite() || exact.is_zero() {
        // What should be finite is not; or should be 0, and all else is wrong.
        return if y == rough(exact) { 0.0 } else { f64::INFINITY };
    }
    let mut off = Digits::of(y).sub(exact, BITS, ROUND);
    let unit = exact.exponent().map_or(least, |e| (e - bits).max(least));
    if let Some(e) = off.exponent().filter(|_| !off.is_zero()) {
        off.set_exponent(e - unit);
    }
    rough(&off).abs()
}

type Exact = fn(&mut Digits, &BigFloat) -> BigFloat;

/// A function: in f64, in f32, in many digits; the bound of its error; where it is asked.
struct Function {
    name: &'static str,
    double: fn(f64) -> f64,
    single: fn(f32) -> f32,
    exact: Exact,
    bound: f64,
    /// Drawn evenly from here.
    range: (f64, f64),
    /// And, where the function is defined and finite, from all signs and from these powers of 2.
    powers: (f64, f64),
}

macro_rules! function {
    ($file:ident::$name:ident within $bound:literal, $range:expr, 2^$powers:expr, $exact:expr) => {
        Function {
            name: stringify!($name),
            double: $file::double::$name::<M>,
            single: $file::single::$name::<M>,
            exact: $exact,
            bound: $bound,
            range: $range,
            powers: $powers,
        }
    };
    ($file:ident::$name:ident within $bound:literal, $range:expr, 2^$powers:expr) => {
        function!($file::$name within $bound, $range, 2^$powers, |d, x| x.$name(BITS, ROUND, &mut d.0))
    };
}

/// All functions, as every machine multiplies and adds.
fn functions() -> Vec<Function> {
    functions_by::<Fused>().into_iter().chain(functions_by::<Apart>()).collect()
}

fn functions_by<M: MulAdd>() -> Vec<Function> {
    vec![
        function!(exponential::exp within 2.0, (-745.0, 709.0), 2^(-30.0, 9.0)),
        function!(logarithm::ln within 2.0, (0.4, 2.5), 2^(-1074.0, 1024.0)),
        function!(exponential::exp_m1 within 4.0, (-2.0, 2.0), 2^(-60.0, 9.0), Digits::exp_m1),
        function!(logarithm::ln_1p within 4.0, (-0.9, 3.0), 2^(-60.0, 1000.0), Digits::ln_1p),
        function!(circular::sin within 4.0, (-20.0, 20.0), 2^(-60.0, 1024.0)),
        function!(circular::cos within 4.0, (-20.0, 20.0), 2^(-60.0, 1024.0)),
        function!(circular::tan within 4.0, (-20.0, 20.0), 2^(-60.0, 1024.0)),
        function!(inverse::asin within 4.0, (-1.0, 1.0), 2^(-60.0, 0.0)),
        function!(inverse::acos within 4.0, (-1.0, 1.0), 2^(-60.0, 0.0)),
        function!(inverse::atan within 4.0, (-4.0, 4.0), 2^(-60.0, 1024.0)),
        function!(hyperbolic::sinh within 4.0, (-3.0, 3.0), 2^(-60.0, 9.4)),
        function!(hyperbolic::cosh within 4.0, (-3.0, 3.0), 2^(-60.0, 9.4)),
        function!(hyperbolic::tanh within 4.0, (-3.0, 3.0), 2^(-60.0, 7.0)),
        function!(errors::erf within 4.0, (-3.0, 3.0), 2^(-60.0, 3.0), Digits::erf),
        function!(errors::erfc within 4.0, (0.0, 27.2), 2^(-60.0, 4.5), |d, x| match x.is_negative() {
            true => Digits::of(1.0).add(&d.erf(&x.neg()), BITS, ROUND),
            false => d.erfc(x),
        }),
    ]
}

impl Function {
    /// Where it is asked.
    fn points(&self, count: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut x: Vec<f64> = (0..count).map(|_| rng.random_range(self.range.0..self.range.1)).collect();
        for _ in 0..count {
            let size = 2f64.powf(rng.random_range(self.powers.0..self.powers.1));
            let signed = if rng.random() { size } else { -size };
            let defined = !(self.double)(signed).is_nan();
            x.push(if defined { signed } else { size });
        }
        // Where formulas change: at multiples of π/4 and ln 2/2, and at thresholds.
        for k in 1..40 {
            for step in [std::f64::consts::FRAC_PI_4, std::f64::consts::LN_2 / 2.0, 0.25] {
                let at = step * f64::from(k);
                x.extend([at, -at, at.next_up(), -at.next_down()]);
            }
        }
        let root = std::f64::consts::FRAC_1_SQRT_2;
        x.extend([root, root.next_down(), 2f64.sqrt() - 1.0, (2f64.sqrt() - 1.0).next_up(), 999_999.99, 1e6, 1e22]);
        // This one comes nearest to a multiple of π/2 among the numbers of f64.
        x.push(6_381_956_970_095_103.0 * 2f64.powi(797));
        x.retain(|x| (self.double)(*x).is_finite() && *x != 0.0);
        x
    }
}

#[test]
fn functions_of_f64_are_within_their_bounds() {
    let mut digits = Digits::new();
    for f in functions() {
        for x in f.points(250) {
            let y = (f.double)(x);
            let off = error(y, &(f.exact)(&mut digits, &Digits::of(x)), 53, -1074);
            assert!(off <= f.bound, "{}({x:e}) = {y:e} is {off} units in the last place off", f.name);
        }
    }
}

/// The distance of y from a value in f64, in units in the last place of f32.
fn error_single(y: f32, exact: f64) -> f64 {
    if f64::from(y) == exact || (y.is_nan() && exact.is_nan()) || y == exact as f32 {
        return 0.0;
    }
    if y.is_infinite() {
        // As if the exponents went on.
        return error_single(f32::MAX.copysign(y), exact) + if exact.abs() > f64::from(f32::MAX) { 0.0 } else { 1.0 };
    }
    let unit = 2f64.powi(((exact.abs().log2().floor()) as i32 - 23).max(-149));
    (f64::from(y) - exact).abs() / unit
}

/// Every `step`-th number of f32.
fn sweep(step: u32) {
    for f in functions() {
        let mut bits = 0u32;
        loop {
            let x = f32::from_bits(bits);
            let off = error_single((f.single)(x), (f.double)(f64::from(x)));
            assert!(off <= f.bound, "{}({x:e}) = {:e} is {off} units in the last place off", f.name, (f.single)(x));
            match bits.checked_add(step) {
                Some(next) => bits = next,
                None => break,
            }
        }
    }
}

#[test]
fn functions_of_f32_are_within_their_bounds() {
    sweep(49_999);
}

#[test]
#[ignore = "all numbers of f32: minutes in a release build"]
fn functions_of_f32_are_within_their_bounds_everywhere() {
    sweep(1);
}

#[test]
fn odd_functions_are_odd_and_even_ones_even() {
    const ODD: [&str; 7] = ["sin", "tan", "asin", "atan", "sinh", "tanh", "erf"];
    const EVEN: [&str; 2] = ["cos", "cosh"];
    let functions = functions();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for _ in 0..20_000 {
        // Any bits, and an exponent near that of 1.
        let bits = rng.next_u64();
        for x in [f64::from_bits(bits), 1e6 * rng.random::<f64>(), rng.random(), 0.0, 5e-324, f64::INFINITY] {
            let y = x as f32;
            for f in &functions {
                let odd = ODD.contains(&f.name);
                if odd || EVEN.contains(&f.name) {
                    let (l, r) = ((f.double)(-x), (f.double)(x));
                    let r = if odd { -r } else { r };
                    assert!(
                        l.to_bits() == r.to_bits() || (l.is_nan() && r.is_nan()),
                        "{}({x:e}): {l:e}, {r:e}",
                        f.name
                    );
                    let (l, r) = ((f.single)(-y), (f.single)(y));
                    let r = if odd { -r } else { r };
                    assert!(
                        l.to_bits() == r.to_bits() || (l.is_nan() && r.is_nan()),
                        "{}({y:e}): {l:e}, {r:e}",
                        f.name
                    );
                }
            }
        }
    }
}

#[test]
fn special_values_are_those_of_the_standard() {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    for f in functions() {
        assert!((f.double)(nan).is_nan() && (f.single)(f32::NAN).is_nan(), "{}(NaN)", f.name);
        let values = match f.name {
            "exp" => vec![(0.0, 1.0), (inf, inf), (-inf, 0.0), (710.0, inf), (-746.0, 0.0)],
            "exp_m1" => vec![(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -1.0), (710.0, inf), (5e-324, 5e-324)],
            "ln" => vec![(1.0, 0.0), (0.0, -inf), (-0.0, -inf), (inf, inf), (-1.0, nan), (-inf, nan)],
            "ln_1p" => {
                vec![(0.0, 0.0), (-0.0, -0.0), (-1.0, -inf), (inf, inf), (-1.5, nan), (-inf, nan), (5e-324, 5e-324)]
            }
            "sin" | "tan" => vec![(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan), (5e-324, 5e-324)],
            "cos" => vec![(0.0, 1.0), (-0.0, 1.0), (inf, nan), (-inf, nan)],
            "asin" => vec![(0.0, 0.0), (-0.0, -0.0), (1.0, FRAC_PI_2), (1.5, nan), (-inf, nan), (5e-324, 5e-324)],
            "acos" => vec![(1.0, 0.0), (0.0, FRAC_PI_2), (-1.0, PI), (1.5, nan), (-inf, nan)],
            "atan" => vec![(0.0, 0.0), (-0.0, -0.0), (1.0, FRAC_PI_4), (inf, FRAC_PI_2), (5e-324, 5e-324)],
            "sinh" => vec![(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (711.0, inf), (5e-324, 5e-324)],
            "cosh" => vec![(0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, inf), (711.0, inf)],
            "tanh" => vec![(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (30.0, 1.0), (5e-324, 5e-324)],
            "erf" => vec![(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (7.0, 1.0)],
            "erfc" => vec![(0.0, 1.0), (-0.0, 1.0), (inf, 0.0), (-inf, 2.0), (30.0, 0.0)],
            name => panic!("{name} has no special values"),
        };
        for (x, y) in values {
            let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            assert!(same((f.double)(x), y), "{}({x:e}) = {:e}, not {y:e}", f.name, (f.double)(x));
            let z = (f.single)(x as f32);
            assert!(same(f64::from(z), f64::from(y as f32)), "{}({x:e}) = {z:e}, not {y:e}", f.name);
        }
    }
}

const MANY: [f64; 27] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    5e-324,
    1e-310,
    -1e-45,
    f64::MAX,
    f64::MIN,
    2.0,
    -2.0,
    3.0,
    -3.0,
    0.5,
    -0.5,
    1e17,
    -1e17,
    9_007_199_254_740_993.0,
    16_777_215.0,
    -16_777_217.0,
    1.000_000_000_000_000_2,
    0.999_999_94,
    4_503_599_627_370_497.5,
    -1074.5,
];

/// Beside special values, those of the system's library, which are known to be exact to a unit in the last place.
#[test]
fn angles_and_powers_of_two_numbers() {
    angles_and_powers_by::<Fused>();
    angles_and_powers_by::<Apart>();
}

fn angles_and_powers_by<M: MulAdd>() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut pairs: Vec<(f64, f64)> = MANY.iter().flat_map(|a| MANY.map(|b| (*a, b))).collect();
    for _ in 0..20_000 {
        pairs.push((rng.random_range(-5.0..5.0), rng.random_range(-5.0..5.0)));
        pairs.push((f64::from_bits(rng.next_u64()), f64::from_bits(rng.next_u64())));
        let x = f64::from(f32::from_bits(rng.next_u32())).abs();
        pairs.push((x, rng.random_range(-110.0..110.0) / x.ln()));
    }
    let units = |a: f64, b: f64, expected: f64| {
        let same = a.to_bits() == expected.to_bits() || (a.is_nan() && expected.is_nan());
        // Nothing but equal numbers have the sign of 0, an infinity, or NaN.
        if same { 0.0 } else { (a - expected).abs() / (expected.abs() * b).max(5e-324) }
    };
    for (y, x) in pairs {
        let (turned, raised) = (<f64 as Formulas>::atan2::<M>(y, x), <f64 as Formulas>::powf::<M>(y, x));
        assert!(units(turned, f64::EPSILON / 2.0, y.atan2(x)) <= 8.0, "atan2({y:e}, {x:e}) = {turned:e}");
        let opposite = -<f64 as Formulas>::atan2::<M>(-y, x);
        assert!(turned.to_bits() == opposite.to_bits() || turned.is_nan(), "atan2({y:e}, {x:e}) is not odd");
        assert!(units(raised, f64::EPSILON / 2.0, y.powf(x)) <= 8.0, "{y:e}^{x:e} = {raised:e}, not {:e}", y.powf(x));
        let (b, a) = (y as f32, x as f32);
        let wide = |f: fn(f64, f64) -> f64| f(f64::from(b), f64::from(a));
        for (z, exact, name) in [
            (<f32 as Formulas>::atan2::<M>(b, a), wide(f64::atan2), "atan2"),
            (<f32 as Formulas>::powf::<M>(b, a), wide(f64::powf), "powf"),
        ] {
            let off = error_single(z, exact);
            let sign = exact != 0.0 || z.is_sign_negative() == exact.is_sign_negative();
            assert!(off <= 4.0 && sign, "{name}({b:e}, {a:e}) = {z:e}, not {exact:e}");
        }
    }
}
