//! Compiled programs as Python calls them: arrays in, arrays out, none copied.

use crate::convert::{Precision, numbers, scalar};
use crate::errors::{Raised, exception};
use crate::program::{Policy, Program, mode_of};
use clarke::program::tie::Convention;
use clarke::{Compiled, Derivative, DerivativeWorkspace, Tensor, Workspace};
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyTuple};
use std::ffi::CString;
use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// A program or a derivative of one, compiled for a precision.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Executable {
    kind: Kind,
}

enum Kind {
    Single(Core<f32>),
    Double(Core<f64>),
}

/// What runs, and the memory for it: as many workspaces as threads ran it at once.
struct Core<T: Precision> {
    code: Code<T>,
    program: clarke::Program,
    inputs: Vec<Vec<usize>>,
    outputs: Vec<Vec<usize>>,
    pool: Mutex<Vec<Space<T>>>,
}

enum Code<T: Precision> {
    Value(Compiled<T>),
    Derivative(Derivative<T>),
}

enum Space<T> {
    Value(Workspace<T>),
    Derivative(DerivativeWorkspace<T>),
}

#[pymethods]
impl Executable {
    /// A program compiled, or the derivative of this mode; for float64 if `double`, else float32.
    #[new]
    fn new(
        py: Python<'_>,
        program: &Program,
        mode: Option<&str>,
        policy: &Policy,
        double: bool,
    ) -> PyResult<Executable> {
        let kind = match double {
            true => Kind::Double(Core::new(py, program, mode, policy)?),
            false => Kind::Single(Core::new(py, program, mode, policy)?),
        };
        Ok(Executable { kind })
    }

    /// The outputs for these inputs: arrays of the precision in row-major order, or numbers, in order.
    fn run<'py>(&self, py: Python<'py>, inputs: Vec<Bound<'py, PyAny>>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        match &self.kind {
            Kind::Single(core) => core.call(py, &inputs),
            Kind::Double(core) => core.call(py, &inputs),
        }
    }

    /// The seconds that so many runs take by themselves, into memory made before: what a call costs without Python.
    fn seconds(&self, py: Python<'_>, inputs: Vec<Bound<'_, PyAny>>, times: usize) -> PyResult<f64> {
        match &self.kind {
            Kind::Single(core) => core.seconds(py, &inputs, times),
            Kind::Double(core) => core.seconds(py, &inputs, times),
        }
    }
}

impl Executable {
    /// Whether an array is read where it is.
    fn reads(&self, array: &Bound<'_, PyUntypedArray>) -> bool {
        match &self.kind {
            Kind::Single(_) => numbers::<f32>(array).is_some(),
            Kind::Double(_) => numbers::<f64>(array).is_some(),
        }
    }
}

impl<T: Precision> Core<T> {
    fn new(py: Python<'_>, program: &Program, mode: Option<&str>, policy: &Policy) -> PyResult<Core<T>> {
        let code = match mode {
            None => Code::Value(program.inner.compile::<T>(Convention::MinNorm)),
            Some(mode) => {
                let made = Derivative::new(&program.inner, mode_of(py, mode)?, policy.inner.clone());
                Code::Derivative(made.raised(py)?)
            }
        };
        let compiled = match &code {
            Code::Value(compiled) => compiled,
            Code::Derivative(derivative) => derivative.compiled(),
        };
        let inputs = compiled.inputs().iter().map(|p| p.shape.clone()).collect();
        let outputs = compiled.outputs().to_vec();
        Ok(Core { program: program.inner.clone(), inputs, outputs, pool: Mutex::new(vec![]), code })
    }

    /// Checks the arguments and runs.
    fn call<'py>(&self, py: Python<'py>, args: &[Bound<'py, PyAny>]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let singles = self.singles(py, args)?;
        self.run(py, &self.views(py, args, &singles)?)
    }

