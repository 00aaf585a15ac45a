//! Sparse matrices among the inputs of a program: how one is declared, where it may stand, and how it is bound.
//!
//! A sparse input has a shape and no entries: the program, its derivatives and its text are those of any matrix. Only
//! operators that say so take it ([`TakesSparse`](super::op::TakesSparse)). When the matrix is bound, each of their
//! applications becomes what it is for this matrix, a constant; so nothing that runs programs knows sparse arrays.

use super::builder::Origin;
use super::op::{Op, Operand};
use super::{Builder, Input, Kind, Node, Program, Role, Var};
use crate::error::{Error, Fault, Place, Result};
use crate::tensor::Csr;
use std::sync::Arc;

impl Program {
    /// The same program with these inputs as sparse matrices: held fixed by derivatives, without entries until they are
    /// bound, see [`Program::bind`].
    ///
    /// Errors: a name that is no input; an input that is no matrix; an operator that takes it as an array only, with its
    /// place. Products with arrays (`A @ x`, `x @ A`, `transpose(A) @ x`) take sparse matrices, and a scan hands them on.
    pub fn sparse(&self, names: &[&str]) -> Result<Program> {
        self.check_names(names)?;
        let named = |input: &Input| names.contains(&input.name.as_str());
        let program = self.with_roles(|input| if named(input) { Role::Sparse } else { input.role.clone() });
        program.check_sparse()?;
        Ok(program)
    }

    /// The same program with a sparse matrix for an input, which it has no more. An input that is not declared sparse is
    /// declared so before.
    ///
    /// ```
    /// use clarke::{Convention, Csr};
    /// let loss = clarke::parse("sum(abs(A @ x - b))", &[("A", &[2, 3]), ("x", &[3]), ("b", &[2])])?.varying(&["x"])?;
    /// let gradient = loss.sparse(&["A"])?.gradient()?;
    /// assert!(gradient.to_string().starts_with("def f(A: sparse[2, 3], x: [3], b: data[2], s0: selection):"));
    ///
    /// let a = Csr::from_entries(2, 3, &[(0, 0, 1.0), (1, 2, -2.0)])?;
    /// let run = gradient.bind("A", &a)?.compile::<f64>(Convention::MinNorm);
    /// assert_eq!(run.call(&[[3.0, 0.0, 0.0].into(), [1.0, 1.0].into()])?[0].data(), [1.0, 0.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    ///
    /// Errors: those of [`Program::sparse`]; a matrix of another shape; an entry that is not finite. Cost: linear in the
    /// program and in the entries. A product costs two operations for each entry and each column of the array.
    pub fn bind(&self, name: &str, matrix: &Arc<Csr>) -> Result<Program> {
        let program = self.sparse(&[name])?;
        let input = program.inputs().iter().find(|i| i.name == name).expect("declared above");
        if input.shape != matrix.shape() {
            let (expected, given) = (input.shape.clone(), matrix.shape().to_vec());
            return Err(Fault::InputShape { input: name.into(), expected, given }.into());
        }
        if let Some((i, j, value)) = matrix.entries().find(|(.., x)| !x.is_finite()) {
            return Err(Fault::InputNotFinite { input: name.into(), value, index: vec![i, j] }.into());
        }
        let builder = Builder::new();
        // A matrix has no image among the variables, an array none among the matrices.
        let mut vars: Vec<Var<'_>> = vec![];
        let mut operands: Vec<Operand<'_>> = vec![];
        for (id, node) in program.nodes().iter().enumerate() {
            let image = match &node.kind {
                _ if id == input.node => Operand::Sparse { matrix: matrix.clone(), transposed: false },
                Kind::Input(k) => {
                    let other = &program.inputs()[*k];
                    Operand::Array(builder.input(&other.name, &other.shape, other.role.clone()))
                }
                Kind::Apply { op, args } if args.iter().any(|&a| matches!(operands[a], Operand::Sparse { .. })) => {
                    let args: Vec<Operand<'_>> = args.iter().map(|&a| operands[a].clone()).collect();
                    bound(&builder, op, node, &args)?
                }
                _ => Operand::Array(builder.copy(node, &vars)),
            };
            vars.push(match image {
                Operand::Array(var) => var,
                Operand::Sparse { .. } => Var::poisoned(&builder),
            });
            operands.push(image);
        }
        let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| vars[k]).collect();
        builder.finish(&outputs)
    }

    /// Checks that sparse inputs are matrices and stand only where they are taken. Cost: nothing without such inputs.
    pub(super) fn check_sparse(&self) -> Result<()> {
        let Some(first) = self.inputs().iter().find(|i| i.role.is_sparse()) else { return Ok(()) };
        if let Some(other) = self.inputs().iter().find(|i| i.role.is_sparse() && i.shape.len() != 2) {
            let rule = format!("`{}` is to be one, and a sparse matrix has rows and columns", other.name);
            return Err(Fault::Shapes { op: "sparse".into(), shapes: vec![other.shape.clone()], rule }.into());
        }
        let mut sparse: Vec<Option<&str>> = vec![None; first.node];
        for node in &self.nodes()[first.node..] {
            sparse.push(match &node.kind {
                Kind::Input(k) => Some(&self.inputs()[*k]).filter(|i| i.role.is_sparse()).map(|i| i.name.as_str()),
                Kind::Constant(_) => None,
                Kind::Apply { op, args } => {
                    self.taken(op, node, &args.iter().map(|&a| sparse[a]).collect::<Vec<_>>())?
                }
            });
        }
        match self.outputs().iter().find_map(|&k| sparse[k].map(|name| (k, name))) {
            Some((k, name)) => {
                let rule = "a program returns arrays; multiply it with one".into();
                let fault = Fault::Sparse { op: "return".into(), input: name.into(), rule };
                Err(fault.at(self.nodes()[k].place.clone()))
            }
            None => Ok(()),
        }
    }

    /// Checks one application; the name of the sparse matrix that its value is, if it is one.
    fn taken<'a>(&'a self, op: &Arc<dyn Op>, node: &Node, args: &[Option<&'a str>]) -> Result<Option<&'a str>> {
        let Some(name) = args.iter().find_map(|a| *a) else { return Ok(None) };
        let Some(takes) = op.sparse() else {
            let user = node.owner.as_ref().unwrap_or(op).name().into();
            let rule = "only products with arrays do, A @ x or x @ A; give it as an array for anything else".into();
            return Err(Fault::Sparse { op: user, input: name.into(), rule }.at(node.place.clone()));
        };
        takes.takes(args).map_err(|error| placed(error, &node.place))?;
        Ok(Some(name).filter(|_| takes.keeps_sparse()))
    }
}

/// One application with a sparse matrix among its arguments.
fn bound<'p>(builder: &'p Builder, op: &Arc<dyn Op>, node: &Node, args: &[Operand<'p>]) -> Result<Operand<'p>> {
    let takes = op.sparse().expect("where sparse matrices stand was checked");
    let origin = Origin { place: node.place.clone(), owner: node.owner.clone() };
    builder.within(origin, || takes.bound(args)).map_err(|error| placed(error, &node.place))
}

/// An error at a place, if it has none.
fn placed(error: Error, place: &Place) -> Error {
    if error.place == Place::Unknown { error.fault.at(place.clone()) } else { error }
}
