//! The program that is really run: selections filled in, operators written out, equal nodes merged.

use super::families::joined;
use crate::derive::fold;
use crate::program::op::{Execution, Op};
use crate::program::tie::Site;
use crate::program::{Builder, Input, Kind, Node, Program, Role, Var};
use std::sync::Arc;

/// How selections become numbers.
#[derive(Clone, Copy)]
pub enum Selections<'a> {
    /// Each is a constant, found from its site.
    Filled(&'a dyn Fn(&Site) -> f64),
    /// They are inputs like any other: programs inside operators.
    Given,
}

/// The program over its inputs (in their order; without the selections, where those are filled) in which no operator
/// is executed as its expansion. Value and derivative of one formula share their nodes afterwards.
///
/// Cost: a pass over the program, and one more as long as passes write operators that none has looked at.
pub fn lower(program: &Program, selections: Selections<'_>) -> Program {
    let (mut current, mut anew) = pass(program, selections);
    while anew {
        (current, anew) = pass(&current, Selections::Given);
    }
    let simple = current.pruned();
    joined(&simple).unwrap_or(simple)
}

/// One pass: selections filled, applications replaced by what runs in their place, which may hold further ones; and
/// whether it does. Equal nodes are merged, constants folded.
fn pass(program: &Program, selections: Selections<'_>) -> (Program, bool) {
    let builder = Builder::merging();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    let mut anew = false;
    let (mut args_here, mut shared): (Vec<Var<'_>>, Vec<bool>) = (vec![], vec![]);
    let readers = readers(program);
    for node in program.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => input(&builder, &program.inputs()[*k], selections),
            Kind::Apply { op, args } => {
                args_here.clear();
                args_here.extend(args.iter().map(|&a| map[a]));
                shared.clear();
                shared.extend(args.iter().map(|&a| readers[a] > 1));
                let before = builder.len();
                let image = application(&builder, node, op, &args_here, &shared);
                // A single new node of the same operator is the node itself. Whatever else a rule wrote comes next time.
                let itself = builder.len() == before || builder.len() == before + 1 && is_of(image, before, op);
                anew |= !itself;
                image
            }
            Kind::Constant(_) => builder.copy(node, &map),
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    (builder.finish(&outputs).expect("rewriting a checked program"), anew)
}

fn input<'p>(builder: &'p Builder, input: &Input, selections: Selections<'_>) -> Var<'p> {
    match (&input.role, selections) {
        (Role::Selection(site), Selections::Filled(fill)) => {
            let s = site.as_deref().map_or(0.0, fill);
            builder.constant(s).broadcast_to(&input.shape)
        }
        _ => builder.input(&input.name, &input.shape, Role::Data),
    }
}

/// How many nodes that matter read each node, with the outputs.
fn readers(program: &Program) -> Vec<u32> {
    let mut readers = vec![0; program.nodes().len()];
    program.outputs().iter().for_each(|&k| readers[k] += 1);
    for (id, node) in program.nodes().iter().enumerate().rev() {
        if let (Kind::Apply { args, .. }, true) = (&node.kind, readers[id] > 0) {
            args.iter().for_each(|&a| readers[a] += 1);
        }
    }
    readers
}

/// What runs in the place of an application to these arguments, of which some are shared with others.
fn application<'p>(builder: &'p Builder, node: &Node, op: &Arc<dyn Op>, args: &[Var<'p>], shared: &[bool]) -> Var<'p> {
    let value = match op.execution() {
        Execution::Expanded => Some(op.expand(args).expect("an operator executed as its expansion has one")),
        _ => fold(op, args, &node.shape).or_else(|| op.fused(args, shared)),
    };
    value.map_or_else(|| builder.applied(node, op, args), |value| value.broadcast_to(&node.shape))
}

/// Whether a node of this number is a constant, or an application of the operator.
fn is_of(image: Var<'_>, id: usize, op: &Arc<dyn Op>) -> bool {
    image.id() == id && (image.known().is_some() || image.made_by(op.name()).is_some())
}
