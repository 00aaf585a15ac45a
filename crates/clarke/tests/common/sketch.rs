//! Random programs over all operators of the table, from a list of plain numbers.
//!
//! A step is two numbers: the first names a sample of the table, the second decides from which earlier values its
//! arguments are made, and how. No operator is named here, apart from what brings an array to a shape and a domain.

#![allow(dead_code)]

use super::common::Draw;
use clarke::program::Role;
use clarke::{Builder, Program, Tensor, Var, registry, text};
use proptest::prelude::*;
use std::fmt;
use std::sync::LazyLock;

/// A random program at a random point, described by numbers; dropping steps gives a smaller one.
#[derive(Clone)]
pub struct Sketch {
    pub steps: Vec<[u16; 2]>,
    pub point: u16,
}

/// What is made of a sketch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One scalar to which almost every step contributes.
    Scalar,
    /// That scalar, and the values of the last steps.
    Several,
    /// The scalar, where arguments may be at the edge of their operator's domain, or beyond it: 0 under a logarithm.
    Careless,
    /// The scalar, with a further input for each step by which its value is moved, in units of its magnitude.
    Moved,
    /// The scalar, of operators that users write alone: none that only derivatives are made of.
    Plain,
}

const INPUTS: [(&str, &[usize]); 4] = [("x", &[3]), ("y", &[2, 3]), ("z", &[]), ("w", &[2, 2, 3])];

/// How often a value may be taken as it is before it has to be clipped: bounds all numbers.
const LOOSE: usize = 1;

/// One step of so many is a loop over a random body of so many samples.
const SCANS: u16 = 48;
const BODY: usize = 4;

/// A sample of the table, read once.
struct Piece {
    program: Program,
    shapes: Vec<Vec<usize>>,
    domain: (f64, f64),
}

/// The samples whose derivative is that of their value everywhere, by operator.
static TABLE: LazyLock<Vec<Vec<Piece>>> = LazyLock::new(|| table(|_| true));

/// Those of operators that users write.
static PLAIN: LazyLock<Vec<Vec<Piece>>> =
    LazyLock::new(|| table(|name| clarke::op::DERIVATIVE_OPS.iter().all(|e| e.name != name)));

fn table(of: impl Fn(&str) -> bool) -> Vec<Vec<Piece>> {
    let registry = registry();
    let piece = |sample: &clarke::program::op::Sample| Piece {
        program: text::parse(&registry, sample.text, sample.inputs).unwrap(),
        shapes: sample.inputs.iter().map(|(_, shape)| shape.to_vec()).collect(),
        domain: sample.domain,
    };
    let of_value = |s: &&clarke::program::op::Sample| matches!(s.derivative, clarke::program::op::Derivative::OfValue);
    let pieces = |e: &clarke::program::op::Entry| e.samples.iter().filter(of_value).map(piece).collect::<Vec<_>>();
    registry.entries().iter().filter(|e| of(e.name)).map(pieces).filter(|p| !p.is_empty()).collect()
}

fn some_piece(table: &[Vec<Piece>], number: usize) -> &Piece {
    let pieces = &table[number % table.len()];
    &pieces[number / table.len() % pieces.len()]
}

/// How many operators the programs are made of: entries of the table that are written in others do not count.
pub fn operators() -> usize {
    let programs = TABLE.iter().flatten().map(|piece| &piece.program);
    let names = programs.flat_map(|p| p.nodes()).filter_map(|n| match &n.kind {
        clarke::program::Kind::Apply { op, .. } => Some(op.name()),
        _ => None,
    });
    names.collect::<std::collections::HashSet<_>>().len()
}

/// A value that later steps may use.
#[derive(Clone, Copy)]
struct Known<'p> {
    value: Var<'p>,
    /// How many steps ago it was bounded.
    loose: usize,
    used: bool,
}

/// The values so far.
struct Pool<'p> {
    known: Vec<Known<'p>>,
    /// How many of these are inputs.
    inputs: usize,
    draw: Draw,
    careless: bool,
}

