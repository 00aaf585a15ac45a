//! A function of one number: its values above, its derivative and both sets below.

use super::paint::{Anchor, GREY, INK, Scene, Spot, fitted};
use super::panel::{CLARKE, CONSERVATIVE, PICKED, Panel, Sign, legend, range};
use super::{PictureError, View};
use crate::words;
use clarke::{Evaluator, Kink, SetOptions};

/// Between how many neighbours kinks are looked for.
const SAMPLES: usize = 512;

/// At how many points a curve is drawn.
const POINTS: usize = 480;

/// The sets at more kinks than this could not be told apart.
const SHOWN: usize = 80;

/// At a kink: both sets as intervals, and the gradient under the policy.
struct Interval {
    at: f64,
    conservative: (f64, f64),
    clarke: (f64, f64),
    picked: Option<f64>,
}

/// The picture.
pub fn scene(view: &View, given: Option<(f64, f64)>, notes: &mut Vec<String>) -> Result<Scene, PictureError> {
    let name = &view.variables.names[0];
    let x0 = view.variables.point[0];
    let ((low, high), kinks) = kinks(view, given)?;
    let sets = intervals(view, &kinks, notes)?;
    let (values, pieces) = curves(view, (low, high), &kinks)?;

    let mut scene = Scene::new(760.0, 620.0);
    let (left, right) = (76.0, 736.0);
    scene.text([(left + right) / 2.0, 26.0], 18.0, fitted(view.title, 18.0, 660.0), Anchor::Centre, INK);
    let own: Vec<f64> = view.at.value().into_iter().filter(|_| (low..=high).contains(&x0)).collect();
    let above = Panel {
        left,
        right,
        top: 72.0,
        bottom: 282.0,
        x: (low, high),
        y: range(values.iter().map(|p| p.1), &own, 0.08),
    };
    let of_sets = |s: &Interval| [s.conservative.0, s.conservative.1, s.clarke.0, s.clarke.1];
    let must: Vec<f64> = sets.iter().flat_map(of_sets).collect();
    let slopes = pieces.iter().flatten().map(|p| p.1);
    let below = Panel { top: 338.0, bottom: 548.0, y: range(slopes, &must, 0.12), ..above };
    above.grid(&mut scene, 8, 5);
    below.grid(&mut scene, 8, 5);
    title(&mut scene, &above, &format!("value f({name})"));
    title(&mut scene, &below, "derivative and, at the kinks, both sets");

    for kink in kinks.iter().take(4 * SHOWN) {
        for panel in [&above, &below] {
            let [x, _] = panel.at(kink.at, panel.y.0);
            scene.dashes([x, panel.top], [x, panel.bottom], 1.0, GREY.veil(0.55));
        }
    }
    above.curve(&mut scene, &values, 2.4, INK);
    for value in own {
        scene.marker(above.at(x0, value), 4.5, INK);
    }
    let room = (right - left) / sets.len().max(1) as f64;
    pieces.iter().for_each(|piece| below.curve(&mut scene, piece, 2.4, INK));
    sets.iter().for_each(|s| interval(&mut scene, &below, s, room));
    for (set, y) in sets.iter().filter_map(|s| s.picked.map(|y| (s, y))) {
        scene.marker(below.at(set.at, y), 4.5, PICKED);
    }
    above.frame(&mut scene);
    below.frame(&mut scene);
    scene.text([(left + right) / 2.0, 578.0], 13.0, name.as_str(), Anchor::Centre, INK);
    let mut items = vec![(Sign::Line(INK), "derivative".to_string())];
    if !sets.is_empty() {
        items.push((Sign::Wide, "conservative gradient".into()));
        items.push((Sign::Narrow, "Clarke subdifferential".into()));
    }
    if sets.iter().any(|s| s.picked.is_some()) {
        items.push((Sign::Dot, format!("gradient, {}", words::clipped(&view.policy.to_string(), 24))));
    }
    legend(&mut scene, (left - 40.0, right), 590.0, &items);
    Ok(scene)
}

fn title(scene: &mut Scene, panel: &Panel, text: &str) {
    scene.text([panel.left, panel.top - 13.0], 13.0, text, Anchor::Left, INK);
}

