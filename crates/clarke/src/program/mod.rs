//! A function as data: programs, how they are traced, and the contract of an operator.
//!
//! A [`Program`] is a list of nodes in which arguments precede their users. It knows no particular operator, only the
//! trait [`Op`].

mod args;
pub(crate) mod builder;
pub mod call;
pub mod class;
pub(crate) mod elementary;
pub(crate) mod equal;
mod family;
pub mod float;
pub mod interval;
mod kernel;
pub(crate) mod lanes;
pub mod op;
pub mod real;
pub mod record;
mod shortcut;
mod sparse;
pub(crate) mod table;
pub mod tie;
pub(crate) mod total;
mod var;

pub use args::Args;
pub use builder::Builder;
pub use var::Var;

use crate::error::{Fault, Place, Result};
use crate::tensor::Tensor;
use class::Class;
use op::{Entry, Op};
use std::sync::Arc;
use tie::{Convention, Site};

/// A function of arrays, as data: inputs ↦ outputs through a directed acyclic graph of operators.
///
/// Shapes are static. Precision is no part of a program: constants are kept in f64, and a program is compiled for f32
/// or f64. Cloning is cheap.
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    /// Shared by programs that differ in their outputs or in the roles of inputs only.
    nodes: Arc<Vec<Node>>,
    inputs: Vec<Input>,
    outputs: Vec<usize>,
}

/// One value of a program.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where the user wrote it; for nodes of derivatives, where the operator they derive from stands.
    pub place: Place,
    /// For nodes of derivatives, the operator they derive from.
    pub owner: Option<Arc<dyn Op>>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The k-th input.
    Input(usize),
    /// A constant.
    Constant(Arc<Tensor>),
    /// An operator applied to earlier nodes.
    Apply {
        /// The operator.
        op: Arc<dyn Op>,
        /// The arguments' nodes.
        args: Args,
    },
}

/// An input of a program.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name, unique in the program.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Its node.
    pub node: usize,
}

/// What an input is for.
#[derive(Debug, Clone)]
pub enum Role {
    /// A variable: derivatives are taken with respect to it.
    Argument,
    /// Data: held fixed by derivatives.
    Data,
    /// A sparse matrix, held fixed by derivatives: only products take one, and it is bound before the program is run.
    Sparse,
    /// A selection at a tie of a derivative program: filled by a policy.
    Selection(Option<Arc<Site>>),
}

impl Input {
    /// The selection that the default convention makes, for an input that is one; else 0.
    pub(crate) fn default_selection(&self) -> Tensor {
        let choice = match &self.role {
            Role::Selection(Some(site)) => site.choice(Convention::MinNorm).selection,
            _ => 0.0,
        };
        Tensor::full(&self.shape, choice)
    }
}

impl Role {
    /// Whether derivatives are taken with respect to inputs of this role.
    pub fn is_argument(&self) -> bool {
        matches!(self, Role::Argument)
    }

    /// Whether this is a sparse matrix.
    pub fn is_sparse(&self) -> bool {
        matches!(self, Role::Sparse)
    }

    /// Whether this is a selection.
    pub fn is_selection(&self) -> bool {
        matches!(self, Role::Selection(_))
    }
}

