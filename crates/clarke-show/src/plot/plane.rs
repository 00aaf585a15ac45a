//! A function of two numbers: its strata around the point, and both sets at the point.

use super::mesh::{Drawn, Mesh};
use super::paint::{Anchor, Colour, GREY, INK, STRATA, Scene, Spot, WHITE, fitted, width};
use super::panel::{CLARKE, CONSERVATIVE, PICKED, Panel, Sign, legend};
use super::{PictureError, View};
use clarke::Judgement;
use std::collections::HashMap;

/// In how many directions a set without corners is traced.
pub const DIRECTIONS: usize = 360;

/// The size of labels.
const LABEL: f64 = 12.5;

/// The picture.
pub fn scene(view: &View, given: &[(f64, f64)], judged: &mut Judgement) -> Result<Scene, PictureError> {
    let mut scene = Scene::new(880.0, 520.0);
    scene.text([440.0, 28.0], 18.0, fitted(view.title, 18.0, 800.0), Anchor::Centre, INK);
    let point = &view.variables.point;
    let range = |k: usize| {
        let reach = (1e-3 * point[k].abs()).max(1.0);
        given.get(k).or(given.last()).copied().unwrap_or((point[k] - reach, point[k] + reach))
    };
    let (top, bottom) = (84.0, 424.0);
    let strata = Panel { left: 64.0, right: 404.0, top, bottom, x: range(0), y: range(1) };
    left(&mut scene, view, &strata)?;
    right(&mut scene, view, judged, (512.0, 852.0), (top, bottom))?;
    let items = [
        (Sign::Line(INK), "kinks"),
        (Sign::Area(CONSERVATIVE), "conservative gradient"),
        (Sign::Area(CLARKE), "Clarke subdifferential"),
        (Sign::Dot, "gradients by policy"),
        (Sign::Cross, "0"),
    ];
    legend(&mut scene, (20.0, 860.0), 482.0, &items.map(|(sign, text)| (sign, text.to_string())));
    Ok(scene)
}

/// The strata.
fn left(scene: &mut Scene, view: &View, panel: &Panel) -> Result<(), PictureError> {
    let Drawn { areas, lines, patterns } = Mesh::new(view, [panel.x, panel.y])?.draw()?;
    let colours = colours(&patterns);
    let spot = |part: &[f64; 2]| {
        [panel.left + part[0] * (panel.right - panel.left), panel.bottom - part[1] * (panel.bottom - panel.top)]
    };
    for (pattern, corners) in &areas {
        let colour = pattern.and_then(|p| colours.get(&p)).copied().unwrap_or(WHITE);
        scene.fill(corners.iter().map(spot).collect(), colour);
    }
    panel.grid(scene, 5, 5);
    for line in &lines {
        scene.line(line.iter().map(spot).collect(), 2.2, INK);
    }
    panel.frame(scene);
    let [x, y] = [view.variables.point[0], view.variables.point[1]];
    if (panel.x.0..=panel.x.1).contains(&x) && (panel.y.0..=panel.y.1).contains(&y) {
        scene.marker(panel.at(x, y), 5.0, INK);
    }
    let title = format!("{} in the plane, and the point", count(patterns.len()));
    titles(scene, panel, &title, &view.variables.names);
    Ok(())
}

fn count(strata: usize) -> String {
    if strata == 1 { "1 smooth piece".into() } else { format!("{strata} smooth pieces") }
}

pub fn titles(scene: &mut Scene, panel: &Panel, title: &str, axes: &[String]) {
    scene.text([(panel.left + panel.right) / 2.0, panel.top - 14.0], 13.0, title, Anchor::Centre, INK);
    scene.text([(panel.left + panel.right) / 2.0, panel.bottom + 34.0], 13.0, axes[0].as_str(), Anchor::Centre, INK);
    scene.text([panel.left - 8.0, panel.top - 14.0], 13.0, axes[1].as_str(), Anchor::Right, INK);
}

