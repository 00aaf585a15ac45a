//! Moments, order statistics and losses, against numbers that other libraries computed: numpy 2.4,
//! scipy 1.17 and jax 0.10.2 in double precision, on the matrix X unless another array stands there.

mod common;

use clarke::op::axes::Axes;
use clarke::program::{Builder, Kind, Role};
use clarke::{Convention, Fault, Policy, Program, Tensor, Var};
use common::{close, compile_filled, numbers};

const X: [f64; 6] = [0.5, -1.25, 2.0, 3.0, 0.75, -0.5];

fn matrix() -> Tensor {
    Tensor::new(&[2, 3], X.to_vec()).unwrap()
}

/// The value of program text at X.
fn at_x(text: &str) -> Tensor {
    read_any(text, &[("x", &[2, 3])]).unwrap().eval(&[matrix()]).unwrap().remove(0)
}

#[track_caller]
fn check(text: &str, shape: &[usize], expected: &[f64]) {
    let found = at_x(text);
    assert_eq!(found.shape(), shape, "{text}");
    assert!(close(found.data(), expected, 1e-14), "{text} is {found:?}, not {expected:?}");
}

/// The Jacobian of a function of a vector, under a policy that is the same everywhere.
fn jacobian(x: &[f64], convention: Convention, f: impl for<'p> Fn(Var<'p>) -> Var<'p>) -> Vec<f64> {
    let j = Program::trace(&[&[x.len()]], |v| f(v[0])).unwrap().jacobian().unwrap();
    numbers(&j.compile_with::<f64>(&|s| s.choice(convention).selection).call(&[Tensor::vector(x)]).unwrap())
}

/// The gradient of program text at a vector x.
fn gradient(text: &str, x: &[f64]) -> Vec<f64> {
    let f = read_any(text, &[("x", &[x.len()])]).unwrap();
    numbers(&f.at(&[Tensor::vector(x)]).unwrap().gradient(&Policy::default()).unwrap())
}

fn message(text: &str) -> String {
    read_any(text, &[("x", &[2, 3])]).map(|_| ()).unwrap_err().fault.to_string()
}

