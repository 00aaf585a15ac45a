//! Strata in a box of the plane: which pattern is where, and the lines between them.

use super::Subject;
use crate::report::Exit;
use clarke::Strata;
use std::collections::{BTreeMap, HashMap};

/// How many samples a side has.
const SIDE: usize = 72;

/// How often a crossing is bisected: beyond what a picture shows.
const HALVINGS: usize = 16;

/// A pattern; None where the function is not finite.
type Pattern = Option<u64>;

/// A position as fractions of the box.
pub type Part = [f64; 2];

/// A crossing on an edge of the mesh (its cell, and whether the edge is vertical), or the centre of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stop {
    Edge(usize, usize, bool),
    Centre(usize, usize),
}

/// A mesh over a box with its patterns.
pub struct Mesh<'a> {
    strata: Strata,
    subject: &'a Subject<'a>,
    ranges: [(f64, f64); 2],
    /// The patterns at the samples, row by row from below.
    patterns: Vec<Pattern>,
}

/// What is to be drawn: areas by pattern, and lines.
pub struct Drawn {
    pub areas: Vec<(Pattern, Vec<Part>)>,
    pub lines: Vec<Vec<Part>>,
    /// The patterns that are finite, the largest first, each with its neighbours.
    pub patterns: Vec<(u64, Vec<u64>)>,
}

