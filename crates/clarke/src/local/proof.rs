//! Proofs that a critical point exists near one that was computed, by Krawczyk's operator in interval arithmetic.
//!
//! The equations G(x, w) = 0, u_a(x) = 0 of a critical point on its ties are as many as their unknowns. For a box Z around
//! z̃, a matrix Y and an enclosure J of the (generalized) Jacobians over Z,
//!
//! K(Z) = z̃ − Y F(z̃) + (I − Y J)(Z − z̃) ⊂ int Z
//!
//! proves that Z holds exactly one zero of F, and that every matrix of J is regular (Krawczyk 1969; Rump, "Verification
//! methods", Acta Numerica 19 (2010), Theorem 13.3). The mean value theorem holds for Lipschitz maps with the hull of their
//! generalized Jacobians, so that kinks of G are no obstacle: their slopes are enclosed. Jumps are: no tie but the active
//! ones may be met anywhere in Z.
//!
//! With weights from [0, 1] over the box the zero is a critical point whose ties are met exactly. That the rows of the
//! differences are independent, for all choices at kinks, makes every choice at the ties one that directions realize: so 0
//! lies in the Clarke subdifferential there, not only in the conservative gradient.

use super::At;
use super::along::tie_nodes;
use super::equations::Equations;
use super::filled::filled;
use crate::derive::{Linearized, linearize_with};
use crate::error::Result;
use crate::program::Program;
use crate::program::interval::Interval;
use crate::run::{Arithmetic, enclose};
use crate::tensor::{Boxes, Tensor, size};
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;
use serde::{Deserialize, Serialize};

/// What was proved of a point x: there is exactly one point in the box around it at which all differences that count as
/// active are 0 and 0 = Σ w v for weights of the box; these weights are positive, and 0 lies in the Clarke subdifferential
/// there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// No variable of that point is further from x than this.
    pub radius: f64,
    /// Bounds of the value there.
    pub value: (f64, f64),
    /// The middles of the box in the weights, one for each active difference in the order of the program.
    pub weights: Vec<f64>,
    /// Its half-widths in all variables and then in the weights.
    pub box_radii: Vec<f64>,
}

/// How often a box is made larger.
const ROUNDS: usize = 12;

/// The most numbers that the enclosures of one Jacobian may compute.
const WORK: usize = 100_000_000;

/// The widest box in the variables of which a proof says anything of use, relative to the largest of them (or to 1).
const NEAR: f64 = 1e-6;

/// A box in the unknowns that Krawczyk's operator is tried on.
struct Boxed<'a> {
    at: &'a At,
    of: &'a Equations,
    program: &'a Linearized,
    /// The middle z̃, of which the first entries are x.
    z: Vec<f64>,
    radii: Vec<f64>,
}

/// What the operator gives: K(Z) − z̃.
type Image = Vec<Interval>;

