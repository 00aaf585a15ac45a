//! What the theory says of methods holds in their runs.

mod common;

use clarke::optim::{
    AnyMethod, Averaging, Batches, Convex, Facts, FirstOrder, Flow, HeavyBall, Inna, Measure, Method, Noise, Oracle,
    Order, Outcome, Run, Setup, Status, Subgradient, method, minimize,
};
use clarke::{Evaluator, Policy, Tensor};
use common::{Draw, dot};
use std::sync::atomic::AtomicBool;

fn run<M: Method>(method: &M, oracle: &mut dyn Oracle, start: &[f64], steps: u64) -> Outcome {
    minimize(method, oracle, start, Run { steps, interrupted: &AtomicBool::new(false), watch: &mut |_| {} }).unwrap()
}

fn by_name(name: &str, options: &[(&str, &str)]) -> AnyMethod {
    let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), (*v).into())).collect();
    method(name, &options).unwrap()
}

fn program(text: &str, n: usize, policy: Policy) -> Evaluator {
    let program = clarke::parse(text, &[("x", &[n])]).unwrap();
    Evaluator::new(&program, &[], policy).unwrap()
}

fn measure(measures: &[Measure], beginning: &str) -> f64 {
    measures.iter().find(|m| m.name.starts_with(beginning)).unwrap_or_else(|| panic!("{measures:?}")).value
}

/// max_i ⟨a_i, x − x*⟩ + ⟨b, |x − x*|⟩ with 0 in the hull of the a_i: convex, least at x*, where it is 0.
struct Sharp {
    rows: Vec<Vec<f64>>,
    center: Vec<f64>,
    weight: f64,
}

impl Sharp {
    fn draw(seed: u64, n: usize) -> Sharp {
        let mut draw = Draw::new(seed);
        let mut rows: Vec<Vec<f64>> = (0..n).map(|_| draw.tensor(&[n], (-1.0, 1.0)).into_data()).collect();
        rows.push((0..n).map(|j| -rows.iter().map(|r| r[j]).sum::<f64>()).collect());
        Sharp { rows, center: draw.tensor(&[n], (-2.0, 2.0)).into_data(), weight: 0.125 }
    }

    /// A bound of the norms of all elements.
    fn lipschitz(&self) -> f64 {
        let most = self.rows.iter().map(|r| dot(r, r).sqrt()).fold(0.0, f64::max);
        most + self.weight * (self.center.len() as f64).sqrt()
    }
}

impl Oracle for Sharp {
    fn dimension(&self) -> usize {
        self.center.len()
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        let off: Vec<f64> = x.iter().zip(&self.center).map(|(x, c)| x - c).collect();
        let values: Vec<f64> = self.rows.iter().map(|r| dot(r, &off)).collect();
        let most = (0..values.len()).max_by(|&i, &j| values[i].total_cmp(&values[j])).unwrap();
        gradient.iter_mut().enumerate().for_each(|(j, g)| *g = self.rows[most][j] + self.weight * off[j].signum());
        Ok(values[most] + self.weight * off.iter().map(|d| d.abs()).sum::<f64>())
    }
}

#[test]
fn the_subgradient_method_keeps_its_bound_on_convex_functions() {
    for seed in 0..10 {
        for n in [1, 3, 8] {
            let mut f = Convex(Sharp::draw(seed, n));
            let (lipschitz, start) = (f.0.lipschitz(), vec![0.0; n]);
            let radius = dot(&f.0.center, &f.0.center).sqrt();
            let steps = 400u64;
            let best_constant = radius / (lipschitz * ((steps + 1) as f64).sqrt());
            for rule in [best_constant.to_string(), "0.3/(k+1)^0.5".into(), "0.5/(k+1)".into()] {
                let setup = Setup::new(rule.parse().unwrap());
                let sizes: Vec<f64> = match rule.split_once("/(k+1)") {
                    None => vec![best_constant; 401],
                    Some((a, "")) => (0..=steps).map(|k| a.parse::<f64>().unwrap() / (k + 1) as f64).collect(),
                    Some((a, _)) => (0..=steps).map(|k| a.parse::<f64>().unwrap() / ((k + 1) as f64).sqrt()).collect(),
                };
                let (sum, squares): (f64, f64) = (sizes.iter().sum(), sizes.iter().map(|a| a * a).sum());
                let bound = (radius * radius + lipschitz * lipschitz * squares) / (2.0 * sum);
                let outcome = run(&FirstOrder::new(Subgradient, setup.clone()).unwrap(), &mut f, &start, steps);
                assert!(outcome.best_value <= bound, "{rule}: {} > {bound}", outcome.best_value);
                // With constant steps the bound, L ‖x₀ − x*‖ / √(k + 1), holds for the average too, by Jensen's inequality.
                if rule == best_constant.to_string() {
                    assert!((bound - radius * lipschitz / ((steps + 1) as f64).sqrt()).abs() < 1e-9 * bound);
                    let setup = Setup { average: Some(Averaging::All), check: Some(steps), ..setup };
                    let outcome = run(&FirstOrder::new(Subgradient, setup).unwrap(), &mut f, &start, steps);
                    assert!(outcome.value <= bound, "average: {} > {bound}", outcome.value);
                    assert_eq!(outcome.evaluations.values, 1);
                }
            }
            let polyak = FirstOrder::new(Subgradient, Setup::new("polyak(0)".parse().unwrap())).unwrap();
            assert!(polyak.guarantee(Facts::of(&f)).violated.is_empty());
            let outcome = run(&polyak, &mut f, &start, steps);
            assert!(outcome.best_value <= radius * lipschitz / ((steps + 1) as f64).sqrt());
        }
    }
}

