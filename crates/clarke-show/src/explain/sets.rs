//! The two sets at a point, as they are reported.

use super::text;
use crate::json::{Bounds, Named};
use crate::words::entry_name;
use clarke::{At, Dependence, Element, Error, Judgement, Layout, Nearest, SetAt, Verdict};
use serde::Serializer;

/// What the two sets say of a gradient and of the point. The JSON has the first four fields; a set that cannot be
/// computed is null.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SetsReport {
    /// The conservative gradient of the program.
    pub conservative: Option<SetReport>,
    /// The Clarke subdifferential of the function.
    pub clarke: Option<SetReport>,
    /// Whether the gradient under the policy is none of the function's; None where that is not decided.
    pub artifact: Option<bool>,
    /// What the point is.
    #[serde(serialize_with = "as_text")]
    pub verdict: Verdict,
    /// A direction in which the function descends, and the bound of its slope along it.
    #[serde(skip)]
    pub descent: Option<(Named, f64)>,
    /// How the gradient depends on the convention, entry by entry.
    #[serde(skip)]
    pub entries: Vec<Entry>,
    /// Why there are no sets.
    #[serde(skip)]
    pub missing: Option<String>,
}

fn as_text<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(verdict)
}

/// What is said of a set.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SetReport {
    /// exact, outer, inner or sampled.
    pub known: String,
    /// The least and largest value of each entry, where the JSON reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// The extreme points of the hull; None where they are over the budget or infinitely many.
    pub vertices: Option<Vec<Named>>,
    /// The element of least norm of the hull.
    pub min_norm: Least,
    /// Whether 0 is in the hull; None where that is not decided.
    pub critical: Option<bool>,
    /// What the label rests on or lacks.
    #[serde(skip)]
    pub hypothesis: Option<String>,
    /// The bounds, for the text.
    #[serde(skip)]
    pub range: Bounds,
}

/// The element of least norm.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Least {
    /// Its norm.
    pub norm: f64,
    /// The element.
    pub element: Named,
}

/// An entry of the gradient: where its values lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name, as `x[0]`.
    pub name: String,
    /// Over the presets.
    pub presets: (f64, f64),
    /// Over all choices.
    pub choices: (f64, f64),
}

impl SetsReport {
    /// From the judgement at a point, and a gradient there. What fails here, where the gradient exists, is said and ends
    /// nothing.
    pub fn new(at: &At, gradient: &Element, judged: &mut Result<Judgement, Error>) -> SetsReport {
        let read = match judged {
            Ok(judged) => SetsReport::read(at, gradient, judged),
            Err(error) => Err(error.clone()),
        };
        read.unwrap_or_else(|error| SetsReport {
            conservative: None,
            clarke: None,
            artifact: None,
            verdict: Verdict::Undecided,
            descent: None,
            entries: vec![],
            missing: Some(error.fault.to_string()),
        })
    }

    fn read(at: &At, gradient: &Element, judged: &mut Judgement) -> Result<SetsReport, Error> {
        let artifact = at.is_artifact(gradient, &mut judged.clarke)?;
        // Where no tie is met all choices are one.
        let depends = judged.verdict != Verdict::Smooth;
        let entries = match depends {
            true => entries(judged.clarke.layout(), &at.dependence_within(&mut judged.conservative)?),
            false => vec![],
        };
        Ok(SetsReport { artifact, entries, ..SetsReport::of(judged) })
    }

    /// What a judgement alone says, of no gradient.
    fn of(judged: &mut Judgement) -> SetsReport {
        let layout = judged.clarke.layout().clone();
        SetsReport {
            conservative: Some(SetReport {
                bounds: Some(bounds(&mut judged.conservative)),
                ..SetReport::with(&mut judged.conservative, &judged.conservative_min, judged.conservative_critical)
            }),
            clarke: Some(SetReport::with(&mut judged.clarke, &judged.clarke_min, judged.clarke_critical)),
            artifact: None,
            verdict: judged.verdict,
            descent: judged.descent.as_ref().map(|d| (named(&layout, &d.direction), d.bound)),
            entries: vec![],
            missing: None,
        }
    }
}

