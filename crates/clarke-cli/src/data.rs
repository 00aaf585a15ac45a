//! Numbers from files: tables and arrays in CSV, arrays in NumPy's format. Every number read is finite, and every
//! error names the file, the row and the column.

use crate::output::extension;
use crate::report::Exit;
use crate::rows::{Rows, place_of};
use clarke::Tensor;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Columns of numbers with names.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<String>,
    rows: usize,
    /// Row after row.
    data: Vec<f64>,
}

/// Reads an array from a file, by its extension: `.npy` or `.csv`.
///
/// A CSV file may begin with a header, recognized by having no number in it. One column or one row is a vector, more
/// are a matrix.
pub fn read_array(path: &Path) -> Result<Tensor, Exit> {
    match extension(path).as_str() {
        "npy" => read_npy(path),
        "csv" => {
            let rows = Rows::open(path)?;
            let table = Table::of(if rows.looks_like_header() { rows.named()? } else { rows })?;
            let (rows, columns) = (table.rows, table.columns.len());
            let shape = if rows == 1 || columns == 1 { vec![rows * columns] } else { vec![rows, columns] };
            Ok(Tensor::new(&shape, table.data)?)
        }
        _ => Err(Exit::input(format!("cannot tell the format of `{}`", path.display()))
            .hint("arrays are read from files named *.npy or *.csv, sparse matrices from *.mtx or *.npz")),
    }
}

impl Table {
    /// Reads a CSV file whose first row names its columns.
    pub fn read(path: &Path) -> Result<Table, Exit> {
        Table::of(Rows::open(path)?.named()?)
    }

    fn of(mut rows: Rows) -> Result<Table, Exit> {
        let (mut data, mut row, mut count) = (vec![], vec![], 0);
        while rows.next(&mut row)? {
            data.extend_from_slice(&row);
            count += 1;
        }
        Ok(Table { columns: rows.columns().to_vec(), rows: count, data })
    }

    /// The table without a column, and that column.
    pub fn split(mut self, name: &str, file: &Path) -> Result<(Table, Tensor), Exit> {
        let at = place_of(name, &self.columns, file)?;
        let width = self.columns.len();
        if width == 1 {
            return Err(Exit::input(format!("{} has no column besides `{name}`", file.display()))
                .hint("X is made of all other columns"));
        }
        let column: Vec<f64> = self.data.iter().skip(at).step_by(width).copied().collect();
        let mut k = 0;
        self.data.retain(|_| {
            k += 1;
            (k - 1) % width != at
        });
        self.columns.remove(at);
        Ok((self, Tensor::vector(column)))
    }

    /// Each column shifted and scaled to mean 0 and population standard deviation 1.
    ///
    /// Errors: a column that is constant.
    pub fn standardize(mut self, file: &Path) -> Result<Table, Exit> {
        let (rows, width) = (self.rows as f64, self.columns.len());
        for (at, name) in self.columns.iter().enumerate() {
            let column = || self.data.iter().skip(at).step_by(width);
            let first = self.data[at];
            let mean = column().map(|x| x / rows).sum::<f64>();
            let variance = column().map(|x| (x - mean).powi(2) / rows).sum::<f64>();
            let deviation = variance.sqrt();
            if column().all(|x| *x == first) || deviation == 0.0 {
                return Err(Exit::input(format!(
                    "column `{name}` of {} is constant ({first}): it has no standard deviation to scale by",
                    file.display()
                ))
                .hint("remove the column, or do not standardize"));
            }
            if !deviation.is_finite() {
                return Err(Exit::input(format!(
                    "column `{name}` of {} holds numbers too large to standardize",
                    file.display()
                )));
            }
            self.data.iter_mut().skip(at).step_by(width).for_each(|x| *x = (*x - mean) / deviation);
        }
        Ok(self)
    }

    /// The numbers as a matrix, a row of the file a row.
    pub fn matrix(self) -> Result<Tensor, Exit> {
        Ok(Tensor::new(&[self.rows, self.columns.len()], self.data)?)
    }
}

