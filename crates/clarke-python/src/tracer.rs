//! A program under construction, driven from Python.

use crate::convert::{place, tensor};
use crate::errors::{Raised, exception, raise};
use crate::operator::Operator;
use crate::program::Program;
use clarke::program::Role;
use clarke::program::call::{self, Call, Comparison, Value};
use clarke::{Builder, Place, Registry, Var};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyEllipsis, PyFloat, PyInt, PyList, PySlice, PyString, PyTuple};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

/// The operators that Python may call.
static OPERATORS: LazyLock<Registry> = LazyLock::new(|| Registry::new(clarke::operators().cloned()));

/// A program under construction. What the other half knows of a trace, such as its constants, is in attributes.
#[pyclass(frozen, dict, module = "clarke._clarke")]
pub struct Tracer {
    builder: Mutex<Builder>,
}

/// A value of a program under construction: what the class `Var` of Python extends.
#[pyclass(frozen, subclass, module = "clarke._clarke")]
pub struct Node {
    tracer: Py<Tracer>,
    id: usize,
    shape: Vec<usize>,
}

/// A condition, the first argument of `where`: comparisons, and what joins them.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Guard {
    kind: Kind,
}

enum Kind {
    Compare(Comparison, Py<PyAny>, Py<PyAny>),
    And(Py<Guard>, Py<Guard>),
    Or(Py<Guard>, Py<Guard>),
    Not(Py<Guard>),
}

/// The body of a loop: a program traced before, and the values around it that it reads, which are its last inputs.
#[pyclass(frozen, module = "clarke._clarke")]
pub struct Body {
    program: clarke::Program,
    captured: Vec<Py<Node>>,
    params: Vec<String>,
}

#[pymethods]
impl Tracer {
    #[new]
    fn new() -> Tracer {
        Tracer { builder: Mutex::new(Builder::new()) }
    }

    /// Adds an input; returns its node.
    fn input(&self, name: &str, shape: Vec<usize>) -> usize {
        self.builder().input(name, &shape, Role::Argument).id()
    }

    /// Adds a constant; returns its node.
    fn constant(&self, value: &Bound<'_, PyAny>, file: &str, line: u32) -> PyResult<usize> {
        let value = tensor(value)?;
        Ok(self.builder().constant_at(value, place(file, line)).id())
    }

    /// Applies an operator of the table; returns the node and its shape.
    fn apply<'py>(
        slf: &Bound<'py, Tracer>,
        name: &str,
        args: &Bound<'py, PyTuple>,
        keywords: &Bound<'py, PyDict>,
        file: &str,
        line: u32,
    ) -> PyResult<usize> {
        let py = slf.py();
        let Some(entry) = OPERATORS.get(name) else {
            return Err(exception(py, "UnsupportedError", format!("there is no operator named {name}")));
        };
        let place = place(file, line);
        let guard = slf.get().builder();
        let builder: &Builder = &guard;
        let reader = Reader { builder, tracer: slf, place: place.clone() };
        let args = args.iter().map(|a| reader.value(&a)).collect::<PyResult<Vec<_>>>()?;
        let keywords = keywords
            .iter()
            .map(|(name, value)| Ok((name.extract::<String>()?, reader.value(&value)?)))
            .collect::<PyResult<Vec<_>>>()?;
        let call = Call {
            builder,
            name: entry.name,
            signature: entry.signature,
            args: &args,
            keywords: &keywords,
            place: place.clone(),
        };
        let var = builder.written_at(place, || (entry.call)(&call)).raised(py)?;
        written(py, builder)?;
        Ok(var.id())
    }

    /// Adds the selection of a tie, for the slopes of an operator: what its argument decides is said where the operator is
    /// made. Returns its node.
    fn tie(&self, name: &str) -> usize {
        self.builder().input(name, &[], Role::Selection(None)).id()
    }

    /// Applies an operator that a user defined; returns the node.
    fn apply_own(
        slf: &Bound<'_, Tracer>,
        operator: &Operator,
        args: Vec<Bound<'_, PyAny>>,
        file: &str,
        line: u32,
    ) -> PyResult<usize> {
        let py = slf.py();
        let guard = slf.get().builder();
        let builder: &Builder = &guard;
        let reader = Reader { builder, tracer: slf, place: place(file, line) };
        let args = args.iter().map(|a| reader.side(a)).collect::<PyResult<Vec<_>>>()?;
        let var = builder.apply_at(Arc::new(operator.inner.clone()), &args, place(file, line));
        written(py, builder)?;
        Ok(var.id())
    }

    /// Applies a program to values of this one; returns the nodes of its outputs.
    fn inline(slf: &Bound<'_, Tracer>, program: &Program, args: Vec<Bound<'_, Node>>) -> PyResult<Vec<usize>> {
        let py = slf.py();
        let guard = slf.get().builder();
        let builder: &Builder = &guard;
        let reader = Reader { builder, tracer: slf, place: Place::Unknown };
        let args = args.iter().map(|a| reader.var(a)).collect::<PyResult<Vec<_>>>()?;
        let names: Vec<String> = program.inner.inputs().iter().map(|i| i.name.clone()).collect();
        if args.len() != names.len() {
            let fault = clarke::Fault::InputCount { expected: names.len(), given: args.len(), names };
            return Err(raise(py, &fault.into()));
        }
        let outputs = builder.inline(&program.inner, &args);
        written(py, builder)?;
        Ok(outputs.iter().map(Var::id).collect())
    }

    /// The finished program of these nodes. The tracer is empty afterwards.
    fn finish(&self, py: Python<'_>, outputs: Vec<usize>) -> PyResult<Program> {
        let builder = self.builder();
        let vars: Option<Vec<Var<'_>>> = outputs.iter().map(|&id| builder.var(id)).collect();
        let Some(vars) = vars else {
            return Err(exception(py, "InputError", "an output belongs to another trace".into()));
        };
        Ok(Program { inner: builder.finish(&vars).raised(py)? })
    }
}

