//! Elementwise operators with kinks.

use super::pointwise::{Elementwise, IntoVar, Pointwise, finite, parameter};
use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{Curve, Sample};
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};

const X: &[(&str, &[usize])] = &[("x", &[3])];
const PAIR: &[(&str, &[usize])] = &[("a", &[2, 3]), ("b", &[3])];

/// The selection s with `low + s·(high − low)` of least absolute value.
pub(super) fn least_norm(low: f64, high: f64) -> f64 {
    if low * high < 0.0 {
        low / (low - high)
    } else if high.abs() < low.abs() {
        1.0
    } else {
        0.0
    }
}

/// `relu(x) = max(x, 0)`, elementwise. Clarke: {0} left, [0, 1] at 0, {1} right. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Relu;

impl Pointwise for Relu {
    const NAME: &'static str = "relu";
    const SIGNATURE: &'static str = "relu(x)";
    const FORMULA: &'static str = "max(x, 0)";
    const CURVE: Curve = Curve::Increasing;
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[0, 1] at x = 0";
    const SOURCE: &'static str = "Bolte, Pauwels 2021, §5";
    const SAMPLES: &'static [Sample] = &[Sample::new("relu(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.max(T::of(0.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.step())]
    }
}

/// `abs(x) = |x|`, elementwise. Clarke: {−1} left, [−1, 1] at 0, {1} right. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Abs {
    /// Whether the user wrote √x², which every framework differentiates as written.
    root: bool,
}

impl Abs {
    /// The absolute value that was written as the root of a square.
    pub(super) const ROOT: Abs = Abs { root: true };
}

impl Pointwise for Abs {
    const NAME: &'static str = "abs";
    const SIGNATURE: &'static str = "abs(x)";
    const FORMULA: &'static str = "|x|";
    const CURVE: Curve = Curve::Convex;
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[-1, 1] at x = 0";
    const SOURCE: &'static str = "Clarke 1990, Example 2.2.8";
    const SAMPLES: &'static [Sample] = &[Sample::new("abs(x)", X)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.abs()
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(2.0 * x.step() - 1.0)]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        if let (true, Some(note)) = (self.root, root_at_zero(convention)) {
            return Choice::instead(0.5, note);
        }
        // JAX selects x >= 0, so its slope at 0 is +1; the others return sign(0) = 0, the element of least norm.
        Choice::plain(if convention == Convention::Jax { 1.0 } else { 0.5 })
    }
}

/// What a framework does at 0 with a norm written as a square root: it multiplies the slope ∞ of the root with the
/// slope 0 of the square.
pub(super) fn root_at_zero(convention: Convention) -> Option<&'static str> {
    match convention {
        Convention::MinNorm => None,
        Convention::PyTorch => Some("PyTorch returns NaN here: it differentiates the square root at 0"),
        Convention::Jax => Some("JAX returns NaN here: it differentiates the square root at 0"),
        Convention::TensorFlow => Some("TensorFlow returns NaN here: it differentiates the square root at 0"),
    }
}

/// `leaky_relu(x, slope=0.01)`: x for x > 0, slope·x for x < 0, elementwise. Clarke: the interval between slope and 1
/// at 0. Piecewise linear.
///
/// Errors: a slope that is not finite.
#[derive(Debug, Clone)]
pub struct LeakyRelu {
    /// The slope on the left.
    pub slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> LeakyRelu {
        LeakyRelu { slope: 0.01 }
    }
}

impl Pointwise for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const SIGNATURE: &'static str = "leaky_relu(x, slope=0.01)";
    const FORMULA: &'static str = "x if x > 0, else slope · x";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[slope, 1] (or [1, slope]) at x = 0";
    const SOURCE: &'static str = "Maas, Hannun, Ng 2013";
    const SAMPLES: &'static [Sample] = &[Sample::new("leaky_relu(x)", X), Sample::new("leaky_relu(x, slope=-0.5)", X)];
    const PARAMS: &'static [(&'static str, f64)] = &[("slope", 0.01)];

    fn params(&self) -> Vec<f64> {
        vec![self.slope]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        Ok(LeakyRelu { slope: finite(Self::NAME, "slope", values[0])? })
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.if_gt(T::of(0.0), x, T::of(self.slope) * x)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        // Not slope + s·(1 − slope), which rounds off the tie.
        let s = x.step();
        [Some(s + self.slope * (1.0 - s))]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        Choice::plain(match convention {
            Convention::MinNorm => least_norm(self.slope, 1.0),
            // JAX selects x >= 0: slope 1. PyTorch and TensorFlow select x > 0: the slope on the left.
            Convention::Jax => 1.0,
            Convention::PyTorch | Convention::TensorFlow => 0.0,
        })
    }
}

