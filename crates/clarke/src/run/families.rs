//! Operators of one family with the same arguments: one that returns the parts of all of them is computed once.

use crate::error::Place;
use crate::program::equal::same_function;
use crate::program::op::{Execution, Op};
use crate::program::table::Map;
use crate::program::{Builder, Kind, Program};
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
    let whole = program.rewritten(&builder, |id, op, args| {
        let (parts, family) = (families.get(&id)?, op.family()?);
        Some(family.of(parts, builder.push(family.with(parts), &args(), Place::Unknown)))
    });
    Some(whole.pruned())
}

/// The parts to be computed, for each node that shares them with others.
fn families(program: &Program) -> Map<usize, Vec<bool>> {
    let mut by_args: Map<&[usize], Vec<Members>> = Map::default();
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
