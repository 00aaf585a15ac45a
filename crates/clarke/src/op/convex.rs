//! Convex sets as operators see them: projection, distance, and the normal cone at the boundary.

use super::axes::Axes;
use super::eigen::within;
use super::factor::{Field, Room, cubes, eigen, eigen_of, eigen_stack, epsilon, matrix, room, symmetrize};
use super::norm::norm_of;
use super::pointwise::parameter;
use super::sort::sorting;
use crate::error::{Fault, Result};
use crate::program::call::{Call, Value};
use crate::program::op::Param;
use crate::tensor::size;
use faer::dyn_stack::{MemStack, StackReq};

/// A closed convex set of vectors along the last axis, or of symmetric matrices along the last two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Set {
    /// low ≤ xᵢ ≤ high.
    Box { low: f64, high: f64 },
    /// ‖x‖₂ ≤ radius.
    Ball { radius: f64 },
    /// xᵢ ≥ 0, Σ xᵢ = radius.
    Simplex { radius: f64 },
    /// Σ |xᵢ| ≤ radius.
    L1 { radius: f64 },
    /// (t, x) with ‖x‖₂ ≤ t.
    Soc,
    /// Positive semidefinite matrices.
    Psd,
}

/// Where a point lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Inside,
    Boundary,
    Outside,
}

/// Memory to work in.
pub(super) struct Work<'a, T> {
    a: &'a mut [T],
    w: &'a mut [T],
    v: &'a mut [T],
    stack: &'a mut MemStack,
}

/// The Euclidean norm.
pub(super) fn norm<T: Field>(x: &[T]) -> f64 {
    let sum = x.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>();
    // The squares of f32 never leave the range of f64.
    if size_of::<T>() == 4 || (sum > 1e-290 && sum.is_finite()) || sum.is_nan() {
        return sum.sqrt();
    }
    norm_of(T::of(sum), x, 0..x.len()).to_f64()
}

fn ordered(a: f64, b: f64) -> Side {
    match a.partial_cmp(&b) {
        Some(std::cmp::Ordering::Less) => Side::Inside,
        Some(std::cmp::Ordering::Equal) => Side::Boundary,
        _ => Side::Outside,
    }
}

impl Set {
    /// How many operations a projection takes, of an array or a stack of matrices: comparisons with two bounds; a norm and a
    /// product; for the simplex and the ℓ₁ ball a sort and its partial sums; for matrices their eigenvectors and two products.
    pub fn operations(&self, shape: &[usize]) -> u64 {
        let n = size(shape) as u64;
        match self {
            Set::Box { .. } => 2 * n,
            Set::Ball { .. } | Set::Soc => 3 * n,
            Set::Simplex { .. } | Set::L1 { .. } => 4 * n + sorting(size(shape), shape.last().copied().unwrap_or(1)),
            Set::Psd => 13 * cubes(shape),
        }
    }

    /// The same with its parameters as a call gives them, from the position of the first on.
    pub fn read(self, call: &Call<'_, '_>, at: usize) -> Result<Set> {
        let bound = |name: &str, position: usize, none: f64| match call.optional(name, position) {
            Some(Value::None) => Ok(none),
            _ => call.number(name, position, None),
        };
        let set = match self {
            Set::Box { .. } => {
                Set::Box { low: bound("low", at, f64::NEG_INFINITY)?, high: bound("high", at + 1, f64::INFINITY)? }
            }
            Set::Ball { .. } => Set::Ball { radius: call.number("radius", at, None)? },
            Set::Simplex { .. } => Set::Simplex { radius: call.number("radius", at, Some(1.0))? },
            Set::L1 { .. } => Set::L1 { radius: call.number("radius", at, None)? },
            Set::Soc | Set::Psd => self,
        };
        Ok(set)
    }

