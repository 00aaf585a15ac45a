//! Directions decide ties: selections resolved by the tangents of the ties' arguments, tie after tie.

use super::At;
use super::set_at::Chosen;
use crate::derive::{Linearized, linearize_with};
use crate::error::{Fault, Result};
use crate::program::op::Op;
use crate::program::tie::{Convention, Site};
use crate::program::{Kind, Program, Role};
use crate::run::{Monitor, apply};
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::sync::Arc;

/// Selections by the owner's node and the tie's number.
pub(super) type Decided = HashMap<(usize, usize), Tensor>;

/// The selection at every tie of the gradient of a program at a point, as the directions decide it: the sign of the argument's
/// tangent along the first direction, where that is zero along the second, and so on.
///
/// Each tangent is taken with the earlier ties already decided, so the outcome is the lexicographic derivative of
/// Nesterov in the directions given (Khan, Barton 2013). Cost: the second linearization where it is first asked for, and
/// one evaluation of its tangents a direction.
pub(super) fn decide(at: &At, directions: &[Vec<Tensor>]) -> Result<Decided> {
    check(&at.program, directions)?;
    let (linear, second) = (at.linear()?, at.second()?);
    let ties = tie_nodes(&linear.program);
    // What the program itself computes is known.
    let known = |lazy: &mut Lazy<'_>| {
        for (value, &image) in std::iter::zip(&at.values, &linear.image) {
            lazy.known[second.image[image]] = Some(value.clone());
        }
    };
    let stream = |d: &Vec<Tensor>| {
        let mut lazy = Lazy::new(&second.program, inputs(second, linear, &at.point, d));
        known(&mut lazy);
        lazy
    };
    let mut streams: Vec<Lazy<'_>> = directions.iter().map(stream).collect();
    let original = originals(linear, &ties);
    let mut decided = Decided::new();
    for (k, (site, _)) in ties.iter().enumerate() {
        let tie = site.tie.tie().expect("a site is the site of a tie");
        let (value, tangent) = (second.program.outputs()[k], second.program.outputs()[ties.len() + k]);
        let lookup = |s: &Site| original.get(&(s.node, s.number)).and_then(|key| decided.get(key)).cloned();
        let u = streams[0].value(value, &lookup);
        let mut dots: Vec<Tensor> = vec![];
        // Off the tie nothing is chosen.
        let open = if tie.met(&u, 0.0).is_empty() { 0 } else { streams.len() };
        for stream in &mut streams[..open] {
            dots.push(stream.value(tangent, &lookup));
            // Further directions are asked only where this one leaves something open.
            let open = |(u, dot): (&f64, &f64)| *u == 0.0 && *dot == 0.0;
            if tie.is_interval() && !std::iter::zip(u.data(), dots[dots.len() - 1].data()).any(open) {
                break;
            }
        }
        decided.insert((site.node, site.number), tie.resolve(&u, &dots));
    }
    Ok(decided)
}

/// Decisions made before a run, as its monitor, and what they choose at the ties that are met.
pub(super) struct Recorded {
    decided: Decided,
    pub chosen: Vec<Chosen>,
}

impl Recorded {
    pub fn new(decided: Decided) -> Recorded {
        Recorded { decided, chosen: vec![] }
    }
}

impl Monitor for Recorded {
    fn select(&mut self, _: &dyn Op, site: Option<&Arc<Site>>, _: &Tensor) -> Option<Tensor> {
        site.and_then(|s| self.decided.get(&(s.node, s.number)).cloned())
    }

    fn decide(&mut self, site: &Arc<Site>, u: &Tensor, value: &mut Tensor) {
        let Some(tie) = site.tie.tie() else { return };
        self.chosen.extend(tie.faces(u).iter().map(|face| Chosen::of(site, face, value)));
    }
}

/// The linearization of the arguments of a linearization's ties.
pub(super) fn second_of(linear: &Linearized) -> Result<Linearized> {
    let arguments: Vec<usize> = tie_nodes(&linear.program).iter().map(|(_, u)| *u).collect();
    linearize_with(&linear.program.with_outputs(&arguments), &[])
}

/// For the ties of the second linearization, by node and number, those of the first that they are decided as. They belong
/// to nodes of the first: the images of the program's nodes, or nodes of the expansions of its operators.
pub(super) fn originals(linear: &Linearized, ties: &[(Arc<Site>, usize)]) -> HashMap<(usize, usize), (usize, usize)> {
    let mut original: HashMap<(usize, usize), (usize, usize)> = HashMap::new();
    for (site, _) in ties {
        let key = (site.node, site.number);
        let own = (linear.image[site.node], site.number);
        // Equal nodes of expansions are one node: its ties are those that are decided first.
        site.within.iter().chain([&own]).for_each(|k| _ = original.entry(*k).or_insert(key));
    }
    original
}