/// The kinks in the range; without one given, in the first of some ranges around the point that shows any.
fn kinks(view: &View, given: Option<(f64, f64)>) -> Result<((f64, f64), Vec<Kink>), PictureError> {
    let strata = view.program.strata()?;
    let x0 = view.variables.point[0];
    let search = |(low, high): (f64, f64)| {
        let (origin, direction) = (view.variables.inputs(&[0.0]), view.variables.direction(&[1.0]));
        strata.kinks(&origin, &direction, (low, high), SAMPLES, x0)
    };
    if let Some(range) = given {
        return Ok((range, search(range)?));
    }
    let around = |reach: f64| {
        let reach = reach.max(1e-3 * x0.abs());
        (x0 - reach, x0 + reach)
    };
    for reach in [1.0, 2.0, 4.0, 8.0, 1.25 * x0.abs()] {
        let found = search(around(reach))?;
        if !found.is_empty() {
            return Ok((around(reach), found));
        }
    }
    Ok((around(1.0), vec![]))
}

/// The sets at the kinks.
fn intervals(view: &View, kinks: &[Kink], notes: &mut Vec<String>) -> Result<Vec<Interval>, PictureError> {
    if kinks.len() > SHOWN {
        notes.push(format!("there are {} kinks in the range: the sets are drawn at the first {SHOWN}", kinks.len()));
    }
    let mut all = vec![];
    for kink in kinks.iter().take(SHOWN) {
        let Ok(at) = view.program.at(&view.variables.inputs(&[kink.at])) else { continue };
        let options = SetOptions { tolerance: view.options.tolerance.max(kink.tolerance), ..*view.options };
        let Ok(mut sets) = at.sets(&options) else { continue };
        let ends = |(low, high): (clarke::Element, clarke::Element)| {
            let end = |e: &clarke::Element| e.iter().find_map(|t| t.data().first().copied()).unwrap_or(f64::NAN);
            (end(&low), end(&high))
        };
        let (conservative, clarke) = (ends(sets.conservative.bounds()), ends(sets.clarke.bounds()));
        // Next to a kink that is no number of the machine the policy is not asked.
        let picked = if kink.tolerance == 0.0 { at.gradient(view.policy).ok() } else { None };
        let picked = picked.and_then(|g| g.iter().find_map(|t| t.data().first().copied()));
        if [conservative.0, conservative.1, clarke.0, clarke.1].iter().all(|x| x.is_finite()) {
            all.push(Interval { at: kink.at, conservative, clarke, picked });
        }
    }
    Ok(all)
}

/// The conservative set wide and light, Clarke's narrow and dark; what is one number is as high as wide.
fn interval(scene: &mut Scene, panel: &Panel, set: &Interval, room: f64) {
    let bar = |(low, high): (f64, f64), half: f64| -> (Spot, Spot) {
        let ([x, a], [_, b]) = (panel.at(set.at, high), panel.at(set.at, low));
        let more = (half.min(5.0) - (b - a) / 2.0).max(0.0);
        ([x - half, (a - more).max(panel.top)], [x + half, (b + more).min(panel.bottom)])
    };
    let half = (0.3 * room).clamp(2.0, 10.0);
    let (a, b) = bar(set.conservative, half);
    scene.block(a, b, CONSERVATIVE.veil(0.55));
    let (a, b) = bar(set.clarke, 0.42 * half);
    scene.block(a, b, CLARKE);
}

/// The values, and the derivative on each piece between kinks.
#[allow(clippy::type_complexity)]
fn curves(
    view: &View,
    (low, high): (f64, f64),
    kinks: &[Kink],
) -> Result<(Vec<(f64, f64)>, Vec<Vec<(f64, f64)>>), PictureError> {
    let mut evaluator = Evaluator::new(view.program, &view.variables.data(), view.policy.clone())?;
    let inner = kinks.iter().map(|k| k.at).filter(|t| *t > low && *t < high);
    let ends: Vec<f64> = [low].into_iter().chain(inner).chain([high]).collect();
    let (mut values, mut pieces) = (vec![], vec![]);
    for pair in ends.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let count = (((b - a) / (high - low)) * POINTS as f64).ceil().max(4.0) as usize;
        let mut piece = vec![];
        for k in 0..=count {
            // The derivative is asked for next to the ends, where it is that of the piece.
            let next = if k == 0 {
                1e-6
            } else if k == count {
                count as f64 - 1e-6
            } else {
                k as f64
            };
            let place = |k: f64| a + (b - a) * (k / count as f64);
            values.push((place(k as f64), evaluator.value(&[place(k as f64)]).unwrap_or(f64::NAN)));
            let mut slope = [f64::NAN];
            if evaluator.value_and_gradient(&[place(next)], &mut slope).is_err() {
                slope = [f64::NAN];
            }
            piece.push((place(k as f64), slope[0]));
        }
        pieces.push(piece);
    }
    Ok((values, pieces))
}
