//! The text form: what is read, what is printed, and that the two agree.

#[path = "common/language.rs"]
mod language;

use clarke::program::{Kind, Role};
use clarke::{Builder, Program, Tensor, Var, text};
use language::*;

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
