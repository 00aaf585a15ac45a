//! A call in program text, as an operator's entry reads it.

use super::var::Var;
use super::{Builder, Program};
use crate::error::{Fault, Place, Result, plural};
use crate::tensor::Tensor;
use std::sync::Arc;

/// A value in program text.
#[derive(Debug, Clone)]
pub enum Value<'p> {
    /// A value of the program.
    Var(Var<'p>),
    /// A number written out; becomes a constant where a variable is asked for.
    Number(f64),
    /// `[a, b, …]`.
    List(Vec<Value<'p>>),
    /// `(a, b, …)`.
    Tuple(Vec<Value<'p>>),
    /// `start:stop:step` in a subscript.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// `...` in a subscript: as many whole axes as are left.
    Ellipsis,
    /// `None`.
    None,
    /// `True` or `False`.
    Flag(bool),
    /// `"text"`: names of modes, subscripts of einsum.
    Text(String),
    /// A comparison, or several joined by `and`, `or`, `not`.
    Guard(Guard<'p>),
    /// A lambda or a named function: its program takes the declared arguments, then the captured variables.
    Function(Function<'p>),
}

/// A function in program text, not yet applied: the shapes of its arguments come from its use.
#[derive(Clone)]
pub struct Function<'p> {
    /// The names of its arguments.
    pub params: Vec<String>,
    /// Makes the program for arguments of these shapes; the captured variables are further inputs, in order.
    #[allow(clippy::type_complexity)]
    pub make: Arc<dyn Fn(&[Vec<usize>]) -> Result<(Program, Vec<Var<'p>>)> + 'p>,
}

impl std::fmt::Debug for Function<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Function({})", self.params.join(", "))
    }
}

/// A condition: the first argument of `where`.
#[derive(Debug, Clone)]
pub enum Guard<'p> {
    /// A comparison of two arrays, element by element.
    Compare(Comparison, Var<'p>, Var<'p>),
    /// Both hold.
    And(Box<Guard<'p>>, Box<Guard<'p>>),
    /// At least one holds.
    Or(Box<Guard<'p>>, Box<Guard<'p>>),
    /// It does not hold.
    Not(Box<Guard<'p>>),
}

/// The comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Equal,
    NotEqual,
}

/// A call `name(args, keyword=value, …)`.
pub struct Call<'a, 'p> {
    /// The program under construction.
    pub builder: &'p Builder,
    /// The operator's name.
    pub name: &'a str,
    /// The operator's signature, for messages.
    pub signature: &'a str,
    /// Positional arguments.
    pub args: &'a [Value<'p>],
    /// Keyword arguments.
    pub keywords: &'a [(String, Value<'p>)],
    /// Where the call stands.
    pub place: Place,
}

