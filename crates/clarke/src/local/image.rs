//! The image of all choices under a residual: the conservative set of a program at a point, as far as a budget reaches.
//!
//! Four ways, tried in this order:
//!
//! - *Leaves*: all choices that matter, written out from the last tie to the first; a tie on which nothing depends under
//!   the choices made so far is not branched on. Where sets of infinitely many elements are left, each leaf has its own
//!   support function.
//! - *Flat*: no path carries two ties, so that the derivative is a sum over faces and the support function separates; its
//!   extreme points are written out where they are few.
//! - *Search*: blockwise ascent from several starts gives elements, intervals give bounds.
//!
//! What depends on what is found by evaluation at random selections: the derivative is a polynomial in them, of degree
//! one in each, so that it is 0 or constant everywhere if it is so at one random point, with probability 1.

use super::residual::{FaceId, Residual, Values};
use super::vector::dot;
use crate::error::Result;
use crate::program::tie::Pieces;
use crate::run::{Arithmetic, enclose};
use crate::set::{Body, Polytope};
use crate::tensor::{Boxes, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::rc::Rc;

/// How far a question about a set may go before it is answered with bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetOptions {
    /// Ties whose argument is within this absolute distance of being tied count as met; the sets are then the enlarged
    /// ones. 0: exactly, in the arithmetic used.
    pub tolerance: f64,
    /// At most this many elements are written out.
    pub vertices: usize,
    /// At most this many evaluations of the derivative are made in one question.
    pub evaluations: usize,
    /// The seed of all random choices.
    pub seed: u64,
}

impl Default for SetOptions {
    fn default() -> SetOptions {
        SetOptions { tolerance: 0.0, vertices: 1024, evaluations: 100_000, seed: 0 }
    }
}

/// Which element of the set a point is.
#[derive(Debug, Clone)]
pub(super) enum Atom {
    /// That of a leaf.
    Leaf(usize),
    /// That of these values of the ties.
    Values(Rc<Values>),
}

/// The choices that matter, from the last tie to the first, and the element they give.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub choice: Vec<(FaceId, usize)>,
    pub point: Vec<f64>,
}

pub(super) enum Form {
    Leaves {
        leaves: Vec<Leaf>,
        bodies: bool,
        /// Whether these are all choices that matter; else only those that give extreme points.
        all: bool,
    },
    /// With what each piece of a face adds in which the derivative is not affine.
    Flat {
        coded: Vec<(FaceId, Vec<Vec<f64>>)>,
    },
    Search,
}

/// The set of all derivatives that choices at the ties of a residual give.
pub(super) struct Image {
    pub residual: Residual,
    pub form: Form,
    /// Whether the support function is that of the set.
    pub exact: bool,
    /// Whether the derivative is a sum over faces: no path carries two of these ties.
    pub flat: bool,
    options: SetOptions,
    rng: ChaCha8Rng,
    evaluations: usize,
}

/// Relative differences up to this are rounding.
const ROUNDING: f64 = 1e-9;

impl Image {
    pub fn new(residual: Residual, options: SetOptions) -> Image {
        let rng = ChaCha8Rng::seed_from_u64(options.seed);
        let mut image = Image { residual, form: Form::Search, exact: false, flat: false, options, rng, evaluations: 0 };
        let flat = image.separates();
        let few = flat.is_none() || image.logarithm_of_choices() <= (options.vertices as f64).log2();
        image.flat = flat.is_some();
        if let Some(leaves) = if few { image.leaves() } else { None } {
            let (bodies, separate) = image.bodies(&leaves);
            image.exact = separate;
            image.form = Form::Leaves { leaves, bodies, all: true };
        } else if let Some(coded) = flat {
            image.exact = true;
            image.form = match image.sum_of_faces() {
                Some(leaves) => Form::Leaves { leaves, bodies: false, all: false },
                None => Form::Flat { coded },
            };
        }
        image
    }

    /// Whether the set is one point, with probability 1.
    pub fn is_single(&self) -> bool {
        match &self.form {
            Form::Leaves { leaves, bodies, .. } => !bodies && leaves.len() == 1,
            _ => false,
        }
    }

    /// The values that an atom stands for.
    pub fn values(&self, atom: &Atom) -> Values {
        match (atom, &self.form) {
            (Atom::Values(values), _) => values.as_ref().clone(),
            (Atom::Leaf(k), Form::Leaves { leaves, .. }) => self.at_leaf(&leaves[*k]),
            (Atom::Leaf(_), _) => self.residual.base(),
        }
    }

