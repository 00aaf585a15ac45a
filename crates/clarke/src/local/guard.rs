//! Where no derivative exists: discontinuous conditions, equalities met, slopes that are infinite behind a tie.

use crate::derive::substitute;
use crate::error::{Fault, Result};
use crate::program::op::{BoundaryKind, BoundaryParts, Op};
use crate::program::tie::{Met, Site};
use crate::program::{Kind, Node, Program};
use crate::run::Monitor;
use crate::tensor::{Tensor, broadcast_strides, strides, unravel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::sync::Arc;

/// Two values of a `where` agree on its boundary if they differ by at most this many units in the last place of their
/// largest term: enough for a handful of rounded operations on each side, far below any jump that is meant.
const ULPS: f64 = 64.0;

/// Checks every condition and jump whose boundary is met: an error where it is discontinuous or an equality; else
/// whether all are proved continuous along their whole boundary.
pub(super) fn check(program: &Program, values: &[Tensor], met: &[(Arc<Site>, Met)]) -> Result<bool> {
    // A `where` is proved for all of its elements at once.
    let mut proofs: HashMap<usize, bool> = HashMap::new();
    for (site, met) in met {
        let Some(boundary) = site.owner.boundary() else { continue };
        let node = &program.nodes()[site.node];
        let Kind::Apply { op, args } = &node.kind else { continue };
        let arrays: Vec<&Tensor> = args.iter().map(|&a| &values[a]).collect();
        if let Some((first, second)) = boundary.spread(&arrays, &met.index) {
            let apart = (first - second).abs();
            if apart.is_nan() || apart > ULPS * f64::EPSILON * first.abs().max(second.abs()) {
                let index = met.index.clone();
                return Err(Fault::Discontinuous { op: op.name().into(), first, second, index }.at(node.place.clone()));
            }
            proofs.insert(site.node, false);
            continue;
        }
        let flat = flat_index(&met.index, &node.shape);
        let here = arguments_at(args, values, node, flat);
        let discontinuous = |first, second| {
            let index = unravel(flat, &node.shape);
            Fault::Discontinuous { op: op.name().into(), first, second, index }.at(node.place.clone())
        };
        match boundary.at(&here) {
            BoundaryKind::Equality => {
                let why = "the condition is an equality and holds at this point, so the value there says nothing \
                           about its neighbours; use > or >="
                    .to_string();
                return Err(Fault::NoDerivative { op: op.name().into(), why }.at(node.place.clone()));
            }
            BoundaryKind::Pieces(first, second) => {
                let parts = boundary.parts();
                let values_of = parts.map_or(vec![], |p| vec![p.values.0, p.values.1]);
                let terms = values_of.iter().map(|&k| largest_term(program, values, args[k], node, flat));
                let scale = terms.fold(first.abs().max(second.abs()), f64::max);
                let apart = (first - second).abs();
                if apart.is_nan() || apart > ULPS * f64::EPSILON * scale {
                    return Err(discontinuous(first, second));
                }
                let sides = |p: BoundaryParts| agrees_everywhere(program, args, p.sides, p.values, &node.shape);
                proofs.entry(site.node).or_insert_with(|| parts.is_some_and(sides));
            }
            BoundaryKind::Jump(first, second) => return Err(discontinuous(first, second)),
        }
    }
    Ok(proofs.into_values().all(|proved| proved))
}

/// Whether the two values are the same program once the two sides of the condition are: then they agree on all of its
/// boundary, as those of a maximum or an absolute value in disguise do.
fn agrees_everywhere(
    program: &Program,
    args: &[usize],
    sides: (usize, usize),
    values: (usize, usize),
    shape: &[usize],
) -> bool {
    let (left, right) = (args[sides.0], args[sides.1]);
    let same = |from: usize, to: usize| {
        let (inner, outer) = (&program.nodes()[to].shape, &program.nodes()[from].shape);
        // Only a side that stretches to the other can stand in for it.
        if crate::tensor::broadcast(inner, outer).as_ref() != Some(outer) || outer != shape {
            return false;
        }
        let value = |k: usize| substitute(program, from, to, args[k], shape);
        match (value(values.0), value(values.1)) {
            (Some(a), Some(b)) => a.equal_numerically(&b),
            _ => false,
        }
    };
    same(left, right) || same(right, left)
}

/// The largest magnitude among a node's value and its operator's arguments at the element of `user` at `flat`.
fn largest_term(program: &Program, values: &[Tensor], node: usize, user: &Node, flat: usize) -> f64 {
    let own = values[node].data()[broadcast_flat(values[node].shape(), &user.shape, flat)].abs();
    let Kind::Apply { args, .. } = &program.nodes()[node].kind else { return own };
    let shape = &program.nodes()[node].shape;
    let here = broadcast_flat(shape, &user.shape, flat);
    let terms = args.iter().filter(|&&a| crate::tensor::broadcast(values[a].shape(), shape).as_ref() == Some(shape));
    terms.map(|&a| values[a].data()[broadcast_flat(values[a].shape(), shape, here)].abs()).fold(own, f64::max)
}

/// The arguments of an elementwise application at one element; empty if it is not elementwise.
pub(super) fn arguments_at(args: &[usize], values: &[Tensor], node: &Node, flat: usize) -> Vec<f64> {
    let elementwise =
        args.iter().all(|&a| crate::tensor::broadcast(values[a].shape(), &node.shape).as_ref() == Some(&node.shape));
    if !elementwise || args.len() > 4 {
        return vec![];
    }
    args.iter().map(|&a| values[a].data()[broadcast_flat(values[a].shape(), &node.shape, flat)]).collect()
}

/// The position in an array of shape `from` of the element at `flat` of shape `to`.
fn broadcast_flat(from: &[usize], to: &[usize], flat: usize) -> usize {
    std::iter::zip(unravel(flat, to), broadcast_strides(from, to)).map(|(i, s)| i * s).sum()
}

fn flat_index(index: &[usize], shape: &[usize]) -> usize {
    // The index is that of the tie's argument, whose shape broadcasts to the operator's.
    std::iter::zip(index.iter().rev(), strides(shape).iter().rev()).map(|(i, s)| i * s).sum()
}

/// Runs the gradient with interior weights at every tie and looks for slopes that are not finite where something
/// flows: a zero chosen at a tie must not hide them.
pub(super) struct Replay<'a> {
    gradient: &'a Program,
    program: &'a Program,
    values: &'a [Tensor],
    rng: ChaCha8Rng,
}

