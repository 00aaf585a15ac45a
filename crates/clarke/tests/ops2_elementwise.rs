//! Elementwise operators beside the arithmetic and the kinks: values and slopes against numbers computed elsewhere, far
//! out, at domain edges, what each convention chooses at ties, and what is said where there is no derivative.
// Tables of functions read best with their types where they stand; some slopes are constants of mathematics.
#![allow(clippy::type_complexity, clippy::approx_constant)]

use clarke::program::class::Level;
use clarke::program::tie::Convention::{self, Jax, MinNorm, PyTorch, TensorFlow};
use clarke::program::tie::Site;
use clarke::{Evaluator, Fault, Policy, Program, Tensor, Var, parse};

type Unary = for<'p> fn(Var<'p>) -> Var<'p>;
type Binary = for<'p> fn(Var<'p>, Var<'p>) -> Var<'p>;

fn unary(f: Unary) -> Program {
    Program::trace(&[&[]], |v| f(v[0])).unwrap()
}

fn binary(f: Binary) -> Program {
    Program::trace(&[&[], &[]], |v| f(v[0], v[1])).unwrap()
}

fn scalars(x: &[f64]) -> Vec<Tensor> {
    x.iter().map(|x| Tensor::scalar(*x)).collect()
}

/// The value.
fn value(program: &Program, x: &[f64]) -> f64 {
    program.eval(&scalars(x)).unwrap()[0].item()
}

/// The partial derivatives by compiled code, with the selections of `fill`.
fn slopes_with(program: &Program, fill: &dyn Fn(&Site) -> f64, x: &[f64]) -> Vec<f64> {
    let jacobian = program.jacobian().unwrap().compile_with::<f64>(fill);
    jacobian.call(&scalars(x)).unwrap().iter().map(Tensor::item).collect()
}

/// The partial derivatives under a convention.
fn slopes(program: &Program, convention: Convention, x: &[f64]) -> Vec<f64> {
    slopes_with(program, &|site| site.choice(convention).selection, x)
}

/// The gradient by the analysis at the point.
fn gradient(program: &Program, x: &[f64]) -> clarke::Result<Vec<f64>> {
    let all = program.at(&scalars(x))?.gradient(&Policy::default())?;
    Ok(all.iter().map(Tensor::item).collect())
}

#[track_caller]
fn close(name: &str, x: &[f64], found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-12 * wanted.abs(), "{name} at {x:?}: {found:e} is not {wanted:e}");
}