    fn at_leaf(&self, leaf: &Leaf) -> Values {
        let mut values = self.residual.base();
        leaf.choice.iter().for_each(|&(id, piece)| self.residual.write(id, piece, &mut values));
        values
    }

    fn random_weights(&mut self) -> Vec<f64> {
        (0..self.residual.dimension).map(|_| 2.0 * self.rng.random::<f64>() - 1.0).collect()
    }

    fn scattered(&mut self) -> Values {
        let mut values = self.residual.base();
        self.residual.scatter(&mut values, &mut self.rng);
        values
    }

    /// log₂ of the number of choices among finitely many.
    fn logarithm_of_choices(&self) -> f64 {
        let count = |id: FaceId| self.residual.face(id).count().map_or(0.0, |n| (n as f64).log2());
        self.residual.faces().into_iter().map(count).sum()
    }

    fn eval(&mut self, values: &[Tensor]) -> Vec<f64> {
        self.evaluations += 1;
        self.residual.eval(values)
    }

    fn slope(&mut self, values: &[Tensor], w: &[f64]) -> Values {
        self.evaluations += 2;
        self.residual.slope(values, w)
    }

    /// What each piece of a face adds in which the derivative is not affine, if the derivative is a sum over faces.
    fn separates(&mut self) -> Option<Vec<(FaceId, Vec<Vec<f64>>)>> {
        let (a, b) = (self.scattered(), self.scattered());
        let w = self.random_weights();
        let (at_a, at_b) = (self.slope(&a, &w), self.slope(&b, &w));
        let largest = at_a.iter().flat_map(|t| t.data()).fold(0.0, |m: f64, x| m.max(x.abs()));
        let faces = self.residual.faces();
        for &id in faces.iter().filter(|id| self.residual.ties[id.tie].affine) {
            let face = self.residual.face(id);
            let differs = |&at: &usize| (at_a[id.tie].data()[at] - at_b[id.tie].data()[at]).abs() > ROUNDING * largest;
            if face.entries.iter().any(differs) {
                return None;
            }
        }
        self.coded(&a, &faces)
    }

    /// The differences that the pieces of coded faces make at the base; None if they do not add up, or are too many.
    fn coded(&mut self, scattered: &[Tensor], faces: &[FaceId]) -> Option<Vec<(FaceId, Vec<Vec<f64>>)>> {
        let coded: Vec<FaceId> = faces.iter().copied().filter(|id| !self.residual.ties[id.tie].affine).collect();
        let total: usize = coded.iter().filter_map(|id| self.residual.face(*id).count()).sum();
        if total > self.options.evaluations || total * self.residual.dimension > 1 << 26 {
            return None;
        }
        let mut base = self.residual.base();
        let center = self.eval(&base);
        let mut found = vec![];
        for &id in &coded {
            let own = base[id.tie].clone();
            let mut differences = vec![];
            for piece in 0..self.residual.face(id).count().unwrap_or(0) {
                self.residual.write(id, piece, &mut base);
                let moved = self.eval(&base);
                differences.push(std::iter::zip(&moved, &center).map(|(a, b)| a - b).collect());
            }
            base[id.tie] = own;
            found.push((id, differences));
        }
        // At random values, what all coded faces add together must be the sum of what each adds.
        let mut reset = scattered.to_vec();
        let mut sum = vec![0.0; self.residual.dimension];
        for (id, differences) in &found {
            let at = piece_at(&self.residual, *id, &scattered[id.tie])?;
            std::iter::zip(&mut sum, &differences[at]).for_each(|(s, d)| *s += d);
        }
        coded.iter().for_each(|id| reset[id.tie] = base[id.tie].clone());
        let (whole, without) = (self.eval(scattered), self.eval(&reset));
        let scale = whole.iter().chain(&sum).fold(0.0, |m: f64, x| m.max(x.abs()));
        let adds_up = (0..sum.len()).all(|k| (whole[k] - without[k] - sum[k]).abs() <= ROUNDING * scale);
        adds_up.then_some(found)
    }

