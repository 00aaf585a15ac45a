//! Operators of one family with the same arguments: one that returns the parts of all of them is computed once.

use crate::error::Place;
use crate::program::equal::same_function;
use crate::program::op::{Execution, Op};
use crate::program::{Builder, Kind, Program, Var};
use std::collections::HashMap;
use std::sync::Arc;

/// Members of a family with the same arguments: the one that stands for it, the nodes, and the parts of all together.
struct Members {
    least: Arc<dyn Op>,
    nodes: Vec<usize>,
    parts: Vec<bool>,
}

/// The program in which operators of one family with the same arguments are parts of one; None if there are none such.
///
/// Cost: linear; what is elementwise is passed over.
pub fn joined(program: &Program) -> Option<Program> {
    let families = families(program);
    if families.is_empty() {
        return None;
    }
    let builder = Builder::merging();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    for (id, node) in program.nodes().iter().enumerate() {
        let image = match &node.kind {
            Kind::Input(k) => {
                let input = &program.inputs()[*k];
                builder.input(&input.name, &input.shape, input.role.clone())
            }
            Kind::Apply { op, args } => match (families.get(&id), op.family()) {
                (Some(parts), Some(family)) => {
                    let args: Vec<Var<'_>> = args.iter().map(|&a| map[a]).collect();
                    family.of(parts, builder.push(family.with(parts), &args, Place::Unknown))
                }
                _ => builder.copy(node, &map),
            },
            Kind::Constant(_) => builder.copy(node, &map),
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    Some(builder.finish(&outputs).expect("rewriting a checked program").simplify())
}

/// The parts to be computed, for each node that shares them with others.
fn families(program: &Program) -> HashMap<usize, Vec<bool>> {
    let mut by_args: HashMap<&[usize], Vec<Members>> = HashMap::new();
    for (id, node) in program.nodes().iter().enumerate() {
        if let Kind::Apply { op, args } = &node.kind
            && let Execution::Array(_) = op.execution()
            && let Some(family) = op.family()
        {
            let (least, own) = (family.least(), family.parts());
            let known = by_args.entry(args).or_default();
            match known.iter_mut().find(|m| same_function(&m.least, &least)) {
                Some(members) => {
                    members.nodes.push(id);
                    std::iter::zip(&mut members.parts, own).for_each(|(all, own)| *all |= own);
                }
                None => known.push(Members { least, nodes: vec![id], parts: own }),
            }
        }
    }
    let shared = by_args.into_values().flatten().filter(|members| members.nodes.len() > 1);
    shared.flat_map(|m| m.nodes.into_iter().map(move |id| (id, m.parts.clone()))).collect()
}