/// `relu6(x) = min(max(x, 0), 6)`, elementwise. Clarke: [0, 1] at 0 and at 6. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Relu6;

impl Pointwise for Relu6 {
    const NAME: &'static str = "relu6";
    const SIGNATURE: &'static str = "relu6(x)";
    const FORMULA: &'static str = "min(max(x, 0), 6)";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[0, 1] at x = 0 and at x = 6";
    const SOURCE: &'static str = "Krizhevsky 2010";
    const SAMPLES: &'static [Sample] = &[Sample::new("relu6(x)", X), Sample::new("relu6(x)", X).on(4.0, 8.0)];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear().bounded()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.max(T::of(0.0)).min(T::of(6.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(between(x, 0.0, 6.0))]
    }

    fn choice(&self, tie: usize, _: Convention) -> Choice {
        // PyTorch, JAX (0.5 before its change 14840) and TensorFlow all give 0 at both ends, which is also the least.
        at_bound(tie, 0.0)
    }
}

/// The slope of a clip: 1 inside of the bounds, 0 outside. Its ties are that at the lower bound, then that at the upper.
pub(super) fn between<'p>(x: Var<'p>, low: f64, high: f64) -> Var<'p> {
    (x - low).step() * (1.0 - (x - high).step())
}

/// The selection at the k-th tie of [`between`] that makes the slope at a bound `slope`.
pub(super) fn at_bound(tie: usize, slope: f64) -> Choice {
    Choice::plain(if tie == 0 { slope } else { 1.0 - slope })
}

/// `clip(x, low, high) = min(max(x, low), high)`, elementwise. Clarke: [0, 1] at each bound. Piecewise linear.
///
/// At equal bounds the function is constant and its Clarke set {0}; this operator's own set there is [0, 1], outer.
/// `None` for a bound is no bound. Bounds that are variables make it `minimum(maximum(x, low), high)`.
/// Errors: a bound that is NaN; high < low.
#[derive(Debug, Clone)]
pub struct Clip {
    /// The lower bound, perhaps −∞.
    pub low: f64,
    /// The upper bound, perhaps ∞.
    pub high: f64,
}

impl Default for Clip {
    fn default() -> Clip {
        Clip { low: f64::NEG_INFINITY, high: f64::INFINITY }
    }
}

impl Pointwise for Clip {
    const NAME: &'static str = "clip";
    const SIGNATURE: &'static str = "clip(x, low, high)";
    const FORMULA: &'static str = "min(max(x, low), high)";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[0, 1] at x = low and at x = high (outer if low = high, where the Clarke set is {0})";
    const SOURCE: &'static str = "numpy.clip";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("clip(x, -1, 1)", X),
        Sample::new("clip(x, None, 1)", X),
        Sample::new("clip(x, low, high)", &[("x", &[3]), ("low", &[]), ("high", &[])]),
    ];
    const PARAMS: &'static [(&'static str, f64)] = &[("low", f64::NAN), ("high", f64::NAN)];
    const OPEN: bool = true;
    const CALL: for<'p> fn(&Call<'_, 'p>) -> Result<Var<'p>> = call_clip;

    fn params(&self) -> Vec<f64> {
        vec![self.low, self.high]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        let (low, high) = (values[0], values[1]);
        if low.is_nan() || low == f64::INFINITY {
            return Err(parameter(Self::NAME, "low", low, "it must be a number, or None"));
        }
        if high.is_nan() || high == f64::NEG_INFINITY {
            return Err(parameter(Self::NAME, "high", high, "it must be a number, or None"));
        }
        if high < low {
            let rule = format!("it must not be less than low, which is {low}");
            return Err(parameter(Self::NAME, "high", high, &rule));
        }
        Ok(Clip { low, high })
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        let own = x.piecewise_linear();
        if self.low.is_finite() && self.high.is_finite() { own.bounded() } else { own }
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        x.max(T::of(self.low)).min(T::of(self.high))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(between(x, self.low, self.high))]
    }

    fn choice(&self, tie: usize, convention: Convention) -> Choice {
        match convention {
            // PyTorch 2.15 masks a clamp to numbers with strict inequalities (until July 2026 inclusive: 1); 0 is also the
            // least.
            Convention::MinNorm | Convention::PyTorch => at_bound(tie, 0.0),
            // jnp.clip is minimum(maximum(x, low), high), each of which splits evenly (lax.clamp would give 0).
            Convention::Jax => at_bound(tie, 0.5),
            // clip_by_value keeps the gradient on the closed interval.
            Convention::TensorFlow => at_bound(tie, 1.0),
        }
    }
}

