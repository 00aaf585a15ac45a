//! Tameness with its argument: which operator makes a program as wild as it is, what the theory then gives, and whether
//! the program is Lipschitz on a box.

use super::filled::filled;
use crate::error::{Fault, Place, Result};
use crate::program::class::{Class, Level};
use crate::program::{Kind, Program, Role};
use crate::run::{Arithmetic, enclose};
use crate::tensor::{Boxes, Tensor};

/// The class of a program with the argument for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tameness {
    /// The class over all points.
    pub level: Level,
    /// The class over bounded sets, where sin and cos are definable: of interest where the method's iterates are bounded.
    pub on_bounded: Level,
    /// Where the class rises above that of the arguments, in program order.
    pub raised: Vec<Raise>,
}

/// An operator whose value is of a wilder class than its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise {
    /// The operator.
    pub op: &'static str,
    /// Where it stands.
    pub place: Place,
    /// The wildest class of its arguments.
    pub from: Level,
    /// Its own.
    pub to: Level,
}

/// Whether a program is Lipschitz on a box.
#[derive(Debug, Clone, PartialEq)]
pub enum Lipschitz {
    /// It is, with this constant in the Euclidean norm: a bound of the norm of all elements of its conservative Jacobian.
    Bounded(f64),
    /// The derivative of an operator is not bounded there, as far as intervals tell: it may not be Lipschitz.
    Unbounded {
        /// The operator.
        op: String,
        /// Where it stands.
        place: Place,
    },
}

impl Tameness {
    /// What the theory gives for programs of this class, each with its source; for the class over all points.
    pub fn guarantees(&self) -> Vec<&'static str> {
        guarantees(self.level)
    }
}

fn guarantees(level: Level) -> Vec<&'static str> {
    const PATH: &str = "path-differentiable: the chain rule holds along Lipschitz curves for almost every time \
                        (Bolte, Pauwels 2021, Theorem 3, for definable Lipschitz functions)";
    const SARD: &str = "finitely many critical values (Bolte, Daniilidis, Lewis, Shiota 2007, Corollary 9; for conservative \
                        gradients Bolte, Pauwels 2021, Theorem 6)";
    const METHODS: &str = "accumulation points of the subgradient method with vanishing steps are critical, if the iterates \
                           are bounded (Davis, Drusvyatskiy, Kakade, Lee 2020, Theorem 5.9)";
    const EXACT: &str = "both sets are exact where enumerated: the first-order model is the function";
    match level {
        Level::Constant | Level::PiecewiseLinear => vec![PATH, SARD, METHODS, EXACT],
        Level::PiecewisePolynomial | Level::Semialgebraic | Level::Definable => vec![PATH, SARD, METHODS],
        Level::Unknown => vec![],
    }
}

