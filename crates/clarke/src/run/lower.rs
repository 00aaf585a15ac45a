//! The program that is really run: selections filled in, operators written out, equal nodes merged.

use crate::error::Place;
use crate::program::builder::identity;
use crate::program::op::{Execution, Op};
use crate::program::tie::Site;
use crate::program::{Builder, Input, Kind, Program, Role, Var};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

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
    let mut simple = current.simplify();
    for replaced in [joined, fused] {
        simple = replaced(&simple).map_or(simple, |program| program.simplify());
    }
    simple
}

/// By family and arguments: which parts are returned by any of them, and which operators they are.
type Families = HashMap<(String, Vec<usize>), (Vec<bool>, HashSet<String>)>;

/// One pass: operators of one family with the same arguments become parts of one; None if there are none such.
fn joined(program: &Program) -> Option<Program> {
    let of = |op: &dyn Op, args: &[usize]| op.family().map(|family| (identity(family.least().as_ref()), args.to_vec()));
    let mut families = Families::new();
    for node in program.nodes() {
        if let Kind::Apply { op, args } = &node.kind
            && let (Some(key), Some(family)) = (of(op.as_ref(), args), op.family())
        {
            let (parts, members) = families.entry(key).or_insert_with(|| (family.parts(), HashSet::new()));
            std::iter::zip(parts, family.parts()).for_each(|(all, own)| *all |= own);
            members.insert(identity(op.as_ref()));
        }
    }
    families.retain(|_, (_, members)| members.len() > 1);
    if families.is_empty() {
        return None;
    }
    Some(pass(program, again, |op, from, args| {
        let (parts, _) = families.get(&of(op, from)?)?;
        let family = op.family()?;
        let whole = args[0].builder().push(family.with(parts), args, Place::Unknown);
        Some(family.of(parts, whole))
    }))
}

/// One pass: applications are replaced by what runs in their place; None if there are none such.
fn fused(program: &Program) -> Option<Program> {
    let found = Cell::new(false);
    let replaced = pass(program, again, |op, _, args| {
        let value = op.fused(args);
        found.set(found.get() || value.is_some());
        value
    });
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
        |op, _, args| {
            let expansion = || op.expand(args).expect("an operator executed as its expansion has one");
            is_expanded(op).then(expansion)
        },
    )
}

/// An input as it was.
fn again<'p>(builder: &'p Builder, input: &Input) -> Var<'p> {
    builder.input(&input.name, &input.shape, input.role.clone())
}

/// The program with its inputs made anew and applications replaced where there is something in their place; equal nodes
/// are merged. What replaces is told the arguments' nodes, and what they have become.
fn pass(
    program: &Program,
    input: impl for<'p> Fn(&'p Builder, &Input) -> Var<'p>,
    replace: impl for<'p> Fn(&dyn Op, &[usize], &[Var<'p>]) -> Option<Var<'p>>,
) -> Program {
    let builder = Builder::merging();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => input(&builder, &program.inputs()[*k]),
            Kind::Apply { op, args } => {
                let images: Vec<Var<'_>> = args.iter().map(|&a| map[a]).collect();
                let value = replace(op.as_ref(), args, &images);
                value.map_or_else(|| builder.copy(node, &map), |value| value.broadcast_to(&node.shape))
            }
            Kind::Constant(_) => builder.copy(node, &map),
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    builder.finish(&outputs).expect("rewriting a checked program")
}
