//! Pictures as lists of shapes, and their drawing as SVG or PNG.

use super::PictureError;
use crate::words::printable;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::sync::Once;

/// The format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// Scalable; text stays text.
    Svg,
    /// Pixels, two for each unit of length.
    Png,
}

/// A colour: red, green, blue and how much it covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour(pub u8, pub u8, pub u8, pub f64);

// The palette of Okabe and Ito, which the colour-blind can tell apart, and greys.
pub const INK: Colour = Colour(38, 38, 38, 1.0);
pub const GREY: Colour = Colour(110, 110, 110, 1.0);
pub const PALE: Colour = Colour(226, 226, 226, 1.0);
pub const BLUE: Colour = Colour(0, 114, 178, 1.0);
pub const SKY: Colour = Colour(86, 180, 233, 1.0);
pub const RED: Colour = Colour(213, 94, 0, 1.0);
pub const WHITE: Colour = Colour(255, 255, 255, 1.0);
pub const STRATA: [Colour; 8] = [
    Colour(230, 159, 0, 1.0),
    Colour(0, 158, 115, 1.0),
    Colour(204, 121, 167, 1.0),
    Colour(240, 228, 66, 1.0),
    Colour(140, 140, 140, 1.0),
    RED,
    SKY,
    BLUE,
];

impl Colour {
    /// The same, covering less.
    pub fn veil(self, alpha: f64) -> Colour {
        Colour(self.0, self.1, self.2, alpha)
    }

    /// Mixed with white, so much of it left.
    pub fn light(self, part: f64) -> Colour {
        let mix = |c: u8| (255.0 - part * (255.0 - f64::from(c))).round() as u8;
        Colour(mix(self.0), mix(self.1), mix(self.2), self.3)
    }

    fn rgba(self) -> RGBAColor {
        RGBColor(self.0, self.1, self.2).mix(self.3)
    }
}

/// A position in units of length from the upper left corner.
pub type Spot = [f64; 2];

/// Where a text stands relative to its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Left,
    Centre,
    Right,
}

/// What is drawn.
#[derive(Debug, Clone)]
enum Shape {
    Line { through: Vec<Spot>, width: f64, colour: Colour },
    Fill { corners: Vec<Spot>, colour: Colour },
    Dot { centre: Spot, radius: f64, colour: Colour },
    Text { at: Spot, size: f64, text: String, anchor: Anchor, colour: Colour },
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Scene {
    size: (f64, f64),
    shapes: Vec<Shape>,
    dashes: Vec<(Colour, &'static [f64])>,
}

/// How many whole numbers an SVG has for a unit of length.
const FINE: f64 = 8.0;

/// The one typeface.
const FONT: &str = "sans-serif";

/// Makes the typeface known, so that no font of the system is needed.
fn font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = include_bytes!("../../assets/DejaVuSans.ttf");
        // The file is part of this crate and read by the tests.
        let _ = plotters::style::register_font(FONT, FontStyle::Normal, font);
    });
}

impl Scene {
    /// An empty picture.
    pub fn new(width: f64, height: f64) -> Scene {
        font();
        Scene { size: (width, height), shapes: vec![], dashes: vec![] }
    }

    /// As SVG, lines of this colour that cover what is below are dashed: lengths of dashes and gaps, in turn. Without any,
    /// they stay whole.
    pub fn dashed(&mut self, colour: Colour, lengths: &'static [f64]) {
        self.dashes.push((colour, lengths));
    }

    /// A line through points.
    pub fn line(&mut self, through: Vec<Spot>, width: f64, colour: Colour) {
        if through.len() > 1 {
            self.shapes.push(Shape::Line { through, width, colour });
        }
    }

    /// A line of dashes between two points.
    pub fn dashes(&mut self, from: Spot, to: Spot, width: f64, colour: Colour) {
        let length = (to[0] - from[0]).hypot(to[1] - from[1]);
        let at = |s: f64| [0, 1].map(|k| from[k] + (to[k] - from[k]) * (s / length));
        let (mut s, dash) = (0.0, 4.0);
        while s < length {
            self.line(vec![at(s), at((s + dash).min(length))], width, colour);
            s += 2.0 * dash;
        }
    }

    /// A filled polygon.
    pub fn fill(&mut self, corners: Vec<Spot>, colour: Colour) {
        self.shapes.push(Shape::Fill { corners, colour });
    }

    /// A filled rectangle between two corners.
    pub fn block(&mut self, a: Spot, b: Spot, colour: Colour) {
        self.fill(vec![a, [b[0], a[1]], b, [a[0], b[1]]], colour);
    }

    /// A disc.
    pub fn dot(&mut self, centre: Spot, radius: f64, colour: Colour) {
        self.shapes.push(Shape::Dot { centre, radius, colour });
    }

    /// A disc with a white rim.
    pub fn marker(&mut self, centre: Spot, radius: f64, colour: Colour) {
        self.dot(centre, radius + 1.5, WHITE);
        self.dot(centre, radius, colour);
    }

    /// A cross.
    pub fn cross(&mut self, [x, y]: Spot, radius: f64, colour: Colour) {
        for (width, colour) in [(5.0, WHITE), (2.0, colour)] {
            self.line(vec![[x - radius, y - radius], [x + radius, y + radius]], width, colour);
            self.line(vec![[x - radius, y + radius], [x + radius, y - radius]], width, colour);
        }
    }

    /// A text, vertically centred.
    pub fn text(&mut self, at: Spot, size: f64, text: impl Into<String>, anchor: Anchor, colour: Colour) {
        let text = text.into().chars().map(printable).collect();
        self.shapes.push(Shape::Text { at, size, text, anchor, colour });
    }

