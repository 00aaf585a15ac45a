//! Rows of a table looked up by numbers that are known when the program runs.

use super::gather::{positions, take};
use super::shape::with_leading;
use crate::error::{Fault, Result};
use crate::program::call::Value;
use crate::program::class::{Class, Level};
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Linearization, Notation, Op, Param, Sample,
    Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};
use crate::tensor::size;

/// `embedding(table, indices)`: the rows of the table at these numbers, which count from the end if they are negative.
///
/// Shapes: table [n, …], indices of any shape; the value has the indices' axes, then those of a row. With
/// `batch_dims=k` the first k axes are common to both. Constant numbers make it a `take` along axis 0; an array, which
/// ought to be data, is looked up when the program runs.
///
/// At numbers that are no position of the table the row is NaN. It has no derivative in the indices. Cost: one copy.
/// Source: torch.nn.functional.embedding.
#[derive(Debug, Clone, Default)]
pub struct Embedding {
    batch_dims: usize,
}

impl Embedding {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "embedding",
        signature: "embedding(table, indices, batch_dims=0)",
        formula: "the rows of the table at these numbers",
        class: "linear",
        ties: "",
        source: "torch.nn.functional.embedding",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["batch_dims"])?;
            let table = call.var(0)?;
            let batch_dims = usize::try_from(call.int("batch_dims", 2, Some(0))?);
            let batch_dims = batch_dims.map_err(|_| call.fault("`batch_dims` must not be negative"))?;
            match &call.args[1] {
                Value::Var(indices) if indices.known().is_none() => {
                    Ok(call.apply(Embedding { batch_dims }, &[table, *indices]))
                }
                // The table itself runs when it is printed: numbers that are not one list stay what they are.
                _ if batch_dims > 0 => Ok(call.apply(Embedding { batch_dims }, &[table, call.var(1)?])),
                Value::Var(indices) => match indices.known() {
                    Some(known) if known.data().iter().all(|x| x.fract() == 0.0) => {
                        let all: Vec<i64> = known.data().iter().map(|x| *x as i64).collect();
                        Ok(take(table, &all, known.shape(), Some(0), call.place.clone()))
                    }
                    _ => Err(call.fault("`indices` must hold integers")),
                },
                constant => {
                    let (mut flat, mut shape) = (vec![], vec![]);
                    positions(call, constant, 0, &mut flat, &mut shape)?;
                    Ok(take(table, &flat, &shape, Some(0), call.place.clone()))
                }
            }
        },
        samples: &[
            Sample::new("embedding(t, [2, 0, 2])", &[("t", &[3, 2])]),
            Sample::new("embedding(t, [[1], [-1]])", &[("t", &[3, 2])]),
        ],
    };
}

/// How the axes of tables, numbers and rows fit together.
#[derive(Debug, Clone, Copy)]
struct Fit {
    /// How many tables there are.
    tables: usize,
    /// How many rows a table has.
    rows: usize,
    /// How many numbers there are for each table.
    numbers: usize,
    /// How many entries a row has.
    row: usize,
}

impl Fit {
    /// The position of a row in its table, if it is one.
    fn position<T: Scalar>(&self, index: T) -> Option<usize> {
        let (index, rows) = (index.to_f64(), self.rows as f64);
        let from_start = if index < 0.0 { index + rows } else { index };
        (from_start.fract() == 0.0 && (0.0..rows).contains(&from_start)).then_some(from_start as usize)
    }

    /// Calls `f` with the ranges of each number's entries among the values, and of its row in the tables.
    fn each<T: Scalar>(&self, indices: &[T], mut f: impl FnMut(usize, Option<usize>)) {
        for (k, index) in indices.iter().take(self.tables * self.numbers).enumerate() {
            let table = k / self.numbers.max(1);
            f(k * self.row, self.position(*index).map(|i| (table * self.rows + i) * self.row));
        }
    }
}

fn refuse(op: &str, shapes: &[&[usize]], rule: String) -> Fault {
    Fault::Shapes { op: op.into(), shapes: shapes.iter().map(|s| s.to_vec()).collect(), rule }
}

