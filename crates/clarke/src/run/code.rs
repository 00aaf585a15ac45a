//! The instructions of one loop: the recordings of its members put together, equal instructions once, temporaries on
//! as few slots as their lifetimes allow.
//!
//! What depends on single numbers only is *uniform*: computed once before the loop, into registers. A loop of length 1
//! is uniform altogether. The rest works on tiles: blocks of consecutive positions that stay in the first-level cache.
//! An instruction never writes where it reads.

use super::schedule::{Fused, Operand, Schedule};
use crate::program::record::{Operand as Recorded, Prim};
use crate::program::table::{Table, hash};

/// What an instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A primitive.
    Prim(Prim),
    /// Nothing: the first operand is copied.
    Copy,
    /// The k-th spread operand of the loop is laid out.
    Gather(usize),
    /// The first operand is added to the k-th total of the loop.
    Accumulate(usize),
}

/// Where an instruction reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// A constant, by its bits as f64.
    Const(u64),
    /// The single number of a root.
    Single(usize),
    /// One number of a longer root, at this position.
    Element(usize, usize),
    /// A uniform temporary.
    Register(usize),
    /// A stretch of a root that begins at this position, read at the loop's position.
    Read(usize, usize),
    /// A root of the loop's length, written by this loop.
    Write(usize),
    /// A tile.
    Slot(usize),
    /// The tile of the k-th spread operand.
    Spread(usize),
    /// The lanes of the k-th total.
    Total(usize),
}

impl At {
    /// Whether it is one number for the whole loop.
    pub fn is_single(self) -> bool {
        matches!(self, At::Const(_) | At::Single(_) | At::Element(..) | At::Register(_))
    }
}

/// One instruction; operands past the arity repeat the last one.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What is done.
    pub action: Action,
    /// Where the result goes.
    pub to: At,
    /// The operands.
    pub from: [At; 4],
}

/// A loop's instructions.
#[derive(Debug)]
pub struct Code {
    /// How many positions there are.
    pub len: usize,
    /// Done once, before.
    pub uniform: Vec<Line>,
    /// Done for each tile.
    pub tiled: Vec<Line>,
    /// How many uniform temporaries there are.
    pub registers: usize,
    /// How many tiles.
    pub slots: usize,
    /// Root, shape and strides of the spread operands.
    pub spreads: Vec<(usize, Vec<usize>, Vec<usize>)>,
    /// Of each total the node that it is, and what it is divided by.
    pub totals: Vec<(usize, f64)>,
}

impl Code {
    /// The code of a loop; `kept` are roots whose numbers are needed after it.
    pub fn new(schedule: &Schedule<'_>, of: &Fused, kept: &[bool]) -> Code {
        let mut draft = Draft::of(of.len, of.members.len());
        let mut totals = of.totals.clone();
        totals.sort_by_key(|t| t.of);
        let mut totals = totals.into_iter().peekable();
        for &id in &of.members {
            let value = draft.member(schedule, of, id);
            draft.defined.push(value);
            // What is added up is at hand right after it was computed.
            while let Some(total) = totals.next_if(|t| t.of == id) {
                draft.total(total.node, value, total.divisor);
            }
        }
        let draft = draft.grouped();
        let members = std::iter::zip(&of.members, &draft.defined);
        let kept = members.filter(|(id, _)| kept[**id]).map(|(id, value)| (*id, *value)).collect();
        draft.allocate(kept)
    }
}

/// A value while the code is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Value {
    Const(u64),
    Single(usize),
    Element(usize, usize),
    Read(usize, usize),
    /// The k-th instruction.
    Temp(usize),
}

#[derive(Default)]
struct Draft {
    len: usize,
    lines: Vec<(Action, [Value; 4])>,
    uniform: Vec<bool>,
    /// Lines by what they do.
    known: Table,
    /// The values of the loop's members, as far as they are known.
    defined: Vec<Value>,
    /// The operands of the member that is looked at.
    args: Vec<Value>,
    /// The temporaries of its formula.
    temps: Vec<Value>,
    spreads: Vec<(usize, Vec<usize>, Vec<usize>)>,
    totals: Vec<(usize, f64)>,
}

impl Draft {
    fn of(len: usize, members: usize) -> Draft {
        let (lines, uniform) = (Vec::with_capacity(members), Vec::with_capacity(members));
        Draft { len, lines, uniform, defined: Vec::with_capacity(members), ..Draft::default() }
    }

