//! Arithmetic of f64 rounded towards one side: bounds of exact sums, products, quotients and roots.
//!
//! Each is the nearest result moved by one unit where its error, computed exactly (Dekker 1971; Ogita, Rump, Oishi 2005),
//! lies on the wrong side: so results that are exact stay as they are. A NaN result stands for no bound.

/// Products and quotients above this magnitude have errors that are numbers: 2^-960.
const TINY: f64 = f64::from_bits(63 << 52);

/// The error of a + b rounded to s: exact, or NaN where something is infinite.
#[inline(always)]
fn error_of_sum(a: f64, b: f64, s: f64) -> f64 {
    let part = s - a;
    (a - (s - part)) + (b - part)
}

/// A number not above a + b.
#[inline(always)]
pub fn add_down(a: f64, b: f64) -> f64 {
    let s = a + b;
    if error_of_sum(a, b, s) >= 0.0 { s } else { s.next_down() }
}

/// A number not below a + b.
#[inline(always)]
pub fn add_up(a: f64, b: f64) -> f64 {
    let s = a + b;
    if error_of_sum(a, b, s) <= 0.0 { s } else { s.next_up() }
}

/// A number not above a · b; NaN for 0 · ∞.
#[inline(always)]
pub fn mul_down(a: f64, b: f64) -> f64 {
    let p = a * b;
    let exact = if p.abs() >= TINY { a.mul_add(b, -p) >= 0.0 } else { a == 0.0 || b == 0.0 };
    if exact { p } else { p.next_down() }
}

/// A number not below a · b; NaN for 0 · ∞.
#[inline(always)]
pub fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// A number not above a / b for b > 0; NaN for ∞ / ∞.
#[inline(always)]
pub fn div_down(a: f64, b: f64) -> f64 {
    let q = a / b;
    let exact = if q.abs() >= TINY && a.abs() >= TINY { (-q).mul_add(b, a) >= 0.0 } else { a == 0.0 };
    if exact { q } else { q.next_down() }
}

/// A number not below a / b for b > 0; NaN for ∞ / ∞.
#[inline(always)]
pub fn div_up(a: f64, b: f64) -> f64 {
    -div_down(-a, b)
}

/// Numbers not above and not below √x for x ≥ 0.
pub fn sqrt(x: f64) -> (f64, f64) {
    let s = x.sqrt();
    if x == 0.0 {
        return (s, s);
    }
    // √x is far from the smallest numbers, but the error of its square need not be.
    let error = if x >= TINY { (-s).mul_add(s, x) } else { f64::NAN };
    (if error >= 0.0 { s } else { s.next_down() }, if error <= 0.0 { s } else { s.next_up() })
}

/// How far a value of an elementary function is moved: 8 to 16 units in the last place, at least twice the 4 that our own
/// are tested for.
const SPREAD: f64 = 1.0 / (1u64 << 49) as f64;

/// A bound from below for the exact value of a function that returned v.
pub fn below(v: f64) -> f64 {
    match v {
        f64::INFINITY => f64::MAX,
        f64::NEG_INFINITY => v,
        _ => v - (v.abs() * SPREAD + 16.0 * f64::from_bits(1)),
    }
}

/// A bound from above for the exact value of a function that returned v.
pub fn above(v: f64) -> f64 {
    -below(-v)
}
