//! Pages and pictures of programs at points: what the command line and the Python package show.

use clarke::{At, Judgement, Policy, Program, SetOptions, Tensor};
use clarke_show::{
    Explanation, Picture, PictureError, PictureFormat, Subject, Written, check_range, judgement_text, picture,
    set_picture, set_text,
};

/// An expression at a point, with its explanation under the preset of PyTorch.
struct Seen {
    program: Program,
    at: At,
    said: Explanation,
    judged: Judgement,
}

fn seen(program: Program, written: Written, point: &[Tensor]) -> Seen {
    let at = program.at(point).unwrap();
    let (said, judged) = Explanation::new(written, &at, &Policy::pytorch(), &SetOptions::default()).unwrap();
    Seen { program, at, said, judged: judged.unwrap() }
}

fn read(text: &str, inputs: &[(&str, Tensor)]) -> Seen {
    let shapes: Vec<(&str, &[usize])> = inputs.iter().map(|(n, x)| (*n, x.shape())).collect();
    let point: Vec<Tensor> = inputs.iter().map(|(_, x)| x.clone()).collect();
    seen(clarke::parse(text, &shapes).unwrap(), Written::Expression(text), &point)
}

impl Seen {
    fn draw(&mut self, ranges: &[(f64, f64)], format: PictureFormat) -> Result<Picture, PictureError> {
        let (policy, options) = (Policy::pytorch(), SetOptions::default());
        let subject = Subject {
            title: self.said.title(),
            program: &self.program,
            at: &self.at,
            policy: &policy,
            options: &options,
        };
        picture(&subject, ranges, &mut self.judged, format)
    }
}

/// The loss of a linear model, traced: each operator has the line of this file on which it stands.
fn traced() -> Seen {
    let loss =
        Program::trace_named(&[("w", &[2]), ("X", &[3, 2])], |v| v[1].matmul(v[0]).abs().sum() + v[0].relu().sum())
            .unwrap()
            .varying(&["w"])
            .unwrap();
    let x = Tensor::new(&[3, 2], vec![1.0, 2.0, 0.0, 1.0, 2.0, -1.0]).unwrap();
    seen(loss, Written::Function("loss"), &[Tensor::vector([0.0, 0.0]), x])
}

/// The text of a page's elements of a kind, in order.
fn texts(page: &str, tag: &str) -> Vec<String> {
    let parsed = roxmltree::Document::parse(page).unwrap_or_else(|e| panic!("{e}: {page}"));
    let text =
        |node: roxmltree::Node| node.descendants().filter(|n| n.is_text()).filter_map(|n| n.text()).collect::<String>();
    parsed.descendants().filter(|n| n.has_tag_name(tag)).map(text).collect()
}

/// Some programs at ties: one and two numbers, many, infinitely many pieces, smooth, with sets that are not exact.
fn several() -> Vec<Seen> {
    let zeros = |n: usize| Tensor::full(&[n], 0.0);
    vec![
        read("relu(-x) + x - relu(x)", &[("x", 0.0.into())]),
        read("where(x > 0, x, exp(x) - 1)", &[("x", 0.0.into())]),
        read("abs(x[0] + x[1]) - abs(x[0]) - abs(x[1])", &[("x", zeros(2))]),
        read("norm2(x) + sum(abs(x))", &[("x", zeros(30))]),
        read("x ** 2", &[("x", 1.0.into())]),
        traced(),
    ]
}

#[test]
fn the_page_in_html_says_what_the_page_in_text_says() {
    for mut one in several() {
        let (text, picture) = (one.said.text(), one.draw(&[], PictureFormat::Svg).ok());
        let page = one.said.html(picture.as_ref());
        // Every word of every cell and sentence stands in the text.
        let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
        let known = words(&text.replace(":\n", "\n"));
        for cell in texts(&page, "td").iter().chain(&texts(&page, "th")).chain(&texts(&page, "p")) {
            for word in words(cell) {
                assert!(known.contains(&word), "{word} of {cell:?} is not in\n{text}");
            }
        }
        let sentences = texts(&page, "p").join(" ");
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(words(&sentences).ends_with(&words(last)), "{sentences}\n{last}");
        assert_eq!(page.contains("<svg "), picture.is_some());
        for active in ["<script", "onclick", "href=", "<style", "<link", "<img"] {
            assert!(!page.contains(active), "{active}");
        }
    }
}

