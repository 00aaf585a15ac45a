//! Conditions: comparisons, and what joins them.

use super::Lower;
use crate::error::Result;
use crate::program::call::{Comparison, Guard, Value, describe};
use crate::text::ast::{Expr, Span};

/// How many comparisons one condition may join.
const COMPARISONS: usize = 200;

impl<'p> Lower<'p> {
    pub(super) fn compare(&self, first: &Expr, rest: &[(Comparison, Expr)], span: Span) -> Result<Value<'p>> {
        let side = |e: &Expr| {
            let value = self.eval(e)?;
            if let Value::Guard(_) = value {
                return Err(self.shared.syntax(e.span, "this is a comparison already; join comparisons with `and`"));
            }
            self.within(e.span, || self.as_var(&value, e.span))
        };
        let mut left = side(first)?;
        let mut guards = vec![];
        for (comparison, e) in rest {
            let right = side(e)?;
            guards.push(Guard::Compare(*comparison, left, right));
            left = right;
        }
        self.join(guards, Guard::And, span)
    }

    pub(super) fn logic(&self, word: &str, terms: &[Expr], span: Span) -> Result<Value<'p>> {
        let terms: Vec<Guard<'p>> =
            terms.iter().map(|e| self.condition(word, self.eval(e)?, e.span)).collect::<Result<_>>()?;
        self.join(terms, if matches!(word, "and" | "&") { Guard::And } else { Guard::Or }, span)
    }

    fn join(
        &self,
        guards: Vec<Guard<'p>>,
        with: fn(Box<Guard<'p>>, Box<Guard<'p>>) -> Guard<'p>,
        span: Span,
    ) -> Result<Value<'p>> {
        if guards.iter().map(comparisons).sum::<usize>() > COMPARISONS {
            return Err(self.shared.syntax(span, format!("a condition joins at most {COMPARISONS} comparisons")));
        }
        match guards.into_iter().reduce(|a, b| with(Box::new(a), Box::new(b))) {
            Some(guard) => Ok(Value::Guard(guard)),
            None => unreachable!("a condition has terms"),
        }
    }

    pub(super) fn condition(&self, word: &str, value: Value<'p>, span: Span) -> Result<Guard<'p>> {
        match value {
            Value::Guard(guard) => Ok(guard),
            other => {
                let hint =
                    if matches!(word, "&" | "|") { "; put comparisons in parentheses: (a > 0) & (b > 0)" } else { "" };
                let message = format!("`{word}` joins comparisons, and this is {}{hint}", describe(&other));
                Err(self.shared.syntax(span, message))
            }
        }
    }
}

pub(super) fn comparisons(guard: &Guard<'_>) -> usize {
    match guard {
        Guard::Compare(..) => 1,
        Guard::And(a, b) | Guard::Or(a, b) => comparisons(a) + comparisons(b),
        Guard::Not(a) => 1 + comparisons(a),
    }
}
