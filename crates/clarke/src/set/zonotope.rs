//! Zonotopes: images b + G [0, 1]ᵏ of a cube.

use super::nearest::{Found, solve};
use super::{Body, add_scaled, check, dot, minus, norm, refuse};
use crate::error::Result;

/// A linear map G of Rᵏ to Rⁿ, known by its products.
pub trait Generators {
    /// n.
    fn dimension(&self) -> usize;

    /// k, the number of generators.
    fn count(&self) -> usize;

    /// G s.
    fn apply(&self, s: &[f64]) -> Vec<f64>;

    /// Gᵀ d.
    fn apply_transpose(&self, d: &[f64]) -> Vec<f64>;

    /// The generator gᵢ, column i of G. The default applies G to a unit vector.
    fn column(&self, i: usize) -> Vec<f64> {
        let mut unit = vec![0.0; self.count()];
        unit[i] = 1.0;
        self.apply(&unit)
    }
}

/// Generators as columns of a matrix, column after column.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    dimension: usize,
    columns: Vec<f64>,
}

impl Dense {
    /// Generators of one dimension; none at all is the map of R⁰.
    ///
    /// # Errors
    /// If the dimension is 0, a generator has not that length, or an entry is not finite.
    pub fn new(dimension: usize, generators: &[Vec<f64>]) -> Result<Dense> {
        if dimension == 0 {
            return Err(refuse("Dense", "dimension", 0, "generators lie in dimension 1 or more"));
        }
        for g in generators {
            check("Dense", "generators", g, dimension)?;
        }
        Ok(Dense { dimension, columns: generators.concat() })
    }

    /// Generator i.
    pub fn generator(&self, i: usize) -> &[f64] {
        &self.columns[i * self.dimension..(i + 1) * self.dimension]
    }
}

impl Generators for Dense {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn count(&self) -> usize {
        self.columns.len() / self.dimension
    }

    fn apply(&self, s: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.dimension];
        for (s, g) in s.iter().zip(self.columns.chunks_exact(self.dimension)) {
            if *s != 0.0 {
                add_scaled(&mut out, *s, g);
            }
        }
        out
    }

    fn apply_transpose(&self, d: &[f64]) -> Vec<f64> {
        self.columns.chunks_exact(self.dimension).map(|g| dot(g, d)).collect()
    }

    fn column(&self, i: usize) -> Vec<f64> {
        self.generator(i).to_vec()
    }
}

/// The zonotope {b + G s : s ∈ [0, 1]ᵏ}: what an affine function of k selections can reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Zonotope<G = Dense> {
    base: Vec<f64>,
    generators: G,
}

/// Bounds of the largest distance of two points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diameter {
    /// The distance of two points that were found.
    pub lower: f64,
    /// No two points are farther apart.
    pub upper: f64,
}

/// The nearest point of a zonotope to a target, with the proof of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// s ∈ [0, 1]ᵏ.
    pub s: Vec<f64>,
    /// b + G s.
    pub point: Vec<f64>,
    /// ‖b + G s − target‖₂: an upper bound of the distance.
    pub norm: f64,
    /// A lower bound of the distance, from the support function at r = target − b − G s: max(0, ⟨r, target⟩ − h(r))/‖r‖, up to
    /// the rounding of that difference.
    pub lower: f64,
    /// The duality gap Σ max(0, qᵢ) − sᵢ qᵢ ≥ 0 with q = Gᵀ r: ½ norm² exceeds the least value by at most this, and ‖point −
    /// nearest point‖² is at most this too.
    pub gap: f64,
    /// How many times G or Gᵀ was applied.
    pub steps: usize,
    /// Whether gap ≤ relative_gap · ½ norm², or the gap is at the level of rounding: 64 ε times the square of the largest
    /// of ‖G‖₂, ‖target − b‖ and the distances to the target that were met.
    pub converged: bool,
}

/// Up to how many generators the diameter is found by trying all signs.
const ALL_SIGNS: usize = 16;

impl<G: Generators> Zonotope<G> {
    /// The zonotope with value `base` at s = 0.
    ///
    /// # Errors
    /// If the base has not the generators' dimension, or an entry is not finite.
    pub fn new(base: Vec<f64>, generators: G) -> Result<Zonotope<G>> {
        check("Zonotope", "base", &base, generators.dimension())?;
        Ok(Zonotope { base, generators })
    }

