//! A table of operators of every notation, and programs read with it.
#![allow(dead_code)]

use clarke::op::pointwise::Pointwise;
use clarke::program::call::{Comparison, Guard, Value};
use clarke::program::class::Class;
use clarke::program::op::{Batching, Entry, Execution, Notation, Op, Param, Sample};
use clarke::program::real::Real;
use clarke::{Fault, Program, Registry, Var, text};
use std::sync::Arc;

// Operators of every notation, so that these tests need no table but their own.

#[derive(Debug, Clone, Default)]
struct Quotient;
impl Pointwise<2> for Quotient {
    const NAME: &'static str = "divide";
    const SIGNATURE: &'static str = "a / b";
    const FORMULA: &'static str = "a / b";
    const CLASS: &'static str = "semialgebraic";
    const SAMPLES: &'static [Sample] = &[];
    const NOTATION: Notation = Notation::Infix { symbol: "/", precedence: 11, right: false };
    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x)
    }
    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a / b
    }
}

#[derive(Debug, Clone, Default)]
struct Power(f64);
impl Pointwise for Power {
    const NAME: &'static str = "power";
    const SIGNATURE: &'static str = "x ** p, p a number";
    const FORMULA: &'static str = "x^p";
    const CLASS: &'static str = "semialgebraic";
    const SAMPLES: &'static [Sample] = &[];
    const NOTATION: Notation = Notation::PowerOfParam;
    const PARAMS: &'static [(&'static str, f64)] = &[("p", f64::NAN)];
    fn params(&self) -> Vec<f64> {
        vec![self.0]
    }
    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        Ok(Power(values[0]))
    }
    fn class(&self, [x]: [Class; 1]) -> Class {
        x
    }
    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x
    }
}

#[derive(Debug, Clone, Default)]
struct Choose;
impl Pointwise<4> for Choose {
    const NAME: &'static str = "where";
    const SIGNATURE: &'static str = "where(condition, a, b)";
    const FORMULA: &'static str = "a if l > r else b";
    const CLASS: &'static str = "piecewise";
    const SAMPLES: &'static [Sample] = &[];
    const NOTATION: Notation = Notation::Where { symbol: ">" };
    fn class(&self, x: [Class; 4]) -> Class {
        Class::join(&x)
    }
    fn value<T: Real>(&self, [l, r, a, b]: [T; 4]) -> T {
        l.if_gt(r, a, b)
    }
}

pub fn entry(name: &'static str, signature: &'static str, notation: Notation) -> Entry {
    let call = Choose::ENTRY.call;
    Entry { name, signature, formula: "", class: "", ties: "", source: "", notation, call, samples: &[] }
}

pub fn select<'p>(guard: &Guard<'p>, a: Var<'p>, b: Var<'p>) -> Var<'p> {
    use clarke::op::pointwise::Elementwise;
    let op = Elementwise::<Choose, 4>(Choose);
    match guard {
        Guard::Compare(Comparison::Greater | Comparison::GreaterEqual, l, r) => l.apply_with(op, &[*r, a, b]),
        Guard::Compare(_, l, r) => r.apply_with(op, &[*l, a, b]),
        Guard::And(p, q) => select(p, select(q, a, b), b),
        Guard::Or(p, q) => select(p, a, select(q, a, b)),
        Guard::Not(p) => select(p, b, a),
    }
}

/// Operators that the adaptor for elementwise ones does not cover; the values are not needed here.
#[derive(Debug)]
enum Other {
    /// `total(x, …, scale=1)`: any number of arguments.
    Total { scale: f64 },
    /// `x[…]`: the first axis goes.
    Index { index: String },
    /// `repeat(f, x, captured…, times=2)`.
    Repeat { body: Arc<Program>, times: i64 },
}

