//! The page of `clarke minimize --report`.

use super::watched::{Ties, Watched, filled, patience};
use super::{Page, made};
use crate::bind::Bindings;
use crate::each::Each;
use crate::minimize::{MinimizeArgs, MinimizeReport};
use crate::report::Exit;
use clarke::optim::{Evaluations, Outcome};
use clarke::{Conclusion, Program, Tensor};
use clarke_show::report::{Report, Section};
use clarke_show::{Named, conclusion_blocks, words};
use std::path::{Path, PathBuf};

/// The page of a run, as far as it is known what is on it.
#[derive(Debug)]
pub struct RunPage {
    page: Page,
    report: Report,
    along: Section,
    made: Section,
}

impl RunPage {
    /// The page that was asked for, if one was. Checks, before the run, that it can be saved.
    pub fn check(args: &MinimizeArgs) -> Result<Option<RunPage>, Exit> {
        let Some(path) = &args.report else { return Ok(None) };
        let page = Page::check("--report", path)?;
        let mut report = Report::new("minimize", format!("Minimization by {}", args.method_name()), subject(args));
        report.name = name(args);
        let mut how = Section { title: "How it was made".into(), blocks: vec![] };
        how.facts("Settings", settings(args));
        made(&mut how, files(args).iter().map(PathBuf::as_path));
        let along = Section { title: "Along the run".into(), blocks: vec![] };
        Ok(Some(RunPage { page, report, along, made: how }))
    }

    /// What was seen along the way, and the ties there. `each` names the data that differ from sample to sample, of which the
    /// program has one.
    pub fn along(
        &mut self,
        watched: &mut Watched,
        outcome: Option<&Outcome>,
        program: &Program,
        data: &Bindings,
        each: Option<&Each>,
        seconds: f64,
    ) {
        if let Some(outcome) = outcome {
            watched.ended(outcome.steps, &outcome.last);
        }
        let (ties, of) = ties(watched, program, data, each, seconds);
        let start = outcome.and_then(|o| o.trace.first()).filter(|(step, _)| *step == 0).map(|(_, value)| *value);
        let end = outcome.filter(|o| o.steps > 0).map(|o| (o.steps, o.value, o.best_value));
        self.along.chart(watched.values(start, end));
        ties.tell(&mut self.along, of.as_deref());
        if let Some(outcome) = outcome {
            let tile = |name: &str, value: String| (name.to_string(), value);
            self.report.tiles = vec![
                tile("best value", words::number(outcome.best_value)),
                tile("method", self.report.name.clone()),
                tile("steps", outcome.steps.to_string()),
                tile("time", time(seconds)),
            ];
            self.report.tiles.extend(
                ties.last()
                    .map(|[exact, close]| tile("ties at the end", format!("{exact} exactly, {close} within 10⁻⁶"))),
            );
        }
    }

    /// Saves the page of a run that ended.
    pub fn done(mut self, said: &MinimizeReport, end: &Conclusion) -> Result<(), Exit> {
        // The solution may be better than what the run met: it may have been polished.
        self.report.tiles[0].1 = words::number(said.best_value);
        self.along.charts().filter(|chart| chart.id == "value").for_each(|chart| chart.least = Some(said.best_value));
        self.report
            .tiles
            .extend(end.verdict().map(|verdict| ("verdict".to_string(), format!("{verdict}, {}", end.precision))));
        self.report.tiles.insert(1, ("ended".into(), said.ended().split(':').next().unwrap_or_default().into()));
        let mut last = Section { title: "The end".into(), blocks: vec![] };
        let measured = said.measures.iter().map(|(name, value)| (format!("measured {name}"), words::number(*value)));
        let counts = said.evaluations;
        let values = [
            ("ended".to_string(), said.ended().to_string()),
            ("last value".into(), words::number(said.value)),
            ("evaluated".into(), evaluated(counts)),
        ];
        last.facts("", values.into_iter().chain(measured));
        self.report.sections.push(last);
        let certificate = self.report.section("Certificate");
        certificate.blocks = conclusion_blocks(end);
        self.report.section("Guarantee").text(sentence(&said.guarantee));
        self.save(Some(&said.solution))
    }

    /// Saves the page of a run that failed, and returns its error.
    pub fn failed(mut self, exit: Exit, solution: Option<&Named>) -> Exit {
        self.report.failure = exit.sentences();
        match self.save(solution) {
            Ok(()) => exit,
            Err(other) => exit.hint(format!("nor was its report written: {}", other.sentences().join("; "))),
        }
    }

    fn save(mut self, solution: Option<&Named>) -> Result<(), Exit> {
        if !self.along.blocks.is_empty() {
            self.report.sections.insert(0, self.along);
        }
        if let Some(solution) = solution {
            let title = if self.report.failure.is_empty() { "Solution" } else { "The best point met" };
            entries(self.report.section(title), solution);
        }
        self.report.sections.push(self.made);
        self.page.save(&[self.report])
    }
}

/// The most samples whose ties are counted.
const SAMPLES: usize = 1000;