    fn total(&mut self, node: usize, value: Value, divisor: f64) {
        self.lines.push((Action::Accumulate(self.totals.len()), [value; 4]));
        self.uniform.push(false);
        self.totals.push((node, divisor));
    }

    /// The value of a member.
    fn member(&mut self, schedule: &Schedule<'_>, of: &Fused, id: usize) -> Value {
        let mut args = std::mem::take(&mut self.args);
        args.clear();
        args.extend(schedule.operands(id).map(|o| self.operand(schedule, of, o)));
        let mut temps = std::mem::take(&mut self.temps);
        temps.clear();
        let get = |o: Recorded, temps: &[Value]| match o {
            Recorded::Arg(k) => args[k],
            Recorded::Const(c) => Value::Const(c.to_bits()),
            Recorded::Temp(k) => temps[k],
        };
        let value = match schedule.formula(id) {
            None => args[0],
            Some(recording) => {
                for instr in &recording.instrs {
                    let from = instr.operands.map(|o| get(o, &temps));
                    temps.push(self.emit(Action::Prim(instr.prim), from));
                }
                get(recording.result, &temps)
            }
        };
        (self.args, self.temps) = (args, temps);
        value
    }

    fn operand(&mut self, schedule: &Schedule<'_>, of: &Fused, operand: Operand) -> Value {
        let defined = |root| self.defined.get(schedule.position(of, root)?).copied();
        match operand {
            Operand::Full(r, at) => defined(r).unwrap_or(Value::Read(r, at)),
            Operand::Element(r, at) => self.emit(Action::Copy, [Value::Element(r, at); 4]),
            Operand::Single(r) => defined(r).unwrap_or(Value::Single(r)),
            Operand::Spread(root, shape, strides) => {
                let spread = (root, shape, strides);
                let k = self.spreads.iter().position(|s| *s == spread).unwrap_or_else(|| {
                    self.spreads.push(spread);
                    self.spreads.len() - 1
                });
                self.emit(Action::Gather(k), [Value::Const(0); 4])
            }
        }
    }

    fn emit(&mut self, action: Action, from: [Value; 4]) -> Value {
        let line = (action, from);
        let hash = hash(&line);
        if let Some(k) = self.known.find(hash, |k| self.lines[k] == line) {
            return Value::Temp(k);
        }
        let uniform = !matches!(action, Action::Gather(_)) && from.iter().all(|v| self.is_uniform(*v));
        self.lines.push(line);
        self.uniform.push(uniform);
        self.known.insert(hash, self.lines.len() - 1);
        Value::Temp(self.lines.len() - 1)
    }

    fn is_uniform(&self, value: Value) -> bool {
        match value {
            Value::Const(_) | Value::Single(_) | Value::Element(..) => true,
            Value::Read(..) => false,
            Value::Temp(k) => self.uniform[k],
        }
    }

    /// The temporaries that an instruction reads.
    fn reads(&self, line: usize) -> impl Iterator<Item = usize> {
        self.lines[line].1.into_iter().filter_map(|v| if let Value::Temp(k) = v { Some(k) } else { None })
    }

    /// The same with as few changes as possible between arithmetic and calls (functions, the layout of spread operands):
    /// what lies between two calls is one pass over a tile.
    fn grouped(self) -> Draft {
        if self.uniform.iter().all(|uniform| *uniform) {
            return self;
        }
        let calls = |action: &Action| match action {
            Action::Prim(prim) => !prim.is_instruction(),
            Action::Gather(_) => true,
            Action::Copy | Action::Accumulate(_) => false,
        };
        // How many groups of calls each line waits for; what is laid out waits for nothing, and comes first.
        let mut rank: Vec<usize> = vec![];
        for (k, (action, _)) in self.lines.iter().enumerate() {
            let after = |t: usize| rank[t] + usize::from(calls(&self.lines[t].0));
            let wait = self.reads(k).filter(|&t| !self.uniform[t]).map(after).max().unwrap_or(0);
            rank.push(if matches!(action, Action::Gather(_)) { 0 } else { wait.max(1) });
        }
        let group = |k: usize| if self.uniform[k] { (0, false) } else { (rank[k] + 1, calls(&self.lines[k].0)) };
        let mut order: Vec<usize> = (0..self.lines.len()).collect();
        order.sort_by_key(|&k| group(k));
        let mut moved = vec![0; order.len()];
        order.iter().enumerate().for_each(|(to, &k)| moved[k] = to);
        let renamed = |value: Value| if let Value::Temp(k) = value { Value::Temp(moved[k]) } else { value };
        Draft {
            lines: order.iter().map(|&k| (self.lines[k].0, self.lines[k].1.map(renamed))).collect(),
            uniform: order.iter().map(|&k| self.uniform[k]).collect(),
            defined: self.defined.iter().map(|value| renamed(*value)).collect(),
            known: Table::default(),
            ..self
        }
    }

