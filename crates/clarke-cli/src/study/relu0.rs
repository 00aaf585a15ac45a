//! `clarke study relu0`: how often a tie of relu is met, and what depends on what is chosen there.

use super::chapters::{Story, chapter};
use super::{ARITHMETIC, Common, Running, Source, positive, tables};
use crate::report::Exit;
use clap::Args;
use clarke::Float;
use clarke_show::report::Block;
use clarke_show::words;
use clarke_train::study::{
    Affine, Group, Images, Net, PUBLISHED_ACCURACY, PUBLISHED_FREQUENCY, Path, PathOptions, Rule, TrainOptions, Watch,
    Zone, ZoneOptions, accuracies, paths, zone,
};
use serde::Serialize;

/// How often a minibatch meets an exact tie of relu, and what depends on relu'(0)
#[derive(Debug, Args)]
pub struct Relu0Args {
    #[command(flatten)]
    common: Common,
    /// Numbers of hidden layers to vary (of 256 units, minibatches of 256)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    layers: Option<Vec<usize>>,
    /// Widths to vary (3 hidden layers, minibatches of 256)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    width: Option<Vec<usize>>,
    /// Sizes of minibatches to vary (3 hidden layers of 256 units)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    batch: Option<Vec<usize>>,
    /// The values of relu'(0) that are trained with
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_negative_numbers = true,
        default_value = "0,0.1,0.25,0.5,1,10,-5"
    )]
    s: Vec<f64>,
    /// How many steps two trainings are followed until they part
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
}

/// The result.
#[derive(Debug, Serialize)]
pub struct Relu0 {
    source: Source,
    seed: u64,
    arithmetic: &'static str,
    interrupted: bool,
    /// By layers, by width, by size of minibatches.
    zones: Vec<Zone>,
    /// The first network with x W + b rounded twice.
    apart: Vec<Zone>,
    paths: Vec<Path>,
    training: Vec<Trained>,
}

/// Accuracies where x W + b is rounded once or twice.
#[derive(Debug, Serialize)]
struct Trained {
    affine: Affine,
    epochs: usize,
    batch: usize,
    groups: Vec<Group>,
}

/// What is varied: (layers, width, batch).
type Shape = (usize, usize, usize);

impl Relu0Args {
    /// The networks, each once, the first one first.
    fn shapes(&self) -> Result<Vec<Shape>, Exit> {
        let quick = self.common.quick;
        let base: Shape = if quick { (2, 32, 256) } else { (3, 256, 256) };
        let usual = |given: &Option<Vec<usize>>, usual: &[usize], quickly: &[usize]| match given {
            Some(list) => list.clone(),
            None => (if quick { quickly } else { usual }).to_vec(),
        };
        let layers = usual(&self.layers, &[1, 2, 3, 5, 6], &[1, 2]);
        let widths = usual(&self.width, &[16, 64, 256, 512], &[16, 32]);
        let batches = usual(&self.batch, &[16, 64, 256, 512, 1024], &[256, 512]);
        for (option, list) in [("--layers", &layers), ("--width", &widths), ("--batch", &batches)] {
            positive(option, list)?;
        }
        let mut all = vec![];
        let varied = (layers.iter().map(|&n| (n, base.1, base.2)))
            .chain(widths.iter().map(|&n| (base.0, n, base.2)))
            .chain(batches.iter().map(|&n| (base.0, base.1, n)));
        for shape in varied {
            if !all.contains(&shape) {
                all.push(shape);
            }
        }
        Ok(all)
    }
}

/// Runs and prints.
pub fn run(args: &Relu0Args) -> Result<(), Exit> {
    let common = &args.common;
    let page = common.page()?;
    let (images, name) = common.images()?;
    let shapes = args.shapes()?;
    let (tries, starts) = (common.count(common.runs, 25, 4), common.count(common.starts, 3, 1));
    let (epochs, steps) = (common.count(common.epochs, 20, 2), common.count(args.steps, 150, 20));
    let floats = &common.precision;
    let parts = (shapes.len() + 1) * floats.len() * tries + floats.len() + 2 * floats.len() * starts;
    let running = Running::begin(parts)?;
    let mut result = Relu0 {
        source: Source::new(name, &images),
        seed: common.seed,
        arithmetic: ARITHMETIC,
        interrupted: false,
        zones: vec![],
        apart: vec![],
        paths: vec![],
        training: vec![],
    };
    let ask = |shape: Shape, affine: Affine, float: Float, watch: &Watch<'_>| {
        let net = Net::dense(&images, shape.0, shape.1, affine);
        let options = ZoneOptions { net, batch: shape.2.min(images.count()), float, runs: tries, seed: common.seed };
        zone(&images, &options, watch).map(|zone| if zone.runs.is_empty() { vec![] } else { vec![zone] })
    };
    for &shape in &shapes {
        for &float in floats {
            result.zones.extend(running.part(|watch| ask(shape, Affine::Fused, float, watch))?);
        }
    }
    let base = shapes.iter().copied().find(|s| *s == (3, 256, 256)).or(shapes.first().copied());
    for (&float, shape) in floats.iter().flat_map(|f| base.map(|b| (f, b))) {
        result.apart.extend(running.part(|watch| ask(shape, Affine::Apart, float, watch))?);
    }
    result.paths = running.part(|watch| paths(&images, &path_options(&images, common, steps), watch))?;
    for affine in [Affine::Fused, Affine::Apart] {
        let options = train_options(&images, common, affine, epochs, starts);
        let groups = running.part(|watch| accuracies(&images, &options, &args.s, watch))?;
        result.training.push(Trained { affine, epochs, batch: options.batch, groups });
    }
    result.interrupted = running.end();
    let settings = [
        ("random weights", tries.to_string()),
        ("trainings with each choice", starts.to_string()),
        ("epochs", epochs.to_string()),
        ("steps of a path at most", steps.to_string()),
    ];
    common.tell(&result, story(&result, common.settings(&settings)), page)
}

