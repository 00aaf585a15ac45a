//! Products, slices, gathers and joins: values against numbers written by hand and naive loops, and their derivatives
//! and batches against each other.
//!
//! Inputs are small integers, so that every order of additions gives the same numbers and equality is exact.

mod common;

use clarke::op::gather::{ScatterAdd, Take};
use clarke::op::index::{GetItem, Index, PutSlice};
use clarke::op::join::{Concatenate, Stack};
use clarke::op::linalg::{Dot, MatMul};
use clarke::op::shape::Transpose;
use clarke::program::call::{Call, Value};
use clarke::program::op::{Entry, Param};
use clarke::program::{Kind, Role};
use clarke::{Builder, Error, Place, Program, Tensor, Var};
use common::linear::{inputs_of, integers, laws, size, tensor};
use proptest::prelude::*;

fn trace(shapes: &[&[usize]], f: impl for<'p> FnOnce(&[Var<'p>]) -> Var<'p>) -> Program {
    Program::trace(shapes, f).unwrap()
}

/// Reads a call as the parser of program text would make it.
fn call(
    entry: Entry,
    shapes: &[&[usize]],
    args: impl for<'p> Fn(&[Var<'p>]) -> Vec<Value<'p>>,
) -> Result<Program, Error> {
    call_with(entry, shapes, args, &[])
}

fn call_with(
    entry: Entry,
    shapes: &[&[usize]],
    args: impl for<'p> Fn(&[Var<'p>]) -> Vec<Value<'p>>,
    keywords: &[(&str, f64)],
) -> Result<Program, Error> {
    let builder = Builder::new();
    let vars: Vec<Var<'_>> =
        shapes.iter().enumerate().map(|(k, s)| builder.input(&format!("x{k}"), s, Role::Argument)).collect();
    let args = args(&vars);
    let keywords: Vec<(String, Value<'_>)> = keywords.iter().map(|(n, x)| (n.to_string(), Value::Number(*x))).collect();
    let out = (entry.call)(&Call {
        builder: &builder,
        name: entry.name,
        signature: entry.signature,
        args: &args,
        keywords: &keywords,
        place: Place::Unknown,
    })?;
    builder.finish(&[out])
}

fn message(result: Result<Program, Error>) -> String {
    result.expect_err("the call is wrong").fault.to_string()
}

fn refused(shapes: &[&[usize]], f: impl for<'p> FnOnce(&[Var<'p>]) -> Var<'p>) -> String {
    let error = Program::trace(shapes, f).expect_err("the program is wrong");
    assert!(matches!(&error.place, Place::Source { file, .. } if file.ends_with("ops_arrays.rs")), "{error}");
    error.fault.to_string()
}

/// numpy's matmul by its definition.
fn naive_matmul(a: &Tensor, ta: bool, b: &Tensor, tb: bool) -> Tensor {
    let as_matrix = |t: &Tensor, left: bool| match t.shape() {
        [n] if left => vec![1, *n],
        [n] => vec![*n, 1],
        s => s.to_vec(),
    };
    let (sa, sb) = (as_matrix(a, true), as_matrix(b, false));
    let (la, lb) = (sa.len() - 2, sb.len() - 2);
    let [m, k] = if ta { [sa[la + 1], sa[la]] } else { [sa[la], sa[la + 1]] };
    let p = if tb { sb[lb] } else { sb[lb + 1] };
    let rank = la.max(lb);
    let dim = |s: &[usize], own: usize, axis: usize| if axis < rank - own { 1 } else { s[axis + own - rank] };
    let lead: Vec<usize> = (0..rank)
        .map(|x| match (dim(&sa, la, x), dim(&sb, lb, x)) {
            (1, n) => n,
            (n, _) => n,
        })
        .collect();
    let start = |s: &[usize], own: usize, index: &[usize]| {
        (rank - own..rank).fold(0, |at, x| at * dim(s, own, x) + if dim(s, own, x) == 1 { 0 } else { index[x] })
    };
    let mut data = vec![];
    for flat in 0..size(&lead) {
        let mut rest = flat;
        let mut index = vec![0; rank];
        for x in (0..rank).rev() {
            index[x] = rest % lead[x];
            rest /= lead[x];
        }
        let (oa, ob) = (start(&sa, la, &index) * m * k, start(&sb, lb, &index) * k * p);
        for i in 0..m {
            for j in 0..p {
                let term = |l: usize| {
                    a.data()[oa + if ta { l * m + i } else { i * k + l }]
                        * b.data()[ob + if tb { j * k + l } else { l * p + j }]
                };
                data.push((0..k).map(term).sum());
            }
        }
    }
    let mut shape = lead;
    shape.extend((a.shape().len() > 1).then_some(m));
    shape.extend((b.shape().len() > 1).then_some(p));
    Tensor::new(&shape, data).unwrap()
}

