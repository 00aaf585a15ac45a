//! Values for inputs, from the command line: `x=0`, `y=[1,2]`, `A=@a.npy`, `A=@a.mtx`, `w[10]`, and the columns of a
//! table.

use crate::data::{Table, read_array};
use crate::report::{Exit, list, suggestion, warn};
use crate::sparse;
use clap::Args;
use clarke::{Csr, Fault, Program, Tensor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deeply brackets may be nested: more axes than any program needs.
const MAX_DEPTH: usize = 8;
/// How many numbers a variable may have.
const MAX_SIZE: usize = 1 << 28;

/// Values by name, in the order in which they were given; no name twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bindings {
    values: Vec<(String, Tensor)>,
    matrices: Vec<(String, Arc<Csr>)>,
}

/// What a name is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// An array.
    Array(Tensor),
    /// A sparse matrix.
    Sparse(Arc<Csr>),
}

impl From<Tensor> for Given {
    fn from(array: Tensor) -> Given {
        Given::Array(array)
    }
}

impl Bindings {
    /// Reads every `name=value`.
    pub fn read(given: &[String], option: &str) -> Result<Bindings, Exit> {
        let mut all = Bindings::default();
        for text in given {
            let (name, value) = binding(text, option)?;
            all.add(name, value)?;
        }
        Ok(all)
    }

    /// One more value. Errors if the name has one already.
    pub fn add(&mut self, name: String, value: impl Into<Given>) -> Result<(), Exit> {
        if self.has(&name) {
            return Err(Exit::input(format!("`{name}` is given twice")).hint("a name has one value"));
        }
        match value.into() {
            Given::Array(array) => self.values.push((name, array)),
            Given::Sparse(matrix) => self.matrices.push((name, matrix)),
        }
        Ok(())
    }

    /// Whether a name has a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some() || self.matrices.iter().any(|(n, _)| n == name)
    }

    /// The array of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Another array for a name that has one.
    pub fn replace(&mut self, name: &str, array: Tensor) {
        self.values.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = array.clone());
    }

    /// The names of the arrays.
    pub fn names(&self) -> Vec<String> {
        self.values.iter().map(|(n, _)| n.clone()).collect()
    }

    /// The arrays with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.values.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// The names of the arrays with their shapes, as a program's inputs are declared.
    pub fn shapes(&self) -> Vec<(&str, &[usize])> {
        self.iter().map(|(n, v)| (n, v.shape())).collect()
    }
}

impl Bindings {
    /// Warns of values that the expression does not use; `how` says where they come from.
    pub fn warn_unused(&self, expression: &str, how: &str) {
        let used = clarke::text::names(expression).unwrap_or_default();
        let matrices = self.matrices.iter().map(|(n, _)| n.clone());
        let unused: Vec<String> = self.names().into_iter().chain(matrices).filter(|n| !used.contains(n)).collect();
        if !unused.is_empty() {
            let verb = if unused.len() == 1 { "is" } else { "are" };
            warn(format!("{} {verb} {how}, but the expression does not use it", list(&unused)));
        }
    }
}

