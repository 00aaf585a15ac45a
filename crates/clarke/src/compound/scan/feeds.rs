//! Scans of programs that derivatives are made of.

use super::{Returns, Scan};
use crate::program::{Builder, Program, Role, Var};
use std::sync::Arc;

/// An argument of a scan, and the input of the step's program that it is for.
pub(super) struct Feed<'p> {
    pub input: usize,
    pub argument: Var<'p>,
    /// Whether the program is linear in it.
    pub linear: bool,
}

/// What the inputs of a program are fed with, step by step.
#[derive(Default)]
pub(super) struct Feeds<'p> {
    pub states: Vec<Feed<'p>>,
    pub rows: Vec<Feed<'p>>,
    pub consts: Vec<Feed<'p>>,
}

impl<'p> Feeds<'p> {
    /// Adds what every step sees by row, or whole.
    pub fn push(&mut self, row: bool, feed: Feed<'p>) {
        if row { self.rows.push(feed) } else { self.consts.push(feed) }
    }

    /// The scan, in the direction said, of a program that returns the next states first, and its value. What the program
    /// does not read is left out.
    pub fn scan(mut self, program: &Program, length: usize, reverse: bool, kept: Vec<bool>) -> (Scan, Var<'p>) {
        let read = reads(program);
        self.rows.retain(|feed| read[feed.input]);
        self.consts.retain(|feed| read[feed.input]);
        let rows = self.rows.len();
        let all: Vec<Feed<'p>> = self.states.into_iter().chain(self.rows).chain(self.consts).collect();
        let order: Vec<usize> = all.iter().map(|feed| feed.input).collect();
        let linear = all.iter().map(|feed| feed.linear).collect();
        let args: Vec<Var<'p>> = all.iter().map(|feed| feed.argument).collect();
        let body = Arc::new(reordered(program, &order));
        let op = Scan { body, length, rows, reverse, returns: Returns::Packed(kept), checkpoint: None, linear };
        let value = args[0].apply_with(op.clone(), &args[1..]);
        (op, value)
    }
}

/// Which inputs the outputs of a program depend on.
pub(super) fn reads(program: &Program) -> Vec<bool> {
    let needed = program.needed();
    program.inputs().iter().map(|input| needed[input.node]).collect()
}

/// The program of these of its inputs, in this order and all of them variables; it reads no others.
fn reordered(program: &Program, order: &[usize]) -> Program {
    let builder = Builder::new();
    let mut args: Vec<Var<'_>> = vec![Var::poisoned(&builder); program.inputs().len()];
    for &i in order {
        let input = &program.inputs()[i];
        args[i] = builder.input(&input.name, &input.shape, Role::Argument);
    }
    let outputs = builder.inline(program, &args);
    builder.finish(&outputs).expect("a copy of a checked program").prune()
}
