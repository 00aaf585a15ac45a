//! Where a program switches between pieces: the arguments of its ties as functions of the variables, points where they are
//! tied, and directions in which they stay tied.

use super::rational::null_space;
use super::subject::Subject;
use crate::derive::{linearize_with, unroll};
use crate::error::Result;
use crate::local::along::tie_nodes;
use crate::local::vector::{along, dot, norm};
use crate::program::Program;
use crate::program::tie::{Convention, Face, Form, Pieces, Site};
use crate::run::Compiled;
use crate::tensor::Tensor;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// The ties of a program, with their arguments.
pub(super) struct Switches {
    program: Program,
    sites: Vec<Arc<Site>>,
    /// (x, …) ↦ (u, …).
    arguments: Compiled<f64>,
    /// (x, …, ẋ, …) ↦ (u, …, u̇, …).
    tangents: Compiled<f64>,
}

/// A tied element: whose it is, and the linear forms of the tangents that vanish where it stays tied.
#[derive(Debug, Clone)]
pub(super) struct Tied {
    /// The tie's number.
    site: usize,
    /// Which element or slice.
    index: Vec<usize>,
    /// As linear forms of the variables.
    pub rows: Vec<Vec<f64>>,
    /// How far each form is from what it is where the element is tied.
    off: Vec<f64>,
}

impl Tied {
    /// Whether both are the same element of the same tie.
    pub fn same(&self, other: &Tied) -> bool {
        (self.site, &self.index) == (other.site, &other.index)
    }
}

/// A form of a tie's argument, and how far it is from what it is where the element is tied.
type Off = (Form, f64);

/// Steps of Newton's method.
const STEPS: usize = 25;

/// Trials of moving a point by units in the last place until what should be tied is tied in f64.
const TRIALS: usize = 120;

impl Switches {
    /// None if the program has no ties, or an operator without derivative.
    pub fn of(program: &Program) -> Result<Option<Switches>> {
        let program = unroll(program)?.prune();
        let linear = linearize_with(&program, &[])?;
        let (sites, nodes): (Vec<_>, Vec<_>) = tie_nodes(&linear.program).into_iter().unzip();
        if sites.is_empty() {
            return Ok(None);
        }
        let arguments = linear.primal(&nodes)?;
        // Not the even choice: −|x| at 0, which an equality is decided by, would have no slope.
        let fill = |site: &Site| match site.tie.tie().is_some_and(|t| t.is_interval()) {
            true => 1.0,
            false => site.choice(Convention::MinNorm).selection,
        };
        let tangents = arguments.linearize()?.compile_with(&fill);
        Ok(Some(Switches { program, sites, arguments: arguments.compile(Convention::MinNorm), tangents }))
    }

    fn arguments(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let u = self.arguments.call(inputs).ok()?;
        u.iter().all(|u| u.first_not_finite().is_none()).then_some(u)
    }