/// Points, values and slopes, computed by mpmath 1.3 with 1500 digits, the slopes as central differences of step 1e-450.
fn unaries() -> Vec<(&'static str, Unary, &'static [(f64, f64, f64)])> {
    vec![
        (
            "expm1",
            |x| x.expm1(),
            &[
                (-40.0, -1.0, 4.248354255291589e-18),
                (-1e-10, -9.999999999500001e-11, 0.9999999999),
                (3e-09, 3.0000000045e-09, 1.000000003),
                (0.7, 1.0137527074704764, 2.0137527074704766),
                (5.5, 243.69193226422038, 244.69193226422038),
            ],
        ),
        (
            "log1p",
            |x| x.log1p(),
            &[
                (-0.999, -6.907755278982136, 999.9999999999991),
                (-1e-12, -1.0000000000005e-12, 1.000000000001),
                (1e-09, 9.999999995e-10, 0.999999999),
                (0.7, 0.5306282510621704, 0.5882352941176471),
                (10000000000.0, 23.025850930040455, 9.999999999e-11),
            ],
        ),
        (
            "reciprocal",
            |x| x.reciprocal(),
            &[
                (-3.5, -0.2857142857142857, -0.08163265306122448),
                (0.2, 5.0, -24.999999999999996),
                (1e150, 1e-150, -1e-300),
            ],
        ),
        (
            "tan",
            |x| x.tan(),
            &[
                (-1.5, -14.101419947171719, 199.85004452649247),
                (-0.3, -0.30933624960962325, 1.095688915322547),
                (0.7, 0.8422883804630794, 1.7094497158631172),
                (1.5707, 10381.327417569786, 107771959.95078617),
                (4.0, 1.1578212823495775, 2.3405501218616203),
            ],
        ),
        (
            "arcsin",
            |x| x.arcsin(),
            &[
                (-0.999999, -1.5693821131146521, 707.1069579531425),
                (-0.3, -0.3046926540153975, 1.0482848367219182),
                (1e-09, 1e-09, 1.0),
                (0.7, 0.775397496610753, 1.4002800840280096),
                (0.99999999, 1.5706549054381862, 7071.067811777938),
            ],
        ),
        (
            "arccos",
            |x| x.arccos(),
            &[
                (-0.999999, 3.1401784399095485, -707.1069579531425),
                (-0.3, 1.8754889808102941, -1.0482848367219182),
                (1e-09, 1.5707963257948967, -1.0),
                (0.7, 0.7953988301841436, -1.4002800840280096),
                (0.99999999, 0.00014142135671046477, -7071.067811777938),
            ],
        ),
        (
            "arctan",
            |x| x.arctan(),
            &[
                (-1000000000.0, -1.5707963257948967, 1e-18),
                (-0.3, -0.2914567944778671, 0.9174311926605505),
                (1e-09, 1e-09, 1.0),
                (0.7, 0.6107259643892086, 0.6711409395973155),
                (25.0, 1.5308176396716067, 0.001597444089456869),
            ],
        ),
        (
            "sinh",
            |x| x.sinh(),
            &[
                (-20.0, -242582597.70489514, 242582597.70489514),
                (-0.3, -0.3045202934471426, 1.0453385141288605),
                (1e-09, 1e-09, 1.0),
                (0.7, 0.7585837018395335, 1.255169005630943),
                (300.0, 9.712131976206279e+129, 9.712131976206279e+129),
            ],
        ),
        (
            "cosh",
            |x| x.cosh(),
            &[
                (-20.0, 242582597.70489514, -242582597.70489514),
                (-0.3, 1.0453385141288605, -0.3045202934471426),
                (0.7, 1.255169005630943, 0.7585837018395335),
                (300.0, 9.712131976206279e+129, 9.712131976206279e+129),
            ],
        ),
        (
            "erf",
            |x| x.erf(),
            &[
                (-3.0, -0.9999779095030014, 0.00013925305194674786),
                (-0.3, -0.3286267594591274, 1.031260909618963),
                (1e-09, 1.1283791670955127e-09, 1.1283791670955126),
                (0.7, 0.6778011938374184, 0.6912748604105386),
                (2.5, 0.999593047982555, 0.0021782842303527095),
            ],
        ),
        (
            "erfc",
            |x| x.erfc(),
            &[
                (-3.0, 1.9999779095030015, -0.00013925305194674786),
                (-0.3, 1.3286267594591274, -1.031260909618963),
                (0.7, 0.32219880616258156, -0.6912748604105386),
                (2.5, 0.0004069520174449589, -0.0021782842303527095),
                (10.0, 2.088487583762545e-45, -4.197656231354417e-44),
                (25.0, 8.300172571196523e-274, -4.1534010636398965e-272),
            ],
        ),
        (
            "gelu",
            |x| x.gelu(),
            &[
                (-30.0, -1.472014178144456e-196, -4.416031690708495e-195),
                (-10.0, -7.619853024160526e-23, -7.618400096464814e-22),
                (-1.5, -0.1002108019032871, -0.12746919222997952),
                (-0.3, -0.1146265733433142, 0.26767223317289013),
                (0.7, 0.5306254434438489, 0.9766141011336599),
                (3.0, 2.99595030590511, 1.011945647204184),
                (50.0, 50.0, 1.0),
            ],
        ),
        (
            "gelu_tanh",
            |x| x.gelu_tanh(),
            &[
                (-12.0, -1.635985449353481e-61, -5.290403352522559e-60),
                (-5.0, -2.291796196629506e-07, -1.5463619875325946e-06),
                (-1.5, -0.10042842301976708, -0.12771079315143308),
                (-0.3, -0.11462907645724076, 0.26770454836119817),
                (0.7, 0.5305701347051167, 0.9763572186561039),
                (3.0, 2.996362607918227, 1.0115841666309697),
                (50.0, 50.0, 1.0),
            ],
        ),
        (
            "silu",
            |x| x.silu(),
            &[
                (-700.0, -6.90177358063184e-302, -6.891913904088079e-302),
                (-40.0, -1.6993417021166355e-16, -1.6568581595637197e-16),
                (-1.5, -0.2736382857095345, -0.041294154299142946),
                (-0.3, -0.1276672449565023, 0.3522199896811173),
                (0.7, 0.46773144051771626, 0.8233867834733424),
                (3.0, 2.8577223804672998, 1.0881041060151697),
                (50.0, 50.0, 1.0),
                (700.0, 700.0, 1.0),
            ],
        ),
        (
            "mish",
            |x| x.mish(),
            &[
                (-700.0, -6.90177358063184e-302, -6.891913904088079e-302),
                (-40.0, -1.6993417021166355e-16, -1.6568581595637197e-16),
                (-1.5, -0.29809974216680674, -0.06409781589225864),
                (-0.3, -0.15113317713833457, 0.4085108769357022),
                (0.7, 0.5611483776438518, 0.9687948682001859),
                (3.0, 2.9865350049679575, 1.0211069109294437),
                (50.0, 50.0, 1.0),
                (700.0, 700.0, 1.0),
            ],
        ),
        (
            "log_sigmoid",
            |x| x.log_sigmoid(),
            &[
                (-700.0, -700.0, 1.0),
                (-40.0, -40.0, 1.0),
                (-1.5, -1.7014132779827524, 0.8175744761936437),
                (-0.3, -0.8543552444685271, 0.574442516811659),
                (0.7, -0.4031860488854579, 0.3318122278318339),
                (3.0, -0.04858735157374206, 0.04742587317756678),
                (50.0, -1.9287498479639178e-22, 1.9287498479639178e-22),
                (700.0, -9.85967654375977e-305, 9.85967654375977e-305),
            ],
        ),
        (
            "selu",
            |x| x.selu(),
            &[
                (-40.0, -1.7580993408473768, 7.469028815914292e-18),
                (-1.5, -1.3658143533672527, 0.39228498748012414),
                (-1e-09, -1.7580993399683274e-09, 1.7580993390892776),
                (0.7, 0.7354906911488363, 1.0507009873554805),
                (3.0, 3.1521029620664414, 1.0507009873554805),
            ],
        ),
        (
            "elu2",
            |x| x.elu(2.0),
            &[
                (-40.0, -2.0, 8.496708510583178e-18),
                (-1.5, -1.5537396797031404, 0.44626032029685964),
                (-1e-09, -1.999999999e-09, 1.999999998),
                (0.7, 0.7, 1.0),
                (3.0, 3.0, 1.0),
            ],
        ),
        (
            "elu1",
            |x| x.elu(1.0),
            &[
                (-40.0, -1.0, 4.248354255291589e-18),
                (-1.5, -0.7768698398515702, 0.22313016014842982),
                (-1e-09, -9.999999995e-10, 0.999999999),
                (0.7, 0.7, 1.0),
                (3.0, 3.0, 1.0),
            ],
        ),
    ]
}

