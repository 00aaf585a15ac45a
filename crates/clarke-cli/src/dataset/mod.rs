//! Samples with targets from files: CSV, LIBSVM's sparse text, arrays in NumPy's formats.

mod libsvm;
mod store;

use crate::data::{decode, from_npy, open, shape_of, unsupported};
use crate::output::extension;
use crate::report::{Exit, suggestion};
use crate::rows::{Rows, place_of};
use clarke::Samples;
use clarke_show::words::plural;
use clarke_train::Data;
use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;
use store::{Numbers, Store};

/// A data set, as it was read.
pub struct DataSet {
    /// The samples, with the targets as the file has them.
    pub data: Data,
    /// Whether samples lie in a file that is mapped into memory.
    pub mapped: bool,
}

/// What the targets are, in a file of this kind.
pub struct Targets<'a> {
    /// `--y`: a column, the name of an array, or a file.
    pub name: Option<&'a str>,
    /// How many features the model takes, where a file does not say it.
    pub features: Option<usize>,
    /// How many numbers are held in memory.
    pub limit: usize,
}

/// How many numbers fill so many megabytes.
pub fn limit(megabytes: usize) -> usize {
    megabytes.saturating_mul(1 << 17)
}

/// Reads a data set by the extension of its file: `.csv`; `.svm`, `.libsvm` or `.txt` for LIBSVM's sparse text; `.npy` with
/// the targets in another one; `.npz` with both.
pub fn read(path: &Path, targets: &Targets<'_>) -> Result<DataSet, Exit> {
    let wanted = |what: &str| Exit::input(format!("{}: --y names {what}", path.display()));
    match (extension(path).as_str(), targets.name) {
        ("csv", Some(column)) => csv(path, column, targets.limit),
        ("csv", None) => Err(wanted("the column of the targets").hint(columns_hint(path))),
        ("svm" | "libsvm" | "txt", None) => {
            let (x, y) = libsvm::read(path, targets.features)?;
            let y = Samples::new(&[y.len()], y)?;
            Ok(DataSet { data: Data { x: Samples::sparse(x), y }, mapped: false })
        }
        ("svm" | "libsvm" | "txt", Some(_)) => {
            Err(Exit::input(format!("{}: the targets stand first on each line; --y is not needed", path.display())))
        }
        ("npy", Some(file)) => {
            let x = array(open(path)?, &path.display().to_string(), targets.limit)?;
            let y = array(open(Path::new(file))?, file, targets.limit)?;
            both(x, y, &path.display().to_string())
        }
        ("npy", None) => Err(wanted("the file of the targets: --y y.npy")),
        ("npz", name) => npz(path, name.unwrap_or("y"), targets.limit),
        _ => Err(Exit::input(format!("cannot tell the format of `{}`", path.display()))
            .hint("data are read from *.csv, *.svm or *.libsvm (sparse text), *.npy with --y FILE.npy, *.npz")),
    }
}

fn columns_hint(path: &Path) -> String {
    match Rows::open(path).and_then(Rows::named) {
        Ok(rows) => {
            let names = rows.columns();
            let few = names.iter().rev().take(8).rev().cloned().collect::<Vec<_>>().join(", ");
            format!("its {} {few}", if names.len() > 8 { "last columns are" } else { "columns are" })
        }
        Err(_) => "the first row must name the columns".into(),
    }
}

fn csv(path: &Path, column: &str, limit: usize) -> Result<DataSet, Exit> {
    let mut rows = Rows::open(path)?.named()?;
    let at = place_of(column, rows.columns(), path)?;
    let width = rows.columns().len() - 1;
    if width == 0 {
        return Err(Exit::input(format!("{} has no column besides `{column}`", path.display())));
    }
    let (mut x, mut y, mut row) = (Store::new(limit), vec![], vec![]);
    while rows.next(&mut row)? {
        y.push(row.remove(at));
        x.extend(&row)?;
    }
    let x = x.finish()?;
    let mapped = x.are_mapped();
    let data = Data { x: Samples::new(&[y.len(), width], x)?, y: Samples::new(&[y.len()], y)? };
    Ok(DataSet { data, mapped })
}

/// An array with its shape.
type Array = (Vec<usize>, Numbers);