#[test]
fn values_are_those_of_numpy_and_scipy() {
    check("prod(x)", &[], &[1.40625]);
    check("prod(x, axis=0)", &[3], &[1.5, -0.9375, -1.0]);
    check("var(x)", &[], &[2.0416666666666665]);
    check("var(x, axis=1, ddof=1)", &[2], &[2.6458333333333335, 3.1458333333333335]);
    check("std(x)", &[], &[1.4288690166235205]);
    check(
        "std(x, axis=0, ddof=1, keepdims=True)",
        &[1, 3],
        &[1.767766952966369, std::f64::consts::SQRT_2, 1.767766952966369],
    );
    check("cumsum(x)", &[6], &[0.5, -0.75, 1.25, 4.25, 5.0, 4.5]);
    check("cumsum(x, axis=0)", &[2, 3], &[0.5, -1.25, 2.0, 3.5, -0.5, 1.5]);
    check("cumsum(x, axis=1, reverse=True)", &[2, 3], &[1.25, 0.75, 2.0, 3.25, 0.25, -0.5]);
    check("cumprod(x)", &[6], &[0.5, -0.625, -1.25, -3.75, -2.8125, 1.40625]);
    check("cumprod(x, axis=1)", &[2, 3], &[0.5, -0.625, -1.25, 3.0, 2.25, -1.125]);
    check("cummax(x, axis=1)", &[2, 3], &[0.5, 0.5, 2.0, 3.0, 3.0, 3.0]);
    check("cummin(x)", &[2, 3], &[0.5, -1.25, 2.0, 0.5, -1.25, -0.5]);
    check("top_k(x, 2)", &[2, 2], &[2.0, 0.5, 3.0, 0.75]);
    check("trimmed_mean(x, 0.2)", &[], &[0.6875]);
    check("trimmed_mean(x, 0.34, axis=1)", &[2], &[0.5, 0.75]);
    check("sum_largest(x, 2)", &[], &[5.0]);
    check("sum_largest(x, 2, axis=1)", &[2], &[2.5, 3.75]);
    check("take_along_axis(x, [[0, 2], [1, -2]], axis=1)", &[2, 2], &[0.5, 2.0, 0.75, 0.75]);
    check("owl_norm(x, [3, 2, 0.5], axis=1)", &[2], &[8.75, 10.75]);
    check("tv(x)", &[], &[15.5]);
    check("tv(x, axis=1)", &[], &[8.5]);
    check("group_norm2(x, axis=0)", &[], &[6.560672051669265]);
    check("group_norm2(x, groups=[[0, 2], [4, 3, 5]])", &[], &[5.194043834344248]);
    check("maxout(reshape(x, (6,)), 2)", &[3], &[0.5, 3.0, 0.75]);
    check("gather_argmax(x, [[1, 2, 3], [4, 5, 6]], axis=1)", &[2], &[3.0, 4.0]);
    check("gather_argmax(x, [1, 2, 3], axis=0)", &[3], &[1.0, 2.0, 3.0]);
    check("one_hot([1, 0], 3)", &[2, 3], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let squares = read_any("trimmed_mean(x, 0.25)", &[("x", &[10])]).unwrap();
    let value = squares.eval(&[Tensor::from_fn(&[10], |k| (k * k) as f64)]).unwrap();
    assert!(close(value[0].data(), &[23.166666666666668], 1e-15));
}

#[test]
fn quantiles_are_those_of_numpy() {
    let cases = [
        (0.0, [-1.25, -1.25, -0.5]),
        (0.1, [-0.875, -0.8999999999999999, -0.25]),
        (0.3, [0.0, -0.20000000000000007, 0.25]),
        (0.5, [0.625, 0.5, 0.75]),
        (0.77, [1.8125, 1.31, 1.965]),
        (1.0, [3.0, 2.0, 3.0]),
    ];
    for (q, [all, first, second]) in cases {
        check(&format!("quantile(x, {q})"), &[], &[all]);
        check(&format!("quantile(x, q={q}, axis=1)"), &[2], &[first, second]);
    }
    let inf = f64::INFINITY;
    let value = |x: [f64; 3], q: f64| {
        Program::trace(&[&[3]], |v| v[0].quantile(q)).unwrap().eval(&[x.into()]).unwrap()[0].item()
    };
    assert_eq!(value([inf, inf, 1.0], 0.75), inf);
    assert_eq!(value([1.6e308, -1.6e308, 1.6e308], 0.25), 0.0);
    assert!(value([1.0, f64::NAN, 2.0], 0.5).is_nan());
}

#[test]
fn log_softmax_and_the_losses_are_those_of_scipy_and_jax() {
    let rows = [-1.732621983102033, -3.482621983102033, -0.23262198310203266];
    let rows = [rows, [-0.12715815863104757, -2.3771581586310475, -3.6271581586310475]].concat();
    check("log_softmax(x, axis=1)", &[2, 3], &rows);
    let columns = [0.07585818002124356, 0.11920292202211755, 0.9241418199787566];
    let columns = [columns, [0.9241418199787566, 0.8807970779778823, 0.07585818002124356]].concat();
    check("softmax(x, axis=0)", &[2, 3], &columns);
    check("exp(log_softmax(x, axis=0))", &[2, 3], &columns);
    check("cross_entropy(x, [2, 0])", &[], &[0.17989007086654013]);
    check("cross_entropy(x, [2, 0], reduce=False)", &[2], &[0.23262198310203266, 0.12715815863104757]);
    check("nll(log_softmax(x, axis=1), [2, 0])", &[], &[0.17989007086654013]);
    let f = read_any("cross_entropy(x, [2, 0])", &[("x", &[2, 3])]).unwrap();
    let expected = [0.08841009105372213, 0.015363370163218214, -0.10377346121694037];
    let expected = [expected, [-0.059702806009998, 0.04640698282331096, 0.013295823186687039]].concat();
    assert!(close(&numbers(&f.gradient().unwrap().eval(&[matrix()]).unwrap()), &expected, 1e-15));
    // No digits are lost where the entries are large, and an entry −∞ is absent.
    let large = read_any("log_softmax(x)", &[("x", &[2])]).unwrap();
    let value = |x: [f64; 2]| large.eval(&[x.into()]).unwrap().remove(0).into_data();
    assert!(close(&value([1e10, 1e10 + 1.0]), &[-1.3132616875182228, -0.31326168751822286], 1e-15));
    assert_eq!(value([f64::NEG_INFINITY, 7.0]), [f64::NEG_INFINITY, 0.0]);
    assert_eq!(value([f64::INFINITY, 7.0]), [0.0, f64::NEG_INFINITY]);
}

#[test]
fn products_have_the_right_derivatives_at_zeros() {
    assert_eq!(gradient("prod(x)", &[0.0, 0.0, 3.0]), [0.0, 0.0, 0.0]);
    assert_eq!(gradient("prod(x)", &[2.0, 0.0, 3.0]), [0.0, 6.0, 0.0]);
    assert_eq!(gradient("sum(cumprod(x) * [1, 2, 3, 4])", &[2.0, 0.0, 3.0, -1.0]), [1.0, -2.0, 0.0, 0.0]);
    assert_eq!(gradient("sum(cumprod(x) * [1, 2, 3, 4])", &[0.0, 2.0, 0.0, 4.0]), [5.0, 0.0, 0.0, 0.0]);
    // Seven factors: what is left over of odd lengths is not forgotten.
    let g = gradient("prod(x)", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert!(close(&g, &[5040.0, 2520.0, 1680.0, 1260.0, 1008.0, 840.0, 720.0], 1e-15), "{g:?}");
    let hessian = Program::trace(&[&[3]], |v| v[0].prod()).unwrap().hvp().unwrap();
    let times = |v: [f64; 3]| numbers(&hessian.eval(&[[0.0, 0.0, 3.0].into(), v.into()]).unwrap());
    assert_eq!(times([1.0, 0.0, 0.0]), [0.0, 3.0, 0.0]);
    assert_eq!(times([0.0, 0.0, 1.0]), [0.0, 0.0, 0.0]);
    // The empty product is 1.
    let empty = Program::trace(&[&[2, 0]], |v| v[0].prod_axis(1)).unwrap();
    assert_eq!(empty.eval(&[Tensor::full(&[2, 0], 0.0)]).unwrap()[0].data(), [1.0, 1.0]);
    assert_eq!(empty.vjp().unwrap().eval(&[Tensor::full(&[2, 0], 0.0), [1.0, 1.0].into()]).unwrap()[0].data(), []);
}

/// cumprod twice differentiated: the recurrence's derivative in its factors is right too. f = x₀ + x₀x₁ + x₀x₁x₂.
#[test]
fn the_hessian_of_cumprod_is_polynomial() {
    let hessian = Program::trace(&[&[3]], |v| v[0].cumprod().sum()).unwrap().hvp().unwrap();
    let x = [2.0, 0.0, 5.0];
    let exact = [[0.0, 1.0 + x[2], x[1]], [1.0 + x[2], 0.0, x[0]], [x[1], x[0], 0.0]];
    for (k, row) in exact.iter().enumerate() {
        let unit = Tensor::from_fn(&[3], |i| f64::from(i == k));
        assert_eq!(numbers(&hessian.eval(&[x.into(), unit]).unwrap()), row, "row {k}");
    }
}

#[test]
fn the_deviation_of_equal_entries_is_exactly_zero_and_its_set_a_ball() {
    // 0.1 + 0.1 + 0.1 is not 3 · 0.1: without care the tie would be missed.
    let f = read_any("std(x)", &[("x", &[3])]).unwrap();
    let at = f.at(&[[0.1, 0.1, 0.1].into()]).unwrap();
    assert_eq!(at.value().unwrap(), 0.0);
    assert_eq!(at.ties(0.0).unwrap().len(), 1);
    assert_eq!(numbers(&at.gradient(&Policy::default()).unwrap()), [0.0; 3]);
    for seed in 0..20 {
        let v = numbers(&at.gradient(&Policy::Random(seed)).unwrap());
        assert!(v.iter().sum::<f64>().abs() < 1e-15, "{v:?}");
        assert!(v.iter().map(|x| x * x).sum::<f64>().sqrt() <= 1.0 / 3f64.sqrt() + 1e-15, "{v:?}");
    }
    let smooth = gradient("std(x)", &[1.0, 2.0, 4.0]);
    assert!(close(&smooth, &[-0.3563483225498992, -0.0890870806374748, 0.445435403187374], 1e-15));
    let notes = |c: Convention| at.ties(0.0).unwrap()[0].site.choice(c).note;
    assert!(notes(Convention::PyTorch).is_none() && notes(Convention::Jax).is_some_and(|n| n.contains("NaN")));
    let hessian = read_any("var(x)", &[("x", &[3])]).unwrap().hvp().unwrap();
    let row = numbers(&hessian.eval(&[[1.0, 2.0, 4.0].into(), [1.0, 0.0, 0.0].into()]).unwrap());
    assert!(close(&row, &[4.0 / 9.0, -2.0 / 9.0, -2.0 / 9.0], 1e-15));
}

/// The recorded cases `cummax_ties`, `topk_ties` and `prod_with_zeros`, and larger ones that jax 0.10.2 gave.
#[test]
fn conventions_at_ties() {
    use Convention::{Jax, MinNorm, PyTorch};
    let cummax = |x: &[f64], c| jacobian(x, c, |x| x.cummax(0).sum());
    assert_eq!(cummax(&[1.0, 1.0, 0.0], Jax), [2.0, 1.0, 0.0]);
    assert_eq!(cummax(&[1.0, 1.0, 0.0], PyTorch), [1.0, 2.0, 0.0]);
    assert_eq!(cummax(&[1.0, 1.0, 0.0], MinNorm), [2.0, 1.0, 0.0]);
    let third = 1.0 / 3.0;
    let rows = jacobian(&[1.0, 1.0, 1.0], MinNorm, |x| x.cummax(0));
    assert!(close(&rows, &[1.0, 0.0, 0.0, 0.5, 0.5, 0.0, third, third, third], 1e-15), "{rows:?}");
    let top = |c| jacobian(&[2.0, 2.0, 1.0, 2.0], c, |x| x.top_k(2));
    assert_eq!(top(Jax), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(top(PyTorch), top(Jax));
    assert!(close(&top(MinNorm), &[third, third, 0.0, third, third, third, 0.0, third], 1e-15));
    assert_eq!(jacobian(&[2.0, 2.0, 1.0], PyTorch, |x| x.top_k(1)), [1.0, 0.0, 0.0]);
    let quantile = |c| jacobian(&[2.0, 1.0, 1.0, 1.0], c, |x| x.quantile(0.25));
    assert_eq!(quantile(Jax), [0.0, 0.25, 0.75, 0.0]);
    assert!(close(&quantile(MinNorm), &[0.0, third, third, third], 1e-15));
    let tv = |c| jacobian(&[1.0, 1.0, 3.0], c, |x| x.tv());
    assert_eq!((tv(MinNorm), tv(PyTorch), tv(Jax)), (vec![0.0, -1.0, 1.0], vec![0.0, -1.0, 1.0], vec![-1.0, 0.0, 1.0]));
    let maxout = |c| jacobian(&[1.0, 1.0], c, |x| x.maxout(2, 0));
    assert_eq!((maxout(PyTorch), maxout(Jax)), (vec![1.0, 0.0], vec![0.5, 0.5]));
}

/// At [1, 1, 1] the limits of the Jacobian of cummax are the four ways in which a later entry takes over or does not.
#[test]
fn later_positions_of_cummax_keep_the_choice_of_earlier_ones() {
    let f = Program::trace(&[&[3]], |v| v[0].cummax(0)).unwrap();
    let weighted = |w: [f64; 3]| {
        Program::trace(&[&[3]], move |v| (v[0].cummax(0) * v[0].constant(Tensor::from(w))).sum()).unwrap()
    };
    let mut seen = std::collections::BTreeSet::new();
    for d in [[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [2.0, 3.0, 1.0], [3.0, 1.0, 2.0]] {
        let policy = Policy::Along(vec![vec![d.into()]]);
        let rows: Vec<Vec<i64>> = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
            .map(|w| weighted(w).at(&[[1.0; 3].into()]).unwrap().gradient(&policy).unwrap())
            .iter()
            .map(|g| numbers(g).iter().map(|x| *x as i64).collect())
            .collect();
        seen.insert(rows);
    }
    let unit = |k: usize| (0..3).map(|i| i64::from(i == k)).collect::<Vec<i64>>();
    let limits = [[0, 0, 0], [0, 0, 2], [0, 1, 1], [0, 1, 2]].map(|r| r.map(unit).to_vec());
    assert_eq!(seen, limits.into_iter().collect());
    assert_eq!(f.at(&[[1.0; 3].into()]).unwrap().ties(0.0).unwrap()[0].pieces, Some(4));
    // Within a tolerance, with the distance of the furthest; nothing ties twice after a new largest entry.
    let near = f.at(&[[1.0, 1.25, 0.0].into()]).unwrap();
    assert_eq!(near.ties(0.0).unwrap().len(), 0);
    let met = near.ties(0.25).unwrap();
    assert_eq!((met[0].pieces, met[0].distance), (Some(2), 0.25));
}

/// Every random selection of cummax is a hull element: rows are weights on the entries that tie, and the weight that
/// goes from an entry never comes back to it.
#[test]
fn random_selections_of_cummax_are_in_the_hull() {
    let f = Program::trace(&[&[4]], |v| v[0].cummax(0)).unwrap();
    for seed in 0..30 {
        let rows: Vec<Vec<f64>> = (0..4)
            .map(|k| {
                let unit = Tensor::from_fn(&[4], |i| f64::from(i == k));
                let row = Program::trace(&[&[4]], |v| (Var::call(&f, v)[0] * v[0].constant(unit)).sum()).unwrap();
                let at = row.at(&[[2.0, 2.0, 1.0, 2.0].into()]).unwrap();
                numbers(&at.gradient(&Policy::Random(seed)).unwrap())
            })
            .collect();
        assert_eq!(rows[0], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(rows[1], rows[2], "a smaller entry changes nothing");
        for row in &rows {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-15 && row[2] == 0.0);
        }
        assert!(rows[1][0] > 0.0 && rows[1][1] > 0.0 && rows[3][3] > 0.0);
        assert!(rows[3][0] <= rows[1][0] && rows[3][1] <= rows[1][1], "{rows:?}");
    }
}

#[test]
fn the_set_of_sum_largest_is_a_slice_of_the_cube() {
    // 5 is among the two largest for sure; one of the three 2s is.
    let f = read_any("sum_largest(x, 2)", &[("x", &[5])]).unwrap();
    let at = f.at(&[[2.0, 5.0, 2.0, 1.0, 2.0].into()]).unwrap();
    let third = 1.0 / 3.0;
    assert!(close(&numbers(&at.gradient(&Policy::default()).unwrap()), &[third, 1.0, third, 0.0, third], 1e-15));
    for seed in 0..20 {
        let w = numbers(&at.gradient(&Policy::Random(seed)).unwrap());
        assert!(w[1] == 1.0 && w[3] == 0.0 && (w[0] + w[2] + w[4] - 1.0).abs() < 1e-15, "{w:?}");
        assert!([w[0], w[2], w[4]].iter().all(|x| (0.0..=1.0).contains(x)), "{w:?}");
    }
    let first = at.gradient(&Policy::Along(vec![vec![[0.0, 0.0, 1.0, 0.0, 0.0].into()]])).unwrap();
    assert_eq!(numbers(&first), [0.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn gather_argmax_jumps_and_says_so() {
    let f = Program::trace(&[&[3], &[3]], |v| v[0].gather_argmax(v[1], &Axes::all())).unwrap();
    let at = |x: [f64; 3], y: [f64; 3]| f.at(&[x.into(), y.into()]).unwrap();
    // Off ties: the derivative in y only.
    let g = at([1.0, 3.0, 2.0], [5.0, 6.0, 7.0]).gradient(&Policy::default()).unwrap();
    assert_eq!(numbers(&g), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    // At a tie whose values agree: a selection, of which nothing is proved.
    let tied = at([3.0, 1.0, 3.0], [5.0, 6.0, 5.0]);
    assert_eq!(numbers(&tied.gradient(&Policy::default()).unwrap()), [0.0, 0.0, 0.0, 0.5, 0.0, 0.5]);
    assert_eq!(numbers(&tied.gradient(&Policy::pytorch()).unwrap()), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(tied.path_differentiable().unwrap(), None);
    // At a tie whose values differ: an error with both of them.
    let jump = at([3.0, 1.0, 3.0], [5.0, 6.0, 7.0]).gradient(&Policy::default()).unwrap_err();
    match *jump.fault {
        Fault::Discontinuous { op, first, second, index } => {
            assert_eq!((op.as_str(), first, second, index), ("gather_argmax", 5.0, 7.0, vec![]));
        }
        other => panic!("{other}"),
    }
    let rows = Program::trace(&[&[2, 2], &[2, 2]], |v| v[0].gather_argmax(v[1], &Axes::one(1)).sum()).unwrap();
    let x = Tensor::new(&[2, 2], vec![1.0, 0.0, 4.0, 4.0]).unwrap();
    let y = Tensor::new(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let jump = rows.at(&[x, y]).unwrap().gradient(&Policy::default()).unwrap_err();
    assert!(matches!(&*jump.fault, Fault::Discontinuous { index, .. } if *index == [1]), "{jump}");
    // The evaluator that optimizers use sees it too, and a NaN is not passed over.
    let mut fast = clarke::Evaluator::new(&f, &[], Policy::default()).unwrap();
    assert!(fast.value_and_gradient(&[3.0, 1.0, 3.0, 5.0, 6.0, 7.0], &mut [0.0; 6]).is_err());
    assert!(f.eval(&[[1.0, f64::NAN, 2.0].into(), [1.0, 2.0, 3.0].into()]).unwrap()[0].item().is_nan());
}

/// Batched over both arguments, over one, and over labels: the same as slice by slice.
#[test]
fn arguments_that_are_not_variables_batch() {
    let draw = |shape: &[usize], seed: u64| common::Draw::new(seed).tensor(shape, (-2.0, 2.0));
    let gather = Program::trace(&[&[2, 3], &[2, 3]], |v| v[0].gather_argmax(v[1], &Axes::one(0))).unwrap();
    let owl = Program::trace(&[&[2, 3], &[3]], |v| v[0].owl_norm_over(v[1], &Axes::one(1))).unwrap();
    let loss = |mean: bool| {
        Program::trace(&[&[2, 3], &[2]], |v| if mean { v[0].cross_entropy(v[1]) } else { v[0].nll_each(v[1]) }).unwrap()
    };
    let labels = Tensor::new(&[4, 2], vec![0.0, 1.0, 2.0, 2.0, 1.0, 0.0, 0.0, 2.0]).unwrap();
    let recurrence = read_any("linear_recurrence(a, b, axis=0)", &[("a", &[2, 3]), ("b", &[2, 3])]).unwrap();
    let cases = [
        (gather, draw(&[4, 2, 3], 1), draw(&[4, 2, 3], 2)),
        (owl, draw(&[4, 2, 3], 3), draw(&[4, 3], 4)),
        (loss(true), draw(&[4, 2, 3], 5), labels.clone()),
        (loss(false), draw(&[4, 2, 3], 6), labels),
        (recurrence, draw(&[4, 2, 3], 7), draw(&[4, 2, 3], 8)),
    ];
    let slice = |t: &Tensor, k: usize| {
        let (n, inner) = (t.data().len() / 4, &t.shape()[1..]);
        Tensor::new(inner, t.data()[k * n..(k + 1) * n].to_vec()).unwrap()
    };
    for (f, x, y) in cases {
        for (first, second) in [(true, true), (true, false), (false, true)] {
            let given = |mapped: bool, t: &Tensor| if mapped { t.clone() } else { slice(t, 0) };
            let together =
                f.batch(&[first, second], 4).unwrap().eval(&[given(first, &x), given(second, &y)]).unwrap().remove(0);
            let own = |mapped: bool, t: &Tensor, k: usize| slice(t, if mapped { k } else { 0 });
            let apart: Vec<Tensor> =
                (0..4).map(|k| f.eval(&[own(first, &x, k), own(second, &y, k)]).unwrap().remove(0)).collect();
            let apart = common::stack(&apart.iter().collect::<Vec<_>>());
            assert_eq!(together.shape(), apart.shape());
            assert!(close(together.data(), apart.data(), 1e-14), "{f} mapped {first} {second}");
        }
    }
}

/// A program of logits and labels, the labels as data.
fn loss_of_data() -> Program {
    let builder = Builder::new();
    let x = builder.input("logits", &[2, 3], Role::Argument);
    let labels = builder.input("labels", &[2], Role::Data);
    builder.finish(&[x.cross_entropy(labels)]).unwrap()
}

#[test]
fn labels_may_be_data_and_are_checked() {
    let f = loss_of_data();
    let at = f.at(&[matrix(), [2.0, 0.0].into()]).unwrap();
    assert!((at.value().unwrap() - 0.17989007086654013).abs() < 1e-16);
    let g = at.gradient(&Policy::default()).unwrap();
    assert_eq!(g.len(), 1);
    assert!((g[0].data()[2] + 0.10377346121694037).abs() < 1e-16);
    for (label, shown) in [(3.0, "3"), (-1.0, "-1"), (0.5, "0.5")] {
        let error = f.at(&[matrix(), [0.0, label].into()]).unwrap_err().fault.to_string();
        assert_eq!(error, format!("cross_entropy: a label is {shown}, but the classes are the integers 0 to 2"));
    }
    let mut fast = clarke::Evaluator::new(&f, &[[0.0, 3.0].into()], Policy::default()).unwrap();
    assert!(fast.value(&X).unwrap_err().to_string().contains("a label is 3"));
    // Constants are checked when they are written.
    let label = |op: &str, x: &str| format!("{op}: a label is {x}, but the classes are the integers 0 to 2");
    assert_eq!(message("cross_entropy(x, [2, 3])"), label("cross_entropy", "3"));
    assert_eq!(message("nll(x, [-1, 0])"), label("nll", "-1"));
    assert_eq!(message("one_hot([0, 1.5], 3) * x"), label("one_hot", "1.5"));
    // No derivative in the labels.
    let varying = Program::trace(&[&[2, 3], &[2]], |v| v[0].cross_entropy(v[1])).unwrap();
    assert!(varying.linearize().unwrap_err().to_string().contains("make them constants, or data"));
    let one_hot = Program::trace(&[&[2]], |v| v[0].one_hot(3)).unwrap();
    assert_eq!(one_hot.eval(&[[1.0, 2.0].into()]).unwrap()[0].data(), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert!(one_hot.linearize().unwrap_err().to_string().contains("one_hot has no derivative"));
}

#[test]
fn mistakes_are_named() {
    assert_eq!(message("quantile(x, 1.5)"), "quantile: q is 1.5, but it must lie between 0 and 1");
    assert_eq!(message("top_k(x, 4)"), "top_k: k is 4, but there are 3 entries: it must lie between 1 and 3");
    assert_eq!(
        message("sum_largest(x, 0)"),
        "sum_largest: k is 0, but there are 6 entries: it must lie between 1 and 6"
    );
    let half = "trimmed_mean: proportion is 0.5, but it must be at least 0 and less than 0.5";
    assert_eq!(message("trimmed_mean(x, 0.5)"), half);
    let ddof = "var: ddof is 3, but it must be less than the 3 entries that each value is made of";
    assert_eq!(message("var(x, axis=1, ddof=3)"), ddof);
    assert_eq!(message("maxout(x, 2)"), "maxout: pieces is 2, but it must divide the length 3 of axis 1");
    assert!(message("owl_norm(x, [1, 2], axis=0)").contains("weights must not increase"));
    assert!(message("owl_norm(x, [1, -2], axis=0)").contains("a weight is -2"));
    assert!(message("owl_norm(x, [1], axis=0)").contains("one for each of 2 entries"));
    assert!(message("take_along_axis(x, [[3, 0]], axis=1)").contains("index is 3, but axis 1 has length 3"));
    assert!(message("take_along_axis(x, [1, 0], axis=1)").contains("as many axes as the array"));
    assert!(message("group_norm2(x, groups=[[6]])").contains("index is 6, but axis 0 has length 6"));
    assert!(message("group_norm2(x, groups=3)").contains("`groups` must be lists of positions"));
    assert!(message("cross_entropy(x, [0, 1, 2])").contains("the labels have its other axes"));
    assert!(message("cumsum(x, axis=2)").contains("axis is 2"));
    assert!(message("cummax(1)").contains("axis"));
    assert!(message("gather_argmax(x, [1, 2])").contains("shapes must be equal, or 1"));
}

#[test]
fn classes_follow_from_the_arguments() {
    let class = |text: &str| read_any(text, &[("x", &[2, 3])]).unwrap().class().level.to_string();
    for text in
        ["cummax(x)", "quantile(x, 0.5)", "tv(x)", "owl_norm(x, [2, 1], axis=0)", "nll(x, [0, 1])", "maxout(x, 3)"]
    {
        assert_eq!(class(text), "piecewise linear", "{text}");
    }
    for text in ["prod(x)", "var(x)", "cumprod(x)", "top_k(x * x, 1)", "gather_argmax(x * x, x)"] {
        assert_eq!(class(text), "piecewise polynomial", "{text}");
    }
    assert_eq!(class("std(x)"), "semialgebraic");
    assert_eq!(class("group_norm2(x)"), "semialgebraic");
    assert_eq!(class("cross_entropy(x, [0, 1])"), "definable");
}

/// Overlapping groups and groups of several lengths, against their definition; and what has no least norm says so.
#[test]
fn penalties_are_sums_of_what_they_are_made_of() {
    let f = read_any("group_norm2(x, groups=[[0, 1], [], [1, 2], [3]])", &[("x", &[4])]).unwrap();
    let value = f.eval(&[[3.0, 4.0, 3.0, -2.0].into()]).unwrap()[0].item();
    assert_eq!(value, 12.0);
    let g = numbers(&f.gradient().unwrap().eval(&[[3.0, 4.0, 3.0, -2.0].into()]).unwrap());
    assert!(close(&g, &[0.6, 1.6, 0.6, -1.0], 1e-15), "{g:?}");
    let single = |text: &str, n: usize| {
        let program = read_any(text, &[("x", &[n])]).unwrap();
        match &program.nodes()[program.outputs()[0]].kind {
            Kind::Apply { op, .. } => op.has_least_norm(),
            _ => panic!("an application"),
        }
    };
    assert!(single("group_norm2(x, groups=[[0, 1], [2]])", 3) && !single("group_norm2(x, groups=[[0, 1], [1]])", 3));
    // At [0, 0, 1] the default of tv is (0, −1, 1), and the element of least norm (−1/2, −1/2, 1).
    assert!(!single("tv(x)", 3));
    assert_eq!(gradient("tv(x)", &[0.0, 0.0, 1.0]), [0.0, -1.0, 1.0]);
    let nothing = read_any("tv(x)", &[("x", &[1])]).unwrap();
    assert_eq!(nothing.eval(&[[3.0].into()]).unwrap()[0].item(), 0.0);
    // The dual ball of an ordered norm at 0: every selection is majorized by the weights.
    let owl = read_any("owl_norm(x, [3, 2, 1])", &[("x", &[3])]).unwrap();
    let at = owl.at(&[[0.0; 3].into()]).unwrap();
    for seed in 0..20 {
        let mut v: Vec<f64> = numbers(&at.gradient(&Policy::Random(seed)).unwrap()).iter().map(|x| x.abs()).collect();
        v.sort_by(|a, b| b.total_cmp(a));
        assert!(v[0] <= 3.0 && v[0] + v[1] <= 5.0 + 1e-12 && v.iter().sum::<f64>() <= 6.0 + 1e-12, "{v:?}");
    }
}

#[test]
fn kernels_leave_no_trace_of_earlier_calls() {
    for text in ["quantile(x, 0.3, axis=1)", "top_k(x, 2)", "std(x, axis=0)", "cummax(x)", "cumprod(x, axis=0)"] {
        let f = read_any(text, &[("x", &[2, 3])]).unwrap();
        let fast = f.compile_with::<f64>(&|_| 0.0);
        let other = Tensor::from_fn(&[2, 3], |k| 10.0 - k as f64);
        let before = fast.call(&[matrix()]).unwrap();
        fast.call(&[other]).unwrap();
        assert_eq!(fast.call(&[matrix()]).unwrap(), before, "{text}");
        let vjp = compile_filled(&f.vjp().unwrap(), 3);
        let cotangent = Tensor::full(f.output_shapes()[0], 1.0);
        let slope = vjp.call(&[matrix(), cotangent.clone()]).unwrap();
        assert_eq!(vjp.call(&[matrix(), cotangent]).unwrap(), slope, "{text}");
    }
}

/// Reads an expression over all operators, those that only derivatives are written with included.
fn read_any(text: &str, inputs: &[(&str, &[usize])]) -> clarke::Result<Program> {
    clarke::text::parse(&clarke::registry(), text, inputs)
}
