//! Forward mode: every operator replaced by its value and its tangent.

use super::Transformations;
use crate::error::Result;
use crate::program::builder::{Origin, Ties};
use crate::program::op::{Linearity, Linearization, Op};
use crate::program::{Builder, Input, Kind, Program, Role, Var};
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::sync::Arc;

impl Program {
    /// The linearization: (x, …) ↦ (y, …) becomes (x, …, ẋ, …, s, …) ↦ (y, …, ẏ, …), linear in the tangents ẋ.
    ///
    /// Inputs: those of this program, then a tangent `d…` for each variable (data and selections have none), then a
    /// scalar selection for each tie. Outputs: the values, then their tangents.
    ///
    /// At ties: every tie stands in the result as a node `step(u, s)`, `pick(u, s)`, … whose selection is an input.
    /// Errors: an operator without derivative, with its place. Cost: at most a small multiple of the program.
    pub fn linearize(&self) -> Result<Program> {
        Ok(linearize_with(self, &[])?.program)
    }

    /// Another name of [`Program::linearize`]: the Jacobian-vector product of forward mode.
    pub fn jvp(&self) -> Result<Program> {
        self.linearize()
    }
}

/// A linearized program with the correspondence to the original.
#[derive(Debug)]
pub(crate) struct Linearized {
    pub program: Program,
    /// The image of each node of the original.
    pub image: Vec<usize>,
    /// Which inputs are the tangents.
    pub tangents: Vec<usize>,
}

impl Linearized {
    /// Some of its nodes that depend on no tangent, as a program of the original's inputs (and selections).
    pub fn primal(&self, nodes: &[usize]) -> Result<Program> {
        let zero = |k, input: &Input| self.tangents.contains(&k).then(|| Tensor::full(&input.shape, 0.0));
        Ok(self.program.with_outputs(nodes).fixing(zero)?.prune())
    }
}

/// Linearizes, in addition to the outputs also at other nodes.
pub(crate) fn linearize_with(program: &Program, more_outputs: &[usize]) -> Result<Linearized> {
    let builder = Builder::merging();
    let inputs: Vec<Var<'_>> =
        program.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let mut tangents = vec![];
    let mut seeds: Vec<Option<Var<'_>>> = vec![];
    for input in program.inputs() {
        seeds.push(input.role.is_argument().then(|| {
            tangents.push(inputs.len() + tangents.len());
            builder.input(&format!("d{}", input.name), &input.shape, Role::Argument)
        }));
    }
    let moved = moved(program, more_outputs);
    let mut pass = Pass { primal: vec![], tangent: vec![] };
    let (mut args_here, mut dots): (Vec<Var<'_>>, Vec<Option<Var<'_>>>) = (vec![], vec![]);
    for (id, node) in program.nodes().iter().enumerate() {
        match &node.kind {
            Kind::Input(k) => pass.define(inputs[*k], seeds[*k]),
            Kind::Constant(value) => {
                let origin = Origin { place: node.place.clone(), owner: node.owner.clone() };
                let image = builder.within(origin, || builder.fresh_constant(value.clone()));
                pass.define(image, None);
            }
            Kind::Apply { op, args } => {
                let origin = Origin { place: node.place.clone(), owner: node.owner.clone() };
                args_here.clear();
                args_here.extend(args.iter().map(|&a| pass.primal[a]));
                let out = builder.within(origin, || builder.push_fresh(op.clone(), &args_here, node.place.clone()));
                if !moved[id] {
                    pass.define(out, None);
                    continue;
                }
                dots.clear();
                dots.extend(args.iter().map(|&a| pass.tangent[a]));
                // A node of a derivative linearized again keeps reporting the operator the user wrote.
                let owner = node.owner.clone().unwrap_or_else(|| op.clone());
                let ties = Ties {
                    owner: owner.clone(),
                    inner: None,
                    node: id,
                    place: node.place.clone(),
                    ordinal: 0,
                    inner_ordinal: 0,
                    within: vec![],
                };
                let origin = Origin { place: node.place.clone(), owner: Some(owner) };
                let (dot, _) =
                    builder.within(origin, || builder.tying(ties, || tangent_of(&builder, op, &args_here, out, &dots)));
                pass.define(out, dot?);
            }
        }
    }
    let wanted = || program.outputs().iter().chain(more_outputs);
    let mut outputs: Vec<Var<'_>> = wanted().map(|&k| pass.primal[k]).collect();
    for &k in wanted() {
        let shape = program.nodes()[k].shape.clone();
        outputs.push(pass.tangent[k].unwrap_or_else(|| builder.constant(0.0).broadcast_to(&shape)));
    }
    let image = pass.primal.iter().map(Var::id).collect();
    Ok(Linearized { program: builder.finish(&outputs)?, image, tangents })
}

