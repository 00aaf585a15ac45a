//! Reductions, norms and sorting: values against loops, derivatives against differences, and the choices at ties.

use clarke::Tensor;
use clarke::op::axes::Axes;
use clarke::program::tie::Convention::{self, Jax, MinNorm, PyTorch, TensorFlow};
use clarke::program::{Builder, Program, Role, Var};

/// Numbers in (−2, 2) without a pattern, no two equal.
fn scattered(shape: &[usize], seed: f64) -> Tensor {
    Tensor::from_fn(shape, |k| 4.0 * ((k as f64 + seed) * 0.754_877_666_246_7).fract() - 2.0)
}

fn near(a: &Tensor, b: &Tensor, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    for (x, y) in a.data().iter().zip(b.data()) {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "{a:?} is not {b:?}");
    }
}

type Method = for<'p> fn(Var<'p>, &Axes) -> Var<'p>;
type Naive = fn(&[f64]) -> f64;

/// What has one value a slice, with a naive formula.
const REDUCTIONS: &[(&str, Method, Naive)] = &[
    ("sum", |x, a| x.sum_over(a), |x| x.iter().sum()),
    ("mean", |x, a| x.mean_over(a), |x| x.iter().sum::<f64>() / x.len() as f64),
    ("max", |x, a| x.max_over(a), |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    ("min", |x, a| x.min_over(a), |x| x.iter().copied().fold(f64::INFINITY, f64::min)),
    ("logsumexp", |x, a| x.logsumexp_over(a), |x| x.iter().map(|x| x.exp()).sum::<f64>().ln()),
    ("norm1", |x, a| x.norm1_over(a), |x| x.iter().map(|x| x.abs()).sum()),
    ("norm2", |x, a| x.norm2_over(a), |x| x.iter().map(|x| x * x).sum::<f64>().sqrt()),
    ("norminf", |x, a| x.norminf_over(a), |x| x.iter().fold(0.0, |m, x| m.max(x.abs()))),
    (
        "median",
        |x, a| x.median_over(a),
        |x| {
            let mut x = x.to_vec();
            x.sort_by(f64::total_cmp);
            (x[x.len() / 2] + x[(x.len() - 1) / 2]) / 2.0
        },
    ),
];

/// What has a value for each entry.
const REARRANGEMENTS: &[(&str, Method)] =
    &[("softmax", |x, a| x.softmax_over(a)), ("sort -1", |x, _| x.sort()), ("sort 0", |x, _| x.sort_axis(0))];

const CUBE: [usize; 3] = [2, 3, 4];

/// Every choice of axes of a cube, with the axes from the first.
fn choices() -> Vec<(Axes, Vec<usize>)> {
    let mut all = vec![(Axes::all(), vec![0, 1, 2])];
    for axes in [&[][..], &[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]] {
        let signed: Vec<i64> = axes.iter().rev().map(|&a| a as i64).collect();
        all.push((Axes::many(&signed), axes.to_vec()));
        if let [one] = axes {
            all.push((Axes::one(*one as i64), vec![*one]));
            all.push((Axes::one(*one as i64 - 3), vec![*one]));
        }
    }
    all.iter().flat_map(|(a, k)| [(a.clone(), k.clone()), (a.clone().keepdims(), k.clone())]).collect()
}

/// The slices of an array of shape `CUBE`, by a loop over indices.
fn naive_slices(x: &Tensor, axes: &[usize]) -> Vec<Vec<f64>> {
    let along = |k: usize| if axes.contains(&k) { 1 } else { CUBE[k] };
    let mut slices = vec![vec![]; along(0) * along(1) * along(2)];
    for i in 0..CUBE[0] {
        for j in 0..CUBE[1] {
            for l in 0..CUBE[2] {
                let at = |k: usize, n: usize| if axes.contains(&k) { 0 } else { n };
                let slice = (at(0, i) * along(1) + at(1, j)) * along(2) + at(2, l);
                slices[slice].push(x.data()[(i * CUBE[1] + j) * CUBE[2] + l]);
            }
        }
    }
    slices
}

#[test]
fn values_are_those_of_loops_along_all_axes() {
    let x = scattered(&CUBE, 0.3);
    for (name, method, naive) in REDUCTIONS {
        for (axes, resolved) in choices() {
            let f = Program::trace(&[&CUBE], |v| method(v[0], &axes)).unwrap();
            let y = f.eval(std::slice::from_ref(&x)).unwrap().remove(0);
            let wanted: Vec<f64> = naive_slices(&x, &resolved).iter().map(|s| naive(s)).collect();
            let lengths = (0..3).filter_map(|k| match resolved.contains(&k) {
                true => format!("{axes:?}").contains("keepdims: true").then_some(1),
                false => Some(CUBE[k]),
            });
            let shape: Vec<usize> = lengths.collect();
            assert_eq!(y.shape(), shape, "{name} {axes:?}");
            near(&y, &Tensor::new(&shape, wanted).unwrap(), 1e-14);
        }
    }
}

#[test]
fn long_rows_columns_and_scattered_axes_agree() {
    let x = scattered(&[19, 7, 23], 0.1);
    let turned = Program::trace(&[&[19, 7, 23]], |v| v[0].transpose(&[1, 0, 2]).reshape(&[7, 19 * 23])).unwrap();
    let rows = turned.eval(std::slice::from_ref(&x)).unwrap();
    for (name, method, naive) in REDUCTIONS {
        let f = Program::trace(&[&[19, 7, 23]], |v| method(v[0], &Axes::many(&[0, 2]))).unwrap();
        let y = f.eval(std::slice::from_ref(&x)).unwrap().remove(0);
        let wanted: Vec<f64> = rows[0].data().chunks(19 * 23).map(naive).collect();
        for (a, b) in y.data().iter().zip(&wanted) {
            assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{name}: {a} is not {b}");
        }
    }
}

/// All programs of these operators on a cube.
fn programs() -> Vec<(String, Program)> {
    let mut all = vec![];
    for (axes, _) in choices() {
        for (name, method, _) in REDUCTIONS {
            all.push((format!("{name} {axes:?}"), Program::trace(&[&CUBE], |v| method(v[0], &axes)).unwrap()));
        }
    }
    for (name, method) in REARRANGEMENTS {
        for axes in [Axes::all(), Axes::one(1), Axes::many(&[0, 2])] {
            all.push((format!("{name} {axes:?}"), Program::trace(&[&CUBE], |v| method(v[0], &axes)).unwrap()));
        }
    }
    for least in [false, true] {
        let f = Program::trace(&[&CUBE], |v| {
            let others = [v[0].transpose(&[0, 1, 2]) * 0.5, v[0].constant([0.1, -0.3, 0.2, 0.4]), v[0] * -1.0];
            if least { v[0].min_of(&others) } else { v[0].max_of(&others) }
        });
        all.push((format!("max_of, least {least}"), f.unwrap()));
    }
    all
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.data().iter().zip(b.data()).map(|(x, y)| x * y).sum()
}

#[test]
fn forward_is_the_adjoint_of_reverse_on_and_off_ties() {
    let tied = Tensor::from_fn(&CUBE, |k| ((k * k) % 3) as f64 - 1.0);
    for (name, f) in programs() {
        for x in [scattered(&CUBE, 0.3), tied.clone(), Tensor::full(&CUBE, 0.0)] {
            let u = scattered(&CUBE, 0.6);
            let v = scattered(f.output_shapes()[0], 0.8);
            let forward = f.linearize().unwrap().eval(&[x.clone(), u.clone()]).unwrap().remove(1);
            let reverse = f.vjp().unwrap().eval(&[x, v.clone()]).unwrap().remove(0);
            let (a, b) = (dot(&forward, &v), dot(&reverse, &u));
            assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{name}: {a} is not {b}");
        }
    }
}

#[test]
fn derivatives_are_central_differences_off_ties() {
    let (x, u) = (scattered(&CUBE, 0.3), scattered(&CUBE, 0.6));
    for (name, f) in programs() {
        let dot = f.linearize().unwrap().eval(&[x.clone(), u.clone()]).unwrap().remove(1);
        let h = 1e-5;
        let moved = |h: f64| {
            let at = Tensor::from_fn(&CUBE, |k| x.data()[k] + h * u.data()[k]);
            f.eval(&[at]).unwrap().remove(0)
        };
        let (above, below) = (moved(h), moved(-h));
        for k in 0..dot.data().len() {
            let slope = (above.data()[k] - below.data()[k]) / (2.0 * h);
            assert!((slope - dot.data()[k]).abs() < 1e-8, "{name}: {slope} is not {}", dot.data()[k]);
        }
    }
}

#[test]
fn a_batch_is_a_loop_over_slices_of_value_and_derivative() {
    let xs: Vec<Tensor> =
        (0..3).map(|k| if k == 1 { Tensor::full(&CUBE, 1.0) } else { scattered(&CUBE, 0.3 + k as f64) }).collect();
    let stacked = |parts: &[Tensor]| {
        let shape = [&[parts.len()], parts[0].shape()].concat();
        Tensor::new(&shape, parts.iter().flat_map(|p| p.data().to_vec()).collect()).unwrap()
    };
    for (name, f) in programs() {
        let loops: Vec<Tensor> = xs.iter().map(|x| f.eval(std::slice::from_ref(x)).unwrap().remove(0)).collect();
        let batch = f.batch(&[true], 3).unwrap().eval(&[stacked(&xs)]).unwrap().remove(0);
        assert_eq!(batch, stacked(&loops), "{name}");
        let vjp = f.vjp().unwrap();
        let vs: Vec<Tensor> = (0..3).map(|k| scattered(f.output_shapes()[0], 0.8 + k as f64)).collect();
        let loops: Vec<Tensor> = (0..3).map(|k| vjp.eval(&[xs[k].clone(), vs[k].clone()]).unwrap().remove(0)).collect();
        // Everything is mapped: the point, the selections and the cotangent.
        let all = vjp.batch(&vec![true; vjp.inputs().len()], 3).unwrap();
        near(&all.eval(&[stacked(&xs), stacked(&vs)]).unwrap()[0], &stacked(&loops), 1e-13);
        // Only the cotangent is: as in a Jacobian.
        let last = vjp.inputs().len() - 1;
        let some = vjp.batch(&(0..=last).map(|k| k == last).collect::<Vec<_>>(), 3).unwrap();
        let loops: Vec<Tensor> = vs.iter().map(|v| vjp.eval(&[xs[2].clone(), v.clone()]).unwrap().remove(0)).collect();
        near(&some.eval(&[xs[2].clone(), stacked(&vs)]).unwrap()[0], &stacked(&loops), 1e-13);
        // A batch of the batched program's derivative: the operators' batched forms are differentiated.
        let batched = f.batch(&[true], 3).unwrap().vjp().unwrap();
        let loops: Vec<Tensor> = (0..3).map(|k| vjp.eval(&[xs[k].clone(), vs[k].clone()]).unwrap().remove(0)).collect();
        near(&batched.eval(&[stacked(&xs), stacked(&vs)]).unwrap()[0], &stacked(&loops), 1e-13);
    }
}

#[test]
fn hessian_vector_products_are_differences_of_gradients() {
    let (x, u, w) = (scattered(&CUBE, 0.3), scattered(&CUBE, 0.6), scattered(&CUBE, 0.9));
    for axes in [Axes::all(), Axes::one(0), Axes::many(&[0, 2])] {
        for (name, method, _) in REDUCTIONS {
            let f = Program::trace(&[&CUBE], |v| {
                let y = method(v[0] * v[0].constant(w.clone()), &axes);
                (y * y * y).sum()
            })
            .unwrap();
            let (gradient, hvp) = (f.gradient().unwrap(), f.hvp().unwrap());
            let product = hvp.eval(&[x.clone(), u.clone()]).unwrap().remove(0);
            let moved = |h: f64| {
                let at = Tensor::from_fn(&CUBE, |k| x.data()[k] + h * u.data()[k]);
                gradient.eval(&[at]).unwrap().remove(0)
            };
            let (above, below) = (moved(1e-5), moved(-1e-5));
            for k in 0..24 {
                let slope = (above.data()[k] - below.data()[k]) / 2e-5;
                let found = product.data()[k];
                assert!((slope - found).abs() < 1e-6 * (1.0 + slope.abs()), "{name} {axes:?}: {slope} is not {found}");
            }
        }
    }
}

#[test]
fn third_derivatives_of_norm2_and_logsumexp_are_right() {
    let f = Program::trace(&[&[3]], |v| v[0].norm2() + v[0].logsumexp()).unwrap();
    let hvp = f.hvp().unwrap();
    let third = hvp.jvp().unwrap();
    let (x, u, w) = (scattered(&[3], 0.3), scattered(&[3], 0.6), scattered(&[3], 0.9));
    let zero = Tensor::full(&[3], 0.0);
    let found = third.eval(&[x.clone(), u.clone(), w.clone(), zero]).unwrap().remove(1);
    let moved = |h: f64| {
        let at = Tensor::from_fn(&[3], |k| x.data()[k] + h * w.data()[k]);
        hvp.eval(&[at, u.clone()]).unwrap().remove(0)
    };
    let (above, below) = (moved(1e-5), moved(-1e-5));
    let slope = Tensor::from_fn(&[3], |k| (above.data()[k] - below.data()[k]) / 2e-5);
    near(&found, &slope, 1e-7);
}

/// The gradient with every tie decided as a convention does.
fn gradient_under(convention: Convention, x: &Tensor, f: impl for<'p> Fn(Var<'p>) -> Var<'p>) -> Vec<f64> {
    let gradient = Program::trace(&[x.shape()], |v| f(v[0])).unwrap().gradient().unwrap();
    let builder = Builder::new();
    let args: Vec<Var<'_>> = gradient
        .inputs()
        .iter()
        .map(|input| match &input.role {
            Role::Selection(Some(site)) => {
                builder.constant(Tensor::full(&input.shape, site.choice(convention).selection))
            }
            Role::Selection(None) => panic!("a selection without a site"),
            _ => builder.constant(x.clone()),
        })
        .collect();
    let out = builder.inline(&gradient, &args);
    builder.finish(&out).unwrap().eval(&[]).unwrap().remove(0).into_data()
}

