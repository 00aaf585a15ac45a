//! Pictures of `clarke explain --plot`.

mod common;

use common::{clarke, printed, refused};
use std::path::Path;

/// Draws a picture and returns its content.
fn draw(expression: &str, at: &[&str], more: &[&str], file: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file);
    let mut args = vec!["explain", expression, "--plot", path.to_str().unwrap()];
    at.iter().for_each(|value| args.extend(["--at", value]));
    args.extend(more);
    clarke(&args).assert().success();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file stayed behind");
    std::fs::read(&path).unwrap()
}

fn svg(expression: &str, at: &[&str], more: &[&str]) -> String {
    let text = String::from_utf8(draw(expression, at, more, "f.svg")).unwrap();
    assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{expression}");
    // Elements are opened and closed, and attributes are numbers of the plane.
    assert_eq!(text.matches("<text ").count(), text.matches("</text>").count());
    assert!(!text.contains("NaN") && !text.contains("inf\""), "{expression}");
    text
}

/// The contents of the text elements.
fn texts(svg: &str) -> Vec<String> {
    let inside = |part: &str| {
        let text = part.split_once('>').map_or("", |(_, rest)| rest).split("</text>").next().unwrap_or_default().trim();
        text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&").replace("&#39;", "'")
    };
    svg.split("<text ").skip(1).map(inside).collect()
}

#[test]
fn a_function_of_one_number_is_drawn_with_its_sets() {
    let svg = svg("relu(-x) + x - relu(x)", &["x=0"], &["--policy", "pytorch"]);
    let texts = texts(&svg);
    for text in ["relu(-x) + x - relu(x)", "conservative gradient", "Clarke subdifferential", "gradient, pytorch", "x"]
    {
        assert!(texts.iter().any(|t| t == text), "{text}: {texts:?}");
    }
    assert!(svg.len() < 60_000, "{}", svg.len());
}

#[test]
fn kinks_are_found_in_the_range() {
    let bars = |range: &str| {
        svg("abs(x) + abs(x - 1/3) + relu(x - 2)", &["x=0"], &["--range", range]).matches("#0072B2").count()
    };
    // One dark bar a kink, and one in the legend; none of either where there is no kink.
    assert_eq!([bars("-1:0.2"), bars("-1:1"), bars("-1:3"), bars("-3:-1")], [2, 3, 4, 0]);
}

#[test]
fn functions_of_two_numbers_show_strata_and_sets() {
    let both = svg("abs(x[0]) + abs(x[1])", &["x=[0,0]"], &[]);
    let words = texts(&both);
    assert!(words.iter().any(|t| t == "4 smooth pieces in the plane, and the point"), "{words:?}");
    assert!(words.iter().any(|t| t == "∂f/∂x[1]"), "{words:?}");
    assert!(words.iter().any(|t| t.contains("pytorch")), "{words:?}");
    assert!(both.len() < 30_000, "{}", both.len());
    for (expression, at) in [
        ("norm2(x)", &["x=[0,0]"][..]),
        ("maximum(x, y)", &["x=1", "y=1"]),
        ("x * y", &["x=1", "y=1"]),
        ("abs(x**2 + y**2 - 1)", &["x=1", "y=0"]),
        ("log(x) + abs(y)", &["x=0.5", "y=0"]),
        ("relu(-x) + x - relu(x) + y", &["x=0", "y=0"]),
    ] {
        svg(expression, at, &[]);
    }
    svg("maximum(x, y)", &["x=0", "y=0"], &["--range", "-1:2,-3:0.5"]);
}

/// The positions of the shapes of a kind, with the fill given.
fn corners(svg: &str, fill: &str) -> Vec<Vec<(f64, f64)>> {
    let shapes = svg.split("<polygon ").skip(1).filter(|s| s.split('>').next().is_some_and(|s| s.contains(fill)));
    let points = |shape: &str| {
        let list = shape.split("points=\"").nth(1).and_then(|s| s.split('"').next()).unwrap_or_default().to_string();
        let pair = |p: &str| p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
        list.split_whitespace().filter_map(pair).collect()
    };
    shapes.map(points).collect()
}

