//! Zonotopes and open cones against slow twins.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT};
use clarke::set::{Cone, Dense, Generators, Nearest, Polytope, Zonotope, min_norm, open_cone};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn zonotope(base: &[f64], generators: &[Vec<f64>]) -> Zonotope {
    Zonotope::new(base.to_vec(), Dense::new(base.len(), generators).unwrap()).unwrap()
}

/// b + G s by the definition.
fn value(base: &[f64], generators: &[Vec<f64>], s: &[f64]) -> Vec<f64> {
    let mut point = base.to_vec();
    for (s, g) in s.iter().zip(generators) {
        point.iter_mut().zip(g).for_each(|(p, g)| *p += s * g);
    }
    point
}

/// All 2ᵏ images of vertices of the cube.
fn corners(base: &[f64], generators: &[Vec<f64>]) -> Polytope {
    let k = generators.len();
    let points: Vec<Vec<f64>> = (0..1_usize << k)
        .map(|bits| value(base, generators, &(0..k).map(|i| (bits >> i & 1) as f64).collect::<Vec<_>>()))
        .collect();
    Polytope::new(&points).unwrap()
}

/// Every claim of an answer, evaluated by the definitions.
fn assert_claims(base: &[f64], generators: &[Vec<f64>], target: &[f64], found: &Nearest, relative_gap: f64) {
    assert!(found.s.iter().all(|s| (0.0..=1.0).contains(s)));
    let point = value(base, generators, &found.s);
    let r: Vec<f64> = target.iter().zip(&point).map(|(t, p)| t - p).collect();
    let size = norm(base) + norm(target) + generators.iter().map(|g| norm(g)).sum::<f64>() + 1e-300;
    assert!(norm(&point.iter().zip(&found.point).map(|(x, y)| x - y).collect::<Vec<_>>()) <= 1e-13 * size);
    assert!((norm(&r) - found.norm).abs() <= 1e-13 * size);
    let gap: f64 = generators.iter().zip(&found.s).map(|(g, s)| dot(g, &r).max(0.0) - s * dot(g, &r)).sum();
    assert!((gap - found.gap).abs() <= 1e-13 * size * size, "{gap} {}", found.gap);
    assert!(found.lower <= found.norm);
    if found.norm > 0.0 {
        let support = dot(base, &r) + generators.iter().map(|g| dot(g, &r).max(0.0)).sum::<f64>();
        let lower = (dot(target, &r) - support) / found.norm;
        assert!(found.lower <= lower.max(0.0) + 1e-12 * size * size / found.norm, "{} {lower}", found.lower);
    }
    let allowed = (relative_gap * 0.5 * found.norm.powi(2)).max(64.0 * f64::EPSILON * size * size);
    assert!(found.converged && gap <= allowed + 1e-14 * size * size, "{gap} {allowed} {found:?}");
}

