//! Products by subscripts: `einsum` and `outer`, written out where they are called.

use super::axes::Axes;
use super::diagonal::diagonal_of_last;
use super::index::parameter;
use super::linalg::MatMul;
use super::rearrange::{permuted, raveled, written};
use crate::error::{Fault, Place, Result};
use crate::program::Var;
use crate::program::op::{Entry, Notation, Sample};
use crate::tensor::size;

/// `einsum(subscripts, a, b, …)`: the sum over products of entries that the subscripts name: `"ij,jk->ik"` is `a @ b`.
///
/// Without an arrow the value has the letters that occur once, in alphabetical order. A letter that occurs twice in one
/// operand takes its diagonal. It is written out in transposes, sums, products and `@`, two operands at a time, those
/// first whose product is smallest.
///
/// Errors: a number of terms or letters that does not fit the operands; a letter with two lengths; `...`, which numpy
/// has. Source: numpy.einsum.
pub struct Einsum;

impl Einsum {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "einsum",
        signature: "einsum(\"ij,jk->ik\", a, b, …)",
        formula: "Σ over the letters that the value does not have of the products of the entries",
        class: "piecewise polynomial (linear if at most one operand varies)",
        ties: "",
        source: "numpy.einsum",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, usize::MAX, &[])?;
            let subscripts = call.text("subscripts", 0)?.unwrap_or_default().to_string();
            let operands = call.args[1..].iter().map(|v| call.as_var(v)).collect::<Result<Vec<_>>>()?;
            Ok(written(call.builder, &operands, call.place.clone(), || einsum(&subscripts, &operands)))
        },
        samples: &[
            Sample::new("einsum(\"ij,jk->ik\", a, b)", &[("a", &[2, 3]), ("b", &[3, 2])]),
            Sample::new("einsum(\"ii->i\", a)", &[("a", &[3, 3])]),
            Sample::new("einsum(\"ij->\", a)", &[("a", &[2, 3])]),
            Sample::new("einsum(\"bij,kjb->ikb\", a, b)", &[("a", &[2, 2, 3]), ("b", &[2, 3, 2])]),
            Sample::new("einsum(\"i,ij,j\", a, b, c)", &[("a", &[2]), ("b", &[2, 3]), ("c", &[3])]),
        ],
    };
}

/// An operand, or a product of some, with the letters of its axes.
#[derive(Clone)]
struct Term<'p> {
    letters: Vec<char>,
    value: Var<'p>,
}

/// What the letters of two factors are in their product: stacks of matrices, what is summed over, and the rows and
/// columns that only one of them has.
struct Roles {
    lead: Vec<char>,
    gone: Vec<char>,
    rows: Vec<char>,
    columns: Vec<char>,
}

/// How much costlier than nothing it is to bring axes into another order: rows that stay whole are copied fast.
fn moved(from: &[char], to: &[char]) -> f64 {
    match from == to {
        true => 0.0,
        false if from.last() == to.last() => 1.0,
        false => 2.0,
    }
}

