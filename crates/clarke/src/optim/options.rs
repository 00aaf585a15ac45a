//! Parameters of methods as data, and the values that a user gives for them.

use super::method::AnyMethod;
use super::rule::StepRule;
use crate::error::{Fault, Result};
use std::fmt;

/// A parameter of a method.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name, as options have it.
    pub name: &'static str,
    /// What it means, as a phrase.
    pub meaning: &'static str,
    /// The value it has unless given, as text.
    pub default: &'static str,
    /// Which values it may have.
    pub range: Range,
}

/// Which values a parameter may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// A finite number x with low ≤ x ≤ high.
    Closed(f64, f64),
    /// A finite number x with low < x < high.
    Open(f64, f64),
    /// A finite number x with low ≤ x < high.
    HalfOpen(f64, f64),
    /// A whole number n with low ≤ n ≤ high.
    Whole(u64, u64),
    /// One of some words.
    Words(&'static [&'static str]),
    /// A finite number within `Open(low, high)`, or a word that stands for a choice of the method's.
    OpenOr(f64, f64, &'static str),
    /// A step rule, in the text that [`StepRule`] reads.
    Rule,
    /// Text that the method itself reads; what it understands.
    Text(&'static str),
}

impl Range {
    /// Reads a value, or says what is understood.
    fn read(self, given: &str) -> std::result::Result<(), String> {
        let number = given.parse::<f64>().ok().filter(|x| x.is_finite());
        let fits = match self {
            Range::Closed(low, high) => number.is_some_and(|x| low <= x && x <= high),
            Range::Open(low, high) => number.is_some_and(|x| low < x && x < high),
            Range::HalfOpen(low, high) => number.is_some_and(|x| low <= x && x < high),
            Range::Whole(low, high) => whole(given).is_some_and(|n| low <= n && n <= high),
            Range::Words(words) => words.contains(&given),
            Range::OpenOr(low, high, word) => given == word || number.is_some_and(|x| low < x && x < high),
            Range::Rule => return given.parse::<StepRule>().map(|_| ()).map_err(rule_of),
            Range::Text(_) => true,
        };
        if fits { Ok(()) } else { Err(format!("it must be {self}")) }
    }
}

/// A whole number below 2⁵³, also as `1e6` or `100.0`: languages that know floating-point numbers alone write them so.
fn whole(given: &str) -> Option<u64> {
    let exact = |x: f64| (x >= 0.0 && x.fract() == 0.0 && x < 9.0e15).then_some(x as u64);
    given.parse().ok().or_else(|| given.parse().ok().and_then(exact))
}

/// What the error of a setting says is understood.
fn rule_of(error: crate::Error) -> String {
    match *error.fault {
        Fault::Setting { rule, .. } => rule,
        other => other.to_string(),
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interval = |f: &mut fmt::Formatter<'_>, low: f64, strict: bool, high: f64, below: &str| match (
            low == f64::NEG_INFINITY,
            high == f64::INFINITY,
        ) {
            (true, true) => write!(f, "a number"),
            (true, false) => write!(f, "a number {below} {high}"),
            (false, true) => write!(f, "a number {} {low}", if strict { ">" } else { "≥" }),
            (false, false) => write!(f, "a number {} {low} and {below} {high}", if strict { ">" } else { "≥" }),
        };
        match *self {
            Range::Closed(low, high) => interval(f, low, false, high, "≤"),
            Range::Open(low, high) => interval(f, low, true, high, "<"),
            Range::HalfOpen(low, high) => interval(f, low, false, high, "<"),
            Range::Whole(low, u64::MAX) => write!(f, "a whole number ≥ {low}"),
            Range::Whole(low, high) => write!(f, "a whole number from {low} to {high}"),
            Range::Words(words) => write!(f, "one of {}", words.join(", ")),
            Range::OpenOr(low, high, word) => {
                interval(f, low, true, high, "<")?;
                write!(f, ", or {word}")
            }
            Range::Rule => write!(f, "a step rule"),
            Range::Text(understood) => write!(f, "{understood}"),
        }
    }
}

/// A value that a user gives for a parameter: its text, as a command line has it. Numbers convert to the text that reads
/// back as the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting(pub String);

impl From<f64> for Setting {
    fn from(x: f64) -> Setting {
        Setting(x.to_string())
    }
}

impl From<u64> for Setting {
    fn from(n: u64) -> Setting {
        Setting(n.to_string())
    }
}

impl From<&str> for Setting {
    fn from(text: &str) -> Setting {
        Setting(text.into())
    }
}

