//! Strata in a box of the plane: which pattern is where, and the lines between them.

use super::{PictureError, View};
use clarke::Strata;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many samples a side has.
const SIDE: usize = 120;

/// How often a crossing is bisected: beyond what a picture shows.
const HALVINGS: usize = 16;

/// A pattern; None where the function is not finite.
type Pattern = Option<u64>;

/// A position as fractions of the box.
pub type Part = [f64; 2];

/// A sample, a crossing on an edge of the mesh (its lower or left end, and whether the edge is vertical), or the centre of
/// a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stop {
    Sample(usize, usize),
    Edge(usize, usize, bool),
    Centre(usize, usize),
}

/// A mesh over a box with its patterns.
pub struct Mesh<'a> {
    strata: Strata,
    view: &'a View<'a>,
    ranges: [(f64, f64); 2],
    /// The patterns at the samples, row by row from below.
    patterns: Vec<Pattern>,
}

/// What is collected cell by cell.
#[derive(Default)]
struct Pieces {
    /// The edges of each pattern's parts, counterclockwise; those between two parts of one pattern cancel.
    edges: BTreeMap<Pattern, BTreeSet<(Stop, Stop)>>,
    /// What the lines between patterns join.
    links: BTreeMap<Stop, Vec<Stop>>,
    places: HashMap<Stop, Part>,
}

impl Pieces {
    /// Adds a part of a pattern, its corners counterclockwise.
    fn add(&mut self, pattern: Pattern, corners: &[Stop]) {
        let own = self.edges.entry(pattern).or_default();
        for (k, from) in corners.iter().enumerate() {
            let to = corners[(k + 1) % corners.len()];
            if !own.remove(&(to, *from)) {
                own.insert((*from, to));
            }
        }
    }

    fn link(&mut self, a: Stop, b: Stop) {
        self.links.entry(a).or_default().push(b);
        self.links.entry(b).or_default().push(a);
    }
}

/// What is to be drawn: areas by pattern, those that others lie in first, and lines.
pub struct Drawn {
    pub areas: Vec<(Pattern, Vec<Part>)>,
    pub lines: Vec<Vec<Part>>,
    /// The patterns that are finite, the largest first, each with its neighbours.
    pub patterns: Vec<(u64, Vec<u64>)>,
}

/// Where a sample stands, the outermost next to the border. The two axes are shifted differently, so that no simple line
/// goes through the samples.
fn fraction(axis: usize, k: usize) -> f64 {
    let shift = [0.3717, 0.6173][axis];
    match k {
        0 => 1e-3 * shift,
        k if k + 1 == SIDE => 1.0 - 1.3e-3 * shift,
        k => (k as f64 + shift) / SIDE as f64,
    }
}

/// Where a sample is drawn: the outermost at the border.
fn drawn(axis: usize, k: usize) -> f64 {
    match k {
        0 => 0.0,
        k if k + 1 == SIDE => 1.0,
        k => fraction(axis, k),
    }
}

