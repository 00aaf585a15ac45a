//! Numbers, arrays, tables and paragraphs as people read them.

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

/// An array in brackets that begins in column `indent`: a matrix a row a line, a long row on several; the middle of
/// what is longer still is left out.
pub fn array(x: &Tensor, indent: usize) -> String {
    match x.shape() {
        [] => number(x.item()),
        [_] => vector(x.data(), indent, ""),
        [rows, columns] => {
            let line = |r: usize| vector(&x.data()[r * columns..(r + 1) * columns], indent + 1, "");
            let gap = format!(",\n{}", " ".repeat(indent + 1));
            let lines = shortened(*rows, line).join(&gap);
            format!("[{lines}]{}", if *rows > LONGEST { format!("  ({rows} × {columns})") } else { String::new() })
        }
        shape => vector(x.data(), indent, &format!(" of shape {shape:?}")),
    }
}

/// How wide a line may be.
const WIDTH: usize = 100;

/// How many entries are shown in full.
const LONGEST: usize = 12;

/// A row of numbers in brackets from column `indent` on, with something to say behind it.
fn vector(data: &[f64], indent: usize, behind: &str) -> String {
    let count = if data.len() > LONGEST { format!(" ({} numbers)", data.len()) } else { String::new() };
    let items = shortened(data.len(), |k| number(data[k]));
    let (mut out, mut column) = ("[".to_string(), indent + 1);
    for (k, item) in items.iter().enumerate() {
        let last = k + 1 == items.len();
        let piece = if last { format!("{item}]{count}{behind}") } else { format!("{item},") };
        let length = piece.chars().count();
        if k > 0 && column + 1 + length > WIDTH {
            out += &format!("\n{}", " ".repeat(indent + 1));
            column = indent + 1;
        } else if k > 0 {
            out.push(' ');
            column += 1;
        }
        out += &piece;
        column += length;
    }
    if items.is_empty() { format!("[]{behind}") } else { out }
}

fn shortened(count: usize, entry: impl Fn(usize) -> String) -> Vec<String> {
    if count <= LONGEST {
        return (0..count).map(entry).collect();
    }
    let head = (0..4).map(&entry);
    head.chain(["…".to_string()]).chain((count - 2..count).map(&entry)).collect()
}

/// A number in at most six significant digits.
pub fn short(x: f64) -> String {
    number(format!("{x:.5e}").parse().unwrap_or(x))
}

/// Arrays by name on one line of at most `width` characters, as `x = 1, y = [0, -1]`; what is long loses its middle.
pub fn brief(all: &[(String, Tensor)], width: usize) -> String {
    let line = |kept: usize| {
        let one = |(name, x): &(String, Tensor)| format!("{name} = {}", inline(x.shape(), x.data(), kept));
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let fits = |text: &String| text.chars().count() <= width;
    let longest = all.iter().map(|(_, x)| x.data().len()).max().unwrap_or(0);
    // A very long array is not written in full only to be measured.
    let whole = (longest <= width).then_some(usize::MAX);
    let mut lines = whole.into_iter().chain([8, 6, 5, 4, 3].into_iter().filter(|k| *k < longest)).map(line);
    lines.find(fits).unwrap_or_else(|| clipped(&line(3), width))
}

/// An array in nested brackets, of each list at most `kept` entries and the middle left out.
fn inline(shape: &[usize], data: &[f64], kept: usize) -> String {
    let Some((&count, inner)) = shape.split_first() else { return short(data[0]) };
    let size = inner.iter().product::<usize>();
    let entry = |k: usize| inline(inner, &data[k * size..(k + 1) * size], kept);
    let items: Vec<String> = match count <= kept {
        true => (0..count).map(entry).collect(),
        false => (0..kept - 1).map(entry).chain(["…".into(), entry(count - 1)]).collect(),
    };
    format!("[{}]", items.join(", "))
}

/// A text of at most `width` characters, the end left out if need be.
pub fn clipped(text: &str, width: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A character of HTML and SVG: what XML has no character for is shown as U+FFFD.
pub fn printable(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

/// A text of HTML and SVG in which nothing is markup.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().map(printable) {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

/// A title and an expression behind it, on several lines if need be, which begin where it begins.
pub fn hanging(title: &str, text: &str) -> String {
    let indent = title.chars().count();
    let (mut out, mut column) = (title.to_string(), indent);
    for (k, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if k > 0 && column + 1 + length > WIDTH {
            out += &format!("\n{}", " ".repeat(indent));
            column = indent;
        } else if k > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out + "\n"
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

/// The name of an entry of an array by its flat position: `x`, `x[3]`, `A[0, 2]`.
pub fn entry_name(name: &str, shape: &[usize], flat: usize) -> String {
    let (mut rest, mut index) = (flat, vec![]);
    for n in shape.iter().rev() {
        index.push((rest % n).to_string());
        rest /= n;
    }
    index.reverse();
    if index.is_empty() { name.to_string() } else { format!("{name}[{}]", index.join(", ")) }
}

/// Which element of an array is meant, as `[0, 2]`; of a single number, —.
pub fn index(of: Option<&[usize]>) -> String {
    of.map_or("—".into(), |index| format!("{index:?}"))
}

/// An interval in short numbers, `[0, 1]`; what is one number there, as that number.
pub fn interval(low: f64, high: f64) -> String {
    match (short(low), short(high)) {
        (low, high) if low == high => low,
        (low, high) => format!("[{low}, {high}]"),
    }
}

/// Rows below their titles, in columns as wide as their widest cell.
pub fn align(titles: &[&str], rows: &[Vec<String>]) -> String {
    let width = |k: usize| {
        let cells = rows.iter().map(|r| r[k].chars().count());
        cells.chain([titles[k].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, w)| format!("{cell:w$}")).collect::<Vec<_>>();
        padded.join("  ").trim_end().to_string() + "\n"
    };
    let head = line(titles.to_vec());
    head + &rows.iter().map(|r| line(r.iter().map(String::as_str).collect())).collect::<String>()
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
        let long = Tensor::from_fn(&[12], |k| -(k as f64 + 1.0) / 7e101);
        for (x, indent) in [(long.clone(), 14), (Tensor::full(&[2, 12], -1.23456789012e-101), 20)] {
            let shown = array(&x, indent);
            assert!(shown.lines().skip(1).all(|l| l.starts_with(&" ".repeat(indent + 1)) && l.len() <= 100), "{shown}");
            assert!(shown.lines().next().is_some_and(|l| l.len() <= 100 - indent), "{shown}");
        }
        let m = Tensor::from_fn(&[2, 2], |k| k as f64);
        assert_eq!(array(&m, 4), "[[0, 1],\n     [2, 3]]");
    }

    #[test]
    fn paragraphs_fit() {
        let text = paragraph(&"word ".repeat(100), 2);
        assert!(text.lines().all(|l| l.starts_with("  word") && l.chars().count() <= 80), "{text}");
        assert_eq!(text.split_whitespace().count(), 100);
    }

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = vec![vec!["a − b".to_string(), "x".into()], vec!["α".into(), String::new()]];
        assert_eq!(align(&["formula", "y"], &rows), "formula  y\na − b    x\nα\n");
    }

    #[test]
    fn entries_have_the_names_that_python_gives_them() {
        assert_eq!([entry_name("x", &[], 0), entry_name("x", &[3], 2)], ["x", "x[2]"]);
        assert_eq!(entry_name("A", &[2, 3], 5), "A[1, 2]");
        assert_eq!([interval(0.0, 1.0), interval(1.0, 1.0 + 1e-12)], ["[0, 1]", "1"]);
    }
}
