//! Studies of what conventions at ties do to training: relu'(0), and how the gradient of a maximum is shared.
//!
//! The protocol is that of Bertoin, Bolte, Gerchinovitz, Pauwels (NeurIPS 2021, arXiv:2106.12915) for relu and of Boustany
//! (TMLR 2024, arXiv:2401.02736) for maxima. Arithmetic is [`clarke::Rounded`]: in f16 and bf16 every operator's value is
//! rounded, and sums are accumulated in f32.
//!
//! | question | see |
//! |---|---|
//! | how often does a minibatch meet an exact tie, and how much does the gradient then change? | [`zone`] |
//! | when do two trainings part that differ in relu'(0) alone? | [`paths`] |
//! | how does the accuracy depend on relu'(0)? | [`accuracies`] |
//! | the same questions for maxima | [`pools`], [`betas`] |
//!
//! Every result depends on the seed alone, not on the number of threads.

mod descent;
mod net;
mod parallel;
mod path;
mod pool;
mod published;
mod rule;
mod train;
mod zone;

pub use net::{Affine, Images, Net};
pub use parallel::Watch;
pub use path::{Path, PathOptions, paths};
pub use pool::{PoolOptions, PoolRun, PoolZone, Pools, pools};
pub use published::{PUBLISHED_ACCURACY, PUBLISHED_BETA, PUBLISHED_FREQUENCY, PUBLISHED_THRESHOLD, published};
pub use rule::Rule;
pub use train::{Accuracy, Group, TrainOptions, accuracies, betas};
pub use zone::{Changed, Zone, ZoneOptions, ZoneRun, zone};

/// The random stream of one run of a study: seeds of neighbouring runs and studies have nothing in common.
fn stream(seed: u64, study: u64, run: usize) -> u64 {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(study << 32 | run as u64);
    random.random()
}
