//! sinh, cosh and tanh by what eˣ and eˣ − 1 are made of, at |x|; their signs are put on at the end.

macro_rules! hyperbolic {
    ($module:ident $t:ident, $most:literal, tanh = 1 from $flat:literal, sinh = x below $tiny:literal) => {
        pub mod $module {
            use super::super::MulAdd;
            use super::super::exponential::$module::{TERMS, power_of_two, reduced};

            /// |x|, or where the functions have overflowed.
            #[inline(always)]
            fn magnitude(x: $t, most: $t) -> $t {
                if x.abs() > most { most } else { x.abs() }
            }

            /// sinh x.
            #[inline(always)]
            pub fn sinh<M: MulAdd>(x: $t) -> $t {
                let (shifted, p) = reduced::<M>(magnitude(x, $most), 0.0, &TERMS);
                let quarter = power_of_two(shifted, 2);
                // Half of eˣ − 1, without overflow before the result does.
                let t = 2.0 * M::$module(quarter, p, quarter - 0.25);
                let y = t + t / (2.0 * t + 1.0);
                // ∞/∞ would be NaN.
                let y = if t == $t::INFINITY { t } else { y };
                if x.abs() < $tiny { x } else { y.copysign(x) }
            }

            /// cosh x.
            #[inline(always)]
            pub fn cosh<M: MulAdd>(x: $t) -> $t {
                let (shifted, p) = reduced::<M>(magnitude(x, $most), 0.0, &TERMS);
                let half = 2.0 * (power_of_two(shifted, 2) * (1.0 + p));
                half + 0.25 / half
            }

            /// tanh x = (e²ˣ − 1)/(e²ˣ + 1).
            #[inline(always)]
            pub fn tanh<M: MulAdd>(x: $t) -> $t {
                let (shifted, p) = reduced::<M>(2.0 * magnitude(x, $flat), 0.0, &TERMS);
                let scale = power_of_two(shifted, 0);
                let t = M::$module(scale, p, scale - 1.0);
                (t / (t + 2.0)).copysign(x)
            }
        }
    };
}

hyperbolic!(single f32, 89.45, tanh = 1 from 10.0, sinh = x below 1e-5);
hyperbolic!(double f64, 710.5, tanh = 1 from 20.0, sinh = x below 1e-9);