impl<'a> Replay<'a> {
    pub fn new(gradient: &'a Program, program: &'a Program, values: &'a [Tensor]) -> Replay<'a> {
        Replay { gradient, program, values, rng: ChaCha8Rng::seed_from_u64(0) }
    }

    /// The node of the program that an operator of its derivative derives from.
    fn owner_node(&self, owner: &Arc<dyn Op>) -> Option<usize> {
        self.program.nodes().iter().position(|n| matches!(&n.kind, Kind::Apply { op, .. } if Arc::ptr_eq(op, owner)))
    }
}

impl Monitor for Replay<'_> {
    fn select(&mut self, tie: &dyn Op, _: Option<&Arc<Site>>, u: &Tensor) -> Option<Tensor> {
        Some(tie.tie()?.random(u, &mut || 0.25 + 0.5 * self.rng.random::<f64>()))
    }

    fn seen(&mut self, node: usize, op: &dyn Op, args: &[&Tensor], value: &Tensor) -> Result<()> {
        if !op.guards() {
            return Ok(());
        }
        for flat in 0..value.data().len() {
            let slope = args[0].data()[broadcast_flat(args[0].shape(), value.shape(), flat)];
            let tangent = args[1].data()[broadcast_flat(args[1].shape(), value.shape(), flat)];
            if slope.is_finite() || tangent == 0.0 {
                continue;
            }
            let node = &self.gradient.nodes()[node];
            let owner = node.owner.as_ref();
            let at = owner.and_then(|o| self.owner_node(o)).map(|k| &self.program.nodes()[k]);
            let argument = match at.map(|n| (n, &n.kind)) {
                Some((n, Kind::Apply { args, .. })) if n.shape == value.shape() => {
                    arguments_at(args, self.values, n, flat)
                }
                _ => vec![],
            };
            let name = owner.map_or(op.name(), |o| o.name());
            let index = unravel(flat, value.shape());
            return Err(Fault::NotLipschitz { op: name.into(), slope, argument, index }.at(node.place.clone()));
        }
        Ok(())
    }
}
