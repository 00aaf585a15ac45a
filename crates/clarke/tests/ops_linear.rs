//! Linear algebra and convex sets: values against numpy and scipy, derivatives at ties, conventions, errors.

mod common;

use clarke::program::tie::Convention;
use clarke::{Policy, Program, Tensor, registry, text};
use common::{Draw, close, dot};

fn parse(source: &str, inputs: &[(&str, &[usize])]) -> Program {
    text::parse(&registry(), source, inputs).unwrap_or_else(|e| panic!("`{source}`: {e}"))
}

fn array(shape: &[usize], numbers: &[f64]) -> Tensor {
    Tensor::new(shape, numbers.to_vec()).unwrap()
}

/// The value of a program of one input x.
fn value(source: &str, x: &Tensor) -> Tensor {
    parse(source, &[("x", x.shape())]).eval(std::slice::from_ref(x)).unwrap().remove(0)
}

/// The gradient of a scalar program of one input x.
fn gradient(source: &str, x: &Tensor, policy: &Policy) -> Vec<f64> {
    let f = parse(source, &[("x", x.shape())]);
    f.at(std::slice::from_ref(x)).unwrap().gradient(policy).unwrap().remove(0).into_data()
}

fn assert_close(a: &[f64], b: &[f64]) {
    assert!(close(a, b, 1e-13), "{a:?} is not {b:?}");
}

const A: [f64; 9] = [4.0, 1.0, -2.0, 0.5, -3.0, 1.0, 2.0, 0.0, 5.0];
const P: [f64; 9] = [4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 5.0];
const S: [f64; 9] = [1.0, 2.0, 0.0, 2.0, -1.0, 3.0, 0.0, 3.0, 0.5];
const T: [f64; 8] = [1.0, 2.0, 0.0, 3.0, -1.0, 1.0, 2.0, 0.5];

/// The numbers are numpy 2.4.6's and scipy 1.17.1's.
#[test]
fn systems_are_those_of_numpy_and_scipy() {
    let a = array(&[3, 3], &A);
    let check = |source: &str, x: &Tensor, expected: &[f64]| assert_close(value(source, x).data(), expected);
    check("solve(x, [1, -2, 3])", &a, &[0.27586206896551724, 0.8758620689655173, 0.4896551724137931]);
    check("solve(x, [1, -2, 3], transpose=True)", &a, &[-0.05517241379310346, 0.6482758620689656, 0.4482758620689655]);
    check("solve_triangular(x, [1, -2, 3])", &a, &[0.3333333333333333, 0.8666666666666667, 0.6]);
    check(
        "solve_triangular(x, [1, -2, 3], lower=True, transpose=True)",
        &a,
        &[-0.1333333333333333, 0.6666666666666666, 0.6],
    );
    check(
        "inv(x)",
        &a,
        &[
            0.20689655172413793,
            0.06896551724137932,
            0.06896551724137931,
            0.006896551724137932,
            -0.33103448275862074,
            0.06896551724137932,
            -0.08275862068965517,
            -0.027586206896551727,
            0.1724137931034483,
        ],
    );
    let p = array(&[3, 3], &P);
    check("cholesky(x)", &p, &[2.0, 0.0, 0.0, 0.5, 1.6583123951777, 0.0, -1.0, 0.6030226891555273, 1.9069251784911847]);
    check("logdet(x)", &p, &[3.6888794541139367]);
    let t = array(&[4, 2], &T);
    check("lstsq(x, [1, 2, 3, 4])", &t, &[0.7300613496932519, 0.809815950920245]);
    check(
        "lstsq(x, [1, -2], transpose=True)",
        &t,
        &[-0.11963190184049083, -0.5153374233128833, -0.39570552147239263, 0.3619631901840491],
    );
}

