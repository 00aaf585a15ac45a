//! The one error of the library: fields, not strings. It says what is wrong, where, and what to do.

use std::fmt;
use std::sync::Arc;

/// Where in the user's program something is: a line of Rust, or a span of program text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// Nowhere that the user wrote.
    #[default]
    Unknown,
    /// A line of Rust source, from `#[track_caller]`.
    Source {
        /// The file as rustc was given it.
        file: &'static str,
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
    },
    /// Bytes `start..end` of a program's text.
    Text {
        /// The whole text.
        text: Arc<str>,
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
}

impl Place {
    /// The caller's place, seen through `#[track_caller]`.
    #[track_caller]
    pub fn caller() -> Place {
        let at = std::panic::Location::caller();
        Place::Source { file: at.file(), line: at.line(), column: at.column() }
    }

    /// The piece of program text this place covers, if it is a place in text.
    pub fn snippet(&self) -> Option<&str> {
        match self {
            Place::Text { text, start, end } => text.get(*start..*end).map(str::trim),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unknown => write!(f, "an unknown place"),
            Place::Source { file, line, .. } => write!(f, "{file}:{line}"),
            Place::Text { text, start, .. } => {
                let before = &text[..*start];
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                match (line, text.contains('\n')) {
                    (1, false) => write!(f, "column {column}"),
                    _ => write!(f, "line {line}, column {column}"),
                }
            }
        }
    }
}

/// What went wrong. Every variant carries the facts; [`Error`] adds the place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The shapes of an operator's arguments do not fit it.
    #[error("{op} cannot take {}: {rule}", shapes_text(.shapes))]
    Shapes {
        /// The operator.
        op: String,
        /// The arguments' shapes.
        shapes: Vec<Vec<usize>>,
        /// What the operator asks for.
        rule: String,
    },
    /// A parameter of an operator has a value it cannot have.
    #[error("{op}: {parameter} is {value}, but {rule}")]
    Parameter {
        /// The operator.
        op: String,
        /// The parameter's name.
        parameter: String,
        /// The value given.
        value: String,
        /// What the operator asks for.
        rule: String,
    },
    /// A call in program text does not match the operator's signature.
    #[error("{op}: {problem}; its signature is {signature}")]
    Call {
        /// The operator.
        op: String,
        /// What is wrong with the call.
        problem: String,
        /// How it is called.
        signature: String,
    },
    /// Program text that the grammar does not know.
    #[error("cannot read this: {expected}")]
    Syntax {
        /// What was expected.
        expected: String,
    },
    /// Program text nested more deeply than the parser follows.
    #[error("the expression is nested more than {limit} levels deep; name the inner parts (t = …; then use t)")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// A name that stands for nothing.
    #[error("unknown {kind} `{name}`{}", hint_text(.close, .known))]
    UnknownName {
        /// "name" or "function" …
        kind: &'static str,
        /// The name as written.
        name: String,
        /// Known names that this one may be a misspelling of.
        close: Vec<String>,
        /// All known names, where they are few.
        known: Vec<String>,
    },
    /// An array for an input has not the input's shape.
    #[error("input `{input}` has shape {}, but was given {}", shape_text(.expected), shape_text(.given))]
    InputShape {
        /// The input's name.
        input: String,
        /// The program's shape.
        expected: Vec<usize>,
        /// The array's shape.
        given: Vec<usize>,
    },
    /// The number of arrays is not the number of inputs.
    #[error("the program takes {expected} ({}), but was given {given}", .names.join(", "))]
    InputCount {
        /// How many inputs there are.
        expected: usize,
        /// How many arrays came.
        given: usize,
        /// Their names.
        names: Vec<String>,
    },
    /// A sparse matrix where it cannot be taken.
    #[error("{op} cannot take `{input}`, a sparse matrix: {rule}")]
    Sparse {
        /// Who cannot.
        op: String,
        /// The input that is sparse.
        input: String,
        /// Why, and what to do.
        rule: String,
    },
    /// A scalar was needed: a gradient exists only of a scalar.
    #[error(
        "{what} needs a program with one scalar output, but this one returns {}; make one number of it, as sum, mean, norm2 or max do",
        outputs_text(.shapes)
    )]
    NotScalar {
        /// Who needs it.
        what: &'static str,
        /// The outputs' shapes.
        shapes: Vec<Vec<usize>>,
    },
    /// A tie primitive outside of an operator's derivative.
    #[error("{tie} is a tie: it only has a meaning inside the derivative of an operator")]
    TieOutsideDerivative {
        /// The tie.
        tie: &'static str,
    },
    /// An operator that has no derivative, or not in the asked-for argument.
    #[error("{op} has no derivative: {why}")]
    NoDerivative {
        /// The operator.
        op: String,
        /// Why.
        why: String,
    },
    /// The function is not locally Lipschitz at the point: no derivative, however generalized, is finite there.
    #[error(
        "{op} is not Lipschitz here: its slope is {slope}{}{}, so no derivative exists at this point; move the point, or bound the argument away from it",
        argument_text("at", .argument), index_text(.index)
    )]
    NotLipschitz {
        /// The operator.
        op: String,
        /// The slope found (infinite or NaN).
        slope: f64,
        /// The operator's arguments there.
        argument: Vec<f64>,
        /// The element, empty for a scalar.
        index: Vec<usize>,
    },
    /// The value jumps here: a `where` met its guard's boundary and its two values disagree, or an operator has a jump.
    #[error(
        "{op} is discontinuous here: the two values that meet are {first} and {second}{}, so no derivative exists at this point; move the point off the boundary, or choose values that meet there",
        index_text(.index)
    )]
    Discontinuous {
        /// The operator.
        op: String,
        /// Value on one side, for a `where` if the condition holds.
        first: f64,
        /// Value on the other.
        second: f64,
        /// The element, empty for a scalar.
        index: Vec<usize>,
    },
    /// A value that is not a finite number.
    #[error("{op} gives {value}{}{}: {advice}", argument_text("for", .argument), index_text(.index))]
    NotFinite {
        /// The operator.
        op: String,
        /// The value.
        value: f64,
        /// The operator's arguments there, where they are few.
        argument: Vec<f64>,
        /// The element, empty for a scalar.
        index: Vec<usize>,
        /// What to do.
        advice: &'static str,
    },
    /// An input that holds NaN or an infinity.
    #[error("input `{input}` holds {value}{}: every entry must be a finite number", index_text(.index))]
    InputNotFinite {
        /// The input.
        input: String,
        /// The entry.
        value: f64,
        /// Where it is.
        index: Vec<usize>,
    },
    /// A step rule, a policy or another setting that cannot be read.
    #[error("{setting} `{given}` cannot be read: {rule}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        given: String,
        /// What is understood.
        rule: String,
    },
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// What. Boxed, so that a result stays small.
    pub fault: Box<Fault>,
    /// Where in the user's program.
    pub place: Place,
}

