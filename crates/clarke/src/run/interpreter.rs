//! The slow twin: node by node, in f64, each operator by its own kernel; and the only way of running a program that can
//! be watched.

use crate::error::{Fault, Result};
use crate::program::op::{Compiler, Kernel, Op, interpret};
use crate::program::tie::Site;
use crate::program::{Builder, Kind, Program, Role, Var};
use crate::tensor::{Tensor, size};
use std::borrow::Cow;
use std::sync::Arc;

/// Watches a run, and may decide its ties.
pub(crate) trait Monitor {
    /// The selection at a tie, given its argument u; None leaves the default.
    fn select(&mut self, _tie: &dyn Op, _site: Option<&Arc<Site>>, _u: &Tensor) -> Option<Tensor> {
        None
    }
    /// The value of a tie, which may be changed.
    fn decide(&mut self, _site: &Arc<Site>, _u: &Tensor, _value: &mut Tensor) {}
    /// Told the value of each application. An error stops the run.
    fn seen(&mut self, _node: usize, _op: &dyn Op, _args: &[&Tensor], _value: &Tensor) -> Result<()> {
        Ok(())
    }
}

impl Monitor for () {}

/// Runs one program.
pub(crate) struct Interpreter<'a> {
    program: &'a Program,
}

impl<'a> Interpreter<'a> {
    pub fn new(program: &'a Program) -> Interpreter<'a> {
        Interpreter { program }
    }

    /// The outputs, from values for the inputs that are no selections. Only what they need is computed.
    pub fn run(&self, inputs: &[Tensor], monitor: &mut dyn Monitor) -> Result<Vec<Tensor>> {
        self.run_from(&[], inputs, monitor)
    }

    /// The same with the values of some nodes known.
    pub fn run_from(
        &self,
        known: &[(usize, &Tensor)],
        inputs: &[Tensor],
        monitor: &mut dyn Monitor,
    ) -> Result<Vec<Tensor>> {
        let mut given: Vec<Option<&Tensor>> = vec![None; self.program.nodes().len()];
        known.iter().for_each(|&(node, value)| given[node] = Some(value));
        let wanted = self.program.reached(self.program.outputs(), |node| given[node].is_some());
        let values = self.computed(&given, inputs, monitor, &wanted)?;
        Ok(self.program.outputs().iter().map(|&k| values[k].as_ref().clone()).collect())
    }

    /// The values of all nodes.
    pub fn values(&self, inputs: &[Tensor], monitor: &mut dyn Monitor) -> Result<Vec<Tensor>> {
        let count = self.program.nodes().len();
        let values = self.computed(&vec![None; count], inputs, monitor, &vec![true; count])?;
        Ok(values.into_iter().map(Cow::into_owned).collect())
    }

    /// The values of the nodes that are wanted, whose arguments must be or be known; nothing for the others.
    fn computed<'v>(
        &self,
        known: &[Option<&'v Tensor>],
        inputs: &'v [Tensor],
        monitor: &mut dyn Monitor,
        wanted: &[bool],
    ) -> Result<Vec<Cow<'v, Tensor>>>
    where
        'a: 'v,
    {
        check_inputs(self.program, inputs)?;
        let mut given = inputs.iter();
        let filled: Vec<Cow<'v, Tensor>> = self
            .program
            .inputs()
            .iter()
            .map(|input| match &input.role {
                Role::Selection(_) => Cow::Owned(input.default_selection()),
                _ => Cow::Borrowed(given.next().expect("checked above")),
            })
            .collect();
        let mut values: Vec<Cow<'v, Tensor>> = Vec::with_capacity(self.program.nodes().len());
        for (id, node) in self.program.nodes().iter().enumerate() {
            let value = match (&node.kind, known[id]) {
                (_, Some(value)) => Cow::Borrowed(value),
                (Kind::Input(k), None) => filled[*k].clone(),
                (Kind::Constant(c), None) => Cow::Borrowed(c.as_ref()),
                (Kind::Apply { .. }, None) if !wanted[id] => Cow::Owned(Tensor::vector(vec![])),
                (Kind::Apply { op, args }, None) => Cow::Owned(self.applied(id, op, args, &values, monitor)?),
            };
            values.push(value);
        }
        Ok(values)
    }

    /// The value of an application, its tie decided by the monitor.
    fn applied(
        &self,
        id: usize,
        op: &Arc<dyn Op>,
        args: &[usize],
        values: &[Cow<'_, Tensor>],
        monitor: &mut dyn Monitor,
    ) -> Result<Tensor> {
        let mut arrays: Vec<&Tensor> = args.iter().map(|&a| values[a].as_ref()).collect();
        let site = if op.tie().is_some() { self.site(args) } else { None };
        let selection = op.tie().and_then(|_| monitor.select(op.as_ref(), site, arrays[0]));
        if let Some(s) = &selection {
            arrays[1] = s;
        }
        let mut value = apply(op, &arrays, &self.program.nodes()[id].shape);
        if let Some(site) = site {
            monitor.decide(site, arrays[0], &mut value);
        }
        monitor.seen(id, op.as_ref(), &arrays, &value)?;
        Ok(value)
    }

    /// The site of a tie, from its selection.
    fn site(&self, args: &[usize]) -> Option<&'a Arc<Site>> {
        match &self.program.nodes()[args[1]].kind {
            Kind::Input(k) => match &self.program.inputs()[*k].role {
                Role::Selection(site) => site.as_ref(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The first input that is a sparse matrix without entries.
pub(crate) fn unbound(program: &Program) -> Option<Fault> {
    let input = program.inputs().iter().find(|i| i.role.is_sparse())?;
    let rule = format!("it has no entries yet; bind them before, program.bind(\"{}\", &matrix)", input.name);
    Some(Fault::Sparse { op: "a run".into(), input: input.name.clone(), rule })
}

/// The number and shapes of the arrays given for the inputs that are no selections; and none is a sparse matrix.
pub(crate) fn check_inputs(program: &Program, inputs: &[Tensor]) -> Result<()> {
    if let Some(fault) = unbound(program) {
        return Err(fault.into());
    }
    let wanted: Vec<_> = program.inputs().iter().filter(|i| !i.role.is_selection()).collect();
    if wanted.len() != inputs.len() {
        let names = wanted.iter().map(|i| i.name.clone()).collect();
        return Err(Fault::InputCount { expected: wanted.len(), given: inputs.len(), names }.into());
    }
    for (input, array) in std::iter::zip(wanted, inputs) {
        if input.shape != array.shape() {
            return Err(Fault::InputShape {
                input: input.name.clone(),
                expected: input.shape.clone(),
                given: array.shape().to_vec(),
            }
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
thread_local! {
    /// How many entries this thread has computed slowly: a measure of cost for tests.
    pub(crate) static COMPUTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One application, written out where the operator is defined so.
pub(crate) fn apply(op: &Arc<dyn Op>, args: &[&Tensor], shape: &[usize]) -> Tensor {
    #[cfg(test)]
    COMPUTED.set(COMPUTED.get() + size(shape));
    interpret(op.as_ref(), args, shape, &Slow).unwrap_or_else(|| {
        let program = written_out(op, &args.iter().map(|a| a.shape()).collect::<Vec<_>>());
        let arrays: Vec<Tensor> = args.iter().map(|a| (*a).clone()).collect();
        Interpreter::new(&program).run(&arrays, &mut ()).expect("an expansion's inputs are its arguments").remove(0)
    })
}

/// The expansion of an operator as a program of its arguments.
pub(crate) fn written_out(op: &Arc<dyn Op>, shapes: &[&[usize]]) -> Program {
    let builder = Builder::new();
    let vars: Vec<Var<'_>> =
        shapes.iter().enumerate().map(|(k, s)| builder.input(&format!("x{k}"), s, Role::Argument)).collect();
    let out = op.expand(&vars).expect("an operator executed as its expansion has one");
    builder.finish(&[out]).expect("an expansion of checked arguments")
}

/// Compiles the programs inside operators to more interpretation.
pub(crate) struct Slow;

impl Compiler<f64> for Slow {
    fn compile(&self, program: &Program) -> Kernel<f64> {
        let program = program.clone();
        Kernel::new(move |args, out, _| {
            let arrays: Vec<Tensor> = std::iter::zip(program.inputs(), args)
                .map(|(i, a)| Tensor::new(&i.shape, a.to_vec()).expect("a kernel's arguments have its shapes"))
                .collect();
            let all = run_with_selections(&program, &arrays);
            let mut at = 0;
            for value in all {
                let n = size(value.shape());
                out[at..at + n].copy_from_slice(value.data());
                at += n;
            }
        })
    }
}

/// Runs with the selections among the inputs given like any other.
pub(super) fn run_with_selections(program: &Program, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut values: Vec<Tensor> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let value = match &node.kind {
            Kind::Input(k) => inputs[*k].clone(),
            Kind::Constant(c) => c.as_ref().clone(),
            Kind::Apply { op, args } => {
                let arrays: Vec<&Tensor> = args.iter().map(|&a| &values[a]).collect();
                apply(op, &arrays, &node.shape)
            }
        };
        values.push(value);
    }
    program.outputs().iter().map(|&k| values[k].clone()).collect()
}
