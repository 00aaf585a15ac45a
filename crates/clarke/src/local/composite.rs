//! A scalar program as h(c(x)): c is what no tie stands before, h what follows.

use super::Policy;
use super::evaluator::Engine;
use crate::derive::{linearize_with, unroll};
use crate::error::{Fault, Result};
use crate::program::class::Level;
use crate::program::op::{Curve, Linearity, Op};
use crate::program::{Builder, Kind, Program, Role, Var};
use crate::run::{Arithmetic, Compiled, Workspace, apply, enclose, written_out};
use crate::tensor::{Boxes, Tensor, size};
use std::sync::Arc;

/// A scalar program f = h ∘ c, evaluated in its parts.
///
/// c: Rⁿ → Rᵐ collects the values that ties, and what follows them, are made of: no tie stands before them. h is the rest, a
/// program of these values. Where no tie depends on the variables, c is f and h the identity.
pub struct Composition {
    inner: Compiled<f64>,
    forward: Compiled<f64>,
    backward: Compiled<f64>,
    memory: [Workspace<f64>; 3],
    outer: Engine,
    /// Arrays for the inputs that are no variables, in order; those of `outer` are the same.
    data: Vec<Tensor>,
    /// Which inputs of the program are variables, each with its size.
    variables: Vec<Option<usize>>,
    /// The sizes of the values of c.
    sizes: Vec<usize>,
    level: Level,
    convex: bool,
    smooth: bool,
}

impl Composition {
    /// The parts of a program, of which `data` are the arrays of the inputs that are no variables.
    ///
    /// Errors: those of [`Evaluator::new`](super::Evaluator::new); a program of too many operators.
    pub(super) fn new(program: &Program, data: Vec<Tensor>, policy: Policy) -> Result<Composition> {
        let (inner, outer) = split(program)?;
        let variables = inner.inputs().iter().map(|i| i.role.is_argument().then(|| size(&i.shape))).collect::<Vec<_>>();
        let sizes = inner.output_shapes().iter().map(|s| size(s)).collect();
        // No tie moves c: whatever is filled in for selections that stand there is multiplied by 0.
        let compile = |p: &Program| p.compile_with::<f64>(&|_| 0.0);
        let (forward, backward) = (compile(&inner.jvp()?), compile(&inner.vjp()?));
        let inner = compile(&inner);
        let memory = [inner.workspace(), forward.workspace(), backward.workspace()];
        let (level, convex) = (outer.class().level, curvature(&outer, &data)? != Curvature::Unknown);
        let smooth = outer.outputs().iter().all(|k| matches!(outer.nodes()[*k].kind, Kind::Input(_)));
        let outer = Engine::new(&outer, policy)?;
        Ok(Composition { inner, forward, backward, memory, outer, data, variables, sizes, level, convex, smooth })
    }