    /// All choices that matter; None if they are more than the budget allows.
    fn leaves(&mut self) -> Option<Vec<Leaf>> {
        let faces = self.residual.faces();
        let mut leaves = vec![];
        let mut open: Vec<Vec<(FaceId, usize)>> = vec![vec![]];
        while let Some(choice) = open.pop() {
            if leaves.len() + open.len() >= self.options.vertices || self.evaluations > self.options.evaluations {
                return None;
            }
            match self.last_that_matters(&faces, &choice) {
                Some(id) => {
                    let count = self.residual.face(id).count().unwrap_or(0);
                    open.extend((0..count).rev().map(|piece| [choice.as_slice(), &[(id, piece)]].concat()));
                }
                None => {
                    let leaf = Leaf { choice, point: vec![] };
                    let values = self.at_leaf(&leaf);
                    leaves.push(Leaf { point: self.eval(&values), ..leaf });
                }
            }
        }
        Some(leaves)
    }

    /// The extreme points of a sum over faces, face after face: those of a sum are sums of those of its terms, so that what
    /// is not extreme in a part need not be carried on. None if they are more than the budget allows.
    fn sum_of_faces(&mut self) -> Option<Vec<Leaf>> {
        // Beyond the plane the extreme ones of many points are dear.
        let most = if self.residual.dimension <= 2 { 64 } else { 8 };
        let faces = self.residual.faces();
        let counts: Vec<usize> = faces.iter().map(|id| self.residual.face(*id).count()).collect::<Option<_>>()?;
        if faces.len() > most || counts.iter().sum::<usize>() > self.options.vertices {
            return None;
        }
        let mut base = self.residual.base();
        let center = self.eval(&base);
        let mut partial = vec![Leaf { choice: vec![], point: center.clone() }];
        for (id, count) in std::iter::zip(faces, counts) {
            let own = base[id.tie].clone();
            let mut sums = vec![];
            for piece in 0..count {
                self.residual.write(id, piece, &mut base);
                let moved = self.eval(&base);
                for leaf in &partial {
                    let point = (0..moved.len()).map(|k| leaf.point[k] + (moved[k] - center[k])).collect();
                    sums.push(Leaf { choice: [&[(id, piece)], leaf.choice.as_slice()].concat(), point });
                }
            }
            base[id.tie] = own;
            if sums.len() > 2 * self.options.vertices {
                return None;
            }
            let points: Vec<Vec<f64>> = sums.iter().map(|l| l.point.clone()).collect();
            let extreme = Polytope::new(&points).ok()?.extreme();
            partial = extreme.origins().iter().map(|&k| sums[k].clone()).collect();
        }
        let exactly = |leaf: Leaf| {
            let values = self.at_leaf(&leaf);
            Leaf { point: self.eval(&values), ..leaf }
        };
        Some(partial.into_iter().map(exactly).collect())
    }

    /// The last face of finitely many pieces, none of them chosen yet, on which the derivative depends when the others
    /// are random.
    fn last_that_matters(&mut self, faces: &[FaceId], choice: &[(FaceId, usize)]) -> Option<FaceId> {
        let mut values = self.scattered();
        choice.iter().for_each(|&(id, piece)| self.residual.write(id, piece, &mut values));
        let w = self.random_weights();
        let slope = self.slope(&values, &w);
        let chosen: std::collections::HashSet<FaceId> = choice.iter().map(|(id, _)| *id).collect();
        for &id in faces.iter().rev().filter(|id| !chosen.contains(id)) {
            let Some(count) = self.residual.face(id).count() else { continue };
            let matters = match self.residual.ties[id.tie].affine {
                true => differs(&self.residual, id, &slope[id.tie]),
                false => self.pieces_differ(id, count, &values),
            };
            if matters {
                return Some(id);
            }
        }
        None
    }

    /// Whether any piece of a coded face gives another derivative than the first.
    fn pieces_differ(&mut self, id: FaceId, count: usize, values: &[Tensor]) -> bool {
        const MOST: usize = 24;
        if count > MOST {
            return true;
        }
        let mut values = values.to_vec();
        self.residual.write(id, 0, &mut values);
        let first = self.eval(&values);
        (1..count).any(|piece| {
            self.residual.write(id, piece, &mut values);
            self.eval(&values) != first
        })
    }

