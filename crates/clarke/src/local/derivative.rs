//! Derivatives compiled for a precision under a policy, which err where there is none.

use super::along::tie_nodes;
use super::policy::Picker;
use super::{At, Derived, Policy, can_be_undefined, guard};
use crate::derive::{linearize_with, unroll};
use crate::error::{Fault, Result};
use crate::program::Program;
use crate::program::real::Scalar;
use crate::program::tie::Site;
use crate::run::{Compiled, Workspace};
use crate::tensor::{Tensor, size, unravel};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Which derivative of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// [`Program::value_and_gradient`]: x ↦ (y, ∇).
    ValueAndGradient,
    /// [`Program::jvp`]: (x, ẋ) ↦ (y, ẏ).
    Jvp,
    /// [`Program::vjp`]: (x, ȳ) ↦ x̄.
    Vjp,
    /// [`Program::jacobian`]: x ↦ J.
    Jacobian,
    /// [`Program::hvp`]: (x, v) ↦ H v.
    Hvp,
}

impl Mode {
    /// The derivative of a program, as a program.
    ///
    /// Errors: those of the transformation.
    pub fn of(self, program: &Program) -> Result<Program> {
        match self {
            Mode::ValueAndGradient => program.value_and_gradient(),
            Mode::Jvp => program.jvp(),
            Mode::Vjp => program.vjp(),
            Mode::Jacobian => program.jacobian(),
            Mode::Hvp => program.hvp(),
        }
    }
}

/// A derivative of a program, compiled for f32 or f64 under a policy. Threads share it, each with a workspace of its own.
///
/// [`Compiled`] computes whatever the arithmetic gives. This refuses: where a result is not finite, or where a tie met may
/// hide a point at which the program is not Lipschitz, the slow analysis at the point ([`Program::at`]) is asked, and its
/// error names operator, place and argument. A policy that looks at the point (random, along directions) is always asked
/// that way.
///
/// ```
/// use clarke::{Derivative, Mode, Policy, Program};
/// let f = Program::trace(&[&[]], |v| v[0].relu().sqrt())?;
/// let g = Derivative::<f64>::new(&f, Mode::ValueAndGradient, Policy::jax())?;
/// let mut workspace = g.workspace();
/// let (mut y, mut dx) = ([0.0], [0.0]);
/// g.run(&mut workspace, &[&[4.0]], &mut [&mut y, &mut dx])?;
/// assert_eq!((y, dx), ([2.0], [0.25]));
/// let error = g.run(&mut workspace, &[&[0.0]], &mut [&mut y, &mut dx]).unwrap_err();
/// assert!(error.to_string().contains("sqrt is not Lipschitz here"));
/// # Ok::<(), clarke::Error>(())
/// ```
pub struct Derivative<T> {
    mode: Mode,
    policy: Policy,
    compiled: Compiled<T>,
    /// The arguments of all ties, if a tie met could hide a point without derivative.
    watch: Option<Watch<T>>,
    slow: Slow,
}

/// The memory that a derivative is computed in. One for each thread; made by [`Derivative::workspace`].
#[derive(Debug)]
pub struct DerivativeWorkspace<T> {
    fast: Workspace<T>,
    watch: Option<Watched<T>>,
}

/// The arguments of all ties at the last point.
#[derive(Debug)]
struct Watched<T> {
    workspace: Workspace<T>,
    /// As they are computed.
    numbers: Vec<Vec<T>>,
    /// As ties read them.
    arrays: Vec<Tensor>,
}

/// What the slow analysis at a point works on.
struct Slow {
    /// The program as it was given.
    given: Program,
    /// The program with operators made of programs written out, when it is first asked for: loops may be long.
    program: OnceLock<Program>,
    derived: Arc<Derived>,
    /// Its derivative, made when it is first asked for.
    derivative: OnceLock<Program>,
}

impl<T: Scalar> Derivative<T> {
    /// The derivative of a program under a policy.
    ///
    /// Errors: those of the transformation; a second derivative under a policy that looks at the point, which says nothing
    /// of the ties of first derivatives.
    pub fn new(program: &Program, mode: Mode, policy: Policy) -> Result<Derivative<T>> {
        if mode == Mode::Hvp && !policy.is_fixed() {
            let rule = "second derivatives are taken of one piece, which a fixed policy picks";
            let fault = Fault::Setting { setting: "policy", given: policy.to_string(), rule: rule.into() };
            return Err(fault.into());
        }
        let fill = |site: &Site| policy.choice(site).map_or(0.0, |c| c.selection);
        let compiled = mode.of(program)?.compile_with::<T>(&fill);
        let slow = Slow::new(program);
        let watch = if can_be_undefined(program) { Watch::of(slow.program()?)? } else { None };
        Ok(Derivative { mode, policy, compiled, watch, slow })
    }

    /// The same, run by at most this many threads, see [`Compiled::with_threads`].
    pub fn with_threads(self, threads: usize) -> Derivative<T> {
        Derivative { compiled: self.compiled.with_threads(threads), ..self }
    }

    /// The compiled derivative, which refuses nothing: its inputs and outputs are this one's.
    pub fn compiled(&self) -> &Compiled<T> {
        &self.compiled
    }

    /// Memory to run in.
    pub fn workspace(&self) -> DerivativeWorkspace<T> {
        let watch = self.watch.as_ref().map(|watch| watch.memory());
        DerivativeWorkspace { fast: self.compiled.workspace(), watch }
    }

