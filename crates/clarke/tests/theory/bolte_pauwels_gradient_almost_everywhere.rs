//! Bolte, Pauwels 2021, Theorem 1: a conservative field is the gradient at almost every point.

use super::common::{Draw, numbers};
use super::{conservative, read};
use clarke::{Policy, SetOptions};

const PROGRAMS: &[&str] = &[
    "relu(-x) + x - relu(x) + norm1(y)",
    "max(abs(y)) * minimum(x, 1)",
    "sum(sort(y)[1:]) + norm2(y*x)",
    "median(y) + clip(x, -1, 1)",
    "mean(relu(y*x - 0.5)) - relu(x)*max(y)",
];

#[test]
fn at_random_points_the_set_is_the_gradient() {
    let mut draw = Draw::new(3);
    for text in PROGRAMS {
        let f = read(text, &[("x", &[]), ("y", &[4])]);
        for _ in 0..40 {
            let point = [draw.tensor(&[], (-2.0, 2.0)), draw.tensor(&[4], (-2.0, 2.0))];
            let set = conservative(&f, &point);
            assert!(set.is_single(), "{text} at {point:?}");
            let own = super::vertices(&set).remove(0);
            let at = f.at(&point).unwrap();
            for policy in [Policy::pytorch(), Policy::jax(), Policy::Random(1)] {
                assert_eq!(numbers(&at.gradient(&policy).unwrap()), own, "{text} at {point:?}");
            }
            let clarke = at.clarke(&SetOptions::default()).unwrap();
            assert_eq!(super::vertices(&clarke), vec![own.clone()]);
            for (k, own) in own.iter().enumerate() {
                let h = 1e-6;
                let moved = |s: f64| {
                    let mut p = point.clone();
                    if k == 0 {
                        p[0].data_mut()[0] += s
                    } else {
                        p[1].data_mut()[k - 1] += s
                    }
                    f.eval(&p).unwrap()[0].item()
                };
                let difference = (moved(h) - moved(-h)) / (2.0 * h);
                assert!((difference - own).abs() < 1e-5, "{text} at {point:?}, entry {k}: {difference}, {own}");
            }
        }
    }
}