/// An array in NumPy's format, if it is large a piece at a time. Large arrays of 64-bit numbers in C order stay in the file.
fn array(mut file: File, name: &str, limit: usize) -> Result<Array, Exit> {
    let unreadable = |e: std::io::Error| Exit::input(format!("cannot read {name}: {e}"));
    let npy = npyz::NpyFile::new(&mut file)
        .map_err(|e| Exit::input(format!("{name} is not an array in NumPy's format: {e}")))?;
    let shape = shape_of(&npy);
    let count = shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n)).unwrap_or(usize::MAX);
    let in_order = npy.order() == npyz::Order::C || shape.len() < 2;
    let kind = match npy.dtype() {
        npyz::DType::Plain(kind) if in_order && count > limit => Some(kind),
        _ => None,
    };
    let Some(kind) = kind else {
        // Small, or of a kind that has to be turned around or refused.
        let mut bytes = vec![];
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(unreadable)?;
        let array = from_npy(&bytes, name)?;
        return Ok((shape, Numbers::Memory(array.into_data())));
    };
    if kind.to_string() == "<f8" && cfg!(target_endian = "little") {
        let start = file.stream_position().map_err(unreadable)? as usize;
        let cut = || Exit::input(format!("{name} is cut short: it has not the numbers that shape {shape:?} needs"));
        let numbers = Numbers::map(&file, start, count).ok_or_else(cut)?;
        return Ok((shape, numbers));
    }
    let (mut store, mut full) = (Store::new(limit), None);
    file.rewind().map_err(unreadable)?;
    let npy = npyz::NpyFile::new(BufReader::new(file)).map_err(unreadable)?;
    decode(npy, &kind, &mut |x| {
        store.extend(&[x]).map_err(|exit| {
            full = Some(exit);
            std::io::ErrorKind::StorageFull.into()
        })
    })
    .ok_or_else(|| unsupported(name, &kind.to_string()))?
    .map_err(|e| full.take().unwrap_or_else(|| unreadable(e)))?;
    Ok((shape, store.finish()?))
}

/// An archive of arrays: `X`, and the targets.
fn npz(path: &Path, targets: &str, limit: usize) -> Result<DataSet, Exit> {
    let file = path.display().to_string();
    let mut archive =
        zip::ZipArchive::new(open(path)?).map_err(|e| Exit::input(format!("{file} is no archive of arrays: {e}")))?;
    let names: Vec<String> = archive.file_names().flatten().map(|n| n.trim_end_matches(".npy").to_string()).collect();
    let mut member = |name: &str| -> Result<Array, Exit> {
        let mut inside = archive.by_name(&format!("{name}.npy")).map_err(|_| {
            Exit::input(format!("{file} has no array `{name}`"))
                .hint("the samples are the array X, the targets y, or what --y names: numpy.savez(file, X=…, y=…)")
                .maybe_hint(suggestion(name, &names))
        })?;
        // Unpacked into a file without a name, from which it can be mapped.
        let failed = |e| Exit::failed(format!("{file}: `{name}` cannot be unpacked: {e}"));
        let mut unpacked = tempfile::tempfile().map_err(failed)?;
        std::io::copy(&mut inside, &mut unpacked).map_err(failed)?;
        unpacked.flush().and_then(|()| unpacked.rewind()).map_err(failed)?;
        array(unpacked, &format!("{name} of {file}"), limit)
    };
    let (x, y) = (member("X")?, member(targets)?);
    both(x, y, &file)
}

fn both((shape, x): Array, (targets, y): Array, file: &str) -> Result<DataSet, Exit> {
    let [n, rest @ ..] = &shape[..] else {
        return Err(Exit::input(format!("{file} holds one number: samples are counted along the first axis")));
    };
    if targets.iter().product::<usize>() != *n || targets.first() != Some(n) {
        return Err(Exit::input(format!(
            "{file}: there are {}, and targets of shape {targets:?}",
            plural(*n, "sample")
        )));
    }
    if *n == 0 {
        return Err(Exit::input(format!("{file} has no samples")));
    }
    let mapped = x.are_mapped() || y.are_mapped();
    let features = rest.iter().product();
    let data = Data { x: Samples::new(&[*n, features], x)?, y: Samples::new(&[*n], y)? };
    Ok(DataSet { data, mapped })
}
