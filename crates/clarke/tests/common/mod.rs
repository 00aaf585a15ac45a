//! What the law tests share.
#![allow(dead_code)]

pub mod linear;
pub mod workloads;

use clarke::program::Role;
use clarke::program::tie::Site;
use clarke::{Compiled, Program, Tensor};

/// A small deterministic source of numbers (splitmix64), so that a failure can be repeated from its seed.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn tensor(&mut self, shape: &[usize], (low, high): (f64, f64)) -> Tensor {
        Tensor::from_fn(shape, |_| low + (high - low) * self.uniform())
    }

    /// Integers and halves of the interval: few values, so that ties are frequent.
    pub fn grid(&mut self, shape: &[usize], (low, high): (f64, f64)) -> Tensor {
        let (first, last) = ((low * 2.0).ceil() as i64, (high * 2.0).floor() as i64);
        Tensor::from_fn(shape, |_| (first + self.below((last - first + 1).max(1) as usize) as i64) as f64 / 2.0)
    }
}

/// All numbers, one after another.
pub fn numbers(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(|t| t.data().to_vec()).collect()
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    std::iter::zip(a, b).map(|(x, y)| x * y).sum()
}

pub fn close(a: &[f64], b: &[f64], relative: f64) -> bool {
    a.len() == b.len()
        && std::iter::zip(a, b).all(|(x, y)| {
            (x.is_nan() && y.is_nan()) || x == y || (x - y).abs() <= relative * (1.0 + x.abs().max(y.abs()))
        })
}

pub fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    a.shape() == b.shape()
        && std::iter::zip(a.data(), b.data()).all(|(x, y)| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()))
}

pub fn stack(tensors: &[&Tensor]) -> Tensor {
    let shape: Vec<usize> = std::iter::once(tensors.len()).chain(tensors[0].shape().iter().copied()).collect();
    Tensor::new(&shape, tensors.iter().flat_map(|t| t.data().to_vec()).collect()).unwrap()
}

/// A number of [0, 1] for each tie, the same in every derivative of one program.
pub fn selection(site: &Site, seed: u64) -> f64 {
    let key = seed ^ ((site.node as u64) << 20) ^ ((site.number as u64) << 50);
    Draw::new(key).uniform()
}

/// Compiled with such selections.
pub fn compile_filled(program: &Program, seed: u64) -> Compiled<f64> {
    assert!(program.inputs().iter().all(|i| !matches!(i.role, Role::Selection(None))));
    // The scalar selection of unit is the same number in every entry, which must stay in the ball: its default is used.
    program.compile_with::<f64>(&|site| {
        let default = site.choice(clarke::Convention::MinNorm).selection;
        if site.tie.name() == "unit" { default } else { selection(site, seed) }
    })
}