/// Light colours, different for neighbours.
fn colours(patterns: &[(u64, Vec<u64>)]) -> HashMap<u64, Colour> {
    let mut chosen: HashMap<u64, usize> = HashMap::new();
    let mut uses = [0usize; STRATA.len()];
    for (pattern, near) in patterns {
        let taken: Vec<usize> = near.iter().filter_map(|p| chosen.get(p).copied()).collect();
        let free = (0..STRATA.len()).filter(|k| !taken.contains(k));
        let best = free.min_by_key(|k| uses[*k]).unwrap_or(0);
        uses[best] += 1;
        chosen.insert(*pattern, best);
    }
    chosen.into_iter().map(|(pattern, k)| (pattern, STRATA[k].light(0.34))).collect()
}

/// The sets.
fn right(
    scene: &mut Scene,
    view: &View,
    judged: &mut Judgement,
    (left, right): (f64, f64),
    (top, bottom): (f64, f64),
) -> Result<(), PictureError> {
    let conservative = judged.conservative.outline(DIRECTIONS)?;
    let clarke = judged.clarke.outline(DIRECTIONS)?;
    let gradients = gradients(view, judged)?;
    let all = conservative.iter().chain(&clarke).chain(gradients.iter().map(|(g, _)| g)).chain([&[0.0, 0.0]]);
    let panel = square(all, (left, right), (top, bottom));
    panel.grid(scene, 5, 5);
    through_zero(scene, &panel);
    region(scene, &panel, &conservative, CONSERVATIVE, (6.0, 14.0));
    region(scene, &panel, &clarke, CLARKE, (2.4, 6.0));
    panel.frame(scene);
    markers(scene, &panel, &gradients);
    let known = |set: &clarke::SetAt| set.known().to_string();
    let (d, c) = (known(&judged.conservative), known(&judged.clarke));
    let title =
        if d == c { format!("both sets at the point ({d})") } else { format!("D ({d}) and Clarke's set ({c})") };
    let axes: Vec<String> = view.variables.names.iter().map(|n| format!("∂f/∂{n}")).collect();
    titles(scene, &panel, &title, &axes);
    Ok(())
}

/// A panel whose two axes have one scale and hold all points, with room around them.
pub fn square<'a>(
    all: impl Iterator<Item = &'a [f64; 2]> + Clone,
    (left, right): (f64, f64),
    (top, bottom): (f64, f64),
) -> Panel {
    let ends = |k: usize| {
        let own = all.clone().map(move |p| p[k]);
        (own.clone().fold(f64::INFINITY, f64::min), own.fold(f64::NEG_INFINITY, f64::max))
    };
    let (x, y) = (ends(0), ends(1));
    let half = 0.64 * (x.1 - x.0).max(y.1 - y.0).max(1e-9);
    let half = if half < 1e-8 { 1.0 } else { half };
    let around = |(low, high): (f64, f64)| ((low + high) / 2.0 - half, (low + high) / 2.0 + half);
    Panel { left, right, top, bottom, x: around(x), y: around(y) }
}

/// The lines on which one of the two numbers is 0.
pub fn through_zero(scene: &mut Scene, panel: &Panel) {
    for level in [true, false] {
        let ends = if level { [(panel.x.0, 0.0), (panel.x.1, 0.0)] } else { [(0.0, panel.y.0), (0.0, panel.y.1)] };
        scene.line(ends.map(|(a, b)| panel.at(a, b)).to_vec(), 1.0, GREY.veil(0.6));
    }
}

/// A set: an area with its outline, a thick line, or a thick dot.
pub fn region(scene: &mut Scene, panel: &Panel, outline: &[[f64; 2]], colour: Colour, (rim, thick): (f64, f64)) {
    let spots: Vec<Spot> = outline.iter().map(|p| panel.at(p[0], p[1])).collect();
    match spots[..] {
        [one] => scene.dot(one, 0.7 * thick, colour),
        [a, b] => {
            scene.line(vec![a, b], thick, colour.light(0.7));
            [a, b].into_iter().for_each(|end| scene.dot(end, thick / 2.0, colour.light(0.7)));
        }
        _ => {
            scene.fill(spots.clone(), colour.veil(0.35));
            scene.line(spots.iter().copied().chain([spots[0]]).collect(), rim, colour);
            // The corner where the outline begins and ends; lines that go over themselves would be gaps in pixels.
            scene.line(vec![spots[spots.len() - 1], spots[0], spots[1]], rim, colour);
        }
    }
}

