//! Numbers and arrays as people read them.

use clarke::Tensor;

/// A number in at most twelve significant digits, without a trailing `.0`.
pub fn number(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{}", x + 0.0);
    }
    let rounded: f64 = format!("{x:.11e}").parse().unwrap_or(x);
    let text = format!("{rounded:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// An array in brackets, a matrix a row a line (after the first, indented by `indent`); the middle of long ones is left
/// out.
pub fn array(x: &Tensor, indent: usize) -> String {
    match x.shape() {
        [] => number(x.item()),
        [_] => vector(x.data()),
        [rows, columns] => {
            let line = |r: usize| vector(&x.data()[r * columns..(r + 1) * columns]);
            let gap = format!(",\n{}", " ".repeat(indent + 1));
            let lines = shortened(*rows, line).join(&gap);
            format!("[{lines}]{}", if *rows > LONGEST { format!("  ({rows} × {columns})") } else { String::new() })
        }
        shape => format!("{} of shape {shape:?}", vector(x.data())),
    }
}

/// How many entries are shown in full.
const LONGEST: usize = 12;

fn vector(data: &[f64]) -> String {
    let inside = shortened(data.len(), |k| number(data[k])).join(", ");
    if data.len() > LONGEST { format!("[{inside}] ({} numbers)", data.len()) } else { format!("[{inside}]") }
}

fn shortened(count: usize, entry: impl Fn(usize) -> String) -> Vec<String> {
    if count <= LONGEST {
        return (0..count).map(entry).collect();
    }
    let head = (0..4).map(&entry);
    head.chain(["…".to_string()]).chain((count - 2..count).map(&entry)).collect()
}

/// A text of at most `width` characters, the end left out if need be.
pub fn clipped(text: &str, width: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `1 tie`, `2 ties`.
pub fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A paragraph broken into lines of at most 80 characters, each indented.
pub fn paragraph(text: &str, indent: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 80 {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out += &" ".repeat(indent);
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (x, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1e-9, "1e-9"),
            (-1234567.0, "-1234567"),
            (1e300, "1e300"),
            (44.2338254434981, "44.2338254435"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn long_arrays_lose_their_middle() {
        let x = Tensor::from_fn(&[100], |k| k as f64);
        assert_eq!(array(&x, 0), "[0, 1, 2, 3, …, 98, 99] (100 numbers)");
        let m = Tensor::from_fn(&[2, 2], |k| k as f64);
        assert_eq!(array(&m, 4), "[[0, 1],\n     [2, 3]]");
    }

    #[test]
    fn paragraphs_fit() {
        let text = paragraph(&"word ".repeat(100), 2);
        assert!(text.lines().all(|l| l.starts_with("  word") && l.chars().count() <= 80), "{text}");
        assert_eq!(text.split_whitespace().count(), 100);
    }
}