const PRODUCTS: &[(&[usize], &[usize])] = &[
    (&[3], &[3]),
    (&[2, 3], &[3]),
    (&[3], &[3, 2]),
    (&[2, 3], &[3, 4]),
    (&[1, 3], &[3, 1]),
    (&[2, 1], &[1, 4]),
    (&[5, 2, 3], &[3]),
    (&[3], &[5, 3, 2]),
    (&[5, 2, 3], &[3, 4]),
    (&[2, 3], &[5, 3, 4]),
    (&[5, 2, 3], &[5, 3, 4]),
    (&[2, 1, 2, 3], &[4, 3, 2]),
    (&[4, 2, 3], &[2, 1, 3, 2]),
    (&[1, 2, 3], &[4, 3, 2]),
    (&[0, 3], &[3]),
    (&[2, 0], &[0, 3]),
    (&[2, 0], &[0]),
    (&[0], &[0]),
    (&[0, 2, 3], &[3, 4]),
    (&[0, 2, 3], &[0, 3, 4]),
];

fn turned(shape: &[usize], flag: bool) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let (true, n @ 2..) = (flag, shape.len()) {
        shape.swap(n - 1, n - 2);
    }
    shape
}

#[test]
fn matmul_is_the_naive_product_in_every_shape_and_with_every_flag() {
    for (sa, sb) in PRODUCTS {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let (ta, tb) = (ta && sa.len() > 1, tb && sb.len() > 1);
            let (sa, sb) = (turned(sa, ta), turned(sb, tb));
            let program = trace(&[&sa, &sb], |v| {
                v[0].apply_with(MatMul { transpose_a: ta, transpose_b: tb, ..MatMul::default() }, &[v[1]])
            });
            let (a, b) = (integers(&sa, 3), integers(&sb, 4));
            let value = program.eval(&[a.clone(), b.clone()]).unwrap().remove(0);
            assert_eq!(value, naive_matmul(&a, ta, &b, tb), "{sa:?} {ta} {sb:?} {tb}");
            laws(&program);
        }
    }
}

#[test]
fn large_products_go_through_gemm_and_agree() {
    for (m, k, p) in [(17, 33, 65), (64, 64, 64), (200, 3, 40)] {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let (sa, sb) = (turned(&[m, k], ta), turned(&[k, p], tb));
            let program = trace(&[&sa, &sb], |v| {
                v[0].apply_with(MatMul { transpose_a: ta, transpose_b: tb, ..MatMul::default() }, &[v[1]])
            });
            let (a, b) = (integers(&sa, 3), integers(&sb, 4));
            let value = program.eval(&[a.clone(), b.clone()]).unwrap().remove(0);
            assert_eq!(value, naive_matmul(&a, ta, &b, tb));
        }
    }
}

