//! Reports: their pages hold what they say, load nothing, and can be read back and drawn over each other.

use clarke_show::report::{Chart, Report, ReportError, Scale, Series, page, read};

/// Values of a run that falls like 1/k towards a level.
fn falling(level: f64, steps: u32) -> Vec<(f64, f64)> {
    (0..=steps).map(|k| (f64::from(k), level + 10.0 / (1.0 + f64::from(k)))).collect()
}

fn report(name: &str, level: f64) -> Report {
    let mut report = Report::new("minimize", format!("Minimization by {name}"), "sum(abs(A @ w - b)) + norm1(w)");
    report.name = name.into();
    report.tile("best value", level.to_string()).tile("status", "all steps made");
    let points = falling(level, 200);
    report
        .section("Along the run")
        .chart(
            Chart::new("value", "Value", "step", "value", Scale::Height)
                .series(Series::new("value", points.clone()).pale())
                .series(Series::new("best", points)),
        )
        .text("First paragraph.\n\nSecond of `a < b`.\n\nA lone ` stays.");
    let settings = [("method", name.to_string()), ("seed", "0".into())];
    report.section("Settings").facts("Settings", settings).code("clarke minimize …");
    report.section("Solution").table("", &["entry", "value"], vec![vec!["w[0]".into(), "−1.5".into()]]);
    report
}

/// The pictures of a page.
fn pictures(page: &str) -> Vec<&str> {
    let ends = |(at, _): (usize, &str)| &page[at..at + page[at..].find("</svg>").expect("it is closed") + 6];
    page.match_indices("<svg ").map(ends).collect()
}

/// The text of a picture's elements of a kind.
fn texts(svg: &str, tag: &str) -> Vec<String> {
    let parsed = roxmltree::Document::parse(svg).unwrap_or_else(|e| panic!("{e}: {svg}"));
    let text = |n: roxmltree::Node| n.text().unwrap_or_default().trim().to_string();
    parsed.descendants().filter(|n| n.has_tag_name(tag)).map(text).collect()
}

/// How many elements of a kind a picture has in a colour.
fn lines(svg: &str, colour: &str) -> usize {
    let parsed = roxmltree::Document::parse(svg).unwrap();
    parsed.descendants().filter(|n| n.has_tag_name("polyline") && n.attribute("stroke") == Some(colour)).count()
}

/// A page loads nothing: there is no address in it and no element that fetches one.
fn loads_nothing(page: &str) {
    let shown = &page[..page.find("<script type=\"application/json\"").unwrap()];
    // The name of a language looks like an address, and nobody goes there.
    let shown = shown.replace("http://www.w3.org/2000/svg", "");
    for part in ["http:", "https:", " src=", "@import", "url(", "<script", "<iframe", "<object", "//"] {
        assert!(!shown.contains(part), "{part}");
    }
    assert_eq!(shown.matches("href=").count(), shown.matches("href=\"data:,\"").count());
}

#[test]
fn what_is_written_is_read() {
    let one = report("bundle", 1.25);
    let html = page(std::slice::from_ref(&one));
    assert!(read(&html).unwrap() == [one.clone()]);
    let all = [one, report("subgradient", 1.5), report("adam", 2.0)];
    assert!(read(&page(&all)).unwrap() == all, "a page of several holds them all");
}