impl Program {
    /// Traces a closure of one output over inputs of the given shapes, named `x0`, `x1`, ….
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[3], &[]], |v| (v[0] * v[1]).relu().sum())?;
    /// assert_eq!(f.to_string(), "def f(x0: [3], x1: []):\n    return sum(relu(x0 * x1))\n");
    /// # Ok::<(), clarke::Error>(())
    /// ```
    ///
    /// Errors: the first mistake inside the closure, with the line that made it.
    pub fn trace<F>(shapes: &[&[usize]], f: F) -> Result<Program>
    where
        F: for<'p> FnOnce(&[Var<'p>]) -> Var<'p>,
    {
        Program::trace_many(shapes, |v| vec![f(v)])
    }

    /// Traces a closure of several outputs.
    pub fn trace_many<F>(shapes: &[&[usize]], f: F) -> Result<Program>
    where
        F: for<'p> FnOnce(&[Var<'p>]) -> Vec<Var<'p>>,
    {
        let builder = Builder::new();
        let inputs: Vec<Var<'_>> =
            shapes.iter().enumerate().map(|(k, s)| builder.input(&format!("x{k}"), s, Role::Argument)).collect();
        let outputs = f(&inputs);
        builder.finish(&outputs)
    }

    /// Traces with names for the inputs.
    pub fn trace_named<F>(inputs: &[(&str, &[usize])], f: F) -> Result<Program>
    where
        F: for<'p> FnOnce(&[Var<'p>]) -> Var<'p>,
    {
        let builder = Builder::new();
        let vars: Vec<Var<'_>> =
            inputs.iter().map(|(name, shape)| builder.input(name, shape, Role::Argument)).collect();
        let out = f(&vars);
        builder.finish(&[out])
    }

    /// Puts checked parts together: for builders only.
    fn assemble(nodes: Arc<Vec<Node>>, inputs: Vec<Input>, outputs: Vec<usize>) -> Program {
        Program { inner: Arc::new(Inner { nodes, inputs, outputs }) }
    }

    /// The nodes, arguments before users.
    pub fn nodes(&self) -> &[Node] {
        &self.inner.nodes
    }

    /// The inputs.
    pub fn inputs(&self) -> &[Input] {
        &self.inner.inputs
    }

    /// The nodes returned.
    pub fn outputs(&self) -> &[usize] {
        &self.inner.outputs
    }

    /// The outputs' shapes.
    pub fn output_shapes(&self) -> Vec<&[usize]> {
        self.outputs().iter().map(|&k| self.nodes()[k].shape.as_slice()).collect()
    }

    /// The same program with these inputs, and no others, as variables; the rest (selections and sparse matrices aside)
    /// is data.
    ///
    /// Errors if a name is no input, or a sparse one: nothing is differentiated in the entries of sparse matrices.
    pub fn varying(&self, names: &[&str]) -> Result<Program> {
        self.check_names(names)?;
        if let Some(input) = self.inputs().iter().find(|i| i.role.is_sparse() && names.contains(&i.name.as_str())) {
            let rule = "nothing is differentiated in its entries; give it as an array if it varies";
            let op = "a derivative".into();
            return Err(Fault::Sparse { op, input: input.name.clone(), rule: rule.into() }.into());
        }
        Ok(self.with_roles(|input| if names.contains(&input.name.as_str()) { Role::Argument } else { Role::Data }))
    }

    /// The same program with these inputs as data, held fixed by derivatives.
    ///
    /// Errors if a name is no input.
    pub fn holding(&self, names: &[&str]) -> Result<Program> {
        self.check_names(names)?;
        Ok(self.with_roles(|input| if names.contains(&input.name.as_str()) { Role::Data } else { input.role.clone() }))
    }

    /// The same program returning other nodes.
    pub(crate) fn with_outputs(&self, outputs: &[usize]) -> Program {
        Program::assemble(self.inner.nodes.clone(), self.inputs().to_vec(), outputs.to_vec())
    }

    /// The program without the nodes and inputs that are not wanted; what is wanted is made of what is wanted.
    pub(crate) fn only(self, wanted: &[bool]) -> Program {
        if wanted.iter().all(|w| *w) {
            return self;
        }
        // The number that each has among those before which it stands.
        let numbers = |kept: &mut dyn Iterator<Item = bool>| -> Vec<usize> {
            kept.scan(0, |next, kept| Some(std::mem::replace(next, *next + usize::from(kept)))).collect()
        };
        let moved = numbers(&mut wanted.iter().copied());
        let inputs_moved = numbers(&mut self.inputs().iter().map(|i| wanted[i.node]));
        let Inner { nodes, mut inputs, mut outputs } = Arc::unwrap_or_clone(self.inner);
        inputs.retain(|i| wanted[i.node]);
        inputs.iter_mut().for_each(|i| i.node = moved[i.node]);
        outputs.iter_mut().for_each(|k| *k = moved[*k]);
        let mut left = wanted.iter();
        let mut is_wanted = || *left.next().expect("one for each node");
        let mut nodes: Vec<Node> = match Arc::try_unwrap(nodes) {
            Ok(mut own) => {
                own.retain(|_| is_wanted());
                own
            }
            Err(shared) => shared.iter().filter(|_| is_wanted()).cloned().collect(),
        };
        for node in &mut nodes {
            match &mut node.kind {
                Kind::Input(k) => *k = inputs_moved[*k],
                Kind::Constant(_) => {}
                Kind::Apply { args, .. } => args.iter_mut().for_each(|a| *a = moved[*a]),
            }
        }
        Program::assemble(Arc::new(nodes), inputs, outputs)
    }

    /// The same program with some inputs fixed, which are then no inputs any more: `fix` has their values.
    pub(crate) fn fixing(&self, fix: impl Fn(usize, &Input) -> Option<Tensor>) -> Result<Program> {
        let builder = Builder::new();
        let arg = |(k, input): (usize, &Input)| match fix(k, input) {
            Some(value) => builder.constant(value),
            None => builder.input(&input.name, &input.shape, input.role.clone()),
        };
        let args: Vec<Var<'_>> = self.inputs().iter().enumerate().map(arg).collect();
        let outputs = builder.inline(self, &args);
        builder.finish(&outputs)
    }

    /// Which nodes the outputs need.
    pub(crate) fn needed(&self) -> Vec<bool> {
        self.reached(self.outputs(), |_| false)
    }

    /// Which nodes these are made of, themselves among them; nothing beyond those that `ends` says.
    pub(crate) fn reached(&self, roots: &[usize], ends: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.nodes().len()];
        roots.iter().for_each(|&k| reached[k] = true);
        for (id, node) in self.nodes().iter().enumerate().rev() {
            if reached[id]
                && !ends(id)
                && let Kind::Apply { args, .. } = &node.kind
            {
                args.iter().for_each(|&a| reached[a] = true);
            }
        }
        reached
    }

    fn check_names(&self, names: &[&str]) -> Result<()> {
        for name in names {
            if !self.inputs().iter().any(|i| i.name == *name) {
                let known = self.inputs().iter().map(|i| i.name.clone()).collect();
                return Err(Fault::UnknownName { kind: "input", name: name.to_string(), close: vec![], known }.into());
            }
        }
        Ok(())
    }

    fn with_roles(&self, role: impl Fn(&Input) -> Role) -> Program {
        let mut inputs = self.inputs().to_vec();
        for input in &mut inputs {
            if !input.role.is_selection() && !input.role.is_sparse() {
                input.role = role(input);
            }
        }
        Program::assemble(self.inner.nodes.clone(), inputs, self.outputs().to_vec())
    }

    /// The class of tameness of every node, as a function of the variables.
    pub fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<Class> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let class = match &node.kind {
                // Data is held fixed: to the function of the variables it is a constant.
                Kind::Input(k) if matches!(self.inputs()[*k].role, Role::Data | Role::Sparse) => Class::CONSTANT,
                Kind::Input(_) => Class::INPUT,
                Kind::Constant(_) => Class::CONSTANT,
                Kind::Apply { op, args } => {
                    let args: Vec<Class> = args.iter().map(|&a| classes[a]).collect();
                    if args.iter().all(|c| c.level == Class::CONSTANT.level) {
                        Class::CONSTANT
                    } else {
                        op.class(&args)
                    }
                }
            };
            classes.push(class);
        }
        classes
    }

    /// The class of tameness of the outputs together.
    pub fn class(&self) -> Class {
        let classes = self.classes();
        Class::join(&self.outputs().iter().map(|&k| classes[k]).collect::<Vec<_>>())
    }

    /// Whether two programs are the same expression: equal operators, constants, shapes and inputs; places aside.
    pub fn same(&self, other: &Program) -> bool {
        self.matches(other, |a, b| a.to_bits() == b.to_bits())
    }

    /// The same up to the signs of zeros.
    pub(crate) fn equal_numerically(&self, other: &Program) -> bool {
        self.matches(other, |a, b| a == b)
    }

    fn matches(&self, other: &Program, same_number: impl Fn(f64, f64) -> bool) -> bool {
        let same_numbers = |a: &Tensor, b: &Tensor| {
            a.shape() == b.shape() && std::iter::zip(a.data(), b.data()).all(|(x, y)| same_number(*x, *y))
        };
        let role = |r: &Role| std::mem::discriminant(r);
        self.outputs() == other.outputs()
            && self.inputs().len() == other.inputs().len()
            && self.nodes().len() == other.nodes().len()
            && std::iter::zip(self.inputs(), other.inputs())
                .all(|(a, b)| a.name == b.name && a.shape == b.shape && role(&a.role) == role(&b.role))
            && std::iter::zip(self.nodes(), other.nodes()).all(|(a, b)| {
                a.shape == b.shape
                    && match (&a.kind, &b.kind) {
                        (Kind::Input(i), Kind::Input(j)) => i == j,
                        (Kind::Constant(c), Kind::Constant(d)) => same_numbers(c, d),
                        (Kind::Apply { op: f, args: p }, Kind::Apply { op: g, args: q }) => {
                            p == q && f.name() == g.name() && f.params() == g.params()
                        }
                        _ => false,
                    }
            })
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.same(other)
    }
}

