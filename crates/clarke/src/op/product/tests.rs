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
