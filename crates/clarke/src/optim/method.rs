//! The contract of a method, and any method as a value.

use super::oracle::{Facts, Oracle};
use crate::error::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::fmt;

/// A method: where it starts, what one step is, when it is done, and what the theory says of it.
///
/// A method itself is plain data (its parameters) and never changes; what changes is its state.
pub trait Method: fmt::Debug + Send + Sync {
    /// What it carries from step to step.
    type State: Send + 'static;

    /// The state at the start. Errors: those of the oracle at x; a parameter that does not fit the function.
    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<Self::State>;

    /// One step: the state moves to the next iterate. Errors: those of the oracle; what [`current`](Method::current) gives
    /// then is still a point that could be evaluated.
    fn step(&self, oracle: &mut dyn Oracle, state: &mut Self::State) -> Result<()>;

    /// Why the method cannot or need not go on, if so. Asked before every step.
    fn stop(&self, state: &Self::State) -> Option<Status>;

    /// The point that the method stands for so far, and the value of the whole function there (with the regularizer, if
    /// there is one): the latest that was evaluated, which is the iterate itself unless a method samples or averages.
    fn current<'a>(&self, state: &'a Self::State) -> (&'a [f64], f64);

    /// Called once when a run ends: methods that do not evaluate at every step bring [`current`](Method::current) up to
    /// date. Errors: those of the oracle.
    fn finish(&self, oracle: &mut dyn Oracle, state: &mut Self::State) -> Result<()> {
        let _ = (oracle, state);
        Ok(())
    }

    /// What the method measured of itself and of the current point: stationarity, how far an identity is violated.
    fn measures(&self, state: &Self::State) -> Vec<Measure> {
        let _ = state;
        vec![]
    }

    /// Whether it minimizes another function than the oracle's: with a regularizer or a constraint of its own. What the
    /// calculus says of the oracle's function then says nothing of where a run ends.
    fn alters(&self) -> bool {
        false
    }

    /// What the theory gives for this method on a function of which this is known, or which condition is missing.
    fn guarantee(&self, facts: Facts) -> Guarantee;
}

/// How a run ended. Not converging is a result, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// All steps asked for were made.
    Steps,
    /// The element of the conservative gradient at the iterate is 0: the iterate is critical for the conservative
    /// gradient of the program, and the method stays there.
    Stationary,
    /// What the method measures is within its tolerance: `Outcome::measures` has both.
    Converged,
    /// The method found no better point in the arithmetic used, and its tolerance is not met.
    Stalled,
    /// The user stopped it.
    Interrupted,
    /// The function could not be evaluated at the next iterate: `Outcome::failure` says why.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Steps => "steps",
            Status::Stationary => "stationary",
            Status::Converged => "converged",
            Status::Stalled => "stalled",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
        })
    }
}

/// A number that a method measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// What it is, in words or as a formula.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// The tolerance that it is held against, if there is one: met if value ≤ tolerance.
    pub tolerance: Option<f64>,
}

/// What the theory gives for a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Guarantee {
    /// The statement, or why there is none.
    pub text: String,
    /// The conditions that are violated, each with what to do; empty if the guarantee holds.
    pub violated: Vec<String>,
}

impl Guarantee {
    /// The statement if nothing is violated, and else `none` with the reasons: of each condition what stands before its
    /// first colon or semicolon.
    pub fn new(statement: String, violated: Vec<String>) -> Guarantee {
        if violated.is_empty() {
            return Guarantee { text: statement, violated };
        }
        let reasons: Vec<&str> = violated.iter().filter_map(|v| v.split([':', ';']).next()).collect();
        Guarantee { text: format!("none ({})", reasons.join("; ")), violated }
    }
}

/// Any method, as a value: what [`Entry::build`](super::Entry::build) returns. It is a [`Method`] like the one inside.
#[derive(Debug)]
pub struct AnyMethod(Box<dyn Erased>);

/// The state of [`AnyMethod`].
pub struct AnyState(Box<dyn Any + Send>);

