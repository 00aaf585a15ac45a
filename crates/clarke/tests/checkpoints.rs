//! exploration
mod common;
use clarke::{Convention, Program, parse};

fn read(text: &str, inputs: &[(&str, &[usize])]) -> Program {
    parse(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn numbers() {
    for (text, inputs) in [
        (
            "sum(fold(lambda c, x: tanh(W @ c + x), a, x))",
            &[("W", &[20, 20][..]), ("a", &[20]), ("x", &[1000, 20])][..],
        ),
        (
            "sum(fold(lambda c, x: tanh(W @ c + x), a, x, checkpoint=True))",
            &[("W", &[20, 20]), ("a", &[20]), ("x", &[1000, 20])],
        ),
        ("sum(scan(lambda c, x: tanh(W @ c + x), a, x)**2)", &[("W", &[20, 20]), ("a", &[20]), ("x", &[1000, 20])]),
        (
            "sum(scan(lambda c, x: tanh(W @ c + x), a, x, checkpoint=True)**2)",
            &[("W", &[20, 20]), ("a", &[20]), ("x", &[1000, 20])],
        ),
        ("sum(fold(lambda c, x: abs(c*w - x), a, x))", &[("w", &[3]), ("a", &[3]), ("x", &[100000, 3])]),
        (
            "sum(fold(lambda c, x: abs(c*w - x), a, x, checkpoint=True))",
            &[("w", &[3]), ("a", &[3]), ("x", &[100000, 3])],
        ),
        ("sum(fold(lambda c: abs(c*w - 0.5*c), a, length=1000, checkpoint=True))", &[("w", &[3]), ("a", &[3])]),
        ("sum(fold(lambda c: abs(c*w - 0.5*c), a, length=100000, checkpoint=True))", &[("w", &[3]), ("a", &[3])]),
        ("sum(fold(lambda c: abs(c*w - 0.5*c), a, length=100000))", &[("w", &[3]), ("a", &[3])]),
    ] {
        let f = read(text, inputs);
        let g = f.gradient_cost().unwrap();
        println!("{text}\n {:.3} {:?}\n {:?}\n", g.ratio(), g.value, g.gradient);
        let f = f.value_and_gradient().unwrap();
        if text.contains("1000)") || text.contains("1000,") {
            println!("{f}");
        }
        let t = std::time::Instant::now();
        let c = f.compile::<f64>(Convention::MinNorm);
        let t1 = t.elapsed();
        let args: Vec<clarke::Tensor> = inputs.iter().map(|(_, s)| clarke::Tensor::full(s, 0.3)).collect();
        let t = std::time::Instant::now();
        let y = c.call(&args).unwrap();
        println!("compile {t1:?} run {:?} {:?}", t.elapsed(), y[0].data()[0]);
    }
}