#[test]
fn polyaks_rule_ends_at_its_target() {
    let mut f = Convex(Sharp::draw(3, 2));
    let outcome = run(&by_name("subgradient", &[("step", "polyak(0.5)")]), &mut f, &[5.0, 5.0], 1000);
    assert_eq!(outcome.status, Status::Converged);
    assert!(outcome.value <= 0.5 && outcome.steps < 200, "{outcome:?}");
    assert_eq!(measure(&outcome.measures, "f − f*"), outcome.value - 0.5);
}

#[test]
fn adagrad_converges_without_knowing_the_scale() {
    for scale in [1e-3, 1.0, 1e3] {
        let mut f =
            program(&format!("{scale:?} * (abs(x[0] - 1) + 2*abs(x[1] + 0.5) + x[0]**2)"), 2, Policy::default());
        let outcome = run(&by_name("adagrad", &[("step", "adagrad(1)")]), &mut f, &[2.0, 1.0], 5000);
        // The least value is at x = (1/2, -1/2): 1/2 + 1/4.
        assert!((outcome.best_value / scale - 0.75).abs() < 2e-3, "{scale}: {outcome:?}");
    }
}

/// E of INNA, step by step.
fn energies(inna: &Inna, f: &mut dyn Oracle, start: &[f64], gamma: f64, steps: usize) -> Vec<f64> {
    let method = FirstOrder::new(inna.clone(), Setup::new(gamma.to_string().parse().unwrap())).unwrap();
    let mut state = method.init(f, start).unwrap();
    let mut all = vec![measure(&method.measures(&state), "E =")];
    for _ in 0..steps {
        method.step(f, &mut state).unwrap();
        all.push(measure(&method.measures(&state), "E ="));
    }
    all
}

#[test]
fn the_lyapunov_function_of_inna_falls_along_small_steps() {
    let smooth = "x[0]**2 + 3*x[1]**2 + x[0]*x[1]";
    let kinked = "abs(x[0]) + 2*abs(x[1] - x[0]) + 0.5*x[1]**2";
    for (alpha, beta) in [(0.5, 0.1), (1.5, 0.5), (0.1, 1.0), (3.0, 2.0)] {
        for text in [smooth, kinked] {
            let gamma = 1e-4;
            let mut f = program(text, 2, Policy::default());
            let all = energies(&Inna { alpha, beta }, &mut f, &[1.0, -0.7], gamma, 20_000);
            // A step may raise E by what it overshoots a kink, or by curvature: of second order.
            let slack = 200.0 * gamma * gamma * (1.0 + beta * beta) / beta.min(1.0).powi(2);
            // Elements are bounded by 4.5 and differ by at most 9; the velocity is d − β v with ‖d‖² ≤ 2 E.
            let velocity = (2.0 * all[0]).sqrt() + 4.5 * beta;
            let jump = if text == kinked { (1.0 + alpha * beta) * gamma * velocity * 9.0 } else { 0.0 };
            for (k, pair) in all.windows(2).enumerate() {
                assert!(
                    pair[1] <= pair[0] + slack + jump,
                    "{text} α={alpha} β={beta} step {k}: {} {}",
                    pair[0],
                    pair[1]
                );
            }
            assert!(all[20_000] < 0.9 * all[0] && all[10_000] < all[0], "{} {}", all[20_000], all[0]);
        }
        // Where f is smooth, dE/dt = −α ‖θ̇‖² − β ‖v‖², which at rest is −β ‖v‖² − α ‖β v‖².
        let mut f = program(smooth, 2, Policy::default());
        let all = energies(&Inna { alpha, beta }, &mut f, &[1.0, -0.7], 1e-7, 1);
        let (v0, v1) = (2.0 - 0.7, -4.2 + 1.0);
        let due = -(beta + alpha * beta * beta) * (v0 * v0 + v1 * v1);
        assert!(((all[1] - all[0]) / 1e-7 - due).abs() < 1e-3 * due.abs(), "{} {due}", (all[1] - all[0]) / 1e-7);
    }
}

