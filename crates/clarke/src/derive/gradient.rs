//! What is made of linearize and transpose: vjp, gradient, Jacobian, Hessian-vector product.

use super::linearize::{Linearized, linearize_with};
use super::transpose::{Seed, transpose_with};
use crate::error::{Fault, Result};
use crate::program::{Builder, Program, Var};
use crate::tensor::{Tensor, size};

/// The gradient of a scalar program from its linearization, and the images of the program's nodes in it.
pub(crate) fn gradient_of(linear: &Linearized) -> Result<(Program, Vec<usize>)> {
    let tangent = keep(&linear.program, &[1]);
    let whole = transpose_with(&tangent, &linear.tangents, &linear.image, Seed::One)?;
    let (images, gradient) = whole.outputs().split_at(linear.image.len());
    Ok((whole.with_outputs(gradient), images.to_vec()))
}

impl Program {
    /// Reverse mode: (x, …) ↦ (y, …) becomes (x, …, s, …, ȳ, …) ↦ (x̄, …) with x̄ = Jᵀ ȳ, a cotangent for each variable.
    pub fn vjp(&self) -> Result<Program> {
        let linear = linearize_with(self, &[])?;
        let tangents: Vec<usize> = (self.outputs().len()..2 * self.outputs().len()).collect();
        Ok(keep(&linear.program, &tangents).transpose(&linear.tangents)?.pruned())
    }

    /// The gradient of a scalar program: (x, …, s, …) ↦ (∇, …), one array for each variable.
    ///
    /// At ties: the element that the selections s pick. Errors: not exactly one scalar output; an operator without
    /// derivative. Cost: at most five programs in operations (Baur, Strassen 1983; Bolte, Boustany, Pauwels,
    /// Pesquet-Popescu 2023 for conservative gradients).
    pub fn gradient(&self) -> Result<Program> {
        let both = self.value_and_gradient()?;
        Ok(keep(&both, &(1..both.outputs().len()).collect::<Vec<_>>()).pruned())
    }

    /// Value and gradient together: (x, …, s, …) ↦ (y, ∇, …).
    pub fn value_and_gradient(&self) -> Result<Program> {
        self.expect_scalar("the gradient")?;
        let linear = linearize_with(self, &[])?;
        let (value, tangent) = (linear.program.outputs()[0], keep(&linear.program, &[1]));
        Ok(transpose_with(&tangent, &linear.tangents, &[value], Seed::One)?.pruned())
    }

    /// The Jacobian: (x, …, s, …) ↦ (J, …), for each variable an array of shape output ++ input.
    ///
    /// Forward mode if the variables have fewer entries than the output, else reverse mode. Errors: more than one
    /// output.
    pub fn jacobian(&self) -> Result<Program> {
        if self.outputs().len() != 1 {
            let shapes = self.output_shapes().iter().map(|s| s.to_vec()).collect();
            return Err(Fault::NotScalar { what: "the Jacobian", shapes }.into());
        }
        let out = self.output_shapes()[0].to_vec();
        let varying: usize = self.inputs().iter().filter(|i| i.role.is_argument()).map(|i| size(&i.shape)).sum();
        if varying < size(&out) { self.jacobian_forward() } else { self.jacobian_reverse() }
    }

    /// The Jacobian by reverse mode, one sweep for each entry of the output, all in one batch.
    pub fn jacobian_reverse(&self) -> Result<Program> {
        let vjp = self.vjp()?;
        let out = self.output_shapes()[0].to_vec();
        let (n, last) = (size(&out), vjp.inputs().len() - 1);
        let mapped: Vec<bool> = (0..=last).map(|k| k == last).collect();
        let batched = vjp.batch(&mapped, n)?;
        let builder = Builder::merging();
        let mut args: Vec<Var<'_>> =
            vjp.inputs()[..last].iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
        args.push(builder.constant(identity(n, &out)));
        let rows = builder.inline(&batched, &args);
        let varying = self.inputs().iter().filter(|i| i.role.is_argument());
        let outputs: Vec<Var<'_>> = std::iter::zip(rows, varying)
            .map(|(row, input)| row.reshape(&[out.as_slice(), &input.shape].concat()))
            .collect();
        Ok(builder.finish(&outputs)?.pruned())
    }

    /// The Jacobian by forward mode, one sweep for each entry of the variables, a batch a variable.
    pub fn jacobian_forward(&self) -> Result<Program> {
        let linear = linearize_with(self, &[])?;
        let out = self.output_shapes()[0].to_vec();
        let jvp = keep(&linear.program, &[1]);
        let builder = Builder::merging();
        let shared: Vec<Option<Var<'_>>> = jvp
            .inputs()
            .iter()
            .enumerate()
            .map(|(k, i)| (!linear.tangents.contains(&k)).then(|| builder.input(&i.name, &i.shape, i.role.clone())))
            .collect();
        let mut outputs = vec![];
        for &seed in &linear.tangents {
            let shape = &jvp.inputs()[seed].shape;
            let n = size(shape);
            let mapped: Vec<bool> = (0..jvp.inputs().len()).map(|k| k == seed).collect();
            let batched = jvp.batch(&mapped, n)?;
            let args: Vec<Var<'_>> = (0..jvp.inputs().len())
                .map(|k| match shared[k] {
                    Some(var) => var,
                    None if k == seed => builder.constant(identity(n, shape)),
                    None => builder.constant(Tensor::full(&jvp.inputs()[k].shape, 0.0)),
                })
                .collect();
            let columns = builder.inline(&batched, &args)[0];
            outputs.push(columns.reshape(&[n, size(&out)]).t().reshape(&[out.as_slice(), shape].concat()));
        }
        Ok(builder.finish(&outputs)?.pruned())
    }

    /// The Hessian-vector product of a scalar program: (x, …, s, …, v, …, t, …) ↦ (H v, …).
    ///
    /// At ties: the selected piece of the gradient is differentiated: "second order of one piece". It is an element of
    /// a conservative Jacobian of the gradient only where the gradient map is locally Lipschitz.
    pub fn hvp(&self) -> Result<Program> {
        let jvp = self.gradient()?.linearize()?;
        let half = jvp.outputs().len() / 2;
        Ok(keep(&jvp, &(half..2 * half).collect::<Vec<_>>()).pruned())
    }

    pub(crate) fn expect_scalar(&self, what: &'static str) -> Result<()> {
        match self.output_shapes().as_slice() {
            [[]] => Ok(()),
            shapes => Err(Fault::NotScalar { what, shapes: shapes.iter().map(|s| s.to_vec()).collect() }.into()),
        }
    }
}

/// The program with some of its outputs only.
pub(crate) fn keep(program: &Program, outputs: &[usize]) -> Program {
    program.with_outputs(&outputs.iter().map(|&k| program.outputs()[k]).collect::<Vec<_>>())
}

/// n unit arrays of a shape, stacked.
fn identity(n: usize, shape: &[usize]) -> Tensor {
    let full: Vec<usize> = std::iter::once(n).chain(shape.iter().copied()).collect();
    Tensor::from_fn(&full, |k| if k / n == k % n { 1.0 } else { 0.0 })
}
