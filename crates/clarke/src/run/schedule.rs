//! Which nodes are computed, in which loops, in which order.
//!
//! A *root* is a node whose numbers exist somewhere: an input, a constant, the result of a kernel, or an elementwise
//! node. Every other node is a *view* of a root: reshapes, and the identity of a stretched argument (broadcasting),
//! cost nothing and are resolved here.
//!
//! Elementwise roots of one length whose dependences allow it form one loop. Each root has a *stage*: a loop's member
//! may read another one at the same position within the same stage; anything else that it reads has an earlier stage.
//! Loops are the sets of equal stage and length, so the order by stages is free of cycles.

use crate::program::op::{Execution, Kernels, Op, Recordable, Shortcut};
use crate::program::record::{Operand as Recorded, Recording};
use crate::program::table::Map;
use crate::program::{Kind, Node, Program};
use crate::tensor::{broadcast_strides, size};

/// Where the numbers of a node are.
#[derive(Debug, Clone)]
enum View {
    /// Those of a root in the root's order; or one number everywhere, if the root has one.
    Flat(usize),
    /// Those of a root read with these strides over the node's shape.
    Spread(usize, Vec<usize>),
    /// A stretch of a root's numbers, from this position on.
    Window(usize, usize),
}

/// What an elementwise operator reads, at the positions of its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A stretch of a root, as long as the loop, from this position on; the whole of it if the root has that length.
    Full(usize, usize),
    /// The single number of a root.
    Single(usize),
    /// One number of a longer root, at this position.
    Element(usize, usize),
    /// A root read with strides that are 0 along stretched axes; (shape, strides) without axes of length 1 and with
    /// axes joined where possible, so that the last stride is 0 or 1.
    Spread(usize, Vec<usize>, Vec<usize>),
}

impl Operand {
    /// The root it reads.
    pub fn root(&self) -> usize {
        match self {
            Operand::Full(r, _) | Operand::Single(r) | Operand::Element(r, _) | Operand::Spread(r, ..) => *r,
        }
    }
}

/// A stretch of a root's numbers: the root, and where it begins.
pub type Stretch = (usize, usize);

/// A piece of work.
#[derive(Debug)]
pub enum Step {
    /// Elementwise roots of one length, in one loop.
    Loop(Fused),
    /// One node by its kernel.
    Kernel(usize),
    /// Zeros beside a root that was computed inside of this node's numbers.
    Pad(Pad),
}

/// A node that is zeros but for the numbers of a root at its beginning or its end.
#[derive(Debug, Clone, Copy)]
pub struct Pad {
    /// The node.
    pub node: usize,
    /// The root.
    pub of: usize,
    /// Where the root's numbers begin.
    pub at: usize,
    /// The zeros: where they begin, and how many there are.
    pub zeros: (usize, usize),
}

/// A loop.
#[derive(Debug)]
pub struct Fused {
    /// How many positions there are.
    pub len: usize,
    /// Its members, in order.
    pub members: Vec<usize>,
    /// The sums of all numbers of members that are added up on the way.
    pub totals: Vec<Total>,
}

/// A sum of all numbers of a member of a loop, divided by a number.
#[derive(Debug, Clone, Copy)]
pub struct Total {
    /// The node that is this sum.
    pub node: usize,
    /// The member.
    pub of: usize,
    /// What the sum is divided by.
    pub divisor: f64,
}

impl Step {
    /// The nodes that are computed.
    pub fn computed(&self) -> Vec<usize> {
        match self {
            Step::Loop(of) => of.members.iter().copied().chain(of.totals.iter().map(|t| t.node)).collect(),
            Step::Kernel(id) => vec![*id],
            Step::Pad(pad) => vec![pad.node],
        }
    }
}

/// How the numbers of a node are computed in a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Formula {
    /// Not at all: it is no elementwise root.
    None,
    /// The node's view is copied.
    Copy,
    /// By the recording of this number.
    Recorded(usize),
}

/// The order of work for a program without expanded operators. What is known of nodes stands by their numbers.
pub struct Schedule<'a> {
    program: &'a Program,
    sizes: Vec<usize>,
    views: Vec<View>,
    formulas: Vec<Formula>,
    recordings: Vec<Recording>,
    /// The recordings of operators without parameters, by name.
    plain: Map<&'static str, usize>,
    /// Which member of its loop each is.
    positions: Vec<usize>,
    /// The work, in order.
    pub steps: Vec<Step>,
    /// The roots that are computed inside of other nodes' numbers.
    pub hosts: Map<usize, Pad>,
}