#[test]
fn products_by_hand() {
    let f = trace(&[&[2, 2], &[2, 2]], |v| v[0].matmul(v[1]));
    let (a, b) = (tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), tensor(&[2, 2], &[5.0, 6.0, 7.0, 8.0]));
    assert_eq!(f.eval(&[a.clone(), b]).unwrap()[0], tensor(&[2, 2], &[19.0, 22.0, 43.0, 50.0]));
    let g = trace(&[&[2, 2], &[2]], |v| v[0].dot(v[1]));
    assert_eq!(g.eval(&[a.clone(), [1.0, -1.0].into()]).unwrap()[0].data(), [-1.0, -1.0]);
    let h = trace(&[&[2, 2], &[]], |v| v[0].dot(v[1]));
    assert_eq!(h.eval(&[a, 2.0.into()]).unwrap()[0].data(), [2.0, 4.0, 6.0, 8.0]);
    let d = trace(&[&[3], &[3]], |v| v[0].dot(v[1]));
    assert_eq!(d.eval(&[[1.0, 2.0, 3.0].into(), [4.0, 5.0, 6.0].into()]).unwrap()[0].item(), 32.0);
    laws(&h);
    let read = call(Dot::ENTRY, &[&[3], &[3]], |v| vec![Value::Var(v[0]), Value::Var(v[1])]).unwrap();
    assert_eq!(names(&read), ["matmul"]);
}

/// A product keeps NaN and infinities: 0 times infinity is NaN in every path.
#[test]
fn products_do_not_skip_zeros() {
    for (m, k, p) in [(1, 5, 3), (3, 5, 1), (2, 2, 2), (20, 20, 20)] {
        let f = trace(&[&[m, k], &[k, p]], |v| v[0].matmul(v[1]));
        let value = f.eval(&[Tensor::full(&[m, k], 0.0), Tensor::full(&[k, p], f64::INFINITY)]).unwrap();
        assert!(value[0].data().iter().all(|x| x.is_nan()), "{m} {k} {p}");
    }
}

/// The names of the operators of a program, in order.
fn names(program: &Program) -> Vec<&'static str> {
    let name = |kind: &Kind| match kind {
        Kind::Apply { op, .. } => Some(op.name()),
        _ => None,
    };
    program.nodes().iter().filter_map(|n| name(&n.kind)).collect()
}

#[test]
fn transposes_are_absorbed_into_flags() {
    let f = trace(&[&[3, 2], &[4, 3]], |v| v[0].t().matmul(v[1].t()));
    let simple = f.simplify();
    assert_eq!(names(&simple), ["matmul"]);
    let point = inputs_of(&f, 2);
    assert_eq!(simple.eval(&point).unwrap(), f.eval(&point).unwrap());
    // A matrix and a vector need no flag at all.
    let g = trace(&[&[3, 2], &[3]], |v| v[0].t().matmul(v[1])).simplify();
    assert!(
        matches!(&g.nodes()[g.outputs()[0]].kind, Kind::Apply { op, args } if op.params().is_empty() && args[..] == [1, 0])
    );
    // The gradient of least squares copies no matrix.
    let least = trace(&[&[4, 3], &[3], &[4]], |v| {
        let r = v[0].matmul(v[1]) - v[2];
        (r * r).sum_to(&[])
    });
    assert!(!names(&least.gradient().unwrap()).contains(&"transpose"));
    // A permutation that is no swap of the last two axes stays.
    let h = trace(&[&[2, 3, 4], &[2, 3]], |v| v[0].transpose(&[2, 0, 1]).matmul(v[1].t())).simplify();
    assert_eq!(names(&h), ["transpose", "matmul"]);
    laws(&h);
}

#[test]
fn wrong_products_say_what_is_wrong() {
    assert_eq!(
        refused(&[&[2, 3], &[4]], |v| v[0].matmul(v[1])),
        "matmul cannot take [2, 3] and [4]: the first has 3 columns and the second 4 rows; the two must be equal"
    );
    assert_eq!(
        refused(&[&[2, 3], &[]], |v| v[0].matmul(v[1])),
        "matmul cannot take [2, 3] and a scalar: it multiplies vectors and matrices; use * with a scalar"
    );
    assert_eq!(
        refused(&[&[2, 2, 3], &[4, 3, 1]], |v| v[0].matmul(v[1])),
        "matmul cannot take [2, 2, 3] and [4, 3, 1]: the leading axes [2] and [4] do not broadcast"
    );
    assert!(refused(&[&[2, 2], &[2, 2, 2]], |v| v[0].dot(v[1])).contains("use matmul for stacks"));
    let flagged = call(MatMul::ENTRY, &[&[3], &[3]], |v| vec![Value::Var(v[0]), Value::Var(v[1]), Value::Flag(true)]);
    assert!(message(flagged).contains("a vector has no two axes to swap"));
}

