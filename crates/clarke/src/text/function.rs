//! Functions in program text: `def` and `lambda`, what they capture, and their use.

use super::LIMIT;
use super::ast::{CallExpr, Expr, FunctionDef, Span, free_names_of};
use super::lower::{Lower, Shared, finish};
use crate::error::{Fault, Result, shape_text};
use crate::program::call::{Function, Guard, Value};
use crate::program::{Builder, Program, Role, Var};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// What a name stands for.
#[derive(Clone)]
pub(super) struct Binding<'p> {
    pub value: Value<'p>,
    /// How many functions hold each other inside it: a chain of them is evaluated, and dropped, recursively.
    pub height: usize,
}

impl<'p> Binding<'p> {
    pub fn new(value: Value<'p>) -> Binding<'p> {
        Binding { value, height: 0 }
    }
}

/// A variable of a surrounding body, and the input that stands for it inside a function.
type Captured<'p, 'q> = Rc<RefCell<Vec<(Var<'p>, Var<'q>)>>>;

/// A function as a value, with what it captures now.
pub(super) fn bind<'p>(lower: &Lower<'p>, def: &Rc<FunctionDef>) -> Result<Binding<'p>> {
    let snapshot = lower.snapshot(def);
    lower.shared.charge(def.free.len(), def.span)?;
    let height = 1 + snapshot.iter().map(|(_, b)| b.height).max().unwrap_or(0);
    if height > LIMIT {
        return Err(lower.shared.at(Fault::TooDeep { limit: LIMIT }, def.span));
    }
    let (shared, def) = (lower.shared.clone(), def.clone());
    let params = def.params.iter().map(|p| p.name.clone()).collect();
    let make = move |shapes: &[Vec<usize>]| {
        let expand = || expand(&shared, &def, &snapshot, shapes);
        shared.deeper(def.span, expand)
    };
    // Not sent to other threads: the builder that it captures is not either.
    #[allow(clippy::arc_with_non_send_sync)]
    let make = Arc::new(make);
    Ok(Binding { value: Value::Function(Function { params, make }), height })
}

/// Whether a value is a function or has one inside.
pub(super) fn holds_function(value: &Value<'_>) -> bool {
    match value {
        Value::Function(_) => true,
        Value::List(items) | Value::Tuple(items) => items.iter().any(holds_function),
        _ => false,
    }
}

/// A bound on the height of an expression's value.
pub(super) fn height(lower: &Lower<'_>, e: &Expr) -> Result<usize> {
    let names = free_names_of(e);
    let tallest = names.iter().filter_map(|f| lower.scope.get(&f.name)).map(|b| b.height).max().unwrap_or(0);
    if tallest >= LIMIT { Err(lower.shared.at(Fault::TooDeep { limit: LIMIT }, e.span)) } else { Ok(1 + tallest) }
}