fn path_options(images: &Images, common: &Common, steps: usize) -> PathOptions {
    let hidden: &[usize] = if common.quick { &[64, 32] } else { &[2000, 128] };
    let sizes = [&[images.width()], hidden, &[images.classes()]].concat();
    let net = Net::Dense(sizes, Affine::Fused);
    PathOptions { net, batch: 128, steps, rate: 0.01, floats: common.precision.clone(), seed: common.seed }
}

fn train_options(images: &Images, common: &Common, affine: Affine, epochs: usize, starts: usize) -> TrainOptions {
    let hidden: &[usize] = if common.quick { &[32] } else { &[128, 64] };
    let sizes = [&[images.width()], hidden, &[images.classes()]].concat();
    let net = Net::Dense(sizes, affine);
    let floats = common.precision.clone();
    TrainOptions { net, batch: 64, epochs, rate: 0.05, momentum: 0.9, floats, starts, seed: common.seed }
}

fn story<'a>(result: &'a Relu0, settings: Vec<(String, String)>) -> Story<'a> {
    let text = |text: &str| Block::Text(text.into());
    let mut chapters = vec![
        chapter(
            "How many random weights meet a minibatch whose gradients for relu'(0) = 0 and 1 differ",
            vec![tables::zones(&result.zones, &result.source), text(ZONES), Block::Text(frequencies())],
        ),
        chapter(
            "The same network where x W + b is a product and a sum, which both round",
            vec![tables::zones(&result.apart, &result.source)],
        ),
    ];
    let mut parts = vec![tables::paths(&result.paths)];
    parts.push(text(PATHS));
    parts.extend(tables::path_charts(&result.paths));
    chapters.push(chapter("Two trainings from one start, relu'(0) = 0 and 1 (steps are counted from 0)", parts));
    for trained in &result.training {
        let (how, id) = if trained.affine == Affine::Fused { ("once", "fused") } else { ("twice", "apart") };
        let net = trained.groups.first().map_or("", |g| g.net.as_str());
        let title = format!(
            "Test accuracy in % against s = relu'(0): {net}, {}, batch {}, x W + b rounded {how}",
            words::plural(trained.epochs, "epoch"),
            trained.batch
        );
        let parts = vec![tables::accuracies(&trained.groups, "s"), tables::accuracy_chart(id, &trained.groups, "s")];
        chapters.push(chapter(title, parts));
    }
    chapters.push(chapter("Published accuracies", vec![Block::Text(published())]));
    Story {
        of: "relu'(0)",
        source: &result.source,
        seed: result.seed,
        interrupted: result.interrupted,
        tiles: tiles(result),
        settings,
        chapters,
    }
}

/// In how many of the first network's random weights a tie matters, in each arithmetic.
fn tiles(result: &Relu0) -> Vec<(String, String)> {
    let Some(first) = result.apart.first() else { return vec![] };
    let base = result.zones.iter().filter(|z| (&z.net, z.batch) == (&first.net, first.batch));
    let tile = |zone: &Zone| {
        (format!("{}: in the zone", zone.precision), format!("{} of {}", zone.inside(Rule::Chain), zone.runs.len()))
    };
    [("network".to_string(), first.net.clone())].into_iter().chain(base.map(tile)).collect()
}

const ZONES: &str = "`in zone`: random weights with such a minibatch in one pass through the images. `published`: the same \
     count on the 60 000 images of MNIST (other data, 28×28; Bertoin, Bolte, Gerchinovitz, Pauwels 2021; their 0 in 64 bits \
     was measured for the widths alone). `for 60 000`: 1 − e^(−λ) for as many images as these, λ from `zeros`, the part of \
     arguments of relu that were exactly 0. `tied`: minibatches with a tie. `change`: ‖g₁ − g₀‖₂ / ‖g₀‖₂ of the first such \
     minibatch, median and largest. `released`: the same with the rule of the published code, which sets the gradient at a \
     tie to s instead of multiplying what comes in by s; it is no derivative for s ≠ 0. All minibatches of one size show \
     the same random weights the same images: how many weights lie in the zone hardly depends on the size.";

const PATHS: &str = "Both paths are computed from the first step on. In f16 and bf16 the weights are rounded too, and a step \
     that is smaller than half a unit of a weight is lost: gradients may differ long before weights do.";

/// The published frequencies of zeros.
fn frequencies() -> String {
    let one = |(float, net, part): &(Float, &str, f64)| format!("{part:.1e} in {float} ({net})");
    let all: Vec<String> = PUBLISHED_FREQUENCY.iter().map(one).collect();
    format!("Published `zeros`, over 100 epochs of training: {}.", all.join(", "))
}

/// The published accuracies.
fn published() -> String {
    let all: Vec<String> = PUBLISHED_ACCURACY.iter().map(|(s, percent)| format!("{percent} for s = {s}")).collect();
    format!(
        "CIFAR10, ResNet18 without batch normalization, SGD, 200 epochs, by the released rule if the code released was the one \
         run, in %: {}.",
        all.join(", ")
    )
}