/// Reads an expression whose names are given by an option, over the arrays of `given` and further `inputs`; the sparse
/// matrices are bound. What the library prints, a `def`, is read too, with the operators that derivatives are written with;
/// mistakes are reported as if there were none of these.
pub fn parse(expression: &str, given: &Bindings, inputs: &[(&str, &[usize])], option: &str) -> Result<Program, Exit> {
    let shapes: Vec<(&str, [usize; 2])> = given.matrices.iter().map(|(n, m)| (n.as_str(), m.shape())).collect();
    let mut all = given.shapes();
    all.extend(inputs);
    all.extend(shapes.iter().map(|(name, shape)| (*name, shape.as_slice())));
    let is_printed = expression.trim_start().starts_with("def ");
    let printed = || is_printed.then(|| clarke::text::parse(&clarke::registry(), expression, &all).ok()).flatten();
    let read = clarke::parse(expression, &all).or_else(|error| printed().ok_or(error));
    let program = read.map_err(|error| {
        let missing = match &*error.fault {
            Fault::UnknownName { kind: "name", name, .. } => Some(format!("{option} {name}=… gives it a value")),
            Fault::UnknownName { kind: "function", close, .. } if close.is_empty() => {
                Some("`clarke ops` lists the functions there are".into())
            }
            _ => None,
        };
        Exit::from(error).maybe_hint(missing)
    })?;
    let bind = |program: Program, (name, matrix): &(String, Arc<Csr>)| program.bind(name, matrix);
    Ok(given.matrices.iter().try_fold(program.sparse(&shapes.iter().map(|(n, _)| *n).collect::<Vec<_>>())?, bind)?)
}

/// Where the data of a minimization comes from.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// A table: binds X, a matrix of its columns, and with --y one of them to y
    #[arg(long, value_name = "FILE", group = "table")]
    pub csv: Option<PathBuf>,
    /// The column of the table that is y; X is all others, in their order
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub y: Option<String>,
    /// Shift and scale every column of X (never y) to mean 0 and population standard deviation 1
    #[arg(long, requires = "csv")]
    pub standardize: bool,
    /// A value for a name: lam=0.1, c=[1,2], A=@a.npy, A=@a.csv; A=@a.mtx, A=@a.npz for a sparse matrix
    #[arg(long = "let", value_name = "NAME=VALUE")]
    pub lets: Vec<String>,
}

impl DataArgs {
    /// Reads all of it.
    pub fn read(&self) -> Result<Bindings, Exit> {
        let mut all = match &self.csv {
            Some(file) => self.table(file)?,
            None => Bindings::default(),
        };
        let lets = Bindings::read(&self.lets, "--let")?;
        if let Some((twice, _)) = all.values.iter().find(|(name, _)| lets.has(name)) {
            return Err(Exit::input(format!("`{twice}` is given twice: by --let and by --csv")));
        }
        all.values.extend(lets.values);
        all.matrices = lets.matrices;
        Ok(all)
    }

    fn table(&self, file: &Path) -> Result<Bindings, Exit> {
        let mut all = Bindings::default();
        let (x, y) = match &self.y {
            Some(column) => {
                let (x, y) = Table::read(file)?.split(column, file)?;
                (x, Some(y))
            }
            None => (Table::read(file)?, None),
        };
        let x = if self.standardize { x.standardize(file)? } else { x };
        all.add("X".into(), x.matrix()?)?;
        if let Some(y) = y {
            all.add("y".into(), y)?;
        }
        Ok(all)
    }
}

/// A variable of a minimization, with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
}

/// Reads the variables, `w[10]`, `W[3,4]` or `b`, which must not be bound already, and their start: zeros, unless
/// `--from` says otherwise.
pub fn variables(over: &[String], from: &[String], data: &Bindings) -> Result<(Vec<Variable>, Bindings), Exit> {
    let mut variables: Vec<Variable> = vec![];
    for text in over {
        let variable = variable(text)?;
        if data.has(&variable.name) {
            return Err(Exit::input(format!("`{}` is given a value and named in --over", variable.name))
                .hint("--from gives a variable its start"));
        }
        if variables.iter().any(|v| v.name == variable.name) {
            return Err(Exit::input(format!("--over names `{}` twice", variable.name)));
        }
        variables.push(variable);
    }
    let given = Bindings::read(from, "--from")?;
    let known: Vec<String> = variables.iter().map(|v| v.name.clone()).collect();
    if let Some((name, _)) = given.matrices.first() {
        return Err(Exit::input(format!("--from gives `{name}` a sparse matrix, and a variable is an array")));
    }
    for name in given.names() {
        if !known.contains(&name) {
            return Err(Exit::input(format!("--from gives a start for `{name}`, which --over does not name"))
                .hint(format!("--over names {}", list(&known)))
                .maybe_hint(suggestion(&name, &known).filter(|s| s.starts_with("did"))));
        }
    }
    let mut start = Bindings::default();
    for Variable { name, shape } in &variables {
        let value = match given.get(name) {
            Some(value) if value.shape() == shape => value.clone(),
            Some(value) => {
                let (declared, has) = (shape_words(shape), shape_words(value.shape()));
                return Err(Exit::input(format!("--over declares `{name}` as {declared}, but --from gives it {has}")));
            }
            None => Tensor::full(shape, 0.0),
        };
        start.add(name.clone(), value)?;
    }
    Ok((variables, start))
}

