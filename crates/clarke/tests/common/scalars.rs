//! Operators on scalars: what the tests of elementwise operators are made of.
#![allow(dead_code)]

use clarke::program::tie::Convention;
use clarke::program::tie::Site;
use clarke::{Policy, Program, Tensor, Var};

pub type Unary = for<'p> fn(Var<'p>) -> Var<'p>;
pub type Binary = for<'p> fn(Var<'p>, Var<'p>) -> Var<'p>;

pub fn unary(f: Unary) -> Program {
    Program::trace(&[&[]], |v| f(v[0])).unwrap()
}

pub fn binary(f: Binary) -> Program {
    Program::trace(&[&[], &[]], |v| f(v[0], v[1])).unwrap()
}

pub fn scalars(x: &[f64]) -> Vec<Tensor> {
    x.iter().map(|x| Tensor::scalar(*x)).collect()
}

/// The value.
pub fn value(program: &Program, x: &[f64]) -> f64 {
    program.eval(&scalars(x)).unwrap()[0].item()
}

/// The partial derivatives by compiled code, with the selections of `fill`.
pub fn slopes_with(program: &Program, fill: &dyn Fn(&Site) -> f64, x: &[f64]) -> Vec<f64> {
    let jacobian = program.jacobian().unwrap().compile_with::<f64>(fill);
    jacobian.call(&scalars(x)).unwrap().iter().map(Tensor::item).collect()
}

/// The partial derivatives under a convention.
pub fn slopes(program: &Program, convention: Convention, x: &[f64]) -> Vec<f64> {
    slopes_with(program, &|site| site.choice(convention).selection, x)
}

/// The gradient by the analysis at the point.
pub fn gradient(program: &Program, x: &[f64]) -> clarke::Result<Vec<f64>> {
    let all = program.at(&scalars(x))?.gradient(&Policy::default())?;
    Ok(all.iter().map(Tensor::item).collect())
}

#[track_caller]
pub fn close(name: &str, x: &[f64], found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-12 * wanted.abs(), "{name} at {x:?}: {found:e} is not {wanted:e}");
}