#[test]
fn inna_reaches_the_kink() {
    let mut f = program("abs(x[0])", 1, Policy::default());
    let inna = by_name("inna", &[("step", "0.1/(k+1)^0.5"), ("alpha", "0.5"), ("beta", "0.1")]);
    let outcome = run(&inna, &mut f, &[1.0], 5000);
    assert!(outcome.best_value < 1e-4, "{}", outcome.best_value);
}

#[test]
fn a_heavy_ball_without_momentum_is_the_subgradient_method() {
    let mut f = program("abs(x[0]) + 2*abs(x[1] - x[0])", 2, Policy::default());
    let setup = Setup::new("0.1/(k+1)^0.5".parse().unwrap());
    let ball = run(&FirstOrder::new(HeavyBall { beta: 0.0 }, setup.clone()).unwrap(), &mut f, &[1.0, 3.0], 100);
    let plain = run(&FirstOrder::new(Subgradient, setup).unwrap(), &mut f, &[1.0, 3.0], 100);
    assert_eq!((ball.last, ball.trace), (plain.last, plain.trace));
}

#[test]
fn the_flow_keeps_its_energy_identity_and_slides_along_kinks() {
    // Text, dimension, start, least value; each slides along a kink before it ends, but the first.
    let cases: &[(&str, &[f64], f64)] = &[
        ("x[0]**2 + 2*x[1]**2", &[1.0, -1.0], 0.0),
        ("abs(x[0]) + 0.5*x[1]**2", &[0.3, 2.0], 0.0),
        ("abs(x[0] - x[1]) + 0.1*(x[0] + x[1])**2", &[1.0, 0.0], 0.0),
        ("max(abs(x[0]), 2*abs(x[1])) + 0.25*abs(x[0] + x[1] - 1)", &[2.0, 1.0], 0.25),
        ("abs(x[1] - x[0]**2) + 0.25*(x[0] - 1)**2", &[-0.5, 1.0], 0.0),
        ("relu(x[0] + x[1]) + relu(-x[0]) + relu(-x[1] - 1) + 0.05*(x[1] + 3)**2", &[1.0, 2.0], 0.0),
    ];
    for (text, start, least) in cases {
        for policy in [Policy::default(), Policy::jax(), Policy::Step(1.0)] {
            let mut f = program(text, start.len(), policy);
            let flow = Flow { h: 0.05, eta: 0.1, rest: 1e-6 };
            let outcome = run(&flow, &mut f, start, 5000);
            let (fallen, dissipated) = (measure(&outcome.measures, "f(θ(0))"), measure(&outcome.measures, "∫"));
            assert!((fallen - dissipated).abs() <= 0.1 * dissipated + 1e-9, "{text}: {:?}", outcome.measures);
            assert!(outcome.trace.windows(2).all(|w| w[1].1 <= w[0].1), "{text}: f rises along the flow");
            assert!(*least > 0.0 || text.starts_with("relu") || outcome.value < 1e-3, "{text}: {outcome:?}");
            if *least > 0.0 {
                assert!((outcome.value - least).abs() < 1e-3, "{text}: {} {least}", outcome.value);
            }
            assert!(matches!(outcome.status, Status::Converged | Status::Stationary), "{text}: {}", outcome.status);
        }
    }
}

#[test]
fn a_finer_flow_misses_less_energy() {
    let text = "abs(x[1] - x[0]**2) + 0.25*(x[0] - 1)**2 + 0.1*abs(x[0] + x[1])";
    let missed = |h: f64, steps: u64| {
        let flow = Flow { h, eta: 0.5, rest: 0.0 };
        let outcome = run(&flow, &mut program(text, 2, Policy::default()), &[-0.5, 1.0], steps);
        measure(&outcome.measures, "energy identity") / measure(&outcome.measures, "∫")
    };
    let (coarse, fine) = (missed(0.1, 10), missed(0.001, 1000));
    assert!(fine < 0.2 * coarse, "{fine} {coarse}");
}