/// Reads the subscripts: the letters of each operand, and those of the value.
fn read(subscripts: &str, operands: &[Var<'_>]) -> Result<(Vec<Vec<char>>, Vec<char>), Fault> {
    let wrong = |rule: String| parameter("einsum", "subscripts", format!("\"{subscripts}\""), rule);
    let (inputs, output) = match subscripts.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (subscripts, None),
    };
    let letters = |term: &str| -> Result<Vec<char>, Fault> {
        let all: Vec<char> = term.chars().filter(|c| *c != ' ').collect();
        match all.iter().find(|c| !c.is_ascii_alphabetic()) {
            Some('.') => Err(wrong("`...` is not known here: every axis needs a letter".into())),
            Some(c) => Err(wrong(format!("`{c}` is no letter a to z or A to Z"))),
            None => Ok(all),
        }
    };
    let terms = inputs.split(',').map(letters).collect::<Result<Vec<_>, _>>()?;
    if terms.len() != operands.len() {
        return Err(wrong(format!("it has {} terms for {} operands", terms.len(), operands.len())));
    }
    let mut lengths: Vec<(char, usize, usize)> = vec![];
    for (k, (term, operand)) in std::iter::zip(&terms, operands).enumerate() {
        let shape = operand.shape();
        if shape.len() != term.len() {
            let (n, text) = (shape.len(), term.iter().collect::<String>());
            return Err(wrong(format!("operand {k} has {n} axes (shape {shape:?}), but its term is `{text}`")));
        }
        for (&letter, &length) in std::iter::zip(term, &shape) {
            match lengths.iter().find(|(c, ..)| *c == letter) {
                Some(&(_, first, own)) if own != length => {
                    return Err(wrong(format!(
                        "`{letter}` has length {own} in operand {first} and {length} in operand {k}"
                    )));
                }
                Some(_) => {}
                None => lengths.push((letter, k, length)),
            }
        }
    }
    let output = match output {
        Some(given) => letters(given)?,
        None => {
            let count = |c: char| terms.iter().flatten().filter(|x| **x == c).count();
            let mut once: Vec<char> = lengths.iter().map(|l| l.0).filter(|c| count(*c) == 1).collect();
            once.sort_unstable();
            once
        }
    };
    for (k, c) in output.iter().enumerate() {
        if output[..k].contains(c) {
            return Err(wrong(format!("`{c}` occurs twice in the value")));
        }
        if !lengths.iter().any(|l| l.0 == *c) {
            return Err(wrong(format!("`{c}` is in the value, but in no operand")));
        }
    }
    Ok((terms, output))
}

fn einsum<'p>(subscripts: &str, operands: &[Var<'p>]) -> Result<Var<'p>, Fault> {
    let (letters, output) = read(subscripts, operands)?;
    let mut terms: Vec<Term<'p>> =
        std::iter::zip(letters, operands).map(|(letters, &value)| Term { letters, value }.without_repeats()).collect();
    for k in 0..terms.len() {
        let needed = needed(&terms, &[k], &output);
        terms[k] = terms[k].clone().summed_to(&needed);
    }
    while terms.len() > 1 {
        let pairs = (0..terms.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
        let cost = |&(i, j): &(usize, usize)| {
            let needed = needed(&terms, &[i, j], &output);
            let kept = |term: &Term<'p>, other: &[char]| -> f64 {
                let axes = std::iter::zip(&term.letters, term.value.shape());
                axes.filter(|(c, _)| needed.contains(c) && !other.contains(c)).map(|(_, n)| n as f64).product()
            };
            let grown = kept(&terms[i], &[]) * kept(&terms[j], &terms[i].letters);
            grown - (size(&terms[i].value.shape()) as f64 + size(&terms[j].value.shape()) as f64)
        };
        let Some((i, j)) = pairs.min_by(|a, b| cost(a).total_cmp(&cost(b))) else { break };
        let needed = needed(&terms, &[i, j], &output);
        let (b, a) = (terms.remove(j), terms.remove(i));
        // Of the two orders of the factors the one that moves less, first as written.
        let goal = terms.is_empty().then_some(output.as_slice());
        let turned = b.moved(&a, &needed, goal) < a.moved(&b, &needed, goal);
        terms.insert(i, if turned { b.times(a, &needed) } else { a.times(b, &needed) });
    }
    let last = terms.remove(0);
    Ok(last.ordered(&output))
}