/// Where a sample stands. The two axes are shifted differently, so that no simple line goes through the samples.
fn fraction(axis: usize, k: usize) -> f64 {
    (k as f64 + [0.3717, 0.6173][axis]) / SIDE as f64
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
    pub fn new(subject: &'a Subject<'a>, ranges: [(f64, f64); 2]) -> Result<Mesh<'a>, Exit> {
        let strata = subject.program.strata()?;
        let mut mesh = Mesh { strata, subject, ranges, patterns: vec![] };
        for j in 0..SIDE {
            for i in 0..SIDE {
                mesh.patterns.push(mesh.pattern([fraction(0, i), fraction(1, j)])?);
            }
        }
        Ok(mesh)
    }

    fn pattern(&self, part: Part) -> Result<Pattern, Exit> {
        let at = |k: usize| self.ranges[k].0 + (self.ranges[k].1 - self.ranges[k].0) * part[k];
        Ok(self.strata.signature(&self.subject.variables.inputs(&[at(0), at(1)]))?)
    }

    fn sample(&self, i: usize, j: usize) -> Pattern {
        self.patterns[j * SIDE + i]
    }

    /// Where the pattern of the first end of an edge stops.
    fn crossing(&self, i: usize, j: usize, vertical: bool) -> Result<Part, Exit> {
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
    pub fn draw(&self) -> Result<Drawn, Exit> {
        let (mut areas, mut links): (Vec<_>, BTreeMap<Stop, Vec<Stop>>) = (vec![], BTreeMap::new());
        let mut places: HashMap<Stop, Part> = HashMap::new();
        for j in 0..SIDE - 1 {
            let mut run: Option<(Pattern, usize)> = None;
            for i in 0..SIDE - 1 {
                let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
                let own = corners.map(|(a, b)| self.sample(a, b));
                let uniform = own.iter().all(|p| *p == own[0]);
                if let Some((pattern, from)) = run
                    && (!uniform || pattern != own[0])
                {
                    areas.push((pattern, block(from, i, j)));
                    run = None;
                }
                match uniform {
                    true => run = run.or(Some((own[0], i))),
                    false => self.cell(i, j, own, &mut areas, &mut links, &mut places)?,
                }
            }
            areas.extend(run.map(|(pattern, from)| (pattern, block(from, SIDE - 1, j))));
        }
        Ok(Drawn { areas: merged(areas), lines: chains(&links, &places), patterns: self.neighbours() })
    }

    /// A cell in which patterns meet.
    fn cell(
        &self,
        i: usize,
        j: usize,
        own: [Pattern; 4],
        areas: &mut Vec<(Pattern, Vec<Part>)>,
        links: &mut BTreeMap<Stop, Vec<Stop>>,
        places: &mut HashMap<Stop, Part>,
    ) -> Result<(), Exit> {
        let corner = |(a, b): (usize, usize)| [drawn(0, a), drawn(1, b)];
        let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)].map(corner);
        // The edges below, right, above and left, each from its lower or left end.
        let edges = [(i, j, false), (i + 1, j, true), (i, j + 1, false), (i, j, true)];
        let (mut on, mut crossed) = ([[0.0; 2]; 4], vec![]);
        for k in 0..4 {
            let next = (k + 1) % 4;
            if own[k] == own[next] {
                on[k] = [0, 1].map(|axis| (corners[k][axis] + corners[next][axis]) / 2.0);
                continue;
            }
            let (a, b, vertical) = edges[k];
            let stop = Stop::Edge(a, b, vertical);
            on[k] = match places.get(&stop) {
                Some(place) => *place,
                None => self.crossing(a, b, vertical)?,
            };
            places.insert(stop, on[k]);
            crossed.push(stop);
        }
        let centre = [0, 1].map(|axis| crossed.iter().map(|s| places[s][axis]).sum::<f64>() / crossed.len() as f64);
        for k in 0..4 {
            areas.push((own[k], vec![on[(k + 3) % 4], corners[k], on[k], centre]));
        }
        let mut link = |a: Stop, b: Stop| {
            links.entry(a).or_default().push(b);
            links.entry(b).or_default().push(a);
        };
        match crossed[..] {
            [a, b] => link(a, b),
            _ => {
                places.insert(Stop::Centre(i, j), centre);
                crossed.iter().for_each(|s| link(*s, Stop::Centre(i, j)));
            }
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

/// A row of cells of one pattern.
fn block(from: usize, to: usize, j: usize) -> Vec<Part> {
    let (a, b) = (drawn(0, from), drawn(0, to));
    let (low, high) = (drawn(1, j), drawn(1, j + 1));
    vec![[a, low], [b, low], [b, high], [a, high]]
}

/// Blocks that stand on each other as one.
fn merged(areas: Vec<(Pattern, Vec<Part>)>) -> Vec<(Pattern, Vec<Part>)> {
    let mut out: Vec<(Pattern, Vec<Part>)> = vec![];
    let mut open: HashMap<(Pattern, [u64; 3]), usize> = HashMap::new();
    let key = |pattern: Pattern, a: Part, b: Part| (pattern, [a[0].to_bits(), b[0].to_bits(), a[1].to_bits()]);
    for (pattern, corners) in areas {
        // Only blocks have a level lower side with a level upper one above it.
        let level = corners[0][1] == corners[1][1] && corners[2][1] == corners[3][1] && corners[0][0] == corners[3][0];
        if !level || corners[1][0] != corners[2][0] {
            out.push((pattern, corners));
            continue;
        }
        let below = open.remove(&key(pattern, corners[0], corners[1]));
        let at = match below {
            Some(at) => {
                (out[at].1[2], out[at].1[3]) = (corners[2], corners[3]);
                at
            }
            None => {
                out.push((pattern, corners.clone()));
                out.len() - 1
            }
        };
        open.insert(key(pattern, corners[3], corners[2]), at);
    }
    out
}

/// Linked places as lines, from ends and junctions first, then what is closed.
fn chains(links: &BTreeMap<Stop, Vec<Stop>>, places: &HashMap<Stop, Part>) -> Vec<Vec<Part>> {
    let mut used: HashMap<(Stop, Stop), ()> = HashMap::new();
    let mut lines = vec![];
    let ends = links.iter().filter(|(_, to)| to.len() != 2).chain(links.iter().filter(|(_, to)| to.len() == 2));
    for (start, to) in ends {
        for next in to {
            if used.contains_key(&(*start, *next)) {
                continue;
            }
            let (mut line, mut before, mut here) = (vec![places[start]], *start, *next);
            loop {
                used.insert((before, here), ());
                used.insert((here, before), ());
                line.push(places[&here]);
                let onward = links[&here].iter().find(|s| **s != before && !used.contains_key(&(here, **s)));
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
    const NEAR: f64 = 5e-4;
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