/// The ties along a run, and of what they are where that is not the whole function: of the first samples, of a mean over many.
fn ties(
    watched: &Watched,
    program: &Program,
    data: &Bindings,
    each: Option<&Each>,
    seconds: f64,
) -> (Ties, Option<String>) {
    let differs = |name: &str| each.is_some_and(|each| each.has(name));
    let count = each.map(Each::count);
    let taken = count.map(|n| n.min(SAMPLES));
    let fixed = program.inputs().iter().map(|input| {
        let first = each.zip(taken).and_then(|(each, n)| each.first(&input.name, n).ok().flatten());
        first.or_else(|| data.get(&input.name).cloned())
    });
    let point = filled(program, fixed.collect());
    let mapped: Vec<bool> = program.inputs().iter().map(|i| differs(&i.name)).collect();
    let batched = taken.and_then(|n| program.batch(&mapped, n).ok());
    let of = match (count, taken) {
        (Some(n), Some(taken)) if taken < n => Some(format!("of the first {taken} of {n} samples")),
        _ => None,
    };
    (watched.ties(batched.as_ref().unwrap_or(program), point, patience(seconds)), of)
}

/// The most entries of an array that are listed one by one.
const LISTED: usize = 64;

/// A solution: an entry a row where they are few, arrays in short where they are many.
fn entries(section: &mut Section, solution: &Named) {
    let (few, many): (Vec<_>, Vec<_>) = solution.0.iter().partition(|(_, value)| value.data().len() <= LISTED);
    let row = |name: &str, shape: &[usize], k: usize, x: f64| vec![words::entry_name(name, shape, k), words::number(x)];
    let of = |(name, value): &&(String, Tensor)| -> Vec<Vec<String>> {
        value.data().iter().enumerate().map(|(k, x)| row(name, value.shape(), k, *x)).collect()
    };
    if !few.is_empty() {
        section.table("", &["entry", "value"], few.iter().flat_map(of).collect());
    }
    if !many.is_empty() {
        section.facts("", many.iter().map(|(name, value)| (name.clone(), words::array(value, 0))));
    }
}

/// The objective, with what is said of its samples and data: only runs of the same are compared.
fn subject(args: &MinimizeArgs) -> String {
    let over = args.over.iter().map(|v| v.trim()).collect::<Vec<_>>().join(", ");
    let mean = match (&args.samples, &args.each[..]) {
        (None, []) => String::new(),
        (Some(_), _) => "mean over samples (X, y) of ".into(),
        (None, names) => format!("mean over samples ({}) of ", names.join(", ")),
    };
    let mut lines = vec![format!("minimize {mean}{}", args.expression.trim()), format!("over {over}")];
    let table = args.data.csv.iter().chain(&args.samples).map(|path| {
        let y = args.data.y.iter().map(|y| format!(", y = {y}")).collect::<String>();
        format!("data {}{y}{}", path.display(), if args.data.standardize { ", standardized" } else { "" })
    });
    lines.extend(table);
    lines.extend(args.data.lets.iter().map(|given| format!("with {}", words::clipped(given, 100))));
    lines.join("\n")
}

/// What the run is called beside others: the method, with what was set of it.
fn name(args: &MinimizeArgs) -> String {
    let step = args.step.iter().map(|rule| format!("step {rule}"));
    let set: Vec<String> = args.options.iter().cloned().chain(step).collect();
    if set.is_empty() { args.method_name().to_string() } else { format!("{} ({})", args.method_name(), set.join(", ")) }
}

/// Every setting, given or not.
fn settings(args: &MinimizeArgs) -> Vec<(String, String)> {
    let given = |name: &str| {
        let option = args.options.iter().filter_map(|o| o.split_once('=')).find(|(n, _)| n.trim() == name);
        option.map(|(_, value)| value.trim().to_string()).or((name == "step").then(|| args.step.clone()).flatten())
    };
    let mut all = vec![("method".to_string(), args.method_name().to_string())];
    if let Ok(entry) = clarke::optim::entry(args.method_name()) {
        all.push(("formula".into(), entry.formula.into()));
        all.extend(
            entry
                .parameters()
                .filter(|p| p.name != "seed")
                .map(|p| (p.name.to_string(), given(p.name).unwrap_or_else(|| format!("{} (default)", p.default)))),
        );
    }
    let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| format!("{default} (default)"));
    all.push(("steps at most".into(), or(&args.steps.map(|n| n.to_string()), &crate::minimize::STEPS.to_string())));
    all.push(("policy".into(), or(&args.policy, "min-norm")));
    all.push(("seed".into(), args.seed.to_string()));
    all.push(("said to be convex".into(), if args.convex { "yes" } else { "no" }.into()));
    let start = if args.from.is_empty() { "zeros".to_string() } else { args.from.join(", ") };
    all.push(("start".into(), words::clipped(&start, 200)));
    all
}

/// The files that the run reads.
fn files(args: &MinimizeArgs) -> Vec<PathBuf> {
    let named =
        args.data.lets.iter().chain(&args.from).filter_map(|given| given.split_once('=')?.1.trim().strip_prefix('@'));
    let mut all: Vec<PathBuf> =
        args.data.csv.iter().chain(&args.samples).cloned().chain(named.map(|p| Path::new(p.trim()).into())).collect();
    all.dedup();
    all
}

fn evaluated(counts: Evaluations) -> String {
    let gradients = words::plural(counts.gradients as usize, "gradient");
    let values =
        if counts.values > 0 { format!(", {}", words::plural(counts.values as usize, "value")) } else { String::new() };
    let terms =
        if counts.terms != counts.gradients { format!(", of {} terms together", counts.terms) } else { String::new() };
    format!("{gradients}{values}{terms}")
}

/// A phrase as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).chain(['.']).collect())
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        s if s < 120.0 => format!("{s:.1} s"),
        s => format!("{:.0} min", s / 60.0),
    }
}