fn integers(n: usize, size: i32, count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Vec<f64>>> {
    prop::collection::vec(prop::collection::vec((-size..=size).prop_map(f64::from), n), count)
}

fn problem() -> impl Strategy<Value = (Vec<f64>, Vec<Vec<f64>>, Vec<f64>)> {
    (1_usize..6, 1_i32..4).prop_flat_map(|(n, size)| {
        let vector = || prop::collection::vec((-4_i32..5).prop_map(|x| f64::from(x) * 0.5), n);
        (vector(), integers(n, size, 0..=9), vector())
    })
}

proptest! {
    #[test]
    fn the_nearest_point_is_that_of_all_corners((base, generators, target) in problem(), far in 0..2) {
        let target: Vec<f64> = target.iter().map(|t| t * if far == 1 { 10.0 } else { 1.0 }).collect();
        let set = zonotope(&base, &generators);
        let found = set.nearest(&target, 1e-10).unwrap();
        assert_claims(&base, &generators, &target, &found, 1e-10);
        let twin = min_norm(&mut corners(&base, &generators), &target, 1e-13, 10_000);
        prop_assert!((found.norm - twin.norm).abs() < 1e-5 + 1e-9 * twin.norm, "{} {}", found.norm, twin.norm);
        if twin.norm > 0.01 {
            prop_assert!((found.norm - twin.norm).abs() < 1e-9 * (1.0 + twin.norm), "{} {}", found.norm, twin.norm);
        }
        // Wolfe's algorithm over the zonotope's own oracle.
        let wolfe = min_norm(&mut set.clone(), &target, 1e-13, 10_000);
        prop_assert!((wolfe.norm - twin.norm).abs() < 1e-10 * (1.0 + twin.norm));
    }

    #[test]
    fn support_bounds_and_diameter_are_those_of_all_corners((base, generators, d) in problem()) {
        let set = zonotope(&base, &generators);
        let twin = corners(&base, &generators);
        let (support, s) = set.support(&d);
        prop_assert!((support - twin.support(&d).0).abs() < 1e-12);
        prop_assert!((dot(&set.at(&s), &d) - support).abs() < 1e-12);
        prop_assert_eq!(set.bounds(), twin.bounds());
        let diameter = set.diameter();
        prop_assert!(diameter.lower <= diameter.upper);
        prop_assert!((diameter.lower - twin.diameter()).abs() < 1e-12 && (diameter.upper - twin.diameter()).abs() < 1e-12);
    }

    #[test]
    fn the_polygon_has_the_extreme_corners(base in prop::collection::vec((-4_i32..5).prop_map(f64::from), 2), generators in integers(2, 3, 0..=9)) {
        let vertices = zonotope(&base, &generators).vertices_2d().unwrap();
        let mut sorted: Vec<Vec<f64>> = vertices.iter().map(|v| v.to_vec()).collect();
        let mut twin = corners(&base, &generators).vertices();
        let order = |a: &Vec<f64>, b: &Vec<f64>| a.partial_cmp(b).unwrap();
        sorted.sort_by(order);
        twin.sort_by(order);
        prop_assert_eq!(sorted, twin);
        if vertices.len() > 2 {
            for (i, a) in vertices.iter().enumerate() {
                let (b, c) = (vertices[(i + 1) % vertices.len()], vertices[(i + 2) % vertices.len()]);
                let turn = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]);
                prop_assert!(turn > 0.0, "counterclockwise, without vertices on edges");
            }
        }
    }

    #[test]
    fn degenerate_generators_change_nothing((base, generators, target) in problem(), shrink in prop::sample::select(vec![1.0, 1e-3, 1e-7])) {
        // Each generator in two parts, with zeros between: the same set.
        let parts: Vec<Vec<f64>> = generators
            .iter()
            .flat_map(|g| [g.iter().map(|x| 0.25 * x).collect(), vec![0.0; g.len()], g.iter().map(|x| 0.75 * x).collect()])
            .collect();
        let part = zonotope(&base, &parts).nearest(&target, 1e-10).unwrap();
        assert_claims(&base, &parts, &target, &part, 1e-10);
        let whole = zonotope(&base, &generators).nearest(&target, 1e-10).unwrap();
        prop_assert!((part.norm - whole.norm).abs() < 1e-5 && (whole.norm < 0.01 || (part.norm - whole.norm).abs() < 1e-8));
        // Generators of very different lengths.
        let skew: Vec<Vec<f64>> = generators
            .iter()
            .enumerate()
            .map(|(i, g)| g.iter().map(|x| if i % 2 == 0 { *x } else { shrink * x }).collect())
            .collect();
        let found = zonotope(&base, &skew).nearest(&target, 1e-10).unwrap();
        assert_claims(&base, &skew, &target, &found, 1e-10);
    }

    #[test]
    fn cones_in_the_plane_are_those_of_their_critical_directions(rows in integers(2, 3, 1..=8)) {
        // If the open cone has a point, it has one between two neighbours among the rows turned by a quarter.
        let mut edges: Vec<f64> = rows.iter().flat_map(|a| [a[0].atan2(-a[1]), (-a[0]).atan2(a[1])]).collect();
        edges.sort_by(f64::total_cmp);
        edges.push(edges[0] + std::f64::consts::TAU);
        let is_open = edges.windows(2).any(|e| {
            let middle = 0.5 * (e[0] + e[1]);
            rows.iter().all(|a| a[0] * middle.cos() + a[1] * middle.sin() > 1e-9)
        });
        prop_assert_eq!(is_open, assert_cone(&rows));
    }

    #[test]
    fn every_cone_comes_with_its_proof(rows in (1_usize..7, 1_i32..4).prop_flat_map(|(n, size)| integers(n, size, 1..=14)), tilt in 0.0..1.5_f64) {
        assert_cone(&rows);
        let tilted: Vec<Vec<f64>> = rows.iter().map(|a| a.iter().map(|x| x + tilt).collect()).collect();
        assert_cone(&tilted);
    }

    #[test]
    fn a_narrow_cone_is_open_and_a_narrow_miss_is_not(n in 3_usize..6, width in prop::sample::select(vec![1e-3, 1e-6, 1e-8, 1e-10])) {
        // eᵢ for i < n, and width · eₙ − Σ eᵢ: open by about width; with −width it is empty by that much.
        let mut rows: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
        rows.push((0..n).map(|j| if j + 1 == n { width } else { -1.0 }).collect());
        prop_assert!(assert_cone(&rows), "{:?}", open_cone(&rows));
        rows[n][n - 1] = -width;
        prop_assert!(!assert_cone(&rows));
    }
}