fn same(found: Vec<f64>, wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    for (a, b) in found.iter().zip(wanted) {
        assert!((a - b).abs() < 1e-12, "{found:?} is not {wanted:?}");
    }
}

const THIRD: f64 = 1.0 / 3.0;

#[test]
fn tied_maxima_and_minima_are_decided_as_the_frameworks_do() {
    let x = Tensor::vector([1.0, 3.0, 3.0, 2.0, 3.0]);
    let even = [0.0, THIRD, THIRD, 0.0, THIRD];
    let first = [0.0, 1.0, 0.0, 0.0, 0.0];
    for convention in [MinNorm, PyTorch, Jax, TensorFlow] {
        same(gradient_under(convention, &x, |x| x.max()), &even);
        same(gradient_under(convention, &x, |x| x.max_over(&Axes::many(&[0]))), &even);
        let one = if convention == PyTorch { first } else { even };
        same(gradient_under(convention, &x, |x| x.max_axis(0)), &one);
        let y = Tensor::vector([1.0, 3.0, 1.0]);
        same(gradient_under(convention, &y, |x| x.min()), &[0.5, 0.0, 0.5]);
        let one = if convention == PyTorch { [1.0, 0.0, 0.0] } else { [0.5, 0.0, 0.5] };
        same(gradient_under(convention, &y, |x| x.min_axis(0)), &one);
    }
}

