//! Charts as pictures: each with the axes that its reader may choose from, wide and narrow.

use super::axis::Axis;
use super::{Chart, Scale, Series, Style};
use crate::plot::PictureError;
use crate::plot::paint::{Anchor, BLUE, Colour, GREY, INK, PALE, RED, SKY, Scene, Spot, fitted, width};
use crate::plot::panel::{Panel, SMALL};
use crate::words;

/// Colours that the colour-blind can tell apart, each with dashes of its own for print in grey.
const LINES: [(Colour, &[f64]); 8] = [
    (BLUE, &[]),
    (RED, &[8.0, 4.0]),
    (Colour(0, 158, 115, 1.0), &[2.0, 2.5]),
    (Colour(204, 121, 167, 1.0), &[10.0, 3.0, 2.0, 3.0]),
    (Colour(230, 159, 0, 1.0), &[16.0, 4.0]),
    (SKY, &[4.0, 3.0]),
    (Colour(122, 82, 48, 1.0), &[10.0, 3.0, 2.0, 3.0, 2.0, 3.0]),
    (Colour(108, 92, 150, 1.0), &[6.0, 8.0]),
];

/// The axes of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axes {
    /// Values are heights above the least one.
    height: bool,
    log_x: bool,
    log_y: bool,
}

const VALUES: Axes = Axes { height: false, log_x: false, log_y: false };
const LOG: Axes = Axes { log_y: true, ..VALUES };
const HEIGHT: Axes = Axes { height: true, ..LOG };
const RATE: Axes = Axes { log_x: true, ..HEIGHT };
const POWER: Axes = Axes { log_x: true, ..LOG };
const EARLY: Axes = Axes { log_x: true, ..VALUES };

impl Axes {
    /// What the view is called where the reader chooses.
    fn name(self) -> &'static str {
        match self {
            RATE | POWER => "both axes logarithmic",
            HEIGHT => "height, logarithmic",
            LOG => "logarithmic",
            EARLY => "horizontal axis logarithmic",
            _ => "values",
        }
    }
}

/// A chart as drawn with some axes: for a screen or a sheet, and for a phone.
pub struct View {
    pub name: &'static str,
    pub wide: String,
    pub narrow: String,
}

/// A sign of the legend with its words.
pub struct Item {
    pub sign: String,
    pub text: String,
}

/// A line, its number in the palette, and the level that its heights are measured from.
struct Drawn<'a> {
    line: &'a Series,
    style: usize,
    heights: f64,
}

/// A chart prepared for drawing.
pub struct Drawing<'a> {
    chart: &'a Chart,
    lines: Vec<Drawn<'a>>,
    /// Each line in numbers: its name, where it ends, its first and last value, the least and the largest.
    pub numbers: Vec<Vec<String>>,
}

