//! Programs in the arithmetic of a format: every value is a number of it, and ties are met where it meets them.

use clarke::program::tie::Site;
use clarke::{Convention, Float, Program, Rounded, Tensor, TieCounter, Var};
use proptest::prelude::*;

const FORMATS: [Float; 3] = [Float::F16, Float::BF16, Float::F32];

/// A network of two layers with its loss, for 3 samples of 4 numbers.
fn network() -> Program {
    let inputs: &[(&str, &[usize])] = &[("X", &[3, 4]), ("y", &[3]), ("W", &[4, 5]), ("b", &[5]), ("V", &[5, 3])];
    clarke::parse("cross_entropy(relu(X @ W + b) @ V, y)", inputs).unwrap().varying(&["W", "b", "V"]).unwrap()
}

fn point() -> impl Strategy<Value = Vec<Tensor>> {
    let numbers = |n: usize| proptest::collection::vec(-2.0..2.0f64, n);
    (numbers(12), numbers(20), numbers(5), numbers(15)).prop_map(|(x, w, b, v)| {
        let array = |shape: &[usize], data: Vec<f64>| Tensor::new(shape, data).unwrap();
        vec![array(&[3, 4], x), [2.0, 0.0, 1.0].into(), array(&[4, 5], w), array(&[5], b), array(&[5, 3], v)]
    })
}

fn run(rounded: &mut Rounded, program: &Program, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    let views: Vec<&[f64]> = inputs.iter().map(Tensor::data).collect();
    let mut outputs: Vec<Vec<f64>> =
        program.output_shapes().iter().map(|s| vec![0.0; s.iter().product::<usize>()]).collect();
    let mut into: Vec<&mut [f64]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    assert!(!rounded.run(&views, &mut into).any());
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_value_of_a_rounded_program_is_a_number_of_the_format(at in point()) {
        let gradient = network().value_and_gradient().unwrap();
        for float in FORMATS {
            let rounded = gradient.rounded(float).unwrap();
            // All nodes but inputs and what is rounded on the way are looked at: those that others read.
            for value in rounded.eval(&at).unwrap().iter().flat_map(|v| v.data()) {
                prop_assert_eq!(float.round(*value), *value, "{}", float);
            }
            let once = Rounded::new(&gradient, float, &|_| 0.0).map(|mut r| run(&mut r, &gradient, &at)).unwrap();
            prop_assert!(once.iter().flatten().all(|x| float.round(*x) == *x));
            // Inputs are rounded first: giving rounded ones changes nothing.
            let near: Vec<Tensor> = at.iter().map(|t| Tensor::from_fn(t.shape(), |i| float.round(t.data()[i]))).collect();
            let again = Rounded::new(&gradient, float, &|_| 0.0).map(|mut r| run(&mut r, &gradient, &near)).unwrap();
            prop_assert_eq!(&once, &again);
        }
    }

    #[test]
    fn rounding_after_every_operator_to_f32_is_f32_up_to_accumulation(at in point()) {
        let gradient = network().value_and_gradient().unwrap();
        let exact = gradient.compile::<f64>(Convention::MinNorm).call(&at).unwrap();
        let rounded = gradient.rounded(Float::F32).unwrap().compile::<f64>(Convention::MinNorm).call(&at).unwrap();
        let single = gradient.compile::<f32>(Convention::MinNorm).call(&at).unwrap();
        for (k, values) in exact.iter().enumerate() {
            let scale = values.data().iter().fold(1.0f64, |m, x| m.max(x.abs()));
            for i in 0..values.data().len() {
                // Sums of at most 20 terms of this size behind one another.
                prop_assert!((rounded[k].data()[i] - single[k].data()[i]).abs() <= 1e-5 * scale);
                prop_assert!((rounded[k].data()[i] - values.data()[i]).abs() <= 1e-5 * scale);
            }
        }
    }

    #[test]
    fn the_formats_differ_from_f64_by_their_precision(at in point()) {
        let gradient = network().value_and_gradient().unwrap();
        let exact = gradient.compile::<f64>(Convention::MinNorm).call(&at).unwrap()[0].item();
        for float in Float::ALL {
            let value = Rounded::new(&gradient, float, &|_| 0.0).map(|mut r| run(&mut r, &gradient, &at)).unwrap()[0][0];
            let unit = 0.5f64.powi(float.digits() as i32);
            prop_assert!((value - exact).abs() <= 400.0 * unit * exact.abs().max(1.0), "{}: {} {}", float, value, exact);
        }
    }

    #[test]
    fn conventions_give_different_gradients_only_where_a_tie_is_counted(x in -4i32..5, y in -4i32..5) {
        let f = clarke::parse("relu(w @ x) + 0.1 * w[0]", &[("w", &[2]), ("x", &[2])]).unwrap().varying(&["w"]).unwrap();
        let gradient = f.value_and_gradient().unwrap();
        let at: [Tensor; 2] = [[f64::from(x), 1.0].into(), [1.0, f64::from(y)].into()];
        for float in Float::ALL {
            let of = |s: f64| run(&mut Rounded::new(&gradient, float, &|_| s).unwrap(), &gradient, &at);
            let met = TieCounter::new(&f, float).unwrap().met(&[at[0].data(), at[1].data()]).len();
            prop_assert_eq!(met, usize::from(x + y == 0));
            prop_assert_eq!(of(0.0) != of(1.0), x + y == 0);
            // A selection outside of the set scales what comes in.
            if met == 1 {
                prop_assert_eq!(of(-5.0)[1][1], -5.0 * f64::from(y));
            }
        }
    }
}