impl At {
    /// Proves that a critical point lies near this one, at which the differences that are within a distance of 0 here are
    /// exactly 0.
    ///
    /// Near means: within 10⁻⁶ max(1, ‖x‖∞). None if that cannot be shown: the equations are singular (more ties meet than there are dimensions, or minimizers
    /// are not isolated), a weight is 0 or negative, ties are no differences, the enclosures are too wide, or it would take
    /// long. Errors: those of [`At::gradient`]. Cost: some interval runs of a second derivative for each variable and
    /// active difference.
    ///
    /// ```
    /// // x² = 2 has a root near 1.41421356237, where |x² − 2| has its minimum.
    /// let f = clarke::Program::trace(&[&[]], |v| (v[0] * v[0] - 2.0).abs())?;
    /// let proof = f.at(&[1.41421356237.into()])?.prove(1e-10)?.unwrap();
    /// assert!(proof.radius < 1e-11 && proof.value.0 <= 0.0);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn prove(&self, within: f64) -> Result<Option<Proof>> {
        let Some((of, program)) = self.square(within)? else { return Ok(None) };
        let mut boxed = Boxed { at: self, of: &of, program: &program, z: of.start(), radii: vec![] };
        boxed.radii = vec![0.0; boxed.z.len()];
        let Some(inverse) = boxed.inverse()? else { return Ok(None) };
        // In the weights the equations are affine as long as no tie stands behind another: two steps more than suffice.
        for _ in 0..3 {
            let step = boxed.step(&inverse)?;
            let n = of.n;
            boxed.z[n..].iter_mut().zip(&step[n..]).for_each(|(w, d)| *w -= d.middle());
        }
        let Some(inverse) = boxed.inverse()? else { return Ok(None) };
        let step = boxed.step(&inverse)?;
        let least = |z: &f64| 4.0 * f64::EPSILON * z.abs().max(f64::MIN_POSITIVE / f64::EPSILON);
        boxed.radii = std::iter::zip(&boxed.z, &step).map(|(z, d)| 2.0 * d.most() + least(z)).collect();
        for _ in 0..ROUNDS {
            if boxed.radii.iter().any(|r| !r.is_finite()) {
                return Ok(None);
            }
            let image = boxed.image(&inverse)?;
            if boxed.is_inside(&image) {
                return boxed.proof();
            }
            let wider = |(r, i): (&f64, &Interval)| (1.5 * i.most()).max(*r);
            boxed.radii = std::iter::zip(&boxed.radii, &image).map(wider).collect();
        }
        Ok(None)
    }

    /// Whether a proof holds of this point, with differences active within a distance: all of it is computed anew.
    pub(super) fn holds(&self, within: f64, proof: &Proof) -> Result<bool> {
        let Some((of, program)) = self.square(within)? else { return Ok(false) };
        let count = of.n + of.weights.len();
        let sound = |r: &f64| *r >= 0.0 && r.is_finite();
        if proof.weights.len() != of.weights.len()
            || proof.box_radii.len() != count
            || !proof.box_radii.iter().all(sound)
        {
            return Ok(false);
        }
        let z: Vec<f64> = of.start()[..of.n].iter().chain(&proof.weights).copied().collect();
        let boxed = Boxed { at: self, of: &of, program: &program, z, radii: proof.box_radii.clone() };
        let Some(inverse) = boxed.inverse()? else { return Ok(false) };
        let image = boxed.image(&inverse)?;
        if !boxed.is_inside(&image) {
            return Ok(false);
        }
        // What was stated may be weaker than what is found, not stronger.
        let own = boxed.proof()?;
        let weaker =
            |own: Proof| proof.radius >= own.radius && proof.value.0 <= own.value.0 && proof.value.1 >= own.value.1;
        Ok(own.is_some_and(weaker))
    }

    /// The equations with their linearization, where they can be had.
    fn square(&self, within: f64) -> Result<Option<(Equations, Linearized)>> {
        if self.path_differentiable()? != Some(true) {
            return Ok(None);
        }
        let Some(of) = Equations::new(self, within)? else { return Ok(None) };
        // A condition has no piece between its two values.
        if of.ties.iter().any(|t| t.site.owner.boundary().is_some()) {
            return Ok(None);
        }
        let program = linearize_with(&of.together()?, &[])?;
        let numbers: usize = program.program.nodes().iter().map(|node| size(&node.shape)).sum();
        let count = of.n + of.weights.len();
        Ok((count > 0 && numbers.saturating_mul(count) <= WORK).then_some((of, program)))
    }
}