/// Reads `clip(x, low, high)`: numbers or None make a clip, variables a maximum and a minimum.
fn call_clip<'p>(call: &Call<'_, 'p>) -> Result<Var<'p>> {
    call.expect(1, 3, &["low", "high"])?;
    let x = call.var(0)?;
    let bound = |name: &str, position: usize| -> Result<Bound<'p>> {
        match call.optional(name, position) {
            None => Err(call.fault(format!("`{name}` is missing; None stands for no bound"))),
            Some(Value::None) => Ok(Bound::Number(None)),
            Some(Value::Number(b)) => Ok(Bound::Number(Some(*b))),
            Some(other) => {
                let var = call.as_var(other)?;
                Ok(var.known_scalar().filter(|_| var.rank() == 0).map_or(Bound::Var(var), |b| Bound::Number(Some(b))))
            }
        }
    };
    let variable = |bound: Bound<'p>| match bound {
        Bound::Number(b) => b.map(|b| call.as_var(&Value::Number(b))).transpose(),
        Bound::Var(var) => Ok(Some(var)),
    };
    match (bound("low", 1)?, bound("high", 2)?) {
        (Bound::Number(low), Bound::Number(high)) => {
            let bounds = [low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY)];
            let op = Clip::default().with_params(&bounds).map_err(|fault| fault.at(call.place.clone()))?;
            Ok(call.apply(Elementwise(op), &[x]))
        }
        (low, high) => {
            let (low, high) = (variable(low)?, variable(high)?);
            let above = low.map_or(x, |low| call.apply(Elementwise::<Maximum, 2>(Maximum), &[x, low]));
            Ok(high.map_or(above, |high| call.apply(Elementwise::<Minimum, 2>(Minimum), &[above, high])))
        }
    }
}

/// A bound of a clip.
enum Bound<'p> {
    /// A number, or none.
    Number(Option<f64>),
    /// A variable.
    Var(Var<'p>),
}

/// `maximum(a, b)`, elementwise. Clarke: the segment from (1, 0) to (0, 1) at a = b. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Maximum;

impl Pointwise<2> for Maximum {
    const NAME: &'static str = "maximum";
    const SIGNATURE: &'static str = "maximum(a, b)";
    const FORMULA: &'static str = "the larger of a and b";
    const CURVE: Curve = Curve::Increasing;
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "{(s, 1 − s): 0 ≤ s ≤ 1} at a = b";
    const SOURCE: &'static str = "Clarke 1990, Proposition 2.3.12";
    const SAMPLES: &'static [Sample] = &[Sample::new("maximum(a, b)", PAIR)];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).piecewise_linear()
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a.max(b)
    }

    fn slopes<'p>(&self, [a, b]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        let s = (a - b).step();
        [Some(s), Some(1.0 - s)]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        even_or_first(convention)
    }
}

/// What is chosen between two equal arguments, where s goes to the first: an even split has the least norm, and PyTorch
/// and JAX split so; TensorFlow compares with >= (<= for the minimum), so that the first takes all.
fn even_or_first(convention: Convention) -> Choice {
    Choice::plain(if convention == Convention::TensorFlow { 1.0 } else { 0.5 })
}

/// `minimum(a, b)`, elementwise. Clarke: the segment from (1, 0) to (0, 1) at a = b. Piecewise linear.
#[derive(Debug, Clone, Default)]
pub struct Minimum;