/// The common first axes of two arrays, or the rule that they break.
fn common<'a>(op: &str, count: usize, args: &[&'a [usize]]) -> Result<&'a [usize], Fault> {
    let [a, b] = args else { return Err(refuse(op, args, "it takes two arrays".into())) };
    match (a.get(..count), b.get(..count)) {
        (Some(first), Some(second)) if first == second => Ok(first),
        _ => Err(refuse(op, args, format!("the first {count} axes must be common to both"))),
    }
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        if self.batch_dims == 0 { vec![] } else { vec![("batch_dims", Param::Int(self.batch_dims as i64))] }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        common("embedding", self.batch_dims, args)?;
        let (table, indices) = (args[0], args[1]);
        if table.len() <= self.batch_dims {
            return Err(refuse("embedding", args, "the table needs an axis of rows".into()));
        }
        Ok([indices, &table[self.batch_dims + 1..]].concat())
    }

    fn class(&self, args: &[Class]) -> Class {
        looked_up(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::First
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault("embedding", WHY))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let op = EmbeddingAdd { length: at.shape[self.batch_dims], batch_dims: self.batch_dims };
        Ok(at.cotangent.apply_with(op, &[at.known(1)]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        if self.batch_dims == 0 && !at.mapped[0] {
            // More numbers for the same table.
            return Ok(at.args[0].apply_with(self.clone(), &[at.args[1]]));
        }
        let [table, indices] = [0, 1].map(|k| mapped(at, k));
        Ok(table.apply_with(Embedding { batch_dims: self.batch_dims + 1 }, &[indices]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

const WHY: &str = "its value jumps from row to row as an index changes; make the indices data";

/// Linear in the first argument, piecewise constant in the indices.
fn looked_up(args: &[Class]) -> Class {
    match args[1].level {
        Level::Constant => args[0],
        _ => Class { bounded: args[0].bounded, ..Class::join(args).piecewise_linear() },
    }
}

/// The argument with the further leading axis.
fn mapped<'p>(at: &Batching<'_, 'p>, k: usize) -> Var<'p> {
    let x = at.args[k];
    if at.mapped[k] { x } else { x.broadcast_to(&with_leading(at.size, &x.shape())) }
}

impl ArrayKernel for Embedding {
    fn operations(&self, _: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        0
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let (lead, table) = args[0].split_at(self.batch_dims);
        let fit = Fit {
            tables: size(lead),
            rows: table[0],
            numbers: size(&args[1][self.batch_dims..]),
            row: size(&table[1..]),
        };
        Kernel::new(move |args, out, _| {
            fit.each(args[1], |value, row| match row {
                Some(row) => out[value..value + fit.row].copy_from_slice(&args[0][row..row + fit.row]),
                None => out[value..value + fit.row].fill(T::of(f64::NAN)),
            });
        })
    }
}

/// `embedding_add(y, indices, length)`: a table of this length of zeros with rows added at these numbers, as often as
/// each occurs: the transpose of `embedding`. Numbers that are no position of the table add nothing.
#[derive(Debug, Clone)]
pub struct EmbeddingAdd {
    length: usize,
    batch_dims: usize,
}

impl EmbeddingAdd {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "embedding_add",
        signature: "embedding_add(y, indices, length, batch_dims=0)",
        formula: "a table of zeros with the rows added at these numbers",
        class: "linear",
        ties: "",
        source: "the transpose of embedding",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 4, &["length", "batch_dims"])?;
            let get = |name: &str, k: usize, usual: Option<i64>| {
                let n = call.int(name, k, usual)?;
                usize::try_from(n).map_err(|_| call.fault(format!("`{name}` must not be negative")))
            };
            let op = EmbeddingAdd { length: get("length", 2, None)?, batch_dims: get("batch_dims", 3, Some(0))? };
            Ok(call.apply(op, &[call.var(0)?, call.var(1)?]))
        },
        samples: &[],
    };
}

impl Op for EmbeddingAdd {
    fn name(&self) -> &'static str {
        "embedding_add"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let batch = (self.batch_dims != 0).then_some(("batch_dims", Param::Int(self.batch_dims as i64)));
        std::iter::once(("length", Param::Int(self.length as i64))).chain(batch).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let lead = common("embedding_add", self.batch_dims, args)?;
        match args[0].strip_prefix(args[1]) {
            Some(row) => Ok([lead, &[self.length], row].concat()),
            None => Err(refuse("embedding_add", args, "the first must have the axes of the indices first".into())),
        }
    }

    fn class(&self, args: &[Class]) -> Class {
        looked_up(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::First
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault("embedding_add", WHY))
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent.apply_with(Embedding { batch_dims: self.batch_dims }, &[at.known(1)]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let [y, indices] = [0, 1].map(|k| mapped(at, k));
        Ok(y.apply_with(EmbeddingAdd { batch_dims: self.batch_dims + 1, ..*self }, &[indices]))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for EmbeddingAdd {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        size(args[0]) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let fit = Fit {
            tables: size(&args[1][..self.batch_dims]),
            rows: self.length,
            numbers: size(&args[1][self.batch_dims..]),
            row: size(&args[0][args[1].len()..]),
        };
        Kernel::new(move |args, out, _| {
            out.fill(T::of(0.0));
            fit.each(args[1], |value, row| {
                if let Some(row) = row {
                    super::product::add(&args[0][value..value + fit.row], &mut out[row..row + fit.row]);
                }
            });
        })
    }
}

impl<'p> Var<'p> {
    /// The rows of this table at numbers that are known when the program runs, see [`Embedding`]; for constant ones
    /// there is [`Var::take`].
    #[track_caller]
    pub fn embedding(self, indices: Var<'p>) -> Var<'p> {
        self.apply_with(Embedding::default(), &[indices])
    }
}