impl<'p> Call<'_, 'p> {
    /// "This call is wrong", at its place.
    pub fn fault(&self, problem: impl Into<String>) -> crate::Error {
        Fault::Call { op: self.name.into(), problem: problem.into(), signature: self.signature.into() }
            .at(self.place.clone())
    }

    /// Checks that there are between `low` and `high` positional arguments and no keywords but these. Positional
    /// arguments past the variables may stand for keywords in the given order, as in Python.
    pub fn expect(&self, low: usize, high: usize, keywords: &[&str]) -> Result<()> {
        if self.args.len() < low || self.args.len() > high {
            let wanted = match low == high {
                true => plural(low, "positional argument"),
                false => format!("{low} to {high} positional arguments"),
            };
            return Err(self.fault(format!("takes {wanted}, but was given {}", self.args.len())));
        }
        for (name, _) in self.keywords {
            if !keywords.contains(&name.as_str()) {
                return Err(self.fault(format!("has no argument named `{name}`")));
            }
        }
        Ok(())
    }

    /// The keyword argument, or the positional one at `position`, if given.
    pub fn optional(&self, name: &str, position: usize) -> Option<&Value<'p>> {
        self.keywords.iter().find(|(n, _)| n == name).map(|(_, v)| v).or_else(|| self.args.get(position))
    }

    /// A positional argument as a variable.
    pub fn var(&self, position: usize) -> Result<Var<'p>> {
        let value =
            self.args.get(position).ok_or_else(|| self.fault(format!("argument {} is missing", position + 1)))?;
        self.as_var(value)
    }

    /// A value as a variable: numbers and lists of numbers become constants.
    pub fn as_var(&self, value: &Value<'p>) -> Result<Var<'p>> {
        match value {
            Value::Var(v) => Ok(*v),
            Value::Number(x) => Ok(self.builder.constant_at(Tensor::scalar(*x), self.place.clone())),
            Value::List(_) => match numbers(value) {
                Some(t) => Ok(self.builder.constant_at(t, self.place.clone())),
                None => Err(self.fault("a list here must hold numbers, of equal lengths; use stack for variables")),
            },
            Value::Guard(_) => Err(self.fault("a comparison can only be the condition of where")),
            other => Err(self.fault(format!("an array or number was expected, not {}", describe(other)))),
        }
    }

    /// All positional arguments as variables; a single list or tuple counts as its elements.
    pub fn vars(&self) -> Result<Vec<Var<'p>>> {
        let values = match self.args {
            [Value::List(inside) | Value::Tuple(inside)] => inside,
            args => args,
        };
        values.iter().map(|v| self.as_var(v)).collect()
    }

    /// A number: a parameter, not a variable.
    pub fn number(&self, name: &str, position: usize, default: Option<f64>) -> Result<f64> {
        match self.optional(name, position) {
            Some(Value::Number(x)) => Ok(*x),
            Some(Value::Var(v)) if v.known_scalar().is_some() => Ok(v.known_scalar().unwrap_or_default()),
            Some(other) => Err(self.fault(format!("`{name}` must be a number, not {}", describe(other)))),
            None => default.ok_or_else(|| self.fault(format!("`{name}` is missing"))),
        }
    }

    /// An integer.
    pub fn int(&self, name: &str, position: usize, default: Option<i64>) -> Result<i64> {
        let x = self.number(name, position, default.map(|d| d as f64))?;
        if x.fract() != 0.0 || x.abs() > 1e15 {
            return Err(self.fault(format!("`{name}` must be an integer, not {x}")));
        }
        Ok(x as i64)
    }

    /// True or False.
    pub fn flag(&self, name: &str, position: usize, default: bool) -> Result<bool> {
        match self.optional(name, position) {
            None => Ok(default),
            Some(Value::Flag(yes)) => Ok(*yes),
            Some(other) => Err(self.fault(format!("`{name}` must be True or False, not {}", describe(other)))),
        }
    }

    /// A quoted text.
    pub fn text(&self, name: &str, position: usize) -> Result<Option<&str>> {
        match self.optional(name, position) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.fault(format!("`{name}` must be a text in quotes, not {}", describe(other)))),
        }
    }

    /// Integers: `2`, `(0, 1)`, `[3, 4]`, a constant that holds such, or nothing / None.
    pub fn ints(&self, name: &str, position: usize) -> Result<Option<Vec<i64>>> {
        let wrong = |v: &Value<'p>| self.fault(format!("`{name}` must hold integers, not {}", describe(v)));
        let whole = |x: f64| (x.fract() == 0.0 && x.abs() <= 1e15).then_some(x as i64);
        let one = |v: &Value<'p>| match v {
            Value::Number(x) => whole(*x).ok_or_else(|| wrong(v)),
            Value::Var(var) => var.known_scalar().and_then(whole).ok_or_else(|| wrong(v)),
            _ => Err(wrong(v)),
        };
        match self.optional(name, position) {
            None | Some(Value::None) => Ok(None),
            Some(v @ Value::Var(var)) => match var.known() {
                Some(c) if c.shape().len() <= 1 => {
                    c.data().iter().map(|x| whole(*x).ok_or_else(|| wrong(v))).collect::<Result<_>>().map(Some)
                }
                _ => Err(wrong(v)),
            },
            Some(Value::List(many) | Value::Tuple(many)) => many.iter().map(one).collect::<Result<_>>().map(Some),
            Some(single) => Ok(Some(vec![one(single)?])),
        }
    }

    /// A condition.
    pub fn guard(&self, position: usize) -> Result<Guard<'p>> {
        match self.args.get(position) {
            Some(Value::Guard(g)) => Ok(g.clone()),
            Some(other) => {
                Err(self.fault(format!("the condition must be a comparison such as x > 0, not {}", describe(other))))
            }
            None => Err(self.fault("the condition is missing")),
        }
    }

    /// A function.
    pub fn function(&self, position: usize) -> Result<Function<'p>> {
        match self.args.get(position) {
            Some(Value::Function(f)) => Ok(f.clone()),
            Some(other) => Err(self.fault(format!("a function was expected, not {}", describe(other)))),
            None => Err(self.fault("the function is missing")),
        }
    }

    /// Applies an operator at the call's place.
    pub fn apply(&self, op: impl super::op::Op, args: &[Var<'p>]) -> Var<'p> {
        self.builder.apply_at(Arc::new(op), args, self.place.clone())
    }
}

/// What a value is, for messages.
pub fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Var(v) if v.rank() == 0 => "a scalar variable".into(),
        Value::Var(v) => format!("a variable of shape {:?}", v.shape()),
        Value::Number(x) => format!("the number {x}"),
        Value::List(_) => "a list".into(),
        Value::Tuple(_) => "a tuple".into(),
        Value::Slice(..) => "a slice".into(),
        Value::Ellipsis => "`...`".into(),
        Value::None => "None".into(),
        Value::Flag(b) => if *b { "True" } else { "False" }.into(),
        Value::Text(text) => format!("the text \"{text}\""),
        Value::Guard(_) => "a comparison".into(),
        Value::Function(_) => "a function".into(),
    }
}

/// Nested lists of numbers as an array, if they are rectangular.
fn numbers(value: &Value<'_>) -> Option<Tensor> {
    match value {
        Value::Number(x) => Some(Tensor::scalar(*x)),
        Value::Var(v) => v.known().map(|c| c.as_ref().clone()),
        Value::List(items) => {
            let parts: Vec<Tensor> = items.iter().map(numbers).collect::<Option<_>>()?;
            let inner = parts.first().map_or(vec![], |p| p.shape().to_vec());
            if parts.iter().any(|p| p.shape() != inner) {
                return None;
            }
            let mut shape = vec![parts.len()];
            shape.extend(&inner);
            Tensor::new(&shape, parts.into_iter().flat_map(Tensor::into_data).collect()).ok()
        }
        _ => None,
    }
}
