//! The two sets of a program at a point: the conservative one of the program as written, and Clarke's of the function.

use super::image::{Form, Image, Leaf, SetOptions};
use super::limiting::{Realized, limiting, regular};
use super::residual::Residual;
use super::set_at::{CRITICAL, Known, Layout, SetAt, Witness};
use super::tangents::Tangents;
use super::vector::{dot, flat, norm};
use super::{At, Policy, along, guard};
use crate::error::{Fault, Result};
use crate::program::Program;
use crate::program::class::Level;
use crate::run::Interpreter;
use crate::set::{Polytope, min_norm};
use crate::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Which derivative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Derivative {
    Gradient,
    Jacobian,
}

/// Both sets of a program at a point.
#[derive(Debug)]
pub struct Sets {
    /// The conservative set of the program as written: what backpropagation returns for all choices at the ties.
    pub conservative: SetAt,
    /// The Clarke subdifferential of the function.
    pub clarke: SetAt,
}

impl At {
    /// The conservative gradient D(x) of a scalar program as written: all vectors that backpropagation returns for all
    /// selections at the ties, of which every policy picks one. (For the set of the simplified program ask
    /// `program.simplify()` at the point.)
    ///
    /// Exact where the choices that matter are within `options.vertices`, or no path carries two ties; else `outer`:
    /// elements by ascent, bounds by intervals. `inner` if nothing is known of the set of some tie; `sampled` if a
    /// condition was met whose values were not proved to agree on its whole boundary. What depends on a tie is found at
    /// random selections, with probability 1.
    ///
    /// Errors: those of [`At::gradient`]. Cost: within the budget of the options.
    /// Source: Bolte, Pauwels 2021, Theorem 8.
    ///
    /// ```
    /// use clarke::{Known, Program, SetOptions};
    /// // The zero function, written with two ties.
    /// let f = Program::trace(&[&[]], |v| (-v[0]).relu() + v[0] - v[0].relu())?;
    /// let at = f.at(&[0.0.into()])?;
    /// let d = at.conservative(&SetOptions::default())?;
    /// assert_eq!(d.vertices().unwrap(), [[(-1.0).into()], [1.0.into()]]);
    /// let clarke = at.clarke(&SetOptions::default())?;
    /// assert_eq!((clarke.known(), clarke.vertices().unwrap()), (Known::Exact, vec![vec![0.0.into()]]));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    pub fn conservative(&self, options: &SetOptions) -> Result<SetAt> {
        self.conservative_of(Derivative::Gradient, options)
    }

    /// The conservative Jacobian of a program of one output: the same for all rows together.
    ///
    /// Errors: more than one output; those of [`At::gradient`].
    pub fn conservative_jacobian(&self, options: &SetOptions) -> Result<SetAt> {
        self.conservative_of(Derivative::Jacobian, options)
    }

    /// The Clarke subdifferential of a scalar program: the hull of all limits of gradients at nearby points of
    /// differentiability. It does not depend on how the function is written.
    ///
    /// The limiting gradients of the first-order model are enumerated, each with a direction that realizes it. They are
    /// all (`exact`) if the program is piecewise linear; if the tied differences are jointly surjective at every choice
    /// realized; or if the function or its negative is regular, when the set is the hull of the conservative one.
    /// Otherwise the set is `inner`; `outer` if a condition was met that its first-order model does not decide, both of
    /// whose values were then taken.
    ///
    /// Errors: those of [`At::gradient`]. Cost: within the budget of the options.
    /// Source: Clarke 1990, Theorem 2.5.1; Khan, Barton 2013; for regularity Clarke 1990, Theorem 2.3.9.
    pub fn clarke(&self, options: &SetOptions) -> Result<SetAt> {
        self.clarke_of(Derivative::Gradient, options)
    }

    /// The Clarke Jacobian of a program of one output: the hull of the limits of Jacobians.
    ///
    /// Errors: more than one output; those of [`At::gradient`].
    pub fn clarke_jacobian(&self, options: &SetOptions) -> Result<SetAt> {
        self.clarke_of(Derivative::Jacobian, options)
    }

    /// Both sets of a scalar program.
    ///
    /// Errors: those of [`At::gradient`].
    pub fn sets(&self, options: &SetOptions) -> Result<Sets> {
        let which = Derivative::Gradient;
        let (mut image, sound) = self.image(which, options)?;
        let clarke = match self.clarke_apart(which, &mut image, sound, options)? {
            Some(set) => set,
            None => self.conservative_of(which, options)?,
        };
        let (known, hypothesis) = label(&image, sound, options);
        Ok(Sets { conservative: SetAt::of_image(image, self.layout(which), known, hypothesis)?, clarke })
    }

    /// An element of the Clarke subdifferential of a scalar program, at the cost of a tangent and a gradient: that of the
    /// smooth piece next to the point in a random direction, and in further ones where that is degenerate.
    ///
    /// It is a limiting gradient with probability 1 if the program is path-differentiable and no condition is met that
    /// its first-order model does not decide. Errors: those of [`At::gradient`].
    /// Source: Kakade, Lee 2018; Khan, Barton 2013.
    pub fn clarke_element(&self, seed: u64) -> Result<Vec<Tensor>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let directions = (0..2).map(|_| self.random_direction(&mut rng)).collect();
        self.gradient(&Policy::Along(directions))
    }

    /// A random direction: one array for each variable.
    fn random_direction(&self, rng: &mut ChaCha8Rng) -> Vec<Tensor> {
        let variables = self.program.inputs().iter().filter(|i| i.role.is_argument());
        variables.map(|i| Tensor::from_fn(&i.shape, |_| 2.0 * rng.random::<f64>() - 1.0)).collect()
    }

    fn derivative(&self, which: Derivative) -> Result<Program> {
        match which {
            Derivative::Gradient => {
                self.program.expect_scalar("the gradient")?;
                self.program.gradient()
            }
            Derivative::Jacobian => self.program.jacobian(),
        }
    }

    fn layout(&self, which: Derivative) -> Layout {
        let variables = || self.program.inputs().iter().filter(|i| i.role.is_argument());
        let out = match which {
            Derivative::Gradient => vec![],
            Derivative::Jacobian => self.program.output_shapes()[0].to_vec(),
        };
        Layout {
            names: variables().map(|i| i.name.clone()).collect(),
            shapes: variables().map(|i| [out.as_slice(), &i.shape].concat()).collect(),
        }
    }

    pub(super) fn layout_of_gradient(&self) -> Layout {
        self.layout(Derivative::Gradient)
    }

    /// Checks that derivatives exist here; whether the program is path-differentiable as far as known.
    fn sound(&self, derivative: &Program) -> Result<Option<bool>> {
        let linear = self.linear()?;
        let met = self.met(linear, 0.0)?;
        let proved = guard::check(&self.program, &self.values, &met)?;
        self.derivative_of(derivative, &[], &[], !met.is_empty(), || Ok(()))?;
        Ok(if super::holds_what_varies(&self.program) { Some(false) } else { proved.then_some(true) })
    }

    fn image(&self, which: Derivative, options: &SetOptions) -> Result<(Image, Option<bool>)> {
        if !(options.tolerance >= 0.0 && options.tolerance.is_finite()) {
            let rule = "a tolerance is a finite number, not negative".to_string();
            let given = options.tolerance.to_string();
            return Err(Fault::Setting { setting: "tolerance", given, rule }.into());
        }
        let derivative = self.derivative(which)?;
        let sound = self.sound(&derivative)?;
        let residual = Residual::new(&derivative, &self.point, options.tolerance)?;
        Ok((Image::new(residual, *options), sound))
    }

    fn conservative_of(&self, which: Derivative, options: &SetOptions) -> Result<SetAt> {
        let (image, sound) = self.image(which, options)?;
        let (known, hypothesis) = label(&image, sound, options);
        SetAt::of_image(image, self.layout(which), known, hypothesis)
    }

    fn clarke_of(&self, which: Derivative, options: &SetOptions) -> Result<SetAt> {
        let (mut image, sound) = self.image(which, options)?;
        match self.clarke_apart(which, &mut image, sound, options)? {
            Some(set) => Ok(set),
            None => {
                let (known, hypothesis) = label(&image, sound, options);
                SetAt::of_image(image, self.layout(which), known, hypothesis)
            }
        }
    }

    /// The Clarke set where it was found by itself; None where it is the hull of the conservative one.
    fn clarke_apart(
        &self,
        which: Derivative,
        image: &mut Image,
        sound: Option<bool>,
        options: &SetOptions,
    ) -> Result<Option<SetAt>> {
        let layout = self.layout(which);
        let own = label(image, sound, options);
        if own.0 == Known::Sampled {
            return self.sampled(which, layout, own.1).map(Some);
        }
        if image.is_single() && own.0 == Known::Exact {
            return Ok(None);
        }
        let mut tangents = Tangents::new(&self.program, &self.point, options.tolerance, &image.residual)?;
        let finite = image.residual.faces().iter().all(|id| image.residual.face(*id).count().is_some());
        let regular = image.exact && !image.residual.partial && regular(image, &mut tangents);
        if finite && !image.residual.partial {
            // What is not extreme among all choices can still be a limiting derivative.
            let leaves: Vec<Leaf> = match &image.form {
                Form::Leaves { leaves, all: true, .. } => leaves.clone(),
                _ => vec![],
            };
            // A sum over very many faces is not searched if regularity answers.
            let found =
                if regular && leaves.is_empty() { None } else { Some(limiting(image, &mut tangents, &leaves)?) };
            if let Some(found) = found.filter(|f| f.complete && !f.realized.is_empty()) {
                let linear = self.program.class().level <= Level::PiecewiseLinear && options.tolerance == 0.0;
                let (known, hypothesis) = match (found.undecided, linear || found.surjective || regular) {
                    (true, _) => (Known::Outer, Some(UNDECIDED.into())),
                    (false, true) => own_tolerance(options),
                    (false, false) => (Known::Inner, Some(FIRST_ORDER.into())),
                };
                return SetAt::of_directions(found.realized, layout, known, hypothesis).map(Some);
            }
        }
        if regular { Ok(None) } else { self.sampled(which, layout, None).map(Some) }
    }

    /// Derivatives along directions: limiting ones where the program is path-differentiable. Random directions, each with
    /// its opposite, since 0 often lies between the two; then, of gradients, those against the element of least norm of the
    /// hull so far, along which a regular function has the element that is missing most.
    fn sampled(&self, which: Derivative, layout: Layout, hypothesis: Option<String>) -> Result<SetAt> {
        const PAIRS: usize = 32;
        const AGAINST: usize = 64;
        let derivative = self.derivative(which)?;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let along = |direction: Vec<Tensor>| {
            let flat_direction = flat(&direction);
            let decided = along::decide(self, &[direction])?;
            let mut recorded = along::Recorded::new(decided);
            let point = Interpreter::new(&derivative).run(&self.point, &mut recorded)?;
            let witness = Witness { chosen: recorded.chosen, direction: Some(flat_direction) };
            // The sign of a zero carries nothing here.
            Ok::<_, crate::Error>(Realized { witness, point: flat(&point).iter().map(|x| x + 0.0).collect() })
        };
        let mix = |a: f64, x: &[Tensor], b: f64, y: &[Tensor]| -> Vec<Tensor> {
            let sum = |(x, y): (&Tensor, &Tensor)| Tensor::from_fn(x.shape(), |i| a * x.data()[i] + b * y.data()[i]);
            std::iter::zip(x, y).map(sum).collect()
        };
        let mut realized = vec![];
        for _ in 0..PAIRS {
            let direction = self.random_direction(&mut rng);
            realized.push(along(mix(-1.0, &direction, 0.0, &direction))?);
            realized.push(along(direction)?);
        }
        for _ in 0..if which == Derivative::Gradient { AGAINST } else { 0 } {
            let points: Vec<Vec<f64>> = realized.iter().map(|r| r.point.clone()).collect();
            let least = min_norm(&mut Polytope::new(&points)?, &vec![0.0; layout.dimension()], 1e-13, 10 * AGAINST);
            let scale = points.iter().map(|p| norm(p)).fold(0.0, f64::max);
            if least.norm <= CRITICAL * scale {
                break;
            }
            // A little to the side, so that the direction decides all ties.
            let against = mix(-1.0, &layout.split(&least.direction), 1e-7, &self.random_direction(&mut rng));
            let next = along(against)?;
            // What is no nearer to 0 than the hull, seen from its nearest point, brings nothing.
            if dot(&least.direction, &next.point) >= least.norm * (1.0 - 1e-9) {
                break;
            }
            realized.push(next);
        }
        let (known, hypothesis) = match hypothesis {
            Some(why) => (Known::Sampled, Some(why)),
            None => (Known::Inner, Some(ALONG_DIRECTIONS.into())),
        };
        SetAt::of_directions(realized, layout, known, hypothesis)
    }
}