/// Checks the proof of an answer, and says whether the cone is open.
fn assert_cone(rows: &[Vec<f64>]) -> bool {
    match open_cone(rows).unwrap() {
        Cone::Open { direction, margin } => {
            let least = rows.iter().map(|a| dot(a, &direction) / norm(a)).fold(f64::INFINITY, f64::min);
            assert!(least > 0.0 && (least - margin).abs() < 1e-14 && (norm(&direction) - 1.0).abs() < 1e-13);
            true
        }
        Cone::Empty { weights, residual } => {
            assert!(weights.iter().all(|w| *w >= 0.0) && (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let unit: Vec<Vec<f64>> =
                rows.iter().map(|a| a.iter().map(|x| x / norm(a).max(f64::MIN_POSITIVE)).collect()).collect();
            let sum = value(&vec![0.0; rows[0].len()], &unit, &weights);
            assert!((norm(&sum) - residual).abs() < 1e-13 && residual <= 1e-12, "{residual} {rows:?}");
            false
        }
    }
}

#[test]
fn bad_input_is_refused() {
    assert!(Dense::new(0, &[]).is_err());
    assert!(Dense::new(2, &[vec![1.0]]).is_err());
    assert!(Dense::new(1, &[vec![f64::NAN]]).is_err());
    let set = zonotope(&[0.0, 0.0, 0.0], &[vec![1.0, 2.0, 3.0]]);
    assert!(Zonotope::new(vec![0.0], Dense::new(2, &[]).unwrap()).is_err());
    assert!(set.nearest(&[0.0], 1e-10).is_err());
    assert!(set.nearest(&[0.0, 0.0, f64::NAN], 1e-10).is_err());
    assert!(set.vertices_2d().is_err());
    assert!(open_cone(&[vec![1.0], vec![1.0, 2.0]]).is_err());
    assert!(open_cone(&[vec![]]).is_err());
    assert!(open_cone(&[vec![f64::INFINITY]]).is_err());
    assert!(matches!(open_cone(&[]), Ok(Cone::Open { margin: f64::INFINITY, .. })));
    assert!(matches!(open_cone(&[vec![1.0], vec![0.0]]), Ok(Cone::Empty { .. })));
}

fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// min ½ ‖G s − c‖² over the cube, by an interior point method.
fn distance_by_quadratic_program(generators: &[Vec<f64>], c: &[f64]) -> f64 {
    let k = generators.len();
    let mut p = vec![];
    for j in 0..k {
        p.extend((0..=j).map(|i| (i, j, dot(&generators[i], &generators[j]))));
    }
    let q: Vec<f64> = generators.iter().map(|g| -dot(g, c)).collect();
    let a: Vec<(usize, usize, f64)> = (0..k).flat_map(|i| [(i, i, 1.0), (k + i, i, -1.0)]).collect();
    let b: Vec<f64> = (0..2 * k).map(|i| f64::from(i < k)).collect();
    let sparse = |rows: usize, entries: &[(usize, usize, f64)]| {
        let (i, (j, x)): (Vec<_>, (Vec<_>, Vec<_>)) = entries.iter().map(|(i, j, x)| (*i, (*j, *x))).unzip();
        CscMatrix::new_from_triplets(rows, k, i, j, x)
    };
    let settings =
        DefaultSettingsBuilder::default().verbose(false).tol_gap_abs(1e-12).tol_gap_rel(1e-12).build().unwrap();
    let mut solver =
        DefaultSolver::new(&sparse(k, &p), &q, &sparse(2 * k, &a), &b, &[NonnegativeConeT(2 * k)], settings).unwrap();
    solver.solve();
    let minus: Vec<f64> = c.iter().map(|c| -c).collect();
    norm(&value(&minus, generators, &solver.solution.x))
}

#[test]
fn two_hundred_generators_against_a_quadratic_program() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (n, reach) in [(3, 30.0), (20, 20.0), (60, 5.0), (150, 3.0), (250, 3.0), (20, 1.0)] {
        let mut generators: Vec<Vec<f64>> = (0..200).map(|_| random(&mut rng, n)).collect();
        generators[7] = generators[3].clone();
        generators[8] = generators[3].iter().map(|x| -2.0 * x).collect();
        generators[9] = vec![0.0; n];
        let base = vec![0.0; n];
        let target: Vec<f64> = random(&mut rng, n).iter().map(|x| reach * x).collect();
        let found = zonotope(&base, &generators).nearest(&target, 1e-10).unwrap();
        assert_claims(&base, &generators, &target, &found, 1e-10);
        let twin = distance_by_quadratic_program(&generators, &target);
        assert!((found.norm - twin).abs() < 1e-5 * (1.0 + twin), "{n} {reach}: {} {twin}", found.norm);
        assert!(found.norm <= twin + 1e-9 * (1.0 + twin), "{n} {reach}: {} {twin}", found.norm);
    }
}

#[test]
fn ten_thousand_generators() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (n, k) = (50, 10_000);
    let generators: Vec<Vec<f64>> = (0..k).map(|_| random(&mut rng, n)).collect();
    let base = random(&mut rng, n);
    let set = zonotope(&base, &generators);
    let direction = random(&mut rng, n);
    let middle = set.at(&vec![0.5; k]);
    // Outside, near the boundary, and inside.
    let (support, s) = set.support(&direction);
    let edge = set.at(&s);
    for reach in [1.5, 1.01, 0.9] {
        let target: Vec<f64> = middle.iter().zip(&edge).map(|(m, e)| m + reach * (e - m)).collect();
        let start = std::time::Instant::now();
        let found = set.nearest(&target, 1e-10).unwrap();
        println!("{reach}: {:?}, {} products, norm {}, gap {}", start.elapsed(), found.steps, found.norm, found.gap);
        assert_claims(&base, &generators, &target, &found, 1e-10);
        let outside = dot(&target, &direction) > support;
        assert_eq!(outside, found.lower > 1e-3, "{found:?}");
        assert_eq!(outside, found.norm > 1e-3);
    }
}

