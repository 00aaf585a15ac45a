//! What happens to the gradient at a tie of relu.

use clarke::program::Kind;
use clarke::program::tie::Site;
use clarke::{Builder, Program, Result, Var};

/// How relu'(0) = s enters the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The gradient that comes in is multiplied by s: the chain rule.
    Chain,
    /// The gradient behind the tie is set to s, whatever comes in: the published code (relu.py of deel-ai/relu-prime). No
    /// derivative of any program for s ≠ 0; here to be compared with.
    Released,
}

impl Rule {
    /// The derivative of a loss, (value, gradient …), in which ties of relu are as this rule says for s.
    ///
    /// Errors: those of the derivative.
    pub(super) fn derivative(self, loss: &Program, s: f64) -> Result<Program> {
        let gradient = loss.value_and_gradient()?;
        if self == Rule::Released { set_at_ties(&gradient, s) } else { Ok(gradient) }
    }

    /// The selections that go with it: s at the ties of relu, others as `pick` says.
    pub(super) fn fill(self, s: f64, pick: f64) -> impl Fn(&Site) -> f64 {
        move |site| match site.tie.tie().is_some_and(|tie| tie.is_interval()) {
            true if self == Rule::Chain => s,
            true => 0.0,
            false => pick,
        }
    }
}

/// The program in which every product of a tie `step(u)` with what comes in is s where u = 0.
fn set_at_ties(program: &Program, s: f64) -> Result<Program> {
    let builder = Builder::new();
    let mut map: Vec<Var<'_>> = Vec::with_capacity(program.nodes().len());
    for node in program.nodes() {
        let image = match &node.kind {
            Kind::Input(k) => {
                let input = &program.inputs()[*k];
                builder.input(&input.name, &input.shape, input.role.clone())
            }
            Kind::Constant(value) => builder.constant_at(value.as_ref().clone(), node.place.clone()),
            Kind::Apply { op, args } => {
                let vars: Vec<Var<'_>> = args.iter().map(|&a| map[a]).collect();
                let product = builder.apply_at(op.clone(), &vars, node.place.clone());
                match tied(program, args).filter(|_| op.guards()) {
                    Some(u) => map[u].eq_to(0.0).where_(s, product),
                    None => product,
                }
            }
        };
        map.push(image);
    }
    let outputs: Vec<Var<'_>> = program.outputs().iter().map(|&k| map[k]).collect();
    builder.finish(&outputs)
}

/// The argument of the tie with two pieces that the first of these nodes is.
fn tied(program: &Program, args: &[usize]) -> Option<usize> {
    let Kind::Apply { op, args } = &program.nodes()[*args.first()?].kind else { return None };
    op.tie().filter(|tie| tie.is_interval()).map(|_| args[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clarke::{Float, Rounded};
    use proptest::prelude::*;

    /// Σ relu(w)·x: ∂w = relu'(w)·x.
    fn gradient(rule: Rule, s: f64, w: &[f64; 3], x: &[f64; 3]) -> Vec<f64> {
        let f = clarke::parse("sum(relu(w) * x)", &[("w", &[3]), ("x", &[3])]).unwrap().varying(&["w"]).unwrap();
        let derivative = rule.derivative(&f, s).unwrap();
        let (mut value, mut out) = ([0.0], vec![0.0; 3]);
        let mut run = Rounded::new(&derivative, Float::F64, &rule.fill(s, 0.0)).unwrap();
        run.run(&[w, x], &mut [&mut value, &mut out]);
        out
    }

    proptest! {
        #[test]
        fn the_chain_rule_multiplies_and_the_released_rule_sets(
            w in [-1i32..2, -1i32..2, -1i32..2], x in [-4.0..4.0f64, -4.0..4.0, -4.0..4.0], s in -5.0..10.0f64
        ) {
            let w = w.map(f64::from);
            let (chain, released) = (gradient(Rule::Chain, s, &w, &x), gradient(Rule::Released, s, &w, &x));
            for k in 0..3 {
                let expected = match w[k] {
                    0.0 => (s * x[k], s),
                    w if w > 0.0 => (x[k], x[k]),
                    _ => (0.0, 0.0),
                };
                prop_assert_eq!((chain[k], released[k]), expected);
            }
        }
    }
}
