//! Sparse matrices from files: Matrix Market's coordinate format, and what scipy.sparse.save_npz writes.

use crate::data::{from_npy, open};
use crate::output::extension;
use crate::report::Exit;
use clarke::Csr;
use clarke_show::words::plural;
use std::io::{Read, Seek};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// How many rows or columns a matrix may have.
const LONGEST: usize = 1 << 28;

/// Reads a sparse matrix from a file, by its extension: `.mtx` or `.npz`. None for a file of another kind.
pub fn read(path: &Path) -> Result<Option<Arc<Csr>>, Exit> {
    match extension(path).as_str() {
        "mtx" => {
            let mut text = String::new();
            let unreadable = |e| Exit::input(format!("cannot read {}: {e}", path.display()));
            open(path)?.read_to_string(&mut text).map_err(unreadable)?;
            Market { file: path.display().to_string() }.read(&text).map(Some)
        }
        "npz" => read_npz(path).map(Some),
        _ => Ok(None),
    }
}

/// A file in Matrix Market's format, being read: a header, comments, a line of sizes, a line an entry, counted from 1.
struct Market {
    file: String,
}

/// What the entries of one triangle say about the other.
#[derive(Clone, Copy, PartialEq)]
enum Symmetry {
    General,
    Symmetric,
    Skew,
}

impl Market {
    fn wrong(&self, line: usize, why: impl std::fmt::Display) -> Exit {
        Exit::input(format!("{}, line {}: {why}", self.file, line + 1))
    }

    fn read(&self, text: &str) -> Result<Arc<Csr>, Exit> {
        let (pattern, symmetry) = self.header(text.lines().next().unwrap_or_default())?;
        let lines = text.lines().enumerate().skip(1);
        let mut lines = lines.filter(|(_, l)| !l.starts_with('%') && !l.trim().is_empty());
        let Some((line, sizes)) = lines.next() else {
            return Err(Exit::input(format!("{} ends before the line of sizes", self.file)));
        };
        let [rows, columns, count] = self.cells::<3>(line, sizes, "the sizes are rows, columns and entries")?;
        let [rows, columns] = [self.length(line, rows, "rows")?, self.length(line, columns, "columns")?];
        let count: usize = self.parsed(line, count, "a number of entries")?;
        let mut entries = vec![];
        let mut met = 0;
        for (line, text) in lines {
            if met == count {
                return Err(self.wrong(line, format!("there are more entries than the {count} that were promised")));
            }
            met += 1;
            let (i, j, value) = match pattern {
                true => {
                    let [i, j] = self.cells(line, text, "an entry of a pattern is a row and a column")?;
                    (i, j, 1.0)
                }
                false => {
                    let [i, j, value] = self.cells(line, text, "an entry is a row, a column and a value")?;
                    (i, j, self.value(line, value)?)
                }
            };
            let (i, j) = (self.place(line, i, rows, "row")?, self.place(line, j, columns, "column")?);
            entries.push((i, j, value));
            match symmetry {
                Symmetry::Symmetric if i != j => entries.push((j, i, value)),
                Symmetry::Skew if i != j => entries.push((j, i, -value)),
                _ => {}
            }
        }
        if met < count {
            return Err(Exit::input(format!("{} is cut short: it has {met} of its {count} entries", self.file)));
        }
        if symmetry != Symmetry::General && rows != columns {
            let why = format!("it is said to be symmetric and has {rows} rows and {columns} columns");
            return Err(Exit::input(format!("{}: {why}", self.file)));
        }
        Ok(Csr::from_entries(rows, columns, &entries)?)
    }

    /// Whether entries come without values, and which symmetry is declared.
    fn header(&self, line: &str) -> Result<(bool, Symmetry), Exit> {
        let words: Vec<String> = line.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ["%%matrixmarket", "matrix", format, field, symmetry] = words[..] else {
            return Err(self
                .wrong(0, "this is no file in Matrix Market's format")
                .hint("its first line is: %%MatrixMarket matrix coordinate real general"));
        };
        let unsupported = |what: &str| Err(self.wrong(0, format!("`{what}` is not supported")));
        if format != "coordinate" {
            let advice = "save an array that is not sparse with numpy.save";
            return unsupported(format).map_err(|e| e.hint(advice));
        }
        let pattern = match field {
            "real" | "double" | "integer" => false,
            "pattern" => true,
            other => return unsupported(other),
        };
        match symmetry {
            "general" => Ok((pattern, Symmetry::General)),
            "symmetric" => Ok((pattern, Symmetry::Symmetric)),
            "skew-symmetric" => Ok((pattern, Symmetry::Skew)),
            other => unsupported(other),
        }
    }

