//! Building programs: one append-only list of nodes behind a shared handle.

use super::equal::{Merged, hash_application, hash_constant};
use super::op::{Execution, Op};
use super::table::Mix;
use super::tie::Site;
use super::var::Var;
use super::{Args, Input, Kind, Node, Program, Role};
use crate::error::{Error, Fault, Place, Result};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// A program under construction.
///
/// Mistakes do not interrupt: the first one is kept, everything made from it is a *poisoned* variable that takes part
/// in nothing, and [`Builder::finish`] returns it.
#[derive(Default)]
pub struct Builder {
    inner: RefCell<State>,
}

#[derive(Default)]
struct State {
    nodes: Vec<Node>,
    inputs: Vec<Input>,
    /// The inputs' names, and how many of them are selections: a derivative has one for each of many ties.
    names: HashSet<String, BuildHasherDefault<Mix>>,
    selections: usize,
    error: Option<Error>,
    /// Where new nodes come from, if not from the caller's line.
    origin: Option<Origin>,
    /// What a tie means here; None outside of derivatives.
    ties: Option<Ties>,
    /// Equal applications made while deriving or simplifying, to be made once.
    merged: Option<Merged>,
    /// Whether nothing is reduced although equal applications are merged.
    verbatim: bool,
    /// Whether all values may be taken to be finite.
    finite: bool,
}

/// Where nodes made on behalf of something come from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub place: Place,
    pub owner: Option<Arc<dyn Op>>,
}

impl Origin {
    /// Where a node comes from.
    pub fn of(node: &Node) -> Origin {
        Origin { place: node.place.clone(), owner: node.owner.clone() }
    }
}

/// Who is being linearized, for numbering its ties.
#[derive(Clone, Debug)]
pub(crate) struct Ties {
    pub owner: Arc<dyn Op>,
    pub inner: Option<Arc<dyn Op>>,
    pub node: usize,
    pub place: Place,
    pub ordinal: usize,
    pub inner_ordinal: usize,
    /// The nodes of the owner's expansion that are being linearized, from the outside in, with their own numbering.
    pub within: Vec<(usize, usize)>,
}

impl Ties {
    /// One more tie was written.
    fn count(&mut self) {
        self.ordinal += 1;
        self.inner_ordinal += 1;
        self.within.iter_mut().for_each(|(_, number)| *number += 1);
    }
}

impl State {
    /// Where a new node comes from, if it was written at this place.
    fn origin_at(&self, place: Place) -> (Place, Option<Arc<dyn Op>>) {
        match &self.origin {
            Some(origin) => (origin.place.clone(), origin.owner.clone()),
            None => (place, None),
        }
    }
}

impl Builder {
    /// An empty program, as the user writes one: every application is its own node.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// An empty program in which equal applications are one node, for derivatives and simplification.
    pub(crate) fn merging() -> Builder {
        let builder = Builder::default();
        builder.inner.borrow_mut().merged = Some(Merged::default());
        builder
    }

    /// The same, for proofs about finite values: reductions such as 0·x = 0 may be used.
    pub(crate) fn merging_finite() -> Builder {
        let builder = Builder::merging();
        builder.inner.borrow_mut().finite = true;
        builder
    }

    /// Whether all values may be taken to be finite.
    pub(crate) fn assumes_finite(&self) -> bool {
        self.inner.borrow().finite
    }