/// The numbers are numpy 2.4.6's; those of the projections onto simplex and ℓ₁ ball are from a root of Σ max(x − τ, 0) − r
/// found by scipy 1.17.1's brentq, that onto the second-order cone agrees with its minimize.
#[test]
fn spectra_and_projections_are_those_of_numpy_and_scipy() {
    let s = array(&[3, 3], &S);
    let check = |source: &str, x: &Tensor, expected: &[f64]| assert_close(value(source, x).data(), expected);
    check("eigvalsh_max(x)", &s, &[3.5382000927663535]);
    check("eigvalsh_sum(x, 2)", &s, &[4.376621011476109]);
    let t = array(&[4, 2], &T);
    check("spectral_norm(x)", &t, &[3.835267944384469]);
    check("nuclear_norm(x)", &t, &[6.189141304354571]);
    check(
        "project_psd(x)",
        &s,
        &[
            1.3980586222944253,
            1.0294094793598874,
            0.6653012802080117,
            1.0294094793598874,
            1.366601063246556,
            1.3777888989878269,
            0.6653012802080117,
            1.3777888989878269,
            1.6119613259351275,
        ],
    );
    check("dist_psd(x)", &s, &[3.87662101147611]);
    let x = Tensor::from([0.9, -0.3, 0.7, 0.1]);
    check("project_simplex(x)", &x, &[0.6, 0.0, 0.4, 0.0]);
    check("dist_simplex(x)", &x, &[0.529150262212918]);
    let y = Tensor::from([0.9, -1.3, 0.7, 0.1]);
    check("project_l1_ball(x, 1.5)", &y, &[0.4333333333333333, -0.8333333333333333, 0.23333333333333323, 0.0]);
    check("dist_l1_ball(x, 1.5)", &y, &[0.8144527815247079]);
    let z = Tensor::from([0.5, 3.0, -4.0]);
    check("project_soc(x)", &z, &[2.75, 1.65, -2.2]);
    check("dist_soc(x)", &z, &[3.181980515339464]);
    check("project_ball(x, 1)", &Tensor::from([3.0, 4.0]), &[0.6, 0.8]);
    check("dist_ball(x, 1)", &Tensor::from([3.0, 4.0]), &[4.0]);
    check("project_box(x, -1, None)", &Tensor::from([-3.0, 4.0]), &[-1.0, 4.0]);
    check("dist_box(x, -1, 1)", &Tensor::from([-4.0, 5.0, 0.0]), &[5.0]);
}

/// A matrix with entries in (−1, 1), and a multiple of the identity added.
fn random(n: usize, m: usize, shift: f64, seed: u64) -> Tensor {
    let x = Draw::new(seed).tensor(&[n, m], (-1.0, 1.0));
    Tensor::from_fn(&[n, m], |k| x.data()[k] + if k % m == k / m { shift } else { 0.0 })
}

/// Every size on which the factorizations change their ways, in both precisions: by what defines the value, not by another
/// factorization.
#[test]
fn all_sizes_solve_what_they_should() {
    for n in [1, 2, 3, 5, 8, 13, 17, 33, 70, 150] {
        let (shape, tall) = (&[n, n][..], &[n + 3, n][..]);
        let a = random(n, n, 2.0 * n as f64, n as u64);
        let b = Draw::new(7).tensor(&[n, 3], (-1.0, 1.0));
        let residuals: &[(&str, &[usize])] = &[("x", shape), ("b", &[n, 3])];
        let zero = |source: &str, inputs: &[(&str, &[usize])], x: &[Tensor]| {
            let f = parse(source, inputs);
            let size = f.eval(x).unwrap().remove(0);
            assert!(size.data().iter().all(|x| x.abs() < 1e-10), "{source} of size {n}: {size:?}");
            let single = f.compile::<f32>(Convention::MinNorm).call(x).unwrap().remove(0);
            assert!(single.data().iter().all(|x| x.abs() < 1e-2 * n as f64), "{source} of size {n} in f32: {single:?}");
        };
        let x = [a.clone(), b.clone()];
        zero("norminf(x @ solve(x, b) - b)", residuals, &x);
        zero("norminf(transpose(x) @ solve(x, b, transpose=True) - b)", residuals, &x);
        zero("norminf(x @ inv(x) @ b - b)", residuals, &x);
        zero("norminf((x + transpose(x)) / 2 @ inv(x, positive=True) @ b - b)", residuals, &x);
        zero("norminf(cholesky(x) @ transpose(cholesky(x)) - (x + transpose(x)) / 2)", residuals, &x);
        zero("norminf(solve_triangular(cholesky(x), cholesky(x) @ b, lower=True) - b)", residuals, &x);
        let t = [random(n + 3, n, 2.0 * n as f64, 5), Draw::new(8).tensor(&[n + 3, 2], (-1.0, 1.0)), b.clone()];
        let least: &[(&str, &[usize])] = &[("x", tall), ("y", &[n + 3, 2]), ("b", &[n, 3])];
        zero("norminf(transpose(x) @ (x @ lstsq(x, y) - y))", least, &t);
        zero("norminf(transpose(x) @ lstsq(x, b, transpose=True) - b)", least, &t);
        zero("norminf(project_psd(x) - project_psd(-x) - (x + transpose(x)) / 2)", residuals, &x);
        zero("norminf(project_psd(x) @ project_psd(-x)) / max(abs(x))", residuals, &x);
    }
}

