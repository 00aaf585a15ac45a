//! Functions that rearrange, pad, roll, multiply by subscripts or by sparse matrices, and look up rows: values against
//! numpy's, derivatives and batches against each other, mistakes.

mod common;

use clarke::Csr;
use clarke::op::axes::Axes;
use clarke::op::pad::PadMode;
use clarke::program::Role;
use clarke::{Builder, Error, Program, Tensor};
use common::linear::{batches, integers, laws, tensor};

/// Text, inputs with their shapes, the value's shape, the value.
type Case = (&'static str, &'static [(&'static str, &'static [usize])], &'static [usize], &'static [f64]);

/// The value of a text at integers is this, and its derivatives and batches agree with each other.
fn check((text, inputs, shape, value): &Case) {
    let f = clarke::parse(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"));
    let point: Vec<Tensor> = inputs.iter().enumerate().map(|(k, (_, shape))| integers(shape, k)).collect();
    assert_eq!(f.eval(&point).unwrap()[0], tensor(shape, value), "{text}");
    laws(&f);
}

// The same texts run in numpy 2.4.6, at arrays of the numbers that `integers` gives: the k-th input has seed k.
#[rustfmt::skip]
const NUMPY: &[Case] = &[
    ("expand_dims(x, 1)", &[("x", &[2, 3])], &[2, 1, 3], &[-5.0, 2.0, -2.0, 5.0, 1.0, -3.0]),
    ("expand_dims(x, (0, -1))", &[("x", &[2, 3])], &[1, 2, 3, 1], &[-5.0, 2.0, -2.0, 5.0, 1.0, -3.0]),
    ("squeeze(x)", &[("x", &[1, 3, 1])], &[3], &[-5.0, 2.0, -2.0]),
    ("squeeze(x, -1)", &[("x", &[1, 3, 1])], &[1, 3], &[-5.0, 2.0, -2.0]),
    ("swapaxes(x, 0, -1)", &[("x", &[2, 3, 2])], &[2, 3, 2], &[-5.0, 4.0, -2.0, -4.0, 1.0, -1.0, 2.0, 0.0, 5.0, 3.0, -3.0, -5.0]),
    ("moveaxis(x, 0, -1)", &[("x", &[2, 3, 2])], &[3, 2, 2], &[-5.0, 4.0, 2.0, 0.0, -2.0, -4.0, 5.0, 3.0, 1.0, -1.0, -3.0, -5.0]),
    ("moveaxis(x, (0, 1), (-1, 0))", &[("x", &[2, 3, 2])], &[3, 2, 2], &[-5.0, 4.0, 2.0, 0.0, -2.0, -4.0, 5.0, 3.0, 1.0, -1.0, -3.0, -5.0]),
    ("ravel(x)", &[("x", &[2, 3])], &[6], &[-5.0, 2.0, -2.0, 5.0, 1.0, -3.0]),
    ("flip(x)", &[("x", &[2, 3])], &[2, 3], &[-3.0, 1.0, 5.0, -2.0, 2.0, -5.0]),
    ("flip(x, axis=1)", &[("x", &[2, 3])], &[2, 3], &[-2.0, 2.0, -5.0, -3.0, 1.0, 5.0]),
    ("flip(x, (0, 2))", &[("x", &[2, 2, 2])], &[2, 2, 2], &[-3.0, 1.0, 0.0, 4.0, 2.0, -5.0, 5.0, -2.0]),
    ("repeat(x, 2)", &[("x", &[2, 3])], &[12], &[-5.0, -5.0, 2.0, 2.0, -2.0, -2.0, 5.0, 5.0, 1.0, 1.0, -3.0, -3.0]),
    ("repeat(x, 3, axis=-1)", &[("x", &[2, 2])], &[2, 6], &[-5.0, -5.0, -5.0, 2.0, 2.0, 2.0, -2.0, -2.0, -2.0, 5.0, 5.0, 5.0]),
    ("repeat(x, 0, axis=0)", &[("x", &[2, 3])], &[0, 3], &[]),
    ("tile(x, 2)", &[("x", &[2, 3])], &[2, 6], &[-5.0, 2.0, -2.0, -5.0, 2.0, -2.0, 5.0, 1.0, -3.0, 5.0, 1.0, -3.0]),
    ("tile(x, (2, 1, 2))", &[("x", &[2, 2])], &[2, 2, 4], &[-5.0, 2.0, -5.0, 2.0, -2.0, 5.0, -2.0, 5.0, -5.0, 2.0, -5.0, 2.0, -2.0, 5.0, -2.0, 5.0]),
    ("tile(x, (2, 2))", &[("x", &[3])], &[2, 6], &[-5.0, 2.0, -2.0, -5.0, 2.0, -2.0, -5.0, 2.0, -2.0, -5.0, 2.0, -2.0]),
    ("tile(x, 3)", &[("x", &[])], &[3], &[-5.0, -5.0, -5.0]),
    ("pad(x, 1)", &[("x", &[2, 2])], &[4, 4], &[0.0, 0.0, 0.0, 0.0, 0.0, -5.0, 2.0, 0.0, 0.0, -2.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("pad(x, (1, 2))", &[("x", &[2])], &[5], &[0.0, -5.0, 2.0, 0.0, 0.0]),
    ("pad(x, ((0, 2), (1, 0)), constant_values=7.5)", &[("x", &[2, 2])], &[4, 3], &[7.5, -5.0, 2.0, 7.5, -2.0, 5.0, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5]),
    ("pad(x, ((1, 0),), \"edge\")", &[("x", &[2, 2])], &[3, 3], &[-5.0, -5.0, 2.0, -5.0, -5.0, 2.0, -2.0, -2.0, 5.0]),
    ("pad(x, ((1, 2), (0, 1)), mode=\"edge\")", &[("x", &[2, 3])], &[5, 4], &[-5.0, 2.0, -2.0, -2.0, -5.0, 2.0, -2.0, -2.0, 5.0, 1.0, -3.0, -3.0, 5.0, 1.0, -3.0, -3.0, 5.0, 1.0, -3.0, -3.0]),
    ("pad(x, (2, 1), mode=\"reflect\")", &[("x", &[3])], &[6], &[-2.0, 2.0, -5.0, 2.0, -2.0, 2.0]),
    ("pad(x, (3, 2), mode=\"symmetric\")", &[("x", &[3])], &[8], &[-2.0, 2.0, -5.0, -5.0, 2.0, -2.0, -2.0, 2.0]),
    ("pad(x, (3, 2), mode=\"wrap\")", &[("x", &[3])], &[8], &[-5.0, 2.0, -2.0, -5.0, 2.0, -2.0, -5.0, 2.0]),
    ("pad(x, ((1, 1), (2, 1)), mode=\"reflect\")", &[("x", &[2, 3])], &[4, 6], &[-3.0, 1.0, 5.0, 1.0, -3.0, 1.0, -2.0, 2.0, -5.0, 2.0, -2.0, 2.0, -3.0, 1.0, 5.0, 1.0, -3.0, 1.0, -2.0, 2.0, -5.0, 2.0, -2.0, 2.0]),
    ("roll(x, 1)", &[("x", &[2, 3])], &[2, 3], &[-3.0, -5.0, 2.0, -2.0, 5.0, 1.0]),
    ("roll(x, -4)", &[("x", &[2, 3])], &[2, 3], &[1.0, -3.0, -5.0, 2.0, -2.0, 5.0]),
    ("roll(x, 1, axis=0)", &[("x", &[3, 2])], &[3, 2], &[1.0, -3.0, -5.0, 2.0, -2.0, 5.0]),
    ("roll(x, (1, -2), axis=(0, 1))", &[("x", &[2, 3])], &[2, 3], &[-3.0, 5.0, 1.0, -2.0, -5.0, 2.0]),
    ("roll(x, 1, axis=(0, 1))", &[("x", &[2, 3])], &[2, 3], &[-3.0, 5.0, 1.0, -2.0, -5.0, 2.0]),
    ("diag(x)", &[("x", &[2])], &[2, 2], &[-5.0, 0.0, 0.0, 2.0]),
    ("diag(x, -1)", &[("x", &[2])], &[3, 3], &[0.0, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 2.0, 0.0]),
    ("diag(x, 2)", &[("x", &[1])], &[3, 3], &[0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("diag(x)", &[("x", &[3, 2])], &[2], &[-5.0, 5.0]),
    ("diag(x, k=1)", &[("x", &[2, 3])], &[2], &[2.0, -3.0]),
    ("diag(x, -2)", &[("x", &[3, 2])], &[1], &[1.0]),
    ("diag(x, 5)", &[("x", &[2, 2])], &[0], &[]),
    ("diagonal(x)", &[("x", &[2, 3, 2])], &[2, 2], &[-5.0, -4.0, 2.0, 3.0]),
    ("diagonal(x, 1, 1, 2)", &[("x", &[2, 3, 3])], &[2, 2], &[2.0, -3.0, -1.0, 5.0]),
    ("diagonal(x, -1, axis1=2, axis2=0)", &[("x", &[2, 2, 3])], &[2, 2], &[2.0, -4.0, 1.0, -5.0]),
    ("trace(x)", &[("x", &[3, 3])], &[], &[-8.0]),
    ("trace(x, offset=1)", &[("x", &[2, 3])], &[], &[-1.0]),
    ("trace(x)", &[("x", &[2, 2, 2])], &[2], &[-1.0, 2.0]),
    ("tril(x)", &[("x", &[3, 3])], &[3, 3], &[-5.0, 0.0, 0.0, 5.0, 1.0, 0.0, 4.0, 0.0, -4.0]),
    ("tril(x, -1)", &[("x", &[3, 2])], &[3, 2], &[0.0, 0.0, -2.0, 0.0, 1.0, -3.0]),
    ("triu(x, 1)", &[("x", &[2, 2, 3])], &[2, 2, 3], &[0.0, 2.0, -2.0, 0.0, 0.0, -3.0, 0.0, 0.0, -4.0, 0.0, 0.0, -5.0]),
    ("triu(x, -1)", &[("x", &[3, 3])], &[3, 3], &[-5.0, 2.0, -2.0, 5.0, 1.0, -3.0, 0.0, 0.0, -4.0]),
    ("tril(x, 9)", &[("x", &[2, 2])], &[2, 2], &[-5.0, 2.0, -2.0, 5.0]),
    ("triu(x, 9)", &[("x", &[2, 2])], &[2, 2], &[0.0, 0.0, 0.0, 0.0]),
    ("outer(a, b)", &[("a", &[2]), ("b", &[3])], &[2, 3], &[-20.0, -0.0, 20.0, 8.0, 0.0, -8.0]),
    ("outer(a, b)", &[("a", &[2, 2]), ("b", &[2])], &[4, 2], &[-20.0, -0.0, 8.0, 0.0, -8.0, -0.0, 20.0, 0.0]),
    ("einsum(\"ij,jk->ik\", a, b)", &[("a", &[2, 3]), ("b", &[3, 2])], &[2, 2], &[-26.0, 16.0, 19.0, 18.0]),
    ("einsum(\"ij,jk\", a, b)", &[("a", &[2, 3]), ("b", &[3, 2])], &[2, 2], &[-26.0, 16.0, 19.0, 18.0]),
    ("einsum(\"ba\", a)", &[("a", &[2, 3])], &[3, 2], &[-5.0, 5.0, 2.0, 1.0, -2.0, -3.0]),
    ("einsum(\"ii\", a)", &[("a", &[3, 3])], &[], &[-8.0]),
    ("einsum(\"ii->i\", a)", &[("a", &[3, 3])], &[3], &[-5.0, 1.0, -4.0]),
    ("einsum(\"iji->j\", a)", &[("a", &[2, 3, 2])], &[3], &[-5.0, 1.0, -4.0]),
    ("einsum(\"ij->ji\", a)", &[("a", &[2, 3])], &[3, 2], &[-5.0, 5.0, 2.0, 1.0, -2.0, -3.0]),
    ("einsum(\"ij->\", a)", &[("a", &[2, 3])], &[], &[-2.0]),
    ("einsum(\"bij,bjk->bik\", a, b)", &[("a", &[2, 2, 3]), ("b", &[2, 3, 2])], &[2, 2, 2], &[-26.0, 16.0, 19.0, 18.0, 20.0, -24.0, 16.0, -27.0]),
    ("einsum(\"bij,kjb->ikb\", a, b)", &[("a", &[2, 2, 3]), ("b", &[2, 3, 2])], &[2, 2, 2], &[-26.0, 20.0, 6.0, -24.0, 19.0, 22.0, 24.0, -27.0]),
    ("einsum(\"i,i\", a, b)", &[("a", &[3]), ("b", &[3])], &[], &[-12.0]),
    ("einsum(\"i,j->ji\", a, b)", &[("a", &[2]), ("b", &[3])], &[3, 2], &[-20.0, 8.0, 0.0, 0.0, 20.0, -8.0]),
    ("einsum(\"i,ij,j->\", a, b, c)", &[("a", &[2]), ("b", &[2, 3]), ("c", &[3])], &[], &[26.0]),
    ("einsum(\"ij,ik,il->jkl\", a, b, c)", &[("a", &[2, 2]), ("b", &[2, 2]), ("c", &[2, 2])], &[2, 2, 2], &[0.0, 48.0, -30.0, -6.0, -84.0, -36.0, 75.0, 15.0]),
    ("einsum(\"abc,cd,bd->ad\", a, b, c)", &[("a", &[2, 3, 2]), ("b", &[2, 3]), ("c", &[3, 3])], &[2, 3], &[-21.0, 7.0, 15.0, 25.0, -11.0, 11.0]),
    ("einsum(\"ij,ij->ij\", a, b)", &[("a", &[2, 2]), ("b", &[2, 2])], &[2, 2], &[-20.0, 0.0, 8.0, 15.0]),
    ("einsum(\"ij,ij\", a, b)", &[("a", &[2, 3]), ("b", &[2, 3])], &[], &[17.0]),
    ("einsum(\"ij,kl->ik\", a, b)", &[("a", &[2, 2]), ("b", &[2, 3])], &[2, 2], &[0.0, 9.0, 0.0, -9.0]),
    ("einsum(\",i->i\", a, b)", &[("a", &[]), ("b", &[3])], &[3], &[-20.0, 0.0, 20.0]),
    ("einsum(\"ijk,jkl->il\", a, b)", &[("a", &[2, 2, 3]), ("b", &[2, 3, 2])], &[2, 2], &[-2.0, -5.0, 36.0, -7.0]),
    ("einsum(\"ikj,jkl->il\", a, b)", &[("a", &[2, 3, 2]), ("b", &[2, 3, 2])], &[2, 2], &[25.0, -22.0, 63.0, -24.0]),
];

#[test]
fn values_are_numpys() {
    NUMPY.iter().for_each(check);
}

#[test]
fn rust_and_text_say_the_same() {
    type Made = for<'p> fn(&[clarke::Var<'p>]) -> clarke::Var<'p>;
    let pairs: &[(Made, &str, &[usize])] = &[
        (|v| v[0].expand_dims(&[0, -1]), "expand_dims(x0, (0, -1))", &[2, 3]),
        (|v| v[0].squeeze(), "squeeze(x0)", &[1, 3]),
        (|v| v[0].squeeze_axes(&[0]), "squeeze(x0, 0)", &[1, 3]),
        (|v| v[0].swapaxes(0, -1), "swapaxes(x0, 0, -1)", &[2, 3]),
        (|v| v[0].moveaxis(&[0], &[-1]), "moveaxis(x0, 0, -1)", &[2, 3, 4]),
        (|v| v[0].ravel(), "ravel(x0)", &[2, 3]),
        (|v| v[0].flip(&Axes::one(1)), "flip(x0, 1)", &[2, 3]),
        (|v| v[0].flip(&Axes::all()), "flip(x0)", &[2, 3]),
        (|v| v[0].repeat(2, Some(0)), "repeat(x0, 2, 0)", &[2, 3]),
        (|v| v[0].repeat(2, None), "repeat(x0, 2)", &[2, 3]),
        (|v| v[0].tile(&[2, 1]), "tile(x0, (2, 1))", &[2, 3]),
        (
            |v| v[0].pad(&[(1, 0), (0, 2)], PadMode::Constant(0.5)),
            "pad(x0, ((1, 0), (0, 2)), constant_values=0.5)",
            &[2, 3],
        ),
        (|v| v[0].pad(&[(1, 1)], PadMode::Reflect), "pad(x0, 1, \"reflect\")", &[3]),
        (|v| v[0].pad(&[(1, 1)], PadMode::Symmetric), "pad(x0, 1, \"symmetric\")", &[3]),
        (|v| v[0].pad(&[(1, 1)], PadMode::Wrap), "pad(x0, 1, 'wrap')", &[3]),
        (|v| v[0].roll(2, Some(0)), "roll(x0, 2, 0)", &[2, 3]),
        (|v| v[0].roll(2, None), "roll(x0, 2)", &[2, 3]),
        (|v| v[0].diag(1), "diag(x0, 1)", &[2, 3]),
        (|v| v[0].diagonal(0, 1, 2), "diagonal(x0, 0, 1, 2)", &[2, 3, 3]),
        (|v| v[0].trace(), "trace(x0)", &[3, 3]),
        (|v| v[0].tril(-1), "tril(x0, -1)", &[3, 3]),
        (|v| v[0].triu(1), "triu(x0, 1)", &[3, 3]),
        (|v| v[0].outer(v[0]), "outer(x0, x0)", &[2]),
        (|v| v[0].einsum("ij,kj->ik", &[v[0]]), "einsum(\"ij,kj->ik\", x0, x0)", &[2, 3]),
        (|v| v[0].index_add(&[1, 1], v[0], 0), "index_add(x0, [1, 1], x0)", &[2, 3]),
    ];
    for (made, text, shape) in pairs {
        let traced = Program::trace(&[shape], made).unwrap();
        let read = clarke::parse(text, &[("x0", shape)]).unwrap();
        assert_eq!(traced.to_string(), read.to_string(), "{text}");
    }
}

/// What is written out costs no more than what one would write by hand.
#[test]
fn what_is_written_out_is_short() {
    let printed = |text: &str, inputs: &[(&str, &[usize])]| {
        let all = clarke::parse(text, inputs).unwrap().to_string();
        all.split("return ").nth(1).unwrap_or_default().trim().to_string()
    };
    let ab: &[(&str, &[usize])] = &[("a", &[2, 3]), ("b", &[3, 4])];
    assert_eq!(printed("einsum(\"ij,jk->ik\", a, b)", ab), "a @ b");
    assert_eq!(printed("einsum(\"ij,jk->ik\", b, c)", &[("b", &[3, 4]), ("c", &[4, 2])]), "b @ c");
    assert_eq!(
        printed("einsum(\"ij,kj->ik\", a, c)", &[("a", &[2, 3]), ("c", &[4, 3])]),
        "matmul(a, c, transpose_b=True)"
    );
    assert_eq!(
        printed("einsum(\"ji,jk->ik\", a, c)", &[("a", &[3, 2]), ("c", &[3, 4])]),
        "matmul(a, c, transpose_a=True)"
    );
    assert_eq!(printed("einsum(\"ij,j->i\", a, c)", &[("a", &[2, 3]), ("c", &[3])]), "a @ c");
    assert_eq!(printed("moveaxis(a, 0, 0)", ab), "a");
    assert_eq!(printed("flip(a, 1)", ab), "a[:, 2::-1]");
    assert_eq!(printed("diag(c)", &[("c", &[3, 3])]), "reshape(c, shape=(9,))[:9:4]");
}

/// Three factors are multiplied in the order that keeps the products small: (a b) c would hold 10⁶ numbers.
#[test]
fn einsum_takes_the_small_product_first() {
    let inputs: &[(&str, &[usize])] = &[("a", &[1000]), ("b", &[1000]), ("c", &[1000])];
    let f = clarke::parse("einsum(\"i,j,j->i\", a, b, c)", inputs).unwrap();
    assert!(f.nodes().iter().all(|n| n.shape.iter().product::<usize>() <= 1000), "{f}");
}

fn mistake(text: &str, inputs: &[(&str, &[usize])]) -> String {
    clarke::parse(text, inputs).map(|f| f.to_string()).expect_err(text).to_string()
}

#[test]
fn mistakes_say_what_is_wrong() {
    let cases: &[(&str, &str)] = &[
        ("expand_dims(x, 3)", "axis is 3"),
        ("expand_dims(x, (0, 0))", "axis 0 is named twice"),
        ("squeeze(x, 0)", "axis 0 has length 2, not 1"),
        ("swapaxes(x, 0, 2)", "swapaxes: axis is 2"),
        ("moveaxis(x, (0, 1), 0)", "as many are needed as the 2 of source"),
        ("moveaxis(x, (0, 0), (0, 1))", "axis 0 is named twice"),
        ("flip(x, 2)", "flip: axis is 2"),
        ("repeat(x, -1)", "`repeats` must not be negative"),
        ("repeat(x, 2, 5)", "repeat: axis is 5"),
        ("tile(x, (1, -1))", "must not hold negative numbers"),
        ("pad(x, -1)", "widths are not negative"),
        ("pad(x, 0.5)", "`pad_width` must be n, (before, after)"),
        ("pad(x, ((1, 1), (1, 1), (1, 1)))", "3 pairs for an array of 2 axes"),
        ("pad(x, 1, \"mirror\")", "`mode` cannot be \"mirror\""),
        ("pad(x, 1, 3)", "`mode` must be a text in quotes, not the number 3"),
        ("pad(x, 3, \"wrap\")", "axis 0 has length 2, which gives at most 2 entries"),
        ("pad(x, 2, \"reflect\")", "axis 0 has length 2, which gives at most 1"),
        ("roll(x, 1, 2)", "roll: axis is 2"),
        ("roll(x, (1, 2, 3), (0, 1))", "a number for each of the 2 axes, or one for all"),
        ("diag(stack([x, x]))", "it takes a vector or a matrix"),
        ("diagonal(x, 0, 1, 1)", "the two axes of a diagonal must differ"),
        ("trace(x[0])", "trace: axis is 1"),
        ("tril(x[0])", "it takes a matrix, or a stack of them"),
        ("einsum(\"ij,jk\", x)", "\"ij,jk\", but it has 2 terms for 1 operands"),
        ("einsum(\"i\", x)", "operand 0 has 2 axes (shape [2, 3]), but its term is `i`"),
        ("einsum(\"ij,kj->ij\", x, transpose(x))", "`j` has length 3 in operand 0 and 2 in operand 1"),
        ("einsum(\"ij->ik\", x)", "`k` is in the value, but in no operand"),
        ("einsum(\"ij->ii\", x)", "`i` occurs twice in the value"),
        ("einsum(\"...j\", x)", "every axis needs a letter"),
        ("einsum(\"i1\", x)", "`1` is no letter"),
        ("einsum(x, x)", "`subscripts` must be a text in quotes"),
        ("index_add(x, [2], x)", "index_add: index is 2"),
        ("index_add(x, [1], x)", "the source must have shape [1, 3]"),
        ("embedding(x, [2])", "index is 2, but axis 0 has length 2"),
        ("embedding(x, [0.5])", "`indices` must hold integers"),
        ("pad(x, 1, \"edge)", "a quoted text ends on its line"),
        ("\"text\"", "an array or number is wanted here, not the text \"text\""),
        ("\"a\" + x", "an array or number was expected, not the text \"a\""),
    ];
    for (text, part) in cases {
        let message = mistake(text, &[("x", &[2, 3])]);
        assert!(message.contains(part), "{text}: {message}");
    }
}

/// In Rust, where the mistake is made is the line that made it.
#[test]
fn mistakes_in_rust_have_their_line() {
    let line = line!() + 1;
    let error = Program::trace(&[&[2, 3]], |v| v[0].einsum("ij,jk->ik", &[v[0]])).expect_err("3 is not 2");
    assert!(error.to_string().contains(&format!("ops_rearranging.rs:{line}")), "{error}");
    let line = line!() + 1;
    let error = Program::trace(&[&[2]], |v| v[0].pad(&[(9, 0)], PadMode::Wrap)).expect_err("9 is over 2");
    assert!(error.to_string().contains(&format!("ops_rearranging.rs:{line}")), "{error}");
}

#[test]
fn text_in_quotes_may_hold_what_is_elsewhere_a_bracket_or_a_comment() {
    assert!(mistake("pad(x, 1, \"(#]\")", &[("x", &[2])]).contains("`mode` cannot be \"(#]\""));
    assert!(mistake("pad(x, 1, 'a\"b')", &[("x", &[2])]).contains("a\"b"));
    let f = clarke::parse("m = \"edge\"\npad(x, 1, m)  # \"", &[("x", &[2])]).unwrap();
    assert_eq!(f.eval(&[[1.0, 2.0].into()]).unwrap()[0].data(), [1.0, 1.0, 2.0, 2.0]);
    let f = clarke::parse("m = 'edge'\ndef g(a):\n    return pad(a, 1, m)\ng(x)", &[("x", &[2])]).unwrap();
    assert_eq!(f.eval(&[[1.0, 2.0].into()]).unwrap()[0].data(), [1.0, 1.0, 2.0, 2.0]);
}

/// The padding is affine where it is not zero: derivatives of every order see the inner entries alone.
#[test]
fn padding_with_infinity_has_finite_derivatives() {
    let f = clarke::parse("max(pad(x, 1, constant_values=-inf)**1, axis=0)", &[("x", &[3])]).unwrap();
    let g = f.gradient().unwrap().eval(&[[1.0, 3.0, 2.0].into()]).unwrap();
    assert_eq!(g[0].data(), [0.0, 1.0, 0.0]);
}

fn lookup(shape: &[usize], count: usize) -> Program {
    let builder = Builder::new();
    let table = builder.input("t", shape, Role::Argument);
    let indices = builder.input("i", &[count], Role::Data);
    builder.finish(&[table.embedding(indices)]).unwrap()
}

#[test]
fn rows_are_looked_up_by_data() {
    let f = lookup(&[3, 2], 4);
    assert_eq!(f.to_string(), "def f(t: [3, 2], i: data[4]):\n    return embedding(t, i)\n");
    assert_eq!(clarke::text::parse_program(&clarke::registry(), &f.to_string()).unwrap().to_string(), f.to_string());
    let table = tensor(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let at = |i: [f64; 4]| f.eval(&[table.clone(), i.into()]).unwrap().remove(0);
    assert_eq!(at([2.0, 0.0, 2.0, -1.0]), tensor(&[4, 2], &[5.0, 6.0, 1.0, 2.0, 5.0, 6.0, 5.0, 6.0]));
    // No position of the table: no number.
    for wrong in [3.0, -4.0, 0.5, f64::NAN, f64::INFINITY, 1e300] {
        let rows = at([wrong, 0.0, 0.0, 0.0]);
        assert!(rows.data()[..2].iter().all(|x| x.is_nan()), "{wrong}");
        assert_eq!(rows.data()[2..4], [1.0, 2.0]);
    }
    let single = f.compile_with::<f32>(&|_| 0.0).call(&[table.clone(), [1.0, 1.0, 0.0, -3.0].into()]).unwrap();
    assert_eq!(single[0].data(), [3.0, 4.0, 3.0, 4.0, 1.0, 2.0, 1.0, 2.0]);
    // Rows that are looked up twice get both cotangents.
    let vjp = f.vjp().unwrap();
    let y = tensor(&[4, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let back = vjp.eval(&[table.clone(), [2.0, 0.0, 2.0, -1.0].into(), y.clone()]).unwrap();
    assert_eq!(back, [tensor(&[3, 2], &[3.0, 4.0, 0.0, 0.0, 13.0, 16.0])]);
    let jvp = f.linearize().unwrap();
    let along = jvp.eval(&[table.clone(), [2.0, 0.0, 2.0, -1.0].into(), table.clone()]).unwrap();
    assert_eq!(along[0], along[1]);
    for program in [&f, &vjp, &jvp] {
        batches(program);
        assert_eq!(
            clarke::text::parse_program(&clarke::registry(), &program.to_string()).unwrap().to_string(),
            program.to_string()
        );
    }
    for shape in [&[3][..], &[2, 2, 2]] {
        batches(&lookup(shape, 2).vjp().unwrap());
    }
}

#[test]
fn indices_have_no_derivative() {
    let f = clarke::parse("embedding(t, i)", &[("t", &[3, 2]), ("i", &[2])]).unwrap();
    let error: Error = f.vjp().expect_err("the indices are a variable");
    assert!(error.to_string().contains("make the indices data"), "{error}");
}

fn matrix() -> Tensor {
    tensor(&[3, 4], &[0.0, 2.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 3.0])
}

#[test]
fn sparse_products_are_the_dense_ones() {
    let a = Csr::from_dense(&matrix()).unwrap();
    assert_eq!((a.shape(), a.nnz(), a.to_dense()), ([3, 4], 4, matrix()));
    for shape in [&[4][..], &[4, 1], &[4, 5], &[2, 4, 3], &[0, 4, 3], &[4, 0]] {
        let sparse = Program::trace(&[shape], |v| a.matmul(v[0])).unwrap();
        let dense = Program::trace(&[shape], |v| v[0].constant(matrix()).matmul(v[0])).unwrap();
        let x = integers(shape, 3);
        assert_eq!(
            sparse.eval(std::slice::from_ref(&x)).unwrap(),
            dense.eval(std::slice::from_ref(&x)).unwrap(),
            "{shape:?}"
        );
        laws(&sparse);
    }
    for shape in [&[3][..], &[2, 3], &[2, 5, 3]] {
        let sparse = Program::trace(&[shape], |v| a.rmatmul(v[0])).unwrap();
        let dense = Program::trace(&[shape], |v| v[0].matmul(v[0].constant(matrix()))).unwrap();
        let x = integers(shape, 4);
        assert_eq!(
            sparse.eval(std::slice::from_ref(&x)).unwrap(),
            dense.eval(std::slice::from_ref(&x)).unwrap(),
            "{shape:?}"
        );
        laws(&sparse);
    }
    // Entries of one place add up; rows may be empty, and so may the matrix.
    let twice = Csr::new(2, 2, vec![0, 0, 3], vec![1, 0, 1], vec![2.0, 1.0, 0.5]).unwrap();
    assert_eq!(twice.to_dense(), tensor(&[2, 2], &[0.0, 0.0, 1.0, 2.5]));
    let f = Program::trace(&[&[2]], |v| twice.matmul(v[0])).unwrap();
    assert_eq!(f.eval(&[[3.0, 4.0].into()]).unwrap()[0].data(), [0.0, 13.0]);
    let none = Csr::new(2, 3, vec![0, 0, 0], vec![], vec![]).unwrap();
    let f = Program::trace(&[&[3]], |v| none.matmul(v[0])).unwrap();
    assert_eq!(f.eval(&[[3.0, 4.0, 5.0].into()]).unwrap()[0].data(), [0.0, 0.0]);
    let printed = f.to_string();
    assert_eq!(clarke::text::parse_program(&clarke::registry(), &printed).unwrap().to_string(), printed);
}

#[test]
fn sparse_parts_that_do_not_fit_are_refused() {
    let new = |rows, indptr: &[usize], indices: &[usize], count| {
        Csr::new(rows, 2, indptr.to_vec(), indices.to_vec(), vec![1.0; count])
            .expect_err("parts that do not fit")
            .to_string()
    };
    assert!(new(2, &[0, 1], &[0], 1).contains("2 rows need one more than that"));
    assert!(new(1, &[0, 2], &[0], 2).contains("there are 2 values"));
    assert!(new(1, &[1, 1], &[0], 1).contains("the first row begins at 0"));
    assert!(new(2, &[0, 1, 0], &[0], 1).contains("row 1 begins at 1"));
    assert!(new(1, &[0, 0], &[0], 1).contains("the last row ends with the last of the 1 values"));
    assert!(new(1, &[0, 1], &[2], 1).contains("the matrix has 2 columns"));
    assert!(new(usize::MAX, &[0], &[], 0).contains("indptr"));
    assert!(Csr::from_dense(&[1.0].into()).is_err());
    let a = Csr::from_dense(&matrix()).unwrap();
    let error = Program::trace(&[&[3]], |v| a.matmul(v[0])).expect_err("4 columns").to_string();
    assert!(error.contains("3 x 4, multiplies a vector or matrices of 4 rows"), "{error}");
}
