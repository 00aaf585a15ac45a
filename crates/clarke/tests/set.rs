//! Hulls of finitely many points against slow twins: a solver of quadratic programs, linear programs, brute force.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, ZeroConeT};
use clarke::set::{Body, Membership, Polytope, calculus, min_norm};
use microlp::{ComparisonOp, OptimizationDirection, Problem};
use proptest::prelude::*;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn combination(weights: &[f64], points: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; points[0].len()];
    for (w, p) in weights.iter().zip(points) {
        sum.iter_mut().zip(p).for_each(|(s, p)| *s += w * p);
    }
    sum
}

fn rows(hull: &Polytope) -> Vec<Vec<f64>> {
    hull.points().map(<[f64]>::to_vec).collect()
}

/// min ½ ‖x‖² subject to x = Σ w p, Σ w = 1, w ≥ 0 by an interior point method: the norm of x. With its
/// standard tolerances: duplicate points keep it from reaching tighter ones.
fn least_norm_by_quadratic_program(points: &[Vec<f64>]) -> Option<f64> {
    let (n, m) = (points[0].len(), points.len());
    // Variables: x, then w. Rows: x − P w = 0, Σ w = 1, −w ≤ 0.
    let identity: Vec<(usize, usize, f64)> = (0..n).map(|i| (i, i, 1.0)).collect();
    let mut a: Vec<(usize, usize, f64)> = identity.clone();
    for (j, p) in points.iter().enumerate() {
        a.extend(p.iter().enumerate().map(|(i, x)| (i, n + j, -x)));
        a.push((n, n + j, 1.0));
        a.push((n + 1 + j, n + j, -1.0));
    }
    let mut b = vec![0.0; n + 1 + m];
    b[n] = 1.0;
    let settings = DefaultSettingsBuilder::default().verbose(false).build().unwrap();
    let cones = [ZeroConeT(n + 1), NonnegativeConeT(m)];
    let mut solver = DefaultSolver::new(
        &sparse(n + m, n + m, &identity),
        &vec![0.0; n + m],
        &sparse(n + 1 + m, n + m, &a),
        &b,
        &cones,
        settings,
    )
    .unwrap();
    solver.solve();
    // It gives up on some of the degenerate problems.
    let solved = matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved);
    solved.then(|| norm(&solver.solution.x[..n]))
}

fn sparse(rows: usize, columns: usize, entries: &[(usize, usize, f64)]) -> CscMatrix<f64> {
    let (i, (j, x)): (Vec<_>, (Vec<_>, Vec<_>)) = entries.iter().map(|(i, j, x)| (*i, (*j, *x))).unzip();
    CscMatrix::new_from_triplets(rows, columns, i, j, x)
}

/// The ℓ₁ distance of a point from a hull, by a linear program.
fn distance_by_linear_program(points: &[Vec<f64>], v: &[f64]) -> f64 {
    let mut program = Problem::new(OptimizationDirection::Minimize);
    let w: Vec<_> = points.iter().map(|_| program.add_var(0.0, (0.0, 1.0))).collect();
    program.add_constraint(w.iter().map(|w| (*w, 1.0)).collect::<Vec<_>>(), ComparisonOp::Eq, 1.0);
    for (k, v) in v.iter().enumerate() {
        let (more, less) = (program.add_var(1.0, (0.0, f64::INFINITY)), program.add_var(1.0, (0.0, f64::INFINITY)));
        let mut terms: Vec<_> = w.iter().zip(points).map(|(w, p)| (*w, p[k])).collect();
        terms.extend([(more, 1.0), (less, -1.0)]);
        program.add_constraint(terms, ComparisonOp::Eq, *v);
    }
    program.solve().unwrap().into_solution().unwrap().objective()
}

/// Integer points in 1 to 8 dimensions: coincident, affinely dependent and cohyperplanar ones abound.
fn integer_points(dimensions: std::ops::Range<usize>, most: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    (dimensions, 1_i32..5).prop_flat_map(move |(n, size)| {
        prop::collection::vec(prop::collection::vec((-size..=size).prop_map(f64::from), n), 1..=most)
    })
}

