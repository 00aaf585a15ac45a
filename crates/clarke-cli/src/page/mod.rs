//! `--report`: the page that a run leaves behind, and what every such page says of how it was made.

pub mod minimize;
pub mod overlay;
pub mod train;
pub mod watched;

use crate::output::{Target, extension};
use crate::report::Exit;
use clarke_show::report::{Block, Report, Section};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A page that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    target: Target,
}

impl Page {
    /// Checks, before any work is done, that the page can be saved; `option` named it.
    pub fn check(option: &str, path: &Path) -> Result<Page, Exit> {
        match extension(path).as_str() {
            "html" | "htm" => Ok(Page { target: Target::check(option, path)? }),
            _ => Err(Exit::input(format!("{option} {}: a report is a page for a browser", path.display()))
                .hint("reports are saved as *.html")),
        }
    }

    /// Writes the page of one report, or of several drawn over each other.
    pub fn save(&self, reports: &[Report]) -> Result<(), Exit> {
        self.target.save(clarke_show::report::page(reports).as_bytes())
    }
}

/// What a section says of how a run was made, beside its settings: the command, the version, the machine, the time, and the
/// files that were read, each with its size and checksum.
pub fn made<'a>(section: &mut Section, files: impl IntoIterator<Item = &'a Path>) {
    section.blocks.insert(0, Block::Code(command()));
    let build = if cfg!(debug_assertions) { ", built for debugging" } else { "" };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    let machine = [Some(system), processor(), Some(clarke_show::words::plural(threads, "thread"))];
    section.facts(
        "Versions and machine",
        [
            ("clarke", format!("{}{build}", env!("CARGO_PKG_VERSION"))),
            ("machine", machine.into_iter().flatten().collect::<Vec<_>>().join(", ")),
            ("written", now()),
        ],
    );
    let files: Vec<(String, String)> =
        files.into_iter().map(|path| (path.display().to_string(), fingerprint(path))).collect();
    if !files.is_empty() {
        section.facts("Files read", files);
    }
}

/// The command as it is typed into a shell.
fn command() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:@+%".contains(c);
    let word = |text: String| match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    let given = std::env::args_os().skip(1).map(|a| word(a.to_string_lossy().into_owned()));
    ["clarke".to_string()].into_iter().chain(given).collect::<Vec<_>>().join(" ")
}

/// What the system calls the processor, where it says so.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string()).filter(|name| !name.is_empty())
}

/// The time in UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Year, month and day, so many days after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

/// The longest file of which a checksum is made: it is read once more.
const SUMMED: u64 = 1 << 28;

/// The size of a file and its checksum, by which one knows it again.
fn fingerprint(path: &Path) -> String {
    let Ok(length) = std::fs::metadata(path).map(|m| m.len()) else { return "it is gone".into() };
    let mut out = clarke_show::words::plural(length as usize, "byte");
    match (length <= SUMMED).then(|| checksum(path)) {
        Some(Ok(sum)) => write!(out, ", CRC-32 {sum:08x}").expect("a String takes all"),
        Some(Err(_)) => out += ", not readable any more",
        None => out += ", too long for a checksum",
    }
    out
}

/// The checksum that zip and gzip use.
fn checksum(path: &Path) -> std::io::Result<u32> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let (mut digest, mut file, mut part) = (crc.digest(), std::fs::File::open(path)?, vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(digest.finalize()),
            n => digest.update(&part[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_088, (2024, 12, 31)),
            (20_089, (2025, 1, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }

    #[test]
    fn files_are_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "123456789").unwrap();
        // The check value that every list of checksums states.
        assert_eq!(fingerprint(&path), "9 bytes, CRC-32 cbf43926");
        assert_eq!(fingerprint(&dir.path().join("none")), "it is gone");
    }

    #[test]
    fn only_pages_are_written() {
        let said = |path: &str| Page::check("--report", Path::new(path)).unwrap_err().render(false);
        assert!(said("run.pdf").contains("reports are saved as *.html"));
        assert!(said("no/folder/run.html").contains("there is no folder no/folder"));
    }
}