#[test]
fn a_random_start_leaves_artifacts() {
    // The function is x + x²/2, least at −1; as written, PyTorch's gradient at the start 0 is 0.
    let text = "sum(x - (relu(-x) + x - relu(x)) + 0.5*x**2)";
    let method = |start: f64| {
        let noise = Noise { start, step: 0.1, seed: 5 };
        FirstOrder::new(Subgradient, Setup { noise, ..Setup::new("0.3/(k+1)^0.5".parse().unwrap()) }).unwrap()
    };
    let mut f = program(text, 1, Policy::pytorch());
    let outcome = run(&method(0.0), &mut f, &[0.0], 500);
    assert_eq!((outcome.status, outcome.value, outcome.steps), (Status::Stationary, 0.0, 0));
    let outcome = run(&method(1e-3), &mut f, &[0.0], 500);
    assert!((outcome.best[0] + 1.0).abs() < 1e-3, "{outcome:?}");
    let text = method(1e-3).guarantee(Facts::of(&f)).text;
    assert!(text.contains("true of real numbers") && text.contains("floating-point"), "{text}");
}

/// The mean of |x − s_i| over samples, by hand.
struct Median(Vec<f64>);

impl Oracle for Median {
    fn dimension(&self) -> usize {
        1
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        let all: Vec<usize> = (0..self.0.len()).collect();
        self.batch(&all, x, gradient)
    }

    fn terms(&self) -> usize {
        self.0.len()
    }

    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> clarke::Result<f64> {
        let n = terms.len() as f64;
        gradient[0] = terms.iter().map(|&t| (x[0] - self.0[t]).signum()).sum::<f64>() / n;
        Ok(terms.iter().map(|&t| (x[0] - self.0[t]).abs()).sum::<f64>() / n)
    }
}

#[test]
fn methods_on_batches_find_the_median() {
    let samples = Draw::new(3).tensor(&[101], (-1.0, 3.0)).into_data();
    let mut sorted = samples.clone();
    sorted.sort_by(f64::total_cmp);
    let best = run(&by_name("flow", &[]), &mut Median(samples.clone()), &[sorted[50]], 1).value;
    for order in ["uniform", "distinct", "cyclic", "reshuffled", "blocks"] {
        for name in ["stochastic", "incremental", "heavy-ball", "inna"] {
            let rule = if name == "inna" { "3/(k+20)^0.75" } else { "0.5/(k+1)^0.75" };
            let options = [("order", order), ("batch", "5"), ("step", rule), ("seed", "4"), ("average", "suffix")];
            let outcome = run(&by_name(name, &options), &mut Median(samples.clone()), &[5.0], 4000);
            assert!(outcome.value - best < 0.01, "{name} {order}: {} {best}", outcome.value);
            // One look at the start, one batch of 5 a step, a look after each pass of 21 steps, and one at the end.
            assert_eq!((outcome.evaluations.gradients, outcome.evaluations.values), (4001, 4000 / 21 + 1));
            let short = if ["uniform", "distinct"].contains(&order) { 0 } else { 4 * (4000 / 21) };
            let terms = 101 * (2 + 4000 / 21) + 4000 * 5 - short;
            // The short block of the last, unfinished pass may have come already.
            let less = if order == "blocks" { terms - outcome.evaluations.terms } else { 0 };
            assert!([0, 4].contains(&less), "{less}");
            assert_eq!(outcome.evaluations.terms, terms - less);
        }
    }
}

#[test]
fn seeds_decide_batches_and_nothing_else_does() {
    let samples = Draw::new(3).tensor(&[101], (-1.0, 3.0)).into_data();
    let with = |seed: &str| {
        let options = [("seed", seed), ("step", "0.5/(k+1)"), ("start-noise", "0.1"), ("step-noise", "0.2")];
        run(&by_name("stochastic", &options), &mut Median(samples.clone()), &[5.0], 200)
    };
    assert_eq!(with("1"), with("1"));
    assert_ne!(with("1").last, with("2").last);
}

#[test]
fn a_method_on_batches_of_one_term_is_the_method() {
    let mut f = program("abs(x[0]) + x[0]**2", 1, Policy::default());
    let setup = Setup::new("0.2/(k+1)^0.5".parse().unwrap());
    let batches = Some(Batches { size: 3, order: Order::Reshuffled, seed: 0 });
    let sampled = FirstOrder::new(Subgradient, Setup { batches, ..setup.clone() }).unwrap();
    let whole = FirstOrder::new(Subgradient, setup).unwrap();
    assert_eq!(run(&sampled, &mut f, &[2.0], 50).last, run(&whole, &mut f, &[2.0], 50).last);
    let refused = Setup { batches, ..Setup::new("polyak(0)".parse().unwrap()) };
    let error = FirstOrder::new(Subgradient, refused).unwrap_err().to_string();
    assert!(error.contains("it needs values of the whole function"), "{error}");
}

