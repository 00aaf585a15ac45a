//! What a method is told of a function.

use crate::error::{Fault, Result};
use crate::local::{Composition, Evaluator, FiniteSum};
use crate::program::class::Level;
use serde::{Deserialize, Serialize};

/// What a method is told of a function f: its values, and elements of a conservative gradient.
///
/// A function may be a mean f = (1/n) Σ f_i of n terms, as of a loss over samples. Methods that sample ask for the mean over
/// some of them; every other function is a sum of one term, itself.
pub trait Oracle {
    /// The number of variables.
    fn dimension(&self) -> usize;

    /// The value at a point, and an element of a conservative gradient there, written to `gradient`.
    ///
    /// Errors: the function or the element is not finite or does not exist there.
    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64>;

    /// The value at a point. Errors: it is not finite or does not exist there.
    ///
    /// Unless an oracle knows better, a gradient is computed and thrown away.
    fn value(&mut self, x: &[f64]) -> Result<f64> {
        let mut unused = vec![0.0; self.dimension()];
        self.value_and_gradient(x, &mut unused)
    }

    /// The number n of terms.
    fn terms(&self) -> usize {
        1
    }

    /// The mean of some terms' values (with repetitions, where an index is repeated), and the mean of elements of their
    /// conservative gradients, written to `gradient`.
    ///
    /// `terms` has at least one entry, each below [`terms`](Oracle::terms). Errors: as those of the whole function.
    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let _ = terms;
        self.value_and_gradient(x, gradient)
    }

    /// The class of tameness, as far as known.
    fn level(&self) -> Level {
        Level::Unknown
    }

    /// Whether the function is convex, as far as known.
    fn convexity(&self) -> Convexity {
        Convexity::Unknown
    }

    /// What is known of the function as a composition h(c(x)) with a smooth c, if it can be evaluated as one.
    fn parts(&self) -> Option<Parts> {
        None
    }

    /// The function as such a composition: there if [`parts`](Oracle::parts) are.
    fn composite(&mut self) -> Option<&mut dyn Composite> {
        None
    }
}

/// A function h(c(x)) in its parts: c: Rⁿ → Rᵐ is smooth, with Jacobian J(x).
pub trait Composite {
    /// m.
    fn width(&mut self) -> usize;

    /// c(x). Errors: an entry is not finite.
    fn inner(&mut self, x: &[f64], c: &mut [f64]) -> Result<()>;

    /// J(x) d, written to `out`. Errors: an entry is not finite.
    fn forward(&mut self, x: &[f64], d: &[f64], out: &mut [f64]) -> Result<()>;

    /// J(x)ᵀ w, written to `out`. Errors: an entry is not finite.
    fn backward(&mut self, x: &[f64], w: &[f64], out: &mut [f64]) -> Result<()>;

    /// h at a point of Rᵐ, and an element of a conservative gradient of h there, written to `element`.
    ///
    /// Errors: h or the element is not finite or does not exist there.
    fn outer(&mut self, c: &[f64], element: &mut [f64]) -> Result<f64>;
}

/// What is known of a function h(c(x)) taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The class of h.
    pub level: Level,
    /// Whether h is convex by the rules of compositions.
    pub convex: bool,
    /// Whether h is the identity, because the function has no ties.
    pub smooth: bool,
}

/// Whether a function is convex, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convexity {
    /// Nobody said so.
    #[default]
    Unknown,
    /// It is convex: said by whoever states the problem, and not verified.
    Convex,
}

/// What is known of a function, as far as guarantees depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The class of tameness.
    pub level: Level,
    /// Whether it is convex.
    pub convexity: Convexity,
    /// The number of terms, 1 if it is no sum.
    pub terms: usize,
    /// What is known of it as a composition h(c(x)), if it can be taken apart.
    pub parts: Option<Parts>,
}

impl Facts {
    /// What an oracle says of its function.
    pub fn of(oracle: &dyn Oracle) -> Facts {
        Facts { level: oracle.level(), convexity: oracle.convexity(), terms: oracle.terms(), parts: oracle.parts() }
    }

