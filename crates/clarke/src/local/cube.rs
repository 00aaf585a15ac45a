//! Conservative sets that are zonotopes: a flat image all of whose faces are segments.

use super::image::{Form, Image};
use super::residual::{FaceId, Values};
use super::vector::norm;
use crate::program::tie::Pieces;
use crate::set::{Dense, Generators, Nearest, Zonotope};
use std::cell::RefCell;

/// The ends of a segment: which entry of which tie, and its two values.
#[derive(Debug, Clone, Copy)]
struct End {
    tie: usize,
    at: usize,
    low: f64,
    high: f64,
}

/// What is nearest to a target: the values of the ties that give it, and how it was found.
pub(super) struct OnCube {
    pub values: Values,
    pub found: Nearest,
    /// The largest norm among a few elements.
    pub scale: f64,
}

/// Generators are kept as numbers up to this many, else applied as programs.
const KEPT: usize = 1 << 24;

/// The relative duality gap asked for.
const GAP: f64 = 1e-10;

/// The nearest element to a target of a set that is the affine image of a cube; None if it is something else.
///
/// A box-constrained least squares problem with a duality gap of at most 10⁻¹⁰ relative. The set is convex, so that the
/// nearest point is itself an element.
pub(super) fn nearest(image: &mut Image, target: &[f64]) -> Option<OnCube> {
    if !matches!(image.form, Form::Flat { .. }) || !image.exact {
        return None;
    }
    let ends: Vec<End> = image.residual.faces().into_iter().map(|id| end(image, id)).collect::<Option<_>>()?;
    let mut low = image.residual.base();
    ends.iter().for_each(|e| low[e.tie].data_mut()[e.at] = e.low);
    let base = image.residual.eval(&low);
    let n = base.len();
    let (found, corner) = if n * ends.len() <= KEPT {
        let zonotope = Zonotope::new(base.clone(), dense(image, &low, &ends, n)?).ok()?;
        (zonotope.nearest(target, GAP).ok()?, zonotope.at(&vec![1.0; ends.len()]))
    } else {
        let operator = Operator { image: RefCell::new(image), low: &low, base: &base, ends: &ends };
        let zonotope = Zonotope::new(base.clone(), operator).ok()?;
        (zonotope.nearest(target, GAP).ok()?, zonotope.at(&vec![1.0; ends.len()]))
    };
    let values = at(&low, &ends, &found.s);
    Some(OnCube { values, scale: norm(&base).max(norm(&corner)).max(norm(&found.point)), found })
}

fn end(image: &Image, id: FaceId) -> Option<End> {
    let face = image.residual.face(id);
    let (tie, at) = (id.tie, *face.entries.first()?);
    match &face.pieces {
        Pieces::Segment => Some(End { tie, at, low: 0.0, high: 1.0 }),
        Pieces::List(two) if two.len() == 2 && face.entries.len() == 1 && image.residual.ties[tie].affine => {
            Some(End { tie, at, low: two[0].values[0], high: two[1].values[0] })
        }
        _ => None,
    }
}

/// The values of the ties at a point of the cube.
fn at(low: &Values, ends: &[End], s: &[f64]) -> Values {
    let mut values = low.clone();
    for (end, s) in std::iter::zip(ends, s) {
        values[end.tie].data_mut()[end.at] = end.low + s * (end.high - end.low);
    }
    values
}

/// The generators as columns, from one reverse sweep an entry of the derivative.
fn dense(image: &mut Image, low: &Values, ends: &[End], n: usize) -> Option<Dense> {
    let mut columns = vec![vec![0.0; n]; ends.len()];
    let mut w = vec![0.0; n];
    for row in 0..n {
        w[row] = 1.0;
        let slope = image.residual.slope(low, &w);
        for (column, end) in std::iter::zip(&mut columns, ends) {
            column[row] = slope[end.tie].data()[end.at] * (end.high - end.low);
        }
        w[row] = 0.0;
    }
    Dense::new(n, &columns).ok()
}

/// The generators as programs.
struct Operator<'a> {
    image: RefCell<&'a mut Image>,
    low: &'a Values,
    base: &'a [f64],
    ends: &'a [End],
}

impl Generators for Operator<'_> {
    fn dimension(&self) -> usize {
        self.base.len()
    }

    fn count(&self) -> usize {
        self.ends.len()
    }

    fn apply(&self, s: &[f64]) -> Vec<f64> {
        let moved = self.image.borrow_mut().residual.eval(&at(self.low, self.ends, s));
        std::iter::zip(moved, self.base).map(|(a, b)| a - b).collect()
    }

    fn apply_transpose(&self, d: &[f64]) -> Vec<f64> {
        let slope = self.image.borrow_mut().residual.slope(self.low, d);
        self.ends.iter().map(|e| slope[e.tie].data()[e.at] * (e.high - e.low)).collect()
    }
}
