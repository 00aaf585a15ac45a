//! Strata: where the same pieces of a program are active, and the kinks between them.

use super::At;
use crate::derive::{linearize_with, unroll};
use crate::error::Result;
use crate::program::tie::Site;
use crate::program::{Kind, Program};
use crate::run::{Interpreter, Monitor, check_inputs};
use crate::tensor::Tensor;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A program prepared to tell the branch pattern at many points.
#[derive(Debug, Clone)]
pub struct Strata {
    original: Program,
    /// The outputs of the program, then the values of its ties.
    program: Program,
    outputs: usize,
    tangents: Vec<Tensor>,
}

/// A change of the branch pattern along a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kink {
    /// Where: the point is origin + at · direction.
    pub at: f64,
    /// Within which absolute distance the ties there are met: 0 where they are met exactly. Where the crossing is between
    /// two neighbouring numbers, `at` is one of them, and the distance is what [`super::SetOptions::tolerance`] needs.
    pub tolerance: f64,
}

/// Ties at a crossing are looked for within distances up to this; where none is met, a condition switches.
const FARTHEST: f64 = 1e-6;

impl Program {
    /// This program prepared to tell the branch pattern at many points.
    ///
    /// Errors: an operator without derivative.
    pub fn strata(&self) -> Result<Strata> {
        let program = unroll(self)?.prune();
        Strata::new(self, &program)
    }
}

impl Strata {
    fn new(original: &Program, unrolled: &Program) -> Result<Strata> {
        let linear = linearize_with(unrolled, &[])?;
        let is_tie =
            |k: &usize| matches!(&linear.program.nodes()[*k].kind, Kind::Apply { op, .. } if op.tie().is_some());
        let values = &linear.program.outputs()[..unrolled.outputs().len()];
        let ties = (0..linear.program.nodes().len()).filter(is_tie);
        let watched: Vec<usize> = values.iter().copied().chain(ties).collect();
        let program = linear.program.with_outputs(&watched);
        let tangents = linear.tangents.iter().map(|&k| Tensor::full(&program.inputs()[k].shape, 0.0)).collect();
        Ok(Strata { original: original.clone(), program, outputs: values.len(), tangents })
    }

    /// A number for the branch pattern at a point: equal where the same pieces are active and the same ties met, and, but
    /// for a collision of hashes, nowhere else; None where an output is not finite. Ties whose value turns with the
    /// argument (norms, eigenvectors) count as met or not.
    ///
    /// Errors: the number or shapes of the point's arrays. Stable within one version of the library.
    pub fn signature(&self, point: &[Tensor]) -> Result<Option<u64>> {
        Ok(self.pattern(point)?.map(|(signature, _)| signature))
    }

    /// The signature, and whether a tie is met.
    fn pattern(&self, point: &[Tensor]) -> Result<Option<(u64, bool)>> {
        check_inputs(&self.original, point)?;
        let mut inputs = point.to_vec();
        inputs.extend(self.tangents.iter().cloned());
        let mut monitor = Pattern { hash: DefaultHasher::new(), met: false };
        let values = Interpreter::new(&self.program).run(&inputs, &mut monitor)?;
        let finite = values[..self.outputs].iter().all(|v| v.first_not_finite().is_none());
        Ok(finite.then(|| (monitor.hash.finish(), monitor.met)))
    }