/// The same for two arguments.
fn binaries() -> Vec<(&'static str, Binary, &'static [([f64; 2], f64, [f64; 2])])> {
    vec![
        (
            "arctan2",
            |a, b| a.arctan2(b),
            &[
                ([1.0, 2.0], 0.4636476090008061, [0.4, -0.2]),
                ([-3.0, 0.5], -1.4056476493802699, [0.05405405405405406, 0.32432432432432434]),
                ([2.0, -1.5], 2.214297435588181, [-0.24, -0.32]),
                ([-1e-200, -3e-200], -2.819842099193151, [-3e+199, 1e+199]),
                ([3e+200, 1e+200], 1.2490457723982544, [1e-201, -3e-201]),
            ],
        ),
        (
            "hypot",
            |a, b| a.hypot(b),
            &[
                ([3.0, 4.0], 5.0, [0.6, 0.8]),
                ([-1e-200, 2e-200], 2.2360679774997897e-200, [-0.4472135954999579, 0.8944271909999159]),
                ([1e+200, -3e+200], 3.1622776601683794e+200, [0.31622776601683794, -0.9486832980505138]),
                ([1e-09, 1.0], 1.0, [1e-09, 1.0]),
            ],
        ),
        (
            "logaddexp",
            |a, b| a.logaddexp(b),
            &[
                ([0.3, 0.3], 0.9931471805599453, [0.5, 0.5]),
                ([1.0, -2.0], 1.048587351573742, [0.9525741268224333, 0.04742587317756678]),
                ([-50.0, 50.0], 50.0, [3.720075976020836e-44, 1.0]),
                ([1000.0, 1001.5], 1001.7014132779827, [0.18242552380635635, 0.8175744761936437]),
                ([-1000.0, -1000.25], -999.4240605801211, [0.5621765008857981, 0.4378234991142019]),
            ],
        ),
        (
            "pow",
            |a, b| a.pow(b),
            &[
                ([2.0, 3.0], 8.0, [12.0, 5.545177444479562]),
                ([0.5, -1.5], 2.8284271247461903, [-8.48528137423857, -1.9605162869370945]),
                ([0.001, 1.25], 0.0001778279410038923, [0.22228492625486534, -0.001228391898220161]),
                ([7.0, 0.1], 1.214814044039067, [0.017354486343415243, 2.363918977510549]),
            ],
        ),
    ]
}

