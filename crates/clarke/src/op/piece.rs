//! The ties of projections that are compound operators: which piece of the projection is active, by `simplex_support`
//! and `l1_support`, and `soc_piece`. That of matrices stands in `null.rs`.

use super::axes::{Axes, Selected, batch_tie};
use super::convex::{Set, Side, norm};
use super::eigen::{by_selection, joined};
use super::factor::{Field, field_kernels};
use super::norm::InverseNorm;
use super::project::{L1, SIMPLEX};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Kernel, Linearization, Notation, Op, Param};
use crate::program::tie::{Face, Met, Piece, Pieces, Tie};
use crate::tensor::{Tensor, ravel, size, unravel};

/// How the selection of a tie along the last axis is read whose value has this shape.
fn selected(op: &str, s: &[usize], out: &[usize]) -> Result<Selected, Fault> {
    Selected::of(op, s, out, &Axes::one(-1).kept(out))
}

/// `l1_support(u, s)`: σᵢwᵢ for every entry, the sign and weight with which it takes part in the cut, then the weight of
/// "outside of the ball"; `simplex_support` the same without signs. One entry longer than u.
///
/// At a tie the weights of entries at the threshold, at the boundary of the ball also of those at 0 (with a sign) and the
/// last one, are between 0 and 1. A scalar selection λ is the weight (with the sign + at 0), and 1 − λ the last one; an
/// array of the shape of the value is the element itself.
#[derive(Debug, Clone)]
pub struct Support(pub(super) Set);

impl Support {
    /// The line for the simplex in the table of operators.
    pub const SIMPLEX: Entry = Entry {
        name: "simplex_support",
        signature: "simplex_support(u, s, radius=1)",
        formula: "1 where uᵢ > τ, 0 where uᵢ < τ; then 1",
        class: "piecewise linear, discontinuous",
        ties: "[0, 1] where uᵢ = τ",
        source: "Han, Sun 1997",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, SIMPLEX.keywords())?;
            Ok(call.apply(Support(SIMPLEX.read(call, 2)?), &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };

    /// The line for the ℓ₁ ball.
    pub const L1: Entry = Entry {
        name: "l1_support",
        signature: "l1_support(u, s, radius)",
        formula: "sign(uᵢ) where |uᵢ| > τ, 0 where |uᵢ| < τ; then 1 outside of the ball, 0 inside",
        ties: "[0, 1] times a sign where |uᵢ| = τ; [0, 1] on the sphere",
        call: |call| {
            call.expect(2, 3, L1.keywords())?;
            Ok(call.apply(Support(L1.read(call, 2)?), &[call.var(0)?, call.var(1)?]))
        },
        ..Support::SIMPLEX
    };

    /// The threshold of a point, and where it lies; a point of the simplex is on its boundary.
    fn threshold<T: Field>(&self, u: &[T], scratch: &mut [T]) -> Option<(Side, f64)> {
        let mut work = self.0.work(u.len(), scratch);
        let side = self.0.side(u, &mut work)?;
        let radius = match self.0 {
            Set::Simplex { radius } | Set::L1 { radius } => radius,
            _ => unreachable!("a support is one of the simplex or the l1 ball"),
        };
        let sorted = work.sorted();
        Some((side, if side == Side::Outside { self.0.threshold(u, radius, sorted) } else { 0.0 }))
    }

    fn signed(&self) -> bool {
        matches!(self.0, Set::L1 { .. })
    }

    /// What the threshold is compared with, and the sign that goes with it.
    fn modulus(&self, x: f64) -> (f64, f64) {
        if self.signed() { (x.abs(), if x < 0.0 { -1.0 } else { 1.0 }) } else { (x, 1.0) }
    }
}

impl Op for Support {
    fn name(&self) -> &'static str {
        if self.signed() { "l1_support" } else { "simplex_support" }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.check(self.name(), args[0])?;
        let mut shape = args[0].to_vec();
        shape.last_mut().into_iter().for_each(|n| *n += 1);
        selected(self.name(), args[1], &shape).map(|_| shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).piecewise_linear().bounded()
    }

