//! Programs run in the arithmetic of a format, and the ties that are met there.

use super::along::tie_nodes;
use crate::derive::{linearize_with, unroll};
use crate::error::Result;
use crate::program::Program;
use crate::program::float::Float;
use crate::program::tie::{Met, Site};
use crate::run::{Compiled, Workspace};
use crate::tensor::{Tensor, size};
use std::sync::Arc;

/// A program run in the arithmetic of a format: what training in 16 bits computes, one rounding an operator.
///
/// f64 and f32 are the compiled program. f16 and bf16 are the program that rounds after every operator
/// ([`Program::rounded`]), compiled for f32: sums and products of matrices are accumulated in f32 and rounded once, as
/// graphics processors do; another order or width of accumulation meets other ties.
///
/// Numbers are given and returned as f64. What overflows becomes an infinity, and what follows from it may be NaN: a run
/// says how many of its outputs are; it refuses nothing.
///
/// ```
/// use clarke::{Float, Policy, Program, Rounded};
/// let f = Program::trace(&[&[]], |v| (v[0] * v[0] + v[0]).relu())?;
/// let mut y = [0.0];
/// let mut in_f16 = Rounded::new(&f, Float::F16, &|_| 0.0)?;
/// let odd = in_f16.run(&[&[0.1]], &mut [&mut y]);
/// assert_eq!((y, odd.any()), ([0.1099853515625], false));
/// let odd = in_f16.run(&[&[300.0]], &mut [&mut y]);
/// assert_eq!((y, odd.infinite), ([f64::INFINITY], 1));
/// # Ok::<(), clarke::Error>(())
/// ```
#[derive(Clone)]
pub struct Rounded {
    float: Float,
    engine: Engine,
}

/// How many numbers of a result are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Odd {
    /// Infinities.
    pub infinite: usize,
    /// NaN.
    pub nan: usize,
}

impl Odd {
    /// Whether there is one.
    pub fn any(self) -> bool {
        self.infinite + self.nan > 0
    }

    fn of(outputs: &[&mut [f64]]) -> Odd {
        let count = |which: fn(f64) -> bool| outputs.iter().flat_map(|out| out.iter()).filter(|x| which(**x)).count();
        Odd { infinite: count(f64::is_infinite), nan: count(f64::is_nan) }
    }
}

#[derive(Clone)]
enum Engine {
    Single(Box<Single>),
    Double(Compiled<f64>, Workspace<f64>),
}

/// A program compiled for f32, with room for what goes in and out.
#[derive(Clone)]
struct Single {
    compiled: Compiled<f32>,
    workspace: Workspace<f32>,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
}

impl Rounded {
    /// A program in a format, with its selections as `fill` picks them from their sites; any number may be picked, also
    /// one outside of the set at the tie.
    ///
    /// Errors: those of [`Program::rounded`].
    pub fn new(program: &Program, float: Float, fill: &dyn Fn(&Site) -> f64) -> Result<Rounded> {
        let engine = match float {
            Float::F64 => {
                let compiled = program.compile_with::<f64>(fill);
                let workspace = compiled.workspace();
                Engine::Double(compiled, workspace)
            }
            Float::F32 => Engine::Single(Single::new(program.compile_with(fill))),
            Float::F16 | Float::BF16 => Engine::Single(Single::new(program.rounded(float)?.compile_with(fill))),
        };
        Ok(Rounded { float, engine })
    }

    /// The format.
    pub fn float(&self) -> Float {
        self.float
    }

    /// Computes the outputs from the inputs, both in row-major order. Inputs are rounded to the format first. Allocates nothing.
    ///
    /// Panics: as [`Compiled::run`].
    pub fn run(&mut self, inputs: &[&[f64]], outputs: &mut [&mut [f64]]) -> Odd {
        match &mut self.engine {
            Engine::Double(compiled, workspace) => compiled.run(workspace, inputs, outputs),
            Engine::Single(single) => single.run(self.float, inputs, outputs),
        }
        Odd::of(outputs)
    }
}

impl Single {
    fn new(compiled: Compiled<f32>) -> Box<Single> {
        let workspace = compiled.workspace();
        let inputs = compiled.inputs().iter().map(|port| vec![0.0; size(&port.shape)]).collect();
        let outputs = compiled.outputs().iter().map(|shape| vec![0.0; size(shape)]).collect();
        Box::new(Single { compiled, workspace, inputs, outputs })
    }

