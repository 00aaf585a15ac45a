//! `clarke study maxpool`: what depends on how the gradient of a maximum is shared.

use super::chapters::{Story, chapter};
use super::{ARITHMETIC, Common, Running, Source, positive, tables};
use crate::report::Exit;
use clap::Args;
use clarke_show::report::Block;
use clarke_show::words;
use clarke_train::study::{Group, PUBLISHED_BETA, PoolOptions, Pools, TrainOptions, betas, pools};
use serde::Serialize;

/// How often ties of max pools are met, and what depends on how their gradient is shared
#[derive(Debug, Args)]
pub struct MaxpoolArgs {
    #[command(flatten)]
    common: Common,
    /// Images a minibatch, where both programs are compared (64 in trainings)
    #[arg(long, value_name = "N", default_value_t = 16)]
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
    let page = common.page()?;
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
    let train =
        TrainOptions { net, batch: 64.min(images.count()), epochs, rate: RATE, momentum: 0.9, floats, starts, seed };
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
    let settings = [
        ("random weights", tries.to_string()),
        ("trainings with each choice", starts.to_string()),
        ("epochs", epochs.to_string()),
    ];
    common.tell(&result, story(&result, common.settings(&settings)), page)
}

fn story<'a>(result: &'a Maxpool, settings: Vec<(String, String)>) -> Story<'a> {
    let text = |text: &str| Block::Text(text.into());
    let mut chapters = vec![];
    if let Some(pools) = &result.pools {
        chapters.push(chapter(
            format!("Native (all to the first) and minimal (even split): {}, batch {}", pools.net, pools.batch),
            vec![tables::pools(pools), text(ZONES)],
        ));
    }
    chapters.push(chapter(
        format!(
            "Test accuracy in % against β: β·(even split) + (1 − β)·(all to the first); {}, step size {RATE} for all",
            words::plural(result.epochs, "epoch")
        ),
        vec![tables::accuracies(&result.training, "β"), Block::Text(published())],
    ));
    let zones = result.pools.iter().flat_map(|p| &p.zones);
    let tile = |zone: &clarke_train::study::PoolZone| {
        let above = zone.bifurcation.map_or("—".into(), |b| format!("{:.1} %", 100.0 * b));
        (format!("{}: above τ", zone.precision), above)
    };
    Story {
        of: "max pools",
        source: &result.source,
        seed: result.seed,
        interrupted: result.interrupted,
        tiles: zones.map(tile).collect(),
        settings,
        chapters,
    }
}

/// The step size of trainings.
const RATE: f64 = 0.02;

const ZONES: &str = "The norm is ‖g_native − g_minimal‖₁ over all weights; `relative`: its median, divided by ‖g_native‖₁. A \
     window is tied for all weights where its largest entries come of equal patches (blank paper): both programs then have \
     one derivative over the reals. Windows with positive entries are counted, a minibatch. τ is the largest norm of \
     minibatches (so many) where no other window is tied: what rounding alone does; — where there is none. Above τ lies the \
     bifurcation zone, below it, where the norm is not 0, the compensation zone. Published: τ and the part of minibatches \
     above it for VGG11 on CIFAR10 (Boustany 2024).";

/// The published accuracies.
fn published() -> String {
    let one = |(beta, single, half): &(f64, f64, f64)| format!("{single} and {half} for β = {beta}");
    let all: Vec<String> = PUBLISHED_BETA.iter().map(one).collect();
    format!(
        "Published (CIFAR10, VGG11 without batch normalization, SGD), in % in 32 and in 16 bits: {}.",
        all.join(", ")
    )
}
