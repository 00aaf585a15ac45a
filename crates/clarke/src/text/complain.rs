//! What to say about text that the grammar does not know.

use super::scan::{is_word, word_length};
use super::{LIMIT, Source};
use crate::error::{Error, Fault};
use pest::RuleType;
use pest::error::{ErrorVariant, InputLocation};

/// The error for the place where the grammar gave up: a common mistake by its own message, else what was expected.
pub(super) fn complaint<R: RuleType>(source: &Source, plain: &str, error: pest::error::Error<R>) -> Error {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>(),
        // Not about the text: the parser guards its stack where the caller has left it next to none.
        ErrorVariant::CustomError { .. } => return Fault::TooDeep { limit: LIMIT }.at(source.place(at, at)),
    };
    let start = at + plain[at..].len() - plain[at..].trim_start_matches(' ').len();
    let rest = &plain[start..];
    let token = token(rest);
    let known = if expected == ["colon"] { None } else { known_mistake(&plain[..at], rest, token) };
    let message = known.unwrap_or_else(|| plainly(token, expected));
    source.syntax(start, start + token.len(), message)
}

/// The word or sign at the start.
fn token(rest: &str) -> &str {
    match rest.chars().next() {
        Some(c) if is_word(c) => &rest[..word_length(rest)],
        Some('\n') | None => "",
        Some(c) => &rest[..c.len_utf8()],
    }
}

/// What users of other languages write, and what to write instead.
fn known_mistake(before: &str, rest: &str, token: &str) -> Option<String> {
    const MISTAKES: &[(&str, &str)] = &[
        ("^", "use ** for powers"),
        ("&&", "use `and`"),
        ("||", "use `or`"),
        ("//", "there is no integer division; use /"),
        ("%", "there is no remainder operator"),
        ("==", "a comparison needs a value on both sides"),
        ("=", "`=` only gives a name to a value, at the start of a statement; a comparison is written `==`"),
        ("<<", "there are no shifts of bits"),
        (">>", "there are no shifts of bits"),
        ("->", "leave out the type after `->`"),
        ("!", "use `not`"),
        ("\"", "a quoted text ends on its line, with the quote that it starts with"),
        ("'", "a quoted text ends on its line, with the quote that it starts with"),
        ("{", "use ( ) or [ ]"),
        ("}", "use ( ) or [ ]"),
        ("−", "use - (the sign on the keyboard)"),
        ("–", "use - (the sign on the keyboard)"),
        ("×", "use * for products"),
        ("·", "use * for products"),
        ("÷", "use / for quotients"),
        ("²", "use **2"),
        ("√", "use sqrt(…)"),
        ("|", "an absolute value is written abs(x)"),
        ("≤", "use <="),
        ("≥", "use >="),
        ("≠", "use !="),
    ];
    const WORDS: &[(&str, &str)] = &[
        ("if", "there is no `if`; write where(condition, a, b)"),
        ("else", "there is no `else`; write where(condition, a, b)"),
        ("elif", "there is no `elif`; write where(condition, a, b)"),
        ("for", "there are no loops; write the expression on whole arrays, or scan(…)"),
        ("while", "there are no loops; write the expression on whole arrays, or scan(…)"),
        ("import", "there is nothing to import: all functions are there"),
        ("class", "there are no classes"),
        ("in", "there is no `in`"),
        ("is", "there is no `is`; use =="),
        ("lambda", "a lambda stands in parentheses here"),
        ("return", "`return` stands at the start of a statement"),
        ("def", "`def` stands at the start of a statement"),
    ];
    let ended = |c: char| c.is_alphabetic() || c == '_' || c == ')' || c == ']';
    if rest.starts_with('.') && before.trim_end_matches(' ').ends_with(ended) {
        return Some(match before.trim_end_matches(' ').rsplit(|c: char| !is_word(c)).next() {
            Some(module @ ("np" | "numpy" | "jnp" | "jax" | "torch" | "tf" | "math")) => {
                format!("functions have no prefix: abs(x), not {module}.abs(x)")
            }
            _ => "functions are written around their argument: sum(x), not x.sum()".into(),
        });
    }
    if token.starts_with(|c: char| c.is_ascii_digit()) && token.contains(|c: char| is_word(c) && !c.is_ascii_digit()) {
        let digits = token.find(|c: char| is_word(c) && !c.is_ascii_digit()).unwrap_or(0);
        let (number, name) = token.split_at(digits);
        return Some(format!("a name does not start with a digit; a product is written {number}*{name}"));
    }
    let mistake = MISTAKES.iter().find(|(sign, _)| rest.starts_with(sign));
    mistake.or_else(|| WORDS.iter().find(|(word, _)| *word == token)).map(|(_, message)| message.to_string())
}

/// What was expected, in words; the rules' names are those of the grammar.
fn plainly(token: &str, expected: Vec<String>) -> String {
    let can = |rules: &[&str]| expected.iter().any(|e| rules.contains(&e.as_str()));
    let what = if can(&["primary", "expr", "argument", "item", "values", "neg"]) {
        "a value was expected: a number, a name, a call or `(`"
    } else if can(&["param", "annotation", "role", "dims"]) {
        "an input is written `x: [3]` (a vector of 3), `b: []` (a scalar), `X: data[3, 2]` or `s: selection`"
    } else if can(&["integer"]) {
        "a length was expected: a whole number"
    } else if can(&["name"]) {
        "a name was expected"
    } else if can(&["call", "subscript", "power", "mul", "add"]) {
        "an operator, a comma or the end of the expression was expected"
    } else if can(&["colon"]) {
        "a `:` was expected"
    } else if can(&["comma"]) {
        "a comma was expected"
    } else {
        "an expression was expected"
    };
    match token {
        "" => format!("{what}, but the text ends here"),
        _ => format!("{what}, not `{token}`"),
    }
}
