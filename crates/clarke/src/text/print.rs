//! Programs printed: driven by what each operator says of itself, its name, parameters and notation.

use crate::program::op::{Notation, Op, Param};
use crate::program::{Kind, Program, Role};
use crate::tensor::{Csr, Tensor};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// How tightly a name, number, call or subscript binds.
const ATOM: u8 = 20;
/// How tightly a power binds on its left.
const POWER: u8 = 13;
/// How tightly a sign binds.
const SIGN: u8 = 12;
/// How tightly the loosest arithmetic binds: tighter than any comparison.
const SUM: u8 = 10;

/// An expression longer or deeper than this gets a line of its own: it could be neither read nor, far beyond, parsed.
const LONG: usize = 400;
const DEEP: usize = 40;

/// A constant of one number and more entries than this is printed as that number, broadcast.
const UNIFORM: usize = 16;

/// About how many characters a report shows of an expression, and how many nodes it looks at.
const SHORT: usize = 80;
const SHORT_NODES: usize = 64;

/// A printed value.
#[derive(Clone)]
struct Piece {
    text: String,
    precedence: u8,
    depth: usize,
    /// Whether it is a number, with which arithmetic would be done while reading.
    number: bool,
}

impl Piece {
    fn atom(text: impl Into<String>) -> Piece {
        Piece { text: text.into(), precedence: ATOM, depth: 0, number: false }
    }

