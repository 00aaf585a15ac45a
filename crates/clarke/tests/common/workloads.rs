//! Programs of the kinds that users run, of sizes at which what they cost shows.
#![allow(dead_code)]

use clarke::{Program, parse};

type Inputs = &'static [(&'static str, &'static [usize])];

/// Name, text, inputs of which the first few vary, and how many do.
const WORKLOADS: [(&str, &str, Inputs, usize); 11] = [
    (
        "relu network, batch of 128",
        "h = relu(X @ A + a)\ng = relu(h @ B + b)\ncross_entropy(g @ C + c, y)",
        &[
            ("A", &[784, 256]),
            ("a", &[256]),
            ("B", &[256, 128]),
            ("b", &[128]),
            ("C", &[128, 10]),
            ("c", &[10]),
            ("X", &[128, 784]),
            ("y", &[128]),
        ],
        6,
    ),
    (
        "small network, one sample",
        "h = relu(A @ x + a)\ng = relu(B @ h + b)\n(c @ g - y)**2",
        &[("A", &[16, 8]), ("a", &[16]), ("B", &[16, 16]), ("b", &[16]), ("c", &[16]), ("x", &[8]), ("y", &[])],
        5,
    ),
    (
        "mixture of Gaussians",
        "d = (expand_dims(X, 1) - m) * exp(-s)\n\
         p = w - logsumexp(w) - sum(s, axis=1) - 0.5*sum(d**2, axis=2)\n-mean(logsumexp(p, axis=1))",
        &[("m", &[5, 4]), ("s", &[5, 4]), ("w", &[5]), ("X", &[1000, 4])],
        3,
    ),
    (
        "Chained CB3",
        "a = x[:-1]\nb = x[1:]\nsum(maximum(maximum(a**4 + b**2, (2 - a)**2 + (2 - b)**2), 2*exp(b - a)))",
        &[("x", &[1000])],
        1,
    ),
    (
        "Chained Crescent",
        "a = x[:-1]\nb = x[1:]\nmax(sum(a**2 + (b - 1)**2 + b - 1), sum(-a**2 - (b - 1)**2 + b + 1))",
        &[("x", &[1000])],
        1,
    ),
    ("Chebyshev-Rosenbrock", "(x[0] - 1)**2/4 + norm1(x[1:] - 2*x[:-1]**2 + 1)", &[("x", &[1000])], 1),
    (
        "trimmed squares",
        "r = (X @ w - y)**2\nsum(sort(r)[:750])",
        &[("w", &[20]), ("X", &[1000, 20]), ("y", &[1000])],
        1,
    ),
    (
        "convolutional network",
        "h = max_pool2d(relu(conv2d(X, K, padding=1)), 2)\ng = reshape(h, [32, 512])\ncross_entropy(g @ W + b, y)",
        &[("K", &[8, 1, 3, 3]), ("W", &[512, 10]), ("b", &[10]), ("X", &[32, 1, 16, 16]), ("y", &[32])],
        3,
    ),
    (
        "logistic regression",
        "mean(softplus(-y * (X @ w))) + 0.01*norm1(w)",
        &[("w", &[50]), ("X", &[1000, 50]), ("y", &[1000])],
        1,
    ),
    ("least absolute deviations", "mean(abs(X @ w - y))", &[("w", &[20]), ("X", &[1000, 20]), ("y", &[1000])], 1),
    (
        "recurrent network",
        "sum(abs(fold(lambda h, x: relu(A @ h + x), h0, X)))",
        &[("A", &[16, 16]), ("h0", &[16]), ("X", &[100, 16])],
        2,
    ),
];

/// Each workload with its name.
pub fn workloads() -> Vec<(&'static str, Program)> {
    let program = |(name, text, inputs, vary): &(&'static str, &str, Inputs, usize)| {
        let names: Vec<&str> = inputs[..*vary].iter().map(|(name, _)| *name).collect();
        let program = parse(text, inputs).and_then(|f| f.varying(&names));
        (*name, program.unwrap_or_else(|e| panic!("{name}: {e}")))
    };
    WORKLOADS.iter().map(program).collect()
}