    // Constant on each piece.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Ok(at.tangents[1].map(|dot| by_selection(self.clone(), at.args[0], at.args[1], dot)))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(self.clone(), at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

field_kernels!(Support, |op, args, _| op.0.operations(args[0]));

impl Support {
    fn kernel<T: Field>(&self, args: &[&[usize]], out: &[usize]) -> Kernel<T> {
        let this = self.clone();
        let (_, n) = self.0.points(args[0]);
        let selected = selected(self.name(), args[1], out).expect("a selection's shape was checked with the shape");
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            for (slice, (u, out)) in std::iter::zip(args[0].chunks_exact(n), out.chunks_exact_mut(n + 1)).enumerate() {
                let Some((side, tau)) = this.threshold(u, scratch) else {
                    out.fill(T::of(f64::NAN));
                    continue;
                };
                let own = |k: usize, otherwise: f64| match selected.is_each() {
                    true => args[1][slice * (n + 1) + k].to_f64(),
                    false => otherwise,
                };
                let weight = if selected.is_each() { 0.0 } else { selected.at(args[1], slice).to_f64() };
                for k in 0..n {
                    let (modulus, sign) = this.modulus(u[k].to_f64());
                    out[k] = T::of(match modulus.partial_cmp(&tau) {
                        // Inside of the ball nothing is cut; the weights only have to be some.
                        _ if this.signed() && side == Side::Inside => 1.0,
                        Some(std::cmp::Ordering::Greater) => sign,
                        Some(std::cmp::Ordering::Equal) => own(k, weight * sign),
                        _ => 0.0,
                    });
                }
                out[n] = T::of(match side {
                    Side::Inside => 0.0,
                    Side::Boundary if this.signed() => own(n, 1.0 - weight),
                    _ => 1.0,
                });
            }
        };
        Kernel::with_scratch(self.0.room::<T>(n), run)
    }

    /// An array of selections made point by point, from the threshold and where the point lies.
    fn select(&self, u: &Tensor, mut element: impl FnMut(usize, &[f64], Side, f64) -> Vec<f64>) -> Tensor {
        let (count, n) = self.0.points(u.shape());
        let mut shape = u.shape().to_vec();
        shape.last_mut().into_iter().for_each(|n| *n += 1);
        let mut s = Tensor::full(&shape, 0.0);
        let mut scratch = vec![0.0; self.0.room::<f64>(n)];
        for k in 0..count {
            let own = &u.data()[k * n..(k + 1) * n];
            if let Some((side, tau)) = self.threshold(own, &mut scratch) {
                s.data_mut()[k * (n + 1)..(k + 1) * (n + 1)].copy_from_slice(&element(k, own, side, tau));
            }
        }
        s
    }

    /// The weights that directions decide: entries leave or join the support as the first direction that moves them
    /// relative to the threshold says, the threshold moving with those that are in.
    fn decide(&self, u: &[f64], side: Side, tau: f64, dots: &[&[f64]]) -> Vec<f64> {
        let n = u.len();
        let at_boundary = self.signed() && side == Side::Boundary;
        // Sign and membership of each entry; None is open.
        let mut sign: Vec<f64> = u.iter().map(|x| self.modulus(*x).1).collect();
        let mut inside: Vec<Option<bool>> = vec![];
        for (k, x) in u.iter().enumerate() {
            let modulus = self.modulus(*x).0;
            inside.push(if modulus == tau { None } else { Some(modulus > tau) });
            if self.signed() && *x == 0.0 {
                sign[k] = 0.0;
            }
        }
        let mut outside = if at_boundary { None } else { Some(side != Side::Inside) };
        for dot in dots {
            let scale = 1e-12 * dot.iter().fold(0.0, |s: f64, x| s.max(x.abs()));
            let moves: Vec<f64> =
                (0..n).map(|k| if sign[k] == 0.0 { dot[k].abs() } else { sign[k] * dot[k] }).collect();
            let own = |k: &usize| inside[*k] == Some(true);
            let (mut sum, mut count) = ((0..n).filter(own).map(|k| moves[k]).sum::<f64>(), (0..n).filter(own).count());
            let mut open: Vec<usize> = (0..n).filter(|k| inside[*k].is_none()).collect();
            open.sort_by(|a, b| moves[*b].total_cmp(&moves[*a]));
            if outside.is_none() {
                // Along the boundary's tangent the threshold stays 0.
                let slope = sum + open.iter().map(|k| moves[*k]).sum::<f64>();
                outside = if slope.abs() <= scale { None } else { Some(slope > 0.0) };
            }
            for &k in &open {
                if outside.is_some() && (count == 0 || moves[k] > sum / count as f64) {
                    sum += moves[k];
                    count += 1;
                }
            }
            let level = if outside == Some(true) { sum / count.max(1) as f64 } else { 0.0 };
            for &k in &open {
                let relative = moves[k] - level;
                if relative.abs() > scale {
                    inside[k] = Some(relative > 0.0);
                }
                if sign[k] == 0.0 && dot[k].abs() > scale {
                    sign[k] = dot[k].signum();
                }
            }
            if outside == Some(false) || (outside.is_some() && inside.iter().all(Option::is_some)) {
                break;
            }
        }
        let weight = |k: usize| if inside[k] == Some(true) { sign[k] } else { 0.0 };
        (0..n).map(weight).chain([f64::from(outside.unwrap_or(true))]).collect()
    }
}