impl<'a> Mesh<'a> {
    /// Finds the patterns at the samples.
    pub fn new(view: &'a View<'a>, ranges: [(f64, f64); 2]) -> Result<Mesh<'a>, PictureError> {
        let strata = view.program.strata()?;
        let mut mesh = Mesh { strata, view, ranges, patterns: vec![] };
        for j in 0..SIDE {
            for i in 0..SIDE {
                mesh.patterns.push(mesh.pattern([fraction(0, i), fraction(1, j)])?);
            }
        }
        Ok(mesh)
    }

    fn pattern(&self, part: Part) -> Result<Pattern, PictureError> {
        let at = |k: usize| self.ranges[k].0 + (self.ranges[k].1 - self.ranges[k].0) * part[k];
        Ok(self.strata.signature(&self.view.variables.inputs(&[at(0), at(1)]))?)
    }

    fn sample(&self, i: usize, j: usize) -> Pattern {
        self.patterns[j * SIDE + i]
    }

    /// Where the pattern of the first end of an edge stops.
    fn crossing(&self, i: usize, j: usize, vertical: bool) -> Result<Part, PictureError> {
        let axis = usize::from(vertical);
        let (mut low, mut high) = ([fraction(0, i), fraction(1, j)], [fraction(0, i), fraction(1, j)]);
        high[axis] = fraction(axis, if vertical { j + 1 } else { i + 1 });
        let own = self.sample(i, j);
        for _ in 0..HALVINGS {
            let middle = [0, 1].map(|k| (low[k] + high[k]) / 2.0);
            if self.pattern(middle)? == own { low = middle } else { high = middle }
        }
        // What is drawn at the border stands there.
        let mut part = low;
        let across = 1 - axis;
        part[across] = drawn(across, if vertical { i } else { j });
        Ok(part)
    }

    /// All areas and lines.
    pub fn draw(&self) -> Result<Drawn, PictureError> {
        let mut pieces = Pieces::default();
        for j in 0..SIDE {
            for i in 0..SIDE {
                pieces.places.insert(Stop::Sample(i, j), [drawn(0, i), drawn(1, j)]);
            }
        }
        for j in 0..SIDE - 1 {
            for i in 0..SIDE - 1 {
                self.cell(i, j, &mut pieces)?;
            }
        }
        let areas = areas(&pieces);
        Ok(Drawn { areas, lines: chains(&pieces.links, &pieces.places), patterns: self.neighbours() })
    }

    /// A cell: all of one pattern, or divided among those of its corners.
    fn cell(&self, i: usize, j: usize, pieces: &mut Pieces) -> Result<(), PictureError> {
        let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
        let own = corners.map(|(a, b)| self.sample(a, b));
        // The edges below, right, above and left, each from its lower or left end.
        let edges = [(i, j, false), (i + 1, j, true), (i, j + 1, false), (i, j, true)];
        // Around the cell: a corner, and the crossing behind it where there is one.
        let (mut around, mut crossed) = (vec![], vec![]);
        for k in 0..4 {
            around.push((own[k], Stop::Sample(corners[k].0, corners[k].1)));
            if own[k] != own[(k + 1) % 4] {
                let (a, b, vertical) = edges[k];
                let stop = Stop::Edge(a, b, vertical);
                if let Entry::Vacant(free) = pieces.places.entry(stop) {
                    free.insert(self.crossing(a, b, vertical)?);
                }
                crossed.push((around.len(), stop));
                around.push((None, stop));
            }
        }
        let stops: Vec<Stop> = crossed.iter().map(|(_, stop)| *stop).collect();
        // The border of where the function is finite is no kink.
        let kinks = own.iter().all(Option::is_some);
        match stops[..] {
            [] => {
                pieces.add(own[0], &around.iter().map(|(_, stop)| *stop).collect::<Vec<_>>());
                return Ok(());
            }
            [a, b] if kinks => pieces.link(a, b),
            [_, _] => {}
            _ => {
                let mean = |axis: usize| stops.iter().map(|s| pieces.places[s][axis]).sum::<f64>() / stops.len() as f64;
                let centre = [mean(0), mean(1)];
                pieces.places.insert(Stop::Centre(i, j), centre);
                stops.iter().filter(|_| kinks).for_each(|s| pieces.link(*s, Stop::Centre(i, j)));
            }
        }
        for (k, (from, _)) in crossed.iter().enumerate() {
            let to = crossed[(k + 1) % crossed.len()].0;
            let count = (to + around.len() - from) % around.len();
            let part: Vec<(Pattern, Stop)> = (0..=count).map(|n| around[(from + n) % around.len()]).collect();
            let mut stops: Vec<Stop> = part.iter().map(|(_, stop)| *stop).collect();
            if crossed.len() > 2 {
                stops.push(Stop::Centre(i, j));
            }
            pieces.add(part[1].0, &stops);
        }
        Ok(())
    }

    /// The patterns, the largest first, each with those next to it.
    fn neighbours(&self) -> Vec<(u64, Vec<u64>)> {
        let mut all: BTreeMap<u64, (usize, Vec<u64>)> = BTreeMap::new();
        for j in 0..SIDE {
            for i in 0..SIDE {
                let Some(own) = self.sample(i, j) else { continue };
                let entry = all.entry(own).or_default();
                entry.0 += 1;
                let around = [(i + 1, j), (i, j + 1), (i.wrapping_sub(1), j), (i, j.wrapping_sub(1))];
                for (a, b) in around.into_iter().filter(|(a, b)| *a < SIDE && *b < SIDE) {
                    entry.1.extend(self.sample(a, b).filter(|p| *p != own));
                }
            }
        }
        let mut sorted: Vec<(usize, u64, Vec<u64>)> = all.into_iter().map(|(p, (n, near))| (n, p, near)).collect();
        sorted.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        sorted.into_iter().map(|(_, p, near)| (p, near)).collect()
    }
}

