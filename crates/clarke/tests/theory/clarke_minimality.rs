//! Bolte, Pauwels 2021, Corollary 1: Clarke's subdifferential lies in the hull of every conservative field, so in that of
//! every program of the function; and what lies in all of these sets need not be more.

use super::{clarke, conservative, read, same, vertices};
use clarke::set::{Membership, Polytope};

#[test]
fn every_formula_of_a_function_has_clarkes_set_in_its_own() {
    let xy: &[(&str, &[usize])] = &[("x", &[]), ("y", &[])];
    for formulas in [
        ["maximum(x, y)", "y + relu(x - y)", "0.5*(x + y + abs(x - y))", "max(x, y, (x + y)/2)"],
        ["abs(x) + y", "relu(x) + relu(-x) + y", "maximum(x, -x) + y", "2*relu(x) - x + y"],
        ["minimum(x, y)", "x + y - maximum(x, y)", "-max(-x, -y)", "y - relu(y - x)"],
        ["norminf(stack([x, y]))", "max(x, y, -x, -y)", "maximum(abs(x), abs(y))", "-minimum(-abs(x), -abs(y))"],
    ] {
        let point = [0.0.into(), 0.0.into()];
        let own = vertices(&clarke(&read(formulas[0], xy), &point));
        for text in formulas {
            let f = read(text, xy);
            assert!(same(&vertices(&clarke(&f, &point)), &own), "{text}: the function is the same");
            let hull = Polytope::new(&vertices(&conservative(&f, &point))).unwrap();
            for v in &own {
                assert!(matches!(hull.contains(v, 1e-10).unwrap(), Membership::Inside { .. }), "{text}: {v:?}");
            }
        }
    }
}
