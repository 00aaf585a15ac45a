//! What a program costs, counted and not measured.

use super::compiled::Fast;
use super::lower::{Selections, lower};
use super::plan::{Plan, Uses, Work};
use super::schedule::{Fused, Operand, Schedule, Step};
use crate::error::Result;
use crate::program::op::Execution;
use crate::program::tie::Convention;
use crate::program::{Kind, Program};
use serde::Serialize;
use std::collections::HashSet;

/// The bytes of a number in f64, in which costs are stated.
const NUMBER: u64 = size_of::<f64>() as u64;

/// What one run of a compiled program costs, counted from the program as it is run: selections filled in, operators written
/// out, equal nodes merged. Bytes are those in f64; in f32 there are half as many.
///
/// ```
/// let f = clarke::Program::trace(&[&[3], &[3]], |v| (v[0] * v[1]).relu().sum())?;
/// let (value, gradient) = (f.cost(), f.value_and_gradient()?.cost());
/// assert_eq!((value.operations, value.bytes_read), (9, 48));
/// // Three steps, and their products with either factor: the cotangent of a sum is 1.
/// assert_eq!(gradient.operations, 9 + 3 + 6);
/// # Ok::<(), clarke::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Operations of unit cost (Bolte, Boustany, Pauwels, Pesquet-Popescu 2023, section 2): sums, products, quotients,
    /// comparisons and elementary functions like exp count one each, and so do ties and guarded products, the dictionary of
    /// derivatives. Kernels count the leading terms of what they do: 2·m·k·n for a product of matrices, n for a sum,
    /// n·log₂ n for a sort. What only moves numbers counts nothing.
    pub operations: u64,
    /// Instructions that elementwise loops execute, with copies, and one for each operation of a kernel.
    pub instructions: u64,
    /// Bytes that loops and kernels read, each of them once, single constants aside; of a loop over tiles what stays within a
    /// tile is not among them.
    pub bytes_read: u64,
    /// Bytes that they write.
    pub bytes_written: u64,
    /// The live minimum: the most bytes that are alive at once, in the order of the plan, if every value is freed after its
    /// last use. Inputs and outputs are the caller's and do not count; scratch space of kernels does.
    pub bytes_live: u64,
    /// The bytes of a [`Workspace`](crate::Workspace): what is alive, tiles, and what arrangement and alignment lose.
    pub bytes_workspace: u64,
}

/// What a value costs, and value and gradient together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GradientCost {
    /// The value alone.
    pub value: Cost,
    /// Value and gradient.
    pub gradient: Cost,
}

impl GradientCost {
    /// How many values a value with its gradient costs, in operations; 1 where neither takes any.
    pub fn ratio(&self) -> f64 {
        match (self.gradient.operations, self.value.operations) {
            (0, 0) => 1.0,
            (gradient, value) => gradient as f64 / value as f64,
        }
    }
}

impl Program {
    /// What one run costs once it is compiled, counted, with selections as [`Convention::MinNorm`] makes them. A sparse
    /// matrix that is not bound counts as an array.
    pub fn cost(&self) -> Cost {
        Cost::of(&lower(self, Selections::Filled(&|site| site.choice(Convention::MinNorm).selection)))
    }

    /// What the value costs, and value and gradient together: at most five times as many operations, if sums, products and
    /// piecewise linear functions are all there is (Bolte, Boustany, Pauwels, Pesquet-Popescu 2023).
    ///
    /// Errors: as [`Program::value_and_gradient`].
    pub fn gradient_cost(&self) -> Result<GradientCost> {
        Ok(GradientCost { value: self.cost(), gradient: self.value_and_gradient()?.cost() })
    }
}

impl Cost {
    /// That of a lowered program.
    fn of(program: &Program) -> Cost {
        let plan = Plan::<f64>::new(program, &Fast);
        let schedule = Schedule::new(program);
        let uses = Uses::new(&schedule);
        let (elementwise, kernels) = operations(program);
        let mut cost = Cost {
            operations: elementwise + kernels,
            instructions: kernels + plan.work.iter().map(instructions).sum::<u64>(),
            bytes_read: 0,
            bytes_written: 0,
            bytes_live: 0,
            bytes_workspace: NUMBER * plan.size as u64,
        };
        let mut live = Live::new(&schedule);
        for (at, step) in schedule.steps.iter().enumerate() {
            let (read, written) = traffic(&schedule, step, &uses.kept);
            cost.bytes_read += NUMBER * read;
            cost.bytes_written += NUMBER * written.iter().map(|&root| schedule.len(root) as u64).sum::<u64>();
            let scratch = match &plan.work[at] {
                Work::Kernel { kernel, .. } => kernel.scratch as u64,
                _ => 0,
            };
            live.step(&schedule, &written, scratch, &uses.ends[at]);
        }
        cost.bytes_live = NUMBER * live.most;
        cost
    }
}