impl<'a> Drawing<'a> {
    /// Gives each line its style, and its level that heights are measured from.
    pub fn new(chart: &'a Chart) -> Drawing<'a> {
        let mut next = 0;
        let lines = chart.series.iter().map(|line| {
            let style = next;
            next += usize::from(line.style == Style::Line);
            Drawn { line, style, heights: chart.level(&line.run) }
        });
        Drawing { lines: lines.collect(), chart, numbers: chart.series.iter().map(Series::numbers).collect() }
    }

    /// The pictures, in the order in which they are offered: at least one.
    pub fn views(&self) -> Result<Vec<View>, PictureError> {
        let mut offered: Vec<Axes> = match self.chart.scale {
            Scale::Linear => vec![VALUES],
            Scale::Log => vec![LOG, VALUES],
            Scale::Power => vec![POWER],
            Scale::Height => vec![HEIGHT, RATE, VALUES],
        };
        let reach = |l: &Drawn| l.line.points.last().map_or(0.0, |p| p.0);
        let (least, most) =
            self.lines.iter().map(reach).fold((f64::INFINITY, 0.0_f64), |(a, b), r| (a.min(r), b.max(r)));
        if self.chart.scale == Scale::Linear && most >= 100.0 {
            offered.push(EARLY);
        }
        // Runs of very different length are seen together on a logarithmic axis only.
        if least < 0.2 * most {
            offered.sort_by_key(|axes| !axes.log_x);
        }
        // Axes on which nothing, or a single point, has a place are not offered.
        let seen = |axes: &&Axes| {
            **axes == VALUES || self.lines.iter().any(|l| l.pieces(**axes).iter().flatten().nth(1).is_some())
        };
        let told = self.told();
        let draw = |axes: &Axes| {
            let wide = self.svg(*axes, Size { width: 720.0, height: 340.0, marks: (8, 6) }, &told)?;
            let narrow = self.svg(*axes, Size { width: 328.0, height: 260.0, marks: (4, 5) }, &told)?;
            Ok(View { name: axes.name(), wide, narrow })
        };
        offered.iter().filter(seen).map(draw).collect()
    }

    /// The legend: a sign for each line.
    pub fn legend(&self) -> Result<Vec<Item>, PictureError> {
        let item = |drawn: &Drawn| {
            let mut scene = Scene::new(34.0, 12.0);
            drawn.stroke(&mut scene, vec![[1.0, 6.0], [33.0, 6.0]]);
            let sign = scene.svg()?.trim().replacen("<svg ", "<svg aria-hidden=\"true\" ", 1);
            Ok(Item { sign, text: drawn.line.label() })
        };
        self.lines.iter().map(item).collect()
    }

    /// The chart in words, for those who do not see it.
    fn told(&self) -> String {
        let line =
            |row: &Vec<String>| format!("{}: from {} to {} at {} {}", row[0], row[2], row[3], self.chart.x, row[1]);
        let lines: Vec<String> = self.numbers.iter().map(line).collect();
        format!("{} over {}. {}.", self.chart.y, self.chart.x, lines.join("; "))
    }

    /// What is said below the chart of heights, and of points that have no place in it.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![];
        let missing = self.lines.iter().flat_map(|l| &l.line.points).filter(|p| !p.1.is_finite()).count();
        if missing > 0 {
            notes.push(format!("{} that are not finite are left out.", words::plural(missing, "value")));
        }
        let any = self.lines.iter().flat_map(|l| &l.line.points).any(|p| p.1.is_finite());
        match self.chart.scale {
            Scale::Height if any && self.chart.apart => {
                notes.push("Heights are measured for each run from the least value that it met.".into());
            }
            Scale::Height if any => {
                let level = self.chart.level("");
                let drawn = self.lines.iter().flat_map(|l| &l.line.points).any(|p| p.1 == level);
                let reached = if drawn { "; a line that reaches it goes to the lower edge" } else { "" };
                notes.push(format!(
                    "Heights are measured from {}, the least value known{reached}.",
                    words::number(level)
                ));
            }
            _ => {}
        }
        notes
    }

    /// The picture, with what is told of the chart to those who do not see it.
    fn svg(&self, axes: Axes, size: Size, told: &str) -> Result<String, PictureError> {
        let label = format!(
            "<svg role=\"img\" aria-label=\"{}\" ",
            words::escaped(&words::clipped(&format!("{}, {}", self.chart.title, axes.name()), 200))
        );
        let inside = format!(">\n<desc>{}</desc>\n", words::escaped(&words::clipped(told, 1000)));
        Ok(self.scene(axes, size).svg()?.trim().replacen("<svg ", &label, 1).replacen(">\n", &inside, 1))
    }

    fn scene(&self, axes: Axes, size: Size) -> Scene {
        let pieces: Vec<Vec<Vec<(f64, f64)>>> = self.lines.iter().map(|l| l.pieces(axes)).collect();
        let all = || pieces.iter().flatten().flatten();
        let whole = !axes.log_x && all().all(|p| p.0.fract() == 0.0);
        let counts = !axes.log_y && all().all(|p| p.1.fract() == 0.0 && p.1 >= 0.0);
        let x = Axis::new(axes.log_x, whole, all().map(|p| p.0), size.marks.0);
        let mut y = Axis::new(axes.log_y, counts, all().map(|p| p.1), size.marks.1);
        if !axes.log_y && counts {
            // Counts are seen against 0, with room for the line that stays there.
            let high = all().map(|p| p.1).fold(1.0, f64::max);
            y = Axis::new(false, true, [0.0, high].into_iter(), size.marks.1);
            y.range = (-0.03 * high, 1.05 * high);
        }
        let mut scene = Scene::new(size.width, size.height);
        let panel = size.panel(&x, &y);
        grid(&mut scene, &panel, &x, &y);
        for (drawn, pieces) in std::iter::zip(&self.lines, &pieces) {
            drawn.draw(&mut scene, &panel, &x, &y, pieces);
        }
        panel.frame(&mut scene);
        let what = if axes.height { format!("{} above the least", self.chart.y) } else { self.chart.y.clone() };
        scene.text([4.0, 12.0], TEXT, fitted(&what, TEXT, size.width - 8.0), Anchor::Left, INK);
        let below = [(panel.left + panel.right) / 2.0, size.height - 9.0];
        scene.text(below, TEXT, fitted(&self.chart.x, TEXT, panel.right - panel.left), Anchor::Centre, INK);
        scene
    }
}