impl Tie for Support {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (_, n) = self.0.points(u.shape());
        let lead = &u.shape()[..u.shape().len() - 1];
        let mut scratch = vec![0.0; self.0.room::<f64>(n)];
        let mut met = vec![];
        for (k, u) in u.data().chunks_exact(n).enumerate() {
            let Some((side, tau)) = self.threshold(u, &mut scratch) else { continue };
            let apart = |x: &f64| (self.modulus(*x).0 - tau).abs();
            let gap = self.0.gap(u);
            let crossing = self.signed() && gap <= tolerance;
            let tied: Vec<f64> = match side {
                Side::Inside if !crossing => vec![],
                _ => u.iter().map(apart).filter(|d| *d <= tolerance).collect(),
            };
            if tied.is_empty() && !crossing {
                continue;
            }
            // Each entry is in or out; on the sphere one at 0 has two signs to be in, or all are inside.
            let each: u64 = if crossing { 3 } else { 2 };
            let pieces = each.checked_pow(tied.len() as u32).and_then(|p| p.checked_add(u64::from(crossing)));
            let furthest = tied.iter().copied().fold(if crossing { gap } else { 0.0 }, f64::max);
            met.push(Met { index: unravel(k, lead), pieces, distance: furthest, beyond: f64::INFINITY });
        }
        met
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        self.select(u, |_, u, side, tau| {
            let mut s: Vec<f64> = u
                .iter()
                .map(|x| {
                    let weight = uniform();
                    let (modulus, sign) = self.modulus(*x);
                    let sign = if self.signed() && *x == 0.0 { (2.0 * uniform() - 1.0).signum() } else { sign };
                    if modulus == tau { weight * sign } else { 0.0 }
                })
                .collect();
            s.push(if side == Side::Boundary { uniform() } else { 0.0 });
            s
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        let (_, n) = self.0.points(u.shape());
        self.select(u, |k, u, side, tau| {
            let dots: Vec<&[f64]> = dots.iter().map(|d| &d.data()[k * n..(k + 1) * n]).collect();
            self.decide(u, side, tau, &dots)
        })
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (_, n) = self.0.points(u.shape());
        let lead = &u.shape()[..u.shape().len() - 1];
        let mut scratch = vec![0.0; self.0.room::<f64>(n)];
        let mut faces = vec![];
        for (k, u) in u.data().chunks_exact(n).enumerate() {
            let Some((side, tau)) = self.threshold(u, &mut scratch) else { continue };
            let mut push = |at: usize, values: &[f64]| {
                let piece = |x: &f64| Piece { values: vec![*x], forms: None };
                let pieces = Pieces::List(values.iter().map(piece).collect());
                faces.push(Face { index: unravel(k, lead), entries: vec![k * (n + 1) + at], pieces });
            };
            if self.signed() && side == Side::Inside {
                continue;
            }
            for (at, x) in u.iter().enumerate() {
                let (modulus, sign) = self.modulus(*x);
                match modulus == tau {
                    true if self.signed() && *x == 0.0 => push(at, &[-1.0, 0.0, 1.0]),
                    true => push(at, &[0.0, sign]),
                    false => {}
                }
            }
            if self.signed() && side == Side::Boundary {
                push(n, &[0.0, 1.0]);
            }
        }
        faces
    }

    // The projection divides by the number of entries that take part.
    fn is_affine(&self) -> bool {
        false
    }
}

/// `soc_piece(z, s)`: (ρ, ν, a, b) such that the derivative of the projection of z = (t, x) onto ‖x‖ ≤ t is
/// a·I + b/2·[[1, νᵀ], [ν, (1 + ρ)I − ρ ν νᵀ]]. Two entries longer than z.
///
/// Outside ν = x/‖x‖, ρ = t/‖x‖, a = 0, b = 1; inside a = 1, b = 0; in the polar cone a = b = 0. At a tie an array of the
/// shape of the value is the element itself: ‖ν‖ = 1, |ρ| ≤ 1, a and b not negative, a + b ≤ 1. A scalar selection λ
/// stands for a = λ, b = 1 − λ where ‖x‖ = t > 0, for a = 0, b = λ where ‖x‖ = −t > 0, and for a = λ, b = 0 at 0.
#[derive(Debug, Clone)]
pub struct ConePiece;

impl ConePiece {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "soc_piece",
        signature: "soc_piece(z, s)",
        formula: "(ρ, ν, a, b): which derivative the projection onto ‖x‖ ≤ t has",
        class: "semialgebraic, discontinuous",
        ties: "the segment between the two pieces where ‖x‖ = |t|; at 0 all pieces around",
        source: "Kanzow, Ferenczi, Fukushima 2009, Lemma 2.6",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            Ok(call.apply(ConePiece, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Op for ConePiece {
    fn name(&self) -> &'static str {
        "soc_piece"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Set::Soc.check("soc_piece", args[0])?;
        let mut shape = args[0].to_vec();
        shape.last_mut().into_iter().for_each(|n| *n += 2);
        selected("soc_piece", args[1], &shape).map(|_| shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::join(args).semialgebraic().bounded()
    }

    // ν̇ = (ẋ − ν(ν·ẋ))/‖x‖ and ρ̇ = (ṫ − ρ(ν·ẋ))/‖x‖; where they are not used, b is 0.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        let (z, s) = (at.args[0], at.args[1]);
        let (axis, last) = (z.rank() - 1, Axes::one(-1).keepdims());
        let n = z.shape()[axis];
        let by_z = at.tangents[0].map(|dot| {
            let inverse = z.slice(axis, 1..).apply(InverseNorm::over(last.clone()));
            let (rho, nu) = (at.out.slice(axis, ..1), at.out.slice(axis, 1..n));
            let (dt, dx) = (dot.slice(axis, ..1), dot.slice(axis, 1..));
            let inner = (nu * dx).sum_over(&last);
            let moved = (dt - rho * inner).concatenate(&[dx - nu * inner], axis);
            let still = (dt * 0.0).concatenate(&[dt * 0.0], axis);
            inverse.guarded_mul(moved).concatenate(&[still], axis)
        });
        Ok(joined(by_z, at.tangents[1].map(|dot| by_selection(ConePiece, z, s, dot))))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        batch_tie(ConePiece, at)
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }

    fn tie(&self) -> Option<&dyn Tie> {
        Some(self)
    }
}

field_kernels!(ConePiece, |_, args, out| 8 * size(args[0]).max(size(out)) as u64);

/// The piece at z, and whether it is one of several; `weight` blends them as a scalar selection does.
fn cone_piece<T: Field>(z: &[T], weight: f64, out: &mut [T]) -> bool {
    let n = z.len();
    let (t, length) = (z[0].to_f64(), norm(&z[1..]));
    let unit = |x: T| T::of(if length > 0.0 { x.to_f64() / length } else { 0.0 });
    std::iter::zip(&mut out[1..n], &z[1..]).for_each(|(y, x)| *y = unit(*x));
    let ratio = if length > 0.0 { (t / length).clamp(-1.0, 1.0) } else { 0.0 };
    let (tied, a, b) = if length == 0.0 && t == 0.0 {
        (true, weight, 0.0)
    } else if length == t {
        (true, weight, 1.0 - weight)
    } else if length == -t {
        (true, 0.0, weight)
    } else if length < t {
        (false, 1.0, 0.0)
    } else {
        (false, 0.0, if length < -t { 0.0 } else { 1.0 })
    };
    (out[0], out[n], out[n + 1]) = (T::of(ratio), T::of(a), T::of(b));
    if t.is_nan() || length.is_nan() {
        out.fill(T::of(f64::NAN));
    }
    tied
}

impl ConePiece {
    fn kernel<T: Field>(&self, args: &[&[usize]], out: &[usize]) -> Kernel<T> {
        let (_, n) = Set::Soc.points(args[0]);
        let selected = selected("soc_piece", args[1], out).expect("a selection's shape was checked with the shape");
        Kernel::new(move |args: &[&[T]], out: &mut [T], _| {
            for (slice, (z, out)) in std::iter::zip(args[0].chunks_exact(n), out.chunks_exact_mut(n + 2)).enumerate() {
                let weight = if selected.is_each() { 0.0 } else { selected.at(args[1], slice).to_f64() };
                if cone_piece(z, weight, out) && selected.is_each() {
                    out.copy_from_slice(&args[1][slice * (n + 2)..(slice + 1) * (n + 2)]);
                }
            }
        })
    }

    fn select(&self, u: &Tensor, mut element: impl FnMut(usize, &[f64], &mut [f64])) -> Tensor {
        let (_, n) = Set::Soc.points(u.shape());
        let mut shape = u.shape().to_vec();
        shape.last_mut().into_iter().for_each(|n| *n += 2);
        let mut s = Tensor::full(&shape, 0.0);
        let each = std::iter::zip(u.data().chunks_exact(n), s.data_mut().chunks_exact_mut(n + 2));
        each.enumerate().for_each(|(k, (z, s))| element(k, z, s));
        s
    }
}

impl Tie for ConePiece {
    fn met(&self, u: &Tensor, tolerance: f64) -> Vec<Met> {
        let (_, n) = Set::Soc.points(u.shape());
        let lead = &u.shape()[..u.shape().len() - 1];
        let met = |(k, z): (usize, &[f64])| {
            let (t, length) = (z[0], norm(&z[1..]));
            let distance = (length - t.abs()).abs();
            let apex = t.abs() <= tolerance && length <= tolerance;
            (distance <= tolerance).then(|| Met {
                index: unravel(k, lead),
                pieces: (!apex).then_some(2),
                distance: if apex { t.abs().max(length) } else { distance },
                beyond: f64::INFINITY,
            })
        };
        u.data().chunks_exact(n).enumerate().filter_map(met).collect()
    }

    fn random(&self, u: &Tensor, uniform: &mut dyn FnMut() -> f64) -> Tensor {
        self.select(u, |_, z, s| {
            let n = z.len();
            if !cone_piece(z, uniform(), s) || z.iter().any(|z| *z != 0.0) {
                return;
            }
            let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
            s[1..n].iter_mut().for_each(|x| *x = normal());
            let length = norm(&s[1..n]);
            s[1..n].iter_mut().for_each(|x| *x /= length);
            let (a, b, c) = (uniform(), uniform(), uniform());
            (s[0], s[n], s[n + 1]) = (2.0 * uniform() - 1.0, a / (a + b + c), b / (a + b + c));
        })
    }

    fn resolve(&self, u: &Tensor, dots: &[Tensor]) -> Tensor {
        self.select(u, |k, z, s| {
            let n = z.len();
            let part = |d: &Tensor| d.data()[k * n..(k + 1) * n].to_vec();
            let mut at = z.to_vec();
            for dot in dots.iter().map(part) {
                if !cone_piece(&at, 0.0, s) {
                    return;
                }
                if at.iter().all(|z| *z == 0.0) {
                    // The cone looks the same at 0 as from afar: the direction is the point.
                    at = dot;
                    continue;
                }
                let toward: f64 = std::iter::zip(&s[1..n], &dot[1..]).map(|(nu, d)| nu * d).sum();
                let inward = at[0].signum() * dot[0] - toward;
                if inward != 0.0 {
                    // Where ‖x‖ = t > 0 inward is all of the identity, where ‖x‖ = −t > 0 nothing at all.
                    let inward = inward > 0.0;
                    (s[n], s[n + 1]) = (f64::from(inward && at[0] > 0.0), f64::from(!inward));
                    return;
                }
            }
            cone_piece(&at, 0.0, s);
        })
    }

    // Between its ties the value turns with the argument.
    fn names_piece(&self) -> bool {
        false
    }

    fn faces(&self, u: &Tensor) -> Vec<Face> {
        let (_, n) = Set::Soc.points(u.shape());
        let face = |met: Met| {
            let k = ravel(&met.index, &u.shape()[..u.shape().len() - 1]);
            let z = &u.data()[k * n..(k + 1) * n];
            let length = norm(&z[1..]);
            let entries = vec![k * (n + 2) + n, k * (n + 2) + n + 1];
            if length == 0.0 {
                return Face { index: met.index, entries, pieces: Pieces::Unknown };
            }
            let piece = |inward: f64, values: Vec<f64>| {
                let form = (0..n).map(|i| (k * n + i, inward * if i == 0 { z[0].signum() } else { -z[i] / length }));
                Piece { values, forms: Some(vec![form.collect()]) }
            };
            let inside = f64::from(z[0] > 0.0);
            let pieces = Pieces::List(vec![piece(1.0, vec![inside, 0.0]), piece(-1.0, vec![0.0, 1.0])]);
            Face { index: met.index, entries, pieces }
        };
        self.met(u, 0.0).into_iter().map(face).collect()
    }

    fn is_affine(&self) -> bool {
        false
    }
}