fn shifted(points: &[Vec<f64>], by: f64) -> Vec<Vec<f64>> {
    points.iter().map(|p| p.iter().map(|x| x + by).collect()).collect()
}

/// What every answer must satisfy by itself, whatever the right one is.
fn assert_proper(points: &[Vec<f64>], target: &[f64], tolerance: f64) -> (f64, f64) {
    let mut hull = Polytope::new(points).unwrap();
    let found = min_norm(&mut hull, target, tolerance, 10_000);
    let size = points.iter().map(|p| norm(p)).fold(norm(target), f64::max) + 1.0;
    assert!(found.converged, "{points:?} {target:?} {found:?}");
    assert!(found.weights.iter().all(|w| *w >= 0.0));
    assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-13);
    let atoms: Vec<Vec<f64>> = found.atoms.iter().map(|a| a.0.clone()).collect();
    for ((p, i), again) in found.atoms.iter().zip(&atoms) {
        assert_eq!((hull.row(*i), p), (&p[..], again));
    }
    let point = combination(&found.weights, &atoms);
    let off: Vec<f64> = point.iter().zip(target).zip(&found.point).map(|((p, t), x)| p - t - x).collect();
    assert!(norm(&off) < 1e-13 * size, "the weights reproduce the point");
    assert!((norm(&found.point) - found.norm).abs() < 1e-13 * size);
    assert!(found.lower <= found.norm);
    // The lower bound, evaluated anew.
    if found.lower > 0.0 {
        let least = points
            .iter()
            .map(|p| p.iter().zip(target).zip(&found.point).map(|((p, t), x)| (p - t) * x).sum::<f64>())
            .fold(f64::INFINITY, f64::min);
        assert!(found.lower <= least / found.norm + 1e-13 * size);
    }
    (found.norm, found.lower)
}

