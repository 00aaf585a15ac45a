//! Artifacts: gradients of the program that are none of the function, and how a gradient depends on what is chosen.

use super::image::SetOptions;
use super::set_at::{Containment, Element, Known, SetAt};
use super::vector::{flat, minus, norm};
use super::{At, Policy};
use crate::error::Result;
use crate::program::Program;
use crate::run::Compiled;
use crate::tensor::Tensor;

/// How far a gradient may be from a set, relative to the largest norm, and still count as in it.
const NEAR: f64 = 1e-10;

/// How the gradient at a point depends on the convention.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependence {
    /// The gradients under the presets, by name.
    pub presets: Vec<(String, Element)>,
    /// The least and largest value of each entry over the presets.
    pub over_presets: (Element, Element),
    /// The least and largest value of each entry over all choices: bounds of the conservative gradient.
    pub over_choices: (Element, Element),
}

/// How much gradients differ under two policies at one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// max |g₀ − g₁| over all entries, absolute; 0 exactly where the gradients are equal bit for bit.
    pub largest: f64,
    /// ‖g₀ − g₁‖₂, absolute.
    pub norm: f64,
    /// ‖g₀‖₂.
    pub size: f64,
}

impl At {
    /// Whether a gradient is an artifact of the formula: outside of the Clarke subdifferential by more than 10⁻¹⁰ relative
    /// to the largest norm. None if the set is not known well enough to tell.
    ///
    /// Errors: the number or shapes of the gradient's arrays.
    pub fn is_artifact(&self, gradient: &[Tensor], clarke: &mut SetAt) -> Result<Option<bool>> {
        Ok(match (clarke.contains(gradient, NEAR)?, clarke.known()) {
            (Containment::Inside(_), Known::Exact | Known::Inner) => Some(false),
            (Containment::Outside { .. }, Known::Exact | Known::Outer) => Some(true),
            _ => None,
        })
    }

    /// How the gradient of a scalar program depends on the convention: under each preset, and over all choices.
    ///
    /// Errors: those of [`At::gradient`].
    pub fn dependence(&self, options: &SetOptions) -> Result<Dependence> {
        self.dependence_within(&mut self.conservative(options)?)
    }

    /// The same where the conservative gradient at this point is at hand.
    ///
    /// Errors: those of [`At::gradient`]. Cost: a gradient a preset.
    pub fn dependence_within(&self, conservative: &mut SetAt) -> Result<Dependence> {
        let policies = [Policy::min_norm(), Policy::pytorch(), Policy::jax(), Policy::tensorflow()];
        let mut presets = vec![];
        for policy in policies {
            presets.push((policy.to_string(), self.gradient(&policy)?));
        }
        let fold = |pick: fn(f64, f64) -> f64| -> Element {
            let mut all = presets.iter().map(|(_, g)| g);
            let first = all.next().cloned().unwrap_or_default();
            all.fold(first, |acc, g| {
                let join = |(a, b): (&Tensor, &Tensor)| Tensor::from_fn(a.shape(), |i| pick(a.data()[i], b.data()[i]));
                std::iter::zip(&acc, g).map(join).collect()
            })
        };
        let over_presets = (fold(f64::min), fold(f64::max));
        Ok(Dependence { over_presets, over_choices: conservative.bounds(), presets })
    }
}

impl Program {
    /// How much the gradient of a scalar program differs between two policies, sample by sample: the inputs of each
    /// sample in order, selections excepted. For the derivative of relu at 0 compare `step=0` with `step=1`.
    ///
    /// The gradient is compiled once for each policy where these are fixed (all but `random` and `along`); the values are
    /// the same, only what is chosen at exact ties differs (Bertoin, Bolte, Gerchinovitz, Pauwels 2021).
    /// Errors: those of [`Program::gradient`]; the number or a shape of a sample's arrays.
    ///
    /// ```
    /// use clarke::{Policy, Program};
    /// let loss = Program::trace(&[&[2], &[2]], |v| (v[0] * v[1]).sum().relu())?.varying(&["x0"])?;
    /// let samples = [[[1.0, 1.0].into(), [1.0, 2.0].into()], [[1.0, 1.0].into(), [1.0, -1.0].into()]];
    /// let differ = loss.sensitivity(&samples, &Policy::Step(0.0), &Policy::Step(1.0))?;
    /// assert_eq!(differ.iter().map(|d| d.largest).collect::<Vec<_>>(), [0.0, 1.0]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn sensitivity<S: AsRef<[Tensor]>>(&self, samples: &[S], a: &Policy, b: &Policy) -> Result<Vec<Difference>> {
        let gradient = self.gradient()?;
        let compile = |policy: &Policy| -> Option<Compiled<f64>> {
            let fill = |site: &crate::program::tie::Site| policy.choice(site).map_or(0.0, |c| c.selection);
            policy.is_fixed().then(|| gradient.compile_with::<f64>(&fill))
        };
        let compiled = [compile(a), compile(b)];
        let mut all = vec![];
        for sample in samples {
            let under = |k: usize, policy: &Policy| match &compiled[k] {
                Some(compiled) => compiled.call(sample.as_ref()),
                None => self.at(sample.as_ref())?.gradient(policy),
            };
            all.push(difference(&under(0, a)?, &under(1, b)?));
        }
        Ok(all)
    }
}

fn difference(a: &[Tensor], b: &[Tensor]) -> Difference {
    let (a, b) = (flat(a), flat(b));
    let apart = minus(&a, &b);
    Difference { largest: apart.iter().fold(0.0, |m: f64, x| m.max(x.abs())), norm: norm(&apart), size: norm(&a) }
}
