//! The grammar applied: from text to tree.

use super::ast::{Body, CallExpr, Expr, ExprKind, FunctionDef, Param, Span, Statement, free_names};
use super::scan::scan;
use super::{LIMIT, Source, complain};
use crate::error::{Fault, Result};
use crate::program::Role;
use crate::program::call::Comparison;
use pest::Parser;
use pest::iterators::{Pair, Pairs};
use pest::pratt_parser::{Assoc, Op, PrattParser};
use std::rc::Rc;
use std::sync::LazyLock;

#[derive(pest_derive::Parser)]
#[grammar = "text/grammar.pest"]
struct Grammar;

/// Python's precedence, loosest first.
static PRECEDENCE: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let infix = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(infix(Rule::or))
        .op(infix(Rule::and))
        .op(Op::prefix(Rule::not))
        .op(infix(Rule::ge) | infix(Rule::le) | infix(Rule::gt) | infix(Rule::lt) | infix(Rule::eq) | infix(Rule::ne))
        .op(infix(Rule::bar))
        .op(infix(Rule::amp))
        .op(infix(Rule::add) | infix(Rule::sub))
        .op(infix(Rule::mul) | infix(Rule::div) | infix(Rule::matmul))
        .op(Op::prefix(Rule::neg) | Op::prefix(Rule::pos) | Op::prefix(Rule::inv))
        .op(Op::infix(Rule::power, Assoc::Right))
});

/// Reads a whole text. Its result is empty where the text ends with a `def` or a statement.
pub(super) fn read(source: &Source) -> Result<Body> {
    let plain = scan(source)?;
    if plain.chars().all(|c| c.is_whitespace() || c == ';') {
        return Err(source.syntax(0, source.text.len(), "there is no expression in this text"));
    }
    let pairs = Grammar::parse(Rule::file, &plain).map_err(|error| complain::complaint(source, &plain, error))?;
    Reader { source }.file(pairs)
}

struct Reader<'a> {
    source: &'a Source,
}

/// A `def` whose `return` has not come yet; the outermost one is the text itself.
#[derive(Default)]
struct Open {
    header: Option<(String, Span, Vec<Param>)>,
    body: Body,
}

fn span(pair: &Pair<'_, Rule>) -> Span {
    let start = pair.as_span().start();
    Span { start, end: start + pair.as_str().trim_end().len() }
}