impl Program {
    /// The class of tameness with the argument for it: which operators raise it, and what it is over bounded sets.
    ///
    /// ```
    /// use clarke::{Program, program::class::Level};
    /// let f = Program::trace(&[&[]], |v| v[0].sin().abs() + v[0] * v[0])?;
    /// let tame = f.tameness();
    /// assert_eq!((tame.level, tame.on_bounded), (Level::Unknown, Level::Definable));
    /// assert_eq!(tame.raised.iter().map(|r| r.op).collect::<Vec<_>>(), ["sin", "multiply"]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn tameness(&self) -> Tameness {
        let classes = self.classes();
        let needed = self.needed();
        let raise = |(id, node): (usize, &crate::program::Node)| {
            let Kind::Apply { op, args } = &node.kind else { return None };
            let from = args.iter().map(|&a| classes[a].level).max().unwrap_or(Level::Constant);
            let rises = needed[id] && classes[id].level > from.max(Level::PiecewiseLinear);
            rises.then(|| Raise { op: op.name(), place: node.place.clone(), from, to: classes[id].level })
        };
        Tameness {
            level: self.class().level,
            on_bounded: self.level_on_bounded(),
            raised: self.nodes().iter().enumerate().filter_map(raise).collect(),
        }
    }

    /// The class with all variables held to a bounded set.
    fn level_on_bounded(&self) -> Level {
        let mut classes: Vec<Class> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            classes.push(match &node.kind {
                Kind::Input(k) if matches!(self.inputs()[*k].role, Role::Argument) => Class::INPUT.bounded(),
                Kind::Input(_) | Kind::Constant(_) => Class::CONSTANT,
                Kind::Apply { op, args } => {
                    let args: Vec<Class> = args.iter().map(|&a| classes[a]).collect();
                    let constant = args.iter().all(|c| c.level == Level::Constant);
                    if constant { Class::CONSTANT } else { op.class(&args) }
                }
            });
        }
        self.outputs().iter().map(|&k| classes[k].level).max().unwrap_or(Level::Constant)
    }

    /// Whether a program of one output is Lipschitz on a box, given as lower and upper arrays for each input in order
    /// (equal ones for data), with a constant or the operator at fault.
    ///
    /// By interval execution of the linearized program, rounded outward, all ties free: the constant is valid over the
    /// reals, and often larger than the best; `Unbounded` does not prove the contrary. Errors: the number or shapes of the
    /// arrays, a bound above its counterpart, an operator without derivative. Cost: a small multiple of a slow gradient.
    ///
    /// ```
    /// use clarke::{Lipschitz, Program};
    /// let f = Program::trace(&[&[]], |v| v[0].abs().sqrt())?;
    /// let on = |a: f64, b: f64| f.lipschitz(&[(a.into(), b.into())]);
    /// assert!(matches!(on(1.0, 4.0)?, Lipschitz::Bounded(c) if (0.5..0.51).contains(&c)));
    /// assert!(matches!(on(-1.0, 1.0)?, Lipschitz::Unbounded { op, .. } if op == "sqrt"));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn lipschitz(&self, inputs: &[(Tensor, Tensor)]) -> Result<Lipschitz> {
        let program = crate::derive::unroll(self)?.prune();
        let gradient =
            if program.output_shapes() == [&[] as &[usize]] { program.gradient()? } else { program.jacobian()? };
        let wanted: Vec<_> = gradient.inputs().iter().filter(|i| !i.role.is_selection()).collect();
        if wanted.len() != inputs.len() {
            let names = wanted.iter().map(|i| i.name.clone()).collect();
            return Err(Fault::InputCount { expected: wanted.len(), given: inputs.len(), names }.into());
        }
        let mut given = inputs.iter();
        let boxes = filled(&gradient, |_, input| {
            let (lo, hi) = given.next().expect("counted above");
            // On a point a tie over axes would be taken for what one number selects.
            if input.role.is_argument() && std::iter::zip(lo.data(), hi.data()).any(|(l, h)| l >= h) {
                let rule = "every variable needs a lower bound below its upper one".to_string();
                return Err(Fault::Setting { setting: "box", given: input.name.clone(), rule }.into());
            }
            Boxes::new(lo.clone(), hi.clone())
        })?;
        let all: Vec<usize> = (0..gradient.nodes().len()).collect();
        let values = enclose(&gradient.with_outputs(&all), &boxes, Arithmetic::Rigorous)?;
        let largest = |k: usize| -> f64 {
            let ends = values[k].lo().data().iter().chain(values[k].hi().data());
            ends.fold(0.0, |m: f64, x| if x.is_nan() { f64::INFINITY } else { m.max(x.abs()) })
        };
        let square = |k: usize| -> f64 {
            let pairs = std::iter::zip(values[k].lo().data(), values[k].hi().data());
            pairs.map(|(l, h)| l.abs().max(h.abs()).powi(2)).sum()
        };
        if gradient.outputs().iter().all(|&k| largest(k).is_finite()) {
            let sum: f64 = gradient.outputs().iter().map(|&k| square(k)).sum();
            return Ok(Lipschitz::Bounded(sum.sqrt() * (1.0 + 1e-12)));
        }
        // The first node that is unbounded although its arguments are bounded.
        let needed = gradient.needed();
        let culprit = gradient.nodes().iter().enumerate().find(|(id, node)| match &node.kind {
            Kind::Apply { args, .. } => {
                needed[*id] && !largest(*id).is_finite() && args.iter().all(|&a| largest(a).is_finite())
            }
            _ => false,
        });
        let (op, place) = match culprit.map(|(_, node)| (node, &node.kind)) {
            Some((node, Kind::Apply { op, .. })) => {
                (node.owner.as_ref().map_or(op.name(), |o| o.name()).to_string(), node.place.clone())
            }
            _ => ("the program".to_string(), Place::Unknown),
        };
        Ok(Lipschitz::Unbounded { op, place })
    }
}