/// Opens a file to read from it.
pub fn open(path: &Path) -> Result<File, Exit> {
    let file = path.display();
    let found = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Exit::input(format!("no such file: {file}")),
        _ => Exit::input(format!("cannot open {file}: {e}")),
    })?;
    match found.metadata() {
        Ok(m) if m.is_dir() => Err(Exit::input(format!("{file} is a directory"))),
        _ => Ok(found),
    }
}

/// Reads an array in NumPy's format.
fn read_npy(path: &Path) -> Result<Tensor, Exit> {
    let file = path.display();
    let mut bytes = vec![];
    open(path)?.read_to_end(&mut bytes).map_err(|e| Exit::input(format!("cannot read {file}: {e}")))?;
    from_npy(&bytes, &file.to_string())
}

/// The array of a file in NumPy's format: f32, f64 or integers, of either byte order, in C or Fortran order.
pub fn from_npy(bytes: &[u8], file: &str) -> Result<Tensor, Exit> {
    let npy =
        npyz::NpyFile::new(bytes).map_err(|e| Exit::input(format!("{file} is not an array in NumPy's format: {e}")))?;
    let unsupported = |dtype: &str| unsupported(file, dtype);
    let npyz::DType::Plain(kind) = npy.dtype() else { return Err(unsupported("structured array")) };
    let shape = shape_of(&npy);
    let fortran = npy.order() == npyz::Order::Fortran;
    let wanted = shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).and_then(|n| n.checked_mul(kind.num_bytes()?));
    match wanted {
        Some(wanted) if wanted <= bytes.len() => {}
        _ if kind.num_bytes().is_none() => return Err(unsupported(&kind.to_string())),
        _ => {
            return Err(Exit::input(format!("{file} is cut short: it has not the numbers that shape {shape:?} needs")));
        }
    }
    let mut numbers = vec![];
    let mut push = |x| {
        numbers.push(x);
        Ok(())
    };
    let decoded = decode(npy, &kind, &mut push).ok_or_else(|| unsupported(&kind.to_string()))?;
    decoded.map_err(|e| Exit::input(format!("{file} cannot be read: {e}")))?;
    let numbers = if fortran { from_fortran(&numbers, &shape) } else { numbers };
    if let Some(k) = numbers.iter().position(|x| !x.is_finite()) {
        let index = index_of(k, &shape);
        return Err(Exit::input(format!("{file} holds {} at {index:?}: every entry must be finite", numbers[k])));
    }
    Ok(Tensor::new(&shape, numbers)?)
}

/// The shape that the head of a file says.
pub fn shape_of<R: Read>(npy: &npyz::NpyFile<R>) -> Vec<usize> {
    npy.shape().iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect()
}

/// The error of a type that is not read.
pub fn unsupported(file: &str, dtype: &str) -> Exit {
    Exit::input(format!("{file} holds numbers of type {dtype}, which is not supported"))
        .hint("float32, float64 and integers are; convert with a.astype(\"float64\")")
}

/// Hands out the numbers as they are stored; None for a type that is not supported.
pub fn decode<R: Read>(
    npy: npyz::NpyFile<R>,
    kind: &npyz::TypeStr,
    take: &mut dyn FnMut(f64) -> std::io::Result<()>,
) -> Option<std::io::Result<()>> {
    use npyz::TypeChar::{Float, Int, Uint};
    macro_rules! widened {
        ($t:ty) => {
            Some(npy.data::<$t>().ok()?.try_for_each(|x| take(x? as f64)))
        };
    }
    match (kind.type_char(), kind.num_bytes()?) {
        (Float, 4) => widened!(f32),
        (Float, 8) => widened!(f64),
        (Int, 1) => widened!(i8),
        (Int, 2) => widened!(i16),
        (Int, 4) => widened!(i32),
        (Int, 8) => widened!(i64),
        (Uint, 1) => widened!(u8),
        (Uint, 2) => widened!(u16),
        (Uint, 4) => widened!(u32),
        (Uint, 8) => widened!(u64),
        _ => None,
    }
}

/// Numbers stored with the first index fastest, in row-major order.
fn from_fortran(stored: &[f64], shape: &[usize]) -> Vec<f64> {
    let position = |k: usize| index_of(k, shape).iter().zip(shape).rev().fold(0, |at, (i, n)| at * n + i);
    (0..stored.len()).map(|k| stored[position(k)]).collect()
}

