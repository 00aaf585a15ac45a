//! Bolte, Boustany, Pauwels, Pesquet-Popescu, "On the complexity of nonsmooth automatic differentiation", ICLR 2023: a value
//! with its conservative gradient costs at most ω_b values, with the selections among what is counted; ω_b = 5 for programs
//! of {+, ×, relu}, as Baur and Strassen (1983) have it for {+, ×}.

use super::common::{Draw, workloads::workloads};
use clarke::program::op::Derivative;
use clarke::{Builder, Program, Var, program::Role, registry, text};

/// A random program of so many sums, products and rectifiers: each has the one before among its arguments.
fn random(nodes: usize, inputs: usize, shape: &[usize], draw: &mut Draw) -> Program {
    let builder = Builder::new();
    let mut known: Vec<Var<'_>> = (0..inputs).map(|k| builder.input(&format!("x{k}"), shape, Role::Argument)).collect();
    for _ in 0..nodes {
        let (a, b) = (known[known.len() - 1], known[draw.below(known.len())]);
        known.push(match draw.below(3) {
            0 => a + b,
            1 => a * b,
            _ => a.relu(),
        });
    }
    // Twins are merged in both: the theorem is about what is computed.
    builder.finish(&[known[known.len() - 1].sum_to(&[])]).unwrap().simplify()
}

#[test]
fn a_gradient_of_sums_products_and_rectifiers_costs_at_most_five_values() {
    let (mut draw, mut most) = (Draw::new(9), 0.0f64);
    for round in 0..300 {
        let shape: &[usize] = if round % 3 == 0 { &[7] } else { &[] };
        let f = random(1 + draw.below(60), 1 + draw.below(4), shape, &mut draw);
        let cost = f.gradient_cost().unwrap();
        most = most.max(cost.ratio());
        assert!(cost.ratio() <= 5.0, "{} values: {f}\n{cost:?}", cost.ratio());
    }
    assert!(most > 3.0, "the programs are too cheap to tell: {most}");
}

/// Each elementary function costs what the proof counts: a product 5, a rectifier 4, a sum 3, where each argument has a
/// cotangent already to which its own is added.
#[test]
fn the_dictionary_costs_what_the_proof_counts() {
    let cost = |inner: &str| {
        let inputs: &[(&str, &[usize])] = &[("x", &[]), ("y", &[]), ("z", &[])];
        let cost = super::read(&format!("exp({inner}) + 2*x + 3*y"), inputs).gradient_cost().unwrap();
        (cost.value.operations, cost.gradient.operations)
    };
    let alone = cost("z");
    for (inner, value, gradient) in [("x * y", 1, 5), ("relu(x)", 1, 4), ("x + y", 1, 3)] {
        assert_eq!(cost(inner), (alone.0 + value, alone.1 + gradient), "{inner}");
    }
}

/// Operators whose derivative is dearer than the bound, for which ω_b is larger than 5, with the most that one costs among
/// the samples: arctan2 counts as one operation, and its derivative is a quotient that must not overflow; eigenvalues take
/// a fraction of what eigenvectors take (4n³/3 and 9n³: Golub, Van Loan 2013, 8.3), and singular values likewise; a Cholesky
/// factor takes n³/3, and its derivative two triangular systems; the pieces of the second-order cone are matrices.
const DEARER: [(&str, f64); 7] = [
    ("arctan2", 16.0),
    ("cholesky", 5.5),
    ("eigvalsh_max", 8.0),
    ("eigvalsh_sum", 8.0),
    ("spectral_norm", 7.0),
    ("nuclear_norm", 7.0),
    ("project_soc", 7.0),
];

#[test]
fn gradients_of_all_operators_cost_at_most_five_values_but_those_listed() {
    let (registry, mut over) = (registry(), vec![]);
    for entry in registry.entries() {
        for sample in entry.samples.iter().filter(|s| s.derivative != Derivative::Missing) {
            let f = text::parse(&registry, sample.text, sample.inputs).unwrap();
            let builder = Builder::new();
            let inputs = builder.inputs_of(&f);
            let sum = builder.inline(&f, &inputs)[0].sum_to(&[]);
            let cost = builder.finish(&[sum]).unwrap().gradient_cost().unwrap();
            let most = DEARER.iter().find(|(name, _)| *name == entry.name).map_or(5.0, |(_, most)| *most);
            // What only moves numbers costs nothing; its cotangents are then sums at most.
            assert!(cost.ratio() <= most, "{}: {:.2} values\n{cost:?}", sample.text, cost.ratio());
            if cost.ratio() > 5.0 {
                over.push(entry.name);
            }
        }
    }
    for (name, _) in DEARER {
        assert!(over.contains(&name), "{name} is within the bound now: take it off the list");
    }
}

#[test]
fn gradients_of_workloads_cost_at_most_five_values() {
    for (name, f) in workloads() {
        let cost = f.gradient_cost().unwrap();
        assert!(cost.ratio() <= 5.0, "{name}: {:.2} values\n{cost:?}", cost.ratio());
    }
}