/// 2¹⁶ is beyond f16, and what is made of infinities is NaN: told, not refused.
#[test]
fn overflow_is_told() {
    let f = Program::trace(&[&[3]], |v| v[0] * v[0] - v[0] * v[0]).unwrap();
    let mut y = [0.0; 3];
    let odd = Rounded::new(&f, Float::F16, &|_| 0.0).unwrap().run(&[&[1.0, 256.0, 100.0]], &mut [&mut y]);
    assert_eq!((odd.nan, odd.infinite, y[0], y[2]), (1, 0, 0.0, 0.0));
    let odd = Rounded::new(&f, Float::BF16, &|_| 0.0).unwrap().run(&[&[1.0, 256.0, 100.0]], &mut [&mut y]);
    assert!(!odd.any());
}

/// A product that also adds the bias is rounded once; a product and a sum are rounded twice, and meet ties more often.
#[test]
fn what_is_one_operator_is_rounded_once() {
    // 1 + 2⁻¹² − 1: the first sum is 1 in f16.
    let apart = clarke::parse("w @ x + b", &[("w", &[2]), ("x", &[2]), ("b", &[])]).unwrap();
    let fused = clarke::parse("w @ x", &[("w", &[3]), ("x", &[3])]).unwrap();
    let (mut one, mut two) = ([0.0], [0.0]);
    let small = 2f64.powi(-12);
    Rounded::new(&apart, Float::F16, &|_| 0.0).unwrap().run(&[&[1.0, small], &[1.0, 1.0], &[-1.0]], &mut [&mut two]);
    Rounded::new(&fused, Float::F16, &|_| 0.0).unwrap().run(&[&[1.0, small, -1.0], &[1.0, 1.0, 1.0]], &mut [&mut one]);
    assert_eq!((two[0], one[0]), (0.0, small));
}

/// Boustany 2024: 0 = max₁(t·x) − max₂(t·x) with x = (1.14, 1.14, 1.14, 1.14), where max₁ hands all to one entry and max₂
/// splits it evenly. Over the reals the derivative is 0; in f32, added up from the entry that max₁ hands all to, it is
/// 1.14 − 0.285 − 0.285 − 0.285 − 0.285 = 2⁻²⁴, in f64 2⁻⁵³.
#[test]
fn compensation_of_two_maxima() {
    let f = Program::trace(&[&[]], |v| {
        let x: [Var<'_>; 4] = std::array::from_fn(|_| v[0] * 1.14);
        // Cotangents are added up from the last product backwards: the entries are stacked in that order.
        let all = x[3].stack(&[x[2], x[1], x[0]], 0);
        all.max() - all.max()
    })
    .unwrap();
    let gradient = f.value_and_gradient().unwrap();
    let sites: Vec<usize> = TieCounter::new(&f, Float::F32).unwrap().sites().map(|(site, _)| site.node).collect();
    let [first, second] = sites[..] else { panic!("two maxima have two ties") };
    assert_ne!(first, second);
    let fill = |site: &Site| f64::from(site.node == first);
    let (mut value, mut derivative) = ([0.0], [0.0]);
    for (float, expected) in [(Float::F32, 2f64.powi(-24)), (Float::F64, 2f64.powi(-53))] {
        Rounded::new(&gradient, float, &fill).unwrap().run(&[&[0.3]], &mut [&mut value, &mut derivative]);
        assert_eq!(value[0], 0.0);
        assert_eq!(derivative[0].abs(), expected, "{float}");
    }
}