impl Chart {
    /// The chart as a picture that stands alone, as SVG on white, with its legend: for documents.
    ///
    /// Errors: those of the drawing library.
    pub fn svg(&self) -> Result<String, PictureError> {
        let drawing = Drawing::new(self);
        let axes = match self.scale {
            Scale::Linear => VALUES,
            Scale::Log => LOG,
            Scale::Power => POWER,
            Scale::Height => HEIGHT,
        };
        let size = Size { width: 720.0, height: 340.0, marks: (8, 6) };
        let mut scene = drawing.scene(axes, size);
        let mut right = size.width - 8.0;
        for line in drawing.lines.iter().rev() {
            scene.text([right, 12.0], TEXT, line.line.label(), Anchor::Right, INK);
            right -= width(&line.line.label(), TEXT) + 8.0;
            line.stroke(&mut scene, vec![[right - 26.0, 12.0], [right, 12.0]]);
            right -= 44.0;
        }
        let white = format!(
            ">\n<desc>{}</desc>\n<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n",
            words::escaped(&words::clipped(&drawing.told(), 1000)),
            size.width,
            size.height
        );
        Ok(scene.svg()?.trim().replacen(">\n", &white, 1) + "\n")
    }

    /// The level from which the heights of a run are measured.
    fn level(&self, run: &str) -> f64 {
        let own = |line: &&Series| !self.apart || line.run == run;
        let met = self.series.iter().filter(own).flat_map(|l| &l.points).map(|p| p.1).filter(|y| y.is_finite());
        let known = self.least.into_iter().filter(|_| !self.apart);
        met.chain(known).reduce(f64::min).unwrap_or(0.0)
    }
}

impl Series {
    /// The line in numbers: its name, where it ends, its first and last value, the least and the largest.
    fn numbers(&self) -> Vec<String> {
        let finite = || self.points.iter().map(|p| p.1).filter(|y| y.is_finite());
        let number = |x: Option<f64>| x.map_or("—".to_string(), words::number);
        let (first, last) = (self.points.first(), self.points.last());
        let all = [last.map(|p| p.0), first.map(|p| p.1), last.map(|p| p.1), finite().reduce(f64::min)];
        let all = all.into_iter().chain([finite().reduce(f64::max)]).map(number);
        [self.label()].into_iter().chain(all).collect()
    }

    /// What the legend says.
    fn label(&self) -> String {
        match (self.run.as_str(), self.name.as_str()) {
            ("", name) => name.to_string(),
            (run, "") => run.to_string(),
            (run, name) => format!("{run}: {name}"),
        }
    }
}

