//! The derivative of a program at a point as a function of what its ties take: B_x of the design, as a program.
//!
//! Everything that no tie moves is evaluated once and becomes a constant; the value of every tie with a face becomes an
//! input. What is left, the *residual*, is affine in each of them, and questions about sets are questions about it.

use super::partial::{Given, Image, Pass};
use crate::error::Result;
use crate::program::tie::{Face, Pieces, Site, Tie};
use crate::program::{Builder, Program, Role, Var};
use crate::run::{Compiled, Workspace, apply};
use crate::tensor::{Tensor, size};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// A tie whose set at the point is no single value.
#[derive(Debug, Clone)]
pub(super) struct TieAt {
    /// Who wrote it, and where.
    pub site: Arc<Site>,
    /// Its argument, exactly tied where it counts as tied.
    pub u: Tensor,
    /// Its value under the default convention: what stands outside of its faces.
    pub base: Tensor,
    /// Its sets.
    pub faces: Vec<Face>,
    /// Whether the derivative is affine in the value.
    pub affine: bool,
}

impl TieAt {
    fn op(&self) -> &dyn Tie {
        self.site.tie.tie().expect("a site is the site of a tie")
    }

    /// Whether a set is known by its linear maximization alone.
    pub fn has_bodies(&self) -> bool {
        self.faces.iter().any(|f| matches!(f.pieces, Pieces::Body { .. }))
    }
}

/// Values of all ties, in order: a choice at a point.
pub(super) type Values = Vec<Tensor>;

/// A face by the number of its tie and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FaceId {
    pub tie: usize,
    pub face: usize,
}

/// A program (t, …) ↦ (derivative, …) over the values of ties, compiled.
pub(super) struct Residual {
    pub ties: Vec<TieAt>,
    /// Over the ties' values in order, and nothing else.
    pub program: Program,
    /// How many numbers the outputs hold together.
    pub dimension: usize,
    compiled: Compiled<f64>,
    workspace: Workspace<f64>,
    slope: Option<(Compiled<f64>, Workspace<f64>)>,
    /// Whether a tie was met that could not be snapped, or a tie's argument depends on another tie.
    pub partial: bool,
}

impl Residual {
    /// The residual of a derivative program at the values of its inputs that are no selections; ties within the tolerance
    /// count as met.
    pub fn new(derivative: &Program, point: &[Tensor], tolerance: f64) -> Result<Residual> {
        let mut given = point.iter();
        let builder = Builder::merging();
        let inputs = derivative.inputs().iter().map(|input| match &input.role {
            Role::Selection(_) => Given::Number(input.default_selection()),
            _ => Given::Number(given.next().expect("the point was checked against the program").clone()),
        });
        let (ties, partial) = (RefCell::new(vec![]), Cell::new(false));
        let collect = |tie: &dyn Tie, site: Arc<Site>, u: &Tensor, s: &Tensor, shape: &[usize]| {
            let base = apply(&site.tie, &[u, s], shape);
            let (faces, affine) = (tie.faces(u), tie.is_affine());
            if faces.is_empty() {
                return Image::Number(base);
            }
            let mut ties = ties.borrow_mut();
            partial.set(partial.get() || faces.iter().any(|f| f.pieces == Pieces::Unknown));
            let role = if affine { Role::Argument } else { Role::Data };
            let var = builder.input(&format!("t{}", ties.len()), shape, role);
            ties.push(TieAt { site, u: u.clone(), base, faces, affine });
            Image::Node(var)
        };
        let pass = Pass::run(derivative, &builder, inputs.collect(), tolerance, &collect);
        let outputs: Vec<Var<'_>> = derivative.outputs().iter().map(|&k| pass.var(k)).collect();
        let program = builder.finish(&outputs)?;
        let partial = partial.get() || pass.partial;
        let ties = ties.take();
        let dimension = program.output_shapes().iter().map(|s| size(s)).sum();
        let compiled = program.compile_with::<f64>(&|_| 0.0);
        let workspace = compiled.workspace();
        let slope = match ties.iter().any(|t| t.affine) {
            true => {
                let compiled = slope_of(&program)?.compile_with::<f64>(&|_| 0.0);
                Some((compiled.clone(), compiled.workspace()))
            }
            false => None,
        };
        Ok(Residual { ties, program, dimension, compiled, workspace, slope, partial })
    }

    /// The derivative under these values, all outputs one after another.
    pub fn eval(&mut self, values: &[Tensor]) -> Vec<f64> {
        let mut flat = vec![0.0; self.dimension];
        let inputs: Vec<&[f64]> = values.iter().map(Tensor::data).collect();
        let mut outputs = vec![];
        let mut rest = flat.as_mut_slice();
        for shape in self.compiled.outputs() {
            let (head, tail) = rest.split_at_mut(size(shape));
            outputs.push(head);
            rest = tail;
        }
        self.compiled.run(&mut self.workspace, &inputs, &mut outputs);
        // The sign of a zero carries nothing here, and −0 would print.
        flat.iter_mut().for_each(|x| *x += 0.0);
        flat
    }

    /// The derivative of ⟨w, derivative⟩ in the value of each tie, 0 for those in which it is not affine.
    pub fn slope(&mut self, values: &[Tensor], w: &[f64]) -> Values {
        let mut out: Values = self.ties.iter().map(|t| Tensor::full(t.base.shape(), 0.0)).collect();
        let Some((compiled, workspace)) = &mut self.slope else { return out };
        let mut inputs: Vec<&[f64]> = values.iter().map(Tensor::data).collect();
        let mut at = 0;
        for shape in self.program.output_shapes() {
            inputs.push(&w[at..at + size(shape)]);
            at += size(shape);
        }
        let affine = std::iter::zip(&mut out, &self.ties).filter(|(_, t)| t.affine);
        let mut outputs: Vec<&mut [f64]> = affine.map(|(o, _)| o.data_mut()).collect();
        compiled.run(workspace, &inputs, &mut outputs);
        out
    }

