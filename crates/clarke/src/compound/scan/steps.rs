//! Scans as users of the library write them.

use super::{Returns, Scan};
use crate::error::{Fault, Place};
use crate::program::{Builder, Role, Var};
use std::sync::Arc;

/// Steps from a state, about to be taken: [`Var::steps`].
///
/// ```
/// let f = clarke::Program::trace(&[&[], &[1000]], |v| {
///     v[0].steps(&[v[1]], &[]).checkpointed().fold(|c, x, _| (c + x[0]).relu())
/// })?;
/// let g = f.value_and_gradient()?.compile::<f64>(clarke::Convention::MinNorm);
/// let x = clarke::Tensor::full(&[1000], 0.5);
/// assert_eq!(g.call(&[1.0.into(), x])?[0].data(), [501.0]);
/// # Ok::<(), clarke::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is computed before `scan` or `fold`"]
pub struct Steps<'p> {
    init: Var<'p>,
    rows: Vec<Var<'p>>,
    consts: Vec<Var<'p>>,
    length: Option<usize>,
    checkpoint: Checkpoint,
}

/// Which states reverse mode stores.
#[derive(Debug, Clone, Copy)]
enum Checkpoint {
    All,
    Every(usize),
    Root,
}

impl<'p> Steps<'p> {
    /// So many of them: needed where there are no rows to go through.
    pub fn times(self, length: usize) -> Steps<'p> {
        Steps { length: Some(length), ..self }
    }

    /// Reverse mode stores one state every so many steps, and computes those between again: see [`Scan`].
    ///
    /// Without it all n states are stored, which costs one evaluation less of each step. Of [`Steps::scan`] they are the
    /// value, so that there it changes nothing.
    pub fn checkpoint(self, steps: usize) -> Steps<'p> {
        Steps { checkpoint: Checkpoint::Every(steps), ..self }
    }

    /// The same with about √n steps between stored states: of order √n are held at a time, in place of n.
    pub fn checkpointed(self) -> Steps<'p> {
        Steps { checkpoint: Checkpoint::Root, ..self }
    }

    /// The states after each step of `c ← body(c, rows, consts)`, stacked: step t sees row t of each of the rows, and all
    /// of the constants.
    ///
    /// The body cannot use variables from outside: what it needs goes through the constants.
    #[track_caller]
    pub fn scan<F>(self, body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Var<'q>,
    {
        self.apply(Returns::States, Place::caller(), |c, x, k| vec![body(c, x, k)])
    }

    /// What each step of `c, y ← body(c, rows, consts)` returns beside the next state, stacked.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[], &[3]], |v| v[0].steps(&[v[1]], &[]).scan_rows(|c, x, _| (c * x[0], c - x[0])))?;
    /// assert_eq!(f.eval(&[1.0.into(), [2.0, 3.0, 4.0].into()])?[0].data(), [-1.0, -1.0, 2.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn scan_rows<F>(self, body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> (Var<'q>, Var<'q>),
    {
        self.apply(Returns::Rows, Place::caller(), |c, x, k| {
            let (next, row) = body(c, x, k);
            vec![next, row]
        })
    }

    /// The state after all steps.
    #[track_caller]
    pub fn fold<F>(self, body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Var<'q>,
    {
        self.apply(Returns::Last, Place::caller(), |c, x, k| vec![body(c, x, k)])
    }

    fn apply<F>(self, returns: Returns, place: Place, body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Vec<Var<'q>>,
    {
        let (outer, count) = (self.init.builder(), self.rows.len());
        let all: Vec<Var<'p>> = [&[self.init][..], &self.rows, &self.consts].concat();
        if all.iter().any(Var::is_poisoned) {
            return Var::poisoned(outer);
        }
        let refuse = |rule: &str| {
            let shapes = all.iter().map(Var::shape).collect();
            outer.failed(Fault::Shapes { op: "scan".into(), shapes, rule: rule.into() }.at(place.clone()))
        };
        let length = self.length.or_else(|| self.rows.first().and_then(|x| x.shape().first().copied()));
        let (Some(length), true) = (length, self.rows.iter().all(|x| x.rank() > 0)) else {
            return refuse("the arrays to go through need a leading axis, and without any a number of steps is needed");
        };
        let checkpoint = match self.checkpoint {
            Checkpoint::All => None,
            Checkpoint::Root => Some(Scan::root(length)),
            Checkpoint::Every(0) => return refuse("at least one step must lie between checkpoints"),
            Checkpoint::Every(steps) => Some(steps),
        };
        let shape = |k: usize| if (1..=count).contains(&k) { all[k].shape()[1..].to_vec() } else { all[k].shape() };
        let builder = Builder::new();
        let inputs: Vec<Var<'_>> =
            (0..all.len()).map(|k| builder.input(&format!("x{k}"), &shape(k), Role::Argument)).collect();
        let (state, rest) = inputs.split_first().expect("the state is an input");
        let outputs = body(*state, &rest[..count], &rest[count..]);
        match builder.finish(&outputs) {
            Ok(body) => {
                let body = Arc::new(body);
                let op = Scan { body, length, rows: count, reverse: false, returns, checkpoint, linear: vec![] };
                outer.apply_at(Arc::new(op), &all, place)
            }
            Err(error) => outer.failed(error),
        }
    }
}

impl<'p> Var<'p> {
    /// Steps `c ← body(c, rows, consts)` from this state, as many as there are rows: how many there are and what reverse
    /// mode stores can be set before [`Steps::scan`] or [`Steps::fold`] takes them.
    pub fn steps(self, rows: &[Var<'p>], consts: &[Var<'p>]) -> Steps<'p> {
        let (rows, consts) = (rows.to_vec(), consts.to_vec());
        Steps { init: self, rows, consts, length: None, checkpoint: Checkpoint::All }
    }

    /// The states after each step of `c ← body(c, rows, consts)` from this one, stacked: step t sees row t of each of
    /// `rows`, and all of `consts`. See [`Scan`].
    ///
    /// The body cannot use variables from outside: what it needs goes through `consts`.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[4]], |v| v[0].constant(0.0).scan(&[v[0]], &[], |c, x, _| c.maximum(x[0])))?;
    /// assert_eq!(f.eval(&[[1.0, 3.0, 2.0, 5.0].into()])?[0].data(), [1.0, 3.0, 3.0, 5.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn scan<F>(self, rows: &[Var<'p>], consts: &[Var<'p>], body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Var<'q>,
    {
        self.steps(rows, consts).scan(body)
    }

    /// The state after all steps of [`Var::scan`].
    #[track_caller]
    pub fn fold<F>(self, rows: &[Var<'p>], consts: &[Var<'p>], body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>], &[Var<'q>]) -> Var<'q>,
    {
        self.steps(rows, consts).fold(body)
    }

    /// The states after each of `length` steps of `c ← body(c, consts)` from this one, stacked.
    #[track_caller]
    pub fn iterate<F>(self, length: usize, consts: &[Var<'p>], body: F) -> Var<'p>
    where
        F: for<'q> FnOnce(Var<'q>, &[Var<'q>]) -> Var<'q>,
    {
        self.steps(&[], consts).times(length).scan(|c, _, k| body(c, k))
    }
}