/// A verdict as people read it, with both sets side by side as on the page of an [`Explanation`](crate::Explanation);
/// `tolerance` is that of the options it was judged with.
///
/// ```
/// let f = clarke::parse("x - (relu(-x) + x - relu(x))", &[("x", &[])])?;
/// let mut judged = f.at(&[0.0.into()])?.judge(&clarke::SetOptions::default())?;
/// let said = clarke_show::judgement_text(&mut judged, 0.0);
/// assert!(said.starts_with("spurious critical\n\n            conservative  Clarke\nknown       exact"));
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn judgement_text(judged: &mut Judgement, tolerance: f64) -> String {
    text::judgement_text(&SetsReport::of(judged), tolerance)
}

/// A set as people read it: how it is known, its vertices or bounds, its element of least norm, whether 0 is in it, and
/// what the label rests on.
///
/// ```
/// let f = clarke::parse("abs(x)", &[("x", &[])])?.at(&[0.0.into()])?;
/// let said = clarke_show::set_text(&mut f.clarke(&clarke::SetOptions::default())?);
/// assert_eq!(said, "known       exact\nvertices    x = -1\n            x = 1\nleast norm  0\ncritical    yes\n");
/// # Ok::<(), clarke::Error>(())
/// ```
pub fn set_text(set: &mut SetAt) -> String {
    text::set_text(&SetReport::of(set))
}

impl SetReport {
    /// From a set alone. Its JSON has no bounds. Cost: two nearest points.
    pub fn of(set: &mut SetAt) -> SetReport {
        let (least, critical) = (set.min_norm(), set.critical());
        SetReport::with(set, &least, critical)
    }

    /// From a set with its element of least norm, and whether 0 is in it.
    fn with(set: &mut SetAt, least: &Nearest, critical: Option<bool>) -> SetReport {
        let layout = set.layout().clone();
        let vertices = set.vertices();
        SetReport {
            known: set.known().to_string(),
            bounds: None,
            vertices: vertices.map(|all| all.iter().map(|v| named(&layout, v)).collect()),
            min_norm: Least { norm: least.distance, element: named(&layout, &least.point) },
            critical,
            hypothesis: set.hypothesis().map(str::to_string),
            range: bounds(set),
        }
    }
}

fn named(layout: &Layout, element: &Element) -> Named {
    Named(std::iter::zip(layout.names.iter().cloned(), element.iter().cloned()).collect())
}

fn bounds(set: &mut SetAt) -> Bounds {
    let (low, high) = set.bounds();
    let both = std::iter::zip(low, high);
    Bounds(std::iter::zip(set.layout().names.iter().cloned(), both).map(|(name, (l, h))| (name, l, h)).collect())
}

/// The entries whose value depends on a choice; of an array whose entries all have the same bounds, one for all.
fn entries(layout: &Layout, found: &Dependence) -> Vec<Entry> {
    let mut all = vec![];
    for (k, name) in layout.names.iter().enumerate() {
        let range = |(low, high): &(Element, Element), i: usize| (low[k].data()[i] + 0.0, high[k].data()[i] + 0.0);
        let count = found.over_choices.0[k].data().len();
        let of = |i: usize| (range(&found.over_presets, i), range(&found.over_choices, i));
        let uniform = count > 3 && (1..count).all(|i| of(i) == of(0));
        for i in 0..if uniform { 1 } else { count } {
            let (presets, choices) = of(i);
            if presets.0 < presets.1 || choices.0 < choices.1 {
                let name = match uniform {
                    true => format!("{name}, all {count}"),
                    false => entry_name(name, &layout.shapes[k], i),
                };
                all.push(Entry { name, presets, choices });
            }
        }
    }
    all
}