    /// Whether the function is known to be definable.
    pub fn tame(&self) -> bool {
        self.level != Level::Unknown
    }

    /// Whether the function is said to be convex.
    pub fn convex(&self) -> bool {
        self.convexity == Convexity::Convex
    }
}

impl Oracle for Evaluator {
    fn dimension(&self) -> usize {
        Evaluator::dimension(self)
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        Evaluator::value_and_gradient(self, x, gradient)
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        Evaluator::value(self, x)
    }

    fn level(&self) -> Level {
        self.program().class().level
    }

    fn parts(&self) -> Option<Parts> {
        let parts = Evaluator::parts(self)?;
        Some(Parts { level: parts.level(), convex: parts.is_convex(), smooth: parts.is_smooth() })
    }

    fn composite(&mut self) -> Option<&mut dyn Composite> {
        self.parts_mut().map(|parts| parts as _)
    }
}

impl Composite for Composition {
    fn width(&mut self) -> usize {
        Composition::width(self)
    }

    fn inner(&mut self, x: &[f64], c: &mut [f64]) -> Result<()> {
        Composition::inner(self, x, c);
        finite("the smooth part", 0.0, c).map(|_| ())
    }

    fn forward(&mut self, x: &[f64], d: &[f64], out: &mut [f64]) -> Result<()> {
        Composition::forward(self, x, d, out);
        finite("the Jacobian of the smooth part", 0.0, out).map(|_| ())
    }

    fn backward(&mut self, x: &[f64], w: &[f64], out: &mut [f64]) -> Result<()> {
        Composition::backward(self, x, w, out);
        finite("the Jacobian of the smooth part", 0.0, out).map(|_| ())
    }

    fn outer(&mut self, c: &[f64], element: &mut [f64]) -> Result<f64> {
        Composition::outer(self, c, element)
    }
}

impl Oracle for FiniteSum {
    fn dimension(&self) -> usize {
        FiniteSum::dimension(self)
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        FiniteSum::value_and_gradient(self, x, gradient)
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        FiniteSum::value(self, x)
    }

    fn terms(&self) -> usize {
        self.count()
    }

    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        FiniteSum::batch(self, terms, x, gradient)
    }

    fn level(&self) -> Level {
        self.program().class().level
    }
}

impl<O: Oracle + ?Sized> Oracle for &mut O {
    fn dimension(&self) -> usize {
        (**self).dimension()
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        (**self).value_and_gradient(x, gradient)
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        (**self).value(x)
    }

    fn terms(&self) -> usize {
        (**self).terms()
    }

    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        (**self).batch(terms, x, gradient)
    }

    fn level(&self) -> Level {
        (**self).level()
    }

    fn convexity(&self) -> Convexity {
        (**self).convexity()
    }

    fn parts(&self) -> Option<Parts> {
        (**self).parts()
    }

    fn composite(&mut self) -> Option<&mut dyn Composite> {
        (**self).composite()
    }
}

/// An oracle whose function is said to be convex.
///
/// Nothing verifies it: what a method promises for convex functions then rests on this word.
pub struct Convex<O>(pub O);

impl<O: Oracle> Oracle for Convex<O> {
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.0.value_and_gradient(x, gradient)
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.0.value(x)
    }

    fn terms(&self) -> usize {
        self.0.terms()
    }

    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.0.batch(terms, x, gradient)
    }

    fn level(&self) -> Level {
        self.0.level()
    }

    fn convexity(&self) -> Convexity {
        Convexity::Convex
    }

    fn parts(&self) -> Option<Parts> {
        self.0.parts()
    }

    fn composite(&mut self) -> Option<&mut dyn Composite> {
        self.0.composite()
    }
}

/// How often a function was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evaluations {
    /// Values without a gradient.
    pub values: u64,
    /// Gradients, each with its value; of the whole function or of a batch.
    pub gradients: u64,
    /// Terms that these took together: for a function that is no sum, `values + gradients`.
    pub terms: u64,
}