    /// How far from being tied the elements are that are within some distance, the nearest first.
    pub fn distances(&self, inputs: &[Tensor], within: f64) -> Vec<f64> {
        let Some(arguments) = self.arguments(inputs) else { return vec![] };
        let of = |(site, u): (&Arc<Site>, &Tensor)| match site.tie.tie() {
            Some(tie) => tie.met(u, within).into_iter().map(|m| m.distance).collect(),
            None => vec![],
        };
        let mut all: Vec<f64> = std::iter::zip(&self.sites, &arguments).flat_map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Whether all of these are tied at a point.
    pub fn holds(&self, subject: &Subject<'_>, x: &[f64], wanted: &[&Tied]) -> bool {
        let Some(arguments) = self.arguments(&subject.inputs(x)) else { return false };
        wanted.iter().all(|t| {
            let met = self.sites[t.site].tie.tie().map(|tie| tie.met(&arguments[t.site], 0.0));
            met.is_some_and(|met| met.iter().any(|m| m.index == t.index))
        })
    }

    /// What is tied within a tolerance. Cost: one tangent a variable.
    pub fn tied(&self, subject: &Subject<'_>, x: &[f64], tolerance: f64) -> Vec<Tied> {
        let inputs = subject.inputs(x);
        let Some(arguments) = self.arguments(&inputs) else { return vec![] };
        let mut found: Vec<(usize, Face, Vec<Off>)> = vec![];
        for (k, (site, u)) in std::iter::zip(&self.sites, &arguments).enumerate() {
            let Some(tie) = site.tie.tie() else { continue };
            let Some(snapped) = (if tolerance > 0.0 { tie.snap(u, tolerance) } else { Some(u.clone()) }) else {
                continue;
            };
            for face in tie.faces(&snapped) {
                let off = |form: Form| {
                    let off = form.iter().map(|&(at, c)| c * (u.data()[at] - snapped.data()[at])).sum();
                    (form, off)
                };
                let forms: Vec<Off> = forms(&face, u.data().len()).into_iter().map(off).collect();
                if !forms.is_empty() {
                    found.push((k, face, forms));
                }
            }
        }
        if found.is_empty() {
            return vec![];
        }
        let Some(columns) = self.columns(subject, &inputs) else { return vec![] };
        let row = |site: usize, form: &Form| -> Vec<f64> {
            columns.iter().map(|column| form.iter().map(|&(at, c)| c * column[site].data()[at]).sum()).collect()
        };
        let tied = |(site, face, forms): (usize, Face, Vec<Off>)| Tied {
            site,
            index: face.index,
            rows: forms.iter().map(|(form, _)| row(site, form)).collect(),
            off: forms.iter().map(|(_, off)| *off).collect(),
        };
        found.into_iter().map(tied).collect()
    }

    /// The tangents of all arguments along each coordinate.
    fn columns(&self, subject: &Subject<'_>, inputs: &[Tensor]) -> Option<Vec<Vec<Tensor>>> {
        let n = subject.dimension();
        let mut unit = vec![0.0; n];
        let column = |k: usize| {
            unit[k] = 1.0;
            let mut all = inputs.to_vec();
            all.extend(subject.layout.split(&unit));
            unit[k] = 0.0;
            let mut out = self.tangents.call(&all).ok()?;
            let dots = out.split_off(self.sites.len());
            dots.iter().all(|u| u.first_not_finite().is_none()).then_some(dots)
        };
        (0..n).map(column).collect()
    }

    /// The texts of operators with an element tied within a tolerance, each once.
    pub fn sources(&self, subject: &Subject<'_>, x: &[f64], tolerance: f64) -> Vec<String> {
        let mut all: Vec<String> = vec![];
        for tied in self.tied(subject, x, tolerance) {
            let site = &self.sites[tied.site];
            let text = match site.place.snippet() {
                Some(text) => text.to_string(),
                None => self.program.expression(site.node),
            };
            let text = if tied.index.is_empty() { text } else { format!("{text} at {:?}", tied.index) };
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    /// A point near x where at least one more element is tied, by Newton's method with least-norm steps, and then, where it
    /// can be had by units in the last place, tied in f64.
    pub fn near(&self, subject: &Subject<'_>, x: &[f64], rng: &mut ChaCha8Rng) -> Option<Vec<f64>> {
        let scale = 1.0 + norm(x);
        let distances = self.distances(&subject.inputs(x), 4.0 * scale);
        let nearest = distances.iter().filter(|d| **d > 0.0).take(4).count();
        let from = distances.len() - distances.iter().filter(|d| **d > 0.0).count();
        let tolerance = *distances.get(from + rng.random_range(0..nearest.max(1)))? * (1.0 + 1e-9);
        self.newton(subject, x, tolerance, rng)
    }

    /// The same for everything within a tolerance.
    pub fn newton(&self, subject: &Subject<'_>, x: &[f64], tolerance: f64, rng: &mut ChaCha8Rng) -> Option<Vec<f64>> {
        let mut x = x.to_vec();
        let mut tied = vec![];
        for _ in 0..STEPS {
            tied = self.tied(subject, &x, tolerance);
            let rows: Vec<(&[f64], f64)> = tied
                .iter()
                .flat_map(|t| std::iter::zip(t.rows.iter().map(Vec::as_slice), t.off.iter().copied()))
                .collect();
            let largest = rows.iter().fold(0.0, |m: f64, (row, off)| m.max(off.abs() / norm(row).max(1e-300)));
            if rows.is_empty() || largest <= 1e-15 * (1.0 + norm(&x)) {
                break;
            }
            let step = least_norm(&rows, x.len());
            x = along(&x, -1.0, &step);
        }
        let converged = |t: &Tied| std::iter::zip(&t.rows, &t.off).all(|(r, o)| o.abs() <= 1e-12 * (1.0 + norm(r)));
        (!tied.is_empty() && tied.iter().all(converged)).then(|| self.polish(subject, x, &tied, rng))
    }

    /// Moves a point by units in the last place until what should be tied is tied in f64, if that is found.
    fn polish(&self, subject: &Subject<'_>, x: Vec<f64>, wanted: &[Tied], rng: &mut ChaCha8Rng) -> Vec<f64> {
        let count = |x: &[f64]| self.distances(&subject.inputs(x), 0.0).len();
        let moves: Vec<usize> =
            (0..x.len()).filter(|&k| wanted.iter().any(|t| t.rows.iter().any(|r| r[k] != 0.0))).collect();
        let (mut best, mut most) = (x.clone(), count(&x));
        for _ in 0..TRIALS {
            if most >= wanted.len() || moves.is_empty() {
                break;
            }
            let mut trial = best.clone();
            let k = moves[rng.random_range(0..moves.len())];
            for _ in 0..rng.random_range(1..4) {
                trial[k] = if rng.random() { trial[k].next_up() } else { trial[k].next_down() };
            }
            let now = count(&trial);
            if now >= most {
                (best, most) = (trial, now);
            }
        }
        best
    }
}

/// The linear forms of a tie's argument that vanish on the tangents along which a face stays tied.
fn forms(face: &Face, length: usize) -> Vec<Form> {
    match &face.pieces {
        Pieces::Segment => vec![vec![(face.entries[0], 1.0)]],
        Pieces::Simplex => face.entries[1..].iter().map(|&at| vec![(at, 1.0), (face.entries[0], -1.0)]).collect(),
        Pieces::List(all) => all.iter().flat_map(|p| p.forms.clone().unwrap_or_default()).collect(),
        Pieces::Body { .. } if face.entries.iter().all(|&at| at < length) => {
            face.entries.iter().map(|&at| vec![(at, 1.0)]).collect()
        }
        Pieces::Body { .. } | Pieces::Unknown => vec![],
    }
}

/// The least δ with ⟨row, δ⟩ = b for all rows that do not depend on earlier ones.
fn least_norm(rows: &[(&[f64], f64)], dimension: usize) -> Vec<f64> {
    let mut basis: Vec<(Vec<f64>, f64)> = vec![];
    for (row, b) in rows {
        let (mut q, mut c) = (row.to_vec(), *b);
        for (e, y) in &basis {
            let part = dot(&q, e);
            q = along(&q, -part, e);
            c -= part * y;
        }
        let length = norm(&q);
        if length > 1e-9 * norm(row) {
            basis.push((q.iter().map(|x| x / length).collect(), c / length));
        }
    }
    basis.iter().fold(vec![0.0; dimension], |sum, (e, y)| along(&sum, *y, e))
}

/// The part of a direction along which everything given stays tied.
pub(super) fn project(d: &[f64], tied: &[Tied]) -> Vec<f64> {
    let rows = tied.iter().flat_map(|t| &t.rows);
    let values: Vec<(&[f64], f64)> = rows.map(|row| (row.as_slice(), dot(row, d))).collect();
    along(d, -1.0, &least_norm(&values, d.len()))
}

/// A basis of the directions in which everything given stays tied: of integers where the forms are fractions of small
/// numbers, else the projections of random directions.
pub(super) fn directions(tied: &[&Tied], dimension: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f64>> = tied.iter().flat_map(|t| t.rows.iter().cloned()).collect();
    if let Some(basis) = null_space(&rows, dimension) {
        return basis;
    }
    let project = |_| {
        let d: Vec<f64> = (0..dimension).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
        let values: Vec<(&[f64], f64)> = rows.iter().map(|row| (row.as_slice(), dot(row, &d))).collect();
        let inside = along(&d, -1.0, &least_norm(&values, dimension));
        let length = norm(&inside);
        (length > 1e-6).then(|| inside.iter().map(|x| x / length).collect())
    };
    (0..2).filter_map(project).collect()
}
