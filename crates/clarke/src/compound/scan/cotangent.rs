//! Reverse mode of a scan: its cotangents are made by scans in the other direction.

use super::{Scan, last_row, leading};
use crate::error::Result;
use crate::program::op::Transposition;
use crate::program::{Builder, Program, Role, Var};

/// The cotangent of argument `at.wrt` of a linear scan.
///
/// With ċ_{t+1} = A_t ċ_t + B_t ẋ_t + C_t k̇ and cotangents ȳ_t of the states after step t: the cotangents of the states
/// before step t are v_t = A_tᵀ(ȳ_t + v_{t+1}), a scan in the other direction; then c̄ = v_0, x̄_t = B_tᵀ(ȳ_t + v_{t+1})
/// and k̄ = Σ_t C_tᵀ(ȳ_t + v_{t+1}).
pub(super) fn transposed<'p>(scan: &Scan, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
    let builder = at.cotangent.builder();
    let linear: Vec<usize> = (0..scan.linear.len()).filter(|&k| scan.linear[k]).collect();
    let pulled = at.calculus.transpose(&scan.body, &linear)?;
    let known: Vec<usize> = (0..scan.linear.len()).filter(|&k| !scan.linear[k]).collect();
    let states = states_cotangent(scan, at.cotangent);
    let back = pull_scan(scan, &pulled, &known, 0);
    let zero = builder.constant(0.0).broadcast_to(scan.carry());
    let mut args = vec![zero, states];
    args.extend(known.iter().map(|&k| at.known(k)));
    let args = grouped(scan, &known, args);
    let before = args[0].apply_with(back.clone(), &args[1..]);
    if at.wrt == 0 {
        return Ok(if scan.reverse { last_row(before) } else { before.get(0) });
    }
    // w_t = ȳ_t + v_{t+1}: what reaches the state after step t.
    let reaching = states + back.before(zero, before);
    let place = linear.iter().position(|&k| k == at.wrt).expect("only linear arguments are transposed");
    if scan.is_row(at.wrt) {
        let mut mapped: Vec<bool> = known.iter().map(|k| scan.is_row(*k)).collect();
        mapped.push(true);
        let batched = at.calculus.batch(&pulled, &mapped, scan.length)?;
        let mut args: Vec<Var<'p>> = known.iter().map(|&k| at.known(k)).collect();
        args.push(reaching);
        return Ok(builder.inline(&batched, &args)[place]);
    }
    // Summed step by step, so that no array of one cotangent a step is stored.
    let sum = sum_scan(scan, &pulled, &known, place);
    let mut args = vec![builder.constant(0.0).broadcast_to(at.shape), reaching];
    args.extend(known.iter().map(|&k| at.known(k)));
    let args = grouped(scan, &known, args);
    Ok(args[0].apply_with(sum, &args[1..]))
}

/// The cotangents of all states, from those of what the scan returns.
fn states_cotangent<'p>(scan: &Scan, cotangent: Var<'p>) -> Var<'p> {
    if !scan.last {
        return cotangent;
    }
    let row = cotangent.reshape(&leading(1, scan.carry()));
    if scan.length == 1 {
        return row;
    }
    let zeros = cotangent.constant(0.0).broadcast_to(&leading(scan.length - 1, scan.carry()));
    if scan.reverse { row.concatenate(&[zeros], 0) } else { zeros.concatenate(&[row], 0) }
}

/// [state, cotangents, known…] with the known ones seen by rows before those seen whole.
fn grouped<'p>(scan: &Scan, known: &[usize], args: Vec<Var<'p>>) -> Vec<Var<'p>> {
    let (mut out, rest) = (args[..2].to_vec(), &args[2..]);
    for rows in [true, false] {
        let chosen = std::iter::zip(known, rest).filter(|(k, _)| scan.is_row(**k) == rows);
        out.extend(chosen.map(|(_, v)| *v));
    }
    out
}

/// The scan of (v, ȳ_t, known…) ↦ A_tᵀ(ȳ_t + v), in the other direction.
fn pull_scan(scan: &Scan, pulled: &Program, known: &[usize], place: usize) -> Scan {
    let builder = Builder::new();
    let (v, w, args) = pull_inputs(&builder, scan, known, scan.carry(), scan.carry());
    let out = pull(pulled, w + v, &args)[place];
    let body = builder.finish(&[out]).expect("a body made of checked parts");
    Scan { reverse: !scan.reverse, last: false, ..cotangent_scan(scan, body, known) }
}

/// The scan of (k̄, w_t, known…) ↦ k̄ + C_tᵀ w_t, of which only the last state is wanted.
fn sum_scan(scan: &Scan, pulled: &Program, known: &[usize], place: usize) -> Scan {
    let builder = Builder::new();
    let (sum, w, args) = pull_inputs(&builder, scan, known, pulled.output_shapes()[place], scan.carry());
    let out = sum + pull(pulled, w, &args)[place];
    let body = builder.finish(&[out]).expect("a body made of checked parts");
    Scan { last: true, ..cotangent_scan(scan, body, known) }
}

/// A scan over cotangents: linear in its state and its first rows.
fn cotangent_scan(scan: &Scan, body: Program, known: &[usize]) -> Scan {
    let rows = 1 + known.iter().filter(|k| scan.is_row(**k)).count();
    let linear = (0..body.inputs().len()).map(|k| k < 2).collect();
    scan.with_body(body, rows, linear)
}

/// The inputs of such a body: a state, a row of cotangents, and what is known, rows first; the last in the order of
/// the transposed body.
fn pull_inputs<'p>(
    builder: &'p Builder,
    scan: &Scan,
    known: &[usize],
    state: &[usize],
    row: &[usize],
) -> (Var<'p>, Var<'p>, Vec<Var<'p>>) {
    let v = builder.input("v", state, Role::Argument);
    let w = builder.input("w", row, Role::Argument);
    let mut args: Vec<Option<Var<'p>>> = vec![None; known.len()];
    for rows in [true, false] {
        for (place, k) in known.iter().enumerate().filter(|(_, k)| scan.is_row(**k) == rows) {
            let input = &scan.body.inputs()[*k];
            args[place] = Some(builder.input(&input.name, &input.shape, Role::Argument));
        }
    }
    (v, w, args.into_iter().flatten().collect())
}

/// The transposed body at a cotangent: it takes what is known in its order, then the cotangent of its output.
fn pull<'p>(pulled: &Program, cotangent: Var<'p>, known: &[Var<'p>]) -> Vec<Var<'p>> {
    let mut all = known.to_vec();
    all.push(cotangent);
    cotangent.builder().inline(pulled, &all)
}
