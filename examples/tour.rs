//! The story of conservative gradients from end to end: what backpropagation returns at a tie, the set it is taken from,
//! the set it should be taken from, and what the difference does. All that is printed is asserted.
//!
//! After the slides of Edouard Pauwels, "Nonsmooth differential calculus and optimization, the conservative gradient
//! approach" (2022). Run with `cargo run --package clarke --example tour`.

use clarke::{Containment, Error, Policy, Program, SetAt, SetOptions, Tensor, Verdict, parse};

fn main() -> Result<(), Error> {
    one_function_many_gradients()?;
    two_sets()?;
    what_the_smaller_set_says()?;
    an_element_for_certain()?;
    why_it_works_all_the_same()?;
    balls_and_sums()
}

/// Prints a line, which must be the one expected.
fn say(line: String, expected: &str) {
    assert_eq!(line, expected);
    println!("{line}");
}

fn of_x(formula: &str) -> Result<Program, Error> {
    parse(formula, &[("x", &[])])
}

/// The extreme points of a set, in order.
fn points(set: &SetAt) -> Vec<Vec<f64>> {
    let flat = |v: Vec<Tensor>| v.iter().flat_map(|t| t.data().to_vec()).collect();
    let mut all: Vec<Vec<f64>> = set.vertices().unwrap_or_default().into_iter().map(flat).collect();
    all.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    all
}

fn one_function_many_gradients() -> Result<(), Error> {
    println!("1. Backpropagation differentiates formulas. At x = 0, with relu'(0) = 0:\n");
    for (formula, expected) in [
        ("relu(x)", "   relu(x): gradient 0"),
        ("relu(-x) + x", "   relu(-x) + x: gradient 1"),
        ("(relu(x) + relu(-x) + x)/2", "   (relu(x) + relu(-x) + x)/2: gradient 0.5"),
        ("relu(-x) + x - relu(x)", "   relu(-x) + x - relu(x): gradient 1"),
    ] {
        let gradient = of_x(formula)?.at(&[0.0.into()])?.gradient(&Policy::pytorch())?[0].item();
        say(format!("   {formula}: gradient {gradient}"), expected);
    }
    println!("\n   The first three are the same function, max(x, 0). The last is the constant 0.\n");
    Ok(())
}

fn two_sets() -> Result<(), Error> {
    println!("2. At a tie an elementary function has a set of derivatives. All choices together give the conservative");
    println!("   gradient D of the formula; Clarke's set is that of the function. At x = 0, extreme points:\n");
    for (formula, expected) in [
        ("abs(x)", "   abs(x): D [[-1.0], [1.0]], Clarke [[-1.0], [1.0]]"),
        ("relu(-x) + x - relu(x)", "   relu(-x) + x - relu(x): D [[-1.0], [1.0]], Clarke [[0.0]]"),
        ("abs(x) - abs(x)", "   abs(x) - abs(x): D [[-2.0], [2.0]], Clarke [[0.0]]"),
    ] {
        let sets = of_x(formula)?.at(&[0.0.into()])?.sets(&SetOptions::default())?;
        let (d, clarke) = (points(&sets.conservative), points(&sets.clarke));
        say(format!("   {formula}: D {d:?}, Clarke {clarke:?}"), expected);
    }
    let f = parse("abs(x[0]) + abs(x[1])", &[("x", &[2])])?;
    let corners = points(&f.at(&[[0.0, 0.0].into()])?.clarke(&SetOptions::default())?);
    say(
        format!("   abs(x[0]) + abs(x[1]): Clarke {corners:?}"),
        "   abs(x[0]) + abs(x[1]): Clarke [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]",
    );
    println!();
    Ok(())
}