/// The operations of the nodes of a lowered program: elementwise ones, and those of kernels.
fn operations(program: &Program) -> (u64, u64) {
    let (mut elementwise, mut kernels) = (0, 0);
    let inside = |body: &Program| {
        let (elementwise, kernels) = operations(&lower(body, Selections::Given));
        elementwise + kernels
    };
    for node in program.nodes() {
        let Kind::Apply { op, args } = &node.kind else { continue };
        match op.execution() {
            Execution::Pointwise(p) => elementwise += p.operations() * crate::tensor::size(&node.shape) as u64,
            Execution::Array(kernel) => {
                let shapes: Vec<&[usize]> = args.iter().map(|&a| program.nodes()[a].shape.as_slice()).collect();
                kernels += kernel.operations(&shapes, &node.shape, &inside);
            }
            Execution::Alias | Execution::Expanded => {}
        }
    }
    (elementwise, kernels)
}

/// The instructions of a piece of work that is no kernel.
fn instructions(work: &Work<f64>) -> u64 {
    match work {
        Work::Scalars(lines) => lines.len() as u64,
        Work::Loop(tiles) => (tiles.uniform.len() + tiles.body.len() * tiles.len) as u64,
        Work::Native { of, .. } => of.iter().map(instructions).sum(),
        Work::Kernel { .. } => 0,
    }
}

/// How many numbers a step reads, single constants aside, and the roots that it writes.
fn traffic(schedule: &Schedule<'_>, step: &Step, kept: &[bool]) -> (u64, Vec<usize>) {
    let nodes = schedule.program().nodes();
    match step {
        Step::Loop(Fused { members, totals, .. }) => {
            let own: HashSet<usize> = members.iter().copied().collect();
            let operands: HashSet<Operand> = members.iter().flat_map(|&id| schedule.operands(id)).collect();
            let roots: HashSet<usize> = operands.iter().map(Operand::root).filter(|r| !own.contains(r)).collect();
            let number = |root: usize| matches!(nodes[root].kind, Kind::Constant(_)) && schedule.len(root) == 1;
            let read = roots.iter().filter(|&&root| !number(root)).map(|&root| schedule.len(root) as u64).sum();
            // What is computed inside of another node's numbers counts there.
            let home = |id: usize| schedule.hosts.get(&id).map_or(id, |pad| pad.node);
            let kept = members.iter().copied().filter(|&id| kept[id]).map(home);
            (read, kept.chain(totals.iter().map(|t| t.node)).collect())
        }
        Step::Pad(_) => (0, vec![]),
        Step::Kernel(id) => {
            let Kind::Apply { args, .. } = &nodes[*id].kind else { unreachable!("a kernel's step is an application") };
            (args.iter().map(|&arg| schedule.len(arg) as u64).sum(), vec![*id])
        }
    }
}

/// The numbers that are alive while the steps are gone through.
struct Live {
    /// Which roots are made by steps and are no outputs.
    own: Vec<bool>,
    /// Which of them are made and not yet freed.
    alive: Vec<bool>,
    now: u64,
    most: u64,
}

impl Live {
    fn new(schedule: &Schedule<'_>) -> Live {
        let nodes = schedule.program().nodes();
        let mut own: Vec<bool> = nodes.iter().map(|node| matches!(node.kind, Kind::Apply { .. })).collect();
        schedule.program().outputs().iter().for_each(|&out| own[schedule.root(out)] = false);
        Live { alive: vec![false; own.len()], own, now: 0, most: 0 }
    }

    /// A step makes these roots, with scratch space, and is the last to read those.
    fn step(&mut self, schedule: &Schedule<'_>, made: &[usize], scratch: u64, ended: &[usize]) {
        for &root in made.iter().filter(|&&root| self.own[root]) {
            self.alive[root] = true;
            self.now += schedule.len(root) as u64;
        }
        self.most = self.most.max(self.now + scratch);
        for &root in ended {
            if std::mem::take(&mut self.alive[root]) {
                self.now -= schedule.len(root) as u64;
            }
        }
    }
}
