//! The tables and charts of both studies.

use super::Source;
use clarke::Float;
use clarke_show::report::{Block, Chart, Scale, Series, Table};
use clarke_show::words;
use clarke_train::study::{Accuracy, Group, PUBLISHED_THRESHOLD, Path, PoolZone, Pools, Rule, Zone, published};

/// The images of MNIST.
const MNIST: usize = 60_000;

fn percent(x: f64) -> String {
    let digits = if x > 0.0 && x < 0.001 { 2 } else { 1 };
    format!("{:.digits$} %", 100.0 * x)
}

fn tiny(x: f64) -> String {
    if x == 0.0 { "0".into() } else { format!("{x:.1e}") }
}

fn table(titles: &[&str], rows: Vec<Vec<String>>) -> Block {
    headed(titles.iter().map(|t| t.to_string()).collect(), rows)
}

fn headed(head: Vec<String>, rows: Vec<Vec<String>>) -> Block {
    Block::Table(Table { title: String::new(), head, rows })
}

fn or_dash<T>(x: Option<T>, show: impl Fn(T) -> String) -> String {
    x.map_or("—".into(), show)
}

/// Zones, a network in an arithmetic a line, with the published counts.
pub fn zones(all: &[Zone], source: &Source) -> Block {
    let row = |zone: &Zone| {
        let width = zone.net.split('-').nth(1).unwrap_or_default().parse().unwrap_or(0);
        let counted = zone.precision.parse::<Float>().ok().and_then(|f| published(zone.layers, width, zone.batch, f));
        let runs = zone.runs.len();
        vec![
            format!("{}×{width}", zone.layers),
            zone.batch.to_string(),
            zone.precision.clone(),
            format!("{}/{runs}", zone.inside(Rule::Chain)),
            or_dash(counted, |n| percent(f64::from(n) / 1000.0)),
            percent(zone.expected(MNIST, source.images)),
            tiny(zone.frequency()),
            percent(zone.tied()),
            or_dash(zone.change(Rule::Chain), |(median, most)| format!("{median:.0e} {most:.0e}")),
            format!("{}/{runs}", zone.inside(Rule::Released)),
            or_dash(zone.change(Rule::Released), |(median, most)| format!("{median:.0e} {most:.0e}")),
        ]
    };
    let titles = [
        "layers",
        "batch",
        "bits",
        "in zone",
        "published",
        "for 60 000",
        "zeros",
        "tied",
        "change",
        "released",
        "change",
    ];
    table(&titles, all.iter().map(row).collect())
}

/// Two weight paths in each arithmetic.
pub fn paths(all: &[Path]) -> Block {
    let row = |path: &Path| {
        let nearest = path.nearest.iter().copied().fold(f64::INFINITY, f64::min);
        vec![
            path.net.clone(),
            path.precision.clone(),
            path.steps.to_string(),
            or_dash(path.tied, |k| k.to_string()),
            or_dash(path.differ, |k| k.to_string()),
            or_dash(path.parted, |k| k.to_string()),
            tiny(nearest),
            or_dash(path.distance.last().copied(), tiny),
        ]
    };
    let titles =
        ["network", "bits", "steps", "first tie", "gradients differ", "paths part", "least |argument|", "distance"];
    table(&titles, all.iter().map(row).collect())
}

/// Accuracies, an arithmetic and a rule a line, a value a column.
pub fn accuracies(groups: &[Group], what: &str) -> Block {
    let mut rows = vec![];
    let mut titles = vec!["bits".to_string(), "rule".into(), "starts with ties".into()];
    for group in groups {
        for rule in [Rule::Chain, Rule::Released] {
            let own: Vec<_> = group.accuracies.iter().filter(|a| a.rule == rule).collect();
            let Some(first) = own.first() else { continue };
            if titles.len() == 3 {
                titles.extend(own.iter().map(|a| format!("{what} = {}", words::short(a.value))));
            }
            let name = if rule == Rule::Chain { "chain" } else { "released" };
            let tied = format!("{} of {}", group.tied, first.accuracies.len());
            let cell = |a: &&Accuracy| {
                let low = a.accuracies.iter().copied().fold(f64::INFINITY, f64::min);
                let odd = if a.odd > 0 { format!(" ({} NaN)", a.odd) } else { String::new() };
                format!("{:.1} ≥{:.1}{odd}", 100.0 * a.mean(), 100.0 * low)
            };
            let cells = own.iter().map(cell);
            rows.push([group.precision.clone(), name.into(), tied].into_iter().chain(cells).collect());
        }
    }
    headed(titles, rows)
}

/// Zones of maxima.
pub fn pools(all: &Pools) -> Block {
    let row = |zone: &PoolZone| {
        let known = PUBLISHED_THRESHOLD.iter().find(|(f, ..)| f.to_string() == zone.precision);
        let mut norms: Vec<f64> = zone.minibatches.iter().map(|m| m.norm / m.gradient).collect();
        norms.sort_by(f64::total_cmp);
        vec![
            zone.precision.clone(),
            format!("{:.1}", zone.structural),
            tiny(zone.accidental),
            format!("{} ({})", or_dash(zone.threshold, tiny), zone.without),
            or_dash(zone.bifurcation, percent),
            or_dash(zone.compensation, percent),
            percent(zone.equal),
            tiny(norms[norms.len() / 2]),
            or_dash(known, |(_, tau, _)| tiny(*tau)),
            or_dash(known, |(_, _, part)| percent(*part)),
        ]
    };
    let titles = [
        "bits",
        "tied for all weights",
        "by accident",
        "τ (from)",
        "above",
        "below",
        "equal",
        "relative",
        "published τ",
        "above",
    ];
    table(&titles, all.zones.iter().map(row).collect())
}

/// The two paths of each arithmetic, step after step.
pub fn path_charts(all: &[Path]) -> Vec<Block> {
    let steps = |values: &[f64]| values.iter().enumerate().map(|(k, x)| (k as f64, *x)).collect::<Vec<_>>();
    let chart = |id: &str, title: &str, of: &dyn Fn(&Path) -> &[f64]| {
        let chart = Chart::new(id, title, "step", "", Scale::Log);
        Block::Chart(all.iter().fold(chart, |c, path| c.series(Series::new(path.precision.clone(), steps(of(path))))))
    };
    vec![
        chart("nearest", "The least |argument of relu| of a minibatch, until the paths part", &|p| &p.nearest),
        chart("distance", "The largest difference of two weights", &|p| &p.distance),
    ]
}

/// Mean accuracies against a value; over its logarithm where the values are spread.
pub fn accuracy_chart(id: &str, groups: &[Group], what: &str) -> Block {
    let mut chart = Chart::new(id, "Mean test accuracy", what, "accuracy", Scale::Linear);
    for group in groups {
        for rule in [Rule::Chain, Rule::Released] {
            let own = group.accuracies.iter().filter(|a| a.rule == rule);
            let mut points: Vec<(f64, f64)> = own.map(|a| (a.value, a.mean())).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            if !points.is_empty() {
                let name = if rule == Rule::Chain { "chain rule" } else { "released rule" };
                chart = chart.series(Series::new(format!("{}, {name}", group.precision), points));
            }
        }
    }
    Block::Chart(chart)
}
