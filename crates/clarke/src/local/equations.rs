//! The equations of a critical point on its ties: G(x, w) = 0 and u_a(x) = 0, as programs.

use super::At;
use super::along::tie_nodes;
use super::residual::{Residual, TieAt};
use crate::error::Result;
use crate::program::tie::{Pieces, Site};
use crate::program::{Builder, Kind, Program, Role, Var};
use crate::tensor::{Tensor, size};
use std::collections::HashMap;

/// The most unknowns: a step factors a matrix of their square.
const MOST: usize = 400;

/// Unknown weights of one face: the entry of the tie's value that an unknown is, and the entry that takes what is left
/// to a sum of 1, where there is one.
pub(super) struct Weight {
    pub tie: usize,
    pub entry: usize,
    pub rest: Option<usize>,
}

/// The equations in z = (x, w): as many as unknowns.
pub(super) struct Equations {
    /// (inputs, values of ties) ↦ the gradient.
    pub gradient: Program,
    /// inputs ↦ the arguments of the ties.
    pub arguments: Program,
    /// Values of all inputs, and which of them are variables.
    pub point: Vec<Tensor>,
    pub variables: Vec<usize>,
    /// The ties, and their values outside of what is unknown.
    pub ties: Vec<TieAt>,
    pub base: Vec<Tensor>,
    pub weights: Vec<Weight>,
    /// How many numbers x has.
    pub n: usize,
}

impl Equations {
    /// Of the differences active within a distance; None if there are too many unknowns, or ties that are no differences.
    pub fn new(at: &At, within: f64) -> Result<Option<Equations>> {
        let gradient = &at.gradient_program()?.0;
        let residual = Residual::new(gradient, &at.point, within)?;
        let mut weights = vec![];
        for (tie, t) in residual.ties.iter().enumerate() {
            for face in &t.faces {
                match &face.pieces {
                    Pieces::Segment => weights.push(Weight { tie, entry: face.entries[0], rest: None }),
                    Pieces::Simplex => {
                        let rest = Some(face.entries[0]);
                        weights.extend(face.entries[1..].iter().map(|&entry| Weight { tie, entry, rest }));
                    }
                    Pieces::List(_) | Pieces::Body { .. } | Pieces::Unknown => return Ok(None),
                }
            }
        }
        let inputs = at.program.inputs().iter().filter(|i| !i.role.is_selection());
        let variables: Vec<usize> = inputs.enumerate().filter(|(_, i)| i.role.is_argument()).map(|(k, _)| k).collect();
        let n = variables.iter().map(|&k| size(at.point[k].shape())).sum();
        if n + weights.len() > MOST || residual.partial {
            return Ok(None);
        }
        let arguments = arguments_of(at, &residual.ties)?;
        let gradient = with_ties_free(gradient, &residual.ties)?;
        let base = residual.base();
        let (point, ties) = (at.point.clone(), residual.ties);
        Ok(Some(Equations { gradient, arguments, point, variables, ties, base, weights, n }))
    }

    /// Both sides as one program: (inputs, values of ties) ↦ (G, …, u, …), whose variables are x and all values of ties.
    pub fn together(&self) -> Result<Program> {
        let builder = Builder::merging();
        let given = self.arguments.inputs().len();
        let input = |(k, i): (usize, &crate::program::Input)| {
            let role = if k < given { i.role.clone() } else { Role::Argument };
            builder.input(&i.name, &i.shape, role)
        };
        let inputs: Vec<Var<'_>> = self.gradient.inputs().iter().enumerate().map(input).collect();
        let mut outputs = builder.inline(&self.gradient, &inputs);
        outputs.extend(builder.inline(&self.arguments, &inputs[..given]));
        builder.finish(&outputs)
    }

    /// x where the point is, and the weights of the default convention.
    pub fn start(&self) -> Vec<f64> {
        let x = self.variables.iter().flat_map(|&k| self.point[k].data().iter().copied());
        let w = self.weights.iter().map(|w| self.base[w.tie].data()[w.entry]);
        x.chain(w).collect()
    }

    /// Values of all inputs at z.
    pub fn point_at(&self, z: &[f64]) -> Vec<Tensor> {
        let mut point = self.point.clone();
        let mut at = 0;
        for &k in &self.variables {
            let count = size(point[k].shape());
            point[k].data_mut().copy_from_slice(&z[at..at + count]);
            at += count;
        }
        point
    }

    /// The values of the ties under weights.
    pub fn values(&self, weights: &[f64]) -> Vec<Tensor> {
        let mut values = self.base.clone();
        let entries = |w: &Weight| w.rest.map(|rest| (w.tie, rest));
        for (tie, rest) in self.weights.iter().filter_map(entries) {
            values[tie].data_mut()[rest] = 1.0;
        }
        for (w, t) in self.weights.iter().zip(weights) {
            values[w.tie].data_mut()[w.entry] = *t;
            if let Some(rest) = w.rest {
                values[w.tie].data_mut()[rest] -= t;
            }
        }
        values
    }
}

/// What tells a tie among those of a linearization.
fn key(site: &Site) -> (usize, usize) {
    (site.node, site.number)
}

/// The arguments of ties as a program of the inputs.
fn arguments_of(at: &At, ties: &[TieAt]) -> Result<Program> {
    let linear = at.linear()?;
    let nodes: HashMap<(usize, usize), usize> =
        tie_nodes(&linear.program).iter().map(|(site, u)| (key(site), *u)).collect();
    let arguments: Vec<usize> = ties.iter().map(|t| nodes[&key(&t.site)]).collect();
    // The program's own selections are what the gradient below has for them, so that both have the same inputs.
    linear.primal(&arguments)?.fixing(|_, input| input.role.is_selection().then(|| input.default_selection()))
}

/// A gradient program in which the values of some ties are inputs, after all others.
fn with_ties_free(gradient: &Program, ties: &[TieAt]) -> Result<Program> {
    let builder = Builder::merging();
    let inputs: Vec<Var<'_>> = gradient
        .inputs()
        .iter()
        .map(|input| match input.role.is_selection() {
            true => builder.constant(input.default_selection()),
            false => builder.input(&input.name, &input.shape, input.role.clone()),
        })
        .collect();
    let free: HashMap<(usize, usize), Var<'_>> = ties
        .iter()
        .enumerate()
        .map(|(k, t)| (key(&t.site), builder.input(&format!("t{k}"), t.base.shape(), Role::Data)))
        .collect();
    let own = |args: &[usize]| match &gradient.nodes()[*args.get(1)?].kind {
        Kind::Input(k) => match &gradient.inputs()[*k].role {
            Role::Selection(site) => free.get(&key(site.as_ref()?)).copied(),
            _ => None,
        },
        _ => None,
    };
    let mut images: Vec<Var<'_>> = vec![];
    for node in gradient.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => inputs[*k],
            Kind::Apply { op, args } if op.tie().is_some() => own(args).unwrap_or_else(|| builder.copy(node, &images)),
            _ => builder.copy(node, &images),
        };
        images.push(image);
    }
    let outputs: Vec<Var<'_>> = gradient.outputs().iter().map(|&k| images[k]).collect();
    builder.finish(&outputs)
}
