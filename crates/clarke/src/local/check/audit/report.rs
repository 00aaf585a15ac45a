//! What an audit found, as data and in sentences.

use crate::error::plural;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    /// The point x.
    pub point: Vec<f64>,
    /// The value there; None if there is none that is finite.
    pub value: Option<f64>,
    /// The gradient there.
    pub gradient: Option<Vec<f64>>,
    /// What speaks against the gradient: contradictions first.
    pub findings: Vec<Finding>,
    /// Slopes compared with differences.
    pub slopes: Slopes,
    /// Curves on which the chain rule was tried.
    pub curves: Tried,
    /// Gradients around the point.
    pub nearby: Nearby,
    /// What a value near the point was taken to be wrong by, absolute.
    pub noise: f64,
    /// How many values were asked for.
    pub values: usize,
    /// How many gradients were asked for.
    pub gradients: usize,
    /// How many of both were missing or not finite.
    pub missing: usize,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grade {
    /// Two numbers computed by the library at hand contradict each other by ten times what they are taken to be wrong by;
    /// or, for the hull of gradients in up to three dimensions, samples are dense.
    Clear,
    /// A search that cannot be exhaustive found no gradient that would explain it.
    Likely,
}

/// Something that speaks against a gradient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Finding {
    /// Along the segment the line integral of the gradient is not the increment of the function: not conservative.
    Chain {
        /// Where the segment starts.
        from: Vec<f64>,
        /// Where it ends.
        to: Vec<f64>,
        /// The value at the end minus that at the start.
        increment: f64,
        /// The line integral.
        integral: f64,
        /// What their difference may be wrong by.
        error: f64,
        /// Whether the segment was chosen to stay inside a tie.
        inside: bool,
    },
    /// At a point where the function is smooth, as far as differences tell, the gradient has another slope.
    Slope {
        /// The point.
        point: Vec<f64>,
        /// The direction.
        direction: Vec<f64>,
        /// ⟨gradient, direction⟩.
        rule: f64,
        /// The slope by differences.
        difference: f64,
        /// What that may be wrong by.
        error: f64,
    },
    /// The function itself jumps on the segment: no gradient is conservative for it.
    Jump {
        /// Where the segment starts.
        from: Vec<f64>,
        /// Where it ends.
        to: Vec<f64>,
        /// The value at the end minus that at the start.
        increment: f64,
        /// The line integral.
        integral: f64,
        /// What their difference may be wrong by.
        error: f64,
    },
    /// Norms of gradients grow without bound towards the point: the function is not locally Lipschitz there, or the gradient
    /// is wrong.
    Unbounded {
        /// Radii, and the largest norm at each.
        norms: Vec<(f64, f64)>,
    },
    /// The gradient at the point is no average of gradients nearby: an artifact.
    Outside {
        /// The gradient.
        gradient: Vec<f64>,
        /// A direction of norm 1 along which it exceeds all of them.
        direction: Vec<f64>,
        /// By how much.
        gap: f64,
        /// What that may be wrong by.
        error: f64,
        /// The smallest radius looked at.
        radius: f64,
        /// How many gradients were sampled at it.
        sampled: usize,
        /// How sure that is.
        grade: Grade,
    },
    /// There is no finite value, or no finite gradient, at the point itself.
    Nothing {
        /// Whether there is a value.
        value: bool,
        /// Whether there is a gradient.
        gradient: bool,
    },
}

/// Slopes compared with central differences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slopes {
    /// Slopes compared.
    pub compared: usize,
    /// Slopes that differences do not resolve, as across a tie.
    pub unresolved: usize,
    /// Slopes that disagree.
    pub wrong: usize,
}

/// Curves that were tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Curves on which the two sides agree.
    pub curves: usize,
    /// Of these, chosen to stay inside ties.
    pub inside: usize,
    /// Curves left out: something on them is not finite, or the quadrature did not settle.
    pub skipped: usize,
    /// The largest difference, relative to the largest slope along the curve.
    pub worst: f64,
}

/// Whether two functions have the same values around a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreed {
    /// At how many points both were finite.
    pub compared: usize,
    /// The largest |a − b| / (1 + max(|a|, |b|)).
    pub worst: f64,
    /// Where.
    pub point: Vec<f64>,
}

/// Gradients around the point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nearby {
    /// How many were sampled.
    pub gradients: usize,
    /// Radii, and the largest norm of a gradient at each.
    pub norms: Vec<(f64, f64)>,
    /// The smallest radii, and how far the gradient at the point is from the hull of those sampled at each.
    pub distances: Vec<(f64, f64)>,
    /// Where gradients next to the point differ, so that it lies on ties: in how many directions all have the same slope, as
    /// inside of these ties. None where they do not differ.
    pub inside: Option<usize>,
}

impl Finding {
    /// By how many times it exceeds what it may be wrong by; infinite where there is nothing to compare.
    pub fn margin(&self) -> f64 {
        match self {
            Finding::Chain { increment, integral, error, .. } | Finding::Jump { increment, integral, error, .. } => {
                (increment - integral).abs() / error
            }
            Finding::Slope { rule, difference, error, .. } => (rule - difference).abs() / error,
            Finding::Outside { gap, error, .. } => gap / error,
            Finding::Unbounded { .. } | Finding::Nothing { .. } => f64::INFINITY,
        }
    }

    /// How sure it is.
    pub fn grade(&self) -> Grade {
        match self {
            Finding::Outside { grade, .. } => *grade,
            Finding::Unbounded { .. } => Grade::Likely,
            _ => Grade::Clear,
        }
    }

    /// Whether it contradicts that the gradient is conservative, and not only says that it is an artifact at the point.
    pub fn contradicts(&self) -> bool {
        matches!(self, Finding::Chain { .. } | Finding::Slope { .. } | Finding::Jump { .. })
    }

