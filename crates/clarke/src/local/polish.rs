//! Polishing: Newton's method on the ties that a point nearly meets, towards a point that meets them and is critical.

use super::At;
use super::equations::{Equations, Weight};
use super::vector::{flat, minus, norm};
use crate::error::Result;
use crate::program::Program;
use crate::run::{Compiled, Workspace};
use crate::tensor::Tensor;
use faer::Mat;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// A point near which a program was looked at, moved onto its ties.
#[derive(Debug, Clone, PartialEq)]
pub struct Polished {
    /// Values of all inputs, as [`Program::at`] takes them.
    pub point: Vec<Tensor>,
    /// The value there.
    pub value: f64,
    /// ‖Σ w v‖₂, the norm of the derivative with the weights found for the pieces that tie.
    pub norm: f64,
    /// The active differences: how many equations between pieces the point was moved onto.
    pub active: usize,
    /// How far the point is from meeting them.
    pub precision: Precision,
}

/// How far a point is from meeting the ties that count as met.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Every active difference is 0 in the arithmetic used.
    Exact,
    /// The largest active difference is this τ > 0; sets and verdicts there are of the point enlarged by it.
    Polished(f64),
    /// The largest active difference is τ, and a critical point at which all of them are exactly 0 is proved to lie within
    /// a radius of this one ([`Proof`](super::Proof)).
    Proved {
        /// τ.
        tau: f64,
        /// The radius, in every variable.
        radius: f64,
    },
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Precision::Exact => f.write_str("exact"),
            Precision::Polished(tau) => write!(f, "polished({tau:.1e})"),
            Precision::Proved { radius, .. } => write!(f, "exact within {}", upward(*radius)),
        }
    }
}

/// A bound in two digits, rounded up.
fn upward(x: f64) -> String {
    let short = format!("{x:.1e}");
    if short.parse().is_ok_and(|read: f64| read >= x) { short } else { format!("{:.1e}", x * 1.05) }
}

impl Precision {
    /// The tolerance within which the ties are met.
    pub fn tolerance(self) -> f64 {
        match self {
            Precision::Exact => 0.0,
            Precision::Polished(tau) | Precision::Proved { tau, .. } => tau,
        }
    }
}

/// The tolerances within which differences are taken for active, one after the other.
const WITHIN: [f64; 8] = [1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3];

/// Steps of Newton's method.
const STEPS: usize = 12;

/// Relative to the gradients that are combined, the norm that ends the search; what judging a point takes for 0 is 10⁻¹⁰.
const SMALL: f64 = 1e-12;

/// Points with so many digits behind the binary point are tried, since solutions are often short numbers: 2³⁰.
const DIGITS: f64 = 1_073_741_824.0;

/// Singular values below this, relative to the largest, are taken for 0: the matrix is known to about as much.
const RANK: f64 = 1e-9;