    /// The kinks on a line: where on `origin + t · direction`, t from the first to the second end of `range`, the branch
    /// pattern changes, in increasing order.
    ///
    /// Patterns are compared at `samples` + 1 equally distant points and at t = `also`; each change between neighbours is
    /// bisected to the last bit. Two changes between neighbours that cancel, and ties that are only touched there, are
    /// not seen. Errors: the number or shapes of the arrays; those of [`Program::at`] but for values that are not finite.
    /// Cost: `samples` slow runs, and some 60 for each kink.
    ///
    /// ```
    /// let f = clarke::parse("abs(x) + relu(3*x - 1)", &[("x", &[])])?;
    /// let (zero, one) = ([0.0.into()], [1.0.into()]);
    /// let kinks = f.strata()?.kinks(&zero, &one, (-1.0, 1.0), 64, 0.0)?;
    /// assert_eq!(kinks.len(), 2);
    /// assert_eq!((kinks[0].at, kinks[0].tolerance), (0.0, 0.0));
    /// assert!((kinks[1].at - 1.0 / 3.0).abs() < 1e-15 && kinks[1].tolerance < 1e-14);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn kinks(
        &self,
        origin: &[Tensor],
        direction: &[Tensor],
        range: (f64, f64),
        samples: usize,
        also: f64,
    ) -> Result<Vec<Kink>> {
        check_inputs(&self.original, origin)?;
        check_inputs(&self.original, direction)?;
        let line = Line { origin, direction };
        let (low, high) = range;
        let step = |k: usize| low + (high - low) * (k as f64 / samples as f64);
        let mut ts: Vec<f64> = (0..=samples).map(step).chain([also]).filter(|t| (low..=high).contains(t)).collect();
        ts.sort_by(f64::total_cmp);
        ts.dedup();
        let mut kinks: Vec<Kink> = vec![];
        let mut last: Option<(f64, (u64, bool))> = None;
        for t in ts {
            let Some(here) = self.pattern(&line.at(t))? else {
                last = None;
                continue;
            };
            let alone = kinks.last().is_none_or(|k| k.at != t);
            if let Some((before, pattern)) = last
                && pattern.0 != here.0
                && !pattern.1
                && !here.1
            {
                kinks.extend(self.between(&line, (before, pattern), (t, here))?);
            }
            // Along a stretch on which a tie is met everywhere there is no kink but at its ends.
            let stretch = last.is_some_and(|(_, pattern)| pattern == here);
            if here.1 && alone && !stretch {
                kinks.push(Kink { at: t, tolerance: 0.0 });
            }
            last = Some((t, here));
        }
        Ok(kinks)
    }

    /// Bisects a change of the pattern, and on the way all that the halves disclose.
    fn between(&self, line: &Line, low: (f64, (u64, bool)), high: (f64, (u64, bool))) -> Result<Vec<Kink>> {
        let middle = low.0 + (high.0 - low.0) / 2.0;
        if middle <= low.0 || middle >= high.0 {
            return Ok(self
                .tolerance(line, low.0)?
                .map(|tolerance| Kink { at: low.0, tolerance })
                .into_iter()
                .collect());
        }
        let Some(here) = self.pattern(&line.at(middle))? else { return Ok(vec![]) };
        let mut kinks = vec![];
        if here.0 != low.1.0 && !here.1 {
            kinks.extend(self.between(line, low, (middle, here))?);
        }
        if here.1 {
            kinks.push(Kink { at: middle, tolerance: 0.0 });
        } else if here.0 != high.1.0 {
            kinks.extend(self.between(line, (middle, here), high)?);
        }
        Ok(kinks)
    }

    /// The least distance, up to a factor of 2, within which a tie is met next to a crossing.
    fn tolerance(&self, line: &Line, t: f64) -> Result<Option<f64>> {
        let at = self.original.at(&line.at(t))?;
        let mut tolerance = f64::EPSILON / 4.0;
        while tolerance < FARTHEST {
            if !at.ties(tolerance)?.is_empty() {
                return Ok(Some(2.0 * tolerance));
            }
            tolerance *= 2.0;
        }
        Ok(None)
    }
}

/// A line in the space of the inputs.
struct Line<'a> {
    origin: &'a [Tensor],
    direction: &'a [Tensor],
}

impl Line<'_> {
    fn at(&self, t: f64) -> Vec<Tensor> {
        let move_by = |(x, d): (&Tensor, &Tensor)| Tensor::from_fn(x.shape(), |i| x.data()[i] + t * d.data()[i]);
        std::iter::zip(self.origin, self.direction).map(move_by).collect()
    }
}

impl At {
    /// A number for the branch pattern at the point: see [`Strata::signature`], which tells it at many points.
    ///
    /// Errors: an operator without derivative. Stable within one version of the library.
    pub fn signature(&self) -> Result<u64> {
        let strata = Strata::new(&self.program, &self.program)?;
        Ok(strata.signature(&self.point)?.expect("the values at the point are finite"))
    }
}

/// Hashes the pieces that are active.
struct Pattern {
    hash: DefaultHasher,
    met: bool,
}

impl Monitor for Pattern {
    fn decide(&mut self, site: &Arc<Site>, u: &Tensor, value: &mut Tensor) {
        let Some(tie) = site.tie.tie() else { return };
        (site.node, site.number).hash(&mut self.hash);
        for met in tie.met(u, 0.0) {
            self.met = true;
            (met.index, met.pieces).hash(&mut self.hash);
        }
        if tie.names_piece() {
            value.data().iter().for_each(|x| (x + 0.0).to_bits().hash(&mut self.hash));
        }
    }
}
