//! What was published, to stand beside. Counts are those of the files in the repositories deel-ai/relu-prime (MNIST, 60 000
//! images; Bertoin, Bolte, Gerchinovitz, Pauwels 2021) and ryanboustany/MaxPool-numerical (Boustany 2024).

use clarke::Float;

/// How many of 1000 random weights lay in the zone, on the 60 000 images of MNIST.
struct Counts {
    /// Hidden layers.
    layers: usize,
    /// Units in each.
    width: usize,
    /// Images a minibatch.
    batch: usize,
    /// In 16 bits: IEEE half precision.
    f16: u32,
    /// In 32 bits.
    f32: u32,
}

const fn counts(layers: usize, width: usize, batch: usize, f16: u32, f32: u32) -> Counts {
    Counts { layers, width, batch, f16, f32 }
}

/// The rows of the three tables: by layers, by width, by batch. In 64 bits the files say 0, which their code measured for
/// the second one alone.
const TABLE: &[Counts] = &[
    counts(1, 256, 256, 871, 54),
    counts(2, 256, 256, 999, 258),
    counts(3, 256, 256, 1000, 463),
    counts(5, 256, 256, 1000, 647),
    counts(6, 256, 256, 1000, 697),
    counts(3, 16, 256, 333, 21),
    counts(3, 64, 256, 1000, 163),
    counts(3, 512, 256, 1000, 582),
    counts(3, 1024, 256, 1000, 873),
    counts(3, 256, 16, 1000, 439),
    counts(3, 256, 64, 1000, 453),
    counts(3, 256, 512, 1000, 351),
    counts(3, 256, 1024, 1000, 384),
];

/// The published count out of 1000 for a network, a batch and a precision. (For 3 layers of 256 units and a batch of 256 the
/// three tables say 463, 478 and 488 in 32 bits, three samples of one number; the first is given.)
pub fn published(layers: usize, width: usize, batch: usize, float: Float) -> Option<u32> {
    let row = TABLE.iter().find(|c| (c.layers, c.width, c.batch) == (layers, width, batch))?;
    match float {
        Float::F16 => Some(row.f16),
        Float::F32 => Some(row.f32),
        Float::F64 => Some(0),
        Float::BF16 => None,
    }
}

/// The part of arguments of relu that were exactly 0 over 100 epochs of training: precision, network, frequency.
pub const PUBLISHED_FREQUENCY: &[(Float, &str, f64)] = &[
    (Float::F16, "1 layer of 64", 5e-8),
    (Float::F16, "6 layers of 512", 1.24e-7),
    (Float::F32, "1 layer of 256", 1.3e-9),
    (Float::F32, "6 layers of 512", 3.5e-9),
];

/// Mean final test accuracy in percent against s = relu'(0), by the released rule where that was the one run: ResNet18 without
/// batch normalization on CIFAR10 with SGD, 200 epochs, 10 runs.
pub const PUBLISHED_ACCURACY: &[(f64, f64)] = &[(0.0, 90.14), (0.1, 89.07), (0.2, 86.34), (0.3, 10.0), (1.0, 10.0)];

/// Mean final test accuracy in percent against β: VGG11 without batch normalization on CIFAR10 with SGD, in 32 bits and in 16.
/// (Where the files give a range over β, its middle.)
pub const PUBLISHED_BETA: &[(f64, f64, f64)] = &[
    (0.0, 91.05, 90.45),
    (1.0, 91.05, 90.45),
    (10.0, 91.05, 90.45),
    (100.0, 91.05, 90.45),
    (1e3, 91.05, 10.0),
    (1e4, 26.2, 10.0),
];

/// The thresholds τ between what rounding alone can do and bifurcation, and the part of minibatches above, for VGG11 on CIFAR10.
pub const PUBLISHED_THRESHOLD: &[(Float, f64, f64)] =
    &[(Float::F16, 1e-3, 1.0), (Float::F32, 1e-7, 0.552), (Float::F64, 1e-15, 0.0)];
