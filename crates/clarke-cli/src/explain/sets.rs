//! The two sets at the point, as `clarke explain` reports them.

use crate::output::{Named, Nested};
use clarke::{At, Dependence, Element, Judgement, Layout, Nearest, SetAt, Tensor, Verdict};
use serde::ser::{Serialize, SerializeMap, Serializer};

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

/// The least and largest value of each entry: as JSON `[least, largest]` by name, of an array two of its shape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds(pub Vec<(String, Tensor, Tensor)>);

impl Serialize for Bounds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, low, high) in &self.0 {
            map.serialize_entry(name, &[low, high].map(|x| Nested { shape: x.shape(), data: x.data() }))?;
        }
        map.end()
    }
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
    /// From the judgement at a point. What fails here, where the gradient exists, is said and ends nothing.
    pub fn new(at: &At, gradient: &Element, judged: &mut Result<Judgement, clarke::Error>) -> SetsReport {
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

    fn read(at: &At, gradient: &Element, judged: &mut Judgement) -> Result<SetsReport, clarke::Error> {
        let artifact = at.is_artifact(gradient, &mut judged.clarke)?;
        let layout = judged.clarke.layout().clone();
        // Where no tie is met all choices are one.
        let depends = judged.verdict != Verdict::Smooth;
        let entries = match depends {
            true => entries(&layout, &at.dependence_within(&mut judged.conservative)?),
            false => vec![],
        };
        let flat = |d: &clarke::Descent| (named(&layout, &d.direction), d.bound);
        Ok(SetsReport {
            conservative: Some(SetReport {
                bounds: Some(bounds(&mut judged.conservative)),
                ..SetReport::new(&mut judged.conservative, &judged.conservative_min, judged.conservative_critical)
            }),
            clarke: Some(SetReport::new(&mut judged.clarke, &judged.clarke_min, judged.clarke_critical)),
            artifact,
            verdict: judged.verdict,
            descent: judged.descent.as_ref().map(flat),
            entries,
            missing: None,
        })
    }
}

impl SetReport {
    fn new(set: &mut SetAt, least: &Nearest, critical: Option<bool>) -> SetReport {
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

/// `x`, `x[3]`, `A[0, 2]`.
pub fn entry_name(name: &str, shape: &[usize], flat: usize) -> String {
    let (mut rest, mut index) = (flat, vec![]);
    for n in shape.iter().rev() {
        index.push((rest % n).to_string());
        rest /= n;
    }
    index.reverse();
    if index.is_empty() { name.to_string() } else { format!("{name}[{}]", index.join(", ")) }
}
