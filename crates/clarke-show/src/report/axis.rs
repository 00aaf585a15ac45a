//! Axes, linear and logarithmic.

use crate::plot::panel::ticks;

/// An axis: what it shows of which numbers, and where it has marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    log: bool,
    /// In places: the numbers, or their decimal logarithms.
    pub range: (f64, f64),
    /// Places with their labels.
    pub marks: Vec<(f64, String)>,
    /// Places of finer lines without labels.
    pub fine: Vec<f64>,
}

impl Axis {
    /// An axis for these numbers, with at most about so many marks. What has no place on it counts for nothing. `whole`:
    /// the numbers are counts, and so are the marks.
    pub fn new(log: bool, whole: bool, numbers: impl Iterator<Item = f64>, count: usize) -> Axis {
        let places = numbers.filter_map(|x| place(log, x));
        let ends = places.fold(None, |ends: Option<(f64, f64)>, p| match ends {
            None => Some((p, p)),
            Some((low, high)) => Some((low.min(p), high.max(p))),
        });
        let (low, high) = ends.unwrap_or(if log { (0.0, 1.0) } else { (-1.0, 1.0) });
        if log { Axis::logarithmic((low, high), count) } else { Axis::linear((low, high), whole, count) }
    }

    fn linear((low, high): (f64, f64), whole: bool, count: usize) -> Axis {
        // What differs in the last digits only is drawn as one number.
        let apart = high - low > 1e-12 * low.abs().max(high.abs());
        let (low, high) = match apart {
            true => (low, high),
            false if whole && low >= 0.0 => ((low - 1.0).max(0.0), high + 1.0),
            false if whole => (low - 1.0, high + 1.0),
            false => (low - 0.1 * low.abs().max(1.0), high + 0.1 * high.abs().max(1.0)),
        };
        // Ends are halved, so that the size of a range is a number too.
        let half = 0.5 * high - 0.5 * low;
        let margin = if whole { 0.0 } else { 0.06 * half };
        let range = ((low - margin).max(f64::MIN / 4.0), (high + margin).min(f64::MAX / 4.0));
        let mut at = ticks(range, count);
        if whole {
            at.retain(|t| t.fract() == 0.0);
        }
        let step = if at.len() > 1 { at[1] - at[0] } else { range.1 - range.0 };
        let marks = at.into_iter().map(|t| (t, label(t, step))).collect();
        Axis { log: false, range, marks, fine: vec![] }
    }