#[test]
fn a_tensor_starts_a_run() {
    let start = Tensor::vector([3.0, -1.0]);
    let mut f = program("norm1(x)", 2, Policy::default());
    let outcome = run(&by_name("subgradient", &[("step", "polyak(0)")]), &mut f, start.data(), 100);
    assert!(outcome.value < 1e-6);
}

#[test]
fn guarantees_name_the_condition_that_is_missing() {
    use clarke::optim::{Convexity, entry};
    use clarke::program::class::Level;
    let said = |name: &str, options: &[(&str, &str)], convexity: Convexity, terms: usize| {
        assert_eq!(entry(name).unwrap().name, name);
        by_name(name, options).guarantee(Facts { level: Level::Semialgebraic, convexity, terms, parts: None }).text
    };
    let (unknown, convex) = (Convexity::Unknown, Convexity::Convex);
    for name in ["subgradient", "stochastic", "incremental", "heavy-ball", "inna"] {
        let holds = said(name, &[], unknown, 100);
        assert!(holds.contains("every accumulation point is critical") && holds.contains("values converge"), "{holds}");
        assert_eq!(holds.contains("almost surely"), ["stochastic", "incremental"].contains(&name), "{name}: {holds}");
        assert!(!said(name, &[], unknown, 1).contains("almost surely"), "a sum of one term has one batch");
        for (options, part) in [
            (&[("step", "0.1")][..], "none (α_k → 0 is violated"),
            (&[("step", "1/(k+1)^2")], "none (Σ α_k = ∞ is violated"),
            (&[("average", "all")], "none (the result is an average"),
            (&[("step", "polyak(0)"), ("batch", "0")], "none (the function is not said to be convex"),
        ] {
            let text = said(name, options, unknown, 100);
            assert!(text.starts_with(part), "{name} {options:?}: {text}");
        }
        let averaged = said(name, &[("average", "suffix")], convex, 100);
        assert!(!averaged.starts_with("none"), "{name}: {averaged}");
    }
    assert!(said("subgradient", &[], convex, 1).contains("(‖x₀ − x*‖² + L² Σ α²) / (2 Σ α)"));
    assert!(said("subgradient", &[("step", "polyak(0)")], convex, 1).contains("L ‖x₀ − x*‖ / √k"));
    assert!(said("heavy-ball", &[("step", "polyak(0)")], convex, 1).starts_with("none (no theorem is known"));
    assert!(said("heavy-ball", &[("prox", "l1(1)")], convex, 1).starts_with("none (no theorem is known"));
    let adagrad = said("adagrad", &[], unknown, 1);
    assert!(adagrad.contains("either Σ ‖v_k‖² < ∞") && !adagrad.contains("values converge"), "{adagrad}");
    assert!(said("adagrad", &[("batch", "5")], unknown, 9).starts_with("none (the step sizes depend on the batches"));
    for name in ["adam", "adamw"] {
        assert!(
            said(name, &[("step", "0.1/(k+1)^0.5")], convex, 1).starts_with("none (β₁ and β₂ are constant"),
            "{name}"
        );
    }
}

/// The gradients of x² over a ball of radius δ about x lie within 2δ of 2x: so must what is measured at the last iterate,
/// whichever step the run was cut after.
#[test]
fn stationarity_is_measured_at_the_point_where_a_run_ends() {
    for name in ["gradient-sampling", "ingd"] {
        for steps in [0, 1, 2, 3, 7, 20, 5000] {
            let found = run(&by_name(name, &[]), &mut program("x[0]**2", 1, Policy::default()), &[3.0], steps);
            let [epsilon, delta] = ["ε", "δ"].map(|name| measure(&found.measures, name));
            let distance = measure(&found.measures, "the largest distance");
            let slope = 2.0 * found.last[0].abs();
            assert!((epsilon - slope).abs() <= 2.0 * delta + 1e-12, "{name}, {steps} steps: {found:?}");
            assert!(distance <= delta * (1.0 + 1e-12), "{name}, {steps} steps: {found:?}");
        }
    }
    // BFGS combines gradients of points it came by, which is another statement, and says so.
    let found = run(&by_name("bfgs", &[]), &mut program("sum((x - 1)**2)", 3, Policy::default()), &[3.0; 3], 100);
    assert!(found.measures.iter().all(|m| !m.name.contains("Goldstein")), "{found:?}");
    assert_eq!(found.status, Status::Converged);
    measure(&found.measures, "norm of a combination of gradients met nearby (HANSO)");
}