/// The index of the element at a row-major position.
pub fn index_of(mut k: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|n| {
            let i = k % n;
            k /= n;
            i
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use std::path::PathBuf;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Dir {
            Dir(tempfile::tempdir().unwrap())
        }
        fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        }
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Exit>, dir: &Dir) -> String {
        let exit = result.unwrap_err();
        assert_eq!(exit.code(), 2);
        exit.render(false).replace(&format!("{}/", dir.0.path().display()), "")
    }

    fn table_error(text: impl AsRef<[u8]>) -> String {
        let dir = Dir::new();
        message(Table::read(&dir.write("t.csv", text)), &dir)
    }

    #[test]
    fn a_table_has_its_column_split_off_in_order() {
        let dir = Dir::new();
        let path = dir.write("t.csv", "\u{feff}a,\"y, really\" ,b\n1,2,-3e1\n\n4,\"5\",.5\n");
        let (x, y) = Table::read(&path).unwrap().split("y, really", &path).unwrap();
        assert_eq!(x.columns, ["a", "b"]);
        assert_eq!(y, Tensor::vector([2.0, 5.0]));
        assert_eq!(x.matrix().unwrap(), Tensor::new(&[2, 2], vec![1.0, -30.0, 4.0, 0.5]).unwrap());
    }

    #[test]
    fn standardizing_uses_the_population_deviation() {
        let dir = Dir::new();
        let path = dir.write("t.csv", "a,b\n1,0\n3,10\n");
        let x = Table::read(&path).unwrap().standardize(&path).unwrap().matrix().unwrap();
        assert_eq!(x.data(), [-1.0, -1.0, 1.0, 1.0]);
        let path = dir.write("c.csv", "a,flat\n1,0.1\n3,0.1\n4,0.1\n");
        let said = message(Table::read(&path).unwrap().standardize(&path), &dir);
        assert!(said.starts_with("error: column `flat` of c.csv is constant (0.1)"), "{said}");
        let path = dir.write("h.csv", "a\n1e200\n-1e200\n");
        let said = message(Table::read(&path).unwrap().standardize(&path), &dir);
        assert_eq!(said, "error: column `a` of h.csv holds numbers too large to standardize");
    }

    #[test]
    fn bad_cells_are_named_by_row_line_and_column() {
        assert_eq!(table_error("a,b\n1,2\n\n3,x\n"), "error: t.csv, row 2 (line 4), column `b`: `x` is not a number");
        assert_eq!(
            table_error("a,b\n1,NaN\n"),
            "error: t.csv, row 1 (line 2), column `b`: `NaN` is not a finite number"
        );
        assert_eq!(
            table_error("a,b\n-inf,0\n"),
            "error: t.csv, row 1 (line 2), column `a`: `-inf` is not a finite number"
        );
        assert_eq!(
            table_error("a,b\n1e999,0\n"),
            "error: t.csv, row 1 (line 2), column `a`: `1e999` is not a finite number"
        );
        let said = table_error("a,b\n1,\n");
        assert!(said.starts_with("error: t.csv, row 1 (line 2), column `b`: the cell is empty"), "{said}");
    }

    #[test]
    fn ragged_rows_are_named() {
        assert_eq!(
            table_error("a,b\n1,2\n3\n"),
            "error: t.csv, row 2 (line 3): no cell for column `b`: the header has 2 columns, this row 1"
        );
        assert_eq!(table_error("a,b\n1,2,3\n"), "error: t.csv, row 1 (line 2): 3 cells, but the header has 2");
    }

    #[test]
    fn broken_tables_are_explained() {
        assert_eq!(table_error(""), "error: t.csv is empty");
        assert_eq!(table_error("a,b\n"), "error: t.csv has a header and no rows below it");
        assert!(
            table_error("1,2\n3,4\n").starts_with("error: t.csv has no header: its first row is numbers, from 1 on")
        );
        assert!(table_error("a,a\n3,4\n").starts_with("error: t.csv: two columns are named `a`"));
        assert!(table_error(",a\n3,4\n").starts_with("error: t.csv: column 1 of the header has no name"));
        assert!(table_error("a;b\n3;4\n").contains("cells are separated by commas, not by ';'"));
        assert!(table_error(b"a,b\n1,\xff\n").starts_with("error: t.csv, line 2: not UTF-8 text"));
        let dir = Dir::new();
        assert_eq!(message(Table::read(&dir.0.path().join("no.csv")), &dir), "error: no such file: no.csv");
    }

    #[test]
    fn an_unknown_column_is_answered_with_the_known_ones() {
        let dir = Dir::new();
        let path = dir.write("t.csv", "age,bmi,progression\n1,2,3\n");
        let said = message(Table::read(&path).unwrap().split("progresion", &path), &dir);
        assert!(said.starts_with("error: t.csv has no column `progresion`"), "{said}");
        assert!(said.contains("did you mean `progression`?"), "{said}");
        let said = message(Table::read(&path).unwrap().split("target", &path), &dir);
        assert!(said.contains("`age`, `bmi`, `progression`"), "{said}");
    }

    #[test]
    fn an_array_from_csv_may_have_a_header() {
        let dir = Dir::new();
        let array = |text: &str| read_array(&dir.write("a.csv", text));
        assert_eq!(array("1,2\n3,4\n").unwrap().shape(), [2, 2]);
        assert_eq!(array("u,v\n1,2\n3,4\n").unwrap().data(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(array("1\n2\n3\n").unwrap().shape(), [3]);
        assert_eq!(array("1,2,3\n").unwrap().shape(), [3]);
        assert_eq!(message(array("1,v\n3,4\n"), &dir), "error: a.csv, row 1 (line 1), column 2: `v` is not a number");
        assert_eq!(message(array("1,2\n3\n"), &dir), "error: a.csv, row 2 (line 2): 1 cell, but the first row has 2");
    }

    fn npy<T: npyz::AutoSerialize + Copy>(
        dir: &Dir,
        name: &str,
        order: npyz::Order,
        shape: &[u64],
        data: &[T],
    ) -> PathBuf {
        let mut bytes = vec![];
        let mut writer =
            npyz::WriteOptions::new().default_dtype().order(order).shape(shape).writer(&mut bytes).begin_nd().unwrap();
        writer.extend(data.iter().copied()).unwrap();
        writer.finish().unwrap();
        dir.write(name, bytes)
    }

    #[test]
    fn arrays_in_numpys_format_are_read_in_either_order() {
        let dir = Dir::new();
        let c = npy(&dir, "c.npy", npyz::Order::C, &[2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let f = npy(&dir, "f.npy", npyz::Order::Fortran, &[2, 3], &[1i64, 4, 2, 5, 3, 6]);
        assert_eq!(read_array(&c).unwrap(), read_array(&f).unwrap());
        let s = npy(&dir, "s.npy", npyz::Order::C, &[], &[7u8]);
        assert_eq!(read_array(&s).unwrap(), Tensor::scalar(7.0));
    }

    #[test]
    fn broken_arrays_are_explained() {
        let dir = Dir::new();
        let nan = npy(&dir, "n.npy", npyz::Order::C, &[2, 2], &[1.0, 2.0, f64::NAN, 4.0]);
        assert_eq!(message(read_array(&nan), &dir), "error: n.npy holds NaN at [1, 0]: every entry must be finite");
        let flags = npy(&dir, "b.npy", npyz::Order::C, &[2], &[true, false]);
        assert!(message(read_array(&flags), &dir).contains("holds numbers of type |b1, which is not supported"));
        let whole = std::fs::read(npy(&dir, "w.npy", npyz::Order::C, &[100], &[1.0f64; 100])).unwrap();
        let cut = dir.write("cut.npy", &whole[..whole.len() - 400]);
        assert!(message(read_array(&cut), &dir).starts_with("error: cut.npy is cut short"));
        let text = dir.write("t.npy", "hello");
        assert!(message(read_array(&text), &dir).starts_with("error: t.npy is not an array in NumPy's format"));
        assert!(message(read_array(&dir.write("a.txt", "1")), &dir).contains("files named *.npy or *.csv"));
    }
}