/// The letters that the value or a term other than these has.
fn needed(terms: &[Term<'_>], but: &[usize], output: &[char]) -> Vec<char> {
    let others = terms.iter().enumerate().filter(|(k, _)| !but.contains(k)).flat_map(|(_, t)| t.letters.iter());
    others.chain(output).copied().collect()
}

/// The letters for which a test holds, in order.
fn those(letters: &[char], test: impl Fn(char) -> bool) -> Vec<char> {
    letters.iter().copied().filter(|c| test(*c)).collect()
}

impl<'p> Term<'p> {
    /// Diagonals taken where a letter occurs twice.
    fn without_repeats(mut self) -> Term<'p> {
        let twice = |letters: &[char]| {
            (0..letters.len()).find_map(|j| letters[..j].iter().position(|c| *c == letters[j]).map(|i| (i, j)))
        };
        while let Some((i, j)) = twice(&self.letters) {
            let order: Vec<usize> = (0..self.letters.len()).filter(|k| *k != i && *k != j).chain([i, j]).collect();
            self.value = diagonal_of_last(permuted(self.value, &order), 0);
            self.letters = order[..order.len() - 1].iter().map(|&k| self.letters[k]).collect();
        }
        self
    }

    /// Summed over the letters that are not needed.
    fn summed_to(self, needed: &[char]) -> Term<'p> {
        let gone: Vec<i64> =
            (0..self.letters.len()).filter(|&k| !needed.contains(&self.letters[k])).map(|k| k as i64).collect();
        if gone.is_empty() {
            return self;
        }
        Term { value: self.value.sum_over(&Axes::many(&gone)), letters: those(&self.letters, |c| needed.contains(&c)) }
    }

    /// With the axes in the order of these letters, which are its own.
    fn ordered(&self, letters: &[char]) -> Var<'p> {
        let place = |c: &char| self.letters.iter().position(|own| own == c);
        permuted(self.value, &letters.iter().filter_map(place).collect::<Vec<_>>())
    }

    /// The lengths of these letters, 1 for those it has not.
    fn lengths(&self, letters: &[char]) -> Vec<usize> {
        let shape = self.value.shape();
        letters.iter().map(|c| self.letters.iter().position(|own| own == c).map_or(1, |k| shape[k])).collect()
    }

    /// Whether less is moved if the matrices are stored transposed.
    fn flips(&self, lead: &[char], rows: &[char], columns: &[char]) -> bool {
        let [kept, flipped] = [[lead, rows, columns].concat(), [lead, columns, rows].concat()];
        !(rows.is_empty() || columns.is_empty()) && moved(&self.letters, &flipped) < moved(&self.letters, &kept)
    }

    /// How much must be moved for the product with another, and for its value to have the order of `goal`.
    fn moved(&self, other: &Term<'p>, needed: &[char], goal: Option<&[char]>) -> f64 {
        let Roles { lead, gone, rows, columns } = self.roles(other, needed);
        let own = |term: &Term<'p>, rows: &[char], columns: &[char]| {
            let flip = term.flips(&lead, rows, columns);
            let order = if flip { [&lead, columns, rows].concat() } else { [&lead, rows, columns].concat() };
            moved(&term.letters, &order) * size(&term.value.shape()) as f64
        };
        let made = [lead.as_slice(), &rows, &columns].concat();
        let [of_rows, of_columns] = [self.lengths(&rows), other.lengths(&columns)].map(|n| size(&n) as f64);
        let made_size = size(&self.lengths(&lead)) as f64 * of_rows * of_columns;
        let turned = goal.map_or(0.0, |goal| moved(&made, goal) * made_size);
        own(self, &rows, &gone) + own(other, &gone, &columns) + turned
    }

    /// Which letters of the two factors are what in their product.
    fn roles(&self, other: &Term<'p>, needed: &[char]) -> Roles {
        Roles {
            lead: those(&self.letters, |c| other.letters.contains(&c) && needed.contains(&c)),
            gone: those(&self.letters, |c| other.letters.contains(&c) && !needed.contains(&c)),
            rows: those(&self.letters, |c| !other.letters.contains(&c)),
            columns: those(&other.letters, |c| !self.letters.contains(&c)),
        }
    }

    /// As matrices of rows × columns, in stacks of `lead`, with a flag where they are stored transposed. An empty list
    /// of letters of a single matrix makes it a vector.
    fn matrices(&self, lead: &[char], rows: &[char], columns: &[char]) -> (Var<'p>, bool) {
        let flip = self.flips(lead, rows, columns);
        let (first, second) = if flip { (columns, rows) } else { (rows, columns) };
        let value = self.ordered(&[lead, first, second].concat());
        let one = |letters: &[char]| {
            (!lead.is_empty() || !letters.is_empty()).then(|| size(&self.lengths(letters))).into_iter()
        };
        let shape: Vec<usize> = (!lead.is_empty())
            .then(|| size(&self.lengths(lead)))
            .into_iter()
            .chain(one(first))
            .chain(one(second))
            .collect();
        (value.reshape(&shape), flip)
    }

    /// The product, summed over the letters of both that are not needed.
    fn times(self, other: Term<'p>, needed: &[char]) -> Term<'p> {
        let (a, b) = (&self, &other);
        let Roles { lead, gone, rows, columns } = a.roles(b, needed);
        let letters = [lead.as_slice(), &rows, &columns].concat();
        let shape: Vec<usize> = [a.lengths(&lead), a.lengths(&rows), b.lengths(&columns)].concat();
        let value = if gone.is_empty() {
            // The letters it has not are axes of length 1.
            let spread =
                |t: &Term<'p>| t.ordered(&those(&letters, |c| t.letters.contains(&c))).reshape(&t.lengths(&letters));
            spread(a) * spread(b)
        } else {
            let ((x, transpose_a), (y, transpose_b)) =
                (a.matrices(&lead, &rows, &gone), b.matrices(&lead, &gone, &columns));
            x.apply_with(MatMul { transpose_a, transpose_b, ..MatMul::default() }, &[y]).reshape(&shape)
        };
        Term { letters, value }
    }
}