#[test]
fn values_and_slopes_are_those_computed_with_many_digits() {
    for (name, f, points) in unaries() {
        let f = unary(f);
        for &(x, wanted, slope) in points {
            close(name, &[x], value(&f, &[x]), wanted);
            close(name, &[x], slopes(&f, MinNorm, &[x])[0], slope);
        }
    }
    for (name, f, points) in binaries() {
        let f = binary(f);
        for &(x, wanted, both) in points {
            close(name, &x, value(&f, &x), wanted);
            let found = slopes(&f, MinNorm, &x);
            close(name, &x, found[0], both[0]);
            close(name, &x, found[1], both[1]);
        }
    }
}

/// Value and slope tend to these on the left and on the right; nothing overflows on the way, in either precision.
#[test]
fn far_out_activations_are_their_asymptotes() {
    let table: [(&str, Unary, [f64; 2], bool); 8] = [
        ("gelu", |x| x.gelu(), [0.0, 1.0], false),
        ("gelu_tanh", |x| x.gelu_tanh(), [0.0, 1.0], false),
        ("silu", |x| x.silu(), [0.0, 1.0], false),
        ("mish", |x| x.mish(), [0.0, 1.0], false),
        ("log_sigmoid", |x| x.log_sigmoid(), [1.0, 0.0], false),
        ("hard_swish", |x| x.hard_swish(), [0.0, 1.0], false),
        ("elu", |x| x.elu(2.0), [0.0, 1.0], true),
        ("erf", |x| x.erf(), [0.0, 0.0], true),
    ];
    for (name, f, [left, right], bounded) in table {
        let f = unary(f);
        let both = f.value_and_gradient().unwrap();
        for x in [800.0, 1e10, 1e30, 1e160, 1e300] {
            for (x, slope) in [(-x, left), (x, right)] {
                let found = both.compile_with::<f64>(&|_| 0.0).call(&scalars(&[x])).unwrap();
                assert_eq!(found[1].item(), slope, "{name} at {x:e}");
                assert!(bounded || found[0].item() == slope * x, "{name} at {x:e}: {found:?}");
                if x.abs() < 1e37 {
                    let found = both.compile_with::<f32>(&|_| 0.0).call(&scalars(&[x])).unwrap();
                    assert_eq!(found[1].item(), slope, "{name} at {x:e} in f32");
                }
            }
        }
    }
}

#[test]
fn infinities_nan_and_signs_of_zero_are_those_of_numpy() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let of = |f: Binary, a: f64, b: f64| value(&binary(f), &[a, b]);
    assert_eq!(of(|a, b| a.logaddexp(b), -inf, -inf), -inf);
    assert_eq!(of(|a, b| a.logaddexp(b), -inf, 2.5), 2.5);
    assert_eq!(of(|a, b| a.logaddexp(b), inf, -inf), inf);
    assert_eq!(of(|a, b| a.logaddexp(b), inf, inf), inf);
    assert_eq!(of(|a, b| a.hypot(b), -inf, inf), inf);
    assert_eq!(of(|a, b| a.hypot(b), 3.0, -inf), inf);
    assert_eq!(of(|a, b| a.hypot(b), 0.0, -0.0), 0.0);
    assert_eq!(of(|a, b| a.hypot(b), 0.0, -5e-324), 5e-324);
    assert_eq!(of(|a, b| a.pow(b), 0.0, 0.0), 1.0);
    assert_eq!(of(|a, b| a.pow(b), -2.0, 3.0), -8.0);
    assert!(of(|a, b| a.pow(b), -2.0, 0.5).is_nan());
    let pi = std::f64::consts::PI;
    assert_eq!(of(|a, b| a.arctan2(b), 0.0, -1.0), pi);
    assert_eq!(of(|a, b| a.arctan2(b), -0.0, -1.0), -pi);
    assert_eq!(of(|a, b| a.arctan2(b), 0.0, 0.0), 0.0);
    for f in [|a, b| a.hypot(b), |a, b| a.pow(b), |a, b| a.logaddexp(b), |a, b| a.prelu(b), |a, b| a.arctan2(b)]
        as [Binary; 5]
    {
        for (a, b) in [(nan, 0.0), (1.0, nan)] {
            // What prelu does not take counts for nothing.
            let found = of(f, a, b);
            assert!(found.is_nan() || (found == 1.0 && a == 1.0), "{found} of {a}, {b}");
        }
    }
    let at = |f: Unary, x: f64| value(&unary(f), &[x]);
    // numpy.round, numpy.floor, numpy.ceil, numpy.sign.
    for (x, round, floor, ceil, sign) in [
        (0.5, 0.0, 0.0, 1.0, 1.0),
        (1.5, 2.0, 1.0, 2.0, 1.0),
        (2.5, 2.0, 2.0, 3.0, 1.0),
        (-0.5, 0.0, -1.0, 0.0, -1.0),
        (-1.5, -2.0, -2.0, -1.0, -1.0),
        (3.0, 3.0, 3.0, 3.0, 1.0),
        (-0.0, 0.0, 0.0, 0.0, 0.0),
        (1e300, 1e300, 1e300, 1e300, 1.0),
    ] {
        let found = [at(|x| x.round(), x), at(|x| x.floor(), x), at(|x| x.ceil(), x), at(|x| x.sign(), x)];
        assert_eq!(found, [round, floor, ceil, sign], "at {x}");
    }
    assert!(at(|x| x.ceil(), -0.5).is_sign_negative() && at(|x| x.sign(), -0.0).is_sign_positive());
    assert!(at(|x| x.arcsin(), 1.5).is_nan() && at(|x| x.log1p(), -2.0).is_nan());
    assert_eq!(at(|x| x.log1p(), -1.0), -inf);
}