/// A result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unknown => write!(f, "{}", self.fault),
            Place::Source { .. } => write!(f, "{} (at {})", self.fault, self.place),
            Place::Text { .. } => match self.place.snippet() {
                Some(text) if !text.is_empty() && text.len() <= 60 => {
                    write!(f, "{} (at {}: `{text}`)", self.fault, self.place)
                }
                _ => write!(f, "{} (at {})", self.fault, self.place),
            },
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error { fault: Box::new(fault), place: Place::Unknown }
    }
}

impl Fault {
    /// The same fault, at a place.
    pub fn at(self, place: Place) -> Error {
        Error { fault: Box::new(self), place }
    }
}

/// A shape as text: `a scalar`, `[3]`, `[2, 3]`.
pub fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() { "a scalar".into() } else { format!("{shape:?}") }
}

fn shapes_text(shapes: &[Vec<usize>]) -> String {
    shapes.iter().map(|s| shape_text(s)).collect::<Vec<_>>().join(" and ")
}

fn index_text(index: &[usize]) -> String {
    if index.is_empty() { String::new() } else { format!(" (element {index:?})") }
}

fn outputs_text(shapes: &[Vec<usize>]) -> String {
    match shapes {
        [] => "nothing".into(),
        [one] if one.is_empty() => "a scalar".into(),
        [one] => format!("an array of shape {one:?}"),
        many => format!("{}: {}", plural(many.len(), "output"), shapes_text(many)),
    }
}

/// ` at 1` or ` for (1, 0)`; nothing where the arguments are not known.
fn argument_text(preposition: &str, argument: &[f64]) -> String {
    let all: Vec<String> = argument.iter().map(|x| number_text(*x)).collect();
    match all.as_slice() {
        [] => String::new(),
        [x] => format!(" {preposition} {x}"),
        many => format!(" {preposition} ({})", many.join(", ")),
    }
}

/// A number without the `.0` of a whole one, and with an exponent where it is long.
fn number_text(x: f64) -> String {
    let text = format!("{x:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// `1 entry`, `2 numbers`.
pub(crate) fn plural(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y'), what.strip_suffix("is")) {
        (1, ..) => format!("1 {what}"),
        (_, Some(stem), _) => format!("{count} {stem}ies"),
        (_, _, Some(stem)) => format!("{count} {stem}es"),
        _ => format!("{count} {what}s"),
    }
}

fn hint_text(close: &[String], known: &[String]) -> String {
    let quoted = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>();
    match (quoted(close).as_slice(), quoted(known).as_slice()) {
        ([], []) => String::new(),
        ([], [one]) => format!("; the only known one is {one}"),
        ([], many) => format!("; known are {}", many.join(", ")),
        ([one], _) => format!("; did you mean {one}?"),
        ([most @ .., last], _) => format!("; did you mean {} or {last}?", most.join(", ")),
    }
}