impl Tracer {
    fn builder(&self) -> MutexGuard<'_, Builder> {
        // A panic inside of the library would leave a program half-built, which `finish` checks.
        self.builder.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The mistake that was made, if one was.
fn written(py: Python<'_>, builder: &Builder) -> PyResult<()> {
    builder.error().map_or(Ok(()), |error| Err(raise(py, &error)))
}

#[pymethods]
impl Node {
    #[new]
    fn new(py: Python<'_>, tracer: Py<Tracer>, id: usize) -> PyResult<Node> {
        let shape = tracer.get().builder().var(id).map(|v| v.shape());
        match shape {
            Some(shape) => Ok(Node { tracer, id, shape }),
            None => Err(exception(py, "InputError", format!("the trace has no node {id}: it has ended"))),
        }
    }

    #[getter]
    fn tracer(&self, py: Python<'_>) -> Py<Tracer> {
        self.tracer.clone_ref(py)
    }

    #[getter]
    fn node(&self) -> usize {
        self.id
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }
}

#[pymethods]
impl Guard {
    /// `a symbol b`, with a symbol of `> >= < <= == !=`.
    #[staticmethod]
    fn compare(py: Python<'_>, symbol: &str, a: Py<PyAny>, b: Py<PyAny>) -> PyResult<Guard> {
        let comparison = match symbol {
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessEqual,
            "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            _ => return Err(exception(py, "InputError", format!("`{symbol}` is no comparison"))),
        };
        Ok(Guard { kind: Kind::Compare(comparison, a, b) })
    }

    /// Both hold.
    #[staticmethod]
    fn both(a: Py<Guard>, b: Py<Guard>) -> Guard {
        Guard { kind: Kind::And(a, b) }
    }

    /// At least one holds.
    #[staticmethod]
    fn either(a: Py<Guard>, b: Py<Guard>) -> Guard {
        Guard { kind: Kind::Or(a, b) }
    }

    /// It does not hold.
    #[staticmethod]
    fn negation(a: Py<Guard>) -> Guard {
        Guard { kind: Kind::Not(a) }
    }
}

#[pymethods]
impl Body {
    #[new]
    fn new(program: &Program, captured: Vec<Py<Node>>, params: Vec<String>) -> Body {
        Body { program: program.inner.clone(), captured, params }
    }
}

/// Objects of Python as values of program text.
struct Reader<'a, 'p, 'py> {
    builder: &'p Builder,
    tracer: &'a Bound<'py, Tracer>,
    place: Place,
}

