//! Forward mode of a scan: a scan of the linearized body.

use super::Scan;
use super::feeds::{Feed, Feeds, reads};
use crate::error::Result;
use crate::program::op::Linearization;
use crate::program::{Program, Role, Var};

/// The tangent of a packed scan. Its state is ċ; of each step it sees the states before, the rows, their tangents; of all
/// steps the constants, their tangents, and the selections. Only the states that the derivative of the body reads are kept.
pub(super) fn linearized<'p>(scan: &Scan, at: &Linearization<'_, 'p>) -> Result<Var<'p>> {
    let (states, count) = (scan.states(), scan.body.inputs().len());
    let active: Vec<usize> = (0..count).filter(|&k| k < states || at.tangents[k].is_some()).collect();
    let fixed: Vec<&str> =
        (0..count).filter(|k| !active.contains(k)).map(|k| scan.body.inputs()[k].name.as_str()).collect();
    let linear = at.calculus.linearize(&all_arguments(&scan.body).holding(&fixed)?)?;
    let program = linear.with_outputs(&linear.outputs()[linear.outputs().len() / 2..]);
    let read = reads(&program);
    let kept: Vec<bool> = (0..states).map(|k| read[k] || scan.keeps(k)).collect();
    let whole = scan.packed(kept.clone());
    let value = if (0..states).all(|k| kept[k] == scan.keeps(k)) {
        at.out
    } else {
        at.args[0].apply_with(whole.clone(), &at.args[1..])
    };
    let mut feeds = Feeds::default();
    for k in (0..count).filter(|&k| read[k]) {
        let argument = if k < states { whole.before(k, value) } else { at.args[k] };
        feeds.push(k < states || scan.is_row(k), Feed { input: k, argument, linear: false });
    }
    let builder = at.args[0].builder();
    for (j, &k) in active.iter().enumerate() {
        let zero = || builder.constant(0.0).broadcast_to(&at.args[k].shape());
        let feed = Feed { input: count + j, argument: at.tangents[k].unwrap_or_else(zero), linear: true };
        if k < states { feeds.states.push(feed) } else { feeds.push(scan.is_row(k), feed) }
    }
    for (input, selection) in linear.inputs().iter().enumerate().skip(count + active.len()) {
        let argument = match &selection.role {
            Role::Selection(Some(site)) => builder.inner_selection(site),
            _ => builder.constant(0.0),
        };
        feeds.push(false, Feed { input, argument, linear: false });
    }
    let own = (0..states).map(|k| scan.keeps(k)).collect();
    Ok(feeds.scan(&program, scan.length, scan.reverse, own).1)
}

/// The body with every input a variable.
fn all_arguments(body: &Program) -> Program {
    let names: Vec<&str> = body.inputs().iter().filter(|i| !i.role.is_selection()).map(|i| i.name.as_str()).collect();
    body.varying(&names).expect("the body's own names")
}
