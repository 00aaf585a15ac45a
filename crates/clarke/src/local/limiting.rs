//! Limiting gradients: which choices at the ties some open cone of directions realizes.
//!
//! A choice is realized if the tangents of the ties' arguments, linear forms of the direction while the earlier ties are
//! held, have the signs that the choice asks for on a common direction: a strict linear feasibility problem. The search
//! goes through the ties in the order of the program and keeps a witness, so that a linear program is solved only where
//! the witness does not already decide.

use super::image::Image;
use super::residual::{FaceId, Values};
use super::set_at::{Witness, chosen};
use super::tangents::{Rows, Tangents};
use super::vector::dot;
use crate::error::Result;
use crate::set::{Cone, open_cone};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::rc::Rc;

/// A choice that directions realize.
#[derive(Debug, Clone)]
pub(super) struct Realized {
    /// The choices, with a direction in the open cone that realizes them.
    pub witness: Witness,
    /// The derivative under it.
    pub point: Vec<f64>,
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Limiting {
    pub realized: Vec<Realized>,
    /// Whether nothing is missing from the first-order model.
    pub complete: bool,
    /// Whether the tied differences were jointly surjective at every choice found.
    pub surjective: bool,
    /// Whether a condition was met that its first-order model does not decide, so that both of its values were taken.
    pub undecided: bool,
}

/// How many faces a search looks at: it goes as deep as there are faces.
const DEEPEST: usize = 400;

/// All derivatives of the first-order model. With the leaves of the image written out, each of them is tried; else all
/// choices that are realized are.
pub(super) fn limiting(image: &mut Image, tangents: &mut Tangents, leaves: &[super::image::Leaf]) -> Result<Limiting> {
    let faces: Vec<FaceId> =
        image.residual.faces().into_iter().filter(|id| image.residual.face(*id).count().is_some()).collect();
    let mut found = Limiting { surjective: true, ..Limiting::default() };
    if faces.len() > DEEPEST {
        return Ok(found);
    }
    let mut search = Search::new(image, tangents, faces);
    if leaves.is_empty() {
        search.only_first = false;
        let flow = search.go(0, None)?;
        found.complete = flow == Flow::On;
    } else {
        found.complete = true;
        let mut known: Vec<&[f64]> = vec![];
        for leaf in leaves {
            if known.contains(&leaf.point.as_slice()) {
                continue;
            }
            search.fixed = leaf.choice.iter().copied().collect();
            search.begin();
            let before = search.found.len();
            let flow = search.go(0, None)?;
            found.complete &= flow != Flow::OutOfBudget;
            if search.found.len() > before {
                search.found[before].point = leaf.point.clone();
                known.push(&leaf.point);
            }
        }
    }
    found.surjective = search.surjective;
    found.undecided = search.undecided;
    found.complete &= !search.unknown;
    found.realized = search.found;
    Ok(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Found,
    OutOfBudget,
}

struct Search<'a> {
    image: &'a mut Image,
    tangents: &'a mut Tangents,
    faces: Vec<FaceId>,
    fixed: HashMap<FaceId, usize>,
    /// Stop at the first realized choice.
    only_first: bool,
    values: Values,
    cone: Vec<Vec<f64>>,
    witness: Vec<f64>,
    rng: ChaCha8Rng,
    /// How many entries of linear programs may still be looked at.
    budget: usize,
    found: Vec<Realized>,
    surjective: bool,
    undecided: bool,
    unknown: bool,
    once: Option<Rc<Rows>>,
    /// The rows that the faces so far ask to be independent.
    differences: Vec<Vec<f64>>,
    wanted: usize,
}

/// How many entries the linear programs of one question may hold together: some thousands of small ones, or some hundreds
/// of those of a hundred variables and a hundred ties.
const ENTRIES: usize = 10_000_000;

impl<'a> Search<'a> {
    fn new(image: &'a mut Image, tangents: &'a mut Tangents, faces: Vec<FaceId>) -> Search<'a> {
        let values = image.residual.base();
        let mut search = Search {
            image,
            tangents,
            faces,
            fixed: HashMap::new(),
            only_first: true,
            values,
            cone: vec![],
            witness: vec![],
            rng: ChaCha8Rng::seed_from_u64(1),
            budget: ENTRIES,
            found: vec![],
            surjective: true,
            undecided: false,
            unknown: false,
            once: None,
            differences: vec![],
            wanted: 0,
        };
        search.begin();
        search
    }

