//! From tree to program: names, numbers, conditions, and the registry's operators.

mod condition;

use super::ast::{Body, CallExpr, Expr, ExprKind, FunctionDef, Param, Span, Statement};
use super::function::{self, Binding};
use super::{LIMIT, Source};
use crate::error::{Error, Fault, Result};
use crate::program::builder::Origin;
use crate::program::call::{Call, Guard, Value, describe};
use crate::program::op::{Entry, Notation};
use crate::program::{Builder, Program, Registry, Role, Var};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// How many steps of evaluation a text may take: a function costs its length at each use, so that a short text of
/// functions that call functions twice could ask for more nodes than there is memory.
const STEPS: usize = 1 << 23;

/// How deeply lists may nest: numpy's bound on the number of axes.
const AXES: usize = 64;

/// The program of statements and final expressions.
pub(super) fn expression(
    registry: &Registry,
    source: &Source,
    body: &Body,
    inputs: &[(&str, &[usize])],
) -> Result<Program> {
    let shared = Shared::new(registry, source);
    if body.result.is_empty() {
        let message = match body.statements.last() {
            Some(Statement::Def(_)) => "an expression is missing after the functions",
            _ => "the last line must be an expression, not an assignment",
        };
        let end = source.text.trim_end().len();
        return Err(source.syntax(end, end, message));
    }
    let builder = Builder::new();
    let mut lower = Lower::new(shared, &builder);
    for (name, shape) in inputs {
        if literal(name).is_some() {
            let rule = "inf and nan are numbers; an input needs another name".to_string();
            return Err(Fault::Setting { setting: "input", given: name.to_string(), rule }.into());
        }
        lower.input(name, shape, Role::Argument);
    }
    let outputs = lower.body(body);
    finish(&builder, outputs)
}

/// The program of a text whose last statement is a `def`.
pub(super) fn program(registry: &Registry, source: &Source, body: &Body) -> Result<Program> {
    let shared = Shared::new(registry, source);
    let (main, before) = match body.statements.split_last() {
        Some((Statement::Def(main), before)) if body.result.is_empty() => (main, before),
        _ => {
            let at = body.result.first().map_or(Span { start: 0, end: source.text.len() }, |e| e.span);
            let message = "a program ends with `def f(x: [3]): return …`; this ends with something else";
            return Err(source.syntax(at.start, at.end, message));
        }
    };
    let builder = Builder::new();
    let mut lower = Lower::new(shared, &builder);
    // The inputs come first among the nodes, but are seen by the body of the program alone.
    let inputs = main.params.iter().map(|p| lower.declared_input(p)).collect::<Result<Vec<_>>>()?;
    let outputs = before.iter().try_for_each(|s| lower.statement(s)).and_then(|()| {
        for (param, var) in std::iter::zip(&main.params, inputs) {
            lower.scope.insert(param.name.clone(), Binding::new(Value::Var(var)));
            lower.inputs.push(param.name.clone());
        }
        lower.body(&main.body)
    });
    finish(&builder, outputs)
}

/// The finished program, or the first mistake: one that an operator left in the builder comes before one met later.
pub(super) fn finish(builder: &Builder, outputs: Result<Vec<Var<'_>>>) -> Result<Program> {
    match outputs {
        Ok(outputs) => builder.finish(&outputs),
        Err(error) => builder.finish(&[]).and(Err(error)),
    }
}