impl From<String> for Setting {
    fn from(text: String) -> Setting {
        Setting(text)
    }
}

/// The values of all parameters of a method, each within its range: what its constructor reads.
///
/// Asking for a name that is no parameter of the method, or for another kind of value than its range has, is a mistake in
/// the method and panics.
#[derive(Debug)]
pub struct Settings {
    method: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Settings {
    /// The text of a parameter.
    pub fn text(&self, name: &str) -> &str {
        match self.values.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => value,
            None => panic!("{} declares no parameter `{name}`", self.method),
        }
    }

    /// A number.
    pub fn real(&self, name: &str) -> f64 {
        self.real_or(name).unwrap_or_else(|| panic!("{}: `{name}` has no range of numbers", self.method))
    }

    /// A number; none where it is a word.
    pub fn real_or(&self, name: &str) -> Option<f64> {
        self.text(name).parse().ok()
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> u64 {
        whole(self.text(name)).unwrap_or_else(|| panic!("{}: `{name}` has no range of whole numbers", self.method))
    }

    /// A step rule.
    pub fn rule(&self, name: &str) -> StepRule {
        self.text(name).parse().unwrap_or_else(|_| panic!("{}: `{name}` is no step rule", self.method))
    }

    /// The error that a value cannot be taken although it is within its range: `rule` says why and what to do.
    pub fn refuse(&self, name: &str, rule: impl Into<String>) -> crate::Error {
        refuse(self.method, name, self.text(name), rule)
    }
}

/// The error that a method cannot take a value of a parameter.
pub(super) fn refuse(method: &str, parameter: &str, value: &str, rule: impl Into<String>) -> crate::Error {
    let (op, parameter, value) = (method.into(), parameter.into(), value.into());
    Fault::Parameter { op, parameter, value, rule: rule.into() }.into()
}

/// A method's line in the table [`METHODS`](super::METHODS): what the command line, other languages and documents know of it.
pub struct Entry {
    /// The name users call it by.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// Its step, as one formula.
    pub formula: &'static str,
    /// Who it is by, and where what is known of it is proved.
    pub source: &'static str,
    /// Its parameters; the groups are those that methods share, and its own.
    pub parameters: &'static [&'static [Parameter]],
    /// The method with these values of its parameters.
    pub make: fn(&Settings) -> Result<AnyMethod>,
}

impl Entry {
    /// All its parameters, in the order of documents.
    pub fn parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().flat_map(|group| group.iter())
    }

    /// The method with some options given by name, and defaults for the others.
    ///
    /// Errors: a name that is none of its parameters, or that is given twice; a value outside of its range. Each names the
    /// option, and says what is understood.
    ///
    /// ```
    /// let entry = clarke::optim::entry("subgradient")?;
    /// let method = entry.build(&[("step".into(), "0.1/(k+1)^0.5".into())])?;
    /// let error = entry.build(&[("step".into(), "-0.1".into())]).unwrap_err();
    /// assert!(error.to_string().starts_with("subgradient: step is -0.1, but a and b must be positive"));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn build(&self, options: &[(String, Setting)]) -> Result<AnyMethod> {
        for (k, (name, Setting(given))) in options.iter().enumerate() {
            if !self.parameters().any(|p| p.name == name) {
                let known: Vec<&str> = self.parameters().map(|p| p.name).collect();
                return Err(unknown("option", name, &known));
            }
            if options[..k].iter().any(|(other, _)| other == name) {
                return Err(refuse(self.name, name, given, "it is given twice"));
            }
        }
        let value = |p: &'static Parameter| {
            let given = options.iter().find(|(name, _)| name == p.name).map(|(_, Setting(text))| text.trim());
            let text = given.unwrap_or(p.default);
            p.range.read(text).map_err(|rule| refuse(self.name, p.name, text, rule))?;
            Ok((p.name, text.to_string()))
        };
        let values = self.parameters().map(value).collect::<Result<_>>()?;
        (self.make)(&Settings { method: self.name, values })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The error of a name that stands for nothing.
pub(super) fn unknown(kind: &'static str, name: &str, known: &[&str]) -> crate::Error {
    let likeness = |k: &&&str| strsim::jaro_winkler(name, k);
    let closest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|k| likeness(k) >= 0.8);
    let close = closest.map(|k| k.to_string()).into_iter().collect();
    let known = known.iter().map(|k| k.to_string()).collect();
    Fault::UnknownName { kind, name: name.into(), close, known }.into()
}