impl<'p, 'py> Reader<'_, 'p, 'py> {
    fn value(&self, object: &Bound<'py, PyAny>) -> PyResult<Value<'p>> {
        let many = |items: Vec<Bound<'py, PyAny>>| items.iter().map(|i| self.value(i)).collect::<PyResult<Vec<_>>>();
        if let Ok(node) = object.cast::<Node>() {
            Ok(Value::Var(self.var(node)?))
        } else if object.is_none() {
            Ok(Value::None)
        } else if let Ok(flag) = object.cast::<PyBool>() {
            Ok(Value::Flag(flag.is_true()))
        } else if object.is_instance_of::<PyFloat>() || object.is_instance_of::<PyInt>() {
            Ok(Value::Number(object.extract()?))
        } else if let Ok(text) = object.cast::<PyString>() {
            Ok(Value::Text(text.to_cow()?.into_owned()))
        } else if let Ok(list) = object.cast::<PyList>() {
            Ok(Value::List(many(list.iter().collect())?))
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            Ok(Value::Tuple(many(tuple.iter().collect())?))
        } else if let Ok(slice) = object.cast::<PySlice>() {
            let end = |name: &str| object_index(&slice.getattr(name)?);
            Ok(Value::Slice(end("start")?, end("stop")?, end("step")?))
        } else if object.is_instance_of::<PyEllipsis>() {
            Ok(Value::Ellipsis)
        } else if let Ok(guard) = object.cast::<Guard>() {
            Ok(Value::Guard(self.guard(guard)?))
        } else if let Ok(body) = object.cast::<Body>() {
            self.function(body)
        } else {
            self.numbers(object)
        }
    }

    /// An array, or one of numpy's scalars.
    fn numbers(&self, object: &Bound<'py, PyAny>) -> PyResult<Value<'p>> {
        let py = object.py();
        if !object.is_instance_of::<PyUntypedArray>() && !object.hasattr("dtype")? {
            let kind = object.get_type().name()?;
            let text = format!("a value of type {kind} cannot take part in a program; give numbers or arrays");
            return Err(exception(py, "DtypeError", text));
        }
        let value = tensor(object)?;
        match value.shape().is_empty() {
            true => Ok(Value::Number(value.item())),
            false => Ok(Value::Var(self.builder.constant_at(value, self.place.clone()))),
        }
    }

    fn var(&self, node: &Bound<'py, Node>) -> PyResult<Var<'p>> {
        let node = node.get();
        let own = node.tracer.as_ptr() == self.tracer.as_ptr();
        own.then(|| self.builder.var(node.id)).flatten().ok_or_else(|| {
            let text = "a value of another trace was used: a traced function must not keep its values for later, or \
                        read those of a function around it";
            exception(self.tracer.py(), "InputError", text.into())
        })
    }

    fn guard(&self, guard: &Bound<'py, Guard>) -> PyResult<call::Guard<'p>> {
        let py = guard.py();
        let boxed = |g: &Py<Guard>| self.guard(g.bind(py)).map(Box::new);
        Ok(match &guard.get().kind {
            Kind::Compare(comparison, a, b) => {
                call::Guard::Compare(*comparison, self.side(a.bind(py))?, self.side(b.bind(py))?)
            }
            Kind::And(a, b) => call::Guard::And(boxed(a)?, boxed(b)?),
            Kind::Or(a, b) => call::Guard::Or(boxed(a)?, boxed(b)?),
            Kind::Not(a) => call::Guard::Not(boxed(a)?),
        })
    }

    /// A variable, or numbers as a constant.
    fn side(&self, object: &Bound<'py, PyAny>) -> PyResult<Var<'p>> {
        match object.cast::<Node>() {
            Ok(node) => self.var(node),
            Err(_) => Ok(self.builder.constant_at(tensor(object)?, self.place.clone())),
        }
    }

    /// A body as a function that has been applied already.
    fn function(&self, body: &Bound<'py, Body>) -> PyResult<Value<'p>> {
        let py = body.py();
        let captured = body.get().captured.iter().map(|n| self.var(n.bind(py))).collect::<PyResult<Vec<Var<'p>>>>()?;
        let (program, params) = (body.get().program.clone(), body.get().params.clone());
        let make = move |_: &[Vec<usize>]| Ok((program.clone(), captured.clone()));
        // The library asks for a shared function that lives as long as its variables do, on one thread.
        #[allow(clippy::arc_with_non_send_sync)]
        let make = Arc::new(make);
        Ok(Value::Function(call::Function { params, make }))
    }
}

/// The end of a slice: an integer or None.
fn object_index(object: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if object.is_none() { Ok(None) } else { object.call_method0("__index__")?.extract().map(Some) }
}