    fn cells<'a, const N: usize>(&self, line: usize, text: &'a str, what: &str) -> Result<[&'a str; N], Exit> {
        let cells: Vec<&str> = text.split_whitespace().collect();
        let count = cells.len();
        cells.try_into().map_err(|_| self.wrong(line, format!("{what}, not {}", plural(count, "number"))))
    }

    fn parsed<T: FromStr>(&self, line: usize, text: &str, what: &str) -> Result<T, Exit> {
        text.parse().map_err(|_| self.wrong(line, format!("`{text}` is not {what}")))
    }

    fn length(&self, line: usize, text: &str, of: &str) -> Result<usize, Exit> {
        match self.parsed(line, text, &format!("a number of {of}"))? {
            n if n > LONGEST => Err(self.wrong(line, format!("a matrix has at most 2^28 {of}"))),
            n => Ok(n),
        }
    }

    fn value(&self, line: usize, text: &str) -> Result<f64, Exit> {
        match self.parsed::<f64>(line, text, "a number")? {
            x if x.is_finite() => Ok(x),
            _ => Err(self.wrong(line, format!("`{text}` is not a finite number"))),
        }
    }

    fn place(&self, line: usize, text: &str, length: usize, what: &str) -> Result<usize, Exit> {
        match self.parsed::<usize>(line, text, &format!("a {what}"))? {
            n if (1..=length).contains(&n) => Ok(n - 1),
            n => Err(self.wrong(line, format!("there is no {what} {n}: they are counted from 1 to {length}"))),
        }
    }
}

/// Reads a matrix that scipy.sparse.save_npz wrote, in compressed rows, compressed columns or coordinates.
fn read_npz(path: &Path) -> Result<Arc<Csr>, Exit> {
    let mut archive = Archive {
        file: path.display().to_string(),
        members: zip::ZipArchive::new(open(path)?)
            .map_err(|e| Exit::input(format!("{} is no archive of arrays: {e}", path.display())))?,
    };
    let format = archive.text("format")?;
    let shape = archive.lengths("shape")?;
    let &[rows, columns] = shape.as_slice() else {
        return Err(Exit::input(format!("{} holds an array of shape {shape:?}, no matrix", archive.file)));
    };
    if rows.max(columns) > LONGEST {
        return Err(Exit::input(format!("{}: a matrix has at most 2^28 rows and columns", archive.file)));
    }
    let values = archive.numbers("data")?;
    match format.as_str() {
        "csr" => Ok(Csr::new(rows, columns, archive.lengths("indptr")?, archive.lengths("indices")?, values)?),
        // Compressed columns are the compressed rows of the transpose.
        "csc" => Ok(Csr::new(columns, rows, archive.lengths("indptr")?, archive.lengths("indices")?, values)?.t()),
        "coo" => {
            let (row, col) = (archive.lengths("row")?, archive.lengths("col")?);
            if row.len() != values.len() || col.len() != values.len() {
                return Err(Exit::input(format!("{}: rows, columns and values differ in number", archive.file)));
            }
            let entries: Vec<_> = (0..values.len()).map(|k| (row[k], col[k], values[k])).collect();
            Ok(Csr::from_entries(rows, columns, &entries)?)
        }
        other => Err(Exit::input(format!("{} holds a matrix in the format `{other}`", archive.file))
            .hint("csr, csc and coo are read; convert with A.tocsr()")),
    }
}

/// Arrays in NumPy's format, by name.
struct Archive<R> {
    file: String,
    members: zip::ZipArchive<R>,
}

impl<R: Read + Seek> Archive<R> {
    fn member(&mut self, name: &str) -> Result<Vec<u8>, Exit> {
        let file = &self.file;
        let mut member = self.members.by_name(&format!("{name}.npy")).map_err(|e| {
            Exit::input(format!("{file} has no readable `{name}`: {e}"))
                .hint("a sparse matrix is saved with scipy.sparse.save_npz")
        })?;
        let mut bytes = vec![];
        member.read_to_end(&mut bytes).map_err(|e| Exit::input(format!("{file}: `{name}` cannot be read: {e}")))?;
        Ok(bytes)
    }