    /// The picture as a file's content.
    pub fn render(&self, format: PictureFormat) -> Result<Vec<u8>, PictureError> {
        match format {
            PictureFormat::Svg => self.svg().map(String::into_bytes),
            PictureFormat::Png => self.png().map_err(|e| PictureError::Written(e.to_string())),
        }
    }

    /// The picture as SVG.
    pub fn svg(&self) -> Result<String, PictureError> {
        let pixels = |scale: f64| ((self.size.0 * scale) as u32, (self.size.1 * scale) as u32);
        let mut text = String::new();
        let root = SVGBackend::with_string(&mut text, pixels(FINE)).into_drawing_area();
        let drawn = self.paint(&root, FINE, 0.0).and_then(|()| root.present());
        drawn.map_err(|e| PictureError::Written(e.to_string()))?;
        drop(root);
        // The view box stays fine, the picture has its size.
        let ((w, h), (fine_w, fine_h)) = (pixels(1.0), pixels(FINE));
        let own = format!("width=\"{fine_w}\" height=\"{fine_h}\"");
        let text = text.replacen(&own, &format!("width=\"{w}\" height=\"{h}\""), 1);
        Ok(self.dash(text))
    }

    /// What the backend has no word for: the dashes of lines.
    fn dash(&self, svg: String) -> String {
        let mut parts = svg.split("<polyline ");
        let mut out = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let style = &part[..part.find("points=").unwrap_or(0)];
            let drawn_so = |Colour(r, g, b, _): &Colour| style.contains(&format!("stroke=\"#{r:02X}{g:02X}{b:02X}\""));
            let dashed = self.dashes.iter().find(|(colour, _)| style.contains(" opacity=\"1\"") && drawn_so(colour));
            out += "<polyline ";
            if let Some((_, lengths)) = dashed.filter(|(_, lengths)| !lengths.is_empty()) {
                let lengths: Vec<String> = lengths.iter().map(|l| (l * FINE).round().to_string()).collect();
                out += &format!("stroke-dasharray=\"{}\" ", lengths.join(" "));
            }
            out += part;
        }
        out
    }

    /// Two pixels for each unit of length, each the mean of some: what the pixels' backend draws is not smooth.
    fn png(&self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        const COARSE: usize = 3;
        let (width, height) = ((2.0 * self.size.0) as usize, (2.0 * self.size.1) as usize);
        let fine = (width * COARSE, height * COARSE);
        let mut pixels = vec![0u8; 3 * fine.0 * fine.1];
        {
            let backend = BitMapBackend::with_buffer(&mut pixels, (fine.0 as u32, fine.1 as u32));
            let root = backend.into_drawing_area();
            self.paint(&root, 2.0 * COARSE as f64, 0.13)?;
            root.present()?;
        }
        let mut small = Vec::with_capacity(3 * width * height);
        for at in 0..3 * width * height {
            let (pixel, channel) = (at / 3, at % 3);
            let (row, column) = (COARSE * (pixel / width), COARSE * (pixel % width));
            let one = |k: usize| u32::from(pixels[3 * ((row + k / COARSE) * fine.0 + column + k % COARSE) + channel]);
            let sum: u32 = (0..COARSE * COARSE).map(one).sum();
            small.push((sum / (COARSE * COARSE) as u32) as u8);
        }
        let mut bytes = vec![];
        let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
        encoder.write_header()?.write_image_data(&small)?;
        Ok(bytes)
    }

    /// Draws every shape; texts lowered by a part of their size, where a backend's idea of their middle is too high.
    fn paint<DB: DrawingBackend>(
        &self,
        root: &DrawingArea<DB, plotters::coord::Shift>,
        scale: f64,
        lowered: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let spot = |p: &Spot| ((p[0] * scale).round() as i32, (p[1] * scale).round() as i32);
        let wide = |width: f64| (width * scale).round().max(1.0) as u32;
        root.fill(&plotters::style::WHITE)?;
        for shape in &self.shapes {
            match shape {
                Shape::Line { through, width, colour } => {
                    let style = colour.rgba().stroke_width(wide(*width));
                    root.draw(&PathElement::new(through.iter().map(spot).collect::<Vec<_>>(), style))?;
                }
                Shape::Fill { corners, colour } => {
                    root.draw(&Polygon::new(corners.iter().map(spot).collect::<Vec<_>>(), colour.rgba()))?;
                }
                Shape::Dot { centre, radius, colour } => {
                    root.draw(&Circle::new(spot(centre), wide(*radius), colour.rgba().filled()))?;
                }
                Shape::Text { at, size, text, anchor, colour } => {
                    let side = match anchor {
                        Anchor::Left => HPos::Left,
                        Anchor::Centre => HPos::Center,
                        Anchor::Right => HPos::Right,
                    };
                    let style = (FONT, size * scale).into_font().color(&colour.rgba());
                    let at = [at[0], at[1] + lowered * size];
                    root.draw(&Text::new(text.clone(), spot(&at), style.pos(Pos::new(side, VPos::Center))))?;
                }
            }
        }
        Ok(())
    }
}

/// How wide a text is.
pub fn width(text: &str, size: f64) -> f64 {
    font();
    (FONT, size).into_font().box_size(text).map_or(0.6 * size * text.chars().count() as f64, |(w, _)| f64::from(w))
}

/// A text cut so that it is at most so wide.
pub fn fitted(text: &str, size: f64, room: f64) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut kept = text.chars().count();
    let mut cut = text.clone();
    while width(&cut, size) > room && kept > 1 {
        kept -= 1;
        cut = text.chars().take(kept).chain(['…']).collect();
    }
    cut
}
