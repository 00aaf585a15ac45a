//! The text form: what is read, what is printed, that the two agree, and what is said about text that is wrong.

use clarke::op::pointwise::Pointwise;
use clarke::program::call::{Comparison, Guard, Value};
use clarke::program::class::Class;
use clarke::program::op::{Batching, Entry, Execution, Notation, Op, Param, Sample};
use clarke::program::real::Real;
use clarke::program::{Kind, Role};
use clarke::{Builder, Fault, Place, Program, Registry, Tensor, Var, text};
use proptest::prelude::*;
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

fn entry(name: &'static str, signature: &'static str, notation: Notation) -> Entry {
    let call = Choose::ENTRY.call;
    Entry { name, signature, formula: "", class: "", ties: "", source: "", notation, call, samples: &[] }
}

fn select<'p>(guard: &Guard<'p>, a: Var<'p>, b: Var<'p>) -> Var<'p> {
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
fn item(value: &Value<'_>) -> Option<String> {
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

fn registry() -> Registry {
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

const INPUTS: &[(&str, &[usize])] = &[("x", &[]), ("y", &[]), ("v", &[3]), ("A", &[2, 3])];

fn read(text: &str) -> clarke::Result<Program> {
    text::parse(&registry(), text, INPUTS)
}

/// The printed body of an expression: everything after the `def` line, on one line.
fn body(text: &str) -> String {
    let program = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    body_of(&program.to_string())
}

fn body_of(printed: &str) -> String {
    printed.lines().skip(1).map(str::trim).collect::<Vec<_>>().join("; ")
}

fn message(text: &str) -> String {
    match read(text) {
        Ok(p) => panic!("{text:?} was read as\n{p}"),
        Err(e) => e.to_string(),
    }
}

/// Reads what was printed, which must be the same program if it came from text.
fn round_trip(program: &Program) {
    let printed = program.to_string();
    let again = text::parse_program(&registry(), &printed).unwrap_or_else(|e| panic!("{printed}\n{e}"));
    assert_eq!(again.to_string(), printed);
    let third = text::parse_program(&registry(), &again.to_string()).expect("printed text");
    assert!(again.same(&third), "{printed}\n{again:?}\n{third:?}");
}

#[test]
fn precedence_is_pythons() {
    for (text, printed) in [
        ("x + y * x", "return x + y * x"),
        ("(x + y) * x", "return (x + y) * x"),
        ("x - (y - x)", "return x - (y - x)"),
        ("(x - y) - x", "return x - y - x"),
        ("x / y * x", "return x / y * x"),
        ("x / (y * x)", "return x / (y * x)"),
        ("-x**2", "return -x ** 2.0"),
        ("(-x)**2", "return (-x) ** 2.0"),
        ("x**2**3", "return x ** 8.0"),
        ("(x**2)**3", "return (x ** 2.0) ** 3.0"),
        ("x**-1", "return x ** -1.0"),
        ("x**inf", "return x ** inf"),
        ("-x * y", "return -x * y"),
        ("-(x * y)", "return -(x * y)"),
        ("x - -y", "return x - -y"),
        ("- - x", "return --x"),
        ("+x", "return x"),
        ("x * -2", "return x * -2.0"),
        ("v[0] + -v[-1]", "return v[0] + -v[2]"),
        ("A[..., 1:3][::2]", "return A[:, 1:3][:1]"),
        ("where(x + 1 > y, x, -y)", "return where(x + 1.0 > y, x, -y)"),
        ("relu(\n  x +  # a comment (with a bracket\n  y)", "return relu(x + y)"),
        ("total(x, y, scale=2)", "return total(x, y, scale=2.0)"),
        ("total([x, y])", "return total(x, y, scale=1.0)"),
        ("reshape(A, (3, 2))", "return reshape(A, shape=(3, 2))"),
        ("x * 1e-3 + .5 + 1. + 1E5", "return x * 0.001 + 0.5 + 1.0 + 100000.0"),
        ("v * [1, 2, -3]", "return v * [1.0, 2.0, -3.0]"),
        ("t = x*y; t + t", "t0 = x * y; return t0 + t0"),
        ("x, y", "return x, y"),
        ("a, b = y, x\na - b", "return y - x"),
    ] {
        assert_eq!(body(text), printed, "{text}");
        round_trip(&read(text).expect("read above"));
    }
}

#[test]
fn arithmetic_between_numbers_is_done_while_reading() {
    for (text, value) in [
        ("x + 2*3", 6.0),
        ("x + 1/3", 1.0 / 3.0),
        ("x + 2**-1", 0.5),
        ("x + -2**2", -4.0),
        ("x + (-2)**2", 4.0),
        ("x + 2**3**2", 512.0),
        ("x + --3", 3.0),
        ("k = 2; x + k*k", 4.0),
        ("x + -0.0", -0.0),
        ("x + inf", f64::INFINITY),
        ("x + -nan", -f64::NAN),
        ("x + 1e308*10", f64::INFINITY),
    ] {
        let program = read(text).expect(text);
        assert_eq!(program.nodes().len(), INPUTS.len() + 2, "{text}");
        let Kind::Constant(c) = &program.nodes()[INPUTS.len()].kind else { panic!("{text}") };
        assert_eq!(c.item().to_bits(), value.to_bits(), "{text}");
        let printed = program.to_string();
        assert!(text::parse_program(&registry(), &printed).expect(&printed).same(&program), "{printed}");
    }
}

#[test]
fn constants_keep_their_bits_through_print_and_parse() {
    let tricky = [0.1, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, -1e22, 1.0 / 3.0, f64::INFINITY, -f64::NAN];
    let builder = Builder::new();
    let x = builder.input("x", &[9], Role::Argument);
    let scalars = tricky.iter().map(|&c| builder.constant(c)).fold(x, |sum, c| sum + c);
    let both = builder.constant(2.0) * builder.constant(3.0);
    let table = builder.constant(Tensor::from_fn(&[2, 9], |i| i as f64));
    let out = scalars * builder.constant(tricky) + table + both - (-builder.constant(4.0));
    let program = builder.finish(&[out]).expect("a program");
    let again = text::parse_program(&registry(), &program.to_string()).expect("printed text");
    assert_eq!(again.to_string(), program.to_string());
    let numbers = |p: &Program| {
        let constants = p.nodes().iter().filter_map(|n| if let Kind::Constant(c) = &n.kind { Some(c) } else { None });
        let mut all: Vec<Vec<u64>> = constants.map(|c| c.data().iter().map(|x| x.to_bits()).collect()).collect();
        all.sort();
        all
    };
    assert_eq!(numbers(&again), numbers(&program));
    assert!(program.to_string().contains("multiply(2.0, 3.0)"), "{program}");
    assert!(program.to_string().contains("negative(4.0)"), "{program}");
}

#[test]
fn large_uniform_and_empty_constants_are_broadcast() {
    let uniform = Program::trace(&[&[30]], |v| v[0] * v[0].constant(Tensor::full(&[30], 2.5))).expect("a program");
    assert_eq!(body_of(&uniform.to_string()), "return x0 * broadcast_to(2.5, shape=(30,))");
    round_trip(&uniform);
    let empty = Program::trace(&[&[0, 3]], |v| v[0] * v[0].constant(Tensor::full(&[0, 3], 0.0))).expect("a program");
    assert_eq!(body_of(&empty.to_string()), "return x0 * broadcast_to(0.0, shape=(0, 3))");
    round_trip(&empty);
}

#[test]
fn every_node_knows_its_text() {
    let text = "relu(-x) + ( x - relu( x ) ) * v[0]  # a comment";
    let program = read(text).expect(text);
    let snippets: Vec<&str> = program.nodes().iter().filter_map(|n| n.place.snippet()).collect();
    let all = "relu(-x) + ( x - relu( x ) ) * v[0]";
    assert_eq!(
        snippets,
        ["-x", "relu(-x)", "relu( x )", "x - relu( x )", "v[0]", "( x - relu( x ) ) * v[0]", all],
        "{program:?}"
    );
}

#[test]
fn conditions_chain_and_join() {
    for (text, printed) in [
        ("where(0 < x < y, x, y)", "return where(x > 0.0, where(y > x, x, y), y)"),
        ("where(x > 0 and not y > 0, x, y)", "return where(x > 0.0, where(y > 0.0, y, x), y)"),
        ("where((x > 0) & ~(y > 0), x, y)", "return where(x > 0.0, where(y > 0.0, y, x), y)"),
        ("where((x > 0) | (y > 0), x, y)", "return where(x > 0.0, x, where(y > 0.0, x, y))"),
        (
            "p = x > 0; where(p or y > 0 and p, x, y)",
            "return where(x > 0.0, x, where(y > 0.0, where(x > 0.0, x, y), y))",
        ),
    ] {
        assert_eq!(body(text), printed, "{text}");
        round_trip(&read(text).expect(text));
    }
}

#[test]
fn functions_capture_what_is_around_them() {
    let program = read("c = x*y; k = 3; repeat(lambda a: a*c + k*y, v, times=4)").expect("a program");
    let printed = "def g(a: [3], c: [], y: []):\n    return a * c + 3.0 * y\n\n\
                   def f(x: [], y: [], v: [3], A: [2, 3]):\n    return repeat(g, v, x * y, y, times=4)\n";
    assert_eq!(program.to_string(), printed);
    round_trip(&program);
    let nested = read("repeat(lambda a: repeat(lambda b: b*a + x, a), v)").expect("a program");
    round_trip(&nested);
    assert_eq!(nested.to_string().matches("def ").count(), 3, "{nested}");
    // A function that another one captures, and that captures a variable itself.
    let chained = read("h = lambda a: a + x; repeat(lambda b: h(h(b)), v)").expect("a program");
    assert!(chained.to_string().starts_with("def g(b: [3], h: []):\n    return b + h + h\n"), "{chained}");
    let used = read("h = lambda a, b: (a - b, b - a); p, q = h(x, 2); p * q").expect("a program");
    assert_eq!(body_of(&used.to_string()), "return (x - 2.0) * (2.0 - x)");
}

#[test]
fn programs_are_read_in_the_form_they_are_printed_in() {
    let text = "
        scale = 2   # a number for all
        def body(a: [3], c: []):
            t = a * c
            return t + t
        def f(x: [3], c: [], s0: selection, X: data[3, 2], s: selection[4], D: data):
            def inner(a): return a - x; u = inner(X[0] * scale)
            return repeat(body, x, c), u";
    let program = text::parse_program(&registry(), &text.replace("X[0]", "x")).expect("a program");
    let roles: Vec<String> = program.inputs().iter().map(|i| format!("{:?} {:?}", i.role, i.shape)).collect();
    assert_eq!(
        roles,
        ["Argument [3]", "Argument []", "Selection(None) []", "Data [3, 2]", "Selection(None) [4]", "Data []"]
    );
    assert_eq!(program.outputs().len(), 2);
    round_trip(&program);
    let line =
        text::parse_program(&registry(), "def f(x: [3], b: []): t = x*b; return relu(t) + t").expect("a program");
    assert_eq!(line.to_string(), "def f(x: [3], b: []):\n    t0 = x * b\n    return relu(t0) + t0\n");
}

#[test]
fn derivatives_print_and_read_back() {
    let f = clarke::parse("sum_to(relu(x*w + b)*abs(x - 2), ()) + abs(b)*b", &[("x", &[3]), ("w", &[3]), ("b", &[])])
        .expect("a program");
    let g = f.gradient().expect("a gradient");
    let programs = [
        ("value and gradient", f.value_and_gradient().expect("one")),
        ("linearization", f.linearize().expect("one")),
        ("second linearization", g.linearize().expect("one")),
        ("hvp", f.hvp().expect("one")),
        ("batch", g.batch(&vec![true; g.inputs().len()], 4).expect("one")),
        ("gradient", g),
        ("simplified", f.simplify()),
        ("program", f),
    ];
    for (what, program) in programs {
        let printed = program.to_string();
        let again =
            text::parse_program(&clarke::registry(), &printed).unwrap_or_else(|e| panic!("{what}\n{printed}\n{e}"));
        assert_eq!(again.to_string(), printed, "{what}");
        let given: Vec<Tensor> = program
            .inputs()
            .iter()
            .filter(|i| !i.role.is_selection())
            .enumerate()
            .map(|(k, i)| Tensor::from_fn(&i.shape, |e| ((7 * e + 3 * k) % 5) as f64 - 2.25))
            .collect();
        assert_eq!(again.eval(&given).expect("values"), program.eval(&given).expect("values"), "{what}\n{printed}");
        round_trip(&again);
    }
}

#[test]
fn names_of_inputs_do_not_meet_those_of_lines_and_functions() {
    let builder = Builder::new();
    let inputs: Vec<Var<'_>> = ["t0", "f", "g"].iter().map(|name| builder.input(name, &[], Role::Argument)).collect();
    let t = inputs[0] * inputs[1];
    let program = builder.finish(&[t + t * inputs[2]]).expect("a program");
    assert_eq!(program.to_string(), "def f0(t0: [], f: [], g: []):\n    t1 = t0 * f\n    return t1 + t1 * g\n");
    round_trip(&program);
}

#[test]
fn an_array_alone_in_a_call_is_not_its_items() {
    let program = read("w = [[1, 2, 3]]; total(w)").expect("a program");
    assert_eq!(program.output_shapes(), [[1, 3]]);
    assert_eq!(body_of(&program.to_string()), "t0 = [[1.0, 2.0, 3.0]]; return total(t0, scale=1.0)");
    round_trip(&program);
}

#[test]
fn long_and_deep_programs_print_and_read_back() {
    let long = Program::trace(&[&[]], |v| (0..3000).fold(v[0], |t, k| (t + k as f64).relu() * -v[0])).expect("one");
    round_trip(&long);
    let wide = vec!["x*y"; 20_000].join(" + ");
    round_trip(&read(&wide).expect("a sum"));
}

#[test]
fn expressions_of_nodes_are_short() {
    let program = read("relu(-x) + t0_like(x)".replace("t0_like", "abs").as_str()).expect("a program");
    let texts: Vec<String> = (0..program.nodes().len()).map(|k| program.expression(k)).collect();
    assert_eq!(texts[INPUTS.len()..], ["-x", "relu(-x)", "abs(x)", "relu(-x) + abs(x)"]);
    let doubling = Program::trace(&[&[]], |v| (0..200).fold(v[0], |t, _| t * t + v[0])).expect("one");
    let text = doubling.expression(doubling.outputs()[0]);
    assert!(text.chars().count() <= 81 && text.ends_with('…'), "{text}");
}

#[test]
fn free_names_come_in_order_of_first_use() {
    let names = |text: &str| text::names(text).expect(text);
    assert_eq!(names("mean(abs(X @ w + b - y)) + 0.01*norm1(w)"), ["X", "w", "b", "y"]);
    assert_eq!(names("t = a*b; t + c + inf"), ["a", "b", "c"]);
    assert_eq!(names("scan(lambda s, z: s*m + z + lambda_, s0, zs)"), ["m", "lambda_", "s0", "zs"]);
    assert_eq!(names("def h(a): return a*k\nh(q)"), ["k", "q"]);
    assert_eq!(names("-x[i, 1:n]"), ["x", "i", "n"]);
}

#[test]
fn a_negative_start_and_unmentioned_inputs() {
    let program = read("-x").expect("a program");
    assert_eq!(program.inputs().len(), 4);
    assert_eq!(text::parse(&registry(), "3", &[]).expect("a number").output_shapes(), [[0usize; 0]]);
}

#[test]
fn every_mistake_has_its_message() {
    for (text, expected) in [
        ("", "no expression"),
        ("  # only this\n;", "no expression"),
        ("x ^ 2", "use ** for powers (at column 3: `^`)"),
        ("x > 0 && y > 0", "use `and`"),
        ("x > 0 || y > 0", "use `or`"),
        ("where(!x, 1, 2)", "use `not`"),
        ("relu(x = y = 1)", "`=` only gives a name"),
        ("x = = 1", "`=` only gives a name"),
        ("relu(x", "this `(` is never closed: a `)` is missing (at column 5: `(`)"),
        ("[x, (y]", "`)` is missing: this `]` comes after an open `(`"),
        ("x)", "this `)` closes nothing (at column 2: `)`)"),
        ("x y", "an operator, a comma or the end of the expression was expected, not `y`"),
        ("x +", "a value was expected: a number, a name, a call or `(`, but the text ends here"),
        ("x + * y", "a value was expected"),
        ("relu(x,, y)", "a value was expected"),
        ("2x", "a product is written 2*x"),
        ("x.sum()", "sum(x), not x.sum()"),
        ("x // 2", "no integer division"),
        ("x % 2", "no remainder"),
        ("x if x > 0 else y", "where(condition, a, b)"),
        ("x − y", "the sign on the keyboard"),
        ("'x'", "not the text \"x\""),
        ("x + 'a", "a quoted text ends on its line"),
        ("relo(x)", "unknown function `relo`; did you mean `relu` or `relu6`?"),
        ("frobnicate(x)", "unknown function `frobnicate`"),
        ("x + z", "unknown name `z`; known are `A`, `v`, `x`, `y`"),
        ("alpha = x; alpah + 1", "unknown name `alpah`; did you mean `alpha`? (at column 12: `alpah`)"),
        ("relu + 1", "its arguments in parentheses are missing"),
        ("x(y + 1)", "`x` is no function; a product is written with `*`"),
        ("(x + y)(x)", "only a name can be called"),
        ("x = 3; x", "`x` is an input and cannot be assigned"),
        ("t = 3; t = 4; t", "`t` is assigned already"),
        ("inf = 3; x", "`inf` is a number"),
        ("t = x", "the last line must be an expression"),
        ("x; y", "an expression must be the last line"),
        ("return x", "`return` stands in a `def`"),
        ("def h(a): a + 1", "a function ends with `return`"),
        ("def h(a): t = a", "the function `h` has no `return`"),
        ("def h(a): return a", "an expression is missing after the functions"),
        ("def h(a, a): return a; x", "two arguments are named `a`"),
        ("def relu(a): return a\nrelu(x)", "is an operator already"),
        ("def h(a: [2]): return a\nh(v)", "argument `a` of `h` is [2], but is given [3]"),
        ("def h(a: vector): return a\nh(v)", "an input is written `x: [3]`"),
        ("h = lambda a: a; h(x, y)", "takes 1 arguments, but was given 2"),
        ("h = lambda a: h(a); h(x)", "unknown function `h`"),
        ("repeat(x, v)", "a function was expected, not a scalar variable"),
        ("repeat(lambda a, b: a, v)", "`lambda` has 2 arguments, but is used with 1"),
        ("relu(x, y)", "takes 1 positional argument, but was given 2; its signature is relu(x)"),
        ("relu(x, y=1)", "has no argument named `y`"),
        ("total(scale=1, x)", "arguments without a name come before"),
        ("total(x, scale=1, scale=2)", "`scale` is given twice"),
        ("x > 0", "a comparison is no value"),
        ("(x > 0) * y", "a comparison can only be the condition of where"),
        ("where(x, 1, 2)", "the condition must be a comparison"),
        ("where(x > 0 & y > 0, x, y)", "put comparisons in parentheses"),
        ("where((x > 0) < y, x, y)", "this is a comparison already"),
        ("x ** y", "`p` must be a number"),
        ("[x, y]", "a list of variables is no array"),
        ("[[1, 2], [3]] + x", "of equal lengths"),
        ("v + A[0][0]*[1, 2]", "shapes must be equal"),
        ("x[0]", "getitem cannot take a scalar: a scalar has no axis to index"),
        ("v[1:2:3:4]", "a slice is start:stop:step"),
        ("v[:x]", "the bounds of a slice are integers"),
        ("v[]", "a value was expected"),
        ("a, b = x; a", "2 names are given to 1 values"),
        ("x @ y", "it multiplies vectors and matrices; use * with a scalar"),
        ("()", "nothing is returned"),
        ("None", "an array or number is wanted here, not None"),
        ("broadcast_to(1, (1000000000, 1000000000, 1000000000))", "which is too large"),
    ] {
        let said = message(text);
        assert!(said.contains(expected), "{text:?} says\n  {said}\nwithout\n  {expected}");
    }
}

#[test]
fn programs_say_what_is_wrong_with_them() {
    for (text, expected) in [
        ("x + 1", "a program ends with `def f(x: [3]): return …`"),
        ("def f(x: [3]): return x\n3", "a program ends with"),
        ("def f(x): return x", "the shape of `x` is missing: write x: [3], or x: [] for a scalar"),
        ("def f(x: [3): return x", "`]` is missing"),
        ("def f(x: [-1]): return x", "a length was expected"),
        ("def f(x: [99999999999, 99999999999]): return x", "is too large"),
        ("def f(x: [3]) return x", "a `:` was expected"),
        ("def f(nan: [3]): return nan", "`nan` is a number"),
        ("def f(x: [3]): x = 1; return x", "`x` is an input"),
    ] {
        let said = text::parse_program(&registry(), text).expect_err(text).to_string();
        assert!(said.contains(expected), "{text:?} says\n  {said}");
    }
}

#[test]
fn mistakes_are_placed_by_line_and_column() {
    let error = read("t = x\nu = relu(\n  t + zz)\nu").expect_err("zz is unknown");
    assert_eq!(error.place.to_string(), "line 3, column 7");
    assert_eq!(error.place.snippet(), Some("zz"));
    // The first mistake is told, also where an operator noticed it only as the program was built.
    let error = read("t = v + A[0]*[1, 2]\nreshape(t, (1, zz))").expect_err("shapes");
    assert_eq!(error.place.snippet(), Some("A[0]*[1, 2]"));
    assert!(matches!(*error.fault, Fault::Shapes { .. }));
    assert!(matches!(error.place, Place::Text { .. }));
}

/// Texts nested `n` deep in every way there is.
fn nested(n: usize) -> Vec<String> {
    let around = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    let defs = (0..n).map(|k| format!("def h{k}(a{k}):\n")).collect::<String>();
    vec![
        around("(", "x", ")"),
        around("relu(", "x", ")"),
        around("[", "1", "]"),
        around("v[", "0", "]"),
        around("-", "x", ""),
        around("- ", "x", ""),
        around("+", "x", ""),
        around("~", "x", ""),
        around("x**", "2", ""),
        around("2**-", "1", ""),
        around("not ", "x > 0", ""),
        around("x + not ", "x > 0", ""),
        around("lambda a: ", "a", ""),
        around("lambda a, b: ", "a", ""),
        around("total(1, lambda a: ", "a", ")"),
        around("total(-x*(1 + 2*v[(", "x", ")]))"),
        around("where(x > 0 and not (", "x > 0", "), 1, 2)"),
        around("repeat(lambda a: ", "x", ", x)"),
        format!("{defs}{}x", "return 1\n".repeat(n)),
        format!("{}x", (0..n).map(|k| format!("h{} = lambda a: h{k}(a)\n", k + 1)).collect::<String>()),
        format!(
            "h0 = lambda a: a\n{}h{n}(x)",
            (0..n).map(|k| format!("h{} = lambda a: h{k}(-a)\n", k + 1)).collect::<String>()
        ),
        format!("l0 = [x]\n{}l{n}", (0..n).map(|k| format!("l{} = [l{k}]\n", k + 1)).collect::<String>()),
        format!("p0 = x > 0\n{}x", (0..n).map(|k| format!("p{} = not p{k}\n", k + 1)).collect::<String>()),
    ]
}

#[test]
fn no_depth_overflows_the_stack() {
    for n in [50, 66, 100, 190, 199, 200, 201, 1000, 20_000] {
        for text in nested(n) {
            let _ = read(&text);
            let _ = text::names(&text);
        }
    }
    assert!(read(&format!("{}x{}", "(".repeat(199), ")".repeat(199))).is_ok());
    for text in [format!("{}x{}", "(".repeat(201), ")".repeat(201)), format!("{}x", "-".repeat(100_000))] {
        let error = read(&text).expect_err("too deep");
        assert!(matches!(*error.fault, Fault::TooDeep { limit: 200 }), "{error}");
    }
}

#[test]
fn no_text_is_too_long_or_asks_for_too_much() {
    let long = format!("x{}", " + x".repeat(300_000));
    assert!(message(&long).contains("at most 1048576 are read"));
    for (text, ok) in [
        (format!("x{}", " + x".repeat(200_000)), true),
        (format!("x{}", " * x - x".repeat(100_000)), true),
        (format!("A{}", "[0]".repeat(100_000)), false),
        (format!("where(x > 0{}, x, y)", " and x > 0".repeat(10_000)), false),
        (format!("where(x{}, x, y)", " > 0".repeat(10_000)), false),
        (vec!["1"; 100_000].join(";"), false),
        (format!("total({})", vec!["x"; 90].join(",")), true),
    ] {
        assert_eq!(read(&text).is_ok(), ok, "{}", &text[..40]);
    }
    let doubling: String = (0..60).map(|k| format!("h{} = lambda a: h{k}(a) + h{k}(a)\n", k + 1)).collect();
    assert!(message(&format!("h0 = lambda a: a\n{doubling}h60(x)")).contains("steps"));
    let lists: String = (0..60).map(|k| format!("l{} = [l{k}, l{k}]\n", k + 1)).collect();
    assert!(!message(&format!("l0 = [x]\n{lists}l60")).is_empty());
}

/// Reads a text in every way; only panics are wrong. What was read must print and read back.
fn survives(text: &str) {
    if let Ok(program) = read(text) {
        let printed = program.to_string();
        let again = text::parse_program(&registry(), &printed).unwrap_or_else(|e| panic!("{text:?}\n{printed}\n{e}"));
        assert_eq!(again.to_string(), printed, "{text:?}");
        program.outputs().iter().for_each(|&k| drop(program.expression(k)));
    }
    if let Err(error) = text::parse_program(&registry(), text) {
        assert!(!error.to_string().is_empty());
    }
    let _ = text::names(text);
}

const TOKENS: &[&str] = &[
    "x",
    "y",
    "v",
    "A",
    "t",
    "u",
    "1",
    "2.5",
    "-0.0",
    "1e3",
    "inf",
    "nan",
    "+",
    "-",
    "*",
    "/",
    "@",
    "**",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    "\n",
    "=",
    "==",
    "<",
    ">=",
    "!=",
    "&",
    "|",
    "~",
    "and",
    "or",
    "not",
    "lambda",
    "def",
    "return",
    "None",
    "True",
    "...",
    "relu(",
    "abs(",
    "where(",
    "total(",
    "repeat(",
    "reshape(",
    "broadcast_to(",
    "t = ",
    "a",
    "é",
    "def f(x: [3], y: data):",
    "lambda a: ",
    "shape=",
    "scale=",
    "# c\n",
    " ",
    "\t",
    "\r\n",
    "^",
    ".",
    "'",
    "\\\n",
];

const VALID: &[&str] = &[
    "relu(-x) + x - relu(x)",
    "t = x*y; u = t**2 / (1 + t)\nwhere(0 < t <= 1 and not u > 2, -t, [1, 2, 3][0] * u)",
    "repeat(lambda a: a*x - v[0], v, times=3) + total(x, y, [1, -0.0, inf], scale=2e-3)",
    "reshape(A, (3, 2))[..., 0:2:1] * 2, broadcast_to(x, [2, 2])",
    "def h(a: [3], b): return a + b, a\np, q = h(v, 2)\np - q",
    "def g(a: []): t = a*a; return t*t\ndef f(x: [], s: selection, D: data[2]): return g(x) * D + step(x, s)",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_tokens_never_panic(tokens in proptest::collection::vec(0..TOKENS.len(), 0..30), spaced in any::<bool>()) {
        let words: Vec<&str> = tokens.iter().map(|&k| TOKENS[k]).collect();
        survives(&words.join(if spaced { " " } else { "" }));
    }

    #[test]
    fn mutated_programs_never_panic(
        which in 0..VALID.len(),
        edits in proptest::collection::vec((any::<u16>(), 0..TOKENS.len(), 0..3u8), 1..4),
    ) {
        let mut text: Vec<char> = VALID[which].chars().collect();
        for (at, token, kind) in edits {
            let at = at as usize % (text.len() + 1);
            let end = if kind == 0 { at } else { (at + kind as usize).min(text.len()) };
            let token = if kind == 2 { "" } else { TOKENS[token] };
            text.splice(at..end, token.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }

    #[test]
    fn random_expressions_read_back(seed in any::<u64>()) {
        let mut state = seed;
        let text = random(&mut state, 5);
        let program = read(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        round_trip(&program);
        let printed = text::parse_program(&registry(), &program.to_string()).expect("printed text");
        prop_assert!(printed.same(&program), "{text}\n{program}");
    }
}

/// A number below `n`, from a linear congruence.
fn draw(state: &mut u64, n: u64) -> u64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 33) % n
}

/// A random expression over scalars, with all parentheses.
fn random(state: &mut u64, depth: usize) -> String {
    let kind = if depth == 0 { 0 } else { draw(state, 9) };
    let mut part = || format!("({})", random(state, depth - 1));
    match kind {
        0 => ["x", "y", "x", "y", "2", "-0.5"][draw(state, 6) as usize].to_string(),
        1 => format!("-{}", part()),
        2 => format!("relu{}", part()),
        3 => format!("(x - {})**{}", part(), ["-2", "0.5", "3"][draw(state, 3) as usize]),
        4 => format!("where({} > {}, {}, x)", part(), part(), part()),
        k => format!("{}{}{}", part(), ["+", "-", "*", "/"][k as usize - 5], part()),
    }
}