#[test]
fn nothing_that_a_user_writes_is_markup() {
    let mut one = read("abs(x)", &[("x", 0.0.into())]);
    let name = "<script>\"a & b\"</script>\u{1}\u{FFFF}'";
    one.said.expression = name.into();
    one.said.ties[0].source = name.into();
    one.said.point.0[0].0 = name.into();
    one.said.backprop.policy = name.into();
    let drawn = one.draw(&[], PictureFormat::Svg).unwrap();
    let page = one.said.html(Some(&drawn));
    assert!(!page.contains("<script"), "{page}");
    assert!(texts(&page, "td").contains(&"<script>\"a & b\"</script>\u{FFFD}\u{FFFD}'".to_string()), "{page}");
}

#[test]
fn a_function_is_shown_by_its_name_and_ties_by_their_lines() {
    let one = traced();
    let text = one.said.text();
    let data = "data      X = [[1, 2],\n               [0, 1],\n               [2, -1]]\n";
    assert!(text.starts_with(&format!("loss(w, X)\nat        w = [0, 0]\n{data}\nvalue     0\n")), "{text}");
    let head = text.lines().find(|l| l.contains("operator")).unwrap();
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), ["operator", "source", "line", "element", "pieces"]);
    let tie = text.lines().find(|l| l.trim_start().starts_with("abs")).unwrap();
    assert!(tie.contains("abs(X @ w)") && tie.contains(" pages.rs:") && tie.contains(" [0] "), "{tie}");
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let json = one.said.json();
    assert!(json.starts_with(r#"{"expression":"loss","point":{"w":[0.0,0.0]},"data":{"X":[[1.0,2.0],"#), "{json}");
    assert!(json.contains(r#""place":"crates/clarke-show/tests/pages.rs:"#), "{json}");
    // What was read from text has neither.
    let json = read("abs(x)", &[("x", 0.0.into())]).said.json();
    assert!(!json.contains("\"place\"") && !json.contains("\"data\""), "{json}");
}

#[test]
fn a_function_of_two_numbers_may_have_data() {
    let mut one = traced();
    let drawn = one.draw(&[(-1.0, 1.0)], PictureFormat::Svg).unwrap();
    let svg = drawn.svg().unwrap();
    let texts = texts(svg, "text");
    for text in ["loss(w, X)", "w[0]", "∂f/∂w[1]", "both sets at the point (exact)"] {
        assert!(texts.iter().any(|t| t.trim() == text), "{text}: {texts:?}");
    }
    let program = clarke::parse("abs(x - c[1])", &[("x", &[]), ("c", &[2])]).unwrap().varying(&["x"]).unwrap();
    let mut line = seen(program, Written::Function("f"), &[0.0.into(), Tensor::vector([5.0, 0.25])]);
    let drawn = line.draw(&[], PictureFormat::Svg).unwrap();
    // One kink: a dark bar there, and one in the legend.
    assert_eq!(drawn.svg().unwrap().matches("#0072B2").count(), 2);
}

#[test]
fn what_cannot_be_drawn_says_what_to_do() {
    let said = |error: PictureError| error.to_string();
    let mut many = read("sum(abs(x))", &[("x", Tensor::full(&[3], 0.0))]);
    let error = many.draw(&[], PictureFormat::Svg).unwrap_err();
    assert_eq!(error, PictureError::Function { numbers: 3 });
    assert!(said(error).starts_with("the function depends on 3 numbers; a function of one or two numbers can be"));
    for range in [(1.0, 0.0), (0.0, f64::INFINITY), (f64::NAN, 1.0), (1.0, 1.0 + 1e-12), (-1e308, 1e308)] {
        let mut one = read("abs(x)", &[("x", 0.0.into())]);
        let error = one.draw(&[range], PictureFormat::Svg).unwrap_err();
        assert!(matches!(error, PictureError::Range { .. }) && check_range(range).is_err(), "{range:?}");
        assert!(said(error).contains("; a range goes from its lower to its upper end"));
    }
    let mut one = read("abs(x)", &[("x", 0.0.into())]);
    let error = one.draw(&[(0.0, 1.0), (0.0, 1.0)], PictureFormat::Svg).unwrap_err();
    assert!(said(error).contains("there are more ranges than numbers"));
}

#[test]
fn a_picture_says_what_it_leaves_out() {
    let mut one = read("abs(sin(300 * x))", &[("x", 0.0.into())]);
    let drawn = one.draw(&[], PictureFormat::Svg).unwrap();
    assert!(drawn.notes[0].starts_with("there are 191 kinks in the range"), "{:?}", drawn.notes);
    assert!(texts(&one.said.html(Some(&drawn)), "p").iter().any(|p| p == &format!("{}.", drawn.notes[0])));
}

#[test]
fn pixels_are_a_png_of_the_picture() {
    let mut one = read("relu(x)", &[("x", 0.0.into())]);
    let drawn = one.draw(&[], PictureFormat::Png).unwrap();
    assert_eq!(drawn.svg(), None);
    let mut read = png::Decoder::new(drawn.bytes.as_slice()).read_info().unwrap();
    let mut pixels = vec![0; read.output_buffer_size()];
    let info = read.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (1520, 1240, png::ColorType::Rgb));
    let white = pixels.chunks(3).filter(|p| **p == [255; 3]).count();
    assert!(white > pixels.len() / 6 && white < pixels.len() / 3, "{white}");
}

#[test]
fn a_set_is_drawn_alone() {
    let options = SetOptions::default();
    let conservative = |text: &str, x: Tensor| {
        let shape = x.shape().to_vec();
        clarke::parse(text, &[("x", &shape)]).unwrap().at(&[x]).unwrap().conservative(&options).unwrap()
    };
    let zeros = |n: usize| Tensor::full(&[n], 0.0);
    for (text, x, label) in [
        ("abs(x)", 0.0.into(), "x"),
        ("x", 0.0.into(), "x"),
        ("abs(x[0]) + relu(x[1])", zeros(2), "x[1]"),
        ("norm2(x)", zeros(2), "x[0]"),
        ("x[0] - x[1]", zeros(2), "x[0]"),
    ] {
        let drawn = set_picture(&mut conservative(text, x), PictureFormat::Svg).unwrap();
        let svg = drawn.svg().unwrap();
        let texts = texts(svg, "text");
        assert!(texts.iter().any(|t| t.trim() == label) && texts.iter().any(|t| t.trim() == "exact"), "{texts:?}");
        assert!(svg.contains("#0072B2") || svg.contains("#4D9CC9"), "{text}: the set is not drawn");
    }
    let refused = set_picture(&mut conservative("sum(abs(x))", zeros(3)), PictureFormat::Svg).unwrap_err();
    assert_eq!(refused, PictureError::Set { entries: 3 });
}

#[test]
fn a_set_and_a_judgement_are_said_as_on_the_page() {
    let mut one = read("x - (relu(-x) + x - relu(x))", &[("x", 0.0.into())]);
    let (page, said) = (one.said.text(), judgement_text(&mut one.judged, 0.0));
    let (verdict, rest) = said.split_once("\n\n").unwrap();
    assert_eq!(verdict, "spurious critical");
    let (table, meaning) = rest.split_once("\n\n").unwrap();
    assert!(page.contains(table), "{said}");
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat(&page).contains(&flat(meaning)), "{said}");
    let set = set_text(&mut one.judged.clarke);
    assert_eq!(set, "known       exact\nvertices    x = 1\nleast norm  1 at x = 1\ncritical    no\n");
    let ball = clarke::parse("norm2(x)", &[("x", &[2])]).unwrap().at(&[Tensor::full(&[2], 0.0)]).unwrap();
    let set = set_text(&mut ball.clarke(&SetOptions::default()).unwrap());
    assert!(set.contains("bounds      x[0] in [-1, 1]\n            x[1] in [-1, 1]\n"), "{set}");
}
