//! The same program over a leading axis of some inputs.

use super::Transformations;
use crate::error::{Fault, Result};
use crate::program::builder::Origin;
use crate::program::op::Batching;
use crate::program::{Builder, Kind, Program, Var};

impl Program {
    /// The program over a leading axis of length `size` of the inputs for which `mapped` is true (vmap): output k at
    /// position i is this program's output at the i-th slices of the mapped inputs and the whole of the others.
    ///
    /// `mapped` may leave out trailing inputs, which are then not mapped. Errors: more marks than inputs; a mark on a
    /// sparse matrix; an operator that cannot be batched.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[], &[2]], |v| (v[0] * v[1]).abs().sum())?;
    /// let g = f.batch(&[true], 3)?;
    /// let y = g.eval(&[[1.0, -2.0, 3.0].into(), [1.0, 1.0].into()])?;
    /// assert_eq!(y[0].data(), [2.0, 4.0, 6.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn batch(&self, mapped: &[bool], size: usize) -> Result<Program> {
        if mapped.len() > self.inputs().len() {
            return Err(Fault::InputCount {
                expected: self.inputs().len(),
                given: mapped.len(),
                names: self.inputs().iter().map(|i| i.name.clone()).collect(),
            }
            .into());
        }
        if let Some((input, _)) = std::iter::zip(self.inputs(), mapped).find(|(i, own)| **own && i.role.is_sparse()) {
            let rule = "it has no further axis, and is the same for the whole batch";
            return Err(Fault::Sparse { op: "a batch".into(), input: input.name.clone(), rule: rule.into() }.into());
        }
        let builder = Builder::merging();
        let mut map: Vec<(Var<'_>, bool)> = vec![];
        for node in self.nodes() {
            let image = match &node.kind {
                Kind::Input(k) => {
                    let input = &self.inputs()[*k];
                    let own = mapped.get(*k).copied().unwrap_or(false);
                    let shape = if own { leading(size, &input.shape) } else { input.shape.clone() };
                    (builder.input(&input.name, &shape, input.role.clone()), own)
                }
                Kind::Constant(_) => (builder.copy(node, &[]), false),
                Kind::Apply { op, args } => {
                    let marks: Vec<bool> = args.iter().map(|&a| map[a].1).collect();
                    let vars: Vec<Var<'_>> = args.iter().map(|&a| map[a].0).collect();
                    let origin = Origin { place: node.place.clone(), owner: node.owner.clone() };
                    if marks.contains(&true) && !vars.iter().any(Var::is_poisoned) {
                        let ranks: Vec<usize> = args.iter().map(|&a| self.nodes()[a].shape.len()).collect();
                        let at = Batching {
                            args: &vars,
                            mapped: &marks,
                            ranks: &ranks,
                            rank: node.shape.len(),
                            size,
                            calculus: &Transformations,
                        };
                        let out = builder.within(origin, || op.batch(&at))?;
                        (out.broadcast_to(&leading(size, &node.shape)), true)
                    } else {
                        (builder.within(origin, || builder.push_fresh(op.clone(), &vars, node.place.clone())), false)
                    }
                }
            };
            map.push(image);
        }
        let outputs: Vec<Var<'_>> =
            self.outputs().iter().map(|&k| map[k].0.broadcast_to(&leading(size, &self.nodes()[k].shape))).collect();
        builder.finish(&outputs)
    }
}

fn leading(size: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(size).chain(shape.iter().copied()).collect()
}
