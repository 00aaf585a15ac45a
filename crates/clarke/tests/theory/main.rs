//! The facts of the theory as tests, a file for each theorem.

#[path = "../common/mod.rs"]
mod common;

mod bolte_boustany_cheap_gradients;
mod bolte_pauwels_artifacts;
mod bolte_pauwels_calculus;
mod bolte_pauwels_curves;
mod bolte_pauwels_fermat;
mod bolte_pauwels_gradient_almost_everywhere;
mod bolte_pauwels_reverse_is_forward;
mod clarke_minimality;
mod complexity_multi_affine;
mod kakade_lee_cheap_element;
mod khan_barton_lexicographic;
mod lewis_tian_projection;
mod park_chun_lee_biases;

use clarke::{Element, Program, SetAt, SetOptions, Tensor, parse};

/// An expression over these inputs.
fn read(text: &str, inputs: &[(&str, &[usize])]) -> Program {
    parse(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The extreme points as flat vectors.
fn vertices(set: &SetAt) -> Vec<Vec<f64>> {
    let flat = |v: &Element| common::numbers(v);
    set.vertices().expect("few enough to be written out").iter().map(flat).collect()
}

/// The conservative set at a point.
fn conservative(f: &Program, point: &[Tensor]) -> SetAt {
    f.at(point).unwrap().conservative(&SetOptions::default()).unwrap()
}

/// The Clarke set at a point.
fn clarke(f: &Program, point: &[Tensor]) -> SetAt {
    f.at(point).unwrap().clarke(&SetOptions::default()).unwrap()
}

/// Whether two lists hold the same vectors up to 1e-9, in any order.
fn same(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    let near = |v: &Vec<f64>, w: &Vec<f64>| std::iter::zip(v, w).all(|(x, y)| (x - y).abs() <= 1e-9);
    let within = |a: &[Vec<f64>], b: &[Vec<f64>]| a.iter().all(|v| b.iter().any(|w| near(v, w)));
    within(a, b) && within(b, a)
}