impl Boxed<'_> {
    /// z̃ ± radii, entry by entry.
    fn entries(&self) -> Vec<Interval> {
        std::iter::zip(&self.z, &self.radii).map(|(z, r)| Interval::point(*z).widened(*r)).collect()
    }

    /// Boxes of the inputs of the program and of the values of the ties, for unknowns from intervals.
    fn inputs(&self, z: &[Interval]) -> (Vec<Boxes>, Vec<Boxes>) {
        let (x, w) = z.split_at(self.of.n);
        let mut inputs: Vec<Boxes> = self.of.point.iter().map(|t| Boxes::point(t.clone())).collect();
        let mut at = 0;
        for &k in &self.of.variables {
            let shape = self.of.point[k].shape();
            inputs[k] = Boxes::of_intervals(shape, &x[at..at + size(shape)]);
            at += size(shape);
        }
        let mut values: Vec<Vec<Interval>> =
            self.of.base.iter().map(|t| t.data().iter().map(|x| Interval::point(*x)).collect()).collect();
        for weight in &self.of.weights {
            if let Some(rest) = weight.rest {
                values[weight.tie][rest] = Interval::point(1.0);
            }
        }
        for (weight, w) in std::iter::zip(&self.of.weights, w) {
            values[weight.tie][weight.entry] = *w;
            if let Some(rest) = weight.rest {
                values[weight.tie][rest] = values[weight.tie][rest] - *w;
            }
        }
        let values = std::iter::zip(&self.of.base, &values).map(|(t, v)| Boxes::of_intervals(t.shape(), v)).collect();
        (inputs, values)
    }

    /// Runs the linearization: values and tangents of both sides, for unknowns and one direction.
    fn run(&self, z: &[Interval], direction: Option<usize>) -> Result<(Vec<Boxes>, Vec<Boxes>)> {
        let (inputs, values) = self.inputs(z);
        let mut given = inputs.into_iter().chain(values);
        let mut tangents = self.tangents(direction).into_iter();
        let linear = &self.program.program;
        let boxes = filled(linear, |k, _| {
            let next = if self.program.tangents.contains(&k) { tangents.next() } else { given.next() };
            Ok(next.expect("the inputs and the values of the ties, and a tangent for each variable"))
        })?;
        let mut out = enclose(linear, &boxes, Arithmetic::Rigorous)?;
        let tangents = out.split_off(out.len() / 2);
        Ok((out, tangents))
    }

    /// The tangents of the inputs along an unknown.
    fn tangents(&self, direction: Option<usize>) -> Vec<Boxes> {
        let of = self.of;
        let mut all: Vec<Tensor> = of.variables.iter().map(|&k| Tensor::full(of.point[k].shape(), 0.0)).collect();
        all.extend(of.base.iter().map(|t| Tensor::full(t.shape(), 0.0)));
        match direction {
            Some(j) if j < of.n => {
                let mut at = j;
                for tangent in &mut all {
                    let count = size(tangent.shape());
                    if at < count {
                        tangent.data_mut()[at] = 1.0;
                        break;
                    }
                    at -= count;
                }
            }
            Some(j) => {
                let weight = &of.weights[j - of.n];
                let tangent = &mut all[of.variables.len() + weight.tie];
                tangent.data_mut()[weight.entry] = 1.0;
                weight.rest.into_iter().for_each(|rest| tangent.data_mut()[rest] = -1.0);
            }
            None => {}
        }
        all.into_iter().map(Boxes::point).collect()
    }

    /// Both sides one after the other, the arguments of ties as their differences.
    fn sides(&self, out: &[Boxes]) -> Vec<Interval> {
        let (gradient, arguments) = out.split_at(self.of.variables.len());
        let mut all: Vec<Interval> = gradient.iter().flat_map(Boxes::intervals).collect();
        let arguments: Vec<Vec<Interval>> = arguments.iter().map(Boxes::intervals).collect();
        all.extend(self.of.weights.iter().map(|w| {
            let u = &arguments[w.tie];
            w.rest.map_or(u[w.entry], |rest| u[w.entry] - u[rest])
        }));
        all
    }

    /// The columns of an enclosure of the Jacobians over the box.
    fn jacobian(&self) -> Result<Vec<Vec<Interval>>> {
        let z = self.entries();
        (0..z.len()).map(|j| Ok(self.sides(&self.run(&z, Some(j))?.1))).collect()
    }

    /// An approximate inverse of the Jacobian at the middle; None where it has none.
    fn inverse(&self) -> Result<Option<Mat<f64>>> {
        let points = Boxed { radii: vec![0.0; self.z.len()], z: self.z.clone(), ..*self };
        let columns = points.jacobian()?;
        let count = self.z.len();
        let middle = Mat::from_fn(count, count, |i, j| columns[j][i].middle());
        let finite = |m: &Mat<f64>| (0..count).all(|j| (0..count).all(|i| m[(i, j)].is_finite()));
        if !finite(&middle) {
            return Ok(None);
        }
        let inverse = middle.partial_piv_lu().inverse();
        Ok(finite(&inverse).then_some(inverse))
    }

    /// Y F(z̃).
    fn step(&self, inverse: &Mat<f64>) -> Result<Vec<Interval>> {
        let z: Vec<Interval> = self.z.iter().map(|z| Interval::point(*z)).collect();
        let f = self.sides(&self.run(&z, None)?.0);
        Ok((0..f.len()).map(|i| product(|j| inverse[(i, j)], &f)).collect())
    }

    /// K(Z) − z̃ = −Y F(z̃) + (I − Y J)(Z − z̃).
    fn image(&self, inverse: &Mat<f64>) -> Result<Image> {
        let step = self.step(inverse)?;
        let columns = self.jacobian()?;
        let mut image: Vec<Interval> = step.into_iter().map(|x| -x).collect();
        for (j, column) in columns.iter().enumerate() {
            let around = Interval::point(0.0).widened(self.radii[j]);
            for (i, entry) in image.iter_mut().enumerate() {
                let unit = Interval::point(f64::from(i == j));
                *entry = *entry + (unit - product(|k| inverse[(i, k)], column)) * around;
            }
        }
        Ok(image)
    }

    /// Whether K(Z) lies in the interior of Z.
    fn is_inside(&self, image: &Image) -> bool {
        // Of z̃ ± r as computed the half-width is r rounded down at most once.
        std::iter::zip(image, &self.radii).all(|(x, r)| x.most() < *r * (1.0 - 4.0 * f64::EPSILON))
    }

    /// The proof that the box is of, once the operator maps it into itself: if the weights are positive, and no other tie
    /// is met anywhere in it.
    fn proof(&self) -> Result<Option<Proof>> {
        let z = self.entries();
        if !self.are_weights(&z) || !self.meets_only_these(&z)? {
            return Ok(None);
        }
        let (inputs, _) = self.inputs(&z);
        let program = &self.at.program;
        let value = enclose(program, &own(program, inputs)?, Arithmetic::Rigorous)?.remove(0).intervals()[0];
        let radius = self.radii[..self.of.n].iter().fold(0.0, |most: f64, r| most.max(*r));
        let largest = self.z[..self.of.n].iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        if radius > NEAR * largest {
            return Ok(None);
        }
        let (weights, box_radii) = (self.z[self.of.n..].to_vec(), self.radii.clone());
        Ok(value.is_bounded().then(|| Proof { radius, value: (value.lo(), value.hi()), weights, box_radii }))
    }

    /// Whether the weights at every tie are positive and of sum 1 all over the box.
    fn are_weights(&self, z: &[Interval]) -> bool {
        let weights = std::iter::zip(&self.of.weights, &z[self.of.n..]);
        let mut rests: Vec<((usize, usize), Interval)> = vec![];
        for (weight, w) in weights {
            if w.lo() < 0.0 || w.hi() > 1.0 {
                return false;
            }
            let Some(rest) = weight.rest else { continue };
            match rests.iter_mut().find(|(key, _)| *key == (weight.tie, rest)) {
                Some((_, left)) => *left = *left - *w,
                None => rests.push(((weight.tie, rest), Interval::point(1.0) - *w)),
            }
        }
        rests.iter().all(|(_, left)| left.lo() >= 0.0)
    }

    /// Whether every tie met for some x of the box is one of those that count as active, with the same pieces.
    fn meets_only_these(&self, z: &[Interval]) -> Result<bool> {
        let linear = self.at.linear()?;
        let ties = tie_nodes(&linear.program);
        let arguments: Program = linear.primal(&ties.iter().map(|(_, u)| *u).collect::<Vec<_>>())?;
        let (inputs, _) = self.inputs(z);
        let arguments = enclose(&arguments, &own(&arguments, inputs)?, Arithmetic::Rigorous)?;
        for ((site, _), u) in std::iter::zip(&ties, &arguments) {
            let Some(tie) = site.tie.tie() else { continue };
            if !u.is_bounded() {
                return Ok(false);
            }
            let entries = u.intervals();
            let middle = Tensor::from_fn(u.shape(), |i| entries[i].middle());
            let apart = |(x, m): (&Interval, &f64)| (*x - Interval::point(*m)).most();
            let most = std::iter::zip(&entries, middle.data()).map(apart).fold(0.0, f64::max);
            // Two entries move towards each other by twice that, and a slice in its norm by the root of its length.
            let reach = 2.0 * most * (entries.len() as f64).sqrt() * (1.0 + 1e-9);
            let own = self.of.ties.iter().find(|t| (t.site.node, t.site.number) == (site.node, site.number));
            for met in tie.met(&middle, reach) {
                let faces = own.iter().flat_map(|t| &t.faces);
                let known =
                    |f: &crate::program::tie::Face| f.index == met.index && f.count().map(|n| n as u64) == met.pieces;
                if !faces.into_iter().any(known) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Boxes for all inputs of a program, from those of the inputs that are no selections.
fn own(program: &Program, inputs: Vec<Boxes>) -> Result<Vec<Boxes>> {
    let mut given = inputs.into_iter();
    filled(program, |_, _| Ok(given.next().expect("one for each input that is no selection")))
}

/// Σ a_j x_j.
fn product(row: impl Fn(usize) -> f64, x: &[Interval]) -> Interval {
    let terms = x.iter().enumerate().map(|(j, x)| Interval::point(row(j)) * *x);
    terms.fold(Interval::point(0.0), |sum, term| sum + term)
}
