//! Reductions, norms and sorting where they are delicate: text, errors, NaN and infinities, and the ties themselves.

use clarke::program::call::{Call, Value};
use clarke::program::op::Op;
use clarke::program::tie::{Met, Tie};
use clarke::program::{Builder, Kind, Program, Role, Var};
use clarke::{Fault, Place, Tensor, registry};

/// The value of a keyword.
enum Given {
    Number(f64),
    Flag(bool),
    None,
    Tuple(Vec<i64>),
}

/// A call of the table, as program text makes it, on a matrix x and a vector y.
fn call(name: &str, args: &[&str], keywords: &[(&str, Given)]) -> Result<Program, clarke::Error> {
    let builder = Builder::new();
    let inputs = [builder.input("x", &[2, 3], Role::Argument), builder.input("y", &[3], Role::Argument)];
    let value = |text: &&str| match *text {
        "x" => Value::Var(inputs[0]),
        "y" => Value::Var(inputs[1]),
        number => Value::Number(number.parse().expect("x, y or a number")),
    };
    let args: Vec<Value<'_>> = args.iter().map(value).collect();
    let given = |given: &Given| match given {
        Given::Number(x) => Value::Number(*x),
        Given::Flag(yes) => Value::Flag(*yes),
        Given::None => Value::None,
        Given::Tuple(axes) => Value::Tuple(axes.iter().map(|&a| Value::Number(a as f64)).collect()),
    };
    let keywords: Vec<(String, Value<'_>)> = keywords.iter().map(|(k, v)| (k.to_string(), given(v))).collect();
    let registry = registry();
    let entry = registry.get(name).expect("an operator of the table");
    let place = Place::Unknown;
    let call = Call { builder: &builder, name, signature: entry.signature, args: &args, keywords: &keywords, place };
    let out = (entry.call)(&call)?;
    builder.finish(&[out])
}

fn tuple(axes: &[i64]) -> Given {
    Given::Tuple(axes.to_vec())
}

#[test]
fn axes_are_read_from_text() {
    let axis = |a: f64| ("axis", Given::Number(a));
    let shape = |p: Program| p.output_shapes()[0].to_vec();
    for name in ["sum", "mean", "max", "min", "logsumexp", "norm1", "norm2", "norminf", "median"] {
        assert_eq!(shape(call(name, &["x"], &[]).unwrap()), [0usize; 0], "{name}");
        assert_eq!(shape(call(name, &["x"], &[axis(0.0)]).unwrap()), [3], "{name}");
        assert_eq!(shape(call(name, &["x"], &[axis(-1.0)]).unwrap()), [2], "{name}");
        assert_eq!(shape(call(name, &["x"], &[("axis", Given::None)]).unwrap()), [0usize; 0], "{name}");
        let both = [("axis", tuple(&[1, 0])), ("keepdims", Given::Flag(true))];
        assert_eq!(shape(call(name, &["x"], &both).unwrap()), [1, 1], "{name}");
    }
    assert_eq!(shape(call("sum", &["x", "1"], &[]).unwrap()), [2]);
    assert_eq!(shape(call("sort", &["x", "0"], &[]).unwrap()), [2, 3]);
    assert_eq!(shape(call("max", &["x", "y", "0"], &[]).unwrap()), [2, 3]);
    assert_eq!(shape(call("min", &["y", "y", "y"], &[]).unwrap()), [3]);
}

#[test]
fn an_axis_is_printed_as_it_is_read() {
    use clarke::program::op::Param;
    let params = |keywords: &[(&str, Given)]| {
        let program = call("sum", &["x"], keywords).unwrap();
        match &program.nodes()[program.outputs()[0]].kind {
            Kind::Apply { op, .. } => op.params(),
            _ => panic!("a sum is an application"),
        }
    };
    assert_eq!(params(&[]), []);
    assert_eq!(params(&[("axis", Given::Number(0.0))]), [("axis", Param::Int(-2))]);
    assert_eq!(params(&[("axis", Given::Number(-2.0))]), [("axis", Param::Int(-2))]);
    let tuple = [("keepdims", Given::Flag(true)), ("axis", tuple(&[0]))];
    assert_eq!(params(&tuple), [("axis", Param::Ints(vec![-2])), ("keepdims", Param::Flag(true))]);
}

#[test]
fn wrong_axes_and_empty_arrays_are_named() {
    let message = |name, args: &[&str], keywords: &[(&str, Given)]| {
        call(name, args, keywords).map(|_| ()).unwrap_err().to_string()
    };
    let axis = |a: f64| ("axis", Given::Number(a));
    assert_eq!(message("sum", &["x"], &[axis(2.0)]), "sum: axis is 2, but the array has axes 0 to 1");
    assert_eq!(message("max", &["y"], &[axis(-2.0)]), "max: axis is -2, but the array has one axis, 0");
    assert_eq!(message("sort", &["1"], &[]), "sort: axis is -1, but the array is a scalar, which has no axes");
    let twice = message("mean", &["x"], &[("axis", tuple(&[0, -2]))]);
    assert_eq!(twice, "mean: axis is [-2, -2], but axis 0 is named twice");
    assert!(message("sum", &["x"], &[axis(0.5)]).contains("`axis` must be an integer"));
    assert!(message("sum", &["x"], &[("keepdims", Given::Number(1.0))]).contains("`keepdims` must be True or False"));
    assert!(message("max", &["x", "y"], &[axis(0.0)]).contains("an axis goes with one array"));
    assert!(message("sum", &["x"], &[("axes", Given::None)]).contains("no argument named `axes`"));
    assert!(message("max", &[], &[]).contains("takes 1 positional"));
    for empty in [Program::trace(&[&[0]], |v| v[0].max()), Program::trace(&[&[2, 0]], |v| v[0].mean_axis(1))] {
        assert!(matches!(*empty.unwrap_err().fault, Fault::Shapes { .. }));
    }
    let shapes = Program::trace(&[&[2], &[3]], |v| v[0].max_of(&[v[1], v[1]])).unwrap_err();
    assert!(matches!(*shapes.fault, Fault::Shapes { .. }));
    // What has a value for no numbers, and an axis of length 0 that is kept.
    let sum = Program::trace(&[&[2, 0]], |v| v[0].sum_axis(1)).unwrap();
    assert_eq!(sum.eval(&[Tensor::full(&[2, 0], 0.0)]).unwrap()[0].data(), [0.0, 0.0]);
    let max = Program::trace(&[&[0, 2]], |v| v[0].max_axis(1)).unwrap();
    assert_eq!(max.eval(&[Tensor::full(&[0, 2], 0.0)]).unwrap()[0].data(), []);
}

fn value(x: &[f64], f: impl for<'p> Fn(Var<'p>) -> Var<'p>) -> Vec<f64> {
    let f = Program::trace(&[&[x.len()]], |v| f(v[0])).unwrap();
    f.eval(&[Tensor::vector(x)]).unwrap().remove(0).into_data()
}

