//! Operators with the same arguments that have something in common, which is computed once: `Op::together`.

use crate::program::op::Execution;
use crate::program::{Builder, Kind, Program, Var};
use std::collections::HashMap;

/// The program in which they are replaced by what they have in common and what is left of each; None if there are none.
pub fn together(program: &Program) -> Option<Program> {
    let kernels = kernels_by_arguments(program);
    if kernels.is_empty() {
        return None;
    }
    let builder = Builder::merging();
    let (mut map, mut known) = (Vec::<Var<'_>>::with_capacity(program.nodes().len()), HashMap::new());
    for (id, node) in program.nodes().iter().enumerate() {
        let image = match &node.kind {
            Kind::Input(k) => {
                let input = &program.inputs()[*k];
                builder.input(&input.name, &input.shape, input.role.clone())
            }
            Kind::Apply { args, .. } => {
                if let Some((other, [own, with])) = pair(program, id, kernels.get(args.as_slice()), &map) {
                    known.insert(other, with);
                    own
                } else {
                    known.get(&id).copied().unwrap_or_else(|| builder.copy(node, &map))
                }
            }
            Kind::Constant(_) => builder.copy(node, &map),
        };
        map.push(image);
    }
    if known.is_empty() {
        return None;
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    Some(builder.finish(&outputs).expect("rewriting a checked program").simplify())
}

/// The applications that are kernels, by what they are applied to, where that is said of more than one. There are few of
/// them even where there are many numbers.
fn kernels_by_arguments(program: &Program) -> HashMap<&[usize], Vec<usize>> {
    let mut kernels: HashMap<&[usize], Vec<usize>> = HashMap::new();
    for (id, node) in program.nodes().iter().enumerate() {
        if let Kind::Apply { op, args } = &node.kind
            && let Execution::Array(_) = op.execution()
        {
            kernels.entry(args).or_default().push(id);
        }
    }
    kernels.retain(|_, ids| ids.len() > 1);
    kernels
}

/// A later application that this one has something in common with, and the values of both.
fn pair<'p>(program: &Program, id: usize, same: Option<&Vec<usize>>, map: &[Var<'p>]) -> Option<(usize, [Var<'p>; 2])> {
    let parts = |id: usize| match &program.nodes()[id].kind {
        Kind::Apply { op, args } => Some((op, args)),
        _ => None,
    };
    let (op, args) = parts(id)?;
    let args: Vec<Var<'p>> = args.iter().map(|&a| map[a]).collect();
    same?.iter().filter(|other| **other > id).find_map(|&other| {
        let (with, _) = parts(other)?;
        let swapped = || with.together(op.as_ref(), &args).map(|[b, a]| [a, b]);
        Some((other, op.together(with.as_ref(), &args).or_else(swapped)?))
    })
}