proptest! {
    #[test]
    fn the_point_of_least_norm_is_that_of_a_quadratic_program(
        points in integer_points(1..9, 60), shift in prop::sample::select(vec![0.0, 0.5, 3.0, 7.25])
    ) {
        let points = shifted(&points, shift);
        let n = points[0].len();
        let (norm, lower) = assert_proper(&points, &vec![0.0; n], 1e-12);
        prop_assert!(norm - lower < 1e-9, "{norm} {lower}");
        let Some(twin) = least_norm_by_quadratic_program(&points) else { return Err(TestCaseError::reject("unsolved")) };
        prop_assert!((norm * norm - twin * twin).abs() < 1e-6 * (1.0 + norm * norm), "{norm} {twin}");
    }

    #[test]
    fn membership_is_that_of_a_linear_program(
        points in integer_points(1..7, 25), at in prop::collection::vec(-3_i32..4, 8), half in prop::bool::ANY
    ) {
        let n = points[0].len();
        let v: Vec<f64> = at[..n].iter().map(|x| f64::from(*x) * if half { 0.5 } else { 1.0 }).collect();
        let hull = Polytope::new(&points).unwrap();
        let distance = distance_by_linear_program(&points, &v);
        match hull.contains(&v, 1e-12).unwrap() {
            Membership::Inside { weights, residual } => {
                prop_assert!(distance < 1e-6, "{distance}");
                prop_assert!(weights.iter().all(|w| *w >= 0.0) && (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                let off: Vec<f64> = combination(&weights, &rows(&hull)).iter().zip(&v).map(|(p, v)| p - v).collect();
                prop_assert!(norm(&off) < 1e-11 && (norm(&off) - residual).abs() < 1e-12);
            }
            Membership::Outside { direction, gap } => {
                prop_assert!(distance > 1e-6, "{distance}");
                let beyond = points.iter().map(|p| dot(&direction, p)).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!((norm(&direction) - 1.0).abs() < 1e-12 && gap > 0.0);
                prop_assert!((dot(&direction, &v) - beyond - gap).abs() < 1e-11);
            }
            undecided => prop_assert!(false, "{undecided:?}"),
        }
    }

    #[test]
    fn extreme_points_are_those_not_in_the_hull_of_the_others(
        points in integer_points(1..6, 20), shift in prop::sample::select(vec![0.0, 1.0 / 3.0])
    ) {
        let all = Polytope::new(&shifted(&points, shift)).unwrap();
        let extreme = all.extreme();
        let points = rows(&all);
        for (i, p) in points.iter().enumerate() {
            let others: Vec<Vec<f64>> = (0..points.len()).filter(|j| *j != i).map(|j| points[j].clone()).collect();
            let needed = others.is_empty() || distance_by_linear_program(&others, p) > 1e-6;
            prop_assert_eq!(needed, extreme.points().any(|e| e == p), "{:?} of {:?}", p, points);
        }
        prop_assert_eq!(extreme.extreme(), extreme);
    }

    #[test]
    fn no_vertex_is_lost_to_flatness_or_rounding(
        points in integer_points(2..4, 12), angle in 0.0..6.3_f64, noise in prop::sample::select(vec![0.0, 1e-16, 1e-14, 1e-9]),
        copies in 1..3_usize
    ) {
        // The points as a flat figure in five dimensions, turned, with copies that differ by noise.
        let mut lifted = vec![];
        for (k, p) in points.iter().enumerate() {
            for copy in 0..copies {
                let wobble = |at: usize| noise * (((k * 31 + copy * 17 + at * 7) % 13) as f64 - 6.0);
                let (x, y, z) = (p[0], p[1], *p.get(2).unwrap_or(&0.0));
                let turned = [x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos(), z];
                lifted.push(vec![
                    turned[0] + wobble(0), turned[1] + wobble(1), turned[2] + wobble(2),
                    turned[0] + 0.3 * turned[1] + wobble(3), 1.0 + wobble(4),
                ]);
            }
        }
        let all = Polytope::new(&lifted).unwrap();
        let extreme = all.extreme();
        for p in &lifted {
            let left = min_norm(&mut extreme.clone(), p, 1e-14, 10_000).norm;
            // Among clusters that are narrower than √ε a nearest point is known less well.
            let allowed = if noise == 1e-9 { 1e-7 } else { 1e-11 };
            prop_assert!(left < allowed, "{p:?} is {left} from the hull of what was kept");
        }
        prop_assert!(extreme.origins().iter().zip(extreme.points()).all(|(i, p)| lifted[*i] == p));
    }

    #[test]
    fn the_diameter_is_the_largest_distance(points in integer_points(1..6, 40)) {
        let hull = Polytope::new(&points).unwrap();
        let mut largest = 0.0_f64;
        for p in &points {
            for q in &points {
                largest = largest.max(norm(&p.iter().zip(q).map(|(x, y)| x - y).collect::<Vec<_>>()));
            }
        }
        prop_assert!((hull.diameter() - largest).abs() < 1e-12);
        prop_assert!((hull.extreme().diameter() - largest).abs() < 1e-12);
        let (low, high) = hull.bounds();
        for k in 0..low.len() {
            let mut d = vec![0.0; low.len()];
            d[k] = 1.0;
            prop_assert_eq!(hull.support(&d).0, high[k]);
            d[k] = -1.0;
            prop_assert_eq!(-hull.support(&d).0, low[k]);
        }
    }

    #[test]
    fn calculus_follows_its_definitions(
        a in prop::collection::vec(prop::collection::vec(-3_i32..4, 6), 1..6),
        b in prop::collection::vec(prop::collection::vec(-3_i32..4, 6), 1..6),
        d in prop::collection::vec(-3_i32..4, 12), u in -3_i32..4, v in -3_i32..4
    ) {
        let real = |m: &[Vec<i32>]| m.iter().map(|r| r.iter().map(|x| f64::from(*x)).collect()).collect::<Vec<Vec<f64>>>();
        let (a, b) = (real(&a), real(&b));
        let d: Vec<f64> = d.iter().map(|x| f64::from(*x)).collect();
        let (u, v) = (f64::from(u), f64::from(v));
        let (pa, pb) = (Polytope::new(&a).unwrap(), Polytope::new(&b).unwrap());
        let support = |p: &Polytope, d: &[f64]| p.support(d).0;
        // Integers: everything is exact.
        let sum = calculus::sum(&pa, &pb).unwrap();
        prop_assert_eq!(support(&sum, &d[..6]), support(&pa, &d[..6]) + support(&pb, &d[..6]));
        prop_assert_eq!(support(&sum.extreme(), &d[..6]), support(&sum, &d[..6]));
        let scaled: Vec<f64> = d[..6].iter().map(|x| u * x).collect();
        prop_assert_eq!(support(&calculus::scale(u, &pa).unwrap(), &d[..6]), support(&pa, &scaled));
        let stacked = calculus::stack(&[&pa, &pb]).unwrap();
        prop_assert_eq!(support(&stacked, &d), support(&pa, &d[..6]) + support(&pb, &d[6..]));

        let mut products = vec![];
        let mut compositions = vec![];
        for x in &a {
            for y in &b {
                products.push(x.iter().zip(y).map(|(x, y)| v * x + u * y).collect::<Vec<f64>>());
                // 2 × 3 after 3 × 2.
                compositions.push((0..4).map(|e| (0..3).map(|k| x[e / 2 * 3 + k] * y[k * 2 + e % 2]).sum()).collect::<Vec<f64>>());
            }
        }
        let brute = |points: &[Vec<f64>], d: &[f64]| points.iter().map(|p| dot(p, d)).fold(f64::NEG_INFINITY, f64::max);
        prop_assert_eq!(support(&calculus::product(u, &pa, v, &pb).unwrap(), &d[..6]), brute(&products, &d[..6]));
        let composed = calculus::compose(&pa, (2, 3), &pb, (3, 2)).unwrap();
        prop_assert_eq!(support(&composed, &d[..4]), brute(&compositions, &d[..4]));
    }
}

#[test]
fn bad_input_is_refused() {
    let hull = Polytope::new(&[vec![0.0, 1.0]]).unwrap();
    let line = Polytope::new(&[vec![0.0]]).unwrap();
    assert!(Polytope::new(&[]).is_err());
    assert!(Polytope::new(&[vec![]]).is_err());
    assert!(Polytope::new(&[vec![0.0], vec![0.0, 1.0]]).is_err());
    assert!(Polytope::new(&[vec![f64::NAN]]).is_err());
    assert!(hull.contains(&[0.0], 1e-9).is_err());
    assert!(hull.contains(&[0.0, f64::INFINITY], 1e-9).is_err());
    assert!(calculus::sum(&hull, &line).is_err());
    assert!(calculus::product(1.0, &hull, f64::NAN, &hull).is_err());
    assert!(calculus::compose(&hull, (2, 1), &hull, (2, 1)).is_err());
    assert!(calculus::stack(&[]).is_err());
    let many = Polytope::from_rows(1, (0..20_000).map(f64::from).collect()).unwrap();
    assert!(calculus::sum(&many, &many).is_err(), "4 · 10⁸ rows");
}

/// A ball, whose oracle is exact, and a ball whose oracle returns a worse point and says how far it can reach.
struct Ball {
    center: Vec<f64>,
    radius: f64,
    /// The oracle's points lie this far inside.
    inset: f64,
}

impl Body for Ball {
    type Atom = ();

    fn dimension(&self) -> usize {
        self.center.len()
    }

    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, ()) {
        let size = norm(d).max(f64::MIN_POSITIVE);
        let reach = (self.radius - self.inset) / size;
        (self.center.iter().zip(d).map(|(c, d)| c + reach * d).collect(), ())
    }

    fn upper(&mut self, d: &[f64]) -> f64 {
        dot(&self.center, d) + self.radius * norm(d)
    }
}

#[test]
fn a_body_need_not_be_a_polytope_nor_its_oracle_exact() {
    for (n, inset) in [(2, 0.0), (5, 0.0), (40, 0.0), (5, 0.01)] {
        let mut ball = Ball { center: (1..=n).map(|k| 1.0 / k as f64).collect(), radius: 0.25, inset };
        let target = vec![-1.0; n];
        let distance = norm(&ball.center.iter().map(|c| c + 1.0).collect::<Vec<_>>()) - 0.25;
        let found = min_norm(&mut ball, &target, 1e-10, 1000);
        assert!(found.converged && found.norm - distance < inset + 1e-8, "{} {distance}", found.norm);
        assert!(found.lower <= distance + 1e-12 && found.lower > distance - 1e-8);
        let inside = ball.center.clone();
        let found = min_norm(&mut ball, &inside, 1e-10, 1000);
        assert!(found.norm < 1e-9 && found.lower == 0.0);
    }
}

#[test]
fn a_search_that_is_cut_short_has_bounds_that_hold() {
    let points: Vec<Vec<f64>> =
        (0..200).map(|k| (0..20).map(|i| 2.0 + ((k * 37 + i * i * 11 + k * i) as f64).sin()).collect()).collect();
    let mut hull = Polytope::new(&points).unwrap();
    let exact = hull.min_norm();
    assert!(exact.converged && exact.norm - exact.lower < 1e-12 * exact.norm);
    for steps in 1..exact.steps {
        let found = min_norm(&mut hull, &[0.0; 20], 1e-12, steps);
        assert!(!found.converged && found.steps == steps);
        assert!(found.lower <= exact.norm && exact.norm <= found.norm);
    }
}

#[test]
fn a_fine_polygon_keeps_its_vertices() {
    let circle: Vec<Vec<f64>> =
        (0..1000).map(|k| (k as f64 * 0.006_283_185_307_179_586).sin_cos()).map(|(s, c)| vec![c, s]).collect();
    let mut points = circle.clone();
    points.extend(circle.iter().map(|p| vec![0.5 * p[0], 0.5 * p[1]]));
    points.extend(circle.windows(2).map(|w| vec![0.5 * (w[0][0] + w[1][0]), 0.5 * (w[0][1] + w[1][1])]));
    let extreme = Polytope::new(&points).unwrap().extreme();
    assert_eq!(extreme.origins(), (0..1000).collect::<Vec<_>>());
    assert!((extreme.diameter() - 2.0).abs() < 1e-12);
}

#[test]
fn points_of_a_sphere_are_all_extreme_and_points_within_are_not() {
    let direction = |k: usize| -> Vec<f64> {
        let raw: Vec<f64> = (0..6).map(|i| ((k * 7919 + i * 104_729) as f64).sin()).collect();
        raw.iter().map(|x| x / norm(&raw)).collect()
    };
    let mut points: Vec<Vec<f64>> = (0..60).map(direction).collect();
    for k in 0..40 {
        let weights: Vec<f64> = (0..60).map(|i| f64::from((i * k + i) % 5 == 0)).collect();
        let total: f64 = weights.iter().sum();
        points.push(combination(&weights, &points[..60]).iter().map(|x| x / total).collect());
    }
    let extreme = Polytope::new(&points).unwrap().extreme();
    assert_eq!(extreme.origins(), (0..60).collect::<Vec<_>>());
}

#[test]
fn two_points_in_a_hundred_thousand_dimensions() {
    let n = 100_000;
    let ones = vec![1.0; n];
    let ramp: Vec<f64> = (0..n).map(|k| k as f64 / n as f64 - 0.5).collect();
    let hull = Polytope::new(&[ones.clone(), ramp, ones]).unwrap();
    assert_eq!(hull.len(), 2);
    let found = hull.min_norm();
    assert!(found.converged && found.norm - found.lower < 1e-10 * found.norm);
    assert_eq!(hull.extreme().len(), 2);
}
