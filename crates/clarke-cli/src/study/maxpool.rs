//! `clarke study maxpool`: what depends on how the gradient of a maximum is shared.

use super::{ARITHMETIC, Common, Running, Source, positive, tables};
use crate::report::Exit;
use clap::Args;
use clarke_show::words;
use clarke_train::study::{Group, PoolOptions, Pools, TrainOptions, betas, pools};
use serde::Serialize;

/// How often ties of max pools are met, and what depends on how their gradient is shared
#[derive(Debug, Args)]
pub struct MaxpoolArgs {
    #[command(flatten)]
    common: Common,
    /// Images a minibatch
    #[arg(long, value_name = "N", default_value_t = 128)]
    batch: usize,
    /// The values of β that are trained with: β·(even split) + (1 − β)·(all to the first)
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_negative_numbers = true,
        default_value = "0,1,10,100,1000,10000"
    )]
    beta: Vec<f64>,
}

/// The result.
#[derive(Debug, Serialize)]
pub struct Maxpool {
    source: Source,
    seed: u64,
    arithmetic: &'static str,
    interrupted: bool,
    pools: Option<Pools>,
    epochs: usize,
    training: Vec<Group>,
}

/// Runs and prints.
pub fn run(args: &MaxpoolArgs) -> Result<(), Exit> {
    let common = &args.common;
    positive("--batch", &[args.batch])?;
    let (images, name) = common.images()?;
    let (tries, starts) = (common.count(common.runs, 30, 3), common.count(common.starts, 3, 1));
    let epochs = common.count(common.epochs, 15, 1);
    let (kernels, hidden) = if common.quick { (2, 8) } else { (8, 32) };
    let floats = common.precision.clone();
    let batch = args.batch.min(images.count());
    let options = PoolOptions { kernels, hidden, batch, floats: floats.clone(), runs: tries, seed: common.seed };
    let net = options.net(&images)?;
    let running = Running::begin(floats.len() * (tries + starts))?;
    let zones = running.part(|watch| pools(&images, &options, watch).map(Some))?;
    let seed = common.seed;
    let train = TrainOptions { net, batch: batch.min(64), epochs, rate: 0.02, momentum: 0.9, floats, starts, seed };
    let training = running.part(|watch| betas(&images, &train, &args.beta, watch))?;
    let result = Maxpool {
        source: Source::new(name, &images),
        seed,
        arithmetic: ARITHMETIC,
        interrupted: running.end(),
        pools: zones,
        epochs,
        training,
    };
    common.print(&result, text)
}

fn text(result: &Maxpool) -> String {
    let mut out = format!("The study of max pools on {}; seed {}\n\n", result.source.text(), result.seed);
    out += &words::paragraph(ARITHMETIC, 0);
    if result.interrupted {
        out += "\nInterrupted: this is what was done until then.\n";
    }
    if let Some(pools) = &result.pools {
        out +=
            &format!("\nNative (all to the first) and minimal (even split): {}, batch {}\n\n", pools.net, pools.batch);
        out += &tables::pools(pools);
    }
    out += "\n";
    out += &words::paragraph(
        "The norm is ‖g_native − g_minimal‖₁ over all weights. A window is tied for all weights where its largest entries \
         come of equal patches (blank paper): both programs then have one derivative over the reals. τ is the largest norm of \
         minibatches where no other window with positive entries is tied: what rounding alone does. Above τ lies the \
         bifurcation zone, below it, where the norm is not 0, the compensation zone. Published: τ and the part of minibatches \
         above it for VGG11 on CIFAR10 (Boustany 2024).",
        0,
    );
    out += &format!(
        "\nTest accuracy in % against β: β·(even split) + (1 − β)·(all to the first); {}, step size 0.02 for all\n\n",
        words::plural(result.epochs, "epoch")
    );
    out += &tables::accuracies(&result.training, "β");
    out += "\n";
    out + &words::paragraph(
        "Published (CIFAR10, VGG11 without batch normalization, SGD): in 32 bits 91.0 to 91.1 for β from 0 to 10³ and 26.2 for \
         10⁴; in 16 bits 90.4 to 90.5 up to 100, 10 from 10³ on.",
        0,
    )
}