#[test]
fn strata_are_whole_areas_and_cover_the_box() {
    // Lines through 0, an island within another, and a line that ends where the function does.
    for (expression, pieces) in [
        ("abs(x[0] + x[1]) - abs(x[0]) - abs(x[1])", 6),
        ("abs(norm2(x) - 0.5) + abs(norm2(x) - 0.2)", 3),
        ("abs(x[0] - 3)", 1),
    ] {
        let drawn = svg(expression, &["x=[0.9,0.1]"], &["--range", "-1:1"]);
        let title = if pieces == 1 { "1 smooth piece".to_string() } else { format!("{pieces} smooth pieces") };
        assert!(texts(&drawn).iter().any(|t| t.starts_with(&title)), "{expression}: {:?}", texts(&drawn));
        // The areas in the left half that are no marker's: as many as pieces, and the largest box is the panel's.
        let areas: Vec<_> =
            corners(&drawn, "opacity=\"1\"").into_iter().filter(|c| c.iter().all(|p| p.0 < 3300.0)).collect();
        assert_eq!(areas.len(), pieces, "{expression}");
        let ends = |f: fn(f64, f64) -> f64, k: usize| {
            areas.iter().flatten().map(|p| if k == 0 { p.0 } else { p.1 }).reduce(f).unwrap()
        };
        let found = [ends(f64::min, 0), ends(f64::max, 0), ends(f64::min, 1), ends(f64::max, 1)];
        assert_eq!(found, [512.0, 3232.0, 672.0, 3392.0], "{expression}");
    }
}

#[test]
fn odd_functions_are_drawn() {
    for (expression, at) in [
        ("3", "x=0"),
        ("x", "x=1e9"),
        ("1/x", "x=0.5"),
        ("log(x)", "x=0.1"),
        ("exp(20*abs(x))", "x=0"),
        ("abs(sin(10*x))", "x=0"),
        ("norm2(x)", "x=[0]"),
        ("where(x > 0, x, -x)", "x=0"),
        ("abs(x) * 1e-12", "x=0"),
    ] {
        assert!(svg(expression, &[at], &[]).contains("<polyline"), "{expression}");
    }
}

#[test]
fn png_has_pixels() {
    let bytes = draw("abs(x)", &["x=0"], &[], "f.PNG");
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (1520, 1240));
    assert!(bytes.len() > 10_000);
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("f.svg");
    let good = good.to_str().unwrap();
    let refuse = |expression: &str, at: &[&str], more: &[&str]| {
        let mut args = vec!["explain", expression];
        at.iter().for_each(|value| args.extend(["--at", value]));
        refused(&[&args[..], more].concat())
    };
    for (at, more, part) in [
        (&["x=[0,0,0]"][..], &["--plot", good][..], "depends on 3 numbers"),
        (&["x=[0,0]", "y=1"], &["--plot", good], "depends on 3 numbers"),
        (&["x=0"], &["--plot", "f.pdf"], "cannot tell the format"),
        (&["x=0"], &["--plot", "no/folder/f.svg"], "there is no folder"),
        (&["x=0"], &["--plot", good, "--range", "1"], "there is no `:`"),
        (&["x=0"], &["--plot", good, "--range", "1:0"], "empty"),
        (&["x=0"], &["--plot", good, "--range", "a:1"], "not a finite number"),
        (&["x=0"], &["--plot", good, "--range", "0:inf"], "not a finite number"),
        (&["x=0"], &["--plot", good, "--range", "0:1,0:1"], "more ranges than numbers"),
        (&["x=0"], &["--range", "0:1"], "--plot"),
    ] {
        let said = refuse("sum(abs(x))", at, more);
        assert!(said.contains(part), "{more:?}: {said}");
    }
    assert!(!Path::new(good).exists());
    // An error of the point leaves no picture behind.
    refuse("sqrt(x)", &["x=0"], &["--plot", good]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_text_is_the_same_with_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.svg");
    let plain = printed(&["explain", "abs(x)", "--at", "x=0"]);
    assert_eq!(printed(&["explain", "abs(x)", "--at", "x=0", "--plot", path.to_str().unwrap()]), plain);
}
