//! The program that is really run: selections filled in, operators written out, equal nodes merged.

use super::together::together;
use crate::program::op::{Execution, Op};
use crate::program::tie::Site;
use crate::program::{Builder, Input, Kind, Program, Role, Var};
use std::cell::Cell;

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
pub fn lower(program: &Program, selections: Selections<'_>) -> Program {
    let mut current = rebuild(program, selections);
    while needs_writing_out(&current) {
        current = rebuild(&current, Selections::Given);
    }
    let simple = current.simplify();
    let fused = fused(&simple).map_or(simple, |program| program.simplify());
    together(&fused).unwrap_or(fused)
}

/// One pass: applications are replaced by what runs in their place; None if there are none such.
fn fused(program: &Program) -> Option<Program> {
    let found = Cell::new(false);
    let mut readers = vec![0usize; program.nodes().len()];
    for node in program.nodes() {
        if let Kind::Apply { args, .. } = &node.kind {
            args.iter().for_each(|&a| readers[a] += 1);
        }
    }
    program.outputs().iter().for_each(|&k| readers[k] += 1);
    let replaced = pass(
        program,
        |builder, input| builder.input(&input.name, &input.shape, input.role.clone()),
        |op, args, ids| {
            let shared: Vec<bool> = ids.iter().map(|&k| readers[k] > 1).collect();
            let value = op.fused(args, &shared);
            found.set(found.get() || value.is_some());
            value
        },
    );
    found.get().then_some(replaced)
}

fn needs_writing_out(program: &Program) -> bool {
    let expanded = |kind: &Kind| matches!(kind, Kind::Apply { op, .. } if is_expanded(op.as_ref()));
    program.nodes().iter().any(|n| expanded(&n.kind))
}

fn is_expanded(op: &dyn Op) -> bool {
    matches!(op.execution(), Execution::Expanded)
}

/// One pass: every expanded operator is replaced by what it is written as, which may hold further ones.
fn rebuild(program: &Program, selections: Selections<'_>) -> Program {
    pass(
        program,
        |builder, input| match (&input.role, selections) {
            (Role::Selection(site), Selections::Filled(fill)) => {
                let s = site.as_deref().map_or(0.0, fill);
                builder.constant(s).broadcast_to(&input.shape)
            }
            _ => builder.input(&input.name, &input.shape, Role::Data),
        },
        |op, args, _| {
            let expansion = || op.expand(args).expect("an operator executed as its expansion has one");
            is_expanded(op).then(expansion)
        },
    )
}

/// The program with its inputs made anew and applications replaced where there is something in their place; equal nodes
/// are merged.
fn pass(
    program: &Program,
    input: impl for<'p> Fn(&'p Builder, &Input) -> Var<'p>,
    replace: impl for<'p> Fn(&dyn Op, &[Var<'p>], &[usize]) -> Option<Var<'p>>,
) -> Program {
    let builder = Builder::merging();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => input(&builder, &program.inputs()[*k]),
            Kind::Apply { op, args: ids } => {
                let args: Vec<Var<'_>> = ids.iter().map(|&a| map[a]).collect();
                let value = replace(op.as_ref(), &args, ids);
                value.map_or_else(|| builder.copy(node, &map), |value| value.broadcast_to(&node.shape))
            }
            Kind::Constant(_) => builder.copy(node, &map),
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    builder.finish(&outputs).expect("rewriting a checked program")
}
