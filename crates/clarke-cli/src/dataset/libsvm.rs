//! Sparse text in LIBSVM's form: a sample a line, its target and then `feature:value`, features counted from 1.

use crate::data::open;
use crate::report::Exit;
use clarke::Csr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// How many features there may be.
const MOST: usize = 1 << 28;

/// Samples as rows of a sparse matrix, and their targets.
///
/// Blank lines, and what follows `#`, are passed over. The number of features is the largest named, or `features`.
/// Errors: a line that is not of this form, features that do not increase, numbers that are not finite; each with its line.
pub fn read(path: &Path, features: Option<usize>) -> Result<(Arc<Csr>, Vec<f64>), Exit> {
    let mut reader = BufReader::new(open(path)?);
    let file = path.display().to_string();
    let (mut text, mut line) = (Vec::new(), 0);
    let (mut indptr, mut indices, mut values, mut targets) = (vec![0], vec![], vec![], vec![]);
    loop {
        text.clear();
        let read = reader.read_until(b'\n', &mut text);
        if read.map_err(|e| Exit::input(format!("cannot read {file}: {e}")))? == 0 {
            break;
        }
        line += 1;
        let wrong = |why: String| {
            Exit::input(format!("{file}, line {line}: {why}"))
                .hint("a line is a target and then feature:value, features counted from 1: 1 3:0.5 10:2")
        };
        let words = std::str::from_utf8(&text).map_err(|_| wrong("not UTF-8 text".into()))?;
        let mut words = words.split('#').next().unwrap_or_default().split_whitespace();
        let Some(target) = words.next() else { continue };
        targets.push(number(target).ok_or_else(|| wrong(format!("the target `{target}` is not a finite number")))?);
        let mut last = 0;
        for word in words {
            let entry = word.split_once(':').and_then(|(j, x)| Some((j.parse::<usize>().ok()?, x)));
            let Some((j, x)) = entry else { return Err(wrong(format!("`{word}` is not feature:value"))) };
            if j == 0 || j > MOST {
                return Err(wrong(format!("feature {j}: features are counted from 1 to 2^28")));
            }
            if j <= last {
                return Err(wrong(format!("feature {j} comes after {last}: features increase along a line")));
            }
            if let Some(most) = features.filter(|most| j > *most) {
                return Err(wrong(format!("feature {j}, but the model takes {most}")));
            }
            last = j;
            indices.push(j - 1);
            values.push(number(x).ok_or_else(|| wrong(format!("`{x}` of feature {j} is not a finite number")))?);
        }
        indptr.push(values.len());
    }
    if targets.is_empty() {
        return Err(Exit::input(format!("{file} has no samples")));
    }
    let width = features.unwrap_or_else(|| indices.iter().max().map_or(1, |j| j + 1));
    Ok((Csr::new(targets.len(), width, indptr, indices, values)?, targets))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|x: &f64| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &[u8], features: Option<usize>) -> Result<(Arc<Csr>, Vec<f64>), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.svm");
        std::fs::write(&path, text).unwrap();
        let clean = |said: String| said.replace(&format!("{}/", dir.path().display()), "");
        read(&path, features).map_err(|e| clean(e.render(false)))
    }

    #[test]
    fn samples_are_read_with_their_targets() {
        let (x, y) = of(b"+1 1:0.5 3:-2 # a comment\n\n-1\n1 2:1e3", None).unwrap();
        assert_eq!(y, [1.0, -1.0, 1.0]);
        assert_eq!(x.to_dense().data(), [0.5, 0.0, -2.0, 0.0, 0.0, 0.0, 0.0, 1e3, 0.0]);
        assert_eq!(of(b"2 1:1\n", Some(5)).unwrap().0.shape(), [1, 5]);
    }

    #[test]
    fn mistakes_name_the_line() {
        let said = |text: &[u8]| of(text, None).unwrap_err();
        assert!(said(b"1 1:1\nx 1:2\n").starts_with("error: a.svm, line 2: the target `x` is not a finite number"));
        assert!(said(b"1 2:1 1:2\n").contains("feature 1 comes after 2"));
        assert!(said(b"1 0:1\n").contains("counted from 1"));
        assert!(said(b"1 3\n").contains("`3` is not feature:value"));
        assert!(said(b"1 3:nan\n").contains("`nan` of feature 3 is not a finite number"));
        assert!(said(b"\xff\n").contains("line 1: not UTF-8 text"));
        assert!(said(b"# nothing\n").contains("a.svm has no samples"));
        assert!(of(b"1 7:1\n", Some(5)).unwrap_err().contains("feature 7, but the model takes 5"));
    }

    proptest! {
        #[test]
        fn no_file_makes_reading_panic(text in "[0-9: .e#\n+-]{0,60}") {
            let _ = of(text.as_bytes(), None);
        }

        #[test]
        fn what_was_written_is_read(rows in proptest::collection::vec(proptest::collection::btree_map(1usize..30, -1e3..1e3f64, 0..8), 1..10)) {
            let line = |row: &std::collections::BTreeMap<usize, f64>| {
                let entries: Vec<String> = row.iter().map(|(j, x)| format!(" {j}:{x:?}")).collect();
                format!("1{}\n", entries.concat())
            };
            let (x, _) = of(rows.iter().map(line).collect::<String>().as_bytes(), Some(30)).unwrap();
            let read: Vec<_> = x.entries().collect();
            let written: Vec<_> =
                rows.iter().enumerate().flat_map(|(i, row)| row.iter().map(move |(j, x)| (i, j - 1, *x))).collect();
            prop_assert_eq!(read, written);
        }
    }
}