    /// Which instructions anything kept depends on.
    fn live(&self, kept: &[(usize, Value)]) -> Vec<bool> {
        let mut live: Vec<bool> = self.lines.iter().map(|(a, _)| matches!(a, Action::Accumulate(_))).collect();
        for (_, value) in kept {
            if let Value::Temp(k) = value {
                live[*k] = true;
            }
        }
        for k in (0..self.lines.len()).rev() {
            if live[k] {
                self.reads(k).for_each(|t| live[t] = true);
            }
        }
        live
    }

    /// Gives every instruction a place, by one scan over the code.
    fn allocate(self, kept: Vec<(usize, Value)>) -> Code {
        let live = self.live(&kept);
        // A kept temporary is written where it is kept at once; further roots of the same value are copies.
        let mut home: Vec<Option<At>> = vec![None; self.lines.len()];
        let mut copies: Vec<(usize, Value)> = vec![];
        for (root, value) in kept {
            match value {
                Value::Temp(k) if home[k].is_none() && self.uniform[k] == (self.len == 1) => {
                    home[k] = Some(self.target(root));
                }
                other => copies.push((root, other)),
            }
        }
        // Where each temporary is read last; uniform ones that tiles read, and those copied at the end, stay.
        let mut last = vec![usize::MAX; self.lines.len()];
        let mut stays = vec![false; self.lines.len()];
        for at in (0..self.lines.len()).filter(|&at| live[at]) {
            for k in self.reads(at) {
                last[k] = at;
                stays[k] |= self.uniform[k] && !self.uniform[at];
            }
        }
        for (_, value) in &copies {
            if let Value::Temp(k) = value {
                stays[*k] = true;
            }
        }
        let mut code = Code {
            len: self.len,
            uniform: vec![],
            tiled: vec![],
            registers: 0,
            slots: 0,
            spreads: self.spreads.clone(),
            totals: self.totals.clone(),
        };
        let mut places: Vec<At> = vec![At::Const(0); self.lines.len()];
        let (mut free_registers, mut free_slots) = (vec![], vec![]);
        for k in (0..self.lines.len()).filter(|&k| live[k]) {
            let (action, from) = self.lines[k];
            places[k] = home[k].unwrap_or_else(|| match (action, self.uniform[k]) {
                (Action::Gather(k), _) => At::Spread(k),
                (Action::Accumulate(k), _) => At::Total(k),
                (_, true) => At::Register(take(&mut free_registers, &mut code.registers)),
                (_, false) => At::Slot(take(&mut free_slots, &mut code.slots)),
            });
            let line = Line { action, to: places[k], from: from.map(|v| place(v, &places)) };
            if self.uniform[k] { &mut code.uniform } else { &mut code.tiled }.push(line);
            for t in self.reads(k) {
                if last[t] == k && !stays[t] {
                    last[t] = usize::MAX; // an operand may be read twice
                    match places[t] {
                        At::Register(r) => free_registers.push(r),
                        At::Slot(s) => free_slots.push(s),
                        _ => {}
                    }
                }
            }
        }
        for (root, value) in copies {
            let from = [place(value, &places); 4];
            let line = Line { action: Action::Copy, to: self.target(root), from };
            if self.len == 1 { &mut code.uniform } else { &mut code.tiled }.push(line);
        }
        code
    }

    fn target(&self, root: usize) -> At {
        if self.len == 1 { At::Single(root) } else { At::Write(root) }
    }
}

fn take(free: &mut Vec<usize>, count: &mut usize) -> usize {
    free.pop().unwrap_or_else(|| {
        *count += 1;
        *count - 1
    })
}

fn place(value: Value, places: &[At]) -> At {
    match value {
        Value::Const(bits) => At::Const(bits),
        Value::Single(root) => At::Single(root),
        Value::Element(root, at) => At::Element(root, at),
        Value::Read(root, at) => At::Read(root, at),
        Value::Temp(k) => places[k],
    }
}
