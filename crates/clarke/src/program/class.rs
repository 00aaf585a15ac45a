//! Tameness: how wild a function built from the elementary ones can be.

use std::fmt;

/// The classes of tameness, each contained in the next; `Constant` is for arguments that depend on no input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Depends on no input.
    Constant,
    /// Finitely many affine pieces on polyhedra.
    PiecewiseLinear,
    /// Finitely many polynomial pieces on semialgebraic cells.
    PiecewisePolynomial,
    /// The graph is a finite union of sets given by polynomial equations and inequalities.
    Semialgebraic,
    /// Definable in an o-minimal structure: the Pfaffian closure of R_an.
    Definable,
    /// Nothing is known, for example sin over an unbounded argument.
    Unknown,
}

/// A level, and whether the values stay in a bounded set whatever the inputs are.
///
/// Boundedness matters for sin and cos, which are definable only on bounded sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    /// How tame.
    pub level: Level,
    /// Whether the range is bounded.
    pub bounded: bool,
}

impl Class {
    /// A constant.
    pub const CONSTANT: Class = Class { level: Level::Constant, bounded: true };
    /// An input: the identity, unbounded.
    pub const INPUT: Class = Class { level: Level::PiecewiseLinear, bounded: false };
    /// Nothing known.
    pub const UNKNOWN: Class = Class { level: Level::Unknown, bounded: false };

    /// At least this level (a constant stays constant: composing it with anything gives a constant).
    pub fn raise(self, level: Level) -> Class {
        match self.level {
            Level::Constant => self,
            own => Class { level: own.max(level), ..self },
        }
    }

    /// The composition with a piecewise linear function (unbounded until told otherwise).
    pub fn piecewise_linear(self) -> Class {
        Class { bounded: self.bounded, ..self.raise(Level::PiecewiseLinear) }
    }

    /// The composition with a piecewise polynomial function.
    pub fn piecewise_polynomial(self) -> Class {
        self.raise(Level::PiecewisePolynomial)
    }

    /// The composition with a semialgebraic function.
    pub fn semialgebraic(self) -> Class {
        self.raise(Level::Semialgebraic)
    }

    /// The composition with a definable function.
    pub fn definable(self) -> Class {
        self.raise(Level::Definable)
    }

    /// With a range known to be bounded.
    pub fn bounded(self) -> Class {
        Class { bounded: true, ..self }
    }

    /// With a range that may be unbounded (a constant's never is).
    pub fn unbounded(self) -> Class {
        Class { bounded: self.level == Level::Constant, ..self }
    }

    /// The wildest of several, bounded if all are: sums, maxima, arrays put together.
    pub fn join(classes: &[Class]) -> Class {
        classes
            .iter()
            .fold(Class::CONSTANT, |a, b| Class { level: a.level.max(b.level), bounded: a.bounded && b.bounded })
    }

    /// The product of several: polynomial if more than one of them varies.
    pub fn product(classes: &[Class]) -> Class {
        let joined = Class::join(classes);
        match classes.iter().filter(|c| c.level > Level::Constant).count() {
            0 | 1 => joined,
            _ => joined.piecewise_polynomial(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // A constant program is a piecewise linear function of its inputs.
            Level::Constant | Level::PiecewiseLinear => "piecewise linear",
            Level::PiecewisePolynomial => "piecewise polynomial",
            Level::Semialgebraic => "semialgebraic",
            Level::Definable => "definable",
            Level::Unknown => "unknown",
        })
    }
}
