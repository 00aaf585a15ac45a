//! Bolte, Pauwels 2021, Theorem 8: for the same choice at every tie, forward and reverse mode return the same.

use super::common::{Draw, compile_filled, dot, numbers};
use super::read;

#[test]
fn the_two_modes_agree_for_every_choice() {
    let mut draw = Draw::new(9);
    for text in [
        "relu(relu(x) - abs(y)) + maximum(x, y)",
        "max(x, y, x + y) * min(x, y)",
        "clip(x, 0, 1) + abs(x)*relu(y - x) - leaky_relu(y)",
        "sum(relu(outer(stack([x, y]), stack([y, x]))))",
    ] {
        let f = read(text, &[("x", &[]), ("y", &[])]);
        let (gradient, jvp) = (f.gradient().unwrap(), f.jvp().unwrap());
        for seed in 0..50 {
            let point = [draw.grid(&[], (-1.0, 1.0)), draw.grid(&[], (-1.0, 1.0))];
            let d = [draw.tensor(&[], (-1.0, 1.0)), draw.tensor(&[], (-1.0, 1.0))];
            let reverse = numbers(&compile_filled(&gradient, seed).call(&point).unwrap());
            let forward = compile_filled(&jvp, seed).call(&[point.as_slice(), &d].concat()).unwrap()[1].item();
            let product = dot(&reverse, &numbers(&d));
            assert!((forward - product).abs() <= 1e-14 * (1.0 + product.abs()), "{text}: {forward}, {product}");
        }
    }
}