    /// As an operand of something that binds this tightly.
    fn within(&self, precedence: u8) -> String {
        if self.precedence < precedence { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// The text form: `def f(x: [3], b: []):`, a line `t0 = …` for each value used more than once, and the `return`.
///
/// Programs inside operators are printed before, as functions of their own. Reading it back gives the same program,
/// except that nodes that no output needs are not printed, that scalar constants are written out at each use, and
/// that nodes come in the order of their first use; printing that again gives the same text.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut functions = Functions::of(self);
        let name = functions.fresh("f");
        for Function { name, program, .. } in functions.list.iter().filter(|f| f.first) {
            writeln!(f, "{}", definition(name, program, &functions))?;
        }
        write!(f, "{}", definition(&name, self, &functions))
    }
}

impl Program {
    /// The expression of one node, for reports: written out in full where it is short, with `…` for what goes beyond
    /// some 80 characters.
    pub fn expression(&self, node: usize) -> String {
        let functions = Functions { whole: false, ..Functions::of(self) };
        let mut left = SHORT_NODES;
        let text = inlined(self, node, &functions, &mut left, DEEP).text;
        match text.char_indices().nth(SHORT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// A node printed without names for what it shares, down to a depth and a number of nodes.
fn inlined(program: &Program, id: usize, functions: &Functions<'_>, left: &mut usize, depth: usize) -> Piece {
    if *left == 0 || depth == 0 {
        return Piece::atom("…");
    }
    *left -= 1;
    match &program.nodes()[id].kind {
        Kind::Input(k) => Piece::atom(&program.inputs()[*k].name),
        Kind::Constant(value) if value.data().len() > SHORT => Piece::atom("[…]"),
        Kind::Constant(value) => constant(value),
        Kind::Apply { op, args } => {
            let args: Vec<Piece> = args.iter().map(|&a| inlined(program, a, functions, left, depth - 1)).collect();
            application(op.as_ref(), &args.iter().collect::<Vec<_>>(), functions)
        }
    }
}

/// The programs inside a program's operators, each once and innermost first, with names.
struct Functions<'a> {
    list: Vec<Function<'a>>,
    taken: HashSet<String>,
    /// Whether sparse matrices are written out.
    whole: bool,
}

struct Function<'a> {
    name: String,
    program: &'a Program,
    /// Its definition without a name. Programs that are printed alike are read back as one, and so have one name.
    text: String,
    /// Whether it is the first with this name.
    first: bool,
}

impl<'a> Functions<'a> {
    fn of(program: &'a Program) -> Functions<'a> {
        let mut functions = Functions { list: vec![], taken: HashSet::new(), whole: true };
        functions.reserve(program);
        functions.collect(program);
        functions
    }

    /// Keeps names free that something else has.
    fn reserve(&mut self, program: &Program) {
        self.taken.extend(program.inputs().iter().map(|i| i.name.clone()));
        for node in program.nodes() {
            if let Kind::Apply { op, .. } = &node.kind {
                self.taken.insert(op.name().to_string());
                op.programs().into_iter().for_each(|inner| self.reserve(inner));
            }
        }
    }

    fn collect(&mut self, program: &'a Program) {
        for id in reading_order(program) {
            let Kind::Apply { op, .. } = &program.nodes()[id].kind else { continue };
            for inner in op.programs() {
                self.collect(inner);
                if self.list.iter().any(|known| known.program == inner) {
                    continue;
                }
                let text = definition("", inner, self);
                let alike = self.list.iter().find(|known| known.text == text).map(|known| known.name.clone());
                let first = alike.is_none();
                let name = alike.unwrap_or_else(|| self.fresh("g"));
                self.list.push(Function { name, program: inner, text, first });
            }
        }
    }

    /// `stem`, or with a number where that is taken.
    fn fresh(&mut self, stem: &str) -> String {
        let mut name = stem.to_string();
        let mut count = 0;
        while self.taken.contains(&name) {
            name = format!("{stem}{count}");
            count += 1;
        }
        self.taken.insert(name.clone());
        name
    }

    fn name(&self, program: &Program) -> String {
        self.list.iter().find(|known| known.program == program).map_or("…".into(), |known| known.name.clone())
    }
}

/// One `def`.
fn definition(name: &str, program: &Program, functions: &Functions<'_>) -> String {
    let inputs: Vec<String> = program
        .inputs()
        .iter()
        .map(|input| {
            let shape = match (&input.role, input.shape.as_slice()) {
                (Role::Argument, shape) => format!("{shape:?}"),
                (Role::Data, shape) => format!("data{shape:?}"),
                (Role::Sparse, shape) => format!("sparse{shape:?}"),
                (Role::Selection(_), []) => "selection".into(),
                (Role::Selection(_), shape) => format!("selection{shape:?}"),
            };
            format!("{}: {shape}", input.name)
        })
        .collect();
    let (lines, outputs) = body(program, functions);
    let mut text = format!("def {name}({}):\n", inputs.join(", "));
    for line in lines {
        text.push_str(&format!("    {line}\n"));
    }
    text.push_str(&format!("    return {}\n", outputs.join(", ")));
    text
}

/// The lines of a body and what it returns. Node by node, never recursive: programs may be of any depth.
fn body(program: &Program, functions: &Functions<'_>) -> (Vec<String>, Vec<String>) {
    let (uses, alone) = (uses(program), alone(program));
    let mut pieces: Vec<Option<Piece>> = vec![None; program.nodes().len()];
    let (mut lines, mut count) = (vec![], 0);
    for (id, node) in program.nodes().iter().enumerate().filter(|(id, _)| uses[*id] > 0) {
        let piece = match &node.kind {
            Kind::Input(k) => Piece::atom(&program.inputs()[*k].name),
            Kind::Constant(value) => constant(value),
            Kind::Apply { op, args } => {
                let args: Vec<&Piece> = args.iter().filter_map(|&a| pieces[a].as_ref()).collect();
                application(op.as_ref(), &args, functions)
            }
        };
        let shared = uses[id] > 1 && !piece.number && !matches!(node.kind, Kind::Input(_));
        let shared = shared || alone[id];
        let large = matches!(node.kind, Kind::Apply { .. }) && (piece.text.len() > LONG || piece.depth > DEEP);
        pieces[id] = Some(if shared || large {
            let name = loop {
                let name = format!("t{count}");
                count += 1;
                if !functions.taken.contains(&name) {
                    break name;
                }
            };
            lines.push(format!("{name} = {}", piece.text));
            Piece::atom(name)
        } else {
            piece
        });
    }
    let output = |&k: &usize| pieces[k].as_ref().map_or(String::new(), |p| p.text.clone());
    (lines, program.outputs().iter().map(output).collect())
}

/// The nodes in the order in which the text is read: line by line, then the outputs, arguments before their users. So
/// what is named by number keeps its name when the text is read and printed again.
fn reading_order(program: &Program) -> Vec<usize> {
    let uses = uses(program);
    let named = (0..uses.len()).filter(|&k| uses[k] > 1);
    let (mut done, mut order) = (vec![false; uses.len()], vec![]);
    for root in named.chain(program.outputs().iter().copied()) {
        let mut stack = vec![(root, false)];
        while let Some((id, ready)) = stack.pop() {
            if ready {
                order.push(id);
            } else if !std::mem::replace(&mut done[id], true) {
                stack.push((id, true));
                if let Kind::Apply { args, .. } = &program.nodes()[id].kind {
                    stack.extend(args.iter().rev().map(|&a| (a, false)));
                }
            }
        }
    }
    order
}

/// How often each node is used by nodes and outputs that are needed.
fn uses(program: &Program) -> Vec<usize> {
    let mut uses = vec![0; program.nodes().len()];
    program.outputs().iter().for_each(|&k| uses[k] += 1);
    for (id, node) in program.nodes().iter().enumerate().rev() {
        if uses[id] > 0
            && let Kind::Apply { args, .. } = &node.kind
        {
            args.iter().for_each(|&a| uses[a] += 1);
        }
    }
    uses
}

/// The constant arrays that are the only argument of an operator. They get a name: a list alone in a call may stand
/// for its items (`stack([a, b])`).
fn alone(program: &Program) -> Vec<bool> {
    let mut alone = vec![false; program.nodes().len()];
    for node in program.nodes() {
        if let Kind::Apply { args, .. } = &node.kind
            && let [only] = &**args
            && let Kind::Constant(value) = &program.nodes()[*only].kind
        {
            alone[*only] = !value.shape().is_empty();
        }
    }
    alone
}

/// An operator applied to printed arguments.
fn application(op: &dyn Op, args: &[&Piece], functions: &Functions<'_>) -> Piece {
    let params = op.params();
    // Between numbers alone, a symbol would be arithmetic done while reading; a call is not.
    let numbers = args.iter().all(|a| a.number);
    let (text, precedence) = match (op.notation(), args, params.as_slice()) {
        (Notation::Infix { symbol, precedence, right }, [a, b], []) if !numbers => {
            let (left, right) = if right { (precedence + 1, precedence) } else { (precedence, precedence + 1) };
            (format!("{} {symbol} {}", a.within(left), b.within(right)), precedence)
        }
        (Notation::Prefix(symbol), [a], []) if !numbers => (format!("{symbol}{}", a.within(SIGN)), SIGN),
        (Notation::PowerOfParam, [a], [(_, Param::Number(p))]) if !numbers => {
            (format!("{} ** {}", a.within(POWER + 1), number(*p).0), POWER)
        }
        (Notation::Subscript, [a], [(_, Param::Raw(index))]) => (format!("{}[{index}]", a.within(ATOM)), ATOM),
        (Notation::Where { symbol }, [l, r, a, b], _) => {
            let condition = format!("{} {symbol} {}", l.within(SUM), r.within(SUM));
            (format!("{}({condition}, {}, {})", op.name(), a.text, b.text), ATOM)
        }
        _ => (call(op.name(), args, &params, functions), ATOM),
    };
    let depth = 1 + args.iter().map(|a| a.depth).max().unwrap_or(0);
    Piece { text, precedence, depth, number: false }
}

/// `name(functions, arguments, parameter=value)`.
fn call(name: &str, args: &[&Piece], params: &[(&'static str, Param)], functions: &Functions<'_>) -> String {
    let programs = params.iter().filter_map(|(_, p)| match p {
        Param::Program(program) => Some(functions.name(program)),
        _ => None,
    });
    let keywords = params.iter().filter_map(|(name, p)| match p {
        Param::Csr(matrix) => Some(if functions.whole { parts(matrix) } else { "…".into() }),
        _ => Some(format!("{name}={}", param(p)?)),
    });
    let parts: Vec<String> = programs.chain(args.iter().map(|a| a.text.clone())).chain(keywords).collect();
    format!("{name}({})", parts.join(", "))
}

/// A sparse matrix, part by part.
fn parts(matrix: &Csr) -> String {
    let values: Vec<String> = matrix.values().iter().map(|x| number(*x).0).collect();
    let (shape, indptr, indices) = (ints(&matrix.shape()), matrix.indptr(), matrix.indices());
    format!("shape={shape}, indptr={indptr:?}, indices={indices:?}, values=[{}]", values.join(", "))
}

/// A parameter; None for a program, which stands before the arguments, and for what is several keywords.
fn param(p: &Param) -> Option<String> {
    Some(match p {
        Param::Number(x) => number(*x).0,
        Param::Int(k) => format!("{k}"),
        Param::Ints(many) => ints(many),
        Param::Flag(true) => "True".into(),
        Param::Flag(false) => "False".into(),
        Param::None => "None".into(),
        Param::Raw(text) => text.clone(),
        Param::Program(_) | Param::Csr(_) => return None,
    })
}

/// A tuple of integers, as Python writes it.
fn ints(many: &[impl fmt::Display]) -> String {
    match many {
        [one] => format!("({one},)"),
        _ => format!("({})", many.iter().map(|k| k.to_string()).collect::<Vec<_>>().join(", ")),
    }
}

/// A number that reads back bit for bit (but for the payload of a NaN), and how tightly it binds.
fn number(x: f64) -> (String, u8) {
    let sign = if x.is_sign_negative() { "-" } else { "" };
    let text = match x.abs() {
        y if y.is_nan() => format!("{sign}nan"),
        y if y.is_infinite() => format!("{sign}inf"),
        y => format!("{sign}{y:?}"),
    };
    (text, if sign.is_empty() { ATOM } else { SIGN })
}

/// A constant: a number, or nested lists of them.
fn constant(value: &Arc<Tensor>) -> Piece {
    let (shape, data) = (value.shape(), value.data());
    if shape.is_empty() {
        let (text, precedence) = number(data[0]);
        return Piece { text, precedence, depth: 0, number: true };
    }
    let uniform = data.windows(2).all(|w| w[0].to_bits() == w[1].to_bits());
    let empty_inside = shape.iter().rev().skip(1).any(|&n| n == 0);
    if empty_inside || uniform && data.len() > UNIFORM {
        let entry = data.first().copied().unwrap_or(0.0);
        return Piece::atom(format!("broadcast_to({}, shape={})", number(entry).0, ints(shape)));
    }
    let mut text = String::new();
    nested(shape, data, &mut text);
    Piece { depth: shape.len(), ..Piece::atom(text) }
}

fn nested(shape: &[usize], data: &[f64], text: &mut String) {
    let Some((&length, inner)) = shape.split_first() else {
        text.push_str(&number(data[0]).0);
        return;
    };
    let step = crate::tensor::size(inner);
    text.push('[');
    for k in 0..length {
        if k > 0 {
            text.push_str(", ");
        }
        nested(inner, &data[k * step..(k + 1) * step], text);
    }
    text.push(']');
}