    /// Contradictions first.
    pub(super) fn order(&self) -> u8 {
        match self {
            Finding::Nothing { .. } => 0,
            Finding::Chain { .. } => 1,
            Finding::Slope { .. } => 2,
            Finding::Jump { .. } => 3,
            Finding::Unbounded { .. } => 4,
            Finding::Outside { .. } => 5,
        }
    }
}

impl AuditReport {
    /// Whether nothing was found.
    pub fn passes(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether the gradient at the point is an artifact: outside of the hull of gradients nearby.
    pub fn is_artifact(&self) -> bool {
        self.findings.iter().any(|f| matches!(f, Finding::Outside { .. }))
    }
}

impl fmt::Display for AuditReport {
    /// What was found and what was tried, in sentences.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "At x = {}", array(&self.point))?;
        if let (Some(value), Some(gradient)) = (self.value, &self.gradient) {
            writeln!(f, "  the value is {}, the gradient {}", show(value), array(gradient))?;
        }
        if self.passes() {
            writeln!(f, "Nothing speaks against this gradient.")?;
        }
        for finding in &self.findings {
            write!(f, "{finding}")?;
        }
        let (slopes, tried) = (&self.slopes, &self.curves);
        let compared = plural(slopes.compared, "slope");
        writeln!(
            f,
            "Differences: {compared} compared, {} disagree ({} not resolved).",
            slopes.wrong, slopes.unresolved
        )?;
        let curves = plural(tried.curves, "curve");
        write!(f, "Chain rule: holds on {curves} ({} chosen inside ties)", tried.inside)?;
        match tried.skipped {
            0 => writeln!(f, ".")?,
            skipped => writeln!(f, "; {skipped} left out, not finite or too rough.")?,
        }
        match self.nearby.inside {
            Some(n) => {
                let along = plural(n, "direction");
                writeln!(f, "Nearby: gradients jump at x; all of them agree along {along}, inside the ties met.")?;
            }
            None => writeln!(f, "Nearby: gradients do not jump at x.")?,
        }
        if self.missing > 0 {
            writeln!(f, "Left out: {} not finite.", plural(self.missing, "value or gradient"))?;
        }
        writeln!(f, "Asked for {} and {}.", plural(self.values, "value"), plural(self.gradients, "gradient"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Chain { from, to, increment, integral, inside, .. } => {
                let kind = if *inside { ", which stays inside a tie," } else { "" };
                writeln!(f, "Not conservative: along a segment{kind} the gradient does not add up to the increment.")?;
                writeln!(f, "  from        {}\n  straight to {}", array(from), array(to))?;
                writeln!(f, "  the function changes by    {}", show(*increment))?;
                writeln!(f, "  the gradient integrates to {} ({})", show(*integral), self.certainty())
            }
            Finding::Slope { point, direction, rule, difference, .. } => {
                writeln!(f, "Wrong slope: where the function is smooth, differences disagree with the gradient.")?;
                writeln!(f, "  at {}\n  along {}", array(point), array(direction))?;
                writeln!(f, "  the gradient says {}", show(*rule))?;
                writeln!(f, "  differences say   {} ({})", show(*difference), self.certainty())
            }
            Finding::Jump { from, to, increment, .. } => {
                writeln!(f, "Discontinuous: the function jumps by about {} on a segment.", show(*increment))?;
                writeln!(f, "  from        {}\n  straight to {}", array(from), array(to))
            }
            Finding::Unbounded { norms } => {
                let norms: Vec<String> = norms.iter().map(|(r, n)| format!("{n:.1e} at {r:.0e}")).collect();
                writeln!(f, "Unbounded: norms of gradients grow towards the point: {}.", norms.join(", "))
            }
            Finding::Outside { gradient, direction, gap, radius, sampled, grade, .. } => {
                writeln!(f, "Artifact: the gradient {} is no average of gradients nearby.", array(gradient))?;
                let sampled = plural(*sampled, "gradient");
                writeln!(
                    f,
                    "  along {} it exceeds {sampled} at radius {radius:.0e} by {}",
                    array(direction),
                    show(*gap)
                )?;
                match grade {
                    Grade::Clear => writeln!(f, "  ({})", self.certainty()),
                    Grade::Likely => writeln!(f, "  ({}; samples cannot be dense here, so: likely)", self.certainty()),
                }
            }
            Finding::Nothing { value, gradient } => {
                let what = match (value, gradient) {
                    (false, false) => "neither a finite value nor a finite gradient",
                    (false, true) => "no finite value",
                    _ => "no finite gradient",
                };
                writeln!(f, "Nothing: there is {what} at the point.")
            }
        }
    }
}

impl Finding {
    fn certainty(&self) -> String {
        match self.margin() {
            margin if margin < 1e4 => format!("{margin:.0} times the error"),
            margin => format!("{margin:.0e} times the error"),
        }
    }
}

fn array(x: &[f64]) -> String {
    let all: Vec<String> = x.iter().take(12).map(|x| show(*x)).collect();
    let more = if x.len() > 12 { ", …" } else { "" };
    format!("[{}{more}]", all.join(", "))
}

/// A number in up to seven digits.
fn show(x: f64) -> String {
    let plain = format!("{x}");
    if plain.len() <= 9 {
        plain
    } else if (1e-4..1e7).contains(&x.abs()) {
        let digits = 6 - (x.abs().log10().floor() as i32).clamp(-4, 6);
        let rounded = format!("{x:.*}", digits as usize);
        if rounded.contains('.') { rounded.trim_end_matches('0').trim_end_matches('.').into() } else { rounded }
    } else {
        format!("{x:.6e}")
    }
}