impl<'a> Schedule<'a> {
    /// Resolves views and orders the work.
    pub fn new(program: &'a Program) -> Schedule<'a> {
        let nodes = program.nodes();
        let mut schedule = Schedule {
            program,
            sizes: nodes.iter().map(|node| size(&node.shape)).collect(),
            views: Vec::with_capacity(nodes.len()),
            formulas: vec![Formula::None; nodes.len()],
            recordings: vec![],
            plain: Map::default(),
            positions: vec![0; nodes.len()],
            steps: vec![],
            hosts: Map::default(),
        };
        for (id, node) in nodes.iter().enumerate() {
            let view = schedule.view(id, node);
            schedule.views.push(view);
        }
        for &out in program.outputs() {
            schedule.stored(out);
        }
        schedule.order();
        schedule
    }

    /// The program.
    pub fn program(&self) -> &'a Program {
        self.program
    }

    fn node(&self, id: usize) -> &'a Node {
        &self.program.nodes()[id]
    }

    /// How many numbers a node has.
    pub fn len(&self, id: usize) -> usize {
        self.sizes[id]
    }

    /// Whether a node is computed in a loop.
    fn is_member(&self, id: usize) -> bool {
        self.formulas[id] != Formula::None
    }

    /// Where in a loop a node stands, if it is computed there.
    pub fn position(&self, of: &Fused, id: usize) -> Option<usize> {
        let at = self.positions[id];
        (of.members.get(at) == Some(&id)).then_some(at)
    }

    fn view(&mut self, id: usize, node: &Node) -> View {
        let Kind::Apply { op, args } = &node.kind else { return View::Flat(id) };
        match op.execution() {
            Execution::Alias => match self.views[args[0]] {
                View::Flat(root) => View::Flat(root),
                View::Window(root, at) => View::Window(root, at),
                View::Spread(..) => View::Flat(self.stored(args[0])),
            },
            Execution::Pointwise(p) => self.pointwise(id, op.as_ref(), p, args),
            Execution::Array(_) => {
                if let Some(Shortcut::Window(at)) = op.shortcut(&self.node(args[0]).shape) {
                    return self.window(args[0], at, size(&node.shape));
                }
                for &arg in args {
                    self.stretch(arg);
                }
                View::Flat(id)
            }
            Execution::Expanded => unreachable!("expanded operators were written out"),
        }
    }

    /// The number of an operator's recording, which those without parameters share.
    fn recording(&mut self, op: &dyn Op, pointwise: &dyn Recordable) -> usize {
        let plain = op.params().is_empty();
        if let Some(&known) = self.plain.get(op.name()).filter(|_| plain) {
            return known;
        }
        self.recordings.push(pointwise.record());
        let number = self.recordings.len() - 1;
        if plain {
            self.plain.insert(op.name(), number);
        }
        number
    }

    fn pointwise(&mut self, id: usize, op: &dyn Op, pointwise: &dyn Recordable, args: &[usize]) -> View {
        let node = self.node(id);
        for &arg in args {
            let stretched = self.len(arg) > 1 && self.len(arg) != size(&node.shape);
            if stretched && matches!(self.views[arg], View::Window(..)) {
                self.stored(arg);
            }
        }
        let number = self.recording(op, pointwise);
        let recording = &self.recordings[number];
        if let (true, Recorded::Arg(k)) = (recording.instrs.is_empty(), recording.result) {
            let strides = self.strides(args[k], &node.shape);
            return match self.operand(args[k], &node.shape) {
                Operand::Full(root, at) => self.part(root, at, size(&node.shape)),
                Operand::Single(root) => View::Flat(root),
                Operand::Element(root, at) if size(&node.shape) == 1 => self.part(root, at, 1),
                Operand::Element(..) => View::Flat(self.stored(args[k])),
                Operand::Spread(root, ..) => View::Spread(root, strides),
            };
        }
        self.formulas[id] = Formula::Recorded(number);
        View::Flat(id)
    }

    /// A stretch of this length of a root's numbers.
    fn part(&self, root: usize, at: usize, len: usize) -> View {
        if self.len(root) == len { View::Flat(root) } else { View::Window(root, at) }
    }

    /// A stretch of a node's numbers.
    fn window(&mut self, id: usize, at: usize, len: usize) -> View {
        let (root, first) = self.stretch(id);
        self.part(root, first + at, len)
    }

    /// The stretch of a root that holds exactly the numbers of a node, by where it begins; what is stretched becomes a
    /// root of its own.
    fn stretch(&mut self, id: usize) -> Stretch {
        match self.views[id] {
            View::Window(root, at) => (root, at),
            _ => (self.stored(id), 0),
        }
    }

    /// The same once everything is resolved.
    fn resolved(&self, id: usize) -> Stretch {
        match self.views[id] {
            View::Window(root, at) => (root, at),
            _ => (self.root(id), 0),
        }
    }

    /// The root that holds exactly the numbers of a node, in its order; a stretched view becomes a root of its own.
    pub fn stored(&mut self, id: usize) -> usize {
        match self.views[id] {
            View::Flat(root) if self.len(root) == self.len(id) => root,
            _ => {
                if !self.is_member(id) {
                    self.formulas[id] = Formula::Copy;
                }
                id
            }
        }
    }

    /// The same once everything is resolved.
    pub fn root(&self, id: usize) -> usize {
        match self.views[id] {
            View::Flat(root) if self.len(root) == self.len(id) => root,
            _ => id,
        }
    }

    /// The strides with which the root of `id` is read over a shape that `id` broadcasts to.
    fn strides(&self, id: usize, shape: &[usize]) -> Vec<usize> {
        let own = &self.node(id).shape;
        match &self.views[id] {
            View::Flat(root) if self.len(*root) == 1 => vec![0; shape.len()],
            View::Flat(_) | View::Window(..) => broadcast_strides(own, shape),
            View::Spread(_, strides) => {
                let skip = shape.len() - own.len();
                let at = |k: usize| if k < skip || own[k - skip] != shape[k] { 0 } else { strides[k - skip] };
                (0..shape.len()).map(at).collect()
            }
        }
    }

    /// How an elementwise operator whose value has this shape reads the argument `id`.
    pub fn operand(&self, id: usize, shape: &[usize]) -> Operand {
        let root = match self.views[id] {
            View::Window(root, at) if self.len(id) == 1 => return Operand::Element(root, at),
            View::Window(root, at) if self.len(id) == size(shape) => return Operand::Full(root, at),
            // Its numbers were put into a root of its own.
            View::Window(..) => id,
            View::Flat(root) | View::Spread(root, _) => root,
        };
        if self.len(root) == 1 {
            return Operand::Single(root);
        }
        if matches!(self.views[id], View::Flat(_)) && self.len(id) == size(shape) {
            return Operand::Full(root, 0);
        }
        let (shape, strides) = joined(shape, &self.strides(id, shape));
        Operand::Spread(root, shape, strides)
    }

    /// What a member of a loop reads.
    pub fn operands(&self, id: usize) -> impl Iterator<Item = Operand> {
        let node = self.node(id);
        let (copied, args) = match (self.formulas[id], &node.kind) {
            (Formula::Recorded(_), Kind::Apply { args, .. }) => (None, &**args),
            _ => (Some(id), &[][..]),
        };
        copied.into_iter().chain(args.iter().copied()).map(|of| self.operand(of, &node.shape))
    }

    /// The formula that a member applies to what it reads; without one it is a copy of its only operand.
    pub fn formula(&self, id: usize) -> Option<&Recording> {
        match self.formulas[id] {
            Formula::Recorded(number) => Some(&self.recordings[number]),
            Formula::None | Formula::Copy => None,
        }
    }

    /// The kernels of a node executed by its kernel, and for each argument the root with its numbers and where they
    /// begin in it.
    pub fn kernel(&self, id: usize) -> Option<(&'a dyn Kernels, Vec<Stretch>)> {
        let Kind::Apply { op, args } = &self.node(id).kind else { return None };
        match op.execution() {
            Execution::Array(kernels) if op.shortcut(&self.node(args[0]).shape).is_none_or(|s| !s.is_window()) => {
                Some((kernels, args.iter().map(|&a| self.resolved(a)).collect()))
            }
            _ => None,
        }
    }

    /// The sum that a node is of all numbers of a member of a loop.
    fn total(&self, id: usize) -> Option<Total> {
        let Kind::Apply { op, args } = &self.node(id).kind else { return None };
        let arg = *args.first()?;
        match (op.shortcut(&self.node(arg).shape)?, &self.views[arg]) {
            (Shortcut::Total(divisor), &View::Flat(of))
                if self.is_member(of) && self.len(of) == self.len(arg) && self.len(of) > 1 =>
            {
                Some(Total { node: id, of, divisor })
            }
            _ => None,
        }
    }

    /// How a node is zeros beside a root of a loop, which may then be computed in its place.
    fn pad(&self, id: usize, is_output: &[bool]) -> Option<Pad> {
        let Kind::Apply { op, args } = &self.node(id).kind else { return None };
        let arg = *args.first()?;
        let (Shortcut::Pad(at), &View::Flat(of)) = (op.shortcut(&self.node(arg).shape)?, &self.views[arg]) else {
            return None;
        };
        let (len, all) = (self.len(of), self.len(id));
        let own = self.is_member(of) && len == self.len(arg) && len > 1;
        let zeros = if at == 0 { (len, all - len) } else { (0, at) };
        let beside = all > len && (at == 0 || at + len == all);
        let free = !self.hosts.contains_key(&of) && !is_output[of];
        (own && beside && free).then_some(Pad { node: id, of, at, zeros })
    }

    /// Fills `steps`.
    fn order(&mut self) {
        let mut is_output = vec![false; self.views.len()];
        self.program.outputs().iter().for_each(|&out| is_output[self.root(out)] = true);
        // Stage 0 is that of inputs and constants.
        let mut stage = vec![0usize; self.views.len()];
        let mut loops: Map<(usize, usize), usize> = Map::default();
        let mut steps: Vec<(usize, Step)> = vec![];
        for id in 0..self.views.len() {
            let length = self.len(id);
            if self.is_member(id) {
                // Only what is read position by position may be computed in the same loop.
                let within = |o: &Operand| match *o {
                    Operand::Full(r, _) | Operand::Single(r) => self.is_member(r) && self.len(r) == length,
                    Operand::Element(..) | Operand::Spread(..) => false,
                };
                let after = |o: &Operand| stage[o.root()] + usize::from(!within(o));
                stage[id] = self.operands(id).map(|o| after(&o)).max().unwrap_or(0).max(1);
                if length == 0 {
                    continue;
                }
                let at = *loops.entry((stage[id], length)).or_insert_with(|| {
                    steps.push((stage[id], Step::Loop(Fused { len: length, members: vec![], totals: vec![] })));
                    steps.len() - 1
                });
                if let Step::Loop(of) = &mut steps[at].1 {
                    self.positions[id] = of.members.len();
                    of.members.push(id);
                }
            } else if let Some(total) = self.total(id) {
                stage[id] = stage[total.of];
                let at = loops[&(stage[id], self.len(total.of))];
                if let Step::Loop(of) = &mut steps[at].1 {
                    of.totals.push(total);
                }
            } else if let Some(pad) = self.pad(id, &is_output) {
                stage[id] = stage[pad.of] + 1;
                steps.push((stage[id], Step::Pad(pad)));
                self.hosts.insert(pad.of, pad);
            } else if let Some((_, roots)) = self.kernel(id) {
                stage[id] = roots.iter().map(|&(r, _)| stage[r]).max().unwrap_or(0) + 1;
                if length > 0 {
                    steps.push((stage[id], Step::Kernel(id)));
                }
            }
        }
        steps.sort_by_key(|(stage, _)| *stage);
        self.steps = steps.into_iter().map(|(_, step)| step).collect();
    }
}