impl Pointwise<2> for Minimum {
    const NAME: &'static str = "minimum";
    const SIGNATURE: &'static str = "minimum(a, b)";
    const FORMULA: &'static str = "the smaller of a and b";
    const CURVE: Curve = Curve::ConcaveIncreasing;
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "{(s, 1 − s): 0 ≤ s ≤ 1} at a = b";
    const SOURCE: &'static str = "Clarke 1990, Proposition 2.3.12, for −min(a, b) = max(−a, −b)";
    const SAMPLES: &'static [Sample] = &[Sample::new("minimum(a, b)", PAIR)];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).piecewise_linear()
    }

    fn value<T: Real>(&self, [a, b]: [T; 2]) -> T {
        a.min(b)
    }

    fn slopes<'p>(&self, [a, b]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        let s = (b - a).step();
        [Some(s), Some(1.0 - s)]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        even_or_first(convention)
    }
}

/// `soft_threshold(x, t) = max(x − t, 0) − max(−x − t, 0)`, elementwise: the prox of t·|·| for t ≥ 0. Clarke: at x = ±t
/// the segment from (0, 0) to (1, ∓1). Piecewise linear.
///
/// At t = 0 and x = 0 its two ties coincide and its own set is outer.
#[derive(Debug, Clone, Default)]
pub struct SoftThreshold;

impl Pointwise<2> for SoftThreshold {
    const NAME: &'static str = "soft_threshold";
    const SIGNATURE: &'static str = "soft_threshold(x, t)";
    const FORMULA: &'static str = "max(x − t, 0) − max(−x − t, 0)";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "{s · (1, ∓1): 0 ≤ s ≤ 1} at x = ±t (outer at x = t = 0)";
    const SOURCE: &'static str = "Donoho, Johnstone 1994";
    const SAMPLES: &'static [Sample] =
        &[Sample::new("soft_threshold(x, t)", &[("x", &[2, 3]), ("t", &[3])]), Sample::new("soft_threshold(x, 1)", X)];

    fn class(&self, x: [Class; 2]) -> Class {
        Class::join(&x).piecewise_linear()
    }

    fn value<T: Real>(&self, [x, t]: [T; 2]) -> T {
        let zero = T::of(0.0);
        (x - t).max(zero) - (-x - t).max(zero)
    }

    fn slopes<'p>(&self, [x, t]: [Var<'p>; 2], _: Var<'p>) -> [Option<Var<'p>>; 2] {
        let (above, below) = ((x - t).step(), (-x - t).step());
        [Some(above + below), Some(below - above)]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        Choice::plain(match convention {
            // PyTorch's softshrink counts the closed band as zero, which is also the least.
            Convention::MinNorm | Convention::PyTorch => 0.0,
            // Written sign(x)·maximum(|x| − t, 0), it takes the tie of maximum: an even split in JAX, all to the first
            // argument in TensorFlow.
            Convention::Jax => 0.5,
            Convention::TensorFlow => 1.0,
        })
    }
}

impl<'p> Var<'p> {
    /// `max(x, 0)`, elementwise.
    #[track_caller]
    pub fn relu(self) -> Var<'p> {
        self.apply(Elementwise(Relu))
    }

    /// `|x|`, elementwise.
    #[track_caller]
    pub fn abs(self) -> Var<'p> {
        self.apply(Elementwise(Abs::default()))
    }

    /// x where positive, else `slope · x`, elementwise.
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Var<'p> {
        self.apply_params::<LeakyRelu>(&[slope])
    }

    /// `min(max(x, 0), 6)`, elementwise.
    #[track_caller]
    pub fn relu6(self) -> Var<'p> {
        self.apply(Elementwise(Relu6))
    }

    /// `min(max(x, low), high)`, elementwise; an infinite bound is none. For bounds that are variables write
    /// `x.maximum(low).minimum(high)`.
    #[track_caller]
    pub fn clip(self, low: f64, high: f64) -> Var<'p> {
        self.apply_params::<Clip>(&[low, high])
    }

    /// The larger one, elementwise.
    #[track_caller]
    pub fn maximum(self, other: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<Maximum, 2>(Maximum), &[other.into_var(self)])
    }

    /// The smaller one, elementwise.
    #[track_caller]
    pub fn minimum(self, other: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<Minimum, 2>(Minimum), &[other.into_var(self)])
    }

    /// `max(x − t, 0) − max(−x − t, 0)`, elementwise: the prox of t·|·|.
    #[track_caller]
    pub fn soft_threshold(self, t: impl IntoVar<'p>) -> Var<'p> {
        self.apply_with(Elementwise::<SoftThreshold, 2>(SoftThreshold), &[t.into_var(self)])
    }
}
