//! The data of a page within the page.

use super::Report;
use serde::{Deserialize, Serialize};

/// What opens the data. Text of the page cannot hold it, since nothing in a text is markup.
const OPEN: &str = "<script type=\"application/json\" id=\"clarke-report\">";
const CLOSE: &str = "</script>";

/// The version of the data's form.
const VERSION: u32 = 1;

/// Why a page holds no report that can be read. The text ends in what to do, after a semicolon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// It is something else.
    #[error("this is no report of Clarke; `--report FILE.html` of a command writes one")]
    NoReport,
    /// A later version wrote it.
    #[error("the report has form {version}, and this version of Clarke reads form {VERSION}; a newer one reads it")]
    Version {
        /// The version of its form.
        version: u32,
    },
    /// Its data is cut off or changed.
    #[error("the data of the report cannot be read: {why}; write the report again")]
    Damaged {
        /// What is wrong.
        why: String,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    form: u32,
    reports: &'a [Report],
}

#[derive(Deserialize)]
struct Form {
    form: u32,
}

#[derive(Deserialize)]
struct Read {
    reports: Vec<Report>,
}

/// The reports as an element of the page that shows nothing.
pub(super) fn embedded(reports: &[Report]) -> String {
    let data =
        serde_json::to_string(&Written { form: VERSION, reports }).expect("texts and numbers have a form in JSON");
    // In JSON `<` stands in strings only; written like this it ends no element and opens no comment.
    format!("{OPEN}{}{CLOSE}\n", data.replace('<', "\\u003c"))
}

/// The reports that a page was made of: one, or several that were drawn over each other.
///
/// Errors: the page is no report, or of a later version, or damaged.
pub fn read(page: &str) -> Result<Vec<Report>, ReportError> {
    let start = page.find(OPEN).ok_or(ReportError::NoReport)? + OPEN.len();
    let damaged = |why: &dyn std::fmt::Display| ReportError::Damaged { why: why.to_string() };
    let length = page[start..].find(CLOSE).ok_or_else(|| damaged(&"it is cut off"))?;
    let data = &page[start..start + length];
    let Form { form } = serde_json::from_str(data).map_err(|e| damaged(&e))?;
    if form != VERSION {
        return Err(ReportError::Version { version: form });
    }
    let Read { reports } = serde_json::from_str(data).map_err(|e| damaged(&e))?;
    if reports.is_empty() { Err(damaged(&"it holds no run")) } else { Ok(reports) }
}

/// Points as `[x, y]`, where JSON has numbers for both; what is not finite as text.
pub(super) mod points {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Other(String),
    }

    fn written(x: f64) -> Number {
        if x.is_finite() { Number::Finite(x) } else { Number::Other(x.to_string()) }
    }

    fn read<E: serde::de::Error>(number: Number) -> Result<f64, E> {
        match number {
            Number::Finite(x) => Ok(x),
            Number::Other(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is no number"))),
        }
    }

    pub fn serialize<S: Serializer>(points: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(points.iter().map(|(x, y)| (written(*x), written(*y))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
        let all = Vec::<(Number, Number)>::deserialize(deserializer)?;
        all.into_iter().map(|(x, y)| Ok((read(x)?, read(y)?))).collect()
    }
}
