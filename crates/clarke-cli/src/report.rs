//! What the user is told: errors with the place in the expression, warnings, and how output is written.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use clarke::{Error, Place};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::sync::Arc;

/// An error that ends the command: what is wrong, where in the expression, what to do, and the exit code.
///
/// Bad input has exit code 2, as an unknown option has; what fails for reasons outside the input (a full disk) has 1.
#[derive(Debug)]
pub struct Exit {
    code: u8,
    message: String,
    at: Option<(Arc<str>, Range<usize>)>,
    hints: Vec<String>,
}

impl Exit {
    /// Bad input.
    pub fn input(message: impl Into<String>) -> Exit {
        Exit { code: 2, message: message.into(), at: None, hints: vec![] }
    }

    /// Something outside of the input failed.
    pub fn failed(message: impl Into<String>) -> Exit {
        Exit { code: 1, ..Exit::input(message) }
    }

    /// With a line that says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Exit {
        self.hints.push(hint.into());
        self
    }

    /// With a line that says what to do, if there is one.
    pub fn maybe_hint(self, hint: Option<String>) -> Exit {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The exit code of the process.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// What is wrong, with its place, and what may help, each without mark-up.
    pub fn sentences(&self) -> Vec<String> {
        let place = self.at.as_ref().map_or(String::new(), |(text, span)| format!(", at `{}`", &text[span.clone()]));
        [format!("{}{place}", self.message)].into_iter().chain(self.hints.iter().cloned()).collect()
    }

    /// The error as it is printed, without a final newline.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = match &self.at {
            Some((text, span)) => {
                let mark = AnnotationKind::Primary.span(span.clone());
                title.element(Snippet::source(&**text).line_numbering(text.contains('\n')).annotation(mark))
            }
            None => Group::with_title(title),
        };
        for hint in &self.hints {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// Prints the error to stderr, in colour on a terminal.
    pub fn print(&self) {
        // Nothing can be said about a stderr that cannot be written to.
        let _ = writeln!(std::io::stderr(), "{}", self.render(wants_colour()));
    }
}

/// Faults end in their advice, after a semicolon: it becomes the hint.
impl From<Error> for Exit {
    fn from(error: Error) -> Exit {
        let text = error.fault.to_string();
        let (message, hint) = match text.split_once("; ") {
            Some((message, hint)) => (message.to_string(), Some(hint.to_string())),
            None => (text, None),
        };
        let (message, at) = match error.place {
            // Nothing can be underlined in a text that is blank.
            Place::Text { text, .. } if text.trim().is_empty() => (message, None),
            Place::Text { text, start, end } => {
                let span = char_span(&text, start, end);
                (message, Some((text, span)))
            }
            place @ Place::Source { .. } => (format!("{message} (at {place})"), None),
            Place::Unknown => (message, None),
        };
        Exit { at, ..Exit::input(message) }.maybe_hint(hint)
    }
}

/// A span on boundaries of characters, without surrounding blanks, that covers at least one character where the text
/// has one.
fn char_span(text: &str, start: usize, end: usize) -> Range<usize> {
    let floor = |mut k: usize| {
        k = k.min(text.len());
        while !text.is_char_boundary(k) {
            k -= 1;
        }
        k
    };
    let (mut start, mut end) = (floor(start), floor(end.max(start)));
    let inside = &text[start..end];
    if !inside.trim().is_empty() {
        start += inside.len() - inside.trim_start().len();
        end -= inside.len() - inside.trim_end().len();
    }
    if start == end {
        end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    }
    start..end
}

/// A warning to stderr: the command goes on.
pub fn warn(message: impl Display) {
    let renderer = if wants_colour() { Renderer::styled() } else { Renderer::plain() };
    let message = message.to_string();
    let group = Group::with_title(Level::WARNING.primary_title(message.as_str()));
    let _ = writeln!(std::io::stderr(), "{}", renderer.render(&[group]));
}

fn wants_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Writes the command's result to stdout. A reader that went away (`clarke … | head`) is not an error.
pub fn put(text: &str) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Exit::failed(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// The known name closest to a misspelled one, or all known names, as a hint.
pub fn suggestion(name: &str, known: &[String]) -> Option<String> {
    let lower = name.to_lowercase();
    let close = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        // A letter in place of another is no misspelling of a name of one letter.
        .filter(|(d, k)| *d <= 1 + k.chars().count() / 4 && *d < k.chars().count())
        .min_by_key(|(d, _)| *d);
    match close {
        Some((_, k)) => Some(format!("did you mean `{k}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known are {}", list(known))),
    }
}

/// Names in backquotes, with commas.
pub fn list(names: &[String]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clarke::Fault;

    fn at(text: &str, start: usize, end: usize) -> Place {
        Place::Text { text: text.into(), start, end }
    }

    #[test]
    fn a_fault_in_the_expression_is_underlined_there() {
        let fault = Fault::UnknownName { kind: "name", name: "foo".into(), close: vec!["floor".into()], known: vec![] };
        let exit = Exit::from(fault.at(at("abs(x) + foo", 9, 12)));
        assert_eq!(exit.code(), 2);
        assert_eq!(
            exit.render(false),
            "error: unknown name `foo`\n |\n | abs(x) + foo\n |          ^^^\n |\n = help: did you mean `floor`?"
        );
        assert!(exit.render(true).contains('\x1b'), "{}", exit.render(true));
    }

    #[test]
    fn a_fault_without_place_is_one_line() {
        let exit = Exit::from(Error::from(Fault::Setting { setting: "policy", given: "jx".into(), rule: "R".into() }));
        assert_eq!(exit.render(false), "error: policy `jx` cannot be read: R");
    }

    #[test]
    fn every_span_can_be_drawn() {
        let text = "α + relu(β)\n+ x";
        for start in 0..=text.len() + 2 {
            for end in 0..=text.len() + 2 {
                let exit = Exit::from(Fault::Syntax { expected: "more".into() }.at(at(text, start, end)));
                assert!(exit.render(false).contains("cannot read this"));
            }
        }
        let exit = Exit::from(Fault::Syntax { expected: "an expression".into() }.at(at("", 0, 0)));
        assert!(exit.render(false).starts_with("error: cannot read this: an expression"), "{}", exit.render(false));
    }

    #[test]
    fn the_end_of_the_text_can_be_marked() {
        let exit = Exit::from(Fault::Syntax { expected: "an operand".into() }.at(at("x + ", 4, 4)));
        let shown = exit.render(false);
        assert!(shown.contains("x +"), "{shown}");
        assert!(shown.contains(" |     ^"), "{shown}");
    }

    #[test]
    fn suggestions_are_close_or_complete() {
        let known = ["progression".to_string(), "age".to_string()];
        assert_eq!(suggestion("Progresion", &known).unwrap(), "did you mean `progression`?");
        assert_eq!(suggestion("zzzzzz", &known).unwrap(), "known are `progression`, `age`");
        assert_eq!(suggestion("x", &[]), None);
        assert_eq!(suggestion("v", &["w".to_string()]).unwrap(), "known are `w`");
    }
}
