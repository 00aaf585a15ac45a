//! Reverse mode of a scan: one scan in the other direction.

use super::Scan;
use super::feeds::{Feed, Feeds};
use crate::error::Result;
use crate::program::op::Transposition;
use crate::program::{Builder, Program, Role, Var};

/// The cotangent of argument `at.wrt` of a linear scan.
///
/// With ċ_{t+1} = A_t ċ_t + B_t ẋ_t + C_t k̇ and further results ẏ_t = D_t ċ_t + E_t ẋ_t + F_t k̇: from the cotangents v of
/// the state after step t and ȳ_t, step t of one scan in the other direction makes v ← A_tᵀ v + D_tᵀ ȳ_t, to which the
/// cotangent of the state before step t is added where that was returned, k̄ ← k̄ + C_tᵀ v + F_tᵀ ȳ_t, and
/// x̄_t = B_tᵀ v + E_tᵀ ȳ_t. States of this scan are v and k̄, its further results are x̄. Whichever cotangent is asked
/// for, it is a part of the same scan.
pub(super) fn transposed<'p>(scan: &Scan, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
    let asked: Vec<usize> = (0..at.args.len()).filter(|&k| k < scan.states() || at.args[k].is_none()).collect();
    let back = Back::new(scan, &asked, at.calculus.transpose(&scan.body, &asked)?);
    let (scan_back, value) = back.scan(scan, at);
    if let Some(row) = back.rows.iter().position(|&k| k == at.wrt) {
        return Ok(scan_back.rows_of(row, value));
    }
    let sum = back.wholes.iter().position(|&k| k == at.wrt).map(|sum| scan.states() + sum);
    Ok(scan_back.last(sum.unwrap_or(at.wrt), value))
}

/// The step of the scan in the other direction.
struct Back {
    /// Its inputs: v, k̄, ȳ_t, the cotangents of the states before it, then the inputs of the body that are known.
    step: Program,
    /// The arguments seen whole, and by row, whose cotangents it makes.
    wholes: Vec<usize>,
    rows: Vec<usize>,
    /// The arguments that are known.
    known: Vec<usize>,
}

impl Back {
    /// From the transposed body: it takes what is known, then the cotangents of its outputs.
    fn new(scan: &Scan, asked: &[usize], pulled: Program) -> Back {
        let states = scan.states();
        let count = scan.body.inputs().len();
        let known: Vec<usize> = (0..count).filter(|k| !asked.contains(k)).collect();
        let (rows, wholes): (Vec<usize>, Vec<usize>) = asked[states..].iter().partition(|&&k| scan.is_row(k));
        let builder = Builder::new();
        let input = |name: &str, shape: &[usize]| builder.input(name, shape, Role::Argument);
        let named = |mark: &str, k: usize| {
            input(&format!("{}{mark}", scan.body.inputs()[k].name), &scan.body.inputs()[k].shape)
        };
        let v: Vec<Var<'_>> = (0..states).map(|k| named("_bar", k)).collect();
        let sums: Vec<Var<'_>> = wholes.iter().map(|&k| named("_bar", k)).collect();
        let further: Vec<Var<'_>> = scan.further().into_iter().map(|shape| input("y_bar", shape)).collect();
        let own: Vec<Var<'_>> = (0..states).map(|k| named("_own", k)).collect();
        let mut args: Vec<Var<'_>> = known.iter().map(|&k| named("", k)).collect();
        args.extend(v.iter().chain(&further));
        let bars = builder.inline(&pulled, &args);
        let bar = |k: usize| bars[asked.iter().position(|&a| a == k).expect("it is asked for")];
        let mut outputs: Vec<Var<'_>> =
            (0..states).map(|k| if scan.keeps(k) { bars[k] + own[k] } else { bars[k] }).collect();
        outputs.extend(std::iter::zip(&wholes, &sums).map(|(&k, sum)| *sum + bar(k)));
        outputs.extend(rows.iter().map(|&k| bar(k)));
        let step = builder.finish(&outputs).expect("a step made of checked parts");
        Back { step, wholes, rows, known }
    }

    /// Its scan, and the value: what the state after the last step has as its cotangent is where it begins.
    fn scan<'p>(&self, scan: &Scan, at: &Transposition<'_, 'p>) -> (Scan, Var<'p>) {
        let (builder, states, mut feeds) = (at.cotangent.builder(), scan.states(), Feeds::default());
        let mut count = 0;
        let mut next = |argument: Var<'p>, linear: bool| {
            count += 1;
            Feed { input: count - 1, argument, linear }
        };
        for k in 0..states {
            feeds.states.push(next(scan.last(k, at.cotangent), true));
        }
        for &k in &self.wholes {
            feeds.states.push(next(builder.constant(0.0).broadcast_to(&at.shapes[k]), true));
        }
        for k in 0..scan.further().len() {
            feeds.rows.push(next(scan.rows_of(k, at.cotangent), true));
        }
        for k in 0..states {
            // Where only the last state was returned nothing is added, and this is not read.
            let own = if scan.keeps(k) { scan.before(k, at.cotangent) } else { at.cotangent };
            feeds.rows.push(next(own, true));
        }
        for &k in &self.known {
            feeds.push(scan.is_row(k), next(at.known(k), false));
        }
        let kept = vec![false; feeds.states.len()];
        feeds.scan(&self.step, scan.length, !scan.reverse, kept)
    }
}