    /// Whether sets of infinitely many elements matter at any leaf; and whether at each the derivative is a sum over them.
    fn bodies(&mut self, leaves: &[Leaf]) -> (bool, bool) {
        let body = |f: &FaceId, r: &Residual| matches!(r.face(*f).pieces, Pieces::Body { .. });
        let ids: Vec<FaceId> = self.residual.faces().into_iter().filter(|f| body(f, &self.residual)).collect();
        let (mut matter, mut separate) = (false, true);
        for leaf in leaves.iter().filter(|_| !ids.is_empty()) {
            let (mut a, mut b) = (self.scattered(), self.scattered());
            for &(id, piece) in &leaf.choice {
                self.residual.write(id, piece, &mut a);
                self.residual.write(id, piece, &mut b);
            }
            let w = self.random_weights();
            let (at_a, at_b) = (self.slope(&a, &w), self.slope(&b, &w));
            let largest = at_a.iter().flat_map(|t| t.data()).fold(0.0, |m: f64, x| m.max(x.abs()));
            for id in &ids {
                for &at in &self.residual.face(*id).entries {
                    let (x, y) = (at_a[id.tie].data()[at], at_b[id.tie].data()[at]);
                    matter |= x != 0.0;
                    separate &= (x - y).abs() <= ROUNDING * largest;
                }
            }
        }
        (matter, separate)
    }

    /// The element at which ⟨d, ·⟩ is largest among those of a leaf.
    fn at_bodies(&mut self, leaf: &Leaf, d: &[f64]) -> (Vec<f64>, Rc<Values>) {
        let mut values = self.at_leaf(leaf);
        let g = self.slope(&values, d);
        for (tie, g) in g.iter().enumerate().filter(|(tie, _)| self.residual.ties[*tie].has_bodies()) {
            let mut best = values[tie].clone();
            self.residual.maximize(tie, g, &mut best);
            for face in self.residual.ties[tie].faces.iter().filter(|f| matches!(f.pieces, Pieces::Body { .. })) {
                face.entries.iter().for_each(|&at| values[tie].data_mut()[at] = best.data()[at]);
            }
        }
        (self.eval(&values), Rc::new(values))
    }

    /// Ascent over the ties, one after another, as long as it helps.
    fn ascend(&mut self, mut values: Values, d: &[f64]) -> (Vec<f64>, f64, Values) {
        const ROUNDS: usize = 20;
        let mut point = self.eval(&values);
        let mut best = dot(d, &point);
        for _ in 0..ROUNDS {
            let before = best;
            for tie in (0..values.len()).rev() {
                let mut trial = values.clone();
                if self.residual.ties[tie].affine {
                    let g = self.slope(&values, d);
                    self.residual.maximize(tie, &g[tie], &mut trial[tie]);
                    self.keep_better(&mut values, trial, d, &mut point, &mut best);
                } else {
                    for face in 0..self.residual.ties[tie].faces.len() {
                        let id = FaceId { tie, face };
                        for piece in 0..self.residual.face(id).count().unwrap_or(0) {
                            let mut trial = values.clone();
                            self.residual.write(id, piece, &mut trial);
                            self.keep_better(&mut values, trial, d, &mut point, &mut best);
                        }
                    }
                }
            }
            if best <= before {
                break;
            }
        }
        (point, best, values)
    }

    fn keep_better(&mut self, values: &mut Values, trial: Values, d: &[f64], point: &mut Vec<f64>, best: &mut f64) {
        let at = self.eval(&trial);
        let value = dot(d, &at);
        if value > *best {
            (*values, *point, *best) = (trial, at, value);
        }
    }

    /// A box for the set of values of each tie.
    fn boxes(&self) -> Result<Vec<Boxes>> {
        let of = |tie: &super::residual::TieAt| {
            let (mut lo, mut hi) = (tie.base.clone(), tie.base.clone());
            for face in &tie.faces {
                for (k, &at) in face.entries.iter().enumerate() {
                    let (low, high) = match &face.pieces {
                        Pieces::Segment | Pieces::Simplex => (0.0, 1.0),
                        Pieces::List(all) => all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| {
                            (l.min(p.values[k]), h.max(p.values[k]))
                        }),
                        Pieces::Body { bound } => (-bound, *bound),
                        Pieces::Unknown => (f64::NEG_INFINITY, f64::INFINITY),
                    };
                    (lo.data_mut()[at], hi.data_mut()[at]) = (low, high);
                }
                if face.pieces == Pieces::Unknown && face.entries.is_empty() {
                    lo.data_mut().fill(f64::NEG_INFINITY);
                    hi.data_mut().fill(f64::INFINITY);
                }
            }
            Boxes::new(lo, hi)
        };
        self.residual.ties.iter().map(of).collect()
    }

    /// Lower and upper bounds of each entry over the set: by the support function where it is exact and the entries are
    /// few, else by intervals.
    pub fn bounds(&mut self) -> (Vec<f64>, Vec<f64>) {
        const FEW: usize = 256;
        let n = self.residual.dimension;
        if self.exact && n <= FEW {
            let (mut low, mut high) = (vec![0.0; n], vec![0.0; n]);
            let mut d = vec![0.0; n];
            for k in 0..n {
                d[k] = 1.0;
                high[k] = self.maximize(&d).0[k];
                d[k] = -1.0;
                low[k] = self.maximize(&d).0[k];
                d[k] = 0.0;
            }
            return (low, high);
        }
        self.interval_bounds()
    }

    /// The bounds of an interval execution of the residual, rounded outward; infinite where that fails.
    pub fn interval_bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.residual.dimension;
        let enclosed = self.boxes().and_then(|b| enclose(&self.residual.program, &b, Arithmetic::Derivative));
        match enclosed {
            Ok(all) => {
                let flat = |f: fn(&Boxes) -> &Tensor| all.iter().flat_map(|b| f(b).data().to_vec()).collect();
                (flat(Boxes::lo), flat(Boxes::hi))
            }
            Err(_) => (vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n]),
        }
    }
}

