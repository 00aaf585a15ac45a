//! Partial evaluation at a point: what nothing free moves becomes numbers, the rest a smaller program.

use crate::program::op::Op;
use crate::program::tie::{Site, Tie};
use crate::program::{Builder, Kind, Node, Program, Role, Var};
use crate::run::apply;
use crate::tensor::Tensor;
use std::sync::Arc;

/// What an input is given.
pub(super) enum Given<'p> {
    /// Numbers.
    Number(Tensor),
    /// A variable of the smaller program.
    Free(Var<'p>),
}

/// What a node became.
pub(super) enum Image<'p> {
    /// Numbers.
    Number(Tensor),
    /// A variable of the smaller program.
    Node(Var<'p>),
}

/// What becomes of a tie whose argument is known: from the tie, its site, its argument, exactly tied where it counts as
/// tied, its selection and the shape of its value.
pub(super) type TieRule<'r, 'p> = dyn Fn(&dyn Tie, Arc<Site>, &Tensor, &Tensor, &[usize]) -> Image<'p> + 'r;

/// A partial evaluation.
pub(super) struct Pass<'a, 'p> {
    program: &'a Program,
    builder: &'p Builder,
    images: Vec<Image<'p>>,
    /// Whether a tie within the tolerance could not be made exact, or a tie's argument depends on something free.
    pub partial: bool,
}

impl<'a, 'p> Pass<'a, 'p> {
    /// Evaluates a program in which some inputs are free, ties within the tolerance counting as met.
    pub fn run(
        program: &'a Program,
        builder: &'p Builder,
        inputs: Vec<Given<'p>>,
        tolerance: f64,
        rule: &TieRule<'_, 'p>,
    ) -> Pass<'a, 'p> {
        let mut pass = Pass { program, builder, images: Vec::with_capacity(program.nodes().len()), partial: false };
        let mut inputs: Vec<Option<Given<'p>>> = inputs.into_iter().map(Some).collect();
        let needed = program.needed();
        for (id, node) in program.nodes().iter().enumerate() {
            let image = match &node.kind {
                // Nobody looks at it, and its ties may be another program's.
                Kind::Constant(_) | Kind::Apply { .. } if !needed[id] => Image::Number(Tensor::vector(vec![])),
                Kind::Input(k) => match inputs[*k].take().expect("an input is one node") {
                    Given::Number(x) => Image::Number(x),
                    Given::Free(var) => Image::Node(var),
                },
                Kind::Constant(c) => Image::Number(c.as_ref().clone()),
                Kind::Apply { op, args } => pass.apply(op, args, node, tolerance, rule),
            };
            pass.images.push(image);
        }
        pass
    }

    /// A node of the smaller program.
    pub fn var(&self, node: usize) -> Var<'p> {
        match &self.images[node] {
            Image::Node(var) => *var,
            Image::Number(x) => self.builder.constant(x.clone()),
        }
    }

    fn apply(
        &mut self,
        op: &Arc<dyn Op>,
        args: &[usize],
        node: &Node,
        tolerance: f64,
        rule: &TieRule<'_, 'p>,
    ) -> Image<'p> {
        let known = |&a: &usize| match &self.images[a] {
            Image::Number(x) => Some(x),
            Image::Node(_) => None,
        };
        let Some(arrays) = args.iter().map(known).collect::<Option<Vec<&Tensor>>>() else {
            // A tie whose argument moves is left as it stands, under the default convention.
            self.partial |= op.tie().is_some();
            let args: Vec<Var<'p>> = args.iter().map(|&a| self.var(a)).collect();
            return Image::Node(self.builder.push(op.clone(), &args, node.place.clone()).broadcast_to(&node.shape));
        };
        let (Some(tie), Some(site)) = (op.tie(), self.site(args)) else {
            return Image::Number(apply(op, &arrays, &node.shape));
        };
        let snapped = if tolerance > 0.0 { tie.snap(arrays[0], tolerance) } else { None };
        let missed = tolerance > 0.0 && snapped.is_none() && !tie.met(arrays[0], tolerance).is_empty();
        let image = rule(tie, site, snapped.as_ref().unwrap_or(arrays[0]), arrays[1], &node.shape);
        self.partial |= missed;
        image
    }

    /// The site of a tie, from its selection.
    fn site(&self, args: &[usize]) -> Option<Arc<Site>> {
        match &self.program.nodes()[*args.get(1)?].kind {
            Kind::Input(k) => match &self.program.inputs()[*k].role {
                Role::Selection(site) => site.clone(),
                _ => None,
            },
            _ => None,
        }
    }
}