/// The outlines of the patterns, the largest first: what lies within another is drawn after it, so that holes need no
/// outlines of their own.
fn areas(pieces: &Pieces) -> Vec<(Pattern, Vec<Part>)> {
    let mut all: Vec<(f64, Pattern, Vec<Part>)> = vec![];
    for (pattern, edges) in &pieces.edges {
        let mut left = edges.clone();
        while let Some((start, mut here)) = left.pop_first() {
            let mut outline = vec![pieces.places[&start]];
            while here != start {
                outline.push(pieces.places[&here]);
                let least = Stop::Sample(0, 0);
                let Some(next) = left.range((here, least)..).next().copied().filter(|(from, _)| *from == here) else {
                    break;
                };
                left.remove(&next);
                here = next.1;
            }
            let area = area(&outline);
            if area > 0.0 {
                outline.push(outline[0]);
                all.push((area, *pattern, straightened(outline)));
            }
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().map(|(_, pattern, outline)| (pattern, outline)).collect()
}

/// The area within an outline, positive if it is counterclockwise.
fn area(outline: &[Part]) -> f64 {
    let pairs = outline.iter().zip(outline.iter().cycle().skip(1));
    pairs.map(|(a, b)| (a[0] * b[1] - b[0] * a[1]) / 2.0).sum()
}

/// Linked places as lines, from ends and junctions first, then what is closed.
fn chains(links: &BTreeMap<Stop, Vec<Stop>>, places: &HashMap<Stop, Part>) -> Vec<Vec<Part>> {
    let mut used: HashSet<(Stop, Stop)> = HashSet::new();
    let mut lines = vec![];
    let ends = links.iter().filter(|(_, to)| to.len() != 2).chain(links.iter().filter(|(_, to)| to.len() == 2));
    for (start, to) in ends {
        for next in to {
            if used.contains(&(*start, *next)) {
                continue;
            }
            let (mut line, mut before, mut here) = (vec![places[start]], *start, *next);
            loop {
                used.insert((before, here));
                used.insert((here, before));
                line.push(places[&here]);
                let onward = links[&here].iter().find(|s| **s != before && !used.contains(&(here, **s)));
                match onward.filter(|_| links[&here].len() == 2) {
                    Some(next) => (before, here) = (here, *next),
                    None => break,
                }
            }
            lines.push(straightened(line));
        }
    }
    lines
}

/// The line without the points that stand on the straight line between those kept.
fn straightened(line: Vec<Part>) -> Vec<Part> {
    const NEAR: f64 = 2e-4;
    let mut kept = vec![line[0]];
    let mut from = 0;
    while from + 1 < line.len() {
        let fits = |to: usize| (from + 1..to).all(|k| distance(line[k], line[from], line[to]) < NEAR);
        let mut to = from + 1;
        while to + 1 < line.len() && fits(to + 1) {
            to += 1;
        }
        kept.push(line[to]);
        from = to;
    }
    kept
}

/// How far a point is from the line through two others.
fn distance(p: Part, a: Part, b: Part) -> f64 {
    let (d, v) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length = d[0].hypot(d[1]);
    if length < 1e-12 { v[0].hypot(v[1]) } else { (d[0] * v[1] - d[1] * v[0]).abs() / length }
}