impl<'p> Pool<'p> {
    /// An input as often as one of the latest values.
    fn choose(&mut self) -> Known<'p> {
        let (inputs, all) = (self.inputs, self.known.len());
        let k = match self.draw.below(2) {
            0 => self.draw.below(inputs),
            _ => all - 1 - self.draw.below(all.min(12)),
        };
        self.known[k].used = true;
        self.known[k]
    }

    /// An argument of this shape, within the domain.
    fn argument(&mut self, shape: &[usize], domain: (f64, f64)) -> (Var<'p>, usize) {
        let chosen = self.choose();
        let (value, loose) = self.fit(chosen, shape);
        let everywhere = domain.0 <= -2.0 && domain.1 >= 2.0;
        if everywhere && (loose == 0 || loose <= LOOSE && self.draw.below(2) == 0) {
            return (value, loose);
        }
        if self.careless && domain.0 > 0.0 && self.draw.below(2) == 0 {
            return (value.clip(0.0, domain.1), 0);
        }
        // Around the middle of the domain, on a grid of quarters.
        let middle = if domain.0 < 0.0 { 0.0 } else { (2.0 * (domain.0 + domain.1)).round() / 4.0 };
        let value = if middle == 0.0 { value } else { value + middle };
        (value.clip(domain.0, domain.1), 0)
    }

    /// A sample applied to earlier values.
    fn step(&mut self, builder: &'p Builder, piece: &Piece) {
        let arguments: Vec<(Var<'p>, usize)> =
            piece.shapes.iter().map(|shape| self.argument(shape, piece.domain)).collect();
        let loose = arguments.iter().map(|(_, loose)| loose + 1).max().unwrap_or(0);
        let arguments: Vec<Var<'p>> = arguments.into_iter().map(|(v, _)| v).collect();
        let value = builder.inline(&piece.program, &arguments)[0];
        self.known.push(Known { value, loose, used: false });
    }

    /// A loop over the rows of an earlier value, whose body is a random program of its own.
    fn scan(&mut self, table: &'static [Vec<Piece>]) {
        let everywhere = (-2.0, 2.0);
        let [(state, _), (rows, _), (whole, _)] = [&[3][..], &[2, 3], &[3]].map(|s| self.argument(s, everywhere));
        let seed = self.draw.next();
        let value = state.scan(&[rows], &[whole], |c, rows, whole| {
            let inputs = [c, rows[0], whole[0]].map(|value| Known { value, loose: 0, used: false });
            let mut pool =
                Pool { known: inputs.to_vec(), inputs: inputs.len(), draw: Draw::new(seed), careless: false };
            for _ in 0..BODY {
                let piece = some_piece(table, pool.draw.next() as usize);
                pool.step(c.builder(), piece);
            }
            let [last, before] = [1, 2].map(|back| pool.known[pool.known.len() - back]);
            // A contraction, so that few steps magnify little.
            ((pool.fit(last, &[3]).0 - 0.5 * pool.fit(before, &[3]).0).clip(-4.0, 4.0) + c) / 4.0
        });
        self.known.push(Known { value, loose: 0, used: false });
    }

    fn fit(&mut self, from: Known<'p>, shape: &[usize]) -> (Var<'p>, usize) {
        let own = from.value.shape();
        if own == shape {
            return (from.value, from.loose);
        }
        if self.draw.below(2) == 0 {
            if stretches(&own, shape) {
                return (from.value.broadcast_to(shape), from.loose);
            }
            if stretches(shape, &own) {
                return (from.value.sum_to(shape), LOOSE + 1);
            }
        }
        let flatten = |v: Var<'p>| v.reshape(&[size(&v.shape())]);
        let (mut flat, mut loose, wanted) = (flatten(from.value), from.loose, size(shape));
        while size(&flat.shape()) < wanted {
            let more = self.choose();
            flat = flat.concatenate(&[flatten(more.value)], 0);
            loose = loose.max(more.loose);
        }
        let more = size(&flat.shape()) - wanted;
        let start = self.draw.below(more + 1);
        let part = if more == 0 { flat } else { flat.slice(0, start..start + wanted) };
        (part.reshape(shape), loose)
    }
}

