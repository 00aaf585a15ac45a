//! Everything that can be decided before the numbers are known: which code runs when, and where every number lives.

use super::code::{Action, At, Code, Line};
use super::kernels;
use super::memory::Memory;
use super::native::{self, Layout, Native};
use super::schedule::{Pad, Schedule, Step};
use super::share;
use crate::program::lanes::Level;
use crate::program::op::{self, Compiler};
use crate::program::real::Scalar;
use crate::program::record::Prim;
use crate::program::table::{Map, Mix};
use crate::program::{Kind, Program};
use crate::tensor::size;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

/// Where numbers live.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// In the workspace, from this offset.
    Memory(usize),
    /// In the caller's k-th input, from this offset.
    Input(usize, usize),
    /// In the caller's k-th output, from this offset.
    Output(usize, usize),
    /// Among the plan's constants, from this offset.
    Constant(usize),
}

impl Place {
    /// The place that many numbers further on.
    pub fn shifted(self, by: usize) -> Place {
        match self {
            Place::Memory(at) => Place::Memory(at + by),
            Place::Input(k, at) => Place::Input(k, at + by),
            Place::Output(k, at) => Place::Output(k, at + by),
            Place::Constant(at) => Place::Constant(at + by),
        }
    }
}

/// A program as work on a workspace.
///
/// The workspace begins with the single numbers: constants, values, registers. Then come arrays and scratch space,
/// reused as their lifetimes allow, and last the table of addresses that a run makes.
pub struct Plan<T> {
    /// The inputs' sizes.
    pub inputs: Vec<usize>,
    /// The outputs' sizes.
    pub outputs: Vec<usize>,
    /// Constants with more than one number.
    pub constants: Vec<T>,
    /// Single constants: they begin the workspace.
    pub numbers: Vec<T>,
    /// Inputs that are single numbers, and where they are put.
    pub singles: Vec<(usize, usize)>,
    /// The work, in order.
    pub work: Vec<Work<T>>,
    /// What is copied into outputs at the end: from where, which output, how much.
    pub copies: Vec<(Place, usize, usize)>,
    /// Where the table of addresses begins: those of the outputs, of the inputs, of the constants, then those of the
    /// loop that is interpreted.
    pub table: usize,
    /// How many addresses there are before those of a loop.
    pub fixed: usize,
    /// The machine code of some of the work.
    pub native: Option<Native>,
    /// The length of the workspace.
    pub size: usize,
}

/// A piece of work.
pub enum Work<T> {
    /// Single numbers.
    Scalars(Vec<Scalars>),
    /// A loop in tiles.
    Loop(Loop<T>),
    /// Loops and single numbers as machine code.
    Native {
        /// Where the function begins.
        entry: usize,
        /// What it was made from; it refers to the spread operands there.
        of: Vec<Work<T>>,
    },
    /// A kernel.
    Kernel {
        /// The kernel.
        kernel: op::Kernel<T>,
        /// Its arguments and their lengths.
        args: Vec<(Place, usize)>,
        /// Its value.
        out: (Place, usize),
        /// The offset of its scratch space.
        scratch: usize,
        /// How many threads it is worth, see [`share`](super::share).
        threads: usize,
    },
}

/// An instruction on single numbers, by their offsets.
#[derive(Debug, Clone, Copy)]
pub enum Scalars {
    /// A primitive; without one it copies.
    Apply { prim: Option<Prim>, to: u32, from: [u32; 4] },
    /// One number is fetched from an array.
    Fetch { from: Place, to: u32 },
}

/// A sum that a loop adds up on the way.
#[derive(Debug, Clone, Copy)]
pub struct Total {
    /// The offset of its lanes.
    pub lanes: usize,
    /// The offset of the sum.
    pub to: usize,
    /// The offset of what it is divided by, if it is.
    pub divisor: Option<usize>,
}

/// A loop in tiles of `block` positions, over a table of addresses: first those that move with the tile, then fixed
/// ones, then those of spread operands.
pub struct Loop<T> {
    pub len: usize,
    pub block: usize,
    pub uniform: Vec<Scalars>,
    pub moving: Vec<Place>,
    pub fixed: Vec<usize>,
    pub spreads: Vec<Spread>,
    pub totals: Vec<Total>,
    pub body: Vec<Instr<T>>,
}

/// An operand read with strides.
pub struct Spread {
    pub source: Place,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
    /// The offset of its tile.
    pub tile: usize,
}

