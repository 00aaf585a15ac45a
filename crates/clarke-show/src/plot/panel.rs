//! A rectangle of a picture with axes.

use super::paint::{Anchor, BLUE, Colour, GREY, INK, PALE, RED, SKY, Scene, Spot, width};
use crate::words;

/// Where a range of x and a range of y are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

/// The size of the labels at ticks.
pub const SMALL: f64 = 12.0;

impl Panel {
    /// Where a point is drawn.
    pub fn at(&self, x: f64, y: f64) -> Spot {
        let along = |t: f64, (low, high): (f64, f64)| (t - low) / (high - low);
        let (u, v) = (along(x, self.x), along(y, self.y));
        [self.left + u * (self.right - self.left), self.bottom - v * (self.bottom - self.top)]
    }

    /// The grid with numbers at its ticks, below everything else.
    pub fn grid(&self, scene: &mut Scene, ticks_x: usize, ticks_y: usize) {
        self.columns(scene, ticks_x);
        for y in ticks(self.y, ticks_y) {
            let [_, at] = self.at(self.x.0, y);
            scene.line(vec![[self.left, at], [self.right, at]], 0.8, PALE);
            scene.text([self.left - 7.0, at], SMALL, words::short(y), Anchor::Right, GREY);
        }
    }

    /// The upright lines of the grid alone.
    pub fn columns(&self, scene: &mut Scene, ticks_x: usize) {
        for x in ticks(self.x, ticks_x) {
            let [at, _] = self.at(x, self.y.0);
            scene.line(vec![[at, self.top], [at, self.bottom]], 0.8, PALE);
            scene.text([at, self.bottom + 12.0], SMALL, words::short(x), Anchor::Centre, GREY);
        }
    }

    /// The frame, above everything else.
    pub fn frame(&self, scene: &mut Scene) {
        let corners =
            [[self.left, self.top], [self.right, self.top], [self.right, self.bottom], [self.left, self.bottom]];
        scene.line(corners.into_iter().chain([corners[0]]).collect(), 1.0, GREY);
    }

    /// A curve given by points in order of x, cut off where it leaves the panel.
    pub fn curve(&self, scene: &mut Scene, points: &[(f64, f64)], line: f64, colour: Colour) {
        let mut run: Vec<Spot> = vec![];
        for pair in points.windows(2) {
            match self.inside(pair[0], pair[1]) {
                Some((a, b)) => {
                    if run.is_empty() || a != pair[0] {
                        scene.line(std::mem::take(&mut run), line, colour);
                        run.push(self.at(a.0, a.1));
                    }
                    run.push(self.at(b.0, b.1));
                }
                None => scene.line(std::mem::take(&mut run), line, colour),
            }
        }
        scene.line(run, line, colour);
    }

    /// The part of a segment whose y is within the panel.
    #[allow(clippy::type_complexity)]
    fn inside(&self, a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let (low, high) = self.y;
        let finite = a.1.is_finite() && b.1.is_finite();
        if !finite || a.1.max(b.1) < low || a.1.min(b.1) > high {
            return None;
        }
        let end = |p: (f64, f64), q: (f64, f64)| {
            let y = p.1.clamp(low, high);
            if y == p.1 { p } else { (p.0 + (q.0 - p.0) * (y - p.1) / (q.1 - p.1), y) }
        };
        Some((end(a, b), end(b, a)))
    }
}

/// Round numbers within a range, about so many.
pub fn ticks((low, high): (f64, f64), count: usize) -> Vec<f64> {
    let raw = (high - low) / count as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw).unwrap_or(10.0 * power);
    let slack = 1e-9 * (high - low);
    let first = ((low - slack) / step).ceil() as i64;
    let last = ((high + slack) / step).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// A range that holds all of `must` and the values, with a margin; values far beyond most are left out, as next to a pole.
pub fn range(values: impl IntoIterator<Item = f64>, must: &[f64], margin: f64) -> (f64, f64) {
    let mut all: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (all.first(), all.last()) else { return (-1.0, 1.0) };
    let quantile = |q: f64| all[((all.len() - 1) as f64 * q).round() as usize];
    let (inner_low, inner_high) = (quantile(0.05), quantile(0.95));
    let pole = last - first > 6.0 * (inner_high - inner_low) && inner_high > inner_low;
    let (low, high) = if pole { (inner_low, inner_high) } else { (first, last) };
    let (low, high) = must.iter().fold((low, high), |(l, h), x| (l.min(*x), h.max(*x)));
    let size = (high - low).max(1e-12 * low.abs().max(high.abs()));
    match size > 0.0 && high > low {
        true => (low - margin * size, high + margin * size),
        false => (low - 1.0, high + 1.0),
    }
}

/// A sign of the legend.
#[derive(Debug, Clone, Copy)]
pub enum Sign {
    Line(Colour),
    Wide,
    Narrow,
    Dot,
    Cross,
    Area(Colour),
}

/// The colours of the conservative set and of Clarke's, and of a gradient that was picked.
pub const CONSERVATIVE: Colour = SKY;
pub const CLARKE: Colour = BLUE;
pub const PICKED: Colour = RED;

/// One or more centred rows of signs, each with its words. Returns the height used.
pub fn legend(scene: &mut Scene, (left, right): (f64, f64), top: f64, items: &[(Sign, String)]) -> f64 {
    const SIZE: f64 = 13.0;
    const ROW: f64 = 22.0;
    let room = |(_, text): &(Sign, String)| 28.0 + width(text, SIZE) + 20.0;
    let mut rows: Vec<Vec<&(Sign, String)>> = vec![vec![]];
    let mut used = 0.0;
    for item in items {
        if used + room(item) > right - left && used > 0.0 {
            rows.push(vec![]);
            used = 0.0;
        }
        used += room(item);
        rows.last_mut().expect("there is a first row").push(item);
    }
    for (k, row) in rows.iter().enumerate() {
        let total: f64 = row.iter().map(|item| room(item)).sum();
        let (mut x, y) = ((left + right - total) / 2.0 + 8.0, top + ROW * (k as f64 + 0.5));
        for item in row {
            sign(scene, item.0, [x + 10.0, y]);
            scene.text([x + 26.0, y], SIZE, item.1.as_str(), Anchor::Left, INK);
            x += room(item);
        }
    }
    ROW * rows.len() as f64
}

fn sign(scene: &mut Scene, sign: Sign, [x, y]: Spot) {
    match sign {
        Sign::Line(colour) => scene.line(vec![[x - 10.0, y], [x + 10.0, y]], 2.2, colour),
        Sign::Wide => scene.block([x - 8.0, y - 7.0], [x + 8.0, y + 7.0], CONSERVATIVE.veil(0.55)),
        Sign::Narrow => scene.block([x - 3.0, y - 7.0], [x + 3.0, y + 7.0], CLARKE),
        Sign::Area(colour) => {
            scene.block([x - 8.0, y - 7.0], [x + 8.0, y + 7.0], colour.veil(0.35));
            let (a, b) = ([x - 8.0, y - 7.0], [x + 8.0, y + 7.0]);
            scene.line(vec![a, [b[0], a[1]], b, [a[0], b[1]], a], 1.2, colour);
        }
        Sign::Dot => scene.marker([x, y], 4.5, PICKED),
        Sign::Cross => scene.cross([x, y], 5.0, INK),
    }
}