    /// m.
    pub fn width(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// The class of h.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether h is convex by the rules of compositions: sums, nonnegative multiples and maxima of convex functions are, and
    /// a convex function of affine ones.
    pub fn is_convex(&self) -> bool {
        self.convex
    }

    /// Whether no tie depends on the variables, so that h is the identity.
    pub fn is_smooth(&self) -> bool {
        self.smooth
    }

    /// c(x), as the arithmetic gives it.
    pub fn inner(&mut self, x: &[f64], c: &mut [f64]) {
        let inputs = arrange(&self.variables, &self.data, x);
        self.inner.run(&mut self.memory[0], &inputs, &mut parts(c, self.sizes.iter().copied()));
    }

    /// J d for the Jacobian J of c at x.
    pub fn forward(&mut self, x: &[f64], d: &[f64], out: &mut [f64]) {
        let mut inputs = arrange(&self.variables, &self.data, x);
        inputs.extend(arrange(&self.variables, &[], d));
        let mut unused = vec![0.0; out.len()];
        let mut outputs = parts(&mut unused, self.sizes.iter().copied());
        outputs.extend(parts(out, self.sizes.iter().copied()));
        self.forward.run(&mut self.memory[1], &inputs, &mut outputs);
    }

    /// Jᵀ w.
    pub fn backward(&mut self, x: &[f64], w: &[f64], out: &mut [f64]) {
        let mut inputs = arrange(&self.variables, &self.data, x);
        let mut rest = w;
        for n in &self.sizes {
            let (head, tail) = rest.split_at(*n);
            inputs.push(head);
            rest = tail;
        }
        let variables = self.variables.iter().flatten().copied();
        self.backward.run(&mut self.memory[2], &inputs, &mut parts(out, variables));
    }

    /// h at given values of c, and an element of its conservative gradient there. Errors: as those of values and gradients.
    pub fn outer(&mut self, c: &[f64], element: &mut [f64]) -> Result<f64> {
        let mut inputs: Vec<&[f64]> = vec![];
        let mut rest = c;
        for n in &self.sizes {
            let (head, tail) = rest.split_at(*n);
            inputs.push(head);
            rest = tail;
        }
        inputs.extend(self.data.iter().map(Tensor::data));
        self.outer.value_and_gradient(&inputs, element)
    }
}

/// The arrays of all inputs: the variables' from a flat vector, the others' from the data; without data those are left out.
fn arrange<'a>(variables: &[Option<usize>], data: &'a [Tensor], x: &'a [f64]) -> Vec<&'a [f64]> {
    let (mut rest, mut data) = (x, data.iter());
    let mut one = |variable: &Option<usize>| match variable {
        Some(n) => {
            let (head, tail) = rest.split_at(*n);
            rest = tail;
            Some(head)
        }
        None => data.next().map(Tensor::data),
    };
    variables.iter().filter_map(&mut one).collect()
}

/// A flat vector as parts of these sizes.
fn parts(flat: &mut [f64], sizes: impl Iterator<Item = usize>) -> Vec<&mut [f64]> {
    let mut rest = flat;
    let mut all = vec![];
    for n in sizes {
        let (head, tail) = rest.split_at_mut(n);
        all.push(head);
        rest = tail;
    }
    all
}

/// The most operators, with loops written out: c is compiled three times.
const MOST: usize = 2000;

/// c as a program of the inputs, and h as one of the values of c, then of the inputs that are no variables.
fn split(program: &Program) -> Result<(Program, Program)> {
    let program = unroll(program)?.prune();
    let nodes = program.nodes();
    if nodes.len() > MOST {
        let rule = format!("programs of at most {MOST} are taken apart");
        let (op, parameter, value) = ("a composition".into(), "number of operators".into(), nodes.len().to_string());
        return Err(Fault::Parameter { op, parameter, value, rule }.into());
    }
    let mut behind = vec![false; nodes.len()];
    for input in linearize_with(&program, &[])?.program.inputs() {
        if let Role::Selection(Some(site)) = &input.role {
            behind[site.node] = true;
        }
    }
    let mut moved = vec![false; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        match &node.kind {
            Kind::Input(k) => moved[id] = program.inputs()[*k].role.is_argument(),
            Kind::Constant(_) => {}
            Kind::Apply { args, .. } => {
                moved[id] = args.iter().any(|a| moved[*a]);
                behind[id] = moved[id] && (behind[id] || args.iter().any(|a| behind[*a]));
            }
        }
    }
    let mut cut = vec![false; nodes.len()];
    for &output in program.outputs() {
        cut[output] = !behind[output];
    }
    let needed = program.needed();
    for (_, node) in nodes.iter().enumerate().filter(|(id, _)| behind[*id] && needed[*id]) {
        if let Kind::Apply { args, .. } = &node.kind {
            args.iter().filter(|a| moved[**a] && !behind[**a]).for_each(|a| cut[*a] = true);
        }
    }
    let cuts: Vec<usize> = (0..nodes.len()).filter(|id| cut[*id]).collect();
    let inner = program.with_outputs(&cuts).prune();
    Ok((inner, rest(&program, &cuts, &moved, &behind)?))
}

/// h.
fn rest(program: &Program, cuts: &[usize], moved: &[bool], behind: &[bool]) -> Result<Program> {
    let builder = Builder::new();
    let taken = |name: &str| program.inputs().iter().any(|i| i.name == name);
    let name = |k: usize| {
        let mut name = format!("c{k}");
        while taken(&name) {
            name.push('_');
        }
        name
    };
    let values: Vec<Var<'_>> = cuts
        .iter()
        .enumerate()
        .map(|(k, id)| builder.input(&name(k), &program.nodes()[*id].shape, Role::Argument))
        .collect();
    let mut map: Vec<Var<'_>> = vec![];
    for (id, node) in program.nodes().iter().enumerate() {
        let image = match (&node.kind, cuts.iter().position(|c| *c == id)) {
            (_, Some(k)) => values[k],
            (Kind::Input(k), _) if !moved[id] => {
                let input = &program.inputs()[*k];
                builder.input(&input.name, &input.shape, input.role.clone())
            }
            _ if moved[id] && !behind[id] => Var::poisoned(&builder),
            _ => builder.copy(node, &map),
        };
        map.push(image);
    }
    builder.finish(&program.outputs().iter().map(|&k| map[k]).collect::<Vec<_>>())
}

/// What the rules of compositions say of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curvature {
    Affine,
    Convex,
    Concave,
    Unknown,
}