/// `outer(a, b)`: the products of all entries of a with all of b, as a matrix; both are taken flat.
///
/// It is written as a product of a column and a row. Source: numpy.outer.
pub struct Outer;

impl Outer {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "outer",
        signature: "outer(a, b)",
        formula: "aᵢ bⱼ",
        class: "piecewise polynomial (linear if a or b is constant)",
        ties: "",
        source: "numpy.outer",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 2, &[])?;
            let (a, b) = (call.var(0)?, call.var(1)?);
            Ok(written(call.builder, &[a, b], call.place.clone(), || Ok(outer(a, b))))
        },
        samples: &[
            Sample::new("outer(a, b)", &[("a", &[2]), ("b", &[3])]),
            Sample::new("outer(a, b)", &[("a", &[2, 2]), ("b", &[])]),
        ],
    };
}

fn outer<'p>(a: Var<'p>, b: Var<'p>) -> Var<'p> {
    a.reshape(&[size(&a.shape()), 1]) * raveled(b)
}

impl<'p> Var<'p> {
    /// The sum over products of entries of this and others that the subscripts name, see [`Einsum`].
    ///
    /// ```
    /// let f = clarke::Program::trace(&[&[2, 3], &[3]], |v| v[0].einsum("ij,j->i", &[v[1]]))?;
    /// assert_eq!(f.to_string(), "def f(x0: [2, 3], x1: [3]):\n    return x0 @ x1\n");
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn einsum(self, subscripts: &str, others: &[Var<'p>]) -> Var<'p> {
        let operands: Vec<Var<'p>> = std::iter::once(self).chain(others.iter().copied()).collect();
        written(self.builder(), &operands, Place::caller(), || einsum(subscripts, &operands))
    }

    /// The products of all entries of this with all of another, as a matrix, see [`Outer`].
    #[track_caller]
    pub fn outer(self, other: Var<'p>) -> Var<'p> {
        written(self.builder(), &[self, other], Place::caller(), || Ok(outer(self, other)))
    }
}