fn shape_words(shape: &[usize]) -> String {
    match shape {
        [] => "a scalar".into(),
        _ => format!("an array of shape {shape:?}"),
    }
}

fn variable(text: &str) -> Result<Variable, Exit> {
    let bad = |why: &str| {
        Exit::input(format!("--over {text}: {why}"))
            .hint("a variable is written as b, w[10] or W[3,4]: its name and shape")
    };
    let text = text.trim();
    let (name, shape) = match text.split_once('[') {
        None => (text, vec![]),
        Some((name, rest)) => {
            let inside = rest.strip_suffix(']').ok_or_else(|| bad("the bracket is not closed"))?;
            let sizes = inside.split(',').map(|n| match n.trim().parse::<usize>() {
                Ok(0) | Err(_) => Err(bad(&format!("`{}` is not a positive whole number", n.trim()))),
                Ok(n) => Ok(n),
            });
            (name.trim_end(), sizes.collect::<Result<Vec<usize>, Exit>>()?)
        }
    };
    if name.is_empty() {
        return Err(bad("there is no name"));
    }
    if !is_name(name) {
        return Err(bad(&format!("`{name}` is not a name")));
    }
    match shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)) {
        Some(size) if size <= MAX_SIZE => Ok(Variable { name: name.into(), shape }),
        _ => Err(bad("that is too large: a variable has at most 2^28 numbers")),
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_alphabetic() || c == '_') && letters.all(|c| c.is_alphanumeric() || c == '_')
}

fn binding(text: &str, option: &str) -> Result<(String, Given), Exit> {
    let bad = |why: String| {
        Exit::input(format!("{option} {text}: {why}")).hint(format!(
            "written as {option} x=0, {option} y=[1,2], {option} M=[[1,2],[3,4]] or {option} A=@file.npy"
        ))
    };
    let (name, value) = text.split_once('=').ok_or_else(|| bad("there is no `=`".into()))?;
    let (name, value) = (name.trim(), value.trim());
    if !is_name(name) {
        return Err(bad(format!("`{name}` is not a name")));
    }
    let given = match value.strip_prefix('@').map(str::trim) {
        Some("") => return Err(bad("there is no file name after @".into())),
        Some(path) => match sparse::read(Path::new(path))? {
            Some(matrix) => Given::Sparse(matrix),
            None => Given::Array(read_array(Path::new(path))?),
        },
        None => Given::Array(literal(value).map_err(bad)?),
    };
    Ok((name.into(), given))
}

/// Reads a number or a nested list of numbers; the error says what is wrong.
fn literal(text: &str) -> Result<Tensor, String> {
    let mut reader = Literal { rest: text, data: vec![], shape: vec![] };
    reader.value(0)?;
    match reader.rest.trim_start() {
        "" => Tensor::new(&reader.shape, reader.data).map_err(|e| e.to_string()),
        rest => Err(format!("`{rest}` follows the end of the value")),
    }
}

/// A reader of nested lists. The shape is what the first element of each list has; all others must agree.
struct Literal<'a> {
    rest: &'a str,
    data: Vec<f64>,
    shape: Vec<usize>,
}

