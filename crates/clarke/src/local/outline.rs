//! Outlines of sets in the plane.

use super::set_at::SetAt;
use crate::error::{Fault, Result};
use crate::tensor::Tensor;

impl SetAt {
    /// The outline of the hull of a set of derivatives with two entries: its extreme points, counterclockwise, where they
    /// are known; else the elements that are farthest in `directions` equally distant directions.
    ///
    /// Errors: a set whose elements do not have two entries. Cost: `directions` calls of [`SetAt::support`].
    ///
    /// ```
    /// let f = clarke::parse("norm2(x)", &[("x", &[2])])?;
    /// let mut ball = f.at(&[[0.0, 0.0].into()])?.clarke(&clarke::SetOptions::default())?;
    /// assert!(ball.outline(8)?.iter().all(|[a, b]| (a.hypot(*b) - 1.0).abs() < 1e-12));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn outline(&mut self, directions: usize) -> Result<Vec<[f64; 2]>> {
        if self.layout().dimension() != 2 {
            let rule = "an outline is drawn of a set in the plane, of derivatives with two entries".to_string();
            return Err(
                Fault::Setting { setting: "outline", given: self.layout().dimension().to_string(), rule }.into()
            );
        }
        let pair = |element: &[Tensor]| {
            let mut entries = element.iter().flat_map(|t| t.data().iter().copied());
            [entries.next().unwrap_or_default() + 0.0, entries.next().unwrap_or_default() + 0.0]
        };
        if let Some(vertices) = self.vertices() {
            let mut corners: Vec<[f64; 2]> = vertices.iter().map(|v| pair(v)).collect();
            let count = corners.len() as f64;
            let centre = [0, 1].map(|k| corners.iter().map(|c| c[k]).sum::<f64>() / count);
            let angle = |c: &[f64; 2]| (c[1] - centre[1]).atan2(c[0] - centre[0]);
            corners.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
            return Ok(corners);
        }
        let mut corners: Vec<[f64; 2]> = vec![];
        for k in 0..directions {
            let angle = std::f64::consts::TAU * k as f64 / directions as f64;
            let direction = self.layout().split(&[angle.cos(), angle.sin()]);
            let corner = pair(&self.support(&direction)?.element);
            if corners.last() != Some(&corner) {
                corners.push(corner);
            }
        }
        Ok(corners)
    }
}