    /// The arguments that are numbers, as numbers; 0 for the others.
    fn singles(&self, py: Python<'_>, args: &[Bound<'_, PyAny>]) -> PyResult<Vec<T>> {
        if args.len() != self.inputs.len() {
            let text = format!("{} arrays were expected, but {} given", self.inputs.len(), args.len());
            return Err(exception(py, "CallError", text));
        }
        // An array of one entry would give a number too, and a warning of numpy.
        let number = |arg: &Bound<'_, PyAny>| match arg.cast::<PyUntypedArray>() {
            Ok(_) => T::default(),
            Err(_) => arg.extract::<f64>().map_or(T::default(), T::of),
        };
        Ok(args.iter().map(number).collect())
    }

    /// The numbers of the arguments where they lie.
    fn views<'a>(&self, py: Python<'_>, args: &'a [Bound<'_, PyAny>], singles: &'a [T]) -> PyResult<Vec<&'a [T]>> {
        let view = |k: usize, arg: &'a Bound<'_, PyAny>| {
            let shape = &self.inputs[k];
            let view = match arg.cast::<PyUntypedArray>() {
                Ok(array) if array.shape() == shape.as_slice() => numbers::<T>(array),
                Ok(_) => None,
                Err(_) => shape.is_empty().then(|| &singles[k..=k]),
            };
            view.ok_or_else(|| {
                let text = format!("input {k}: an array of shape {shape:?} in row-major order was expected");
                exception(py, "InputError", text)
            })
        };
        args.iter().enumerate().map(|(k, arg)| view(k, arg)).collect()
    }

    /// The seconds that so many runs take.
    fn seconds(&self, py: Python<'_>, args: &[Bound<'_, PyAny>], times: usize) -> PyResult<f64> {
        let singles = self.singles(py, args)?;
        let inputs = self.views(py, args, &singles)?;
        let mut memory: Vec<Vec<T>> =
            self.outputs.iter().map(|shape| vec![T::default(); shape.iter().product()]).collect();
        let mut outputs: Vec<&mut [T]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
        let (done, seconds) = py.detach(|| {
            let start = Instant::now();
            let done = (0..times).try_for_each(|_| self.execute(black_box(&inputs), &mut outputs).0);
            (done, start.elapsed().as_secs_f64())
        });
        done.raised(py).map(|()| seconds)
    }

    /// Runs, without the lock of Python, into new arrays.
    fn run<'py>(&self, py: Python<'py>, inputs: &[&[T]]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut single = [T::default(); SINGLES];
        let (mut numbers, mut arrays) = (single.iter_mut(), Vec::with_capacity(self.outputs.len()));
        let mut views: Vec<&mut [T]> = Vec::with_capacity(self.outputs.len());
        for shape in &self.outputs {
            let slot = if shape.is_empty() { numbers.next() } else { None };
            match slot {
                Some(slot) => {
                    arrays.push(None);
                    views.push(std::slice::from_mut(slot));
                }
                None => {
                    // SAFETY: the array was just made, nobody else has it, and the run writes all of it.
                    let array = unsafe { PyArrayDyn::<T>::new(py, shape.as_slice(), false) };
                    let view = unsafe { std::slice::from_raw_parts_mut(array.data(), array.len()) };
                    arrays.push(Some(array));
                    views.push(view);
                }
            }
        }
        let (done, finite) = py.detach(|| self.execute(inputs, &mut views));
        done.raised(py)?;
        if !finite {
            self.warn(py, inputs)?;
        }
        let results = std::iter::zip(arrays, views).map(|(array, view)| match array {
            Some(array) => Ok(array.into_any()),
            None => scalar(py, view[0]),
        });
        results.collect()
    }

    /// Runs, and says whether all is finite or was not finite in the inputs.
    fn execute(&self, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> (clarke::Result<()>, bool) {
        let taken = self.pool().pop();
        let mut space = taken.unwrap_or_else(|| match &self.code {
            Code::Value(compiled) => Space::Value(compiled.workspace()),
            Code::Derivative(derivative) => Space::Derivative(derivative.workspace()),
        });
        let done = match (&self.code, &mut space) {
            (Code::Value(compiled), Space::Value(space)) => {
                compiled.run(space, inputs, outputs);
                Ok(())
            }
            (Code::Derivative(derivative), Space::Derivative(space)) => derivative.run(space, inputs, outputs),
            _ => unreachable!("a pool holds workspaces of its own code"),
        };
        self.pool().push(space);
        let finite = matches!(self.code, Code::Derivative(_))
            || outputs.iter().all(|out| is_finite(out))
            || !inputs.iter().all(|x| is_finite(x));
        (done, finite)
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Space<T>>> {
        self.pool.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Warns that a value is not finite, with the operator that made it.
    #[cold]
    fn warn(&self, py: Python<'_>, inputs: &[&[T]]) -> PyResult<()> {
        let array = |(shape, x): (&Vec<usize>, &&[T])| Tensor::from_fn(shape, |i| x[i].to_f64());
        let point: Vec<Tensor> = std::iter::zip(&self.inputs, inputs).map(array).collect();
        let text = match self.program.at(&point) {
            Err(error) => error.to_string(),
            Ok(_) => "a value is too large for this precision".into(),
        };
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 2)
    }
}

/// Outputs that are single numbers are put on the stack, up to so many.
const SINGLES: usize = 8;

/// Whether all numbers are finite; without a branch a number.
fn is_finite<T: Precision>(numbers: &[T]) -> bool {
    numbers.chunks(4096).all(|chunk| chunk.iter().fold(true, |all, x| all & x.to_f64().is_finite()))
}

/// The arguments of a call that goes straight to its executable.
struct Fast {
    args: Vec<Spec>,
    executable: Py<Executable>,
    /// Whether the outputs come as a tuple, also a single one.
    tuple: bool,
    /// Outputs before these are left out.
    skip: usize,
}

enum Spec {
    Number,
    Array(Vec<usize>),
}

/// A callable that knows, for the arguments it saw, what to run; what it does not know it asks its method `_miss`.
///
/// A call that is known costs no more than reading the arguments: no signature is made, nothing is looked up in Python.
#[pyclass(subclass, frozen, module = "clarke._clarke")]
pub struct Dispatcher {
    fast: Mutex<Vec<Arc<Fast>>>,
}

/// How many arguments a fast call has at most, and how many kinds of them are kept.
const ARGUMENTS: usize = 8;
const KINDS: usize = 8;

#[pymethods]
impl Dispatcher {
    #[new]
    #[pyo3(signature = (*_args, **_keywords))]
    fn new(_args: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Dispatcher {
        Dispatcher { fast: Mutex::new(vec![]) }
    }

    #[pyo3(signature = (*args, **keywords))]
    fn __call__<'py>(
        slf: &Bound<'py, Dispatcher>,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if keywords.is_none_or(|k| k.is_empty()) && args.len() <= ARGUMENTS {
            // The lock is not held while a program runs: another thread that wants it may hold Python's.
            for k in 0..KINDS {
                let Some(fast) = slf.get().fast().get(k).cloned() else { break };
                let executable = fast.executable.get();
                let result = match &executable.kind {
                    Kind::Double(core) => fast.call(core, args)?,
                    Kind::Single(core) => fast.call(core, args)?,
                };
                if let Some(result) = result {
                    return Ok(result);
                }
            }
        }
        slf.call_method1("_miss", (args, keywords))
    }

    /// Lets calls with arguments like these go straight to the executable, whose inputs they are. Arrays that are read
    /// only as copies are no such arguments: their calls would be tried in vain.
    fn _know(&self, args: &Bound<'_, PyTuple>, executable: Py<Executable>, tuple: bool, skip: usize) {
        let mut specs = vec![];
        for arg in args.iter() {
            specs.push(match arg.cast::<PyUntypedArray>() {
                Ok(array) if executable.get().reads(array) => Spec::Array(array.shape().to_vec()),
                Ok(_) => return,
                Err(_) => Spec::Number,
            });
        }
        let mut kinds = self.fast();
        if specs.len() <= ARGUMENTS && kinds.len() < KINDS {
            kinds.push(Arc::new(Fast { args: specs, executable, tuple, skip }));
        }
    }
}

