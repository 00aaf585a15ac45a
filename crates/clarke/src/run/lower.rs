//! The program that is really run: selections filled in, operators written out, equal nodes merged.

use crate::program::op::Execution;
use crate::program::tie::Site;
use crate::program::{Builder, Kind, Program, Role, Var};

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
    fused(&current.simplify()).simplify()
}

/// One pass: applications are replaced by what runs in their place.
fn fused(program: &Program) -> Program {
    let builder = Builder::merging();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => {
                let input = &program.inputs()[*k];
                builder.input(&input.name, &input.shape, input.role.clone())
            }
            Kind::Apply { op, args } => {
                let args: Vec<Var<'_>> = args.iter().map(|&a| map[a]).collect();
                op.fused(&args).map_or_else(|| builder.copy(node, &map), |value| value.broadcast_to(&node.shape))
            }
            Kind::Constant(_) => builder.copy(node, &map),
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    builder.finish(&outputs).expect("replacing applications of a checked program")
}

fn needs_writing_out(program: &Program) -> bool {
    let expanded = |kind: &Kind| matches!(kind, Kind::Apply { op, .. } if is_expanded(op.as_ref()));
    program.nodes().iter().any(|n| expanded(&n.kind))
}

fn is_expanded(op: &dyn crate::program::op::Op) -> bool {
    matches!(op.execution(), Execution::Expanded)
}

/// One pass: every expanded operator is replaced by what it is written as, which may hold further ones.
fn rebuild(program: &Program, selections: Selections<'_>) -> Program {
    let builder = Builder::merging();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => {
                let input = &program.inputs()[*k];
                match (&input.role, selections) {
                    (Role::Selection(site), Selections::Filled(fill)) => {
                        let s = site.as_deref().map_or(0.0, fill);
                        builder.constant(s).broadcast_to(&input.shape)
                    }
                    _ => builder.input(&input.name, &input.shape, Role::Data),
                }
            }
            Kind::Apply { op, args } if is_expanded(op.as_ref()) => {
                let args: Vec<Var<'_>> = args.iter().map(|&a| map[a]).collect();
                let value = op.expand(&args).expect("an operator executed as its expansion has one");
                value.broadcast_to(&node.shape)
            }
            _ => builder.copy(node, &map),
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    builder.finish(&outputs).expect("writing out a checked program")
}