impl Reader<'_> {
    fn wrong<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        Err(self.source.syntax(span.start, span.end, message))
    }

    fn file(&self, mut pairs: Pairs<'_, Rule>) -> Result<Body> {
        let mut open = vec![Open::default()];
        let lines = pairs.next().into_iter().flat_map(Pair::into_inner);
        for line in lines.filter(|line| line.as_rule() != Rule::EOI) {
            let at = span(&line);
            let depth = open.len();
            let current = &mut open[depth - 1];
            if let Some(last) = current.body.result.first() {
                let message = "an expression must be the last line; name it (t = …) to use it later, or put parentheses around it to go on on the next line";
                return self.wrong(last.span, message);
            }
            match line.as_rule() {
                Rule::header if depth > LIMIT => {
                    return Err(Fault::TooDeep { limit: LIMIT }.at(self.source.place(at.start, at.end)));
                }
                Rule::header => open.push(self.header(line)?),
                Rule::assign => {
                    let statement = self.assign(line)?;
                    current.body.statements.push(statement);
                }
                Rule::bare if depth > 1 => {
                    return self.wrong(at, "a function ends with `return`; write it before this");
                }
                Rule::bare => current.body.result = self.values(line)?,
                Rule::give => {
                    let result = self.values(line)?;
                    self.close(&mut open, result, at)?;
                }
                _ => {}
            }
        }
        match open.pop() {
            Some(Open { header: Some((name, at, _)), .. }) => {
                self.wrong(at, format!("the function `{name}` has no `return`"))
            }
            Some(Open { body, .. }) => Ok(body),
            None => Ok(Body::default()),
        }
    }

    /// A `return`: the innermost open `def` becomes a statement of the one around it.
    fn close(&self, open: &mut Vec<Open>, result: Vec<Expr>, at: Span) -> Result<()> {
        let Some(Open { header: Some((name, span, params)), mut body }) = open.pop() else {
            return self.wrong(at, "`return` stands in a `def`; at the end of an expression leave it out");
        };
        body.result = result;
        let free = free_names(params.iter().map(|p| p.name.as_str()), &body);
        let def = Rc::new(FunctionDef { name: Some(name), span, params, body, free });
        if let Some(around) = open.last_mut() {
            around.body.statements.push(Statement::Def(def));
        }
        Ok(())
    }

    fn header(&self, pair: Pair<'_, Rule>) -> Result<Open> {
        let at = span(&pair);
        let (mut name, mut params) = (String::new(), vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = part.as_str().into(),
                Rule::param => params.push(self.param(part)?),
                _ => {}
            }
        }
        self.distinct(&params)?;
        Ok(Open { header: Some((name, at, params)), body: Body::default() })
    }

    fn distinct(&self, params: &[Param]) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        match params.iter().find(|p| !seen.insert(p.name.as_str())) {
            Some(twice) => self.wrong(twice.span, format!("two arguments are named `{}`", twice.name)),
            None => Ok(()),
        }
    }

    fn param(&self, pair: Pair<'_, Rule>) -> Result<Param> {
        let at = span(&pair);
        let mut param = Param { name: String::new(), span: at, shape: None, role: Role::Argument };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => param.name = part.as_str().into(),
                Rule::annotation => {
                    param.shape = Some(vec![]);
                    for item in part.into_inner() {
                        match (item.as_rule(), item.as_str()) {
                            (Rule::role, "data") => param.role = Role::Data,
                            (Rule::role, "sparse") => param.role = Role::Sparse,
                            (Rule::role, _) => param.role = Role::Selection(None),
                            _ => param.shape = Some(self.dims(item)?),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(param)
    }

    fn dims(&self, pair: Pair<'_, Rule>) -> Result<Vec<usize>> {
        let at = span(&pair);
        let lengths = pair.into_inner().map(|n| n.as_str().parse::<usize>());
        let shape: Option<Vec<usize>> = lengths.collect::<std::result::Result<_, _>>().ok();
        match shape.filter(|s| crate::tensor::size(s) <= super::LARGEST) {
            Some(shape) => Ok(shape),
            None => self.wrong(at, "an array of this shape is too large"),
        }
    }

    fn assign(&self, pair: Pair<'_, Rule>) -> Result<Statement> {
        let (mut targets, mut values) = (vec![], vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::targets => {
                    targets = part.into_inner().map(|n| (n.as_str().to_string(), span(&n))).collect();
                }
                Rule::values => values = self.exprs(part)?,
                _ => {}
            }
        }
        Ok(Statement::Assign { targets, values })
    }

    /// The values of a `return` or a last line.
    fn values(&self, pair: Pair<'_, Rule>) -> Result<Vec<Expr>> {
        match pair.into_inner().find(|p| p.as_rule() == Rule::values) {
            Some(values) => self.exprs(values),
            None => Ok(vec![]),
        }
    }

    fn exprs(&self, pair: Pair<'_, Rule>) -> Result<Vec<Expr>> {
        pair.into_inner().filter(|p| p.as_rule() == Rule::expr).map(|p| self.expr(p)).collect()
    }

    fn expr(&self, pair: Pair<'_, Rule>) -> Result<Expr> {
        let inner = pair.into_inner();
        if let Some(lambda) = inner.peek().filter(|p| p.as_rule() == Rule::lambda) {
            return self.lambda(lambda);
        }
        PRECEDENCE
            .map_primary(|p| self.primary(p))
            .map_prefix(|op, a| Ok(prefix(op, a?)))
            .map_infix(|a, op, b| Ok(infix(a?, op, b?)))
            .parse(inner)
    }

    fn lambda(&self, pair: Pair<'_, Rule>) -> Result<Expr> {
        let at = span(&pair);
        let (mut params, mut body) = (vec![], Body::default());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => params.push(Param {
                    name: part.as_str().into(),
                    span: span(&part),
                    shape: None,
                    role: Role::Argument,
                }),
                Rule::expr => body.result.push(self.expr(part)?),
                _ => {}
            }
        }
        self.distinct(&params)?;
        let free = free_names(params.iter().map(|p| p.name.as_str()), &body);
        let def = FunctionDef { name: None, span: at, params, body, free };
        Ok(Expr { span: at, kind: ExprKind::Lambda(Rc::new(def)) })
    }

    fn primary(&self, pair: Pair<'_, Rule>) -> Result<Expr> {
        let mut parts = pair.into_inner();
        let Some(first) = parts.next() else {
            unreachable!("the grammar gives a primary an atom");
        };
        let mut value = self.atom(first)?;
        let mut subscripts = vec![];
        for part in parts {
            let end = span(&part).end;
            match (part.as_rule(), value.kind) {
                (Rule::call, ExprKind::Name(name)) if subscripts.is_empty() => {
                    let (args, keywords) = self.arguments(part)?;
                    let call = CallExpr { name, name_span: value.span, args, keywords };
                    value = Expr { span: Span { start: value.span.start, end }, kind: ExprKind::Call(Box::new(call)) };
                }
                (Rule::call, _) => {
                    let at = Span { start: value.span.start, end };
                    return self.wrong(at, "only a name can be called; a product is written with `*`: a*(b + c)");
                }
                (_, kind) => {
                    value.kind = kind;
                    subscripts.push((end, self.items(part)?));
                }
            }
        }
        Ok(match subscripts.last() {
            None => value,
            Some(&(end, _)) => Expr {
                span: Span { start: value.span.start, end },
                kind: ExprKind::Subscripts(Box::new(value), subscripts),
            },
        })
    }

    fn atom(&self, pair: Pair<'_, Rule>) -> Result<Expr> {
        let at = span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => match pair.as_str().parse::<f64>() {
                Ok(x) if x.is_finite() => ExprKind::Number(x),
                Ok(_) => return self.wrong(at, "this number is too large: the largest is about 1.8e308"),
                Err(_) => return self.wrong(at, "this is not a number"),
            },
            Rule::none => ExprKind::None,
            Rule::yes => ExprKind::Flag(true),
            Rule::no => ExprKind::Flag(false),
            Rule::text => ExprKind::Text(pair.as_str()[1..pair.as_str().len() - 1].into()),
            Rule::list => ExprKind::List(self.exprs(pair)?),
            Rule::paren => {
                let tuple = pair.clone().into_inner().any(|p| p.as_rule() == Rule::comma);
                let mut items = self.exprs(pair)?;
                match items.pop() {
                    Some(only) if items.is_empty() && !tuple => ExprKind::Group(Box::new(only)),
                    last => {
                        items.extend(last);
                        ExprKind::Tuple(items)
                    }
                }
            }
            _ => ExprKind::Name(pair.as_str().into()),
        };
        Ok(Expr { span: at, kind })
    }

    #[allow(clippy::type_complexity)]
    fn arguments(&self, pair: Pair<'_, Rule>) -> Result<(Vec<Expr>, Vec<(String, Span, Expr)>)> {
        let (mut args, mut keywords) = (vec![], Vec::<(String, Span, Expr)>::new());
        for argument in pair.into_inner() {
            let at = span(&argument);
            let mut name = None;
            for part in argument.into_inner() {
                match (part.as_rule(), name.take()) {
                    (Rule::keyword, _) => name = part.into_inner().next().map(|n| n.as_str().to_string()),
                    (_, Some(name)) if keywords.iter().any(|(n, ..)| *n == name) => {
                        return self.wrong(at, format!("`{name}` is given twice"));
                    }
                    (_, Some(name)) => keywords.push((name, at, self.expr(part)?)),
                    (_, None) if !keywords.is_empty() => {
                        return self.wrong(at, "arguments without a name come before those with one");
                    }
                    (_, None) => args.push(self.expr(part)?),
                }
            }
        }
        Ok((args, keywords))
    }

    fn items(&self, pair: Pair<'_, Rule>) -> Result<Vec<Expr>> {
        pair.into_inner().filter(|p| p.as_rule() == Rule::item).map(|p| self.item(p)).collect()
    }

    fn item(&self, pair: Pair<'_, Rule>) -> Result<Expr> {
        let at = span(&pair);
        let mut parts: [Option<Box<Expr>>; 3] = [None, None, None];
        let mut colons = 0;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::dots => return Ok(Expr { span: at, kind: ExprKind::Ellipsis }),
                Rule::colon if colons == 2 => return self.wrong(at, "a slice is start:stop:step"),
                Rule::colon => colons += 1,
                _ => parts[colons] = Some(Box::new(self.expr(part)?)),
            }
        }
        Ok(match (colons, parts) {
            (0, [Some(single), ..]) => *single,
            (_, parts) => Expr { span: at, kind: ExprKind::Slice(parts) },
        })
    }
}

