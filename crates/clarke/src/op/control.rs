//! Selection by a condition.

use super::pointwise::{Elementwise, IntoVar, Pointwise};
use crate::error::{Place, Result};
use crate::program::Var;
use crate::program::call::{Call, Comparison, Guard};
use crate::program::class::Class;
use crate::program::op::{Boundary, BoundaryKind, BoundaryParts, Notation, Sample};
use crate::program::real::Real;
use crate::program::tie::{Choice, Convention};
use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

/// The comparisons that a `where` is made of; the others are these with sides or values swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Test {
    /// `left > right`.
    #[default]
    Greater,
    /// `left >= right`.
    GreaterEqual,
    /// `left == right`.
    Equal,
}

impl Test {
    const ALL: [Test; 3] = [Test::Greater, Test::GreaterEqual, Test::Equal];

    fn symbol(self) -> &'static str {
        match self {
            Test::Greater => ">",
            Test::GreaterEqual => ">=",
            Test::Equal => "==",
        }
    }
}

/// `where(left > right, a, b)` (or `>=`, `==`): a where the comparison holds, else b, elementwise. At the boundary of the
/// condition its set is the segment between the two values' slopes, which is a conservative one only if the two values
/// agree there; where an equality is met there is no derivative.
///
/// The value not taken counts for nothing, be it NaN; a side that is NaN makes the value NaN (numpy would take b).
#[derive(Debug, Clone, Default)]
pub struct Where {
    /// The comparison.
    pub test: Test,
}

impl Pointwise<4> for Where {
    const NAME: &'static str = "where";
    const SIGNATURE: &'static str = "where(condition, a, b)";
    const FORMULA: &'static str = "a where the condition holds, else b";
    const CLASS: &'static str = "that of the widest of its arguments";
    const TIES: &'static str = "{(s, 1 − s): 0 ≤ s ≤ 1} on (a, b) where the two sides of the condition are equal";
    const SOURCE: &'static str = "numpy.where; Bolte, Pauwels 2020 for the conservative set of a selection";
    const SAMPLES: &'static [Sample] = &[
        Sample::new("where(x > y, 3 * x, x + 2 * y)", &[("x", &[3]), ("y", &[3])]),
        Sample::new("where(x >= 0, x, 0.5 * x)", &[("x", &[3])]),
        Sample::new("where(x < 1, x * x, 2 * x - 1)", &[("x", &[2, 3])]),
    ];
    // Of instances: where(a > b, …); of the entry: a call.
    const NOTATION: Notation = Notation::Call;
    const PARAMS: &'static [(&'static str, f64)] = &[("test", 0.0)];
    const CALL: for<'p> fn(&Call<'_, 'p>) -> Result<Var<'p>> = call_where;

    fn params(&self) -> Vec<f64> {
        vec![Test::ALL.iter().position(|t| *t == self.test).unwrap_or_default() as f64]
    }

    fn notation(&self) -> Notation {
        Notation::Where { symbol: self.test.symbol() }
    }

    fn class(&self, [left, right, a, b]: [Class; 4]) -> Class {
        // The sides cut the space into cells, the values are what stands on them.
        let all = Class::join(&[left, right, a, b]).piecewise_linear();
        Class { bounded: a.bounded && b.bounded, ..all }
    }

    fn value<T: Real>(&self, [left, right, a, b]: [T; 4]) -> T {
        // The sum is reached by sides of which one is NaN, and is NaN.
        let nan = left + right;
        match self.test {
            Test::Greater => left.if_gt(right, a, right.if_ge(left, b, nan)),
            Test::GreaterEqual => left.if_ge(right, a, right.if_gt(left, b, nan)),
            Test::Equal => left.if_eq(right, a, left.if_gt(right, b, right.if_gt(left, b, nan))),
        }
    }

    fn slopes<'p>(&self, [left, right, _, _]: [Var<'p>; 4], _: Var<'p>) -> [Option<Var<'p>>; 4] {
        let s = match self.test {
            Test::Greater | Test::GreaterEqual => (left - right).step(),
            // 0 on both sides; the tie is met exactly where the equality is.
            Test::Equal => (-(left - right).abs()).step(),
        };
        [None, None, Some(s), Some(1.0 - s)]
    }

    fn choice(&self, _: usize, convention: Convention) -> Choice {
        Choice::plain(match (self.test, convention) {
            // The value there is a, and nothing on either side speaks for b; a derivative there is an error anyway.
            (Test::Equal, _) => 1.0,
            // Of (s, 1 − s) the even split has the least norm.
            (_, Convention::MinNorm) => 0.5,
            // Every framework differentiates the branch that it takes.
            (Test::Greater, _) => 0.0,
            (Test::GreaterEqual, _) => 1.0,
        })
    }

    fn boundary(&self) -> Option<&dyn Boundary> {
        Some(self)
    }
}

