//! Sparse matrices as inputs of programs: what is done with one is what is done with the same numbers as an array,
//! before and after it is bound, and where it cannot stand is an error with its place.

mod common;

use clarke::text::parse_program;
use clarke::{Convention, Csr, Error, Evaluator, Fault, Place, Policy, Program, Tensor, registry};
use common::Draw;
use common::linear::{inputs_of, integers, laws};
use std::sync::Arc;

/// Small integers at random places, rows left empty, places hit twice, zeros written out.
fn random(rows: usize, columns: usize, seed: u64) -> Arc<Csr> {
    let mut draw = Draw::new(seed);
    let count = if rows * columns == 0 { 0 } else { rows * columns / 2 + 1 };
    let mut entries = vec![];
    for k in 0..count {
        let place = (draw.below(rows.max(2) - 1), draw.below(columns), draw.below(7) as f64 - 3.0);
        entries.push(place);
        if k % 3 == 0 {
            entries.push(place);
        }
    }
    Csr::from_entries(rows, columns, &entries).unwrap()
}

fn parse(text: &str, inputs: &[(&str, &[usize])]) -> Program {
    clarke::parse(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Products that take a matrix A with m rows and n columns, with the shape of their other factor x.
fn products(m: usize, n: usize) -> Vec<(&'static str, Vec<usize>)> {
    vec![
        ("A @ x", vec![n]),
        ("A @ x", vec![n, 2]),
        ("A @ x", vec![2, n, 3]),
        ("x @ A", vec![m]),
        ("x @ A", vec![2, m]),
        ("x @ A", vec![3, 2, m]),
        ("transpose(A) @ x", vec![m]),
        ("swapaxes(A, 0, 1) @ x", vec![m, 2]),
        ("x @ transpose(A)", vec![2, n]),
        ("transpose(transpose(A)) @ x", vec![n]),
        ("matmul(A, x, transpose_a=True)", vec![m, 2]),
        ("matmul(A, x, transpose_b=True)", vec![2, n]),
        ("matmul(x, A, transpose_a=True)", vec![m, 2]),
        ("matmul(x, A, transpose_b=True)", vec![2, n]),
        ("dot(A, x)", vec![n]),
        ("einsum('ij,i->j', A, x)", vec![m]),
    ]
}

#[test]
fn a_bound_product_is_the_product_with_the_array_and_so_are_all_its_derivatives() {
    for (m, n) in [(3, 4), (4, 2), (1, 3), (3, 1), (0, 3), (3, 0), (0, 0)] {
        let matrix = random(m, n, (7 * m + n) as u64);
        for (text, shape) in products(m, n) {
            let array = parse(text, &[("A", &[m, n]), ("x", &shape)]).varying(&["x"]).unwrap();
            let sparse = array.sparse(&["A"]).unwrap();
            laws(&sparse.bind("A", &matrix).unwrap());
            let each = |f: &dyn Fn(&Program) -> Program| {
                let (dense, bound) = (f(&array), f(&sparse).bind("A", &matrix).unwrap());
                let rest = inputs_of(&bound, 3);
                let all: Vec<Tensor> = std::iter::once(matrix.to_dense()).chain(rest.iter().cloned()).collect();
                assert_eq!(bound.eval(&rest).unwrap(), dense.eval(&all).unwrap(), "{text} {m} {n}");
                let run = bound.compile::<f64>(Convention::MinNorm);
                assert_eq!(run.call(&rest).unwrap(), dense.eval(&all).unwrap(), "{text} {m} {n}");
            };
            each(&|f| f.clone());
            each(&|f| f.simplify());
            each(&|f| f.linearize().unwrap());
            each(&|f| f.vjp().unwrap());
            each(&|f| f.jacobian_forward().unwrap());
            each(&|f| f.jacobian_reverse().unwrap());
            each(&|f| f.batch(&[false, true], 3).unwrap());
            each(&|f| f.vjp().unwrap().batch(&[false, false, true], 2).unwrap());
            each(&|f| f.linearize().unwrap().transpose(&[2]).unwrap());
        }
    }
}

#[test]
fn an_unbound_program_is_printed_and_read_back() {
    for (text, shape) in products(3, 4) {
        let sparse = parse(text, &[("A", &[3, 4]), ("x", &shape)]).sparse(&["A"]).unwrap();
        for program in [sparse.clone(), sparse.vjp().unwrap(), sparse.batch(&[false, true], 2).unwrap()] {
            let printed = program.to_string();
            assert!(printed.contains("A: sparse[3, 4]"), "{printed}");
            let read = parse_program(&registry(), &printed).unwrap();
            assert_eq!(read.to_string(), printed);
            assert!(read.inputs()[0].role.is_sparse());
        }
        // The same text whatever is bound; and what is bound is text again.
        let (one, other) = (random(3, 4, 1), random(3, 4, 2));
        assert_ne!(one.nnz(), Csr::from_dense(&other.to_dense()).unwrap().nnz());
        for matrix in [&one, &other] {
            let bound = sparse.bind("A", matrix).unwrap();
            assert!(bound.inputs().iter().all(|i| i.name != "A"));
            let read = parse_program(&registry(), &bound.to_string()).unwrap();
            let x = integers(&shape, 5);
            assert_eq!(read.eval(std::slice::from_ref(&x)).unwrap(), bound.eval(&[x]).unwrap());
            assert_eq!(read.to_string(), bound.to_string());
        }
    }
}

/// Lasso with a sparse design, its gradient by the compiled program, by the analysis at the point and by the evaluator.
#[test]
fn gradients_and_ties_are_those_of_the_array() {
    let matrix = random(6, 4, 11);
    let text = "mean(abs(A @ w - y)) + 0.5*sum(relu(transpose(A) @ y - w)) + 0.1*norm1(w)";
    let array = parse(text, &[("A", &[6, 4]), ("w", &[4]), ("y", &[6])]).varying(&["w"]).unwrap();
    let bound = array.sparse(&["A"]).unwrap().bind("A", &matrix).unwrap();
    for seed in 0..20 {
        let (w, y) = (integers(&[4], seed), integers(&[6], seed + 50));
        let dense = array.at(&[matrix.to_dense(), w.clone(), y.clone()]).unwrap();
        let sparse = bound.at(&[w.clone(), y.clone()]).unwrap();
        assert_eq!(sparse.ties(0.0).unwrap().len(), dense.ties(0.0).unwrap().len());
        for policy in [Policy::default(), Policy::jax(), Policy::Random(seed as u64)] {
            assert!(common::close(
                sparse.gradient(&policy).unwrap()[0].data(),
                dense.gradient(&policy).unwrap()[0].data(),
                1e-12
            ));
        }
        let expected = dense.gradient(&Policy::default()).unwrap().remove(0);
        let mut gradient = vec![0.0; 4];
        let mut evaluator = Evaluator::new(&bound, &[y], Policy::default()).unwrap();
        evaluator.value_and_gradient(w.data(), &mut gradient).unwrap();
        assert!(common::close(&gradient, expected.data(), 1e-12));
    }
}

/// Steps of a proximal method: every step multiplies by the matrix and by its transpose.
#[test]
fn scans_hand_sparse_matrices_on() {
    let matrix = random(5, 3, 4);
    let step = "soft_threshold(c - 0.125*(transpose(A) @ (A @ c - b)), 0.0625)";
    let taken_transposed = "soft_threshold(c - 0.125*(T @ (b - c @ T)), 0.0625)";
    for text in [
        format!("fold(lambda c: {step}, w, length=4)"),
        format!("scan(lambda c, r: r * {step}, w, w, length=3)").replace("w, w,", "w, z,"),
        format!("g = lambda c: {step}\nfold(g, w, length=2) + g(w)"),
        format!("T = transpose(A)\nfold(lambda c: {taken_transposed}, w, length=3)"),
    ] {
        let inputs: &[(&str, &[usize])] = &[("A", &[5, 3]), ("w", &[3]), ("z", &[3, 3]), ("b", &[5])];
        let array = parse(&text, inputs).varying(&["w", "z"]).unwrap();
        let sparse = array.sparse(&["A"]).unwrap();
        let rest = [integers(&[3], 1), integers(&[3, 3], 2), integers(&[5], 3)];
        let all: Vec<Tensor> = std::iter::once(matrix.to_dense()).chain(rest.iter().cloned()).collect();
        let agree = |bound: &Program, dense: &Program, more: &[Tensor]| {
            let (bound, dense) = (bound.bind("A", &matrix).unwrap(), dense);
            let values = bound.eval(&[&rest[..], more].concat()).unwrap();
            let expected = dense.eval(&[&all[..], more].concat()).unwrap();
            assert!(common::close(&common::numbers(&values), &common::numbers(&expected), 1e-12), "{text}");
        };
        agree(&sparse, &array, &[]);
        let covector = integers(array.output_shapes()[0], 9);
        agree(&sparse.vjp().unwrap(), &array.vjp().unwrap(), &[covector]);
        let tangents = [integers(&[3], 4), integers(&[3, 3], 5)];
        agree(&sparse.linearize().unwrap(), &array.linearize().unwrap(), &tangents);
        let printed = sparse.vjp().unwrap().to_string();
        assert_eq!(parse_program(&registry(), &printed).unwrap().to_string(), printed);
        let at = sparse.bind("A", &matrix).unwrap();
        assert!(at.sparse(&["A"]).is_err(), "it is no input any more");
        at.at(&rest).unwrap();
    }
}

#[test]
fn a_report_does_not_write_a_matrix_out() {
    let matrix = Csr::from_entries(3, 3, &[(0, 1, 0.125)]).unwrap();
    let f = Program::trace(&[&[3]], |v| matrix.matmul(v[0]).abs().sum()).unwrap();
    let ties = f.at(&[[0.0, 0.0, 1.0].into()]).unwrap().ties(0.0).unwrap();
    assert_eq!(ties[0].source, "abs(csr_matmul(x0, …))");
    assert!(f.to_string().contains("values=[0.125]"));
}

#[test]
fn two_matrices_are_bound_one_after_the_other() {
    let (a, b) = (random(3, 4, 1), random(2, 3, 2));
    let array = parse("B @ (A @ x)", &[("A", &[3, 4]), ("B", &[2, 3]), ("x", &[4])]);
    let sparse = array.sparse(&["A", "B"]).unwrap();
    let x = integers(&[4], 3);
    let expected = array.eval(&[a.to_dense(), b.to_dense(), x.clone()]).unwrap();
    for order in [["A", "B"], ["B", "A"]] {
        let matrix = |name: &str| if name == "A" { &a } else { &b };
        let bound = order.iter().fold(sparse.clone(), |f, name| f.bind(name, matrix(name)).unwrap());
        assert_eq!(bound.eval(std::slice::from_ref(&x)).unwrap(), expected);
    }
}

#[test]
fn equal_products_with_different_matrices_are_not_merged() {
    // As many entries in the same places, so that nothing but the values tells them apart.
    let one = Csr::from_entries(2, 2, &[(0, 1, 1.0)]).unwrap();
    let two = Csr::from_entries(2, 2, &[(0, 1, 2.0)]).unwrap();
    for text in ["A @ x - B @ x", "fold(lambda c: A @ c, x, length=1) - fold(lambda c: B @ c, x, length=1)"] {
        let f = parse(text, &[("A", &[2, 2]), ("B", &[2, 2]), ("x", &[2])]);
        let bound = f.bind("A", &one).unwrap().bind("B", &two).unwrap().simplify();
        assert_eq!(bound.eval(&[[5.0, 7.0].into()]).unwrap()[0].data(), [-7.0, 0.0], "{bound}");
        let same = f.bind("A", &one).unwrap().bind("B", &one).unwrap().simplify();
        assert_eq!(same.eval(&[[5.0, 7.0].into()]).unwrap()[0].data(), [0.0, 0.0]);
    }
}

/// What declaring A sparse says, and the text that it points at.
fn refused(text: &str) -> (String, String) {
    let inputs: &[(&str, &[usize])] = &[("A", &[3, 3]), ("x", &[3]), ("X", &[3, 3])];
    let error: Error = parse(text, inputs).sparse(&["A"]).expect_err(text);
    assert!(matches!(&*error.fault, Fault::Sparse { input, .. } if input == "A"), "{text}: {error:?}");
    (error.to_string(), error.place.snippet().unwrap_or_default().to_string())
}

#[test]
fn what_takes_arrays_only_is_named_with_its_place() {
    for (text, op, place) in [
        ("sum(A) * 2", "sum", "sum(A)"),
        ("2 * A @ x", "multiply", "2 * A"),
        ("x + (A - X) @ x", "subtract", "A - X"),
        ("A[0] @ x", "getitem", "A[0]"),
        ("A.T @ x".replace(".T", "**2").as_str(), "power", "A**2"),
        ("solve(A, x)", "solve", "solve(A, x)"),
        ("transpose(A) + X", "add", "transpose(A) + X"),
        ("scan(lambda c, row: c + sum(row), 0, A)", "scan", "scan(lambda c, row: c + sum(row), 0, A)"),
        ("fold(lambda c: c + sum(A), 0, length=2)", "sum", "sum(A)"),
        ("g = lambda M: exp(M)\ng(A) @ x", "exp", "exp(M)"),
        ("unused = relu(A)\nx", "relu", "relu(A)"),
    ] {
        let (said, at) = refused(text);
        assert!(said.starts_with(&format!("{op} cannot take `A`, a sparse matrix: ")), "{text}: {said}");
        assert_eq!(at, place, "{text}: {said}");
    }
    let (said, at) = refused("x @ (A @ transpose(A)) @ x");
    assert!(said.starts_with("matmul cannot take `A`, a sparse matrix: the other factor is sparse too"), "{said}");
    assert_eq!(at, "A @ transpose(A)");
    let (said, _) = refused("transpose(A), x");
    assert!(said.starts_with("return cannot take `A`, a sparse matrix: a program returns arrays"), "{said}");
    // Read as a program, the place is one of that text; in Rust, a line.
    let error = parse_program(&registry(), "def f(A: sparse[3, 3]):\n    return sum(A)\n").expect_err("sum");
    assert_eq!(error.place.snippet(), Some("sum(A)"));
    let builder = clarke::Builder::new();
    let a = builder.input("A", &[3, 3], clarke::program::Role::Sparse);
    let error = builder.finish(&[a.abs().sum()]).expect_err("abs");
    assert!(error.to_string().starts_with("abs cannot take `A`, a sparse matrix"), "{error}");
    assert!(matches!(error.place, Place::Source { file, .. } if file.ends_with("sparse.rs")), "{error:?}");
}

#[test]
fn nothing_is_differentiated_in_it_and_nothing_batched_over_it() {
    let sparse = parse("sum(abs(A @ x))", &[("A", &[2, 3]), ("x", &[3])]).sparse(&["A"]).unwrap();
    assert_eq!(sparse.gradient().unwrap().outputs().len(), 1);
    assert_eq!(sparse.holding(&["A"]).unwrap(), sparse);
    assert_eq!(sparse.varying(&["x"]).unwrap(), sparse);
    assert_eq!(sparse.class(), sparse.holding(&[]).unwrap().bind("A", &random(2, 3, 1)).unwrap().class());
    let said = sparse.varying(&["x", "A"]).expect_err("a sparse matrix").to_string();
    assert!(said.starts_with("a derivative cannot take `A`, a sparse matrix: nothing is differentiated"), "{said}");
    let said = sparse.batch(&[true, true], 2).expect_err("a sparse matrix").to_string();
    assert!(said.starts_with("a batch cannot take `A`, a sparse matrix"), "{said}");
}

#[test]
fn it_is_bound_before_a_run() {
    let sparse = parse("sum(abs(A @ x))", &[("A", &[2, 3]), ("x", &[3])]).sparse(&["A"]).unwrap();
    let point = [random(2, 3, 1).to_dense(), integers(&[3], 1)];
    let errors = [
        sparse.eval(&point).expect_err("eval"),
        sparse.at(&point).expect_err("at"),
        sparse.compile::<f64>(Convention::MinNorm).call(&point).expect_err("call"),
        Evaluator::new(&sparse, &point[..1], Policy::default()).err().expect("an evaluator"),
    ];
    for error in errors {
        let expected = "a run cannot take `A`, a sparse matrix: it has no entries yet; \
                        bind them before, program.bind(\"A\", &matrix)";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_cannot_be_bound_is_an_error() {
    let f = parse("A @ x", &[("A", &[2, 3]), ("x", &[3])]);
    let said = |result: clarke::Result<Program>| result.expect_err("no program").to_string();
    assert!(said(f.bind("B", &random(2, 3, 1))).contains("unknown input `B`"));
    let shape = "input `A` has shape [2, 3], but was given [3, 2]";
    assert_eq!(said(f.bind("A", &random(3, 2, 1))), shape);
    let nan = Csr::from_entries(2, 3, &[(1, 2, f64::NAN)]).unwrap();
    assert!(said(f.bind("A", &nan)).starts_with("input `A` holds NaN (element [1, 2])"));
    assert!(said(f.sparse(&["x"])).contains("`x` is to be one, and a sparse matrix has rows and columns"));
    let text = "def f(A: sparse[3], x: [3]):\n    return A @ x\n";
    assert!(parse_program(&registry(), text).expect_err("a vector").to_string().contains("rows and columns"));
    assert!(Csr::from_entries(2, 3, &[(2, 0, 1.0)]).expect_err("a row outside").to_string().contains("(2, 0)"));
}

#[test]
fn matrices_are_made_of_entries_in_any_order() {
    let matrix = random(4, 5, 9);
    let mut entries: Vec<_> = matrix.entries().collect();
    entries.reverse();
    assert_eq!(Csr::from_entries(4, 5, &entries).unwrap().to_dense(), matrix.to_dense());
    assert_eq!(*matrix.t().t(), *Csr::from_entries(4, 5, &matrix.t().t().entries().collect::<Vec<_>>()).unwrap());
    let (dense, transposed) = (matrix.to_dense(), matrix.t().to_dense());
    assert!((0..20).all(|k| dense.data()[k] == transposed.data()[k % 5 * 4 + k / 5]));
}