impl Drawn<'_> {
    /// The points that have a place, in pieces where the line is not interrupted.
    fn pieces(&self, axes: Axes) -> Vec<Vec<(f64, f64)>> {
        let (mut pieces, mut piece) = (vec![], vec![]);
        for &(x, y) in &self.line.points {
            let y = if axes.height { y - self.heights } else { y };
            // What reaches the least value is drawn at the lower edge, for which 0 stands here.
            let low = y < 0.0 || (y == 0.0 && !axes.height) || (y == 0.0 && self.line.style == Style::Pale);
            let placed = x.is_finite() && y.is_finite() && !(axes.log_x && x <= 0.0) && !(axes.log_y && low);
            match placed {
                true => piece.push((x, y)),
                false => pieces.push(std::mem::take(&mut piece)),
            }
        }
        pieces.push(piece);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    fn draw(&self, scene: &mut Scene, panel: &Panel, x: &Axis, y: &Axis, pieces: &[Vec<(f64, f64)>]) {
        let points = pieces.iter().map(Vec::len).sum::<usize>();
        for piece in pieces {
            let placed = piece.iter().filter_map(|p| Some((x.place(p.0)?, y.place(p.1).unwrap_or(y.range.0))));
            let kept = thinned(panel, placed.collect());
            self.stroked(scene, |scene, line, colour| panel.curve(scene, &kept, line, colour));
            let (colour, _) = self.ink();
            if kept.len() == 1 || (points <= 30 && self.line.style == Style::Line) {
                kept.iter().for_each(|p| scene.dot(panel.at(p.0, p.1), 2.6, colour));
            }
        }
    }

    fn stroke(&self, scene: &mut Scene, through: Vec<Spot>) {
        self.stroked(scene, |scene, line, colour| scene.line(through, line, colour));
    }

    fn stroked(&self, scene: &mut Scene, draw: impl FnOnce(&mut Scene, f64, Colour)) {
        let (colour, dashes) = self.ink();
        match self.line.style {
            Style::Line => {
                scene.dashed(colour, dashes);
                draw(scene, 2.0, colour);
            }
            Style::Pale => draw(scene, 1.0, colour.veil(0.5)),
        }
    }

    fn ink(&self) -> (Colour, &'static [f64]) {
        LINES[self.style % LINES.len()]
    }
}

/// The size of texts.
const TEXT: f64 = 12.5;

/// The size of a picture, and about how many marks its axes have.
#[derive(Debug, Clone, Copy)]
struct Size {
    width: f64,
    height: f64,
    marks: (usize, usize),
}

impl Size {
    fn panel(&self, x: &Axis, y: &Axis) -> Panel {
        let labels = y.marks.iter().map(|(_, label)| width(label, SMALL)).fold(20.0, f64::max);
        let (left, right) = (labels + 12.0, self.width - 14.0);
        Panel { left, right, top: 26.0, bottom: self.height - 42.0, x: x.range, y: y.range }
    }
}

fn grid(scene: &mut Scene, panel: &Panel, x: &Axis, y: &Axis) {
    let upright = |place: f64| panel.at(place, panel.y.0)[0];
    let level = |place: f64| panel.at(panel.x.0, place)[1];
    let fine = PALE.light(0.5);
    x.fine.iter().for_each(|p| scene.line(vec![[upright(*p), panel.top], [upright(*p), panel.bottom]], 0.6, fine));
    y.fine.iter().for_each(|p| scene.line(vec![[panel.left, level(*p)], [panel.right, level(*p)]], 0.6, fine));
    // A label that would touch the one before it is left out.
    let (mut free, mut low) = (f64::NEG_INFINITY, f64::INFINITY);
    for (place, label) in &x.marks {
        let (at, half) = (upright(*place), width(label, SMALL) / 2.0);
        scene.line(vec![[at, panel.top], [at, panel.bottom]], 0.8, PALE);
        if at - half > free {
            let inside = at.min(panel.right + 12.0 - half);
            scene.text([inside, panel.bottom + 13.0], SMALL, label.as_str(), Anchor::Centre, GREY);
            free = inside + half + 8.0;
        }
    }
    for (place, label) in &y.marks {
        let at = level(*place);
        scene.line(vec![[panel.left, at], [panel.right, at]], 0.8, PALE);
        if at < low {
            scene.text([panel.left - 7.0, at], SMALL, label.as_str(), Anchor::Right, GREY);
            low = at - SMALL;
        }
    }
}

/// Of the points in a column of the picture the first, the last, the lowest and the highest: the others are not seen.
fn thinned(panel: &Panel, points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let column = |p: &(f64, f64)| panel.at(p.0, p.1)[0].floor();
    let mut kept = vec![];
    for group in points.chunk_by(|a, b| column(a) == column(b)) {
        let by = |a: &usize, b: &usize| group[*a].1.total_cmp(&group[*b].1);
        let ends = [(0..group.len()).min_by(by), (0..group.len()).max_by(by)];
        let mut places: Vec<usize> = ends.into_iter().flatten().chain([0, group.len() - 1]).collect();
        places.sort();
        places.dedup();
        kept.extend(places.into_iter().map(|k| group[k]));
    }
    kept
}