#[test]
fn slices_by_hand() {
    let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let of = |index: &[Index]| {
        let index = index.to_vec();
        let f = trace(&[&[2, 3]], |v| v[0].getitem(&index));
        laws(&f);
        f.eval(std::slice::from_ref(&x)).unwrap().remove(0)
    };
    use Index::*;
    assert_eq!(of(&[At(0)]), tensor(&[3], &[1.0, 2.0, 3.0]));
    assert_eq!(of(&[At(-1), At(-3)]), Tensor::scalar(4.0));
    assert_eq!(of(&[Ellipsis, At(-1)]), tensor(&[2], &[3.0, 6.0]));
    assert_eq!(of(&[Slice(None, None, None), Slice(None, None, Some(-2))]), tensor(&[2, 2], &[3.0, 1.0, 6.0, 4.0]));
    assert_eq!(of(&[Slice(Some(1), Some(-5), Some(-1)), At(1)]), tensor(&[2], &[5.0, 2.0]));
    assert_eq!(of(&[Slice(Some(1), Some(1), None)]), tensor(&[0, 3], &[]));
    assert_eq!(of(&[NewAxis, At(0), NewAxis]), tensor(&[1, 1, 3], &[1.0, 2.0, 3.0]));
    assert_eq!(of(&[Ellipsis]), x);
    let f = trace(&[&[2, 3]], |v| v[0].at(&[1, 2]) + v[0].get(0).get(1) + v[0].slice(1, 1..).at(&[1, 0]));
    assert_eq!(f.eval(&[x]).unwrap()[0].item(), 6.0 + 2.0 + 5.0);
    laws(&f);
}

#[test]
fn wrong_slices_say_what_is_wrong() {
    assert_eq!(refused(&[&[2, 3]], |v| v[0].at(&[1, 3])), "getitem: index is 3, but axis 1 has length 3");
    assert_eq!(refused(&[&[3]], |v| v[0].getitem(&[Index::At(-4)])), "getitem: index is -4, but axis 0 has length 3");
    assert_eq!(refused(&[&[0]], |v| v[0].get(0)), "getitem: index is 0, but axis 0 has length 0");
    assert_eq!(
        refused(&[&[3]], |v| v[0].at(&[0, 0])),
        "getitem cannot take [3]: the subscript is for 2 axes, the array has 1"
    );
    assert!(refused(&[&[3]], |v| v[0].getitem(&[Index::Slice(None, None, Some(0))])).contains("cannot be 0"));
    assert!(refused(&[&[3]], |v| v[0].getitem(&[Index::Ellipsis, Index::Ellipsis])).contains("only once"));
    assert_eq!(refused(&[&[3]], |v| v[0].slice(0, 1..5)), "getitem: range is 1..5, but axis 0 has length 3");
    assert_eq!(refused(&[&[3]], |v| v[0].slice(1, 0..1)), "getitem: axis is 1, but the array has 1 axes (shape [3])");
    let with = |value: Value<'static>| {
        message(call(GetItem::ENTRY, &[&[3]], move |v| vec![Value::Var(v[0]), value_of(&value)]))
    };
    assert!(with(Value::Number(0.5)).contains("an index must be an integer, not 0.5"));
    assert!(with(Value::List(vec![])).contains("use take"));
    assert!(with(Value::Flag(true)).contains("an integer or a slice"));
    assert!(with(Value::Number(7.0)).contains("index is 7, but axis 0 has length 3"));
}