    /// b.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// G.
    pub fn generators(&self) -> &G {
        &self.generators
    }

    /// b + G s, for any s of length k.
    pub fn at(&self, s: &[f64]) -> Vec<f64> {
        let mut point = self.generators.apply(s);
        add_scaled(&mut point, 1.0, &self.base);
        point
    }

    /// The support function ⟨b, d⟩ + Σ max(0, ⟨gᵢ, d⟩), and an s that attains it: 1 where ⟨gᵢ, d⟩ > 0, else 0. Cost: one
    /// product with Gᵀ.
    pub fn support(&self, d: &[f64]) -> (f64, Vec<f64>) {
        let slopes = self.generators.apply_transpose(d);
        let value = dot(&self.base, d) + slopes.iter().map(|c| c.max(0.0)).sum::<f64>();
        (value, slopes.iter().map(|c| f64::from(*c > 0.0)).collect())
    }

    /// The least and the largest value of each coordinate over the set, up to rounding. Cost: all columns of G if there
    /// are fewer than n, else n products with Gᵀ.
    pub fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let (n, k) = (self.base.len(), self.generators.count());
        let (mut low, mut high) = (self.base.clone(), self.base.clone());
        let mut add = |j: usize, x: f64| {
            low[j] += x.min(0.0);
            high[j] += x.max(0.0);
        };
        if k < n {
            for i in 0..k {
                self.generators.column(i).iter().enumerate().for_each(|(j, x)| add(j, *x));
            }
        } else {
            let mut unit = vec![0.0; n];
            for j in 0..n {
                unit[j] = 1.0;
                self.generators.apply_transpose(&unit).iter().for_each(|x| add(j, *x));
                unit[j] = 0.0;
            }
        }
        (low, high)
    }

    /// The Euclidean diameter max ‖G σ‖ over σ ∈ {−1, 1}ᵏ.
    ///
    /// In dimension 1, and for up to 16 generators, both bounds are the diameter, up to rounding. In general it is NP-hard:
    /// then `lower` comes from the ascent σ ← sign(Gᵀ G σ), started along every coordinate in dimensions up to 64 and along
    /// the widest one otherwise, and `upper` is the diagonal of [`Zonotope::bounds`]. Cost: that of the bounds, and 2¹⁵
    /// sums of up to 16 generators or up to 100 products with G and Gᵀ a start.
    pub fn diameter(&self) -> Diameter {
        let (n, k) = (self.base.len(), self.generators.count());
        let (low, high) = self.bounds();
        let widths = minus(&high, &low);
        let upper = norm(&widths);
        if n == 1 || k == 0 {
            return Diameter { lower: upper, upper };
        }
        if k <= ALL_SIGNS {
            let exact = self.all_signs();
            return Diameter { lower: exact, upper: exact };
        }
        let widest = (0..n).max_by(|i, j| widths[*i].total_cmp(&widths[*j])).unwrap_or(0);
        let starts = if n <= 64 { 0..n } else { widest..widest + 1 };
        let lower = starts.map(|j| self.ascend(j)).fold(0.0, f64::max);
        Diameter { lower: lower.min(upper), upper }
    }

    /// max ‖G σ‖ over all signs with the first fixed, one sign changing at a time.
    fn all_signs(&self) -> f64 {
        let columns: Vec<Vec<f64>> = (0..self.generators.count()).map(|i| self.generators.column(i)).collect();
        let mut signs = vec![1.0; columns.len()];
        let mut best = 0.0_f64;
        for step in 0..1_usize << (columns.len() - 1) {
            if step > 0 {
                // Gray code: the sign to change is the number of trailing zeros.
                let i = step.trailing_zeros() as usize;
                signs[i] = -signs[i];
            }
            let mut sum = vec![0.0; self.base.len()];
            signs.iter().zip(&columns).for_each(|(s, g)| add_scaled(&mut sum, *s, g));
            best = best.max(norm(&sum));
        }
        best
    }

    /// A local maximum of ‖G σ‖ over signs, from those that make coordinate j largest.
    fn ascend(&self, j: usize) -> f64 {
        let mut direction = vec![0.0; self.base.len()];
        direction[j] = 1.0;
        let mut best = 0.0;
        for _ in 0..100 {
            let signs: Vec<f64> =
                self.generators.apply_transpose(&direction).iter().map(|c| if *c < 0.0 { -1.0 } else { 1.0 }).collect();
            direction = self.generators.apply(&signs);
            let length = norm(&direction);
            if length <= best * (1.0 + 1e-12) {
                break;
            }
            best = length;
        }
        best
    }

    /// The nearest point of the set to a target: min ½ ‖b + G s − target‖² over the cube, with a dual lower bound.
    ///
    /// Proximal steps in s are solved in their dual, which has n variables, by a semismooth Newton method; they may be
    /// degenerate in any way: duplicate, parallel or zero generators only add solutions. Where the free generators (0 <
    /// sᵢ < 1) fit into memory an active set method ends the search with exact least squares on them.
    ///
    /// `relative_gap`: the search ends when gap ≤ relative_gap · ½ norm² (10⁻¹⁰ is a good value), or when rounding hides
    /// the gap; see [`Nearest::converged`].
    ///
    /// Cost: a few dozen Newton steps of O(n k) and a system of the size min(n, free), by conjugate gradients where that
    /// is above 1500 or takes more than 2³² multiplications to set up. Seconds for k = 10⁴ in dimensions up to a few hundred.
    ///
    /// # Errors
    /// If the target has not n finite entries.
    pub fn nearest(&self, target: &[f64], relative_gap: f64) -> Result<Nearest> {
        check("nearest", "target", target, self.base.len())?;
        let found = solve(&self.generators, &minus(target, &self.base), relative_gap);
        let point = self.at(&found.s);
        let length = norm(&found.r);
        // h(r) − ⟨r, b + G s⟩ is the gap, so that the lower bound is ‖r‖ − gap/‖r‖, without cancellation.
        let lower = if length > 0.0 { (length - found.gap / length).max(0.0) } else { 0.0 };
        let Found { s, gap, steps, converged, .. } = found;
        Ok(Nearest { s, point, norm: length, lower, gap, steps, converged })
    }
}