impl AnyMethod {
    /// Hides which method it is.
    pub fn new<M: Method<State: Serialize + DeserializeOwned> + 'static>(method: M) -> AnyMethod {
        AnyMethod(Box::new(method))
    }

    /// A state as bytes, from which [`load`](AnyMethod::load) makes it again, bit for bit.
    ///
    /// # Panics
    /// If the state is another method's.
    pub fn save(&self, state: &AnyState) -> Vec<u8> {
        self.0.save(state)
    }

    /// The state that was saved. None if the bytes are no state of this method.
    pub fn load(&self, bytes: &[u8]) -> Option<AnyState> {
        self.0.load(bytes)
    }
}

/// [`Method`] without its type of states, so that it can be a trait object.
trait Erased: fmt::Debug + Send + Sync {
    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<AnyState>;
    fn step(&self, oracle: &mut dyn Oracle, state: &mut AnyState) -> Result<()>;
    fn stop(&self, state: &AnyState) -> Option<Status>;
    fn current<'a>(&self, state: &'a AnyState) -> (&'a [f64], f64);
    fn finish(&self, oracle: &mut dyn Oracle, state: &mut AnyState) -> Result<()>;
    fn measures(&self, state: &AnyState) -> Vec<Measure>;
    fn alters(&self) -> bool;
    fn guarantee(&self, facts: Facts) -> Guarantee;
    fn save(&self, state: &AnyState) -> Vec<u8>;
    fn load(&self, bytes: &[u8]) -> Option<AnyState>;
}

impl AnyState {
    fn of<M: Method>(&self) -> &M::State {
        self.0.downcast_ref().expect("a state goes back to the method that made it")
    }

    fn of_mut<M: Method>(&mut self) -> &mut M::State {
        self.0.downcast_mut().expect("a state goes back to the method that made it")
    }
}

impl<M: Method<State: Serialize + DeserializeOwned>> Erased for M {
    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<AnyState> {
        Ok(AnyState(Box::new(Method::init(self, oracle, x)?)))
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut AnyState) -> Result<()> {
        Method::step(self, oracle, state.of_mut::<M>())
    }

    fn stop(&self, state: &AnyState) -> Option<Status> {
        Method::stop(self, state.of::<M>())
    }

    fn current<'a>(&self, state: &'a AnyState) -> (&'a [f64], f64) {
        Method::current(self, state.of::<M>())
    }

    fn finish(&self, oracle: &mut dyn Oracle, state: &mut AnyState) -> Result<()> {
        Method::finish(self, oracle, state.of_mut::<M>())
    }

    fn measures(&self, state: &AnyState) -> Vec<Measure> {
        Method::measures(self, state.of::<M>())
    }

    fn alters(&self) -> bool {
        Method::alters(self)
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        Method::guarantee(self, facts)
    }

    fn save(&self, state: &AnyState) -> Vec<u8> {
        postcard::to_stdvec(state.of::<M>()).expect("numbers, lists and options have a form in bytes")
    }

    fn load(&self, bytes: &[u8]) -> Option<AnyState> {
        let (state, rest) = postcard::take_from_bytes::<M::State>(bytes).ok()?;
        rest.is_empty().then(|| AnyState(Box::new(state)))
    }
}

impl Method for AnyMethod {
    type State = AnyState;

    fn init(&self, oracle: &mut dyn Oracle, x: &[f64]) -> Result<AnyState> {
        self.0.init(oracle, x)
    }

    fn step(&self, oracle: &mut dyn Oracle, state: &mut AnyState) -> Result<()> {
        self.0.step(oracle, state)
    }

    fn stop(&self, state: &AnyState) -> Option<Status> {
        self.0.stop(state)
    }

    fn current<'a>(&self, state: &'a AnyState) -> (&'a [f64], f64) {
        self.0.current(state)
    }

    fn finish(&self, oracle: &mut dyn Oracle, state: &mut AnyState) -> Result<()> {
        self.0.finish(oracle, state)
    }

    fn measures(&self, state: &AnyState) -> Vec<Measure> {
        self.0.measures(state)
    }

    fn alters(&self) -> bool {
        self.0.alters()
    }

    fn guarantee(&self, facts: Facts) -> Guarantee {
        self.0.guarantee(facts)
    }
}