impl Sketch {
    /// The program of these steps.
    pub fn program(&self, form: Form) -> Program {
        let builder = Builder::new();
        let known = INPUTS.iter().map(|(name, shape)| Known {
            value: builder.input(name, shape, Role::Argument),
            loose: 0,
            used: false,
        });
        let careless = form == Form::Careless;
        let mut pool = Pool { known: known.collect(), inputs: INPUTS.len(), draw: Draw::new(0), careless };
        let moved = |v: Var<'_>| form == Form::Moved && !v.is_poisoned();
        for (k, step) in self.steps.iter().enumerate() {
            pool.draw = Draw::new(step[1].into());
            let table = if form == Form::Plain { &*PLAIN } else { &*TABLE };
            match step[1] % SCANS {
                0 => pool.scan(table),
                _ => pool.step(&builder, some_piece(table, step[0].into())),
            }
            let made = pool.known.last_mut().expect("a step makes a value");
            if moved(made.value) {
                let by = builder.input(&format!("e{k}"), &made.value.shape(), Role::Argument);
                made.value = made.value + by * (made.value.abs() + 1.0);
            }
        }
        let mut weights = Draw::new(1);
        let mut total = builder.constant(0.0);
        for (k, known) in pool.known.iter().enumerate().filter(|(_, known)| !known.used) {
            let shape = known.value.shape();
            let weight = Tensor::from_fn(&shape, |_| 0.25 * (1 + weights.below(6)) as f64);
            let sign = if weights.below(2) == 0 { 1.0 } else { -1.0 };
            let mut term = (known.value.clip(-8.0, 8.0) * builder.constant(weight)).sum() * sign;
            if moved(term) {
                let by = builder.input(&format!("t{k}"), &[], Role::Argument);
                term = term + by * (term.abs() + 8.0);
            }
            total = total + term;
        }
        let mut outputs = vec![total];
        if form == Form::Several {
            outputs.extend(pool.known.iter().rev().take(3).map(|k| k.value));
        }
        builder.finish(&outputs).unwrap_or_else(|e| panic!("{:?}: {e}", self.steps))
    }

    /// A point, and others near it in the order of numbers: reals if `real`, else integers and halves, where ties are
    /// frequent.
    pub fn at(&self, k: u64, real: bool) -> Vec<Tensor> {
        let mut draw = Draw::new(u64::from(self.point) + (k << 20));
        let domain = (-2.0, 2.0);
        INPUTS.iter().map(|(_, s)| if real { draw.tensor(s, domain) } else { draw.grid(s, domain) }).collect()
    }

    /// A direction.
    pub fn direction(&self, k: u64) -> Vec<Tensor> {
        let mut draw = Draw::new(u64::from(self.point) + (k << 20) + (1 << 60));
        INPUTS.iter().map(|(_, s)| draw.tensor(s, (-1.0, 1.0))).collect()
    }
}

/// The command that shows the program at its first point of the grid.
impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Sketch {{ steps: vec!{:?}, point: {} }}", self.steps, self.point)?;
        let printed = self.program(Form::Scalar).to_string();
        // The statements of the last function, and the functions that it uses.
        let start = printed.rfind("def ").unwrap_or(0);
        let body = printed[start..].lines().skip(1).map(|line| line.trim_start().trim_start_matches("return "));
        writeln!(f, "clarke explain '{}{}' \\", &printed[..start], body.collect::<Vec<_>>().join("\n"))?;
        for ((name, shape), array) in std::iter::zip(&INPUTS, self.at(0, false)) {
            write!(f, " --at '{name}={}'", nested(shape, array.data()))?;
        }
        writeln!(f)
    }
}

/// An array as nested lists.
fn nested(shape: &[usize], numbers: &[f64]) -> String {
    match shape {
        [] => format!("{}", numbers[0]),
        [n, inner @ ..] => {
            let parts = numbers.chunks(numbers.len() / n).map(|part| nested(inner, part));
            format!("[{}]", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Random sketches of all sizes: most of them small and cheap, a share with hundreds of nodes.
pub fn sketches_of_all_sizes() -> impl Strategy<Value = Sketch> {
    prop_oneof![90 => sketches(2..8), 9 => sketches(8..40), 1 => sketches(60..120)]
}

/// Random sketches with this many steps.
pub fn sketches(steps: std::ops::Range<usize>) -> impl Strategy<Value = Sketch> {
    (prop::collection::vec(any::<[u16; 2]>(), steps), any::<u16>()).prop_map(|(steps, point)| Sketch { steps, point })
}

fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether an array of the first shape stretches to the second by numpy's rule.
fn stretches(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && std::iter::zip(from.iter().rev(), to.iter().rev()).all(|(a, b)| a == b || *a == 1)
}