    fn logarithmic((low, high): (f64, f64), count: usize) -> Axis {
        let margin = (0.03 * (high - low)).max(0.05);
        let range = (low - margin, high + margin);
        let decades: Vec<i32> = (range.0.ceil() as i32..=range.1.floor() as i32).collect();
        let between = |of: &[f64]| -> Vec<f64> {
            let all = (range.0.floor() as i32..=range.1.floor() as i32)
                .flat_map(|d| of.iter().map(move |m| f64::from(d) + m.log10()));
            all.filter(|p| (range.0..=range.1).contains(p)).collect()
        };
        if decades.len() < 2 {
            // Within a decade or two, round numbers serve better than powers.
            let ends = (10f64.powf(range.0), 10f64.powf(range.1));
            let coarse = between(&[1.0, 2.0, 5.0]);
            let at: Vec<f64> = match coarse.len() < 3 {
                true => ticks(ends, count).into_iter().filter(|t| *t > 0.0).collect(),
                false => coarse.iter().map(|p| 10f64.powf(*p)).collect(),
            };
            let step = at.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
            let step = if step.is_finite() { step } else { ends.1 - ends.0 };
            return Axis {
                log: true,
                range,
                marks: at.iter().map(|t| (t.log10(), label(*t, step))).collect(),
                fine: vec![],
            };
        }
        let every = decades.len().div_ceil(count.max(1)).max(1) as i32;
        let kept: Vec<i32> = decades.iter().copied().filter(|d| d.rem_euclid(every) == 0).collect();
        let plain = kept.iter().all(|d| (-3..=4).contains(d));
        let marks = kept.iter().map(|d| (f64::from(*d), if plain { plain_power(*d) } else { power(*d) })).collect();
        let fine = match every {
            1 if decades.len() <= 6 => between(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
            1 => vec![],
            _ => decades.iter().filter(|d| d.rem_euclid(every) != 0).map(|d| f64::from(*d)).collect(),
        };
        Axis { log: true, range, marks, fine }
    }

    /// Where a number stands; None if it has no place, as 0 on a logarithmic axis.
    pub fn place(&self, x: f64) -> Option<f64> {
        place(self.log, x)
    }
}

fn place(log: bool, x: f64) -> Option<f64> {
    let place = if log { x.log10() } else { x };
    place.is_finite().then_some(place)
}

/// A number with as many digits as marks so far apart need.
fn label(x: f64, step: f64) -> String {
    let x = if x.abs() < 1e-9 * step { 0.0 } else { x };
    let digits = -step.abs().log10().floor() + 0.0;
    if x != 0.0 && (x.abs() >= 1e5 || x.abs() < 1e-3) {
        let exponent = x.abs().log10().floor();
        let kept = (digits + exponent).clamp(0.0, 14.0) as usize;
        let text = format!("{x:.kept$e}");
        let Some((mantissa, exponent)) = text.split_once('e') else { return text };
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        let exponent = exponent.parse().map_or(exponent.to_string(), superscript);
        return match mantissa {
            "1" => format!("10{exponent}"),
            "-1" => format!("−10{exponent}"),
            other => format!("{}·10{exponent}", other.replace('-', "−")),
        };
    }
    let kept = digits.clamp(0.0, 14.0) as usize;
    format!("{x:.kept$}").replace('-', "−")
}

/// A power of ten in full.
fn plain_power(d: i32) -> String {
    if d < 0 { format!("0.{}1", "0".repeat((-d - 1) as usize)) } else { format!("1{}", "0".repeat(d as usize)) }
}

/// A power of ten.
fn power(d: i32) -> String {
    format!("10{}", superscript(d))
}

fn superscript(d: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |k| RAISED[k as usize]);
    d.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn marks_are_round_numbers_within_the_range() {
        for (log, low, high) in [
            (false, 0.0, 20_000.0),
            (false, 44.2338, 44.2341),
            (false, -3e-7, 2e-7),
            (false, 1e17, 1.0000001e17),
            (false, f64::MIN, f64::MAX),
            (true, 1e-16, 1e3),
            (true, 1.0, 20_000.0),
            (true, 2.1, 2.4),
            (true, 0.9, 95.0),
            (true, 5e-324, 1e300),
        ] {
            let axis = Axis::new(log, false, [low, high].into_iter(), 6);
            assert!((2..=13).contains(&axis.marks.len()), "{low} to {high}: {axis:?}");
            let ordered = axis.marks.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 != w[1].1);
            assert!(ordered, "{low} to {high}: {:?}", labels(&axis));
            let slack = 1e-6 * (axis.range.1 - axis.range.0);
            assert!(
                axis.marks.iter().all(|(p, _)| (axis.range.0 - slack..=axis.range.1 + slack).contains(p)),
                "{axis:?}"
            );
            assert!(axis.range.0.is_finite() && axis.range.1.is_finite(), "{axis:?}");
        }
    }

    #[test]
    fn labels_say_what_they_mean() {
        let linear = |low, high| Axis::new(false, false, [low, high].into_iter(), 6);
        assert_eq!(labels(&linear(0.0, 1.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear(-2e5, 2e5)), ["−2·10⁵", "−10⁵", "0", "10⁵", "2·10⁵"]);
        assert_eq!(
            labels(&Axis::new(true, false, [1e-8, 1.0].into_iter(), 5)),
            ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]
        );
        assert_eq!(labels(&Axis::new(true, false, [1.0, 1e4].into_iter(), 5)), ["1", "10", "100", "1000", "10000"]);
        let counts = Axis::new(false, true, [0.0, 3.0].into_iter(), 8);
        assert_eq!(labels(&counts), ["0", "1", "2", "3"]);
    }

    #[test]
    fn what_has_no_place_counts_for_nothing() {
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, 10.0, 1000.0];
        let axis = Axis::new(true, false, odd.into_iter(), 5);
        assert_eq!(axis.place(0.0), None);
        assert_eq!(labels(&axis), ["10", "100", "1000"]);
        assert!(!Axis::new(true, false, std::iter::empty(), 5).marks.is_empty());
        let one = Axis::new(false, false, [7.0].into_iter(), 5);
        assert!(one.range.0 < 7.0 && 7.0 < one.range.1 && one.marks.len() > 1, "{one:?}");
    }
}
