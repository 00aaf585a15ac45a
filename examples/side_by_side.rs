//! What the README shows of Rust beside Python, and that it is so. A test of `xtask` holds the two together.
//!
//! Run with `cargo run --package clarke --example side_by_side`.

use clarke::optim::{self, Convex, Run};
use clarke::{Evaluator, Policy, Program, SetOptions, Tensor};
use std::sync::atomic::AtomicBool;

fn main() -> Result<(), clarke::Error> {
    let zero = Program::trace(&[&[]], |v| (-v[0]).relu() + v[0] - v[0].relu())?;
    let at = zero.at(&[0.0.into()])?;

    let ties = at.ties(0.0)?; // two, each with its line
    let gradient = at.gradient(&Policy::pytorch())?; // 1

    let mut judged = at.judge(&SetOptions::default())?;
    println!("{:?}", judged.conservative.bounds()); // from -1 to 1
    println!("{}", judged.verdict); // clarke critical
    let artifact = at.is_artifact(&gradient, &mut judged.clarke)?; // Some(true)

    assert_eq!(ties.iter().map(|tie| tie.op).collect::<Vec<_>>(), ["relu", "relu"]);
    assert_eq!(gradient[0].item(), 1.0);
    let (low, high) = judged.conservative.bounds();
    assert_eq!((low[0].item(), high[0].item()), (-1.0, 1.0));
    assert_eq!(judged.verdict.to_string(), "clarke critical");
    assert_eq!(artifact, Some(true));

    let text = "sum(abs(A @ w - b))";
    let loss = clarke::parse(text, &[("A", &[3, 2]), ("w", &[2]), ("b", &[3])])?.varying(&["w"])?;
    let data = [Tensor::new(&[3, 2], vec![1.0, 0.0, 1.0, 1.0, 1.0, 2.0])?, [0.0, 1.0, 5.0].into()];
    let mut oracle = Convex(Evaluator::new(&loss, &data, Policy::default())?);
    let bundle = optim::method("bundle", &[])?;
    let run = Run { steps: 1000, interrupted: &AtomicBool::new(false), watch: &mut |_| {} };
    let found = optim::minimize(&bundle, &mut oracle, &[0.0, 0.0], run)?; // found.best_value is 1.5

    assert!((found.best_value - 1.5).abs() < 1e-6, "{found:?}");
    Ok(())
}