    /// Computes the outputs from the inputs, both in row-major order. Allocates nothing unless the slow analysis is asked.
    ///
    /// Errors: a value or derivative that is not finite, a point where the program is not Lipschitz, a `where` met where it
    /// is discontinuous; each with the operator at fault. Panics: as [`Compiled::run`].
    pub fn run(&self, workspace: &mut DerivativeWorkspace<T>, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        if !self.policy.is_fixed() {
            return self.slowly(inputs, outputs);
        }
        self.compiled.run(&mut workspace.fast, inputs, outputs);
        let finite = outputs.iter().all(|out| out.iter().all(|x| x.to_f64().is_finite()));
        let met = match (&self.watch, &mut workspace.watch) {
            (Some(watch), Some(memory)) => watch.met(memory, &inputs[..watch.inputs]),
            _ => false,
        };
        if finite && !met { Ok(()) } else { self.slowly(inputs, outputs) }
    }

    /// The same by the analysis at the point, which finds and names what is wrong.
    fn slowly(&self, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        let array = |(port, data): (&crate::run::Port, &&[T])| Tensor::from_fn(&port.shape, |i| data[i].to_f64());
        let mut point: Vec<Tensor> = std::iter::zip(self.compiled.inputs(), inputs).map(array).collect();
        let own = self.slow.given.inputs().iter().filter(|i| !i.role.is_selection()).count();
        let more = point.split_off(own);
        let exact = self.slow.at(&point)?.through(self.slow.derivative(self.mode)?, &more, &self.policy)?;
        for (out, value) in std::iter::zip(outputs.iter_mut(), &exact) {
            for (k, (x, v)) in std::iter::zip(out.iter_mut(), value.data()).enumerate() {
                *x = T::of(*v);
                if !x.to_f64().is_finite() {
                    let advice = "it is too large for this precision; scale the problem, or compute in 64 bits";
                    let (index, argument) = (unravel(k, value.shape()), vec![]);
                    return Err(
                        Fault::NotFinite { op: "the derivative".into(), value: *v, argument, index, advice }.into()
                    );
                }
            }
        }
        Ok(())
    }

    /// The error of the slow analysis at a point: why the fast way gave what is not finite.
    pub(super) fn at(&self, point: &[Tensor]) -> Result<At> {
        self.slow.at(point)
    }
}

impl Slow {
    fn new(program: &Program) -> Slow {
        let given = program.clone();
        Slow { given, program: OnceLock::new(), derived: Arc::default(), derivative: OnceLock::new() }
    }

    fn program(&self) -> Result<&Program> {
        match self.program.get() {
            Some(program) => Ok(program),
            None => unroll(&self.given).map(|made| self.program.get_or_init(|| made.prune())),
        }
    }

    fn at(&self, point: &[Tensor]) -> Result<At> {
        At::of(self.program()?, &self.derived, point)
    }

    fn derivative(&self, mode: Mode) -> Result<&Program> {
        match self.derivative.get() {
            Some(derivative) => Ok(derivative),
            None => mode.of(self.program()?).map(|made| self.derivative.get_or_init(|| made)),
        }
    }
}

impl<T> fmt::Debug for Derivative<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derivative").field("mode", &self.mode).field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl At {
    /// A derivative of the program at the point, for further inputs of the derivative, under a policy.
    fn through(&self, derivative: &Program, more: &[Tensor], policy: &Policy) -> Result<Vec<Tensor>> {
        let met = self.met(self.linear()?, 0.0)?;
        guard::check(&self.program, &self.values, &met)?;
        self.derivative_of(derivative, &[], more, !met.is_empty(), || Picker::new(policy, self))
    }
}

/// The arguments of all ties of a program, compiled.
struct Watch<T> {
    compiled: Compiled<T>,
    /// How many inputs there are.
    inputs: usize,
    /// For each tie, whose it is and its argument's shape.
    ties: Vec<(Arc<Site>, Vec<usize>)>,
}

impl<T: Scalar> Watch<T> {
    /// None if the program has no ties.
    fn of(program: &Program) -> Result<Option<Watch<T>>> {
        let linear = linearize_with(program, &[])?;
        let (sites, arguments): (Vec<_>, Vec<_>) = tie_nodes(&linear.program).into_iter().unzip();
        let shape = |&u: &usize| linear.program.nodes()[u].shape.clone();
        let ties: Vec<_> = std::iter::zip(sites, arguments.iter().map(shape)).collect();
        if ties.is_empty() {
            return Ok(None);
        }
        let compiled = linear.primal(&arguments)?.compile_with::<T>(&|_| 0.0);
        Ok(Some(Watch { inputs: compiled.inputs().len(), compiled, ties }))
    }

    fn memory(&self) -> Watched<T> {
        let numbers = self.ties.iter().map(|(_, shape)| vec![T::default(); size(shape)]).collect();
        let arrays = self.ties.iter().map(|(_, shape)| Tensor::full(shape, 0.0)).collect();
        Watched { workspace: self.compiled.workspace(), numbers, arrays }
    }

    /// Whether a tie is met.
    fn met(&self, memory: &mut Watched<T>, inputs: &[&[T]]) -> bool {
        let Watched { workspace, numbers, arrays } = memory;
        let mut outputs: Vec<&mut [T]> = numbers.iter_mut().map(Vec::as_mut_slice).collect();
        self.compiled.run(workspace, inputs, &mut outputs);
        std::iter::zip(&self.ties, std::iter::zip(numbers, arrays)).any(|((site, _), (numbers, array))| {
            std::iter::zip(array.data_mut(), numbers).for_each(|(a, x)| *a = x.to_f64());
            site.tie.tie().is_some_and(|tie| !tie.met(array, 0.0).is_empty())
        })
    }
}
