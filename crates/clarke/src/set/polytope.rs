//! The convex hull of finitely many points.

use super::min_norm::{MinNorm, min_norm};
use super::{Body, check, dot, extreme, minus, norm, refuse};
use crate::error::Result;

/// The convex hull of finitely many points of Rⁿ, n ≥ 1, kept as the rows of a matrix. The rows need not be extreme.
#[derive(Debug, Clone, PartialEq)]
pub struct Polytope {
    dimension: usize,
    /// Row after row.
    rows: Vec<f64>,
    /// For each row, its place among the points that the polytope was made of.
    origins: Vec<usize>,
}

/// Whether a point is in a set, with the proof of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Membership {
    /// The point is `Σ weights[i] · row i`, up to a residual within the tolerance.
    Inside {
        /// Nonnegative, with sum 1; one a row.
        weights: Vec<f64>,
        /// `‖Σ weights[i] · row i − point‖₂`.
        residual: f64,
    },
    /// A direction separates the point from the set.
    Outside {
        /// d with ‖d‖₂ = 1.
        direction: Vec<f64>,
        /// ⟨d, point⟩ − max over the set of ⟨d, ·⟩ > 0: a lower bound of the distance.
        gap: f64,
    },
    /// Neither could be shown: rounding, or the bound on steps, ended the search for the nearest point first.
    Undecided {
        /// Nonnegative, with sum 1; one a row.
        weights: Vec<f64>,
        /// `‖Σ weights[i] · row i − point‖₂`, above the tolerance: an upper bound of the distance. The lower is 0.
        residual: f64,
    },
}

/// Rows are taken for equal if no entry differs by more than this, relative to the largest absolute entry of all rows.
pub(super) const DUPLICATE: f64 = 1e-13;

/// The largest number of entries that a polytope may hold: two gigabytes.
pub(super) const LARGEST: usize = 1 << 28;

impl Polytope {
    /// The hull of points of one dimension. Rows are dropped that equal an earlier one up to 10⁻¹³, in every entry,
    /// relative to the largest absolute entry of all.
    ///
    /// Cost: O(N log N + N n), more where many points agree in a random projection.
    ///
    /// # Errors
    /// If there are no points, they have no entries, or not the same number, or one is not finite.
    pub fn new(points: &[Vec<f64>]) -> Result<Polytope> {
        let dimension = points.first().map_or(0, Vec::len);
        for point in points {
            check("Polytope", "points", point, dimension)?;
        }
        Polytope::from_rows(dimension, points.concat())
    }

    /// The same, of points that stand row after row.
    ///
    /// # Errors
    /// If the dimension is 0, there are no rows, the last one is not whole, or an entry is not finite.
    pub fn from_rows(dimension: usize, rows: Vec<f64>) -> Result<Polytope> {
        if dimension == 0 {
            return Err(refuse("Polytope", "dimension", 0, "a hull lies in dimension 1 or more, and has a point"));
        }
        if rows.is_empty() || !rows.len().is_multiple_of(dimension) {
            let rule = format!("one or more rows of {dimension} are needed");
            return Err(refuse("Polytope", "number of entries", rows.len(), rule));
        }
        for row in rows.chunks_exact(dimension) {
            check("Polytope", "points", row, dimension)?;
        }
        let origins = (0..rows.len() / dimension).collect();
        let all = Polytope { dimension, rows, origins };
        let kept = all.distinct();
        Ok(all.subset(&kept))
    }