/// At least one direction, each with an array for each variable.
fn check(program: &Program, directions: &[Vec<Tensor>]) -> Result<()> {
    let variables: Vec<_> = program.inputs().iter().filter(|i| i.role.is_argument()).collect();
    if directions.is_empty() {
        let rule = "along needs at least one direction".to_string();
        return Err(Fault::Setting { setting: "policy", given: "along()".into(), rule }.into());
    }
    for direction in directions {
        if direction.len() != variables.len() {
            let names = variables.iter().map(|i| i.name.clone()).collect();
            return Err(Fault::InputCount { expected: variables.len(), given: direction.len(), names }.into());
        }
        for (input, array) in std::iter::zip(&variables, direction) {
            if input.shape != array.shape() {
                let (expected, given) = (input.shape.clone(), array.shape().to_vec());
                return Err(Fault::InputShape { input: input.name.clone(), expected, given }.into());
            }
        }
    }
    Ok(())
}

/// The ties of a linearized program in order, each with the node of its argument.
pub(super) fn tie_nodes(program: &Program) -> Vec<(Arc<Site>, usize)> {
    let site = |node: usize| match &program.nodes()[node].kind {
        Kind::Input(k) => match &program.inputs()[*k].role {
            Role::Selection(site) => site.clone(),
            _ => None,
        },
        _ => None,
    };
    let of = |kind: &Kind| match kind {
        Kind::Apply { op, args } if op.tie().is_some() => Some((site(args[1])?, args[0])),
        _ => None,
    };
    program.nodes().iter().filter_map(|n| of(&n.kind)).collect()
}

/// Values for all inputs of the second linearization: the point, zero for the first tangents, defaults for the first
/// selections, and the direction as the tangent of the variables.
fn inputs(second: &Linearized, linear: &Linearized, point: &[Tensor], direction: &[Tensor]) -> Vec<Option<Tensor>> {
    let (mut given, mut directions) = (point.iter(), direction.iter());
    let first = &linear.program;
    let variables = first.inputs().iter().enumerate().filter(|(_, i)| i.role.is_argument());
    let of_first: Vec<bool> = variables.map(|(k, _)| !linear.tangents.contains(&k)).collect();
    let mut seeds = of_first.iter();
    second
        .program
        .inputs()
        .iter()
        .enumerate()
        .map(|(k, input)| match &input.role {
            // A selection of the second linearization is looked up when it is needed.
            Role::Selection(_) => (k < first.inputs().len()).then(|| input.default_selection()),
            _ if second.tangents.contains(&k) => Some(match seeds.next() {
                Some(true) => directions.next().expect("one array a variable, as checked").clone(),
                _ => Tensor::full(&input.shape, 0.0),
            }),
            _ if linear.tangents.contains(&k) => Some(Tensor::full(&input.shape, 0.0)),
            _ => given.next().cloned(),
        })
        .collect()
}

/// Evaluates nodes when they are asked for, each once.
struct Lazy<'a> {
    program: &'a Program,
    inputs: Vec<Option<Tensor>>,
    known: Vec<Option<Tensor>>,
}

impl<'a> Lazy<'a> {
    fn new(program: &'a Program, inputs: Vec<Option<Tensor>>) -> Lazy<'a> {
        Lazy { program, inputs, known: vec![None; program.nodes().len()] }
    }

    /// The value of a node. An explicit stack, since programs are deep.
    fn value(&mut self, node: usize, selection: &dyn Fn(&Site) -> Option<Tensor>) -> Tensor {
        let mut stack = vec![node];
        while let Some(&top) = stack.last() {
            if self.known[top].is_some() {
                stack.pop();
                continue;
            }
            if let Kind::Apply { args, .. } = &self.program.nodes()[top].kind {
                let missing: Vec<usize> = args.iter().copied().filter(|&a| self.known[a].is_none()).collect();
                if !missing.is_empty() {
                    stack.extend(missing);
                    continue;
                }
            }
            self.known[top] = Some(self.compute(top, selection));
            stack.pop();
        }
        self.known[node].clone().expect("computed above")
    }

    fn compute(&self, node: usize, selection: &dyn Fn(&Site) -> Option<Tensor>) -> Tensor {
        let node = &self.program.nodes()[node];
        match &node.kind {
            Kind::Input(k) => match (&self.inputs[*k], &self.program.inputs()[*k].role) {
                (Some(value), _) => value.clone(),
                (None, Role::Selection(Some(site))) => {
                    selection(site).unwrap_or_else(|| Tensor::scalar(site.choice(Convention::MinNorm).selection))
                }
                (None, _) => Tensor::full(&node.shape, 0.0),
            },
            Kind::Constant(c) => c.as_ref().clone(),
            Kind::Apply { op, args } => {
                let arrays: Vec<&Tensor> =
                    args.iter().map(|&a| self.known[a].as_ref().expect("arguments come first")).collect();
                apply(op, &arrays, &node.shape)
            }
        }
    }
}
