//! Program text as a tree, with the span of every part. Its depth is bounded: chains of operators are flat.

use crate::program::Role;
use crate::program::call::Comparison;
use std::collections::HashSet;
use std::rc::Rc;

/// Bytes `start..end` of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }
}

#[derive(Debug)]
pub(super) struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Debug)]
pub(super) enum ExprKind {
    Number(f64),
    Name(String),
    None,
    Flag(bool),
    /// `"text"`, without its quotes.
    Text(String),
    Ellipsis,
    Slice([Option<Box<Expr>>; 3]),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    /// An expression in parentheses.
    Group(Box<Expr>),
    /// `-a`, `+a`.
    Sign(&'static str, Box<Expr>),
    /// `a + b - c`, `a * b / c`: operators of one precedence, from the left.
    Chain(Box<Expr>, Vec<(&'static str, Expr)>),
    Power(Box<Expr>, Box<Expr>),
    /// `a < b <= c`.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `a and b and c`; the word is as written.
    Logic(&'static str, Vec<Expr>),
    Not(Box<Expr>),
    Call(Box<CallExpr>),
    /// `a[i][j, k]`, each with the end of its bracket.
    Subscripts(Box<Expr>, Vec<(usize, Vec<Expr>)>),
    Lambda(Rc<FunctionDef>),
}

#[derive(Debug)]
pub(super) struct CallExpr {
    pub name: String,
    pub name_span: Span,
    pub args: Vec<Expr>,
    pub keywords: Vec<(String, Span, Expr)>,
}

/// A `def` or a `lambda`.
#[derive(Debug)]
pub(super) struct FunctionDef {
    /// None for a lambda.
    pub name: Option<String>,
    /// The `def` line, or the whole lambda.
    pub span: Span,
    pub params: Vec<Param>,
    pub body: Body,
    /// The names the body uses from around it, in order of first use.
    pub free: Vec<Free>,
}

#[derive(Debug)]
pub(super) struct Param {
    pub name: String,
    pub span: Span,
    /// None where none is written.
    pub shape: Option<Vec<usize>>,
    pub role: Role,
}

/// Statements, then what is returned.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub statements: Vec<Statement>,
    pub result: Vec<Expr>,
}

#[derive(Debug)]
pub(super) enum Statement {
    Assign { targets: Vec<(String, Span)>, values: Vec<Expr> },
    Def(Rc<FunctionDef>),
}

/// A name used but not defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Free {
    pub name: String,
    /// Whether this is its use as a function, `name(…)`.
    pub called: bool,
}

/// The free names of a body whose `params` are bound, in order of first use.
pub(super) fn free_names<'a>(params: impl Iterator<Item = &'a str>, body: &'a Body) -> Vec<Free> {
    let mut walk = Walk { bound: params.collect(), found: vec![], seen: HashSet::new() };
    for statement in &body.statements {
        match statement {
            Statement::Assign { targets, values } => {
                values.iter().for_each(|e| walk.expr(e));
                walk.bound.extend(targets.iter().map(|(name, _)| name.as_str()));
            }
            Statement::Def(def) => {
                walk.function(def);
                walk.bound.extend(def.name.as_deref());
            }
        }
    }
    body.result.iter().for_each(|e| walk.expr(e));
    walk.found
}

/// The free names of one expression.
pub(super) fn free_names_of(e: &Expr) -> Vec<Free> {
    let mut walk = Walk { bound: HashSet::new(), found: vec![], seen: HashSet::new() };
    walk.expr(e);
    walk.found
}

struct Walk<'a> {
    bound: HashSet<&'a str>,
    found: Vec<Free>,
    seen: HashSet<(&'a str, bool)>,
}

impl<'a> Walk<'a> {
    fn meet(&mut self, name: &'a str, called: bool) {
        if !self.bound.contains(name) && self.seen.insert((name, called)) {
            self.found.push(Free { name: name.to_string(), called });
        }
    }

    fn function(&mut self, def: &'a FunctionDef) {
        def.free.iter().for_each(|free| self.meet(&free.name, free.called));
    }

    fn expr(&mut self, e: &'a Expr) {
        match &e.kind {
            ExprKind::Number(_) | ExprKind::None | ExprKind::Flag(_) | ExprKind::Text(_) | ExprKind::Ellipsis => {}
            ExprKind::Name(name) => self.meet(name, false),
            ExprKind::Slice(parts) => parts.iter().flatten().for_each(|e| self.expr(e)),
            ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Logic(_, items) => {
                items.iter().for_each(|e| self.expr(e))
            }
            ExprKind::Group(e) | ExprKind::Sign(_, e) | ExprKind::Not(e) => self.expr(e),
            ExprKind::Chain(first, rest) => {
                self.expr(first);
                rest.iter().for_each(|(_, e)| self.expr(e));
            }
            ExprKind::Compare(first, rest) => {
                self.expr(first);
                rest.iter().for_each(|(_, e)| self.expr(e));
            }
            ExprKind::Power(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Call(call) => {
                self.meet(&call.name, true);
                call.args.iter().for_each(|e| self.expr(e));
                call.keywords.iter().for_each(|(_, _, e)| self.expr(e));
            }
            ExprKind::Subscripts(base, all) => {
                self.expr(base);
                all.iter().flat_map(|(_, items)| items).for_each(|e| self.expr(e));
            }
            ExprKind::Lambda(def) => self.function(def),
        }
    }
}