/// What is known of a node: numbers, or the curvature of a function of the variables.
enum Known {
    Numbers(Tensor),
    Function(Curvature),
}

/// Whether a scalar program is convex in its variables, or affine, by the rules of compositions; `Unknown` where it is
/// concave, too: that is of no use here.
fn curvature(program: &Program, data: &[Tensor]) -> Result<Curvature> {
    let mut data = data.iter();
    let given = program.inputs().iter().map(|i| match i.role.is_argument() {
        true => Known::Function(Curvature::Affine),
        false => Known::Numbers(data.next().cloned().unwrap_or_else(|| i.default_selection())),
    });
    Ok(match follow(program, given.collect())? {
        Known::Numbers(_) => Curvature::Affine,
        Known::Function(Curvature::Concave) => Curvature::Unknown,
        Known::Function(other) => other,
    })
}

/// Follows the curvature through a program of one output.
fn follow(program: &Program, inputs: Vec<Known>) -> Result<Known> {
    let mut inputs: Vec<Option<Known>> = inputs.into_iter().map(Some).collect();
    let mut known: Vec<Known> = vec![];
    let needed = program.needed();
    for (id, node) in program.nodes().iter().enumerate() {
        known.push(match &node.kind {
            Kind::Input(k) => inputs[*k].take().expect("an input is one node"),
            Kind::Constant(value) => Known::Numbers(value.as_ref().clone()),
            Kind::Apply { .. } if !needed[id] => Known::Function(Curvature::Unknown),
            Kind::Apply { op, args } => {
                let args: Vec<(&Known, &[usize])> =
                    args.iter().map(|a| (&known[*a], program.nodes()[*a].shape.as_slice())).collect();
                composed(op, &args, &node.shape)?
            }
        });
    }
    Ok(known.swap_remove(program.outputs()[0]))
}