fn prefix(op: Pair<'_, Rule>, a: Expr) -> Expr {
    let at = span(&op).to(a.span);
    let a = Box::new(a);
    let kind = match op.as_rule() {
        Rule::neg => ExprKind::Sign("-", a),
        Rule::pos => ExprKind::Sign("+", a),
        _ => ExprKind::Not(a),
    };
    Expr { span: at, kind }
}

/// Joins two operands; operators of one precedence from the left make one flat chain.
fn infix(a: Expr, op: Pair<'_, Rule>, b: Expr) -> Expr {
    let at = a.span.to(b.span);
    let kind = match op.as_rule() {
        Rule::power => ExprKind::Power(Box::new(a), Box::new(b)),
        Rule::add => chain(a, "+", b),
        Rule::sub => chain(a, "-", b),
        Rule::mul => chain(a, "*", b),
        Rule::div => chain(a, "/", b),
        Rule::matmul => chain(a, "@", b),
        Rule::and => logic(a, "and", b),
        Rule::or => logic(a, "or", b),
        Rule::amp => logic(a, "&", b),
        Rule::bar => logic(a, "|", b),
        rule => compare(a, comparison(rule), b),
    };
    Expr { span: at, kind }
}

fn chain(a: Expr, symbol: &'static str, b: Expr) -> ExprKind {
    let sum = |s: &str| matches!(s, "+" | "-");
    match a.kind {
        ExprKind::Chain(first, mut rest) if rest.first().is_some_and(|(s, _)| sum(s) == sum(symbol)) => {
            rest.push((symbol, b));
            ExprKind::Chain(first, rest)
        }
        kind => ExprKind::Chain(Box::new(Expr { span: a.span, kind }), vec![(symbol, b)]),
    }
}

fn logic(a: Expr, word: &'static str, b: Expr) -> ExprKind {
    match a.kind {
        ExprKind::Logic(same, mut terms) if same == word => {
            terms.push(b);
            ExprKind::Logic(word, terms)
        }
        kind => ExprKind::Logic(word, vec![Expr { span: a.span, kind }, b]),
    }
}

fn compare(a: Expr, comparison: Comparison, b: Expr) -> ExprKind {
    match a.kind {
        ExprKind::Compare(first, mut rest) => {
            rest.push((comparison, b));
            ExprKind::Compare(first, rest)
        }
        kind => ExprKind::Compare(Box::new(Expr { span: a.span, kind }), vec![(comparison, b)]),
    }
}

fn comparison(rule: Rule) -> Comparison {
    match rule {
        Rule::ge => Comparison::GreaterEqual,
        Rule::le => Comparison::LessEqual,
        Rule::gt => Comparison::Greater,
        Rule::lt => Comparison::Less,
        Rule::eq => Comparison::Equal,
        _ => Comparison::NotEqual,
    }
}
