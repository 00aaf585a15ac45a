//! When two nodes are one: equal operators with equal parameters on the same arguments, and equal constants.

use super::op::{Op, Param};
use super::table::{Mix, Table};
use super::{Kind, Node};
use crate::tensor::Tensor;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The applications and constants of a program under construction, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    table: Table,
}

impl Merged {
    /// The node that is this application.
    pub fn application(&self, nodes: &[Node], hash: u32, op: &Arc<dyn Op>, args: &[usize]) -> Option<usize> {
        self.table.find(hash, |id| match &nodes[id].kind {
            Kind::Apply { op: other, args: own } => **own == *args && same_function(op, other),
            _ => false,
        })
    }

    /// The node that is this constant.
    pub fn constant(&self, nodes: &[Node], hash: u32, value: &Tensor) -> Option<usize> {
        self.table.find(hash, |id| matches!(&nodes[id].kind, Kind::Constant(own) if same_constant(own, value)))
    }

    /// Adds a node that was not found.
    pub fn insert(&mut self, hash: u32, id: usize) {
        self.table.insert(hash, id);
    }
}

/// The hash of an application; what stands for the arguments is the caller's choice.
pub(crate) fn hash_application(op: &dyn Op, args: &[usize]) -> u32 {
    let mut mix = Mix::default();
    op.name().hash(&mut mix);
    args.hash(&mut mix);
    for (_, value) in op.params() {
        match value {
            Param::Number(x) => mix.write_u64(x.to_bits()),
            Param::Int(k) => mix.write_u64(k as u64),
            Param::Ints(all) => all.iter().for_each(|k| mix.write_u64(*k as u64)),
            Param::Flag(flag) => mix.write_u8(flag.into()),
            Param::None => mix.write_u8(2),
            Param::Program(p) => mix.write_usize(p.nodes().len()),
            Param::Csr(matrix) => mix.write_usize(matrix.nnz()),
            Param::Raw(text) => text.hash(&mut mix),
        }
    }
    mix.finish() as u32
}

/// The hash of a constant.
pub(crate) fn hash_constant(value: &Tensor) -> u32 {
    let mut mix = Mix::default();
    value.shape().hash(&mut mix);
    value.data().iter().for_each(|x| mix.write_u64(x.to_bits()));
    mix.finish() as u32
}

/// Whether two constants are equal, by bits: 0.0 and -0.0 are different.
pub(crate) fn same_constant(a: &Tensor, b: &Tensor) -> bool {
    a.shape() == b.shape() && std::iter::zip(a.data(), b.data()).all(|(x, y)| x.to_bits() == y.to_bits())
}

/// Whether two operators are the same function: equal names and equal parameters.
pub(crate) fn same_function(a: &Arc<dyn Op>, b: &Arc<dyn Op>) -> bool {
    if a.name() != b.name() {
        return false;
    }
    let (own, other) = (a.params(), b.params());
    own.len() == other.len()
        && std::iter::zip(&own, &other).all(|((name, x), (wanted, y))| name == wanted && same_param(x, y))
}

fn same_param(a: &Param, b: &Param) -> bool {
    match (a, b) {
        // By bits: 0.0 and -0.0 are different parameters.
        (Param::Number(x), Param::Number(y)) => x.to_bits() == y.to_bits(),
        // As listings, which tell parameters inside apart by bits, too.
        (Param::Program(p), Param::Program(q)) => Arc::ptr_eq(p, q) || format!("{p:?}") == format!("{q:?}"),
        // Two matrices are told apart without a look at their entries.
        (Param::Csr(p), Param::Csr(q)) => Arc::ptr_eq(p, q),
        _ => a == b,
    }
}
