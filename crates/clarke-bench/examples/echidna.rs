//! The worker of echidna, a crate of tapes: each function is recorded once, and its tape evaluated again and again. It has
//! no arrays, so that workloads of large data are left out.

use clarke_bench::worker::{Offer, System, serve};
use clarke_bench::{Boxed, Job, Size, mlp, nonsmooth};
use echidna::{BReverse, BytecodeTape};
use num_traits::Float;

type Var = BReverse<f64>;

/// A tape at a point.
struct Tape {
    tape: BytecodeTape<f64>,
    point: Vec<f64>,
    adjoints: Vec<f64>,
    gradient: Vec<f64>,
}

impl Tape {
    fn record(point: Vec<f64>, f: impl FnOnce(&[Var]) -> Var) -> Boxed {
        let (mut tape, _) = echidna::record(f, &point);
        tape.optimize();
        Box::new(Tape { tape, point, adjoints: vec![], gradient: vec![] })
    }
}

impl Job for Tape {
    fn value(&mut self) -> f64 {
        self.tape.forward(&self.point);
        self.tape.output_value()
    }

    fn value_and_gradient(&mut self) -> f64 {
        self.gradient = self.tape.gradient_with_buf(&self.point, &mut self.adjoints);
        self.tape.output_value()
    }

    fn gradient(&self) -> Vec<f64> {
        self.gradient.clone()
    }
}

/// The sum; of nothing 0.
fn sum(terms: impl Iterator<Item = Var>) -> Var {
    terms.reduce(|a, b| a + b).unwrap_or_default()
}

fn minimax() -> Boxed {
    let data = nonsmooth::Data::new(Size::Small);
    Tape::record(data.xa, |x| {
        let rows = data.a.chunks_exact(x.len()).zip(&data.b);
        let residuals = rows.map(|(row, b)| (sum(x.iter().zip(row).map(|(x, a)| *x * *a)) - *b).abs());
        residuals.reduce(Float::max).unwrap_or_default()
    })
}

fn cb3() -> Boxed {
    Tape::record(nonsmooth::Data::new(Size::Small).xb, |x| {
        sum(x.windows(2).map(|pair| {
            let (u, v) = (pair[0], pair[1]);
            let (a, s, t) = (u * u * u * u + v * v, 2.0 - u, 2.0 - v);
            a.max((s * s + t * t).max(2.0 * (v - u).exp()))
        }))
    })
}

fn crescent() -> Boxed {
    Tape::record(nonsmooth::Data::new(Size::Small).xb, |x| {
        let squares = |pair: &[Var]| pair[0] * pair[0] + (pair[1] - 1.0) * (pair[1] - 1.0);
        let first = sum(x.windows(2).map(|pair| squares(pair) + pair[1] - 1.0));
        first.max(sum(x.windows(2).map(|pair| pair[1] + 1.0 - squares(pair))))
    })
}

fn rosenbrock() -> Boxed {
    Tape::record(nonsmooth::Data::new(Size::Small).xc, |x| {
        (x[0] - 1.0).abs() * 0.25 + sum(x.windows(2).map(|pair| (pair[1] - pair[0].abs() * 2.0 + 1.0).abs()))
    })
}

fn network(batch: usize) -> Boxed {
    let net = mlp::small(batch);
    let point = net.parameters.iter().flat_map(|(_, p)| p.iter().copied()).collect();
    Tape::record(point, |p| {
        let mut rest = p;
        let mut parts = vec![];
        for (_, numbers) in &net.parameters {
            let (part, after) = rest.split_at(numbers.len());
            parts.push(part);
            rest = after;
        }
        let inputs = net.x.len() / batch;
        let loss = |(x, y): (&[f64], &f64)| {
            let first = |j: usize| sum(x.iter().zip(parts[0].chunks_exact(32)).map(|(x, w)| w[j] * *x)) + parts[1][j];
            let h: Vec<Var> = (0..32).map(|j| first(j).max(Var::from(0.0))).collect();
            let second = |j: usize| sum(h.iter().zip(parts[2].chunks_exact(32)).map(|(h, w)| w[j] * *h)) + parts[3][j];
            let h: Vec<Var> = (0..32).map(|j| second(j).max(Var::from(0.0))).collect();
            let r = sum(h.iter().zip(parts[4]).map(|(h, w)| *h * *w)) + parts[5][0] - *y;
            r * r
        };
        sum(net.x.chunks_exact(inputs).zip(&net.y).map(loss)) * (1.0 / batch as f64)
    })
}

fn main() -> std::io::Result<()> {
    let system = |workload: &str, make: fn() -> Boxed| System {
        offer: Offer {
            workload: workload.into(),
            system: "echidna".into(),
            version: "0.15".into(),
            note: "tape, recorded once".into(),
        },
        open: Box::new(move || Ok(make())),
    };
    let systems = [
        system("W2-b1", || network(1)),
        system("W2-b32", || network(32)),
        system("W5a", minimax),
        system("W5b1", cb3),
        system("W5b2", crescent),
        system("W5c", rosenbrock),
    ];
    serve(&systems, std::io::stdin().lock(), std::io::stdout().lock())
}