    /// Adds an input. Its name is taken as given if it is free, else with underscores.
    pub fn input<'p>(&'p self, name: &str, shape: &[usize], role: Role) -> Var<'p> {
        let mut state = self.inner.borrow_mut();
        let mut name = name.to_string();
        while !state.names.insert(name.clone()) {
            name.push('_');
        }
        state.selections += usize::from(role.is_selection());
        let (node, index) = (state.nodes.len(), state.inputs.len());
        let (place, owner) = state.origin_at(Place::Unknown);
        state.nodes.push(Node { kind: Kind::Input(index), shape: shape.to_vec(), place, owner });
        state.inputs.push(Input { name, shape: shape.to_vec(), role, node });
        Var::new(self, node)
    }

    /// Adds a constant.
    #[track_caller]
    pub fn constant(&self, value: impl Into<Tensor>) -> Var<'_> {
        let place = Place::caller();
        self.constant_at(value.into(), place)
    }

    /// The same at a place given.
    pub fn constant_at(&self, value: Tensor, place: Place) -> Var<'_> {
        self.constant_of(Arc::new(value), place)
    }

    /// The same of an array that others have too.
    fn constant_of(&self, value: Arc<Tensor>, place: Place) -> Var<'_> {
        let mut state = self.inner.borrow_mut();
        let hash = state.merged.is_some().then(|| hash_constant(&value));
        let found = |hash| state.merged.as_ref()?.constant(&state.nodes, hash, &value);
        if let Some(id) = hash.and_then(found) {
            return Var::new(self, id);
        }
        let id = state.nodes.len();
        let (place, owner) = state.origin_at(place);
        let shape = value.shape().to_vec();
        state.nodes.push(Node { kind: Kind::Constant(value), shape, place, owner });
        if let (Some(hash), Some(merged)) = (hash, state.merged.as_mut()) {
            merged.insert(hash, id);
        }
        Var::new(self, id)
    }

    /// Applies an operator as the user wrote it, at the caller's line.
    #[track_caller]
    pub fn apply<'p>(&'p self, op: impl Op, args: &[Var<'p>]) -> Var<'p> {
        let place = Place::caller();
        self.apply_at(Arc::new(op), args, place)
    }

    /// The same at a place given: for faces that know where their user wrote it.
    pub fn apply_at<'p>(&'p self, op: Arc<dyn Op>, args: &[Var<'p>], place: Place) -> Var<'p> {
        if args.iter().any(Var::is_poisoned) {
            return Var::poisoned(self);
        }
        // Disguises are looked for where the user writes, not where a rule does: rules write what they mean.
        // The better operator stands where the one in disguise was written.
        if !self.is_deriving() {
            let origin = self.inner.borrow().origin.clone();
            let origin = origin.unwrap_or(Origin { place: place.clone(), owner: None });
            if let Some(better) = self.within(origin, || op.recognize(args)) {
                return better;
            }
        }
        self.push(op, args, place)
    }

    /// Applies an operator without asking whether it is another one in disguise.
    pub(crate) fn push<'p>(&'p self, op: Arc<dyn Op>, args: &[Var<'p>], place: Place) -> Var<'p> {
        match self.shape_of(op.as_ref(), args) {
            Ok(shape) => {
                let simpler = || self.folded(op.as_ref(), args).or_else(|| op.reduce(args));
                match self.is_reducing().then(simpler).flatten() {
                    Some(simpler) => simpler.broadcast_to(&shape),
                    None => Var::new(self, self.insert(op, args.iter().map(Var::id).collect(), shape, place)),
                }
            }
            Err(fault) => {
                let (place, _) = self.inner.borrow().origin_at(place);
                self.fail(fault.at(place));
                Var::poisoned(self)
            }
        }
    }

    /// The shape of an application.
    fn shape_of(&self, op: &dyn Op, args: &[Var<'_>]) -> Result<Vec<usize>, Fault> {
        let state = self.inner.borrow();
        let shape = |v: &Var<'_>| state.nodes.get(v.id()).map_or(&[][..], |node| &node.shape);
        match args {
            [a] => op.shape(&[shape(a)]),
            [a, b] => op.shape(&[shape(a), shape(b)]),
            _ => op.shape(&args.iter().map(shape).collect::<Vec<_>>()),
        }
    }

    /// The value of an elementwise operator on arguments that hold one number each.
    fn folded<'p>(&'p self, op: &dyn Op, args: &[Var<'p>]) -> Option<Var<'p>> {
        let Execution::Pointwise(p) = op.execution() else { return None };
        let numbers = args.iter().map(Var::uniform).collect::<Option<Vec<f64>>>()?;
        // The identity, which stretches, is what stretches the value below.
        if p.record().instrs.is_empty() { None } else { Some(self.constant(p.eval(&numbers))) }
    }

    fn insert(&self, op: Arc<dyn Op>, args: Args, shape: Vec<usize>, place: Place) -> usize {
        let mut state = self.inner.borrow_mut();
        let hash = state.merged.is_some().then(|| hash_application(op.as_ref(), &args));
        let found = |hash| state.merged.as_ref()?.application(&state.nodes, hash, &op, &args);
        if let Some(id) = hash.and_then(found) {
            return id;
        }
        let id = state.nodes.len();
        let (place, owner) = state.origin_at(place);
        state.nodes.push(Node { kind: Kind::Apply { op, args }, shape, place, owner });
        if let (Some(hash), Some(merged)) = (hash, state.merged.as_mut()) {
            merged.insert(hash, id);
        }
        id
    }

    /// Adds a constant that is a node of its own even where equal ones are merged.
    pub(crate) fn fresh_constant(&self, value: Arc<Tensor>) -> Var<'_> {
        let merged = self.inner.borrow_mut().merged.take();
        let var = self.constant_of(value, Place::Unknown);
        self.inner.borrow_mut().merged = merged;
        var
    }

    /// Applies an operator as a node of its own even where equal ones are merged: a derivative keeps the nodes of the
    /// program as written apart.
    pub(crate) fn push_fresh<'p>(&'p self, op: Arc<dyn Op>, args: &[Var<'p>], place: Place) -> Var<'p> {
        let merged = self.inner.borrow_mut().merged.take();
        let var = self.push(op, args, place);
        let mut state = self.inner.borrow_mut();
        let State { nodes, merged: slot, .. } = &mut *state;
        *slot = merged;
        // The first of equal ones is what later ones become.
        if let (false, Some(merged)) = (var.is_poisoned(), slot)
            && let Kind::Apply { op, args } = &nodes[var.id()].kind
        {
            let hash = hash_application(op.as_ref(), args);
            if merged.application(nodes, hash, op, args).is_none() {
                merged.insert(hash, var.id());
            }
        }
        var
    }

    /// Inputs with the names, shapes and roles of a program's.
    pub fn inputs_of<'p>(&'p self, program: &Program) -> Vec<Var<'p>> {
        program.inputs().iter().map(|i| self.input(&i.name, &i.shape, i.role.clone())).collect()
    }

    /// Copies a program's nodes into this one, with `args` for its inputs; returns the outputs.
    pub fn inline<'p>(&'p self, program: &Program, args: &[Var<'p>]) -> Vec<Var<'p>> {
        let map = self.inline_all(program, args);
        program.outputs().iter().map(|&k| map[k]).collect()
    }

    /// The same, returning the image of every node. Shapes are inferred anew.
    pub(crate) fn inline_all<'p>(&'p self, program: &Program, args: &[Var<'p>]) -> Vec<Var<'p>> {
        assert_eq!(args.len(), program.inputs().len(), "inline takes one argument an input");
        let mut map: Vec<Var<'p>> = Vec::with_capacity(program.nodes().len());
        for node in program.nodes() {
            let image = match &node.kind {
                Kind::Input(k) => args[*k],
                _ => self.copy(node, &map),
            };
            map.push(image);
        }
        map
    }

    /// Copies one node that is no input, with arguments looked up in `map`, keeping where it comes from.
    pub(crate) fn copy<'p>(&'p self, node: &Node, map: &[Var<'p>]) -> Var<'p> {
        match &node.kind {
            Kind::Input(_) => unreachable!("inputs are mapped, not copied"),
            Kind::Constant(value) => self.within(Origin::of(node), || self.constant_of(value.clone(), Place::Unknown)),
            Kind::Apply { op, args } => match **args {
                // Most have few arguments, and then nothing is allocated for them.
                [a] => self.applied(node, op, &[map[a]]),
                [a, b] => self.applied(node, op, &[map[a], map[b]]),
                _ => self.applied(node, op, &args.iter().map(|&a| map[a]).collect::<Vec<_>>()),
            },
        }
    }

    /// Applies the operator of a node to other arguments, keeping where it comes from.
    pub(crate) fn applied<'p>(&'p self, node: &Node, op: &Arc<dyn Op>, args: &[Var<'p>]) -> Var<'p> {
        if args.iter().any(Var::is_poisoned) {
            return Var::poisoned(self);
        }
        self.within(Origin::of(node), || self.push(op.clone(), args, Place::Unknown))
    }

    /// Runs `f` with new nodes coming from `origin`.
    pub(crate) fn within<R>(&self, origin: Origin, f: impl FnOnce() -> R) -> R {
        let before = self.inner.borrow_mut().origin.replace(origin);
        let result = f();
        self.inner.borrow_mut().origin = before;
        result
    }

    /// Runs `f` with new nodes at a place, unless they are made on behalf of something that has one already: for what
    /// is written out in other operators where it is called.
    pub fn written_at<R>(&self, place: Place, f: impl FnOnce() -> R) -> R {
        let before = self.inner.borrow().origin.clone();
        self.within(before.unwrap_or(Origin { place, owner: None }), f)
    }

    /// Runs `f` with ties allowed, as those of an operator; returns how far they were numbered.
    pub(crate) fn tying<R>(&self, ties: Ties, f: impl FnOnce() -> R) -> (R, Ties) {
        let before = self.inner.borrow_mut().ties.replace(ties);
        let result = f();
        let after = std::mem::replace(&mut self.inner.borrow_mut().ties, before);
        (result, after.expect("ties stay set while a rule runs"))
    }

    pub(crate) fn current_ties(&self) -> Option<Ties> {
        self.inner.borrow().ties.clone()
    }

    pub(crate) fn set_ties(&self, ties: Ties) {
        self.inner.borrow_mut().ties = Some(ties);
    }

    /// Runs `f` with nothing reduced: what it writes stands on exactly what it names. A linearized expansion needs that,
    /// since only of the operator's arguments are the tangents known.
    pub(crate) fn unreduced<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = std::mem::replace(&mut self.inner.borrow_mut().verbatim, true);
        let result = f();
        self.inner.borrow_mut().verbatim = before;
        result
    }

    fn is_reducing(&self) -> bool {
        let state = self.inner.borrow();
        state.merged.is_some() && !state.verbatim
    }

    fn is_deriving(&self) -> bool {
        self.inner.borrow().merged.is_some()
    }

    /// Writes a tie: a new selection input, scalar, and the tie applied to it.
    pub(crate) fn tie<'p>(&'p self, tie: Arc<dyn Op>, u: Var<'p>, place: Place) -> Var<'p> {
        if u.is_poisoned() {
            return u;
        }
        let site = {
            let mut state = self.inner.borrow_mut();
            let Some(ties) = state.ties.as_mut() else {
                drop(state);
                self.fail(Fault::TieOutsideDerivative { tie: tie.name() }.at(place));
                return Var::poisoned(self);
            };
            let site = Site {
                tie: tie.clone(),
                owner: ties.owner.clone(),
                inner: ties.inner.clone().map(|op| (op, ties.inner_ordinal)),
                within: ties.within.clone(),
                ordinal: ties.ordinal,
                number: ties.ordinal,
                node: ties.node,
                place: ties.place.clone(),
            };
            ties.count();
            site
        };
        self.site(tie, u, Arc::new(site))
    }

    /// Writes a tie of a given site.
    pub(crate) fn site<'p>(&'p self, tie: Arc<dyn Op>, u: Var<'p>, site: Arc<Site>) -> Var<'p> {
        let s = self.selection(site);
        self.push(tie, &[u, s], Place::Unknown)
    }

    /// A new selection for a tie inside of a program that the operator being linearized is made of.
    pub(crate) fn inner_selection(&self, inner: &Site) -> Var<'_> {
        let site = {
            let mut state = self.inner.borrow_mut();
            let ties = state.ties.as_mut().expect("an operator is being linearized");
            let site = Site { node: ties.node, number: ties.ordinal, within: ties.within.clone(), ..inner.clone() };
            ties.count();
            site
        };
        self.selection(Arc::new(site))
    }

    /// A new scalar selection input, named s0, s1, ….
    pub(crate) fn selection(&self, site: Arc<Site>) -> Var<'_> {
        let count = self.inner.borrow().selections;
        self.input(&format!("s{count}"), &[], Role::Selection(Some(site)))
    }

    /// Keeps the first error.
    pub fn fail(&self, error: Error) {
        self.inner.borrow_mut().error.get_or_insert(error);
    }

    /// A poisoned variable, with the error that made it.
    pub fn failed(&self, error: Error) -> Var<'_> {
        self.fail(error);
        Var::poisoned(self)
    }

    /// The first mistake made, if there was one.
    pub fn error(&self) -> Option<Error> {
        self.inner.borrow().error.clone()
    }

    /// The handle of a node by its number, see [`Var::id`]; None if there is no such node.
    pub fn var(&self, id: usize) -> Option<Var<'_>> {
        (id < self.inner.borrow().nodes.len()).then(|| Var::new(self, id))
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.inner.borrow().nodes.len()
    }

    pub(crate) fn node<R>(&self, id: usize, f: impl FnOnce(&Node) -> R) -> R {
        f(&self.inner.borrow().nodes[id])
    }

    /// The finished program of these outputs, or the first mistake made. Nodes that no output needs are kept: a
    /// program is what was written.
    pub fn finish(&self, outputs: &[Var<'_>]) -> Result<Program> {
        let outputs: Vec<usize> = outputs.iter().map(|v| v.id()).collect();
        self.finish_nodes(&outputs)
    }

    /// The same from node numbers.
    pub(crate) fn finish_nodes(&self, outputs: &[usize]) -> Result<Program> {
        let state = self.inner.take();
        match state.error {
            Some(error) => Err(error),
            None => {
                assert!(outputs.iter().all(|&k| k < state.nodes.len()), "an output of another program");
                let program = Program::assemble(Arc::new(state.nodes), state.inputs, outputs.to_vec());
                program.check_sparse()?;
                Ok(program)
            }
        }
    }
}