/// The rule for one operator.
fn composed(op: &Arc<dyn Op>, args: &[(&Known, &[usize])], shape: &[usize]) -> Result<Known> {
    let number = |(known, _): &(&Known, &[usize])| match known {
        Known::Numbers(x) => Some(x.clone()),
        Known::Function(_) => None,
    };
    if let Some(arrays) = args.iter().map(number).collect::<Option<Vec<Tensor>>>() {
        return Ok(Known::Numbers(apply(op, &arrays.iter().collect::<Vec<_>>(), shape)));
    }
    let curves: Vec<Option<Curvature>> = args
        .iter()
        .map(|(known, _)| match known {
            Known::Numbers(_) => None,
            Known::Function(c) => Some(*c),
        })
        .collect();
    let all = |allowed: &[Curvature]| curves.iter().flatten().all(|c| allowed.contains(c));
    let function = match op.convex() {
        _ if curves.contains(&Some(Curvature::Unknown)) => Curvature::Unknown,
        _ if linear(op.as_ref(), &curves) => {
            if all(&[Curvature::Affine]) {
                Curvature::Affine
            } else {
                through(op, args, &curves)?
            }
        }
        Curve::Convex | Curve::Increasing if all(&[Curvature::Affine]) => Curvature::Convex,
        Curve::Increasing if all(&[Curvature::Affine, Curvature::Convex]) => Curvature::Convex,
        Curve::ConcaveIncreasing if all(&[Curvature::Affine, Curvature::Concave]) => Curvature::Concave,
        Curve::Unknown if expands(op, args) => return expanded(op, args),
        _ => Curvature::Unknown,
    };
    Ok(Known::Function(function))
}

/// Whether an operator is linear in the arguments that are no numbers, taken together.
fn linear(op: &dyn Op, curves: &[Option<Curvature>]) -> bool {
    let moving: Vec<usize> = (0..curves.len()).filter(|k| curves[*k].is_some()).collect();
    match op.linearity() {
        Linearity::None => false,
        Linearity::Joint => true,
        Linearity::Each => moving.len() == 1,
        Linearity::First => moving == [0],
        Linearity::In(which) => moving.iter().all(|k| which.get(*k) == Some(&true)),
    }
}

/// The curvature of a linear operator of functions: each must have the sign of its coefficients. Those are seen by the
/// bounds of the operator over arrays with entries in [0, 1]: it is at least 0 there if no coefficient is negative.
fn through(op: &Arc<dyn Op>, args: &[(&Known, &[usize])], curves: &[Option<Curvature>]) -> Result<Curvature> {
    let builder = Builder::new();
    let vars: Vec<Var<'_>> =
        args.iter().enumerate().map(|(k, (_, shape))| builder.input(&format!("x{k}"), shape, Role::Argument)).collect();
    let out = builder.push(op.clone(), &vars, crate::error::Place::Unknown);
    let program = builder.finish(&[out])?;
    let mut found = Curvature::Affine;
    for (k, curve) in curves.iter().enumerate() {
        let Some(curve) = curve.filter(|c| *c != Curvature::Affine) else { continue };
        let boxes: Vec<Boxes> = args
            .iter()
            .enumerate()
            .map(|(j, (known, shape))| match known {
                Known::Numbers(x) => Ok(Boxes::point(x.clone())),
                Known::Function(_) if j == k => Boxes::new(Tensor::full(shape, 0.0), Tensor::full(shape, 1.0)),
                Known::Function(_) => Ok(Boxes::point(Tensor::full(shape, 0.0))),
            })
            .collect::<Result<_>>()?;
        let bounds = enclose(&program, &boxes, Arithmetic::Rigorous)?.remove(0);
        // Rounding outwards takes 0 to the next number.
        let up = bounds.lo().data().iter().all(|lo| *lo >= -f64::MIN_POSITIVE);
        let down = bounds.hi().data().iter().all(|hi| *hi <= f64::MIN_POSITIVE);
        let own = match (curve, up, down) {
            (_, true, true) => Curvature::Affine,
            (Curvature::Convex, true, _) | (Curvature::Concave, _, true) => Curvature::Convex,
            (Curvature::Concave, true, _) | (Curvature::Convex, _, true) => Curvature::Concave,
            _ => return Ok(Curvature::Unknown),
        };
        found = match (found, own) {
            (a, Curvature::Affine) => a,
            (Curvature::Affine, b) => b,
            (a, b) if a == b => a,
            _ => return Ok(Curvature::Unknown),
        };
    }
    Ok(found)
}

/// Whether an operator is defined by others.
fn expands(op: &Arc<dyn Op>, args: &[(&Known, &[usize])]) -> bool {
    let builder = Builder::new();
    let vars: Vec<Var<'_>> =
        args.iter().enumerate().map(|(k, (_, shape))| builder.input(&format!("x{k}"), shape, Role::Argument)).collect();
    op.expand(&vars).is_some()
}