/// The same value for another program's lifetime: only values without variables.
fn value_of<'p>(value: &Value<'static>) -> Value<'p> {
    match value {
        Value::Number(x) => Value::Number(*x),
        Value::List(all) => Value::List(all.iter().map(value_of).collect()),
        Value::Tuple(all) => Value::Tuple(all.iter().map(value_of).collect()),
        Value::Slice(a, b, c) => Value::Slice(*a, *b, *c),
        Value::Ellipsis => Value::Ellipsis,
        Value::None => Value::None,
        Value::Flag(b) => Value::Flag(*b),
        _ => unreachable!("these tests write no other constants"),
    }
}

fn numbers(all: &[f64]) -> Value<'static> {
    Value::List(all.iter().map(|x| Value::Number(*x)).collect())
}

#[test]
fn taking_and_scattering() {
    let f = trace(&[&[2, 3]], |v| v[0].take(&[2, 0, 2], 1));
    let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(f.eval(std::slice::from_ref(&x)).unwrap()[0], tensor(&[2, 3], &[3.0, 1.0, 3.0, 6.0, 4.0, 6.0]));
    let back = f.vjp().unwrap().eval(&[x.clone(), tensor(&[2, 3], &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0])]).unwrap();
    assert_eq!(back[0], tensor(&[2, 3], &[2.0, 0.0, 5.0, 16.0, 0.0, 40.0]));
    laws(&f);
    laws(&trace(&[&[2, 3, 2]], |v| v[0].take(&[1, 1, 0, 2], 1)));
    laws(&trace(&[&[2, 3]], |v| v[0].take(&[], 0)));
    laws(&trace(&[&[0, 3]], |v| v[0].take(&[1], 1)));
    laws(&trace(&[&[2, 3, 2]], |v| v[0].apply(ScatterAdd { indices: vec![3, 0, 3], length: 5, axis: -2 })));
    laws(&trace(&[&[0]], |v| v[0].apply(ScatterAdd { indices: vec![], length: 2, axis: -1 })));
    // numpy: without an axis the array is flat; a number drops the axis; nested lists give their shape.
    let entry = |value: Value<'static>, keywords: &[(&str, f64)]| {
        let f = call_with(Take::ENTRY, &[&[2, 3]], |v| vec![Value::Var(v[0]), value_of(&value)], keywords)?;
        laws(&f);
        Ok::<_, Error>(f.eval(std::slice::from_ref(&x))?.remove(0))
    };
    assert_eq!(entry(numbers(&[4.0, -1.0]), &[]).unwrap(), tensor(&[2], &[5.0, 6.0]));
    assert_eq!(entry(Value::Number(4.0), &[]).unwrap(), Tensor::scalar(5.0));
    assert_eq!(entry(Value::Number(-1.0), &[("axis", 1.0)]).unwrap(), tensor(&[2], &[3.0, 6.0]));
    let nested = Value::List(vec![numbers(&[0.0, 1.0]), numbers(&[2.0, 2.0])]);
    let expected = tensor(&[2, 2, 2], &[1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0, 6.0]);
    assert_eq!(entry(nested, &[("axis", -1.0)]).unwrap(), expected);
    let ragged = Value::List(vec![numbers(&[0.0, 1.0]), numbers(&[2.0])]);
    assert!(entry(ragged, &[]).unwrap_err().to_string().contains("equal lengths"));
    let mixed = Value::List(vec![numbers(&[0.0]), Value::Number(1.0)]);
    assert!(entry(mixed, &[]).unwrap_err().to_string().contains("equal lengths"));
}