    fn numbers(&mut self, name: &str) -> Result<Vec<f64>, Exit> {
        Ok(from_npy(&self.member(name)?, &format!("{name} of {}", self.file))?.into_data())
    }

    /// Numbers that count something.
    fn lengths(&mut self, name: &str) -> Result<Vec<usize>, Exit> {
        let numbers = self.numbers(name)?;
        match numbers.iter().find(|x| **x < 0.0 || x.fract() != 0.0) {
            Some(x) => Err(Exit::input(format!("{}: `{name}` holds {x}, which counts nothing", self.file))),
            None => Ok(numbers.iter().map(|x| *x as usize).collect()),
        }
    }

    /// A word: letters of one byte each, or of four.
    fn text(&mut self, name: &str) -> Result<String, Exit> {
        let bytes = self.member(name)?;
        let mut rest = &bytes[..];
        npyz::NpyFile::new(&mut rest)
            .map_err(|e| Exit::input(format!("{}: `{name}` is not in NumPy's format: {e}", self.file)))?;
        Ok(rest.iter().filter(|b| **b != 0).map(|b| char::from(*b)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use std::io::Write;

    fn market(text: &str) -> Result<Arc<Csr>, Exit> {
        Market { file: "a.mtx".into() }.read(text)
    }

    fn entries(matrix: &Csr) -> Vec<(usize, usize, f64)> {
        matrix.entries().collect()
    }

    fn said<T: std::fmt::Debug>(result: Result<T, Exit>) -> String {
        let exit = result.unwrap_err();
        assert_eq!(exit.code(), 2);
        exit.render(false).lines().next().unwrap_or_default().to_string()
    }

    #[test]
    fn coordinates_are_read_with_their_symmetry() {
        let general =
            "%%MatrixMarket matrix coordinate real general\n% a comment\n\n 2 3  3\n2 3 -1.5e1\n1 1 2\n2 3 1\n";
        let matrix = market(general).unwrap();
        assert_eq!((matrix.shape(), entries(&matrix)), ([2, 3], vec![(0, 0, 2.0), (1, 2, -15.0), (1, 2, 1.0)]));
        let symmetric = "%%MatrixMarket MATRIX Coordinate Integer Symmetric\n2 2 2\n1 1 4\n2 1 5\n";
        assert_eq!(entries(&market(symmetric).unwrap()), [(0, 0, 4.0), (0, 1, 5.0), (1, 0, 5.0)]);
        let skew = "%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n2 1 5\n";
        assert_eq!(entries(&market(skew).unwrap()), [(0, 1, -5.0), (1, 0, 5.0)]);
        let pattern = "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 2";
        assert_eq!(entries(&market(pattern).unwrap()), [(0, 1, 1.0)]);
        let empty = market("%%MatrixMarket matrix coordinate real general\n0 3 0\n").unwrap();
        assert_eq!((empty.shape(), empty.nnz()), ([0, 3], 0));
    }

    #[test]
    fn broken_coordinates_are_explained() {
        let after = |rest: &str| said(market(&format!("%%MatrixMarket matrix coordinate real general\n{rest}")));
        assert_eq!(said(market("1,2\n")), "error: a.mtx, line 1: this is no file in Matrix Market's format");
        let array = "%%MatrixMarket matrix array real general\n1 1\n2\n";
        assert_eq!(said(market(array)), "error: a.mtx, line 1: `array` is not supported");
        let complex = "%%MatrixMarket matrix coordinate complex general\n";
        assert_eq!(said(market(complex)), "error: a.mtx, line 1: `complex` is not supported");
        assert_eq!(after("% only this\n"), "error: a.mtx ends before the line of sizes");
        assert_eq!(after("2 2\n"), "error: a.mtx, line 2: the sizes are rows, columns and entries, not 2 numbers");
        assert_eq!(after("2 9999999999 0\n"), "error: a.mtx, line 2: a matrix has at most 2^28 columns");
        assert_eq!(
            after("2 2 1\n1 2\n"),
            "error: a.mtx, line 3: an entry is a row, a column and a value, not 2 numbers"
        );
        assert_eq!(after("2 2 1\n0 2 1\n"), "error: a.mtx, line 3: there is no row 0: they are counted from 1 to 2");
        assert_eq!(after("2 2 1\n1 3 1\n"), "error: a.mtx, line 3: there is no column 3: they are counted from 1 to 2");
        assert_eq!(after("2 2 1\n1 x 1\n"), "error: a.mtx, line 3: `x` is not a column");
        assert_eq!(after("2 2 1\n1 1 inf\n"), "error: a.mtx, line 3: `inf` is not a finite number");
        assert_eq!(after("2 2 2\n1 1 3\n"), "error: a.mtx is cut short: it has 1 of its 2 entries");
        assert_eq!(
            after("2 2 1\n1 1 3\n\n1 2 4\n"),
            "error: a.mtx, line 5: there are more entries than the 1 that were promised"
        );
        let oblong = "%%MatrixMarket matrix coordinate real symmetric\n2 3 0\n";
        assert_eq!(said(market(oblong)), "error: a.mtx: it is said to be symmetric and has 2 rows and 3 columns");
    }

    /// The bytes of a one-dimensional array in NumPy's format.
    fn npy<T: npyz::AutoSerialize + Copy>(data: &[T]) -> Vec<u8> {
        let mut bytes = vec![];
        let shape = [data.len() as u64];
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd().unwrap();
        writer.extend(data.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    /// A word as NumPy stores it: of no dimension, letters of one byte.
    fn word(text: &str) -> Vec<u8> {
        let header = format!("{{'descr': '|S{}', 'fortran_order': False, 'shape': (), }}", text.len());
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{header:<width$}\n{text}", width = length - 1).bytes());
        bytes
    }

    fn npz(members: &[(&str, Vec<u8>)], deflated: bool) -> Result<Option<Arc<Csr>>, Exit> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        let method = if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        for (name, bytes) in members {
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            archive.start_file(format!("{name}.npy"), options).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
        read(&path)
    }

    #[test]
    fn what_scipy_saves_is_read_in_three_formats() {
        let matrix = Csr::from_entries(2, 3, &[(0, 1, 2.0), (1, 0, -1.0), (1, 2, 4.0)]).unwrap();
        let shape = npy(&[2i64, 3]);
        let values = npy(&[2.0, -1.0, 4.0]);
        let csr = [
            ("format", word("csr")),
            ("shape", shape.clone()),
            ("indptr", npy(&[0i32, 1, 3])),
            ("indices", npy(&[1i32, 0, 2])),
            ("data", values.clone()),
        ];
        let csc = [
            ("format", word("csc")),
            ("shape", shape.clone()),
            ("indptr", npy(&[0i32, 1, 2, 3])),
            ("indices", npy(&[1i32, 0, 1])),
            ("data", npy(&[-1.0f32, 2.0, 4.0])),
        ];
        let coo = [
            ("format", word("coo")),
            ("shape", shape.clone()),
            ("row", npy(&[1i64, 0, 1])),
            ("col", npy(&[0i64, 1, 2])),
            ("data", npy(&[-1.0, 2.0, 4.0])),
        ];
        for members in [&csr, &csc, &coo] {
            for deflated in [false, true] {
                assert_eq!(*npz(members, deflated).unwrap().unwrap(), *matrix);
            }
        }
        let first = |members: &[(&str, Vec<u8>)]| said(npz(members, true));
        assert!(first(&csr[..3]).contains("has no readable `data`"), "{}", first(&csr[..3]));
        let bsr = [("format", word("bsr")), ("shape", shape), ("data", values)];
        assert!(first(&bsr).contains("holds a matrix in the format `bsr`"), "{}", first(&bsr));
        let mut outside = csr.clone();
        outside[3].1 = npy(&[1i32, 0, 3]);
        assert!(first(&outside).contains("the matrix has 3 columns"), "{}", first(&outside));
        outside[3].1 = npy(&[1i32, 0, -1]);
        assert!(first(&outside).contains("`indices` holds -1, which counts nothing"), "{}", first(&outside));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.npz"), "no archive").unwrap();
        assert!(said(read(&dir.path().join("a.npz"))).contains("is no archive of arrays"));
        assert_eq!(read(Path::new("a.npy")).unwrap(), None);
    }
}
