//! Programs compiled for f32 or f64.

use super::interpreter::{check_inputs, unbound};
use super::lower::{Selections, lower};
use super::plan::{ALIGN, Plan};
use crate::error::Result;
use crate::program::Program;
use crate::program::lanes::Level;
use crate::program::op::{Compiler, Kernel};
use crate::program::real::Scalar;
use crate::program::tie::{Convention, Site};
use crate::tensor::{Tensor, size};
use std::sync::Arc;

/// A program compiled for a precision, with its selections filled in. Cloning is cheap; threads share it, each with a
/// [`Workspace`] of its own.
///
/// ```
/// use clarke::{Program, program::tie::Convention};
/// let f = Program::trace(&[&[3], &[]], |v| (v[0] * v[1]).relu().sum_to(&[]))?;
/// let g = f.value_and_gradient()?.compile::<f64>(Convention::MinNorm);
/// let mut workspace = g.workspace();
/// let (mut y, mut dx, mut da) = ([0.0], [0.0; 3], [0.0]);
/// g.run(&mut workspace, &[&[1.0, -2.0, 3.0], &[2.0]], &mut [&mut y, &mut dx, &mut da]);
/// assert_eq!((y, dx, da), ([8.0], [2.0, 0.0, 2.0], [4.0]));
/// # Ok::<(), clarke::Error>(())
/// ```
pub struct Compiled<T> {
    inner: Arc<Inner<T>>,
    threads: usize,
}

struct Inner<T> {
    plan: Plan<T>,
    /// As it was given to be compiled.
    program: Program,
    inputs: Vec<Port>,
    outputs: Vec<Vec<usize>>,
    /// Whether no input is a sparse matrix.
    bound: bool,
}

/// An input of a compiled program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// The memory that a run works in. One for each thread; made by [`Compiled::workspace`].
#[derive(Debug, Clone)]
pub struct Workspace<T> {
    memory: Vec<T>,
    /// Scratch space of kernels that threads share.
    shared: Vec<T>,
}

impl Program {
    /// Compiles for f32 or f64, with every selection as a convention picks it.
    ///
    /// Cost: about linear in the number of nodes.
    pub fn compile<T: Scalar>(&self, convention: Convention) -> Compiled<T> {
        self.compile_with(&|site| site.choice(convention).selection)
    }

    /// Compiles for f32 or f64, with every selection as `fill` picks it from its site; selections without a site are 0.
    pub fn compile_with<T: Scalar>(&self, fill: &dyn Fn(&Site) -> f64) -> Compiled<T> {
        self.compile_at(fill, Level::of_this_machine())
    }

    /// Compiles to machine code of a level, of the lowest none: tiles alone.
    pub(super) fn compile_at<T: Scalar>(&self, fill: &dyn Fn(&Site) -> f64, level: Level) -> Compiled<T> {
        let plan = Plan::new(&lower(self, Selections::Filled(fill)), &Fast).with_native(level);
        let port = |i: &crate::program::Input| Port { name: i.name.clone(), shape: i.shape.clone() };
        let inputs = self.inputs().iter().filter(|i| !i.role.is_selection()).map(port).collect();
        let outputs = self.output_shapes().iter().map(|s| s.to_vec()).collect();
        let bound = unbound(self).is_none();
        // Asking how many there are starts them.
        let threads = if plan.is_shared() { rayon::current_num_threads() } else { 1 };
        Compiled { inner: Arc::new(Inner { plan, program: self.clone(), inputs, outputs, bound }), threads }
    }
}

impl<T> Clone for Compiled<T> {
    fn clone(&self) -> Compiled<T> {
        Compiled { inner: self.inner.clone(), threads: self.threads }
    }
}

impl<T> std::fmt::Debug for Compiled<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (inputs, outputs) = (&self.inner.inputs, &self.inner.outputs);
        f.debug_struct("Compiled").field("inputs", inputs).field("outputs", outputs).finish_non_exhaustive()
    }
}

impl<T: Scalar> Compiled<T> {
    /// The inputs, in order: those of the program without its selections.
    pub fn inputs(&self) -> &[Port] {
        &self.inner.inputs
    }

    /// The outputs' shapes, in order.
    pub fn outputs(&self) -> &[Vec<usize>] {
        &self.inner.outputs
    }

    /// The same, run by at most this many threads; by default by as many as rayon's pool has, where the program is compiled:
    /// all processors that the process may use, or what the variable RAYON_NUM_THREADS says. Large products,
    /// convolutions, pools and logarithms of sums of exponentials are shared among threads, where each has some two million
    /// operations to do; all else is done by one. The results are the same to the last bit for any number.
    ///
    /// A workspace is for as many threads as the program that made it.
    ///
    /// Panics if the number is 0.
    pub fn with_threads(self, threads: usize) -> Compiled<T> {
        assert!(threads > 0, "at least one thread runs a program");
        Compiled { threads, ..self }
    }