fn what_the_smaller_set_says() -> Result<(), Error> {
    println!(
        "3. A gradient outside of Clarke's set is an artifact of the formula, and can stop a method where the function"
    );
    println!("   goes on. The identity, written as x − (relu(-x) + x − relu(x)), at 0:\n");
    let f = of_x("x - (relu(-x) + x - relu(x))")?;
    let at = f.at(&[0.0.into()])?;
    let gradient = at.gradient(&Policy::pytorch())?;
    let judged = at.judge(&SetOptions::default())?;
    let mut clarke = at.clarke(&SetOptions::default())?;
    let artifact = at.is_artifact(&gradient, &mut clarke)?;
    say(
        format!("   gradient {}, artifact: {artifact:?}, verdict: {}", gradient[0].item(), judged.verdict),
        "   gradient 0, artifact: Some(true), verdict: spurious critical",
    );
    let descent = judged.descent.expect("a spurious point has a direction of descent");
    say(
        format!(
            "   along {:?} the function falls at a rate of at least {}",
            descent.direction[0].data(),
            -descent.bound
        ),
        "   along [-1.0] the function falls at a rate of at least 1",
    );
    let checked = judged.certificate.expect("a verdict comes with its certificate").check(&f)?;
    say(
        format!("   the certificate, checked again slowly: {checked:?}"),
        "   the certificate, checked again slowly: Verified",
    );
    let fermat = of_x("abs(x) + relu(x)/2")?.at(&[0.0.into()])?.judge(&SetOptions::default())?;
    assert_eq!(fermat.verdict, Verdict::ClarkeCritical);
    println!("   At a minimum 0 is in both sets (Fermat's rule): abs(x) + relu(x)/2 at 0 is {}.\n", fermat.verdict);
    Ok(())
}

fn an_element_for_certain() -> Result<(), Error> {
    println!(
        "4. A random direction decides every tie, and the gradient of the piece next to the point is an element of"
    );
    println!("   Clarke's set, whatever the formula (Kakade and Lee; Khan and Barton). At x = 0:\n");
    for formula in ["relu(-x) + x - relu(x)", "maximum(x, 0) + minimum(x, 0)", "relu(x) - relu(-x)"] {
        let at = of_x(formula)?.at(&[0.0.into()])?;
        let element = at.clarke_element(1)?;
        let inside = matches!(at.clarke(&SetOptions::default())?.contains(&element, 1e-12)?, Containment::Inside(_));
        assert!(inside);
        println!("   {formula}: {}", element[0].item());
    }
    println!();
    Ok(())
}

fn why_it_works_all_the_same() -> Result<(), Error> {
    println!(
        "5. Away from a set of measure 0 the conservative gradient is the gradient, and along curves the chain rule"
    );
    println!("   holds for every choice: that is why training with such gradients works.\n");
    let zero = parse("relu(-x) + x - relu(x) + abs(x - y)", &[("x", &[]), ("y", &[])])?;
    let single = (1..=1000).all(|k| {
        let (x, y) = ((k as f64 * 0.7548776662).fract() - 0.5, (k as f64 * 0.5698402910).fract() - 0.5);
        let at = zero.at(&[x.into(), y.into()]);
        at.and_then(|at| at.conservative(&SetOptions::default())).is_ok_and(|set| set.is_single())
    });
    say(
        format!("   single-valued at 1000 points of the square: {single}"),
        "   single-valued at 1000 points of the square: true",
    );
    // On the line x = y a tie is met all along, and every element has the same product with the velocity (1, 1).
    let set = zero.at(&[0.25.into(), 0.25.into()])?.conservative(&SetOptions::default())?;
    let along: Vec<f64> = points(&set).iter().map(|v| v[0] + v[1]).collect();
    say(format!("   on the kink x = y, along it: {along:?}\n"), "   on the kink x = y, along it: [0.0, 0.0]\n");
    Ok(())
}

fn balls_and_sums() -> Result<(), Error> {
    println!(
        "6. Sets with infinitely many extreme points are known by their support functions, and sums of many kinks are"
    );
    println!("   zonotopes, whose element of least norm is a least squares problem.\n");
    let f = parse("norm2(x)", &[("x", &[3])])?;
    let support = f.at(&[[0.0; 3].into()])?.clarke(&SetOptions::default())?.support(&[[0.0, 3.0, 4.0].into()])?;
    say(
        format!("   norm2 at 0 in the direction (0, 3, 4): {}", support.value),
        "   norm2 at 0 in the direction (0, 3, 4): 5",
    );
    let n = 400;
    let f = parse("mean(abs(A @ w))", &[("A", &[n, 3]), ("w", &[3])])?.varying(&["w"])?;
    let a = Tensor::from_fn(&[n, 3], |k| ((k * 7919 + 13) % 101) as f64 / 50.0 - 1.0);
    let judged = f.at(&[a, [0.0; 3].into()])?.judge(&SetOptions::default())?;
    say(
        format!("   mean(abs(A @ w)) at 0, {n} kinks: {}, known: {}", judged.verdict, judged.clarke.known()),
        "   mean(abs(A @ w)) at 0, 400 kinks: clarke critical, known: exact",
    );
    Ok(())
}
