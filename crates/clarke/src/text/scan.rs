//! What is checked before any parsing: length, brackets and depth, so that nothing after it can overflow the stack.

use super::{LENGTH, LIMIT, Source};
use crate::error::{Fault, Result};

/// The text with comments, odd spaces, and line ends inside brackets turned into spaces, byte for byte; so that
/// positions in it are positions in the text.
///
/// Errors: text over the length bound, brackets that do not match, nesting over the bound.
pub(super) fn scan(source: &Source) -> Result<String> {
    if source.text.len() > LENGTH {
        let expected = format!("the text has {} bytes, and at most {LENGTH} are read", source.text.len());
        return Err(Fault::Syntax { expected }.into());
    }
    let mut scan =
        Scan { source, plain: String::with_capacity(source.text.len()), frames: vec![Frame::default()], depth: 0 };
    scan.run()?;
    match scan.frames.last() {
        Some(Frame { bracket: Some((open, at)), .. }) => {
            Err(source.syntax(*at, at + 1, format!("this `{open}` is never closed: a `{}` is missing", closing(*open))))
        }
        _ => Ok(scan.plain),
    }
}

struct Scan<'a> {
    source: &'a Source,
    plain: String,
    frames: Vec<Frame>,
    depth: usize,
}

/// What is open since a bracket (the outermost frame has none): each counts as a level of nesting.
#[derive(Default)]
struct Frame {
    bracket: Option<(char, usize)>,
    /// Signs and powers: they nest to the right until the next looser operator.
    signs: usize,
    /// `not`: it nests until the next `and` or `or`.
    nots: usize,
    /// `lambda`: it nests until the next comma that is not among its arguments.
    lambdas: usize,
    /// Between `lambda` and its colon.
    arguments: bool,
    /// Whether a value has just ended, so that a sign is an operator between two.
    value: bool,
}

fn closing(open: char) -> char {
    if open == '(' { ')' } else { ']' }
}

impl Scan<'_> {
    fn run(&mut self) -> Result<()> {
        let text = self.source.text.clone();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            let length = match c {
                '#' => rest.find('\n').unwrap_or(rest.len()),
                '\\' if rest.starts_with("\\\n") => 2,
                '\\' if rest.starts_with("\\\r\n") => 3,
                '*' if rest.starts_with("**") => 2,
                _ if is_word(c) || c == '.' => word_length(rest),
                '"' | '\'' => text_length(rest, c),
                _ => c.len_utf8(),
            };
            let token = &rest[..length];
            let blank = c == '#' || c == '\\' && length > 1 || c != '\n' && c.is_whitespace();
            if blank || c == '\n' && self.frames.len() > 1 {
                self.plain.extend(std::iter::repeat_n(' ', length));
            } else {
                self.plain.push_str(token);
                self.token(token, at)?;
            }
            at += length;
        }
        Ok(())
    }

    fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn token(&mut self, token: &str, at: usize) -> Result<()> {
        match token {
            "(" | "[" => {
                self.deeper(at)?;
                self.frames.push(Frame { bracket: token.chars().next().map(|c| (c, at)), ..Frame::default() });
            }
            ")" | "]" => self.close(token, at)?,
            "," if self.frame().arguments => {}
            "," | ";" | "\n" => self.reset(true, true, true),
            ":" => {
                self.frame().arguments = false;
                self.frame().value = false;
            }
            "and" | "or" => self.reset(true, true, false),
            "not" => {
                self.deeper(at)?;
                self.frame().nots += 1;
            }
            "lambda" => {
                self.deeper(at)?;
                self.frame().lambdas += 1;
                self.frame().arguments = true;
            }
            "**" => self.sign(at)?,
            "+" | "-" | "~" if !self.frame().value => self.sign(at)?,
            _ if token.starts_with(is_word) || token.starts_with(['.', '"', '\'']) => self.frame().value = true,
            _ => self.reset(true, false, false),
        }
        Ok(())
    }

    fn sign(&mut self, at: usize) -> Result<()> {
        self.deeper(at)?;
        self.frame().signs += 1;
        self.frame().value = false;
        Ok(())
    }

    fn reset(&mut self, signs: bool, nots: bool, lambdas: bool) {
        let frame = self.frame();
        frame.value = false;
        let mut gone = 0;
        for (count, wanted) in [(&mut frame.signs, signs), (&mut frame.nots, nots), (&mut frame.lambdas, lambdas)] {
            if wanted {
                gone += std::mem::take(count);
            }
        }
        self.depth -= gone;
    }

    fn deeper(&mut self, at: usize) -> Result<()> {
        self.depth += 1;
        self.frame().value = false;
        if self.depth > LIMIT {
            return Err(Fault::TooDeep { limit: LIMIT }.at(self.source.place(at, at + 1)));
        }
        Ok(())
    }

    fn close(&mut self, token: &str, at: usize) -> Result<()> {
        let wrong = |message: String| Err(self.source.syntax(at, at + 1, message));
        match self.frames.last().and_then(|f| f.bracket) {
            None => return wrong(format!("this `{token}` closes nothing")),
            Some((open, _)) if !token.contains(closing(open)) => {
                return wrong(format!("`{}` is missing: this `{token}` comes after an open `{open}`", closing(open)));
            }
            Some(_) => {}
        }
        self.reset(true, true, true);
        self.frames.pop();
        self.depth -= 1;
        self.frame().value = true;
        Ok(())
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the quoted text at the start of `rest`; of its quote alone if it is not closed on its line.
fn text_length(rest: &str, quote: char) -> usize {
    let line = &rest[1..rest.find('\n').unwrap_or(rest.len())];
    line.find(quote).map_or(1, |end| end + 2)
}

/// The length of the name or number at the start of `rest`.
pub(super) fn word_length(rest: &str) -> usize {
    let number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        let exponent = number && matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
        if !(is_word(c) || c == '.' && number || exponent) {
            return at;
        }
        before = c;
    }
    rest.len()
}