impl At {
    /// A critical point of a scalar program near this one, by Newton's method on
    ///
    /// G(x, w) = 0 and u_a(x) = 0 for all active differences u_a,
    ///
    /// where G is the derivative with weights w for the pieces that tie, affine in each weight. A difference is active if it is
    /// at most a tolerance, tried from 10⁻¹² up to 10⁻³. Derivatives of G and u in x are central differences; systems that
    /// have no unique solution are solved by least squares of least norm. A result is taken only if the value there is not
    /// larger, by more than 10⁻¹² max(1, |f|), and of those the one with the least ‖G‖ relative to the gradients combined.
    ///
    /// None if nothing was found, there are more than 400 unknowns, or ties are met that are no differences of finitely many
    /// pieces (norms at 0, eigenvalues). Whether the point is critical says [`At::judge`] there, with the tolerance of
    /// [`Polished::precision`]: weights found here may be negative.
    ///
    /// Errors: those of [`At::gradient`]. Cost: for each tolerance up to 12 steps of 2n + |w| gradients and a factorization.
    /// Source: the U-Newton step of Lemaréchal, Oustry, Sagastizábal, Trans. AMS 352 (2000), with the manifold known by its ties.
    ///
    /// ```
    /// // max(x² + y², 2 − x − y) is least where both variables are (√5 − 1)/2, and there the two tie.
    /// let f = clarke::Program::trace(&[&[], &[]], |v| {
    ///     (v[0] * v[0] + v[1] * v[1]).maximum(2.0 - v[0] - v[1])
    /// })?;
    /// let near = f.at(&[0.6180341.into(), 0.6180338.into()])?;
    /// let polished = near.polish()?.unwrap();
    /// assert_eq!(polished.active, 1);
    /// assert!(polished.norm < 1e-12 && polished.precision.tolerance() < 1e-14);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn polish(&self) -> Result<Option<Polished>> {
        let before = self.value()?;
        let allowed = before + 1e-12 * before.abs().max(1.0);
        let mut best: Option<(f64, Polished)> = None;
        for within in WITHIN {
            let Some(mut system) = System::new(self, within)? else { continue };
            let Some((relative, x)) = system.newton(within) else { continue };
            let better = best.as_ref().is_none_or(|(least, _)| relative < *least);
            let found = if better { self.taken(&mut system, &x, allowed)? } else { None };
            best = found.map(|found| (relative, found)).or(best);
            if best.as_ref().is_some_and(|(relative, _)| *relative <= SMALL) {
                break;
            }
        }
        Ok(best.map(|(_, polished)| polished))
    }

    /// The polished point, if the value there is allowed; the same with fewer digits, if all ties are exact there.
    fn taken(&self, system: &mut System, z: &[f64], allowed: f64) -> Result<Option<Polished>> {
        let short = |x: &f64| (x * DIGITS).round() / DIGITS + 0.0;
        let rounded: Vec<f64> = z[..system.n].iter().map(short).chain(z[system.n..].iter().copied()).collect();
        if let Some(found) = self.polished(system, &rounded, allowed)?
            && found.precision == Precision::Exact
            && found.norm <= system.scale * SMALL
        {
            return Ok(Some(found));
        }
        // What is 0 up to rounding of the other entries is meant to be 0: sparse solutions look so.
        let largest = z[..system.n].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let clean = |(k, x): (usize, &f64)| if k < system.n && x.abs() <= f64::EPSILON * largest { 0.0 } else { *x };
        let clean: Vec<f64> = z.iter().enumerate().map(clean).collect();
        self.polished(system, &clean, allowed)
    }

    fn polished(&self, system: &mut System, z: &[f64], allowed: f64) -> Result<Option<Polished>> {
        let point = system.of.point_at(z);
        let Ok(at) = At::of(&self.program, &self.derived, &point) else { return Ok(None) };
        let value = at.value()?;
        let spread = system.spread(z);
        let precision = if spread == 0.0 { Precision::Exact } else { Precision::Polished(spread) };
        let (norm, active) = (norm(&system.derivative(z)), system.of.weights.len());
        Ok((value <= allowed).then_some(Polished { point, value, norm, active, precision }))
    }
}

/// The equations, compiled.
struct System {
    of: Equations,
    /// (inputs, values of ties) ↦ the gradient.
    gradient: (Compiled<f64>, Workspace<f64>),
    /// inputs ↦ the arguments of the ties.
    arguments: (Compiled<f64>, Workspace<f64>),
    n: usize,
    /// The largest norm of a gradient that is combined, when last computed.
    scale: f64,
}

impl System {
    /// None if there are too many unknowns, or ties that are no differences.
    fn new(at: &At, within: f64) -> Result<Option<System>> {
        let Some(of) = Equations::new(at, within)? else { return Ok(None) };
        let compile = |program: &Program| {
            let compiled = program.compile_with::<f64>(&|_| 0.0);
            let workspace = compiled.workspace();
            (compiled, workspace)
        };
        let (gradient, arguments, n) = (compile(&of.gradient), compile(&of.arguments), of.n);
        Ok(Some(System { of, gradient, arguments, n, scale: 1.0 }))
    }

    /// G(x, w).
    fn derivative(&mut self, z: &[f64]) -> Vec<f64> {
        let inputs: Vec<Tensor> = self.of.point_at(z).into_iter().chain(self.of.values(&z[self.n..])).collect();
        flat(&call(&mut self.gradient, &inputs))
    }

    /// The active differences u_a(x).
    fn differences(&mut self, z: &[f64]) -> Vec<f64> {
        let inputs = self.of.point_at(z);
        let arguments = call(&mut self.arguments, &inputs);
        let of = |w: &Weight| {
            let u = arguments[w.tie].data();
            u[w.entry] - w.rest.map_or(0.0, |rest| u[rest])
        };
        self.of.weights.iter().map(of).collect()
    }

    /// The largest difference of two pieces that tie.
    fn spread(&mut self, z: &[f64]) -> f64 {
        let differences = self.differences(z);
        let mut ranges: HashMap<(usize, usize), (f64, f64)> = HashMap::new();
        let mut largest = 0.0f64;
        for (w, u) in self.of.weights.iter().zip(differences) {
            // All pieces of a maximum are compared with its first one; those of other ties stand alone.
            let Some(rest) = w.rest else {
                largest = largest.max(u.abs());
                continue;
            };
            let (low, high) = ranges.entry((w.tie, rest)).or_insert((0.0, 0.0));
            (*low, *high) = (low.min(u), high.max(u));
            largest = largest.max(*high - *low);
        }
        largest
    }

    /// All equations, one after the other.
    fn equations(&mut self, z: &[f64]) -> Vec<f64> {
        let mut all = self.derivative(z);
        all.extend(self.differences(z));
        all
    }