/// PyTorch 2.15, JAX 0.10.2: returned when run. TensorFlow: from its kernels' sources.
#[test]
fn conventions_choose_what_the_frameworks_return() {
    // Least norm, PyTorch, JAX, TensorFlow.
    let table: [(&str, Unary, f64, [f64; 4]); 12] = [
        ("elu", |x| x.elu(2.0), 0.0, [1.0, 2.0, 2.0, 2.0]),
        ("elu, less steep", |x| x.elu(0.25), 0.0, [0.25; 4]),
        ("elu, falling", |x| x.elu(-1.0), 0.0, [0.0, -1.0, -1.0, -1.0]),
        ("elu, smooth", |x| x.elu(1.0), 0.0, [1.0; 4]),
        ("selu", |x| x.selu(), 0.0, [1.0507009873554805, 1.7580993408473766, 1.7580993408473766, 1.0507009873554805]),
        ("hard_tanh", |x| x.hard_tanh(), 1.0, [0.0, 0.0, 1.0, 1.0]),
        ("hard_tanh", |x| x.hard_tanh(), -1.0, [0.0, 0.0, 1.0, 1.0]),
        ("hard_sigmoid", |x| x.hard_sigmoid(), 3.0, [0.0; 4]),
        ("hard_sigmoid", |x| x.hard_sigmoid(), -3.0, [0.0; 4]),
        ("hard_swish", |x| x.hard_swish(), 3.0, [1.0; 4]),
        ("hard_swish", |x| x.hard_swish(), -3.0, [0.0; 4]),
        ("prelu", |x| x.prelu(0.25), 0.0, [0.25, 0.25, 1.0, 0.25]),
    ];
    for (name, f, x, wanted) in table {
        let f = unary(f);
        for (convention, slope) in std::iter::zip([MinNorm, PyTorch, Jax, TensorFlow], wanted) {
            close(name, &[x], slopes(&f, convention, &[x])[0], slope);
        }
    }
    let hypot = binary(|a, b| a.hypot(b));
    for (convention, wanted) in [(MinNorm, 0.0), (PyTorch, 0.0), (Jax, 0.5), (TensorFlow, 0.0)] {
        assert_eq!(slopes(&hypot, convention, &[0.0, 0.0]), [wanted; 2]);
    }
    let ties = hypot.at(&scalars(&[0.0, 0.0])).unwrap().ties(0.0).unwrap();
    let [tie] = &ties[..] else { panic!("{ties:?}") };
    assert_eq!((tie.op, tie.pieces), ("hypot", None));
    assert!(tie.site.choice(PyTorch).note.is_some_and(|n| n.contains("NaN")));
    assert!(tie.site.choice(Jax).note.is_none());
}

