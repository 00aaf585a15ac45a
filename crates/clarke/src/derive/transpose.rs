//! Reverse mode's half: the transpose of a program that is linear in some inputs.

use super::Transformations;
use crate::error::{Fault, Result};
use crate::program::builder::Origin;
use crate::program::op::{Linearity, Transposition};
use crate::program::{Builder, Kind, Program, Role, Var};

impl Program {
    /// The transpose in the inputs numbered `linear`, in which the program must be linear: with the others z and the
    /// linear map ẋ ↦ A(z) ẋ, the program (z, …, ȳ, …) ↦ (A(z)ᵀ ȳ, …).
    ///
    /// Inputs: the others, then a cotangent for each output (without effect where an output does not depend on the
    /// linear inputs). Outputs: a cotangent for each linear input. Errors: an operator on the way that is not linear in what reaches it, with its place.
    /// Cost: at most a small multiple of the program.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[2], &[2]], |v| (v[0] * v[1]).sum())?;
    /// let t = f.transpose(&[1])?;
    /// let [x, y] = [[3.0, 4.0].into(), 2.0.into()];
    /// assert_eq!(t.eval(&[x, y])?[0].data(), [6.0, 8.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn transpose(&self, linear: &[usize]) -> Result<Program> {
        transpose_with(self, linear, &[], Seed::Inputs)
    }

    /// Which nodes depend on these inputs.
    pub(crate) fn depends_on(&self, inputs: &[usize]) -> Vec<bool> {
        let mut active = vec![false; self.nodes().len()];
        inputs.iter().for_each(|&k| active[self.inputs()[k].node] = true);
        for (id, node) in self.nodes().iter().enumerate() {
            active[id] = match &node.kind {
                Kind::Input(_) => active[id],
                Kind::Constant(_) => false,
                Kind::Apply { args, .. } => args.iter().any(|&a| active[a]),
            };
        }
        active
    }

    /// Copies what does not depend on the linear inputs.
    fn copy_known<'p>(&self, builder: &'p Builder, active: &[bool], primal: &mut [Option<Var<'p>>]) {
        let mut map: Vec<Var<'p>> = vec![];
        for (id, node) in self.nodes().iter().enumerate() {
            let image = match &node.kind {
                _ if active[id] => Var::poisoned(builder),
                Kind::Input(k) => {
                    let input = &self.inputs()[*k];
                    builder.input(&input.name, &input.shape, input.role.clone())
                }
                _ => builder.copy(node, &map),
            };
            map.push(image);
            primal[id] = (!active[id]).then_some(image);
        }
    }

    /// Adds to the arguments' cotangents what one application contributes.
    fn pull_back<'p>(
        &self,
        id: usize,
        cotangent: Var<'p>,
        builder: &'p Builder,
        active: &[bool],
        primal: &[Option<Var<'p>>],
        cotangents: &mut [Option<Var<'p>>],
    ) -> Result<()> {
        let node = &self.nodes()[id];
        let Kind::Apply { op, args } = &node.kind else { return Ok(()) };
        let not_linear =
            |why: &str| Err(Fault::NoDerivative { op: op.name().into(), why: why.into() }.at(node.place.clone()));
        let count = args.iter().filter(|&&a| active[a]).count();
        match op.linearity() {
            Linearity::None => return not_linear("it is not linear, and only linear programs have a transpose"),
            Linearity::Each if count > 1 => return not_linear("a product of two linear terms is not linear"),
            Linearity::First if args[1..].iter().any(|&a| active[a]) => {
                return not_linear("it is linear in its first argument only");
            }
            Linearity::In(mask) if std::iter::zip(&mask, args).any(|(linear, a)| active[*a] && !linear) => {
                return not_linear("it is linear in some of its arguments only");
            }
            _ => {}
        }
        let known: Vec<Option<Var<'p>>> = args.iter().map(|&a| primal[a]).collect();
        let shapes: Vec<Vec<usize>> = args.iter().map(|&a| self.nodes()[a].shape.clone()).collect();
        let origin = Origin { place: node.place.clone(), owner: node.owner.clone().or(Some(op.clone())) };
        for (wrt, &arg) in args.iter().enumerate().filter(|(_, a)| active[**a]) {
            let at = Transposition {
                wrt,
                shape: &shapes[wrt],
                args: &known,
                shapes: &shapes,
                cotangent,
                calculus: &Transformations,
            };
            let bar = builder.within(origin.clone(), || -> Result<Var<'p>> {
                let bar = op.transpose(&at)?;
                let bar = bar.sum_to(&shapes[wrt]);
                Ok(match cotangents[arg] {
                    Some(before) => before + bar,
                    None => bar,
                })
            })?;
            cotangents[arg] = Some(bar);
        }
        Ok(())
    }
}

/// Where the outputs' cotangents come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seed {
    /// New inputs.
    Inputs,
    /// The constant 1.
    One,
}

/// The transpose, with the values of more nodes, none of which may depend on the linear inputs, before its outputs.
pub(crate) fn transpose_with(program: &Program, linear: &[usize], more: &[usize], seed: Seed) -> Result<Program> {
    let active = program.depends_on(linear);
    let builder = Builder::merging();
    let mut primal: Vec<Option<Var<'_>>> = vec![None; program.nodes().len()];
    program.copy_known(&builder, &active, &mut primal);
    let mut cotangents: Vec<Option<Var<'_>>> = vec![None; program.nodes().len()];
    for (k, &out) in program.outputs().iter().enumerate() {
        let shape = &program.nodes()[out].shape;
        let bar = match seed {
            Seed::Inputs => builder.input(&format!("y{k}_bar"), shape, Role::Argument),
            Seed::One => builder.constant(1.0).broadcast_to(shape),
        };
        cotangents[out] = Some(cotangents[out].map_or(bar, |before| before + bar));
    }
    for id in (0..program.nodes().len()).rev() {
        if active[id]
            && let Some(cotangent) = cotangents[id]
        {
            program.pull_back(id, cotangent, &builder, &active, &primal, &mut cotangents)?;
        }
    }
    let known = more.iter().map(|&k| primal[k].expect("a value that does not depend on the linear inputs"));
    let bars = linear.iter().map(|&k| {
        let input = &program.inputs()[k];
        cotangents[input.node].unwrap_or_else(|| builder.constant(0.0).broadcast_to(&input.shape))
    });
    let outputs: Vec<Var<'_>> = known.chain(bars).collect();
    builder.finish(&outputs)
}