    /// The names of its parameters.
    pub fn keywords(self) -> &'static [&'static str] {
        match self {
            Set::Box { .. } => &["low", "high"],
            Set::Ball { .. } | Set::Simplex { .. } | Set::L1 { .. } => &["radius"],
            Set::Soc | Set::Psd => &[],
        }
    }

    /// Its parameters.
    pub fn params(self) -> Vec<(&'static str, Param)> {
        let bound = |x: f64| if x.is_infinite() { Param::None } else { Param::Number(x) };
        match self {
            Set::Box { low, high } => vec![("low", bound(low)), ("high", bound(high))],
            Set::Ball { radius } | Set::Simplex { radius } | Set::L1 { radius } => {
                vec![("radius", Param::Number(radius))]
            }
            Set::Soc | Set::Psd => vec![],
        }
    }

    /// The axes a point lies along.
    pub fn axes(self) -> Axes {
        if self == Set::Psd { super::eigen::last_two() } else { Axes::one(-1) }
    }

    /// Whether every point is in some ball.
    pub fn is_bounded(self) -> bool {
        match self {
            Set::Box { low, high } => low.is_finite() && high.is_finite(),
            Set::Ball { .. } | Set::Simplex { .. } | Set::L1 { .. } => true,
            Set::Soc | Set::Psd => false,
        }
    }

    /// Whether the parameters make a set, and the shape holds points of its space.
    pub fn check(self, op: &str, shape: &[usize]) -> Result<(), Fault> {
        match self {
            Set::Box { low, high } => {
                if low.is_nan() || low == f64::INFINITY {
                    return Err(parameter(op, "low", low, "it must be a number, or None"));
                }
                if high.is_nan() || high == f64::NEG_INFINITY || high < low {
                    let rule = format!("it must be a number not less than low, which is {low}, or None");
                    return Err(parameter(op, "high", high, &rule));
                }
            }
            Set::Ball { radius } | Set::Simplex { radius } | Set::L1 { radius } => {
                if !(radius > 0.0 && radius.is_finite()) {
                    return Err(parameter(op, "radius", radius, "it must be a positive number"));
                }
            }
            Set::Soc | Set::Psd => {}
        }
        if self == Set::Psd {
            super::definite::square(op, shape)?;
        }
        let least = if self == Set::Soc { 2 } else { 1 };
        match shape.last() {
            Some(&n) if n >= least => Ok(()),
            _ => Err(Fault::Shapes {
                op: op.into(),
                shapes: vec![shape.to_vec()],
                rule: format!("it takes arrays with at least {least} entries along the last axis"),
            }),
        }
    }

    /// How many points an array holds, and how many numbers each has.
    pub fn points(self, shape: &[usize]) -> (usize, usize) {
        if self == Set::Psd {
            let (lead, n, _) = matrix(shape);
            (size(lead), n * n)
        } else {
            let (n, lead) = shape.split_last().expect("the shape was checked");
            (size(lead), *n)
        }
    }

    fn stretches(self, length: usize) -> [usize; 3] {
        match self {
            Set::Psd => [length, length.isqrt(), length],
            Set::Simplex { .. } | Set::L1 { .. } => [length, 0, 0],
            _ => [0, 0, 0],
        }
    }

    /// How many numbers of scratch space [`Work`] takes.
    pub fn room<T: Field>(self, length: usize) -> usize {
        let stack = if self == Set::Psd { eigen_stack::<T>(length.isqrt(), true) } else { StackReq::EMPTY };
        room::<T>(&self.stretches(length), stack)
    }

    /// The memory for points of this length.
    pub fn work<T>(self, length: usize, scratch: &mut [T]) -> Work<'_, T> {
        let mut room = Room::new(scratch);
        let [a, w, v] = self.stretches(length).map(|n| room.take(n));
        Work { a, w, v, stack: room.stack() }
    }

    /// Where a point lies. For matrices the boundary is met within n·ε·‖x‖, and the decomposition is left in `work`.
    pub fn side<T: Field>(self, x: &[T], work: &mut Work<'_, T>) -> Option<Side> {
        if x.iter().any(|x| x.to_f64().is_nan()) {
            return None;
        }
        Some(match self {
            Set::Box { low, high } => {
                let sides = x.iter().map(|x| ordered(low, x.to_f64()).max(ordered(x.to_f64(), high)));
                sides.max().unwrap_or(Side::Inside)
            }
            Set::Ball { radius } => ordered(norm(x), radius),
            Set::Simplex { radius } => {
                let inside = x.iter().all(|x| x.to_f64() >= 0.0);
                let sum: f64 = x.iter().map(|x| x.to_f64()).sum();
                if inside && sum == radius { Side::Boundary } else { Side::Outside }
            }
            Set::L1 { radius } => ordered(x.iter().map(|x| x.to_f64().abs()).sum(), radius),
            Set::Soc => ordered(norm(&x[1..]), x[0].to_f64()),
            Set::Psd => {
                let n = work.w.len();
                if !(symmetrize(x, n, work.a) && eigen(work.a, work.w, Some(&mut *work.v), work.stack)) {
                    return None;
                }
                let (least, most) = (work.w[0].to_f64(), work.w[n - 1].to_f64());
                let near = n as f64 * epsilon::<T>() * least.abs().max(most.abs());
                if least.abs() <= near { Side::Boundary } else { ordered(-least, 0.0) }
            }
        })
    }

    /// The projection of a point. NaN for NaN.
    pub fn project<T: Field>(self, x: &[T], out: &mut [T], work: &mut Work<'_, T>) {
        let Some(side) = self.side(x, work) else { return out.fill(T::of(f64::NAN)) };
        if side != Side::Outside && self != Set::Psd {
            return out.copy_from_slice(x);
        }
        match self {
            Set::Box { low, high } => {
                std::iter::zip(out, x).for_each(|(y, x)| *y = T::of(x.to_f64().clamp(low, high)));
            }
            Set::Ball { radius } => {
                let scale = radius / norm(x);
                std::iter::zip(out, x).for_each(|(y, x)| *y = T::of(x.to_f64() * scale));
            }
            Set::Simplex { radius } | Set::L1 { radius } => {
                let tau = self.threshold(x, radius, work.a);
                let cut = |x: f64| if x.abs() > tau { x - tau.copysign(x) } else { 0.0 };
                let keep = |x: f64| if self == (Set::L1 { radius }) { cut(x) } else { (x - tau).max(0.0) };
                std::iter::zip(out, x).for_each(|(y, x)| *y = T::of(keep(x.to_f64())));
            }
            Set::Soc => {
                let (t, length) = (x[0].to_f64(), norm(&x[1..]));
                if length <= -t {
                    return out.fill(T::of(0.0));
                }
                let half = 0.5 * (1.0 + t / length);
                std::iter::zip(&mut out[1..], &x[1..]).for_each(|(y, x)| *y = T::of(half * x.to_f64()));
                out[0] = T::of(half * length);
            }
            Set::Psd => work.part(out, |w| if w > 0.0 { w } else { 0.0 }),
        }
    }

    /// The distance of a point.
    pub fn distance<T: Field>(self, x: &[T], near: &mut [T], work: &mut Work<'_, T>) -> f64 {
        match self.side(x, work) {
            None => f64::NAN,
            Some(Side::Outside) if self == Set::Psd => {
                work.w.iter().map(|w| w.to_f64().min(0.0).powi(2)).sum::<f64>().sqrt()
            }
            Some(Side::Outside) => {
                self.project(x, near, work);
                std::iter::zip(&mut *near, x).for_each(|(y, x)| *y = *x - *y);
                norm(near)
            }
            Some(_) => 0.0,
        }
    }

    /// The unit vector from the projection to a point outside.
    pub fn away<T: Field>(self, x: &[T], out: &mut [T], work: &mut Work<'_, T>) {
        if self == Set::Psd {
            work.part(out, |w| w.min(0.0));
        } else {
            self.project(x, out, work);
            std::iter::zip(&mut *out, x).for_each(|(y, x)| *y = *x - *y);
        }
        let length = T::of(norm(out));
        out.iter_mut().for_each(|y| *y /= length);
    }

    /// One unit vector of the normal cone at a point of the boundary: the even one.
    pub fn normal<T: Field>(self, x: &[T], out: &mut [T], work: &mut Work<'_, T>) {
        let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
        match self {
            Set::Box { low, high } => std::iter::zip(&mut *out, x).for_each(|(y, x)| {
                let x = x.to_f64();
                *y = T::of(if x == high { 1.0 } else { -f64::from(x == low) });
            }),
            Set::Ball { .. } => out.copy_from_slice(x),
            Set::Simplex { .. } => out.fill(T::of(1.0)),
            Set::L1 { .. } => std::iter::zip(&mut *out, x).for_each(|(y, x)| *y = T::of(sign(x.to_f64()))),
            Set::Soc => {
                let length = norm(&x[1..]);
                let unit = |x: f64| if length > 0.0 { x / length } else { 0.0 };
                std::iter::zip(&mut *out, x).for_each(|(y, x)| *y = T::of(unit(x.to_f64())));
                out[0] = T::of(-1.0);
            }
            Set::Psd => {
                let least = work.w[0].to_f64();
                let near = work.w.len() as f64 * epsilon::<T>() * least.abs().max(work.w[work.w.len() - 1].to_f64());
                work.part(out, |w| if w <= near { -1.0 } else { 0.0 });
            }
        }
        let length = T::of(norm(out));
        out.iter_mut().for_each(|y| *y /= length);
    }

    /// What is subtracted from every |xᵢ| of a point outside: Duchi and others 2008. It is exact where it is a number
    /// that the entries share.
    pub fn threshold<T: Field>(self, x: &[T], radius: f64, sorted: &mut [T]) -> f64 {
        let modulus = |x: &T| if matches!(self, Set::L1 { .. }) { T::of(x.to_f64().abs()) } else { *x };
        std::iter::zip(&mut *sorted, x).for_each(|(y, x)| *y = modulus(x));
        simplex_threshold(radius, sorted)
    }

    /// How far a point is from the boundary.
    pub fn gap(self, x: &[f64]) -> f64 {
        let mut scratch = vec![0.0; self.room::<f64>(x.len())];
        let mut work = self.work(x.len(), &mut scratch);
        match self.side(x, &mut work) {
            None | Some(Side::Boundary) => 0.0,
            Some(Side::Outside) => self.distance(x, &mut vec![0.0; x.len()], &mut work),
            Some(Side::Inside) => match self {
                Set::Box { low, high } => x.iter().map(|x| (x - low).min(high - x)).fold(f64::INFINITY, f64::min),
                Set::Ball { radius } => radius - norm(x),
                Set::L1 { radius } => (radius - x.iter().map(|x| x.abs()).sum::<f64>()) / (x.len() as f64).sqrt(),
                Set::Soc => (x[0] - norm(&x[1..])) / 2f64.sqrt(),
                Set::Psd => work.w[0],
                Set::Simplex { .. } => 0.0,
            },
        }
    }

    /// The projection of a direction onto the normal cone at a point of the boundary.
    pub fn onto_normals(self, x: &[f64], g: &[f64]) -> Vec<f64> {
        match self {
            Set::Box { low, high } => {
                let part = |(x, g): (&f64, &f64)| {
                    (if *x == high { g.max(0.0) } else { 0.0 }) + (if *x == low { g.min(0.0) } else { 0.0 })
                };
                std::iter::zip(x, g).map(part).collect()
            }
            Set::Ball { radius } => {
                let along = std::iter::zip(x, g).map(|(x, g)| x * g).sum::<f64>().max(0.0) / (radius * radius);
                x.iter().map(|x| along * x).collect()
            }
            // The direction minus its projection onto the tangent cone: what the support loses evenly, and what the
            // entries at 0 cannot do.
            Set::Simplex { .. } => {
                let tau = balance(x, g);
                std::iter::zip(x, g).map(|(x, g)| if *x > 0.0 { tau } else { tau.min(*g) }).collect()
            }
            Set::L1 { .. } => {
                let signed: Vec<f64> =
                    std::iter::zip(x, g).map(|(x, g)| if *x == 0.0 { g.abs() } else { g * x.signum() }).collect();
                let tau = balance(x, &signed).max(0.0);
                let part = |(x, g): (&f64, &f64)| if *x != 0.0 { tau * x.signum() } else { g.clamp(-tau, tau) };
                std::iter::zip(x, g).map(part).collect()
            }
            Set::Soc => {
                let length = norm(&x[1..]);
                if length == 0.0 {
                    // The polar cone is the cone mirrored.
                    let mirrored: Vec<f64> = g.iter().map(|g| -g).collect();
                    let mut nearest = vec![0.0; g.len()];
                    self.project(
                        &mirrored,
                        &mut nearest,
                        &mut self.work(g.len(), &mut vec![0.0; self.room::<f64>(g.len())]),
                    );
                    return nearest.iter().map(|x| -x).collect();
                }
                let inner = std::iter::zip(&x[1..], &g[1..]).map(|(x, g)| x * g / length).sum::<f64>();
                let along = (0.5 * (inner - g[0])).max(0.0);
                let mut normal: Vec<f64> = x.iter().map(|x| along * x / length).collect();
                normal[0] = -along;
                normal
            }
            Set::Psd => {
                let n = x.len().isqrt();
                let Some((w, v)) = eigen_of(x, n) else { return vec![0.0; x.len()] };
                let near = n as f64 * f64::EPSILON * w[0].abs().max(w[n - 1].abs());
                let m = w.iter().take_while(|w| **w <= near).count();
                let basis = &v[..m * n];
                let Some((mu, q)) = eigen_of(&within(g, basis, n), m) else { return vec![0.0; x.len()] };
                let mut normal = vec![0.0; x.len()];
                for p in (0..m).filter(|p| mu[*p] < 0.0) {
                    let z: Vec<f64> = (0..n).map(|i| (0..m).map(|l| q[p * m + l] * basis[l * n + i]).sum()).collect();
                    (0..n * n).for_each(|k| normal[k] += mu[p] * z[k / n] * z[k % n]);
                }
                normal
            }
        }
    }
}