    /// Rows that no earlier one equals, in their order. Rows that are equal up to rounding stand near each other when
    /// sorted by their product with one fixed generic vector.
    fn distinct(&self) -> Vec<usize> {
        let largest = self.rows.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let near = DUPLICATE * largest;
        let generic: Vec<f64> =
            (1..=self.dimension).map(|k| 0.5 + (k as f64 * 0.618_033_988_749_894_8).fract()).collect();
        let key: Vec<f64> = self.points().map(|row| dot(row, &generic)).collect();
        // Equal rows differ in the key by at most near Σ generic, and the rounding of the sums.
        let window = (near + self.dimension as f64 * f64::EPSILON * largest) * generic.iter().sum::<f64>();
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|i, j| key[*i].total_cmp(&key[*j]).then(i.cmp(j)));
        let mut dropped = vec![false; self.len()];
        for (at, &i) in order.iter().enumerate() {
            for &j in order[at + 1..].iter().take_while(|j| key[**j] - key[i] <= window) {
                let (first, second) = (i.min(j), i.max(j));
                if !dropped[first] && !dropped[second] {
                    dropped[second] = self.row(first).iter().zip(self.row(second)).all(|(x, y)| (x - y).abs() <= near);
                }
            }
        }
        (0..self.len()).filter(|i| !dropped[*i]).collect()
    }

    /// The hull of some of the rows.
    pub(super) fn subset(&self, kept: &[usize]) -> Polytope {
        if kept.len() == self.len() {
            return self.clone();
        }
        let rows = kept.iter().flat_map(|i| self.row(*i).iter().copied()).collect();
        Polytope { dimension: self.dimension, rows, origins: kept.iter().map(|i| self.origins[*i]).collect() }
    }

    /// n.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many rows there are; at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Row i.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.dimension..(i + 1) * self.dimension]
    }

    /// All rows in their order.
    pub fn points(&self) -> impl Iterator<Item = &[f64]> {
        self.rows.chunks_exact(self.dimension)
    }

    /// For each row, which of the points it is that the polytope was made of; [`Polytope::extreme`] keeps these numbers.
    pub fn origins(&self) -> &[usize] {
        &self.origins
    }

    /// The polytope of the extreme points of this hull, in the order of the rows.
    ///
    /// In dimension 1 the two ends; in dimension 2, and where the points lie in a plane, the monotone chain of Andrew 1979;
    /// else points are tested one by one against the extreme points found so far, by the nearest point of their hull
    /// (Clarkson 1994): a point outside comes with a direction, and the row farthest along it is a new one.
    ///
    /// Tolerance: a point that lies within 10⁻¹² (10⁻¹⁴ in dimensions 1 and 2), relative to the largest distance of a row
    /// from the first, of the hull of the others counts as no extreme point. Where rounding leaves it open the point is
    /// kept. So no vertex is lost that lies farther than that from the hull of what is kept, except among points closer
    /// to each other than √ε times the spread, where a nearest point is known to about 10⁻⁸ only.
    ///
    /// Cost: O(N log N + N n) in a plane; else N nearest points of the hull of the E extreme ones, each some multiple of
    /// n steps of O(E n).
    pub fn extreme(&self) -> Polytope {
        self.subset(&extreme::extreme_rows(self))
    }

    /// The extreme points of the hull, as [`Polytope::extreme`] finds them.
    pub fn vertices(&self) -> Vec<Vec<f64>> {
        self.extreme().points().map(<[f64]>::to_vec).collect()
    }

    /// The support function max ⟨d, v⟩ and the row that attains it, the first if several do. Cost: O(N n).
    pub fn support(&self, d: &[f64]) -> (f64, usize) {
        assert_eq!(d.len(), self.dimension, "the direction of a support function lies in the set's space");
        let mut best = (f64::NEG_INFINITY, 0);
        for (i, row) in self.points().enumerate() {
            let value = dot(d, row);
            if value > best.0 {
                best = (value, i);
            }
        }
        best
    }

    /// The least and the largest value of each coordinate over the hull, exact.
    pub fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut low, mut high) = (self.row(0).to_vec(), self.row(0).to_vec());
        for row in self.points() {
            for (k, x) in row.iter().enumerate() {
                low[k] = low[k].min(*x);
                high[k] = high[k].max(*x);
            }
        }
        (low, high)
    }

    /// The largest Euclidean distance of two points of the hull: that of two rows. Pairs are skipped whose distances from
    /// the mean cannot add up to more than what was found. Cost: O(N² n) in the worst case.
    pub fn diameter(&self) -> f64 {
        let mean = self.mean();
        let mut by_radius: Vec<(f64, usize)> =
            self.points().enumerate().map(|(i, row)| (norm(&minus(row, &mean)), i)).collect();
        by_radius.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best = 0.0_f64;
        for (k, (radius, i)) in by_radius.iter().enumerate() {
            for (other, j) in &by_radius[k + 1..] {
                // The margin covers the rounding of the radii.
                if (radius + other) * (1.0 + 1e-12) < best {
                    break;
                }
                best = best.max(norm(&minus(self.row(*i), self.row(*j))));
            }
        }
        best
    }

    /// The mean of the rows.
    pub(super) fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension];
        for row in self.points() {
            super::add_scaled(&mut mean, 1.0 / self.len() as f64, row);
        }
        mean
    }

    /// Whether v lies in the hull, with weights or a separating direction ([`min_norm`] with target v).
    ///
    /// `tolerance` is a distance, relative to the largest of ‖v‖ and the norms of the rows: v is inside if the nearest
    /// point found is at most that far. 10⁻¹² is a good value; at less than 10⁻¹⁴ rounding decides.
    ///
    /// # Errors
    /// If v has not n finite entries.
    pub fn contains(&self, v: &[f64], tolerance: f64) -> Result<Membership> {
        check("contains", "v", v, self.dimension)?;
        let scale = self.points().map(norm).fold(norm(v), f64::max);
        // The search ends with a hundredth of the tolerance, so that its own error does not decide.
        let found = self.nearest(v, 0.01 * tolerance);
        let residual = found.norm;
        let mut weights = vec![0.0; self.len()];
        for ((_, i), w) in found.atoms.iter().zip(&found.weights) {
            weights[*i] = *w;
        }
        Ok(if residual <= tolerance * scale {
            Membership::Inside { weights, residual }
        } else if found.lower > 0.0 {
            let direction = found.direction.iter().map(|u| -u).collect();
            Membership::Outside { direction, gap: found.lower }
        } else {
            Membership::Undecided { weights, residual }
        })
    }

    /// The point of least norm of the hull, to full precision: [`min_norm`] with target 0 and tolerance 10⁻¹⁴.
    pub fn min_norm(&self) -> MinNorm<usize> {
        self.nearest(&vec![0.0; self.dimension], 1e-14)
    }

    fn nearest(&self, target: &[f64], tolerance: f64) -> MinNorm<usize> {
        min_norm(&mut Hull(self), target, tolerance, 1000 + 50 * self.dimension.min(self.len()))
    }
}

/// The oracle of a polytope that is only borrowed.
struct Hull<'a>(&'a Polytope);

impl Body for Hull<'_> {
    type Atom = usize;

    fn dimension(&self) -> usize {
        self.0.dimension
    }

    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, usize) {
        let (_, i) = self.0.support(d);
        (self.0.row(i).to_vec(), i)
    }
}

impl Body for Polytope {
    type Atom = usize;

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, usize) {
        Hull(self).maximize(d)
    }
}