/// The gradient of the sum of the k largest eigenvalues is a projector of trace k that commutes with the matrix; that of the
/// nuclear norm is orthogonal, and its product with the matrix positive semidefinite.
#[test]
fn all_sizes_have_the_derivatives_that_define_them() {
    for n in [1, 2, 5, 8, 17, 33, 70, 150] {
        let a = random(n, n, 0.0, 3);
        let k = n.div_ceil(2);
        let g = gradient(&format!("eigvalsh_sum(x, {k})"), &a, &Policy::default());
        let at = |m: &[f64], i: usize, j: usize| m[i * n + j];
        let product = |x: &[f64], y: &[f64]| -> Vec<f64> {
            (0..n * n).map(|p| (0..n).map(|l| at(x, p / n, l) * at(y, l, p % n)).sum()).collect()
        };
        assert_close(&product(&g, &g), &g);
        assert!((dot(&g, a.data()) - value(&format!("eigvalsh_sum(x, {k})"), &a).item()).abs() < 1e-11 * n as f64);
        let u = gradient("nuclear_norm(x)", &a, &Policy::default());
        let transposed: Vec<f64> = (0..n * n).map(|p| at(&u, p % n, p / n)).collect();
        let identity: Vec<f64> = (0..n * n).map(|p| f64::from(p % n == p / n)).collect();
        assert!(close(&product(&transposed, &u), &identity, 1e-11));
        assert!((dot(&u, a.data()) - value("nuclear_norm(x)", &a).item()).abs() < 1e-11 * n as f64);
    }
}

/// The numbers of `kink_conventions`: eigvalsh_max_ties, spectral_norm_ties, norm_nuclear_0, svdvals_repeated_sum, as
/// PyTorch 2.15.0 and JAX 0.10.2 return them.
#[test]
fn conventions_at_multiple_eigenvalues_are_those_of_the_frameworks() {
    let (eye, zero) = (array(&[2, 2], &[1.0, 0.0, 0.0, 1.0]), Tensor::full(&[2, 2], 0.0));
    for policy in [Policy::pytorch(), Policy::jax()] {
        assert_close(&gradient("eigvalsh_max(x)", &eye, &policy), &[0.0, 0.0, 0.0, 1.0]);
        assert_close(&gradient("spectral_norm(x)", &eye, &policy), &[0.5, 0.0, 0.0, 0.5]);
        assert_close(&gradient("nuclear_norm(x)", &zero, &policy), &[1.0, 0.0, 0.0, 1.0]);
        assert_close(&gradient("nuclear_norm(x)", &eye, &policy), &[1.0, 0.0, 0.0, 1.0]);
    }
    let least = Policy::default();
    assert_close(&gradient("eigvalsh_max(x)", &eye, &least), &[0.5, 0.0, 0.0, 0.5]);
    assert_close(&gradient("spectral_norm(x)", &eye, &least), &[0.5, 0.0, 0.0, 0.5]);
    assert_close(&gradient("spectral_norm(x)", &zero, &least), &[0.0; 4]);
    assert_close(&gradient("nuclear_norm(x)", &zero, &least), &[0.0; 4]);
    assert_close(&gradient("nuclear_norm(x)", &eye, &least), &[1.0, 0.0, 0.0, 1.0]);
}