    /// Memory to run in.
    pub fn workspace(&self) -> Workspace<T> {
        let plan = &self.inner.plan;
        let numbers = |n: usize| vec![T::default(); n];
        Workspace { memory: numbers(padded::<T>(plan.size)), shared: numbers(plan.shared_scratch(self.threads)) }
    }

    /// Computes the outputs from the inputs, both in row-major order. Allocates nothing, as long as no thread shares in it.
    ///
    /// Panics if the number or a length of inputs or outputs is wrong, the workspace is another program's, or the program
    /// has a sparse matrix that was not bound before it was compiled: use [`Compiled::call`] for what was not checked.
    pub fn run(&self, workspace: &mut Workspace<T>, inputs: &[&[T]], outputs: &mut [&mut [T]]) {
        let plan = &self.inner.plan;
        assert!(self.inner.bound, "a sparse matrix is not bound");
        assert_eq!(inputs.len(), plan.inputs.len(), "the number of inputs");
        for (k, &n) in plan.inputs.iter().enumerate() {
            assert_eq!(inputs[k].len(), n, "the length of input `{}`", self.inner.inputs[k].name);
        }
        assert_eq!(outputs.len(), plan.outputs.len(), "the number of outputs");
        for (k, &n) in plan.outputs.iter().enumerate() {
            assert_eq!(outputs[k].len(), n, "the length of output {k}");
        }
        let whole = workspace.memory.len() >= padded::<T>(plan.size);
        assert!(
            whole && workspace.shared.len() >= plan.shared_scratch(self.threads),
            "the workspace is another program's"
        );
        // The addresses are taken once, before anything is written.
        let outputs: *mut &mut [T] = outputs.as_mut_ptr();
        // SAFETY: numbers and lengths were just checked, the borrows keep workspace, inputs and outputs apart, and the
        // workspace is long enough for the plan even when its beginning is aligned.
        unsafe {
            let output = |k| (*outputs.add(k)).as_mut_ptr();
            plan.execute(aligned(&mut workspace.memory), inputs, output, (self.threads, &mut workspace.shared));
        }
    }

    /// Computes the outputs as new arrays.
    ///
    /// Errors: the number of inputs, or a shape; a sparse matrix that was not bound.
    pub fn call(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        check_inputs(&self.inner.program, inputs)?;
        let numbers: Vec<Vec<T>> = inputs.iter().map(|a| a.data().iter().map(|x| T::of(*x)).collect()).collect();
        let views: Vec<&[T]> = numbers.iter().map(Vec::as_slice).collect();
        let mut values: Vec<Vec<T>> = self.inner.outputs.iter().map(|s| vec![T::default(); size(s)]).collect();
        let mut into: Vec<&mut [T]> = values.iter_mut().map(Vec::as_mut_slice).collect();
        self.run(&mut self.workspace(), &views, &mut into);
        let tensor = |(shape, x): (&Vec<usize>, Vec<T>)| Tensor::from_fn(shape, |i| x[i].to_f64());
        Ok(std::iter::zip(&self.inner.outputs, values).map(tensor).collect())
    }
}

/// The length of memory that has room for `size` numbers from an aligned address on.
fn padded<T>(size: usize) -> usize {
    size + ALIGN / size_of::<T>()
}

/// The first aligned address.
fn aligned<T>(memory: &mut [T]) -> *mut T {
    let start = memory.as_mut_ptr();
    start.wrapping_byte_add(start.cast::<u8>().align_offset(ALIGN))
}

/// Compiles the programs inside operators like any other; their workspace is scratch space of the kernel.
pub(super) struct Fast;

impl<T: Scalar> Compiler<T> for Fast {
    fn compile(&self, program: &Program) -> Kernel<T> {
        let plan = Plan::<T>::new(&lower(program, Selections::Given), &Fast).with_native(Level::of_this_machine());
        let mut starts = vec![0];
        for n in &plan.outputs {
            starts.push(starts[starts.len() - 1] + n);
        }
        let scratch = padded::<T>(plan.size);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| {
            assert!(std::iter::zip(args, &plan.inputs).all(|(a, n)| a.len() == *n) && args.len() == plan.inputs.len());
            assert!(out.len() == starts[starts.len() - 1] && scratch.len() >= padded::<T>(plan.size));
            let start = out.as_mut_ptr();
            // SAFETY: numbers and lengths were just checked, and the borrows keep arguments, value and scratch apart.
            unsafe { plan.execute(aligned(scratch), args, |k| start.add(starts[k]), (1, &mut [])) }
        };
        Kernel::with_scratch(scratch, run)
    }
}