/// The program of a function for arguments of these shapes, and the variables it captures.
fn expand<'p>(
    shared: &Rc<Shared>,
    def: &FunctionDef,
    snapshot: &[(String, Binding<'p>)],
    shapes: &[Vec<usize>],
) -> Result<(Program, Vec<Var<'p>>)> {
    check(shared, def, shapes)?;
    let builder = Builder::new();
    let captured: Captured<'p, '_> = Captured::default();
    let mut lower = Lower::new(shared.clone(), &builder);
    for (param, shape) in std::iter::zip(&def.params, shapes) {
        // What a function is given may be an array at one use and a sparse matrix at another.
        let role = if param.role.is_sparse() { Role::Argument } else { param.role.clone() };
        lower.input(&param.name, shape, role);
    }
    for (name, binding) in snapshot {
        let value = import(&binding.value, name, &builder, &captured);
        lower.scope.insert(name.clone(), Binding { value, height: binding.height });
    }
    let outputs = lower.body(&def.body);
    let program = finish(&builder, outputs)?;
    let captured = captured.borrow().iter().map(|(outer, _)| *outer).collect();
    Ok((program, captured))
}

/// The arguments' shapes against those that the `def` declares.
fn check(shared: &Shared, def: &FunctionDef, shapes: &[Vec<usize>]) -> Result<()> {
    let name = def.name.as_deref().unwrap_or("lambda");
    if shapes.len() != def.params.len() {
        let message = format!("`{name}` has {} arguments, but is used with {}", def.params.len(), shapes.len());
        return Err(shared.syntax(def.span, message));
    }
    for (param, given) in std::iter::zip(&def.params, shapes) {
        if let Some(expected) = param.shape.as_ref().filter(|s| *s != given) {
            let (expected, given) = (shape_text(expected), shape_text(given));
            let message = format!("argument `{}` of `{name}` is {expected}, but is given {given}", param.name);
            return Err(shared.syntax(param.span, message));
        }
    }
    Ok(())
}

/// A value of a surrounding body, as the body of a function sees it: its variables are captured inputs there.
fn import<'p: 'q, 'q>(value: &Value<'p>, name: &str, inner: &'q Builder, captured: &Captured<'p, 'q>) -> Value<'q> {
    let again = |v: &Value<'p>| import(v, name, inner, captured);
    match value {
        Value::Var(v) => Value::Var(capture(*v, name, inner, captured)),
        Value::Number(x) => Value::Number(*x),
        Value::List(items) => Value::List(items.iter().map(again).collect()),
        Value::Tuple(items) => Value::Tuple(items.iter().map(again).collect()),
        Value::Slice(a, b, c) => Value::Slice(*a, *b, *c),
        Value::Ellipsis => Value::Ellipsis,
        Value::None => Value::None,
        Value::Flag(b) => Value::Flag(*b),
        Value::Text(text) => Value::Text(text.clone()),
        Value::Guard(guard) => Value::Guard(import_guard(guard, name, inner, captured)),
        Value::Function(f) => {
            let (outer, captured, name) = (f.make.clone(), captured.clone(), name.to_string());
            let make = move |shapes: &[Vec<usize>]| {
                let (program, vars) = outer(shapes)?;
                Ok((program, vars.iter().map(|v| capture(*v, &name, inner, &captured)).collect()))
            };
            #[allow(clippy::arc_with_non_send_sync)]
            let make = Arc::new(make);
            Value::Function(Function { params: f.params.clone(), make })
        }
    }
}

fn import_guard<'p: 'q, 'q>(
    guard: &Guard<'p>,
    name: &str,
    inner: &'q Builder,
    captured: &Captured<'p, 'q>,
) -> Guard<'q> {
    let again = |g: &Guard<'p>| Box::new(import_guard(g, name, inner, captured));
    match guard {
        Guard::Compare(c, a, b) => {
            Guard::Compare(*c, capture(*a, name, inner, captured), capture(*b, name, inner, captured))
        }
        Guard::And(a, b) => Guard::And(again(a), again(b)),
        Guard::Or(a, b) => Guard::Or(again(a), again(b)),
        Guard::Not(a) => Guard::Not(again(a)),
    }
}

fn capture<'p: 'q, 'q>(outer: Var<'p>, name: &str, inner: &'q Builder, captured: &Captured<'p, 'q>) -> Var<'q> {
    if let Some(value) = outer.known() {
        return inner.constant_at(value.as_ref().clone(), outer.place());
    }
    let known = captured.borrow().iter().find(|(o, _)| o.is(&outer)).map(|(_, i)| *i);
    known.unwrap_or_else(|| {
        let input = inner.input(name, &outer.shape(), Role::Argument);
        captured.borrow_mut().push((outer, input));
        input
    })
}

/// `f(x, y)` for a function of the text: its nodes, with the arguments for its inputs.
pub(super) fn apply<'p>(
    lower: &Lower<'p>,
    call: &CallExpr,
    f: &Function<'p>,
    args: &[Value<'p>],
    span: Span,
) -> Result<Value<'p>> {
    let name = &call.name;
    let signature = format!("{name}({})", f.params.join(", "));
    let fault = |problem: String| {
        lower.shared.at(Fault::Call { op: name.clone(), problem, signature: signature.clone() }, span)
    };
    if !call.keywords.is_empty() {
        return Err(fault("takes its arguments by position".into()));
    }
    if args.len() != f.params.len() {
        return Err(fault(format!("takes {} arguments, but was given {}", f.params.len(), args.len())));
    }
    let as_var = |value: &Value<'p>| lower.within(span, || lower.as_var(value, span));
    let mut args = args.iter().map(as_var).collect::<Result<Vec<_>>>()?;
    let shapes: Vec<Vec<usize>> = args.iter().map(Var::shape).collect();
    let (program, captured) = (f.make)(&shapes)?;
    lower.shared.charge(program.nodes().len(), span)?;
    args.extend(captured);
    let mut outputs: Vec<Value<'p>> = lower.builder.inline(&program, &args).into_iter().map(Value::Var).collect();
    Ok(if outputs.len() == 1 { outputs.remove(0) } else { Value::Tuple(outputs) })
}
