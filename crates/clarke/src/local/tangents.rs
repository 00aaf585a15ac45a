//! The tangents of the ties' arguments as linear forms of a direction: what decides which pieces meet on open cones.

use super::along::{originals, tie_nodes};
use super::partial::{Given, Image, Pass};
use super::residual::Residual;
use crate::derive::{Linearized, linearize_with};
use crate::error::Result;
use crate::program::tie::{Form, Site, Tie};
use crate::program::{Builder, Program, Role, Var};
use crate::run::{Compiled, Workspace, apply};
use crate::tensor::{Tensor, size};
use std::collections::HashMap;
use std::sync::Arc;

/// A program (t, …, ẋ, …) ↦ (u̇, …) over the values of the ties of a residual and a direction: the tangent of each tie's
/// argument.
pub(super) struct Tangents {
    compiled: Compiled<f64>,
    workspace: Workspace<f64>,
    /// The number of entries of the variables together.
    pub dimension: usize,
    shapes: Vec<Vec<usize>>,
    sizes: Vec<usize>,
    /// Whether the forms depend on no tie's value: then they are computed once.
    pub flat: bool,
}

impl Tangents {
    /// For the ties of a residual of a derivative of `program` at the point.
    pub fn new(program: &Program, point: &[Tensor], tolerance: f64, residual: &Residual) -> Result<Tangents> {
        let linear = linearize_with(program, &[])?;
        let all = tie_nodes(&linear.program);
        let index: HashMap<(usize, usize), usize> =
            residual.ties.iter().enumerate().map(|(k, t)| ((t.site.node, t.site.number), k)).collect();
        let arguments: Vec<Option<usize>> = {
            let of: HashMap<(usize, usize), usize> =
                all.iter().map(|(site, u)| ((site.node, site.number), *u)).collect();
            residual.ties.iter().map(|t| of.get(&(t.site.node, t.site.number)).copied()).collect()
        };
        let arguments: Vec<usize> =
            arguments.into_iter().collect::<Option<_>>().expect("a residual's ties are those of the linearization");
        let second = linearize_with(&linear.program.with_outputs(&arguments), &[])?;
        let original = originals(&linear, &all);
        let builder = Builder::merging();
        let values: Vec<Var<'_>> = residual
            .ties
            .iter()
            .enumerate()
            .map(|(k, t)| builder.input(&format!("t{k}"), t.base.shape(), Role::Data))
            .collect();
        let rule = |_: &dyn Tie, site: Arc<Site>, u: &Tensor, s: &Tensor, shape: &[usize]| {
            let own = original.get(&(site.node, site.number)).and_then(|key| index.get(key));
            match own {
                Some(&k) => Image::Node(values[k]),
                None => Image::Number(apply(&site.tie, &[u, s], shape)),
            }
        };
        let inputs = given(&builder, &second, &linear, point);
        let pass = Pass::run(&second.program, &builder, inputs, tolerance, &rule);
        let outputs: Vec<Var<'_>> =
            (0..arguments.len()).map(|k| pass.var(second.program.outputs()[arguments.len() + k])).collect();
        let program = builder.finish(&outputs)?;
        let count = residual.ties.len();
        let shapes: Vec<Vec<usize>> = program.inputs()[count..].iter().map(|i| i.shape.clone()).collect();
        let sizes: Vec<usize> = program.output_shapes().iter().map(|s| size(s)).collect();
        let moved = program.depends_on(&(0..count).collect::<Vec<_>>());
        let flat = program.outputs().iter().all(|&k| !moved[k]);
        let compiled = program.compile_with::<f64>(&|_| 0.0);
        let dimension = shapes.iter().map(|s| size(s)).sum();
        Ok(Tangents { workspace: compiled.workspace(), compiled, dimension, shapes, sizes, flat })
    }

    /// The tangents of all arguments along a direction, all variables one after another.
    pub fn along(&mut self, values: &[Tensor], direction: &[f64]) -> Vec<Vec<f64>> {
        let mut inputs: Vec<&[f64]> = values.iter().map(Tensor::data).collect();
        let mut at = 0;
        for shape in &self.shapes {
            inputs.push(&direction[at..at + size(shape)]);
            at += size(shape);
        }
        let mut out: Vec<Vec<f64>> = self.sizes.iter().map(|&n| vec![0.0; n]).collect();
        let mut outputs: Vec<&mut [f64]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        self.compiled.run(&mut self.workspace, &inputs, &mut outputs);
        out
    }

    /// The tangents of all arguments as linear forms: for each tie the rows, one an entry. Cost: one run a variable.
    pub fn rows(&mut self, values: &[Tensor]) -> Rows {
        let n = self.dimension;
        let mut ties: Vec<Vec<f64>> = self.sizes.iter().map(|&m| vec![0.0; m * n]).collect();
        let mut unit = vec![0.0; n];
        for k in 0..n {
            unit[k] = 1.0;
            for (rows, column) in std::iter::zip(&mut ties, self.along(values, &unit)) {
                column.iter().enumerate().for_each(|(i, x)| rows[i * n + k] = *x);
            }
            unit[k] = 0.0;
        }
        Rows { dimension: n, ties }
    }
}

/// Values for all inputs of the second linearization: the point, zero for the first tangents, defaults for the first
/// selections; the direction is free.
fn given<'p>(builder: &'p Builder, second: &Linearized, linear: &Linearized, point: &[Tensor]) -> Vec<Given<'p>> {
    let first = &linear.program;
    let mut given = point.iter();
    let variables = first.inputs().iter().enumerate().filter(|(_, i)| i.role.is_argument());
    let mut seeds = variables.map(|(k, _)| !linear.tangents.contains(&k)).collect::<Vec<_>>().into_iter();
    let of = |(k, input): (usize, &crate::program::Input)| match &input.role {
        Role::Selection(_) => Given::Number(input.default_selection()),
        _ if second.tangents.contains(&k) => match seeds.next() {
            Some(true) => Given::Free(builder.input(&input.name, &input.shape, Role::Argument)),
            _ => Given::Number(Tensor::full(&input.shape, 0.0)),
        },
        _ if linear.tangents.contains(&k) => Given::Number(Tensor::full(&input.shape, 0.0)),
        _ => Given::Number(given.next().expect("the point was checked against the program").clone()),
    };
    second.program.inputs().iter().enumerate().map(of).collect()
}

/// Linear forms of a direction, for each entry of each tie's argument.
pub(super) struct Rows {
    pub dimension: usize,
    ties: Vec<Vec<f64>>,
}

/// A form counts as zero if it is this small beside the entries it is the sum of: rounding of a few operations.
const ROUNDING: f64 = 1e-12;

impl Rows {
    /// The form of one entry.
    pub fn entry(&self, tie: usize, at: usize) -> &[f64] {
        &self.ties[tie][at * self.dimension..(at + 1) * self.dimension]
    }

    /// A form of a tie's argument as a form of the direction, of maximum norm 1; None if it is zero up to rounding,
    /// relative to its terms.
    pub fn pull(&self, tie: usize, form: &Form) -> Option<Vec<f64>> {
        let mut row = vec![0.0; self.dimension];
        let mut scale = 0.0f64;
        for &(at, c) in form {
            for (r, x) in std::iter::zip(&mut row, self.entry(tie, at)) {
                *r += c * x;
                scale = scale.max((c * x).abs());
            }
        }
        let largest = row.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        if largest <= ROUNDING * scale {
            return None;
        }
        row.iter_mut().for_each(|x| *x /= largest);
        Some(row)
    }
}