impl Dispatcher {
    fn fast(&self) -> MutexGuard<'_, Vec<Arc<Fast>>> {
        self.fast.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Fast {
    /// The result, if the arguments are those of this kind.
    fn call<'py, T: Precision>(
        &self,
        core: &Core<T>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if args.len() != self.args.len() {
            return Ok(None);
        }
        let py = args.py();
        let mut objects: [Option<Bound<'py, PyAny>>; ARGUMENTS] = [const { None }; ARGUMENTS];
        let mut singles = [T::default(); ARGUMENTS];
        for (k, spec) in self.args.iter().enumerate() {
            let arg = args.get_item(k)?;
            match spec {
                Spec::Number if arg.is_exact_instance_of::<PyFloat>() || arg.is_exact_instance_of::<PyInt>() => {
                    singles[k] = T::of(arg.extract()?);
                }
                Spec::Number => return Ok(None),
                // Subclasses, as masked arrays, mean more than their numbers.
                Spec::Array(shape) => match arg.cast_exact::<PyUntypedArray>() {
                    Ok(array) if array.shape() == shape.as_slice() => {}
                    _ => return Ok(None),
                },
            }
            objects[k] = Some(arg);
        }
        let mut views: [&[T]; ARGUMENTS] = [&[]; ARGUMENTS];
        for (k, spec) in self.args.iter().enumerate() {
            views[k] = match (spec, &objects[k]) {
                (Spec::Array(_), Some(object)) => match object.cast::<PyUntypedArray>().map(|a| numbers::<T>(a)) {
                    Ok(Some(view)) => view,
                    _ => return Ok(None),
                },
                _ => &singles[k..=k],
            };
        }
        let mut results = core.run(py, &views[..self.args.len()])?;
        results.drain(..self.skip);
        let only = if self.tuple { None } else { results.pop() };
        Ok(Some(only.map_or_else(|| PyTuple::new(py, results).map(Bound::into_any), Ok)?))
    }
}
