//! Calls of `scan` and `fold` in program text, read.

use super::{Returns, Scan};
use crate::error::Result;
use crate::program::Var;
use crate::program::call::{Call, Value, describe};
use std::sync::Arc;

/// The arrays of a call.
struct Arrays<'p> {
    states: Vec<Var<'p>>,
    rows: Vec<Var<'p>>,
    consts: Vec<Var<'p>>,
    length: usize,
}

/// Reads the call. `rows`, `reverse`, `packed` and `linear` are how scans of derivatives are printed.
pub(super) fn states<'p>(call: &Call<'_, 'p>, returns: Returns) -> Result<Var<'p>> {
    let keywords = ["body", "length", "consts", "checkpoint", "rows", "reverse", "packed", "linear"];
    call.expect(1, usize::MAX, &keywords)?;
    let named = call.keywords.iter().find(|(name, _)| name == "body").map(|(_, v)| v.clone());
    let (function, arrays) = match named {
        Some(Value::Function(f)) => (f, call.args),
        Some(_) => return Err(call.fault("`body` must be a function")),
        None => (call.function(0)?, &call.args[1..]),
    };
    let marks = |name: &str| -> Result<Option<Vec<bool>>> {
        Ok(call.ints(name, usize::MAX)?.map(|marks| marks.iter().map(|x| *x != 0).collect()))
    };
    let returns = marks("packed")?.map_or(returns, Returns::Packed);
    let linear = marks("linear")?.unwrap_or_default();
    if !linear.is_empty() && !matches!(returns, Returns::Packed(_)) {
        return Err(call.fault("`linear` is for scans with `packed`, which derivatives are made of"));
    }
    let count = if let Returns::Packed(kept) = &returns { kept.len() } else { 1 };
    let mut steps = read_arrays(call, arrays, count)?;
    let mut shapes: Vec<Vec<usize>> = steps.states.iter().map(Var::shape).collect();
    shapes.extend(steps.rows.iter().map(|x| x.shape()[1..].to_vec()));
    shapes.extend(steps.consts.iter().map(Var::shape));
    if shapes.len() != function.params.len() {
        let problem = format!("the body takes {} arguments, but a step has {}", function.params.len(), shapes.len());
        return Err(call.fault(problem));
    }
    let (body, captured) = (function.make)(&shapes)?;
    let returns = match returns {
        Returns::States if body.outputs().len() == 2 => Returns::Rows,
        other => other,
    };
    steps.consts.extend(captured);
    let (length, rows, reverse) = (steps.length, steps.rows.len(), call.flag("reverse", usize::MAX, false)?);
    let checkpoint = checkpoint(call, length)?;
    let op = Scan { body: Arc::new(body), length, rows, reverse, returns, checkpoint, linear };
    let args: Vec<Var<'p>> = steps.states.into_iter().chain(steps.rows).chain(steps.consts).collect();
    Ok(call.apply(op, &args))
}

/// How many steps lie between stored states: a number, or True for the square root of the length.
fn checkpoint(call: &Call<'_, '_>, length: usize) -> Result<Option<usize>> {
    match call.optional("checkpoint", usize::MAX) {
        None | Some(Value::None | Value::Flag(false)) => Ok(None),
        Some(Value::Flag(true)) => Ok(Some(Scan::root(length))),
        Some(other) => match call.int("checkpoint", usize::MAX, None) {
            Ok(steps @ 1..) => Ok(Some(steps as usize)),
            _ => {
                let given = if let Value::Number(x) = other { x.to_string() } else { describe(other) };
                Err(call.fault(format!("`checkpoint` must be a number of steps, at least 1, or True, not {given}")))
            }
        },
    }
}

/// The arrays of a call: the states at the start, those gone through, those seen whole; and how many steps there are.
fn read_arrays<'p>(call: &Call<'_, 'p>, arrays: &[Value<'p>], states: usize) -> Result<Arrays<'p>> {
    let vars = arrays.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
    let Some((states, rest)) = vars.split_at_checked(states).filter(|(states, _)| !states.is_empty()) else {
        return Err(call.fault("the state at the start is missing"));
    };
    let count = match call.ints("rows", usize::MAX)? {
        Some(n) => n.first().and_then(|n| usize::try_from(*n).ok()).filter(|n| *n <= rest.len()),
        None => Some(rest.len()),
    };
    let count = count.ok_or_else(|| call.fault("`rows` is more than there are arrays"))?;
    let (rows, whole) = rest.split_at(count);
    let mut consts = whole.to_vec();
    match call.optional("consts", usize::MAX) {
        Some(Value::Tuple(many) | Value::List(many)) => {
            consts.extend(many.iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?);
        }
        Some(one) => consts.push(call.as_var(one)?),
        None => {}
    }
    if rows.iter().any(|x| x.rank() == 0) {
        return Err(call.fault("an array to go through needs a leading axis; a scalar has none"));
    }
    let given = call.ints("length", usize::MAX)?.map(|n| n.first().copied().unwrap_or(-1));
    let length = match (rows.first(), given) {
        (_, Some(n)) => {
            usize::try_from(n).map_err(|_| call.fault(format!("`length` is {n}, but cannot be negative")))?
        }
        (Some(x), None) => x.shape()[0],
        (None, None) => return Err(call.fault("either an array to go through or `length` is needed")),
    };
    Ok(Arrays { states: states.to_vec(), rows: rows.to_vec(), consts, length })
}