impl Op for Other {
    fn name(&self) -> &'static str {
        match self {
            Other::Total { .. } => "total",
            Other::Index { .. } => "index",
            Other::Repeat { .. } => "repeat",
        }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        match self {
            Other::Total { scale } => vec![("scale", Param::Number(*scale))],
            Other::Index { index } => vec![("index", Param::Raw(index.clone()))],
            Other::Repeat { body, times } => {
                vec![("body", Param::Program(body.clone())), ("times", Param::Int(*times))]
            }
        }
    }
    fn notation(&self) -> Notation {
        if let Other::Index { .. } = self { Notation::Subscript } else { Notation::Call }
    }
    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        match (self, args[0]) {
            (Other::Index { .. }, []) => {
                Err(Fault::Shapes { op: "index".into(), shapes: vec![vec![]], rule: "a scalar has no axis".into() })
            }
            (Other::Index { .. }, shape) => Ok(shape[1..].to_vec()),
            (_, shape) => Ok(shape.to_vec()),
        }
    }
    fn class(&self, args: &[Class]) -> Class {
        Class::join(args)
    }
    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> clarke::Result<Var<'p>> {
        Ok(at.args[0])
    }
    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
    fn programs(&self) -> Vec<&Program> {
        if let Other::Repeat { body, .. } = self { vec![body] } else { vec![] }
    }
}

/// What stands in a subscript; None for what the test's operator does not take.
pub fn item(value: &Value<'_>) -> Option<String> {
    let bound = |b: &Option<i64>| b.map_or(String::new(), |k| k.to_string());
    Some(match value {
        Value::Slice(a, b, None) => format!("{}:{}", bound(a), bound(b)),
        Value::Slice(a, b, c) => format!("{}:{}:{}", bound(a), bound(b), bound(c)),
        Value::Ellipsis => "...".into(),
        Value::None => "None".into(),
        Value::Number(x) => format!("{x}"),
        _ => return None,
    })
}

pub fn registry() -> Registry {
    let mut select_entry = entry("where", "where(condition, a, b)", Notation::Where { symbol: ">" });
    select_entry.call = |call| {
        call.expect(3, 3, &[])?;
        Ok(select(&call.guard(0)?, call.var(1)?, call.var(2)?))
    };
    let mut total = entry("total", "total(x, y, …, scale=1)", Notation::Call);
    total.call = |call| {
        call.expect(1, 99, &["scale"])?;
        Ok(call.apply(Other::Total { scale: call.number("scale", 99, Some(1.0))? }, &call.vars()?))
    };
    let mut index = entry("index", "x[i, …]", Notation::Subscript);
    index.call = |call| {
        let Some(Value::Tuple(items)) = call.args.get(1) else { return Err(call.fault("no index")) };
        let index: Option<Vec<String>> = items.iter().map(item).collect();
        let index = index.ok_or_else(|| call.fault("takes integers"))?.join(", ");
        Ok(call.apply(Other::Index { index }, &[call.var(0)?]))
    };
    let mut repeat = entry("repeat", "repeat(f, x, times=2)", Notation::Call);
    repeat.call = |call| {
        call.expect(2, 99, &["times"])?;
        let mut args = (1..call.args.len()).map(|k| call.var(k)).collect::<clarke::Result<Vec<_>>>()?;
        let (body, captured) = (call.function(0)?.make)(&args.iter().map(Var::shape).collect::<Vec<_>>())?;
        args.extend(captured);
        Ok(call.apply(Other::Repeat { body: Arc::new(body), times: call.int("times", 99, Some(2))? }, &args))
    };
    clarke::registry().with([Quotient::ENTRY, Power::ENTRY, select_entry, total, index, repeat])
}

pub const INPUTS: &[(&str, &[usize])] = &[("x", &[]), ("y", &[]), ("v", &[3]), ("A", &[2, 3])];

pub fn read(text: &str) -> clarke::Result<Program> {
    text::parse(&registry(), text, INPUTS)
}

/// The printed body of an expression: everything after the `def` line, on one line.
pub fn body(text: &str) -> String {
    let program = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    body_of(&program.to_string())
}

pub fn body_of(printed: &str) -> String {
    printed.lines().skip(1).map(str::trim).collect::<Vec<_>>().join("; ")
}

pub fn message(text: &str) -> String {
    match read(text) {
        Ok(p) => panic!("{text:?} was read as\n{p}"),
        Err(e) => e.to_string(),
    }
}

/// Reads what was printed, which must be the same program if it came from text.
pub fn round_trip(program: &Program) {
    let printed = program.to_string();
    let again = text::parse_program(&registry(), &printed).unwrap_or_else(|e| panic!("{printed}\n{e}"));
    assert_eq!(again.to_string(), printed);
    let third = text::parse_program(&registry(), &again.to_string()).expect("printed text");
    assert!(again.same(&third), "{printed}\n{again:?}\n{third:?}");
}