fn gradient(x: &[f64], f: impl for<'p> Fn(Var<'p>) -> Var<'p>) -> Vec<f64> {
    let f = Program::trace(&[&[x.len()]], |v| f(v[0])).unwrap();
    f.gradient().unwrap().eval(&[Tensor::vector(x)]).unwrap().remove(0).into_data()
}

#[test]
fn nan_in_is_nan_out() {
    let long: Vec<f64> = (0..40).map(|k| if k == 13 { f64::NAN } else { k as f64 }).collect();
    for x in [&[1.0, f64::NAN, 3.0][..], &[f64::NAN], &[2.0, 1.0, f64::NAN], &long] {
        for f in [|x: Var<'_>| x.max(), |x| x.min(), |x| x.median(), |x| x.sum(), |x| x.mean()]
            as [for<'p> fn(Var<'p>) -> Var<'p>; 5]
        {
            assert!(value(x, f)[0].is_nan());
        }
        for f in [|x: Var<'_>| x.logsumexp(), |x| x.norm1(), |x| x.norm2(), |x| x.norminf()]
            as [for<'p> fn(Var<'p>) -> Var<'p>; 4]
        {
            assert!(value(x, f)[0].is_nan());
        }
        assert!(value(x, |x| x.max_of(&[x * 0.0, x.constant(1.0)])).iter().any(|y| y.is_nan()));
        assert!(gradient(x, |x| x.max()).iter().any(|y| y.is_nan()));
    }
    let sorted = value(&[2.0, f64::NAN, f64::INFINITY, 1.0], |x| x.sort());
    assert_eq!(sorted[..3], [1.0, 2.0, f64::INFINITY]);
    assert!(sorted[3].is_nan());
}

#[test]
fn logsumexp_is_stable() {
    let inf = f64::INFINITY;
    assert_eq!(value(&[1e4, 1e4], |x| x.logsumexp())[0], 1e4 + 2f64.ln());
    assert_eq!(value(&[-1e4, -1e4], |x| x.logsumexp())[0], -1e4 + 2f64.ln());
    assert_eq!(value(&[-inf, 3.0], |x| x.logsumexp()), [3.0]);
    assert_eq!(gradient(&[-inf, 3.0], |x| x.logsumexp()), [0.0, 1.0]);
    assert_eq!(value(&[-inf, -inf], |x| x.logsumexp()), [-inf]);
    assert_eq!(value(&[inf, 3.0], |x| x.logsumexp()), [inf]);
    assert_eq!(value(&[1000.0, 0.0], |x| x.softmax()), [1.0, 0.0]);
}

#[test]
fn the_norm_neither_overflows_nor_underflows() {
    let close = |x: f64, y: f64| assert!((x - y).abs() <= 4e-16 * y, "{x} is not {y}");
    close(value(&[3e200, 4e200], |x| x.norm2())[0], 5e200);
    close(value(&[3e-200, 4e-200], |x| x.norm2())[0], 5e-200);
    close(value(&[3e-170, 4e-170, 0.0], |x| x.norm2())[0], 5e-170);
    assert_eq!(value(&[f64::INFINITY, 1.0], |x| x.norm2()), [f64::INFINITY]);
    assert_eq!(value(&[0.0, 0.0], |x| x.norm2()), [0.0]);
    assert_eq!(value(&[5e-324, 0.0], |x| x.norm2()), [5e-324]);
    for scale in [1e-200, 1.0, 1e200] {
        let slope = gradient(&[3.0 * scale, -4.0 * scale], |x| x.norm2());
        close(slope[0], 0.6);
        close(-slope[1], 0.8);
    }
}

#[test]
fn the_hessian_of_norm2_is_the_projection_off_zero_and_zero_at_zero() {
    let f = Program::trace(&[&[2]], |v| v[0].norm2()).unwrap().hvp().unwrap();
    let at = |x: [f64; 2], v: [f64; 2]| f.eval(&[x.into(), v.into()]).unwrap().remove(0).into_data();
    let found = at([3.0, 4.0], [1.0, 0.0]);
    assert!((found[0] - 16.0 / 125.0).abs() < 1e-16 && (found[1] + 12.0 / 125.0).abs() < 1e-16);
    assert_eq!(at([0.0, 0.0], [1.0, 2.0]), [0.0, 0.0]);
}

#[test]
fn the_median_of_infinities_and_huge_numbers_is_their_middle() {
    let inf = f64::INFINITY;
    assert_eq!(value(&[inf, 1.0, 2.0, 3.0, -inf], |x| x.median()), [2.0]);
    assert_eq!(value(&[1.6e308, 1.6e308], |x| x.median()), [1.6e308]);
    assert_eq!(value(&[5e-324, 5e-324], |x| x.median()), [5e-324]);
}

/// The tie that the derivative of a function has, with its argument's shape.
fn tie_of(shape: &[usize], f: impl for<'p> Fn(Var<'p>) -> Var<'p>) -> std::sync::Arc<dyn Op> {
    let program = Program::trace(&[shape], |v| f(v[0])).unwrap().linearize().unwrap();
    let mut ties = program.nodes().iter().filter_map(|n| match &n.kind {
        Kind::Apply { op, .. } if op.tie().is_some() => Some(op.clone()),
        _ => None,
    });
    ties.next_back().expect("the derivative has a tie")
}

fn met(tie: &dyn Tie, u: &Tensor, tolerance: f64) -> Vec<(Vec<usize>, Option<u64>, f64)> {
    tie.met(u, tolerance).into_iter().map(|Met { index, pieces, distance, .. }| (index, pieces, distance)).collect()
}

fn uniform() -> impl FnMut() -> f64 {
    let mut state = 0.37;
    move || {
        state = (state + 0.618_033_988_749_894_9f64).fract();
        state.clamp(1e-9, 1.0 - 1e-9)
    }
}

#[test]
fn pick_knows_its_ties() {
    let op = tie_of(&[2, 3], |x| x.max_axis(1));
    let tie = op.tie().unwrap();
    let u = Tensor::new(&[2, 3], vec![1.0, 2.0, 2.0, 5.0, 4.5, 0.0]).unwrap();
    assert_eq!(met(tie, &u, 0.0), [(vec![0], Some(2), 0.0)]);
    assert_eq!(met(tie, &u, 0.5), [(vec![0], Some(2), 0.0), (vec![1], Some(2), 0.5)]);
    assert_eq!(met(tie, &Tensor::full(&[2, 3], f64::NAN), 0.0), []);
    let s = tie.random(&u, &mut uniform());
    assert_eq!(s.shape(), [2, 3]);
    assert!(s.data()[1] > 0.0 && s.data()[2] > 0.0 && (s.data()[1] + s.data()[2] - 1.0).abs() < 1e-15);
    assert_eq!((s.data()[0], &s.data()[3..]), (0.0, &[1.0, 0.0, 0.0][..]));
    // The first direction does not separate the tied entries; the second does.
    let dots = [Tensor::full(&[2, 3], 1.0), Tensor::from_fn(&[2, 3], |k| -(k as f64))];
    assert_eq!(tie.resolve(&u, &dots).data(), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(tie.resolve(&u, &dots[..1]).data(), [0.0, 0.5, 0.5, 1.0, 0.0, 0.0]);
}

#[test]
fn unit_knows_its_ties() {
    let op = tie_of(&[2, 2], |x| x.norm2_axis(0));
    let tie = op.tie().unwrap();
    let u = Tensor::new(&[2, 2], vec![0.0, 3e-9, 0.0, 4e-9]).unwrap();
    assert_eq!(met(tie, &u, 0.0), [(vec![0], None, 0.0)]);
    assert_eq!(met(tie, &u, 1e-8).len(), 2);
    assert_eq!(met(tie_of(&[1], |x| x.norm2()).tie().unwrap(), &Tensor::vector([0.0]), 0.0), [(vec![], Some(2), 0.0)]);
    let s = tie.random(&u, &mut uniform());
    let norm = s.data()[0].hypot(s.data()[2]);
    assert!(norm > 0.0 && norm < 1.0 && s.data()[1] == 0.0 && s.data()[3] == 0.0);
    let dots = [Tensor::full(&[2, 2], 0.0), Tensor::new(&[2, 2], vec![3.0, 1.0, -4.0, 1.0]).unwrap()];
    assert_eq!(tie.resolve(&u, &dots).data(), [0.6, 0.0, -0.8, 0.0]);
    assert_eq!(tie.resolve(&u, &dots[..1]).data(), [0.0; 4]);
}

#[test]
fn order_knows_its_ties() {
    let op = tie_of(&[2, 4], |x| x.sort());
    let tie = op.tie().unwrap();
    let u = Tensor::new(&[2, 4], vec![2.0, 1.0, 2.0, 2.0, 0.0, 3.0, 1.0, 1.25]).unwrap();
    assert_eq!(met(tie, &u, 0.0), [(vec![0], Some(6), 0.0)]);
    assert_eq!(met(tie, &u, 0.25), [(vec![0], Some(6), 0.0), (vec![1], Some(2), 0.25)]);
    let many = tie_of(&[30], |x| x.sort());
    assert_eq!(met(many.tie().unwrap(), &Tensor::full(&[30], 1.0), 0.0), [(vec![], None, 0.0)]);
    let s = tie.random(&u, &mut uniform());
    assert_eq!(s.data()[0], 1.0);
    let mut sources: Vec<f64> = s.data()[1..4].iter().map(|x| x.floor()).collect();
    sources.sort_by(f64::total_cmp);
    assert_eq!(sources, [0.0, 2.0, 3.0]);
    assert!(s.data()[1].fract() > 0.0 && s.data()[1].fract() == s.data()[3].fract());
    let dots = [Tensor::new(&[2, 4], vec![1.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap()];
    assert_eq!(tie.resolve(&u, &dots).data(), [1.0, 2.0, 0.0, 3.0, 0.0, 2.0, 3.0, 1.0]);
}

#[test]
fn every_random_selection_of_a_sort_is_doubly_stochastic() {
    let x = Tensor::vector([2.0, 1.0, 2.0, 2.0, 1.0, 0.0]);
    let f = Program::trace(&[&[6]], |v| v[0].sort()).unwrap();
    let jacobian = f.jacobian_reverse().unwrap();
    let op = tie_of(&[6], |x| x.sort());
    let s = op.tie().unwrap().random(&x, &mut uniform());
    let builder = Builder::new();
    let args: Vec<Var<'_>> = jacobian
        .inputs()
        .iter()
        .map(|i| builder.constant(if i.role.is_selection() { s.clone() } else { x.clone() }))
        .collect();
    let out = builder.inline(&jacobian, &args);
    let j = builder.finish(&out).unwrap().eval(&[]).unwrap().remove(0);
    for k in 0..6 {
        let row: f64 = j.data()[6 * k..6 * k + 6].iter().sum();
        let column: f64 = (0..6).map(|i| j.data()[6 * i + k]).sum();
        assert!((row - 1.0).abs() < 1e-15 && (column - 1.0).abs() < 1e-15, "{j:?}");
    }
    // The sorted array is 0, 1, 1, 2, 2, 2: interior means no zero within a block, and nothing outside.
    for (i, level) in [0.0, 1.0, 1.0, 2.0, 2.0, 2.0].iter().enumerate() {
        for (k, own) in x.data().iter().enumerate() {
            assert_eq!(j.data()[6 * i + k] > 0.0, own == level, "{j:?}");
        }
    }
}

#[test]
fn a_sum_says_what_it_sums() {
    let seen = Program::trace(&[&[2, 3]], |v| {
        let (of, axes) = v[0].sum_axis(0).summed().expect("a sum");
        assert!(of.is(&v[0]) && v[0].summed().is_none() && v[0].max().summed().is_none());
        of.norm2_over(&axes)
    });
    assert_eq!(seen.unwrap().output_shapes(), [[3]]);
}

/// Where the ties of one operator depend on each other, a direction decides them one after another: at 0 the sign of each
/// entry first, then which modulus is the largest.
#[test]
fn directions_decide_the_ties_of_a_norm_in_turn() {
    let f = Program::trace(&[&[3]], |v| v[0].norminf()).unwrap();
    let along = |d: [f64; 3]| {
        let policy = clarke::Policy::Along(vec![vec![d.into()]]);
        f.at(&[[0.0; 3].into()]).unwrap().gradient(&policy).unwrap().remove(0).into_data()
    };
    assert_eq!(along([1.0, -3.0, 2.0]), [0.0, -1.0, 0.0]);
    assert_eq!(along([1.0, -1.0, 2.0]), [0.0, 0.0, 1.0]);
}