/// The τ with Σ max(xᵢ − τ, 0) = radius, of the entries in any order; they are sorted (Held, Wolfe, Crowder 1974; Duchi and
/// others 2008).
pub(crate) fn simplex_threshold<T: crate::program::real::Scalar>(radius: f64, entries: &mut [T]) -> f64 {
    entries.sort_unstable_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
    let (mut sum, mut tau) = (0.0, f64::NEG_INFINITY);
    for (k, x) in entries.iter().enumerate() {
        sum += x.to_f64();
        let next = (sum - radius) / (k + 1) as f64;
        if x.to_f64() <= next {
            break;
        }
        tau = next;
    }
    T::of(tau).to_f64()
}

/// The τ with Σ (gᵢ − τ) over the entries where x ≠ 0 plus Σ max(gᵢ − τ, 0) over the others equal to 0.
fn balance(x: &[f64], g: &[f64]) -> f64 {
    let support = || std::iter::zip(x, g).filter(|(x, _)| **x != 0.0).map(|(_, g)| *g);
    let mut others: Vec<f64> = std::iter::zip(x, g).filter(|(x, _)| **x == 0.0).map(|(_, g)| *g).collect();
    others.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut count) = (support().sum::<f64>(), support().count() as f64);
    for g in others {
        if count > 0.0 && g <= sum / count {
            break;
        }
        sum += g;
        count += 1.0;
    }
    sum / count
}

impl<'a, T> Work<'a, T> {
    /// Memory to sort in.
    pub fn sorted(self) -> &'a mut [T] {
        self.a
    }
}

impl<T: Field> Work<'_, T> {
    /// Σ f(λᵢ) vᵢvᵢᵀ.
    fn part(&self, out: &mut [T], f: impl Fn(f64) -> f64) {
        let n = self.w.len();
        out.fill(T::of(0.0));
        for (w, v) in std::iter::zip(&*self.w, self.v.chunks_exact(n)) {
            let c = f(w.to_f64());
            if c != 0.0 {
                for i in 0..n {
                    let x = T::of(c * v[i].to_f64());
                    for j in 0..n {
                        out[i * n + j] += x * v[j];
                    }
                }
            }
        }
    }
}
