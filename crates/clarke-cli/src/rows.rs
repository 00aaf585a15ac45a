//! A CSV file as rows of numbers, one after another: it is never held as a whole.

use crate::data::open;
use crate::report::{Exit, suggestion};
use clarke_show::words::plural;
use csv::StringRecord;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The rows of a CSV file that is being read.
pub struct Rows {
    path: PathBuf,
    file: String,
    reader: csv::Reader<BufReader<File>>,
    record: StringRecord,
    /// Whether the record is still to be handed out.
    pending: bool,
    header: bool,
    columns: Vec<String>,
    row: usize,
}

/// What some editors write before the text.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// A reader of the file from where its text begins.
fn text(path: &Path) -> Result<BufReader<File>, Exit> {
    let mut reader = BufReader::new(open(path)?);
    let starts = reader.fill_buf().map_err(|e| unreadable(path, e))?.starts_with(MARK);
    if starts {
        reader.consume(MARK.len());
    }
    Ok(reader)
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Exit {
    Exit::input(format!("cannot read {}: {why}", path.display()))
}

impl Rows {
    /// Opens a file and reads its first row. Errors: no such file, or nothing in it.
    pub fn open(path: &Path) -> Result<Rows, Exit> {
        let reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text(path)?);
        let (file, record) = (path.display().to_string(), StringRecord::new());
        let mut rows =
            Rows { path: path.into(), file, reader, record, pending: true, header: false, columns: vec![], row: 0 };
        if !rows.read()? {
            return Err(Exit::input(format!("{} is empty", rows.file)));
        }
        rows.columns = (1..=rows.record.len()).map(|k| k.to_string()).collect();
        Ok(rows)
    }

    /// Whether the first row has text and no number.
    pub fn looks_like_header(&self) -> bool {
        self.record.iter().all(|cell| cell.parse::<f64>().is_err()) && self.record.iter().any(|c| !c.is_empty())
    }

    /// Takes the first row for the names of the columns. Errors: it is numbers, or no good names.
    pub fn named(mut self) -> Result<Rows, Exit> {
        let file = &self.file;
        if self.record.iter().all(|cell| cell.parse::<f64>().is_ok()) {
            let first = &self.record[0];
            return Err(Exit::input(format!("{file} has no header: its first row is numbers, from {first} on"))
                .hint("the first row must name the columns"));
        }
        let columns: Vec<String> = self.record.iter().map(str::to_string).collect();
        if let [only] = &columns[..]
            && let Some(separator) = only.chars().find(|c| [';', '\t'].contains(c))
        {
            return Err(Exit::input(format!("{file}: the header is a single cell, `{only}`"))
                .hint(format!("cells are separated by commas, not by {separator:?}")));
        }
        for (k, name) in columns.iter().enumerate() {
            if name.is_empty() {
                return Err(Exit::input(format!("{file}: column {} of the header has no name", k + 1))
                    .hint("a table saved by pandas needs index=False"));
            }
            if columns[..k].contains(name) {
                return Err(Exit::input(format!("{file}: two columns are named `{name}`")));
            }
        }
        (self.header, self.columns, self.pending) = (true, columns, false);
        Ok(self)
    }

    /// The names of the columns; without a header their numbers, from 1 on.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row's numbers, in place of what was in `into`; false after the last.
    ///
    /// Errors: a cell that is no finite number, another number of cells than the first row's; each with row, line, column.
    pub fn next(&mut self, into: &mut Vec<f64>) -> Result<bool, Exit> {
        into.clear();
        if !std::mem::take(&mut self.pending) && !self.read()? {
            return match self.row {
                0 => Err(Exit::input(format!("{} has a header and no rows below it", self.file))),
                _ => Ok(false),
            };
        }
        self.row += 1;
        if self.record.len() != self.columns.len() {
            return Err(self.ragged());
        }
        for (cell, name) in self.record.iter().zip(&self.columns) {
            match cell.parse::<f64>() {
                Ok(x) if x.is_finite() => into.push(x),
                _ => return Err(self.no_number(cell, name)),
            }
        }
        Ok(true)
    }

    fn read(&mut self) -> Result<bool, Exit> {
        let read = self.reader.read_record(&mut self.record);
        read.map_err(|error| match error.kind() {
            csv::ErrorKind::Utf8 { .. } => self.not_text(),
            _ => Exit::input(format!("{}: {error}", self.file)),
        })
    }

    fn not_text(&self) -> Exit {
        let mut bytes = vec![];
        let line = match text(&self.path).map(|mut t| t.read_to_end(&mut bytes)) {
            Ok(Ok(_)) => {
                let valid = std::str::from_utf8(&bytes).err().map_or(0, |e| e.valid_up_to());
                format!(", line {}", bytes[..valid].iter().filter(|b| **b == b'\n').count() + 1)
            }
            _ => String::new(),
        };
        Exit::input(format!("{}{line}: not UTF-8 text", self.file)).hint("save the file as UTF-8")
    }

    fn ragged(&self) -> Exit {
        let (given, wanted) = (self.record.len(), self.columns.len());
        let whose = if self.header { "the header" } else { "the first row" };
        let place = self.place();
        if self.header && given < wanted {
            let name = &self.columns[given];
            Exit::input(format!("{place}: no cell for column `{name}`: {whose} has {wanted} columns, this row {given}"))
        } else {
            Exit::input(format!("{place}: {}, but {whose} has {wanted}", plural(given, "cell")))
        }
    }

    fn no_number(&self, cell: &str, name: &str) -> Exit {
        let place = match self.header {
            true => format!("{}, column `{name}`", self.place()),
            false => format!("{}, column {name}", self.place()),
        };
        match cell.parse::<f64>() {
            Ok(_) => Exit::input(format!("{place}: `{cell}` is not a finite number")),
            Err(_) if cell.is_empty() => {
                Exit::input(format!("{place}: the cell is empty")).hint("drop the row, or fill the cell")
            }
            Err(_) => Exit::input(format!("{place}: `{}` is not a number", shortened(cell))),
        }
    }

    /// File, row and line of the record. The file is read again for it, since the record begins where blank lines before it
    /// do.
    fn place(&self) -> String {
        let start = self.record.position().map_or(0, |p| p.byte());
        let line = || -> std::io::Result<usize> {
            let mut reader = text(&self.path).map_err(|_| std::io::ErrorKind::NotFound)?;
            let mut line = 1;
            for (at, byte) in reader.by_ref().bytes().enumerate() {
                match byte? {
                    b'\n' => line += 1,
                    b'\r' => {}
                    _ if at as u64 >= start => break,
                    _ => {}
                }
            }
            Ok(line)
        };
        let line = line().map_or(String::new(), |line| format!(" (line {line})"));
        format!("{}, row {}{line}", self.file, self.row)
    }
}

/// Where a column is. Errors: there is none of that name.
pub fn place_of(name: &str, columns: &[String], file: &Path) -> Result<usize, Exit> {
    columns.iter().position(|column| column == name).ok_or_else(|| {
        Exit::input(format!("{} has no column `{name}`", file.display())).maybe_hint(suggestion(name, columns))
    })
}

fn shortened(cell: &str) -> String {
    match cell.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_string(),
    }
}