#[test]
fn wrong_positions_say_what_is_wrong() {
    assert_eq!(refused(&[&[2, 3]], |v| v[0].take(&[0, 3], 1)), "take: index is 3, but axis 1 has length 3");
    assert_eq!(refused(&[&[3]], |v| v[0].take(&[0], 1)), "take: axis is 1, but the array has 1 axes (shape [3])");
    assert_eq!(
        refused(&[&[3]], |v| v[0].apply(ScatterAdd { indices: vec![0, 1, 5], length: 4, axis: -1 })),
        "scatter_add: index is 5, but axis 0 has length 4"
    );
    assert!(
        refused(&[&[3]], |v| v[0].apply(ScatterAdd { indices: vec![0], length: 4, axis: -1 })).contains("1 positions")
    );
    assert!(refused(&[&[3]], |v| v[0].apply(Take { indices: vec![0], axis: 0 })).contains("counted from the end"));
    let far = PutSlice { shape: vec![3], start: vec![1], step: vec![2] };
    assert_eq!(refused(&[&[2]], |v| v[0].apply(far)), "put_slice: index is 3, but axis 0 has length 3");
    let short = PutSlice { shape: vec![3], start: vec![], step: vec![2] };
    assert!(refused(&[&[2]], |v| v[0].apply(short)).contains("must each have 1 entries"));
    let error = call_with(
        ScatterAdd::ENTRY,
        &[&[2]],
        |v| vec![Value::Var(v[0]), value_of(&numbers(&[0.0, 9.0]))],
        &[("length", 3.0)],
    );
    assert!(message(error).contains("index is 9, but axis 0 has length 3"));
}

#[test]
fn entries_are_put_into_zeros() {
    let op = PutSlice { shape: vec![2, 4], start: vec![1, 3], step: vec![1, -2] };
    let f = trace(&[&[1, 2]], |v| v[0].apply(op.clone()));
    let value = f.eval(&[tensor(&[1, 2], &[7.0, 8.0])]).unwrap().remove(0);
    assert_eq!(value, tensor(&[2, 4], &[0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 7.0]));
    laws(&f);
    let whole = PutSlice { shape: vec![3], start: vec![0], step: vec![1] };
    assert!(names(&trace(&[&[3]], |v| v[0].apply(whole)).simplify()).is_empty());
    let read = call(PutSlice::ENTRY, &[&[2]], |v| {
        vec![Value::Var(v[0]), Value::Number(5.0), Value::Number(1.0), value_of(&numbers(&[2.0]))]
    })
    .unwrap();
    assert_eq!(read.eval(&[[1.0, 2.0].into()]).unwrap()[0].data(), [0.0, 1.0, 0.0, 2.0, 0.0]);
}