/// The numbers that have names.
pub(super) fn literal(name: &str) -> Option<f64> {
    match name {
        "inf" => Some(f64::INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}

/// What all parts of one reading have in common, functions evaluated later included.
pub(super) struct Shared {
    pub registry: Registry,
    pub source: Source,
    steps: Cell<usize>,
    depth: Cell<usize>,
}

impl Shared {
    fn new(registry: &Registry, source: &Source) -> Rc<Shared> {
        let source = Source { text: source.text.clone() };
        Rc::new(Shared { registry: registry.clone(), source, steps: Cell::new(0), depth: Cell::new(0) })
    }

    pub fn syntax(&self, span: Span, message: impl Into<String>) -> Error {
        self.source.syntax(span.start, span.end, message)
    }

    pub fn at(&self, fault: Fault, span: Span) -> Error {
        fault.at(self.source.place(span.start, span.end))
    }

    /// Counts work.
    pub fn charge(&self, steps: usize, span: Span) -> Result<()> {
        self.steps.set(self.steps.get().saturating_add(steps));
        if self.steps.get() > STEPS {
            return Err(self.syntax(span, format!("with its functions written out, this takes over {STEPS} steps")));
        }
        Ok(())
    }

    /// Runs `f` one level deeper.
    pub fn deeper<R>(&self, span: Span, f: impl FnOnce() -> Result<R>) -> Result<R> {
        if self.depth.get() >= LIMIT {
            return Err(self.at(Fault::TooDeep { limit: LIMIT }, span));
        }
        self.depth.set(self.depth.get() + 1);
        let result = f();
        self.depth.set(self.depth.get() - 1);
        result
    }
}

/// The evaluation of one body.
pub(super) struct Lower<'p> {
    pub shared: Rc<Shared>,
    pub builder: &'p Builder,
    pub scope: HashMap<String, Binding<'p>>,
    /// The names among them that are inputs, for messages.
    pub inputs: Vec<String>,
}

impl<'p> Lower<'p> {
    pub fn new(shared: Rc<Shared>, builder: &'p Builder) -> Lower<'p> {
        Lower { shared, builder, scope: HashMap::new(), inputs: vec![] }
    }

    pub fn input(&mut self, name: &str, shape: &[usize], role: Role) {
        let var = self.builder.input(name, shape, role);
        self.scope.insert(name.to_string(), Binding::new(Value::Var(var)));
        self.inputs.push(name.to_string());
    }

    fn declared_input(&self, param: &Param) -> Result<Var<'p>> {
        self.check_target(&param.name, param.span)?;
        match &param.shape {
            Some(shape) => Ok(self.builder.input(&param.name, shape, param.role.clone())),
            None => {
                let message =
                    format!("the shape of `{0}` is missing: write {0}: [3], or {0}: [] for a scalar", param.name);
                Err(self.shared.syntax(param.span, message))
            }
        }
    }

    pub fn body(&mut self, body: &Body) -> Result<Vec<Var<'p>>> {
        for statement in &body.statements {
            self.statement(statement)?;
        }
        let mut values = body.result.iter().map(|e| Ok((e.span, self.eval(e)?))).collect::<Result<Vec<_>>>()?;
        if let [(span, Value::Tuple(items))] = values.as_mut_slice() {
            let span = *span;
            values = std::mem::take(items).into_iter().map(|v| (span, v)).collect();
        }
        if values.is_empty() {
            let at = body.result.first().map_or(Span { start: 0, end: 0 }, |e| e.span);
            return Err(self.shared.syntax(at, "nothing is returned"));
        }
        values.iter().map(|(span, value)| self.output(value, *span)).collect()
    }

    fn output(&self, value: &Value<'p>, span: Span) -> Result<Var<'p>> {
        match value {
            Value::Guard(_) => {
                Err(self.shared.syntax(span, "a comparison is no value; use it as in where(x > 0, a, b)"))
            }
            Value::List(_) => self.as_var(value, span).map_err(|_| {
                self.shared.syntax(span, "a list of variables is no array; use stack, or return the values with commas")
            }),
            Value::Var(_) | Value::Number(_) => self.as_var(value, span),
            other => {
                Err(self.shared.syntax(span, format!("an array or number is wanted here, not {}", describe(other))))
            }
        }
    }

    /// A value as a variable outside of any call.
    pub fn as_var(&self, value: &Value<'p>, span: Span) -> Result<Var<'p>> {
        self.call("value", "an array or number", &[], &[], span).as_var(value)
    }

    fn call<'a>(
        &self,
        name: &'a str,
        signature: &'a str,
        args: &'a [Value<'p>],
        keywords: &'a [(String, Value<'p>)],
        span: Span,
    ) -> Call<'a, 'p> {
        let place = self.shared.source.place(span.start, span.end);
        Call { builder: self.builder, name, signature, args, keywords, place }
    }

    pub fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Assign { targets, values } => self.assign(targets, values),
            Statement::Def(def) => {
                let name = def.name.clone().unwrap_or_default();
                self.check_target(&name, def.span)?;
                if self.shared.registry.get(&name).is_some() {
                    let message = format!("`{name}` is an operator already; give this function another name");
                    return Err(self.shared.syntax(def.span, message));
                }
                let binding = function::bind(self, def)?;
                self.scope.insert(name, binding);
                Ok(())
            }
        }
    }

    fn assign(&mut self, targets: &[(String, Span)], values: &[Expr]) -> Result<()> {
        let mut bindings = values.iter().map(|e| self.binding(e)).collect::<Result<Vec<_>>>()?;
        if let [Binding { value: Value::Tuple(items), height }] = bindings.as_mut_slice()
            && targets.len() > 1
        {
            let height = *height;
            bindings = std::mem::take(items).into_iter().map(|value| Binding { value, height }).collect();
        } else if targets.len() == 1 && bindings.len() > 1 {
            let height = bindings.iter().map(|b| b.height).max().unwrap_or(0);
            bindings = vec![Binding { value: Value::Tuple(bindings.into_iter().map(|b| b.value).collect()), height }];
        }
        let [(_, first), .., (_, last)] = targets else {
            let (name, span) = &targets[0];
            return self.define(name, *span, bindings.remove(0));
        };
        if bindings.len() != targets.len() {
            let message = format!("{} names are given to {} values", targets.len(), bindings.len());
            return Err(self.shared.syntax(first.to(*last), message));
        }
        std::iter::zip(targets, bindings).try_for_each(|((name, span), b)| self.define(name, *span, b))
    }

    fn define(&mut self, name: &str, span: Span, mut binding: Binding<'p>) -> Result<()> {
        self.check_target(name, span)?;
        // A list of numbers with a name is one constant however often it is used.
        if let Value::List(_) = &binding.value
            && let Ok(var) = self.within(span, || self.as_var(&binding.value, span))
        {
            binding.value = Value::Var(var);
        }
        self.scope.insert(name.to_string(), binding);
        Ok(())
    }

    fn check_target(&self, name: &str, span: Span) -> Result<()> {
        let message = if self.inputs.iter().any(|i| i == name) {
            format!("`{name}` is an input and cannot be assigned; use another name")
        } else if literal(name).is_some() {
            format!("`{name}` is a number and cannot be assigned")
        } else if self.scope.contains_key(name) {
            format!("`{name}` is assigned already; a name keeps its value, use another one")
        } else {
            return Ok(());
        };
        Err(self.shared.syntax(span, message))
    }

    fn binding(&self, e: &Expr) -> Result<Binding<'p>> {
        let value = self.eval(e)?;
        let height = if function::holds_function(&value) { function::height(self, e)? } else { 0 };
        Ok(Binding { value, height })
    }

    pub fn within<R>(&self, span: Span, f: impl FnOnce() -> R) -> R {
        let place = self.shared.source.place(span.start, span.end);
        self.builder.within(Origin { place, owner: None }, f)
    }

    /// The value of an expression. Recursive in brackets, signs, powers and `not`, whose nesting is bounded.
    pub fn eval(&self, e: &Expr) -> Result<Value<'p>> {
        self.shared.charge(1, e.span)?;
        match &e.kind {
            ExprKind::Number(x) => Ok(Value::Number(*x)),
            ExprKind::None => Ok(Value::None),
            ExprKind::Flag(b) => Ok(Value::Flag(*b)),
            ExprKind::Text(text) => Ok(Value::Text(text.clone())),
            ExprKind::Ellipsis => Ok(Value::Ellipsis),
            ExprKind::Name(name) => self.name(name, e.span),
            ExprKind::Lambda(def) => Ok(function::bind(self, def)?.value),
            ExprKind::Chain(first, rest) => self.chain(first, rest),
            ExprKind::Compare(first, rest) => self.compare(first, rest, e.span),
            ExprKind::Logic(word, terms) => self.logic(word, terms, e.span),
            _ => self.shared.deeper(e.span, || self.nested(e)),
        }
    }

    fn nested(&self, e: &Expr) -> Result<Value<'p>> {
        match &e.kind {
            ExprKind::Group(inner) => self.eval(inner),
            ExprKind::List(items) => {
                let list = Value::List(self.all(items)?);
                if levels(&list) > AXES {
                    return Err(self.shared.syntax(e.span, format!("lists nest at most {AXES} levels deep")));
                }
                Ok(list)
            }
            ExprKind::Tuple(items) => Ok(Value::Tuple(self.all(items)?)),
            ExprKind::Slice(parts) => self.slice(parts),
            ExprKind::Sign(symbol, a) => self.sign(symbol, self.eval(a)?, e.span),
            ExprKind::Not(a) => {
                let value = self.eval(a)?;
                Ok(Value::Guard(Guard::Not(Box::new(self.condition("not", value, a.span)?))))
            }
            ExprKind::Power(a, p) => self.power(self.eval(a)?, self.eval(p)?, e.span),
            ExprKind::Call(call) => self.apply(call, e.span),
            ExprKind::Subscripts(base, all) => self.subscripts(base, all),
            _ => unreachable!("an expression that does not nest"),
        }
    }

    fn all(&self, items: &[Expr]) -> Result<Vec<Value<'p>>> {
        items.iter().map(|e| self.eval(e)).collect()
    }

    fn name(&self, name: &str, span: Span) -> Result<Value<'p>> {
        if let Some(x) = literal(name) {
            return Ok(Value::Number(x));
        }
        if let Some(binding) = self.scope.get(name) {
            self.shared.charge(weight(&binding.value), span)?;
            return Ok(binding.value.clone());
        }
        if let Some(entry) = self.shared.registry.get(name) {
            let problem = "is a function: its arguments in parentheses are missing".into();
            let fault = Fault::Call { op: name.into(), problem, signature: entry.signature.into() };
            return Err(self.shared.at(fault, span));
        }
        let mut names: Vec<&str> = self.scope.keys().map(String::as_str).collect();
        names.sort_unstable();
        let close = closest(name, names.iter().copied());
        let known = if names.len() <= 8 { names.iter().map(|n| n.to_string()).collect() } else { vec![] };
        Err(self.shared.at(Fault::UnknownName { kind: "name", name: name.into(), close, known }, span))
    }

    fn chain(&self, first: &Expr, rest: &[(&'static str, Expr)]) -> Result<Value<'p>> {
        let mut value = self.eval(first)?;
        for (symbol, e) in rest {
            let other = self.eval(e)?;
            let span = first.span.to(e.span);
            value = match (&value, &other) {
                (Value::Number(a), Value::Number(b)) => match arithmetic(symbol, *a, *b) {
                    Some(x) => Value::Number(x),
                    None => self.infix(symbol, value, other, span)?,
                },
                _ => self.infix(symbol, value, other, span)?,
            };
        }
        Ok(value)
    }

    fn infix(&self, symbol: &str, a: Value<'p>, b: Value<'p>, span: Span) -> Result<Value<'p>> {
        let wanted = |n: Notation| matches!(n, Notation::Infix { symbol: s, .. } if s == symbol);
        self.operator(symbol, wanted, vec![a, b], span)
    }

    fn sign(&self, symbol: &str, a: Value<'p>, span: Span) -> Result<Value<'p>> {
        match (symbol, a) {
            ("-", Value::Number(x)) => Ok(Value::Number(-x)),
            ("+", a @ (Value::Number(_) | Value::Var(_))) => Ok(a),
            ("+", a) => Ok(Value::Var(self.as_var(&a, span)?)),
            (_, a) => self.operator(symbol, |n| n == Notation::Prefix("-"), vec![a], span),
        }
    }

    fn power(&self, a: Value<'p>, p: Value<'p>, span: Span) -> Result<Value<'p>> {
        match (&a, &p) {
            (Value::Number(a), Value::Number(p)) => Ok(Value::Number(a.powf(*p))),
            _ => self.operator("**", |n| n == Notation::PowerOfParam, vec![a, p], span),
        }
    }

    /// The operator of the registry with this notation, applied.
    fn operator(
        &self,
        symbol: &str,
        wanted: impl Fn(Notation) -> bool,
        args: Vec<Value<'p>>,
        span: Span,
    ) -> Result<Value<'p>> {
        match self.shared.registry.entries().iter().find(|e| wanted(e.notation)) {
            Some(entry) => self.entry(entry, &args, &[], span),
            None => {
                let fault = Fault::UnknownName { kind: "operator", name: symbol.into(), close: vec![], known: vec![] };
                Err(self.shared.at(fault, span))
            }
        }
    }

    fn entry(
        &self,
        entry: &Entry,
        args: &[Value<'p>],
        keywords: &[(String, Value<'p>)],
        span: Span,
    ) -> Result<Value<'p>> {
        let call = self.call(entry.name, entry.signature, args, keywords, span);
        let var = self.within(span, || (entry.call)(&call))?;
        // Nothing is done with a poisoned value: the mistake that made it is what `finish` reports.
        if var.is_poisoned() {
            return Err(call.fault("takes other arguments"));
        }
        if crate::tensor::size(&var.shape()) > super::LARGEST {
            return Err(call.fault(format!("gives an array of shape {:?}, which is too large", var.shape())));
        }
        Ok(Value::Var(var))
    }

    fn apply(&self, call: &CallExpr, span: Span) -> Result<Value<'p>> {
        let name = call.name.as_str();
        let args = self.all(&call.args)?;
        let keywords =
            call.keywords.iter().map(|(n, _, e)| Ok((n.clone(), self.eval(e)?))).collect::<Result<Vec<_>>>()?;
        match (self.scope.get(name).map(|b| &b.value), self.shared.registry.get(name)) {
            (Some(Value::Function(f)), _) => function::apply(self, call, f, &args, span),
            (_, Some(entry)) => self.entry(entry, &args, &keywords, span),
            (Some(_), None) => {
                let message = format!("`{name}` is no function; a product is written with `*`: {name}*(…)");
                Err(self.shared.syntax(span, message))
            }
            (None, None) => {
                let functions = self.scope.iter().filter(|(_, b)| matches!(b.value, Value::Function(_)));
                let operators = self.shared.registry.entries().iter().map(|e| e.name);
                let close = closest(name, functions.map(|(n, _)| n.as_str()).chain(operators));
                let fault = Fault::UnknownName { kind: "function", name: name.into(), close, known: vec![] };
                Err(self.shared.at(fault, call.name_span))
            }
        }
    }

    fn subscripts(&self, base: &Expr, all: &[(usize, Vec<Expr>)]) -> Result<Value<'p>> {
        let mut value = self.eval(base)?;
        for (end, items) in all {
            let span = Span { start: base.span.start, end: *end };
            let index = items.iter().map(|e| self.index(e)).collect::<Result<Vec<_>>>()?;
            value = match (value, index.as_slice()) {
                (Value::Tuple(mut items), [Value::Number(k)]) => {
                    let at = if *k < 0.0 { k + items.len() as f64 } else { *k };
                    if at.fract() != 0.0 || at < 0.0 || at >= items.len() as f64 {
                        return Err(self.shared.syntax(span, format!("a tuple of {} has no item {k}", items.len())));
                    }
                    items.swap_remove(at as usize)
                }
                (value, _) => {
                    let args = vec![value, Value::Tuple(index)];
                    self.operator("[ ]", |n| n == Notation::Subscript, args, span)?
                }
            };
        }
        Ok(value)
    }

    /// An item of a subscript; a constant with a name counts as the number it is.
    fn index(&self, e: &Expr) -> Result<Value<'p>> {
        match self.eval(e)? {
            Value::Var(v) if v.rank() == 0 && v.known_scalar().is_some() => {
                Ok(Value::Number(v.known_scalar().unwrap_or_default()))
            }
            value => Ok(value),
        }
    }

    fn slice(&self, parts: &[Option<Box<Expr>>; 3]) -> Result<Value<'p>> {
        let mut bounds = [None; 3];
        for (bound, part) in std::iter::zip(&mut bounds, parts) {
            let Some(e) = part else { continue };
            *bound = match self.index(e)? {
                Value::None => None,
                Value::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 => Some(x as i64),
                other => {
                    let message = format!("the bounds of a slice are integers, not {}", describe(&other));
                    return Err(self.shared.syntax(e.span, message));
                }
            };
        }
        let [start, stop, step] = bounds;
        Ok(Value::Slice(start, stop, step))
    }

    /// The variables that functions made of this body see.
    pub fn snapshot(&self, def: &FunctionDef) -> Vec<(String, Binding<'p>)> {
        let mut seen = std::collections::HashSet::new();
        let names = def.free.iter().filter(|f| seen.insert(f.name.as_str()));
        names.filter_map(|f| Some((f.name.clone(), self.scope.get(&f.name)?.clone()))).collect()
    }
}

/// Arithmetic between numbers written out, in f64.
fn arithmetic(symbol: &str, a: f64, b: f64) -> Option<f64> {
    match symbol {
        "+" => Some(a + b),
        "-" => Some(a - b),
        "*" => Some(a * b),
        "/" => Some(a / b),
        _ => None,
    }
}

fn levels(value: &Value<'_>) -> usize {
    match value {
        Value::List(items) | Value::Tuple(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// What copying a value costs.
fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::List(items) | Value::Tuple(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Guard(guard) => condition::comparisons(guard),
        _ => 1,
    }
}

/// Up to three names that are close to this one, the closest first.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    // A text is at most as long as a hundred names; what is longer was not mistyped.
    if name.len() > 100 {
        return vec![];
    }
    let mut close: Vec<(f64, &str)> = known
        .filter(|k| k.len() <= 100)
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(s, _)| *s >= 0.8)
        .collect();
    close.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    close.into_iter().take(3).map(|(_, k)| k.to_string()).collect()
}
