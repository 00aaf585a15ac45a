//! Programs as text: read and print, over a [`Registry`] of operators.
//!
//! The language is Python's expression syntax with numpy's names:
//!
//! ```text
//! program    = def+                                        the last is the program, the others its functions
//! def        = "def" name "(" [param ("," param)*] ")" ":" statement* "return" values
//! param      = name ":" ["data" | "sparse" | "selection"] ["[" lengths "]"]
//!              x: [3]   b: []   X: data[3, 2]   A: sparse[3, 2]   s: selection
//! statement  = name ("," name)* "=" values | def           separated by ";" or line ends; indentation means nothing
//! expression = statement* values                           what `parse` reads
//! values     = expr ("," expr)*
//! expr       = "lambda" [name ("," name)*] ":" expr        captures the variables around it
//!            | expr operator expr | sign expr | "(" expr ")"
//!            | number | "inf" | "nan" | "None" | "True" | "False" | name
//!            | "'" text "'" | '"' text '"'                 names of modes and the like, without escapes
//!            | "[" exprs "]" | "(" exprs "," ")"           lists (nested lists of numbers are arrays), tuples
//!            | name "(" (expr | name "=" expr)* ")"        operators, functions defined before
//!            | expr "[" (expr | "..." | slice) ,* "]"      slice = [expr] ":" [expr] [":" [expr]]
//! ```
//!
//! Operators, from the loosest: `or`, `and`, `not`, comparisons (chained: `a < b < c`), `|`, `&`, `+ -`, `* / @`,
//! signs (`- + ~`), `**` (from the right; binds tighter than a sign on its left). Comparisons and what joins them are
//! conditions, of use as the first argument of `where` only. A comment runs from `#` to the end of its line; a line
//! end inside brackets is a space. Arithmetic between numbers is done while reading: `1/3` is one number. A name is
//! assigned once.
//!
//! Infix operators, signs, powers and subscripts are looked up in the registry by their
//! [`Notation`](crate::program::op::Notation); no operator is named here.
//!
//! Reading takes three steps, each linear in the text: `scan` bounds length and depth (so that no text overflows the
//! stack) and matches brackets; `read` applies the grammar and returns a tree with spans; `lower` builds the program.
//! Every node gets the span of its expression as its place.

mod ast;
mod complain;
mod function;
mod lower;
mod print;
mod read;
mod scan;

use crate::error::{Error, Fault, Place, Result};
use crate::program::{Program, Registry};
use std::sync::Arc;

/// How deeply text may nest: brackets, signs, powers, `not`, `lambda`; and functions calling functions.
const LIMIT: usize = 200;

/// How many numbers an array in text may have: more would rather end the process than be computed.
const LARGEST: usize = 1 << 30;

/// How many bytes of text are read.
const LENGTH: usize = 1 << 20;

/// Reads an expression, or statements and a final expression, with these inputs.
///
/// Inputs that the text does not mention stay inputs. Several final expressions (`a, b`) are several outputs.
///
/// Errors: anything the grammar does not know, unknown names, and whatever operators say about their arguments, all
/// with their place in the text. Cost: linear in the text, and in the text of functions for each of their uses.
pub fn parse(registry: &Registry, text: &str, inputs: &[(&str, &[usize])]) -> Result<Program> {
    let source = Source::new(text);
    let body = read::read(&source)?;
    lower::expression(registry, &source, &body, inputs)
}

/// Reads a program in the form in which programs are printed: `def f(x: [3]): return …`.
///
/// The last `def` is the program; those before it, and those inside it, are functions that it may use.
///
/// Errors: as for [`parse`].
pub fn parse_program(registry: &Registry, text: &str) -> Result<Program> {
    let source = Source::new(text);
    let body = read::read(&source)?;
    lower::program(registry, &source, &body)
}

/// The free names of an expression (functions aside) in order of first use: what a caller has to bind.
///
/// Errors: text that the grammar does not know.
pub fn names(text: &str) -> Result<Vec<String>> {
    let body = read::read(&Source::new(text))?;
    let free = ast::free_names(std::iter::empty(), &body);
    let literal = |name: &str| lower::literal(name).is_some();
    Ok(free.into_iter().filter(|f| !f.called && !literal(&f.name)).map(|f| f.name).collect())
}

/// The text being read, for places.
struct Source {
    text: Arc<str>,
}

impl Source {
    fn new(text: &str) -> Source {
        Source { text: text.into() }
    }

    fn place(&self, start: usize, end: usize) -> Place {
        Place::Text { text: self.text.clone(), start, end }
    }

    fn syntax(&self, start: usize, end: usize, expected: impl Into<String>) -> Error {
        Fault::Syntax { expected: expected.into() }.at(self.place(start, end))
    }
}