impl Boundary for Where {
    fn at(&self, args: &[f64]) -> BoundaryKind {
        match self.test {
            Test::Equal => BoundaryKind::Equality,
            Test::Greater | Test::GreaterEqual => BoundaryKind::Pieces(args[2], args[3]),
        }
    }

    fn parts(&self) -> Option<BoundaryParts> {
        Some(BoundaryParts { sides: (0, 1), values: (2, 3) })
    }
}

/// Reads `where(condition, a, b)`.
fn call_where<'p>(call: &Call<'_, 'p>) -> Result<Var<'p>> {
    call.expect(3, 3, &[])?;
    Ok(select(&call.guard(0)?, call.var(1)?, call.var(2)?, &call.place))
}

/// `where` of any condition: comparisons are brought to three, and `and`, `or`, `not` become nested selections.
fn select<'p>(guard: &Guard<'p>, a: Var<'p>, b: Var<'p>, place: &Place) -> Var<'p> {
    match guard {
        Guard::Compare(comparison, left, right) => {
            let (test, args) = match comparison {
                Comparison::Greater => (Test::Greater, [*left, *right, a, b]),
                Comparison::GreaterEqual => (Test::GreaterEqual, [*left, *right, a, b]),
                Comparison::Less => (Test::Greater, [*right, *left, a, b]),
                Comparison::LessEqual => (Test::GreaterEqual, [*right, *left, a, b]),
                Comparison::Equal => (Test::Equal, [*left, *right, a, b]),
                Comparison::NotEqual => (Test::Equal, [*left, *right, b, a]),
            };
            left.builder().apply_at(Arc::new(Elementwise::<Where, 4>(Where { test })), &args, place.clone())
        }
        Guard::And(first, second) => select(first, select(second, a, b, place), b, place),
        Guard::Or(first, second) => select(first, a, select(second, a, b, place), place),
        Guard::Not(inner) => select(inner, b, a, place),
    }
}

impl<'p> Guard<'p> {
    /// `where(self, a, b)`: a where the condition holds, else b, elementwise.
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[3]], |v| (v[0].gt(0.0) & v[0].le(1.0)).where_(v[0], 0.0))?;
    /// assert_eq!(f.eval(&[[-1.0, 0.5, 2.0].into()])?[0].data(), [0.0, 0.5, 0.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn where_(self, a: impl IntoVar<'p>, b: impl IntoVar<'p>) -> Var<'p> {
        let of = self.side();
        select(&self, a.into_var(of), b.into_var(of), &Place::caller())
    }

    /// One of the compared variables: they know the program under construction.
    fn side(&self) -> Var<'p> {
        match self {
            Guard::Compare(_, left, _) => *left,
            Guard::And(inner, _) | Guard::Or(inner, _) | Guard::Not(inner) => inner.side(),
        }
    }
}

impl<'p> BitAnd for Guard<'p> {
    type Output = Guard<'p>;
    fn bitand(self, other: Guard<'p>) -> Guard<'p> {
        Guard::And(Box::new(self), Box::new(other))
    }
}

impl<'p> BitOr for Guard<'p> {
    type Output = Guard<'p>;
    fn bitor(self, other: Guard<'p>) -> Guard<'p> {
        Guard::Or(Box::new(self), Box::new(other))
    }
}

impl<'p> Not for Guard<'p> {
    type Output = Guard<'p>;
    fn not(self) -> Guard<'p> {
        Guard::Not(Box::new(self))
    }
}

macro_rules! comparison {
    ($($(#[$doc:meta])* $name:ident $kind:ident),* $(,)?) => {
        impl<'p> Var<'p> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self, other: impl IntoVar<'p>) -> Guard<'p> {
                Guard::Compare(Comparison::$kind, self, other.into_var(self))
            }
        )*}
    };
}

comparison!(
    /// The condition `self > other`, elementwise, for [`Guard::where_`].
    gt Greater,
    /// The condition `self >= other`.
    ge GreaterEqual,
    /// The condition `self < other`.
    lt Less,
    /// The condition `self <= other`.
    le LessEqual,
    /// The condition `self == other`; where it is met there is no derivative.
    eq_to Equal,
    /// The condition `self != other`; where it is not met there is no derivative.
    ne_to NotEqual,
);
