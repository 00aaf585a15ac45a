//! Program text that is wrong, deep, long or random: what is said of it, and that nothing panics.

#[path = "common/language.rs"]
mod language;

use clarke::{Fault, Place, text};
use language::*;
use proptest::prelude::*;

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