/// The operators a program text may use: the built-in table, plus the user's own.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    /// A registry of these entries; a later entry replaces an earlier one of the same name.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Registry {
        Registry::default().with(entries)
    }

    /// The same registry with more entries.
    pub fn with(mut self, entries: impl IntoIterator<Item = Entry>) -> Registry {
        for entry in entries {
            self.entries.retain(|e| e.name != entry.name);
            self.entries.push(entry);
        }
        self
    }

    /// The entries, in the table's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }
}

/// A plain listing of the nodes, for debugging; [`Display`](std::fmt::Display) prints the text form.
impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.inputs().iter().map(|i| i.name.as_str()).collect();
        writeln!(f, "program ({}) {{", names.join(", "))?;
        for (id, node) in self.nodes().iter().enumerate() {
            match &node.kind {
                Kind::Input(k) => writeln!(f, "  %{id} = input {}: {:?}", names[*k], node.shape)?,
                Kind::Constant(c) => writeln!(f, "  %{id} = constant {:?}: {:?}", c.data(), node.shape)?,
                Kind::Apply { op, args } => {
                    writeln!(f, "  %{id} = {} {:?} {:?}: {:?}", op.name(), args, op.params(), node.shape)?
                }
            }
        }
        write!(f, "  return {:?}\n}}", self.outputs())
    }
}