impl Literal<'_> {
    /// Reads one value at this depth; it must end at a number exactly where the first value did.
    fn value(&mut self, depth: usize) -> Result<(), String> {
        self.rest = self.rest.trim_start();
        let first = self.data.is_empty();
        match self.rest.strip_prefix('[') {
            Some(_) if depth == MAX_DEPTH => Err(format!("lists are nested more than {MAX_DEPTH} deep")),
            Some(_) if !first && depth >= self.shape.len() => {
                Err("a list stands where there should be a number".into())
            }
            Some(rest) => {
                self.rest = rest;
                self.list(depth)
            }
            None if !first && depth < self.shape.len() => Err("a number stands where there should be a list".into()),
            None => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), String> {
        let first = self.data.is_empty();
        if first {
            self.shape.push(0);
        }
        let mut count = 0;
        loop {
            self.rest = self.rest.trim_start();
            if count == 0 && self.rest.starts_with(']') {
                return Err("a list is empty".into());
            }
            self.value(depth + 1)?;
            count += 1;
            self.rest = self.rest.trim_start();
            let mut letters = self.rest.chars();
            match letters.next() {
                Some(',') => self.rest = letters.as_str(),
                Some(']') => {
                    self.rest = letters.as_str();
                    break;
                }
                Some(c) => return Err(format!("`{c}` stands where there should be `,` or `]`")),
                None => return Err("a bracket is not closed".into()),
            }
        }
        match (first, self.shape[depth]) {
            (true, 0) => self.shape[depth] = count,
            (_, expected) if expected != count => {
                return Err(format!("the lists have different lengths: {expected} and {count}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let end = self.rest.find([',', ']', '[']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        let text = text.trim();
        let x = match text.parse::<f64>() {
            Ok(x) if x.is_finite() => x,
            Ok(_) => return Err(format!("`{text}` is not a finite number")),
            Err(_) if text.is_empty() => return Err("a number is missing".into()),
            Err(_) => return Err(format!("`{text}` is not a number")),
        };
        self.data.push(x);
        self.rest = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Tensor {
        literal(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn said<T: std::fmt::Debug>(result: Result<T, Exit>) -> String {
        let exit = result.unwrap_err();
        assert_eq!(exit.code(), 2);
        exit.render(false).lines().next().unwrap_or_default().to_string()
    }

    #[test]
    fn numbers_and_nested_lists_are_read() {
        assert_eq!(read("-1.5e-3"), Tensor::scalar(-1.5e-3));
        assert_eq!(read(" +2 "), Tensor::scalar(2.0));
        assert_eq!(read("[1, -2,.5]"), Tensor::vector([1.0, -2.0, 0.5]));
        assert_eq!(read("[[1,2],[3,4],[5,6]]").shape(), [3, 2]);
        assert_eq!(read("[[[1],[2]]]").shape(), [1, 2, 1]);
        assert_eq!(read("-0").item().to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn broken_values_are_explained() {
        for (text, why) in [
            ("", "a number is missing"),
            ("one", "`one` is not a number"),
            ("nan", "`nan` is not a finite number"),
            ("1e400", "`1e400` is not a finite number"),
            ("[]", "a list is empty"),
            ("[1,2", "a bracket is not closed"),
            ("[1,2,]", "a number is missing"),
            ("[1]2", "`2` follows the end of the value"),
            ("[1[2]]", "`[` stands where there should be `,` or `]`"),
            ("[[1,2],[3]]", "the lists have different lengths: 2 and 1"),
            ("[[1],[2,3]]", "the lists have different lengths: 1 and 2"),
            ("[1,[2]]", "a list stands where there should be a number"),
            ("[[1],2]", "a number stands where there should be a list"),
            ("[[[1],[2]],[[1]]]", "the lists have different lengths: 2 and 1"),
        ] {
            assert_eq!(literal(text).unwrap_err(), why, "{text}");
        }
        assert!(literal(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn bindings_have_names_and_one_value_each() {
        let given = ["x=0".to_string(), "β_1=[1,2]".to_string()];
        let all = Bindings::read(&given, "--at").unwrap();
        assert_eq!(all.shapes(), [("x", [].as_slice()), ("β_1", [2].as_slice())]);
        let one = |text: &str| said(Bindings::read(&[text.to_string()], "--at"));
        assert_eq!(one("x"), "error: --at x: there is no `=`");
        assert_eq!(one("1x=2"), "error: --at 1x=2: `1x` is not a name");
        assert_eq!(one("x=@"), "error: --at x=@: there is no file name after @");
        assert_eq!(one("x=@none.npy"), "error: no such file: none.npy");
        assert_eq!(one("x=a"), "error: --at x=a: `a` is not a number");
        assert_eq!(said(Bindings::read(&["x=1".into(), "x=2".into()], "--at")), "error: `x` is given twice");
    }

    #[test]
    fn variables_start_at_zero_or_where_from_says() {
        let over = ["w[2]".to_string(), "b".to_string(), "W[2, 3]".to_string()];
        let (variables, start) = super::variables(&over, &["w=[1,2]".to_string()], &Bindings::default()).unwrap();
        assert_eq!(variables[2], Variable { name: "W".into(), shape: vec![2, 3] });
        assert_eq!(start.get("w"), Some(&Tensor::vector([1.0, 2.0])));
        assert_eq!(start.get("b"), Some(&Tensor::scalar(0.0)));
        assert_eq!(start.get("W"), Some(&Tensor::full(&[2, 3], 0.0)));
    }

    #[test]
    fn broken_variables_are_explained() {
        let data = Bindings::read(&["lam=1".to_string()], "--let").unwrap();
        let over = |over: &[&str], from: &[&str]| {
            let own = |s: &[&str]| s.iter().map(|s| s.to_string()).collect::<Vec<_>>();
            said(variables(&own(over), &own(from), &data))
        };
        assert_eq!(over(&["w[2"], &[]), "error: --over w[2: the bracket is not closed");
        assert_eq!(over(&["w[0]"], &[]), "error: --over w[0]: `0` is not a positive whole number");
        assert_eq!(over(&["w[]"], &[]), "error: --over w[]: `` is not a positive whole number");
        assert_eq!(over(&["2w"], &[]), "error: --over 2w: `2w` is not a name");
        assert_eq!(
            over(&["w[9999999999,9999999999]"], &[]),
            "error: --over w[9999999999,9999999999]: that is too large: a variable has at most 2^28 numbers"
        );
        assert_eq!(over(&["w", "w[2]"], &[]), "error: --over names `w` twice");
        assert_eq!(over(&["lam"], &[]), "error: `lam` is given a value and named in --over");
        assert_eq!(over(&["w"], &["v=1"]), "error: --from gives a start for `v`, which --over does not name");
        assert_eq!(
            over(&["w[2]"], &["w=[1,2,3]"]),
            "error: --over declares `w` as an array of shape [2], but --from gives it an array of shape [3]"
        );
    }

    #[test]
    fn a_table_binds_x_and_y() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.csv");
        std::fs::write(&file, "a,t,b\n1,5,0\n3,6,10\n").unwrap();
        let args = DataArgs { csv: Some(file), y: Some("t".into()), standardize: true, lets: vec!["c=1".into()] };
        let all = args.read().unwrap();
        assert_eq!(all.names(), ["X", "y", "c"]);
        assert_eq!(all.get("X").unwrap().data(), [-1.0, -1.0, 1.0, 1.0]);
        assert_eq!(all.get("y").unwrap().data(), [5.0, 6.0]);
        let twice = DataArgs { lets: vec!["y=1".into()], ..args };
        assert_eq!(said(twice.read()), "error: `y` is given twice: by --let and by --csv");
    }
}