#[test]
fn the_set_of_hypot_at_zero_is_the_unit_disc() {
    let f = Program::trace(&[&[3], &[3]], |v| v[0].hypot(v[1]).sum()).unwrap();
    let at = f.at(&[[0.0, 3.0, 0.0].into(), [0.0, -4.0, 2.0].into()]).unwrap();
    let ties = at.ties(0.0).unwrap();
    assert_eq!((ties.len(), ties[0].index.clone()), (1, Some(vec![0])));
    let mut furthest: f64 = 0.0;
    for seed in 0..200 {
        let g = at.gradient(&Policy::Random(seed)).unwrap();
        let norm = g[0].data()[0].hypot(g[1].data()[0]);
        assert!(norm <= 1.0 + 1e-12);
        furthest = furthest.max(norm);
        assert_eq!([&g[0].data()[1..], &g[1].data()[1..]], [[0.6, 0.0], [-0.8, 1.0]]);
    }
    assert!(furthest > 0.95, "{furthest}");
    // The direction decides: the derivative along (3, 4) is 5.
    let d: Vec<Tensor> = vec![[3.0, 0.0, 0.0].into(), [4.0, 0.0, 0.0].into()];
    let g = at.gradient(&Policy::Along(vec![d])).unwrap();
    assert!((g[0].data()[0] - 0.6).abs() < 1e-15 && (g[1].data()[0] - 0.8).abs() < 1e-15);
}

#[test]
fn a_power_with_a_variable_exponent_has_its_set_at_zero_and_one() {
    let f = binary(|a, b| a.pow(b));
    for s in [0.0, 0.25, 1.0] {
        assert_eq!(slopes_with(&f, &|_| s, &[0.0, 1.0]), [s, 0.0]);
    }
    assert_eq!(slopes(&f, MinNorm, &[0.0, 1.0]), [0.0, 0.0]);
    for framework in [PyTorch, Jax, TensorFlow] {
        assert_eq!(slopes(&f, framework, &[0.0, 1.0]), [1.0, 0.0]);
    }
    assert_eq!(f.at(&scalars(&[0.0, 1.0])).unwrap().ties(0.0).unwrap().len(), 1);
    // Smooth above the exponent 1, the corner included in no tie.
    for b in [1.5, 2.0, 7.0] {
        assert_eq!(gradient(&f, &[0.0, b]).unwrap(), [0.0, 0.0]);
        assert!(f.at(&scalars(&[0.0, b])).unwrap().ties(0.0).unwrap().is_empty());
    }
    // Not Lipschitz below, and not continuous at (0, 0).
    for b in [0.5, 0.0] {
        let error = gradient(&f, &[0.0, b]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == "pow"), "{error}");
    }
    // A base below 0 has a slope in a, none in b.
    let error = gradient(&f, &[-2.0, 3.0]).unwrap_err();
    assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == "pow"), "{error}");
    let cube = f.holding(&["x1"]).unwrap();
    assert_eq!(gradient(&cube, &[-2.0, 3.0]).unwrap(), [12.0]);
}

#[test]
fn a_power_with_an_exponent_that_does_not_vary_has_no_tie() {
    let held = binary(|a, b| a.pow(b)).holding(&["x1"]).unwrap();
    let at = held.at(&scalars(&[0.0, 1.0])).unwrap();
    assert!(at.ties(0.0).unwrap().is_empty());
    assert_eq!(at.gradient(&Policy::default()).unwrap()[0].item(), 1.0);
    let listed = parse("sum(x ** [0, 1, 2, 3])", &[("x", &[])]).unwrap();
    assert_eq!(gradient(&listed, &[0.0]).unwrap(), [1.0]);
    assert_eq!(gradient(&listed, &[2.0]).unwrap(), [1.0 + 4.0 + 12.0]);
    let base = parse("2 ** x", &[("x", &[])]).unwrap();
    close("2 ** x", &[3.0], gradient(&base, &[3.0]).unwrap()[0], 8.0 * 2f64.ln());
}

#[test]
fn two_stars_mean_the_power_that_fits_the_exponent() {
    let inputs: &[(&str, &[usize])] = &[("x", &[3]), ("y", &[3])];
    let printed = |text: &str| parse(text, inputs).unwrap().to_string();
    assert!(printed("x ** y").contains("pow(x, y)"));
    assert!(printed("power(x, y)").contains("pow(x, y)"));
    assert!(printed("power(x, exponent=y)").contains("pow(x, y)"));
    assert!(printed("x ** [1, 2, 3]").contains("pow(x, [1"));
    assert!(printed("x ** 2").contains("x ** 2") && printed("p = 1.5\npower(x, p)").contains("x ** 1.5"));
    let missing = parse("power(x)", inputs).unwrap_err().to_string();
    assert!(missing.contains("`exponent` is missing"), "{missing}");
    let class = |text: &str| parse(text, inputs).unwrap().class().level;
    assert_eq!(class("x ** y"), Level::Definable);
    assert_eq!(class("x ** [1, 2, 3]"), Level::Semialgebraic);
}