#[test]
fn joining() {
    let f = trace(&[&[2, 1], &[2, 3]], |v| v[0].concatenate(&[v[1], v[0]], 1));
    let (a, b) = (tensor(&[2, 1], &[1.0, 2.0]), tensor(&[2, 3], &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
    let expected = tensor(&[2, 5], &[1.0, 3.0, 4.0, 5.0, 1.0, 2.0, 6.0, 7.0, 8.0, 2.0]);
    assert_eq!(f.eval(&[a, b]).unwrap()[0], expected);
    laws(&f);
    laws(&trace(&[&[2, 3], &[0, 3], &[1, 3]], |v| v[0].concatenate(&[v[1], v[2]], 0)));
    laws(&trace(&[&[2, 0], &[3, 0]], |v| v[0].concatenate(&[v[1]], 0)));
    let g = trace(&[&[], &[]], |v| v[0].stack(&[v[1], v[0]], 0));
    assert_eq!(g.eval(&[1.0.into(), 2.0.into()]).unwrap()[0].data(), [1.0, 2.0, 1.0]);
    laws(&g);
    let h = trace(&[&[2], &[2]], |v| v[0].stack(&[v[1]], 1));
    let columns = h.eval(&[[1.0, 2.0].into(), [3.0, 4.0].into()]).unwrap().remove(0);
    assert_eq!(columns, tensor(&[2, 2], &[1.0, 3.0, 2.0, 4.0]));
    laws(&h);
}

#[test]
fn joining_in_text_takes_a_list_or_the_arrays_one_by_one() {
    // A list holds variables and numbers alike.
    let stacked = call(Stack::ENTRY, &[&[], &[]], |v| {
        vec![Value::List(vec![Value::Var(v[0]), Value::Number(9.0), Value::Var(v[1])])]
    });
    assert_eq!(stacked.unwrap().eval(&[1.0.into(), 2.0.into()]).unwrap()[0].data(), [1.0, 9.0, 2.0]);
    let one_by_one = call_with(
        Concatenate::ENTRY,
        &[&[2, 1], &[2, 2]],
        |v| vec![Value::Var(v[0]), Value::Var(v[1])],
        &[("axis", -1.0)],
    );
    assert_eq!(one_by_one.unwrap().output_shapes(), [[2, 3]]);
    let positional = call(Concatenate::ENTRY, &[&[2, 1], &[2, 2]], |v| {
        vec![Value::Tuple(vec![Value::Var(v[0]), Value::Var(v[1])]), Value::Number(1.0)]
    });
    assert_eq!(positional.unwrap().output_shapes(), [[2, 3]]);
    assert!(message(call(Stack::ENTRY, &[], |_| vec![Value::List(vec![])])).contains("at least one array"));
}

#[test]
fn wrong_joins_say_what_is_wrong() {
    assert_eq!(
        refused(&[&[2, 3], &[2]], |v| v[0].concatenate(&[v[1]], 0)),
        "concatenate cannot take [2, 3] and [2]: all must have the same number of axes, and equal lengths except along axis 0"
    );
    assert!(refused(&[&[2, 3], &[2, 4]], |v| v[0].concatenate(&[v[1]], 0)).contains("except along axis 0"));
    assert_eq!(
        refused(&[&[], &[]], |v| v[0].concatenate(&[v[1]], 0)),
        "concatenate: axis is 0, but the array has 0 axes (shape [])"
    );
    assert_eq!(
        refused(&[&[2], &[3]], |v| v[0].stack(&[v[1]], 0)),
        "stack cannot take [2] and [3]: all must have the same shape"
    );
}

#[test]
fn transposing_large_matrices_copies_every_entry() {
    for (shape, axes) in [(&[37, 21][..], &[1, 0][..]), (&[3, 20, 18], &[0, 2, 1]), (&[9, 10, 11], &[2, 1, 0])] {
        let f = trace(&[shape], |v| v[0].apply(Transpose { axes: axes.to_vec() }));
        let x = Tensor::from_fn(shape, |k| k as f64);
        let value = f.eval(std::slice::from_ref(&x)).unwrap().remove(0);
        let strides: Vec<usize> = (0..shape.len()).map(|k| size(&shape[k + 1..])).collect();
        for (flat, y) in value.data().iter().enumerate() {
            let (mut rest, mut at) = (flat, 0);
            for k in (0..axes.len()).rev() {
                at += rest % value.shape()[k] * strides[axes[k]];
                rest /= value.shape()[k];
            }
            assert_eq!(*y, at as f64);
        }
    }
}

// Slices against Python's definition.

fn entry() -> impl Strategy<Value = Index> {
    let bound = prop::option::of(-7i64..8);
    let step = prop::option::of(prop::sample::select(vec![-3i64, -2, -1, 1, 2, 3]));
    prop_oneof![
        3 => (-4i64..4).prop_map(Index::At),
        5 => (bound.clone(), bound, step).prop_map(|(a, b, c)| Index::Slice(a, b, c)),
        1 => Just(Index::Ellipsis),
        1 => Just(Index::NewAxis),
    ]
}

/// The positions of range(*slice(start, stop, step).indices(n)), written out as Python's manual says it.
fn python_slice(start: Option<i64>, stop: Option<i64>, step: Option<i64>, n: i64) -> Vec<i64> {
    let step = step.unwrap_or(1);
    let fix = |i: i64| {
        let i = if i < 0 { i + n } else { i };
        if step > 0 { i.max(0).min(n) } else { i.max(-1).min(n - 1) }
    };
    let mut i = start.map_or(if step > 0 { 0 } else { n - 1 }, fix);
    let stop = stop.map_or(if step > 0 { n } else { -1 }, fix);
    let mut all = vec![];
    while (step > 0 && i < stop) || (step < 0 && i > stop) {
        all.push(i);
        i += step;
    }
    all
}

/// numpy's x[index]; None where it raises IndexError.
fn naive_getitem(x: &Tensor, index: &[Index]) -> Option<Tensor> {
    let rank = x.shape().len();
    let used = index.iter().filter(|e| matches!(e, Index::At(_) | Index::Slice(..))).count();
    let dots = index.iter().filter(|e| **e == Index::Ellipsis).count();
    if used > rank || dots > 1 {
        return None;
    }
    let mut full: Vec<Index> = vec![];
    for e in index {
        match e {
            Index::Ellipsis => full.extend(vec![Index::Slice(None, None, None); rank - used]),
            e => full.push(*e),
        }
    }
    if dots == 0 {
        full.extend(vec![Index::Slice(None, None, None); rank - used]);
    }
    let (mut shape, mut offsets, mut axis) = (vec![], vec![0usize], 0);
    for e in full {
        if e == Index::NewAxis {
            shape.push(1);
            continue;
        }
        let n = x.shape()[axis] as i64;
        let stride = size(&x.shape()[axis + 1..]);
        let positions = match e {
            Index::At(i) if (-n..n).contains(&i) => vec![if i < 0 { i + n } else { i }],
            Index::At(_) => return None,
            Index::Slice(a, b, c) => {
                let all = python_slice(a, b, c, n);
                shape.push(all.len());
                all
            }
            _ => unreachable!(),
        };
        offsets = offsets.iter().flat_map(|o| positions.iter().map(move |p| o + *p as usize * stride)).collect();
        axis += 1;
    }
    Some(tensor(&shape, &offsets.iter().map(|&o| x.data()[o]).collect::<Vec<_>>()))
}

/// Reads what a subscript prints.
fn reread(text: &str) -> Vec<Index> {
    let number = |s: &str| if s.is_empty() { None } else { Some(s.parse::<i64>().unwrap()) };
    let part = |s: &str| match s.split(':').collect::<Vec<_>>().as_slice() {
        ["..."] => Index::Ellipsis,
        [one] => Index::At(one.parse().unwrap()),
        [a, b] => Index::Slice(number(a), number(b), None),
        [a, b, c] => Index::Slice(number(a), number(b), number(c)),
        _ => panic!("{s}"),
    };
    text.split(", ").map(part).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn getitem_is_numpys(shape in prop::collection::vec(0usize..5, 0..5), index in prop::collection::vec(entry(), 0..6)) {
        let x = Tensor::from_fn(&shape, |k| k as f64);
        let program = Program::trace(&[&shape], |v| v[0].getitem(&index));
        let Some(expected) = naive_getitem(&x, &index) else {
            prop_assert!(program.is_err());
            return Ok(());
        };
        let program = program.unwrap();
        let value = program.eval(std::slice::from_ref(&x)).unwrap().remove(0);
        prop_assert_eq!(&value, &expected);
        // The transpose puts every entry back where it was taken.
        let back = program.vjp().unwrap().eval(&[x.clone(), Tensor::full(expected.shape(), 1.0)]).unwrap();
        for (k, count) in back[0].data().iter().enumerate() {
            prop_assert_eq!(*count, expected.data().iter().filter(|e| **e == k as f64).count() as f64);
        }
        // What is printed reads back as the same operator.
        if let Kind::Apply { op, .. } = &program.nodes().get(1).map_or(Kind::Input(0), |n| n.kind.clone())
            && op.name() == "getitem"
        {
            let params = op.params();
            let [(_, Param::Raw(text))] = params.as_slice() else { panic!("{params:?}") };
            let again = Program::trace(&[&shape], |v| v[0].getitem(&reread(text))).unwrap();
            let Kind::Apply { op: same, .. } = &again.nodes()[1].kind else { panic!("{text} keeps everything") };
            prop_assert_eq!(same.params(), op.params());
            let read_again = again.eval(std::slice::from_ref(&x)).unwrap().remove(0);
            prop_assert_eq!(read_again.data(), expected.data());
        }
    }
}
