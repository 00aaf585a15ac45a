//! Convolutions and pools: values against jax's, derivatives of two orders, batches, ties, mistakes.

mod common;

use clarke::op::conv::Moves;
use clarke::{Convention, Policy, Program, Tensor};
use common::linear::{batches, inner, inputs_of, integers, laws, tensor};

/// Text, inputs with their shapes, the value's shape, the value.
type Case = (&'static str, &'static [(&'static str, &'static [usize])], &'static [usize], &'static [f64]);

// lax.conv_general_dilated, its vjp, and lax.reduce_window of jax 0.10.2 in f64, at arrays of the numbers that `integers`
// gives: the k-th input has seed k.
#[rustfmt::skip]
const JAX: &[Case] = &[
    ("conv1d(x, w)", &[("x", &[1, 2, 5]), ("w", &[2, 2, 3])], &[1, 2, 3], &[-25.0, 20.0, -23.0, -39.0, 21.0, 15.0]),
    ("conv1d(x, w, stride=2, padding=1)", &[("x", &[2, 1, 5]), ("w", &[2, 1, 2])], &[2, 2, 3], &[0.0, 8.0, 20.0, -15.0, -14.0, -17.0, 0.0, 16.0, -16.0, -9.0, -16.0, 25.0]),
    ("conv1d(x, w, 1, 2, 2)", &[("x", &[1, 5]), ("w", &[1, 1, 3])], &[1, 5], &[8.0, -20.0, -24.0, 8.0, -8.0]),
    ("conv2d(x, w)", &[("x", &[1, 2, 3, 3]), ("w", &[2, 2, 2, 2])], &[1, 2, 2, 2], &[-27.0, 7.0, 20.0, -45.0, -22.0, 2.0, 28.0, -47.0]),
    ("conv2d(x, w, padding=1)", &[("x", &[1, 1, 2, 3]), ("w", &[1, 1, 3, 3])], &[1, 1, 2, 3], &[-10.0, -14.0, 16.0, -18.0, 17.0, 14.0]),
    ("conv2d(x, w, stride=(2, 1), padding=(1, 0), dilation=(1, 2))", &[("x", &[1, 1, 4, 4]), ("w", &[2, 1, 2, 2])], &[1, 2, 3, 2], &[14.0, 7.0, 17.0, -39.0, 8.0, -8.0, -6.0, -6.0, -27.0, 19.0, -27.0, -3.0]),
    ("conv2d(x, w, groups=2)", &[("x", &[1, 4, 2, 2]), ("w", &[2, 2, 2, 1])], &[1, 2, 1, 2], &[-12.0, 20.0, 3.0, 16.0]),
    ("conv2d(x, w, groups=3, padding=(0, 1))", &[("x", &[2, 3, 2, 2]), ("w", &[3, 1, 1, 2])], &[2, 3, 2, 3], &[0.0, -20.0, 8.0, 0.0, -8.0, 20.0, 3.0, -13.0, 12.0, 12.0, -16.0, 0.0, 20.0, -11.0, -3.0, 5.0, 26.0, 5.0, 0.0, 8.0, -8.0, 0.0, 20.0, 4.0, -9.0, 24.0, -16.0, 0.0, -12.0, 16.0, -15.0, 2.0, 1.0, 25.0, -5.0, -2.0]),
    ("conv2d(x, w)", &[("x", &[2, 2, 1, 2]), ("w", &[3, 2, 1, 1])], &[2, 3, 1, 2], &[-20.0, 8.0, 14.0, 7.0, 15.0, -27.0, 4.0, -12.0, 8.0, 12.0, -21.0, 3.0]),
    ("conv2d(x, w, stride=2)", &[("x", &[2, 4, 4]), ("w", &[1, 2, 1, 1])], &[1, 2, 2], &[-20.0, -8.0, -16.0, -4.0]),
    ("conv2d(x, w, padding=3)", &[("x", &[1, 1, 1, 1]), ("w", &[1, 1, 2, 2])], &[1, 1, 6, 6], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -15.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0, -20.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("conv2d_input(y, w, length=(4, 3), stride=(2, 1), groups=2)", &[("y", &[1, 2, 2, 2]), ("w", &[2, 1, 2, 2])], &[1, 2, 4, 3], &[-20.0, 8.0, 0.0, 20.0, -23.0, 6.0, -8.0, 20.0, 0.0, 8.0, -26.0, 15.0, -1.0, -2.0, 15.0, 2.0, -8.0, 6.0, -4.0, -20.0, 0.0, 8.0, -8.0, 0.0]),
    ("conv2d_weight(x, y, kernel_size=(2, 1), stride=(2, 1), groups=2)", &[("x", &[2, 2, 4, 2]), ("y", &[2, 2, 2, 2])], &[2, 1, 2, 1], &[-57.0, -5.0, -11.0, 31.0]),
    ("conv1d_input(y, w, length=5, padding=1)", &[("y", &[1, 2, 5]), ("w", &[2, 1, 3])], &[1, 1, 5], &[23.0, 23.0, -20.0, 25.0, -3.0]),
    ("conv1d_weight(x, y, kernel_size=2, dilation=2)", &[("x", &[1, 1, 4]), ("y", &[1, 2, 2])], &[2, 1, 2], &[-20.0, -8.0, 26.0, 23.0]),
    ("max_pool1d(x, 2)", &[("x", &[5])], &[2], &[2.0, 5.0]),
    ("max_pool1d(x, 3, 1, 1)", &[("x", &[2, 4])], &[2, 4], &[2.0, 2.0, 5.0, 5.0, 1.0, 4.0, 4.0, 4.0]),
    ("max_pool1d(x, 2, stride=1, dilation=2)", &[("x", &[5])], &[3], &[-2.0, 5.0, 1.0]),
    ("max_pool2d(x, 2)", &[("x", &[1, 4, 4])], &[1, 2, 2], &[2.0, 5.0, 3.0, 5.0]),
    ("max_pool2d(x, (3, 2), stride=(1, 2), padding=1)", &[("x", &[3, 4])], &[3, 3], &[1.0, 4.0, 5.0, 1.0, 4.0, 5.0, 1.0, 4.0, 0.0]),
    ("max_pool2d(x, 2, 1, 1, 2)", &[("x", &[1, 1, 3, 3])], &[1, 1, 3, 3], &[1.0, 5.0, 1.0, 2.0, 4.0, 2.0, 1.0, 5.0, 1.0]),
    ("avg_pool1d(x, 2)", &[("x", &[2, 5])], &[2, 2], &[-1.5, 1.5, 0.5, -2.0]),
    ("avg_pool1d(x, 4, 2, 2)", &[("x", &[4])], &[3], &[-0.75, 0.0, 0.75]),
    ("avg_pool2d(x, 2)", &[("x", &[1, 4, 4])], &[1, 2, 2], &[-1.25, 1.75, -0.25, 0.0]),
    ("avg_pool2d(x, (3, 2), 1, (1, 0))", &[("x", &[3, 3])], &[3, 2], &[0.5, -0.3333333333333333, 1.1666666666666665, -1.0, 1.6666666666666665, -1.0]),
    ("avg_pool2d(x, 3, 2, 1, count_include_pad=False)", &[("x", &[3, 4])], &[2, 2], &[-1.25, 1.0, -0.75, -0.3333333333333333]),
];

fn parsed((text, inputs, ..): &Case) -> (Program, Vec<Tensor>) {
    let f = read_any(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"));
    let point = inputs.iter().enumerate().map(|(k, (_, shape))| integers(shape, k)).collect();
    (f, point)
}

#[test]
fn values_are_those_of_jax() {
    for case in JAX {
        let (f, point) = parsed(case);
        let value = f.eval(&point).unwrap().remove(0);
        assert_eq!(value.shape(), case.2, "{}", case.0);
        assert!(common::close(value.data(), case.3, 1e-15), "{}: {value:?}", case.0);
    }
}

#[test]
fn convolutions_and_sums_of_windows_obey_the_laws_exactly() {
    for case in JAX.iter().filter(|c| c.0.starts_with("conv")) {
        laws(&parsed(case).0);
    }
    for text in [
        "windows(x, (2,))",
        "windows(x, (2, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))",
        "sum_windows(x, (2, 3), stride=(1, 2), padding=1)",
        "add_windows(windows(x, (3,), padding=1), (4,), (3,), padding=1)",
        "spread_windows(sum_windows(x, (2,)), (4,), (2,))",
        "avg_pool2d(x, (2, 4))",
    ] {
        laws(&read_any(text, &[("x", &[3, 4])]).unwrap());
    }
}

/// Σ conv(x, w)² is a quartic, so its gradient is a cubic along every line, for which Richardson's quotients at steps 1
/// and 1/2 are exact: the second derivatives go through the transposes of the transposes.
#[test]
fn second_derivatives_of_convolutions() {
    for case in JAX.iter().filter(|c| c.0.starts_with("conv")) {
        let text = format!("sum({}**2)", case.0);
        let f = read_any(&text, case.1).unwrap();
        let gradient = f.gradient().unwrap();
        let point = inputs_of(&f, 1);
        let direction: Vec<Tensor> = inputs_of(&f, 30);
        let at = |h: f64| {
            let moved: Vec<Tensor> = std::iter::zip(&point, &direction)
                .map(|(x, d)| Tensor::from_fn(x.shape(), |k| x.data()[k] + h * d.data()[k]))
                .collect();
            common::numbers(&gradient.eval(&moved).unwrap())
        };
        let quotient = |h: f64| std::iter::zip(at(h), at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect::<Vec<f64>>();
        let expected: Vec<f64> =
            std::iter::zip(quotient(0.5), quotient(1.0)).map(|(half, one)| (4.0 * half - one) / 3.0).collect();
        let along = f.hvp().unwrap().eval(&[point.clone(), direction.clone()].concat()).unwrap();
        assert!(common::close(&common::numbers(&along), &expected, 1e-12), "{text}: {along:?} is not {expected:?}");
    }
}

/// Derivatives of convolutions batch, whichever inputs have the further axis; groups or none.
#[test]
fn derivatives_of_convolutions_batch() {
    let cases: &[(&str, &[usize], &[usize])] = &[
        ("conv2d(x, w, padding=1, stride=2)", &[2, 2, 3, 3], &[3, 2, 2, 2]),
        ("conv2d(x, w, groups=2)", &[1, 4, 2, 3], &[4, 2, 2, 2]),
        ("conv1d(x, w, groups=3)", &[2, 3, 4], &[3, 1, 2]),
    ];
    for (text, x, w) in cases {
        let f = read_any(text, &[("x", x), ("w", w)]).unwrap();
        batches(&f.vjp().unwrap());
        batches(&f.vjp().unwrap().linearize().unwrap());
    }
}

#[test]
fn rust_and_text_say_the_same() {
    let moves = Moves { stride: &[2, 1], padding: &[1], groups: 2, ..Moves::default() };
    let shapes: &[&[usize]] = &[&[1, 4, 4, 4], &[2, 2, 3, 3]];
    let inputs = [("x0", shapes[0]), ("x1", shapes[1])];
    let traced = Program::trace(shapes, |v| v[0].conv2d(v[1], moves)).unwrap();
    let read = read_any("conv2d(x0, x1, stride=(2, 1), padding=1, groups=2)", &inputs).unwrap();
    assert_eq!(traced.to_string(), read.to_string());
    let traced = Program::trace(&[&[4, 4]], |v| v[0].max_pool(&[2, 2], &[1], &[1], &[1])).unwrap();
    let read = read_any("max_pool2d(x0, 2, 1, 1)", &[("x0", &[4, 4])]).unwrap();
    assert_eq!(traced.to_string(), read.to_string());
    let traced = Program::trace(&[&[4]], |v| v[0].avg_pool(&[2], &[2], &[1], false)).unwrap();
    let read = read_any("avg_pool1d(x0, 2, padding=1, count_include_pad=False)", &[("x0", &[4])]).unwrap();
    assert_eq!(traced.to_string(), read.to_string());
}

/// A 2 × 2 window of one number. jax 0.10.2 and PyTorch were run on it: both give all to the first entry.
#[test]
fn ties_of_max_pool() {
    let f = read_any("max_pool2d(x, 2)[0, 0]", &[("x", &[2, 2])]).unwrap();
    let patch = [Tensor::full(&[2, 2], 1.0)];
    let at = f.at(&patch).unwrap();
    let gradient = |policy: Policy| at.gradient(&policy).unwrap()[0].data().to_vec();
    assert_eq!(gradient(Policy::default()), [0.25; 4]);
    for first in [Policy::pytorch(), Policy::jax(), Policy::tensorflow()] {
        assert_eq!(gradient(first), [1.0, 0.0, 0.0, 0.0]);
    }
    let ties = at.ties(0.0).unwrap();
    assert_eq!((ties.len(), ties[0].pieces), (1, Some(4)));
    let down = tensor(&[2, 2], &[0.0, 1.0, 2.0, 0.5]);
    assert_eq!(gradient(Policy::Along(vec![vec![down]])), [0.0, 0.0, 1.0, 0.0]);
}

/// Windows that overlap have ties of their own, and a policy may pick differently in each.
#[test]
fn overlapping_windows_tie_one_by_one() {
    let f = read_any("sum(max_pool1d(x, 2, stride=1))", &[("x", &[4])]).unwrap();
    let x: [Tensor; 1] = [[3.0, 3.0, 1.0, 1.0].into()];
    let at = f.at(&x).unwrap();
    assert_eq!(at.gradient(&Policy::jax()).unwrap()[0].data(), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(at.gradient(&Policy::default()).unwrap()[0].data(), [0.5, 1.5, 0.5, 0.5]);
    let ties = at.ties(0.0).unwrap();
    assert_eq!(ties.iter().map(|t| t.index.clone()).collect::<Vec<_>>(), [Some(vec![0]), Some(vec![2])]);
}

/// What is in the padding is never the largest, and no tie with it is reported; it gives no NaN.
#[test]
fn padding_of_max_pool_takes_no_part() {
    let f = read_any("sum(max_pool1d(x, 3, 1, 1) * [1, 2, 4])", &[("x", &[3])]).unwrap();
    let x: [Tensor; 1] = [[-5.0, -7.0, -6.0].into()];
    assert_eq!(f.eval(&x).unwrap()[0].item(), -5.0 - 10.0 - 24.0);
    let at = f.at(&x).unwrap();
    assert!(at.ties(0.0).unwrap().is_empty());
    assert_eq!(at.gradient(&Policy::default()).unwrap()[0].data(), [3.0, 0.0, 4.0]);
    for seed in 0..5 {
        let tied = f.at(&[Tensor::full(&[3], -1.0)]).unwrap().gradient(&Policy::Random(seed)).unwrap();
        assert!((tied[0].data().iter().sum::<f64>() - 7.0).abs() < 1e-12 && tied[0].data().iter().all(|g| *g >= 0.0));
    }
    let nan = f.eval(&[[f64::NAN, 1.0, 2.0].into()]).unwrap();
    assert!(nan[0].item().is_nan());
    let lowest = read_any("max_pool1d(x, 2)", &[("x", &[2])]).unwrap();
    assert_eq!(lowest.eval(&[[f64::NEG_INFINITY; 2].into()]).unwrap()[0].data(), [f64::NEG_INFINITY]);
}

/// The derivative of max_pool keeps one weight for each entry of a window and nothing larger.
#[test]
fn the_tie_keeps_one_number_an_entry_of_a_window() {
    let f = read_any("sum(max_pool2d(x, 3, 2, 1))", &[("x", &[2, 8, 8])]).unwrap();
    let most = 2 * 4 * 4 * 9;
    let g = f.gradient().unwrap();
    assert!(g.nodes().iter().all(|n| n.shape.iter().product::<usize>() <= most.max(2 * 10 * 10)), "{g}");
}

#[test]
fn mistakes_say_what_is_wrong() {
    let cases: &[(&str, &str)] = &[
        ("conv2d(x, w)", "the array has the axes [n, c, h, w] or [c, h, w]"),
        ("conv1d(x, w)", "the channels of a group of the array and those of the weights: 4 and 2"),
        ("conv1d(x, w, groups=3)", "3 groups do not divide the 4 channels of the array"),
        ("conv1d(x, w, groups=0)", "groups is 0, but it must be at least 1"),
        ("conv1d(x, w, stride=0, groups=2)", "stride is [0], but it must be at least 1"),
        ("conv1d(x, w, padding=-1)", "`padding` must not hold negative numbers"),
        ("conv1d(x, w, stride=(1, 2), groups=2)", "one number is needed"),
        ("conv1d(x, w, dilation=3, groups=2)", "a window reaches over 7 entries, and there are 5 with the padding"),
        ("conv1d(x, w, bias=1)", "has no argument named `bias`"),
        ("conv1d_input(x, w, 9)", "the channels of the value and the kernels of the weights: 4 and 2"),
        ("max_pool1d(x)", "`kernel_size` is missing"),
        ("max_pool1d(x, 0)", "kernel_size is [0], but it must be at least 1"),
        ("max_pool1d(x, 6)", "a window reaches over 6 entries, and there are 5 with the padding"),
        ("max_pool1d(x, 2, padding=2)", "padding 2 is more than half of the 2 entries"),
        ("max_pool1d(x[:, :, 0:1], 2, 1, 2, 3)", "a window holds padding alone"),
        ("max_pool2d(x[0, 0], 2)", "the windows move over the last 2 axes"),
        ("max_pool2d(x, (2, 2, 2))", "one number is needed, or one for each of the 2 axes"),
        ("avg_pool1d(x, 2, padding=3)", "padding 3 is more than half"),
        ("avg_pool1d(x, 2, count_include_pad=1)", "`count_include_pad` must be True or False"),
        ("windows(x, (1, 1, 1))", "one or two"),
        ("add_windows(x, 4, (2,))", "have the last axes [2, 3]"),
    ];
    for (text, part) in cases {
        let inputs: &[(&str, &[usize])] = &[("x", &[1, 4, 5]), ("w", &[2, 2, 3])];
        let message = read_any(text, inputs).map(|f| f.to_string()).expect_err(text).to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

/// In f32, at a size where the products of matrices take their large path.
#[test]
fn large_convolutions_are_sums_over_windows() {
    let (x, w) = (integers(&[2, 8, 12, 11], 1), integers(&[6, 4, 3, 3], 2));
    let inputs: &[(&str, &[usize])] = &[("x", x.shape()), ("w", w.shape())];
    let f = read_any("conv2d(x, w, padding=(1, 2), stride=(1, 2), groups=2)", inputs).unwrap();
    let y = f.eval(&[x.clone(), w.clone()]).unwrap().remove(0);
    assert_eq!(y.shape(), [2, 6, 12, 7]);
    let entry = |n: usize, c: usize, i: isize, j: isize| match (0..12).contains(&i) && (0..11).contains(&j) {
        true => x.data()[((n * 8 + c) * 12 + i as usize) * 11 + j as usize],
        false => 0.0,
    };
    let expected = Tensor::from_fn(y.shape(), |flat| {
        let (n, o, a, b) = (flat / 504, flat / 84 % 6, flat / 7 % 12, flat % 7);
        let mut sum = 0.0;
        for (c, k) in (0..4).flat_map(|c| (0..9).map(move |k| (c, k))) {
            let (i, j) = (a as isize + (k / 3) as isize - 1, 2 * b as isize + (k % 3) as isize - 2);
            sum += w.data()[(o * 4 + c) * 9 + k] * entry(n, o / 3 * 4 + c, i, j);
        }
        sum
    });
    assert_eq!(y, expected);
    let single = f.compile_with::<f32>(&|_| 0.0).call(&[x.clone(), w.clone()]).unwrap();
    assert_eq!(single[0], expected);
    let vjp = f.vjp().unwrap();
    let bars = vjp.eval(&[x.clone(), w.clone(), y.clone()]).unwrap();
    assert_eq!(inner(&bars[0], &x), inner(&y, &y));
    assert_eq!(inner(&bars[1], &w), inner(&y, &y));
    assert_eq!(vjp.compile::<f64>(Convention::MinNorm).call(&[x, w, y]).unwrap(), bars);
}

/// Reads an expression over all operators, those that only derivatives are written with included.
fn read_any(text: &str, inputs: &[(&str, &[usize])]) -> clarke::Result<Program> {
    clarke::text::parse(&clarke::registry(), text, inputs)
}
