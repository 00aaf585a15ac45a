//! What is said of what a program costs.

use crate::words::{align, paragraph, short};
use clarke::{Cost, Error, GradientCost, Program};
use serde::Serialize;

/// What the value of a program costs, and value and gradient together. In JSON under the names of [`Cost`].
#[derive(Debug, Clone, Serialize)]
pub struct CostReport {
    /// The value alone.
    pub value: Cost,
    /// Value and gradient.
    pub gradient: Cost,
    /// How many values a value with its gradient costs, in operations.
    pub ratio: f64,
}

impl CostReport {
    /// Counts what a scalar program costs.
    ///
    /// Errors: as [`Program::gradient_cost`].
    pub fn new(program: &Program) -> Result<CostReport, Error> {
        let cost: GradientCost = program.gradient_cost()?;
        Ok(CostReport { value: cost.value, gradient: cost.gradient, ratio: cost.ratio() })
    }
}

/// The titles of the table.
pub(super) const TITLES: [&str; 4] = ["", "value", "with gradient", "ratio"];

/// Its rows.
pub(super) fn rows(cost: &CostReport) -> Vec<Vec<String>> {
    let row = |title: &str, of: fn(&Cost) -> u64| {
        let (value, gradient) = (of(&cost.value), of(&cost.gradient));
        let ratio =
            if value == 0 { "—".into() } else { short((gradient as f64 / value as f64 * 100.0).round() / 100.0) };
        vec![title.to_string(), grouped(value), grouped(gradient), ratio]
    };
    vec![
        row("operations", |c| c.operations),
        row("instructions", |c| c.instructions),
        row("bytes read", |c| c.bytes_read),
        row("bytes written", |c| c.bytes_written),
        row("bytes alive at once", |c| c.bytes_live),
        row("bytes of workspace", |c| c.bytes_workspace),
    ]
}

/// What the table says, in words.
pub(super) fn meaning(cost: &CostReport) -> String {
    let bound = if cost.ratio <= 5.0 { "within" } else { "above" };
    format!(
        "Counted in f64. A value with its gradient costs {} values in operations, {bound} the bound of 5 for sums, products \
         and piecewise linear functions.",
        short((cost.ratio * 100.0).round() / 100.0)
    )
}

/// Table and words on the page in text.
pub(super) fn text(cost: &CostReport) -> String {
    let table: String = align(&TITLES, &rows(cost)).lines().map(|l| format!("  {l}\n")).collect();
    format!("cost of a run:\n{table}\n{}", paragraph(&meaning(cost), 0))
}

/// An integer with its digits in groups of three.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    digits.chars().enumerate().fold(String::new(), |mut out, (k, digit)| {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1234567, "1 234 567")] {
            assert_eq!(grouped(n), text);
        }
    }

    #[test]
    fn a_page_of_costs() {
        let f = clarke::parse("sum(abs(x))", &[("x", &[1000])]).unwrap();
        let said = text(&CostReport::new(&f).unwrap());
        assert!(said.starts_with("cost of a run:\n"), "{said}");
        assert!(said.contains("operations           2 000  "), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    }
}