#[test]
fn several_equal_arguments_share_evenly() {
    let x = Tensor::scalar(2.0);
    for convention in [MinNorm, PyTorch, Jax, TensorFlow] {
        // Of 2x, x + 2 and 4, all 4: slopes 2, 1 and 0.
        same(gradient_under(convention, &x, |x| (2.0 * x).max_of(&[x + 2.0, x.constant(4.0)])), &[1.0]);
        same(gradient_under(convention, &x, |x| (2.0 * x).min_of(&[x + 2.0, x.constant(4.0)])), &[1.0]);
        // Of two of four.
        same(gradient_under(convention, &x, |x| (2.0 * x).max_of(&[x, x + 2.0, x - 1.0])), &[1.5]);
    }
}

#[test]
fn tied_sorts_and_medians_are_decided_as_the_frameworks_do() {
    let x = Tensor::vector([2.0, 1.0, 1.0]);
    for k in 0..2 {
        let entry = Tensor::from_fn(&[3], |i| f64::from(i == k));
        let f = |convention| gradient_under(convention, &x, |x| (x.sort() * x.constant(entry.clone())).sum());
        let stable = [0.0, f64::from(k == 0), f64::from(k == 1)];
        same(f(MinNorm), &[0.0, 0.5, 0.5]);
        for convention in [PyTorch, Jax, TensorFlow] {
            same(f(convention), &stable);
        }
    }
    let x = Tensor::vector([1.0, 2.0, 2.0, 2.0, 3.0]);
    let (even, middle) = ([0.0, THIRD, THIRD, THIRD, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]);
    for (convention, wanted) in [(MinNorm, even), (PyTorch, even), (Jax, middle), (TensorFlow, middle)] {
        same(gradient_under(convention, &x, |x| x.median()), &wanted);
    }
    let x = Tensor::vector([1.0, 2.0, 4.0, 8.0]);
    same(gradient_under(Jax, &x, |x| x.median()), &[0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn norms_at_zero_and_at_ties_are_decided_as_the_frameworks_do() {
    let zero = Tensor::vector([0.0, 0.0]);
    for (convention, norm1, norminf) in
        [(MinNorm, 0.0, 0.0), (PyTorch, 0.0, 0.0), (Jax, 1.0, 0.25), (TensorFlow, 0.0, 0.0)]
    {
        same(gradient_under(convention, &zero, |x| x.norm2()), &[0.0, 0.0]);
        same(gradient_under(convention, &Tensor::vector([0.0, 2.0]), |x| x.norm1()), &[norm1, 1.0]);
        same(gradient_under(convention, &zero, |x| x.norminf()), &[norminf, norminf]);
        let x = Tensor::vector([2.0, -2.0, 1.0]);
        same(gradient_under(convention, &x, |x| x.norminf()), &[0.5, -0.5, 0.0]);
        same(gradient_under(convention, &x, |x| x.norminf_axis(0)), &[0.5, -0.5, 0.0]);
        same(gradient_under(convention, &Tensor::vector([2.0, 2.0]), |x| x.logsumexp()), &[0.5, 0.5]);
    }
    let gradient = Program::trace(&[&[2]], |v| v[0].norm2()).unwrap().gradient().unwrap();
    let notes: Vec<_> = gradient
        .inputs()
        .iter()
        .filter_map(|i| match &i.role {
            Role::Selection(Some(site)) => Some([Jax, TensorFlow, PyTorch].map(|c| site.choice(c).note.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(notes, [[true, true, false]]);
}

#[test]
fn selection_arrays_are_the_elements_themselves() {
    // The derivative programs with their selections as inputs of full shape.
    let element = |f: &Program, x: &Tensor, s: &Tensor| {
        let gradient = f.gradient().unwrap();
        let builder = Builder::new();
        let args: Vec<Var<'_>> = gradient
            .inputs()
            .iter()
            .map(|i| builder.constant(if i.role.is_selection() { s.clone() } else { x.clone() }))
            .collect();
        let out = builder.inline(&gradient, &args);
        builder.finish(&out).unwrap().eval(&[]).unwrap().remove(0).into_data()
    };
    let max = Program::trace(&[&[4]], |v| v[0].max()).unwrap();
    let x = Tensor::vector([3.0, 1.0, 3.0, 3.0]);
    same(element(&max, &x, &Tensor::vector([0.2, 9.0, 0.3, 0.5])), &[0.2, 0.0, 0.3, 0.5]);
    same(element(&max, &Tensor::vector([3.0, 1.0, 2.0, 0.0]), &Tensor::vector([0.2; 4])), &[1.0, 0.0, 0.0, 0.0]);
    let norm = Program::trace(&[&[2]], |v| v[0].norm2()).unwrap();
    same(element(&norm, &Tensor::vector([0.0, 0.0]), &Tensor::vector([0.6, -0.3])), &[0.6, -0.3]);
    same(element(&norm, &Tensor::vector([3.0, 4.0]), &Tensor::vector([0.6, -0.3])), &[0.6, 0.8]);
    let first = Program::trace(&[&[3]], |v| (v[0].sort() * v[0].constant([1.0, 0.0, 0.0])).sum()).unwrap();
    let x = Tensor::vector([2.0, 1.0, 1.0]);
    same(element(&first, &x, &Tensor::vector([2.0, 1.0, 0.0])), &[0.0, 0.0, 1.0]);
    same(element(&first, &x, &Tensor::vector([1.0, 2.0, 0.0])), &[0.0, 1.0, 0.0]);
    same(element(&first, &x, &Tensor::vector([2.25, 1.25, 0.0])), &[0.0, 0.125, 0.875]);
}

#[test]
fn the_derivative_in_a_selection_is_the_difference_of_elements() {
    for (method, x) in [
        (REDUCTIONS[2].1, Tensor::new(&[2, 3], vec![1.0, 1.0, 0.0, 2.0, 2.0, 2.0]).unwrap()),
        (REDUCTIONS[6].1, Tensor::new(&[2, 3], vec![0.0, 0.0, 0.0, 0.0, 3.0, 4.0]).unwrap()),
    ] {
        for full in [false, true] {
            let f = Program::trace(&[&[2, 3]], |v| method(v[0], &Axes::one(1)).sum()).unwrap().gradient().unwrap();
            let builder = Builder::new();
            let shape: &[usize] = if full { &[2, 3] } else { &[] };
            let s = builder.input("s", shape, Role::Argument);
            let args: Vec<Var<'_>> = f
                .inputs()
                .iter()
                .map(|i| if i.role.is_selection() { s } else { builder.constant(x.clone()) })
                .collect();
            let out = builder.inline(&f, &args);
            let of_s = builder.finish(&out).unwrap();
            let (a, d) = (scattered(shape, 0.2), scattered(shape, 0.7));
            let b = Tensor::from_fn(shape, |k| a.data()[k] + d.data()[k]);
            let both = of_s.linearize().unwrap().eval(&[a, d]).unwrap();
            let end = of_s.eval(&[b]).unwrap().remove(0);
            let sum = Tensor::from_fn(&[2, 3], |k| both[0].data()[k] + both[1].data()[k]);
            near(&sum, &end, 1e-14);
            assert!(both[1].data().iter().any(|x| *x != 0.0), "the selection matters here");
        }
    }
}