impl<G: Generators> Body for Zonotope<G> {
    type Atom = Vec<f64>;

    fn dimension(&self) -> usize {
        self.base.len()
    }

    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (_, s) = self.support(d);
        (self.at(&s), s)
    }
}

impl Zonotope<Dense> {
    /// The polygon of a zonotope in dimension 2: its vertices counterclockwise, from the lowest (of these the leftmost)
    /// on. A point if all generators vanish, two if they are parallel. Cost: O(k log k).
    ///
    /// # Errors
    /// If the dimension is not 2.
    pub fn vertices_2d(&self) -> Result<Vec<[f64; 2]>> {
        if self.base.len() != 2 {
            return Err(refuse("vertices_2d", "dimension", self.base.len(), "only a set of the plane is a polygon"));
        }
        let mut start = [self.base[0], self.base[1]];
        let mut edges: Vec<[f64; 2]> = vec![];
        for i in 0..self.generators.count() {
            let g = self.generators.generator(i);
            let (mut x, mut y) = (g[0], g[1]);
            // Into the half-plane above, the positive x axis included: the lowest vertex takes all that point down.
            if y < 0.0 || (y == 0.0 && x < 0.0) {
                start = [start[0] + x, start[1] + y];
                (x, y) = (-x, -y);
            }
            if (x, y) != (0.0, 0.0) {
                edges.push([x, y]);
            }
        }
        edges.sort_by(|a, b| a[1].atan2(a[0]).total_cmp(&b[1].atan2(b[0])));
        let edges = merged(&edges);
        if edges.is_empty() {
            return Ok(vec![start]);
        }
        let mut vertices = vec![start];
        let mut at = start;
        for e in &edges {
            at = [at[0] + e[0], at[1] + e[1]];
            vertices.push(at);
        }
        for e in &edges[..edges.len() - 1] {
            at = [at[0] - e[0], at[1] - e[1]];
            vertices.push(at);
        }
        Ok(vertices)
    }
}

/// Edges in the order of their angle, those of one direction up to 10⁻¹⁴ as one.
fn merged(edges: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut out: Vec<[f64; 2]> = vec![];
    for e in edges {
        match out.last_mut() {
            Some(l) if (l[0] * e[1] - l[1] * e[0]).abs() <= 1e-14 * l[0].hypot(l[1]) * e[0].hypot(e[1]) => {
                *l = [l[0] + e[0], l[1] + e[1]];
            }
            _ => out.push(*e),
        }
    }
    out
}
