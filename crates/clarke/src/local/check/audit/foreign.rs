//! A function and its gradient as black boxes: counted, and with an estimate of the noise of the values.

use crate::local::check::subject::{Bounds, Sides};
use crate::local::vector::{along, norm};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::cell::{Cell, RefCell};

type Value<'a> = &'a mut dyn FnMut(&[f64]) -> Option<f64>;
type Gradient<'a> = &'a mut dyn FnMut(&[f64]) -> Option<Vec<f64>>;

pub(super) struct Foreign<'a> {
    value: RefCell<Value<'a>>,
    gradient: RefCell<Gradient<'a>>,
    precision: f64,
    /// What values are wrong by at the point, from differences.
    floor: Cell<f64>,
    /// The norm of the largest gradient seen near the point: what rounding of the argument is multiplied by.
    slope: Cell<f64>,
    calls: Cell<(usize, usize)>,
    missing: Cell<usize>,
}

/// How many roundings a value is taken to be wrong by.
const ROUNDINGS: f64 = 8.0;

impl<'a> Foreign<'a> {
    pub fn new(value: Value<'a>, gradient: Gradient<'a>, precision: f64) -> Foreign<'a> {
        Foreign {
            value: RefCell::new(value),
            gradient: RefCell::new(gradient),
            precision,
            floor: Cell::new(0.0),
            slope: Cell::new(0.0),
            calls: Cell::new((0, 0)),
            missing: Cell::new(0),
        }
    }

    /// The value, if it is finite.
    pub fn value(&self, x: &[f64]) -> Option<f64> {
        let (values, gradients) = self.calls.get();
        self.calls.set((values + 1, gradients));
        self.counted((*self.value.borrow_mut())(x).filter(|v| v.is_finite()))
    }

    /// The gradient, if it is finite and as long as the argument.
    pub fn vector(&self, x: &[f64]) -> Option<Vec<f64>> {
        let (values, gradients) = self.calls.get();
        self.calls.set((values, gradients + 1));
        let fits = |v: &Vec<f64>| v.len() == x.len() && v.iter().all(|x| x.is_finite());
        self.counted((*self.gradient.borrow_mut())(x).filter(fits))
    }

    fn counted<T>(&self, found: Option<T>) -> Option<T> {
        self.missing.set(self.missing.get() + usize::from(found.is_none()));
        found
    }

    /// Learns how large gradients are near a point, and how noisy values are there: what is left of them in differences of
    /// fourth order over steps in which a smooth function is straight.
    pub fn learn(&self, x: &[f64], slope: f64, rng: &mut ChaCha8Rng) {
        self.slope.set(slope);
        let step = super::smallest(x, self.precision) / 16.0;
        let mut floor = 0.0f64;
        for _ in 0..3 {
            let d: Vec<f64> = x.iter().map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
            // On one side of x: a tie at x itself is no noise.
            let values: Option<Vec<f64>> = (1..7).map(|k| self.value(&along(x, f64::from(k) * step, &d))).collect();
            let Some(values) = values else { continue };
            let fourth = |w: &[f64]| (w[0] - 4.0 * w[1] + 6.0 * w[2] - 4.0 * w[3] + w[4]).abs();
            floor = values.windows(5).map(fourth).fold(floor, f64::max);
        }
        self.floor.set(2.0 * floor / 70f64.sqrt());
    }

    /// What a value is taken to be wrong by at most.
    pub fn noise(&self, x: &[f64], value: f64) -> f64 {
        let rounding = self.precision * (value.abs() + self.slope.get() * norm(x));
        ROUNDINGS * rounding + 2.0 * self.floor.get() + f64::MIN_POSITIVE
    }

    /// The norm of the largest gradient seen near the point.
    pub fn steepest(&self) -> f64 {
        self.slope.get()
    }

    /// Values and gradients asked for.
    pub fn calls(&self) -> (usize, usize) {
        self.calls.get()
    }

    /// How many of these were missing or not finite.
    pub fn missing(&self) -> usize {
        self.missing.get()
    }
}

impl Sides for Foreign<'_> {
    fn bounds(&self, x: &[f64]) -> Option<Bounds> {
        let value = self.value(x)?;
        let noise = self.noise(x, value);
        Some(Bounds { lo: value - noise, hi: value + noise, rigorous: false })
    }

    fn rule(&self, x: &[f64]) -> Option<Vec<f64>> {
        self.vector(x)
    }

    fn precision(&self) -> f64 {
        self.precision
    }
}