#[test]
fn classes_of_waves_and_stairs_depend_on_bounds() {
    let class = |text: &str| parse(text, &[("x", &[])]).unwrap().class();
    assert_eq!(class("tan(x)").level, Level::Unknown);
    assert_eq!((class("tan(clip(x, 0, 1))").level, class("tan(clip(x, 0, 1))").bounded), (Level::Definable, false));
    assert_eq!((class("floor(x)").level, class("round(hard_tanh(x))").level), (Level::Unknown, Level::PiecewiseLinear));
    assert!(class("arctan(x)").bounded && class("sign(x)").bounded && class("erfc(x)").bounded);
    assert_eq!(
        (class("prelu(x, 2)").level, class("prelu(x, x)").level),
        (Level::PiecewiseLinear, Level::PiecewisePolynomial)
    );
}

#[test]
fn domain_edges_are_errors_that_name_the_operator() {
    for (name, f, x) in [
        ("arcsin", (|x| x.arcsin()) as Unary, 1.0),
        ("arcsin", |x| x.arcsin(), -1.0),
        ("arccos", |x| x.arccos(), 1.0),
        ("arccos", |x| x.arccos().relu(), 1.0),
    ] {
        let error = gradient(&unary(f), &[x]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == name), "{name}: {error}");
    }
    let error = gradient(&binary(|a, b| a.arctan2(b)), &[0.0, 0.0]).unwrap_err();
    assert!(matches!(&*error.fault, Fault::NotLipschitz { op, .. } if op == "arctan2"), "{error}");
    for (name, f, x) in [
        ("log1p", (|x| x.log1p()) as Unary, -1.0),
        ("reciprocal", |x| x.reciprocal(), 0.0),
        ("arcsin", |x| x.arcsin(), 2.0),
    ] {
        let error = gradient(&unary(f), &[x]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::NotFinite { op, .. } if op == name), "{name}: {error}");
    }
    // A branch that is not taken contributes nothing.
    let f = parse("where(x < 1, arcsin(x), x)", &[("x", &[])]).unwrap();
    assert_eq!(gradient(&f, &[2.0]).unwrap(), [1.0]);
}

#[test]
fn jumps_are_discontinuities_where_they_are_met_and_nowhere_else() {
    let shrink = unary(|x| x.hard_shrink(0.5));
    for (x, slope) in [(0.5000001, 1.0), (-0.6, 1.0), (0.0, 0.0), (0.49, 0.0)] {
        assert_eq!(gradient(&shrink, &[x]).unwrap(), [slope], "at {x}");
    }
    for x in [0.5, -0.5] {
        let error = gradient(&shrink, &[x]).unwrap_err();
        let wanted = Fault::Discontinuous { op: "hard_shrink".into(), first: x, second: 0.0, index: vec![] };
        assert_eq!(*error.fault, wanted);
        assert!(
            error.to_string().contains("hard_shrink is discontinuous here: the two values that meet are"),
            "{error}"
        );
        assert!(shrink.at(&scalars(&[x])).unwrap().path_differentiable().is_err());
        // The compiled way finds it too.
        let mut evaluator = Evaluator::new(&shrink, &[], Policy::default()).unwrap();
        assert!(evaluator.value_and_gradient(&[x], &mut [0.0]).is_err());
    }
    let angle = binary(|y, x| y.arctan2(x));
    for y in [0.0, -0.0] {
        let error = gradient(&angle, &[y, -2.0]).unwrap_err();
        assert!(matches!(&*error.fault, Fault::Discontinuous { op, .. } if op == "arctan2"), "{error}");
    }
    for (y, x, wanted) in [(0.0, 2.0, [0.5, 0.0]), (1e-300, -2.0, [-0.5, -2.5e-301]), (3.0, 0.0, [0.0, -1.0 / 3.0])] {
        let found = gradient(&angle, &[y, x]).unwrap();
        close("arctan2", &[y, x], found[0], wanted[0]);
        close("arctan2", &[y, x], found[1], wanted[1]);
        assert!(angle.at(&scalars(&[y, x])).unwrap().ties(0.0).unwrap().is_empty());
    }
}