#[test]
fn a_page_says_all_and_loads_nothing() {
    let html = page(&[report("bundle", 1.25)]);
    loads_nothing(&html);
    for part in [
        "<h1>Minimization by bundle</h1>",
        "sum(abs(A @ w - b))",
        "Second of <code>a &lt; b</code>.",
        "A lone ` stays.",
        "w[0]",
        "−1.5",
        "best value",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Three choices of axes, wide and narrow, and two signs of the legend.
    let all = pictures(&html);
    assert_eq!(all.len(), 3 * 2 + 2);
    assert!(all.iter().filter(|svg| svg.contains("role=\"img\"")).all(|svg| !texts(svg, "desc")[0].is_empty()));
    assert_eq!(all.iter().filter(|svg| svg.contains("role=\"img\"")).count(), 6);
}

#[test]
fn nothing_in_a_text_is_markup() {
    let evil = "</script><script>alert(1)</script><!-- \" & '\u{0}";
    let mut bad = Report::new(evil, evil, evil);
    bad.name = evil.into();
    bad.tile(evil, evil);
    bad.failure = vec![evil.into()];
    let chart = Chart::new(evil, evil, evil, evil, Scale::Log).series(Series::new(evil, falling(1.0, 3))).note(evil);
    bad.section(evil).text(evil).code(evil).facts(evil, [(evil, evil)]).chart(chart);
    bad.section(evil).table(evil, &[evil], vec![vec![evil.into()]]);
    for reports in [vec![bad.clone()], vec![bad.clone(), bad.clone()]] {
        let html = page(&reports);
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(html.matches("</script").count(), 1);
        assert!(!html.contains("<!--"));
        assert!(read(&html).unwrap() == reports);
        pictures(&html).iter().for_each(|svg| drop(texts(svg, "text")));
    }
}

#[test]
fn runs_are_drawn_over_each_other_and_told_apart() {
    let html = page(&[report("bundle", 1.25), report("subgradient", 1.5)]);
    loads_nothing(&html);
    assert!(html.contains("2 runs compared") && html.contains("where the runs differ"));
    assert!(!html.contains("Different objectives"));
    let legend: Vec<_> = pictures(&html).into_iter().filter(|svg| svg.contains("aria-hidden")).collect();
    assert_eq!(legend.len(), 4);
    let chart = pictures(&html)[4];
    assert_eq!([lines(chart, "#0072B2"), lines(chart, "#D55E00")], [2, 2], "each run's values and best values");
    // In grey the second run is told by its dashes, the first by having none.
    let parsed = roxmltree::Document::parse(chart).unwrap();
    let dashed = |colour: &str| {
        let line = |n: &roxmltree::Node| n.attribute("stroke") == Some(colour) && n.has_attribute("stroke-dasharray");
        parsed.descendants().filter(line).count()
    };
    assert_eq!([dashed("#0072B2"), dashed("#D55E00")], [0, 1]);
    // Heights are measured from what the better of them met: the other ends at a height of 0.25.
    assert!(html.contains("Heights are measured from 1.29975124378, the least value known;"), "{html}");
}

#[test]
fn different_objectives_are_said_aloud() {
    let other = Report { subject: "sum(x ** 2)".into(), ..report("adam", -7.0) };
    let html = page(&[report("bundle", 1.25), other]);
    assert!(html.contains("<h2>Different objectives</h2>") && html.contains("sum(x ** 2)"));
    assert!(html.contains("Heights are measured for each run from the least value that it met."));
}

#[test]
fn runs_of_one_name_keep_apart() {
    let html = page(&[report("adam", 1.0), report("adam", 2.0), report("adam", 3.0)]);
    assert!(html.contains("adam (2)") && html.contains("adam (3)"));
}

#[test]
fn numbers_that_have_no_place_are_left_out_and_counted() {
    let odd = vec![(0.0, f64::INFINITY), (1.0, 3.0), (2.0, f64::NAN), (3.0, 2.0), (4.0, 2.0), (5.0, -1.0), (6.0, 0.0)];
    let chart = |scale| Chart::new("odd", "Odd", "step", "value", scale).series(Series::new("odd", odd.clone()));
    for scale in [Scale::Linear, Scale::Log, Scale::Height] {
        let mut odd = Report::new("minimize", "Odd", "");
        odd.section("Odd").chart(chart(scale));
        let html = page(&[odd.clone()]);
        assert!(html.contains("2 values that are not finite are left out."), "{scale:?}");
        for svg in pictures(&html) {
            texts(svg, "text");
            let drawn = svg.split("</desc>").last().unwrap();
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{scale:?}: {svg}");
        }
        let back = read(&html).unwrap();
        let same = |a: &Report, b: &Report| format!("{a:?}") == format!("{b:?}");
        assert!(same(&back[0], &odd), "what is not finite is kept");
    }
}

#[test]
fn charts_of_little_are_charts() {
    for points in [vec![], vec![(0.0, 1.0)], vec![(0.0, f64::NAN)], vec![(0.0, 5.0), (1.0, 5.0)], vec![(3.0, -2.0)]] {
        for scale in [Scale::Linear, Scale::Log, Scale::Height] {
            let mut little = Report::new("minimize", "Little", "");
            let chart = Chart::new("l", "L", "step", "value", scale);
            little.section("L").chart(chart.clone()).chart(chart.series(Series::new("a", points.clone())));
            let html = page(&[little]);
            assert!(pictures(&html).len() >= 2, "{points:?} {scale:?}");
            pictures(&html).iter().for_each(|svg| drop(texts(svg, "text")));
        }
    }
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let html = page(&[report("bundle", 1.25)]);
    assert_eq!(read("<html></html>"), Err(ReportError::NoReport));
    assert_eq!(read(&html.replace("\"form\":1", "\"form\":7")), Err(ReportError::Version { version: 7 }));
    let start = html.find("\"form\"").unwrap();
    for damaged in [html[..start + 200].to_string(), html.replace("\"reports\":", "\"reprots\":")] {
        assert!(matches!(read(&damaged), Err(ReportError::Damaged { .. })));
    }
    for error in [ReportError::NoReport, ReportError::Version { version: 7 }] {
        assert!(error.to_string().contains("; "), "{error}");
    }
}