/// The rule for one that is.
fn expanded(op: &Arc<dyn Op>, args: &[(&Known, &[usize])]) -> Result<Known> {
    let program = written_out(op, &args.iter().map(|(_, shape)| *shape).collect::<Vec<_>>());
    let given = args.iter().map(|(known, _)| match known {
        Known::Numbers(x) => Known::Numbers(x.clone()),
        Known::Function(c) => Known::Function(*c),
    });
    follow(&program, given.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::OPS;
    use crate::program::Registry;

    fn parse(text: &str, inputs: &[(&str, &[usize])]) -> Program {
        let program = crate::text::parse(&Registry::new(OPS.iter().cloned()), text, inputs);
        program.unwrap().varying(&["x"]).unwrap()
    }

    fn of(text: &str, inputs: &[(&str, &[usize])], data: &[Tensor]) -> Composition {
        Composition::new(&parse(text, inputs), data.to_vec(), Policy::default()).unwrap()
    }

    #[test]
    fn convexity_is_known_of_what_the_rules_build() {
        let y = Tensor::vector([1.0, -2.0, 3.0]);
        for (text, convex, level) in [
            ("sum(abs(x*x - y))", true, Level::PiecewiseLinear),
            ("mean(abs(x*x - y)) + 0.5*norm1(x)", true, Level::PiecewiseLinear),
            ("norminf(exp(x) - y) + x[0]**4", true, Level::PiecewiseLinear),
            ("max(sin(x)) - 3*min(x*y)", true, Level::PiecewiseLinear),
            ("max(sum(relu(x)), x[0]*x[1])", true, Level::PiecewiseLinear),
            ("norm2(x*x - y)", true, Level::Semialgebraic),
            ("abs(y) @ abs(x)", true, Level::PiecewiseLinear),
            ("y @ abs(x)", false, Level::PiecewiseLinear),
            ("sum(abs(x)) - norm1(x*x)", false, Level::PiecewiseLinear),
            ("abs(norm1(x) - 1)", false, Level::PiecewiseLinear),
            ("log(1 + norminf(x))", false, Level::Definable),
            ("sum(x*x)", true, Level::PiecewiseLinear),
        ] {
            let f = of(text, &[("x", &[3]), ("y", &[3])], std::slice::from_ref(&y));
            assert_eq!(f.is_convex(), convex, "{text}");
            assert_eq!(f.level(), level, "{text}");
        }
    }

    #[test]
    fn the_parts_make_the_whole() {
        let program = parse("norm1(exp(x) - y) + max(x*y) + x[0]**2", &[("x", &[3]), ("y", &[3])]);
        let y = [Tensor::vector([1.0, -2.0, 0.5])];
        let mut f = Composition::new(&program, y.to_vec(), Policy::default()).unwrap();
        let mut whole = super::super::Evaluator::new(&program, &y, Policy::default()).unwrap();
        let (x, m) = ([0.3, -0.2, 1.0], f.width());
        assert_eq!(m, 7);
        let (mut c, mut w, mut g, mut expected) = (vec![0.0; m], vec![0.0; m], [0.0; 3], [0.0; 3]);
        f.inner(&x, &mut c);
        let value = f.outer(&c, &mut w).unwrap();
        f.backward(&x, &w, &mut g);
        let due = whole.value_and_gradient(&x, &mut expected).unwrap();
        assert!((value - due).abs() < 1e-15 && g.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-15));
        // ⟨J d, w⟩ = ⟨d, Jᵀ w⟩.
        let (d, mut out) = ([0.5, 2.0, -1.0], vec![0.0; m]);
        f.forward(&x, &d, &mut out);
        let (left, right) = (crate::set::dot(&out, &w), crate::set::dot(&d, &g));
        assert!((left - right).abs() < 1e-14, "{left} {right}");
    }
}