/// Eigenvalues of a rotated diagonal matrix are equal up to rounding only, and the tie is met all the same.
#[test]
fn ties_of_eigenvalues_are_met_up_to_rounding() {
    let (c, s) = (0.3f64.cos(), 0.3f64.sin());
    let q = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]];
    let turn = |d: [f64; 3]| Tensor::from_fn(&[3, 3], |k| (0..3).map(|l| q[k / 3][l] * d[l] * q[k % 3][l]).sum());
    let f = parse("eigvalsh_sum(x, 2)", &[("x", &[3, 3])]);
    let ties = |x: Tensor, tolerance: f64| f.at(&[x]).unwrap().ties(tolerance).unwrap();
    assert_eq!(ties(turn([2.0, 1.0, 1.0]), 0.0).len(), 1);
    assert_eq!(ties(turn([2.0, 1.0, 1.0]), 0.0)[0].distance, 0.0);
    assert_eq!(ties(turn([2.0, 2.0, 1.0]), 0.0).len(), 0);
    assert_eq!(ties(turn([2.0, 1.0 + 1e-6, 1.0]), 0.0).len(), 0);
    let near = ties(turn([2.0, 1.0 + 1e-6, 1.0]), 1e-5);
    assert!((near[0].distance - 1e-6).abs() < 1e-12);
    let g = gradient("eigvalsh_sum(x, 2)", &turn([2.0, 1.0, 1.0]), &Policy::default());
    assert!(close(&g, turn([1.0, 0.5, 0.5]).data(), 1e-12), "{g:?}");
    assert_eq!(
        parse("nuclear_norm(x)", &[("x", &[3, 3])]).at(&[turn([2.0, 1.0, 0.0])]).unwrap().ties(0.0).unwrap().len(),
        1
    );
}

