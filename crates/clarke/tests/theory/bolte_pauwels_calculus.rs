//! Bolte, Pauwels 2021: sums, products, compositions and stackings of conservative fields are conservative fields. The
//! set of a program is that of its parts put together by these rules, as sets.

use super::common::Draw;
use super::{conservative, read, same};
use clarke::set::{Polytope, calculus};
use clarke::{Program, SetAt, SetOptions, Tensor};

fn hull(set: &SetAt) -> Polytope {
    Polytope::new(&super::vertices(set)).unwrap()
}

fn agree(what: &str, program: &SetAt, rule: &Polytope) {
    let (own, by_rule) = (hull(program).vertices(), rule.extreme().vertices());
    assert!(same(&own, &by_rule), "{what}: {own:?} is not {by_rule:?}");
}

const PARTS: &[&str] = &[
    "relu(x) + y",
    "abs(x - y)",
    "maximum(x, 2*y)",
    "norm1(stack([x, y, x + y]))",
    "relu(x)*2 - abs(y)",
    "min(x, y, 0)",
];

const XY: &[(&str, &[usize])] = &[("x", &[]), ("y", &[])];

fn origin() -> [Tensor; 2] {
    [0.0.into(), 0.0.into()]
}

#[test]
fn sums() {
    for f in PARTS {
        for g in PARTS {
            let (a, b) = (conservative(&read(f, XY), &origin()), conservative(&read(g, XY), &origin()));
            let whole = conservative(&read(&format!("({f}) + ({g})"), XY), &origin());
            agree(&format!("{f} + {g}"), &whole, &calculus::sum(&hull(&a), &hull(&b)).unwrap());
        }
    }
}

#[test]
fn products() {
    for f in PARTS {
        for g in PARTS {
            let (f, g) = (format!("(({f}) + 2)"), format!("(({g}) - 3)"));
            let (a, b) = (conservative(&read(&f, XY), &origin()), conservative(&read(&g, XY), &origin()));
            let whole = conservative(&read(&format!("{f}*{g}"), XY), &origin());
            agree(&format!("{f} * {g}"), &whole, &calculus::product(2.0, &hull(&a), -3.0, &hull(&b)).unwrap());
        }
    }
}

/// The Jacobian of an outer after an inner function: all products of their elements.
#[test]
fn compositions() {
    let inner = read("stack([relu(x), abs(y), maximum(x, y)])", XY);
    let outer = read("stack([relu(u[0] - u[1]), abs(u[2]) + u[0]])", &[("u", &[3])]);
    let whole = read("u = stack([relu(x), abs(y), maximum(x, y)])\nstack([relu(u[0] - u[1]), abs(u[2]) + u[0]])", XY);
    let jacobian =
        |f: &Program, at: &[Tensor]| f.at(at).unwrap().conservative_jacobian(&SetOptions::default()).unwrap();
    let own = jacobian(&whole, &origin());
    // The two variables are one array each: columns beside each other.
    let columns = |v: &[f64], rows: usize| -> Vec<f64> { (0..2 * rows).map(|k| v[(k % 2) * rows + k / 2]).collect() };
    let of = |set: &SetAt, rows: usize| -> Polytope {
        Polytope::new(&super::vertices(set).iter().map(|v| columns(v, rows)).collect::<Vec<_>>()).unwrap()
    };
    let (a, b) = (hull(&jacobian(&outer, &[Tensor::full(&[3], 0.0)])), of(&jacobian(&inner, &origin()), 3));
    let rule = calculus::compose(&a, (2, 3), &b, (3, 2)).unwrap();
    assert!(same(&of(&own, 2).vertices(), &rule.extreme().vertices()));
}

#[test]
fn stackings() {
    let parts: Vec<Program> = PARTS[..3].iter().map(|t| read(t, XY)).collect();
    let whole = read(&format!("stack([{}])", PARTS[..3].join(", ")), XY);
    let own = whole.at(&origin()).unwrap().conservative_jacobian(&SetOptions::default()).unwrap();
    let rows: Vec<Polytope> = parts.iter().map(|f| hull(&conservative(f, &origin()))).collect();
    let rule = calculus::stack(&rows.iter().collect::<Vec<_>>()).unwrap();
    let columns = |v: &Vec<f64>| -> Vec<f64> { (0..6).map(|k| v[(k % 2) * 3 + k / 2]).collect() };
    let own: Vec<Vec<f64>> = super::vertices(&own).iter().map(columns).collect();
    assert!(same(&own, &rule.extreme().vertices()));
}

#[test]
fn support_functions_add() {
    let mut draw = Draw::new(5);
    for f in PARTS {
        for g in PARTS {
            let mut sets = [f.to_string(), g.to_string(), format!("({f}) + ({g})")]
                .map(|t| conservative(&read(&t, XY), &origin()));
            for _ in 0..5 {
                let d = [Tensor::scalar(2.0 * draw.uniform() - 1.0), Tensor::scalar(2.0 * draw.uniform() - 1.0)];
                let [a, b, c] = sets.each_mut().map(|s| s.support(&d).unwrap().value);
                assert!((a + b - c).abs() < 1e-12, "{f}, {g}");
            }
        }
    }
}
