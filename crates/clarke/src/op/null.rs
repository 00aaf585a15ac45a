//! The tie of the projection onto the positive semidefinite matrices: `psd_direction`.

use super::axes::{Selected, batch_tie};
use super::definite::square;
use super::eigen::{by_selection, last_two, within};
use super::factor::{Field, cubes, eigen_of, field_kernels, matrix};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op};
use crate::program::tie::{Met, Tie};
use crate::tensor::{Tensor, size, unravel};

/// `psd_direction(u, s)`: the symmetric matrix that decides on the null space of u which derivative the projection onto
/// the positive semidefinite matrices has; shape of u.
///
/// Off the tie it decides nothing. A scalar selection λ stands for λ·I: on the null space 0 ≤ λ ≤ 1 times the identity,
/// an element of the Clarke Jacobian. An array E of the shape of u gives the derivative of the projection at VᵀEV. Not
/// affine in it: these are elements of the set, and its extreme elements are limits of them.
#[derive(Debug, Clone)]
pub struct PsdDirection;

impl PsdDirection {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "psd_direction",
        signature: "psd_direction(u, s)",
        formula: "the matrix that decides on the null space of u",
        class: "piecewise linear",
        ties: "any direction, where an eigenvalue of u is 0 (within n·ε·‖u‖)",
        source: "Malick, Sendov 2006, Theorem 3.7",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            Ok(call.apply(PsdDirection, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };

    /// The vectors of the null space and how far the eigenvalues counted as 0 are from it.
    fn null(a: &[f64], n: usize, tolerance: f64) -> Option<(Vec<f64>, f64)> {
        let (w, v) = eigen_of(a, n)?;
        let rounding = n as f64 * f64::EPSILON * w[0].abs().max(w[n - 1].abs());
        let zero: Vec<usize> = (0..n).filter(|i| w[*i].abs() <= rounding + tolerance).collect();
        let furthest = zero.iter().map(|i| w[*i].abs()).fold(0.0, f64::max);
        let basis: Vec<f64> = zero.iter().flat_map(|i| v[i * n..(i + 1) * n].to_vec()).collect();
        (!basis.is_empty()).then_some((basis, if furthest <= rounding { 0.0 } else { furthest }))
    }

    fn select(&self, u: &Tensor, mut element: impl FnMut(usize, &[f64]) -> Vec<f64>) -> Tensor {
        let (lead, n, _) = matrix(u.shape());
        let mut s = Tensor::full(u.shape(), 0.0);
        for k in 0..size(lead) {
            let own = k * n * n..(k + 1) * n * n;
            if let Some((basis, _)) = PsdDirection::null(&u.data()[own.clone()], n, 0.0) {
                s.data_mut()[own].copy_from_slice(&element(k, &basis));
            }
        }
        s
    }
}

impl Op for PsdDirection {
    fn name(&self) -> &'static str {
        "psd_direction"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        square("psd_direction", args[0])?;
        Selected::of("psd_direction", args[1], args[0], &last_two().kept(args[0]))?;
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[1]
    }

    // What decides does not move with the matrix.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(at.tangents[1].map(|dot| by_selection(PsdDirection, at.args[0], at.args[1], dot)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(PsdDirection, at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

field_kernels!(PsdDirection, |_, args, _| 13 * cubes(args[0]));

impl PsdDirection {
    fn kernel<T: Field>(&self, args: &[&[usize]], _: &[usize]) -> Kernel<T> {
        let (_, n, _) = matrix(args[0]);
        let selected = Selected::of("psd_direction", args[1], args[0], &last_two().kept(args[0]))
            .expect("a selection's shape was checked with the shape");
        Kernel::new(move |args, out, _| {
            if selected.is_each() {
                return out.copy_from_slice(args[1]);
            }
            for (k, y) in out.iter_mut().enumerate() {
                let (slice, at) = (k / (n * n), k % (n * n));
                *y = if at % (n + 1) == 0 { selected.at(args[1], slice) } else { T::of(0.0) };
            }
        })
    }
}

impl Tie for PsdDirection {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (lead, n, _) = matrix(u.shape());
        let met = |(k, a): (usize, &[f64])| {
            let (basis, distance) = PsdDirection::null(a, n, tolerance)?;
            Some(Met {
                index: unravel(k, lead),
                pieces: (basis.len() == n).then_some(2),
                distance,
                beyond: f64::INFINITY,
            })
        };
        u.data().chunks_exact(n * n).enumerate().filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        let (_, n, _) = matrix(u.shape());
        self.select(u, |_, basis| {
            // One null vector has an interval, of which a multiple of the identity is a point.
            if basis.len() == n {
                let weight = uniform();
                return (0..n * n).map(|k| if k % (n + 1) == 0 { weight } else { 0.0 }).collect();
            }
            let mut e = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    let x = 2.0 * uniform() - 1.0;
                    (e[i * n + j], e[j * n + i]) = (x, x);
                }
            }
            e
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        let (_, n, _) = matrix(u.shape());
        self.select(u, |k, basis| {
            let m = basis.len() / n;
            let mut e = vec![0.0; n * n];
            let mut weight = 1.0;
            for dot in dots {
                let dot = &dot.data()[k * n * n..(k + 1) * n * n];
                let scale = dot.iter().fold(0.0, |s: f64, x| s.max(x.abs()));
                let Some((mu, _)) = eigen_of(&within(dot, basis, n), m) else { continue };
                let largest = mu[0].abs().max(mu[m - 1].abs());
                if largest <= 64.0 * n as f64 * f64::EPSILON * scale {
                    continue;
                }
                // The largest eigenvalue becomes 1, so that one null vector is decided wholly; later directions are
                // told apart only where this one vanishes.
                e.iter_mut().zip(dot).for_each(|(e, d)| *e += weight * d / largest);
                if mu.iter().all(|mu| mu.abs() > 1e-9 * largest) {
                    break;
                }
                weight *= 1e-6;
            }
            e
        })
    }

    // A direction, whose derivative is taken.
    fn is_affine(&self) -> bool {
        false
    }
}