    fn run(&mut self, float: Float, inputs: &[&[f64]], outputs: &mut [&mut [f64]]) {
        assert_eq!(inputs.len(), self.inputs.len(), "the number of inputs");
        for (own, given) in std::iter::zip(&mut self.inputs, inputs) {
            assert_eq!(own.len(), given.len(), "the length of an input");
            // Rounded once: by way of f32 it would be twice.
            std::iter::zip(own, *given).for_each(|(a, x)| *a = float.round(*x) as f32);
        }
        let single = self;
        let views: Vec<&[f32]> = single.inputs.iter().map(Vec::as_slice).collect();
        let mut into: Vec<&mut [f32]> = single.outputs.iter_mut().map(Vec::as_mut_slice).collect();
        single.compiled.run(&mut single.workspace, &views, &mut into);
        for (own, out) in std::iter::zip(&single.outputs, outputs.iter_mut()) {
            std::iter::zip(out.iter_mut(), own).for_each(|(y, a)| *y = f64::from(*a));
        }
    }
}

impl std::fmt::Debug for TieCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TieCounter").field("rounded", &self.rounded).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rounded").field("float", &self.float).finish_non_exhaustive()
    }
}

/// The ties of a program's derivative, found without computing it: one run of the program in the arithmetic of a format.
///
/// ```
/// use clarke::{Float, Program, TieCounter};
/// let f = Program::trace(&[&[3]], |v| (v[0] + 0.1 - 0.1).relu().sum())?;
/// let counts = |float| {
///     let mut ties = TieCounter::new(&f, float)?;
///     Ok::<_, clarke::Error>(ties.met(&[&[1e-5, 1e-9, 1.0]]).iter().map(|(_, met)| met.len()).sum::<usize>())
/// };
/// assert_eq!((counts(Float::F16)?, counts(Float::F32)?, counts(Float::F64)?), (2, 1, 0));
/// # Ok::<(), clarke::Error>(())
/// ```
#[derive(Clone)]
pub struct TieCounter {
    rounded: Rounded,
    sites: Vec<Arc<Site>>,
    arguments: Vec<Tensor>,
    odd: Odd,
}

impl TieCounter {
    /// The ties of a program in a format.
    ///
    /// Errors: an operator without derivative; those of [`Program::rounded`].
    pub fn new(program: &Program, float: Float) -> Result<TieCounter> {
        let linear = linearize_with(&unroll(program)?.prune(), &[])?;
        let (sites, nodes): (Vec<_>, Vec<_>) = tie_nodes(&linear.program).into_iter().unzip();
        let arguments = nodes.iter().map(|&u| Tensor::full(&linear.program.nodes()[u].shape, 0.0)).collect();
        let rounded = Rounded::new(&linear.primal(&nodes)?, float, &|_| 0.0)?;
        Ok(TieCounter { rounded, sites, arguments, odd: Odd::default() })
    }

    /// The ties, in program order, each with the shape of its argument.
    pub fn sites(&self) -> impl Iterator<Item = (&Site, &[usize])> {
        std::iter::zip(self.sites.iter().map(Arc::as_ref), self.arguments.iter().map(Tensor::shape))
    }

    /// The ties met exactly at these inputs of the program (without selections), for each that is met at all its number in
    /// [`TieCounter::sites`] and where.
    ///
    /// Panics: as [`Compiled::run`].
    pub fn met(&mut self, inputs: &[&[f64]]) -> Vec<(usize, Vec<Met>)> {
        let mut outputs: Vec<&mut [f64]> = self.arguments.iter_mut().map(Tensor::data_mut).collect();
        self.odd = self.rounded.run(inputs, &mut outputs);
        let of = |(k, (site, u)): (usize, (&Arc<Site>, &Tensor))| {
            let met = site.tie.tie().map_or(vec![], |tie| tie.met(u, 0.0));
            (!met.is_empty()).then_some((k, met))
        };
        std::iter::zip(&self.sites, &self.arguments).enumerate().filter_map(of).collect()
    }

    /// The arguments of a tie at the inputs asked last.
    pub fn argument(&self, site: usize) -> &Tensor {
        &self.arguments[site]
    }

    /// How many arguments of ties were not finite at the inputs asked last: no tie is met there.
    pub fn odd(&self) -> Odd {
        self.odd
    }
}
