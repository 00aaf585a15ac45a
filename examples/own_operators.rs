//! Two operators of one's own, one with a kink and one smooth, defined outside of the library. From their value and
//! slope alone come text form, ties, policies, forward and reverse mode, second derivatives, and compiled code.

use clarke::op::pointwise::{Elementwise, Pointwise};
use clarke::program::class::Class;
use clarke::program::op::Sample;
use clarke::program::real::Real;
use clarke::program::tie::{Choice, Convention};
use clarke::{Fault, Policy, Tensor, Var, registry, text};

/// `stock_cost(x, over, under) = over·max(x, 0) + under·max(−x, 0)`: what x units too many or too few cost.
/// Clarke: {−under} left, [−under, over] at 0, {over} right.
#[derive(Debug, Clone)]
struct StockCost {
    over: f64,
    under: f64,
}

impl Default for StockCost {
    fn default() -> StockCost {
        StockCost { over: 1.0, under: 1.0 }
    }
}

impl Pointwise for StockCost {
    const NAME: &'static str = "stock_cost";
    const SIGNATURE: &'static str = "stock_cost(x, over=1, under=1)";
    const FORMULA: &'static str = "over·max(x, 0) + under·max(−x, 0)";
    const CLASS: &'static str = "piecewise linear";
    const TIES: &'static str = "[-under, over] at x = 0";
    const SAMPLES: &'static [Sample] = &[Sample::new("stock_cost(x, over=1, under=3)", &[("x", &[3])])];
    const PARAMS: &'static [(&'static str, f64)] = &[("over", 1.0), ("under", 1.0)];

    fn params(&self) -> Vec<f64> {
        vec![self.over, self.under]
    }

    fn with_params(self, values: &[f64]) -> Result<Self, Fault> {
        Ok(StockCost { over: values[0], under: values[1] })
    }

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.piecewise_linear()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        T::of(self.over) * x.max(T::of(0.0)) + T::of(self.under) * (-x).max(T::of(0.0))
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some((self.over + self.under) * x.step() - self.under)]
    }

    // 0 lies in [−under, over], and is picked by this selection.
    fn choice(&self, _: usize, _: Convention) -> Choice {
        Choice::plain(self.under / (self.over + self.under))
    }
}

/// `log_cosh(x) = log cosh x`, computed so that it does not overflow. Smooth; definable.
#[derive(Debug, Clone, Default)]
struct LogCosh;

impl Pointwise for LogCosh {
    const NAME: &'static str = "log_cosh";
    const SIGNATURE: &'static str = "log_cosh(x)";
    const FORMULA: &'static str = "log cosh x";
    const CLASS: &'static str = "definable";
    const SAMPLES: &'static [Sample] = &[Sample::new("log_cosh(x)", &[("x", &[3])])];

    fn class(&self, [x]: [Class; 1]) -> Class {
        x.definable()
    }

    fn value<T: Real>(&self, [x]: [T; 1]) -> T {
        let a = x.abs();
        a + (T::of(-2.0) * a).exp().ln_1p() - T::of(std::f64::consts::LN_2)
    }

    fn slopes<'p>(&self, [x]: [Var<'p>; 1], _: Var<'p>) -> [Option<Var<'p>>; 1] {
        [Some(x.tanh())]
    }
}

fn main() -> clarke::Result<()> {
    // In text, beside the built-in ones.
    let registry = registry().with([StockCost::ENTRY, LogCosh::ENTRY]);
    let source = "sum(stock_cost(q - demand, under=3) + 0.1*log_cosh(q))";
    let program = text::parse(&registry, source, &[("q", &[3]), ("demand", &[3])])?.varying(&["q"])?;
    println!("{program}");

    // Ties, with the text that was written, and the default: the element of least norm, 0.
    let point = [Tensor::from([2.0, 5.0, 1.0]), Tensor::from([2.0, 4.0, 3.0])];
    let at = program.at(&point)?;
    for tie in at.ties(0.0)? {
        println!("tie: {} in `{}` at {:?}, {:?} pieces", tie.op, tie.source, tie.index, tie.pieces);
    }
    assert_eq!(at.ties(0.0)?.len(), 1);
    let smooth: Vec<f64> = [2.0f64, 5.0, 1.0].iter().map(|q| 0.1 * q.tanh()).collect();
    let close = |a: &[f64], b: [f64; 3]| assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-12), "{a:?} {b:?}");
    close(at.gradient(&Policy::default())?[0].data(), [smooth[0], 1.0 + smooth[1], -3.0 + smooth[2]]);

    // One number for every step: the ends of the set.
    close(at.gradient(&Policy::Step(0.0))?[0].data(), [-3.0 + smooth[0], 1.0 + smooth[1], -3.0 + smooth[2]]);
    close(at.gradient(&Policy::Step(1.0))?[0].data(), [1.0 + smooth[0], 1.0 + smooth[1], -3.0 + smooth[2]]);

    // The gradient is a program: printed, differentiated again, compiled for f32.
    let gradient = program.gradient()?;
    println!("{gradient}");
    let direction = Tensor::from([1.0, 1.0, 1.0]);
    let hessian = program.hvp()?.eval(&[point[0].clone(), point[1].clone(), direction])?;
    let curvature = |q: f64| 0.1 * (1.0 - q.tanh().powi(2));
    close(hessian[0].data(), [curvature(2.0), curvature(5.0), curvature(1.0)]);
    let single = gradient.compile_with::<f32>(&|site| Policy::default().choice(site).map_or(0.0, |c| c.selection));
    let (mut workspace, mut out) = (single.workspace(), [0.0f32; 3]);
    single.run(&mut workspace, &[&[2.0, 5.0, 1.0], &[2.0, 4.0, 3.0]], &mut [&mut out]);
    println!("in f32: {out:?}");
    assert!((out[1] - 1.1).abs() < 1e-4);

    // In a closure: the same operator through `apply`.
    let traced =
        clarke::Program::trace(&[&[]], |v| v[0].apply(Elementwise::<StockCost>(StockCost { over: 1.0, under: 3.0 })))?;
    assert_eq!(traced.eval(&[(-2.0).into()])?[0].item(), 6.0);
    Ok(())
}
