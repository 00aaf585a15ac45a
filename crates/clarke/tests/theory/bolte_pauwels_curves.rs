//! Bolte, Pauwels 2021, the characterization of conservative fields: along an absolutely continuous curve γ,
//! d/dt f(γ(t)) = ⟨v, γ'(t)⟩ for all v in D(γ(t)), for almost every t; inside the ties as well.

use super::common::{Draw, dot, numbers};
use super::{conservative, read};
use clarke::{Policy, Program, Tensor};

const PROGRAMS: &[&str] = &[
    "relu(x) + abs(x - y)",
    "maximum(x, y) * minimum(x, y)",
    "relu(-x) + x - relu(x) + y**2",
    "norm2(stack([relu(x), y - x])) + norminf(stack([x, y, x*y]))",
    "sum(sort(stack([x, y, x + y]))[:2])",
    "median(stack([x, y, x*y]))",
    "relu(relu(x) - abs(y))*exp(y)",
];

fn point(x: f64, y: f64) -> [Tensor; 2] {
    [x.into(), y.into()]
}

fn value(f: &Program, x: f64, y: f64) -> f64 {
    f.eval(&point(x, y)).unwrap()[0].item()
}

/// ∫⟨v, γ'⟩ by the midpoint rule, with the gradient of a policy, against the increment.
#[test]
fn along_curves_the_integral_is_the_increment() {
    let mut draw = Draw::new(1);
    for text in PROGRAMS {
        let f = read(text, &[("x", &[]), ("y", &[])]);
        let gradient = f.gradient().unwrap().compile::<f64>(clarke::Convention::PyTorch);
        for _ in 0..10 {
            let c: Vec<f64> = (0..8).map(|_| 2.0 * draw.uniform() - 1.0).collect();
            let curve = |t: f64| {
                (c[0] + c[1] * t + c[2] * (c[3] * 3.0 * t).sin(), c[4] + c[5] * t + c[6] * (c[7] * 4.0 * t).cos())
            };
            const STEPS: usize = 4000;
            let mut sum = 0.0;
            for k in 0..STEPS {
                let (a, b) = (curve(k as f64 / STEPS as f64), curve((k + 1) as f64 / STEPS as f64));
                let middle = point((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
                sum += dot(&numbers(&gradient.call(&middle).unwrap()), &[b.0 - a.0, b.1 - a.1]);
            }
            let (start, end) = (curve(0.0), curve(1.0));
            let increment = value(&f, end.0, end.1) - value(&f, start.0, start.1);
            assert!((sum - increment).abs() < 2e-3, "{text}: {sum} along a curve, but the value moves by {increment}");
        }
    }
}

/// On a line of ties all elements have the same product with the velocity, which is the derivative along the line.
#[test]
fn inside_a_tie_all_elements_agree_along_it() {
    for (text, direction) in [
        ("abs(x - y) + x*y", [1.0, 1.0]),
        ("maximum(x, y)**2 + relu(x - y)", [1.0, 1.0]),
        ("relu(-x) + x - relu(x) + y", [0.0, 1.0]),
        ("max(x, y, (x + y)/2)", [1.0, 1.0]),
        ("sort(stack([x, 2*y, y]))[1] + abs(x - 2*y)", [2.0, 1.0]),
    ] {
        let f = read(text, &[("x", &[]), ("y", &[])]);
        for t in [-1.5, 0.5, 2.0] {
            let (x, y) = (t * direction[0], t * direction[1]);
            let h = 1e-6;
            let along = |s: f64| value(&f, x + s * direction[0], y + s * direction[1]);
            let derivative = (along(h) - along(-h)) / (2.0 * h);
            for v in super::vertices(&conservative(&f, &point(x, y))) {
                assert!((dot(&v, &direction) - derivative).abs() < 1e-6, "{text} at t = {t}: {v:?}, {derivative}");
            }
            for seed in 0..5 {
                let v = f.at(&point(x, y)).unwrap().gradient(&Policy::Random(seed)).unwrap();
                assert!((dot(&numbers(&v), &direction) - derivative).abs() < 1e-6, "{text} at t = {t}");
            }
        }
    }
}
