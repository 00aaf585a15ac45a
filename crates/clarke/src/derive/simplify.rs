//! Smaller programs with the same values: pruning, merging, folding; and operators written out.

use crate::error::Result;
use crate::program::equal::{hash_application, hash_constant, same_constant, same_function};
use crate::program::op::{Compiler, Execution, Kernel, Op, interpret};
use crate::program::table::{Table, hash};
use crate::program::{Builder, Kind, Program, Role, Var};
use crate::tensor::{Tensor, size};
use std::sync::Arc;

impl Program {
    /// The same values with less work: equal nodes merged, constants folded, neutral operations removed, dead nodes
    /// dropped. No value changes.
    ///
    /// The conservative gradient may shrink: `relu(x) - relu(x)` as written has two ties, merged it has one.
    pub fn simplify(&self) -> Program {
        let builder = Builder::merging();
        self.rewritten(&builder, |id, op, args| fold(op, &args(), &self.nodes()[id].shape)).pruned()
    }

    /// The program made anew, in which an application is what `replace` says of its node, operator and new arguments, or else
    /// what it was.
    pub(crate) fn rewritten<'p>(
        &self,
        builder: &'p Builder,
        mut replace: impl FnMut(usize, &Arc<dyn Op>, &dyn Fn() -> Vec<Var<'p>>) -> Option<Var<'p>>,
    ) -> Program {
        let mut map: Vec<Var<'p>> = Vec::with_capacity(self.nodes().len());
        for (id, node) in self.nodes().iter().enumerate() {
            let image = match &node.kind {
                Kind::Input(k) => {
                    let input = &self.inputs()[*k];
                    Some(builder.input(&input.name, &input.shape, input.role.clone()))
                }
                Kind::Constant(_) => None,
                Kind::Apply { op, args } => replace(id, op, &|| args.iter().map(|&a| map[a]).collect()),
            };
            let image = image.unwrap_or_else(|| builder.copy(node, &map));
            map.push(image);
        }
        let outputs: Vec<Var<'p>> = self.outputs().iter().map(|&k| map[k]).collect();
        builder.finish(&outputs).expect("rewriting a checked program")
    }

    /// The program without nodes that no output needs. Variables and data stay inputs; selections that nothing needs
    /// go.
    pub fn prune(&self) -> Program {
        self.clone().pruned()
    }

    /// The same of a program that is not used any more.
    pub(crate) fn pruned(self) -> Program {
        let mut needed = self.needed();
        for input in self.inputs() {
            needed[input.node] |= !input.role.is_selection();
        }
        self.only(&needed)
    }
}

/// The program with every operator that contains programs written out, node by node, so that each of its ties is a
/// node of its own: what the analysis at a point looks at. Cost: linear in the work of the program.
pub(crate) fn unroll(program: &Program) -> Result<Program> {
    if !program.nodes().iter().any(|n| matches!(&n.kind, Kind::Apply { op, .. } if !op.programs().is_empty())) {
        return Ok(program.clone());
    }
    let builder = Builder::new();
    unroll(&program.rewritten(&builder, |_, op, args| {
        let written = || op.unroll(&args()).expect("an operator made of programs can be written out");
        (!op.programs().is_empty()).then(written)
    }))
}

/// The simplified program of one node, with node `from` and all written like it replaced by node `to`, as functions on
/// the set where the two are equal and everything is finite. None if `to` is made from `from`.
pub(crate) fn substitute(program: &Program, from: usize, to: usize, root: usize, shape: &[usize]) -> Option<Program> {
    let first = program.reached(&[to], |_| false);
    let written = representatives(program);
    let replaced = |id: usize| written[id] == written[from] && written[from] != written[to];
    if (0..first.len()).any(|id| first[id] && replaced(id)) {
        return None;
    }
    let builder = Builder::merging_finite();
    let mut map: Vec<Option<Var<'_>>> = vec![None; program.nodes().len()];
    let later = program.reached(&[root], |_| false);
    let order = |wanted: Vec<bool>| (0..wanted.len()).filter(move |&k| wanted[k]);
    for id in order(first).chain(order(later)) {
        if map[id].is_some() {
            continue;
        }
        let node = &program.nodes()[id];
        map[id] = Some(match &node.kind {
            _ if replaced(id) => map[to].expect("what replaces is built first").broadcast_to(&node.shape),
            Kind::Input(k) => builder.input(&program.inputs()[*k].name, &node.shape, Role::Argument),
            Kind::Apply { op, args } => {
                let args: Vec<Var<'_>> = args.iter().map(|&a| map[a].expect("arguments come first")).collect();
                match fold(op, &args, &node.shape) {
                    Some(value) => value,
                    None => builder.push(op.clone(), &args, node.place.clone()),
                }
            }
            Kind::Constant(c) => builder.constant(c.as_ref().clone()),
        });
    }
    let out = map[root]?.broadcast_to(shape);
    builder.finish(&[out]).ok().map(Program::pruned)
}

/// For each node the first one written like it: the same operator of arguments written alike, the same input, an equal
/// constant.
fn representatives(program: &Program) -> Vec<usize> {
    let (nodes, mut table) = (program.nodes(), Table::default());
    let mut all: Vec<usize> = vec![];
    for (id, node) in nodes.iter().enumerate() {
        let written = |args: &[usize]| args.iter().map(|&a| all[a]).collect::<Vec<_>>();
        let hash = match &node.kind {
            Kind::Input(k) => hash(k),
            Kind::Constant(c) => hash_constant(c),
            Kind::Apply { op, args } => hash_application(op.as_ref(), &written(args)),
        };
        let alike = |other: usize| match (&node.kind, &nodes[other].kind) {
            (Kind::Input(k), Kind::Input(l)) => k == l,
            (Kind::Constant(c), Kind::Constant(d)) => same_constant(c, d),
            (Kind::Apply { op, args }, Kind::Apply { op: f, args: of }) => {
                written(args) == written(of) && same_function(op, f)
            }
            _ => false,
        };
        let first = table.find(hash, alike);
        if first.is_none() {
            table.insert(hash, id);
        }
        all.push(first.unwrap_or(id));
    }
    all
}

/// The value of an application to constants, unless it would be much larger than its arguments.
pub(crate) fn fold<'p>(op: &Arc<dyn Op>, args: &[Var<'p>], shape: &[usize]) -> Option<Var<'p>> {
    let builder = args.first()?.builder();
    let known: Vec<Arc<Tensor>> = args.iter().map(Var::known).collect::<Option<_>>()?;
    let held: usize = known.iter().map(|c| c.data().len()).sum();
    let expanded = matches!(op.execution(), Execution::Expanded);
    if known.is_empty() || expanded || !op.programs().is_empty() || size(shape) > held.max(64) {
        return None;
    }
    let arrays: Vec<&Tensor> = known.iter().map(Arc::as_ref).collect();
    Some(builder.constant(interpret(op.as_ref(), &arrays, shape, &NoPrograms)?))
}

/// For operators without programs, which never ask.
struct NoPrograms;

impl Compiler<f64> for NoPrograms {
    fn compile(&self, _: &Program) -> Kernel<f64> {
        unreachable!("an operator without programs compiles none")
    }
}