#[test]
fn second_derivatives_of_an_angle() {
    // f = arctan2(y, x): f_yy = −2xy/r⁴, f_yx = (y² − x²)/r⁴, f_xx = 2xy/r⁴; at (y, x) = (1, 2): −4/25, −3/25, 4/25.
    let hvp = binary(|y, x| y.arctan2(x)).hvp().unwrap();
    let found = hvp.eval(&scalars(&[1.0, 2.0, 1.0, 0.0])).unwrap();
    close("f_yy", &[], found[0].item(), -0.16);
    close("f_yx", &[], found[1].item(), -0.12);
    let found = hvp.eval(&scalars(&[1.0, 2.0, 0.0, 1.0])).unwrap();
    close("f_xx", &[], found[1].item(), 0.16);
}

#[test]
fn what_has_no_derivative_says_why_and_what_to_write() {
    let program = parse("relu(x) + floor(x)", &[("x", &[])]).unwrap();
    let error = program.gradient().unwrap_err().to_string();
    assert_eq!(
        error,
        "floor has no derivative: it jumps at the integers and is constant between, so its slope 0 says nothing about it; \
         if it is meant as a constant, write stop_gradient(floor(x)); to let the gradient pass as if it were not there, \
         x + stop_gradient(floor(x) - x) (at column 11: `floor(x)`)"
    );
    // A constant has a derivative, and so has what no output needs.
    let data = parse("x * floor(y)", &[("x", &[]), ("y", &[])]).unwrap().varying(&["x"]).unwrap();
    assert_eq!(gradient(&data, &[1.0, 2.5]).unwrap(), [2.0]);
    let unused = Program::trace(&[&[]], |v| {
        v[0].floor();
        v[0] * 3.0
    });
    assert_eq!(gradient(&unused.unwrap(), &[1.5]).unwrap(), [3.0]);
}

#[test]
fn stop_gradient_ends_tangents() {
    // The straight-through estimator: the value of round, the derivative of the identity.
    let through = parse("3 * (x + stop_gradient(round(x) - x))", &[("x", &[])]).unwrap();
    assert_eq!((value(&through, &[1.6]), gradient(&through, &[1.6]).unwrap()[0]), (6.0, 3.0));
    assert_eq!(through.at(&scalars(&[1.6])).unwrap().path_differentiable().unwrap(), Some(false));
    let data = parse("x * stop_gradient(y)", &[("x", &[]), ("y", &[])]).unwrap().varying(&["x"]).unwrap();
    assert_eq!(data.at(&scalars(&[1.0, 2.0])).unwrap().path_differentiable().unwrap(), Some(true));
    // Ties under it are none of the derivative's, and both modes and second derivatives agree on that.
    let held = parse("x * stop_gradient(abs(x) + sqrt(x))", &[("x", &[])]).unwrap();
    let at = held.at(&scalars(&[0.0])).unwrap();
    assert!(at.ties(0.0).unwrap().is_empty());
    assert_eq!(at.gradient(&Policy::default()).unwrap()[0].item(), 0.0);
    assert_eq!(held.linearize().unwrap().eval(&scalars(&[4.0, 1.0])).unwrap()[1].item(), 6.0);
    assert_eq!(held.hvp().unwrap().eval(&scalars(&[4.0, 1.0])).unwrap()[0].item(), 0.0);
    // As the output itself, and in the step of a scan.
    let whole = parse("stop_gradient(floor(x))", &[("x", &[])]).unwrap();
    assert_eq!(gradient(&whole, &[1.5]).unwrap(), [0.0]);
    let scan = Program::trace(&[&[], &[4]], |v| {
        v[0].scan(&[v[1]], &[], |c, x, _| c * x[0].round().stop_gradient() + x[0]).get(3)
    });
    let found =
        scan.unwrap().at(&[1.0.into(), [1.2, 2.4, 0.6, 3.1].into()]).unwrap().gradient(&Policy::default()).unwrap();
    assert_eq!(found[0].item(), 6.0);
    assert_eq!(found[1].data(), [6.0, 3.0, 3.0, 1.0]);
}

#[test]
fn parameters_that_are_no_good_are_named() {
    let complaint = |text: &str| parse(text, &[("x", &[])]).unwrap_err().to_string();
    for (text, says) in [
        ("hard_shrink(x, lambd=0)", "hard_shrink: lambd is 0, but it must be positive"),
        ("hard_shrink(x, -1)", "hard_shrink: lambd is -1, but it must be positive"),
        ("elu(x, alpha=inf)", "elu: alpha is inf, but it must be a finite number"),
        ("elu(x, x)", "`alpha` must be a number"),
        ("arctan2(x)", "takes 2 positional arguments"),
        ("floor(x, 1)", "takes 1 positional argument, but was given 2"),
    ] {
        let found = complaint(text);
        assert!(found.contains(says), "{text}: {found}");
    }
}