/// Two entries in each column.
struct Sparse {
    dimension: usize,
    columns: Vec<[(usize, f64); 2]>,
}

impl Generators for Sparse {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn count(&self) -> usize {
        self.columns.len()
    }

    fn apply(&self, s: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.dimension];
        for (s, column) in s.iter().zip(&self.columns) {
            column.iter().for_each(|(i, x)| out[*i] += s * x);
        }
        out
    }

    fn apply_transpose(&self, d: &[f64]) -> Vec<f64> {
        self.columns.iter().map(|column| column.iter().map(|(i, x)| x * d[*i]).sum()).collect()
    }
}

#[test]
fn an_operator_in_high_dimension() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (n, k) = (20_000, 10_000);
    let columns: Vec<[(usize, f64); 2]> = (0..k)
        .map(|_| {
            [
                (rng.random_range(0..n), rng.random_range(-1.0..1.0)),
                (rng.random_range(0..n), rng.random_range(-1.0..1.0)),
            ]
        })
        .collect();
    let set = Zonotope::new(vec![0.0; n], Sparse { dimension: n, columns }).unwrap();
    for reach in [0.3, 3.0] {
        let target: Vec<f64> = random(&mut rng, n).iter().map(|x| reach * x).collect();
        let start = std::time::Instant::now();
        let found = set.nearest(&target, 1e-10).unwrap();
        println!("{reach}: {:?}, {} products, norm {}, gap {}", start.elapsed(), found.steps, found.norm, found.gap);
        // The certificate, by the definition.
        let r: Vec<f64> = target.iter().zip(&set.at(&found.s)).map(|(t, p)| t - p).collect();
        let gap: f64 = set.generators().apply_transpose(&r).iter().zip(&found.s).map(|(q, s)| q.max(0.0) - s * q).sum();
        assert!(found.converged && gap <= 0.51e-10 * dot(&r, &r), "{gap} {}", found.gap);
        assert!(found.s.iter().all(|s| (0.0..=1.0).contains(s)));
    }
}

#[test]
fn the_diameter_of_many_generators_is_bounded() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    // Orthogonal generators: the diameter is the diagonal.
    let n = 30;
    let box_: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { (i + 1) as f64 } else { 0.0 }).collect()).collect();
    let diagonal = (1..=n).map(|i| (i * i) as f64).sum::<f64>().sqrt();
    let found = zonotope(&vec![0.0; n], &box_).diameter();
    assert!((found.lower - diagonal).abs() < 1e-12 && (found.upper - diagonal).abs() < 1e-12);
    let generators: Vec<Vec<f64>> = (0..40).map(|_| random(&mut rng, 4)).collect();
    let set = zonotope(&[0.0; 4], &generators);
    let found = set.diameter();
    let mut sampled = 0.0_f64;
    for _ in 0..2000 {
        let d = random(&mut rng, 4);
        let signs: Vec<f64> = generators.iter().map(|g| dot(g, &d).signum()).collect();
        sampled = sampled.max(norm(&value(&[0.0; 4], &generators, &signs)));
    }
    assert!(sampled <= found.upper && found.lower <= found.upper && sampled <= found.lower * 1.05);
}