/// An oracle that counts how often it is asked, and lets no number pass that is not finite.
pub(super) struct Counted<'a> {
    oracle: &'a mut dyn Oracle,
    pub(super) count: Evaluations,
}

impl<'a> Counted<'a> {
    /// Counts on from `count`.
    pub(super) fn new(oracle: &'a mut dyn Oracle, count: Evaluations) -> Counted<'a> {
        Counted { oracle, count }
    }
}

/// An error if a value or an entry of a gradient or of a point is not finite.
fn finite(what: &str, value: f64, others: &[f64]) -> Result<f64> {
    let bad = match value.is_finite() {
        true => others.iter().position(|g| !g.is_finite()),
        false => None,
    };
    let (value, index) = match bad {
        Some(k) => (others[k], vec![k]),
        None if value.is_finite() => return Ok(value),
        None => (value, vec![]),
    };
    let advice = "a method needs finite numbers; smaller steps, or another start, may help";
    Err(Fault::NotFinite { op: what.into(), value, argument: vec![], index, advice }.into())
}

impl Oracle for Counted<'_> {
    fn dimension(&self) -> usize {
        self.oracle.dimension()
    }

    fn value_and_gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        finite("a step", 0.0, x)?;
        self.count.gradients += 1;
        self.count.terms += self.oracle.terms() as u64;
        let value = self.oracle.value_and_gradient(x, gradient)?;
        finite("the function or its gradient", value, gradient)
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        finite("a step", 0.0, x)?;
        self.count.values += 1;
        self.count.terms += self.oracle.terms() as u64;
        finite("the function", self.oracle.value(x)?, &[])
    }

    fn terms(&self) -> usize {
        self.oracle.terms()
    }

    fn batch(&mut self, terms: &[usize], x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        finite("a step", 0.0, x)?;
        self.count.gradients += 1;
        self.count.terms += terms.len() as u64;
        let value = self.oracle.batch(terms, x, gradient)?;
        finite("the function or its gradient", value, gradient)
    }

    fn level(&self) -> Level {
        self.oracle.level()
    }

    fn convexity(&self) -> Convexity {
        self.oracle.convexity()
    }

    fn parts(&self) -> Option<Parts> {
        self.oracle.parts()
    }

    fn composite(&mut self) -> Option<&mut dyn Composite> {
        if self.oracle.composite().is_some() { Some(self) } else { None }
    }
}

impl Counted<'_> {
    fn taken_apart(&mut self) -> &mut dyn Composite {
        self.oracle.composite().expect("`composite` has seen that it can be taken apart")
    }
}

/// c counts as a value, and so does a product with J; one with Jᵀ counts as a gradient. h alone is not counted: it is a part
/// of f, of values that are there.
impl Composite for Counted<'_> {
    fn width(&mut self) -> usize {
        self.taken_apart().width()
    }

    fn inner(&mut self, x: &[f64], c: &mut [f64]) -> Result<()> {
        finite("a step", 0.0, x)?;
        self.count.values += 1;
        self.count.terms += 1;
        self.taken_apart().inner(x, c)?;
        finite("the smooth part", 0.0, c).map(|_| ())
    }

    fn forward(&mut self, x: &[f64], d: &[f64], out: &mut [f64]) -> Result<()> {
        finite("a step", 0.0, d)?;
        self.count.values += 1;
        self.count.terms += 1;
        self.taken_apart().forward(x, d, out)?;
        finite("the Jacobian of the smooth part", 0.0, out).map(|_| ())
    }

    fn backward(&mut self, x: &[f64], w: &[f64], out: &mut [f64]) -> Result<()> {
        self.count.gradients += 1;
        self.count.terms += 1;
        self.taken_apart().backward(x, w, out)?;
        finite("the Jacobian of the smooth part", 0.0, out).map(|_| ())
    }

    fn outer(&mut self, c: &[f64], element: &mut [f64]) -> Result<f64> {
        let value = self.taken_apart().outer(c, element)?;
        finite("the function or its gradient", value, element)
    }
}