/// An instruction on tiles, by places in the table.
pub enum Instr<T> {
    /// A primitive, or a copy; bit k of `tiles` tells whether operand k is a tile.
    Apply {
        prim: Option<Prim>,
        tiles: u8,
        kernel: kernels::Kernel<T>,
        to: u32,
        from: [u32; 4],
    },
    Gather {
        spread: u32,
        to: u32,
        in_place: bool,
    },
    /// Adds a tile, or a single number at each position, to the lanes of a total.
    Accumulate {
        total: u32,
        from: u32,
        is_tile: bool,
    },
}

/// How many bytes of tiles should be alive at once: three quarters of a usual first-level cache.
const TILES: usize = 24 << 10;
/// How long a tile is at most, in bytes: measured best at 256 f64, 512 f32.
const TILE: usize = 2 << 10;
/// Alignment of arrays, in bytes.
pub const ALIGN: usize = 64;

impl<T: Scalar> Plan<T> {
    /// The plan of a program without selections and expanded operators.
    pub fn new(program: &Program, compiler: &dyn Compiler<T>) -> Plan<T> {
        let schedule = Schedule::new(program);
        let uses = Uses::new(&schedule);
        let codes: Vec<Option<Code>> = schedule
            .steps
            .iter()
            .map(|step| match step {
                Step::Loop(of) => Some(Code::new(&schedule, of, &uses.kept)),
                Step::Kernel(_) | Step::Pad(_) => None,
            })
            .collect();
        let made = |memory| Planner::new(&schedule, &codes, size_of::<T>(), memory).work(&codes, &uses, compiler);
        let (work, planner) = made(Memory::new(ALIGN / size_of::<T>()));
        let (work, planner) = planner.memory.arranged().map_or((work, planner), made);
        planner.finish(work)
    }

    /// Whether there are kernels that several threads are worth.
    pub fn is_shared(&self) -> bool {
        self.work.iter().any(|work| matches!(work, Work::Kernel { threads: 2.., .. }))
    }

    /// How much scratch space the kernels need that as many threads share, at most.
    pub fn shared_scratch(&self, threads: usize) -> usize {
        let own = |work: &Work<T>| match work {
            Work::Kernel { kernel, threads: worth, .. } if *worth.min(&threads) > 1 => {
                worth.min(&threads) * kernel.scratch
            }
            _ => 0,
        };
        self.work.iter().map(own).max().unwrap_or(0)
    }

    /// The same with machine code of a level, where the machine can.
    pub fn with_native(mut self, level: Level) -> Plan<T> {
        let (inputs, constants) = (self.outputs.len(), self.fixed - 1);
        let layout = Layout { inputs, constants, numbers: &self.numbers, size: self.size };
        self.native = native::compile(&mut self.work, layout, level);
        self
    }
}

/// Who is read by whom.
pub(super) struct Uses {
    /// Roots read after their own step.
    pub kept: Vec<bool>,
    /// The roots that each step is the last to read.
    pub ends: Vec<Vec<usize>>,
}

impl Uses {
    pub fn new(schedule: &Schedule<'_>) -> Uses {
        let count = schedule.program().nodes().len();
        let mut home = vec![usize::MAX; count];
        for (at, step) in schedule.steps.iter().enumerate() {
            step.computed().into_iter().for_each(|id| home[id] = at);
        }
        let (mut kept, mut last) = (vec![false; count], home.clone());
        for (at, step) in schedule.steps.iter().enumerate() {
            let read: Vec<usize> = match step {
                Step::Loop(of) => of.members.iter().flat_map(|&id| schedule.operands(id)).map(|o| o.root()).collect(),
                Step::Pad(pad) => vec![pad.of],
                Step::Kernel(id) => {
                    schedule.kernel(*id).expect("a kernel's step").1.into_iter().map(|(root, _)| root).collect()
                }
            };
            for root in read.into_iter().filter(|&r| home[r] != at) {
                kept[root] = true;
                last[root] = at;
            }
        }
        for &out in schedule.program().outputs() {
            let root = schedule.root(out);
            kept[root] = true;
            last[root] = usize::MAX;
        }
        // What is computed inside of another node's numbers is freed with these, which live as long as either is read.
        for (&root, pad) in &schedule.hosts {
            last[pad.node] = last[pad.node].max(last[root]);
            last[root] = usize::MAX;
        }
        let mut ends = vec![vec![]; schedule.steps.len()];
        for (root, at) in last.into_iter().enumerate().filter(|(_, at)| *at != usize::MAX) {
            ends[at].push(root);
        }
        Uses { kept, ends }
    }
}

