//! What is timed: one system's value and gradient of one workload.

use clarke::program::real::Scalar;
use clarke::{Compiled, Convention, FiniteSum, Program, Result, Workspace};
use std::array::from_fn;

/// One system's way to a value and a gradient, on the workload's data.
pub trait Job {
    /// Computes the value.
    fn value(&mut self) -> f64;

    /// Computes value and gradient, and keeps the gradient.
    fn value_and_gradient(&mut self) -> f64;

    /// The gradient that was computed last, as one vector in the order that the workload states.
    fn gradient(&self) -> Vec<f64>;
}

/// A job that somebody wrote by hand: two functions on data of their own, and memory for the gradient.
pub struct Hand<D, T> {
    data: D,
    gradient: Vec<T>,
    value: fn(&mut D) -> f64,
    both: fn(&mut D, &mut [T]) -> f64,
}

impl<D, T: Scalar> Hand<D, T> {
    /// A job with a gradient of this length.
    pub fn new(data: D, length: usize, value: fn(&mut D) -> f64, both: fn(&mut D, &mut [T]) -> f64) -> Hand<D, T> {
        Hand { data, gradient: vec![T::of(0.0); length], value, both }
    }
}

impl<D, T: Scalar> Job for Hand<D, T> {
    fn value(&mut self) -> f64 {
        (self.value)(&mut self.data)
    }

    fn value_and_gradient(&mut self) -> f64 {
        (self.both)(&mut self.data, &mut self.gradient)
    }

    fn gradient(&self) -> Vec<f64> {
        self.gradient.iter().map(|x| x.to_f64()).collect()
    }
}

/// At most this many inputs or outputs has a compiled job: their views stand on the stack.
const PORTS: usize = 40;

/// A program of Clarke with its derivative, both compiled.
pub struct Clarke<T> {
    value: Runner<T>,
    both: Runner<T>,
    inputs: Vec<Vec<T>>,
}

/// A compiled program with the memory it works in and the arrays that it writes.
struct Runner<T> {
    compiled: Compiled<T>,
    workspace: Workspace<T>,
    outputs: Vec<Vec<T>>,
}

impl<T: Scalar> Runner<T> {
    fn new(program: &Program) -> Runner<T> {
        // One thread, as in all other systems.
        let compiled = program.compile::<T>(Convention::MinNorm).with_threads(1);
        let zeros = |shape: &Vec<usize>| vec![T::of(0.0); shape.iter().product()];
        let outputs = compiled.outputs().iter().map(zeros).collect();
        Runner { workspace: compiled.workspace(), compiled, outputs }
    }

    /// Runs it; the result is the first number of the first output.
    fn run(&mut self, inputs: &[Vec<T>]) -> f64 {
        // Views cost a few nanoseconds each, which the smallest programs would notice.
        match inputs.len().max(self.outputs.len()) {
            ..=8 => self.run_with::<8>(inputs),
            _ => self.run_with::<PORTS>(inputs),
        }
    }

    fn run_with<const N: usize>(&mut self, inputs: &[Vec<T>]) -> f64 {
        let views: [&[T]; N] = from_fn(|k| inputs.get(k).map_or(&[][..], Vec::as_slice));
        let (ins, outs) = (inputs.len(), self.outputs.len());
        let mut rest = self.outputs.iter_mut();
        let mut into: [&mut [T]; N] = from_fn(|_| rest.next().map_or(&mut [][..], Vec::as_mut_slice));
        self.compiled.run(&mut self.workspace, &views[..ins], &mut into[..outs]);
        self.outputs[0][0].to_f64()
    }
}

impl<T: Scalar> Clarke<T> {
    /// A scalar program at inputs, with the gradient in what varies.
    pub fn new(program: &Program, inputs: &[&[f64]]) -> Result<Clarke<T>> {
        Clarke::of(program, &program.value_and_gradient()?, inputs)
    }

    /// A program for the value, and one for value and derivative, of the same inputs. The value is the first number of the
    /// first output, the derivative is made of the further outputs.
    pub fn of(value: &Program, both: &Program, inputs: &[&[f64]]) -> Result<Clarke<T>> {
        let inputs = inputs.iter().map(|x| x.iter().map(|x| T::of(*x)).collect()).collect();
        Ok(Clarke { value: Runner::new(value), both: Runner::new(both), inputs })
    }
}

impl<T: Scalar> Job for Clarke<T> {
    fn value(&mut self) -> f64 {
        self.value.run(&self.inputs)
    }

    fn value_and_gradient(&mut self) -> f64 {
        self.both.run(&self.inputs)
    }

    fn gradient(&self) -> Vec<f64> {
        self.both.outputs[1..].iter().flatten().map(|x| x.to_f64()).collect()
    }
}

/// A mean over samples at a point. It is asked block by block, so that a pass reads the data once.
pub struct Mean {
    sum: FiniteSum,
    point: Vec<f64>,
    gradient: Vec<f64>,
}

impl Mean {
    /// The mean, at a point.
    pub fn new(sum: FiniteSum, point: Vec<f64>) -> Mean {
        let gradient = vec![0.0; point.len()];
        Mean { sum, point, gradient }
    }
}

/// A point at which there is no derivative shows as NaN, which no other system agrees with.
impl Job for Mean {
    fn value(&mut self) -> f64 {
        self.sum.value(&self.point).unwrap_or(f64::NAN)
    }

    fn value_and_gradient(&mut self) -> f64 {
        self.sum.value_and_gradient(&self.point, &mut self.gradient).unwrap_or(f64::NAN)
    }

    fn gradient(&self) -> Vec<f64> {
        self.gradient.clone()
    }
}