/// Shape and strides without axes of length 1, neighbours joined where one stride covers both.
fn joined(shape: &[usize], strides: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut out: (Vec<usize>, Vec<usize>) = (vec![], vec![]);
    for (&n, &step) in std::iter::zip(shape, strides).filter(|(n, _)| **n != 1) {
        match (out.0.last_mut(), out.1.last_mut()) {
            (Some(outer), Some(stride)) if *stride == step * n => {
                *outer *= n;
                *stride = step;
            }
            _ => {
                out.0.push(n);
                out.1.push(step);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_join_where_one_stride_covers_both() {
        assert_eq!(joined(&[2, 1, 3, 4], &[0, 7, 4, 1]), (vec![2, 12], vec![0, 1]));
        assert_eq!(joined(&[5, 6, 2], &[0, 0, 1]), (vec![30, 2], vec![0, 1]));
        assert_eq!(joined(&[2, 3], &[1, 0]), (vec![2, 3], vec![1, 0]));
    }

    #[test]
    fn a_chain_is_one_loop_and_broadcasting_costs_nothing() {
        let p = Program::trace(&[&[4, 3], &[3]], |v| {
            (v[0] * v[1] + v[1].broadcast_to(&[4, 3])).relu().reshape(&[12]).abs()
        })
        .unwrap();
        let schedule = Schedule::new(&p);
        assert_eq!(schedule.steps.len(), 1);
        assert!(matches!(&schedule.steps[0], Step::Loop(of) if of.len == 12 && of.members.len() == 4));
    }

    #[test]
    fn what_needs_a_sum_of_the_loop_comes_after_it() {
        let p = Program::trace(&[&[4]], |v| v[0].relu() * v[0].relu().sum_to(&[])).unwrap().simplify();
        let schedule = Schedule::new(&p);
        let totals = |step: &Step| if let Step::Loop(of) = step { of.totals.len() } else { 9 };
        assert_eq!(schedule.steps.iter().map(totals).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn stretches_are_read_where_they_lie() {
        let p = Program::trace(&[&[9]], |v| {
            let part = |from: usize, to: usize| v[0].slice(0, from..to);
            (part(1, 9) - part(0, 8)).abs().sum_to(&[]) + part(2, 3).reshape(&[])
        })
        .unwrap();
        let schedule = Schedule::new(&p);
        assert_eq!(schedule.steps.len(), 2);
        assert!(matches!(&schedule.steps[0], Step::Loop(of) if of.len == 8 && of.totals.len() == 1));
    }
}
