//! A set of derivatives alone: an interval on a line, or an area in the plane.

use super::PictureError;
use super::paint::{Anchor, INK, Scene};
use super::panel::{CLARKE, Panel};
use super::plane::{DIRECTIONS, region, square, through_zero, titles};
use crate::words::entry_name;
use clarke::{Layout, SetAt};

/// The picture.
pub fn scene(set: &mut SetAt) -> Result<Scene, PictureError> {
    let names = names(set.layout());
    match names.len() {
        1 => Ok(interval(set, &names[0])),
        2 => area(set, &names),
        entries => Err(PictureError::Set { entries }),
    }
}

/// What the entries of a derivative are called.
fn names(layout: &Layout) -> Vec<String> {
    let entries = |(name, shape): (&String, &Vec<usize>)| -> Vec<String> {
        (0..shape.iter().product()).map(|k| entry_name(name, shape, k)).collect()
    };
    layout.names.iter().zip(&layout.shapes).flat_map(entries).collect()
}

fn area(set: &mut SetAt, names: &[String]) -> Result<Scene, PictureError> {
    let outline = set.outline(DIRECTIONS)?;
    let mut scene = Scene::new(420.0, 430.0);
    let panel = square(outline.iter().chain([&[0.0, 0.0]]), (64.0, 404.0), (46.0, 386.0));
    panel.grid(&mut scene, 5, 5);
    through_zero(&mut scene, &panel);
    region(&mut scene, &panel, &outline, CLARKE, (2.4, 8.0));
    panel.frame(&mut scene);
    scene.cross(panel.at(0.0, 0.0), 5.0, INK);
    titles(&mut scene, &panel, &set.known().to_string(), names);
    Ok(scene)
}

fn interval(set: &mut SetAt, name: &str) -> Scene {
    let (low, high) = set.bounds();
    let end = |element: &[clarke::Tensor]| element.iter().find_map(|t| t.data().first().copied()).unwrap_or(0.0);
    let ends = [[end(&low), 0.0], [end(&high), 0.0]];
    let mut scene = Scene::new(480.0, 116.0);
    let (top, bottom) = (34.0, 74.0);
    let finite = ends.iter().filter(|[x, _]| x.is_finite()).chain([&[0.0, 0.0]]);
    // Across the line there is nothing to measure.
    let panel = Panel { y: (-1.0, 1.0), ..square(finite, (24.0, 456.0), (top, bottom)) };
    panel.columns(&mut scene, 8);
    let [[low, y], [high, _]] = ends.map(|[x, y]| panel.at(x.clamp(panel.x.0, panel.x.1), y));
    match low == high {
        true => scene.dot([low, y], 6.0, CLARKE),
        false => scene.block([low, y - 6.0], [high, y + 6.0], CLARKE.light(0.7)),
    }
    panel.frame(&mut scene);
    scene.cross(panel.at(0.0, 0.0), 5.0, INK);
    scene.text([240.0, top - 14.0], 13.0, set.known().to_string(), Anchor::Centre, INK);
    scene.text([240.0, bottom + 30.0], 13.0, name, Anchor::Centre, INK);
    scene
}
