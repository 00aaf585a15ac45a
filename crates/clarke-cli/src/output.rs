//! Results as JSON and as files. A file is written whole beside its target and then renamed: nobody ever sees half of
//! one.

use crate::report::Exit;
use clarke_show::Named;
use npyz::WriterBuilder;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// To be read by people
    #[default]
    Text,
    /// To be read by programs
    Json,
}

/// A report as one line of JSON.
pub fn json<T: Serialize>(report: &T) -> Result<String, Exit> {
    let text = serde_json::to_string(report).map_err(|e| Exit::failed(format!("cannot write JSON: {e}")))?;
    Ok(text + "\n")
}

/// A file that is to be written, whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    path: PathBuf,
}

impl Target {
    /// Checks, before any work is done, that a file can be made there; `option` named it.
    pub fn check(option: &str, path: &Path) -> Result<Target, Exit> {
        // A target that is a link stays one: the file that it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if path.is_dir() {
            return Err(Exit::input(format!("{option} {}: this is a directory", path.display())));
        }
        let folder = folder(&path);
        if !folder.is_dir() {
            return Err(Exit::input(format!("{option} {}: there is no folder {}", path.display(), folder.display())));
        }
        // The error's own text names a temporary file; its kind is what matters.
        let refused =
            |e: std::io::Error| format!("{option} {}: cannot make a file there: {}", path.display(), e.kind());
        beside(&path).map_err(|e| Exit::input(refused(e)))?;
        Ok(Target { path })
    }

    /// Writes the file.
    pub fn save(&self, bytes: &[u8]) -> Result<(), Exit> {
        self.write(bytes).map_err(|e| Exit::failed(format!("cannot save {}: {e}", self.path.display())))
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = beside(&self.path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// The extension of a path, in small letters.
pub fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The file that a solution is saved to.
#[derive(Debug, Clone, PartialEq)]
pub struct OutFile {
    target: Target,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Npy,
    Npz,
    Json,
}

impl OutFile {
    /// Checks, before any work is done, that the solution can be saved there: `.json` for any variables, `.npy` for a
    /// single one, in a folder that can be written to.
    pub fn check(path: &Path, variables: usize) -> Result<OutFile, Exit> {
        let kind = match extension(path).as_str() {
            "npy" => Kind::Npy,
            "json" => Kind::Json,
            _ => {
                return Err(Exit::input(format!("--out {}: cannot tell the format", path.display()))
                    .hint("solutions are saved as *.npy or *.json"));
            }
        };
        if kind == Kind::Npy && variables != 1 {
            return Err(Exit::input(format!(
                "--out {}: a .npy file holds one array, but there are {variables} variables",
                path.display()
            ))
            .hint("save to a .json file, which holds all by name"));
        }
        Ok(OutFile { target: Target::check("--out", path)?, kind })
    }

    /// The same for arrays of any number: `.json`, or `.npz` for `numpy.load`.
    pub fn weights(path: &Path) -> Result<OutFile, Exit> {
        let kind = match extension(path).as_str() {
            "npz" => Kind::Npz,
            "json" => Kind::Json,
            _ => {
                return Err(Exit::input(format!("--out {}: cannot tell the format", path.display()))
                    .hint("weights are saved as *.npz or *.json"));
            }
        };
        Ok(OutFile { target: Target::check("--out", path)?, kind })
    }

    /// Saves the solution.
    pub fn save(&self, solution: &Named) -> Result<(), Exit> {
        let bytes = self.bytes(solution).map_err(|e| Exit::failed(format!("cannot write the solution: {e}")))?;
        self.target.save(&bytes)
    }

    fn bytes(&self, solution: &Named) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![];
        match self.kind {
            Kind::Json => {
                serde_json::to_writer(&mut bytes, solution)?;
                bytes.push(b'\n');
            }
            Kind::Npy => {
                for (_, value) in &solution.0 {
                    write_npy(value, &mut bytes)?;
                }
            }
            Kind::Npz => {
                let mut archive = zip::ZipWriter::new(std::io::Cursor::new(&mut bytes));
                // The same arrays give the same bytes.
                let stored = zip::write::SimpleFileOptions::default()
                    .compression_method(zip::CompressionMethod::Stored)
                    .last_modified_time(zip::DateTime::default());
                for (name, value) in &solution.0 {
                    archive.start_file(format!("{name}.npy"), stored)?;
                    write_npy(value, &mut archive)?;
                }
                archive.finish()?;
            }
        }
        Ok(bytes)
    }
}

/// An array in NumPy's format.
fn write_npy(value: &clarke::Tensor, into: &mut impl Write) -> std::io::Result<()> {
    let shape: Vec<u64> = value.shape().iter().map(|n| *n as u64).collect();
    let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
    let mut writer = options.writer(into).begin_nd()?;
    writer.extend(value.data().iter().copied())?;
    writer.finish()
}

/// The folder of a path.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in the folder of a path, with the permissions of an ordinary new file.
fn beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = folder(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".clarke-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clarke::Tensor;

    fn solution() -> Named {
        let w = Tensor::new(&[2, 2], vec![1.0, -2.5, 0.0, 1e-9]).unwrap();
        Named(vec![("w".into(), w), ("b".into(), Tensor::scalar(3.0))])
    }

    #[test]
    fn a_solution_is_saved_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.json");
        OutFile::check(&path, 2).unwrap().save(&solution()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), json(&solution()).unwrap());

        let path = dir.path().join("w.npy");
        let one = Named(solution().0[..1].to_vec());
        let out = OutFile::check(&path, 1).unwrap();
        out.save(&one).unwrap();
        out.save(&one).unwrap();
        assert_eq!(crate::data::read_array(&path).unwrap(), one.0[0].1);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file stayed behind");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_followed_and_permissions_are_ordinary() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (real, link, plain) = (dir.path().join("real.json"), dir.path().join("l.json"), dir.path().join("plain"));
        std::fs::write(&real, "old").unwrap();
        std::fs::write(&plain, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        OutFile::check(&link, 1).unwrap().save(&solution()).unwrap();
        assert!(link.is_symlink());
        assert!(std::fs::read_to_string(&real).unwrap().starts_with('{'));
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain));
    }

    #[test]
    fn impossible_targets_are_refused_before_the_work() {
        let said = |path: &str, n| OutFile::check(Path::new(path), n).unwrap_err().render(false);
        assert!(said("x.txt", 1).starts_with("error: --out x.txt: cannot tell the format"));
        assert!(said("x.npy", 2).starts_with("error: --out x.npy: a .npy file holds one array, but there are 2"));
        assert!(
            said("no/such/folder/x.json", 1)
                .starts_with("error: --out no/such/folder/x.json: there is no folder no/such/folder")
        );
    }
}