struct Planner<'a> {
    schedule: &'a Schedule<'a>,
    memory: Memory,
    /// Where each root's numbers are.
    places: Vec<Option<Place>>,
    /// Offsets of single constants, by bits.
    numbers: Map<u64, usize>,
    singles: Vec<(usize, usize)>,
    constants: Vec<f64>,
    copies: Vec<(Place, usize, usize)>,
    /// Where the registers begin.
    registers: usize,
    /// The longest table of addresses, and the most arguments of a kernel.
    table: usize,
    arity: usize,
    unit: usize,
    number: usize,
}

impl<'a> Planner<'a> {
    /// The work of all steps, with a place for everything.
    fn work<T: Scalar>(
        mut self,
        codes: &[Option<Code>],
        uses: &Uses,
        compiler: &dyn Compiler<T>,
    ) -> (Vec<Work<T>>, Planner<'a>) {
        self.place_outputs();
        let mut work = Vec::with_capacity(codes.len());
        for (at, step) in self.schedule.steps.iter().enumerate() {
            work.push(match (step, &codes[at]) {
                (Step::Kernel(id), _) => self.kernel(*id, compiler),
                (Step::Pad(pad), _) => self.zeros(pad),
                (Step::Loop(of), Some(code)) => self.code(code, &of.members, &uses.kept),
                _ => unreachable!("every loop has code"),
            });
            self.give_back(&uses.ends[at]);
        }
        (work, self)
    }

