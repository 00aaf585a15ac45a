use super::*;

fn numbers(n: usize, seed: u64) -> Vec<f64> {
    (0..n as u64).map(|k| ((k * 7919 + seed * 104_729) % 41) as f64 - 20.0).collect()
}

/// Integers, so that every order of additions gives the same sum.
#[test]
fn every_path_and_level_gives_the_naive_product() {
    let sizes = [(1, 1, 1), (1, 40, 1), (3, 1, 2), (1, 9, 7), (8, 70, 1), (5, 6, 7), (20, 30, 40), (2, 0, 3)];
    let long = [(1, 50, 100), (70, 50, 1), (17, 300, 51), (9, 33, 100), (33, 450, 65), (64, 64, 64), (7, 90, 5)];
    for (m, k, p) in sizes.into_iter().chain(long) {
        let (a, b) = (numbers(m * k, 1), numbers(k * p, 2));
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let left = Matrix::new(if ta { m } else { k }, ta);
            let right = Matrix::new(if tb { k } else { p }, tb);
            let product = Product { m, k, p, a: left, b: right, skip_zeros: false };
            let at = |i: usize, j: usize| {
                (0..k).map(|l| a[i * left.row + l * left.column] * b[l * right.row + j * right.column]).sum::<f64>()
            };
            let expected: Vec<f64> = (0..m * p).map(|c| at(c / p, c % p)).collect();
            let single = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
            for (level, skip_zeros) in Level::all().into_iter().flat_map(|l| [(l, false), (l, true)]) {
                let product = Product { skip_zeros, ..product };
                let mut out = vec![f64::NAN; m * p];
                let mut scratch = vec![f64::NAN; product.scratch::<f64>()];
                product.run(level, &a, &b, &mut out, &mut scratch);
                assert_eq!(out, expected, "{m}x{k}x{p} {ta} {tb} {level:?}");
                let mut out = vec![f32::NAN; m * p];
                let mut scratch = vec![f32::NAN; product.scratch::<f32>()];
                product.run(level, &single(&a), &single(&b), &mut out, &mut scratch);
                assert_eq!(out, single(&expected), "f32 {m}x{k}x{p} {ta} {tb} {level:?}");
            }
        }
    }
}

#[test]
fn rows_that_zeros_meet_go_unread_only_where_that_is_asked_for() {
    let (k, p) = (21, 37);
    let x: Vec<f64> = (0..k).map(|l| if l % 3 == 1 { 1.0 } else { 0.0 }).collect();
    let b: Vec<f64> = (0..k * p).map(|at| if at / p % 3 == 1 { 2.0 } else { f64::INFINITY }).collect();
    let plain = Product { m: 1, k, p, a: Matrix::new(k, false), b: Matrix::new(p, false), skip_zeros: false };
    let product = |product: Product, level: Level, x: &[f64]| {
        let mut out = vec![0.0; p];
        product.run(level, x, &b, &mut out, &mut vec![0.0; product.scratch::<f64>()]);
        out
    };
    for level in Level::all() {
        let skipping = Product { skip_zeros: true, ..plain };
        assert_eq!(product(skipping, level, &x), vec![14.0; p]);
        assert_eq!(product(skipping, level, &vec![0.0; k]), vec![0.0; p]);
        assert!(product(plain, level, &x).iter().all(|y| y.is_nan()));
    }
}

#[test]
fn a_product_does_not_depend_on_where_its_arrays_lie() {
    let (m, k, p) = (19, 230, 53);
    let numbers = |n: usize, by: f64| (0..n).map(|i| (i as f64 * by).sin()).collect::<Vec<f64>>();
    let (a, b) = (numbers(m * k, 0.7), numbers(k * p, 0.3));
    let product = Product { m, k, p, a: Matrix::new(k, false), b: Matrix::new(p, false), skip_zeros: false };
    let shifted = |by: usize| {
        let moved = |x: &[f64]| [&vec![0.0; by], x].concat();
        let (a, b) = (moved(&a), moved(&b));
        let mut out = vec![0.0; m * p + by];
        let mut scratch = vec![0.0; product.scratch::<f64>() + by];
        product.run(Level::of_this_machine(), &a[by..], &b[by..], &mut out[by..], &mut scratch[by..]);
        out[by..].to_vec()
    };
    for by in 1..8 {
        assert_eq!(shifted(by), shifted(0));
    }
}
