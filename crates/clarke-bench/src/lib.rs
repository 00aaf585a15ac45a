//! What Clarke's programs cost, beside loops written by hand and other systems.
//!
//! A [`Workload`] is a function with a point, data that a counter gives to every language alike ([`stream`]), a program of
//! Clarke for it, written as a user who wants speed would, and a loop written by hand. Each is a [`Job`]. The driver asks
//! processes, one for each family of systems, for the time of a call, by turns ([`drive`], [`worker`]), and takes medians.

// Loops over numbers side by side index several arrays alike: they read better so than as nests of zips.
#![allow(clippy::needless_range_loop)]

pub mod cnn;
pub mod drive;
pub mod gmm;
pub mod job;
pub mod large;
pub mod mlp;
pub mod nonsmooth;
pub mod report;
pub mod reprojection;
pub mod samples;
pub mod stream;
pub mod timing;
pub mod vector;
pub mod worker;

pub use job::Job;

/// A job on the heap.
pub type Boxed = Box<dyn Job>;

/// How large the data of a workload are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As measured.
    Full,
    /// So that tests are quick, where the full size is not.
    Small,
}

impl Size {
    /// The first number for the full size, the second for the small one.
    pub fn of(self, full: usize, small: usize) -> usize {
        match self {
            Size::Full => full,
            Size::Small => small,
        }
    }
}

/// A function to be differentiated, and the two ways that this crate does it.
pub struct Workload {
    /// Its name, as the tables have it.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The program.
    pub clarke: fn(Size) -> clarke::Result<Boxed>,
    /// The loop written by hand.
    pub hand: fn(Size) -> Boxed,
    /// Up to this relative difference the gradients agree, in the largest entry.
    pub tolerance: f64,
}

/// All workloads, in the order of the tables.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "W1",
        about: "network 784-256-256-10 of relu, batch 128, f32",
        clarke: mlp::classifier,
        hand: mlp::classifier_by_hand,
        tolerance: 1e-5,
    },
    Workload {
        name: "W2-b1",
        about: "network 10-32-32-1 of relu, one sample",
        clarke: mlp::single,
        hand: mlp::single_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W2-b32",
        about: "network 10-32-32-1 of relu, batch 32",
        clarke: mlp::batch,
        hand: mlp::batch_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W3-d10-K25",
        about: "mixture of 25 Gaussians in 10 dimensions, 1000 samples",
        clarke: gmm::large,
        hand: gmm::large_by_hand,
        tolerance: 1e-10,
    },
    Workload {
        name: "W3-d2-K5",
        about: "mixture of 5 Gaussians in 2 dimensions, 1000 samples",
        clarke: gmm::small,
        hand: gmm::small_by_hand,
        tolerance: 1e-10,
    },
    Workload {
        name: "W4",
        about: "Jacobians of 1000 reprojection residuals of bundle adjustment",
        clarke: reprojection::jacobians,
        hand: reprojection::jacobians_by_hand,
        tolerance: 1e-10,
    },
    Workload {
        name: "W5a",
        about: "max |A x − b|, 1000 rows, 100 variables",
        clarke: nonsmooth::minimax,
        hand: nonsmooth::minimax_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W5b1",
        about: "chained CB3 I, 1000 variables",
        clarke: nonsmooth::cb3,
        hand: nonsmooth::cb3_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W5b2",
        about: "chained Crescent I, 1000 variables",
        clarke: nonsmooth::crescent,
        hand: nonsmooth::crescent_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W5c",
        about: "nonsmooth Chebyshev-Rosenbrock, 100 variables",
        clarke: nonsmooth::rosenbrock,
        hand: nonsmooth::rosenbrock_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W5d",
        about: "the smallest half of 100 000 squared residuals, 10 variables",
        clarke: nonsmooth::trimmed,
        hand: nonsmooth::trimmed_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W6",
        about: "two convolutions with relu and max pools, 32 images, f32",
        clarke: cnn::network,
        hand: cnn::network_by_hand,
        tolerance: 1e-5,
    },
    Workload {
        name: "W12-logistic",
        about: "logistic regression, 100 000 samples of 100 numbers",
        clarke: samples::logistic,
        hand: samples::logistic_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-hinge",
        about: "hinge losses, the same samples",
        clarke: samples::hinge,
        hand: samples::hinge_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-logistic-sparse",
        about: "logistic regression, 100 000 samples of 10 entries among 1000",
        clarke: samples::logistic_sparse,
        hand: samples::logistic_sparse_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-hinge-sparse",
        about: "hinge losses, the same samples",
        clarke: samples::hinge_sparse,
        hand: samples::hinge_sparse_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-huber",
        about: "the sum of 1 000 000 Huber losses",
        clarke: large::huber,
        hand: large::huber_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-top",
        about: "the sum of the largest half of 1 000 000 numbers",
        clarke: large::top,
        hand: large::top_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-sort",
        about: "a weighted sum of 1 000 000 numbers in ascending order",
        clarke: large::ordered,
        hand: large::ordered_by_hand,
        tolerance: 1e-12,
    },
    Workload {
        name: "W12-logsumexp",
        about: "10 000 log-sum-exps of 100 numbers",
        clarke: large::logsumexp,
        hand: large::logsumexp_by_hand,
        tolerance: 1e-12,
    },
];