    /// Lays out the single numbers and looks up inputs and constants.
    fn new(schedule: &'a Schedule<'a>, codes: &[Option<Code>], number: usize, memory: Memory) -> Planner<'a> {
        let mut planner = Planner {
            schedule,
            memory,
            places: vec![None; schedule.program().nodes().len()],
            numbers: Map::default(),
            singles: vec![],
            constants: vec![],
            copies: vec![],
            registers: 0,
            table: 0,
            arity: 0,
            unit: ALIGN / number,
            number,
        };
        let lines = codes.iter().flatten().flat_map(|c| c.uniform.iter().chain(&c.tiled));
        let constants = lines.flat_map(|line| line.from).filter_map(|at| match at {
            At::Const(bits) => Some(bits),
            _ => None,
        });
        let divisors = codes.iter().flatten().flat_map(|c| &c.totals).map(|(_, divisor)| divisor.to_bits());
        let zeros = (!schedule.hosts.is_empty()).then_some(0);
        for bits in constants.chain(divisors).chain(zeros) {
            let next = planner.numbers.len();
            planner.numbers.entry(bits).or_insert(next);
        }
        let nodes = schedule.program().nodes();
        for (id, node) in nodes.iter().enumerate() {
            if let Kind::Constant(value) = &node.kind {
                let place = if let [x] = value.data() {
                    let next = planner.numbers.len();
                    Place::Memory(*planner.numbers.entry(x.to_bits()).or_insert(next))
                } else {
                    planner.constants.extend(value.data());
                    Place::Constant(planner.constants.len() - value.data().len())
                };
                planner.places[id] = Some(place);
            }
        }
        let mut next = planner.numbers.len();
        for (id, node) in nodes.iter().enumerate() {
            match &node.kind {
                Kind::Constant(_) => continue,
                Kind::Input(k) if schedule.len(id) == 1 => planner.singles.push((*k, next)),
                Kind::Input(k) => {
                    planner.places[id] = Some(Place::Input(*k, 0));
                    continue;
                }
                _ if schedule.len(id) == 1 => {}
                _ => continue,
            }
            planner.places[id] = Some(Place::Memory(next));
            next += 1;
        }
        planner.registers = next;
        let registers = codes.iter().flatten().map(|c| c.registers).max().unwrap_or(0);
        planner.memory.take(next + registers);
        planner
    }

    /// Lets what is computed for an output be written there; the rest is copied in the end.
    fn place_outputs(&mut self) {
        let computed = |id: usize| matches!(self.schedule.program().nodes()[id].kind, Kind::Apply { .. });
        for (k, &out) in self.schedule.program().outputs().iter().enumerate() {
            let (root, len) = (self.schedule.root(out), self.schedule.len(out));
            if len == 0 {
                continue;
            }
            match self.places[root] {
                Some(place) => self.copies.push((place, k, len)),
                None => {
                    debug_assert!(len > 1 && computed(root), "all other places are known");
                    self.places[root] = Some(Place::Output(k, 0));
                }
            }
        }
    }

    /// The place of a root; an empty one has none, and any place does.
    fn place(&self, root: usize) -> Place {
        self.places[root].unwrap_or(Place::Memory(0))
    }

    /// Finds a place for a root about to be computed.
    fn define(&mut self, root: usize) -> Place {
        if let Some(place) = self.places[root] {
            return place;
        }
        let place = match self.schedule.hosts.get(&root) {
            Some(pad) => self.define(pad.node).shifted(pad.at),
            None => Place::Memory(self.memory.take(self.schedule.len(root))),
        };
        self.places[root] = Some(place);
        place
    }

    /// The zeros beside what was computed in a node's place.
    fn zeros<T: Scalar>(&mut self, pad: &Pad) -> Work<T> {
        let (from, len) = pad.zeros;
        let moving = vec![self.place(pad.node).shifted(from)];
        let fixed = vec![self.numbers[&0]];
        self.table = self.table.max(2);
        let body = vec![Instr::Apply { prim: None, tiles: 0, kernel: kernels::fill::<T>, to: 0, from: [1; 4] }];
        let block = self.block(1, len);
        Work::Loop(Loop { len, block, uniform: vec![], moving, fixed, spreads: vec![], totals: vec![], body })
    }

    fn kernel<T: Scalar>(&mut self, id: usize, compiler: &dyn Compiler<T>) -> Work<T> {
        let nodes = self.schedule.program().nodes();
        let (kernels, roots) = self.schedule.kernel(id).expect("a kernel's step");
        let Kind::Apply { args, .. } = &nodes[id].kind else { unreachable!("a kernel's step is an application") };
        let shapes: Vec<&[usize]> = args.iter().map(|&a| nodes[a].shape.as_slice()).collect();
        let kernel = T::prepare(kernels, &shapes, &nodes[id].shape, compiler);
        let out = (self.define(id), self.schedule.len(id));
        let place =
            |(&(root, at), &arg): (&(usize, usize), &usize)| (self.place(root).shifted(at), self.schedule.len(arg));
        let args: Vec<(Place, usize)> = std::iter::zip(&roots, args).map(place).collect();
        let scratch = self.memory.take(kernel.scratch);
        self.memory.give(scratch, kernel.scratch);
        self.arity = self.arity.max(args.len());
        // Programs inside of operators are not shared, and count for nothing here.
        let operations = kernels.operations(&shapes, &nodes[id].shape, &|_| 0);
        let threads = share::worth(&kernel, operations);
        Work::Kernel { kernel, args, out, scratch, threads }
    }

    fn code<T: Scalar>(&mut self, code: &Code, members: &[usize], kept: &[bool]) -> Work<T> {
        members.iter().filter(|&&id| kept[id]).for_each(|&id| {
            self.define(id);
        });
        let uniform: Vec<Scalars> = code.uniform.iter().map(|line| self.scalar(line)).collect();
        if code.len == 1 {
            return Work::Scalars(uniform);
        }
        let mut seen: HashSet<At, BuildHasherDefault<Mix>> = HashSet::default();
        let all = code.tiled.iter().flat_map(|l| l.from.into_iter().chain([l.to]));
        let mut ats: Vec<At> = all.filter(|at| !matches!(at, At::Total(_)) && seen.insert(*at)).collect();
        let rank = |at: &At| match at {
            At::Read(..) | At::Write(_) => 0,
            At::Spread(_) => 2,
            _ => 1,
        };
        ats.sort_by_key(rank);
        let moving: Vec<Place> = ats
            .iter()
            .filter_map(|at| match at {
                At::Read(root, from) => Some(self.place(*root).shifted(*from)),
                At::Write(root) => Some(self.place(*root)),
                _ => None,
            })
            .collect();
        let tiles = code.slots + code.spreads.len();
        let block = self.block(tiles + moving.len(), code.len);
        // Tiles a power of two apart would fight for the same lines of the cache.
        let apart = block.next_multiple_of(self.unit) + self.unit;
        let all = tiles * apart + code.totals.len() * self.unit;
        let base = self.memory.take(all);
        self.memory.give(base, all);
        let total = |(k, (node, divisor)): (usize, &(usize, f64))| Total {
            lanes: base + tiles * apart + k * self.unit,
            to: self.single(At::Single(*node)),
            divisor: (*divisor != 1.0).then(|| self.numbers[&divisor.to_bits()]),
        };
        let totals = code.totals.iter().enumerate().map(total).collect();
        let fixed = ats
            .iter()
            .filter(|at| rank(at) == 1)
            .map(|at| if let At::Slot(k) = at { base + k * apart } else { self.single(*at) })
            .collect();
        let entry: Map<At, u32> = std::iter::zip(ats.iter().copied(), 0..).collect();
        let mut spreads = vec![];
        for (k, (root, shape, strides)) in code.spreads.iter().enumerate() {
            let tile = base + (code.slots + k) * apart;
            spreads.push(Spread { source: self.place(*root), shape: shape.clone(), strides: strides.clone(), tile });
        }
        let body = code.tiled.iter().map(|line| instruction(line, &entry)).collect();
        self.table = self.table.max(ats.len());
        Work::Loop(Loop { len: code.len, block, uniform, moving, fixed, spreads, totals, body })
    }

    /// How long tiles are: short enough for the first-level cache, and not much longer than the loop.
    fn block(&self, alive: usize, len: usize) -> usize {
        let mut block = TILE / self.number;
        while block > 64 && block * self.number * alive > TILES {
            block /= 2;
        }
        block.min(len)
    }

    /// The offset of a single number.
    fn single(&self, at: At) -> usize {
        match at {
            At::Const(bits) => self.numbers[&bits],
            At::Register(k) => self.registers + k,
            At::Single(root) => match self.place(root) {
                Place::Memory(offset) => offset,
                _ => unreachable!("single numbers are in the workspace"),
            },
            _ => unreachable!("neither tiles nor numbers of arrays are single numbers of the workspace"),
        }
    }

    fn scalar(&self, line: &Line) -> Scalars {
        let offset = |at: At| u32::try_from(self.single(at)).expect("fewer than 2³² single numbers");
        let to = offset(line.to);
        match (line.action, line.from[0]) {
            (_, At::Element(root, at)) => Scalars::Fetch { from: self.place(root).shifted(at), to },
            (Action::Prim(prim), _) => Scalars::Apply { prim: Some(prim), to, from: line.from.map(offset) },
            (Action::Copy, _) => Scalars::Apply { prim: None, to, from: line.from.map(offset) },
            (Action::Gather(_) | Action::Accumulate(_), _) => unreachable!("these are done at every position"),
        }
    }

    /// Frees the places of roots that nothing reads any more.
    fn give_back(&mut self, roots: &[usize]) {
        for root in roots {
            let len = self.schedule.len(*root);
            if let (Some(Place::Memory(offset)), true) = (self.places[*root], len > 1) {
                self.memory.give(offset, len);
            }
        }
    }

    fn finish<T: Scalar>(self, work: Vec<Work<T>>) -> Plan<T> {
        let program = self.schedule.program();
        let mut numbers = vec![T::of(0.0); self.numbers.len()];
        for (bits, at) in &self.numbers {
            numbers[*at] = T::of(f64::from_bits(*bits));
        }
        let (inputs, outputs) = (program.inputs().len(), program.outputs().len());
        let fixed = outputs + inputs + 1;
        let words = fixed + self.table + 2 * self.arity;
        let table = self.memory.size();
        Plan {
            inputs: program.inputs().iter().map(|i| size(&i.shape)).collect(),
            outputs: program.output_shapes().iter().map(|s| size(s)).collect(),
            fixed,
            native: None,
            constants: self.constants.iter().map(|x| T::of(*x)).collect(),
            numbers,
            singles: self.singles,
            work,
            copies: self.copies,
            table,
            size: table + (words * size_of::<*mut T>()).div_ceil(self.number),
        }
    }
}

fn instruction<T: Scalar>(line: &Line, entry: &Map<At, u32>) -> Instr<T> {
    let from = line.from.map(|at| entry[&at]);
    let to = entry.get(&line.to).copied().unwrap_or(0);
    match line.action {
        Action::Accumulate(k) => {
            Instr::Accumulate { total: k as u32, from: from[0], is_tile: !line.from[0].is_single() }
        }
        Action::Gather(k) => Instr::Gather { spread: k as u32, to, in_place: !matches!(line.to, At::Spread(_)) },
        Action::Copy if line.from[0].is_single() => {
            Instr::Apply { prim: None, tiles: 0, kernel: kernels::fill::<T>, to, from }
        }
        Action::Copy => Instr::Apply { prim: None, tiles: 1, kernel: kernels::copy::<T>, to, from },
        Action::Prim(prim) => {
            let tile = |k: usize| u8::from(k < prim.arity() && !line.from[k].is_single()) << k;
            let tiles = (0..4).map(tile).sum();
            Instr::Apply { prim: Some(prim), tiles, kernel: kernels::kernel(prim, tiles), to, from }
        }
    }
}