const UNDECIDED: &str = "a condition is met whose sides have equal tangents, so that its first-order model does not tell which \
                         value is active; both were taken";
const FIRST_ORDER: &str = "these are the limiting derivatives of the first-order model at the point; ties whose tangents are \
                           not independent can meet otherwise nearby, and give more";
const ALONG_DIRECTIONS: &str = "these are derivatives along directions that were tried; there may be more";
const UNPROVED: &str = "a condition is met whose two values agree at the point, but were not proved to agree on its whole \
                        boundary, so that the program may not be path-differentiable";
const HELD: &str = "a part of the program is held constant by the program itself, so that its derivatives are by definition \
                    not those of its value";
const OVER_BUDGET: &str = "the choices at the ties are more than the budget allows: elements are found by ascent, bounds by \
                           interval arithmetic";
const UNKNOWN_TIE: &str = "nothing is known of the set of some tie, of which only the default element was taken";

/// How the image is known.
fn label(image: &Image, sound: Option<bool>, options: &SetOptions) -> (Known, Option<String>) {
    match sound {
        Some(false) => return (Known::Sampled, Some(HELD.into())),
        None => return (Known::Sampled, Some(UNPROVED.into())),
        Some(true) => {}
    }
    match (image.residual.partial, image.exact) {
        (true, _) => (Known::Inner, Some(UNKNOWN_TIE.into())),
        (false, true) => own_tolerance(options),
        (false, false) => (Known::Outer, Some(OVER_BUDGET.into())),
    }
}

/// Exact, for the set enlarged by the tolerance.
fn own_tolerance(options: &SetOptions) -> (Known, Option<String>) {
    let enlarged = || format!("ties within {} of being met count as met", options.tolerance);
    (Known::Exact, (options.tolerance > 0.0).then(enlarged))
}