/// At a tie, a random element is in the set: it is positive semidefinite with the right trace, on the eigenspace.
#[test]
fn random_elements_are_in_the_set() {
    let x = array(&[3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);
    let zero = Tensor::full(&[2, 3], 0.0);
    let psd = array(&[2, 2], &[1.0, 0.0, 0.0, 0.0]);
    for seed in 0..20 {
        let policy = Policy::Random(seed);
        let g = gradient("eigvalsh_max(x)", &x, &policy);
        assert!((g[0] + g[4] - 1.0).abs() < 1e-12 && g[0] * g[4] > g[1] * g[1] && (g[1] - g[3]).abs() < 1e-12, "{g:?}");
        assert!([2, 5, 6, 7, 8].iter().all(|k| g[*k].abs() < 1e-12));
        let w = array(&[2, 3], &gradient("nuclear_norm(x)", &zero, &policy));
        assert!(value("spectral_norm(x)", &w).item() < 1.0);
        let w = array(&[2, 3], &gradient("spectral_norm(x)", &zero, &policy));
        assert!(value("nuclear_norm(x)", &w).item() < 1.0);
        let n = gradient("dist_psd(x)", &psd, &policy);
        assert!(n[3] <= 0.0 && n[3] >= -1.0 && n[..3].iter().all(|x| x.abs() < 1e-12), "{n:?}");
        let n = gradient("dist_box(x, 0, 1)", &Tensor::from([1.0, 0.0, 0.5]), &policy);
        assert!(n[0] > 0.0 && n[1] < 0.0 && n[2] == 0.0 && dot(&n, &n) <= 1.0, "{n:?}");
        let n = gradient("dist_l1_ball(x, 1)", &Tensor::from([1.0, 0.0]), &policy);
        assert!(n[0] > 0.0 && n[1].abs() < n[0] && dot(&n, &n) <= 1.0, "{n:?}");
        let n = gradient("dist_soc(x)", &Tensor::from([0.0, 0.0, 0.0]), &policy);
        assert!(-n[0] >= n[1].hypot(n[2]) - 1e-12 && dot(&n, &n) <= 1.0, "{n:?}");
    }
}

/// What a direction decides: worked out by hand.
#[test]
fn directions_decide_several_entries_at_once() {
    let along = |d: &[&[f64]], shape: &[usize]| Policy::Along(d.iter().map(|d| vec![array(shape, d)]).collect());
    // x = (1, 0, 0): both zeros are at the threshold 0. Of the direction (0, 5, 1) only the 5 enters: then the threshold
    // moves by 2.5, which the 1 does not reach.
    let x = Tensor::from([1.0, 0.0, 0.0]);
    let g = gradient("project_simplex(x) @ [1, 2, 4]", &x, &along(&[&[0.0, 5.0, 1.0]], &[3]));
    assert_close(&g, &[-0.5, 0.5, 0.0]);
    // Along (0, 5, 4) both enter.
    let g = gradient("project_simplex(x) @ [1, 2, 4]", &x, &along(&[&[0.0, 5.0, 4.0]], &[3]));
    assert_close(&g, &[1.0 - 7.0 / 3.0, 2.0 - 7.0 / 3.0, 4.0 - 7.0 / 3.0]);
    // The ball of radius 1 at (1, 0): outwards the projection, with the sign of what enters; inwards the identity.
    let x = Tensor::from([1.0, 0.0]);
    let g = |d: &[f64]| gradient("project_l1_ball(x, 1) @ [1, 2]", &x, &along(&[d], &[2]));
    assert_close(&g(&[1.0, -2.0]), &[1.5, 1.5]);
    assert_close(&g(&[1.0, 0.5]), &[0.0, 0.0]);
    assert_close(&g(&[-1.0, 0.5]), &[1.0, 2.0]);
    // diag(1, 1): the eigenvalue that grows is the larger one.
    let eye = array(&[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    let g = |d: &[&[f64]]| gradient("eigvalsh_max(x)", &eye, &along(d, &[2, 2]));
    assert_close(&g(&[&[0.0, 1.0, 1.0, 0.0]]), &[0.5, 0.5, 0.5, 0.5]);
    assert_close(&g(&[&[3.0, 0.0, 0.0, 2.0]]), &[1.0, 0.0, 0.0, 0.0]);
    assert_close(&g(&[&[1.0, 0.0, 0.0, 1.0], &[0.0, 0.0, 0.0, 1.0]]), &[0.0, 0.0, 0.0, 1.0]);
    // The cone's apex, twice undecided: the first direction is on its boundary.
    let z = Tensor::full(&[3], 0.0);
    let g = |d: &[&[f64]]| gradient("project_soc(x) @ [1, 0, 0]", &z, &along(d, &[3]));
    assert_close(&g(&[&[1.0, 0.0, 0.0]]), &[1.0, 0.0, 0.0]);
    assert_close(&g(&[&[0.0, 1.0, 0.0]]), &[0.5, 0.5, 0.0]);
    assert_close(&g(&[&[1.0, 1.0, 0.0], &[1.0, 0.0, 0.0]]), &[1.0, 0.0, 0.0]);
    assert_close(&g(&[&[1.0, 1.0, 0.0], &[0.0, 1.0, 0.0]]), &[0.5, 0.5, 0.0]);
    // The corner (1, 1) of a box: a direction along one face leaves the other's normal to the next direction.
    let x = Tensor::from([1.0, 1.0]);
    let g = |d: &[&[f64]]| gradient("dist_box(x, -1, 1)", &x, &along(d, &[2]));
    assert_close(&g(&[&[3.0, 4.0]]), &[0.6, 0.8]);
    assert_close(&g(&[&[-1.0, -1.0]]), &[0.0, 0.0]);
    assert_close(&g(&[&[-1.0, 0.0], &[2.0, 1.0]]), &[0.0, 1.0]);
    // The projection of 0 onto the positive semidefinite matrices along diag(1, −1).
    let zero = Tensor::full(&[2, 2], 0.0);
    let policy = along(&[&[1.0, 0.0, 0.0, -1.0]], &[2, 2]);
    let g = gradient("sum(project_psd(x) * [[1, 2], [2, 3]])", &zero, &policy);
    assert_close(&g, &[1.0, 1.0, 1.0, 0.0]);
}

/// Second derivatives off ties, against differences of gradients.
#[test]
fn second_derivatives_are_differences_of_gradients() {
    let square = &[3, 3][..];
    let cases: &[(&str, &[usize])] = &[
        ("logdet(x + 4 * [[1, 0, 0], [0, 1, 0], [0, 0, 1]])", square),
        ("sum(cholesky(x + 4 * [[1, 0, 0], [0, 1, 0], [0, 0, 1]]) ** 2 * [[1, 2, 3], [4, 5, 6], [7, 8, 9]])", square),
        ("solve(x + 4 * [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [1, 2, 3]) @ [3, -1, 2]", square),
        ("lstsq(x + 4 * [[1, 0], [0, 1], [0, 0]], [1, 2, 3]) @ [3, -1]", &[3, 2]),
        ("eigvalsh_sum(x, 2)", square),
        ("eigvalsh_max(x) ** 2", square),
        ("nuclear_norm(x)", &[3, 2]),
        ("spectral_norm(x)", &[2, 3]),
        ("sum(project_psd(x) ** 3)", square),
        ("dist_psd(x)", square),
        ("dist_soc(x * [0.1, 1, 1])", &[3]),
        ("sum(project_soc(x * [0.1, 1, 1]) ** 3)", &[3]),
        ("dist_ball(x, 0.2)", &[3]),
        ("dist_simplex(x)", &[3]),
        ("dist_l1_ball(x, 0.1)", &[3]),
        ("sum(project_ball(x, 0.2) ** 3)", &[3]),
    ];
    for (source, shape) in cases {
        let f = parse(source, &[("x", shape)]);
        let hvp = f.hvp().unwrap();
        for seed in 0..3 {
            let mut draw = Draw::new(seed);
            let (x, d) = (draw.tensor(shape, (-1.0, 1.0)), draw.tensor(shape, (-1.0, 1.0)));
            let h = 1e-5;
            let moved = |h: f64| Tensor::from_fn(shape, |k| x.data()[k] + h * d.data()[k]);
            let g = |h: f64| gradient(source, &moved(h), &Policy::default());
            let quotient: Vec<f64> = std::iter::zip(g(h), g(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect();
            let second = hvp.eval(&[x.clone(), d.clone()]).unwrap().pop().unwrap();
            assert!(close(second.data(), &quotient, 1e-6), "{source} at {x:?}: {second:?} is not {quotient:?}");
        }
    }
}

#[test]
fn singular_matrices_give_nan_and_an_analysis_names_the_operator() {
    let singular = array(&[2, 2], &[1.0, 2.0, 2.0, 4.0]);
    let indefinite = array(&[2, 2], &[1.0, 2.0, 2.0, 1.0]);
    for (source, x) in [
        ("sum(solve(x, [1, 2]))", &singular),
        ("sum(inv(x))", &singular),
        ("sum(solve_triangular(x - [[1, 0], [0, 0]], [1, 2]))", &singular),
        ("sum(lstsq(x, [1, 2]))", &singular),
        ("sum(lstsq(x, [1, 2], transpose=True))", &singular),
        ("sum(inv(x, positive=True))", &indefinite),
        ("sum(cholesky(x))", &indefinite),
        ("logdet(x)", &indefinite),
    ] {
        assert!(value(source, x).item().is_nan(), "{source}");
        let f = parse(source, &[("x", &[2, 2])]);
        let error = f.at(std::slice::from_ref(x)).unwrap_err().to_string();
        let name = source.trim_start_matches("sum(").split('(').next().unwrap();
        assert!(error.contains(&format!("{name} gives NaN")), "{error}");
    }
    let huge = Tensor::full(&[2, 2], f64::INFINITY);
    for source in ["eigvalsh_max(x)", "spectral_norm(x)", "nuclear_norm(x)", "dist_psd(x)", "logdet(x)"] {
        assert!(value(source, &huge).item().is_nan(), "{source}");
    }
}

#[test]
fn mistakes_are_named() {
    let error = |source: &str, shape: &[usize]| {
        text::parse(&registry(), source, &[("x", shape)]).expect_err(source).to_string()
    };
    for (source, shape, part) in [
        ("solve(x, [1, 2])", &[2, 3][..], "the matrix must be square, but is 2 by 3"),
        ("solve(x, [1, 2])", &[3, 3], "the right-hand side has 2 rows, but the matrix asks for 3"),
        ("solve(x, 2)", &[3, 3], "a vector or a matrix, not a scalar"),
        ("lstsq(x, [1, 2])", &[2, 3], "more columns (3) than rows (2)"),
        ("inv(x)", &[2, 3], "it takes a square matrix"),
        ("eigvalsh_sum(x, 4)", &[3, 3], "k is 4, but the matrix has 3 of them"),
        ("eigvalsh_max(x)", &[0, 0], "the matrix has 0 of them"),
        ("nuclear_norm(x)", &[3], "a matrix that is not empty"),
        ("project_ball(x, 0)", &[3], "radius is 0, but it must be a positive number"),
        ("dist_box(x, 1, 0)", &[3], "a number not less than low, which is 1"),
        ("dist_soc(x)", &[1], "at least 2 entries"),
        ("project_simplex(x)", &[], "at least 1 entries"),
        ("project_psd(x)", &[2, 3], "it takes a square matrix"),
    ] {
        let message = error(source, shape);
        assert!(message.contains(part), "{source}: {message}");
    }
}