/// Which nodes' tangents the outputs need: what they are made of, up to operators that tangents end at.
fn moved(program: &Program, more_outputs: &[usize]) -> Vec<bool> {
    let ends = |id: usize| matches!(&program.nodes()[id].kind, Kind::Apply { op, .. } if op.stops());
    program.reached(&[program.outputs(), more_outputs].concat(), ends)
}

struct Pass<'p> {
    primal: Vec<Var<'p>>,
    tangent: Vec<Option<Var<'p>>>,
}

impl<'p> Pass<'p> {
    fn define(&mut self, primal: Var<'p>, tangent: Option<Var<'p>>) {
        self.primal.push(primal);
        self.tangent.push(tangent);
    }
}

/// The tangent of one application.
fn tangent_of<'p>(
    builder: &'p Builder,
    op: &Arc<dyn Op>,
    args: &[Var<'p>],
    out: Var<'p>,
    dots: &[Option<Var<'p>>],
) -> Result<Option<Var<'p>>> {
    if dots.iter().all(Option::is_none) || out.is_poisoned() || op.stops() {
        return Ok(None);
    }
    let shape = out.shape();
    let tangent = match op.linearity() {
        Linearity::Joint => joint(op, args, dots),
        Linearity::Each => each(op, args, dots),
        Linearity::First if dots[1..].iter().all(Option::is_none) => dots[0].map(|dot| {
            let mut with = args.to_vec();
            with[0] = dot;
            push(builder, op, &with)
        }),
        Linearity::In(mask) if std::iter::zip(&mask, dots).all(|(linear, d)| *linear || d.is_none()) => {
            let fill = |k: usize| match dots[k] {
                Some(dot) => dot,
                None if mask[k] => builder.constant(0.0).broadcast_to(&args[k].shape()),
                None => args[k],
            };
            Some(push(builder, op, &(0..args.len()).map(fill).collect::<Vec<_>>()))
        }
        Linearity::None | Linearity::First | Linearity::In(_) => match builder.unreduced(|| op.expand(args)) {
            Some(value) => {
                let mut known = std::iter::zip(args, dots).map(|(a, d)| (a.id(), *d)).collect();
                walk_expansion(builder, value, &mut known)?
            }
            None => {
                let at = Linearization { args, out, tangents: dots, calculus: &Transformations };
                op.linearize(&at)?
            }
        },
    };
    Ok(tangent.map(|t| t.broadcast_to(&shape)))
}

fn push<'p>(builder: &'p Builder, op: &Arc<dyn Op>, args: &[Var<'p>]) -> Var<'p> {
    builder.push(op.clone(), args, Default::default())
}

/// Linear in all arguments together: the operator itself, on the tangents.
fn joint<'p>(op: &Arc<dyn Op>, args: &[Var<'p>], dots: &[Option<Var<'p>>]) -> Option<Var<'p>> {
    let builder = args[0].builder();
    let filled: Vec<Var<'p>> = std::iter::zip(args, dots)
        .map(|(a, d)| d.unwrap_or_else(|| builder.constant(0.0).broadcast_to(&a.shape())))
        .collect();
    Some(push(builder, op, &filled))
}

/// Linear in each argument: the product rule.
fn each<'p>(op: &Arc<dyn Op>, args: &[Var<'p>], dots: &[Option<Var<'p>>]) -> Option<Var<'p>> {
    let builder = args[0].builder();
    let term = |k: usize| {
        let mut with = args.to_vec();
        with[k] = dots[k]?;
        Some(push(builder, op, &with))
    };
    (0..args.len()).filter_map(term).reduce(|a, b| a + b)
}

/// The tangent of a node of an expansion, from those known of its arguments: depth first, each node once.
fn walk_expansion<'p>(
    builder: &'p Builder,
    value: Var<'p>,
    known: &mut HashMap<usize, Option<Var<'p>>>,
) -> Result<Option<Var<'p>>> {
    if let Some(dot) = known.get(&value.id()) {
        return Ok(*dot);
    }
    let Some((op, args)) = value.application() else {
        known.insert(value.id(), None);
        return Ok(None);
    };
    if op.stops() {
        known.insert(value.id(), None);
        return Ok(None);
    }
    let mut dots = vec![];
    for arg in &args {
        dots.push(walk_expansion(builder, *arg, known)?);
    }
    let mut ties = builder.current_ties().expect("an expansion is linearized as part of its operator");
    let outer_inner = ties.inner.clone();
    ties.inner = Some(op.clone());
    ties.inner_ordinal = 0;
    ties.within.push((value.id(), 0));
    let (dot, mut after) = builder.tying(ties, || tangent_of(builder, &op, &args, value, &dots));
    after.within.pop();
    builder.set_ties(Ties { inner: outer_inner, ..after });
    let dot = dot?;
    known.insert(value.id(), dot);
    Ok(dot)
}