/// Whether a slope tells the pieces of a face apart.
fn differs(residual: &Residual, id: FaceId, slope: &Tensor) -> bool {
    let face = residual.face(id);
    let entries = || face.entries.iter().map(|&at| slope.data()[at]);
    match &face.pieces {
        // The weights of a simplex have sum 1: what is the same for all entries tells nothing.
        Pieces::Simplex => entries().any(|x| x != slope.data()[face.entries[0]]),
        _ => entries().any(|x| x != 0.0),
    }
}

/// Which piece of a coded face stands in a value.
fn piece_at(residual: &Residual, id: FaceId, value: &Tensor) -> Option<usize> {
    let face = residual.face(id);
    let Pieces::List(all) = &face.pieces else { return None };
    all.iter().position(|p| std::iter::zip(&face.entries, &p.values).all(|(&at, x)| value.data()[at] == *x))
}

impl Body for Image {
    type Atom = Atom;

    fn dimension(&self) -> usize {
        self.residual.dimension
    }

    fn maximize(&mut self, d: &[f64]) -> (Vec<f64>, Atom) {
        match std::mem::replace(&mut self.form, Form::Search) {
            Form::Leaves { leaves, bodies, all } => {
                let mut best: Option<(f64, Vec<f64>, Atom)> = None;
                for (k, leaf) in leaves.iter().enumerate() {
                    let (point, atom) = match bodies {
                        true => {
                            let (point, values) = self.at_bodies(leaf, d);
                            (point, Atom::Values(values))
                        }
                        false => (leaf.point.clone(), Atom::Leaf(k)),
                    };
                    let value = dot(d, &point);
                    if best.as_ref().is_none_or(|(b, ..)| value > *b) {
                        best = Some((value, point, atom));
                    }
                }
                self.form = Form::Leaves { leaves, bodies, all };
                let (_, point, atom) = best.expect("there is always a leaf");
                (point, atom)
            }
            Form::Flat { coded } => {
                let mut values = self.residual.base();
                let g = self.slope(&values, d);
                for (tie, g) in g.iter().enumerate() {
                    self.residual.maximize(tie, g, &mut values[tie]);
                }
                for (id, differences) in &coded {
                    let gain = |k: &usize| dot(d, &differences[*k]);
                    let best = (0..differences.len()).max_by(|i, j| gain(i).total_cmp(&gain(j)));
                    best.into_iter().for_each(|piece| self.residual.write(*id, piece, &mut values));
                }
                self.form = Form::Flat { coded };
                (self.eval(&values), Atom::Values(Rc::new(values)))
            }
            Form::Search => {
                const STARTS: usize = 4;
                let starts: Vec<Values> =
                    std::iter::once(self.residual.base()).chain((1..STARTS).map(|_| self.scattered())).collect();
                let found = starts.into_iter().map(|start| self.ascend(start, d)).collect::<Vec<_>>();
                let best = found.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are starts");
                (best.0, Atom::Values(Rc::new(best.2)))
            }
        }
    }

    fn upper(&mut self, d: &[f64]) -> f64 {
        if self.exact {
            let (point, _) = self.maximize(d);
            return dot(d, &point);
        }
        let (low, high) = self.interval_bounds();
        let term = |k: usize| match d[k] {
            0.0 => 0.0,
            x if x > 0.0 => x * high[k],
            x => x * low[k],
        };
        (0..d.len()).map(term).sum()
    }
}