    fn begin(&mut self) {
        self.values = self.image.residual.base();
        self.cone.clear();
        self.differences.clear();
        self.wanted = 0;
        self.witness = (0..self.tangents.dimension).map(|_| 2.0 * self.rng.random::<f64>() - 1.0).collect();
    }

    /// Goes on from the k-th face, with the rows of its tie if they are known.
    fn go(&mut self, k: usize, rows: Option<Rc<Rows>>) -> Result<Flow> {
        let Some(&id) = self.faces.get(k) else {
            self.arrive();
            return Ok(if self.only_first { Flow::Found } else { Flow::On });
        };
        let rows = match rows {
            Some(rows) => rows,
            None => self.rows(),
        };
        let same_tie = self.faces.get(k + 1).is_some_and(|next| next.tie == id.tie);
        let pieces = self.pieces(id, &rows);
        let marked = (self.differences.len(), self.wanted);
        self.differ(id, &rows);
        for (piece, forms) in pieces {
            let before = (self.cone.len(), self.witness.clone());
            if !self.enter(forms)? {
                if self.budget == 0 {
                    return Ok(Flow::OutOfBudget);
                }
                continue;
            }
            let kept = self.values[id.tie].clone();
            self.image.residual.write(id, piece, &mut self.values);
            let flow = self.go(k + 1, same_tie.then(|| rows.clone()))?;
            self.values[id.tie] = kept;
            self.cone.truncate(before.0);
            self.witness = before.1;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        self.differences.truncate(marked.0);
        self.wanted = marked.1;
        Ok(Flow::On)
    }

    fn rows(&mut self) -> Rc<Rows> {
        if let Some(rows) = &self.once {
            return rows.clone();
        }
        let rows = Rc::new(self.tangents.rows(&self.values));
        if self.tangents.flat {
            self.once = Some(rows.clone());
        }
        rows
    }

    /// The pieces to try, each with the forms that it asks to be positive, none twice; what the witness realizes first.
    fn pieces(&mut self, id: FaceId, rows: &Rows) -> Vec<(usize, Vec<Vec<f64>>)> {
        let face = self.image.residual.face(id);
        let guard = self.image.residual.ties[id.tie].site.owner.boundary().is_some();
        let mut all: Vec<(usize, Vec<Vec<f64>>)> = vec![];
        for piece in 0..face.count().unwrap_or(0) {
            if self.fixed.get(&id).is_some_and(|own| *own != piece) {
                continue;
            }
            let Some(forms) = face.forms(piece) else {
                self.unknown = true;
                all.push((piece, vec![]));
                continue;
            };
            let pulled: Vec<Vec<f64>> = forms.iter().filter_map(|form| rows.pull(id.tie, form)).collect();
            let equal = pulled.len() < forms.len();
            self.undecided |= equal && guard;
            // Pieces that ask for the same are told apart by nothing, and give the same derivative.
            if guard || !all.iter().any(|(_, own)| same(own, &pulled)) {
                all.push((piece, pulled));
            }
        }
        let realized = |forms: &Vec<Vec<f64>>| forms.iter().all(|f| dot(f, &self.witness) > 0.0);
        all.sort_by_key(|(_, forms)| !realized(forms));
        all
    }

    /// Adds forms to the cone, if it stays open.
    fn enter(&mut self, forms: Vec<Vec<f64>>) -> Result<bool> {
        let scale = self.witness.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let decided = forms.iter().all(|f| dot(f, &self.witness) > 1e-6 * scale);
        self.cone.extend(forms);
        if decided {
            return Ok(true);
        }
        if self.budget == 0 {
            return Ok(false);
        }
        self.budget = self.budget.saturating_sub(100 + self.cone.len() * self.witness.len());
        match open_cone(&self.cone)? {
            Cone::Open { direction, margin } => {
                // Moved a little, so that it decides the faces to come.
                let most = 0.5 * margin / direction.len() as f64;
                self.witness = direction.iter().map(|x| x + most * (2.0 * self.rng.random::<f64>() - 1.0)).collect();
                Ok(true)
            }
            Cone::Empty { .. } => Ok(false),
        }
    }

    /// The differences that the pieces of a face are told apart by, and how many of them are independent in its argument.
    fn differ(&mut self, id: FaceId, rows: &Rows) {
        let face = self.image.residual.face(id);
        let mut own: Vec<Vec<(usize, f64)>> = vec![];
        for piece in 0..face.count().unwrap_or(0) {
            own.extend(face.forms(piece).unwrap_or_default());
            // Those of a simplex all lie in the span of the first piece's.
            if matches!(face.pieces, crate::program::tie::Pieces::Simplex | crate::program::tie::Pieces::Segment) {
                break;
            }
        }
        let mut entries: Vec<usize> = own.iter().flatten().map(|(at, _)| *at).collect();
        entries.sort_unstable();
        entries.dedup();
        let dense = |form: &Vec<(usize, f64)>| {
            let mut row = vec![0.0; entries.len()];
            form.iter().for_each(|(at, c)| row[entries.binary_search(at).expect("collected above")] += c);
            row
        };
        self.wanted += rank(own.iter().map(dense).collect());
        self.differences.extend(own.iter().filter_map(|form| rows.pull(id.tie, form)));
    }

    fn arrive(&mut self) {
        self.surjective &= rank(self.differences.clone()) == self.wanted;
        let point = if self.only_first { vec![] } else { self.image.residual.eval(&self.values) };
        let chosen = chosen(&self.image.residual, &self.values, None);
        self.found.push(Realized { witness: Witness { chosen, direction: Some(self.witness.clone()) }, point });
    }
}

/// Whether two systems of forms are the same up to rounding and order.
fn same(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    let near = |x: &Vec<f64>, y: &Vec<f64>| std::iter::zip(x, y).all(|(x, y)| (x - y).abs() <= 1e-11);
    let within = |a: &[Vec<f64>], b: &[Vec<f64>]| a.iter().all(|x| b.iter().any(|y| near(x, y)));
    within(a, b) && within(b, a)
}

/// The rank of a few rows, by elimination with full pivoting; what is below 10⁻⁹ of the largest entry counts as 0.
fn rank(mut rows: Vec<Vec<f64>>) -> usize {
    let largest = |rows: &[Vec<f64>], from: usize| {
        let entries = rows.iter().enumerate().skip(from);
        entries
            .flat_map(|(i, row)| row.iter().enumerate().map(move |(j, x)| (x.abs(), i, j)))
            .max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let Some((scale, ..)) = largest(&rows, 0) else { return 0 };
    for done in 0..rows.len() {
        let Some((pivot, i, j)) = largest(&rows, done) else { return done };
        if pivot <= 1e-9 * scale || pivot == 0.0 {
            return done;
        }
        rows.swap(done, i);
        let (head, tail) = rows.split_at_mut(done + 1);
        let top = &head[done];
        for row in tail {
            let c = row[j] / top[j];
            std::iter::zip(row, top).for_each(|(x, t)| *x -= c * t);
        }
    }
    rows.len()
}

/// Whether the function is regular at the point or its negative is, so that the conservative set is the Clarke set: no
/// path carries two ties, their arguments depend on no tie, and each adds κ·σ(u̇) to the directional derivative, σ being
/// the support function of its set and all κ of one sign (Clarke 1990, Theorem 2.3.9).
pub(super) fn regular(image: &mut Image, tangents: &mut Tangents) -> bool {
    if !image.flat || !tangents.flat || image.residual.ties.iter().any(|t| !t.affine) {
        return false;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let base = image.residual.base();
    let n = image.residual.dimension;
    if n != tangents.dimension {
        return false;
    }
    let (mut positive, mut negative) = (true, true);
    for _ in 0..2 {
        let d: Vec<f64> = (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
        let (g, u) = (image.residual.slope(&base, &d), tangents.along(&base, &d));
        for id in image.residual.faces() {
            let face = image.residual.face(id);
            let of = |x: &[f64]| -> Vec<f64> {
                let own: Vec<f64> = face.entries.iter().map(|&at| x[at]).collect();
                // The weights of a simplex have sum 1: what is the same for all entries moves nothing.
                let simplex = matches!(face.pieces, crate::program::tie::Pieces::Simplex);
                let mean = if simplex { own.iter().sum::<f64>() / own.len() as f64 } else { 0.0 };
                own.iter().map(|x| x - mean).collect()
            };
            let (a, b) = (of(g[id.tie].data()), of(&u[id.tie]));
            let (aa, bb, ab) = (dot(&a, &a), dot(&b, &b), dot(&a, &b));
            if aa == 0.0 {
                continue;
            }
            let kappa = ab / bb;
            // Parallel, or this is no support function of the tie's own set.
            let rest: f64 = std::iter::zip(&a, &b).map(|(a, b)| (a - kappa * b) * (a - kappa * b)).sum();
            if bb == 0.0 || !rest.is_finite() || rest > 1e-18 * aa {
                return false;
            }
            positive &= kappa > 0.0;
            negative &= kappa < 0.0;
        }
    }
    positive || negative
}