    /// The values under the default convention.
    pub fn base(&self) -> Values {
        self.ties.iter().map(|t| t.base.clone()).collect()
    }

    /// All faces, in the order of the program.
    pub fn faces(&self) -> Vec<FaceId> {
        let of = |(tie, t): (usize, &TieAt)| (0..t.faces.len()).map(move |face| FaceId { tie, face });
        self.ties.iter().enumerate().flat_map(of).collect()
    }

    pub fn face(&self, id: FaceId) -> &Face {
        &self.ties[id.tie].faces[id.face]
    }

    /// Writes a piece of a face into the values.
    pub fn write(&self, id: FaceId, piece: usize, values: &mut [Tensor]) {
        self.face(id).write(piece, values[id.tie].data_mut());
    }

    /// Moves every face to a point of its set's relative interior, those of lists to a random piece.
    pub fn scatter(&self, values: &mut [Tensor], rng: &mut ChaCha8Rng) {
        for (tie, value) in std::iter::zip(&self.ties, values) {
            let mut bodies: Option<Tensor> = None;
            for face in &tie.faces {
                match &face.pieces {
                    Pieces::Segment => value.data_mut()[face.entries[0]] = 0.1 + 0.8 * rng.random::<f64>(),
                    Pieces::Simplex => {
                        let weights: Vec<f64> = face.entries.iter().map(|_| 0.1 + rng.random::<f64>()).collect();
                        let sum: f64 = weights.iter().sum();
                        std::iter::zip(&face.entries, weights).for_each(|(&at, w)| value.data_mut()[at] = w / sum);
                    }
                    Pieces::List(all) if tie.affine => {
                        let weights: Vec<f64> = all.iter().map(|_| 0.1 + rng.random::<f64>()).collect();
                        let sum: f64 = weights.iter().sum();
                        for (k, &at) in face.entries.iter().enumerate() {
                            let mixed = std::iter::zip(all, &weights).map(|(p, w)| w * p.values[k]).sum::<f64>();
                            value.data_mut()[at] = mixed / sum;
                        }
                    }
                    Pieces::List(all) => face.write(rng.random_range(0..all.len()), value.data_mut()),
                    Pieces::Body { .. } => {
                        let drawn = bodies.get_or_insert_with(|| {
                            let s = tie.op().random(&tie.u, &mut || rng.random::<f64>());
                            apply(&tie.site.tie, &[&tie.u, &s], tie.base.shape())
                        });
                        face.entries.iter().for_each(|&at| value.data_mut()[at] = drawn.data()[at]);
                    }
                    Pieces::Unknown => {}
                }
            }
        }
    }

    /// The value at one tie that maximizes ⟨g, value⟩ over all of its faces together, written over `value`; faces of
    /// which nothing is known, or in which the derivative is not affine, stay as they are.
    pub fn maximize(&self, tie: usize, g: &Tensor, value: &mut Tensor) {
        let tie = &self.ties[tie];
        if !tie.affine {
            return;
        }
        let bodies = if tie.has_bodies() { tie.op().maximize(&tie.u, g) } else { None };
        for face in &tie.faces {
            match (&face.pieces, &bodies) {
                (Pieces::Segment, _) => {
                    let at = face.entries[0];
                    value.data_mut()[at] = f64::from(g.data()[at] > 0.0);
                }
                (Pieces::Simplex | Pieces::List(_), _) => {
                    let gain = |k: usize| gain(face, k, g);
                    let best = (0..face.count().unwrap_or(0)).max_by(|&i, &j| gain(i).total_cmp(&gain(j)));
                    best.into_iter().for_each(|k| face.write(k, value.data_mut()));
                }
                (Pieces::Body { .. }, Some(best)) => {
                    face.entries.iter().for_each(|&at| value.data_mut()[at] = best.data()[at]);
                }
                (Pieces::Body { .. } | Pieces::Unknown, _) => {}
            }
        }
    }
}

/// ⟨g, k-th piece⟩ over the entries of a face.
fn gain(face: &Face, k: usize, g: &Tensor) -> f64 {
    match &face.pieces {
        Pieces::Segment => k as f64 * g.data()[face.entries[0]],
        Pieces::Simplex => g.data()[face.entries[k]],
        Pieces::List(all) => std::iter::zip(&face.entries, &all[k].values).map(|(&at, x)| x * g.data()[at]).sum(),
        Pieces::Body { .. } | Pieces::Unknown => 0.0,
    }
}

/// (t, …, w, …) ↦ the gradient of Σ ⟨w, output⟩ in those t that are arguments.
fn slope_of(program: &Program) -> Result<Program> {
    let builder = Builder::merging();
    let values: Vec<Var<'_>> =
        program.inputs().iter().map(|i| builder.input(&i.name, &i.shape, i.role.clone())).collect();
    let outputs = builder.inline(program, &values);
    let mut sum: Option<Var<'_>> = None;
    for (k, out) in outputs.into_iter().enumerate() {
        let term = (builder.input(&format!("w{k}"), &out.shape(), Role::Data) * out).sum_to(&[]);
        sum = Some(sum.map_or(term, |before| before + term));
    }
    let sum = sum.unwrap_or_else(|| builder.constant(0.0));
    builder.finish(&[sum])?.gradient()
}