/// The gradients of the presets and of the policy asked for, those that are equal together.
fn gradients(view: &View, judged: &mut Judgement) -> Result<Vec<([f64; 2], String)>, PictureError> {
    let mut found = view.at.dependence_within(&mut judged.conservative)?.presets;
    let own = view.policy.to_string();
    if found.iter().all(|(name, _)| *name != own) {
        found.push((crate::words::clipped(&own, 20), view.at.gradient(view.policy)?));
    }
    let mut groups: Vec<([f64; 2], String)> = vec![];
    for (name, gradient) in found {
        let flat: Vec<f64> = gradient.iter().flat_map(|t| t.data().to_vec()).collect();
        let own = [flat[0], flat[1]];
        let near = |g: &[f64; 2]| (g[0] - own[0]).hypot(g[1] - own[1]) <= 1e-9 * own[0].hypot(own[1]);
        match groups.iter_mut().find(|(g, _)| near(g)) {
            Some((_, names)) => *names += &format!(", {name}"),
            None => groups.push((own, name)),
        }
    }
    Ok(groups)
}

/// Markers with labels that do not cover each other.
fn markers(scene: &mut Scene, panel: &Panel, gradients: &[([f64; 2], String)]) {
    let zero = panel.at(0.0, 0.0);
    let spots: Vec<Spot> = gradients.iter().map(|(g, _)| panel.at(g[0], g[1])).collect();
    let around = |[x, y]: Spot| [x - 7.0, y - 7.0, x + 7.0, y + 7.0];
    let mut taken: Vec<[f64; 4]> = spots.iter().chain([&zero]).map(|s| around(*s)).collect();
    // The cross shows behind a marker that stands there.
    scene.cross(zero, if spots.iter().any(|s| (s[0] - zero[0]).hypot(s[1] - zero[1]) < 6.0) { 8.0 } else { 5.0 }, INK);
    for spot in &spots {
        scene.marker(*spot, 5.0, PICKED);
    }
    for (spot, (_, name)) in std::iter::zip(&spots, gradients) {
        // Names that find no room on one line stand below each other.
        let fits = width(name, LABEL) < panel.right - panel.left - 40.0;
        let lines: Vec<&str> = if fits { vec![name] } else { name.split_inclusive(", ").collect() };
        let wide = lines.iter().map(|l| width(l, LABEL)).fold(0.0, f64::max);
        let high = 16.0 * lines.len() as f64;
        let [x, y] = *spot;
        let gap = 11.0;
        let within = (x - wide / 2.0).clamp(panel.left + 5.0, (panel.right - wide - 5.0).max(panel.left + 5.0));
        let mut boxes: Vec<Spot> = vec![[within, y - gap - high], [within, y + gap]];
        for dy in [0.0, -18.0, 18.0, -36.0, 36.0] {
            boxes.push([x + gap, y + dy - high / 2.0]);
            boxes.push([x - gap - wide, y + dy - high / 2.0]);
        }
        boxes.extend([[within, y - gap - high - 16.0], [within, y + gap + 16.0]]);
        let bounds = |[a, b]: Spot| [a - 2.0, b, a + wide + 2.0, b + high];
        let inside = |b: &[f64; 4]| {
            b[0] > panel.left + 2.0 && b[2] < panel.right - 2.0 && b[1] > panel.top + 2.0 && b[3] < panel.bottom - 2.0
        };
        let clear = |b: &[f64; 4]| taken.iter().all(|t| b[2] < t[0] || t[2] < b[0] || b[3] < t[1] || t[3] < b[1]);
        let fallback = bounds([within, y + gap]);
        let best = boxes.into_iter().map(bounds).find(|b| inside(b) && clear(b)).unwrap_or(fallback);
        scene.block([best[0], best[1]], [best[2], best[3]], WHITE.veil(0.75));
        for (k, line) in lines.iter().enumerate() {
            let y = best[1] + 8.0 + 16.0 * k as f64;
            scene.text([best[0] + 2.0, y], LABEL, line.trim_end(), Anchor::Left, INK);
        }
        taken.push(best);
    }
}