    /// The z of least ‖G‖ relative to the gradients that are combined, with that number, unless the iterates left where
    /// differences are active.
    fn newton(&mut self, within: f64) -> Option<(f64, Vec<f64>)> {
        let mut z = self.of.start();
        let reach = (100.0 * within + 1e-4) * norm(&z[..self.n]).max(1.0);
        let start = z.clone();
        let mut best: Option<(f64, Vec<f64>)> = None;
        for _ in 0..STEPS {
            let f = self.equations(&z);
            let jacobian = self.jacobian(&z);
            let (scale, steepest) = self.scales(&jacobian, &f);
            self.scale = scale;
            let distance = f[self.n..].iter().fold(0.0, |m: f64, u| m.max(u.abs()));
            // A difference d of pieces with gradients of this size is met within d / steepest.
            let missed = distance / (steepest * norm(&z[..self.n]).max(1.0));
            let merit = (norm(&f[..self.n]) / scale).max(missed);
            let moved = norm(&minus(&z[..self.n], &start[..self.n]));
            if !merit.is_finite() || moved > reach {
                break;
            }
            let improved = best.as_ref().is_none_or(|(least, _)| merit < *least);
            if improved {
                best = Some((merit, z.clone()));
            } else if best.as_ref().is_some_and(|(least, _)| *least <= SMALL) {
                break;
            }
            let step = least_squares(&jacobian, &f)?;
            z = minus(&z, &step);
        }
        best
    }

    /// The largest norm of a gradient that is combined, and of the gradient of a difference; 1 where there is none.
    fn scales(&self, jacobian: &Mat<f64>, f: &[f64]) -> (f64, f64) {
        let (n, m) = (self.n, self.of.weights.len());
        let column = |j: usize| (0..n).map(|i| jacobian[(i, n + j)].powi(2)).sum::<f64>().sqrt();
        let row = |i: usize| (0..n).map(|j| jacobian[(n + i, j)].powi(2)).sum::<f64>().sqrt();
        let combined = (0..m).map(column).fold(norm(&f[..n]).max(1e-300), f64::max);
        let steepest = (0..m).map(row).fold(0.0, f64::max);
        // Where nothing ties the gradient itself must vanish: its change over the variables says what is small.
        let plain = (0..n).map(|j| (0..n).map(|i| jacobian[(i, j)].powi(2)).sum::<f64>().sqrt()).fold(0.0, f64::max);
        (if m == 0 { plain.max(1e-300) } else { combined }, if steepest > 0.0 { steepest } else { 1.0 })
    }

    /// The derivative of the equations: central differences in x, and in w, where they are affine, differences over 1.
    fn jacobian(&mut self, z: &[f64]) -> Mat<f64> {
        let count = z.len();
        let mut jacobian = Mat::zeros(count, count);
        for j in 0..count {
            let h = if j < self.n { 1e-6 * z[j].abs().max(1.0) } else { 0.5 };
            let (mut up, mut down) = (z.to_vec(), z.to_vec());
            up[j] += h;
            down[j] -= h;
            let width = up[j] - down[j];
            let (up, down) = (self.equations(&up), self.equations(&down));
            (0..count).for_each(|i| jacobian[(i, j)] = (up[i] - down[i]) / width);
        }
        jacobian
    }
}

/// The least squares solution of least norm of J d = f; None where J has no finite factorization.
fn least_squares(jacobian: &Mat<f64>, f: &[f64]) -> Option<Vec<f64>> {
    let finite = (0..f.len()).all(|j| (0..f.len()).all(|i| jacobian[(i, j)].is_finite()));
    let svd = finite.then(|| jacobian.thin_svd().ok())??;
    let (u, s, v) = (svd.U(), svd.S().column_vector(), svd.V());
    let count = f.len();
    let mut d = vec![0.0; count];
    for k in (0..count).filter(|&k| s[k] > RANK * s[0]) {
        let along = (0..count).map(|i| u[(i, k)] * f[i]).sum::<f64>() / s[k];
        (0..count).for_each(|i| d[i] += along * v[(i, k)]);
    }
    Some(d)
}

/// The outputs of a compiled program.
fn call((compiled, workspace): &mut (Compiled<f64>, Workspace<f64>), inputs: &[Tensor]) -> Vec<Tensor> {
    let mut out: Vec<Tensor> = compiled.outputs().iter().map(|shape| Tensor::full(shape, 0.0)).collect();
    let inputs: Vec<&[f64]> = inputs.iter().map(Tensor::data).collect();
    let mut outputs: Vec<&mut [f64]> = out.iter_mut().map(|t| t.data_mut()).collect();
    compiled.run(workspace, &inputs, &mut outputs);
    out
}
